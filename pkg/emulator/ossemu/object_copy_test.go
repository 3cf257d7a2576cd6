package ossemu_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"
)

func TestAppendGoesOnAtTheEndOnly(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("log")
	add := func(key, text string, position int64) (*oss.AppendObjectResult, error) {
		return cl.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: oss.Ptr("log"), Key: oss.Ptr(key), Body: body(text), Position: oss.Ptr(position)})
	}
	_, err := add("a", "late", 4)
	require.Equal(t, "0026-00000016", refused(t, err, "409 PositionNotEqualToLength").EC)
	first, err := add("a", "one\n", 0)
	require.NoError(t, err)
	require.Equal(t, int64(4), first.NextPosition)
	_, err = add("a", "again", 0)
	refused(t, err, "409 PositionNotEqualToLength")
	second, err := add("a", "two\n", 4)
	require.NoError(t, err)
	require.Equal(t, int64(8), second.NextPosition)
	require.Equal(t, crcOf("one\ntwo\n"), *second.HashCRC64)
	require.Equal(t, "one\ntwo\n", content(t, cl, "log", "a", ""))
	head, err := cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("log"), Key: oss.Ptr("a")})
	require.NoError(t, err)
	require.Equal(t, "Appendable", *head.ObjectType)
	require.Equal(t, "8", *head.NextAppendPosition)
	put(t, cl, "log", "normal", "x")
	_, err = add("normal", "y", 1)
	refused(t, err, "409 ObjectNotAppendable")
}

func TestOneOfManyAppendersAtAPositionGetsThrough(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("log")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := cl.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: oss.Ptr("log"), Key: oss.Ptr("a"), Body: body("x"), Position: oss.Ptr(int64(0))}); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(1), won.Load())
	require.Equal(t, "x", content(t, cl, "log", "a", ""))
}

func TestAnAppendKeepsItsVersionAndADeleteMarkerTakesNone(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("log")
	add := func(position int64) (*oss.AppendObjectResult, error) {
		return cl.AppendObject(ctx, &oss.AppendObjectRequest{Bucket: oss.Ptr("log"), Key: oss.Ptr("a"), Body: body("x"), Position: oss.Ptr(position)})
	}
	first, err := add(0)
	require.NoError(t, err)
	second, err := add(1)
	require.NoError(t, err)
	require.Equal(t, *first.VersionId, *second.VersionId)
	_, err = cl.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: oss.Ptr("log"), Key: oss.Ptr("a")})
	require.NoError(t, err)
	_, err = add(0)
	refused(t, err, "409 ObjectNotAppendable")
}

func TestACopyTakesTheHeadersOfItsSourceUnlessToldOtherwise(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	c.bucket("other")
	_, err := cl.PutObject(ctx, &oss.PutObjectRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("from +ü"), Body: body("hello"), ContentType: oss.Ptr("text/x-test"),
		Metadata: map[string]string{"m": "1"}, Tagging: oss.Ptr("t=1"),
	})
	require.NoError(t, err)
	for _, x := range []struct {
		name           string
		key            string
		meta, tags     string
		wantM, wantTag string
	}{
		{"both are copied", "a", "", "", "1", "1"},
		{"both are copied by order", "b", "COPY", "Copy", "1", "1"},
		{"metadata replaced", "c", "REPLACE", "", "2", "1"},
		{"tags replaced", "d", "", "Replace", "1", "2"},
	} {
		t.Run(x.name, func(t *testing.T) {
			res, err := cl.CopyObject(ctx, &oss.CopyObjectRequest{
				Bucket: oss.Ptr("other"), Key: oss.Ptr(x.key), SourceBucket: oss.Ptr("data"), SourceKey: oss.Ptr("from +ü"),
				MetadataDirective: directive(x.meta), TaggingDirective: directive(x.tags), Metadata: map[string]string{"m": "2"}, Tagging: oss.Ptr("t=2"),
			})
			require.NoError(t, err)
			require.Equal(t, `"`+md5Hex("hello")+`"`, *res.ETag)
			head, err := cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("other"), Key: oss.Ptr(x.key)})
			require.NoError(t, err)
			require.Equal(t, x.wantM, head.Metadata["m"])
			require.Equal(t, x.wantM == "1", *head.ContentType == "text/x-test")
			tags, err := cl.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: oss.Ptr("other"), Key: oss.Ptr(x.key)})
			require.NoError(t, err)
			require.Equal(t, x.wantTag, *tags.Tags[0].Value)
		})
	}
}

func directive(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func TestACopyOntoItselfChangesTheMetadata(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "k", "hello")
	_, err := cl.CopyObject(ctx, &oss.CopyObjectRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), SourceKey: oss.Ptr("k"), MetadataDirective: oss.Ptr("REPLACE"), Metadata: map[string]string{"new": "yes"},
	})
	require.NoError(t, err)
	head, err := cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"new": "yes"}, head.Metadata)
	require.Equal(t, "hello", content(t, cl, "data", "k", ""))
}

func TestACopyIsRefused(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	etag := *put(t, cl, "data", "k", "hello").ETag
	put(t, cl, "data", "there", "x")
	sh := c.client(c.root, in(shanghai))
	_, err := sh.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("far")})
	require.NoError(t, err)
	for name, x := range map[string]struct {
		cl   *oss.Client
		req  oss.CopyObjectRequest
		want string
	}{
		"of what is not there":         {cl, oss.CopyObjectRequest{Bucket: oss.Ptr("data"), SourceKey: oss.Ptr("none")}, "404 NoSuchKey"},
		"from no bucket":               {cl, oss.CopyObjectRequest{Bucket: oss.Ptr("data"), SourceBucket: oss.Ptr("none"), SourceKey: oss.Ptr("k")}, "404 NoSuchBucket"},
		"across regions":               {sh, oss.CopyObjectRequest{Bucket: oss.Ptr("far"), SourceBucket: oss.Ptr("data"), SourceKey: oss.Ptr("k")}, "403 AccessDenied"},
		"over what is there":           {cl, oss.CopyObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("there"), SourceKey: oss.Ptr("k"), ForbidOverwrite: oss.Ptr("true")}, "409 FileAlreadyExists"},
		"when the source is another":   {cl, oss.CopyObjectRequest{Bucket: oss.Ptr("data"), SourceKey: oss.Ptr("k"), IfMatch: oss.Ptr("ABC")}, "412 PreconditionFailed"},
		"when the source is this very": {cl, oss.CopyObjectRequest{Bucket: oss.Ptr("data"), SourceKey: oss.Ptr("k"), IfNoneMatch: oss.Ptr(etag)}, ""},
		"with a word for a directive":  {cl, oss.CopyObjectRequest{Bucket: oss.Ptr("data"), SourceKey: oss.Ptr("k"), MetadataDirective: oss.Ptr("MERGE")}, "400 InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			if x.req.Key == nil {
				x.req.Key = oss.Ptr("new")
			}
			_, err := x.cl.CopyObject(ctx, &x.req)
			if x.want != "" {
				refused(t, err, x.want)
				return
			}
			se := &oss.ServiceError{}
			require.True(t, errorsAs(err, &se))
			require.Equal(t, http.StatusNotModified, se.StatusCode)
		})
	}
}
