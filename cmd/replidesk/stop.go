package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/replidesk/replidesk/pkg/replication"
)

// runStop sends a ticket that stops another one.
func runStop(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("stop")
	id, requester := f.String("id", "", ""), f.String("requester", "", "")
	targets, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(targets) != 1 {
		return misuse("stop: exactly one ticket has to be named")
	}
	t, err := stopTicket(*id, targets[0], *requester)
	if err != nil {
		return err
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	if err := sendTicket(ctx, desk, t); err != nil {
		return err
	}
	if *f.asJSON {
		return a.printJSON(map[string]any{"sent": t.id, "target": targets[0]})
	}
	fmt.Fprintf(a.stdout, "sent %s, which stops %s\n", t.id, targets[0])
	return nil
}

// stopTicket returns the ticket that stops target. Without an id it is named after
// its target, so that to ask twice is to ask once.
func stopTicket(id, target, requester string) (ticketFile, error) {
	if id == "" {
		id = "stop-" + target
	}
	body, err := json.Marshal(map[string]string{"specVersion": "1", "id": id, "action": string(replication.ActionStop), "target": target, "requester": requester})
	if err != nil {
		return ticketFile{}, err
	}
	r, problems := replication.Parse(body)
	if len(problems) == 0 {
		problems = replication.Validate(r, replication.Desk{})
	}
	if len(problems) > 0 {
		return ticketFile{}, misuse("stop: %s", problems[0].Message)
	}
	return ticketFile{id: id, body: body}, nil
}
