package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A historyLine is one entry of a ticket's journal.
type historyLine struct {
	Rev    uint64             `json:"rev"`
	Time   time.Time          `json:"time"`
	Writer string             `json:"writer"`
	Phase  replication.Phase  `json:"phase,omitempty"`
	Reason replication.Reason `json:"reason,omitempty"`
	// Result is how the effect of an earlier entry ended, told by this one.
	Result  *replication.Outcome `json:"result,omitempty"`
	Effect  string               `json:"effect,omitempty"` // what the entry is the intent of
	Message string               `json:"message,omitempty"`
	Hash    string               `json:"hash,omitempty"`
	Problem string               `json:"problem,omitempty"` // what is wrong with the entry
}

// anchors are the values of a flag that may be given again.
type anchors []journal.Anchor

func (a *anchors) String() string { return "" }

func (a *anchors) Set(s string) error {
	anchor, err := journal.ParseAnchor(s)
	*a = append(*a, anchor)
	return err
}

// runHistory shows every entry of a ticket's journal.
func runHistory(ctx context.Context, a *app, args []string) error {
	f := newDeskFlags("history")
	verify := f.Bool("verify", false, "")
	var kept anchors
	f.Var(&kept, "anchor", "")
	ids, err := parse(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(ids) != 1 || !replication.ValidID(ids[0]) {
		return misuse("history: exactly one ticket has to be named")
	}
	desk, _, err := a.open(f)
	if err != nil {
		return err
	}
	log := journal.Job(ids[0])
	lines, err := historyLines(ctx, desk.Journal, log)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return unknownTickets([]ticketState{{ID: ids[0]}})
	}
	out := map[string]any{"ticket": ids[0], "entries": lines}
	var v *journal.Verification
	if *verify || len(kept) > 0 {
		found, err := desk.Journal.Verify(ctx, log, kept...)
		if err != nil {
			return err
		}
		v = &found
		out["verified"] = verdict{Entries: v.Entries, Newest: v.Newest.String(), Problems: problemTexts(v)}
	}
	if *f.asJSON {
		err = a.printJSON(out)
	} else {
		err = historyTable(a.stdout, lines)
		printVerdict(a.stdout, v)
	}
	broken := v != nil && len(v.Problems) > 0 || slices.ContainsFunc(lines, func(l historyLine) bool { return l.Problem != "" })
	if err == nil && broken {
		err = fmt.Errorf("the journal of %s is not as it was written", ids[0])
	}
	return err
}

// A verdict is what the walk along the chain found, for programs.
type verdict struct {
	Entries  int      `json:"entries"`
	Newest   string   `json:"newest"` // number and hash; keep it to find out later whether the tail was cut off
	Problems []string `json:"problems"`
}

func problemTexts(v *journal.Verification) []string {
	texts := make([]string, 0, len(v.Problems))
	for _, p := range v.Problems {
		texts = append(texts, p.Error())
	}
	return texts
}

func printVerdict(w io.Writer, v *journal.Verification) {
	if v == nil {
		return
	}
	for _, p := range problemTexts(v) {
		fmt.Fprintln(w, "broken:", p)
	}
	if len(v.Problems) == 0 {
		fmt.Fprintf(w, "the chain of %d entries is whole; its anchor is %s (the newest entry itself is vouched for by an anchor kept elsewhere, --anchor)\n", v.Entries, v.Newest)
	}
}

// historyLines reads a log. A broken entry is a line with its problem.
func historyLines(ctx context.Context, j *journal.Journal, log journal.Log) ([]historyLine, error) {
	var lines []historyLine
	var before *replication.Job
	for s, err := range j.History(ctx, log) {
		var broken *journal.BrokenError
		if err != nil && !errors.As(err, &broken) {
			return nil, err
		}
		l := historyLine{Rev: s.Seq, Time: s.At, Writer: s.Writer, Hash: s.Hash}
		if broken != nil {
			l.Problem = broken.Problem
		}
		if s.Body != nil {
			job, err := replication.Decode(s.Body)
			if err != nil {
				l.Problem = err.Error()
			} else {
				l.fill(job, before)
				before = job
			}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// fill takes what the entry says that the one before did not.
func (l *historyLine) fill(j, before *replication.Job) {
	l.Phase, l.Reason, l.Message = j.Phase, j.Reason, j.Message
	if j.Intent != nil {
		l.Effect = string(j.Intent.Effect.Kind)
	}
	if o := j.Last; o != nil && (before == nil || before.Last == nil || before.Last.Effect != o.Effect || !before.Last.At.Equal(o.At)) {
		l.Result = o
	}
}

func historyTable(w io.Writer, lines []historyLine) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "REV\tTIME\tPHASE\tRESULT\tEFFECT\tREASON\tMESSAGE")
	for _, l := range lines {
		message := l.Message
		if l.Problem != "" {
			message = "BROKEN: " + l.Problem
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Rev, l.Time.UTC().Format(time.DateTime), dash(string(l.Phase)),
			dash(resultText(l.Result)), dash(l.Effect), dash(string(l.Reason)), message)
	}
	return tw.Flush()
}

// resultText says how the effect of an earlier entry ended.
func resultText(o *replication.Outcome) string {
	if o == nil {
		return ""
	}
	text := fmt.Sprintf("%s %s", o.Effect, o.Result)
	if o.Trouble != nil && o.Trouble.Code != "" {
		text += " (" + o.Trouble.Code + ")"
	}
	return text
}
