package kmskey

import (
	"context"
	"errors"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Key reads a key by its id or ARN in the region of an end. One that there is not is
// Missing; where the account has no KMS, NoService is set. [fact 64]
func (c *Client) Key(ctx context.Context, e replication.End, key string) (replication.KeySeen, error) {
	const op = "DescribeKey"
	req, resp := kms.CreateDescribeKeyRequest(), kms.CreateDescribeKeyResponse()
	req.KeyId = key
	err := c.do(ctx, e, op, key, req, resp)
	switch {
	case fault.Of(err) == fault.NotFound:
		return replication.KeySeen{Is: replication.Missing}, nil
	case codeOf(err) == codeNoService:
		return replication.KeySeen{Is: replication.Missing, NoService: true}, nil
	case err != nil:
		return replication.KeySeen{}, err
	}
	m := resp.KeyMetadata
	if m.Arn == "" || m.KeyState == "" {
		return replication.KeySeen{}, otherAnswer(op, key, resp.RequestId)
	}
	seen := replication.KeySeen{
		Is: replication.Exists, ARN: m.Arn, State: m.KeyState, Usage: m.KeyUsage, Spec: m.KeySpec, Creator: m.Creator, Instance: m.DKMSInstanceId,
	}
	if m.DeleteDate != "" {
		if seen.Deleted, err = time.Parse(time.RFC3339, m.DeleteDate); err != nil {
			return replication.KeySeen{}, otherAnswer(op, key, resp.RequestId)
		}
	}
	return seen, nil
}

// policyName is the only one that the policy of a key has; without it KMS answers that
// there is none. [fact 73]
const policyName = "default"

// KeyPolicy reads the policy of a key in a KMS instance. [fact 73]
func (c *Client) KeyPolicy(ctx context.Context, e replication.End, key string) (replication.KeyPolicySeen, error) {
	const op = "GetKeyPolicy"
	req, resp := kms.CreateGetKeyPolicyRequest(), kms.CreateGetKeyPolicyResponse()
	req.KeyId, req.PolicyName = key, policyName
	err := c.do(ctx, e, op, key, req, resp)
	switch {
	case fault.Of(err) == fault.NotFound:
		return replication.KeyPolicySeen{Is: replication.Missing}, nil
	case err != nil:
		return replication.KeyPolicySeen{}, err
	case resp.Policy == "":
		return replication.KeyPolicySeen{}, otherAnswer(op, key, resp.RequestId)
	}
	return replication.KeyPolicySeen{Is: replication.Exists, Document: resp.Policy}, nil
}

// SetKeyPolicy replaces the policy of a key in a KMS instance as a whole. It has no
// precondition: who calls it holds the lease of the key. [fact 73]
func (c *Client) SetKeyPolicy(ctx context.Context, e replication.End, key, document string) error {
	req, resp := kms.CreateSetKeyPolicyRequest(), kms.CreateSetKeyPolicyResponse()
	req.KeyId, req.PolicyName, req.Policy = key, policyName, document
	return c.do(ctx, e, "SetKeyPolicy", key, req, resp)
}

// otherAnswer is the fault of an answer that is not one to the call, such as an
// empty one, which the SDK takes for a success.
func otherAnswer(op, resource, requestID string) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, Resource: resource, RequestID: requestID, Err: errors.New("the answer does not show what was asked for")}
}
