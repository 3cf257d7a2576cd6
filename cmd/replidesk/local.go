package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/localcloud"
)

// cloudFlags are the flags that local and run have in common. A pace that is not given
// follows from the speed, and a tick from the pace: a fast cloud is of no use to slow
// functions.
func cloudFlags(f *flag.FlagSet, o *localcloud.Options) {
	f.StringVar(&o.FunctionsDir, "functions", "dist", "")
	f.Float64Var(&o.Speed, "speed", o.Speed, "")
	f.Float64Var(&o.Pace, "pace", 0, "")
	f.DurationVar(&o.Tick, "tick", 0, "")
}

// settleCloud fills in what was not given, and refuses settings that no cloud can have.
func settleCloud(command string, o *localcloud.Options) error {
	if o.Pace == 0 {
		o.Pace = min(max(o.Speed, 1), 1000)
	}
	switch {
	case !(o.Speed > 0 && o.Speed <= 1e6):
		return misuse("%s: --speed %v is not a number above 0", command, o.Speed)
	case !(o.Pace >= 1 && o.Pace <= 1000):
		return misuse("%s: --pace %v is not a number from 1 to 1000", command, o.Pace)
	case o.Tick < 0 || o.Tick%time.Second != 0:
		return misuse("%s: --tick %s is not a whole number of seconds", command, o.Tick)
	}
	return nil
}

// startCloud is localcloud.Start with a hint for those who have not built.
func startCloud(ctx context.Context, o localcloud.Options) (*localcloud.Cloud, error) {
	c, err := localcloud.Start(ctx, o)
	if errors.Is(err, localcloud.ErrNotBuilt) {
		return nil, hint(err, "run make build first")
	}
	return c, err
}

// runLocal keeps a local cloud running until it is interrupted.
func runLocal(ctx context.Context, a *app, args []string) error {
	opt := localcloud.Options{Speed: 1, ManagementToken: rand.Text()}
	f := newFlags("local")
	cloudFlags(f, &opt)
	f.StringVar(&opt.Listen, "listen", "127.0.0.1:0", "")
	envFile := f.String("env-file", filepath.Join("out", "local.env"), "")
	logFile := f.String("log", "", "")
	examples := f.Bool("examples", false, "")
	if err := parseNone(f, args); err != nil {
		return err
	}
	if err := settleCloud("local", &opt); err != nil {
		return err
	}
	log, err := a.functionsLog(*logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	opt.Log = log
	beside := strings.TrimSuffix(*envFile, ".env")
	opt.DeskFile, opt.ApproverKeyFile = beside+".desk.json", beside+".approver.pem" // they stay, as the env file does, which names the first
	c, err := startCloud(ctx, opt)
	if err != nil {
		return err
	}
	defer c.Close()
	vars := c.Environment()
	if *examples {
		k, err := newKeys(c)
		if err == nil {
			err = makeHandRole(c.World(), c.A.UID)
		}
		if err == nil {
			err = makeRoles(c.World(), c.A.UID)
		}
		if err == nil {
			err = seedExamples(ctx, newClients(c, k))
		}
		if err != nil {
			return fmt.Errorf("example buckets: %w", err)
		}
		vars = append(vars, localcloud.Variable{Name: keyVariable, Value: k.copies})
		vars = append(vars, localcloud.Variable{Name: dueByVariable, Value: dueBy(time.Now().Add(time.Hour))})
	}
	if err := writeEnv(*envFile, vars); err != nil {
		return fmt.Errorf("env file: %w", err)
	}
	a.say("the local cloud is ready at %s; what a client needs is in %s; interrupt to end it", c.URL, *envFile)
	<-ctx.Done()
	a.say("the local cloud has ended")
	return nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// functionsLog opens the log of the functions; "" is standard error.
func (a *app) functionsLog(file string) (io.WriteCloser, error) {
	if file == "" {
		return nopCloser{a.stderr}, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}
