package journaltest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

func names() []testCase {
	return []testCase{
		{"logs with odd names are kept apart", func(r *rig) {
			j := r.program()
			logs := []driver.Log{
				"job/X", "job/x", "job/X1", "job/X/1", "job/X%2F1", "job/X%252F1", "job/.", "job/..", "job/../X", "job/ ", "job/+", "job/%20",
				"job/a b+c&d=e?f#g", "job/ü", "job/日本", "job/\x00\n\t", "job/\\", "job/'\"<>", "job/999999999998",
				"pair/X", "pair/src/dst", "pair/sr/c/dst", "bucket/X", "sweep/1", "sweep/11", "sweep/1/1",
				driver.Log("job/" + strings.Repeat("ü", 127)),
			}
			for i, log := range logs {
				for range i%3 + 1 {
					s := r.load(j, log)
					r.append(j, s)
				}
			}
			for i, log := range logs {
				s := r.load(r.program(), log)
				require.Equal(r, log, s.Log)
				require.Equal(r, uint64(i%3+1), s.Seq, string(log))
				r.sound(log, i%3+1)
			}
		}},
		{"the newest entry is found on both sides of every power of ten", func(r *rig) {
			d := r.Open()
			var seqs []uint64
			for p := uint64(10); p < driver.MaxSeq; p *= 10 {
				seqs = append(seqs, p-1, p, p+1)
			}
			seqs = append(seqs, driver.MaxSeq-1, driver.MaxSeq)
			for _, seq := range seqs {
				_, err := d.Create(r.Context(), r.log, seq, []byte("x"))
				require.NoError(r, err)
				head, _, err := d.Head(r.Context(), r.log)
				require.NoError(r, err)
				require.Equal(r, seq, head)
			}
			var listed []uint64
			for before := uint64(0); ; {
				page, err := d.List(r.Context(), r.log, before, 4)
				require.NoError(r, err)
				require.LessOrEqual(r, len(page), 4)
				if len(page) == 0 {
					break
				}
				for _, e := range page {
					require.False(r, e.Modified.IsZero())
					listed = append(listed, e.Seq)
				}
				before = page[len(page)-1].Seq
			}
			require.Len(r, listed, len(seqs))
			for i := range listed {
				require.Equal(r, seqs[len(seqs)-1-i], listed[i])
			}
		}},
		{"the named logs have the names that the design gives them", func(r *rig) {
			require.Equal(r, driver.Log("job/CHG-2041"), journal.Job("CHG-2041"))
			require.Equal(r, driver.Log("pair/src~dst"), journal.Pair("src~dst"))
			require.Equal(r, driver.Log("bucket/dst"), journal.Bucket("dst"))
			require.Equal(r, driver.Log("key/acs:kms:r:1:key/k"), journal.Key("acs:kms:r:1:key/k"))
			require.Equal(r, driver.Log("sweep/3"), journal.Sweep(3))
			for _, log := range []driver.Log{journal.Job("a"), journal.Pair("a~b"), journal.Bucket("b"), journal.Key("acs:kms:r:1:key/k"), journal.Sweep(0)} {
				require.NoError(r, log.Check())
				require.Equal(r, log.Kind() == "sweep", log.Prunable())
			}
		}},
	}
}
