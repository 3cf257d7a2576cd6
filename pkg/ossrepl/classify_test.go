package ossrepl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestEveryCodeHasItsKind(t *testing.T) {
	left := maps.Clone(kinds)
	for code, want := range map[string]fault.Kind{
		"AccessDenied": fault.Denied, "NoPermission": fault.Denied, "BucketNotBelongTo": fault.Denied, "UserDisable": fault.Denied,
		"AbnormalBucketOwnerStatus": fault.Denied, "BucketDisable": fault.Denied, "InDebt": fault.Denied, "InDebtOverdue": fault.Denied,
		"InvalidAccessKeyId": fault.Denied, "SignatureDoesNotMatch": fault.Denied, "KeyDisabled": fault.Denied,
		"KeyPendingDeletion": fault.Denied, "KeyPendingImport": fault.Denied, "KeyNotFound": fault.Denied, "UbsmsInvalidBid": fault.Denied,

		"InvalidSecurityToken": fault.Retryable, "SecurityTokenExpired": fault.Retryable, "AccessKeyIdAndSecurityTokenNotMatch": fault.Retryable,
		"RequestTimeTooSkewed": fault.Retryable, "RequestTimeout": fault.Retryable, "InternalError": fault.Retryable,
		"ServiceUnavailable": fault.Retryable, "SomethingNew": fault.Retryable, "": fault.Retryable,

		"MetaOperationQpsLimitExceeded": fault.Throttled, "TotalQpsLimitExceeded": fault.Throttled, "ActiveRequestLimitExceeded": fault.Throttled,
		"CpuLimitExceeded": fault.Throttled, "UploadTrafficRateLimitExceeded": fault.Throttled, "DownloadTrafficRateLimitExceeded": fault.Throttled,
		"PartitionQpsLimitted": fault.Throttled, "QpsLimitExceeded": fault.Throttled,

		"NoSuchBucketPolicy": fault.NotFound, "InvalidPolicyDocument": fault.Terminal,
		"NoSuchBucket": fault.NotFound, "NoSuchKey": fault.NotFound, "NoSuchVersion": fault.NotFound,
		"NoSuchReplicationConfiguration": fault.NotFound, "NoSuchReplicationRule": fault.NotFound,
		"BucketReplicationAlreadyExist": fault.Exists,
		"TooManyIncomingReplication":    fault.Quota, "TooManyOutgoingReplication": fault.Quota,
		"BucketAlreadyHasReplicationConfiguration": fault.Quota, "TransferAccAlreadyInUse": fault.Conflict, "BucketReplicationInClosingStatus": fault.Conflict,

		"InvalidTargetBucket": fault.Terminal, "InvalidTargetLocation": fault.Terminal, "BadReplicationLocation": fault.Terminal,
		"NoReplicationLocation": fault.Terminal, "NoReplicationRule": fault.Terminal, "TooManyReplicationRules": fault.Terminal,
		"TooManyPrefixes": fault.Terminal, "TooManyFilterObjectTags": fault.Terminal, "ReplicationLocationNotSupportRtc": fault.Terminal,
		"BucketReplicationNotSupportRtc": fault.Terminal, "InvalidBucketStatus": fault.Terminal, "InvalidRequest": fault.Terminal,
		"InvalidArgument": fault.Terminal, "MissingArgument": fault.Terminal, "MalformedXML": fault.Terminal, "InvalidBucketName": fault.Terminal,
		"InvalidObjectName": fault.Terminal, "FileImmutable": fault.Terminal, "NotImplemented": fault.Terminal, "PermanentRedirect": fault.Terminal,
		"SecondLevelDomainForbidden": fault.Terminal, "NonStandardHostForbidden": fault.Terminal,
	} {
		t.Run("code "+code, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 418, code) })
			_, _, err := c.PutRule(t.Context(), replication.RuleSpec{Source: src, Destination: dst})
			require.Equal(t, want, fault.Of(err), "%v", err)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, "PutBucketReplication", f.Op)
			require.Equal(t, code, f.Code)
			require.Equal(t, "5C3D9175B6FC201293AD4890", f.RequestID)
		})
		delete(left, code)
	}
	require.Empty(t, left, "rows of the table that nothing proves")
}

func TestAnAnswerThatIsNotXMLIsRetryable(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>Bad Gateway</html>")
	})
	_, err := c.Rules(t.Context(), src)
	require.Equal(t, fault.Retryable, fault.Of(err))
	require.ErrorContains(t, err, "HTTP 502")
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	for form, want := range map[string]time.Duration{
		"7": 7 * time.Second, "Sat, 01 Jan 2000 00:00:30 GMT": 30 * time.Second, "": 0, "-3": 0, "soon": 0, "Fri, 31 Dec 1999 00:00:00 GMT": 0,
	} {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
			w.Header().Set("Retry-After", form)
			refuse(w, 503, "TotalQpsLimitExceeded")
		})
		_, err := c.Rules(t.Context(), src)
		require.Equal(t, fault.Throttled, fault.Of(err))
		require.Equal(t, want, fault.After(err), "%q", form)
	}
}

// transportFunc is a transport of a single function.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func withTransport(rt http.RoundTripper) *Client {
	return New(Config{Transport: rt, Credentials: func() (string, string, string) { return keyID, secret, token }})
}

func TestALostAnswerLeavesTheOutcomeUnknown(t *testing.T) {
	c, asked := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, call := range map[string]func(context.Context) error{
		"PutRule": func(ctx context.Context) error {
			_, _, err := c.PutRule(ctx, replication.RuleSpec{Source: src, Destination: dst})
			return err
		},
		"CloseRule": func(ctx context.Context) error { return c.CloseRule(ctx, src, "r") },
		"PutRTC": func(ctx context.Context) error {
			_, err := c.PutRTC(ctx, src, "r", true)
			return err
		},
		"Put": func(ctx context.Context) error {
			_, err := c.Put(ctx, src, replication.Canary{Key: "k"})
			return err
		},
		"Delete": func(ctx context.Context) error { return c.Delete(ctx, src, "k") },
	} {
		before := len(asked.requests())
		require.Equal(t, fault.Unknown, fault.Of(call(t.Context())), name)
		require.Len(t, asked.requests(), before+1, "%s is tried once", name)
	}
}

func TestAnAnswerThatBreaksOffLeavesTheOutcomeUnknown(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		answer(w, 200, "<ReplicationConfiguration>")
	})
	_, err := c.Rules(t.Context(), src)
	require.Equal(t, fault.Unknown, fault.Of(err))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestNoConnectionMeansThatNothingWasSent(t *testing.T) {
	c := withTransport(transportFunc(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}))
	_, _, err := c.PutRule(t.Context(), replication.RuleSpec{Source: src, Destination: dst})
	require.Equal(t, fault.Retryable, fault.Of(err))
	require.ErrorContains(t, err, "connection refused")
}

func TestTheEndOfTheContextIsSeenBehindAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withTransport(transportFunc(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.PutRule(ctx, replication.RuleSpec{Source: src, Destination: dst})
		require.Equal(t, fault.Unknown, fault.Of(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestTheEndOfTheContextBeatsEveryDefiniteAnswer(t *testing.T) {
	for code, call := range map[string]func(context.Context, *Client) error{
		"NoSuchReplicationConfiguration": func(ctx context.Context, c *Client) error { _, err := c.Rules(ctx, src); return err },
		"NoSuchReplicationRule":          func(ctx context.Context, c *Client) error { return c.CloseRule(ctx, src, "r") },
		"NoSuchBucket":                   func(ctx context.Context, c *Client) error { _, err := c.Bucket(ctx, src); return err },
		"NoSuchKey":                      func(ctx context.Context, c *Client) error { _, err := c.Head(ctx, src, "k"); return err },
	} {
		t.Run(code, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			inner, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, code) })
			c := withTransport(transportFunc(func(r *http.Request) (*http.Response, error) {
				resp, err := inner.config.Transport.RoundTrip(r)
				body, readErr := io.ReadAll(resp.Body)
				resp.Body = io.NopCloser(bytes.NewReader(body))
				cancel()
				return resp, errors.Join(err, readErr)
			}))
			require.Equal(t, fault.Unknown, fault.Of(call(ctx, c)))
		})
	}
}

func TestACallEndsWithItsOwnTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{
			Timeout:     3 * time.Second,
			Credentials: func() (string, string, string) { return keyID, secret, "" },
			Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
		})
		began := time.Now()
		err := c.Delete(t.Context(), src, "k")
		require.Equal(t, fault.Unknown, fault.Of(err))
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestCallsThatCannotBeMadeAreTerminal(t *testing.T) {
	c, asked := serve(t, always(200, ""))
	_, err := c.Head(t.Context(), replication.End{Region: "cn-hangzhou", Bucket: "NOT a bucket"}, "k")
	require.Equal(t, fault.Terminal, fault.Of(err))
	_, err = c.Rules(t.Context(), replication.End{Bucket: "src-bucket"})
	require.Equal(t, fault.Terminal, fault.Of(err), "no region: %v", err)
	require.Equal(t, fault.Terminal, fault.Of(c.CloseRule(t.Context(), src, "")))
	_, err = c.Progress(t.Context(), src, "")
	require.Equal(t, fault.Terminal, fault.Of(err))
	require.Empty(t, asked.requests())
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
		err := c.Delete(t.Context(), src, "k")
		require.Equal(t, fault.Denied, fault.Of(err), name)
		require.ErrorContains(t, err, "no access key", name)
	}
}

func TestTheKeyIsReadBeforeEveryRequest(t *testing.T) {
	id := "LTAI0000000000000001"
	_, asked := serve(t, nil)
	rt := transportFunc(func(r *http.Request) (*http.Response, error) {
		asked.asked = append(asked.asked, exchange{header: r.Header.Clone()})
		return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	c := New(Config{Transport: rt, Credentials: func() (string, string, string) { return id, secret, token }})
	require.NoError(t, c.Delete(t.Context(), src, "k"))
	id = "LTAI0000000000000002"
	require.NoError(t, c.Delete(t.Context(), src, "k"))
	require.Contains(t, asked.asked[0].header.Get("Authorization"), "Credential=LTAI0000000000000001/")
	require.Contains(t, asked.asked[1].header.Get("Authorization"), "Credential=LTAI0000000000000002/")
	require.Equal(t, token, asked.asked[1].header.Get("x-oss-security-token"))
}

func TestNoErrorTextShowsASecret(t *testing.T) {
	refusals := map[string]http.HandlerFunc{
		"an answer that repeats what was signed": func(w http.ResponseWriter, r *http.Request) {
			refuse(w, 403, "SignatureDoesNotMatch", "<OSSAccessKeyId>"+keyID+"</OSSAccessKeyId>",
				"<SignatureProvided>"+r.Header.Get("Authorization")+"</SignatureProvided>", "<StringToSign>"+token+"</StringToSign>")
		},
		"a page that repeats the request": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 502, fmt.Sprint("upstream failed: ", r.Header))
		},
		"a document that is none": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, "Authorization: "+r.Header.Get("Authorization"))
		},
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, handler := range refusals {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, handler)
			_, bucket := c.Bucket(t.Context(), src)
			_, rules := c.Rules(t.Context(), src)
			_, _, put := c.PutRule(t.Context(), replication.RuleSpec{Source: src, Destination: dst})
			for _, err := range []error{bucket, rules, put} {
				if err == nil { // an unreadable answer to a put is a success all the same
					continue
				}
				var f *fault.Error
				require.ErrorAs(t, err, &f)
				secretless(t, err.Error())
				secretless(t, fault.Line(f.Err.Error()))
				secretless(t, fmt.Sprintf("%+v", f.LogValue()))
			}
			require.Error(t, rules)
		})
	}
}
