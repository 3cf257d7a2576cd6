package replication

import (
	"fmt"

	"github.com/replidesk/replidesk/pkg/policy"
)

// The three grants share one shape: make it; when it is there already, or when it
// is not known whether it was made, read it and compare it by meaning.

func decideRole(j *Job, v View) Step {
	name := j.Request.RoleName()
	switch {
	case !j.ownRole():
		return decideFoundRole(j, v)
	case !j.Made.Role.IsZero():
		return next(j, PhasePolicy, v)
	}
	if j.Unsure {
		if !v.Seen.Has(LookRole) {
			return Step{Look: LookRole}
		}
		if s := v.Seen.Role; s.Is == Exists {
			if !SameDocument(s.Trust, TrustPolicy()) {
				return fail(j, ReasonRoleConflict, fmt.Sprintf("role %s exists with another trust policy", name), v)
			}
			j.Made.Role, j.Made.RoleAsked = v.Now, false
			return next(j, PhasePolicy, v)
		}
	}
	return createRole(j, fmt.Sprintf("OSS assumes this role to replicate %s to %s (Replidesk, ticket %s)", j.Request.Source.Bucket, j.Request.Destination.Bucket, j.ID), v)
}

func createRole(j *Job, description string, v View) Step {
	j.Made.RoleAsked = true
	return create(j, Effect{Kind: EffectCreateRole, Role: j.Request.RoleName(), Document: TrustPolicy(), Description: description}, v)
}

// decideFoundRole makes the role that all of an account share when preflight did not
// find it. Who makes it first does not matter: to nobody it is their own.
func decideFoundRole(j *Job, v View) Step {
	if j.Request.Role.Type == RoleCustom || j.found().Exists || !j.Made.Role.IsZero() {
		return next(j, PhasePolicy, v)
	}
	if !v.Seen.Has(LookRole) {
		return Step{Look: LookRole}
	}
	switch s := v.Seen.Role; {
	case s.Is != Exists:
		return createRole(j, fmt.Sprintf("OSS assumes this role to replicate buckets of this account (made by Replidesk for ticket %s)", j.ID), v)
	case !policy.Trusts(s.Trust, ossService):
		return block(j, ReasonTrustBroken, fmt.Sprintf("role %s does not let OSS assume it", j.Request.RoleName()), v)
	}
	j.found().Exists = true
	return next(j, PhasePolicy, v)
}

func settleRole(j *Job, o Outcome, v View) {
	if o.Result == ResultDone {
		j.Made.Role, j.Made.RoleAsked = v.Now, false
	}
}

func decidePolicy(j *Job, v View) Step {
	name := j.Request.PolicyName()
	if !j.Made.Policy.IsZero() || !j.ownPolicy() {
		return next(j, PhaseAttachment, v)
	}
	if j.Block != nil && !j.ownRole() { // meanwhile somebody may have given the role what it lacks
		if !v.Seen.Has(LookRights) {
			return Step{Look: LookRights}
		}
		if len(policy.Gaps(v.Seen.Rights.lasting(""), rightsFor(j.Request))) == 0 {
			j.found().Adds = false
			return next(j, PhaseAttachment, v)
		}
	}
	if j.Unsure {
		if !v.Seen.Has(LookPolicy) {
			return Step{Look: LookPolicy}
		}
		if s := v.Seen.Policy; s.Is == Exists {
			if !SameDocument(s.Document, RolePolicy(j.Request)) {
				return fail(j, ReasonPolicyConflict, fmt.Sprintf("policy %s exists with other contents", name), v)
			}
			j.Made.Policy, j.Made.PolicyAsked = v.Now, false
			return next(j, PhaseAttachment, v)
		}
	}
	j.Made.PolicyAsked = true
	return create(j, Effect{Kind: EffectCreatePol, Policy: name, Document: RolePolicy(j.Request),
		Description: fmt.Sprintf("Least privilege to replicate %s to %s (Replidesk, ticket %s)", j.Request.Source.Bucket, j.Request.Destination.Bucket, j.ID)}, v)
}

func settlePolicy(j *Job, o Outcome, v View) {
	if o.Result == ResultDone {
		j.Made.Policy, j.Made.PolicyAsked = v.Now, false
	}
}

// decideAttachment attaches. Attaching what is attached is answered with "exists",
// which is as good as done: the policy is the job's own.
func decideAttachment(j *Job, v View) Step {
	switch {
	case !j.Made.Attachment.IsZero():
		return next(j, j.following(PhaseAttachment), v)
	case j.Request.Role.Type == RoleAliyun:
		return attachShared(j, PhaseAttachment, v)
	case !j.ownPolicy():
		return next(j, j.following(PhaseAttachment), v)
	}
	j.Made.AttachAsked = true
	return Step{Effect: &Effect{Kind: EffectAttach, Role: j.Request.RoleName(), Policy: j.Request.PolicyName()}}
}

// attachShared gives the shared role the system policy of a phase unless it has it.
func attachShared(j *Job, p Phase, v View) Step {
	has, asked, system := &j.found().Full, &j.Made.AttachAsked, PolicyOSSFull
	if p == PhaseKMSGrant {
		has, asked, system = &j.found().Keys, &j.Made.KMSPolicyAsked, KMSPolicy
	}
	if !*has {
		if !v.Seen.Has(LookAttachment) {
			return Step{Look: LookAttachment}
		}
		*has = v.Seen.Attachment.has(system)
	}
	if *has {
		return next(j, j.following(p), v)
	}
	*asked = true
	return Step{Effect: &Effect{Kind: EffectAttachSystem, Role: j.Request.RoleName(), Policy: system}}
}

func settleAttachment(j *Job, o Outcome, v View) {
	switch {
	case o.Effect == EffectAttachSystem && o.Result == ResultExists: // somebody else was faster
		j.found().Full, j.Made.AttachAsked, j.Unsure = true, false, false
	case o.Result == ResultDone || o.Result == ResultExists:
		j.Made.Attachment, j.Made.AttachAsked = v.Now, false
		j.Unsure = false
	}
}
