package sweep_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
	"github.com/replidesk/replidesk/pkg/ossrepl"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
	"github.com/replidesk/replidesk/pkg/watch"
)

// A region is a local cloud with a replicating pair and a bucket for the journal.
type region struct {
	t     *testing.T
	world *world.World
	oss   func(region string) *oss.Client
	job   *replication.Job
	sweep *sweep.Sweep
	bus   *bus
}

// newRegion makes the pair of a ticket, with so many objects in the source before.
func newRegion(t *testing.T, historical int, due time.Duration) *region {
	t.Helper()
	ctx := context.Background()
	cloud, accounts := emulator.Ready(world.Options{})
	key := accounts.A.User
	r := &region{t: t, world: cloud.World, bus: &bus{}}
	r.oss = func(region string) *oss.Client {
		return oss.NewClient(oss.LoadDefaultConfig().WithRegion(region).WithEndpoint("http://oss-" + region + ".aliyuncs.com").
			WithHttpClient(&http.Client{Transport: cloud.Transport()}).
			WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key.ID, key.Secret)))
	}
	rules := ossrepl.New(ossrepl.Config{
		Credentials: func() (string, string, string) { return key.ID, key.Secret, "" }, Transport: cloud.Transport(),
		EndpointFor: func(region string) string { return "http://oss-" + region + ".aliyuncs.com" },
	})
	time.Sleep(time.Minute) // the rights of the user spread
	for bucket, in := range map[string]string{"desk-state": "cn-hangzhou", "src": "cn-hangzhou", "dest": "cn-shanghai"} {
		_, err := r.oss(in).PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr(bucket)})
		require.NoError(t, err)
	}
	for i := range historical {
		r.put(fmt.Sprintf("old/%03d", i))
	}
	dueBy := time.Now().Add(due)
	req := replication.Request{
		ID: "CHG-1", Action: replication.ActionReplicate,
		Source:      replication.End{Account: accounts.A.UID, Region: "cn-hangzhou", Bucket: "src"},
		Destination: replication.End{Account: accounts.A.UID, Region: "cn-shanghai", Bucket: "dest"},
		Historical:  replication.Historical{Replicate: new(true), DueBy: &dueBy},
		Limits:      replication.Limits{MaxLag: replication.Duration(time.Hour)},
	}
	_, e := r.world.CreateRole(accounts.A.UID, world.NewRole{Name: replication.RoleName(req.ID), Trust: replication.TrustPolicy()})
	require.Nil(t, e)
	_, e = r.world.CreatePolicy(accounts.A.UID, replication.PolicyName(req.ID), replication.RolePolicy(req), "", nil)
	require.Nil(t, e)
	require.Nil(t, r.world.AttachPolicyToRole(accounts.A.UID, "Custom", replication.PolicyName(req.ID), replication.RoleName(req.ID), world.View{}))
	time.Sleep(time.Minute)
	rule, _, err := rules.PutRule(ctx, replication.RuleFor(req))
	require.NoError(t, err)

	r.job = &replication.Job{ID: req.ID, Request: req, Phase: replication.PhaseWatching, Since: time.Now(), Rule: &replication.Rule{ID: rule}}
	store := ossjournal.New(r.oss("cn-hangzhou"), "desk-state")
	_, err = journal.NewMarks(store).Put(ctx, journal.Mark{Set: journal.Watch, ID: req.ID, Rev: 1}, []byte("{}"))
	require.NoError(t, err)
	jobs := journal.New(store, journal.Options{Schema: replication.Schema})
	empty, err := jobs.Load(ctx, journal.Job(req.ID))
	require.NoError(t, err)
	body, err := replication.Encode(r.job, nil)
	require.NoError(t, err)
	_, err = jobs.Append(ctx, empty, body, journal.Meta{Writer: "test"})
	require.NoError(t, err)
	r.sweep = &sweep.Sweep{Worker: "w", Store: store, Progress: rules, Bus: r.bus}
	return r
}

func (r *region) put(key string) {
	r.t.Helper()
	_, err := r.oss("cn-hangzhou").PutObject(context.Background(), &oss.PutObjectRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr(key), Body: strings.NewReader("x")})
	require.NoError(r.t, err)
}

// minutes ticks once a minute; somebody writes an object every five.
func (r *region) minutes(n int) {
	r.t.Helper()
	for i := range n {
		next := time.Now().Add(time.Minute)
		if i%5 == 0 {
			r.put(fmt.Sprintf("new/%d", time.Now().Unix()))
		}
		_, err := r.sweep.Tick(context.Background())
		require.NoError(r.t, err)
		time.Sleep(time.Until(next))
	}
}

func (r *region) state() *sweep.State {
	r.t.Helper()
	s, err := journal.New(r.sweep.Store, journal.Options{Schema: sweep.Schema}).Load(context.Background(), journal.Sweep(0))
	require.NoError(r.t, err)
	st, err := sweep.Decode(s.Body)
	require.NoError(r.t, err)
	return st
}

func TestOverTheLocalCloud(t *testing.T) {
	t.Run("a pair that is throttled fires for its lag and for its backfill, and both are resolved when it is quick again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRegion(t, 100, 10*time.Hour)
			r.world.ThrottlePair("src", "dest", 10*time.Minute) // the history alone takes 17 hours now
			r.minutes(4 * 60)
			told := r.bus.told()
			require.ElementsMatch(t, []string{"CHG-1 firing watch.backfill-late", "CHG-1 firing watch.lag"}, told)
			require.Equal(t, []watch.Kind{watch.KindLag, watch.KindBackfill}, r.state().Pairs[0].Figures(time.Now()).Firing)
			for _, e := range r.bus.events {
				t.Log(e.At.Format(time.TimeOnly), e.ID, e.Message)
			}

			r.world.ThrottlePair("src", "dest", 0)
			r.minutes(30)
			require.Len(t, r.bus.events, 4)
			require.ElementsMatch(t, append(told, "CHG-1 resolved watch.recovered", "CHG-1 resolved watch.recovered"), r.bus.told())
			f := r.state().Pairs[0].Figures(time.Now())
			require.Empty(t, f.Firing)
			require.EqualValues(t, 1, *f.Backfill)
			require.Less(t, f.LagSeconds, int64(300))
		})
	})
	t.Run("a role that was taken away lets the watermark stand, and a rule that is closed is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRegion(t, 10, 24*time.Hour)
			r.minutes(30)
			require.Empty(t, r.bus.events)
			uid, id := r.job.Request.Source.Account, r.job.ID
			require.Nil(t, r.world.DetachPolicyFromRole(uid, "Custom", replication.PolicyName(id), replication.RoleName(id)))
			r.minutes(75)
			require.Equal(t, []string{"CHG-1 firing watch.lag"}, r.bus.told())

			_, err := r.oss("cn-hangzhou").DeleteBucketReplication(context.Background(), &oss.DeleteBucketReplicationRequest{Bucket: oss.Ptr("src"),
				ReplicationRules: &oss.ReplicationRules{IDs: []string{r.job.Rule.ID}}})
			require.NoError(t, err)
			r.minutes(3)
			require.Equal(t, []string{"CHG-1 firing watch.lag", "CHG-1 firing rule.vanished"}, r.bus.told())
			r.minutes(10)
			require.Len(t, r.bus.events, 2)
		})
	})
	t.Run("mishaps at every tick, each of which comes twice, change nothing in what people are told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRegion(t, 1, 24*time.Hour)
			r.minutes(15)
			r.world.PausePair("src", "dest", true)
			r.mishaps(90)
			r.world.PausePair("src", "dest", false)
			r.mishaps(20)
			require.Equal(t, []string{"CHG-1 firing watch.lag", "CHG-1 resolved watch.recovered"}, slices.Compact(r.bus.told()))
			require.Len(t, r.bus.ids(), 2)
		})
	})
}

// mishaps ticks twice at once every minute, and something goes wrong each time.
func (r *region) mishaps(minutes int) {
	r.t.Helper()
	faults := []world.Fault{
		{Action: "PutObject", Resource: "desk-state/sweep/0/*", Kind: world.FaultLoseReply},
		{Action: "GetBucketReplicationProgress", Kind: world.FaultThrottle},
		{Action: "PutObject", Resource: "desk-state/sweep/0/*", Kind: world.FaultRefuse, Status: 403, Code: "AccessDenied"},
		{Action: "GetBucketReplicationProgress", Kind: world.FaultHang},
		{Action: "GetObject", Kind: world.FaultLoseReply},
		{Action: "ListObjectsV2", Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"},
		{Action: "PutObject", Resource: "desk-state/sweep/0/*", Kind: world.FaultHang},
	}
	var hit atomic.Int32
	for m := range minutes {
		next := time.Now().Add(time.Minute)
		if m%5 == 0 {
			r.put(fmt.Sprintf("new/%d", time.Now().Unix()))
		}
		f := faults[m%len(faults)]
		f.Skip, f.Times = m%3, 1
		mend := r.world.Break(f)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := r.sweep.Tick(context.Background()); err != nil {
					hit.Add(1)
				}
			})
		}
		wg.Wait()
		mend()
		time.Sleep(time.Until(next))
	}
	require.NotZero(r.t, hit.Load(), "no fault was more than a tick could bear")
}
