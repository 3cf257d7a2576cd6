package policylog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A change is one use of the lease.
type change struct {
	log   Log
	op    string
	of    resource
	job   string
	snap  journal.Snapshot
	state state
	text  string // of the policy, as it was read last
	odd   error  // why it cannot be taken apart; nil: it can
}

func (c *change) fault(k fault.Kind, err error) error {
	return &fault.Error{Kind: k, Op: c.op, Resource: c.of.name, Err: err}
}

// open takes the lease, or returns who has it. A job may take its own lease again: no
// two workers carry out effects of one job at a time.
func (c *change) open(ctx context.Context) (replication.Granting, error) {
	snap, err := c.log.Journal.Load(ctx, c.of.log)
	for range 10 { // each lost race is a change by another job
		if err != nil {
			return replication.Granting{}, err
		}
		if err := c.take(snap); err != nil {
			return replication.Granting{}, err
		}
		now := snap.Now(time.Now())
		if l := c.state.Lease; l != nil && l.Job != c.job && now.Before(l.Until) {
			return replication.Granting{Busy: l.Job, Until: l.Until}, nil
		}
		c.state.Lease = &lease{Job: c.job, Worker: c.log.Worker, Until: now.Add(leaseTime)}
		err = c.save(ctx)
		var lost *journal.LostError
		if !errors.As(err, &lost) {
			return replication.Granting{}, err
		}
		snap, err = lost.Winner, nil
	}
	return replication.Granting{}, c.fault(fault.Conflict, errors.New("too many jobs want it at once"))
}

// take makes an entry the one to go on from.
func (c *change) take(snap journal.Snapshot) error {
	c.snap, c.state = snap, state{}
	if !snap.Exists() {
		return nil
	}
	if err := json.Unmarshal(snap.Body, &c.state); err != nil {
		return c.fault(fault.Terminal, fmt.Errorf("the ledger cannot be read: %w", err))
	}
	c.state.Before = nil
	return nil
}

func (c *change) save(ctx context.Context) error {
	body, err := json.Marshal(c.state)
	if err != nil {
		return c.fault(fault.Terminal, err)
	}
	snap, err := c.log.Journal.Append(ctx, c.snap, body, journal.Meta{Writer: c.log.Worker})
	if err != nil {
		return err
	}
	c.snap, c.state.Before = snap, nil
	return nil
}

// read reads the policy.
func (c *change) read(ctx context.Context) (replication.ResourcePolicy, error) {
	text, err := c.fetch(ctx)
	if err != nil {
		return replication.ResourcePolicy{}, err
	}
	p, err := replication.ParseResourcePolicy(text)
	c.text, c.odd = text, err
	return p, nil
}

func (c *change) fetch(ctx context.Context) (string, error) {
	is, text, err := c.of.read(ctx)
	if err == nil && is == replication.Foreign {
		err = c.fault(fault.Denied, fmt.Errorf("the role of account %s may not read it (%s)", c.of.account, c.of.readOp))
	}
	return text, err
}

// write saves the policy as it is, reads it again, and writes the new one if nobody
// has changed it meanwhile. Of a write without an answer the next read tells.
func (c *change) write(ctx context.Context, document string) error {
	c.state.Before = &c.text
	if err := c.save(ctx); err != nil {
		return err
	}
	again, err := c.fetch(ctx)
	if err != nil || again != c.text {
		return err
	}
	if c.snap.Latest(time.Now()).Add(spare).After(c.state.Lease.Until) {
		return c.fault(fault.Retryable, errors.New("the lease had nearly run out"))
	}
	err = c.of.write(ctx, document)
	if fault.Of(err).MayHaveHappened() && ctx.Err() == nil {
		return nil
	}
	return err
}

// close gives the lease back with what was recorded.
func (c *change) close(ctx context.Context) error {
	c.state.Lease = nil
	return c.save(ctx)
}

// giveBack gives the lease back after a failure, which is what is told. If that fails
// too the lease runs out.
func (c *change) giveBack(ctx context.Context) {
	if ctx.Err() == nil {
		_ = c.close(ctx) // nothing depends on it
	}
}
