package systemtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	sharedRole = `"role":{"type":"AliyunOSSRole","consent":["all buckets"]}`
	customRole = `"role":{"type":"custom","name":"TeamCopier"}`
	// extended is a role that the functions of a desk may add policies to, by its name.
	extended   = "oss-replication-team"
	addingRole = `"role":{"type":"custom","name":"oss-replication-team","addMissing":true}`
)

// withoutGrants is a deployment whose functions may make no role and grant nothing.
func withoutGrants(t *testing.T) setup {
	t.Helper()
	document, err := deploy.WithoutGrants("provision", stateBucket, "replidesk")
	require.NoError(t, err)
	return setup{policies: map[string]string{"provision": string(document)}}
}

// narrow is a policy for a pair, as the help page has it.
func narrow(src, dst string) string {
	return fmt.Sprintf(`{"Version":"1","Statement":[
	 {"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet"],"Resource":["acs:oss:*:*:%[1]s","acs:oss:*:*:%[1]s/*"]},
	 {"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet","oss:ReplicatePut","oss:ReplicateDelete"],"Resource":["acs:oss:*:*:%[2]s","acs:oss:*:*:%[2]s/*"]}]}`, src, dst)
}

// owner makes a role as the owner of the account does, with a policy of its name.
func (d *desk) roleOf(name, trust, document string) {
	d.t.Helper()
	_, e := d.world.CreateRole(d.uid, world.NewRole{Name: name, Trust: trust})
	require.Nil(d.t, e)
	if document != "" {
		d.give(name, document)
	}
	d.guard.foreign = d.guard.others()
}

// give attaches a policy of the role's name to it.
func (d *desk) give(role, document string) {
	d.t.Helper()
	_, e := d.world.CreatePolicy(d.uid, role, document, "", nil)
	require.Nil(d.t, e)
	d.attach(role, role)
	d.guard.foreign = d.guard.others()
}

// attached returns the names of what is attached to a role.
func (d *desk) attached(role string) []string {
	d.t.Helper()
	list, e := d.world.ListPoliciesForRole(d.uid, role, world.View{})
	require.Nil(d.t, e)
	names := []string{}
	for _, a := range list {
		names = append(names, a.Policy.Name)
	}
	return names
}

// writesToRAM returns the changes that the functions made in RAM.
func (d *desk) writesToRAM() (list []string) {
	for _, c := range d.made() {
		if c.Service == "ram" {
			list = append(list, c.Action+" "+c.Resource)
		}
	}
	return list
}

func (d *desk) usual(role string) string { return d.ticket("CHG-1", "src", "dst", scope+","+role) }

func TestAPairReplicatesUnderTheSharedRole(t *testing.T) {
	const warning = "role AliyunOSSRole reaches all buckets of account"
	bubble(t, "which is made with its policy, and stays when the ticket is stopped", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		p := d.plan(d.usual(sharedRole))
		require.True(t, p.Accepted, "%v", p.Reasons)
		require.Contains(t, fmt.Sprint(p.Risks), warning)
		d.submit(d.usual(sharedRole))
		j := d.watched("CHG-1", time.Hour)
		require.Contains(t, j.Message, warning, "the result carries the warning")
		require.Equal(t, []string{"CreateRole AliyunOSSRole", "AttachPolicyToRole AliyunOSSRole"}, d.writesToRAM())
		require.Equal(t, []string{"AliyunOSSFullAccess"}, d.attached("AliyunOSSRole"))
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		j = d.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase)
		require.Contains(t, j.Message, "policy AliyunOSSFullAccess on role AliyunOSSRole, which all of the account share")
		require.Contains(t, j.Message, "role AliyunOSSRole, which all of the account share")
		require.Equal(t, []string{"AliyunOSSFullAccess"}, d.attached("AliyunOSSRole"))
		require.Empty(t, d.owner("src", "dst"))
	})
	bubble(t, "which is used as it is, when it is there, by functions that may grant nothing", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		d.roleOf("AliyunOSSRole", foreignTrust, "")
		require.Nil(t, d.world.AttachPolicyToRole(d.uid, world.TypeSystem, "AliyunOSSFullAccess", "AliyunOSSRole", world.View{}))
		time.Sleep(time.Minute)
		d.submit(d.usual(sharedRole))
		d.watched("CHG-1", time.Hour)
		require.Empty(t, d.writesToRAM())
	})
	bubble(t, "which two tickets make at once", func(t *testing.T) {
		d := newDesk(t, setup{})
		for i := range 4 {
			src, dst := fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i)
			d.pair(src, dst, false)
			d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), src, dst, scope+","+sharedRole))
		}
		for i := range 4 {
			d.watched(fmt.Sprintf("CHG-%d", i), time.Hour)
		}
		require.Equal(t, 1, d.calls("CreateRole"))
		require.Equal(t, 1, d.calls("AttachPolicyToRole"))
		d.submit(stopTicket("CHG-9", "CHG-0"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		d.put("src-1", "image/later", "x")
		require.True(t, d.until(time.Hour, func() bool { return d.object("dst-1", "image/later") != nil }), "the others go on")
	})
	bubble(t, "not when it trusts somebody else, until somebody mends that", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.roleOf("AliyunOSSRole", otherTrust, "")
		d.submit(d.usual(sharedRole))
		d.awaitEvent("CHG-1", replication.ReasonTrustBroken, 10*time.Minute)
		require.Empty(t, d.owner("src", "dst"), "nothing is held while somebody else has to act")
		d.trust("AliyunOSSRole", foreignTrust)
		d.watched("CHG-1", 2*time.Hour)
	})
	bubble(t, "not without consent in so many words", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.usual(`"role":{"type":"AliyunOSSRole"}`))
		e := d.awaitEvent("CHG-1", replication.ReasonRoleConsent, 10*time.Minute)
		require.Contains(t, e.Data.Message, "everything with all buckets")
		require.Contains(t, replication.ReasonRoleConsent.Remedy(), "with caution")
		require.Empty(t, d.made())
	})
}

func TestAPairReplicatesUnderARoleThatWasMadeBeforehand(t *testing.T) {
	bubble(t, "with a narrow policy, and functions that may grant nothing", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		d.roleOf("TeamCopier", foreignTrust, narrow("src", "dst"))
		time.Sleep(time.Minute)
		d.submit(d.usual(customRole))
		j := d.watched("CHG-1", time.Hour)
		require.NotContains(t, j.Message, "caution")
		rules, e := d.world.Replication("src", false)
		require.Nil(t, e)
		require.Equal(t, "TeamCopier", rules[0].SyncRole)
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		require.Equal(t, replication.PhaseStopped, d.job("CHG-1").Phase)
		require.Empty(t, d.writesToRAM(), "the role is not touched")
		require.Equal(t, []string{"TeamCopier"}, d.attached("TeamCopier"))
	})
	bubble(t, "with the system policy, which the result warns of", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		d.roleOf("TeamCopier", foreignTrust, "")
		require.Nil(t, d.world.AttachPolicyToRole(d.uid, world.TypeSystem, "AliyunOSSFullAccess", "TeamCopier", world.View{}))
		d.guard.foreign = d.guard.others()
		time.Sleep(time.Minute)
		require.Contains(t, fmt.Sprint(d.plan(d.usual(customRole)).Risks), "use it with caution")
		d.submit(d.usual(customRole))
		j := d.watched("CHG-1", time.Hour)
		require.Contains(t, j.Message, "role TeamCopier reaches all buckets of account "+d.uid+" (AliyunOSSFullAccess): use it with caution")
	})
	bubble(t, "that somebody makes while the ticket waits, step by step", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		require.Equal(t, replication.ReasonRoleNotFound, d.plan(d.usual(customRole)).Reasons[0].Code)
		d.submit(d.usual(customRole))
		e := d.awaitEvent("CHG-1", replication.ReasonRoleNotFound, 10*time.Minute)
		require.Contains(t, e.Data.Message, replication.TrustPolicy(), "the message has all that it takes")
		d.roleOf("TeamCopier", otherTrust, "")
		d.awaitEvent("CHG-1", replication.ReasonTrustBroken, time.Hour)
		d.trust("TeamCopier", foreignTrust)
		e = d.awaitEvent("CHG-1", replication.ReasonRoleRights, 2*time.Hour)
		_, policy, found := strings.Cut(e.Data.Message, "a policy with this would do: ")
		require.True(t, found, e.Data.Message)
		require.Empty(t, d.owner("src", "dst"), "nothing is held while somebody else has to act")
		require.Zero(t, d.rules("src"))
		d.give("TeamCopier", policy)
		_, denies := d.world.CreatePolicy(d.uid, "never", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:ReplicatePut","Resource":"acs:oss:*:*:dst/image/*"}]}`, "", nil)
		require.Nil(t, denies)
		d.attach("TeamCopier", "never")
		e = d.awaitEvent("CHG-1", replication.ReasonRoleDenied, 4*time.Hour)
		require.Contains(t, e.Data.Message, "policy never may deny oss:ReplicatePut on acs:oss:*:"+d.uid+":dst/image/*")
		d.detach("TeamCopier", "never")
		d.guard.foreign = d.guard.others()
		d.watched("CHG-1", 8*time.Hour)
		require.Empty(t, d.writesToRAM())
	})
	bubble(t, "and names what it lacks when nothing arrives any more", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		d.roleOf("TeamCopier", foreignTrust, narrow("src", "dst"))
		time.Sleep(time.Minute)
		d.submit(d.usual(customRole))
		d.inPhase("CHG-1", replication.PhaseStarting, time.Hour)
		d.detach("TeamCopier", "TeamCopier")
		e := d.awaitEvent("CHG-1", replication.ReasonRoleRights, 3*time.Hour)
		require.Contains(t, e.Data.Message, "oss:ReplicatePut on acs:oss:*:"+d.uid+":dst")
		d.attach("TeamCopier", "TeamCopier")
		d.guard.foreign = d.guard.others()
		d.watched("CHG-1", 6*time.Hour)
	})
}

func TestWhatARoleLacksIsAddedOnlyIfTheTicketSaysSo(t *testing.T) {
	bubble(t, "and is taken back at stop, but never the role", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.roleOf(extended, foreignTrust, `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet"],"Resource":["acs:oss:*:*:src","acs:oss:*:*:src/*"]}]}`)
		d.submit(d.usual(addingRole))
		d.watched("CHG-1", time.Hour)
		own := replication.PolicyName("CHG-1")
		require.ElementsMatch(t, []string{extended, own}, d.attached(extended))
		p, e := d.world.GetPolicy(d.uid, world.TypeCustom, own, world.View{})
		require.Nil(t, e)
		require.False(t, tooWide(p.Versions[0].Document, d.tickets["CHG-1"]))
		require.Zero(t, d.calls("CreateRole"))
		j := d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Contains(t, j.Message, "policy "+own)
		require.Equal(t, []string{extended}, d.attached(extended), "the role is as it was")
	})
	bubble(t, "by each of two tickets for itself, so that one can go without the other", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.roleOf(extended, foreignTrust, "")
		for _, n := range []string{"1", "2"} {
			if n == "1" {
				d.bucket("src", home, false)
			}
			d.bucket("dst-"+n, away, false)
			d.submit(d.ticket("CHG-"+n, "src", "dst-"+n, scope+","+addingRole))
			d.watched("CHG-"+n, time.Hour)
		}
		require.ElementsMatch(t, []string{replication.PolicyName("CHG-1"), replication.PolicyName("CHG-2")}, d.attached(extended))
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		require.Equal(t, []string{replication.PolicyName("CHG-2")}, d.attached(extended))
		d.put("src", "image/later", "x")
		require.True(t, d.until(time.Hour, func() bool { return d.object("dst-2", "image/later") != nil }))
	})
	bubble(t, "and stays when a rule of somebody else may rest on it", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.bucket("theirs", away, false)
		d.roleOf(extended, foreignTrust, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:Replicate*","Resource":["acs:oss:*:*:theirs","acs:oss:*:*:theirs/*"]}]}`)
		d.submit(d.usual(addingRole))
		d.watched("CHG-1", time.Hour)
		rule := d.ruleOf("src", "theirs", extended)
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		require.Contains(t, d.job("CHG-1").Message, "policy "+replication.PolicyName("CHG-1")+" on role "+extended+", because rule "+rule+" of src may need it")
		require.Contains(t, d.attached(extended), replication.PolicyName("CHG-1"))
		require.Empty(t, d.owner("src", "dst"))
	})
	bubble(t, "and only to roles that the functions may add to", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.roleOf("TeamCopier", foreignTrust, "")
		d.submit(d.usual(`"role":{"type":"custom","name":"TeamCopier","addMissing":true}`))
		e := d.awaitEvent("CHG-1", replication.ReasonMayNotGrant, 10*time.Minute)
		require.Contains(t, e.Data.Message, "AttachPolicyToRole")
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		require.Empty(t, d.attached("TeamCopier"))
		_, gone := d.world.GetPolicy(d.uid, world.TypeCustom, replication.PolicyName("CHG-1"), world.View{})
		require.NotNil(t, gone)
	})
}

func TestADeploymentThatMayGrantNothingSaysSoAndNamesTheOtherWay(t *testing.T) {
	bubble(t, "for a role of its own", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		e := d.awaitEvent("CHG-1", replication.ReasonMayNotGrant, 10*time.Minute)
		require.Contains(t, e.Data.Message, "CreateRole "+replication.RoleName("CHG-1"))
		require.Contains(t, e.Data.Remedy, "role.type custom")
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)

		d.roleOf("TeamCopier", foreignTrust, narrow("src", "dst"))
		time.Sleep(time.Minute)
		d.submit(d.ticket("CHG-2", "src", "dst", scope+","+customRole))
		d.watched("CHG-2", time.Hour)
		require.Empty(t, d.writesToRAM())
	})
	bubble(t, "for what a custom role lacks, and goes on when somebody else gives it that", func(t *testing.T) {
		d := newDesk(t, withoutGrants(t))
		d.pair("src", "dst", false)
		d.roleOf(extended, foreignTrust, "")
		d.submit(d.usual(addingRole))
		d.awaitEvent("CHG-1", replication.ReasonMayNotGrant, 10*time.Minute)
		d.give(extended, narrow("src", "dst"))
		d.watched("CHG-1", 2*time.Hour)
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		require.Empty(t, d.writesToRAM())
	})
}

// ruleOf has a person put a rule.
func (d *desk) ruleOf(src, dst, role string) (id string) {
	d.t.Helper()
	rule := byHand(dst)
	rule[0].SyncRole = &role
	id, e := d.world.PutReplication(src, rule)
	require.Nil(d.t, e)
	return id
}
