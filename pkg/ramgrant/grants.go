package ramgrant

import (
	"context"
	"errors"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// custom is the type of policies that are not the cloud's own.
const custom = string(replication.PolicyCustom)

// Role reads a role. Its trust policy may be written in another form than it was
// given. [fact 22]
func (c *Client) Role(ctx context.Context, name string) (replication.RoleSeen, error) {
	req, resp := ram.CreateGetRoleRequest(), ram.CreateGetRoleResponse()
	req.RoleName = name
	err := c.do(ctx, c.config.RAM, "GetRole", name, req, resp)
	switch {
	case fault.Of(err) == fault.NotFound:
		return replication.RoleSeen{Is: replication.Missing}, nil
	case err != nil:
		return replication.RoleSeen{}, err
	case resp.Role.RoleName != name:
		return replication.RoleSeen{}, otherAnswer("GetRole", name, resp.RequestId)
	}
	return replication.RoleSeen{Is: replication.Exists, Trust: resp.Role.AssumeRolePolicyDocument}, nil
}

// Policy reads a custom policy with the document of its default version. [fact 22]
func (c *Client) Policy(ctx context.Context, name string) (replication.PolicySeen, error) {
	return c.policy(ctx, replication.PolicyCustom, name)
}

func (c *Client) policy(ctx context.Context, t replication.PolicyType, name string) (replication.PolicySeen, error) {
	req, resp := ram.CreateGetPolicyRequest(), ram.CreateGetPolicyResponse()
	req.PolicyName, req.PolicyType = name, string(t)
	err := c.do(ctx, c.config.RAM, "GetPolicy", name, req, resp)
	switch {
	case fault.Of(err) == fault.NotFound:
		return replication.PolicySeen{Is: replication.Missing}, nil
	case err != nil:
		return replication.PolicySeen{}, err
	case resp.Policy.PolicyName != name:
		return replication.PolicySeen{}, otherAnswer("GetPolicy", name, resp.RequestId)
	}
	return replication.PolicySeen{Is: replication.Exists, Document: resp.DefaultPolicyVersion.PolicyDocument}, nil
}

// Attached reports whether a custom policy is attached to a role. Nothing is
// attached to a role that does not exist. The call has no pages: a role takes no
// more policies than fit into one answer.
func (c *Client) Attached(ctx context.Context, role, policy string) (replication.AttachmentSeen, error) {
	req, resp := ram.CreateListPoliciesForRoleRequest(), ram.CreateListPoliciesForRoleResponse()
	req.RoleName = role
	err := c.do(ctx, c.config.RAM, "ListPoliciesForRole", role, req, resp)
	switch {
	case fault.Of(err) == fault.NotFound:
		return replication.AttachmentSeen{}, nil
	case err != nil:
		return replication.AttachmentSeen{}, err
	case resp.RequestId == "":
		return replication.AttachmentSeen{}, otherAnswer("ListPoliciesForRole", role, "")
	}
	var seen replication.AttachmentSeen
	for _, p := range resp.Policies.Policy {
		if p.PolicyName == policy && p.PolicyType == custom {
			seen.Attached = true
			continue
		}
		seen.Others = append(seen.Others, p.PolicyName)
		if p.PolicyType == string(replication.PolicySystem) {
			seen.System = append(seen.System, p.PolicyName)
		}
	}
	return seen, nil
}

// Rights reads the policies of a role of either type, each with the document of its
// default version; it makes one call for each. Nothing is attached to a role that
// does not exist. A policy that was deleted meanwhile is not attached any more.
func (c *Client) Rights(ctx context.Context, role string) (replication.RightsSeen, error) {
	req, resp := ram.CreateListPoliciesForRoleRequest(), ram.CreateListPoliciesForRoleResponse()
	req.RoleName = role
	err := c.do(ctx, c.config.RAM, "ListPoliciesForRole", role, req, resp)
	switch {
	case fault.Of(err) == fault.NotFound:
		return replication.RightsSeen{}, nil
	case err != nil:
		return replication.RightsSeen{}, err
	case resp.RequestId == "":
		return replication.RightsSeen{}, otherAnswer("ListPoliciesForRole", role, "")
	}
	var seen replication.RightsSeen
	for _, p := range resp.Policies.Policy {
		t := replication.PolicyType(p.PolicyType)
		s, err := c.policy(ctx, t, p.PolicyName)
		switch {
		case err != nil:
			return replication.RightsSeen{}, err
		case s.Is == replication.Exists:
			seen.Policies = append(seen.Policies, replication.PolicyHeld{Name: p.PolicyName, Type: t, Document: s.Document})
		}
	}
	return seen, nil
}

// PolicyUse reads how many versions a custom policy has and what it is attached to.
// Neither call has pages: a policy takes few versions, and one of ours has one user.
func (c *Client) PolicyUse(ctx context.Context, name string) (replication.PolicyUseSeen, error) {
	versions, vresp := ram.CreateListPolicyVersionsRequest(), ram.CreateListPolicyVersionsResponse()
	versions.PolicyName, versions.PolicyType = name, custom
	if err := c.do(ctx, c.config.RAM, "ListPolicyVersions", name, versions, vresp); err != nil {
		return replication.PolicyUseSeen{}, err
	}
	users, uresp := ram.CreateListEntitiesForPolicyRequest(), ram.CreateListEntitiesForPolicyResponse()
	users.PolicyName, users.PolicyType = name, custom
	if err := c.do(ctx, c.config.RAM, "ListEntitiesForPolicy", name, users, uresp); err != nil {
		return replication.PolicyUseSeen{}, err
	}
	seen := replication.PolicyUseSeen{Versions: len(vresp.PolicyVersions.PolicyVersion)}
	if seen.Versions == 0 || uresp.RequestId == "" {
		return replication.PolicyUseSeen{}, otherAnswer("ListEntitiesForPolicy", name, uresp.RequestId)
	}
	for _, r := range uresp.Roles.Role {
		seen.By = append(seen.By, "role "+r.RoleName)
	}
	for _, u := range uresp.Users.User {
		seen.By = append(seen.By, "user "+u.UserName)
	}
	for _, g := range uresp.Groups.Group {
		seen.By = append(seen.By, "group "+g.GroupName)
	}
	return seen, nil
}

// CreateRole makes a role. One of that name that is there already is fault.Exists.
func (c *Client) CreateRole(ctx context.Context, name, trust, description string) (requestID string, err error) {
	req, resp := ram.CreateCreateRoleRequest(), ram.CreateCreateRoleResponse()
	req.RoleName, req.AssumeRolePolicyDocument, req.Description = name, trust, description
	err = c.do(ctx, c.config.RAM, "CreateRole", name, req, resp)
	return resp.RequestId, err
}

// CreatePolicy makes a custom policy. One of that name that is there already is fault.Exists.
func (c *Client) CreatePolicy(ctx context.Context, name, document, description string) (requestID string, err error) {
	req, resp := ram.CreateCreatePolicyRequest(), ram.CreateCreatePolicyResponse()
	req.PolicyName, req.PolicyDocument, req.Description = name, document, description
	err = c.do(ctx, c.config.RAM, "CreatePolicy", name, req, resp)
	return resp.RequestId, err
}

// Attach attaches a policy of a type to a role. That it is attached already is fault.Exists.
func (c *Client) Attach(ctx context.Context, role string, t replication.PolicyType, policy string) (requestID string, err error) {
	req, resp := ram.CreateAttachPolicyToRoleRequest(), ram.CreateAttachPolicyToRoleResponse()
	req.RoleName, req.PolicyName, req.PolicyType = role, policy, string(t)
	err = c.do(ctx, c.config.RAM, "AttachPolicyToRole", policy+" to "+role, req, resp)
	return resp.RequestId, err
}

// Detach takes a policy of a type off a role. One that is not attached, and a role that
// does not exist, are fault.NotFound.
func (c *Client) Detach(ctx context.Context, role string, t replication.PolicyType, policy string) (requestID string, err error) {
	req, resp := ram.CreateDetachPolicyFromRoleRequest(), ram.CreateDetachPolicyFromRoleResponse()
	req.RoleName, req.PolicyName, req.PolicyType = role, policy, string(t)
	err = c.do(ctx, c.config.RAM, "DetachPolicyFromRole", policy+" from "+role, req, resp)
	return resp.RequestId, err
}

// DeletePolicy deletes a custom policy. One that is attached or has more than its
// default version is fault.Conflict, and stays. [fact 50]
func (c *Client) DeletePolicy(ctx context.Context, name string) (requestID string, err error) {
	req, resp := ram.CreateDeletePolicyRequest(), ram.CreateDeletePolicyResponse()
	req.PolicyName = name
	err = c.do(ctx, c.config.RAM, "DeletePolicy", name, req, resp)
	return resp.RequestId, err
}

// DeleteRole deletes a role. One that has policies is fault.Conflict, and stays. [fact 50]
func (c *Client) DeleteRole(ctx context.Context, name string) (requestID string, err error) {
	req, resp := ram.CreateDeleteRoleRequest(), ram.CreateDeleteRoleResponse()
	req.RoleName = name
	err = c.do(ctx, c.config.RAM, "DeleteRole", name, req, resp)
	return resp.RequestId, err
}

// CallerAccount returns the UID of the account that the access key belongs to. It
// needs no permission.
func (c *Client) CallerAccount(ctx context.Context) (uid string, err error) {
	req, resp := sts.CreateGetCallerIdentityRequest(), sts.CreateGetCallerIdentityResponse()
	if err := c.do(ctx, c.config.STS, "GetCallerIdentity", "", req, resp); err != nil {
		return "", err
	}
	if resp.AccountId == "" {
		return "", otherAnswer("GetCallerIdentity", "", resp.RequestId)
	}
	return resp.AccountId, nil
}

// otherAnswer is the fault of an answer that is not one to the call, such as an
// empty one, which the SDK takes for a success.
func otherAnswer(op, resource, requestID string) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, Resource: resource, RequestID: requestID, Err: errors.New("the answer does not show what was asked for")}
}
