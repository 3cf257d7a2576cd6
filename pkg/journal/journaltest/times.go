package journaltest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

func times() []testCase {
	return []testCase{
		{"the time never runs backwards along a chain, and the true time lies between its ends", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			last := s.Now(time.Now())
			for i := range 40 {
				time.Sleep(time.Duration(i*37%110) * 10 * time.Millisecond)
				var err error
				if i%3 == 0 {
					s, err = j.Reload(r.Context(), s)
				} else {
					s, err = j.Append(r.Context(), s, body(s.Seq+1), journal.Meta{})
				}
				require.NoError(r, err)
				for range 3 {
					now := s.Now(time.Now())
					require.False(r, now.Before(last), "%v after %v", now, last)
					require.False(r, now.Before(s.At))
					require.False(r, now.After(time.Now()), "%v at %v", now, time.Now())
					require.False(r, s.Latest(time.Now()).Before(time.Now()))
					require.Less(r, s.Latest(time.Now()).Sub(now), 2100*time.Millisecond)
					last = now
					time.Sleep(130 * time.Millisecond)
				}
			}
		}},
		{"the age of an entry is told by the store's clock", func(r *rig) {
			j := r.program()
			wrote := r.write(j, r.log, 1)
			require.WithinDuration(r, time.Now(), wrote.At, time.Second)
			time.Sleep(3 * time.Hour)
			read := r.load(r.program(), r.log)
			require.WithinDuration(r, wrote.At, read.At, time.Second)
			require.InDelta(r, (3 * time.Hour).Seconds(), read.Now(time.Now()).Sub(read.At).Seconds(), 1)
		}},
		{"a snapshot's time runs on with the local clock", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			for _, d := range []time.Duration{0, time.Second, time.Hour} {
				local := time.Now().Add(d)
				require.WithinDuration(r, local, s.Now(local), 1100*time.Millisecond)
			}
			require.False(r, s.Now(time.Now().Add(-time.Hour)).Before(s.At), "not even when the local clock is set back")
		}},
		{"a slow reply makes the time uncertain in both directions", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: Hang, Times: 1})
			s = r.append(j, s)
			now := time.Now()
			require.False(r, s.Now(now).After(now))
			require.False(r, s.Latest(now).Before(now))
		}},
		{"two writers never both think that a claim is theirs", func(r *rig) {
			a, b := r.program(), r.program()
			mine := r.append(a, r.load(a, r.log))
			end := mine.Now(time.Now()).Add(30 * time.Second)
			taken := false
			for range 400 {
				time.Sleep(100 * time.Millisecond)
				good := mine.Latest(time.Now()).Before(end)
				over := r.load(b, r.log).Now(time.Now()).After(end)
				require.False(r, good && over)
				taken = taken || over
			}
			require.True(r, taken)
		}},
		{"a lost race tells the time of the winner", func(r *rig) {
			a, b := r.program(), r.program()
			s := r.load(a, r.log)
			time.Sleep(10 * time.Second)
			winner := r.append(b, r.load(b, r.log))
			_, err := a.Append(r.Context(), s, body(1), journal.Meta{})
			require.Equal(r, fault.Conflict, fault.Of(err))
			var lost *journal.LostError
			require.ErrorAs(r, err, &lost)
			require.WithinDuration(r, winner.At, lost.Winner.At, time.Second)
			require.False(r, lost.Winner.Now(time.Now()).Before(s.Now(time.Now())))
		}},
	}
}
