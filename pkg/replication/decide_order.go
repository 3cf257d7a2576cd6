package replication

import (
	"fmt"
	"time"
)

// A TargetSeen is the job that another ticket is about.
type TargetSeen struct {
	Rev     uint64 `json:"rev,omitempty"` // of the entry that says so
	Phase   Phase  `json:"phase,omitempty"`
	AtRest  bool   `json:"atRest,omitempty"`
	Ordered bool   `json:"ordered,omitempty"` // an order to take it down is open
	Holds   bool   `json:"holds,omitempty"`   // something that it made may stand
	Message string `json:"message,omitempty"`
	// Objection says why it does not take the order; nil: it does, or needs not.
	Objection *Objection `json:"objection,omitempty"`
}

// TargetOf returns what a ticket sees of the job that it is about, and orders.
func TargetOf(j *Job, o Order) TargetSeen {
	return TargetSeen{Phase: j.Phase, AtRest: j.AtRest(), Ordered: j.Ordered(), Holds: j.holds(), Message: j.Message, Objection: j.Objection(o)}
}

// is says where the target is.
func (t TargetSeen) is(id string) string {
	return fmt.Sprintf("ticket %s is %s: %s", id, t.Phase, t.Message)
}

// decideOrdering writes the order into the log of the target. To write it again
// does nothing, so an answer that was lost needs no look.
func decideOrdering(j *Job, v View) Step {
	if o := j.Last; o != nil && o.Effect == EffectOrder && o.Result == ResultDone && o.Target != nil {
		if x := o.Target.Objection; x != nil {
			return reject(j, x.Reason, x.Message, v)
		}
		s := next(j, PhaseAwaiting, v)
		j.Reason = ReasonTargetWaiting
		return s
	}
	order := j.OrderOf(v.Now)
	return Step{Effect: &Effect{Kind: EffectOrder, Order: &order}}
}

func settleOrdering(*Job, Outcome, View) {}

// awaitEvery is the first pause before the target is looked at again.
const awaitEvery = 15 * time.Second

// decideAwaiting waits for the end of the target, for as long as that takes: the
// target has deadlines of its own.
func decideAwaiting(j *Job, v View) Step {
	if !v.Seen.Has(LookTarget) {
		return Step{Look: LookTarget}
	}
	t, id := *v.Seen.Target, j.Request.Target
	switch {
	case t.Ordered, !t.AtRest:
		return wait(j, ReasonTargetWaiting, t.is(id), v.growing(j.Since, awaitEvery, time.Hour))
	case t.Holds:
		return fail(j, ReasonTargetFailed, t.is(id), v)
	}
	return finish(j, PhaseCompleted, ReasonCompleted, t.is(id), v)
}
