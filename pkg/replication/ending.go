package replication

import (
	"fmt"
	"strings"
	"time"
)

// Ways to the end of a job. An end with a rule that was confirmed leaves it, and
// the pair with it; every other end leads through releasing, and through undoing
// when a rule stands that must not.

// reject ends a job that has made nothing.
func reject(j *Job, r Reason, message string, v View) Step {
	return end(j, PhaseRejected, r, message, v)
}

// fail ends a job. What stands is named; the pair is given back when no rule does.
func fail(j *Job, r Reason, message string, v View) Step {
	return end(j, PhaseFailed, r, message, v)
}

func end(j *Job, p Phase, r Reason, message string, v View) Step {
	if j.within() == PhaseRetrying { // it holds what it held when it ended before
		return finish(j, PhaseFailed, r, message, v)
	}
	if j.within() == PhaseBridging {
		return unbridged(j, r, message, v)
	}
	if j.within() == PhaseAdjusting { // the pair is watched, whatever becomes of the order
		return unadjusted(j, ResultUnknown, r, message, v)
	}
	if e := j.Ending; e != nil { // not even the tidying up can be done
		return finish(j, e.Phase, e.Reason, e.Message+"; "+message, v)
	}
	if j.Request.Action.aboutAnother() || j.takenDown() {
		return finish(j, p, r, message, v)
	}
	if j.Request.adopts() && j.RuleStands() {
		message += "; " + j.ruleName() + " is left as it was found"
		j.letGo(v)
	}
	confirmed := j.RuleStands() && !j.Rule.Confirmed.IsZero()
	if confirmed || !j.Made.claims() {
		return finish(j, p, r, message, v)
	}
	return tidy(j, PhaseReleasing, Ending{Phase: p, Reason: r, Message: message}, v)
}

// undo ends a job whose rule does something else than was asked for. A rule that
// others made is not ours to close without being asked.
func undo(j *Job, r Reason, message string, v View) Step {
	if j.Request.adopts() {
		return fail(j, map[Reason]Reason{ReasonRuleDiffers: ReasonAdoptDiffers, ReasonOutOfScope: ReasonAdoptLeaks, ReasonCanaryKey: ReasonCanaryKey}[r], message, v)
	}
	return tidy(j, PhaseUndoing, Ending{Phase: PhaseFailed, Reason: r, Message: message}, v)
}

// tidy goes to a phase that takes away what must not stay. What the job has been
// blocked by for too long does not get its time again there.
func tidy(j *Job, p Phase, e Ending, v View) Step {
	blocked := j.Block
	s := next(j, p, v)
	j.Block, j.Crashes, j.Ending = blocked, 0, &e
	return s
}

// ending returns how the job will end.
func (j *Job) ending() Ending {
	if j.Ending == nil { // a job of a broken program
		return Ending{Phase: PhaseFailed, Reason: ReasonRefused, Message: "ended without a reason"}
	}
	return *j.Ending
}

// finish enters an end and reports it.
func finish(j *Job, p Phase, r Reason, message string, v View) Step {
	if left := j.leftovers(); len(left) > 0 {
		message += "; left in place: " + strings.Join(left, ", ")
	}
	if j.takenDown() {
		j.Stop.Served = v.Now
	}
	message += j.takenDownForIt(p, r)
	j.Unsure, j.Failures, j.Block, j.Held, j.Ending, j.CheckBy = false, 0, nil, nil, nil, time.Time{}
	j.enter(p, v.Now)
	j.Reason, j.Message = r, message
	t := EventFailed
	switch p {
	case PhaseRejected:
		t = EventRejected
	case PhaseStopped, PhaseCancelled:
		t = EventStopped
	case PhaseCompleted:
		t = EventCompleted
	}
	j.emit(t, r, message, v.Now)
	return Step{Next: p}
}

// leftovers names what the job made, or may have made, and did not take away.
func (j *Job) leftovers() []string {
	var left []string
	add := func(is bool, format string, args ...any) {
		if is {
			left = append(left, fmt.Sprintf(format, args...))
		}
	}
	r := j.Request
	switch {
	case j.RuleStands():
		add(true, "%s", j.ruleName())
	case j.ruleMayStand():
		add(true, "perhaps a rule from %s to %s", r.Source.Bucket, r.Destination.Bucket)
	}
	add(!j.Made.Role.IsZero(), "role %s", j.Request.RoleName())
	add(!j.Made.Policy.IsZero(), "policy %s", j.Request.PolicyName())
	add(!j.Made.Grant.IsZero() || j.Made.GrantAsked, "%s", j.grantName())
	add(!j.Made.KeyGrant.IsZero() || j.Made.KeyGrantAsked, "%s", j.keyGrantName())
	add(!j.RuleStands() && j.Stop == nil && j.ownersGrant() != "", "%s", j.ownersGrant())
	add(!j.Made.Attachment.IsZero() && r.Role.Type == RoleAliyun, "policy %s on role %s", PolicyOSSFull, r.RoleName())
	add(!j.Made.KMSPolicy.IsZero() && r.Role.Type == RoleAliyun, "policy %s on role %s", KMSPolicy, r.RoleName())
	if p := j.Verification; p != nil && j.Evidence == nil && p.Cleared.IsZero() {
		add(p.Begun, "object %s/%s", r.Source.Bucket, p.Key)
		add(p.First != nil && p.OutsideKey != "", "object %s/%s", r.Source.Bucket, p.OutsideKey)
		add(p.First != nil && p.UntaggedKey != "", "object %s/%s", r.Source.Bucket, p.UntaggedKey)
	}
	if !j.RuleStands() {
		add(!j.Made.Pair.IsZero() || j.Made.PairAsked, "the claim of the pair %s", r.Pair())
	}
	if j.Stop != nil {
		left = append(left, j.Stop.Left...)
	}
	return left
}

// ruleName names the rule for people; its id may not be known yet.
func (j *Job) ruleName() string {
	if j.Rule == nil || j.Rule.ID == "" {
		return fmt.Sprintf("the rule from %s to %s", j.Request.Source.Bucket, j.Request.Destination.Bucket)
	}
	return "rule " + j.Rule.ID
}

// vanished ends a job whose rule somebody took away. A read may lie behind, so the
// rule has to be gone for a while, and from the list of rules too.
func vanished(j *Job, v View) Step {
	bucket := j.Request.Source.Bucket
	if j.Rule.Gone.IsZero() {
		j.Rule.Gone = v.Now
	}
	if v.Now.Sub(j.Rule.Gone) < UnseenLimit {
		return wait(j, ReasonRuleUnseen, fmt.Sprintf("%s of %s is not to be seen; it is looked for again", j.ruleName(), bucket), v.after(unseenEvery))
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	if g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket); ok && g.Status != RuleClosing {
		return AfterTrouble(j, Trouble{Kind: TroublePassing, Op: "GetBucketReplicationProgress",
			Message: fmt.Sprintf("%s of %s is listed as %s, but its progress is not", j.ruleName(), bucket, g.Status)}, v)
	}
	j.Made.Rule, j.Rule.Ended = time.Time{}, v.Now
	return fail(j, ReasonRuleVanished, fmt.Sprintf("%s of %s is not there any more", j.ruleName(), bucket), v)
}

// decideUndoing closes a rule that must not stand and waits until it is gone.
func decideUndoing(j *Job, v View) Step {
	closed := j.Last != nil && j.Last.Effect == EffectCloseRule && j.Last.Result == ResultDone
	if !closed {
		return closeRule(j)
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	e, lost := j.ending(), j.Since.Add(ClosingLost)
	g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
	switch {
	case !ok:
		j.Made.Rule, j.Rule.Ended = time.Time{}, v.Now
		return tidy(j, PhaseReleasing, e, v)
	case !v.Now.Before(lost):
		return fail(j, e.Reason, fmt.Sprintf("the rule is still %s %s after it was closed", g.Status, shortDuration(ClosingLost)), v)
	case g.Status == RuleClosing:
		return wait(j, e.Reason, e.Message+"; it is closing", v.growing(j.Since, closingEvery, slowest, lost))
	case v.Now.Sub(j.Last.At) < UnseenLimit: // a read that lies behind
		return wait(j, e.Reason, fmt.Sprintf("%s; it was closed but is still listed as %s", e.Message, g.Status), v.after(unseenEvery))
	}
	return closeRule(j)
}

func closeRule(j *Job) Step { return Step{Effect: &Effect{Kind: EffectCloseRule, RuleID: j.Rule.ID}} }

// decideReleasing gives the pair back and ends the job. Before that, a put of which
// not everything is known is looked into: a rule of ours that nobody has compared
// is closed, and while one stands the pair is kept.
func decideReleasing(j *Job, v View) Step {
	e := j.ending()
	if j.ruleMayStand() {
		if !v.Seen.Has(LookRules) {
			return Step{Look: LookRules}
		}
		g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
		if ok && g.Status != RuleClosing && j.made(g) {
			j.Rule.ID, j.Made.Rule = g.ID, v.Now
			return tidy(j, PhaseUndoing, e, v)
		}
		if until, behind := mayAppear(j, v); !ok && behind {
			return hold(j, e.Reason, e.Message+"; whether a rule was made is looked at", until)
		}
		j.Made.Rule, j.Rule.Ended = time.Time{}, v.Now
	}
	for _, take := range []func(*Job, View) (Step, bool){revokeGrant, revokeKeyGrant} {
		if s, busy := take(j, v); busy {
			return s
		}
	}
	if j.Made.claims() {
		return Step{Effect: releasePair(j)}
	}
	return finish(j, e.Phase, e.Reason, e.Message, v)
}

// mayAppear reports whether a rule that is not listed may only not be listed yet,
// and until when to wait.
func mayAppear(j *Job, v View) (until time.Time, behind bool) {
	if a := j.Rule.Accepted; !a.IsZero() {
		return v.after(unseenEvery), v.Now.Sub(a) <= UnseenLimit
	}
	return lagging(j, EffectPutRule, v)
}

func settleReleasing(j *Job, o Outcome, _ View) {
	if _, left := settleRevoke(j, o); left != "" && j.Ending != nil {
		j.Ending.Message += "; left in place: " + left
	}
	if o.Result == ResultDone && o.Effect == EffectReleasePair {
		j.released()
	}
}
