package rpcemu_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// do sends a request as it is and returns the status and the fields of the answer.
func do(t *testing.T, c *cloud, r *http.Request) (int, map[string]any) {
	t.Helper()
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	var body map[string]any
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &body))
	require.Len(t, body["RequestId"], 36)
	return rec.Code, body
}

// capture returns the request that the SDK sends for ListRoles, ready to be sent again.
func capture(t *testing.T, c *cloud, k world.AccessKey) func() *http.Request {
	t.Helper()
	var target, method string
	var body []byte
	var header http.Header
	client, err := ram.NewClientWithOptions("cn-hangzhou", c.config(func(r *http.Request) {
		target, method, header = r.URL.String(), r.Method, r.Header.Clone()
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
	}), credential(k))
	require.NoError(t, err)
	client.Domain = "ram.aliyuncs.com"
	_, err = client.ListRoles(ram.CreateListRolesRequest())
	require.NoError(t, err)
	return func() *http.Request {
		r := httptest.NewRequest(method, target, bytes.NewReader(body))
		r.Header = header.Clone()
		return r
	}
}

// change replaces one parameter in the query, or takes it away when value is "".
func change(r *http.Request, name, value string) *http.Request {
	q := r.URL.Query()
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	r.URL.RawQuery = q.Encode()
	return r
}

func TestARequestCannotBeReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		again := capture(t, c, c.root)
		status, body := do(t, c, again())
		require.Equal(t, 400, status)
		require.Equal(t, "SignatureNonceUsed", body["Code"])
		time.Sleep(15 * time.Minute)
		_, body = do(t, c, again())
		require.Equal(t, "SignatureNonceUsed", body["Code"])
		time.Sleep(time.Second)
		_, body = do(t, c, again())
		require.Equal(t, "InvalidTimeStamp.Expired", body["Code"])
	})
}

func TestRequestsThatAreNotSoundAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(r *http.Request) *http.Request
		want   string
		status int
	}{
		{"another parameter than was signed", func(r *http.Request) *http.Request { return change(r, "MaxItems", "5") }, "SignatureDoesNotMatch", 400},
		{"another method than was signed", func(r *http.Request) *http.Request { r.Method = "GET"; return r }, "SignatureDoesNotMatch", 400},
		{"no signature", func(r *http.Request) *http.Request { return change(r, "Signature", "") }, "MissingParameter", 400},
		{"no key", func(r *http.Request) *http.Request { return change(r, "AccessKeyId", "") }, "MissingParameter", 400},
		{"no nonce", func(r *http.Request) *http.Request { return change(r, "SignatureNonce", "") }, "MissingParameter", 400},
		{"no action", func(r *http.Request) *http.Request { return change(r, "Action", "") }, "MissingParameter", 400},
		{"an unknown key", func(r *http.Request) *http.Request { return change(r, "AccessKeyId", "LTAI0") }, "InvalidAccessKeyId.NotFound", 404},
		{"a token that the key does not have", func(r *http.Request) *http.Request { return change(r, "SecurityToken", "x") }, "InvalidSecurityToken.MismatchWithAccessKey", 400},
		{"another signature method", func(r *http.Request) *http.Request { return change(r, "SignatureMethod", "HMAC-SHA256") }, "InvalidSignatureMethod", 400},
		{"another signature version", func(r *http.Request) *http.Request { return change(r, "SignatureVersion", "2.0") }, "InvalidSignatureVersion", 400},
		{"another signature type", func(r *http.Request) *http.Request { return change(r, "SignatureType", "BEARERTOKEN") }, "InvalidSignatureType", 400},
		{"a time stamp in another form", func(r *http.Request) *http.Request { return change(r, "Timestamp", "yesterday") }, "InvalidTimeStamp.Format", 400},
		{"a time stamp from the future", func(r *http.Request) *http.Request {
			return change(r, "Timestamp", time.Now().Add(16*time.Minute).UTC().Format(time.RFC3339))
		}, "InvalidTimeStamp.Expired", 400},
		{"an answer in XML", func(r *http.Request) *http.Request { return change(r, "Format", "XML") }, "InvalidParameter.Format", 400},
		{"a version of another service", func(r *http.Request) *http.Request { return change(r, "Version", "2015-04-01") }, "InvalidVersion", 400},
		{"an action of another service", func(r *http.Request) *http.Request { return change(r, "Action", "AssumeRole") }, "InvalidAction.NotFound", 404},
		{"a parameter that comes twice", func(r *http.Request) *http.Request { r.URL.RawQuery += "&Action=GetRole"; return r }, "InvalidParameter", 400},
		{"a query that is not encoded", func(r *http.Request) *http.Request { r.URL.RawQuery += "&a=%zz"; return r }, "InvalidParameter", 400},
		{"a body that is no form", func(r *http.Request) *http.Request {
			r.Body = io.NopCloser(strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			return r
		}, "UnsupportedContentType", 400},
		{"a path", func(r *http.Request) *http.Request { r.URL.Path = "/roles"; return r }, "InvalidAction.NotFound", 404},
		{"another verb", func(r *http.Request) *http.Request { r.Method = "DELETE"; return r }, "UnsupportedHTTPMethod", 405},
	} {
		t.Run(tc.name+" is refused", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t, world.Options{})
				status, body := do(t, c, tc.change(capture(t, c, c.root)()))
				require.Equal(t, tc.want, body["Code"])
				require.Equal(t, tc.status, status)
				for _, name := range []string{"Message", "HostId", "Recommend"} {
					require.IsType(t, "", body[name], "clients fail on anything but a string")
				}
				calls, _ := c.world.Calls(1)
				require.Len(t, calls, 1)
				require.Equal(t, tc.want, calls[0].Code)
				require.Empty(t, calls[0].Caller)
			})
		})
	}
}

func TestTheSDKRecognisesAWrongSecret(t *testing.T) {
	c := newCloud(t, world.Options{})
	k := c.root
	k.Secret += "x"
	_, err := c.call(k, "ListRoles")
	require.Equal(t, "SignatureDoesNotMatch", code(t, err))
	require.Equal(t, "InvalidAccessKeySecret: Please check you AccessKeySecret", refusal(t, err).Recommend())
}

func TestTheTokenBelongsToTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		one, _, err := assume(c, c.user("eve", anything), nil)
		require.NoError(t, err)
		two, _, err := assume(c, c.user("eve"), nil)
		require.NoError(t, err)
		mixed := one
		mixed.Token = two.Token
		_, err = c.call(mixed, "ListRoles")
		require.Equal(t, "InvalidSecurityToken.MismatchWithAccessKey", code(t, err))
		bare := one
		bare.Token = ""
		_, err = c.call(bare, "ListRoles")
		require.Equal(t, "MissingSecurityToken", code(t, err))
	})
}

func TestParametersMayComeInTheForm(t *testing.T) {
	c := newCloud(t, world.Options{})
	r := request("Ram", "2015-05-01", "CreateRole", "RoleName=copier")
	r.FormParams["AssumeRolePolicyDocument"] = trustOSS
	r.FormParams["Description"] = "a+b c~*/你&="
	_, err := c.ram(c.root).ProcessCommonRequest(r)
	require.NoError(t, err)
	got, e := c.world.GetRole(uidA, "copier", world.View{})
	require.Nil(t, e)
	require.Equal(t, "a+b c~*/你&=", got.Description)
}

func TestAGETIsAnsweredToo(t *testing.T) {
	c := newCloud(t, world.Options{})
	r := request("Sts", "2015-04-01", "GetCallerIdentity")
	r.Method = http.MethodGet
	got, err := c.ram(c.root).ProcessCommonRequest(r)
	require.NoError(t, err)
	require.Contains(t, got.GetHttpContentString(), "acs:ram::"+uidA+":root")
}

func TestTheHostNamesTheService(t *testing.T) {
	for _, tc := range []struct{ name, host, version, action, want string }{
		{"RAM at its own host", "ram.aliyuncs.com", "2015-05-01", "ListRoles", ""},
		{"STS at its central host", "sts.aliyuncs.com", "2015-04-01", "GetCallerIdentity", ""},
		{"STS at a regional host", "sts.us-west-1.aliyuncs.com", "2015-04-01", "GetCallerIdentity", ""},
		{"STS at an address", "127.0.0.1:8080", "2015-04-01", "GetCallerIdentity", ""},
		{"RAM at an address", "127.0.0.1:8080", "2015-05-01", "ListRoles", ""},
		{"RAM at the host of STS", "sts.aliyuncs.com", "2015-05-01", "ListRoles", "InvalidVersion"},
		{"STS at the host of RAM", "ram.aliyuncs.com", "2015-04-01", "GetCallerIdentity", "InvalidVersion"},
	} {
		t.Run(tc.name+" is answered as it should", func(t *testing.T) {
			c := newCloud(t, world.Options{})
			r := request("Ram", tc.version, tc.action)
			r.Domain = tc.host
			_, err := c.ram(c.root).ProcessCommonRequest(r)
			require.Equal(t, tc.want, code(t, err))
		})
	}
}

func TestCallsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		eve := c.user("eve", anything)
		_, _, err := assume(c, eve, nil)
		require.NoError(t, err)
		calls, _ := c.world.Calls(0)
		require.Len(t, calls, 3)
		for i := range calls {
			require.Len(t, calls[i].RequestID, 36)
			calls[i].RequestID, calls[i].At = "", time.Time{}
		}
		root, user := "acs:ram::"+uidA+":root", "acs:ram::"+uidA+":user/eve"
		require.Equal(t, []world.Call{
			{Service: "ram", Action: "CreateRole", Resource: "Reader", Caller: root, Region: "cn-hangzhou", Status: 200, Write: true},
			{Service: "ram", Action: "AttachPolicyToRole", Resource: "Reader", Caller: root, Region: "cn-hangzhou", Status: 200, Write: true},
			{Service: "sts", Action: "AssumeRole", Resource: "Reader", Caller: user, Region: "cn-hangzhou", Status: 200},
		}, calls)
	})
}
