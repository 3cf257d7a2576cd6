package ossemu_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/ossemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// lag is how far the watermark is behind.
func (c *lab) lag(src, id string) time.Duration { return time.Since(c.watermark(src, id)) }

func TestAThrottledPairFallsBehindAndDrains(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		time.Sleep(time.Minute)
		c.w.ThrottlePair("src", "dst", 5*time.Minute)
		var last time.Duration
		for i := range 30 { // an object a minute
			c.put("src", fmt.Sprintf("key/%02d", i), "x")
			time.Sleep(time.Minute)
			if i%10 == 9 {
				lag := c.lag("src", id)
				require.Greater(c, lag, last+5*time.Minute)
				last = lag
			}
		}
		c.lacks("dst", "key/29")
		require.Equal(c, 5, c.w.ReplicationStats("src", "dst").Copied)
		c.w.ThrottlePair("src", "dst", 0)
		time.Sleep(20 * time.Second)
		c.has("dst", "key/29", "x")
		require.LessOrEqual(c, c.lag("src", id), 10*time.Second)
		require.Zero(c, c.w.ReplicationStats("src", "dst").Pending)
	})
}

func TestTheExtraDelayOfAThrottledPairIsNotScaled(t *testing.T) {
	inLab(t, world.Options{Speed: 60}, func(c *lab) {
		c.sameAccount()
		id := c.replicate("src", toDst(nil))
		time.Sleep(5 * time.Second)
		require.Equal(c, "doing", *c.progress("src", id).Status, "the rule starts in a sixtieth of the time")
		c.w.ThrottlePair("src", "dst", 10*time.Second)
		c.put("src", "key", "x")
		time.Sleep(10 * time.Second)
		c.lacks("dst", "key")
		time.Sleep(time.Second)
		c.has("dst", "key", "x")
	})
}

func TestAPausedPairCopiesNothingUntilItGoesOn(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		c.put("src", "begun", "1")
		c.w.PausePair("src", "dst", true)
		written := time.Now()
		c.put("src", "key", "2")
		time.Sleep(2 * time.Hour)
		c.lacks("dst", "begun")
		c.lacks("dst", "key")
		require.WithinDuration(c, written, c.watermark("src", id), time.Second)
		c.w.PausePair("src", "dst", false)
		time.Sleep(10 * time.Second)
		c.has("dst", "begun", "1")
		c.has("dst", "key", "2")
	})
}

func TestHistoryDoesNotHoldBackNewObjects(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		for i := range 100 {
			c.put("src", fmt.Sprintf("old/%02d", i), "x")
		}
		c.w.ThrottlePair("src", "dst", time.Minute)
		id := c.replicating("src", toDst(nil))
		c.put("src", "new", "1")
		time.Sleep(90 * time.Second)
		c.has("dst", "new", "1")
		c.lacks("dst", "old/50")
		require.LessOrEqual(c, c.lag("src", id), 10*time.Second)
	})
}

func TestWhatOSSLosesOfARuleIsSeenInItAndInItsWork(t *testing.T) {
	for _, tc := range []struct {
		element string
		change  func(*oss.ReplicationRule)
		lost    func(r oss.ReplicationRule) bool
	}{
		{"PrefixSet", prefixes("image/"), func(r oss.ReplicationRule) bool { return r.PrefixSet == nil }},
		{"Action", action("PUT"), func(r oss.ReplicationRule) bool { return *r.Action == "ALL" }},
		{"HistoricalObjectReplication", func(r *oss.ReplicationRule) { r.HistoricalObjectReplication = "disabled" },
			func(r oss.ReplicationRule) bool { return r.HistoricalObjectReplication == "enabled" }},
		{"RTC", rtc("enabled"), func(r oss.ReplicationRule) bool { return r.RTC == nil }},
		{"SyncRole", nil, func(r oss.ReplicationRule) bool { return r.SyncRole == nil }},
		{"SourceSelectionCriteria", kms("Enabled", oss.Ptr("alias/replica")), func(r oss.ReplicationRule) bool {
			return r.SourceSelectionCriteria == nil && r.EncryptionConfiguration == nil
		}},
		{"EncryptionConfiguration", kms("Enabled", oss.Ptr("alias/replica")), func(r oss.ReplicationRule) bool {
			return r.SourceSelectionCriteria != nil && r.EncryptionConfiguration == nil
		}},
	} {
		t.Run(tc.element, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				require.Nil(c, c.w.CreateAlias(c.root(accountA, inShanghai), "alias/replica", c.key(accountA, inShanghai).ID))
				restore := c.w.DropElement(tc.element)
				id := c.replicate("src", toDst(tc.change))
				require.True(c, tc.lost(c.rules("src")[0]))
				_, err := c.stop("src", id)
				require.NoError(c, err)
				time.Sleep(2 * time.Minute)
				restore()
				c.replicate("src", toDst(tc.change))
				require.False(c, tc.lost(c.rules("src")[0]))
			})
		})
	}
	t.Run("a lost filter lets objects through that were not asked for", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			c.sameAccount()
			defer c.w.DropElement("UserTaggings")()
			require.NoError(c, c.post("src", tagRule("PUT", "AND", [2]string{"a", "1"})))
			time.Sleep(5 * time.Minute)
			c.put("src", "untagged", "x")
			c.put("src", "tagged", "x", func(q *oss.PutObjectRequest) { q.Tagging = oss.Ptr("a=1") })
			time.Sleep(time.Minute)
			s := c.w.ReplicationStats("src", "dst")
			require.Equal(c, []int{2, 1}, []int{s.Copied, s.OutOfScope})
		})
	})
	t.Run("an element that there is not", func(t *testing.T) {
		require.Panics(t, func() { world.New(world.Options{}).DropElement("Priority") })
	})
}

func TestAStaleReadIsAsBeforeTheLastChangeOfTheRules(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicate("src", toDst(nil))
		stale := func(action string) (remove func()) {
			return c.w.Break(world.Fault{Service: "oss", Action: action, Resource: "src", Kind: world.FaultStaleRead})
		}
		get, progress := "GetBucketReplication", "GetBucketReplicationProgress"
		remove := stale(get)
		_, err := c.at("src").GetBucketReplication(c.ctx, &oss.GetBucketReplicationRequest{Bucket: oss.Ptr("src")})
		c.refused(err, 404, "NoSuchReplicationConfiguration", "")
		remove()
		require.Len(c, c.rules("src"), 1)
		remove = stale(progress)
		_, err = c.tryProgress("src", id)
		c.refused(err, 404, "NoSuchReplicationRule", "")
		time.Sleep(5 * time.Minute)
		require.Equal(c, "starting", *c.progress("src", id).Status)
		_, err = c.stop("src", id)
		require.NoError(c, err)
		p := c.progress("src", id)
		require.Equal(c, "doing", *p.Status)
		require.NotNil(c, p.Progress)
		time.Sleep(2 * time.Minute)
		require.Equal(c, "closing", *c.progress("src", id).Status)
		remove()
		_, err = c.tryProgress("src", id)
		c.refused(err, 404, "NoSuchReplicationRule", "")
	})
}

func TestFaultsHitTheReplicationCalls(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.w.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultThrottle, Times: 1})
		_, err := c.tryPut("src", toDst(nil))
		e := c.refused(err, 503, "MetaOperationQpsLimitExceeded", "")
		require.Equal(c, "Qps limit for the meta operation is exceeded.", e.Message)
		c.w.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultRefuse, Status: 403, Code: "UserDisable", Times: 1})
		_, err = c.tryPut("src", toDst(nil))
		c.refused(err, 403, "UserDisable", "")
		c.w.Break(world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultLoseReply, Times: 1})
		_, err = c.tryPut("src", toDst(nil))
		require.Error(c, err)
		require.Empty(c, codeOf(err), "there was no answer")
		_, err = c.tryPut("src", toDst(nil))
		c.refused(err, 400, "BucketReplicationAlreadyExist", "0031-00000044")
		require.Len(c, c.rules("src"), 1, "the effect took place")
		calls, _ := c.w.Calls(0)
		last := calls[len(calls)-2]
		require.Equal(c, []any{"PutBucketReplication", "src", 400, true}, []any{last.Action, last.Resource, last.Status, last.Write})
	})
}

func TestRTCIsEnabledOnceTheRuleIsInForceAndHistoryIsCopied(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.put("src", "old", "x")
		c.w.PausePair("src", "dst", true)
		c.replicate("src", toDst(rtc("Enabled")))
		status := func() string {
			if r := c.rules("src")[0].RTC; r != nil {
				return *r.Status
			}
			return ""
		}
		require.Equal(c, "enabling", status())
		time.Sleep(time.Hour)
		require.Equal(c, "enabling", status(), "history still waits")
		c.w.PausePair("src", "dst", false)
		time.Sleep(time.Minute)
		require.Equal(c, "enabled", status())
	})
}

func (c *lab) putRTC(src, id, status string) error {
	_, err := c.at(src).PutBucketRtc(c.ctx, &oss.PutBucketRtcRequest{Bucket: oss.Ptr(src),
		RtcConfiguration: &oss.RtcConfiguration{RTC: &oss.ReplicationTimeControl{Status: oss.Ptr(status)}, ID: oss.Ptr(id)}})
	return err
}

func TestRTCIsTurnedOnAndOffOnARuleThatIsThere(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		require.Nil(c, c.rules("src")[0].RTC)
		require.NoError(c, c.putRTC("src", id, "enabled"))
		require.Equal(c, "enabling", *c.rules("src")[0].RTC.Status)
		require.NoError(c, c.putRTC("src", id, "enabled"), "a second time changes nothing")
		time.Sleep(10 * time.Minute)
		require.Equal(c, "enabled", *c.rules("src")[0].RTC.Status)
		require.NoError(c, c.putRTC("src", id, "disabled"))
		require.Nil(c, c.rules("src")[0].RTC)
	})
}

func TestPutBucketRTCRefusesAsDocumented(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.bucket(accountA, inHangzhou, "near")
		c.bucket(accountA, inSilicon, "far")
		id := c.replicate("src", toDst(nil))
		near := c.replicate("src", ruleTo("near", inHangzhou, nil))
		far := c.replicate("src", ruleTo("far", inSilicon, func(r *oss.ReplicationRule) { r.Destination.TransferType = oss.TransferTypeOssAcc }))
		c.refused(c.putRTC("src", near, "enabled"), 400, "BucketReplicationNotSupportRtc", "")
		c.refused(c.putRTC("src", far, "enabled"), 400, "ReplicationLocationNotSupportRtc", "")
		c.refused(c.putRTC("src", "nothing", "enabled"), 404, "NoSuchReplicationRule", "")
		c.refused(c.putRTC("src", id, ""), 400, "MalformedXML", "0031-00000013")
		c.refused(c.putRTC("src", id, "on"), 400, "InvalidArgument", "")
		c.refused(c.putRTC("src", "", "enabled"), 400, "MalformedXML", "0031-00000015")
		_, err := c.stop("src", id)
		require.NoError(c, err)
		c.refused(c.putRTC("src", id, "enabled"), 400, "BucketReplicationInClosingStatus", "")
	})
}

func TestReplicationLocationsFollowFromTheRegion(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		locations := func(region string) *oss.ReplicationLocation {
			name := "in-" + region
			c.bucket(accountA, region, name)
			res, err := c.at(name).GetBucketReplicationLocation(c.ctx, &oss.GetBucketReplicationLocationRequest{Bucket: oss.Ptr(name)})
			require.NoError(c, err)
			return res.ReplicationLocation
		}
		l := locations(inHangzhou)
		require.Len(c, l.Locations, 29)
		require.NotContains(c, l.Locations, "oss-cn-hangzhou")
		require.Len(c, l.LocationTransferTypeConstraint.LocationTransferTypes, 17)
		for _, x := range l.LocationTransferTypeConstraint.LocationTransferTypes {
			require.Equal(c, []string{"oss_acc"}, x.TransferTypes.Types)
			require.True(c, *x.Location == "oss-cn-hongkong" || !strings.HasPrefix(*x.Location, "oss-cn-"), *x.Location)
		}
		require.Equal(c, []string{"oss-cn-beijing", "oss-cn-qingdao", "oss-cn-shanghai", "oss-cn-shenzhen", "oss-cn-zhangjiakou"}, l.LocationRTCConstraint.Locations)
		require.Equal(c, []string{"oss-us-west-1"}, locations(inVirginia).LocationRTCConstraint.Locations)
		require.Nil(c, locations("cn-chengdu").LocationRTCConstraint)
		require.Empty(c, locations("cn-zhongwei").Locations)
	})
}

func TestTheAcceleratedLinkIsShownAndTheInternalOneIsNot(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.bucket(accountA, inSilicon, "far")
		c.grant(accountA, syncRole, trustOSS, writes("far"))
		c.replicate("src", toDst(nil))
		id := c.replicating("src", ruleTo("far", inSilicon, func(r *oss.ReplicationRule) { r.Destination.TransferType = oss.TransferTypeOssAcc }))
		rules := c.rules("src")
		require.Empty(c, rules[0].Destination.TransferType)
		require.Equal(c, oss.TransferTypeOssAcc, rules[1].Destination.TransferType)
		require.Equal(c, oss.TransferTypeOssAcc, c.progress("src", id).Destination.TransferType)
		c.put("src", "key", "1")
		time.Sleep(time.Minute)
		c.has("dst", "key", "1")
		c.has("far", "key", "1")
	})
}

func TestAnIdleWatermarkStandsWhereTheOptionsSaySo(t *testing.T) {
	inLab(t, world.Options{IdleWatermarkStands: true}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		time.Sleep(time.Hour)
		require.Nil(c, c.progress("src", id).Progress.NewObject, "nothing was ever written")
		written := time.Now()
		c.put("src", "key", "1")
		time.Sleep(time.Hour)
		require.Equal(c, written.Truncate(time.Millisecond).UTC(), c.watermark("src", id))
	})
}

func TestDaysOfRefusedCopiesCostNextToNothing(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "src")
		c.bucket(accountA, inShanghai, "dst")
		c.grant(accountA, syncRole, trustOSS, reads("src"))
		c.spread()
		id := c.replicating("src", toDst(nil))
		for i := range 500 {
			c.put("src", fmt.Sprint("key/", i), "x")
		}
		time.Sleep(72 * time.Hour)
		require.Less(c, c.w.ReplicationStats("src", "dst").Refused, 1000)
		c.grant(accountA, syncRole, trustOSS, writes("dst"))
		time.Sleep(time.Minute)
		c.catchesUp("src", id, "dst", "key/499", "x")
		require.Equal(c, 500, c.w.ReplicationStats("src", "dst").Copied)
	})
}

func TestReplicationWorksOverASocketAndPathStyle(t *testing.T) {
	w := world.New(world.Options{Speed: 1e6})
	w.AddAccount("A", accountA)
	k := w.NewRootKey(accountA)
	server := httptest.NewServer(ossemu.New(w))
	defer server.Close()
	client := oss.NewClient(oss.LoadDefaultConfig().WithRegion(inHangzhou).WithEndpoint(server.URL).WithRetryMaxAttempts(1).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(k.ID, k.Secret)).WithHttpClient(&http.Client{Transport: server.Client().Transport}))
	for _, b := range []string{"src", "dst"} {
		_, err := client.PutBucket(t.Context(), &oss.PutBucketRequest{Bucket: oss.Ptr(b)})
		require.NoError(t, err)
	}
	_, e := w.CreateRole(accountA, world.NewRole{Name: syncRole, Trust: trustOSS})
	require.Nil(t, e)
	require.Nil(t, w.AttachPolicyToRole(accountA, "System", "AliyunOSSFullAccess", syncRole, world.View{}))
	time.Sleep(time.Millisecond)
	res, err := client.PutBucketReplication(t.Context(), &oss.PutBucketReplicationRequest{Bucket: oss.Ptr("src"),
		ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: []oss.ReplicationRule{ruleTo("dst", inHangzhou, nil)}}})
	require.NoError(t, err)
	_, err = client.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("key"), Body: strings.NewReader("x")})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		p, err := client.GetBucketReplicationProgress(t.Context(), &oss.GetBucketReplicationProgressRequest{Bucket: oss.Ptr("src"), RuleId: res.ReplicationRuleId})
		return err == nil && *p.ReplicationProgress.Rules[0].Status == "doing" && w.ReplicationStats("src", "dst").Copied == 1
	}, 2*time.Second, time.Millisecond)
	_, err = client.HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr("dst"), Key: oss.Ptr("key")})
	require.NoError(t, err)
}
