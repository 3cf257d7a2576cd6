package replication_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// TestJobsOfSchemaOneAreReadForEver reads a job as it was saved at the beginning. The
// file is never written anew: a later schema gets one of its own.
func TestJobsOfSchemaOneAreReadForEver(t *testing.T) {
	saved, err := os.ReadFile("testdata/schema1.json")
	require.NoError(t, err)
	j, err := replication.Decode(saved)
	require.NoError(t, err)
	require.Equal(t, "CHG-2041", j.ID)
	require.Equal(t, replication.PhaseVerifying, j.Phase)
	require.Equal(t, replication.ReasonLag, j.Block.Reason)
	require.Equal(t, replication.EffectPutCanary, j.Intent.Effect.Kind)
	require.Equal(t, "canary", j.Evidence.By)
	require.Len(t, j.Outbox, 2)
	require.NotEmpty(t, j.Rule.ID)
	require.Equal(t, replication.OwnerVerify, replication.Row(j.Phase).Owner, "somebody goes on with it")

	again, err := replication.Encode(j, saved)
	require.NoError(t, err)
	var was, is any
	require.NoError(t, json.Unmarshal(saved, &was))
	require.NoError(t, json.Unmarshal(again, &is))
	require.Equal(t, was, is, "nothing is lost and nothing gets another meaning")
}
