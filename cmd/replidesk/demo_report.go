package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A summary is what summary.json holds: the figures of one demonstration, all
// measured in it. Times are in seconds or milliseconds, as their names say.
type summary struct {
	Tickets   []ticketSummary            `json:"tickets"`
	Objects   objectSummary              `json:"objects"`
	Functions map[string]functionSummary `json:"functions"`
	Alerts    []alertSummary             `json:"alerts"`
	Seconds   float64                    `json:"seconds"` // of the whole demonstration
	Problems  []string                   `json:"problems"`
}

type ticketSummary struct {
	ID       string               `json:"id"`
	Phase    replication.Phase    `json:"phase"`
	Reason   replication.Reason   `json:"reason"`
	Topology replication.Topology `json:"topology"`
	Accounts string               `json:"accounts"` // "same" or "cross"
	RuleID   string               `json:"ruleId,omitempty"`
	Seconds  struct {             // since the ticket was sent
		ToRule     *float64 `json:"toRule,omitempty"`     // until the rule was seen in force
		ToVerified *float64 `json:"toVerified,omitempty"` // until it was proven
	} `json:"seconds"`
	CloudCalls    int            `json:"cloudCalls"` // without those for journal and queues
	JournalWrites int            `json:"journalWrites"`
	Canary        *canarySummary `json:"canary"` // nil: there was none
}

type canarySummary struct {
	Key     string  `json:"key"`
	Seconds float64 `json:"seconds"` // from its writing until it was seen at the destination
	CRC64   string  `json:"crc64"`
}

type objectSummary struct {
	InScope              int `json:"inScope"` // versions and delete markers that the tickets ask for
	Replicated           int `json:"replicated"`
	OutOfScopeReplicated int `json:"outOfScopeReplicated"`
}

type functionSummary struct {
	name          string
	Bytes         int64   `json:"bytes"`
	ColdStartMs   float64 `json:"coldStartMs"`   // median, from the start of the process until it takes an event
	FirstAnswerMs float64 `json:"firstAnswerMs"` // median, from the start of the process to its first answer
	ColdStarts    int     `json:"coldStarts"`
	Invocations   int     `json:"invocations"`
	Errors        int     `json:"errors"`
}

type alertSummary struct {
	Ticket          string             `json:"ticket"`
	Kind            string             `json:"kind"`
	Reason          replication.Reason `json:"reason"`
	Message         string             `json:"message"`
	FiredSeconds    *float64           `json:"firedSeconds"`    // since the demonstration began
	ResolvedSeconds *float64           `json:"resolvedSeconds"` // nil: never
}

// functionFigures are read while the function is still deployed.
func functionFigures(c *localcloud.Cloud, name string) (functionSummary, error) {
	info, err := os.Stat(c.Function(name).Binary)
	if err != nil {
		return functionSummary{}, err
	}
	s := c.Stats(name)
	f := functionSummary{name: name, Bytes: info.Size(), ColdStarts: len(s.ColdStarts), Invocations: s.Invocations, Errors: s.Errors}
	var ready, answer []time.Duration
	for _, cold := range s.ColdStarts {
		if cold.Answer > 0 { // it did answer
			ready, answer = append(ready, cold.Ready), append(answer, cold.Answer)
		}
	}
	f.ColdStartMs, f.FirstAnswerMs = median(ready), median(answer)
	return f, nil
}

// median returns the median in milliseconds, 0 of none.
func median(d []time.Duration) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}

// report writes the summary, prints the table, and returns an error when something
// is not as it should be.
func (d *demo) report(dir string) error {
	s := d.summary()
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "summary.json")
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		return err
	}
	if err := s.print(d.app.stdout); err != nil {
		return err
	}
	fmt.Fprintf(d.app.stdout, "\n%s has every figure\n", file)
	for _, p := range s.Problems {
		d.app.say("wrong: %s", fault.Line(p))
	}
	if n := len(s.Problems); n > 0 {
		return fmt.Errorf("the demonstration went wrong in %d points", n)
	}
	return nil
}

func (d *demo) summary() summary {
	s := summary{
		Objects:   objectSummary{d.found.inScope, d.found.replicated, d.found.outOfScope},
		Functions: map[string]functionSummary{}, Alerts: []alertSummary{}, Problems: []string{},
		Seconds: round(time.Since(d.began).Seconds()),
	}
	for _, t := range slices.Concat(d.tickets, d.later) {
		s.Tickets = append(s.Tickets, t.summary())
	}
	for _, f := range d.stats {
		s.Functions[f.name] = f
	}
	for _, a := range d.results.alerts {
		s.Alerts = append(s.Alerts, alertSummary{
			Ticket: a.fired.Data.Ticket, Kind: a.kind, Reason: a.fired.Data.Reason, Message: a.fired.Data.Message,
			FiredSeconds: since(d.began, a.fired.received), ResolvedSeconds: since(d.began, a.cleared.received),
		})
	}
	s.Problems = append(s.Problems, d.problems(s)...)
	return s
}

func (t *demoTicket) summary() ticketSummary {
	r, _ := replication.Parse(t.file.body) // of a refused ticket, what could be read
	s := ticketSummary{ID: t.id, Topology: r.Topology(), Accounts: "same"}
	if r.Source.Account != r.Destination.Account {
		s.Accounts = "cross"
	}
	if t.refusal != nil {
		s.Phase, s.Reason = t.refusal.Data.Phase, t.refusal.Data.Reason
	}
	s.Seconds.ToRule, s.Seconds.ToVerified = since(t.sent, t.live), since(t.sent, t.verified)
	if j := t.state.Job; j != nil {
		s.Phase, s.Reason, s.RuleID = j.Phase, j.Reason, ruleID(j)
		s.CloudCalls, s.JournalWrites = j.Calls, int(t.state.Rev)
		if e := j.Evidence; e != nil && e.By == "canary" {
			s.Canary = &canarySummary{Key: e.Key, Seconds: round(e.Seconds), CRC64: e.CRC64}
		}
	}
	return s
}

// since returns the seconds from a to b, or nil when b never was.
func since(a, b time.Time) *float64 {
	if b.IsZero() {
		return nil
	}
	v := round(b.Sub(a).Seconds())
	return &v
}

func round(v float64) float64 { return float64(int64(v*10+0.5)) / 10 }

// problems returns everything that is not as it should be.
func (d *demo) problems(s summary) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for i, t := range slices.Concat(d.tickets, d.later) {
		got := s.Tickets[i]
		if got.Phase != t.phase || got.Reason != t.reason {
			add("%s ended as %s (%s) instead of %s (%s)", t.id, got.Phase, got.Reason, t.phase, t.reason)
		}
		if canary := t.phase == replication.PhaseWatching && t.reason != replication.ReasonVerifiedNoCanary; canary != (got.Canary != nil) {
			add("%s was proven with a canary: %t; it should be %t", t.id, got.Canary != nil, canary)
		}
	}
	wrong = append(wrong, d.found.problems...)
	slow := d.slow().id
	for _, kind := range []string{"lag", "backfill"} {
		if !slices.ContainsFunc(s.Alerts, func(a alertSummary) bool { return a.Ticket == slow && a.Kind == kind && a.ResolvedSeconds != nil }) {
			add("the alert %s of %s did not fire and resolve", kind, slow)
		}
	}
	for _, a := range s.Alerts {
		switch {
		case a.FiredSeconds == nil:
			add("an alert of kind %s was resolved that never fired", a.Kind)
		case a.Ticket != slow:
			add("an alert of kind %s fired for %s: %s", a.Kind, a.Ticket, a.Message)
		case a.ResolvedSeconds == nil:
			add("the alert %s of %s was not resolved", a.Kind, a.Ticket)
		}
	}
	for _, f := range d.stats {
		if f.Errors > 0 {
			add("the function %s failed %d times", f.name, f.Errors)
		}
		if f.Invocations == 0 {
			add("the function %s was never called", f.name)
		}
	}
	return wrong
}

// print prints the summary as a table.
func (s summary) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nTICKET\tEND\tREASON\tRULE IN FORCE\tPROVEN\tCLOUD CALLS\tJOURNAL WRITES\tCANARY")
	for _, t := range s.Tickets {
		canary := "-"
		if t.Canary != nil {
			canary = fmt.Sprintf("%.1f s, crc64 %s", t.Canary.Seconds, t.Canary.CRC64)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", t.ID, t.Phase, t.Reason,
			secondsText(t.Seconds.ToRule), secondsText(t.Seconds.ToVerified), t.CloudCalls, t.JournalWrites, canary)
	}
	fmt.Fprintln(tw, "\nALERT\tOF\tREASON\tFIRED\tRESOLVED")
	for _, a := range s.Alerts {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", a.Kind, a.Ticket, a.Reason, secondsText(a.FiredSeconds), secondsText(a.ResolvedSeconds))
	}
	fmt.Fprintln(tw, "\nFUNCTION\tSIZE\tCOLD START\tCALLS\tFAILED")
	for _, name := range slices.Sorted(maps.Keys(s.Functions)) {
		f := s.Functions[name]
		fmt.Fprintf(tw, "%s\t%.1f MB\t%.0f ms\t%d\t%d\n", name, float64(f.Bytes)/1e6, f.ColdStartMs, f.Invocations, f.Errors)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	o := s.Objects
	_, err := fmt.Fprintf(w, "\n%d objects in scope, %d replicated and equal, %d replicated that should not be; %.0f s in all\n",
		o.InScope, o.Replicated, o.OutOfScopeReplicated, s.Seconds)
	return err
}

func secondsText(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f s", *v)
}
