package sweep

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

// standing lists the marks of a set in this shard: for each id the one with the
// highest revision.
func (u *turn) standing(ctx context.Context, set string) (map[string]journal.Standing, error) {
	all := map[string]journal.Standing{}
	var after *journal.Mark
	for {
		page, others, err := u.marks.List(ctx, set, u.shard, after, listPage)
		if err != nil {
			return nil, err
		}
		if others > 0 {
			u.log.Warn("objects that are no marks lie among them", "set", set, "objects", others)
		}
		for _, m := range page { // the revisions of an id come in their order
			all[m.ID] = m
		}
		if len(page) < listPage {
			return all, nil
		}
		after = &page[len(page)-1].Mark
	}
}

// match makes the watched pairs those whose marks stand. A mark alone proves
// nothing, because it is created before the entry that begins the watch, and one
// that is not listed may be missing for any reason: so the job decides, whenever
// the two differ.
func (u *turn) match(ctx context.Context) {
	marks, err := u.standing(ctx, journal.Watch)
	if err != nil {
		u.log.Warn("the watched pairs could not be listed; those that are known are polled", "error", err)
		return
	}
	var ask []string
	for id, m := range marks {
		if i, known := u.find(id); !known || u.state.Pairs[i].Rev != m.Rev {
			ask = append(ask, id)
		}
	}
	for _, p := range u.state.Pairs {
		if _, ok := marks[p.Job]; !ok {
			ask = append(ask, p.Job)
		}
	}
	slices.Sort(ask)
	heads := make([]*head, len(ask))
	u.each(ctx, len(ask), func(ctx context.Context, i int) {
		floor := marks[ask[i]].Rev
		if at, known := u.find(ask[i]); known {
			floor = max(floor, u.state.Pairs[at].Rev)
		}
		heads[i] = u.head(ctx, ask[i], floor)
	})
	for i, id := range ask {
		if heads[i] != nil {
			u.settle(ctx, id, marks[id].Rev, heads[i])
		}
	}
}

// A head is the newest entry of a job.
type head struct {
	snap journal.Snapshot
	job  *replication.Job // nil: there is no entry
}

// head loads a job that is expected to have an entry with the number floor. nil
// means that it could not be read now.
func (u *turn) head(ctx context.Context, id string, floor uint64) *head {
	h := &head{}
	var err error
	if h.snap, err = u.jobs.LoadAtLeast(ctx, journal.Job(id), floor); err == nil && h.snap.Exists() {
		h.job, err = replication.Decode(h.snap.Body)
	}
	if err != nil {
		u.log.Warn("a job could not be loaded", "ticket", id, "error", err)
		return nil
	}
	return h
}

// settle decides by its job whether a pair is watched. rev is that of its mark, 0
// for none.
func (u *turn) settle(ctx context.Context, id string, rev uint64, h *head) {
	i, known := u.find(id)
	switch watching := h.job != nil && h.job.Watched(); {
	case watching && rev == 0:
		u.log.Warn("a watched pair has no mark; it is watched on", "ticket", id)
	case watching && h.snap.Seq < rev: // the mark stands before its entry does
	case watching:
		p, err := watch.NewPair(h.job, rev)
		if err != nil {
			u.log.Error("a pair cannot be watched", "ticket", id, "error", err)
			return
		}
		if known {
			u.state.Pairs[i] = u.state.Pairs[i].Renew(p)
			return
		}
		u.state.Pairs = slices.Insert(u.state.Pairs, i, p)
		u.log.Info("watching", "ticket", id, "rule", p.Rule)
	default:
		if known {
			u.emit(watch.End(u.state.Pairs[i], u.now()))
			u.state.Pairs = slices.Delete(u.state.Pairs, i, i+1)
			u.log.Info("not watched any more", "ticket", id)
		}
		if h.job != nil && h.job.AtRest() && rev != 0 && rev <= h.snap.Seq { // of a watch that ended, or never began
			u.clear(ctx, journal.Watch, id, h.snap.Seq)
		}
	}
}

// clear takes away the marks of a job that is at rest since entry rev.
func (u *turn) clear(ctx context.Context, set, id string, rev uint64) {
	if err := u.marks.Clear(ctx, journal.Mark{Set: set, Shard: u.shard, ID: id, Rev: rev}); err != nil {
		u.log.Warn("the mark of a job at rest could not be taken away", "set", set, "ticket", id, "error", err)
	}
}

// find returns the place of a job's pair, or where it belongs.
func (u *turn) find(id string) (int, bool) {
	return slices.BinarySearchFunc(u.state.Pairs, id, func(p watch.Pair, id string) int { return cmp.Compare(p.Job, id) })
}

func (u *turn) emit(events []replication.Event) {
	for _, e := range events {
		u.log.Info("alert", "event", e.ID, "reason", e.Reason, "message", e.Message)
	}
	u.state.Outbox = append(u.state.Outbox, events...)
	u.report.Alerts += len(events)
}

// A polled is one pair that was polled; at is zero when it was not.
type polled struct {
	place  int // in the state
	sample watch.Sample
	at     time.Time
}

// poll polls what is due, the longest waiting first, and has the answers judged.
func (u *turn) poll(ctx context.Context) {
	var due []polled
	now := u.now()
	for i, p := range u.state.Pairs {
		if !now.Before(p.NextPoll(u.Pace)) {
			due = append(due, polled{place: i})
		}
	}
	slices.SortStableFunc(due, func(a, b polled) int {
		return cmp.Compare(u.state.Pairs[a.place].Polled, u.state.Pairs[b.place].Polled)
	})
	var throttled atomic.Bool
	u.each(ctx, len(due), func(one context.Context, i int) {
		if throttled.Load() {
			return
		}
		p := u.state.Pairs[due[i].place]
		var seen replication.ProgressSeen
		err := apart(func() (err error) {
			seen, err = u.Progress.Progress(one, p.Source(), p.Rule)
			return err
		})
		if err != nil && ctx.Err() != nil {
			return // our own time was up: that says nothing of the pair
		}
		if fault.Of(err) == fault.Throttled {
			throttled.Store(true)
		}
		due[i].sample, due[i].at = u.sample(p, seen, err), u.now()
	})
	if throttled.Load() {
		u.log.Warn("the cloud asks for fewer calls; the rest of the pairs waits for the next tick")
	}
	for _, d := range due {
		if d.at.IsZero() || len(u.state.Outbox) >= MaxOutbox {
			u.report.Left++
			continue
		}
		u.report.Polled++
		if d.sample.Unread != "" {
			u.report.Unread++
		}
		p, events := watch.Judge(u.state.Pairs[d.place], d.sample, d.at)
		u.state.Pairs[d.place] = p
		u.emit(events)
	}
}

// sample makes a sample of an answer or of an error.
func (u *turn) sample(p watch.Pair, seen replication.ProgressSeen, err error) watch.Sample {
	if err == nil {
		return watch.Seen(seen)
	}
	s := watch.Sample{Trouble: fault.Line(err.Error()), Unread: replication.ReasonUnavailable}
	switch fault.Of(err) {
	case fault.NotFound: // not the rule, for that is an answer: its bucket
		return watch.Sample{Gone: true}
	case fault.Throttled:
		s.Unread = replication.ReasonThrottled
	case fault.Denied:
		s.Unread = replication.ReasonDenied
	case fault.Quota:
		s.Unread = replication.ReasonQuota
	case fault.Terminal:
		s.Unread = replication.ReasonRefused
	}
	u.log.Warn("a pair could not be polled", "ticket", p.Job, "error", err)
	return s
}
