package replication

import (
	"fmt"
	"slices"
	"strings"
)

func decideReceived(j *Job, v View) Step {
	if j.Request.Action.aboutAnother() || j.Request.replaces() {
		return next(j, PhaseOrdering, v)
	}
	return next(j, PhasePreflight, v)
}

// decidePreflight looks at everything that can refuse the pair before anything is
// made, and claims the pair last.
func decidePreflight(j *Job, v View) Step {
	r := j.Request
	if o := j.Last; o != nil && o.Effect == EffectClaimPair && o.Owner != "" && o.Owner != j.ID {
		return decideOwned(j, v)
	}
	if r.adopts() {
		return preflightAdoption(j, v)
	}
	if !j.Made.Pair.IsZero() {
		return next(j, PhaseRole, v)
	}
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
	j.Versioned = v.Seen.Source.Versioning == "Enabled"
	l, between := LookRules|encryptionLooks(r), r.Topology() == TopologyCRR
	if between { // where a region leads to says nothing of the region itself [fact 15]
		l |= LookLocations
	}
	overwrites := *r.Historical.Replicate && !j.Versioned && !r.Historical.AcceptOverwrite
	if overwrites && v.Desk.Handshake(r) { // what lies in the bucket of another account is not listed
		if r.Declared == nil || !r.Declared.Empty {
			return reject(j, ReasonOverwrite, fmt.Sprintf("%s keeps no versions, and the ticket does not declare that it holds no object in the scope", r.Destination.Bucket), v)
		}
		declared, overwrites = append(declared, "no object in the scope"), false
	}
	if overwrites {
		l |= LookDestinationEmpty
	}
	if !v.Seen.Has(l) {
		return Step{Look: l}
	}
	if between {
		if reason, message := unfitRegions(r, *v.Seen.Locations); reason != "" {
			return reject(j, reason, message, v)
		}
	}
	if g, ok := v.Seen.Rules.Find("", r.Destination.Bucket); ok {
		if g.Status != RuleClosing {
			if !v.Seen.Has(LookOwner) { // whose rule is it? Without a rule the claim tells whose the pair is
				return Step{Look: LookOwner}
			}
			if v.Seen.Owner.other(j.ID) {
				return decideOwned(j, v)
			}
			return reject(j, ReasonRuleExists, fmt.Sprintf("rule %s of %s has this destination already (%s)", g.ID, r.Source.Bucket, g.Status), v)
		}
		lost := j.Since.Add(ClosingLost)
		if !v.Now.Before(lost) {
			return reject(j, ReasonRuleExists, fmt.Sprintf("rule %s is still closing after %s", g.ID, shortDuration(ClosingLost)), v)
		}
		return wait(j, ReasonRuleClosing, fmt.Sprintf("rule %s of %s is being removed", g.ID, r.Source.Bucket), v.growing(j.Since, closingEvery, slowest, lost))
	}
	if reason, message := checkEncryption(j, v.Seen); reason != "" {
		return reject(j, reason, message, v)
	}
	if overwrites && !*v.Seen.DestinationEmpty {
		return reject(j, ReasonOverwrite, fmt.Sprintf("%s holds objects in the scope and keeps no versions", r.Destination.Bucket), v)
	}
	if s, busy := roleFits(j, v); busy {
		return s
	}
	if declared != nil {
		j.access().Declared = declared
	}
	j.Made.NoRule, j.Made.PairAsked = v.Now, true
	return Step{Effect: &Effect{Kind: EffectClaimPair}}
}

func settlePreflight(j *Job, o Outcome, v View) {
	if o.Result == ResultDone && o.Owner == j.ID {
		j.Made.Pair, j.Made.PairAsked = v.Now, false
	}
}

// unfitBuckets returns why the two buckets cannot be a pair, or "".
func unfitBuckets(r Request, src, dst BucketSeen) (Reason, string) {
	switch {
	case src.Is == Missing:
		return ReasonSourceMissing, fmt.Sprintf("there is no bucket %s", r.Source.Bucket)
	case dst.Is == Missing:
		return ReasonDestinationMissing, fmt.Sprintf("there is no bucket %s", r.Destination.Bucket)
	case src.Is == Foreign, src.Owner != r.Source.Account:
		return ReasonSourceNotOurs, fmt.Sprintf("%s does not belong to account %s", r.Source.Bucket, r.Source.Account)
	case dst.Is == Foreign, dst.Owner != r.Destination.Account:
		return ReasonDestinationNotOurs, fmt.Sprintf("%s does not belong to account %s", r.Destination.Bucket, r.Destination.Account)
	case src.Region != r.Source.Region:
		return ReasonSourceRegion, fmt.Sprintf("%s lies in %s, not in %s", r.Source.Bucket, src.Region, r.Source.Region)
	case dst.Region != r.Destination.Region:
		return ReasonDestinationRegion, fmt.Sprintf("%s lies in %s, not in %s", r.Destination.Bucket, dst.Region, r.Destination.Region)
	case src.Versioning == "Suspended":
		return ReasonVersioningSuspended, fmt.Sprintf("versioning of %s is suspended", r.Source.Bucket)
	case dst.Versioning == "Suspended":
		return ReasonVersioningSuspended, fmt.Sprintf("versioning of %s is suspended", r.Destination.Bucket)
	case src.Versioning != dst.Versioning:
		on, off := r.Source.Bucket, r.Destination.Bucket
		if src.Versioning == "" {
			on, off = off, on
		}
		return ReasonVersioningDiffers, fmt.Sprintf("%s keeps versions, %s does not", on, off)
	}
	return "", ""
}

// unfitRegions returns why OSS would refuse the two regions, or "".
func unfitRegions(r Request, l LocationsSeen) (Reason, string) {
	to := r.Destination.Region
	if !slices.Contains(l.Regions, to) {
		return ReasonRegionNotAllowed, fmt.Sprintf("OSS does not replicate from %s to %s; possible are %s", r.Source.Region, to, strings.Join(l.Regions, ", "))
	}
	only := l.TransferOnly[to]
	if len(only) > 0 && !slices.Contains(only, TransferInternal) && !r.TransferAcceleration {
		return ReasonAccelerationNeeded, fmt.Sprintf("from %s to %s only the accelerated link is offered", r.Source.Region, to)
	}
	if r.TransferAcceleration && !slices.Contains(only, TransferAcceleration) {
		return ReasonAccelerationPointless, fmt.Sprintf("from %s to %s the accelerated link is not offered", r.Source.Region, to)
	}
	if r.RTC && !slices.Contains(l.RTC, to) {
		return ReasonRTCNotOffered, fmt.Sprintf("replication time control is not offered from %s to %s; it is to %s", r.Source.Region, to, strings.Join(l.RTC, ", "))
	}
	return "", ""
}
