package journaltest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

func lostReplies() []testCase {
	return []testCase{
		{"a write whose reply was lost is found to be one's own", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			for _, times := range []int{1, 3} {
				remove := r.Break(Fault{Call: Create, Kind: LoseReply, Times: times})
				s = r.append(j, s)
				remove()
			}
			require.Equal(r, s.Anchor(), r.load(r.program(), r.log).Anchor())
			r.sound(r.log, 3)
		}},
		{"a lost race is a lost race also when the refusal was lost", func(r *rig) {
			a, b := r.program(), r.program()
			s := r.write(a, r.log, 1)
			winner := r.append(b, s)
			r.Break(Fault{Call: Create, Kind: LoseReply, Times: 2})
			_, err := a.Append(r.Context(), s, []byte(`"late"`), journal.Meta{})
			var lost *journal.LostError
			require.ErrorAs(r, err, &lost)
			require.Equal(r, winner.Anchor(), lost.Winner.Anchor())
		}},
		{"when no reply ever comes the outcome is unknown, and a reload tells it", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			remove := r.Break(Fault{Call: Create, Kind: LoseReply})
			_, err := j.Append(r.Context(), s, []byte(`"mine"`), journal.Meta{Writer: "me"})
			require.Equal(r, fault.Unknown, fault.Of(err))
			remove()
			s, err = j.Reload(r.Context(), s)
			require.NoError(r, err)
			require.Equal(r, "me", s.Writer)
			require.Equal(r, uint64(2), s.Seq)
			r.sound(r.log, 2)
		}},
		{"the end of the context ends the tries", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: Hang})
			ctx, cancel := context.WithTimeout(r.Context(), 7*time.Second)
			defer cancel()
			began := time.Now()
			_, err := j.Append(ctx, s, body(1), journal.Meta{})
			require.Equal(r, fault.Unknown, fault.Of(err))
			require.LessOrEqual(r, time.Since(began), 7*time.Second)
		}},
		{"without a deadline the tries come to an end as well", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: Hang})
			began := time.Now()
			_, err := j.Append(r.Context(), s, body(1), journal.Meta{})
			require.Equal(r, fault.Unknown, fault.Of(err))
			require.Less(r, time.Since(began), time.Minute)
		}},
		{"a write that hangs is sent again", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: Hang, Times: 1})
			r.append(j, s)
			r.sound(r.log, 1)
		}},
		{"a read that hangs ends", func(r *rig) {
			j := r.program()
			r.write(j, r.log, 1)
			for _, call := range []Call{Get, List} {
				remove := r.Break(Fault{Call: call, Kind: Hang})
				began := time.Now()
				_, err := j.Load(r.Context(), r.log)
				require.Equal(r, fault.Unknown, fault.Of(err))
				require.Less(r, time.Since(began), time.Minute)
				remove()
			}
			require.Equal(r, uint64(1), r.load(j, r.log).Seq)
		}},
		{"a refusal is reported as what it is, and nothing was written", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			remove := r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Denied})
			_, err := j.Append(r.Context(), s, body(1), journal.Meta{})
			require.Equal(r, fault.Denied, fault.Of(err))
			remove()
			require.False(r, r.load(j, r.log).Exists())
		}},
		{"a refusal after a lost reply does not say that nothing was written", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: LoseReply, Times: 1})
			remove := r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Denied})
			_, err := j.Append(r.Context(), s, body(1), journal.Meta{})
			require.Equal(r, fault.Unknown, fault.Of(err))
			remove()
			require.True(r, r.load(j, r.log).Exists())
		}},
		{"a short throttling is waited out, a long one is passed on", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Throttled, Times: 2})
			s = r.append(j, s)
			r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Throttled})
			_, err := j.Append(r.Context(), s, body(2), journal.Meta{})
			require.Equal(r, fault.Throttled, fault.Of(err))
			require.Equal(r, uint64(1), r.load(j, r.log).Seq)
		}},
		{"a failing store is tried again", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			r.Break(Fault{Call: Create, Kind: Refuse, As: fault.Retryable, Times: 3})
			r.append(j, s)
			r.sound(r.log, 1)
		}},
		{"one's own entry that cannot be read yet is not taken for somebody else's", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			r.Break(Fault{Call: Create, Kind: LoseReply, Times: 1})
			r.Break(Fault{Call: Get, Kind: StaleRead, Times: 2})
			r.append(j, s)
			r.sound(r.log, 2)
		}},
		{"one's own entry that can never be read leaves the outcome unknown", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			r.Break(Fault{Call: Create, Kind: LoseReply, Times: 1})
			remove := r.Break(Fault{Call: Get, Kind: Refuse, As: fault.Denied})
			_, err := j.Append(r.Context(), s, body(2), journal.Meta{})
			require.Equal(r, fault.Unknown, fault.Of(err))
			remove()
			r.sound(r.log, 2)
		}},
		{"an entry that can never be read leaves the outcome unknown, whoever wrote it", func(r *rig) {
			a, b := r.program(), r.program()
			s := r.write(a, r.log, 1)
			r.append(b, s)
			r.Break(Fault{Call: Get, Kind: Refuse, As: fault.Denied})
			_, err := a.Append(r.Context(), s, body(2), journal.Meta{})
			require.Equal(r, fault.Unknown, fault.Of(err))
		}},
	}
}
