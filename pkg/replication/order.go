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
	Pair   string    `json:"pair,omitempty"` // of a replacement: the pair that the target has to have
	RTC    bool      `json:"rtc,omitempty"`  // of set-rtc: whether it is to be on
	// Of set-rtc, when it was begun with: since when the pair was watched, and whether
	// replication time control was on.
	Watched time.Time `json:"watched,omitzero"`
	Was     bool      `json:"was,omitempty"`
	Served  time.Time `json:"served,omitzero"` // when it was carried out or given up; zero: it is open

	// What came of an order that does not take the job down, when it was served:
	// done, refused without having tried anything, or given up (unknown).
	Result  Result `json:"result,omitempty"`
	Reason  Reason `json:"reason,omitempty"` // why it was not done
	Message string `json:"message,omitempty"`

	Removed []string `json:"removed,omitempty"` // of a stop: what was taken back
	Left    []string `json:"left,omitempty"`    // of a stop: what stays for good, and why
}

// OrderOf returns the order that the job of a ticket about another one gives.
func (j *Job) OrderOf(now time.Time) Order {
	o := Order{Action: j.Request.Action, By: j.ID, At: now, RTC: j.Request.Action == ActionSetRTC && j.Request.RTC}
	if j.Request.replaces() {
		o.Pair = j.Request.Pair()
	}
	return o
}

// An Objection says why a job does not take an order.
type Objection struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
	Later   bool   `json:"later,omitempty"` // it may take the order later on
}

// takesDown reports whether the order is to take the job down.
func (o Order) takesDown() bool { return o.Action != ActionRetry && o.Action != ActionSetRTC }

// WaitsForTarget reports whether the order is of use only to a job that has begun.
// Any other ends the job of a ticket that has not come yet.
func (o Order) WaitsForTarget() bool { return !o.takesDown() || o.Action == ActionReplace }

// serve ends an order.
func (o *Order) serve(r Result, reason Reason, message string, v View) {
	o.Served, o.Result, o.Reason, o.Message = v.Now, r, reason, message
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

// Watched reports whether the watch has the pair, also while something about its rule
// is changed.
func (j *Job) Watched() bool {
	p := j.within()
	return p == PhaseWatching || p == PhaseAdjusting || p == PhaseBridging
}

// maxOrders is how many orders a job remembers besides those to take it down.
const maxOrders = 16

// asked returns the open order of an action, or nil.
func (j *Job) asked(a Action) *Order {
	for i := range j.Orders {
		if o := &j.Orders[i]; o.Action == a && o.Served.IsZero() {
			return o
		}
	}
	return nil
}

// orderBy returns the order that a ticket gave; nil: none is remembered.
func (j *Job) orderBy(ticket string) *Order {
	for i := range j.Orders {
		if j.Orders[i].By == ticket {
			return &j.Orders[i]
		}
	}
	return nil
}

// toServe returns the order that has to be dealt with before the job goes on, or nil.
func (j *Job) toServe() *Order {
	if o := j.asked(ActionRetry); o != nil {
		return o
	}
	if o := j.asked(ActionSetRTC); o != nil && j.within() != PhaseAdjusting {
		return o
	}
	return nil
}

// Order writes an order into a job and reports whether it did. It does not when the
// job objects, and when the order would change nothing: the same ticket gave it
// already; an open one to take the job down stands for all; a job at rest that holds
// nothing needs not be taken down.
func (j *Job) Order(o Order) bool {
	if j.Objection(o) != nil {
		return false
	}
	o = Order{Action: o.Action, By: o.By, At: o.At, Pair: o.Pair, RTC: o.RTC}
	rests := j.Owner() == OwnerNone // one with another order is about to go on
	switch {
	case !o.takesDown() && j.orderBy(o.By) != nil, o.takesDown() && (j.Ordered() || rests && !j.holds()):
		return false
	case o.takesDown():
		j.Stop = &o
	default:
		j.remember(o)
	}
	if j.Intent == nil { // due at once
		j.Due, j.CheckBy = time.Time{}, o.At
	}
	return true
}

// remember adds an order, and forgets the oldest that was served.
func (j *Job) remember(o Order) {
	j.Orders = append(slices.Clone(j.Orders), o)
	if i := slices.IndexFunc(j.Orders, func(o Order) bool { return !o.Served.IsZero() }); i >= 0 && len(j.Orders) > maxOrders {
		j.Orders = slices.Delete(j.Orders, i, i+1)
	}
}

// Objection returns why the job does not take an order; nil means that it does, or
// that there is nothing to do.
func (j *Job) Objection(o Order) *Objection {
	no := func(later bool, r Reason, format string, args ...any) *Objection {
		return &Objection{Reason: r, Later: later, Message: fmt.Sprintf("ticket %s ", j.ID) + fmt.Sprintf(format, args...)}
	}
	since := j.Since.UTC().Format(time.RFC3339)
	switch {
	case j.Request.Action.aboutAnother():
		return no(false, ReasonTargetUnfit, "has the action %s", j.Request.Action)
	case j.orderBy(o.By) != nil:
		return nil
	case o.Action == ActionCancel && j.Watched() && !j.Ordered():
		return no(false, ReasonTargetWatched, "is watched since %s", since)
	case o.Action == ActionReplace && !j.CameTooLate() && j.Request.Pair() != o.Pair:
		return no(false, ReasonTargetPair, "replicates %s to %s", j.Request.Source.Bucket, j.Request.Destination.Bucket)
	case o.takesDown():
		return nil
	case j.asked(o.Action) != nil:
		return no(true, ReasonTargetBusy, "has an open order by %s", j.asked(o.Action))
	case o.Action == ActionRetry:
		return j.cannotRetry(no)
	}
	return j.cannotSetRTC(o, no)
}

// OnlyOrdered reports whether an entry is the one before it with an order and
// nothing else: then whoever had begun with the one before may go on from this one.
func OnlyOrdered(before, after *Job) bool {
	o := newOrder(before, after)
	if o == nil {
		return false
	}
	c := before.Clone()
	return c.Order(*o) && sameJSON(c, after)
}

// newOrder returns the order that after has more than before, or nil.
func newOrder(before, after *Job) *Order {
	if after.Stop != nil && !sameJSON(before.Stop, after.Stop) {
		return after.Stop
	}
	if n := len(after.Orders); n > 0 && before.orderBy(after.Orders[n-1].By) == nil {
		return &after.Orders[n-1]
	}
	return nil
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// TakeOrder takes the order that after says more than before into a job that had
// gone on from before: see [OnlyOrdered].
func (j *Job) TakeOrder(before, after *Job) {
	switch o := newOrder(before, after); {
	case o == nil:
	case o.takesDown():
		j.Stop = o
	default:
		j.remember(*o)
	}
}

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
var ordering = []Action{ActionStop, ActionCancel, ActionRetry, ActionSetRTC}

// aboutAnother reports whether a ticket of this action is about another ticket, and
// has no pair of its own.
func (a Action) aboutAnother() bool { return slices.Contains(ordering, a) }

// HasPair reports whether the job of a ticket of this action replicates a pair.
func (a Action) HasPair() bool { return !a.aboutAnother() }

// decide says what to do: what the phase of the job decides, unless an order goes
// before that.
func decide(j *Job, v View) Step {
	if j.Ordered() && !j.takenDown() {
		return takeDown(j, v)
	}
	switch o := j.toServe(); {
	case o == nil:
		return Row(j.Phase).Decide(j, v)
	case o.Action == ActionRetry:
		return serveRetry(j, o, v)
	default:
		return serveRTC(j, o, v)
	}
}

// takeDown begins with an order to take the job down.
func takeDown(j *Job, v View) Step {
	p := PhaseStopping
	if x := j.Verification; x != nil && x.Begun && j.Evidence == nil && x.Cleared.IsZero() {
		p = PhaseClearing
	}
	s := next(j, p, v)
	j.Ending, j.Crashes = nil, 0
	j.Reason = ReasonStopping
	return s
}
