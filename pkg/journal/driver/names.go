package driver

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/replidesk/replidesk/pkg/fault"
)

// MaxSeq is the largest sequence number of an entry; the first is 1. The countdown
// in the keys has so many digits.
const MaxSeq = 999_999_999_998

// maxName is the longest name in a Log or segment of a Key, in bytes. Escaped it
// may be three times as long, and a key of OSS has 1023 bytes.
const maxName = 255

// A Log names a log: its kind and its name, such as "job/CHG-2041" or "sweep/3".
// The name may hold any character, a slash too ("bucket/a/b").
type Log string

// The kinds of log. Entries of all but sweep logs are kept for ever.
const (
	KindJob    = "job"    // one ticket
	KindPair   = "pair"   // the ownership of a source and destination bucket
	KindBucket = "bucket" // the lease and ledger of a destination bucket
	KindKey    = "key"    // the lease and ledger of the policy of a key of KMS
	KindCap    = "cap"    // who has taken a slot of what is capped
	KindSweep  = "sweep"  // the watch of one shard
)

// Job returns the log of one job.
func Job(id string) Log { return KindJob + "/" + Log(id) }

// Pair returns the log of a pair of buckets, under the name that the domain gives
// to the pair.
func Pair(name string) Log { return KindPair + "/" + Log(name) }

// Bucket returns the log of a destination bucket.
func Bucket(name string) Log { return KindBucket + "/" + Log(name) }

// KeyLog returns the log of a key of KMS, by its ARN.
func KeyLog(arn string) Log { return KindKey + "/" + Log(arn) }

// Cap returns the log of something that is capped.
func Cap(name string) Log { return KindCap + "/" + Log(name) }

// Sweep returns the log of a shard of the watch.
func Sweep(shard int) Log { return KindSweep + "/" + Log(strconv.Itoa(shard)) }

// Kind returns what comes before the first slash.
func (l Log) Kind() string {
	kind, _, _ := strings.Cut(string(l), "/")
	return kind
}

// Name returns what comes after the first slash.
func (l Log) Name() string {
	_, name, _ := strings.Cut(string(l), "/")
	return name
}

// Prunable reports whether old entries of the log may be taken away.
func (l Log) Prunable() bool { return l.Kind() == KindSweep }

// Check returns a terminal error when there can be no such log.
func (l Log) Check() error {
	switch l.Kind() {
	case KindJob, KindPair, KindBucket, KindKey, KindCap, KindSweep:
	default:
		return terminal("there is no kind of log called %q", l.Kind())
	}
	return checkName(l.Name())
}

// CheckSeq returns a terminal error when no entry can have this number.
func CheckSeq(seq uint64) error {
	if seq == 0 || seq > MaxSeq {
		return terminal("no entry can have the number %d", seq)
	}
	return nil
}

// The first segments of marker keys. Every store refuses keys that begin otherwise,
// so that no marker can be mistaken for an entry of a log.
const (
	SetOpen   = "open"   // a job is not at rest, or has failed and left something
	SetWatch  = "watch"  // a pair is watched
	SetSample = "sample" // written-once chunks of samples
)

// Key makes a marker's key: the segments, each escaped, joined by slashes.
func Key(segments ...string) (string, error) {
	for _, s := range segments {
		if err := checkName(s); err != nil {
			return "", err
		}
	}
	parts := make([]string, len(segments))
	for i, s := range segments {
		parts[i] = Escape(s)
	}
	key := strings.Join(parts, "/")
	return key, CheckKey(key)
}

// SplitKey returns the segments that Key made key of.
func SplitKey(key string) ([]string, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	segments := strings.Split(key, "/")
	for i, s := range segments {
		plain, err := Unescape(s)
		if err != nil {
			return nil, err
		}
		segments[i] = plain
	}
	return segments, nil
}

// CheckKey returns a terminal error for anything that Key does not make.
func CheckKey(key string) error {
	segments := strings.Split(key, "/")
	switch segments[0] {
	case SetOpen, SetWatch, SetSample:
	default:
		return terminal("no marker can have the key %q", key)
	}
	if len(segments) < 2 || len(key) > 1000 {
		return terminal("no marker can have the key %q", key)
	}
	for _, s := range segments {
		if _, err := Unescape(s); err != nil {
			return terminal("no marker can have the key %q: %v", key, err)
		}
	}
	return nil
}

const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// Escape writes a name so that it is one segment of a key: letters, digits, "-",
// "_" and "." stay, everything else becomes %XX. A leading dot is written as %2E,
// so that no segment is "." or "..". Different names stay different.
func Escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if strings.IndexByte(safe, c) < 0 || c == '.' && i == 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Unescape undoes Escape, and refuses what Escape does not make.
func Unescape(segment string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		if segment[i] != '%' {
			b.WriteByte(segment[i])
			continue
		}
		if i+3 > len(segment) {
			return "", terminal("%q is cut off", segment)
		}
		c, err := strconv.ParseUint(segment[i+1:i+3], 16, 8)
		if err != nil {
			return "", terminal("%q is not escaped properly", segment)
		}
		b.WriteByte(byte(c))
		i += 2
	}
	name := b.String()
	if name == "" || Escape(name) != segment {
		return "", terminal("%q is not escaped properly", segment)
	}
	return name, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return terminal("a name is empty")
	case len(name) > maxName:
		return terminal("a name has %d bytes, more than %d: %.40q", len(name), maxName, name)
	case !utf8.ValidString(name):
		return terminal("a name is not UTF-8: %.40q", name)
	}
	return nil
}

func terminal(format string, args ...any) error {
	return &fault.Error{Kind: fault.Terminal, Op: "Journal", Err: fmt.Errorf(format, args...)}
}
