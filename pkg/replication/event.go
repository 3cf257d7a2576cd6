package replication

import (
	"encoding/json"
	"fmt"
	"time"
)

// An EventType is the type of a result, as CloudEvents has it.
type EventType string

// The types of result.
const (
	EventAccepted EventType = "replidesk.request.accepted"
	EventRejected EventType = "replidesk.request.rejected"
	EventBlocked  EventType = "replidesk.request.blocked"
	EventVerified EventType = "replidesk.request.verified"
	EventFailed   EventType = "replidesk.request.failed"
	// EventStopped tells that the job of a ticket was taken back, or never began,
	// because a stop ticket asked for it.
	EventStopped EventType = "replidesk.request.stopped"
	// EventCompleted tells that a ticket about another one has done its work.
	EventCompleted EventType = "replidesk.request.completed"
	// EventPlanned answers a ticket that asks for a plan only.
	EventPlanned EventType = "replidesk.request.planned"
	// EventChanged tells that a watched pair is held to something else from now on, or
	// that this could not be done, because another ticket asked for it.
	EventChanged  EventType = "replidesk.request.changed"
	EventFiring   EventType = "replidesk.alert.firing"
	EventResolved EventType = "replidesk.alert.resolved"
)

// An Event is one result. It is sent at least once and always under the same id.
type Event struct {
	ID      string          `json:"id,omitempty"` // <job>/<rev>/<k>, given when its entry is saved
	Rev     uint64          `json:"rev,omitempty"`
	Type    EventType       `json:"type"`
	At      time.Time       `json:"at"`
	Job     string          `json:"job"`
	Phase   Phase           `json:"phase,omitempty"`
	Reason  Reason          `json:"reason"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"` // pair, evidence, problems or figures; nil means none
}

// A PairDetail is what the result of an accepted ticket says of its pair. That of a
// verified one says it beside the evidence.
type PairDetail struct {
	Topology Topology `json:"topology"`
}

type verifiedDetail struct {
	PairDetail
	*Evidence
	Risks []PlanNote `json:"risks,omitempty"`
}

// emit puts a result into the outbox.
func (j *Job) emit(t EventType, r Reason, message string, now time.Time) {
	e := Event{Type: t, At: now, Job: j.ID, Phase: j.Phase, Reason: r, Message: message, Remedy: r.Remedy()}
	var detail any
	switch {
	case t == EventAccepted && j.Request.Action.HasPair():
		detail = PairDetail{j.Request.Topology()}
	case t == EventVerified && j.Evidence != nil:
		detail = verifiedDetail{PairDetail{j.Request.Topology()}, j.Evidence, j.Risks}
	case t == EventCompleted && j.Gap != nil, t == EventBlocked && j.Reason == ReasonGapMissing && j.Gap != nil:
		detail = j.Gap
	case t == EventStopped && j.Stop != nil:
		detail = j.Stop
	}
	if b, err := json.Marshal(detail); err == nil && detail != nil {
		e.Detail = b
	}
	j.Outbox = append(j.Outbox, e)
}

// Unstamp takes back the ids that belong to entry rev, which was not saved.
func (j *Job) Unstamp(rev uint64) {
	for i := range j.Outbox {
		if e := &j.Outbox[i]; e.Rev == rev {
			e.ID, e.Rev = "", 0
		}
	}
}

// Stamp gives the results that have no id yet the one that belongs to entry rev,
// and remembers the newest. It is called just before the entry is saved.
func (j *Job) Stamp(rev uint64) {
	k := 0
	for i := range j.Outbox {
		e := &j.Outbox[i]
		if e.ID == "" {
			e.ID, e.Rev = fmt.Sprintf("%s/%d/%d", j.ID, rev, k), rev
		}
		k++
	}
	if n := len(j.Outbox); n > 0 {
		last := j.Outbox[n-1]
		j.LastEvent = &last
	}
}

// cloudEvent is the CloudEvents 1.0 form of an event.
type cloudEvent struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        EventType      `json:"type"`
	Subject     string         `json:"subject"`
	Time        string         `json:"time"`
	ContentType string         `json:"datacontenttype"`
	Sequence    string         `json:"sequence,omitempty"`
	Data        cloudEventData `json:"data"`
}

type cloudEventData struct {
	Ticket  string          `json:"ticket"`
	Phase   Phase           `json:"phase,omitempty"`
	Reason  Reason          `json:"reason"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// CloudEvent returns e as CloudEvents 1.0 JSON. source names the deployment.
func (e Event) CloudEvent(source string) ([]byte, error) {
	c := cloudEvent{
		SpecVersion: "1.0", ID: e.ID, Source: source, Type: e.Type, Subject: e.Job,
		Time: e.At.UTC().Format(time.RFC3339Nano), ContentType: "application/json",
		Data: cloudEventData{Ticket: e.Job, Phase: e.Phase, Reason: e.Reason, Message: e.Message, Remedy: e.Remedy, Detail: e.Detail},
	}
	if e.Rev > 0 {
		c.Sequence = fmt.Sprintf("%020d", e.Rev)
	}
	return json.Marshal(c)
}

// Refusal returns the result for a ticket that got no job. digest is the SHA-256
// of the message: the same message has the same event id however often it comes.
func Refusal(id, digest string, p Problems, now time.Time) Event {
	if !ValidID(id) {
		id = "unknown"
	}
	e := Event{ID: id + "/refused/" + digest, Type: EventRejected, At: now, Job: id, Phase: PhaseRejected,
		Reason: p[0].Code, Message: p[0].Message, Remedy: p[0].Remedy}
	if b, err := json.Marshal(map[string]any{"problems": p}); err == nil {
		e.Detail = b
	}
	return e
}
