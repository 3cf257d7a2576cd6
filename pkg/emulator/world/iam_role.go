package world

import (
	"sort"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// A NewRole is what CreateRole takes.
type NewRole struct {
	Name, Trust, Description string
	MaxSession               time.Duration // 0 means an hour
	Tags                     []Tag
}

// CreateRole makes a role. OSS and STS know it once it has spread; RAM at once.
func (w *World) CreateRole(uid string, in NewRole) (Role, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	if in.MaxSession == 0 {
		in.MaxSession = time.Hour
	}
	d, text, e := readDocument(policy.Trust, []byte(in.Trust))
	if e := firstOf(checkRoleName(in.Name), checkDescription("Description", in.Description),
		checkSession("MaxSessionDuration", in.MaxSession), checkTags(in.Tags), e); e != nil {
		return Role{}, e
	}
	if acc.role(in.Name) != nil {
		return Role{}, refuse(409, "EntityAlreadyExists.Role", "The role does already EXIST.")
	}
	if len(acc.roles) >= w.opt.RAM.RolesPerAccount {
		return Role{}, limitExceeded("Role", "The count of roles beyond the current limits.")
	}
	spread := now.Add(w.scale(w.opt.Delays.Propagation))
	r := &Role{
		Name: in.Name, ID: "3" + w.digits(17), Description: in.Description, Trust: text,
		MaxSession: in.MaxSession, Created: now, Updated: now, Tags: mergeTags(nil, in.Tags),
		usableFrom: spread, trusts: effective{}.then(now, spread, d),
	}
	acc.keepRole(in.Name)
	acc.roles[strings.ToLower(in.Name)] = r
	return *r, nil
}

// GetRole returns a role.
func (w *World) GetRole(uid, name string, v View) (Role, *Error) {
	w.enter()
	defer w.mu.Unlock()
	if e := checkRoleName(name); e != nil {
		return Role{}, e
	}
	r := w.mustAccount(uid).roleIn(v, name)
	if r == nil {
		return Role{}, noRole()
	}
	return *r, nil
}

// A RoleChange is what UpdateRole takes; zero fields stay as they are.
type RoleChange struct {
	Trust, Description string
	MaxSession         time.Duration
}

// UpdateRole changes a role. A new trust policy counts once it has spread; the old
// one does until then.
func (w *World) UpdateRole(uid, name string, in RoleChange) (Role, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	if e := firstOf(checkRoleName(name), checkDescription("NewDescription", in.Description)); e != nil {
		return Role{}, e
	}
	if in.MaxSession != 0 {
		if e := checkSession("NewMaxSessionDuration", in.MaxSession); e != nil {
			return Role{}, e
		}
	}
	r := acc.role(name)
	if r == nil {
		return Role{}, noRole()
	}
	next := *r
	next.Updated = now
	if in.Trust != "" {
		d, text, e := readDocument(policy.Trust, []byte(in.Trust))
		if e != nil {
			return Role{}, e
		}
		next.Trust = text
		next.trusts = r.trusts.then(now, now.Add(w.scale(w.opt.Delays.Propagation)), d)
	}
	if in.Description != "" {
		next.Description = in.Description
	}
	if in.MaxSession != 0 {
		next.MaxSession = in.MaxSession
	}
	acc.keepRole(name)
	*r = next
	return next, nil
}

// A RolePage is one page of ListRoles.
type RolePage struct {
	Roles     []Role
	Truncated bool
	Marker    string // where the next page begins
}

// ListRoles returns up to most roles in the order of their names, from marker on.
func (w *World) ListRoles(uid, marker string, most int, v View) (RolePage, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	if most < 1 || most > 1000 {
		return RolePage{}, refuse(400, "InvalidParameter.MaxItems", `The parameter - "MaxItems" must be in the range of 1 and 1000.`)
	}
	if marker != "" && checkRoleName(marker) != nil {
		return RolePage{}, refuse(400, "InvalidParameter.Marker", `The parameter - "Marker" is incorrect.`)
	}
	acc := w.mustAccount(uid)
	var names []string
	for name, r := range acc.roles {
		if name >= strings.ToLower(marker) && !v.hides(r.Created, now) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var page RolePage
	if len(names) > most {
		page.Truncated, page.Marker = true, acc.roles[names[most]].Name
		names = names[:most]
	}
	for _, name := range names {
		page.Roles = append(page.Roles, *acc.roles[name])
	}
	return page, nil
}

// DeleteRole takes a role away, at once and with all its sessions. A role with
// policies cannot be deleted. In a stale view a policy that was detached counts
// as attached until its withdrawal has spread.
func (w *World) DeleteRole(uid, name string, v View) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	if e := checkRoleName(name); e != nil {
		return e
	}
	r := acc.role(name)
	if r == nil {
		return noRole()
	}
	for _, at := range r.attached {
		if at.effectiveUntil.IsZero() || v.Stale && now.Before(at.effectiveUntil) {
			return refuse(409, "DeleteConflict.Role.Policy", "The role CAN NOT has any attached policy while deleting the role.")
		}
	}
	acc.keepRole(name)
	delete(acc.roles, strings.ToLower(name))
	return nil
}

// firstOf returns the first refusal, or nil.
func firstOf(es ...*Error) *Error {
	for _, e := range es {
		if e != nil {
			return e
		}
	}
	return nil
}
