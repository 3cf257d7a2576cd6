package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Limits of one run at pace 1. A trial that is paced divides them too, by at most
// [maxHaste]: what a killed worker leaves behind is then taken over sooner.
const (
	// Claim is how long an intent keeps other workers away. It is longer than the
	// slowest effect.
	Claim = 75 * time.Second
	// CallTimeout bounds one read.
	CallTimeout = 10 * time.Second
	// EffectTimeout bounds one effect. The clean-up makes several calls.
	EffectTimeout = 30 * time.Second
	// Reserve is what is kept of an invocation's time to save and to send a wake.
	Reserve     = 20 * time.Second
	saveTimeout = 14 * time.Second
	wakeTimeout = 5 * time.Second
	// grace is how long after the time that a job is due the sweep wakes it.
	grace = time.Minute
	// maxWake is the longest delay of one wake; a longer wait is chained.
	maxWake  = 12 * time.Hour
	maxHaste = 10
	// maxRounds bounds the decisions of one run, against a table that never rests.
	maxRounds = 200
)

// An Engine moves the jobs of one owner. All fields but Count and Log are
// required. It is safe for concurrent use.
type Engine struct {
	Owner   replication.Owner
	Worker  string // names this instance, for the claim and for people
	Journal *journal.Journal
	Marks   Marks
	Rules   Rules
	Objects Objects
	Grants  Grants
	Keys    Keys
	Pairs   Pairs
	Slots   Slots
	// Destinations is needed for pairs across accounts only.
	Destinations Destinations
	Bus          Bus
	// Previews are asked by Survey alone.
	Previews Previews
	Desk     replication.Desk
	Pace     float64 // divides the pauses between looks; 0 means 1
	// Count returns a context under which cloud calls are counted, and the count. nil counts nothing.
	Count func(context.Context) (context.Context, func() int)
	Log   *slog.Logger
}

// A Hint says that a job may be due.
type Hint struct {
	Job string
	// Rev is the entry that the hint was sent for; a hint for an older entry is
	// stale and dropped. 0 is a hint for whatever the newest is.
	Rev uint64
	// DryRun is a ticket that is answered and has no job; nil for every other hint.
	DryRun *DryRun
}

// errLost says that another worker saved first. It ends a run without a fuss.
var errLost = errors.New("another worker saved first")

// errOrdered says that an order came between two of our entries. What we had
// to save is saved, and the run begins anew with the order.
var errOrdered = errors.New("an order came meanwhile")

// Run carries one job as far as it can go now. It returns nil when there is
// nothing to do, when another worker is at it, and when the job waits; an error
// means that the journal could not be read or written, and the job is woken again
// by the sweep.
func (e *Engine) Run(ctx context.Context, h Hint) error {
	s, err := e.open(ctx, h)
	if err != nil || s == nil {
		return err
	}
	for err = s.run(ctx); errors.Is(err, errOrdered); err = s.run(ctx) {
		s.log.Info("an order came meanwhile", "rev", s.snap.Seq)
	}
	if errors.Is(err, errLost) {
		s.log.Info("another worker saved first", "rev", s.snap.Seq)
		return nil
	}
	return err
}

// open loads the job and decides whether this hint is for us. A nil session means no.
func (e *Engine) open(ctx context.Context, h Hint) (*session, error) {
	snap, err := e.Journal.LoadAtLeast(ctx, journal.Job(h.Job), max(h.Rev, 1))
	if err != nil {
		return nil, fmt.Errorf("load job %s: %w", h.Job, err)
	}
	s := &session{e: e, snap: snap, log: e.logger().With("ticket", h.Job)}
	now := s.now()
	s.keep = snap.Seq > 0 && !replication.Known(snap.Body)
	if snap.Seq == 0 {
		return e.begin(ctx, s, h)
	}
	if s.job, err = replication.Decode(snap.Body); err != nil {
		return nil, &fault.Error{Kind: fault.Terminal, Op: "Decode", Resource: h.Job, Err: err}
	}
	s.watching = s.job.Watched()
	switch {
	case h.Rev != 0 && h.Rev < snap.Seq:
		s.log.Debug("stale hint dropped", "hint", h.Rev, "rev", snap.Seq)
		return nil, nil
	case !replication.IsPhase(s.job.Phase):
		s.log.Warn("a newer version has this job", "phase", s.job.Phase)
		return nil, nil
	case s.job.AtRest():
		return nil, e.Marks.Rest(ctx, s.job, snap.Seq)
	case s.job.Claimed(now):
		s.log.Debug("claimed by another worker", "worker", s.job.Intent.Worker)
		return nil, nil
	case s.job.Owner() != e.Owner && s.job.Owner() != replication.OwnerNone:
		// The hint went to the wrong function: pass it on.
		return nil, e.Bus.Wake(ctx, s.job.Owner(), h.Job, snap.Seq, 0)
	case h.Rev != snap.Seq && s.job.Intent == nil && now.Before(s.job.Due):
		s.log.Debug("not due yet", "due", s.job.Due)
		return nil, nil
	}
	return s, nil
}

// begin starts a job of which only the marker exists.
func (e *Engine) begin(ctx context.Context, s *session, h Hint) (*session, error) {
	ticket, err := e.Marks.Opened(ctx, h.Job)
	if fault.Of(err) == fault.NotFound {
		s.log.Warn("hint for a job that does not exist")
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ticket of %s: %w", h.Job, err)
	}
	r, problems := replication.Parse(ticket)
	if len(problems) > 0 {
		// Another version took it in, which understands more: say so, instead of
		// finding out at every wake.
		if err := e.refuse(ctx, h.Job, ticket, problems); err != nil {
			return nil, err
		}
		return nil, e.Marks.Close(ctx, h.Job, 1)
	}
	if e.Owner != replication.OwnerProvision {
		return nil, e.Bus.Wake(ctx, replication.OwnerProvision, h.Job, 0, 0)
	}
	s.job = replication.NewJob(r, s.now())
	return s, nil
}

// hasten shortens a limit at the pace of a trial.
func (e *Engine) hasten(d time.Duration) time.Duration {
	return time.Duration(float64(d) / min(max(e.Pace, 1), maxHaste))
}

func (e *Engine) logger() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}
