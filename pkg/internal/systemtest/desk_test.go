package systemtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

const (
	home        = "cn-hangzhou"
	away        = "cn-shanghai"
	stateBucket = "desk-state"
)

// setup says how a desk differs from one that is deployed as s.yaml says.
type setup struct {
	world       world.Options
	eventDriven bool               // tickets come one a call, as an object instead of an array
	retry       string             // of the triggers; "" is that of s.yaml
	progress    int                // instances that sweep at the same time; 0 is that of s.yaml
	tick        time.Duration      // between two sweeps; 0 is that of s.yaml, and more spares a long test its sweeps
	env         map[string]string  // settings besides the required ones
	desk        func(*config.Desk) // changes the desk file; nil: nothing
	policies    map[string]string  // of a function's role, instead of the deployed one
	seed        uint64             // of what the harness draws; the cloud has its own
}

// A desk is a deployment on a local cloud, and a person who may do everything there.
type desk struct {
	t        *testing.T
	setup    setup
	cloud    *emulator.Cloud
	world    *world.World
	uid      string
	other    string // another account
	config   config.Config
	platform *fcemu.Platform
	journal  *journal.Journal
	log      *syncBuffer
	getenv   func(string) string
	spoiled  atomic.Bool // the functions sign with wrong secrets
	maimed   bool        // rights are missing, so that jobs do not come to what they have to

	mu        sync.Mutex
	rng       *rand.Rand
	processes map[string]*process            // by instance
	mishap    func(c call) mishap            // what befalls a function's call; nil: nothing
	begin     func(f string) (ended func())  // called for each invocation; nil: nothing
	secrets   []string                       // that the cloud gave out
	tickets   map[string]replication.Request // in order by their form, by id
	results   []result                       // as they came, doubled ones too
	burials   []burial
	guard     guard
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// bubble runs f as a subtest in virtual time, beside other bubbles.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		inBubble(t, f)
	})
}

// inBubble runs f in virtual time.
func inBubble(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * time.Minute) }) // the MNS SDK's HTTP client tidies up for a while
		f(t)
	})
}

// newDesk makes a cloud and deploys the functions. At the end of the test every
// invariant is looked at, see [desk.checkAll].
func newDesk(t *testing.T, s setup) *desk {
	t.Helper()
	if s.world.Seed == 0 {
		s.world.Seed = s.seed + 1
	}
	cloud, accounts := emulator.Ready(s.world)
	d := &desk{
		t: t, setup: s, cloud: cloud, world: cloud.World, uid: accounts.A.UID, other: accounts.B.UID, log: &syncBuffer{},
		rng: rand.New(rand.NewPCG(s.seed, 1)), processes: map[string]*process{}, tickets: map[string]replication.Request{},
	}
	for _, k := range []world.AccessKey{accounts.A.Root, accounts.A.User, accounts.B.Root, accounts.B.User} {
		d.secrets = append(d.secrets, k.Secret)
	}
	env := map[string]string{"REPLIDESK_ACCOUNT": d.uid, "REPLIDESK_REGION": home, "REPLIDESK_STATE_BUCKET": stateBucket, "REPLIDESK_LOG_LEVEL": "debug"}
	for k, v := range s.env {
		env[k] = v
	}
	env["REPLIDESK_DESK"] = d.deskFile()
	d.getenv = func(k string) string { return env[k] }
	var err error
	d.config, err = config.Read(d.getenv)
	require.NoError(t, err)
	d.journal = journal.New(entries{d.world}, journal.Options{Schema: replication.Schema, MinReader: replication.MinReader})
	d.platform = fcemu.New(d.world, fcemu.Options{ColdStart: 50 * time.Millisecond, Seed: s.seed, Logger: slog.New(slog.NewTextHandler(d.log, nil))})
	t.Cleanup(d.platform.Stop)
	d.guard.begin(d)
	t.Cleanup(d.checkAll)
	d.deploy(env)
	return d
}

// anyPair is the entry of an allow-list that allows every pair.
var anyPair = config.Pair{Source: config.End{Account: "*", Region: "*", Bucket: "*"}, Destination: config.End{Account: "*", Region: "*", Bucket: "*"}}

// approver is the approver of the desk.
const approver = "Ana Li"

var approverKey = ed25519.NewKeyFromSeed([]byte("a seed of an approver of 32 bytes"[:ed25519.SeedSize]))

// approved returns a ticket with the signature of the approver, who is not to be its
// requester.
func (d *desk) approved(body string) string {
	d.t.Helper()
	r, problems := replication.Parse([]byte(body))
	require.Empty(d.t, problems)
	signed, err := replication.WithApproval([]byte(body), replication.Approve(r, approver, approverKey))
	require.NoError(d.t, err)
	return string(signed)
}

// deskFile writes the desk file and returns its path. It allows every pair, and in
// the other account the owner does what has to be done there, unless the setup says
// otherwise.
func (d *desk) deskFile() string {
	d.t.Helper()
	file := config.Desk{Accounts: []config.Account{{UID: d.other}}, Pairs: []config.Pair{anyPair}, Approvers: []config.Approver{
		{Name: approver, Key: base64.StdEncoding.EncodeToString(approverKey.Public().(ed25519.PublicKey))}}}
	if d.setup.desk != nil {
		d.setup.desk(&file)
	}
	name := filepath.Join(d.t.TempDir(), "desk.json")
	d.writeDesk(name, file)
	return name
}

func (d *desk) writeDesk(name string, file config.Desk) {
	d.t.Helper()
	b, err := json.Marshal(file)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(name, b, 0o600))
}

// redeploy deploys the functions with a changed desk file: every invocation from now
// on is one of a new process.
func (d *desk) redeploy(change func(*config.Desk)) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.config.Desk)
	d.writeDesk(d.getenv("REPLIDESK_DESK"), d.config.Desk)
	clear(d.processes)
}

func fn(name string) string { return "replidesk-" + name }

// deploy deploys what s.yaml says, changed as the setup says.
func (d *desk) deploy(env map[string]string) {
	d.t.Helper()
	functions, err := localcloud.Functions(env)
	require.NoError(d.t, err)
	for name, document := range d.setup.policies {
		f := functions[name]
		f.Policy = document
		functions[name] = f
	}
	require.NoError(d.t, localcloud.Prepare(d.world, d.config, functions))
	for _, name := range deploy.Functions() {
		f := functions[name]
		f.Invoke = func(ctx context.Context, in fcemu.Invocation) ([]byte, error) { return d.invoke(ctx, name, in) }
		if name == "progress" {
			f.MaxInstances = max(d.setup.progress, f.MaxInstances)
		}
		require.NoError(d.t, d.platform.Deploy(f.Function))
	}
	time.Sleep(2*d.setup.world.Delays.Propagation + time.Minute) // the rights of the functions spread
	for _, name := range deploy.Functions() {
		f := functions[name]
		for i := range f.Queues {
			d.changed(&f.Queues[i])
		}
		for i := range f.Timers {
			if d.setup.tick != 0 {
				f.Timers[i].Cron = "@every " + d.setup.tick.String()
			}
		}
		require.NoError(d.t, f.Connect(d.platform))
	}
}

// changed changes a trigger as the setup says.
func (d *desk) changed(t *fcemu.QueueTrigger) {
	if d.setup.retry != "" {
		t.Retry = d.setup.retry
	}
	if d.setup.eventDriven && t.Queue == d.config.QueueName(config.QueueRequests) {
		*t = fcemu.QueueTrigger{Name: t.Name, Region: t.Region, Queue: t.Queue, Base64Decode: t.Base64Decode, Mode: fcemu.EventDriven}
	}
}

// What the person has.

func (d *desk) bucket(name, region string, versioned bool) {
	d.t.Helper()
	require.Nil(d.t, d.world.PutBucket(world.NewBucket{Name: name, Owner: d.uid, Region: region}))
	if versioned {
		require.Nil(d.t, d.world.PutBucketVersioning(name, "Enabled"))
	}
}

// pair makes two buckets, the first in Hangzhou, the second in Shanghai.
func (d *desk) pair(src, dst string, versioned bool) {
	d.t.Helper()
	d.bucket(src, home, versioned)
	d.bucket(dst, away, versioned)
}

func (d *desk) put(bucket, key, content string) {
	d.t.Helper()
	_, e := d.world.PutObject(bucket, world.Version{Key: key, Data: []byte(content)}, false)
	require.Nil(d.t, e)
}

// object returns the current version of an object, or nil.
func (d *desk) object(bucket, key string) *world.Version {
	v, e := d.world.Object(bucket, key, "", false)
	if e != nil {
		return nil
	}
	return v
}

// listed lists the current objects of a bucket, or all versions.
func (d *desk) listed(bucket, prefix string, versions bool) (list []world.Listed) {
	d.t.Helper()
	q := world.ListQuery{Prefix: prefix, Versions: versions, Max: 1000}
	for {
		page, e := d.world.ListObjects(bucket, q)
		require.Nil(d.t, e)
		list = append(list, page.Versions...)
		if !page.Truncated {
			return list
		}
		q.After, q.AfterVersion = page.NextKey, page.NextVersion
	}
}

// keys returns the keys of a bucket's current objects.
func (d *desk) keys(bucket string) []string {
	d.t.Helper()
	keys := []string{}
	for _, v := range d.listed(bucket, "", false) {
		keys = append(keys, v.Key)
	}
	return keys
}

// ours returns the keys of everything that stands in a bucket and was put there by
// the desk, versions and delete markers included.
func (d *desk) ours(bucket string) []string {
	d.t.Helper()
	keys := []string{}
	for _, v := range d.listed(bucket, "", true) {
		if strings.Contains(v.Key, ".replidesk/") {
			keys = append(keys, v.Key)
		}
	}
	return keys
}

// scope is what most tickets ask for.
const scope = `"historical":{"replicate":true},"objects":{"prefixes":["image/"]}`

// ticket returns a ticket for a pair made by d.pair; extra are its further members,
// "" the usual ones.
func (d *desk) ticket(id, src, dst, extra string) string {
	return d.ticketTo(id, src, dst, away, extra)
}

// ticketTo is ticket for a destination in another region.
func (d *desk) ticketTo(id, src, dst, region, extra string) string {
	if extra == "" {
		extra = scope
	}
	return fmt.Sprintf(`{"specVersion":"1","id":%q,"action":"replicate","source":{"account":%q,"region":%q,"bucket":%q},"destination":{"account":%q,"region":%q,"bucket":%q},%s}`,
		id, d.uid, home, src, d.uid, region, dst, extra)
}

// submit sends a body to the requests queue, as a ticket system does.
func (d *desk) submit(body string) {
	d.t.Helper()
	d.know(body)
	d.send(config.QueueRequests, body)
}

// know remembers what a ticket asks for; the first of an id counts.
func (d *desk) know(body string) {
	r, problems := replication.Parse([]byte(body))
	if r.DryRun {
		return
	}
	if len(problems) == 0 {
		problems = replication.Validate(r, wiring.Rules(d.config))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.tickets[r.ID]; !ok && len(problems) == 0 {
		d.tickets[r.ID] = r
	}
}

func (d *desk) send(q config.Queue, body string) {
	d.t.Helper()
	_, err := d.world.QueueSend(home, d.uid, d.config.QueueName(q), body, -1)
	require.NoError(d.t, err)
}

// queued returns how many messages are in a queue, hidden and delayed ones included.
func (d *desk) queued(q config.Queue) int {
	d.t.Helper()
	i, err := d.world.QueueStats(home, d.uid, d.config.QueueName(q))
	require.NoError(d.t, err)
	return i.Active + i.Inactive + i.Delayed
}

func (d *desk) tail() string {
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
