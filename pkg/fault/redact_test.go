package fault_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
)

const (
	keyID  = "LTAI5tFakeFakeFakeFake00"
	secret = "S3cr3tS3cr3tS3cr3tS3cr3tS3cr30"
	token  = "CAIS8wF1q6Ft5B2yfSjIr5fFAv2Qz7pOgvfSbUfA0WcBQ+JEiqTT3jz2IHhMdXdqBO0asvw1nGtS6foYlrhqRoReREvCfZ0N66E="
	sig    = "aBcDeFgHiJkLmNoPqRsTuVwXy0Z="
)

func TestRedactTakesSecretsOut(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a URL in an SDK error": {
			`Post "https://ram.aliyuncs.com/?AccessKeyId=` + keyID + `&Action=CreateRole&AssumeRolePolicyDocument=%7B%7D&RoleName=r&Signature=` + sig + `&SecurityToken=` + token + `": EOF`,
			`Post "https://ram.aliyuncs.com/?AccessKeyId=REDACTED&Action=CreateRole&AssumeRolePolicyDocument=REDACTED&RoleName=r&Signature=REDACTED&SecurityToken=REDACTED": EOF`,
		},
		"a URL that went through JSON": {
			`{"url":"https://sts.aliyuncs.com/?Action=AssumeRole\u0026SecurityToken=` + secret + `"}`,
			`{"url":"https://sts.aliyuncs.com/?Action=AssumeRole\u0026SecurityToken=REDACTED"}`,
		},
		"a URL that went through XML": {
			`<Url>https://sts.aliyuncs.com/?Action=AssumeRole&amp;Signature=` + sig + `</Url>`,
			`<Url>https://sts.aliyuncs.com/?Action=AssumeRole&amp;Signature=REDACTED</Url>`,
		},
		"a presigned URL": {
			`GET https://b.oss-cn-hangzhou.aliyuncs.com/key?x-oss-credential=` + keyID + `%2F20260101%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20260101T000000Z&x-oss-signature=00ff00ff`,
			`GET https://b.oss-cn-hangzhou.aliyuncs.com/key?x-oss-credential=REDACTED&x-oss-date=20260101T000000Z&x-oss-signature=REDACTED`,
		},
		"a chat robot's address": {
			`Post "https://oapi.dingtalk.com/robot/send?access_token=` + secret + `&timestamp=1&sign=` + sig + `": timeout`,
			`Post "https://oapi.dingtalk.com/robot/send?access_token=REDACTED&timestamp=1&sign=REDACTED": timeout`,
		},
		"a webhook with the secret in its path": {
			`Post "https://open.feishu.cn/open-apis/bot/v2/hook/0f00-` + secret + `": timeout`,
			`Post "https://open.feishu.cn/open-apis/bot/v2/hook/REDACTED": timeout`,
		},
		"a user and password in a URL": {
			`proxy http://user:` + secret + `@proxy.example:3128 refused`,
			`proxy http://REDACTED@proxy.example:3128 refused`,
		},
		"headers on lines": {
			"Authorization: OSS " + keyID + ":" + sig + "\r\nx-oss-security-token: " + token + "\r\nDate: now",
			"Authorization: REDACTED\r\nx-oss-security-token: REDACTED\r\nDate: now",
		},
		"a printed header map": {
			"map[Authorization:[OSS4-HMAC-SHA256 Credential=" + keyID + "/20260101/cn-hangzhou/oss/aliyun_v4_request, Signature=00ff] Date:[now]]",
			"map[Authorization:[REDACTED] Date:[now]]",
		},
		"a V4 authorization without its header name": {
			"sent OSS4-HMAC-SHA256 Credential=" + keyID + "/20260101/cn-hangzhou/oss/aliyun_v4_request,Signature=00ff00ff to oss",
			"sent OSS4-HMAC-SHA256 REDACTED to oss",
		},
		"a V1 authorization without its header name": {
			"sent MNS 0123456789abcdef:" + sig + " to mns", "sent MNS REDACTED to mns",
		},
		"a printed Go value": {
			"{AccessKeyID:0123456789abcdef AccessKeySecret:" + secret + " SecurityToken:" + token + " Expires:<nil>}",
			"{AccessKeyID:REDACTED AccessKeySecret:REDACTED SecurityToken:REDACTED Expires:<nil>}",
		},
		"JSON": {
			`{"AccessKeySecret": "` + secret + `", "Expiration":"2026-01-01T00:00:00Z"}`,
			`{"AccessKeySecret": "REDACTED", "Expiration":"2026-01-01T00:00:00Z"}`,
		},
		"JSON in JSON": {
			`"{\"SecurityToken\":\"` + token + `\",\"n\":1}"`, `"{\"SecurityToken\":\"REDACTED\",\"n\":1}"`,
		},
		"the answer SignatureDoesNotMatch of OSS": {
			"<Error><Code>SignatureDoesNotMatch</Code><OSSAccessKeyId>" + keyID + "</OSSAccessKeyId><SignatureProvided>" + sig + "</SignatureProvided><StringToSign>PUT\n\n\n" + token + "</StringToSign></Error>",
			"<Error><Code>SignatureDoesNotMatch</Code><OSSAccessKeyId>REDACTED</OSSAccessKeyId><SignatureProvided>REDACTED</SignatureProvided><StringToSign>REDACTED</StringToSign></Error>",
		},
		"a string to sign of an RPC service": {
			"server string to sign is:POST&%2F&AccessKeyId%3D" + keyID + "%26Action%3DCreateRole%26SecurityToken%3D" + secret + "%26Version%3D2015-05-01",
			"server string to sign is:POST&%2F&AccessKeyId%3DREDACTED%26Action%3DCreateRole%26SecurityToken%3DREDACTED%26Version%3D2015-05-01",
		},
		"an access key id on its own": {"no key " + keyID + " known", "no key REDACTED known"},
		"a key id of STS on its own":  {"no key STS.NUgYrLnoC37mZZCNnAbez known", "no key REDACTED known"},
		"a session token on its own":  {"bad " + token, "bad REDACTED"},
		"a private key": {
			"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\nrest", "REDACTED\nrest",
		},
		"a private key that was cut off": {"-----BEGIN EC PRIVATE KEY-----\nMC4CAQAw", "REDACTED"},
		"an environment":                 {"ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + secret + " HOME=/root", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=REDACTED HOME=/root"},
		"a secret behind an error code":  {"InvalidSecurityToken: " + secret, "InvalidSecurityToken: REDACTED"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, fault.Redact(c.in))
			require.Equal(t, c.want, fault.Redact(c.want), "applying it twice must change nothing")
		})
	}
}

func TestRedactLeavesOrdinaryTextAlone(t *testing.T) {
	for _, s := range []string{
		"",
		"PutObject state/log/00ff/job/CHG-2041/999999999999: conflict: FileAlreadyExists",
		"403 InvalidSecurityToken: The security token you provided is invalid.",
		"SignatureDoesNotMatch: The request signature we calculated does not match",
		"SecurityTokenExpired: The security token you provided has expired.",
		"InvalidAccessKeyId.NotFound: Specified access key is not found.",
		"Get https://b.oss-cn-hangzhou.aliyuncs.com/?replication&comp=delete: EOF",
		"acs:ram::1234567890123456:role/oss-replication-0f0e0d0c",
		"https://www.alibabacloud.com/help/en/oss/user-guide/http-status-code-409",
	} {
		require.Equal(t, s, fault.Redact(s))
	}
}

func FuzzRedactNeverLetsASecretThrough(f *testing.F) {
	f.Add("before ", " after")
	f.Add("https://x/?Action=y&", "&z=1")
	f.Add("Invalid", "")
	f.Add("token='", "'")
	f.Add(`{"a":`, `}`)
	f.Add("%26", "%26")
	f.Add("token=", " 0")
	f.Add("-----BEGIN PRIVATE KEY-----", "<")
	f.Add("Authorization:\n", "\n")
	wrappings := []string{
		"AccessKeySecret=%s", "SecurityToken=%s", "https://sts.aliyuncs.com/?Signature=%s", "x-oss-security-token: %s",
		`"SecurityToken":"%s"`, "<AccessKeySecret>%s</AccessKeySecret>", "Authorization: OSS k:%s", "access_token=%s",
		"SecurityToken%%3D%s", "{AccessKeySecret:%s}", "Authorization:[%s]", "Bearer %s",
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, secret) {
			return // the secret itself was put into the surroundings
		}
		for _, w := range wrappings {
			w = strings.ReplaceAll(w, "%%", "%")
			for _, space := range []string{" ", ""} {
				in := before + space + strings.Replace(w, "%s", secret, 1) + space + after
				require.NotContains(t, fault.Redact(in), secret, "in %q", in)
			}
		}
		once := fault.Redact(before + after)
		require.Equal(t, once, fault.Redact(once))
	})
}
