package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const closeRule = replication.EffectCloseRule

// ending puts a job that owns its pair on the way to an end.
func ending(phase replication.Phase, reason replication.Reason) func(*job, *world) {
	return func(j *job, _ *world) {
		j.Made.NoRule, j.Made.Pair, j.Made.Role = noon, noon, noon
		j.Ending = &replication.Ending{Phase: phase, Reason: reason, Message: "it differs"}
	}
}

// undoing is a job whose rule, which is not the one that was asked for, is to be closed.
func undoing(j *job, w *world) {
	ending(replication.PhaseFailed, replication.ReasonRuleDiffers)(j, w)
	j.Made.Rule, j.Rule = noon, &replication.Rule{ID: ruleID, Accepted: noon}
}

// closed is one whose close was answered so long ago.
func closed(ago time.Duration) func(*job, *world) {
	return func(j *job, w *world) {
		undoing(j, w)
		o := done(closeRule)
		o.At = noon.Add(-ago)
		j.Last = o
	}
}

func closes(_ *job, w *world) { w.Rules.Rules[0].Status = replication.RuleClosing }

func TestARuleThatMustNotStandIsClosed(t *testing.T) {
	const failed = "replidesk.request.failed rule.differs"
	decideAll(t, replication.PhaseUndoing, map[string]decision{
		"at once":                                  {given: undoing, step: "effect close-rule", check: func(t *testing.T, _ *job, s replication.Step) { require.Equal(t, ruleID, s.Effect.RuleID) }},
		"and waited for":                           {given: with(undoing, closes), outcome: done(closeRule), step: "wait 15s", reason: replication.ReasonRuleDiffers, says: []string{"it differs; it is closing"}},
		"its answer was lost: again":               {given: undoing, outcome: lost(closeRule), step: "effect close-rule"},
		"a worker died of it: again":               {given: undoing, crash: closeRule, step: "effect close-rule"},
		"it is still listed: the list lies behind": {given: closed(time.Minute), step: "wait 5s", says: []string{"still listed as doing"}},
		"it is still listed after two minutes":     {given: closed(2 * time.Minute), step: "effect close-rule"},
		"it is gone": {given: with(closed(time.Minute), bare), step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.False(t, j.RuleStands())
			require.Equal(t, replication.ReasonRuleDiffers, j.Ending.Reason)
		}},
		"it is still closing after two hours": {given: with(closed(0), closes), after: 2 * time.Hour, step: "next failed", reason: replication.ReasonRuleDiffers,
			says: []string{"it differs; the rule is still closing 2 hours after it was closed; left in place: rule rule-1"}, events: []string{failed},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.False(t, j.Made.Pair.IsZero(), "the pair is kept while the rule stands")
			}},
		"we may not close it: the result says what stands": {given: undoing, outcome: refused(closeRule, replication.TroubleDenied, "AccessDenied"), step: "next blocked", reason: replication.ReasonDenied,
			says: []string{"it differs; ", "AccessDenied"}, events: []string{"replidesk.request.blocked function.denied"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.PhaseUndoing, j.Block.Resume)
			}},
		"closing it is refused for good": {given: undoing, outcome: refused(closeRule, replication.TroubleFinal, "TransferAccAlreadyInUse"), step: "next failed", reason: replication.ReasonRuleDiffers,
			says: []string{"it differs; ", "TransferAccAlreadyInUse", "left in place: rule rule-1"}, events: []string{failed}},
		"three workers died of it": {given: with(undoing, func(j *job, _ *world) { j.Crashes = 2 }), crash: closeRule, step: "next failed", reason: replication.ReasonRuleDiffers,
			says: []string{"it differs; 3 workers in a row died during close-rule; left in place: rule rule-1"}, events: []string{failed}},
	})
}

func TestThePairIsGivenBackWhenNoRuleStands(t *testing.T) {
	release := replication.EffectReleasePair
	fails := ending(replication.PhaseFailed, replication.ReasonPolicyConflict)
	rejects := func(j *job, w *world) {
		ending(replication.PhaseRejected, replication.ReasonSourceMissing)(j, w)
		j.Made = replication.Made{PairAsked: true}
	}
	decideAll(t, replication.PhaseReleasing, map[string]decision{
		"no put was ever begun":                    {given: fails, step: "effect release-pair"},
		"a claim with a lost answer is taken back": {given: rejects, step: "effect release-pair"},
		"and the job has failed": {given: fails, outcome: done(release), step: "next failed", reason: replication.ReasonPolicyConflict, says: []string{"it differs; left in place: role oss-replication-"},
			events: []string{"replidesk.request.failed policy.conflict"}, check: func(t *testing.T, j *job, _ replication.Step) {
				require.Zero(t, j.Made.Pair)
				require.Nil(t, j.Ending)
			}},
		"or is rejected": {given: rejects, outcome: done(release), step: "next rejected", reason: replication.ReasonSourceMissing, events: []string{"replidesk.request.rejected source.bucket-missing"},
			check: func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, "it differs", j.Message) }},
		"its answer was lost: again":             {given: fails, outcome: lost(release), step: "effect release-pair"},
		"a worker died of it: again":             {given: fails, crash: release, step: "effect release-pair"},
		"it cannot be given back for the moment": {given: fails, outcome: refused(release, replication.TroublePassing, "InternalError"), step: "wait 2s"},
		"it cannot be given back at all": {given: fails, outcome: refused(release, replication.TroubleFinal, "InvalidArgument"), step: "next failed", reason: replication.ReasonPolicyConflict,
			says: []string{"it differs; ", "InvalidArgument", "left in place: ", "the claim of the pair src-bucket~dest-bucket"}, events: []string{"replidesk.request.failed policy.conflict"}},
		"after too many tries": {given: with(fails, func(j *job, _ *world) { j.Failures = replication.MaxFailures }), outcome: lost(release), step: "next failed", reason: replication.ReasonPolicyConflict,
			says: []string{"56 tries"}, events: []string{"replidesk.request.failed policy.conflict"}},
	})
}

func TestAPutOfUnknownOutcomeIsLookedIntoBeforeThePairIsGivenBack(t *testing.T) {
	open := func(j *job, w *world) {
		ending(replication.PhaseFailed, replication.ReasonWorkerCrash)(j, w)
		j.Rule = &replication.Rule{Unsettled: true}
	}
	unread := func(j *job, w *world) {
		open(j, w)
		j.Made.Rule, j.Rule = noon, &replication.Rule{ID: ruleID, Accepted: noon}
	}
	justLost := func(j *job, _ *world) {
		j.Last = lost(putRule)
		j.Last.At = noon
	}
	undone := func(t *testing.T, j *job, _ replication.Step) {
		require.True(t, j.RuleStands())
		require.Equal(t, ruleID, j.Rule.ID)
		require.Equal(t, replication.ReasonWorkerCrash, j.Ending.Reason)
	}
	decideAll(t, replication.PhaseReleasing, map[string]decision{
		"it made no rule":                                       {given: with(open, bare), step: "effect release-pair", check: func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Rule.Ended.IsZero()) }},
		"the list may lie behind":                               {given: with(open, bare, justLost), step: "wait 5s", reason: replication.ReasonWorkerCrash},
		"it made ours, which nobody compared":                   {given: open, step: "next undoing", check: undone},
		"it made ours, which hides its role":                    {given: with(open, hides), step: "next undoing", check: undone},
		"it made ours, which differs":                           {given: with(open, func(_ *job, w *world) { w.Rules.Rules[0].Prefixes = nil }), step: "next undoing", check: undone},
		"ours is closing already":                               {given: with(open, closes), step: "effect release-pair"},
		"the rule is somebody else's":                           {given: func(j *job, w *world) { open(j, w); foreign(j, w, replication.RuleDoing) }, step: "effect release-pair"},
		"it was accepted but never read back":                   {given: unread, step: "next undoing", check: undone},
		"it was accepted a moment ago: the list may lie behind": {given: with(unread, bare), step: "wait 5s", reason: replication.ReasonWorkerCrash},
		"it was accepted and is gone":                           {given: with(unread, bare), after: 3 * time.Minute, step: "effect release-pair", check: func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.RuleStands()) }},
		"nobody lets us look": {given: open, trouble: trouble(replication.TroubleFinal), step: "next failed", reason: replication.ReasonWorkerCrash,
			says: []string{"it differs; ", "perhaps a rule from src-bucket to dest-bucket", "the claim of the pair src-bucket~dest-bucket"}, events: []string{"replidesk.request.failed worker.crash"}},
	})
}

func TestAnEndInEveryPhase(t *testing.T) {
	final := trouble(replication.TroubleFinal)
	unread := func(j *job, _ *world) {
		j.Made.Rule, j.Rule = noon, &replication.Rule{ID: ruleID, Accepted: noon}
	}
	for phase, cases := range map[replication.Phase]map[string]decision{
		replication.PhasePreflight: {
			"nothing was claimed":  {trouble: final, step: "next failed", events: []string{"replidesk.request.failed cloud.refused"}},
			"the pair may be ours": {trouble: final, given: func(j *job, _ *world) { j.Made.PairAsked = true }, step: "next releasing"},
		},
		replication.PhaseRole: {"the pair is ours": {trouble: final, step: "next releasing"}},
		replication.PhaseRule: {
			"a put is open":                   {trouble: final, given: asked, step: "next releasing"},
			"the rule was never read back":    {trouble: final, given: unread, step: "next releasing"},
			"the last put was surely refused": {trouble: final, given: func(j *job, _ *world) { j.Rule = &replication.Rule{} }, step: "next releasing"},
		},
		replication.PhaseStarting:  {"a confirmed rule stands and stays": {trouble: final, step: "next failed", says: []string{"left in place: rule rule-1"}, events: []string{"replidesk.request.failed cloud.refused"}}},
		replication.PhaseVerifying: {"a confirmed rule stands and stays": {trouble: final, given: arriving, step: "next failed", says: []string{"left in place: rule rule-1"}, events: []string{"replidesk.request.failed cloud.refused"}}},
	} {
		t.Run(string(phase), func(t *testing.T) { decideAll(t, phase, cases) })
	}
}

func TestAJobThatWasBlockedTooLongIsNotBlockedAgainByTheSame(t *testing.T) {
	j := at(replication.PhaseRule, request())
	l := &life{t: t, job: j, w: healthy(j.Request), now: noon.Add(7 * 24 * time.Hour)}
	asked(l.job, &l.w)
	l.job.Block = &replication.Block{Resume: replication.PhaseRule, Reason: replication.ReasonDenied, Since: noon, Reported: map[replication.Reason]time.Time{replication.ReasonDenied: noon}}
	denied := func(j *job, v replication.View) replication.Step {
		return replication.AfterTrouble(j, *trouble(replication.TroubleDenied), v)
	}
	l.job = through(t, l.job, l.w, l.now, denied).job
	require.Equal(t, replication.PhaseReleasing, l.job.Phase, "whether a rule stands is still to be seen")
	l.job = through(t, l.job, l.w, l.now, denied).job
	require.Equal(t, replication.PhaseFailed, l.job.Phase, "it cannot be seen")
	require.Contains(t, l.job.Message, "perhaps a rule")
	require.False(t, l.job.Made.Pair.IsZero(), "so the pair is kept")
	require.Equal(t, []string{"replidesk.request.failed function.denied"}, eventsOf(l.job))
}
