package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

var arriving = proving(replication.StepArrive)

func TestALateCanaryIsBlockedByTheFirstCauseOfAll(t *testing.T) {
	cases := map[string]decision{
		"a moment before it is late no cause is looked for": {given: with(arriving, personal()[4].breaks), after: 30*time.Minute - time.Second, step: "wait 1s", reason: replication.ReasonCanaryUnderway},
		"the pause ends when it is late":                    {given: arriving, after: 29 * time.Minute, step: "wait 1m0s", reason: replication.ReasonCanaryUnderway},
		"the rule has gone back to starting": {given: with(arriving, starts, personal()[4].breaks), after: 31 * time.Minute, step: "wait 5m0s", reason: replication.ReasonStarting,
			says: []string{"rule rule-1 has not started yet"}},
		"the rule is gone": {given: with(arriving, noProgress, bare, personal()[4].breaks), after: 31 * time.Minute, step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"the rule is gone for good": {given: with(arriving, noProgress, bare, goneAt(0)), after: 31 * time.Minute, step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleVanished, j.Ending.Reason)
		}},
		"nothing is wrong, which is reported": {given: arriving, after: 30 * time.Minute, step: "wait 5m0s", reason: replication.ReasonCanaryLate,
			says: []string{canaryKey + " has not arrived after 30 minutes; no check names a cause"}, events: []string{"replidesk.request.blocked canary.late"}},
		"nothing is wrong, which was reported": {given: with(arriving, func(j *job, _ *world) { j.Verification.ReportedLate = true }), after: time.Hour, step: "wait 5m0s", reason: replication.ReasonCanaryLate},
		"lost at 6 hours without a cause": {given: with(arriving, func(j *job, _ *world) { j.Verification.ReportedLate = true }), after: 6 * time.Hour, step: "next failed", reason: replication.ReasonCanaryLost,
			says: []string{"has not arrived within 6 hours; no check names a cause", "left in place: rule rule-1"}, events: []string{"replidesk.request.failed canary.lost"}},
		"the overwritten one is late": {given: with(proving(replication.StepArrive2), arrives(1)), after: 30 * time.Minute, step: "wait 5m0s", reason: replication.ReasonCanaryLate,
			says: []string{"the overwritten canary"}, events: []string{"replidesk.request.blocked canary.late"}},
		"the overwritten one is lost": {given: with(proving(replication.StepArrive2), arrives(1)), after: 6 * time.Hour, step: "next failed", reason: replication.ReasonCanaryLost,
			says: []string{"the overwritten canary"}, events: []string{"replidesk.request.failed canary.lost"}},
	}
	var later []func(*job, *world) // what breaks in the order of the checks, from behind
	causes := personal()
	for i := len(causes) - 1; i >= 0; i-- {
		c := causes[i]
		later = append(later, c.breaks)
		event := "replidesk.request.blocked " + string(c.reason)
		says := []string{"the canary " + canaryKey + " has not arrived after 30 minutes; ", c.says}
		isolated := decision{given: with(arriving, c.breaks), after: 31 * time.Minute, step: "next blocked", reason: c.reason, says: says, events: []string{event},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.PhaseVerifying, j.Block.Resume)
				require.NotEmpty(t, j.Outbox[0].Remedy, "the result says what to do")
			}}
		cases["the cause is "+string(c.reason)+", "+c.says] = isolated
		isolated.given = with(append([]func(*job, *world){arriving}, later...)...)
		cases["the first of all causes after and with "+string(c.reason)+", "+c.says] = isolated
		cases["lost with the cause "+string(c.reason)+", "+c.says] = decision{given: with(arriving, c.breaks), after: 6 * time.Hour, step: "next failed", reason: replication.ReasonCanaryLost,
			says: []string{"within 6 hours; ", c.says}, events: []string{"replidesk.request.failed canary.lost"}}
	}
	decideAll(t, replication.PhaseVerifying, cases)
}

// life carries one job through several decisions.
type life struct {
	t   *testing.T
	job *job
	w   world
	now time.Time
}

// decide takes one decision and words it.
func (l *life) decide() string {
	l.t.Helper()
	d := decide(l.t, l.job, l.w, l.now)
	l.job = d.job
	return stepOf(d.step, l.now)
}

// settle takes an outcome into the job, and decides.
func (l *life) settle(o *replication.Outcome) string {
	l.t.Helper()
	o.At = l.now
	d := through(l.t, l.job, l.w, l.now, func(j *job, v replication.View) replication.Step { return replication.Settle(j, *o, v) })
	l.job = d.job
	if (d.step == replication.Step{}) {
		return l.decide()
	}
	return stepOf(d.step, l.now)
}

func (l *life) pass(d time.Duration) { l.now = l.now.Add(d) }

func TestABlockedProofLooksAgainByItselfAndGoesOn(t *testing.T) {
	j := at(replication.PhaseVerifying, request())
	l := &life{t: t, job: j, w: healthy(j.Request), now: noon.Add(31 * time.Minute)}
	arriving(l.job, &l.w)
	l.w.Role.Is = replication.Missing
	const missing, detached = "replidesk.request.blocked role.missing", "replidesk.request.blocked role.policy-missing"

	require.Equal(t, "next blocked", l.decide())
	require.Equal(t, []string{missing}, eventsOf(l.job))
	require.Equal(t, "wait 5m0s", l.decide())
	for range 5 { // each look finds the same: no result is sent again
		l.now = l.job.Block.Next
		require.Equal(t, "next verifying", l.decide())
		require.Equal(t, "next blocked", l.decide())
		require.Equal(t, []string{missing}, eventsOf(l.job))
	}
	require.Equal(t, noon.Add(31*time.Minute), l.job.Block.Since)

	l.w.Role.Is, l.w.Attachment.Attached = replication.Exists, false // one thing was mended, the next comes to light
	l.now = l.job.Block.Next
	require.Equal(t, "next verifying", l.decide())
	require.Equal(t, "next blocked", l.decide())
	require.Equal(t, []string{missing, detached}, eventsOf(l.job))
	require.Equal(t, l.now, l.job.Block.Since)

	l.w.Role.Is = replication.Missing // and the first again: it was told already
	l.now = l.job.Block.Next
	l.decide()
	require.Equal(t, "next blocked", l.decide())
	require.Equal(t, []string{missing, detached}, eventsOf(l.job))
	require.Equal(t, noon.Add(31*time.Minute), l.job.Block.Since, "its deadline runs from its first time")

	l.w.Role.Is, l.w.Attachment.Attached, l.w.Canary = replication.Exists, true, ptr(written(1))
	l.now = l.job.Block.Next
	require.Equal(t, "next verifying", l.decide())
	require.Equal(t, "effect overwrite-canary", l.decide())
	require.Equal(t, "wait 5s", l.settle(putObject(replication.EffectOverwrite, 2)))
	require.Nil(t, l.job.Block)
	require.Equal(t, []string{missing, detached}, eventsOf(l.job))
}

func TestABlockedProofStillEndsAtSixHours(t *testing.T) {
	j := at(replication.PhaseVerifying, request())
	l := &life{t: t, job: j, w: healthy(j.Request), now: noon.Add(30 * time.Minute)}
	arriving(l.job, &l.w)
	l.w.Role.Is = replication.Missing
	for l.job.Phase != replication.PhaseFailed {
		if l.decide() == "next blocked" {
			l.now = l.job.Block.Next
		}
		require.False(t, l.now.After(noon.Add(6*time.Hour)))
	}
	require.Equal(t, noon.Add(6*time.Hour), l.now, "the last look is at the deadline")
	require.Equal(t, replication.ReasonCanaryLost, l.job.Reason)
	require.Contains(t, l.job.Message, "does not exist any more")
}
