package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

const (
	uidA   = "1111111111111111"
	uidB   = "2222222222222222"
	object = "acs:oss:oss-cn-hangzhou:" + uidA + ":photos/a.jpg"
)

func parse(t *testing.T, kind policy.Kind, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, []byte(text))
	require.NoError(t, err)
	return d
}

func TestIdentityPolicy(t *testing.T) {
	get := policy.Request{Action: "oss:GetObject", Resource: object}
	for _, c := range []struct {
		name, statements string
		request          policy.Request
		want             policy.Verdict
	}{
		{
			"a matching statement allows",
			`{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["acs:oss:*:*:photos/*"]}`, get, policy.Allowed,
		},
		{
			"a string stands for a list of one",
			`{"Effect":"Allow","Action":"oss:GetObject","Resource":"acs:oss:*:*:photos/*"}`, get, policy.Allowed,
		},
		{
			"another action is not spoken of",
			`{"Effect":"Allow","Action":"oss:PutObject","Resource":"*"}`, get, policy.Silent,
		},
		{
			"another resource is not spoken of",
			`{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:letters/*"}`, get, policy.Silent,
		},
		{
			"actions are compared without case",
			`{"Effect":"Allow","Action":"OSS:getobject","Resource":"*"}`, get, policy.Allowed,
		},
		{
			"wildcards in an action are honoured",
			`{"Effect":"Allow","Action":"oss:Get*","Resource":"*"}`, get, policy.Allowed,
		},
		{
			"a deny outweighs an allow before it",
			`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"oss:Get*","Resource":"*"}`, get, policy.Denied,
		},
		{
			"a deny outweighs an allow after it",
			`{"Effect":"Deny","Action":"oss:Get*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}`, get, policy.Denied,
		},
		{
			"a deny for something else does not count",
			`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"oss:Put*","Resource":"*"}`, get, policy.Allowed,
		},
		{
			"NotAction matches all other actions",
			`{"Effect":"Allow","NotAction":["oss:PutObject","oss:Delete*"],"Resource":"*"}`, get, policy.Allowed,
		},
		{
			"NotAction leaves out what it names",
			`{"Effect":"Allow","NotAction":"oss:Get*","Resource":"*"}`, get, policy.Silent,
		},
		{
			"NotResource matches all other resources",
			`{"Effect":"Deny","Action":"*","NotResource":"acs:oss:*:*:letters/*"}`, get, policy.Denied,
		},
		{
			"NotResource leaves out what it names",
			`{"Effect":"Deny","Action":"*","NotResource":"acs:oss:*:*:photos/*"}`, get, policy.Silent,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, policy.Identity, `{"Version":"1","Statement":[`+c.statements+`]}`)
			require.Equal(t, c.want, d.Evaluate(c.request))
		})
	}
}

func TestTrustPolicy(t *testing.T) {
	caller := policy.CallerOf
	for _, c := range []struct {
		name, principal string
		caller          policy.Caller
		want            policy.Verdict
	}{
		{"a service that is named may assume the role", `{"Service":["oss.aliyuncs.com"]}`, caller("oss.aliyuncs.com"), policy.Allowed},
		{"a service that is not named may not", `{"Service":["oss.aliyuncs.com"]}`, caller("fc.aliyuncs.com"), policy.Silent},
		{"one service of several is enough", `{"Service":["fc.aliyuncs.com","oss.aliyuncs.com"]}`, caller("oss.aliyuncs.com"), policy.Allowed},
		{"a service is not a user", `{"Service":["oss.aliyuncs.com"]}`, caller("acs:ram::" + uidA + ":user/oss.aliyuncs.com"), policy.Silent},
		{"root stands for the users of the account", `{"RAM":["acs:ram::` + uidA + `:root"]}`, caller("acs:ram::" + uidA + ":user/eve"), policy.Allowed},
		{"root stands for the role sessions of the account", `{"RAM":["acs:ram::` + uidA + `:root"]}`, caller("acs:ram::" + uidA + ":assumed-role/fn/one"), policy.Allowed},
		{"root of another account stands for nobody here", `{"RAM":["acs:ram::` + uidB + `:root"]}`, caller("acs:ram::" + uidA + ":user/eve"), policy.Silent},
		{"a role that is named may assume", `{"RAM":["acs:ram::` + uidA + `:role/fn"]}`, caller("acs:ram::" + uidA + ":assumed-role/fn/one"), policy.Allowed},
		{"role names are compared without case", `{"RAM":["acs:ram::` + uidA + `:role/fnrole"]}`, caller("acs:ram::" + uidA + ":assumed-role/FnRole/one"), policy.Allowed},
		{"another role may not assume", `{"RAM":["acs:ram::` + uidA + `:role/fn"]}`, caller("acs:ram::" + uidA + ":assumed-role/other/one"), policy.Silent},
		{"the same role of another account may not", `{"RAM":["acs:ram::` + uidA + `:role/fn"]}`, caller("acs:ram::" + uidB + ":assumed-role/fn/one"), policy.Silent},
		{"a user that is named may assume", `{"RAM":"acs:ram::` + uidA + `:user/eve"}`, caller("acs:ram::" + uidA + ":user/eve"), policy.Allowed},
		{"an anonymous caller may not", `{"RAM":"acs:ram::` + uidA + `:root"}`, policy.Caller{}, policy.Silent},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, policy.Trust, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":`+c.principal+`}]}`)
			require.Equal(t, c.want, d.Evaluate(policy.Request{Action: "sts:AssumeRole", Caller: c.caller}))
		})
	}
}

func TestBucketPolicyPrincipals(t *testing.T) {
	session := policy.Caller{Account: uidA, Role: "AliyunOssDrsRole", Session: "replication"}
	for _, c := range []struct {
		name, principal string
		caller          policy.Caller
		want            policy.Verdict
	}{
		{"a star is everybody", `"Principal":["*"]`, policy.Caller{}, policy.Allowed},
		{"a UID is the account itself", `"Principal":["` + uidA + `"]`, policy.Caller{Account: uidA, Root: true}, policy.Allowed},
		{"a UID is not the roles of the account", `"Principal":["` + uidA + `"]`, session, policy.Silent},
		{"a UID is not the users of the account", `"Principal":["` + uidA + `"]`, policy.Caller{Account: uidA, User: "eve", UserID: "212345678901234567"}, policy.Silent},
		{"a user goes by the user's own number", `"Principal":["212345678901234567"]`, policy.Caller{Account: uidA, User: "eve", UserID: "212345678901234567"}, policy.Allowed},
		{"a role session goes by the role in lower case", `"Principal":["arn:sts::` + uidA + `:assumed-role/aliyunossdrsrole/*"]`, session, policy.Allowed},
		{"a role with capitals matches nobody", `"Principal":["arn:sts::` + uidA + `:assumed-role/AliyunOssDrsRole/*"]`, session, policy.Silent},
		{"the role of another account is another role", `"Principal":["arn:sts::` + uidB + `:assumed-role/aliyunossdrsrole/*"]`, session, policy.Silent},
		{"a session may be named", `"Principal":["arn:sts::` + uidA + `:assumed-role/aliyunossdrsrole/replication"]`, session, policy.Allowed},
		{"another session does not match", `"Principal":["arn:sts::` + uidA + `:assumed-role/aliyunossdrsrole/other"]`, session, policy.Silent},
		{"NotPrincipal is everybody else", `"NotPrincipal":["` + uidB + `"]`, session, policy.Allowed},
		{"NotPrincipal leaves out whom it names", `"NotPrincipal":["arn:sts::` + uidA + `:assumed-role/aliyunossdrsrole/*"]`, session, policy.Silent},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, policy.Bucket, `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ReplicatePut"],"Resource":["acs:oss:*:`+uidA+`:photos/*"],`+c.principal+`}]}`)
			require.Equal(t, c.want, d.Evaluate(policy.Request{Action: "oss:ReplicatePut", Resource: object, Caller: c.caller}))
		})
	}
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		name, condition string
		context         map[string]string
		want            policy.Verdict
	}{
		{"an address inside the range holds", `{"IpAddress":{"acs:SourceIp":["10.0.0.0/8","192.168.1.1"]}}`, map[string]string{"acs:SourceIp": "10.9.8.7"}, policy.Allowed},
		{"an address outside the range does not", `{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}`, map[string]string{"acs:SourceIp": "11.0.0.1"}, policy.Silent},
		{"a single address holds for itself", `{"IpAddress":{"acs:SourceIp":"192.168.1.1"}}`, map[string]string{"acs:SourceIp": "192.168.1.1"}, policy.Allowed},
		{"NotIpAddress holds outside", `{"NotIpAddress":{"acs:SourceIp":"10.0.0.0/8"}}`, map[string]string{"acs:SourceIp": "11.0.0.1"}, policy.Allowed},
		{"NotIpAddress fails inside any of its ranges", `{"NotIpAddress":{"acs:SourceIp":["11.0.0.0/8","10.0.0.0/8"]}}`, map[string]string{"acs:SourceIp": "10.1.1.1"}, policy.Silent},
		{"a positive operator fails when the key is not known", `{"IpAddress":{"acs:SourceIp":"0.0.0.0/0"}}`, nil, policy.Silent},
		{"a negated operator holds when the key is not known", `{"NotIpAddress":{"acs:SourceIp":"10.0.0.0/8"}}`, nil, policy.Allowed},
		{"Bool compares", `{"Bool":{"acs:SecureTransport":"true"}}`, map[string]string{"acs:SecureTransport": "true"}, policy.Allowed},
		{"Bool takes a bare Boolean", `{"Bool":{"acs:SecureTransport":false}}`, map[string]string{"acs:SecureTransport": "true"}, policy.Silent},
		{"StringEquals takes one of several", `{"StringEquals":{"acs:Service":["fc.aliyuncs.com","oss.aliyuncs.com"]}}`, map[string]string{"acs:Service": "oss.aliyuncs.com"}, policy.Allowed},
		{"StringEquals minds case", `{"StringEquals":{"oss:Prefix":"Image/"}}`, map[string]string{"oss:Prefix": "image/"}, policy.Silent},
		{"StringEqualsIgnoreCase does not", `{"StringEqualsIgnoreCase":{"oss:Prefix":"Image/"}}`, map[string]string{"oss:Prefix": "image/"}, policy.Allowed},
		{"StringNotEquals fails on any of its values", `{"StringNotEquals":{"oss:Prefix":["a/","b/"]}}`, map[string]string{"oss:Prefix": "b/"}, policy.Silent},
		{"StringNotEqualsIgnoreCase compares without case", `{"StringNotEqualsIgnoreCase":{"oss:Prefix":"A/"}}`, map[string]string{"oss:Prefix": "a/"}, policy.Silent},
		{"StringLike takes wildcards", `{"StringLike":{"oss:Prefix":"image/*"}}`, map[string]string{"oss:Prefix": "image/2026"}, policy.Allowed},
		{"StringNotLike refuses what matches", `{"StringNotLike":{"oss:Prefix":"image/*"}}`, map[string]string{"oss:Prefix": "image/2026"}, policy.Silent},
		{"a date before the bound is less", `{"DateLessThan":{"acs:CurrentTime":"2026-01-01T00:00:00Z"}}`, map[string]string{"acs:CurrentTime": "2025-12-31T23:59:59Z"}, policy.Allowed},
		{"a date at the bound is not less", `{"DateLessThan":{"acs:CurrentTime":"2026-01-01T00:00:00Z"}}`, map[string]string{"acs:CurrentTime": "2026-01-01T00:00:00Z"}, policy.Silent},
		{"dates of two zones are compared as instants", `{"DateEquals":{"acs:CurrentTime":"2026-01-01T08:00:00+08:00"}}`, map[string]string{"acs:CurrentTime": "2026-01-01T00:00:00Z"}, policy.Allowed},
		{"DateGreaterThanEquals holds at the bound", `{"DateGreaterThanEquals":{"acs:CurrentTime":"2026-01-01T00:00:00Z"}}`, map[string]string{"acs:CurrentTime": "2026-01-01T00:00:00Z"}, policy.Allowed},
		{"a number below the bound is less", `{"NumericLessThan":{"acs:TLSVersion":"1.2"}}`, map[string]string{"acs:TLSVersion": "1.1"}, policy.Allowed},
		{"a number at the bound is not less", `{"NumericLessThan":{"acs:TLSVersion":1.2}}`, map[string]string{"acs:TLSVersion": "1.2"}, policy.Silent},
		{"NumericLessThanEquals holds at the bound", `{"NumericLessThanEquals":{"acs:TLSVersion":1.2}}`, map[string]string{"acs:TLSVersion": "1.2"}, policy.Allowed},
		{"NumericGreaterThan holds above the bound", `{"NumericGreaterThan":{"acs:TLSVersion":1.2}}`, map[string]string{"acs:TLSVersion": "1.3"}, policy.Allowed},
		{"numbers are equal however they are written", `{"NumericEquals":{"acs:TLSVersion":"1.20"}}`, map[string]string{"acs:TLSVersion": "1.2"}, policy.Allowed},
		{"NumericNotEquals fails on any of its values", `{"NumericNotEquals":{"acs:TLSVersion":[1.1,1.2]}}`, map[string]string{"acs:TLSVersion": "1.2"}, policy.Silent},
		{"a value that is no number compares with nothing", `{"NumericLessThan":{"acs:TLSVersion":1.2}}`, map[string]string{"acs:TLSVersion": "old"}, policy.Silent},
		{"all keys of an operator must hold", `{"StringEquals":{"oss:Prefix":"a/","oss:Delimiter":"/"}}`, map[string]string{"oss:Prefix": "a/", "oss:Delimiter": "-"}, policy.Silent},
		{"all operators must hold", `{"StringEquals":{"oss:Prefix":"a/"},"Bool":{"acs:SecureTransport":"true"}}`, map[string]string{"oss:Prefix": "a/", "acs:SecureTransport": "false"}, policy.Silent},
		{"no operators always hold", `{}`, nil, policy.Allowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, policy.Identity, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+c.condition+`}]}`)
			require.Equal(t, c.want, d.Evaluate(policy.Request{Action: "oss:GetObject", Resource: object, Context: c.context}))
		})
	}
}

func TestCallerOfTakesNamesApart(t *testing.T) {
	for _, c := range []struct {
		name string
		want policy.Caller
	}{
		{"acs:ram::1:root", policy.Caller{Account: "1", Root: true}},
		{"acs:ram::1:user/eve", policy.Caller{Account: "1", User: "eve"}},
		{"acs:ram::1:role/R", policy.Caller{Account: "1", Role: "R"}},
		{"acs:ram::1:assumed-role/R/s", policy.Caller{Account: "1", Role: "R", Session: "s"}},
		{"arn:sts::1:assumed-role/r/s", policy.Caller{Account: "1", Role: "r", Session: "s"}},
		{"oss.aliyuncs.com", policy.Caller{Service: "oss.aliyuncs.com"}},
		{"arn:sts::1:root", policy.Caller{}},
		{"acs:oss::1:root", policy.Caller{}},
		{"acs:ram:cn:1:root", policy.Caller{}},
		{"acs:ram:::root", policy.Caller{}},
		{"acs:ram::1:group/g", policy.Caller{}},
		{"", policy.Caller{}},
	} {
		t.Run("the caller of "+c.name, func(t *testing.T) {
			require.Equal(t, c.want, policy.CallerOf(c.name))
		})
	}
}

func TestKeyPolicy(t *testing.T) {
	const actions = `"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":["*"]`
	to := func(principals string) string {
		return `{"Sid":"kms default key policy","Effect":"Allow","Principal":{"RAM":[` + principals + `]},` + actions + `}`
	}
	const account, role, user = `"acs:ram::` + uidA + `:*"`, `"acs:ram::` + uidA + `:role/Copier"`, `"acs:ram::` + uidA + `:user/eve"`
	key := func(action, caller string) policy.Request {
		return policy.Request{Action: action, Resource: "acs:kms:cn-hangzhou:" + uidB + ":key/k", Caller: policy.CallerOf(caller)}
	}
	const session = "acs:ram::" + uidA + ":assumed-role/copier/s"
	for _, c := range []struct {
		name, statements string
		request          policy.Request
		want             policy.Verdict
	}{
		{"a role that is named may use the key, whatever the case of its name", to(role), key("kms:Decrypt", session), policy.Allowed},
		{"a role that is named may do only what is named", to(role), key("kms:Encrypt", session), policy.Silent},
		{"a role of the same name in another account is not named", to(role), key("kms:Decrypt", "acs:ram::"+uidB+":assumed-role/copier/s"), policy.Silent},
		{"a user that is named may use the key", to(user), key("kms:GenerateDataKey", "acs:ram::"+uidA+":user/eve"), policy.Allowed},
		{"the whole account is the account itself", to(account), key("kms:Decrypt", "acs:ram::"+uidA+":root"), policy.Allowed},
		{"the whole account is not each of its roles", to(account), key("kms:Decrypt", session), policy.Silent},
		{"root is the account itself as well", to(`"acs:ram::` + uidA + `:root"`), key("kms:Decrypt", "acs:ram::"+uidA+":root"), policy.Allowed},
		{"one of several principals is enough", to(account + "," + role), key("kms:Decrypt", session), policy.Allowed},
		{"a deny outweighs", to(role) + `,{"Effect":"Deny","Principal":{"RAM":` + role + `},"Action":"kms:De*","Resource":"*"}`, key("kms:Decrypt", session), policy.Denied},
		{"a condition must hold", `{"Effect":"Allow","Principal":{"RAM":` + role + `},` + actions + `,"Condition":{"Bool":{"acs:SecureTransport":"true"}}}`, key("kms:Decrypt", session), policy.Silent},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, policy.Key, `{"Version":"1","Statement":[`+c.statements+`]}`)
			require.Equal(t, c.want, d.Evaluate(c.request))
		})
	}
}
