package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

func TestMalformedDocuments(t *testing.T) {
	identity := func(statement string) string { return `{"Version":"1","Statement":[` + statement + `]}` }
	const sound = `"Effect":"Allow","Action":"oss:*","Resource":"*"`
	bucket := func(principal, resource string) string {
		return identity(`{"Effect":"Allow","Action":"oss:*","Principal":` + principal + `,"Resource":` + resource + `}`)
	}
	trust := func(principal string) string {
		return identity(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + principal + `}`)
	}
	for _, c := range []struct {
		name string
		kind policy.Kind
		text string
		want string // the whole complaint
	}{
		{"text that is not JSON is refused", policy.Identity, `{`, "is not JSON: EOF"},
		{"a list is refused", policy.Identity, `[]`, "is not a JSON object"},
		{"a second document is refused", policy.Identity, identity(`{`+sound+`}`) + `{}`, "has something after the document"},
		{"text that is not UTF-8 is refused", policy.Identity, "{\"\xff\":1}", "is not UTF-8"},
		{"deep nesting is refused", policy.Identity, strings.Repeat("[", 40) + strings.Repeat("]", 40), "nests too deep"},
		{"an element that comes twice is refused", policy.Identity, identity(`{` + sound + `,"Effect":"Deny"}`), `has the element "Effect" twice`},
		{"a version that is not 1 is refused", policy.Identity, `{"Version":"2012-10-17","Statement":[]}`, `Version: must be the string "1"`},
		{"a version that is a number is refused", policy.Identity, `{"Version":1,"Statement":[]}`, `Version: must be the string "1"`},
		{"a missing version is refused", policy.Identity, `{"Statement":[{` + sound + `}]}`, `Version: must be the string "1"`},
		{"a missing statement is refused", policy.Identity, `{"Version":"1"}`, "the element Statement is missing"},
		{"no statement is refused", policy.Identity, `{"Version":"1","Statement":[]}`, "Statement: must be a list with at least one statement"},
		{"a bare statement is refused", policy.Identity, `{"Version":"1","Statement":{` + sound + `}}`, "Statement: must be a list with at least one statement"},
		{"a statement that is a string is refused", policy.Identity, identity(`"x"`), "Statement[0]: must be an object"},
		{"an unknown element of the document is refused", policy.Identity, `{"Version":"1","Id":"x","Statement":[]}`, `unknown element "Id"`},
		{"an unknown element of a statement is refused", policy.Identity, identity(`{` + sound + `,"Sid":"x"}`), `Statement[0]: unknown element "Sid"`},
		{"the case of an element counts", policy.Identity, identity(`{"effect":"Allow","Action":"*","Resource":"*"}`), `Statement[0]: unknown element "effect"`},
		{"a wrong effect is refused", policy.Identity, identity(`{"Effect":"allow","Action":"*","Resource":"*"}`), `Statement[0].Effect: must be "Allow" or "Deny"`},
		{"the second statement is read too", policy.Identity, identity(`{` + sound + `},{"Effect":"Allow","Action":"*"}`), "Statement[1]: has neither Resource nor NotResource"},
		{"a missing action is refused", policy.Identity, identity(`{"Effect":"Allow","Resource":"*"}`), "Statement[0]: has neither Action nor NotAction"},
		{"both forms of action are refused", policy.Identity, identity(`{` + sound + `,"NotAction":"*"}`), "Statement[0]: has both Action and NotAction"},
		{"an empty list of actions is refused", policy.Identity, identity(`{"Effect":"Allow","Action":[],"Resource":"*"}`), "Statement[0].Action: must be a string or a list of strings that is not empty"},
		{"an action that is a number is refused", policy.Identity, identity(`{"Effect":"Allow","Action":[1],"Resource":"*"}`), "Statement[0].Action: must hold strings that are not empty"},
		{"an action without a service is refused", policy.Identity, identity(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), `Statement[0].Action: "GetObject" is not an action of the form service:Name`},
		{"an action with a blank is refused", policy.Identity, identity(`{"Effect":"Allow","Action":"oss: Get","Resource":"*"}`), `Statement[0].Action: "oss: Get" is not an action of the form service:Name`},
		{"a resource of another cloud is refused", policy.Identity, identity(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b"}`), `Statement[0].Resource: "arn:aws:s3:::b" is not a resource of the form acs:service:region:account:name`},
		{"a resource with a field missing is refused", policy.Identity, identity(`{"Effect":"Allow","Action":"*","Resource":"acs:oss:*:b"}`), `Statement[0].Resource: "acs:oss:*:b" is not a resource of the form acs:service:region:account:name`},
		{"a principal in an identity policy is refused", policy.Identity, identity(`{` + sound + `,"Principal":["*"]}`), `Statement[0]: unknown element "Principal"`},
		{"conditions in a list are refused", policy.Identity, identity(`{` + sound + `,"Condition":[]}`), "Statement[0].Condition: must be an object"},
		{"an unknown condition operator is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"StringEqualsIfExists":{"oss:Prefix":"a"}}}`), `Statement[0].Condition: unknown condition operator "StringEqualsIfExists"`},
		{"an unknown order is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"DateBefore":{"acs:CurrentTime":"x"}}}`), `Statement[0].Condition: unknown condition operator "DateBefore"`},
		{"an unknown condition key is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"StringEquals":{"aws:SourceIp":"a"}}}`), `Statement[0].Condition.StringEquals: unknown condition key "aws:SourceIp"`},
		{"a condition key in another case is unknown", policy.Identity, identity(`{` + sound + `,"Condition":{"IpAddress":{"acs:sourceip":"1.1.1.1"}}}`), `Statement[0].Condition.IpAddress: unknown condition key "acs:sourceip"`},
		{"an operator of another type than the key is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"NumericEquals":{"oss:Prefix":"1"}}}`), `Statement[0].Condition.NumericEquals: the condition key "oss:Prefix" is of type String`},
		{"an operator without a key is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"Bool":{}}}`), "Statement[0].Condition.Bool: must be an object with at least one condition key"},
		{"a condition without a value is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"Bool":{"acs:MFAPresent":[]}}}`), "Statement[0].Condition.Bool.acs:MFAPresent: must have at least one value"},
		{"a value that is an object is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"Bool":{"acs:MFAPresent":{}}}}`), "Statement[0].Condition.Bool.acs:MFAPresent: must be a string, number or Boolean, or a list of them"},
		{"a value that is no address is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.300"}}}`), `Statement[0].Condition.IpAddress.acs:SourceIp: "10.0.0.300" is not of type IpAddress`},
		{"a value that is no date is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"DateLessThan":{"acs:CurrentTime":"tomorrow"}}}`), `Statement[0].Condition.DateLessThan.acs:CurrentTime: "tomorrow" is not of type Date`},
		{"a value that is no Boolean is refused", policy.Identity, identity(`{` + sound + `,"Condition":{"Bool":{"acs:MFAPresent":"yes"}}}`), `Statement[0].Condition.Bool.acs:MFAPresent: "yes" is not of type Bool`},

		{"a resource in a trust policy is refused", policy.Trust, identity(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"a.aliyuncs.com"},"Resource":"*"}`), `Statement[0]: unknown element "Resource"`},
		{"a trust policy must name principals", policy.Trust, identity(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), `Statement[0].Principal: must be an object such as {"Service": ["oss.aliyuncs.com"]}`},
		{"principals of a trust policy are an object", policy.Trust, trust(`["*"]`), `Statement[0].Principal: must be an object such as {"Service": ["oss.aliyuncs.com"]}`},
		{"an unknown kind of principal is refused", policy.Trust, trust(`{"AWS":"x"}`), `Statement[0].Principal: unknown kind of principal "AWS"`},
		{"a service that is none is refused", policy.Trust, trust(`{"Service":"oss.amazonaws.com"}`), `Statement[0].Principal.Service: "oss.amazonaws.com" is not a principal of this kind`},
		{"a wildcard principal is refused", policy.Trust, trust(`{"RAM":"*"}`), `Statement[0].Principal.RAM: "*" is not a principal of this kind`},
		{"a trusted role with a wildcard is refused", policy.Trust, trust(`{"RAM":"acs:ram::` + uidA + `:role/*"}`), `Statement[0].Principal.RAM: "acs:ram::` + uidA + `:role/*" is not a principal of this kind`},
		{"a trusted account that is no number is refused", policy.Trust, trust(`{"RAM":"acs:ram::mine:root"}`), `Statement[0].Principal.RAM: "acs:ram::mine:root" is not a principal of this kind`},
		{"a session as trusted principal is refused", policy.Trust, trust(`{"RAM":"acs:ram::` + uidA + `:assumed-role/a/b"}`), `Statement[0].Principal.RAM: "acs:ram::` + uidA + `:assumed-role/a/b" is not a principal of this kind`},
		{"a trusted root with a name is refused", policy.Trust, trust(`{"RAM":"acs:ram::` + uidA + `:root/x"}`), `Statement[0].Principal.RAM: "acs:ram::` + uidA + `:root/x" is not a principal of this kind`},
		{"an action that is not of STS is refused", policy.Trust, identity(`{"Effect":"Allow","Action":"oss:*","Principal":{"Service":"a.aliyuncs.com"}}`), `Statement[0].Action: "oss:*" is not an action of the form service:Name`},

		{"a bucket policy must name principals", policy.Bucket, identity(`{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:b"}`), "Statement[0]: has neither Principal nor NotPrincipal"},
		{"principals of a bucket policy are a list", policy.Bucket, bucket(`{"RAM":["`+uidA+`"]}`, `"acs:oss:*:*:b"`), "Statement[0].Principal: must be a string or a list of strings that is not empty"},
		{"a RAM name as principal of a bucket policy is refused", policy.Bucket, bucket(`["acs:ram::`+uidA+`:root"]`, `"acs:oss:*:*:b"`), `Statement[0].Principal: "acs:ram::` + uidA + `:root" is neither a UID nor arn:sts::UID:assumed-role/role/session nor *`},
		{"a role without a session is refused", policy.Bucket, bucket(`["arn:sts::`+uidA+`:assumed-role/r"]`, `"acs:oss:*:*:b"`), `Statement[0].Principal: "arn:sts::` + uidA + `:assumed-role/r" is neither a UID nor arn:sts::UID:assumed-role/role/session nor *`},
		{"a resource that is not of OSS is refused", policy.Bucket, bucket(`["*"]`, `"acs:mns:*:*:q"`), `Statement[0].Resource: "acs:mns:*:*:q" is not a resource of the form acs:service:region:account:name`},
		{"a lone star as resource is refused", policy.Bucket, bucket(`["*"]`, `"*"`), `Statement[0].Resource: "*" is not a resource of the form acs:service:region:account:name`},
		{"a run of asterisks is refused", policy.Bucket, bucket(`["*"]`, `"acs:oss:*:*:b/**"`), "Statement[0].Resource: has a run of asterisks"},
		{"an item that is too long is refused", policy.Bucket, bucket(`["*"]`, `"acs:oss:*:*:b/`+strings.Repeat("a", 4095)+`"`), "Statement[0].Resource: has an item longer than 4095 bytes"},

		{"an action of another service in a key policy is refused", policy.Key, keyPolicy(`"Action":"oss:*"`), `Statement[0].Action: "oss:*" is not an action of the form service:Name`},
		{"every action in a key policy is refused", policy.Key, keyPolicy(`"Action":["*"]`), `Statement[0].Action: "*" is not an action of the form service:Name`},
		{"a resource of a key policy that is not the key is refused", policy.Key, keyPolicy(`"Resource":"acs:kms:*:*:key/*"`), `Statement[0].Resource: "acs:kms:*:*:key/*" is not a resource of the form acs:service:region:account:name`},
		{"a service as principal of a key policy is refused", policy.Key, keyPolicy(`"Principal":{"Service":["oss.aliyuncs.com"]}`), `Statement[0].Principal: unknown kind of principal "Service"`},
		{"a session as principal of a key policy is refused", policy.Key, keyPolicy(`"Principal":{"RAM":["arn:sts::` + uidA + `:assumed-role/r/*"]}`), `Statement[0].Principal.RAM: "arn:sts::` + uidA + `:assumed-role/r/*" is not a principal of this kind`},
		{"a role with a wildcard in a key policy is refused", policy.Key, keyPolicy(`"Principal":{"RAM":["acs:ram::` + uidA + `:role/*"]}`), `Statement[0].Principal.RAM: "acs:ram::` + uidA + `:role/*" is not a principal of this kind`},
		{"everybody as principal of a key policy is refused", policy.Key, keyPolicy(`"Principal":{"RAM":["*"]}`), `Statement[0].Principal.RAM: "*" is not a principal of this kind`},
		{"an account that is no number in a key policy is refused", policy.Key, keyPolicy(`"Principal":{"RAM":["acs:ram::*:*"]}`), `Statement[0].Principal.RAM: "acs:ram::*:*" is not a principal of this kind`},
		{"a long Sid is refused", policy.Key, keyPolicy(`"Sid":"` + strings.Repeat("s", 129) + `"`), "Statement[0].Sid: must be a string of at most 128 letters, digits, blanks and _/+=.@-"},
		{"a Sid with other characters is refused", policy.Key, keyPolicy(`"Sid":"s;"`), "Statement[0].Sid: must be a string of at most 128 letters, digits, blanks and _/+=.@-"},
		{"a Sid that is a number is refused", policy.Key, keyPolicy(`"Sid":1`), "Statement[0].Sid: must be a string of at most 128 letters, digits, blanks and _/+=.@-"},
		{"what is not spoken of cannot be meant in a key policy", policy.Key, identity(`{"Effect":"Allow","NotAction":"kms:*","Principal":{"RAM":"x"},"Resource":"*"}`), `Statement[0]: unknown element "NotAction"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := policy.Parse(c.kind, []byte(c.text))
			require.EqualError(t, err, c.want)
		})
	}
}

// keyPolicy is a key policy that is sound but for one element.
func keyPolicy(element string) string {
	elements := []string{`"Effect":"Allow"`, `"Action":"kms:Decrypt"`, `"Resource":"*"`, `"Principal":{"RAM":["acs:ram::` + uidA + `:root"]}`}
	name, _, _ := strings.Cut(element, ":")
	text := element
	for _, e := range elements {
		if !strings.HasPrefix(e, name+":") {
			text += "," + e
		}
	}
	return `{"Version":"1","Statement":[{` + text + `}]}`
}

func TestFlawsTellTheClassesApart(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       policy.Flaw
	}{
		{"a wrong version", `{"Version":"2","Statement":[]}`, policy.FlawVersion},
		{"a run of asterisks", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:**","Principal":"*","Resource":"acs:oss:*:*:b"}]}`, policy.FlawWildcards},
		{"a long item", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:` + strings.Repeat("a", 4096) + `","Principal":"*","Resource":"acs:oss:*:*:b"}]}`, policy.FlawItemSize},
		{"anything else", `{}{`, policy.FlawSyntax},
	} {
		t.Run(c.name+" is told", func(t *testing.T) {
			_, err := policy.Parse(policy.Bucket, []byte(c.text))
			m, ok := policy.AsMalformed(err)
			require.True(t, ok)
			require.Equal(t, c.want, m.Flaw)
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"],"RAM":"acs:ram::1111111111111111:root"}}]}`,
		`{"Version":"1","Statement":[{"Effect":"Deny","NotAction":["oss:Get?"],"NotPrincipal":["arn:sts::1111111111111111:assumed-role/r/*","*"],"NotResource":"acs:oss:*:*:b/*"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"acs:SourceIp":["::1/64"]},"DateLessThan":{"acs:CurrentTime":"2026-01-01T00:00:00Z"}}}]}`,
		`{"Version":"1","Statement":[{"Sid":"s","Effect":"Allow","Action":["kms:*"],"Principal":{"RAM":["acs:ram::1111111111111111:*"]},"Resource":["*"]}]}`,
		`{"Version":"1","Version":"1"}`, `[[[[`, "\xff",
	} {
		f.Add([]byte(text))
	}
	request := policy.Request{
		Action: "oss:GetObject", Resource: object, Caller: policy.CallerOf("acs:ram::" + uidA + ":assumed-role/r/s"),
		Context: map[string]string{"acs:SourceIp": "::1", "acs:CurrentTime": "2025-01-01T00:00:00Z"},
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, kind := range []policy.Kind{policy.Identity, policy.Trust, policy.Bucket, policy.Key} {
			d, err := policy.Parse(kind, text)
			if err != nil {
				_, ok := policy.AsMalformed(err)
				require.True(t, ok, "every refusal says where and why")
				continue
			}
			require.NotEmpty(t, d.Statements)
			verdict := d.Evaluate(request)
			for i := range d.Statements {
				d.Statements[i].Effect = policy.Deny
			}
			require.NotEqual(t, policy.Allowed, d.Evaluate(request), "a document of denials allows nothing")
			require.Equal(t, verdict == policy.Silent, d.Evaluate(request) == policy.Silent, "the effect has no part in matching")
		}
	})
}
