package localcloud

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// Region is where account A keeps the state bucket, the queues and the functions.
const Region = "cn-hangzhou"

// Options set how a Cloud is made. Only FunctionsDir is required.
type Options struct {
	// Listen is a loopback address with a port; "" takes a free port of 127.0.0.1.
	Listen string
	// FunctionsDir holds <function>/main, built for this machine, for each of [deploy.Functions].
	FunctionsDir string
	// Speed divides the cloud's own delays. 0 means 1.
	Speed float64
	// Pace divides the pauses of the functions between two looks. 0 means 1. Above 1
	// the queue triggers do not wait for a batch to fill either.
	Pace float64
	// Tick is how often timers call, in whole seconds. 0 means as s.yaml says, divided
	// by the pace.
	Tick time.Duration
	// ManagementToken turns the management of the cloud on, see [emulator.Cloud.Manage].
	// "" leaves it off.
	ManagementToken string
	// DeskFile is where the desk file is written, and stays. "" takes a temporary one.
	DeskFile string
	// ApproverKeyFile is where the key of [Cloud.Approver] is written, and stays. ""
	// writes none.
	ApproverKeyFile string
	// Handshake gives the desk no role in account B: its owner does there what the desk
	// asks for.
	Handshake bool
	// Seed of ids, keys and jitter. 0 takes a random one.
	Seed uint64
	// Log receives what the functions write, one line at a time, and what the
	// platform has to say. nil discards it.
	Log io.Writer
}

// A Cloud is a local cloud at work. Close it at the end; it also ends with the
// context that it was started under.
type Cloud struct {
	URL    string           // of the one listener for all services
	A, B   emulator.Account // Replidesk works in A
	Config config.Config    // of the deployment, as the functions read it
	// Approver is the key of the one approver of the desk, whose name is [Approver].
	Approver ed25519.PrivateKey

	cloud     *emulator.Cloud
	server    *emulator.Server
	platform  *fcemu.Platform
	functions map[string]Function
	env       map[string]string // of the functions
	dir       string            // temporary, of the desk file; "" when there is none
	token     string            // of the management
	close     sync.Once
}

// ErrNotBuilt says that a function's executable is missing.
var ErrNotBuilt = errors.New("the functions are not built")

// Start makes a cloud and returns when everything in it is ready: the roles have
// spread, and a ticket that is sent now is worked on. The error wraps [ErrNotBuilt]
// when an executable is missing.
func Start(ctx context.Context, opt Options) (*Cloud, error) {
	opt = opt.withDefaults()
	cloud, accounts := emulator.Ready(world.Options{Speed: opt.Speed, Seed: opt.Seed})
	c := &Cloud{A: accounts.A, B: accounts.B, cloud: cloud, token: opt.ManagementToken}
	if err := c.read(opt.FunctionsDir); err != nil { // before there is anything to tidy up
		return nil, err
	}
	cloud.Manage(opt.ManagementToken)
	log := &lockedWriter{w: opt.Log}
	c.platform = fcemu.New(cloud.World, fcemu.Options{
		Log: fcemu.LogTo(log), Logger: slog.New(slog.NewTextHandler(log, nil)), Seed: opt.Seed,
	})
	if err := c.start(ctx, opt); err != nil {
		c.Close()
		return nil, fmt.Errorf("local cloud: %w", err)
	}
	context.AfterFunc(ctx, c.Close)
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Pace == 0 {
		o.Pace = 1
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

func (c *Cloud) start(ctx context.Context, opt Options) (err error) {
	if c.server, err = c.cloud.Listen(ctx, opt.Listen); err != nil {
		return err
	}
	c.URL = c.server.URL
	deskFile, err := c.writeDesk(opt.DeskFile, opt.ApproverKeyFile, opt.Handshake)
	if err != nil {
		return err
	}
	err = c.configure(map[string]string{
		"REPLIDESK_DESK":     deskFile,
		"REPLIDESK_PACE":     strconv.FormatFloat(opt.Pace, 'f', -1, 64),
		"REPLIDESK_ENDPOINT": c.URL,
	})
	if err != nil {
		return err
	}
	if err := Prepare(c.cloud.World, c.Config, c.functions); err != nil {
		return err
	}
	if err := c.awaitRoles(ctx); err != nil {
		return err
	}
	return c.deploy(opt)
}

// Close stops the functions and the listener. Functions at work are killed. It may
// be called more than once.
func (c *Cloud) Close() {
	c.close.Do(func() {
		c.platform.Stop()
		if c.server != nil {
			c.server.Close()
		}
		if c.dir != "" {
			_ = os.RemoveAll(c.dir) // the system tidies up its temporary files too
		}
	})
}

// World is the state of the cloud, to look at and to disturb.
func (c *Cloud) World() *world.World { return c.cloud.World }

// Platform is Function Compute in this cloud; [Cloud.Function] gives the names that
// it knows.
func (c *Cloud) Platform() *fcemu.Platform { return c.platform }

// Function returns one of [deploy.Functions] as it was deployed.
func (c *Cloud) Function(name string) Function { return c.functions[name] }

// Stats returns the counts of one of [deploy.Functions].
func (c *Cloud) Stats(function string) fcemu.Stats {
	return c.platform.Stats(c.functions[function].Name)
}

// KillFunction kills a process of one of [deploy.Functions] at this moment, a busy
// one if there is one, and reports whether there was any.
func (c *Cloud) KillFunction(function string) bool {
	return c.platform.Kill(c.functions[function].Name)
}

// A Variable is one line of an env file.
type Variable struct{ Name, Value string }

// Environment returns what a client needs to use the cloud: where it is, keys of a
// user of each account who may do everything there, and the settings of the
// deployment. The values are secret.
func (c *Cloud) Environment() []Variable {
	vars := []Variable{
		{"LOCAL_ENDPOINT", c.URL},
		{"LOCAL_ACCOUNT_A_UID", c.A.UID},
		{"LOCAL_ACCOUNT_A_ACCESS_KEY_ID", c.A.User.ID},
		{"LOCAL_ACCOUNT_A_ACCESS_KEY_SECRET", c.A.User.Secret},
		{"LOCAL_ACCOUNT_B_UID", c.B.UID},
		{"LOCAL_ACCOUNT_B_ACCESS_KEY_ID", c.B.User.ID},
		{"LOCAL_ACCOUNT_B_ACCESS_KEY_SECRET", c.B.User.Secret},
	}
	if c.token != "" {
		vars = append(vars, Variable{"LOCAL_MANAGEMENT_TOKEN", c.token})
	}
	for _, s := range config.Settings() {
		if v := c.env[s.Name]; v != "" {
			vars = append(vars, Variable{s.Name, v})
		}
	}
	return vars
}

// A lockedWriter takes lines from several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
