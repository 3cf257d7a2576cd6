package ossemu

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	algorithmV4 = "OSS4-HMAC-SHA256"
	timeV4      = "20060102T150405Z"
	maxSkew     = 15 * time.Minute
	maxPresign  = 7 * 24 * time.Hour
)

// verify checks the signature of a call in any of its four forms and returns the
// caller, and the region that the signature was made for ("" for V1 and unsigned).
func verify(w *world.World, r *http.Request, bucket, key string) (world.Principal, string, *world.Error) {
	q := r.URL.Query()
	auth := r.Header.Get("Authorization")
	switch {
	case strings.HasPrefix(auth, algorithmV4+" "):
		return verifyHeaderV4(w, r, bucket, key, strings.TrimPrefix(auth, algorithmV4+" "))
	case strings.HasPrefix(auth, "OSS "):
		return verifyHeaderV1(w, r, bucket, key, strings.TrimPrefix(auth, "OSS "))
	case auth != "":
		return world.Principal{}, "", badArgument("Authorization", "", "The authorization header you provided is invalid.")
	case q.Has("x-oss-signature-version"):
		return verifyQueryV4(w, r, bucket, key, q)
	case q.Has("OSSAccessKeyId"):
		return verifyQueryV1(w, r, bucket, key, q)
	}
	return notSigned, "", nil
}

// A scope is what a V4 credential says besides the key id.
type scope struct{ keyID, date, region, product string }

func parseScope(credential string) (scope, bool) {
	p := strings.Split(credential, "/")
	if len(p) != 5 || p[0] == "" || p[2] == "" || p[3] != "oss" || p[4] != "aliyun_v4_request" {
		return scope{}, false
	}
	return scope{p[0], p[1], p[2], p[3]}, true
}

func verifyHeaderV4(w *world.World, r *http.Request, bucket, key, auth string) (world.Principal, string, *world.Error) {
	var credential, signature string
	var additional []string
	for _, field := range strings.Split(auth, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			credential = value
		case "AdditionalHeaders":
			additional = strings.Split(value, ";")
		case "Signature":
			signature = value
		}
	}
	s, good := parseScope(credential)
	if !good {
		return world.Principal{}, "", badArgument("Authorization", "", "The authorization header you provided is invalid.")
	}
	if r.Header.Get("X-Oss-Content-Sha256") != "UNSIGNED-PAYLOAD" {
		return world.Principal{}, "", badArgument("x-oss-content-sha256", r.Header.Get("X-Oss-Content-Sha256"), "Invalid x-oss-content-sha256 header: it must be UNSIGNED-PAYLOAD.")
	}
	stamp := r.Header.Get("X-Oss-Date")
	at, e := parseDate(stamp, s)
	if e != nil {
		return world.Principal{}, "", e
	}
	if e := checkSkew(at); e != nil {
		return world.Principal{}, "", e
	}
	p, e := checkV4(w, r, bucket, key, s, stamp, additional, signature, r.Header.Get("X-Oss-Security-Token"))
	return p, s.region, e
}

func verifyQueryV4(w *world.World, r *http.Request, bucket, key string, q url.Values) (world.Principal, string, *world.Error) {
	s, good := parseScope(q.Get("x-oss-credential"))
	if !good || q.Get("x-oss-signature-version") != algorithmV4 {
		return world.Principal{}, "", badArgument("x-oss-credential", q.Get("x-oss-credential"), "The credential in the query is invalid.")
	}
	stamp := q.Get("x-oss-date")
	at, e := parseDate(stamp, s)
	if e != nil {
		return world.Principal{}, "", e
	}
	seconds, err := strconv.ParseInt(q.Get("x-oss-expires"), 10, 64)
	lifetime := time.Duration(seconds) * time.Second
	if err != nil || seconds <= 0 || lifetime > maxPresign {
		return world.Principal{}, "", badArgument("x-oss-expires", q.Get("x-oss-expires"), "x-oss-expires must be between 1 and 604800 seconds.")
	}
	now := time.Now()
	if at.After(now.Add(maxSkew)) {
		return world.Principal{}, "", skewed(at, now)
	}
	if now.After(at.Add(lifetime)) {
		return world.Principal{}, "", accessDenied("", "Request has expired.").
			With("Expires", at.Add(lifetime).UTC().Format(isoTime)).With("ServerTime", now.UTC().Format(isoTime))
	}
	var additional []string
	if v := q.Get("x-oss-additional-headers"); v != "" {
		additional = strings.Split(v, ";")
	}
	p, e := checkV4(w, r, bucket, key, s, stamp, additional, q.Get("x-oss-signature"), q.Get("x-oss-security-token"))
	return p, s.region, e
}

const isoTime = "2006-01-02T15:04:05.000Z"

func parseDate(stamp string, s scope) (time.Time, *world.Error) {
	at, err := time.Parse(timeV4, stamp)
	if err != nil || s.date != at.Format("20060102") {
		return time.Time{}, badArgument("x-oss-date", stamp, "Invalid date in the signature: it must be ISO 8601 basic and agree with the credential.")
	}
	return at, nil
}

func checkSkew(at time.Time) *world.Error {
	now := time.Now()
	if d := now.Sub(at); d > maxSkew || d < -maxSkew {
		return skewed(at, now)
	}
	return nil
}

func skewed(at, now time.Time) *world.Error {
	return fail(http.StatusForbidden, "RequestTimeTooSkewed", "0002-00000504", "The difference between the request time and the current time is too large.").
		With("MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10)).
		With("RequestTime", at.UTC().Format(isoTime)).With("ServerTime", now.UTC().Format(isoTime))
}

// checkKey finds the key of a signature and checks the token that came with it.
func checkKey(w *world.World, id, token string) (world.AccessKey, *world.Error) {
	k, found := w.AnyKey(id)
	switch {
	case !found:
		return k, fail(http.StatusForbidden, "InvalidAccessKeyId", "0002-00000902", "The OSS Access Key Id you provided does not exist in our records.").
			With("OSSAccessKeyId", id)
	case k.Token == "" && token != "": // a long-lived key is no key of STS
		return k, fail(http.StatusForbidden, "InvalidAccessKeyId", "0002-00000002", "The OSS Access Key Id you provided does not exist in our records.").
			With("OSSAccessKeyId", id)
	case subtle.ConstantTimeCompare([]byte(k.Token), []byte(token)) != 1:
		return k, fail(http.StatusForbidden, "InvalidSecurityToken", "0002-00000006", "The security token you provided is invalid.")
	case !k.Expires.IsZero() && !time.Now().Before(k.Expires):
		return k, fail(http.StatusForbidden, "SecurityTokenExpired", "0002-00000007", "The security token you provided has expired.")
	}
	return k, nil
}

func checkV4(w *world.World, r *http.Request, bucket, key string, s scope, stamp string, additional []string, signature, token string) (world.Principal, *world.Error) {
	k, e := checkKey(w, s.keyID, token)
	if e != nil {
		return world.Principal{}, e
	}
	canonical := canonicalV4(r, bucket, key, additional)
	sum := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{algorithmV4, stamp, s.date + "/" + s.region + "/" + s.product + "/aliyun_v4_request", hex.EncodeToString(sum[:])}, "\n")
	mac := []byte("aliyun_v4" + k.Secret)
	for _, step := range []string{s.date, s.region, s.product, "aliyun_v4_request", toSign} {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(step))
		mac = h.Sum(nil)
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(mac)), []byte(signature)) != 1 {
		return world.Principal{}, mismatch("0002-00000201", s.keyID, signature, toSign).With("CanonicalRequest", canonical)
	}
	return k.Principal, nil
}

func mismatch(ec, keyID, signature, toSign string) *world.Error {
	return fail(http.StatusForbidden, "SignatureDoesNotMatch", ec, "The request signature we calculated does not match the signature you provided. Check your key and signing method.").
		With("OSSAccessKeyId", keyID).With("SignatureProvided", signature).With("StringToSign", toSign)
}

// canonicalV4 writes the request in the form that is signed.
func canonicalV4(r *http.Request, bucket, key string, additional []string) string {
	uri := "/"
	if bucket != "" {
		uri += bucket + "/" + key
	}
	query := map[string]string{}
	for name, values := range r.URL.Query() {
		if name == "x-oss-signature" {
			continue
		}
		p := escape(name, true)
		if values[0] != "" {
			query[p] = p + "=" + escape(values[0], true)
		} else {
			query[p] = p
		}
	}
	lines := map[string]string{}
	for name, values := range r.Header {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-oss-") || low == "content-type" || low == "content-md5" || slices.Contains(additional, low) {
			lines[low] = low + ":" + joinTrimmed(values) + "\n"
		}
	}
	if slices.Contains(additional, "host") {
		lines["host"] = "host:" + r.Host + "\n"
	}
	return strings.Join([]string{
		r.Method, escape(uri, false), byName(query, "&"), byName(lines, ""), strings.Join(additional, ";"), "UNSIGNED-PAYLOAD",
	}, "\n")
}

// byName joins the values of m in the order of their names.
func byName(m map[string]string, sep string) string {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[name])
	}
	return strings.Join(values, sep)
}

func joinTrimmed(values []string) string {
	t := make([]string, len(values))
	for i, v := range values {
		t[i] = strings.TrimSpace(v)
	}
	return strings.Join(t, ",")
}

// escape percent-encodes everything but unreserved characters and, unless slash is
// set, the slash.
func escape(s string, slash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && !slash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
