package fcemu

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// deliveryLimit is how long EventBridge waits for one call.
const deliveryLimit = 5 * time.Minute

// The retry schedules of EventBridge, at speed 1.
const (
	backoffRetries  = 3
	backoffLeast    = 10 * time.Second // each pause is a random one between the two
	backoffMost     = 20 * time.Second
	decayRetries    = 176 // 1 s, 2 s, ..., 256 s, then 167 times 512 s: 23 h 53 min 35 s in all
	decayFirst      = time.Second
	decayMost       = 512 * time.Second
	decayDoublings  = 9
	eventBridgeName = "sendevent-fc.eventbridge.aliyuncs.com"
)

// deliver calls the function with the batch until it succeeds or has failed for good.
func (t *queueTrigger) deliver(batch []*item) {
	for retry := 0; ; retry++ {
		if retry > 0 && !sleep(t.p.ctx, t.p.world.Scale(t.pause(retry))) {
			t.giveBack(batch)
			return
		}
		t.hide(batch)
		err := t.call(batch)
		if err == nil {
			t.count(func(s *QueueTriggerStats) { s.Delivered += len(batch) })
			t.delete(batch)
			return
		}
		if t.p.ctx.Err() != nil {
			t.giveBack(batch)
			return
		}
		t.failed(fmt.Errorf("delivery %d of a batch of %d: %w", retry+1, len(batch), err))
		if retry == t.retries() {
			break
		}
	}
	if t.cfg.ErrorsTolerance == TolerateNone {
		t.stop()
		t.giveBack(batch)
		return
	}
	t.bury(batch)
	t.delete(batch)
}

func (t *queueTrigger) retries() int {
	if t.cfg.Retry == ExponentialDecayRetry {
		return decayRetries
	}
	return backoffRetries
}

// pause is the time before the nth retry.
func (t *queueTrigger) pause(n int) time.Duration {
	if t.cfg.Retry == ExponentialDecayRetry {
		if n > decayDoublings {
			return decayMost
		}
		return decayFirst << (n - 1)
	}
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return backoffLeast + time.Duration(t.p.rng.Int64N(int64(backoffMost-backoffLeast)+1))
}

// call makes one call. A function error is an error here: the batch is to be retried.
func (t *queueTrigger) call(batch []*item) error {
	t.count(func(s *QueueTriggerStats) { s.Deliveries++ })
	r := request{function: t.fn, payload: t.payload(batch), caller: eventBridgeName}
	if t.cfg.Mode == EventDriven {
		r.requestID = batch[0].msg.ID // seen in live logs: the event's id is the request id
	}
	if t.cfg.Async {
		_, err := t.p.invokeAsync(r)
		return err
	}
	ctx, cancel := context.WithTimeout(t.p.ctx, deliveryLimit)
	defer cancel()
	res, err := t.p.invoke(ctx, r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", deliveryLimit)
	case err != nil:
		return err
	case res.Failed():
		return fmt.Errorf("%s: %s", res.ErrorType, res.Payload)
	}
	return nil
}

// hide makes sure that the queue does not show the messages while they are delivered.
func (t *queueTrigger) hide(batch []*item) {
	for _, it := range batch {
		if it.copy || time.Until(it.msg.NextVisible) > hideAtLeast {
			continue
		}
		m, err := t.p.world.QueueExtend(t.cfg.Region, t.account, t.cfg.Queue, it.msg.Handle, hideFor)
		if err == nil { // else it has left the queue by its age, and is delivered all the same
			it.msg.Handle, it.msg.NextVisible = m.Handle, m.NextVisible
		}
	}
}

func (t *queueTrigger) delete(batch []*item) {
	for _, it := range batch {
		if !it.copy {
			_ = t.p.world.QueueDelete(t.cfg.Region, t.account, t.cfg.Queue, it.msg.Handle) // it may have left the queue by its age
		}
	}
}

// bury sends the events to the dead-letter queue, each as its envelope, or drops them.
func (t *queueTrigger) bury(batch []*item) {
	var dlq queueRef
	if t.cfg.DeadLetterQueue != "" {
		dlq, _ = parseQueueARN(t.cfg.DeadLetterQueue, "") // checked when the trigger was made
	}
	for _, it := range batch {
		var err error
		if dlq.name == "" {
			err = errors.New("no dead-letter queue")
		} else {
			_, err = t.p.world.QueueSend(dlq.region, dlq.account, dlq.name, string(it.envelope), -1)
		}
		t.count(func(s *QueueTriggerStats) {
			if err == nil {
				s.DeadLettered++
			} else {
				s.Dropped++
			}
		})
		if err != nil {
			t.failed(fmt.Errorf("message %s dropped: %w", it.msg.ID, err))
		}
	}
}
