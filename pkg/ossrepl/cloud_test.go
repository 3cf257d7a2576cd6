package ossrepl_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/meter"
	"github.com/replidesk/replidesk/pkg/ossrepl"
	"github.com/replidesk/replidesk/pkg/replication"
)

// a desk is a local cloud with the buckets of one ticket and a client of ours.
type desk struct {
	t       *testing.T
	cloud   *emulator.Cloud
	as      emulator.Accounts
	client  *ossrepl.Client
	request replication.Request
}

// inCloud runs f in virtual time with a cloud of its own.
func inCloud(t *testing.T, f func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, as := emulator.Ready(world.Options{})
		no := false
		d := &desk{t: t, cloud: c, as: as, request: replication.Request{
			ID: "CHG-2041", Action: replication.ActionReplicate,
			Source:      replication.End{Account: as.A.UID, Region: "cn-hangzhou", Bucket: "src-bucket"},
			Destination: replication.End{Account: as.A.UID, Region: "cn-shanghai", Bucket: "dest-bucket"},
			Objects:     replication.Objects{Prefixes: []string{"image/", "text/"}},
			Historical:  replication.Historical{Replicate: &no},
		}}
		d.client = d.with(as.A.User)
		f(d)
	})
}

func (d *desk) with(k world.AccessKey) *ossrepl.Client {
	return ossrepl.New(ossrepl.Config{
		Credentials: func() (string, string, string) { return k.ID, k.Secret, k.Token },
		Transport:   meter.Transport(d.cloud.Transport()),
	})
}

func (d *desk) bucket(e replication.End, owner, versioning string) {
	d.t.Helper()
	require.Nil(d.t, d.cloud.World.PutBucket(world.NewBucket{Name: e.Bucket, Owner: owner, Region: e.Region}))
	if versioning != "" {
		require.Nil(d.t, d.cloud.World.PutBucketVersioning(e.Bucket, versioning))
	}
}

// role makes the role of the ticket with its policy.
func (d *desk) role() {
	d.t.Helper()
	role, policy := replication.RoleName(d.request.ID), replication.PolicyName(d.request.ID)
	_, e := d.cloud.World.CreateRole(d.as.A.UID, world.NewRole{Name: role, Trust: replication.TrustPolicy()})
	require.Nil(d.t, e)
	_, e = d.cloud.World.CreatePolicy(d.as.A.UID, policy, replication.RolePolicy(d.request), "", nil)
	require.Nil(d.t, e)
	require.Nil(d.t, d.cloud.World.AttachPolicyToRole(d.as.A.UID, "Custom", policy, role, world.View{}))
	time.Sleep(time.Minute)
}

func (d *desk) putRule() string {
	d.t.Helper()
	id, request, err := d.client.PutRule(d.t.Context(), replication.RuleFor(d.request))
	require.NoError(d.t, err)
	require.NotEmpty(d.t, id)
	require.NotEmpty(d.t, request)
	return id
}

// pair makes both buckets, the role and the rule.
func (d *desk) pair(versioning string) (ruleID string) {
	d.t.Helper()
	d.bucket(d.request.Source, d.as.A.UID, versioning)
	d.bucket(d.request.Destination, d.as.A.UID, versioning)
	d.role()
	return d.putRule()
}

func TestBucketsOfTheCloudAreToldApart(t *testing.T) {
	inCloud(t, func(d *desk) {
		ctx := d.t.Context()
		d.bucket(d.request.Source, d.as.A.UID, "Enabled")
		theirs := replication.End{Region: "cn-shanghai", Bucket: "their-bucket"}
		d.bucket(theirs, d.as.B.UID, "")

		b, err := d.client.Bucket(ctx, d.request.Source)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.BucketSeen{Is: replication.Exists, Owner: d.as.A.UID, Region: "cn-hangzhou", Versioning: "Enabled"}, b)

		ctx, counter := meter.With(ctx)
		b, err = d.client.Bucket(ctx, replication.End{Region: "us-east-1", Bucket: "src-bucket"})
		require.NoError(d.t, err)
		require.Equal(d.t, "cn-hangzhou", b.Region, "seen where it is")
		require.Equal(d.t, 2, counter.N())

		b, err = d.client.Bucket(ctx, replication.End{Region: "cn-hangzhou", Bucket: "no-such-bucket"})
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Missing, b.Is)

		for _, region := range []string{"cn-shanghai", "cn-hangzhou"} {
			b, err = d.client.Bucket(ctx, replication.End{Region: region, Bucket: theirs.Bucket})
			require.NoError(d.t, err)
			require.Equal(d.t, replication.Foreign, b.Is, "asked in %s", region)
		}
	})
}

func TestARightThatWeLackIsNoForeignBucket(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		for name, policy := range map[string]string{
			"may-list":     `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:ListBuckets","Resource":"*"}]}`,
			"may-nothing":  `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`,
			"is-forbidden": `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"oss:GetBucketInfo","Resource":"*"}]}`,
		} {
			_, err := d.with(d.cloud.World.NewUserKey(d.as.A.UID, name, []byte(policy))).Bucket(d.t.Context(), d.request.Source)
			require.Equal(d.t, fault.Denied, fault.Of(err), "%s: %v", name, err)
		}
	})
}

func TestARuleOfTheCloudLivesAndDies(t *testing.T) {
	inCloud(t, func(d *desk) {
		ctx, src := d.t.Context(), d.request.Source
		d.bucket(src, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.A.UID, "")
		d.role()

		none, err := d.client.Rules(ctx, src)
		require.NoError(d.t, err)
		require.Empty(d.t, none.Rules)
		gone, err := d.client.Progress(ctx, src, "no-such-rule")
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Missing, gone.Is)
		l, err := d.client.Locations(ctx, src)
		require.NoError(d.t, err)
		require.Contains(d.t, l.Regions, "cn-shanghai")
		require.Contains(d.t, l.RTC, "cn-shanghai")
		require.Equal(d.t, []string{"oss_acc"}, l.TransferOnly["us-west-1"])

		spec := replication.RuleFor(d.request)
		id := d.putRule()
		seen, err := d.client.Rules(ctx, src)
		require.NoError(d.t, err)
		rule, ok := seen.Find(id, d.request.Destination.Bucket)
		require.True(d.t, ok)
		require.Empty(d.t, spec.Differences(rule))
		require.Equal(d.t, replication.RuleStarting, rule.Status)
		p, err := d.client.Progress(ctx, src, id)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleStarting}, p, "no figures before doing")

		_, _, err = d.client.PutRule(ctx, spec)
		require.Equal(d.t, fault.Exists, fault.Of(err))

		time.Sleep(10 * time.Minute)
		p, err = d.client.Progress(ctx, src, id)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.RuleDoing, p.Status)
		require.False(d.t, p.Watermark.IsZero())
		require.Nil(d.t, p.Historical, "historical replication is off")

		require.NoError(d.t, d.client.CloseRule(ctx, src, id))
		require.NoError(d.t, d.client.CloseRule(ctx, src, id), "while it closes")
		seen, err = d.client.Rules(ctx, src)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.RuleClosing, seen.Rules[0].Status)
		_, _, err = d.client.PutRule(ctx, spec)
		require.Equal(d.t, fault.Exists, fault.Of(err), "also while the old one closes")

		time.Sleep(10 * time.Minute)
		require.NoError(d.t, d.client.CloseRule(ctx, src, id), "when it is gone")
		p, err = d.client.Progress(ctx, src, id)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Missing, p.Is)
	})
}

func TestEveryOptionOfATicketComesBackAsItWasPut(t *testing.T) {
	yes := true
	for name, change := range map[string]func(*replication.Request){
		"with everything": func(r *replication.Request) { r.RTC, r.ReplicateDeletes, r.Historical.Replicate = true, true, &yes },
		"all of the tags": func(r *replication.Request) {
			r.Objects.Tags = &replication.TagFilter{Match: replication.MatchAll, Set: []replication.Tag{{Key: "team", Value: "a b+c"}, {Key: "Team"}}}
		},
		"any of the tags": func(r *replication.Request) {
			r.Objects.Tags = &replication.TagFilter{Match: replication.MatchAny, Set: []replication.Tag{{Key: "z", Value: "1"}, {Key: "a", Value: "2"}}}
		},
		"within one region":       func(r *replication.Request) { r.Destination.Region = r.Source.Region },
		"the whole bucket":        func(r *replication.Request) { r.Objects.Prefixes = nil },
		"prefixes of odd letters": func(r *replication.Request) { r.Objects.Prefixes = []string{"a & b/", "<ü>/"} },
		"over the accelerated link": func(r *replication.Request) {
			r.Destination.Region, r.TransferAcceleration = "us-west-1", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCloud(t, func(d *desk) {
				change(&d.request)
				id := d.pair("")
				seen, err := d.client.Rules(d.t.Context(), d.request.Source)
				require.NoError(d.t, err)
				rule, ok := seen.Find(id, d.request.Destination.Bucket)
				require.True(d.t, ok)
				require.Empty(d.t, replication.RuleFor(d.request).Differences(rule))
			})
		})
	}
}

func TestRefusalsOfAPutHaveTheirKinds(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(d *desk, s *replication.RuleSpec)
		kind  fault.Kind
		code  string
	}{
		"a role that does not exist":      {func(_ *desk, s *replication.RuleSpec) { s.SyncRole = "nobody" }, fault.Denied, "NoPermission"},
		"a destination elsewhere":         {func(_ *desk, s *replication.RuleSpec) { s.Destination.Region = "us-east-1" }, fault.Terminal, "InvalidTargetLocation"},
		"a destination that is not there": {func(_ *desk, s *replication.RuleSpec) { s.Destination.Bucket = "nothing" }, fault.Terminal, "InvalidTargetBucket"},
		"a source that is not there":      {func(_ *desk, s *replication.RuleSpec) { s.Source.Bucket = "nothing" }, fault.NotFound, "NoSuchBucket"},
		"a throttled service": {func(d *desk, _ *replication.RuleSpec) {
			d.cloud.World.Break(world.Fault{Action: "PutBucketReplication", Kind: world.FaultThrottle})
		}, fault.Throttled, "MetaOperationQpsLimitExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			inCloud(t, func(d *desk) {
				d.bucket(d.request.Source, d.as.A.UID, "")
				d.bucket(d.request.Destination, d.as.A.UID, "")
				d.role()
				spec := replication.RuleFor(d.request)
				c.spoil(d, &spec)
				_, _, err := d.client.PutRule(d.t.Context(), spec)
				require.Equal(d.t, c.kind, fault.Of(err), "%v", err)
				var f *fault.Error
				require.ErrorAs(d.t, err, &f)
				require.Equal(d.t, c.code, f.Code)
				require.NotEmpty(d.t, f.RequestID)
			})
		})
	}
}

func TestAPutWhoseAnswerWasLostIsUnknownAndFoundAfterwards(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.A.UID, "")
		d.role()
		d.cloud.World.Break(world.Fault{Action: "PutBucketReplication", Kind: world.FaultLoseReply, Times: 1})
		ctx, counter := meter.With(d.t.Context())
		_, _, err := d.client.PutRule(ctx, replication.RuleFor(d.request))
		require.Equal(d.t, fault.Unknown, fault.Of(err))
		require.Equal(d.t, 1, counter.N(), "tried once")
		seen, err := d.client.Rules(ctx, d.request.Source)
		require.NoError(d.t, err)
		require.Len(d.t, seen.Rules, 1)
	})
}

func TestACallThatHangsEndsWithItsContext(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		d.cloud.World.Break(world.Fault{Kind: world.FaultHang})
		ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		_, err := d.client.Bucket(ctx, d.request.Source)
		require.Equal(d.t, fault.Unknown, fault.Of(err))
		require.ErrorIs(d.t, err, context.DeadlineExceeded)
		require.Equal(d.t, 2*time.Second, time.Since(began))
	})
}

func TestACanaryArrivesAndIsCleanedUp(t *testing.T) {
	for _, versioning := range []string{"", "Enabled"} {
		t.Run(fmt.Sprintf("versioning %q", versioning), func(t *testing.T) {
			inCloud(t, func(d *desk) {
				ctx, src, dst := d.t.Context(), d.request.Source, d.request.Destination
				d.pair(versioning)
				time.Sleep(10 * time.Minute)
				key := replication.CanaryKey(d.request)

				empty, err := d.client.Empty(ctx, src, d.request.Objects.Prefixes)
				require.NoError(d.t, err)
				require.True(d.t, empty)
				stored, err := d.client.Put(ctx, src, replication.Canary{Key: key, Content: "hello", Meta: map[string]string{"replidesk-turn": "1"}})
				require.NoError(d.t, err)
				require.NotEmpty(d.t, stored.CRC64)
				require.NotEmpty(d.t, stored.ETag)
				require.Equal(d.t, versioning != "", stored.VersionID != "")
				empty, err = d.client.Empty(ctx, src, d.request.Objects.Prefixes)
				require.NoError(d.t, err)
				require.True(d.t, empty, "objects of our own do not count")

				original, err := d.client.Head(ctx, src, key)
				require.NoError(d.t, err)
				written := original.LastModified
				original.LastModified = time.Time{}
				require.Equal(d.t, stored, original)

				time.Sleep(5 * time.Minute)
				replica, err := d.client.Head(ctx, dst, key)
				require.NoError(d.t, err)
				require.Equal(d.t, written, replica.LastModified, "the copy has the time of its source")
				replica.LastModified = time.Time{}
				require.Equal(d.t, original, replica)

				_, err = d.client.Put(ctx, src, replication.Canary{Key: key, Content: "again"})
				require.NoError(d.t, err)
				require.NoError(d.t, d.client.Delete(ctx, src, key))
				require.NoError(d.t, d.client.Delete(ctx, src, key), "once more does no harm")
				o, err := d.client.Head(ctx, src, key)
				require.NoError(d.t, err)
				require.Equal(d.t, replication.ObjectSeen{Is: replication.Missing, Hidden: versioning != ""}, o)

				_, err = d.client.Put(ctx, src, replication.Canary{Key: key + "-beside", Content: "stays"})
				require.NoError(d.t, err)
				left, err := d.client.Purge(ctx, src, []string{key, "never/was"})
				require.NoError(d.t, err)
				require.Empty(d.t, left)
				versions, e := d.cloud.World.ListObjects(src.Bucket, world.ListQuery{Prefix: key, Versions: true, Max: 100})
				require.Nil(d.t, e)
				require.Len(d.t, versions.Versions, 1, "only the object beside")
				left, err = d.client.Purge(ctx, src, []string{key})
				require.NoError(d.t, err)
				require.Empty(d.t, left)
			})
		})
	}
}

func TestPurgeLeavesWhatOurRightsDoNotReach(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "Enabled")
		_, err := d.client.Put(d.t.Context(), d.request.Source, replication.Canary{Key: "k", Content: "x"})
		require.NoError(d.t, err)
		narrow := d.cloud.World.NewUserKey(d.as.A.UID, "narrow", []byte(`{"Version":"1","Statement":[
			{"Effect":"Allow","Action":["oss:GetBucketInfo","oss:ListObjectVersions","oss:DeleteObject"],"Resource":"*"}]}`))
		left, err := d.with(narrow).Purge(d.t.Context(), d.request.Source, []string{"k"})
		require.NoError(d.t, err)
		require.Equal(d.t, []string{"k"}, left)
	})
}

func TestTheCloudIsReachedByAddressToo(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		k := d.as.A.User
		c := ossrepl.New(ossrepl.Config{
			Credentials: func() (string, string, string) { return k.ID, k.Secret, k.Token },
			Transport:   d.cloud.Transport(),
			EndpointFor: func(string) string { return "http://127.0.0.1:9000" },
		})
		b, err := c.Bucket(d.t.Context(), d.request.Source)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Exists, b.Is)
		b, err = c.Bucket(d.t.Context(), replication.End{Region: "cn-shanghai", Bucket: d.request.Source.Bucket})
		require.NoError(d.t, err)
		require.Equal(d.t, "cn-hangzhou", b.Region)
	})
}
