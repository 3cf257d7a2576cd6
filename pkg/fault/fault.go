// Package fault is the closed set of ways in which a call to the world can fail.
//
// Adapters return an [*Error]: what was attempted on what, the [Kind] that decides
// what happens next, and the service's own code and request id. Everybody else asks
// [Of] for the kind and branches on nothing else. Waiting for something that takes
// its time is not a failure and has no kind.
//
// Errors end in logs, alerts and stored records, and the texts of the SDKs hold
// signatures and tokens. The text of an Error is therefore always one line and
// always passed through [Redact].
package fault

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// maxText is the longest text of an Error, in bytes. An SDK can put a whole answer
// into its error; a log line and a journal entry have no room for that.
const maxText = 1000

// An Error is a failed call. Every field but Kind may be empty.
type Error struct {
	Kind      Kind
	Op        string        // the call, in the service's words: "PutObject"
	Resource  string        // what it was about: a bucket, a key, a role name
	Code      string        // the service's error code
	RequestID string        // the service's request id, for a support ticket
	After     time.Duration // how long the service asked to wait; 0 means that it did not say
	Err       error         // the cause; its own text may hold secrets, so print the Error instead
}

// Error returns one line without secrets: "PutObject log/x: throttled: SlowDown: cause (request 5F…)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Resource != "" {
		space(&b)
		b.WriteString(e.Resource)
	}
	for _, part := range []string{e.Kind.String(), e.Code, causeText(e.Err)} {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(part)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return Line(b.String())
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// LogValue gives the error as a group of attributes, without secrets.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", e.Kind.String())}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, Line(value)))
		}
	}
	add("op", e.Op)
	add("resource", e.Resource)
	add("code", e.Code)
	add("request_id", e.RequestID)
	if e.After > 0 {
		attrs = append(attrs, slog.Duration("after", e.After))
	}
	add("cause", causeText(e.Err))
	return slog.GroupValue(attrs...)
}

// MarshalJSON gives the text: encoding the fields would let the cause's secrets out.
func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.Error()) }

// GoString keeps %#v from printing the fields of the cause.
func (e *Error) GoString() string { return "&fault.Error{" + e.Error() + "}" }

// Of returns the kind of a failure: [None] for nil, the kind of the outermost
// Error or Kind in the chain, and [Retryable] for anything else. A context that
// ended is asked for first, because clients can hide it behind whatever the last
// attempt answered: it makes the outcome [Unknown].
func Of(err error) Kind {
	if err == nil {
		return None
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unknown
	}
	for _, c := range chain(err) {
		switch c := c.(type) {
		case *Error:
			if c.Kind != None {
				return c.Kind
			}
		case Kind:
			if c != None {
				return c
			}
		}
	}
	return Retryable
}

// After returns how long the service asked to wait, or 0 when it did not say.
func After(err error) time.Duration {
	for _, c := range chain(err) {
		if e, ok := c.(*Error); ok && e.After > 0 {
			return e.After
		}
	}
	return 0
}

// Line returns s as one line without secrets, shortened to what a log line bears.
func Line(s string) string {
	s = strings.Join(strings.Fields(Redact(s)), " ")
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
}

// chain returns err and everything it wraps, outermost first and depth first.
func chain(err error) []error {
	var all []error
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		all = append(all, err)
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			walk(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, c := range u.Unwrap() {
				walk(c)
			}
		}
	}
	walk(err)
	return all
}

// causeText returns the cause's text; a cause that is only a Kind says nothing new.
func causeText(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := err.(Kind); ok {
		return ""
	}
	return err.Error()
}

func space(b *strings.Builder) {
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
}
