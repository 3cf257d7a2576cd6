package journaltest

import (
	"bytes"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

func integrity() []testCase {
	return []testCase{
		{"a changed entry shows in the one after it", func(r *rig) {
			j := r.program()
			known := r.write(j, r.log, 3)
			r.write(j, r.log, 2)
			r.tamper(3)
			r.broken(5, 4)

			_, err := j.Reload(r.Context(), known)
			require.NoError(r, err, "known was read before the change, and entry 4 follows that")
			changed, err := j.LoadAt(r.Context(), r.log, 3)
			require.NoError(r, err)
			_, err = j.Reload(r.Context(), changed)
			r.requireBroken(err, 4)
		}},
		{"a changed newest entry shows by its anchor", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 3)
			r.tamper(3)
			r.broken(3, 3, newest.Anchor())
		}},
		{"nobody can go on from an entry that was changed under them", func(r *rig) {
			j, other := r.program(), r.program()
			r.write(j, r.log, 2)
			s := r.load(j, r.log)
			r.tamper(2)
			r.append(other, r.load(other, r.log))
			_, err := j.Append(r.Context(), s, body(3), journal.Meta{})
			r.requireBroken(err, 3)
		}},
		{"an entry of another log or number is not accepted", func(r *rig) {
			j := r.program()
			r.write(j, r.log, 2)
			r.write(j, journal.Job("other"), 2)
			r.Replace(r.log, 2, r.raw(journal.Job("other"), 2))
			_, err := j.Load(r.Context(), r.log)
			r.requireBroken(err, 2)
			r.Replace(r.log, 2, r.raw(r.log, 1))
			_, err = j.Load(r.Context(), r.log)
			r.requireBroken(err, 2)
			r.Replace(r.log, 3, r.raw(journal.Job("other"), 2))
			_, err = j.Load(r.Context(), r.log)
			r.requireBroken(err, 3)
		}},
		{"an entry that stands under another number is not accepted", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 3)
			r.Replace(r.log, 4, r.raw(r.log, 3))
			_, err := j.Load(r.Context(), r.log)
			r.requireBroken(err, 4)
			_, err = j.Append(r.Context(), s, body(4), journal.Meta{})
			r.requireBroken(err, 4)
		}},
		{"what is no entry is not accepted and not overwritten", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			for _, garbage := range []string{"", "{}", "null", "nonsense", `{"journal":1}`, string(r.raw(r.log, 1)) + "{}"} {
				r.Replace(r.log, 2, []byte(garbage))
				_, err := j.Load(r.Context(), r.log)
				r.requireBroken(err, 2)
				_, err = j.Append(r.Context(), s, body(2), journal.Meta{})
				r.requireBroken(err, 2)
				require.Equal(r, garbage, string(r.raw(r.log, 2)))
			}
			r.broken(1, 2)
		}},
		{"a tail that was cut off shows by an anchor", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 4)
			r.Remove(r.log, 4)
			r.sound(r.log, 3)
			r.broken(3, 4, newest.Anchor())
		}},
		{"a tail that was cut off and written anew shows by an anchor", func(r *rig) {
			j := r.program()
			newest := r.write(j, r.log, 4)
			r.Remove(r.log, 4)
			r.write(j, r.log, 2)
			r.sound(r.log, 5)
			r.broken(5, 4, newest.Anchor())
		}},
		{"a log that was taken away shows by an anchor", func(r *rig) {
			j := r.program()
			first := r.write(j, r.log, 1)
			r.Remove(r.log, 1)
			r.broken(0, 1, first.Anchor())
		}},
		{"entries that are missing in the middle or at the beginning show", func(r *rig) {
			j := r.program()
			r.write(j, r.log, 6)
			r.Remove(r.log, 4)
			r.broken(5, 4)
			r.Remove(r.log, 3)
			r.broken(4, 3)
			r.Remove(r.log, 1)
			v, err := j.Verify(r.Context(), r.log)
			require.NoError(r, err)
			require.Len(r, v.Problems, 2)
			require.Equal(r, uint64(1), v.Problems[0].Seq)
			require.Equal(r, uint64(2), v.First)
		}},
		{"an entry with a number far too high neither hides nor delays the check", func(r *rig) {
			j := r.program()
			r.write(j, r.log, 2)
			r.Replace(r.log, driver.MaxSeq-5, []byte("nonsense"))
			v, err := j.Verify(r.Context(), r.log)
			require.NoError(r, err)
			require.Equal(r, 2, v.Entries)
			require.Len(r, v.Problems, 2)
			_, err = j.Load(r.Context(), r.log)
			r.requireBroken(err, driver.MaxSeq-5)
		}},
		{"right anchors are no problem, in whatever order", func(r *rig) {
			j := r.program()
			var anchors []journal.Anchor
			s := r.load(j, r.log)
			for range 4 {
				s = r.append(j, s)
				parsed, err := journal.ParseAnchor(s.Anchor().String())
				require.NoError(r, err)
				anchors = append([]journal.Anchor{parsed}, anchors...)
			}
			r.sound(r.log, 4, anchors...)
		}},
	}
}

// tamper changes the body of one entry, and nothing else.
func (r *rig) tamper(seq uint64) {
	r.Helper()
	raw := r.raw(r.log, seq)
	changed := bytes.Replace(raw, fmt.Appendf(nil, `"n":%d`, seq), []byte(`"n":-1`), 1)
	require.NotEqual(r, raw, changed)
	r.Replace(r.log, seq, changed)
}

// broken checks that a verification finds so many readable entries and one problem, at seq.
func (r *rig) broken(entries int, seq uint64, anchors ...journal.Anchor) {
	r.Helper()
	v, err := r.program().Verify(r.Context(), r.log, anchors...)
	require.NoError(r, err)
	require.Equal(r, entries, v.Entries)
	require.Len(r, v.Problems, 1)
	require.Equal(r, seq, v.Problems[0].Seq, v.Problems[0].Problem)
}

func (r *rig) requireBroken(err error, seq uint64) {
	r.Helper()
	var be *journal.BrokenError
	require.ErrorAs(r, err, &be)
	require.Equal(r, seq, be.Seq)
	require.Equal(r, fault.Terminal, fault.Of(err))
}
