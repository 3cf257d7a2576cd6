package fcemu

import (
	"context"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// How EventBridge takes messages from a queue. When it deletes them there is not
// documented; here a message is hidden while EventBridge has it and deleted after
// a successful delivery, so the queue's visibility time-out causes no duplicates.
const (
	pollWait    = 30 * time.Second
	pollBatch   = 16
	hideFor     = 12 * time.Hour
	hideAtLeast = time.Hour   // hidden for less than this, a message is hidden anew before a delivery
	showAfter   = time.Second // what is given back is hidden for this long
	pollPause   = time.Second // after the queue refused to be read
)

// An item is one message on its way to the function.
type item struct {
	msg               world.Message // with the handle that is good now
	copy              bool          // a duplicate made by order: the queue knows nothing of it
	element, envelope []byte
	copies            int       // so many further deliveries are ordered
	ready             time.Time // not delivered before
}

// poll forms batches until ctx ends, and delivers each in a goroutine of its own.
// It takes nothing from the queue while all slots are taken.
func (t *queueTrigger) poll(ctx context.Context) {
	c := &collector{t: t}
	defer func() { t.giveBack(c.pending) }()
	for {
		select {
		case t.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch := c.collect(ctx)
		if ctx.Err() != nil {
			c.pending = append(c.pending, batch...)
			<-t.slots
			return
		}
		t.count(func(s *QueueTriggerStats) { s.Batches++; s.InFlight++ })
		c.pending = append(c.pending, duplicates(batch)...)
		ok := t.p.spawn(func() {
			t.deliver(batch)
			t.count(func(s *QueueTriggerStats) { s.InFlight-- })
			<-t.slots
		})
		if !ok {
			c.pending = append(c.pending, batch...)
			return
		}
	}
}

// duplicates returns the copies of a batch's messages that are to be delivered later.
func duplicates(batch []*item) []*item {
	var later []*item
	for _, it := range batch {
		if it.copies > 0 {
			again := *it
			again.copy, again.copies = true, it.copies-1
			later = append(later, &again)
		}
	}
	return later
}

// A collector forms batches.
type collector struct {
	t       *queueTrigger
	pending []*item // received, and to go into a later batch
}

// collect returns the next batch. When ctx ends it returns what it has by then.
func (c *collector) collect(ctx context.Context) []*item {
	var batch []*item
	var closes time.Time // when the window of this batch ends
	size := 2            // of the call's body
	limit := maxSyncBody
	if c.t.cfg.Async {
		limit = maxAsyncBody
	}
	for {
		now := time.Now()
		wait := pollWait
		rest := c.pending[:0:0]
		full := false
		for _, it := range c.pending {
			switch {
			case it.ready.After(now):
				wait = min(wait, it.ready.Sub(now))
				rest = append(rest, it)
			case full || len(batch) == c.t.cfg.BatchCount || len(batch) > 0 && size+len(it.element)+1 > limit:
				full = true
				rest = append(rest, it)
			default:
				batch = append(batch, it)
				size += len(it.element) + 1
			}
		}
		c.pending = rest
		if full || len(batch) == c.t.cfg.BatchCount {
			return batch
		}
		if len(batch) > 0 {
			if closes.IsZero() {
				closes = now.Add(c.t.cfg.BatchWindow)
			}
			wait = max(0, min(wait, closes.Sub(now)))
		}
		got := c.receive(ctx, min(pollBatch, c.t.cfg.BatchCount-len(batch)), wait)
		if ctx.Err() != nil || got == 0 && !closes.IsZero() && !time.Now().Before(closes) {
			return batch
		}
	}
}

// receive takes up to n messages from the queue into pending, and returns how many it took.
func (c *collector) receive(ctx context.Context, n int, wait time.Duration) int {
	t := c.t
	w := t.p.world
	msgs, err := w.QueueReceive(ctx, t.cfg.Region, t.account, t.cfg.Queue, n, wait)
	if err != nil {
		if ctx.Err() == nil {
			t.failed(err)
			sleep(ctx, pollPause)
		}
		return 0
	}
	now := time.Now()
	for _, m := range msgs {
		if hidden, err := w.QueueExtend(t.cfg.Region, t.account, t.cfg.Queue, m.Handle, hideFor); err == nil {
			m.Handle, m.NextVisible = hidden.Handle, hidden.NextVisible
		}
		it := &item{msg: m}
		if it.element, it.envelope, err = t.event(m, now); err != nil {
			t.failed(err)
			continue
		}
		t.disturb(it, now)
		c.pending = append(c.pending, it)
	}
	return len(msgs)
}

// disturb does to a received message what was ordered for it.
func (t *queueTrigger) disturb(it *item, now time.Time) {
	t.count(func(s *QueueTriggerStats) {
		s.Received++
		it.copies, t.copies = t.copies, 0
		it.ready, t.hold = now.Add(t.hold), 0
		if t.cfg.DuplicateEvery > 0 {
			if t.countdown--; t.countdown == 0 {
				t.countdown = t.cfg.DuplicateEvery
				it.copies++
			}
		}
	})
}

func (t *queueTrigger) failed(err error) {
	t.count(func(s *QueueTriggerStats) { s.LastError = err.Error() })
	t.p.opt.Logger.Warn("queue trigger", "function", t.fn, "trigger", t.cfg.Name, "error", err)
}

// giveBack lets the queue show messages again that were not delivered.
func (t *queueTrigger) giveBack(batch []*item) {
	for _, it := range batch {
		if !it.copy {
			_, _ = t.p.world.QueueExtend(t.cfg.Region, t.account, t.cfg.Queue, it.msg.Handle, showAfter) // a handle that has died has nothing to give back
		}
	}
}
