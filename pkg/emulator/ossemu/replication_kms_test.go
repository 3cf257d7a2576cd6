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

// uses lets somebody do something with all keys.
func uses(actions ...string) string {
	return `{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`
}

func TestEncryptionDecidesWhatIsCopiedAndHow(t *testing.T) {
	const own, replica, dst = "own", "replica", "dst" // which of the keys
	method := func(sse string) func(*oss.PutObjectRequest) {
		return func(q *oss.PutObjectRequest) {
			if sse != "" {
				q.ServerSideEncryption = oss.Ptr(sse)
			}
		}
	}
	for _, tc := range []struct {
		name    string
		sse     string
		key     string // of the object
		dst     string // default of the destination: "", a method, or "dst" for its own key
		kms     bool   // the rule has KMS and a key
		copied  bool
		become  string
		withKey string
	}{
		{"a plain object stays plain", "", "", "", false, true, "", ""},
		{"a plain object takes the destination's SSE-OSS", "", "", "AES256", false, true, "AES256", ""},
		{"a plain object takes the key of OSS by default", "", "", "KMS", false, true, "KMS", ""},
		{"a plain object is left out under the destination's own key", "", "", dst, false, false, "", ""},
		{"with KMS a plain object takes the destination's own key", "", "", dst, true, true, "KMS", dst},
		{"with KMS a plain object stays plain where there is no default", "", "", "", true, true, "", ""},
		{"SSE-OSS stays SSE-OSS", "AES256", "", "", false, true, "AES256", ""},
		{"SSE-OSS stays SSE-OSS under a default of KMS", "AES256", "", dst, false, true, "AES256", ""},
		{"SSE-KMS with the key of OSS stays so", "KMS", "", "", false, true, "KMS", ""},
		{"with KMS the key of OSS becomes the rule's", "KMS", "", "", true, true, "KMS", replica},
		{"SSE-KMS with an own key is left out", "KMS", own, "", false, false, "", ""},
		{"with KMS an own key becomes the rule's", "KMS", own, "", true, true, "KMS", replica},
		{"with KMS an own key becomes the rule's, not the destination's", "KMS", own, dst, true, true, "KMS", replica},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				keys := map[string]string{own: c.key(accountA, inHangzhou).ID, replica: c.key(accountA, inShanghai).ID, dst: c.key(accountA, inShanghai).ID}
				c.grant(accountA, syncRole, trustOSS, uses("kms:Decrypt", "kms:GenerateDataKey"))
				c.spread()
				switch tc.dst {
				case "":
				case dst:
					require.Nil(c, c.w.PutBucketEncryption("dst", &world.Encryption{Algorithm: "KMS", KMSKeyID: keys[dst]}))
				default:
					require.Nil(c, c.w.PutBucketEncryption("dst", &world.Encryption{Algorithm: tc.dst}))
				}
				id := c.replicating("src", toDst(func(r *oss.ReplicationRule) {
					if tc.kms {
						kms("Enabled", oss.Ptr(keys[replica]))(r)
					}
				}))
				if tc.key != "" {
					c.put("src", "key", "secret", under(keys[tc.key]))
				} else {
					c.put("src", "key", "secret", method(tc.sse))
				}
				time.Sleep(time.Minute)
				require.WithinDuration(c, time.Now(), c.watermark("src", id), 10*time.Second, "what is left out holds nothing up")
				if !tc.copied {
					c.lacks("dst", "key")
					require.Equal(c, 1, c.w.ReplicationStats("src", "dst").Skipped)
					return
				}
				c.has("dst", "key", "secret")
				require.Equal(c, [2]string{tc.become, keys[tc.withKey]}, c.encrypted("dst", "key"))
			})
		})
	}
}

// kmsPair is a pair in one account whose rule has KMS and a key; the role may use
// what is granted.
func (c *lab) kmsPair(granted ...string) (id string, source, replica world.Key) {
	c.Helper()
	c.sameAccount()
	c.grant(accountA, syncRole, trustOSS, granted...)
	c.spread()
	source, replica = c.key(accountA, inHangzhou), c.key(accountA, inShanghai)
	return c.replicating("src", toDst(kms("Enabled", oss.Ptr(replica.ID)))), source, replica
}

func TestARuleKeepsTheKeyAsItWasNamed(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		k := c.key(accountA, inShanghai)
		require.Nil(c, c.w.CreateAlias(c.root(accountA, inShanghai), "alias/replica", k.ID))
		for _, name := range []string{k.ID, k.ARN(), "alias/replica", "alias/acs/oss"} {
			id := c.replicate("src", toDst(kms("Enabled", oss.Ptr(name))))
			r := c.rules("src")[0]
			require.EqualValues(c, "Enabled", r.SourceSelectionCriteria.SseKmsEncryptedObjects.Status)
			require.Equal(c, name, *r.EncryptionConfiguration.ReplicaKmsKeyID)
			_, err := c.stop("src", id)
			require.NoError(c, err)
			time.Sleep(3 * time.Minute)
		}
		c.replicate("src", toDst(kms("Disabled", oss.Ptr("k"))))
		r := c.rules("src")[0]
		require.EqualValues(c, "Disabled", r.SourceSelectionCriteria.SseKmsEncryptedObjects.Status)
		require.Nil(c, r.EncryptionConfiguration, "without KMS the key is not kept")
	})
}

func TestARuleWithAKeyThatCannotServeIsRefused(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		root := c.root(accountA, inShanghai)
		disabled, going := c.key(accountA, inShanghai), c.key(accountA, inShanghai)
		require.Nil(c, c.w.DisableKey(root, disabled.ID))
		require.Nil(c, c.w.ScheduleKeyDeletion(root, going.ID, 7))
		for _, tc := range []struct {
			key      string
			status   int
			code, ec string
		}{
			{"nothing", 404, "KeyNotFound", "0005-00000208"},
			{"acs:kms:cn-shanghai:" + accountA + ":key/nothing", 404, "KeyNotFound", "0005-00000208"},
			{c.key(accountA, inHangzhou).ID, 404, "KeyNotFound", "0005-00000208"}, // a key of the source's region
			{"alias/nothing", 404, "AliasNotFound", ""},
			{disabled.ID, 409, "KeyDisabled", "0005-00000214"},
			{going.ARN(), 409, "KeyPendingDeletion", "0005-00000215"},
		} {
			_, err := c.tryPut("src", toDst(kms("Enabled", oss.Ptr(tc.key))))
			c.refused(err, tc.status, tc.code, tc.ec)
		}
		_, err := c.tryPut("src", toDst(kms("Disabled", oss.Ptr("nothing"))))
		require.NoError(c, err, "without KMS nobody looks at the key")
	})
	t.Run("a missing right on the key is seen at the put only by order", func(t *testing.T) {
		inLab(t, world.Options{GrantCheckedAtPut: true}, func(c *lab) {
			c.sameAccount()
			rule := toDst(kms("Enabled", oss.Ptr(c.key(accountA, inShanghai).ID)))
			_, err := c.tryPut("src", rule)
			c.refused(err, 403, "NoPermission", "")
			c.grant(accountA, syncRole, trustOSS, uses("kms:GenerateDataKey"))
			c.spread()
			c.replicate("src", rule)
		})
	})
}

func TestObjectsUnderOwnKeysNeedARoleThatMayUseThem(t *testing.T) {
	for _, tc := range []struct {
		name          string
		granted, late []string
	}{
		{"neither right", nil, []string{uses("kms:Decrypt", "kms:GenerateDataKey")}},
		{"only the right to decrypt", []string{uses("kms:Decrypt")}, []string{uses("kms:GenerateDataKey")}},
		{"only the right to make data keys", []string{uses("kms:GenerateDataKey")}, []string{uses("kms:Decrypt")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				id, source, replica := c.kmsPair(tc.granted...)
				written := time.Now()
				c.put("src", "key", "secret", under(source.ID))
				c.put("src", "plain", "open")
				time.Sleep(10 * time.Minute)
				c.lacks("dst", "key")
				c.has("dst", "plain", "open")
				require.Equal(c, written.Truncate(time.Millisecond).UTC(), c.watermark("src", id))
				c.grant(accountA, syncRole, trustOSS, tc.late...)
				c.catchesUp("src", id, "dst", "key", "secret")
				require.Equal(c, [2]string{"KMS", replica.ID}, c.encrypted("dst", "key"))
			})
		})
	}
	t.Run("the system policy for using keys is enough", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			id, source, _ := c.kmsPair()
			require.Nil(c, c.w.AttachPolicyToRole(accountA, "System", "AliyunKMSCryptoUserAccess", syncRole, world.View{}))
			c.spread()
			c.put("src", "key", "secret", under(source.ID))
			c.catchesUp("src", id, "dst", "key", "secret")
		})
	})
	t.Run("the key of OSS takes the right to the rule's key alone", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			id, _, replica := c.kmsPair(uses("kms:GenerateDataKey"))
			c.put("src", "key", "secret", under(""))
			c.catchesUp("src", id, "dst", "key", "secret")
			require.Equal(c, [2]string{"KMS", replica.ID}, c.encrypted("dst", "key"))
		})
	})
	t.Run("the destination's own key takes a right too", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			id, _, _ := c.kmsPair()
			k := c.key(accountA, inShanghai)
			require.Nil(c, c.w.PutBucketEncryption("dst", &world.Encryption{Algorithm: "KMS", KMSKeyID: k.ID}))
			c.put("src", "plain", "open")
			time.Sleep(time.Minute)
			c.standsStill("src", id, "dst", "plain")
			c.grant(accountA, syncRole, trustOSS, uses("kms:GenerateDataKey"))
			c.catchesUp("src", id, "dst", "plain", "open")
			require.Equal(c, [2]string{"KMS", k.ID}, c.encrypted("dst", "plain"))
		})
	})
}

func TestAKeyThatStopsWorkingHoldsItsCopiesUp(t *testing.T) {
	for _, which := range []string{"source", "replica"} {
		for _, way := range []string{"disabled", "about to go"} {
			t.Run(fmt.Sprintf("the key of the %s is %s", which, way), func(t *testing.T) {
				inLab(t, world.Options{}, func(c *lab) {
					id, source, replica := c.kmsPair(uses("kms:Decrypt", "kms:GenerateDataKey"))
					k, at := replica, c.root(accountA, inShanghai)
					if which == "source" {
						k, at = source, c.root(accountA, inHangzhou)
					}
					c.put("src", "before", "1", under(source.ID))
					time.Sleep(time.Minute)
					c.has("dst", "before", "1")
					c.put("src", "key", "2", under(source.ID))
					if way == "disabled" {
						require.Nil(c, c.w.DisableKey(at, k.ID))
					} else {
						require.Nil(c, c.w.ScheduleKeyDeletion(at, k.ID, 7))
					}
					time.Sleep(time.Minute)
					c.standsStill("src", id, "dst", "key")
					if way == "disabled" {
						require.Nil(c, c.w.EnableKey(at, k.ID))
					} else {
						require.Nil(c, c.w.CancelKeyDeletion(at, k.ID))
					}
					c.catchesUp("src", id, "dst", "key", "2")
				})
			})
		}
	}
	t.Run("a key that is gone for good holds them up for good", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			id, source, replica := c.kmsPair(uses("kms:Decrypt", "kms:GenerateDataKey"))
			require.Nil(c, c.w.ScheduleKeyDeletion(c.root(accountA, inShanghai), replica.ID, 7))
			c.put("src", "key", "1", under(source.ID))
			time.Sleep(8 * 24 * time.Hour)
			c.standsStill("src", id, "dst", "key")
		})
	})
}

func TestPartsOfAnUploadNeedTheKeysToo(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		_, source, replica := c.kmsPair()
		began, err := c.at("src").InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film"),
			ServerSideEncryption: oss.Ptr("KMS"), ServerSideEncryptionKeyId: oss.Ptr(source.ID)})
		require.NoError(c, err)
		part, e := c.w.UploadPart("src", "film", *began.UploadId, 1, []byte("x"))
		require.Nil(c, e)
		time.Sleep(time.Minute)
		uploads, e := c.w.Uploads("dst", 0)
		require.Nil(c, e)
		require.Empty(c, uploads)
		c.grant(accountA, syncRole, trustOSS, uses("kms:Decrypt", "kms:GenerateDataKey"))
		time.Sleep(time.Minute)
		uploads, e = c.w.Uploads("dst", 0)
		require.Nil(c, e)
		require.Len(c, uploads[0].Parts, 1)
		_, e = c.w.CompleteUpload("src", "film", *began.UploadId, []world.PartRef{{Number: 1, ETag: part.ETag}}, false, "")
		require.Nil(c, e)
		time.Sleep(time.Minute)
		require.Equal(c, [2]string{"KMS", replica.ID}, c.encrypted("dst", "film"))
	})
}
