package mnsemu

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// maxSkew is how far the Date of a request may be from the service's clock.
const maxSkew = 15 * time.Minute

// identify checks date, signature and body digest and returns who signed.
func (r *request) identify() (world.Principal, *world.Error) {
	var nobody world.Principal
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return nobody, refuse(403, "AccessDenied", "The request has no Authorization header.")
	}
	id, sent, ok := strings.Cut(rest, ":")
	if scheme != "MNS" || !ok || id == "" || sent == "" {
		return nobody, refuse(400, "InvalidAuthorizationHeader", "The Authorization header format is invalid.")
	}
	if r.Header.Get("X-Mns-Version") != apiVersion {
		return nobody, refuse(400, "InvalidArgument", "The header x-mns-version must be "+apiVersion+".")
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return nobody, refuse(400, "InvalidDateHeader", "The Date header format is invalid.")
	}
	if skew := time.Since(date); skew > maxSkew || skew < -maxSkew {
		return nobody, refuse(408, "TimeExpired", "The http request you sent is expired.")
	}
	key, ok := r.world.AnyKey(id)
	token := r.Header.Get("Security-Token")
	if !ok || key.Token != "" && token == "" { // a temporary key without its token is no key at all
		return nobody, refuse(403, "InvalidAccessKeyId", "The access key id you provided does not exist.")
	}
	if !hmac.Equal([]byte(sent), []byte(r.signature(key.Secret))) {
		return nobody, refuse(403, "SignatureDoesNotMatch", "The request signature does not conform to our standard.")
	}
	if token != key.Token {
		return nobody, refuse(403, "AccessDenied", "The security token is not that of the access key.")
	}
	if !key.Expires.IsZero() && !time.Now().Before(key.Expires) {
		return nobody, refuse(403, "AccessDenied", "The security token has expired.")
	}
	return key.Principal, r.checkDigest()
}

// checkDigest compares Content-MD5, which is the base64 of the hexadecimal
// digest, not of its bytes.
func (r *request) checkDigest() *world.Error {
	sent := r.Header.Get("Content-Md5")
	if sent == "" {
		return nil
	}
	sum := md5.Sum(r.body)
	if sent != base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:]))) {
		return refuse(400, "InvalidDegist", "The Content-MD5 you specified is not valid.")
	}
	return nil
}

func (r *request) signature(secret string) string {
	var own []string
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-mns-") {
			own = append(own, name+":"+strings.TrimSpace(strings.Join(values, ",")))
		}
	}
	slices.Sort(own)
	resource := r.path
	if _, query, found := strings.Cut(r.RequestURI, "?"); found {
		resource += "?" + query
	}
	text := r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" +
		r.Header.Get("Date") + "\n" + strings.Join(own, "\n") + "\n" + resource
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
