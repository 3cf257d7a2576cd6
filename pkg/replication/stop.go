package replication

import (
	"fmt"
	"strings"
	"time"
)

// Outstanding reports whether the job has failed and left something that may stand.
// Until a stop takes that back, people have to see the job among those that are open.
func (j *Job) Outstanding() bool { return j.Phase == PhaseFailed && j.holds() }

// holds reports whether anything that the job made may stand.
func (j *Job) holds() bool {
	m := j.Made
	proof := j.Verification != nil && j.Verification.Begun && j.Evidence == nil && j.Verification.Cleared.IsZero()
	return j.ruleMayStand() || j.RuleStands() || proof || m.claims() || m.RoleAsked || m.PolicyAsked || m.AttachAsked || m.KMSPolicyAsked || m.GrantAsked || !m.Grant.IsZero() || m.KeyGrantAsked || !m.KeyGrant.IsZero() ||
		!m.Role.IsZero() || !m.Policy.IsZero() || !m.Attachment.IsZero() || !m.KMSPolicy.IsZero()
}

func decideClearing(j *Job, v View) Step {
	if !j.Verification.Cleared.IsZero() {
		s := next(j, PhaseStopping, v)
		j.Reason = ReasonStopping
		return s
	}
	return Step{Effect: &Effect{Kind: EffectCleanUp, Keys: j.Verification.keys()}}
}

func settleClearing(j *Job, o Outcome, v View) {
	if o.Result == ResultDone {
		cleared(j, o.LeftOver, v)
	}
}

// cleared ends the clean-up of a proof that was broken off. Nothing is deleted at
// the destination but by the rule itself. [fact 13]
func cleared(j *Job, left []string, v View) {
	p := j.Verification
	p.Cleared = v.Now
	for _, k := range left {
		j.Stop.Left = append(j.Stop.Left, fmt.Sprintf("object %s/%s", j.Request.Source.Bucket, k))
	}
	j.Stop.Left = append(j.Stop.Left, fmt.Sprintf("perhaps the copy %s/%s", j.Request.Destination.Bucket, p.Key))
}

// stoppingParts are taken back in this order: without the rule the grants are of no
// use, and the pair is free when nothing else of the job can disturb its next owner.
var stoppingParts = []func(*Job, View) (s Step, busy bool){stopRule, stopGrant, stopAttachment, stopKMSGrant, stopPolicy, stopRole, stopPair}

func decideStopping(j *Job, v View) Step {
	for _, part := range stoppingParts {
		if s, busy := part(j, v); busy {
			return s
		}
	}
	o := j.Stop
	if len(o.Removed)+len(o.Left) == 0 {
		return finish(j, PhaseCancelled, ReasonCancelled, fmt.Sprintf("%s (%s)", ReasonCancelled.Meaning(), o), v)
	}
	message := ReasonStopped.Meaning()
	if len(o.Removed) > 0 {
		message += "; taken back: " + strings.Join(o.Removed, ", ")
	}
	return finish(j, PhaseStopped, ReasonStopped, message, v)
}

// stopRule closes the rule of the job and waits until it has gone.
func stopRule(j *Job, v View) (Step, bool) {
	if !j.ruleMayStand() {
		return Step{}, false
	}
	if j.Request.adopts() && j.Stop.Action == ActionCancel { // that nothing comes of an adoption says nothing of the rule
		j.Stop.Left = append(j.Stop.Left, j.ruleName()+", as it was found")
		j.letGo(v)
		return Step{}, false
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}, true
	}
	g, ok := v.Seen.Rules.Find(j.Rule.ID, j.Request.Destination.Bucket)
	closed := j.Last != nil && j.Last.Effect == EffectCloseRule && j.Last.Result == ResultDone
	until, behind := mayAppear(j, v)
	lost := j.Since.Add(ClosingLost)
	switch {
	case !ok && behind && !closed:
		return hold(j, ReasonStopping, "whether a rule was made is looked at", until), true
	case !ok, !j.made(g):
		if j.RuleStands() {
			j.Stop.Removed = append(j.Stop.Removed, j.ruleName())
			if j.Request.adopts() {
				j.Stop.Left = append(j.Stop.Left, j.adoptedRole())
			}
		}
		j.Made.Rule, j.Rule.Ended, j.Rule.Unsettled = time.Time{}, v.Now, false
		return Step{}, false
	case !v.Now.Before(lost):
		return fail(j, ReasonRuleClosing, fmt.Sprintf("rule %s is still %s %s after it was to be closed", g.ID, g.Status, shortDuration(ClosingLost)), v), true
	case g.Status == RuleClosing:
		j.Rule.ID, j.Made.Rule = g.ID, orNow(j.Made.Rule, v)
		return wait(j, ReasonStopping, fmt.Sprintf("rule %s is closing", g.ID), v.growing(j.Since, closingEvery, slowest, lost)), true
	case closed && v.Now.Sub(j.Last.At) < UnseenLimit: // a read that lies behind
		return wait(j, ReasonStopping, fmt.Sprintf("rule %s was closed but is still listed as %s", g.ID, g.Status), v.after(unseenEvery)), true
	}
	j.Rule.ID, j.Made.Rule = g.ID, orNow(j.Made.Rule, v)
	return closeRule(j), true
}

func orNow(t time.Time, v View) time.Time {
	if t.IsZero() {
		return v.Now
	}
	return t
}

// stopAttachment takes the policy off the role, unless somebody has put the role
// into a rule of their own: then all three stay. Of a role that is not the job's own
// the policy stays only when another rule may rest on it.
func stopAttachment(j *Job, v View) (Step, bool) {
	m, role := &j.Made, j.Request.RoleName()
	if m.Attachment.IsZero() && !m.AttachAsked {
		return Step{}, false
	}
	if j.Request.Role.Type == RoleAliyun { // whoever else uses the role needs the policy
		j.leave(!m.Attachment.IsZero(), fmt.Sprintf("policy %s on role %s, which all of the account share", PolicyOSSFull, role))
		m.dropAttachment()
		return Step{}, false
	}
	l := LookRules
	if !j.ownRole() {
		l |= LookRights
	}
	if !v.Seen.Has(l) {
		return Step{Look: l}, true
	}
	if m.Attachment.IsZero() && !j.ownRole() && !v.Seen.Rights.holds(j.Request.PolicyName()) {
		if until, behind := lagging(j, EffectAttach, v); behind {
			return hold(j, ReasonStopping, "whether the policy was attached is looked at", until), true
		}
		m.dropAttachment() // it may have been asked for without the right to
		return Step{}, false
	}
	if left := j.neededByOthers(v.Seen); left != "" {
		j.Stop.Left = append(j.Stop.Left, left)
		m.dropGrants()
		return Step{}, false
	}
	return Step{Effect: &Effect{Kind: EffectDetach, Role: role, Policy: j.Request.PolicyName()}}, true
}

// neededByOthers names what another rule of the source keeps the job from taking back;
// "" when nothing does. A rule that does not show its role may have any that is not
// the job's own.
func (j *Job) neededByOthers(s Seen) string {
	role, policy, source := j.Request.RoleName(), j.Request.PolicyName(), j.Request.Source.Bucket
	for _, g := range s.Rules.Rules {
		switch {
		case g.ID == j.Rule.id():
		case j.ownRole() && g.SyncRole == role:
			return fmt.Sprintf("role %s and policy %s, because rule %s of %s uses the role", role, policy, g.ID, source)
		case !j.ownRole() && (g.SyncRole == role || g.SyncRole == "") && j.relies(g, s.Rights):
			return fmt.Sprintf("policy %s on role %s, because rule %s of %s may need it", policy, role, g.ID, source)
		}
	}
	return ""
}

func (r *Rule) id() string {
	if r == nil {
		return ""
	}
	return r.ID
}

func (m *Made) dropRole()   { m.Role, m.RoleAsked = time.Time{}, false }
func (m *Made) dropPolicy() { m.Policy, m.PolicyAsked = time.Time{}, false }
func (m *Made) dropAttachment() {
	m.Attachment, m.AttachAsked = time.Time{}, false
}

func (m *Made) dropGrant() { m.Grant, m.GrantAsked = time.Time{}, false }

func (m *Made) dropGrants() {
	m.dropAttachment()
	m.dropKMSPolicy()
	m.dropPolicy()
	m.dropRole()
}

// stopPolicy deletes the policy if it is as the job made it and nobody else uses it.
func stopPolicy(j *Job, v View) (Step, bool) {
	m, name := &j.Made, j.Request.PolicyName()
	ours := !m.Policy.IsZero()
	if !ours && !m.PolicyAsked {
		return Step{}, false
	}
	if l := LookPolicy | LookPolicyUse; !v.Seen.Has(l) {
		return Step{Look: l}, true
	}
	s, use := v.Seen.Policy, v.Seen.PolicyUse
	why := ""
	switch others := without(use.By, "role "+j.Request.RoleName()); {
	case s.Is == Missing:
		if until, behind := lagging(j, EffectCreatePol, v); behind {
			return hold(j, ReasonStopping, "whether the policy was made is looked at", until), true
		}
		j.removed(ours, "policy "+name)
		m.dropPolicy()
		return Step{}, false
	case !SameDocument(s.Document, RolePolicy(j.Request)):
		why = "because it was changed"
	case use.Versions > 1:
		why = fmt.Sprintf("because it has %d versions, of which the job made one", use.Versions)
	case len(others) > 0:
		why = "because it is attached to " + strings.Join(others, ", ")
	default:
		return Step{Effect: &Effect{Kind: EffectDeletePol, Policy: name}}, true
	}
	j.leave(ours, fmt.Sprintf("policy %s, %s", name, why))
	m.dropPolicy()
	return Step{}, false
}

// stopRole deletes the role if it is as the job made it and nobody has given it
// more rights.
func stopRole(j *Job, v View) (Step, bool) {
	m, name := &j.Made, j.Request.RoleName()
	ours := !m.Role.IsZero()
	if !ours && !m.RoleAsked {
		return Step{}, false
	}
	if !j.ownRole() {
		j.leave(ours, fmt.Sprintf("role %s, which all of the account share", name))
		m.dropRole()
		return Step{}, false
	}
	if l := LookRole | LookAttachment; !v.Seen.Has(l) {
		return Step{Look: l}, true
	}
	s, others := v.Seen.Role, v.Seen.Attachment.Others
	why := ""
	switch {
	case s.Is == Missing:
		if until, behind := lagging(j, EffectCreateRole, v); behind {
			return hold(j, ReasonStopping, "whether the role was made is looked at", until), true
		}
		j.removed(ours, "role "+name)
		m.dropRole()
		return Step{}, false
	case !SameDocument(s.Trust, TrustPolicy()):
		why = "because its trust policy was changed"
	case len(others) > 0:
		why = "because it has the policy " + strings.Join(others, ", ")
	default:
		return Step{Effect: &Effect{Kind: EffectDeleteRole, Role: name}}, true
	}
	j.leave(ours, fmt.Sprintf("role %s, %s", name, why))
	m.dropRole()
	return Step{}, false
}

func stopPair(j *Job, _ View) (Step, bool) {
	if !j.Made.claims() {
		return Step{}, false
	}
	return Step{Effect: releasePair(j)}, true
}

func (j *Job) removed(ours bool, what string) {
	if ours {
		j.Stop.Removed = append(j.Stop.Removed, what)
	}
}

// leave names what stays. What the job cannot be shown to have made is nobody's
// business here.
func (j *Job) leave(ours bool, what string) {
	if ours {
		j.Stop.Left = append(j.Stop.Left, what)
	}
}

func without(list []string, s string) []string {
	var rest []string
	for _, e := range list {
		if e != s {
			rest = append(rest, e)
		}
	}
	return rest
}

func settleStopping(j *Job, o Outcome, _ View) {
	if o.Result != ResultDone {
		return
	}
	switch o.Effect {
	case EffectRevoke, EffectRevokeKey:
		removed, left := settleRevoke(j, o)
		j.removed(removed != "", removed)
		j.leave(left != "", left)
	case EffectDetach:
		j.Made.dropAttachment()
	case EffectDetachSystem:
		j.Made.dropKMSPolicy()
	case EffectDeletePol:
		j.removed(true, "policy "+j.Request.PolicyName())
		j.Made.dropPolicy()
	case EffectDeleteRole:
		j.removed(true, "role "+j.Request.RoleName())
		j.Made.dropRole()
	case EffectReleasePair:
		j.released()
	}
}
