package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const putRule = replication.EffectPutRule

// asked is a job whose put has no known outcome yet.
func asked(j *job, _ *world) { j.Made.NoRule, j.Rule = noon, &replication.Rule{Unsettled: true} }

// accepted is a job whose put was answered with success at noon.
func accepted(j *job, _ *world) {
	j.Made.NoRule, j.Made.Rule, j.Rule = noon, noon, &replication.Rule{ID: ruleID, Accepted: noon}
}

func putDone(id string) *replication.Outcome {
	o := done(putRule)
	o.RuleID = id
	return o
}

// hides takes the role out of the rule as it is shown.
func hides(_ *job, w *world) { w.Rules.Rules[0].SyncRole = "" }

func TestTheRuleIsPutOnceAndReadBack(t *testing.T) {
	confirmed := func(t *testing.T, j *job, _ replication.Step) {
		require.Equal(t, &replication.Rule{ID: ruleID, Accepted: noon, Confirmed: noon}, j.Rule)
		require.Equal(t, noon, j.Made.Rule)
		require.True(t, j.RuleStands())
	}
	decideAll(t, replication.PhaseRule, map[string]decision{
		"it is put": {given: bare, step: "effect put-rule", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, replication.RuleFor(j.Request), *s.Effect.Rule)
			require.True(t, j.Rule.Unsettled, "from here on a rule of ours may stand")
			require.False(t, j.RuleStands())
		}},
		"it was put and is the one that was asked for":         {given: asked, outcome: putDone(ruleID), step: "next starting", check: confirmed},
		"it was put, and the answer did not name it":           {given: asked, outcome: putDone(""), step: "next starting", check: confirmed},
		"it was put, and its role is not shown":                {given: with(asked, hides), outcome: putDone(ruleID), step: "next starting", check: confirmed},
		"its answer was lost, and it stands":                   {given: asked, outcome: lost(putRule), step: "next starting", check: confirmed},
		"its answer was lost, it stands and hides its role":    {given: with(asked, hides), outcome: lost(putRule), step: "next starting", check: confirmed},
		"it exists: it is ours, for an answer was lost":        {given: asked, outcome: exists(putRule), step: "next starting", check: confirmed},
		"a worker died of it, and it stands":                   {given: asked, crash: putRule, step: "next starting", check: confirmed},
		"a worker died of it, and it does not stand":           {given: with(asked, bare), crash: putRule, step: "effect put-rule"},
		"its answer was lost, and it is not to be seen yet":    {given: with(asked, bare), outcome: lost(putRule), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"its answer was lost twice: a pause before the look":   {given: with(asked, func(j *job, _ *world) { j.Failures = 1 }), outcome: lost(putRule), step: "wait 4s", reason: replication.ReasonUnavailable},
		"it exists, but the list lies behind":                  {given: with(asked, bare), outcome: exists(putRule), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"it was accepted, but the list lies behind":            {given: with(asked, bare), outcome: putDone(ruleID), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"it was accepted, and the list has lain behind for 1m": {given: with(accepted, bare), after: time.Minute, step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"it was accepted and is nowhere after two minutes":     {given: with(accepted, bare), after: 2*time.Minute + time.Second, step: "effect put-rule"},
		"it was accepted and is nowhere for two hours": {given: with(accepted, bare), after: 2*time.Hour + time.Second, step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleUnseen, j.Ending.Reason)
			require.False(t, j.RuleStands())
		}},
		"it is refused for good": {given: with(asked, bare), outcome: refused(putRule, replication.TroubleFinal, "InvalidArgument"), step: "next releasing",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Contains(t, j.Ending.Message, "InvalidArgument")
				require.False(t, j.Rule.Unsettled, "no rule of ours stands")
			}},
		"there are too many rules": {given: with(asked, bare), outcome: refused(putRule, replication.TroubleQuota, "TooManyOutgoingReplication"), step: "next blocked",
			reason: replication.ReasonQuota, events: []string{"replidesk.request.blocked cloud.quota"}},
	})
}

func TestAPutAfterALookThatIsOldIsPrecededByAnother(t *testing.T) {
	j := at(replication.PhaseRule, request())
	w := healthy(j.Request)
	bare(j, &w)
	require.Zero(t, decide(t, j, w, noon).looks, "preflight looked a moment ago")
	d := decide(t, j, w, noon.Add(time.Minute))
	require.Equal(t, replication.LookRules, d.looks)
	require.Equal(t, noon.Add(time.Minute), d.job.Made.NoRule, "that there is none is saved with the put")
	require.Equal(t, putRule, d.step.Effect.Kind)
}

func TestTheRuleOfSomebodyElseIsLeftAlone(t *testing.T) {
	others := func(j *job, w *world) { foreign(j, w, replication.RuleDoing) }
	left := func(says string) func(t *testing.T, j *job, _ replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleExists, j.Ending.Reason)
			require.Contains(t, j.Ending.Message, says)
			require.False(t, j.RuleStands(), "what is not ours is never closed")
		}
	}
	const other = "rule rule-of-somebody of src-bucket was made by somebody else"
	decideAll(t, replication.PhaseRule, map[string]decision{
		"it was made since preflight":                      {given: others, after: time.Hour, step: "next releasing", check: left(other)},
		"it is equal but was there before any put of ours": {after: time.Hour, given: hides, step: "next releasing", check: left("made by somebody else")},
		"the put was answered with exists":                 {given: with(asked, others), outcome: exists(putRule), step: "next releasing", check: left(other)},
		"an answer was lost, and theirs stands":            {given: with(asked, others), outcome: lost(putRule), step: "next releasing", check: left(other)},
		"it differs and hides its role, so nobody knows whose": {given: with(asked, others, hides, func(_ *job, w *world) { w.Rules.Rules[0].Action = "ALL" }), outcome: exists(putRule), step: "next releasing",
			check: left(`who made it is not known; it is left as it is: action is "ALL"`)},
		"ours was replaced by theirs": {given: with(accepted, others), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"ours was replaced by theirs for two minutes": {given: with(accepted, others, func(j *job, _ *world) { j.Rule.Gone = noon.Add(-2 * time.Minute) }), step: "next releasing",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.ReasonRuleVanished, j.Ending.Reason)
			}},
	})
}

func TestAClosingRuleIsWaitedFor(t *testing.T) {
	closing := func(j *job, w *world) { foreign(j, w, replication.RuleClosing) }
	decideAll(t, replication.PhaseRule, map[string]decision{
		"an older one stands in the way": {given: with(asked, closing), outcome: exists(putRule), step: "wait 15s", reason: replication.ReasonRuleClosing, says: []string{"rule-of-somebody"}},
		"it is gone":                     {given: with(asked, bare), after: 3 * time.Minute, step: "effect put-rule"},
		"it does not go": {given: with(asked, closing), after: 2 * time.Hour, step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleClosing, j.Ending.Reason)
		}},
		"ours was disabled by somebody": {given: with(accepted, func(_ *job, w *world) { w.Rules.Rules[0].Status = replication.RuleClosing }), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"ours was disabled two minutes ago: it is not put again": {given: with(accepted, func(j *job, w *world) {
			w.Rules.Rules[0].Status = replication.RuleClosing
			j.Rule.Gone = noon.Add(-2 * time.Minute)
		}), step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleVanished, j.Ending.Reason)
		}},
	})
}

func TestARoleThatOSSDoesNotKnowYet(t *testing.T) {
	unfit := refused(putRule, replication.TroubleRoleUnfit, "NoPermission")
	before := func(ago time.Duration) func(*job, *world) {
		return func(j *job, w *world) {
			asked(j, w)
			bare(j, w)
			o := *unfit
			o.At = noon.Add(-ago)
			j.Last, j.Rule.Unsettled = &o, false
		}
	}
	blocked := func(j *job, _ *world) {
		j.Block = &replication.Block{Resume: replication.PhaseRule, Reason: replication.ReasonRoleUnusable, Since: noon.Add(-time.Hour),
			Reported: map[replication.Reason]time.Time{replication.ReasonRoleUnusable: noon.Add(-time.Hour)}}
	}
	decideAll(t, replication.PhaseRule, map[string]decision{
		"it is given time":  {given: with(asked, bare), outcome: unfit, step: "wait 5s", reason: replication.ReasonRolePropagating, says: []string{"NoPermission", "R-1"}},
		"it is tried again": {given: before(5 * time.Second), step: "effect put-rule"},
		"it comes back long after it was refused early: it is tried again before anybody is asked": {given: with(before(10*time.Minute), func(j *job, _ *world) {
			j.Made.Attachment = noon.Add(-10*time.Minute - time.Second)
		}), step: "effect put-rule"},
		"a hint comes too early": {given: before(3 * time.Second), step: "wait 2s", reason: replication.ReasonRolePropagating},
		"after five minutes it is not early any more": {given: with(asked, bare, func(j *job, _ *world) { j.Made.Attachment = noon.Add(-5 * time.Minute) }), outcome: unfit,
			step: "next blocked", reason: replication.ReasonRoleUnusable, says: []string{replication.RoleName("CHG-2041"), "NoPermission"}, events: []string{"replidesk.request.blocked role.unusable"}},
		"blocked, it is tried again by itself": {given: with(before(5*time.Minute), blocked), step: "effect put-rule"},
		"blocked, it is still refused in the very same moment": {given: with(asked, bare, blocked), outcome: unfit, step: "next blocked", reason: replication.ReasonRoleUnusable,
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.True(t, j.Block.Next.After(noon.Add(time.Minute)), "no tight loop")
				require.Equal(t, noon.Add(-time.Hour), j.Block.Since, "the deadline runs from the first time")
			}},
		"blocked, and then somebody mended it": {given: with(asked, blocked), outcome: putDone(ruleID), step: "next starting", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Nil(t, j.Block)
		}},
		"the caller may not: that is another thing": {given: with(asked, bare), outcome: refused(putRule, replication.TroubleDenied, "AccessDenied"), step: "next blocked", reason: replication.ReasonDenied,
			events: []string{"replidesk.request.blocked function.denied"}},
	})
}

func TestARuleThatDiffersIsClosedAtOnceAndThePairReleased(t *testing.T) {
	for name, c := range elements() {
		t.Run(name, func(t *testing.T) {
			r := request()
			full(&r)
			j, w := at(replication.PhaseRule, r), healthy(r)
			asked(j, &w)
			c.change(&w.Rules.Rules[0])
			step := func(f func(*job, replication.View) replication.Step, now time.Time, want string) {
				t.Helper()
				d := through(t, j, w, now, f)
				if (d.step == replication.Step{}) {
					d = decide(t, d.job, w, now)
				}
				j = d.job
				require.Equal(t, want, stepOf(d.step, now), j.Message)
			}
			settle := func(o *replication.Outcome, now time.Time) func(*job, replication.View) replication.Step {
				o.At = now
				return func(j *job, v replication.View) replication.Step { return replication.Settle(j, *o, v) }
			}
			step(settle(putDone(ruleID), noon), noon, "next undoing")
			step(replication.Row(replication.PhaseUndoing).Decide, noon, "effect close-rule")
			w.Rules.Rules[0].Status = replication.RuleClosing
			step(settle(done(replication.EffectCloseRule), noon), noon, "wait 15s")
			require.Contains(t, j.Message, c.says)
			w.Rules.Rules = nil
			later := noon.Add(2 * time.Minute)
			step(replication.Row(replication.PhaseUndoing).Decide, later, "next releasing")
			require.False(t, j.RuleStands())
			step(replication.Row(replication.PhaseReleasing).Decide, later, "effect release-pair")
			step(settle(done(replication.EffectReleasePair), later), later, "next failed")
			require.Equal(t, replication.ReasonRuleDiffers, j.Reason)
			require.Contains(t, j.Message, "rule rule-1 is not the one that was asked for: ")
			require.Contains(t, j.Message, c.says)
			require.NotContains(t, j.Message, "left in place: rule")
			require.Zero(t, j.Made.Pair)
			require.Equal(t, []string{"replidesk.request.failed rule.differs"}, eventsOf(j))
		})
	}
}

func TestADifferingRuleIsOursByItsRoleAlone(t *testing.T) {
	wider := func(_ *job, w *world) { w.Rules.Rules[0].Prefixes = nil }
	decideAll(t, replication.PhaseRule, map[string]decision{
		"an answer was lost, and it names our role": {given: with(asked, wider), outcome: lost(putRule), step: "next undoing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.True(t, j.RuleStands())
			require.Equal(t, ruleID, j.Rule.ID)
		}},
		"it was accepted without an id":         {given: with(asked, wider, hides), outcome: putDone(""), step: "next undoing"},
		"its answer was lost; another role":     {given: with(asked, wider, func(_ *job, w *world) { w.Rules.Rules[0].SyncRole = "theirs" }), outcome: lost(putRule), step: "next releasing"},
		"its answer was lost; no role at all":   {given: with(asked, wider, hides), outcome: lost(putRule), step: "next releasing"},
		"no put was begun, yet it has our role": {given: wider, after: time.Hour, step: "next releasing"},
	})
}
