package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// afterwards are the tickets about pairs that other tickets have set up. They lie in a
// folder of their own and are sent one after the other, when all else was seen.
var afterwards = []plan{
	{id: "CHG-1030", phase: replication.PhaseCompleted, reason: replication.ReasonCompleted},
	{id: "CHG-1031", phase: replication.PhaseCompleted, reason: replication.ReasonCompleted},
	{id: "CHG-1032", phase: replication.PhaseWatching, reason: replication.ReasonGapClosed},
}

// laterIn is the folder of these tickets, below that of the others.
const laterIn = "afterwards"

// prepareLater reads the tickets that are sent afterwards.
func (d *demo) prepareLater(dir string, getenv func(string) string) error {
	files, err := filepath.Glob(filepath.Join(dir, laterIn, "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		t := &demoTicket{}
		if t.file, err = d.app.readTicket(file, getenv, wiring.Rules(d.desk.Config)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		i := slices.IndexFunc(afterwards, func(p plan) bool { return p.id == t.file.id })
		if i < 0 {
			return fmt.Errorf("%s: the demonstration knows no ticket %q", file, t.file.id)
		}
		t.plan, t.state.ID = afterwards[i], t.file.id
		d.later = append(d.later, t)
	}
	if len(d.later) != len(afterwards) {
		return fmt.Errorf("%s holds %d tickets of %d", filepath.Join(dir, laterIn), len(d.later), len(afterwards))
	}
	return nil
}

// goOn sends the tickets that are about pairs of others, each when the one before has
// come to rest. What was seen of the others stays as it was.
func (d *demo) goOn(ctx context.Context) error {
	for _, t := range d.later {
		if err := sendTicket(ctx, d.desk, t.file); err != nil {
			return fmt.Errorf("%s: %w", t.file.file, err)
		}
		t.sent = time.Now()
		d.note("%s is on the queue", filepath.Base(t.file.file))
		if err := d.restOf(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// restOf waits until one ticket is at rest.
func (d *demo) restOf(ctx context.Context, t *demoTicket) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for troubles := 0; !t.ended(); {
		select {
		case r := <-d.results.new:
			d.take(r)
			if r.Type == replication.EventRejected && r.Data.Ticket == t.id {
				t.refusal = &r
			}
		case <-look.C:
			state, err := d.reader.ticket(ctx, t.id)
			if err != nil {
				if troubles++; troubles == maxTroubles {
					return err
				}
				continue
			}
			t.state, troubles = state, 0
			if j := state.Job; j != nil && t.live.IsZero() && j.Rule != nil && !j.Rule.Live.IsZero() {
				t.live = time.Now()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if j := t.state.Job; j != nil && j.Phase == replication.PhaseWatching {
		t.verified = time.Now()
	}
	return nil
}
