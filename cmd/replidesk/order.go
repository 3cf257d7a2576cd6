package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// An orderWord is how the command speaks of tickets about another ticket.
type orderWord struct {
	does string // as in "sent stop-CHG-1, which stops CHG-1"
	// once: what is done stays done, so to ask again is to ask the same. Otherwise
	// a new ticket is sent when the last one is at rest.
	once bool
}

var orderWords = map[replication.Action]orderWord{
	replication.ActionStop:   {does: "stops", once: true},
	replication.ActionCancel: {does: "cancels", once: true},
	replication.ActionRetry:  {does: "tries again"},
	replication.ActionSetRTC: {does: "sets replication time control of"},
}

// runOrder returns the subcommand that sends a ticket about another one.
func runOrder(action replication.Action) func(context.Context, *app, []string) error {
	return func(ctx context.Context, a *app, args []string) error {
		f := newDeskFlags(string(action))
		id, requester := f.String("id", "", ""), f.String("requester", "", "")
		rest, err := parse(f.FlagSet, args)
		if err != nil {
			return err
		}
		o := order{action: action, requester: *requester}
		if action == replication.ActionSetRTC {
			if len(rest) != 2 || rest[1] != "on" && rest[1] != "off" {
				return misuse("set-rtc: one ticket has to be named, and on or off")
			}
			o.rtc = rest[1]
			rest = rest[:1]
		}
		if len(rest) != 1 {
			return misuse("%s: exactly one ticket has to be named", action)
		}
		o.target = rest[0]
		if !replication.ValidID(o.target) {
			return misuse("%s: %q cannot be the id of a ticket", action, o.target)
		}
		if _, err := o.ticket(orElse(*id, o.id(1))); err != nil {
			return err
		}
		desk, _, err := a.open(f)
		if err != nil {
			return err
		}
		t, err := o.next(ctx, desk, *id)
		if err == nil {
			err = sendTicket(ctx, desk, t)
		}
		if err != nil {
			return err
		}
		if *f.asJSON {
			return a.printJSON(map[string]any{"sent": t.id, "target": o.target})
		}
		fmt.Fprintf(a.stdout, "sent %s, which %s %s\n", t.id, orderWords[action].does, o.target)
		return nil
	}
}

// An order is a ticket about another one.
type order struct {
	action    replication.Action
	target    string
	requester string
	rtc       string // of set-rtc: "on" or "off"
}

// maxOrders bounds the search for an id that is free.
const maxOrders = 100

// next returns the ticket to send, under the id given or else the first that is of
// use: one that nobody had, or that of the same ticket, as long as it does something
// to send that again.
func (o order) next(ctx context.Context, desk *wiring.Desk, id string) (ticketFile, error) {
	if id != "" {
		return o.ticket(id)
	}
	r := newReader(desk)
	for n := 1; n <= maxOrders; n++ {
		t, err := o.ticket(o.id(n))
		if err != nil {
			return t, err
		}
		was, err := r.ticket(ctx, t.id)
		if err != nil {
			return t, hint(err, "with --id the command looks for no id, and reads nothing")
		}
		if was.Job == nil || o.again(was.Job, t) {
			return t, nil
		}
	}
	return ticketFile{}, hint(fmt.Errorf("%s and %d more ids are used up", o.id(1), maxOrders-1), "name another with --id")
}

// again reports whether to send a ticket that has a job already does something: its
// job goes on, or what was done is told again.
func (o order) again(j *replication.Job, t ticketFile) bool {
	r, _ := replication.Parse(t.body)
	if j.Fingerprint != r.Fingerprint() {
		return false
	}
	return !j.AtRest() || orderWords[o.action].once && j.Phase == replication.PhaseCompleted
}

// id returns the nth id that names the ticket after its target. One that would be
// too long is cut off, and kept apart from others by a checksum.
func (o order) id(n int) string {
	id := string(o.action) + "-" + o.target
	suffix := ""
	if n > 1 {
		suffix = fmt.Sprintf("-%d", n)
	}
	const longest = 64
	if len(id)+len(suffix) > longest {
		sum := sha256.Sum256([]byte(id))
		suffix = fmt.Sprintf("-%x%s", sum[:4], suffix)
		id = id[:longest-len(suffix)]
	}
	return id + suffix
}

// ticket returns the ticket under an id.
func (o order) ticket(id string) (ticketFile, error) {
	members := map[string]any{"specVersion": "1", "id": id, "action": o.action, "target": o.target, "requester": o.requester}
	if o.rtc != "" {
		members["rtc"] = o.rtc == "on"
	}
	body, err := json.Marshal(members)
	if err != nil {
		return ticketFile{}, err
	}
	r, problems := replication.Parse(body)
	if len(problems) == 0 {
		problems = replication.Validate(r, replication.Desk{})
	}
	if len(problems) > 0 {
		return ticketFile{}, misuse("%s: %s", o.action, problems[0].Message)
	}
	return ticketFile{id: id, body: body}, nil
}
