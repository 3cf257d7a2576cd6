// Package setup makes what has to exist before the functions are deployed, says what of
// it is wrong, and takes it away: the state bucket, the queues, and the roles of the
// functions with their policies.
//
// It works for people, with their keys, through the adapters that the functions use.
// What s.yaml and package deploy say is wanted is written nowhere else. It stands above
// package wiring, so that no function contains it.
package setup

import (
	"context"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
)

// The kinds of parts.
const (
	KindBucket     = "bucket"
	KindQueue      = "queue"
	KindRole       = "role"
	KindPolicy     = "policy"
	KindAttachment = "attachment"
)

// A Part is one thing that has to exist.
type Part struct {
	Kind string
	Name string
	Want string // what it has to be, for people

	look   func(context.Context) (seen, error)
	create func(context.Context) error
	remove func(context.Context) error
	needs  []*Part // without which, as they should be, it is not made
}

// seen is what a part was seen to be.
type seen struct {
	exists      bool
	differences []Difference
}

// right reports whether nothing has to be done.
func (s seen) right() bool { return s.exists && len(s.differences) == 0 }

// A Difference is something about a part that is not as it should be.
type Difference struct {
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
	// repair puts it right; nil: people have to.
	repair func(context.Context) error
}

// What is, or was done, with a part.
const (
	StateMissing  = "missing"
	StateRight    = "as it should be"
	StateDiffers  = "differs"
	StateHeld     = "held" // what it needs is not as it should be
	StateMade     = "made"
	StateRepaired = "repaired"
	StateRemoved  = "removed"
	StateKept     = "kept" // others have to do with it
	StateGone     = "is not there"
	StateFailed   = "failed"
)

// A Line says what is or was done with a part.
type Line struct {
	Kind        string       `json:"kind"`
	Name        string       `json:"name"`
	Want        string       `json:"want"`
	State       string       `json:"state"`
	Differences []Difference `json:"differences,omitempty"`
	Error       string       `json:"error,omitempty"` // why it failed
}

// Right reports whether the part is as it should be by now.
func (l Line) Right() bool {
	return l.State == StateRight || l.State == StateMade || l.State == StateRepaired
}

// Options say what Bootstrap may do.
type Options struct {
	Make   bool // what is missing
	Repair bool // what differs
}

// bring brings every part to what it should be, as far as the options allow. It goes on
// after a part that fails.
func bring(ctx context.Context, parts []*Part, o Options) []Line {
	state := map[*Part]bool{}
	lines := make([]Line, 0, len(parts))
	for _, p := range parts {
		held := false
		for _, n := range p.needs {
			held = held || !state[n]
		}
		l := p.bring(ctx, o, held)
		state[p] = l.Right()
		lines = append(lines, l)
	}
	return lines
}

func (p *Part) line(state string, differences []Difference, err error) Line {
	l := Line{Kind: p.Kind, Name: p.Name, Want: p.Want, State: state, Differences: differences}
	if err != nil {
		l.State, l.Error = StateFailed, fault.Line(err.Error())
	}
	return l
}

func (p *Part) bring(ctx context.Context, o Options, held bool) Line {
	is, err := p.look(ctx)
	switch {
	case err != nil:
		return p.line("", nil, err)
	case is.right():
		return p.line(StateRight, nil, nil)
	case is.exists:
		return p.repair(ctx, is, o)
	case !o.Make:
		return p.line(StateMissing, nil, nil)
	case held:
		return p.line(StateHeld, nil, nil)
	}
	err = patiently(ctx, p.create)
	if fault.Of(err) == fault.Exists {
		is, err = p.look(ctx) // somebody was faster: what is there counts
	}
	if len(is.differences) > 0 && err == nil {
		return p.line(StateDiffers, is.differences, nil)
	}
	return p.line(StateMade, nil, err)
}

func (p *Part) repair(ctx context.Context, is seen, o Options) Line {
	if !o.Make || !o.Repair {
		return p.line(StateDiffers, is.differences, nil)
	}
	var left []Difference
	for _, d := range is.differences {
		if d.repair == nil {
			left = append(left, d)
			continue
		}
		if err := patiently(ctx, d.repair); err != nil {
			return p.line("", is.differences, err)
		}
	}
	if len(left) > 0 {
		return p.line(StateDiffers, left, nil)
	}
	return p.line(StateRepaired, is.differences, nil)
}

// Tries of a call that may be too early: what was just made is not known everywhere at
// once. [fact 22]
const (
	tries    = 6
	tryAgain = time.Second
)

// patiently calls f again when that can help.
func patiently(ctx context.Context, f func(context.Context) error) error {
	for n := 1; ; n++ {
		err := f(ctx)
		switch fault.Of(err) {
		case fault.NotFound, fault.Retryable, fault.Throttled:
		default:
			return err
		}
		if n == tries {
			return err
		}
		select {
		case <-time.After(time.Duration(n) * tryAgain):
		case <-ctx.Done():
			return err
		}
	}
}
