package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	// PlanTimeout bounds the work on one ticket that asks for a plan only.
	PlanTimeout = 30 * time.Second
	// planPause lies between two tries to look at its pair.
	planPause = 3 * time.Second
)

// A DryRun is a ticket that asks for a plan only. It has no job, no entry and no mark:
// all that there is of it is the message and the answer.
type DryRun struct {
	Request  replication.Request
	Problems replication.Problems // of its form
	digest   string               // of the message
}

func newDryRun(r replication.Request, p replication.Problems, body []byte) *DryRun {
	sum := sha256.Sum256(body)
	return &DryRun{Request: r, Problems: p, digest: hex.EncodeToString(sum[:8])}
}

// Plan says what the desk would do for a ticket. problems are what is wrong with its
// form. It only reads; the trouble is that of the read that failed, or nil.
func (e *Engine) Plan(ctx context.Context, r replication.Request, problems replication.Problems) (replication.PlanResult, *replication.Trouble) {
	r.DryRun = false // it is the ticket in earnest that is planned, and that is approved
	if len(problems) == 0 {
		problems = replication.Validate(r, e.Desk)
	}
	if !problems.Plannable() {
		return replication.PlanRefused(r, problems), nil
	}
	s, trouble := e.Survey(ctx, r)
	if trouble != nil {
		return replication.PlanResult{}, trouble
	}
	return replication.Plan(r, e.Desk, s, time.Now()), nil
}

// Answer sends the plan of a dry run. What cannot be looked at is tried again for a
// while. Then a service that asks for fewer calls makes the message come again, which
// is the error; of anything else the answer says why there is no plan, because a
// message has no count of tries that could ever end them.
func (e *Engine) Answer(ctx context.Context, d DryRun) error {
	ctx, cancel := context.WithTimeout(ctx, e.hasten(PlanTimeout))
	defer cancel()
	id := d.Request.ID
	p, t := e.Plan(ctx, d.Request, d.Problems)
	for t != nil && passes(*t) && e.pauseFor(ctx, *t) {
		p, t = e.Plan(ctx, d.Request, d.Problems)
	}
	if t != nil && t.Kind == replication.TroubleThrottled {
		return fmt.Errorf("plan ticket %s: %s", id, t)
	}
	if t != nil {
		p = replication.PlanUnseen(d.Request, *t)
	}
	ev := replication.Planned(p, d.digest, time.Now())
	// The time for looking may be up; that for the answer is not part of it.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), e.hasten(wakeTimeout))
	defer cancel()
	if err := e.Bus.Publish(ctx, ev); err != nil {
		return fmt.Errorf("answer ticket %s: %w", id, err)
	}
	e.logger().Info("planned", "ticket", ev.Job, "accepted", p.Accepted, "reason", ev.Reason)
	return nil
}

// passes reports whether a trouble may be over soon.
func passes(t replication.Trouble) bool {
	return t.Kind == replication.TroubleThrottled || t.Kind == replication.TroublePassing
}

// pauseFor waits before another try. It returns false when there is no time for one.
func (e *Engine) pauseFor(ctx context.Context, t replication.Trouble) bool {
	pause := e.hasten(max(planPause, t.After))
	if until, ok := ctx.Deadline(); ok && time.Until(until) < pause+e.hasten(CallTimeout) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}
