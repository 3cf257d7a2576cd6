package fcemu

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	account = "1000000000000001"
	region  = "cn-hangzhou"
)

// bench is a world with one account and the queues "in" and "dead", and a platform in it.
type bench struct {
	*testing.T
	w *world.World
	p *Platform
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, opt world.Options, fc Options, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, opt, fc)
		defer b.p.Stop()
		test(b)
	})
}

func newBench(t *testing.T, opt world.Options, fc Options) *bench {
	w := world.New(opt)
	w.AddAccount("A", account)
	for _, q := range []string{"in", "dead"} {
		_, err := w.CreateQueue(region, account, q, world.QueueChange{})
		require.NoError(t, err)
	}
	return &bench{T: t, w: w, p: New(w, fc)}
}

// deploy deploys an in-process function named "f".
func (b *bench) deploy(f Function, invoke func(ctx context.Context, in Invocation) ([]byte, error)) {
	b.Helper()
	f.Name, f.Region, f.Account, f.Invoke = "f", region, account, invoke
	require.NoError(b, b.p.Deploy(f))
}

// trigger adds a queue trigger named "q" on the queue "in".
func (b *bench) trigger(t QueueTrigger) {
	b.Helper()
	t.Name, t.Region, t.Queue = "q", region, "in"
	if t.Mode == "" {
		t.Mode = EventStreaming
	}
	if t.Mode == EventStreaming && t.BatchCount == 0 {
		t.BatchCount = 10
	}
	require.NoError(b, b.p.AddQueueTrigger("f", t))
}

func (b *bench) send(bodies ...string) {
	b.Helper()
	for _, body := range bodies {
		_, err := b.w.QueueSend(region, account, "in", body, -1)
		require.NoError(b, err)
	}
}

// left returns how many messages a queue still has.
func (b *bench) left(queue string) int {
	b.Helper()
	i, err := b.w.QueueStats(region, account, queue)
	require.NoError(b, err)
	return i.Active + i.Inactive + i.Delayed
}

// role makes a role that FC may assume, with the given policy attached when there is one.
func (b *bench) role(name, policy string) {
	b.Helper()
	_, e := b.w.CreateRole(account, world.NewRole{Name: name, Trust: `{"Version":"1","Statement":[
		{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["fc.aliyuncs.com"]}}]}`})
	require.Nil(b, e)
	if policy != "" {
		_, e = b.w.CreatePolicy(account, name, policy, "", nil)
		require.Nil(b, e)
		require.Nil(b, b.w.AttachPolicyToRole(account, "Custom", name, name, world.View{}))
	}
}

// A delivery is one call that a function under test has seen.
type delivery struct {
	at     time.Duration // since the recorder was made
	in     Invocation
	bodies []string
}

// A recorder is a function that keeps what it was called with, and then does what
// then says; nil succeeds.
type recorder struct {
	start time.Time
	then  func(n int, d delivery) error // n counts calls from 0

	mu    sync.Mutex
	calls []delivery
}

func newRecorder(then func(n int, d delivery) error) *recorder {
	return &recorder{start: time.Now(), then: then}
}

func (r *recorder) invoke(_ context.Context, in Invocation) ([]byte, error) {
	d := delivery{at: time.Since(r.start), in: in}
	var events []struct {
		Data struct {
			MessageBody string `json:"messageBody"`
		} `json:"data"`
	}
	if json.Unmarshal(in.Payload, &events) == nil {
		for _, e := range events {
			d.bodies = append(d.bodies, e.Data.MessageBody)
		}
	}
	r.mu.Lock()
	n := len(r.calls)
	r.calls = append(r.calls, d)
	r.mu.Unlock()
	if r.then == nil {
		return []byte(`"ok"`), nil
	}
	return []byte(`"ok"`), r.then(n, d)
}

func (r *recorder) seen() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.calls...)
}

// bodies returns the message bodies of each call.
func (r *recorder) bodies() [][]string {
	var all [][]string
	for _, d := range r.seen() {
		all = append(all, d.bodies)
	}
	return all
}

// times returns when the calls came.
func (r *recorder) times() []time.Duration {
	var all []time.Duration
	for _, d := range r.seen() {
		all = append(all, d.at)
	}
	return all
}
