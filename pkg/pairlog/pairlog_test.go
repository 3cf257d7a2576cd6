package pairlog_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/pairlog"
)

func newLog() (pairlog.Log, *memjournal.Store) {
	s := memjournal.New(time.Now)
	return pairlog.Log{Journal: journal.New(s, journal.Options{Schema: 1}), Worker: "test"}, s
}

func TestAPairHasOneOwner(t *testing.T) {
	ctx := context.Background()
	l, _ := newLog()
	const pair = "src-bucket~dest-bucket"
	claim := func(job, owner string) {
		t.Helper()
		got, err := l.Claim(ctx, pair, job)
		require.NoError(t, err)
		require.Equal(t, owner, got)
	}
	claim("A", "A")
	claim("A", "A")
	claim("B", "A")
	require.NoError(t, l.Release(ctx, pair, "B"), "who does not own it releases nothing")
	claim("B", "A")
	require.NoError(t, l.Release(ctx, pair, "A"))
	require.NoError(t, l.Release(ctx, pair, "A"))
	claim("B", "B")
	owner, err := l.Owner(ctx, pair)
	require.NoError(t, err)
	require.Equal(t, "B", owner)
	owner, err = l.Owner(ctx, "other~pair")
	require.NoError(t, err)
	require.Empty(t, owner)
}

func TestOfManyWhoClaimAtOnceOneWinsAndAllKnowWho(t *testing.T) {
	l, s := newLog()
	s.Break(memjournal.Fault{Op: memjournal.Create, Kind: memjournal.LoseReply, Times: 3})
	owners := make([]string, 20)
	var wg sync.WaitGroup
	for i := range owners {
		wg.Go(func() {
			owner, err := l.Claim(context.Background(), "a~b", fmt.Sprintf("job-%d", i))
			if err == nil {
				owners[i] = owner
			}
		})
	}
	wg.Wait()
	for _, o := range owners {
		require.Equal(t, owners[0], o)
		require.NotEmpty(t, o)
	}
}

// stale makes listings show nothing of what was written within the last hour.
func stale(s *memjournal.Store) {
	s.Break(memjournal.Fault{Op: memjournal.Head, Kind: memjournal.StaleList, Delay: time.Hour})
}

func TestAListingThatLagsBehindHidesNoOwner(t *testing.T) {
	ctx := context.Background()
	l, s := newLog()
	_, err := l.Claim(ctx, "a~b", "A")
	require.NoError(t, err)
	stale(s)
	owner, err := l.Claim(ctx, "a~b", "B")
	require.NoError(t, err)
	require.Equal(t, "A", owner)
	owner, err = l.Claim(ctx, "a~b", "A")
	require.NoError(t, err)
	require.Equal(t, "A", owner)
	owner, err = l.Owner(ctx, "a~b")
	require.NoError(t, err)
	require.Equal(t, "A", owner)

	require.NoError(t, l.Release(ctx, "a~b", "A"))
	owner, err = l.Owner(ctx, "a~b")
	require.NoError(t, err)
	require.Empty(t, owner, "given back although the listing showed no owner")
	owner, err = l.Claim(ctx, "a~b", "B")
	require.NoError(t, err)
	require.Equal(t, "B", owner)
}

func TestAStoreThatRefusesLeavesThePairAsItWas(t *testing.T) {
	ctx := context.Background()
	for name, op := range map[string]memjournal.Op{"the listing": memjournal.Head, "the entry": memjournal.Create} {
		t.Run(name, func(t *testing.T) {
			l, s := newLog()
			restore := s.Break(memjournal.Fault{Op: op, Kind: memjournal.Refuse, As: fault.Denied})
			_, err := l.Claim(ctx, "a~b", "A")
			require.Equal(t, fault.Denied, fault.Of(err))
			restore()
			owner, err := l.Claim(ctx, "a~b", "B")
			require.NoError(t, err)
			require.Equal(t, "B", owner)
		})
	}
}

func TestALogThatHoldsSomethingElseIsNotTouched(t *testing.T) {
	ctx := context.Background()
	l, _ := newLog()
	empty, err := l.Journal.Load(ctx, "pair/a~b")
	require.NoError(t, err)
	_, err = l.Journal.Append(ctx, empty, []byte(`["not an owner"]`), journal.Meta{Writer: "somebody"})
	require.NoError(t, err)
	_, err = l.Claim(ctx, "a~b", "A")
	require.Equal(t, fault.Terminal, fault.Of(err))
	require.Equal(t, fault.Terminal, fault.Of(l.Release(ctx, "a~b", "A")))
	now, err := l.Journal.Load(ctx, "pair/a~b")
	require.NoError(t, err)
	require.EqualValues(t, 1, now.Seq)
}
