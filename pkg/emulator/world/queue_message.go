package world

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of the queue service.
const (
	queueBatch     = 16    // messages a call
	queueBatchSize = 65536 // bytes of all bodies of a batch
	queuePriority  = 8     // when none is given
	queueMaxWait   = 30 * time.Second
	queueMaxDelay  = 604800 * time.Second
	queueMaxHide   = 43200 * time.Second
)

// A Message is a message as the call that returned it saw it.
type Message struct {
	ID, Handle, Body        string // Handle is "" where the call gives none
	MD5                     string // of the body, upper-case hexadecimal
	Enqueued, FirstDequeued time.Time
	NextVisible             time.Time
	DequeueCount, Priority  int
}

// An Outgoing is a message to send.
type Outgoing struct {
	Body     string
	Delay    *time.Duration // nil takes the queue's
	Priority int            // 1 (first) to 16; 0 means 8
}

// A Sent is what became of one message of a batch.
type Sent struct {
	Message Message
	Refused *Error // nil when it was stored
}

type queueMessage struct {
	id, body     string
	priority     int
	enqueued     time.Time
	expires      time.Time
	visibleFrom  time.Time
	firstDequeue time.Time
	dequeued     int
	handle       string // the only one that is good now; "" when there is none
}

// QueueSend stores one message. A negative delay takes the queue's own.
func (w *World) QueueSend(region, uid, queue, body string, delay time.Duration) (Message, error) {
	out := Outgoing{Body: body}
	if delay >= 0 {
		out.Delay = &delay
	}
	sent, err := w.QueueSendBatch(region, uid, queue, []Outgoing{out})
	if err != nil {
		return Message{}, err
	}
	if sent[0].Refused != nil {
		return Message{}, sent[0].Refused
	}
	return sent[0].Message, nil
}

// QueueSendBatch stores up to 16 messages of at most 64 KB together. The err is of
// the whole call; what is wrong with one message is in its Sent.
func (w *World) QueueSendBatch(region, uid, queue string, batch []Outgoing) ([]Sent, error) {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, queue, now)
	if e != nil {
		return nil, e
	}
	if len(batch) < 1 || len(batch) > queueBatch {
		return nil, refuse(400, "InvalidArgument", "A batch has 1 to 16 messages.")
	}
	size := 0
	for _, o := range batch {
		size += len(o.Body)
	}
	if size > queueBatchSize {
		return nil, refuse(400, "InvalidArgument", "The messages are larger than 65536 bytes together.")
	}
	sent := make([]Sent, len(batch))
	for i, o := range batch {
		if e := q.checkOutgoing(o); e != nil {
			sent[i].Refused = e
			continue
		}
		sent[i].Message = w.enqueue(q, o, now)
	}
	w.broadcast()
	return sent, nil
}

func (q *Queue) checkOutgoing(o Outgoing) *Error {
	switch {
	case o.Body == "":
		return refuse(400, "InvalidArgument", "The MessageBody is empty.")
	case len(o.Body) > q.Attributes.MaximumMessageSize:
		return refuse(400, "InvalidArgument", "The MessageBody is larger than the queue's MaximumMessageSize.")
	case o.Delay != nil && (*o.Delay < 0 || *o.Delay > queueMaxDelay):
		return refuse(400, "InvalidArgument", "The value of DelaySeconds should be between 0 and 604800.")
	case o.Priority < 0 || o.Priority > 16:
		return refuse(400, "InvalidArgument", "The value of Priority should be between 1 and 16.")
	}
	return nil
}

func (w *World) enqueue(q *Queue, o Outgoing, now time.Time) Message {
	delay := time.Duration(q.Attributes.DelaySeconds) * time.Second
	if o.Delay != nil {
		delay = *o.Delay
	}
	m := &queueMessage{
		id:          strings.ToUpper(w.hex(16) + "-2-" + w.hex(11) + "-" + w.hex(9)),
		body:        o.Body,
		priority:    o.Priority,
		enqueued:    now,
		expires:     now.Add(time.Duration(q.Attributes.MessageRetentionPeriod) * time.Second),
		visibleFrom: now.Add(delay),
	}
	if m.priority == 0 {
		m.priority = queuePriority
	}
	q.messages = append(q.messages, m)
	if delay > 0 { // a message that is not yet due can be deleted by its handle
		w.newHandle(q, m)
	}
	return m.view(m.handle)
}

// QueueReceive takes up to most messages (1 to 16) and hides them for the queue's
// visibility timeout. It waits up to wait (at most 30 s; negative takes the
// queue's PollingWaitSeconds) for the first one. None is not an error. Once ctx
// has ended, its error is returned and nothing is taken.
func (w *World) QueueReceive(ctx context.Context, region, uid, queue string, most int, wait time.Duration) ([]Message, error) {
	if most < 1 || most > queueBatch {
		return nil, refuse(400, "InvalidArgument", "The value of numOfMessages should be between 1 and 16.")
	}
	if wait > queueMaxWait {
		return nil, refuse(400, "InvalidArgument", "The value of waitseconds should be between 0 and 30.")
	}
	var deadline time.Time
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := w.enter()
		q, e := w.queue(region, uid, queue, now)
		if e != nil {
			w.mu.Unlock()
			return nil, e
		}
		if deadline.IsZero() {
			if wait < 0 {
				wait = time.Duration(q.Attributes.PollingWaitSeconds) * time.Second
			}
			deadline = now.Add(wait)
		}
		got := w.dequeue(q, most, now)
		if len(got) > 0 || !now.Before(deadline) {
			w.mu.Unlock()
			return got, nil
		}
		wake := w.wakeTime(q, now, deadline)
		changed := w.changed
		w.mu.Unlock()
		awaitChange(ctx, changed, wake.Sub(now))
	}
}

// wakeTime is when a long poll has to look again: at its end, when a message of
// the queue becomes visible, or when the cloud has work to do.
func (w *World) wakeTime(q *Queue, now, deadline time.Time) time.Time {
	wake := deadline
	if due, ok := w.nextDue(); ok && due.Before(wake) {
		wake = due
	}
	for _, m := range q.messages {
		if m.visibleFrom.After(now) && m.visibleFrom.Before(wake) {
			wake = m.visibleFrom
		}
	}
	return wake
}

func awaitChange(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-t.C:
	}
}

// dequeue hides and returns the messages that are first in line.
func (w *World) dequeue(q *Queue, most int, now time.Time) []Message {
	var got []Message
	for _, m := range q.visible(most, now) {
		m.visibleFrom = now.Add(time.Duration(q.Attributes.VisibilityTimeout) * time.Second)
		m.dequeued++
		if m.firstDequeue.IsZero() {
			m.firstDequeue = now
		}
		w.newHandle(q, m)
		w.scheduleSettle(q, m)
		got = append(got, m.view(m.handle))
	}
	return got
}

// visible returns up to most messages that can be received: the smallest priority
// first, then the one that has been visible longest.
func (q *Queue) visible(most int, now time.Time) []*queueMessage {
	var line []*queueMessage
	for _, m := range q.messages {
		if !m.visibleFrom.After(now) {
			line = append(line, m)
		}
	}
	slices.SortStableFunc(line, func(a, b *queueMessage) int {
		if a.priority != b.priority {
			return a.priority - b.priority
		}
		return a.visibleFrom.Compare(b.visibleFrom)
	})
	return line[:min(most, len(line))]
}

// QueuePeek returns up to most visible messages (1 to 16) without taking them.
func (w *World) QueuePeek(region, uid, queue string, most int) ([]Message, error) {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, queue, now)
	if e != nil {
		return nil, e
	}
	if most < 1 || most > queueBatch {
		return nil, refuse(400, "InvalidArgument", "The value of numOfMessages should be between 1 and 16.")
	}
	var got []Message
	for _, m := range q.visible(most, now) {
		got = append(got, m.view(""))
	}
	return got, nil
}

// QueueDelete removes the message of a receipt handle. A handle that has died is
// refused with MessageNotExist, what is no handle with ReceiptHandleError.
func (w *World) QueueDelete(region, uid, queue, handle string) error {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, queue, now)
	if e != nil {
		return e
	}
	m, e := q.byHandle(handle, now)
	if e != nil {
		return e
	}
	q.drop(m)
	return nil
}

// QueueExtend makes the message of a handle visible timeout (1 s to 12 h) from
// now. The handle dies; the returned message has the new one.
func (w *World) QueueExtend(region, uid, queue, handle string, timeout time.Duration) (Message, error) {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, queue, now)
	if e != nil {
		return Message{}, e
	}
	if timeout < time.Second || timeout > queueMaxHide {
		return Message{}, refuse(400, "InvalidArgument", "The value of VisibilityTimeout should be between 1 and 43200.")
	}
	m, e := q.byHandle(handle, now)
	if e != nil {
		return Message{}, e
	}
	m.visibleFrom = now.Add(timeout)
	w.newHandle(q, m)
	w.scheduleSettle(q, m)
	w.broadcast() // it may become visible earlier than a waiter thought
	return m.view(m.handle), nil
}

const handleForm = "1-"

// newHandle gives the message a new handle; the old one dies.
func (w *World) newHandle(q *Queue, m *queueMessage) {
	delete(q.handles, m.handle)
	m.handle = handleForm + base64.StdEncoding.EncodeToString([]byte(w.hex(28)))
	q.handles[m.handle] = m
}

func (q *Queue) byHandle(handle string, now time.Time) (*queueMessage, *Error) {
	m := q.handles[handle]
	if m != nil && m.visibleFrom.After(now) {
		return m, nil
	}
	raw, ok := strings.CutPrefix(handle, handleForm)
	if b, err := base64.StdEncoding.DecodeString(raw); !ok || err != nil || len(b) != 28 {
		return nil, refuse(400, "ReceiptHandleError", "The receipt handle you provided is not valid.")
	}
	return nil, messageNotExist()
}

func messageNotExist() *Error { return refuse(404, "MessageNotExist", "Message not exist.") }

func (q *Queue) drop(m *queueMessage) {
	delete(q.handles, m.handle)
	if i := slices.Index(q.messages, m); i >= 0 {
		q.messages = slices.Delete(q.messages, i, i+1)
	}
}

// settleQueue ends the messages whose retention is over and moves those that were
// received too often.
func (w *World) settleQueue(q *Queue, now time.Time) {
	for _, m := range slices.Clone(q.messages) {
		if !m.expires.After(now) {
			q.drop(m)
			continue
		}
		if q.dead(m) && !m.visibleFrom.After(now) {
			w.bury(q, m, now)
		}
	}
}

func (q *Queue) dead(m *queueMessage) bool {
	return q.DeadLetter.Enabled && m.dequeued >= q.DeadLetter.MaxReceiveCount
}

// bury moves a message to the dead-letter queue. Its retention goes on; a target
// that is gone leaves it where it is.
func (w *World) bury(q *Queue, m *queueMessage, now time.Time) {
	target := w.queues[queueKey(q.Region, q.Owner, q.DeadLetter.Target)]
	if target == nil {
		return
	}
	q.drop(m)
	m.handle, m.dequeued, m.firstDequeue, m.visibleFrom = "", 0, time.Time{}, now
	target.messages = append(target.messages, m)
	w.broadcast()
}

// scheduleSettle has the cloud move a message the moment it would become visible
// once too often, so that whoever waits at the dead-letter queue gets it then.
func (w *World) scheduleSettle(q *Queue, m *queueMessage) {
	if !q.dead(m) {
		return
	}
	w.at(m.visibleFrom, func(now time.Time) {
		if w.queues[queueKey(q.Region, q.Owner, q.Name)] == q {
			w.settleQueue(q, now)
		}
	})
}

func (m *queueMessage) view(handle string) Message {
	return Message{
		ID: m.id, Handle: handle, Body: m.body, MD5: fmt.Sprintf("%X", md5.Sum([]byte(m.body))),
		Enqueued: m.enqueued, FirstDequeued: m.firstDequeue, NextVisible: m.visibleFrom,
		DequeueCount: m.dequeued, Priority: m.priority,
	}
}
