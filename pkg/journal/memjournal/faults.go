package memjournal

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// Op is a call to a Store.
type Op string

// The calls.
const (
	Head         Op = "Head"
	Create       Op = "Create"
	Get          Op = "Get"
	List         Op = "List"
	Delete       Op = "Delete"
	PutMarker    Op = "PutMarker"
	GetMarker    Op = "GetMarker"
	ListMarkers  Op = "ListMarkers"
	DeleteMarker Op = "DeleteMarker"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault.
const (
	Refuse    FaultKind = "refuse"     // the call fails with As; nothing happens
	LoseReply FaultKind = "lose-reply" // the effect takes place, the reply is lost
	StaleList FaultKind = "stale-list" // a listing does not show what was made within Delay
	StaleRead FaultKind = "stale-read" // a Get does not see the entry yet
	Hang      FaultKind = "hang"       // no reply until the caller gives up; nothing happens
	Slow      FaultKind = "slow"       // the call takes Delay before anything happens
)

// A Fault is one mishap on order.
type Fault struct {
	Op    Op     // "" is any
	Name  string // of the log or marker; "" is any
	Kind  FaultKind
	As    fault.Kind // for Refuse; None means Retryable
	Delay time.Duration
	Skip  int // so many matching calls go through first
	Times int // then so many are hit; 0 means all until it is removed

	hits, skipped int
}

// Break orders a fault and returns the function that takes it back.
func (s *Store) Break(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &f
	s.faults = append(s.faults, p)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, o := range s.faults {
			if o == p {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
				return
			}
		}
	}
}

// SetVersioned switches versioning on, which cannot be taken back.
func (s *Store) SetVersioned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versioned = true
}

// Replace changes an entry, as somebody with too many rights could. The entry keeps
// its time; one that did not exist is made.
func (s *Store) Replace(log driver.Log, seq uint64, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[log] == nil {
		s.logs[log] = map[uint64]object{}
	}
	o, ok := s.logs[log][seq]
	if !ok {
		o.modified = s.now()
	}
	o.data = bytes.Clone(data)
	s.logs[log][seq] = o
}

// Remove takes an entry of any log away, as somebody with too many rights could.
func (s *Store) Remove(log driver.Log, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logs[log], seq)
}

// A call is one call in progress, with the fault that hits it.
type call struct {
	op    Op
	name  string
	fault *Fault
}

// begin carries out the part of the fault that comes before the effect. Without an
// error it leaves the store locked.
func (s *Store) begin(ctx context.Context, op Op, name string) (call, error) {
	c := call{op: op, name: name}
	s.mu.Lock()
	c.fault = s.take(op, name)
	if c.fault != nil {
		switch c.fault.Kind {
		case Refuse:
			s.mu.Unlock()
			as := c.fault.As
			if as == fault.None {
				as = fault.Retryable
			}
			return c, c.refuse(as)
		case Hang, Slow:
			s.mu.Unlock()
			if err := c.wait(ctx); err != nil {
				return c, err
			}
			s.mu.Lock()
		}
	}
	if err := ctx.Err(); err != nil {
		s.mu.Unlock()
		return c, c.unknown(err)
	}
	return c, nil
}

func (s *Store) take(op Op, name string) *Fault {
	for _, f := range s.faults {
		if f.Op != "" && f.Op != op || f.Name != "" && f.Name != name || f.Times > 0 && f.hits >= f.Times {
			continue
		}
		if f.skipped < f.Skip {
			f.skipped++
			continue
		}
		f.hits++
		hit := *f
		return &hit
	}
	return nil
}

func (c call) wait(ctx context.Context) error {
	var done <-chan time.Time
	if c.fault.Kind == Slow {
		t := time.NewTimer(c.fault.Delay)
		defer t.Stop()
		done = t.C
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return c.unknown(ctx.Err())
	}
}

// lost returns the error of a lost reply, if this one is to be lost.
func (c call) lost() error {
	if c.fault != nil && c.fault.Kind == LoseReply {
		return c.unknown(errors.New("the connection broke before the reply"))
	}
	return nil
}

// or is the refusal, unless its reply is lost too.
func (c call) or(kind fault.Kind) error {
	if err := c.lost(); err != nil {
		return err
	}
	return c.refuse(kind)
}

func (c call) refuse(kind fault.Kind) error {
	return &fault.Error{Kind: kind, Op: string(c.op), Resource: c.name}
}

func (c call) unknown(err error) error {
	return &fault.Error{Kind: fault.Unknown, Op: string(c.op), Resource: c.name, Err: err}
}

func (c call) versioned() error {
	return &fault.Error{Kind: fault.Terminal, Op: string(c.op), Resource: c.name, Err: driver.ErrVersioned}
}
