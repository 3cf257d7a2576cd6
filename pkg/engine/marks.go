package engine

import (
	"context"
	"strconv"

	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Marks are the markers of jobs: open/<shard>/<id>/<rev> while a job is not at
// rest, watch/<shard>/<id>/<rev> while its pair is watched. A marker stands before
// the entry that starts what it marks, with that entry's number; an end at r takes
// away those with a number of at most r.
type Marks struct {
	Store  driver.Markers
	Shards int // as configured for the sweep
}

func (m Marks) key(set, id string, rev uint64) (string, error) {
	return driver.Key(set, strconv.Itoa(replication.Shard(id, m.Shards)), id, strconv.FormatUint(rev, 10))
}

// Open stands the marker of a job that is about to begin, with its ticket inside.
// created is false when one stands already, which may be ours.
func (m Marks) Open(ctx context.Context, id string, ticket []byte) (created bool, err error) {
	k, err := m.key(driver.SetOpen, id, 1)
	if err != nil {
		return false, err
	}
	return m.Store.PutMarker(ctx, k, ticket)
}

// Opened returns the ticket in the marker of a job, or fault.NotFound.
func (m Marks) Opened(ctx context.Context, id string) ([]byte, error) {
	k, err := m.key(driver.SetOpen, id, 1)
	if err != nil {
		return nil, err
	}
	return m.Store.GetMarker(ctx, k)
}

// Close takes away the marker of a job that is at rest since entry rev.
func (m Marks) Close(ctx context.Context, id string, rev uint64) error {
	k, err := m.key(driver.SetOpen, id, 1)
	if err != nil || rev < 1 {
		return err
	}
	return m.Store.DeleteMarker(ctx, k)
}

// Watch stands the marker of a pair whose watch begins with entry rev.
func (m Marks) Watch(ctx context.Context, id string, rev uint64) error {
	k, err := m.key(driver.SetWatch, id, rev)
	if err != nil {
		return err
	}
	_, err = m.Store.PutMarker(ctx, k, []byte("{}"))
	return err
}
