package ossemu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/ossemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	uidA = "1111111111111111"
	uidB = "2222222222222222"

	hangzhou = "cn-hangzhou"
	shanghai = "cn-shanghai"
)

// A cloud is OSS over a world with two accounts.
type cloud struct {
	t       *testing.T
	world   *world.World
	handler http.Handler
	root    world.AccessKey // of account A
	// before, when set, may change a request on its way.
	before func(*http.Request)
}

func newCloud(t *testing.T) *cloud {
	w := world.New(world.Options{Seed: 1})
	w.AddAccount("A", uidA)
	w.AddAccount("B", uidB)
	return &cloud{t: t, world: w, handler: ossemu.New(w), root: w.NewRootKey(uidA)}
}

// RoundTrip calls the handler in the calling goroutine.
func (c *cloud) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	r := req.Clone(req.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.RemoteAddr = "192.0.2.7:4711"
	if c.before != nil {
		c.before(r)
	}
	rec := httptest.NewRecorder()
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			resp, err = nil, io.ErrUnexpectedEOF
		} else if p != nil {
			panic(p)
		}
	}()
	c.handler.ServeHTTP(rec, r)
	resp = rec.Result()
	resp.Request = req
	return resp, nil
}

// client is the SDK with a key; without a region it is that of Hangzhou.
func (c *cloud) client(k world.AccessKey, change ...func(*oss.Config)) *oss.Client {
	cfg := oss.LoadDefaultConfig().WithRegion(hangzhou).WithRetryMaxAttempts(1).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Token)).
		WithHttpClient(&http.Client{Transport: c})
	for _, f := range change {
		f(cfg)
	}
	return oss.NewClient(cfg)
}

func in(region string) func(*oss.Config) {
	return func(c *oss.Config) { c.WithRegion(region) }
}

// bucket makes a bucket and returns the client of its owner.
func (c *cloud) bucket(name string) *oss.Client {
	cl := c.client(c.root)
	_, err := cl.PutBucket(context.Background(), &oss.PutBucketRequest{Bucket: oss.Ptr(name)})
	require.NoError(c.t, err)
	return cl
}

func (c *cloud) versioned(name string) *oss.Client {
	cl := c.bucket(name)
	setVersioning(c.t, cl, name, "Enabled")
	return cl
}

func setVersioning(t *testing.T, cl *oss.Client, bucket, status string) {
	_, err := cl.PutBucketVersioning(context.Background(), &oss.PutBucketVersioningRequest{
		Bucket: oss.Ptr(bucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersioningStatusType(status)},
	})
	require.NoError(t, err)
}

func put(t *testing.T, cl *oss.Client, bucket, key, content string) *oss.PutObjectResult {
	res, err := cl.PutObject(context.Background(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), Body: strings.NewReader(content),
	})
	require.NoError(t, err)
	return res
}

// content reads an object; what names the version or is "".
func content(t *testing.T, cl *oss.Client, bucket, key, version string) string {
	req := &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)}
	if version != "" {
		req.VersionId = oss.Ptr(version)
	}
	res, err := cl.GetObject(context.Background(), req)
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(b)
}

func mustRead(t *testing.T, r io.ReadCloser) string {
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(b)
}

// refused checks that err is the refusal "<status> <code>" and returns it.
func refused(t *testing.T, err error, want string) *oss.ServiceError {
	t.Helper()
	require.Error(t, err)
	se, ok := errors.AsType[*oss.ServiceError](err)
	require.True(t, ok, "not a refusal of the service: %v", err)
	require.Equal(t, want, fmt.Sprintf("%d %s", se.StatusCode, se.Code), "%v", err)
	require.Len(t, se.RequestID, 24)
	return se
}

// names are the keys and common prefixes of a page, prefixes marked by a plus sign.
func names(contents []oss.ObjectProperties, prefixes []oss.CommonPrefix) []string {
	out := []string{}
	for _, o := range contents {
		out = append(out, *o.Key)
	}
	for _, p := range prefixes {
		out = append(out, "+"+*p.Prefix)
	}
	return out
}

func body(s string) io.Reader { return bytes.NewReader([]byte(s)) }

func errorsAs(err error, se **oss.ServiceError) bool { return errors.As(err, se) }
