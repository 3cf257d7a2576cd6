package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

// A turn is one tick's work on one shard.
type turn struct {
	*tick
	shard  int
	snap   journal.Snapshot // the newest entry that we know of
	state  *State           // as it will be saved next
	prune  bool             // an hour has ended
	report Report
	log    *slog.Logger
}

// now is the time of the journal's store.
func (u *turn) now() time.Time { return u.snap.Now(time.Now()) }

// sweep gives one shard its turn.
func (t *tick) sweep(ctx context.Context, shard int) (Report, error) {
	u := &turn{tick: t, shard: shard, log: t.logger().With("shard", shard)}
	var err error
	if u.snap, err = t.own.Load(ctx, journal.Sweep(shard)); err != nil {
		return u.report, err
	}
	if u.state, err = Decode(u.snap.Body); err != nil {
		return u.report, &fault.Error{Kind: fault.Terminal, Op: "Decode", Resource: string(u.snap.Log), Err: err}
	}
	idle, err := u.idle(ctx)
	if err != nil {
		return u.report, err
	}
	if idle {
		u.report.Idle++
		return u.report, nil
	}
	held, err := u.lease(ctx)
	if err != nil {
		return u.report, err
	}
	if !held {
		u.report.Busy++
		return u.report, nil
	}
	u.run(ctx)
	if err := u.finish(ctx); err != nil {
		return u.report, err
	}
	u.tidy(ctx)
	return u.report, nil
}

// idle reports whether there is nothing to do, not even a lease to take.
func (u *turn) idle(ctx context.Context) (bool, error) {
	if !u.state.idle() {
		return false, nil
	}
	for _, set := range []string{journal.Watch, journal.Open} {
		marks, _, err := u.marks.List(ctx, set, u.shard, nil, 1)
		if len(marks) > 0 || err != nil {
			return false, err
		}
	}
	return true, nil
}

// lease takes the shard. It reports false when somebody else is at it.
func (u *turn) lease(ctx context.Context) (bool, error) {
	if u.state.leased(u.now()) {
		u.log.Info("somebody is at this shard", "worker", u.state.Lease.Worker, "until", u.state.Lease.Until)
		return false, nil
	}
	if l := u.state.Lease; l != nil {
		u.log.Warn("taking over from a worker that did not finish", "worker", l.Worker)
	}
	local := time.Now()
	from := u.snap.Latest(local)
	if from.IsZero() {
		from = local
	}
	u.state.Lease = &Lease{Worker: u.Worker, Until: from.Add(u.end.Sub(local) + u.hasten(leaseMargin)).UTC()}
	return u.save(ctx)
}

// run does everything that comes between the lease and the next entry. What cannot
// be done now is left to the next tick.
func (u *turn) run(ctx context.Context) {
	work, cancel := u.work(ctx)
	defer cancel()
	u.records(work)
	u.wakeLost(work)
	u.match(work)
	u.report.Pairs = len(u.state.Pairs)
	u.poll(work)
}

// finish saves what was found, tells people, and gives the shard back. The saves are
// made whatever becomes of the invocation, within the reserve.
func (u *turn) finish(ctx context.Context) error {
	tell := len(u.state.Outbox) > 0
	if !tell {
		u.state.Lease = nil
	}
	won, err := u.save(ctx)
	if !won || err != nil {
		if err == nil {
			u.log.Warn("the lease ran out before the polls were saved; they are lost")
		}
		return err
	}
	if !tell {
		return nil
	}
	u.publish(ctx)
	u.state.Lease = nil
	if won, err = u.save(ctx); err == nil && !won {
		u.log.Warn("the lease ran out before what was sent was saved; it is sent again under the same ids")
	}
	return err
}

// save creates the next entry. It reports false when somebody else did.
func (u *turn) save(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.hasten(saveTimeout))
	defer cancel()
	body, err := json.Marshal(u.state)
	if err != nil {
		return false, fmt.Errorf("encode: %w", err)
	}
	snap, err := u.own.Append(ctx, u.snap, body, journal.Meta{Writer: u.Worker})
	if fault.Of(err) == fault.Conflict {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	u.snap = snap
	return true, nil
}
