package replication_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// replacement makes the request of a case one that replaces CHG-1.
func replacement(r *replication.Request) { r.Action, r.Target = replication.ActionReplace, "CHG-1" }

func withHistory(r *replication.Request) { replacement(r); r.Historical.Replicate = ptr(true) }

func accepting(r *replication.Request) { replacement(r); r.AcceptGap = true }

// old is the watched job that is replaced, as its log shows it.
func old(_ *job, w *world) {
	w.Target = &replication.TargetSeen{Rev: 9, Phase: replication.PhaseWatching, AtRest: true, Holds: true, Rule: ruleID, Proven: noon.Add(-time.Hour), Message: "watched"}
	w.Progress.Watermark = noon.Add(-3 * time.Minute)
}

func gapOf(change func(*replication.Gap)) func(*job, *world) {
	return func(j *job, w *world) {
		j.Gap = &replication.Gap{From: noon.Add(-20 * time.Minute), Ended: noon.Add(-15 * time.Minute)}
		j.Rule = &replication.Rule{ID: ruleID, Accepted: noon.Add(-10 * time.Minute), Confirmed: noon, Live: noon.Add(-5 * time.Minute)}
		j.Made.Rule, j.Made.Pair = noon, noon
		if change != nil {
			change(j.Gap)
		}
		w.Gap = &replication.GapSeen{Done: true}
	}
}

func copied(g *replication.Gap) { g.Copied = noon }

func TestAReplacementTakesTheOldTicketDownOnlyIfItWouldGoThrough(t *testing.T) {
	decideAll(t, replication.PhaseReceived, map[string]decision{"first the old ticket is looked at": {ask: replacement, step: "next ordering"}})
	from := func(want time.Time) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, want, j.Gap.From)
			require.Equal(t, "src-bucket~dest-bucket", s.Effect.Order.Pair)
			require.Equal(t, replication.ActionReplace, s.Effect.Order.Action)
		}
	}
	decideAll(t, replication.PhaseOrdering, map[string]decision{
		"the gap begins with the watermark of the old rule": {ask: replacement, given: old, step: "effect order", check: from(noon.Add(-3 * time.Minute))},
		"the old rule is gone: it begins when it was proven": {ask: replacement, given: with(old, func(_ *job, w *world) {
			*w.Progress = replication.ProgressSeen{Is: replication.Missing}
		}), step: "effect order", check: from(noon.Add(-time.Hour))},
		"there never was a rule: it begins now": {ask: replacement, given: with(old, func(_ *job, w *world) { w.Target.Rule, w.Target.Proven = "", time.Time{} }), step: "effect order", check: from(noon)},
		"a second try does not move it":         {ask: replacement, given: with(old, func(j *job, _ *world) { j.Gap = &replication.Gap{From: noon.Add(-time.Minute)} }), step: "effect order", check: from(noon.Add(-time.Minute))},
		"a ticket that would be refused costs no old rule": {ask: replacement, given: with(old, func(_ *job, w *world) { w.Destination.Is = replication.Missing }), step: "next rejected", reason: replication.ReasonDestinationMissing,
			events: []string{"replidesk.request.rejected destination.bucket-missing"}},
		"nor does one that would overwrite": {ask: withHistory, given: with(old, func(_ *job, w *world) { w.DestinationEmpty = ptr(false) }), step: "next rejected", reason: replication.ReasonOverwrite,
			events: []string{"replidesk.request.rejected historical.would-overwrite"}},
		"nothing is known of the old ticket": {ask: replacement, given: func(j *job, w *world) { j.Received, w.Target = noon, &replication.TargetSeen{} }, step: "wait 15s", reason: replication.ReasonTargetUnknown},
		"the old ticket has another pair": {ask: replacement, given: func(_ *job, w *world) {
			w.Target = &replication.TargetSeen{Rev: 1, Objection: &replication.Objection{Reason: replication.ReasonTargetPair, Message: "other"}}
		}, step: "next rejected", events: []string{"replidesk.request.rejected target.other-pair"}},
	})
	decideAll(t, replication.PhaseAwaiting, map[string]decision{
		"the old ticket is being taken down": {ask: replacement, given: func(_ *job, w *world) { w.Target = &replication.TargetSeen{Rev: 9, Ordered: true} }, step: "wait 15s", reason: replication.ReasonTargetWaiting},
		"it is down: now the new one": {ask: replacement, given: with(gapOf(func(g *replication.Gap) { g.Ended = time.Time{} }), func(j *job, w *world) {
			w.Target = &replication.TargetSeen{Rev: 9, AtRest: true, Phase: replication.PhaseStopped}
		}), step: "next preflight", check: func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, noon, j.Gap.Ended) }},
		"it could not be taken down": {ask: replacement, given: func(_ *job, w *world) {
			w.Target = &replication.TargetSeen{Rev: 9, AtRest: true, Holds: true, Phase: replication.PhaseFailed}
		}, step: "next failed", reason: replication.ReasonTargetFailed, events: []string{"replidesk.request.failed target.stop-failed"}},
	})
	t.Run("refused after all, it says that nothing replicates the pair now, and a retry goes on there", func(t *testing.T) {
		r := request()
		replacement(&r)
		j := at(replication.PhasePreflight, r)
		gapOf(nil)(j, &world{})
		j.Rule, j.Made = nil, replication.Made{}
		w := healthy(r)
		w.Destination.Is = replication.Missing
		d := decide(t, j, w, noon)
		require.Equal(t, "next rejected", stepOf(d.step, noon))
		require.Contains(t, d.job.Message, "ticket CHG-1 was taken down for it, so nothing replicates the pair now")
		for ended, want := range map[bool]replication.Phase{true: replication.PhasePreflight, false: replication.PhaseOrdering} {
			c := at(replication.PhaseRetrying, r)
			if ended {
				c.Gap = d.job.Gap
			}
			require.Equal(t, want, decide(t, c, w, noon).step.Next)
		}
	})
}

func TestWhatWasWrittenBetweenTwoRulesIsLookedFor(t *testing.T) {
	completed := func(reason replication.Reason) []string {
		return []string{"replidesk.request.completed " + string(reason)}
	}
	missing := func(_ *job, w *world) {
		w.Gap.GapFigures = replication.GapFigures{Looked: 9, Written: 3, Missing: 2, Examples: []string{"a", "b"}}
	}
	progress := func(mark time.Duration, history *float64) func(*job, *world) {
		return func(_ *job, w *world) { w.Progress.Watermark, w.Progress.Historical = noon.Add(mark), history }
	}
	watched := func(t *testing.T, j *job, _ replication.Step) { require.True(t, j.Watched()) }
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"the proof of the new rule leads there": {ask: replacement, given: with(gapOf(nil), func(j *job, _ *world) { j.Evidence = &replication.Evidence{By: "canary"} }), step: "next bridging",
			events: []string{"replidesk.request.verified job.verified"}, check: watched},
	})
	decideAll(t, replication.PhaseBridging, map[string]decision{
		"each has its copy":                              {ask: replacement, given: with(gapOf(nil), progress(0, nil)), step: "next watching", reason: replication.ReasonGapClosed, events: completed(replication.ReasonGapClosed)},
		"what was written just before may be under way":  {ask: replacement, given: with(gapOf(nil), progress(-6*time.Minute, nil)), step: "wait 1m15s", reason: replication.ReasonGapCopy, check: watched},
		"half an hour is enough, whatever the watermark": {ask: replacement, given: with(gapOf(nil), progress(-6*time.Minute, nil)), after: 25 * time.Minute, step: "next watching", events: completed(replication.ReasonGapClosed)},
		"the historical copy is waited for":              {ask: withHistory, given: with(gapOf(nil), progress(0, ptr(0.5))), step: "wait 30s", reason: replication.ReasonGapCopy, says: []string{"50 %"}},
		"or not begun":                                   {ask: withHistory, given: with(gapOf(nil), progress(0, nil)), after: 8 * time.Hour, step: "wait 1h0m0s", says: []string{"0 %"}},
		"it is complete":                                 {ask: withHistory, given: with(gapOf(nil), progress(0, ptr(1.0))), step: "next watching", events: completed(replication.ReasonGapClosed)},
		"with a tag filter it is all that can be known": {ask: func(r *replication.Request) { withHistory(r); r.Objects.Tags = filter("all", "k=v") }, given: with(gapOf(nil), progress(0, ptr(1.0)), func(_ *job, w *world) { w.Gap = nil }),
			step: "next watching", says: []string{"came with the historical copy", "no listing shows"}, events: completed(replication.ReasonGapUncompared)},
		"some have none: somebody has to write them again": {ask: replacement, given: with(gapOf(copied), missing), step: "next blocked", reason: replication.ReasonGapMissing,
			says: []string{"2 of 3 objects", "src-bucket", "such as a, b"}, events: []string{"replidesk.request.blocked gap.missing"}, check: func(t *testing.T, j *job, s replication.Step) {
				watched(t, j, s)
				require.Zero(t, j.Gap.Cursor, "the next comparison begins anew")
				require.Zero(t, j.Gap.Found)
				require.Contains(t, string(j.Outbox[0].Detail), `"missing":2`)
			}},
		"some have none, as the ticket accepts": {ask: accepting, given: with(gapOf(copied), missing), step: "next watching", says: []string{"2 of 3 objects"}, events: completed(replication.ReasonGapAccepted)},
		"the rule is gone: the watch says so":   {ask: replacement, given: with(gapOf(nil), func(_ *job, w *world) { w.Progress.Is = replication.Missing }), step: "next watching", reason: replication.ReasonGapOpen, events: []string{"replidesk.request.failed gap.open"}},
		"the listing is refused for good":       {ask: replacement, given: gapOf(copied), trouble: &replication.Trouble{Kind: replication.TroubleFinal, Op: "ListObjectsV2"}, step: "next watching", reason: replication.ReasonGapOpen, says: []string{"ListObjectsV2"}, events: []string{"replidesk.request.failed gap.open"}},
		"nobody mends it for a week: the watch goes on": {ask: replacement, given: with(gapOf(copied), missing, func(j *job, _ *world) {
			j.Block = &replication.Block{Resume: replication.PhaseBridging, Reason: replication.ReasonGapMissing, Since: noon.Add(-8 * 24 * time.Hour), Reported: map[replication.Reason]time.Time{replication.ReasonGapMissing: noon.Add(-8 * 24 * time.Hour)}}
		}), step: "next watching", reason: replication.ReasonGapOpen, says: []string{"2 of 3 objects"}, events: []string{"replidesk.request.failed gap.open"}},
	})
	t.Run("page by page, and the place is kept", func(t *testing.T) {
		r := request()
		replacement(&r)
		j := at(replication.PhaseBridging, r)
		w := healthy(r)
		gapOf(copied)(j, &w)
		pauses := 0
		for page := 1; page <= 20; page++ {
			w.Gap = &replication.GapSeen{GapFigures: replication.GapFigures{Looked: 400, Written: 1, Missing: 1, Examples: []string{fmt.Sprint(page)}},
				Next: replication.GapCursor{After: fmt.Sprintf("key-%02d", page), Pages: page}, Done: page == 20}
			d := through(t, j, w, noon, replication.Decide)
			j = d.job
			if !d.step.Wait.IsZero() {
				pauses++
				require.Equal(t, fmt.Sprintf("key-%02d", page), j.Clone().Gap.Cursor.After)
			}
		}
		require.Equal(t, 2, pauses, "it is saved now and then")
		require.Equal(t, replication.PhaseBlocked, j.Phase)
		require.Equal(t, replication.GapFigures{Looked: 8000, Written: 20, Missing: 20, Examples: strings.Split("1 2 3 4 5", " ")}, j.Gap.Last)
	})
	t.Run("a retry looks at once, and replication time control has to wait", func(t *testing.T) {
		r := request()
		replacement(&r)
		j := at(replication.PhaseBridging, r)
		w := healthy(r)
		with(gapOf(copied), missing)(j, &w)
		j = through(t, j, w, noon, replication.Decide).job
		require.Equal(t, replication.PhaseBlocked, j.Phase)
		require.True(t, j.Objection(replication.Order{Action: replication.ActionSetRTC, By: "CHG-8", RTC: true}).Later)
		require.True(t, j.Order(aRetry))
		w.Gap = &replication.GapSeen{Done: true}
		for range 4 {
			if j.Phase != replication.PhaseWatching {
				j = through(t, j, w, noon.Add(time.Second), replication.Decide).job
			}
		}
		require.Equal(t, replication.ReasonGapClosed, j.Reason, j.Message)
	})
}

func TestAReplacementIsReadStrictly(t *testing.T) {
	const pair = `"source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"},"destination":{"account":"1000000000000001","region":"cn-shanghai","bucket":"dest-bucket"},`
	into := func(account string) string {
		return strings.Replace(pair, `"1000000000000001","region":"cn-shanghai"`, `"`+account+`","region":"cn-shanghai"`, 1) + `"requester":"ben",`
	}
	tags := `"objects":{"tags":{"match":"all","set":[{"key":"k"}]}},`
	for name, c := range map[string]struct {
		ticket, field string
		reason        replication.Reason
	}{
		"whole":                      {`"action":"replace","target":"CHG-1",` + pair + `"acceptGap":true,"historical":{"replicate":false}`, "", ""},
		"without a target":           {`"action":"replace",` + pair + `"historical":{"replicate":false}`, "target", replication.ReasonInvalid},
		"of itself":                  {`"action":"replace","target":"CHG-9",` + pair + `"historical":{"replicate":false}`, "target", replication.ReasonInvalid},
		"with tags, without history": {`"action":"replace","target":"CHG-1",` + pair + tags + `"historical":{"replicate":false}`, "acceptGap", replication.ReasonGapUncheckable},
		"with tags, but accepted":    {`"action":"replace","target":"CHG-1",` + pair + tags + `"acceptGap":true,"historical":{"replicate":false}`, "", ""},
		"with tags and history":      {`"action":"replace","target":"CHG-1",` + pair + tags + `"historical":{"replicate":true}`, "", ""},
		"by hand, without history":   {`"action":"replace","target":"CHG-1",` + into("2000000000000002") + `"historical":{"replicate":false}`, "acceptGap", replication.ReasonGapUncheckable},
		"by hand, with history":      {`"action":"replace","target":"CHG-1",` + into("2000000000000002") + `"historical":{"replicate":true}`, "approvals", replication.ReasonApprovalMissing},
		"by hand, but accepted":      {`"action":"replace","target":"CHG-1",` + into("2000000000000002") + `"acceptGap":true,"historical":{"replicate":false}`, "approvals", replication.ReasonApprovalMissing},
		"by a role":                  {`"action":"replace","target":"CHG-1",` + into("3000000000000003") + `"historical":{"replicate":false}`, "approvals", replication.ReasonApprovalMissing},
		"acceptGap of another":       {`"action":"replicate",` + pair + `"acceptGap":true,"historical":{"replicate":false}`, "acceptGap", replication.ReasonInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := replication.Parse([]byte(`{"specVersion":"1","id":"CHG-9",` + c.ticket + `}`))
			if len(p) == 0 {
				p = replication.Validate(r, desk)
			}
			if c.field == "" {
				require.Empty(t, p)
				s := schemaOf(t)
				require.Empty(t, s.check(s, decoded(t, `{"specVersion":"1","id":"CHG-9",`+c.ticket+`}`)))
				return
			}
			require.NotEmpty(t, p)
			require.Equal(t, c.field, p[0].Field)
			require.Equal(t, c.reason, p[0].Code)
		})
	}
	t.Run("the target must have the pair", func(t *testing.T) {
		o := replication.Order{Action: replication.ActionReplace, By: "CHG-9", At: noon, Pair: "src-bucket~other"}
		j := at(replication.PhaseStarting, request())
		require.False(t, j.Order(o))
		require.Equal(t, replication.ReasonTargetPair, j.Objection(o).Reason)
		o.Pair = "src-bucket~dest-bucket"
		require.True(t, j.Order(o))
		require.True(t, j.Ordered())
	})
}

func TestAPlanOfAReplacementShowsTheWholeWayAndWhatIsLost(t *testing.T) {
	survey := func(r replication.Request) replication.Survey {
		s := free(r)
		s.Seen.Rules = &replication.RulesSeen{Rules: []replication.RuleSeen{stands(request())}}
		s.Seen.Target = &replication.TargetSeen{Rev: 9, Phase: replication.PhaseWatching, AtRest: true, Holds: true, Rule: ruleID, Proven: noon}
		s.Seen.Progress = &replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Watermark: noon}
		s.Seen.Owner = &replication.OwnerSeen{Job: "CHG-1"}
		return s
	}
	for name, c := range map[string]struct {
		ask  func(*replication.Request)
		says string
	}{
		"with the historical copy":      {withHistory, "comes with the historical copy"},
		"without it":                    {replacement, "the job finds it, names it, and is blocked"},
		"without it, as it is accepted": {accepting, "is never copied"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			c.ask(&r)
			r.Historical.AcceptOverwrite = true
			p := replication.Plan(r, planDesk, survey(r), noon)
			require.True(t, p.Accepted, "%v", p.Reasons)
			way := steps(p)
			require.Equal(t, "ordering look", way[0])
			require.Contains(t, way, "ordering order")
			require.Contains(t, way, "preflight claim-pair")
			require.Equal(t, "bridging look", way[len(way)-1])
			require.Contains(t, codes(p.Risks), "gap-deletes")
			require.Contains(t, p.Risks[0].Message, c.says)
		})
	}
	t.Run("of a ticket that nobody knows", func(t *testing.T) {
		r := request()
		replacement(&r)
		s := survey(r)
		s.Seen.Target = &replication.TargetSeen{}
		p := replication.Plan(r, planDesk, s, noon)
		require.False(t, p.Accepted)
		require.Equal(t, replication.ReasonTargetUnknown, p.Reasons[0].Code)
		require.Equal(t, "target", p.Reasons[0].Field)
	})
}
