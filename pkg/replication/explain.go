package replication

import (
	"fmt"
	"time"
)

// An Explanation says of one job, for a person who has never seen it, where it is,
// why, what it waits for and who has to do what. Everything in it follows from the
// saved job; nothing is looked at.
type Explanation struct {
	Ticket      string `json:"ticket"`
	Action      Action `json:"action"`
	Source      End    `json:"source"`
	Destination End    `json:"destination"`
	Target      string `json:"target,omitempty"` // the ticket that one about another is about, or the rule of an adoption
	// Stop is the newest order to take the job down; nil: there was none.
	Stop *Order `json:"stop,omitempty"`
	// Orders are what other tickets asked of the job besides that, the newest last.
	Orders []Order `json:"orders,omitempty"`

	Phase         Phase     `json:"phase"`
	PhaseMeaning  string    `json:"phaseMeaning"`
	Since         time.Time `json:"since"`
	Seconds       int64     `json:"seconds"` // in the phase so far
	AtRest        bool      `json:"atRest"`
	Reason        Reason    `json:"reason"`
	ReasonMeaning string    `json:"reasonMeaning,omitempty"`
	Message       string    `json:"message,omitempty"`

	// Waiting is nil when nothing is waited for.
	Waiting *Waiting `json:"waiting,omitempty"`
	Who     string   `json:"who"`              // who has to act; "nobody" when nobody has to
	Remedy  string   `json:"remedy,omitempty"` // what they do; "" when there is nothing to do

	Made     []Thing   `json:"made"` // what the job has made and not taken away
	Evidence *Evidence `json:"evidence,omitempty"`
	Ahead    []Ahead   `json:"ahead"` // the phases to come when nothing goes wrong
	// Told is the newest result; nil: none yet.
	Told *Told    `json:"told,omitempty"`
	More []string `json:"more"` // commands that show more
}

// Waiting is what a job waits for. A zero time means that there is none.
type Waiting struct {
	For     string    `json:"for"`
	Next    time.Time `json:"next,omitzero"`    // when the job looks again by itself
	CheckBy time.Time `json:"checkBy,omitzero"` // after this the sweep wakes it
	GivenUp time.Time `json:"givenUp,omitzero"` // when the job stops waiting and ends
	Worker  string    `json:"worker,omitempty"` // who carries out an effect just now
	// Overdue: nobody has come although somebody should have; the sweep will.
	Overdue bool `json:"overdue,omitempty"`
}

// A Thing is something that a job has made or claimed.
type Thing struct {
	What string    `json:"what"`
	Name string    `json:"name"`
	At   time.Time `json:"at,omitzero"` // zero: not known
	// Unsure: it may be there; only a look can tell.
	Unsure bool `json:"unsure,omitempty"`
}

// Ahead is a phase to come.
type Ahead struct {
	Phase   Phase  `json:"phase"`
	Meaning string `json:"meaning"`
}

// Told is a result and whether it has left.
type Told struct {
	ID     string    `json:"id"`
	Type   EventType `json:"type"`
	Reason Reason    `json:"reason"`
	At     time.Time `json:"at"`
	Sent   bool      `json:"sent"` // false: it is still in the outbox and is sent again
}

// Explain words what is saved of j for a person. now is the time of the journal's store.
func Explain(j *Job, now time.Time) Explanation {
	e := Explanation{
		Ticket: j.ID, Action: j.Request.Action, Source: j.Request.Source, Destination: j.Request.Destination, Target: j.Request.Target, Stop: j.Stop, Orders: j.Orders,
		Phase: j.Phase, PhaseMeaning: Row(j.Phase).Meaning, Since: j.Since, Seconds: int64(max(now.Sub(j.Since), 0).Seconds()),
		AtRest: j.AtRest(), Reason: j.Reason, ReasonMeaning: j.Reason.Meaning(), Message: j.Message,
		Waiting: j.waiting(now), Made: j.things(), Evidence: j.Evidence, Ahead: j.ahead(),
		More: []string{"replidesk history " + j.ID + " --verify"},
	}
	e.Who, e.Remedy = j.actor()
	if l := j.LastEvent; l != nil {
		e.Told = &Told{ID: l.ID, Type: l.Type, Reason: l.Reason, At: l.At, Sent: true}
		for _, o := range j.Outbox {
			e.Told.Sent = e.Told.Sent && o.ID != l.ID
		}
	}
	if e.Reason != "" {
		e.More = append(e.More, "replidesk reasons "+string(e.Reason))
	}
	if !e.AtRest {
		e.More = append(e.More, "replidesk watch "+j.ID)
	}
	return e
}

// waiting returns what a job waits for, or nil at rest.
func (j *Job) waiting(now time.Time) *Waiting {
	if j.AtRest() {
		return nil
	}
	w := &Waiting{For: j.Message, Next: j.Due, CheckBy: j.CheckBy, GivenUp: j.givenUp(), Overdue: !j.CheckBy.IsZero() && now.After(j.CheckBy)}
	switch i := j.Intent; {
	case i != nil && j.Claimed(now):
		w.For, w.Worker, w.GivenUp = fmt.Sprintf("the outcome of %s", i.Effect.Kind), i.Worker, time.Time{}
	case i != nil:
		w.For = fmt.Sprintf("another worker to take over: %s began %s and gave no outcome until %s", i.Worker, i.Effect.Kind, i.Until.UTC().Format(time.RFC3339))
	case j.heldNow():
		w.For = fmt.Sprintf("%s; held since %s", j.Message, j.Held.Since.UTC().Format(time.RFC3339))
	case j.toServe() != nil && !j.Ordered():
		w.For = fmt.Sprintf("the order of %s to be dealt with", j.toServe())
	case j.Owner() == OwnerNone:
		w.For = fmt.Sprintf("%d results to be sent", len(j.Outbox))
	}
	return w
}

// givenUp returns when the wait of a job ends the job; zero: not by a date. Waits
// for calls of our own are ended by budgets of tries.
func (j *Job) givenUp() time.Time {
	proof := func() time.Time {
		if p := j.Verification; p != nil && p.Step != StepWatermark && !p.Written.IsZero() && j.Evidence == nil {
			return p.Written.Add(j.lostAfter(j.Reason))
		}
		return time.Time{}
	}
	if j.heldNow() {
		return time.Time{}
	}
	switch j.Phase {
	case PhasePreflight, PhaseRule:
		if j.Reason == ReasonRuleClosing || j.Reason == ReasonRuleUnseen || j.Reason == ReasonPairLeaving {
			return j.Since.Add(ClosingLost)
		}
	case PhaseStarting:
		if j.Rule != nil {
			return latest(j.Rule.Accepted, j.Again).Add(StartingLost)
		}
	case PhaseVerifying:
		return proof()
	case PhaseUndoing:
		return j.Since.Add(ClosingLost)
	case PhaseStopping:
		if j.ruleMayStand() {
			return j.Since.Add(ClosingLost)
		}
	case PhaseOrdering:
		if j.Reason == ReasonTargetUnknown {
			return j.Received.Add(TargetLost)
		}
	case PhaseBlocked:
		if j.Block == nil {
			return time.Time{}
		}
		until := j.Block.Since.Add(j.patience(j.Block.Reason))
		if p := proof(); j.Block.Resume == PhaseVerifying && !p.IsZero() && p.Before(until) {
			return p
		}
		return until
	}
	return time.Time{}
}

const kmsActor = "whoever administers KMS in the account of the bucket"

// actors says who can do what the remedy of a reason asks for.
var actors = map[Reason]string{
	ReasonDenied:           "whoever grants rights to the functions of this desk",
	ReasonQuota:            "the owner of the account whose quota is used up",
	ReasonRoleUnusable:     "whoever administers RAM in the source account",
	ReasonTrustBroken:      "whoever administers RAM in the source account",
	ReasonRoleMissing:      "whoever administers RAM in the source account",
	ReasonPolicyMissing:    "whoever administers RAM in the source account",
	ReasonPolicyDiffers:    "whoever administers RAM in the source account",
	ReasonKMSPolicyMissing: "whoever administers RAM in the source account",
	ReasonKMSKeyDisabled:   kmsActor, ReasonKMSKeyDeleted: kmsActor, ReasonKMSKeyImport: kmsActor, ReasonKMSKeyNotFound: kmsActor,
	ReasonKMSKeyUnusable: kmsActor, ReasonKMSNotOffered: kmsActor, ReasonKMSKeyUnsuited: kmsActor,
	ReasonGrantMissing:  "the owner of the destination's account",
	ReasonGrantUnseen:   "the owner of the destination's account",
	ReasonGrantDenied:   "the owner of the destination's account",
	ReasonPolicyFull:    "the owner of the destination's account",
	ReasonPolicyOdd:     "the owner of the destination's account",
	ReasonUndeclared:    "the owner of the destination's account",
	ReasonKMSKeyDefault: kmsActor, ReasonKMSKeyPolicy: kmsActor, ReasonKMSKeyDenied: kmsActor, ReasonKMSKeyUnread: kmsActor,
	ReasonRoleNotFound:    "whoever administers RAM in the source account",
	ReasonRoleRights:      "whoever administers RAM in the source account",
	ReasonRoleDenied:      "whoever administers RAM in the source account",
	ReasonMayNotGrant:     "whoever grants rights to the functions of this desk, or administers RAM in the source account",
	ReasonWatermarkStands: "whoever writes to the source bucket",
	ReasonStartingLate:    "whoever operates this desk",
	ReasonObserveOnly:     "whoever operates this desk",
	ReasonCapAccount:      "whoever operates this desk",
	ReasonPairNotAllowed:  "whoever operates this desk",
	ReasonResidency:       "whoever operates this desk",
	ReasonCapHour:         "nobody",
	ReasonCanaryLate:      "whoever operates this desk",
	ReasonWorkerCrash:     "whoever operates this desk",
	ReasonUnavailable:     "nobody",
	ReasonThrottled:       "nobody",
}

// actor returns who has to act, and what they do.
func (j *Job) actor() (who, remedy string) {
	remedy = j.Reason.Remedy()
	who, named := actors[j.Reason]
	switch {
	case j.Phase == PhaseWatching, j.Phase == PhaseCancelled, j.Phase == PhaseStopped, j.Phase == PhaseCompleted:
		return "nobody", ""
	case j.Phase == PhaseRejected, j.Phase == PhaseFailed:
		if !named || who == "nobody" {
			who = "whoever sent the ticket"
		}
		return who, remedy
	case j.Phase == PhaseBlocked && !named:
		return "the owner of the buckets", remedy
	case named && remedy != "":
		return who, remedy
	}
	return "nobody", ""
}

// things returns what the job has made or claimed and not taken away again.
func (j *Job) things() []Thing {
	made := []Thing{}
	add := func(what, name string, at time.Time) {
		if !at.IsZero() {
			made = append(made, Thing{What: what, Name: name, At: at})
		}
	}
	r := j.Request
	add("claim of the pair", r.Pair(), j.Made.Pair)
	if j.Made.Pair.IsZero() && j.Made.PairAsked {
		made = append(made, Thing{What: "claim of the pair", Name: r.Pair(), Unsure: true})
	}
	add("slot of a new rule", "in account "+r.Source.Account, j.Made.Slot)
	attached := j.Request.PolicyName()
	if r.Role.Type == RoleAliyun {
		attached = PolicyOSSFull
	}
	for _, g := range []struct {
		what, name string
		at         time.Time
		asked      bool
	}{
		{"role", j.Request.RoleName(), j.Made.Role, j.Made.RoleAsked}, {"policy", j.Request.PolicyName(), j.Made.Policy, j.Made.PolicyAsked},
		{"attachment", attached + " to " + j.Request.RoleName(), j.Made.Attachment, j.Made.AttachAsked},
		{"attachment", KMSPolicy + " to " + j.Request.RoleName(), j.Made.KMSPolicy, j.Made.KMSPolicyAsked},
		{"statement", j.grantName(), j.Made.Grant, j.Made.GrantAsked}, {"statement", j.keyGrantName(), j.Made.KeyGrant, j.Made.KeyGrantAsked},
	} {
		if add(g.what, g.name, g.at); g.asked && g.at.IsZero() {
			made = append(made, Thing{What: g.what, Name: g.name, Unsure: true})
		}
	}
	if j.RuleStands() || j.ruleMayStand() {
		name := j.Rule.ID
		if name == "" { // not known yet
			name = fmt.Sprintf("from %s to %s", r.Source.Bucket, r.Destination.Bucket)
		}
		what := "rule"
		if r.adopts() {
			what, name = "adopted rule", name+" with "+j.adoptedRole()
		}
		made = append(made, Thing{What: what, Name: name, At: j.Made.Rule, Unsure: !j.RuleStands()})
	}
	return append(made, j.ownObjects()...)
}

// ownObjects returns the objects of our own that are in the buckets.
func (j *Job) ownObjects() (list []Thing) {
	if e := j.Evidence; e != nil {
		for _, name := range e.LeftBehind {
			list = append(list, Thing{What: "object", Name: name, At: e.At})
		}
		return list
	}
	p := j.Verification
	if p == nil || !p.Begun || !p.Cleared.IsZero() {
		return nil
	}
	written := p.First != nil // the first write is known to have taken place
	list = append(list, Thing{What: "object", Name: j.Request.Source.Bucket + "/" + p.Key, Unsure: !written})
	if written && p.OutsideKey != "" {
		list = append(list, Thing{What: "object", Name: j.Request.Source.Bucket + "/" + p.OutsideKey, Unsure: p.Step == StepOutside})
	}
	if written && p.UntaggedKey != "" && p.Step != StepOutside {
		list = append(list, Thing{What: "object", Name: j.Request.Source.Bucket + "/" + p.UntaggedKey, Unsure: p.Step == StepUntagged})
	}
	return list
}

// ahead returns the phases to come when nothing goes wrong: the first that can
// follow each, which is how the table orders them.
func (j *Job) ahead() []Ahead {
	list := []Ahead{}
	add := func(p Phase) { list = append(list, Ahead{p, Row(p).Meaning}) }
	p := j.Phase
	if p == PhaseBlocked && j.Block != nil {
		p = j.Block.Resume
		add(p)
	}
	switch {
	case j.Ordered() && !j.takenDown():
		p = PhaseStopping
		add(p)
	case j.asked(ActionRetry) != nil && (p == PhaseFailed || p == PhaseRejected):
		p = PhaseRetrying
		add(p)
	case j.toServe() != nil && p == PhaseWatching:
		p = PhaseAdjusting
		add(p)
	case p == PhaseReceived && (j.Request.Action.aboutAnother() || j.Request.replaces()):
		p = PhaseOrdering
		add(p)
	case j.Request.adopts() && (p == PhaseReceived || p == PhasePreflight):
		if p == PhaseReceived {
			add(PhasePreflight)
		}
		p = PhaseAdopting
		add(p)
	}
	if e := j.Ending; e != nil && p != PhaseStopping {
		if p == PhaseUndoing {
			add(PhaseReleasing)
		}
		add(e.Phase)
		return list
	}
	for range table {
		if p = j.afterPhase(p); p == "" {
			break
		}
		add(p)
	}
	return list
}
