// Package emulator joins the services of the local cloud: one [Cloud] is a world
// and a handler that answers for all of them, told apart by host name as on the
// real cloud. [Ready] makes one with two accounts; [Cloud.Transport] reaches it
// inside the process, [Cloud.Listen] over loopback.
package emulator

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/mnsemu"
	"github.com/replidesk/replidesk/pkg/emulator/ossemu"
	"github.com/replidesk/replidesk/pkg/emulator/rpcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// A Cloud is one local cloud: the world and the services in front of it.
type Cloud struct {
	World *world.World

	services   [serviceCount]http.Handler
	management http.Handler // nil while it is off
}

// New puts every service in front of the world.
func New(w *world.World) *Cloud {
	c := &Cloud{World: w}
	c.services[serviceOSS] = ossemu.New(w)
	c.services[serviceRPC] = rpcemu.New(w)
	c.services[serviceMNS] = mnsemu.New(w)
	return c
}

// ServeHTTP hands the request to the service that its host names. An IP host
// names none; then the form of the request tells, see [route].
func (c *Cloud) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.IsAbs() { // a client that uses the cloud as its HTTP proxy
		r = r.Clone(r.Context())
		r.RequestURI = r.URL.RequestURI()
		r.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	}
	if c.management != nil && strings.HasPrefix(r.URL.Path, managementPath) && isAddress(hostname(r)) {
		c.management.ServeHTTP(rw, r)
		return
	}
	s := route(r)
	if s == serviceNone {
		http.Error(rw, "no service of the local cloud answers at "+r.Host, http.StatusNotFound)
		return
	}
	c.services[s].ServeHTTP(rw, r)
}
