package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const putRTC = replication.EffectPutRTC

// adjusting is a job whose pair is watched since an hour, and an order to turn
// replication time control on that was begun with.
func adjusting(j *job, _ *world) {
	stopping(j, nil)
	j.Stop = nil
	j.Orders = []replication.Order{{Action: replication.ActionSetRTC, By: "CHG-9", At: noon, RTC: true, Watched: noon.Add(-time.Hour)}}
}

func shown(rtc string) func(*job, *world) {
	return func(_ *job, w *world) { w.Rules.Rules[0].RTC = rtc }
}

// tookRTC is an adjusting job whose put was accepted a while ago.
func tookRTC(ago time.Duration) func(*job, *world) {
	return with(adjusting, func(j *job, _ *world) {
		j.Request.RTC, j.Since = true, noon.Add(-time.Hour)
		j.Last = done(putRTC)
		j.Last.At = noon.Add(-ago)
	})
}

func TestReplicationTimeControlIsSet(t *testing.T) {
	unchanged := []string{"replidesk.request.changed rtc.unchanged"}
	answer := func(r replication.Result, reason replication.Reason, rtc bool) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			o := j.Orders[0]
			require.Equal(t, r, o.Result)
			require.Equal(t, reason, o.Reason)
			require.False(t, o.Served.IsZero())
			require.Equal(t, rtc, j.Request.RTC)
			require.True(t, j.Watched())
		}
	}
	decideAll(t, replication.PhaseAdjusting, map[string]decision{
		"it is asked for": {given: adjusting, step: "effect put-rtc", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, &replication.Effect{Kind: putRTC, RuleID: ruleID, RTC: true}, s.Effect)
			require.True(t, j.Watched())
		}},
		"although the list shows it already: that may be older": {given: with(adjusting, shown("enabled")), step: "effect put-rtc"},
		"the list does not show it yet":                         {given: with(adjusting), outcome: done(putRTC), step: "wait 5s", reason: replication.ReasonAdjusting},
		"the list does not show it for two minutes: once more":  {given: tookRTC(2 * time.Minute), step: "effect put-rtc"},
		"it is accepted and shown: the watch goes on with it": {given: with(adjusting, shown("enabling")), outcome: done(putRTC), step: "next watching", reason: replication.ReasonRTCSet,
			says: []string{"replication time control of rule rule-1 is on (set-rtc ticket CHG-9)"}, events: []string{"replidesk.request.changed rtc.set"},
			check: func(t *testing.T, j *job, s replication.Step) {
				answer(replication.ResultDone, "", true)(t, j, s)
				require.Equal(t, noon, j.Since, "the limit counts from here on")
			}},
		"set twice it is as it was": {given: with(adjusting, shown("enabled"), func(j *job, _ *world) { j.Request.RTC, j.Orders[0].Was = true, true }), outcome: done(putRTC),
			step: "next watching", events: []string{"replidesk.request.changed rtc.set"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, noon.Add(-time.Hour), j.Since, "the limit counts as before")
			}},
		"the answer was lost: again": {given: with(adjusting, shown("enabling")), outcome: lost(putRTC), step: "effect put-rtc"},
		"a worker died of it: again": {given: with(adjusting, shown("enabling")), crash: putRTC, step: "effect put-rtc"},
		"it is not offered between the two regions": {given: with(adjusting, func(_ *job, w *world) { w.Locations.RTC = []string{"cn-beijing"} }), step: "next watching", reason: replication.ReasonRTCUnchanged,
			says: []string{"not offered from cn-hangzhou to cn-shanghai", "cn-beijing"}, events: unchanged, check: answer(replication.ResultRefused, replication.ReasonRTCNotOffered, false)},
		"to turn it off no region is asked": {given: with(adjusting, func(j *job, w *world) { j.Orders[0].RTC, w.Locations = false, nil }), step: "effect put-rtc"},
		"its rule is gone":                  {given: with(adjusting, bare), step: "next watching", events: unchanged, check: answer(replication.ResultRefused, replication.ReasonRuleVanished, false)},
		"its rule is closing":               {given: with(adjusting, closes), step: "next watching", events: unchanged, check: answer(replication.ResultRefused, replication.ReasonRuleVanished, false)},
		"OSS refuses for good": {given: adjusting, outcome: refused(putRTC, replication.TroubleFinal, "ReplicationLocationNotSupportRtc"), step: "next watching", reason: replication.ReasonRTCUnchanged,
			says: []string{"ReplicationLocationNotSupportRtc"}, events: unchanged, check: answer(replication.ResultUnknown, replication.ReasonRefused, false)},
		"we may not: somebody has to grant it, and the pair is watched": {given: adjusting, outcome: refused(putRTC, replication.TroubleDenied, "AccessDenied"), step: "next blocked", reason: replication.ReasonDenied,
			events: []string{"replidesk.request.blocked function.denied"}, check: func(t *testing.T, j *job, _ replication.Step) {
				require.True(t, j.Watched())
				require.Equal(t, replication.OwnerProvision, j.Owner())
			}},
		"accepted, but it cannot be read back: what was accepted counts": {given: tookRTC(time.Second), trouble: &replication.Trouble{Kind: replication.TroubleFinal, Op: "GetBucketReplication"},
			step: "next watching", events: unchanged, check: answer(replication.ResultUnknown, replication.ReasonRefused, true)},
	})
	t.Run("nobody grants the right for a week: the order is given up, the watch never", func(t *testing.T) {
		j := at(replication.PhaseAdjusting, request())
		adjusting(j, nil)
		v := replication.View{Now: noon}
		for range 300 {
			if j.Phase == replication.PhaseWatching {
				break
			}
			require.True(t, j.Watched())
			s := replication.AfterTrouble(j, replication.Trouble{Kind: replication.TroubleDenied, Op: "PutBucketRTC"}, v)
			if s.Next == replication.PhaseBlocked {
				v.Now = j.Block.Next
				replication.Decide(j, v)
			}
		}
		require.Equal(t, replication.PhaseWatching, j.Phase)
		require.Equal(t, replication.ResultUnknown, j.Orders[0].Result)
		require.Equal(t, replication.ReasonDenied, j.Orders[0].Reason)
	})
}

func TestReplicationTimeControlIsSetOnWatchedPairsOnly(t *testing.T) {
	on := replication.Order{Action: replication.ActionSetRTC, By: "CHG-9", At: noon, RTC: true}
	for name, c := range map[string]struct {
		phase  replication.Phase
		change func(*job)
		reason replication.Reason
		later  bool
	}{
		"watched":               {replication.PhaseWatching, nil, "", false},
		"on its way":            {replication.PhaseStarting, nil, replication.ReasonTargetEarly, true},
		"blocked":               {replication.PhaseBlocked, nil, replication.ReasonTargetEarly, true},
		"failed":                {replication.PhaseFailed, nil, replication.ReasonTargetEnded, false},
		"rejected":              {replication.PhaseRejected, nil, replication.ReasonTargetEnded, false},
		"stopped":               {replication.PhaseStopped, nil, replication.ReasonTargetEnded, false},
		"watched, about to end": {replication.PhaseWatching, func(j *job) { j.Made.Role = noon; j.Order(anOrder) }, replication.ReasonTargetEnded, false},
		"within a region":       {replication.PhaseWatching, func(j *job) { j.Request.Destination.Region = j.Request.Source.Region }, replication.ReasonRTCWithinRegion, false},
	} {
		t.Run(name, func(t *testing.T) {
			j := at(replication.PhaseVerifying, request())
			if j.Phase = c.phase; c.change != nil {
				c.change(j)
			}
			x := j.Objection(on)
			require.Equal(t, c.reason == "", j.Order(on))
			if c.reason == "" {
				require.Nil(t, x)
				require.False(t, j.AtRest())
				require.Equal(t, replication.OwnerProvision, j.Owner())
				require.Equal(t, replication.PhaseAdjusting, replication.Decide(j, replication.View{Now: noon}).Next)
				return
			}
			require.Equal(t, c.reason, x.Reason)
			require.Equal(t, c.later, x.Later)
		})
	}
	t.Run("a stop goes before it and ends it", func(t *testing.T) {
		j := at(replication.PhaseVerifying, request())
		j.Phase = replication.PhaseWatching
		require.True(t, j.Order(on))
		require.True(t, j.Order(anOrder))
		v := replication.View{Now: noon}
		require.Equal(t, replication.PhaseStopping, replication.Decide(j, v).Next)
		require.Equal(t, replication.PhaseStopping, replication.Decide(j, v).Next)
		require.Equal(t, replication.ResultRefused, j.Orders[0].Result)
		require.Equal(t, replication.ReasonTargetEnded, j.Orders[0].Reason)
	})
}

func TestATicketAboutAnotherOneWaitsForItsTarget(t *testing.T) {
	rtc := func(p replication.Phase) *job { return orderTicket(p, replication.ActionSetRTC, `,"rtc":true`) }
	look := func(j *job, s replication.TargetSeen, after time.Duration) (*job, string) {
		d := through(t, j, world{Target: &s}, noon.Add(after), replication.Decide)
		return d.job, stepOf(d.step, noon.Add(after))
	}
	later := &replication.Objection{Reason: replication.ReasonTargetEarly, Message: "not yet", Later: true}
	never := &replication.Objection{Reason: replication.ReasonTargetEnded, Message: "never"}
	for name, c := range map[string]struct {
		phase  replication.Phase
		target replication.TargetSeen
		after  time.Duration
		step   string
		reason replication.Reason
	}{
		"of which nothing is known":           {replication.PhaseOrdering, replication.TargetSeen{}, 0, "wait 15s", replication.ReasonTargetUnknown},
		"of which nothing comes":              {replication.PhaseOrdering, replication.TargetSeen{}, 10 * time.Minute, "next rejected", replication.ReasonTargetUnknown},
		"that is not ready":                   {replication.PhaseOrdering, replication.TargetSeen{Rev: 3, Objection: later}, time.Hour, "wait 15m0s", replication.ReasonTargetEarly},
		"that never will be":                  {replication.PhaseOrdering, replication.TargetSeen{Rev: 3, Objection: never}, 0, "next rejected", replication.ReasonTargetEnded},
		"that takes the order":                {replication.PhaseOrdering, replication.TargetSeen{Rev: 3}, 0, "effect order", ""},
		"that has not dealt with it":          {replication.PhaseAwaiting, replication.TargetSeen{Rev: 3, Order: &replication.Order{}}, 0, "wait 15s", replication.ReasonTargetAsked},
		"that has dealt with it":              {replication.PhaseAwaiting, replication.TargetSeen{Rev: 3, Order: &replication.Order{Served: noon, Result: replication.ResultDone}}, 0, "next completed", replication.ReasonCompleted},
		"that has refused it":                 {replication.PhaseAwaiting, replication.TargetSeen{Rev: 3, Order: &replication.Order{Served: noon, Result: replication.ResultRefused, Reason: replication.ReasonRTCNotOffered}}, 0, "next rejected", replication.ReasonRTCNotOffered},
		"that has given it up":                {replication.PhaseAwaiting, replication.TargetSeen{Rev: 3, Order: &replication.Order{Served: noon, Result: replication.ResultUnknown, Reason: replication.ReasonDenied}}, 0, "next failed", replication.ReasonDenied},
		"that does not remember it any more":  {replication.PhaseAwaiting, replication.TargetSeen{Rev: 300}, 0, "next completed", replication.ReasonCompleted},
		"whose answer said: later, and again": {replication.PhaseOrdering, replication.TargetSeen{Rev: 3}, 0, "effect order", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j, step := look(rtc(c.phase), c.target, c.after)
			require.Equal(t, c.step, step)
			if c.reason != "" {
				require.Equal(t, c.reason, j.Reason)
			}
		})
	}
	t.Run("that says no when the order is written", func(t *testing.T) {
		for objection, want := range map[*replication.Objection]string{never: "next rejected", later: "wait 15s", nil: "next awaiting"} {
			j := rtc(replication.PhaseOrdering)
			o := done(replication.EffectOrder)
			o.Target = &replication.TargetSeen{Rev: 4, Objection: objection}
			replication.Settle(j, *o, replication.View{Now: noon})
			_, step := look(j, *o.Target, 0)
			require.Equal(t, want, step)
		}
	})
	t.Run("and names what it wants", func(t *testing.T) {
		require.Equal(t, replication.Order{Action: replication.ActionSetRTC, By: "CHG-9", At: noon, RTC: true}, rtc(replication.PhaseOrdering).OrderOf(noon))
	})
}

func TestASetRTCTicketIsReadStrictly(t *testing.T) {
	for ticket, field := range map[string]string{
		`{"specVersion":"1","id":"CHG-9","action":"set-rtc","target":"CHG-1","rtc":false}`: "",
		`{"specVersion":"1","id":"CHG-9","action":"set-rtc","target":"CHG-1","rtc":true}`:  "",
		`{"specVersion":"1","id":"CHG-9","action":"set-rtc","target":"CHG-1"}`:             "rtc",
		`{"specVersion":"1","id":"CHG-9","action":"set-rtc","rtc":true}`:                   "target",
		`{"specVersion":"1","id":"CHG-9","action":"retry","target":"CHG-1","rtc":true}`:    "rtc",
		`{"specVersion":"1","id":"CHG-9","action":"retry","target":"CHG-1"}`:               "",
	} {
		r, p := replication.Parse([]byte(ticket))
		if len(p) == 0 {
			p = replication.Validate(r, replication.Desk{})
		}
		s := schemaOf(t)
		if field == "" {
			require.Empty(t, p, ticket)
			require.Empty(t, s.check(s, decoded(t, ticket)), ticket)
			continue
		}
		require.Len(t, p, 1, ticket)
		require.Equal(t, field, p[0].Field)
		require.NotEmpty(t, s.check(s, decoded(t, ticket)), ticket)
	}
}
