package world

import (
	"slices"
	"strings"
	"time"
)

// The states of a rule. There is none for a rule that cannot copy: it is doing,
// and its watermark stands still.
const (
	RuleStarting = "starting"
	RuleDoing    = "doing"
	RuleClosing  = "closing"
)

// The states of a rule's replication time control; "" is off.
const (
	RTCEnabling = "enabling"
	RTCEnabled  = "enabled"
)

// Limits of replication rules.
const (
	maxRulesOut    = 100 // with one bucket as source
	maxRulesIn     = 100 // with one bucket as destination
	maxPrefixes    = 10
	maxPrefixRunes = 1023
	maxFilterTags  = 10
	maxRuleID      = 255
)

// A Rule is a replication rule. What the world hands out is a copy.
type Rule struct {
	ID           string
	Source       string // bucket
	Destination  string // bucket
	Location     string // of the destination: "oss-cn-shanghai"
	TransferType string // "internal" or "oss_acc"
	Prefixes     []string
	Action       string // as it was sent: "ALL", "PUT" or a list such as "PUT,DELETE"
	Historical   bool
	SyncRole     string // role name; "" only in a lenient world, or when it was lost
	RTC          string
	KMS          string // status of SseKmsEncryptedObjects: "", "Enabled" or "Disabled"
	KMSKeyID     string
	Tags         *TagFilter // nil means objects with any tags and with none
	Status       string
	Created      time.Time

	run *ruleRun // nil in copies
}

// A TagFilter chooses objects by their tags.
type TagFilter struct {
	Type string // "AND": the object has all of them; "OR": at least one
	Tags []Tag
}

// A Progress is what OSS tells of the work of a rule.
type Progress struct {
	// Historical is the copied share of the versions that stood in the source when
	// the rule was made, in scope, as a decimal string from "0" to "1". It counts
	// versions, not bytes, is cut off after two digits, and counts as done what
	// the rule leaves out (see [Rule.replicaEncryption]) or what is gone from the
	// source. It is "" when the rule does not copy history.
	Historical string
	// NewObject is the watermark: what was written to the source before is copied.
	// The zero time means that nothing is known yet.
	NewObject time.Time
}

// A RuleProgress is a rule with its figures.
type RuleProgress struct {
	Rule
	Progress *Progress // nil unless the rule is doing
}

// copy returns a rule that shares nothing with the world.
func (r *Rule) copy() Rule {
	c := *r
	c.run = nil
	c.Prefixes = slices.Clone(r.Prefixes)
	if r.Tags != nil {
		c.Tags = &TagFilter{Type: r.Tags.Type, Tags: slices.Clone(r.Tags.Tags)}
	}
	return c
}

// covers reports whether an object of that key and tags is in the rule's scope.
func (r *Rule) covers(key string, tags []Tag) bool {
	if len(r.Prefixes) > 0 && !slices.ContainsFunc(r.Prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
		return false
	}
	if r.Tags == nil || len(r.Tags.Tags) == 0 {
		return true
	}
	has := func(t Tag) bool { return slices.Contains(tags, t) }
	if r.Tags.Type == "OR" {
		return slices.ContainsFunc(r.Tags.Tags, has)
	}
	return !slices.ContainsFunc(r.Tags.Tags, func(t Tag) bool { return !has(t) })
}

// does reports whether the rule copies an operation: "PUT", "DELETE" or "ABORT".
func (r *Rule) does(operation string) bool {
	for a := range strings.SplitSeq(r.Action, ",") {
		if a == "ALL" || a == operation {
			return true
		}
	}
	return false
}

// PutReplication makes a rule of the first of the given ones and returns its id.
// OSS takes exactly one a call. What the caller may do is not asked here.
func (w *World) PutReplication(bucket string, rules []RuleRequest) (id string, _ *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return "", e
	}
	q, e := onlyRule(rules)
	if e != nil {
		return "", e
	}
	r := &Rule{Source: b.Name, Status: RuleStarting, Created: now}
	if e := w.readRule(r, q); e != nil {
		return "", e
	}
	if e := w.checkRule(b, r); e != nil {
		return "", e
	}
	if e := firstOf(w.checkRoleAtPut(b, r, now), w.checkReplicaKey(b, r, now)); e != nil {
		return "", e
	}
	asked := r.copy()
	for element := range w.repl.dropped {
		dropElement(r, element)
	}
	w.keepRules(b)
	b.rules = append(b.rules, r)
	w.begin(r, b, asked, now)
	w.broadcast()
	return r.ID, nil
}

// DeleteReplication closes a rule. already is true when it is closing since an
// earlier call; a bucket without any rule is no error.
func (w *World) DeleteReplication(bucket string, ids []string) (already bool, _ *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	switch {
	case e != nil:
		return false, e
	case len(ids) == 0 || len(ids) == 1 && ids[0] == "":
		return false, refuse(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.")
	case len(ids) > 1:
		return false, tooManyRules()
	case len(b.rules) == 0:
		return false, nil
	}
	r := b.rule(ids[0])
	if r == nil {
		return false, noSuchRule(ids[0])
	}
	if r.Status == RuleClosing {
		return true, nil
	}
	w.close(r, b, now)
	w.broadcast()
	return false, nil
}

// Replication returns the rules of a source bucket in the order of their making.
// A stale answer is as if their last change had not happened yet. It refuses with
// NoSuchReplicationConfiguration when there is none.
func (w *World) Replication(bucket string, stale bool) ([]Rule, *Error) {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	var rules []Rule
	for _, p := range w.rulesOf(b, stale) {
		rules = append(rules, p.Rule)
	}
	if len(rules) == 0 {
		return nil, refuse(404, "NoSuchReplicationConfiguration", "The bucket you specified does not have replication configuration").With("BucketName", bucket)
	}
	return rules, nil
}

// ReplicationProgress returns one rule with its figures. An empty id, which old
// clients send, gives all rules in a lenient world and is refused otherwise.
func (w *World) ReplicationProgress(bucket, id string, stale bool) ([]RuleProgress, *Error) {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	rules := w.rulesOf(b, stale)
	if id == "" {
		if !w.opt.Lenient {
			return nil, badElement("rule-id", id, "The rule-id is missing.")
		}
		return rules, nil
	}
	for _, p := range rules {
		if p.ID == id {
			return []RuleProgress{p}, nil
		}
	}
	return nil, noSuchRule(id)
}

// PutRTC turns the replication time control of a rule on or off. status is
// "enabled" or "disabled", in any case.
func (w *World) PutRTC(bucket, id, status string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return e
	}
	on, e := readRTC(status)
	if e != nil {
		return e
	}
	r := b.rule(id)
	switch {
	case r == nil:
		return noSuchRule(id)
	case r.Status == RuleClosing:
		return refuse(400, "BucketReplicationInClosingStatus", "The bucket replication is in closing status.")
	case !on:
		w.keepRules(b)
		r.RTC = ""
		return nil
	case r.Location == b.Location():
		return refuse(400, "BucketReplicationNotSupportRtc", "The bucket replication does not support RTC.")
	case !rtcPair(b.Region, regionOf(r.Location)):
		return rtcNotSupported()
	case r.RTC != "":
		return nil
	}
	w.keepRules(b)
	w.enableRTC(r, now)
	return nil
}

// rulesOf returns copies of a bucket's rules with their figures.
func (w *World) rulesOf(b *Bucket, stale bool) []RuleProgress {
	if stale {
		if before, changed := w.repl.before[b]; changed {
			return before
		}
	}
	rules := make([]RuleProgress, 0, len(b.rules))
	for _, r := range b.rules {
		p := RuleProgress{Rule: r.copy()}
		if r.Status == RuleDoing {
			figures := r.run.figures
			p.Progress = &figures
		}
		rules = append(rules, p)
	}
	return rules
}

// keepRules remembers a bucket's rules as they are before a change.
func (w *World) keepRules(b *Bucket) { w.repl.before[b] = w.rulesOf(b, false) }

func (b *Bucket) rule(id string) *Rule {
	for _, r := range b.rules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func noSuchRule(id string) *Error {
	return refuse(404, "NoSuchReplicationRule", "The BucketReplicationRule you specified does not exist").With("RuleID", id)
}

func tooManyRules() *Error {
	return refuse(400, "TooManyReplicationRules", "OSS only support one replication rule now.")
}

// badElement refuses the value of an element.
func badElement(name, value, message string) *Error {
	return refuse(400, "InvalidArgument", message).With("ArgumentName", name).With("ArgumentValue", value)
}
