package replication

import (
	"fmt"
	"strings"
	"time"
)

// A proofRow is one step of the proof.
type proofRow struct {
	look Look // read before deciding
	do   func(j *Job, v View) Step
}

// proof has a row for each step. A step is done when it calls advance.
var proof = map[VerifyStep]proofRow{
	StepPut:       {0, writeFirst},
	StepOutside:   {0, func(j *Job, _ View) Step { return object(EffectPutOutside, j.outside()) }},
	StepUntagged:  {0, func(j *Job, _ View) Step { return object(EffectPutUntagged, j.untagged()) }},
	StepArrive:    {LookCanary, awaitFirst},
	StepOverwrite: {0, func(j *Job, _ View) Step { return object(EffectOverwrite, j.canary(2)) }},
	StepArrive2:   {LookCanary, awaitSecond},
	StepDelete:    {0, func(j *Job, _ View) Step { return object(EffectDelete, Canary{Key: j.Verification.Key}) }},
	StepDeleted:   {LookCanary | LookProgress, awaitDeletion},
	StepScope:     {0, checkScope},
	StepCleanUp: {0, func(j *Job, _ View) Step {
		return Step{Effect: &Effect{Kind: EffectCleanUp, Keys: j.Verification.keys()}}
	}},
	StepWatermark: {LookProgress, awaitWatermark},
}

func object(k EffectKind, c Canary) Step { return Step{Effect: &Effect{Kind: k, Object: &c}} }

func writeFirst(j *Job, _ View) Step {
	j.Verification.Begun = true
	return object(EffectPutCanary, j.canary(1))
}

// keys returns the keys of the objects of our own at the source.
func (p *Verification) keys() []string {
	keys := []string{p.Key}
	for _, k := range []string{p.OutsideKey, p.UntaggedKey} {
		if k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}

// afterPut returns the step after a write: one for each object that must not
// arrive, and then the canary is waited for.
func (p *Verification) afterPut(k EffectKind) VerifyStep {
	switch {
	case k == EffectPutCanary && p.OutsideKey != "":
		return StepOutside
	case k != EffectPutUntagged && p.UntaggedKey != "":
		return StepUntagged
	}
	return StepArrive
}

// decideVerifying carries the proof one step further.
func decideVerifying(j *Job, v View) Step {
	if j.Verification == nil {
		j.Verification = &Verification{Since: v.Now, Step: StepWatermark}
		if j.Request.Verify.Canary {
			p := j.Verification
			p.Step, p.Key, p.OutsideKey, p.UntaggedKey = StepPut, CanaryKey(j.Request), OutsideKey(j.Request), UntaggedKey(j.Request)
		}
	}
	if j.Evidence != nil {
		return verified(j, v)
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
	p := j.Verification
	switch o.Effect {
	case EffectPutCanary:
		p.First, p.Written = stored(o.Object, j.canary(1)), v.Now
		advance(p, p.afterPut(o.Effect), v)
	case EffectPutOutside, EffectPutUntagged:
		p.Strays = v.Now
		advance(p, p.afterPut(o.Effect), v)
	case EffectOverwrite:
		p.Second, p.Written = stored(o.Object, j.canary(2)), v.Now
		advance(p, StepArrive2, v)
	case EffectDelete:
		p.Written = v.Now
		advance(p, StepDeleted, v)
	case EffectCleanUp:
		conclude(j, o.LeftOver, v)
	}
}

func advance(p *Verification, s VerifyStep, v View) {
	p.Step, p.Since, p.ReportedLate = s, v.Now, false
}

// pause returns when to look again for what was written last: not past the time
// at which it is late, or lost.
func (p *Verification) pause(v View) time.Time {
	return v.growing(p.Written, canaryMin, slowest, p.Written.Add(CanaryLate), p.Written.Add(CanaryLost))
}

func awaitFirst(j *Job, v View) Step {
	p, c := j.Verification, v.Seen.Canary
	switch {
	case c.Is == Foreign && v.Desk.Handshake(j.Request):
		return awaitUnseen(j, v)
	case c.Is != Exists:
		return underway(j, ReasonCanaryLost, "the canary "+p.Key, v)
	case !copyOf(*p.First, *c):
		return underway(j, ReasonCanaryLost, "the canary "+p.Key+" (another object stands under its key)", v)
	}
	if d := copyDiffers(*p.First, *c); d != "" {
		return fail(j, ReasonCanaryDiffers, fmt.Sprintf("%s arrived, but %s", p.Key, d), v)
	}
	if d := keyDiffers(j.Request, *c); d != "" {
		return undo(j, ReasonCanaryKey, fmt.Sprintf("%s arrived, but %s", p.Key, d), v)
	}
	p.Encryption = encryptedAs(j.Request, *c)
	p.Seconds = v.Now.Sub(p.Written).Seconds()
	advance(p, StepOverwrite, v)
	return again(j)
}

func awaitSecond(j *Job, v View) Step {
	p, c := j.Verification, v.Seen.Canary
	if c.Is != Exists || copyDiffers(*p.First, *c) == "" || !copyOf(*p.Second, *c) {
		return underway(j, ReasonCanaryLost, "the overwritten canary "+p.Key, v)
	}
	if d := copyDiffers(*p.Second, *c); d != "" {
		return fail(j, ReasonCanaryDiffers, fmt.Sprintf("%s was overwritten, but %s", p.Key, d), v)
	}
	p.Overwrite = v.Now.Sub(p.Written).Seconds()
	advance(p, StepDelete, v)
	return again(j)
}

// deletionGoes reports whether the rule is to replicate a plain delete. A delete
// marker has no tags, so with a tag filter none is expected. [fact 13] [fact 47]
func (j *Job) deletionGoes() bool {
	return j.Versioned && j.Request.Objects.Tags == nil || j.Request.ReplicateDeletes
}

// awaitDeletion waits until the plain delete of the canary has had the effect at
// the destination that rule and versioning promise, or until enough has been
// copied since to know that it has none. [fact 13]
//
// Whether a tag filter keeps delete markers from going is not certain, so one that
// comes all the same is no fault. [fact 47]
func awaitDeletion(j *Job, v View) Step {
	p, c, g := j.Verification, v.Seen.Canary, v.Seen.Progress
	gone := c.Is == Missing
	goes := j.deletionGoes()
	if g.Is == Missing || g.Status == RuleClosing { // without the rule nothing follows from what is seen
		return vanished(j, v)
	}
	j.Rule.Gone = time.Time{}
	switch {
	case c.Is == Foreign, goes && !gone:
		return underway(j, ReasonDeletionDiffers, "the deletion of "+p.Key, v)
	case !goes && gone && !(j.Versioned && c.Hidden):
		return fail(j, ReasonDeletionDiffers, fmt.Sprintf("%s was deleted at the destination although the rule does not replicate deletions", p.Key), v)
	case c.Hidden:
		p.Deletion = deletionHides
	case goes:
		p.Deletion = "the deletion removed the copy"
	default:
		// Nothing tells that something will not come. The watermark past the
		// deletion says so; on an idle bucket it may stand still, then time does.
		enough := max(settle, time.Duration(3*p.Seconds*float64(time.Second)))
		if quiet := p.Written.Add(v.paced(enough)); !g.Watermark.After(p.Written) && v.Now.Before(quiet) {
			return wait(j, ReasonCanaryUnderway, "whether the deletion of "+p.Key+" stays at the source", v.by(p.pause(v), quiet))
		}
		p.Deletion, p.Quiet = "the deletion stayed at the source", true
	}
	advance(p, StepScope, v)
	return again(j)
}

// deletionHides is what a delete marker that was replicated does.
const deletionHides = "the delete marker arrived and hides the copy"

// checkScope looks whether anything arrived that must not.
func checkScope(j *Job, v View) Step {
	p := j.Verification
	var l Look
	if p.OutsideKey != "" {
		l |= LookOutside
	}
	if p.UntaggedKey != "" {
		l |= LookUntagged
	}
	// What does not arrive is believed when the watermark has passed it, or time has.
	quiet := p.Strays.Add(v.paced(settle))
	early := l != 0 && !p.Quiet && v.Now.Before(quiet)
	if early {
		l |= LookProgress
	}
	switch {
	case !v.Seen.Has(l):
		return Step{Look: l}
	case p.OutsideKey != "" && j.strayed(v.Seen.Outside):
		return undo(j, ReasonOutOfScope, fmt.Sprintf("%s arrived although no prefix of the rule matches it", p.OutsideKey), v)
	case p.UntaggedKey != "" && j.strayed(v.Seen.Untagged):
		return undo(j, ReasonOutOfScope, fmt.Sprintf("%s arrived although it has none of the tags of the rule", p.UntaggedKey), v)
	case early && !v.Seen.Progress.Watermark.After(p.Strays):
		return wait(j, ReasonCanaryUnderway, "whether what lies outside the scope stays at the source", v.by(p.pause(v), quiet))
	}
	advance(p, StepCleanUp, v)
	return again(j)
}

// again decides anew in the same phase, with nothing seen.
func again(j *Job) Step { return Step{Next: j.Phase} }

// underway waits for something that is on its way; late, it looks for the cause.
func underway(j *Job, lost Reason, what string, v View) Step {
	p := j.Verification
	waited := v.Now.Sub(p.Written)
	if waited < CanaryLate {
		j.Rule.Gone = time.Time{}
		return wait(j, ReasonCanaryUnderway, what+" is on its way", p.pause(v))
	}
	if l := j.causes(); !v.Seen.Has(l) {
		return Step{Look: l}
	}
	cause, message := causeOf(j, v.Seen)
	if cause == ReasonRuleVanished {
		return vanished(j, v)
	}
	j.Rule.Gone = time.Time{}
	if limit := j.lostAfter(cause); waited >= limit {
		return fail(j, lost, fmt.Sprintf("%s has not arrived within %s; %s", what, shortDuration(limit), j.orNone(cause, message)), v)
	}
	late := fmt.Sprintf("%s has not arrived after %s; %s", what, shortDuration(CanaryLate), j.orNone(cause, message))
	switch cause {
	case "":
		if !p.ReportedLate {
			p.ReportedLate = true
			j.emit(EventBlocked, ReasonCanaryLate, late, v.Now)
		}
		return wait(j, ReasonCanaryLate, late, p.pause(v))
	case ReasonStarting: // nobody has to do anything about it
		return wait(j, cause, late, p.pause(v))
	}
	s := block(j, cause, late, v)
	if j.Block != nil {
		j.Block.Next = v.by(j.Block.Next, p.Written.Add(j.lostAfter(cause)))
	}
	return s
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
	case p.Watermark.IsZero():
		p.Watermark = g.Watermark
		// A rule that others made has copied before we came, if all that was written
		// until a moment ago is there.
		if j.Request.adopts() && !g.Watermark.IsZero() && v.Now.Sub(g.Watermark) <= j.Request.MaxLag() {
			j.Evidence = &Evidence{By: "watermark", At: v.Now, Watermark: g.Watermark}
			return verified(j, v)
		}
	case g.Watermark.After(p.Watermark):
		j.Evidence = &Evidence{By: "watermark", At: v.Now, WatermarkBefore: p.Watermark, Watermark: g.Watermark}
		return verified(j, v)
	}
	if v.Now.Sub(p.Written) < CanaryLate {
		return wait(j, ReasonCanaryUnderway, "the watermark is waited for; the ticket declined the canary", p.pause(v))
	}
	if l := j.causes(); !v.Seen.Has(l) {
		return Step{Look: l}
	}
	stands := "the watermark has not moved for " + shortDuration(CanaryLate)
	switch cause, message := causeOf(j, v.Seen); cause {
	case ReasonStarting:
		return wait(j, cause, stands+"; "+message, p.pause(v))
	case "":
		return block(j, ReasonWatermarkStands, stands+"; "+j.orNone(cause, message), v)
	default:
		return block(j, cause, stands+"; "+message, v)
	}
}

// conclude writes the evidence when the objects of our own are cleaned up but for
// the keys left at the source.
func conclude(j *Job, left []string, v View) {
	p := j.Verification
	if p.Unseen {
		concludeUnseen(j, left, v)
		return
	}
	e := &Evidence{By: "canary", At: v.Now, Encryption: p.Encryption, Key: p.Key, CRC64: p.First.CRC64, Seconds: p.Seconds, OverwriteSeconds: p.Overwrite, Deletion: p.Deletion}
	e.Outside = "not checked: every key is in scope"
	if len(j.Request.Objects.Prefixes) > 0 {
		e.Outside = "not checked: no key near the prefixes is outside them"
	}
	if p.OutsideKey != "" {
		e.Outside = p.OutsideKey + " did not arrive"
	}
	if p.UntaggedKey != "" {
		e.Untagged = p.UntaggedKey + " did not arrive"
	}
	for _, k := range left {
		e.LeftBehind = append(e.LeftBehind, j.Request.Source.Bucket+"/"+k)
	}
	// Nothing is deleted at the destination but by the rule itself. [fact 13]
	at := j.Request.Destination.Bucket + "/" + p.Key
	switch {
	case j.Versioned && j.Request.Objects.Tags != nil && p.Deletion != deletionHides:
		e.LeftBehind = append(e.LeftBehind, at+" (its versions)")
	case j.Versioned && (!j.Request.ReplicateDeletes || len(left) > 0):
		e.LeftBehind = append(e.LeftBehind, at+" (its versions behind a delete marker)")
	case !j.Versioned && !j.Request.ReplicateDeletes:
		e.LeftBehind = append(e.LeftBehind, at)
	}
	j.Evidence = e
}

// verified hands the pair to the watch. After a take-over the rule is looked at
// once more.
func verified(j *Job, v View) Step {
	if j.TakenOver {
		if !v.Seen.Has(LookRules) {
			return Step{Look: LookRules}
		}
		g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
		if !ok || g.Status == RuleClosing {
			return vanished(j, v)
		}
		if d := j.differences(g); len(d) > 0 {
			return undo(j, ReasonRuleDiffers, fmt.Sprintf("rule %s is not the one that was asked for: %s", g.ID, strings.Join(d, "; ")), v)
		}
	}
	reason := ReasonVerified
	switch {
	case j.Evidence.Unseen:
		reason = ReasonVerifiedUnseen
	case j.Evidence.By != "watermark":
	case j.Evidence.WatermarkBefore.IsZero():
		reason = ReasonAdopted
	default:
		reason = ReasonVerifiedNoCanary
	}
	message := reason.Meaning()
	if a := j.Access; a != nil && a.Declared != nil {
		j.Evidence.Declared = a.Declared
		message += "; declared by the ticket and seen by nobody: " + strings.Join(j.Evidence.Declared, ", ")
	}
	if left := j.Evidence.LeftBehind; len(left) > 0 {
		message += "; left behind: " + strings.Join(left, ", ")
	}
	for _, r := range j.Risks {
		message += "; beware: " + r.Message
	}
	if w := j.warning(); w != "" {
		message += "; " + w
	}
	p := PhaseWatching
	if j.Gap != nil {
		p = PhaseBridging
	}
	next(j, p, v)
	j.Reason, j.Message = reason, message
	j.emit(EventVerified, reason, message, v.Now)
	return Step{Next: p}
}
