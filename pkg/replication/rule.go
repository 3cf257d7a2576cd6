package replication

import (
	"fmt"
	"slices"
)

// A RuleSpec is the rule that a ticket asks for. Every element is sent, none is
// left to a default of OSS. [fact 3]
type RuleSpec struct {
	Source      End        `json:"source"`
	Destination End        `json:"destination"`
	Transfer    string     `json:"transfer"` // "internal" or "oss_acc"
	Prefixes    []string   `json:"prefixes,omitempty"`
	Tags        *TagFilter `json:"tags,omitempty"` // nil: whatever their tags
	Action      string     `json:"action"`         // "ALL" or "PUT"
	Historical  string     `json:"historical"`     // "enabled" or "disabled"
	SyncRole    string     `json:"syncRole"`       // the bare name [fact 4]
	RTC         bool       `json:"rtc"`
	KMSKey      string     `json:"kmsKey,omitempty"` // "": objects under keys of KMS are left out [fact 62]
}

// The links of a rule.
const (
	TransferInternal     = "internal"
	TransferAcceleration = "oss_acc"
)

// RuleFor returns the rule that r asks for.
func RuleFor(r Request) RuleSpec {
	s := RuleSpec{
		Source: r.Source, Destination: r.Destination, Transfer: TransferInternal,
		Prefixes: slices.Clone(r.Objects.Prefixes), Tags: r.Objects.Tags, Action: "PUT", Historical: "disabled",
		SyncRole: r.RoleName(), RTC: r.RTC, KMSKey: r.KMSKey(),
	}
	if r.adopts() {
		s.SyncRole = "" // whatever it is
	}
	if r.TransferAcceleration {
		s.Transfer = TransferAcceleration
	}
	if r.ReplicateDeletes {
		s.Action = "ALL"
	}
	if r.Historical.Replicate != nil && *r.Historical.Replicate {
		s.Historical = "enabled"
	}
	return s
}

// Differences compares the rule that was asked for with the one that was read
// back, element by element. nil means that they are the same by meaning. An
// element that OSS does not always show (SyncRole; the internal link) counts as
// the same when it is absent [fact 6], and a role that was not asked for is any.
func (s RuleSpec) Differences(g RuleSeen) []string {
	var d []string
	differ := func(element, asked, got string) {
		if asked != got {
			d = append(d, fmt.Sprintf("%s is %s, asked for was %s", element, shown(got), shown(asked)))
		}
	}
	differ("destination bucket", s.Destination.Bucket, g.Destination)
	differ("location", s.Destination.Location(), g.Location)
	asked, got := slices.Sorted(slices.Values(s.Prefixes)), slices.Sorted(slices.Values(g.Prefixes))
	if !slices.Equal(asked, got) {
		d = append(d, fmt.Sprintf("prefix set is %s, asked for was %s", listed(got), listed(asked)))
	}
	differ("action", s.Action, g.Action)
	differ("historical replication", s.Historical, g.Historical)
	if got := g.TransferType; got != "" || s.Transfer != TransferInternal {
		differ("transfer type", s.Transfer, got)
	}
	if g.SyncRole != "" && s.SyncRole != "" {
		differ("sync role", s.SyncRole, g.SyncRole)
	}
	differ("RTC", onOff(s.RTC), onOff(g.hasRTC()))
	differ("KMS replication", onOff(s.KMSKey != ""), onOff(g.KMS == "Enabled"))
	if s.KMSKey != "" && !sameKey(s.KMSKey, g.KMSKey, s.Destination) {
		differ("KMS key", s.KMSKey, g.KMSKey)
	}
	tags := g.Tags.String()
	if g.OddTags > 0 {
		tags += fmt.Sprintf(" and %d elements of another form", g.OddTags)
	}
	if asked := s.Tags.String(); asked != tags {
		d = append(d, fmt.Sprintf("tag filter is %s, asked for was %s", tags, asked))
	}
	return d
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func listed(prefixes []string) string {
	if len(prefixes) == 0 {
		return "absent"
	}
	return fmt.Sprintf("%q", prefixes)
}

func shown(s string) string {
	if s == "" {
		return "absent"
	}
	return fmt.Sprintf("%q", s)
}

// Find returns the rule of the pair: by id when it is known, else by the
// destination bucket, of which there is at most one. [fact 2]
func (s *RulesSeen) Find(id, destination string) (RuleSeen, bool) {
	for _, r := range s.Rules {
		if r.Destination == destination && (id == "" || r.ID == id) {
			return r, true
		}
	}
	return RuleSeen{}, false
}
