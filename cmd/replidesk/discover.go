package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/replidesk/replidesk/pkg/discover"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// runDiscover lists the rules that no ticket manages, and adopts them if asked to. It
// reads with the keys of the person who calls it.
func runDiscover(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("discover")
	adopt, requester := f.Bool("adopt", false, ""), f.String("requester", "", "")
	if err := parseNone(f.FlagSet, args); err != nil {
		return err
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	scan := desk.Scan()
	bar := newBar(a.stderr, a.getenv)
	scan.Progress = func(done, all int) { bar.show(done, all, "buckets") }
	report, err := scan.Run(ctx)
	bar.close()
	if err != nil {
		return hint(fmt.Errorf("the buckets of account %s cannot be looked through: %w", desk.Config.Account, err),
			"whoever calls this needs oss:ListBuckets, oss:GetBucketReplication on every bucket, and to read the state bucket")
	}
	rules, err := a.judge(ctx, desk, report, *adopt, *requester)
	failed := errors.Join(err, unreadBuckets(report))
	if *f.asJSON {
		err = a.printJSON(discovered{Account: desk.Config.Account, Buckets: report.Buckets, Managed: report.Managed, Rules: rules, Unread: unreadLines(report)})
	} else {
		err = discoveryTable(a.stdout, report, rules)
	}
	return errors.Join(failed, err)
}

// discovered is what discover prints for programs.
type discovered struct {
	Account string           `json:"account"`
	Buckets int              `json:"buckets"`
	Managed int              `json:"managed"` // rules that a ticket manages
	Rules   []discoveredRule `json:"rules"`   // those that none does
	Unread  []unreadLine     `json:"unread"`
}

type unreadLine struct {
	Bucket string `json:"bucket"`
	Error  string `json:"error"`
}

// What becomes of a rule that nobody manages.
const (
	canAdopt    = "can be adopted"
	cannotAdopt = "cannot be adopted"
	sentNow     = "sent"
	knownBefore = "known" // its ticket was sent before
	notSent     = "not sent"
)

// A discoveredRule is one rule that nobody manages.
type discoveredRule struct {
	Source      replication.End        `json:"source"`
	Destination replication.End        `json:"destination"` // without an account where that is not known
	Rule        string                 `json:"rule"`
	Status      replication.RuleStatus `json:"status"`
	Role        string                 `json:"role,omitempty"` // "" when the rule does not show it
	Options     string                 `json:"options"`
	Ticket      string                 `json:"ticket"` // the id of the ticket that adopts it
	State       string                 `json:"state"`
	Detail      string                 `json:"detail,omitempty"` // of a ticket that was sent before, or why one was not sent
	Reasons     replication.Problems   `json:"reasons,omitempty"`
	Request     jsonText               `json:"request"` // the ticket itself
}

// jsonText is JSON that is printed as it is.
type jsonText []byte

// MarshalJSON returns the text.
func (j jsonText) MarshalJSON() ([]byte, error) { return j, nil }

// judge says of each rule what can be done about it and, if asked to, sends its ticket.
func (a *app) judge(ctx context.Context, desk *wiring.Desk, report discover.Report, adopt bool, requester string) ([]discoveredRule, error) {
	r := newReader(desk)
	rules := make([]discoveredRule, 0, len(report.Rules))
	var failed error
	for _, f := range report.Rules {
		f.Ticket.Requester = requester
		d := discoveredRule{
			Source: f.Source, Destination: f.Ticket.Destination, Rule: f.Rule.ID, Status: f.Rule.Status, Role: f.Rule.SyncRole,
			Options: optionsText(f.Ticket, f.Rule), Ticket: f.Ticket.ID, State: canAdopt, Reasons: f.Problems, Request: replication.TicketOf(f.Ticket),
		}
		if len(f.Problems) > 0 {
			d.State, d.Detail = cannotAdopt, reasonsText(f.Problems)
		} else if err := d.send(ctx, r, adopt); err != nil {
			d.State, d.Detail = notSent, err.Error()
			failed = cmp.Or(failed, fmt.Errorf("not every ticket could be sent: %w", err))
		}
		rules = append(rules, d)
	}
	return rules, failed
}

// send sends the ticket of a rule, unless one was sent before: a ticket that has ended
// would only be answered again.
func (d *discoveredRule) send(ctx context.Context, r *reader, adopt bool) error {
	was, err := r.ticket(ctx, d.Ticket)
	if err != nil {
		return err
	}
	switch {
	case was.Job != nil:
		d.State, d.Detail = knownBefore, fmt.Sprintf("%s, %s: %s", was.Job.Phase, was.Job.Reason, was.Job.Message)
		return nil
	case was.Open:
		d.State, d.Detail = knownBefore, "taken in; nothing was done yet"
		return nil
	case !adopt:
		return nil
	}
	d.State = sentNow
	return sendTicket(ctx, r.desk, ticketFile{id: d.Ticket, body: d.Request})
}

func reasonsText(p replication.Problems) string {
	texts := make([]string, len(p))
	for i, x := range p {
		texts[i] = string(x.Code) + ": " + x.Message
	}
	return strings.Join(texts, "; ")
}

// optionsText words in short what a rule copies, and how.
func optionsText(r replication.Request, g replication.RuleSeen) string {
	parts := []string{"the whole bucket"}
	if p := r.Objects.Prefixes; len(p) > 0 {
		parts[0] = fmt.Sprintf("%q", p)
	}
	add := func(is bool, text string) {
		if is {
			parts = append(parts, text)
		}
	}
	add(r.Objects.Tags != nil, "tags "+r.Objects.Tags.String())
	add(r.ReplicateDeletes, "deletes")
	add(*r.Historical.Replicate, "history")
	add(r.RTC, "RTC")
	add(r.TransferAcceleration, "accelerated")
	add(g.KMS == "Enabled", "KMS")
	return strings.Join(parts, ", ")
}

// discoveryTable prints the rules that nobody manages and what there is in all.
func discoveryTable(w io.Writer, report discover.Report, rules []discoveredRule) error {
	if len(rules) > 0 {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "SOURCE\tDESTINATION\tRULE\tSTATE\tSCOPE AND OPTIONS\tTICKET\tADOPTION")
		for _, d := range rules {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Source.Bucket, d.Destination.Bucket, d.Rule, d.Status, d.Options, d.Ticket, strings.TrimSuffix(d.State+": "+d.Detail, ": "))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "%d buckets; of their rules %d are managed, %d are not\n", report.Buckets, report.Managed, len(rules))
	count := map[string]int{}
	for _, d := range rules {
		count[d.State]++
	}
	var parts []string
	for _, state := range []string{sentNow, knownBefore, canAdopt, cannotAdopt, notSent} {
		if count[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[state], state))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(w, "of these: %s\n", strings.Join(parts, ", "))
	}
	return nil
}

func unreadLines(report discover.Report) []unreadLine {
	lines := make([]unreadLine, len(report.Unread))
	for i, u := range report.Unread {
		lines[i] = unreadLine{u.Bucket.Bucket, u.Err.Error()}
	}
	return lines
}

// unreadBuckets is the error for buckets whose rules could not be read; what was found
// in the others is told and adopted all the same.
func unreadBuckets(report discover.Report) error {
	if len(report.Unread) == 0 {
		return nil
	}
	names := make([]string, len(report.Unread))
	for i, u := range report.Unread {
		names[i] = u.Bucket.Bucket
	}
	const most = 5
	if len(names) > most {
		names = slices.Concat(names[:most], []string{fmt.Sprintf("%d more", len(names)-most)})
	}
	return hint(fmt.Errorf("the rules of %s cannot be read: %w", strings.Join(names, ", "), report.Unread[0].Err),
		"whoever calls this needs oss:GetBucketReplication on every bucket, and to read the state bucket; what could be read is shown")
}

// A bar shows on a terminal how far something has come; elsewhere it shows nothing.
type bar struct {
	w     io.Writer // nil: nothing is shown
	drawn bool
}

func newBar(w io.Writer, getenv func(string) string) *bar {
	if isTerminal(w) && getenv("TERM") != "" && getenv("TERM") != "dumb" {
		return &bar{w: w}
	}
	return &bar{}
}

func (b *bar) show(done, all int, what string) {
	if b.w == nil {
		return
	}
	b.drawn = true
	full := barWidth * done / max(all, 1)
	fmt.Fprintf(b.w, "\r%s%s%s %d of %d %s", clearLine, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, all, what)
}

// close takes the bar away.
func (b *bar) close() {
	if b.drawn {
		fmt.Fprint(b.w, "\r"+clearLine)
	}
}
