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

// wait says why and until when. Whoever decides to wait has seen what it asked
// for: failures are over, and so is what the job was blocked by.
func wait(j *Job, r Reason, message string, until time.Time) Step {
	j.Failures, j.Block = 0, nil
	return hold(j, r, message, until)
}

// hold waits without having got any further.
func hold(j *Job, r Reason, message string, until time.Time) Step {
	j.Reason, j.Message = r, message
	return Step{Wait: until}
}

// block waits for a person. The result is sent once for each reason; the deadline
// runs from the first time that this reason came up.
func block(j *Job, r Reason, message string, v View) Step {
	b := &Block{Resume: j.Phase, Reason: r, Since: v.Now, Reported: map[Reason]time.Time{}}
	if j.Block != nil {
		for reason, since := range j.Block.Reported {
			b.Reported[reason] = since
		}
		if j.Phase == PhaseBlocked {
			b.Resume = j.Block.Resume
		}
	}
	since, told := b.Reported[r]
	if told {
		b.Since = since
	}
	b.Reported[r] = b.Since
	patience := j.patience(r)
	if v.Now.Sub(b.Since) >= patience {
		return fail(j, r, fmt.Sprintf("%s; nothing was done about it for %s", message, shortDuration(patience)), v)
	}
	if j.Ending != nil {
		message = j.Ending.Message + "; " + message
	}
	b.Next = v.by(v.after(min(max(v.Now.Sub(b.Since)/8, blockedEvery), time.Hour)), b.Since.Add(patience))
	j.Block, j.Failures = b, 0
	j.enter(PhaseBlocked, b.Since)
	j.Reason, j.Message = r, message
	if !told {
		j.emit(EventBlocked, r, message, v.Now)
	}
	return Step{Next: PhaseBlocked}
}

// decideBlocked goes back to the phase that was blocked when it is time to look
// again. The block is kept: whether it is over, that phase finds out.
func decideBlocked(j *Job, v View) Step {
	if j.Block == nil { // a job of a broken program: nothing to go on with
		return fail(j, ReasonRefused, "the job is blocked by nothing", v)
	}
	if v.Now.Before(j.Block.Next) {
		return Step{Wait: v.by(j.Block.Next)}
	}
	j.Phase = j.Block.Resume // not entered anew: its deadline and waits run from now
	j.Since = v.Now
	return Step{Next: j.Phase}
}

// AfterTrouble decides what follows an error of a look, or of an effect that
// certainly did not take place. It never asks for a look.
func AfterTrouble(j *Job, t Trouble, v View) Step {
	what := t.String()
	switch t.Kind {
	case TroubleThrottled:
		pause := min(max(v.Now.Sub(j.Since)/8, 5*time.Second), longestThrottled) // an entry each: one that lasts is asked less often
		return hold(j, ReasonThrottled, what, v.Now.Add(min(max(t.After, pause), longestHold)))
	case TroubleDenied:
		if j.Phase == PhaseKMSKey { // a right that not every owner gives away
			what += "; or " + keySteps(j.Request)
		}
		return block(j, ReasonDenied, what, v)
	case TroubleQuota:
		if j.Phase == PhaseKMSKey { // [fact 73]
			return block(j, ReasonKMSKeyAccess, what, v)
		}
		return block(j, ReasonQuota, what, v)
	case TroubleKey:
		return block(j, ReasonKMSKeyUnusable, what, v)
	case TroubleGone:
		return block(j, ReasonBucketGone, what, v)
	case TroubleUnread:
		return giveUp(j, ReasonUnreadable, what, v)
	case TroubleFinal:
		return giveUp(j, ReasonRefused, what, v)
	}
	j.Failures++
	if j.Failures > MaxFailures {
		return giveUp(j, ReasonUnavailable, fmt.Sprintf("%s; %d tries", what, j.Failures), v)
	}
	return hold(j, ReasonUnavailable, what, v.after(retryAfter(j.Failures)))
}

// giveUp ends a job whose calls lead nowhere. Only the clean-up of a proof is not
// worth that: the pair is proven, and what stays behind is named.
func giveUp(j *Job, r Reason, message string, v View) Step {
	if p := j.Verification; j.Phase == PhaseVerifying && j.Evidence == nil && p != nil && p.Step == StepCleanUp {
		conclude(j, p.keys(), v)
		return again(j)
	}
	if j.Phase == PhaseClearing { // the rule is more important than what stays behind
		cleared(j, j.Verification.keys(), v)
		return again(j)
	}
	return fail(j, r, message, v)
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
	if o.Effect == EffectTakeSlot { // of no phase
		settleSlot(j, o)
	} else if settle := Row(j.Phase).Settle; settle != nil {
		settle(j, o, v)
	}
	t := Trouble{Kind: TroublePassing, Op: string(o.Effect), Message: string(o.Result)}
	if o.Trouble != nil {
		t = *o.Trouble
	}
	switch {
	case o.Result == ResultDone:
		return Step{}
	case o.Result == ResultRefused && t.Kind == TroubleRoleUnfit && o.Effect == EffectPutRule:
		return Step{} // may only be early: the phase knows
	case o.Result == ResultRefused && t.Kind == TroubleDenied && o.Effect.grants():
		return block(j, ReasonMayNotGrant, t.String(), v)
	case o.Result == ResultRefused:
		return AfterTrouble(j, t, v)
	case o.Result == ResultExists && o.Effect.makes(), j.Failures == 0:
		// Looked into at once; when a look says nothing, the next try waits.
		j.Failures++
		if j.Failures <= MaxFailures {
			return Step{}
		}
		return giveUp(j, ReasonUnavailable, fmt.Sprintf("%s was answered with %q %d times, but nothing is to be seen", o.Effect, o.Result, j.Failures), v)
	}
	t.Kind = TroublePassing
	return AfterTrouble(j, t, v)
}

// create asks for an effect that makes something. When the service has just said
// that the thing exists while a read does not show it, the read lies behind.
func create(j *Job, e Effect, v View) Step {
	if until, behind := lagging(j, e.Kind, v); behind && j.Last.Result == ResultExists {
		return hold(j, ReasonWorking, fmt.Sprintf("%s was answered with \"exists\", but nothing is to be seen yet", e.Kind), until)
	}
	return Step{Effect: &e}
}

// lagging reports whether an effect of this kind may have made something a moment
// ago that a read does not have to show yet, and until when.
func lagging(j *Job, k EffectKind, v View) (until time.Time, behind bool) {
	o := j.Last
	if o == nil || o.Effect != k || o.Result != ResultExists && o.Result != ResultUnknown {
		return time.Time{}, false
	}
	until = o.At.Add(v.paced(max(unseenEvery, retryAfter(j.Failures))))
	return v.by(until), v.Now.Before(until)
}
