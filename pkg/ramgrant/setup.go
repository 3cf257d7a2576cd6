package ramgrant

import (
	"context"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
)

// What follows changes what exists. No function does that: it is for the people who set
// a desk up, and needs their rights.

// SetTrust replaces the trust policy of a role.
func (c *Client) SetTrust(ctx context.Context, role, trust string) error {
	req, resp := ram.CreateUpdateRoleRequest(), ram.CreateUpdateRoleResponse()
	req.RoleName, req.NewAssumeRolePolicyDocument = role, trust
	return c.do(ctx, c.config.RAM, "UpdateRole", role, req, resp)
}

// SetDocument gives a custom policy a new default version. A policy has five versions
// at most; the oldest that is not the default makes room. [fact 75]
func (c *Client) SetDocument(ctx context.Context, policy, document string) error {
	req, resp := ram.CreateCreatePolicyVersionRequest(), ram.CreateCreatePolicyVersionResponse()
	req.PolicyName, req.PolicyDocument = policy, document
	req.SetAsDefault, req.RotateStrategy = requests.NewBoolean(true), "DeleteOldestNonDefaultVersionWhenLimitExceeded"
	return c.do(ctx, c.config.RAM, "CreatePolicyVersion", policy, req, resp)
}

// DropVersions deletes all versions of a custom policy but the default one, without
// which [Client.DeletePolicy] would be refused. [fact 50]
func (c *Client) DropVersions(ctx context.Context, policy string) error {
	list, lresp := ram.CreateListPolicyVersionsRequest(), ram.CreateListPolicyVersionsResponse()
	list.PolicyName, list.PolicyType = policy, custom
	if err := c.do(ctx, c.config.RAM, "ListPolicyVersions", policy, list, lresp); err != nil {
		return err
	}
	for _, v := range lresp.PolicyVersions.PolicyVersion {
		if v.IsDefaultVersion {
			continue
		}
		req, resp := ram.CreateDeletePolicyVersionRequest(), ram.CreateDeletePolicyVersionResponse()
		req.PolicyName, req.VersionId = policy, v.VersionId
		if err := c.do(ctx, c.config.RAM, "DeletePolicyVersion", policy+" "+v.VersionId, req, resp); err != nil {
			return err
		}
	}
	return nil
}
