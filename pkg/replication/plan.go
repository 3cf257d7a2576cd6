package replication

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Survey is what was read for a plan. Nothing is written for it.
type Survey struct {
	Seen  Seen // what preflight looks at, whether the destination holds objects, and who owns the pair
	More  More // what only plans look at
	Taken *Job // the job that has the ticket's id; nil when there is none
}

// A PlanResult says what the desk would do for a ticket, and what people should
// know before they send it.
type PlanResult struct {
	Ticket      string   `json:"ticket"`
	Accepted    bool     `json:"accepted"`
	Topology    Topology `json:"topology,omitempty"` // "" when the ticket does not say
	Accounts    string   `json:"accounts,omitempty"` // "same" or "cross"; "" when the ticket does not say
	Source      End      `json:"source"`
	Destination End      `json:"destination"`
	Reasons     Problems `json:"reasons"` // why the ticket would be refused
	// Steps are the looks, calls and waits in their order. Of a ticket that would be
	// refused they are those before the refusal.
	Steps []PlanStep `json:"steps"`
	Risks []PlanNote `json:"risks"`
	Final []PlanNote `json:"cannotBeUndone"`
	Times []PlanNote `json:"times"`
	Costs []PlanNote `json:"costs"`
	// SameNames is what the historical copy would overwrite; nil when it overwrites
	// nothing, or was not looked at.
	SameNames *SameNamesSeen `json:"sameNames,omitempty"`
	Ending    Phase          `json:"ending,omitempty"` // where the job would come to rest
	// Omitted says what [PlanResult.Fit] left out; nil: nothing.
	Omitted []string `json:"omitted,omitempty"`
}

// The kinds of step.
const (
	StepLook   = "look"   // something is read
	StepEffect = "effect" // something is changed
	StepWait   = "wait"   // the cloud is waited for
)

// A PlanStep is one thing that the desk would do.
type PlanStep struct {
	Phase  Phase    `json:"phase"`
	Kind   string   `json:"kind"`
	Calls  []string `json:"calls,omitempty"` // of the cloud's API, with what they are about
	Text   string   `json:"text"`
	Effect *Effect  `json:"effect,omitempty"` // with its documents, exactly as it would be saved
	Diff   []string `json:"diff,omitempty"`   // what it makes of a policy or rule, see [DocumentDiff]
}

// A PlanNote is something to know beforehand. [fact N] refers to docs/assumptions.md.
type PlanNote struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// SurveyLooks returns what has to be looked at next for a plan of r; 0 means that
// s shows it all. It asks the phases before the first effect what they want to see.
func SurveyLooks(r Request, d Desk, s Seen, now time.Time) Look {
	j := NewJob(r, now)
	for range table {
		step := Row(j.Phase).Decide(j, View{Now: now, Desk: d, Seen: s})
		if step.Look != 0 {
			return step.Look
		}
		if step.Effect != nil || !step.Wait.IsZero() { // it is not refused: the plan shows what lies at the destination, and tries to claim the pair
			return s.Missing(surveyed(r, d))
		}
		if step.Next == "" || Row(j.Phase).Decide == nil {
			return 0
		}
	}
	return 0
}

// surveyed returns what a plan shows besides. What lies in the bucket of an account
// whose owner acts by hand is not listed.
func surveyed(r Request, d Desk) Look {
	l := LookOwner
	if !d.Handshake(r) {
		l |= LookDestinationEmpty
	}
	if r.Across() {
		l |= LookBucketPolicy
	}
	if r.lentKey() && !r.adopts() {
		l |= LookKeyPolicy
	}
	return l
}

// PlanRefused is the plan of a ticket that is wrong by itself.
func PlanRefused(r Request, p Problems) PlanResult {
	res := newPlan(r)
	res.Reasons = p
	return res
}

func newPlan(r Request) PlanResult {
	res := PlanResult{Ticket: r.ID, Source: r.Source, Destination: r.Destination, Reasons: Problems{},
		Steps: []PlanStep{}, Risks: []PlanNote{}, Final: []PlanNote{}, Times: []PlanNote{}, Costs: []PlanNote{}}
	if r.Source.Region != "" && r.Destination.Region != "" {
		res.Topology = r.Topology()
	}
	if a, b := r.Source.Account, r.Destination.Account; a != "" && b != "" {
		res.Accounts = map[bool]string{true: "same", false: "cross"}[a == b]
	}
	return res
}

// Plan says what the desk would do for r. It walks the same table as the jobs do,
// with what was seen and, after the first effect, with everything going well: so a
// plan cannot say anything else than what is done.
func Plan(r Request, d Desk, s Survey, now time.Time) PlanResult {
	r.DryRun = false // what is planned is the ticket that is in earnest
	unapproved := Validate(r, d)
	if !unapproved.Plannable() {
		return PlanRefused(r, unapproved)
	}
	res := newPlan(r)
	if s.Taken != nil {
		return planOfTaken(res, r, *s.Taken)
	}
	w := &walk{job: NewJob(r, now), now: now, desk: d, survey: s, res: &res}
	w.run()
	res.Ending = w.job.Phase
	if w.job.Phase != PhaseWatching {
		res.Reasons.add(w.job.Reason, planFields[w.job.Reason], w.job.Message)
		if w.job.Reason == ReasonOverwrite {
			res.sameNames(r, w.job.Versioned, s.Seen, s.More.SameNames)
		}
		res.Reasons = append(res.Reasons, unapproved...)
		return res
	}
	res.Accepted = len(unapproved) == 0
	res.Reasons = append(res.Reasons, unapproved...)
	res.annotate(w.job, s)
	res.guardrails(d)
	return res
}

// planOfTaken is the plan of a ticket whose id is known already.
func planOfTaken(res PlanResult, r Request, j Job) PlanResult {
	switch {
	case j.Fingerprint != r.Fingerprint():
		res.Reasons = IDReused(r.ID)
	case j.Phase == PhaseRejected || j.Phase == PhaseFailed || j.Phase == PhaseCancelled:
		res.Ending = j.Phase
		res.Reasons.add(j.Reason, "", fmt.Sprintf("this very ticket has ended already (%s): %s", j.Phase, j.Message))
	default:
		res.Accepted, res.Ending = true, j.Phase
		res.Risks = append(res.Risks, PlanNote{"ticket-known", fmt.Sprintf("this very ticket was taken in already and is in %s; sending it again only repeats its last answer", j.Phase)})
	}
	return res
}

// planFields are the fields of a ticket that a refusal after a look is about.
var planFields = map[Reason]string{
	ReasonSourceMissing: "source.bucket", ReasonSourceNotOurs: "source.bucket", ReasonSourceRegion: "source.region",
	ReasonDestinationMissing: "destination.bucket", ReasonDestinationNotOurs: "destination.bucket", ReasonDestinationRegion: "destination.region",
	ReasonRegionNotAllowed: "destination.region", ReasonAccelerationNeeded: "transferAcceleration", ReasonAccelerationPointless: "transferAcceleration",
	ReasonRTCNotOffered: "rtc", ReasonOverwrite: "historical.acceptOverwrite", ReasonRuleExists: "destination.bucket", ReasonPairOwned: "destination.bucket",
	ReasonGrantDenied: "destination.bucket", ReasonPolicyFull: "destination.bucket", ReasonPolicyOdd: "destination.bucket", ReasonUndeclared: "declared",
	ReasonTargetUnknown: "target", ReasonTargetPair: "target", ReasonTargetUnfit: "target",
	ReasonAdoptMissing: "target", ReasonAdoptClosing: "target", ReasonPairDiffers: "destination.bucket", ReasonDuplicate: "destination.bucket",
	ReasonKMSDefaultKey: "kms", ReasonKMSKeyNotFound: "kms.keyId", ReasonKMSKeyUnsuited: "kms.keyId", ReasonKMSKeyDisabled: "kms.keyId",
	ReasonKMSKeyDeleted: "kms.keyId", ReasonKMSKeyImport: "kms.keyId", ReasonKMSNotOffered: "destination.region",
	ReasonKMSKeyDenied: "kms.keyId", ReasonKMSKeyFull: "kms.keyId", ReasonKMSKeyPolicy: "kms.keyId",
	ReasonRoleNotFound: "role.name", ReasonTrustBroken: "role", ReasonRoleRights: "role", ReasonRoleDenied: "role",
}

// A walk carries a job through the table without a world.
type walk struct {
	job    *Job
	now    time.Time
	desk   Desk
	survey Survey
	res    *PlanResult
}

// run goes on until the job rests. A table that never rests is cut off: the plan
// then ends in a phase that is no end, which nobody takes for an accepted ticket.
func (w *walk) run() {
	for range 10 * len(table) {
		if Row(w.job.Phase).Decide == nil || w.job.Phase == PhaseBlocked && w.job.Made.Pair.IsZero() && w.job.Reason != ReasonGrantMissing { // what it lacks was seen, not made up
			return
		}
		step := w.decide()
		if w.job.Phase == PhaseBlocked && !w.mends() { // nobody is known to mend it
			return
		}
		switch {
		case step.Effect != nil:
			w.carryOut(*step.Effect)
		case !step.Wait.IsZero():
			w.wait(step.Wait)
		case step.Next == "":
			return
		}
	}
}

// decide takes one decision, and writes down what it looks at.
func (w *walk) decide() Step {
	var seen Seen
	for {
		j := w.job.Clone()
		step := Row(j.Phase).Decide(j, View{Now: w.now, Desk: w.desk, Seen: seen})
		missing := seen.Missing(step.Look)
		if missing == 0 {
			w.job = j
			return step
		}
		before := seen
		show(&seen, w.world(), missing)
		if seen.Missing(missing) != 0 { // nothing of this sort was seen: what follows is not known
			seen = before
			w.note(PlanStep{Kind: StepLook, Calls: callsOf(missing, w.job), Text: "what follows depends on what is seen then"})
			return Step{}
		}
		w.note(PlanStep{Kind: StepLook, Calls: callsOf(missing, w.job), Text: Row(w.job.Phase).Meaning})
	}
}

func (w *walk) note(s PlanStep) {
	s.Phase = w.job.Phase
	w.res.Steps = append(w.res.Steps, s)
}

// carryOut lets an effect go well.
func (w *walk) carryOut(e Effect) {
	w.note(PlanStep{Kind: StepEffect, Calls: effectCalls(e, w.job.Request), Text: effectTexts[e.Kind], Effect: &e, Diff: w.diff(e)})
	o := Outcome{Effect: e.Kind, Result: ResultDone, At: w.now}
	switch e.Kind {
	case EffectClaimPair:
		o.Owner = w.job.ID
		if s := w.survey.Seen.Owner; s != nil && s.Job != "" {
			o.Owner = s.Job
		}
	case EffectPutRule:
		o.RuleID = unknownRule
	case EffectGrant, EffectGrantKey:
		o.Grant = &Granting{Granted: true, Made: true}
	case EffectOrder:
		o.Target = w.takeTargetDown()
	}
	Settle(w.job, o, View{Now: w.now, Desk: w.desk})
}

// mends reports whether somebody is known to mend what blocks the job: the owner of
// another account, who is told how.
func (w *walk) mends() bool {
	if w.job.Reason == ReasonKMSKeyPolicy {
		_, _, odd := keyPolicyFault(w.job.Request, *w.world().KeyPolicy)
		return !odd
	}
	return w.job.Reason == ReasonGrantMissing
}

// diff shows what an effect makes of a document. All that a job makes is new, but for
// the policies of the destination and of its key, to which its statements are added.
func (w *walk) diff(e Effect) []string {
	if seen := w.survey.Seen.KeyPolicy; e.Kind == EffectGrantKey && seen != nil {
		return DocumentDiff(seen.Document, lentWith(w.job.Request, seen).Document)
	}
	if seen := w.survey.Seen.BucketPolicy; e.Kind == EffectGrant && seen != nil && seen.Is == Exists {
		return DocumentDiff(seen.Document, granted(w.job.Request, seen).Document)
	}
	if e.Rule == nil {
		return DocumentDiff("", e.Document)
	}
	b, err := json.Marshal(e.Rule)
	if err != nil { // a rule is strings and lists of them
		return nil
	}
	return DocumentDiff("", string(b))
}

// wait lets time pass. An older rule that is closing is gone after it.
func (w *walk) wait(until time.Time) {
	w.note(PlanStep{Kind: StepWait, Text: w.job.Message})
	w.now = until
	if w.job.Reason == ReasonRuleClosing {
		w.survey.Seen.Rules = &RulesSeen{}
	}
	if w.job.Reason == ReasonKMSKeyPolicy {
		w.survey.Seen.KeyPolicy = lentWith(w.job.Request, w.survey.Seen.KeyPolicy)
	}
	if w.job.Reason == ReasonGrantMissing {
		w.survey.Seen.BucketPolicy = granted(w.job.Request, w.survey.Seen.BucketPolicy)
	}
}

// unknownRule stands for the id that OSS will give to the rule.
const unknownRule = "<id of the rule>"

// world returns what is seen: as it was surveyed before anything is made, and after
// that as it is when all goes well.
func (w *walk) world() Seen {
	s, j := w.survey.Seen, w.job
	if j.Made.Pair.IsZero() {
		return s
	}
	spec := RuleFor(j.Request)
	g := RuleSeen{ID: unknownRule, Destination: spec.Destination.Bucket, Location: spec.Destination.Location(), Prefixes: spec.Prefixes, Tags: spec.Tags,
		Action: spec.Action, Historical: spec.Historical, SyncRole: spec.SyncRole, Status: RuleDoing}
	if spec.Transfer != TransferInternal {
		g.TransferType = spec.Transfer
	}
	if spec.RTC {
		g.RTC = "enabled"
	}
	if spec.KMSKey != "" {
		g.KMS, g.KMSKey = "Enabled", spec.KMSKey
	}
	switch put := j.Rule != nil && !j.Rule.Accepted.IsZero(); {
	case j.Request.adopts(): // the rule stands already
	case put:
		s.Rules = &RulesSeen{Rules: []RuleSeen{g}}
	default: // whoever had to act for it took their time
		s.Rules = &RulesSeen{}
	}
	s.Progress = &ProgressSeen{Is: Exists, Status: RuleDoing, Watermark: w.now.Add(time.Second)}
	if all := 1.0; *j.Request.Historical.Replicate {
		s.Progress.Historical = &all
	}
	s.Gap = &GapSeen{Done: true}
	if j.ownRole() { // any other role is as it was surveyed
		s.Role = &RoleSeen{Is: Exists, Trust: TrustPolicy()}
		s.Policy = &PolicySeen{Is: Exists, Document: RolePolicy(j.Request)}
		s.Attachment = &AttachmentSeen{Attached: true}
		if spec.KMSKey != "" {
			s.Attachment.System = []string{KMSPolicy}
		}
	}
	if s.KeyPolicy == nil { // it matters to a pair with a key of another account, of which it was surveyed
		s.KeyPolicy = &KeyPolicySeen{Is: Exists, Document: lendingPolicy(j.Request)}
	}
	s.Outside, s.Untagged = &ObjectSeen{Is: Missing}, &ObjectSeen{Is: Missing}
	s.Canary = &ObjectSeen{Is: Missing}
	if p := j.Verification; p != nil {
		switch {
		case s.Destination != nil && s.Destination.Is == Foreign:
			s.Canary = &ObjectSeen{Is: Foreign}
		case p.Step == StepArrive:
			s.Canary = j.copied(p.First)
		case p.Step == StepArrive2, p.Step == StepDeleted && !j.deletionGoes():
			s.Canary = j.copied(p.Second)
		case p.Step == StepDeleted:
			s.Canary.Hidden = j.Versioned
		}
	}
	return s
}

// copied returns an object of our own as the rule copies it.
func (j *Job) copied(o *ObjectSeen) *ObjectSeen {
	c := *o
	if key := j.Request.KMSKey(); key != "" {
		c.SSE, c.KMSKey = sseKMS, key
	}
	return &c
}
