package replication_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// whole is a job in which everything is set that can be.
func whole() *job {
	j := at(replication.PhaseVerifying, request())
	w := healthy(j.Request)
	proving(replication.StepArrive)(j, &w)
	j.Request.Historical.DueBy = ptr(noon)
	j.Intent = &replication.Intent{Worker: "w", Until: noon, Effect: replication.Effect{Kind: replication.EffectPutCanary, Object: &replication.Canary{Key: canaryKey}}}
	j.Last = lost(replication.EffectPutCanary)
	j.Block = &replication.Block{Resume: j.Phase, Reason: replication.ReasonLag, Reported: map[replication.Reason]time.Time{replication.ReasonLag: noon}}
	j.Ending = &replication.Ending{Phase: replication.PhaseFailed, Reason: replication.ReasonLag}
	j.Evidence = &replication.Evidence{By: "canary"}
	j.Outbox = []replication.Event{{ID: "CHG-2041/1/0", Detail: json.RawMessage(`{"a":[1]}`)}, {ID: "CHG-2041/1/1"}}
	j.LastEvent = &j.Outbox[1]
	return j
}

func TestAJobSurvivesItsCodec(t *testing.T) {
	j := whole()
	b, err := replication.Encode(j, nil)
	require.NoError(t, err)
	again, err := replication.Decode(b)
	require.NoError(t, err)
	require.Equal(t, j, again)
	require.Equal(t, j, j.Clone())

	c := j.Clone()
	c.Outbox[0].Detail[0], c.Request.Objects.Prefixes[0], c.Verification.First.Meta["x"] = '[', "x", "x"
	c.Block.Reported[replication.ReasonQuota] = noon
	require.Equal(t, whole(), j, "a copy shares nothing")

	_, err = replication.Decode([]byte(`{"id":7}`))
	require.ErrorContains(t, err, "does not hold a job")
}

// planted returns a job with an unknown member in every object of it, as a newer
// program would have written it.
func planted(t *testing.T) []byte {
	t.Helper()
	j := whole()
	// What is a map or raw to this program has no unknown members.
	j.Block.Reported, j.Verification.First.Meta, j.Outbox[0].Detail = nil, nil, nil
	b, err := replication.Encode(j, nil)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(b, &v))
	var plant func(any)
	plant = func(v any) {
		switch o := v.(type) {
		case map[string]any:
			for _, m := range o {
				plant(m)
			}
			o["later"] = "kept"
		case []any:
			for _, e := range o {
				plant(e)
			}
		}
	}
	plant(v)
	b, err = json.Marshal(v)
	require.NoError(t, err)
	return b
}

// plants returns the paths of the objects that still hold the unknown member.
func plants(t *testing.T, b []byte) []string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(b, &v))
	var paths []string
	var find func(any, string)
	find = func(v any, path string) {
		switch o := v.(type) {
		case map[string]any:
			for name, m := range o {
				find(m, path+"."+name)
			}
			if o["later"] == "kept" {
				paths = append(paths, path)
			}
		case []any:
			for _, e := range o {
				find(e, path+"[]")
			}
		}
	}
	find(v, "")
	return paths
}

func TestMembersOfANewerProgramSurviveAtEveryDepth(t *testing.T) {
	old := planted(t)
	all := plants(t, old)
	require.Contains(t, all, ".request.source")
	require.Contains(t, all, ".intent.effect.object")
	require.Contains(t, all, ".outbox[]")
	require.Contains(t, all, "")

	read, err := replication.Decode(old)
	require.NoError(t, err)
	same, err := replication.Encode(read, old)
	require.NoError(t, err)
	require.ElementsMatch(t, all, plants(t, same), "nothing changed")

	read.Phase, read.Failures, read.Message, read.Made.Rule, read.Rule.Live = replication.PhaseWatching, 3, "<&>", noon.Add(1), noon.Add(1)
	read.Request.Source.Bucket, read.Verification.First.Size, read.Block.Next = "x-bucket", 9, noon
	changed, err := replication.Encode(read, old)
	require.NoError(t, err)
	require.ElementsMatch(t, all, plants(t, changed), "what changed beside them does not matter")
	again, err := replication.Decode(changed)
	require.NoError(t, err)
	require.Equal(t, read, again)
}

func TestUnknownMembersStayWithWhatTheyWereSaidOf(t *testing.T) {
	old := planted(t)
	encode := func(change func(*job)) []string {
		j, err := replication.Decode(old)
		require.NoError(t, err)
		change(j)
		b, err := replication.Encode(j, old)
		require.NoError(t, err)
		return plants(t, b)
	}
	has := func(paths []string, prefix string) int {
		n := 0
		for _, p := range paths {
			if strings.HasPrefix(p, prefix) {
				n++
			}
		}
		return n
	}
	require.Zero(t, has(encode(func(j *job) { j.Intent = nil }), ".intent"), "what is over takes them with it")
	require.Zero(t, has(encode(func(j *job) { j.Intent.Effect = replication.Effect{Kind: replication.EffectCloseRule} }), ".intent"), "another effect")
	require.Zero(t, has(encode(func(j *job) { j.Last = done(replication.EffectCloseRule) }), ".last."), "another outcome")
	require.Equal(t, 1, has(encode(func(j *job) { j.Outbox = j.Outbox[1:] }), ".outbox"), "the result that is left keeps its own")
	require.Equal(t, 2, has(encode(func(j *job) {
		j.Outbox = append(j.Outbox[1:], replication.Event{ID: "CHG-2041/2/1"}, j.Outbox[0])
	}), ".outbox"), "a new result has none")
	require.Zero(t, has(encode(func(j *job) { j.Outbox = nil }), ".outbox"))
}
