package replication

import (
	"fmt"
	"strings"
	"time"
)

//go:generate go test -run TestTheDrawingIsTrue -update .

// Diagram returns docs/state-machine.md: the table as a drawing and in words.
func Diagram() string {
	var b strings.Builder
	b.WriteString("# The phases of a job\n\nDrawn from the phase table in `pkg/replication/table.go` by `make generate`; do not edit.\n\n")
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> received\n")
	for _, r := range Table() {
		for _, to := range r.To {
			if r.Phase != PhaseBlocked {
				fmt.Fprintf(&b, "    %s --> %s\n", r.Phase, to)
			}
		}
		if r.Owner == OwnerNone {
			fmt.Fprintf(&b, "    %s --> [*]\n", r.Phase)
		}
	}
	b.WriteString("    releasing --> failed\n```\n\n")
	b.WriteString("Every phase that somebody owns can also go to `blocked`, which goes back to where it came from, and end in\n`failed`; once the pair is claimed, that end leads through `releasing`, unless a rule that was confirmed stands:\nit is left in place and named, and the pair stays with it.\n\n")
	b.WriteString("A stop ticket takes a job from every phase, those at rest included, to `stopping`; from a proof that was broken off\nby way of `clearing`. So does a cancel ticket, but for one that is watched. A set-rtc ticket takes a watched job to\n`adjusting` and back, a retry ticket one that is `rejected` or `failed` to `retrying`.\n\n")
	b.WriteString("| Phase | Moved on by | Given up after | Meaning |\n| --- | --- | --- | --- |\n")
	for _, r := range Table() {
		owner, deadline := string(r.Owner), "the budget of tries"
		switch {
		case r.Owner == OwnerNone:
			owner, deadline = "nobody: at rest", "-"
		case r.Deadline > 0:
			deadline = shortDuration(r.Deadline)
		}
		if r.Phase == PhaseBlocked {
			owner = "the owner of the blocked phase"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Phase, owner, deadline, r.Meaning)
	}
	b.WriteString("\nDeadlines that are reported before they end a job: a rule that is still starting after " + shortDuration(StartingLate) +
		",\na canary that has not arrived after " + shortDuration(CanaryLate) + ".\n")
	return b.String()
}

func shortDuration(d time.Duration) string {
	if h := d.Hours(); h >= 48 {
		return fmt.Sprintf("%.0f days", h/24)
	}
	if d >= time.Hour {
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}
