package replication

import (
	"fmt"

	"github.com/replidesk/replidesk/pkg/policy"
)

// causes is what is read to find out why nothing arrives. Within one account the
// bucket policies do not count [fact 21]. The role of an adopted rule, and what it was
// granted, is not ours to judge: others made it, as they meant it.
func (j *Job) causes() Look {
	l := LookProgress | LookSource | LookDestination
	if j.Request.Across() && !j.Request.adopts() {
		l |= LookBucketPolicy
	}
	switch {
	case j.Request.adopts():
	case j.ownRole():
		l |= LookRole | LookAttachment | LookPolicy
	default:
		l |= j.looksAtRole()
	}
	if j.Request.KMSKey() != "" {
		l |= LookKey
	}
	if j.Request.lentKey() && !j.Request.adopts() {
		l |= LookKeyPolicy
	}
	return l
}

// A check names what is wrong, or "".
type check func(j *Job, s Seen) (Reason, string)

// checks are ordered: what comes first explains what comes after. OSS itself says
// nothing of why a rule does not copy. [fact 27]
var checks = []check{
	func(j *Job, s Seen) (Reason, string) {
		switch {
		case s.Progress.Is == Missing || s.Progress.Status == RuleClosing:
			return ReasonRuleVanished, fmt.Sprintf("rule %s is not there any more", j.Rule.ID)
		case s.Progress.Status == RuleStarting && j.Phase != PhaseStarting:
			return ReasonStarting, fmt.Sprintf("rule %s has not started yet", j.Rule.ID)
		}
		return "", ""
	},
	func(j *Job, s Seen) (Reason, string) {
		return unfitBuckets(j.Request, *s.Source, j.Request.declaredFor(*s.Destination))
	},
	func(j *Job, s Seen) (Reason, string) {
		name := j.Request.RoleName()
		switch {
		case j.Request.adopts():
		case s.Role.Is == Missing:
			return ReasonRoleMissing, fmt.Sprintf("role %s does not exist any more; it had %s", name, j.policies())
		case j.ownRole() && !SameDocument(s.Role.Trust, TrustPolicy()), !policy.Trusts(s.Role.Trust, ossService):
			return ReasonTrustBroken, fmt.Sprintf("the trust policy of role %s was changed", name)
		}
		return "", ""
	},
	func(j *Job, s Seen) (Reason, string) {
		name := j.Request.PolicyName()
		switch {
		case j.Request.adopts():
		case !j.ownRole():
			return lostRights(j, s)
		case !s.Attachment.Attached, s.Policy.Is == Missing:
			return ReasonPolicyMissing, fmt.Sprintf("policy %s is not attached to role %s any more", name, j.Request.RoleName())
		case !SameDocument(s.Policy.Document, RolePolicy(j.Request)):
			return ReasonPolicyDiffers, fmt.Sprintf("policy %s was changed", name)
		}
		return "", ""
	},
	grantCause,
	kmsCause,
	conditionalDeny,
}

// conditionalDeny names a Deny at the destination that stands under a condition. Before
// anything is put it is only told, since it may never apply; when nothing arrives it is
// the best that is known.
func conditionalDeny(j *Job, s Seen) (Reason, string) {
	if !j.Request.Across() || s.BucketPolicy == nil {
		return "", ""
	}
	p, err := ParseResourcePolicy(s.BucketPolicy.Document)
	if err != nil { // grantCause has told
		return "", ""
	}
	if notice := p.Notice(GrantFor(j.Request)); notice != "" {
		return ReasonGrantDenied, fmt.Sprintf("%s: %s", j.Request.Destination.Bucket, notice)
	}
	return "", ""
}

// kmsCause says what keeps the rule from using its key.
func kmsCause(j *Job, s Seen) (Reason, string) {
	r := j.Request
	switch {
	case r.KMSKey() == "":
		return "", ""
	case r.adopts(): // the role is not ours to judge
	case r.Role.Type == RoleCustom: // its rights to keys were judged with all others
	case !s.Attachment.has(KMSPolicy):
		return ReasonKMSPolicyMissing, fmt.Sprintf("system policy %s is not attached to role %s any more", KMSPolicy, r.RoleName())
	}
	if reason, message := unfitKey(r, *s.Key); reason != "" {
		return reason, message
	}
	return keyPolicyCause(j, s)
}

// lostRights names what a role that is not the job's own may not do any more.
func lostRights(j *Job, s Seen) (Reason, string) {
	r := j.Request
	if r.Role.Type == RoleAliyun {
		if !s.Attachment.has(PolicyOSSFull) {
			return ReasonPolicyMissing, fmt.Sprintf("policy %s is not attached to role %s any more", PolicyOSSFull, r.RoleName())
		}
		return "", ""
	}
	gaps := policy.Gaps(s.Rights.lasting(r.PolicyName()), rightsFor(r))
	switch denied := denials(gaps); {
	case len(denied) > 0:
		return ReasonRoleDenied, fmt.Sprintf("role %s: %s", r.RoleName(), gapText(denied))
	case len(gaps) > 0:
		return ReasonRoleRights, fmt.Sprintf("role %s: %s; a policy with this would do: %s", r.RoleName(), gapText(gaps), RolePolicy(r))
	}
	return "", ""
}

// policies says what the role of the rule had to have.
func (j *Job) policies() string {
	switch {
	case j.Request.Role.Type == RoleAliyun:
		return j.Request.sharedPolicies()
	case j.ownPolicy():
		return "the policy " + j.Request.PolicyName()
	}
	return "policies that allow what this one does: " + RolePolicy(j.Request)
}

// orNone words what causeOf returned.
func orNone(_ Reason, message string) string {
	if message == "" {
		return "no check names a cause"
	}
	return message
}

// orNone words what causeOf returned of this job, and of an adopted rule what was
// not looked at.
func (j *Job) orNone(r Reason, message string) string {
	if message == "" && j.Request.adopts() {
		return orNone(r, message) + "; not looked at: " + j.adoptedRole()
	}
	return orNone(r, message)
}

// causeOf returns the first cause that the checks name, or "".
func causeOf(j *Job, s Seen) (Reason, string) {
	for _, c := range checks {
		if r, m := c(j, s); r != "" {
			return r, m
		}
	}
	return "", ""
}
