package ossjournal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/journaltest"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
)

const (
	region = "cn-hangzhou"
	bucket = "replidesk-state"
)

// A harness is a state bucket in a local cloud.
type harness struct {
	t     *testing.T
	owner string // account id
	cloud *emulator.Cloud
	key   world.AccessKey
	admin *oss.Client // what somebody with too many rights would use
	wrap  func(ossjournal.Client) ossjournal.Client
}

func newHarness(t *testing.T, wrap func(ossjournal.Client) ossjournal.Client) *harness {
	cloud, accounts := emulator.Ready(world.Options{})
	h := &harness{t: t, cloud: cloud, wrap: wrap, owner: accounts.A.UID, key: accounts.A.User}
	h.admin = h.client(accounts.A.User)
	_, err := h.admin.PutBucket(context.Background(), &oss.PutBucketRequest{Bucket: oss.Ptr(bucket), Acl: oss.BucketACLPrivate})
	require.NoError(t, err)
	h.encrypt("AES256")
	return h
}

func (h *harness) client(key world.AccessKey) *oss.Client {
	return clientOf(key, breaking{h.cloud.Transport()})
}

// clientOver is the administrator's client with another way to the cloud.
func (h *harness) clientOver(way http.RoundTripper) *oss.Client { return clientOf(h.key, way) }

func clientOf(key world.AccessKey, way http.RoundTripper) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().WithRegion(region).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key.ID, key.Secret, key.Token)).
		WithHttpClient(&http.Client{Transport: way}))
}

func (h *harness) throttle() {
	h.cloud.World.Break(world.Fault{Service: "oss", Kind: world.FaultThrottle})
}

func (h *harness) encrypt(algorithm string) {
	_, err := h.admin.PutBucketEncryption(context.Background(), &oss.PutBucketEncryptionRequest{
		Bucket: oss.Ptr(bucket), ServerSideEncryptionRule: &oss.ServerSideEncryptionRule{
			ApplyServerSideEncryptionByDefault: &oss.ApplyServerSideEncryptionByDefault{SSEAlgorithm: oss.Ptr(algorithm)},
		},
	})
	require.NoError(h.t, err)
}

func (h *harness) Open() driver.Store { return ossjournal.New(h.wrap(h.admin), bucket) }

func (h *harness) Break(f journaltest.Fault) (remove func()) {
	w := world.Fault{
		Service: "oss", Kind: world.FaultKind(f.Kind), Skip: f.Skip, Times: f.Times, Delay: f.Delay,
		Action: map[journaltest.Call]string{
			journaltest.Create: "PutObject", journaltest.Get: "GetObject",
			journaltest.List: "ListObjectsV2", journaltest.Delete: "DeleteObject",
		}[f.Call],
	}
	switch f.As {
	case fault.Throttled:
		w.Kind = world.FaultThrottle
	case fault.Denied:
		w.Status, w.Code = http.StatusForbidden, "AccessDenied"
	case fault.Retryable:
		w.Status, w.Code = http.StatusInternalServerError, "InternalError"
	}
	return h.cloud.World.Break(w)
}

func (h *harness) SetVersioned() { h.version(oss.VersionEnabled) }

func (h *harness) version(status oss.VersioningStatusType) {
	_, err := h.admin.PutBucketVersioning(context.Background(), &oss.PutBucketVersioningRequest{
		Bucket: oss.Ptr(bucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: status},
	})
	require.NoError(h.t, err)
}

func (h *harness) Replace(log driver.Log, seq uint64, data []byte) {
	key, err := ossjournal.EntryKey(log, seq)
	require.NoError(h.t, err)
	h.plant(key, data)
}

func (h *harness) plant(key string, data []byte) {
	_, err := h.admin.PutObject(context.Background(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), Body: bytes.NewReader(data),
	})
	require.NoError(h.t, err)
}

func (h *harness) Remove(log driver.Log, seq uint64) {
	key, err := ossjournal.EntryKey(log, seq)
	require.NoError(h.t, err)
	_, err = h.admin.DeleteObject(context.Background(), &oss.DeleteObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	require.NoError(h.t, err)
}

// plain is the SDK as it is.
func plain(c ossjournal.Client) ossjournal.Client { return c }

// breaking makes a broken connection look as it does on a network, so that the SDK
// knows it for one and tries again.
type breaking struct{ next http.RoundTripper }

func (b breaking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.ErrUnexpectedEOF
	}
	return resp, err
}

// single is a client that never retries.
type single struct{ ossjournal.Client }

func once(o *oss.Options) { o.RetryMaxAttempts = oss.Ptr(1) }

func (s single) PutObject(ctx context.Context, req *oss.PutObjectRequest, _ ...func(*oss.Options)) (*oss.PutObjectResult, error) {
	return s.Client.PutObject(ctx, req, once)
}

func (s single) GetObject(ctx context.Context, req *oss.GetObjectRequest, _ ...func(*oss.Options)) (*oss.GetObjectResult, error) {
	return s.Client.GetObject(ctx, req, once)
}

func (s single) ListObjectsV2(ctx context.Context, req *oss.ListObjectsV2Request, _ ...func(*oss.Options)) (*oss.ListObjectsV2Result, error) {
	return s.Client.ListObjectsV2(ctx, req, once)
}

func (s single) DeleteObject(ctx context.Context, req *oss.DeleteObjectRequest, _ ...func(*oss.Options)) (*oss.DeleteObjectResult, error) {
	return s.Client.DeleteObject(ctx, req, once)
}
