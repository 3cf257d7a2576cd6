// Package journaltest is the suite that every store of journals has to pass: through
// package journal, because that is what rests on the store, and with the mishaps
// that stores have. A store needs no other tests of these semantics.
package journaltest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// A Harness is one empty store, and what can be done to it behind its driver's back.
// The store's clock is time.Now; every case runs in a synctest bubble of its own.
type Harness interface {
	// Open returns a driver for the store, as another process would have it.
	Open() driver.Store
	// Break orders a mishap and returns what takes it back.
	Break(Fault) (remove func())
	// SetVersioned switches the store's versioning on.
	SetVersioned()
	// Replace changes an entry, or makes one.
	Replace(log driver.Log, seq uint64, data []byte)
	// Remove takes an entry away.
	Remove(log driver.Log, seq uint64)
}

// A Call is a call to the store that can be hit.
type Call string

// The calls.
const (
	Create Call = "create" // Create and PutMarker
	Get    Call = "get"    // Get and GetMarker
	List   Call = "list"   // Head, List and ListMarkers
	Delete Call = "delete" // Delete and DeleteMarker
)

// A FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault.
const (
	Refuse    FaultKind = "refuse"     // refused as As; nothing happens
	LoseReply FaultKind = "lose-reply" // the effect takes place, the reply is lost
	StaleList FaultKind = "stale-list" // a listing does not show what was made within Delay
	StaleRead FaultKind = "stale-read" // a read does not see the last change
	Hang      FaultKind = "hang"       // no answer until the caller gives up; nothing happens
)

// A Fault is one mishap: of the attempts that reach the store, Skip go well and the
// next Times (0: all) do not.
type Fault struct {
	Call        Call
	Kind        FaultKind
	As          fault.Kind // for Refuse: Retryable, Throttled or Denied
	Delay       time.Duration
	Skip, Times int
}

// Run runs the suite. open makes a new harness within the bubble of one case.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, group := range [][]testCase{
		basics(), races(), lostReplies(), staleness(), integrity(), versions(), times(), names(), markers(), pruning(),
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.run(newRig(t, open(t))) })
			})
		}
	}
}

type testCase struct {
	name string
	run  func(*rig)
}

// schema is what the programs of the suite write; minReader may still follow them.
const schema, minReader = 3, 2

// A rig is a harness with what every case needs.
type rig struct {
	*testing.T
	Harness
	log driver.Log
}

func newRig(t *testing.T, h Harness) *rig {
	return &rig{T: t, Harness: h, log: journal.Job("CHG-2041")}
}

// program returns a journal as one program would have it.
func (r *rig) program() *journal.Journal {
	return journal.New(r.Open(), journal.Options{Schema: schema, MinReader: minReader})
}

// write appends n entries, a minute apart, and returns the last.
func (r *rig) write(j *journal.Journal, log driver.Log, n int) journal.Snapshot {
	s, err := j.Load(r.Context(), log)
	require.NoError(r, err)
	for range n {
		time.Sleep(time.Minute)
		s = r.append(j, s)
	}
	return s
}

// append appends one entry that must be accepted.
func (r *rig) append(j *journal.Journal, prev journal.Snapshot) journal.Snapshot {
	r.Helper()
	s, err := j.Append(r.Context(), prev, body(prev.Seq+1), journal.Meta{Writer: "suite"})
	require.NoError(r, err)
	require.Equal(r, prev.Seq+1, s.Seq)
	return s
}

func (r *rig) load(j *journal.Journal, log driver.Log) journal.Snapshot {
	r.Helper()
	s, err := j.Load(r.Context(), log)
	require.NoError(r, err)
	return s
}

// raw returns the stored bytes of an entry.
func (r *rig) raw(log driver.Log, seq uint64) []byte {
	r.Helper()
	data, _, err := r.Open().Get(r.Context(), log, seq)
	require.NoError(r, err)
	return data
}

// sound checks that the log has n entries and an unbroken chain.
func (r *rig) sound(log driver.Log, n int, anchors ...journal.Anchor) {
	r.Helper()
	v, err := r.program().Verify(r.Context(), log, anchors...)
	require.NoError(r, err)
	require.Empty(r, v.Problems)
	require.Equal(r, n, v.Entries)
}

func body(n uint64) []byte { return fmt.Appendf(nil, `{"n":%d,"html":"<&>"}`, n) }
