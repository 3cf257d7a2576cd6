package replication

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/policy"
)

// The types of role. [fact 74]
const (
	// RoleNew is a role of its own for the pair, with the least privilege; the job
	// makes it and takes it back.
	RoleNew = "new"
	// RoleAliyun is the role of this very name that all of an account can share. It
	// reaches every bucket, so the ticket has to consent to that. The job makes what of
	// it is missing and never takes anything of it back.
	RoleAliyun = "AliyunOSSRole"
	// RoleCustom is a role that somebody made beforehand and the ticket names. The job
	// judges what it may do; it never makes or deletes it.
	RoleCustom = "custom"
)

// PolicyOSSFull is the system policy of RoleAliyun: every right to every bucket of
// the account. [fact 74]
const PolicyOSSFull = "AliyunOSSFullAccess"

// What a ticket can consent to, in these very words.
const (
	ConsentBuckets = "all buckets"
	ConsentKeys    = "all KMS keys" // besides the buckets, for a rule that copies objects under keys
)

// ossService is who assumes the role of a rule. [fact 19]
const ossService = "oss.aliyuncs.com"

// A RoleChoice says which role OSS assumes to copy.
type RoleChoice struct {
	Type string `json:"type"`           // RoleNew, RoleAliyun or RoleCustom
	Name string `json:"name,omitempty"` // of a custom role; "" for the others
	// Consent names what RoleAliyun reaches and the sender accepts: ConsentBuckets, and
	// ConsentKeys with KMS.
	Consent []string `json:"consent,omitempty"`
	// AddMissing lets the job attach a policy of its own to a custom role that may not
	// do what the rule needs. The policy is taken back with the job.
	AddMissing bool `json:"addMissing,omitempty"`
}

// RoleName returns the name of the role that OSS assumes for the rule.
func (r Request) RoleName() string {
	switch r.Role.Type {
	case RoleAliyun:
		return RoleAliyun
	case RoleCustom:
		return r.Role.Name
	}
	return RoleName(r.ID)
}

// PolicyName returns the name of the policy of our own that the role has.
func (r Request) PolicyName() string { return PolicyName(r.ID) }

var (
	roleForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`) // [fact 22]
	// uuidForm is the form of what uuidOf returns, which no other maker of UUIDs uses.
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

// ofAJob reports whether a name is one that a job of this desk gives to what it
// makes, with that prefix.
func ofAJob(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && uuidForm.MatchString(rest)
}

func validateRole(p *Problems, r Request) {
	c := r.Role
	if c.Type != RoleCustom {
		if c.Name != "" {
			p.add(ReasonInvalid, "role.name", fmt.Sprintf("a role of the type %q has no name of your choice", c.Type))
		}
		if c.AddMissing {
			p.add(ReasonInvalid, "role.addMissing", "only to a custom role something can be added")
		}
	}
	if c.Type != RoleAliyun && len(c.Consent) > 0 {
		p.add(ReasonInvalid, "role.consent", fmt.Sprintf("a role of the type %q needs no consent", c.Type))
	}
	switch c.Type {
	case RoleNew:
	case RoleAliyun:
		validateConsent(p, r)
	case RoleCustom:
		switch {
		case !roleForm.MatchString(c.Name):
			p.add(ReasonRoleName, "role.name", "role.name has to be the name of a role: 1 to 64 letters, digits, dots, underscores and hyphens, without the rest of its ARN")
		case strings.EqualFold(c.Name, RoleAliyun):
			p.add(ReasonRoleName, "role.name", fmt.Sprintf("%s has a role type of its own, which asks for consent", RoleAliyun))
		case ofAJob(c.Name, rolePrefix):
			p.add(ReasonRoleName, "role.name", fmt.Sprintf("%s belongs to another ticket and goes with it", c.Name))
		}
	default:
		p.add(ReasonInvalid, "role.type", fmt.Sprintf("%q is not a role type", c.Type))
	}
}

func validateConsent(p *Problems, r Request) {
	for i, c := range r.Role.Consent {
		if c != ConsentBuckets && c != ConsentKeys {
			p.add(ReasonInvalid, fmt.Sprintf("role.consent[%d]", i), fmt.Sprintf("nobody can consent to %q; possible are %q and %q", c, ConsentBuckets, ConsentKeys))
		} else if slices.Contains(r.Role.Consent[:i], c) {
			p.add(ReasonInvalid, fmt.Sprintf("role.consent[%d]", i), fmt.Sprintf("%q is there twice", c))
		}
	}
	if !slices.Contains(r.Role.Consent, ConsentBuckets) {
		p.add(ReasonRoleConsent, "role.consent", fmt.Sprintf("%s may do everything with all buckets of account %s, and role.consent does not name %q", RoleAliyun, r.Source.Account, ConsentBuckets))
	}
	if r.KMSKey() != "" && !slices.Contains(r.Role.Consent, ConsentKeys) {
		p.add(ReasonRoleConsent, "role.consent", fmt.Sprintf("with KMS %s may use all KMS keys of account %s, and role.consent does not name %q", RoleAliyun, r.Source.Account, ConsentKeys))
	}
	if r.Across() {
		p.add(ReasonRoleAcross, "role.type", fmt.Sprintf("%s is for pairs within one account", RoleAliyun))
	}
}

// ownRole reports whether the role is the job's own: nobody else has one of its name.
func (j *Job) ownRole() bool { return j.Request.Role.Type == RoleNew || j.Request.Role.Type == "" }

// ownPolicy reports whether the role has, or is to have, a policy that the job makes.
func (j *Job) ownPolicy() bool { return j.ownRole() || j.Role != nil && j.Role.Adds }

// A RoleFound is what preflight found out about a role that is not the job's own.
type RoleFound struct {
	Exists bool `json:"exists,omitempty"` // it was there, and OSS may assume it
	Full   bool `json:"full,omitempty"`   // of RoleAliyun: PolicyOSSFull was on it
	Keys   bool `json:"keys,omitempty"`   // of RoleAliyun, with KMS: KMSPolicy was on it
	Adds   bool `json:"adds,omitempty"`   // it may not do enough, and a policy of our own is added
	// Wide names the policies with which it reaches every bucket of the account.
	Wide []string `json:"wide,omitempty"`
	// WideKeys names those with which it reaches every key of the account, with KMS.
	WideKeys []string `json:"wideKeys,omitempty"`
}

// found returns what preflight found of the role.
func (j *Job) found() *RoleFound {
	if j.Role == nil { // a job of a broken program: it is looked at again
		j.Role = &RoleFound{}
	}
	return j.Role
}

// warning is what the source documents warn of with a role that reaches too far; ""
// when it does not. [fact 74]
func (j *Job) warning() string {
	if j.Role == nil {
		return ""
	}
	var reach []string
	for _, w := range []struct {
		what     string
		policies []string
	}{{"buckets", j.Role.Wide}, {"KMS keys", j.Role.WideKeys}} {
		if len(w.policies) > 0 {
			reach = append(reach, fmt.Sprintf("all %s of account %s (%s)", w.what, j.Request.Source.Account, strings.Join(w.policies, ", ")))
		}
	}
	if len(reach) == 0 {
		return ""
	}
	return fmt.Sprintf("role %s reaches %s: use it with caution", j.Request.RoleName(), strings.Join(reach, " and "))
}

// looksAtRole returns what has to be seen of the role before it is judged.
func (j *Job) looksAtRole() Look {
	switch {
	case j.ownRole():
		return 0
	case j.Request.Role.Type == RoleCustom:
		return LookRole | LookRights
	}
	return LookRole | LookAttachment
}

// roleFits judges a role that is not the job's own, before anything is made. A role
// that does not fit blocks the job: somebody can make it fit.
func roleFits(j *Job, v View) (s Step, busy bool) {
	if l := j.looksAtRole(); l == 0 {
		return Step{}, false
	} else if !v.Seen.Has(l) {
		return Step{Look: l}, true
	}
	r, role := j.Request, *v.Seen.Role
	if r.Role.Type == RoleAliyun {
		if role.Is == Exists && !policy.Trusts(role.Trust, ossService) {
			return block(j, ReasonTrustBroken, fmt.Sprintf("role %s does not let OSS assume it", r.RoleName()), v), true
		}
		j.Role = &RoleFound{Exists: role.Is == Exists, Full: v.Seen.Attachment.has(PolicyOSSFull), Wide: []string{PolicyOSSFull}}
		if r.KMSKey() != "" {
			j.Role.Keys, j.Role.WideKeys = v.Seen.Attachment.has(KMSPolicy), []string{KMSPolicy}
		}
		return Step{}, false
	}
	held := v.Seen.Rights.lasting("")
	gaps := policy.Gaps(held, rightsFor(r))
	switch denied := denials(gaps); {
	case role.Is == Missing:
		return block(j, ReasonRoleNotFound, fmt.Sprintf("there is no role %s in account %s; it needs %s", r.RoleName(), r.Source.Account, roleNeeds(r)), v), true
	case !policy.Trusts(role.Trust, ossService):
		return block(j, ReasonTrustBroken, fmt.Sprintf("role %s does not let OSS assume it; its trust policy has to have %s", r.RoleName(), TrustPolicy()), v), true
	case len(denied) > 0:
		return block(j, ReasonRoleDenied, fmt.Sprintf("role %s: %s", r.RoleName(), gapText(denied)), v), true
	case len(gaps) > 0 && !r.Role.AddMissing:
		return block(j, ReasonRoleRights, fmt.Sprintf("role %s: %s; a policy with this would do: %s", r.RoleName(), gapText(gaps), RolePolicy(r)), v), true
	}
	j.Role = &RoleFound{Exists: true, Adds: len(gaps) > 0, Wide: wide(held, r.Source.Account), WideKeys: wideKeys(held, r)}
	return Step{}, false
}

// roleNeeds says what a role for a rule has to have.
func roleNeeds(r Request) string {
	return fmt.Sprintf("the trust policy %s and a policy with %s", TrustPolicy(), RolePolicy(r))
}

// has reports whether a system policy is attached to the role.
func (a *AttachmentSeen) has(system string) bool { return slices.Contains(a.System, system) }
