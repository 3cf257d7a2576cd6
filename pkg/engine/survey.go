package engine

import (
	"context"
	"errors"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Survey reads what a plan of a ticket in order rests on. It writes nothing: no
// entry, no mark, no message. The trouble is that of the read that failed, or nil.
func (e *Engine) Survey(ctx context.Context, r replication.Request) (replication.Survey, *replication.Trouble) {
	failed := func(err error) (replication.Survey, *replication.Trouble) {
		t := trouble(err)
		return replication.Survey{}, &t
	}
	taken, err := e.taken(ctx, r.ID)
	if err != nil {
		return failed(err)
	}
	if taken != nil {
		return replication.Survey{Taken: taken}, nil
	}
	s := &session{e: e, job: replication.NewJob(r, time.Now()), log: e.logger().With("ticket", r.ID)}
	for range 8 { // there are fewer sets of looks than that
		l := replication.SurveyLooks(r, e.Desk, s.seen, time.Now())
		if l == 0 {
			more, err := e.more(ctx, r, replication.SurveyMore(r, e.Desk, s.seen, time.Now()))
			if err != nil {
				return failed(err)
			}
			return replication.Survey{Seen: s.seen, More: more}, nil
		}
		if t := s.look(ctx, l); t != nil {
			return replication.Survey{}, t
		}
	}
	return failed(&fault.Error{Kind: fault.Terminal, Op: "Survey", Resource: r.ID, Err: errors.New("the looks do not come to an end")})
}

// taken returns the job under an id, or nil. A ticket that was only taken in has
// one that has not begun.
func (e *Engine) taken(ctx context.Context, id string) (*replication.Job, error) {
	snap, err := e.Journal.Load(ctx, journal.Job(id))
	if err != nil {
		return nil, err
	}
	if snap.Exists() {
		return replication.Decode(snap.Body)
	}
	ticket, err := e.Marks.Opened(ctx, id)
	if fault.Of(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	first, problems := replication.Parse(ticket)
	if len(problems) > 0 { // the marker was written by us from a ticket that had none
		return nil, &fault.Error{Kind: fault.Terminal, Op: "Parse", Resource: id, Err: problems}
	}
	return replication.NewJob(first, time.Now()), nil
}
