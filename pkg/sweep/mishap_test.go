package sweep_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
)

// story makes a pair whose rule vanishes after two minutes and comes back after
// six, ticks all the while, and expects both alerts, under one id each.
func story(b *bench, tick func()) {
	b.t.Helper()
	b.watched("CHG-1")
	began := time.Now()
	for time.Since(began) < 15*time.Minute {
		switch m := time.Since(began); {
		case m >= 6*time.Minute:
			b.cloud.moves("CHG-1")
		case m >= 2*time.Minute:
			b.cloud.gone("CHG-1")
		}
		next := time.Now().Add(time.Minute)
		tick()
		time.Sleep(time.Until(next))
	}
	require.Len(b.t, b.bus.ids(), 2)
	require.Equal(b.t, "CHG-1 firing rule.vanished", b.bus.told()[0])
	require.Equal(b.t, "CHG-1 resolved watch.recovered", b.bus.told()[len(b.bus.events)-1])
	require.Nil(b.t, b.state().Lease)
	require.Empty(b.t, b.state().Outbox)
}

func TestALostReplyToAnEntryChangesNothing(t *testing.T) {
	for n := range 16 { // the fourth tick writes entries 7, 8 and 9, of which 8 holds the alert
		bubble(t, fmt.Sprintf("whichever it is: number %d", n+1), func(t *testing.T) {
			b := newBench(t)
			b.store.Break(memjournal.Fault{Op: memjournal.Create, Name: "sweep/0", Kind: memjournal.LoseReply, Skip: n, Times: 1})
			story(b, func() { b.tick() })
			require.Len(t, b.bus.events, 2)
		})
	}
}

func TestAWorkerThatDiesAnywhereLosesNoAlertAndDoublesNone(t *testing.T) {
	for n := range 16 {
		bubble(t, fmt.Sprintf("but under its own id: before entry number %d", n+1), func(t *testing.T) {
			b := newBench(t)
			// From the entry on nothing that the worker does arrives, until the tick is over.
			stop := b.store.Break(memjournal.Fault{Op: memjournal.Create, Name: "sweep/0", Kind: memjournal.Refuse, As: fault.Denied, Skip: n})
			died := false
			story(b, func() {
				if _, err := b.try(); err != nil && !died {
					died = true
					stop()
				}
			})
			require.True(t, died)
		})
	}
	bubble(t, "nor between saving an alert and sending it", func(t *testing.T) {
		b := newBench(t)
		dead := false
		b.bus.fail = func(replication.Event) error {
			if dead {
				return nil
			}
			dead = true
			b.store.Break(memjournal.Fault{Op: memjournal.Create, Name: "sweep/0", Kind: memjournal.Refuse, As: fault.Denied, Times: 1})
			return errBus
		}
		story(b, func() { _, _ = b.try() })
		require.True(t, dead)
		require.Len(t, b.bus.events, 2, "it was sent once, by the next worker")
	})
	bubble(t, "nor between sending it and saving that it was sent", func(t *testing.T) {
		b := newBench(t)
		once := sync.OnceFunc(func() {
			b.store.Break(memjournal.Fault{Op: memjournal.Create, Name: "sweep/0", Kind: memjournal.Refuse, As: fault.Denied, Times: 1})
		})
		b.bus.fail = func(replication.Event) error { once(); return nil }
		story(b, func() { _, _ = b.try() })
		require.Len(t, b.bus.events, 3)
		require.Equal(t, b.bus.events[0], b.bus.events[1], "the same event again")
	})
}

func TestSeveralSweepsAtOnceTellPeopleOnce(t *testing.T) {
	bubble(t, "because one of them has the shard", func(t *testing.T) {
		b := newBench(t)
		var polled, busy int
		story(b, func() {
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range 4 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
					defer cancel()
					r, err := b.sweep(fmt.Sprintf("w%d", i)).Tick(ctx)
					mu.Lock()
					defer mu.Unlock()
					polled, busy = polled+r.Polled, busy+r.Busy
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
		require.Equal(t, 15, polled, "a doubled tick polls nothing twice")
		require.Len(t, b.bus.events, 2)
	})
	bubble(t, "and one that works under a live lease is left alone", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.cloud.takes = 5 * time.Second
		done := make(chan sweep.Report)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
			defer cancel()
			r, _ := b.sweep("other").Tick(ctx)
			done <- r
		}()
		time.Sleep(time.Second)
		require.Equal(t, sweep.Report{Busy: 1}, b.tick())
		require.Equal(t, 1, (<-done).Polled)
		require.Len(t, b.cloud.polls, 1)
	})
	bubble(t, "and it keeps the shard until it has told them", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.cloud.gone("CHG-1")
		b.minutes(1)
		b.bus.takes = 3 * time.Second
		done := make(chan sweep.Report)
		go func() {
			r, _ := b.sweep("other").Tick(context.Background())
			done <- r
		}()
		time.Sleep(time.Second)
		require.Len(t, b.state().Outbox, 1, "nobody is told what is not saved")
		require.Equal(t, sweep.Report{Busy: 1}, b.tick())
		require.Equal(t, 1, (<-done).Sent)
		require.Len(t, b.bus.events, 1)
	})
	bubble(t, "and one that stood still for longer than its lease changes nothing any more", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.cloud.gone("CHG-1")
		b.minutes(1)
		var frozen atomic.Bool
		frozen.Store(true)
		b.cloud.set("CHG-1", func() (replication.ProgressSeen, error) {
			if frozen.Swap(false) {
				time.Sleep(5 * time.Minute) // the whole process, so no deadline helps
			}
			return replication.ProgressSeen{Is: replication.Missing}, nil
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
			defer cancel()
			_, err := b.sweep("frozen").Tick(ctx)
			if err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(2 * time.Minute)
		b.minutes(1)
		require.Equal(t, []string{"CHG-1 firing rule.vanished"}, b.bus.told())
		<-done
		require.Len(t, b.bus.events, 1)
		require.Equal(t, "w", b.writer())
	})
	bubble(t, "and the lease of a dead worker ends soon after its time", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(1)
		b.store.Break(memjournal.Fault{Op: memjournal.Create, Name: "sweep/0", Kind: memjournal.Refuse, As: fault.Denied, Skip: 1, Times: 1})
		_, err := b.try()
		require.Error(t, err)
		require.Equal(t, 1, b.tick().Busy)
		time.Sleep(time.Minute)
		require.Equal(t, 1, b.tick().Polled)
	})
}

func TestOneShardThatCannotBeReadDoesNotKeepTheOthersFromBeingSwept(t *testing.T) {
	bubble(t, "and the tick says so", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1") // in shard 0
		b.store.Break(memjournal.Fault{Op: memjournal.Head, Name: "sweep/1", Kind: memjournal.Refuse, As: fault.Denied})
		s := b.sweep("w")
		s.Shards = 3
		r, err := s.Tick(context.Background())
		require.ErrorContains(t, err, "sweep shard 1")
		require.Equal(t, fault.Denied, fault.Of(err))
		require.Equal(t, 1, r.Polled)
		require.Equal(t, 1, r.Idle)
	})
}
