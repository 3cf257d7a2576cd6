package wiring

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/trigger"
)

// sideBySide is how many messages or jobs of one batch are worked on at a time.
const sideBySide = 8

// A Batch is a function behind a queue: provision or verify.
type Batch struct {
	Desk   *Desk
	Engine *engine.Engine
}

// Handle takes in every message of the event before any work, then carries the
// jobs forward side by side. It returns an error only when a message could not be
// taken in, for then the trigger has to deliver it again; what goes wrong
// afterwards is in the journal and is woken again. Messages do not touch each
// other: a panic in one is an error of that one.
func (b *Batch) Handle(ctx context.Context, event []byte) error {
	began := time.Now()
	messages, err := trigger.Messages(event)
	if err != nil {
		b.Desk.Log.Warn("an event without messages", "error", err)
		return nil
	}
	if err := b.Desk.CheckBucket(ctx); err != nil {
		// Nothing can be taken in: the trigger keeps the messages.
		b.Desk.Log.Error("the state bucket is not in order", "error", err)
		return err
	}
	hints, err := b.accept(ctx, messages)
	b.run(ctx, hints)
	b.Desk.Log.Info("batch", "messages", len(messages), "jobs", len(hints), "ms", time.Since(began).Milliseconds())
	return err
}

func (b *Batch) accept(ctx context.Context, messages []trigger.Message) (map[string]uint64, error) {
	var mu sync.Mutex
	hints := map[string]uint64{} // the newest entry that a hint for the job named
	errs := make([]error, len(messages))
	inParallel(len(messages), func(i int) {
		defer guard(func(err error) { errs[i] = err })
		h, ok, err := b.Engine.Accept(ctx, messages[i].Body)
		if err != nil {
			errs[i] = fmt.Errorf("message %s: %w", messages[i].ID, err)
			return
		}
		if ok {
			mu.Lock()
			hints[h.Job] = max(hints[h.Job], h.Rev)
			mu.Unlock()
		}
	})
	err := errors.Join(errs...)
	if err != nil {
		b.Desk.Log.Error("a message could not be taken in; the trigger delivers it again", "error", err)
	}
	return hints, err
}

// run gives each job its slice of the time that is left.
func (b *Batch) run(ctx context.Context, hints map[string]uint64) {
	var list []engine.Hint
	for job, rev := range hints {
		list = append(list, engine.Hint{Job: job, Rev: rev})
	}
	rounds := (len(list) + sideBySide - 1) / sideBySide
	inParallel(len(list), func(i int) {
		ctx, cancel := slice(ctx, rounds-i/sideBySide)
		defer cancel()
		err := func() (err error) {
			defer guard(func(e error) { err = e })
			return b.Engine.Run(ctx, list[i])
		}()
		if err != nil {
			b.Desk.Log.Error("a job could not be carried on; the sweep wakes it", "ticket", list[i].Job, "error", err)
		}
	})
}

// slice returns a context that ends when an equal part of the remaining time is up.
func slice(ctx context.Context, parts int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, time.Now().Add(time.Until(deadline)/time.Duration(max(parts, 1))))
}

// guard turns a panic into an error with its place.
func guard(report func(error)) {
	if p := recover(); p != nil {
		report(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
}

// inParallel calls f for 0 to n-1, so many at a time, in their order of beginning.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	free := make(chan struct{}, sideBySide)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	wg.Wait()
}
