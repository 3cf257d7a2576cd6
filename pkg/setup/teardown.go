package setup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

// InUse says why nothing may be taken away. Its kind is fault.Conflict.
type InUse struct {
	Tickets []string         // that are open, watched, or failed with something left
	Waiting map[string]int64 // messages by queue, in which tickets may be
}

func (e *InUse) Error() string {
	var parts []string
	if n := len(e.Tickets); n > 0 {
		const most = 5
		names := e.Tickets
		if n > most {
			names = append(slices.Clone(names[:most]), fmt.Sprintf("%d more", n-most))
		}
		parts = append(parts, "open or watched: "+strings.Join(names, ", "))
	}
	for _, q := range slices.Sorted(maps.Keys(e.Waiting)) {
		parts = append(parts, fmt.Sprintf("%d messages wait in %s", e.Waiting[q], q))
	}
	return "the desk is in use: " + strings.Join(parts, "; ")
}

// Unwrap gives the kind.
func (e *InUse) Unwrap() error { return fault.Conflict }

// Removal says what Teardown may take away.
type Removal struct {
	Remove bool // all but the state bucket
	// Journal is the name of the state bucket when it, and all that is in it, may be
	// deleted for ever. "" leaves it.
	Journal string
}

// Teardown says what would be taken away, or takes it away: the grants of the functions,
// the queues and, when it is named, the state bucket. What is not as bootstrap makes it
// stays and is named. As long as a ticket is open or a pair is watched nothing is
// touched, and the error is an *[InUse].
func (s *Setup) Teardown(ctx context.Context, r Removal) ([]Line, error) {
	if r.Journal != "" && r.Journal != s.config.StateBucket {
		return nil, &fault.Error{Kind: fault.Terminal, Op: "Teardown", Resource: r.Journal,
			Err: fmt.Errorf("the state bucket is %s", s.config.StateBucket)}
	}
	if err := s.idle(ctx); err != nil {
		return nil, err
	}
	differs, err := s.differing(ctx)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, p := range slices.Backward(s.parts) {
		if p.Kind == KindBucket {
			lines = append(lines, s.dropJournal(ctx, p, r))
			continue
		}
		lines = append(lines, p.takeAway(ctx, r, differs))
	}
	return lines, nil
}

// differing returns the names of roles of which anything is not as it was made: of
// these nothing is taken away.
func (s *Setup) differing(ctx context.Context) (map[string]bool, error) {
	names := map[string]bool{}
	for _, p := range s.parts {
		if p.Kind == KindBucket || p.Kind == KindQueue {
			continue
		}
		is, err := p.look(ctx)
		if err != nil {
			return nil, err
		}
		names[p.Name] = names[p.Name] || len(is.differences) > 0
	}
	return names, nil
}

func (p *Part) takeAway(ctx context.Context, r Removal, differs map[string]bool) Line {
	is, err := p.look(ctx)
	switch {
	case err != nil:
		return p.line("", nil, err)
	case !is.exists:
		return p.line(StateGone, nil, nil)
	case differs[p.Name]:
		return p.line(StateKept, is.differences, nil)
	case !r.Remove:
		return p.line(StateRight, nil, nil)
	}
	switch err = patiently(ctx, p.remove); fault.Of(err) {
	case fault.None, fault.NotFound:
		return p.line(StateRemoved, nil, nil)
	case fault.Conflict:
		l := p.line(StateKept, nil, nil)
		l.Error = "others use it"
		return l
	}
	return p.line("", nil, err)
}

func (s *Setup) dropJournal(ctx context.Context, p *Part, r Removal) Line {
	is, err := p.look(ctx)
	switch {
	case err != nil:
		return p.line("", nil, err)
	case !is.exists:
		return p.line(StateGone, nil, nil)
	case r.Journal == "" || !r.Remove:
		return p.line(StateKept, nil, nil)
	}
	return p.line(StateRemoved, nil, s.desk.StateBucket().Delete(ctx))
}

// idle returns an *[InUse] when tickets are open or watched, or may lie in a queue.
func (s *Setup) idle(ctx context.Context) error {
	use := &InUse{Waiting: map[string]int64{}}
	bucket, err := s.desk.StateBucket().Look(ctx)
	if err != nil {
		return err
	}
	if bucket.Exists { // without it there are no tickets
		marks, err := s.marked(ctx)
		if err != nil {
			return err
		}
		use.Tickets = tickets(marks)
	}
	for _, q := range []config.Queue{config.QueueRequests, config.QueueUndelivered} {
		name := s.config.QueueName(q)
		is, err := s.desk.Bus.Queue(ctx, name)
		if err != nil {
			return err
		}
		if n := is.Depth.Active + is.Depth.Hidden + is.Depth.Delayed; n > 0 {
			use.Waiting[name] = n
		}
	}
	if len(use.Tickets)+len(use.Waiting) > 0 {
		return use
	}
	return nil
}

// marked returns the marks of all tickets that are open or watched.
func (s *Setup) marked(ctx context.Context) ([]journal.Standing, error) {
	var marks []journal.Standing
	for _, set := range []string{journal.Open, journal.Watch} {
		for shard := range max(s.config.Shards, 1) {
			var after *journal.Mark
			for more := true; more; {
				const most = 1000
				page, _, err := s.desk.Marks.Marks.List(ctx, set, shard, after, most)
				if err != nil {
					return nil, err
				}
				marks = append(marks, page...)
				if more = len(page) == most; more {
					after = &page[most-1].Mark
				}
			}
		}
	}
	return marks, nil
}

// tickets returns the ids that marks are of, in order.
func tickets(marks []journal.Standing) []string {
	ids := make([]string, len(marks))
	for i, m := range marks {
		ids[i] = m.ID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
