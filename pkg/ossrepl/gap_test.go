package ossrepl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestWhatWasWrittenInAGapIsComparedWithItsCopies(t *testing.T) {
	inCloud(t, func(d *desk) {
		ctx, src, dst := d.t.Context(), d.request.Source, d.request.Destination
		d.bucket(src, d.as.A.UID, "")
		d.bucket(dst, d.as.A.UID, "")
		put := func(bucket, key, content string) {
			d.t.Helper()
			_, e := d.cloud.World.PutObject(bucket, world.Version{Key: key, Data: []byte(content)}, false)
			require.Nil(d.t, e)
		}
		put("src-bucket", "image/before", "x")
		time.Sleep(time.Minute)
		g := replication.Gap{From: time.Now()}
		for i := range 450 {
			put("src-bucket", fmt.Sprintf("image/%03d", i), "content")
			put("dest-bucket", fmt.Sprintf("image/%03d", i), "content")
		}
		put("src-bucket", "image/010", "newer")
		put("src-bucket", "image/010x", "not there, but its name begins another")
		put("dest-bucket", "image/010xy", "not there, but its name begins another")
		put("src-bucket", "text/a", "not there")
		put("src-bucket", "text/.replidesk/CHG-1/canary", "ours")
		put("src-bucket", "other/out-of-scope", "not there")
		g.To = time.Now()
		time.Sleep(time.Minute)
		put("src-bucket", "text/after", "x")

		var sum replication.GapFigures
		pages := 0
		for done := false; !done; pages++ {
			s, err := d.client.Gap(ctx, src, dst, []string{"image/", "text/"}, g)
			require.NoError(d.t, err)
			sum.Looked += s.Looked
			sum.Written += s.Written
			sum.Missing += s.Missing
			sum.Examples = append(sum.Examples, s.Examples...)
			require.NotEqual(d.t, g.Cursor, s.Next, "it gets on")
			g.Cursor, done = s.Next, s.Done
			require.Less(d.t, pages, 10)
		}
		require.Equal(d.t, 3, pages)
		require.Equal(d.t, replication.GapFigures{Looked: 454, Written: 452, Missing: 3, Examples: []string{"image/010", "image/010x", "text/a"}}, sum)

		s, err := d.client.Gap(ctx, src, replication.End{Bucket: "nobody-looks-there"}, []string{"text/"}, replication.Gap{From: g.From, To: g.To, Unlisted: true})
		require.NoError(d.t, err)
		require.Equal(d.t, replication.GapFigures{Looked: 2, Written: 1, Missing: 1, Examples: []string{"text/a"}}, s.GapFigures, "what was written is named, whatever arrived")

		s, err = d.client.Gap(ctx, src, dst, nil, replication.Gap{From: g.From, To: g.To, Cursor: replication.GapCursor{Prefix: 1}})
		require.NoError(d.t, err)
		require.True(d.t, s.Done, "past the end there is nothing")
		_, err = d.client.Gap(ctx, src, replication.End{Account: dst.Account, Region: dst.Region, Bucket: "no-such-bucket"}, nil, replication.Gap{From: g.From, To: g.To})
		require.Equal(d.t, fault.NotFound, fault.Of(err))
	})
}
