package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Limits of one tick at pace 1. A trial that is paced divides the times too, by at
// most [maxHaste], but for those of single calls.
const (
	// Parallel is how many calls of each kind are made side by side.
	Parallel = 8
	// CallTimeout bounds one call.
	CallTimeout = 10 * time.Second
	// Budget is how long a tick takes at most, whatever its context allows: the next
	// one goes on, and a lease that its worker took to the grave ends sooner.
	Budget = 50 * time.Second
	// Reserve is what is kept of a tick's time to save, to tell people, and to save
	// again. Polls, looks and letters that reach into it are broken off.
	Reserve     = 20 * time.Second
	saveTimeout = 8 * time.Second
	// leaseMargin is how long a lease outlives the tick.
	leaseMargin = 5 * time.Second
	// MaxOutbox is how many alerts wait at most before polling stops: while nobody
	// can be told, there is no use in finding out more.
	MaxOutbox = 1000
	// MaxState is the largest state of a shard, in bytes: about 10,000 pairs beside
	// a full outbox.
	MaxState = 8 << 20

	listPage = 1000
	maxHaste = 10
)

// A Sweep watches over all shards. All fields but Letters, Intake, Pace and Log are
// required. It is safe for concurrent use, also by several processes.
type Sweep struct {
	Worker   string       // names this instance, for the lease and for people
	Store    driver.Store // of the journal
	Progress Progress
	Bus      Bus
	Letters  DeadLetters // nil: no queue of dead letters
	Intake   Intake      // of the letters; nil: they are left alone
	Shards   int         // fewer than one counts as one; must never be lowered
	Pace     float64     // divides the pauses between polls; 0 means 1
	Log      *slog.Logger
}

// hasten shortens a limit at the pace of a trial.
func (s *Sweep) hasten(d time.Duration) time.Duration {
	return time.Duration(float64(d) / min(max(s.Pace, 1), maxHaste))
}

// A Report is what one tick did.
type Report struct {
	Busy     int // shards that another worker was at
	Idle     int // shards with nothing in them
	Pairs    int // watched pairs in the shards that were swept
	Polled   int
	Unread   int // of those polled, how many could not be read
	Left     int // pairs that were due and have to wait for the next tick
	Alerts   int // alerts that fired or were resolved
	Sent     int // of these and of older ones, how many were sent
	Unsent   int // alerts that could not be sent and are kept
	Woken    int // jobs whose wake was lost
	Letters  int // dead letters that were taken in
	Returned int // dead letters that were left where they are
}

func (r *Report) add(o Report) {
	r.Busy += o.Busy
	r.Idle += o.Idle
	r.Pairs += o.Pairs
	r.Polled += o.Polled
	r.Unread += o.Unread
	r.Left += o.Left
	r.Alerts += o.Alerts
	r.Sent += o.Sent
	r.Unsent += o.Unsent
	r.Woken += o.Woken
	r.Letters += o.Letters
	r.Returned += o.Returned
}

// A tick is one call of Tick: what it shares among the shards.
type tick struct {
	*Sweep
	own   *journal.Journal // of the shards' logs
	jobs  *journal.Journal
	marks *journal.Marks
	calls chan struct{} // a place for each call that may be under way
	end   time.Time     // of the tick's time
}

// Tick sweeps all shards once and drains the dead letters, side by side. An error
// means that a journal could not be read or written; the report then holds what
// was done all the same, and the next tick makes up for it.
func (s *Sweep) Tick(ctx context.Context) (Report, error) {
	end := time.Now().Add(s.hasten(Budget))
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	t := &tick{
		Sweep: s, end: end, calls: make(chan struct{}, Parallel), marks: journal.NewMarks(s.Store),
		own:  journal.New(s.Store, journal.Options{Schema: Schema, MinReader: MinReader, MaxBody: MaxState}),
		jobs: journal.New(s.Store, journal.Options{Schema: replication.Schema, MinReader: replication.MinReader}),
	}
	shards := max(s.Shards, 1)
	reports, errs := make([]Report, shards+1), make([]error, shards+1)
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() {
			errs[i] = apart(func() (err error) {
				if i == shards {
					reports[i] = t.drain(ctx)
					return nil
				}
				if reports[i], err = t.sweep(ctx, i); err != nil {
					err = fmt.Errorf("sweep shard %d: %w", i, err)
				}
				return err
			})
		})
	}
	wg.Wait()
	var sum Report
	for _, r := range reports {
		sum.add(r)
	}
	return sum, errors.Join(errs...)
}

// apart keeps a panic from taking everything else with it.
func apart(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fault.Error{Kind: fault.Terminal, Op: "Tick", Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	return f()
}

// work returns the context for everything that comes before the last save.
func (t *tick) work(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, t.end.Add(-t.hasten(Reserve)))
}

// each calls f for 0 to n-1, at most Parallel calls at a time in the whole tick,
// and begins none when ctx has ended. f gets a context that bounds one call; one
// that panics has done nothing.
func (t *tick) each(ctx context.Context, n int, f func(ctx context.Context, i int)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range n {
		t.calls <- struct{}{}
		if ctx.Err() != nil {
			<-t.calls
			return
		}
		wg.Go(func() {
			defer func() { <-t.calls }()
			ctx, cancel := context.WithTimeout(ctx, CallTimeout)
			defer cancel()
			if err := apart(func() error { f(ctx, i); return nil }); err != nil {
				t.logger().Error("a call failed", "error", err)
			}
		})
	}
}

func (s *Sweep) logger() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
