package sweep

import (
	"context"
	"sync/atomic"

	"github.com/replidesk/replidesk/pkg/replication"
)

// publish sends the outbox and takes out what was sent: the alerts of a job in their
// order, those of several jobs side by side. It ends in time for another save.
func (u *turn) publish(ctx context.Context) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), u.end.Add(-u.hasten(saveTimeout)))
	defer cancel()
	var jobs [][]int // places in the outbox
	place := map[string]int{}
	for i, e := range u.state.Outbox {
		j, ok := place[e.Job]
		if !ok {
			j, place[e.Job] = len(jobs), len(jobs)
			jobs = append(jobs, nil)
		}
		jobs[j] = append(jobs[j], i)
	}
	sent := make([]bool, len(u.state.Outbox))
	var failures atomic.Int32
	u.each(ctx, len(jobs), func(ctx context.Context, j int) {
		for _, i := range jobs[j] {
			if failures.Load() >= Parallel { // the queue is out of order
				return
			}
			e := u.state.Outbox[i]
			if err := u.Bus.Publish(ctx, e); err != nil {
				failures.Add(1)
				u.log.Warn("an alert could not be sent; it is kept", "event", e.ID, "error", err)
				return
			}
			sent[i] = true
		}
	})
	var kept []replication.Event
	for i, e := range u.state.Outbox {
		if !sent[i] {
			kept = append(kept, e)
		}
	}
	u.report.Sent = len(u.state.Outbox) - len(kept)
	u.report.Unsent = len(kept)
	u.state.Outbox = kept
}
