package setup

import (
	"errors"
	"strings"

	"github.com/replidesk/replidesk/pkg/fault"
)

// How a check ended.
const (
	Well    = "ok"
	Note    = "note"    // worth knowing; nothing is wrong
	Problem = "problem" // somebody has to do something
)

// A Finding is what one check of a doctor came to.
type Finding struct {
	State  string `json:"state"`
	Check  string `json:"check"`            // what was looked at, or the code of what is wrong
	About  string `json:"about,omitempty"`  // a queue, a role, a ticket
	Text   string `json:"text,omitempty"`   // what was found
	Remedy string `json:"remedy,omitempty"` // what to do about a problem
}

// The codes of what can be wrong.
const (
	SettingsInvalid     = "settings.invalid"
	DeskAllowsNothing   = "desk.allows-nothing"
	DeskObserves        = "desk.observe-only"
	CredentialsMissing  = "credentials.missing"
	CredentialsRefused  = "credentials.refused"
	CredentialsOther    = "credentials.other-account"
	ClockSkewed         = "clock.skewed"
	JournalRaced        = "journal.not-once"
	JournalUnwritable   = "journal.unwritable"
	JournalUnreadable   = "journal.unreadable"
	QueueStuck          = "queue.stuck"
	LettersDead         = "letters.dead"
	LettersFailed       = "letters.failed"
	LettersUndelivered  = "letters.undelivered"
	ResultsUnread       = "results.unread"
	JobBlocked          = "job.blocked"
	JobOverdue          = "job.overdue"
	JobUnreadable       = "job.unreadable"
	PairAlert           = "pair.alert"
	SweepStalled        = "sweep.stalled"
	SweepUnreadable     = "sweep.unreadable"
	DestinationUnlooked = "destination.unlooked"
)

// The ends of the codes of parts: their kind stands before, as in "queue.missing".
const (
	partMissing    = ".missing"
	partDiffers    = ".differs"
	partUnreadable = ".unreadable"
)

// Healthy reports whether no finding is a problem.
func Healthy(findings []Finding) bool {
	for _, f := range findings {
		if f.State == Problem {
			return false
		}
	}
	return true
}

// Settings are the findings of settings that cannot be read, one for each that is wrong.
func Settings(err error) []Finding {
	var several interface{ Unwrap() []error }
	if !errors.As(err, &several) {
		return []Finding{{State: Problem, Check: SettingsInvalid, Text: fault.Line(err.Error()),
			Remedy: "correct the variable, or name the env file of a local cloud; README.md lists all variables"}}
	}
	var all []Finding
	for _, e := range several.Unwrap() {
		all = append(all, Settings(e)...)
	}
	return all
}

// codeOf returns the service's code of a failed call, or "".
func codeOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

// skewed reports whether a call was refused because of its time.
func skewed(err error) bool {
	code := codeOf(err)
	return code == "RequestTimeTooSkewed" || code == "TimeExpired" || strings.HasPrefix(code, "InvalidTimeStamp")
}
