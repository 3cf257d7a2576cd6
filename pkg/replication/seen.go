package replication

import "time"

// A Look is a set of things to read before a decision.
type Look uint32

// What can be looked at.
const (
	LookSource Look = 1 << iota
	LookDestination
	LookLocations
	LookRules
	LookProgress
	LookRole
	LookPolicy
	LookAttachment
	LookCanary           // the canary at the destination
	LookOutside          // the object outside the scope, at the destination
	LookUntagged         // the object without the tags of the scope, at the destination
	LookDestinationEmpty // whether the destination holds any object in the scope
	LookPolicyUse        // versions of the policy, and what it is attached to
	LookTarget           // the job that a ticket is about
	LookBucketPolicy     // the policy of the destination
	LookOwner            // the job that owns the pair
	LookGap              // a page of what was written between two rules, with the copies

	LookSourceEncryption      // default encryption
	LookDestinationEncryption // default encryption
	LookSample                // how a few objects in scope at the source are encrypted
	LookKey                   // the key of KMS that copies are encrypted under
	LookKeyPolicy             // the policy of that key, in another account
	LookRights                // every policy of the role, with its document
)

// Has reports whether l asks for all of o.
func (l Look) Has(o Look) bool { return l&o == o }

// Seen is what was read. A nil part was not looked at.
type Seen struct {
	Source, Destination *BucketSeen
	Locations           *LocationsSeen
	Rules               *RulesSeen
	Progress            *ProgressSeen
	Role                *RoleSeen
	Policy              *PolicySeen
	Attachment          *AttachmentSeen
	Canary, Outside     *ObjectSeen
	Untagged            *ObjectSeen
	DestinationEmpty    *bool
	PolicyUse           *PolicyUseSeen
	Target              *TargetSeen
	Gap                 *GapSeen
	Owner               *OwnerSeen
	BucketPolicy        *BucketPolicySeen

	SourceEncryption, DestinationEncryption *EncryptionSeen

	Sample *SampleSeen
	Key    *KeySeen

	KeyPolicy *KeyPolicySeen
	Rights    *RightsSeen
}

// Has reports whether everything that l asks for was looked at.
func (s Seen) Has(l Look) bool { return s.Missing(l) == 0 }

// Missing returns the part of l that was not looked at.
func (s Seen) Missing(l Look) Look {
	var have Look
	for _, p := range []struct {
		l  Look
		ok bool
	}{
		{LookSource, s.Source != nil}, {LookDestination, s.Destination != nil},
		{LookLocations, s.Locations != nil}, {LookRules, s.Rules != nil}, {LookProgress, s.Progress != nil},
		{LookRole, s.Role != nil}, {LookPolicy, s.Policy != nil}, {LookAttachment, s.Attachment != nil},
		{LookCanary, s.Canary != nil}, {LookOutside, s.Outside != nil}, {LookUntagged, s.Untagged != nil}, {LookDestinationEmpty, s.DestinationEmpty != nil},
		{LookPolicyUse, s.PolicyUse != nil}, {LookTarget, s.Target != nil}, {LookBucketPolicy, s.BucketPolicy != nil},
		{LookOwner, s.Owner != nil}, {LookGap, s.Gap != nil},
		{LookSourceEncryption, s.SourceEncryption != nil}, {LookDestinationEncryption, s.DestinationEncryption != nil},
		{LookSample, s.Sample != nil}, {LookKey, s.Key != nil}, {LookKeyPolicy, s.KeyPolicy != nil},
		{LookRights, s.Rights != nil},
	} {
		if p.ok {
			have |= p.l
		}
	}
	return l &^ have
}

// Existence is what a read says about whether a thing is there.
type Existence string

// The existences. Foreign is what a refused read of a bucket means: bucket names
// are global, so the bucket is there and belongs to somebody who does not let us look.
const (
	Exists  Existence = "exists"
	Missing Existence = "missing"
	Foreign Existence = "foreign"
)

// A BucketSeen is one bucket as GetBucketInfo shows it.
type BucketSeen struct {
	Is         Existence
	Owner      string // UID
	Region     string // without "oss-"
	Versioning string // "", "Enabled" or "Suspended"
}

// A LocationsSeen is the answer of GetBucketReplicationLocation: where the
// source's objects may go, in regions without "oss-". [fact 15] [fact 16]
type LocationsSeen struct {
	Regions      []string
	TransferOnly map[string][]string // destination region to the only link types it takes
	RTC          []string            // destination regions that RTC is offered for
}

// A RulesSeen is the answer of GetBucketReplication. No configuration is an empty one. [fact 6]
type RulesSeen struct{ Rules []RuleSeen }

// A RuleSeen is one rule as it was read back.
type RuleSeen struct {
	ID           string
	Destination  string // bucket
	Location     string
	TransferType string // "" unless it is oss_acc [fact 6]
	Prefixes     []string
	Action       string
	Historical   string     // "enabled", "disabled"
	SyncRole     string     // may be absent [fact 6]
	RTC          string     // "", "enabling", "enabled"
	KMS          string     // "", "Enabled", "Disabled"
	KMSKey       string     // as it was named in the put; "" without KMS [fact 62]
	Tags         *TagFilter // nil: none; a match that is not known is what OSS calls it
	OddTags      int        // elements that speak of tags in another form
	Unknown      []string   // names of the elements that are not read, in order
	Status       RuleStatus
}

// RuleStatus is the state of a rule. There is no state for failed or paused. [fact 8]
type RuleStatus string

// The states of a rule.
const (
	RuleStarting RuleStatus = "starting"
	RuleDoing    RuleStatus = "doing"
	RuleClosing  RuleStatus = "closing"
)

// A ProgressSeen is the answer of GetBucketReplicationProgress. [fact 10] [fact 11]
type ProgressSeen struct {
	Is         Existence // Missing: there is no such rule
	Status     RuleStatus
	Historical *float64  // fraction of the historical data that was copied; nil when not reported
	Watermark  time.Time // everything written to the source before it was copied; zero when not reported
}

// A RoleSeen is a RAM role.
type RoleSeen struct {
	Is    Existence
	Trust string // the trust policy document
}

// A PolicySeen is a custom RAM policy with its default version.
type PolicySeen struct {
	Is       Existence
	Document string
}

// An AttachmentSeen says whether our policy is attached to our role, and which
// other policies are.
type AttachmentSeen struct {
	Attached bool
	Others   []string // besides ours, of both types
	System   []string // the system policies among the others
}

// A PolicyUseSeen says how a custom policy is used. A policy that does not exist
// has no versions and no users.
type PolicyUseSeen struct {
	Versions int      // how many there are, the default one included
	By       []string // what it is attached to, such as "role oss-replication-1" or "user ops"
}

// An ObjectSeen is one object as HeadObject shows it. A delete marker in front of
// it makes it Missing with Hidden set.
type ObjectSeen struct {
	Is           Existence         `json:"is"`
	Hidden       bool              `json:"hidden,omitempty"`
	Size         int64             `json:"size"`
	ETag         string            `json:"etag,omitempty"`
	CRC64        string            `json:"crc64,omitempty"` // decimal
	VersionID    string            `json:"versionId,omitempty"`
	Meta         map[string]string `json:"meta,omitempty"`
	LastModified time.Time         `json:"lastModified,omitzero"`
	SSE          string            `json:"sse,omitempty"`    // "AES256", "KMS", "SM4"; "" means not encrypted
	KMSKey       string            `json:"kmsKey,omitempty"` // with "KMS": the key, if OSS shows one [fact 66]
}
