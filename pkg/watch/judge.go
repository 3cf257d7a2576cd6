package watch

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// A Sample is what one poll saw.
type Sample struct {
	Gone      bool      // there is no such rule any more, or it is being removed
	Watermark time.Time // zero: not reported
	Backfill  *float64  // fraction of the historical objects that is copied; nil: not reported

	// Unread says why the rule could not be read; "" means that it was. The rest is
	// then empty. Trouble is one line for a person, without secrets.
	Unread  replication.Reason
	Trouble string
}

// Seen returns the sample of an answer. A rule that is starting again is there, and
// has no figures. [fact 10]
func Seen(g replication.ProgressSeen) Sample {
	if g.Is == replication.Missing || g.Status == replication.RuleClosing {
		return Sample{Gone: true}
	}
	return Sample{Watermark: g.Watermark, Backfill: g.Historical}
}

// Polls is how many polls in a row it takes to fire an alert, and to resolve it: one
// odd answer wakes nobody.
const Polls = 2

// A Kind is a kind of alert. It is part of the ids of its events.
type Kind string

// The kinds of alert.
const (
	KindRule     Kind = "rule"
	KindLag      Kind = "lag"
	KindBackfill Kind = "backfill"
)

// Alerts is the state of the alerts of a pair, in the order of the table.
type Alerts [3]Alert

// The places of the kinds in Alerts.
const (
	atRule = iota
	atLag
	atBackfill
)

// A verdict is what a poll says about one kind of alert. The zero verdict says
// nothing, neither for nor against it.
type verdict struct {
	known   bool
	bad     bool
	reason  replication.Reason // of a bad one
	message string
}

// kinds has a row for each kind of alert. A row that is decisive ends the judgement
// of a poll with a bad verdict: what follows would only repeat it in other words.
var kinds = []struct {
	kind     Kind
	at       int // place in Alerts
	decisive bool
	judge    func(p Pair, s Sample, now time.Time) verdict
}{
	{KindRule, atRule, true, judgeRule},
	{KindLag, atLag, false, judgeLag},
	{KindBackfill, atBackfill, false, judgeBackfill},
}

// Judge takes a poll into the pair and returns the alerts that fire or are resolved
// by it, in order. now is the time of the poll and must not run backwards; the
// result depends on nothing else, and p is not changed.
//
// Event ids are <job>/alert/<kind>/<n>/firing and .../resolved, where n is the time
// at which the alert fired, in Unix seconds: unlike a count it stays unique when the
// state of the watch is lost. The sequence of an event is its time in Unix seconds,
// so it orders the alerts of a job, but says nothing about its other results.
func Judge(p Pair, s Sample, now time.Time) (Pair, []replication.Event) {
	p.Polled = At(now)
	if m := At(s.Watermark); m > p.Watermark { // an older one was a stale read: what is copied stays copied
		p.Watermark = m
	}
	if s.Backfill != nil && p.Historical {
		p.Window = advance(p.Window, *s.Backfill, now)
	}
	p.Worst = max(p.Worst, int64(p.Lag(now)/time.Second))
	var events []replication.Event
	for _, k := range kinds {
		v := k.judge(p, s, now)
		if e, ok := p.settle(k.kind, k.at, v, now); ok {
			events = append(events, e)
		}
		if k.decisive && v.bad {
			break
		}
	}
	return p, events
}

// End returns the events that resolve what still fires when the pair is not watched
// any more.
func End(p Pair, now time.Time) []replication.Event {
	var events []replication.Event
	for _, k := range kinds {
		if a := p.Alerts[k.at]; a.Since != 0 {
			p.Alerts[k.at] = Alert{}
			events = append(events, p.event(k.kind, a.Since, verdict{message: "the pair is not watched any more"}, now))
		}
	}
	return events
}

// settle counts a verdict and returns the event of an alert that changes with it.
func (p *Pair) settle(k Kind, at int, v verdict, now time.Time) (replication.Event, bool) {
	a := &p.Alerts[at]
	firing := a.Since != 0
	switch {
	case !v.known:
		return replication.Event{}, false
	case v.bad == firing:
		a.Count = 0
		return replication.Event{}, false
	}
	a.Count++
	if a.Count < Polls {
		return replication.Event{}, false
	}
	since := a.Since
	*a = Alert{}
	if v.bad {
		a.Since = At(now)
		since = a.Since
	}
	return p.event(k, since, v, now), true
}

// event returns the event of an alert that fired at since. A verdict that is not bad
// resolves it.
func (p Pair) event(k Kind, since Moment, v verdict, now time.Time) replication.Event {
	e := replication.Event{
		Type: replication.EventFiring, Rev: uint64(At(now)), At: now, Job: p.Job, Phase: replication.PhaseWatching,
		Reason: v.reason, Message: v.message,
	}
	end := "firing"
	if !v.bad {
		end = "resolved"
		e.Type, e.Reason = replication.EventResolved, replication.ReasonRecovered
		e.Message = fmt.Sprintf("%s; the alert had fired for %s", v.message, span(now.Sub(since.Time())))
	}
	e.ID = fmt.Sprintf("%s/alert/%s/%d/%s", p.Job, k, since, end)
	e.Remedy = e.Reason.Remedy()
	if b, err := json.Marshal(p.Figures(now)); err == nil {
		e.Detail = b
	}
	return e
}

func judgeRule(p Pair, s Sample, _ time.Time) verdict {
	switch {
	case s.Unread != "":
		return verdict{}
	case s.Gone:
		return verdict{known: true, bad: true, reason: replication.ReasonRuleVanished,
			message: fmt.Sprintf("rule %s of bucket %s is gone or being removed; nothing is copied any more", p.Rule, p.Bucket)}
	}
	return verdict{known: true, message: fmt.Sprintf("rule %s of bucket %s is there again", p.Rule, p.Bucket)}
}

// judgeLag counts a poll that could not read the rule against the pair, once the
// last watermark that was read is older than the limit: then nobody can say that the
// limit is kept. The watermark moves by leaps, one object or several at a time, so
// the lag of a pair that falls behind goes up and down: an alert that fires is not
// resolved before it lies within three quarters of the limit.
func judgeLag(p Pair, s Sample, now time.Time) verdict {
	lag, limit := p.Lag(now), p.MaxLag(now)
	bound := limit
	if p.Alerts[atLag].Since != 0 {
		bound = limit * 3 / 4
	}
	v := verdict{known: true, bad: lag > bound, reason: replication.ReasonLag}
	mark := "no watermark was reported since the watch began at " + stamp(p.Since.Time())
	if p.Watermark != 0 {
		mark = "all that was written before " + stamp(p.Watermark.Time()) + " is copied"
	}
	switch {
	case v.bad && s.Unread != "":
		v.reason = s.Unread
		v.message = fmt.Sprintf("bucket %s: whether the lag is within %s cannot be told, because the rule cannot be read: %s; as last seen, %s, which is %s ago",
			p.Bucket, span(limit), s.Trouble, mark, span(lag))
	case v.bad:
		v.message = fmt.Sprintf("bucket %s lies up to %s behind, the limit is %s: %s", p.Bucket, span(lag), span(limit), mark)
	case s.Unread != "":
		return verdict{} // within the limit as far as is known, which proves nothing
	default:
		v.message = fmt.Sprintf("bucket %s lies at most %s behind, the limit is %s", p.Bucket, span(lag), span(limit))
	}
	return v
}

// judgeBackfill says that the backfill stands still before it says that it is late:
// the first explains the second.
func judgeBackfill(p Pair, s Sample, now time.Time) verdict {
	if !p.Historical || s.Unread != "" {
		return verdict{}
	}
	m, reported := p.last()
	if p.Adopted && !reported { // it may have been complete for years
		return verdict{}
	}
	if p.done() {
		return verdict{known: true, message: fmt.Sprintf("the backfill of bucket %s is complete", p.Bucket)}
	}
	progress := fmt.Sprintf("the backfill of bucket %s is at %.2f %%", p.Bucket, float64(m.Part)*100/whole)
	stands := progress + " and has not moved"
	if !reported {
		progress = fmt.Sprintf("of the backfill of bucket %s no progress was ever reported", p.Bucket)
		stands = fmt.Sprintf("the backfill of bucket %s has not reported any progress", p.Bucket)
	}
	since, allowed := p.still(now)
	if idle := now.Sub(since.Time()); idle >= allowed {
		return verdict{known: true, bad: true, reason: replication.ReasonBackfillStalled,
			message: fmt.Sprintf("%s for %s", stands, span(idle))}
	}
	if p.Due == 0 {
		return verdict{known: reported, message: progress + " and moves"}
	}
	due := fmt.Sprintf("it is due by %s", stamp(p.Due.Time()))
	late := verdict{known: true, bad: true, reason: replication.ReasonBackfillLate}
	eta, known := p.eta(now)
	switch {
	case !now.Before(p.Due.Time()):
		late.message = fmt.Sprintf("%s; %s, which is over", progress, due)
		return late
	case !known:
		return verdict{}
	case eta.Add(p.margin(eta.Sub(now))).After(p.Due.Time()):
		late.message = fmt.Sprintf("%s and will be complete at about %s at its recent speed of %.2f %% an hour; %s",
			progress, stamp(eta), p.speed(now)*360_000/whole, due)
		return late
	}
	return verdict{known: true, message: fmt.Sprintf("%s and will be complete at about %s; %s", progress, stamp(eta), due)}
}

// margin keeps an alert on the brink from coming and going: once it fires, a tenth
// of what remains has to be left over.
func (p Pair) margin(remaining time.Duration) time.Duration {
	if p.Alerts[atBackfill].Since == 0 {
		return 0
	}
	return remaining / 10
}

// span writes a duration in whole seconds.
func span(d time.Duration) string { return d.Round(time.Second).String() }
