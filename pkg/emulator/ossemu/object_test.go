package ossemu_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"
)

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func md5Base64(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func crcOf(s string) string {
	return fmt.Sprint(crc64.Checksum([]byte(s), crc64.MakeTable(crc64.ECMA)))
}

func TestAnObjectComesBackAsItWasPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cl := c.bucket("data")
		time.Sleep(1500 * time.Millisecond) // a part of a second
		made := time.Now().UTC()
		res, err := cl.PutObject(ctx, &oss.PutObjectRequest{
			Bucket: oss.Ptr("data"), Key: oss.Ptr("a b/ü+%2F?.txt"), Body: body("hello"), ContentMD5: oss.Ptr(md5Base64("hello")),
			CacheControl: oss.Ptr("no-cache"), ContentDisposition: oss.Ptr("attachment"), ContentEncoding: oss.Ptr("identity"),
			Expires: oss.Ptr("Thu, 01 Jan 2099 00:00:00 GMT"), ContentType: oss.Ptr("text/x-test"),
			Metadata: map[string]string{"Author": "me", "note": "two words"}, Tagging: oss.Ptr("k=v&empty=&sp%20ace=%26"),
			Acl: oss.ObjectACLPublicRead, StorageClass: oss.StorageClassIA, ServerSideEncryption: oss.Ptr("AES256"),
		})
		require.NoError(t, err)
		require.Equal(t, `"`+md5Hex("hello")+`"`, *res.ETag)
		require.Equal(t, md5Base64("hello"), *res.ContentMD5)
		require.Equal(t, crcOf("hello"), *res.HashCRC64)
		require.Nil(t, res.VersionId)
		require.Equal(t, made.Format(http.TimeFormat), res.Headers.Get("Date"))

		time.Sleep(10 * time.Second)
		get, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("a b/ü+%2F?.txt")})
		require.NoError(t, err)
		require.Equal(t, "hello", mustRead(t, get.Body))
		h := get.Headers
		for name, want := range map[string]string{
			"ETag": `"` + md5Hex("hello") + `"`, "Content-Md5": md5Base64("hello"), "Content-Type": "text/x-test",
			"Cache-Control": "no-cache", "Content-Disposition": "attachment", "Content-Encoding": "identity",
			"Expires": "Thu, 01 Jan 2099 00:00:00 GMT", "Last-Modified": made.Truncate(time.Second).Format(http.TimeFormat),
			"Date": made.Add(10 * time.Second).Format(http.TimeFormat), "X-Oss-Meta-Author": "me", "X-Oss-Meta-Note": "two words",
			"X-Oss-Hash-Crc64ecma": crcOf("hello"), "X-Oss-Object-Type": "Normal", "X-Oss-Storage-Class": "IA",
			"X-Oss-Server-Side-Encryption": "AES256", "X-Oss-Tagging-Count": "3", "X-Oss-Version-Id": "", "Server": "AliyunOSS",
		} {
			require.Equal(t, want, h.Get(name), name)
		}
		require.Len(t, h.Get("X-Oss-Request-Id"), 24)
		require.Equal(t, "0", h.Get("X-Oss-Server-Time"))

		head, err := cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("a b/ü+%2F?.txt")})
		require.NoError(t, err)
		require.Equal(t, int64(5), head.ContentLength)
		require.Equal(t, map[string]string{"author": "me", "note": "two words"}, head.Metadata)
		require.Equal(t, int32(3), head.TaggingCount)
		meta, err := cl.GetObjectMeta(ctx, &oss.GetObjectMetaRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("a b/ü+%2F?.txt")})
		require.NoError(t, err)
		require.Equal(t, int64(5), meta.ContentLength)
		require.Equal(t, made.Truncate(time.Second), meta.LastModified.UTC())
	})
}

func TestContentThatDoesNotFitItsMD5IsNotStored(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	for name, sum := range map[string]string{"another content": md5Base64("hellp"), "no MD5": "abc"} {
		t.Run(name, func(t *testing.T) {
			_, err := cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Body: body("hello"), ContentMD5: oss.Ptr(sum)})
			refused(t, err, "400 InvalidDigest")
			_, err = cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
			refused(t, err, "404 NoSuchKey")
		})
	}
}

func TestBadNamesAndValuesOfAnObjectAreRefused(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	for name, x := range map[string]struct {
		req  oss.PutObjectRequest
		want string
	}{
		"a name of 1024 bytes":       {oss.PutObjectRequest{Key: oss.Ptr(strings.Repeat("k", 1024))}, "400 InvalidObjectName"},
		"a name that begins with \\": {oss.PutObjectRequest{Key: oss.Ptr(`\k`)}, "400 InvalidObjectName"},
		"an unknown access list":     {oss.PutObjectRequest{Key: oss.Ptr("k"), Acl: "world"}, "400 InvalidArgument"},
		"an unknown storage class":   {oss.PutObjectRequest{Key: oss.Ptr("k"), StorageClass: "Gold"}, "400 InvalidArgument"},
		"an unknown encryption":      {oss.PutObjectRequest{Key: oss.Ptr("k"), ServerSideEncryption: oss.Ptr("ROT13")}, "400 InvalidEncryptionAlgorithmError"},
		"a key without KMS":          {oss.PutObjectRequest{Key: oss.Ptr("k"), ServerSideEncryptionKeyId: oss.Ptr("x")}, "400 InvalidArgument"},
		"a tag twice":                {oss.PutObjectRequest{Key: oss.Ptr("k"), Tagging: oss.Ptr("a=1&a=2")}, "400 InvalidTag"},
		"eleven tags":                {oss.PutObjectRequest{Key: oss.Ptr("k"), Tagging: oss.Ptr("a&b&c&d&e&f&g&h&i&j&k")}, "400 InvalidTag"},
		"overwriting neither way":    {oss.PutObjectRequest{Key: oss.Ptr("k"), ForbidOverwrite: oss.Ptr("maybe")}, "400 InvalidArgument"},
		"nine kilobytes of metadata": {oss.PutObjectRequest{Key: oss.Ptr("k"), Metadata: map[string]string{"m": strings.Repeat("x", 9<<10)}}, "400 MetadataTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			x.req.Bucket, x.req.Body = oss.Ptr("data"), body("x")
			_, err := cl.PutObject(ctx, &x.req)
			refused(t, err, x.want)
		})
	}
}

func TestForbidOverwriteLetsOneOfManyWritersThrough(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("state")
	var won, lost atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			_, err := cl.PutObject(ctx, &oss.PutObjectRequest{
				Bucket: oss.Ptr("state"), Key: oss.Ptr("lease/1"), Body: body(fmt.Sprint("writer ", n)), ForbidOverwrite: oss.Ptr("true"),
			})
			if err == nil {
				won.Add(1)
				winner.Store(fmt.Sprint("writer ", n))
				return
			}
			se := &oss.ServiceError{}
			if errorsAs(err, &se) && se.StatusCode == http.StatusConflict && se.Code == "FileAlreadyExists" {
				lost.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(1), won.Load())
	require.Equal(t, int32(31), lost.Load())
	require.Equal(t, winner.Load(), content(t, cl, "state", "lease/1", ""))
}

func TestForbidOverwriteIsOverlookedWhereVersioningWasEverEnabled(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("data")
	for _, status := range []string{"Enabled", "Suspended"} {
		setVersioning(t, cl, "data", status)
		for n := range 2 {
			_, err := cl.PutObject(ctx, &oss.PutObjectRequest{
				Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Body: body(fmt.Sprint(status, n)), ForbidOverwrite: oss.Ptr("true"),
			})
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(status, n), content(t, cl, "data", "k", ""))
		}
	}
}

func TestForbidOverwriteAllowsANameThatWasDeleted(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "k", "old")
	_, err := cl.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
	require.NoError(t, err)
	_, err = cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Body: body("new"), ForbidOverwrite: oss.Ptr("true")})
	require.NoError(t, err)
}

func TestARangeIsServedAsTheRangeBehaviorSays(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "ten", "0123456789")
	put(t, cl, "data", "empty", "")
	for _, x := range []struct {
		name, key, rg, behavior string
		want, contentRange      string
		refused                 string
	}{
		{"the first bytes", "ten", "bytes=0-3", "", "0123", "bytes 0-3/10", ""},
		{"one byte", "ten", "bytes=9-9", "", "9", "bytes 9-9/10", ""},
		{"to the end", "ten", "bytes=7-", "", "789", "bytes 7-9/10", ""},
		{"the last bytes", "ten", "bytes=-2", "", "89", "bytes 8-9/10", ""},
		{"an end behind the object gives all of it", "ten", "bytes=5-10", "", "0123456789", "", ""},
		{"an end behind the object is cut by the standard", "ten", "bytes=5-10", "standard", "56789", "bytes 5-9/10", ""},
		{"a start behind the object gives all of it", "ten", "bytes=10-20", "", "0123456789", "", ""},
		{"a start behind the object is refused by the standard", "ten", "bytes=10-20", "standard", "", "", "416 InvalidRange"},
		{"more last bytes than there are give all of it", "ten", "bytes=-11", "", "0123456789", "", ""},
		{"more last bytes than there are, by the standard", "ten", "bytes=-11", "standard", "0123456789", "bytes 0-9/10", ""},
		{"an end before the start is no range", "ten", "bytes=5-4", "standard", "0123456789", "", ""},
		{"no number is no range", "ten", "bytes=a-b", "standard", "0123456789", "", ""},
		{"another unit is no range", "ten", "lines=0-1", "standard", "0123456789", "", ""},
		{"two ranges are not served", "ten", "bytes=0-1,3-4", "", "0123456789", "", ""},
		{"no bytes of an empty object", "empty", "bytes=0-0", "", "", "", ""},
		{"no bytes of an empty object, by the standard", "empty", "bytes=0-", "standard", "", "", "416 InvalidRange"},
	} {
		t.Run(x.name, func(t *testing.T) {
			req := &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr(x.key), Range: oss.Ptr(x.rg)}
			if x.behavior != "" {
				req.RangeBehavior = oss.Ptr(x.behavior)
			}
			res, err := cl.GetObject(ctx, req)
			if x.refused != "" {
				refused(t, err, x.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, x.want, mustRead(t, res.Body))
			require.Equal(t, x.contentRange, oss.ToString(res.ContentRange))
			require.Equal(t, x.contentRange != "", res.StatusCode == http.StatusPartialContent)
			require.Equal(t, int64(len(x.want)), res.ContentLength)
		})
	}
}

func TestConditionsOfAReadAreDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cl := c.bucket("data")
		time.Sleep(time.Hour + 700*time.Millisecond)
		etag := *put(t, cl, "data", "k", "x").ETag
		at := func(d time.Duration) string {
			return time.Now().UTC().Truncate(time.Second).Add(d).Format(http.TimeFormat)
		}
		for name, x := range map[string]struct {
			req  oss.GetObjectRequest
			want string
		}{
			"the same ETag":                        {oss.GetObjectRequest{IfMatch: oss.Ptr(etag)}, ""},
			"the same ETag in lower case, bare":    {oss.GetObjectRequest{IfMatch: oss.Ptr(strings.ToLower(strings.Trim(etag, `"`)))}, ""},
			"another ETag":                         {oss.GetObjectRequest{IfMatch: oss.Ptr("ABC")}, "412 PreconditionFailed"},
			"no other ETag than this":              {oss.GetObjectRequest{IfNoneMatch: oss.Ptr(etag)}, "304"},
			"no other ETag than another":           {oss.GetObjectRequest{IfNoneMatch: oss.Ptr("ABC")}, ""},
			"modified since before":                {oss.GetObjectRequest{IfModifiedSince: oss.Ptr(at(-time.Second))}, ""},
			"modified since the very second":       {oss.GetObjectRequest{IfModifiedSince: oss.Ptr(at(0))}, "304"},
			"unmodified since the very second":     {oss.GetObjectRequest{IfUnmodifiedSince: oss.Ptr(at(0))}, ""},
			"unmodified since before":              {oss.GetObjectRequest{IfUnmodifiedSince: oss.Ptr(at(-time.Second))}, "412 PreconditionFailed"},
			"a matching ETag outweighs the time":   {oss.GetObjectRequest{IfMatch: oss.Ptr(etag), IfUnmodifiedSince: oss.Ptr(at(-time.Hour))}, ""},
			"another ETag outweighs the time also": {oss.GetObjectRequest{IfNoneMatch: oss.Ptr("ABC"), IfModifiedSince: oss.Ptr(at(0))}, ""},
		} {
			x.req.Bucket, x.req.Key = oss.Ptr("data"), oss.Ptr("k")
			_, err := cl.GetObject(ctx, &x.req)
			switch x.want {
			case "":
				require.NoError(t, err, name)
			case "304":
				se := &oss.ServiceError{}
				require.True(t, errorsAs(err, &se), name)
				require.Equal(t, http.StatusNotModified, se.StatusCode, name)
			default:
				refused(t, err, x.want)
			}
		}
	})
}

func TestAReadMayChooseTheHeadersOfItsAnswer(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "k", "x")
	res, err := cl.GetObject(ctx, &oss.GetObjectRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), ResponseContentType: oss.Ptr("text/odd"), ResponseContentLanguage: oss.Ptr("de"),
		ResponseExpires: oss.Ptr("never"), ResponseCacheControl: oss.Ptr("private"), ResponseContentDisposition: oss.Ptr("inline"),
		ResponseContentEncoding: oss.Ptr("x-none"),
	})
	require.NoError(t, err)
	for name, want := range map[string]string{
		"Content-Type": "text/odd", "Content-Language": "de", "Expires": "never", "Cache-Control": "private",
		"Content-Disposition": "inline", "Content-Encoding": "x-none",
	} {
		require.Equal(t, want, res.Headers.Get(name))
	}
}

func TestWhatIsNotThereIsSaidWithItsNumber(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	_, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("none")})
	se := refused(t, err, "404 NoSuchKey")
	require.Equal(t, "0026-00000001", se.EC)
	require.Equal(t, "0026-00000001", se.Headers.Get("x-oss-ec"))
	_, err = cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("none")})
	require.Equal(t, "0026-00000001", refused(t, err, "404 NoSuchKey").EC, "from the header, for a HEAD has no body")
	_, err = cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("none"), VersionId: oss.Ptr("CAEQ")})
	refused(t, err, "404 NoSuchVersion")
	_, err = cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("nowhere"), Key: oss.Ptr("none")})
	require.Equal(t, "0015-00000101", refused(t, err, "404 NoSuchBucket").EC)
	exist, err := cl.IsObjectExist(ctx, "data", "none")
	require.NoError(t, err)
	require.False(t, exist)
}

func TestObjectTagsAndAclAreChangedAfterwards(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "k", "x")
	tags := func() []oss.Tag {
		res, err := cl.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
		require.NoError(t, err)
		return res.Tags
	}
	require.Empty(t, tags())
	want := []oss.Tag{{Key: oss.Ptr("a"), Value: oss.Ptr("1")}, {Key: oss.Ptr("b"), Value: oss.Ptr("")}}
	_, err := cl.PutObjectTagging(ctx, &oss.PutObjectTaggingRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: want}},
	})
	require.NoError(t, err)
	require.Equal(t, want, tags())
	_, err = cl.DeleteObjectTagging(ctx, &oss.DeleteObjectTaggingRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
	require.NoError(t, err)
	require.Empty(t, tags())

	acl := func() string {
		res, err := cl.GetObjectAcl(ctx, &oss.GetObjectAclRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
		require.NoError(t, err)
		return *res.ACL
	}
	require.Equal(t, "default", acl())
	_, err = cl.PutObjectAcl(ctx, &oss.PutObjectAclRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Acl: oss.ObjectACLPublicRead})
	require.NoError(t, err)
	require.Equal(t, "public-read", acl())
	_, err = cl.PutObjectTagging(ctx, &oss.PutObjectTaggingRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("none"), Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: want}},
	})
	refused(t, err, "404 NoSuchKey")
}
