package emulator

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestTheHostNamesTheService(t *testing.T) {
	for host, want := range map[string]service{
		"ram.aliyuncs.com":                                       serviceRPC,
		"RAM.aliyuncs.com:443":                                   serviceRPC,
		"sts.aliyuncs.com":                                       serviceRPC,
		"sts.us-west-1.aliyuncs.com":                             serviceRPC,
		"sts-vpc.cn-hangzhou.aliyuncs.com":                       serviceRPC,
		"1234567890123456.mns.cn-hangzhou.aliyuncs.com":          serviceMNS,
		"1234567890123456.mns.cn-hangzhou-internal.aliyuncs.com": serviceMNS,
		"oss-cn-hangzhou.aliyuncs.com":                           serviceOSS,
		"oss-cn-hangzhou-internal.aliyuncs.com":                  serviceOSS,
		"journal.oss-us-east-1.aliyuncs.com":                     serviceOSS,
		"journal.oss-us-east-1-internal.aliyuncs.com:80":         serviceOSS,
		"ram.oss-us-east-1.aliyuncs.com":                         serviceOSS, // a bucket may have any name
		"a.journal.oss-us-east-1.aliyuncs.com":                   serviceNone,
		"kms.cn-hangzhou.aliyuncs.com":                           serviceRPC,
		"kms-vpc.cn-hangzhou.aliyuncs.com":                       serviceRPC,
		"kms.aliyuncs.com":                                       serviceNone, // it has no endpoint for all regions
		"kms.oss-cn-hangzhou.aliyuncs.com":                       serviceOSS,
		"aliyuncs.com":                                           serviceNone,
		"ram.aliyuncs.com.example.org":                           serviceNone,
		"example.org":                                            serviceNone,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		require.Equal(t, want, route(r), host)
	}
}

func TestUnderAnAddressTheFormOfTheRequestNamesTheService(t *testing.T) {
	mns := map[string]string{"Authorization": "MNS id:signature"}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for name, tc := range map[string]struct {
		method, target string
		header         map[string]string
		want           service
	}{
		"an RPC call":                         {"POST", "/?Action=GetRole&Version=2015-05-01", nil, serviceRPC},
		"an RPC call by GET":                  {"GET", "/?Version=2015-05-01&Action=GetRole", nil, serviceRPC},
		"an RPC call with a form":             {"POST", "/", form, serviceRPC},
		"an RPC call known by its headers":    {"POST", "/", map[string]string{"x-acs-action": "GetRole", "x-acs-version": "2015-05-01"}, serviceRPC},
		"a queue":                             {"GET", "/queues", mns, serviceMNS},
		"messages behind a prefix":            {"POST", "/1234567890123456.us-west-1/queues/tickets/messages", mns, serviceMNS},
		"a topic":                             {"POST", "/topics/news/messages", mns, serviceMNS},
		"an object whose key looks like MNS":  {"GET", "/bucket/queues/tickets", nil, serviceOSS},
		"an object whose name has Action":     {"GET", "/bucket/?Action", nil, serviceOSS},
		"buckets":                             {"GET", "/", nil, serviceOSS},
		"a bucket":                            {"GET", "/bucket/?list-type=2", nil, serviceOSS},
		"an object":                           {"PUT", "/bucket/a/b.jpg", form, serviceOSS},
		"the management path while it is off": {"GET", "/_cloud/calls", nil, serviceOSS},
	} {
		t.Run(name, func(t *testing.T) {
			for _, host := range []string{"127.0.0.1:8080", "[::1]:8080", "localhost:8080", "127.0.0.1"} {
				r := httptest.NewRequest(tc.method, tc.target, nil)
				r.Host = host
				for k, v := range tc.header {
					r.Header.Set(k, v)
				}
				require.Equal(t, tc.want, route(r), host)
			}
		})
	}
}

func TestAnUnknownHostIsNoService(t *testing.T) {
	c, _ := Ready(world.Options{})
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://example.org/", nil)
	c.ServeHTTP(rec, r)
	require.Equal(t, 404, rec.Code)
	require.Contains(t, rec.Body.String(), "example.org")
}

func TestARequestThroughAProxyReachesTheServiceAsIfItWereSentThere(t *testing.T) {
	c, _ := Ready(world.Options{})
	var got *http.Request
	c.services[serviceMNS] = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })
	r := httptest.NewRequest("GET", "http://1234567890123456.mns.us-west-1.aliyuncs.com/queues/a%20b?x=1", nil)
	c.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "/queues/a%20b?x=1", got.RequestURI)
	require.Equal(t, "1234567890123456.mns.us-west-1.aliyuncs.com", got.Host)
	require.False(t, got.URL.IsAbs())
	require.Equal(t, "/queues/a%20b", got.URL.EscapedPath())
}
