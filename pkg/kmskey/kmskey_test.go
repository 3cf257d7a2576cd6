package kmskey

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	accessID = "LTAI5tQ9x7Zb3kWmVn2R8s1F"
	secret   = "zP4hWq8LrT2yXc6VbN0mKj5GfD3sA1"
	token    = "CAISuwJ1q6Ft5B2yfSjIr5bkGIOz31blR9oWmWBfCs3kDR"
)

var end = replication.End{Account: "1111222233334444", Region: "cn-shanghai", Bucket: "dst-bucket"}

func signed(context.Context, string) (string, string, string, error) {
	return accessID, secret, token, nil
}

// serve returns a client whose requests go to the handler.
func serve(handler http.HandlerFunc) *Client {
	return New(Config{Transport: emulator.HandlerTransport(handler), CredentialsIn: signed})
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, body); err != nil {
		panic(err)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	answer(w, status, fmt.Sprintf(`{"HttpStatus":%d,"RequestId":"04F0F334-1335-436C-A1D7-6C044FE73368","HostId":"kms.cn-shanghai.aliyuncs.com","Code":%q,"Message":"No, because of %s."}`, status, code, code))
}

// calls are all calls of a client, by the action that they ask for.
func calls(c *Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"DescribeKey":  func(ctx context.Context) error { _, err := c.Key(ctx, end, "k"); return err },
		"GetKeyPolicy": func(ctx context.Context) error { _, err := c.KeyPolicy(ctx, end, "k"); return err },
		"SetKeyPolicy": func(ctx context.Context) error { return c.SetKeyPolicy(ctx, end, "k", `{"Version":"1"}`) },
	}
}

func TestEveryCodeHasItsKind(t *testing.T) {
	left := maps.Clone(kinds)
	for code, want := range map[string]fault.Kind{
		"Forbidden.KeyNotFound": fault.NotFound, "Forbidden.AliasNotFound": fault.NotFound,
		"Forbidden": fault.Denied, "Forbidden.NoPermission": fault.Denied, "Forbidden.InDebt": fault.Denied, codeNoService: fault.Denied,
		"NoPermission": fault.Denied, "InvalidAccessKeyId": fault.Denied, "InvalidAccessKeyId.NotFound": fault.Denied,
		"SignatureDoesNotMatch": fault.Denied, "IncompleteSignature": fault.Denied,
		"Rejected.LimitExceeded": fault.Quota,
		"InvalidParameter":       fault.Terminal, "MissingParameter": fault.Terminal, "Rejected.UnsupportedOperation": fault.Terminal, "InvalidProtocol.NeedSsl": fault.Terminal,
		"InvalidSecurityToken": fault.Retryable, "InvalidSecurityToken.Expired": fault.Retryable, "SignatureNonceUsed": fault.Retryable,
		"InternalFailure": fault.Retryable, "SerivceUnavailableTemporary": fault.Retryable, "Rejected.Other": fault.Retryable, "SomethingNew": fault.Retryable, "": fault.Retryable,
		"Throttling": fault.Throttled, "Throttling.User": fault.Throttled, "Rejected.Throttling": fault.Throttled,
	} {
		require.Equal(t, want, kindOf(code), code)
		delete(left, code)
	}
	require.Empty(t, left, "rows of the table that nothing proves")
}

func TestARefusalBecomesAFault(t *testing.T) {
	c := serve(func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "Forbidden.NoPermission") })
	_, err := c.Key(t.Context(), end, "k")
	require.Equal(t, fault.Denied, fault.Of(err))
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Error{Kind: fault.Denied, Op: "DescribeKey", Resource: "k", Code: "Forbidden.NoPermission", RequestID: "04F0F334-1335-436C-A1D7-6C044FE73368", Err: f.Err}, *f)
}

func TestAKeyIsSeenAsItIs(t *testing.T) {
	const metadata = `"KeyId":"k","Arn":"acs:kms:cn-shanghai:1111222233334444:key/k","KeyState":%q,"KeyUsage":"ENCRYPT/DECRYPT","KeySpec":"Aliyun_AES_256","Creator":"1111222233334444","DKMSInstanceId":"kst-1","DeleteDate":%q`
	seen := replication.KeySeen{Is: replication.Exists, ARN: "acs:kms:cn-shanghai:1111222233334444:key/k", Usage: "ENCRYPT/DECRYPT", Spec: "Aliyun_AES_256", Creator: "1111222233334444", Instance: "kst-1"}
	enabled, going := seen, seen
	enabled.State = "Enabled"
	going.State, going.Deleted = "PendingDeletion", time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	describes := func(state, deleted string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, `{"RequestId":"1","KeyMetadata":{`+fmt.Sprintf(metadata, state, deleted)+`}}`)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    replication.KeySeen
		kind    fault.Kind
	}{
		"enabled":                 {handler: describes("Enabled", ""), want: enabled},
		"about to go":             {handler: describes("PendingDeletion", "2026-12-01T08:00:00Z"), want: going},
		"not there":               {handler: func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "Forbidden.KeyNotFound") }, want: replication.KeySeen{Is: replication.Missing}},
		"without KMS":             {handler: func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, codeNoService) }, want: replication.KeySeen{Is: replication.Missing, NoService: true}},
		"not ours to read":        {handler: func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "Forbidden.NoPermission") }, kind: fault.Denied},
		"with a date of no form":  {handler: describes("PendingDeletion", "soon"), kind: fault.Retryable},
		"in an answer of nothing": {handler: func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "{}") }, kind: fault.Retryable},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := serve(c.handler).Key(t.Context(), end, "k")
			require.Equal(t, c.kind, fault.Of(err), "%v", err)
			require.Equal(t, c.want, k)
		})
	}
}

func TestEveryCallIsOneSignedRequestToItsRegion(t *testing.T) {
	var mu sync.Mutex
	var got []url.Values
	var hosts []string
	c := serve(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got, hosts = append(got, r.URL.Query()), append(hosts, r.Host)
		refuse(w, 503, "SerivceUnavailableTemporary")
	})
	for action, call := range calls(c) {
		got, hosts = nil, nil
		err := call(t.Context())
		require.Equal(t, fault.Retryable, fault.Of(err))
		for _, s := range []string{accessID, secret, token} {
			require.NotContains(t, err.Error(), s)
		}
		require.Len(t, got, 1, action)
		require.Equal(t, []string{"kms.cn-shanghai.aliyuncs.com"}, hosts)
		require.Equal(t, action, got[0].Get("Action"))
		require.Equal(t, accessID, got[0].Get("AccessKeyId"))
		require.NotEmpty(t, got[0].Get("Signature"))
	}
}

func TestOddAnswersHaveTheirKinds(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    fault.Kind
	}{
		"a numeric Code, on which the SDK panics": {func(w http.ResponseWriter, _ *http.Request) { answer(w, 400, `{"Code":400,"Message":"x"}`) }, fault.Unknown},
		"a page with status 200":                  {func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "<html>proxy</html>") }, fault.Unknown},
		"an empty answer with status 500":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, fault.Retryable},
		"a lost answer":                           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			for action, call := range calls(serve(c.handler)) {
				require.Equal(t, c.kind, fault.Of(call(t.Context())), action)
			}
		})
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCallsThatCannotBeMade(t *testing.T) {
	refusing := transportFunc(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: io.EOF}
	})
	for name, c := range map[string]struct {
		config Config
		kind   fault.Kind
	}{
		"without credentials":    {Config{Transport: refusing}, fault.Denied},
		"with empty credentials": {Config{Transport: refusing, CredentialsIn: func(context.Context, string) (string, string, string, error) { return "", "", "", nil }}, fault.Denied},
		"without a role to assume": {Config{Transport: refusing, CredentialsIn: func(context.Context, string) (string, string, string, error) {
			return "", "", "", &fault.Error{Kind: fault.Throttled, Op: "AssumeRole"}
		}}, fault.Throttled},
		"without a connection":            {Config{Transport: refusing, CredentialsIn: signed}, fault.Retryable},
		"to an endpoint without a scheme": {Config{Transport: refusing, CredentialsIn: signed, EndpointFor: func(string) string { return "kms" }}, fault.Terminal},
	} {
		t.Run(name, func(t *testing.T) {
			for action, call := range calls(New(c.config)) {
				require.Equal(t, c.kind, fault.Of(call(t.Context())), action)
			}
		})
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		for action, call := range calls(c) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			err := call(ctx)
			require.Equal(t, fault.Unknown, fault.Of(err), action)
			require.Equal(t, time.Second, time.Since(began))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
	})
}
