package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

const (
	// listPage is how many entries one listing asks for.
	listPage = 1000
	// maxGap is up to how many entries that a listing leaves out are looked for one
	// by one before they are called missing.
	maxGap = 100
)

// History yields the entries of a log, oldest first, and checks the chain in passing.
// A missing or changed entry is a *BrokenError beside a Snapshot with little more
// than its number, and the walk goes on; any other error ends it. Entries for newer
// programs are yielded like all others: nothing is decided on a history.
//
// The history of a log that is pruned begins with the oldest entry still there.
func (j *Journal) History(ctx context.Context, log Log) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		seqs, err := j.listed(ctx, log)
		if err != nil {
			yield(Snapshot{Log: log}, err)
			return
		}
		w := walk{j: j, log: log, yield: yield, next: 1}
		if log.Prunable() && len(seqs) > 0 {
			w.next, w.torn = seqs[0], true
		}
		for _, seq := range seqs {
			if seq < w.next { // can only be a listing with a number twice
				continue
			}
			if !w.gap(ctx, seq) || !w.step(ctx, seq) {
				return
			}
		}
		w.tail(ctx)
	}
}

// listed returns the numbers of all entries that the listing shows, ascending.
func (j *Journal) listed(ctx context.Context, log Log) ([]uint64, error) {
	if err := log.Check(); err != nil {
		return nil, err
	}
	lister, ok := j.d.(driver.Lister)
	if !ok {
		return nil, terminal("History", string(log), errors.New("this store cannot list the entries of a log"))
	}
	var seqs []uint64
	for before := uint64(0); ; {
		page, err := lister.List(ctx, log, before, listPage)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			slices.Sort(seqs)
			return seqs, nil
		}
		for _, e := range page {
			seqs = append(seqs, e.Seq)
		}
		before = page[len(page)-1].Seq
	}
}

// A walk goes along a log.
type walk struct {
	j     *Journal
	log   Log
	yield func(Snapshot, error) bool
	next  uint64   // the number to come
	last  Snapshot // the entry before
	torn  bool     // the entry before is not at hand
}

// gap goes over the entries before seq that the listing left out. It reports false
// when the walk is over.
func (w *walk) gap(ctx context.Context, seq uint64) bool {
	if seq-w.next > maxGap {
		return w.missing(seq)
	}
	for n := w.next; n < seq; n++ {
		s, err := w.j.getAny(ctx, w.log, n, clock{})
		if fault.Of(err) == fault.NotFound {
			continue
		}
		if !w.missing(n) || !w.entry(n, s, err) {
			return false
		}
	}
	return w.missing(seq)
}

// missing reports that there is no entry from where the walk is to before seq.
func (w *walk) missing(seq uint64) bool {
	first, last := w.next, seq-1
	if first > last {
		return true
	}
	problem := fmt.Sprintf("entry %d is missing", first)
	if last > first {
		problem = fmt.Sprintf("entries %d to %d are missing", first, last)
	}
	w.next, w.torn = seq, true
	return w.yield(Snapshot{Log: w.log, Seq: first}, &BrokenError{Log: w.log, Seq: first, Problem: problem})
}

// step reads and yields an entry that was listed.
func (w *walk) step(ctx context.Context, seq uint64) bool {
	s, err := w.j.getAny(ctx, w.log, seq, clock{})
	if fault.Of(err) == fault.NotFound {
		if w.log.Prunable() && w.last.Seq == 0 {
			w.next = seq + 1 // pruned since it was listed
			return true
		}
		err = broken(w.log, seq, "entry %d is missing", seq)
	}
	return w.entry(seq, s, err)
}

// tail goes on to the entries that the listing did not show yet.
func (w *walk) tail(ctx context.Context) {
	for w.next <= driver.MaxSeq {
		s, err := w.j.getAny(ctx, w.log, w.next, clock{})
		if fault.Of(err) == fault.NotFound || !w.entry(w.next, s, err) {
			return
		}
	}
}

// entry yields what came of reading one entry.
func (w *walk) entry(seq uint64, s Snapshot, err error) bool {
	if err == nil && !w.torn {
		err = follows(w.last, s)
	}
	var be *BrokenError
	if err != nil && !errors.As(err, &be) {
		w.yield(Snapshot{Log: w.log, Seq: seq}, err)
		return false
	}
	w.last, w.torn, w.next = s, s.Seq == 0, seq+1
	if s.Seq == 0 {
		s = Snapshot{Log: w.log, Seq: seq}
	}
	return w.yield(s, err)
}

// A Verification is what Verify found.
type Verification struct {
	Log      Log
	Entries  int            // how many could be read
	First    uint64         // number of the oldest entry, 0 for an empty log
	Newest   Anchor         // of the newest entry; keep it for the next time
	Problems []*BrokenError // none when the log is as it was written
}

// Verify walks over a log and checks that no entry was changed, moved or taken away.
// Anchors that were kept elsewhere show in addition whether the tail was cut off or
// the whole log was written anew. An error means that the log could not be read to
// its end, not that it is broken.
func (j *Journal) Verify(ctx context.Context, log Log, anchors ...Anchor) (Verification, error) {
	v := Verification{Log: log}
	hashes := map[uint64]string{}
	for s, err := range j.History(ctx, log) {
		var be *BrokenError
		if err != nil && !errors.As(err, &be) {
			return v, err
		}
		if be != nil {
			v.Problems = append(v.Problems, be)
		}
		if s.Hash == "" {
			hashes[s.Seq] = "" // reported already
			continue
		}
		v.Entries++
		if v.First == 0 {
			v.First = s.Seq
		}
		v.Newest = s.Anchor()
		hashes[s.Seq] = s.Hash
	}
	for _, a := range anchors {
		v.check(a, hashes)
	}
	return v, nil
}

func (v *Verification) check(a Anchor, hashes map[uint64]string) {
	h, known := hashes[a.Seq]
	problem := ""
	switch {
	case a.Seq > v.Newest.Seq:
		problem = fmt.Sprintf("the log ends with entry %d, but entry %d was seen before: the tail was cut off", v.Newest.Seq, a.Seq)
	case known && h != "" && h != a.Hash:
		problem = fmt.Sprintf("entry %d is not the one that was seen before", a.Seq)
	}
	if problem != "" {
		v.Problems = append(v.Problems, &BrokenError{Log: v.Log, Seq: a.Seq, Problem: problem})
	}
}
