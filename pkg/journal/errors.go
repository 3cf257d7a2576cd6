package journal

import (
	"errors"
	"fmt"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// ErrVersioned means that the store cannot create at most once. Nothing may be
// written to it any more, and somebody has to be told. Its kind is fault.Terminal.
var ErrVersioned = driver.ErrVersioned

// A LostError says that somebody else appended first. Its kind is fault.Conflict.
type LostError struct {
	// Winner is the entry that has the number now. It need not be the newest:
	// [Journal.Reload] goes on from it.
	Winner Snapshot
}

func (e *LostError) Error() string {
	return fmt.Sprintf("Append %s/%d: conflict: %s wrote this entry first", e.Winner.Log, e.Winner.Seq, fault.Line(e.Winner.Writer))
}

// Unwrap gives the kind.
func (e *LostError) Unwrap() error { return fault.Conflict }

// A TooNewError says that an entry was written by a newer version of the program,
// which does not want this one to touch the log. Its kind is fault.Terminal.
type TooNewError struct {
	Log        Log
	Seq        uint64
	What       string // "schema" of the body, or form of the "envelope"
	Needs, Has int    // what the entry asks for, and what this program has
}

func (e *TooNewError) Error() string {
	return fmt.Sprintf("Load %s/%d: terminal: the entry is for programs with %s %d and newer, this one has %d", e.Log, e.Seq, e.What, e.Needs, e.Has)
}

// Unwrap gives the kind.
func (e *TooNewError) Unwrap() error { return fault.Terminal }

// A BrokenError says that a log is not as it was written: an entry was changed,
// moved, or taken away. Its kind is fault.Terminal, for no program can mend that.
type BrokenError struct {
	Log     Log
	Seq     uint64 // the entry at which it shows; the change may be in the one before
	Problem string // a sentence for a person
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("Load %s/%d: terminal: %s", e.Log, e.Seq, fault.Line(e.Problem))
}

// Unwrap gives the kind.
func (e *BrokenError) Unwrap() error { return fault.Terminal }

// errUnsettled is the cause when Append gave up without knowing the outcome.
var errUnsettled = errors.New("the entry may or may not have been written; load again")

func terminal(op, resource string, err error) error {
	return &fault.Error{Kind: fault.Terminal, Op: op, Resource: resource, Err: err}
}

func resource(log Log, seq uint64) string { return fmt.Sprintf("%s/%d", log, seq) }
