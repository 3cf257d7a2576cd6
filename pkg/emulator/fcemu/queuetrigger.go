package fcemu

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// Values of the settings of a queue trigger, as the API spells them.
const (
	EventStreaming = "event-streaming" // mode: JSON arrays, with all run options
	EventDriven    = "event-driven"    // mode: one object a call, without run options

	CloudEvents = "CloudEvents" // schema: the envelope
	RawData     = "RawData"     // schema: its data alone

	BackoffRetry          = "BACKOFF_RETRY"           // retry: 3 times, 10 to 20 s apart
	ExponentialDecayRetry = "EXPONENTIAL_DECAY_RETRY" // retry: 176 times, 1 s to 512 s apart, within a day

	TolerateAll  = "ALL"  // errorsTolerance: what fails for good goes to the dead-letter queue or is dropped
	TolerateNone = "NONE" // errorsTolerance: what fails for good stops the stream
)

// A QueueTrigger is an MNS queue trigger: an EventBridge source that takes messages
// from a queue in the function's account and region and calls the function.
type QueueTrigger struct {
	Name         string
	Region       string // of the queue; must be the function's
	Queue        string
	Base64Decode bool   // IsBase64Decode; the cloud's default is true. A body that is not base64 is passed on as it is
	Mode         string // EventStreaming or EventDriven
	Schema       string // "" means CloudEvents
	Async        bool   // asyncInvocationType: delivery ends when the function's event queue has accepted the batch

	// Run options, for EventStreaming only.
	BatchCount      int           // CountBasedWindow: 1 to 10000 messages a call
	BatchWindow     time.Duration // TimeBasedWindow: whole seconds up to 15 s; 0 means that a batch does not wait. Not scaled
	Retry           string        // "" means BackoffRetry
	ErrorsTolerance string        // "" means TolerateNone, as on the cloud
	DeadLetterQueue string        // ARN acs:mns:<region>:<account>:/queues/<name>; "" means none

	// Concurrency is how many batches may be under way at once; a batch that waits
	// for its retry counts. The cloud has no such setting for queues; 0 means the
	// function's MaxInstances, so that the trigger does not throttle itself.
	Concurrency int
	// DuplicateEvery delivers every nth message twice. 0 means never.
	DuplicateEvery int
	// StringElements makes the elements of an array JSON strings that hold the
	// documents, as EventBridge does for some sources.
	StringElements bool
}

// QueueTriggerStats are counts of one queue trigger.
type QueueTriggerStats struct {
	Running      bool   // false: the stream has stopped, see TolerateNone
	LastError    string // why the last failed delivery failed
	Received     int    // messages taken from the queue
	Batches      int    // batches formed
	Deliveries   int    // calls made, retries included
	Delivered    int    // messages in successful calls, copies made by order included
	DeadLettered int    // messages
	Dropped      int    // messages lost for good: no dead-letter queue, or it refused them
	InFlight     int    // batches under way, or waiting for a retry
}

// A queueTrigger is a trigger at work. The fields below the line are guarded by
// the platform's lock.
type queueTrigger struct {
	p       *Platform
	fn      string
	account string
	cfg     QueueTrigger
	slots   chan struct{} // one token a batch under way

	// ---
	stats     QueueTriggerStats
	halt      context.CancelFunc // ends the stream
	copies    int                // DuplicateNext
	hold      time.Duration      // HoldNext
	countdown int                // to the next message that DuplicateEvery hits
}

// AddQueueTrigger switches a queue trigger on for a deployed function. Its name
// must be new there and its queue must exist.
func (p *Platform) AddQueueTrigger(fn string, t QueueTrigger) error {
	f, cfg, err := p.lookup(fn)
	if err != nil {
		return fmt.Errorf("queue trigger %s: %w", t.Name, err)
	}
	if t, err = t.checked(cfg); err != nil {
		return fmt.Errorf("queue trigger %s: %w", t.Name, err)
	}
	if _, err := p.world.QueueStats(t.Region, cfg.Account, t.Queue); err != nil {
		return fmt.Errorf("queue trigger %s: queue %s: %w", t.Name, t.Queue, err)
	}
	if t.Concurrency == 0 {
		t.Concurrency = cfg.MaxInstances
	}
	qt := &queueTrigger{
		p: p, fn: fn, account: cfg.Account, cfg: t,
		slots: make(chan struct{}, t.Concurrency), countdown: t.DuplicateEvery,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Name == "" || f.timers[t.Name] || f.queues[t.Name] != nil {
		return fmt.Errorf("queue trigger %q: the function has a trigger of that name, or the name is empty", t.Name)
	}
	if !qt.launch() {
		return errStopped
	}
	f.queues[t.Name] = qt
	return nil
}

// checked returns t with its defaults, or the first thing that is wrong with it.
func (t QueueTrigger) checked(f Function) (QueueTrigger, error) {
	if t.Region != f.Region {
		return t, fmt.Errorf("queue in %s, function in %s: they must be in one region", t.Region, f.Region)
	}
	if t.Schema == "" {
		t.Schema = CloudEvents
	}
	if t.Schema != CloudEvents && t.Schema != RawData {
		return t, fmt.Errorf("eventSchema %q is not CloudEvents or RawData", t.Schema)
	}
	if t.Concurrency < 0 || t.DuplicateEvery < 0 {
		return t, fmt.Errorf("concurrency %d and duplicate every %d must not be negative", t.Concurrency, t.DuplicateEvery)
	}
	switch t.Mode {
	case EventStreaming:
		return t.checkedStream()
	case EventDriven:
		if t.BatchCount != 0 || t.BatchWindow != 0 || t.Retry != "" || t.ErrorsTolerance != "" || t.DeadLetterQueue != "" || t.StringElements {
			return t, fmt.Errorf("run options act only in mode %s", EventStreaming)
		}
		t.BatchCount, t.Retry, t.ErrorsTolerance = 1, BackoffRetry, TolerateAll
		return t, nil
	}
	return t, fmt.Errorf("mode %q is not %s or %s", t.Mode, EventStreaming, EventDriven)
}

func (t QueueTrigger) checkedStream() (QueueTrigger, error) {
	if t.Retry == "" {
		t.Retry = BackoffRetry
	}
	if t.ErrorsTolerance == "" {
		t.ErrorsTolerance = TolerateNone
	}
	switch {
	case t.BatchCount < 1 || t.BatchCount > 10000:
		return t, fmt.Errorf("CountBasedWindow %d is not 1 to 10000", t.BatchCount)
	case t.BatchWindow < 0 || t.BatchWindow > 15*time.Second || t.BatchWindow%time.Second != 0:
		return t, fmt.Errorf("TimeBasedWindow %s is not a whole number of seconds from 0 to 15", t.BatchWindow)
	case !slices.Contains([]string{BackoffRetry, ExponentialDecayRetry}, t.Retry):
		return t, fmt.Errorf("PushRetryStrategy %q is unknown", t.Retry)
	case !slices.Contains([]string{TolerateAll, TolerateNone}, t.ErrorsTolerance):
		return t, fmt.Errorf("errorsTolerance %q is not ALL or NONE", t.ErrorsTolerance)
	}
	if t.DeadLetterQueue != "" {
		if _, err := parseQueueARN(t.DeadLetterQueue, ""); err != nil {
			return t, fmt.Errorf("deadLetterQueue: %w", err)
		}
	}
	return t, nil
}

// launch starts the stream. The platform's lock is held.
func (t *queueTrigger) launch() bool {
	ctx, halt := context.WithCancel(t.p.ctx)
	if !t.p.spawnLocked(func() { defer halt(); t.poll(ctx) }) {
		halt()
		return false
	}
	t.halt, t.stats.Running = halt, true
	return true
}

// stop ends the stream after a batch has failed for good.
func (t *queueTrigger) stop() {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.stats.Running = false
	t.halt()
}

func (t *queueTrigger) count(change func(*QueueTriggerStats)) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	change(&t.stats)
}

// QueueTriggerStats returns the counts of a queue trigger; of one that does not
// exist, the zero value.
func (p *Platform) QueueTriggerStats(fn, trigger string) QueueTriggerStats {
	var s QueueTriggerStats
	_ = p.withQueueTrigger(fn, trigger, func(t *queueTrigger) { s = t.stats })
	return s
}

// RestartQueueTrigger starts a stream again that has stopped. On one that runs it does nothing.
func (p *Platform) RestartQueueTrigger(fn, trigger string) error {
	return p.withQueueTrigger(fn, trigger, func(t *queueTrigger) {
		if !t.stats.Running {
			t.launch()
		}
	})
}

// DuplicateNext has the next message that the trigger receives delivered n more
// times, each time in a later batch.
func (p *Platform) DuplicateNext(fn, trigger string, n int) error {
	return p.withQueueTrigger(fn, trigger, func(t *queueTrigger) { t.copies = n })
}

// HoldNext has the next message that the trigger receives held back for d, so that
// it is delivered late, and after messages that came after it.
func (p *Platform) HoldNext(fn, trigger string, d time.Duration) error {
	return p.withQueueTrigger(fn, trigger, func(t *queueTrigger) { t.hold = d })
}

func (p *Platform) withQueueTrigger(fn, trigger string, do func(*queueTrigger)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.functions[fn]; f != nil && f.queues[trigger] != nil {
		do(f.queues[trigger])
		return nil
	}
	return &world.Error{Status: 404, Code: "TriggerNotFound", Message: "trigger '" + trigger + "' does not exist in function '" + fn + "'"}
}
