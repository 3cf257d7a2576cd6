package journaltest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

func races() []testCase {
	return []testCase{
		{"of two writers with one snapshot one wins and the other learns who", func(r *rig) {
			a, b := r.program(), r.program()
			s := r.write(a, r.log, 1)
			winner, err := a.Append(r.Context(), s, []byte(`"a"`), journal.Meta{Writer: "a"})
			require.NoError(r, err)

			_, err = b.Append(r.Context(), s, []byte(`"b"`), journal.Meta{Writer: "b"})
			var lost *journal.LostError
			require.ErrorAs(r, err, &lost)
			require.Equal(r, fault.Conflict, fault.Of(err))
			require.Equal(r, winner.Anchor(), lost.Winner.Anchor())
			require.Equal(r, `"a"`, string(lost.Winner.Body))

			after := r.append(b, lost.Winner)
			require.Equal(r, winner.Hash, after.Prev)
			r.sound(r.log, 3)
		}},
		{"the same body from two writers is not mistaken for one write", func(r *rig) {
			a, b := r.program(), r.program()
			s := r.load(a, r.log)
			r.append(a, s)
			_, err := b.Append(r.Context(), s, body(1), journal.Meta{Writer: "suite"})
			var lost *journal.LostError
			require.ErrorAs(r, err, &lost)
		}},
		{"many writers at once lose nothing and double nothing", func(r *rig) { r.crowd(6, 12) }},
		{"many writers at once lose nothing while replies get lost", func(r *rig) {
			for i := range 20 {
				r.Break(Fault{Call: Create, Kind: LoseReply, Skip: 3 * i, Times: 1})
			}
			r.crowd(4, 12)
		}},
		{"many writers at once lose nothing while the store is in trouble", func(r *rig) {
			for i := range 8 {
				r.Break(Fault{Call: Create, Kind: LoseReply, Skip: 7 * i, Times: 2})
				r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Throttled, Skip: 5 * i, Times: 1})
				r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Retryable, Skip: 11 * i, Times: 1})
				r.Break(Fault{Call: Get, Kind: StaleRead, Skip: 13 * i, Times: 1})
			}
			r.Break(Fault{Call: List, Kind: StaleList, Delay: 10 * time.Second})
			r.crowd(4, 10)
		}},
	}
}

// crowd lets writers append at once, so many entries each, and checks that each
// entry that a writer was told of is in the log exactly once.
func (r *rig) crowd(writers, each int) {
	var wg sync.WaitGroup
	mine := make([]map[string]uint64, writers)
	for w := range writers {
		mine[w] = map[string]uint64{}
		wg.Go(func() {
			for n := range each {
				text := fmt.Sprintf(`"%d/%d"`, w, n)
				if seq, ok := r.insist(r.program(), text); ok {
					mine[w][text] = seq
				}
			}
		})
	}
	wg.Wait()

	entries := map[string]uint64{}
	for s, err := range r.program().History(r.Context(), r.log) {
		require.NoError(r, err)
		require.NotContains(r, entries, string(s.Body), "an entry stands twice")
		entries[string(s.Body)] = s.Seq
	}
	for w := range writers {
		require.Len(r, mine[w], each, "writer %d", w)
		for text, seq := range mine[w] {
			require.Equal(r, seq, entries[text], "entry %s", text)
		}
	}
	require.Len(r, entries, writers*each)
}

// insist appends text, as often as it takes. Called by many goroutines, it reports a
// failure through ok.
func (r *rig) insist(j *journal.Journal, text string) (seq uint64, ok bool) {
	s, err := j.Load(r.Context(), r.log)
	for range 1000 {
		if err == nil {
			var next journal.Snapshot
			next, err = j.Append(r.Context(), s, []byte(text), journal.Meta{Writer: text})
			if err == nil {
				return next.Seq, true
			}
		}
		var lost *journal.LostError
		switch {
		case errors.As(err, &lost):
			s, err = j.Reload(r.Context(), lost.Winner)
		case fault.Of(err) == fault.Unknown: // look whether it is there before trying again
			if seq, ok := r.find(text); ok {
				return seq, true
			}
			s, err = j.Load(r.Context(), r.log)
		default:
			time.Sleep(time.Second)
			s, err = j.Load(r.Context(), r.log)
		}
	}
	r.Errorf("%s: gave up: %v", text, err)
	return 0, false
}

// find returns the number of the entry that text wrote, if there is one.
func (r *rig) find(text string) (seq uint64, ok bool) {
	for s, err := range r.program().History(r.Context(), r.log) {
		if err == nil && s.Writer == text {
			return s.Seq, true
		}
	}
	return 0, false
}
