// Package wiring joins the parts of Replidesk: it is the only package that knows
// them all, and the only way in for the functions and the command.
package wiring

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/engine"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
	"github.com/replidesk/replidesk/pkg/kmskey"
	"github.com/replidesk/replidesk/pkg/meter"
	"github.com/replidesk/replidesk/pkg/mnsbus"
	"github.com/replidesk/replidesk/pkg/ossrepl"
	"github.com/replidesk/replidesk/pkg/pairlog"
	"github.com/replidesk/replidesk/pkg/policylog"
	"github.com/replidesk/replidesk/pkg/ramgrant"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/slotlog"
)

// maxJob is the largest job in bytes: a ticket of 64 KB whose characters JSON
// escapes with six bytes each, twice over (the request and the rule of an intent).
const maxJob = 1 << 20

// A Desk is one deployment, as far as a process has to do with it. Its parts may be
// used one by one; Provision, Verify and Progress make functions of them.
type Desk struct {
	Config      config.Config
	Credentials *Credentials
	Log         *slog.Logger

	Store   *ossjournal.Store
	Journal *journal.Journal
	Marks   engine.Marks
	Pairs   pairlog.Log
	OSS     *ossrepl.Client
	Grants  *ramgrant.Client
	Keys    *kmskey.Client
	Bus     *mnsbus.Bus
	// Destinations are the policies of buckets and keys in other accounts.
	Destinations policylog.Log
	sessions     *ramgrant.Sessions

	state *oss.Client // of the state bucket

	// checked is closed over by CheckBucket: the state bucket is looked at once an
	// instance, and again as long as it was not in order.
	checkMu sync.Mutex
	checked bool
}

// New joins a desk. transport carries every request; nil is the network, or the
// local cloud that the configuration names. It makes no request.
func New(c config.Config, creds *Credentials, transport http.RoundTripper, log *slog.Logger) *Desk {
	scheme := "https"
	if c.Endpoint != "" {
		scheme = "http"
	}
	if transport == nil {
		transport = network(c)
	}
	counted := meter.Transport(transport)
	endpoint := func(region string) string { return ossEndpoint(scheme, region, c.Internal && region == c.Region) }
	d := &Desk{Config: c, Credentials: creds, Log: log}
	d.state = stateClient(c, creds, transport, endpoint(c.Region))
	d.Store = ossjournal.New(d.state, c.StateBucket)
	d.Journal = journal.New(d.Store, journal.Options{Schema: replication.Schema, MinReader: replication.MinReader, MaxBody: maxJob})
	d.Marks = engine.Marks{Marks: journal.NewMarks(d.Store), Shards: c.Shards}
	d.Pairs = pairlog.Log{Journal: d.Journal, Worker: c.Instance}
	d.OSS = ossrepl.New(ossrepl.Config{CredentialsIn: d.credentialsIn(c), Transport: counted, EndpointFor: endpoint, Timeout: engine.CallTimeout})
	d.Grants = ramgrant.New(ramgrant.Config{Credentials: creds.Get, Transport: counted,
		RAM: scheme + "://ram.aliyuncs.com", STS: scheme + "://sts.aliyuncs.com", Timeout: engine.CallTimeout})
	d.Keys = kmskey.New(kmskey.Config{CredentialsIn: d.credentialsIn(c), Transport: counted, Timeout: engine.CallTimeout,
		EndpointFor: func(region string) string { return scheme + "://kms." + region + ".aliyuncs.com" }})
	d.sessions = d.Grants.Sessions()
	d.Destinations = policylog.Log{Journal: d.Journal, Policies: d.OSS, Keys: d.Keys, Worker: c.Instance}
	d.Bus = mnsbus.New(mnsbus.Config{
		Account: c.Account, Region: c.Region, Internal: c.Internal, Scheme: scheme,
		Credentials: creds.Get, Transport: transport, Source: "replidesk/" + c.Account + "/" + c.Region,
		Queues: mnsbus.Queues{
			WakeProvision: c.QueueName(config.QueueWakeProvision), WakeVerify: c.QueueName(config.QueueWakeVerify),
			Results: c.QueueName(config.QueueResults), Dead: c.QueueName(config.QueueDead),
		},
	})
	return d
}

// credentialsIn returns what signs for the buckets of an account: the keys of the role
// to assume there, or our own.
func (d *Desk) credentialsIn(c config.Config) func(context.Context, string) (id, secret, token string, err error) {
	rules := Rules(c)
	return func(ctx context.Context, account string) (id, secret, token string, err error) {
		if role := rules.RoleIn(account); role != "" {
			return d.sessions.Key(ctx, role)
		}
		id, secret, token = d.Credentials.Get()
		return id, secret, token, nil
	}
}

// Engine returns the engine of one owner.
func (d *Desk) Engine(o replication.Owner) *engine.Engine {
	return &engine.Engine{
		Owner: o, Worker: string(o) + "/" + d.Config.Instance, Journal: d.Journal, Marks: d.Marks,
		Rules: d.OSS, Objects: d.OSS, Grants: d.Grants, Pairs: d.Pairs, Destinations: d.Destinations, Slots: slotlog.Log{Journal: d.Journal, Worker: d.Config.Instance}, Bus: d.Bus, Previews: d.OSS,
		Keys: d.Keys,
		Desk: Rules(d.Config), Pace: d.Config.Pace, Log: d.Log,
		Count: func(ctx context.Context) (context.Context, func() int) {
			ctx, n := meter.With(ctx)
			return ctx, n.N
		},
	}
}

// CheckBucket looks whether the state bucket can keep a journal: private, never
// versioned, encrypted, without lifecycle rules. It looks once.
func (d *Desk) CheckBucket(ctx context.Context) error {
	d.checkMu.Lock()
	defer d.checkMu.Unlock()
	if d.checked {
		return nil
	}
	err := d.Store.Check(ctx)
	d.checked = err == nil
	return err
}

// StateBucket returns the state bucket for those who make it and take it away.
func (d *Desk) StateBucket() *ossjournal.Bucket {
	return ossjournal.NewBucket(d.state, d.Config.StateBucket)
}

// Provision makes the function of that name.
func Provision(d *Desk) Handler { return &Batch{Desk: d, Engine: d.Engine(replication.OwnerProvision)} }

// Verify makes the function of that name.
func Verify(d *Desk) Handler { return &Batch{Desk: d, Engine: d.Engine(replication.OwnerVerify)} }

// network returns the transport of a deployment. A local cloud answers under the
// real host names, whatever they are, at one address.
func network(c config.Config) http.RoundTripper {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       20 * time.Second, // a frozen instance wakes up with dead connections
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 40 * time.Second, // longer than the longest poll
	}
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	t.DialContext = dialer.DialContext
	if u, err := url.Parse(c.Endpoint); err == nil && u.Host != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, u.Host)
		}
	}
	return t
}

func ossEndpoint(scheme, region string, internal bool) string {
	host := "oss-" + region
	if internal {
		host += "-internal"
	}
	return scheme + "://" + host + ".aliyuncs.com"
}

// stateClient is the SDK's client for the state bucket. Unlike the adapters it
// leaves retries on: the journal reads once and means it, and settles its writes itself.
func stateClient(c config.Config, creds *Credentials, transport http.RoundTripper, endpoint string) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(c.Region).
		WithEndpoint(endpoint).
		WithHttpClient(&http.Client{Transport: transport, Timeout: engine.CallTimeout}).
		WithUserAgent("replidesk").
		WithCredentialsProvider(osscredentials.CredentialsProviderFunc(func(context.Context) (osscredentials.Credentials, error) {
			id, secret, token := creds.Get()
			return osscredentials.Credentials{AccessKeyID: id, AccessKeySecret: secret, SecurityToken: token}, nil
		})), func(o *oss.Options) {
		o.FeatureFlags &^= oss.FeatureCorrectClockSkew // it is written without a lock
	})
}
