package kmskey

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"

	"github.com/replidesk/replidesk/pkg/fault"
)

// codeNoService is what KMS answers to an account that has not switched it on.
const codeNoService = "Forbidden.KmsServiceNotEnabled"

// kinds says what the codes of KMS mean. A row stands for all codes that go on with a
// dot, unless they have a row of their own. What is not here is fault.Retryable. "doc"
// is the page on the response structure of KMS, or the page named.
var kinds = map[string]fault.Kind{
	"Forbidden.KeyNotFound":   fault.NotFound, // doc: HTTP 404
	"Forbidden.AliasNotFound": fault.NotFound, // doc: HTTP 404

	"Forbidden":             fault.Denied, // doc: .NoPermission, .KmsServiceNotEnabled, .InDebt, .InDebtOverdue; HTTP 403
	"NoPermission":          fault.Denied, // doc: page on errors of RAM
	"InvalidAccessKeyId":    fault.Denied, // doc: .NotFound
	"SignatureDoesNotMatch": fault.Denied, // sdk: errors/signature_does_not_match_wrapper.go
	"IncompleteSignature":   fault.Denied, // sdk: errors/signature_does_not_match_wrapper.go

	"Rejected.LimitExceeded": fault.Quota, // doc: HTTP 400; SetKeyPolicy: more accounts than the access management quantity [fact 73]

	"InvalidParameter":              fault.Terminal, // doc: HTTP 400
	"MissingParameter":              fault.Terminal, // doc: HTTP 400
	"Rejected.UnsupportedOperation": fault.Terminal, // doc: HTTP 400
	"InvalidProtocol.NeedSsl":       fault.Terminal, // field: plain HTTP is refused

	"InvalidSecurityToken":        fault.Retryable, // guess: the next invocation has a new one [fact 30]
	"SignatureNonceUsed":          fault.Retryable, // guess: the next request has another one
	"InternalFailure":             fault.Retryable, // doc: HTTP 500
	"SerivceUnavailableTemporary": fault.Retryable, // doc: HTTP 503, so spelt

	"Throttling":          fault.Throttled, // doc
	"Rejected.Throttling": fault.Throttled, // field: Terraform
}

// kindOf looks a code up, then what comes before its last dot, and so on.
func kindOf(code string) fault.Kind {
	for family := code; family != ""; {
		if k, ok := kinds[family]; ok {
			return k
		}
		family = family[:max(0, strings.LastIndexByte(family, '.'))]
	}
	return fault.Retryable
}

func codeOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

// fail makes a fault of the error of a call; nil stays nil. The context is asked first.
func fail(ctx context.Context, op, resource string, err error) error {
	if err == nil {
		return nil
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) { // of the role to assume, and classified there
		return err
	}
	e := &fault.Error{Op: op, Resource: resource, Kind: fault.Unknown, Err: bare(err)}
	var se *sdkerrors.ServerError
	switch {
	case ctx.Err() != nil:
		e.Err = fmt.Errorf("%w: %s", ctx.Err(), fault.Line(bare(err).Error()))
	case errors.As(err, &se):
		e.Kind, e.Code, e.RequestID, e.After = kindOf(se.ErrorCode()), se.ErrorCode(), se.RequestId(), retryAfter(se.RespHeaders)
		e.Err = errors.New(fault.Line(said(se)))
	case errors.Is(err, errNoCredentials):
		e.Kind = fault.Denied
	case isDial(err):
		e.Kind = fault.Retryable
	}
	return e
}

// said is the message of an answer, with the action that was refused. A wrong
// signature is answered with everything that was signed; that is left out.
func said(se *sdkerrors.ServerError) string {
	message, _, _ := strings.Cut(se.Message(), "server string to sign")
	s := fmt.Sprintf("HTTP %d: %s", se.HttpStatus(), message)
	if action, ok := se.AccessDeniedDetail()["AuthAction"].(string); ok && action != "" {
		s += " [" + action + "]"
	}
	return s
}

// bare takes net/http's wrapping off a cause: it holds the URL with everything in it.
func bare(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// isDial reports whether there was no connection, so that nothing was sent.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retryAfter reads how long the service asked to wait, 0 when it did not say.
func retryAfter(h http.Header) time.Duration {
	s, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || s < 0 {
		return 0
	}
	return time.Duration(s) * time.Second
}
