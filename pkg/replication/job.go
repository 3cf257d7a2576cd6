package replication

import "time"

// A Job is what is saved of one ticket. Every entry of its log holds the whole of
// it. Times are those of the journal's store.
type Job struct {
	ID          string    `json:"id"`
	Fingerprint string    `json:"fingerprint"`
	Request     Request   `json:"request"` // as sent, but for what set-rtc changed since
	Received    time.Time `json:"received"`

	Phase   Phase     `json:"phase"`
	Since   time.Time `json:"since"` // when the phase was entered
	Reason  Reason    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`

	// CheckBy is when somebody must have looked again; the sweep wakes what is
	// past it. Zero means at rest.
	CheckBy time.Time `json:"checkBy,omitzero"`
	// Due is when the job goes on by itself; a hint that comes sooner is dropped.
	Due time.Time `json:"due,omitzero"`

	Intent *Intent  `json:"intent,omitempty"` // the effect that is being carried out; nil: none
	Last   *Outcome `json:"last,omitempty"`   // how the effect before that ended

	Unsure    bool `json:"unsure,omitempty"`    // the last effect may or may not have taken place: look first
	Failures  int  `json:"failures,omitempty"`  // passing failures in a row
	Crashes   int  `json:"crashes,omitempty"`   // intents in a row that got no outcome
	TakenOver bool `json:"takenOver,omitempty"` // a worker died on the way: an end is confirmed by one more look

	Block  *Block  `json:"block,omitempty"`  // what the job is blocked by
	Held   *Held   `json:"held,omitempty"`   // what the desk itself keeps the job from; nil: nothing
	Ending *Ending `json:"ending,omitempty"` // how the job will end when it has tidied up
	// Stop is the newest order to take the job down; nil: there was none.
	Stop *Order `json:"stop,omitempty"`
	// Orders are the other ones, the newest last; the oldest are forgotten.
	Orders []Order `json:"orders,omitempty"`
	Gap    *Gap    `json:"gap,omitempty"` // of a replacement, once the old ticket was ordered down
	// Again is when the job began again after it had ended; zero: never.
	Again time.Time `json:"again,omitzero"`

	Versioned bool `json:"versioned,omitempty"` // both buckets keep versions
	// OwnSSE is the encryption that objects of our own ask for at the source; "" leaves
	// it to the bucket.
	OwnSSE string `json:"ownSse,omitempty"`
	// Risks are what preflight saw that does not hinder the rule, but that people should
	// know.
	Risks []PlanNote `json:"risks,omitempty"`
	// Role is what preflight found of a role that is not the job's own; nil: it is, or
	// nothing was looked at yet.
	Role *RoleFound `json:"role,omitempty"`
	Made Made       `json:"made"`
	Rule *Rule      `json:"rule,omitempty"`

	// Access is what is known of the grant at a destination in another account; nil:
	// nothing yet, or none is needed.
	Access *Access `json:"access,omitempty"`

	Verification *Verification `json:"verification,omitempty"`
	Evidence     *Evidence     `json:"evidence,omitempty"`

	Outbox    []Event `json:"outbox,omitempty"`    // results not known to be sent yet
	LastEvent *Event  `json:"lastEvent,omitempty"` // sent again when the same ticket comes again
	Calls     int     `json:"calls"`               // cloud calls made for this job so far, journal and queues left out
	Writes    int     `json:"writes"`              // entries of this log before this one
}

// An Intent says that a worker is about to carry out an effect. While it is
// unexpired no other worker does anything.
type Intent struct {
	Effect Effect    `json:"effect"`
	Worker string    `json:"worker"`
	Until  time.Time `json:"until"` // end of the claim
}

// Block is what a blocked job waits for.
type Block struct {
	Resume Phase     `json:"resume"` // the phase to look again in
	Reason Reason    `json:"reason"`
	Since  time.Time `json:"since"` // when this reason first came up
	Next   time.Time `json:"next"`  // when to look again
	// Reported holds when each reason first came up since the job last got on. Its
	// result was sent then, and its deadline runs from then.
	Reported map[Reason]time.Time `json:"reported,omitempty"`
}

// Ending is the end that a job is on its way to.
type Ending struct {
	Phase   Phase  `json:"phase"`
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// Made is what the job itself has made, claimed or adopted. Only what is recorded here
// is ever taken away again. A zero time means that it was not.
type Made struct {
	NoRule     time.Time `json:"noRule,omitzero"`     // the last look before a put that showed no rule for the pair
	PairAsked  bool      `json:"pairAsked,omitempty"` // a claim was begun: the pair may be ours without our knowing
	Pair       time.Time `json:"pair,omitzero"`
	Role       time.Time `json:"role,omitzero"`
	Policy     time.Time `json:"policy,omitzero"`
	Attachment time.Time `json:"attachment,omitzero"`
	Rule       time.Time `json:"rule,omitzero"`
	// Asked are the grants whose making was begun, and of which nothing more is
	// known: they may be there without our knowing.
	RoleAsked   bool `json:"roleAsked,omitempty"`
	PolicyAsked bool `json:"policyAsked,omitempty"`
	AttachAsked bool `json:"attachAsked,omitempty"`
	// Slot is that of the rule, where there are caps. It is given back with the pair.
	Slot      time.Time `json:"slot,omitzero"`
	SlotAsked bool      `json:"slotAsked,omitempty"`

	KMSPolicy      time.Time `json:"kmsPolicy,omitzero"` // the system policy for keys was attached to the role
	KMSPolicyAsked bool      `json:"kmsPolicyAsked,omitempty"`
	// Grant is when the policy of a destination in another account was known to have
	// the statement, and its ledger to say that the job relies on it.
	Grant      time.Time `json:"grant,omitzero"`
	GrantAsked bool      `json:"grantAsked,omitempty"`
	// KeyGrant is the same of the policy of a key in another account.
	KeyGrant      time.Time `json:"keyGrant,omitzero"`
	KeyGrantAsked bool      `json:"keyGrantAsked,omitempty"`
}

// Rule is what is known of the job's rule.
type Rule struct {
	ID        string `json:"id,omitempty"`
	Role      string `json:"role,omitempty"`      // of an adopted rule; "" when it shows none [fact 6]
	Unsettled bool   `json:"unsettled,omitempty"` // a put was begun, and no answer or look has told its outcome
	// Accepted is when OSS answered the put with success, or when a rule was found
	// that only a put with a lost answer can have made.
	Accepted     time.Time `json:"accepted,omitzero"`
	Confirmed    time.Time `json:"confirmed,omitzero"` // read back and found equal
	Live         time.Time `json:"live,omitzero"`      // first seen doing
	Gone         time.Time `json:"gone,omitzero"`      // first look that did not show it; zero while it is seen
	Ended        time.Time `json:"ended,omitzero"`     // the look after which it is known not to stand any more, or when an adoption let go of it
	ReportedLate bool      `json:"reportedLate,omitempty"`
}

// A VerifyStep is one step of the proof.
type VerifyStep string

// The steps of the proof, in their order. With the canary declined only the
// watermark is waited for.
const (
	StepPut       VerifyStep = "put"
	StepOutside   VerifyStep = "put-outside"
	StepUntagged  VerifyStep = "put-untagged"
	StepArrive    VerifyStep = "arrive"
	StepOverwrite VerifyStep = "overwrite"
	StepArrive2   VerifyStep = "arrive-overwritten"
	StepDelete    VerifyStep = "delete"
	StepDeleted   VerifyStep = "deleted"
	StepScope     VerifyStep = "scope"
	StepCleanUp   VerifyStep = "clean-up"
	StepWatermark VerifyStep = "watermark"
)

// A Verification is the state of the proof.
type Verification struct {
	Step         VerifyStep  `json:"step"`
	Since        time.Time   `json:"since"` // when the step was entered
	Key          string      `json:"key,omitempty"`
	OutsideKey   string      `json:"outsideKey,omitempty"`  // "" when every key is in scope
	UntaggedKey  string      `json:"untaggedKey,omitempty"` // "" without a tag filter
	Written      time.Time   `json:"written,omitzero"`      // the object that is waited for
	Begun        bool        `json:"begun,omitempty"`       // a first write was begun: the canary may be at the source
	First        *ObjectSeen `json:"first,omitempty"`       // the canary at the source, as written first
	Second       *ObjectSeen `json:"second,omitempty"`      // as overwritten
	Seconds      float64     `json:"seconds,omitempty"`     // write to arrival seen
	Overwrite    float64     `json:"overwriteSeconds,omitempty"`
	Strays       time.Time   `json:"strays,omitzero"`      // when the last object that must not arrive was written
	Encryption   string      `json:"encryption,omitempty"` // of the copy, for the evidence
	Quiet        bool        `json:"quiet,omitempty"`      // enough was copied since for it to have arrived
	Deletion     string      `json:"deletion,omitempty"`
	ReportedLate bool        `json:"reportedLate,omitempty"`
	Watermark    time.Time   `json:"watermark,omitzero"` // the first that was seen
	Unseen       bool        `json:"unseen,omitempty"`   // the destination does not let us look
	Cleared      time.Time   `json:"cleared,omitzero"`   // when a proof that was broken off was cleaned up, or given up
}

// Evidence is the proof that the pair replicates as the ticket asks.
type Evidence struct {
	By               string    `json:"by"` // "canary" or "watermark"
	At               time.Time `json:"at"`
	Key              string    `json:"key,omitempty"`
	CRC64            string    `json:"crc64,omitempty"` // decimal, the same at both ends
	Seconds          float64   `json:"seconds,omitempty"`
	OverwriteSeconds float64   `json:"overwriteSeconds,omitempty"`
	Deletion         string    `json:"deletion,omitempty"`   // what deleting the canary did
	Outside          string    `json:"outside,omitempty"`    // what became of the object outside the scope
	Untagged         string    `json:"untagged,omitempty"`   // what became of the object without the tags of the scope
	Encryption       string    `json:"encryption,omitempty"` // with KMS: how the copy is encrypted
	LeftBehind       []string  `json:"leftBehind,omitempty"`
	WatermarkBefore  time.Time `json:"watermarkBefore,omitzero"` // the first watermark that was seen, or when the canary was written
	Watermark        time.Time `json:"watermark,omitzero"`       // the one to which it moved
	// Unseen: the destination does not let us look, so the copies were not compared.
	Unseen bool `json:"unseen,omitempty"`
	// Declared are facts of the destination that the ticket declares and nobody has seen.
	Declared []string `json:"declared,omitempty"`
}

// NewJob returns the job of an accepted ticket in its first phase.
func NewJob(r Request, now time.Time) *Job {
	j := &Job{ID: r.ID, Fingerprint: r.Fingerprint(), Request: r, Received: now, Phase: PhaseReceived, Since: now,
		Reason: ReasonAccepted, Message: ReasonAccepted.Meaning()}
	j.emit(EventAccepted, ReasonAccepted, ReasonAccepted.Meaning(), now)
	return j
}

// Claimed reports whether a worker is at work on the job.
func (j *Job) Claimed(now time.Time) bool { return j.Intent != nil && now.Before(j.Intent.Until) }

// AtRest reports whether nothing is left to do for the job.
func (j *Job) AtRest() bool {
	return IsPhase(j.Phase) && j.Owner() == OwnerNone && j.Intent == nil && len(j.Outbox) == 0
}

// RuleStands reports whether a rule of this job may be in force.
func (j *Job) RuleStands() bool { return j.Rule != nil && !j.Made.Rule.IsZero() }

// ruleMayStand reports whether a rule of this job is in force or could be, which
// only a look can tell.
func (j *Job) ruleMayStand() bool {
	return j.Rule != nil && j.Rule.Ended.IsZero() && (j.Rule.Unsettled || !j.Rule.Accepted.IsZero())
}

func (j *Job) enter(p Phase, now time.Time) {
	if j.Phase == p {
		return
	}
	j.Phase, j.Since = p, now
}

// Owner returns the function that moves the job on: a blocked job belongs to the
// owner of the phase that it goes on in, one that is to be taken down to provision,
// and so does one at rest with another order.
func (j *Job) Owner() Owner {
	if j.Ordered() && !j.takenDown() {
		return OwnerProvision
	}
	owner := Row(j.within()).Owner
	if owner == OwnerNone && j.toServe() != nil {
		return OwnerProvision
	}
	return owner
}
