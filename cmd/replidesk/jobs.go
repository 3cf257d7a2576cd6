package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
	"github.com/replidesk/replidesk/pkg/watch"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// A ticketState is what is known of one ticket.
type ticketState struct {
	ID      string
	Open    bool             // it was taken in, and has no entry yet
	Job     *replication.Job // nil: there is no entry
	Rev     uint64           // of the newest entry
	Saved   time.Time        // of the newest entry, by the store's clock
	Figures *watch.Figures   // nil: not watched, or not polled yet
	Damage  error            // its journal cannot be read; nil: it can
}

// known reports whether anything is known.
func (t ticketState) known() bool { return t.Open || t.Job != nil || t.Damage != nil }

// damaged is the error for tickets whose journals cannot be read.
func damaged(tickets []ticketState) error {
	var errs []error
	for _, t := range tickets {
		if t.Damage != nil {
			errs = append(errs, t.Damage)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return hint(errors.Join(errs...), "replidesk history ID --verify says what is wrong with it")
}

// A reader reads tickets again and again. What it has read once costs one call
// less the next time. It is for one goroutine.
type reader struct {
	desk   *wiring.Desk
	shards *journal.Journal // of the watch
	snaps  map[string]journal.Snapshot
	pairs  map[string]watch.Pair // by job
	now    time.Time             // of the store, when pairs were read
}

func newReader(d *wiring.Desk) *reader {
	return &reader{
		desk: d, snaps: map[string]journal.Snapshot{},
		shards: journal.New(d.Store, journal.Options{Schema: sweep.Schema, MinReader: sweep.MinReader}),
	}
}

// marked returns the ids of all jobs that are open or watched, in order.
func (r *reader) marked(ctx context.Context) ([]string, error) {
	var ids []string
	for _, set := range []string{journal.Open, journal.Watch} {
		for shard := range max(r.desk.Config.Shards, 1) {
			var after *journal.Mark
			for {
				page, _, err := r.desk.Marks.Marks.List(ctx, set, shard, after, 1000)
				if err != nil {
					return nil, fmt.Errorf("list %s jobs: %w", set, err)
				}
				for _, m := range page {
					ids = append(ids, m.ID)
				}
				if len(page) < 1000 {
					break
				}
				after = &page[len(page)-1].Mark
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// readPairs reads the newest state of every shard of the watch.
func (r *reader) readPairs(ctx context.Context) error {
	pairs := map[string]watch.Pair{}
	for shard := range max(r.desk.Config.Shards, 1) {
		snap, err := r.shards.Load(ctx, journal.Sweep(shard))
		if err != nil {
			return fmt.Errorf("read the watch: %w", err)
		}
		state, err := sweep.Decode(snap.Body)
		if err != nil {
			return fmt.Errorf("read the watch: %w", err)
		}
		for _, p := range state.Pairs {
			pairs[p.Job] = p
		}
		if now := snap.Now(time.Now()); now.After(r.now) {
			r.now = now
		}
	}
	r.pairs = pairs
	return nil
}

// ticket reads the newest of one ticket, with the figures of the last readPairs.
func (r *reader) ticket(ctx context.Context, id string) (ticketState, error) {
	t := ticketState{ID: id}
	snap, err := r.load(ctx, id)
	if err != nil {
		return t, fmt.Errorf("read ticket %s: %w", id, err)
	}
	if !snap.Exists() {
		_, err := r.desk.Marks.Opened(ctx, id)
		if err != nil && fault.Of(err) != fault.NotFound {
			return t, fmt.Errorf("read ticket %s: %w", id, err)
		}
		t.Open = err == nil
		return t, nil
	}
	if t.Job, err = replication.Decode(snap.Body); err != nil {
		return t, &fault.Error{Kind: fault.Terminal, Op: "read ticket", Resource: id, Err: err}
	}
	t.Rev, t.Saved = snap.Seq, snap.At
	if p, ok := r.pairs[id]; ok && t.Job.Watched() && p.Polled != 0 {
		f := p.Figures(r.now)
		t.Figures = &f
	}
	return t, nil
}

func (r *reader) load(ctx context.Context, id string) (journal.Snapshot, error) {
	snap, ok := r.snaps[id]
	var err error
	if ok {
		snap, err = r.desk.Journal.Reload(ctx, snap)
	} else {
		snap, err = r.desk.Journal.Load(ctx, journal.Job(id))
	}
	if err == nil && snap.Exists() {
		r.snaps[id] = snap
	}
	return snap, err
}

// tickets reads the newest of several tickets and their pairs.
func (r *reader) tickets(ctx context.Context, ids []string) ([]ticketState, error) {
	for _, id := range ids {
		if !replication.ValidID(id) {
			return nil, misuse("%q cannot be the id of a ticket", id)
		}
	}
	if err := r.readPairs(ctx); err != nil {
		return nil, err
	}
	all := make([]ticketState, 0, len(ids))
	for _, id := range ids {
		t, err := r.ticket(ctx, id)
		if fault.Of(err) == fault.Terminal { // one damaged journal must not hide the others
			t.Damage, err = err, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}
