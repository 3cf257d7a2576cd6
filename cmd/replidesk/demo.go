package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// runDemo is the demonstration: a local cloud, the example tickets through the real
// functions, and a check of what came of them.
func runDemo(ctx context.Context, a *app, args []string) error {
	opt := localcloud.Options{Speed: 60}
	f := newFlags("run")
	cloudFlags(f, &opt)
	tickets, out := f.String("tickets", filepath.Join("examples", "tickets"), ""), f.String("out", filepath.Join("out", "run"), "")
	limit := f.Duration("limit", 5*time.Minute, "")
	if err := parseNone(f, args); err != nil {
		return err
	}
	if err := settleCloud("run", &opt); err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(*out, "functions.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	opt.Log = log
	within, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	d := &demo{app: a, opt: opt, board: newBoard(a.stderr, a.getenv)}
	err = d.run(within, *tickets)
	d.board.close()
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil && within.Err() != nil:
		return hint(fmt.Errorf("not done after %s: %s: %w", *limit, d.awaited(), err), "the log of the functions is "+log.Name())
	case err != nil:
		return err
	}
	return d.report(*out)
}

// A demo is one demonstration under way. Its fields belong to the goroutine of run.
type demo struct {
	app   *app
	opt   localcloud.Options
	board board

	cloud   *localcloud.Cloud
	keys    exampleKeys
	desk    *wiring.Desk
	reader  *reader
	results *results
	began   time.Time

	tickets []*demoTicket
	later   []*demoTicket // sent when all else was seen
	writers chan error    // what became of writing to one pair
	writing int           // pairs that are being written to
	found   comparison
	stats   []functionSummary
	lifted  bool // the slow pair is not throttled any more
}

// A demoTicket is one ticket of the demonstration.
type demoTicket struct {
	plan
	file     ticketFile
	pair     *pair // nil: the ticket has no buckets
	state    ticketState
	sent     time.Time
	live     time.Time // when the rule was first seen in force; zero: never
	verified time.Time // when the watch was first seen
	written  bool      // new objects were written, or are being
	refusal  *result   // the answer to a ticket that was refused
}

// ended reports whether nothing more happens to the ticket by itself.
func (t *demoTicket) ended() bool {
	return t.refusal != nil || t.state.Job != nil && t.state.Job.AtRest()
}

func (d *demo) run(ctx context.Context, dir string) (err error) {
	d.began = time.Now()
	if d.cloud, err = startCloud(ctx, d.opt); err != nil {
		return err
	}
	defer d.cloud.Close()
	d.note("a local cloud with the three functions runs at %s (its delays divided by %g, pauses by %g)", d.cloud.URL, d.opt.Speed, d.opt.Pace)
	if d.keys, err = newKeys(d.cloud); err != nil {
		return err
	}
	getenv := d.settings()
	if d.desk, err = openDesk(getenv); err != nil {
		return err
	}
	d.reader = newReader(d.desk)
	if err := d.prepare(ctx, dir, getenv); err != nil {
		return err
	}
	d.results = listen(ctx, d.desk)
	defer d.results.stop()
	for _, t := range d.tickets {
		if err := sendTicket(ctx, d.desk, t.file); err != nil {
			return fmt.Errorf("%s: %w", t.file.file, err)
		}
		t.sent = time.Now()
	}
	d.note("%d tickets are on the queue %s", len(d.tickets), d.desk.Config.QueueName("requests"))
	if err := d.follow(ctx); err != nil {
		return err
	}
	for _, name := range deploy.Functions() {
		s, err := functionFigures(d.cloud, name)
		if err != nil {
			return err
		}
		d.stats = append(d.stats, s)
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	return d.goOn(ctx)
}

// note tells people something between the tickets.
func (d *demo) note(format string, args ...any) {
	d.board.note(fmt.Sprintf("%7.1fs  ", time.Since(d.began).Seconds()) + fmt.Sprintf(format, args...))
}

// settings are those of the local cloud, the key of the examples, and a date that the slow pair will miss.
func (d *demo) settings() func(string) string {
	vars := map[string]string{dueByVariable: dueBy(time.Now().Add(10 * time.Second)), keyVariable: d.keys.copies}
	for _, v := range d.cloud.Environment() {
		vars[v.Name] = v.Value
	}
	return func(name string) string { return vars[name] }
}

// prepare makes the buckets with their objects, and reads the tickets.
func (d *demo) prepare(ctx context.Context, dir string, getenv func(string) string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	if err := makeHandRole(d.cloud.World(), d.cloud.A.UID); err != nil {
		return err
	}
	if err := makeRoles(d.cloud.World(), d.cloud.A.UID); err != nil {
		return err
	}
	store := newClients(d.cloud, d.keys)
	objects := 0
	for _, file := range files {
		t := &demoTicket{}
		if t.file, err = d.app.readTicket(file, getenv, wiring.Rules(d.desk.Config)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if t.file.unapproved() { // the demonstration is the approver too
			if t.file.body, err = signed(t.file.body, localcloud.Approver, d.cloud.Approver); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		i := slices.IndexFunc(plans, func(p plan) bool { return p.id == t.file.id })
		if i < 0 {
			return fmt.Errorf("%s: the demonstration knows no ticket %q", file, t.file.id)
		}
		t.plan, t.state.ID = plans[i], t.file.id
		if t.slow {
			d.cloud.World().ThrottlePair(t.source.bucket, t.dest.bucket, slowCopy)
		}
		if t.pair, err = seed(ctx, store, t.plan); err != nil {
			return fmt.Errorf("buckets of %s: %w", t.id, err)
		}
		if t.pair != nil {
			objects += t.within + t.aside
		}
		d.tickets = append(d.tickets, t)
	}
	if len(d.tickets) != len(plans) {
		return fmt.Errorf("%s holds %d tickets of %d", dir, len(d.tickets), len(plans))
	}
	if err := d.prepareLater(dir, getenv); err != nil {
		return err
	}
	d.note("buckets with %d objects are made; each copy of the pair of %s takes %s longer", objects, d.slow().id, slowCopy)
	return nil
}

// lookEvery is how often the demonstration looks.
const lookEvery = 300 * time.Millisecond

// follow shows the tickets on their way and does its own part: it writes new
// objects when a rule is live, and lifts the throttle when its alerts have fired.
func (d *demo) follow(ctx context.Context) error {
	d.writers = make(chan error, len(d.tickets))
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for troubles := 0; ; {
		if err := d.look(ctx); err == nil {
			troubles = 0
		} else if troubles++; troubles == maxTroubles || ctx.Err() != nil {
			return err
		}
		d.act(ctx)
		if d.awaited() == "" {
			return nil
		}
		select {
		case err := <-d.writers:
			if d.writing--; err != nil {
				return err
			}
		case r := <-d.results.new:
			d.take(r)
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look reads every ticket and shows it.
func (d *demo) look(ctx context.Context) error {
	if err := d.reader.readPairs(ctx); err != nil {
		return err
	}
	rows := make([]row, 0, len(d.tickets))
	for _, t := range d.tickets {
		if t.refusal == nil {
			state, err := d.reader.ticket(ctx, t.id)
			if err != nil {
				return err
			}
			t.state = state
		}
		now := time.Now()
		if j := t.state.Job; j != nil {
			if t.live.IsZero() && j.Rule != nil && !j.Rule.Live.IsZero() {
				t.live = now
			}
			if t.verified.IsZero() && j.Phase == replication.PhaseWatching {
				t.verified = now
			}
		}
		rows = append(rows, t.row(now))
	}
	d.board.show(rows)
	return nil
}

func (t *demoTicket) row(now time.Time) row {
	age := now.Sub(t.sent)
	if !t.verified.IsZero() {
		age = t.verified.Sub(t.sent)
	}
	r := rowOf(t.state, age)
	if t.refusal != nil && t.state.Job == nil {
		r.phase, r.reason, r.text, r.mood = string(t.refusal.Data.Phase), string(t.refusal.Data.Reason), t.refusal.Data.Message, bad
		r.age = t.refusal.received.Sub(t.sent)
	}
	return r
}

// act does the demonstration's own part as far as it is due.
func (d *demo) act(ctx context.Context) {
	for _, t := range d.tickets {
		due := !t.live.IsZero()
		if t.slow { // its proof is not to wait behind other objects
			due = !t.verified.IsZero()
		}
		if t.pair == nil || t.written || !due {
			continue
		}
		t.written = true
		d.writing++
		d.note("the rule of %s is live: %d new objects are written to %s", t.id, t.fresh, t.source.bucket)
		go func() { d.writers <- t.pair.after(ctx) }()
	}
	slow := d.slow()
	if !d.lifted && slow.written && d.results.fired(slow.id) {
		d.lifted = true
		d.cloud.World().ThrottlePair(slow.source.bucket, slow.dest.bucket, 0)
		d.note("both alerts of %s have fired: the throttle is lifted", slow.id)
	}
}

// slow returns the ticket whose pair is throttled.
func (d *demo) slow() *demoTicket {
	return d.tickets[slices.IndexFunc(d.tickets, func(t *demoTicket) bool { return t.slow })]
}

// take takes a result in.
func (d *demo) take(r result) {
	d.results.keep(r)
	d.note("result: %s %s %s: %s", r.Data.Ticket, r.Type, r.Data.Reason, r.Data.Message)
	if r.Type != replication.EventRejected {
		return
	}
	for _, t := range d.tickets {
		if t.id == r.Data.Ticket && t.state.Job == nil {
			t.refusal = &r
		}
	}
}

// awaited says what the demonstration still waits for; "" when it is nothing.
func (d *demo) awaited() string {
	if len(d.tickets) == 0 {
		return "the local cloud is not ready"
	}
	for _, t := range d.tickets {
		switch {
		case !t.ended():
			return t.id + " is not at rest"
		case t.refusal == nil && !d.results.answered(t.id):
			return "no final result of " + t.id + " has come"
		}
	}
	switch {
	case d.writing > 0:
		return "new objects are being written"
	case d.slow().state.Job.Phase != replication.PhaseWatching:
		return "" // without a watch there are no alerts to wait for; the report says so
	case !d.lifted:
		return "the alerts of " + d.slow().id + " have not fired"
	case !d.results.resolvedAll():
		return "the alerts have not been resolved"
	}
	return ""
}

// compare looks at the destinations until everything has arrived, or nothing more is
// on its way.
func (d *demo) compare(ctx context.Context) error {
	d.note("the destinations are compared object by object")
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		idle := true
		d.found = comparison{}
		for _, t := range d.tickets {
			if t.pair == nil || t.state.Job == nil || t.state.Job.Phase != replication.PhaseWatching {
				continue
			}
			idle = idle && d.cloud.World().ReplicationStats(t.source.bucket, t.dest.bucket).Pending == 0
			c, err := t.pair.compare(ctx)
			if err != nil {
				return err
			}
			d.found.add(c)
		}
		if idle {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
