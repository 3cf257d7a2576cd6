package processtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/internal/combos"
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

// TestEveryTwoOptionsWorkTogetherInTheBuiltFunctions sends all combinations at once.
func TestEveryTwoOptionsWorkTogetherInTheBuiltFunctions(t *testing.T) {
	d := newDesk(t)
	w := d.cloud.World()
	send := func(c combos.Combo, name string) combos.Trial {
		trial := combos.Trial{ID: "CHG-" + name, Account: d.cloud.A.UID, Source: "src-" + name, Destination: "dst-" + name}
		require.NoError(t, c.Prepare(w, trial))
		require.NoError(t, d.who.Bus.Send(context.Background(), d.who.Config.QueueName(config.QueueRequests), []byte(c.Ticket(trial)), 0))
		return trial
	}
	var trials []combos.Trial
	accepted, refused := combos.Accepted(), map[string]string{}
	for i, c := range accepted {
		trials = append(trials, send(c, fmt.Sprint("go-", i)))
	}
	for i, c := range combos.Refused() {
		refused[send(c, fmt.Sprint("no-", i)).ID] = c.Refused()[0]
	}
	for i, c := range accepted {
		trial := trials[i]
		j := d.await(trial.ID, 2*time.Minute)
		require.Equal(t, replication.PhaseWatching, j.Phase, "%s: %s: %s", c, j.Reason, j.Message)
		require.Equal(t, c.Is(combos.Canary, "with canary"), j.Evidence.By == "canary", c)
		require.True(t, j.Evidence.By != "canary" || c.OwnKey(j.Evidence.Key), "%s: %s", c, j.Evidence.Key)
		require.NoError(t, c.Write(w, trial, false))
	}
	require.Empty(t, d.told(refused, 2*time.Minute), "every refused ticket is told its own reason")
	for i, c := range accepted {
		require.Eventually(t, func() bool { return len(c.Wrong(w, trials[i])) == 0 }, time.Minute, 100*time.Millisecond, "%v", c.Wrong(w, trials[i]))
	}
	t.Logf("%d combinations accepted, %d refused", len(accepted), len(refused))
}
