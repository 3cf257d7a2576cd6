package rpcemu

import (
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// ramActions are the operations of RAM that have to do with roles and policies.
// Attaching and detaching need the permission on the role and on the policy; the
// tag operations need it on all resources of the account, as their pages say.
func ramActions() []action {
	roleName := param{"RoleName", true}
	policyName := param{"PolicyName", true}
	policyType := param{"PolicyType", true}
	version := param{"VersionId", true}
	return []action{
		{
			name: "CreateRole", write: true, resource: "RoleName", access: onRole, do: createRole,
			params: []param{roleName, {"AssumeRolePolicyDocument", true}, {"Description", false}, {"MaxSessionDuration", false}, {"Tag", false}},
		},
		{name: "GetRole", resource: "RoleName", access: onRole, do: getRole, params: []param{roleName}},
		{
			name: "UpdateRole", write: true, resource: "RoleName", access: onRole, do: updateRole,
			params: []param{roleName, {"NewAssumeRolePolicyDocument", false}, {"NewDescription", false}, {"NewMaxSessionDuration", false}},
		},
		{name: "ListRoles", access: onAllRoles, do: listRoles, params: []param{{"Marker", false}, {"MaxItems", false}}},
		{name: "DeleteRole", write: true, resource: "RoleName", access: onRole, do: deleteRole, params: []param{roleName}},
		{name: "ListPoliciesForRole", resource: "RoleName", access: onRole, do: listPoliciesForRole, params: []param{roleName}},
		{
			name: "CreatePolicy", write: true, resource: "PolicyName", access: onPolicy, do: createPolicy,
			params: []param{policyName, {"PolicyDocument", true}, {"Description", false}, {"Tag", false}},
		},
		{name: "GetPolicy", resource: "PolicyName", access: onPolicy, do: getPolicy, params: []param{policyType, policyName}},
		{name: "DeletePolicy", write: true, resource: "PolicyName", access: onPolicy, do: deletePolicy, params: []param{policyName}},
		{
			name: "CreatePolicyVersion", write: true, resource: "PolicyName", access: onPolicy, do: createPolicyVersion,
			params: []param{policyName, {"PolicyDocument", true}, {"SetAsDefault", false}, {"RotateStrategy", false}},
		},
		{name: "ListPolicyVersions", resource: "PolicyName", access: onPolicy, do: listPolicyVersions, params: []param{policyType, policyName}},
		{name: "GetPolicyVersion", resource: "PolicyName", access: onPolicy, do: getPolicyVersion, params: []param{policyType, policyName, version}},
		{name: "SetDefaultPolicyVersion", write: true, resource: "PolicyName", access: onPolicy, do: setDefaultPolicyVersion, params: []param{policyName, version}},
		{name: "DeletePolicyVersion", write: true, resource: "PolicyName", access: onPolicy, do: deletePolicyVersion, params: []param{policyName, version}},
		{name: "ListEntitiesForPolicy", resource: "PolicyName", access: onPolicy, do: listEntitiesForPolicy, params: []param{policyType, policyName}},
		{
			name: "AttachPolicyToRole", write: true, resource: "RoleName", access: onRoleAndPolicy, do: attachPolicyToRole,
			params: []param{policyType, policyName, roleName},
		},
		{
			name: "DetachPolicyFromRole", write: true, resource: "RoleName", access: onRoleAndPolicy, do: detachPolicyFromRole,
			params: []param{policyType, policyName, roleName},
		},
		{
			name: "TagResources", write: true, resource: "ResourceNames", access: onEverything, do: tagResources,
			params: []param{{"ResourceType", true}, {"ResourceNames", true}, {"Tag", true}},
		},
		{
			name: "UntagResources", write: true, resource: "ResourceNames", access: onEverything, do: untagResources,
			params: []param{{"ResourceType", true}, {"ResourceNames", true}, {"TagKeys", true}},
		},
		{
			name: "ListTagResources", resource: "ResourceNames", access: onEverything, do: listTagResources,
			params: []param{{"ResourceType", true}, {"ResourceNames", false}},
		},
	}
}

func arn(account, name string) string { return "acs:ram:*:" + account + ":" + name }

func onRole(c *call) []string {
	return []string{arn(c.caller.Account, "role/"+c.get("RoleName"))}
}

func onAllRoles(c *call) []string { return []string{arn(c.caller.Account, "role/*")} }

// onPolicy names the policy; the policies of the cloud belong to "system".
func onPolicy(c *call) []string {
	account := c.caller.Account
	if c.get("PolicyType") == world.TypeSystem {
		account = "system"
	}
	return []string{arn(account, "policy/"+c.get("PolicyName"))}
}

func onRoleAndPolicy(c *call) []string { return append(onRole(c), onPolicy(c)...) }

func onEverything(c *call) []string { return []string{arn(c.caller.Account, "*")} }

func tagResources(c *call) (any, *world.Error) {
	names, e := c.strings("ResourceNames")
	if e != nil {
		return nil, e
	}
	tags, e := c.tags("Tag")
	if e != nil {
		return nil, e
	}
	return nil, c.world.TagResources(c.caller.Account, c.get("ResourceType"), names, tags)
}

func untagResources(c *call) (any, *world.Error) {
	names, e := c.strings("ResourceNames")
	if e != nil {
		return nil, e
	}
	keys, e := c.strings("TagKeys")
	if e != nil {
		return nil, e
	}
	return nil, c.world.UntagResources(c.caller.Account, c.get("ResourceType"), names, keys)
}

type tagResource struct {
	ResourceType, ResourceName, TagKey, TagValue string
}

func listTagResources(c *call) (any, *world.Error) {
	names, e := c.strings("ResourceNames")
	if e != nil {
		return nil, e
	}
	tags, e := c.world.ListTagResources(c.caller.Account, c.get("ResourceType"), names, c.view())
	if e != nil {
		return nil, e
	}
	list := make([]tagResource, 0, len(tags))
	for _, t := range tags {
		list = append(list, tagResource{t.ResourceType, t.ResourceName, t.Tag.Key, t.Tag.Value})
	}
	return struct{ TagResources []tagResource }{list}, nil
}
