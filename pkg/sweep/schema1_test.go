package sweep_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/sweep"
	"github.com/replidesk/replidesk/pkg/watch"
)

// TestStatesOfSchemaOneAreReadForEver reads the state of a shard as it was saved at the
// beginning. The file is never written anew: a later schema gets one of its own.
func TestStatesOfSchemaOneAreReadForEver(t *testing.T) {
	saved, err := os.ReadFile("testdata/schema1.json")
	require.NoError(t, err)
	st, err := sweep.Decode(saved)
	require.NoError(t, err)
	require.Equal(t, "progress/c-1", st.Lease.Worker)
	require.Len(t, st.Pairs, 1)
	p := st.Pairs[0]
	require.Equal(t, "CHG-2041", p.Job)
	require.NotZero(t, p.Watermark)
	require.Equal(t, []watch.Kind{watch.KindLag}, p.Figures(p.Polled.Time()).Firing)
	require.Contains(t, st.Open, "CHG-2042")
	require.Equal(t, "CHG-2041/watch/1", st.Outbox[0].ID)

	again, err := json.Marshal(st)
	require.NoError(t, err)
	require.JSONEq(t, string(saved), string(again), "nothing is lost and nothing gets another meaning")
}
