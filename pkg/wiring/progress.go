package wiring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
	"github.com/replidesk/replidesk/pkg/trigger"
)

// tickTimeout is how long a sweep may take: less than the 240 s of the function.
const tickTimeout = 200 * time.Second

// Progress makes the function of that name.
func Progress(d *Desk) Handler { return &Ticker{Desk: d, Sweep: d.Sweep()} }

// Sweep returns the sweep of the watch.
func (d *Desk) Sweep() *sweep.Sweep {
	intake := &intake{desk: d, engine: d.Engine(replication.OwnerProvision)}
	return &sweep.Sweep{
		Worker: "progress/" + d.Config.Instance, Store: d.Store, Progress: d.OSS, Bus: d.Bus,
		Letters: letters{desk: d, queue: d.Config.QueueName(config.QueueUndelivered)}, Intake: intake.take,
		Shards: d.Config.Shards, Pace: d.Config.Pace, Log: d.Log,
	}
}

// A Ticker is the function behind the timer.
type Ticker struct {
	Desk  *Desk
	Sweep *sweep.Sweep
}

// Handle sweeps once. The event says nothing that matters. Runs that overlap do
// not disturb each other: a shard is swept by whoever holds its lease. [fact 34]
func (t *Ticker) Handle(ctx context.Context, _ []byte) error {
	ctx, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	if err := t.Desk.CheckBucket(ctx); err != nil {
		t.Desk.Log.Error("the state bucket is not in order", "error", err)
		return err
	}
	began := time.Now()
	r, err := t.Sweep.Tick(ctx)
	t.Desk.Log.Info("sweep", "report", fmt.Sprintf("%+v", r), "ms", time.Since(began).Milliseconds())
	if err != nil {
		t.Desk.Log.Error("the sweep is incomplete; the next one goes on", "error", err)
	}
	return err
}

// letters is the queue of what the triggers gave up on.
type letters struct {
	desk  *Desk
	queue string
}

func (l letters) Receive(ctx context.Context, n int) (map[string][]byte, error) {
	got, err := l.desk.Bus.Receive(ctx, l.queue, n, 0)
	if err != nil {
		return nil, err
	}
	bodies := make(map[string][]byte, len(got))
	for _, m := range got {
		bodies[m.Handle] = m.Body
	}
	return bodies, nil
}

func (l letters) Delete(ctx context.Context, receipt string) error {
	return l.desk.Bus.Delete(ctx, l.queue, receipt)
}

// An intake brings dead letters back. They lie in the queue as the trigger had
// them, in their envelopes. [fact 36]
type intake struct {
	desk   *Desk
	engine *engine.Engine
}

func (i *intake) take(ctx context.Context, letter []byte) (err error) {
	defer guard(func(e error) { err = e })
	messages, err := trigger.Messages(letter)
	if err != nil {
		i.desk.Log.Warn("an empty dead letter was dropped")
		return nil
	}
	var errs []error
	for _, m := range messages {
		hint, ok, err := i.engine.Accept(ctx, m.Body)
		if err == nil && ok {
			err = i.desk.Bus.Wake(ctx, replication.OwnerProvision, hint.Job, hint.Rev, 0)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
