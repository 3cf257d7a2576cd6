package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const untaggedKey = "image/.replidesk/CHG-2041/untagged"

func byTags(match string) func(*replication.Request) {
	return func(r *replication.Request) { r.Objects.Tags = filter(match, "team=images", "kind=raw") }
}

// provingTags is proving for a ticket with a tag filter.
func provingTags(s replication.VerifyStep) func(*job, *world) {
	return with(proving(s), func(j *job, _ *world) { j.Verification.UntaggedKey = untaggedKey })
}

func TestTheProofOfATagFilter(t *testing.T) {
	all, one := filter("", "team=images", "kind=raw").Set, filter("", "team=images").Set
	carries := func(tags []replication.Tag) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, _ *job, s replication.Step) { require.Equal(t, tags, s.Effect.Object.Tags) }
	}
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"the canary carries every tag": {ask: byTags("all"), step: "effect put-canary", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, all, s.Effect.Object.Tags)
			require.Equal(t, untaggedKey, j.Verification.UntaggedKey, "the key is saved before the write")
		}},
		"where any tag is enough it carries the first": {ask: byTags("any"), step: "effect put-canary", check: carries(one)},
		"the object outside the prefixes has the tags": {ask: byTags("all"), given: provingTags(replication.StepPut), outcome: putObject(replication.EffectPutCanary, 1),
			step: "effect put-outside", check: carries(all)},
		"then one in the prefixes without them": {ask: byTags("all"), given: provingTags(replication.StepOutside), outcome: done(replication.EffectPutOutside), step: "effect put-untagged",
			check: func(t *testing.T, _ *job, s replication.Step) {
				require.Equal(t, untaggedKey, s.Effect.Object.Key)
				require.Empty(t, s.Effect.Object.Tags)
			}},
		"where there is no outside it follows the canary": {ask: byTags("all"), given: with(provingTags(replication.StepPut), func(j *job, _ *world) { j.Verification.OutsideKey = "" }),
			outcome: putObject(replication.EffectPutCanary, 1), step: "effect put-untagged"},
		"then the canary is waited for": {ask: byTags("all"), given: provingTags(replication.StepUntagged), outcome: done(replication.EffectPutUntagged), step: "wait 5s",
			reason: replication.ReasonCanaryUnderway},
		"a write whose answer is lost is repeated": {ask: byTags("all"), given: provingTags(replication.StepUntagged), outcome: lost(replication.EffectPutUntagged), step: "effect put-untagged"},
		"the overwritten canary has the tags too":  {ask: byTags("all"), given: with(provingTags(replication.StepArrive), arrives(1)), step: "effect overwrite-canary", check: carries(all)},
		"neither of the two arrived": {ask: byTags("all"), given: provingTags(replication.StepScope), step: "effect clean-up", check: func(t *testing.T, _ *job, s replication.Step) {
			require.Equal(t, []string{canaryKey, outsideKey, untaggedKey}, s.Effect.Keys)
		}},
		"the one without the tags arrived": {ask: byTags("all"), given: with(provingTags(replication.StepScope), func(_ *job, w *world) { w.Untagged.Is = replication.Exists }),
			step: "next undoing", check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.ReasonOutOfScope, j.Ending.Reason)
				require.Equal(t, untaggedKey+" arrived although it has none of the tags of the rule", j.Ending.Message)
			}},
		"it arrived and was hidden again": {ask: byTags("any"), given: with(provingTags(replication.StepScope), func(j *job, w *world) { j.Verification.OutsideKey, w.Untagged.Hidden = "", true }),
			step: "next undoing"},
		"the evidence says so": {ask: byTags("all"), given: provingTags(replication.StepCleanUp), outcome: cleaned(), step: "next watching", events: []string{"replidesk.request.verified job.verified"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, untaggedKey+" did not arrive", j.Evidence.Untagged)
			}},
	})
}

func TestADeletionUnderATagFilter(t *testing.T) {
	hidden := func(_ *job, w *world) { *w.Canary = replication.ObjectSeen{Is: replication.Missing, Hidden: true} }
	gone := func(_ *job, w *world) { w.Canary = &replication.ObjectSeen{Is: replication.Missing} }
	passed := func(_ *job, w *world) { w.Progress.Watermark = noon.Add(time.Second) }
	deletion := func(want string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, want, j.Verification.Deletion) }
	}
	at := provingTags(replication.StepDeleted)
	ask := byTags("all")
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"a delete marker has no tags and is not waited for": {ask: ask, given: with(at, versioned, passed), step: "effect clean-up", check: deletion("the deletion stayed at the source")},
		"what may still come is given time":                 {ask: ask, given: with(at, versioned), step: "wait 5s", reason: replication.ReasonCanaryUnderway},
		"a delete marker that comes all the same is no fault": {ask: ask, given: with(at, versioned, hidden), step: "effect clean-up",
			check: deletion("the delete marker arrived and hides the copy")},
		"a version that is gone is one": {ask: ask, given: with(at, versioned, gone), step: "next failed", reason: replication.ReasonDeletionDiffers,
			events: []string{"replidesk.request.failed canary.deletion-differs"}},
		"so is a copy without versions that is gone": {ask: ask, given: with(at, gone), step: "next failed", reason: replication.ReasonDeletionDiffers,
			events: []string{"replidesk.request.failed canary.deletion-differs"}},
	})
	for name, c := range map[string]struct{ deletion, left string }{
		"behind a marker when one came": {"the delete marker arrived and hides the copy", " (its versions behind a delete marker)"},
		"open to see when none did":     {"the deletion stayed at the source", " (its versions)"},
	} {
		t.Run("the versions stay at the destination, "+name, func(t *testing.T) {
			decision{ask: ask, given: with(provingTags(replication.StepCleanUp), versioned, func(j *job, _ *world) { j.Verification.Deletion = c.deletion }), outcome: cleaned(),
				step: "next watching", events: []string{"replidesk.request.verified job.verified"}, check: func(t *testing.T, j *job, _ replication.Step) {
					require.Equal(t, []string{"dest-bucket/" + canaryKey + c.left}, j.Evidence.LeftBehind)
				}}.run(t, replication.PhaseVerifying)
		})
	}
}
