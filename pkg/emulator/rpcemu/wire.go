package rpcemu

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// The objects of RAM as they go over the wire. Documents are JSON inside a string.

type role struct {
	RoleID                   string `json:"RoleId"`
	RoleName                 string
	RolePrincipalName        string
	Arn                      string
	Description              string
	AssumeRolePolicyDocument string `json:",omitempty"` // not in listings
	MaxSessionDuration       int64
	CreateDate               string
	UpdateDate               string
	AttachDate               string `json:",omitempty"` // where the listing is about attachments
}

type policyObject struct {
	PolicyName      string
	PolicyType      string
	Description     string
	DefaultVersion  string
	AttachmentCount *int   `json:",omitempty"`
	CreateDate      string `json:",omitempty"`
	UpdateDate      string `json:",omitempty"`
	AttachDate      string `json:",omitempty"`
}

type policyVersion struct {
	VersionID        string `json:"VersionId"`
	IsDefaultVersion bool
	PolicyDocument   string
	CreateDate       string
}

func date(t time.Time) string { return t.UTC().Format(timeFormat) }

func wireRole(uid string, r world.Role) role {
	return role{
		RoleID: r.ID, RoleName: r.Name, Arn: "acs:ram::" + uid + ":role/" + r.Name, Description: r.Description,
		RolePrincipalName:        strings.ToLower(r.Name) + "@role." + uid + ".onaliyunservice.com",
		AssumeRolePolicyDocument: string(r.Trust), MaxSessionDuration: int64(r.MaxSession / time.Second),
		CreateDate: date(r.Created), UpdateDate: date(r.Updated),
	}
}

func wirePolicy(p world.Policy) policyObject {
	return policyObject{
		PolicyName: p.Name, PolicyType: p.Type, Description: p.Description, DefaultVersion: p.Default,
		CreateDate: date(p.Created), UpdateDate: date(p.Updated),
	}
}

func wireVersion(v world.PolicyVersion, isDefault bool) policyVersion {
	return policyVersion{VersionID: v.ID, IsDefaultVersion: isDefault, PolicyDocument: string(v.Document), CreateDate: date(v.Created)}
}

// incorrect is the refusal for a parameter that cannot be read.
func incorrect(name string) *world.Error {
	return bad("InvalidParameter."+name, "The parameter - \""+name+"\" is incorrect.")
}

// seconds reads a parameter as a number of seconds; 0 when it was not sent.
func (c *call) seconds(name string) (time.Duration, *world.Error) {
	n, e := c.number(name, 0)
	return time.Duration(n) * time.Second, e
}

func (c *call) number(name string, def int) (int, *world.Error) {
	text := c.get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		return 0, incorrect(name)
	}
	return int(n), nil
}

func (c *call) boolean(name string) (bool, *world.Error) {
	switch c.get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, incorrect(name)
}

// strings reads a parameter that holds a JSON list of strings; nil when it was not sent.
func (c *call) strings(name string) ([]string, *world.Error) {
	var list []string
	if text := c.get(name); text != "" && json.Unmarshal([]byte(text), &list) != nil {
		return nil, incorrect(name)
	}
	return list, nil
}

// tags reads a parameter that holds a JSON list of {"Key", "Value"}.
func (c *call) tags(name string) ([]world.Tag, *world.Error) {
	text := c.get(name)
	if text == "" {
		return nil, nil
	}
	var tags []world.Tag
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if dec.Decode(&tags) != nil || dec.More() {
		return nil, incorrect(name)
	}
	return tags, nil
}
