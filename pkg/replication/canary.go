package replication

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"
)

// canaryFolder is part of the key of every object of our own.
const canaryFolder = ".replidesk/"

// CanaryKey returns the key of the canary of a job: in the scope of its rule,
// under the first prefix.
func CanaryKey(r Request) string {
	prefix := ""
	if len(r.Objects.Prefixes) > 0 {
		prefix = r.Objects.Prefixes[0]
	}
	return prefix + canaryFolder + r.ID + "/canary"
}

// OutsideKey returns a key just outside the scope of the rule: the longest
// beginning of a prefix that no prefix matches. It is "" when every key is in scope.
func OutsideKey(r Request) string {
	if len(r.Objects.Prefixes) == 0 {
		return ""
	}
	inScope := func(key string) bool {
		for _, p := range r.Objects.Prefixes {
			if strings.HasPrefix(key, p) {
				return true
			}
		}
		return false
	}
	runes := []rune(r.Objects.Prefixes[0])
	for n := len(runes) - 1; n >= 0; n-- {
		if key := string(runes[:n]) + canaryFolder + r.ID + "/outside"; !inScope(key) {
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
	}
}

// outside returns the object that must not arrive.
func outside(r Request) Canary {
	return Canary{
		Key:     OutsideKey(r),
		Content: fmt.Sprintf("Replidesk writes this object outside the scope of the rule from %s to %s (ticket %s): it must not be replicated. It may be deleted.\n", r.Source.Bucket, r.Destination.Bucket, r.ID),
		Meta:    map[string]string{"replidesk-ticket": r.ID},
	}
}

// same reports whether the copy has the content and metadata of the original.
// There is no per-object replication status to ask for. [fact 12] [fact 35]
func same(original, replica ObjectSeen) bool {
	return original.CRC64 == replica.CRC64 && original.Size == replica.Size && original.ETag == replica.ETag && maps.Equal(original.Meta, replica.Meta)
}
