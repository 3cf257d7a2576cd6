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

// replacing returns a ticket that replaces another one.
func (d *desk) replacing(id, target, src, dst, extra string) string {
	return strings.Replace(d.ticket(id, src, dst, extra), `"action":"replicate"`, fmt.Sprintf(`"action":"replace","target":%q`, target), 1)
}

const (
	onlyNew  = `"historical":{"replicate":false},"objects":{"prefixes":["image/","video/"]}`
	alsoOld  = `"historical":{"replicate":true,"acceptOverwrite":true},"objects":{"prefixes":["image/","video/"]}`
	acceptIt = onlyNew + `,"acceptGap":true`
)

func TestATicketIsReplaced(t *testing.T) {
	// begun has a pair watched and replaced, with an object written while no rule stands.
	begun := func(d *desk, extra string) {
		d.pair("src", "dst", false)
		d.put("src", "image/old", "old")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		d.submit(d.replacing("CHG-2", "CHG-1", "src", "dst", extra))
		require.True(d.t, d.until(time.Hour, func() bool { return d.rules("src") == 0 }))
		d.put("src", "image/lost", "written while no rule stood")
	}
	ended := func(d *desk, want replication.Reason) *replication.Job {
		j := d.watched("CHG-2", 6*time.Hour)
		require.Equal(d.t, want, j.Reason, state(j))
		require.Equal(d.t, replication.PhaseStopped, d.job("CHG-1").Phase)
		require.Equal(d.t, "CHG-2", d.owner("src", "dst"))
		time.Sleep(20 * time.Minute)
		st, _ := d.shard()
		require.Len(d.t, st.Pairs, 1)
		require.Equal(d.t, "CHG-2", st.Pairs[0].Job)
		return j
	}
	bubble(t, "and what was written between the rules comes with the historical copy", func(t *testing.T) {
		d := newDesk(t, setup{})
		begun(d, alsoOld)
		j := ended(d, replication.ReasonGapClosed)
		require.NotNil(t, d.object("dst", "image/lost"))
		require.Equal(t, 1, j.Gap.Last.Written)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified, replication.ReasonGapClosed}, d.reasons("CHG-2"))
	})
	bubble(t, "and what was written between the rules is missed until it is written again", func(t *testing.T) {
		d := newDesk(t, setup{})
		begun(d, onlyNew)
		j := d.awaitReason("CHG-2", replication.ReasonGapMissing, 2*time.Hour)
		require.True(t, j.Watched())
		require.Contains(t, j.Message, "image/lost")
		require.Contains(t, string(d.awaitEvent("CHG-2", replication.ReasonGapMissing, time.Hour).Data.Detail), "image/lost")
		time.Sleep(3 * time.Hour)
		require.Nil(t, d.object("dst", "image/lost"))
		require.Equal(t, replication.PhaseBlocked, d.job("CHG-2").Phase, "it does not go away by itself")
		d.put("src", "image/lost", "written again")
		ended(d, replication.ReasonGapClosed)
		require.NotNil(t, d.object("dst", "image/lost"))
	})
	bubble(t, "and what was written between the rules is given up, as the ticket accepts", func(t *testing.T) {
		d := newDesk(t, setup{})
		begun(d, acceptIt)
		require.Contains(t, ended(d, replication.ReasonGapAccepted).Message, "image/lost")
		d.stopped("CHG-9", "CHG-2", "src", "dst")
	})
	bubble(t, "only by one that would go through, and of the same pair", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.bucket("elsewhere", away, false)
		d.put("src", "image/old", "old")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		for id, c := range map[string]struct {
			ticket string
			want   replication.Reason
		}{
			"CHG-2": {d.replacing("CHG-2", "CHG-1", "src", "dst", `"historical":{"replicate":true}`), replication.ReasonOverwrite},
			"CHG-3": {d.replacing("CHG-3", "CHG-1", "src", "elsewhere", onlyNew), replication.ReasonTargetPair},
			"CHG-4": {d.replacing("CHG-4", "CHG-7", "src", "dst", onlyNew), replication.ReasonTargetUnknown},
		} {
			d.submit(c.ticket)
			j := d.await(id, time.Hour)
			require.Equal(t, replication.PhaseRejected, j.Phase, state(j))
			require.Equal(t, c.want, j.Reason)
		}
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
		require.Equal(t, 1, d.rules("src"))
		require.Zero(t, d.calls("DeleteBucketReplication"))
	})
	bubble(t, "and goes on after a retry when the new rule is refused", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultRefuse, Status: 400, Code: "InvalidArgument"})
		d.submit(d.replacing("CHG-2", "CHG-1", "src", "dst", onlyNew))
		j := d.await("CHG-2", 2*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase, state(j))
		require.Contains(t, j.Message, "ticket CHG-1 was taken down for it, so nothing replicates the pair now")
		mend()
		d.submit(about(replication.ActionRetry, "NOW-1", "CHG-2", ""))
		require.Equal(t, replication.PhaseCompleted, d.await("NOW-1", time.Hour).Phase)
		ended(d, replication.ReasonGapClosed)
	})
	bubble(t, "only when the caps have room for the new rule", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.pair("src2", "dst2", false)
		d.submit(d.ticket("CHG-1", "src", "dst", "")) // without caps, so without a slot
		d.watched("CHG-1", time.Hour)
		d.redeploy(func(f *config.Desk) { f.Caps = config.Caps{RulesPerAccount: ptr(1)} })
		d.submit(d.ticket("CHG-5", "src2", "dst2", ""))
		d.watched("CHG-5", time.Hour)
		d.submit(d.replacing("CHG-2", "CHG-1", "src", "dst", onlyNew))
		d.awaitEvent("CHG-2", replication.ReasonCapAccount, time.Minute)
		time.Sleep(12 * time.Hour)
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase, "the old rule stands until there is room for the new one")
		require.Equal(t, 1, d.rules("src"))
		d.submit(d.replacing("CHG-6", "CHG-5", "src2", "dst2", onlyNew))
		require.Equal(t, replication.ReasonGapClosed, d.watched("CHG-6", 3*time.Hour).Reason, "the slot of the old rule is that of the new one")
		require.Equal(t, []string{"CHG-6"}, d.slots())
		d.stopped("CHG-9", "CHG-6", "src2", "dst2")
		ended(d, replication.ReasonGapClosed)
		require.Equal(t, []string{"CHG-2"}, d.slots())
	})
	bubble(t, "once, and the slot of the second replacement is given back", func(t *testing.T) {
		d := newDesk(t, setup{desk: func(f *config.Desk) { f.Caps = config.Caps{RulesPerAccount: ptr(2)} }})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		d.submit(d.replacing("CHG-2", "CHG-1", "src", "dst", onlyNew))
		d.submit(d.replacing("CHG-3", "CHG-1", "src", "dst", acceptIt+`,"rtc":true`))
		one, other := d.await("CHG-2", 3*time.Hour), d.await("CHG-3", 3*time.Hour)
		if one.Phase != replication.PhaseWatching {
			one, other = other, one
		}
		require.Equal(t, replication.PhaseWatching, one.Phase, state(one))
		require.Equal(t, replication.ReasonPairDiffers, other.Reason, state(other))
		require.Contains(t, other.Message, "ticket CHG-1 was taken down for it")
		require.NotContains(t, other.Message, "nothing replicates", "the first one does")
		require.Equal(t, []string{one.ID}, d.slots())
	})
	for _, phase := range []replication.Phase{replication.PhaseAwaiting, replication.PhaseStarting} {
		bubble(t, "by one that is then cancelled in "+string(phase)+", which says what is left", func(t *testing.T) {
			d := newDesk(t, setup{desk: func(f *config.Desk) { f.Caps = config.Caps{RulesPerAccount: ptr(1)} }})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.watched("CHG-1", time.Hour)
			d.submit(d.replacing("CHG-2", "CHG-1", "src", "dst", onlyNew))
			d.inPhase("CHG-2", phase, time.Hour)
			d.submit(about(replication.ActionCancel, "CHG-9", "CHG-2", ""))
			require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 2*time.Hour).Phase)
			require.Contains(t, d.job("CHG-2").Message, "ticket CHG-1 was ")
			d.await("CHG-1", 2*time.Hour)
			require.Empty(t, d.slots())
			require.Zero(t, d.rules("src"))
		})
	}
	const every = 25
	for k := range every {
		bubble(t, fmt.Sprintf("although workers die after calls %d and %d", k, k+every), func(t *testing.T) {
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
					return crashDone
				}
				return goesWell
			})
			d.submit(d.replacing("CHG-2", "CHG-1", "src", "dst", onlyNew))
			ended(d, replication.ReasonGapClosed)
		})
	}
}
