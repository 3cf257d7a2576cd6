package policylog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/policylog"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A bucket keeps one policy. It replaces it as a whole and knows no precondition.
type bucket struct {
	mu       sync.Mutex
	document string
	reads    int
	writes   int
	onRead   func(n int) error // called before the nth read
	onWrite  func(n int) error // called after the nth write has taken effect; its error is the answer
	refuse   error             // of every write, which has no effect
}

func (b *bucket) BucketPolicy(ctx context.Context, _ replication.End) (replication.BucketPolicySeen, error) {
	b.mu.Lock()
	b.reads++
	n, hook := b.reads, b.onRead
	b.mu.Unlock()
	if hook != nil {
		if err := hook(n); err != nil {
			return replication.BucketPolicySeen{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.document == "" {
		return replication.BucketPolicySeen{Is: replication.Missing}, ctx.Err()
	}
	return replication.BucketPolicySeen{Is: replication.Exists, Document: b.document}, ctx.Err()
}

func (b *bucket) PutBucketPolicy(ctx context.Context, _ replication.End, document string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.document = document
	b.writes++
	if b.onWrite != nil {
		return b.onWrite(b.writes)
	}
	return ctx.Err()
}

func (b *bucket) set(document string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.document = document
}

var end = replication.End{Account: "2000000000000002", Region: "cn-hangzhou", Bucket: "dest-bucket"}

const foreign = `{"Effect":"Deny", "Action":["oss:PutObject"],"Principal":["3000000000000003"],"Resource":["acs:oss:*:*:dest-bucket/*"]}`

func doc(statements ...string) string {
	return `{"Version":"1","Statement":[` + strings.Join(statements, ",") + `]}`
}

// grant returns the statement for a role.
func grant(role string, more ...string) replication.ResourceGrant {
	return replication.ResourceGrant{
		Principal: "arn:sts::1000000000000001:assumed-role/" + role + "/*",
		Actions:   append([]string{"oss:ReplicateList", "oss:ReplicateGet", "oss:ReplicatePut"}, more...),
		Resources: []string{"acs:oss:*:2000000000000002:dest-bucket", "acs:oss:*:2000000000000002:dest-bucket/*"},
	}
}

// A rig is a bucket and its log, in virtual time.
type rig struct {
	*testing.T
	*bucket
	log     policylog.Log
	journal *journal.Journal
	store   *memjournal.Store
}

func inRig(t *testing.T, name string, f func(r *rig)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &rig{T: t, bucket: &bucket{}, store: memjournal.New(time.Now)}
			r.journal = journal.New(r.store, journal.Options{Schema: 1})
			r.log = policylog.Log{Journal: r.journal, Policies: r.bucket, Worker: "w"}
			f(r)
		})
	})
}

func (r *rig) grant(job string, g replication.ResourceGrant) replication.Granting {
	r.Helper()
	got, err := r.log.Grant(context.Background(), end, job, g)
	require.NoError(r, err)
	return got
}

func (r *rig) revoke(job string, g replication.ResourceGrant) replication.Granting {
	r.Helper()
	got, err := r.log.Revoke(context.Background(), end, job, g)
	require.NoError(r, err)
	return got
}

// entries returns the bodies of the log.
func (r *rig) entries() (list []string) {
	r.Helper()
	newest, err := r.journal.Load(context.Background(), journal.Bucket(end.Bucket))
	require.NoError(r, err)
	for seq := uint64(1); seq <= newest.Seq; seq++ {
		s, err := r.journal.LoadAt(context.Background(), journal.Bucket(end.Bucket), seq)
		require.NoError(r, err)
		list = append(list, string(s.Body))
	}
	return list
}

func TestAStatementIsMadeOnceAndTakenBackExactly(t *testing.T) {
	inRig(t, "beside foreign ones", func(r *rig) {
		r.document = doc(foreign)
		g := grant("a")
		require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant("A", g))
		require.Equal(r, doc(foreign, g.String()), r.document)
		entries := r.entries()
		require.Len(r, entries, 3, "the lease, the policy before the write, the reliance")
		require.Contains(r, entries[1], `"before":"{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Deny\"`)
		require.NotContains(r, entries[2], "lease")
		require.NotContains(r, entries[2], "before")
		require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant("A", g), "to do it again does nothing")
		require.Equal(r, 1, r.writes)
		require.Equal(r, replication.Granting{Removed: true}, r.revoke("A", g))
		require.Equal(r, doc(foreign), r.document)
		require.Equal(r, replication.Granting{}, r.revoke("A", g), "to do that again does nothing")
		require.Equal(r, 2, r.writes)
	})
	inRig(t, "in a bucket without a policy, which has none afterwards", func(r *rig) {
		r.grant("A", grant("a"))
		require.Equal(r, doc(grant("a").String()), r.document)
		r.revoke("A", grant("a"))
		require.Empty(r, r.document)
	})
	inRig(t, "not when it stood there before", func(r *rig) {
		r.document = doc(grant("a").String())
		require.Equal(r, replication.Granting{Granted: true}, r.grant("A", grant("a")))
		require.Equal(r, replication.Granting{}, r.revoke("A", grant("a")), "what others made is theirs")
		require.Equal(r, doc(grant("a").String()), r.document)
		require.Zero(r, r.writes)
	})
	inRig(t, "not when it was changed", func(r *rig) {
		r.grant("A", grant("a"))
		changed := strings.Replace(r.document, "oss:ReplicatePut", "oss:*", 1)
		r.set(changed)
		require.Equal(r, replication.Granting{Left: "because it was changed"}, r.revoke("A", grant("a")))
		require.Equal(r, changed, r.document)
	})
	inRig(t, "not when the policy cannot be taken apart", func(r *rig) {
		r.grant("A", grant("a"))
		r.set(`{"Statement":{}}`)
		require.Contains(r, r.revoke("A", grant("a")).Left, "cannot be taken apart")
		require.Equal(r, replication.ReasonPolicyOdd, r.grant("A", grant("a")).Reason)
	})
	inRig(t, "not when somebody took it away before", func(r *rig) {
		r.grant("A", grant("a"))
		r.set(doc(foreign))
		require.Equal(r, replication.Granting{}, r.revoke("A", grant("a")))
		require.Equal(r, doc(foreign), r.document)
	})
	inRig(t, "not by a job that never relied on it", func(r *rig) {
		r.grant("A", grant("a"))
		require.Equal(r, replication.Granting{}, r.revoke("B", grant("a")))
		require.Contains(r, r.document, grant("a").String())
	})
}

func TestAPolicyThatIsNotFitIsLeftAsItIs(t *testing.T) {
	inRig(t, "and nothing is recorded", func(r *rig) {
		r.document = doc(`{"Effect":"Deny","Action":["oss:*"],"Principal":["*"],"Resource":["*"]}`)
		got := r.grant("A", grant("a"))
		require.Equal(r, replication.ReasonGrantDenied, got.Reason)
		require.False(r, got.Granted)
		require.Zero(r, r.writes)
		require.NotContains(r, r.entries()[len(r.entries())-1], "lease", "the lease is given back")
	})
}

func TestJobsShareAStatement(t *testing.T) {
	inRig(t, "until the last does not rely on it any more", func(r *rig) {
		r.grant("A", grant("shared"))
		r.grant("B", grant("shared"))
		require.Equal(r, 1, r.writes)
		require.Equal(r, replication.Granting{Left: "because other jobs rely on it"}, r.revoke("A", grant("shared")))
		require.Equal(r, doc(grant("shared").String()), r.document)
		require.Equal(r, replication.Granting{Removed: true}, r.revoke("B", grant("shared")), "it is ours although A made it")
		require.Empty(r, r.document)
	})
	inRig(t, "and it allows what they need together, and no more than that afterwards", func(r *rig) {
		r.document = doc(foreign)
		wide := grant("shared", "oss:ReplicateDelete")
		r.grant("A", grant("shared"))
		r.grant("B", wide)
		require.Equal(r, doc(foreign, wide.String()), r.document)
		require.Equal(r, "because other jobs rely on it", r.revoke("B", wide).Left)
		require.Equal(r, doc(foreign, grant("shared").String()), r.document)
		r.revoke("A", grant("shared"))
		require.Equal(r, doc(foreign), r.document)
	})
}

func TestAStatementOfOthersThatIsAddedToGetsBackWhatItHad(t *testing.T) {
	theirs, wide := grant("shared"), grant("shared", "oss:ReplicateDelete")
	const before = "because it stood there before; it allows what it did then"
	inRig(t, "when the job is gone", func(r *rig) {
		r.document = doc(theirs.String(), foreign)
		require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant("A", wide))
		require.Equal(r, doc(wide.String(), foreign), r.document)
		require.Equal(r, replication.Granting{Left: before}, r.revoke("A", wide))
		require.Equal(r, doc(foreign, theirs.String()), r.document)
		require.Equal(r, replication.Granting{Granted: true}, r.grant("B", theirs), "it is theirs as if we had never been there")
		require.Equal(r, replication.Granting{}, r.revoke("B", theirs))
		require.Equal(r, doc(foreign, theirs.String()), r.document)
	})
	inRig(t, "also what no rule needs", func(r *rig) {
		theirs := grant("shared", "oss:GetObject")
		r.document = doc(theirs.String())
		r.grant("A", wide)
		require.Equal(r, before, r.revoke("A", wide).Left)
		require.Equal(r, doc(theirs.String()), r.document)
	})
	inRig(t, "when the last of several jobs is gone, in any order", func(r *rig) {
		for _, order := range [][]string{{"A", "B"}, {"B", "A"}} {
			r.set(doc(theirs.String()))
			grants := map[string]replication.ResourceGrant{"A": theirs, "B": wide}
			r.grant("A", theirs)
			r.grant("B", wide)
			for _, job := range order {
				r.revoke(job, grants[job])
			}
			require.Equal(r, doc(theirs.String()), r.document)
			require.NotContains(r, r.entries()[len(r.entries())-1], "reliances", "nothing is kept of what is over")
		}
	})
	inRig(t, "but not what they took away meanwhile", func(r *rig) {
		r.document = doc(theirs.String())
		r.grant("A", wide)
		r.set("")
		r.grant("B", wide)
		r.revoke("A", wide)
		require.Equal(r, replication.Granting{Removed: true}, r.revoke("B", wide))
		require.Empty(r, r.document)
	})
	inRig(t, "although the worker died before the answer", func(r *rig) {
		r.document = doc(theirs.String())
		r.onWrite = func(int) error {
			r.onWrite = nil
			return &fault.Error{Kind: fault.Unknown, Op: "PutBucketPolicy", Err: errors.New("no answer")}
		}
		r.grant("A", wide)
		require.Equal(r, before, r.revoke("A", wide).Left)
		require.Equal(r, doc(theirs.String()), r.document)
	})
}

func TestASecondJobWaitsForTheLease(t *testing.T) {
	inRig(t, "and is told whose it is", func(r *rig) {
		var busy replication.Granting
		r.onRead = func(n int) error {
			if n == 1 {
				busy = r.grant("B", grant("b"))
			}
			return nil
		}
		r.grant("A", grant("a"))
		require.Equal(r, "A", busy.Busy)
		require.WithinDuration(r, time.Now().Add(time.Minute), busy.Until, 2*time.Second)
		require.True(r, r.grant("B", grant("b")).Granted)
		require.Equal(r, doc(grant("a").String(), grant("b").String()), r.document, "both stand")
	})
	inRig(t, "of a worker that died until it runs out", func(r *rig) {
		ctx, die := context.WithCancel(context.Background())
		r.onRead = func(int) error { die(); return ctx.Err() }
		_, err := r.log.Grant(ctx, end, "A", grant("a"))
		require.Error(r, err)
		r.onRead = nil
		require.Equal(r, "A", r.grant("B", grant("b")).Busy)
		require.True(r, r.grant("A", grant("a")).Granted, "its own job takes it again")
		require.True(r, r.grant("B", grant("b")).Granted)
	})
	inRig(t, "even if all come at once", func(r *rig) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				job := fmt.Sprint("J", i)
				for {
					got, err := r.log.Grant(context.Background(), end, job, grant(strings.ToLower(job)))
					if err == nil && got.Granted {
						return
					}
					time.Sleep(time.Duration(i+1) * time.Second)
				}
			})
		}
		wg.Wait()
		for i := range 8 {
			require.Contains(r, r.document, grant(fmt.Sprint("j", i)).String())
		}
		require.Equal(r, 8, r.writes)
	})
}

func TestAForeignChangeBetweenTheTwoReadsIsSeen(t *testing.T) {
	inRig(t, "and the change begins anew", func(r *rig) {
		r.onRead = func(n int) error {
			if n == 2 {
				r.set(doc(foreign))
			}
			return nil
		}
		require.True(r, r.grant("A", grant("a")).Granted)
		require.Equal(r, doc(foreign, grant("a").String()), r.document)
		require.Equal(r, 1, r.writes)
	})
	inRig(t, "and given up when it does not end", func(r *rig) {
		r.onRead = func(n int) error { r.set(doc(foreign, fmt.Sprintf(`{"Sid":"%d","Effect":"Allow"}`, n))); return nil }
		_, err := r.log.Grant(context.Background(), end, "A", grant("a"))
		require.Equal(r, fault.Conflict, fault.Of(err))
		require.Zero(r, r.writes)
		r.onRead = nil
		require.True(r, r.grant("B", grant("b")).Granted, "the lease was given back")
	})
	inRig(t, "and what is lost after our write is made again", func(r *rig) {
		r.onWrite = func(n int) error {
			if n == 1 {
				r.document = doc(foreign)
			}
			return nil
		}
		require.True(r, r.grant("A", grant("a")).Granted)
		require.Equal(r, doc(foreign, grant("a").String()), r.document)
	})
}

func TestWhateverHappensToAWriteIsLookedInto(t *testing.T) {
	lost := &fault.Error{Kind: fault.Unknown, Op: "PutBucketPolicy"}
	inRig(t, "an answer that was lost", func(r *rig) {
		r.onWrite = func(int) error { return lost }
		require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant("A", grant("a")))
		require.Equal(r, 1, r.writes)
		require.Equal(r, replication.Granting{Removed: true}, r.revoke("A", grant("a")))
		require.Empty(r, r.document)
	})
	inRig(t, "a refusal, after which nothing stands", func(r *rig) {
		r.refuse = &fault.Error{Kind: fault.Denied, Op: "PutBucketPolicy", Code: "AccessDenied"}
		_, err := r.log.Grant(context.Background(), end, "A", grant("a"))
		require.Equal(r, fault.Denied, fault.Of(err))
		r.refuse = nil
		require.True(r, r.grant("B", grant("b")).Granted, "the lease was given back")
		require.Equal(r, replication.Granting{}, r.revoke("A", grant("a")))
		require.Equal(r, doc(grant("b").String()), r.document)
	})
	inRig(t, "a death after each call", func(r *rig) {
		for step := 1; step <= 4; step++ {
			r.document, r.reads, r.writes = doc(foreign), 0, 0
			job, g := fmt.Sprint("A", step), grant(fmt.Sprint("a", step))
			ctx, die := context.WithCancel(context.Background())
			dead := errors.New("dead")
			r.onRead = func(n int) error {
				if n == step {
					die()
					return dead
				}
				return nil
			}
			r.onWrite = func(int) error {
				if step == 4 {
					die()
					return dead
				}
				return nil
			}
			_, err := r.log.Grant(ctx, end, job, g)
			require.Error(r, err)
			r.onRead, r.onWrite = nil, nil
			require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant(job, g), "step %d", step)
			require.Equal(r, doc(foreign, g.String()), r.document)
			require.Equal(r, 1, r.writes, "step %d", step)
			require.Equal(r, replication.Granting{Removed: true}, r.revoke(job, g))
			require.Equal(r, doc(foreign), r.document)
		}
	})
	inRig(t, "a log that loses answers", func(r *rig) {
		r.store.Break(memjournal.Fault{Op: memjournal.Create, Kind: memjournal.LoseReply, Times: 4})
		require.True(r, r.grant("A", grant("a")).Granted)
		require.Len(r, r.entries(), 3)
	})
	inRig(t, "a lease that nearly ran out", func(r *rig) {
		r.onRead = func(n int) error {
			if n == 2 {
				time.Sleep(50 * time.Second)
			}
			return nil
		}
		_, err := r.log.Grant(context.Background(), end, "A", grant("a"))
		require.ErrorContains(r, err, "the lease had nearly run out")
		require.Zero(r, r.writes)
	})
}

func TestAPolicyThatMayNotBeReadIsARightThatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := policylog.Log{Journal: journal.New(memjournal.New(time.Now), journal.Options{Schema: 1}), Policies: closedBucket{}, Worker: "w"}
		_, err := l.Grant(context.Background(), end, "A", grant("a"))
		require.Equal(t, fault.Denied, fault.Of(err))
		seen, err := l.BucketPolicy(context.Background(), end)
		require.NoError(t, err)
		require.Equal(t, replication.Foreign, seen.Is)
	})
}

type closedBucket struct{}

func (closedBucket) BucketPolicy(context.Context, replication.End) (replication.BucketPolicySeen, error) {
	return replication.BucketPolicySeen{Is: replication.Foreign}, nil
}

func (closedBucket) PutBucketPolicy(context.Context, replication.End, string) error { return nil }
