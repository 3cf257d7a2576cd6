package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/memjournal"
	"github.com/replidesk/replidesk/pkg/replication"
)

const ticket = `{"specVersion":"1","id":"CHG-1","action":"replicate",
 "source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"},
 "destination":{"account":"1000000000000001","region":"cn-shanghai","bucket":"dest-bucket"},
 "objects":{"prefixes":["image/"]},"historical":{"replicate":true}}`

// testDesk allows every pair.
var testDesk = replication.Desk{Account: "1000000000000001", Pairs: []replication.PairPattern{{
	Source: replication.EndPattern{Account: "*", Region: "*", Bucket: "*"}, Destination: replication.EndPattern{Account: "*", Region: "*", Bucket: "*"}}}}

// A bench is the two functions over a fake cloud and a journal in memory.
type bench struct {
	t       testing.TB
	cloud   *fakeCloud
	store   *memjournal.Store
	journal *journal.Journal
	engines map[replication.Owner]*engine.Engine
	dies    bool // a worker may die: its errors are expected, and with the cloud its journal is out of reach
}

// deadStore is the store as a dead worker has it: out of reach.
type deadStore struct {
	*memjournal.Store
	cloud *fakeCloud
}

func (d deadStore) Create(ctx context.Context, log journal.Log, seq uint64, data []byte) (driver.Stamp, error) {
	d.cloud.mu.Lock()
	dead := d.cloud.dead
	d.cloud.mu.Unlock()
	if dead {
		return driver.Stamp{}, fault.Terminal
	}
	return d.Store.Create(ctx, log, seq, data)
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, cloud: newFakeCloud(), store: memjournal.New(time.Now), engines: map[replication.Owner]*engine.Engine{}}
	b.journal = journal.New(deadStore{b.store, b.cloud}, journal.Options{Schema: replication.Schema, MinReader: replication.MinReader})
	b.engines[replication.OwnerProvision] = b.engine(replication.OwnerProvision, "p")
	b.engines[replication.OwnerVerify] = b.engine(replication.OwnerVerify, "v")
	return b
}

func (b *bench) engine(o replication.Owner, worker string) *engine.Engine {
	return &engine.Engine{
		Owner: o, Worker: worker, Journal: b.journal, Marks: engine.Marks{Marks: journal.NewMarks(b.store), Shards: 4},
		Rules: b.cloud, Objects: b.cloud, Grants: b.cloud, Pairs: b.cloud, Slots: b.cloud, Bus: b.cloud, Previews: b.cloud,
		Keys: b.cloud,
		Desk: testDesk,
		Log:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// submit delivers a ticket to provision.
func (b *bench) submit(body string) {
	b.t.Helper()
	e := b.engines[replication.OwnerProvision]
	h, ok, err := e.Accept(context.Background(), []byte(body))
	require.NoError(b.t, err)
	if ok {
		b.run(replication.OwnerProvision, h)
	}
}

// run is one invocation.
func (b *bench) run(o replication.Owner, h engine.Hint) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if err := b.engines[o].Run(ctx, h); !b.dies {
		require.NoError(b.t, err)
	}
}

// wakeAll hints to both functions, as the sweep does when a wake was lost.
func (b *bench) wakeAll(id string) {
	b.t.Helper()
	b.run(replication.OwnerProvision, engine.Hint{Job: id})
	b.run(replication.OwnerVerify, engine.Hint{Job: id})
}

// settle delivers wakes until there are none, or for so long.
func (b *bench) settle(limit time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		now, next := b.cloud.due()
		for _, w := range now {
			b.run(w.to, engine.Hint{Job: w.job, Rev: w.rev})
		}
		if len(now) == 0 {
			if next.IsZero() {
				return
			}
			time.Sleep(time.Until(next))
		}
	}
}

func (b *bench) job(id string) (*replication.Job, journal.Snapshot) {
	b.t.Helper()
	s, err := b.journal.Load(context.Background(), journal.Job(id))
	require.NoError(b.t, err)
	require.True(b.t, s.Exists(), "the job has begun")
	j, err := replication.Decode(s.Body)
	require.NoError(b.t, err)
	return j, s
}

func (b *bench) types() (types []string) {
	for _, e := range b.cloud.events {
		types = append(types, fmt.Sprintf("%s %s", e.Type, e.Reason))
	}
	return types
}

func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestOneTicket(t *testing.T) {
	bubble(t, "becomes a proven pair with one call for each thing made and few entries", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.settle(time.Hour)
		j, s := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.True(t, j.AtRest())
		require.Equal(t, []string{"replidesk.request.accepted job.accepted", "replidesk.request.verified job.verified"}, b.types())
		for _, once := range []string{"Claim", "CreateRole", "CreatePolicy", "Attach", "PutRule", "Locations", "Purge", "Delete"} {
			require.Equal(t, 1, b.cloud.calls[once], once)
		}
		require.Equal(t, 3, b.cloud.calls["Put"], "canary, overwritten canary and the object outside")
		require.Equal(t, 2, b.cloud.calls["Bucket"])
		require.Equal(t, 2, b.cloud.calls["Rules"], "before the put and after it")
		require.Zero(t, b.cloud.calls["Role"]+b.cloud.calls["Policy"]+b.cloud.calls["Attached"], "what went well is not looked at")
		require.LessOrEqual(t, s.Seq, uint64(25))
		require.Equal(t, []string{"dest-bucket/image/.replidesk/CHG-1/canary"}, j.Evidence.LeftBehind)
		require.Empty(t, b.cloud.objects["src-bucket"], "the source is clean again")
		marks, _, err := journal.NewMarks(b.store).List(context.Background(), journal.Watch, replication.Shard("CHG-1", 4), nil, 10)
		require.NoError(t, err)
		require.Len(t, marks, 1)
		open, _, err := journal.NewMarks(b.store).List(context.Background(), journal.Open, replication.Shard("CHG-1", 4), nil, 10)
		require.NoError(t, err)
		require.Empty(t, open, "a job at rest has no open mark")
		t.Logf("entries %d, calls %v", s.Seq, b.cloud.calls)
	})

	bubble(t, "sent twenty times is one job and one of everything", func(t *testing.T) {
		b := newBench(t)
		for range 10 {
			b.submit(ticket)
		}
		b.settle(time.Hour)
		for range 10 {
			b.submit(ticket)
		}
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
		require.Equal(t, 1, b.cloud.calls["PutRule"])
		require.Equal(t, 1, b.cloud.calls["CreateRole"])
		last := b.cloud.events[len(b.cloud.events)-1]
		require.Equal(t, replication.EventVerified, last.Type)
		require.Equal(t, j.LastEvent.ID, last.ID, "a job at rest sends its last event again under the same id")
	})

	bubble(t, "under an id that was used with other contents is refused and the job is not touched", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		b.submit(ticket[:len(ticket)-1] + `,"rtc":true}`)
		require.Equal(t, replication.ReasonIDReused, b.cloud.events[len(b.cloud.events)-1].Reason)
		require.Len(t, b.cloud.buried, 1)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
		require.False(t, j.Request.RTC)
	})
}

func TestALostAnswerIsResolvedByLooking(t *testing.T) {
	for _, call := range []string{"Claim", "CreateRole", "CreatePolicy", "Attach", "PutRule", "Put", "Delete", "Purge"} {
		bubble(t, "of "+call, func(t *testing.T) {
			b := newBench(t)
			b.cloud.lose[call] = 1
			b.submit(ticket)
			b.settle(2 * time.Hour)
			j, _ := b.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			require.Len(t, b.cloud.rules, 1)
			require.Len(t, b.cloud.roles, 1)
		})
	}
}

func TestADroppedElementClosesTheRuleAtOnce(t *testing.T) {
	bubble(t, "and the job fails and gives the pair back", func(t *testing.T) {
		b := newBench(t)
		b.cloud.spoil = func(r *replication.RuleSeen) { r.Prefixes = nil }
		b.submit(ticket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonRuleDiffers, j.Reason)
		require.Contains(t, j.Message, "prefix set is absent")
		require.Empty(t, b.cloud.rules)
		require.Empty(t, b.cloud.owners)
		require.Zero(t, b.cloud.calls["Progress"], "it was closed before anything else")
	})
}

func TestAWorkerThatDies(t *testing.T) {
	for _, call := range []string{"Claim", "CreateRole", "CreatePolicy", "Attach", "PutRule", "Put", "Delete", "Purge"} {
		bubble(t, "after "+call+" took effect is followed by one that looks first", func(t *testing.T) {
			b := newBench(t)
			b.cloud.die = call
			b.dies = true
			b.submit(ticket)
			b.settle(time.Hour)
			require.True(t, b.cloud.dead)
			j, s := b.job("CHG-1")
			require.NotNil(t, j.Intent, "the entry names the effect that the worker died in")
			b.cloud.dead, b.dies = false, false

			b.wakeAll("CHG-1")
			_, same := b.job("CHG-1")
			require.Equal(t, s.Seq, same.Seq, "while the claim is live nobody does anything")

			time.Sleep(engine.Claim + time.Second)
			b.wakeAll("CHG-1")
			b.settle(2 * time.Hour)
			j, _ = b.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			require.Len(t, b.cloud.rules, 1)
			require.Len(t, b.cloud.roles, 1)
			require.Len(t, b.cloud.policies, 1)
			require.Equal(t, map[string]string{"src-bucket~dest-bucket": "CHG-1"}, b.cloud.owners)
		})
	}

	bubble(t, "three times in the same effect ends the job", func(t *testing.T) {
		b := newBench(t)
		b.dies = true
		for range replication.MaxCrashes {
			b.cloud.die, b.cloud.dead = "CreateRole", false
			b.submit(ticket)
			b.wakeAll("CHG-1")
			clear(b.cloud.roles) // it died before the call arrived
			time.Sleep(engine.Claim + time.Second)
		}
		b.cloud.die, b.cloud.dead, b.dies = "", false, false
		b.wakeAll("CHG-1")
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonWorkerCrash, j.Reason)
		require.Empty(t, b.cloud.owners, "the pair is given back")
	})
}

func TestThrottlingIsAWaitAndUsesUpNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range 100 {
			b.cloud.fail["CreateRole"] = append(b.cloud.fail["CreateRole"], &fault.Error{Kind: fault.Throttled, Op: "CreateRole", Code: "Throttling.User"})
		}
		b.submit(ticket)
		b.settle(5 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
	})
}

func TestASurveyOnlyReads(t *testing.T) {
	r, problems := replication.Parse([]byte(ticket))
	require.Empty(t, problems)
	survey := func(t *testing.T, b *bench) replication.Survey {
		t.Helper()
		for _, write := range []memjournal.Op{memjournal.Create, memjournal.Delete, memjournal.PutMarker, memjournal.DeleteMarker} {
			defer b.store.Break(memjournal.Fault{Op: write, Kind: memjournal.Refuse, As: fault.Terminal})()
		}
		sent := len(b.cloud.wakes) + len(b.cloud.events)
		before := maps.Clone(b.cloud.calls)
		s, trouble := b.engines[replication.OwnerProvision].Survey(context.Background(), r)
		require.Nil(t, trouble, "nothing is written, for every write fails")
		require.Equal(t, sent, len(b.cloud.wakes)+len(b.cloud.events), "nothing is sent")
		for _, write := range []string{"Claim", "Release", "CreateRole", "CreatePolicy", "Attach", "PutRule", "CloseRule", "Put", "Delete", "Purge"} {
			require.Equal(t, before[write], b.cloud.calls[write], write)
		}
		return s
	}
	bubble(t, "and sees a free pair", func(t *testing.T) {
		s := survey(t, newBench(t))
		require.Zero(t, replication.SurveyLooks(r, testDesk, s.Seen, time.Now()))
		require.Nil(t, s.Taken)
		require.Empty(t, s.Seen.Owner.Job)
		require.Equal(t, "of src-bucket", s.More.SourceLifecycle.Rules[0].ID)
		require.Equal(t, "of dest-bucket", s.More.DestinationLifecycle.Rules[0].ID)
		require.Nil(t, s.More.SameNames, "the destination is empty")
	})
	bubble(t, "and sees what would be overwritten", func(t *testing.T) {
		b := newBench(t)
		b.cloud.objects["dest-bucket"]["image/1"] = fakeObject{}
		s := survey(t, b)
		require.Equal(t, 1, s.More.SameNames.Same)
		require.Nil(t, s.More.SourceLifecycle, "the ticket is refused for that")
	})
	bubble(t, "and is of use without the rights that no job needs", func(t *testing.T) {
		b := newBench(t)
		b.cloud.buckets["src-bucket"], b.cloud.buckets["dest-bucket"] = versioned(b.cloud.buckets["src-bucket"]), versioned(b.cloud.buckets["dest-bucket"])
		b.cloud.objects["dest-bucket"]["image/1"] = fakeObject{}
		for _, call := range []string{"Lifecycle src-bucket", "Lifecycle dest-bucket", "SameNames"} {
			b.cloud.fail[call] = []error{&fault.Error{Kind: fault.Denied, Op: "GetIt", Resource: "it", Code: "AccessDenied"}}
		}
		s := survey(t, b)
		for _, why := range []string{s.More.SourceLifecycle.Unread, s.More.DestinationLifecycle.Unread, s.More.SameNames.Unread} {
			require.Equal(t, "GetIt it answered AccessDenied; the right to that call is missing", why)
		}
	})
	bubble(t, "and sees who owns the pair", func(t *testing.T) {
		b := newBench(t)
		b.cloud.owners[r.Pair()] = "CHG-7"
		require.Equal(t, replication.OwnerSeen{Job: "CHG-7"}, *survey(t, b).Seen.Owner, "of which nothing can be read")
	})
	bubble(t, "and sees the job of the ticket", func(t *testing.T) {
		b := newBench(t)
		b.submit(ticket)
		require.Equal(t, r.Fingerprint(), survey(t, b).Taken.Fingerprint)
	})
	bubble(t, "and sees a ticket that was only taken in", func(t *testing.T) {
		b := newBench(t)
		_, ok, err := b.engines[replication.OwnerProvision].Accept(context.Background(), []byte(ticket))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, replication.PhaseReceived, survey(t, b).Taken.Phase)
	})
	bubble(t, "and names the read that failed", func(t *testing.T) {
		for _, call := range []string{"Bucket", "Owner", "Lifecycle src-bucket"} {
			b := newBench(t)
			b.cloud.fail[call] = []error{&fault.Error{Kind: fault.Throttled, Op: "GetIt", Code: "SlowDown"}}
			_, trouble := b.engines[replication.OwnerProvision].Survey(context.Background(), r)
			require.Equal(t, replication.TroubleThrottled, trouble.Kind, call)
			require.Equal(t, "GetIt", trouble.Op)
		}
	})
}

func versioned(b replication.BucketSeen) replication.BucketSeen {
	b.Versioning = "Enabled"
	return b
}
