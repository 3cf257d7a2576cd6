// Package policylog changes the policies of resources in other accounts, the bucket
// policies of destinations and the policies of their keys, and keeps which job relies on which statement of them.
//
// The services replace a policy as a whole and know no precondition for that [fact 70] [fact 73], so
// two writers can lose each other's statements. The log of a resource is therefore a
// lease and a ledger in one: who wants to change the policy takes the lease, reads the
// policy, saves it in the log, reads it once more, writes it, reads it back, and
// records who relies on what. Jobs of this desk cannot lose each other's statements.
// Somebody else who writes between the second read and the write still can be lost;
// the document before the write is then in the log, and the time between the two
// calls is all there is.
//
// A worker that dies leaves a lease that runs out, and an entry that says what it was
// about to write: whoever comes next looks at the policy to find out whether it did.
package policylog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	// leaseTime is longer than an effect of the engine may take.
	leaseTime = time.Minute
	// spare is what has to be left of a lease when the policy is written.
	spare = 15 * time.Second
	// tries bounds how often a change is begun anew because somebody else wrote.
	tries = 3
)

// Policies reads and writes the policies of buckets.
type Policies interface {
	// BucketPolicy reads the policy of a bucket. One that may not be read is Foreign.
	BucketPolicy(ctx context.Context, e replication.End) (replication.BucketPolicySeen, error)
	// PutBucketPolicy replaces the policy as a whole; "" deletes it.
	PutBucketPolicy(ctx context.Context, e replication.End, document string) error
}

// Keys reads and writes the policies of keys.
type Keys interface {
	// KeyPolicy reads the policy of a key. One that may not be read is fault.Denied.
	KeyPolicy(ctx context.Context, e replication.End, key string) (replication.KeyPolicySeen, error)
	// SetKeyPolicy replaces the policy as a whole.
	SetKeyPolicy(ctx context.Context, e replication.End, key, document string) error
}

// A Log changes policies under the lease of what they are of.
type Log struct {
	Journal  *journal.Journal
	Policies Policies
	Keys     Keys
	Worker   string // for the reader of the history
}

// BucketPolicy reads the policy of a bucket. It takes no lease.
func (l Log) BucketPolicy(ctx context.Context, e replication.End) (replication.BucketPolicySeen, error) {
	return l.Policies.BucketPolicy(ctx, e)
}

// Grant sees to it that the policy of the resource at e allows g, and records that job relies
// on that. Nothing is written when the policy allows it already. To do it again does
// nothing.
func (l Log) Grant(ctx context.Context, e replication.End, job string, g replication.ResourceGrant) (replication.Granting, error) {
	return l.change(ctx, "Grant", l.resource(e, g), job, func(ctx context.Context, c *change) (replication.Granting, bool, error) {
		p, err := c.read(ctx)
		if err != nil {
			return replication.Granting{}, false, err
		}
		if c.odd != nil {
			return replication.Granting{Reason: replication.ReasonPolicyOdd, Message: c.odd.Error()}, true, nil
		}
		if reason, message := p.Unfit(g); reason != "" {
			return replication.Granting{Reason: reason, Message: message}, true, nil
		}
		if merged, changed := p.Merge(g); changed {
			before := slices.Clone(c.state.Reliances)
			c.state.begin(job, p, g)
			err := c.write(ctx, merged)
			if err != nil && !fault.Of(err).MayHaveHappened() { // what somebody else writes then is theirs
				c.state.Reliances = before
			}
			return replication.Granting{}, false, err
		}
		c.state.rely(job, g)
		return replication.Granting{Granted: true, Made: c.state.made(g)}, true, nil
	})
}

// Revoke records that job does not rely on g any more, and takes the statement back
// when nobody else does: exactly the statement, only if this desk made it, and only if
// it is as it was made. One that stood there before and was added to is left with what
// it had. To do it again does nothing.
func (l Log) Revoke(ctx context.Context, e replication.End, job string, g replication.ResourceGrant) (replication.Granting, error) {
	removed := false
	return l.change(ctx, "Revoke", l.resource(e, g), job, func(ctx context.Context, c *change) (replication.Granting, bool, error) {
		if !c.state.relies(job, g) || !c.state.made(g) {
			c.state.drop(job, g)
			return replication.Granting{Removed: removed}, true, nil
		}
		p, err := c.read(ctx)
		if err != nil {
			return replication.Granting{}, false, err
		}
		rest, left := c.without(p, job, g)
		if rest != p.String() {
			removed = true
			return replication.Granting{}, false, c.write(ctx, rest)
		}
		c.state.drop(job, g)
		return replication.Granting{Left: left, Removed: removed && left == ""}, true, nil
	})
}

// without returns the policy as it is to be when job does not rely on g any more, and
// why the statement stays then; "" when it goes or is gone.
func (c *change) without(p replication.ResourcePolicy, job string, g replication.ResourceGrant) (rest, left string) {
	others, kept := c.state.others(job, g), "because other jobs rely on it"
	if c.state.onlyBefore(job, g) {
		kept = "because it stood there before; it allows what it did then"
	}
	switch {
	case c.odd != nil:
		return p.String(), "because the policy cannot be taken apart: " + c.odd.Error()
	case !p.Holds(g):
		return p.String(), ""
	case others != nil && p.Exactly(*others):
		return p.String(), kept
	}
	rest, removed := p.Remove(c.state.all(g))
	switch {
	case !removed:
		return p.String(), "because it was changed"
	case rest == "" && c.of.kept && others == nil:
		return p.String(), "because it is the only one, and without any nobody could use or manage the key"
	}
	if others == nil {
		return rest, ""
	}
	narrowed, err := replication.ParseResourcePolicy(rest)
	if err != nil { // cannot be: it was cut out of what could be read
		return p.String(), kept
	}
	rest, _ = narrowed.Merge(*others)
	return rest, ""
}

// change takes the lease, carries out the steps until they are done, and gives the
// lease back. A step that has written begins anew: what it wrote has to be seen.
func (l Log) change(ctx context.Context, op string, r resource, job string,
	step func(context.Context, *change) (replication.Granting, bool, error)) (replication.Granting, error) {
	c := &change{log: l, op: op, of: r, job: job}
	busy, err := c.open(ctx)
	if err != nil || busy.Busy != "" {
		return busy, err
	}
	for range tries {
		got, done, err := step(ctx, c)
		if err != nil {
			c.giveBack(ctx)
			return replication.Granting{}, err
		}
		if done {
			return got, c.close(ctx)
		}
	}
	c.giveBack(ctx)
	return replication.Granting{}, c.fault(fault.Conflict, fmt.Errorf("somebody else changed the policy %d times meanwhile", tries))
}
