package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A hindrance is what somebody does to a live rule, and how it is mended.
type hindrance struct {
	reason  replication.Reason
	message string
	hinder  func(d *desk, role, policy string)
	mend    func(d *desk, role, policy string)
}

const (
	otherTrust  = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}]}`
	readOnlyDoc = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet"],"Resource":["acs:oss:*:*:src","acs:oss:*:*:src/*"]}]}`
)

func (d *desk) detach(role, policy string) {
	require.Nil(d.t, d.world.DetachPolicyFromRole(d.uid, world.TypeCustom, policy, role))
}

func (d *desk) attach(role, policy string) {
	require.Nil(d.t, d.world.AttachPolicyToRole(d.uid, world.TypeCustom, policy, role, world.View{}))
}

func (d *desk) trust(role, document string) {
	_, e := d.world.UpdateRole(d.uid, role, world.RoleChange{Trust: document})
	require.Nil(d.t, e)
}

func (d *desk) document(policy, document string) {
	_, e := d.world.CreatePolicyVersion(d.uid, policy, document, true, true)
	require.Nil(d.t, e)
}

func hindrances() map[string]hindrance {
	return map[string]hindrance{
		"the policy is detached from the role": {replication.ReasonPolicyMissing, "is not attached to role", (*desk).detach, (*desk).attach},
		"the trust policy is changed": {replication.ReasonTrustBroken, "the trust policy of role",
			func(d *desk, role, _ string) { d.trust(role, otherTrust) },
			func(d *desk, role, _ string) { d.trust(role, replication.TrustPolicy()) }},
		"the policy grants less": {replication.ReasonPolicyDiffers, "was changed",
			func(d *desk, _, policy string) { d.document(policy, readOnlyDoc) },
			func(d *desk, _, policy string) { d.document(policy, replication.RolePolicy(d.tickets["CHG-1"])) }},
		"the role is deleted": {replication.ReasonRoleMissing, "does not exist any more",
			func(d *desk, role, policy string) {
				d.detach(role, policy)
				require.Nil(d.t, d.world.DeleteRole(d.uid, role, world.View{}))
			},
			func(d *desk, role, policy string) {
				_, e := d.world.CreateRole(d.uid, world.NewRole{Name: role, Trust: replication.TrustPolicy()})
				require.Nil(d.t, e)
				d.attach(role, policy)
			}},
	}
}

// inPhase runs the world until the job is in a phase.
func (d *desk) inPhase(id string, p replication.Phase, limit time.Duration) *replication.Job {
	d.t.Helper()
	var j *replication.Job
	if !d.until(limit, func() bool { j = d.job(id); return j != nil && j.Phase == p }) {
		d.fatal("job %s is not %s within %s: %s", id, p, limit, state(j))
	}
	return j
}

func TestAJobThatCannotBeProvenNamesTheCauseAndGoesOnByItself(t *testing.T) {
	for name, h := range hindrances() {
		bubble(t, "when "+name, func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
			role, policy := replication.RoleName("CHG-1"), replication.PolicyName("CHG-1")
			d.guard.changed["CHG-1"] = true
			h.hinder(d, role, policy)
			written := d.inPhase("CHG-1", replication.PhaseVerifying, time.Hour).Since
			e := d.awaitEvent("CHG-1", h.reason, 2*time.Hour)
			require.InDelta(t, 30*time.Minute, time.Since(written), float64(2*time.Minute), "half an hour after the canary")
			require.Equal(t, string(replication.EventBlocked), e.Type)
			require.Equal(t, h.reason.Remedy(), e.Data.Remedy)
			require.Contains(t, e.Data.Message, h.message)
			require.Contains(t, e.Data.Message+e.Data.Remedy, "polic", "the one thing to do is named")
			time.Sleep(2 * time.Hour)
			require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase)
			h.mend(d, role, policy)
			j := d.watched("CHG-1", time.Hour)
			require.Equal(t, "canary", j.Evidence.By)
			require.Equal(t, []replication.Reason{replication.ReasonAccepted, h.reason, replication.ReasonVerified}, d.reasons("CHG-1"), "it is told once")
		})
	}
	bubble(t, "and ends when nobody does anything", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
		d.guard.changed["CHG-1"] = true
		d.detach(replication.RoleName("CHG-1"), replication.PolicyName("CHG-1"))
		j := d.await("CHG-1", 12*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonCanaryLost, j.Reason)
		require.Contains(t, j.Message, "is not attached", "the cause is said again")
		require.Contains(t, j.Message, "left in place: rule ")
		require.Equal(t, "CHG-1", d.owner("src", "dst"), "its rule stands, so it keeps the pair")
	})
}

func TestTwoCausesAreNamedOneAfterTheOther(t *testing.T) {
	bubble(t, "in the order in which they have to be mended", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
		role, policy := replication.RoleName("CHG-1"), replication.PolicyName("CHG-1")
		d.guard.changed["CHG-1"] = true
		d.trust(role, otherTrust)
		d.detach(role, policy)
		d.awaitEvent("CHG-1", replication.ReasonTrustBroken, 2*time.Hour)
		d.trust(role, replication.TrustPolicy())
		d.awaitEvent("CHG-1", replication.ReasonPolicyMissing, time.Hour)
		d.attach(role, policy)
		d.watched("CHG-1", time.Hour)
		require.Len(t, d.events("CHG-1"), 4)
	})
}

func TestARightOfTheFunctionThatIsMissingIsNamed(t *testing.T) {
	bubble(t, "and the job goes on when it is granted", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		p, e := d.world.GetPolicy(d.uid, world.TypeCustom, fn("provision"), world.View{})
		require.Nil(t, e)
		_, e = d.world.CreatePolicy(d.uid, "no-roles", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"ram:CreateRole","Resource":"*"}]}`, "", nil)
		require.Nil(t, e)
		require.NotEmpty(t, p.Versions)
		d.attach(fn("provision"), "no-roles")
		time.Sleep(time.Minute)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		event := d.awaitEvent("CHG-1", replication.ReasonMayNotGrant, 10*time.Minute)
		require.Contains(t, event.Data.Message, "CreateRole")
		time.Sleep(30 * time.Minute)
		d.detach(fn("provision"), "no-roles")
		d.watched("CHG-1", 2*time.Hour)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonMayNotGrant, replication.ReasonVerified}, d.reasons("CHG-1"))
	})
}

func TestAnExhaustedQuotaIsNamed(t *testing.T) {
	bubble(t, "and the job goes on when there is room", func(t *testing.T) {
		d := newDesk(t, setup{world: world.Options{RAM: world.RAMLimits{RolesPerAccount: 7}}}) // six are there already
		_, e := d.world.CreateRole(d.uid, world.NewRole{Name: "one-more", Trust: foreignTrust})
		require.Nil(t, e)
		d.guard.foreign = d.guard.others()
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.awaitEvent("CHG-1", replication.ReasonQuota, 10*time.Minute)
		require.Nil(t, d.world.DeleteRole(d.uid, "one-more", world.View{}))
		d.guard.foreign = d.guard.others()
		d.watched("CHG-1", 2*time.Hour)
	})
}
