package replication

import (
	"fmt"
	"slices"
	"strings"
)

// A LifecycleSeen is what becomes of the objects of a bucket by themselves, as
// GetBucketLifecycle shows it. Only plans look at it: no job decides by it. [fact 52]
type LifecycleSeen struct {
	Rules  []LifecycleRule // no configuration is an empty one
	Unread string          // why it could not be read; "" means that it was
}

// A LifecycleRule is one rule of a bucket. Its times are in words, such as "30 days
// after their last change"; "" means that the rule does not do that.
type LifecycleRule struct {
	ID      string
	Enabled bool
	Prefix  string            // "" is every key
	Tags    []Tag             // that an object must have, all of them
	Except  []LifecycleExcept // what the rule leaves alone all the same

	Expires        string   // the current version is deleted, as a plain delete does it
	Noncurrent     string   // older versions are deleted for good
	ExpiresMarkers bool     // delete markers that hide nothing any more are taken away
	Aborts         string   // uploads that were not completed are given up
	Classes        []string // changes of the storage class, such as "to IA 30 days after their last change"
	ByAccess       bool     // one of the times counts from the last access
}

// A LifecycleExcept is what a rule leaves alone: the keys that begin with a prefix,
// or with a tag only those of them that have it.
type LifecycleExcept struct {
	Prefix string
	Tag    *Tag // nil: whatever their tags
}

// touches reports whether the rule can meet an object of the scope.
func (l LifecycleRule) touches(o Objects) bool {
	if !l.Enabled || o.Tags.excludes(l.Tags) {
		return false
	}
	prefixes := o.Prefixes
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	return slices.ContainsFunc(prefixes, func(p string) bool {
		both := p
		if len(l.Prefix) > len(p) {
			both = l.Prefix
		}
		return strings.HasPrefix(both, p) && strings.HasPrefix(both, l.Prefix) && !slices.ContainsFunc(l.Except, func(e LifecycleExcept) bool {
			return e.Tag == nil && strings.HasPrefix(both, e.Prefix)
		})
	})
}

// excludes reports whether no object can be in the filter and have all the tags:
// an object has one value of a key.
func (f *TagFilter) excludes(tags []Tag) bool {
	if f == nil || len(f.Set) == 0 {
		return false
	}
	against := func(t Tag) bool {
		return slices.ContainsFunc(tags, func(o Tag) bool { return o.Key == t.Key && o.Value != t.Value })
	}
	if f.Match == MatchAny {
		return !slices.ContainsFunc(f.Set, func(t Tag) bool { return !against(t) })
	}
	return slices.ContainsFunc(f.Set, against)
}

// name is how a plan calls the rule of a bucket.
func (l LifecycleRule) name(bucket string) string {
	var of []string
	if l.Prefix != "" {
		of = append(of, fmt.Sprintf("keys that begin with %q", l.Prefix))
	}
	for _, t := range l.Tags {
		of = append(of, fmt.Sprintf("tag %s=%s", t.Key, t.Value))
	}
	if len(of) == 0 {
		of = []string{"every key"}
	}
	return fmt.Sprintf("lifecycle rule %q of %s (%s)", l.ID, bucket, strings.Join(of, ", "))
}

// mostRules is how many lifecycle rules of a bucket a plan names one by one.
const mostRules = 50

// lifecycles says what the lifecycle rules of both buckets mean for the copy.
func (p *PlanResult) lifecycles(r Request, versioned bool, m More) {
	p.note(&p.Risks, "class-and-access-stay", "changes of the storage class, by a lifecycle rule or by copying an object onto itself, and of the time of the last access are not replicated [fact 52]")
	for _, b := range []struct {
		bucket, unknown string
		seen            *LifecycleSeen
		say             func(*PlanResult, Request, bool, LifecycleRule)
	}{
		{r.Source.Bucket, "lifecycle-unknown", m.SourceLifecycle, (*PlanResult).sourceLifecycle},
		{r.Destination.Bucket, "destination-lifecycle-unknown", m.DestinationLifecycle, (*PlanResult).destinationLifecycle},
	} {
		if b.seen == nil {
			continue
		}
		if b.seen.Unread != "" {
			p.note(&p.Risks, b.unknown, "whether a lifecycle rule of %s deletes objects in the scope is not known: %s", b.bucket, b.seen.Unread)
		}
		told := 0
		for _, l := range b.seen.Rules {
			if !l.touches(r.Objects) {
				continue
			}
			if told++; told <= mostRules {
				b.say(p, r, versioned, l)
			}
		}
		if told > mostRules {
			p.note(&p.Risks, "lifecycle-more", "%d more lifecycle rules of %s are in the scope", told-mostRules, b.bucket)
		}
	}
}

// sourceLifecycle says which deletions by a rule of the source reach the copy. What a
// rule deletes is replicated like what a person deletes. [fact 13] [fact 52]
func (p *PlanResult) sourceLifecycle(r Request, versioned bool, l LifecycleRule) {
	name, dst := l.name(r.Source.Bucket), r.Destination.Bucket
	add := func(is bool, code, format string, args ...any) {
		if is {
			p.note(&p.Risks, code, name+" "+format, args...)
		}
	}
	deletes, tagged := r.ReplicateDeletes, r.Objects.Tags != nil
	expires, old := l.Expires != "", l.Noncurrent != "" && versioned
	add(expires && !versioned && deletes, "lifecycle-deletes-copies", "deletes objects %s: their copies in %s are deleted too and cannot be recovered, for it keeps no versions [fact 13]", l.Expires, dst)
	add(expires && !versioned && !deletes, "lifecycle-keeps-copies", "deletes objects %s: their copies in %s stay [fact 13]", l.Expires, dst)
	add(expires && versioned && !tagged, "lifecycle-hides-copies", "deletes objects %s: the delete marker is replicated, whatever replicateDeletes says, and hides the copies in %s, which stay behind it as versions [fact 13]", l.Expires, dst)
	add(expires && versioned && tagged, "lifecycle-may-hide-copies", "deletes objects %s: the delete marker has no tags and should stay there; if it is replicated all the same it hides the copies in %s [fact 47]", l.Expires, dst)
	add(old && deletes, "lifecycle-deletes-versions", "deletes older versions %s: those in %s are deleted too and cannot be recovered [fact 13]", l.Noncurrent, dst)
	add(old && !deletes, "lifecycle-keeps-versions", "deletes older versions %s: those in %s stay [fact 13]", l.Noncurrent, dst)
	add(l.ExpiresMarkers && versioned && deletes, "lifecycle-deletes-markers", "takes away delete markers that hide nothing any more: those in %s go too [fact 13]", dst)
	add(l.ExpiresMarkers && versioned && !deletes, "lifecycle-keeps-markers", "takes away delete markers that hide nothing any more: those in %s stay, and go on hiding the versions there [fact 13]", dst)
	add(l.Aborts != "" && !deletes, "lifecycle-keeps-parts", "gives up uploads that are not completed %s: parts of them that were copied stay in %s, unseen and paid for, until a lifecycle rule of its own gives them up [fact 53]", l.Aborts, dst)
	add(len(l.Classes) > 0, "lifecycle-class-stays", "changes the storage class %s: the copies keep theirs [fact 52]", strings.Join(l.Classes, ", "))
	add(l.ByAccess, "lifecycle-by-access", "goes by the last access: who reads a copy does not access the object, and the other way round [fact 52]")
}

// destinationLifecycle says which copies a rule of the destination takes away. A copy
// is as old as its original. [fact 35]
func (p *PlanResult) destinationLifecycle(r Request, versioned bool, l LifecycleRule) {
	name, src := l.name(r.Destination.Bucket), r.Source.Bucket
	add := func(is bool, code, format string, args ...any) {
		if is {
			p.note(&p.Risks, code, name+" "+format, args...)
		}
	}
	add(l.Expires != "" && !versioned, "destination-lifecycle-deletes", "deletes copies %s, beyond recovery there, and nothing copies them again while they are unchanged in %s; a copy is as old as its original [fact 35]", l.Expires, src)
	add(l.Expires != "" && versioned, "destination-lifecycle-hides", "deletes copies %s: a delete marker hides them, they stay behind it as versions; a copy is as old as its original [fact 35]", l.Expires)
	add(l.Noncurrent != "" && versioned, "destination-lifecycle-deletes-versions", "deletes older versions %s: what is overwritten or deleted in %s cannot be recovered from the copy after that", l.Noncurrent, src)
	add(l.ByAccess, "destination-lifecycle-by-access", "goes by the last access: who reads an object in %s does not access its copy [fact 52]", src)
}

// note adds a note to a list of the plan.
func (p *PlanResult) note(to *[]PlanNote, code, format string, args ...any) {
	*to = append(*to, PlanNote{code, fmt.Sprintf(format, args...)})
}
