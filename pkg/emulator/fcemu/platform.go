package fcemu

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// Options set how a Platform behaves. The zero value is good.
type Options struct {
	// Log receives what the processes of functions write, one line at a time,
	// never two at once. nil discards it.
	Log func(LogLine)
	// Logger receives the platform's own events: crashes, stopped streams,
	// dropped messages. nil discards them.
	Logger *slog.Logger
	// ColdStart is what starting an in-process instance takes. Processes take what they take.
	ColdStart time.Duration
	// Grace is how long after its deadline an instance is killed. 0 means 100 ms.
	Grace time.Duration
	// IdleLimit is how long an instance without work is kept. 0 means until Stop.
	IdleLimit time.Duration
	// Seed of the random part of retry intervals. 0 takes a random one.
	Seed uint64
}

// A Platform is Function Compute and the part of EventBridge in front of it, in one
// world. Make it with [New], and call [Platform.Stop] at the end: unlike the world
// it has goroutines. It is safe for concurrent use.
type Platform struct {
	world *world.World
	opt   Options
	ctx   context.Context // ends with Stop; every goroutine of the platform heeds it
	end   context.CancelFunc
	wg    sync.WaitGroup

	mu        sync.Mutex
	rng       *rand.Rand
	stopped   bool
	functions map[string]*function
	logMu     sync.Mutex // one log line at a time
}

// A function is a deployed function with its instances and triggers. Its fields
// are guarded by the platform's lock.
type function struct {
	Function
	instances map[*instance]bool
	idle      []*instance // the one used last is at the end, and is used first
	stats     Stats
	queues    map[string]*queueTrigger
	timers    map[string]bool
}

// Stats are counts of one function since it was first deployed.
type Stats struct {
	Invocations  int // handed to an instance
	Errors       int // ended in a function error, a crash or a time-out, or found no code that starts
	TimedOut     int // of those: ran past the deadline
	Crashes      int // instances that exited by themselves or were killed by [Platform.Kill]
	Throttled    int // refused because all instances were busy
	AsyncGivenUp int // asynchronous events that failed for good
	ColdStarts   []ColdStart

	Instances int // running now
	InFlight  int // of those: busy now
	MaxBusy   int // the most that were ever busy at once
}

// A ColdStart is how long a new instance took, from its start.
type ColdStart struct {
	Ready  time.Duration // until it was handed its first event
	Answer time.Duration // until it had answered it; 0 when it never did
}

// New makes a platform without functions.
func New(w *world.World, opt Options) *Platform {
	if opt.Grace == 0 {
		opt.Grace = 100 * time.Millisecond
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Seed == 0 {
		opt.Seed = rand.Uint64()
	}
	p := &Platform{
		world: w, opt: opt, functions: map[string]*function{},
		rng: rand.New(rand.NewPCG(opt.Seed, opt.Seed^0x9e3779b97f4a7c15)),
	}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

// Deploy makes a function, or replaces the one of that name: instances of the old
// code finish what they are doing and are used no more; triggers stay.
func (p *Platform) Deploy(f Function) error {
	f, err := f.checked()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return errStopped
	}
	old := p.functions[f.Name]
	if old == nil {
		p.functions[f.Name] = &function{
			Function: f, instances: map[*instance]bool{}, queues: map[string]*queueTrigger{}, timers: map[string]bool{},
		}
		return nil
	}
	if old.Region != f.Region || old.Account != f.Account {
		return fmt.Errorf("function %s: it exists in %s of account %s", f.Name, old.Region, old.Account)
	}
	old.Function = f
	for inst := range old.instances {
		inst.retired = true
	}
	for _, inst := range old.idle {
		p.discard(inst)
	}
	return nil
}

var errStopped = fmt.Errorf("function compute: the platform was stopped")

// Stop ends triggers, kills all instances and waits until every goroutine of the
// platform has ended. Messages that were held for a function go back to their
// queues. In-process functions must heed their context.
func (p *Platform) Stop() {
	p.mu.Lock()
	p.stopped = true
	p.end()
	for _, f := range p.functions {
		for inst := range f.instances {
			p.discard(inst)
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// Kill kills an instance of the function at this moment, a busy one if there is
// one (the longest busy), and reports whether there was any. The invocation that
// it was serving fails.
func (p *Platform) Kill(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.functions[name]
	if f == nil {
		return false
	}
	var victim *instance
	for inst := range f.instances {
		if victim == nil || inst.before(victim) {
			victim = inst
		}
	}
	if victim == nil {
		return false
	}
	f.stats.Crashes++
	p.discard(victim)
	return true
}

// Stats returns the counts of a function; of one that is not deployed, the zero value.
func (p *Platform) Stats(name string) Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.functions[name]
	if f == nil {
		return Stats{}
	}
	s := f.stats
	s.ColdStarts = append([]ColdStart(nil), s.ColdStarts...)
	s.Instances = len(f.instances)
	s.InFlight = len(f.instances) - len(f.idle)
	return s
}

// spawn runs work in a goroutine that Stop waits for. After Stop it does nothing
// and returns false.
func (p *Platform) spawn(work func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spawnLocked(work)
}

func (p *Platform) spawnLocked(work func()) bool {
	if p.stopped {
		return false
	}
	p.wg.Go(work)
	return true
}

// lookup returns the deployed function and its present configuration.
func (p *Platform) lookup(name string) (*function, Function, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, Function{}, errStopped
	}
	f := p.functions[name]
	if f == nil {
		return nil, Function{}, &world.Error{Status: 404, Code: "FunctionNotFound", Message: "function '" + name + "' does not exist"}
	}
	return f, f.Function, nil
}

func (p *Platform) log(line LogLine) {
	if p.opt.Log == nil {
		return
	}
	p.logMu.Lock()
	defer p.logMu.Unlock()
	p.opt.Log(line)
}

// sleep waits for d and reports whether it did; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
