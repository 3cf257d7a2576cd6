package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestATicketAboutAnotherOneIsNamedAfterItsTarget(t *testing.T) {
	id := func(target string, n int) string { return order{action: replication.ActionStop, target: target}.id(n) }
	require.Equal(t, "stop-CHG-1", id("CHG-1", 1))
	require.Equal(t, "stop-CHG-1-2", id("CHG-1", 2))
	require.Equal(t, "stop-"+strings.Repeat("a", 59), id(strings.Repeat("a", 59), 1))
	seen := map[string]bool{}
	for _, target := range []string{strings.Repeat("a", 60), strings.Repeat("a", 64), strings.Repeat("a", 63) + "b"} {
		for _, n := range []int{1, 2, 99} {
			got := id(target, n)
			require.True(t, replication.ValidID(got), got)
			require.Len(t, got, 64)
			require.False(t, seen[got], "two targets share %s", got)
			seen[got] = true
		}
	}
}

func TestATicketAboutAnotherOneIsSentAgainAsLongAsThatDoesSomething(t *testing.T) {
	o := order{action: replication.ActionStop, target: "CHG-1"}
	file, err := o.ticket(o.id(1))
	require.NoError(t, err)
	r, problems := replication.Parse(file.body)
	require.Empty(t, problems)
	at := func(p replication.Phase) *replication.Job {
		return &replication.Job{Fingerprint: r.Fingerprint(), Request: r, Phase: p}
	}
	require.True(t, o.again(at(replication.PhaseAwaiting), file), "it goes on")
	require.True(t, o.again(at(replication.PhaseCompleted), file), "that it is stopped is told again")
	require.False(t, o.again(at(replication.PhaseFailed), file), "a new one goes on where that one ended")
	other := at(replication.PhaseAwaiting)
	other.Fingerprint = "of another requester"
	require.False(t, o.again(other, file), "it would be refused")
}
