package localcloud

import (
	"context"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// What s.yaml says of the functions and their triggers; a test compares the two.
const (
	memory        = 512 // MB
	timeout       = 240 * time.Second
	batchCount    = 10
	batchWindow   = time.Second
	asyncMaxAge   = 60 * time.Second
	tickPayload   = `{"tick":true}`
	fcService     = "fc.aliyuncs.com"
	retention     = 7 * 24 * 60 * 60 // seconds that a message is kept
	rolesLookIn   = 20 * time.Millisecond
	rolesLookLast = time.Minute
)

// instances is how many processes of a function may run at once.
var instances = map[string]int{"provision": 5, "verify": 5, "progress": 1}

// A queueTrigger says which queue wakes which function.
type queueTrigger struct {
	name, function string
	queue          config.Queue
}

var queueTriggers = []queueTrigger{
	{"requests", "provision", config.QueueRequests},
	{"wake", "provision", config.QueueWakeProvision},
	{"wake", "verify", config.QueueWakeVerify},
}

// FunctionName returns the name in the cloud of one of [deploy.Functions]; its role
// and the policy of the role have the same name.
func FunctionName(function string) string { return "replidesk-" + function }

// prepare makes what has to exist before the functions are deployed.
func (c *Cloud) prepare() error {
	w, uid, bucket := c.cloud.World, c.A.UID, c.Config.StateBucket
	if e := w.PutBucket(world.NewBucket{Name: bucket, Owner: uid, Region: Region}); e != nil {
		return fmt.Errorf("state bucket: %w", e)
	}
	if e := w.PutBucketEncryption(bucket, &world.Encryption{Algorithm: "AES256"}); e != nil {
		return fmt.Errorf("state bucket: %w", e)
	}
	keep := retention
	for _, q := range config.Queues() {
		if _, err := w.CreateQueue(Region, uid, c.Config.QueueName(q), world.QueueChange{MessageRetentionPeriod: &keep}); err != nil {
			return fmt.Errorf("queue %s: %w", q, err)
		}
	}
	trust, err := deploy.TrustPolicy()
	if err != nil {
		return err
	}
	for _, f := range deploy.Functions() {
		document, err := deploy.RolePolicy(f, bucket, c.Config.QueuePrefix)
		if err != nil {
			return err
		}
		name := FunctionName(f)
		if _, e := w.CreateRole(uid, world.NewRole{Name: name, Trust: string(trust)}); e != nil {
			return fmt.Errorf("role %s: %w", name, e)
		}
		if _, e := w.CreatePolicy(uid, name, string(document), "", nil); e != nil {
			return fmt.Errorf("policy %s: %w", name, e)
		}
		if e := w.AttachPolicyToRole(uid, "Custom", name, name, world.View{}); e != nil {
			return fmt.Errorf("policy %s: %w", name, e)
		}
	}
	return nil
}

// awaitRoles waits until the roles and their policies have spread.
func (c *Cloud) awaitRoles(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rolesLookLast)
	defer cancel()
	look := time.NewTicker(rolesLookIn)
	defer look.Stop()
	for _, f := range deploy.Functions() {
		for !c.roleWorks(FunctionName(f)) {
			select {
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("role %s: %w", FunctionName(f), ctx.Err())
			}
		}
	}
	return nil
}

// roleWorks reports whether a function of that role could read the state bucket's
// settings, which each may do.
func (c *Cloud) roleWorks(role string) bool {
	w := c.cloud.World
	key, e := w.AssumeService(c.A.UID, role, fcService, time.Hour, "deploy")
	return e == nil && w.Authorize(key.Principal, world.Access{
		Action: "oss:GetBucketInfo", Owner: c.A.UID,
		Resource: "acs:oss:oss-" + Region + ":" + c.A.UID + ":" + c.Config.StateBucket,
	}) == world.Allow
}

// deploy deploys the functions and then switches their triggers on.
func (c *Cloud) deploy(opt Options) error {
	for _, f := range deploy.Functions() {
		fn := fcemu.Function{
			Name: FunctionName(f), Region: Region, Account: c.A.UID, Role: FunctionName(f),
			Binary: Binary(opt.FunctionsDir, f), Env: c.env,
			Memory: memory, Timeout: timeout, MaxInstances: instances[f],
		}
		if f == "progress" { // a tick that failed is made up for by the next
			fn.Async = &fcemu.AsyncConfig{MaxRetries: 0, MaxAge: asyncMaxAge}
		}
		if err := c.platform.Deploy(fn); err != nil {
			return err
		}
	}
	window := batchWindow
	if opt.Pace > 1 {
		window = 0
	}
	for _, t := range queueTriggers {
		err := c.platform.AddQueueTrigger(FunctionName(t.function), fcemu.QueueTrigger{
			Name: t.name, Region: Region, Queue: c.Config.QueueName(t.queue), Base64Decode: true,
			Mode: fcemu.EventStreaming, Schema: fcemu.CloudEvents, BatchCount: batchCount, BatchWindow: window,
			Retry: fcemu.ExponentialDecayRetry, ErrorsTolerance: fcemu.TolerateAll,
			DeadLetterQueue: "acs:mns:" + Region + ":" + c.A.UID + ":/queues/" + c.Config.QueueName(config.QueueUndelivered),
		})
		if err != nil {
			return err
		}
	}
	return c.platform.AddTimer(FunctionName("progress"), fcemu.TimerTrigger{
		Name: "tick", Cron: "@every " + opt.Tick.String(), Payload: tickPayload,
	})
}
