package replication_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	canaryKey  = "image/.replidesk/CHG-2041/canary"
	outsideKey = "image.replidesk/CHG-2041/outside"
)

// written is what the source holds after the first or second write of the canary.
func written(turn int) replication.ObjectSeen {
	return replication.ObjectSeen{Is: replication.Exists, Size: int64(100 + turn), CRC64: strings.Repeat("7", turn), ETag: strings.Repeat("E", turn),
		Meta: map[string]string{"replidesk-ticket": "CHG-2041"}}
}

// proving puts the proof at a step that was entered at noon, with all before it done.
func proving(s replication.VerifyStep) func(*job, *world) {
	return func(j *job, w *world) {
		p := &replication.Verification{Step: s, Since: noon, Key: canaryKey, OutsideKey: outsideKey, Written: noon, Begun: true}
		j.Verification = p
		switch s {
		case replication.StepPut:
			p.Written = time.Time{}
			return
		case replication.StepArrive2, replication.StepDelete, replication.StepDeleted, replication.StepScope, replication.StepCleanUp:
			p.Second, p.Seconds, p.Overwrite = ptr(written(2)), 10, 12
			w.Canary = ptr(written(2))
		}
		p.First = ptr(written(1))
	}
}

func arrives(turn int) func(*job, *world) {
	return func(_ *job, w *world) { w.Canary = ptr(written(turn)) }
}

func versioned(j *job, w *world) {
	j.Versioned = true
	w.Source.Versioning, w.Destination.Versioning = "Enabled", "Enabled"
}

func putObject(k replication.EffectKind, turn int) *replication.Outcome {
	o := done(k)
	o.Object = ptr(written(turn))
	return o
}

func TestTheProofGoesStepByStep(t *testing.T) {
	step := func(s replication.VerifyStep) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, s, j.Verification.Step) }
	}
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"first the canary is written in scope": {step: "effect put-canary", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, canaryKey, s.Effect.Object.Key)
			require.Equal(t, canaryKey, j.Verification.Key, "the key is saved before the write")
			require.Equal(t, outsideKey, j.Verification.OutsideKey)
			require.Equal(t, "CHG-2041", s.Effect.Object.Meta["replidesk-ticket"])
		}},
		"then an object just outside the scope": {given: proving(replication.StepPut), outcome: putObject(replication.EffectPutCanary, 1), step: "effect put-outside",
			check: func(t *testing.T, j *job, s replication.Step) {
				require.Equal(t, outsideKey, s.Effect.Object.Key)
				require.Equal(t, noon, j.Verification.Written)
			}},
		"without an outside the canary is waited for": {given: with(proving(replication.StepPut), func(j *job, _ *world) { j.Verification.OutsideKey = "" }),
			outcome: putObject(replication.EffectPutCanary, 1), step: "wait 5s", reason: replication.ReasonCanaryUnderway, check: step(replication.StepArrive)},
		"then the canary is waited for": {given: proving(replication.StepOutside), outcome: done(replication.EffectPutOutside), step: "wait 5s",
			reason: replication.ReasonCanaryUnderway, says: []string{canaryKey}, check: step(replication.StepArrive)},
		"it arrives and is overwritten": {given: with(proving(replication.StepArrive), arrives(1)), after: 40 * time.Second, step: "effect overwrite-canary",
			check: func(t *testing.T, j *job, s replication.Step) {
				require.InDelta(t, 40, j.Verification.Seconds, 0.001, "it is timed")
				require.Equal(t, "2", s.Effect.Object.Meta["replidesk-turn"])
			}},
		"the overwritten one is waited for": {given: proving(replication.StepOverwrite), outcome: putObject(replication.EffectOverwrite, 2), step: "wait 5s",
			says: []string{"the overwritten canary"}, check: step(replication.StepArrive2)},
		"while the first is still there it is waited for": {given: with(proving(replication.StepArrive2), arrives(1)), after: time.Minute, step: "wait 15s",
			reason: replication.ReasonCanaryUnderway},
		"while nothing is there it is waited for too": {given: with(proving(replication.StepArrive2), func(_ *job, w *world) { w.Canary.Is = replication.Missing }), step: "wait 5s"},
		"it arrives and is deleted plainly": {given: proving(replication.StepArrive2), after: 50 * time.Second, step: "effect delete-canary",
			check: func(t *testing.T, j *job, s replication.Step) {
				require.InDelta(t, 50, j.Verification.Overwrite, 0.001)
				require.Equal(t, canaryKey, s.Effect.Object.Key)
			}},
		"the deletion is waited for": {given: proving(replication.StepDelete), outcome: done(replication.EffectDelete), step: "wait 5s", check: step(replication.StepDeleted)},
		"the outside did not arrive, so the source is cleaned up": {given: proving(replication.StepScope), step: "effect clean-up",
			check: func(t *testing.T, _ *job, s replication.Step) {
				require.Equal(t, []string{canaryKey, outsideKey}, s.Effect.Keys)
			}},
		"an unknown step of a newer program is not guessed at": {given: proving("count-to-three"), step: "next failed", reason: replication.ReasonRefused,
			events: []string{"replidesk.request.failed cloud.refused"}},
	})
}

func TestAWriteOfTheProofWhoseAnswerIsLostIsRepeated(t *testing.T) {
	for _, c := range []struct {
		step replication.VerifyStep
		kind replication.EffectKind
	}{
		{replication.StepPut, replication.EffectPutCanary}, {replication.StepOutside, replication.EffectPutOutside},
		{replication.StepOverwrite, replication.EffectOverwrite}, {replication.StepDelete, replication.EffectDelete}, {replication.StepCleanUp, replication.EffectCleanUp},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			same := "effect " + string(c.kind)
			decideAll(t, replication.PhaseVerifying, map[string]decision{
				"once":                 {given: proving(c.step), outcome: lost(c.kind), step: same},
				"twice: after a pause": {given: with(proving(c.step), func(j *job, _ *world) { j.Failures = 1 }), outcome: lost(c.kind), step: "wait 4s", reason: replication.ReasonUnavailable},
				"a worker died of it":  {given: proving(c.step), crash: c.kind, step: same},
				"we may not": {given: proving(c.step), outcome: refused(c.kind, replication.TroubleDenied, "AccessDenied"), step: "next blocked", reason: replication.ReasonDenied,
					events: []string{"replidesk.request.blocked function.denied"}, check: func(t *testing.T, j *job, _ replication.Step) {
						require.Equal(t, replication.OwnerVerify, j.Owner(), "the same function goes on")
					}},
				"exists makes no sense here and waits": {given: with(proving(c.step), func(j *job, _ *world) { j.Failures = 1 }), outcome: exists(c.kind), step: "wait 4s"},
			})
		})
	}
	a, b := at(replication.PhaseVerifying, request()), at(replication.PhaseVerifying, request())
	first := decide(t, a, healthy(a.Request), noon).step.Effect.Object
	require.Equal(t, first, decide(t, b, healthy(b.Request), noon.Add(time.Hour)).step.Effect.Object, "the same bytes are stored")
}

func TestACopyThatDiffersFailsTheJob(t *testing.T) {
	cases := map[string]decision{}
	for name, c := range map[string]struct {
		change func(*replication.ObjectSeen)
		says   string
	}{
		"other content":           {func(o *replication.ObjectSeen) { o.CRC64 = "8" }, `its CRC-64 is "8", written was `},
		"another size":            {func(o *replication.ObjectSeen) { o.Size = 1 }, `its size is "1"`},
		"another ETag":            {func(o *replication.ObjectSeen) { o.ETag = "F" }, `its ETag is "F"`},
		"metadata that is lost":   {func(o *replication.ObjectSeen) { o.Meta = nil }, `its metadata replidesk-ticket is absent, written was "CHG-2041"`},
		"metadata that is other":  {func(o *replication.ObjectSeen) { o.Meta = map[string]string{"replidesk-ticket": "x"} }, `its metadata replidesk-ticket is "x"`},
		"metadata that was added": {func(o *replication.ObjectSeen) { o.Meta = map[string]string{"replidesk-ticket": "CHG-2041", "n": "1"} }, `its metadata n is "1"`},
	} {
		differs := func(s replication.VerifyStep, turn int) decision {
			return decision{given: with(proving(s), arrives(turn), func(_ *job, w *world) { c.change(w.Canary) }), step: "next failed", reason: replication.ReasonCanaryDiffers,
				says: []string{canaryKey, c.says, "left in place: rule rule-1", "object src-bucket/" + canaryKey, "object src-bucket/" + outsideKey}, events: []string{"replidesk.request.failed canary.differs"}}
		}
		cases["the first arrives with "+name] = differs(replication.StepArrive, 1)
		cases["the overwritten one arrives with "+name] = differs(replication.StepArrive2, 2)
	}
	cases["an ETag that is not shown is not compared"] = decision{given: with(proving(replication.StepArrive), arrives(1), func(_ *job, w *world) { w.Canary.ETag = "" }), step: "effect overwrite-canary"}
	decideAll(t, replication.PhaseVerifying, cases)
}

func TestADeletionHasTheEffectThatTheRulePromises(t *testing.T) {
	deletes := func(r *replication.Request) { r.ReplicateDeletes = true }
	gone := func(_ *job, w *world) { w.Canary = &replication.ObjectSeen{Is: replication.Missing} }
	hidden := func(_ *job, w *world) { w.Canary = &replication.ObjectSeen{Is: replication.Missing, Hidden: true} }
	passed := func(_ *job, w *world) { w.Progress.Watermark = noon.Add(time.Second) }
	slow := func(j *job, _ *world) { j.Verification.Seconds = 60 }
	arrived, stayed := "the delete marker arrived and hides the copy", "the deletion stayed at the source"
	on := func(deletion string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, deletion, j.Verification.Deletion) }
	}
	deleted := proving(replication.StepDeleted)
	const next = "effect clean-up"
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"versions, deletes off: the marker arrives":             {given: with(deleted, versioned, hidden), step: next, check: on(arrived)},
		"versions, deletes on: the marker arrives":              {ask: deletes, given: with(deleted, versioned, hidden), step: next, check: on(arrived)},
		"no versions, deletes on: the copy goes":                {ask: deletes, given: with(deleted, gone), step: next, check: on("the deletion removed the copy")},
		"versions, the marker is on its way":                    {given: with(deleted, versioned), after: time.Minute, step: "wait 15s", reason: replication.ReasonCanaryUnderway, says: []string{"the deletion of"}},
		"no versions, deletes on: the deletion is on its way":   {ask: deletes, given: deleted, step: "wait 5s", reason: replication.ReasonCanaryUnderway},
		"no versions, deletes off: too early to tell":           {given: deleted, after: 30 * time.Second, step: "wait 7.5s", reason: replication.ReasonCanaryUnderway, says: []string{"stays at the source"}},
		"no versions, deletes off: the watermark is past it":    {given: with(deleted, passed), after: 2 * time.Second, step: next, check: on(stayed)},
		"no versions, deletes off: a quiet minute":              {given: deleted, after: time.Minute, step: next, check: on(stayed)},
		"no versions, deletes off: a slow pair needs longer":    {given: with(deleted, slow), after: time.Minute, step: "wait 15s"},
		"no versions, deletes off: thrice the time of the copy": {given: with(deleted, slow), after: 3 * time.Minute, step: next, check: on(stayed)},
		"the last look of a quiet minute is at its end":         {given: deleted, after: 58 * time.Second, step: "wait 2s"},
		"no versions, deletes off, yet the copy goes": {given: with(deleted, gone), step: "next failed", reason: replication.ReasonDeletionDiffers, says: []string{canaryKey, "left in place: rule"},
			events: []string{"replidesk.request.failed canary.deletion-differs"}},
		"the deletion does not arrive": {ask: deletes, given: deleted, after: 6 * time.Hour, step: "next failed", reason: replication.ReasonDeletionDiffers, says: []string{"within 6 hours"},
			events: []string{"replidesk.request.failed canary.deletion-differs"}},
		"the rule is gone, so nothing follows from a copy that stays": {given: with(deleted, passed, noProgress, bare), after: time.Minute, step: "wait 5s", reason: replication.ReasonRuleUnseen},
		"the rule is gone for good": {given: with(deleted, noProgress, bare, goneAt(0)), after: 2 * time.Minute, step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonRuleVanished, j.Ending.Reason)
		}},
	})
}

func TestAnObjectOutsideTheScopeThatArrivesUndoesTheRule(t *testing.T) {
	undone := func(t *testing.T, j *job, _ replication.Step) {
		require.Equal(t, replication.ReasonOutOfScope, j.Ending.Reason)
		require.Contains(t, j.Ending.Message, outsideKey)
		require.True(t, j.RuleStands(), "until it is closed")
		require.Equal(t, replication.OwnerProvision, j.Owner())
	}
	scope := proving(replication.StepScope)
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"it is there":            {given: with(scope, func(_ *job, w *world) { w.Outside.Is = replication.Exists }), step: "next undoing", check: undone},
		"it is there but hidden": {given: with(scope, func(_ *job, w *world) { w.Outside.Hidden = true }), step: "next undoing", check: undone},
		"a plain deletion is checked before: the scope comes after it": {given: with(proving(replication.StepDeleted), versioned, func(_ *job, w *world) {
			w.Canary = &replication.ObjectSeen{Is: replication.Missing, Hidden: true}
			w.Outside.Is = replication.Exists
		}), step: "next undoing", check: undone},
	})
}
