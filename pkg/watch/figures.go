package watch

import (
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// Figures are what can be said of a pair at a moment. They are the detail of an
// alert and what the status page shows.
type Figures struct {
	Job    string `json:"job"`
	Bucket string `json:"bucket"` // the source
	Rule   string `json:"rule"`
	Polled string `json:"polled,omitempty"` // last poll; "" for none, as with all times here

	LagSeconds   int64  `json:"lagSeconds"` // at most so far behind; never negative
	LimitSeconds int64  `json:"limitSeconds"`
	Watermark    string `json:"watermark,omitempty"`

	Backfill *float64 `json:"backfill,omitempty"`        // fraction that is copied; nil: none reported
	PerHour  float64  `json:"backfillPerHour,omitempty"` // recent speed, as a fraction; 0: not known
	ETA      string   `json:"backfillEta,omitempty"`     // "" when the speed is not known
	DueBy    string   `json:"backfillDueBy,omitempty"`

	Firing []Kind `json:"firing,omitempty"`
}

// Figures returns what can be said of the pair now.
func (p Pair) Figures(now time.Time) Figures {
	f := Figures{
		Job: p.Job, Bucket: p.Bucket, Rule: p.Rule, Polled: stamp(p.Polled.Time()),
		LagSeconds: int64(p.Lag(now) / time.Second), LimitSeconds: int64(p.MaxLag(now) / time.Second),
		Watermark: stamp(p.Watermark.Time()), DueBy: stamp(p.Due.Time()),
	}
	if m, ok := p.last(); ok {
		done := float64(m.Part) / whole
		f.Backfill = &done
		if at, ok := p.eta(now); ok {
			f.ETA = stamp(at)
		}
		if !p.done() {
			f.PerHour = p.speed(now) * 3600 / whole
		}
	}
	for _, k := range kinds {
		if p.Alerts[k.at].Since != 0 {
			f.Firing = append(f.Firing, k.kind)
		}
	}
	return f
}

// A Record is one line of the long history of a pair.
type Record struct {
	Job        string   `json:"job"`
	At         Moment   `json:"at"`                 // of the last poll
	LagSeconds int64    `json:"lag"`                // then
	Worst      int64    `json:"worst"`              // since the record before
	Backfill   *float64 `json:"backfill,omitempty"` // nil: none reported
}

// Record returns the line for the time since the last one, and the pair as it goes
// on from there.
func (p Pair) Record() (Record, Pair) {
	f := p.Figures(p.Polled.Time())
	r := Record{Job: p.Job, At: p.Polled, LagSeconds: f.LagSeconds, Worst: p.Worst, Backfill: f.Backfill}
	p.Worst = 0
	return r, p
}

// Lag returns how far the pair lies behind at most: the time since the watermark
// or, before any was seen, since the watch began.
func (p Pair) Lag(now time.Time) time.Duration {
	since := p.Watermark
	if since == 0 {
		since = p.Since
	}
	return max(0, now.Sub(since.Time()))
}

// When replication time control takes effect. The source documents do not say from
// when the quarter of an hour counts; the beginning of the watch is the latest that
// can be meant.
const (
	rtcDelay         = 15 * time.Minute // without a backfill
	rtcAfterBackfill = time.Hour        // after the backfill is complete
)

// MaxLag returns the limit that counts now. With replication time control it is ten
// minutes, or what the ticket asks if that is less, but only once the control is in
// effect: 15 minutes after the watch began or, with a backfill, an hour after that
// was complete, and after the watch began, which it does anew when the control is
// turned on later. [fact 17] Before that nothing is promised, and the pair is held to
// what one without the control is: the ticket's limit, an hour at least. [fact 18]
func (p Pair) MaxLag(now time.Time) time.Duration {
	r := replication.Request{RTC: p.RTC, Limits: replication.Limits{MaxLag: replication.Duration(time.Duration(p.Limit) * time.Second)}}
	if p.RTC && !p.controlled(now) {
		return max(r.Limits.MaxLag.Std(), replication.DefaultMaxLag)
	}
	return r.MaxLag()
}

// controlled reports whether replication time control is in effect.
func (p Pair) controlled(now time.Time) bool {
	if !p.Historical {
		return !now.Before(p.Since.Add(rtcDelay).Time())
	}
	m, _ := p.last()
	return p.done() && !now.Before(max(m.At, p.Since).Add(rtcAfterBackfill).Time())
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
