package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// written makes a journal of three entries: an intent, its outcome with the next
// intent, and a wait.
func written(t *testing.T) (*memjournal.Store, *journal.Journal, journal.Log) {
	t.Helper()
	store := memjournal.New(nil)
	j := journal.New(store, journal.Options{Schema: replication.Schema, MinReader: replication.MinReader})
	log := journal.Job("CHG-1")
	snap, err := j.Load(t.Context(), log)
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	role := &replication.Outcome{Effect: replication.EffectCreateRole, Result: replication.ResultDone, At: at}
	for _, job := range []replication.Job{
		{Phase: replication.PhaseRole, Intent: &replication.Intent{Effect: replication.Effect{Kind: replication.EffectCreateRole}}},
		{Phase: replication.PhasePolicy, Last: role, Intent: &replication.Intent{Effect: replication.Effect{Kind: replication.EffectCreatePol}}},
		{Phase: replication.PhasePolicy, Last: role, Reason: replication.ReasonThrottled, Message: "slow down"},
	} {
		body, err := json.Marshal(job)
		require.NoError(t, err)
		snap, err = j.Append(t.Context(), snap, body, journal.Meta{Writer: "test"})
		require.NoError(t, err)
	}
	return store, j, log
}

func TestAHistoryTellsEachOutcomeOnce(t *testing.T) {
	_, j, log := written(t)
	lines, err := historyLines(t.Context(), j, log)
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.Equal(t, "create-role", lines[0].Effect)
	require.Nil(t, lines[0].Result)
	require.Equal(t, "create-role done", resultText(lines[1].Result))
	require.Equal(t, "create-policy", lines[1].Effect)
	require.Nil(t, lines[2].Result, "it was told by the entry before")
	require.Equal(t, replication.ReasonThrottled, lines[2].Reason)
	require.Equal(t, "attach-policy refused (NoPermission)", resultText(&replication.Outcome{
		Effect: replication.EffectAttach, Result: replication.ResultRefused, Trouble: &replication.Trouble{Code: "NoPermission"},
	}))
	var out bytes.Buffer
	require.NoError(t, historyTable(&out, lines))
	require.Contains(t, out.String(), "cloud.throttled  slow down")
}

func TestAHistoryShowsWhatWasChangedOrTakenAway(t *testing.T) {
	store, j, log := written(t)
	raw, _, err := store.Get(t.Context(), log, 2)
	require.NoError(t, err)
	store.Replace(log, 2, bytes.Replace(raw, []byte("create-policy"), []byte("create-palace"), 1))
	lines, err := historyLines(t.Context(), j, log)
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.NotEmpty(t, lines[2].Problem, "the entry after it does not fit any more")
	var out bytes.Buffer
	require.NoError(t, historyTable(&out, lines))
	require.Contains(t, out.String(), "BROKEN: ")

	store.Remove(log, 2)
	lines, err = historyLines(t.Context(), j, log)
	require.NoError(t, err)
	require.Equal(t, uint64(2), lines[1].Rev)
	require.Contains(t, lines[1].Problem, "missing")
}
