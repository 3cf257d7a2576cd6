package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
)

// A bench is a sweep over a store in memory, a cloud of rules and a bus.
type bench struct {
	t     *testing.T
	store *store
	jobs  *journal.Journal
	marks *journal.Marks
	cloud *cloud
	bus   *bus
}

func newBench(t *testing.T) *bench {
	st := &store{Store: memjournal.New(time.Now)}
	return &bench{
		t: t, store: st, cloud: &cloud{answers: map[string]func() (replication.ProgressSeen, error){}}, bus: &bus{},
		jobs:  journal.New(st, journal.Options{Schema: replication.Schema, MinReader: replication.MinReader}),
		marks: journal.NewMarks(st),
	}
}

func (b *bench) sweep(worker string) *sweep.Sweep {
	return &sweep.Sweep{Worker: worker, Store: b.store, Progress: b.cloud, Bus: b.bus}
}

// tick is one invocation of the function, which may take a minute.
func (b *bench) tick() sweep.Report {
	b.t.Helper()
	r, err := b.try()
	require.NoError(b.t, err)
	return r
}

func (b *bench) try() (sweep.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	return b.sweep("w").Tick(ctx)
}

// minutes ticks once a minute, the first time at once, and returns what the last
// tick did.
func (b *bench) minutes(n int) (r sweep.Report) {
	b.t.Helper()
	for range n {
		began := time.Now()
		r = b.tick()
		time.Sleep(time.Until(began.Add(time.Minute)))
	}
	return r
}

// append writes the next entry of a job.
func (b *bench) append(j *replication.Job) uint64 {
	b.t.Helper()
	prev, err := b.jobs.Load(context.Background(), journal.Job(j.ID))
	require.NoError(b.t, err)
	body, err := replication.Encode(j, nil)
	require.NoError(b.t, err)
	s, err := b.jobs.Append(context.Background(), prev, body, journal.Meta{Writer: "test"})
	require.NoError(b.t, err)
	return s.Seq
}

func (b *bench) mark(set, id string, rev uint64) {
	b.t.Helper()
	_, err := b.marks.Put(context.Background(), journal.Mark{Set: set, ID: id, Rev: rev}, []byte("{}"))
	require.NoError(b.t, err)
}

// watched makes a job that is watched, with a lag limit of an hour.
func (b *bench) watched(id string) *replication.Job {
	b.t.Helper()
	j := &replication.Job{
		ID: id, Phase: replication.PhaseWatching, Since: time.Now(), Rule: &replication.Rule{ID: "rule-of-" + id},
		Request: replication.Request{ID: id, Source: replication.End{Region: "cn-hangzhou", Bucket: "src"}, Limits: replication.Limits{MaxLag: replication.Duration(time.Hour)}},
	}
	b.mark(journal.Watch, id, 1)
	b.append(j)
	return j
}

func (b *bench) state() *sweep.State {
	b.t.Helper()
	s, err := b.jobs.Load(context.Background(), journal.Sweep(0))
	require.NoError(b.t, err)
	st, err := sweep.Decode(s.Body)
	require.NoError(b.t, err)
	return st
}

// store counts what is written to it.
type store struct {
	*memjournal.Store
	mu      sync.Mutex
	entries map[journal.Log]int // created, by log
	others  int                 // markers put or deleted, entries deleted
	reads   map[journal.Log]int // entries read
}

func (s *store) Create(ctx context.Context, log journal.Log, seq uint64, data []byte) (driver.Stamp, error) {
	s.mu.Lock()
	if s.entries == nil {
		s.entries = map[journal.Log]int{}
	}
	s.entries[log]++
	s.mu.Unlock()
	return s.Store.Create(ctx, log, seq, data)
}

func (s *store) Get(ctx context.Context, log journal.Log, seq uint64) ([]byte, driver.Stamp, error) {
	s.mu.Lock()
	if s.reads == nil {
		s.reads = map[journal.Log]int{}
	}
	s.reads[log]++
	s.mu.Unlock()
	return s.Store.Get(ctx, log, seq)
}

func (s *store) PutMarker(ctx context.Context, key string, data []byte) (bool, error) {
	s.other()
	return s.Store.PutMarker(ctx, key, data)
}

func (s *store) DeleteMarker(ctx context.Context, key string) error {
	s.other()
	return s.Store.DeleteMarker(ctx, key)
}

func (s *store) Delete(ctx context.Context, log journal.Log, seq uint64) error {
	s.other()
	return s.Store.Delete(ctx, log, seq)
}

func (s *store) other() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others++
}

// reset forgets what was counted.
func (s *store) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.others, s.reads = nil, 0, nil
}

// cloud answers polls: without an answer of its own a rule is up to date.
type cloud struct {
	mu      sync.Mutex
	answers map[string]func() (replication.ProgressSeen, error) // by rule
	takes   time.Duration                                       // for one poll
	polls   []string                                            // rules in the order of the calls
	now     int
	most    int // polls at the same time
}

func doing(watermark time.Time) replication.ProgressSeen {
	return replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Watermark: watermark}
}

func (c *cloud) Progress(ctx context.Context, source replication.End, rule string) (replication.ProgressSeen, error) {
	c.mu.Lock()
	c.polls = append(c.polls, rule)
	c.now++
	c.most = max(c.most, c.now)
	answer, takes := c.answers[rule], c.takes
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.now--
		c.mu.Unlock()
	}()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return replication.ProgressSeen{}, &fault.Error{Kind: fault.Unknown, Op: "GetBucketReplicationProgress", Err: ctx.Err()}
		}
	}
	if answer == nil {
		return doing(time.Now()), nil
	}
	return answer()
}

// stands makes the watermark of a job's rule stand still from now on; moves takes it back.
func (c *cloud) stands(id string) {
	at := time.Now()
	c.set(id, func() (replication.ProgressSeen, error) { return doing(at), nil })
}

func (c *cloud) moves(id string) { c.set(id, nil) }

func (c *cloud) gone(id string) {
	c.set(id, func() (replication.ProgressSeen, error) {
		return replication.ProgressSeen{Is: replication.Missing}, nil
	})
}

func (c *cloud) set(id string, f func() (replication.ProgressSeen, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers["rule-of-"+id] = f
}

// bus keeps what was sent.
type bus struct {
	mu     sync.Mutex
	fail   func(e replication.Event) error // nil: everything is sent
	takes  time.Duration                   // to publish one
	events []replication.Event
	wakes  []string
}

func (b *bus) Publish(ctx context.Context, e replication.Event) error {
	time.Sleep(b.takes)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(e); err != nil {
			return err
		}
	}
	b.events = append(b.events, e)
	return ctx.Err()
}

func (b *bus) Wake(_ context.Context, to replication.Owner, job string, rev uint64, delay time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakes = append(b.wakes, fmt.Sprintf("%s %s %d %s", to, job, rev, delay))
	return nil
}

var errBus = errors.New("the queue is out of order")

// told returns the sent events as "<job> <type> <reason>", in the order in which they were sent.
func (b *bus) told() (s []string) {
	for _, e := range b.events {
		s = append(s, fmt.Sprintf("%s %s %s", e.Job, e.Type[len("replidesk.alert."):], e.Reason))
	}
	return s
}

// ids returns the ids of the sent events, each once.
func (b *bus) ids() []string {
	var ids []string
	for _, e := range b.events {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// writer returns who wrote the newest entry of the shard.
func (b *bench) writer() string {
	b.t.Helper()
	s, err := b.jobs.Load(context.Background(), journal.Sweep(0))
	require.NoError(b.t, err)
	return s.Writer
}
