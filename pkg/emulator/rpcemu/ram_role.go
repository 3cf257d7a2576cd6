package rpcemu

import "github.com/replidesk/replidesk/pkg/emulator/world"

type roleResult struct{ Role role }

func createRole(c *call) (any, *world.Error) {
	d, e := c.seconds("MaxSessionDuration")
	if e != nil {
		return nil, e
	}
	tags, e := c.tags("Tag")
	if e != nil {
		return nil, e
	}
	r, e := c.world.CreateRole(c.caller.Account, world.NewRole{
		Name: c.get("RoleName"), Trust: c.get("AssumeRolePolicyDocument"), Description: c.get("Description"), MaxSession: d, Tags: tags,
	})
	if e != nil {
		return nil, e
	}
	return roleResult{wireRole(c.caller.Account, r)}, nil
}

func getRole(c *call) (any, *world.Error) {
	r, e := c.world.GetRole(c.caller.Account, c.get("RoleName"), c.view())
	if e != nil {
		return nil, e
	}
	return roleResult{wireRole(c.caller.Account, r)}, nil
}

func updateRole(c *call) (any, *world.Error) {
	d, e := c.seconds("NewMaxSessionDuration")
	if e != nil {
		return nil, e
	}
	r, e := c.world.UpdateRole(c.caller.Account, c.get("RoleName"), world.RoleChange{
		Trust: c.get("NewAssumeRolePolicyDocument"), Description: c.get("NewDescription"), MaxSession: d,
	})
	if e != nil {
		return nil, e
	}
	return roleResult{wireRole(c.caller.Account, r)}, nil
}

type roleList struct{ Role []role }

func listRoles(c *call) (any, *world.Error) {
	most, e := c.number("MaxItems", 100)
	if e != nil {
		return nil, e
	}
	page, e := c.world.ListRoles(c.caller.Account, c.get("Marker"), most, c.view())
	if e != nil {
		return nil, e
	}
	roles := make([]role, 0, len(page.Roles))
	for _, r := range page.Roles {
		short := wireRole(c.caller.Account, r)
		short.AssumeRolePolicyDocument = ""
		roles = append(roles, short)
	}
	return struct {
		Roles       roleList
		IsTruncated bool
		Marker      string `json:",omitempty"`
	}{roleList{roles}, page.Truncated, page.Marker}, nil
}

func deleteRole(c *call) (any, *world.Error) {
	return nil, c.world.DeleteRole(c.caller.Account, c.get("RoleName"), c.view())
}

type policyList struct{ Policy []policyObject }

func listPoliciesForRole(c *call) (any, *world.Error) {
	list, e := c.world.ListPoliciesForRole(c.caller.Account, c.get("RoleName"), c.view())
	if e != nil {
		return nil, e
	}
	policies := make([]policyObject, 0, len(list))
	for _, at := range list {
		p := wirePolicy(at.Policy)
		p.CreateDate, p.UpdateDate, p.AttachDate = "", "", date(at.Attached)
		policies = append(policies, p)
	}
	return struct{ Policies policyList }{policyList{policies}}, nil
}

func attachPolicyToRole(c *call) (any, *world.Error) {
	return nil, c.world.AttachPolicyToRole(c.caller.Account, c.get("PolicyType"), c.get("PolicyName"), c.get("RoleName"), c.view())
}

func detachPolicyFromRole(c *call) (any, *world.Error) {
	return nil, c.world.DetachPolicyFromRole(c.caller.Account, c.get("PolicyType"), c.get("PolicyName"), c.get("RoleName"))
}
