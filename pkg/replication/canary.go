package replication

import (
	"crypto/sha256"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// canaryFolder is part of the key of every object of our own.
const canaryFolder = ".replidesk/"

// maxKeyBytes is the longest key of an object, in UTF-8.
const maxKeyBytes = 1023

// CanaryKey returns the key of the canary of a job: in the scope of its rule,
// under the first prefix that leaves room for it.
func CanaryKey(r Request) string { return roomiest(r) + canaryName(r) }

// UntaggedKey returns the key of the object in scope but for its tags: it has none.
// It is "" without a tag filter.
func UntaggedKey(r Request) string {
	if r.Objects.Tags == nil {
		return ""
	}
	return roomiest(r) + untaggedName(r)
}

// longestKey returns the longest key below a prefix of the rule that the proof needs.
func longestKey(r Request) string {
	if u := UntaggedKey(r); u != "" {
		return u
	}
	return CanaryKey(r)
}

func canaryName(r Request) string   { return canaryFolder + r.ID + "/canary" }
func outsideName(r Request) string  { return canaryFolder + r.ID + "/outside" }
func untaggedName(r Request) string { return canaryFolder + r.ID + "/untagged" }

// roomiest returns the first prefix under which the names of the proof fit, or the
// first; without prefixes "".
func roomiest(r Request) string {
	longest := canaryName(r)
	if r.Objects.Tags != nil {
		longest = untaggedName(r)
	}
	for _, p := range r.Objects.Prefixes {
		if len(p)+len(longest) <= maxKeyBytes {
			return p
		}
	}
	if len(r.Objects.Prefixes) > 0 {
		return r.Objects.Prefixes[0]
	}
	return ""
}

// OutsideKey returns a key just outside the scope of the rule: the longest
// beginning of the canary's prefix that no prefix matches. It is "" when every key
// that we would choose is in scope.
func OutsideKey(r Request) string {
	inScope := func(key string) bool {
		for _, p := range r.Objects.Prefixes {
			if strings.HasPrefix(key, p) {
				return true
			}
		}
		return len(r.Objects.Prefixes) == 0
	}
	runes := []rune(roomiest(r))
	for n := len(runes) - 1; n >= 0; n-- {
		if key := string(runes[:n]) + outsideName(r); len(key) <= maxKeyBytes && !inScope(key) {
			return key
		}
	}
	return "" // a prefix such as "." takes in every key that we would choose
}

// canary returns the object that is written as canary. Its content follows from
// the job and the turn (1: first written, 2: overwritten), so a repeated write
// stores the same bytes.
func canary(r Request, turn int) Canary {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", r.Fingerprint(), turn))
	return Canary{
		Key:     CanaryKey(r),
		Content: fmt.Sprintf("Replidesk writes this object to prove that %s replicates to %s (ticket %s, turn %d, %x). It may be deleted.\n", r.Source.Bucket, r.Destination.Bucket, r.ID, turn, sum),
		Meta:    map[string]string{"replidesk-ticket": r.ID, "replidesk-turn": fmt.Sprint(turn)},
		Tags:    r.Objects.Tags.enough(),
	}
}

// outside returns the object outside the prefixes, which must not arrive. It has
// the tags of the scope, so that nothing but its key keeps it from arriving.
func outside(r Request) Canary {
	c := stray(r, OutsideKey(r), "outside the scope of")
	c.Tags = r.Objects.Tags.enough()
	return c
}

// untagged returns the object without the tags of the scope, which must not arrive.
func untagged(r Request) Canary { return stray(r, UntaggedKey(r), "without the tags of") }

func stray(r Request, key, where string) Canary {
	return Canary{
		Key:     key,
		Content: fmt.Sprintf("Replidesk writes this object %s the rule from %s to %s (ticket %s): it must not be replicated. It may be deleted.\n", where, r.Source.Bucket, r.Destination.Bucket, r.ID),
		Meta:    map[string]string{"replidesk-ticket": r.ID},
	}
}

// stored returns the canary as OSS said that it stored it. What the answer left out
// is known: we wrote it.
func stored(o *ObjectSeen, c Canary) *ObjectSeen {
	s := ObjectSeen{Is: Exists}
	if o != nil {
		s = *o
	}
	s.Size, s.Meta = int64(len(c.Content)), c.Meta
	s.CRC64 = strconv.FormatUint(crc64.Checksum([]byte(c.Content), crc64.MakeTable(crc64.ECMA)), 10)
	return &s
}

// copyDiffers compares content and metadata of a copy with those of its original
// and returns what differs, or "". There is no per-object replication status to ask
// for. [fact 12] [fact 35] An ETag that one side does not show is not compared.
func copyDiffers(original, replica ObjectSeen) string {
	var d []string
	differ := func(what, was, is string) {
		if was != is {
			d = append(d, fmt.Sprintf("its %s is %s, written was %s", what, shown(is), shown(was)))
		}
	}
	differ("CRC-64", original.CRC64, replica.CRC64)
	differ("size", strconv.FormatInt(original.Size, 10), strconv.FormatInt(replica.Size, 10))
	if original.ETag != "" && replica.ETag != "" {
		differ("ETag", original.ETag, replica.ETag)
	}
	for _, name := range slices.Sorted(maps.Keys(original.Meta)) {
		differ("metadata "+name, original.Meta[name], replica.Meta[name])
	}
	for _, name := range slices.Sorted(maps.Keys(replica.Meta)) {
		if _, ours := original.Meta[name]; !ours {
			differ("metadata "+name, "", replica.Meta[name])
		}
	}
	return strings.Join(d, "; ")
}
