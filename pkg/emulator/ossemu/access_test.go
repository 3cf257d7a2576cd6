package ossemu_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"
)

// user is a client with the key of a RAM user of account A with one statement.
func (c *cloud) user(name, effect, actions, resources string) *oss.Client {
	var docs [][]byte
	if effect != "" {
		docs = append(docs, []byte(`{"Version":"1","Statement":[{"Effect":"`+effect+`","Action":["`+
			strings.ReplaceAll(actions, ",", `","`)+`"],"Resource":["`+strings.ReplaceAll(resources, ",", `","`)+`"]}]}`))
	}
	return c.client(c.world.NewUserKey(uidA, name, docs...))
}

func setPolicy(t *testing.T, cl *oss.Client, bucket, effect, principal, action, resource string) {
	_, err := cl.PutBucketPolicy(ctx, &oss.PutBucketPolicyRequest{Bucket: oss.Ptr(bucket), Body: body(
		`{"Version":"1","Statement":[{"Effect":"` + effect + `","Principal":["` + principal + `"],"Action":["` + action + `"],"Resource":["` + resource + `"]}]}`)})
	require.NoError(t, err)
}

func get(cl *oss.Client, bucket, key string) error {
	_, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	return err
}

func TestARefusalSaysWhichSideItCameFrom(t *testing.T) {
	c := newCloud(t)
	root := c.bucket("data")
	put(t, root, "data", "k", "x")
	const all = "acs:oss:*:*:data/*"

	require.NoError(t, get(c.user("reader", "Allow", "oss:GetObject", all), "data", "k"))
	require.Equal(t, "0003-00000202", refused(t, get(c.user("nobody", "", "", ""), "data", "k"), "403 AccessDenied").EC)
	require.Equal(t, "0003-00000202", refused(t, get(c.user("writer", "Allow", "oss:PutObject", all), "data", "k"), "403 AccessDenied").EC)
	require.Equal(t, "0003-00000201", refused(t, get(c.user("banned", "Deny", "oss:*", "*"), "data", "k"), "403 AccessDenied").EC)

	setPolicy(t, root, "data", "Deny", "*", "oss:GetObject", "acs:oss:*:"+uidA+":data/*")
	require.Equal(t, "0003-00000101", refused(t, get(c.user("reader2", "Allow", "oss:GetObject", all), "data", "k"), "403 AccessDenied").EC)
	require.Equal(t, "0003-00000101", refused(t, get(root, "data", "k"), "403 AccessDenied").EC)
	_, err := root.DeleteBucketPolicy(ctx, &oss.DeleteBucketPolicyRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err, "only GetObject was denied")
}

func TestAnotherAccountNeedsTheBucketPolicy(t *testing.T) {
	c := newCloud(t)
	root := c.bucket("data")
	put(t, root, "data", "k", "x")
	b := c.client(c.world.NewRootKey(uidB))
	require.Equal(t, "0003-00000001", refused(t, get(b, "data", "k"), "403 AccessDenied").EC)
	setPolicy(t, root, "data", "Allow", uidB, "oss:GetObject", "acs:oss:*:"+uidA+":data/*")
	require.NoError(t, get(b, "data", "k"))
	_, err := b.ListObjects(ctx, &oss.ListObjectsRequest{Bucket: oss.Ptr("data")})
	refused(t, err, "403 AccessDenied")
}

func TestEveryOperationAsksForItsOwnPermission(t *testing.T) {
	str := oss.Ptr[string]
	for action, call := range map[string]func(cl *oss.Client) error{
		"oss:GetObjectVersion": func(cl *oss.Client) error {
			_, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: str("data"), Key: str("k"), VersionId: str("null")})
			return err
		},
		"oss:DeleteObject": func(cl *oss.Client) error {
			_, err := cl.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: str("data"), Key: str("k")})
			return err
		},
		"oss:DeleteObjectVersion": func(cl *oss.Client) error {
			_, err := cl.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
				Bucket: str("data"), Delete: &oss.Delete{Objects: []oss.ObjectIdentifier{{Key: str("k"), VersionId: str("null")}}},
			})
			return err
		},
		"oss:GetObjectTagging": func(cl *oss.Client) error {
			_, err := cl.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: str("data"), Key: str("k")})
			return err
		},
		"oss:PutObjectAcl": func(cl *oss.Client) error {
			_, err := cl.PutObjectAcl(ctx, &oss.PutObjectAclRequest{Bucket: str("data"), Key: str("k"), Acl: oss.ObjectACLPrivate})
			return err
		},
		"oss:ListObjects": func(cl *oss.Client) error {
			_, err := cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: str("data")})
			return err
		},
		"oss:ListObjectVersions": func(cl *oss.Client) error {
			_, err := cl.ListObjectVersions(ctx, &oss.ListObjectVersionsRequest{Bucket: str("data")})
			return err
		},
		"oss:GetBucketInfo": func(cl *oss.Client) error {
			_, err := cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: str("data")})
			return err
		},
		"oss:PutBucketPolicy": func(cl *oss.Client) error {
			_, err := cl.PutBucketPolicy(ctx, &oss.PutBucketPolicyRequest{Bucket: str("data"), Body: body(
				`{"Version":"1","Statement":[{"Effect":"Allow","Principal":["` + uidB + `"],"Action":["oss:GetObject"],"Resource":["acs:oss:*:*:data/*"]}]}`)})
			return err
		},
		"oss:PutBucket": func(cl *oss.Client) error {
			_, err := cl.PutBucket(ctx, &oss.PutBucketRequest{Bucket: str("new-bucket")})
			return err
		},
		"oss:ListBuckets": func(cl *oss.Client) error {
			_, err := cl.ListBuckets(ctx, &oss.ListBucketsRequest{})
			return err
		},
		"oss:ListMultipartUploads": func(cl *oss.Client) error {
			_, err := cl.ListMultipartUploads(ctx, &oss.ListMultipartUploadsRequest{Bucket: str("data")})
			return err
		},
	} {
		t.Run(action, func(t *testing.T) {
			c := newCloud(t)
			put(t, c.bucket("data"), "data", "k", "x")
			require.NoError(t, call(c.user("right", "Allow", action, "*")))
			put(t, c.client(c.root), "data", "k", "x")
			err := call(c.client(c.world.NewUserKey(uidA, "wrong",
				[]byte(`{"Version":"1","Statement":[{"Effect":"Allow","NotAction":["`+action+`"],"Resource":["*"]}]}`))))
			refused(t, err, "403 AccessDenied")
		})
	}
}

func TestSomeWritesAskForASecondPermission(t *testing.T) {
	c := newCloud(t)
	put(t, c.bucket("data"), "data", "k", "x")
	cl := c.user("writer", "Allow", "oss:PutObject", "*")
	put(t, cl, "data", "plain", "x")
	_, err := cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("tagged"), Tagging: oss.Ptr("a=1")})
	refused(t, err, "403 AccessDenied")
	_, err = cl.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("copy"), SourceKey: oss.Ptr("k")})
	refused(t, err, "403 AccessDenied")
	both := c.user("both", "Allow", "oss:PutObject,oss:PutObjectTagging,oss:GetObject", "*")
	_, err = both.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("copy"), SourceKey: oss.Ptr("k"), Tagging: oss.Ptr("a=1")})
	require.NoError(t, err)
}

func TestConditionKeysOfTheRequestCount(t *testing.T) {
	c := newCloud(t)
	put(t, c.bucket("data"), "data", "mine/k", "x")
	list := func(condition, prefix string) error {
		cl := c.client(c.world.NewUserKey(uidA, "user-"+prefix+condition[2:10],
			[]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ListObjects"],"Resource":["*"],"Condition":{`+condition+`}}]}`)))
		_, err := cl.ListObjects(ctx, &oss.ListObjectsRequest{Bucket: oss.Ptr("data"), Prefix: oss.Ptr(prefix)})
		return err
	}
	require.NoError(t, list(`"StringEquals":{"oss:Prefix":["mine/"]}`, "mine/"))
	refused(t, list(`"StringEquals":{"oss:Prefix":["mine/"]}`, "yours/"), "403 AccessDenied")
	require.NoError(t, list(`"IpAddress":{"acs:SourceIp":["192.0.2.0/24"]}`, ""))
	refused(t, list(`"IpAddress":{"acs:SourceIp":["198.51.100.0/24"]}`, "a"), "403 AccessDenied")
	refused(t, list(`"Bool":{"acs:SecureTransport":["true"]}`, "b"), "403 AccessDenied")
}

func TestAnonymousCallersReadWhatIsPublic(t *testing.T) {
	c := newCloud(t)
	root := c.bucket("data")
	put(t, root, "data", "k", "x")
	anonymous := c.client(c.root, func(cfg *oss.Config) { cfg.WithCredentialsProvider(credentials.NewAnonymousCredentialsProvider()) })
	write := func() error {
		_, err := anonymous.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("new"), Body: body("x")})
		return err
	}
	setACL := func(acl oss.BucketACLType) {
		_, err := root.PutBucketAcl(ctx, &oss.PutBucketAclRequest{Bucket: oss.Ptr("data"), Acl: acl})
		require.NoError(t, err)
	}
	require.Equal(t, "0003-00000905", refused(t, get(anonymous, "data", "k"), "403 AccessDenied").EC)
	setACL("public-read")
	require.NoError(t, get(anonymous, "data", "k"))
	refused(t, write(), "403 AccessDenied")
	_, err := anonymous.ListObjects(ctx, &oss.ListObjectsRequest{Bucket: oss.Ptr("data")})
	refused(t, err, "403 AccessDenied")
	_, err = root.PutObjectAcl(ctx, &oss.PutObjectAclRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Acl: oss.ObjectACLPrivate})
	require.NoError(t, err)
	refused(t, get(anonymous, "data", "k"), "403 AccessDenied")
	setACL("public-read-write")
	require.NoError(t, write())
	_, err = anonymous.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr("data"), Delete: &oss.Delete{Objects: []oss.ObjectIdentifier{{Key: oss.Ptr("new")}}},
	})
	refused(t, err, "403 AccessDenied")
	_, err = anonymous.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("anonymous-bucket")})
	refused(t, err, "403 AccessDenied")
	_, err = root.PutBucketAcl(ctx, &oss.PutBucketAclRequest{Bucket: oss.Ptr("data"), Acl: "open"})
	refused(t, err, "400 InvalidArgument")
}

func TestABucketAnswersAtTheEndpointOfItsRegionOnly(t *testing.T) {
	c := newCloud(t)
	c.bucket("data")
	sh := c.client(c.root, in(shanghai))
	_, err := sh.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
	se := refused(t, err, "403 AccessDenied")
	require.Equal(t, "0003-00001403", se.EC)
	require.Contains(t, string(se.Snapshot), "<Endpoint>oss-cn-hangzhou.aliyuncs.com</Endpoint>")
	_, err = sh.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("nowhere")})
	refused(t, err, "404 NoSuchBucket")
	pathStyle := c.client(c.root, func(cfg *oss.Config) { cfg.WithUsePathStyle(true) })
	_, err = pathStyle.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
	refused(t, err, "403 SecondLevelDomainForbidden")
}

func TestTheLogOfCallsNamesActionResourceCallerAndOutcome(t *testing.T) {
	c := newCloud(t)
	root := c.bucket("data")
	put(t, root, "data", "a/k", "x")
	_, from := c.world.Calls(0)
	refused(t, get(c.user("nobody", "", "", ""), "data", "a/k"), "403 AccessDenied")
	require.NoError(t, get(root, "data", "a/k"))
	c.before = func(r *http.Request) { r.URL.Path += "x" }
	refused(t, get(root, "data", "a/k"), "403 SignatureDoesNotMatch")
	calls, _ := c.world.Calls(from)
	require.Len(t, calls, 3)
	for _, call := range calls {
		require.Equal(t, "oss", call.Service)
		require.Equal(t, "GetObject", call.Action)
		require.Equal(t, hangzhou, call.Region)
		require.False(t, call.Write)
		require.Len(t, call.RequestID, 24)
	}
	require.Equal(t, "data/a/k", calls[0].Resource)
	require.Equal(t, "acs:ram::"+uidA+":user/nobody", calls[0].Caller)
	require.Equal(t, "AccessDenied", calls[0].Code)
	require.Equal(t, "acs:ram::"+uidA+":root", calls[1].Caller)
	require.Equal(t, 200, calls[1].Status)
	require.Empty(t, calls[2].Caller, "a signature that does not hold names nobody")
}

func TestTheSDKTalksToARealListener(t *testing.T) {
	c := newCloud(t)
	srv := httptest.NewServer(c.handler)
	defer srv.Close()
	cl := oss.NewClient(oss.LoadDefaultConfig().WithRegion(hangzhou).WithEndpoint(srv.URL).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.root.ID, c.root.Secret)))
	_, err := cl.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	text := strings.Repeat("0123456789", 1<<15)
	put(t, cl, "data", "a b/ü", text)
	require.Equal(t, text, content(t, cl, "data", "a b/ü", ""))
	_, err = cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("chunked"), Body: io.MultiReader(body("one"), body("two"))})
	require.NoError(t, err)
	require.Equal(t, "onetwo", content(t, cl, "data", "chunked", ""))
	head, err := cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("a b/ü")})
	require.NoError(t, err)
	require.Equal(t, int64(len(text)), head.ContentLength)
	_, err = cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("none")})
	refused(t, err, "404 NoSuchKey")
	_, err = cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("chunked"), IfNoneMatch: oss.Ptr("*")})
	se := &oss.ServiceError{}
	require.True(t, errorsAs(err, &se))
	require.Equal(t, http.StatusNotModified, se.StatusCode)
	remove(t, cl, "data", "chunked", "")
}
