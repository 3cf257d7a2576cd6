package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// runPlan says what the desk would do for a ticket. It reads with the keys of the
// person who calls it, and changes nothing.
func runPlan(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("plan")
	files, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return misuse("plan: exactly one ticket has to be named")
	}
	desk, getenv, err := a.open(f)
	if err != nil {
		return err
	}
	t, err := a.readTicket(files[0], getenv, wiring.Rules(desk.Config))
	if err != nil {
		return fmt.Errorf("%s: %w", files[0], err)
	}
	r, problems := replication.Parse(t.body)
	if !r.Action.HasPair() && len(problems) == 0 {
		return hint(fmt.Errorf("a ticket about another one (%s) has no plan", r.Action), "replidesk explain "+r.Target+" shows what its target has made, which is what a stop takes back")
	}
	p, trouble := desk.Plan(ctx, r, problems)
	if trouble != nil {
		return hint(fmt.Errorf("what the ticket is about cannot be looked at: %s", trouble),
			"the plan reads with your own keys what the functions read: buckets, their rules, and the state bucket")
	}
	if *f.asJSON {
		err = a.printJSON(p)
	} else {
		printPlan(a.stdout, p)
	}
	if err == nil && !p.Accepted {
		err = fmt.Errorf("the ticket would be refused: %s", p.Reasons[0].Code)
	}
	return err
}

// printPlan prints a plan for a person.
func printPlan(w io.Writer, p replication.PlanResult) {
	verdict := "would be refused"
	if p.Accepted {
		verdict = "would be accepted"
	}
	fmt.Fprintf(w, "%s %s\n", orElse(p.Ticket, "the ticket"), verdict)
	if p.Topology != "" && p.Accounts != "" {
		fmt.Fprintf(w, "  %s, %s account: %s in %s -> %s in %s\n", p.Topology, p.Accounts, p.Source.Bucket, p.Source.Region, p.Destination.Bucket, p.Destination.Region)
	}
	for _, r := range p.Reasons {
		fmt.Fprintf(w, "\n  %s %s\n    %s\n    To do: %s.\n", r.Code, r.Field, r.Message, orElse(r.Remedy, "nothing"))
	}
	if len(p.Steps) > 0 {
		fmt.Fprintln(w, "\nIn this order")
	}
	for i, s := range p.Steps {
		printStep(w, i+1, s)
	}
	for _, part := range []struct {
		title string
		notes []replication.PlanNote
	}{{"Risks", p.Risks}, {"What cannot be undone", p.Final}, {"How long it takes", p.Times}, {"Who pays", p.Costs}} {
		if len(part.notes) > 0 {
			fmt.Fprintf(w, "\n%s\n", part.title)
		}
		for _, n := range part.notes {
			fmt.Fprintf(w, "  %-24s %s\n", n.Code, n.Message)
		}
	}
	fmt.Fprintln(w, "\nNothing was changed. The facts are those of docs/assumptions.md.")
}

func printStep(w io.Writer, n int, s replication.PlanStep) {
	fmt.Fprintf(w, "  %2d %-6s %s: %s\n", n, s.Kind, s.Phase, s.Text)
	for _, c := range s.Calls {
		fmt.Fprintf(w, "       %s\n", c)
	}
	if s.Effect == nil {
		return
	}
	for _, l := range s.Diff {
		fmt.Fprintf(w, "       %s\n", l)
	}
	if o := s.Effect.Object; o != nil && o.Content != "" {
		fmt.Fprintf(w, "         %d bytes: %s\n", len(o.Content), strings.TrimSpace(o.Content))
	}
}
