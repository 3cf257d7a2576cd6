package sweep

import (
	"context"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Of jobs whose wake was lost.
const (
	// lookAgain is how long the time at which a job has to be looked at is believed
	// before it is read again: the job may have moved since.
	lookAgain = 10 * time.Minute
	// wakeAgain is how long a job that was woken is left alone.
	wakeAgain = 2 * time.Minute
	// beginLate is how old a mark may be whose job has no entry yet.
	beginLate = time.Minute
)

// wakeLost wakes the open jobs that should have been looked at and were not. A job
// says itself by when; that time is kept in the state, so that a job which waits
// costs no call.
func (u *turn) wakeLost(ctx context.Context) {
	marks, err := u.standing(ctx, journal.Open)
	if err != nil {
		u.log.Warn("the open jobs could not be listed", "error", err)
		return
	}
	open, ask := map[string]int64{}, []string{}
	for id := range marks {
		if next, ok := u.state.Open[id]; ok && u.now().Unix() < next {
			open[id] = next
			continue
		}
		ask = append(ask, id)
	}
	slices.Sort(ask)
	next, woken := make([]time.Time, len(ask)), make([]bool, len(ask))
	u.each(ctx, len(ask), func(ctx context.Context, i int) {
		next[i], woken[i] = u.look(ctx, marks[ask[i]])
	})
	for i, id := range ask {
		if !next[i].IsZero() {
			open[id] = next[i].Unix()
		}
		if woken[i] {
			u.report.Woken++
		}
	}
	u.state.Open = open
}

// look reads an open job and wakes it if it is late. It returns when to look next;
// the zero time means at the next tick.
func (u *turn) look(ctx context.Context, m journal.Standing) (next time.Time, woken bool) {
	h := u.head(ctx, m.ID, 0)
	if h == nil {
		return time.Time{}, false
	}
	now := u.now()
	due, to, rev := m.Created.Add(u.hasten(beginLate)), replication.OwnerProvision, uint64(0)
	switch {
	case h.job == nil || h.job.AtRest() && m.Rev > h.snap.Seq: // about to begin
	case h.job.AtRest() && h.job.Outstanding(): // its mark shows it to people, nothing has to be done
		return now.Add(u.hasten(lookAgain)), false
	case h.job.AtRest():
		u.clear(ctx, journal.Open, m.ID, h.snap.Seq)
		return time.Time{}, false
	default:
		due, rev = h.job.CheckBy, h.snap.Seq
		if due.IsZero() {
			due = h.snap.At.Add(u.hasten(beginLate))
		}
		if o := h.job.Owner(); o != replication.OwnerNone {
			to = o
		}
	}
	if now.Before(due) {
		return earlier(due, now.Add(u.hasten(lookAgain))), false
	}
	if err := u.Bus.Wake(ctx, to, m.ID, rev, 0); err != nil {
		u.log.Warn("a job could not be woken", "ticket", m.ID, "error", err)
		return time.Time{}, false
	}
	u.log.Info("woken", "ticket", m.ID, "to", to, "rev", rev, "due", due)
	return now.Add(u.hasten(wakeAgain)), true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
