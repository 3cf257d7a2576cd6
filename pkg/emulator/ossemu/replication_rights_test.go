package ossemu_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// standsStill requires that a rule is doing, that its watermark does not move, and
// that the key does not arrive. It returns the watermark; zero when there is none.
func (c *lab) standsStill(src, id, dst, key string) (mark time.Time) {
	c.Helper()
	before := c.progress(src, id)
	require.Equal(c, "doing", *before.Status)
	require.NotNil(c, before.Progress)
	for range 10 {
		time.Sleep(time.Minute)
		now := c.progress(src, id)
		require.Equal(c, before, now)
	}
	c.lacks(dst, key)
	if before.Progress.NewObject == nil {
		return time.Time{}
	}
	return c.watermark(src, id)
}

// catchesUp requires that the key arrives soon and the watermark goes on.
func (c *lab) catchesUp(src, id, dst, key, content string) {
	c.Helper()
	time.Sleep(time.Minute)
	c.has(dst, key, content)
	require.WithinDuration(c, time.Now(), c.watermark(src, id), 10*time.Second)
}

func TestARuleWithoutARightStandsStillUntilTheGrantIsMade(t *testing.T) {
	for _, tc := range []struct {
		name    string
		missing string // statement to grant later
		granted []string
	}{
		{"no right to write", writes("dst"), []string{reads("src")}},
		{"the ordinary object actions are not enough", writes("dst"), []string{reads("src"), statement("dst", "oss:PutObject", "oss:GetObject")}},
		{"no right to list the destination", statement("dst", "oss:ReplicateList"), []string{reads("src"), statement("dst", "oss:ReplicateGet", "oss:ReplicatePut")}},
		{"no right to read the destination", statement("dst", "oss:ReplicateGet"), []string{reads("src"), statement("dst", "oss:ReplicateList", "oss:ReplicatePut")}},
		{"no right to put, but to delete", statement("dst", "oss:ReplicatePut"), []string{reads("src"), statement("dst", "oss:ReplicateDelete", "oss:ReplicateGet", "oss:ReplicateList")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.bucket(accountA, inHangzhou, "src")
				c.bucket(accountA, inShanghai, "dst")
				c.grant(accountA, syncRole, trustOSS, tc.granted...)
				c.spread()
				c.put("src", "old", "1")
				id := c.replicating("src", toDst(nil))
				c.put("src", "new", "2")
				require.True(c, c.standsStill("src", id, "dst", "new").IsZero(), "nothing was ever known")
				require.Equal(c, "0", *c.progress("src", id).Progress.HistoricalObject)
				require.Equal(c, 2, c.w.ReplicationStats("src", "dst").Pending)

				_, e := c.w.CreatePolicy(accountA, "late", `{"Version":"1","Statement":[`+tc.missing+`]}`, "", nil)
				require.Nil(c, e)
				require.Nil(c, c.w.AttachPolicyToRole(accountA, "Custom", "late", syncRole, world.View{}))
				c.catchesUp("src", id, "dst", "new", "2")
				c.has("dst", "old", "1")
				require.Equal(c, "1", *c.progress("src", id).Progress.HistoricalObject)
			})
		})
	}
}

func TestTheWatermarkStandsStillWithoutARightEvenWhenNothingWaits(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		time.Sleep(18 * time.Hour) // nobody looks
		revoked := time.Now()
		require.Nil(c, c.w.DetachPolicyFromRole(accountA, "Custom", "policy-1", syncRole))
		time.Sleep(30 * time.Second)
		mark := c.standsStill("src", id, "dst", "key")
		require.WithinDuration(c, revoked, mark, 20*time.Second)
	})
}

func TestABrokenTrustStopsReplicationAndARepairedOneLetsItGoOn(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		_, e := c.w.UpdateRole(accountA, syncRole, world.RoleChange{Trust: trustECS})
		require.Nil(c, e)
		c.spread()
		written := time.Now()
		c.put("src", "key", "1")
		time.Sleep(30 * time.Second)
		mark := c.standsStill("src", id, "dst", "key")
		require.True(c, mark.Before(written))
		_, e = c.w.UpdateRole(accountA, syncRole, world.RoleChange{Trust: trustOSS})
		require.Nil(c, e)
		c.catchesUp("src", id, "dst", "key", "1")
	})
}

func TestARoleThatIsDeletedStopsReplication(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		for _, p := range []string{"policy-0", "policy-1"} {
			require.Nil(c, c.w.DetachPolicyFromRole(accountA, "Custom", p, syncRole))
		}
		require.Nil(c, c.w.DeleteRole(accountA, syncRole, world.View{}))
		c.spread()
		c.put("src", "key", "1")
		time.Sleep(30 * time.Second)
		c.standsStill("src", id, "dst", "key")
	})
}

func TestDeletesNeedARightOfTheirOwn(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "src")
		c.bucket(accountA, inShanghai, "dst")
		c.grant(accountA, syncRole, trustOSS, reads("src"), statement("dst", "oss:ReplicateList", "oss:ReplicateGet", "oss:ReplicatePut"))
		c.spread()
		id := c.replicating("src", toDst(nil))
		c.put("src", "key", "1")
		time.Sleep(time.Minute)
		c.has("dst", "key", "1")
		deleted := time.Now()
		c.delete("src", "key", "")
		c.put("src", "other", "2")
		time.Sleep(10 * time.Minute)
		c.has("dst", "key", "1")
		c.has("dst", "other", "2")
		require.Equal(c, deleted.Truncate(time.Millisecond).UTC(), c.watermark("src", id), "the delete still waits")
	})
}

// crossAccount makes src in account A and dst in account B, both in Hangzhou, and
// a role that may read the source.
func (c *lab) crossAccount(roleName string) {
	c.Helper()
	c.bucket(accountA, inHangzhou, "src")
	c.bucket(accountB, inHangzhou, "dst")
	c.grant(accountA, roleName, trustOSS, reads("src"))
	c.spread()
}

// receive puts the bucket policy of dst that lets a role of account A write.
func (c *lab) receive(principal string) {
	c.Helper()
	doc := fmt.Sprintf(`{"Version":"1","Statement":[{"Effect":"Allow",
		"Action":["oss:ReplicateList","oss:ReplicateGet","oss:ReplicatePut","oss:ReplicateDelete"],
		"Principal":[%q],"Resource":["acs:oss:*:%s:dst","acs:oss:*:%s:dst/*"]}]}`, principal, accountB, accountB)
	c.policy("dst", doc)
}

func (c *lab) policy(bucket, doc string) {
	c.Helper()
	_, err := c.at(bucket).PutBucketPolicy(c.ctx, &oss.PutBucketPolicyRequest{Bucket: oss.Ptr(bucket), Body: strings.NewReader(doc)})
	require.NoError(c, err)
}

func TestAcrossAccountsTheBucketPolicyOfTheDestinationDecides(t *testing.T) {
	const mixed = "AliyunOssDrsRole"
	for _, tc := range []struct {
		name, role, principal string
		arrives               bool
	}{
		{"the session of the role may write", syncRole, "arn:sts::" + accountA + ":assumed-role/" + syncRole + "/*", true},
		{"a role with capitals is named in lower case", mixed, "arn:sts::" + accountA + ":assumed-role/aliyunossdrsrole/*", true},
		{"a role with capitals that is named with them gets nothing", mixed, "arn:sts::" + accountA + ":assumed-role/AliyunOssDrsRole/*", false},
		{"the same role of another account gets nothing", syncRole, "arn:sts::" + accountB + ":assumed-role/" + syncRole + "/*", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.crossAccount(tc.role)
				id := c.replicating("src", ruleTo("dst", inHangzhou, func(r *oss.ReplicationRule) { r.SyncRole = oss.Ptr(tc.role) }))
				c.put("src", "key", "1")
				c.standsStill("src", id, "dst", "key")
				c.receive(tc.principal)
				if tc.arrives {
					c.catchesUp("src", id, "dst", "key", "1")
					c.delete("src", "key", "")
					time.Sleep(time.Minute)
					c.lacks("dst", "key")
					return
				}
				time.Sleep(time.Minute)
				c.standsStill("src", id, "dst", "key")
			})
		})
	}
}

func TestAcrossAccountsTheRolesOwnRightOnTheDestinationCountsForNothing(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.crossAccount(syncRole)
		c.grant(accountA, syncRole, trustOSS, writes("dst"))
		c.spread()
		id := c.replicating("src", ruleTo("dst", inHangzhou, nil))
		c.put("src", "key", "1")
		c.standsStill("src", id, "dst", "key")
	})
}

func TestAcrossAccountsADenyOfTheRoleStands(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.crossAccount(syncRole)
		c.receive("arn:sts::" + accountA + ":assumed-role/" + syncRole + "/*")
		c.grant(accountA, syncRole, trustOSS, `{"Effect":"Deny","Action":"oss:ReplicatePut","Resource":"acs:oss:*:*:dst/*"}`)
		c.spread()
		id := c.replicating("src", ruleTo("dst", inHangzhou, nil))
		c.put("src", "key", "1")
		c.standsStill("src", id, "dst", "key")
	})
}

func TestInOneAccountBucketPoliciesDoNotCount(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.replicating("src", toDst(nil))
		for _, b := range []string{"src", "dst"} {
			c.policy(b, fmt.Sprintf(`{"Version":"1","Statement":[{"Effect":"Deny","Action":["oss:Replicate*"],
				"Principal":["*"],"Resource":["acs:oss:*:%s:%s","acs:oss:*:%s:%s/*"]}]}`, accountA, b, accountA, b))
		}
		c.put("src", "key", "1")
		time.Sleep(time.Minute)
		c.has("dst", "key", "1")
		_, err := c.tryPut("src", toDst(nil))
		c.refused(err, 403, "AccessDenied", "0003-00000101") // for the caller they do count
	})
}

func TestARoleThatCannotReadTheSourceIsRefusedAtThePut(t *testing.T) {
	for _, tc := range []struct {
		name  string
		trust string
		grant []string
	}{
		{"the role does not trust OSS", trustECS, []string{reads("src"), writes("dst")}},
		{"the role may not read the source", trustOSS, []string{writes("dst")}},
		{"the role may read other objects only", trustOSS, []string{reads("other"), writes("dst")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.bucket(accountA, inHangzhou, "src")
				c.bucket(accountA, inShanghai, "dst")
				c.grant(accountA, syncRole, tc.trust, tc.grant...)
				c.spread()
				_, err := c.tryPut("src", toDst(nil))
				c.refused(err, 403, "NoPermission", "")
			})
		})
	}
}

func TestANewRoleIsNotKnownToOSSAtOnce(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "src")
		c.bucket(accountA, inShanghai, "dst")
		_, err := c.tryPut("src", toDst(nil))
		c.refused(err, 403, "NoPermission", "")
		c.grant(accountA, syncRole, trustOSS, reads("src"))
		_, err = c.tryPut("src", toDst(nil))
		c.refused(err, 403, "NoPermission", "")
		c.spread()
		c.replicate("src", toDst(nil))
	})
}

func TestARoleThatIsNotCheckedAtThePutMakesARuleThatNeverCopies(t *testing.T) {
	inLab(t, world.Options{RoleUncheckedAtPut: true}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "src")
		c.bucket(accountA, inShanghai, "dst")
		id := c.replicating("src", toDst(nil))
		c.put("src", "key", "1")
		c.standsStill("src", id, "dst", "key")
	})
}

func TestAGrantThatIsCheckedAtThePutRefusesTheRule(t *testing.T) {
	inLab(t, world.Options{GrantCheckedAtPut: true}, func(c *lab) {
		c.crossAccount(syncRole)
		_, err := c.tryPut("src", ruleTo("dst", inHangzhou, nil))
		c.refused(err, 403, "NoPermission", "")
		c.receive("arn:sts::" + accountA + ":assumed-role/" + syncRole + "/*")
		_, err = c.tryPut("src", ruleTo("dst", inHangzhou, nil))
		require.NoError(c, err)
	})
}

func TestTheCallerNeedsReplicateGetToNameARole(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		put := func(actions ...string) error {
			k := c.w.NewUserKey(accountA, fmt.Sprint("user", len(actions)), []byte(`{"Version":"1","Statement":[`+statement("src", actions...)+`]}`))
			_, err := c.as(k, inHangzhou).PutBucketReplication(c.ctx, &oss.PutBucketReplicationRequest{Bucket: oss.Ptr("src"),
				ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: []oss.ReplicationRule{toDst(nil)}}})
			return err
		}
		c.refused(put("oss:ReplicateGet"), 403, "AccessDenied", "0003-00000202")
		require.NoError(c, put("oss:PutBucketReplication", "oss:ReplicateGet"))
	})
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		k := c.w.NewUserKey(accountA, "user", []byte(`{"Version":"1","Statement":[`+statement("src", "oss:PutBucketReplication")+`]}`))
		_, err := c.as(k, inHangzhou).PutBucketReplication(c.ctx, &oss.PutBucketReplicationRequest{Bucket: oss.Ptr("src"),
			ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: []oss.ReplicationRule{toDst(nil)}}})
		c.refused(err, 403, "AccessDenied", "0003-00000202")
	})
}
