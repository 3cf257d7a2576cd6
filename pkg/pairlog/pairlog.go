// Package pairlog keeps who owns a pair of buckets: one log a pair, one entry a
// claim or release. Two tickets for one pair cannot both get past it.
package pairlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
)

// tries bounds how often a lost race is run again. Each lost race is a change of
// owner by somebody else, of which there are few.
const tries = 10

// A Log keeps the owners of pairs.
type Log struct {
	Journal *journal.Journal
	Worker  string // for the reader of the history
}

// entry is what an entry of the log holds.
type entry struct {
	Owner string `json:"owner"` // the job; "" when nobody owns the pair
}

// Claim makes job the owner of the pair if nobody is, and returns the owner.
func (l Log) Claim(ctx context.Context, pair, job string) (owner string, err error) {
	return l.change(ctx, pair, func(owner string) (string, bool) { return job, owner == "" })
}

// Release gives the pair back; it does nothing when job is not the owner.
func (l Log) Release(ctx context.Context, pair, job string) error {
	_, err := l.change(ctx, pair, func(owner string) (string, bool) { return "", owner == job })
	return err
}

// Owner returns the owner of a pair, or "".
func (l Log) Owner(ctx context.Context, pair string) (string, error) {
	return l.change(ctx, pair, func(owner string) (string, bool) { return owner, false })
}

// change loads the owner, asks what it should become, and appends that. Who loses
// the race asks again with what the winner wrote.
func (l Log) change(ctx context.Context, pair string, f func(owner string) (to string, change bool)) (string, error) {
	snap, err := l.Journal.Load(ctx, journal.Pair(pair))
	if err != nil {
		return "", err
	}
	sure := false
	for range tries {
		var e entry
		if snap.Exists() {
			if err := json.Unmarshal(snap.Body, &e); err != nil {
				return "", &fault.Error{Kind: fault.Terminal, Op: "Claim", Resource: pair, Err: fmt.Errorf("the entry does not hold an owner: %w", err)}
			}
		}
		to, change := f(e.Owner)
		if !change && !sure {
			// The listing may lag behind: before nothing is done, because of another owner
			// or of none, the entries after this one are looked for.
			if snap, err = l.Journal.Reload(ctx, snap); err != nil {
				return "", err
			}
			sure = true
			continue
		}
		if !change {
			return e.Owner, nil
		}
		body, err := json.Marshal(entry{Owner: to})
		if err != nil {
			return "", err
		}
		_, err = l.Journal.Append(ctx, snap, body, journal.Meta{Writer: l.Worker})
		var lost *journal.LostError
		switch {
		case err == nil:
			return to, nil
		case errors.As(err, &lost):
			snap = lost.Winner
		default:
			return "", err
		}
	}
	return "", &fault.Error{Kind: fault.Conflict, Op: "Claim", Resource: pair, Err: fmt.Errorf("lost %d races in a row", tries)}
}
