package ossemu_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestAFaultOfEachKindHitsTheCallItWasOrderedFor(t *testing.T) {
	type call = func(cl *oss.Client) error
	write := func(cl *oss.Client) error {
		_, err := cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Body: body("new")})
		return err
	}
	settings := func(cl *oss.Client) error {
		_, err := cl.PutBucketTags(ctx, &oss.PutBucketTagsRequest{Bucket: oss.Ptr("data"), Tagging: &oss.Tagging{TagSet: &oss.TagSet{}}})
		return err
	}
	for name, x := range map[string]struct {
		fault   world.Fault
		call    call
		refusal string
		took    bool
	}{
		"refused":                    {world.Fault{Action: "PutObject", Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"}, write, "503 ServiceUnavailable", false},
		"an object call throttled":   {world.Fault{Resource: "data/*", Kind: world.FaultThrottle}, write, "503 TotalQpsLimitExceeded", false},
		"a bucket call throttled":    {world.Fault{Resource: "data", Kind: world.FaultThrottle}, settings, "503 MetaOperationQpsLimitExceeded", false},
		"the reply lost":             {world.Fault{Action: "PutObject", Kind: world.FaultLoseReply}, write, "", true},
		"another service is hit":     {world.Fault{Service: "ram", Kind: world.FaultThrottle}, write, "none", true},
		"another object is hit":      {world.Fault{Resource: "data/other", Kind: world.FaultThrottle}, write, "none", true},
		"the call after this is hit": {world.Fault{Action: "PutObject", Skip: 1, Kind: world.FaultThrottle}, write, "none", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			cl := c.bucket("data")
			put(t, cl, "data", "k", "old")
			remove := c.world.Break(x.fault)
			err := x.call(cl)
			remove()
			switch x.refusal {
			case "none":
				require.NoError(t, err)
			case "":
				require.ErrorContains(t, err, "unexpected EOF")
			default:
				refused(t, err, x.refusal)
			}
			want := "old"
			if x.took {
				want = "new"
			}
			require.Equal(t, want, content(t, cl, "data", "k", ""))
		})
	}
}

func TestASlowCallTakesItsTimeAndAHangingOneEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cl := c.bucket("data")
		c.world.Break(world.Fault{Action: "PutObject", Kind: world.FaultSlow, Delay: 7 * time.Second, Times: 1})
		began := time.Now()
		res := put(t, cl, "data", "k", "x")
		require.Equal(t, 7*time.Second, time.Since(began))
		require.Equal(t, "7000", res.Headers.Get("x-oss-server-time"))

		c.world.Break(world.Fault{Action: "DeleteObject", Kind: world.FaultHang})
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		began = time.Now()
		_, err := cl.DeleteObject(limited, &oss.DeleteObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
		require.Error(t, err)
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, "x", content(t, cl, "data", "k", ""), "nothing happened")
	})
}

func TestAStaleReadShowsAnObjectAsItWasBeforeItsLastChange(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	stale := func() string {
		defer c.world.Break(world.Fault{Action: "GetObject", Kind: world.FaultStaleRead, Times: 1})()
		res, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
		if err != nil {
			refused(t, err, "404 NoSuchKey")
			return "none"
		}
		return mustRead(t, res.Body)
	}
	require.Equal(t, "none", stale())
	put(t, cl, "data", "k", "one")
	require.Equal(t, "none", stale())
	put(t, cl, "data", "k", "two")
	require.Equal(t, "one", stale())
	put(t, cl, "data", "other", "x")
	require.Equal(t, "one", stale(), "another key changed")
	remove(t, cl, "data", "k", "")
	require.Equal(t, "two", stale())
	_, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
	refused(t, err, "404 NoSuchKey")
}

func TestAStaleReadShowsASettingAsItWasBeforeItsLastChange(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	info := func() (string, error) {
		res, err := cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
		if err != nil {
			return "", err
		}
		return oss.ToString(res.BucketInfo.Versioning), nil
	}
	policy := func() (string, error) {
		res, err := cl.GetBucketPolicy(ctx, &oss.GetBucketPolicyRequest{Bucket: oss.Ptr("data")})
		if err != nil {
			return "", err
		}
		return res.Body, nil
	}
	stale := func(read func() (string, error)) (string, error) {
		defer c.world.Break(world.Fault{Kind: world.FaultStaleRead, Times: 1})()
		return read()
	}
	_, err := stale(info)
	refused(t, err, "404 NoSuchBucket")
	_, err = stale(policy)
	refused(t, err, "404 NoSuchBucketPolicy")

	setPolicy(t, cl, "data", "Allow", uidB, "oss:GetObject", "acs:oss:*:*:data/*")
	_, err = stale(policy)
	refused(t, err, "404 NoSuchBucketPolicy")
	setPolicy(t, cl, "data", "Allow", uidB, "oss:PutObject", "acs:oss:*:*:data/*")
	setVersioning(t, cl, "data", "Enabled")
	old, err := stale(policy)
	require.NoError(t, err)
	require.Contains(t, old, "oss:GetObject", "versioning changed later, but it is another setting")
	now, err := policy()
	require.NoError(t, err)
	require.Contains(t, now, "oss:PutObject")
	versioning, err := stale(info)
	require.NoError(t, err)
	require.Empty(t, versioning)
	versioning, err = info()
	require.NoError(t, err)
	require.Equal(t, "Enabled", versioning)
}

func TestAStaleListDoesNotShowWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cl := c.bucket("data")
		put(t, cl, "data", "changed", "x")
		put(t, cl, "data", "old", "x")
		time.Sleep(time.Minute)
		put(t, cl, "data", "changed", "xyz")
		put(t, cl, "data", "new", "x")
		c.bucket("new-bucket")
		list := func() (keys []string, sizes []int64) {
			res, err := cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: oss.Ptr("data")})
			require.NoError(t, err)
			for _, o := range res.Contents {
				keys, sizes = append(keys, *o.Key), append(sizes, o.Size)
			}
			return keys, sizes
		}
		remove := c.world.Break(world.Fault{Kind: world.FaultStaleList, Delay: 10 * time.Second})
		keys, sizes := list()
		require.Equal(t, []string{"changed", "old"}, keys)
		require.Equal(t, []int64{1, 1}, sizes, "what was overwritten is listed as it was")
		buckets, err := cl.ListBuckets(ctx, &oss.ListBucketsRequest{})
		require.NoError(t, err)
		require.Len(t, buckets.Buckets, 1)
		require.Equal(t, "x", strings.TrimSpace(content(t, cl, "data", "new", "")), "a read is not a listing")
		time.Sleep(11 * time.Second)
		keys, _ = list()
		require.Equal(t, []string{"changed", "new", "old"}, keys)
		remove()
		_, sizes = list()
		require.Equal(t, []int64{3, 1, 1}, sizes)
	})
}

func TestTheSDKTriesAgainAfterAThrottledCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.bucket("data")
		cl := c.client(c.root, func(cfg *oss.Config) { cfg.WithRetryMaxAttempts(3) })
		c.world.Break(world.Fault{Action: "PutObject", Kind: world.FaultThrottle, Times: 2})
		put(t, cl, "data", "k", "x")
		calls, _ := c.world.Calls(0)
		require.Len(t, calls, 4, "the bucket, two refusals, the object")
		require.Equal(t, world.FaultThrottle, calls[2].Fault)
		require.Equal(t, world.FaultKind(""), calls[3].Fault)
	})
}
