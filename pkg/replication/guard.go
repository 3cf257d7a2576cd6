package replication

import (
	"fmt"
	"time"
)

// The guard stands between what a phase decides and what is carried out. It knows
// nothing of phases: it holds effects.

// Caps limit how many rules a desk makes. 0 is no limit.
type Caps struct {
	RulesPerHour    int `json:"rulesPerHour,omitempty"`    // in any hour, in all accounts together
	RulesPerAccount int `json:"rulesPerAccount,omitempty"` // standing at a time, of those that were made under a cap
}

func (c Caps) any() bool { return c.RulesPerHour > 0 || c.RulesPerAccount > 0 }

// A Slot is what a job asks for before it puts its rule, when there are caps. A job
// has one at most, so to ask again is to ask once.
type Slot struct {
	Account string    `json:"account"` // of the source
	At      time.Time `json:"at"`
	Caps    Caps      `json:"caps"`
	// Instead is the job whose slot this one takes the place of, so that it does not
	// count; "" for none.
	Instead string `json:"instead,omitempty"`
}

// A SlotSeen is the answer. Without a slot it says which cap allows none.
type SlotSeen struct {
	Taken      bool      `json:"taken"`
	PerAccount bool      `json:"perAccount,omitempty"` // it is the cap of the account that is reached, else that of the hour
	Used       int       `json:"used,omitempty"`       // how many count under it
	Free       time.Time `json:"free,omitzero"`        // under the cap of the hour: when the next may be taken
}

// Held says that the desk itself keeps a job from its next effect. It is no error
// and has no end: the deadlines of the phase do not run meanwhile.
type Held struct {
	Reason Reason    `json:"reason"`
	Since  time.Time `json:"since"`
}

// heldEvery is how often the desk looks whether an effect is still held, at first and
// later on: a deployment wakes nobody. To ask for a slot again costs entries, and
// nobody waits beside it.
const (
	heldEvery       = 5 * time.Minute
	observesSlowest = 15 * time.Minute
	accountSlowest  = time.Hour
)

// Decide looks at the job as saved and at what was seen and says what to do. An
// effect that the desk holds has not been decided: the job is as it was before, and
// waits.
func Decide(j *Job, v View) Step {
	if !v.Desk.mayHold(j) {
		s := decide(j, v)
		if s.Effect != nil {
			j.Held = nil
		}
		return s
	}
	c := j.Clone()
	s := decide(c, v)
	if s.Effect == nil {
		*j = *c
		return s
	}
	if g, held := guard(j, *s.Effect, v); held {
		return g
	}
	c.Held = nil
	*j = *c
	return s
}

// mayHold reports whether any effect of a job could be held now.
func (d Desk) mayHold(j *Job) bool {
	return d.ObserveOnly || d.Caps.any() && j.Made.Slot.IsZero() || d.forbids(j.Request) != nil
}

// forbids returns why a pair that was taken in is not permitted any more. A desk that
// has no allow-list at all takes nothing in, and finishes what it had begun.
func (d Desk) forbids(r Request) Problems {
	if d.Pairs == nil || !r.Action.HasPair() {
		return nil
	}
	var p Problems
	validatePermit(&p, r, d)
	return p
}

// guard says what is done instead of an effect that is held.
func guard(j *Job, e Effect, v View) (Step, bool) {
	d := v.Desk
	if d.ObserveOnly {
		return holdOff(j, ReasonObserveOnly, fmt.Sprintf("this desk only observes; it would now %s", e.Kind.verb()), time.Time{}, v), true
	}
	gives := e.Kind.TakesAway() || e.Kind == EffectReleasePair || j.Ordered() || j.Ending != nil // it is being taken back
	if p := d.forbids(j.Request); len(p) > 0 && !gives {
		return block(j, p[0].Code, p[0].Message, v), true
	}
	// A replacement has its slot before it takes down a rule that stands.
	needs := e.Kind == EffectPutRule || e.Kind == EffectOrder && j.Request.replaces()
	if needs && d.Caps.any() && j.Made.Slot.IsZero() {
		return takeSlot(j, v), true
	}
	return Step{}, false
}

// takeSlot asks for the slot of a rule, and waits while there is none.
func takeSlot(j *Job, v View) Step {
	caps := v.Desk.Caps
	if o := j.Last; o != nil && o.Effect == EffectTakeSlot && o.Slot != nil && !o.Slot.Taken {
		s := o.Slot
		reason, until := ReasonCapHour, s.Free
		message := fmt.Sprintf("this desk makes at most %d rules an hour, and has made %d", caps.RulesPerHour, s.Used)
		if s.PerAccount {
			reason, until = ReasonCapAccount, j.heldUntil(o.At, accountSlowest, v)
			message = fmt.Sprintf("this desk has at most %d rules in account %s, and has %d", caps.RulesPerAccount, j.Request.Source.Account, s.Used)
		}
		if v.Now.Before(until) && until.Sub(o.At) <= time.Hour {
			return holdOff(j, reason, message, until, v)
		}
	}
	j.Made.SlotAsked = true
	s := &Slot{Account: j.Request.Source.Account, At: v.Now, Caps: caps}
	if j.Request.replaces() {
		s.Instead = j.Request.Target
	}
	return Step{Effect: &Effect{Kind: EffectTakeSlot, Slot: s}}
}

// heldUntil returns when to look again at what was looked at then.
func (j *Job) heldUntil(at time.Time, slowest time.Duration, v View) time.Time {
	waited := time.Duration(0)
	if j.Held != nil {
		waited = at.Sub(j.Held.Since)
	}
	return at.Add(v.paced(min(max(waited/8, heldEvery), slowest)))
}

// holdOff waits because the desk itself wants it so; until zero is for as long as the
// usual pause. The result is sent once, and not where only time has to pass.
func holdOff(j *Job, r Reason, message string, until time.Time, v View) Step {
	told := j.Held != nil && j.Held.Reason == r
	if !told {
		j.Held = &Held{Reason: r, Since: v.Now}
	}
	if until.IsZero() {
		until = j.heldUntil(v.Now, observesSlowest, v)
	}
	j.Since, j.Block = v.Now, nil
	s := hold(j, r, message, v.by(until))
	if !told && r != ReasonCapHour {
		j.emit(EventBlocked, r, message, v.Now)
	}
	return s
}

// heldNow reports whether what the job waits for is the desk itself.
func (j *Job) heldNow() bool { return j.Held != nil && j.Held.Reason == j.Reason }

// settleSlot takes the answer into the job.
func settleSlot(j *Job, o Outcome) {
	if o.Result != ResultDone || o.Slot == nil {
		return
	}
	j.Made.SlotAsked = false
	if o.Slot.Taken {
		j.Made.Slot = o.At
	}
}

// claims reports whether the job has the pair or a slot, or may have.
func (m Made) claims() bool {
	return !m.Pair.IsZero() || m.PairAsked || !m.Slot.IsZero() || m.SlotAsked
}

// releasePair gives the pair back, and the slot of the rule that stood for it.
func releasePair(j *Job) *Effect {
	return &Effect{Kind: EffectReleasePair, GiveBackSlot: !j.Made.Slot.IsZero() || j.Made.SlotAsked}
}

// released records that the pair was given back.
func (j *Job) released() {
	j.Made.Pair, j.Made.PairAsked = time.Time{}, false
	j.Made.Slot, j.Made.SlotAsked = time.Time{}, false
}

// verb words an effect, such as "put the rule".
func (k EffectKind) verb() string {
	if t, ok := effectTexts[k]; ok {
		return t
	}
	return "carry out " + string(k)
}

// guardrails says what of the desk itself can keep an accepted ticket waiting.
func (p *PlanResult) guardrails(d Desk) {
	add := func(is bool, code, format string, args ...any) {
		if is {
			p.Risks = append(p.Risks, PlanNote{code, fmt.Sprintf(format, args...)})
		}
	}
	add(d.ObserveOnly, "observe-only", "this desk only observes: nothing of this is carried out before the switch is turned off")
	add(d.Caps.RulesPerHour > 0, "cap-hour", "this desk makes at most %d rules an hour: the ticket waits when they are used up", d.Caps.RulesPerHour)
	add(d.Caps.RulesPerAccount > 0, "cap-account", "this desk has at most %d rules in an account: the ticket waits until another one is stopped when they are used up", d.Caps.RulesPerAccount)
}
