package discover_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/discover"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

const uid = "1000000000000001"

// A fake is an account with n sources, each with a rule to one destination.
type fake struct {
	mu      sync.Mutex
	buckets []replication.End
	rules   map[string][]replication.RuleSeen
	owners  map[string]string
	foreign map[string]replication.BucketSeen // by account and bucket
	fail    map[string][]error                // by bucket, pair or "": errors of the next calls
	calls   map[string][]time.Time
	busy    int
	most    int
}

func account(n int) *fake {
	f := &fake{rules: map[string][]replication.RuleSeen{}, owners: map[string]string{}, foreign: map[string]replication.BucketSeen{}, fail: map[string][]error{}, calls: map[string][]time.Time{}}
	for i := range n {
		src, dst := fmt.Sprintf("src-%03d", i), fmt.Sprintf("dst-%03d", i)
		f.buckets = append(f.buckets, replication.End{Account: uid, Region: "cn-hangzhou", Bucket: src}, replication.End{Account: uid, Region: "cn-shanghai", Bucket: dst})
		f.rules[src] = []replication.RuleSeen{{ID: "rule-" + src, Destination: dst, Location: "oss-cn-shanghai", Action: "PUT", Historical: "disabled", SyncRole: "theirs", Status: replication.RuleDoing}}
	}
	return f
}

func (f *fake) do(ctx context.Context, name string) error {
	f.mu.Lock()
	f.busy++
	f.most = max(f.most, f.busy)
	f.calls[name] = append(f.calls[name], time.Now())
	var err error
	if q := f.fail[name]; len(q) > 0 {
		err, f.fail[name] = q[0], q[1:]
	}
	f.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	return errors.Join(err, ctx.Err())
}

func (f *fake) Buckets(ctx context.Context, region string) ([]replication.End, error) {
	return f.buckets, f.do(ctx, region)
}

func (f *fake) Bucket(ctx context.Context, e replication.End) (replication.BucketSeen, error) {
	return f.foreign[e.Account+"/"+e.Bucket], f.do(ctx, e.Bucket)
}

func (f *fake) Rules(ctx context.Context, e replication.End) (replication.RulesSeen, error) {
	return replication.RulesSeen{Rules: f.rules[e.Bucket]}, f.do(ctx, e.Bucket)
}

func (f *fake) Owner(ctx context.Context, pair string) (string, error) {
	return f.owners[pair], f.do(ctx, pair)
}

func (f *fake) scan() discover.Scan {
	any := replication.EndPattern{Account: "*", Region: "*", Bucket: "*"}
	return discover.Scan{Cloud: f, Pairs: f, Region: "cn-hangzhou",
		Desk: replication.Desk{Account: uid, Pairs: []replication.PairPattern{{Source: any, Destination: any}}}}
}

func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestAScan(t *testing.T) {
	bubble(t, "names the rules that nobody manages, each with the ticket that adopts it", func(t *testing.T) {
		f := account(100)
		f.owners["src-007~dst-007"] = "CHG-7"
		s := f.scan()
		var told [][2]int
		s.Progress = func(done, all int) { told = append(told, [2]int{done, all}) }
		r, err := s.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200, r.Buckets)
		require.Equal(t, 1, r.Managed)
		require.Len(t, r.Rules, 99)
		require.Empty(t, r.Unread)
		require.Equal(t, "src-000", r.Rules[0].Source.Bucket)
		require.Equal(t, "src-008", r.Rules[7].Source.Bucket)
		require.Empty(t, r.Rules[0].Problems)
		require.Equal(t, "dst-000", r.Rules[0].Ticket.Destination.Bucket)
		require.Equal(t, discover.SideBySide, f.most, "not more at a time")
		require.Len(t, told, 201)
		require.Equal(t, [2]int{200, 200}, told[200])
	})
	bubble(t, "says the same again", func(t *testing.T) {
		f := account(20)
		first, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		again, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
	bubble(t, "finds the account of a destination that is not ours among those of the desk", func(t *testing.T) {
		f := account(2)
		f.buckets = f.buckets[:3] // the second destination is not ours
		r, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, replication.ReasonAdoptAccount, r.Rules[1].Problems[0].Code)

		s := f.scan()
		s.Desk.Accounts = []replication.Account{{UID: "3000000000000003"}, {UID: "2000000000000002"}}
		f.foreign["2000000000000002/dst-001"] = replication.BucketSeen{Is: replication.Exists, Owner: "2000000000000002"}
		r, err = s.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2000000000000002", r.Rules[1].Ticket.Destination.Account)
	})
	bubble(t, "holds all calls up while the cloud asks for fewer", func(t *testing.T) {
		f := account(30)
		f.fail["src-003"] = []error{&fault.Error{Kind: fault.Throttled, After: 20 * time.Second}, fault.Throttled}
		began := time.Now()
		r, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		require.Len(t, r.Rules, 30)
		for name, at := range f.calls {
			for _, c := range at {
				after := c.Sub(began)
				require.True(t, after < 200*time.Millisecond || after >= 20*time.Second, "%s was called after %s", name, after)
			}
		}
	})
	bubble(t, "tries again what fails for a moment, and names what does not work at last", func(t *testing.T) {
		f := account(5)
		f.fail["src-001"] = []error{fault.Retryable, fault.Unknown}
		f.fail["src-002"] = []error{fault.Denied}
		f.fail["src-003"] = []error{fault.NotFound}
		f.fail["src-004~dst-004"] = []error{fault.Terminal}
		r, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		require.Len(t, r.Rules, 2)
		require.Len(t, r.Unread, 2)
		require.Equal(t, "src-002", r.Unread[0].Bucket.Bucket)
		require.Equal(t, fault.Denied, fault.Of(r.Unread[0].Err))
		require.Len(t, f.calls["src-002"], 1, "a missing right does not come by itself")
	})
	bubble(t, "gives up what fails for ever", func(t *testing.T) {
		f := account(1)
		for range 100 {
			f.fail["src-000"] = append(f.fail["src-000"], fault.Throttled)
		}
		began := time.Now()
		r, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		require.Len(t, r.Unread, 1)
		require.InDelta(t, 10, time.Since(began).Minutes(), 1, "throttling uses up time, and no tries")
	})
	bubble(t, "bears that all of the throttling falls on one call", func(t *testing.T) {
		f := account(1)
		for range 15 {
			f.fail["src-000"] = append(f.fail["src-000"], fault.Throttled)
		}
		r, err := f.scan().Run(t.Context())
		require.NoError(t, err)
		require.Len(t, r.Rules, 1)
	})
	bubble(t, "fails when the buckets cannot be listed", func(t *testing.T) {
		f := account(1)
		f.fail["cn-hangzhou"] = []error{fault.Denied}
		_, err := f.scan().Run(t.Context())
		require.Equal(t, fault.Denied, fault.Of(err))
	})
	bubble(t, "ends when it is interrupted", func(t *testing.T) {
		f := account(100)
		f.fail["src-000"] = []error{&fault.Error{Kind: fault.Throttled, After: time.Minute}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := f.scan().Run(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
