package policy

import (
	"slices"
	"strings"
)

// surelyAllows reports whether a statement allows all of a right, whatever the
// circumstances.
func (s statement) surelyAllows(r Right) bool {
	return s.effect == allow && !s.doubtful && !s.hasPrincipal && s.coversAction(r.Action) && s.coversResource(r.Resource)
}

// mayDeny reports whether a statement could deny some of a right.
func (s statement) mayDeny(r Right) bool {
	return s.effect != allow && s.touchesAction(r.Action) && s.touchesResource(r.Resource)
}

// coversAction reports whether a statement is surely about an action. The pages
// call actions case-insensitive "in general", so only the very spelling is sure.
func (s statement) coversAction(action string) bool {
	switch {
	case s.action != nil && s.notAction == nil:
		return slices.ContainsFunc(s.action, func(p string) bool { return covers(p, action) })
	case s.notAction != nil && s.action == nil:
		return !slices.ContainsFunc(s.notAction, func(p string) bool { return touches(fold(p), fold(action)) })
	}
	return false
}

// touchesAction reports whether a statement could be about an action.
func (s statement) touchesAction(action string) bool {
	switch {
	case s.action != nil && s.notAction == nil:
		return slices.ContainsFunc(s.action, func(p string) bool { return touches(fold(p), fold(action)) })
	case s.notAction != nil && s.action == nil:
		return !slices.ContainsFunc(s.notAction, func(p string) bool { return covers(p, action) })
	}
	return true
}

func (s statement) coversResource(resource string) bool {
	switch {
	case s.resource != nil && s.notResource == nil:
		return slices.ContainsFunc(s.resource, func(p string) bool { return coversName(p, resource) })
	case s.notResource != nil && s.resource == nil:
		return !slices.ContainsFunc(s.notResource, func(p string) bool { return touchesName(p, resource) })
	}
	return false
}

func (s statement) touchesResource(resource string) bool {
	switch {
	case s.resource != nil && s.notResource == nil:
		return slices.ContainsFunc(s.resource, func(p string) bool { return touchesName(p, resource) })
	case s.notResource != nil && s.resource == nil:
		return !slices.ContainsFunc(s.notResource, func(p string) bool { return coversName(p, resource) })
	}
	return true
}

// touchesService reports whether a statement of a trust policy could be about a service.
func (s statement) touchesService(service string) bool {
	return !s.hasPrincipal || s.anybody ||
		slices.ContainsFunc(s.services, func(p string) bool { return touches(fold(p), fold(service)) })
}

func fold(s string) string { return strings.ToLower(s) }

// resourceParts is how many parts the name of a resource has:
// acs:<service>:<region>:<account>:<rest>. Only the last may hold a colon.
const resourceParts = 5

// coversName is covers for names of resources: part by part, since whether a "*"
// reaches beyond its part is nowhere said. Only the bare "*" surely means everything.
func coversName(pattern, name string) bool {
	if pattern == "*" {
		return true
	}
	p, n := strings.SplitN(pattern, ":", resourceParts), strings.SplitN(name, ":", resourceParts)
	if len(p) != len(n) {
		return false
	}
	for i := range p {
		if !covers(p[i], n[i]) {
			return false
		}
	}
	return true
}

// touchesName is touches for names of resources. A pattern that does not have the
// parts of a name may reach beyond them; one that has them is read part by part, or
// else any key with colons in it would belong to every bucket.
func touchesName(pattern, name string) bool {
	p, n := strings.SplitN(pattern, ":", resourceParts), strings.SplitN(name, ":", resourceParts)
	if len(p) != len(n) {
		return touches(pattern, name)
	}
	for i := range p {
		if !touches(p[i], n[i]) {
			return false
		}
	}
	return true
}

// covers reports whether a pattern fits everything that a text stands for: "*" in
// the pattern fits any characters, "?" exactly one. A "*" in the text stands for
// anything, so only a "*" of the pattern takes it in.
func covers(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, mark := -1, 0 // where the last "*" of the pattern was, and what it has taken in
	i, k := 0, 0
	for k < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, k
			i++
		case i < len(p) && t[k] != '*' && (p[i] == t[k] || p[i] == '?'):
			i, k = i+1, k+1
		case star >= 0:
			mark++
			i, k = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}

// touches reports whether there is anything that both patterns fit.
func touches(pattern, other string) bool {
	a, b := []rune(pattern), []rune(other)
	row := make([]bool, len(b)+1) // row[k]: a[i:] and b[k:] have something in common
	for i := len(a); i >= 0; i-- {
		next := slices.Clone(row) // the row of i+1
		for k := len(b); k >= 0; k-- {
			switch {
			case i == len(a) && k == len(b):
				row[k] = true
			case i == len(a):
				row[k] = b[k] == '*' && row[k+1]
			case k == len(b):
				row[k] = a[i] == '*' && next[k]
			case a[i] == '*' || b[k] == '*': // it fits nothing, or what stands on the other side
				row[k] = next[k] || row[k+1]
			default:
				row[k] = next[k+1] && (a[i] == b[k] || a[i] == '?' || b[k] == '?')
			}
		}
	}
	return row[0]
}
