package replication

import (
	"fmt"
	"slices"
	"time"
)

// A rule cannot be changed, so a replacement takes the old one down and makes another.
// [fact 2] Between the two nothing is copied: that time is the gap, and what was
// written in it is looked for at the end.

// A Gap is the time in which no rule copied, and what became of what was written then.
type Gap struct {
	// From is when the newest object was written that the old rule is known to have
	// copied; without a watermark the time of the order.
	From  time.Time `json:"from"`
	Ended time.Time `json:"ended,omitzero"` // when the old ticket was taken down
	To    time.Time `json:"to,omitzero"`    // when the new rule was seen to be live

	Copied time.Time `json:"copied,omitzero"` // when the historical copy was complete
	// Unlisted: the destination cannot be listed, so of what was written it is not known
	// what has its copy.
	Unlisted bool `json:"unlisted,omitempty"`

	Cursor  GapCursor  `json:"cursor,omitzero"`  // how far the comparison has come
	Found   GapFigures `json:"found"`            // of the comparison so far
	Checked time.Time  `json:"checked,omitzero"` // when the last one was complete
	Last    GapFigures `json:"last"`             // of that
}

// A GapCursor is a place in the listing of a scope.
type GapCursor struct {
	Prefix int    `json:"prefix,omitempty"` // index among the prefixes of the rule
	After  string `json:"after,omitempty"`  // the last key that was compared
	Pages  int    `json:"pages,omitempty"`  // how many were compared
}

// GapFigures are what a comparison found.
type GapFigures struct {
	Looked   int      `json:"looked"`  // objects of the source in the scope
	Written  int      `json:"written"` // of these, how many were written in the gap
	Missing  int      `json:"missing"` // of these, how many have no equal copy; all of them when the destination cannot be listed
	Examples []string `json:"examples,omitempty"`
}

// A GapSeen is one page of the comparison.
type GapSeen struct {
	GapFigures
	Next GapCursor
	Done bool // there are no more pages
}

// mostMissing is how many objects without a copy are named.
const mostMissing = 5

func (f *GapFigures) add(o GapFigures) {
	f.Looked += o.Looked
	f.Written += o.Written
	f.Missing += o.Missing
	f.Examples = append(slices.Clone(f.Examples), o.Examples...)
	f.Examples = f.Examples[:min(len(f.Examples), mostMissing)]
}

// replaces reports whether the ticket takes the place of another one.
func (r Request) replaces() bool { return r.Action == ActionReplace }

// validateReplace refuses a replacement of nothing, and one whose gap could not be checked.
func validateReplace(p *Problems, r Request, d Desk) {
	if !r.replaces() {
		return
	}
	validateTarget(p, r)
	validateGap(p, r, d)
}

// refusedBeforehand looks at everything that preflight does, as if the pair were free
// already: a replacement that would be refused must not cost the old rule. ok means
// that it would not be; otherwise the step says what to look at, or ends the job.
func refusedBeforehand(j *Job, v View) (s Step, ok bool) {
	if v.Seen.Rules != nil {
		to := j.Request.Destination.Bucket
		v.Seen.Rules = &RulesSeen{Rules: slices.DeleteFunc(slices.Clone(v.Seen.Rules.Rules), func(g RuleSeen) bool { return g.Destination == to })}
	}
	c := j.Clone()
	c.Last = nil
	s = decidePreflight(c, v)
	if s.Effect != nil {
		return s, true
	}
	if s.Look == 0 {
		c.Last = j.Last
		*j = *c
	}
	return s, false
}

// orderReplacement orders the old ticket to be taken down, when the new one would go
// through, and notes from when on something can be missing.
func orderReplacement(j *Job, t TargetSeen, o Order, v View) Step {
	if s, ok := refusedBeforehand(j, v); !ok {
		return s
	}
	from := v.Now
	if t.Rule != "" {
		if !v.Seen.Has(LookProgress) {
			return Step{Look: LookProgress}
		}
		switch w := v.Seen.Progress.Watermark; {
		case !w.IsZero():
			from = w
		case !t.Proven.IsZero(): // its rule is gone, nobody knows since when
			from = t.Proven
		}
	}
	if s, ok := grantedBeforehand(j, v); !ok {
		return s
	}
	if j.Gap == nil {
		j.Gap = &Gap{From: from}
	}
	return Step{Effect: &Effect{Kind: EffectOrder, Order: &o}}
}

// afterTarget goes on with the new rule when the old ticket was taken down.
func afterTarget(j *Job, v View) Step {
	if j.Gap == nil {
		j.Gap = &Gap{From: v.Now}
	}
	j.Gap.Ended, j.Last = v.Now, nil
	return next(j, PhasePreflight, v)
}

const (
	// gapPages is how many pages are compared before the place is saved.
	gapPages = 8
	// gapSettles is how long what was written just before the new rule was live may be
	// under way, when the watermark does not tell.
	gapSettles = CanaryLate
)

// decideBridging looks for copies of what was written in the gap. The pair is proven
// and watched all the while.
func decideBridging(j *Job, v View) Step {
	g := j.Gap
	if g == nil { // a job of a broken program
		return bridged(j, v)
	}
	if g.Copied.IsZero() {
		g.To = j.Rule.Live
		if s, busy := awaitCopy(j, v); busy {
			return s
		}
		g.Copied, g.Unlisted = v.Now, v.Desk.Handshake(j.Request) // by hand nobody lets us list
		return again(j)                                           // the comparison is made of what is known now
	}
	if g.uncompared(j.Request) != "" {
		return bridged(j, v)
	}
	if !v.Seen.Has(LookGap) {
		return Step{Look: LookGap}
	}
	page := *v.Seen.Gap
	g.Found.add(page.GapFigures)
	g.Cursor = page.Next
	switch {
	case !page.Done && g.Found.Looked > 0 && g.Cursor.Pages%gapPages == 0:
		return hold(j, ReasonGapChecked, fmt.Sprintf("%s compared so far", count(g.Found.Looked, "object")), v.after(time.Second))
	case !page.Done:
		return again(j)
	}
	g.Checked, g.Last, g.Found, g.Cursor = v.Now, g.Found, GapFigures{}, GapCursor{}
	if g.Last.Missing == 0 || j.Request.AcceptGap {
		return bridged(j, v)
	}
	return block(j, ReasonGapMissing, g.missing(j.Request), v)
}

// awaitCopy waits until the new rule had its time with what was written in the gap:
// with a historical copy until that is complete, without one until the watermark has
// passed the gap, or half an hour.
func awaitCopy(j *Job, v View) (s Step, busy bool) {
	if !v.Seen.Has(LookProgress) {
		return Step{Look: LookProgress}, true
	}
	p, g := v.Seen.Progress, j.Gap
	switch {
	case p.Is == Missing, p.Status == RuleClosing:
		return unbridged(j, ReasonRuleVanished, fmt.Sprintf("rule %s is not there any more, or is being removed", j.Rule.ID), v), true
	case *j.Request.Historical.Replicate && (p.Historical == nil || *p.Historical < 1):
		done := 0.0
		if p.Historical != nil {
			done = *p.Historical
		}
		return wait(j, ReasonGapCopy, fmt.Sprintf("the historical copy, which brings what was written between the two rules, is at %.0f %%", 100*done), v.growing(j.Since, startEvery, time.Hour)), true
	case !*j.Request.Historical.Replicate && p.Watermark.Before(g.To) && v.Now.Sub(g.To) < gapSettles:
		return wait(j, ReasonGapCopy, "what was written just before the new rule was live may be under way", v.growing(g.To, canaryMin, slowest, g.To.Add(gapSettles))), true
	}
	return Step{}, false
}

func settleBridging(*Job, Outcome, View) {}

// bounds words the gap.
func (g Gap) bounds() string {
	return fmt.Sprintf("from %s to %s", g.From.UTC().Format(time.RFC3339), g.To.UTC().Format(time.RFC3339))
}

// bridged ends the comparison: the ticket has done its work.
func bridged(j *Job, v View) Step {
	reason, message := ReasonGapClosed, ReasonGapClosed.Meaning()
	switch g := j.Gap; {
	case g == nil:
	case g.uncompared(j.Request) != "":
		reason, message = ReasonGapUncompared, g.uncompared(j.Request)
	case g.Last.Missing > 0:
		reason, message = ReasonGapAccepted, g.missing(j.Request)
	case g.Last.Written == 0:
		message = fmt.Sprintf("nothing was written %s, between the two rules", g.bounds())
	default:
		message = fmt.Sprintf("%s written %s, between the two rules; each has an equal copy", count(g.Last.Written, "object"), g.bounds())
	}
	s := next(j, PhaseWatching, v)
	j.Reason, j.Message = reason, message
	j.emit(EventCompleted, reason, message, v.Now)
	return s
}

// takenDownForIt says in an end of a replacement what became of the old rule, unless
// the new one stands or was proven.
func (j *Job) takenDownForIt(p Phase, r Reason) string {
	proven := j.RuleStands() || p == PhaseStopped && j.Evidence != nil
	switch g := j.Gap; {
	case g == nil || proven:
		return ""
	case g.Ended.IsZero():
		return fmt.Sprintf("; ticket %s was ordered down for it, and that stays so: it has to be seen whether anything replicates the pair now", j.Request.Target)
	case r == ReasonPairDiffers || r == ReasonPairOwned || r == ReasonDuplicate || r == ReasonRuleExists:
		return fmt.Sprintf("; ticket %s was taken down for it", j.Request.Target)
	}
	return fmt.Sprintf("; ticket %s was taken down for it, so nothing replicates the pair now", j.Request.Target)
}

// unbridged gives the comparison up. The new rule is proven, and the pair is watched
// all the same.
func unbridged(j *Job, r Reason, message string, v View) Step {
	j.Crashes = 0
	s := next(j, PhaseWatching, v)
	j.Reason, j.Message = ReasonGapOpen, fmt.Sprintf("%s: %s", r, message)
	j.emit(EventFailed, j.Reason, j.Message, v.Now)
	return s
}

// takeTargetDown lets the old ticket of a replacement be gone, in a plan.
func (w *walk) takeTargetDown() *TargetSeen {
	to := w.job.Request.Destination.Bucket
	t := &TargetSeen{Rev: 1, Phase: PhaseStopped, AtRest: true, Message: ReasonStopped.Meaning()}
	s := &w.survey.Seen
	s.Target, s.Owner = t, &OwnerSeen{}
	if s.Rules != nil {
		s.Rules = &RulesSeen{Rules: slices.DeleteFunc(slices.Clone(s.Rules.Rules), func(g RuleSeen) bool { return g.Destination == to })}
	}
	return t
}

// afterPhase returns the phase that usually follows another one of this job, or "".
func (j *Job) afterPhase(p Phase) Phase {
	switch {
	case j.Request.replaces() && p == PhaseAwaiting:
		return PhasePreflight
	case p == PhaseRetrying && !(j.Request.replaces() && j.Gap == nil):
		return PhasePreflight
	}
	return j.following(p)
}
