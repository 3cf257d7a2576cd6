package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
)

const stopTicket = `{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1"}`

// nothing looks that nothing stands of what was made.
func (b *bench) nothing() {
	b.t.Helper()
	c := b.cloud
	require.Empty(b.t, c.rules)
	require.Empty(b.t, c.roles)
	require.Empty(b.t, c.policies)
	require.Empty(b.t, c.attached)
	require.Empty(b.t, c.owners)
	require.Empty(b.t, c.objects["src-bucket"])
	for _, set := range []string{journal.Open, journal.Watch} {
		for shard := range 4 {
			marks, _, err := journal.NewMarks(b.store).List(context.Background(), set, shard, nil, 10)
			require.NoError(b.t, err)
			require.Empty(b.t, marks, "a mark stands in %s", set)
		}
	}
}

func TestAStop(t *testing.T) {
	bubble(t, "of a watched pair takes back everything with one call for each thing", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		before := map[string]int{}
		for k, n := range b.cloud.calls {
			before[k] = n
		}
		b.submit(stopTicket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
		stop, s := b.job("CHG-9")
		require.Equal(t, replication.PhaseCompleted, stop.Phase, stop.Message)
		require.True(t, stop.AtRest())
		require.LessOrEqual(t, s.Seq, uint64(12))
		b.nothing()
		for _, once := range []string{"CloseRule", "Detach", "DeletePolicy", "DeleteRole", "Release"} {
			require.Equal(t, 1, b.cloud.calls[once]-before[once], once)
		}
		require.Len(t, b.cloud.objects["dest-bucket"], 1, "what was copied stays")
		types := b.types()
		require.Contains(t, types, "replidesk.request.stopped job.stopped")
		require.Equal(t, "replidesk.request.completed job.completed", types[len(types)-1])
		b.submit(stopTicket)
		require.Equal(t, "replidesk.request.completed job.completed", b.types()[len(b.types())-1], "it is answered again")

		again := `{"specVersion":"1","id":"CHG-2",` + strings.Replace(ticket[len(`{"specVersion":"1","id":"CHG-1",`):], `"replicate":true`, `"replicate":false`, 1)
		b.submit(again)
		b.settle(time.Hour)
		j, _ = b.job("CHG-2")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
	})
	bubble(t, "that is faster than its target ends it, and its ticket is answered with that", func(t *testing.T) {
		b := newBench(t)
		b.submit(stopTicket)
		b.settle(time.Hour)
		for range 2 {
			b.submit(ticket)
			b.settle(time.Hour)
			require.Equal(t, "replidesk.request.stopped job.cancelled", b.types()[len(b.types())-1])
			require.Equal(t, "CHG-1/1/0", b.cloud.events[len(b.cloud.events)-1].ID)
		}
		b.nothing()
		b.submit(`{"specVersion":"1","id":"CHG-1","action":"stop","target":"CHG-5"}`)
		require.Equal(t, replication.ReasonIDReused, b.cloud.events[len(b.cloud.events)-1].Reason)
	})
	bubble(t, "whose wake was lost is carried out all the same when the sweep comes", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		b.cloud.fail["Wake"] = []error{fault.Retryable}
		b.submit(stopTicket)
		marks, _, err := journal.NewMarks(b.store).List(context.Background(), journal.Open, replication.Shard("CHG-1", 4), nil, 10)
		require.NoError(t, err)
		_, s := b.job("CHG-1")
		require.Condition(t, func() bool {
			for _, m := range marks {
				if m.ID == "CHG-1" && m.Rev == s.Seq {
					return true
				}
			}
			return false
		}, "the mark of the entry with the order stands")
		b.wakeAll("CHG-1")
		b.settle(time.Hour)
		b.nothing()
	})
}

func TestAJobThatFailsAndLeavesItsRuleIsListedUntilItIsStopped(t *testing.T) {
	bubble(t, "however often its ticket comes again", func(t *testing.T) {
		b := newBench(t)
		listed := func() int {
			marks, _, err := journal.NewMarks(b.store).List(context.Background(), journal.Open, replication.Shard("CHG-1", 4), nil, 10)
			require.NoError(t, err)
			return len(marks)
		}
		b.cloud.noCopy = true
		b.submit(ticket)
		b.settle(24 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.ReasonCanaryLost, j.Reason)
		require.True(t, j.AtRest())
		require.True(t, j.Outstanding())
		require.Equal(t, 1, listed())
		b.submit(ticket)
		b.submit(ticket[:len(ticket)-1] + `,"rtc":true}`)
		b.wakeAll("CHG-1")
		require.Equal(t, 1, listed())
		b.submit(stopTicket)
		b.settle(time.Hour)
		b.nothing()
	})
}

// callsOfAStop are the calls with which a stop changes something.
var callsOfAStop = []string{"CloseRule", "Detach", "DeletePolicy", "DeleteRole", "Release"}

func TestALostAnswerOrADeathDuringAStop(t *testing.T) {
	for _, call := range callsOfAStop {
		bubble(t, "the answer to "+call+" is lost", func(t *testing.T) {
			b := newBench(t)
			b.submit(ticket)
			b.settle(time.Hour)
			b.cloud.lose[call] = 1
			b.submit(stopTicket)
			b.settle(2 * time.Hour)
			j, _ := b.job("CHG-1")
			require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
			b.nothing()
		})
		bubble(t, "a worker dies after "+call, func(t *testing.T) {
			b := newBench(t)
			b.submit(ticket)
			b.settle(time.Hour)
			b.cloud.die, b.dies = call, true
			b.submit(stopTicket)
			b.settle(time.Hour)
			require.True(t, b.cloud.dead)
			j, _ := b.job("CHG-1")
			require.NotNil(t, j.Intent, "the entry names the effect that the worker died in")
			b.cloud.dead, b.dies = false, false
			time.Sleep(engine.Claim + time.Second)
			b.wakeAll("CHG-1")
			b.wakeAll("CHG-9")
			b.settle(2 * time.Hour)
			j, _ = b.job("CHG-1")
			require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
			require.Len(t, j.Stop.Removed, 3)
			b.nothing()
		})
	}
}

// TestAStopInTheMiddleOfAnEffect sends the stop while a call of the target is under
// way: its worker's next save is lost to the order, and its outcome must not be.
func TestAStopInTheMiddleOfAnEffect(t *testing.T) {
	for _, call := range []string{"Claim", "CreateRole", "CreatePolicy", "Attach", "PutRule", "Put", "Delete", "Purge"} {
		for _, answered := range []bool{true, false} {
			bubble(t, fmt.Sprintf("%s, answered %t", call, answered), func(t *testing.T) {
				b := newBench(t)
				if !answered {
					b.cloud.lose[call] = 1
				}
				b.cloud.during(call, func() { b.submit(stopTicket) })
				b.submit(ticket)
				b.settle(2 * time.Hour)
				require.Empty(t, b.cloud.pending, "the stop came")
				j, s := b.job("CHG-1")
				require.True(t, j.AtRest())
				b.nothing()
				stop, _ := b.job("CHG-9")
				require.Equal(t, replication.PhaseCompleted, stop.Phase, stop.Message)

				lost := 0 // intents of the worker that the next entries give no outcome of
				var before *replication.Job
				for e, err := range b.journal.History(context.Background(), s.Log) {
					require.NoError(t, err)
					now, err := replication.Decode(e.Body)
					require.NoError(t, err)
					if before != nil && before.Intent != nil && now.Intent == nil && (now.Last == nil || now.Last.Effect != before.Intent.Effect.Kind) {
						lost++
					}
					before = now
				}
				require.Zero(t, lost, "an outcome was lost")
				require.Zero(t, j.Crashes)
				require.False(t, j.TakenOver, "nobody had to take over")
			})
		}
	}
}

func TestAnOrderThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	for name, f := range map[string]memjournal.Fault{
		"the reply to its entry is lost": {Op: memjournal.Create, Kind: memjournal.LoseReply, Times: 3},
		"the store is not well":          {Op: memjournal.Create, Kind: memjournal.Refuse, As: fault.Retryable, Times: 20},
		"the listing lies behind":        {Op: memjournal.Head, Kind: memjournal.StaleList, Delay: 2 * time.Minute, Times: 40},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.submit(ticket)
				b.settle(time.Hour)
				b.dies = true // runs may end with an error of the journal
				e := b.engines[replication.OwnerProvision]
				h, ok, err := e.Accept(context.Background(), []byte(stopTicket))
				require.NoError(t, err)
				require.True(t, ok)
				restore := b.store.Break(f)
				b.run(replication.OwnerProvision, h)
				time.Sleep(time.Minute)
				restore()
				b.settle(time.Hour)
				time.Sleep(engine.Claim)
				b.wakeAll("CHG-9")
				b.wakeAll("CHG-1")
				b.settle(2 * time.Hour)
				stop, _ := b.job("CHG-9")
				require.Equal(t, replication.PhaseCompleted, stop.Phase, stop.Message)
				b.nothing()
			})
		})
	}
}
