package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/internal/combos"
	"github.com/replidesk/replidesk/pkg/replication"
)

// tried prepares a combination and sends its ticket, approved where it has to be.
func (d *desk) tried(c combos.Combo) combos.Trial {
	d.t.Helper()
	trial := combos.Trial{ID: "CHG-1", Account: d.uid, Other: d.other, Source: "src", Destination: "dst"}
	require.NoError(d.t, c.Prepare(d.world, &trial))
	d.guard.foreign = d.guard.others()
	ticket := c.Ticket(trial)
	if !c.Is(combos.Accounts, "one account") {
		ticket = d.approved(ticket)
	}
	d.submit(ticket)
	return trial
}

// answered waits for the end of a job. When it asks the owner of the other account
// for something, that is done.
func (d *desk) answered(c combos.Combo, t combos.Trial, limit time.Duration) *replication.Job {
	d.t.Helper()
	var told string
	rests := d.until(limit, func() bool {
		j := d.job(t.ID)
		if j != nil && j.Phase == replication.PhaseBlocked && j.Message != told {
			told = j.Message
			acted, err := c.Answer(d.world, t, j.Message)
			require.NoError(d.t, err)
			require.True(d.t, acted, "somebody can do something about it: %s", state(j))
		}
		return j != nil && j.AtRest()
	})
	j := d.job(t.ID)
	require.True(d.t, rests && j.Phase == replication.PhaseWatching, state(j))
	return j
}

func reach(c combos.Combo) setup {
	s := setup{tick: 10 * time.Minute}
	if c.Is(combos.Accounts, "two accounts") {
		s.desk = byRole
	}
	return s
}

func TestEveryTwoOptionsWorkTogether(t *testing.T) {
	for _, c := range combos.Accepted() {
		bubble(t, c.String(), func(t *testing.T) {
			d := newDesk(t, reach(c))
			trial := d.tried(c)
			j := d.answered(c, trial, 12*time.Hour)
			if c.ByCanary() {
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
			d.submit(stopTicket("STOP-1", "CHG-1"))
			require.Equal(t, replication.PhaseCompleted, d.await("STOP-1", 12*time.Hour).Phase)
			require.Equal(t, replication.PhaseStopped, d.job("CHG-1").Phase)
			require.Zero(t, d.rules("src"))
			require.Empty(t, d.owner("src", "dst"))
		})
	}
}

func TestWhatExcludesEachOtherIsRefusedForItsOwnReason(t *testing.T) {
	for _, c := range combos.Refused() {
		bubble(t, c.Refused()[0]+": "+c.String(), func(t *testing.T) {
			d := newDesk(t, reach(c))
			d.tried(c)
			d.awaitEvent("CHG-1", replication.Reason(c.Refused()[0]), time.Hour)
			time.Sleep(10 * time.Minute)
			require.Zero(t, d.calls("PutBucketReplication"))
			require.Zero(t, d.calls("CreateRole"))
			require.Empty(t, d.owner("src", "dst"))
		})
	}
}
