package world

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Queue is an MNS queue. Its fields are read and changed only with the world's
// lock held; callers get a [QueueInfo].
type Queue struct {
	Region, Owner, Name string // Owner is the UID
	Attributes          QueueAttributes
	DeadLetter          DeadLetterPolicy
	Created, Modified   time.Time

	before   *QueueAttributes // what they were before the last change; nil when they are as made
	messages []*queueMessage  // in the order they came
	handles  map[string]*queueMessage
}

// QueueAttributes are what a queue can be told.
type QueueAttributes struct {
	DelaySeconds           int // 0 to 604800
	MaximumMessageSize     int // bytes, 1024 to 65536
	MessageRetentionPeriod int // seconds, 60 to 604800
	VisibilityTimeout      int // seconds, 1 to 43200
	PollingWaitSeconds     int // 0 to 30
	LoggingEnabled         bool
}

// DefaultQueueAttributes returns what a queue gets that is made without any.
func DefaultQueueAttributes() QueueAttributes {
	return QueueAttributes{MaximumMessageSize: 65536, MessageRetentionPeriod: 345600, VisibilityTimeout: 30}
}

// A QueueChange sets some attributes; a nil field keeps what is there, or takes
// the default when the queue is made.
type QueueChange struct {
	DelaySeconds, MaximumMessageSize, MessageRetentionPeriod *int
	VisibilityTimeout, PollingWaitSeconds                    *int
	LoggingEnabled                                           *bool
}

// A DeadLetterPolicy moves a message to another queue of the same account and
// region when it was received MaxReceiveCount times and became visible again.
type DeadLetterPolicy struct {
	Enabled         bool
	Target          string // name of the dead-letter queue
	MaxReceiveCount int
}

// QueueInfo is a queue at one moment.
type QueueInfo struct {
	Region, UID, Name         string
	Attributes                QueueAttributes
	DeadLetter                DeadLetterPolicy
	Created, Modified         time.Time
	Active, Inactive, Delayed int // messages: visible, received and hidden, not yet due
}

var queueNameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

func queueKey(region, uid, name string) string { return region + "/" + uid + "/" + name }

func queueNotExist() *Error {
	return refuse(404, "QueueNotExist", "The queue you specified does not exist.")
}

// CreateQueue makes a queue. created is false when it was there already with the
// same attributes; other attributes are refused with QueueAlreadyExist.
func (w *World) CreateQueue(region, uid, name string, c QueueChange) (created bool, err error) {
	now := w.enter()
	defer w.mu.Unlock()
	if len(name) > 256 {
		return false, refuse(400, "QueueNameLengthError", "The length of the queue name exceeds 256.")
	}
	if !queueNameForm.MatchString(name) {
		return false, refuse(400, "InvalidQueueName", "The queue name may have letters, digits and hyphens, and begins with a letter or digit.")
	}
	attr := c.apply(DefaultQueueAttributes())
	if e := attr.check(); e != nil {
		return false, e
	}
	key := queueKey(region, uid, name)
	if q := w.queues[key]; q != nil {
		if q.Attributes != attr {
			return false, refuse(409, "QueueAlreadyExist", "The queue exists with other attributes.")
		}
		return false, nil
	}
	w.queues[key] = &Queue{
		Region: region, Owner: uid, Name: name, Attributes: attr,
		Created: now, Modified: now, handles: map[string]*queueMessage{},
	}
	w.broadcast()
	return true, nil
}

// SetQueueAttributes changes the attributes that are given.
func (w *World) SetQueueAttributes(region, uid, name string, c QueueChange) error {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, name, now)
	if e != nil {
		return e
	}
	attr := c.apply(q.Attributes)
	if e := attr.check(); e != nil {
		return e
	}
	old := q.Attributes
	q.before, q.Attributes, q.Modified = &old, attr, now
	return nil
}

// SetDeadLetterPolicy sets what the console and the OpenAPI set on a queue; the
// queue interface itself has no call for it.
func (w *World) SetDeadLetterPolicy(region, uid, name string, p DeadLetterPolicy) error {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, name, now)
	if e != nil {
		return e
	}
	if p.Enabled {
		if p.Target == name || p.MaxReceiveCount < 1 {
			return refuse(400, "InvalidArgument", "A dead-letter policy needs another queue and a receive count of at least 1.")
		}
		if w.queues[queueKey(region, uid, p.Target)] == nil {
			return queueNotExist()
		}
	}
	q.DeadLetter, q.Modified = p, now
	w.settleQueue(q, now)
	for _, m := range q.messages {
		w.scheduleSettle(q, m)
	}
	return nil
}

// DeleteQueue removes a queue with its messages.
func (w *World) DeleteQueue(region, uid, name string) error {
	now := w.enter()
	defer w.mu.Unlock()
	if _, e := w.queue(region, uid, name, now); e != nil {
		return e
	}
	delete(w.queues, queueKey(region, uid, name))
	w.broadcast() // a long poll on it ends
	return nil
}

// QueueStats returns a queue's attributes and counts.
func (w *World) QueueStats(region, uid, name string) (QueueInfo, error) {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, name, now)
	if e != nil {
		return QueueInfo{}, e
	}
	return q.info(now), nil
}

// QueueStatsBefore is [World.QueueStats] as if the last change of the attributes
// had not yet happened; when that was the making of the queue, it does not exist.
func (w *World) QueueStatsBefore(region, uid, name string) (QueueInfo, error) {
	now := w.enter()
	defer w.mu.Unlock()
	q, e := w.queue(region, uid, name, now)
	if e != nil {
		return QueueInfo{}, e
	}
	if q.before == nil {
		return QueueInfo{}, queueNotExist()
	}
	info := q.info(now)
	info.Attributes = *q.before
	return info, nil
}

// ListQueues returns up to limit queues of an account and region in the order of
// their names, after marker, and the marker to go on with ("" at the end). behind
// leaves out the queues made within that time; region or uid "" means all.
func (w *World) ListQueues(region, uid, prefix, marker string, limit int, behind time.Duration) (list []QueueInfo, next string) {
	now := w.enter()
	defer w.mu.Unlock()
	for _, q := range w.queues {
		if region != "" && q.Region != region || uid != "" && q.Owner != uid {
			continue
		}
		if !strings.HasPrefix(q.Name, prefix) || q.Name <= marker || behind > 0 && now.Sub(q.Created) < behind {
			continue
		}
		w.settleQueue(q, now)
		list = append(list, q.info(now))
	}
	slices.SortFunc(list, func(a, b QueueInfo) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(queueKey(a.Region, a.UID, ""), queueKey(b.Region, b.UID, ""))
	})
	if limit > 0 && len(list) > limit {
		list = list[:limit]
		next = list[limit-1].Name
	}
	return list, next
}

// queue returns a queue with everything done that its clock asks for.
func (w *World) queue(region, uid, name string, now time.Time) (*Queue, *Error) {
	q := w.queues[queueKey(region, uid, name)]
	if q == nil {
		return nil, queueNotExist()
	}
	w.settleQueue(q, now)
	return q, nil
}

func (q *Queue) info(now time.Time) QueueInfo {
	i := QueueInfo{
		Region: q.Region, UID: q.Owner, Name: q.Name, Attributes: q.Attributes, DeadLetter: q.DeadLetter,
		Created: q.Created, Modified: q.Modified,
	}
	for _, m := range q.messages {
		switch {
		case !m.visibleFrom.After(now):
			i.Active++
		case m.dequeued > 0:
			i.Inactive++
		default:
			i.Delayed++
		}
	}
	return i
}

func (c QueueChange) apply(a QueueAttributes) QueueAttributes {
	set := func(p *int, v *int) {
		if v != nil {
			*p = *v
		}
	}
	set(&a.DelaySeconds, c.DelaySeconds)
	set(&a.MaximumMessageSize, c.MaximumMessageSize)
	set(&a.MessageRetentionPeriod, c.MessageRetentionPeriod)
	set(&a.VisibilityTimeout, c.VisibilityTimeout)
	set(&a.PollingWaitSeconds, c.PollingWaitSeconds)
	if c.LoggingEnabled != nil {
		a.LoggingEnabled = *c.LoggingEnabled
	}
	return a
}

func (a QueueAttributes) check() *Error {
	for _, r := range []struct {
		name          string
		v, least, top int
	}{
		{"DelaySeconds", a.DelaySeconds, 0, 604800},
		{"MaximumMessageSize", a.MaximumMessageSize, 1024, 65536},
		{"MessageRetentionPeriod", a.MessageRetentionPeriod, 60, 604800},
		{"VisibilityTimeout", a.VisibilityTimeout, 1, 43200},
		{"PollingWaitSeconds", a.PollingWaitSeconds, 0, 30},
	} {
		if r.v < r.least || r.v > r.top {
			return refuse(400, "InvalidArgument", "The value of "+r.name+" is out of range.")
		}
	}
	return nil
}
