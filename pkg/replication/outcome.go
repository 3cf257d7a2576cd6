package replication

import (
	"fmt"
	"time"
)

// Ways out of a phase that all decisions share.

// next goes on to a phase and forgets what troubled the last one.
func next(j *Job, p Phase, v View) Step {
	j.Unsure, j.Failures, j.Block = false, 0, nil
	j.enter(p, v.Now)
	j.Reason, j.Message = ReasonWorking, Row(p).Meaning
	return Step{Next: p}
}

// wait says why and until when.
func wait(j *Job, r Reason, message string, until time.Time) Step {
	j.Reason, j.Message = r, message
	return Step{Wait: until}
}

// reject ends a job that has made nothing.
func reject(j *Job, r Reason, message string, v View) Step {
	return end(j, PhaseRejected, r, message, v)
}

// fail ends a job. What stands is named; the pair is given back when no rule does.
func fail(j *Job, r Reason, message string, v View) Step {
	return end(j, PhaseFailed, r, message, v)
}

func end(j *Job, p Phase, r Reason, message string, v View) Step {
	if j.TakenOver && j.Rule != nil && !j.RuleStands() && j.Failures <= MaxFailures {
		// A worker that was given up may have put the rule after all.
		if !v.Seen.Has(LookRules) {
			return Step{Look: LookRules}
		}
		if g, ok := v.Seen.Rules.Find("", j.Request.Destination.Bucket); ok && g.Status != RuleClosing && g.SyncRole == RoleName(j.ID) && !j.Made.Pair.IsZero() {
			j.Rule.ID, j.Made.Rule = g.ID, v.Now
			j.Ending = &Ending{Phase: p, Reason: r, Message: message}
			return next(j, PhaseUndoing, v)
		}
	}
	if !j.Made.Pair.IsZero() && !j.RuleStands() {
		j.Ending = &Ending{Phase: p, Reason: r, Message: message}
		return next(j, PhaseReleasing, v)
	}
	return finish(j, p, r, message, v)
}

// finish enters an end and reports it.
func finish(j *Job, p Phase, r Reason, message string, v View) Step {
	j.Unsure, j.Failures, j.Block, j.Ending, j.CheckBy = false, 0, nil, nil, time.Time{}
	j.enter(p, v.Now)
	if left := j.leftovers(); p == PhaseFailed && left != "" {
		message += "; left in place: " + left
	}
	j.Reason, j.Message = r, message
	t := EventFailed
	if p == PhaseRejected {
		t = EventRejected
	}
	j.emit(t, r, message, v.Now)
	return Step{Next: p}
}

// leftovers names what the job made and did not take away.
func (j *Job) leftovers() string {
	var s string
	add := func(format string, args ...any) {
		if s != "" {
			s += ", "
		}
		s += fmt.Sprintf(format, args...)
	}
	if j.RuleStands() {
		add("rule %s", j.Rule.ID)
	}
	if !j.Made.Role.IsZero() {
		add("role %s", RoleName(j.ID))
	}
	if !j.Made.Policy.IsZero() {
		add("policy %s", PolicyName(j.ID))
	}
	if n := j.Verification; n != nil && n.First != nil && j.Evidence == nil {
		add("object %s", n.Key)
		if n.OutsideKey != "" {
			add("object %s", n.OutsideKey)
		}
	}
	return s
}

// block waits for a person. The result is sent once for each reason; the deadline
// runs from the first time that this reason came up.
func block(j *Job, r Reason, message string, v View) Step {
	resume := j.Phase
	if j.Block != nil && j.Phase == PhaseBlocked {
		resume = j.Block.Resume
	}
	b := &Block{Resume: resume, Reason: r, Since: v.Now}
	fresh := true
	if j.Block != nil && j.Block.Reason == r {
		b.Since, fresh = j.Block.Since, false
	}
	if v.Now.Sub(b.Since) >= BlockedLost {
		return fail(j, r, fmt.Sprintf("%s; nothing was done about it for %s", message, BlockedLost), v)
	}
	b.Next = v.after(min(max(v.Now.Sub(b.Since)/8, blockedEvery), time.Hour))
	j.Block = b
	j.enter(PhaseBlocked, b.Since)
	j.Reason, j.Message = r, message
	if fresh {
		j.emit(EventBlocked, r, message, v.Now)
	}
	return Step{Next: PhaseBlocked}
}

// decideBlocked goes back to the phase that was blocked when it is time to look
// again. The block is kept: whether it is over, that phase finds out.
func decideBlocked(j *Job, v View) Step {
	if j.Block == nil { // a job of a broken program: nothing to go on with
		return finish(j, PhaseFailed, ReasonRefused, "the job is blocked by nothing", v)
	}
	if v.Now.Before(j.Block.Next) {
		return Step{Wait: j.Block.Next}
	}
	j.Phase = j.Block.Resume // not entered anew: its deadline and waits run from now
	j.Since = v.Now
	return Step{Next: j.Phase}
}

// AfterTrouble decides what follows an error of a look, or of an effect that
// certainly did not take place.
func AfterTrouble(j *Job, t Trouble, v View) Step {
	what := t.Op
	if t.Code != "" {
		what += " answered " + t.Code
	}
	if t.Message != "" {
		what += ": " + t.Message
	}
	switch t.Kind {
	case TroubleThrottled:
		pause := max(t.After, 5*time.Second)
		return wait(j, ReasonThrottled, what, v.Now.Add(pause))
	case TroubleDenied:
		return block(j, ReasonDenied, what, v)
	case TroubleQuota:
		return block(j, ReasonQuota, what, v)
	case TroubleFinal:
		return fail(j, ReasonRefused, what, v)
	}
	j.Failures++
	if j.Failures > MaxFailures {
		return fail(j, ReasonUnavailable, fmt.Sprintf("%s; %d tries", what, j.Failures), v)
	}
	return wait(j, ReasonUnavailable, what, v.after(retryAfter(j.Failures)))
}

// AfterCrash decides what follows when a worker's claim ran out without an
// outcome. A zero step means that the job goes on, with a look first.
func AfterCrash(j *Job, v View) Step {
	i := *j.Intent
	j.Intent, j.Unsure, j.TakenOver = nil, true, true
	j.Crashes++
	if j.Crashes >= MaxCrashes {
		return fail(j, ReasonWorkerCrash, fmt.Sprintf("%d workers in a row died during %s", j.Crashes, i.Effect.Kind), v)
	}
	return Step{}
}

// Settle takes the outcome of an effect into the job. A non-zero step says what
// follows at once; a zero one means that the phase decides.
func Settle(j *Job, o Outcome, v View) Step {
	j.Intent, j.Last, j.Crashes = nil, &o, 0
	j.Unsure = o.Result == ResultExists || o.Result == ResultUnknown
	if o.Result == ResultDone {
		j.Failures, j.Block = 0, nil
	}
	if settle := Row(j.Phase).Settle; settle != nil {
		settle(j, o, v)
	}
	switch {
	case o.Result == ResultRefused && o.Trouble != nil && o.Trouble.Kind != TroubleRoleUnfit:
		return AfterTrouble(j, *o.Trouble, v)
	case o.Result == ResultUnknown:
		// The first lost answer is looked into at once, further ones after a pause.
		if j.Failures == 0 {
			j.Failures++
			return Step{}
		}
		t := Trouble{Kind: TroublePassing, Op: string(o.Effect)}
		if o.Trouble != nil {
			t = *o.Trouble
			t.Kind = TroublePassing
		}
		return AfterTrouble(j, t, v)
	}
	return Step{}
}

// create asks for an effect that makes something. When the service has just said
// that the thing exists while a read does not show it, the read lies behind: the
// next try waits.
func create(j *Job, e Effect, v View) Step {
	if o := j.Last; o != nil && o.Effect == e.Kind && o.Result == ResultExists {
		if until := o.At.Add(v.after(unseenEvery).Sub(v.Now)); v.Now.Before(until) {
			return wait(j, ReasonWorking, fmt.Sprintf("%s was answered with \"exists\", but nothing is to be seen yet", e.Kind), until)
		}
	}
	return Step{Effect: &e}
}
