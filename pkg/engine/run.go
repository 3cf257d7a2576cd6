package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A session is one run of one job.
type session struct {
	e    *Engine
	snap journal.Snapshot // the newest entry that we know of; Seq 0 before the first
	job  *replication.Job // as it will be saved next
	seen replication.Seen // since the last effect or pause
	keep bool             // a newer program wrote members that have to be kept
	// watching: the newest entry says that the pair is watched.
	watching bool
	// remarked: the watch begins anew, and a new mark stands for it.
	remarked bool
	log      *slog.Logger
}

// now is the time of the journal's store. Before anything was read it is the local one.
func (s *session) now() time.Time {
	return s.snap.Now(time.Now())
}

func (s *session) view() replication.View {
	return replication.View{Now: s.now(), Pace: s.e.Pace, Desk: s.e.Desk, Seen: s.seen}
}

// run takes decisions until the job rests, waits, belongs to another function, or
// the time of the invocation is nearly up.
func (s *session) run(ctx context.Context) error {
	if i := s.job.Intent; i != nil {
		s.log.Warn("taking over from a worker that gave no outcome", "worker", i.Worker, "effect", i.Effect.Kind)
		step, err := s.decide(ctx, replication.AfterCrash)
		if err != nil {
			return err
		}
		if !step.Wait.IsZero() {
			return s.pause(ctx, step.Wait)
		}
	}
	for range maxRounds {
		if !s.enough(ctx, CallTimeout) {
			return s.pause(ctx, s.now())
		}
		if s.job.Owner() != s.e.Owner {
			return s.handOver(ctx)
		}
		step, err := s.decide(ctx, replication.Decide)
		if err != nil {
			return err
		}
		switch {
		case step.Effect != nil && !s.enough(ctx, EffectTimeout):
			return s.pause(ctx, s.now())
		case step.Effect != nil:
			step, err = s.effect(ctx, *step.Effect)
			if err != nil {
				return err
			}
			if !step.Wait.IsZero() {
				return s.pause(ctx, step.Wait)
			}
		case !step.Wait.IsZero():
			return s.pause(ctx, step.Wait)
		}
	}
	s.log.Error("the job did not come to rest", "phase", s.job.Phase, "rounds", maxRounds)
	return s.pause(ctx, s.now().Add(time.Minute))
}

// decide asks for a step and looks at what the decision wants to see, until it is
// content. A decision that asks for a look has decided nothing: the job is as it
// was before.
func (s *session) decide(ctx context.Context, f func(*replication.Job, replication.View) replication.Step) (replication.Step, error) {
	for range 8 { // there are fewer sets of looks than that
		job := s.job.Clone()
		step := f(job, s.view())
		if step.Look == 0 {
			if t := s.mark(ctx, job); t != nil {
				job = s.job.Clone()
				step = replication.AfterTrouble(job, *t, s.view())
			}
			s.adopt(job, step)
			return step, nil
		}
		if t := s.look(ctx, step.Look); t != nil {
			job := s.job.Clone()
			step := replication.AfterTrouble(job, *t, s.view())
			if step.Look != 0 { // not even the last look before the end is possible now
				return replication.Step{Wait: s.now().Add(time.Minute)}, nil
			}
			s.adopt(job, step)
			return step, nil
		}
	}
	return replication.Step{Wait: s.now().Add(time.Minute)}, nil
}

// mark stands the marker of a watch that is about to begin, before the entry that
// begins it. It returns the trouble of that, or nil.
func (s *session) mark(ctx context.Context, next *replication.Job) *replication.Trouble {
	begins := next.Watched() && !s.job.Watched() || next.Phase == replication.PhaseWatching && s.job.Phase != replication.PhaseWatching
	if !begins {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.e.hasten(CallTimeout))
	defer cancel()
	err := s.e.Marks.Watch(ctx, s.job.ID, s.snap.Seq+1)
	if err == nil {
		s.remarked = s.watching
		return nil
	}
	s.log.Warn("the watch could not be marked", "error", err)
	t := trouble(err)
	return &t
}

// adopt makes a decided job the one that is saved next. What was seen counts for
// one decision; only a phase that is entered at once may still use it.
func (s *session) adopt(job *replication.Job, step replication.Step) {
	if step.Next != "" && job.Phase != s.job.Phase {
		s.log.Info("phase", "from", s.job.Phase, "to", job.Phase, "reason", job.Reason)
	}
	s.job = job
	s.seen = replication.Seen{}
}

// effect saves the intent, acts, and takes the outcome into the job.
func (s *session) effect(ctx context.Context, e replication.Effect) (replication.Step, error) {
	now := s.now()
	s.job.Intent = &replication.Intent{Effect: e, Worker: s.e.Worker, Until: now.Add(s.e.hasten(Claim))}
	s.job.Due, s.job.CheckBy = time.Time{}, now.Add(s.e.hasten(Claim+grace))
	if err := s.save(ctx); err != nil {
		return replication.Step{}, err
	}
	began := time.Now()
	o := replication.Outcome{Effect: e.Kind, Result: replication.ResultRefused,
		Trouble: &replication.Trouble{Kind: replication.TroublePassing, Op: string(e.Kind), Message: "the worker stood still until its claim had nearly run out"}}
	if s.snap.Latest(began).Add(s.e.hasten(EffectTimeout)).Before(s.job.Intent.Until) && s.enough(ctx, EffectTimeout) {
		o = s.act(ctx, e)
	}
	o.At = s.now()
	attrs := []any{"effect", e.Kind, "result", o.Result, "ms", time.Since(began).Milliseconds(), "rev", s.snap.Seq}
	if o.Trouble != nil {
		attrs = append(attrs, "trouble", o.Trouble.Kind, "code", o.Trouble.Code, "request_id", o.Trouble.RequestID, "message", o.Trouble.Message)
	} else if o.RequestID != "" {
		attrs = append(attrs, "request_id", o.RequestID)
	}
	s.log.Info("effect", attrs...)
	s.seen = replication.Seen{}
	return s.decide(ctx, func(j *replication.Job, v replication.View) replication.Step { return replication.Settle(j, o, v) })
}

// enough reports whether the invocation has time for a call of at most d, to save
// what came of it, and to send a wake.
func (s *session) enough(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > s.e.hasten(d+Reserve))
}
