package replication

import (
	"fmt"
	"time"
)

// decideKMSKey sees to it that the policy of a key in another account lets the role of
// the rule use it: by a role in that account, or by asking its owner.
func decideKMSKey(j *Job, v View) Step {
	r, owner := j.Request, v.Desk.Handshake(j.Request)
	if !j.Made.KeyGrant.IsZero() {
		return next(j, j.following(PhaseKMSKey), v)
	}
	if s, busy := policyBusy(j, EffectGrantKey, j.keyPolicyName(), v); busy {
		return s
	}
	if !v.Seen.Has(LookKeyPolicy) {
		return Step{Look: LookKeyPolicy}
	}
	seen := v.Seen.KeyPolicy
	switch {
	case seen.Is == Foreign && !owner:
		return block(j, ReasonDenied, fmt.Sprintf("the role of account %s may not read the policy of key %s (GetKeyPolicy)", r.Destination.Account, r.KMSKey()), v)
	case seen.Is == Foreign: // to look is to try
		j.risk("kms-key-policy-unread", "the policy of key %s could not be read; unless it does so already, %s", r.KMSKey(), keySteps(r))
		return next(j, j.following(PhaseKMSKey), v)
	}
	reason, message, odd := keyPolicyFault(r, *seen)
	switch {
	case owner && reason == "":
		return next(j, j.following(PhaseKMSKey), v)
	case reason != "" && (owner || odd || reason != ReasonKMSKeyPolicy):
		return block(j, reason, message, v)
	}
	// The effect also records that the job relies on a statement that stands already.
	g := KeyGrantFor(r)
	j.Made.KeyGrantAsked = true
	return Step{Effect: &Effect{Kind: EffectGrantKey, Grant: &g, Document: g.String()}}
}

// settleKMSKey takes what came of that into the job. A policy that was not fit any more
// is looked at again.
func settleKMSKey(j *Job, o Outcome, v View) {
	if o.Result == ResultDone && o.Grant != nil && o.Grant.Granted {
		j.Made.KeyGrant, j.Made.KeyGrantAsked = v.Now, false
	}
}

// revokeKeyGrant takes the statement in the policy of the key back. It reports whether
// there is anything left to do.
func revokeKeyGrant(j *Job, v View) (Step, bool) {
	if j.Made.KeyGrant.IsZero() && !j.Made.KeyGrantAsked {
		return Step{}, false
	}
	if v.Desk.Handshake(j.Request) { // the account does not lend us a role any more: its owner is told
		j.Made.dropKeyGrant()
		left := fmt.Sprintf("%s, which the owner of account %s may remove now, if it stands there", j.keyGrantName(), j.Request.Destination.Account)
		if j.Stop != nil {
			j.leave(true, left)
		} else if j.Ending != nil {
			j.Ending.Message += "; left in place: " + left
		}
		return Step{}, false
	}
	if s, busy := policyBusy(j, EffectRevokeKey, j.keyPolicyName(), v); busy {
		return s, true
	}
	g := KeyGrantFor(j.Request)
	return Step{Effect: &Effect{Kind: EffectRevokeKey, Grant: &g}}, true
}

func (j *Job) keyPolicyName() string { return "the policy of key " + j.Request.KMSKey() }

// keyGrantName names the statement for people.
func (j *Job) keyGrantName() string {
	return fmt.Sprintf("the statement for role %s in %s", j.Request.RoleName(), j.keyPolicyName())
}

func (m *Made) dropKeyGrant() { m.KeyGrant, m.KeyGrantAsked = time.Time{}, false }
