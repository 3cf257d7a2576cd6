// Package rpcemu answers for RAM, STS and KMS in the RPC wire format of Alibaba
// Cloud: one path, parameters in the query or the form, signature version 1.0. It
// knows wire formats only; roles, policies and keys live in the world.
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

// An api is one of the services, with what differs between them.
type api struct {
	answer.Service
	version string // with the action it says what is called
	hosts   []string
	actions map[string]action
	missing func(parameter string) *world.Error // of an action
	limited bool                                // counts towards the rate of RAM
}

// New returns the handler of RAM, STS and KMS. A host that begins with the name of
// one of them answers for that service only, any other host for all.
func New(w *world.World) http.Handler {
	user := &world.Error{Status: 400, Code: "Throttling.User", Message: "Request was denied due to user flow control."}
	missing := func(name string) *world.Error { return bad("Missing"+name, name+" is mandatory for this action.") }
	s := &server{world: w, nonces: newNonces()}
	s.apis = []*api{
		{
			Service: answer.Service{Name: "ram", Throttle: user}, version: "2015-05-01", hosts: []string{"ram"},
			actions: byName(ramActions()), missing: missing, limited: true,
		},
		{
			Service: answer.Service{Name: "sts", Throttle: user}, version: "2015-04-01", hosts: []string{"sts", "sts-vpc"},
			actions: byName(stsActions()), missing: missing, limited: true,
		},
		{
			Service: answer.Service{Name: "kms", Throttle: bad("Throttling", "Request was denied due to request throttling.")},
			version: "2016-01-20", hosts: []string{"kms", "kms-vpc"}, actions: byName(kmsActions()), missing: missingKMS,
		},
	}
	for _, a := range s.apis {
		a.World, a.Refuse = w, refuseFor(a.Name)
	}
	return s
}

func byName(actions []action) map[string]action {
	m := map[string]action{}
	for _, a := range actions {
		m[a.name] = a
	}
	return m
}

type server struct {
	world  *world.World
	apis   []*api
	nonces *nonces
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
	service, host := s.serviceOf(r, params["Version"])
	if host != "" {
		c.Region = host
	}
	a, known := service.actions[params["Action"]]
	known = known && params["Version"] == service.version
	if refused == nil {
		refused = service.check(params, known)
	}
	if refused == nil && service.Name == "kms" && c.Region == "" {
		refused = missingParameter("RegionId") // neither it nor the host says where the keys are
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
		return service.run(c, a)
	})
}

// serviceOf tells which of the services a request is for: the host knows best, then
// the version. region is the one that the host names; "" when it names none.
func (s *server) serviceOf(r *http.Request, version string) (a *api, region string) {
	first, rest, _ := strings.Cut(r.Host, ".")
	for _, a := range s.apis {
		if slices.Contains(a.hosts, strings.ToLower(first)) {
			region, _, _ = strings.Cut(strings.TrimPrefix(rest, "aliyuncs"), ".")
			return a, region
		}
	}
	for _, a := range s.apis {
		if a.version == version {
			return a, ""
		}
	}
	return s.apis[0], ""
}

// resourceName makes the name for the log of the parameter that holds it.
func resourceName(param, value string) string {
	switch param {
	case "RoleArn":
		_, value, _ = strings.Cut(value, ":role/")
	case "KeyId": // the id of an ARN
		if _, id, isARN := strings.Cut(value, ":key/"); isARN {
			value = id
		}
	case "ResourceNames": // ["a","b"] becomes a,b
		value = strings.NewReplacer("[", "", "]", "", `"`, "", " ", "").Replace(value)
	}
	return value
}

// check refuses what can be told without knowing the caller.
func (s *api) check(params map[string]string, known bool) *world.Error {
	for _, name := range []string{"Action", "Version"} {
		if params[name] == "" {
			return missingParameter(name)
		}
	}
	switch {
	case params["Version"] != s.version:
		return bad("InvalidVersion", "Specified parameter Version is not valid.")
	case !known:
		return &world.Error{Status: 404, Code: "InvalidAction.NotFound", Message: "Specified api is not found, please check your url and method."}
	case params["Format"] != "JSON":
		return bad("InvalidParameter.Format", "Specified parameter Format is not valid: only JSON is spoken here.")
	}
	return nil
}

// run carries out a call whose caller is known.
func (s *api) run(c *call, a action) (answer.Answer, *world.Error) {
	if s.limited && !c.world.CountRAMCall(c.caller.Account) {
		return answer.Answer{}, s.Throttle
	}
	if e := s.checkParams(a, c.params); e != nil {
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
func (s *api) checkParams(a action, params map[string]string) *world.Error {
	for name := range params {
		own := slices.ContainsFunc(a.params, func(p param) bool { return p.name == name })
		if !own && !slices.Contains(commonParams[:], name) {
			return bad("InvalidParameter", "The parameter "+name+" is not known to "+a.name+".")
		}
	}
	for _, p := range a.params {
		if p.required && params[p.name] == "" {
			return s.missing(p.name)
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
