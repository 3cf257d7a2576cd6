package replication

import (
	"encoding/json"
	"fmt"
	"strings"
)

// What a deployment permits. Everything here is decided from the ticket and the desk
// alone, so before the first call that touches anything.

// An EndPattern matches ends of pairs. In each member "*" stands for any characters,
// none included; everything else stands for itself.
type EndPattern struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Bucket  string `json:"bucket"`
}

// Matches reports whether all three members match.
func (p EndPattern) Matches(e End) bool {
	return matches(p.Account, e.Account) && matches(p.Region, e.Region) && matches(p.Bucket, e.Bucket)
}

// A PairPattern is an entry of the allow-list.
type PairPattern struct {
	Source      EndPattern `json:"source"`
	Destination EndPattern `json:"destination"`
}

// Residency says where the data of some buckets has to stay. Account and Bucket are
// patterns of the source, Regions of those that the destination may lie in.
type Residency struct {
	Account string
	Bucket  string
	Regions []string
}

// matches reports whether s matches a pattern in which "*" stands for any characters.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part) // the first one leaves the most room for the rest
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// validatePermit refuses a pair that the desk may not replicate. Ends that are wrong
// by themselves are refused as that.
func validatePermit(p *Problems, r Request, d Desk) {
	if !wellFormed(r.Source) || !wellFormed(r.Destination) {
		return
	}
	if !d.allows(r) {
		*p = append(*p, Problem{Code: ReasonPairNotAllowed, Field: "destination",
			Message: fmt.Sprintf("the allow-list of this desk has no entry for %s to %s", where(r.Source), where(r.Destination)),
			Remedy:  fmt.Sprintf("%s: %s", ReasonPairNotAllowed.Remedy(), exactly(r))})
	}
	for _, s := range d.Residency {
		if matches(s.Account, r.Source.Account) && matches(s.Bucket, r.Source.Bucket) && !s.permits(r.Destination.Region) {
			p.add(ReasonResidency, "destination.region", fmt.Sprintf("data of %s may only be in %s, not in %s", r.Source.Bucket, strings.Join(s.Regions, ", "), r.Destination.Region))
		}
	}
}

func wellFormed(e End) bool {
	return uidForm.MatchString(e.Account) && regionForm.MatchString(e.Region) && bucketForm.MatchString(e.Bucket)
}

func (d Desk) allows(r Request) bool {
	for _, a := range d.Pairs {
		if a.Source.Matches(r.Source) && a.Destination.Matches(r.Destination) {
			return true
		}
	}
	return false
}

func (s Residency) permits(region string) bool {
	for _, p := range s.Regions {
		if matches(p, region) {
			return true
		}
	}
	return false
}

func where(e End) string { return fmt.Sprintf("%s (%s, account %s)", e.Bucket, e.Region, e.Account) }

// exactly returns the entry of the allow-list that has this pair and no other.
func exactly(r Request) string {
	b, err := json.Marshal(PairPattern{Source: EndPattern(r.Source), Destination: EndPattern(r.Destination)})
	if err != nil { // three strings each
		return err.Error()
	}
	return string(b)
}
