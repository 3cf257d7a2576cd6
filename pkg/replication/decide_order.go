package replication

import (
	"fmt"
	"time"
)

// A TargetSeen is the job that a stop is about.
type TargetSeen struct {
	Rev     uint64 `json:"rev,omitempty"` // of the entry that says so
	Action  Action `json:"action,omitempty"`
	Phase   Phase  `json:"phase,omitempty"`
	AtRest  bool   `json:"atRest,omitempty"`
	Ordered bool   `json:"ordered,omitempty"` // an order to stop is open
	Holds   bool   `json:"holds,omitempty"`   // something that it made may stand
	Message string `json:"message,omitempty"`
}

// TargetOf returns what a stop sees of its target.
func TargetOf(j *Job) TargetSeen {
	return TargetSeen{Action: j.Request.Action, Phase: j.Phase, AtRest: j.AtRest(), Ordered: j.Ordered(), Holds: j.holds(), Message: j.Message}
}

// is says where the target is.
func (t TargetSeen) is(id string) string {
	return fmt.Sprintf("ticket %s is %s: %s", id, t.Phase, t.Message)
}

// decideOrdering writes the order into the log of the target. To write it again
// does nothing, so an answer that was lost needs no look.
func decideOrdering(j *Job, v View) Step {
	if o := j.Last; o != nil && o.Effect == EffectOrderStop && o.Result == ResultDone && o.Target != nil {
		if o.Target.Action != ActionReplicate {
			return reject(j, ReasonTargetUnfit, fmt.Sprintf("ticket %s has the action %s", j.Request.Target, o.Target.Action), v)
		}
		s := next(j, PhaseAwaiting, v)
		j.Reason = ReasonTargetWaiting
		return s
	}
	return Step{Effect: &Effect{Kind: EffectOrderStop, Order: &StopOrder{By: j.ID, At: v.Now}}}
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
