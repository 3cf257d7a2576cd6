package replication

import (
	"crypto/sha256"
	"encoding/hex"
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
func (j *Job) canary(turn int) Canary {
	r, proof := j.Request, j.proofID()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", r.Fingerprint(), proof, turn))
	return Canary{
		Key:     CanaryKey(r),
		Content: fmt.Sprintf("Replidesk writes this object to prove that %s replicates to %s (ticket %s, turn %d, %x). It may be deleted.\n", r.Source.Bucket, r.Destination.Bucket, r.ID, turn, sum),
		Meta:    map[string]string{"replidesk-ticket": r.ID, "replidesk-turn": fmt.Sprint(turn), metaProof: proof},
		Tags:    r.Objects.Tags.enough(),
		SSE:     j.OwnSSE,
	}
}

// outside returns the object outside the prefixes, which must not arrive. It has
// the tags of the scope, so that nothing but its key keeps it from arriving.
func (j *Job) outside() Canary {
	c := j.stray(OutsideKey(j.Request), "outside the scope of")
	c.Tags = j.Request.Objects.Tags.enough()
	return c
}

// untagged returns the object without the tags of the scope, which must not arrive.
func (j *Job) untagged() Canary { return j.stray(UntaggedKey(j.Request), "without the tags of") }

func (j *Job) stray(key, where string) Canary {
	r := j.Request
	return Canary{
		Key:     key,
		Content: fmt.Sprintf("Replidesk writes this object %s the rule from %s to %s (ticket %s): it must not be replicated. It may be deleted.\n", where, r.Source.Bucket, r.Destination.Bucket, r.ID),
		Meta:    map[string]string{"replidesk-ticket": r.ID, metaProof: j.proofID()},
		SSE:     j.OwnSSE,
	}
}

// metaProof names the metadata by which the objects of one job's proof know each
// other: another job's, left under the same key, prove nothing.
const metaProof = "replidesk-proof"

// proofID tells the proof of this job from that of any other, one of the same
// ticket before a lost journal, or before it began again, included.
func (j *Job) proofID() string {
	text := fmt.Appendf(nil, "%s/%s/%d", j.ID, j.Fingerprint, j.Received.UnixNano())
	if !j.Again.IsZero() {
		text = fmt.Appendf(text, "/%d", j.Again.UnixNano())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// copyOf reports whether an object that stands under the key of original came from
// it, whole or not. Anything else stood there before, and proves nothing.
func copyOf(original, o ObjectSeen) bool {
	return o.Meta[metaProof] == original.Meta[metaProof] || o.CRC64 == original.CRC64
}

// strayed reports whether an object that must not arrive did. Only what the proof of
// another job left there is something else.
func (j *Job) strayed(o *ObjectSeen) bool {
	other := o.Meta[metaProof] != "" && o.Meta[metaProof] != j.proofID()
	return o.Is == Exists && !other || o.Hidden
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
