package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// firstPause is the pause before an entry is sent again; it doubles every time, and
// is shortened at random so that writers who met once do not meet again.
const firstPause = 100 * time.Millisecond

// Meta says who writes an entry.
type Meta struct {
	// Writer names the function, instance or person, for the reader of the history.
	Writer string
	// MinReader is the oldest schema whose programs may follow this entry, when it is
	// newer than what Options says.
	MinReader int
}

// Append writes the entry after prev, with body, which must be JSON. It returns
//   - the new Snapshot: the entry is written, and prev was the newest;
//   - a *LostError: somebody else wrote it. Nothing of ours is or will be there;
//   - a *TooNewError or *BrokenError instead, when the winner's entry is like that;
//   - ErrVersioned: the store does not exclude writers. Do nothing, tell somebody;
//   - an error of kind fault.Unknown: the entry may be there. Load again;
//   - an error of another kind: the store refused it, and no try had an effect, as
//     far as the answers tell.
//
// prev must come from this package and be younger than MaxAge; a fault.Conflict
// without a winner says that it is too old, and has to be loaded again.
func (j *Journal) Append(ctx context.Context, prev Snapshot, body []byte, meta Meta) (Snapshot, error) {
	next, raw, err := j.prepare(prev, body, meta)
	if err != nil {
		return Snapshot{}, err
	}
	a := attempt{j: j, prev: prev, next: next, raw: raw}
	return a.settle(ctx)
}

// prepare makes the raw bytes of the entry after prev.
func (j *Journal) prepare(prev Snapshot, body []byte, meta Meta) (Snapshot, []byte, error) {
	refuse := func(kind fault.Kind, format string, args ...any) (Snapshot, []byte, error) {
		return Snapshot{}, nil, &fault.Error{Kind: kind, Op: "Append", Resource: resource(prev.Log, prev.Seq+1), Err: fmt.Errorf(format, args...)}
	}
	if err := prev.Log.Check(); err != nil {
		return Snapshot{}, nil, err
	}
	if err := driver.CheckSeq(prev.Seq + 1); err != nil {
		return Snapshot{}, nil, err
	}
	switch age := prev.seen.age(time.Now()); {
	case prev.seen.received.IsZero() || prev.Exists() != isHash(prev.Hash):
		return refuse(fault.Terminal, "the snapshot to follow was not loaded from a journal")
	case prev.MinReader > j.opt.Schema:
		return Snapshot{}, nil, &TooNewError{Log: prev.Log, Seq: prev.Seq, What: "schema", Needs: prev.MinReader, Has: j.opt.Schema}
	case age > MaxAge:
		return refuse(fault.Conflict, "the snapshot to follow is %v old; load it again", age.Round(time.Second))
	}
	small, err := compact(body)
	if err != nil {
		return refuse(fault.Terminal, "the body is not JSON: %w", err)
	}
	if len(small) > j.opt.MaxBody {
		return refuse(fault.Terminal, "the body has %d bytes, more than %d", len(small), j.opt.MaxBody)
	}
	minReader := max(j.opt.MinReader, meta.MinReader, prev.MinReader)
	e := envelope{
		Form: envelopeForm, Schema: max(j.opt.Schema, prev.Schema, minReader), MinReader: minReader,
		Log: prev.Log, Seq: prev.Seq + 1, Prev: prev.Hash, Nonce: newNonce(), Writer: meta.Writer, Body: small,
	}
	raw, err := e.encode()
	if err != nil {
		return refuse(fault.Terminal, "%w", err)
	}
	if e, err = decode(prev.Log, prev.Seq+1, raw); err != nil { // as every reader will
		return refuse(fault.Terminal, "%w", err)
	}
	return e.snapshot(raw), raw, nil
}

// An attempt is one Append: the same bytes, sent until it is known what became of them.
type attempt struct {
	j          *Journal
	prev, next Snapshot
	raw        []byte
	unsettled  bool // a try may have written the entry
}

// verdict is what one try showed.
type verdict int

const (
	unclear verdict = iota // try again
	done                   // stop: the entry is ours, or never can be
)

func (a *attempt) settle(ctx context.Context) (Snapshot, error) {
	for try := 1; ; try++ {
		s, v, err := a.try(ctx)
		if v == done {
			return s, err
		}
		if try >= a.j.opt.Tries || ctx.Err() != nil || !pause(ctx, try, err) {
			return Snapshot{}, a.giveUp(err)
		}
	}
}

// try sends the entry once and, when there is one already, reads it.
func (a *attempt) try(ctx context.Context) (Snapshot, verdict, error) {
	sent := time.Now()
	stamp, err := a.create(ctx)
	if err == nil {
		return a.won(stamp, sent), done, nil
	}
	if errors.Is(err, ErrVersioned) {
		return Snapshot{}, done, err
	}
	switch kind := fault.Of(err); {
	case kind == fault.Exists:
		return a.compare(ctx, err)
	case kind.MayHaveHappened():
		a.unsettled = true
		return Snapshot{}, unclear, err
	case kind == fault.Throttled:
		return Snapshot{}, unclear, err
	}
	if a.unsettled { // this try was refused for good, but an earlier one may have had its effect
		return Snapshot{}, unclear, err
	}
	return Snapshot{}, done, err
}

func (a *attempt) create(ctx context.Context) (driver.Stamp, error) {
	ctx, cancel := context.WithTimeout(ctx, a.j.opt.TryTimeout)
	defer cancel()
	return a.j.d.Create(ctx, a.next.Log, a.next.Seq, a.raw)
}

// compare reads the entry that has our number. exists is the refusal.
func (a *attempt) compare(ctx context.Context, exists error) (Snapshot, verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, a.j.opt.TryTimeout)
	defer cancel()
	sent := time.Now()
	raw, stamp, err := a.j.d.Get(ctx, a.next.Log, a.next.Seq)
	received := time.Now()
	if err != nil { // whose it is stays open
		a.unsettled = true
		return Snapshot{}, unclear, errors.Join(exists, err)
	}
	if bytes.Equal(raw, a.raw) {
		return a.won(stamp, sent), done, nil
	}
	e, err := decode(a.next.Log, a.next.Seq, raw)
	if err != nil {
		return Snapshot{}, done, err
	}
	if e.MinReader > a.j.opt.Schema {
		return Snapshot{}, done, &TooNewError{Log: e.Log, Seq: e.Seq, What: "schema", Needs: e.MinReader, Has: a.j.opt.Schema}
	}
	winner := e.snapshot(raw)
	winner.At = stamp.Modified
	winner.seen = a.prev.seen.read(stamp, stamp.Modified, sent, received)
	if err := follows(a.prev, winner); err != nil {
		return Snapshot{}, done, err
	}
	return Snapshot{}, done, &LostError{Winner: winner}
}

// won completes the snapshot of our entry.
func (a *attempt) won(stamp driver.Stamp, sent time.Time) Snapshot {
	received := time.Now()
	s := a.next
	s.seen = a.prev.seen.read(stamp, stamp.Modified, sent, received)
	s.At = stamp.Modified
	if s.At.IsZero() {
		s.At = stamp.Now
	}
	if s.At.IsZero() {
		s.At = s.seen.earliest(received)
	}
	return s
}

// giveUp returns the error of an Append whose tries or time ran out.
func (a *attempt) giveUp(last error) error {
	if !a.unsettled {
		return last
	}
	return &fault.Error{
		Kind: fault.Unknown, Op: "Append", Resource: resource(a.next.Log, a.next.Seq),
		Err: fmt.Errorf("%w: %w", errUnsettled, last),
	}
}

// pause waits before the next try. It reports false when the context ends before, or
// when the store asks for more patience than a try is worth.
func pause(ctx context.Context, try int, err error) bool {
	d := firstPause << (try - 1)
	d = d/2 + rand.N(d/2)
	if after := fault.After(err); after > d {
		d = after
	}
	if end, ok := ctx.Deadline(); ok && time.Now().Add(d).After(end) || d > 5*time.Second {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
