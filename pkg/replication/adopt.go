package replication

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Adoption takes a rule that people or another tool made under watch. The ticket
// describes the pair and its options as one that replicates does; the rule has to
// equal that. Nothing is made for it: role, policies and rule are those of others.

// adopts reports whether the ticket takes an existing rule under watch.
func (r Request) adopts() bool { return r.Action == ActionAdopt }

// preflightAdoption looks at both buckets and at the rule before the pair is claimed.
func preflightAdoption(j *Job, v View) Step {
	if !j.Made.Pair.IsZero() {
		return next(j, PhaseAdopting, v)
	}
	r := j.Request
	if l := LookSource | LookDestination; !v.Seen.Has(l) {
		return Step{Look: l}
	}
	dst, declared, known := seenOrDeclared(r, v)
	if !known {
		return block(j, ReasonUndeclared, undeclared(r), v)
	}
	if reason, message := unfitBuckets(r, *v.Seen.Source, dst); reason != "" {
		return reject(j, reason, message, v)
	}
	if declared != nil {
		j.access().Declared = declared
	}
	j.Versioned = v.Seen.Source.Versioning == "Enabled"
	if l := LookRules | encryptionLooks(r); !v.Seen.Has(l) {
		return Step{Look: l}
	}
	if _, reason, message := adoptable(r, *v.Seen.Rules); reason != "" {
		return reject(j, reason, message, v)
	}
	if reason, message := checkEncryption(j, v.Seen); reason != "" { // the rule stands all the same
		j.risk(string(reason), "%s", message)
	}
	j.Made.PairAsked = true
	return Step{Effect: &Effect{Kind: EffectClaimPair}}
}

// decideAdopting looks at the rule once more, now that no other ticket can have the
// pair, and takes it under watch as it stands.
func decideAdopting(j *Job, v View) Step {
	if !v.Seen.Has(LookRules) {
		return Step{Look: LookRules}
	}
	g, reason, message := adoptable(j.Request, *v.Seen.Rules)
	if reason != "" {
		return reject(j, reason, message, v)
	}
	j.Rule = &Rule{ID: g.ID, Role: g.SyncRole, Accepted: v.Now, Confirmed: v.Now}
	j.Made.Rule = v.Now
	if g.Status == RuleStarting {
		return next(j, PhaseStarting, v)
	}
	j.Rule.Live = v.Now
	return next(j, PhaseVerifying, v)
}

// adoptable returns the rule that the ticket describes, or why there is none. It is
// found by meaning: the one rule from source to destination, and the one that the
// ticket names if it names one. [fact 2]
func adoptable(r Request, s RulesSeen) (RuleSeen, Reason, string) {
	g, ok := s.Find("", r.Destination.Bucket)
	switch {
	case !ok:
		return g, ReasonAdoptMissing, fmt.Sprintf("%s has no rule to %s", r.Source.Bucket, r.Destination.Bucket)
	case r.Target != "" && g.ID != r.Target:
		return g, ReasonAdoptMissing, fmt.Sprintf("the rule from %s to %s is %s, not %s", r.Source.Bucket, r.Destination.Bucket, g.ID, r.Target)
	case g.Status == RuleClosing:
		return g, ReasonAdoptClosing, fmt.Sprintf("rule %s of %s is being removed", g.ID, r.Source.Bucket)
	}
	d := RuleFor(r).Differences(g.plain())
	for _, name := range g.Unknown {
		d = append(d, "it has the element "+name+", which this version does not know")
	}
	if len(d) > 0 {
		return g, ReasonAdoptDiffers, fmt.Sprintf("rule %s of %s is not the one that the ticket describes: %s", g.ID, r.Source.Bucket, strings.Join(d, "; "))
	}
	return g, "", ""
}

// plain returns a rule with the defaults of OSS in the place of what it does not show,
// and one spelling for actions that mean the same. Our own rules have every element;
// those of others need not. [fact 3] [fact 5] [fact 53]
func (g RuleSeen) plain() RuleSeen {
	switch {
	case g.Action == "", sameActions(g.Action, "PUT", "DELETE", "ABORT"):
		g.Action = "ALL"
	}
	if g.Historical == "" {
		g.Historical = "enabled"
	}
	if g.TransferType == TransferInternal {
		g.TransferType = ""
	}
	return g
}

// sameActions reports whether a list of actions, as OSS echoes it, names exactly these.
func sameActions(list string, want ...string) bool {
	var got []string
	for a := range strings.SplitSeq(list, ",") {
		got = append(got, strings.TrimSpace(a))
	}
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

// differences compares the rule of the job with what its ticket asks for, an adopted
// one by meaning.
func (j *Job) differences(g RuleSeen) []string {
	if j.Request.adopts() {
		g = g.plain()
	}
	return RuleFor(j.Request).Differences(g)
}

// letGo gives up the rule of an adoption that comes to no good: it stays as it was
// found, and the job has nothing to do with it any more.
func (j *Job) letGo(v View) {
	j.Made.Rule, j.Rule.Ended = time.Time{}, v.Now
}

// adoptedRole names the role of an adopted rule for people.
func (j *Job) adoptedRole() string {
	if j.Rule == nil || j.Rule.Role == "" {
		return "the role of the rule, which the rule does not show, and its policies: others made them"
	}
	return fmt.Sprintf("role %s and its policies, which others made", j.Rule.Role)
}
