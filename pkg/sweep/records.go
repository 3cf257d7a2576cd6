package sweep

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/watch"
)

// pruneLimit is how many old entries are taken away in an hour at most: more than
// an hour makes, so that a backlog shrinks.
const pruneLimit = 400

// A Chunk holds the records of one shard for one hour. It is written once, as
// sample/<shard>/<hour>, and never changed.
type Chunk struct {
	Schema  int            `json:"schema"`
	Shard   int            `json:"shard"`
	Hour    time.Time      `json:"hour"` // its beginning
	Records []watch.Record `json:"records"`
}

// ChunkKey returns the key of a chunk. Keys of one shard are in the order of time.
func ChunkKey(shard int, hour time.Time) (string, error) {
	return driver.Key(driver.SetSample, strconv.Itoa(shard), hour.UTC().Format("2006-01-02T15"))
}

// records ends an hour: its chunk is written. The chunk follows from the saved state
// alone, so a tick that is repeated writes the same bytes. When it cannot be written,
// the hour goes on.
func (u *turn) records(ctx context.Context) {
	hour := watch.At(u.now().Truncate(time.Hour))
	if u.state.Hour == hour {
		return
	}
	if u.state.Hour != 0 {
		if err := u.writeChunk(ctx); err != nil {
			u.log.Warn("the records of an hour could not be written; they go into the next", "error", err)
			return
		}
		u.prune = true
	}
	u.state.Hour = hour
}

func (u *turn) writeChunk(ctx context.Context) error {
	c := Chunk{Schema: Schema, Shard: u.shard, Hour: u.state.Hour.Time()}
	pairs := slices.Clone(u.state.Pairs)
	for i, p := range pairs {
		if p.Polled < u.state.Hour {
			continue // nothing is known of this hour
		}
		var r watch.Record
		r, pairs[i] = p.Record()
		c.Records = append(c.Records, r)
	}
	if len(c.Records) == 0 {
		return nil
	}
	key, err := ChunkKey(u.shard, c.Hour)
	if err != nil {
		return err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if _, err = u.Store.PutMarker(ctx, key, body); err == nil {
		u.state.Pairs = pairs
	}
	return err
}

// tidy takes old entries of the log away, once an hour and after everything else.
func (u *turn) tidy(ctx context.Context) {
	if !u.prune {
		return
	}
	n, err := u.own.Prune(ctx, u.snap, pruneLimit)
	if err != nil {
		u.log.Warn("not all old entries could be taken away; the next hour goes on", "error", err)
	}
	u.log.Debug("old entries taken away", "entries", n)
}
