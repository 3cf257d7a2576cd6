package systemtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

// alerts returns the events of one kind of alert of a ticket, in their order.
func (d *desk) alerts(ticket string, k watch.Kind) (list []result) {
	d.t.Helper()
	for _, r := range d.events(ticket) {
		if strings.HasPrefix(r.ID, ticket+"/alert/"+string(k)+"/") {
			list = append(list, r)
		}
	}
	return list
}

// firedAndResolved looks that an alert fired once and was resolved once, under one number.
func (d *desk) firedAndResolved(ticket string, k watch.Kind, reason replication.Reason) {
	d.t.Helper()
	list := d.alerts(ticket, k)
	require.Len(d.t, list, 2)
	require.Equal(d.t, string(replication.EventFiring), list[0].Type)
	require.Equal(d.t, string(reason), list[0].Data.Reason)
	require.Equal(d.t, reason.Remedy(), list[0].Data.Remedy)
	require.Equal(d.t, string(replication.EventResolved), list[1].Type)
	require.Equal(d.t, string(replication.ReasonRecovered), list[1].Data.Reason)
	number, ok := strings.CutSuffix(list[0].ID, "/firing")
	require.True(d.t, ok)
	require.Equal(d.t, number+"/resolved", list[1].ID)
}

// writing puts objects in scope at the source until stop is called.
func (d *desk) writing(bucket string, pause time.Duration) (stop func()) {
	n := 0
	return d.every(pause, func() {
		n++
		d.put(bucket, fmt.Sprintf("image/new-%d", n), "new")
	})
}

const tenMinutes = scope + `,"limits":{"maxLag":"10m"}`

func TestALagThatIsTooLongRaisesAnAlert(t *testing.T) {
	bubble(t, "which fires and is resolved, each once", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", tenMinutes))
		d.watched("CHG-1", time.Hour)
		stop := d.writing("src", 5*time.Minute)
		time.Sleep(time.Hour)
		require.Empty(t, d.alerts("CHG-1", watch.KindLag))
		d.world.ThrottlePair("src", "dst", 20*time.Minute)
		began := time.Now()
		require.True(t, d.until(time.Hour, func() bool { return len(d.alerts("CHG-1", watch.KindLag)) == 1 }))
		require.InDelta(t, 13*time.Minute, time.Since(began), float64(6*time.Minute))
		time.Sleep(3 * time.Hour)
		require.Len(t, d.alerts("CHG-1", watch.KindLag), 1)
		d.world.ThrottlePair("src", "dst", 0)
		time.Sleep(time.Hour)
		stop()
		d.firedAndResolved("CHG-1", watch.KindLag, replication.ReasonLag)
	})
	bubble(t, "again for each new occasion, under a number of its own", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", tenMinutes))
		d.watched("CHG-1", time.Hour)
		stop := d.writing("src", 3*time.Minute)
		for range 3 {
			d.world.PausePair("src", "dst", true)
			time.Sleep(30 * time.Minute)
			d.world.PausePair("src", "dst", false)
			time.Sleep(30 * time.Minute)
		}
		stop()
		require.Len(t, d.alerts("CHG-1", watch.KindLag), 6)
	})
	bubble(t, "with the limit of replication time control, once that is in effect", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", scope+`,"rtc":true`))
		d.watched("CHG-1", time.Hour)
		time.Sleep(2 * time.Hour)
		stop := d.writing("src", time.Minute)
		d.world.PausePair("src", "dst", true)
		time.Sleep(20 * time.Minute)
		require.Len(t, d.alerts("CHG-1", watch.KindLag), 1)
		stop()
	})
	bubble(t, "also when the role that copies was taken away", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", tenMinutes))
		d.watched("CHG-1", time.Hour)
		d.guard.changed["CHG-1"] = true
		d.detach(replication.RoleName("CHG-1"), replication.PolicyName("CHG-1"))
		d.put("src", "image/1", "one")
		require.True(t, d.until(time.Hour, func() bool { return len(d.alerts("CHG-1", watch.KindLag)) == 1 }))
	})
	bubble(t, "and one that cannot be read says so", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", tenMinutes))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "GetBucketReplicationProgress", Kind: world.FaultRefuse, Status: 403, Code: "AccessDenied"})
		time.Sleep(30 * time.Minute)
		mend()
		time.Sleep(10 * time.Minute)
		d.firedAndResolved("CHG-1", watch.KindLag, replication.ReasonDenied)
	})
}

func TestABackfillThatWillBeLateRaisesAnAlert(t *testing.T) {
	// due is a ticket whose backfill has to be done in so long.
	due := func(d *desk, in time.Duration) string {
		return d.ticket("CHG-1", "src", "dst", fmt.Sprintf(`"historical":{"replicate":true,"dueBy":%q},"objects":{"prefixes":["image/"]},"limits":{"maxLag":"10m"}`,
			time.Now().Add(in).UTC().Format(time.RFC3339)))
	}
	old := func(d *desk, n int) {
		for i := range n {
			d.put("src", fmt.Sprintf("image/old-%03d", i), "old")
		}
	}
	bubble(t, "which is resolved when it has become fast enough", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		old(d, 100)
		d.world.ThrottlePair("src", "dst", 3*time.Minute)
		d.submit(due(d, 4*time.Hour)) // it would take five
		d.watched("CHG-1", 2*time.Hour)
		require.True(t, d.until(2*time.Hour, func() bool { return len(d.alerts("CHG-1", watch.KindBackfill)) == 1 }))
		require.Empty(t, d.alerts("CHG-1", watch.KindLag), "new objects are not held back by the old ones")
		d.world.ThrottlePair("src", "dst", 10*time.Second)
		time.Sleep(2 * time.Hour)
		d.firedAndResolved("CHG-1", watch.KindBackfill, replication.ReasonBackfillLate)
		require.Subset(t, d.keys("dst"), []string{"image/old-000", "image/old-099"})
	})
	bubble(t, "and not when it is in time", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		old(d, 100)
		d.world.ThrottlePair("src", "dst", time.Minute)
		d.submit(due(d, 4*time.Hour))
		d.watched("CHG-1", 2*time.Hour)
		time.Sleep(4 * time.Hour)
		require.Empty(t, d.alerts("CHG-1", watch.KindBackfill))
	})
	bubble(t, "also when it stands still", func(t *testing.T) {
		d := newDesk(t, setup{tick: 5 * time.Minute})
		d.pair("src", "dst", false)
		old(d, 100)
		d.world.ThrottlePair("src", "dst", time.Minute)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", 2*time.Hour)
		d.world.PausePair("src", "dst", true)
		time.Sleep(7 * time.Hour)
		d.world.PausePair("src", "dst", false)
		time.Sleep(4 * time.Hour)
		d.firedAndResolved("CHG-1", watch.KindBackfill, replication.ReasonBackfillStalled)
	})
}

// sweeps counts the writes to the logs of the watch, and the ticks, in a span of time.
func (d *desk) sweeps(span time.Duration) (writes, ticks int) {
	d.t.Helper()
	_, from := d.world.Calls(0)
	time.Sleep(span)
	calls, _ := d.world.Calls(from)
	for _, c := range calls {
		if c.Action == "PutObject" && strings.HasPrefix(c.Resource, stateBucket+"/sweep/") {
			writes++
		}
		if c.Service == "fc" && c.Resource == fn("progress") {
			ticks++
		}
	}
	return writes, ticks
}

func TestTheWatchWritesAsMuchForManyPairsAsForOne(t *testing.T) {
	perTick := map[int]int{}
	for _, pairs := range []int{1, 25} {
		t.Run(fmt.Sprintf("%d pairs", pairs), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				d := newDesk(t, setup{})
				for i := range pairs {
					d.pair(fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), false)
					d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), ""))
				}
				for i := range pairs {
					d.watched(fmt.Sprintf("CHG-%d", i), 2*time.Hour)
				}
				time.Sleep(10 * time.Minute)
				st, _ := d.shard()
				require.Len(t, st.Pairs, pairs)
				writes, ticks := d.sweeps(30 * time.Minute)
				require.Equal(t, 30, ticks)
				perTick[pairs] = writes / ticks
				require.Zero(t, writes%ticks)
			})
		})
	}
	require.Equal(t, map[int]int{1: 2, 25: 2}, perTick, "a lease and a snapshot")
}

func TestSweepsThatOverlapDoTheWorkOnce(t *testing.T) {
	bubble(t, "because one has the lease of the other's pairs", func(t *testing.T) {
		d := newDesk(t, setup{progress: 3})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", tenMinutes))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10*time.Minute - time.Duration(time.Now().Second())*time.Second)
		_, from := d.world.Calls(0)
		d.world.Break(world.Fault{Action: "GetBucketReplicationProgress", Kind: world.FaultSlow, Delay: 5 * time.Second})
		d.put("src", "image/1", "one")
		d.world.PausePair("src", "dst", true)
		for range 30 {
			for range 3 {
				_, err := d.platform.InvokeAsync(fn("progress"), []byte(`{}`))
				require.NoError(t, err)
				time.Sleep(2 * time.Second)
			}
			time.Sleep(54 * time.Second)
		}
		polls := 0
		calls, _ := d.world.Calls(from)
		for _, c := range calls {
			if c.Action == "GetBucketReplicationProgress" {
				polls++
			}
		}
		require.InDelta(t, 30, polls, 1, "one a minute")
		require.Len(t, d.alerts("CHG-1", watch.KindLag), 1)
	})
}

func TestTheWatchSurvivesTheKillsOfItsFunction(t *testing.T) {
	for seed := range uint64(2) {
		bubble(t, fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			d := newDesk(t, setup{seed: seed})
			for i := range 4 {
				d.pair(fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), false)
				d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), tenMinutes))
			}
			for i := range 4 {
				d.watched(fmt.Sprintf("CHG-%d", i), time.Hour)
			}
			stop := d.killer(seed, 400*time.Millisecond)
			for round := range 2 {
				for i := range 4 {
					d.world.PausePair(fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), true)
					d.put(fmt.Sprintf("src-%d", i), fmt.Sprintf("image/%d", round), "new")
				}
				time.Sleep(40 * time.Minute)
				for i := range 4 {
					d.world.PausePair(fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), false)
				}
				time.Sleep(30 * time.Minute)
			}
			killed := stop()
			require.Greater(t, killed, 30)
			time.Sleep(20 * time.Minute)
			for i := range 4 {
				list := d.alerts(fmt.Sprintf("CHG-%d", i), watch.KindLag)
				require.Len(t, list, 4, "two occasions, told once each, and not more often for all the kills")
				for n, r := range list {
					require.Equal(t, []replication.EventType{replication.EventFiring, replication.EventResolved}[n%2], replication.EventType(r.Type))
				}
			}
		})
	}
}
