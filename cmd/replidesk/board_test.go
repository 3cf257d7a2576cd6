package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

func jobIn(p replication.Phase, r replication.Reason, message string) ticketState {
	return ticketState{ID: "CHG-1", Rev: 3, Job: &replication.Job{ID: "CHG-1", Phase: p, Reason: r, Message: message}}
}

func TestARowShowsHowFarATicketIs(t *testing.T) {
	half := 0.5
	watched := jobIn(replication.PhaseWatching, replication.ReasonVerified, "proven")
	watched.Figures = &watch.Figures{LagSeconds: 3, Backfill: &half}
	alarmed := watched
	alarmed.Figures = &watch.Figures{LagSeconds: 3, Firing: []watch.Kind{watch.KindLag}}
	blocked := jobIn(replication.PhaseBlocked, replication.ReasonQuota, "no room")
	blocked.Job.Block = &replication.Block{Resume: replication.PhaseRule}
	for name, c := range map[string]struct {
		state ticketState
		want  row
	}{
		"nothing is known":   {ticketState{ID: "CHG-1"}, row{phase: "unknown", text: "not taken in yet"}},
		"only taken in":      {ticketState{ID: "CHG-1", Open: true}, row{phase: "taken in", text: "nothing was done yet"}},
		"on its way":         {jobIn(replication.PhaseRole, replication.ReasonWorking, "m"), row{phase: "role", reason: "job.working", text: "m", done: 2}},
		"blocked on its way": {blocked, row{phase: "blocked", reason: "cloud.quota", text: "no room", done: 5, mood: stuck}},
		"refused":            {jobIn(replication.PhaseRejected, replication.ReasonSourceMissing, "m"), row{phase: "rejected", reason: "source.bucket-missing", text: "m", mood: bad}},
		"watched":            {watched, row{phase: "watching", reason: "job.verified", text: "lag at most 3s, backfill 50 %", done: 8, mood: good}},
		"an alert fires":     {alarmed, row{phase: "watching", reason: "job.verified", text: "ALERT lag: lag at most 3s", done: 8, mood: stuck}},
	} {
		c.want.id, c.want.steps, c.want.age = "CHG-1", 8, time.Second
		require.Equal(t, c.want, rowOf(c.state, time.Second), name)
	}
}

func TestThePlainBoardPrintsWhatHasChanged(t *testing.T) {
	var out bytes.Buffer
	b := newBoard(&out, func(string) string { return "xterm" })
	require.IsType(t, &plainBoard{}, b, "a buffer is no terminal")
	first := row{id: "CHG-1", phase: "role", reason: "job.working", text: "made"}
	b.show([]row{{id: "CHG-1", phase: "unknown"}})
	require.Empty(t, out.String())
	b.show([]row{first})
	b.show([]row{first})
	b.note("between")
	first.phase, first.age = "policy", 1500*time.Millisecond
	b.show([]row{first})
	b.show([]row{{id: "CHG-1", phase: "watching", mood: good, reason: "a"}})
	b.show([]row{{id: "CHG-1", phase: "watching", mood: good, reason: "b"}})
	b.close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 4)
	require.Equal(t, "between", lines[1])
	require.Equal(t, "    1.5s  CHG-1        policy     job.working              made", lines[2])
}

func TestTheLiveBoardDrawsOverItself(t *testing.T) {
	var out bytes.Buffer
	b := &liveBoard{w: &out, colour: true}
	rows := []row{{id: "CHG-1", phase: "rule", done: 4, steps: 8}, {id: "CHG-2", phase: "failed", steps: 8, mood: bad}}
	b.show(rows)
	require.Contains(t, out.String(), "████████░░░░░░░░ rule")
	require.Contains(t, out.String(), "\x1b[31m░░░░░░░░░░░░░░░░ failed")
	require.NotContains(t, out.String(), "\x1b[2A", "there is nothing to draw over yet")
	out.Reset()
	b.note("a note")
	require.True(t, strings.HasPrefix(out.String(), "\x1b[2A\r\x1b[2Ka note\n"), "%q", out.String())
	require.Equal(t, 3, strings.Count(out.String(), "\n"), "the rows come again below the note")
	require.Equal(t, strings.Count(out.String(), wrapOff), strings.Count(out.String(), wrapOn))

	out.Reset()
	(&liveBoard{w: &out}).show(rows)
	require.NotContains(t, out.String(), "\x1b[31m", "without colour")
}

func TestOnlyATerminalIsOne(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer f.Close()
	require.False(t, isTerminal(f))
	require.False(t, isTerminal(&bytes.Buffer{}))
}
