package wiring

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"github.com/replidesk/replidesk/pkg/config"
)

// A Handler is one function.
type Handler interface {
	Handle(ctx context.Context, event []byte) error
}

// Serve reads the configuration, builds a function once and serves it. It returns
// only when the configuration is wrong: fc.Start does not come back. fc.StartHandler
// would be the plainer way, but refuses every handler. [fact 41]
func Serve(build func(*Desk) Handler, getenv func(string) string, out io.Writer) error {
	f, err := NewFunction(build, getenv, out, nil)
	if err != nil {
		return err
	}
	fc.Start(f.Invoke)
	return nil
}

// A Function joins a handler to the runtime of Function Compute.
type Function struct {
	desk    *Desk
	handler Handler
	request *atomic.Pointer[string] // for the log
}

// NewFunction builds a function. transport carries all requests; nil is the
// network, or the local cloud that the configuration names.
func NewFunction(build func(*Desk) Handler, getenv func(string) string, out io.Writer, transport http.RoundTripper) (*Function, error) {
	c, err := config.Read(getenv)
	if err != nil {
		return nil, err
	}
	log, request := newLog(out, c.LogLevel)
	d := New(c, &Credentials{}, transport, log.With("function", getenv("FC_FUNCTION_NAME"), "instance", c.Instance))
	return &Function{desk: d, handler: build(d), request: request}, nil
}

// Invoke is one invocation. It has no result: nobody would read it.
func (f *Function) Invoke(ctx context.Context, event []byte) error {
	fcc, ok := fccontext.FromContext(ctx)
	if !ok {
		return fmt.Errorf("the invocation has no context of Function Compute")
	}
	f.request.Store(&fcc.RequestID)
	k := fcc.Credentials
	return f.InvokeWith(ctx, event, k.AccessKeyId, k.AccessKeySecret, k.SecurityToken)
}

// InvokeWith is one invocation with the credentials that it came with. A panic is
// its error: the instance goes on.
func (f *Function) InvokeWith(ctx context.Context, event []byte, id, secret, token string) (err error) {
	defer guard(func(e error) { err = e })
	f.desk.Credentials.Set(id, secret, token)
	return f.handler.Handle(ctx, event)
}
