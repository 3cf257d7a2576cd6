package ossrepl

import (
	"context"
	"encoding/xml"
	"errors"
	"regexp"
	"slices"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/replication"
)

type bucketInfoXML struct {
	XMLName xml.Name `xml:"BucketInfo"`
	Bucket  struct {
		Name       string
		Location   string
		Versioning string
		Owner      struct{ ID string }
	}
}

// refusalXML is what a refusal says beside its code.
type refusalXML struct {
	Endpoint           string    // where the bucket is to be addressed
	AccessDeniedDetail *struct{} // there when a RAM policy refused
}

// Bucket reads a bucket. One that lies in another region than e says is Exists,
// with the region that it lies in; one of another account that does not let us
// look is Foreign. [fact 38]
func (c *Client) Bucket(ctx context.Context, e replication.End) (replication.BucketSeen, error) {
	const op = "GetBucketInfo"
	seen, err := c.bucketInfo(ctx, e)
	if region := elsewhere(err); region != "" && region != e.Region {
		there := e
		there.Region = region
		seen, err = c.bucketInfo(ctx, there)
	}
	switch se := serviceError(err); {
	case err == nil:
		return seen, nil
	case ctx.Err() != nil || se == nil:
	case se.Code == "NoSuchBucket":
		return replication.BucketSeen{Is: replication.Missing}, nil
	case se.Code == "BucketNotBelongTo":
		return replication.BucketSeen{Is: replication.Foreign}, nil
	case se.Code == "AccessDenied":
		return c.refused(ctx, e, se)
	}
	return replication.BucketSeen{}, fail(ctx, op, e.Bucket, err)
}

// refused tells a bucket of another account from one of ours that we may not read.
// The answer itself does not: OSS gives the same codes for both. Whether it is on
// the list of our account's buckets does [fact 39]. When that may not be read either,
// a refusal by a RAM policy is taken for a right that we lack, because a person can
// then see which; any other for a bucket of somebody else.
func (c *Client) refused(ctx context.Context, e replication.End, refusal *oss.ServiceError) (replication.BucketSeen, error) {
	foreign := replication.BucketSeen{Is: replication.Foreign}
	denied := fail(ctx, "GetBucketInfo", e.Bucket, refusal)
	list, err := c.at(e).ListBuckets(ctx, &oss.ListBucketsRequest{Prefix: &e.Bucket, MaxKeys: 1})
	switch {
	case err == nil && slices.ContainsFunc(list.Buckets, func(b oss.BucketProperties) bool { return oss.ToString(b.Name) == e.Bucket }):
		return replication.BucketSeen{}, denied
	case err == nil:
		return foreign, nil
	case codeOf(err) != "AccessDenied" || ctx.Err() != nil:
		return replication.BucketSeen{}, fail(ctx, "ListBuckets", e.Bucket, err)
	case byRAM(refusal):
		return replication.BucketSeen{}, denied
	}
	return foreign, nil
}

// byRAM reports whether a RAM policy refused: doc: errors 0003-00000201 to -203,
// and AccessDeniedDetail in the answer.
func byRAM(se *oss.ServiceError) bool {
	codes := []string{"0003-00000201", "0003-00000202", "0003-00000203"}
	return slices.Contains(codes, se.EC) || detail(se).AccessDeniedDetail != nil
}

// bucketInfo reads a bucket at the endpoint of the region that e says.
func (c *Client) bucketInfo(ctx context.Context, e replication.End) (replication.BucketSeen, error) {
	var x bucketInfoXML
	if err := c.read(ctx, "GetBucketInfo", e, map[string]string{"bucketInfo": ""}, &x); err != nil {
		return replication.BucketSeen{}, err
	}
	b := x.Bucket
	if b.Owner.ID == "" || b.Location == "" {
		return replication.BucketSeen{}, &unreadable{err: errors.New("the answer names no owner or no location")}
	}
	return replication.BucketSeen{
		Is: replication.Exists, Owner: b.Owner.ID, Region: plainRegion(b.Location), Versioning: b.Versioning,
	}, nil
}

var endpointRegion = regexp.MustCompile(`^(?:[a-z0-9.-]+\.)?oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$`)

// elsewhere returns the region that a refusal sends us to, or "". [fact 40]
func elsewhere(err error) string {
	se := serviceError(err)
	if se == nil || se.StatusCode/100 == 2 {
		return ""
	}
	m := endpointRegion.FindStringSubmatch(detail(se).Endpoint)
	if m == nil {
		return ""
	}
	return m[1]
}

// detail decodes what a refusal says beside its code; an answer of another form says nothing.
func detail(se *oss.ServiceError) refusalXML {
	var r refusalXML
	if err := xml.Unmarshal(se.Snapshot, &r); err != nil {
		return refusalXML{}
	}
	return r
}
