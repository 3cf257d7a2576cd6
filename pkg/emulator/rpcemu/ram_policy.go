package rpcemu

import "github.com/replidesk/replidesk/pkg/emulator/world"

func createPolicy(c *call) (any, *world.Error) {
	tags, e := c.tags("Tag")
	if e != nil {
		return nil, e
	}
	p, e := c.world.CreatePolicy(c.caller.Account, c.get("PolicyName"), c.get("PolicyDocument"), c.get("Description"), tags)
	if e != nil {
		return nil, e
	}
	return struct{ Policy policyObject }{wirePolicy(p.Policy)}, nil
}

func getPolicy(c *call) (any, *world.Error) {
	p, e := c.world.GetPolicy(c.caller.Account, c.get("PolicyType"), c.get("PolicyName"), c.view())
	if e != nil {
		return nil, e
	}
	object := wirePolicy(p.Policy)
	object.AttachmentCount = &p.Attachments
	return struct {
		Policy               policyObject
		DefaultPolicyVersion policyVersion
	}{object, wireVersion(p.DefaultDocument(), true)}, nil
}

func deletePolicy(c *call) (any, *world.Error) {
	return nil, c.world.DeletePolicy(c.caller.Account, c.get("PolicyName"), c.view())
}

type versionResult struct{ PolicyVersion policyVersion }

// The values of RotateStrategy.
const (
	rotateNone   = "None"
	rotateOldest = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
)

func createPolicyVersion(c *call) (any, *world.Error) {
	asDefault, e := c.boolean("SetAsDefault")
	if e != nil {
		return nil, e
	}
	rotate := c.get("RotateStrategy")
	if rotate != "" && rotate != rotateNone && rotate != rotateOldest {
		return nil, incorrect("RotateStrategy")
	}
	v, e := c.world.CreatePolicyVersion(c.caller.Account, c.get("PolicyName"), c.get("PolicyDocument"), asDefault, rotate == rotateOldest)
	if e != nil {
		return nil, e
	}
	return versionResult{wireVersion(v, asDefault)}, nil
}

func listPolicyVersions(c *call) (any, *world.Error) {
	p, e := c.world.GetPolicy(c.caller.Account, c.get("PolicyType"), c.get("PolicyName"), c.view())
	if e != nil {
		return nil, e
	}
	versions := make([]policyVersion, 0, len(p.Versions))
	for _, v := range p.Versions {
		versions = append(versions, wireVersion(v, v.ID == p.Default))
	}
	type list struct{ PolicyVersion []policyVersion }
	return struct{ PolicyVersions list }{list{versions}}, nil
}

func getPolicyVersion(c *call) (any, *world.Error) {
	v, isDefault, e := c.world.GetPolicyVersion(c.caller.Account, c.get("PolicyType"), c.get("PolicyName"), c.get("VersionId"), c.view())
	if e != nil {
		return nil, e
	}
	return versionResult{wireVersion(v, isDefault)}, nil
}

func setDefaultPolicyVersion(c *call) (any, *world.Error) {
	return nil, c.world.SetDefaultPolicyVersion(c.caller.Account, c.get("PolicyName"), c.get("VersionId"))
}

func deletePolicyVersion(c *call) (any, *world.Error) {
	return nil, c.world.DeletePolicyVersion(c.caller.Account, c.get("PolicyName"), c.get("VersionId"))
}

func listEntitiesForPolicy(c *call) (any, *world.Error) {
	list, e := c.world.ListEntitiesForPolicy(c.caller.Account, c.get("PolicyType"), c.get("PolicyName"), c.view())
	if e != nil {
		return nil, e
	}
	roles := make([]role, 0, len(list))
	for _, at := range list {
		r := wireRole(c.caller.Account, at.Role)
		r.AssumeRolePolicyDocument, r.AttachDate = "", date(at.Attached)
		roles = append(roles, r)
	}
	type none struct{}
	return struct {
		Users  struct{ User []none }
		Groups struct{ Group []none }
		Roles  roleList
	}{struct{ User []none }{[]none{}}, struct{ Group []none }{[]none{}}, roleList{roles}}, nil
}
