package wiring_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// A home is a cloud with all that the functions need, and one instance of provision.
type home struct {
	t     *testing.T
	cloud *emulator.Cloud
	uid   string
	env   map[string]string
}

func newHome(t *testing.T, speed float64) *home {
	t.Helper()
	cloud, accounts := emulator.Ready(world.Options{Seed: 3, Speed: speed})
	h := &home{t: t, cloud: cloud, uid: accounts.A.UID}
	h.env = map[string]string{"REPLIDESK_ACCOUNT": h.uid, "REPLIDESK_REGION": "cn-hangzhou", "REPLIDESK_STATE_BUCKET": "desk-state", "REPLIDESK_DESK": filepath.Join(t.TempDir(), "desk.json")}
	end := `{"account":"*","region":"*","bucket":"*"}`
	require.NoError(t, os.WriteFile(h.env["REPLIDESK_DESK"], []byte(`{"pairs":[{"source":`+end+`,"destination":`+end+`}]}`), 0o600))
	functions, err := localcloud.Functions(h.env)
	require.NoError(t, err)
	c, err := config.Read(h.getenv)
	require.NoError(t, err)
	require.NoError(t, localcloud.Prepare(cloud.World, c, functions))
	return h
}

func (h *home) getenv(name string) string { return h.env[name] }

// instance starts an instance of provision.
func (h *home) instance(rt http.RoundTripper) *wiring.Function {
	h.t.Helper()
	f, err := wiring.NewFunction(wiring.Provision, h.getenv, io.Discard, rt)
	require.NoError(h.t, err)
	return f
}

// key is what the platform gives to one invocation.
func (h *home) key(session string) world.AccessKey {
	h.t.Helper()
	k, e := h.cloud.World.AssumeService(h.uid, "replidesk-provision", "fc.aliyuncs.com", time.Hour, session)
	require.Nil(h.t, e)
	return k
}

// invoke is one invocation with a ticket whose buckets do not exist, so that all of its
// way, up to its answer, takes place in one.
func (h *home) invoke(ctx context.Context, f *wiring.Function, k world.AccessKey, ticket string) error {
	body := fmt.Sprintf(`{"specVersion":"1","id":%q,"action":"replicate","historical":{"replicate":false},
		"source":{"account":%q,"region":"cn-hangzhou","bucket":"src-bucket"},"destination":{"account":%[2]q,"region":"cn-shanghai","bucket":"dest-bucket"}}`, ticket, h.uid)
	return f.InvokeWith(ctx, fmt.Appendf(nil, `[{"data":{"messageBody":%q}}]`, body), k.ID, k.Secret, k.Token)
}

// phase is where a ticket is, "" when nothing is known of it.
func (h *home) phase(ticket string) replication.Phase {
	h.t.Helper()
	k := h.key("looks")
	creds := &wiring.Credentials{}
	creds.Set(k.ID, k.Secret, k.Token)
	c, err := config.Read(h.getenv)
	require.NoError(h.t, err)
	c.Endpoint = ""
	snap, err := wiring.New(c, creds, h.cloud.Transport(), slog.New(slog.DiscardHandler)).Journal.Load(h.t.Context(), journal.Job(ticket))
	require.NoError(h.t, err)
	if !snap.Exists() {
		return ""
	}
	j, err := replication.Decode(snap.Body)
	require.NoError(h.t, err)
	return j.Phase
}

func inBubble(t *testing.T, f func(h *home)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * time.Minute) }) // the MNS SDK's HTTP client tidies up for a while
		h := newHome(t, 1)
		time.Sleep(time.Minute) // the roles spread
		f(h)
	})
}

func TestEveryInvocationSignsWithItsOwnKeys(t *testing.T) {
	inBubble(t, func(h *home) {
		f := h.instance(h.cloud.Transport())
		for i, session := range []string{"first", "second", "third"} {
			_, from := h.cloud.World.Calls(0)
			require.NoError(h.t, h.invoke(h.t.Context(), f, h.key(session), fmt.Sprintf("CHG-%d", i)))
			calls, _ := h.cloud.World.Calls(from)
			services := map[string]bool{}
			for _, c := range calls {
				require.True(h.t, strings.HasSuffix(c.Caller, "/"+session), "%s %s is signed by %s", c.Service, c.Action, c.Caller)
				services[c.Service] = true
			}
			require.True(h.t, services["oss"] && services["mns"], "%v", services)
			time.Sleep(2 * time.Hour) // the keys expire; the instance is frozen
		}
	})
}

// failing carries requests, and panics once.
type failing struct {
	http.RoundTripper
	calls atomic.Int32
	at    int32 // the call that panics; 0: none
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.calls.Add(1) == f.at {
		panic("by order")
	}
	return f.RoundTripper.RoundTrip(r)
}

func TestAnInstanceGoesOnAfterAPanicAnywhere(t *testing.T) {
	inBubble(t, func(h *home) {
		whole := &failing{RoundTripper: h.cloud.Transport()}
		require.NoError(h.t, h.invoke(h.t.Context(), h.instance(whole), h.key("whole"), "CHG-0"))
		require.Greater(h.t, whole.calls.Load(), int32(5))
		for at := int32(1); at <= whole.calls.Load(); at++ {
			rt := &failing{RoundTripper: h.cloud.Transport(), at: at}
			f, ticket := h.instance(rt), fmt.Sprintf("CHG-%d", at)
			_ = h.invoke(h.t.Context(), f, h.key("panics"), ticket) // whether it is an error depends on whether the message was taken in
			require.GreaterOrEqual(h.t, rt.calls.Load(), at, "the panic came")
			time.Sleep(5 * time.Minute) // its claim ends
			require.NoError(h.t, h.invoke(h.t.Context(), f, h.key("again"), ticket), "call %d", at)
			require.Equal(h.t, replication.PhaseRejected, h.phase(ticket), "call %d", at)
		}
	})
}

func TestAnInvocationWithoutTimeTakesNothingInAndIsDeliveredAgain(t *testing.T) {
	inBubble(t, func(h *home) {
		f := h.instance(h.cloud.Transport())
		spent, cancel := context.WithDeadline(h.t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, from := h.cloud.World.Calls(0)
		require.Error(h.t, h.invoke(spent, f, h.key("spent"), "CHG-1"), "the trigger has to deliver it again")
		calls, _ := h.cloud.World.Calls(from)
		for _, c := range calls {
			require.False(h.t, c.Write, "%s %s", c.Action, c.Resource)
		}
		require.Empty(h.t, h.phase("CHG-1"))
		require.NoError(h.t, h.invoke(h.t.Context(), f, h.key("again"), "CHG-1"))
		require.Equal(h.t, replication.PhaseRejected, h.phase("CHG-1"))
	})
}

// TestAThawedInstanceGetsOverItsDeadConnections closes the connections of an instance
// between two invocations, as happens while it is frozen.
func TestAThawedInstanceGetsOverItsDeadConnections(t *testing.T) {
	h := newHome(t, 1000)
	require.Eventually(t, func() bool {
		_, e := h.cloud.World.AssumeService(h.uid, "replidesk-provision", "fc.aliyuncs.com", time.Hour, "first")
		return e == nil
	}, time.Minute, 20*time.Millisecond)
	server, err := h.cloud.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	h.env["REPLIDESK_ENDPOINT"] = server.URL
	f := h.instance(nil)
	first := h.key("first")
	require.Eventually(t, func() bool { return h.invoke(t.Context(), f, first, "CHG-1") == nil }, time.Minute, 50*time.Millisecond, "the roles spread")
	server.Close()
	require.Error(t, h.invoke(t.Context(), f, h.key("gone"), "CHG-2"), "nobody answers, so the message has to come again")
	again, err := h.cloud.Listen(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, h.invoke(t.Context(), f, h.key("second"), "CHG-2"))
	require.Equal(t, replication.PhaseRejected, h.phase("CHG-2"))
}
