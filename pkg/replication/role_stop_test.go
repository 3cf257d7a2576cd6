package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// stoppingOf is the job of a ticket that is being taken down, with its rule closed.
func stoppingOf(r replication.Request) *job {
	j := at(replication.PhaseVerifying, r)
	j.Phase, j.Since, j.Stop = replication.PhaseStopping, noon, &replication.Order{By: "CHG-9", At: noon}
	j.Made.Rule, j.Rule.Ended = time.Time{}, noon
	return j
}

func TestAStopLeavesWhatOthersUse(t *testing.T) {
	other := func(role string, prefixes ...string) func(*job, *world) {
		return func(_ *job, w *world) {
			g := stands(request())
			g.ID, g.Destination, g.SyncRole, g.Prefixes = "theirs", "other-bucket", role, prefixes
			w.Rules.Rules = []replication.RuleSeen{g}
		}
	}
	own := held(replication.PolicyName("CHG-2041"), replication.RolePolicy(request()))
	reads := held("reads", part(replication.RolePolicy(request()), 0))
	with := func(f func(*job, *world), policies ...replication.PolicyHeld) func(*job, *world) {
		return func(j *job, w *world) { f(j, w); w.Rights.Policies = policies }
	}
	const keeps = "policy "
	for name, c := range map[string]struct {
		r     replication.Request
		given func(*job, *world)
		step  string // of the first decision
		left  string
	}{
		"a role of our own is freed":                          {request(), other("Copier"), "effect detach-policy", ""},
		"a role of our own in another rule stays":             {request(), other(replication.RoleName("CHG-2041")), "effect release-pair", "uses the role"},
		"what was added to a custom role is taken":            {custom(true), with(func(_ *job, w *world) { w.Rules.Rules = nil }, own), "effect detach-policy", ""},
		"although another rule has the role and does without": {custom(true), with(other("Copier"), own, reads), "effect detach-policy", ""},
		"or does without for its prefixes":                    {custom(true), with(other("Copier", "image/"), own, held("some", imagesOnly)), "effect detach-policy", ""},
		"but not when another rule may rest on it":            {custom(true), with(other("Copier"), own), "effect release-pair", keeps + replication.PolicyName("CHG-2041") + " on role Copier, because rule theirs of src-bucket may need it"},
		"nor when that rule reads more than others allow":     {custom(true), with(other("Copier", "image/", "a/"), own, held("some", imagesOnly)), "effect release-pair", "may need it"},
		"nor when the other rule does not show its role":      {custom(true), with(other(""), own), "effect release-pair", "may need it"},
		"a rule with another role is nothing to it":           {custom(true), with(other("Somebody"), own), "effect detach-policy", ""},
		"nothing was added, so nothing is taken": {custom(true), func(j *job, w *world) {
			j.Made.Policy, j.Made.Attachment = time.Time{}, time.Time{}
		}, "effect release-pair", ""},
		"what may have been added but is not there": {custom(true), func(j *job, w *world) {
			j.Made.Attachment, j.Made.AttachAsked = time.Time{}, true
		}, "effect delete-policy", ""},
		"what may have been added and is there": {custom(true), with(func(j *job, w *world) {
			j.Made.Attachment, j.Made.AttachAsked, w.Rules.Rules = time.Time{}, true, nil
		}, own), "effect detach-policy", ""},
		"what may only not be seen yet": {custom(true), func(j *job, w *world) {
			j.Made.Attachment, j.Made.AttachAsked = time.Time{}, true
			j.Last = &replication.Outcome{Effect: replication.EffectAttach, Result: replication.ResultUnknown, At: noon}
		}, "wait 5s", ""},
		"the shared role and its policy stay": {shared(), func(j *job, _ *world) { j.Made.Policy = time.Time{} }, "effect release-pair", "role AliyunOSSRole, which all of the account share"},
	} {
		t.Run(name, func(t *testing.T) {
			j, w := stoppingOf(c.r), healthy(c.r)
			if c.r.Role.Type != replication.RoleNew {
				j.Role = &replication.RoleFound{Exists: true, Adds: true}
			}
			if c.r.Role.Type == replication.RoleCustom {
				j.Made.Role = time.Time{}
			}
			c.given(j, &w)
			d := decide(t, j, w, noon)
			require.Equal(t, c.step, stepOf(d.step, noon), d.job.Message)
			if c.left == "" {
				require.Empty(t, d.job.Stop.Left)
				return
			}
			require.Contains(t, d.job.Stop.Left[len(d.job.Stop.Left)-1], c.left)
		})
	}
}

const imagesOnly = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:Replicate*","Resource":["acs:oss:*:*:src-bucket","acs:oss:*:*:src-bucket/image/*"]}]}`

func TestTheCauseIsNamedForEveryTypeOfRole(t *testing.T) {
	denied := held("never", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*:*:dest-bucket/*"}]}`)
	for name, c := range map[string]struct {
		r     replication.Request
		given func(*job, *world)
		want  replication.Reason
		says  string
	}{
		"a custom role is gone":             {custom(false), func(_ *job, w *world) { w.Role.Is = replication.Missing }, replication.ReasonRoleMissing, "role Copier does not exist any more; it had policies that allow what this one does"},
		"a custom role trusts others":       {custom(false), func(_ *job, w *world) { w.Role.Trust = `{}` }, replication.ReasonTrustBroken, "role Copier"},
		"a custom role may not do enough":   {custom(false), func(_ *job, w *world) { w.Rights.Policies = nil }, replication.ReasonRoleRights, "a policy with this would do"},
		"a custom role is denied something": {custom(false), func(_ *job, w *world) { w.Rights.Policies = append(w.Rights.Policies, denied) }, replication.ReasonRoleDenied, "policy never may deny"},
		"what was added was taken off": {custom(true), func(j *job, w *world) {
			j.Role.Adds, w.Rights.Policies = true, nil
		}, replication.ReasonRoleRights, "role Copier"},
		"a role with an addition is gone": {custom(true), func(j *job, w *world) {
			j.Role.Adds, w.Role.Is = true, replication.Missing
		}, replication.ReasonRoleMissing, "it had the policy " + replication.PolicyName("CHG-2041")},
		"the shared role is gone":       {shared(), func(_ *job, w *world) { w.Role.Is = replication.Missing }, replication.ReasonRoleMissing, "it had the policy AliyunOSSFullAccess"},
		"the shared role has no policy": {shared(), func(_ *job, w *world) { w.Attachment = &replication.AttachmentSeen{} }, replication.ReasonPolicyMissing, "policy AliyunOSSFullAccess is not attached"},
	} {
		t.Run(name, func(t *testing.T) {
			j, w := at(replication.PhaseStarting, c.r), healthy(c.r)
			j.Role = &replication.RoleFound{Exists: true}
			w.Progress.Status = replication.RuleStarting
			w.Attachment.System = []string{replication.PolicyOSSFull}
			c.given(j, &w)
			d := decide(t, j, w, noon.Add(time.Hour))
			require.Equal(t, replication.ReasonStartingLate, d.job.Reason)
			require.Contains(t, d.job.Message, c.says)

			j = at(replication.PhaseVerifying, c.r)
			j.Role = &replication.RoleFound{Exists: true}
			c.given(j, &w)
			j.Verification = &replication.Verification{Step: replication.StepArrive, Key: "k", Begun: true, Written: noon, First: &replication.ObjectSeen{Is: replication.Exists}}
			w.Progress.Status = replication.RuleDoing
			d = decide(t, j, w, noon.Add(time.Hour))
			require.Equal(t, c.want, d.job.Reason, d.job.Message)
			require.Contains(t, d.job.Message, c.says)
		})
	}
}

func TestTheResultWarnsOfARoleThatReachesTooFar(t *testing.T) {
	j := at(replication.PhaseVerifying, custom(false))
	j.Role = &replication.RoleFound{Exists: true, Wide: []string{"AliyunOSSFullAccess", "more"}}
	j.Evidence = &replication.Evidence{By: "canary", At: noon}
	d := decide(t, j, healthy(j.Request), noon)
	require.Equal(t, replication.PhaseWatching, d.job.Phase)
	require.Contains(t, d.job.Outbox[0].Message, "role Copier reaches all buckets of account 1000000000000001 (AliyunOSSFullAccess, more): use it with caution")
}

func TestWhatACustomRoleLackedMayBeGivenByHand(t *testing.T) {
	r := custom(true)
	j, w := at(replication.PhasePolicy, r), healthy(r)
	j.Made.Role, j.Role = time.Time{}, &replication.RoleFound{Exists: true, Adds: true}
	w.Rights.Policies = nil
	l := &life{t: t, job: j, w: w, now: noon}
	require.Equal(t, "effect create-policy", l.decide())
	require.Equal(t, "next blocked", l.settle(refused(replication.EffectCreatePol, replication.TroubleDenied, "NoPermission")))
	require.Equal(t, replication.ReasonMayNotGrant, l.job.Reason)
	l.now = l.job.Block.Next
	require.Equal(t, "next policy", l.decide())
	require.Equal(t, "effect create-policy", l.decide(), "nobody has done anything")
	require.Equal(t, "next blocked", l.settle(refused(replication.EffectCreatePol, replication.TroubleDenied, "NoPermission")))
	l.w.Rights.Policies = []replication.PolicyHeld{held("by-hand", replication.RolePolicy(r))}
	l.now = l.job.Block.Next
	require.Equal(t, "next policy", l.decide())
	require.Equal(t, "next attachment", l.decide())
	require.Equal(t, "next rule", l.decide())
	require.False(t, l.job.Role.Adds)
}
