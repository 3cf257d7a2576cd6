package replication

import (
	"fmt"
	"strings"
	"time"
)

// A proofRow is one step of the proof.
type proofRow struct {
	step VerifyStep
	look Look // read before deciding
	do   func(j *Job, v View) Step
}

// proof has a row for each step, in order. A step is done when it calls advance.
var proof = map[VerifyStep]proofRow{
	StepPut:       {StepPut, 0, func(j *Job, _ View) Step { c := canary(j.Request, 1); return object(EffectPutCanary, c) }},
	StepOutside:   {StepOutside, 0, func(j *Job, _ View) Step { c := outside(j.Request); return object(EffectPutOutside, c) }},
	StepArrive:    {StepArrive, LookCanary, awaitFirst},
	StepOverwrite: {StepOverwrite, 0, func(j *Job, _ View) Step { c := canary(j.Request, 2); return object(EffectOverwrite, c) }},
	StepArrive2:   {StepArrive2, LookCanary, awaitSecond},
	StepDelete:    {StepDelete, 0, func(j *Job, _ View) Step { c := Canary{Key: j.Verification.Key}; return object(EffectDelete, c) }},
	StepDeleted:   {StepDeleted, LookCanary | LookProgress, awaitDeletion},
	StepScope:     {StepScope, LookOutside, checkScope},
	StepCleanUp:   {StepCleanUp, 0, cleanUp},
	StepWatermark: {StepWatermark, LookProgress, awaitWatermark},
}

func object(k EffectKind, c Canary) Step { return Step{Effect: &Effect{Kind: k, Object: &c}} }

// decideVerifying carries the proof one step further.
func decideVerifying(j *Job, v View) Step {
	if j.Verification == nil {
		j.Verification = &Verification{Since: v.Now, Step: StepWatermark}
		if j.Request.Verify.Canary {
			j.Verification.Step, j.Verification.Key, j.Verification.OutsideKey = StepPut, CanaryKey(j.Request), OutsideKey(j.Request)
		}
	}
	if j.Evidence != nil {
		return verified(j, ReasonVerified, v)
	}
	row, ok := proof[j.Verification.Step]
	if !ok {
		return fail(j, ReasonRefused, fmt.Sprintf("the proof has no step %q", j.Verification.Step), v)
	}
	if !v.Seen.Has(row.look) {
		return Step{Look: row.look}
	}
	return row.do(j, v)
}

// settleVerifying takes what was written into the proof. A write of which nothing
// is known is simply repeated: it stores the same bytes under the same key.
func settleVerifying(j *Job, o Outcome, v View) {
	if o.Result != ResultDone {
		return
	}
	j.Unsure = false
	p := j.Verification
	switch o.Effect {
	case EffectPutCanary:
		p.First, p.Written = o.Object, v.Now
		if p.OutsideKey == "" {
			advance(p, StepArrive, v)
		} else {
			advance(p, StepOutside, v)
		}
	case EffectPutOutside:
		advance(p, StepArrive, v)
	case EffectOverwrite:
		p.Second, p.Written = o.Object, v.Now
		advance(p, StepArrive2, v)
	case EffectDelete:
		p.Written = v.Now
		advance(p, StepDeleted, v)
	case EffectCleanUp:
		conclude(j, o, v)
	}
}

func advance(p *Verification, s VerifyStep, v View) {
	p.Step, p.Since, p.ReportedLate = s, v.Now, false
}

// pause is how long to wait before the next look for something on its way: a
// quarter of the time waited so far, within limits.
func pause(since time.Time, v View) time.Time {
	waited := v.Now.Sub(since)
	if v.Pace > 0 { // v.after divides by the pace again
		waited = time.Duration(float64(waited) * v.Pace)
	}
	return v.after(min(max(waited/4, canaryMin), canaryMax))
}

func awaitFirst(j *Job, v View) Step {
	p, c := j.Verification, v.Seen.Canary
	switch {
	case c.Is != Exists:
		return underway(j, ReasonCanaryLost, "the canary "+p.Key, v)
	case !same(*p.First, *c):
		return differs(j, *p.First, *c, v)
	}
	p.Seconds = v.Now.Sub(p.Written).Seconds()
	advance(p, StepOverwrite, v)
	return again(j)
}

func awaitSecond(j *Job, v View) Step {
	p, c := j.Verification, v.Seen.Canary
	switch {
	case c.Is != Exists || same(*p.First, *c):
		return underway(j, ReasonCanaryLost, "the overwritten canary "+p.Key, v)
	case !same(*p.Second, *c):
		return differs(j, *p.Second, *c, v)
	}
	p.Overwrite = v.Now.Sub(p.Written).Seconds()
	advance(p, StepDelete, v)
	return again(j)
}

// awaitDeletion waits until the plain delete of the canary has had the effect at
// the destination that rule and versioning promise, or until enough has been
// copied since to know that it has none. [fact 13]
func awaitDeletion(j *Job, v View) Step {
	p := j.Verification
	gone := v.Seen.Canary.Is != Exists
	goes := j.Versioned || j.Request.ReplicateDeletes
	switch {
	case goes && !gone:
		return underway(j, ReasonDeletionDiffers, "the deletion of "+p.Key, v)
	case !goes && gone:
		return fail(j, ReasonDeletionDiffers, fmt.Sprintf("%s was deleted at the destination although the rule does not replicate deletions", p.Key), v)
	case goes && j.Versioned:
		p.Deletion = "the delete marker arrived and hides the copy"
	case goes:
		p.Deletion = "the deletion removed the copy"
	default:
		// Nothing tells that something will not come. The watermark past the
		// deletion says so; on an idle bucket it may stand still, then time does.
		past := v.Seen.Progress.Watermark.After(p.Written)
		enough := max(settle, time.Duration(3*p.Seconds*float64(time.Second)))
		if quiet := p.Written.Add(v.after(enough).Sub(v.Now)); !past && v.Now.Before(quiet) {
			return wait(j, ReasonCanaryUnderway, "whether the deletion of "+p.Key+" stays at the source", pause(p.Written, v))
		}
		p.Deletion = "the deletion stayed at the source"
	}
	if p.OutsideKey == "" {
		advance(p, StepCleanUp, v)
	} else {
		advance(p, StepScope, v)
	}
	return again(j)
}

func checkScope(j *Job, v View) Step {
	p := j.Verification
	if v.Seen.Outside.Is == Exists {
		j.Ending = &Ending{Phase: PhaseFailed, Reason: ReasonOutOfScope, Message: fmt.Sprintf("%s arrived although no prefix of the rule matches it", p.OutsideKey)}
		return next(j, PhaseUndoing, v)
	}
	advance(p, StepCleanUp, v)
	return again(j)
}

func cleanUp(j *Job, _ View) Step {
	keys := []string{j.Verification.Key}
	if k := j.Verification.OutsideKey; k != "" {
		keys = append(keys, k)
	}
	return Step{Effect: &Effect{Kind: EffectCleanUp, Keys: keys}}
}

// again decides anew in the same phase, with nothing seen.
func again(j *Job) Step { return Step{Next: j.Phase} }

func differs(j *Job, original, copied ObjectSeen, v View) Step {
	return fail(j, ReasonCanaryDiffers, fmt.Sprintf("%s arrived with crc64 %s, %d bytes and %d metadata entries; written were crc64 %s, %d bytes and %d metadata entries",
		j.Verification.Key, copied.CRC64, copied.Size, len(copied.Meta), original.CRC64, original.Size, len(original.Meta)), v)
}

// underway waits for something that is on its way; late, it looks for the cause.
func underway(j *Job, lost Reason, what string, v View) Step {
	p := j.Verification
	waited := v.Now.Sub(p.Written)
	if waited < CanaryLate {
		return wait(j, ReasonCanaryUnderway, what+" is on its way", pause(p.Written, v))
	}
	if !v.Seen.Has(causes) {
		return Step{Look: causes}
	}
	cause, message := causeOf(j, v.Seen)
	if cause != ReasonRuleVanished {
		j.Rule.Gone = time.Time{}
	}
	switch {
	case cause == ReasonRuleVanished:
		return vanished(j, v)
	case waited >= CanaryLost:
		if message == "" {
			message = "no check names a cause"
		}
		return fail(j, lost, fmt.Sprintf("%s has not arrived within %s; %s", what, CanaryLost, message), v)
	case cause == ReasonStarting:
		return wait(j, cause, message, v.after(startEvery))
	case cause != "":
		return block(j, cause, fmt.Sprintf("%s has not arrived after %s; %s", what, CanaryLate, message), v)
	}
	if !p.ReportedLate {
		p.ReportedLate = true
		j.emit(EventBlocked, ReasonCanaryLate, fmt.Sprintf("%s has not arrived after %s; no check names a cause", what, CanaryLate), v.Now)
	}
	j.Block = nil
	return wait(j, ReasonCanaryLate, what+" is late; no check names a cause", pause(p.Written, v))
}

// awaitWatermark waits until the watermark has moved: all the evidence there is
// without objects of our own.
func awaitWatermark(j *Job, v View) Step {
	p, g := j.Verification, v.Seen.Progress
	if g.Is == Missing || g.Status == RuleClosing {
		return vanished(j, v)
	}
	j.Rule.Gone = time.Time{}
	if p.Written.IsZero() {
		p.Written = v.Now
	}
	switch {
	case p.Watermark.IsZero() && !g.Watermark.IsZero():
		p.Watermark = g.Watermark
	case g.Watermark.After(p.Watermark) && !p.Watermark.IsZero():
		j.Evidence = &Evidence{By: "watermark", At: v.Now, Watermark: g.Watermark}
		return verified(j, ReasonVerifiedNoCanary, v)
	}
	waited := v.Now.Sub(p.Written)
	if waited < CanaryLate {
		return wait(j, ReasonCanaryUnderway, "the watermark is waited for; the ticket declined the canary", pause(p.Written, v))
	}
	if !v.Seen.Has(causes) {
		return Step{Look: causes}
	}
	cause, message := causeOf(j, v.Seen)
	switch {
	case cause == ReasonRuleVanished:
		return vanished(j, v)
	case cause == "":
		cause, message = ReasonWatermarkStands, "the watermark has not moved for "+CanaryLate.String()
	}
	return block(j, cause, message, v)
}

// conclude writes the evidence when the objects of our own are cleaned up.
func conclude(j *Job, o Outcome, v View) {
	p := j.Verification
	e := &Evidence{By: "canary", At: v.Now, Key: p.Key, CRC64: p.First.CRC64, Seconds: p.Seconds, OverwriteSeconds: p.Overwrite, Deletion: p.Deletion}
	e.Outside = "not checked: every key is in scope"
	if p.OutsideKey != "" {
		e.Outside = p.OutsideKey + " did not arrive"
	}
	for _, k := range o.LeftOver {
		e.LeftBehind = append(e.LeftBehind, j.Request.Source.Bucket+"/"+k)
	}
	// Nothing is deleted at the destination but by the rule itself.
	if !j.Request.ReplicateDeletes {
		at := j.Request.Destination.Bucket + "/" + p.Key
		if j.Versioned {
			at += " (two versions behind a delete marker)"
		}
		e.LeftBehind = append(e.LeftBehind, at)
	}
	j.Evidence = e
}

// verified hands the pair to the watch. After a take-over the rule is looked at
// once more.
func verified(j *Job, r Reason, v View) Step {
	if j.TakenOver {
		if !v.Seen.Has(LookRules) {
			return Step{Look: LookRules}
		}
		g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
		if !ok || g.Status == RuleClosing {
			return vanished(j, v)
		}
		if d := RuleFor(j.Request).Differences(g); len(d) > 0 {
			j.Ending = &Ending{Phase: PhaseFailed, Reason: ReasonRuleDiffers, Message: fmt.Sprintf("rule %s is not the one that was asked for: %s", g.ID, strings.Join(d, "; "))}
			return next(j, PhaseUndoing, v)
		}
	}
	j.enter(PhaseWatching, v.Now)
	j.Block, j.Failures, j.Unsure = nil, 0, false
	j.Reason, j.Message = r, r.Meaning()
	j.emit(EventVerified, r, r.Meaning(), v.Now)
	return Step{Next: PhaseWatching}
}
