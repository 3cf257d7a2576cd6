package engine

import (
	"context"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// owner looks at the job that owns the pair. A journal that cannot be read does not
// fail the look: whoever wants the pair is then told that somebody has it.
func (s *session) owner(ctx context.Context) (replication.OwnerSeen, error) {
	id, err := s.e.Pairs.Owner(ctx, s.job.Request.Pair())
	if err != nil || id == "" {
		return replication.OwnerSeen{}, err
	}
	if id == s.job.ID {
		return replication.OwnerOf(s.job), nil
	}
	// Entry 1 is there at least: a job claims its pair after it was saved.
	snap, err := s.e.Journal.LoadAtLeast(ctx, journal.Job(id), 1)
	if err != nil && !unreadable(err) {
		return replication.OwnerSeen{}, err
	}
	if err == nil && snap.Exists() {
		if j, err := replication.Decode(snap.Body); err == nil {
			return replication.OwnerOf(j), nil
		}
	}
	return replication.OwnerSeen{Job: id}, nil
}
