package world

import (
	"strings"
	"time"
)

// A View says how far an answer of RAM lies behind, by order of a fault. The zero
// value is up to date, as RAM's own reads are.
type View struct {
	// Stale answers as if the last change of the role or policy had not happened.
	Stale bool
	// Behind leaves what was made within this time out of a listing.
	Behind time.Duration
}

// hides reports whether a listing does not yet show what was made at that time.
func (v View) hides(made, now time.Time) bool { return v.Behind > 0 && now.Sub(made) < v.Behind }

// history is what each role and policy was before its last change; nil means that
// it did not exist.
type history struct {
	roles    map[string]*Role          // by lower-case name
	policies map[string]*Policy        // by type/name
	entities map[string][]RoleAttached // by type/name of the policy
}

// keepRole remembers a role as it is, before a change.
func (a *Account) keepRole(name string) {
	if a.before.roles == nil {
		a.before.roles = map[string]*Role{}
	}
	var was *Role
	if r := a.role(name); r != nil {
		c := *r
		was = &c
	}
	a.before.roles[strings.ToLower(name)] = was
}

// keepPolicy remembers a custom policy as it is, before a change.
func (a *Account) keepPolicy(name string) {
	if a.before.policies == nil {
		a.before.policies = map[string]*Policy{}
	}
	var was *Policy
	if p := a.policies[name]; p != nil {
		c := *p
		was = &c
	}
	a.before.policies[name] = was
}

// keepEntities remembers what a policy is attached to, before a change.
func (a *Account) keepEntities(p *Policy) {
	if a.before.entities == nil {
		a.before.entities = map[string][]RoleAttached{}
	}
	a.before.entities[p.Type+"/"+p.Name] = a.attachedTo(p)
}

func (a *Account) roleIn(v View, name string) *Role {
	if v.Stale {
		if was, changed := a.before.roles[strings.ToLower(name)]; changed {
			return was
		}
	}
	return a.role(name)
}

func (w *World) policyIn(v View, a *Account, typ, name string) *Policy {
	if typ == TypeSystem {
		return w.system[name]
	}
	if v.Stale {
		if was, changed := a.before.policies[name]; changed {
			return was
		}
	}
	return a.policies[name]
}

func (a *Account) entitiesIn(v View, p *Policy) []RoleAttached {
	if v.Stale {
		if was, changed := a.before.entities[p.Type+"/"+p.Name]; changed {
			return was
		}
	}
	return a.attachedTo(p)
}
