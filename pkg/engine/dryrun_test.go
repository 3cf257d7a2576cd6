package engine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
)

var dryTicket = strings.Replace(ticket, `"historical"`, `"dryRun":true,"historical"`, 1)

// ask takes a dry run in and answers it. Nothing may be written meanwhile.
func (b *bench) ask(body string) error {
	b.t.Helper()
	for _, write := range []memjournal.Op{memjournal.Create, memjournal.Delete, memjournal.PutMarker, memjournal.DeleteMarker} {
		defer b.store.Break(memjournal.Fault{Op: write, Kind: memjournal.Refuse, As: fault.Terminal})()
	}
	e := b.engines[replication.OwnerProvision]
	h, ok, err := e.Accept(context.Background(), []byte(body))
	require.NoError(b.t, err)
	require.True(b.t, ok)
	require.NotNil(b.t, h.DryRun)
	err = e.Answer(context.Background(), *h.DryRun)
	for _, write := range []string{"Claim", "Release", "CreateRole", "CreatePolicy", "Attach", "PutRule", "CloseRule", "Put", "Delete", "Purge"} {
		require.Zero(b.t, b.cloud.calls[write], write)
	}
	require.Empty(b.t, b.cloud.wakes)
	require.Empty(b.t, b.cloud.buried)
	return err
}

func (b *bench) planned() replication.PlanResult {
	b.t.Helper()
	e := b.cloud.events[len(b.cloud.events)-1]
	require.Equal(b.t, replication.EventPlanned, e.Type)
	var p replication.PlanResult
	require.NoError(b.t, json.Unmarshal(e.Detail, &p))
	return p
}

func repeated(n int, err error) (list []error) {
	for range n {
		list = append(list, err)
	}
	return list
}

func TestADryRunIsAnsweredAndLeavesNothing(t *testing.T) {
	bubble(t, "and the ticket in earnest can follow under its id", func(t *testing.T) {
		b := newBench(t)
		require.NoError(t, b.ask(dryTicket))
		p := b.planned()
		require.True(t, p.Accepted, "%v", p.Reasons)
		require.Equal(t, "CHG-1", p.Ticket)
		b.submit(ticket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
	})
	bubble(t, "under the same event id however often it comes", func(t *testing.T) {
		b := newBench(t)
		require.NoError(t, b.ask(dryTicket))
		require.NoError(t, b.ask(dryTicket))
		require.Len(t, b.cloud.events, 2)
		require.Equal(t, b.cloud.events[0].ID, b.cloud.events[1].ID)
		require.NoError(t, b.ask(strings.Replace(dryTicket, "image/", "video/", 1)))
		require.NotEqual(t, b.cloud.events[0].ID, b.cloud.events[2].ID)
	})
	bubble(t, "when it is wrong by itself", func(t *testing.T) {
		b := newBench(t)
		require.NoError(t, b.ask(`{"id":"CHG-1","dryRun":true,"colour":"red"}`))
		require.Equal(t, replication.ReasonUnknownField, b.planned().Reasons[0].Code)
	})
	bubble(t, "when its id has a job already", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		h, _, err := b.engines[replication.OwnerProvision].Accept(context.Background(), []byte(dryTicket))
		require.NoError(t, err)
		require.NoError(t, b.engines[replication.OwnerProvision].Answer(context.Background(), *h.DryRun))
		require.Equal(t, "ticket-known", b.planned().Risks[0].Code)
	})
}

func TestADryRunWhoseLooksFail(t *testing.T) {
	throttled := &fault.Error{Kind: fault.Throttled, Op: "GetBucketInfo", Code: "SlowDown"}
	passing := &fault.Error{Kind: fault.Retryable, Op: "GetBucketInfo", Code: "InternalError"}
	denied := &fault.Error{Kind: fault.Denied, Op: "GetBucketInfo", Resource: "src-bucket", Code: "AccessDenied"}
	bubble(t, "for a moment is answered all the same", func(t *testing.T) {
		for _, err := range []error{throttled, passing} {
			b := newBench(t)
			b.cloud.fail["Bucket"] = repeated(2, err)
			require.NoError(t, b.ask(dryTicket))
			require.True(t, b.planned().Accepted)
		}
	})
	bubble(t, "for want of a right names the call", func(t *testing.T) {
		b := newBench(t)
		b.cloud.fail["Bucket"] = repeated(100, denied)
		require.NoError(t, b.ask(dryTicket))
		require.Equal(t, replication.ReasonDenied, b.planned().Reasons[0].Code)
		require.Contains(t, b.planned().Reasons[0].Message, "GetBucketInfo src-bucket answered AccessDenied")
		require.Equal(t, 2, b.cloud.calls["Bucket"], "it is not tried again")
	})
	bubble(t, "because calls are throttled comes again", func(t *testing.T) {
		b := newBench(t)
		b.cloud.fail["Bucket"] = repeated(100, throttled)
		began := time.Now()
		require.ErrorContains(t, b.ask(dryTicket), "SlowDown")
		require.Empty(t, b.cloud.events)
		require.Less(t, time.Since(began), engine.PlanTimeout)
	})
	bubble(t, "for long says so, since nothing counts its tries", func(t *testing.T) {
		b := newBench(t)
		b.cloud.fail["Bucket"] = repeated(100, passing)
		began := time.Now()
		require.NoError(t, b.ask(dryTicket))
		require.Equal(t, replication.ReasonUnavailable, b.planned().Reasons[0].Code)
		require.Less(t, time.Since(began), engine.PlanTimeout)
	})
	bubble(t, "and an answer that cannot be sent makes it come again", func(t *testing.T) {
		b := newBench(t)
		b.cloud.fail["Publish"] = []error{passing}
		require.ErrorContains(t, b.ask(dryTicket), "answer ticket CHG-1")
		require.NoError(t, b.ask(dryTicket))
		require.True(t, b.planned().Accepted)
	})
}
