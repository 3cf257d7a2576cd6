package ramgrant

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

// kinds says what the codes of RAM and STS mean. A row stands for all codes that go
// on with a dot, unless they have a row of their own. What is not here is
// fault.Retryable. "doc" is the page on errors of RAM, or the page named.
var kinds = map[string]fault.Kind{
	"EntityAlreadyExists": fault.Exists,   // doc: .Role, .Policy, .Role.Policy
	"EntityNotExist":      fault.NotFound, // doc: .Role, .Policy, .Policy.Version, .Role.Policy
	"DeleteConflict":      fault.Conflict, // doc: .Role.Policy and others: still in use
	"LimitExceeded":       fault.Quota,    // doc: .Role, .Policy, .Policy.Version, .Role.Policy

	"NoPermission":          fault.Denied, // doc: HTTP 403
	"Forbidden":             fault.Denied, // doc: response structure of KMS; other products use it alike
	"Inactive":              fault.Denied, // doc: RAM is not activated
	"InvalidAccessKeyId":    fault.Denied, // doc: .NotFound, .Inactive; OSS page on errors of AssumeRole
	"SignatureDoesNotMatch": fault.Denied, // sdk: errors/signature_does_not_match_wrapper.go
	"IncompleteSignature":   fault.Denied, // sdk: errors/signature_does_not_match_wrapper.go
	"MissingSecurityToken":  fault.Denied, // doc: OSS page on errors of AssumeRole

	"InvalidParameter":        fault.Terminal, // doc: .RoleName.InvalidChars, .PolicyDocument.Length and others
	"MalformedPolicyDocument": fault.Terminal, // doc: HTTP 400
	"InvalidProtocol.NeedSsl": fault.Terminal, // field: plain HTTP is refused

	"InvalidSecurityToken":     fault.Retryable, // guess: the next invocation has a new one [fact 30]
	"SignatureNonceUsed":       fault.Retryable, // guess: the next request has another one
	"InvalidTimeStamp.Expired": fault.Retryable, // guess: clocks differ
	"InternalError":            fault.Retryable, // doc: HTTP 500
	"ServiceUnavailable":       fault.Retryable, // field: Terraform tries again; does not say that nothing was done

	"Throttling":          fault.Throttled, // field: .User, .Api; Terraform waits for all of them
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

// fail makes a fault of the error of a call; nil stays nil. The context is asked first.
func fail(ctx context.Context, op, resource string, err error) error {
	if err == nil {
		return nil
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
