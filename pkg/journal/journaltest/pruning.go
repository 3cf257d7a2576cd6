package journaltest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

func pruning() []testCase {
	return []testCase{
		{"a log of a sweep keeps a day and the newest ten", func(r *rig) {
			j, log := r.program(), journal.Sweep(3)
			s := r.write(j, log, 30)
			r.prune(j, s, 100, 0)
			time.Sleep(journal.PruneAge - 15*time.Minute)
			s, err := j.Reload(r.Context(), s)
			require.NoError(r, err)
			n, err := j.Prune(r.Context(), s, 100)
			require.NoError(r, err)
			require.InDelta(r, 14, n, 2)
			time.Sleep(48 * time.Hour)
			s = r.load(j, log)
			r.prune(j, s, 100, 20-n)
			r.prune(j, s, 100, 0)
			r.sound(log, 10, s.Anchor())
			require.Equal(r, s.Anchor(), r.load(r.program(), log).Anchor())
			s = r.append(j, s)
			require.Equal(r, uint64(31), s.Seq)
		}},
		{"pruning goes from the oldest and stops at its limit", func(r *rig) {
			j, log := r.program(), journal.Sweep(0)
			r.write(j, log, 20)
			time.Sleep(48 * time.Hour)
			s := r.load(j, log)
			r.prune(j, s, 3, 3)
			v, err := j.Verify(r.Context(), log)
			require.NoError(r, err)
			require.Empty(r, v.Problems)
			require.Equal(r, uint64(4), v.First)
			r.prune(j, s, 3, 3)
			r.prune(j, s, 100, 4)
			r.prune(j, s, 100, 0)
		}},
		{"pruning that was interrupted can be repeated", func(r *rig) {
			j, log := r.program(), journal.Sweep(0)
			r.write(j, log, 20)
			time.Sleep(48 * time.Hour)
			s := r.load(j, log)
			remove := r.Break(Fault{Call: Delete, Kind: Refuse, As: fault.Denied, Skip: 2})
			n, err := j.Prune(r.Context(), s, 100)
			require.Equal(r, fault.Denied, fault.Of(err))
			require.Equal(r, 2, n)
			remove()
			remove = r.Break(Fault{Call: Delete, Kind: LoseReply})
			_, err = j.Prune(r.Context(), s, 100)
			require.Equal(r, fault.Unknown, fault.Of(err))
			remove()
			r.prune(j, s, 100, 7)
			r.sound(log, 10)
		}},
		{"a reload from an entry that was pruned since finds the newest", func(r *rig) {
			j, log := r.program(), journal.Sweep(0)
			known := r.write(j, log, 1)
			r.write(j, log, 19)
			time.Sleep(48 * time.Hour)
			newest := r.load(j, log)
			r.prune(j, newest, 100, 10)
			s, err := j.Reload(r.Context(), known)
			require.NoError(r, err)
			require.Equal(r, newest.Anchor(), s.Anchor())
			_, err = j.Append(r.Context(), known, body(2), journal.Meta{})
			require.Equal(r, fault.Conflict, fault.Of(err), "the number 2 is free again, and must not be taken")
			r.sound(log, 10, newest.Anchor(), known.Anchor())
		}},
		{"an entry that went missing in a sweep log shows", func(r *rig) {
			j, log := r.program(), journal.Sweep(0)
			r.write(j, log, 20)
			r.Remove(log, 15)
			v, err := j.Verify(r.Context(), log)
			require.NoError(r, err)
			require.Len(r, v.Problems, 1)
			require.Equal(r, uint64(15), v.Problems[0].Seq)
		}},
		{"no other log is ever pruned", func(r *rig) {
			j := r.program()
			r.write(j, r.log, 20)
			time.Sleep(48 * time.Hour)
			s := r.load(j, r.log)
			_, err := j.Prune(r.Context(), s, 100)
			require.Equal(r, fault.Terminal, fault.Of(err))
			for _, log := range []journal.Log{r.log, journal.Pair("a~b"), journal.Bucket("b")} {
				require.Equal(r, fault.Terminal, fault.Of(r.Open().Delete(r.Context(), log, 1)))
			}
			r.sound(r.log, 20, s.Anchor())
		}},
		{"an entry that is not there can be deleted", func(r *rig) {
			require.NoError(r, r.Open().Delete(r.Context(), journal.Sweep(1), 5))
		}},
	}
}

func (r *rig) prune(j *journal.Journal, newest journal.Snapshot, limit, want int) {
	r.Helper()
	n, err := j.Prune(r.Context(), newest, limit)
	require.NoError(r, err)
	require.Equal(r, want, n)
}
