package engine_test

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

func TestAResultIsSentOnceHoweverOftenAJobThatWaitsIsLookedAt(t *testing.T) {
	bubble(t, "and a block is told once for its reason", func(t *testing.T) {
		b := newBench(t)
		for range 1000 {
			b.cloud.fail["Rules"] = append(b.cloud.fail["Rules"], &fault.Error{Kind: fault.Denied, Op: "GetBucketReplication", Code: "AccessDenied"})
		}
		b.submit(ticket)
		b.settle(24 * time.Hour)
		require.Equal(t, []string{"replidesk.request.accepted job.accepted", "replidesk.request.blocked function.denied"}, b.types())
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseBlocked, j.Phase)
		require.Empty(t, j.Outbox, "the journal shows that the results left")
	})
}

func TestATicketWhoseJournalCannotBeReadIsAnsweredAndKeepsNobodyWaiting(t *testing.T) {
	bubble(t, "when its newest entry is damaged", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		_, s := b.job("CHG-1")
		b.store.Replace(journal.Job("CHG-1"), s.Seq, []byte("garbage"))
		told := len(b.cloud.events)
		_, ok, err := b.engines[replication.OwnerProvision].Accept(context.Background(), []byte(ticket))
		require.NoError(t, err, "an error would bring the message back for ever")
		require.False(t, ok)
		require.Equal(t, replication.ReasonUnreadable, b.cloud.events[told].Reason)
		require.Len(t, b.cloud.buried, 1)
	})
}

func TestAListingThatLagsBehindHidesNoJobFromItsOwnID(t *testing.T) {
	bubble(t, "and another ticket under the id is refused", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		b.store.Break(memjournal.Fault{Op: memjournal.Head, Kind: memjournal.StaleList, Delay: 24 * time.Hour})
		b.submit(ticket[:len(ticket)-1] + `,"rtc":true}`)
		require.Equal(t, replication.ReasonIDReused, b.cloud.events[len(b.cloud.events)-1].Reason)
	})
}

func TestAStopOfATicketWhoseJournalCannotBeReadSaysSo(t *testing.T) {
	bubble(t, "and ends at once", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		_, s := b.job("CHG-1")
		b.store.Replace(journal.Job("CHG-1"), s.Seq, []byte("garbage"))
		b.submit(`{"specVersion":"1","id":"STOP-1","action":"stop","target":"CHG-1"}`)
		b.settle(time.Hour)
		j, _ := b.job("STOP-1")
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonUnreadable, j.Reason, j.Message)
	})
}
