package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// save creates the next entry and sends the results in its outbox. The entry is
// written whatever becomes of the invocation, within the reserve.
func (s *session) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.e.hasten(saveTimeout))
	defer cancel()
	s.job.Writes = int(s.snap.Seq)
	s.job.Stamp(s.snap.Seq + 1)
	var previous []byte
	if s.keep {
		previous = s.snap.Body
	}
	body, err := replication.Encode(s.job, previous)
	if err != nil {
		return fmt.Errorf("encode job %s: %w", s.job.ID, err)
	}
	saved, err := s.e.Journal.Append(ctx, s.snap, body, journal.Meta{Writer: s.e.Worker})
	if lost := (*journal.LostError)(nil); errors.As(err, &lost) && s.takeOrder(lost.Winner) {
		if err := s.save(ctx); err != nil {
			return err
		}
		return errOrdered
	}
	if fault.Of(err) == fault.Conflict {
		return errLost
	}
	if err != nil {
		return fmt.Errorf("save job %s: %w", s.job.ID, err)
	}
	s.snap = saved
	s.unwatch(ctx)
	s.send(ctx)
	return nil
}

// saveSent saves before a run ends. When results left with that entry, another one
// says so: whoever goes on would send them again.
func (s *session) saveSent(ctx context.Context) error {
	results := len(s.job.Outbox)
	if err := s.save(ctx); err != nil || results == 0 || len(s.job.Outbox) > 0 {
		return err
	}
	return s.save(ctx)
}

// takeOrder goes on from an entry that somebody else wrote, if all that it says more
// than ours is an order. What came of the last effect is then saved with the
// order; an effect that was about to begin is not begun.
func (s *session) takeOrder(winner journal.Snapshot) bool {
	if s.snap.Seq == 0 {
		return false
	}
	before, err1 := replication.Decode(s.snap.Body)
	after, err2 := replication.Decode(winner.Body)
	if err1 != nil || err2 != nil || !replication.OnlyOrdered(before, after) {
		return false
	}
	s.job.Unstamp(winner.Seq)
	s.job.TakeOrder(before, after)
	s.snap, s.job.Intent = winner, nil
	return true
}

// unwatch takes the mark of a watch away when the entry just saved has ended it: the
// sweep must not raise an alert because the rule goes. What fails here is made good
// at the end of the job, and by the sweep.
func (s *session) unwatch(ctx context.Context) {
	was := s.watching
	s.watching = s.job.Watched()
	until := s.snap.Seq
	switch {
	case s.remarked && s.watching: // the mark of the watch before this one
		until--
	case !was, s.watching:
		return
	}
	s.remarked = false
	if err := s.e.Marks.Unwatch(ctx, s.job.ID, until); err != nil {
		s.log.Warn("the mark of the watch could not be taken away", "error", err)
	}
}

// send publishes the outbox in order and takes out what was sent; the next entry
// shows it. What could not be sent stays, under its id.
func (s *session) send(ctx context.Context) {
	for len(s.job.Outbox) > 0 {
		if err := s.e.Bus.Publish(ctx, s.job.Outbox[0]); err != nil {
			s.log.Warn("a result could not be sent; it is kept", "event", s.job.Outbox[0].ID, "error", err)
			return
		}
		s.job.Outbox = s.job.Outbox[1:]
	}
	s.job.Outbox = nil
}

// pause saves and sends a wake for the time at which the job is due.
func (s *session) pause(ctx context.Context, until time.Time) error {
	now := s.now()
	delay := max(until.Sub(now), 0)
	s.job.Due, s.job.CheckBy = until, now.Add(min(delay, maxWake)+s.e.hasten(grace))
	if err := s.saveSent(ctx); err != nil {
		return err
	}
	s.log.Info("waiting", "phase", s.job.Phase, "reason", s.job.Reason, "seconds", int(delay.Seconds()), "rev", s.snap.Seq)
	return s.wake(ctx, s.e.Owner, delay)
}

// wake sends the hint that belongs to the entry just saved. The store counts in
// seconds and cuts them off, so a second is added: a wake that comes too soon
// would only cost an entry. A wake that could not be sent is made good by the sweep.
func (s *session) wake(ctx context.Context, to replication.Owner, delay time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.e.hasten(wakeTimeout))
	defer cancel()
	if delay > 0 {
		delay = min(delay, maxWake) + time.Second
	}
	if err := s.e.Bus.Wake(ctx, to, s.job.ID, s.snap.Seq, delay); err != nil {
		s.log.Warn("a wake could not be sent; the sweep will", "error", err)
	}
	return nil
}

// handOver ends a run of a job that this function does not own any more: another
// function goes on, or the job rests.
func (s *session) handOver(ctx context.Context) error {
	if to := s.job.Owner(); to != replication.OwnerNone {
		s.job.Due, s.job.CheckBy = s.now(), s.now().Add(s.e.hasten(grace))
		if err := s.saveSent(ctx); err != nil {
			return err
		}
		return s.wake(ctx, to, 0)
	}
	return s.rest(ctx)
}

// rest saves the end. The marker of the watch stands since that was decided; the
// marker of the open job goes after the last entry.
func (s *session) rest(ctx context.Context) error {
	if s.ended() { // only results of the end are left: a worker died before it had sent them
		s.send(ctx)
	} else if err := s.saveEnd(ctx); err != nil {
		return err
	}
	if len(s.job.Outbox) > 0 {
		return s.wake(ctx, s.e.Owner, s.e.hasten(grace))
	}
	// A job is not at rest before its outbox is empty in the journal too.
	s.job.Due, s.job.CheckBy = time.Time{}, time.Time{}
	if err := s.save(ctx); err != nil {
		return err
	}
	s.log.Info("at rest", "phase", s.job.Phase, "reason", s.job.Reason, "rev", s.snap.Seq, "anchor", s.snap.Anchor().String())
	if s.job.Stop != nil && s.e.Owner == replication.OwnerProvision {
		if err := s.e.Marks.Unwatch(ctx, s.job.ID, s.snap.Seq); err != nil {
			return err
		}
	}
	return s.e.Marks.Rest(ctx, s.job, s.snap.Seq)
}

func (s *session) saveEnd(ctx context.Context) error {
	s.job.Due, s.job.CheckBy = time.Time{}, s.now().Add(s.e.hasten(grace))
	return s.save(ctx)
}

// ended reports whether the newest entry is this end already, with all of its results.
func (s *session) ended() bool {
	if slices.ContainsFunc(s.job.Outbox, func(e replication.Event) bool { return e.ID == "" }) {
		return false
	}
	saved, err := replication.Decode(s.snap.Body)
	return s.snap.Seq > 0 && err == nil && saved.Phase == s.job.Phase && saved.Intent == nil
}
