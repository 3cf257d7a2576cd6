// Package answer is what every service of the local cloud does around a call:
// take the fault that was ordered for it, do it, write the answer, keep a line in
// the log of calls.
package answer

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// An Answer is one HTTP answer. Body may be nil.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// A Service is what differs between the services.
type Service struct {
	Name     string // "oss", "ram", ...
	World    *world.World
	Throttle *world.Error                                           // the service's throttling answer
	Refuse   func(e *world.Error, requestID string, q *Call) Answer // a refusal in the service's format
}

// A Call is one call, as far as the service has understood it.
type Call struct {
	Action, Resource, Region string
	Caller                   string // ARN; "" until the signature was checked
	RequestID                string
	Write                    bool // the action can change something
	Fault                    *world.Fault
	Request                  *http.Request
}

// StaleRead reports whether this call is to be answered as if the last change of
// its resource had not yet happened.
func (c *Call) StaleRead() bool { return c.Fault != nil && c.Fault.Kind == world.FaultStaleRead }

// StaleList returns how far this listing is to lie behind; 0 means not at all.
func (c *Call) StaleList() time.Duration {
	if c.Fault != nil && c.Fault.Kind == world.FaultStaleList {
		return c.Fault.Delay
	}
	return 0
}

// Serve carries out one call. do returns the answer or a refusal; it is not run
// when the fault refuses the call.
func (s Service) Serve(rw http.ResponseWriter, c *Call, do func() (Answer, *world.Error)) {
	c.Fault = s.World.TakeFault(s.Name, c.Action, c.Resource)
	a, e := s.run(c, do)
	if e != nil {
		a = s.Refuse(e, c.RequestID, c)
	}
	line := world.Call{
		Service: s.Name, Action: c.Action, Resource: c.Resource, Region: c.Region, Caller: c.Caller,
		Status: a.Status, RequestID: c.RequestID, Write: c.Write,
	}
	if e != nil {
		line.Code = e.Code
	}
	if c.Fault != nil {
		line.Fault = c.Fault.Kind
	}
	s.World.Record(line)
	if c.Fault != nil && (c.Fault.Kind == world.FaultLoseReply || c.Fault.Kind == world.FaultHang) {
		panic(http.ErrAbortHandler) // the connection breaks without an answer
	}
	for k, vs := range a.Header {
		rw.Header()[k] = vs
	}
	if a.Status != http.StatusNoContent && c.Request.Method != http.MethodHead {
		rw.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	rw.WriteHeader(a.Status)
	if c.Request.Method != http.MethodHead {
		_, _ = rw.Write(a.Body) // a caller that went away is not the service's concern
	}
}

func (s Service) run(c *Call, do func() (Answer, *world.Error)) (Answer, *world.Error) {
	if c.Fault != nil {
		switch c.Fault.Kind {
		case world.FaultRefuse:
			return Answer{}, &world.Error{Status: c.Fault.Status, Code: c.Fault.Code, Message: "refused by order"}
		case world.FaultThrottle:
			return Answer{}, s.Throttle
		case world.FaultHang:
			<-c.Request.Context().Done()
			return Answer{Status: http.StatusServiceUnavailable}, nil
		case world.FaultSlow:
			wait(c.Request.Context(), c.Fault.Delay)
		}
	}
	return do()
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
