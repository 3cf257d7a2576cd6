package ossemu

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// signedV1 are the query parameters that are part of the resource in a V1
// signature; those that begin with x-oss- are too.
var signedV1 = []string{
	"acl", "append", "bucketInfo", "comp", "continuation-token", "delete", "encryption", "lifecycle", "location", "objectMeta",
	"partNumber", "policy", "policyStatus", "position", "replication", "replicationLocation", "replicationProgress",
	"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
	"response-content-type", "response-expires", "rtc", "security-token", "stat", "tagging", "uploadId", "uploads",
	"versionId", "versioning", "versions",
}

func verifyHeaderV1(w *world.World, r *http.Request, bucket, key, auth string) (world.Principal, string, *world.Error) {
	id, signature, found := strings.Cut(auth, ":")
	if !found {
		return world.Principal{}, "", badArgument("Authorization", "", "The authorization header you provided is invalid.")
	}
	date := r.Header.Get("X-Oss-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	at, err := http.ParseTime(date)
	if err != nil {
		return world.Principal{}, "", accessDenied("", "OSS authentication requires a valid Date.")
	}
	if e := checkSkew(at); e != nil {
		return world.Principal{}, "", e
	}
	p, e := checkV1(w, r, bucket, key, id, signature, date, r.Header.Get("X-Oss-Security-Token"))
	return p, "", e
}

func verifyQueryV1(w *world.World, r *http.Request, bucket, key string, q url.Values) (world.Principal, string, *world.Error) {
	expires := q.Get("Expires")
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return world.Principal{}, "", badArgument("Expires", expires, "Expires must be a number of seconds since 1970.")
	}
	if time.Now().After(time.Unix(seconds, 0)) {
		return world.Principal{}, "", accessDenied("", "Request has expired.")
	}
	p, e := checkV1(w, r, bucket, key, q.Get("OSSAccessKeyId"), q.Get("Signature"), expires, q.Get("security-token"))
	return p, "", e
}

func checkV1(w *world.World, r *http.Request, bucket, key, id, signature, date, token string) (world.Principal, *world.Error) {
	k, e := checkKey(w, id, token)
	if e != nil {
		return world.Principal{}, e
	}
	toSign := canonicalV1(r, bucket, key, date)
	h := hmac.New(sha1.New, []byte(k.Secret))
	h.Write([]byte(toSign))
	want := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return world.Principal{}, mismatch("0002-00000040", id, signature, toSign)
	}
	return k.Principal, nil
}

// canonicalV1 writes the request in the form that is signed.
func canonicalV1(r *http.Request, bucket, key, date string) string {
	lines := map[string]string{}
	for name, values := range r.Header {
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-oss-") {
			lines[low] = low + ":" + joinTrimmed(values) + "\n"
		}
	}
	params := map[string]string{}
	for name, values := range r.URL.Query() {
		if !slices.Contains(signedV1, name) && !strings.HasPrefix(name, "x-oss-") {
			continue
		}
		params[name] = name
		if values[0] != "" {
			params[name] += "=" + values[0]
		}
	}
	resource := "/"
	if bucket != "" {
		resource += bucket + "/" + key
	}
	if len(params) > 0 {
		resource += "?" + byName(params, "&")
	}
	return strings.Join([]string{r.Method, r.Header.Get("Content-MD5"), r.Header.Get("Content-Type"), date, byName(lines, "") + resource}, "\n")
}
