// Package policy reads and evaluates the policy documents of RAM, the bucket
// policies of OSS and the key policies of KMS. It is pure: it knows no accounts, no clock and no I/O.
//
// Reading is strict. Whatever this package could not evaluate (an unknown
// element, condition operator or condition key, a key given twice, a value of the
// wrong form) makes the whole document malformed; nothing is ever skipped, because
// a statement that is silently ignored would grant or withhold something else than
// its author wrote.
package policy

import "strings"

// Kind says what a document is attached to, which decides the elements it may have.
type Kind int

// The kinds of document.
const (
	// Identity is a policy of a role or user, or a session policy: no principals.
	Identity Kind = iota
	// Trust is the AssumeRolePolicyDocument of a role: principals in the form
	// {"RAM": [...]} or {"Service": [...]}, no resources.
	Trust
	// Bucket is a bucket policy of OSS: principals as a list of strings.
	Bucket
	// Key is a key policy of KMS: principals in the form {"RAM": [...]}, only
	// actions of KMS, the resource "*" for the key itself, and Sid.
	Key
)

// Effect is what a matching statement does.
type Effect int

// The effects.
const (
	Allow Effect = iota
	Deny
)

// A Document is a policy that was read without complaint. It does not change.
type Document struct {
	Kind       Kind
	Statements []Statement
}

// A Statement is one entry of a document. The Not fields say that the list beside
// them came under the name NotAction, NotResource or NotPrincipal.
type Statement struct {
	Effect       Effect
	Actions      []string
	NotAction    bool
	Resources    []string // nil in a trust policy
	NotResource  bool
	Principals   []Principal // nil in an identity policy
	NotPrincipal bool
	Conditions   []Condition // all must hold
}

// A Verdict is what one document says of one request.
type Verdict int

// The verdicts of a document.
const (
	Silent  Verdict = iota // no statement matches
	Allowed                // a statement allows it and none denies it
	Denied                 // a statement denies it
)

// A Request is one access to judge.
type Request struct {
	Action   string // "oss:GetObject"
	Resource string // "acs:oss:oss-cn-hangzhou:<uid>:bucket/key"; not looked at in a trust policy
	Caller   Caller // not looked at in an identity policy
	// Context holds the condition keys that are known of this request, such as
	// acs:SourceIp. A key that is missing fails a positive operator and satisfies
	// a negated one (StringNotEquals, NotIpAddress).
	Context map[string]string
}

// Evaluate judges one request. A statement that denies outweighs all that allow.
func (d *Document) Evaluate(r Request) Verdict {
	v := Silent
	for i := range d.Statements {
		s := &d.Statements[i]
		if !s.matches(d.Kind, r) {
			continue
		}
		if s.Effect == Deny {
			return Denied
		}
		v = Allowed
	}
	return v
}

func (s *Statement) matches(k Kind, r Request) bool {
	if s.matchesAction(r.Action) == s.NotAction {
		return false
	}
	if k != Trust && s.matchesResource(r.Resource) == s.NotResource {
		return false
	}
	if k != Identity && s.matchesCaller(r.Caller) == s.NotPrincipal {
		return false
	}
	for _, c := range s.Conditions {
		if !c.holds(r.Context) {
			return false
		}
	}
	return true
}

func (s *Statement) matchesAction(action string) bool {
	action = strings.ToLower(action)
	for _, p := range s.Actions {
		if Match(strings.ToLower(p), action) {
			return true
		}
	}
	return false
}

func (s *Statement) matchesResource(resource string) bool {
	for _, p := range s.Resources {
		if MatchResource(p, resource) {
			return true
		}
	}
	return false
}

func (s *Statement) matchesCaller(c Caller) bool {
	for _, p := range s.Principals {
		if p.matches(c) {
			return true
		}
	}
	return false
}
