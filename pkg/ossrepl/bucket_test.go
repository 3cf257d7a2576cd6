package ossrepl

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func bucketInfo(region, versioning string) string {
	return fmt.Sprintf(`<?xml version="1.0"?><BucketInfo><Bucket><Name>src-bucket</Name><Location>oss-%s</Location><Owner><ID>42</ID><DisplayName>42</DisplayName></Owner>%s</Bucket></BucketInfo>`, region, versioning)
}

func TestABucketIsSeenWithOwnerRegionAndVersioning(t *testing.T) {
	for name, versioning := range map[string]string{"never versioned": "", "versioned": "Enabled", "suspended": "Suspended"} {
		t.Run(name, func(t *testing.T) {
			element := ""
			if versioning != "" {
				element = "<Versioning>" + versioning + "</Versioning>"
			}
			c, _ := serve(t, always(200, bucketInfo("cn-hangzhou", element)))
			b, err := c.Bucket(t.Context(), src)
			require.NoError(t, err)
			require.Equal(t, replication.BucketSeen{Is: replication.Exists, Owner: "42", Region: "cn-hangzhou", Versioning: versioning}, b)
		})
	}
}

func TestABucketThatIsNotThereIsMissing(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchBucket") })
	b, err := c.Bucket(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, replication.BucketSeen{Is: replication.Missing}, b)
}

func TestABucketOfAnotherRegionIsSeenThere(t *testing.T) {
	for name, refusal := range map[string]struct{ code, endpoint string }{
		"as AccessDenied":                {"AccessDenied", "oss-cn-shanghai.aliyuncs.com"},
		"as PermanentRedirect":           {"PermanentRedirect", "oss-cn-shanghai.aliyuncs.com"},
		"with an endpoint inside":        {"AccessDenied", "oss-cn-shanghai-internal.aliyuncs.com"},
		"with an endpoint of the bucket": {"AccessDenied", "src-bucket.oss-cn-shanghai.aliyuncs.com"},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.Host, "hangzhou") {
					refuse(w, 403, refusal.code, "<Bucket>src-bucket</Bucket><Endpoint>"+refusal.endpoint+"</Endpoint><EC>0003-00001403</EC>")
					return
				}
				answer(w, 200, bucketInfo("cn-shanghai", ""))
			})
			b, err := c.Bucket(t.Context(), src)
			require.NoError(t, err)
			require.Equal(t, replication.Exists, b.Is)
			require.Equal(t, "cn-shanghai", b.Region)
			require.Len(t, asked.requests(), 2)
		})
	}
}

// hosts answers by host and query: GetBucketInfo and the list of buckets.
func hosts(info, list http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "oss-") {
			list(w, r)
			return
		}
		info(w, r)
	}
}

func denied(more ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied", more...) }
}

func listing(names ...string) http.HandlerFunc {
	body := "<ListAllMyBucketsResult><Buckets>"
	for _, n := range names {
		body += "<Bucket><Name>" + n + "</Name></Bucket>"
	}
	return always(200, body+"</Buckets></ListAllMyBucketsResult>")
}

func TestARefusedBucketIsForeignUnlessItIsOnOurList(t *testing.T) {
	const byRAMPolicy = "<EC>0003-00000202</EC>"
	const detail = "<AccessDeniedDetail><NoPermissionType>ImplicitDeny</NoPermissionType></AccessDeniedDetail>"
	for name, c := range map[string]struct {
		info, list http.HandlerFunc
		foreign    bool
		kind       fault.Kind
	}{
		"not on the list":                                        {denied(), listing(), true, fault.None},
		"not on the list, refused by a RAM policy":               {denied(byRAMPolicy, detail), listing("src-bucket-2"), true, fault.None},
		"on the list":                                            {denied(), listing("src-bucket"), false, fault.Denied},
		"the list is refused too, and nothing speaks of RAM":     {denied("<EC>0003-00000001</EC>"), denied(), true, fault.None},
		"the list is refused too, and a RAM policy is named":     {denied(byRAMPolicy), denied(), false, fault.Denied},
		"the list is refused too, and the answer has the detail": {denied(detail), denied(), false, fault.Denied},
		"the list is throttled": {denied(), func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, 503, "MetaOperationQpsLimitExceeded")
		}, false, fault.Throttled},
		"the list is lost": {denied(), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, fault.Unknown},
		"OSS says so":      {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "BucketNotBelongTo") }, listing("src-bucket"), true, fault.None},
		"a disabled account is no foreign bucket": {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "UserDisable") }, listing(), false, fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := serve(t, hosts(c.info, c.list))
			b, err := cl.Bucket(t.Context(), src)
			require.Equal(t, c.kind, fault.Of(err), "%v", err)
			require.Equal(t, c.foreign, b.Is == replication.Foreign)
		})
	}
}

func TestABucketOfAnotherRegionAndAccountIsForeign(t *testing.T) {
	c, _ := serve(t, hosts(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Host, "hangzhou") {
			refuse(w, 403, "AccessDenied", "<Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint>")
			return
		}
		refuse(w, 403, "AccessDenied")
	}, listing()))
	b, err := c.Bucket(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, replication.Foreign, b.Is)
}

func TestEndpointsAreChosenByRegion(t *testing.T) {
	for name, c := range map[string]struct {
		config     Config
		host, path string
	}{
		"public":            {Config{}, "src-bucket.oss-cn-hangzhou.aliyuncs.com", "/k"},
		"inside the cloud":  {Config{Internal: true}, "src-bucket.oss-cn-hangzhou-internal.aliyuncs.com", "/k"},
		"none given":        {Config{EndpointFor: func(string) string { return "" }}, "src-bucket.oss-cn-hangzhou.aliyuncs.com", "/k"},
		"given":             {Config{EndpointFor: func(r string) string { return "https://oss." + r + ".example.com" }}, "src-bucket.oss.cn-hangzhou.example.com", "/k"},
		"an address":        {Config{EndpointFor: func(string) string { return "http://127.0.0.1:9000" }}, "127.0.0.1:9000", "/src-bucket/k"},
		"a name of no zone": {Config{EndpointFor: func(string) string { return "http://localhost:9000" }}, "localhost:9000", "/src-bucket/k"},
	} {
		t.Run(name, func(t *testing.T) {
			stub, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
			c.config.Transport, c.config.Credentials = stub.config.Transport, stub.config.Credentials
			require.NoError(t, New(c.config).Delete(t.Context(), src, "k"))
			require.Equal(t, c.host, asked.requests()[0].host)
			require.Equal(t, c.path, asked.requests()[0].path)
		})
	}
}
