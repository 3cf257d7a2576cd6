package world

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// The types of policy.
const (
	TypeSystem = "System" // made by the cloud, the same in every account
	TypeCustom = "Custom"
)

// DefaultDocument returns the document of the default version.
func (p *Policy) DefaultDocument() PolicyVersion {
	v, _ := p.version(p.Default)
	return v
}

func (p *Policy) version(id string) (PolicyVersion, bool) {
	for _, v := range p.Versions {
		if v.ID == id {
			return v, true
		}
	}
	return PolicyVersion{}, false
}

// A PolicyCount is a policy and how many roles it is attached to.
type PolicyCount struct {
	Policy
	Attachments int
}

// CreatePolicy makes a custom policy with the version v1.
func (w *World) CreatePolicy(uid, name, document, description string, tags []Tag) (PolicyCount, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	d, text, e := w.readPolicy(document)
	if e := firstOf(checkPolicyName(name), checkDescription("Description", description), checkTags(tags), e); e != nil {
		return PolicyCount{}, e
	}
	if acc.policies[name] != nil {
		return PolicyCount{}, refuse(409, "EntityAlreadyExists.Policy", "The policy does already EXIST.")
	}
	if len(acc.policies) >= w.opt.RAM.PoliciesPerAccount {
		return PolicyCount{}, limitExceeded("Policy", "The count of policies beyond the current limits.")
	}
	p := &Policy{
		Name: name, Description: description, Type: TypeCustom, Created: now, Updated: now, Tags: mergeTags(nil, tags),
		Versions: []PolicyVersion{{ID: "v1", Document: text, Created: now, parsed: d}}, Default: "v1", nextVersion: 2,
		effective: effective{}.then(now, now.Add(w.scale(w.opt.Delays.Propagation)), d),
	}
	acc.keepPolicy(name)
	acc.policies[name] = p
	return PolicyCount{Policy: *p}, nil
}

func (w *World) readPolicy(document string) (*policy.Document, []byte, *Error) {
	if len(document) > w.opt.RAM.PolicyDocumentBytes {
		return nil, nil, invalidLength("PolicyDocument")
	}
	return readDocument(policy.Identity, []byte(document))
}

// GetPolicy returns a policy.
func (w *World) GetPolicy(uid, typ, name string, v View) (PolicyCount, *Error) {
	w.enter()
	defer w.mu.Unlock()
	p, e := w.findPolicy(uid, typ, name, v)
	if e != nil {
		return PolicyCount{}, e
	}
	return PolicyCount{*p, len(w.mustAccount(uid).entitiesIn(v, p))}, nil
}

// GetPolicyVersion returns one version of a policy and whether it is the default.
func (w *World) GetPolicyVersion(uid, typ, name, id string, view View) (PolicyVersion, bool, *Error) {
	w.enter()
	defer w.mu.Unlock()
	p, e := w.findPolicy(uid, typ, name, view)
	if e := firstOf(e, checkVersionID(id)); e != nil {
		return PolicyVersion{}, false, e
	}
	v, ok := p.version(id)
	if !ok {
		return PolicyVersion{}, false, noVersion()
	}
	return v, id == p.Default, nil
}

func (w *World) findPolicy(uid, typ, name string, v View) (*Policy, *Error) {
	if e := firstOf(checkPolicyType(typ), checkPolicyName(name)); e != nil {
		return nil, e
	}
	p := w.policyIn(v, w.mustAccount(uid), typ, name)
	if p == nil {
		return nil, noPolicy()
	}
	return p, nil
}

// CreatePolicyVersion adds a version to a custom policy. A policy that is full is
// refused, or with rotate loses its oldest version that is not the default.
func (w *World) CreatePolicyVersion(uid, name, document string, asDefault, rotate bool) (PolicyVersion, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	p, e := w.findPolicy(uid, TypeCustom, name, View{})
	if e != nil {
		return PolicyVersion{}, e
	}
	d, text, e := w.readPolicy(document)
	if e != nil {
		return PolicyVersion{}, e
	}
	next := *p
	next.Versions = slices.Clone(p.Versions)
	if len(next.Versions) >= w.opt.RAM.VersionsPerPolicy {
		oldest := slices.IndexFunc(next.Versions, func(v PolicyVersion) bool { return v.ID != p.Default })
		if !rotate || oldest < 0 {
			return PolicyVersion{}, limitExceeded("Policy.Version", "The count of policy versions beyond the current limits.")
		}
		next.Versions = slices.Delete(next.Versions, oldest, oldest+1)
	}
	v := PolicyVersion{ID: fmt.Sprintf("v%d", next.nextVersion), Document: text, Created: now, parsed: d}
	next.nextVersion++
	next.Versions = append(next.Versions, v)
	next.Updated = now
	if asDefault {
		next.setDefault(v, now, w.scale(w.opt.Delays.Propagation))
	}
	acc.keepPolicy(name)
	*p = next
	return v, nil
}

// SetDefaultPolicyVersion makes another version of a custom policy the one that
// counts, once that has spread.
func (w *World) SetDefaultPolicyVersion(uid, name, id string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	p, v, e := w.findVersion(uid, name, id)
	if e != nil {
		return e
	}
	w.mustAccount(uid).keepPolicy(name)
	p.setDefault(v, now, w.scale(w.opt.Delays.Propagation))
	p.Updated = now
	return nil
}

func (p *Policy) setDefault(v PolicyVersion, now time.Time, spread time.Duration) {
	p.Default = v.ID
	p.effective = p.effective.then(now, now.Add(spread), v.parsed)
}

// DeletePolicyVersion takes away a version that is not the default.
func (w *World) DeletePolicyVersion(uid, name, id string) *Error {
	w.enter()
	defer w.mu.Unlock()
	p, v, e := w.findVersion(uid, name, id)
	if e != nil {
		return e
	}
	if v.ID == p.Default {
		return refuse(409, "DeleteConflict.Policy.Version.Default", "The default policy version CAN NOT been deleted directly.")
	}
	w.mustAccount(uid).keepPolicy(name)
	p.Versions = slices.DeleteFunc(slices.Clone(p.Versions), func(o PolicyVersion) bool { return o.ID == id })
	return nil
}

func (w *World) findVersion(uid, name, id string) (*Policy, PolicyVersion, *Error) {
	p, e := w.findPolicy(uid, TypeCustom, name, View{})
	if e := firstOf(e, checkVersionID(id)); e != nil {
		return nil, PolicyVersion{}, e
	}
	v, ok := p.version(id)
	if !ok {
		return nil, PolicyVersion{}, noVersion()
	}
	return p, v, nil
}

// DeletePolicy takes away a custom policy that is attached nowhere and has only
// its default version. In a stale view it is attached to what it was attached to
// before the last change of that.
func (w *World) DeletePolicy(uid, name string, v View) *Error {
	w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	p, e := w.findPolicy(uid, TypeCustom, name, View{})
	if e != nil {
		return e
	}
	if len(acc.entitiesIn(v, p)) > 0 {
		return refuse(409, "DeleteConflict.Policy.Role", "The policy CAN NOT been attached to any role while deleting the policy.")
	}
	if len(p.Versions) > 1 {
		return refuse(409, "DeleteConflict.Policy.Version", "The policy CAN NOT has any version except the default version.")
	}
	acc.keepPolicy(name)
	delete(acc.policies, name)
	return nil
}

func noVersion() *Error {
	return notExist("Policy.Version", "The policy version does not exist.")
}

func checkVersionID(id string) *Error {
	n, ok := strings.CutPrefix(id, "v")
	if _, err := strconv.ParseUint(n, 10, 31); !ok || err != nil {
		return refuse(400, "InvalidParameter.VersionId.Format", `The format of the parameter - "VersionId" is incorrect.`)
	}
	return nil
}
