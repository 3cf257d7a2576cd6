package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// ownedBy has another job own the pair, with a rule that stands.
func ownedBy(p replication.Phase, ask func(*replication.Request)) func(*job, *world) {
	return func(j *job, w *world) {
		r := j.Request
		r.ID, r.Requester = "CHG-1", "somebody"
		if ask != nil {
			ask(&r)
		}
		w.Owner = &replication.OwnerSeen{Job: r.ID, Request: &r, Phase: p, Message: "as it is", Rule: ruleID, Watched: p == replication.PhaseWatching}
	}
}

func TestATicketForAPairThatAnotherTicketOwns(t *testing.T) {
	claimed := func(j *job, _ *world) {
		j.Made.NoRule, j.Made.PairAsked = noon, true
		j.Last = done(replication.EffectClaimPair)
		j.Last.Owner = "CHG-1"
	}
	watching := ownedBy(replication.PhaseWatching, nil)
	free := func(t *testing.T, j *job, _ replication.Step) {
		require.False(t, j.Made.PairAsked, "it is known not to be ours")
		require.True(t, j.Phase != replication.PhaseRejected || j.Ending == nil)
	}
	leaving := with(watching, func(_ *job, w *world) { w.Owner.Leaving = true })
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"with the same options is complete when the pair is proven and watched": {given: watching, step: "next completed", reason: replication.ReasonDuplicate,
			says: []string{"ticket CHG-1", "proven and watched"}, events: []string{"replidesk.request.completed pair.duplicate-of"}, check: free},
		"with the same options is a duplicate although its own objects lie at the destination": {ask: func(r *replication.Request) { r.Historical.Replicate = ptr(true) },
			given: with(watching, func(_ *job, w *world) { w.DestinationEmpty = ptr(false) }), step: "next completed", reason: replication.ReasonDuplicate,
			events: []string{"replidesk.request.completed pair.duplicate-of"}},
		"with the same options is not complete before the pair is proven": {given: ownedBy(replication.PhaseStarting, nil), step: "next rejected", reason: replication.ReasonDuplicate,
			says: []string{"ticket CHG-1 asks for the same and is starting: as it is"}, events: []string{"replidesk.request.rejected pair.duplicate-of"}, check: free},
		"with the same options as a ticket that failed": {given: ownedBy(replication.PhaseFailed, nil), step: "next rejected", reason: replication.ReasonDuplicate,
			says: []string{"is failed"}, events: []string{"replidesk.request.rejected pair.duplicate-of"}},
		"that is watched, but somebody is removing its rule": {given: with(claimed, watching, func(_ *job, w *world) { w.Rules.Rules[0].Status = replication.RuleClosing }),
			step: "next rejected", reason: replication.ReasonDuplicate, says: []string{"its rule is gone or being removed"}, events: []string{"replidesk.request.rejected pair.duplicate-of"}},
		"that is watched, but somebody else's rule stands": {given: with(watching, func(_ *job, w *world) { w.Rules.Rules[0].ID = "rule-of-somebody" }),
			step: "next rejected", reason: replication.ReasonDuplicate, says: []string{"its rule is gone"}, events: []string{"replidesk.request.rejected pair.duplicate-of"}},
		"with other options is refused with what differs": {given: ownedBy(replication.PhaseWatching, func(r *replication.Request) { r.RTC, r.Objects.Prefixes = true, []string{"video"} }),
			step: "next rejected", reason: replication.ReasonPairDiffers, says: []string{`ticket CHG-1`, `objects.prefixes: ["video"] -> ["image/","video"]; rtc: true -> false`},
			events: []string{"replidesk.request.rejected pair.options-differ"}, check: free},
		"is told so when only the claim finds out": {given: with(bare, claimed, ownedBy(replication.PhasePolicy, nil)), step: "next rejected", reason: replication.ReasonDuplicate,
			says: []string{"is policy"}, events: []string{"replidesk.request.rejected pair.duplicate-of"}, check: free},
		"that cannot be read": {given: func(_ *job, w *world) { w.Owner.Job = "CHG-1" }, step: "next rejected", reason: replication.ReasonPairOwned,
			says: []string{"its journal cannot be read"}, events: []string{"replidesk.request.rejected pair.owned"}},
		"that is being taken down waits for the pair":      {given: with(claimed, bare, leaving), step: "wait 15s", reason: replication.ReasonPairLeaving, says: []string{"ticket CHG-1"}},
		"that has been taken down meanwhile has the pair":  {given: with(claimed, bare), step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) { require.True(t, j.Made.PairAsked) }},
		"that is being taken down for too long is refused": {given: with(claimed, leaving), after: 2 * time.Hour, step: "next rejected", reason: replication.ReasonPairOwned, says: []string{"still watching after 2 hours"}, events: []string{"replidesk.request.rejected pair.owned"}},
	})
}

func TestChangesNameEachOptionThatDiffers(t *testing.T) {
	changed := func(change func(*replication.Request)) []string {
		r := request()
		change(&r)
		return r.Changes(request())
	}
	require.Empty(t, changed(func(r *replication.Request) {
		r.ID, r.Requester, r.Historical.AcceptOverwrite = "CHG-7", "ana", true
		r.Approvals, r.DryRun = []replication.Approval{{By: "ben"}}, true
		r.Objects.Prefixes = []string{"video", "image/"}
	}), "who asks, under which id, and in which order, is no option")
	for want, change := range map[string]func(*replication.Request){
		`destination.region: "cn-shanghai" -> "cn-beijing"`: func(r *replication.Request) { r.Destination.Region = "cn-beijing" },
		`historical.replicate: false -> true`:               func(r *replication.Request) { r.Historical.Replicate = ptr(true) },
		`limits.maxLag: "1h0m0s" -> "10m0s"`:                func(r *replication.Request) { r.Limits.MaxLag = replication.Duration(10 * time.Minute) },
		`objects.prefixes: ["image/","video"] -> absent`:    func(r *replication.Request) { r.Objects.Prefixes = nil },
		`objects.tags.match: absent -> "any"`:               func(r *replication.Request) { r.Objects.Tags = filter("any", "a=b") },
		`replicateDeletes: false -> true`:                   func(r *replication.Request) { r.ReplicateDeletes = true },
		`transferAcceleration: false -> true`:               func(r *replication.Request) { r.TransferAcceleration = true },
		`verify.canary: true -> false`:                      func(r *replication.Request) { r.Verify.Canary = false },
	} {
		require.Contains(t, changed(change), want)
	}
	r, old := request(), request()
	r.KMS = &replication.KMS{Replicate: ptr(false)}
	require.Empty(t, r.Changes(old), "to decline KMS is not to speak of it")
	r.KMS, old.KMS = &replication.KMS{Replicate: ptr(true), KeyID: keyID}, &replication.KMS{Replicate: ptr(true), KeyID: keyARN}
	require.Empty(t, r.Changes(old), "a key can be named by its id and by its ARN")
	old.KMS.KeyID = otherKey
	require.Len(t, r.Changes(old), 1)
	r, old = request(), request()
	r.Objects.Tags, old.Objects.Tags = filter("all", "a=b", "c=d"), filter("all", "c=d", "a=b")
	require.Empty(t, r.Changes(old), "the order of tags does not matter")
}

func TestTheOwnerOfAPairIsLeavingWhenItIsTakenDown(t *testing.T) {
	j := at(replication.PhaseVerifying, request())
	o := replication.OwnerOf(j)
	require.Equal(t, "CHG-2041", o.Job)
	require.Equal(t, ruleID, o.Rule)
	require.False(t, o.Leaving)
	require.True(t, j.Order(anOrder))
	require.True(t, replication.OwnerOf(j).Leaving)
	j = at(replication.PhaseReleasing, request())
	j.Ending = &replication.Ending{Phase: replication.PhaseFailed}
	require.True(t, replication.OwnerOf(j).Leaving)
}
