package replication_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// members returns the names of a JSON object, in order.
func members(t *testing.T, v any) []string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &m))
	return slices.Sorted(maps.Keys(m))
}

func TestAPlanInJSONHasThePublishedForm(t *testing.T) {
	r := request()
	p := replication.Plan(r, planDesk, free(r), noon)
	published := []string{"accepted", "accounts", "reasons", "risks", "steps", "topology"}
	require.Subset(t, members(t, p), published)
	require.Equal(t, []string{"code", "message"}, members(t, p.Risks[0]))
	b, err := json.Marshal(p)
	require.NoError(t, err)
	require.Contains(t, string(b), `"accepted":true,"topology":"CRR","accounts":"same",`)
	require.Contains(t, string(b), `"reasons":[],"steps":[{`)

	p = replication.PlanRefused(replication.Parse([]byte(`{"id":7}`)))
	require.Equal(t, []string{"code", "field", "message", "remedy"}, members(t, p.Reasons[0]))
	b, err = json.Marshal(p)
	require.NoError(t, err)
	require.Contains(t, string(b), `"accepted":false,`)
	require.Contains(t, string(b), `"steps":[],"risks":[],`, "lists that are empty are lists")
}
