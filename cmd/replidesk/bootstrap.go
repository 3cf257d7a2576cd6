package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/replidesk/replidesk/pkg/setup"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// runBootstrap shows, or makes, what has to exist before the functions are deployed.
func runBootstrap(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("bootstrap")
	var opt setup.Options
	f.BoolVar(&opt.Make, "yes", false, "")
	f.BoolVar(&opt.Repair, "repair", false, "")
	destination, buckets := f.String("destination", "", ""), f.String("buckets", "*", "")
	withoutGrants := f.Bool("without-grants", false, "")
	var planners []string
	f.Func("planner", "", func(arn string) error { planners = append(planners, arn); return nil })
	if err := parseNone(f.FlagSet, args); err != nil {
		return err
	}
	if opt.Repair && !opt.Make {
		return misuse("bootstrap: --repair changes what is there, so it goes with --yes")
	}
	if *destination == "" && (*buckets != "*" || len(planners) > 0) {
		return misuse("bootstrap: --buckets and --planner go with --destination")
	}
	desk, getenv, err := a.open(f)
	if err != nil {
		return err
	}
	if *destination != "" {
		desk.Credentials.Set(keysIn(getenv, *destination))
	}
	s, err := setup.New(desk)
	if *withoutGrants {
		s, err = setup.NewWithoutGrants(desk)
	}
	if err != nil {
		return err
	}
	caller, err := desk.Grants.CallerAccount(ctx)
	if err != nil {
		return hint(err, "replidesk doctor says what is wrong with the keys")
	}
	if *destination != "" {
		return a.bootstrapDestination(ctx, f, s, caller, *destination, *buckets, planners, opt)
	}
	if err := ownAccount(desk, caller); err != nil {
		return err
	}
	lines := s.Bootstrap(ctx, opt)
	if err := a.printLines(f, lines, map[string]any{"parts": lines}); err != nil {
		return err
	}
	if !*f.asJSON {
		fmt.Fprint(a.stdout, notMadeHere)
	}
	return unfinished(lines, opt)
}

// notMadeHere is what else has to be there.
const notMadeHere = `
Not made here: the log project and its logstore that s.yaml names, and the functions with their triggers (s deploy).
Serverless Devs makes the service-linked roles of EventBridge. No topic and no bucket for pages is used.
`

// bootstrapDestination shows the role of another account, or makes it with keys of that
// account.
func (a *app) bootstrapDestination(ctx context.Context, f deskFlags, s *setup.Setup, caller, account, buckets string, planners []string, opt setup.Options) error {
	d, err := s.Destination(account, buckets, planners...)
	if err != nil {
		return err
	}
	documents := map[string]any{"destination": d, "trust": jsonText(d.Trust), "policy": jsonText(d.Policy)}
	if caller != account {
		if opt.Make {
			return hint(fmt.Errorf("the keys are of account %s, and the role is to be made in %s", caller, account),
				"use keys of that account, or hand its owner what is printed without --yes")
		}
		if *f.asJSON {
			return a.printJSON(documents)
		}
		fmt.Fprintf(a.stdout, "In account %s the owner makes the role %s with this trust policy:\n\n%s\n\nand attaches a policy with this document:\n\n%s\n",
			account, d.Role, d.Trust, d.Policy)
		return nil
	}
	lines := d.Bootstrap(ctx, opt)
	documents["parts"] = lines
	if err := a.printLines(f, lines, documents); err != nil {
		return err
	}
	return unfinished(lines, opt)
}

// runTeardown shows, or takes away, what bootstrap makes.
func runTeardown(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("teardown")
	var r setup.Removal
	f.BoolVar(&r.Remove, "yes", false, "")
	f.StringVar(&r.Journal, "delete-journal", "", "")
	if err := parseNone(f.FlagSet, args); err != nil {
		return err
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	s, err := setup.New(desk)
	if err != nil {
		return err
	}
	caller, err := desk.Grants.CallerAccount(ctx)
	if err == nil {
		err = ownAccount(desk, caller)
	}
	if err != nil {
		return err
	}
	lines, err := s.Teardown(ctx, r)
	var use *setup.InUse
	if errors.As(err, &use) {
		return hint(err, "stop the tickets (replidesk stop ID), let the queues run empty, and call this again; nothing was touched")
	}
	if err != nil {
		return hint(err, "nothing was touched")
	}
	if err := a.printLines(f, lines, map[string]any{"parts": lines}); err != nil {
		return err
	}
	if !*f.asJSON && r.Journal == "" {
		fmt.Fprintf(a.stdout, "\nThe state bucket keeps the journal of every ticket; --delete-journal %s deletes it for ever.\n", desk.Config.StateBucket)
	}
	for _, l := range lines {
		if l.State == setup.StateFailed {
			return hint(errors.New("not everything could be taken away"), "put right what is named, and call this again")
		}
	}
	return nil
}

// ownAccount refuses keys of another account than that of the desk.
func ownAccount(d *wiring.Desk, caller string) error {
	if caller == d.Config.Account {
		return nil
	}
	return hint(fmt.Errorf("the keys are of account %s, but REPLIDESK_ACCOUNT is %s", caller, d.Config.Account), "use keys of the desk's account, or correct the variable")
}

// keysIn returns the access key to sign with in an account. A local cloud has one for
// each of its accounts.
func keysIn(getenv func(string) string, account string) (id, secret, token string) {
	if getenv("REPLIDESK_ENDPOINT") != "" && getenv("LOCAL_ACCOUNT_B_UID") == account {
		return getenv("LOCAL_ACCOUNT_B_ACCESS_KEY_ID"), getenv("LOCAL_ACCOUNT_B_ACCESS_KEY_SECRET"), ""
	}
	return keys(getenv)
}

// unfinished is the error when something is not as it should be.
func unfinished(lines []setup.Line, opt setup.Options) error {
	missing, wrong := 0, 0
	for _, l := range lines {
		switch {
		case l.Right():
		case l.State == setup.StateMissing:
			missing++
		default:
			wrong++
		}
	}
	switch {
	case wrong > 0 && opt.Make && opt.Repair:
		return hint(fmt.Errorf("%d parts are not as they should be", wrong), "what is named has to be put right by hand; then call this again")
	case wrong > 0:
		return hint(fmt.Errorf("%d parts are not as they should be", wrong), "--yes --repair puts right what can be; look at the differences first")
	case missing > 0:
		return hint(fmt.Errorf("%d parts are missing", missing), "--yes makes them")
	}
	return nil
}

// printLines prints what is or was done with each part.
func (a *app) printLines(f deskFlags, lines []setup.Line, document any) error {
	if *f.asJSON {
		return a.printJSON(document)
	}
	for _, l := range lines {
		printLine(a.stdout, l)
	}
	return nil
}

func printLine(w io.Writer, l setup.Line) {
	fmt.Fprintf(w, "%-14s  %s %s", l.State, l.Kind, l.Name)
	if l.State == setup.StateMissing || l.State == setup.StateHeld {
		fmt.Fprintf(w, ": %s", l.Want)
	}
	fmt.Fprintln(w)
	if l.Error != "" {
		fmt.Fprintf(w, "    %s\n", l.Error)
	}
	for _, d := range l.Differences {
		fmt.Fprintf(w, "    %s\n    To do: %s.\n", strings.ReplaceAll(d.Text, "\n", "\n      "), d.Remedy)
	}
}
