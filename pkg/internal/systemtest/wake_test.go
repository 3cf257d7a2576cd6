package systemtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// empty makes a queue anew, without the messages that were in it, delayed ones
// included. The triggers go on with it.
func (d *desk) empty(q config.Queue) (n int) {
	d.t.Helper()
	n = d.queued(q)
	name := d.config.QueueName(q)
	require.NoError(d.t, d.world.DeleteQueue(home, d.uid, name))
	week := 7 * 24 * 60 * 60
	_, err := d.world.CreateQueue(home, d.uid, name, world.QueueChange{MessageRetentionPeriod: &week})
	require.NoError(d.t, err)
	return n
}

func TestLostWakesAreMadeGoodByTheSweep(t *testing.T) {
	for _, after := range []time.Duration{3 * time.Second, 30 * time.Second, 2 * time.Minute, 6 * time.Minute} {
		bubble(t, fmt.Sprintf("when everything in the wake queues is lost after %s", after), func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			time.Sleep(after)
			d.empty(config.QueueWakeProvision)
			d.empty(config.QueueWakeVerify)
			d.watched("CHG-1", 2*time.Hour)
			d.onceMade(1)
		})
	}
	bubble(t, "which carries a job to the watch without any wake of the functions", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		wakes := 0
		d.befall(func(c call) mishap {
			if c.function != "progress" && strings.Contains(c.request.URL.Path, "-wake-") {
				wakes++
				return lost
			}
			return goesWell
		})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", 2*time.Hour)
		require.Positive(t, wakes)
		d.onceMade(1)
	})
	bubble(t, "also that of a job of which only the ticket is written down", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		body := d.ticket("CHG-1", "src", "dst", "")
		d.know(body)
		d.put(stateBucket, "open/0/CHG-1/000000000001", body) // the worker died after this, and the message is gone
		d.watched("CHG-1", time.Hour)
		d.onceMade(1)
	})
	bubble(t, "and wakes that come far too late, or again, are dropped", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		require.NoError(t, d.platform.HoldNext(fn("provision"), "wake", 30*time.Minute))
		require.NoError(t, d.platform.HoldNext(fn("verify"), "wake", 40*time.Minute))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.watched("CHG-1", 25*time.Minute)
		time.Sleep(2 * time.Hour)
		require.Equal(t, j.Writes, d.job("CHG-1").Writes, "late wakes write nothing")
		for range 20 {
			d.send(config.QueueWakeProvision, `{"wake":{"job":"CHG-1","rev":3}}`)
			d.send(config.QueueWakeVerify, `{"wake":{"job":"CHG-1","rev":0}}`)
			d.send(config.QueueWakeVerify, `{"wake":{"job":"CHG-NONE","rev":7}}`)
		}
		time.Sleep(10 * time.Minute)
		require.Equal(t, j.Writes, d.job("CHG-1").Writes)
		require.Nil(t, d.job("CHG-NONE"))
		d.onceMade(1)
	})
}

func TestWhatTheTriggersGiveUpComesBack(t *testing.T) {
	bubble(t, "as wakes, by way of the undelivered ones", func(t *testing.T) {
		d := newDesk(t, setup{retry: "BACKOFF_RETRY"})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, 5*time.Minute)
		// The wake finds no provision that could be started.
		mend := d.world.Break(world.Fault{Service: "fc", Action: "InvokeFunction", Resource: fn("provision"), Kind: world.FaultRefuse, Status: 500, Code: "InternalServerError"})
		require.True(t, d.until(30*time.Minute, func() bool {
			return d.platform.QueueTriggerStats(fn("provision"), "wake").DeadLettered > 0
		}))
		mend()
		d.watched("CHG-1", time.Hour)
		require.Zero(t, d.queued(config.QueueUndelivered))
		d.onceMade(1)
	})
	bubble(t, "twenty tickets at once, each to its end", func(t *testing.T) {
		d := newDesk(t, setup{retry: "BACKOFF_RETRY"})
		mend := d.world.Break(world.Fault{Service: "fc", Action: "InvokeFunction", Resource: fn("provision"), Kind: world.FaultRefuse, Status: 500, Code: "InternalServerError"})
		for i := range 20 {
			d.pair(fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), false)
			d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), ""))
		}
		require.True(t, d.until(time.Hour, func() bool {
			return d.platform.QueueTriggerStats(fn("provision"), "requests").DeadLettered == 20
		}))
		mend()
		for i := range 20 {
			d.watched(fmt.Sprintf("CHG-%d", i), 2*time.Hour)
		}
		d.onceMade(20)
	})
	bubble(t, "but not what lies among them by mistake", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.send(config.QueueUndelivered, `{"reason":{"code":"request.malformed"},"body":"eA=="}`)
		d.send(config.QueueUndelivered, `no letter at all`)
		time.Sleep(30 * time.Minute)
		d.collect()
		require.Len(t, d.results, 1, "the one is left there, the other is answered")
		require.Equal(t, 1, d.queued(config.QueueUndelivered))
	})
}
