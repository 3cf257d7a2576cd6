package watch

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// MaxPairBytes is the most that a pair takes up in a snapshot, with names as long
// as OSS allows and the rule ids that OSS gives.
const MaxPairBytes = 512

// A Pair is what is kept of one watched pair. It is saved with every sweep, for
// all pairs together, which is why the names are short.
type Pair struct {
	Job     string `json:"j"`
	Rev     uint64 `json:"v"` // of the job's entry that began the watch
	Account string `json:"a"` // of the source, as are the next two
	Region  string `json:"g"`
	Bucket  string `json:"b"`
	Rule    string `json:"r"`

	Limit      int64  `json:"l"`           // the ticket's lag limit, in seconds
	RTC        bool   `json:"t,omitempty"` // with replication time control
	Historical bool   `json:"h,omitempty"` // with a backfill
	Adopted    bool   `json:"o,omitempty"` // others made the rule, at a time that is not known
	Due        Moment `json:"u,omitempty"` // when the backfill has to be done; 0: no date
	Since      Moment `json:"s"`           // when the watch began
	Polled     Moment `json:"p,omitempty"` // last poll; 0: none yet
	Watermark  Moment `json:"w,omitempty"` // newest that was seen; 0: none yet
	Worst      int64  `json:"x,omitempty"` // largest lag since the last [Pair.Record], in seconds
	Window     []Mark `json:"m,omitempty"` // the backfill's recent way, oldest first
	Alerts     Alerts `json:"e,omitzero"`  // one for each kind
}

// A Moment is a time in Unix seconds; 0 means never.
type Moment int64

// At returns the moment of t; the zero time is never.
func At(t time.Time) Moment {
	if t.IsZero() {
		return 0
	}
	return Moment(t.Unix())
}

// Time returns the zero time for never.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(int64(m), 0).UTC()
}

// Add returns the moment d later, cut off to the second.
func (m Moment) Add(d time.Duration) Moment { return m + Moment(d/time.Second) }

// A Mark says how far the backfill had come when that was first seen.
type Mark struct {
	At   Moment
	Part int64 // ten-thousandths
}

// MarshalJSON writes a mark as [at, part].
func (m Mark) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{int64(m.At), m.Part}) }

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Mark) UnmarshalJSON(b []byte) error {
	var a [2]int64
	err := json.Unmarshal(b, &a)
	m.At, m.Part = Moment(a[0]), a[1]
	return err
}

// An Alert is the state of one alert of one pair.
type Alert struct {
	Since Moment // firing since then; 0: not firing
	Count int    // polls in a row that spoke for the other state
}

// MarshalJSON writes an alert as [since, count].
func (a Alert) MarshalJSON() ([]byte, error) {
	return json.Marshal([2]int64{int64(a.Since), int64(a.Count)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Alert) UnmarshalJSON(b []byte) error {
	var v [2]int64
	err := json.Unmarshal(b, &v)
	a.Since, a.Count = Moment(v[0]), int(v[1])
	return err
}

// NewPair returns the pair of a job that is watched since entry rev of its log. It
// is an error when the job has no rule to watch.
func NewPair(j *replication.Job, rev uint64) (Pair, error) {
	if j.Rule == nil || j.Rule.ID == "" {
		return Pair{}, errors.New("the job has no rule that could be watched")
	}
	r := j.Request
	p := Pair{
		Job: j.ID, Rev: rev, Account: r.Source.Account, Region: r.Source.Region, Bucket: r.Source.Bucket,
		Rule: j.Rule.ID, Adopted: r.Action == replication.ActionAdopt, Limit: int64(r.Limits.MaxLag.Std() / time.Second), RTC: r.RTC, Since: At(j.Since),
	}
	if h := r.Historical; h.Replicate != nil && *h.Replicate {
		p.Historical = true
		if h.DueBy != nil {
			p.Due = At(*h.DueBy)
		}
	}
	return p, nil
}

// Renew returns p as its job has it now, after the watch began anew. Alerts that
// fire go on firing; what was seen of the rule stays if it is the same rule.
func (p Pair) Renew(now Pair) Pair {
	now.Alerts = p.Alerts
	if now.Rule == p.Rule {
		now.Polled, now.Watermark, now.Worst, now.Window = p.Polled, p.Watermark, p.Worst, p.Window
	}
	return now
}

// Source returns the source end of the pair.
func (p Pair) Source() replication.End {
	return replication.End{Account: p.Account, Region: p.Region, Bucket: p.Bucket}
}

// PollEvery is how often a pair is polled at pace 1.
const PollEvery = time.Minute

// NextPoll returns when the pair is to be polled again. A poll may come a quarter
// of the interval early: the timer that starts a sweep is not exact, and a pair
// that just missed it would be polled at half the rate. pace divides the interval;
// 0 means 1.
func (p Pair) NextPoll(pace float64) time.Time {
	if p.Polled == 0 {
		return time.Time{}
	}
	every := PollEvery
	if pace > 0 {
		every = time.Duration(float64(every) / pace)
	}
	return p.Polled.Time().Add(max(every*3/4, time.Second))
}
