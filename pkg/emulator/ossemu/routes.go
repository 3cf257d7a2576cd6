package ossemu

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// A level is what a call is about.
type level int

const (
	onService level = iota // no bucket: ListBuckets
	onBucket
	onObject
)

// A route is one operation of the API.
//
// handle is called when the caller is known and permitted. It finds in the
// request: bucket and key (decoded), query (what is left when the parameters of
// the signature are taken away), Header, body (all of it, its Content-MD5
// checked), caller (the [world.Principal]), region (of the endpoint), call (the
// ordered fault: call.StaleRead, call.StaleList), reply (header fields that go out
// even with a refusal). Further accesses than the
// route's own, such as the source of a copy, are asked for with
// request.authorize(action, bucket, key). It answers with ok, noContent or
// xmlAnswer, or refuses with a *world.Error, which it may take unchanged from a
// world method or make with fail, malformedXML or badArgument.
type route struct {
	method string
	level  level
	// sub are the query parameters that select the operation, as "uploads" or
	// "comp=add". The route with the most of them wins.
	sub []string
	// params are the further query parameters that the operation understands.
	params []string
	// header is a request header that selects the operation, "" when none does.
	header string
	// headers are the x-oss- headers that the operation understands, besides
	// those of the signature; a trailing * stands for any ending.
	headers []string

	action string // API name, such as "PutBucketReplication"
	// perm is the permission that it takes, such as "oss:PutBucketReplication".
	// versionPerm is what it takes instead when versionId is given.
	perm, versionPerm string
	write             bool // it can change something
	handle            func(r *request) (answer.Answer, *world.Error)
}

// signatureParams belong to the signature, not to the operation.
var signatureParams = []string{
	"x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-additional-headers",
	"x-oss-signature", "x-oss-security-token", "OSSAccessKeyId", "Expires", "Signature", "security-token",
}

// signatureHeaders are understood by every operation.
var signatureHeaders = []string{"x-oss-date", "x-oss-content-sha256", "x-oss-security-token"}

// match finds the operation. It refuses parameters and x-oss- headers that the
// operation does not understand, because an emulator that overlooks them would
// answer another question than the one that was asked.
func match(routes []route, method string, l level, query url.Values, h http.Header) (*route, *world.Error) {
	var best *route
	for i := range routes {
		t := &routes[i]
		if t.method != method || t.level != l || t.header != "" && h.Get(t.header) == "" || !selects(t.sub, query) {
			continue
		}
		if best == nil || len(t.sub) > len(best.sub) || len(t.sub) == len(best.sub) && t.header != "" {
			best = t
		}
	}
	if best == nil {
		return nil, fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "", "The specified method is not allowed against this resource.")
	}
	for name := range query {
		known := slices.Contains(best.params, name) || slices.ContainsFunc(best.sub, func(s string) bool {
			sub, _, _ := strings.Cut(s, "=")
			return sub == name
		})
		if !known {
			return best, notImplemented("query parameter", name)
		}
	}
	for name := range h {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-oss-") && !understands(best, low) {
			return best, notImplemented("header", low)
		}
	}
	return best, nil
}

func selects(sub []string, query url.Values) bool {
	for _, s := range sub {
		name, value, valued := strings.Cut(s, "=")
		if !query.Has(name) || valued && query.Get(name) != value {
			return false
		}
	}
	return true
}

func understands(t *route, header string) bool {
	if slices.Contains(signatureHeaders, header) || strings.EqualFold(t.header, header) {
		return true
	}
	return slices.ContainsFunc(t.headers, func(h string) bool {
		stem, open := strings.CutSuffix(h, "*")
		return header == h || open && strings.HasPrefix(header, stem)
	})
}

// coreRoutes are all operations but those of replication.
func coreRoutes() []route {
	return slices.Concat(bucketRoutes(), settingRoutes(), policyRoutes(), lifecycleRoutes(), accelerationRoutes(), listRoutes(),
		readRoutes(), writeRoutes(), objectSettingRoutes(), uploadRoutes())
}
