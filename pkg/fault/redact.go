package fault

import (
	"regexp"
	"strings"
)

// redacted stands where a secret was. It holds nothing that any of the patterns
// below would treat otherwise, so Redact changes its own result no further.
const redacted = "REDACTED"

var (
	// urlQuery is a URL with a query; the SDK of RAM, STS and KMS puts everything,
	// SecurityToken and policy documents included, into the query of its errors.
	urlQuery = regexp.MustCompile("(?i)(https?://[^\\s\"'<>`?]*\\?)([^\\s\"'<>`]*)")
	// querySep separates parameters, also after a URL went through JSON or HTML.
	querySep = regexp.MustCompile(`(?i)&amp;|\\u0026|&`)
	// userInfo is a user name and password in a URL.
	userInfo = regexp.MustCompile("(?i)(://)[^/\\s@\"'<>`]+(@)")
	// hookPath is the path of a chat robot's webhook: its last segments are the secret.
	hookPath = regexp.MustCompile("(?i)(https?://[^\\s\"'<>`?]*?/(?:hooks?|webhooks?|services)/)[^\\s\"'<>`?]+")
	// element is an XML element that holds a secret, as in the answer
	// SignatureDoesNotMatch of OSS, which repeats what was signed.
	element = regexp.MustCompile(`(?i)<([a-z]*(?:accesskey|secret|token|signature|stringtosign|canonical|credential|password)[a-z]*)>[^<]*`)
	// privateKey is a PEM block.
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
	// authScheme is an Authorization value that stands without its header name.
	authScheme = regexp.MustCompile(`(OSS4-HMAC-SHA256|ACS3-HMAC-SHA256|OSS|MNS|LOG|FC|acs|Bearer|Basic)(\s+)(?:Credential=\S+(?:,\s*[A-Za-z]+=\S+)*|\S+:[A-Za-z0-9+/]{20,}={0,2}|[A-Za-z0-9+/=._~-]{20,})`)
	// keyID is an access key id, and sessionToken the token that STS gives with one.
	keyID        = regexp.MustCompile(`\b(?:LTAI|STS\.|TMP\.)[A-Za-z0-9]{8,}`)
	sessionToken = regexp.MustCompile(`\bCAIS[A-Za-z0-9+/=%_-]{16,}`)
	// named is the name of a secret and what separates it from its value: in a
	// header, a form, JSON, a printed Go value, or a percent-encoded form.
	named = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:access[-_]?key|security[-_]?token|signature|secret|passw(?:or)?d|token|authorization|credential|api[-_]?key|private[-_]?key|string[-_]?to[-_]?sign|cookie)[a-z0-9_-]*)` +
		`((?:\\?["'])?\s{0,2}(?:%253d|%3d|=>|:=|=|:)\s{0,2})`)
	// errorCode is the name of an error that is about a secret but none itself.
	errorCode = regexp.MustCompile(`(?i)^(?:invalid|missing|malformed|illegal|unsupported|expired|nosuch)|(?:expired|match|mismatch|invalid|notexist|notfound|inactive|disabled)$`)
	// wholeLine are names whose value runs on over blanks.
	wholeLine = regexp.MustCompile(`(?i)authorization|cookie|string[-_]?to[-_]?sign`)
)

// openParameters are the query parameters whose values say what a call was about
// and are no secrets. The value of any other parameter is taken out.
var openParameters = map[string]bool{
	"action": true, "version": true, "format": true, "regionid": true, "timestamp": true,
	"rolename": true, "policyname": true, "policytype": true, "versionid": true,
	"list-type": true, "encoding-type": true, "max-keys": true, "prefix": true,
	"start-after": true, "marker": true, "delimiter": true, "comp": true, "rule-id": true,
	"uploadid": true, "partnumber": true, "x-oss-date": true, "x-oss-expires": true,
	"numofmessages": true, "waitseconds": true,
}

// Redact returns s without access keys, signatures, tokens and other secrets,
// wherever they stand: in URLs, headers, forms, XML, JSON or printed Go values.
// It would rather take out too much than too little. Applying it twice changes
// nothing.
func Redact(s string) string {
	s = privateKey.ReplaceAllString(s, redacted)
	s = urlQuery.ReplaceAllStringFunc(s, redactQuery)
	s = userInfo.ReplaceAllString(s, "${1}"+redacted+"${2}")
	s = hookPath.ReplaceAllString(s, "${1}"+redacted)
	s = element.ReplaceAllString(s, "<${1}>"+redacted)
	s = authScheme.ReplaceAllString(s, "${1}${2}"+redacted) // before its first word is taken for a value
	s = redactNamed(s)
	s = sessionToken.ReplaceAllString(s, redacted)
	return keyID.ReplaceAllString(s, redacted)
}

// redactQuery takes the values out of a URL's query, but for openParameters.
func redactQuery(url string) string {
	at := strings.IndexByte(url, '?') + 1
	query := url[at:]
	var b strings.Builder
	b.WriteString(url[:at])
	for len(query) > 0 {
		part, sep := query, ""
		if m := querySep.FindStringIndex(query); m != nil {
			part, sep = query[:m[0]], query[m[0]:m[1]]
		}
		query = query[len(part)+len(sep):]
		name, value, hasValue := strings.Cut(part, "=")
		switch {
		case hasValue && value != "" && !openParameters[strings.ToLower(name)]:
			part = name + "=" + redacted
		case !hasValue && len(name) > 40:
			part = redacted // no sub-resource of a service is that long
		}
		b.WriteString(part + sep)
	}
	return b.String()
}

// redactNamed takes out the values that follow the name of a secret. A value may
// hold a further name with its own value, so all are found before any is replaced.
func redactNamed(s string) string {
	type span struct{ start, end int }
	var spans []span
	for at := 0; ; {
		m := named.FindStringSubmatchIndex(s[at:])
		if m == nil {
			break
		}
		name, sep, rest := s[at+m[2]:at+m[3]], s[at+m[4]:at+m[5]], s[at+m[5]:]
		at += m[5]
		start, end := valueBounds(name, sep, rest)
		if value := rest[start:end]; value != "" && !plainWords(name, sep, value) {
			spans = append(spans, span{at + start, at + end})
		}
	}
	var b strings.Builder
	done := 0
	for _, v := range spans {
		if v.start >= done {
			b.WriteString(s[done:v.start] + redacted)
		}
		done = max(done, v.end)
	}
	b.WriteString(s[done:])
	return b.String()
}

// valueBounds returns where the value that follows a name begins and ends in rest.
func valueBounds(name, sep, rest string) (start, end int) {
	if strings.HasPrefix(rest, "[") { // a printed http.Header
		start++
	}
	for _, quote := range []string{`\"`, `"`, `'`, "`"} {
		if strings.HasPrefix(rest[start:], quote) {
			start += len(quote)
			if i := strings.Index(rest[start:], quote); i >= 0 {
				return start, start + i
			}
			return start, len(rest)
		}
	}
	stop := "\"'<>`&]})\\ \t\r\n"
	if wholeLine.MatchString(name) {
		stop = "\"<>`]\r\n"
	}
	end = len(rest)
	if i := strings.IndexAny(rest[start:], stop); i >= 0 {
		end = start + i
	}
	// The end of a value that is percent-encoded as a whole is an encoded "&".
	for mark, amp := range map[string]string{"%3d": "%26", "%253d": "%2526"} {
		if strings.Contains(strings.ToLower(sep), mark) {
			if i := strings.Index(rest[start:end], amp); i >= 0 {
				end = start + i
			}
		}
	}
	return start, end
}

// plainWords reports whether what looks like a name and its value is an error code
// and the beginning of its message, as in "InvalidSecurityToken: The token is ...".
func plainWords(name, sep, value string) bool {
	if !strings.HasSuffix(sep, ": ") || !errorCode.MatchString(name) {
		return false
	}
	return len(value) < 16 || !strings.ContainsAny(value, "0123456789+/=")
}
