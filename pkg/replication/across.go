package replication

import (
	"encoding/json"
	"fmt"
	"time"
)

// Across reports whether source and destination belong to two accounts.
func (r Request) Across() bool { return r.Source.Account != r.Destination.Account }

// Declared are facts of a destination that the desk may have no right to look at.
// What can be seen counts instead.
type Declared struct {
	Versioning string `json:"versioning"`      // "enabled" or "disabled"
	Empty      bool   `json:"empty,omitempty"` // no object in the scope of the rule is there
}

// An Access is what is known of the grant at a destination in another account.
type Access struct {
	// Owner: the owner of the destination's account makes the grant (handshake), not
	// this desk.
	Owner bool `json:"owner,omitempty"`
	// Seen is when the bucket policy was seen to allow what the rule needs; zero: not yet,
	// or it cannot be read.
	Seen time.Time `json:"seen,omitzero"`
	// Tries: the policy could not be read, and the job went on to try.
	Tries bool `json:"tries,omitempty"`
	// Declared are the facts of the destination that are the ticket's, in words.
	Declared []string `json:"declared,omitempty"`
	// Returned: the owner was told that the statement may go.
	Returned bool `json:"returned,omitempty"`
}

// access returns what is known of the grant, to be changed.
func (j *Job) access() *Access {
	if j.Access == nil {
		j.Access = &Access{}
	}
	return j.Access
}

// handshake reports whether the owner of the destination's account makes the grant.
func (j *Job) handshake() bool { return j.Access != nil && j.Access.Owner }

// declaredFor returns the destination as it counts: one that does not let us look is as
// the ticket declares, if it does.
func (r Request) declaredFor(seen BucketSeen) BucketSeen {
	if seen.Is != Foreign || !r.Across() || r.Declared == nil {
		return seen
	}
	d := BucketSeen{Is: Exists, Owner: r.Destination.Account, Region: r.Destination.Region}
	if r.Declared.Versioning == "enabled" {
		d.Versioning = "Enabled"
	}
	return d
}

// validateAccounts holds the two accounts against what the desk is set up for.
func validateAccounts(p *Problems, r Request, d Desk) {
	src, dst := r.Source.Account, r.Destination.Account
	if d.Account != "" && src != d.Account && uidForm.MatchString(src) {
		p.add(ReasonAccountUnknown, "source.account", fmt.Sprintf("this desk works in account %s, not in %s", d.Account, src))
	}
	reach := d.Reach(dst)
	if r.Across() && reach == ReachNone && uidForm.MatchString(dst) {
		p.add(ReasonAccountUnknown, "destination.account", fmt.Sprintf("account %s is not one of the accounts in the desk file", dst))
	}
	if f := r.Declared; f != nil {
		switch {
		case !r.Across() || reach == ReachRole || reach == ReachOwn:
			p.add(ReasonInvalid, "declared", "declared is for a destination in an account whose owner makes the grant; here the desk looks for itself")
		case f.Versioning != "enabled" && f.Versioning != "disabled":
			p.add(ReasonInvalid, "declared.versioning", "declared.versioning has to be \"enabled\" or \"disabled\"")
		}
	}
	if w := r.Limits.GrantWithin.Std(); w != 0 {
		switch {
		case !r.Across():
			p.add(ReasonInvalid, "limits.grantWithin", "limits.grantWithin is for a destination in another account")
		case w < time.Minute || w > 90*24*time.Hour:
			p.add(ReasonInvalid, "limits.grantWithin", "limits.grantWithin has to lie between 1m and 2160h")
		}
	}
}

// functionRoles are the roles of the functions that look at destinations.
var functionRoles = []string{"replidesk-provision", "replidesk-verify"}

// LookStatement is the statement of a bucket policy that lets the functions of the desk
// look at a destination in another account: the bucket, and the objects of our own.
func LookStatement(r Request) string {
	var principals []string
	for _, role := range functionRoles {
		principals = append(principals, fmt.Sprintf("arn:sts::%s:assumed-role/%s/*", r.Source.Account, role))
	}
	bucket := fmt.Sprintf("acs:oss:*:%s:%s", r.Destination.Account, r.Destination.Bucket)
	b, err := json.Marshal(statement{Effect: "Allow", Principal: principals,
		Action:   []string{"oss:GetBucketInfo", "oss:GetBucketVersioning", "oss:GetBucketEncryption", "oss:GetBucketPolicy", "oss:GetObject"},
		Resource: []string{bucket, bucket + "/*.replidesk/*"}})
	if err != nil { // strings and slices of strings always marshal
		return ""
	}
	return string(b)
}

// consoleWay is how the owner of the destination's account makes the grant; it keeps
// the policy that stands. [fact 69]
func consoleWay(r Request) string {
	return fmt.Sprintf("in the console of account %s: Buckets > %s > Permission Control > Bucket Policy > Add by GUI > Receive Objects to Replicate; "+
		"Obtain UID and RAM Role From: Source RAM Role ARN for Replication; Source RAM Role ARN for Replication: acs:ram::%s:role/%s; "+
		"Purpose: Cross-account replication; Generate Policy, Save. This keeps the policy that stands there",
		r.Destination.Account, r.Destination.Bucket, r.Source.Account, r.RoleName())
}

// handshakeSteps is what the owner of the destination's account has to do.
func handshakeSteps(r Request) string {
	return consoleWay(r) + ". Or as JSON (Add by Syntax), where a new policy replaces the old one as a whole, so add this to the statements that are there: " +
		GrantFor(r).String() + ". With this statement besides, the desk can also look for itself: " + LookStatement(r)
}

// seenOrDeclared returns the destination as it counts, and which facts of it are the
// ticket's word. It is not known when it neither lets us look nor is declared.
func seenOrDeclared(r Request, v View) (dst BucketSeen, declared []string, known bool) {
	dst = *v.Seen.Destination
	if dst.Is != Foreign || !v.Desk.Handshake(r) {
		return dst, nil, true
	}
	if r.Declared == nil {
		return dst, nil, false
	}
	return r.declaredFor(dst), []string{"versioning " + r.Declared.Versioning}, true
}

// undeclared says what has to be known of a destination that cannot be read.
func undeclared(r Request) string {
	return fmt.Sprintf("%s cannot be read, and the ticket does not declare whether it keeps versions (declared.versioning). "+
		"With this statement in its bucket policy, added to those that are there, the desk can look: %s", r.Destination.Bucket, LookStatement(r))
}

// Handshake reports whether the owner of the destination's account does by hand what
// has to be done there for r.
func (d Desk) Handshake(r Request) bool {
	return r.Across() && d.Reach(r.Destination.Account) != ReachRole
}

// ofGrant are the reasons for which the owner of another account has to act.
func ofGrant(r Reason) bool {
	switch r {
	case ReasonGrantMissing, ReasonGrantUnseen, ReasonGrantDenied, ReasonPolicyFull, ReasonPolicyOdd, ReasonUndeclared,
		ReasonKMSKeyPolicy, ReasonKMSKeyDenied, ReasonKMSKeyUnread, ReasonKMSKeyFull, ReasonKMSKeyAccess:
		return true
	}
	return false
}

// patience is how long a job stays blocked for a reason before it ends.
func (j *Job) patience(r Reason) time.Duration {
	if w := j.Request.Limits.GrantWithin.Std(); w > 0 && ofGrant(r) {
		return w
	}
	return BlockedLost
}

// lostAfter is how long an object of our own may be on its way. While the owner of
// another account has to act it is as long as that may take.
func (j *Job) lostAfter(cause Reason) time.Duration {
	if j.handshake() && ofGrant(cause) {
		return max(CanaryLost, j.patience(cause))
	}
	return CanaryLost
}

// granted returns the policy of a destination with the statement in it.
func granted(r Request, seen *BucketPolicySeen) *BucketPolicySeen {
	if seen == nil {
		return nil
	}
	p, err := ParseResourcePolicy(seen.Document)
	if err != nil {
		return seen
	}
	document, _ := p.Merge(GrantFor(r))
	return &BucketPolicySeen{Is: Exists, Document: document}
}

// across says what people should know of a destination in another account.
func (p *PlanResult) across(j *Job, s Seen) {
	r := j.Request
	if !r.Across() || s.BucketPolicy == nil {
		return
	}
	if doc, err := ParseResourcePolicy(s.BucketPolicy.Document); err == nil {
		if notice := doc.Notice(GrantFor(r)); notice != "" {
			p.note(&p.Risks, "conditional-deny", "%s", notice)
		}
	}
	if s.BucketPolicy.Is == Foreign {
		p.note(&p.Risks, "grant-unseen", "%s [fact 71]", unseenGrant(r))
	}
	if s.Destination != nil && s.Destination.Is == Foreign {
		p.note(&p.Risks, "destination-unseen", "%s does not let the desk look: what the ticket declares is believed, and the evidence is only that the watermark passes the canary", r.Destination.Bucket)
	}
	if j.handshake() {
		p.note(&p.Times, "handshake", "how long the owner of account %s takes is up to them; given up after %s", r.Destination.Account, shortDuration(j.patience(ReasonGrantMissing)))
		return
	}
	if r.lentKey() {
		p.note(&p.Risks, "key-policy-race", "KMS replaces the policy of a key as a whole and without a precondition: a change that somebody makes in the moment between our read and our write is lost; the policy before our write is kept in the log of the key [fact 73]")
	}
	p.note(&p.Risks, "policy-race", "OSS replaces a bucket policy as a whole and without a precondition: a change that somebody makes in the moment between our read and our write is lost; the policy before our write is kept in the log of the bucket [fact 70]")
}
