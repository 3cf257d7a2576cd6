package ossemu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/ossemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	accountA = "1000000000000001"
	accountB = "1000000000000002"

	syncRole = "replica-role"

	trustOSS = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`
	trustECS = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}]}`

	inHangzhou, inShanghai = "cn-hangzhou", "cn-shanghai"
	inVirginia, inSilicon  = "us-east-1", "us-west-1"
)

// A lab is a world with two accounts, seen through the SDK.
type lab struct {
	*testing.T
	w    *world.World
	ctx  context.Context
	keys map[string]world.AccessKey // by account

	policies int // made so far
}

// inLab runs a test in virtual time.
func inLab(t *testing.T, opt world.Options, run func(c *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := world.New(opt)
		c := &lab{T: t, w: w, ctx: t.Context(), keys: map[string]world.AccessKey{}}
		for _, uid := range []string{accountA, accountB} {
			w.AddAccount(uid, uid)
			c.keys[uid] = w.NewRootKey(uid)
		}
		run(c)
	})
}

// as returns a client of a key in a region. It tries each call once.
func (c *lab) as(k world.AccessKey, region string) *oss.Client {
	cfg := oss.LoadDefaultConfig().WithRegion(region).WithRetryMaxAttempts(1).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Token)).
		WithHttpClient(&http.Client{Transport: emulator.HandlerTransport(ossemu.New(c.w))})
	return oss.NewClient(cfg)
}

// at returns a client of the owner of a bucket, in its region.
func (c *lab) at(bucket string) *oss.Client {
	b, e := c.w.Bucket(bucket)
	if e != nil { // such a bucket is called as if it were account A's
		return c.as(c.keys[accountA], inHangzhou)
	}
	return c.as(c.keys[b.Owner], b.Region)
}

func (c *lab) bucket(uid, region, name string) {
	c.Helper()
	_, err := c.as(c.keys[uid], region).PutBucket(c.ctx, &oss.PutBucketRequest{Bucket: oss.Ptr(name)})
	require.NoError(c, err)
}

func (c *lab) versioned(buckets ...string) {
	c.Helper()
	for _, b := range buckets {
		_, err := c.at(b).PutBucketVersioning(c.ctx, &oss.PutBucketVersioningRequest{
			Bucket: oss.Ptr(b), VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersionEnabled}})
		require.NoError(c, err)
	}
}

// root is the account itself as a caller of KMS.
func (c *lab) root(uid, region string) world.KMSCaller {
	return world.KMSCaller{Principal: c.keys[uid].Principal, Region: region}
}

// key makes a key outside of any instance.
func (c *lab) key(uid, region string) world.Key {
	c.Helper()
	k, e := c.w.CreateKey(c.root(uid, region), world.NewKey{})
	require.Nil(c, e)
	return k
}

// grant makes a role, unless it is there, and attaches a policy to it for each
// statement.
func (c *lab) grant(uid, name, trust string, statements ...string) {
	c.Helper()
	if _, e := c.w.GetRole(uid, name, world.View{}); e != nil {
		_, e := c.w.CreateRole(uid, world.NewRole{Name: name, Trust: trust})
		require.Nil(c, e)
	}
	for _, s := range statements {
		policy := fmt.Sprintf("policy-%d", c.policies)
		c.policies++
		_, e := c.w.CreatePolicy(uid, policy, `{"Version":"1","Statement":[`+s+`]}`, "", nil)
		require.Nil(c, e)
		require.Nil(c, c.w.AttachPolicyToRole(uid, "Custom", policy, name, world.View{}))
	}
}

// statement lets somebody do something to a bucket and its objects.
func statement(bucket string, actions ...string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":["%s"],"Resource":["acs:oss:*:*:%s","acs:oss:*:*:%s/*"]}`, strings.Join(actions, `","`), bucket, bucket)
}

func reads(bucket string) string {
	return statement(bucket, "oss:ReplicateList", "oss:ReplicateGet")
}

func writes(bucket string) string {
	return statement(bucket, "oss:ReplicateList", "oss:ReplicateGet", "oss:ReplicatePut", "oss:ReplicateDelete")
}

// sameAccount makes src in Hangzhou and dst in Shanghai and a role that may
// replicate between them.
func (c *lab) sameAccount() {
	c.Helper()
	c.bucket(accountA, inHangzhou, "src")
	c.bucket(accountA, inShanghai, "dst")
	c.grant(accountA, syncRole, trustOSS, reads("src"), writes("dst"))
	c.spread()
}

// spread waits until roles and grants are honoured.
func (c *lab) spread() { time.Sleep(10 * time.Second) }

// ruleTo is a rule to dst in Shanghai; change may be nil.
func ruleTo(dst, region string, change func(r *oss.ReplicationRule)) oss.ReplicationRule {
	r := oss.ReplicationRule{
		Destination:                 &oss.ReplicationDestination{Bucket: oss.Ptr(dst), Location: oss.Ptr("oss-" + region), TransferType: oss.TransferTypeInternal},
		SyncRole:                    oss.Ptr(syncRole),
		Action:                      oss.Ptr("ALL"),
		HistoricalObjectReplication: oss.HistoricalObjectReplicationEnabled,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func toDst(change func(r *oss.ReplicationRule)) oss.ReplicationRule {
	return ruleTo("dst", inShanghai, change)
}

func action(a string) func(*oss.ReplicationRule) {
	return func(r *oss.ReplicationRule) { r.Action = oss.Ptr(a) }
}

func (c *lab) tryPut(src string, rules ...oss.ReplicationRule) (*oss.PutBucketReplicationResult, error) {
	return c.at(src).PutBucketReplication(c.ctx, &oss.PutBucketReplicationRequest{
		Bucket: oss.Ptr(src), ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: rules}})
}

// replicate puts a rule and returns its id.
func (c *lab) replicate(src string, r oss.ReplicationRule) string {
	c.Helper()
	res, err := c.tryPut(src, r)
	require.NoError(c, err)
	require.NotEmpty(c, oss.ToString(res.ReplicationRuleId))
	return *res.ReplicationRuleId
}

// replicating is replicate, and waits until the rule is in force, a little history
// is copied and the figures show it.
func (c *lab) replicating(src string, r oss.ReplicationRule) string {
	c.Helper()
	id := c.replicate(src, r)
	time.Sleep(5*time.Minute + 30*time.Second)
	require.Equal(c, world.RuleDoing, *c.progress(src, id).Status)
	return id
}

func (c *lab) rules(src string) []oss.ReplicationRule {
	c.Helper()
	res, err := c.at(src).GetBucketReplication(c.ctx, &oss.GetBucketReplicationRequest{Bucket: oss.Ptr(src)})
	require.NoError(c, err)
	require.NotNil(c, res.ReplicationConfiguration)
	return res.ReplicationConfiguration.Rules
}

func (c *lab) tryProgress(src, id string) (*oss.GetBucketReplicationProgressResult, error) {
	return c.at(src).GetBucketReplicationProgress(c.ctx, &oss.GetBucketReplicationProgressRequest{Bucket: oss.Ptr(src), RuleId: oss.Ptr(id)})
}

func (c *lab) progress(src, id string) oss.ReplicationProgressRule {
	c.Helper()
	res, err := c.tryProgress(src, id)
	require.NoError(c, err)
	require.Len(c, res.ReplicationProgress.Rules, 1)
	return res.ReplicationProgress.Rules[0]
}

// watermark returns NewObject, which must be there.
func (c *lab) watermark(src, id string) time.Time {
	c.Helper()
	p := c.progress(src, id).Progress
	require.NotNil(c, p)
	require.NotNil(c, p.NewObject)
	at, err := time.Parse("2006-01-02T15:04:05.000Z", *p.NewObject)
	require.NoError(c, err)
	return at
}

func (c *lab) stop(src, id string) (status int, err error) {
	res, err := c.at(src).DeleteBucketReplication(c.ctx, &oss.DeleteBucketReplicationRequest{
		Bucket: oss.Ptr(src), ReplicationRules: &oss.ReplicationRules{IDs: []string{id}}})
	if err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}

// put writes an object and returns its version id.
func (c *lab) put(bucket, key, content string, change ...func(*oss.PutObjectRequest)) string {
	c.Helper()
	q := &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), Body: strings.NewReader(content)}
	for _, f := range change {
		f(q)
	}
	res, err := c.at(bucket).PutObject(c.ctx, q)
	require.NoError(c, err)
	return oss.ToString(res.VersionId)
}

func (c *lab) delete(bucket, key, version string) {
	c.Helper()
	q := &oss.DeleteObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)}
	if version != "" {
		q.VersionId = oss.Ptr(version)
	}
	_, err := c.at(bucket).DeleteObject(c.ctx, q)
	require.NoError(c, err)
}

// content returns the current content of an object; there is none for an object
// that does not exist or is hidden by a delete marker.
func (c *lab) content(bucket, key string) (content string, exists bool) {
	c.Helper()
	res, err := c.at(bucket).GetObject(c.ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	if codeOf(err) == "NoSuchKey" {
		return "", false
	}
	require.NoError(c, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(c, err)
	return string(data), true
}

func (c *lab) has(bucket, key, content string) {
	c.Helper()
	got, exists := c.content(bucket, key)
	require.True(c, exists, "%s/%s does not exist", bucket, key)
	require.Equal(c, content, got)
}

func (c *lab) lacks(bucket, key string) {
	c.Helper()
	_, exists := c.content(bucket, key)
	require.False(c, exists, "%s/%s exists", bucket, key)
}

// versions returns the version ids of a key, newest first; a delete marker's has a
// minus in front.
func (c *lab) versions(bucket, key string) (ids []string) {
	c.Helper()
	l, e := c.w.ListObjects(bucket, world.ListQuery{Prefix: key, Versions: true, Max: 1000})
	require.Nil(c, e)
	for _, v := range l.Versions {
		id := v.ID
		if v.DeleteMarker {
			id = "-" + id
		}
		ids = append(ids, id)
	}
	return ids
}

// post sends a body that the SDK has no fields for.
func (c *lab) post(src, body string) error {
	_, err := c.at(src).InvokeOperation(c.ctx, &oss.OperationInput{
		OpName: "PutBucketReplication", Method: "POST", Bucket: oss.Ptr(src),
		Parameters: map[string]string{"replication": "", "comp": "add"},
		Headers:    map[string]string{"Content-Type": "application/xml"},
		Body:       bytes.NewReader([]byte(body)),
	})
	return err
}

func codeOf(err error) string {
	var e *oss.ServiceError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// refused requires an error of the service.
func (c *lab) refused(err error, status int, code, ec string) *oss.ServiceError {
	c.Helper()
	var e *oss.ServiceError
	require.ErrorAs(c, err, &e)
	require.Equal(c, code, e.Code, e.Message)
	require.Equal(c, status, e.StatusCode)
	require.Equal(c, ec, e.EC)
	return e
}

func readAll(c *lab, out *oss.OperationOutput) string {
	c.Helper()
	data, err := io.ReadAll(out.Body)
	require.NoError(c, err)
	return string(data)
}
