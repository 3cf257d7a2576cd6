package engine

import (
	"context"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Marks are the marks of jobs, in the shard of each.
type Marks struct {
	Marks  *journal.Marks
	Shards int // as configured for the sweep
}

func (m Marks) mark(set, id string, rev uint64) journal.Mark {
	return journal.Mark{Set: set, Shard: replication.Shard(id, m.Shards), ID: id, Rev: rev}
}

// Open stands the mark of a job that is about to begin, with its ticket inside.
// created is false when one stands already, which may be ours.
func (m Marks) Open(ctx context.Context, id string, ticket []byte) (created bool, err error) {
	return m.Marks.Put(ctx, m.mark(journal.Open, id, 1), ticket)
}

// Opened returns the ticket in the mark of a job, or fault.NotFound.
func (m Marks) Opened(ctx context.Context, id string) ([]byte, error) {
	return m.Marks.Get(ctx, m.mark(journal.Open, id, 1))
}

// Rest takes away the mark of a job that is at rest since entry rev. That of one that
// is outstanding stays, so that a listing of the marks shows it.
func (m Marks) Rest(ctx context.Context, j *replication.Job, rev uint64) error {
	if j.Outstanding() {
		return nil
	}
	return m.Close(ctx, j.ID, rev)
}

// Close takes away the mark of a job that has come to nothing before entry rev.
func (m Marks) Close(ctx context.Context, id string, rev uint64) error {
	return m.Marks.Clear(ctx, m.mark(journal.Open, id, rev))
}

// Reopen stands the mark of a job that goes on with entry rev after it was at rest.
func (m Marks) Reopen(ctx context.Context, id string, rev uint64) error {
	_, err := m.Marks.Put(ctx, m.mark(journal.Open, id, rev), []byte("{}"))
	return err
}

// Unwatch takes away the mark of a pair that is not watched any more since entry rev.
func (m Marks) Unwatch(ctx context.Context, id string, rev uint64) error {
	return m.Marks.Clear(ctx, m.mark(journal.Watch, id, rev))
}

// Watch stands the mark of a pair whose watch begins with entry rev.
func (m Marks) Watch(ctx context.Context, id string, rev uint64) error {
	_, err := m.Marks.Put(ctx, m.mark(journal.Watch, id, rev), []byte("{}"))
	return err
}
