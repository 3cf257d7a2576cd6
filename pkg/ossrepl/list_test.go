package ossrepl

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

const owner = `<Owner><ID>42</ID><DisplayName>42</DisplayName></Owner>`

func TestTheBucketsOfAnAccountAreListedPageByPage(t *testing.T) {
	c, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("marker") == "" {
			answer(w, 200, `<ListAllMyBucketsResult><IsTruncated>true</IsTruncated><NextMarker>a</NextMarker>`+owner+`<Buckets><Bucket><Name>a</Name><Location>oss-cn-hangzhou</Location></Bucket></Buckets></ListAllMyBucketsResult>`)
			return
		}
		answer(w, 200, `<ListAllMyBucketsResult>`+owner+`<Buckets><Bucket><Name>b</Name><Location>oss-us-west-1</Location></Bucket></Buckets></ListAllMyBucketsResult>`)
	})
	ends, err := c.Buckets(t.Context(), "cn-hangzhou")
	require.NoError(t, err)
	require.Equal(t, []replication.End{{Account: "42", Region: "cn-hangzhou", Bucket: "a"}, {Account: "42", Region: "us-west-1", Bucket: "b"}}, ends)
	require.Len(t, asked.requests(), 2)
	require.Equal(t, "oss-cn-hangzhou.aliyuncs.com", asked.requests()[0].host)
}

func TestAListOfBucketsThatCannotBeTrustedIsAnError(t *testing.T) {
	for name, body := range map[string]string{
		"another document":            `<Error/>`,
		"a bucket without a location": `<ListAllMyBucketsResult>` + owner + `<Buckets><Bucket><Name>a</Name></Bucket></Buckets></ListAllMyBucketsResult>`,
		"nobody's bucket":             `<ListAllMyBucketsResult><Buckets><Bucket><Name>a</Name><Location>oss-x-y</Location></Bucket></Buckets></ListAllMyBucketsResult>`,
		"a page without a next one":   `<ListAllMyBucketsResult><IsTruncated>true</IsTruncated>` + owner + `</ListAllMyBucketsResult>`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, always(200, body))
			_, err := c.Buckets(t.Context(), "cn-hangzhou")
			require.Equal(t, fault.Retryable, fault.Of(err), "%v", err)
		})
	}
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") })
	_, err := c.Buckets(t.Context(), "cn-hangzhou")
	require.Equal(t, fault.Denied, fault.Of(err))
}
