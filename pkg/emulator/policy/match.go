package policy

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether s fits the pattern, in which * stands for any run of
// characters, the empty one included, and ? for exactly one. Case counts.
func Match(pattern, s string) bool {
	star, retry := -1, 0 // the last * seen, and where in s to take up again after it
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(s[i:])
			p, i = p+1, i+n
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[retry:])
			retry += n
			p, i = star+1, retry
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// resourceFields is how many colon-separated fields a resource name has; the last
// one may contain colons itself.
const resourceFields = 5

// MatchResource reports whether the resource, such as
// acs:oss:oss-cn-hangzhou:1234567890123456:bucket/key, fits the pattern. "*" fits
// everything; otherwise each of the five fields is matched by itself, so a * in
// the region cannot reach into the account. A region that is left empty, as in
// acs:ram::1234567890123456:role/reader, stands for all of them.
func MatchResource(pattern, resource string) bool {
	if pattern == "*" {
		return true
	}
	ps, rs := strings.SplitN(pattern, ":", resourceFields), strings.SplitN(resource, ":", resourceFields)
	if len(ps) != resourceFields || len(rs) != resourceFields {
		return false
	}
	const region = 2
	for i := range ps {
		if i == region && ps[i] == "" {
			continue
		}
		if !Match(ps[i], rs[i]) {
			return false
		}
	}
	return true
}
