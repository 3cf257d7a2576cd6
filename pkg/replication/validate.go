package replication

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Desk is what a deployment allows and keeps for itself.
type Desk struct {
	Account     string    // UID of the account that the functions work in
	Reserved    []string  // buckets of Replidesk's own: never an end of a pair
	MaxPrefixes int       // 10, or up to 100 after the account's limit was raised [fact 7]
	Accounts    []Account // the other accounts that it may have to do with
	// Pairs is the allow-list: what no entry matches is refused, so an empty one
	// refuses every pair.
	Pairs     []PairPattern
	Residency []Residency // every one that matches a source has to permit its destination
	Approvers []Approver  // whose signatures count
	Caps      Caps
	// ObserveOnly holds every effect: looks are taken, results sent, nothing is changed.
	ObserveOnly bool
}

var (
	idForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	uidForm    = regexp.MustCompile(`^[0-9]{5,20}$`)
	regionForm = regexp.MustCompile(`^[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*$`)
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
)

// ValidID reports whether s can be the id of a ticket.
func ValidID(s string) bool { return idForm.MatchString(s) }

// Validate returns what is wrong with the meaning of r, before anything is looked
// at. Everything that can be said without asking the cloud is said here at once.
func Validate(r Request, d Desk) Problems {
	var p Problems
	if r.SpecVersion != "1" {
		p.add(ReasonInvalid, "specVersion", fmt.Sprintf("specVersion is %q, this version reads \"1\"", r.SpecVersion))
	}
	if !ValidID(r.ID) {
		p.add(ReasonInvalidID, "id", "the id must be 1 to 64 letters, digits, dots, underscores or hyphens and begin with a letter or digit")
	}
	switch r.Action {
	case ActionReplicate, ActionStop, ActionCancel, ActionRetry, ActionSetRTC, ActionAdopt, ActionReplace:
	default:
		p.add(ReasonInvalid, "action", fmt.Sprintf("%q is not an action", r.Action))
	}
	if utf8.RuneCountInString(r.Requester) > 256 {
		p.add(ReasonInvalid, "requester", "the requester is longer than 256 characters")
	}
	if r.Action.aboutAnother() {
		validateTarget(&p, r)
		return p
	}
	if r.Action == ActionAdopt && r.Target != "" && !ValidID(r.Target) {
		p.add(ReasonInvalid, "target", "target has to be the id of the rule that is to be adopted; leave it out where the id has another form, since a pair has one rule")
	}
	validateReplace(&p, r, d)
	validateEnds(&p, r, d)
	validatePermit(&p, r, d)
	validatePrefixes(&p, r, d)
	validateTags(&p, r)
	validateKMS(&p, r)
	validateRoom(&p, r)
	validateTopology(&p, r)
	if !r.adopts() { // it takes the role as it is
		validateRole(&p, r)
	}
	validateOptions(&p, r)
	validateApprovals(&p, r, d)
	return p
}

func validateTarget(p *Problems, r Request) {
	switch {
	case !ValidID(r.Target):
		p.add(ReasonInvalid, "target", "target has to be the id of the ticket that this one is about")
	case r.Target == r.ID:
		p.add(ReasonInvalid, "target", "a ticket cannot be about itself")
	}
}

func validateEnds(p *Problems, r Request, d Desk) {
	for _, e := range []struct {
		name string
		End
	}{{"source", r.Source}, {"destination", r.Destination}} {
		if !uidForm.MatchString(e.Account) {
			p.add(ReasonInvalid, e.name+".account", fmt.Sprintf("%s.account has to be the account's UID, in digits", e.name))
		}
		if !regionForm.MatchString(e.Region) || strings.HasPrefix(e.Region, "oss-") {
			p.add(ReasonInvalid, e.name+".region", fmt.Sprintf("%s.region has to be a region such as cn-hangzhou, without oss-", e.name))
		}
		if !bucketForm.MatchString(e.Bucket) {
			p.add(ReasonInvalid, e.name+".bucket", fmt.Sprintf("%s.bucket is not a bucket name: 3 to 63 lower-case letters, digits and hyphens", e.name))
		}
		if slices.Contains(d.Reserved, e.Bucket) {
			p.add(ReasonReserved, e.name+".bucket", fmt.Sprintf("%s keeps the state of Replidesk itself", e.Bucket))
		}
	}
	if r.Source.Bucket == r.Destination.Bucket {
		p.add(ReasonSameBucket, "destination.bucket", "source and destination are the same bucket")
	}
	validateAccounts(p, r, d)
}

// maxPrefixChars is the longest prefix that a rule takes. [fact 7]
const maxPrefixChars = 1023

func validatePrefixes(p *Problems, r Request, d Desk) {
	limit := d.MaxPrefixes
	if limit == 0 {
		limit = 10
	}
	ps := r.Objects.Prefixes
	if len(ps) > limit {
		p.add(ReasonPrefixCount, "objects.prefixes", fmt.Sprintf("there are %d prefixes, a rule takes at most %d", len(ps), limit))
	}
	for i, a := range ps {
		at := fmt.Sprintf("objects.prefixes[%d]", i)
		switch {
		case a == "":
			p.add(ReasonPrefixInvalid, at, "a prefix is empty; leave prefixes out to replicate the whole bucket")
			continue
		case !utf8.ValidString(a) || strings.ContainsRune(a, utf8.RuneError):
			p.add(ReasonPrefixInvalid, at, "a prefix is not valid UTF-8")
		case strings.ContainsFunc(a, unwritable):
			p.add(ReasonPrefixInvalid, at, fmt.Sprintf("%q has a character that no rule can carry", a))
		case utf8.RuneCountInString(a) > maxPrefixChars:
			p.add(ReasonPrefixInvalid, at, fmt.Sprintf("a prefix is longer than %d characters", maxPrefixChars))
		case strings.HasSuffix(a, "*"):
			p.add(ReasonPrefixInvalid, at, fmt.Sprintf("%q ends with *; a prefix matches every key that starts with it", a))
		case strings.HasPrefix(a, "/"), strings.HasPrefix(a, `\`):
			p.add(ReasonPrefixInvalid, at, fmt.Sprintf("%q begins with a slash, which no object key does", a))
		case strings.Contains(a, r.Source.Bucket) && r.Source.Bucket != "":
			p.add(ReasonPrefixInvalid, at, fmt.Sprintf("%q contains the name of the bucket", a))
		}
		for _, b := range ps[i+1:] {
			if b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
				p.add(ReasonPrefixOverlap, at, fmt.Sprintf("the prefixes %q and %q overlap", a, b))
			}
		}
	}
}

// unwritable reports whether a character cannot stand in a rule: XML has no control
// characters, and who reads a list of prefixes cannot see them.
func unwritable(c rune) bool { return unicode.IsControl(c) || c == '\uFFFE' || c == '\uFFFF' }

// validateRoom sees to it that the objects of our own can have a key.
func validateRoom(p *Problems, r Request) {
	if r.Verify.Canary && ValidID(r.ID) && len(r.Objects.Prefixes) > 0 && len(longestKey(r)) > maxKeyBytes {
		p.add(ReasonPrefixInvalid, "objects.prefixes", fmt.Sprintf("every prefix is too long for a canary below it: its key would have %d bytes, OSS takes %d; set verify.canary to false to do without",
			len(longestKey(r)), maxKeyBytes))
	}
}

// validateTopology refuses what exists between regions only. [fact 42]
func validateTopology(p *Problems, r Request) {
	if r.Topology() != TopologySRR || r.Source.Region == "" {
		return
	}
	if r.TransferAcceleration {
		p.add(ReasonAccelerationWithinRegion, "transferAcceleration", fmt.Sprintf("both buckets are to lie in %s, and the accelerated link leads to another region", r.Source.Region))
	}
	if r.RTC {
		p.add(ReasonRTCWithinRegion, "rtc", fmt.Sprintf("both buckets are to lie in %s, and replication time control is for replication to another region", r.Source.Region))
	}
}

func validateOptions(p *Problems, r Request) {
	if r.Historical.Replicate == nil {
		p.add(ReasonHistoricalMissing, "historical.replicate", "the ticket does not say whether existing objects are to be copied")
	} else if !*r.Historical.Replicate && r.Historical.DueBy != nil {
		p.add(ReasonInvalid, "historical.dueBy", "a due date needs historical.replicate to be true")
	}
	if t := r.Historical.DueBy; t != nil && (t.Year() < 2000 || t.Year() > 9999) {
		p.add(ReasonInvalid, "historical.dueBy", "the due date is not a date of this time")
	}
	if l := r.Limits.MaxLag.Std(); l < time.Second || l > 30*24*time.Hour {
		p.add(ReasonInvalid, "limits.maxLag", "limits.maxLag has to lie between 1s and 720h")
	}
}
