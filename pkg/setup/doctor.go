package setup

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// Doctor looks at a set-up from end to end: settings, keys, clock, every part, whether
// the state bucket makes an object at most once, letters that wait, the journals of all
// tickets that are open or watched, and whether the sweep is alive. It writes nothing
// but one object of its own in the state bucket, which it deletes. A check that cannot
// be made is a problem.
func (s *Setup) Doctor(ctx context.Context) []Finding {
	d := &doctor{Setup: s, ctx: ctx}
	d.ok("settings", s.config.StateBucket)
	d.desk()
	if !d.keys() {
		return d.findings // every other call would only fail the same way
	}
	bucket := d.parts()
	if bucket.exists {
		d.race()
	}
	d.letters()
	if bucket.exists {
		d.journals()
	}
	return d.findings
}

// A doctor makes one examination.
type doctor struct {
	*Setup
	ctx      context.Context // of this examination
	findings []Finding
	absent   map[string]bool // queues that are not there
}

func (d *doctor) ok(check, about string) {
	d.findings = append(d.findings, Finding{State: Well, Check: check, About: about})
}

func (d *doctor) problem(code, about, remedy, format string, args ...any) {
	d.findings = append(d.findings, Finding{State: Problem, Check: code, About: about, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// failed is the finding of a check that could not be made.
func (d *doctor) failed(code, about string, err error) {
	remedy := "call this again; when it stays, look into the message"
	switch {
	case skewed(err):
		code, remedy = ClockSkewed, clockRemedy
	case fault.Of(err) == fault.Denied:
		remedy = "whoever calls doctor has to be allowed this call; docs/operate.md lists the rights"
	}
	d.problem(code, about, remedy, "%s", fault.Line(err.Error()))
}

const clockRemedy = "set the clock of this machine, by NTP: the cloud refuses calls that are 15 minutes off"

// desk looks at what the desk file allows.
func (d *doctor) desk() {
	file := d.config.Desk
	if len(file.Pairs) == 0 {
		d.problem(DeskAllowsNothing, "REPLIDESK_DESK", "write a desk file with pairs; begin with deploy/desk.example.json",
			"the desk file allows no pair, so every ticket is refused")
	} else {
		d.ok("desk file", fmt.Sprintf("%d patterns of pairs", len(file.Pairs)))
	}
	note := func(code, about, text string) {
		d.findings = append(d.findings, Finding{State: Note, Check: code, About: about, Text: text})
	}
	if file.ObserveOnly {
		note(DeskObserves, "REPLIDESK_DESK", "observeOnly is set: jobs go no further than to their next change")
	}
	for _, a := range file.Accounts {
		if a.Role != "" {
			note(DestinationUnlooked, a.Role, "it cannot be looked at from this account: replidesk bootstrap --destination "+a.UID+", with keys of that account, does")
		}
	}
}

// keys reports whether calls can be made as the account of the desk.
func (d *doctor) keys() bool {
	caller, err := d.Setup.desk.Grants.CallerAccount(d.ctx)
	switch {
	case err != nil && skewed(err):
		d.problem(ClockSkewed, "sts", clockRemedy, "%s", fault.Line(err.Error()))
	case err != nil:
		d.problem(CredentialsRefused, "sts", "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET of an active key, and ALIBABA_CLOUD_SECURITY_TOKEN of a temporary one",
			"%s", fault.Line(err.Error()))
	case caller != d.config.Account:
		d.problem(CredentialsOther, caller, "use keys of account "+d.config.Account+", or correct REPLIDESK_ACCOUNT",
			"the keys are of account %s, but the desk works in %s", caller, d.config.Account)
	default:
		d.ok("credentials", "account "+caller)
		return true
	}
	return false
}

// mostSkew is how far apart the clocks of OSS and of this machine may be.
const mostSkew = time.Minute

// parts looks at everything that bootstrap makes, and at the clock. It returns what the
// state bucket is.
func (d *doctor) parts() (bucket seen) {
	d.absent = map[string]bool{}
	for _, p := range d.Setup.parts {
		is, err := p.look(d.ctx)
		if err != nil || !is.exists {
			d.absent[p.Name] = d.absent[p.Name] || p.Kind == KindQueue
		}
		switch {
		case err != nil:
			d.failed(p.Kind+partUnreadable, p.Name, err)
		case !is.exists:
			d.problem(p.Kind+partMissing, p.Name, "replidesk bootstrap --yes makes it", "it is not there; it has to be: %s", p.Want)
		case is.right():
			d.ok(p.Kind, p.Name)
		}
		for _, x := range is.differences {
			d.problem(p.Kind+partDiffers, p.Name, x.Remedy, "%s", x.Text)
		}
		if p.Kind == KindBucket && err == nil {
			bucket = is
			d.clock()
		}
	}
	return bucket
}

// clock compares the clocks.
func (d *doctor) clock() {
	is, err := d.Setup.desk.StateBucket().Look(d.ctx)
	if err != nil || is.Now.IsZero() {
		return // the bucket itself is judged elsewhere
	}
	if off := time.Since(is.Now).Round(time.Second); off.Abs() > mostSkew {
		d.problem(ClockSkewed, d.config.Region, clockRemedy, "the clock of this machine is %s off that of OSS", off)
		return
	}
	d.ok("clock", d.config.Region)
}

// racers is how many try to make one object at a time.
const racers = 8

// race has several create one object at the same time: everything rests on that exactly
// one of them does. [fact 25]
func (d *doctor) race() {
	key := driver.SetSample + "/doctor/" + rand.Text()
	store := d.Setup.desk.Store
	var mu sync.Mutex
	var wg sync.WaitGroup
	won, failure := 0, error(nil)
	for i := range racers {
		wg.Go(func() {
			created, err := store.PutMarker(d.ctx, key, fmt.Appendf(nil, "racer %d", i))
			mu.Lock()
			defer mu.Unlock()
			if created {
				won++
			}
			if err != nil {
				failure = err
			}
		})
	}
	wg.Wait()
	if err := store.DeleteMarker(d.ctx, key); failure == nil {
		failure = err
	}
	switch {
	case won > 1:
		d.problem(JournalRaced, d.config.StateBucket,
			"stop the functions (observeOnly); use a bucket that never had versions, and let nothing between here and OSS drop the header x-oss-forbid-overwrite",
			"%d of %d made the same object at the same time, where one may: two workers could both believe that a job is theirs", won, racers)
	case failure != nil:
		d.failed(JournalUnwritable, d.config.StateBucket, failure)
	default:
		d.ok("one of several creates wins", d.config.StateBucket)
	}
}

// How old the next message of a queue may be.
const (
	soonTaken  = 10 * time.Minute         // by a trigger, or by the sweep
	wakesTaken = 12*time.Hour + soonTaken // wakes are sent up to 12 hours ahead
	resultRead = 24 * time.Hour           // by the ticket system
)

// letters looks for messages that nobody takes.
func (d *doctor) letters() {
	for _, q := range []struct {
		queue        config.Queue
		age          time.Duration // 0: none may lie there
		code, remedy string
	}{
		{config.QueueRequests, soonTaken, QueueStuck, "look at the trigger of replidesk-provision and at its log; tickets stay for seven days"},
		{config.QueueWakeProvision, wakesTaken, QueueStuck, "look at the trigger wake of replidesk-provision and at its log"},
		{config.QueueWakeVerify, wakesTaken, QueueStuck, "look at the trigger wake of replidesk-verify and at its log"},
		{config.QueueResults, resultRead, ResultsUnread, "have the ticket system read its results; MNS deletes them after seven days"},
		{config.QueueUndelivered, soonTaken, LettersUndelivered, "the sweep brings them back each minute: look at the timer of replidesk-progress and at its log"},
		{config.QueueDead, 0, LettersDead, "read them (the reason stands in each), correct the ticket where it came from, and delete them"},
		{config.QueueFailed, 0, LettersFailed, "read why the sweep failed, look at the log of replidesk-progress, and delete them"},
	} {
		name := d.config.QueueName(q.queue)
		if d.absent[name] {
			continue
		}
		sent, waits, err := d.Setup.desk.Bus.Oldest(d.ctx, name)
		switch age := time.Since(sent).Round(time.Second); {
		case err != nil:
			d.failed(KindQueue+partUnreadable, name, err)
		case waits && age > q.age:
			d.problem(q.code, name, q.remedy, "a message has waited there for %s", age)
		default:
			d.ok("nothing is stuck", name)
		}
	}
}

// journals looks at all tickets that are open or watched, and at the sweep.
func (d *doctor) journals() {
	marks, err := d.marked(d.ctx)
	if err != nil {
		d.failed(JournalUnreadable, d.config.StateBucket, err)
		return
	}
	before := len(d.findings)
	for _, id := range tickets(marks) {
		d.job(id, marks)
	}
	if len(d.findings) == before {
		d.ok("tickets", fmt.Sprintf("%d open or watched", len(tickets(marks))))
	}
	for shard := range max(d.config.Shards, 1) {
		d.sweep(shard, oldest(marks, shard))
	}
}

// oldest returns when the first mark of a shard was made; the zero time when it has none.
func oldest(marks []journal.Standing, shard int) (first time.Time) {
	for _, m := range marks {
		if m.Shard == shard && (first.IsZero() || m.Created.Before(first)) {
			first = m.Created
		}
	}
	return first
}
