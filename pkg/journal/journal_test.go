package journal_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
)

// counting is a driver, and only that, which counts its calls.
type counting struct {
	driver.Driver
	heads, gets, creates int
}

func (c *counting) Head(ctx context.Context, log driver.Log) (uint64, driver.Stamp, error) {
	c.heads++
	return c.Driver.Head(ctx, log)
}

func (c *counting) Get(ctx context.Context, log driver.Log, seq uint64) ([]byte, driver.Stamp, error) {
	c.gets++
	return c.Driver.Get(ctx, log, seq)
}

func (c *counting) Create(ctx context.Context, log driver.Log, seq uint64, data []byte) (driver.Stamp, error) {
	c.creates++
	return c.Driver.Create(ctx, log, seq, data)
}

func TestAppendTriesAsOftenAndAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memjournal.New(nil)
		d := &counting{Driver: store}
		j := journal.New(d, journal.Options{Schema: 1, Tries: 3, TryTimeout: 2 * time.Second})
		s, err := j.Load(t.Context(), "job/x")
		require.NoError(t, err)
		store.Break(memjournal.Fault{Op: memjournal.Create, Kind: memjournal.Hang})
		began := time.Now()
		_, err = j.Append(t.Context(), s, []byte(`{}`), journal.Meta{})
		require.Equal(t, fault.Unknown, fault.Of(err))
		require.Equal(t, 3, d.creates)
		require.GreaterOrEqual(t, time.Since(began), 6*time.Second)
		require.Less(t, time.Since(began), 7*time.Second)
	})
}

func TestAppendDoesNotWaitForALongThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &counting{Driver: patient{memjournal.New(nil)}}
		j := journal.New(d, journal.Options{Schema: 1})
		s, err := j.Load(t.Context(), "job/x")
		require.NoError(t, err)
		began := time.Now()
		_, err = j.Append(t.Context(), s, []byte(`{}`), journal.Meta{})
		require.Equal(t, fault.Throttled, fault.Of(err))
		require.Equal(t, time.Minute, fault.After(err))
		require.Equal(t, 1, d.creates)
		require.Less(t, time.Since(began), time.Second)
	})
}

// patient is a store that asks for a minute's patience.
type patient struct{ driver.Driver }

func (patient) Create(context.Context, driver.Log, uint64, []byte) (driver.Stamp, error) {
	return driver.Stamp{}, &fault.Error{Kind: fault.Throttled, After: time.Minute}
}

func TestAReloadFromFarBehindAsksTheListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &counting{Driver: memjournal.New(nil)}
		j := journal.New(d, journal.Options{Schema: 1})
		first, err := j.Load(t.Context(), "job/x")
		require.NoError(t, err)
		s := first
		for range 500 {
			s, err = j.Append(t.Context(), s, []byte(`{}`), journal.Meta{})
			require.NoError(t, err)
		}
		d.heads, d.gets = 0, 0
		found, err := j.Reload(t.Context(), first)
		require.NoError(t, err)
		require.Equal(t, s.Anchor(), found.Anchor())
		require.Less(t, d.gets, 20)
		require.Equal(t, 1, d.heads)

		d.heads, d.gets = 0, 0
		_, err = j.Reload(t.Context(), found)
		require.NoError(t, err)
		require.Equal(t, 1, d.gets)
		require.Zero(t, d.heads)
	})
}

func TestAStoreThatCannotListHasNoHistoryToShow(t *testing.T) {
	j := journal.New(&counting{Driver: memjournal.New(nil)}, journal.Options{Schema: 1})
	_, err := j.Verify(t.Context(), "job/x")
	require.Equal(t, fault.Terminal, fault.Of(err))
	_, err = j.Prune(t.Context(), journal.Snapshot{Log: "sweep/1", Seq: 100}, 1)
	require.Equal(t, fault.Terminal, fault.Of(err))
}

// forgetful is a store whose listing leaves out some entries that can be read.
type forgetful struct {
	driver.Store
	hidden map[uint64]bool
}

func (f forgetful) List(ctx context.Context, log driver.Log, before uint64, limit int) ([]driver.Entry, error) {
	page, err := f.Store.List(ctx, log, before, limit)
	return slices.DeleteFunc(page, func(e driver.Entry) bool { return f.hidden[e.Seq] }), err
}

func TestAnEntryIsMissingOnlyWhenItCannotBeRead(t *testing.T) {
	store := memjournal.New(nil)
	j := journal.New(forgetful{store, map[uint64]bool{1: true, 4: true, 6: true, 9: true}}, journal.Options{Schema: 1})
	s, err := j.Load(t.Context(), "job/x")
	require.NoError(t, err)
	for range 9 {
		s, err = j.Append(t.Context(), s, []byte(`{}`), journal.Meta{})
		require.NoError(t, err)
	}
	v, err := j.Verify(t.Context(), "job/x")
	require.NoError(t, err)
	require.Empty(t, v.Problems)
	require.Equal(t, 9, v.Entries)

	store.Remove("job/x", 3)
	store.Remove("job/x", 5)
	v, err = j.Verify(t.Context(), "job/x")
	require.NoError(t, err)
	require.Equal(t, 7, v.Entries)
	require.Len(t, v.Problems, 2)
	require.Equal(t, "entry 3 is missing", v.Problems[0].Problem)
	require.Equal(t, "entry 5 is missing", v.Problems[1].Problem)
}

func TestContradictoryOptionsPanic(t *testing.T) {
	for _, opt := range []journal.Options{{}, {Schema: 1, MinReader: 2}, {Schema: -1}} {
		require.Panics(t, func() { journal.New(memjournal.New(nil), opt) })
	}
}

func TestEveryErrorIsOneLineAndSaysWhatAndWhere(t *testing.T) {
	for text, err := range map[string]error{
		"Append job/x/3: conflict: provision/7 wrote this entry first":                              &journal.LostError{Winner: journal.Snapshot{Log: "job/x", Seq: 3, Writer: "provision/7"}},
		"Load job/x/3: terminal: the entry is for programs with schema 4 and newer, this one has 3": &journal.TooNewError{Log: "job/x", Seq: 3, What: "schema", Needs: 4, Has: 3},
		"Load job/x/3: terminal: entry 3 is missing":                                                &journal.BrokenError{Log: "job/x", Seq: 3, Problem: "entry 3\nis missing"},
		"the bucket is or was versioned, so writes to it cannot exclude each other":                 journal.ErrVersioned,
	} {
		require.Equal(t, text, err.Error())
	}
	require.NotErrorIs(t, &journal.LostError{}, fault.Terminal)
	require.True(t, errors.Is(&journal.LostError{}, fault.Conflict))
}
