package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
)

func TestAQuietTickWritesTwoEntriesHoweverManyPairsThereAre(t *testing.T) {
	for _, pairs := range []int{1, 30, 1000} {
		bubble(t, fmt.Sprintf("such as %d", pairs), func(t *testing.T) {
			b := newBench(t)
			for i := range pairs {
				b.watched(fmt.Sprintf("CHG-%d", i))
			}
			b.tick()
			for range 10 {
				time.Sleep(time.Minute)
				b.store.reset()
				r := b.tick()
				require.Equal(t, pairs, r.Polled)
				require.Equal(t, map[journal.Log]int{"sweep/0": 2}, b.store.entries)
				require.Zero(t, b.store.others)
				require.Equal(t, map[journal.Log]int{"sweep/0": 1}, b.store.reads, "no job is read")
			}
			require.LessOrEqual(t, b.cloud.most, sweep.Parallel)
			require.Empty(t, b.bus.events)
		})
	}
}

func TestAShardWithNothingInItIsNotWrittenTo(t *testing.T) {
	bubble(t, "from the beginning, and after its last pair has gone", func(t *testing.T) {
		b := newBench(t)
		require.Equal(t, sweep.Report{Idle: 1}, b.tick())
		require.Empty(t, b.store.entries)

		j := b.watched("CHG-1")
		b.minutes(3)
		j.Phase = "stopped"
		b.append(j)
		require.NoError(t, b.marks.Clear(context.Background(), journal.Mark{Set: journal.Watch, ID: "CHG-1", Rev: 2}))
		b.minutes(1)
		b.store.reset()
		require.Equal(t, sweep.Report{Idle: 1}, b.tick())
		require.Empty(t, b.store.entries)
	})
}

func TestAlertsAreSentOnceWhenTheyFireAndOnceWhenTheyAreResolved(t *testing.T) {
	bubble(t, "with one more entry in the ticks that send", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.watched("CHG-2")
		b.tick()
		b.cloud.stands("CHG-1")
		for m := range 90 {
			time.Sleep(time.Minute)
			b.store.reset()
			r := b.tick()
			want := 2
			if r.Sent > 0 {
				want = 3
			}
			require.Equal(t, want, b.store.entries["sweep/0"], "minute %d", m)
		}
		require.Equal(t, []string{"CHG-1 firing watch.lag"}, b.bus.told())
		require.Equal(t, 62*time.Minute, b.bus.events[0].At.Sub(b.state().Pairs[0].Watermark.Time()), "at the second poll beyond the limit")

		b.cloud.moves("CHG-1")
		b.minutes(10)
		require.Equal(t, []string{"CHG-1 firing watch.lag", "CHG-1 resolved watch.recovered"}, b.bus.told())
		require.Less(t, b.bus.events[0].Rev, b.bus.events[1].Rev)
		require.Nil(t, b.state().Lease)
		require.Empty(t, b.state().Outbox)
	})
}

func TestAPairIsWatchedAsLongAsItsJobSays(t *testing.T) {
	bubble(t, "and what fires is resolved when it is not watched any more", func(t *testing.T) {
		b := newBench(t)
		j := b.watched("CHG-1")
		b.cloud.gone("CHG-1")
		b.minutes(3)
		require.Equal(t, []string{"CHG-1 firing rule.vanished"}, b.bus.told())
		j.Phase = "stopped"
		b.append(j)
		require.NoError(t, b.marks.Clear(context.Background(), journal.Mark{Set: journal.Watch, ID: "CHG-1", Rev: 2}))
		b.minutes(2)
		require.Equal(t, []string{"CHG-1 firing rule.vanished", "CHG-1 resolved watch.recovered"}, b.bus.told())
		require.Empty(t, b.state().Pairs)
	})
	bubble(t, "so a mark that stands before its entry begins nothing", func(t *testing.T) {
		b := newBench(t)
		b.mark(journal.Watch, "CHG-1", 2)
		require.Zero(t, b.minutes(1).Pairs)
		j := &replication.Job{ID: "CHG-1", Phase: replication.PhaseVerifying, CheckBy: time.Now().Add(time.Hour), Rule: &replication.Rule{ID: "r"}}
		b.append(j)
		require.Zero(t, b.minutes(1).Pairs)
		j.Phase, j.CheckBy = replication.PhaseWatching, time.Time{}
		b.append(j)
		require.Equal(t, 1, b.minutes(1).Pairs)
	})
	bubble(t, "so a mark that was lost ends nothing", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(1)
		require.NoError(t, b.marks.Clear(context.Background(), journal.Mark{Set: journal.Watch, ID: "CHG-1", Rev: 9}))
		require.Equal(t, 1, b.minutes(1).Polled)
	})
	bubble(t, "so the mark of a watch that never began is taken away", func(t *testing.T) {
		b := newBench(t)
		b.mark(journal.Watch, "CHG-1", 1)
		b.append(&replication.Job{ID: "CHG-1", Phase: replication.PhaseFailed})
		require.Zero(t, b.minutes(1).Pairs)
		require.Equal(t, 1, b.tick().Idle)
	})
	bubble(t, "and a new revision renews it without losing its alerts", func(t *testing.T) {
		b := newBench(t)
		j := b.watched("CHG-1")
		b.cloud.gone("CHG-1")
		b.minutes(3)
		j.Rule = &replication.Rule{ID: "rule-2"}
		b.mark(journal.Watch, "CHG-1", 2)
		b.minutes(1)
		require.Equal(t, "rule-of-CHG-1", b.state().Pairs[0].Rule, "the entry is not there yet")
		b.append(j)
		b.minutes(3)
		require.Equal(t, "rule-2", b.state().Pairs[0].Rule)
		require.Equal(t, []string{"CHG-1 firing rule.vanished", "CHG-1 resolved watch.recovered"}, b.bus.told())
	})
	bubble(t, "and a listing that fails changes nothing", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(1)
		defer b.store.Break(memjournal.Fault{Op: memjournal.ListMarkers, Kind: memjournal.Refuse})()
		require.Equal(t, 1, b.minutes(1).Polled)
	})
}

func TestARuleThatCannotBeRead(t *testing.T) {
	bubble(t, "is reported with the cause once nobody can say that the limit is kept", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(1)
		b.cloud.set("CHG-1", func() (replication.ProgressSeen, error) {
			return replication.ProgressSeen{}, &fault.Error{Kind: fault.Denied, Op: "GetBucketReplicationProgress", Code: "AccessDenied"}
		})
		require.Equal(t, 1, b.minutes(60).Unread)
		require.Empty(t, b.bus.events)
		b.minutes(5)
		require.Equal(t, []string{"CHG-1 firing function.denied"}, b.bus.told())
		require.Contains(t, b.bus.events[0].Message, "AccessDenied")
	})
	bubble(t, "because its bucket is gone is gone as well", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.cloud.set("CHG-1", func() (replication.ProgressSeen, error) {
			return replication.ProgressSeen{}, &fault.Error{Kind: fault.NotFound, Op: "GetBucketReplicationProgress", Code: "NoSuchBucket"}
		})
		b.minutes(2)
		require.Equal(t, []string{"CHG-1 firing rule.vanished"}, b.bus.told())
	})
	bubble(t, "because the program breaks does not keep the others from being polled", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.watched("CHG-2")
		b.cloud.set("CHG-1", func() (replication.ProgressSeen, error) { panic("broken") })
		r := b.minutes(1)
		require.Equal(t, 2, r.Polled)
		require.Equal(t, 1, r.Unread)
	})
}

func TestATickThatRunsOutOfTimeIsContinuedByTheNext(t *testing.T) {
	bubble(t, "with those first that waited longest", func(t *testing.T) {
		b := newBench(t)
		for i := range 100 {
			b.watched(fmt.Sprintf("CHG-%03d", i))
		}
		b.cloud.takes = 4 * time.Second
		began := time.Now()
		r := b.tick()
		require.Less(t, time.Since(began), 50*time.Second-sweep.Reserve+time.Second)
		require.Equal(t, 56, r.Polled, "eight at a time, seven times in thirty seconds")
		require.Equal(t, 44, r.Left)
		require.Len(t, b.cloud.polls, 64, "the last eight were broken off, which says nothing of their pairs")

		time.Sleep(time.Until(began.Add(time.Minute)))
		b.cloud.polls = nil
		require.Equal(t, 56, b.tick().Polled)
		require.Equal(t, "rule-of-CHG-056", slices.Min(b.cloud.polls[:40]), "nobody has a second turn before all had a first")
		for _, p := range b.state().Pairs {
			require.NotZero(t, p.Polled, p.Job)
		}
	})
	bubble(t, "as is one that was asked to make fewer calls", func(t *testing.T) {
		b := newBench(t)
		for i := range 100 {
			b.watched(fmt.Sprintf("CHG-%03d", i))
		}
		b.cloud.takes = time.Millisecond
		b.cloud.set("CHG-020", func() (replication.ProgressSeen, error) {
			return replication.ProgressSeen{}, &fault.Error{Kind: fault.Throttled, Op: "GetBucketReplicationProgress", Code: "MetaOperationQpsLimitExceeded"}
		})
		r := b.minutes(1)
		require.Less(t, r.Polled, 40)
		require.Equal(t, 100, r.Polled+r.Left)
		b.minutes(1)
		for _, p := range b.state().Pairs {
			require.NotZero(t, p.Polled, p.Job)
		}
	})
	bubble(t, "and one without any time polls nothing and loses nothing", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r, err := b.sweep("w").Tick(ctx)
		require.NoError(t, err)
		require.Zero(t, r.Polled)
		require.Equal(t, 1, b.tick().Polled)
	})
}

func TestWhileNobodyCanBeToldPollingStopsAtAFullOutbox(t *testing.T) {
	bubble(t, "and goes on when it was sent", func(t *testing.T) {
		b := newBench(t)
		for i := range sweep.MaxOutbox + 50 {
			id := fmt.Sprintf("CHG-%04d", i)
			b.watched(id)
			b.cloud.gone(id)
		}
		b.bus.fail = func(replication.Event) error { return errBus }
		b.minutes(1)
		r := b.minutes(1)
		require.Equal(t, 50, r.Left)
		require.Equal(t, sweep.MaxOutbox, r.Unsent)
		b.bus.fail = nil
		b.minutes(2)
		require.Len(t, b.bus.ids(), sweep.MaxOutbox+50)
		require.Len(t, b.bus.events, sweep.MaxOutbox+50)
	})
}

func TestAlertsOfAJobAreSentInTheirOrder(t *testing.T) {
	bubble(t, "and one that cannot be sent holds up no other job", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.watched("CHG-2")
		b.minutes(1)
		b.bus.fail = func(e replication.Event) error {
			if e.Job == "CHG-1" {
				return errBus
			}
			return nil
		}
		b.cloud.gone("CHG-1")
		b.cloud.gone("CHG-2")
		b.minutes(3)
		b.cloud.moves("CHG-1")
		r := b.minutes(3)
		require.Equal(t, []string{"CHG-2 firing rule.vanished"}, b.bus.told())
		require.Equal(t, 2, r.Unsent)
		b.bus.fail = nil
		b.minutes(1)
		require.Equal(t, []string{"CHG-2 firing rule.vanished", "CHG-1 firing rule.vanished", "CHG-1 resolved watch.recovered"}, b.bus.told())
		require.Empty(t, b.state().Outbox)
	})
}
