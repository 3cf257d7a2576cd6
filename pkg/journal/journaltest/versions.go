package journaltest

import (
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

func versions() []testCase {
	return []testCase{
		{"a store that keeps versions is not written to", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 2)
			r.SetVersioned()
			for range 3 {
				_, err := j.Append(r.Context(), s, body(3), journal.Meta{})
				require.ErrorIs(r, err, journal.ErrVersioned)
				require.Equal(r, fault.Terminal, fault.Of(err))
			}
		}},
		{"of two writers to a store that keeps versions neither believes to have won", func(r *rig) {
			a, b := r.program(), r.program()
			s := r.write(a, r.log, 2)
			r.SetVersioned()
			for _, j := range []*journal.Journal{a, b} {
				_, err := j.Append(r.Context(), s, body(3), journal.Meta{})
				require.ErrorIs(r, err, journal.ErrVersioned)
			}
		}},
		{"a driver that has seen versions refuses to write from then on", func(r *rig) {
			d := r.Open()
			j := journal.New(d, journal.Options{Schema: schema})
			s := r.load(j, r.log)
			r.SetVersioned()
			_, err := j.Append(r.Context(), s, body(1), journal.Meta{})
			require.ErrorIs(r, err, journal.ErrVersioned)
			_, err = d.PutMarker(r.Context(), "open/1/x", nil)
			require.ErrorIs(r, err, journal.ErrVersioned)
			_, err = d.GetMarker(r.Context(), "open/1/x")
			require.Equal(r, fault.NotFound, fault.Of(err), "it must not even have tried")
			_, err = d.Create(r.Context(), journal.Job("other"), 1, []byte("x"))
			require.ErrorIs(r, err, journal.ErrVersioned)
			_, _, err = d.Get(r.Context(), journal.Job("other"), 1)
			require.Equal(r, fault.NotFound, fault.Of(err))
		}},
		{"versions are noticed also when the first reply was lost", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			r.SetVersioned()
			r.Break(Fault{Call: Create, Kind: LoseReply, Times: 1})
			_, err := j.Append(r.Context(), s, body(2), journal.Meta{})
			require.ErrorIs(r, err, journal.ErrVersioned)
			require.Equal(r, fault.Terminal, fault.Of(err), "that counts more than the unknown outcome")
		}},
		{"versions are noticed when a marker is put", func(r *rig) {
			d := r.Open()
			r.SetVersioned()
			_, err := d.PutMarker(r.Context(), "open/1/x", nil)
			require.ErrorIs(r, err, journal.ErrVersioned)
		}},
		{"a store that keeps versions can still be read", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 2)
			r.SetVersioned()
			require.Equal(r, s.Anchor(), r.load(r.program(), r.log).Anchor())
			r.sound(r.log, 2)
		}},

		{"an older program does not touch what a newer one wrote for newer ones", func(r *rig) {
			older, newer := r.program(), journal.New(r.Open(), journal.Options{Schema: schema + 1})
			s := r.write(older, r.log, 2)
			wrote := r.append(newer, s)

			_, err := older.Load(r.Context(), r.log)
			r.requireTooNew(err, 3)
			_, err = older.Reload(r.Context(), s)
			r.requireTooNew(err, 3)
			_, err = older.LoadAt(r.Context(), r.log, 3)
			r.requireTooNew(err, 3)
			_, err = older.Append(r.Context(), s, body(3), journal.Meta{})
			r.requireTooNew(err, 3)
			_, err = older.Append(r.Context(), wrote, body(4), journal.Meta{})
			r.requireTooNew(err, 3) // not even with a snapshot that it cannot have loaded
			require.Equal(r, wrote.Anchor(), r.load(newer, r.log).Anchor())
			r.sound(r.log, 3)
		}},
		{"an older program goes on where a newer one allows it, and lowers nothing", func(r *rig) {
			older := r.program()
			newer := journal.New(r.Open(), journal.Options{Schema: schema + 5, MinReader: schema})
			s := r.append(newer, r.load(newer, r.log))
			s = r.append(older, r.load(older, r.log))
			require.Equal(r, schema+5, s.Schema)
			require.Equal(r, schema, s.MinReader)

			oldest := journal.New(r.Open(), journal.Options{Schema: schema - 1})
			_, err := oldest.Load(r.Context(), r.log)
			r.requireTooNew(err, 2)
		}},
		{"one entry can ask for newer readers than the program's others", func(r *rig) {
			j := r.program()
			s, err := j.Append(r.Context(), r.load(j, r.log), body(1), journal.Meta{MinReader: schema})
			require.NoError(r, err)
			require.Equal(r, schema, s.MinReader)
			s = r.append(j, s)
			require.Equal(r, schema, s.MinReader)
		}},
		{"an envelope of a newer form is not touched", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			r.Replace(r.log, 2, []byte(`{"journal":2,"whatever":true}`))
			_, err := j.Load(r.Context(), r.log)
			r.requireTooNew(err, 2)
			_, err = j.Append(r.Context(), s, body(2), journal.Meta{})
			r.requireTooNew(err, 2)
		}},
	}
}

func (r *rig) requireTooNew(err error, seq uint64) {
	r.Helper()
	var tn *journal.TooNewError
	require.ErrorAs(r, err, &tn)
	require.Equal(r, seq, tn.Seq)
	require.Equal(r, fault.Terminal, fault.Of(err))
}
