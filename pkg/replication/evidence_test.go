package replication_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func cleaned(left ...string) *replication.Outcome {
	o := done(replication.EffectCleanUp)
	o.LeftOver = left
	return o
}

func TestAProvenPairIsHandedToTheWatch(t *testing.T) {
	cleaning := with(proving(replication.StepCleanUp), func(j *job, _ *world) { j.Verification.Deletion = "the deletion stayed at the source" })
	deletes := func(r *replication.Request) { r.ReplicateDeletes = true }
	const event = "replidesk.request.verified job.verified"
	left := func(want ...string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, want, j.Evidence.LeftBehind)
			for _, k := range want {
				require.Contains(t, j.Outbox[0].Message, k, "the result names it")
			}
		}
	}
	at := "dest-bucket/" + canaryKey
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"with its evidence": {given: cleaning, outcome: cleaned(), step: "next watching", reason: replication.ReasonVerified, events: []string{event}, check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, &replication.Evidence{By: "canary", At: noon, Key: canaryKey, CRC64: "7", Seconds: 10, OverwriteSeconds: 12,
				Deletion: "the deletion stayed at the source", Outside: outsideKey + " did not arrive", LeftBehind: []string{at}}, j.Evidence)
			var told replication.Evidence
			require.NoError(t, json.Unmarshal(j.Outbox[0].Detail, &told))
			require.Equal(t, *j.Evidence, told, "the result holds the evidence")
			require.Equal(t, replication.PhaseWatching, j.Outbox[0].Phase)
			require.Equal(t, replication.OwnerNone, j.Owner())
			require.False(t, j.AtRest(), "not before the result is sent")
			require.True(t, j.RuleStands())
		}},
		"no versions, deletes off: the copy stays":       {given: cleaning, outcome: cleaned(), step: "next watching", events: []string{event}, check: left(at)},
		"no versions, deletes on: nothing stays":         {ask: deletes, given: cleaning, outcome: cleaned(), step: "next watching", events: []string{event}, check: left()},
		"versions, deletes off: the versions stay":       {given: with(cleaning, versioned), outcome: cleaned(), step: "next watching", events: []string{event}, check: left(at + " (its versions behind a delete marker)")},
		"versions, deletes on: nothing stays":            {ask: deletes, given: with(cleaning, versioned), outcome: cleaned(), step: "next watching", events: []string{event}, check: left()},
		"what could not be removed at the source":        {given: cleaning, outcome: cleaned(outsideKey), step: "next watching", events: []string{event}, check: left("src-bucket/"+outsideKey, at)},
		"a clean-up that is refused for good is no loss": {given: cleaning, outcome: refused(replication.EffectCleanUp, replication.TroubleFinal, "FileImmutable"), step: "next watching", events: []string{event}, check: left("src-bucket/"+canaryKey, "src-bucket/"+outsideKey, at)},
		"a clean-up that never succeeds is no loss":      {given: with(cleaning, func(j *job, _ *world) { j.Failures = replication.MaxFailures }), outcome: lost(replication.EffectCleanUp), step: "next watching", events: []string{event}, check: left("src-bucket/"+canaryKey, "src-bucket/"+outsideKey, at)},
		"a rule without an outside says that none was checked": {given: with(cleaning, func(j *job, _ *world) { j.Verification.OutsideKey = "" }), outcome: cleaned(), step: "next watching", events: []string{event},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, "not checked: no key near the prefixes is outside them", j.Evidence.Outside)
			}},
	})
}

func TestAProofAfterATakeOverIsConfirmedByOneMoreLook(t *testing.T) {
	taken := with(proving(replication.StepCleanUp), func(j *job, _ *world) { j.TakenOver = true })
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"the rule stands": {given: taken, outcome: cleaned(), step: "next watching", events: []string{"replidesk.request.verified job.verified"}},
		"the rule is another": {given: with(taken, func(_ *job, w *world) { w.Rules.Rules[0].Action = "ALL" }), outcome: cleaned(), step: "next undoing",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.ReasonRuleDiffers, j.Ending.Reason)
			}},
		"the rule is not listed": {given: with(taken, bare), outcome: cleaned(), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"the rule has not been listed for two minutes": {given: with(taken, bare, goneAt(-2*time.Minute)), outcome: cleaned(), step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleVanished, j.Ending.Reason)
		}},
	})
	j := at(replication.PhaseVerifying, request())
	w := healthy(j.Request)
	taken(j, &w)
	d := through(t, j, w, noon, func(j *job, v replication.View) replication.Step { return replication.Settle(j, *cleaned(), v) })
	require.Equal(t, replication.LookRules, decide(t, d.job, w, noon).looks)
}

func TestWithoutACanaryTheMovedWatermarkIsTheEvidence(t *testing.T) {
	declined := func(r *replication.Request) { r.Verify.Canary = false }
	seen := func(j *job, _ *world) {
		j.Verification = &replication.Verification{Step: replication.StepWatermark, Since: noon, Written: noon, Watermark: noon}
	}
	moved := func(_ *job, w *world) { w.Progress.Watermark = noon.Add(time.Minute) }
	never := func(_ *job, w *world) { w.Progress.Watermark = time.Time{} }
	const event = "replidesk.request.verified job.verified-by-watermark"
	proven := func(t *testing.T, j *job, _ replication.Step) {
		require.Equal(t, "watermark", j.Evidence.By)
		require.Equal(t, noon, j.Evidence.WatermarkBefore)
		require.Equal(t, noon.Add(time.Minute), j.Evidence.Watermark)
		require.Empty(t, j.Evidence.Key)
	}
	cases := map[string]decision{
		"the first watermark is only noted": {step: "wait 5s", reason: replication.ReasonCanaryUnderway, says: []string{"the ticket declined the canary"}, check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, noon, j.Verification.Watermark)
			require.Nil(t, j.Evidence)
		}},
		"there is none yet":              {given: never, step: "wait 5s", reason: replication.ReasonCanaryUnderway},
		"the first comes late":           {given: with(seen, moved, func(j *job, _ *world) { j.Verification.Watermark = time.Time{} }), after: time.Minute, step: "wait 15s"},
		"it stands":                      {given: seen, after: time.Minute, step: "wait 15s"},
		"it moved":                       {given: with(seen, moved), after: time.Minute, step: "next watching", reason: replication.ReasonVerifiedNoCanary, says: []string{"declined the canary", "the only evidence"}, events: []string{event}, check: proven},
		"it moved after a take-over":     {given: with(seen, moved, func(j *job, _ *world) { j.TakenOver = true }), after: time.Minute, step: "next watching", reason: replication.ReasonVerifiedNoCanary, events: []string{event}, check: proven},
		"it moved when it was late":      {given: with(seen, moved), after: 2 * time.Hour, step: "next watching", events: []string{event}, check: proven},
		"it stands for 30 minutes":       {given: seen, after: 30 * time.Minute, step: "next blocked", reason: replication.ReasonWatermarkStands, says: []string{"has not moved for 30 minutes"}, events: []string{"replidesk.request.blocked watermark.stands"}},
		"the rule went back to starting": {given: with(seen, starts), after: 31 * time.Minute, step: "wait 5m0s", reason: replication.ReasonStarting},
		"the rule is gone":               {given: with(seen, noProgress, bare), step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"the rule is gone for good":      {given: with(seen, noProgress, bare, goneAt(-2*time.Minute)), step: "next releasing"},
	}
	for _, c := range personal() {
		cases["it stands, and the cause is "+c.says] = decision{given: with(seen, c.breaks), after: 31 * time.Minute, step: "next blocked", reason: c.reason,
			says: []string{"the watermark has not moved", c.says}, events: []string{"replidesk.request.blocked " + string(c.reason)}}
	}
	for name, c := range cases {
		c.ask = declined
		cases[name] = c
	}
	decideAll(t, replication.PhaseVerifying, cases)
}

func TestEvidenceOfAWatermarkNeverClaimsACanary(t *testing.T) {
	r := request()
	r.Verify.Canary = false
	j := at(replication.PhaseVerifying, r)
	l := &life{t: t, job: j, w: healthy(r), now: noon}
	j.TakenOver = true
	j.Verification = &replication.Verification{Step: replication.StepWatermark, Since: noon, Written: noon, Watermark: noon}
	l.w.Progress.Watermark = noon.Add(time.Second)
	l.w.Rules = &replication.RulesSeen{} // the confirming look lies behind
	require.Equal(t, "wait 5s", l.decide())
	l.w = healthy(r)
	l.pass(5 * time.Second)
	require.Equal(t, "next watching", l.decide())
	require.Equal(t, replication.ReasonVerifiedNoCanary, l.job.Reason)
}
