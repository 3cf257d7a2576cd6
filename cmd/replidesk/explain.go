package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

// An explained ticket is what explain prints for programs.
type explained struct {
	replication.Explanation
	Rev   uint64         `json:"rev"`
	Watch *watch.Figures `json:"watch,omitempty"`
}

// runExplain says of one ticket where it is, why, and who has to do what.
func runExplain(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("explain")
	ids, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(ids) != 1 || !replication.ValidID(ids[0]) {
		return misuse("explain: exactly one ticket has to be named")
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	r := newReader(desk)
	tickets, err := r.tickets(ctx, ids)
	if err == nil {
		err = damaged(tickets)
	}
	if err != nil {
		return err
	}
	t := tickets[0]
	switch {
	case t.Job == nil && *f.asJSON:
		err = a.printJSON(map[string]any{"ticket": t.ID, "known": t.known(), "open": t.Open})
	case t.Job == nil:
		describe(a.stdout, t)
	case *f.asJSON:
		return a.printJSON(explained{replication.Explain(t.Job, r.clock(t.ID)), t.Rev, t.Figures})
	default:
		explain(a.stdout, replication.Explain(t.Job, r.clock(t.ID)), t)
	}
	if err == nil {
		err = unknownTickets(tickets)
	}
	return err
}

// clock returns the store's time as of the newest read of a ticket.
func (r *reader) clock(id string) time.Time {
	snap := r.snaps[id]
	return snap.Now(time.Now())
}

// alertRemedies has the reasons whose remedies help against the alerts of the watch.
var alertRemedies = map[watch.Kind]replication.Reason{
	watch.KindRule: replication.ReasonRuleVanished, watch.KindLag: replication.ReasonLag, watch.KindBackfill: replication.ReasonBackfillLate,
}

// explain prints an explanation for a person.
func explain(w io.Writer, e replication.Explanation, t ticketState) {
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(w, "  %-12s %s\n", name, text)
		}
	}
	switch {
	case e.Target != "" && e.Source.Bucket == "":
		fmt.Fprintf(w, "%s  %s %s\n", e.Ticket, orderWords[e.Action].does, e.Target)
	case e.Source.Bucket == "":
		fmt.Fprintf(w, "%s  was stopped before its ticket came\n", e.Ticket)
	default:
		fmt.Fprintf(w, "%s  %s in %s -> %s in %s\n", e.Ticket, e.Source.Bucket, e.Source.Region, e.Destination.Bucket, e.Destination.Region)
	}
	if e.Action == replication.ActionReplace {
		line("replaces", "%s", e.Target)
	}
	line("where", "%s since %s (%s): %s", e.Phase, clock(e.Since), span(e.Seconds), e.PhaseMeaning)
	line("why", "%s: %s", dash(string(e.Reason)), orElse(e.ReasonMeaning, "no reason is recorded"))
	if e.Message != e.ReasonMeaning && e.Message != e.PhaseMeaning {
		line("", "%s", e.Message)
	}
	explainWait(line, e.Waiting)
	if t.Figures != nil && len(t.Figures.Firing) > 0 {
		e.Who = "whoever operates this desk: an alert is firing"
	}
	line("who acts", "%s", e.Who)
	line("what to do", "%s", e.Remedy)
	explainOrders(line, e.Orders)
	for i, m := range e.Made {
		explainThing(line, i == 0, m)
	}
	if p := e.Evidence; p != nil {
		line("proven", "%s: %s", clock(p.At), evidenceText(p))
	}
	if g := t.Figures; g != nil {
		line("lag", "%s, the limit is %s", lagText(g), span(g.LimitSeconds))
		line("backfill", "%s", backfillText(g))
		line("alerts", "%s", alertsText(g))
		for _, k := range g.Firing {
			line("", "%s", alertRemedies[k].Remedy())
		}
	}
	for i, p := range e.Ahead {
		name := ""
		if i == 0 {
			name = "comes next"
		}
		line(name, "%s: %s", p.Phase, p.Meaning)
	}
	if l := e.Told; l != nil {
		state := "sent"
		if !l.Sent {
			state = "not sent yet"
		}
		line("last result", "%s (%s) of %s, %s, event %s", l.Type, l.Reason, clock(l.At), state, l.ID)
	}
	for i, m := range e.More {
		name := ""
		if i == 0 {
			name = "more"
		}
		line(name, "%s", m)
	}
}

// explainOrders says what other tickets asked for, and what came of it.
func explainOrders(line func(name, format string, args ...any), orders []replication.Order) {
	for i, o := range orders {
		name := ""
		if i == 0 {
			name = "asked by"
		}
		what := string(o.Action)
		if o.Action == replication.ActionSetRTC {
			what += map[bool]string{true: " on", false: " off"}[o.RTC]
		}
		switch {
		case o.Served.IsZero():
			line(name, "%s (%s) at %s: not dealt with yet", o.By, what, clock(o.At))
		case o.Result == replication.ResultDone:
			line(name, "%s (%s): done at %s, %s", o.By, what, clock(o.Served), o.Message)
		default:
			line(name, "%s (%s): not done (%s), %s", o.By, what, o.Reason, o.Message)
		}
	}
}

func explainWait(line func(name, format string, args ...any), w *replication.Waiting) {
	if w == nil {
		return
	}
	line("waits for", "%s", w.For)
	if w.Worker != "" {
		line("worker", "%s is at it", w.Worker)
	}
	if !w.Next.IsZero() {
		line("looks again", "%s", clock(w.Next))
	}
	switch {
	case w.Overdue:
		line("", "nobody came by %s; the sweep wakes the job", clock(w.CheckBy))
	case !w.CheckBy.IsZero():
		line("", "if nobody comes by %s, the sweep wakes the job", clock(w.CheckBy))
	}
	if !w.GivenUp.IsZero() {
		line("gives up", "%s", clock(w.GivenUp))
	}
}

func explainThing(line func(name, format string, args ...any), first bool, m replication.Thing) {
	name := ""
	if first {
		name = "has made"
	}
	switch {
	case m.Unsure:
		line(name, "perhaps %s %s; only a look can tell", m.What, m.Name)
	case m.At.IsZero():
		line(name, "%s %s", m.What, m.Name)
	default:
		line(name, "%s %s at %s", m.What, m.Name, clock(m.At))
	}
}
