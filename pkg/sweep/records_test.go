package sweep_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/sweep"
	"github.com/replidesk/replidesk/pkg/watch"
)

func (b *bench) chunks() (chunks []sweep.Chunk) {
	b.t.Helper()
	marks, err := b.store.ListMarkers(context.Background(), driver.SetSample+"/0/", "", 100)
	require.NoError(b.t, err)
	for _, m := range marks {
		body, err := b.store.GetMarker(context.Background(), m.Key)
		require.NoError(b.t, err)
		var c sweep.Chunk
		require.NoError(b.t, json.Unmarshal(body, &c))
		key, err := sweep.ChunkKey(c.Shard, c.Hour)
		require.NoError(b.t, err)
		require.Equal(b.t, m.Key, key)
		chunks = append(chunks, c)
	}
	return chunks
}

func TestEachHourLeavesALineForEachPair(t *testing.T) {
	bubble(t, "with the lag at its end and the worst in it", func(t *testing.T) {
		b := newBench(t)
		midnight := time.Now()
		b.watched("CHG-1")
		b.watched("CHG-2")
		b.minutes(10)
		b.cloud.stands("CHG-1")
		b.minutes(20)
		b.cloud.moves("CHG-1")
		b.minutes(100)
		at := func(hour, minute int) watch.Moment {
			return watch.At(midnight.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute))
		}
		require.Equal(t, []sweep.Chunk{
			{Schema: 1, Hour: midnight.UTC(), Records: []watch.Record{{Job: "CHG-1", At: at(0, 59), Worst: 19 * 60}, {Job: "CHG-2", At: at(0, 59)}}},
			{Schema: 1, Hour: midnight.Add(time.Hour).UTC(), Records: []watch.Record{{Job: "CHG-1", At: at(1, 59)}, {Job: "CHG-2", At: at(1, 59)}}},
		}, b.chunks())
	})
	bubble(t, "or, when it cannot be written, goes on until it can", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(1)
		b.cloud.stands("CHG-1")
		b.minutes(20)
		b.cloud.moves("CHG-1")
		b.minutes(39)
		b.store.Break(memjournal.Fault{Op: memjournal.PutMarker, Kind: memjournal.Refuse, As: fault.Retryable, Times: 3})
		b.minutes(3)
		require.Empty(t, b.chunks())
		b.minutes(2)
		c := b.chunks()
		require.Len(t, c, 1)
		require.EqualValues(t, 19*60, c[0].Records[0].Worst)
		require.Zero(t, c[0].Hour.Hour())
	})
	bubble(t, "once, also when the tick that wrote it died", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(60)
		b.store.Break(memjournal.Fault{Op: memjournal.Create, Kind: memjournal.Refuse, As: fault.Denied, Skip: 1, Times: 1})
		_, err := b.try()
		require.Error(t, err)
		first := b.chunks()
		require.Len(t, first, 1)
		time.Sleep(2 * time.Minute)
		b.minutes(2)
		require.Equal(t, first, b.chunks())
		require.Equal(t, watch.At(time.Now().Truncate(time.Hour)), b.state().Hour)
	})
}

func TestOldEntriesOfAShardAreTakenAway(t *testing.T) {
	bubble(t, "after a day, but for the newest ten", func(t *testing.T) {
		b := newBench(t)
		b.watched("CHG-1")
		b.minutes(26*60 + 5)
		entries, err := b.store.List(context.Background(), journal.Sweep(0), 0, 10_000)
		require.NoError(t, err)
		require.InDelta(t, 2*25*60, len(entries), 130)
		require.Less(t, time.Since(entries[len(entries)-1].Modified), journal.PruneAge+time.Hour+10*time.Minute)
		require.GreaterOrEqual(t, time.Since(entries[len(entries)-1].Modified), journal.PruneAge)

		time.Sleep(72 * time.Hour)
		for i := range 8 {
			b.minutes(1)
			time.Sleep(time.Hour)
			require.Equal(t, 1, len(b.state().Pairs), fmt.Sprint(i))
		}
		entries, err = b.store.List(context.Background(), journal.Sweep(0), 0, 10_000)
		require.NoError(t, err)
		require.Less(t, len(entries), 400)
		require.GreaterOrEqual(t, len(entries), 10)
	})
}
