package replication

import (
	"fmt"
	"time"
)

// cannotRetry returns why a retry does not help the job, or nil.
func (j *Job) cannotRetry(no func(later bool, r Reason, format string, args ...any) *Objection) *Objection {
	since := j.Since.UTC().Format(time.RFC3339)
	switch p := j.Phase; {
	case j.Ordered(): // a blocked one looks again
		return nil
	case j.Watched() && p != PhaseBlocked:
		return no(false, ReasonTargetWatched, "is watched since %s: there is nothing to try again", since)
	case p == PhaseStopped, p == PhaseCancelled, p == PhaseCompleted, p == PhaseFailed && j.Stop != nil:
		return no(false, ReasonTargetEnded, "is %s since %s: %s", p, since, j.Message)
	}
	return nil
}

// serveRetry has a blocked job look again at once, and one that was refused or has
// failed begin again. Any other is under way, and was only woken.
func serveRetry(j *Job, o *Order, v View) Step {
	switch p := j.Phase; {
	case p == PhaseBlocked && j.Block != nil:
		j.Block.Next = v.Now
		o.serve(ResultDone, "", fmt.Sprintf("it was blocked (%s) and looks again", j.Block.Reason), v)
	case p == PhaseRejected, p == PhaseFailed && j.Stop == nil:
		was := fmt.Sprintf("it was %s (%s: %s)", p, j.Reason, j.Message)
		o.serve(ResultDone, "", was+" and begins again", v)
		s := next(j, PhaseRetrying, v)
		j.Reason, j.Message = ReasonRetried, fmt.Sprintf("%s asked for it; %s", o, was)
		j.emit(EventAccepted, j.Reason, j.Message, v.Now)
		return s
	case Row(p).Owner == OwnerNone:
		reason := ReasonTargetEnded
		if j.Watched() {
			reason = ReasonTargetWatched
		}
		o.serve(ResultRefused, reason, fmt.Sprintf("it is %s meanwhile: %s", p, j.Message), v)
	default:
		o.serve(ResultDone, "", fmt.Sprintf("it was under way already (%s) and goes on at once", p), v)
	}
	return again(j)
}

// decideRetrying takes an ended job up again. What it made it keeps, as far as that is
// still there; what it may have made it looks for before it makes it; and the pair is
// claimed anew, after everything that can refuse it was looked at. A rule that was
// confirmed is proven anew.
func decideRetrying(j *Job, v View) Step {
	p := PhasePreflight
	switch {
	case j.Request.replaces() && (j.Gap == nil || j.Gap.Ended.IsZero()):
		p = PhaseOrdering
	case j.RuleStands() && !j.Rule.Confirmed.IsZero():
		p = PhaseStarting
	case j.ruleMayStand() && !j.Made.Pair.IsZero():
		p = PhaseRule // which looks what stands
	default:
		if l := j.Made.looks(); !v.Seen.Has(l) {
			return Step{Look: l}
		}
		j.Made.forget(v.Seen)
		j.grantAnew()
		j.Made.PairAsked = j.Made.PairAsked || !j.Made.Pair.IsZero()
		j.Made.Pair, j.Made.NoRule = time.Time{}, time.Time{}
		if !j.ruleMayStand() {
			j.Rule = nil
		}
	}
	j.proveAnew(v)
	j.Last, j.Crashes, j.TakenOver, j.Again = nil, 0, true, v.Now
	return next(j, p, v)
}

// looks are those that show whether the grants of the job are still there.
func (m Made) looks() Look {
	var l Look
	for look, at := range map[Look]time.Time{LookRole: m.Role, LookPolicy: m.Policy, LookAttachment: m.Attachment} {
		if !at.IsZero() {
			l |= look
		}
	}
	return l
}

// forget marks the grants that are not to be seen any more as those of which nothing
// is known: a read may lie behind.
func (m *Made) forget(s Seen) {
	if !m.Role.IsZero() && s.Role.Is == Missing {
		m.Role, m.RoleAsked = time.Time{}, true
	}
	if !m.Policy.IsZero() && s.Policy.Is == Missing {
		m.Policy, m.PolicyAsked = time.Time{}, true
	}
	if !m.Attachment.IsZero() && !s.Attachment.Attached {
		m.Attachment, m.AttachAsked = time.Time{}, true
	}
	if !m.KMSPolicy.IsZero() { // to attach it again is to look: what is attached is answered with "exists"
		m.KMSPolicy, m.KMSPolicyAsked = time.Time{}, true
	}
}

// proveAnew drops what a proof found, but not which objects of our own it may have
// left at the source.
func (j *Job) proveAnew(v View) {
	p := j.Verification
	if p != nil && p.Begun && j.Evidence == nil && p.Cleared.IsZero() {
		j.Verification = &Verification{Step: StepPut, Since: v.Now, Key: p.Key, OutsideKey: p.OutsideKey, UntaggedKey: p.UntaggedKey, Begun: true, First: p.First}
		return
	}
	j.Verification, j.Evidence = nil, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
