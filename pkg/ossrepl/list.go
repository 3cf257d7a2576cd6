package ossrepl

import (
	"context"
	"encoding/xml"
	"errors"

	"github.com/replidesk/replidesk/pkg/replication"
)

type bucketsXML struct {
	XMLName     xml.Name `xml:"ListAllMyBucketsResult"`
	IsTruncated bool
	NextMarker  string
	Owner       struct{ ID string }
	Buckets     []struct{ Name, Location string } `xml:"Buckets>Bucket"`
}

// listPage is how many buckets one answer names at most. [fact 59]
const listPage = "1000"

// Buckets lists the buckets of the caller's account in all regions, in the order of
// their names. region is that of the endpoint that is asked. [fact 59]
func (c *Client) Buckets(ctx context.Context, region string) ([]replication.End, error) {
	const op = "ListBuckets"
	var ends []replication.End
	for marker := ""; ; {
		query := map[string]string{"max-keys": listPage}
		if marker != "" {
			query["marker"] = marker
		}
		var x bucketsXML
		if err := c.read(ctx, op, replication.End{Region: region}, query, &x); err != nil {
			return nil, fail(ctx, op, "", err)
		}
		for _, b := range x.Buckets {
			if b.Name == "" || b.Location == "" || x.Owner.ID == "" {
				return nil, fail(ctx, op, b.Name, &unreadable{err: errors.New("the answer names a bucket without its location or owner")})
			}
			ends = append(ends, replication.End{Account: x.Owner.ID, Region: plainRegion(b.Location), Bucket: b.Name})
		}
		if !x.IsTruncated {
			return ends, nil
		}
		if x.NextMarker == "" || x.NextMarker == marker {
			return nil, fail(ctx, op, "", &unreadable{err: errors.New("the answer is cut off and does not say where to go on")})
		}
		marker = x.NextMarker
	}
}
