package replication

import (
	"fmt"
	"time"
)

// effectTexts says what each effect is for.
var effectTexts = map[EffectKind]string{
	EffectClaimPair:    "claim the pair, so that no other ticket works on it",
	EffectReleasePair:  "give the pair back",
	EffectCreateRole:   "make the role that OSS assumes; nobody else can",
	EffectCreatePol:    "make the least-privilege policy of the role",
	EffectAttach:       "attach the policy to the role",
	EffectAttachSystem: "attach a policy of the cloud's own to the role",
	EffectTakeSlot:     "take one of the slots for new rules",
	EffectGrant:        "see to it that the bucket policy of the destination has this statement; everything else in it stays as it is",
	EffectRevoke:       "take the statement in the bucket policy of the destination back",
	EffectGrantKey:     "see to it that the policy of the key has this statement; everything else in it stays as it is",
	EffectRevokeKey:    "take the statement in the policy of the key back",
	EffectPutRule:      "put the rule",
	EffectCloseRule:    "close the rule",
	EffectOrder:        "have the ticket that this one is about taken down",
	EffectPutRTC:       "turn replication time control of the rule on or off",
	EffectPutCanary:    "write the canary, which has to arrive",
	EffectPutOutside:   "write an object outside the scope, which must not arrive",
	EffectPutUntagged:  "write an object without the tags of the scope, which must not arrive",
	EffectOverwrite:    "overwrite the canary; the change has to arrive",
	EffectDelete:       "delete the canary plainly and see what the rule does with that",
	EffectCleanUp:      "remove the objects of our own from the source, with all versions",
}

// effectCalls names the calls of an effect, and what they are about.
func effectCalls(e Effect, r Request) []string {
	at := func(key string) string { return r.Source.Bucket + "/" + key }
	switch e.Kind {
	case EffectTakeSlot:
		return []string{"PutObject into the log of the slots for new rules"}
	case EffectClaimPair, EffectReleasePair:
		return []string{"PutObject into the log of the pair " + r.Pair()}
	case EffectCreateRole:
		return []string{"CreateRole " + e.Role}
	case EffectCreatePol:
		return []string{"CreatePolicy " + e.Policy}
	case EffectAttach, EffectAttachSystem:
		return []string{"AttachPolicyToRole " + e.Policy + " to " + e.Role}
	case EffectGrant, EffectRevoke:
		dst := r.Destination.Bucket
		return []string{"PutObject into the log of the bucket " + dst + " (lease, the policy before the change, who relies on it)",
			"GetBucketPolicy " + dst, "PutBucketPolicy " + dst + " (not when the policy is as it has to be)"}
	case EffectGrantKey, EffectRevokeKey:
		return []string{"PutObject into the log of the key " + r.KMSKey() + " (lease, the policy before the change, who relies on it)",
			"GetKeyPolicy " + r.KMSKey(), "SetKeyPolicy " + r.KMSKey() + " (not when the policy is as it has to be)"}
	case EffectPutRule:
		return []string{"PutBucketReplication " + r.Source.Bucket}
	case EffectOrder:
		return []string{"PutObject into the log of ticket " + r.Target}
	case EffectPutRTC:
		return []string{"PutBucketRTC " + r.Source.Bucket}
	case EffectCloseRule:
		return []string{"DeleteBucketReplication " + r.Source.Bucket}
	case EffectPutCanary, EffectPutOutside, EffectPutUntagged, EffectOverwrite:
		return []string{"PutObject " + at(e.Object.Key)}
	case EffectDelete:
		return []string{"DeleteObject " + at(e.Object.Key)}
	case EffectCleanUp:
		var calls []string
		for _, k := range e.Keys {
			calls = append(calls, "ListObjectVersions "+at(k), "DeleteObject "+at(k)+" (each version)")
		}
		return calls
	}
	return nil
}

// callsOf names the calls of looks.
func callsOf(l Look, j *Job) []string {
	r := j.Request
	gap := "ListObjectsV2 " + r.Source.Bucket
	if j.Gap != nil && !j.Gap.Unlisted {
		gap += ", and " + r.Destination.Bucket + " for each object that was written in the gap"
	}
	var calls []string
	for _, c := range []struct {
		look Look
		call string
	}{
		{LookSource, "GetBucketInfo " + r.Source.Bucket},
		{LookDestination, "GetBucketInfo " + r.Destination.Bucket},
		{LookLocations, "GetBucketReplicationLocation " + r.Source.Bucket},
		{LookRules, "GetBucketReplication " + r.Source.Bucket},
		{LookProgress, "GetBucketReplicationProgress " + r.Source.Bucket},
		{LookRole, "GetRole " + j.Request.RoleName()},
		{LookPolicy, "GetPolicy " + j.Request.PolicyName()},
		{LookAttachment, "ListPoliciesForRole " + j.Request.RoleName()},
		{LookRights, "ListPoliciesForRole " + j.Request.RoleName()},
		{LookRights, "GetPolicy of each policy of " + j.Request.RoleName()},
		{LookCanary, "HeadObject " + r.Destination.Bucket + "/" + CanaryKey(r)},
		{LookOutside, "HeadObject " + r.Destination.Bucket + "/" + OutsideKey(r)},
		{LookUntagged, "HeadObject " + r.Destination.Bucket + "/" + UntaggedKey(r)},
		{LookDestinationEmpty, "ListObjectsV2 " + r.Destination.Bucket},
		{LookBucketPolicy, "GetBucketPolicy " + r.Destination.Bucket},
		{LookTarget, "GetObject from the log of ticket " + r.Target},
		{LookGap, gap},
		{LookOwner, "GetObject from the log of the pair " + r.Pair()},
		{LookSourceEncryption, "GetBucketEncryption " + r.Source.Bucket},
		{LookDestinationEncryption, "GetBucketEncryption " + r.Destination.Bucket},
		{LookSample, "ListObjectsV2 " + r.Source.Bucket},
		{LookSample, "HeadObject " + r.Source.Bucket + "/... (a few)"},
		{LookKey, "DescribeKey " + r.KMSKey()},
		{LookKeyPolicy, "GetKeyPolicy " + r.KMSKey()},
	} {
		if l&c.look != 0 {
			calls = append(calls, c.call)
		}
	}
	return calls
}

// show adds to seen what w shows of l.
func show(seen *Seen, w Seen, l Look) {
	take := func(one Look, f func()) {
		if l.Has(one) {
			f()
		}
	}
	take(LookSource, func() { seen.Source = w.Source })
	take(LookDestination, func() { seen.Destination = w.Destination })
	take(LookLocations, func() { seen.Locations = w.Locations })
	take(LookRules, func() { seen.Rules = w.Rules })
	take(LookProgress, func() { seen.Progress = w.Progress })
	take(LookRole, func() { seen.Role = w.Role })
	take(LookPolicy, func() { seen.Policy = w.Policy })
	take(LookAttachment, func() { seen.Attachment = w.Attachment })
	take(LookRights, func() { seen.Rights = w.Rights })
	take(LookCanary, func() { seen.Canary = w.Canary })
	take(LookOutside, func() { seen.Outside = w.Outside })
	take(LookUntagged, func() { seen.Untagged = w.Untagged })
	take(LookDestinationEmpty, func() { seen.DestinationEmpty = w.DestinationEmpty })
	take(LookBucketPolicy, func() { seen.BucketPolicy = w.BucketPolicy })
	take(LookTarget, func() { seen.Target = w.Target })
	take(LookGap, func() { seen.Gap = w.Gap })
	take(LookOwner, func() { seen.Owner = w.Owner })
	take(LookSourceEncryption, func() { seen.SourceEncryption = w.SourceEncryption })
	take(LookDestinationEncryption, func() { seen.DestinationEncryption = w.DestinationEncryption })
	take(LookSample, func() { seen.Sample = w.Sample })
	take(LookKey, func() { seen.Key = w.Key })
	take(LookKeyPolicy, func() { seen.KeyPolicy = w.KeyPolicy })
}

// annotate says what people should know before they send the ticket. j is its job
// at the end of the walk.
func (p *PlanResult) annotate(j *Job, s Survey) {
	p.risks(j, s)
	p.lifecycles(j.Request, j.Versioned, s.More)
	p.final(j, s)
	p.times(j)
	p.across(j, s.Seen)
	p.costs(j)
}

func (p *PlanResult) risks(j *Job, s Survey) {
	p.replaceRisks(j, s.Seen)
	r := j.Request
	add := func(is bool, code, format string, args ...any) {
		if is {
			p.Risks = append(p.Risks, PlanNote{code, fmt.Sprintf(format, args...)})
		}
	}
	p.Risks = append(p.Risks, j.Risks...)
	dst, history := r.Destination.Bucket, *r.Historical.Replicate
	tagged := r.Objects.Tags != nil
	add(tagged, "tags-later", "the tags count that an object is written with: whether one that is tagged later is copied is nowhere said [fact 45]")
	add(tagged && j.Versioned, "delete-may-hide-copy", "a plain delete at the source makes a delete marker, which has no tags and should stay there; if it is replicated all the same it hides the object in %s [fact 47]", dst)
	add(j.Versioned && !tagged, "delete-hides-copy", "a plain delete at the source also hides the object in %s: the delete marker is replicated, whatever replicateDeletes says [fact 13]", dst)
	add(r.ReplicateDeletes && !j.Versioned, "delete-is-final", "what is deleted at the source, also by a lifecycle rule, is deleted in %s and cannot be recovered: it keeps no versions [fact 13]", dst)
	add(r.ReplicateDeletes && j.Versioned, "version-delete-is-final", "deleting a version at the source, also by a lifecycle rule, deletes it in %s beyond recovery [fact 13]", dst)
	p.sameNames(r, j.Versioned, s.Seen, s.More.SameNames)
	add(history && !r.adopts(), "cold-objects-stay", "objects of the storage classes Cold Archive and Deep Cold Archive are not copied, restored or not [fact 67]")
	add(!history && !r.adopts(), "existing-objects-stay", "objects that exist before the rule takes effect are not copied [fact 5]")
	add(!r.Verify.Canary, "watermark-idle", "without the canary the only evidence is that the watermark moves: while nobody writes to %s the ticket can be blocked as %s", r.Source.Bucket, ReasonWatermarkStands)
	add(j.warning() != "", "role-reaches-too-far", "%s [fact 74]", j.warning())
	add(!r.RTC, "no-promise", "OSS promises no time of arrival: minutes to hours are usual, also beyond limits.maxLag (%s) [fact 18]", r.MaxLag())
	add(p.Topology == TopologySRR, "one-region", "both buckets lie in %s: what befalls the region befalls the copy", r.Source.Region)
	add(true, "silent-standstill", "a rule whose role or policy is changed later stands still without an error; only the lag shows it [fact 27]")
}

func (p *PlanResult) final(j *Job, s Survey) {
	r := j.Request
	add := func(is bool, code, format string, args ...any) {
		if is {
			p.Final = append(p.Final, PlanNote{code, fmt.Sprintf(format, args...)})
		}
	}
	add(true, "rule-immutable", "the rule cannot be edited: another one means to close it and to wait until it is gone [fact 2] [fact 9]")
	add(true, "copies-stay", "what was copied stays in %s when the rule is closed [fact 9]", r.Destination.Bucket)
	full := s.Seen.DestinationEmpty != nil && !*s.Seen.DestinationEmpty
	add(full && *r.Historical.Replicate && !j.Versioned && !r.adopts(), "overwrites-stay", "what the historical copy overwrites in %s cannot be brought back [fact 5]", r.Destination.Bucket)
	add(r.ReplicateDeletes, "deletes-stay", "what the rule deletes in %s cannot be brought back, also not by stopping the ticket [fact 13]", r.Destination.Bucket)
	add(j.Versioned, "versioning-bound", "while the rule stands, versioning of neither bucket can be suspended [fact 68]")
	add(!j.Versioned, "versioning-bound", "while the rule stands, versioning can be turned on for neither bucket alone [fact 68]")
	add(r.TransferAcceleration, "acceleration-bound", "while the rule stands, transfer acceleration of its buckets cannot be turned off [fact 68]")
	add(j.ownRole() && !r.adopts(), "grants-stay", "role %s and policy %s stay when the ticket fails; its message names them", j.Request.RoleName(), j.Request.PolicyName())
	add(!j.ownRole() && j.ownPolicy(), "policy-stays", "policy %s stays on role %s when the ticket fails, until it is stopped; its message names it", j.Request.PolicyName(), j.Request.RoleName())
	add(r.Role.Type == RoleAliyun, "shared-role-stays", "role %s and %s stay, also when the ticket is stopped: all of the account share them", j.Request.RoleName(), j.Request.sharedPolicies())
	if j.Evidence != nil {
		for _, left := range j.Evidence.LeftBehind {
			add(true, "canary-left", "%s stays: nothing is deleted at the destination but by the rule", left)
		}
	}
}

func (p *PlanResult) times(j *Job) {
	add := func(code, format string, args ...any) {
		p.Times = append(p.Times, PlanNote{code, fmt.Sprintf(format, args...)})
	}
	if j.Request.adopts() {
		add("adoption", "the rule copies already; looking at it takes seconds")
		j.timesOfProof(add)
		return
	}
	add("grants", "a new role or grant is known everywhere after seconds as a rule; no figure is published [fact 23]. After %s somebody is asked to look", shortDuration(PropagationLimit))
	add("start", "OSS starts the rule within 3 to 5 minutes [fact 8]. Late is reported after %s, given up after %s", shortDuration(StartingLate), shortDuration(StartingLost))
	history := *j.Request.Historical.Replicate
	switch {
	case j.Request.RTC && history:
		add("rtc-start", "RTC is in effect about an hour after the historical copy is complete [fact 60]")
	case j.Request.RTC:
		add("rtc-start", "RTC is in effect within 15 minutes [fact 60]")
	}
	switch {
	case j.Request.RTC:
		add("new-objects", "with RTC 99.99 %% of new objects arrive within 10 minutes; historical objects do not count [fact 17]")
	case j.Request.TransferAcceleration:
		add("new-objects", "new objects arrive after minutes to hours, over the accelerated link sooner than without; nothing is promised [fact 18]")
	default:
		add("new-objects", "new objects arrive after minutes to hours; nothing is promised [fact 18]")
	}
	if history {
		add("historical", "how long the historical copy takes depends on size and number of the objects; nothing is promised [fact 18]")
	}
	if t := j.Request.Historical.DueBy; history && t != nil {
		add("historical-due", "people are told as soon as the historical copy will not be complete by %s at its speed", t.UTC().Format(time.RFC3339))
	}
	j.timesOfProof(add)
}

func (j *Job) timesOfProof(add func(code, format string, args ...any)) {
	if j.Request.Verify.Canary {
		add("proof", "the proof waits for three arrivals. Late is reported after %s, given up after %s", shortDuration(CanaryLate), shortDuration(CanaryLost))
	}
}

// costs says who pays for what. [fact 43]
func (p *PlanResult) costs(j *Job) {
	r := j.Request
	add := func(is bool, code, format string, args ...any) {
		if is {
			p.Costs = append(p.Costs, PlanNote{code, fmt.Sprintf(format, args...)})
		}
	}
	add(p.Topology == TopologyCRR, "traffic", "the traffic between the regions: account %s, of the source [fact 43]", r.Source.Account)
	add(r.RTC, "rtc", "replication time control, on top of the traffic: account %s, of the source [fact 43]", r.Source.Account)
	add(r.TransferAcceleration, "acceleration", "the accelerated link: account %s, of the destination [fact 43]", r.Destination.Account)
	add(p.Topology == TopologySRR, "no-traffic", "nothing leaves the region, so no traffic between regions is charged [fact 43]")
	payer := "account " + r.Source.Account
	if r.Source.Account != r.Destination.Account {
		payer = "which of the two accounts is nowhere said"
	}
	add(true, "requests", "the requests that copying takes, on top of that: %s [fact 43]", payer)
	add(true, "storage", "what is stored in %s, the older versions too: account %s, which owns it [fact 43]", r.Destination.Bucket, r.Destination.Account)
}
