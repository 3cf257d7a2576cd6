package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// A result is a CloudEvent from the results queue, as a ticket system reads it.
type result struct {
	ID   string                `json:"id"`
	Type replication.EventType `json:"type"`
	Data struct {
		Ticket  string             `json:"ticket"`
		Phase   replication.Phase  `json:"phase"`
		Reason  replication.Reason `json:"reason"`
		Message string             `json:"message"`
		Remedy  string             `json:"remedy"`
	} `json:"data"`

	received time.Time
}

// An alert is one alert from its firing to its resolution.
type alert struct {
	id             string // what its two events have in common
	kind           string // "lag", "backfill" or "rule"
	fired, cleared result
}

// results reads the results queue. What comes is sent on new, once each.
type results struct {
	new    chan result
	cancel context.CancelFunc
	done   chan struct{}

	// The rest belongs to whoever reads new.
	final  map[string]bool // tickets that have their final answer
	alerts []*alert
}

// listen starts to read the results queue.
func listen(ctx context.Context, d *wiring.Desk) *results {
	ctx, cancel := context.WithCancel(ctx)
	r := &results{new: make(chan result), cancel: cancel, done: make(chan struct{}), final: map[string]bool{}}
	go func() {
		defer close(r.done)
		r.read(ctx, d)
	}()
	return r
}

// stop ends the reading.
func (r *results) stop() {
	r.cancel()
	<-r.done
}

func (r *results) read(ctx context.Context, d *wiring.Desk) {
	queue, seen := d.Config.QueueName(config.QueueResults), map[string]bool{}
	for ctx.Err() == nil {
		messages, err := d.Bus.Receive(ctx, queue, 16, 5*time.Second)
		if err != nil { // it may pass; the demonstration ends by its limit if it does not
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		for _, m := range messages {
			e := result{received: time.Now()}
			if err := json.Unmarshal(m.Body, &e); err != nil {
				e.ID, e.Data.Message = m.ID, "a result cannot be read: "+err.Error()
			}
			if !seen[e.ID] { // results are sent at least once
				seen[e.ID] = true
				select {
				case r.new <- e:
				case <-ctx.Done():
					return
				}
			}
			_ = d.Bus.Delete(ctx, queue, m.Handle) // otherwise it comes again, and is known
		}
	}
}

// keep takes a result in.
func (r *results) keep(e result) {
	switch e.Type {
	case replication.EventRejected, replication.EventVerified, replication.EventFailed:
		r.final[e.Data.Ticket] = true
	case replication.EventFiring, replication.EventResolved:
		id := strings.TrimSuffix(strings.TrimSuffix(e.ID, "/firing"), "/resolved")
		a := r.alert(id)
		if e.Type == replication.EventFiring {
			a.fired = e
		} else {
			a.cleared = e
		}
	}
}

// alert returns the alert with that id, which may be new.
func (r *results) alert(id string) *alert {
	for _, a := range r.alerts {
		if a.id == id {
			return a
		}
	}
	a := &alert{id: id}
	if parts := strings.Split(id, "/"); len(parts) == 4 { // <job>/alert/<kind>/<n>
		a.kind = parts[2]
	}
	r.alerts = append(r.alerts, a)
	return a
}

// answered reports whether a ticket has its final answer.
func (r *results) answered(ticket string) bool { return r.final[ticket] }

// fired reports whether alerts of both kinds have fired for a ticket.
func (r *results) fired(ticket string) bool {
	return r.has(ticket, "lag") && r.has(ticket, "backfill")
}

func (r *results) has(ticket, kind string) bool {
	return slices.ContainsFunc(r.alerts, func(a *alert) bool { return a.fired.Data.Ticket == ticket && a.kind == kind })
}

// resolvedAll reports whether no alert fires any more.
func (r *results) resolvedAll() bool {
	for _, a := range r.alerts {
		if a.cleared.ID == "" {
			return false
		}
	}
	return true
}
