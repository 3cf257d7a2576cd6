package mnsemu_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	ali_mns "github.com/aliyun/aliyun-mns-go-sdk"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// bubble runs f in virtual time. The HTTP client of the SDK keeps a goroutine
// that goes when its connections have been idle; the bubble waits for that.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		f(t)
	})
}

func TestALongPollWaitsForAMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		q := c.queue("tickets")
		began := time.Now()
		time.AfterFunc(7*time.Second, func() {
			_, err := c.world.QueueSend(region, uid, "tickets", "late", 0)
			require.NoError(t, err)
		})
		got, err := q.receive(30)
		require.NoError(t, err)
		require.Equal(t, "late", got.MessageBody)
		require.Equal(t, 7*time.Second, time.Since(began), "it wakes at once")

		began = time.Now()
		_, err = q.receive(20)
		noMessage(t, err)
		require.Equal(t, 20*time.Second, time.Since(began), "the message that came is hidden for 30 s")
	})
}

func TestALongPollWakesWhenAHiddenMessageComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		q := c.queue("tickets", ali_mns.WithVisibilityTimeout(10))
		q.send(t, "again")
		first, err := q.receive()
		require.NoError(t, err)

		began := time.Now()
		second, err := q.receive(30)
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.EqualValues(t, 2, second.DequeueCount)
		require.Equal(t, first.FirstDequeueTime, second.FirstDequeueTime)
		noMessage(t, q.DeleteMessage(first.ReceiptHandle))
		require.NoError(t, q.DeleteMessage(second.ReceiptHandle))
	})
}

func TestAReceiptHandleDiesWithItsVisibility(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		q := c.queue("tickets", ali_mns.WithVisibilityTimeout(10))
		q.send(t, "slow work")
		got, err := q.receive()
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		noMessage(t, q.DeleteMessage(got.ReceiptHandle))
		_, err = q.ChangeMessageVisibility(got.ReceiptHandle, 60)
		noMessage(t, err)
	})
}

func TestAQueueCanBeToldToWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		q := c.queue("tickets", ali_mns.WithPollingWaitSeconds(12))
		began := time.Now()
		_, err := q.receive()
		noMessage(t, err)
		require.Equal(t, 12*time.Second, time.Since(began))
	})
}

func TestADelayedMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		q := c.queue("tickets", ali_mns.WithDelaySeconds(60))
		sent, err := q.SendMessage(ali_mns.MessageSendRequest{MessageBody: "in five", DelaySeconds: 5, Priority: 8})
		require.NoError(t, err)
		require.NotEmpty(t, sent.ReceiptHandle)
		_, err = q.peek()
		noMessage(t, err)
		attr, err := c.manager().GetQueueAttributes("tickets")
		require.NoError(t, err)
		require.EqualValues(t, 1, attr.DelayMessages)
		require.Zero(t, attr.InactiveMessages)

		began := time.Now()
		got, err := q.receive(30)
		require.NoError(t, err)
		require.Equal(t, "in five", got.MessageBody)
		require.Equal(t, 5*time.Second, time.Since(began), "the delay of the message, not of the queue")

		now, err := q.SendMessage(ali_mns.MessageSendRequest{MessageBody: "now", Priority: 8})
		require.NoError(t, err)
		require.Empty(t, now.ReceiptHandle)
		_, err = q.receive()
		require.NoError(t, err, "a delay of 0 in the message overrides the queue's")

		later, err := q.SendMessage(ali_mns.MessageSendRequest{MessageBody: "never", DelaySeconds: 20, Priority: 8})
		require.NoError(t, err)
		require.NoError(t, q.DeleteMessage(later.ReceiptHandle), "its handle deletes a message that is not yet due")
	})
}

func TestRetentionEndsAMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		q := c.queue("tickets", ali_mns.WithMessageRetentionPeriod(60))
		q.send(t, "short-lived")
		time.Sleep(60*time.Second - time.Millisecond)
		_, err := q.peek()
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		_, err = q.receive()
		noMessage(t, err)
	})
}

func TestAMessageReceivedTooOftenBecomesADeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		dead := c.queue("dead")
		q := c.queue("tickets", ali_mns.WithVisibilityTimeout(10), ali_mns.WithMessageRetentionPeriod(3600))
		require.NoError(t, c.world.SetDeadLetterPolicy(region, uid, "tickets", world.DeadLetterPolicy{Enabled: true, Target: "dead", MaxReceiveCount: 2}))
		sent := q.send(t, "poison")
		began := time.Now()
		for range 2 {
			_, err := q.receive(30)
			require.NoError(t, err)
		}
		got, err := dead.receive(30)
		require.NoError(t, err)
		require.Equal(t, 20*time.Second, time.Since(began), "it moves when its second visibility ends")
		require.Equal(t, sent.MessageId, got.MessageId)
		require.Equal(t, "poison", got.MessageBody)
		_, err = q.receive()
		noMessage(t, err)

		time.Sleep(time.Hour - 20*time.Second)
		_, err = dead.receive()
		noMessage(t, err) // the retention began when the message was first sent
	})
}

func TestALongPollEndsWithItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		c.queue("tickets")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		q := queue{ali_mns.NewMNSQueue("tickets", c.client(ctx, c.key))}
		began := time.Now()
		_, err := q.receive(30)
		require.Error(t, err)
		require.Equal(t, 3*time.Second, time.Since(began))

		c.queue("gone")
		time.AfterFunc(4*time.Second, func() { require.NoError(t, c.world.DeleteQueue(region, uid, "gone")) })
		_, err = queue{ali_mns.NewMNSQueue("gone", c.client(t.Context(), c.key))}.receive(30)
		require.True(t, ali_mns.ERR_MNS_QUEUE_NOT_EXIST.IsEqual(err), "the queue was deleted under the poll: %v", err)
	})
}

func TestATemporaryKeyEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCloud(t)
		c.queue("tickets")
		key := c.sessionKey(15*time.Minute, allowAll)
		m := ali_mns.NewMNSQueueManager(c.client(t.Context(), key))
		_, err := m.GetQueueAttributes("tickets")
		require.NoError(t, err)
		time.Sleep(15 * time.Minute)
		_, err = m.GetQueueAttributes("tickets")
		require.True(t, ali_mns.ERR_MNS_ACCESS_DENIED.IsEqual(err), "%v", err)
	})
}
