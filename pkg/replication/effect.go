package replication

import "time"

// An EffectKind names one thing that changes the world outside the journal of the job.
type EffectKind string

// The effects, by class. Create: the name is derived from the job, "already
// exists" means read it and compare. Delete: only what this job's journal
// recorded. Claim and release are appends to the log of the pair, an order is one to
// the log of its target.
const (
	EffectClaimPair   EffectKind = "claim-pair"
	EffectReleasePair EffectKind = "release-pair"
	EffectCreateRole  EffectKind = "create-role"
	EffectCreatePol   EffectKind = "create-policy"
	EffectAttach      EffectKind = "attach-policy"
	EffectTakeSlot    EffectKind = "take-slot"
	EffectPutRule     EffectKind = "put-rule"
	EffectCloseRule   EffectKind = "close-rule"
	EffectPutCanary   EffectKind = "put-canary"
	EffectPutOutside  EffectKind = "put-outside"
	EffectPutUntagged EffectKind = "put-untagged"
	EffectOverwrite   EffectKind = "overwrite-canary"
	EffectDelete      EffectKind = "delete-canary"
	EffectCleanUp     EffectKind = "clean-up"
	EffectDetach      EffectKind = "detach-policy"
	EffectDeletePol   EffectKind = "delete-policy"
	EffectDeleteRole  EffectKind = "delete-role"
	EffectPutRTC      EffectKind = "put-rtc"
	EffectOrder       EffectKind = "order"
	EffectGrant       EffectKind = "grant-destination"
	EffectRevoke      EffectKind = "revoke-destination"
	EffectGrantKey    EffectKind = "grant-key"
	EffectRevokeKey   EffectKind = "revoke-key"
	// The system policies are the cloud's own; Policy names one.
	EffectAttachSystem EffectKind = "attach-system-policy"
	EffectDetachSystem EffectKind = "detach-system-policy"
)

// makes reports whether the effect makes something under a name of this job's, or
// a rule for its pair: "exists" then means that it may have been made before.
func (k EffectKind) makes() bool {
	switch k {
	case EffectCreateRole, EffectCreatePol, EffectAttach, EffectAttachSystem, EffectPutRule:
		return true
	}
	return false
}

// grants reports whether the effect makes a role or gives it rights: a deployment
// can do without being allowed to, with roles that were made beforehand.
func (k EffectKind) grants() bool { return k.makes() && k != EffectPutRule }

// TakesAway reports whether the effect removes something, so that finding nothing
// means that it is done.
func (k EffectKind) TakesAway() bool {
	switch k {
	case EffectCloseRule, EffectCleanUp, EffectDetach, EffectDetachSystem, EffectDeletePol, EffectDeleteRole, EffectRevoke, EffectRevokeKey:
		return true
	}
	return false
}

// revokes reports whether the effect takes a statement in a policy back.
func (k EffectKind) revokes() bool { return k == EffectRevoke || k == EffectRevokeKey }

// An Effect is one call that changes something, as data. Only the fields that
// its kind needs are set.
type Effect struct {
	Kind        EffectKind `json:"kind"`
	Role        string     `json:"role,omitempty"`   // role name
	Policy      string     `json:"policy,omitempty"` // policy name
	Document    string     `json:"document,omitempty"`
	Description string     `json:"description,omitempty"`
	Rule        *RuleSpec  `json:"rule,omitempty"`
	RuleID      string     `json:"ruleId,omitempty"`
	RTC         bool       `json:"rtc,omitempty"` // put-rtc: on or off
	Object      *Canary    `json:"object,omitempty"`
	Keys        []string   `json:"keys,omitempty"` // object keys at the source to remove with all versions
	Order       *Order     `json:"order,omitempty"`
	Slot        *Slot      `json:"slot,omitempty"`
	// GiveBackSlot of a release-pair: the job has a slot, or may have.
	GiveBackSlot bool `json:"giveBackSlot,omitempty"`
	// Grant is the statement in the bucket policy of the destination, or in the policy of
	// its key.
	Grant *ResourceGrant `json:"grant,omitempty"`
}

// A Canary is an object of our own, as it is written.
type Canary struct {
	Key     string            `json:"key"`
	Content string            `json:"content"`
	Meta    map[string]string `json:"meta,omitempty"` // user metadata, lower-case names
	Tags    []Tag             `json:"tags,omitempty"`
	SSE     string            `json:"sse,omitempty"` // "AES256", or "KMS" under the key of OSS; "" leaves it to the bucket
}

// Result is how an effect ended.
type Result string

// The results. Whatever is none of the first three leaves it open whether the
// effect took place, so the next step is a look.
const (
	ResultDone    Result = "done"
	ResultExists  Result = "exists"  // something of that name, or a rule of the pair, is there already
	ResultRefused Result = "refused" // the service refused, nothing happened; Trouble says of what kind
	ResultUnknown Result = "unknown" // no answer, or one that says nothing about the effect
)

// A Trouble is an error of a call as far as decisions need it. It holds no secret.
type Trouble struct {
	Kind      TroubleKind   `json:"kind"`
	Op        string        `json:"op,omitempty"`
	Code      string        `json:"code,omitempty"` // the service's code
	Message   string        `json:"message,omitempty"`
	RequestID string        `json:"requestId,omitempty"`
	After     time.Duration `json:"after,omitempty"` // what the service asked to wait; 0 when it did not
}

// String words a trouble for a person: which call, what it answered.
func (t Trouble) String() string {
	what := t.Op
	if t.Code != "" {
		what += " answered " + t.Code
	}
	if t.Message != "" {
		what += ": " + t.Message
	}
	return what
}

// TroubleKind is the domain's view of an error kind.
type TroubleKind string

// The kinds of trouble.
const (
	TroublePassing   TroubleKind = "passing"    // may go away by itself; uses up a try
	TroubleThrottled TroubleKind = "throttled"  // a wait; uses up nothing
	TroubleDenied    TroubleKind = "denied"     // our function lacks a right
	TroubleRoleUnfit TroubleKind = "role-unfit" // OSS cannot use the role of the rule (yet)
	TroubleQuota     TroubleKind = "quota"
	TroubleUnread    TroubleKind = "unreadable" // the journal of another ticket cannot be read
	TroubleKey       TroubleKind = "key-unfit"  // OSS cannot use a key of KMS
	TroubleGone      TroubleKind = "gone"       // a bucket of the pair does not exist any more
	TroubleFinal     TroubleKind = "final"      // refused for good
)

// An Outcome is what is known after an effect was tried.
type Outcome struct {
	Effect  EffectKind `json:"effect"`
	Result  Result     `json:"result"`
	Trouble *Trouble   `json:"trouble,omitempty"` // nil when done
	At      time.Time  `json:"at"`

	RuleID    string      `json:"ruleId,omitempty"`    // put-rule: from the answer's header, "" when it had none [fact 1]
	Owner     string      `json:"owner,omitempty"`     // claim-pair: the job that owns the pair
	Object    *ObjectSeen `json:"object,omitempty"`    // put-canary, overwrite-canary: as stored
	LeftOver  []string    `json:"leftOver,omitempty"`  // clean-up: keys that could not be removed
	Target    *TargetSeen `json:"target,omitempty"`    // order: the target, with the order in it if it took one
	Slot      *SlotSeen   `json:"slot,omitempty"`      // take-slot: the answer
	Grant     *Granting   `json:"grant,omitempty"`     // grant-destination, revoke-destination, grant-key, revoke-key
	RequestID string      `json:"requestId,omitempty"` // of the call that took effect
}
