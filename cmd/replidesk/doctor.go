package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/setup"
)

// runDoctor looks at a set-up from end to end. What is wrong with the settings is a
// finding like any other.
func runDoctor(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("doctor")
	if err := parseNone(f.FlagSet, args); err != nil {
		return err
	}
	getenv, err := a.environment(*f.envFile)
	if err != nil {
		return err
	}
	findings, err := examine(ctx, getenv)
	if err != nil {
		return err
	}
	if *f.asJSON {
		err = a.printJSON(map[string]any{"healthy": setup.Healthy(findings), "findings": findings})
	} else {
		printFindings(a.stdout, findings)
	}
	if err == nil && !setup.Healthy(findings) {
		err = errors.New("not all is well")
	}
	return err
}

func examine(ctx context.Context, getenv func(string) string) ([]setup.Finding, error) {
	if _, err := config.Read(getenv); err != nil {
		return setup.Settings(err), nil
	}
	if id, secret, _ := keys(getenv); id == "" || secret == "" {
		return []setup.Finding{{State: setup.Problem, Check: setup.CredentialsMissing, Text: "no access key is set",
			Remedy: "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"}}, nil
	}
	desk, err := openDesk(getenv)
	if err != nil {
		return nil, err
	}
	s, err := setup.New(desk)
	if err != nil {
		return nil, err
	}
	return s.Doctor(ctx), nil
}

func printFindings(w io.Writer, findings []setup.Finding) {
	count := 0
	for _, f := range findings {
		fmt.Fprintf(w, "%-8s %s", f.State, f.Check)
		if f.About != "" {
			fmt.Fprintf(w, "  %s", f.About)
		}
		fmt.Fprintln(w)
		if f.Text != "" {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(f.Text, "\n", "\n    "))
		}
		if f.State == setup.Problem {
			count++
			fmt.Fprintf(w, "    To do: %s.\n", f.Remedy)
		}
	}
	if count == 0 {
		fmt.Fprintln(w, "all is well")
		return
	}
	fmt.Fprintf(w, "%d problems\n", count)
}
