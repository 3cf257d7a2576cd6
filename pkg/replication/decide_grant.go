package replication

import "fmt"

// The three grants share one shape: make it; when it is there already, or when it
// is not known whether it was made, read it and compare it by meaning.

func decideRole(j *Job, v View) Step {
	name := j.Request.RoleName()
	if !j.Made.Role.IsZero() {
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
	j.Made.RoleAsked = true
	return create(j, Effect{Kind: EffectCreateRole, Role: name, Document: TrustPolicy(),
		Description: fmt.Sprintf("OSS assumes this role to replicate %s to %s (Replidesk, ticket %s)", j.Request.Source.Bucket, j.Request.Destination.Bucket, j.ID)}, v)
}

func settleRole(j *Job, o Outcome, v View) {
	if o.Result == ResultDone {
		j.Made.Role, j.Made.RoleAsked = v.Now, false
	}
}

func decidePolicy(j *Job, v View) Step {
	name := j.Request.PolicyName()
	if !j.Made.Policy.IsZero() {
		return next(j, PhaseAttachment, v)
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
// which is as good as done: both names are the job's own.
func decideAttachment(j *Job, v View) Step {
	if !j.Made.Attachment.IsZero() {
		return next(j, j.following(PhaseAttachment), v)
	}
	j.Made.AttachAsked = true
	return Step{Effect: &Effect{Kind: EffectAttach, Role: j.Request.RoleName(), Policy: j.Request.PolicyName()}}
}

func settleAttachment(j *Job, o Outcome, v View) {
	if o.Result == ResultDone || o.Result == ResultExists {
		j.Made.Attachment, j.Made.AttachAsked = v.Now, false
		j.Unsure = false
	}
}
