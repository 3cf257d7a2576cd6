package fcemu

import (
	"encoding/json"
	"fmt"
	"time"
)

// A TimerTrigger invokes a function asynchronously at the times of its schedule.
// Runs that overlap are not prevented.
type TimerTrigger struct {
	Name    string
	Cron    string // "@every 5m", or six fields with seconds first, UTC
	Payload string // given to the function as it is
}

// AddTimer switches a timer on for a deployed function. Its name must be new there.
func (p *Platform) AddTimer(fn string, t TimerTrigger) error {
	sched, err := parseSchedule(t.Cron)
	if err != nil {
		return fmt.Errorf("timer %s: %w", t.Name, err)
	}
	first := sched.next(time.Now())
	if first.IsZero() {
		return fmt.Errorf("timer %s: %q never fires", t.Name, t.Cron)
	}
	f, _, err := p.lookup(fn)
	if err != nil {
		return fmt.Errorf("timer %s: %w", t.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Name == "" || f.timers[t.Name] || f.queues[t.Name] != nil {
		return fmt.Errorf("timer %q: the function has a trigger of that name, or the name is empty", t.Name)
	}
	if !p.spawnLocked(func() { p.tick(fn, t, sched, first) }) {
		return errStopped
	}
	f.timers[t.Name] = true
	return nil
}

// tick fires at the times of the schedule. Times that have passed unnoticed, as
// when the machine slept, are left out.
func (p *Platform) tick(fn string, t TimerTrigger, sched schedule, at time.Time) {
	for !at.IsZero() && sleep(p.ctx, time.Until(at)) {
		event, err := json.Marshal(map[string]string{
			"triggerTime": at.UTC().Format(time.RFC3339), "triggerName": t.Name, "payload": t.Payload,
		})
		if err == nil {
			_, err = p.invokeAsync(request{function: fn, payload: event})
		}
		if err != nil {
			p.opt.Logger.Error("timer not delivered", "function", fn, "timer", t.Name, "error", err)
		}
		for now := time.Now(); !at.IsZero() && !at.After(now); {
			at = sched.next(at)
		}
	}
}
