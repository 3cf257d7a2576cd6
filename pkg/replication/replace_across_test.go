package replication_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// by makes the request of a case a replacement into another account.
func by(reach func(*replication.Request), more ...func(*replication.Request)) func(*replication.Request) {
	return func(r *replication.Request) {
		replacement(r)
		reach(r)
		for _, f := range more {
			f(r)
		}
	}
}

// standing gives the destination a policy in which the statement of r stands.
func standing(r replication.Request) func(*job, *world) {
	return policyIs(policyOf(foreignAllow, replication.GrantFor(r).String()))
}

func TestWhatOthersHaveToDoIsWaitedForWhileTheOldRuleStands(t *testing.T) {
	byHand, byRole := by(abroad, accepting), by(withRole)
	made := func(ask func(*replication.Request)) replication.Request { r := request(); ask(&r); return r }
	notYet := func(t *testing.T, j *job, _ replication.Step) {
		require.Nil(t, j.Gap, "the gap begins with the order")
		require.Equal(t, replication.PhaseOrdering, j.Block.Resume)
	}
	decideAll(t, replication.PhaseOrdering, map[string]decision{
		"the owner has made the grant":           {ask: byHand, given: with(old, standing(made(byHand))), step: "effect order"},
		"not yet":                                {ask: byHand, given: with(old, policyIs(policyOf(foreignAllow))), step: "next blocked", reason: replication.ReasonGrantMissing, says: []string{"Receive Objects to Replicate"}, events: []string{"replidesk.request.blocked destination.grant-missing"}, check: notYet},
		"somebody denies it":                     {ask: byHand, given: with(old, policyIs(policyOf(denyAll))), step: "next blocked", reason: replication.ReasonGrantDenied, events: []string{"replidesk.request.blocked destination.policy-denies"}, check: notYet},
		"nobody lets us look: to look is to try": {ask: by(abroad, accepting, declaring), given: with(old, blind), step: "effect order"},
		"our role there makes it afterwards":     {ask: byRole, given: with(old, policyIs(policyOf(foreignAllow))), step: "effect order"},
		"or would, but it is denied":             {ask: byRole, given: with(old, policyIs(policyOf(denyAll))), step: "next blocked", reason: replication.ReasonGrantDenied, events: []string{"replidesk.request.blocked destination.policy-denies"}, check: notYet},
		"our role there may not look": {ask: byRole, given: with(old, func(_ *job, w *world) {
			w.BucketPolicy = &replication.BucketPolicySeen{Is: replication.Foreign}
		}), step: "next blocked", reason: replication.ReasonDenied, says: []string{"GetBucketPolicy"}, events: []string{"replidesk.request.blocked function.denied"}, check: notYet},
	})
}

func declaring(r *replication.Request) {
	r.Declared = &replication.Declared{Versioning: "disabled"}
}

func TestAGapIntoABucketThatNobodyListsIsNotCompared(t *testing.T) {
	written := func(n int) func(*job, *world) {
		return func(_ *job, w *world) {
			w.Progress.Watermark = noon
			w.Gap = &replication.GapSeen{GapFigures: replication.GapFigures{Looked: 9, Written: n, Missing: n, Examples: []string{"a", "b"}[:min(n, 2)]}, Done: true}
		}
	}
	complete := func(_ *job, w *world) { w.Progress.Historical, w.Gap = ptr(1.0), nil }
	unlisted := func(t *testing.T, j *job, _ replication.Step) { require.True(t, j.Gap.Unlisted) }
	completed := func(r replication.Reason) []string { return []string{"replidesk.request.completed " + string(r)} }
	decideAll(t, replication.PhaseBridging, map[string]decision{
		"what came with the historical copy is OSS's word": {ask: by(abroad, withHistory), given: with(gapOf(nil), complete), step: "next watching", reason: replication.ReasonGapUncompared,
			says: []string{"which OSS says is complete", "the desk cannot list it"}, events: completed(replication.ReasonGapUncompared), check: unlisted},
		"without it what was written is named, as the ticket accepts": {ask: by(abroad, accepting), given: with(gapOf(nil), written(3)), step: "next watching", reason: replication.ReasonGapAccepted,
			says: []string{"3 objects", "may have no copy in dest-bucket, which the desk cannot list, such as a, b"}, events: completed(replication.ReasonGapAccepted), check: unlisted},
		"nothing was written, so nothing is missing": {ask: by(abroad, accepting), given: with(gapOf(nil), written(0)), step: "next watching", reason: replication.ReasonGapClosed,
			says: []string{"nothing was written"}, events: completed(replication.ReasonGapClosed), check: unlisted},
		"a role there lists it": {ask: by(withRole), given: with(gapOf(nil), written(3)), step: "next blocked", reason: replication.ReasonGapMissing, events: []string{"replidesk.request.blocked gap.missing"},
			says: []string{"3 of 3 objects"}, check: func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Gap.Unlisted) }},
		"with tags those without them are said to be among it": {ask: func(r *replication.Request) { accepting(r); r.Objects.Tags = filter("all", "k=v") }, given: with(gapOf(nil), written(3)), step: "next watching", reason: replication.ReasonGapAccepted,
			says: []string{"3 of 3 objects", "those without the tags of the scope should have none"}, events: completed(replication.ReasonGapAccepted)},
	})
}

func TestAPlanOfAReplacementIntoAnotherAccountSaysWhatNobodyCanSee(t *testing.T) {
	plan := func(t *testing.T, ask func(*replication.Request), change func(*replication.Seen)) replication.PlanResult {
		t.Helper()
		r := request()
		ask(&r)
		r.Requester = "ben"
		s := free(r)
		s.Seen.Rules = &replication.RulesSeen{Rules: []replication.RuleSeen{stands(r)}}
		s.Seen.Target = &replication.TargetSeen{Rev: 9, Phase: replication.PhaseWatching, AtRest: true, Holds: true, Rule: ruleID, Proven: noon}
		s.Seen.Progress = &replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Watermark: noon}
		s.Seen.Owner = &replication.OwnerSeen{Job: "CHG-1"}
		s.Seen.BucketPolicy = &replication.BucketPolicySeen{Is: replication.Exists, Document: policyOf(foreignAllow)}
		if change != nil {
			change(&s.Seen)
		}
		p := replication.Plan(r, desk, s, noon)
		for _, q := range p.Reasons { // all that is missing is an approval
			require.Equal(t, replication.ReasonApprovalMissing, q.Code, "%s", q.Message)
		}
		require.Equal(t, replication.PhaseWatching, p.Ending)
		return p
	}
	hidden := func(s *replication.Seen) {
		s.Destination, s.BucketPolicy = &replication.BucketSeen{Is: replication.Foreign}, &replication.BucketPolicySeen{Is: replication.Foreign}
	}
	risk := func(p replication.PlanResult, code string) string {
		for _, n := range p.Risks {
			if n.Code == code {
				return n.Message
			}
		}
		return ""
	}
	t.Run("the owner makes the grant first", func(t *testing.T) {
		p := plan(t, by(abroad, accepting), nil)
		way := steps(p)
		waits := slices.Index(way, "blocked wait")
		require.Positive(t, waits, "%v", way)
		require.Less(t, waits, slices.Index(way, "ordering order"))
		require.Contains(t, risk(p, "gap"), "the result names what was written")
		require.Empty(t, risk(p, "gap-grant"))
		require.NotContains(t, p.Steps[len(p.Steps)-1].Calls[0], "dest-bucket")
	})
	t.Run("or has to, because nobody sees it", func(t *testing.T) {
		p := plan(t, by(abroad, withHistory, declaring, func(r *replication.Request) { r.Historical.AcceptOverwrite = true }), hidden)
		require.Contains(t, risk(p, "gap"), "OSS's word")
		require.Contains(t, risk(p, "gap-grant"), "before this ticket is sent")
	})
	t.Run("and the owner of a key lends it as soon as the job asks", func(t *testing.T) {
		p := plan(t, by(withLentKey, accepting), nil)
		require.Contains(t, risk(p, "gap-key"), "only after the old rule is down")
	})
	t.Run("by a role the copies are compared", func(t *testing.T) {
		p := plan(t, by(withRole), nil)
		require.Contains(t, risk(p, "gap"), "is blocked until")
		require.Contains(t, p.Steps[len(p.Steps)-1].Calls[0], "dest-bucket for each object")
	})
}
