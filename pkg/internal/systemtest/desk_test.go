package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/mnsbus"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

const (
	home        = "cn-hangzhou"
	stateBucket = "desk-state"
)

// A desk is a deployment on a local cloud, and a person with all rights beside it.
type desk struct {
	t        *testing.T
	cloud    *emulator.Cloud
	world    *world.World
	uid      string
	platform *fcemu.Platform
	person   *wiring.Desk
	log      *syncBuffer
	getenv   func(string) string

	mu        sync.Mutex
	instances map[string]*wiring.Function
	results   []result
}

// A result is a CloudEvent from the results queue.
type result struct {
	ID, Type, Sequence string
	Data               struct {
		Ticket, Phase, Reason, Message, Remedy string
		Detail                                 json.RawMessage
	}
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

// bubble runs f as a subtest in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(2 * time.Minute) }) // the MNS SDK's HTTP client tidies up for a while
			f(t)
		})
	})
}

var builders = map[string]func(*wiring.Desk) wiring.Handler{
	"provision": wiring.Provision, "verify": wiring.Verify, "progress": wiring.Progress,
}

// newDesk makes the cloud and deploys the functions as s.yaml does.
func newDesk(t *testing.T, opt world.Options) *desk {
	t.Helper()
	cloud, accounts := emulator.Ready(opt)
	d := &desk{t: t, cloud: cloud, world: cloud.World, uid: accounts.A.UID, log: &syncBuffer{}, instances: map[string]*wiring.Function{}}
	env := map[string]string{"REPLIDESK_ACCOUNT": d.uid, "REPLIDESK_REGION": home, "REPLIDESK_STATE_BUCKET": stateBucket, "REPLIDESK_ENDPOINT": "http://127.0.0.1:1"}
	d.getenv = func(k string) string { return env[k] }
	c, err := config.Read(d.getenv)
	require.NoError(t, err)
	creds := &wiring.Credentials{}
	creds.Set(accounts.A.User.ID, accounts.A.User.Secret, "")
	d.person = wiring.New(c, creds, cloud.Transport(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	time.Sleep(time.Minute) // the rights of a new user spread

	d.bucket(stateBucket, home, false)
	_, err = d.oss(home).PutBucketEncryption(context.Background(), &oss.PutBucketEncryptionRequest{Bucket: oss.Ptr(stateBucket),
		ServerSideEncryptionRule: &oss.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &oss.ApplyServerSideEncryptionByDefault{SSEAlgorithm: oss.Ptr("AES256")}}})
	require.NoError(t, err)
	for _, q := range config.Queues() {
		_, err := d.world.CreateQueue(home, d.uid, c.QueueName(q), world.QueueChange{})
		require.NoError(t, err)
	}
	d.deploy(c)
	return d
}

func (d *desk) deploy(c config.Config) {
	d.t.Helper()
	d.platform = fcemu.New(d.world, fcemu.Options{ColdStart: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(d.log, nil))})
	d.t.Cleanup(d.platform.Stop)
	trust, err := deploy.TrustPolicy()
	require.NoError(d.t, err)
	for _, f := range deploy.Functions() {
		policy, err := deploy.RolePolicy(f, stateBucket, c.QueuePrefix)
		require.NoError(d.t, err)
		role := "replidesk-" + f
		_, e := d.world.CreateRole(d.uid, world.NewRole{Name: role, Trust: string(trust)})
		require.Nil(d.t, e)
		_, e = d.world.CreatePolicy(d.uid, role, string(policy), "", nil)
		require.Nil(d.t, e)
		require.Nil(d.t, d.world.AttachPolicyToRole(d.uid, "Custom", role, role, world.View{}))
		instances := 5
		if f == "progress" {
			instances = 1
		}
		require.NoError(d.t, d.platform.Deploy(fcemu.Function{Name: role, Region: home, Account: d.uid, Role: role, Timeout: 240 * time.Second,
			MaxInstances: instances, Invoke: func(ctx context.Context, in fcemu.Invocation) ([]byte, error) { return d.invoke(ctx, f, in) }}))
	}
	time.Sleep(time.Minute) // the rights of the functions spread
	queue := func(f, name string, q config.Queue) {
		require.NoError(d.t, d.platform.AddQueueTrigger("replidesk-"+f, fcemu.QueueTrigger{Name: name, Region: home, Queue: c.QueueName(q), Base64Decode: true,
			Mode: "event-streaming", Schema: "CloudEvents", BatchCount: 10, BatchWindow: time.Second, Retry: "EXPONENTIAL_DECAY_RETRY", ErrorsTolerance: "ALL",
			DeadLetterQueue: fmt.Sprintf("acs:mns:%s:%s:/queues/%s", home, d.uid, c.QueueName(config.QueueUndelivered))}))
	}
	queue("provision", "requests", config.QueueRequests)
	queue("provision", "wake", config.QueueWakeProvision)
	queue("verify", "wake", config.QueueWakeVerify)
	require.NoError(d.t, d.platform.AddTimer("replidesk-progress", fcemu.TimerTrigger{Name: "tick", Cron: "@every 1m", Payload: `{"tick":true}`}))
}

// invoke is one invocation of an instance; each instance is a function of its own.
func (d *desk) invoke(ctx context.Context, f string, in fcemu.Invocation) ([]byte, error) {
	d.mu.Lock()
	fn := d.instances[in.InstanceID]
	if fn == nil {
		var err error
		fn, err = wiring.NewFunction(builders[f], func(k string) string {
			if k == "FC_INSTANCE_ID" {
				return in.InstanceID
			}
			return d.getenv(k)
		}, d.log, d.cloud.Transport())
		if err != nil {
			d.mu.Unlock()
			return nil, err
		}
		d.instances[in.InstanceID] = fn
	}
	d.mu.Unlock()
	k := in.Credentials
	return []byte("null"), fn.InvokeWith(ctx, in.Payload, k.AccessKeyID, k.AccessKeySecret, k.SecurityToken)
}

// oss returns a client of the person for a region.
func (d *desk) oss(region string) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().WithRegion(region).WithEndpoint("http://oss-" + region + ".aliyuncs.com").
		WithHttpClient(&http.Client{Transport: d.cloud.Transport()}).
		WithCredentialsProvider(osscredentials.CredentialsProviderFunc(func(context.Context) (osscredentials.Credentials, error) {
			id, secret, token := d.person.Credentials.Get()
			return osscredentials.Credentials{AccessKeyID: id, AccessKeySecret: secret, SecurityToken: token}, nil
		})))
}

func (d *desk) bucket(name, region string, versioned bool) {
	d.t.Helper()
	_, err := d.oss(region).PutBucket(context.Background(), &oss.PutBucketRequest{Bucket: oss.Ptr(name)})
	require.NoError(d.t, err)
	if versioned {
		_, err := d.oss(region).PutBucketVersioning(context.Background(), &oss.PutBucketVersioningRequest{Bucket: oss.Ptr(name),
			VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersionEnabled}})
		require.NoError(d.t, err)
	}
}

// pair makes two buckets, the first in Hangzhou, the second in Shanghai.
func (d *desk) pair(src, dst string, versioned bool) {
	d.t.Helper()
	d.bucket(src, home, versioned)
	d.bucket(dst, "cn-shanghai", versioned)
}

func (d *desk) put(bucket, region, key, content string) {
	d.t.Helper()
	_, err := d.oss(region).PutObject(context.Background(), &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), Body: strings.NewReader(content)})
	require.NoError(d.t, err)
}

func (d *desk) keys(bucket, region string) (keys []string) {
	d.t.Helper()
	p := d.oss(region).NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: oss.Ptr(bucket), MaxKeys: 1000})
	for p.HasNext() {
		page, err := p.NextPage(context.Background())
		require.NoError(d.t, err)
		for _, o := range page.Contents {
			keys = append(keys, oss.ToString(o.Key))
		}
	}
	return keys
}

// ticket returns a ticket for a pair made by d.pair; extra are further members.
func (d *desk) ticket(id, src, dst, extra string) string {
	if extra == "" {
		extra = `"historical":{"replicate":true},"objects":{"prefixes":["image/"]}`
	}
	return fmt.Sprintf(`{"specVersion":"1","id":%q,"action":"replicate","source":{"account":%q,"region":"cn-hangzhou","bucket":%q},"destination":{"account":%q,"region":"cn-shanghai","bucket":%q},%s}`,
		id, d.uid, src, d.uid, dst, extra)
}

// submit sends a body to the requests queue, as a ticket system does.
func (d *desk) submit(body string) {
	d.t.Helper()
	require.NoError(d.t, d.person.Bus.Send(context.Background(), d.person.Config.QueueName(config.QueueRequests), []byte(body), 0))
}

// job returns the newest state of a job, or nil.
func (d *desk) job(id string) *replication.Job {
	d.t.Helper()
	s, err := d.person.Journal.Load(context.Background(), journal.Job(id))
	require.NoError(d.t, err)
	if !s.Exists() {
		return nil
	}
	j, err := replication.Decode(s.Body)
	require.NoError(d.t, err)
	return j
}

// await runs the world until the job is at rest, for at most the limit.
func (d *desk) await(id string, limit time.Duration) *replication.Job {
	d.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Second) {
		if j := d.job(id); j != nil && j.AtRest() {
			return j
		}
	}
	j := d.job(id)
	require.NotNil(d.t, j, "the job %s never began; log:\n%s", id, d.log)
	d.t.Fatalf("job %s is %s (%s: %s) after %s; log:\n%s", id, j.Phase, j.Reason, j.Message, limit, d.log)
	return nil
}

// events receives what has come to the results queue so far, and returns all
// results of a ticket in the order of their arrival, each id once.
func (d *desk) events(ticket string) (list []result) {
	d.t.Helper()
	queue := d.person.Config.QueueName(config.QueueResults)
	for {
		got, err := d.person.Bus.Receive(context.Background(), queue, mnsbus.MaxBatch, 0)
		require.NoError(d.t, err)
		if len(got) == 0 {
			break
		}
		for _, m := range got {
			var r result
			require.NoError(d.t, json.Unmarshal(m.Body, &r))
			d.results = append(d.results, r)
			require.NoError(d.t, d.person.Bus.Delete(context.Background(), queue, m.Handle))
		}
	}
	seen := map[string]bool{}
	for _, r := range d.results {
		if r.Data.Ticket == ticket && !seen[r.ID] {
			seen[r.ID] = true
			list = append(list, r)
		}
	}
	return list
}

// awaitEvent runs the world until a result of that reason has come.
func (d *desk) awaitEvent(ticket string, reason replication.Reason, limit time.Duration) result {
	d.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Second) {
		for _, r := range d.events(ticket) {
			if r.Data.Reason == string(reason) {
				return r
			}
		}
	}
	d.t.Fatalf("no result %s for %s within %s: %v; log:\n%s", reason, ticket, limit, d.events(ticket), d.log)
	return result{}
}

// calls counts successful calls of an action by the functions.
func (d *desk) calls(action string) (n int) {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		if c.Action == action && c.Status < 300 && strings.Contains(c.Caller, "assumed-role/replidesk-") {
			n++
		}
	}
	return n
}
