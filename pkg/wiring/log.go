package wiring

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
)

// stamp is a handler that adds the id of the invocation to every line. An instance
// of the runtime go1 has one invocation at a time, so one value is enough.
type stamp struct {
	slog.Handler
	request *atomic.Pointer[string]
}

// newLog returns the JSON log of a function and what holds the id of its invocation.
func newLog(out io.Writer, level slog.Level) (*slog.Logger, *atomic.Pointer[string]) {
	request := &atomic.Pointer[string]{}
	return slog.New(stamp{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}), request}), request
}

func (s stamp) Handle(ctx context.Context, r slog.Record) error {
	if id := s.request.Load(); id != nil && *id != "" {
		r.AddAttrs(slog.String("invocation", *id))
	}
	return s.Handler.Handle(ctx, r)
}

func (s stamp) WithAttrs(a []slog.Attr) slog.Handler { return stamp{s.Handler.WithAttrs(a), s.request} }

func (s stamp) WithGroup(name string) slog.Handler {
	return stamp{s.Handler.WithGroup(name), s.request}
}
