package systemtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// theirKey makes a key of the other account in an instance that was bought for two.
func (d *desk) theirKey(region, policy string) world.Key {
	d.t.Helper()
	k, e := d.world.CreateKey(d.keeper(d.other, region), world.NewKey{Instance: d.world.NewKMSInstance(d.other, region, 2), Policy: policy})
	require.Nil(d.t, e)
	return k
}

// lentTo is a key policy that lets a role of the desk's account do something with it.
func (d *desk) lentTo(role, actions string) string {
	return `{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["acs:ram::` + d.other + `:*"]},"Action":["kms:*"],"Resource":["*"]},` +
		`{"Effect":"Allow","Principal":{"RAM":["acs:ram::` + d.uid + `:role/` + role + `"]},"Action":[` + actions + `],"Resource":["*"]}]}`
}

const keyActions = `"kms:Decrypt","kms:GenerateDataKey"`

// setKeyPolicy changes the policy of a key, as its owner does.
func (d *desk) setKeyPolicy(k world.Key, policy string) {
	d.t.Helper()
	require.Nil(d.t, d.world.SetKeyPolicy(d.keeper(d.other, k.Region), k.ID, "default", policy))
}

func TestObjectsUnderKeysAreReplicatedToAnotherAccount(t *testing.T) {
	role := replication.RoleName("CHG-1")
	for name, region := range map[string]string{"in another region": away, "in the same region": home} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole})
			d.bucket("src", home, false)
			d.theirBucket("dst", region, false)
			source, k := d.key(home), d.theirKey(region, d.lentTo(role, keyActions))
			d.submit(d.across("CHG-1", "src", "dst", region, withKMS(k.ARN())))
			j := d.watched("CHG-1", 2*time.Hour)
			require.Equal(t, "the copy is encrypted under key "+k.ID, j.Evidence.Encryption)
			d.putUnder("src", "image/new", "secret", source.ID)
			time.Sleep(20 * time.Minute)
			v := d.object("dst", "image/new")
			require.NotNil(t, v)
			require.Equal(t, [2]string{"KMS", k.ID}, [2]string{v.SSE, v.KMSKeyID}, "it stays encrypted, under the key of the destination")
			d.stopped("CHG-9", "CHG-1", "src", "dst")
			require.Zero(t, d.calls("SetKeyPolicy"), "key policies are their owners' to change")
		})
	}
}

func TestAKeyOfAnotherAccountThatIsNotLentYet(t *testing.T) {
	role := replication.RoleName("CHG-1")
	for name, actions := range map[string]string{"does not name the role": "", "lends no right to decrypt": `"kms:GenerateDataKey"`, "lends no right to make data keys": `"kms:Decrypt"`} {
		bubble(t, name+": the job says what its owner does, and waits", func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
			d.bucket("src", home, false)
			d.theirBucket("dst", away, false)
			policy := ""
			if actions != "" {
				policy = d.lentTo(role, actions)
			}
			k := d.theirKey(away, policy)
			d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
			e := d.awaitEvent("CHG-1", replication.ReasonKMSKeyPolicy, time.Hour)
			for _, part := range []string{"the owner of account " + d.other, "Keys > " + k.ID + " > Key Policy", "acs:ram::" + d.uid + ":role/" + role, "access management quantity of at least 2"} {
				require.Contains(t, e.Data.Message, part)
			}
			time.Sleep(2 * time.Hour)
			require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase)
			require.Zero(t, d.calls("PutBucketReplication"))
			d.setKeyPolicy(k, d.lentTo(role, keyActions))
			d.watched("CHG-1", 2*time.Hour)
			require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonKMSKeyPolicy, replication.ReasonVerified}, d.reasons("CHG-1"))
		})
	}
	bubble(t, "is lost while the rule is proven", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		k := d.theirKey(away, d.lentTo(role, keyActions))
		d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
		d.inPhase("CHG-1", replication.PhaseStarting, 20*time.Minute)
		d.setKeyPolicy(k, d.lentTo("another", keyActions))
		d.awaitEvent("CHG-1", replication.ReasonKMSKeyPolicy, 2*time.Hour)
		d.setKeyPolicy(k, d.lentTo(role, keyActions))
		d.watched("CHG-1", 2*time.Hour)
	})
}

func TestADefaultKeyOfAnotherAccountIsRefused(t *testing.T) {
	bubble(t, "before anything is made", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		k, e := d.world.CreateKey(d.keeper(d.other, away), world.NewKey{})
		require.Nil(t, e)
		d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
		j := d.await("CHG-1", time.Hour)
		require.Equal(t, replication.ReasonKMSKeyDefault, j.Reason)
		require.Contains(t, d.awaitEvent("CHG-1", replication.ReasonKMSKeyDefault, time.Minute).Data.Remedy, "supported regions and endpoints for software key management")
		require.Zero(t, d.calls("CreateRole"))
	})
}

func TestAKeyThatDoesNotLetUsLookIsTried(t *testing.T) {
	bubble(t, "when its owner makes the grants", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		k := d.theirKey(away, d.lentTo(replication.RoleName("CHG-1"), keyActions))
		ticket := d.across("CHG-1", "src", "dst", away, strings.Replace(withKMS(k.ARN()), `"replicate":true}`, `"replicate":false}`, 1))
		d.policyOf("dst", replication.LookStatement(d.parsed(ticket)), replication.GrantFor(d.parsed(ticket)).String())
		d.submit(ticket)
		j := d.watched("CHG-1", 3*time.Hour)
		require.Contains(t, j.Message, "could not be read")
		require.Contains(t, j.Evidence.Encryption, k.ID, "the copy shows what the key does not")
	})
}
