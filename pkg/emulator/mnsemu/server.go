// Package mnsemu is the queue half of MNS (Simple Message Queue) as its clients
// see it: paths, XML and signature of version 2015-06-06, over the queues of a
// [world.World]. Start with [New]. Topics are not there: every call on one is
// answered with TopicNotExist.
//
// The account and region of a call are those of the host name. Under an address
// they are the last part of the path before /queues when it reads
// <account>.<region>, else the caller's account and [DefaultRegion].
package mnsemu

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	serviceName = "mns"
	apiVersion  = "2015-06-06"

	// DefaultRegion is the region of a call that names none.
	DefaultRegion = "cn-hangzhou"

	// maxBody is more than 64 KB of text takes with every character escaped.
	maxBody = 1 << 20
)

type server struct{ world *world.World }

// New returns MNS over a world, all accounts and regions in one handler.
func New(w *world.World) http.Handler { return &server{w} }

// request is one call on its way.
type request struct {
	*http.Request
	world *world.World
	call  *answer.Call
	op    *operation

	uid, region string // of the queue; uid "" until the caller is known
	path        string // from /queues or /topics on, as it was sent and signed, without the query
	prefix      string // what stood before it
	queue       string
	body        []byte
	query       url.Values
}

func (s *server) ServeHTTP(rw http.ResponseWriter, hr *http.Request) {
	id := s.world.RequestID()
	r := &request{Request: hr, world: s.world, call: &answer.Call{RequestID: id, Request: hr}}
	bad := r.locate()
	if bad == nil {
		bad = r.read()
	}
	if bad == nil {
		r.op, bad = r.match()
	}
	if r.op != nil {
		r.call.Action, r.call.Write = r.op.action, r.op.write
	}
	r.call.Resource, r.call.Region = r.queue, r.region

	rw.Header().Set("Server", "AliyunMNS")
	rw.Header().Set("X-Mns-Request-Id", id)
	rw.Header().Set("X-Mns-Version", apiVersion)
	svc := answer.Service{
		Name: serviceName, World: s.world, Refuse: refusal,
		Throttle: &world.Error{Status: http.StatusForbidden, Code: "QpsLimitExceeded", Message: "The qps of the queue is over its limit."},
	}
	svc.Serve(rw, r.call, func() (answer.Answer, *world.Error) { return r.do(bad) })
}

func (r *request) do(bad *world.Error) (answer.Answer, *world.Error) {
	caller, e := r.identify()
	if e != nil {
		return answer.Answer{}, e
	}
	r.call.Caller = caller.ARN()
	if r.uid == "" {
		r.uid = caller.Account
	}
	if bad != nil {
		return answer.Answer{}, bad
	}
	if e := r.authorize(caller); e != nil {
		return answer.Answer{}, e
	}
	if e := r.checkParameters(); e != nil {
		return answer.Answer{}, e
	}
	return r.op.run(r)
}

var (
	hostForm    = regexp.MustCompile(`^([0-9]+)\.mns\.([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$`)
	accountForm = regexp.MustCompile(`^([0-9]+)\.([a-z0-9-]+)$`)
)

// locate reads account, region and path. What stands before /queues or /topics
// is not part of the resource and not signed.
func (r *request) locate() *world.Error {
	r.region = DefaultRegion
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	r.path = raw
	parts := strings.Split(raw, "/")
	for i, p := range parts {
		if p == "queues" || p == "topics" {
			r.prefix, r.path = strings.Join(parts[:i], "/"), "/"+strings.Join(parts[i:], "/")
			break
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if m := hostForm.FindStringSubmatch(strings.ToLower(host)); m != nil {
		r.uid, r.region = m[1], m[2]
	} else if m := accountForm.FindStringSubmatch(r.prefix[strings.LastIndex(r.prefix, "/")+1:]); m != nil {
		r.uid, r.region = m[1], m[2]
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(400, "InvalidQueryString", "The query string cannot be parsed.")
	}
	r.query = query
	return nil
}

// read takes in the body, which tells single calls from batches.
func (r *request) read() *world.Error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return refuse(400, "InvalidArgument", "The request body cannot be read or is too large.")
	}
	r.body = body
	return nil
}

// root is the name of the body's first element, "" when there is none.
func (r *request) root() string {
	d := xml.NewDecoder(bytes.NewReader(r.body))
	for {
		t, err := d.Token()
		if err != nil {
			return ""
		}
		if e, ok := t.(xml.StartElement); ok {
			return e.Name.Local
		}
	}
}

// authorize puts the call to the policies.
func (r *request) authorize(caller world.Principal) *world.Error {
	a := world.Access{
		Action: "mns:" + r.op.permission, Owner: r.uid,
		Resource: "acs:mns:" + r.region + ":" + r.uid + ":" + r.path,
		Context:  map[string]string{"acs:SecureTransport": "false", "acs:SourceIp": "127.0.0.1"},
	}
	if r.TLS != nil {
		a.Context["acs:SecureTransport"] = "true"
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.Context["acs:SourceIp"] = host
	}
	if r.world.Authorize(caller, a) != world.Allow {
		return refuse(403, "AccessDenied", "The caller is not allowed to do "+a.Action+" on "+a.Resource+".")
	}
	return nil
}

// checkParameters refuses what the operation does not know.
func (r *request) checkParameters() *world.Error {
	for name, values := range r.query {
		if !slices.Contains(r.op.query, name) || len(values) != 1 {
			return refuse(400, "InvalidQueryString", "The query parameter "+name+" is unknown here or given twice.")
		}
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-mns-") && name != "x-mns-version" && !slices.Contains(r.op.headers, name) {
			return refuse(400, "InvalidArgument", "The header "+name+" is unknown here.")
		}
	}
	return nil
}

func refuse(status int, code, message string) *world.Error {
	return &world.Error{Status: status, Code: code, Message: message}
}

// refused turns what the world said into a refusal in the service's words. A
// caller that went away while it waited gets an answer that nobody reads.
func refused(err error) *world.Error {
	var e *world.Error
	if errors.As(err, &e) {
		return e
	}
	return refuse(500, "InternalError", "The call was broken off.")
}
