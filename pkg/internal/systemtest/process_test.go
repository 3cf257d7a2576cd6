package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// latency is what a call takes on its way to the cloud, and back. It is what makes
// it possible that a process dies before a call, during it or after it.
const latency = 10 * time.Millisecond

// lateBy is how long a call that is late is on its way: longer than any claim.
const lateBy = 4 * time.Minute

// A process is one instance of a function. Once it has died nothing that its code
// goes on to do reaches the cloud.
type process struct {
	d        *desk
	function string
	handle   *wiring.Function
	alive    context.Context
	die      context.CancelFunc
}

// A call is a request of a function.
type call struct {
	function string
	request  *http.Request
}

// A mishap befalls a call on its way.
type mishap int

// The mishaps of the network. Those of the services are ordered from the world.
const (
	goesWell  mishap = iota
	lostReply        // it is done, and nobody hears of it
	lost             // it never arrives
	hangs            // no answer until the caller gives up; it is not done
	late             // no answer until the caller gives up; it is done long after that
	crash            // the process dies before the call is made
	crashDone        // the process dies after the call was done
	panics           // the code of the function panics
)

var (
	builders = map[string]func(*wiring.Desk) wiring.Handler{
		"provision": wiring.Provision, "verify": wiring.Verify, "progress": wiring.Progress,
	}
	errDead = errors.New("the process is dead")
	errLost = fmt.Errorf("by order: %w", io.ErrUnexpectedEOF)
)

// invoke is one invocation of an instance; each instance is a process of its own.
func (d *desk) invoke(ctx context.Context, f string, in fcemu.Invocation) ([]byte, error) {
	p, err := d.process(f, in)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.die) // killed, or out of time
	defer stop()
	defer d.invoked(f)()
	k := in.Credentials
	if d.spoiled.Load() {
		k.AccessKeySecret = "x" + k.AccessKeySecret
	}
	err = p.handle.InvokeWith(ctx, in.Payload, k.AccessKeyID, k.AccessKeySecret, k.SecurityToken)
	if p.alive.Err() != nil && ctx.Err() == nil {
		runtime.Goexit() // dead by a mishap, which the platform does not know of
	}
	return []byte("null"), err
}

// spoil has the functions sign with wrong secrets from now on.
func (d *desk) spoil(on bool) { d.spoiled.Store(on) }

// onInvoke has begin called at the beginning of every invocation, under the desk's
// lock, and what it returns at the end. nil: nothing.
func (d *desk) onInvoke(begin func(f string) (ended func())) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begin = begin
}

func (d *desk) invoked(f string) (ended func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begin == nil {
		return func() {}
	}
	return d.begin(f)
}

func (d *desk) process(f string, in fcemu.Invocation) (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secrets = append(d.secrets, in.Credentials.AccessKeySecret, in.Credentials.SecurityToken)
	p := d.processes[in.InstanceID]
	if p != nil {
		return p, nil
	}
	p = &process{d: d, function: f}
	p.alive, p.die = context.WithCancel(context.Background())
	var err error
	p.handle, err = wiring.NewFunction(builders[f], func(k string) string {
		switch k {
		case "FC_INSTANCE_ID":
			return in.InstanceID
		case "FC_FUNCTION_NAME":
			return in.Function
		}
		return d.getenv(k)
	}, d.log, p)
	if err == nil {
		d.processes[in.InstanceID] = p
	}
	return p, err
}

// RoundTrip carries a request of the process to the cloud and back.
func (p *process) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(p.alive, cancel)()
	body, err := drained(req)
	if err != nil {
		return nil, err
	}
	what := p.d.befalls(call{p.function, req})
	if what == panics {
		panic("by order")
	}
	if what == crash {
		p.die()
	}
	if what == late {
		time.AfterFunc(lateBy, func() { _, _ = p.d.cloud.Transport().RoundTrip(withBody(context.Background(), req, body)) })
	}
	if what == hangs || what == late {
		<-ctx.Done()
	}
	if !p.travels(ctx) {
		return nil, p.gone(req)
	}
	if what == lost {
		return nil, errLost
	}
	resp, err := p.d.cloud.Transport().RoundTrip(withBody(ctx, req, body))
	p.d.guard.look()
	if err == nil {
		resp, err = arrived(resp)
	}
	if what == crashDone {
		p.die()
	}
	if !p.travels(ctx) {
		return nil, p.gone(req)
	}
	if what == lostReply {
		return nil, errLost
	}
	return resp, err
}

// befall says from now on what befalls the functions' calls; nil: nothing.
func (d *desk) befall(f func(call) mishap) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mishap = f
}

func (d *desk) befalls(c call) mishap {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mishap == nil {
		return goesWell
	}
	return d.mishap(c)
}

// travels waits for the way of a call and reports whether it is still wanted.
func (p *process) travels(ctx context.Context) bool {
	t := time.NewTimer(latency)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// gone is the error of a call that is not wanted any more.
func (p *process) gone(req *http.Request) error {
	if p.alive.Err() != nil {
		return errDead
	}
	return req.Context().Err()
}

func drained(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

func withBody(ctx context.Context, req *http.Request, body []byte) *http.Request {
	r := req.Clone(ctx)
	if body != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r
}

// arrived reads the whole answer, so that it does not end with the context of the way.
func arrived(resp *http.Response) (*http.Response, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}
