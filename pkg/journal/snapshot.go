package journal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// A Log names a log, such as "job/CHG-2041".
type Log = driver.Log

// Job returns the log of one job.
func Job(id string) Log { return driver.Job(id) }

// Pair returns the log of a pair of buckets, under the name that the domain gives to
// the pair.
func Pair(name string) Log { return driver.Pair(name) }

// Cap returns the log of something that is capped.
func Cap(name string) Log { return driver.Cap(name) }

// Bucket returns the log of a destination bucket.
func Bucket(name string) Log { return driver.Bucket(name) }

// Key returns the log of a key of KMS, by its ARN.
func Key(arn string) Log { return driver.KeyLog(arn) }

// Sweep returns the log of a shard of the watch.
func Sweep(shard int) Log { return driver.Sweep(shard) }

// A Snapshot is one entry of a log as somebody read or wrote it at some moment.
// Only this package makes snapshots that can be appended to. The zero Seq means
// that the log is empty; Body is then nil.
type Snapshot struct {
	Log  Log
	Seq  uint64 // 1 for the first entry
	Body []byte // compact JSON; shared by all copies of the snapshot, so do not change it

	Hash  string // SHA-256 of the raw bytes, hexadecimal; "" when the log is empty
	Prev  string // Hash of the entry before; "" for the first
	Nonce string // unlike that of any other save

	Writer    string // who wrote it, as told in Meta
	Schema    int    // of the body
	MinReader int    // the oldest schema whose programs may follow it

	// At is the store's time of the entry. In the snapshot that Append returns it may
	// differ a little from what a reader sees, because the reply to a create tells the
	// time of the reply only.
	At time.Time

	seen clock
}

// Exists reports whether there is an entry.
func (s Snapshot) Exists() bool { return s.Seq > 0 }

// Now returns the earliest time that the store's clock can show at the moment local
// of this program's clock. It is never before At, never before what the snapshots
// showed that this one came from, and runs on with the local clock. It is the zero
// time when the store never told its time.
func (s Snapshot) Now(local time.Time) time.Time { return s.seen.earliest(local) }

// Latest returns the latest time that the store's clock can show at the moment local.
func (s Snapshot) Latest(local time.Time) time.Time { return s.seen.latest(local) }

// Anchor returns what to keep elsewhere so that a cut or changed log is noticed.
func (s Snapshot) Anchor() Anchor { return Anchor{Seq: s.Seq, Hash: s.Hash} }

// An Anchor says that the log had an entry with this number and hash.
type Anchor struct {
	Seq  uint64 `json:"rev"`
	Hash string `json:"hash"`
}

// String returns the anchor as "12:9f86d0...", for logs and people.
func (a Anchor) String() string { return strconv.FormatUint(a.Seq, 10) + ":" + a.Hash }

// ParseAnchor reads what String wrote.
func ParseAnchor(s string) (Anchor, error) {
	n, hash, ok := strings.Cut(s, ":")
	seq, err := strconv.ParseUint(n, 10, 64)
	if !ok || err != nil || !isHash(hash) || driver.CheckSeq(seq) != nil {
		return Anchor{}, terminal("ParseAnchor", "", fmt.Errorf("%.100q is not <number>:<SHA-256>", s))
	}
	return Anchor{Seq: seq, Hash: hash}, nil
}

// A clock relates the store's clock to the local one. The store stamped its reply
// with date, cut off to the second, at some moment between sent and received.
type clock struct {
	date           time.Time
	sent, received time.Time
	floor          time.Time // the store's clock was at least here when the reply came
}

// dateStep is the resolution of the Date and Last-Modified headers.
const dateStep = time.Second

// read returns the clock after a reply: stamp is what it said, at is the time of the
// entry that it was about (zero for none), before is what was known until then.
func (before clock) read(stamp driver.Stamp, at, sent, received time.Time) clock {
	c := clock{date: stamp.Now, sent: sent, received: received}
	if c.date.IsZero() { // the reply did not tell the time: go on with what is known
		c.date, c.sent, c.received = before.date, before.sent, before.received
	}
	if !before.date.IsZero() || !before.floor.IsZero() {
		c.floor = before.earliest(received)
	}
	if at.After(c.floor) {
		c.floor = at
	}
	if c.received.IsZero() { // nobody ever told the time: let it begin at the floor
		c.sent, c.received = sent, received
	}
	return c
}

func (c clock) earliest(local time.Time) time.Time {
	t := c.floor
	if !c.date.IsZero() {
		if d := c.date.Add(max(0, local.Sub(c.received))); d.After(t) {
			t = d
		}
	}
	return t
}

// latest takes the longer of the two elapsed times that the local clocks show: the
// monotonic one may stand still while a machine is frozen.
func (c clock) latest(local time.Time) time.Time {
	elapsed := max(0, local.Sub(c.sent), local.Round(0).Sub(c.sent.Round(0)))
	t := c.date.Add(dateStep + elapsed)
	if c.date.IsZero() {
		t = c.floor.Add(elapsed)
	}
	if e := c.earliest(local); e.After(t) {
		return e
	}
	return t
}

// age returns how long ago the reply came, by the local clock that shows more.
func (c clock) age(local time.Time) time.Duration {
	return max(0, local.Sub(c.received), local.Round(0).Sub(c.received.Round(0)))
}
