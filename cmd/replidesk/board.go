package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// A mood is how a ticket is doing, in a colour.
type mood int

const (
	moving mood = iota
	good
	stuck // somebody has to do something
	bad
)

// A row is one ticket on a board.
type row struct {
	id          string
	phase       string
	reason      string
	text        string
	done, steps int // of the way to the watch
	age         time.Duration
	mood        mood
}

// way are the phases of a ticket that meets no trouble, in order, some of which are
// only for certain tickets.
var way = []replication.Phase{
	replication.PhaseReceived, replication.PhasePreflight, replication.PhaseRole, replication.PhasePolicy, replication.PhaseAttachment,
	replication.PhaseKMSGrant, replication.PhaseRule, replication.PhaseStarting, replication.PhaseVerifying, replication.PhaseWatching,
}

// plainJob has nothing but the phases that every ticket has.
var plainJob = &replication.Job{Request: replication.Request{Action: replication.ActionReplicate}}

// wayOf returns the way that a job is on.
func wayOf(j *replication.Job) []replication.Phase {
	switch {
	case !j.Request.Action.HasPair():
		return []replication.Phase{replication.PhaseReceived, replication.PhaseOrdering, replication.PhaseAwaiting, replication.PhaseCompleted}
	case j.Request.Action == replication.ActionAdopt && j.Stop == nil:
		return []replication.Phase{replication.PhaseReceived, replication.PhasePreflight, replication.PhaseAdopting, replication.PhaseVerifying, replication.PhaseWatching}
	case j.Request.Action == replication.ActionReplace && j.Stop == nil:
		return append(slices.Concat([]replication.Phase{replication.PhaseReceived, replication.PhaseOrdering, replication.PhaseAwaiting}, way[1:len(way)-1]),
			replication.PhaseBridging, replication.PhaseWatching)
	case j.Stop != nil:
		return []replication.Phase{j.Phase, replication.PhaseStopping, replication.PhaseStopped}
	}
	return slices.DeleteFunc(slices.Clone(way), func(p replication.Phase) bool {
		has := replication.Row(p).Has
		return has != nil && !has(j.Request)
	})
}

// rowOf shows what is known of a ticket, age after it was first asked for.
func rowOf(t ticketState, age time.Duration) row {
	r := row{id: t.ID, steps: len(wayOf(plainJob)) - 1, age: age, phase: "unknown", text: "not taken in yet"}
	j := t.Job
	if j == nil {
		if t.Open {
			r.phase, r.text = "taken in", "nothing was done yet"
		}
		return r
	}
	r.phase, r.reason, r.text = string(j.Phase), string(j.Reason), j.Message
	at := j.Phase
	if at == replication.PhaseBlocked && j.Block != nil {
		at = j.Block.Resume
		r.mood = stuck
	}
	way := wayOf(j)
	r.steps, r.done = len(way)-1, max(slices.Index(way, at), 0)
	if j.Stop != nil && j.AtRest() {
		r.done = r.steps
	}
	switch j.Phase {
	case replication.PhaseWatching:
		r.mood = good
		if f := t.Figures; f != nil {
			r.text = "lag " + lagText(f)
			if b := backfillText(f); b != "" {
				r.text += ", backfill " + b
			}
			if alerts := alertsText(f); alerts != "" {
				r.text, r.mood = "ALERT "+alerts+": "+r.text, stuck
			}
		}
	case replication.PhaseCompleted, replication.PhaseStopped:
		r.mood = good
	case replication.PhaseRejected, replication.PhaseFailed, replication.PhaseCancelled:
		r.mood = bad
	}
	return r
}

// A board shows rows as they change, and notes between them.
type board interface {
	show(rows []row)
	note(text string)
	close()
}

// newBoard returns a live board for a terminal and a plain one for anything else.
func newBoard(w io.Writer, getenv func(string) string) board {
	if isTerminal(w) && getenv("TERM") != "" && getenv("TERM") != "dumb" {
		return &liveBoard{w: w, colour: getenv("NO_COLOR") == ""}
	}
	return &plainBoard{w: w, last: map[string]string{}}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A plainBoard prints a line whenever a ticket has got somewhere.
type plainBoard struct {
	w    io.Writer
	last map[string]string // by ticket
}

func (b *plainBoard) show(rows []row) {
	for _, r := range rows {
		if r.phase == "unknown" {
			continue
		}
		now := r.phase + " " + r.reason
		if r.mood == good { // the figures of the watch move all the time
			now = r.phase
		}
		if b.last[r.id] == now {
			continue
		}
		b.last[r.id] = now
		fmt.Fprintf(b.w, "%7.1fs  %-12s %-10s %-24s %s\n", r.age.Seconds(), r.id, r.phase, r.reason, r.text)
	}
}

func (b *plainBoard) note(text string) { fmt.Fprintln(b.w, text) }

func (b *plainBoard) close() {}

// A liveBoard draws the rows over what it drew last.
type liveBoard struct {
	w      io.Writer
	colour bool
	rows   []row
	drawn  int // lines below which the cursor stands
}

// The sequences of a terminal. Lines are not wrapped while the board is drawn, so
// that a line of text is a line of the screen.
const (
	clearLine = "\x1b[2K"
	wrapOff   = "\x1b[?7l"
	wrapOn    = "\x1b[?7h"
	plainText = "\x1b[0m"
)

var colours = map[mood]string{good: "\x1b[32m", stuck: "\x1b[33m", bad: "\x1b[31m"}

func (b *liveBoard) show(rows []row) {
	b.rows = rows
	b.draw("")
}

func (b *liveBoard) note(text string) { b.draw(clearLine + text + "\n") }

// draw writes everything at once, so that nothing flickers.
func (b *liveBoard) draw(note string) {
	var s strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&s, "\x1b[%dA", b.drawn)
	}
	s.WriteString("\r" + note + wrapOff)
	for _, r := range b.rows {
		s.WriteString(clearLine + b.line(r) + "\n")
	}
	s.WriteString(wrapOn + "\x1b[J")
	b.drawn = len(b.rows)
	_, _ = io.WriteString(b.w, s.String()) // a terminal that went away ends nothing
}

const barWidth = 16

func (b *liveBoard) line(r row) string {
	full := barWidth * r.done / max(r.steps, 1)
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	on, off := colours[r.mood], plainText
	if !b.colour || on == "" {
		on, off = "", ""
	}
	text := r.text
	if r.mood != good && r.reason != "" {
		text = r.reason + ": " + text
	}
	return fmt.Sprintf("%-12s %s%s %-10s%s %5.0fs  %s", r.id, on, bar, r.phase, off, r.age.Seconds(), text)
}

func (b *liveBoard) close() { b.rows, b.drawn = nil, 0 }
