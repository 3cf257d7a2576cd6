package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// second is the ticket of the tests under another id.
var second = strings.Replace(ticket, `"id":"CHG-1"`, `"id":"CHG-2"`, 1)

func TestASecondTicketForAPair(t *testing.T) {
	bubble(t, "that asks for the same is complete without any work when the pair is watched, and is answered again", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		before := len(b.cloud.events)
		b.submit(second)
		j, s := b.job("CHG-2")
		require.Equal(t, replication.PhaseCompleted, j.Phase, j.Message)
		require.Equal(t, replication.ReasonDuplicate, j.Reason)
		require.Contains(t, j.Message, "ticket CHG-1 ")
		require.True(t, j.AtRest())
		require.LessOrEqual(t, s.Seq, uint64(2))
		for _, call := range []string{"Claim", "CreateRole", "PutRule"} {
			require.Equal(t, 1, b.cloud.calls[call], call)
		}
		require.Equal(t, []string{"replidesk.request.accepted job.accepted", "replidesk.request.completed pair.duplicate-of"}, b.types()[before:])
		b.submit(second)
		require.Equal(t, "replidesk.request.completed pair.duplicate-of", b.types()[len(b.types())-1])
		require.Equal(t, "CHG-1", b.cloud.owners["src-bucket~dest-bucket"])
	})
	bubble(t, "that asks otherwise is told what differs", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.submit(strings.Replace(second, `"replicate":true`, `"replicate":false`, 1))
		j, _ := b.job("CHG-2")
		require.Equal(t, replication.PhaseRejected, j.Phase)
		require.Equal(t, replication.ReasonPairDiffers, j.Reason)
		require.Contains(t, j.Message, "historical.replicate: true -> false")
	})
	bubble(t, "waits while the first one is being stopped, and has the pair then", func(t *testing.T) {
		b := newBench(t)
		news := strings.NewReplacer(`"replicate":true`, `"replicate":false`)
		b.submit(news.Replace(ticket))
		b.settle(time.Hour)
		b.submit(stopTicket)
		b.submit(news.Replace(second))
		j, _ := b.job("CHG-2")
		require.Equal(t, replication.PhasePreflight, j.Phase, j.Message)
		b.settle(2 * time.Hour)
		j, _ = b.job("CHG-2")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Equal(t, "CHG-2", b.cloud.owners["src-bucket~dest-bucket"])
	})
	bubble(t, "whose look at the owner fails looks again", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		b.cloud.fail["Owner"] = []error{fault.Throttled, fault.Retryable}
		b.submit(second)
		b.settle(time.Hour)
		j, _ := b.job("CHG-2")
		require.Equal(t, replication.ReasonDuplicate, j.Reason)
	})
	bubble(t, "is refused when the journal of the first cannot be read", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		_, s := b.job("CHG-1")
		b.store.Replace(s.Log, s.Seq, []byte("garbage"))
		b.submit(second)
		j, _ := b.job("CHG-2")
		require.Equal(t, replication.ReasonPairOwned, j.Reason, j.Message)
		require.Contains(t, j.Message, "ticket CHG-1")
	})
}
