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

// keyring keeps the policies of keys, as KMS does: as a whole, without a precondition.
type keyring struct{ bucket }

const keyARN = "acs:kms:cn-hangzhou:2000000000000002:key/key-1"

func (k *keyring) KeyPolicy(ctx context.Context, e replication.End, key string) (replication.KeyPolicySeen, error) {
	if key != keyARN {
		return replication.KeyPolicySeen{}, errors.New("another key")
	}
	s, err := k.BucketPolicy(ctx, e)
	return replication.KeyPolicySeen(s), err
}

func (k *keyring) SetKeyPolicy(ctx context.Context, e replication.End, key, document string) error {
	if key != keyARN || document == "" {
		return errors.New("no key is without a policy")
	}
	return k.PutBucketPolicy(ctx, e, document)
}

const owners = `{"Sid":"kms default key policy", "Effect":"Allow","Principal":{"RAM":["acs:ram::2000000000000002:*"]},"Action":["kms:*"],"Resource":["*"]}`

// loan returns the statement that lends the key to a role.
func loan(role string) replication.ResourceGrant {
	return replication.ResourceGrant{Key: keyARN, Principal: "acs:ram::1000000000000001:role/" + role,
		Actions: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resources: []string{"*"}}
}

type keyRig struct {
	rig
	keys *keyring
}

func inKeyRig(t *testing.T, name string, f func(r *keyRig)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := &keyring{}
			k.document = doc(owners)
			r := &keyRig{rig{T: t, bucket: &k.bucket, store: memjournal.New(time.Now)}, k}
			r.journal = journal.New(r.store, journal.Options{Schema: 1})
			r.log = policylog.Log{Journal: r.journal, Policies: r.bucket, Keys: k, Worker: "w"}
			f(r)
		})
	})
}

func TestAKeyIsLentUnderItsOwnLease(t *testing.T) {
	inKeyRig(t, "once, and taken back exactly", func(r *keyRig) {
		require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant("A", loan("a")))
		require.Equal(r, doc(owners, loan("a").String()), r.document)
		newest, err := r.journal.Load(context.Background(), journal.Key(keyARN))
		require.NoError(r, err)
		require.EqualValues(r, 3, newest.Seq, "the lease, the policy before the write, the reliance")
		saved, err := r.journal.LoadAt(context.Background(), journal.Key(keyARN), 2)
		require.NoError(r, err)
		require.Contains(r, string(saved.Body), `"before":"{\"Version\":\"1\"`)
		require.True(r, r.grant("A", loan("a")).Granted, "to do it again does nothing")
		require.Equal(r, 1, r.writes)
		require.Equal(r, replication.Granting{Removed: true}, r.revoke("A", loan("a")))
		require.Equal(r, doc(owners), r.document)
		require.Equal(r, replication.Granting{}, r.revoke("A", loan("a")))
		require.Equal(r, 2, r.writes)
		bucket, err := r.journal.Load(context.Background(), journal.Bucket(end.Bucket))
		require.NoError(r, err)
		require.False(r, bucket.Exists(), "the lease of the bucket is another one")
	})
	inKeyRig(t, "not when its owner did that before, who keeps it", func(r *keyRig) {
		theirs := strings.Replace(loan("a").String(), `{"Effect"`, `{"Sid":"console","Effect"`, 1)
		r.document = doc(owners, theirs)
		require.Equal(r, replication.Granting{Granted: true}, r.grant("A", loan("a")))
		require.Equal(r, replication.Granting{}, r.revoke("A", loan("a")))
		require.Equal(r, doc(owners, theirs), r.document)
		require.Zero(r, r.writes)
	})
	inKeyRig(t, "to two jobs at once, and both statements survive", func(r *keyRig) {
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				job := fmt.Sprint("j", i)
				for got := (replication.Granting{}); !got.Granted; time.Sleep(time.Duration(i+1) * time.Second) {
					got, _ = r.log.Grant(context.Background(), end, job, loan(job)) // one that is busy is asked again
				}
			})
		}
		wg.Wait()
		for i := range 6 {
			require.Contains(r, r.document, loan(fmt.Sprint("j", i)).String())
		}
		r.revoke("j3", loan("j3"))
		require.NotContains(r, r.document, loan("j3").String())
		require.Equal(r, 5, strings.Count(r.document, "role/j"))
	})
	inKeyRig(t, "to a role that two jobs share, until the last goes", func(r *keyRig) {
		r.grant("A", loan("shared"))
		r.grant("B", loan("shared"))
		require.Equal(r, 1, r.writes)
		require.Equal(r, "because other jobs rely on it", r.revoke("A", loan("shared")).Left)
		require.Equal(r, doc(owners, loan("shared").String()), r.document)
		require.True(r, r.revoke("B", loan("shared")).Removed)
		require.Equal(r, doc(owners), r.document)
	})
	inKeyRig(t, "and stays lent when nothing else is in its policy", func(r *keyRig) {
		r.grant("A", loan("a"))
		r.set(doc(loan("a").String()))
		require.Contains(r, r.revoke("A", loan("a")).Left, "it is the only one")
		require.Equal(r, doc(loan("a").String()), r.document)
	})
	inKeyRig(t, "and is gone when it was deleted", func(r *keyRig) {
		r.grant("A", loan("a"))
		r.set("")
		require.Equal(r, replication.Granting{}, r.revoke("A", loan("a")))
	})
	inKeyRig(t, "not against a Deny", func(r *keyRig) {
		r.document = doc(owners, `{"Effect":"Deny","Principal":{"RAM":["*"]},"Action":["kms:*"],"Resource":["*"]}`)
		require.Equal(r, replication.ReasonKMSKeyDenied, r.grant("A", loan("a")).Reason)
		require.Zero(r, r.writes)
	})
}

func TestWhateverHappensToTheLoanOfAKeyIsLookedInto(t *testing.T) {
	inKeyRig(t, "an edit of its owner between the two reads", func(r *keyRig) {
		theirs := `{"Effect":"Allow","Principal":{"RAM":["acs:ram::2000000000000002:user/new"]},"Action":["kms:*"],"Resource":["*"]}`
		r.onRead = func(n int) error {
			if n == 2 {
				r.set(doc(owners, theirs))
			}
			return nil
		}
		require.True(r, r.grant("A", loan("a")).Granted)
		require.Equal(r, doc(owners, theirs, loan("a").String()), r.document)
		require.Equal(r, 1, r.writes)
	})
	inKeyRig(t, "an answer that was lost", func(r *keyRig) {
		r.onWrite = func(int) error { return &fault.Error{Kind: fault.Unknown, Op: "SetKeyPolicy"} }
		require.Equal(r, replication.Granting{Granted: true, Made: true}, r.grant("A", loan("a")))
		require.Equal(r, replication.Granting{Removed: true}, r.revoke("A", loan("a")))
		require.Equal(r, doc(owners), r.document)
		require.Equal(r, 2, r.writes)
	})
	inKeyRig(t, "an instance that lets no further account in", func(r *keyRig) {
		r.refuse = &fault.Error{Kind: fault.Quota, Op: "SetKeyPolicy", Code: "Rejected.LimitExceeded"}
		_, err := r.log.Grant(context.Background(), end, "A", loan("a"))
		require.Equal(r, fault.Quota, fault.Of(err))
		r.refuse = nil
		require.True(r, r.grant("B", loan("b")).Granted, "the lease was given back")
		require.Equal(r, replication.Granting{}, r.revoke("A", loan("a")))
		require.Equal(r, doc(owners, loan("b").String()), r.document)
	})
	inKeyRig(t, "a refusal, after which its owner does it, and keeps it", func(r *keyRig) {
		r.refuse = &fault.Error{Kind: fault.Denied, Op: "SetKeyPolicy", Code: "Forbidden.NoPermission"}
		_, err := r.log.Grant(context.Background(), end, "A", loan("a"))
		require.Equal(r, fault.Denied, fault.Of(err))
		r.set(doc(owners, loan("a").String()))
		require.Equal(r, replication.Granting{Granted: true}, r.grant("A", loan("a")))
		require.Equal(r, replication.Granting{}, r.revoke("A", loan("a")))
		require.Equal(r, doc(owners, loan("a").String()), r.document)
	})
	inKeyRig(t, "a death after each call", func(r *keyRig) {
		for step := 1; step <= 4; step++ {
			r.document, r.reads, r.writes = doc(owners), 0, 0
			job, g := fmt.Sprint("A", step), loan(fmt.Sprint("a", step))
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
			require.Equal(r, doc(owners, g.String()), r.document)
			require.Equal(r, 1, r.writes, "step %d", step)
			require.Equal(r, replication.Granting{Removed: true}, r.revoke(job, g))
			require.Equal(r, doc(owners), r.document)
		}
	})
}
