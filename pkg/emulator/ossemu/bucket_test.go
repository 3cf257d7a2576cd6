package ossemu_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func TestABucketTellsWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cl := c.client(c.root, in(shanghai))
		made := time.Now().UTC()
		_, err := cl.PutBucket(ctx, &oss.PutBucketRequest{
			Bucket: oss.Ptr("data-sh"), Acl: oss.BucketACLPublicRead,
			CreateBucketConfiguration: &oss.CreateBucketConfiguration{StorageClass: oss.StorageClassIA, DataRedundancyType: oss.DataRedundancyZRS},
		})
		require.NoError(t, err)

		info, err := cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data-sh")})
		require.NoError(t, err)
		i := info.BucketInfo
		require.Equal(t, "data-sh", *i.Name)
		require.Equal(t, "oss-cn-shanghai", *i.Location)
		require.Equal(t, "oss-cn-shanghai.aliyuncs.com", *i.ExtranetEndpoint)
		require.Equal(t, "oss-cn-shanghai-internal.aliyuncs.com", *i.IntranetEndpoint)
		require.Equal(t, made, *i.CreationDate)
		require.Equal(t, "public-read", *i.ACL)
		require.Equal(t, "ZRS", *i.DataRedundancyType)
		require.Equal(t, "IA", *i.StorageClass)
		require.Equal(t, uidA, *i.Owner.ID)
		require.Equal(t, "Disabled", *i.CrossRegionReplication)
		require.Nil(t, i.Versioning)
		require.Equal(t, "", oss.ToString(i.SseRule.SSEAlgorithm))

		location, err := cl.GetBucketLocation(ctx, &oss.GetBucketLocationRequest{Bucket: oss.Ptr("data-sh")})
		require.NoError(t, err)
		require.Equal(t, "oss-cn-shanghai", *location.LocationConstraint)
		acl, err := cl.GetBucketAcl(ctx, &oss.GetBucketAclRequest{Bucket: oss.Ptr("data-sh")})
		require.NoError(t, err)
		require.Equal(t, "public-read", *acl.ACL)
	})
}

func TestPutBucketKeepsNamesUniqueForAllAccounts(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("taken")
	b := c.client(c.world.NewRootKey(uidB))
	put := func(cl *oss.Client, name string) error {
		_, err := cl.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr(name)})
		return err
	}
	require.NoError(t, put(cl, "taken"), "a second put by the owner")
	require.Equal(t, "0015-00000104", refused(t, put(b, "taken"), "409 BucketAlreadyExists").EC)
	refused(t, put(c.client(c.root, in(shanghai)), "taken"), "409 BucketAlreadyExists")
}

func TestPutBucketChangesOnlyTheAclOfABucketThatIsThere(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("mine")
	put(t, cl, "mine", "k", "v")
	_, err := cl.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("mine"), Acl: oss.BucketACLPublicRead})
	require.NoError(t, err)
	acl, err := cl.GetBucketAcl(ctx, &oss.GetBucketAclRequest{Bucket: oss.Ptr("mine")})
	require.NoError(t, err)
	require.Equal(t, "public-read", *acl.ACL)
	require.Equal(t, "v", content(t, cl, "mine", "k", ""))
}

func TestAnAccountHasAtMostAHundredBucketsInARegion(t *testing.T) {
	c := newCloud(t)
	for n := range 100 {
		c.bucket(fmt.Sprintf("bucket-%03d", n))
	}
	_, err := c.client(c.root).PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("bucket-100")})
	refused(t, err, "400 TooManyBuckets")
	_, err = c.client(c.root, in(shanghai)).PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("bucket-100")})
	require.NoError(t, err)
}

func TestDeleteBucketWantsAnEmptyBucket(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("full")
	remove := func() error {
		_, err := cl.DeleteBucket(ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr("full")})
		return err
	}
	drop := func(key, version string) *oss.DeleteObjectResult {
		req := &oss.DeleteObjectRequest{Bucket: oss.Ptr("full"), Key: oss.Ptr(key)}
		if version != "" {
			req.VersionId = oss.Ptr(version)
		}
		res, err := cl.DeleteObject(ctx, req)
		require.NoError(t, err)
		return res
	}
	v := put(t, cl, "full", "k", "x")
	require.Equal(t, "0015-00000301", refused(t, remove(), "409 BucketNotEmpty").EC)
	marker := drop("k", "")
	drop("k", *v.VersionId)
	refused(t, remove(), "409 BucketNotEmpty") // the delete marker is still there
	drop("k", *marker.VersionId)
	u, err := cl.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("full"), Key: oss.Ptr("k")})
	require.NoError(t, err)
	refused(t, remove(), "409 BucketNotEmpty") // so is an upload
	_, err = cl.AbortMultipartUpload(ctx, &oss.AbortMultipartUploadRequest{Bucket: oss.Ptr("full"), Key: oss.Ptr("k"), UploadId: u.UploadId})
	require.NoError(t, err)
	require.NoError(t, remove())
	require.Equal(t, "0015-00000101", refused(t, remove(), "404 NoSuchBucket").EC)
}

func TestListBucketsPagesThroughAllRegionsOfTheAccount(t *testing.T) {
	c := newCloud(t)
	for _, n := range []string{"b-1", "b-2", "c-1", "b-3"} {
		c.bucket(n + "-x")
	}
	_, err := c.client(c.root, in(shanghai)).PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("b-4-x")})
	require.NoError(t, err)
	_, err = c.client(c.world.NewRootKey(uidB)).PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr("b-of-somebody-else")})
	require.NoError(t, err)
	cl := c.client(c.root)
	pages := cl.NewListBucketsPaginator(&oss.ListBucketsRequest{Prefix: oss.Ptr("b-"), MaxKeys: 3})
	var got []string
	for n := 0; pages.HasNext(); n++ {
		p, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, b := range p.Buckets {
			got = append(got, *b.Name+" "+*b.Region)
		}
		require.Equal(t, uidA, *p.Owner.ID)
		require.Equal(t, n == 0, p.IsTruncated)
	}
	require.Equal(t, []string{"b-1-x cn-hangzhou", "b-2-x cn-hangzhou", "b-3-x cn-hangzhou", "b-4-x cn-shanghai"}, got)
}

func TestVersioningIsOffUntilItIsPut(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	get := func() string {
		res, err := cl.GetBucketVersioning(ctx, &oss.GetBucketVersioningRequest{Bucket: oss.Ptr("data")})
		require.NoError(t, err)
		return oss.ToString(res.VersionStatus)
	}
	require.Equal(t, "", get())
	for _, s := range []string{"Enabled", "Suspended", "Enabled"} {
		setVersioning(t, cl, "data", s)
		require.Equal(t, s, get())
	}
	_, err := cl.PutBucketVersioning(ctx, &oss.PutBucketVersioningRequest{
		Bucket: oss.Ptr("data"), VersioningConfiguration: &oss.VersioningConfiguration{Status: "On"},
	})
	refused(t, err, "400 MalformedXML")
}

func TestDefaultEncryptionIsPutReadAndDeleted(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	get := func() (*oss.GetBucketEncryptionResult, error) {
		return cl.GetBucketEncryption(ctx, &oss.GetBucketEncryptionRequest{Bucket: oss.Ptr("data")})
	}
	_, err := get()
	refused(t, err, "404 NoSuchServerSideEncryptionRule")
	rule := &oss.ApplyServerSideEncryptionByDefault{SSEAlgorithm: oss.Ptr("KMS"), KMSMasterKeyID: oss.Ptr("key-1"), KMSDataEncryption: oss.Ptr("SM4")}
	_, err = cl.PutBucketEncryption(ctx, &oss.PutBucketEncryptionRequest{
		Bucket: oss.Ptr("data"), ServerSideEncryptionRule: &oss.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: rule},
	})
	require.NoError(t, err)
	res, err := get()
	require.NoError(t, err)
	require.Equal(t, rule, res.ServerSideEncryptionRule.ApplyServerSideEncryptionByDefault)
	info, err := cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	require.Equal(t, "KMS", *info.BucketInfo.SseRule.SSEAlgorithm)

	_, err = cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Body: body("x")})
	require.Equal(t, "0005-00000208", refused(t, err, "404 KeyNotFound").EC, "the key is looked up when it is used")
	_, err = cl.DeleteBucketEncryption(ctx, &oss.DeleteBucketEncryptionRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	_, err = get()
	refused(t, err, "404 NoSuchServerSideEncryptionRule")
	_, err = cl.PutBucketEncryption(ctx, &oss.PutBucketEncryptionRequest{
		Bucket: oss.Ptr("data"), ServerSideEncryptionRule: &oss.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &oss.ApplyServerSideEncryptionByDefault{SSEAlgorithm: oss.Ptr("ROT13")}},
	})
	refused(t, err, "400 MalformedXML")
}

func TestBucketTagsArePutReadAndDeletedSinglyOrAllTogether(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	tags := func() map[string]string {
		res, err := cl.GetBucketTags(ctx, &oss.GetBucketTagsRequest{Bucket: oss.Ptr("data")})
		require.NoError(t, err)
		got := map[string]string{}
		for _, x := range res.Tagging.TagSet.Tags {
			got[*x.Key] = *x.Value
		}
		return got
	}
	put := func(kv ...string) error {
		set := &oss.TagSet{}
		for i := 0; i < len(kv); i += 2 {
			set.Tags = append(set.Tags, oss.Tag{Key: oss.Ptr(kv[i]), Value: oss.Ptr(kv[i+1])})
		}
		_, err := cl.PutBucketTags(ctx, &oss.PutBucketTagsRequest{Bucket: oss.Ptr("data"), Tagging: &oss.Tagging{TagSet: set}})
		return err
	}
	require.Empty(t, tags())
	require.NoError(t, put("a", "1", "b", "2", "c", "<3> & 生"))
	require.Equal(t, map[string]string{"a": "1", "b": "2", "c": "<3> & 生"}, tags())
	_, err := cl.DeleteBucketTags(ctx, &oss.DeleteBucketTagsRequest{Bucket: oss.Ptr("data"), Tagging: oss.Ptr("a,c")})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"b": "2"}, tags())
	_, err = cl.DeleteBucketTags(ctx, &oss.DeleteBucketTagsRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	require.Empty(t, tags())
	refused(t, put("a", "1", "a", "2"), "400 InvalidTag")
	var many []string
	for n := range 21 {
		many = append(many, fmt.Sprint(n), "x")
	}
	refused(t, put(many...), "400 InvalidTag")
}

func TestABucketPolicyIsReplacedAsAWhole(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	get := func() (string, error) {
		res, err := cl.GetBucketPolicy(ctx, &oss.GetBucketPolicyRequest{Bucket: oss.Ptr("data")})
		if err != nil {
			return "", err
		}
		return res.Body, nil
	}
	put := func(doc string) error {
		_, err := cl.PutBucketPolicy(ctx, &oss.PutBucketPolicyRequest{Bucket: oss.Ptr("data"), Body: strings.NewReader(doc)})
		return err
	}
	public := func() bool {
		res, err := cl.GetBucketPolicyStatus(ctx, &oss.GetBucketPolicyStatusRequest{Bucket: oss.Ptr("data")})
		require.NoError(t, err)
		return *res.PolicyStatus.IsPublic
	}
	statement := func(principal string) string {
		return `{ "Version":"1", "Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Principal":["` + principal + `"],"Resource":["acs:oss:*:` + uidA + `:data/*"]}]}`
	}
	_, err := get()
	refused(t, err, "404 NoSuchBucketPolicy")
	require.NoError(t, put(statement(uidB)))
	require.False(t, public())
	require.NoError(t, put(statement("*")))
	got, err := get()
	require.NoError(t, err)
	require.Equal(t, statement("*"), got, "byte for byte")
	require.True(t, public())
	_, err = cl.DeleteBucketPolicy(ctx, &oss.DeleteBucketPolicyRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	_, err = get()
	refused(t, err, "404 NoSuchBucketPolicy")
}

func TestAMalformedBucketPolicyIsRefusedWithTheNumberOfTheComplaint(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	const tail = `"Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Principal":["*"],"Resource":["acs:oss:*:*:data/%s"]}]}`
	for name, x := range map[string]struct{ doc, ec string }{
		"larger than 16 KB":           {strings.Repeat(" ", 16<<10) + `{"Version":"1",` + fmt.Sprintf(tail, "*"), "0030-00000001"},
		"version of the other kind":   {`{"Version":"2012-10-17",` + fmt.Sprintf(tail, "*"), "0030-00000002"},
		"version as a number":         {`{"Version":1,` + fmt.Sprintf(tail, "*"), "0030-00000002"},
		"an item of more than 4095":   {`{"Version":"1",` + fmt.Sprintf(tail, strings.Repeat("x", 4096)), "0030-00000003"},
		"a run of asterisks":          {`{"Version":"1",` + fmt.Sprintf(tail, "a***b"), "0030-00000007"},
		"no JSON at all":              {`Version: 1`, ""},
		"an element nobody has heard": {`{"Version":"1","Stament":[]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cl.PutBucketPolicy(ctx, &oss.PutBucketPolicyRequest{Bucket: oss.Ptr("data"), Body: strings.NewReader(x.doc)})
			require.Equal(t, x.ec, refused(t, err, "400 InvalidPolicyDocument").EC)
			_, err = cl.GetBucketPolicy(ctx, &oss.GetBucketPolicyRequest{Bucket: oss.Ptr("data")})
			refused(t, err, "404 NoSuchBucketPolicy")
		})
	}
}

func TestABucketHasNoLifecycleRules(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	_, err := cl.GetBucketLifecycle(ctx, &oss.GetBucketLifecycleRequest{Bucket: oss.Ptr("data")})
	refused(t, err, "404 NoSuchLifecycle")
}

func TestWhatIsNotEmulatedIsRefusedNotOverlooked(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	_, err := cl.PutBucketCors(ctx, &oss.PutBucketCorsRequest{Bucket: oss.Ptr("data"), CORSConfiguration: &oss.CORSConfiguration{}})
	refused(t, err, "501 NotImplemented")
	_, err = cl.GetBucketStat(ctx, &oss.GetBucketStatRequest{Bucket: oss.Ptr("data")})
	refused(t, err, "501 NotImplemented")
	_, err = cl.PutObject(ctx, &oss.PutObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Callback: oss.Ptr("e30=")})
	refused(t, err, "501 NotImplemented")
	_, err = cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), Process: oss.Ptr("image/resize,w_1")})
	refused(t, err, "501 NotImplemented")
}
