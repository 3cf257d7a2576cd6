package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

// runStatus shows where tickets are.
func runStatus(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("status")
	ids, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	r := newReader(desk)
	named := len(ids) > 0
	if !named {
		if ids, err = r.marked(ctx); err != nil {
			return err
		}
	}
	tickets, err := r.tickets(ctx, ids)
	if err != nil {
		return err
	}
	switch {
	case *f.asJSON:
		err = a.printJSON(map[string]any{"tickets": statusLines(tickets)})
	case named:
		for _, t := range tickets {
			describe(a.stdout, t)
		}
	default:
		err = statusTable(a.stdout, tickets)
	}
	if err == nil {
		err = damaged(tickets)
	}
	if err == nil && named {
		err = unknownTickets(tickets)
	}
	return err
}

// unknownTickets is the error for tickets of which nothing is known.
func unknownTickets(tickets []ticketState) error {
	var unknown []string
	for _, t := range tickets {
		if !t.known() {
			unknown = append(unknown, t.ID)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return hint(fmt.Errorf("nothing is known of %s", strings.Join(unknown, ", ")),
		"a ticket that was refused because of its form has no job; its answer is on the results queue")
}

// A statusLine is a ticket for programs.
type statusLine struct {
	ID      string             `json:"id"`
	Known   bool               `json:"known"`
	Rev     uint64             `json:"rev,omitempty"`
	Phase   replication.Phase  `json:"phase,omitempty"`
	Since   *time.Time         `json:"since,omitempty"`
	Reason  replication.Reason `json:"reason,omitempty"`
	Message string             `json:"message,omitempty"`
	Remedy  string             `json:"remedy,omitempty"`
	AtRest  bool               `json:"atRest"`

	Source      *replication.End      `json:"source,omitempty"`
	Destination *replication.End      `json:"destination,omitempty"`
	Target      string                `json:"target,omitempty"` // the ticket of a stop, or the rule of an adoption
	RuleID      string                `json:"ruleId,omitempty"`
	Evidence    *replication.Evidence `json:"evidence,omitempty"`
	Watch       *watch.Figures        `json:"watch,omitempty"`
	CloudCalls  int                   `json:"cloudCalls,omitempty"`
	Error       string                `json:"error,omitempty"` // why the journal cannot be read
}

func statusLines(tickets []ticketState) []statusLine {
	lines := make([]statusLine, 0, len(tickets))
	for _, t := range tickets {
		l := statusLine{ID: t.ID, Known: t.known(), Watch: t.Figures}
		if j := t.Job; j != nil {
			l.Rev, l.Phase, l.Since, l.Reason, l.Message, l.Remedy = t.Rev, j.Phase, &j.Since, j.Reason, j.Message, j.Reason.Remedy()
			l.AtRest, l.Evidence, l.CloudCalls = j.AtRest(), j.Evidence, j.Calls
			l.RuleID, l.Target = ruleID(j), j.Request.Target
			if j.Request.Source.Bucket != "" {
				l.Source, l.Destination = &j.Request.Source, &j.Request.Destination
			}
		}
		if t.Damage != nil {
			l.Error = t.Damage.Error()
		}
		lines = append(lines, l)
	}
	return lines
}

func ruleID(j *replication.Job) string {
	if j.Rule == nil {
		return ""
	}
	return j.Rule.ID
}

// statusTable prints one line for each ticket.
func statusTable(w io.Writer, tickets []ticketState) error {
	if len(tickets) == 0 {
		fmt.Fprintln(w, "no ticket is open or watched")
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TICKET\tPHASE\tREASON\tLAG\tBACKFILL\tALERTS\tPAIR")
	for _, t := range tickets {
		phase, reason, pair := "taken in", replication.Reason(""), ""
		if j := t.Job; j != nil {
			phase, reason, pair = string(j.Phase), j.Reason, aboutText(j.Request)
		}
		if t.Damage != nil {
			phase = "unreadable"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, phase, dash(string(reason)), dash(lagText(t.Figures)),
			dash(backfillText(t.Figures)), dash(alertsText(t.Figures)), dash(pair))
	}
	return tw.Flush()
}

// aboutText says in short what a ticket is about; "" when it has not come yet.
func aboutText(r replication.Request) string {
	switch {
	case r.Source.Bucket == "" && r.Target != "":
		return string(r.Action) + " " + r.Target
	case r.Source.Bucket == "":
		return ""
	}
	return r.Source.Bucket + " -> " + r.Destination.Bucket
}

// describe prints all that is known of one ticket.
func describe(w io.Writer, t ticketState) {
	fmt.Fprintf(w, "%s\n", t.ID)
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(w, "  %-12s %s\n", name, text)
		}
	}
	defer fmt.Fprintln(w)
	if t.Job == nil {
		state := "unknown"
		if t.Open {
			state = "taken in; nothing was done yet"
		}
		line("phase", "%s", state)
		return
	}
	j := t.Job
	line("phase", "%s since %s (%s)", j.Phase, clock(j.Since), replication.Row(j.Phase).Meaning)
	line("reason", "%s", j.Reason)
	line("message", "%s", j.Message)
	line("remedy", "%s", j.Reason.Remedy())
	line("target", "%s", j.Request.Target)
	if j.Request.Source.Bucket != "" {
		line("source", "%s in %s of %s", j.Request.Source.Bucket, j.Request.Source.Region, j.Request.Source.Account)
		line("destination", "%s in %s of %s", j.Request.Destination.Bucket, j.Request.Destination.Region, j.Request.Destination.Account)
	}
	line("rule", "%s", ruleID(j))
	if !j.Due.IsZero() {
		line("goes on", "%s", clock(j.Due))
	}
	if e := j.Evidence; e != nil {
		line("proven", "%s", evidenceText(e))
		line("left behind", "%s", strings.Join(e.LeftBehind, ", "))
	}
	if f := t.Figures; f != nil {
		line("lag", "%s, the limit is %s", lagText(f), span(f.LimitSeconds))
		line("backfill", "%s", backfillText(f))
		line("alerts", "%s", alertsText(f))
	}
	line("journal", "%d entries, %d cloud calls", t.Rev, j.Calls)
}

func evidenceText(e *replication.Evidence) string {
	if e.By != "canary" {
		return fmt.Sprintf("by the watermark, which moved to %s", clock(e.Watermark))
	}
	return fmt.Sprintf("%s arrived after %.1f s with crc64 %s; %s", e.Key, e.Seconds, e.CRC64, e.Deletion)
}

func lagText(f *watch.Figures) string {
	if f == nil {
		return ""
	}
	return "at most " + span(f.LagSeconds)
}

func backfillText(f *watch.Figures) string {
	if f == nil || f.Backfill == nil {
		return ""
	}
	text := fmt.Sprintf("%.0f %%", *f.Backfill*100)
	if f.ETA != "" && *f.Backfill < 1 {
		text += ", done at about " + f.ETA
	}
	return text
}

func alertsText(f *watch.Figures) string {
	if f == nil {
		return ""
	}
	kinds := make([]string, len(f.Firing))
	for i, k := range f.Firing {
		kinds[i] = string(k)
	}
	return strings.Join(kinds, ", ")
}

func span(seconds int64) string { return (time.Duration(seconds) * time.Second).String() }

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func dash(s string) string { return orElse(s, "-") }
