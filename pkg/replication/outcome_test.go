package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func failed(n int) func(*job, *world) { return func(j *job, _ *world) { j.Failures = n } }

func trouble(k replication.TroubleKind) *replication.Trouble {
	return &replication.Trouble{Kind: k, Op: "GetBucketReplication src-bucket", Code: "SomeCode", Message: "because"}
}

func TestTroubleWithALookIsDecidedByItsKind(t *testing.T) {
	throttled := func(after time.Duration) *replication.Trouble {
		t := trouble(replication.TroubleThrottled)
		t.After = after
		return t
	}
	failures := func(n int) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, n, j.Failures) }
	}
	says := []string{"GetBucketReplication src-bucket answered SomeCode: because"}
	passing := trouble(replication.TroublePassing)
	decideAll(t, replication.PhaseStarting, map[string]decision{
		"passing: the first pause":      {trouble: passing, step: "wait 2s", reason: replication.ReasonUnavailable, says: says, check: failures(1)},
		"passing: the second":           {given: failed(1), trouble: passing, step: "wait 4s", check: failures(2)},
		"passing: the eighth":           {given: failed(7), trouble: passing, step: "wait 4m16s"},
		"passing: all after that":       {given: failed(8), trouble: passing, step: "wait 5m0s"},
		"passing: the last of a budget": {given: failed(replication.MaxFailures - 1), trouble: passing, step: "wait 5m0s", check: failures(replication.MaxFailures)},
		"passing: one too many": {given: failed(replication.MaxFailures), trouble: passing, step: "next failed", reason: replication.ReasonUnavailable, says: append([]string{"56 tries", "left in place: rule rule-1"}, says...),
			events: []string{"replidesk.request.failed cloud.unavailable"}},
		"throttled: a wait that uses up nothing":                               {given: failed(3), trouble: throttled(0), step: "wait 5s", reason: replication.ReasonThrottled, says: says, check: failures(3)},
		"throttled for an hour: it asks less often, for each time is an entry": {after: time.Hour, trouble: throttled(0), step: "wait 1m0s"},
		"throttled beyond any budget":                                          {given: failed(replication.MaxFailures), trouble: throttled(0), step: "wait 5s"},
		"throttled: as long as the service says":                               {trouble: throttled(40 * time.Second), step: "wait 40s"},
		"throttled: but not for a year":                                        {trouble: throttled(8760 * time.Hour), step: "wait 1h0m0s"},
		"denied": {trouble: trouble(replication.TroubleDenied), step: "next blocked", reason: replication.ReasonDenied, says: says, events: []string{"replidesk.request.blocked function.denied"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.PhaseStarting, j.Block.Resume)
				require.Equal(t, noon.Add(5*time.Minute), j.Block.Next)
			}},
		"a quota":          {trouble: trouble(replication.TroubleQuota), step: "next blocked", reason: replication.ReasonQuota, says: says, events: []string{"replidesk.request.blocked cloud.quota"}},
		"refused for good": {trouble: trouble(replication.TroubleFinal), step: "next failed", reason: replication.ReasonRefused, says: says, events: []string{"replidesk.request.failed cloud.refused"}},
		"a look that succeeds ends the row of failures": {given: with(starts, failed(9)), after: 4 * time.Minute, step: "wait 1m0s", check: failures(0)},
	})
}

func TestTheBudgetOfFailuresSpansHours(t *testing.T) {
	j := at(replication.PhaseStarting, request())
	l := &life{t: t, job: j, w: healthy(j.Request), now: noon}
	for range replication.MaxFailures {
		d := through(t, l.job, l.w, l.now, func(j *job, v replication.View) replication.Step {
			return replication.AfterTrouble(j, *trouble(replication.TroublePassing), v)
		})
		l.job = d.job
		require.Equal(t, replication.PhaseStarting, l.job.Phase)
		l.now = d.step.Wait
	}
	require.InDelta(t, 4*time.Hour, l.now.Sub(noon), float64(10*time.Minute))
}

func TestABlockedJobGivesUpAfterSevenDays(t *testing.T) {
	j := at(replication.PhaseRole, request())
	l := &life{t: t, job: j, w: healthy(j.Request), now: noon}
	denied := refused(replication.EffectCreateRole, replication.TroubleDenied, "NoPermission")
	looks, longest := 0, time.Duration(0)
	require.Equal(t, "next blocked", l.settle(denied))
	for l.job.Phase == replication.PhaseBlocked {
		require.Equal(t, []string{"replidesk.request.blocked role.may-not-grant"}, eventsOf(l.job), "once, not with each look")
		looks, longest = looks+1, max(longest, l.job.Block.Next.Sub(l.now))
		l.now = l.job.Block.Next
		require.Equal(t, "next role", l.decide())
		require.Equal(t, "effect create-role", l.decide(), "it looks again by itself")
		l.settle(denied)
	}
	require.Equal(t, 7*24*time.Hour, l.now.Sub(noon))
	require.Equal(t, time.Hour, longest, "it never looks less often than that")
	require.Less(t, looks, 250)
	require.Equal(t, replication.PhaseReleasing, l.job.Phase, "no rule stands, so the pair is given back")
	require.Equal(t, replication.ReasonMayNotGrant, l.job.Ending.Reason)
	require.Contains(t, l.job.Ending.Message, "NoPermission; nothing was done about it for 7 days")
}

func TestABlockedJobBefore(t *testing.T) {
	blocked := func(next time.Duration) func(*job, *world) {
		return func(j *job, _ *world) {
			j.Block = &replication.Block{Resume: replication.PhaseVerifying, Reason: replication.ReasonRoleMissing, Since: noon, Next: noon.Add(next)}
		}
	}
	decideAll(t, replication.PhaseBlocked, map[string]decision{
		"it is time to look": {given: blocked(5 * time.Minute), after: time.Minute, step: "wait 4m0s"},
		"and when it is":     {given: blocked(5 * time.Minute), after: 5 * time.Minute, step: "next verifying"},
		"a hint that comes half a second early costs a second": {given: blocked(5 * time.Minute), after: 5*time.Minute - time.Second/2, step: "wait 1s"},
		"it knew what blocks it":                               {step: "next failed", says: []string{"blocked by nothing"}, events: []string{"replidesk.request.failed cloud.refused"}},
	})
	j := at(replication.PhaseBlocked, request())
	blocked(0)(j, nil)
	require.Equal(t, replication.OwnerVerify, j.Owner(), "it belongs to the owner of the phase that is blocked")
}

func TestThreeDeadWorkersInARowEndTheJob(t *testing.T) {
	crashed := func(n int) func(*job, *world) { return func(j *job, _ *world) { j.Crashes = n } }
	decideAll(t, replication.PhaseRole, map[string]decision{
		"the first":  {given: grants()[0].missing, crash: replication.EffectCreateRole, step: "effect create-role", check: func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, 1, j.Crashes) }},
		"the second": {given: with(grants()[0].missing, crashed(1)), crash: replication.EffectCreateRole, step: "effect create-role"},
		"the third": {given: crashed(2), crash: replication.EffectCreateRole, step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonWorkerCrash, j.Ending.Reason)
			require.Contains(t, j.Ending.Message, "3 workers in a row died during create-role")
			require.Zero(t, j.Crashes, "the tidying up gets three of its own")
		}},
		"an outcome ends the row": {given: crashed(2), outcome: done(replication.EffectCreateRole), step: "next policy", check: func(t *testing.T, j *job, _ replication.Step) { require.Zero(t, j.Crashes) }},
	})
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"the third, while a confirmed rule stands": {given: with(proving(replication.StepOverwrite), crashed(2)), crash: replication.EffectOverwrite, step: "next failed", reason: replication.ReasonWorkerCrash,
			says: []string{"left in place: rule rule-1", "object src-bucket/" + canaryKey}, events: []string{"replidesk.request.failed worker.crash"}},
		"the third, during the very first write": {given: with(proving(replication.StepPut), crashed(2)), crash: replication.EffectPutCanary,
			step: "next failed", says: []string{"object src-bucket/" + canaryKey}, events: []string{"replidesk.request.failed worker.crash"}},
	})
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"the third, during the claim, which may be ours": {given: func(j *job, w *world) { bare(j, w); j.Crashes, j.Made.PairAsked = 2, true }, crash: replication.EffectClaimPair, step: "next releasing"},
	})
}

func TestAnOutcomeWithoutItsTroubleIsTriedAgain(t *testing.T) {
	o := refused(replication.EffectCreateRole, replication.TroublePassing, "")
	o.Trouble = nil
	decideAll(t, replication.PhaseRole, map[string]decision{
		"refused, nobody knows why":                      {outcome: o, step: "wait 2s", reason: replication.ReasonUnavailable, says: []string{"create-role: refused"}},
		"unknown, twice":                                 {given: failed(1), outcome: &replication.Outcome{Effect: replication.EffectCreateRole, Result: replication.ResultUnknown}, step: "wait 4s", says: []string{"create-role: unknown"}},
		"a role that is unfit is a matter of rules only": {outcome: refused(replication.EffectCreateRole, replication.TroubleRoleUnfit, "NoPermission"), step: "wait 2s"},
	})
}

func TestThePaceShortensPausesButNoDeadline(t *testing.T) {
	j := at(replication.PhaseStarting, request())
	w := healthy(j.Request)
	starts(j, &w)
	look := func(after time.Duration, pace float64) (*job, replication.Step) {
		c := j.Clone()
		return c, replication.Row(replication.PhaseStarting).Decide(c, replication.View{Now: noon.Add(after), Pace: pace, Seen: w})
	}
	_, s := look(8*time.Minute, 0)
	require.Equal(t, noon.Add(10*time.Minute), s.Wait, "no pace is pace 1")
	_, s = look(8*time.Minute, 60)
	require.Equal(t, noon.Add(8*time.Minute+5*time.Second), s.Wait, "five minutes at pace 60")
	_, s = look(8*time.Minute, 10000)
	require.Equal(t, noon.Add(8*time.Minute+time.Second), s.Wait, "never less than a second")
	unseen := at(replication.PhaseRule, request())
	accepted(unseen, nil)
	s = replication.Row(replication.PhaseRule).Decide(unseen, replication.View{Now: noon, Pace: 10000, Seen: world{Rules: &replication.RulesSeen{}}})
	require.Equal(t, noon.Add(time.Second), s.Wait)
	c, s := look(15*time.Minute-2*time.Second, 60)
	require.Equal(t, noon.Add(15*time.Minute), s.Wait)
	require.False(t, c.Rule.ReportedLate)
	c, _ = look(15*time.Minute, 60)
	require.True(t, c.Rule.ReportedLate, "fifteen minutes are fifteen minutes")
	c, _ = look(6*time.Hour-time.Second, 60)
	require.Equal(t, replication.PhaseStarting, c.Phase)
	c, _ = look(6*time.Hour, 60)
	require.Equal(t, replication.PhaseFailed, c.Phase)
}
