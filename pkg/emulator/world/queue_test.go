package world

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	queueRegion = "cn-shanghai"
	queueUID    = "1000000000000001"
)

func queueWorld(t *testing.T, names ...string) *World {
	t.Helper()
	w := New(Options{})
	for _, name := range names {
		_, err := w.CreateQueue(queueRegion, queueUID, name, QueueChange{})
		require.NoError(t, err)
	}
	return w
}

func queueSend(t *testing.T, w *World, queue, body string) {
	t.Helper()
	_, err := w.QueueSend(queueRegion, queueUID, queue, body, 0)
	require.NoError(t, err)
}

func TestSixteenConsumersGetEachMessageOnceWithinItsVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 400
		w := queueWorld(t, "jobs")
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()

		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for {
					got, err := w.QueueReceive(ctx, queueRegion, queueUID, "jobs", 3, 30*time.Second)
					if err != nil {
						return
					}
					mu.Lock()
					for _, m := range got {
						seen[m.Body]++
					}
					mu.Unlock()
				}
			})
		}
		for i := range messages {
			queueSend(t, w, "jobs", fmt.Sprintf("message %d", i))
			if i%50 == 0 {
				time.Sleep(time.Second)
			}
		}
		wg.Wait()
		require.Len(t, seen, messages)
		for body, n := range seen {
			require.Equal(t, 1, n, body)
		}
	})
}

func TestEveryWaitingConsumerGetsOneOfTheMessagesThatArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := queueWorld(t, "jobs")
		began := time.Now()
		arrived := make(chan time.Duration, 4)
		for range 4 {
			go func() {
				got, err := w.QueueReceive(t.Context(), queueRegion, queueUID, "jobs", 1, 30*time.Second)
				if err == nil && len(got) == 1 {
					arrived <- time.Since(began)
				}
			}()
		}
		synctest.Wait()
		for i := range 4 {
			time.Sleep(time.Second)
			queueSend(t, w, "jobs", fmt.Sprint(i))
			synctest.Wait()
			require.Equal(t, time.Duration(i+1)*time.Second, <-arrived)
		}
	})
}

func TestAWaitingConsumerDoesNotHoldUpTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := queueWorld(t, "jobs", "others")
		go func() { _, _ = w.QueueReceive(t.Context(), queueRegion, queueUID, "jobs", 1, 30*time.Second) }()
		synctest.Wait()
		began := time.Now()
		queueSend(t, w, "others", "x")
		got, err := w.QueuePeek(queueRegion, queueUID, "others", 16)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Zero(t, time.Since(began))
	})
}

func TestAReceiveWhoseCallerHasGoneTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := queueWorld(t, "jobs")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		_, err := w.QueueReceive(ctx, queueRegion, queueUID, "jobs", 1, 30*time.Second)
		require.ErrorIs(t, err, context.Canceled)
		queueSend(t, w, "jobs", "x")
		_, err = w.QueueReceive(ctx, queueRegion, queueUID, "jobs", 1, 0)
		require.ErrorIs(t, err, context.Canceled)
		info, err := w.QueueStats(queueRegion, queueUID, "jobs")
		require.NoError(t, err)
		require.Equal(t, 1, info.Active)
	})
}

func TestADeadLetterReachesWhoeverWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := queueWorld(t, "jobs", "dead")
		require.NoError(t, w.SetDeadLetterPolicy(queueRegion, queueUID, "jobs", DeadLetterPolicy{Enabled: true, Target: "dead", MaxReceiveCount: 1}))
		queueSend(t, w, "jobs", "poison")
		got, err := w.QueueReceive(t.Context(), queueRegion, queueUID, "jobs", 1, 0)
		require.NoError(t, err)
		require.Len(t, got, 1)
		_, err = w.QueueExtend(queueRegion, queueUID, "jobs", got[0].Handle, 12*time.Second)
		require.NoError(t, err)

		began := time.Now()
		got, err = w.QueueReceive(t.Context(), queueRegion, queueUID, "dead", 1, 30*time.Second)
		require.NoError(t, err)
		require.Len(t, got, 1, "nobody has to touch the first queue for the message to move")
		require.Equal(t, 12*time.Second, time.Since(began))
	})
}

func TestADeadLetterPolicyCountsForMessagesThatAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := queueWorld(t, "jobs", "dead")
		for _, body := range []string{"seen", "hidden", "new"} {
			queueSend(t, w, "jobs", body)
		}
		_, err := w.QueueReceive(t.Context(), queueRegion, queueUID, "jobs", 1, 0)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		_, err = w.QueueReceive(t.Context(), queueRegion, queueUID, "jobs", 1, 0)
		require.NoError(t, err)
		time.Sleep(20 * time.Second) // the first is visible again, the second is not
		require.NoError(t, w.SetDeadLetterPolicy(queueRegion, queueUID, "jobs", DeadLetterPolicy{Enabled: true, Target: "dead", MaxReceiveCount: 1}))

		bodies := func() (list []string) {
			got, err := w.QueuePeek(queueRegion, queueUID, "dead", 16)
			require.NoError(t, err)
			for _, m := range got {
				list = append(list, m.Body)
			}
			return list
		}
		require.Equal(t, []string{"seen"}, bodies())
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"seen", "hidden"}, bodies())
	})
}

func TestADeadLetterPolicyIsChecked(t *testing.T) {
	w := queueWorld(t, "jobs", "dead")
	for name, p := range map[string]DeadLetterPolicy{
		"the queue itself":     {Enabled: true, Target: "jobs", MaxReceiveCount: 3},
		"no receive allowed":   {Enabled: true, Target: "dead"},
		"a target that is not": {Enabled: true, Target: "none", MaxReceiveCount: 3},
	} {
		require.Error(t, w.SetDeadLetterPolicy(queueRegion, queueUID, "jobs", p), name)
	}
	require.NoError(t, w.SetDeadLetterPolicy(queueRegion, queueUID, "jobs", DeadLetterPolicy{}))
}

func TestADeadLetterWhoseTargetIsGoneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := queueWorld(t, "jobs", "dead")
		require.NoError(t, w.SetDeadLetterPolicy(queueRegion, queueUID, "jobs", DeadLetterPolicy{Enabled: true, Target: "dead", MaxReceiveCount: 1}))
		require.NoError(t, w.DeleteQueue(queueRegion, queueUID, "dead"))
		queueSend(t, w, "jobs", "x")
		for range 3 {
			got, err := w.QueueReceive(t.Context(), queueRegion, queueUID, "jobs", 1, 30*time.Second)
			require.NoError(t, err)
			require.Len(t, got, 1)
		}
	})
}

func TestQueuesOfOneNameAreApartByRegionAndAccount(t *testing.T) {
	w := queueWorld(t, "jobs")
	for _, id := range [][2]string{{"us-east-1", queueUID}, {queueRegion, "2000000000000002"}} {
		created, err := w.CreateQueue(id[0], id[1], "jobs", QueueChange{})
		require.NoError(t, err)
		require.True(t, created)
	}
	queueSend(t, w, "jobs", "x")
	list, next := w.ListQueues("", "", "", "", 0, 0)
	require.Len(t, list, 3)
	require.Empty(t, next)
	for _, q := range list {
		require.Equal(t, q.Region == queueRegion && q.UID == queueUID, q.Active == 1)
	}
}
