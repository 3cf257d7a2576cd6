package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

const (
	// MaxBody is the largest body, in bytes of compact JSON, unless Options says
	// otherwise. Every writer reads the whole of the newest entry.
	MaxBody = 256 << 10

	// MaxAge is how old a snapshot may be when it is appended to. Sweep logs keep
	// [PruneAge], which is longer, so the number after a snapshot that is young enough
	// cannot be free because its entry was pruned.
	MaxAge = 12 * time.Hour

	// jumpAfter is after how many steps forward the listing is asked again.
	jumpAfter = 16
)

// Options set up a Journal.
type Options struct {
	// Schema is the version of the bodies that this program writes, and the newest
	// that it understands. At least 1.
	Schema int
	// MinReader is the oldest schema whose programs may follow what this one writes.
	// 0 means Schema.
	MinReader int
	// MaxBody is the largest body in bytes. 0 means the constant MaxBody.
	MaxBody int
	// Tries is how often Append sends an entry before it gives up. 0 means 5.
	Tries int
	// TryTimeout is how long one call to the store may take. 0 means 5 s.
	TryTimeout time.Duration
}

// A Journal reads and writes logs. It holds no state of its own and is safe for
// concurrent use.
type Journal struct {
	d   driver.Driver
	opt Options
}

// New makes a journal over a store. It panics when the Options contradict themselves,
// which is a mistake in the program.
func New(d driver.Driver, opt Options) *Journal {
	if opt.MinReader == 0 {
		opt.MinReader = opt.Schema
	}
	if opt.MaxBody == 0 {
		opt.MaxBody = MaxBody
	}
	if opt.Tries == 0 {
		opt.Tries = 5
	}
	if opt.TryTimeout == 0 {
		opt.TryTimeout = 5 * time.Second
	}
	if opt.Schema < 1 || opt.MinReader < 1 || opt.MinReader > opt.Schema {
		panic(fmt.Sprintf("journal: schema %d with oldest reader %d", opt.Schema, opt.MinReader))
	}
	return &Journal{d: d, opt: opt}
}

// Load returns the newest entry that the store's listing shows, or a Snapshot with
// Seq 0 when it shows none. The listing may lag behind; whoever has learnt of an
// entry in another way uses [Journal.LoadAtLeast] or [Journal.Reload].
func (j *Journal) Load(ctx context.Context, log Log) (Snapshot, error) {
	return j.LoadAtLeast(ctx, log, 0)
}

// LoadAtLeast is Load by somebody who was told that there is an entry with the
// number floor. When there is none, the hint was wrong and is left out of account.
func (j *Journal) LoadAtLeast(ctx context.Context, log Log, floor uint64) (Snapshot, error) {
	if err := log.Check(); err != nil {
		return Snapshot{}, err
	}
	head, err := j.head(ctx, log)
	if err != nil {
		return Snapshot{}, err
	}
	if floor > head.seq && floor <= driver.MaxSeq {
		s, err := j.get(ctx, log, floor, head.seen)
		if err == nil {
			return j.Reload(ctx, s)
		}
		if fault.Of(err) != fault.NotFound {
			return Snapshot{}, err
		}
	}
	if head.seq == 0 {
		return Snapshot{Log: log, seen: head.seen}, nil
	}
	s, err := j.get(ctx, log, head.seq, head.seen)
	if fault.Of(err) == fault.NotFound {
		return Snapshot{}, &fault.Error{
			Kind: fault.Retryable, Op: "Load", Resource: resource(log, head.seq),
			Err: errors.New("the entry is listed, but cannot be read"),
		}
	}
	return s, err
}

// Reload returns the newest entry, going on from one that is known: it reads entry
// after entry until there is none, and so needs no listing. It returns known with a
// newer clock when that is still the newest. A BrokenError says that the next entry
// does not follow the known one.
func (j *Journal) Reload(ctx context.Context, known Snapshot) (Snapshot, error) {
	if err := known.Log.Check(); err != nil {
		return Snapshot{}, err
	}
	if known.Log.Prunable() && (known.Seq == 0 || known.seen.age(time.Now()) > MaxAge) {
		return j.Load(ctx, known.Log) // the entry that follows may have been pruned
	}
	cur := known
	for steps := 1; cur.Seq < driver.MaxSeq; steps++ {
		if steps%jumpAfter == 0 { // far behind: perhaps the listing knows better by now
			head, err := j.head(ctx, cur.Log)
			if err != nil {
				return Snapshot{}, err
			}
			if head.seq > cur.Seq+1 {
				s, err := j.get(ctx, cur.Log, head.seq, cur.seen)
				if err == nil {
					cur = s
					continue
				}
				if fault.Of(err) != fault.NotFound {
					return Snapshot{}, err
				}
			}
		}
		next, err := j.get(ctx, cur.Log, cur.Seq+1, cur.seen)
		if fault.Of(err) == fault.NotFound {
			cur.seen = next.seen
			return cur, nil
		}
		if err != nil {
			return Snapshot{}, err
		}
		if err := follows(cur, next); err != nil {
			return Snapshot{}, err
		}
		cur = next
	}
	return cur, nil
}

// LoadAt returns one entry, or an error of kind fault.NotFound.
func (j *Journal) LoadAt(ctx context.Context, log Log, seq uint64) (Snapshot, error) {
	if err := log.Check(); err != nil {
		return Snapshot{}, err
	}
	if err := driver.CheckSeq(seq); err != nil {
		return Snapshot{}, err
	}
	s, err := j.get(ctx, log, seq, clock{})
	if err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// newest is what a listing says of a log.
type newest struct {
	seq  uint64
	seen clock
}

func (j *Journal) head(ctx context.Context, log Log) (newest, error) {
	ctx, cancel := context.WithTimeout(ctx, j.opt.TryTimeout)
	defer cancel()
	sent := time.Now()
	seq, stamp, err := j.d.Head(ctx, log)
	if err != nil {
		return newest{}, err
	}
	return newest{seq, clock{}.read(stamp, stamp.Modified, sent, time.Now())}, nil
}

// get reads one entry and checks that this program may follow it. seen is what is
// known of the time so far. With an error of kind fault.NotFound the Snapshot holds
// the clock and nothing else.
func (j *Journal) get(ctx context.Context, log Log, seq uint64, seen clock) (Snapshot, error) {
	s, err := j.getAny(ctx, log, seq, seen)
	if err == nil && s.MinReader > j.opt.Schema {
		return Snapshot{}, &TooNewError{Log: log, Seq: seq, What: "schema", Needs: s.MinReader, Has: j.opt.Schema}
	}
	return s, err
}

// getAny is get for whoever only looks at the chain.
func (j *Journal) getAny(ctx context.Context, log Log, seq uint64, seen clock) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, j.opt.TryTimeout)
	defer cancel()
	sent := time.Now()
	raw, stamp, err := j.d.Get(ctx, log, seq)
	received := time.Now()
	if fault.Of(err) == fault.NotFound {
		return Snapshot{seen: seen.read(stamp, time.Time{}, sent, received)}, err
	}
	if err != nil {
		return Snapshot{}, err
	}
	e, err := decode(log, seq, raw)
	if err != nil {
		return Snapshot{}, err
	}
	s := e.snapshot(raw)
	s.At = stamp.Modified
	s.seen = seen.read(stamp, stamp.Modified, sent, received)
	return s, nil
}
