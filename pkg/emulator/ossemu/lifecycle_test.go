//lint:file-ignore SA1019 OSS still takes the date that the SDK advises against, so the local cloud does too

package ossemu_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const aDay = 24 * time.Hour

// tryAging sets the lifecycle rules of a bucket. They are for all objects and
// enabled, unless they say otherwise.
func (c *lab) tryAging(bucket string, rules ...oss.LifecycleRule) error {
	for i := range rules {
		if rules[i].Status == nil {
			rules[i].Status = oss.Ptr("Enabled")
		}
	}
	_, err := c.at(bucket).PutBucketLifecycle(c.ctx, &oss.PutBucketLifecycleRequest{
		Bucket: oss.Ptr(bucket), LifecycleConfiguration: &oss.LifecycleConfiguration{Rules: rules}})
	return err
}

func (c *lab) aging(bucket string, rules ...oss.LifecycleRule) {
	c.Helper()
	require.NoError(c, c.tryAging(bucket, rules...))
}

func expireAfter(days int32) *oss.LifecycleRuleExpiration {
	return &oss.LifecycleRuleExpiration{Days: oss.Ptr(days)}
}

func transition(days int32, class oss.StorageClassType) oss.LifecycleRuleTransition {
	return oss.LifecycleRuleTransition{Days: oss.Ptr(days), StorageClass: class}
}

func (c *lab) class(bucket, key string) string {
	c.Helper()
	v, e := c.w.Object(bucket, key, "", false)
	require.Nil(c, e)
	return v.StorageClass
}

func TestLifecycleRulesArePutReadAndDeleted(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		get := func() ([]oss.LifecycleRule, error) {
			res, err := c.at("data").GetBucketLifecycle(c.ctx, &oss.GetBucketLifecycleRequest{Bucket: oss.Ptr("data")})
			if err != nil {
				return nil, err
			}
			return res.LifecycleConfiguration.Rules, nil
		}
		_, err := get()
		c.refused(err, 404, "NoSuchLifecycle", "")
		rules := []oss.LifecycleRule{
			{ID: oss.Ptr("a"), Prefix: oss.Ptr("a/ "), Expiration: expireAfter(90), Transitions: []oss.LifecycleRuleTransition{transition(30, "IA"), transition(60, "Archive")},
				Tags: []oss.Tag{{Key: oss.Ptr("k"), Value: oss.Ptr("v")}, {Key: oss.Ptr("l"), Value: oss.Ptr("")}}},
			{ID: oss.Ptr("b"), Prefix: oss.Ptr("b/"), Expiration: &oss.LifecycleRuleExpiration{ExpiredObjectDeleteMarker: oss.Ptr(true)},
				NoncurrentVersionExpiration: &oss.NoncurrentVersionExpiration{NoncurrentDays: oss.Ptr(int32(5))}, AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(1))}},
			{ID: oss.Ptr("c"), Prefix: oss.Ptr("c/"), Status: oss.Ptr("Disabled"), Expiration: &oss.LifecycleRuleExpiration{CreatedBeforeDate: oss.Ptr("2002-10-11T00:00:00.000Z")}},
			{ID: oss.Ptr("d"), Prefix: oss.Ptr("d/"), Expiration: &oss.LifecycleRuleExpiration{Date: oss.Ptr("2002-10-11T00:00:00.000Z")}},
		}
		c.aging("data", rules...)
		got, err := get()
		require.NoError(c, err)
		require.Equal(c, rules, got)
		c.aging("data", oss.LifecycleRule{Expiration: expireAfter(1)})
		got, err = get()
		require.NoError(c, err)
		require.Len(c, got, 1, "all rules are replaced")
		require.Len(c, *got[0].ID, 36, "an id is made up")

		c.w.Break(world.Fault{Action: "GetBucketLifecycle", Kind: world.FaultStaleRead, Times: 1})
		got, err = get()
		require.NoError(c, err)
		require.Equal(c, rules, got, "a stale read shows the rules of before")
		_, err = c.at("data").DeleteBucketLifecycle(c.ctx, &oss.DeleteBucketLifecycleRequest{Bucket: oss.Ptr("data")})
		require.NoError(c, err)
		_, err = get()
		c.refused(err, 404, "NoSuchLifecycle", "")
		c.put("data", "k", "x")
		time.Sleep(10 * aDay)
		c.has("data", "k", "x")
	})
}

func TestLifecycleRulesThatCannotBeAreRefused(t *testing.T) {
	type rules = []oss.LifecycleRule
	days, zero := oss.Ptr(int32(1)), oss.Ptr(int32(0))
	tags := []oss.Tag{{Key: oss.Ptr("k"), Value: oss.Ptr("v")}}
	midday := oss.Ptr("2002-10-11T12:00:00.000Z")
	var thousand rules
	for i := range 1001 {
		thousand = append(thousand, oss.LifecycleRule{Prefix: oss.Ptr(strings.Repeat("x", i) + "/"), Expiration: expireAfter(1)})
	}
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		for _, tc := range []struct {
			name     string
			rules    rules
			status   int
			code, ec string
		}{
			{"no rule", nil, 400, "MalformedXML", ""},
			{"a rule that does nothing", rules{{}}, 400, "InvalidArgument", ""},
			{"an unknown status", rules{{Status: oss.Ptr("On"), Expiration: expireAfter(1)}}, 400, "MalformedXML", "0014-00000024"},
			{"the same id twice", rules{{ID: oss.Ptr("i"), Prefix: oss.Ptr("a"), Expiration: expireAfter(1)}, {ID: oss.Ptr("i"), Prefix: oss.Ptr("b"), Expiration: expireAfter(1)}}, 400, "InvalidArgument", "0014-00000020"},
			{"a long id", rules{{ID: oss.Ptr(strings.Repeat("i", 256)), Expiration: expireAfter(1)}}, 400, "InvalidArgument", ""},
			{"an expiration that says nothing", rules{{Expiration: &oss.LifecycleRuleExpiration{}}}, 400, "InvalidArgument", "0014-00000060"},
			{"an expiration that says two things", rules{{Expiration: &oss.LifecycleRuleExpiration{Days: days, CreatedBeforeDate: oss.Ptr("2002-10-11T00:00:00.000Z")}}}, 400, "InvalidArgument", "0014-00000060"},
			{"delete markers with an age", rules{{Expiration: &oss.LifecycleRuleExpiration{Days: days, ExpiredObjectDeleteMarker: oss.Ptr(true)}}}, 400, "InvalidArgument", ""},
			{"no delete markers without an age", rules{{Expiration: &oss.LifecycleRuleExpiration{ExpiredObjectDeleteMarker: oss.Ptr(false)}}}, 400, "InvalidArgument", "0014-00000060"},
			{"no day", rules{{Expiration: &oss.LifecycleRuleExpiration{Days: zero}}}, 400, "InvalidArgument", ""},
			{"a date in the middle of the day", rules{{Expiration: &oss.LifecycleRuleExpiration{CreatedBeforeDate: midday}}}, 400, "InvalidArgument", ""},
			{"a date that is none", rules{{Expiration: &oss.LifecycleRuleExpiration{Date: oss.Ptr("soon")}}}, 400, "InvalidArgument", ""},
			{"a transition to the warmest class", rules{{Transitions: []oss.LifecycleRuleTransition{transition(1, "Standard")}}}, 400, "InvalidArgument", ""},
			{"transitions in the wrong order", rules{{Transitions: []oss.LifecycleRuleTransition{transition(60, "IA"), transition(30, "Archive")}}}, 400, "InvalidArgument", ""},
			{"transitions in the wrong order the other way about", rules{{Transitions: []oss.LifecycleRuleTransition{transition(30, "Archive"), transition(60, "IA")}}}, 400, "InvalidArgument", ""},
			{"the same transition twice", rules{{Transitions: []oss.LifecycleRuleTransition{transition(30, "IA"), transition(60, "IA")}}}, 400, "InvalidArgument", ""},
			{"an expiration before the transition", rules{{Expiration: expireAfter(30), Transitions: []oss.LifecycleRuleTransition{transition(30, "IA")}}}, 400, "InvalidArgument", ""},
			{"a transition by the last access", rules{{Transitions: []oss.LifecycleRuleTransition{{Days: days, StorageClass: "IA", IsAccessTime: oss.Ptr(true)}}}}, 501, "NotImplemented", ""},
			{"a transition of older versions", rules{{NoncurrentVersionTransitions: []oss.NoncurrentVersionTransition{{NoncurrentDays: days, StorageClass: "IA"}}}}, 501, "NotImplemented", ""},
			{"a filter by size", rules{{Expiration: expireAfter(1), Filter: &oss.LifecycleRuleFilter{ObjectSizeLessThan: oss.Ptr(int64(1))}}}, 501, "NotImplemented", ""},
			{"a tag without a key", rules{{Expiration: expireAfter(1), Tags: []oss.Tag{{Value: oss.Ptr("v")}}}}, 400, "MalformedXML", ""},
			{"two rules for one prefix", rules{{Prefix: oss.Ptr("a"), Expiration: expireAfter(9)}, {Prefix: oss.Ptr("a"), Transitions: []oss.LifecycleRuleTransition{transition(1, "IA")}}}, 400, "InvalidArgument", "0014-00000085"},
			{"two rules that do the same to one object", rules{{Prefix: oss.Ptr("a"), Expiration: expireAfter(9)}, {Prefix: oss.Ptr("a/b"), Expiration: expireAfter(1)}}, 400, "InvalidArgument", "0014-00000084"},
			{"more than a thousand rules", thousand, 400, "InvalidArgument", "0014-00000014"},
		} {
			c.Log(tc.name)
			c.refused(c.tryAging("data", tc.rules...), tc.status, tc.code, tc.ec)
		}
		require.NoError(c, c.tryAging("data", rules{
			{Prefix: oss.Ptr("a"), Expiration: expireAfter(9)}, {Prefix: oss.Ptr("a/b"), Transitions: []oss.LifecycleRuleTransition{transition(1, "IA")}},
			{Prefix: oss.Ptr("a"), Tags: tags, Expiration: expireAfter(1)},
		}...), "rules that do different things or are for other tags may meet")
		_, err := c.at("data").PutBucketLifecycle(c.ctx, &oss.PutBucketLifecycleRequest{Bucket: oss.Ptr("data"), AllowSameActionOverlap: oss.Ptr("true"),
			LifecycleConfiguration: &oss.LifecycleConfiguration{Rules: rules{
				{Status: oss.Ptr("Enabled"), Prefix: oss.Ptr("a"), Expiration: expireAfter(9)}, {Status: oss.Ptr("Enabled"), Prefix: oss.Ptr("a/b"), Expiration: expireAfter(1)}}}})
		require.NoError(c, err, "unless it is allowed")
		c.put("data", "a/b", "x")
		c.put("data", "a/c", "x")
		time.Sleep(3 * aDay)
		c.lacks("data", "a/b")
		c.has("data", "a/c", "x")
	})
}

func TestObjectsGrowOldInDaysOfTheClock(t *testing.T) {
	inLab(t, world.Options{Speed: 1000}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		time.Sleep(time.Hour)
		c.put("data", "old/1", "x")
		c.put("data", "other", "x")
		c.put("data", "old/tagged", "x", func(q *oss.PutObjectRequest) { q.Tagging = oss.Ptr("keep=no&a=1") })
		c.put("data", "cool/1", "x")
		c.put("data", "frozen/1", "x", func(q *oss.PutObjectRequest) { q.StorageClass = "ColdArchive" })
		began, err := c.at("data").InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("up/1")})
		require.NoError(c, err)
		c.aging("data",
			oss.LifecycleRule{Prefix: oss.Ptr("old/1"), Expiration: expireAfter(2)},
			oss.LifecycleRule{Prefix: oss.Ptr("old/"), Tags: []oss.Tag{{Key: oss.Ptr("keep"), Value: oss.Ptr("no")}}, Expiration: expireAfter(1)},
			oss.LifecycleRule{Prefix: oss.Ptr("cool/"), Transitions: []oss.LifecycleRuleTransition{transition(1, "IA"), transition(3, "Archive")}},
			oss.LifecycleRule{Prefix: oss.Ptr("frozen/"), Transitions: []oss.LifecycleRuleTransition{transition(1, "IA")}},
			oss.LifecycleRule{Prefix: oss.Ptr("up/"), AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(1))}},
			oss.LifecycleRule{Prefix: oss.Ptr("other"), Status: oss.Ptr("Disabled"), Expiration: expireAfter(1)},
		)
		at := func(days int) { time.Sleep(time.Until(time.Date(2000, 1, 1+days, 0, 0, 1, 0, time.UTC))) }
		at(1) // an hour less than a day old
		c.has("data", "old/tagged", "x")
		require.Equal(c, "Standard", c.class("data", "cool/1"))
		at(2)
		c.lacks("data", "old/tagged")
		c.has("data", "old/1", "x")
		require.Equal(c, "IA", c.class("data", "cool/1"))
		_, err = c.at("data").ListParts(c.ctx, &oss.ListPartsRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("up/1"), UploadId: began.UploadId})
		c.refused(err, 404, "NoSuchUpload", "0042-00000002")
		at(3)
		c.lacks("data", "old/1")
		at(5)
		require.Equal(c, "Archive", c.class("data", "cool/1"))
		require.Equal(c, "ColdArchive", c.class("data", "frozen/1"), "objects do not get warmer")
		c.has("data", "other", "x")
	})
}

func TestObjectsExpireByDate(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		c.put("data", "before/1", "x")
		c.put("data", "from/1", "x")
		time.Sleep(2*aDay + time.Hour)
		c.put("data", "before/2", "x")
		c.put("data", "from/2", "x")
		c.aging("data",
			oss.LifecycleRule{Prefix: oss.Ptr("before/"), Expiration: &oss.LifecycleRuleExpiration{CreatedBeforeDate: oss.Ptr("2000-01-03T00:00:00.000Z")}},
			oss.LifecycleRule{Prefix: oss.Ptr("from/"), Expiration: &oss.LifecycleRuleExpiration{Date: oss.Ptr("2000-01-06T00:00:00.000Z")}})
		time.Sleep(aDay)
		c.lacks("data", "before/1")
		c.has("data", "before/2", "x")
		c.has("data", "from/1", "x")
		time.Sleep(2 * aDay)
		c.lacks("data", "from/1")
		c.lacks("data", "from/2")
		c.has("data", "before/2", "x")
	})
}

func TestInAVersionedBucketExpirationHidesAndOlderVersionsGoApart(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		c.versioned("data")
		time.Sleep(time.Second)
		first := c.put("data", "k", "1")
		second := c.put("data", "k", "2")
		c.aging("data", oss.LifecycleRule{Expiration: expireAfter(3)})
		time.Sleep(5 * aDay)
		c.lacks("data", "k")
		versions := c.versions("data", "k")
		require.Len(c, versions, 3, "one delete marker, not one a day")
		require.Equal(c, []string{second, first}, versions[1:])
		c.aging("data", oss.LifecycleRule{Expiration: &oss.LifecycleRuleExpiration{ExpiredObjectDeleteMarker: oss.Ptr(true)}})
		time.Sleep(2 * aDay)
		require.Equal(c, versions, c.versions("data", "k"), "a marker that hides something stays")

		c.aging("data", oss.LifecycleRule{NoncurrentVersionExpiration: &oss.NoncurrentVersionExpiration{NoncurrentDays: oss.Ptr(int32(2))}})
		time.Sleep(aDay)
		require.Len(c, c.versions("data", "k"), 1, "both are older versions for long enough")
		time.Sleep(5 * aDay)
		require.Len(c, c.versions("data", "k"), 1, "the marker is the current version")
		c.aging("data", oss.LifecycleRule{Expiration: &oss.LifecycleRuleExpiration{ExpiredObjectDeleteMarker: oss.Ptr(true)}})
		time.Sleep(aDay)
		require.Empty(c, c.versions("data", "k"))
	})
}

func TestWhatALifecycleRuleDeletesIsDeletedAtTheDestinationUnderALLOnly(t *testing.T) {
	for actions, arrives := range map[string]bool{"ALL": true, "PUT": false} {
		t.Run(actions+" without versions", func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				c.replicating("src", toDst(action(actions)))
				c.put("src", "key", "x")
				began, err := c.at("src").InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film")})
				require.NoError(c, err)
				time.Sleep(time.Minute)
				c.has("dst", "key", "x")
				c.aging("src", oss.LifecycleRule{Expiration: expireAfter(1), AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(1))}})
				time.Sleep(2 * aDay)
				c.lacks("src", "key")
				_, exists := c.content("dst", "key")
				require.Equal(c, !arrives, exists)
				uploads, e := c.w.Uploads("dst", 0)
				require.Nil(c, e)
				require.Equal(c, !arrives, len(uploads) == 1 && uploads[0].ID == *began.UploadId)
			})
		})
		t.Run(actions+" with versions", func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				c.versioned("src", "dst")
				c.replicating("src", toDst(action(actions)))
				first := c.put("src", "key", "x")
				c.aging("src", oss.LifecycleRule{Expiration: expireAfter(1)})
				time.Sleep(2 * aDay)
				c.lacks("src", "key")
				c.lacks("dst", "key") // the delete marker is replicated in any case
				require.Equal(c, c.versions("src", "key"), c.versions("dst", "key"))
				c.aging("src", oss.LifecycleRule{NoncurrentVersionExpiration: &oss.NoncurrentVersionExpiration{NoncurrentDays: oss.Ptr(int32(1))}})
				time.Sleep(2 * aDay)
				require.NotContains(c, c.versions("src", "key"), first)
				require.Equal(c, !arrives, len(c.versions("dst", "key")) == 2)
			})
		})
	}
}

func TestAChangeOfTheStorageClassByALifecycleRuleIsNotReplicated(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		c.put("src", "key", "x")
		time.Sleep(time.Minute)
		copied := c.w.ReplicationStats("src", "dst")
		c.aging("src", oss.LifecycleRule{Transitions: []oss.LifecycleRuleTransition{transition(1, "IA")}})
		time.Sleep(3 * aDay)
		require.Equal(c, "IA", c.class("src", "key"))
		require.Equal(c, "Standard", c.class("dst", "key"))
		require.Equal(c, copied, c.w.ReplicationStats("src", "dst"), "nothing was copied for it")
		require.WithinDuration(c, time.Now(), c.watermark("src", id), 10*time.Second)
	})
}

func TestTheLifecycleOfABucketEndsWithIt(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		c.aging("data", oss.LifecycleRule{Expiration: expireAfter(1)})
		_, err := c.at("data").DeleteBucket(c.ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr("data")})
		require.NoError(c, err)
		c.bucket(accountA, inHangzhou, "data")
		c.put("data", "k", "x")
		time.Sleep(3 * aDay)
		c.has("data", "k", "x")
	})
}
