package watch

import (
	"math"
	"slices"
	"time"
)

// Of the backfill.
const (
	// whole is the Part of a finished backfill.
	whole = 10_000
	// windowMarks is how many marks the window holds.
	windowMarks = 5
	// markEvery is how far apart marks are kept, at least. The recent speed is that
	// of the last half hour or, when the figure moves in larger steps than that,
	// of the last four steps.
	markEvery = 10 * time.Minute
	// minObserved is how long the backfill must have been seen to move before a
	// speed is taken from it.
	minObserved = 10 * time.Minute
	// StallAfter is how long the figure may stand still below 1. It has been seen
	// with two decimals [fact 11], and one hundredth of a backfill of a month takes
	// seven hours: when the steps that were seen are longer than a third of this,
	// three of them count.
	StallAfter = 6 * time.Hour
	// farthest is how far ahead an expected end is given at most.
	farthest = 100 * 365 * 24 * time.Hour
)

// advance takes a reported fraction into the window. The last mark is always the
// newest value, at the time when it was first seen.
func advance(w []Mark, fraction float64, now time.Time) []Mark {
	if math.IsNaN(fraction) {
		return w
	}
	// The small summand makes up for fractions such as 0.29 that binary numbers
	// miss from below; what is less than the whole stays less.
	part := int64(math.Floor(min(max(fraction, 0), 1)*whole + 1e-6))
	if fraction < 1 {
		part = min(part, whole-1)
	}
	m := Mark{At(now), part}
	n := len(w)
	switch {
	case n == 0 || part < w[n-1].Part: // begun, or counted anew
		return []Mark{m}
	case part == w[n-1].Part:
		return w
	case n >= 2 && w[n-1].At < w[n-2].At.Add(markEvery):
		w = slices.Clone(w)
		w[n-1] = m
		return w
	}
	w = append(slices.Clone(w), m)
	return w[max(0, len(w)-windowMarks):]
}

// last returns the newest mark; ok is false when no fraction was ever reported.
func (p Pair) last() (m Mark, ok bool) {
	if len(p.Window) == 0 {
		return Mark{}, false
	}
	return p.Window[len(p.Window)-1], true
}

// done reports whether the backfill is complete.
func (p Pair) done() bool {
	m, ok := p.last()
	return ok && m.Part >= whole
}

// speed returns the recent speed of the backfill in ten-thousandths a second, or 0
// when it is not known.
func (p Pair) speed(now time.Time) float64 {
	w := p.Window
	if len(w) < 2 {
		return 0
	}
	first, last := w[0], w[len(w)-1]
	gained, step := float64(last.Part-first.Part), float64(whole)
	for i := range w[1:] {
		step = min(step, float64(w[i+1].Part-w[i].Part))
	}
	seen := float64(At(now) - first.At)
	if seen < minObserved.Seconds() || last.At <= first.At {
		return 0
	}
	// Since the last mark less than one more step was done.
	return min(gained/float64(last.At-first.At), (gained+step)/seen)
}

// eta returns when the backfill will be done at its recent speed. ok is false when
// the speed is not known.
func (p Pair) eta(now time.Time) (at time.Time, ok bool) {
	m, known := p.last()
	if !known {
		return time.Time{}, false
	}
	if p.done() {
		return m.At.Time(), true
	}
	v := p.speed(now)
	if v <= 0 {
		return time.Time{}, false
	}
	seconds := min(float64(whole-m.Part)/v, farthest.Seconds())
	at = m.At.Time().Add(time.Duration(seconds) * time.Second)
	if at.Before(now) {
		at = now
	}
	return at, true
}

// still returns how long the backfill has not moved, and how long it may.
func (p Pair) still(now time.Time) (since Moment, allowed time.Duration) {
	since, allowed = p.Since, StallAfter
	if m, ok := p.last(); ok {
		since = m.At
		if n := len(p.Window) - 1; n > 0 {
			step := time.Duration(m.At-p.Window[0].At) * time.Second / time.Duration(n)
			allowed = max(allowed, 3*step)
		}
	}
	return since, allowed
}
