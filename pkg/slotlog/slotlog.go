// Package slotlog keeps the slots that the caps on new rules give out: one log a
// desk, one entry each time that a slot is taken or given back. Two workers cannot
// both take the last one, and a worker that is killed loses none: a slot belongs to a
// job, which asks again.
package slotlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// tries bounds how often a lost race is run again. All tickets of a desk meet here.
const tries = 20

// window is how long a slot counts under the cap of the hour, also when it was given
// back: its rule was made all the same.
const window = time.Hour

// A Log keeps the slots of a desk.
type Log struct {
	Journal *journal.Journal
	Worker  string // for the reader of the history
}

// entry is what an entry of the log holds: every slot that still counts.
type entry struct {
	Slots []slot `json:"slots"`
}

type slot struct {
	Job     string    `json:"job"`
	Account string    `json:"account"`
	At      time.Time `json:"at"`
	Back    bool      `json:"back,omitempty"` // it was given back
}

// Take takes a slot for the rule of job, unless a cap allows none now. A job that has
// one keeps it.
func (l Log) Take(ctx context.Context, job string, s replication.Slot) (replication.SlotSeen, error) {
	var seen replication.SlotSeen
	err := l.change(ctx, job, func(e *entry) bool {
		if e.active(job) >= 0 {
			seen = replication.SlotSeen{Taken: true}
			return false
		}
		e.forget(s.At)
		if seen = e.room(s); !seen.Taken {
			return false
		}
		e.Slots = append(e.Slots, slot{Job: job, Account: s.Account, At: s.At})
		return true
	})
	return seen, err
}

// GiveBack gives the slot of job back; it does nothing when there is none.
func (l Log) GiveBack(ctx context.Context, job string) error {
	return l.change(ctx, job, func(e *entry) bool {
		i := e.active(job)
		if i < 0 {
			return false
		}
		e.Slots[i].Back = true
		return true
	})
}

// active returns the index of the slot that a job has, or -1.
func (e *entry) active(job string) int {
	return slices.IndexFunc(e.Slots, func(s slot) bool { return s.Job == job && !s.Back })
}

// forget drops what counts under no cap any more.
func (e *entry) forget(now time.Time) {
	e.Slots = slices.DeleteFunc(e.Slots, func(s slot) bool { return s.Back && now.Sub(s.At) >= window })
}

// room says whether the caps leave room for one more. Where both do not, it is the
// cap of the account that is told: time does not help there.
func (e *entry) room(s replication.Slot) replication.SlotSeen {
	standing, recent := 0, []time.Time{}
	for _, o := range e.Slots {
		if o.Account == s.Account && !o.Back && o.Job != s.Instead {
			standing++
		}
		if s.At.Sub(o.At) < window {
			recent = append(recent, o.At)
		}
	}
	if limit := s.Caps.RulesPerAccount; limit > 0 && standing >= limit {
		return replication.SlotSeen{PerAccount: true, Used: standing}
	}
	if limit := s.Caps.RulesPerHour; limit > 0 && len(recent) >= limit {
		slices.SortFunc(recent, time.Time.Compare)
		return replication.SlotSeen{Used: len(recent), Free: recent[len(recent)-limit].Add(window)}
	}
	return replication.SlotSeen{Taken: true}
}

// change loads the slots, has them changed, and appends that. Who loses the race does
// so again with what the winner wrote.
func (l Log) change(ctx context.Context, job string, f func(*entry) (changed bool)) error {
	snap, err := l.Journal.Load(ctx, journal.Cap("rules"))
	if err != nil {
		return err
	}
	sure := false
	for range tries {
		var e entry
		if snap.Exists() {
			if err := json.Unmarshal(snap.Body, &e); err != nil {
				return &fault.Error{Kind: fault.Terminal, Op: "Slot", Resource: job, Err: fmt.Errorf("the entry does not hold slots: %w", err)}
			}
		}
		changed := f(&e)
		if !changed && !sure {
			// The listing may lag behind: before nothing is done, the entries after this
			// one are looked for.
			if snap, err = l.Journal.Reload(ctx, snap); err != nil {
				return err
			}
			sure = true
			continue
		}
		if !changed {
			return nil
		}
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = l.Journal.Append(ctx, snap, body, journal.Meta{Writer: l.Worker})
		var lost *journal.LostError
		if !errors.As(err, &lost) {
			return err
		}
		snap = lost.Winner
	}
	return &fault.Error{Kind: fault.Conflict, Op: "Slot", Resource: job, Err: fmt.Errorf("lost %d races in a row", tries)}
}
