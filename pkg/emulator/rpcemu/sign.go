package rpcemu

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// commonParams are the parameters that every action takes.
var commonParams = [...]string{
	"Action", "Version", "Format", "RegionId", "AccessKeyId", "SecurityToken", "Timestamp",
	"Signature", "SignatureMethod", "SignatureVersion", "SignatureType", "SignatureNonce",
}

// maxForm is the longest form that is read, in bytes.
const maxForm = 1 << 20

// maxSkew is how far a request's time stamp may be from the service's clock.
const maxSkew = 15 * time.Minute

const timeFormat = "2006-01-02T15:04:05Z"

// readParams joins the query and the form. A parameter that comes twice is refused.
func readParams(r *http.Request) (map[string]string, *world.Error) {
	params := map[string]string{}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return params, &world.Error{Status: 405, Code: "UnsupportedHTTPMethod", Message: "This http method is not supported."}
	}
	if r.URL.Path != "/" && r.URL.Path != "" {
		return params, &world.Error{Status: 404, Code: "InvalidAction.NotFound", Message: "Specified api is not found, please check your url and method."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return params, bad("InvalidParameter", "The form could not be read.")
	}
	if len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return params, bad("UnsupportedContentType", "The content type of the body must be application/x-www-form-urlencoded.")
	}
	for _, text := range []string{r.URL.RawQuery, string(body)} {
		values, err := url.ParseQuery(text)
		if err != nil {
			return params, bad("InvalidParameter", "The parameters are not well encoded.")
		}
		for name, vs := range values {
			if _, twice := params[name]; twice || len(vs) > 1 {
				return params, bad("InvalidParameter", "The parameter "+name+" comes twice.")
			}
			params[name] = vs[0]
		}
	}
	return params, nil
}

// identify checks the signature and what belongs to it, and says who calls.
func (s *server) identify(r *http.Request, params map[string]string) (world.Principal, *world.Error) {
	var nobody world.Principal
	for _, name := range []string{"AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"} {
		if params[name] == "" {
			return nobody, missingParameter(name)
		}
	}
	switch {
	case params["SignatureMethod"] != "HMAC-SHA1":
		return nobody, bad("InvalidSignatureMethod", "Specified signature method is not valid.")
	case params["SignatureVersion"] != "1.0":
		return nobody, bad("InvalidSignatureVersion", "Specified signature version is not valid.")
	case params["SignatureType"] != "":
		return nobody, bad("InvalidSignatureType", "Specified signature type is not valid.")
	}
	now := time.Now()
	at, err := time.Parse(timeFormat, params["Timestamp"])
	if err != nil {
		return nobody, bad("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if now.Sub(at).Abs() > maxSkew {
		return nobody, bad("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	key, e := s.key(params["AccessKeyId"], params["SecurityToken"], now)
	if e != nil {
		return nobody, e
	}
	toSign := stringToSign(r.Method, params)
	if subtle.ConstantTimeCompare([]byte(sign(toSign, key.Secret)), []byte(params["Signature"])) != 1 {
		// The real services send the string back as well, with the caller's token in it.
		return nobody, bad("SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:"+toSign)
	}
	if !s.nonces.take(key.ID+" "+params["SignatureNonce"], now) {
		return nobody, bad("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	return key.Principal, nil
}

// key finds the access key and checks that the token is the one that goes with it.
func (s *server) key(id, token string, now time.Time) (world.AccessKey, *world.Error) {
	key, ok := s.world.AnyKey(id)
	switch {
	case !ok:
		return key, &world.Error{Status: 404, Code: "InvalidAccessKeyId.NotFound", Message: "Specified access key is not found."}
	case key.Token != "" && token == "":
		return key, bad("MissingSecurityToken", "SecurityToken is mandatory for this action.")
	case subtle.ConstantTimeCompare([]byte(key.Token), []byte(token)) != 1:
		return key, bad("InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey.")
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		return key, bad("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
	}
	return key, nil
}

// stringToSign is METHOD & %2F & the sorted parameters but for Signature, encoded
// once more.
func stringToSign(method string, params map[string]string) string {
	pairs := make([]string, 0, len(params))
	for name, value := range params {
		if name != "Signature" {
			pairs = append(pairs, name+"\x00"+value)
		}
	}
	sort.Strings(pairs) // by name: the zero byte sorts before every other one
	for i, p := range pairs {
		name, value, _ := strings.Cut(p, "\x00")
		pairs[i] = percentEncode(name) + "=" + percentEncode(value)
	}
	return method + "&%2F&" + percentEncode(strings.Join(pairs, "&"))
}

func percentEncode(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

func sign(toSign, secret string) string {
	h := hmac.New(sha1.New, []byte(secret+"&"))
	h.Write([]byte(toSign))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// nonces remembers the signature nonces of the time in which a request could be
// replayed.
type nonces struct {
	mu    sync.Mutex
	until map[string]time.Time
	swept time.Time
}

func newNonces() *nonces { return &nonces{until: map[string]time.Time{}} }

// take reports whether the nonce is new, and remembers it.
func (n *nonces) take(nonce string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.swept) > maxSkew {
		n.swept = now
		for k, until := range n.until {
			if now.After(until) {
				delete(n.until, k)
			}
		}
	}
	if until, used := n.until[nonce]; used && !now.After(until) {
		return false
	}
	n.until[nonce] = now.Add(2 * maxSkew) // a stamp may lie as far ahead as behind
	return true
}
