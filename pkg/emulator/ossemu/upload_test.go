package ossemu_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"
)

const partSize = 100 << 10

// start begins an upload of the key "big" and sends one part for each text.
func start(t *testing.T, cl *oss.Client, parts ...string) (id *string, refs []oss.UploadPart) {
	u, err := cl.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), ContentType: oss.Ptr("text/big"), Metadata: map[string]string{"m": "1"}, Tagging: oss.Ptr("t=1"),
	})
	require.NoError(t, err)
	for i, text := range parts {
		p, err := cl.UploadPart(ctx, &oss.UploadPartRequest{
			Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: u.UploadId, PartNumber: int32(i + 1), Body: body(text),
		})
		require.NoError(t, err)
		require.Equal(t, crcOf(text), *p.HashCRC64)
		refs = append(refs, oss.UploadPart{PartNumber: int32(i + 1), ETag: p.ETag})
	}
	return u.UploadId, refs
}

func complete(cl *oss.Client, id *string, refs []oss.UploadPart, change ...func(*oss.CompleteMultipartUploadRequest)) (*oss.CompleteMultipartUploadResult, error) {
	req := &oss.CompleteMultipartUploadRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id, CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: refs},
	}
	for _, f := range change {
		f(req)
	}
	return cl.CompleteMultipartUpload(ctx, req)
}

func TestPartsAreJoinedIntoOneObject(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	a, b, last := strings.Repeat("a", partSize), strings.Repeat("b", partSize+1), "end"
	id, refs := start(t, cl, a, b, last)
	res, err := complete(cl, id, refs)
	require.NoError(t, err)
	sum := md5.New()
	for _, p := range []string{a, b, last} {
		raw := md5.Sum([]byte(p))
		sum.Write(raw[:])
	}
	etag := fmt.Sprintf(`"%s-3"`, strings.ToUpper(hex.EncodeToString(sum.Sum(nil))))
	require.Equal(t, etag, *res.ETag)
	require.Equal(t, crcOf(a+b+last), *res.HashCRC64)
	require.Equal(t, "big", *res.Key)
	require.Equal(t, a+b+last, content(t, cl, "data", "big", ""))
	head, err := cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big")})
	require.NoError(t, err)
	require.Equal(t, "Multipart", *head.ObjectType)
	require.Equal(t, etag, *head.ETag)
	require.Equal(t, "text/big", *head.ContentType)
	require.Equal(t, "1", head.Metadata["m"])
	require.Equal(t, int32(1), head.TaggingCount)
	require.Nil(t, head.ContentMD5)
	_, err = complete(cl, id, refs)
	refused(t, err, "404 NoSuchUpload")
}

func TestAnUploadIsNotCompleted(t *testing.T) {
	big := strings.Repeat("x", partSize)
	for name, x := range map[string]struct {
		parts []string
		twist func(refs []oss.UploadPart) []oss.UploadPart
		want  string
	}{
		"with a small part before the last": {[]string{big[1:], big}, nil, "400 EntityTooSmall"},
		"with a part that is not there": {[]string{big, "x"}, func(r []oss.UploadPart) []oss.UploadPart {
			return append(r, oss.UploadPart{PartNumber: 3, ETag: r[0].ETag})
		}, "400 InvalidPart"},
		"with the ETag of another part": {[]string{big, "x"}, func(r []oss.UploadPart) []oss.UploadPart {
			r[1].ETag = r[0].ETag
			return r
		}, "400 InvalidPart"},
		"with a part twice": {[]string{big}, func(r []oss.UploadPart) []oss.UploadPart {
			return append(r, r[0])
		}, "400 InvalidPartOrder"},
		"without parts": {[]string{big}, func([]oss.UploadPart) []oss.UploadPart { return nil }, "400 MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			cl := c.bucket("data")
			id, refs := start(t, cl, x.parts...)
			if x.twist != nil {
				refs = x.twist(refs)
			}
			_, err := complete(cl, id, refs)
			refused(t, err, x.want)
			_, err = cl.ListParts(ctx, &oss.ListPartsRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id})
			require.NoError(t, err, "the upload goes on")
		})
	}
}

func TestPartsMustBeNamedInTheirOrder(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	id, refs := start(t, cl, strings.Repeat("x", partSize), "end")
	list := "" // by hand, for the SDK puts them in order
	for _, i := range []int{1, 0} {
		list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", refs[i].PartNumber, *refs[i].ETag)
	}
	_, err := cl.InvokeOperation(ctx, &oss.OperationInput{
		OpName: "CompleteMultipartUpload", Method: "POST", Bucket: oss.Ptr("data"), Key: oss.Ptr("big"),
		Parameters: map[string]string{"uploadId": *id}, Body: body("<CompleteMultipartUpload>" + list + "</CompleteMultipartUpload>"),
	})
	refused(t, err, "400 InvalidPartOrder")
}

func TestForbidOverwriteCountsAtTheStartAndAtTheEndOfAnUpload(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	forbid := func(r *oss.CompleteMultipartUploadRequest) { r.ForbidOverwrite = oss.Ptr("true") }
	id, refs := start(t, cl, "new")
	put(t, cl, "data", "big", "old")
	_, err := complete(cl, id, refs, forbid)
	refused(t, err, "409 FileAlreadyExists")
	_, err = cl.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), ForbidOverwrite: oss.Ptr("true")})
	refused(t, err, "409 FileAlreadyExists")
	remove(t, cl, "data", "big", "")
	_, err = complete(cl, id, refs, forbid)
	require.NoError(t, err)
	require.Equal(t, "new", content(t, cl, "data", "big", ""))
}

func TestAnUploadIsCompletedWithAllItsParts(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("data")
	id, _ := start(t, cl, strings.Repeat("x", partSize), "end")
	res, err := complete(cl, id, nil, func(r *oss.CompleteMultipartUploadRequest) {
		r.CompleteMultipartUpload, r.CompleteAll, r.Acl = nil, oss.Ptr("yes"), oss.ObjectACLPublicRead
	})
	require.NoError(t, err)
	require.Len(t, *res.VersionId, 64)
	require.Equal(t, strings.Repeat("x", partSize)+"end", content(t, cl, "data", "big", *res.VersionId))
	acl, err := cl.GetObjectAcl(ctx, &oss.GetObjectAclRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big")})
	require.NoError(t, err)
	require.Equal(t, "public-read", *acl.ACL)
}

func TestAPartIsReplacedByALaterOneOfItsNumber(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	id, _ := start(t, cl, "first")
	p, err := cl.UploadPart(ctx, &oss.UploadPartRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id, PartNumber: 1, Body: body("second")})
	require.NoError(t, err)
	_, err = complete(cl, id, []oss.UploadPart{{PartNumber: 1, ETag: p.ETag}})
	require.NoError(t, err)
	require.Equal(t, "second", content(t, cl, "data", "big", ""))
	for _, n := range []int32{-1, 10001} {
		u, _ := start(t, cl)
		_, err = cl.UploadPart(ctx, &oss.UploadPartRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: u, PartNumber: n, Body: body("x")})
		refused(t, err, "400 InvalidArgument")
	}
}

func TestAnAbortedUploadIsGone(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	id, refs := start(t, cl, "x")
	abort := func() error {
		_, err := cl.AbortMultipartUpload(ctx, &oss.AbortMultipartUploadRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id})
		return err
	}
	require.NoError(t, abort())
	refused(t, abort(), "404 NoSuchUpload")
	_, err := complete(cl, id, refs)
	refused(t, err, "404 NoSuchUpload")
	_, err = cl.UploadPart(ctx, &oss.UploadPartRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id, PartNumber: 1, Body: body("x")})
	refused(t, err, "404 NoSuchUpload")
}

func TestPartsAreCopiedFromAnotherObject(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "from", "0123456789")
	id, _ := start(t, cl)
	p, err := cl.UploadPartCopy(ctx, &oss.UploadPartCopyRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id, PartNumber: 1, SourceKey: oss.Ptr("from"), Range: oss.Ptr("bytes=2-4"),
	})
	require.NoError(t, err)
	_, err = complete(cl, id, []oss.UploadPart{{PartNumber: 1, ETag: p.ETag}})
	require.NoError(t, err)
	require.Equal(t, "234", content(t, cl, "data", "big", ""))
}

func TestPartsAndUploadsAreListedInPages(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	id, _ := start(t, cl, "one", "two", "three")
	parts := cl.NewListPartsPaginator(&oss.ListPartsRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big"), UploadId: id, MaxParts: 2})
	var numbers []int32
	for parts.HasNext() {
		page, err := parts.NextPage(ctx)
		require.NoError(t, err)
		for _, p := range page.Parts {
			numbers = append(numbers, p.PartNumber)
		}
	}
	require.Equal(t, []int32{1, 2, 3}, numbers)

	for _, key := range []string{"a/1", "a/2", "a +ü", "big"} {
		_, err := cl.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr(key)})
		require.NoError(t, err)
	}
	for max := int32(1); max <= 6; max++ {
		uploads := cl.NewListMultipartUploadsPaginator(&oss.ListMultipartUploadsRequest{Bucket: oss.Ptr("data"), MaxUploads: max})
		var keys []string
		for uploads.HasNext() {
			page, err := uploads.NextPage(ctx)
			require.NoError(t, err)
			for _, u := range page.Uploads {
				keys = append(keys, *u.Key)
			}
		}
		require.Equal(t, []string{"a +ü", "a/1", "a/2", "big", "big"}, keys, "by %d", max)
	}
	grouped, err := cl.ListMultipartUploads(ctx, &oss.ListMultipartUploadsRequest{Bucket: oss.Ptr("data"), Delimiter: oss.Ptr("/"), Prefix: oss.Ptr("a")})
	require.NoError(t, err)
	require.Len(t, grouped.Uploads, 1)
}

func TestTheUploaderOfTheSDKSendsABigFile(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	text := strings.Repeat("0123456789", 50<<10)
	res, err := cl.NewUploader(func(o *oss.UploaderOptions) { o.PartSize, o.ParallelNum = partSize, 3 }).
		UploadFrom(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("big")}, body(text))
	require.NoError(t, err)
	require.Equal(t, crcOf(text), *res.HashCRC64)
	require.Equal(t, text, content(t, cl, "data", "big", ""))
}
