package emulator

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A service is what stands behind a host name.
type service int

// The services. RAM, STS and KMS share one wire format and so one handler.
const (
	serviceNone service = iota
	serviceOSS
	serviceRPC
	serviceMNS
	serviceCount
)

const cloudDomain = ".aliyuncs.com"

// route tells which service a request is for.
func route(r *http.Request) service {
	host := hostname(r)
	if isAddress(host) {
		return routeByForm(r)
	}
	return routeByHost(host)
}

// hostname is the host of the request in lower case, without a port.
func hostname(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// isAddress tells the hosts that name no service.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}

// routeByHost knows the public host names and their -internal twins:
//
//	ram.  sts.  sts.<region>.  kms.<region>.  <uid>.mns.<region>.  oss-<region>.  <bucket>.oss-<region>.
func routeByHost(host string) service {
	name, ok := strings.CutSuffix(host, cloudDomain)
	if !ok {
		return serviceNone
	}
	parts := strings.Split(name, ".")
	switch {
	case name == "ram" || name == "sts":
		return serviceRPC
	case strings.HasPrefix(parts[len(parts)-1], "oss-") && len(parts) <= 2:
		return serviceOSS // a bucket may be called sts or kms
	case len(parts) == 2 && slices.Contains([]string{"sts", "sts-vpc", "kms", "kms-vpc"}, parts[0]):
		return serviceRPC
	case len(parts) == 3 && parts[1] == "mns":
		return serviceMNS
	}
	return serviceNone
}

// routeByForm tells the services apart when the host is an address: an RPC call
// has Action and Version, an MNS call a path with queues or topics in it (behind
// any prefix) and its own scheme of signature, everything else is path-style OSS.
func routeByForm(r *http.Request) service {
	if strings.HasPrefix(r.Header.Get("Authorization"), "MNS ") && hasMNSPath(r.URL.Path) {
		return serviceMNS
	}
	form := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if form && r.Method == http.MethodPost && r.URL.Path == "/" {
		return serviceRPC // its Action may be in the form, which belongs to the service to read
	}
	q := r.URL.Query()
	if q.Has("Action") && q.Has("Version") || r.Header.Get("x-acs-action") != "" && r.Header.Get("x-acs-version") != "" {
		return serviceRPC
	}
	return serviceOSS
}

func hasMNSPath(path string) bool {
	for p := range strings.SplitSeq(path, "/") {
		if p == "queues" || p == "topics" {
			return true
		}
	}
	return false
}
