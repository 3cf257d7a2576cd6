package mnsbus

import (
	"context"
	"time"

	ali_mns "github.com/aliyun/aliyun-mns-go-sdk"

	"github.com/replidesk/replidesk/pkg/fault"
)

// What follows makes queues, looks at them, and takes them away. No function does that:
// it is for the people who set a desk up, and needs their rights.

// A QueueSeen is what a queue was seen to be.
type QueueSeen struct {
	Exists     bool
	Retention  time.Duration // how long it keeps a message
	MaxBody    int           // of a message as it is stored, in bytes
	Delay      time.Duration // of every message that does not say otherwise
	Depth      Depth
	attributes ali_mns.QueueAttribute
}

// Queue looks at a queue. One that does not exist is no error.
func (b *Bus) Queue(ctx context.Context, queue string) (QueueSeen, error) {
	var a ali_mns.QueueAttribute
	err := b.call(ctx, "GetQueueAttributes", queue, b.config.Timeout, func(c ali_mns.MNSClient) (err error) {
		a, err = ali_mns.NewMNSQueueManager(c).GetQueueAttributes(queue)
		return err
	})
	switch {
	case fault.Of(err) == fault.NotFound:
		return QueueSeen{}, nil
	case err != nil:
		return QueueSeen{}, err
	}
	return QueueSeen{
		Exists: true, Retention: time.Duration(a.MessageRetentionPeriod) * time.Second, MaxBody: int(a.MaxMessageSize),
		Delay: time.Duration(a.DelaySeconds) * time.Second, attributes: a,
		Depth: Depth{Active: a.ActiveMessages, Hidden: a.InactiveMessages, Delayed: a.DelayMessages},
	}, nil
}

// visibility is how long a received message is hidden: the default of MNS.
const visibility = 30

// CreateQueue makes a queue that keeps messages for so long. One that is there with the
// same attributes is no error, one with others is fault.Exists.
func (b *Bus) CreateQueue(ctx context.Context, queue string, keep time.Duration) error {
	return b.call(ctx, "CreateQueue", queue, b.config.Timeout, func(c ali_mns.MNSClient) error {
		err := ali_mns.NewMNSQueueManager(c).CreateQueueWithOptions(queue, ali_mns.WithDelaySeconds(0), ali_mns.WithMaxMessageSize(MaxBody),
			ali_mns.WithMessageRetentionPeriod(int32(keep/time.Second)), ali_mns.WithVisibilityTimeout(visibility), ali_mns.WithPollingWaitSeconds(0))
		if err != nil && ali_mns.ERR_MNS_QUEUE_ALREADY_EXIST_AND_HAVE_SAME_ATTR.IsEqual(err) {
			return nil
		}
		return err
	})
}

// SetQueue has a queue that was looked at keep messages for so long, take the longest
// bodies, and delay none. All else stays: the SDK would reset what it is not told. [fact 76]
func (b *Bus) SetQueue(ctx context.Context, queue string, was QueueSeen, keep time.Duration) error {
	a := was.attributes
	return b.call(ctx, "SetQueueAttributes", queue, b.config.Timeout, func(c ali_mns.MNSClient) error {
		return ali_mns.NewMNSQueueManager(c).SetQueueAttributesWithOptions(queue, ali_mns.WithDelaySeconds(0), ali_mns.WithMaxMessageSize(MaxBody),
			ali_mns.WithMessageRetentionPeriod(int32(keep/time.Second)), ali_mns.WithVisibilityTimeout(a.VisibilityTimeout),
			ali_mns.WithPollingWaitSeconds(a.PollingWaitSeconds), ali_mns.WithLoggingEnabled(a.LoggingEnabled))
	})
}

// DeleteQueue deletes a queue with all messages in it. One that does not exist is no error.
func (b *Bus) DeleteQueue(ctx context.Context, queue string) error {
	err := b.call(ctx, "DeleteQueue", queue, b.config.Timeout, func(c ali_mns.MNSClient) error {
		return ali_mns.NewMNSQueueManager(c).DeleteQueue(queue)
	})
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

// Oldest returns when the message was sent that is to be received next, without
// receiving it; ok is false when there is none.
func (b *Bus) Oldest(ctx context.Context, queue string) (sent time.Time, ok bool, err error) {
	var got ali_mns.MessageReceiveResponse
	err = b.call(ctx, "PeekMessage", queue, b.config.Timeout, func(c ali_mns.MNSClient) error {
		answers, errs := make(chan ali_mns.MessageReceiveResponse, 1), make(chan error, 1)
		ali_mns.NewMNSQueue(queue, c).PeekMessage(answers, errs)
		select {
		case got = <-answers:
			return nil
		case err := <-errs:
			return err
		}
	})
	if fault.Of(err) == fault.NotFound && codeOf(err) == "MessageNotExist" {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	return time.UnixMilli(got.EnqueueTime).UTC(), true, nil
}
