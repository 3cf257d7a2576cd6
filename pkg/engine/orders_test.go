package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

const rtcTicket = `{"specVersion":"1","id":"RTC-1","action":"set-rtc","target":"CHG-1","rtc":true}`

// watchMarks returns the revisions of the marks of the watch of a job.
func (b *bench) watchMarks(id string) (revs []uint64) {
	b.t.Helper()
	marks, _, err := journal.NewMarks(b.store).List(context.Background(), journal.Watch, replication.Shard(id, 4), nil, 10)
	require.NoError(b.t, err)
	for _, m := range marks {
		if m.ID == id {
			revs = append(revs, m.Rev)
		}
	}
	return revs
}

func TestSettingReplicationTimeControl(t *testing.T) {
	bubble(t, "takes one call, and a new mark of the watch", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		was := b.watchMarks("CHG-1")
		require.Len(t, was, 1)
		b.submit(rtcTicket)
		b.submit(rtcTicket)
		b.settle(time.Hour)
		require.Equal(t, 1, b.cloud.calls["PutRTC"])
		j, s := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.True(t, j.AtRest())
		now := b.watchMarks("CHG-1")
		require.Len(t, now, 1)
		require.Greater(t, now[0], was[0], "so that the sweep reads the job anew")
		require.LessOrEqual(t, now[0], s.Seq)
		o, _ := b.job("RTC-1")
		require.Equal(t, replication.PhaseCompleted, o.Phase, o.Message)
		types := b.types()
		require.Contains(t, types, "replidesk.request.changed rtc.set")
		require.Equal(t, "replidesk.request.completed job.completed", types[len(types)-1])
	})
	for _, what := range []string{"the answer is lost", "a worker dies of it", "the right is missing for a while"} {
		bubble(t, what, func(t *testing.T) {
			b := newBench(t)
			b.submit(ticket)
			b.settle(time.Hour)
			switch what {
			case "the answer is lost":
				b.cloud.lose["PutRTC"] = 2
			case "a worker dies of it":
				b.cloud.die, b.dies = "PutRTC", true
			default:
				b.cloud.fail["PutRTC"] = []error{&fault.Error{Kind: fault.Denied, Code: "AccessDenied"}}
			}
			b.submit(rtcTicket)
			b.settle(10 * time.Second)
			require.NotEmpty(t, b.watchMarks("CHG-1"), "it is watched all the while")
			if b.dies {
				require.True(t, b.cloud.dead)
				b.cloud.dead, b.dies = false, false
				time.Sleep(engine.Claim + time.Second)
				b.wakeAll("CHG-1")
			}
			b.settle(2 * time.Hour)
			j, _ := b.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			require.True(t, j.Request.RTC)
			o, _ := b.job("RTC-1")
			require.Equal(t, replication.PhaseCompleted, o.Phase, o.Message)
			require.Len(t, b.watchMarks("CHG-1"), 1)
		})
	}
	bubble(t, "a stop in the middle of it is carried out after that, and loses no outcome", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		b.cloud.during("PutRTC", func() { b.submit(stopTicket) })
		b.submit(rtcTicket)
		b.settle(2 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
		b.nothing()
		o, _ := b.job("RTC-1")
		require.Equal(t, replication.PhaseCompleted, o.Phase, "what came of the call is told: %s", o.Message)
	})
}

func TestARetryOfAFailedJob(t *testing.T) {
	const retry = `{"specVersion":"1","id":"NOW-1","action":"retry","target":"CHG-1"}`
	failed := func(t *testing.T) *bench {
		b := newBench(t)
		b.cloud.fail["PutRule"] = []error{&fault.Error{Kind: fault.Terminal, Code: "InvalidArgument"}}
		b.submit(ticket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseFailed, j.Phase, j.Message)
		return b
	}
	bubble(t, "begins again with what it made", func(t *testing.T) {
		b := failed(t)
		b.submit(retry)
		b.submit(retry)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		for _, once := range []string{"CreateRole", "CreatePolicy", "Attach"} {
			require.Equal(t, 1, b.cloud.calls[once], once)
		}
		require.Equal(t, 2, b.cloud.calls["Claim"], "the pair is claimed anew")
		require.Contains(t, b.types(), "replidesk.request.accepted job.retried")
		require.Len(t, j.Orders, 1)
		b.submit(stopTicket)
		b.settle(time.Hour)
		b.nothing()
	})
	for _, call := range []string{"Claim", "PutRule", "Put", "Role"} {
		bubble(t, fmt.Sprintf("although a worker dies of %s", call), func(t *testing.T) {
			b := failed(t)
			b.cloud.die, b.dies = call, true
			b.submit(retry)
			b.settle(20 * time.Minute)
			require.True(t, b.cloud.dead)
			b.cloud.dead, b.dies = false, false
			time.Sleep(engine.Claim + time.Second)
			b.wakeAll("CHG-1")
			b.wakeAll("NOW-1")
			b.settle(3 * time.Hour)
			j, _ := b.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			require.Len(t, b.cloud.rules, 1)
		})
	}
	bubble(t, "that comes while an effect is under way loses no outcome", func(t *testing.T) {
		b := newBench(t)
		b.cloud.during("CreateRole", func() { b.submit(retry) })
		b.submit(ticket)
		b.settle(2 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Equal(t, 1, b.cloud.calls["CreateRole"])
		require.Zero(t, j.Crashes)
		require.Equal(t, replication.ResultDone, j.Orders[0].Result, j.Orders[0].Message)
	})
}
