package slotlog_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/slotlog"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newLog() (slotlog.Log, *memjournal.Store) {
	s := memjournal.New(time.Now)
	return slotlog.Log{Journal: journal.New(s, journal.Options{Schema: 1}), Worker: "test"}, s
}

// take asks for a slot so many minutes after noon.
func take(t *testing.T, l slotlog.Log, job, account string, minute, perHour, perAccount int) replication.SlotSeen {
	t.Helper()
	s, err := l.Take(context.Background(), job, replication.Slot{Account: account, At: noon.Add(time.Duration(minute) * time.Minute),
		Caps: replication.Caps{RulesPerHour: perHour, RulesPerAccount: perAccount}})
	require.NoError(t, err)
	return s
}

var taken = replication.SlotSeen{Taken: true}

func TestAnHourHasSoManySlots(t *testing.T) {
	l, _ := newLog()
	require.Equal(t, taken, take(t, l, "A", "1", 0, 2, 0))
	require.Equal(t, taken, take(t, l, "A", "1", 5, 2, 0), "a job has one slot, however often it asks")
	require.Equal(t, taken, take(t, l, "B", "2", 10, 2, 0))
	full := replication.SlotSeen{Used: 2, Free: noon.Add(time.Hour)}
	require.Equal(t, full, take(t, l, "C", "3", 20, 2, 0), "in all accounts together")
	require.NoError(t, l.GiveBack(context.Background(), "A"))
	require.Equal(t, full, take(t, l, "C", "3", 59, 2, 0), "a rule that was made counts, whatever became of it")
	require.Equal(t, taken, take(t, l, "C", "3", 60, 2, 0))
	require.Equal(t, replication.SlotSeen{Used: 2, Free: noon.Add(70 * time.Minute)}, take(t, l, "D", "3", 61, 2, 0))
	require.Equal(t, replication.SlotSeen{Used: 2, Free: noon.Add(2 * time.Hour)}, take(t, l, "D", "3", 61, 1, 0), "a cap that was lowered counts at once")
	require.Equal(t, taken, take(t, l, "D", "3", 61, 3, 0), "so does one that was raised")
}

func TestAnAccountHasSoManySlots(t *testing.T) {
	l, _ := newLog()
	require.Equal(t, taken, take(t, l, "A", "1", 0, 0, 1))
	require.Equal(t, taken, take(t, l, "B", "2", 0, 0, 1), "another account has its own")
	full := replication.SlotSeen{PerAccount: true, Used: 1}
	require.Equal(t, full, take(t, l, "C", "1", 600, 0, 1), "time does not help")
	require.Equal(t, full, take(t, l, "C", "1", 0, 1, 1), "and is not what is told, if both are reached")
	require.NoError(t, l.GiveBack(context.Background(), "C"), "who has none gives none back")
	require.Equal(t, full, take(t, l, "C", "1", 600, 0, 1))
	require.NoError(t, l.GiveBack(context.Background(), "A"))
	require.NoError(t, l.GiveBack(context.Background(), "A"))
	require.Equal(t, taken, take(t, l, "C", "1", 601, 0, 1))
	require.NoError(t, l.GiveBack(context.Background(), "C"))
	require.Equal(t, taken, take(t, l, "C", "1", 602, 0, 1), "a job can come back for one")
}

func TestASlotInThePlaceOfAnotherOneDoesNotCountTwice(t *testing.T) {
	l, _ := newLog()
	instead := func(job, of string) replication.SlotSeen {
		s, err := l.Take(context.Background(), job, replication.Slot{Account: "1", At: noon, Caps: replication.Caps{RulesPerAccount: 1}, Instead: of})
		require.NoError(t, err)
		return s
	}
	require.Equal(t, taken, take(t, l, "A", "1", 0, 0, 1))
	require.False(t, instead("B", "C").Taken, "one that has none makes no room")
	require.Equal(t, taken, instead("B", "A"))
	require.NoError(t, l.GiveBack(context.Background(), "A"))
	require.Equal(t, replication.SlotSeen{PerAccount: true, Used: 1}, take(t, l, "C", "1", 600, 0, 1), "B has it now")
}

func TestOfManyWhoAskAtOnceOnlySoManyGetASlot(t *testing.T) {
	l, s := newLog()
	s.Break(memjournal.Fault{Op: memjournal.Create, Kind: memjournal.LoseReply, Times: 3})
	var got atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			slot := replication.Slot{Account: "1", At: noon, Caps: replication.Caps{RulesPerAccount: 3}}
			for range 5 { // as a job does whose answer was lost
				seen, err := l.Take(context.Background(), fmt.Sprintf("job-%d", i), slot)
				if err == nil && seen.Taken {
					got.Add(1)
				}
				if err == nil {
					return
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 3, got.Load())
	for i := range 20 {
		require.NoError(t, l.GiveBack(context.Background(), fmt.Sprintf("job-%d", i)))
	}
	require.Equal(t, taken, take(t, l, "late", "1", 0, 0, 1), "none is lost")
}

func TestAListingThatLagsBehindGivesNoSlotTwice(t *testing.T) {
	l, s := newLog()
	require.Equal(t, taken, take(t, l, "A", "1", 0, 0, 1))
	require.NoError(t, l.GiveBack(context.Background(), "A"))
	require.Equal(t, taken, take(t, l, "B", "1", 1, 0, 1))
	s.Break(memjournal.Fault{Op: memjournal.Head, Kind: memjournal.StaleList, Delay: time.Hour, Times: 1})
	require.Equal(t, replication.SlotSeen{PerAccount: true, Used: 1}, take(t, l, "C", "1", 2, 0, 1))
	require.NoError(t, l.GiveBack(context.Background(), "B"))
	s.Break(memjournal.Fault{Op: memjournal.Head, Kind: memjournal.StaleList, Delay: time.Hour, Times: 1})
	require.Equal(t, taken, take(t, l, "C", "1", 3, 0, 1), "nor is a slot that is free taken for used")
}

func TestALogThatCannotBeReadIsSaidSo(t *testing.T) {
	l, s := newLog()
	s.Break(memjournal.Fault{Op: memjournal.Head, Kind: memjournal.Refuse, As: fault.Denied, Times: 1})
	_, err := l.Take(context.Background(), "A", replication.Slot{})
	require.Equal(t, fault.Denied, fault.Of(err))
	snap, err := l.Journal.Load(context.Background(), journal.Cap("rules"))
	require.NoError(t, err)
	_, err = l.Journal.Append(context.Background(), snap, []byte(`["no slots"]`), journal.Meta{Writer: "test"})
	require.NoError(t, err)
	_, err = l.Take(context.Background(), "A", replication.Slot{})
	require.Equal(t, fault.Terminal, fault.Of(err))
}
