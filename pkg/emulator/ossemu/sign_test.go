package ossemu_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func v1(c *oss.Config) { c.WithSignatureVersion(oss.SignatureVersionV1) }

func TestEverySignatureOfTheSDKHolds(t *testing.T) {
	for name, sign := range map[string]func(*oss.Config){
		"V4": func(*oss.Config) {},
		"V1": v1,
		"V4 with a further header": func(c *oss.Config) {
			c.WithAdditionalHeaders([]string{"host", "content-length", "x-other"})
		},
		"V4 over plain HTTP":               func(c *oss.Config) { c.WithDisableSSL(true) },
		"V4 at the internal endpoint":      func(c *oss.Config) { c.WithUseInternalEndpoint(true) },
		"V4 in path style at an address":   func(c *oss.Config) { c.WithEndpoint("http://127.0.0.1:9000") },
		"V4 in path style at a local name": func(c *oss.Config) { c.WithEndpoint("http://localhost:9000").WithUsePathStyle(true) },
		"V1 in path style at an address":   func(c *oss.Config) { c.WithEndpoint("http://127.0.0.1:9000"); v1(c) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.bucket("data")
			cl := c.client(c.root, sign)
			for _, key := range []string{"k", "a b/ü+~!*'();:@&=$,[]%41?#", "x/?acl", "日本\U0001F600"} {
				_, err := cl.PutObject(ctx, &oss.PutObjectRequest{
					Bucket: oss.Ptr("data"), Key: oss.Ptr(key), Body: body(key), Metadata: map[string]string{"a": " blanks ", "a-b": "x"},
					RequestCommon: oss.RequestCommon{Headers: map[string]string{"X-Other": "1"}},
				})
				require.NoError(t, err, key)
				require.Equal(t, key, content(t, cl, "data", key, ""))
			}
			res, err := cl.ListObjects(ctx, &oss.ListObjectsRequest{Bucket: oss.Ptr("data"), Prefix: oss.Ptr("a b/ü+"), Marker: oss.Ptr("a *")})
			require.NoError(t, err)
			require.Len(t, res.Contents, 1)
			_, err = cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
			require.NoError(t, err)
			_, err = cl.ListBuckets(ctx, &oss.ListBucketsRequest{})
			require.NoError(t, err)
		})
	}
}

func TestACallThatWasChangedOnItsWayIsRefused(t *testing.T) {
	for name, x := range map[string]struct {
		sign   func(*oss.Config)
		change func(*http.Request)
		want   string
	}{
		"another key":           {nil, func(r *http.Request) { r.URL.Path += "x" }, "403 SignatureDoesNotMatch"},
		"another bucket":        {nil, func(r *http.Request) { r.Host = "other.oss-cn-hangzhou.aliyuncs.com" }, "403 SignatureDoesNotMatch"},
		"another method":        {nil, func(r *http.Request) { r.Method = "DELETE" }, "403 SignatureDoesNotMatch"},
		"a parameter more":      {nil, func(r *http.Request) { r.URL.RawQuery += "&versionId=null" }, "403 SignatureDoesNotMatch"},
		"an x-oss- header more": {nil, func(r *http.Request) { r.Header.Set("x-oss-range-behavior", "standard") }, "403 SignatureDoesNotMatch"},
		"another content type":  {nil, func(r *http.Request) { r.Header.Set("Content-Type", "text/odd") }, "403 SignatureDoesNotMatch"},
		"another time": {nil, func(r *http.Request) {
			r.Header.Set("x-oss-date", time.Now().Add(time.Minute).UTC().Format("20060102T150405Z"))
		}, "403 SignatureDoesNotMatch"},
		"the signature of another":   {nil, func(r *http.Request) { swap(r, "Signature=", "Signature=00") }, "403 SignatureDoesNotMatch"},
		"another region's endpoint":  {nil, func(r *http.Request) { r.Host = "data.oss-cn-shanghai.aliyuncs.com" }, "400 InvalidArgument"},
		"an unknown key id":          {nil, func(r *http.Request) { swap(r, "Credential=", "Credential=Z") }, "403 InvalidAccessKeyId"},
		"a token nobody gave":        {nil, func(r *http.Request) { r.Header.Set("x-oss-security-token", "t") }, "403 InvalidAccessKeyId"},
		"half a credential":          {nil, func(r *http.Request) { swap(r, "/oss/aliyun_v4_request", "") }, "400 InvalidArgument"},
		"a scheme nobody knows":      {nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "400 InvalidArgument"},
		"a payload hash":             {nil, func(r *http.Request) { r.Header.Set("x-oss-content-sha256", "abc") }, "400 InvalidArgument"},
		"V1, another key":            {v1, func(r *http.Request) { r.URL.Path += "x" }, "403 SignatureDoesNotMatch"},
		"V1, another time":           {v1, func(r *http.Request) { r.Header.Set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)) }, "403 SignatureDoesNotMatch"},
		"V1, no time":                {v1, func(r *http.Request) { r.Header.Del("Date") }, "403 AccessDenied"},
		"V1, a sub-resource more":    {v1, func(r *http.Request) { r.URL.RawQuery = "versionId=null" }, "403 SignatureDoesNotMatch"},
		"V1, the signature cut away": {v1, func(r *http.Request) { r.Header.Set("Authorization", "OSS abc") }, "400 InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			put(t, c.bucket("data"), "data", "k", "x")
			c.bucket("other")
			var change []func(*oss.Config)
			if x.sign != nil {
				change = append(change, x.sign)
			}
			cl := c.client(c.root, change...)
			c.before = x.change
			_, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
			refused(t, err, x.want)
			c.before = nil
			require.Equal(t, "x", content(t, cl, "data", "k", ""))
		})
	}
}

// swap changes a piece of the Authorization header.
func swap(r *http.Request, old, new string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
}

func TestASignatureHoldsForAQuarterOfAnHour(t *testing.T) {
	for name, sign := range map[string]func(*oss.Config){"V4": func(*oss.Config) {}, "V1": v1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				c.bucket("data")
				cl := c.client(c.root, sign, func(c *oss.Config) { c.WithRetryMaxAttempts(1) })
				call := func(delay time.Duration) error {
					c.before = func(*http.Request) { time.Sleep(delay) }
					_, err := cl.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
					return err
				}
				require.NoError(t, call(15*time.Minute))
				se := refused(t, call(15*time.Minute+time.Second), "403 RequestTimeTooSkewed")
				require.Equal(t, time.Now().UTC(), se.Timestamp, "the client corrects its clock by this")
			})
		})
	}
}

func TestAPresignedURLHoldsUntilItExpires(t *testing.T) {
	for name, sign := range map[string]func(*oss.Config){"V4": func(*oss.Config) {}, "V1": v1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				put(t, c.bucket("data"), "data", "a b+ü", "x")
				k := c.session(t, time.Hour)
				cl := c.client(k, sign)
				signed, err := cl.Presign(ctx, &oss.GetObjectRequest{
					Bucket: oss.Ptr("data"), Key: oss.Ptr("a b+ü"), ResponseContentType: oss.Ptr("text/odd; x=+"),
				}, oss.PresignExpires(10*time.Minute))
				require.NoError(t, err)
				get := func(url string) (int, string) {
					req, err := http.NewRequest(signed.Method, url, nil)
					require.NoError(t, err)
					for name, value := range signed.SignedHeaders {
						req.Header.Set(name, value)
					}
					resp, err := c.RoundTrip(req)
					require.NoError(t, err)
					b, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					return resp.StatusCode, string(b)
				}
				status, text := get(signed.URL)
				require.Equal(t, 200, status, text)
				require.Equal(t, "x", text)
				status, text = get(strings.Replace(signed.URL, "odd", "even", 1))
				require.Equal(t, 403, status)
				require.Contains(t, text, "<Code>SignatureDoesNotMatch</Code>")
				time.Sleep(10*time.Minute + time.Second)
				status, text = get(signed.URL)
				require.Equal(t, 403, status)
				require.Contains(t, text, "Request has expired.")
			})
		})
	}
}

func TestAPresignedURLThatMakesNoSenseIsRefused(t *testing.T) {
	for name, x := range map[string]struct{ old, new, want string }{
		"no lifetime":                  {"x-oss-expires=600", "x-oss-expires=0", "InvalidArgument"},
		"a lifetime beyond seven days": {"x-oss-expires=600", "x-oss-expires=604801", "InvalidArgument"},
		"a longer lifetime":            {"x-oss-expires=600", "x-oss-expires=601", "SignatureDoesNotMatch"},
		"no time":                      {"x-oss-date=", "x-oss-date=x", "InvalidArgument"},
		"a credential cut short":       {"aliyun_v4_request", "", "InvalidArgument"},
		"another algorithm":            {"OSS4-HMAC-SHA256", "OSS5", "InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			put(t, c.bucket("data"), "data", "k", "x")
			signed, err := c.client(c.root).Presign(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")}, oss.PresignExpires(10*time.Minute))
			require.NoError(t, err)
			changed := strings.Replace(signed.URL, x.old, x.new, 1)
			require.NotEqual(t, signed.URL, changed)
			req, err := http.NewRequest(signed.Method, changed, nil)
			require.NoError(t, err)
			resp, err := c.RoundTrip(req)
			require.NoError(t, err)
			require.Contains(t, mustRead(t, resp.Body), "<Code>"+x.want+"</Code>")
		})
	}
}

// session makes temporary keys of a role that may do all.
func (c *cloud) session(t *testing.T, d time.Duration) world.AccessKey {
	_, e := c.world.CreateRole(uidA, world.NewRole{Name: "worker", Trust: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["fc.aliyuncs.com"]}}]}`})
	require.Nil(t, e)
	require.Nil(t, c.world.AttachPolicyToRole(uidA, "System", "AliyunOSSFullAccess", "worker", world.View{}))
	time.Sleep(time.Minute) // until the grant has spread
	k, e := c.world.AssumeService(uidA, "worker", "fc.aliyuncs.com", d, "s-1")
	require.Nil(t, e)
	return k
}

func TestATemporaryKeyNeedsItsTokenAndExpires(t *testing.T) {
	for name, sign := range map[string]func(*oss.Config){"V4": func(*oss.Config) {}, "V1": v1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				c.bucket("data")
				k := c.session(t, time.Hour)
				info := func(k world.AccessKey) error {
					_, err := c.client(k, sign).GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: oss.Ptr("data")})
					return err
				}
				require.NoError(t, info(k))
				other := k
				other.Token = "another"
				refused(t, info(other), "403 InvalidSecurityToken")
				other.Token = ""
				refused(t, info(other), "403 InvalidSecurityToken")
				time.Sleep(time.Hour)
				require.Equal(t, "0002-00000007", refused(t, info(k), "403 SecurityTokenExpired").EC)
			})
		})
	}
}
