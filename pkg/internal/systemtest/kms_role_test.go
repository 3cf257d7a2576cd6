package systemtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

const sharedWithKeys = `"role":{"type":"AliyunOSSRole","consent":["all buckets","all KMS keys"]}`

// keyed makes a pair with an object under a key, and returns the ticket for it with a
// role and the key of the copies.
func (d *desk) keyed(role string) (ticket string, source, copies world.Key) {
	d.t.Helper()
	d.pair("src", "dst", false)
	source, copies = d.key(home), d.key(away)
	d.putUnder("src", "image/old", "secret", source.ID)
	return d.ticket("CHG-1", "src", "dst", withKMS(copies.ID)+","+role), source, copies
}

// arrivesUnder waits for an object at the destination, under a key.
func (d *desk) arrivesUnder(key string, k world.Key) {
	d.t.Helper()
	require.True(d.t, d.until(time.Hour, func() bool { return d.object("dst", key) != nil }), key)
	v := d.object("dst", key)
	require.Equal(d.t, [2]string{"KMS", k.ID}, [2]string{v.SSE, v.KMSKeyID})
}

// giveSystem attaches a policy of the cloud's own, as the owner of the account does.
func (d *desk) giveSystem(role, policy string) {
	d.t.Helper()
	require.Nil(d.t, d.world.AttachPolicyToRole(d.uid, world.TypeSystem, policy, role, world.View{}))
	d.guard.foreign = d.guard.others()
}

func TestObjectsUnderKeysAreReplicatedUnderTheSharedRole(t *testing.T) {
	const warning = " and all KMS keys of account "
	bubble(t, "which gets both system policies, and keeps them when the ticket is stopped", func(t *testing.T) {
		d := newDesk(t, setup{})
		ticket, source, copies := d.keyed(sharedWithKeys)
		p := d.plan(ticket)
		require.True(t, p.Accepted, "%v", p.Reasons)
		require.Contains(t, fmt.Sprint(p.Risks), warning)
		d.submit(ticket)
		require.Contains(t, d.watched("CHG-1", time.Hour).Message, warning, "the result carries the warning")
		require.Equal(t, []string{"CreateRole AliyunOSSRole", "AttachPolicyToRole AliyunOSSRole", "AttachPolicyToRole AliyunOSSRole"}, d.writesToRAM())
		both := []string{"AliyunOSSFullAccess", "AliyunKMSCryptoUserAccess"}
		require.ElementsMatch(t, both, d.attached("AliyunOSSRole"))
		d.putUnder("src", "image/new", "secret too", source.ID)
		d.arrivesUnder("image/old", copies)
		d.arrivesUnder("image/new", copies)
		j := d.stopped("CHG-9", "CHG-1", "src", "dst")
		for _, policy := range both {
			require.Contains(t, j.Message, "policy "+policy+" on role AliyunOSSRole, which all of the account share")
		}
		require.ElementsMatch(t, both, d.attached("AliyunOSSRole"))
	})
	bubble(t, "which is used as it is, when it is there, by functions that may grant nothing", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.roleOf("AliyunOSSRole", foreignTrust, "")
		d.giveSystem("AliyunOSSRole", "AliyunOSSFullAccess")
		d.giveSystem("AliyunOSSRole", "AliyunKMSCryptoUserAccess")
		time.Sleep(time.Minute)
		ticket, _, copies := d.keyed(sharedWithKeys)
		d.submit(ticket)
		d.watched("CHG-1", time.Hour)
		d.arrivesUnder("image/old", copies)
		require.Empty(t, d.writesToRAM())
	})
	bubble(t, "which lacks the policy for keys only, and somebody has to attach it", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.roleOf("AliyunOSSRole", foreignTrust, "")
		d.giveSystem("AliyunOSSRole", "AliyunOSSFullAccess")
		time.Sleep(time.Minute)
		ticket, _, _ := d.keyed(sharedWithKeys)
		d.submit(ticket)
		e := d.awaitEvent("CHG-1", replication.ReasonMayNotGrant, time.Hour)
		require.Contains(t, e.Data.Message, "AliyunKMSCryptoUserAccess")
		d.giveSystem("AliyunOSSRole", "AliyunKMSCryptoUserAccess")
		d.watched("CHG-1", 2*time.Hour)
		require.Empty(t, d.writesToRAM())
	})
	bubble(t, "which loses the policy for keys while it is proven", func(t *testing.T) {
		d := newDesk(t, setup{})
		ticket, _, _ := d.keyed(sharedWithKeys)
		d.submit(ticket)
		d.inPhase("CHG-1", replication.PhaseStarting, time.Hour)
		require.Nil(t, d.world.DetachPolicyFromRole(d.uid, world.TypeSystem, "AliyunKMSCryptoUserAccess", "AliyunOSSRole"))
		d.awaitEvent("CHG-1", replication.ReasonKMSPolicyMissing, 3*time.Hour)
		d.giveSystem("AliyunOSSRole", "AliyunKMSCryptoUserAccess")
		d.watched("CHG-1", 6*time.Hour)
	})
	bubble(t, "not without consent to all keys in so many words", func(t *testing.T) {
		d := newDesk(t, setup{})
		ticket, _, _ := d.keyed(sharedRole)
		d.submit(ticket)
		e := d.awaitEvent("CHG-1", replication.ReasonRoleConsent, 10*time.Minute)
		require.Contains(t, e.Data.Message, `"all KMS keys"`)
		require.Empty(t, d.made())
	})
}

func TestObjectsUnderKeysAreReplicatedUnderARoleThatWasMadeBeforehand(t *testing.T) {
	for policy, warns := range map[string]bool{"AliyunKMSCryptoUserAccess": false, "AliyunKMSFullAccess": true} {
		bubble(t, "with "+policy, func(t *testing.T) {
			d := newDesk(t, withoutGrants(t))
			d.roleOf("TeamCopier", foreignTrust, narrow("src", "dst"))
			d.giveSystem("TeamCopier", policy)
			time.Sleep(time.Minute)
			ticket, source, copies := d.keyed(customRole)
			d.submit(ticket)
			j := d.watched("CHG-1", time.Hour)
			require.Equal(t, warns, strings.Contains(j.Message, "role TeamCopier reaches all KMS keys of account "+d.uid+" ("+policy+"): use it with caution"))
			d.putUnder("src", "image/new", "secret too", source.ID)
			d.arrivesUnder("image/old", copies)
			d.arrivesUnder("image/new", copies)
			d.stopped("CHG-9", "CHG-1", "src", "dst")
			require.Empty(t, d.writesToRAM(), "the role is not touched")
		})
	}
	bubble(t, "and has no right to keys until somebody adds what the message says", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.roleOf("TeamCopier", foreignTrust, narrow("src", "dst"))
		time.Sleep(time.Minute)
		ticket, _, copies := d.keyed(customRole)
		d.submit(ticket)
		e := d.awaitEvent("CHG-1", replication.ReasonRoleRights, time.Hour)
		said, document, _ := strings.Cut(e.Data.Message, "a policy with this would do: ")
		require.Contains(t, said, "kms:Decrypt on acs:kms:"+home+":"+d.uid+":key/*")
		require.Contains(t, said, "kms:Decrypt, kms:GenerateDataKey on "+copies.ARN())
		require.NotContains(t, said, "oss:", "of the buckets it may do everything")
		require.Empty(t, d.owner("src", "dst"), "nothing is held while somebody else has to act")
		_, denied := d.world.CreatePolicy(d.uid, "more", document, "", nil)
		require.Nil(t, denied)
		d.attach("TeamCopier", "more")
		d.guard.foreign = d.guard.others()
		d.watched("CHG-1", 2*time.Hour)
		d.arrivesUnder("image/old", copies)
	})
	bubble(t, "to which the ticket adds what it lacks, no more, until it is stopped", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.roleOf(extended, foreignTrust, narrow("src", "dst"))
		ticket, source, copies := d.keyed(addingRole)
		d.submit(ticket)
		d.watched("CHG-1", time.Hour)
		own := replication.PolicyName("CHG-1")
		require.ElementsMatch(t, []string{extended, own}, d.attached(extended))
		p, e := d.world.GetPolicy(d.uid, world.TypeCustom, own, world.View{})
		require.Nil(t, e)
		require.False(t, tooWide(p.Versions[0].Document, d.tickets["CHG-1"]))
		d.putUnder("src", "image/new", "secret too", source.ID)
		d.arrivesUnder("image/old", copies)
		d.arrivesUnder("image/new", copies)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, []string{extended}, d.attached(extended), "the role is as it was")
	})
}

// TestEachRightToKeysThatARoleIsAddedIsNeeded takes each away in turn. Within one
// account the cloud asks for no right to decrypt with the key of the copies; the
// documents name it all the same.
func TestEachRightToKeysThatARoleIsAddedIsNeeded(t *testing.T) {
	const read, write = `{"Effect":"Allow","Action":["kms:Decrypt"],`, `"kms:Decrypt","kms:GenerateDataKey"`
	for name, c := range map[string]struct {
		across     bool
		what, less string
		proven     bool // the canary is not under a key of the owner's
	}{
		"reading under the keys of the source":                    {what: read, less: strings.ReplaceAll(read, "Decrypt", "Other"), proven: true},
		"making data keys for the copies":                         {what: write, less: `"kms:Decrypt"`},
		"making data keys for copies in another account":          {across: true, what: write, less: `"kms:Decrypt"`},
		"decrypting with the key of copies in another account":    {across: true, what: write, less: `"kms:GenerateDataKey"`},
		"reading under the keys of the source, across an account": {across: true, what: read, less: strings.ReplaceAll(read, "Decrypt", "Other"), proven: true},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
			d.bucket("src", home, false)
			var ticket string
			var copies world.Key
			if c.across {
				d.theirBucket("dst", away, false)
				copies = d.theirKey(away, d.lentTo(extended, keyActions))
				ticket = d.across("CHG-1", "src", "dst", away, withKMS(copies.ARN())+","+addingRole)
			} else {
				d.bucket("dst", away, false)
				copies = d.key(away)
				ticket = d.ticket("CHG-1", "src", "dst", withKMS(copies.ID)+","+addingRole)
			}
			source := d.key(home)
			d.roleOf(extended, foreignTrust, "")
			d.submit(ticket)
			d.inPhase("CHG-1", replication.PhaseStarting, time.Hour)
			whole := replication.RolePolicy(d.tickets["CHG-1"])
			require.Contains(t, whole, c.what)
			d.guard.changed["CHG-1"] = true
			own := replication.PolicyName("CHG-1")
			d.document(own, strings.Replace(whole, c.what, c.less, 1))
			if c.proven {
				d.watched("CHG-1", 2*time.Hour)
				d.putUnder("src", "image/new", "secret", source.ID)
				d.awaitEvent("CHG-1", replication.ReasonLag, 4*time.Hour)
			} else {
				e := d.awaitEvent("CHG-1", replication.ReasonRoleRights, 3*time.Hour)
				require.Contains(t, e.Data.Message, copies.ARN())
				d.putUnder("src", "image/new", "secret", source.ID)
			}
			require.Nil(t, d.object("dst", "image/new"))
			d.document(own, whole)
			d.watched("CHG-1", 6*time.Hour)
			d.arrivesUnder("image/new", copies)
		})
	}
}
