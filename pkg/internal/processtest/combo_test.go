package processtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/internal/combos"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
)

// told takes results off their queue until each of the tickets has one with its
// reason, and returns the tickets that have none in time.
func (d *desk) told(reasons map[string]string, limit time.Duration) (missing map[string]string) {
	d.t.Helper()
	ctx, queue := context.Background(), d.who.Config.QueueName(config.QueueResults)
	missing = maps.Clone(reasons)
	for end := time.Now().Add(limit); len(missing) > 0 && time.Now().Before(end); {
		messages, err := d.who.Bus.Receive(ctx, queue, 16, time.Second)
		require.NoError(d.t, err)
		for _, m := range messages {
			var e struct {
				Data struct{ Ticket, Reason string }
			}
			require.NoError(d.t, json.Unmarshal(m.Body, &e))
			if missing[e.Data.Ticket] == e.Data.Reason {
				delete(missing, e.Data.Ticket)
			}
			require.NoError(d.t, d.who.Bus.Delete(ctx, queue, m.Handle))
		}
	}
	return missing
}

// ticketOf returns the ticket of a combination, signed by the approver of the local
// cloud where it needs that.
func (d *desk) ticketOf(c combos.Combo, t combos.Trial) []byte {
	d.t.Helper()
	ticket := []byte(c.Ticket(t))
	if c.Is(combos.Accounts, "one account") {
		return ticket
	}
	r, problems := replication.Parse(ticket)
	require.Empty(d.t, problems)
	signed, err := replication.WithApproval(ticket, replication.Approve(r, localcloud.Approver, d.cloud.Approver))
	require.NoError(d.t, err)
	return signed
}

// answered waits until the job of a combination is at rest. What it asks the owner of
// the other account for is done.
func (d *desk) answered(c combos.Combo, t combos.Trial, limit time.Duration) *replication.Job {
	d.t.Helper()
	told := ""
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		j, _ := d.job(t.ID)
		if j != nil && j.AtRest() {
			return j
		}
		// What is asked of the owner is told once, whether or not the job tries meanwhile.
		if j != nil && j.LastEvent != nil && j.LastEvent.Type == replication.EventBlocked && j.LastEvent.ID != told {
			told = j.LastEvent.ID
			_, err := c.Answer(d.cloud.World(), t, j.LastEvent.Message)
			require.NoError(d.t, err)
		}
	}
	return d.await(t.ID, time.Second)
}

// TestEveryTwoOptionsWorkTogetherInTheBuiltFunctions sends all combinations at once:
// those of two owners to a desk that has no role in the other account.
func TestEveryTwoOptionsWorkTogetherInTheBuiltFunctions(t *testing.T) {
	for name, handshake := range map[string]bool{"with a role in the other account": false, "with its owner": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDesk(t, localcloud.Options{Handshake: handshake})
			here := func(c combos.Combo) bool { return c.Is(combos.Accounts, "two owners") != handshake }
			d.tryAll(slices.DeleteFunc(combos.Accepted(), here), slices.DeleteFunc(combos.Refused(), here))
		})
	}
}

func (d *desk) tryAll(accepted, refused []combos.Combo) {
	t, w := d.t, d.cloud.World()
	t.Helper()
	send := func(c combos.Combo, name string) combos.Trial {
		trial := combos.Trial{ID: "CHG-" + name, Account: d.cloud.A.UID, Other: d.cloud.B.UID, Source: "src-" + name, Destination: "dst-" + name}
		require.NoError(t, c.Prepare(w, &trial))
		require.NoError(t, d.who.Bus.Send(context.Background(), d.who.Config.QueueName(config.QueueRequests), d.ticketOf(c, trial), 0))
		return trial
	}
	var trials []combos.Trial
	for i, c := range accepted {
		trials = append(trials, send(c, fmt.Sprint("go-", i)))
	}
	reasons := map[string]string{}
	for i, c := range refused {
		reasons[send(c, fmt.Sprint("no-", i)).ID] = c.Refused()[0]
	}
	for i, c := range accepted {
		trial := trials[i]
		j := d.answered(c, trial, 2*time.Minute)
		require.Equal(t, replication.PhaseWatching, j.Phase, "%s: %s: %s", c, j.Reason, j.Message)
		require.Equal(t, c.ByCanary(), j.Evidence.By == "canary", c)
		require.True(t, j.Evidence.By != "canary" || c.OwnKey(j.Evidence.Key), "%s: %s", c, j.Evidence.Key)
		require.NoError(t, c.Write(w, trial, false))
	}
	require.Empty(t, d.told(reasons, 2*time.Minute), "every refused ticket is told its own reason")
	for i, c := range accepted {
		right := func() bool { return len(c.Wrong(w, trials[i])) == 0 }
		require.True(t, eventually(right, time.Minute), "%v", c.Wrong(w, trials[i]))
	}
	t.Logf("%d combinations accepted, %d refused", len(accepted), len(refused))
}

// eventually asks until the answer is yes or the time is up.
func eventually(is func() bool, limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return is()
}
