package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// A grant is one of the two that are made in the same way.
type grant struct {
	phase    replication.Phase
	kind     replication.EffectKind
	after    replication.Phase
	made     func(*job) time.Time
	missing  func(*job, *world)
	other    func(*job, *world)
	conflict replication.Reason
	name     string
}

func grants() []grant {
	return []grant{
		{replication.PhaseRole, replication.EffectCreateRole, replication.PhasePolicy, func(j *job) time.Time { return j.Made.Role },
			func(_ *job, w *world) { w.Role.Is = replication.Missing },
			func(_ *job, w *world) {
				w.Role.Trust = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::2:root"]}}]}`
			},
			replication.ReasonRoleConflict, replication.RoleName("CHG-2041")},
		{replication.PhasePolicy, replication.EffectCreatePol, replication.PhaseAttachment, func(j *job) time.Time { return j.Made.Policy },
			func(_ *job, w *world) { w.Policy.Is = replication.Missing },
			func(_ *job, w *world) {
				w.Policy.Document = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`
			},
			replication.ReasonPolicyConflict, replication.PolicyName("CHG-2041")},
	}
}

func TestRoleAndPolicyAreMadeOnce(t *testing.T) {
	for _, g := range grants() {
		t.Run(string(g.phase), func(t *testing.T) { decideAll(t, g.phase, g.cases()) })
	}
}

func (g grant) cases() map[string]decision {
	isMade := func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, noon, g.made(j)) }
	notMade := func(t *testing.T, j *job, _ replication.Step) { require.Zero(t, g.made(j)) }
	effect, on := "effect "+string(g.kind), "next "+string(g.after)
	existed := func(ago time.Duration, failures int) func(*job, *world) {
		return func(j *job, _ *world) {
			j.Unsure, j.Failures = true, failures
			j.Last = exists(g.kind)
			j.Last.At = noon.Add(-ago)
		}
	}
	return map[string]decision{
		"it is made without a look": {given: g.missing, step: effect, check: func(t *testing.T, j *job, s replication.Step) {
			notMade(t, j, s)
			require.Equal(t, g.name, s.Effect.Role+s.Effect.Policy)
			require.Contains(t, s.Effect.Description, "CHG-2041")
		}},
		"it was made":                                   {outcome: done(g.kind), step: on, check: isMade},
		"its answer was lost, and it was made":          {outcome: lost(g.kind), step: on, check: isMade},
		"its answer was lost, and it was not made":      {outcome: lost(g.kind), given: g.missing, step: effect, check: notMade},
		"its answer was lost twice":                     {outcome: lost(g.kind), given: with(g.missing, func(j *job, _ *world) { j.Failures = 1 }), step: "wait 4s", reason: replication.ReasonUnavailable},
		"a worker died of it, and it was made":          {crash: g.kind, step: on, check: isMade},
		"a worker died of it, and it was not made":      {crash: g.kind, given: g.missing, step: effect, check: notMade},
		"it exists and is the one: an answer was lost":  {outcome: exists(g.kind), step: on, check: isMade},
		"it exists, but the read lies behind":           {outcome: exists(g.kind), given: g.missing, step: "wait 5s", reason: replication.ReasonWorking, says: []string{"nothing is to be seen yet"}, check: notMade},
		"the read lay behind and does not any more":     {given: existed(6*time.Second, 1), step: on, check: isMade},
		"the read lies behind for longer":               {given: with(g.missing, existed(6*time.Second, 1)), step: effect},
		"each try after that waits for longer":          {given: with(g.missing, existed(0, 5)), step: "wait 32s"},
		"a hint comes while the read still lies behind": {given: with(g.missing, existed(time.Second, 1)), step: "wait 4s"},
		"it exists for ever and is never to be seen": {outcome: exists(g.kind), given: func(j *job, w *world) { g.missing(j, w); j.Failures = replication.MaxFailures },
			step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.ReasonUnavailable, j.Ending.Reason)
			}},
		"one of the name belongs to somebody else": {outcome: exists(g.kind), given: g.other, step: "next releasing", check: func(t *testing.T, j *job, s replication.Step) {
			notMade(t, j, s)
			require.Equal(t, g.conflict, j.Ending.Reason)
			require.Equal(t, replication.PhaseFailed, j.Ending.Phase)
			require.Contains(t, j.Ending.Message, g.name)
		}},
		"we may not make it": {outcome: refused(g.kind, replication.TroubleDenied, "NoPermission"), step: "next blocked", reason: replication.ReasonMayNotGrant,
			says: []string{"NoPermission"}, events: []string{"replidesk.request.blocked role.may-not-grant"}},
		"there is no room for it": {outcome: refused(g.kind, replication.TroubleQuota, "LimitExceeded"), step: "next blocked", reason: replication.ReasonQuota,
			says: []string{"LimitExceeded"}, events: []string{"replidesk.request.blocked cloud.quota"}},
		"it is refused for good": {outcome: refused(g.kind, replication.TroubleFinal, "InvalidParameter"), step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRefused, j.Ending.Reason)
			require.Contains(t, j.Ending.Message, "InvalidParameter")
		}},
		"it is throttled": {outcome: refused(g.kind, replication.TroubleThrottled, "Throttling.User"), step: "wait 5s", reason: replication.ReasonThrottled},
	}
}

func TestThePolicyIsAttachedOnce(t *testing.T) {
	on := "next rule"
	isMade := func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, noon, j.Made.Attachment) }
	k := replication.EffectAttach
	decideAll(t, replication.PhaseAttachment, map[string]decision{
		"it is attached": {step: "effect attach-policy", check: func(t *testing.T, _ *job, s replication.Step) {
			require.Equal(t, replication.RoleName("CHG-2041"), s.Effect.Role)
			require.Equal(t, replication.PolicyName("CHG-2041"), s.Effect.Policy)
		}},
		"it was attached":                       {outcome: done(k), step: on, check: isMade},
		"it was attached before":                {outcome: exists(k), step: on, check: isMade},
		"its answer was lost: it is done again": {outcome: lost(k), step: "effect attach-policy"},
		"a worker died of it: it is done again": {crash: k, step: "effect attach-policy"},
		"its answer was lost twice":             {given: func(j *job, _ *world) { j.Failures = 1 }, outcome: lost(k), step: "wait 4s"},
		"we may not":                            {outcome: refused(k, replication.TroubleDenied, "NoPermission"), step: "next blocked", events: []string{"replidesk.request.blocked role.may-not-grant"}},
	})
}

func TestAConflictOfNamesReleasesThePairAndNamesWhatIsLeft(t *testing.T) {
	j := at(replication.PhasePolicy, request())
	j.Unsure = true
	w := healthy(j.Request)
	w.Policy.Document = "{}"
	d := decide(t, j, w, noon)
	require.Equal(t, replication.PhaseReleasing, d.job.Phase)

	d = decide(t, d.job, w, noon)
	require.Equal(t, "effect release-pair", stepOf(d.step, noon))
	require.Zero(t, d.looks, "no put was begun: nothing has to be looked at")
	d = through(t, d.job, w, noon, func(j *job, v replication.View) replication.Step {
		return replication.Settle(j, *done(replication.EffectReleasePair), v)
	})
	d = decide(t, d.job, w, noon)
	require.Equal(t, replication.PhaseFailed, d.job.Phase)
	require.Equal(t, replication.ReasonPolicyConflict, d.job.Reason)
	require.Contains(t, d.job.Message, "left in place: role "+replication.RoleName("CHG-2041"))
	require.NotContains(t, d.job.Message, ", policy ", "the policy is not ours")
	require.Equal(t, []string{"replidesk.request.failed policy.conflict"}, eventsOf(d.job))
}
