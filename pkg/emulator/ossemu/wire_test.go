package ossemu_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/ossemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// params makes the parameters of a call from "name" and "name=value".
func params(list ...string) map[string]string {
	m := map[string]string{}
	for _, p := range list {
		name, value, _ := strings.Cut(p, "=")
		m[name] = value
	}
	return m
}

// raw makes a signed call that the typed requests of the SDK cannot express.
func raw(cl *oss.Client, method, bucket, key, text string, query map[string]string, header ...string) (*oss.OperationOutput, error) {
	in := &oss.OperationInput{OpName: "Raw", Method: method, Parameters: query, Headers: map[string]string{}}
	if bucket != "" {
		in.Bucket = oss.Ptr(bucket)
	}
	if key != "" {
		in.Key = oss.Ptr(key)
	}
	if text != "" {
		in.Body = body(text)
	}
	for i := 0; i < len(header); i += 2 {
		in.Headers[header[i]] = header[i+1]
	}
	return cl.InvokeOperation(ctx, in)
}

func TestMalformedCallsAreRefused(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "k", "x")
	id, _ := start(t, cl, "x")
	for _, x := range []struct {
		name, method, bucket, key, body string
		query                           map[string]string
		header                          []string
		want                            string
	}{
		{"a method that no operation has", "POST", "data", "k", "", nil, nil, "405 MethodNotAllowed"},
		{"a bucket created from broken XML", "PUT", "new-bucket", "", "<Create", nil, nil, "400 MalformedXML"},
		{"a bucket created from another document", "PUT", "new-bucket", "", "<Tagging></Tagging>", nil, nil, "400 MalformedXML"},
		{"a bucket of no known class", "PUT", "new-bucket", "", "<CreateBucketConfiguration><StorageClass>Gold</StorageClass></CreateBucketConfiguration>", nil, nil, "400 InvalidArgument"},
		{"versioning without a body", "PUT", "data", "", "", params("versioning"), nil, "400 MalformedXML"},
		{"encryption without a method", "PUT", "data", "", "<ServerSideEncryptionRule/>", params("encryption"), nil, "400 MalformedXML"},
		{"encryption of data without KMS", "PUT", "data", "", "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm><KMSDataEncryption>SM4</KMSDataEncryption></ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>", params("encryption"), nil, "400 MalformedXML"},
		{"tags without a set", "PUT", "data", "", "<Tagging></Tagging>", params("tagging"), nil, "400 MalformedXML"},
		{"tags without a key", "PUT", "data", "k", "<Tagging><TagSet><Tag><Value>v</Value></Tag></TagSet></Tagging>", params("tagging"), nil, "400 InvalidTag"},
		{"tags of an object as broken XML", "PUT", "data", "k", "<Tag", params("tagging"), nil, "400 MalformedXML"},
		{"an access list nobody knows", "PUT", "data", "k", "", params("acl"), []string{"x-oss-object-acl", "open"}, "400 InvalidArgument"},
		{"a listing in an unknown encoding", "GET", "data", "", "", params("encoding-type=base64"), nil, "400 InvalidArgument"},
		{"a page size that is no number", "GET", "data", "", "", params("max-keys=ten"), nil, "400 InvalidArgument"},
		{"a page size of nothing", "GET", "data", "", "", params("max-keys=0"), nil, "400 InvalidArgument"},
		{"an owner fetched maybe", "GET", "data", "", "", params("list-type=2", "fetch-owner=maybe"), nil, "400 InvalidArgument"},
		{"a listing of a third kind", "GET", "data", "", "", params("list-type=3"), nil, "501 NotImplemented"},
		{"a version marker without a key", "GET", "data", "", "", params("versions", "version-id-marker=x"), nil, "400 InvalidArgument"},
		{"a batch of deletes without an MD5", "POST", "data", "", "<Delete><Object><Key>k</Key></Object></Delete>", params("delete"), nil, "400 MissingArgument"},
		{"an append without a position", "POST", "data", "log", "x", params("append"), nil, "400 InvalidArgument"},
		{"an append before the beginning", "POST", "data", "log", "x", params("append", "position=-1"), nil, "400 InvalidArgument"},
		{"an append that overwrites nothing", "POST", "data", "log", "x", params("append", "position=1"), []string{"x-oss-forbid-overwrite", "true"}, "400 InvalidArgument"},
		{"a copy from nowhere", "PUT", "data", "new", "", nil, []string{"x-oss-copy-source", "/data"}, "400 InvalidArgument"},
		{"a copy of half an escape", "PUT", "data", "new", "", nil, []string{"x-oss-copy-source", "/data/%2"}, "400 InvalidArgument"},
		{"a tagging header that is not encoded", "PUT", "data", "new", "x", nil, []string{"x-oss-tagging", "a=%"}, "400 InvalidArgument"},
		{"a header of another service", "PUT", "data", "new", "x", nil, []string{"x-oss-traffic-limit", "1"}, "501 NotImplemented"},
		{"a range of an unknown kind", "GET", "data", "k", "", nil, []string{"Range", "bytes=0-0", "x-oss-range-behavior", "odd"}, "400 InvalidArgument"},
		{"a part without a number", "PUT", "data", "big", "x", params("partNumber=one", "uploadId="+*id), nil, "400 InvalidArgument"},
		{"parts after a word", "GET", "data", "big", "", params("uploadId="+*id, "part-number-marker=one"), nil, "400 InvalidArgument"},
		{"parts of no upload", "GET", "data", "big", "", params("uploadId=none"), nil, "404 NoSuchUpload"},
		{"an upload completed by broken XML", "POST", "data", "big", "<Complete", params("uploadId=" + *id), nil, "400 MalformedXML"},
		{"an upload completed twice over", "POST", "data", "big", "<CompleteMultipartUpload/>", params("uploadId=" + *id), []string{"x-oss-complete-all", "yes"}, "400 InvalidArgument"},
		{"an upload completed maybe", "POST", "data", "big", "", params("uploadId=" + *id), []string{"x-oss-complete-all", "no"}, "400 InvalidArgument"},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := raw(cl, x.method, x.bucket, x.key, x.body, x.query, x.header...)
			refused(t, err, x.want)
		})
	}
}

func TestABucketNameFollowsTheRules(t *testing.T) {
	c := newCloud(t)
	for _, name := range []string{"ab", strings.Repeat("x", 64), "-begins", "ends-", "under_score", "Upper", "dot.ted"} {
		require.Equal(t, "InvalidBucketName", c.world.PutBucket(world.NewBucket{Name: name, Owner: uidA, Region: hangzhou}).Code)
	}
	for _, name := range []string{"abc", "1-2-3", strings.Repeat("x", 63)} {
		require.Nil(t, c.world.PutBucket(world.NewBucket{Name: name, Owner: uidA, Region: hangzhou}))
	}
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	c.before = func(r *http.Request) { r.ContentLength++ }
	_, err := cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Body: body("x")})
	refused(t, err, "400 IncompleteBody")
	c.before = func(r *http.Request) { r.Host = "under_score.oss-cn-hangzhou.aliyuncs.com" }
	_, err = cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
	require.Equal(t, "0015-00000001", refused(t, err, "400 InvalidBucketName").EC)
	c.before = func(r *http.Request) { r.URL.RawQuery = "prefix=%" }
	_, err = cl.ListObjects(ctx, &oss.ListObjectsRequest{Bucket: oss.Ptr("data")})
	refused(t, err, "400 InvalidArgument")
}

func TestNamesAreEncodedOnlyWhenAskedFor(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	put(t, cl, "data", "a b<ü>", "x")
	for encoding, want := range map[string]string{"": "a b<ü>", "url": "a%20b%3C%C3%BC%3E"} {
		query := params("prefix=a b<")
		if encoding != "" {
			query["encoding-type"] = encoding
		}
		out, err := raw(cl, "GET", "data", "", "", query)
		require.NoError(t, err)
		var x struct {
			Prefix   string
			Contents []struct{ Key string }
		}
		text, err := io.ReadAll(out.Body)
		require.NoError(t, err)
		require.NoError(t, xml.Unmarshal(text, &x))
		require.Equal(t, want, x.Contents[0].Key)
		require.True(t, strings.HasPrefix(want, x.Prefix), x.Prefix)
	}
}

func TestAReplicatingBucketSaysSoAndKeepsItsVersioning(t *testing.T) {
	w := world.New(world.Options{Seed: 1, Lenient: true})
	w.AddAccount("A", uidA)
	c := &cloud{t: t, world: w, handler: ossemu.New(w), root: w.NewRootKey(uidA)}
	cl := c.bucket("source")
	c.bucket("target")
	replicating := func(bucket string) string {
		info, err := cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr(bucket)})
		require.NoError(t, err)
		return *info.BucketInfo.CrossRegionReplication
	}
	require.Equal(t, "Disabled", replicating("source"))
	_, err := cl.PutBucketReplication(ctx, &oss.PutBucketReplicationRequest{
		Bucket: oss.Ptr("source"), ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: []oss.ReplicationRule{{
			Destination: &oss.ReplicationDestination{Bucket: oss.Ptr("target"), Location: oss.Ptr("oss-cn-hangzhou"), TransferType: oss.TransferTypeInternal},
		}}},
	})
	require.NoError(t, err)
	require.Equal(t, "Enabled", replicating("source"))
	require.Equal(t, "Disabled", replicating("target"))
	for _, bucket := range []string{"source", "target"} {
		_, err := cl.PutBucketVersioning(ctx, &oss.PutBucketVersioningRequest{
			Bucket: oss.Ptr(bucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersionEnabled},
		})
		refused(t, err, "400 InvalidBucketStatus")
	}
}
