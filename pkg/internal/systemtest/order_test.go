package systemtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
