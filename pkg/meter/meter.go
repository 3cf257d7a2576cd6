// Package meter counts HTTP requests by the context that they are made for: one
// invocation, one job, one sweep. Wrap the transport of every client whose requests
// are to be counted with [Transport], and ask for a count with [With].
package meter

import (
	"context"
	"net/http"
	"sync/atomic"
)

// A Counter counts the requests of one context. It is safe for concurrent use.
type Counter struct {
	n     atomic.Int64
	outer *Counter // counts along; nil when there is none
}

// N returns the number of requests that were begun so far, answered or not. A nil
// Counter has counted none.
func (c *Counter) N() int {
	if c == nil {
		return 0
	}
	return int(c.n.Load())
}

type key struct{}

// With returns a context whose requests are counted, and its counter. A counter of
// ctx goes on counting them too.
func With(ctx context.Context) (context.Context, *Counter) {
	c := &Counter{}
	c.outer, _ = ctx.Value(key{}).(*Counter)
	return context.WithValue(ctx, key{}, c), c
}

// Transport returns base with counting added. A nil base is http.DefaultTransport.
// Requests whose context has no counter pass uncounted.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{base}
}

type transport struct{ base http.RoundTripper }

// RoundTrip counts the request before it is sent, so that one whose answer is lost
// counts as well.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := req.Context().Value(key{}).(*Counter)
	for ; c != nil; c = c.outer {
		c.n.Add(1)
	}
	return t.base.RoundTrip(req)
}
