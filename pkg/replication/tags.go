package replication

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Tag is one tag of an object. Key and value are case-sensitive. [fact 44]
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"` // may be empty
}

// A TagMatch says how many tags of a filter an object must have.
type TagMatch string

// The matches.
const (
	MatchAll TagMatch = "all" // every tag of the filter
	MatchAny TagMatch = "any" // at least one of them
)

// A TagFilter restricts the scope of a rule to objects that have these tags. It
// counts together with the prefixes, and tags count as they were set when the
// object was written. [fact 45]
type TagFilter struct {
	Match TagMatch `json:"match"`
	Set   []Tag    `json:"set"`
}

// String returns the same text for filters that mean the same, and for no others;
// that of nil is "none".
func (f *TagFilter) String() string {
	if f == nil {
		return "none"
	}
	set := slices.SortedFunc(slices.Values(f.Set), func(a, b Tag) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
	var s []string
	for _, t := range set {
		s = append(s, fmt.Sprintf("%q=%q", t.Key, t.Value))
	}
	return fmt.Sprintf("%q of [%s]", string(f.Match), strings.Join(s, " "))
}

// enough returns the tags that an object needs to be in scope, and no more; nil
// without a filter.
func (f *TagFilter) enough() []Tag {
	switch {
	case f == nil || len(f.Set) == 0:
		return nil
	case f.Match == MatchAny:
		return slices.Clone(f.Set[:1])
	}
	return slices.Clone(f.Set)
}

// Limits of a filter and of a tag, in characters. [fact 44]
const (
	maxTags       = 10
	maxTagKey     = 128
	maxTagValue   = 256
	tagCharacters = `[A-Za-z0-9 +\-=._:/]*`
)

var tagForm = regexp.MustCompile(`^` + tagCharacters + `$`)

// withoutTagFilters are the regions that have no tag filters. [fact 46]
var withoutTagFilters = []string{"cn-zhangjiakou", "cn-zhongwei", "na-south-1"}

func knowsTagFilters(region string) bool {
	return !slices.Contains(withoutTagFilters, region) && !strings.Contains(region, "finance")
}

// validateTags refuses filters that OSS would refuse. [fact 46] [fact 47]
func validateTags(p *Problems, r Request) {
	f := r.Objects.Tags
	if f == nil {
		return
	}
	if f.Match != MatchAll && f.Match != MatchAny {
		p.add(ReasonInvalid, "objects.tags.match", fmt.Sprintf("objects.tags.match is %q; it has to be all or any", f.Match))
	}
	switch n := len(f.Set); {
	case n == 0:
		p.add(ReasonTagInvalid, "objects.tags.set", "the tag filter has no tag; leave objects.tags out to replicate objects whatever their tags")
	case n > maxTags:
		p.add(ReasonTagCount, "objects.tags.set", fmt.Sprintf("there are %d tags, a rule takes at most %d", n, maxTags))
	}
	for i, t := range f.Set {
		at := fmt.Sprintf("objects.tags.set[%d]", i)
		if what := t.unfit(); what != "" {
			p.add(ReasonTagInvalid, at, what)
		}
		if slices.ContainsFunc(f.Set[:i], func(o Tag) bool { return o.Key == t.Key }) {
			p.add(ReasonTagTwice, at, fmt.Sprintf("the tag key %q is there twice; an object has one value of a key", t.Key))
		}
	}
	if r.ReplicateDeletes {
		p.add(ReasonTagsWithDeletes, "replicateDeletes", "deletes cannot be replicated together with a tag filter")
	}
	for _, e := range []struct {
		name string
		End
	}{{"source", r.Source}, {"destination", r.Destination}} {
		if !knowsTagFilters(e.Region) {
			p.add(ReasonTagsRegion, e.name+".region", fmt.Sprintf("there are no tag filters in %s", e.Region))
		}
	}
}

// unfit returns why an object cannot have the tag, or "".
func (t Tag) unfit() string {
	switch {
	case t.Key == "":
		return "the key of a tag is empty"
	case utf8.RuneCountInString(t.Key) > maxTagKey:
		return fmt.Sprintf("the key of a tag is longer than %d characters", maxTagKey)
	case utf8.RuneCountInString(t.Value) > maxTagValue:
		return fmt.Sprintf("the value of the tag %q is longer than %d characters", t.Key, maxTagValue)
	case !tagForm.MatchString(t.Key), !tagForm.MatchString(t.Value):
		return fmt.Sprintf("the tag %q=%q holds another character than letters, digits, spaces and + - = . _ : /", t.Key, t.Value)
	}
	return ""
}
