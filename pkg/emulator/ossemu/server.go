// Package ossemu is Object Storage Service as its clients see it: virtual-hosted
// and path-style addressing, V4 and V1 signatures, the XML of the OSS API, over
// the buckets of a [world.World].
//
// Start with [New]. A call goes through these steps: its address and operation
// are read from the request ([locate], [match]); the fault ordered for it is
// taken; the signature gives the caller; the policies decide; the handler of the
// route answers. What OSS does by itself, replication, happens in the world.
package ossemu

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// serviceName is the name under which faults are ordered and calls are logged.
const serviceName = "oss"

type server struct {
	world  *world.World
	routes []route
}

// New returns OSS over a world, all regions in one handler.
func New(w *world.World) http.Handler {
	return &server{world: w, routes: append(coreRoutes(), replicationRoutes()...)}
}

func (s *server) ServeHTTP(rw http.ResponseWriter, hr *http.Request) {
	began := time.Now()
	r := &request{Request: hr, world: s.world, reply: rw.Header()}
	id := s.world.RequestID()
	r.call = &answer.Call{RequestID: id, Request: hr}
	query, notAddressed := r.locate()
	if notAddressed == nil {
		r.route, notAddressed = match(s.routes, hr.Method, r.level(), query, hr.Header)
	}
	if r.route != nil {
		r.call.Action, r.call.Write = r.route.action, r.route.write
	}
	r.call.Resource, r.call.Region = r.resource(), r.region

	svc := answer.Service{Name: serviceName, World: s.world, Throttle: throttled(r.key == ""), Refuse: refusal}
	rw.Header().Set("Server", "AliyunOSS")
	rw.Header().Set("Date", began.UTC().Format(http.TimeFormat))
	rw.Header().Set("X-Oss-Request-Id", id)
	rw.Header().Set("X-Oss-Server-Time", "0")
	svc.Serve(rw, r.call, func() (answer.Answer, *world.Error) {
		a, e := s.do(r, notAddressed)
		rw.Header().Set("X-Oss-Server-Time", strconv.FormatInt(time.Since(began).Milliseconds(), 10))
		return a, e
	})
}

func (s *server) do(r *request, notAddressed *world.Error) (answer.Answer, *world.Error) {
	if notAddressed != nil {
		return answer.Answer{}, notAddressed
	}
	if e := r.identify(); e != nil {
		return answer.Answer{}, e
	}
	if e := r.admit(); e != nil {
		return answer.Answer{}, e
	}
	if e := r.readBody(); e != nil {
		return answer.Answer{}, e
	}
	return r.route.handle(r)
}

// refusal writes an error in the XML of OSS. The answer to a HEAD has no body, so
// the same XML goes into a header.
func refusal(e *world.Error, requestID string, c *answer.Call) answer.Answer {
	h := http.Header{}
	h.Set("Content-Type", "application/xml")
	if e.EC != "" {
		h.Set("X-Oss-Ec", e.EC)
	}
	if e.Status == http.StatusNotModified {
		return answer.Answer{Status: e.Status, Header: h}
	}
	body := errorXML(e, requestID, c.Request.Host)
	if c.Request.Method == http.MethodHead {
		h.Set("X-Oss-Err", base64.StdEncoding.EncodeToString(body))
	}
	return answer.Answer{Status: e.Status, Header: h, Body: body}
}
