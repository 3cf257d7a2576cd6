package ossrepl

import (
	"context"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/replication"
)

// BucketPolicy reads the policy of a bucket. One that does not exist is Missing; one
// that may not be read is Foreign.
func (c *Client) BucketPolicy(ctx context.Context, e replication.End) (replication.BucketPolicySeen, error) {
	const op = "GetBucketPolicy"
	out, err := c.at(e).GetBucketPolicy(ctx, &oss.GetBucketPolicyRequest{Bucket: &e.Bucket})
	switch code := codeOf(err); {
	case err == nil:
		return replication.BucketPolicySeen{Is: replication.Exists, Document: out.Body}, nil
	case ctx.Err() != nil:
	case code == "NoSuchBucketPolicy":
		return replication.BucketPolicySeen{Is: replication.Missing}, nil
	case code == "AccessDenied":
		return replication.BucketPolicySeen{Is: replication.Foreign}, nil
	}
	return replication.BucketPolicySeen{}, fail(ctx, op, e.Bucket, err)
}

// PutBucketPolicy replaces the policy of a bucket as a whole [fact 70]; "" deletes it.
// It has no precondition: who calls it holds the lease of the bucket.
func (c *Client) PutBucketPolicy(ctx context.Context, e replication.End, document string) error {
	if document == "" {
		_, err := c.at(e).DeleteBucketPolicy(ctx, &oss.DeleteBucketPolicyRequest{Bucket: &e.Bucket})
		if codeOf(err) == "NoSuchBucketPolicy" && ctx.Err() == nil {
			return nil
		}
		return fail(ctx, "DeleteBucketPolicy", e.Bucket, err)
	}
	_, err := c.at(e).PutBucketPolicy(ctx, &oss.PutBucketPolicyRequest{Bucket: &e.Bucket, Body: strings.NewReader(document)})
	return fail(ctx, "PutBucketPolicy", e.Bucket, err)
}
