package world

import (
	"strconv"
	"time"
)

// The figures of a rule are renewed at fixed intervals from the moment it is in
// force. Nothing runs for that: figures of the last interval are worked out before
// the first change after it, which gives the same numbers, and by every call into
// the world, because a call may change who may do what.

// refresh is the interval at which figures are renewed.
func (w *World) refresh() time.Duration { return max(w.scale(w.opt.Delays.ProgressRefresh), 1) }

// settleAll brings the figures of all rules up to the last renewal before now.
func (w *World) settleAll(now time.Time) {
	if w.repl.settleAt.IsZero() || now.Before(w.repl.settleAt) {
		return
	}
	w.repl.settleAt = time.Time{}
	for _, r := range w.repl.rules {
		if r.Status != RuleDoing || !w.stands(r) {
			continue
		}
		w.settle(r, now)
		if w.repl.settleAt.IsZero() || r.run.renewAt.Before(w.repl.settleAt) {
			w.repl.settleAt = r.run.renewAt
		}
	}
}

// settle brings the figures of a rule up to the last renewal at or before now. It
// is called before anything that the figures depend on changes.
func (w *World) settle(r *Rule, now time.Time) {
	run := r.run
	if r.Status != RuleDoing || now.Before(run.renewAt) {
		return
	}
	every := w.refresh()
	renewed := run.renewAt.Add(now.Sub(run.renewAt) / every * every)
	run.renewAt = renewed.Add(every)
	run.figures.Historical = r.historicalShare()
	if mark := w.watermark(r, renewed); mark.After(run.figures.NewObject) {
		run.figures.NewObject = mark
	}
}

// watermark is the time before which everything written in scope is copied: that
// of the oldest work that waits or, when none does, the moment itself. While the
// rule's role cannot do its work it stands still; the zero time says that.
func (w *World) watermark(r *Rule, now time.Time) time.Time {
	switch {
	case !w.works(r, now):
		return time.Time{}
	case w.opt.IdleWatermarkStands:
		return r.run.lastCopied
	case len(r.run.written) > 0:
		return r.run.written[0].written
	}
	return now
}

// works reports whether the rule could copy a new object at this moment.
func (w *World) works(r *Rule, now time.Time) bool {
	src, dst, key := r.run.source, w.destination(r), r.sampleKey()
	return dst != nil && w.maySource(r, src, key, r.Historical, now) && w.mayWrite(r, src, dst, key, now)
}

// historicalShare is the copied share of the history in its wire form. It never
// rounds up to 1.
func (r *Rule) historicalShare() string {
	switch done, total := r.run.historyDone, r.run.historyTotal; {
	case !r.Historical:
		return ""
	case done == total:
		return "1"
	default:
		return strconv.FormatFloat(float64(done*100/total)/100, 'f', -1, 64)
	}
}
