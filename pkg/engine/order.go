package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// orderTries bounds how often a lost race for an entry of the target is run again.
const orderTries = 10

// order writes an order into the log of its target, and returns the target
// as it is then. Creating the entry is the swap, as for every entry, so no entry of
// the target's worker is lost; that worker finds the order when it saves next, and
// goes on from it: see takeOrder. A target without an entry gets its first one, which
// ends it before its ticket comes.
//
// To order again does nothing, so an answer that was lost is resolved by doing it.
func (s *session) order(ctx context.Context, target string, o replication.Order) (*replication.TargetSeen, error) {
	snap, err := s.e.Journal.Load(ctx, journal.Job(target))
	if err != nil {
		return nil, err
	}
	sure := false
	if !snap.Exists() && o.WaitsForTarget() {
		return &replication.TargetSeen{}, nil
	}
	for range orderTries {
		next, write, err := ordered(snap, target, o)
		if err != nil {
			return nil, err
		}
		if !write && !sure {
			// The listing may lag behind: before nothing is done, the entries after this
			// one are looked for.
			if snap, err = s.e.Journal.Reload(ctx, snap); err != nil {
				return nil, err
			}
			sure = true
			continue
		}
		if !write {
			return seenAt(next, snap.Seq, o), nil
		}
		saved, err := s.saveOrder(ctx, snap, next)
		var lost *journal.LostError
		switch {
		case err == nil:
			return seenAt(next, saved.Seq, o), nil
		case !errors.As(err, &lost):
			return nil, err
		}
		snap = lost.Winner
	}
	return nil, &fault.Error{Kind: fault.Conflict, Op: "Order", Resource: target, Err: fmt.Errorf("lost %d races in a row", orderTries)}
}

// ordered returns the target with the order in it, and whether that has to be written.
func ordered(snap journal.Snapshot, target string, o replication.Order) (*replication.Job, bool, error) {
	if !snap.Exists() {
		j := replication.Cancelled(target, o)
		j.Stamp(1)
		return j, true, nil
	}
	j, err := replication.Decode(snap.Body)
	if err != nil {
		return nil, false, &fault.Error{Kind: fault.Terminal, Op: "Decode", Resource: target, Err: errors.Join(errUnreadable, err)}
	}
	return j, j.Order(o), nil
}

// saveOrder stands the mark of the target before the entry that opens it again, and
// wakes its owner after it. The mark of a first entry is not that of a ticket, which
// has the number 1.
func (s *session) saveOrder(ctx context.Context, snap journal.Snapshot, next *replication.Job) (journal.Snapshot, error) {
	var previous []byte
	if snap.Exists() && !replication.Known(snap.Body) {
		previous = snap.Body
	}
	body, err := replication.Encode(next, previous)
	if err != nil {
		return journal.Snapshot{}, fmt.Errorf("encode job %s: %w", next.ID, err)
	}
	if err := s.e.Marks.Reopen(ctx, next.ID, max(snap.Seq+1, 2)); err != nil {
		return journal.Snapshot{}, err
	}
	saved, err := s.e.Journal.Append(ctx, snap, body, journal.Meta{Writer: s.e.Worker})
	if err != nil {
		return journal.Snapshot{}, err
	}
	if err := s.e.Bus.Wake(ctx, replication.OwnerProvision, next.ID, saved.Seq, 0); err != nil {
		s.log.Warn("the target could not be woken; the sweep will", "target", next.ID, "error", err)
	}
	return saved, nil
}

func seenAt(j *replication.Job, rev uint64, o replication.Order) *replication.TargetSeen {
	t := replication.TargetOf(j, o)
	t.Rev = rev
	return &t
}

// target looks at the job that this one is about, not behind the entry that the order is in.
func (s *session) target(ctx context.Context) (replication.TargetSeen, error) {
	id, floor := s.job.Request.Target, uint64(0)
	if o := s.job.Last; o != nil && o.Target != nil {
		floor = o.Target.Rev
	}
	snap, err := s.e.Journal.LoadAtLeast(ctx, journal.Job(id), floor)
	if err != nil {
		return replication.TargetSeen{}, err
	}
	if floor == 0 && !snap.Exists() {
		return replication.TargetSeen{}, nil
	}
	if snap.Seq < floor || !snap.Exists() {
		return replication.TargetSeen{}, &fault.Error{Kind: fault.Retryable, Op: "Load", Resource: id, Err: errors.New("the entry with the order cannot be read")}
	}
	j, err := replication.Decode(snap.Body)
	if err != nil {
		return replication.TargetSeen{}, &fault.Error{Kind: fault.Terminal, Op: "Decode", Resource: id, Err: errors.Join(errUnreadable, err)}
	}
	return *seenAt(j, snap.Seq, s.job.OrderOf(s.now())), nil
}
