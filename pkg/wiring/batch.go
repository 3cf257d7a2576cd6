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
// taken in or a plan not be given, for then the trigger has to deliver it again; what goes wrong
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
	hints, asked, err := b.accept(ctx, messages)
	var plans sync.WaitGroup
	plans.Go(func() { err = errors.Join(err, b.answer(ctx, asked)) })
	b.run(ctx, hints)
	plans.Wait()
	b.Desk.Log.Info("batch", "messages", len(messages), "jobs", len(hints), "plans", len(asked), "ms", time.Since(began).Milliseconds())
	return err
}

// accept returns the newest entry that a hint for each job named, and the tickets that
// ask for a plan only.
func (b *Batch) accept(ctx context.Context, messages []trigger.Message) (map[string]uint64, []engine.DryRun, error) {
	var mu sync.Mutex
	hints := map[string]uint64{}
	var asked []engine.DryRun
	errs := make([]error, len(messages))
	inParallel(len(messages), func(i int) {
		defer guard(func(err error) { errs[i] = err })
		h, ok, err := b.Engine.Accept(ctx, messages[i].Body)
		if err != nil {
			errs[i] = fmt.Errorf("message %s: %w", messages[i].ID, err)
			return
		}
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if h.DryRun != nil {
			asked = append(asked, *h.DryRun)
			return
		}
		hints[h.Job] = max(hints[h.Job], h.Rev)
	})
	err := errors.Join(errs...)
	if err != nil {
		b.Desk.Log.Error("a message could not be taken in; the trigger delivers it again", "error", err)
	}
	return hints, asked, err
}

// answer sends the plans that were asked for, beside the jobs, so that neither waits
// for the other. Its error makes the trigger deliver the batch again.
func (b *Batch) answer(ctx context.Context, asked []engine.DryRun) error {
	errs := make([]error, len(asked))
	inParallel(len(asked), func(i int) {
		defer guard(func(err error) { errs[i] = err })
		errs[i] = b.Engine.Answer(ctx, asked[i])
	})
	err := errors.Join(errs...)
	if err != nil {
		b.Desk.Log.Error("a plan could not be given; the trigger delivers its ticket again", "error", err)
	}
	return err
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
