package ramgrant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/meter"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	keyID  = "LTAI5tQ9x7Zb3kWmVn2R8s1F"
	secret = "zP4hWq8LrT2yXc6VbN0mKj5GfD3sA1"
	token  = "CAISuwJ1q6Ft5B2yfSjIr5bkGIOz31blR9oWmWBfCs3kDR"
)

func credentials3() (string, string, string) { return keyID, secret, token }

// serve returns a client whose requests go to the handler.
func serve(handler http.HandlerFunc) *Client {
	return New(Config{Transport: emulator.HandlerTransport(handler), Credentials: credentials3})
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, body); err != nil {
		panic(err)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	answer(w, status, fmt.Sprintf(`{"RequestId":"04F0F334-1335-436C-A1D7-6C044FE73368","HostId":"ram.aliyuncs.com","Code":%q,"Message":"No, because of %s."}`, code, code))
}

// calls are all calls of a client, by the action that they ask for.
func calls(c *Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"GetRole":             func(ctx context.Context) error { _, err := c.Role(ctx, "r"); return err },
		"GetPolicy":           func(ctx context.Context) error { _, err := c.Policy(ctx, "p"); return err },
		"ListPoliciesForRole": func(ctx context.Context) error { _, err := c.Attached(ctx, "r", "p"); return err },
		"CreateRole":          func(ctx context.Context) error { _, err := c.CreateRole(ctx, "r", "{}", "d"); return err },
		"CreatePolicy":        func(ctx context.Context) error { _, err := c.CreatePolicy(ctx, "p", "{}", "d"); return err },
		"AttachPolicyToRole": func(ctx context.Context) error {
			_, err := c.Attach(ctx, "r", replication.PolicyCustom, "p")
			return err
		},
		"ListPolicyVersions": func(ctx context.Context) error { _, err := c.PolicyUse(ctx, "p"); return err },
		"DetachPolicyFromRole": func(ctx context.Context) error {
			_, err := c.Detach(ctx, "r", replication.PolicyCustom, "p")
			return err
		},
		"DeletePolicy":      func(ctx context.Context) error { _, err := c.DeletePolicy(ctx, "p"); return err },
		"DeleteRole":        func(ctx context.Context) error { _, err := c.DeleteRole(ctx, "r"); return err },
		"GetCallerIdentity": func(ctx context.Context) error { _, err := c.CallerAccount(ctx); return err },
	}
}

func TestEveryCodeHasItsKind(t *testing.T) {
	left := maps.Clone(kinds)
	for code, want := range map[string]fault.Kind{
		"EntityAlreadyExists.Role": fault.Exists, "EntityAlreadyExists.Policy": fault.Exists, "EntityAlreadyExists.Role.Policy": fault.Exists,
		"EntityAlreadyExists": fault.Exists,
		"EntityNotExist.Role": fault.NotFound, "EntityNotExist.Policy.Version": fault.NotFound, "EntityNotExist": fault.NotFound,
		"DeleteConflict.Role.Policy": fault.Conflict, "DeleteConflict": fault.Conflict,
		"LimitExceeded.Role": fault.Quota, "LimitExceeded.Role.Policy": fault.Quota, "LimitExceeded": fault.Quota,
		"NoPermission": fault.Denied, "Forbidden": fault.Denied, "Forbidden.RAM": fault.Denied, "Inactive": fault.Denied,
		"InvalidAccessKeyId.NotFound": fault.Denied, "InvalidAccessKeyId.Inactive": fault.Denied, "InvalidAccessKeyId": fault.Denied,
		"SignatureDoesNotMatch": fault.Denied, "IncompleteSignature": fault.Denied, "MissingSecurityToken": fault.Denied,
		"InvalidParameter.RoleName.InvalidChars": fault.Terminal, "InvalidParameter.PolicyDocument.Length": fault.Terminal, "InvalidParameter": fault.Terminal,
		"MalformedPolicyDocument": fault.Terminal, "InvalidProtocol.NeedSsl": fault.Terminal,
		"InvalidSecurityToken.Expired": fault.Retryable, "InvalidSecurityToken": fault.Retryable, "SignatureNonceUsed": fault.Retryable,
		"InvalidTimeStamp.Expired": fault.Retryable, "InternalError": fault.Retryable, "ServiceUnavailable": fault.Retryable,
		"Throttling": fault.Throttled, "Throttling.User": fault.Throttled, "Throttling.Api": fault.Throttled, "Rejected.Throttling": fault.Throttled,
		"Rejected.Other": fault.Retryable, "SomethingNew": fault.Retryable, "": fault.Retryable,
	} {
		t.Run("code "+code, func(t *testing.T) {
			c := serve(func(w http.ResponseWriter, _ *http.Request) { refuse(w, 418, code) })
			_, err := c.CreateRole(t.Context(), "r", "{}", "")
			require.Equal(t, want, fault.Of(err), "%v", err)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, "CreateRole", f.Op)
			require.Equal(t, "r", f.Resource)
			require.Equal(t, code, f.Code)
			require.Equal(t, "04F0F334-1335-436C-A1D7-6C044FE73368", f.RequestID)
		})
		delete(left, code)
	}
	require.Empty(t, left, "rows of the table that nothing proves")
}

func TestARefusalNamesTheActionThatIsMissing(t *testing.T) {
	c := serve(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 403, `{"RequestId":"1","Code":"NoPermission","Message":"You are not authorized to do this action.","AccessDeniedDetail":{"AuthAction":"ram:CreateRole","PolicyType":7}}`)
	})
	_, err := c.CreateRole(t.Context(), "r", "{}", "")
	require.Equal(t, fault.Denied, fault.Of(err))
	require.ErrorContains(t, err, "[ram:CreateRole]")
}

func TestOddAnswersHaveTheirKinds(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    fault.Kind
	}{
		"a numeric Code, on which the SDK panics": {func(w http.ResponseWriter, _ *http.Request) { answer(w, 400, `{"Code":400,"Message":"x"}`) }, fault.Unknown},
		"a detail of another form": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 403, `{"Code":"NoPermission","AccessDeniedDetail":"x"}`)
		}, fault.Unknown},
		"a page with status 200":          {func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "<html>proxy</html>") }, fault.Unknown},
		"a page with status 502":          {func(w http.ResponseWriter, _ *http.Request) { answer(w, 502, "<html>Bad Gateway</html>") }, fault.Retryable},
		"an empty answer with status 500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, fault.Retryable},
		"a lost answer":                   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Unknown},
		"an answer that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(w, 200, `{"RequestId":`)
		}, fault.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			for action, call := range calls(serve(c.handler)) {
				require.Equal(t, c.kind, fault.Of(call(t.Context())), action)
			}
		})
	}
}

func TestAReadThatIsAnsweredWithNothingIsNoNews(t *testing.T) {
	for name, body := range map[string]string{"no body": "", "an empty object": "{}", "null": "null"} {
		t.Run(name, func(t *testing.T) {
			all := calls(serve(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, body) }))
			for _, read := range []string{"GetRole", "GetPolicy", "ListPoliciesForRole", "ListPolicyVersions", "GetCallerIdentity"} {
				require.Equal(t, fault.Retryable, fault.Of(all[read](t.Context())), read)
			}
		})
	}
}

func TestEveryCallIsOneSignedRequest(t *testing.T) {
	var mu sync.Mutex
	var got []url.Values
	c := serve(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.URL.Query())
		refuse(w, 503, "ServiceUnavailable")
	})
	for action, call := range calls(c) {
		got = nil
		ctx, counter := meter.With(t.Context())
		require.Error(t, call(ctx))
		require.Zero(t, counter.N(), "this transport is not counted")
		require.Len(t, got, 1, action)
		require.Equal(t, action, got[0].Get("Action"))
		require.Equal(t, keyID, got[0].Get("AccessKeyId"))
		require.Equal(t, token, got[0].Get("SecurityToken"))
		require.NotEmpty(t, got[0].Get("Signature"))
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEndpointsAreHTTPSUnlessGivenOtherwise(t *testing.T) {
	for name, c := range map[string]struct {
		config   Config
		ram, sts string
	}{
		"public": {Config{}, "https://ram.aliyuncs.com", "https://sts.aliyuncs.com"},
		"given":  {Config{RAM: "http://127.0.0.1:9000", STS: "http://127.0.0.1:9001/"}, "http://127.0.0.1:9000", "http://127.0.0.1:9001"},
	} {
		t.Run(name, func(t *testing.T) {
			var at []string
			c.config.Credentials = credentials3
			c.config.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
				at = append(at, r.URL.Scheme+"://"+r.URL.Host)
				return nil, errors.New("no")
			})
			client := New(c.config)
			_, err := client.Role(t.Context(), "r")
			require.Error(t, err)
			_, err = client.CallerAccount(t.Context())
			require.Error(t, err)
			require.Equal(t, []string{c.ram, c.sts}, at)
		})
	}
	_, err := New(Config{Credentials: credentials3, RAM: "ram.aliyuncs.com"}).Role(t.Context(), "r")
	require.Equal(t, fault.Terminal, fault.Of(err))
}

func TestTheContextEndsACall(t *testing.T) {
	hang := transportFunc(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := New(Config{Credentials: credentials3, Transport: hang}).CreateRole(ctx, "r", "{}", "")
		require.Equal(t, fault.Unknown, fault.Of(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 300*time.Millisecond, time.Since(began))

		began = time.Now()
		_, err = New(Config{Credentials: credentials3, Transport: hang, Timeout: 4 * time.Second}).CreateRole(t.Context(), "r", "{}", "")
		require.Equal(t, fault.Unknown, fault.Of(err), "its own time-out")
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

func TestTheEndOfTheContextIsSeenBehindAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := transportFunc(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return &http.Response{StatusCode: 404, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"Code":"EntityNotExist.Role"}`)), Request: r}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := New(Config{Credentials: credentials3, Transport: slow}).Role(ctx, "r")
		require.Equal(t, fault.Unknown, fault.Of(err))
	})
}

func TestNoConnectionMeansThatNothingWasSent(t *testing.T) {
	c := New(Config{Credentials: credentials3, Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	})})
	_, err := c.CreateRole(t.Context(), "r", "{}", "")
	require.Equal(t, fault.Retryable, fault.Of(err))
}

func TestWithoutAKeyNothingIsSent(t *testing.T) {
	for name, credentials := range map[string]func() (string, string, string){
		"no source of keys": nil,
		"no key":            func() (string, string, string) { return "", "", "" },
		"no secret":         func() (string, string, string) { return keyID, "", token },
	} {
		c := New(Config{Credentials: credentials, Transport: transportFunc(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("a request was sent")
		})})
		_, err := c.Role(t.Context(), "r")
		require.Equal(t, fault.Denied, fault.Of(err), name)
		require.ErrorContains(t, err, "no access key", name)
	}
}

func TestCallsRunSideBySide(t *testing.T) {
	c := serve(func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, `{"RequestId":"1","Role":{"RoleName":"`+r.URL.Query().Get("RoleName")+`"}}`)
	})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s, err := c.Role(t.Context(), fmt.Sprint("role-", i))
			if err != nil || s.Is != replication.Exists {
				t.Errorf("role-%d: %v, %v", i, s, err)
			}
		})
	}
	wg.Wait()
}

func TestNoErrorTextShowsASecret(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer that repeats what was signed": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 400, fmt.Sprintf(`{"Code":"SignatureDoesNotMatch","RequestId":"1","Message":%q}`,
				"Specified signature is not matched with our calculation. server string to sign is:POST&%2F&"+url.QueryEscape(r.URL.RawQuery)))
		},
		"a page that repeats the request": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 502, "cannot reach http://ram/?"+r.URL.RawQuery)
		},
		"a document that is none": func(w http.ResponseWriter, r *http.Request) { answer(w, 200, r.URL.RawQuery) },
	} {
		t.Run(name, func(t *testing.T) {
			for action, call := range calls(serve(handler)) {
				err := call(t.Context())
				require.Error(t, err, action)
				var f *fault.Error
				require.ErrorAs(t, err, &f)
				for _, text := range []string{err.Error(), fault.Line(f.Err.Error()), fmt.Sprintf("%+v", f.LogValue())} {
					for _, s := range []string{keyID, secret, token, "Signature="} {
						require.NotContains(t, strings.ReplaceAll(text, "Signature=REDACTED", ""), s, action)
					}
				}
			}
		})
	}
}
