package replication

import (
	"fmt"
	"time"
)

// A TargetSeen is the job that another ticket is about. The zero value is that of a
// ticket of which nothing is known.
type TargetSeen struct {
	Rev     uint64 `json:"rev,omitempty"` // of the entry that says so; 0: there is none
	Phase   Phase  `json:"phase,omitempty"`
	AtRest  bool   `json:"atRest,omitempty"`
	Ordered bool   `json:"ordered,omitempty"` // an order to take it down is open
	Holds   bool   `json:"holds,omitempty"`   // something that it made may stand
	Message string `json:"message,omitempty"`
	// Objection says why it does not take the order; nil: it does, or needs not.
	Objection *Objection `json:"objection,omitempty"`
	Rule      string     `json:"rule,omitempty"`  // the id of its rule that stands; "" when none does or it is not known
	Proven    time.Time  `json:"proven,omitzero"` // when its rule was proven
	// Order is that of this ticket, unless it is to take the target down; nil: it has
	// not got it.
	Order *Order `json:"order,omitempty"`
}

// TargetOf returns what a ticket sees of the job that it is about, and orders.
func TargetOf(j *Job, o Order) TargetSeen {
	t := TargetSeen{Phase: j.Phase, AtRest: j.AtRest(), Ordered: j.Ordered(), Holds: j.holds(), Message: j.Message,
		Objection: j.Objection(o), Order: j.orderBy(o.By)}
	if j.RuleStands() {
		t.Rule = j.Rule.ID
	}
	if j.Evidence != nil {
		t.Proven = j.Evidence.At
	}
	return t
}

// is says where the target is.
func (t TargetSeen) is(id string) string {
	return fmt.Sprintf("ticket %s is %s: %s", id, t.Phase, t.Message)
}

const (
	// awaitEvery is the first pause before the target is looked at again.
	awaitEvery = 15 * time.Second
	// TargetLost is how long a ticket waits for a target of which nothing is known:
	// messages overtake each other, but not for long. [fact 28]
	TargetLost = 10 * time.Minute
)

// decideOrdering writes the order into the log of the target. To write it again
// does nothing, so an answer that was lost needs no look.
//
// An order to take the target down is written at once, also before the target's
// ticket has come. Any other waits for its target.
func decideOrdering(j *Job, v View) Step {
	o := j.OrderOf(v.Now)
	answer := (*TargetSeen)(nil)
	if l := j.Last; l != nil && l.Effect == EffectOrder && l.Result == ResultDone {
		answer = l.Target
	}
	if answer != nil && answer.Objection == nil && answer.Rev > 0 {
		s := next(j, PhaseAwaiting, v)
		j.Reason = waitingFor(o)
		return s
	}
	if answer == nil && !o.WaitsForTarget() {
		return Step{Effect: &Effect{Kind: EffectOrder, Order: &o}}
	}
	t := answer
	if t == nil || t.Objection == nil || t.Objection.Later { // it was not asked yet, or may have changed its mind
		if !v.Seen.Has(LookTarget) {
			return Step{Look: LookTarget}
		}
		t = v.Seen.Target
	}
	return orderTo(j, *t, o, v)
}

// orderTo decides by what was seen of the target.
func orderTo(j *Job, t TargetSeen, o Order, v View) Step {
	id, lost := j.Request.Target, j.Received.Add(TargetLost)
	switch x := t.Objection; {
	case t.Rev == 0 && !v.Now.Before(lost):
		return reject(j, ReasonTargetUnknown, fmt.Sprintf("nothing is known of ticket %s", id), v)
	case t.Rev == 0:
		return wait(j, ReasonTargetUnknown, fmt.Sprintf("nothing is known of ticket %s yet", id), v.growing(j.Since, awaitEvery, time.Minute, lost))
	case x == nil && j.Request.replaces():
		return orderReplacement(j, t, o, v)
	case x == nil:
		return Step{Effect: &Effect{Kind: EffectOrder, Order: &o}}
	case x.Later:
		return wait(j, x.Reason, x.Message, v.growing(j.Since, awaitEvery, time.Hour))
	default:
		return reject(j, x.Reason, x.Message, v)
	}
}

// waitingFor is the reason while a target has an order.
func waitingFor(o Order) Reason {
	if o.takesDown() {
		return ReasonTargetWaiting
	}
	return ReasonTargetAsked
}

func settleOrdering(*Job, Outcome, View) {}

// decideAwaiting waits until the target is taken down, or has dealt with the order,
// for as long as that takes: the target has deadlines of its own.
func decideAwaiting(j *Job, v View) Step {
	if !v.Seen.Has(LookTarget) {
		return Step{Look: LookTarget}
	}
	t, id, o := *v.Seen.Target, j.Request.Target, j.OrderOf(v.Now)
	until := v.growing(j.Since, awaitEvery, time.Hour)
	if !o.takesDown() {
		return awaitAnswer(j, t, until, v)
	}
	switch {
	case t.Ordered, !t.AtRest:
		return wait(j, waitingFor(o), t.is(id), until)
	case t.Holds:
		return fail(j, ReasonTargetFailed, t.is(id), v)
	case j.Request.replaces():
		return afterTarget(j, v)
	}
	return finish(j, PhaseCompleted, ReasonCompleted, t.is(id), v)
}

// awaitAnswer waits until the target has dealt with an order. One that the target
// does not remember any more was dealt with.
func awaitAnswer(j *Job, t TargetSeen, until time.Time, v View) Step {
	id := j.Request.Target
	switch o := t.Order; {
	case o != nil && o.Served.IsZero():
		return wait(j, ReasonTargetAsked, t.is(id), until)
	case o != nil && o.Result == ResultRefused:
		return reject(j, o.Reason, fmt.Sprintf("ticket %s: %s", id, o.Message), v)
	case o != nil && o.Result != ResultDone:
		return fail(j, o.Reason, fmt.Sprintf("ticket %s: %s", id, o.Message), v)
	case o != nil:
		return finish(j, PhaseCompleted, ReasonCompleted, fmt.Sprintf("ticket %s: %s", id, o.Message), v)
	}
	return finish(j, PhaseCompleted, ReasonCompleted, t.is(id), v)
}
