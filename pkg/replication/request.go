package replication

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// Action is what a ticket asks for.
type Action string

// The actions that this version carries out.
const (
	// ActionReplicate sets up the replication of a pair of buckets, proves it and
	// watches it.
	ActionReplicate Action = "replicate"
	// ActionStop takes back what the job of another ticket made, and leaves the data.
	ActionStop Action = "stop"
	// ActionCancel is a stop that is refused when the pair is watched already.
	ActionCancel Action = "cancel"
	// ActionAdopt takes a rule that others made under watch.
	ActionAdopt Action = "adopt"
	// ActionRetry has the job of another ticket look again now, or begin again when
	// it was refused or has failed.
	ActionRetry Action = "retry"
	// ActionReplace takes the job of another ticket down and sets its pair up anew, with
	// other options.
	ActionReplace Action = "replace"
	// ActionSetRTC turns replication time control of a watched pair on or off, the one
	// thing about a rule that can be changed. [fact 2]
	ActionSetRTC Action = "set-rtc"
)

// A Request is one ticket. The JSON Schema of it is printed by "replidesk schema";
// defaults are applied by [Parse].
type Request struct {
	SpecVersion string `json:"specVersion"` // "1"
	ID          string `json:"id"`          // ticket id: the key under which everything is idempotent
	Action      Action `json:"action"`
	// Requester is who asks, for people. All that is decided by it is that the
	// approval of the same name does not count.
	Requester string `json:"requester,omitempty"`
	// Approvals are no part of the fingerprint: a ticket with one more is the same.
	Approvals []Approval `json:"approvals,omitempty"`
	// Target is the id of the ticket that this one is about, or of the rule that an
	// adoption is about, which may leave it out; "" for all others. One without a
	// pair of its own has no more members than these, and set-rtc RTC; what follows is zero.
	Target string `json:"target,omitempty"`

	Source      End `json:"source"`
	Destination End `json:"destination"`

	Role             RoleChoice `json:"role"` // zero in an adoption: the role is that of the rule
	Objects          Objects    `json:"objects"`
	ReplicateDeletes bool       `json:"replicateDeletes"`
	Historical       Historical `json:"historical"`
	// TransferAcceleration asks for the accelerated link (oss_acc), the only one
	// between regions inside and outside mainland China. [fact 14]
	TransferAcceleration bool `json:"transferAcceleration"`
	RTC                  bool `json:"rtc"` // replication time control
	// KMS says what becomes of objects under keys of KMS; nil leaves them out.
	KMS    *KMS   `json:"kms,omitempty"`
	Limits Limits `json:"limits"`
	// Declared are facts of a destination that the desk may have no right to look at;
	// nil: none are declared.
	Declared *Declared `json:"declared,omitempty"`
	Verify   Verify    `json:"verify"`
	// AcceptGap of a replacement: objects that were written between the two rules and
	// have no copy are named, and not waited for.
	AcceptGap bool `json:"acceptGap,omitempty"`
	// DryRun asks for a plan and for nothing else: such a ticket never has a job.
	DryRun bool `json:"dryRun,omitempty"`
}

// An End is one of the two buckets of a pair.
type End struct {
	Account string `json:"account"` // UID of the owner
	Region  string `json:"region"`  // such as cn-hangzhou, without "oss-"
	Bucket  string `json:"bucket"`
}

// Location returns the region in the form that rules use, such as oss-cn-hangzhou.
func (e End) Location() string { return "oss-" + e.Region }

// Objects is the scope of the rule.
type Objects struct {
	// Prefixes restrict the scope to the keys that start with one of them. Empty
	// means the whole bucket. They are case-sensitive and need no slash.
	Prefixes []string `json:"prefixes,omitempty"`
	// Tags restrict the scope to objects with certain tags; nil means whatever
	// their tags.
	Tags *TagFilter `json:"tags,omitempty"`
}

// Historical says what becomes of the objects that exist already.
type Historical struct {
	// Replicate has no default: the one of OSS copies and overwrites. [fact 5]
	Replicate *bool `json:"replicate"`
	// AcceptOverwrite allows copying over objects of the same name in a
	// destination without versioning.
	AcceptOverwrite bool `json:"acceptOverwrite"`
	// DueBy is when the backfill has to be complete; nil means no date.
	DueBy *time.Time `json:"dueBy,omitempty"`
}

// Limits are what the watch holds the pair to.
type Limits struct {
	MaxLag Duration `json:"maxLag"` // how far the watermark may lie behind; with RTC 10 minutes count
	// GrantWithin is how long the owner of another account may take to let the role of
	// the rule write to the destination; 0 is [BlockedLost].
	GrantWithin Duration `json:"grantWithin,omitempty"`
}

// Verify says how the live rule is proven.
type Verify struct {
	// Canary false declines objects of our own in the buckets; the evidence is
	// then only that the watermark moved.
	Canary bool `json:"canary"`
}

// Duration is a time.Duration that is written as in "10m" or "1h30m".
type Duration time.Duration

// MarshalText writes d as a Go duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes, in any of its units.
func (d *Duration) UnmarshalText(b []byte) error {
	if !durationForm.Match(b) {
		return fmt.Errorf("%q is not a duration such as 90s, 10m or 1h30m", b)
	}
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// durationForm is narrower than [time.ParseDuration]: no sign, no bare point.
var durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`)

// Std returns d as the standard type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// DefaultMaxLag is the lag limit of a pair without RTC whose ticket names none.
// OSS promises nothing without RTC and speaks of minutes to hours. [fact 18]
const DefaultMaxLag = time.Hour

// RTCMaxLag is what replication time control promises for new objects. [fact 17]
const RTCMaxLag = 10 * time.Minute

// defaults returns a request that holds what a ticket may leave out.
func defaults() Request {
	return Request{
		Role:   RoleChoice{Type: RoleNew},
		Limits: Limits{MaxLag: Duration(DefaultMaxLag)},
		Verify: Verify{Canary: true},
	}
}

// Fingerprint returns the SHA-256 of the parsed request in hexadecimal: two
// tickets with the same one ask for the same, however they are written and whoever
// has approved them.
func (r Request) Fingerprint() string {
	r.Approvals = nil
	b, err := json.Marshal(r)
	if err != nil { // only a year outside 0..9999 could do it, and Parse refuses that
		return "unprintable"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// MaxLag is the lag that the watch tolerates.
func (r Request) MaxLag() time.Duration {
	if r.RTC && r.Limits.MaxLag.Std() > RTCMaxLag {
		return RTCMaxLag
	}
	return r.Limits.MaxLag.Std()
}

// A Topology says whether a pair crosses the border of a region. There is no call of
// its own for either: the two regions decide.
type Topology string

// The topologies.
const (
	TopologyCRR Topology = "CRR" // cross-region replication
	TopologySRR Topology = "SRR" // same-region replication
)

// Topology follows from the regions of the two ends.
func (r Request) Topology() Topology {
	if r.Source.Region == r.Destination.Region {
		return TopologySRR
	}
	return TopologyCRR
}

// Pair names the pair of buckets, the key of its owner's log. Bucket names are
// global and hold no "~".
func (r Request) Pair() string { return r.Source.Bucket + "~" + r.Destination.Bucket }
