package replication_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestTheDrawingIsTrue(t *testing.T) {
	const file = "../../docs/state-machine.md"
	want := replication.Diagram()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run make generate")
}

func TestEveryPhaseOfTheTable(t *testing.T) {
	rows := replication.Table()
	reached := map[replication.Phase]bool{replication.PhaseReceived: true, replication.PhaseBlocked: true, replication.PhaseFailed: true, replication.PhaseCancelled: true}
	for _, r := range rows {
		for _, to := range r.To {
			reached[to] = true
		}
	}
	seen := map[replication.Phase]bool{}
	for _, r := range rows {
		t.Run(string(r.Phase), func(t *testing.T) {
			require.False(t, seen[r.Phase], "the phase has two rows")
			seen[r.Phase] = true
			require.NotEmpty(t, r.Meaning, "a phase says what it means")
			require.True(t, reached[r.Phase], "no phase leads here")
			if r.Owner == replication.OwnerNone {
				require.Nil(t, r.Decide, "a phase at rest decides nothing")
				require.Empty(t, r.To, "a phase at rest leads nowhere")
				require.Zero(t, r.Deadline)
				return
			}
			require.NotNil(t, r.Decide, "a phase that somebody owns decides")
			require.NotEmpty(t, r.To, "a phase that somebody owns has a way out")
		})
	}
	for _, r := range rows {
		for _, to := range r.To {
			require.True(t, seen[to], "%s leads to %s, which has no row", r.Phase, to)
		}
	}
	require.Equal(t, replication.OwnerNone, replication.Row("from-the-future").Owner, "a phase of a newer program is left alone")
}

func TestEveryReasonHasItsText(t *testing.T) {
	all := replication.Reasons()
	require.True(t, slices.IsSortedFunc(all, func(a, b replication.ReasonText) int { return strings.Compare(string(a.Code), string(b.Code)) }))
	source, err := os.ReadFile("reason.go")
	require.NoError(t, err)
	for _, r := range all {
		require.NotEmpty(t, r.Meaning, r.Code)
		require.Regexp(t, `^[a-z]+\.[a-z-]+$`, string(r.Code))
		require.Contains(t, string(source), `"`+string(r.Code)+`"`)
	}
	require.Equal(t, strings.Count(string(source), "Reason = \""), len(all), "every constant has a text")
}
