package combos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryTwoLevelsMeetOnce(t *testing.T) {
	accepted, refused := Accepted(), Refused()
	for _, p := range pairs() {
		require.True(t, met(accepted, p) || met(refused, p), "%s and %s", levels[p.f][p.l], levels[p.g][p.m])
	}
	for _, c := range accepted {
		require.Empty(t, c.Refused(), c)
	}
	for _, c := range refused {
		require.Len(t, c.Refused(), 1, c)
	}
	require.Equal(t, accepted, Accepted(), "the list is the same every time")
	t.Logf("%d accepted, %d refused", len(accepted), len(refused))
}

func TestEveryConflictIsTriedByItself(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range Refused() {
		tried[c.Refused()[0]] = true
	}
	for _, x := range conflicts {
		require.True(t, tried[x.code], x.code)
	}
}
