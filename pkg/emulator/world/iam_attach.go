package world

import (
	"slices"
	"strings"
	"time"
)

// A RoleAttached is a role that a policy is attached to.
type RoleAttached struct {
	Role     Role
	Attached time.Time
}

// A PolicyAttached is a policy that is attached to a role.
type PolicyAttached struct {
	Policy   Policy
	Attached time.Time
}

// AttachPolicyToRole grants a policy to a role; the grant counts once it has
// spread. In a stale view a role or policy that was just made does not exist.
func (w *World) AttachPolicyToRole(uid, typ, name, roleName string, v View) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	if e := firstOf(checkPolicyType(typ), checkPolicyName(name), checkRoleName(roleName)); e != nil {
		return e
	}
	r, p := acc.role(roleName), w.policyIn(View{}, acc, typ, name)
	if r == nil || acc.roleIn(v, roleName) == nil {
		return noRole()
	}
	if p == nil || w.policyIn(v, acc, typ, name) == nil {
		return noPolicy()
	}
	same := 0
	for _, at := range r.attached {
		if !at.effectiveUntil.IsZero() {
			continue
		}
		if at.policy == p {
			return refuse(409, "EntityAlreadyExists.Role.Policy", "The role has already been attached this policy.")
		}
		if at.policy.Type == typ {
			same++
		}
	}
	if typ == TypeSystem && same >= w.opt.RAM.SystemPoliciesPerRole || typ == TypeCustom && same >= w.opt.RAM.CustomPoliciesPerRole {
		return limitExceeded("Role.Policy", "The count of policies attached to the role beyond the current limits.")
	}
	acc.keepRole(roleName)
	acc.keepEntities(p)
	r.attached = append(r.spread(now), attachment{
		policy: p, attached: now, effectiveFrom: now.Add(w.scale(w.opt.Delays.Propagation)),
	})
	return nil
}

// DetachPolicyFromRole withdraws a policy from a role; it counts until the
// withdrawal has spread.
func (w *World) DetachPolicyFromRole(uid, typ, name, roleName string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	if e := firstOf(checkPolicyType(typ), checkPolicyName(name), checkRoleName(roleName)); e != nil {
		return e
	}
	r := acc.role(roleName)
	if r == nil {
		return noRole()
	}
	p := w.policyIn(View{}, acc, typ, name)
	if p == nil {
		return noPolicy()
	}
	attached := r.spread(now)
	i := slices.IndexFunc(attached, func(at attachment) bool { return at.policy == p && at.effectiveUntil.IsZero() })
	if i < 0 {
		return notExist("Role.Policy", "The indicate policy of the role does not exist.")
	}
	acc.keepRole(roleName)
	acc.keepEntities(p)
	attached[i].effectiveUntil = now.Add(w.scale(w.opt.Delays.Propagation))
	r.attached = attached
	return nil
}

// spread returns a copy of the role's attachments without those whose withdrawal
// has spread.
func (r *Role) spread(now time.Time) []attachment {
	return slices.DeleteFunc(slices.Clone(r.attached), func(at attachment) bool {
		return !at.effectiveUntil.IsZero() && !now.Before(at.effectiveUntil)
	})
}

// ListPoliciesForRole returns what is attached to a role, in the order of time.
func (w *World) ListPoliciesForRole(uid, roleName string, v View) ([]PolicyAttached, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	if e := checkRoleName(roleName); e != nil {
		return nil, e
	}
	r := w.mustAccount(uid).roleIn(v, roleName)
	if r == nil {
		return nil, noRole()
	}
	var list []PolicyAttached
	for _, at := range r.attached {
		if at.effectiveUntil.IsZero() && !v.hides(at.attached, now) {
			list = append(list, PolicyAttached{*at.policy, at.attached})
		}
	}
	return list, nil
}

// ListEntitiesForPolicy returns the roles that a policy is attached to, in the
// order of their names. Policies of users cannot be seen here: they are inline.
func (w *World) ListEntitiesForPolicy(uid, typ, name string, v View) ([]RoleAttached, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	p, e := w.findPolicy(uid, typ, name, v)
	if e != nil {
		return nil, e
	}
	list := slices.Clone(w.mustAccount(uid).entitiesIn(v, p))
	return slices.DeleteFunc(list, func(r RoleAttached) bool { return v.hides(r.Attached, now) }), nil
}

// attachedTo returns the roles of the account that the policy is attached to now.
func (a *Account) attachedTo(p *Policy) []RoleAttached {
	var list []RoleAttached
	for _, r := range a.roles {
		for _, at := range r.attached {
			if at.effectiveUntil.IsZero() && at.policy.Type == p.Type && at.policy.Name == p.Name {
				list = append(list, RoleAttached{*r, at.attached})
			}
		}
	}
	slices.SortFunc(list, func(x, y RoleAttached) int {
		return strings.Compare(strings.ToLower(x.Role.Name), strings.ToLower(y.Role.Name))
	})
	return list
}
