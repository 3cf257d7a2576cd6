package fcemu

import (
	"errors"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// initLimit is how long a new instance may take until it asks for its first event.
const initLimit = 10 * time.Second

// An instance serves one invocation at a time. The fields below the line are
// guarded by the platform's lock.
type instance struct {
	id   string
	p    *Platform
	f    *function
	cfg  Function      // as deployed when the instance was made
	dead chan struct{} // closed when the instance is gone, for whatever reason
	run  runner

	// ---
	gone      bool // dead is closed
	retired   bool // replaced by a deploy: not used again
	started   time.Time
	busySince time.Time // zero while idle
	served    int       // events taken
	cold      int       // index of its cold start in the stats
	idleTimer *time.Timer
}

// A runner is the code inside an instance. start and offer are called by one
// goroutine at a time, kill by any.
type runner interface {
	// start brings the code up. It returns an error when it cannot be run at all.
	start(inst *instance, keys Credentials) error
	// offer hands over one event, and waits until the code has taken it. The answer
	// comes on the channel, at most once. An error means the event was not taken.
	offer(in Invocation) (<-chan answer, error)
	// kill ends the code at once. The platform calls it once, with its lock held:
	// it must not wait.
	kill()
}

// An answer is how the code ended an invocation. failed says that payload is an error document.
type answer struct {
	payload []byte
	failed  bool
}

// Why an instance did not take an event.
var (
	errGone    = errors.New("the instance is gone")
	errTooSlow = errors.New("the instance did not ask for an event")
)

// before orders victims for Kill: the longest busy first, then idle ones, the oldest first.
func (i *instance) before(o *instance) bool {
	if i.busySince.IsZero() != o.busySince.IsZero() {
		return !i.busySince.IsZero()
	}
	if !i.busySince.IsZero() && !i.busySince.Equal(o.busySince) {
		return i.busySince.Before(o.busySince)
	}
	return i.started.Before(o.started)
}

// acquire returns a free instance, which may be new and not yet started, or
// refuses because all are busy.
func (p *Platform) acquire(f *function) (inst *instance, fresh bool, err error) {
	id := "c-" + p.world.UUID()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, false, errStopped
	}
	now := time.Now()
	if n := len(f.idle); n > 0 {
		inst, f.idle = f.idle[n-1], f.idle[:n-1]
		if inst.idleTimer != nil {
			inst.idleTimer.Stop()
		}
	} else {
		if len(f.instances) >= f.MaxInstances {
			f.stats.Throttled++
			return nil, false, throttled()
		}
		fresh = true
		inst = &instance{id: id, p: p, f: f, cfg: f.Function, dead: make(chan struct{}), started: now}
		if inst.cfg.Invoke != nil {
			inst.run = newInProcess()
		} else {
			inst.run = newProcess(inst)
		}
		f.instances[inst] = true
	}
	inst.busySince = now
	f.stats.MaxBusy = max(f.stats.MaxBusy, len(f.instances)-len(f.idle))
	return inst, fresh, nil
}

// throttled is the refusal when all instances are busy.
func throttled() *world.Error {
	return &world.Error{Status: 429, Code: "ResourceThrottled", Message: "Reserve resource exceed limit"}
}

// release gives an instance back after an invocation.
func (p *Platform) release(inst *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if inst.gone {
		return
	}
	inst.busySince = time.Time{}
	if inst.retired || p.stopped {
		p.discard(inst)
		return
	}
	f := inst.f
	f.idle = append(f.idle, inst)
	if limit := p.opt.IdleLimit; limit > 0 {
		served := inst.served
		inst.idleTimer = time.AfterFunc(limit, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if inst.busySince.IsZero() && inst.served == served {
				p.discard(inst)
			}
		})
	}
}

// discard takes an instance out of service and kills its code. The lock is held.
func (p *Platform) discard(inst *instance) {
	if inst.gone {
		return
	}
	inst.gone = true
	close(inst.dead)
	if inst.idleTimer != nil {
		inst.idleTimer.Stop()
	}
	f := inst.f
	delete(f.instances, inst)
	for i, o := range f.idle {
		if o == inst {
			f.idle = append(f.idle[:i:i], f.idle[i+1:]...)
			break
		}
	}
	inst.run.kill()
}

// exited is told by a runner that its code has ended, and counts it as a crash
// unless the platform had ended it.
func (i *instance) exited(reason string) {
	p := i.p
	p.mu.Lock()
	byItself := !i.gone
	if byItself {
		i.f.stats.Crashes++
		p.discard(i)
	}
	p.mu.Unlock()
	if byItself {
		p.opt.Logger.Warn("function instance exited", "function", i.cfg.Name, "instance", i.id, "reason", reason)
	}
}

// kill ends an instance on the platform's behalf; it is not counted as a crash.
func (i *instance) kill() {
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.p.discard(i)
}
