package replication

import (
	"fmt"
	"time"
)

// decideDestination sees to it that the bucket policy of a destination in another
// account lets the role write there: by a role in that account, or by asking its owner.
func decideDestination(j *Job, v View) Step {
	r, g := j.Request, GrantFor(j.Request)
	if !j.Made.Grant.IsZero() || j.handshake() && (!j.Access.Seen.IsZero() || j.Access.Tries) {
		return next(j, j.following(PhaseDestination), v)
	}
	j.access().Owner = v.Desk.Handshake(r)
	if s, busy := policyBusy(j, EffectGrant, j.bucketPolicyName(), v); busy {
		return s
	}
	if !v.Seen.Has(LookBucketPolicy) {
		return Step{Look: LookBucketPolicy}
	}
	seen := v.Seen.BucketPolicy
	if seen.Is == Foreign {
		if !j.Access.Owner {
			return block(j, ReasonDenied, policyDenied(r), v)
		}
		return tryBlindly(j, v)
	}
	reason, message := grantFault(r, *seen)
	switch {
	case j.Access.Owner && reason == "":
		j.Access.Seen = v.Now
		return next(j, j.following(PhaseDestination), v)
	case reason != "" && (j.Access.Owner || reason != ReasonGrantMissing):
		return block(j, reason, message, v)
	}
	// The effect also records that the job relies on a statement that stands already.
	j.Made.GrantAsked = true
	return Step{Effect: &Effect{Kind: EffectGrant, Grant: &g, Document: g.String()}}
}

// policyDenied says that our role in the other account lacks a right.
func policyDenied(r Request) string {
	return fmt.Sprintf("the role of account %s may not read the bucket policy of %s (GetBucketPolicy)", r.Destination.Account, r.Destination.Bucket)
}

// grantFault returns what is wrong with the policy of the destination, which could be
// read, or "".
func grantFault(r Request, seen BucketPolicySeen) (Reason, string) {
	g := GrantFor(r)
	p, err := ParseResourcePolicy(seen.Document)
	if err != nil {
		return ReasonPolicyOdd, fmt.Sprintf("the bucket policy of %s cannot be taken apart: %s", r.Destination.Bucket, err)
	}
	if reason, message := p.Unfit(g); reason != "" {
		return reason, fmt.Sprintf("%s: %s", r.Destination.Bucket, message)
	}
	if !p.Allows(g) {
		return ReasonGrantMissing, fmt.Sprintf("the bucket policy of %s does not let role %s write there; ", r.Destination.Bucket, r.RoleName()) + handshakeSteps(r)
	}
	return "", ""
}

// tryBlindly goes on although the policy cannot be read: to look is to try. Its owner
// is told once what has to stand there.
func tryBlindly(j *Job, v View) Step {
	j.Access.Tries = true
	j.emit(EventBlocked, ReasonGrantUnseen, unseenGrant(j.Request), v.Now)
	return next(j, j.following(PhaseDestination), v)
}

func unseenGrant(r Request) string {
	return fmt.Sprintf("whether the bucket policy of %s lets role %s write there cannot be read; unless it does already, ", r.Destination.Bucket, r.RoleName()) + handshakeSteps(r)
}

// settleDestination takes what came of the grant into the job. A policy that was not
// fit any more is looked at again.
func settleDestination(j *Job, o Outcome, v View) {
	if o.Result == ResultDone && o.Grant != nil && o.Grant.Granted {
		j.Made.Grant, j.Made.GrantAsked = v.Now, false
		j.access().Seen = v.Now
	}
}

// policyBusy waits for another job that is changing the policy of that name, or for a moment after a change that came to nothing.
func policyBusy(j *Job, k EffectKind, name string, v View) (Step, bool) {
	o := j.Last
	if o == nil || o.Effect != k || o.Result != ResultDone || o.Grant == nil {
		return Step{}, false
	}
	again := o.At.Add(v.paced(unseenEvery))
	if o.Grant.Busy == "" && o.Grant.Reason == "" || !v.Now.Before(again) {
		return Step{}, false
	}
	message := fmt.Sprintf("job %s is changing %s", o.Grant.Busy, name)
	if o.Grant.Busy == "" {
		message = fmt.Sprintf("%s: %s", name, o.Grant.Message)
	}
	return wait(j, ReasonPolicyBusy, message, v.by(again)), true
}

// grantCause names the grant as the cause of copies that do not arrive, or "".
func grantCause(j *Job, s Seen) (Reason, string) {
	if !j.Request.Across() || s.BucketPolicy == nil {
		return "", ""
	}
	if s.BucketPolicy.Is == Foreign {
		return ReasonGrantUnseen, unseenGrant(j.Request)
	}
	return grantFault(j.Request, *s.BucketPolicy)
}

// revokeGrant takes the statement back, or tells its owner that it may go. It reports
// whether there is anything left to do.
func revokeGrant(j *Job, v View) (Step, bool) {
	if j.Made.Grant.IsZero() && !j.Made.GrantAsked {
		return Step{}, false
	}
	if v.Desk.Handshake(j.Request) { // the account does not lend us a role any more: its owner is told
		j.Made.dropGrant()
		a := j.access()
		a.Owner, a.Tries = true, true
		return Step{}, false
	}
	if s, busy := policyBusy(j, EffectRevoke, j.bucketPolicyName(), v); busy {
		return s, true
	}
	g := GrantFor(j.Request)
	return Step{Effect: &Effect{Kind: EffectRevoke, Grant: &g}}, true
}

// settleRevoke takes what came of that into the job, and returns how it is told: what
// was taken back, and what stays.
func settleRevoke(j *Job, o Outcome) (removed, left string) {
	name, drop := j.grantName(), j.Made.dropGrant
	if o.Effect == EffectRevokeKey {
		name, drop = j.keyGrantName(), j.Made.dropKeyGrant
	}
	if !o.Effect.revokes() || o.Result != ResultDone || o.Grant != nil && o.Grant.Busy != "" {
		return "", ""
	}
	drop()
	switch {
	case o.Grant == nil: // the bucket or key is gone
	case o.Grant.Left != "":
		left = fmt.Sprintf("%s, %s", name, o.Grant.Left)
	case o.Grant.Removed:
		removed = name
	}
	return removed, left
}

// grantName names the statement for people.
func (j *Job) grantName() string {
	return fmt.Sprintf("the statement for role %s in %s", j.Request.RoleName(), j.bucketPolicyName())
}

func (j *Job) bucketPolicyName() string {
	return "the bucket policy of " + j.Request.Destination.Bucket
}

// ownersGrant names what the owner of the destination's account may take away when no
// rule of the job stands, or "".
func (j *Job) ownersGrant() string {
	if !j.handshake() || j.Access.Seen.IsZero() && !j.Access.Tries {
		return ""
	}
	return fmt.Sprintf("%s, which the owner of account %s may remove now, if it stands there", j.grantName(), j.Request.Destination.Account)
}

// stopGrant takes the statements back on order.
func stopGrant(j *Job, v View) (Step, bool) {
	for _, take := range []func(*Job, View) (Step, bool){revokeGrant, revokeKeyGrant} {
		if s, busy := take(j, v); busy {
			return s, true
		}
	}
	if left := j.ownersGrant(); left != "" && !j.Access.Returned {
		j.Access.Returned = true
		j.Stop.Left = append(j.Stop.Left, left)
	}
	return Step{}, false
}

// grantAnew has a job that begins again see to its grants again.
func (j *Job) grantAnew() {
	m := &j.Made
	m.Grant, m.GrantAsked = time.Time{}, m.GrantAsked || !m.Grant.IsZero()
	m.KeyGrant, m.KeyGrantAsked = time.Time{}, m.KeyGrantAsked || !m.KeyGrant.IsZero()
	if j.Access != nil {
		j.Access.Seen, j.Access.Tries = time.Time{}, false
	}
}
