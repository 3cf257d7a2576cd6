package replication_test

import (
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// guards are the desk of a walk, and what its caps count.
type guards struct {
	caps     replication.Caps
	slot     bool      // the job has one
	full     time.Time // until then others have all of the slots
	observes [2]time.Time
	unlisted [2]time.Time // when the pair is not on the allow-list
}

// newGuards draws a desk. Most have none of it; what they have ends before the world
// is calm.
func newGuards(c *cloud) (g guards) {
	span := func(p float64) (s [2]time.Time) {
		if c.odds(p) {
			whole := c.calm.Sub(c.now)
			s[0] = c.now.Add(time.Duration(c.rng.Int64N(int64(whole)/4 + 1)))
			s[1] = s[0].Add(time.Duration(c.rng.Int64N(int64(c.calm.Sub(s[0])) + 1)))
		}
		return s
	}
	g.observes, g.unlisted = span(0.15), span(0.1)
	if c.odds(0.25) {
		g.caps = replication.Caps{RulesPerHour: c.rng.IntN(2), RulesPerAccount: 1}
		g.full = c.now.Add(time.Duration(c.rng.Int64N(int64(c.calm.Sub(c.now)) + 1)))
	}
	return g
}

func within(t time.Time, s [2]time.Time) bool { return !t.Before(s[0]) && t.Before(s[1]) }

// desk returns the desk as it is deployed now.
func (c *cloud) desk() replication.Desk {
	d := replication.Desk{Account: desk.Account, Accounts: desk.Accounts, Caps: c.guards.caps, ObserveOnly: within(c.now, c.guards.observes), Pairs: anyPairs}
	if within(c.now, c.guards.unlisted) {
		d.Pairs = []replication.PairPattern{}
	}
	return d
}

// take answers as the log of the slots does.
func (g *guards) take(s replication.Slot) *replication.SlotSeen {
	switch {
	case g.slot:
	case s.At.Before(g.full) && s.Caps.RulesPerHour > 0 && g.full.Sub(s.At) < time.Hour:
		return &replication.SlotSeen{Used: 1, Free: g.full}
	case s.At.Before(g.full):
		return &replication.SlotSeen{PerAccount: true, Used: 1}
	}
	g.slot = true
	return &replication.SlotSeen{Taken: true}
}

// checkGuards holds an effect against the desk. The desk is that of the decision,
// which is no older than the invocation.
func (w *walk) checkGuards(j *job, e replication.Effect) {
	w.must(!within(w.c.now, w.c.guards.observes), "%s by a desk that only observes", e.Kind)
	if e.Kind == replication.EffectPutRule && w.c.guards.caps != (replication.Caps{}) {
		w.must(w.c.guards.slot, "a rule is put without a slot")
	}
	if within(w.c.now, w.c.guards.unlisted) {
		w.must(e.Kind.TakesAway() || e.Kind == replication.EffectReleasePair, "%s for a pair that is not on the list", e.Kind)
	}
	w.must(j.Held == nil || e.Kind == replication.EffectTakeSlot, "a held effect is carried out")
}

// checkSlot sees that a slot is kept for a pair that is kept, and for no other.
func (w *walk) checkSlot(owned bool) {
	w.must(owned || !w.c.guards.slot, "a slot is kept for nothing")
}
