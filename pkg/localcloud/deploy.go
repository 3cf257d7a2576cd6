package localcloud

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/replidesk/replidesk"
	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/serverless"
)

const (
	fcService     = "fc.aliyuncs.com"
	rolesLookIn   = 20 * time.Millisecond
	rolesLookLast = time.Minute
)

// A Function is a function of s.yaml as the platform of the local cloud takes it,
// but for its code: Binary and Invoke are empty. Its role has exactly the rights that
// package deploy gives it.
type Function struct {
	fcemu.Function
	Code   string // where its executable is below a directory of functions
	Policy string // document of the policy of its role
	Timers []fcemu.TimerTrigger
	Queues []fcemu.QueueTrigger
}

// Functions reads s.yaml with the settings of a deployment, by the names of
// [deploy.Functions]. Triggers that are switched off there are left out.
func Functions(settings map[string]string) (map[string]Function, error) {
	file, err := serverless.Read(replidesk.Deployment, func(name string) string {
		if v := settings[name]; v != "" {
			return v
		}
		return local[name]
	})
	if err != nil {
		return nil, fmt.Errorf("s.yaml: %w", err)
	}
	all := map[string]Function{}
	for _, f := range deploy.Functions() {
		r, ok := file.Resources[f]
		if !ok {
			return nil, fmt.Errorf("s.yaml has no resource %s", f)
		}
		fn := function(r.Props, settings["REPLIDESK_ACCOUNT"])
		document, err := deploy.RolePolicy(f, fn.Env["REPLIDESK_STATE_BUCKET"], fn.Env["REPLIDESK_QUEUE_PREFIX"])
		if err != nil {
			return nil, err
		}
		fn.Policy = string(document)
		all[f] = fn
	}
	return all, nil
}

// local is what s.yaml asks for and nothing of the local cloud needs.
var local = map[string]string{"REPLIDESK_LOG_PROJECT": "local", "REPLIDESK_LOG_STORE": "local"}

func function(p serverless.Function, account string) Function {
	f := Function{
		Function: fcemu.Function{
			Name: string(p.FunctionName), Region: string(p.Region), Account: account, Role: p.Role.Name(),
			Env: p.Environment, Memory: int(p.MemorySize), Timeout: time.Duration(p.Timeout) * time.Second,
			MaxInstances: int(p.Concurrency.Reserved),
		},
		Code: path.Join(path.Base(string(p.Code)), string(p.Handler)),
	}
	if a := p.Async; a != nil {
		f.Async = &fcemu.AsyncConfig{
			MaxRetries: int(a.Retries), MaxAge: time.Duration(a.MaxAge) * time.Second,
			OnFailure: string(a.Destination.OnFailure.Destination),
		}
	}
	for _, t := range p.Triggers {
		switch c := t.Config.(type) {
		case *serverless.Timer:
			if c.Enable {
				f.Timers = append(f.Timers, fcemu.TimerTrigger{Name: string(t.Name), Cron: string(c.Cron), Payload: string(c.Payload)})
			}
		case *serverless.Queue:
			if c.Enable {
				f.Queues = append(f.Queues, queueTrigger(string(t.Name), c))
			}
		}
	}
	return f
}

func queueTrigger(name string, c *serverless.Queue) fcemu.QueueTrigger {
	source, options := c.Source.Parameters.MNS, c.Options
	return fcemu.QueueTrigger{
		Name: name, Region: string(source.RegionID), Queue: string(source.QueueName), Base64Decode: source.Base64Decode,
		Mode: string(options.Mode), Schema: string(c.Sink.Delivery.Schema), Async: c.Async,
		BatchCount: int(options.Batch.Count), BatchWindow: time.Duration(options.Batch.Seconds) * time.Second,
		Retry: string(options.Retry.Strategy), ErrorsTolerance: string(options.ErrorsTolerance),
		DeadLetterQueue: string(options.DeadLetters.ARN),
	}
}

// Prepare makes what has to exist before the functions are deployed: the state
// bucket, the queues, a role for each function with its policy, and the roles that the
// desk file names in other accounts. They spread as the world's delays say.
func Prepare(w *world.World, c config.Config, functions map[string]Function) error {
	if e := w.PutBucket(world.NewBucket{Name: c.StateBucket, Owner: c.Account, Region: c.Region, Redundancy: "ZRS"}); e != nil {
		return fmt.Errorf("state bucket: %w", e)
	}
	if e := w.PutBucketEncryption(c.StateBucket, &world.Encryption{Algorithm: "AES256"}); e != nil {
		return fmt.Errorf("state bucket: %w", e)
	}
	keep := int(deploy.QueueRetention.Seconds())
	for _, q := range config.Queues() {
		if _, err := w.CreateQueue(c.Region, c.Account, c.QueueName(q), world.QueueChange{MessageRetentionPeriod: &keep}); err != nil {
			return fmt.Errorf("queue %s: %w", q, err)
		}
	}
	trust, err := deploy.TrustPolicy()
	if err != nil {
		return err
	}
	for _, f := range deploy.Functions() {
		role := functions[f].Role // its policy has the same name
		if _, e := w.CreateRole(c.Account, world.NewRole{Name: role, Trust: string(trust)}); e != nil {
			return fmt.Errorf("role %s: %w", role, e)
		}
		document, err := assuming(c, f, functions[f].Policy)
		if err != nil {
			return err
		}
		if _, e := w.CreatePolicy(c.Account, role, document, "", nil); e != nil {
			return fmt.Errorf("policy %s: %w", role, e)
		}
		if e := w.AttachPolicyToRole(c.Account, world.TypeCustom, role, role, world.View{}); e != nil {
			return fmt.Errorf("policy %s: %w", role, e)
		}
	}
	return prepareAccounts(w, c, functions)
}

// Connect switches on the triggers of a function that is deployed.
func (f Function) Connect(p *fcemu.Platform) error {
	for _, t := range f.Timers {
		if err := p.AddTimer(f.Name, t); err != nil {
			return err
		}
	}
	for _, t := range f.Queues {
		if err := p.AddQueueTrigger(f.Name, t); err != nil {
			return err
		}
	}
	return nil
}

// read reads s.yaml for this cloud, and finds the executables. It changes nothing.
func (c *Cloud) read(functionsDir string) (err error) {
	c.functions, err = Functions(map[string]string{
		"REPLIDESK_ACCOUNT":      c.A.UID,
		"REPLIDESK_REGION":       Region,
		"REPLIDESK_STATE_BUCKET": "replidesk-state-" + c.A.UID[len(c.A.UID)-8:],
	})
	if err != nil {
		return err
	}
	for _, name := range deploy.Functions() {
		f := c.functions[name]
		f.Binary = filepath.Join(functionsDir, filepath.FromSlash(f.Code))
		if _, err := os.Stat(f.Binary); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: there is no %s", ErrNotBuilt, f.Binary)
		}
		c.functions[name] = f
	}
	return nil
}

// configure lays what is this cloud's own, and not as s.yaml says, over the
// environment of the functions.
func (c *Cloud) configure(own map[string]string) (err error) {
	for _, f := range c.functions {
		maps.Copy(f.Env, own)
		c.env = f.Env // the same for each
	}
	c.Config, err = config.Read(func(name string) string { return c.env[name] })
	return err
}

// awaitRoles waits until the roles and their policies have spread.
func (c *Cloud) awaitRoles(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rolesLookLast)
	defer cancel()
	look := time.NewTicker(rolesLookIn)
	defer look.Stop()
	for _, f := range c.functions {
		for !c.roleWorks(f.Role) {
			select {
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("role %s: %w", f.Role, ctx.Err())
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

// deploy deploys the functions and then switches their triggers on: both as s.yaml
// says, but as fast as the options say.
func (c *Cloud) deploy(opt Options) error {
	for _, name := range deploy.Functions() {
		if err := c.platform.Deploy(c.functions[name].Function); err != nil {
			return err
		}
	}
	for _, name := range deploy.Functions() {
		f := c.functions[name]
		for i := range f.Queues {
			if opt.Pace > 1 {
				f.Queues[i].BatchWindow = 0
			}
		}
		for i, t := range f.Timers {
			f.Timers[i].Cron = opt.schedule(t.Cron)
		}
		if err := f.Connect(c.platform); err != nil {
			return err
		}
	}
	return nil
}

// schedule returns how often a timer calls in this cloud: as the options say, or as
// s.yaml says, divided by the pace. Times of the day stay what they are.
func (o Options) schedule(cron string) string {
	every := o.Tick
	if every == 0 {
		text, ok := strings.CutPrefix(cron, "@every ")
		asDeployed, err := time.ParseDuration(text)
		if !ok || err != nil {
			return cron
		}
		every = max(time.Duration(float64(asDeployed)/o.Pace).Truncate(time.Second), time.Second)
	}
	return "@every " + every.String()
}
