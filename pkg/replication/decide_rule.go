package replication

import (
	"fmt"
	"strings"
	"time"
)

// decideRule puts the rule once and reads it back. The log of the pair is ours, so
// no other job puts one; a person can.
func decideRule(j *Job, v View) Step {
	spec := RuleFor(j.Request)
	if j.Rule == nil {
		j.Rule = &Rule{}
	}
	tried := j.Rule.Unsettled || !j.Rule.Accepted.IsZero()
	if !tried && v.Now.Sub(j.Made.NoRule) < noRuleHolds {
		return putRule(j, spec, v)
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	g, ok := v.Seen.Rules.Find(j.Rule.ID, spec.Destination.Bucket)
	_, taken := v.Seen.Rules.Find("", spec.Destination.Bucket)
	switch {
	case !ok && taken: // ours is gone, and somebody made another
		return vanished(j, v)
	case !ok:
		return noRule(j, spec, v)
	case g.Status == RuleClosing:
		return ruleCloses(j, g, v)
	}
	j.Rule.Gone = time.Time{}
	return compare(j, spec, g, v)
}

// noRule decides when no rule of the pair is listed.
func noRule(j *Job, spec RuleSpec, v View) Step {
	source, accepted := spec.Source.Bucket, !j.Rule.Accepted.IsZero()
	until, behind := mayAppear(j, v)
	switch {
	case accepted && behind:
		return wait(j, ReasonRuleUnseen, fmt.Sprintf("the rule of %s was accepted but is not listed yet", source), until)
	case accepted && v.Now.Sub(j.Since) > ClosingLost:
		j.Made.Rule, j.Rule.Ended = time.Time{}, v.Now
		return fail(j, ReasonRuleUnseen, fmt.Sprintf("OSS accepted the rule of %s, but has not listed it for %s", source, shortDuration(ClosingLost)), v)
	case behind:
		return hold(j, ReasonRuleUnseen, fmt.Sprintf("whether the rule of %s was made is not to be seen yet", source), until)
	}
	// Nothing stands: it was never put, or not accepted, or accepted and is nowhere.
	// Putting it again is safe: a pair can have only one rule. [fact 2]
	j.Rule, j.Made.Rule, j.Made.NoRule, j.Unsure = &Rule{}, time.Time{}, v.Now, false
	return putRule(j, spec, v)
}

// ruleCloses decides when the rule of the pair is being removed: an older one
// stands in the way until it is gone; ours was disabled by somebody.
func ruleCloses(j *Job, g RuleSeen, v View) Step {
	if !j.Rule.Accepted.IsZero() {
		return vanished(j, v)
	}
	lost := j.Since.Add(ClosingLost)
	if !v.Now.Before(lost) {
		return fail(j, ReasonRuleClosing, fmt.Sprintf("rule %s is still closing after %s", g.ID, shortDuration(ClosingLost)), v)
	}
	return wait(j, ReasonRuleClosing, fmt.Sprintf("rule %s of %s is being removed", g.ID, j.Request.Source.Bucket), v.growing(j.Since, closingEvery, slowest, lost))
}

// compare decides what the rule that stands is: the one that was asked for, ours
// but another, or somebody else's.
func compare(j *Job, spec RuleSpec, g RuleSeen, v View) Step {
	d := strings.Join(spec.Differences(g), "; ")
	switch {
	case !j.made(g):
		message := fmt.Sprintf("rule %s of %s was made by somebody else meanwhile", g.ID, spec.Source.Bucket)
		switch {
		case j.Rule.Unsettled && g.SyncRole == "":
			message = fmt.Sprintf("rule %s of %s does not show its role, so who made it is not known; it is left as it is: %s", g.ID, spec.Source.Bucket, d)
		case j.Rule.Unsettled && g.SyncRole == spec.SyncRole: // a role that others use too
			message = fmt.Sprintf("rule %s of %s names role %s, which is not this job's alone, so who made it is not known; it is left as it is: %s", g.ID, spec.Source.Bucket, spec.SyncRole, d)
		}
		return fail(j, ReasonRuleExists, message, v)
	case d != "":
		j.Rule.ID, j.Made.Rule = g.ID, v.Now
		return undo(j, ReasonRuleDiffers, fmt.Sprintf("rule %s is not the one that was asked for: %s", g.ID, d), v)
	}
	j.Rule.ID, j.Rule.Unsettled, j.Rule.Confirmed = g.ID, false, v.Now
	if j.Rule.Accepted.IsZero() {
		j.Rule.Accepted = v.Now
	}
	if j.Made.Rule.IsZero() {
		j.Made.Rule = v.Now
	}
	return next(j, PhaseStarting, v)
}

// made reports whether the rule of the pair was made by this job: its put was
// answered with success, or it had saved that there was none, its put has no known
// outcome, and the rule names the role that only this job has, or is equal by meaning.
// A role that others use too says nothing of who made a rule.
func (j *Job) made(g RuleSeen) bool {
	switch {
	case j.Rule == nil:
		return false
	case !j.Rule.Accepted.IsZero():
		return true // it was found by its id, if that is known
	}
	return j.Rule.Unsettled && !j.Made.NoRule.IsZero() && !j.Made.Pair.IsZero() &&
		(j.ownRole() && g.SyncRole == j.Request.RoleName() || len(RuleFor(j.Request).Differences(g)) == 0)
}

// putRule asks for the rule, unless OSS was just asked and does not know the role
// yet: then it is given time, and after that somebody has to look.
func putRule(j *Job, spec RuleSpec, v View) Step {
	if o := j.Last; o != nil && o.Effect == EffectPutRule && o.Trouble != nil && o.Trouble.Kind == TroubleRoleUnfit {
		message := fmt.Sprintf("OSS cannot use role %s yet (%s, request %s)", spec.SyncRole, o.Trouble.Code, o.Trouble.RequestID)
		// What counts is when OSS refused: a job that comes back late tries once more.
		early := j.Block == nil && o.At.Sub(j.granted()) < PropagationLimit
		until := o.At.Add(v.paced(roleEvery))
		switch {
		case early && v.Now.Before(until):
			return wait(j, ReasonRolePropagating, message, v.by(until))
		case !early && (j.Block == nil || !o.At.Before(j.Since)): // not tried since the last look
			return refusedRule(j, message, v)
		}
	}
	j.Rule.Unsettled = true
	return Step{Effect: &Effect{Kind: EffectPutRule, Rule: &spec}}
}

// granted returns when the role got the last of its rights, as far as is known: one
// that was found as it is may have been made a moment before.
func (j *Job) granted() time.Time {
	if j.Made.KMSPolicy.After(j.Made.Attachment) {
		return j.Made.KMSPolicy
	}
	if j.Made.Attachment.IsZero() {
		return j.Since
	}
	return j.Made.Attachment
}

// refusedRule blocks a job whose rule OSS refuses because of its role. Across accounts
// that can be for want of the grant: whether OSS looks at the destination's bucket
// policy at the put is nowhere said. [fact 71]
func refusedRule(j *Job, message string, v View) Step {
	if j.Request.Across() && !v.Seen.Has(LookBucketPolicy) {
		return Step{Look: LookBucketPolicy}
	}
	if reason, what := grantCause(j, v.Seen); reason != "" {
		return block(j, reason, message+"; "+what, v)
	}
	return block(j, ReasonRoleUnusable, message, v)
}

func settleRule(j *Job, o Outcome, v View) {
	switch o.Result {
	case ResultDone:
		j.Rule.ID, j.Rule.Accepted, j.Rule.Unsettled = o.RuleID, v.Now, false
		j.Made.Rule = v.Now
	case ResultRefused:
		j.Rule.Unsettled = false
	}
}

// decideStarting waits for "doing". Progress answers with the state of the one
// rule, so it is all that is looked at before it is late.
func decideStarting(j *Job, v View) Step {
	begun, name := j.Rule.Accepted, j.ruleName()
	if first := begun.Add(v.paced(startFirstLook)); v.Now.Before(first) && !v.Seen.Has(LookProgress) {
		return wait(j, ReasonStarting, name+" was made; OSS starts it within 3 to 5 minutes", v.by(first))
	}
	if !v.Seen.Has(LookProgress) {
		return Step{Look: LookProgress}
	}
	p := v.Seen.Progress
	if p.Is == Missing || p.Status == RuleClosing {
		return vanished(j, v)
	}
	j.Rule.Gone = time.Time{}
	if p.Status == RuleDoing {
		j.Rule.Live = v.Now
		return next(j, PhaseVerifying, v)
	}
	begun = latest(begun, j.Again) // a job that began again has its time again
	waited, late, lost := v.Now.Sub(begun), begun.Add(StartingLate), begun.Add(StartingLost)
	again := v.growing(begun, startEvery, slowest, late, lost)
	if waited < StartingLate {
		return wait(j, ReasonStarting, name+" is starting", again)
	}
	if l := j.causes(); !v.Seen.Has(l) {
		return Step{Look: l}
	}
	cause := j.orNone(causeOf(j, v.Seen))
	if waited >= StartingLost {
		return fail(j, ReasonStartingLate, fmt.Sprintf("%s did not start within %s; %s", name, shortDuration(StartingLost), cause), v)
	}
	message := fmt.Sprintf("%s is still starting after %s; %s", name, shortDuration(StartingLate), cause)
	if !j.Rule.ReportedLate {
		j.Rule.ReportedLate = true
		j.emit(EventBlocked, ReasonStartingLate, message, v.Now)
	}
	return wait(j, ReasonStartingLate, message, again)
}
