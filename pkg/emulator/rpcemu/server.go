// Package rpcemu answers for RAM and STS in the RPC wire format of Alibaba Cloud:
// one path, parameters in the query or the form, signature version 1.0. It knows
// wire formats only; roles, policies and keys live in the world.
//
// What the real services have and this package refuses: XML answers, the newer
// ACS3 signatures, users and groups. TLS is not demanded.
package rpcemu

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// The versions of the two services; with the action they say what is called.
const (
	versionRAM = "2015-05-01"
	versionSTS = "2015-04-01"
)

// New returns the handler of RAM and STS. A host that begins with "ram." or "sts."
// answers for that service only, any other host for both.
func New(w *world.World) http.Handler {
	s := &server{world: w, actions: map[string]action{}, nonces: newNonces()}
	for _, a := range ramActions() {
		s.actions[versionRAM+"/"+a.name] = a
	}
	for _, a := range stsActions() {
		s.actions[versionSTS+"/"+a.name] = a
	}
	throttle := &world.Error{Status: 400, Code: "Throttling.User", Message: "Request was denied due to user flow control."}
	s.ram = answer.Service{Name: "ram", World: w, Throttle: throttle, Refuse: refuse}
	s.sts = answer.Service{Name: "sts", World: w, Throttle: throttle, Refuse: refuse}
	return s
}

type server struct {
	world    *world.World
	actions  map[string]action // by version/name
	nonces   *nonces
	ram, sts answer.Service
}

// An action is one operation of a service.
type action struct {
	name     string
	params   []param
	write    bool
	resource string // the parameter that names what the call is about, in the log and for faults
	// access names the resources that the caller needs the action's permission on;
	// all of them. nil means that the call needs none or asks by itself.
	access func(c *call) []string
	do     func(c *call) (any, *world.Error)
}

// A param is a parameter of an action besides the common ones.
type param struct {
	name     string
	required bool
}

// A call is one request, as far as it was understood.
type call struct {
	*answer.Call
	world  *world.World
	params map[string]string
	caller world.Principal
}

// view says how far behind the answer is to be, by order of a fault.
func (c *call) view() world.View {
	return world.View{Stale: c.StaleRead(), Behind: c.StaleList()}
}

// get returns a parameter; "" when it was not sent.
func (c *call) get(name string) string { return c.params[name] }

func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	params, refused := readParams(r)
	c := &call{
		Call:   &answer.Call{Action: params["Action"], Region: params["RegionId"], RequestID: s.world.UUID(), Request: r},
		world:  s.world,
		params: params,
	}
	service := s.serviceOf(r, params["Version"])
	a, known := s.actions[params["Version"]+"/"+params["Action"]]
	if refused == nil {
		refused = checkCall(service.Name, params, known)
	}
	if known {
		c.Write = a.write
		c.Resource = resourceName(a.resource, params[a.resource])
	}
	if refused == nil {
		c.caller, refused = s.identify(r, params)
	}
	if refused == nil {
		c.Caller = c.caller.ARN()
	}
	service.Serve(rw, c.Call, func() (answer.Answer, *world.Error) {
		if refused != nil {
			return answer.Answer{}, refused
		}
		return s.run(c, a)
	})
}

// serviceOf tells which of the two services a request is for: the host knows
// best, then the version.
func (s *server) serviceOf(r *http.Request, version string) answer.Service {
	switch first, _, _ := strings.Cut(r.Host, "."); {
	case first == "sts" || first == "sts-vpc":
		return s.sts
	case first == "ram":
		return s.ram
	case version == versionSTS:
		return s.sts
	}
	return s.ram
}

// resourceName makes the name for the log of the parameter that holds it.
func resourceName(param, value string) string {
	switch param {
	case "RoleArn":
		_, value, _ = strings.Cut(value, ":role/")
	case "ResourceNames": // ["a","b"] becomes a,b
		value = strings.NewReplacer("[", "", "]", "", `"`, "", " ", "").Replace(value)
	}
	return value
}

// checkCall refuses what can be told without knowing the caller.
func checkCall(service string, params map[string]string, known bool) *world.Error {
	for _, name := range []string{"Action", "Version"} {
		if params[name] == "" {
			return missingParameter(name)
		}
	}
	want := map[string]string{"ram": versionRAM, "sts": versionSTS}[service]
	switch {
	case params["Version"] != want:
		return bad("InvalidVersion", "Specified parameter Version is not valid.")
	case !known:
		return &world.Error{Status: 404, Code: "InvalidAction.NotFound", Message: "Specified api is not found, please check your url and method."}
	case params["Format"] != "JSON":
		return bad("InvalidParameter.Format", "Specified parameter Format is not valid: only JSON is spoken here.")
	}
	return nil
}

// run carries out a call whose caller is known.
func (s *server) run(c *call, a action) (answer.Answer, *world.Error) {
	if !s.world.CountRAMCall(c.caller.Account) {
		return answer.Answer{}, s.ram.Throttle
	}
	if e := a.checkParams(c.params); e != nil {
		return answer.Answer{}, e
	}
	if a.access != nil {
		for _, resource := range a.access(c) {
			if e := c.authorize("ram:"+a.name, resource); e != nil {
				return answer.Answer{}, e
			}
		}
	}
	result, e := a.do(c)
	if e != nil {
		return answer.Answer{}, e
	}
	return success(c.RequestID, result)
}

// checkParams refuses parameters that the action does not have, and asks for those
// that it must have.
func (a action) checkParams(params map[string]string) *world.Error {
	for name := range params {
		own := slices.ContainsFunc(a.params, func(p param) bool { return p.name == name })
		if !own && !slices.Contains(commonParams[:], name) {
			return bad("InvalidParameter", "The parameter "+name+" is not known to "+a.name+".")
		}
	}
	for _, p := range a.params {
		if p.required && params[p.name] == "" {
			return bad("Missing"+p.name, p.name+" is mandatory for this action.")
		}
	}
	return nil
}

// authorize asks the policies about one resource of the caller's own account: RAM
// has no calls across accounts.
func (c *call) authorize(action, resource string) *world.Error {
	a := world.Access{Action: action, Resource: resource, Owner: c.caller.Account, Context: conditions(c.Request)}
	if v := c.world.Authorize(c.caller, a); v != world.Allow {
		return world.NoPermission(c.caller, action, v, "You are not authorized to do this action.")
	}
	return nil
}

// conditions are the condition keys that are known of every request.
func conditions(r *http.Request) map[string]string {
	keys := map[string]string{"acs:SecureTransport": "false", "acs:MFAPresent": "false"}
	if r.TLS != nil {
		keys["acs:SecureTransport"] = "true"
		if v, ok := strings.CutPrefix(tls.VersionName(r.TLS.Version), "TLS "); ok {
			keys["acs:TLSVersion"] = v
		}
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		keys["acs:SourceIp"] = host
	}
	return keys
}
