package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
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

// keyPolicyOf returns the policy of a key.
func (d *desk) keyPolicyOf(k world.Key) string {
	d.t.Helper()
	now, e := d.world.DescribeKey(d.keeper(k.Account, k.Region), k.ID, world.View{})
	require.Nil(d.t, e)
	return string(now.Policy)
}

// ownersPolicy is a key policy in its owner's own writing, with these statements after it.
func (d *desk) ownersPolicy(statements ...string) string {
	own := `{ "Effect":"Allow","Sid":"owner",  "Principal":{"RAM":["acs:ram::` + d.other + `:*"]},"Action":["kms:*"],"Resource":["*"]}`
	return policyText(append([]string{own}, statements...)...)
}

// loanOf is the statement that lends its key to the role of a ticket.
func (d *desk) loanOf(id string) string { return replication.KeyGrantFor(d.tickets[id]).String() }

// judgeKeyPolicy refuses a change of a key policy that is not the statement of
// somebody's ticket, or that lends more than the use of the key.
func (g *guard) judgeKeyPolicy(c world.Call, tickets map[string]replication.Request) string {
	if !strings.Contains(c.Caller, g.d.other+":assumed-role/"+deploy.DestinationRole+"/") {
		return "a key policy changed by another than the role of its account"
	}
	for _, r := range tickets {
		if !r.Across() || !strings.HasSuffix(r.KMSKey(), "/"+c.Resource) {
			continue
		}
		snap, err := g.d.journal.Load(context.Background(), journal.Key(r.KMSKey()))
		if err != nil || !strings.Contains(string(snap.Body), `"before"`) {
			return "a key policy changed that was not saved before"
		}
		k, e := g.d.world.DescribeKey(g.d.keeper(g.d.other, r.Destination.Region), c.Resource, world.View{})
		if e != nil {
			return "the policy of a key that is not there"
		}
		var doc struct {
			Statement []struct {
				Principal struct{ RAM []string }
				Action    []string
			}
		}
		if json.Unmarshal(k.Policy, &doc) != nil {
			return "a key policy that cannot be read"
		}
		for _, s := range doc.Statement {
			if len(s.Principal.RAM) == 1 && strings.Contains(s.Principal.RAM[0], ":role/oss-replication-") && !slices.Equal(s.Action, []string{"kms:Decrypt", "kms:GenerateDataKey"}) {
				return "a statement that lends more than the use of the key"
			}
		}
		return ""
	}
	return "a key that no ticket names"
}

func TestObjectsUnderKeysAreReplicatedToAnotherAccount(t *testing.T) {
	for name, region := range map[string]string{"in another region": away, "in the same region": home} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole})
			d.bucket("src", home, false)
			d.theirBucket("dst", region, false)
			source, k := d.key(home), d.theirKey(region, d.ownersPolicy())
			d.submit(d.across("CHG-1", "src", "dst", region, withKMS(k.ARN())))
			j := d.watched("CHG-1", 2*time.Hour)
			require.Equal(t, d.ownersPolicy(d.loanOf("CHG-1")), d.keyPolicyOf(k), "the rest keeps its bytes")
			require.Equal(t, "the copy is encrypted under key "+k.ID, j.Evidence.Encryption)
			d.putUnder("src", "image/new", "secret", source.ID)
			time.Sleep(20 * time.Minute)
			v := d.object("dst", "image/new")
			require.NotNil(t, v)
			require.Equal(t, [2]string{"KMS", k.ID}, [2]string{v.SSE, v.KMSKeyID}, "it stays encrypted, under the key of the destination")
			require.Equal(t, 1, d.calls("SetKeyPolicy"))
			s := d.stopped("CHG-9", "CHG-1", "src", "dst")
			require.Contains(t, strings.Join(s.Stop.Removed, "; "), "the statement for role "+replication.RoleName("CHG-1")+" in the policy of key "+k.ARN())
			require.Equal(t, d.ownersPolicy(), d.keyPolicyOf(k), "exactly the statement is taken back")
		})
	}
	bubble(t, "that lent its key before, and keeps what it wrote", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		lent := d.lentTo(replication.RoleName("CHG-1"), keyActions)
		k := d.theirKey(away, lent)
		d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
		d.watched("CHG-1", 2*time.Hour)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, lent, d.keyPolicyOf(k))
		require.Zero(t, d.calls("SetKeyPolicy"))
	})
}

func TestTwoTicketsShareAKeyOfAnotherAccount(t *testing.T) {
	bubble(t, "at once, and one of them is stopped", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		k := d.theirKey(away, d.ownersPolicy())
		source := d.key(home)
		for i, id := range []string{"CHG-1", "CHG-2"} {
			src, dst := fmt.Sprint("src-", i), fmt.Sprint("dst-", i)
			d.bucket(src, home, false)
			d.theirBucket(dst, away, false)
			d.submit(d.across(id, src, dst, away, withKMS(k.ARN())))
		}
		for _, id := range []string{"CHG-1", "CHG-2"} {
			d.watched(id, 2*time.Hour)
			require.Contains(t, d.keyPolicyOf(k), d.loanOf(id), "both statements survive")
		}
		d.stopped("CHG-9", "CHG-1", "src-0", "dst-0")
		require.Equal(t, d.ownersPolicy(d.loanOf("CHG-2")), d.keyPolicyOf(k))
		d.putUnder("src-1", "image/still", "secret", source.ID)
		time.Sleep(20 * time.Minute)
		require.NotNil(t, d.object("dst-1", "image/still"))
		d.stopped("CHG-8", "CHG-2", "src-1", "dst-1")
		require.Equal(t, d.ownersPolicy(), d.keyPolicyOf(k))
	})
}

func TestTheLoanOfAKeySurvivesWhateverHappensToItsCalls(t *testing.T) {
	for action, reads := range map[string]int{"GetKeyPolicy": 4, "SetKeyPolicy": 1} {
		for what, m := range map[string]mishap{"the answer is lost": lostReply, "the request is lost": lost, "the worker dies before it": crash, "the worker dies after it": crashDone} {
			for nth := 1; nth <= reads; nth++ {
				bubble(t, fmt.Sprintf("%s %d: %s", action, nth, what), func(t *testing.T) {
					d := newDesk(t, setup{desk: byRole})
					d.bucket("src", home, false)
					d.theirBucket("dst", away, false)
					k := d.theirKey(away, d.ownersPolicy())
					d.befallOnce(action, nth, m)
					d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
					d.watched("CHG-1", 3*time.Hour)
					require.Equal(t, d.ownersPolicy(d.loanOf("CHG-1")), d.keyPolicyOf(k))
					d.befallOnce("SetKeyPolicy", 1, m)
					d.stopped("CHG-9", "CHG-1", "src", "dst")
					require.Equal(t, d.ownersPolicy(), d.keyPolicyOf(k))
				})
			}
		}
	}
}

func TestAKeyPolicyThatTheDeskMayNotChange(t *testing.T) {
	blocked := func(name string, reason replication.Reason, policy func(*desk) string, says string) {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
			d.bucket("src", home, false)
			d.theirBucket("dst", away, false)
			before := policy(d)
			k := d.theirKey(away, before)
			d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
			require.Contains(t, d.awaitEvent("CHG-1", reason, time.Hour).Data.Message, says)
			require.Equal(t, before, d.keyPolicyOf(k))
			require.Zero(t, d.calls("PutBucketReplication"))
			d.setKeyPolicy(k, d.ownersPolicy())
			d.watched("CHG-1", 2*time.Hour)
		})
	}
	blocked("because somebody denies it", replication.ReasonKMSKeyDenied, func(d *desk) string {
		return d.ownersPolicy(`{"Effect":"Deny","Principal":{"RAM":["acs:ram::` + d.uid + `:*"]},"Action":["kms:Decrypt"],"Resource":["*"]}`)
	}, `"Effect":"Deny"`)
	blocked("because there is no room", replication.ReasonKMSKeyFull, func(d *desk) string {
		var full []string
		for i := 0; len(d.ownersPolicy(full...)) < 32_600; i++ {
			full = append(full, fmt.Sprintf(`{"Sid":"%d","Effect":"Allow","Principal":{"RAM":["acs:ram::%s:user/some-body-%03d"]},"Action":["kms:Encrypt"],"Resource":["*"]}`, i, d.other, i))
		}
		return d.ownersPolicy(full...)
	}, "KMS takes 32768")
	bubble(t, "because the instance was bought for one account", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		k, e := d.world.CreateKey(d.keeper(d.other, away), world.NewKey{Instance: d.world.NewKMSInstance(d.other, away, 1)})
		require.Nil(t, e)
		d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
		require.Contains(t, d.awaitEvent("CHG-1", replication.ReasonKMSKeyAccess, time.Hour).Data.Remedy, "access management quantity")
	})
}

func TestAnOwnerMayKeepTheRightToChangeKeyPolicies(t *testing.T) {
	bubble(t, "and lend the key by hand, which nobody takes back", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		b, err := deploy.DestinationPolicy("*")
		require.NoError(t, err)
		_, e := d.world.CreatePolicyVersion(d.other, deploy.DestinationRole, strings.Replace(string(b), `, "kms:SetKeyPolicy"`, "", 1), true, true)
		require.Nil(t, e)
		time.Sleep(time.Minute)
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		k := d.theirKey(away, d.ownersPolicy())
		d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
		message := d.awaitEvent("CHG-1", replication.ReasonDenied, time.Hour).Data.Message
		require.Contains(t, message, "SetKeyPolicy")
		require.Contains(t, message, "Keys > "+k.ID+" > Key Policy")
		lent := d.ownersPolicy(d.loanOf("CHG-1"))
		d.setKeyPolicy(k, lent)
		d.watched("CHG-1", 2*time.Hour)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, lent, d.keyPolicyOf(k))
	})
}

func TestAKeyOfAnotherAccountThatIsNotLentAnyMore(t *testing.T) {
	role := replication.RoleName("CHG-1")
	for name, actions := range map[string]string{"nothing": "", "no right to decrypt": `"kms:GenerateDataKey"`, "no right to make data keys": `"kms:Decrypt"`} {
		bubble(t, "but lends "+name+": the job says what its owner does, and waits", func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
			d.bucket("src", home, false)
			d.theirBucket("dst", away, false)
			k := d.theirKey(away, "")
			d.submit(d.across("CHG-1", "src", "dst", away, withKMS(k.ARN())))
			d.inPhase("CHG-1", replication.PhaseStarting, 20*time.Minute)
			lent := d.ownersPolicy()
			if actions != "" {
				lent = d.lentTo(role, actions)
			}
			d.setKeyPolicy(k, lent)
			e := d.awaitEvent("CHG-1", replication.ReasonKMSKeyPolicy, 2*time.Hour)
			for _, part := range []string{"the owner of account " + d.other, "Keys > " + k.ID + " > Key Policy", "acs:ram::" + d.uid + ":role/" + role, "access management quantity of at least 2"} {
				require.Contains(t, e.Data.Message, part)
			}
			require.Empty(t, d.keys("dst"))
			d.setKeyPolicy(k, d.lentTo(role, keyActions))
			d.watched("CHG-1", 2*time.Hour)
		})
	}
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
