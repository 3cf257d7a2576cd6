package ossrepl

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

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
)

// kinds says what the codes of OSS mean. What is not here is fault.Retryable.
// "doc" is the page of the call or the page of the HTTP status in the help.
var kinds = map[string]fault.Kind{
	"AccessDenied":               fault.Denied,   // doc: HTTP 403; the caller lacks a right [fact 24]
	"NoPermission":               fault.Denied,   // doc: RAM data replication permissions; OSS cannot use the role [fact 24]
	"BucketNotBelongTo":          fault.Denied,   // doc: HTTP 403
	"UserDisable":                fault.Denied,   // doc: error 0003-00000801
	"AbnormalBucketOwnerStatus":  fault.Denied,   // doc: HTTP 403
	"BucketDisable":              fault.Denied,   // doc: HTTP 403; switched off for security reasons
	"InDebt":                     fault.Denied,   // doc: HTTP 403
	"InDebtOverdue":              fault.Denied,   // doc: HTTP 403
	"InvalidAccessKeyId":         fault.Denied,   // doc: HTTP 403
	"SignatureDoesNotMatch":      fault.Denied,   // doc: HTTP 403; the secret is not the one of the key
	"KeyDisabled":                fault.Denied,   // doc: HTTP 409; the KMS key of the bucket's encryption
	"KeyPendingDeletion":         fault.Denied,   // doc: HTTP 409
	"KeyPendingImport":           fault.Denied,   // guess: like the other states of a key
	"KeyNotFound":                fault.Denied,   // doc: error 0005-00000208; somebody has to name or make a key
	"UbsmsInvalidBid":            fault.Denied,   // doc: HTTP 403; KMS is not activated
	"PermanentRedirect":          fault.Terminal, // doc: HTTP 403; asked at the endpoint of another region
	"SecondLevelDomainForbidden": fault.Terminal, // doc: HTTP 403
	"NonStandardHostForbidden":   fault.Terminal, // doc: HTTP 403

	"InvalidSecurityToken":                fault.Retryable, // doc: HTTP 403; the next invocation has a new one [fact 30]
	"SecurityTokenExpired":                fault.Retryable, // doc: error 0002-00000007 [fact 30]
	"AccessKeyIdAndSecurityTokenNotMatch": fault.Retryable, // doc: error 0002-00000004; read while they were exchanged
	"RequestTimeTooSkewed":                fault.Retryable, // sdk: retry/retryable_error.go
	"RequestTimeout":                      fault.Retryable, // doc: HTTP 400; the request did not arrive in time
	"InternalError":                       fault.Retryable, // doc: HTTP 500
	"ServiceUnavailable":                  fault.Retryable, // doc: HTTP 503; does not say that nothing was done
	"MetaOperationQpsLimitExceeded":       fault.Throttled, // doc: HTTP 503; too many management calls
	"TotalQpsLimitExceeded":               fault.Throttled, // doc: HTTP 503
	"ActiveRequestLimitExceeded":          fault.Throttled, // doc: HTTP 503
	"CpuLimitExceeded":                    fault.Throttled, // doc: HTTP 503
	"UploadTrafficRateLimitExceeded":      fault.Throttled, // doc: HTTP 503
	"DownloadTrafficRateLimitExceeded":    fault.Throttled, // doc: HTTP 503
	"PartitionQpsLimitted":                fault.Throttled, // doc: error 0026-00000028, so spelt
	"QpsLimitExceeded":                    fault.Throttled, // doc: HTTP 429

	"NoSuchBucket":                   fault.NotFound, // doc: HTTP 404
	"NoSuchKey":                      fault.NotFound, // doc: HTTP 404
	"NoSuchVersion":                  fault.NotFound, // doc: HTTP 404
	"NoSuchBucketPolicy":             fault.NotFound, // doc: HTTP 404
	"NoSuchReplicationConfiguration": fault.NotFound, // doc: GetBucketReplication [fact 6]
	"NoSuchReplicationRule":          fault.NotFound, // doc: GetBucketReplicationProgress

	"BucketReplicationAlreadyExist": fault.Exists, // doc: PutBucketReplication; also while closing [fact 2]

	"TooManyIncomingReplication":               fault.Quota, // doc: HTTP 400
	"TooManyOutgoingReplication":               fault.Quota, // doc: HTTP 400
	"BucketAlreadyHasReplicationConfiguration": fault.Quota, // doc: HTTP 400 (2021); one rule a bucket

	"TransferAccAlreadyInUse": fault.Conflict, // doc: DeleteBucketReplication, error 0028-00000003

	"InvalidTargetBucket":              fault.Terminal, // doc: PutBucketReplication
	"InvalidTargetLocation":            fault.Terminal, // doc: PutBucketReplication
	"BadReplicationLocation":           fault.Terminal, // doc: HTTP 400
	"NoReplicationLocation":            fault.Terminal, // doc: HTTP 400
	"NoReplicationRule":                fault.Terminal, // doc: HTTP 400
	"TooManyReplicationRules":          fault.Terminal, // doc: HTTP 400; more than one in the body
	"TooManyPrefixes":                  fault.Terminal, // doc: HTTP 400 [fact 7]
	"TooManyFilterObjectTags":          fault.Terminal, // doc: HTTP 400
	"ReplicationLocationNotSupportRtc": fault.Terminal, // doc: PutBucketRTC [fact 16]
	"BucketReplicationNotSupportRtc":   fault.Terminal, // doc: PutBucketRTC
	"BucketReplicationInClosingStatus": fault.Conflict, // doc: PutBucketRTC; somebody closes the rule
	"InvalidBucketStatus":              fault.Terminal, // doc: HTTP 400; versioning differs or is suspended [fact 13]
	"InvalidRequest":                   fault.Terminal, // field: versioning differs [fact 13]
	"InvalidArgument":                  fault.Terminal, // doc: HTTP 400
	"MissingArgument":                  fault.Terminal, // doc: PutBucketReplication
	"InvalidPolicyDocument":            fault.Terminal, // doc: errors 0030-00000001 to -07 [fact 70]
	"MalformedXML":                     fault.Terminal, // doc: error 0031-00000001
	"InvalidBucketName":                fault.Terminal, // doc: HTTP 400
	"InvalidObjectName":                fault.Terminal, // doc: HTTP 400
	"FileImmutable":                    fault.Terminal, // doc: HTTP 409; under a retention policy
	"NotImplemented":                   fault.Terminal, // doc: HTTP 501
}

// errNoRuleID is a call that cannot be made: OSS would take it for another one.
var errNoRuleID = errors.New("the rule has no id")

// unreadable is an answer with status 2xx that says nothing.
type unreadable struct {
	err    error
	header http.Header
}

func (u *unreadable) Error() string { return u.err.Error() }
func (u *unreadable) Unwrap() error { return u.err }

// fail makes a fault of the error of a call; nil stays nil. The context is asked
// first: when it ended, whatever the last answer said was perhaps not the last word.
func fail(ctx context.Context, op, resource string, err error) error {
	if err == nil {
		return nil
	}
	e := &fault.Error{Op: op, Resource: resource, Kind: fault.Unknown, Err: bare(err)}
	se, u, f := serviceError(err), (*unreadable)(nil), (*fault.Error)(nil)
	switch {
	case errors.As(err, &f): // there were no credentials to sign with, and why is said
		return f
	case ctx.Err() != nil:
		e.Err = fmt.Errorf("%w: %s", ctx.Err(), fault.Line(bare(err).Error()))
	case se != nil:
		e.Kind, e.Code, e.RequestID, e.After = kindOf(se.Code), se.Code, se.RequestID, retryAfter(se.Headers)
		e.Err = errors.New(fault.Line(said(se)))
	case errors.As(err, &u):
		e.Kind, e.RequestID = fault.Retryable, u.header.Get(oss.HeaderOssRequestID)
	case errors.Is(err, errNoCredentials):
		e.Kind = fault.Denied
	case isInvalid(err) || errors.Is(err, errNoRuleID):
		e.Kind = fault.Terminal
	case isDial(err):
		e.Kind = fault.Retryable
	}
	return e
}

func kindOf(code string) fault.Kind {
	if k, ok := kinds[code]; ok {
		return k
	}
	return fault.Retryable
}

// serviceError returns the answer of OSS in err, or nil.
func serviceError(err error) *oss.ServiceError {
	var se *oss.ServiceError
	if errors.As(err, &se) {
		return se
	}
	return nil
}

// codeOf returns the code of the answer in err, or "".
func codeOf(err error) string {
	if se := serviceError(err); se != nil {
		return se.Code
	}
	return ""
}

// said is the message of an answer with what helps to find it in the help.
func said(se *oss.ServiceError) string {
	s := fmt.Sprintf("HTTP %d: %s", se.StatusCode, se.Message)
	if se.EC != "" {
		s += " [EC " + se.EC + "]"
	}
	return s
}

// bare takes the SDK's and net/http's wrapping off a cause: it holds the URL.
func bare(err error) error {
	var oe *oss.OperationError
	if errors.As(err, &oe) {
		err = oe.Unwrap()
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// isInvalid reports whether the SDK refused to send the request.
func isInvalid(err error) bool {
	var p oss.InvalidParamError
	var s *oss.SerializationError
	return errors.As(err, &p) || errors.As(err, &s)
}

// isDial reports whether there was no connection, so that nothing was sent.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retryAfter reads how long the service asked to wait, 0 when it did not say.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
