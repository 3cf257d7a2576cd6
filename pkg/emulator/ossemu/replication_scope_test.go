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

// reclass copies an object onto itself into another storage class.
func (c *lab) reclass(bucket, key string, class oss.StorageClassType, change func(*oss.CopyObjectRequest)) {
	c.Helper()
	q := &oss.CopyObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), SourceKey: oss.Ptr(key), StorageClass: class}
	if change != nil {
		change(q)
	}
	_, err := c.at(bucket).CopyObject(c.ctx, q)
	require.NoError(c, err)
}

func TestAChangeOfTheStorageClassByACopyOntoItselfIsNotReplicated(t *testing.T) {
	for _, tc := range []struct {
		name   string
		class  oss.StorageClassType
		change func(*oss.CopyObjectRequest)
		copied bool
	}{
		{"only the storage class changes", "IA", nil, false},
		{"nothing changes", "Standard", nil, true},
		{"metadata changes as well", "IA", func(q *oss.CopyObjectRequest) { q.Metadata = map[string]string{"a": "1"} }, true},
		{"tags change as well", "IA", func(q *oss.CopyObjectRequest) {
			q.TaggingDirective, q.Tagging = oss.Ptr("Replace"), oss.Ptr("a=1")
		}, true},
		{"the encryption changes as well", "IA", func(q *oss.CopyObjectRequest) { q.ServerSideEncryption = oss.Ptr("AES256") }, true},
		{"the access list changes as well", "IA", func(q *oss.CopyObjectRequest) { q.Acl = oss.ObjectACLPublicRead }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				c.sameAccount()
				id := c.replicating("src", toDst(nil))
				c.put("src", "key", "x")
				time.Sleep(time.Minute)
				c.reclass("src", "key", tc.class, tc.change)
				time.Sleep(time.Minute)
				require.Equal(c, string(tc.class), c.class("src", "key"))
				want := "Standard"
				if tc.copied {
					want = string(tc.class)
				}
				require.Equal(c, want, c.class("dst", "key"))
				require.Equal(c, map[bool]int{true: 2, false: 1}[tc.copied], c.w.ReplicationStats("src", "dst").Copied)
				require.WithinDuration(c, time.Now(), c.watermark("src", id), 10*time.Second)
			})
		})
	}
	t.Run("in a bucket with versions the new version stays at the source", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			c.sameAccount()
			c.versioned("src", "dst")
			c.replicating("src", toDst(nil))
			first := c.put("src", "key", "x")
			time.Sleep(time.Minute)
			c.reclass("src", "key", "IA", nil)
			time.Sleep(time.Minute)
			require.Len(c, c.versions("src", "key"), 2)
			require.Equal(c, []string{first}, c.versions("dst", "key"))
		})
	})
	t.Run("an object that waits to be copied arrives all the same", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			c.sameAccount()
			c.put("src", "history", "1")
			c.replicate("src", toDst(nil))
			c.put("src", "early", "2")
			time.Sleep(2 * time.Second)
			c.reclass("src", "history", "IA", nil)
			c.reclass("src", "early", "IA", nil)
			time.Sleep(6 * time.Minute)
			c.has("dst", "history", "1")
			c.has("dst", "early", "2")
			c.w.PausePair("src", "dst", true)
			c.put("src", "held", "3")
			time.Sleep(time.Minute)
			c.reclass("src", "held", "IA", nil)
			c.w.PausePair("src", "dst", false)
			time.Sleep(time.Minute)
			c.has("dst", "held", "3")
			require.Equal(c, "IA", c.class("dst", "held"))
		})
	})
	t.Run("a rule without history does not copy what was there before", func(t *testing.T) {
		inLab(t, world.Options{}, func(c *lab) {
			c.sameAccount()
			c.put("src", "old", "1")
			c.replicate("src", toDst(func(r *oss.ReplicationRule) { r.HistoricalObjectReplication = oss.HistoricalObjectReplicationDisabled }))
			c.reclass("src", "old", "IA", nil)
			time.Sleep(10 * time.Minute)
			c.lacks("dst", "old")
		})
	})
}

func TestATagFilterGoesByTheTagsAtTheWrite(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		require.NoError(c, c.post("src", tagRule("PUT", "AND", [2]string{"a", "1"})))
		time.Sleep(5 * time.Minute)
		retag := func(key, value string) {
			_, e := c.w.PutObjectTags("src", key, "", []world.Tag{{Key: "a", Value: value}})
			require.Nil(c, e)
		}
		c.put("src", "tagged-later", "x")
		c.put("src", "tagged-at-once", "x", func(q *oss.PutObjectRequest) { q.Tagging = oss.Ptr("a=1") })
		retag("tagged-later", "1")
		retag("tagged-at-once", "2")
		time.Sleep(time.Hour)
		c.lacks("dst", "tagged-later")
		c.has("dst", "tagged-at-once", "x")
		c.reclass("src", "tagged-later", "Standard", nil) // a write of the object with the tags that it has
		time.Sleep(time.Minute)
		c.has("dst", "tagged-later", "x")
	})
}
