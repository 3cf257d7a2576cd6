package systemtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/sweep"
)

// entries is the state bucket as it is: no fault that is ordered for the functions
// reaches those who look through it. It writes nothing.
type entries struct{ w *world.World }

func (e entries) List(_ context.Context, log driver.Log, before uint64, limit int) ([]driver.Entry, error) {
	first, err := ossjournal.EntryKey(log, 1)
	if err != nil {
		return nil, err
	}
	prefix := first[:strings.LastIndexByte(first, '/')+1]
	q := world.ListQuery{Prefix: prefix, Max: limit}
	if before > 0 {
		if q.After, err = ossjournal.EntryKey(log, before); err != nil {
			return nil, err
		}
	}
	page, refused := e.w.ListObjects(stateBucket, q)
	if refused != nil {
		return nil, refused
	}
	var list []driver.Entry
	for _, v := range page.Versions {
		var x struct{ Seq uint64 }
		if err := json.Unmarshal(v.Data, &x); err != nil {
			return nil, err
		}
		list = append(list, driver.Entry{Seq: x.Seq, Modified: v.Modified})
	}
	return list, nil
}

func (e entries) Head(ctx context.Context, log driver.Log) (uint64, driver.Stamp, error) {
	list, err := e.List(ctx, log, 0, 1)
	s := driver.Stamp{Now: time.Now().UTC().Truncate(time.Second)}
	if err != nil || len(list) == 0 {
		return 0, s, err
	}
	s.Modified = list[0].Modified
	return list[0].Seq, s, nil
}

func (e entries) Get(_ context.Context, log driver.Log, seq uint64) ([]byte, driver.Stamp, error) {
	key, err := ossjournal.EntryKey(log, seq)
	if err != nil {
		return nil, driver.Stamp{}, err
	}
	s := driver.Stamp{Now: time.Now().UTC().Truncate(time.Second)}
	v, refused := e.w.Object(stateBucket, key, "", false)
	if refused != nil {
		return nil, s, &fault.Error{Kind: fault.NotFound, Op: "Get", Resource: key}
	}
	s.Modified = v.Modified
	return v.Data, s, nil
}

func (entries) Create(context.Context, driver.Log, uint64, []byte) (driver.Stamp, error) {
	return driver.Stamp{}, errors.New("nobody writes here")
}

// job returns the newest state of a job, or nil.
func (d *desk) job(id string) *replication.Job {
	d.t.Helper()
	s, err := d.journal.Load(context.Background(), journal.Job(id))
	require.NoError(d.t, err)
	if !s.Exists() {
		return nil
	}
	j, err := replication.Decode(s.Body)
	require.NoError(d.t, err)
	return j
}

// history returns every state that a job had.
func (d *desk) history(id string) (all []*replication.Job) {
	d.t.Helper()
	for s, err := range d.journal.History(context.Background(), journal.Job(id)) {
		require.NoError(d.t, err)
		j, err := replication.Decode(s.Body)
		require.NoError(d.t, err)
		all = append(all, j)
	}
	return all
}

// owner returns who owns a pair, "" for nobody.
func (d *desk) owner(src, dst string) string {
	d.t.Helper()
	s, err := d.journal.Load(context.Background(), journal.Pair(src+"~"+dst))
	require.NoError(d.t, err)
	var e struct{ Owner string }
	if s.Exists() {
		require.NoError(d.t, json.Unmarshal(s.Body, &e))
	}
	return e.Owner
}

// shard returns the state of the watch.
func (d *desk) shard() (*sweep.State, uint64) {
	d.t.Helper()
	s, err := d.journal.Load(context.Background(), journal.Sweep(0))
	require.NoError(d.t, err)
	st, err := sweep.Decode(s.Body)
	require.NoError(d.t, err)
	return st, s.Seq
}

// marks returns the keys of the marks of a set that stand.
func (d *desk) marks(set string) (keys []string) {
	d.t.Helper()
	for _, v := range d.listed(stateBucket, set+"/", false) {
		keys = append(keys, v.Key)
	}
	return keys
}

// until runs the world until something is so, and reports whether it came to be.
func (d *desk) until(limit time.Duration, is func() bool) bool {
	end := time.Now().Add(limit)
	for !is() {
		if !time.Now().Before(end) {
			return false
		}
		time.Sleep(5 * time.Second)
	}
	return true
}

// await runs the world until the job is at rest, for at most the limit.
func (d *desk) await(id string, limit time.Duration) *replication.Job {
	d.t.Helper()
	var j *replication.Job
	if !d.until(limit, func() bool { j = d.job(id); return j != nil && j.AtRest() }) {
		d.fatal("job %s is not at rest after %s: %s", id, limit, state(j))
	}
	return j
}

// awaitReason runs the world until the job is where it is for that reason.
func (d *desk) awaitReason(id string, r replication.Reason, limit time.Duration) *replication.Job {
	d.t.Helper()
	var j *replication.Job
	if !d.until(limit, func() bool { j = d.job(id); return j != nil && j.Reason == r }) {
		d.fatal("job %s is not at %s within %s: %s", id, r, limit, state(j))
	}
	return j
}

// watched runs the world until the job is proven and watched.
func (d *desk) watched(id string, limit time.Duration) *replication.Job {
	d.t.Helper()
	j := d.await(id, limit)
	if j.Phase != replication.PhaseWatching {
		d.fatal("job %s: %s", id, state(j))
	}
	return j
}

func (d *desk) fatal(format string, args ...any) {
	d.t.Helper()
	d.t.Logf("the end of the log:\n%s", d.tail())
	for _, q := range config.Queues() {
		d.t.Logf("queue %s: %d", q, d.queued(q))
	}
	d.t.Logf("requests: %+v", d.platform.QueueTriggerStats(fn("provision"), "requests"))
	d.t.Logf("provision: %+v", d.platform.Stats(fn("provision")))
	d.t.Fatalf(format, args...)
}

// state says in one line where a job is.
func state(j *replication.Job) string {
	if j == nil {
		return "it never began"
	}
	return string(j.Phase) + " (" + string(j.Reason) + ": " + j.Message + ")"
}

// A result is a CloudEvent from the results queue.
type result struct {
	ID, Type, Sequence string
	Data               struct {
		Ticket, Phase, Reason, Message, Remedy string
		Detail                                 json.RawMessage
	}
	raw string
}

// A burial is a bad ticket from the queue of the dead.
type burial struct {
	Reason replication.Problem
	Body   []byte
}

// received takes everything that is visible out of a queue.
func (d *desk) received(q config.Queue, take func(body []byte)) {
	d.t.Helper()
	name := d.config.QueueName(q)
	for {
		got, err := d.world.QueueReceive(context.Background(), home, d.uid, name, 16, 0)
		require.NoError(d.t, err)
		for _, m := range got {
			body, err := base64.StdEncoding.DecodeString(m.Body)
			require.NoError(d.t, err)
			take(body)
			require.NoError(d.t, d.world.QueueDelete(home, d.uid, name, m.Handle))
		}
		if len(got) == 0 {
			return
		}
	}
}

// collect takes results and burials out of their queues.
func (d *desk) collect() {
	d.t.Helper()
	d.received(config.QueueResults, func(body []byte) {
		r := result{raw: string(body)}
		require.NoError(d.t, json.Unmarshal(body, &r))
		d.results = append(d.results, r)
	})
	d.received(config.QueueDead, func(body []byte) {
		var b burial
		require.NoError(d.t, json.Unmarshal(body, &b))
		d.burials = append(d.burials, b)
	})
}

// events returns all results of a ticket in the order of their arrival, each id once.
func (d *desk) events(ticket string) (list []result) {
	d.t.Helper()
	d.collect()
	for _, r := range d.results {
		if r.Data.Ticket == ticket && !slices.ContainsFunc(list, func(o result) bool { return o.ID == r.ID }) {
			list = append(list, r)
		}
	}
	return list
}

// reasons returns the reasons of a ticket's results, in the order of their arrival.
func (d *desk) reasons(ticket string) (list []replication.Reason) {
	d.t.Helper()
	for _, r := range d.events(ticket) {
		list = append(list, replication.Reason(r.Data.Reason))
	}
	return list
}

// awaitEvent runs the world until a result of that reason has come.
func (d *desk) awaitEvent(ticket string, reason replication.Reason, limit time.Duration) (found result) {
	d.t.Helper()
	is := func() bool {
		list := d.events(ticket)
		i := slices.IndexFunc(list, func(r result) bool { return r.Data.Reason == string(reason) })
		if i >= 0 {
			found = list[i]
		}
		return i >= 0
	}
	if !d.until(limit, is) {
		d.fatal("no result %s for %s within %s, but %v; %s", reason, ticket, limit, d.reasons(ticket), state(d.job(ticket)))
	}
	return found
}

// made returns the calls of the functions that changed something outside the desk's
// own state and queues.
func (d *desk) made() (list []world.Call) {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		own := c.Service == "mns" || c.Service == "fc" || strings.HasPrefix(c.Resource, stateBucket+"/")
		if byFunction(c) && c.Write && c.Status < 300 && !own {
			list = append(list, c)
		}
	}
	return list
}

// calls counts successful calls of an action by the functions.
func (d *desk) calls(action string) (n int) {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		if c.Action == action && c.Status < 300 && byFunction(c) {
			n++
		}
	}
	return n
}

func byFunction(c world.Call) bool { return strings.Contains(c.Caller, ":assumed-role/replidesk-") }
