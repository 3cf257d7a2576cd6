package ossjournal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
)

// A row says what an error code of OSS means for a call on an object. The pages
// named are those of the OSS help centre.
type row struct {
	code   string
	kind   fault.Kind
	source string
}

// rows is every code that these calls can meet and that says more than its HTTP
// status does. Anything else goes by the status, see serviceKind.
var rows = []row{
	{"FileAlreadyExists", fault.Exists, "PutObject, x-oss-forbid-overwrite; HTTP status code 409"},
	{"NoSuchKey", fault.NotFound, "GetObject; HTTP status code 404"},

	{"TotalQpsLimitExceeded", fault.Throttled, "HTTP status code 503"},
	{"MetaOperationQpsLimitExceeded", fault.Throttled, "HTTP status code 503"},
	{"DownloadTrafficRateLimitExceeded", fault.Throttled, "HTTP status code 503"},
	{"UploadTrafficRateLimitExceeded", fault.Throttled, "HTTP status code 503"},
	{"ActiveRequestLimitExceeded", fault.Throttled, "HTTP status code 503"},
	{"CpuLimitExceeded", fault.Throttled, "HTTP status code 503"},
	{"PartitionQpsLimitted", fault.Throttled, "EC 0026-00000028"}, // spelt so
	{"QpsLimitExceeded", fault.Throttled, "EC 0004-00000302"},
	// ServiceUnavailable is answered when OSS is busy, but also when it is not well;
	// it does not say that nothing was done, so it is left to its status.

	{"AccessDenied", fault.Denied, "HTTP 403 errors"},
	{"InvalidAccessKeyId", fault.Denied, "HTTP 403 errors"},
	{"AccessKeyIdAndSecurityTokenNotMatch", fault.Denied, "HTTP 403 errors"},
	{"SignatureDoesNotMatch", fault.Denied, "HTTP 403 errors"},
	{"UserDisable", fault.Denied, "EC 0003-00000801: the account is disabled"},
	{"InDebt", fault.Denied, "HTTP 403 errors"},
	{"InDebtOverdue", fault.Denied, "HTTP 403 errors"},
	{"AbnormalBucketOwnerStatus", fault.Denied, "HTTP 403 errors"},
	{"BucketDisable", fault.Denied, "HTTP 403 errors"},

	// New credentials come with the next call, and clocks get corrected.
	{"SecurityTokenExpired", fault.Retryable, "EC 0002-00000007"},
	{"InvalidSecurityToken", fault.Retryable, "HTTP 403 errors"},
	{"RequestTimeTooSkewed", fault.Retryable, "HTTP 403 errors; SDK v2, retry of this code"},
	// What was sent did not arrive as it was sent, and was not stored.
	{"InvalidDigest", fault.Retryable, "HTTP status code 400: Content-MD5 does not match"},

	{"NoSuchBucket", fault.Terminal, "EC 0015-00000101; HTTP status code 404"},
	{"InvalidBucketName", fault.Terminal, "HTTP status code 400"},
	{"InvalidObjectName", fault.Terminal, "HTTP status code 400"},
	{"InvalidArgument", fault.Terminal, "HTTP status code 400"},
	{"EntityTooLarge", fault.Terminal, "HTTP status code 400"},
	{"PermanentRedirect", fault.Terminal, "HTTP 403 errors: the endpoint is not that of the bucket's region"},
	{"FileImmutable", fault.Terminal, "HTTP status code 409: a retention policy protects the object"},
	{"InvalidObjectState", fault.Terminal, "HTTP 403 errors: the object was archived"},
	{"NotImplemented", fault.Terminal, "HTTP status code 501"},
}

var kinds = table(rows)

func table(rows []row) map[string]fault.Kind {
	m := make(map[string]fault.Kind, len(rows))
	for _, r := range rows {
		m[r.code] = r.kind
	}
	return m
}

// classify turns an error of the SDK into a fault. The context is asked first: when
// it ends while the SDK waits before another attempt, the SDK returns the error of
// the attempt before.
func classify(ctx context.Context, op, resource string, err error) error {
	e := &fault.Error{Op: op, Resource: resource, Err: err, Kind: fault.Unknown}
	var se *oss.ServiceError
	var invalid oss.InvalidParamError
	switch {
	case errors.As(err, &se):
		e.Code, e.RequestID = se.Code, se.RequestID
		e.Err = errors.New(se.Message) // the rest of its text stands in the fields already
		e.Kind = serviceKind(se)
		e.After = retryAfter(se)
	case errors.As(err, &invalid):
		e.Kind = fault.Terminal // refused by the SDK and never sent
	}
	if cause := ctx.Err(); cause != nil {
		e.Kind, e.Err = fault.Unknown, fmt.Errorf("%w; before that: %w", cause, e.Err)
	}
	return e
}

func serviceKind(se *oss.ServiceError) fault.Kind {
	if k, ok := kinds[se.Code]; ok {
		return k
	}
	switch {
	case se.StatusCode == 429:
		return fault.Throttled
	case se.StatusCode >= 500:
		return fault.Unknown // a gateway may have given up on a request that was carried out
	}
	return fault.Retryable
}

// retryAfter returns what the reply asked for, or 0.
func retryAfter(se *oss.ServiceError) time.Duration {
	n, err := strconv.Atoi(se.Headers.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}
