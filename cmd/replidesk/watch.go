package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	watchEvery = 500 * time.Millisecond
	// maxTroubles is how many looks in a row may fail.
	maxTroubles = 10
)

// runWatch follows tickets until all are at rest.
func runWatch(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("watch")
	patience := f.Duration("patience", time.Minute, "")
	ids, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return misuse("watch: no ticket is named")
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	w := &watcher{reader: newReader(desk), ids: unique(ids), patience: *patience, began: time.Now()}
	w.board = newBoard(a.stdout, a.getenv)
	if *f.asJSON { // the result is one document; people look at standard error
		w.board = newBoard(a.stderr, a.getenv)
	}
	tickets, err := w.follow(ctx)
	w.board.close()
	if *f.asJSON && len(tickets) > 0 {
		err = errors.Join(err, a.printJSON(map[string]any{"tickets": statusLines(tickets)}))
	}
	if err != nil {
		return err
	}
	return unwatched(tickets)
}

// unique drops what was named before.
func unique(ids []string) []string {
	var out []string
	for _, id := range ids {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// unwatched is the error when a ticket ended otherwise than in the watch, or a stop
// otherwise than completed.
func unwatched(tickets []ticketState) error {
	var others []string
	for _, t := range tickets {
		if p := t.Job.Phase; p != replication.PhaseWatching && p != replication.PhaseCompleted {
			others = append(others, fmt.Sprintf("%s (%s, %s)", t.ID, t.Job.Phase, t.Job.Reason))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return hint(fmt.Errorf("not watched: %s", strings.Join(others, ", ")), "replidesk status ID says what to do")
}

// A watcher follows some tickets.
type watcher struct {
	reader   *reader
	ids      []string
	board    board
	patience time.Duration // for tickets of which nothing is known
	began    time.Time
}

// follow looks until all tickets are at rest and returns what it saw last.
func (w *watcher) follow(ctx context.Context) ([]ticketState, error) {
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for troubles := 0; ; {
		tickets, err := w.reader.tickets(ctx, w.ids)
		if err == nil {
			err = damaged(tickets)
		}
		var wrong *usageError
		switch {
		case ctx.Err() != nil:
			return nil, errors.New("interrupted")
		case errors.As(err, &wrong):
			return nil, err
		case err != nil:
			if troubles++; troubles == maxTroubles {
				return nil, err
			}
		default:
			troubles = 0
			w.show(tickets)
			if slices.IndexFunc(tickets, func(t ticketState) bool { return t.Job == nil || !t.Job.AtRest() }) < 0 {
				return tickets, nil
			}
			if err := unknownTickets(tickets); err != nil && time.Since(w.began) > w.patience {
				return tickets, err
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

func (w *watcher) show(tickets []ticketState) {
	rows := make([]row, len(tickets))
	for i, t := range tickets {
		age := time.Since(w.began)
		if t.Job != nil && t.Job.AtRest() {
			age = max(t.Saved.Sub(t.Job.Received), 0)
		} else if t.Job != nil {
			age = max(time.Since(t.Job.Received), 0)
		}
		rows[i] = rowOf(t, age)
	}
	w.board.show(rows)
}
