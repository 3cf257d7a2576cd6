package rpcemu

import "github.com/replidesk/replidesk/pkg/emulator/world"

// stsActions are the operations of STS. AssumeRole asks the policies by itself;
// GetCallerIdentity needs no permission.
func stsActions() []action {
	return []action{
		{
			name: "AssumeRole", resource: "RoleArn",
			params: []param{{"RoleArn", true}, {"RoleSessionName", true}, {"DurationSeconds", false}, {"Policy", false}, {"ExternalId", false}},
			do:     assumeRole,
		},
		{name: "GetCallerIdentity", do: getCallerIdentity},
	}
}

type assumedRole struct {
	Credentials struct {
		AccessKeyID     string `json:"AccessKeyId"`
		AccessKeySecret string
		SecurityToken   string
		Expiration      string
	}
	AssumedRoleUser struct {
		AssumedRoleID string `json:"AssumedRoleId"`
		Arn           string
	}
}

func assumeRole(c *call) (any, *world.Error) {
	d, e := c.seconds("DurationSeconds")
	if e != nil {
		return nil, e
	}
	key, e := c.world.AssumeRole(c.caller, world.AssumeRole{
		RoleArn: c.get("RoleArn"), Session: c.get("RoleSessionName"), Duration: d, Policy: c.get("Policy"),
		ExternalID: c.get("ExternalId"), Context: conditions(c.Request),
	})
	if e != nil {
		return nil, e
	}
	var out assumedRole
	out.Credentials.AccessKeyID, out.Credentials.AccessKeySecret = key.ID, key.Secret
	out.Credentials.SecurityToken, out.Credentials.Expiration = key.Token, date(key.Expires)
	out.AssumedRoleUser.AssumedRoleID = key.Principal.ID + ":" + key.Principal.Session
	out.AssumedRoleUser.Arn = key.Principal.ARN()
	return out, nil
}

type callerIdentity struct {
	IdentityType string
	AccountID    string `json:"AccountId"`
	UserID       string `json:"UserId,omitempty"`
	RoleID       string `json:"RoleId,omitempty"`
	PrincipalID  string `json:"PrincipalId"`
	Arn          string
}

func getCallerIdentity(c *call) (any, *world.Error) {
	id := c.world.CallerIdentity(c.caller)
	return callerIdentity{id.Type, id.AccountID, id.UserID, id.RoleID, id.PrincipalID, id.Arn}, nil
}
