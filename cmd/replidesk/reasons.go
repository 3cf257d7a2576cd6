package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/replidesk/replidesk/pkg/replication"
)

// runReasons prints what reason codes mean.
func runReasons(_ context.Context, a *app, args []string) error {
	f := newFlags("reasons")
	asJSON := f.Bool("json", false, "")
	codes, err := parse(f, args)
	if err != nil {
		return err
	}
	all := replication.Reasons()
	picked := all
	if len(codes) > 0 {
		picked = slices.DeleteFunc(slices.Clone(all), func(r replication.ReasonText) bool { return !slices.Contains(codes, string(r.Code)) })
		for _, c := range codes {
			if !slices.ContainsFunc(all, func(r replication.ReasonText) bool { return string(r.Code) == c }) {
				return hint(fmt.Errorf("there is no reason code %s", c), "replidesk reasons lists them all")
			}
		}
	}
	if *asJSON {
		return a.printJSON(map[string]any{"reasons": picked})
	}
	for _, r := range picked {
		fmt.Fprintf(a.stdout, "%s\n  %s\n", r.Code, r.Meaning)
		if r.Remedy != "" {
			fmt.Fprintf(a.stdout, "  To do: %s.\n", r.Remedy)
		}
	}
	return nil
}

// runSchema prints the JSON Schema of a ticket.
func runSchema(_ context.Context, a *app, args []string) error {
	if err := parseNone(newFlags("schema"), args); err != nil {
		return err
	}
	_, err := a.stdout.Write(replication.JSONSchema())
	return err
}
