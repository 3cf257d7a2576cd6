package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/internal/combos"
	"github.com/replidesk/replidesk/pkg/replication"
)

func (d *desk) trial(id string) combos.Trial {
	return combos.Trial{ID: id, Account: d.uid, Source: "src", Destination: "dst"}
}

func TestEveryTwoOptionsWorkTogether(t *testing.T) {
	for _, c := range combos.Accepted() {
		bubble(t, c.String(), func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute})
			trial := d.trial("CHG-1")
			require.NoError(t, c.Prepare(d.world, trial))
			d.submit(c.Ticket(trial))
			j := d.watched("CHG-1", 6*time.Hour)
			if c.Is(combos.Canary, "with canary") {
				require.Equal(t, "canary", j.Evidence.By)
				require.True(t, c.OwnKey(j.Evidence.Key), "the canary went through the ticket's own scope: %s", j.Evidence.Key)
			} else {
				require.Equal(t, "watermark", j.Evidence.By)
			}
			require.NoError(t, c.Write(d.world, trial, false))
			time.Sleep(time.Hour)
			require.Empty(t, c.Wrong(d.world, trial))
			key, err := c.Delete(d.world, trial)
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.True(t, c.Deleted(d.world, trial, key), "what became of the deleted %s", key)
			require.Equal(t, replication.PhaseStopped, d.stopped("STOP-1", "CHG-1", "src", "dst").Phase)
		})
	}
}

func TestWhatExcludesEachOtherIsRefusedForItsOwnReason(t *testing.T) {
	for _, c := range combos.Refused() {
		bubble(t, c.Refused()[0]+": "+c.String(), func(t *testing.T) {
			d := newDesk(t, setup{})
			trial := d.trial("CHG-1")
			require.NoError(t, c.Prepare(d.world, trial))
			d.submit(c.Ticket(trial))
			d.awaitEvent("CHG-1", replication.Reason(c.Refused()[0]), time.Hour)
			time.Sleep(10 * time.Minute)
			require.Zero(t, d.calls("PutBucketReplication"))
			require.Zero(t, d.calls("CreateRole"))
			require.Empty(t, d.owner("src", "dst"))
		})
	}
}
