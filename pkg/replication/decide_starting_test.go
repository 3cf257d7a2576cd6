package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func starts(_ *job, w *world) {
	*w.Progress = replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleStarting}
}

func noProgress(_ *job, w *world) { *w.Progress = replication.ProgressSeen{Is: replication.Missing} }

func reportedLate(j *job, _ *world) { j.Rule.ReportedLate = true }

func goneAt(after time.Duration) func(*job, *world) {
	return func(j *job, _ *world) { j.Rule.Gone = noon.Add(after) }
}

func TestAStartingRuleIsWaitedFor(t *testing.T) {
	live := func(t *testing.T, j *job, _ replication.Step) {
		require.False(t, j.Rule.Live.IsZero())
		require.Equal(t, replication.OwnerVerify, j.Owner(), "the proof is another function's")
	}
	decideAll(t, replication.PhaseStarting, map[string]decision{
		"no rule starts within three minutes": {step: "wait 3m0s", reason: replication.ReasonStarting, says: []string{"3 to 5 minutes"}},
		"a hint comes too early":              {after: time.Minute, step: "wait 2m0s", reason: replication.ReasonStarting},
		"it started":                          {after: 3 * time.Minute, step: "next verifying", check: live},
		"it has not":                          {given: starts, after: 3 * time.Minute, step: "wait 45s", reason: replication.ReasonStarting},
		"at 14 minutes the look is due at 15": {given: starts, after: 14 * time.Minute, step: "wait 1m0s", reason: replication.ReasonStarting},
		"it started late":                     {given: reportedLate, after: 5 * time.Hour, step: "next verifying", check: live},
		"it started after the deadline, and nobody had looked": {after: 7 * time.Hour, step: "next verifying", check: live},
	})
}

func TestARuleThatStartsLateIsReportedOnceWithItsCause(t *testing.T) {
	const event = "replidesk.request.blocked rule.starting-late"
	cases := map[string]decision{
		"at 15 minutes, without a cause": {given: starts, after: 15 * time.Minute, step: "wait 3m45s", reason: replication.ReasonStartingLate,
			says: []string{"rule rule-1 is still starting after 15 minutes; no check names a cause"}, events: []string{event},
			check: func(t *testing.T, j *job, _ replication.Step) { require.True(t, j.Rule.ReportedLate) }},
		"not again at the next look":   {given: with(starts, reportedLate), after: 20 * time.Minute, step: "wait 5m0s", reason: replication.ReasonStartingLate},
		"a minute before the deadline": {given: with(starts, reportedLate), after: 6*time.Hour - time.Minute, step: "wait 1m0s", reason: replication.ReasonStartingLate},
		"lost at 6 hours": {given: with(starts, reportedLate), after: 6 * time.Hour, step: "next failed", reason: replication.ReasonStartingLate,
			says: []string{"did not start within 6 hours; no check names a cause", "left in place: rule rule-1, role oss-replication-", ", policy replidesk-"}, events: []string{"replidesk.request.failed rule.starting-late"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.True(t, j.RuleStands(), "a rule that was confirmed is left")
				require.False(t, j.Made.Pair.IsZero(), "and the pair with it")
			}},
	}
	for _, c := range personal() {
		cases["the cause is "+c.says] = decision{given: with(starts, c.breaks), after: 16 * time.Minute, step: "wait 4m0s", reason: replication.ReasonStartingLate,
			says: []string{"after 15 minutes; ", c.says}, events: []string{event}}
		cases["lost with the cause "+c.says] = decision{given: with(starts, reportedLate, c.breaks), after: 6 * time.Hour, step: "next failed",
			says: []string{"within 6 hours; ", c.says}, events: []string{"replidesk.request.failed rule.starting-late"}}
	}
	decideAll(t, replication.PhaseStarting, cases)

	j := at(replication.PhaseStarting, request())
	w := healthy(j.Request)
	starts(j, &w)
	require.Equal(t, replication.LookProgress, decide(t, j, w, noon.Add(10*time.Minute)).looks)
	require.Equal(t, causeLooks, decide(t, j, w, noon.Add(15*time.Minute)).looks)
}

func TestARuleThatSomebodyTookAwayEndsTheJob(t *testing.T) {
	closing := func(_ *job, w *world) {
		w.Progress.Status, w.Rules.Rules[0].Status = replication.RuleClosing, replication.RuleClosing
	}
	vanished := func(t *testing.T, j *job, _ replication.Step) {
		require.Equal(t, replication.ReasonRuleVanished, j.Ending.Reason)
		require.False(t, j.RuleStands(), "so the pair is given back")
	}
	cases := map[string]decision{
		"one look that does not show it may lie behind": {given: with(bare, noProgress), step: "wait 5s", reason: replication.ReasonRuleUnseen,
			check: func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Rule.Gone.IsZero()) }},
		"it is gone for less than two minutes":        {given: with(bare, noProgress, goneAt(9*time.Minute)), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"it is gone for two minutes":                  {given: with(bare, noProgress, goneAt(8*time.Minute)), step: "next releasing", check: vanished},
		"it is closing":                               {given: closing, step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"it is closing for two minutes":               {given: with(closing, goneAt(0)), step: "next releasing", check: vanished},
		"its progress is gone, but the list shows it": {given: with(noProgress, goneAt(0)), step: "wait 2s", reason: replication.ReasonUnavailable, says: []string{"is listed as doing"}},
		"it is there again": {given: with(starts, goneAt(0)), step: "wait 2m30s", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Zero(t, j.Rule.Gone)
		}},
	}
	for name, c := range cases {
		c.after = 10 * time.Minute
		cases[name] = c
	}
	decideAll(t, replication.PhaseStarting, cases)
}
