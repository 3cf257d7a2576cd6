package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// An app is what a command may use of the outside.
type app struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// commands has every subcommand but help.
var commands = map[string]func(ctx context.Context, a *app, args []string) error{
	"local":     runLocal,
	"bootstrap": runBootstrap,
	"doctor":    runDoctor,
	"teardown":  runTeardown,
	"run":       runDemo,
	"plan":      runPlan,
	"submit":    runSubmit,
	"stop":      runOrder(replication.ActionStop),
	"cancel":    runOrder(replication.ActionCancel),
	"retry":     runOrder(replication.ActionRetry),
	"set-rtc":   runOrder(replication.ActionSetRTC),
	"approve":   runApprove,
	"status":    runStatus,
	"discover":  runDiscover,
	"watch":     runWatch,
	"history":   runHistory,
	"explain":   runExplain,
	"reasons":   runReasons,
	"schema":    runSchema,
}

// run is the whole command. It returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	err := a.dispatch(ctx, args)
	var wrong *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case errors.As(err, &wrong):
		a.complain(err)
		return exitUsage
	}
	a.complain(err)
	return exitFailed
}

func (a *app) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return misuse("no command is given")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	command, ok := commands[args[0]]
	if !ok {
		return misuse("there is no command %q", args[0])
	}
	return command(ctx, a, args[1:])
}

// complain prints an error on one line, without secrets, and its hint.
func (a *app) complain(err error) {
	fmt.Fprintln(a.stderr, "replidesk:", fault.Line(strings.ReplaceAll(err.Error(), "\n", "; ")))
	var h *hinted
	switch {
	case errors.As(err, &h):
		fmt.Fprintln(a.stderr, "hint:", h.hint)
	case errors.Is(err, syscall.ECONNREFUSED):
		fmt.Fprintln(a.stderr, "hint: nobody answers there; if it was a local cloud, start it again with replidesk local")
	}
}

// say prints a line for people who watch.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }

// printJSON prints one JSON document as the result.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// A usageError says that the command was called wrongly.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func misuse(format string, args ...any) error {
	return hint(&usageError{fmt.Sprintf(format, args...)}, "replidesk help shows how it is used")
}

// A hinted error comes with something to do about it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// hint adds what to do about an error. nil stays nil.
func hint(err error, text string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, text}
}

// newFlags returns a flag set for one subcommand.
func newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // run prints errors and the usage
	f.Usage = func() {}
	return f
}

// deskFlags are the flags of a subcommand that works with a desk: its own, and those
// that all of them take.
type deskFlags struct {
	*flag.FlagSet
	envFile *string
	asJSON  *bool
}

func newDeskFlags(name string) deskFlags {
	f := newFlags(name)
	return deskFlags{f, f.String("env-file", "", ""), f.Bool("json", false, "")}
}

// open joins the desk that the flags or the environment name, and returns where its
// settings come from.
func (a *app) open(f deskFlags) (*wiring.Desk, func(string) string, error) {
	getenv, err := a.environment(*f.envFile)
	if err != nil {
		return nil, nil, err
	}
	desk, err := openDesk(getenv)
	return desk, getenv, err
}

// parse reads flags wherever they stand, and returns what else there is. "--" ends
// the flags.
func parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, misuse("%s: %s", f.Name(), err)
		}
		left := f.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if used := len(args) - len(left); used > 0 && args[used-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// parseNone is parse for a subcommand that takes nothing but flags.
func parseNone(f *flag.FlagSet, args []string) error {
	rest, err := parse(f, args)
	if err == nil && len(rest) > 0 {
		err = misuse("%s: %q is one argument too many", f.Name(), rest[0])
	}
	return err
}
