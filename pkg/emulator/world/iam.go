package world

import (
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// Authorize decides one access at this moment, with the grants that have spread by now.
//
// An explicit deny anywhere refuses. Otherwise the account itself may do all in
// its own account; within one account the identity's policies or the resource
// policy must allow; across accounts both must, and for the root of the other
// account its own side always does. A session policy must allow whatever else does.
// An anonymous caller has nothing but the resource policy.
func (w *World) Authorize(p Principal, a Access) Verdict {
	now := w.enter()
	defer w.mu.Unlock()
	return w.authorize(p, a, now)
}

// authorize is Authorize for callers that hold the lock.
func (w *World) authorize(p Principal, a Access, now time.Time) Verdict {
	return w.decide(p, a, now).Verdict
}

// A Decision is a Verdict with its two sides, for services whose refusal says
// which of them it was.
type Decision struct {
	Verdict  Verdict
	Identity Verdict // of the caller's own policies, the session policy included
	Resource Verdict // of the policy on the resource
}

// Decide is [World.Authorize] with reasons.
func (w *World) Decide(p Principal, a Access) Decision {
	now := w.enter()
	defer w.mu.Unlock()
	return w.decide(p, a, now)
}

func (w *World) decide(p Principal, a Access, now time.Time) Decision {
	a = a.at(now)
	d := Decision{Identity: w.identityAllows(p, a, now), Resource: resourcePolicyAllows(a.ResourcePolicy, callerOf(p), a)}
	switch {
	case d.Identity == ExplicitDeny || d.Resource == ExplicitDeny:
		d.Verdict = ExplicitDeny
	case p.Kind != KindAnonymous && p.Account != a.Owner && d.Identity != Allow:
		d.Verdict = ImplicitDeny
	case p.Kind == KindAnonymous || p.Account != a.Owner:
		d.Verdict = d.Resource
	case d.Identity == Allow || d.Resource == Allow:
		d.Verdict = Allow
	}
	if d.Verdict == Allow && p.Policy != nil && sessionAllows(p.Policy, a) != Allow {
		d.Verdict = ImplicitDeny
	}
	return d
}

// at returns the access with the condition keys that are known of every call.
func (a Access) at(now time.Time) Access {
	context := map[string]string{"acs:CurrentTime": now.UTC().Format(time.RFC3339)}
	for k, v := range a.Context {
		context[k] = v
	}
	a.Context = context
	return a
}

// identityAllows evaluates what is attached to the caller, cut by the session policy.
func (w *World) identityAllows(p Principal, a Access, now time.Time) Verdict {
	v := ImplicitDeny
	switch acc := w.accounts[p.Account]; {
	case acc == nil:
	case p.Kind == KindRoot:
		v = Allow
	case p.Kind == KindUser:
		if u := acc.users[p.Name]; u != nil {
			v = attachedAllow(u.attached, a, now)
		}
	case p.Kind == KindAssumedRole:
		// The sessions of a deleted role are worth nothing, even when another
		// role got its name.
		if r := acc.role(p.Name); r != nil && (p.ID == "" || r.ID == p.ID) {
			v = w.roleAllows(p.Account, r, a, now)
		}
	}
	if p.Policy == nil || v == ExplicitDeny {
		return v
	}
	if s := sessionAllows(p.Policy, a); s != Allow {
		return s
	}
	return v
}

// roleAllows evaluates the policies attached to a role, as far as they and their
// attachment have spread by now. It does not look at the trust policy.
func (w *World) roleAllows(uid string, r *Role, a Access, now time.Time) Verdict {
	return attachedAllow(r.attached, a.at(now), now)
}

// serviceRole returns a role that a service of the cloud can act with by now: it
// exists, it has spread, and its trust policy lets the service assume it.
func (w *World) serviceRole(uid, roleName, service string, now time.Time) (*Role, bool) {
	acc := w.accounts[uid]
	if acc == nil {
		return nil, false
	}
	r := acc.role(roleName)
	if r == nil || now.Before(r.usableFrom) || !r.trusts.letsAssume(policy.Caller{Service: service}, nil, now) {
		return nil, false
	}
	return r, true
}

// resourceAllows evaluates a bucket policy for the principal of that name: acs:ram
// or arn:sts ARN, see [policy.CallerOf]. No policy, or one that cannot be read,
// allows nothing.
func resourceAllows(policyDoc []byte, principalARN string, a Access) Verdict {
	return resourcePolicyAllows(policyDoc, policy.CallerOf(principalARN), a)
}

// resourcePolicyAllows evaluates the policy on a resource: a key policy on a key, a
// bucket policy on everything else.
func resourcePolicyAllows(doc []byte, c policy.Caller, a Access) Verdict {
	if doc == nil {
		return ImplicitDeny
	}
	kind := policy.Bucket
	if strings.HasPrefix(a.Resource, "acs:kms:") {
		kind = policy.Key
	}
	d, err := policy.Parse(kind, doc)
	if err != nil {
		return ImplicitDeny
	}
	return verdict(d, policy.Request{Action: a.Action, Resource: a.Resource, Caller: c, Context: a.Context})
}

func sessionAllows(doc []byte, a Access) Verdict {
	d, err := policy.Parse(policy.Identity, doc)
	if err != nil {
		return ImplicitDeny
	}
	return verdict(d, policy.Request{Action: a.Action, Resource: a.Resource, Context: a.Context})
}

func attachedAllow(as []attachment, a Access, now time.Time) Verdict {
	v := ImplicitDeny
	for _, at := range as {
		if now.Before(at.effectiveFrom) || !at.effectiveUntil.IsZero() && !now.Before(at.effectiveUntil) {
			continue
		}
		d := at.policy.effective.at(now)
		if d == nil {
			continue
		}
		switch verdict(d, policy.Request{Action: a.Action, Resource: a.Resource, Context: a.Context}) {
		case ExplicitDeny:
			return ExplicitDeny
		case Allow:
			v = Allow
		}
	}
	return v
}

func verdict(d *policy.Document, r policy.Request) Verdict {
	switch d.Evaluate(r) {
	case policy.Denied:
		return ExplicitDeny
	case policy.Allowed:
		return Allow
	}
	return ImplicitDeny
}

// callerOf says who makes a call in the terms of policy documents.
func callerOf(p Principal) policy.Caller {
	switch p.Kind {
	case KindRoot:
		return policy.Caller{Account: p.Account, Root: true}
	case KindUser:
		return policy.Caller{Account: p.Account, User: p.Name, UserID: p.ID}
	case KindAssumedRole:
		return policy.Caller{Account: p.Account, Role: p.Name, Session: p.Session}
	case KindService:
		return policy.Caller{Service: p.Name}
	}
	return policy.Caller{}
}

// at returns the document that is honoured at this moment; nil means none yet.
func (e effective) at(now time.Time) *policy.Document {
	for i := len(e) - 1; i >= 0; i-- {
		if !now.Before(e[i].from) {
			return e[i].document
		}
	}
	return nil
}

// then adds the document that takes the place of the others from then on, and
// forgets those whose time is over now.
func (e effective) then(now, from time.Time, d *policy.Document) effective {
	first := 0
	for i := range e {
		if !now.Before(e[i].from) {
			first = i
		}
	}
	return append(slices.Clone(e[first:]), effectiveDocument{from, d})
}

// letsAssume evaluates a trust policy.
func (e effective) letsAssume(c policy.Caller, context map[string]string, now time.Time) bool {
	d := e.at(now)
	a := Access{Context: context}.at(now)
	return d != nil && d.Evaluate(policy.Request{Action: "sts:AssumeRole", Caller: c, Context: a.Context}) == policy.Allowed
}

// role returns the role of that name without regard to case, or nil: tools of the
// cloud write role names in lower case.
func (a *Account) role(name string) *Role { return a.roles[strings.ToLower(name)] }
