package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// A ticketFile is a ticket as it is sent.
type ticketFile struct {
	file string // "-" is standard input
	id   string // "" when it cannot be read
	body []byte
	// problems are what the desk will answer at once; the ticket is sent all the same,
	// because only the desk decides.
	problems replication.Problems
	dryRun   bool // it asks for a plan only
}

// runSubmit sends tickets to the requests queue.
func runSubmit(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("submit")
	files, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return misuse("submit: no ticket is named")
	}
	desk, getenv, err := a.open(f)
	if err != nil {
		return err
	}
	type sent struct {
		File  string `json:"file"`
		ID    string `json:"id,omitempty"`
		Bytes int    `json:"bytes"`
	}
	done := []sent{}
	var failed error
	for _, file := range files {
		t, err := a.readTicket(file, getenv, wiring.Rules(desk.Config))
		if err == nil {
			err = sendTicket(ctx, desk, t)
		}
		if err != nil {
			failed = fmt.Errorf("%s: %w", file, err)
			break
		}
		for _, p := range t.problems {
			a.say("%s: the desk will refuse it: %s: %s", file, p.Code, p.Message)
		}
		done = append(done, sent{file, t.id, len(t.body)})
		if !*f.asJSON {
			what := ""
			if t.dryRun {
				what = "; its plan comes as a result, and nothing is changed"
			}
			fmt.Fprintf(a.stdout, "sent %s from %s%s\n", orElse(t.id, "a ticket without an id"), file, what)
		}
	}
	if *f.asJSON {
		failed = errors.Join(failed, a.printJSON(map[string]any{"sent": done}))
	}
	return failed
}

// readTicket reads one ticket and fills in its placeholders.
func (a *app) readTicket(file string, getenv func(string) string, rules replication.Desk) (ticketFile, error) {
	t := ticketFile{file: file}
	var err error
	if file == "-" {
		t.body, err = io.ReadAll(io.LimitReader(a.stdin, replication.MaxTicketBytes+1))
	} else {
		t.body, err = os.ReadFile(file)
	}
	if err != nil {
		return t, err
	}
	if t.body, err = expand(t.body, getenv); err != nil {
		return t, err
	}
	r, problems := replication.Parse(t.body)
	if len(problems) == 0 {
		problems = replication.Validate(r, rules)
	}
	t.id, t.problems, t.dryRun = r.ID, problems, r.DryRun
	return t, nil
}

// maxMessage is the longest body that fits into a message in base64. [fact 31]
const maxMessage = 48 << 10

func sendTicket(ctx context.Context, d *wiring.Desk, t ticketFile) error {
	if len(t.body) > maxMessage {
		return fmt.Errorf("the ticket has %d bytes; a message takes %d", len(t.body), maxMessage)
	}
	return d.Bus.Send(ctx, d.Config.QueueName(config.QueueRequests), t.body, 0)
}

var placeholder = regexp.MustCompile(`\$\{(LOCAL_[A-Z0-9_]+)\}`)

// expand replaces ${LOCAL_...} by what the env file of a local cloud says, so that
// example tickets need not know the accounts that are made anew each time. Nothing
// else is replaced, and no variable that holds a key.
func expand(ticket []byte, getenv func(string) string) ([]byte, error) {
	var missing []string
	out := placeholder.ReplaceAllFunc(ticket, func(m []byte) []byte {
		name := string(placeholder.FindSubmatch(m)[1])
		v := getenv(name)
		if v == "" || strings.Contains(name, "ACCESS_KEY") || strings.Contains(name, "TOKEN") {
			missing = append(missing, name)
		}
		return []byte(v)
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, hint(fmt.Errorf("nothing is known for %s", strings.Join(slices.Compact(missing), ", ")),
			"such placeholders are for a local cloud (replidesk local --examples); write the value itself otherwise")
	}
	return out, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
