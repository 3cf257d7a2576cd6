package replication

import "time"

// More is what a plan shows beyond what jobs decide by. A nil part was not looked at.
type More struct {
	SourceLifecycle, DestinationLifecycle *LifecycleSeen
	SameNames                             *SameNamesSeen
}

// A MoreLooks says what of that is worth a look.
type MoreLooks struct {
	Lifecycles bool
	SameNames  bool
}

// SurveyMore returns what a plan of r shows beyond s, which is all that preflight
// looks at. Jobs never look at it. A pair that is refused needs no more, but for one
// that is refused because of what it would overwrite: that is then named.
func SurveyMore(r Request, d Desk, s Seen, now time.Time) MoreLooks {
	full := !r.adopts() && s.DestinationEmpty != nil && !*s.DestinationEmpty && *r.Historical.Replicate
	j := NewJob(r, now)
	for range table {
		step := Row(j.Phase).Decide(j, View{Now: now, Desk: d, Seen: s})
		switch {
		case j.Reason == ReasonOverwrite:
			return MoreLooks{SameNames: full}
		case step.Effect != nil, !step.Wait.IsZero():
			return MoreLooks{Lifecycles: true, SameNames: full}
		case step.Look != 0, step.Next == "", Row(j.Phase).Decide == nil:
			return MoreLooks{}
		}
	}
	return MoreLooks{}
}
