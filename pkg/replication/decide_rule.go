package replication

import (
	"fmt"
	"strings"
	"time"
)

// decideRule puts the rule once and reads it back. A rule is ours when we own the
// pair, had saved that there was none, and it is equal by meaning, our role's name
// included.
func decideRule(j *Job, v View) Step {
	spec := RuleFor(j.Request)
	if j.Rule == nil {
		j.Rule = &Rule{}
	}
	if !j.Unsure && j.Rule.Accepted.IsZero() {
		return putRule(j, spec, v)
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	g, ok := v.Seen.Rules.Find(j.Rule.ID, spec.Destination.Bucket)
	switch {
	case !ok && j.Rule.Accepted.IsZero():
		j.Unsure = false
		return putRule(j, spec, v)
	case !ok && v.Now.Sub(j.Rule.Accepted) > UnseenLimit:
		// The put was answered with success, yet the rule is nowhere. Putting it
		// again is safe: a pair can have only one rule.
		j.Rule, j.Made.Rule, j.Unsure = &Rule{}, time.Time{}, false
		return putRule(j, spec, v)
	case !ok:
		return wait(j, ReasonRuleUnseen, fmt.Sprintf("the rule of %s was accepted but is not listed yet", spec.Source.Bucket), v.after(unseenEvery))
	case g.Status == RuleClosing:
		if v.Now.Sub(j.Since) > ClosingLost {
			return fail(j, ReasonRuleClosing, fmt.Sprintf("rule %s is still closing after %s", g.ID, ClosingLost), v)
		}
		// An older rule of the pair stands in the way, or ours was disabled: when it
		// is gone, it is put again.
		j.Rule, j.Made.Rule, j.Unsure = &Rule{}, time.Time{}, true
		return wait(j, ReasonRuleClosing, fmt.Sprintf("rule %s of %s is being removed", g.ID, spec.Source.Bucket), v.after(closingEvery))
	}
	d := spec.Differences(g)
	switch {
	case len(d) == 0 && j.Made.NoRule && !j.Made.Pair.IsZero():
		j.Rule.ID, j.Rule.Confirmed = g.ID, v.Now
		if j.Rule.Accepted.IsZero() {
			j.Rule.Accepted = v.Now
		}
		if j.Made.Rule.IsZero() {
			j.Made.Rule = v.Now
		}
		return next(j, PhaseStarting, v)
	case j.Rule.ID == g.ID || g.SyncRole == spec.SyncRole:
		j.Rule.ID, j.Made.Rule = g.ID, v.Now
		j.Ending = &Ending{Phase: PhaseFailed, Reason: ReasonRuleDiffers, Message: fmt.Sprintf("rule %s is not the one that was asked for: %s", g.ID, strings.Join(d, "; "))}
		return next(j, PhaseUndoing, v)
	default:
		return fail(j, ReasonRuleExists, fmt.Sprintf("rule %s of %s was made by somebody else meanwhile: %s", g.ID, spec.Source.Bucket, strings.Join(d, "; ")), v)
	}
}

// putRule asks for the rule, unless OSS was just asked and does not know the role
// yet: then it is given time, and after that somebody has to look.
func putRule(j *Job, spec RuleSpec, v View) Step {
	o := j.Last
	if o == nil || o.Effect != EffectPutRule || o.Trouble == nil || o.Trouble.Kind != TroubleRoleUnfit {
		return create(j, Effect{Kind: EffectPutRule, Rule: &spec}, v)
	}
	message := fmt.Sprintf("OSS cannot use role %s yet (%s, request %s)", spec.SyncRole, o.Trouble.Code, o.Trouble.RequestID)
	if j.Block == nil && v.Now.Sub(j.Made.Attachment) < PropagationLimit {
		if until := o.At.Add(v.after(roleEvery).Sub(v.Now)); v.Now.Before(until) {
			return wait(j, ReasonRolePropagating, message, until)
		}
		return Step{Effect: &Effect{Kind: EffectPutRule, Rule: &spec}}
	}
	if j.Block == nil || o.At.After(j.Since) {
		return block(j, ReasonRoleUnusable, message, v)
	}
	return Step{Effect: &Effect{Kind: EffectPutRule, Rule: &spec}}
}

func settleRule(j *Job, o Outcome, v View) {
	if j.Rule == nil {
		j.Rule = &Rule{}
	}
	switch o.Result {
	case ResultDone:
		j.Rule.ID, j.Rule.Accepted = o.RuleID, v.Now
		j.Made.Rule = v.Now
		j.Unsure, j.Block = false, nil
	case ResultExists:
		j.Unsure = true
	}
}

// decideStarting waits for "doing". Progress answers with the state of the one
// rule, so it is all that is looked at.
func decideStarting(j *Job, v View) Step {
	if first := j.Rule.Accepted.Add(v.after(startFirstLook).Sub(v.Now)); v.Now.Before(first) && j.Rule.Live.IsZero() && !v.Seen.Has(LookProgress) {
		return wait(j, ReasonStarting, fmt.Sprintf("rule %s was made; OSS starts it within 3 to 5 minutes", j.Rule.ID), first)
	}
	if !v.Seen.Has(LookProgress) {
		return Step{Look: LookProgress}
	}
	waited := v.Now.Sub(j.Rule.Accepted)
	p := v.Seen.Progress
	if p.Is == Missing || p.Status == RuleClosing {
		return vanished(j, v)
	}
	j.Rule.Gone = time.Time{}
	switch {
	case p.Status == RuleDoing:
		j.Rule.Live = v.Now
		return next(j, PhaseVerifying, v)
	case waited >= StartingLost:
		return fail(j, ReasonStartingLate, fmt.Sprintf("rule %s did not start within %s", j.Rule.ID, StartingLost), v)
	case waited >= StartingLate && !j.Rule.ReportedLate:
		if !v.Seen.Has(causes) {
			return Step{Look: causes}
		}
		j.Rule.ReportedLate = true
		_, message := causeOf(j, v.Seen)
		if message == "" {
			message = "no check names a cause"
		}
		message = fmt.Sprintf("rule %s is still starting after %s; %s", j.Rule.ID, StartingLate, message)
		j.emit(EventBlocked, ReasonStartingLate, message, v.Now)
		return wait(j, ReasonStartingLate, message, v.after(startEvery))
	case j.Rule.ReportedLate:
		return Step{Wait: v.after(startEvery)} // reason and message stay what was reported
	}
	return wait(j, ReasonStarting, fmt.Sprintf("rule %s is starting", j.Rule.ID), v.after(startEvery))
}

// vanished ends a job whose rule somebody took away. A read may lie behind, so it
// has to be gone for a while.
func vanished(j *Job, v View) Step {
	id, bucket := j.Rule.ID, j.Request.Source.Bucket
	if j.Rule.Gone.IsZero() {
		j.Rule.Gone = v.Now
	}
	if v.Now.Sub(j.Rule.Gone) < UnseenLimit {
		return wait(j, ReasonRuleUnseen, fmt.Sprintf("rule %s of %s is not listed; it is looked for again", id, bucket), v.after(unseenEvery))
	}
	j.Made.Rule = time.Time{}
	return fail(j, ReasonRuleVanished, fmt.Sprintf("rule %s of %s is not there any more", id, bucket), v)
}

// decideUndoing closes a rule that must not stand and waits until it is gone.
func decideUndoing(j *Job, v View) Step {
	closed := j.Last != nil && j.Last.Effect == EffectCloseRule && j.Last.Result == ResultDone
	if !closed {
		return Step{Effect: &Effect{Kind: EffectCloseRule, RuleID: j.Rule.ID}}
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
	switch {
	case !ok:
		j.Made.Rule = time.Time{}
		return next(j, PhaseReleasing, v)
	case v.Now.Sub(j.Since) > ClosingLost:
		e := j.Ending
		return finish(j, PhaseFailed, e.Reason, fmt.Sprintf("%s; it is still %s after %s", e.Message, g.Status, ClosingLost), v)
	case g.Status != RuleClosing:
		if v.Now.Sub(j.Last.At) < UnseenLimit { // a read that lies behind
			return wait(j, ReasonRuleDiffers, fmt.Sprintf("rule %s was closed but is still listed as %s", g.ID, g.Status), v.after(unseenEvery))
		}
		return Step{Effect: &Effect{Kind: EffectCloseRule, RuleID: j.Rule.ID}}
	}
	return wait(j, ReasonRuleDiffers, fmt.Sprintf("%s; it is closing", j.Ending.Message), v.after(closingEvery))
}

func settleUndoing(*Job, Outcome, View) {}

// decideReleasing gives the pair back and ends the job.
func decideReleasing(j *Job, v View) Step {
	if !j.Made.Pair.IsZero() {
		return Step{Effect: &Effect{Kind: EffectReleasePair}}
	}
	e := j.Ending
	if e == nil {
		e = &Ending{Phase: PhaseFailed, Reason: ReasonRefused, Message: "ended without a reason"}
	}
	return finish(j, e.Phase, e.Reason, e.Message, v)
}

func settleReleasing(j *Job, o Outcome, _ View) {
	if o.Result == ResultDone {
		j.Made.Pair = time.Time{}
	}
}
