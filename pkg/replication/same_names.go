package replication

import (
	"fmt"
	"strings"
)

// A SameNamesSeen compares the names and contents of what both buckets hold in a
// scope, from their listings in key order. Names in the way of a tag filter are
// compared too: a listing shows no tags. Objects of our own do not count.
type SameNamesSeen struct {
	Looked   int        `json:"looked"`   // objects of the source that were compared
	Complete bool       `json:"complete"` // no other object of the scope can be concerned
	Same     int        `json:"same"`     // of the same name: with the same contents (size and ETag)
	Other    int        `json:"other"`    // of the same name: with other contents, as far as a listing tells
	Examples []SameName `json:"examples,omitempty"`
	Unread   string     `json:"unread,omitempty"` // why they could not be compared; "" means that they were
}

// A SameName is an object that both buckets hold.
type SameName struct {
	Key         string `json:"key"`
	Same        bool   `json:"same"`        // the contents are the same
	Source      int64  `json:"source"`      // bytes
	Destination int64  `json:"destination"` // bytes
}

// mostExamples is how many objects a plan names.
const mostExamples = 5

// Compare counts an object that both buckets hold under one key. Other contents are
// the better examples. Sizes and ETags decide: an upload in parts has another ETag
// than one in one piece, so "other" can be said of equal contents, never the other
// way round. [fact 12]
func (s *SameNamesSeen) Compare(key string, source, destination int64, sourceETag, destinationETag string) {
	n := SameName{Key: key, Same: source == destination && sourceETag == destinationETag && sourceETag != "", Source: source, Destination: destination}
	if n.Same {
		s.Same++
	} else {
		s.Other++
	}
	if len(s.Examples) < mostExamples {
		s.Examples = append(s.Examples, n)
		return
	}
	for i, e := range s.Examples {
		if e.Same && !n.Same {
			s.Examples[i] = n
			return
		}
	}
}

// String words what was found.
func (s SameNamesSeen) String() string {
	if s.Unread != "" {
		return "which ones is not known: " + s.Unread
	}
	looked := fmt.Sprintf("every name in the scope was compared, %s at the source", count(s.Looked, "object"))
	if !s.Complete {
		looked = fmt.Sprintf("the first %s of the source were compared, the others were not", count(s.Looked, "object"))
	}
	if s.Same+s.Other == 0 {
		return looked + ": none has the name of one at the destination"
	}
	var examples []string
	for _, e := range s.Examples {
		what := fmt.Sprintf("%d bytes over %d", e.Source, e.Destination)
		switch {
		case e.Same:
			what = "the same contents"
		case e.Source == e.Destination:
			what = fmt.Sprintf("%d bytes each, another ETag", e.Source)
		}
		examples = append(examples, fmt.Sprintf("%s (%s)", e.Key, what))
	}
	return fmt.Sprintf("%s: %d with the name of one at the destination, %d of them with other contents; such as %s", looked, s.Same+s.Other, s.Other, strings.Join(examples, ", "))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sameNames says what the historical copy overwrites. [fact 5]
func (p *PlanResult) sameNames(r Request, versioned bool, s Seen, n *SameNamesSeen) {
	if s.DestinationEmpty == nil || *s.DestinationEmpty || r.adopts() { // a rule that stands has copied already
		return
	}
	p.SameNames = n
	dst, history := r.Destination.Bucket, *r.Historical.Replicate
	kept := map[bool]string{true: "; the old contents stay as a version"}[versioned]
	switch {
	case !history:
		p.note(&p.Risks, "same-name-objects", "%s holds objects in the scope; one of the same name is overwritten when the source's is copied%s [fact 5]", dst, kept)
	case n == nil:
		p.note(&p.Risks, overwriteCode(versioned), "%s holds objects in the scope; those of the same name are overwritten by the historical copy%s [fact 5]", dst, orLost(kept))
	default:
		p.note(&p.Risks, overwriteCode(versioned), "%s holds objects in the scope; those of the same name are overwritten by the historical copy%s [fact 5]. %s", dst, orLost(kept), capitalized(n.String()))
	}
	if n != nil && r.Objects.Tags != nil && n.Unread == "" {
		p.note(&p.Risks, "same-names-untagged", "the names were compared without regard to the tags of the scope, which a listing does not show: fewer objects may be concerned")
	}
}

func overwriteCode(versioned bool) string {
	if versioned {
		return "same-name-objects"
	}
	return "historical-overwrites"
}

func orLost(kept string) string {
	if kept == "" {
		return "; the old contents are lost"
	}
	return kept
}

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
