package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/replication"
)

// replacing is the ticket that replaces CHG-1, without historical data.
var replacing = strings.NewReplacer(`"id":"CHG-1","action":"replicate"`, `"id":"CHG-2","action":"replace","target":"CHG-1"`, `"replicate":true`, `"replicate":false`).Replace(ticket)

func TestAReplacement(t *testing.T) {
	bubble(t, "takes the old rule down, puts the new one, and is blocked by what was written between", func(t *testing.T) {
		require.Contains(t, replacing, "CHG-2")
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		b.cloud.during("PutRule", func() {
			b.cloud.mu.Lock()
			b.cloud.objects["src-bucket"]["image/lost"] = fakeObject{replication.ObjectSeen{Is: replication.Exists, CRC64: "7"}, time.Now()}
			b.cloud.mu.Unlock()
		})
		b.submit(replacing)
		b.settle(40 * time.Minute)
		one, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, one.Phase, one.Message)
		j, _ := b.job("CHG-2")
		require.Equal(t, replication.PhaseBlocked, j.Phase, j.Message)
		require.Equal(t, replication.ReasonGapMissing, j.Reason)
		require.Contains(t, j.Message, "image/lost")
		require.Len(t, b.watchMarks("CHG-2"), 1, "the new pair is watched all the same")
		b.cloud.mu.Lock()
		b.cloud.objects["dest-bucket"]["image/lost"] = b.cloud.objects["src-bucket"]["image/lost"]
		b.cloud.mu.Unlock()
		b.settle(2 * time.Hour)
		j, _ = b.job("CHG-2")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Equal(t, replication.ReasonGapClosed, j.Reason)
		require.True(t, j.AtRest())
		types := b.types()
		require.Equal(t, "replidesk.request.completed gap.closed", types[len(types)-1])
		require.Len(t, b.watchMarks("CHG-2"), 1)
		require.Empty(t, b.watchMarks("CHG-1"))
	})
	for _, call := range []string{"CloseRule", "Release", "Claim", "PutRule", "Gap", "Progress"} {
		bubble(t, fmt.Sprintf("survives the death of a worker in %s", call), func(t *testing.T) {
			b := newBench(t)
			b.submit(ticket)
			b.settle(time.Hour)
			b.cloud.die, b.dies = call, true
			b.submit(replacing)
			b.settle(30 * time.Minute)
			require.True(t, b.cloud.dead)
			b.cloud.dead, b.dies = false, false
			time.Sleep(engine.Claim + time.Second)
			b.wakeAll("CHG-1")
			b.wakeAll("CHG-2")
			b.settle(4 * time.Hour)
			j, _ := b.job("CHG-2")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			require.Equal(t, replication.ReasonGapClosed, j.Reason, j.Message)
			require.Len(t, b.cloud.rules, 1)
		})
	}
}
