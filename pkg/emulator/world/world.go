// Package world is the state of the local cloud: accounts, identities, buckets,
// objects, replication rules and queues, behind one lock. It knows no HTTP; one
// package a service beside it (ossemu, rpcemu, mnsemu, fcemu) translates that
// service's wire format to calls on a World.
//
// The world has no goroutine of its own. What the cloud does by itself (a rule
// starts, an object is copied, a grant becomes visible) is a due event; every
// exported method first carries out the events that are due by now, each at its
// own due time, and then does its work. So the world behaves the same under the
// real clock and in the virtual time of testing/synctest, and needs no clean-up.
//
// The world never waits while it holds its lock.
package world

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"
)

// A World is one local cloud. Make it with [New]; it is safe for concurrent use.
type World struct {
	mu  sync.Mutex
	opt Options
	rng *rand.Rand // ids and jitter; guarded by mu

	due     dueHeap
	dueSeq  uint64
	changed chan struct{} // closed and replaced by every change that a waiter may wait for

	accounts map[string]*Account // by UID
	keys     map[string]*AccessKey
	buckets  map[string]*Bucket // by name: bucket names are global
	queues   map[string]*Queue  // by region/uid/name
	system   map[string]*Policy // system policies, by name
	ramCalls map[string][]time.Time

	faults []*Fault
	calls  []Call

	repl replication
	kms  kms

	lastVersion uint64 // time of the newest version id, which must not come twice
}

// Options set how a World behaves. The zero value is a strict world at speed 1.
type Options struct {
	// Speed divides the cloud's own delays (rule start, propagation, copying,
	// closing). It never scales clocks or time stamps. 0 means 1.
	Speed float64
	// Seed of ids and jitter. 0 takes a random one.
	Seed uint64
	// Delays of the cloud at speed 1. Zero fields take the value of [DefaultDelays].
	Delays Delays
	// Lenient accepts what OSS documents as required or as a fixed set, but what
	// live tests leave out or send empty (SyncRole, TransferType,
	// HistoricalObjectReplication), and the accelerated link within mainland China,
	// which the published Go sample asks for.
	Lenient bool
	// IdleWatermarkStands keeps the NewObject watermark of a rule at the time of
	// the last copied object when nothing is waiting. The documents do not say
	// which of the two OSS does; the default is that it moves on.
	IdleWatermarkStands bool
	// RoleUncheckedAtPut takes a replication rule whose role OSS cannot assume or
	// that may not read the source. The rule gets to "doing" and copies nothing.
	// The default is the documented refusal, NoPermission.
	RoleUncheckedAtPut bool
	// GrantCheckedAtPut also refuses a rule that may not write to the destination
	// when it is put. The documents do not say whether OSS does; the default is
	// that only the copies are refused.
	GrantCheckedAtPut bool
	// RAM are the quotas of RAM. Zero fields take the value of [DefaultRAMLimits].
	RAM RAMLimits
}

// Delays are what the cloud takes for its own work, at speed 1.
type Delays struct {
	RuleStartMin, RuleStartMax time.Duration // put of a rule to "doing": 3 to 5 minutes
	RuleClosing                time.Duration // "closing" to gone: 90 to 180 seconds were seen
	RTCEnabling                time.Duration // PutBucketRTC to "enabled"
	Propagation                time.Duration // a new role or grant to the time OSS and STS honour it
	Copy                       time.Duration // one object, besides its size
	CopyPerMiB                 time.Duration
	CopyRetry                  time.Duration // a refused copy is tried again after this
	ProgressRefresh            time.Duration // how often the figures of GetBucketReplicationProgress are renewed
}

// DefaultDelays returns the delays that the documents give, or the observed ones.
func DefaultDelays() Delays {
	return Delays{
		RuleStartMin: 3 * time.Minute, RuleStartMax: 5 * time.Minute,
		RuleClosing: 2 * time.Minute, RTCEnabling: 10 * time.Minute,
		Propagation: 5 * time.Second,
		Copy:        2 * time.Second, CopyPerMiB: 20 * time.Millisecond,
		CopyRetry: 30 * time.Second, ProgressRefresh: 10 * time.Second,
	}
}

// An Account is one Alibaba Cloud account.
type Account struct {
	UID  string // sixteen digits
	Name string // label for people, such as "A"

	roles    map[string]*Role
	policies map[string]*Policy // custom policies, by name
	users    map[string]*User
	before   history // what stale reads answer
}

// New makes an empty world: no account, no region restriction.
func New(opt Options) *World {
	if opt.Speed == 0 {
		opt.Speed = 1
	}
	if opt.Seed == 0 {
		opt.Seed = rand.Uint64()
	}
	opt.Delays = opt.Delays.orDefault()
	opt.RAM = opt.RAM.orDefault()
	return &World{
		opt:      opt,
		rng:      rand.New(rand.NewPCG(opt.Seed, opt.Seed^0x9e3779b97f4a7c15)),
		changed:  make(chan struct{}),
		accounts: map[string]*Account{},
		keys:     map[string]*AccessKey{},
		buckets:  map[string]*Bucket{},
		queues:   map[string]*Queue{},
		repl:     newReplication(),
		kms:      newKMS(),
		system:   systemPolicies(),
		ramCalls: map[string][]time.Time{},
	}
}

func (d Delays) orDefault() Delays {
	def := DefaultDelays()
	set := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	set(&d.RuleStartMin, def.RuleStartMin)
	set(&d.RuleStartMax, def.RuleStartMax)
	set(&d.RuleClosing, def.RuleClosing)
	set(&d.RTCEnabling, def.RTCEnabling)
	set(&d.Propagation, def.Propagation)
	set(&d.Copy, def.Copy)
	set(&d.CopyPerMiB, def.CopyPerMiB)
	set(&d.CopyRetry, def.CopyRetry)
	set(&d.ProgressRefresh, def.ProgressRefresh)
	return d
}

// Lenient reports whether the world accepts what live tests leave out.
func (w *World) Lenient() bool { return w.opt.Lenient }

// scale turns a delay at speed 1 into one of this world.
func (w *World) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.opt.Speed)
}

// Scale turns a delay of the cloud at speed 1 into one of this world, for services
// that keep delays of their own.
func (w *World) Scale(d time.Duration) time.Duration { return w.scale(d) }

// enter takes the lock and carries out what is due. Every exported method that
// reads or changes state begins with
//
//	now := w.enter()
//	defer w.mu.Unlock()
func (w *World) enter() time.Time {
	w.mu.Lock()
	now := time.Now()
	w.repl.lastCall, w.repl.thisCall = w.repl.thisCall, now
	for len(w.due) > 0 && !w.due[0].at.After(now) {
		e := heap.Pop(&w.due).(*dueEvent)
		e.run(e.at)
	}
	w.settleAll(now)
	return now
}

// at schedules work of the cloud itself. run is called with the lock held, with
// its own due time, by the first call into the world at or after that time.
func (w *World) at(t time.Time, run func(now time.Time)) {
	w.dueSeq++
	heap.Push(&w.due, &dueEvent{at: t, seq: w.dueSeq, run: run})
	w.broadcast() // a waiter may have to wake earlier now
}

// broadcast wakes everybody who waits for a change.
func (w *World) broadcast() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// nextDue returns when the next event is due; ok is false when none is.
func (w *World) nextDue() (t time.Time, ok bool) {
	if len(w.due) == 0 {
		return time.Time{}, false
	}
	return w.due[0].at, true
}

type dueEvent struct {
	at  time.Time
	seq uint64 // events of one instant run in the order they were scheduled
	run func(now time.Time)
}

type dueHeap []*dueEvent

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(*dueEvent)) }
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// AddAccount makes an account. The UID must be new.
func (w *World) AddAccount(name, uid string) *Account {
	w.enter()
	defer w.mu.Unlock()
	a := &Account{UID: uid, Name: name, roles: map[string]*Role{}, policies: map[string]*Policy{}, users: map[string]*User{}}
	w.accounts[uid] = a
	return a
}

// hex returns n random hexadecimal digits.
func (w *World) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[w.rng.IntN(16)]
	}
	return string(b)
}

// uuid returns a random UUID in its 36-character form.
func (w *World) uuid() string {
	s := w.hex(32)
	return s[:8] + "-" + s[8:12] + "-4" + s[13:16] + "-a" + s[17:20] + "-" + s[20:]
}

// RequestID returns a new OSS or MNS request id: 24 upper-case hexadecimal digits.
func (w *World) RequestID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	const digits = "0123456789ABCDEF"
	b := make([]byte, 24)
	for i := range b {
		b[i] = digits[w.rng.IntN(16)]
	}
	return string(b)
}

// UUID returns a new request id in the form of the RPC services.
func (w *World) UUID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.uuid()
}
