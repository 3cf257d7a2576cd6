package systemtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestTheSameMessageTwentyTimesIsOneJob(t *testing.T) {
	bubble(t, "all at once", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		for range 20 {
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
		}
		d.watched("CHG-1", time.Hour)
		time.Sleep(time.Hour)
		d.onceMade(1)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified}, d.reasons("CHG-1"))
	})
	bubble(t, "one after the other, written differently each time", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		body := d.ticket("CHG-1", "src", "dst", "")
		d.submit(body)
		for i := range 19 {
			time.Sleep(30 * time.Second)
			d.send(config.QueueRequests, strings.Replace(body, ",", ","+strings.Repeat(" ", i)+"\n", 3))
		}
		d.watched("CHG-1", time.Hour)
		d.onceMade(1)
	})
	bubble(t, "as the trigger doubles it", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		require.NoError(t, d.platform.DuplicateNext(fn("provision"), "requests", 19))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		require.Equal(t, 20, d.platform.QueueTriggerStats(fn("provision"), "requests").Delivered)
		d.onceMade(1)
	})
	bubble(t, "also when the job has ended: then its last result is sent again", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.watched("CHG-1", time.Hour)
		d.collect()
		before := len(d.results)
		for range 20 {
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			time.Sleep(time.Minute)
		}
		d.collect()
		require.Len(t, d.results, before+20)
		require.Len(t, d.events("CHG-1"), 2, "under the same ids")
		require.Equal(t, j.Writes, d.job("CHG-1").Writes)
		require.Empty(t, d.marks("open"))
		d.onceMade(1)
	})
}

func TestTwoTicketsForOnePair(t *testing.T) {
	bubble(t, "at the same moment: one wins, the other is told who", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.submit(d.ticket("CHG-2", "src", "dst", `"historical":{"replicate":false}`))
		won, lost := d.await("CHG-1", time.Hour), d.await("CHG-2", time.Hour)
		if won.Phase != replication.PhaseWatching {
			won, lost = lost, won
		}
		require.Equal(t, replication.PhaseWatching, won.Phase)
		require.Equal(t, replication.ReasonPairDiffers, lost.Reason)
		require.Contains(t, lost.Message, won.ID)
		require.Contains(t, lost.Message, "historical.replicate: ")
		require.Equal(t, won.ID, d.owner("src", "dst"))
		d.onceMade(1)
	})
	bubble(t, "one long after the other: done if it asks for the same, refused with what differs if not", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "one")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		p := d.plan(d.ticket("CHG-2", "src", "dst", ""))
		require.Equal(t, replication.ReasonDuplicate, p.Reasons[0].Code)
		d.submit(d.ticket("CHG-2", "src", "dst", ""))
		same := d.await("CHG-2", time.Hour)
		require.Equal(t, replication.PhaseCompleted, same.Phase, state(same))
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonDuplicate}, d.reasons("CHG-2"))
		d.submit(d.ticket("CHG-3", "src", "dst", `"historical":{"replicate":true},"objects":{"prefixes":["image/"]},"replicateDeletes":true,"limits":{"maxLag":"5m"}`))
		other := d.await("CHG-3", time.Hour)
		require.Equal(t, replication.PhaseRejected, other.Phase, state(other))
		require.Equal(t, `ticket CHG-1 replicates src to dst otherwise: limits.maxLag: "1h0m0s" -> "5m0s"; replicateDeletes: false -> true`, other.Message)
		require.Equal(t, "CHG-1", d.owner("src", "dst"))
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		d.submit(d.ticket("CHG-2", "src", "dst", ""))
		time.Sleep(10 * time.Minute)
		require.Empty(t, d.owner("src", "dst"), "a ticket that has ended is only answered again")
		d.onceMade(1)
	})
	bubble(t, "ten of them, in several instances", func(t *testing.T) {
		d := newDesk(t, setup{eventDriven: true})
		d.pair("src", "dst", false)
		for i := range 10 {
			d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), "src", "dst", ""))
		}
		watching, owned := 0, 0
		for i := range 10 {
			switch j := d.await(fmt.Sprintf("CHG-%d", i), time.Hour); j.Reason {
			case replication.ReasonVerified:
				watching++
			case replication.ReasonDuplicate:
				owned++
			}
		}
		require.Equal(t, 1, watching)
		require.Equal(t, 9, owned)
		require.Greater(t, d.platform.Stats(fn("provision")).MaxBusy, 1)
		d.onceMade(1)
	})
	bubble(t, "with two buckets that are each the other's source", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.submit(strings.NewReplacer("CHG-1", "CHG-2", `"src"`, `"dst"`, `"dst"`, `"src"`, home, away, away, home).Replace(d.ticket("CHG-1", "src", "dst", "")))
		d.watched("CHG-1", time.Hour)
		d.watched("CHG-2", time.Hour)
		d.put("src", "image/1", "one")
		d.put("dst", "image/2", "two")
		time.Sleep(10 * time.Minute)
		require.NotNil(t, d.object("dst", "image/1"))
		require.NotNil(t, d.object("src", "image/2"))
	})
}

func TestTwoInstancesOnOneJob(t *testing.T) {
	bubble(t, "because every wake comes twice", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		stop := d.every(time.Second, func() {
			require.NoError(t, d.platform.DuplicateNext(fn("provision"), "wake", 1))
			require.NoError(t, d.platform.DuplicateNext(fn("verify"), "wake", 1))
		})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		stop()
		d.onceMade(1)
	})
	bubble(t, "because hints for it rain on several instances", func(t *testing.T) {
		d := newDesk(t, setup{eventDriven: true})
		d.pair("src", "dst", false)
		for _, action := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
			d.world.Break(world.Fault{Action: action, Kind: world.FaultSlow, Delay: 5 * time.Second})
		}
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		rng := rand.New(rand.NewPCG(1, 2))
		stop := d.every(200*time.Millisecond, func() {
			for _, q := range []config.Queue{config.QueueRequests, config.QueueWakeProvision, config.QueueWakeVerify} {
				if rng.IntN(3) == 0 {
					d.send(q, `{"wake":{"job":"CHG-1","rev":0}}`)
				}
			}
		})
		d.watched("CHG-1", time.Hour)
		stop()
		d.onceMade(1)
		require.Greater(t, d.platform.Stats(fn("provision")).MaxBusy, 1)
		require.Len(t, d.events("CHG-1"), 2)
		for _, j := range d.history("CHG-1") {
			require.False(t, j.TakenOver, "who is at work is left alone")
		}
	})
	for what, is := range map[string]func(call) bool{
		"put of the rule": func(c call) bool {
			return c.request.URL.Query().Has("replication") && c.request.URL.Query().Get("comp") == "add"
		},
		"making of the role":   func(c call) bool { return acts(c, "CreateRole") },
		"making of the policy": func(c call) bool { return acts(c, "CreatePolicy") },
		"attachment":           func(c call) bool { return acts(c, "AttachPolicyToRole") },
	} {
		bubble(t, "because the "+what+" of the first one is on its way for minutes", func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			n := 0
			d.befall(func(c call) mishap {
				if !is(c) {
					return goesWell
				}
				if n++; n == 1 {
					return late
				}
				return goesWell
			})
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.watched("CHG-1", time.Hour)
			time.Sleep(time.Hour)
			require.Equal(t, 2, n)
			d.onceMade(1)
		})
	}
}

// acts reports whether a call is that action of RAM.
func acts(c call, action string) bool {
	return strings.HasPrefix(c.request.URL.Host, "ram.") && c.request.URL.Query().Get("Action") == action
}

// every calls f again and again until stop is called.
func (d *desk) every(pause time.Duration, f func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(pause):
				f()
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(done)
		<-ended
	})
	d.t.Cleanup(stop) // of a test that has failed
	return stop
}

// killer has every invocation last until a random moment within the span: then an
// instance of that function is killed, if the invocation has not ended by itself.
func (d *desk) killer(seed uint64, span time.Duration) (stop func() (killed int)) {
	rng := rand.New(rand.NewPCG(seed, 99))
	killed := 0
	d.onInvoke(func(f string) (ended func()) {
		t := time.AfterFunc(time.Duration(rng.Int64N(int64(span))), func() {
			if d.platform.Kill(fn(f)) {
				d.mu.Lock()
				defer d.mu.Unlock()
				killed++
			}
		})
		return func() { t.Stop() }
	})
	return func() int {
		d.onInvoke(nil)
		d.mu.Lock()
		defer d.mu.Unlock()
		return killed
	}
}

func TestKilledInstancesLeaveNothingBehind(t *testing.T) {
	const every = 19 // and never three times in a row, which would end the job
	for name, dies := range map[string]mishap{"before": crash, "after": crashDone} {
		for k := range every {
			bubble(t, fmt.Sprintf("when they die %s calls %d, %d and so on", name, k, k+every), func(t *testing.T) {
				d := newDesk(t, setup{})
				d.pair("src", "dst", k%2 == 0)
				n := 0
				d.befall(func(c call) mishap {
					if c.function == "progress" {
						return goesWell
					}
					if n++; n%(3*every) == k || n%(3*every) == k+every {
						return dies
					}
					return goesWell
				})
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
				d.watched("CHG-1", 6*time.Hour)
				d.befall(nil)
				time.Sleep(20 * time.Minute)
				d.onceMade(1)
				require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified}, d.reasons("CHG-1"))
			})
		}
	}
}

func TestHundredsOfKillsAtRandomMoments(t *testing.T) {
	const pairs = 16
	for seed := range uint64(4) {
		bubble(t, fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			d := newDesk(t, setup{seed: seed})
			rng := rand.New(rand.NewPCG(seed, 3))
			stop := d.killer(seed, 600*time.Millisecond)
			var ids []string
			for i := range pairs {
				src, dst, id := fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), fmt.Sprintf("CHG-%d", i)
				d.pair(src, dst, i%2 == 1)
				d.submit(d.ticket(id, src, dst, ""))
				d.submit(d.ticket(id+"-TOO", src, dst, ""))
				ids = append(ids, id, id+"-TOO")
				time.Sleep(time.Duration(rng.Int64N(int64(time.Minute))))
			}
			time.Sleep(20 * time.Minute)
			killed := stop()
			require.Greater(t, killed, 40)
			ends := map[replication.Reason]int{}
			for _, id := range ids {
				ends[d.await(id, 12*time.Hour).Reason]++
				d.ended(id)
			}
			t.Logf("%d killed: %v", killed, ends)
			require.GreaterOrEqual(t, ends[replication.ReasonVerified], pairs/2)
			time.Sleep(20 * time.Minute)
		})
	}
}

// ended looks that a job ended as its ticket deserves, or because three workers in a
// row died during one effect.
func (d *desk) ended(id string, also ...replication.Reason) {
	d.t.Helper()
	j := d.job(id)
	deserved := []replication.Reason{replication.ReasonVerified, replication.ReasonVerifiedNoCanary, replication.ReasonDuplicate, replication.ReasonPairDiffers, replication.ReasonRuleExists}
	if slices.Contains(append(deserved, also...), j.Reason) {
		return
	}
	most := 0
	for _, h := range d.history(id) {
		most = max(most, h.Crashes)
	}
	if j.Reason != replication.ReasonWorkerCrash || most < replication.MaxCrashes-1 {
		d.fatal("job %s: %s", id, state(j))
	}
}
