package ossemu_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestARuleLivesFromStartingOverDoingAndClosingToNothing(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		_, err := c.at("src").GetBucketReplication(c.ctx, &oss.GetBucketReplicationRequest{Bucket: oss.Ptr("src")})
		e := c.refused(err, 404, "NoSuchReplicationConfiguration", "")
		require.Equal(c, "The bucket you specified does not have replication configuration", e.Message)

		id := c.replicate("src", toDst(func(r *oss.ReplicationRule) {
			r.PrefixSet = &oss.ReplicationPrefixSet{Prefixs: []string{"image/", "video/"}}
		}))
		require.Len(c, id, 36)
		rules := c.rules("src")
		require.Len(c, rules, 1)
		require.Equal(c, oss.ReplicationRule{
			ID: oss.Ptr(id), Status: oss.Ptr("starting"), Action: oss.Ptr("ALL"), SyncRole: oss.Ptr(syncRole),
			PrefixSet:                   &oss.ReplicationPrefixSet{Prefixs: []string{"image/", "video/"}},
			Destination:                 &oss.ReplicationDestination{Bucket: oss.Ptr("dst"), Location: oss.Ptr("oss-cn-shanghai")},
			HistoricalObjectReplication: "enabled",
		}, rules[0])

		time.Sleep(3*time.Minute - time.Second)
		p := c.progress("src", id)
		require.Equal(c, "starting", *p.Status)
		require.Nil(c, p.Progress)
		time.Sleep(2*time.Minute + 2*time.Second)
		p = c.progress("src", id)
		require.Equal(c, "doing", *p.Status)
		require.NotNil(c, p.Progress)
		require.Equal(c, "doing", *c.rules("src")[0].Status)

		status, err := c.stop("src", id)
		require.NoError(c, err)
		require.Equal(c, 200, status)
		require.Equal(c, "closing", *c.rules("src")[0].Status)
		p = c.progress("src", id)
		require.Equal(c, "closing", *p.Status)
		require.Nil(c, p.Progress)
		status, err = c.stop("src", id)
		require.NoError(c, err)
		require.Equal(c, 204, status)
		_, err = c.tryPut("src", toDst(nil))
		c.refused(err, 400, "BucketReplicationAlreadyExist", "0031-00000044")

		time.Sleep(2 * time.Minute)
		_, err = c.tryProgress("src", id)
		c.refused(err, 404, "NoSuchReplicationRule", "")
		status, err = c.stop("src", id)
		require.NoError(c, err)
		require.Equal(c, 200, status, "a bucket without rules has nothing to delete")
		_, err = c.at("src").GetBucketReplication(c.ctx, &oss.GetBucketReplicationRequest{Bucket: oss.Ptr("src")})
		c.refused(err, 404, "NoSuchReplicationConfiguration", "")
		require.NotEqual(c, id, c.replicate("src", toDst(nil)), "the pair is free again")
	})
}

func TestHistoryAndNewObjectsArriveExactly(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.put("src", "image/old", "before the rule", func(q *oss.PutObjectRequest) {
			q.Metadata = map[string]string{"owner": "me"}
			q.Tagging = oss.Ptr("k=v")
			q.Acl = oss.ObjectACLPublicRead
		})
		c.put("src", "other", "not in scope")
		c.put("dst", "image/old", "will be overwritten")
		time.Sleep(time.Hour)
		id := c.replicate("src", toDst(func(r *oss.ReplicationRule) { r.PrefixSet = &oss.ReplicationPrefixSet{Prefixs: []string{"image/"}} }))
		c.put("src", "image/between", "while it starts")
		time.Sleep(5 * time.Minute)
		c.put("src", "image/new", "in force")
		c.lacks("dst", "image/new")
		time.Sleep(time.Minute)

		c.has("dst", "image/old", "before the rule")
		c.has("dst", "image/between", "while it starts")
		c.has("dst", "image/new", "in force")
		c.lacks("dst", "other")
		head := func(bucket string) *oss.HeadObjectResult {
			res, err := c.at(bucket).HeadObject(c.ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("image/old")})
			require.NoError(c, err)
			return res
		}
		from, to := head("src"), head("dst")
		require.Equal(c, from.ETag, to.ETag)
		require.Equal(c, from.HashCRC64, to.HashCRC64)
		require.Equal(c, from.LastModified, to.LastModified, "the time is the source's")
		require.Equal(c, map[string]string{"owner": "me"}, to.Metadata)
		require.EqualValues(c, 1, to.TaggingCount)
		for name := range to.Headers {
			require.NotContains(c, name, "Replication", "OSS has no status of replication on objects")
		}
		acl, err := c.at("dst").GetObjectAcl(c.ctx, &oss.GetObjectAclRequest{Bucket: oss.Ptr("dst"), Key: oss.Ptr("image/old")})
		require.NoError(c, err)
		require.Equal(c, "public-read", *acl.ACL)

		p := c.progress("src", id).Progress
		require.Equal(c, "1", *p.HistoricalObject)
		require.WithinDuration(c, time.Now(), c.watermark("src", id), 10*time.Second)
		require.Equal(c, world.ReplicationStats{Copied: 3, Bytes: 15 + 15 + 8}, c.w.ReplicationStats("src", "dst"))
	})
}

func TestWithoutHistoryOnlyNewObjectsArriveAndTheFractionIsAbsent(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.put("src", "old", "1")
		id := c.replicate("src", toDst(func(r *oss.ReplicationRule) {
			r.HistoricalObjectReplication = oss.HistoricalObjectReplicationDisabled
		}))
		c.put("src", "between", "2")
		time.Sleep(10 * time.Minute)
		c.lacks("dst", "old")
		c.has("dst", "between", "2")
		require.Nil(c, c.progress("src", id).Progress.HistoricalObject)
		require.EqualValues(c, "disabled", c.rules("src")[0].HistoricalObjectReplication)
	})
}

func TestTheBackfillFractionCountsWhatWasCopied(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		for i := range 200 {
			c.put("src", "old/"+strconv.Itoa(i), "x")
		}
		id := c.replicate("src", toDst(nil))
		for *c.progress("src", id).Status == "starting" {
			time.Sleep(time.Second)
		}
		p := c.progress("src", id).Progress
		require.Equal(c, "0", *p.HistoricalObject)
		require.Nil(c, p.NewObject, "nothing is known before the first renewal")
		var seen []string
		for range 30 {
			time.Sleep(time.Second)
			f := *c.progress("src", id).Progress.HistoricalObject
			if len(seen) == 0 || seen[len(seen)-1] != f {
				seen = append(seen, f)
			}
		}
		// 32 copies of 2 seconds side by side, renewed every 10 seconds: what ends in
		// that very moment is not in yet.
		require.Equal(c, []string{"0", "0.64", "1"}, seen)
	})
}

func TestTheDeleteMatrix(t *testing.T) {
	for _, tc := range []struct {
		name      string
		versioned bool
		action    string
		byVersion bool
		visible   bool // at the destination afterwards
		versions  int  // of the key at the destination, delete markers included
	}{
		{"an unversioned delete under PUT leaves the destination alone", false, "PUT", false, true, 1},
		{"an unversioned delete under ALL deletes at the destination", false, "ALL", false, false, 0},
		{"an unversioned delete under PUT,DELETE deletes at the destination", false, "PUT,DELETE", false, false, 0},
		{"a versioned delete under PUT hides the object at the destination", true, "PUT", false, false, 2},
		{"a versioned delete under ALL hides the object at the destination", true, "ALL", false, false, 2},
		{"the delete of a version under PUT leaves the destination alone", true, "PUT", true, true, 1},
		{"the delete of a version under ALL deletes it at the destination", true, "ALL", true, false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				if tc.versioned {
					c.versioned("src", "dst")
				}
				c.replicating("src", toDst(action(tc.action)))
				version := c.put("src", "key", "content")
				time.Sleep(time.Minute)
				c.has("dst", "key", "content")
				if !tc.byVersion {
					version = ""
				}
				c.delete("src", "key", version)
				c.lacks("src", "key")
				time.Sleep(time.Minute)
				_, visible := c.content("dst", "key")
				require.Equal(c, tc.visible, visible)
				require.Len(c, c.versions("dst", "key"), tc.versions)
				require.Zero(c, c.w.ReplicationStats("src", "dst").Pending)
			})
		})
	}
}

func TestVersionsKeepTheirIDsAndTheirOrder(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.versioned("src", "dst")
		c.put("src", "key", "1")
		c.delete("src", "key", "")
		c.put("src", "key", "2")
		c.replicating("src", toDst(action("PUT")))
		c.put("src", "key", "3")
		c.delete("src", "key", "")
		time.Sleep(time.Minute)
		want := c.versions("src", "key")
		require.Len(c, want, 5)
		require.Equal(c, want, c.versions("dst", "key"))
	})
}

func TestANullVersionKeepsItsPlaceAmongTheOthers(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.versioned("src", "dst")
		c.put("src", "key", "1")
		time.Sleep(time.Minute)
		require.Nil(c, c.w.PutBucketVersioning("src", "Suspended"))
		c.put("src", "key", "2")
		time.Sleep(time.Minute)
		c.versioned("src")
		c.put("src", "key", "3")
		c.replicating("src", toDst(nil))
		want := c.versions("src", "key")
		require.Equal(c, "null", want[1])
		require.Equal(c, want, c.versions("dst", "key"))
	})
}

func TestAnObjectOverwrittenInTheQueueArrivesOnce(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.put("src", "key", "old")
		time.Sleep(time.Minute)
		c.replicate("src", toDst(nil))
		c.put("src", "key", "newer")
		time.Sleep(time.Minute)
		c.put("src", "key", "newest")
		time.Sleep(10 * time.Minute)
		c.has("dst", "key", "newest")
		s := c.w.ReplicationStats("src", "dst")
		require.Equal(c, 1, s.Copied)
		require.Equal(c, 2, s.Skipped)
	})
}

func TestAnObjectDeletedBeforeItsCopyDoesNotHoldAnythingUp(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.put("src", "old", "1")
		id := c.replicate("src", toDst(action("PUT")))
		c.put("src", "new", "2")
		c.delete("src", "old", "")
		c.delete("src", "new", "")
		time.Sleep(10 * time.Minute)
		c.lacks("dst", "old")
		c.lacks("dst", "new")
		require.Equal(c, "1", *c.progress("src", id).Progress.HistoricalObject)
		require.WithinDuration(c, time.Now(), c.watermark("src", id), 10*time.Second)
	})
}

func TestCopiesAreNotCopiedOn(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "first")
		c.bucket(accountA, inShanghai, "second")
		c.bucket(accountA, inHangzhou, "third")
		c.grant(accountA, syncRole, trustOSS, writes("first"), writes("second"), writes("third"))
		c.spread()
		c.put("first", "early", "1")
		c.replicating("first", ruleTo("second", inShanghai, nil))
		c.has("second", "early", "1")
		// What is in the second bucket by now is history to this rule, but a copy.
		c.replicating("second", ruleTo("third", inHangzhou, nil))
		c.put("first", "late", "2")
		c.put("second", "own", "3")
		time.Sleep(time.Minute)
		c.has("second", "late", "2")
		c.has("third", "own", "3")
		c.lacks("third", "early")
		c.lacks("third", "late")
	})
}

func TestTwoBucketsReplicateToEachOther(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.grant(accountA, "back-role", trustOSS, reads("dst"), writes("src"))
		c.versioned("src", "dst")
		c.spread()
		c.replicate("src", toDst(nil))
		c.replicating("dst", ruleTo("src", inHangzhou, func(r *oss.ReplicationRule) { r.SyncRole = oss.Ptr("back-role") }))
		c.put("src", "east", "1")
		c.put("dst", "west", "2")
		// Both sides write the same key within the time of one copy.
		c.put("src", "both", "older")
		time.Sleep(time.Second)
		c.put("dst", "both", "newer")
		time.Sleep(time.Minute)
		for _, b := range []string{"src", "dst"} {
			c.has(b, "east", "1")
			c.has(b, "west", "2")
			c.has(b, "both", "newer")
		}
		require.Equal(c, c.versions("src", "both"), c.versions("dst", "both"))
		require.Equal(c, 2, c.w.ReplicationStats("src", "dst").Copied, "nothing goes round in circles")
		require.Equal(c, 2, c.w.ReplicationStats("dst", "src").Copied)
		c.delete("dst", "east", "")
		time.Sleep(time.Minute)
		c.lacks("src", "east")
	})
}
