package replication

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A StopOrder is the wish, written by the job of a stop ticket into the log of its
// target, that the target be taken down.
type StopOrder struct {
	By     string    `json:"by"` // the stop ticket
	At     time.Time `json:"at"`
	Served time.Time `json:"served,omitzero"` // when it was carried out or given up; zero: it is open

	Removed []string `json:"removed,omitempty"` // what was taken back
	Left    []string `json:"left,omitempty"`    // what stays for good, and why
}

// Ordered reports whether an order to stop is open.
func (j *Job) Ordered() bool { return j.Stop != nil && j.Stop.Served.IsZero() }

// takenDown reports whether an open order is being carried out.
func (j *Job) takenDown() bool {
	p := j.Phase
	if p == PhaseBlocked && j.Block != nil {
		p = j.Block.Resume
	}
	return j.Ordered() && (p == PhaseClearing || p == PhaseStopping)
}

// Order writes an order into a job and reports whether it did: one that is open
// already stands for both, and a job at rest that holds nothing needs none. It
// touches nothing else of the job, neither phase nor intent, so a worker that is at
// it loses no outcome: see [OnlyOrdered].
func (j *Job) Order(o StopOrder) bool {
	rests := Row(j.Phase).Owner == OwnerNone
	if j.Request.Action == ActionStop || j.Ordered() || rests && !j.holds() {
		return false
	}
	j.Stop = &StopOrder{By: o.By, At: o.At}
	if j.Intent == nil { // due at once
		j.Due, j.CheckBy = time.Time{}, o.At
	}
	return true
}

// OnlyOrdered reports whether an entry is the one before it with an order and
// nothing else: then whoever had begun with the one before may go on from this one.
func OnlyOrdered(before, after *Job) bool {
	if after.Stop == nil {
		return false
	}
	c := before.Clone()
	if !c.Order(*after.Stop) {
		return false
	}
	x, errX := json.Marshal(c)
	y, errY := json.Marshal(after)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// holds reports whether anything that the job made may stand.
func (j *Job) holds() bool {
	m := j.Made
	proof := j.Verification != nil && j.Verification.Begun && j.Evidence == nil && j.Verification.Cleared.IsZero()
	return j.ruleMayStand() || j.RuleStands() || proof || m.PairAsked || m.RoleAsked || m.PolicyAsked || m.AttachAsked ||
		!m.Pair.IsZero() || !m.Role.IsZero() || !m.Policy.IsZero() || !m.Attachment.IsZero()
}

// Cancelled returns the first entry of a job whose ticket has not come yet, because
// the stop that names it was faster. The ticket is answered with its result.
func Cancelled(id string, o StopOrder) *Job {
	o.Served = o.At
	j := &Job{ID: id, Request: Request{SpecVersion: "1", ID: id, Action: ActionReplicate}, Received: o.At, Since: o.At, Phase: PhaseCancelled, Stop: &o,
		Reason: ReasonCancelled, Message: fmt.Sprintf("stop ticket %s came before ticket %s", o.By, id)}
	j.emit(EventStopped, j.Reason, j.Message, o.At)
	return j
}

// CameTooLate reports whether the job was stopped before its ticket came.
func (j *Job) CameTooLate() bool { return j.Fingerprint == "" }

// Decide looks at the job as saved and at what was seen and says what to do: what
// its phase decides, unless an open order takes it down.
func Decide(j *Job, v View) Step {
	if !j.Ordered() || j.takenDown() {
		return Row(j.Phase).Decide(j, v)
	}
	p := PhaseStopping
	if x := j.Verification; x != nil && x.Begun && j.Evidence == nil && x.Cleared.IsZero() {
		p = PhaseClearing
	}
	s := next(j, p, v)
	j.Ending, j.Crashes = nil, 0
	j.Reason = ReasonStopping
	return s
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
var stoppingParts = []func(*Job, View) (s Step, busy bool){stopRule, stopAttachment, stopPolicy, stopRole, stopPair}

func decideStopping(j *Job, v View) Step {
	for _, part := range stoppingParts {
		if s, busy := part(j, v); busy {
			return s
		}
	}
	o := j.Stop
	if len(o.Removed)+len(o.Left) == 0 {
		return finish(j, PhaseCancelled, ReasonCancelled, fmt.Sprintf("%s (stop ticket %s)", ReasonCancelled.Meaning(), o.By), v)
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
// into a rule of their own: then all three stay.
func stopAttachment(j *Job, v View) (Step, bool) {
	m, role := &j.Made, j.Request.RoleName()
	if m.Attachment.IsZero() && !m.AttachAsked {
		return Step{}, false
	}
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}, true
	}
	for _, g := range v.Seen.Rules.Rules {
		if g.SyncRole == role && g.ID != j.Rule.id() {
			j.Stop.Left = append(j.Stop.Left, fmt.Sprintf("role %s and policy %s, because rule %s of %s uses the role", role, j.Request.PolicyName(), g.ID, j.Request.Source.Bucket))
			m.dropGrants()
			return Step{}, false
		}
	}
	return Step{Effect: &Effect{Kind: EffectDetach, Role: role, Policy: j.Request.PolicyName()}}, true
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

func (m *Made) dropGrants() {
	m.dropAttachment()
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
	if j.Made.Pair.IsZero() && !j.Made.PairAsked {
		return Step{}, false
	}
	return Step{Effect: &Effect{Kind: EffectReleasePair}}, true
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
	case EffectDetach:
		j.Made.dropAttachment()
	case EffectDeletePol:
		j.removed(true, "policy "+j.Request.PolicyName())
		j.Made.dropPolicy()
	case EffectDeleteRole:
		j.removed(true, "role "+j.Request.RoleName())
		j.Made.dropRole()
	case EffectReleasePair:
		j.Made.Pair, j.Made.PairAsked = time.Time{}, false
	}
}
