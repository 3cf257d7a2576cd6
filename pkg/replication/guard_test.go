package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// underDesk takes one decision of a desk, looks included.
func underDesk(t *testing.T, j *job, w world, d replication.Desk, now time.Time) (*job, replication.Step) {
	t.Helper()
	v := replication.View{Now: now, Desk: d}
	for range 8 {
		c := j.Clone()
		s := replication.Decide(c, v)
		requireOne(t, s)
		if s.Look == 0 {
			return c, s
		}
		reveal(&v.Seen, w, v.Seen.Missing(s.Look))
	}
	t.Fatal("the decision looks and looks")
	return nil, replication.Step{}
}

// effectOf returns a job and a world in which a phase decides an effect.
func effectOf(p replication.Phase) (*job, world) {
	r := request()
	w := healthy(r)
	j := at(p, r)
	switch p {
	case replication.PhasePreflight, replication.PhaseRule:
		w.Rules = &replication.RulesSeen{}
		j.Made.NoRule = noon
	case replication.PhaseUndoing, replication.PhaseReleasing:
		j = at(replication.PhaseStarting, r)
		j.Phase, j.Ending = p, &replication.Ending{Phase: replication.PhaseFailed, Reason: replication.ReasonRuleDiffers}
		if p == replication.PhaseReleasing {
			j.Rule, j.Made.Rule = nil, time.Time{}
		}
	case replication.PhaseStopping:
		j = at(replication.PhaseVerifying, r)
		j.Phase, j.Stop = p, &replication.Order{By: "CHG-9", At: noon}
	case replication.PhaseOrdering:
		j = replication.NewJob(replication.Request{SpecVersion: "1", ID: "CHG-9", Action: replication.ActionStop, Target: "CHG-1"}, noon)
		j.Phase, j.Since, j.Outbox = p, noon, nil
	}
	return j, w
}

// effects are the phases with the effect that each decides first.
var effects = map[replication.Phase]replication.EffectKind{
	replication.PhasePreflight: replication.EffectClaimPair, replication.PhaseRole: replication.EffectCreateRole, replication.PhasePolicy: replication.EffectCreatePol,
	replication.PhaseAttachment: replication.EffectAttach, replication.PhaseRule: replication.EffectPutRule, replication.PhaseVerifying: replication.EffectPutCanary,
	replication.PhaseUndoing: replication.EffectCloseRule, replication.PhaseReleasing: replication.EffectReleasePair,
	replication.PhaseStopping: replication.EffectCloseRule, replication.PhaseOrdering: replication.EffectOrder,
}

func TestADeskThatOnlyObservesHoldsEveryEffect(t *testing.T) {
	for phase, kind := range effects {
		t.Run(string(phase), func(t *testing.T) {
			j, w := effectOf(phase)
			_, s := underDesk(t, j, w, replication.Desk{Pairs: anyPairs}, noon)
			require.NotNil(t, s.Effect)
			require.Equal(t, kind, s.Effect.Kind, "otherwise it is carried out")

			held := replication.Desk{Pairs: anyPairs, ObserveOnly: true}
			h, now := j, noon
			for range 30 {
				var s replication.Step
				h, s = underDesk(t, h, w, held, now)
				require.Nil(t, s.Effect)
				require.Equal(t, replication.ReasonObserveOnly, h.Reason)
				require.LessOrEqual(t, s.Wait.Sub(now), 15*time.Minute)
				require.GreaterOrEqual(t, s.Wait.Sub(now), 5*time.Minute)
				now = s.Wait
			}
			require.Greater(t, now.Sub(noon), 3*time.Hour, "longer than any deadline of the phase")
			require.Len(t, h.Outbox, 1, "it is said once")
			require.Equal(t, replication.EventBlocked, h.Outbox[0].Type)
			require.NotEmpty(t, h.Outbox[0].Remedy)
			require.Equal(t, phase, h.Phase)
			require.Equal(t, j.Made, h.Made, "nothing is recorded as begun")
			require.Equal(t, j.Rule, h.Rule)
			e := replication.Explain(h, now)
			require.Equal(t, "whoever operates this desk", e.Who)
			require.Contains(t, e.Waiting.For, "held since 2000-01-01T12:00:00Z")
			require.Zero(t, e.Waiting.GivenUp)

			if phase == replication.PhaseRule || phase == replication.PhasePreflight {
				h.Made.NoRule = now
			}
			after, s := underDesk(t, h, w, replication.Desk{Pairs: anyPairs}, now)
			require.NotNil(t, s.Effect, "it goes on, and has lost no time")
			require.Equal(t, kind, s.Effect.Kind)
			require.Nil(t, after.Held)
		})
	}
}

func TestAPairThatIsTakenOffTheListIsNotWorkedOn(t *testing.T) {
	unlisted := replication.Desk{Pairs: []replication.PairPattern{}}
	for phase, kind := range effects {
		t.Run(string(phase), func(t *testing.T) {
			j, w := effectOf(phase)
			b, s := underDesk(t, j, w, unlisted, noon)
			switch kind {
			case replication.EffectCloseRule, replication.EffectReleasePair, replication.EffectOrder:
				require.NotNil(t, s.Effect, "what was made is taken back")
				require.Equal(t, kind, s.Effect.Kind)
				return
			}
			require.Equal(t, replication.PhaseBlocked, s.Next)
			require.Equal(t, replication.ReasonPairNotAllowed, b.Reason)
			require.Equal(t, phase, b.Block.Resume)
			require.Equal(t, j.Made, b.Made)

			_, s = underDesk(t, j, w, replication.Desk{}, noon)
			require.NotNil(t, s.Effect, "a desk that lost its whole list finishes what it had begun")
		})
	}
	j, w := effectOf(replication.PhaseRole)
	away := replication.Desk{Pairs: anyPairs, Residency: []replication.Residency{{Account: "*", Bucket: "*", Regions: []string{"us-*"}}}}
	b, _ := underDesk(t, j, w, away, noon)
	require.Equal(t, replication.ReasonResidency, b.Reason)
}

// answered takes the answer to take-slot into a job.
func answered(j *job, d replication.Desk, s replication.SlotSeen, now time.Time) *job {
	c := j.Clone()
	replication.Settle(c, replication.Outcome{Effect: replication.EffectTakeSlot, Result: replication.ResultDone, Slot: &s, At: now}, replication.View{Now: now, Desk: d})
	return c
}

func TestARuleNeedsASlotUnderCaps(t *testing.T) {
	d := replication.Desk{Pairs: anyPairs, Caps: replication.Caps{RulesPerHour: 2, RulesPerAccount: 5}}
	j, w := effectOf(replication.PhaseRule)
	asks, s := underDesk(t, j, w, d, noon)
	require.Equal(t, &replication.Effect{Kind: replication.EffectTakeSlot, Slot: &replication.Slot{Account: account, At: noon, Caps: d.Caps}}, s.Effect)
	require.True(t, asks.Made.SlotAsked, "a slot may be there from here on")
	require.Nil(t, asks.Rule, "no rule does")

	t.Run("and is put when it has one", func(t *testing.T) {
		has := answered(asks, d, replication.SlotSeen{Taken: true}, noon)
		require.Equal(t, noon, has.Made.Slot)
		require.False(t, has.Made.SlotAsked)
		_, s := underDesk(t, has, w, d, noon)
		require.Equal(t, replication.EffectPutRule, s.Effect.Kind)
		require.Contains(t, things(has), "slot of a new rule in account "+account)
	})
	t.Run("and waits for the hour without a word", func(t *testing.T) {
		free := noon.Add(20 * time.Minute)
		full := answered(asks, d, replication.SlotSeen{Used: 2, Free: free}, noon)
		require.False(t, full.Made.SlotAsked)
		h, s := underDesk(t, full, w, d, noon.Add(time.Second))
		require.Equal(t, free, s.Wait)
		require.Equal(t, replication.ReasonCapHour, h.Reason)
		require.Equal(t, "nobody", replication.Explain(h, noon).Who)
		require.Empty(t, h.Outbox)
		h, s = underDesk(t, h, w, d, free)
		require.Equal(t, replication.EffectTakeSlot, s.Effect.Kind)
		require.Equal(t, free, s.Effect.Slot.At)
		h = answered(h, d, replication.SlotSeen{Taken: true}, free)
		h, s = underDesk(t, h, w, d, free)
		require.Equal(t, replication.EffectPutRule, s.Effect.Kind)
		require.Nil(t, h.Held)
	})
	t.Run("and waits for the account, which somebody is told once", func(t *testing.T) {
		h, now := asks, noon
		for range 30 {
			h = answered(h, d, replication.SlotSeen{PerAccount: true, Used: 5}, now)
			var s replication.Step
			h, s = underDesk(t, h, w, d, now)
			require.Equal(t, replication.ReasonCapAccount, h.Reason)
			require.LessOrEqual(t, s.Wait.Sub(now), time.Hour)
			now = s.Wait
			h, s = underDesk(t, h, w, d, now)
			require.NotNil(t, s.Effect)
			require.Equal(t, replication.EffectTakeSlot, s.Effect.Kind)
		}
		require.Len(t, h.Outbox, 1)
		require.Equal(t, replication.ReasonCapAccount, h.Outbox[0].Reason)
		require.Greater(t, now.Sub(noon), 8*time.Hour)
	})
	t.Run("but needs none when the caps are gone", func(t *testing.T) {
		full := answered(asks, d, replication.SlotSeen{PerAccount: true, Used: 5}, noon)
		_, s := underDesk(t, full, w, replication.Desk{Pairs: anyPairs}, noon)
		require.Equal(t, replication.EffectPutRule, s.Effect.Kind)
	})
	t.Run("and asks again when the answer was lost", func(t *testing.T) {
		lost := asks.Clone()
		replication.Settle(lost, replication.Outcome{Effect: replication.EffectTakeSlot, Result: replication.ResultUnknown, At: noon}, replication.View{Now: noon, Desk: d})
		require.True(t, lost.Made.SlotAsked)
		_, s := underDesk(t, lost, w, d, noon)
		require.Equal(t, replication.EffectTakeSlot, s.Effect.Kind)
	})
}

func TestCapsKeepNothingFromBeingTakenBack(t *testing.T) {
	d := replication.Desk{Pairs: anyPairs, Caps: replication.Caps{RulesPerHour: 1}}
	for phase, kind := range effects {
		if kind == replication.EffectPutRule {
			continue
		}
		j, w := effectOf(phase)
		_, s := underDesk(t, j, w, d, noon)
		require.NotNil(t, s.Effect, "%s", phase)
		require.Equal(t, kind, s.Effect.Kind)
		require.False(t, s.Effect.GiveBackSlot, "there is none")
	}
}

func TestASlotIsGivenBackWithThePair(t *testing.T) {
	for name, given := range map[string]func(*job){
		"one that it has":      func(j *job) { j.Made.Slot = noon },
		"one that it may have": func(j *job) { j.Made.SlotAsked = true },
	} {
		t.Run(name, func(t *testing.T) {
			j, w := effectOf(replication.PhaseReleasing)
			given(j)
			j, s := underDesk(t, j, w, replication.Desk{}, noon)
			require.Equal(t, replication.Effect{Kind: replication.EffectReleasePair, GiveBackSlot: true}, *s.Effect, "whether or not there are still caps")
			replication.Settle(j, *done(replication.EffectReleasePair), replication.View{Now: noon})
			require.Zero(t, j.Made.Slot)
			require.False(t, j.Made.SlotAsked)
		})
	}
}

func TestAPlanSaysWhatOfTheDeskCanKeepATicketWaiting(t *testing.T) {
	d := planDesk
	d.ObserveOnly, d.Caps = true, replication.Caps{RulesPerHour: 3, RulesPerAccount: 7}
	r := request()
	w := healthy(r)
	w.Rules = &replication.RulesSeen{}
	p := replication.Plan(r, d, replication.Survey{Seen: w}, noon)
	require.True(t, p.Accepted)
	codes := map[string]string{}
	for _, n := range p.Risks {
		codes[n.Code] = n.Message
	}
	require.Contains(t, codes, "observe-only")
	require.Contains(t, codes["cap-hour"], "3 rules an hour")
	require.Contains(t, codes["cap-account"], "7 rules in an account")
}

// things returns what an explanation says that a job has made.
func things(j *job) (list []string) {
	for _, m := range replication.Explain(j, noon).Made {
		list = append(list, m.What+" "+m.Name)
	}
	return list
}
