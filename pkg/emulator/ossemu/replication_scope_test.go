package ossemu_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestMultipartUploadsAreCopiedPartByPart(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.replicating("src", toDst(nil))
		src := c.at("src")
		began, err := src.InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film")})
		require.NoError(c, err)
		var parts []oss.UploadPart
		data := []string{strings.Repeat("a", 100<<10), strings.Repeat("b", 100<<10), "end"}
		for i, d := range data {
			res, err := src.UploadPart(c.ctx, &oss.UploadPartRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film"),
				UploadId: began.UploadId, PartNumber: int32(i + 1), Body: strings.NewReader(d)})
			require.NoError(c, err)
			parts = append(parts, oss.UploadPart{PartNumber: int32(i + 1), ETag: res.ETag})
		}
		time.Sleep(time.Minute)
		c.lacks("dst", "film")
		arrived, err := c.at("dst").ListParts(c.ctx, &oss.ListPartsRequest{Bucket: oss.Ptr("dst"), Key: oss.Ptr("film"), UploadId: began.UploadId})
		require.NoError(c, err)
		require.Len(c, arrived.Parts, 3)

		_, err = src.CompleteMultipartUpload(c.ctx, &oss.CompleteMultipartUploadRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film"),
			UploadId: began.UploadId, CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts}})
		require.NoError(c, err)
		time.Sleep(time.Minute)
		c.has("dst", "film", strings.Join(data, ""))
		head := func(bucket string) *oss.HeadObjectResult {
			res, err := c.at(bucket).HeadObject(c.ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("film")})
			require.NoError(c, err)
			return res
		}
		require.Equal(c, head("src").ETag, head("dst").ETag)
		uploads, e := c.w.Uploads("dst", 0)
		require.Nil(c, e)
		require.Empty(c, uploads)
		s := c.w.ReplicationStats("src", "dst")
		require.Equal(c, world.ReplicationStats{Copied: 1, Parts: 3, Bytes: int64(len(strings.Join(data, "")))}, s)
	})
}

func TestAnAbortedUploadIsAbortedAtTheDestinationUnderALLOnly(t *testing.T) {
	for actions, left := range map[string]int{"ALL": 0, "PUT,ABORT": 0, "PUT": 1} {
		t.Run(actions, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				c.replicating("src", toDst(action(actions)))
				began, err := c.at("src").InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film")})
				require.NoError(c, err)
				time.Sleep(time.Minute)
				_, err = c.at("src").AbortMultipartUpload(c.ctx, &oss.AbortMultipartUploadRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("film"), UploadId: began.UploadId})
				require.NoError(c, err)
				time.Sleep(time.Minute)
				uploads, e := c.w.Uploads("dst", 0)
				require.Nil(c, e)
				require.Len(c, uploads, left)
			})
		})
	}
}

func TestATagFilterChoosesObjects(t *testing.T) {
	for _, tc := range []struct {
		name, kind string
		arrive     []string
	}{
		{"all tags", "AND", []string{"both", "more"}},
		{"any tag", "OR", []string{"both", "more", "one"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				c.versioned("src", "dst")
				tagged := func(key, tags string) {
					c.put("src", key, "x", func(q *oss.PutObjectRequest) { q.Tagging = oss.Ptr(tags) })
				}
				tagged("both", "a=1&b=2")
				require.NoError(c, c.post("src", tagRule("PUT", tc.kind, [2]string{"a", "1"}, [2]string{"b", "2"})))
				time.Sleep(5 * time.Minute)
				tagged("more", "a=1&b=2&c=3")
				tagged("one", "b=2")
				tagged("other", "a=2&A=1")
				c.put("src", "none", "x")
				time.Sleep(time.Minute)
				l, e := c.w.ListObjects("dst", world.ListQuery{Max: 100})
				require.Nil(c, e)
				var got []string
				for _, v := range l.Versions {
					got = append(got, v.Key)
				}
				require.Equal(c, tc.arrive, got)
				c.delete("src", "both", "")
				time.Sleep(time.Minute)
				c.has("dst", "both", "x") // a delete marker has no tags
				rules, e := c.w.Replication("src", false)
				require.Nil(c, e)
				require.Equal(c, &world.TagFilter{Type: tc.kind, Tags: []world.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}}, rules[0].Tags)
				out, err := c.at("src").InvokeOperation(c.ctx, &oss.OperationInput{OpName: "Get", Method: "GET", Bucket: oss.Ptr("src"), Parameters: map[string]string{"replication": ""}})
				require.NoError(c, err)
				require.Contains(c, readAll(c, out), "<UserTaggings><FilterType>"+tc.kind+"</FilterType><UserTagging><Key>a</Key><Value>1</Value></UserTagging>")
			})
		})
	}
}

// tagRule is a rule with a tag filter, for which the SDK has no field.
func tagRule(action, kind string, tags ...[2]string) string {
	var b strings.Builder
	for _, t := range tags {
		b.WriteString("<UserTagging><Key>" + t[0] + "</Key><Value>" + t[1] + "</Value></UserTagging>")
	}
	return `<ReplicationConfiguration><Rule><Action>` + action + `</Action><Destination><Bucket>dst</Bucket><Location>oss-cn-shanghai</Location>` +
		`<TransferType>internal</TransferType></Destination><SyncRole>` + syncRole + `</SyncRole><UserTaggings><FilterType>` + kind +
		`</FilterType>` + b.String() + `</UserTaggings></Rule></ReplicationConfiguration>`
}

func TestATagFilterIsRefusedWhereItCannotBe(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		one := [2]string{"a", "1"}
		var eleven [][2]string
		for i := range 11 {
			eleven = append(eleven, [2]string{string(rune('a' + i)), "1"})
		}
		c.refused(c.post("src", tagRule("ALL", "AND", one)), 400, "InvalidArgument", "")
		c.refused(c.post("src", tagRule("PUT,DELETE", "AND", one)), 400, "InvalidArgument", "")
		c.refused(c.post("src", tagRule("PUT", "XOR", one)), 400, "InvalidArgument", "")
		c.refused(c.post("src", tagRule("PUT", "AND")), 400, "InvalidArgument", "")
		c.refused(c.post("src", tagRule("PUT", "AND", [2]string{"", "1"})), 400, "InvalidArgument", "")
		c.refused(c.post("src", tagRule("PUT", "AND", eleven...)), 400, "TooManyFilterObjectTags", "")
		c.bucket(accountA, "cn-zhangjiakou", "without")
		body := strings.NewReplacer("dst", "without", "cn-shanghai", "cn-zhangjiakou").Replace(tagRule("PUT", "AND", one))
		c.refused(c.post("src", body), 400, "InvalidArgument", "")
		require.NoError(c, c.post("src", tagRule("PUT", "AND", one)))
	})
}

func TestEncryptionDecidesWhatIsCopiedAndHow(t *testing.T) {
	const ownKey, replicaKey, dstKey = "own-key", "replica-key", "dst-key"
	encrypted := func(sse, key string) func(*oss.PutObjectRequest) {
		return func(q *oss.PutObjectRequest) {
			q.ServerSideEncryption = oss.Ptr(sse)
			if key != "" {
				q.ServerSideEncryptionKeyId = oss.Ptr(key)
			}
		}
	}
	plain := func(*oss.PutObjectRequest) {}
	for _, tc := range []struct {
		name    string
		object  func(*oss.PutObjectRequest)
		dst     *world.Encryption // default of the destination
		kms     bool              // the rule has KMS and a key
		copied  bool
		sse     string
		withKey string
	}{
		{"a plain object stays plain", plain, nil, false, true, "", ""},
		{"a plain object takes the destination's SSE-OSS", plain, &world.Encryption{Algorithm: "AES256"}, false, true, "AES256", ""},
		{"a plain object takes the destination's default KMS key", plain, &world.Encryption{Algorithm: "KMS"}, false, true, "KMS", ""},
		{"a plain object is left out under the destination's own key", plain, &world.Encryption{Algorithm: "KMS", KMSKeyID: dstKey}, false, false, "", ""},
		{"with KMS a plain object takes the destination's own key", plain, &world.Encryption{Algorithm: "KMS", KMSKeyID: dstKey}, true, true, "KMS", dstKey},
		{"SSE-OSS stays SSE-OSS", encrypted("AES256", ""), nil, false, true, "AES256", ""},
		{"SSE-KMS with the default key stays so", encrypted("KMS", ""), nil, false, true, "KMS", ""},
		{"SSE-KMS with an own key is left out", encrypted("KMS", ownKey), nil, false, false, "", ""},
		{"with KMS an own key becomes the rule's", encrypted("KMS", ownKey), nil, true, true, "KMS", replicaKey},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				c.grant(accountA, syncRole, trustOSS, `{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`)
				c.spread()
				require.Nil(c, c.w.PutBucketEncryption("dst", tc.dst))
				id := c.replicating("src", toDst(func(r *oss.ReplicationRule) {
					if tc.kms {
						kms("Enabled", oss.Ptr(replicaKey))(r)
					}
				}))
				c.put("src", "key", "secret", tc.object)
				time.Sleep(time.Minute)
				require.WithinDuration(c, time.Now(), c.watermark("src", id), 10*time.Second, "what is left out holds nothing up")
				v, e := c.w.Object("dst", "key", "", false)
				if !tc.copied {
					require.Equal(c, "NoSuchKey", e.Code)
					require.Equal(c, 1, c.w.ReplicationStats("src", "dst").Skipped)
					return
				}
				require.Nil(c, e)
				require.Equal(c, []string{tc.sse, tc.withKey}, []string{v.SSE, v.KMSKeyID})
			})
		})
	}
}

func TestObjectsUnderOwnKeysNeedARoleThatMayUseThem(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(kms("Enabled", oss.Ptr("acs:kms:cn-shanghai:"+accountA+":key/k"))))
		r := c.rules("src")[0]
		require.EqualValues(c, "Enabled", r.SourceSelectionCriteria.SseKmsEncryptedObjects.Status)
		require.Equal(c, "acs:kms:cn-shanghai:"+accountA+":key/k", *r.EncryptionConfiguration.ReplicaKmsKeyID)
		time.Sleep(time.Minute)
		written := time.Now()
		c.put("src", "key", "secret", func(q *oss.PutObjectRequest) {
			q.ServerSideEncryption, q.ServerSideEncryptionKeyId = oss.Ptr("KMS"), oss.Ptr("own-key")
		})
		time.Sleep(10 * time.Minute)
		c.lacks("dst", "key")
		require.Equal(c, written.Truncate(time.Millisecond).UTC(), c.watermark("src", id))
		require.Nil(c, c.w.AttachPolicyToRole(accountA, "System", "AliyunKMSCryptoUserAccess", syncRole, world.View{}))
		c.catchesUp("src", id, "dst", "key", "secret")
	})
}

func TestADisabledKMSKeepsNoKey(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.replicate("src", toDst(kms("Disabled", oss.Ptr("k"))))
		r := c.rules("src")[0]
		require.EqualValues(c, "Disabled", r.SourceSelectionCriteria.SseKmsEncryptedObjects.Status)
		require.Nil(c, r.EncryptionConfiguration)
	})
}

func TestColdArchiveIsLeftOutAndTheOtherClassesAreKept(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		for _, class := range []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"} {
			c.put("src", class, "x", func(q *oss.PutObjectRequest) { q.StorageClass = oss.StorageClassType(class) })
		}
		id := c.replicating("src", toDst(nil))
		require.Equal(c, "1", *c.progress("src", id).Progress.HistoricalObject)
		l, e := c.w.ListObjects("dst", world.ListQuery{Max: 10})
		require.Nil(c, e)
		var got []string
		for _, v := range l.Versions {
			require.Equal(c, v.Key, v.StorageClass)
			got = append(got, v.Key)
		}
		require.Equal(c, []string{"Archive", "IA", "Standard"}, got)
	})
}

func TestAChangeOfTheACLIsCopied(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.versioned("src", "dst")
		c.replicating("src", toDst(nil))
		c.put("src", "key", "1")
		time.Sleep(time.Minute)
		_, err := c.at("src").PutObjectAcl(c.ctx, &oss.PutObjectAclRequest{Bucket: oss.Ptr("src"), Key: oss.Ptr("key"), Acl: oss.ObjectACLPublicRead})
		require.NoError(c, err)
		time.Sleep(time.Minute)
		require.Equal(c, "public-read", c.w.ObjectACL("dst", "key", ""))
		require.Len(c, c.versions("dst", "key"), 1)
	})
}

func TestADestinationThatIsGoneRefusesUntilItIsBack(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicating("src", toDst(nil))
		_, err := c.at("dst").DeleteBucket(c.ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr("dst")})
		require.NoError(c, err)
		time.Sleep(time.Minute)
		c.put("src", "key", "1")
		time.Sleep(10 * time.Minute)
		require.Equal(c, 1, c.w.ReplicationStats("src", "dst").Pending)
		c.bucket(accountA, inShanghai, "dst")
		c.catchesUp("src", id, "dst", "key", "1")
	})
}

func TestASourceThatIsDeletedTakesItsRulesWithIt(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.replicate("src", toDst(nil))
		_, err := c.at("src").DeleteBucket(c.ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr("src")})
		require.NoError(c, err)
		c.bucket(accountA, inHangzhou, "src")
		c.put("src", "key", "1")
		time.Sleep(time.Hour)
		c.lacks("dst", "key")
		_, err = c.at("src").GetBucketReplication(c.ctx, &oss.GetBucketReplicationRequest{Bucket: oss.Ptr("src")})
		c.refused(err, 404, "NoSuchReplicationConfiguration", "")
	})
}
