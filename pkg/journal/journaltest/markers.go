package journaltest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

func markers() []testCase {
	return []testCase{
		{"a mark is created once and keeps what it contains", func(r *rig) {
			m := journal.NewMarks(r.Open())
			mark := journal.Mark{Set: journal.Open, Shard: 3, ID: "CHG-2041", Rev: 1}
			created, err := m.Put(r.Context(), mark, []byte("ticket"))
			require.NoError(r, err)
			require.True(r, created)
			for _, again := range []string{"ticket", "another"} {
				created, err = journal.NewMarks(r.Open()).Put(r.Context(), mark, []byte(again))
				require.NoError(r, err)
				require.False(r, created)
			}
			got, err := m.Get(r.Context(), mark)
			require.NoError(r, err)
			require.Equal(r, "ticket", string(got))
			_, err = m.Get(r.Context(), journal.Mark{Set: journal.Open, Shard: 3, ID: "CHG-2041", Rev: 2})
			require.Equal(r, fault.NotFound, fault.Of(err))
		}},
		{"a mark whose reply was lost can be put again", func(r *rig) {
			m := journal.NewMarks(r.Open())
			mark := journal.Mark{Set: journal.Open, Shard: 0, ID: "x", Rev: 1}
			remove := r.Break(Fault{Call: Create, Kind: LoseReply})
			_, err := m.Put(r.Context(), mark, []byte("ticket"))
			require.Equal(r, fault.Unknown, fault.Of(err))
			remove()
			_, err = m.Put(r.Context(), mark, []byte("ticket"))
			require.NoError(r, err)
			got, err := m.Get(r.Context(), mark)
			require.NoError(r, err)
			require.Equal(r, "ticket", string(got))
		}},
		{"an end takes away the marks up to its revision, and no others", func(r *rig) {
			m := journal.NewMarks(r.Open())
			for _, id := range []string{"CHG-1", "CHG-10", "CHG-1/x", "CHG"} {
				for _, rev := range []uint64{1, 2, 9, 10, 11} {
					r.put(m, journal.Mark{Set: journal.Open, Shard: 1, ID: id, Rev: rev})
				}
				r.put(m, journal.Mark{Set: journal.Watch, Shard: 1, ID: id, Rev: 1})
				r.put(m, journal.Mark{Set: journal.Open, Shard: 11, ID: id, Rev: 1})
			}
			for range 2 { // the second time there is nothing left to do
				require.NoError(r, m.Clear(r.Context(), journal.Mark{Set: journal.Open, Shard: 1, ID: "CHG-1", Rev: 10}))
				require.Equal(r, []string{
					"CHG-1/x:1", "CHG-1/x:2", "CHG-1/x:9", "CHG-1/x:10", "CHG-1/x:11", "CHG-1:11",
					"CHG-10:1", "CHG-10:2", "CHG-10:9", "CHG-10:10", "CHG-10:11",
					"CHG:1", "CHG:2", "CHG:9", "CHG:10", "CHG:11",
				}, r.marks(m, journal.Open, 1, 100))
			}
			require.Len(r, r.marks(m, journal.Watch, 1, 100), 4)
			require.Len(r, r.marks(m, journal.Open, 11, 100), 4)
		}},
		{"a listing goes on page by page and shows each mark once", func(r *rig) {
			m := journal.NewMarks(r.Open())
			for i := range 23 {
				time.Sleep(time.Second)
				r.put(m, journal.Mark{Set: journal.Watch, Shard: 2, ID: fmt.Sprintf("id %02d+%%", i), Rev: uint64(i + 1)})
			}
			for _, limit := range []int{1, 5, 23, 100} {
				got := r.marks(m, journal.Watch, 2, limit)
				require.Len(r, got, 23)
				require.Equal(r, "id 07+%:8", got[7])
			}
			page, others, err := m.List(r.Context(), journal.Watch, 2, nil, 1)
			require.NoError(r, err)
			require.Zero(r, others)
			require.Equal(r, int64(4), page[0].Size)
			require.WithinDuration(r, time.Now(), page[0].Created, 30*time.Second)
		}},
		{"what is no mark is passed over and counted", func(r *rig) {
			d := r.Open()
			m := journal.NewMarks(d)
			r.put(m, journal.Mark{Set: journal.Open, Shard: 1, ID: "x", Rev: 1})
			for _, key := range []string{"open/1/x", "open/1/x/2", "open/1/x/000000000002/y", "open/1/x/last"} {
				_, err := d.PutMarker(r.Context(), key, nil)
				require.NoError(r, err)
			}
			marks, others, err := m.List(r.Context(), journal.Open, 1, nil, 10)
			require.NoError(r, err)
			require.Len(r, marks, 1)
			require.Equal(r, 4, others)
			require.NoError(r, m.Clear(r.Context(), journal.Mark{Set: journal.Open, Shard: 1, ID: "x", Rev: 5}))
			marks, others, err = m.List(r.Context(), journal.Open, 1, nil, 10)
			require.NoError(r, err)
			require.Empty(r, marks)
			require.Equal(r, 4, others, "what is not ours stays")
		}},
		{"a mark that cannot be is refused", func(r *rig) {
			m := journal.NewMarks(r.Open())
			for _, bad := range []journal.Mark{
				{}, {Set: "log", ID: "x", Rev: 1}, {Set: journal.Open, ID: "x"}, {Set: journal.Open, Rev: 1},
				{Set: journal.Open, ID: "x", Rev: 1, Shard: -1}, {Set: journal.Open, ID: strings.Repeat("x", 300), Rev: 1},
			} {
				_, err := m.Put(r.Context(), bad, nil)
				require.Equal(r, fault.Terminal, fault.Of(err))
				require.Equal(r, fault.Terminal, fault.Of(m.Clear(r.Context(), bad)))
			}
		}},
		{"no marker can be put where logs are, and none of them deleted", func(r *rig) {
			d := r.Open()
			r.write(r.program(), r.log, 1)
			for _, key := range []string{"", "log/x", "sweep/1/x", "open", "open/", "open//x", "/open/x", "open/../log/x", "open/a b", "open/%2e", "open/%", "other/x"} {
				_, err := d.PutMarker(r.Context(), key, nil)
				require.Equal(r, fault.Terminal, fault.Of(err), key)
				require.Equal(r, fault.Terminal, fault.Of(d.DeleteMarker(r.Context(), key)), key)
				_, err = d.GetMarker(r.Context(), key)
				require.Equal(r, fault.Terminal, fault.Of(err), key)
			}
			r.sound(r.log, 1)
		}},
		{"a marker that is not there can be deleted", func(r *rig) {
			require.NoError(r, r.Open().DeleteMarker(r.Context(), "open/1/x"))
		}},
	}
}

func (r *rig) put(m *journal.Marks, mark journal.Mark) {
	r.Helper()
	created, err := m.Put(r.Context(), mark, []byte("data"))
	require.NoError(r, err)
	require.True(r, created)
}

// marks lists a whole shard, so many at a time.
func (r *rig) marks(m *journal.Marks, set string, shard, limit int) []string {
	r.Helper()
	var all []string
	var after *journal.Mark
	for {
		page, others, err := m.List(r.Context(), set, shard, after, limit)
		require.NoError(r, err)
		require.Zero(r, others)
		require.LessOrEqual(r, len(page), limit)
		for _, s := range page {
			all = append(all, fmt.Sprintf("%s:%d", s.ID, s.Rev))
			after = &s.Mark
		}
		if len(page) < limit {
			return all
		}
	}
}
