package replication

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// An Order is a wish about a job, written into its log by the job of another ticket.
// Its worker finds it there and carries it out; an order touches nothing else, so a
// worker that is at the job loses no outcome to it: see [OnlyOrdered].
//
// Orders to take the job down (of stop and cancel) go before all others.
type Order struct {
	Action Action    `json:"action,omitempty"` // of the ticket; "" is a stop
	By     string    `json:"by"`               // the ticket
	At     time.Time `json:"at"`
	Served time.Time `json:"served,omitzero"` // when it was carried out or given up; zero: it is open

	Removed []string `json:"removed,omitempty"` // of a stop: what was taken back
	Left    []string `json:"left,omitempty"`    // of a stop: what stays for good, and why
}

// OrderOf returns the order that the job of a ticket about another one gives.
func (j *Job) OrderOf(now time.Time) Order {
	return Order{Action: j.Request.Action, By: j.ID, At: now}
}

// An Objection says why a job does not take an order.
type Objection struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// Ordered reports whether an order to take the job down is open.
func (j *Job) Ordered() bool { return j.Stop != nil && j.Stop.Served.IsZero() }

// takenDown reports whether an open order is being carried out.
func (j *Job) takenDown() bool {
	p := j.within()
	return j.Ordered() && (p == PhaseClearing || p == PhaseStopping)
}

// within returns the phase that the job is in or, blocked, goes on in.
func (j *Job) within() Phase {
	if j.Phase == PhaseBlocked && j.Block != nil {
		return j.Block.Resume
	}
	return j.Phase
}

// Order writes an order into a job and reports whether it did. It does not when the
// job objects, and when the order would change nothing: one that is open already
// stands for both, and a job at rest that holds nothing needs not be taken down.
func (j *Job) Order(o Order) bool {
	rests := Row(j.Phase).Owner == OwnerNone
	if j.Objection(o) != nil || j.Ordered() || rests && !j.holds() {
		return false
	}
	o.Served, o.Removed, o.Left = time.Time{}, nil, nil
	j.Stop = &o
	if j.Intent == nil { // due at once
		j.Due, j.CheckBy = time.Time{}, o.At
	}
	return true
}

// Objection returns why the job does not take an order; nil means that it does, or
// that there is nothing to do.
func (j *Job) Objection(o Order) *Objection {
	switch {
	case j.Request.Action.aboutAnother():
		return &Objection{ReasonTargetUnfit, fmt.Sprintf("ticket %s has the action %s", j.ID, j.Request.Action)}
	case o.Action == ActionCancel && j.Phase == PhaseWatching && !j.Ordered():
		return &Objection{ReasonTargetWatched, fmt.Sprintf("ticket %s is watched since %s", j.ID, j.Since.UTC().Format(time.RFC3339))}
	}
	return nil
}

// OnlyOrdered reports whether an entry is the one before it with an order and
// nothing else: then whoever had begun with the one before may go on from this one.
func OnlyOrdered(before, after *Job) bool {
	if after.Stop == nil {
		return false
	}
	c := before.Clone()
	if !c.Order(*after.Stop) {
		return false
	}
	x, errX := json.Marshal(c)
	y, errY := json.Marshal(after)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// TakeOrder takes the order that an entry says more than the one before into a job
// that had gone on from the one before.
func (j *Job) TakeOrder(after *Job) { j.Stop = after.Stop }

// Cancelled returns the first entry of a job whose ticket has not come yet, because
// the order to take it down was faster. The ticket is answered with its result.
func Cancelled(id string, o Order) *Job {
	o.Served = o.At
	j := &Job{ID: id, Request: Request{SpecVersion: "1", ID: id, Action: ActionReplicate}, Received: o.At, Since: o.At, Phase: PhaseCancelled, Stop: &o,
		Reason: ReasonCancelled, Message: fmt.Sprintf("%s came before ticket %s", o, id)}
	j.emit(EventStopped, j.Reason, j.Message, o.At)
	return j
}

// CameTooLate reports whether the job was taken down before its ticket came.
func (j *Job) CameTooLate() bool { return j.Fingerprint == "" }

// String names the ticket that gave the order, such as "stop ticket CHG-9".
func (o Order) String() string {
	a := o.Action
	if a == "" {
		a = ActionStop
	}
	return fmt.Sprintf("%s ticket %s", a, o.By)
}

// ordering are the actions of tickets that are about another ticket and have no pair
// of their own.
var ordering = []Action{ActionStop, ActionCancel}

// aboutAnother reports whether a ticket of this action is about another ticket, and
// has no pair of its own.
func (a Action) aboutAnother() bool { return slices.Contains(ordering, a) }

// HasPair reports whether the job of a ticket of this action replicates a pair.
func (a Action) HasPair() bool { return !a.aboutAnother() }

// decide says what to do: what the phase of the job decides, unless an open order
// takes it down.
func decide(j *Job, v View) Step {
	if !j.Ordered() || j.takenDown() {
		return Row(j.Phase).Decide(j, v)
	}
	p := PhaseStopping
	if x := j.Verification; x != nil && x.Begun && j.Evidence == nil && x.Cleared.IsZero() {
		p = PhaseClearing
	}
	s := next(j, p, v)
	j.Ending, j.Crashes = nil, 0
	j.Reason = ReasonStopping
	return s
}
