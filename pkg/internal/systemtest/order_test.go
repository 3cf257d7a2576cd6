package systemtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// about returns a ticket about another one.
func about(action replication.Action, id, target, more string) string {
	return fmt.Sprintf(`{"specVersion":"1","id":%q,"action":%q,"target":%q%s}`, id, action, target, more)
}

func TestAJobThatIsNotWatchedYetIsCancelled(t *testing.T) {
	for _, phase := range []replication.Phase{replication.PhaseStarting, replication.PhaseVerifying, replication.PhaseBlocked} {
		bubble(t, "in "+string(phase), func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", true)
			mend := d.world.Break(stages[phase])
			if phase == replication.PhaseVerifying {
				d.world.PausePair("src", "dst", true)
			}
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			require.True(t, d.until(time.Hour, func() bool { j := d.job("CHG-1"); return j != nil && j.Phase == phase && j.Intent == nil }), state(d.job("CHG-1")))
			mend()
			d.submit(about(replication.ActionCancel, "CHG-9", "CHG-1", ""))
			d.submit(about(replication.ActionCancel, "CHG-9", "CHG-1", ""))
			j := d.taken("CHG-9", "CHG-1", "src", "dst")
			require.Equal(t, replication.PhaseStopped, j.Phase, state(j))
			require.Equal(t, replication.ActionCancel, j.Stop.Action)
		})
	}
	bubble(t, "but not when it is watched: that takes a stop", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		d.submit(about(replication.ActionCancel, "CHG-9", "CHG-1", ""))
		j := d.await("CHG-9", time.Hour)
		require.Equal(t, replication.PhaseRejected, j.Phase, state(j))
		require.Equal(t, replication.ReasonTargetWatched, j.Reason)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonTargetWatched}, d.reasons("CHG-9"))
		time.Sleep(time.Hour)
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
		require.Equal(t, 1, d.rules("src"))
		d.stopped("CHG-10", "CHG-1", "src", "dst")
	})
	bubble(t, "and one that has not come yet never begins", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(about(replication.ActionCancel, "CHG-9", "CHG-1", ""))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", time.Hour).Phase)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(10 * time.Minute)
		require.Equal(t, replication.PhaseCancelled, d.job("CHG-1").Phase)
		require.Zero(t, d.calls("CreateRole"))
	})
}

// rtcOf returns how replication time control of a source's only rule is.
func (d *desk) rtcOf(src string) string {
	d.t.Helper()
	rules, e := d.world.Replication(src, false)
	require.Nil(d.t, e)
	require.Len(d.t, rules, 1)
	return rules[0].RTC
}

func TestReplicationTimeControlOfAWatchedPairIsSet(t *testing.T) {
	limits := func(d *desk) []int64 {
		st, _ := d.shard()
		var l []int64
		for _, p := range st.Pairs {
			l = append(l, p.Figures(time.Now()).LimitSeconds)
		}
		return l
	}
	bubble(t, "on and off, and the watch holds the pair to the other limit", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "one")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		require.Equal(t, []int64{3600}, limits(d))
		d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
		d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
		require.Equal(t, replication.PhaseCompleted, d.await("RTC-1", time.Hour).Phase)
		j := d.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
		require.Equal(t, replication.ReasonRTCSet, j.Reason)
		require.NotEmpty(t, d.rtcOf("src"))
		require.Equal(t, 1, d.calls("PutBucketRTC"))
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified, replication.ReasonRTCSet}, d.reasons("CHG-1"))
		time.Sleep(5 * time.Minute)
		require.Equal(t, []int64{3600}, limits(d), "it does not count at once")
		time.Sleep(70 * time.Minute)
		require.Equal(t, []int64{600}, limits(d))
		require.Equal(t, "enabled", d.rtcOf("src"))
		require.Len(t, d.marks("watch"), 1, "the mark of the watch before is gone")

		d.submit(about(replication.ActionSetRTC, "RTC-2", "CHG-1", `,"rtc":true`))
		require.Contains(t, d.await("RTC-2", time.Hour).Message, "is on")
		time.Sleep(5 * time.Minute)
		require.Equal(t, []int64{600}, limits(d), "set twice is once")

		d.submit(about(replication.ActionSetRTC, "RTC-3", "CHG-1", `,"rtc":false`))
		require.Equal(t, replication.PhaseCompleted, d.await("RTC-3", time.Hour).Phase)
		time.Sleep(5 * time.Minute)
		require.Equal(t, []int64{3600}, limits(d))
		require.Empty(t, d.rtcOf("src"))
		require.Len(t, d.job("CHG-1").Orders, 3)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
	})
	bubble(t, "waits until the pair is watched, also when it comes first", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
		time.Sleep(2 * time.Minute)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.PhaseCompleted, d.await("RTC-1", 2*time.Hour).Phase)
		require.NotEmpty(t, d.rtcOf("src"))
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
	})
	bubble(t, "is refused within a region, between regions without it, and for what nobody knows", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("near-src", home, false)
		d.bucket("near-dst", home, false)
		d.bucket("far-src", home, false)
		d.bucket("far-dst", "cn-chengdu", false)
		d.submit(d.ticketTo("CHG-1", "near-src", "near-dst", home, ""))
		d.submit(d.ticketTo("CHG-2", "far-src", "far-dst", "cn-chengdu", ""))
		for id, want := range map[string]replication.Reason{"CHG-1": replication.ReasonRTCWithinRegion, "CHG-2": replication.ReasonRTCNotOffered, "CHG-3": replication.ReasonTargetUnknown} {
			if want != replication.ReasonTargetUnknown {
				d.watched(id, time.Hour)
			}
			d.submit(about(replication.ActionSetRTC, "RTC-"+id, id, `,"rtc":true`))
			j := d.await("RTC-"+id, time.Hour)
			require.Equal(t, replication.PhaseRejected, j.Phase, state(j))
			require.Equal(t, want, j.Reason)
		}
		require.Zero(t, d.calls("PutBucketRTC"))
		require.Equal(t, replication.PhaseWatching, d.job("CHG-2").Phase)
		time.Sleep(10 * time.Minute)
		st, _ := d.shard()
		require.Len(t, st.Pairs, 2, "both are watched as before")
	})
	bubble(t, "and a right that is missing keeps it waiting, but ends no watch", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(5 * time.Minute)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "PutBucketRTC", Kind: world.FaultRefuse, Status: 403, Code: "AccessDenied"})
		d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
		j := d.awaitReason("CHG-1", replication.ReasonDenied, time.Hour)
		require.True(t, j.Watched())
		time.Sleep(time.Hour)
		st, _ := d.shard()
		require.Len(t, st.Pairs, 1, "it is watched all the while")
		require.GreaterOrEqual(t, int64(st.Pairs[0].Polled), time.Now().Add(-5*time.Minute).Unix())
		mend()
		d.submit(about(replication.ActionRetry, "NOW-1", "CHG-1", ""))
		require.Equal(t, replication.PhaseCompleted, d.await("NOW-1", 5*time.Minute).Phase)
		require.Equal(t, replication.PhaseCompleted, d.await("RTC-1", time.Hour).Phase)
		require.NotEmpty(t, d.rtcOf("src"))
	})
}

func TestOrdersSurviveLostRepliesAndTheDeathOfWorkers(t *testing.T) {
	bubble(t, "a lost reply of PutBucketRTC", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		d.world.Break(world.Fault{Service: "oss", Action: "PutBucketRTC", Kind: world.FaultLoseReply, Times: 2})
		d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
		require.Equal(t, replication.PhaseCompleted, d.await("RTC-1", time.Hour).Phase)
		require.NotEmpty(t, d.rtcOf("src"))
	})
	const every = 9
	for name, dies := range map[string]mishap{"before": crash, "after": crashDone} {
		for k := range every {
			bubble(t, fmt.Sprintf("when they die %s calls %d and %d", name, k, k+every), func(t *testing.T) {
				d := newDesk(t, setup{})
				d.pair("src", "dst", k%2 == 0)
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
				d.watched("CHG-1", time.Hour)
				n := 0
				d.befall(func(c call) mishap {
					if c.function == "progress" {
						return goesWell
					}
					if n++; n == k+1 || n == k+1+every {
						return dies
					}
					return goesWell
				})
				d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
				require.Equal(t, replication.PhaseCompleted, d.await("RTC-1", 3*time.Hour).Phase)
				require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
				require.NotEmpty(t, d.rtcOf("src"))
				time.Sleep(20 * time.Minute)
				st, _ := d.shard()
				require.Len(t, st.Pairs, 1)
				require.True(t, st.Pairs[0].RTC, "the watch knows")
			})
		}
	}
}

func TestAnEndedJobIsRetried(t *testing.T) {
	retry := func(d *desk, ticket string) *replication.Job {
		d.submit(about(replication.ActionRetry, ticket, "CHG-1", ""))
		d.submit(about(replication.ActionRetry, ticket, "CHG-1", ""))
		s := d.await(ticket, time.Hour)
		require.Equal(d.t, replication.PhaseCompleted, s.Phase, state(s))
		return d.await("CHG-1", 12*time.Hour)
	}
	bubble(t, "one that was refused goes through, when what stood in the way is gone", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("src", home, false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.PhaseRejected, d.await("CHG-1", time.Hour).Phase)
		j := retry(d, "NOW-1")
		require.Equal(t, replication.ReasonDestinationMissing, j.Reason, "it is refused again")
		d.bucket("dst", away, false)
		j = retry(d, "NOW-2")
		require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonDestinationMissing, replication.ReasonRetried, replication.ReasonDestinationMissing,
			replication.ReasonRetried, replication.ReasonVerified}, d.reasons("CHG-1"))
		time.Sleep(5 * time.Minute)
		st, _ := d.shard()
		require.Len(t, st.Pairs, 1)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
	})
	bubble(t, "one that failed keeps what it made", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultRefuse, Status: 400, Code: "InvalidArgument"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.await("CHG-1", time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase, state(j))
		require.Empty(t, d.owner("src", "dst"))
		mend()
		j = retry(d, "NOW-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
		require.Equal(t, 1, d.calls("CreateRole"))
		require.Equal(t, 1, d.calls("CreatePolicy"))
		require.Equal(t, 1, d.calls("AttachPolicyToRole"))
		require.Equal(t, "CHG-1", d.owner("src", "dst"))
		require.Empty(t, d.ours("src"))
	})
	bubble(t, "one whose grants were taken away makes them anew", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultRefuse, Status: 400, Code: "InvalidArgument"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.PhaseFailed, d.await("CHG-1", time.Hour).Phase)
		d.guard.changed["CHG-1"] = true
		d.detach(replication.RoleName("CHG-1"), replication.PolicyName("CHG-1"))
		require.Nil(t, d.world.DeleteRole(d.uid, replication.RoleName("CHG-1"), world.View{}))
		time.Sleep(2 * time.Minute)
		mend()
		j := retry(d, "NOW-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
		require.Equal(t, 2, d.calls("CreateRole"))
		d.stopped("CHG-9", "CHG-1", "src", "dst")
	})
	bubble(t, "one whose rule stands is proven anew", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		d.world.PausePair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.await("CHG-1", 12*time.Hour)
		require.Equal(t, replication.ReasonCanaryLost, j.Reason, state(j))
		d.world.PausePair("src", "dst", false)
		time.Sleep(10 * time.Minute) // what was written then arrives, and proves nothing now
		j = retry(d, "NOW-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
		require.Equal(t, 1, d.calls("PutBucketReplication"))
		require.Empty(t, d.ours("src"))
		require.True(t, j.Evidence.At.After(j.Again))
	})
	bubble(t, "and a blocked one looks again at once", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		mend := d.world.Break(stages[replication.PhaseBlocked])
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.awaitReason("CHG-1", replication.ReasonMayNotGrant, time.Hour)
		time.Sleep(3 * time.Hour)
		mend()
		d.submit(about(replication.ActionRetry, "NOW-1", "CHG-1", ""))
		time.Sleep(time.Minute)
		j := d.job("CHG-1")
		require.Equal(t, replication.PhaseStarting, j.Phase, state(j))
		d.watched("CHG-1", time.Hour)
	})
	bubble(t, "but not one that is watched, stopped or unknown", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		refused := func(ticket, target string, want replication.Reason) {
			d.submit(about(replication.ActionRetry, ticket, target, ""))
			j := d.await(ticket, time.Hour)
			require.Equal(t, replication.PhaseRejected, j.Phase)
			require.Equal(t, want, j.Reason)
		}
		refused("NOW-1", "CHG-1", replication.ReasonTargetWatched)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		refused("NOW-2", "CHG-1", replication.ReasonTargetEnded)
		refused("NOW-3", "CHG-9", replication.ReasonTargetUnfit)
		refused("NOW-4", "CHG-7", replication.ReasonTargetUnknown)
	})
	for seed := range uint64(4) {
		bubble(t, fmt.Sprintf("although workers die all the time, seed %d", seed), func(t *testing.T) {
			d := newDesk(t, setup{seed: seed})
			d.pair("src", "dst", seed%2 == 1)
			mend := d.world.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultRefuse, Status: 400, Code: "InvalidArgument"})
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			require.Equal(t, replication.PhaseFailed, d.await("CHG-1", time.Hour).Phase)
			mend()
			stop := d.killer(seed, 2*time.Second)
			d.submit(about(replication.ActionRetry, "NOW-1", "CHG-1", ""))
			time.Sleep(10 * time.Minute)
			stop()
			d.await("NOW-1", 2*time.Hour)
			j := d.await("CHG-1", 12*time.Hour)
			if j.Phase != replication.PhaseWatching { // three deaths in a row: it can be asked for again
				d.submit(about(replication.ActionRetry, "NOW-2", "CHG-1", ""))
				require.Equal(t, replication.PhaseCompleted, d.await("NOW-2", time.Hour).Phase)
				j = d.await("CHG-1", 12*time.Hour)
			}
			require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
			require.Equal(t, 1, d.rules("src"))
		})
	}
}
