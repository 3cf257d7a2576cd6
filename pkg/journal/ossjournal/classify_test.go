package ossjournal

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
)

func TestClassify(t *testing.T) {
	service := func(status int, code string) error {
		return &oss.ServiceError{StatusCode: status, Code: code, Message: "as it is", RequestID: "5C3D", Headers: http.Header{}}
	}
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"an object that exists":                      {service(409, "FileAlreadyExists"), fault.Exists},
		"an object that does not exist":              {service(404, "NoSuchKey"), fault.NotFound},
		"a bucket that does not exist":               {service(404, "NoSuchBucket"), fault.Terminal},
		"an object under a retention policy":         {service(409, "FileImmutable"), fault.Terminal},
		"a missing right":                            {service(403, "AccessDenied"), fault.Denied},
		"a debt":                                     {service(403, "InDebt"), fault.Denied},
		"an expired token":                           {service(403, "SecurityTokenExpired"), fault.Retryable},
		"throttling by a known code":                 {service(503, "TotalQpsLimitExceeded"), fault.Throttled},
		"throttling by its status":                   {service(429, "SomethingNew"), fault.Throttled},
		"a failure inside OSS":                       {service(500, "InternalError"), fault.Unknown},
		"a gateway that gave up":                     {service(504, "BadErrorResponse"), fault.Unknown},
		"a refusal that nobody has seen before":      {service(400, "SomethingNew"), fault.Retryable},
		"a wrapped refusal":                          {&oss.CanceledError{Err: service(409, "FileAlreadyExists")}, fault.Exists},
		"a broken connection":                        {&url.Error{Op: "Put", URL: "https://x", Err: io.ErrUnexpectedEOF}, fault.Unknown},
		"a request that the SDK would not even send": {oss.NewErrParamInvalid("OperationInput.Bucket"), fault.Terminal},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, fault.Of(classify(context.Background(), "PutObject", "key", c.err)))
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			err := classify(ended, "PutObject", "key", c.err)
			require.Equal(t, fault.Unknown, fault.Of(err), "the end of the context comes first")
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

func TestEveryRowOfTheTableHasASourceAndStandsOnce(t *testing.T) {
	require.Len(t, kinds, len(rows))
	for _, r := range rows {
		require.NotEmpty(t, r.source, r.code)
		require.NotEqual(t, fault.None, r.kind, r.code)
	}
}

func TestTheWaitThatOSSAsksForIsPassedOn(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "-1": 0, "soon": 0} {
		err := classify(context.Background(), "PutObject", "key", &oss.ServiceError{
			StatusCode: 503, Code: "QpsLimitExceeded", Headers: http.Header{"Retry-After": {header}},
		})
		require.Equal(t, want, fault.After(err), header)
	}
}

func TestAnErrorNamesTheRequestAndNoSecret(t *testing.T) {
	err := classify(context.Background(), "PutObject", "log/x", &oss.ServiceError{
		StatusCode: 403, Code: "SignatureDoesNotMatch", RequestID: "5C3D9175B6FC201293AD4890", Headers: http.Header{},
		Message:       "The request signature we calculated does not match the signature you provided.",
		RequestTarget: "PUT https://b.oss-cn-hangzhou.aliyuncs.com/log/x?x-oss-signature=00ff",
	})
	require.Equal(t, "PutObject log/x: denied: SignatureDoesNotMatch: The request signature we calculated does not match "+
		"the signature you provided. (request 5C3D9175B6FC201293AD4890)", err.Error())
	var sdk *oss.ServiceError
	require.False(t, errors.As(err, &sdk), "the SDK's own text must be out of reach")
}
