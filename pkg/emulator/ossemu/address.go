package ossemu

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const domain = ".aliyuncs.com"

// locate reads bucket, key and region from host and path and returns the query
// without the parameters of the signature. Under the real host names the bucket
// is part of the host; any other host (an IP address, localhost) is path style.
func (r *request) locate() (url.Values, *world.Error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badArgument("query", r.URL.RawQuery, "The query string cannot be parsed.")
	}
	r.query = url.Values{}
	for name, values := range all {
		if !slices.Contains(signatureParams, name) {
			r.query[name] = values
		}
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	bucket, region, official := splitHost(r.Host)
	if !official {
		r.bucket, r.key, _ = strings.Cut(path, "/")
		return r.query, r.checkName()
	}
	r.bucket, r.region = bucket, region
	if bucket == "" && path != "" {
		return nil, fail(http.StatusForbidden, "SecondLevelDomainForbidden", "",
			"The bucket you are attempting to access must be addressed using OSS third level domain.")
	}
	r.key = path
	return r.query, r.checkName()
}

func (r *request) checkName() *world.Error {
	if r.bucket == "" {
		return nil
	}
	return world.CheckBucketName(r.bucket)
}

// splitHost takes [bucket.]oss-<region>[-internal].aliyuncs.com apart; official
// is false for any other host.
func splitHost(host string) (bucket, region string, official bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	stem, found := strings.CutSuffix(strings.ToLower(host), domain)
	if !found {
		return "", "", false
	}
	endpoint := stem
	if i := strings.LastIndex(stem, "."); i >= 0 {
		bucket, endpoint = stem[:i], stem[i+1:]
	}
	region, found = strings.CutPrefix(endpoint, "oss-")
	if !found {
		return "", "", false
	}
	return bucket, strings.TrimSuffix(region, "-internal"), true
}
