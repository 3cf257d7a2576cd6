package sweep_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// open makes a job that has to be looked at by then.
func (b *bench) open(id string, p replication.Phase, checkBy time.Time) *replication.Job {
	b.t.Helper()
	j := &replication.Job{ID: id, Phase: p, CheckBy: checkBy, Received: time.Now()}
	b.mark(journal.Open, id, 1)
	b.append(j)
	return j
}

func (b *bench) openMarks() (ids []string) {
	b.t.Helper()
	marks, _, err := b.marks.List(context.Background(), journal.Open, 0, nil, 100)
	require.NoError(b.t, err)
	for _, m := range marks {
		ids = append(ids, m.ID)
	}
	return ids
}

func TestAJobWhoseWakeWasLostIsWoken(t *testing.T) {
	bubble(t, "when it is past its time, as the entry that it is at, by its owner", func(t *testing.T) {
		b := newBench(t)
		j := b.open("CHG-1", replication.PhaseRole, time.Now().Add(5*time.Minute))
		b.append(j)
		b.minutes(5)
		require.Empty(t, b.bus.wakes)
		b.minutes(1)
		require.Equal(t, []string{"provision CHG-1 2 0s"}, b.bus.wakes)
	})
	bubble(t, "again after two minutes, as long as nobody looks", func(t *testing.T) {
		b := newBench(t)
		b.open("CHG-1", replication.PhaseVerifying, time.Now())
		b.minutes(6)
		require.Equal(t, []string{"verify CHG-1 1 0s", "verify CHG-1 1 0s", "verify CHG-1 1 0s"}, b.bus.wakes)
		b.append(&replication.Job{ID: "CHG-1", Phase: replication.PhaseVerifying, CheckBy: time.Now().Add(time.Hour)})
		b.minutes(30)
		require.Len(t, b.bus.wakes, 3)
	})
	bubble(t, "by provision when only its results are left to be sent", func(t *testing.T) {
		b := newBench(t)
		b.mark(journal.Open, "CHG-1", 1)
		b.append(&replication.Job{ID: "CHG-1", Phase: replication.PhaseFailed, CheckBy: time.Now(), Outbox: []replication.Event{{ID: "CHG-1/1/0"}}})
		b.minutes(1)
		require.Equal(t, []string{"provision CHG-1 1 0s"}, b.bus.wakes)
	})
	bubble(t, "by provision when a minute after its ticket came it has no entry", func(t *testing.T) {
		b := newBench(t)
		b.mark(journal.Open, "CHG-1", 1)
		b.minutes(1)
		require.Empty(t, b.bus.wakes)
		b.minutes(1)
		require.Equal(t, []string{"provision CHG-1 0 0s"}, b.bus.wakes)
	})
	bubble(t, "and one that waits costs a read in ten minutes", func(t *testing.T) {
		b := newBench(t)
		b.open("CHG-1", replication.PhaseStarting, time.Now().Add(12*time.Hour))
		b.minutes(1)
		b.store.reset()
		b.minutes(60)
		require.Equal(t, 6, b.store.reads[journal.Job("CHG-1")])
		require.Equal(t, map[journal.Log]int{"sweep/0": 120}, b.store.entries)
	})
	bubble(t, "within ten minutes when its time was moved forward meanwhile", func(t *testing.T) {
		b := newBench(t)
		j := b.open("CHG-1", replication.PhaseStarting, time.Now().Add(12*time.Hour))
		b.minutes(1)
		j.CheckBy = time.Now().Add(time.Minute)
		b.append(j)
		b.minutes(11)
		require.Equal(t, []string{"provision CHG-1 2 0s"}, b.bus.wakes)
	})
	bubble(t, "and one at rest is not, but its mark goes", func(t *testing.T) {
		b := newBench(t)
		b.open("CHG-1", replication.PhaseRejected, time.Time{})
		b.minutes(1)
		require.Empty(t, b.bus.wakes)
		require.Empty(t, b.openMarks())
	})
	bubble(t, "and one that has failed and left a rule keeps its mark, for a read in ten minutes", func(t *testing.T) {
		b := newBench(t)
		j := b.open("CHG-1", replication.PhaseFailed, time.Time{})
		j.Rule, j.Made.Rule = &replication.Rule{ID: "rule-1", Accepted: time.Now()}, time.Now()
		b.append(j)
		b.minutes(1)
		b.store.reset()
		b.minutes(60)
		require.Equal(t, 6, b.store.reads[journal.Job("CHG-1")])
		require.Empty(t, b.bus.wakes)
		require.Equal(t, []string{"CHG-1"}, b.openMarks())
		j.Phase, j.Rule, j.Made = replication.PhaseStopped, nil, replication.Made{}
		b.append(j)
		b.minutes(11)
		require.Empty(t, b.openMarks())
	})
	bubble(t, "and a mark of what is about to begin stays", func(t *testing.T) {
		b := newBench(t)
		b.open("CHG-1", replication.PhaseWatching, time.Time{})
		b.mark(journal.Open, "CHG-1", 2)
		b.minutes(1)
		require.Equal(t, []string{"CHG-1", "CHG-1"}, b.openMarks())
		require.Empty(t, b.bus.wakes)
		b.minutes(1)
		require.Equal(t, []string{"provision CHG-1 0 0s"}, b.bus.wakes)
	})
	bubble(t, "at the next tick when it could not be read at this one", func(t *testing.T) {
		b := newBench(t)
		b.open("CHG-1", replication.PhaseRole, time.Now())
		b.store.Break(memjournal.Fault{Op: memjournal.Head, Name: "job/CHG-1", Kind: memjournal.Refuse, As: fault.Throttled, Times: 1})
		b.minutes(1)
		require.Empty(t, b.bus.wakes)
		b.minutes(1)
		require.Equal(t, []string{"provision CHG-1 1 0s"}, b.bus.wakes)
	})
}
