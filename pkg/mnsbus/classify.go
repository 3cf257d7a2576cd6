package mnsbus

import (
	"context"
	"errors"
	"fmt"

	"github.com/replidesk/replidesk/pkg/fault"
)

// kinds says what the codes of MNS mean. What is not here is fault.Retryable.
// "doc" is the page of MNS error codes in the help, unless it says otherwise.
var kinds = map[string]fault.Kind{
	"AccessDenied":               fault.Denied,    // doc: HTTP 403
	"InvalidAccessKeyId":         fault.Retryable, // doc: HTTP 403; the next invocation has a new key [fact 30]
	"SignatureDoesNotMatch":      fault.Denied,    // doc: HTTP 403
	"QpsLimitExceeded":           fault.Throttled, // doc: status not certain
	"MessageNotExist":            fault.NotFound,  // doc: HTTP 404; an empty queue, or a handle that has ended [fact 28]
	"QueueNotExist":              fault.NotFound,  // doc: HTTP 404
	"ReceiptHandleError":         fault.Terminal,  // doc: HTTP 400
	"QueueAlreadyExist":          fault.Exists,    // doc: HTTP 409
	"QueueDeletedRecently":       fault.Retryable, // doc: HTTP 400; goes away
	"TimeExpired":                fault.Retryable, // doc: HTTP 408
	"InternalError":              fault.Unknown,   // doc: HTTP 500; does not say that nothing was done
	"InternalServerError":        fault.Unknown,   // doc: HTTP 500
	"InvalidArgument":            fault.Terminal,  // doc: HTTP 400
	"InvalidDateHeader":          fault.Terminal,  // doc: HTTP 400
	"InvalidDegist":              fault.Terminal,  // doc: HTTP 400, so spelt
	"InvalidAuthorizationHeader": fault.Terminal,  // doc: HTTP 400
	"InvalidRequestURL":          fault.Terminal,  // doc: HTTP 400
	"InvalidQueryString":         fault.Terminal,  // doc: HTTP 400
	"MalformedXML":               fault.Terminal,  // doc: HTTP 400
	"MissingReceiptHandle":       fault.Terminal,  // doc: HTTP 400
	"MissingVisibilityTimeout":   fault.Terminal,  // doc: HTTP 400
	"InvalidQueueName":           fault.Terminal,  // doc: HTTP 400
	"QueueNameLengthError":       fault.Terminal,  // doc: HTTP 400
}

// classify turns the end of a call into a fault. The context is asked first, then
// what the service said; an answer that did not come leaves the outcome open.
func classify(ctx context.Context, op, queue string, b *bridge, err error) error {
	if err == nil {
		return nil
	}
	f := &fault.Error{Kind: fault.Retryable, Op: op, Resource: queue, Err: err}
	switch {
	case ctx.Err() != nil:
		f.Kind = fault.Unknown
		f.Err = ctx.Err()
	case b.refused != nil:
		f.Code, f.RequestID = b.refused.Code, b.refused.RequestID
		f.Err = errors.New(b.refused.Message)
		if kind, ok := kinds[b.refused.Code]; ok {
			f.Kind = kind
		} else if b.refused.Status >= 500 {
			f.Kind = fault.Unknown
			f.Err = fmt.Errorf("HTTP %d: %s", b.refused.Status, b.refused.Message)
		}
	case b.sent:
		f.Kind = fault.Unknown
	}
	return f
}

// codeOf returns the service's code in a fault, or "".
func codeOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}
