package world

import (
	"path"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault. Each is by order: a test or a person says which call it hits.
const (
	FaultRefuse    FaultKind = "refuse"     // the call is refused with Status and Code; nothing happens
	FaultThrottle  FaultKind = "throttle"   // the service's own throttling answer
	FaultLoseReply FaultKind = "lose-reply" // the effect takes place, then the connection breaks
	FaultSlow      FaultKind = "slow"       // the call takes Delay longer
	FaultStaleRead FaultKind = "stale-read" // the answer is as if the last change of the resource had not yet happened
	FaultStaleList FaultKind = "stale-list" // a listing does not yet show what was made within Delay
	FaultHang      FaultKind = "hang"       // no answer until the caller gives up; nothing happens
)

// A Fault is one mishap on order.
type Fault struct {
	// Service, Action and Resource say which calls it hits; "" matches all.
	// Resource is matched as a path pattern (* and ?) against the call's resource,
	// such as "src-bucket/image/a.jpg", a role name or a queue name.
	Service, Action, Resource string
	Kind                      FaultKind
	Skip                      int // so many matching calls go through first
	Times                     int // then so many are hit; 0 means all until it is removed
	Delay                     time.Duration
	Status                    int    // for FaultRefuse
	Code                      string // for FaultRefuse

	hits    int
	skipped int
}

// Break orders a fault and returns the function that takes it back.
func (w *World) Break(f Fault) (remove func()) {
	w.enter()
	defer w.mu.Unlock()
	p := &f
	w.faults = append(w.faults, p)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, o := range w.faults {
			if o == p {
				w.faults = append(w.faults[:i:i], w.faults[i+1:]...)
				return
			}
		}
	}
}

// TakeFault returns the first fault that hits this call, or nil, and counts it.
// A service calls it once a call, before doing anything.
func (w *World) TakeFault(service, action, resource string) *Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		if f.Service != "" && f.Service != service || f.Action != "" && f.Action != action {
			continue
		}
		if f.Resource != "" && f.Resource != resource {
			if ok, err := path.Match(f.Resource, resource); err != nil || !ok {
				continue
			}
		}
		if f.Times > 0 && f.hits >= f.Times {
			continue
		}
		if f.skipped < f.Skip {
			f.skipped++
			continue
		}
		f.hits++
		c := *f
		return &c
	}
	return nil
}
