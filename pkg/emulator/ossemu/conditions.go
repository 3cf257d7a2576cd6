package ossemu

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// checkConditions decides the conditional headers with the given prefix ("If-" or
// "x-oss-copy-source-if-"): 412 when the object is not the wanted one, 304 when
// the caller has it already. A condition on the ETag outweighs one on the time.
func (r *request) checkConditions(v *world.Version, prefix string) *world.Error {
	match, since := r.header(prefix+"Match"), r.header(prefix+"Unmodified-Since")
	switch {
	case match != "" && !sameETag(match, v.ETag):
		return preconditionFailed(prefix + "Match")
	case match == "" && since != "":
		if t, err := http.ParseTime(since); err == nil && truncated(v).After(t) {
			return preconditionFailed(prefix + "Unmodified-Since")
		}
	}
	none, after := r.header(prefix+"None-Match"), r.header(prefix+"Modified-Since")
	fresh := none != "" && sameETag(none, v.ETag)
	if none == "" && after != "" {
		t, err := http.ParseTime(after)
		fresh = err == nil && !truncated(v).After(t)
	}
	if fresh {
		r.reply.Set("ETag", quoted(v.ETag))
		r.reply.Set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
		return fail(http.StatusNotModified, "NotModified", "", "Not Modified")
	}
	return nil
}

// truncated is the time of an object as its header tells it, in whole seconds.
func truncated(v *world.Version) time.Time { return v.Modified.Truncate(time.Second) }

func sameETag(given, etag string) bool {
	return given == "*" || strings.EqualFold(strings.Trim(given, `"`), etag)
}

func preconditionFailed(condition string) *world.Error {
	return fail(http.StatusPreconditionFailed, "PreconditionFailed", "", "At least one of the pre-conditions you specified did not hold.").With("Condition", condition)
}

// A byteRange is inclusive at both ends.
type byteRange struct{ first, last int64 }

// parseRange reads "bytes=a-b", "bytes=a-" or "bytes=-n" for an object of a size.
// The range may still end behind the object. Several ranges are not supported.
func parseRange(s string, size int64) (byteRange, bool) {
	spec, found := strings.CutPrefix(s, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !found || !dash {
		return byteRange{}, false
	}
	if from == "" {
		n, err := strconv.ParseUint(to, 10, 63)
		if err != nil || n == 0 {
			return byteRange{}, false
		}
		if int64(n) > size {
			return byteRange{0, int64(n) - 1}, true
		}
		return byteRange{size - int64(n), size - 1}, true
	}
	first, err := strconv.ParseUint(from, 10, 63)
	if err != nil {
		return byteRange{}, false
	}
	last := max(size-1, int64(first))
	if to != "" {
		n, err := strconv.ParseUint(to, 10, 63)
		if err != nil || n < first {
			return byteRange{}, false
		}
		last = int64(n)
	}
	return byteRange{int64(first), last}, true
}
