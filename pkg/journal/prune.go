package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/journal/driver"
)

const (
	// PruneAge is how long every entry of a sweep log is kept.
	PruneAge = 24 * time.Hour
	// PruneKeep is how many of the newest entries are kept however old they are.
	PruneKeep = 10
)

// Prune takes up to limit entries away from a log of the kind "sweep", the oldest
// first: those that are older than PruneAge and not among the newest PruneKeep.
// newest is the newest entry. It returns how many it took away, also with an error.
// Several programs may prune the same log at once.
func (j *Journal) Prune(ctx context.Context, newest Snapshot, limit int) (int, error) {
	pruner, ok := j.d.(driver.Pruner)
	if !ok || !newest.Log.Prunable() {
		return 0, terminal("Prune", string(newest.Log), errors.New("entries of this log are kept for ever"))
	}
	if newest.Seq <= PruneKeep {
		return 0, nil
	}
	now := newest.Now(time.Now())
	var old []uint64
	for before := newest.Seq - PruneKeep + 1; ; {
		page, err := pruner.List(ctx, newest.Log, before, listPage)
		if err != nil {
			return 0, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if !e.Modified.IsZero() && now.Sub(e.Modified) > PruneAge {
				old = append(old, e.Seq)
			}
		}
		before = page[len(page)-1].Seq
	}
	slices.Sort(old)
	for n, seq := range old {
		if n == limit {
			return n, nil
		}
		if err := pruner.Delete(ctx, newest.Log, seq); err != nil {
			return n, err
		}
	}
	return len(old), nil
}
