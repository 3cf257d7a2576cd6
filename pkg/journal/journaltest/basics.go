package journaltest

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

func basics() []testCase {
	return []testCase{
		{"an empty log loads as nothing, and a first entry can follow", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			require.False(r, s.Exists())
			require.Equal(r, r.log, s.Log)
			require.Nil(r, s.Body)
			require.False(r, s.Now(time.Now()).IsZero(), "the first entry needs a time, too")

			first := r.append(j, s)
			require.Equal(r, uint64(1), first.Seq)
			require.Empty(r, first.Prev)
			r.sound(r.log, 1)
		}},
		{"an entry is loaded as it was appended", func(r *rig) {
			j := r.program()
			first := r.append(j, r.load(j, r.log))
			wrote, err := j.Append(r.Context(), first, []byte("{\n \"a\": \"<&>\\u2028 ü\", \"big\": 12345678901234567890 }"), journal.Meta{Writer: "me\n<too>"})
			require.NoError(r, err)
			require.Equal(r, `{"a":"<&>\u2028 ü","big":12345678901234567890}`, string(wrote.Body))

			read := r.load(r.program(), r.log)
			require.Equal(r, wrote.Body, read.Body)
			require.Equal(r, "me\n<too>", read.Writer)
			require.Equal(r, first.Hash, read.Prev)
			require.Equal(r, wrote.Anchor(), read.Anchor())
			require.Equal(r, wrote.Nonce, read.Nonce)
			require.Equal(r, schema, read.Schema)
			require.Equal(r, minReader, read.MinReader)

			at, err := j.LoadAt(r.Context(), r.log, 1)
			require.NoError(r, err)
			require.Equal(r, first.Anchor(), at.Anchor())
			_, err = j.LoadAt(r.Context(), r.log, 3)
			require.Equal(r, fault.NotFound, fault.Of(err))
		}},
		{"the history runs from the oldest entry to the newest", func(r *rig) {
			j := r.program()
			last := r.write(j, r.log, 12)
			var seqs []uint64
			for s, err := range j.History(r.Context(), r.log) {
				require.NoError(r, err)
				require.Equal(r, string(body(s.Seq)), string(s.Body))
				seqs = append(seqs, s.Seq)
			}
			require.Equal(r, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, seqs)
			r.sound(r.log, 12, last.Anchor())
			r.sound(journal.Job("none"), 0)
		}},
		{"the history can be left early", func(r *rig) {
			j := r.program()
			r.write(j, r.log, 3)
			for s, err := range j.History(r.Context(), r.log) {
				require.NoError(r, err)
				require.Equal(r, uint64(1), s.Seq)
				break
			}
		}},
		{"a body that is too large or no JSON is refused and nothing is written", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			for _, bad := range [][]byte{nil, []byte("{"), []byte("{} {}"), []byte(`"` + strings.Repeat("x", journal.MaxBody) + `"`)} {
				_, err := j.Append(r.Context(), s, bad, journal.Meta{})
				require.Equal(r, fault.Terminal, fault.Of(err))
			}
			require.False(r, r.load(j, r.log).Exists())
			_, err := j.Append(r.Context(), s, []byte(`"`+strings.Repeat("x", journal.MaxBody-2)+`"`), journal.Meta{})
			require.NoError(r, err)
			require.Len(r, r.load(j, r.log).Body, journal.MaxBody)
		}},
		{"a snapshot that no journal made cannot be followed", func(r *rig) {
			j := r.program()
			last := r.write(j, r.log, 2)
			for _, made := range []journal.Snapshot{{Log: r.log}, {Log: r.log, Seq: 2, Hash: last.Hash}, {}} {
				_, err := j.Append(r.Context(), made, body(3), journal.Meta{})
				require.Equal(r, fault.Terminal, fault.Of(err))
			}
			r.sound(r.log, 2)
		}},
		{"a snapshot that is too old has to be loaded again", func(r *rig) {
			j := r.program()
			s := r.write(j, r.log, 1)
			time.Sleep(journal.MaxAge + time.Minute)
			_, err := j.Append(r.Context(), s, body(2), journal.Meta{})
			require.Equal(r, fault.Conflict, fault.Of(err))
			s, err = j.Reload(r.Context(), s)
			require.NoError(r, err)
			r.append(j, s)
		}},
		{"a context that has ended leaves the outcome unknown", func(r *rig) {
			j := r.program()
			s := r.load(j, r.log)
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			_, err := j.Append(ctx, s, body(1), journal.Meta{})
			require.Equal(r, fault.Unknown, fault.Of(err))
			_, err = j.Load(ctx, r.log)
			require.Equal(r, fault.Unknown, fault.Of(err))
		}},
		{"a driver creates at most once and changes nothing", func(r *rig) {
			d, ctx := r.Open(), r.Context()
			data := []byte(`{"a":1}`)
			stamp, err := d.Create(ctx, r.log, 1, data)
			require.NoError(r, err)
			require.False(r, stamp.Now.IsZero())
			copy(data, "overwritten")
			for _, again := range [][]byte{[]byte(`{"a":1}`), []byte("x"), nil} {
				_, err = r.Open().Create(ctx, r.log, 1, again)
				require.Equal(r, fault.Exists, fault.Of(err))
			}
			got, stamp, err := d.Get(ctx, r.log, 1)
			require.NoError(r, err)
			require.Equal(r, `{"a":1}`, string(got))
			require.False(r, stamp.Modified.IsZero())
			got[0] = 'X'
			require.True(r, bytes.HasPrefix(r.raw(r.log, 1), []byte("{")))
		}},
		{"a driver tells the time also of an entry that does not exist", func(r *rig) {
			_, stamp, err := r.Open().Get(r.Context(), r.log, 1)
			require.Equal(r, fault.NotFound, fault.Of(err))
			require.WithinDuration(r, time.Now(), stamp.Now, time.Second)
			seq, stamp, err := r.Open().Head(r.Context(), r.log)
			require.NoError(r, err)
			require.Zero(r, seq)
			require.WithinDuration(r, time.Now(), stamp.Now, time.Second)
		}},
		{"a driver refuses numbers and logs that cannot be", func(r *rig) {
			d, ctx := r.Open(), r.Context()
			for _, seq := range []uint64{0, driver.MaxSeq + 1, 1 << 63} {
				_, err := d.Create(ctx, r.log, seq, []byte("x"))
				require.Equal(r, fault.Terminal, fault.Of(err))
				_, _, err = d.Get(ctx, r.log, seq)
				require.Equal(r, fault.Terminal, fault.Of(err))
			}
			for _, log := range []driver.Log{"", "job", "job/", "open/x", "nonsense/x", "../x", driver.Log("job/" + strings.Repeat("x", 256)), "job/\xff"} {
				_, err := d.Create(ctx, log, 1, []byte("x"))
				require.Equal(r, fault.Terminal, fault.Of(err), string(log))
				_, _, err = d.Head(ctx, log)
				require.Equal(r, fault.Terminal, fault.Of(err), string(log))
			}
		}},
	}
}
