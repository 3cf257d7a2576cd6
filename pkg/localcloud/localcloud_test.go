package localcloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk"
	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/fcemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/serverless"
)

// functions holds the built functions of this test run.
var functions string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "localcloud")
		if err == nil {
			defer os.RemoveAll(dir)
			err = localcloud.Build(context.Background(), dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		functions = dir
		return m.Run()
	}())
}

// A safeBuffer is a log that several goroutines write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, opt localcloud.Options) (*localcloud.Cloud, *safeBuffer) {
	t.Helper()
	log := &safeBuffer{}
	opt.FunctionsDir, opt.Log = functions, log
	c, err := localcloud.Start(t.Context(), opt)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return c, log
}

func queue(t *testing.T, c *localcloud.Cloud, q config.Queue) world.QueueInfo {
	t.Helper()
	info, err := c.World().QueueStats(localcloud.Region, c.A.UID, c.Config.QueueName(q))
	require.NoError(t, err)
	return info
}

func TestATicketIsAnsweredByTheRealFunction(t *testing.T) {
	c, _ := start(t, localcloud.Options{Speed: 1000, Pace: 1000})
	_, err := c.World().QueueSend(localcloud.Region, c.A.UID, c.Config.QueueName(config.QueueRequests), `{"id":"CHG-1"}`, -1)
	require.NoError(t, err)
	for _, q := range []config.Queue{config.QueueResults, config.QueueDead} { // the refusal, and the bad ticket
		require.Eventually(t, func() bool { return queue(t, c, q).Active == 1 }, 30*time.Second, 20*time.Millisecond, "%s", q)
	}
	require.Equal(t, 1, c.Stats("provision").Invocations)
	require.Zero(t, c.Stats("provision").Errors)
	require.True(t, c.KillFunction("provision"))
	require.False(t, c.KillFunction("verify"), "nobody has woken it yet")
}

func TestTheTimerCallsProgress(t *testing.T) {
	c, log := start(t, localcloud.Options{Speed: 1000, Pace: 1000, Tick: time.Second})
	require.Eventually(t, func() bool { return c.Stats("progress").Invocations > 0 }, 30*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return bytes.Contains([]byte(log.String()), []byte("replidesk-progress | ")) }, 10*time.Second, 20*time.Millisecond,
		"what functions write is logged with their names")
}

func TestEverythingIsThereBeforeTheFirstTicket(t *testing.T) {
	c, _ := start(t, localcloud.Options{Speed: 1000, Seed: 7})
	require.Equal(t, c.A.UID, c.Config.Account)
	require.Equal(t, c.URL, c.Config.Endpoint)

	b, e := c.World().Bucket(c.Config.StateBucket)
	require.Nil(t, e)
	require.Equal(t, c.A.UID, b.Owner)
	require.Empty(t, b.Versioning, "a journal can only be kept in a bucket that never had versions")
	require.Equal(t, "AES256", b.Encryption.Algorithm)
	for _, q := range config.Queues() {
		require.Equal(t, 7*24*3600, queue(t, c, q).Attributes.MessageRetentionPeriod, "of %s", q)
	}
	for _, f := range deploy.Functions() {
		name := c.Function(f).Role
		want, err := deploy.RolePolicy(f, c.Config.StateBucket, c.Config.QueuePrefix)
		require.NoError(t, err)
		if deploy.Assumes(f) {
			want, err = deploy.Assuming(want, "acs:ram::"+c.B.UID+":role/"+deploy.DestinationRole)
			require.NoError(t, err)
		}
		got, ok, e := c.World().GetPolicyVersion(c.A.UID, "Custom", name, "v1", world.View{})
		require.Nil(t, e)
		require.True(t, ok)
		require.JSONEq(t, string(want), string(got.Document), "the function has the rights that are deployed and no others")
		attached, e := c.World().ListPoliciesForRole(c.A.UID, name, world.View{})
		require.Nil(t, e)
		require.Len(t, attached, 1)
	}
	env := map[string]string{}
	for _, v := range c.Environment() {
		require.NotContains(t, env, v.Name)
		env[v.Name] = v.Value
	}
	read, err := config.Read(func(name string) string { return env[name] })
	require.NoError(t, err)
	require.Equal(t, c.Config, read, "a client that reads the environment has the settings of the functions")
	require.Equal(t, c.B.User.Secret, env["LOCAL_ACCOUNT_B_ACCESS_KEY_SECRET"])
}

func TestACloudEndsOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := localcloud.Start(ctx, localcloud.Options{FunctionsDir: functions, Speed: 1000})
	require.NoError(t, err)
	cancel()
	c.Close()
	c.Close()
	_, err = http.Get(c.URL)
	require.Error(t, err)
}

func TestTheFunctionsMustBeBuilt(t *testing.T) {
	desk := filepath.Join(t.TempDir(), "desk.json")
	_, err := localcloud.Start(t.Context(), localcloud.Options{FunctionsDir: t.TempDir(), DeskFile: desk})
	require.ErrorIs(t, err, localcloud.ErrNotBuilt)
	require.NoFileExists(t, desk, "what cannot be run leaves nothing behind")
}

func TestTheListenAddressMustBeLoopback(t *testing.T) {
	_, err := localcloud.Start(t.Context(), localcloud.Options{FunctionsDir: functions, Listen: "0.0.0.0:0"})
	require.ErrorContains(t, err, "loopback")
}

func TestTheManagementNeedsItsToken(t *testing.T) {
	c, _ := start(t, localcloud.Options{Speed: 1000, ManagementToken: "of this test"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL+"/_cloud/queues", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer of this test")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var got struct{ Queues []struct{ Name string } }
	require.NoError(t, json.Unmarshal(body, &got))
	require.Len(t, got.Queues, len(config.Queues()))
}

func TestTheFunctionsAreThoseOfTheDeploymentFile(t *testing.T) {
	c, _ := start(t, localcloud.Options{Speed: 1000, Pace: 12})
	file, err := serverless.Read(replidesk.Deployment, func(name string) string {
		for _, v := range c.Environment() {
			if v.Name == name {
				return v.Value
			}
		}
		return "filled-in"
	})
	require.NoError(t, err)
	for _, name := range deploy.Functions() {
		want, got := file.Resources[name].Props, c.Function(name)
		require.Equal(t, string(want.FunctionName), got.Name)
		require.Equal(t, want.Role.Name(), got.Role)
		require.Equal(t, localcloud.Region, got.Region)
		require.Equal(t, c.A.UID, got.Account)
		require.Equal(t, filepath.Join(functions, name, "main"), got.Binary)
		require.Equal(t, int(want.MemorySize), got.Memory)
		require.InDelta(t, float64(want.Timeout), got.Timeout.Seconds(), 0)
		require.Equal(t, int(want.Concurrency.Reserved), got.MaxInstances)
		require.Len(t, want.Triggers, len(got.Timers)+len(got.Queues))
		for variable := range want.Environment {
			require.Contains(t, got.Env, variable)
		}
		require.Equal(t, "false", got.Env["REPLIDESK_INTERNAL"], "a default of the file")
		require.Equal(t, "12", got.Env["REPLIDESK_PACE"], "this cloud's own")
		require.Equal(t, c.URL, got.Env["REPLIDESK_ENDPOINT"])
	}
	failed := "acs:mns:" + localcloud.Region + ":" + c.A.UID + ":/queues/" + c.Config.QueueName(config.QueueFailed) + "/messages"
	require.Equal(t, &fcemu.AsyncConfig{MaxAge: time.Minute, OnFailure: failed}, c.Function("progress").Async)
	require.Nil(t, c.Function("verify").Async)
	require.Equal(t, []fcemu.TimerTrigger{{Name: "tick", Cron: "@every 5s", Payload: `{"tick":true}`}}, c.Function("progress").Timers)
	require.Equal(t, []fcemu.QueueTrigger{{
		Name: "wake", Region: localcloud.Region, Queue: c.Config.QueueName(config.QueueWakeVerify), Base64Decode: true,
		Mode: fcemu.EventStreaming, Schema: fcemu.CloudEvents, BatchCount: 10, BatchWindow: 0,
		Retry: fcemu.ExponentialDecayRetry, ErrorsTolerance: fcemu.TolerateAll,
		DeadLetterQueue: "acs:mns:" + localcloud.Region + ":" + c.A.UID + ":/queues/" + c.Config.QueueName(config.QueueUndelivered),
	}}, c.Function("verify").Queues)
	require.Len(t, c.Function("provision").Queues, 2)
}

func TestTimersKeepUpWithTheFunctions(t *testing.T) {
	for _, c := range []struct {
		pace         float64
		tick         time.Duration
		deployed, is string
	}{
		{1, 0, "@every 1m", "@every 1m0s"},
		{7, 0, "@every 1m", "@every 8s"},
		{60, 0, "@every 1m", "@every 1s"},
		{1000, 0, "@every 1m", "@every 1s"},
		{60, 5 * time.Second, "@every 1m", "@every 5s"},
		{60, 0, "0 0 4 * * *", "0 0 4 * * *"},
		{1, 5 * time.Second, "0 0 4 * * *", "@every 5s"},
	} {
		require.Equal(t, c.is, localcloud.Options{Pace: c.pace, Tick: c.tick}.Schedule(c.deployed))
	}
}
