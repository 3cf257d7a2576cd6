package journaltest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

func staleness() []testCase {
	return []testCase{
		{"a listing that lags costs a lost race and no entry", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 5)
			r.Break(Fault{Call: List, Kind: StaleList, Delay: 150 * time.Second})
			stale := r.load(r.program(), r.log)
			require.Less(r, stale.Seq, newest.Seq)
			require.True(r, stale.Exists())

			_, err := j.Append(r.Context(), stale, []byte(`"late"`), journal.Meta{})
			var lost *journal.LostError
			require.ErrorAs(r, err, &lost)
			require.Equal(r, stale.Seq+1, lost.Winner.Seq)

			again := r.load(j, r.log)
			require.Equal(r, stale.Seq, again.Seq, "the listing still lags")
			found, err := j.Reload(r.Context(), lost.Winner)
			require.NoError(r, err)
			require.Equal(r, newest.Anchor(), found.Anchor())
			r.append(j, found)
		}},
		{"a listing that shows nothing yet cannot start a log anew", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 3)
			r.Break(Fault{Call: List, Kind: StaleList, Delay: time.Hour})
			stale := r.load(j, r.log)
			require.False(r, stale.Exists())
			_, err := j.Append(r.Context(), stale, []byte(`"late"`), journal.Meta{})
			var lost *journal.LostError
			require.ErrorAs(r, err, &lost)
			require.Equal(r, uint64(1), lost.Winner.Seq)
			found, err := j.Reload(r.Context(), stale)
			require.NoError(r, err)
			require.Equal(r, newest.Anchor(), found.Anchor())
		}},
		{"a reload goes on from what is known without a listing", func(r *rig) {
			j := r.program()
			known := r.write(j, r.log, 1)
			newest := r.write(r.program(), r.log, 40)
			for _, delay := range []time.Duration{100 * time.Hour, 10 * time.Minute} {
				remove := r.Break(Fault{Call: List, Kind: StaleList, Delay: delay})
				found, err := j.Reload(r.Context(), known)
				require.NoError(r, err)
				require.Equal(r, newest.Anchor(), found.Anchor())
				remove()
			}
			same, err := j.Reload(r.Context(), newest)
			require.NoError(r, err)
			require.Equal(r, newest.Anchor(), same.Anchor())
			r.append(j, same)
		}},
		{"a reload fails when the store fails, instead of telling something old", func(r *rig) {
			j := r.program()
			known := r.write(j, r.log, 2)
			r.append(j, known)
			r.Break(Fault{Call: Get, Kind: Refuse, As: fault.Denied})
			_, err := j.Reload(r.Context(), known)
			require.Equal(r, fault.Denied, fault.Of(err))
			_, err = j.Load(r.Context(), r.log)
			require.Equal(r, fault.Denied, fault.Of(err))
		}},
		{"a number that somebody was told counts more than the listing", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 5)
			r.Break(Fault{Call: List, Kind: StaleList, Delay: 150 * time.Second})
			for floor := uint64(3); floor <= 5; floor++ {
				s, err := j.LoadAtLeast(r.Context(), r.log, floor)
				require.NoError(r, err)
				if floor > 3 {
					require.Equal(r, newest.Anchor(), s.Anchor())
				}
				require.GreaterOrEqual(r, s.Seq, floor)
			}
		}},
		{"a number that never was is left out of account", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 2)
			for _, floor := range []uint64{3, 1_000_000, driver.MaxSeq, 1 << 63} {
				s, err := j.LoadAtLeast(r.Context(), r.log, floor)
				require.NoError(r, err)
				require.Equal(r, newest.Anchor(), s.Anchor())
			}
			s, err := j.LoadAtLeast(r.Context(), journal.Job("none"), 7)
			require.NoError(r, err)
			require.False(r, s.Exists())
		}},
		{"the history shows what the listing does not show yet", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 5)
			r.Break(Fault{Call: List, Kind: StaleList, Delay: 150 * time.Second})
			r.sound(r.log, 5, newest.Anchor())
		}},
	}
}
