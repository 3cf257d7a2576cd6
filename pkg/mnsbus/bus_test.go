package mnsbus_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/mnsbus"
	"github.com/replidesk/replidesk/pkg/replication"
)

const region = "cn-hangzhou"

var queues = mnsbus.Queues{WakeProvision: "wake-provision", WakeVerify: "wake-verify", Results: "results", Dead: "dead"}

type bench struct {
	cloud *emulator.Cloud
	uid   string
	key   world.AccessKey
	bus   *mnsbus.Bus
}

func newBench(t *testing.T, transport func(http.RoundTripper) http.RoundTripper) *bench {
	cloud, accounts := emulator.Ready(world.Options{})
	b := &bench{cloud: cloud, uid: accounts.A.UID, key: accounts.A.User}
	for _, q := range []string{queues.WakeProvision, queues.WakeVerify, queues.Results, queues.Dead} {
		_, err := cloud.World.CreateQueue(region, b.uid, q, world.QueueChange{})
		require.NoError(t, err)
	}
	rt := cloud.Transport()
	if transport != nil {
		rt = transport(rt)
	}
	b.bus = mnsbus.New(mnsbus.Config{
		Account: b.uid, Region: region, Scheme: "http", Transport: rt, Queues: queues, Source: "replidesk/test",
		Credentials: func() (string, string, string) { return b.key.ID, b.key.Secret, b.key.Token },
	})
	time.Sleep(time.Minute) // the right of a new user spreads
	return b
}

func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(time.Minute) }) // the SDK's HTTP client tidies up for a while
			f(t)
		})
	})
}

func TestTheBus(t *testing.T) {
	ctx := context.Background()

	bubble(t, "delivers a wake to the function that it is for, after its delay in whole seconds rounded up", func(t *testing.T) {
		b := newBench(t, nil)
		require.NoError(t, b.bus.Wake(ctx, replication.OwnerVerify, "CHG-1", 7, 2500*time.Millisecond))
		sent := time.Now()
		got, err := b.bus.Receive(ctx, queues.WakeVerify, 1, 30*time.Second)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.JSONEq(t, `{"wake":{"job":"CHG-1","rev":7}}`, string(got[0].Body))
		require.Equal(t, 3*time.Second, time.Since(sent).Round(time.Second))
		require.NoError(t, b.bus.Delete(ctx, queues.WakeVerify, got[0].Handle))
		require.NoError(t, b.bus.Delete(ctx, queues.WakeVerify, got[0].Handle), "what is gone is gone")
	})

	bubble(t, "never asks for more delay than half a day", func(t *testing.T) {
		b := newBench(t, nil)
		require.NoError(t, b.bus.Wake(ctx, replication.OwnerProvision, "CHG-1", 1, 100*time.Hour))
		time.Sleep(12*time.Hour + time.Second)
		got, err := b.bus.Receive(ctx, queues.WakeProvision, 1, 0)
		require.NoError(t, err)
		require.Len(t, got, 1)
	})

	bubble(t, "says that an empty queue is empty and not an error", func(t *testing.T) {
		b := newBench(t, nil)
		got, err := b.bus.Receive(ctx, queues.Results, 16, 0)
		require.NoError(t, err)
		require.Empty(t, got)
	})

	bubble(t, "publishes results as CloudEvents and buries bad tickets with their reason, long ones too", func(t *testing.T) {
		b := newBench(t, nil)
		e := replication.Event{ID: "CHG-1/3/0", Rev: 3, Type: replication.EventVerified, At: time.Now(), Job: "CHG-1", Reason: replication.ReasonVerified, Message: "done"}
		require.NoError(t, b.bus.Publish(ctx, e))
		got, err := b.bus.Receive(ctx, queues.Results, 1, 0)
		require.NoError(t, err)
		var ce map[string]any
		require.NoError(t, json.Unmarshal(got[0].Body, &ce))
		require.Equal(t, "1.0", ce["specversion"])
		require.Equal(t, "CHG-1/3/0", ce["id"])
		require.Equal(t, "replidesk/test", ce["source"])

		long := []byte(strings.Repeat("x", 60<<10))
		require.NoError(t, b.bus.Bury(ctx, long, replication.Problem{Code: replication.ReasonMalformed, Message: strings.Repeat("é", 9000)}))
		got, err = b.bus.Receive(ctx, queues.Dead, 1, 0)
		require.NoError(t, err)
		var burial mnsbus.Burial
		require.NoError(t, json.Unmarshal(got[0].Body, &burial))
		require.Equal(t, replication.ReasonMalformed, burial.Reason.Code)
		require.True(t, strings.HasPrefix(string(long), string(burial.Body)))
	})

	bubble(t, "follows a key that changes", func(t *testing.T) {
		b := newBench(t, nil)
		require.NoError(t, b.bus.Send(ctx, queues.Results, []byte("a"), 0))
		b.key = b.cloud.World.NewRootKey(b.uid)
		require.NoError(t, b.bus.Send(ctx, queues.Results, []byte("b"), 0))
		b.key = world.AccessKey{}
		require.ErrorContains(t, b.bus.Send(ctx, queues.Results, []byte("c"), 0), "no access key")
	})

	bubble(t, "makes one attempt, and does not know the outcome when the answer is lost", func(t *testing.T) {
		b := newBench(t, nil)
		b.cloud.World.Break(world.Fault{Service: "mns", Action: "SendMessage", Kind: world.FaultLoseReply, Times: 1})
		err := b.bus.Send(ctx, queues.Results, []byte("a"), 0)
		require.Equal(t, fault.Unknown, fault.Of(err))
		got, err := b.bus.Receive(ctx, queues.Results, 16, 0)
		require.NoError(t, err)
		require.Len(t, got, 1, "the message was sent, once")
	})

	bubble(t, "ends with its context when the service hangs", func(t *testing.T) {
		b := newBench(t, nil)
		b.cloud.World.Break(world.Fault{Service: "mns", Kind: world.FaultHang})
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		began := time.Now()
		require.Equal(t, fault.Unknown, fault.Of(b.bus.Send(ctx, queues.Results, []byte("a"), 0)))
		require.Equal(t, time.Second, time.Since(began))
	})

	bubble(t, "never shows a key, a signature or a token in an error", func(t *testing.T) {
		b := newBench(t, nil)
		b.key.Token = "a-token-nobody-may-see"
		err := b.bus.Send(ctx, "no-such-queue", []byte("a"), 0)
		require.Error(t, err)
		for _, secret := range []string{b.key.Secret, b.key.Token} {
			require.NotContains(t, err.Error(), secret)
		}
	})
}

func TestEveryCodeOfTheService(t *testing.T) {
	answers := map[string]struct {
		status int
		body   string
		kind   fault.Kind
	}{
		"a missing right":                    {403, code("AccessDenied"), fault.Denied},
		"throttling, whatever the status":    {503, code("QpsLimitExceeded"), fault.Throttled},
		"a missing queue":                    {404, code("QueueNotExist"), fault.NotFound},
		"an internal error":                  {500, code("InternalError"), fault.Unknown},
		"a code that nobody knows":           {400, code("SomethingNew"), fault.Retryable},
		"a code that nobody knows, as 5xx":   {502, code("SomethingNew"), fault.Unknown},
		"a proxy's page instead of XML":      {502, "<html>bad gateway</html>", fault.Unknown},
		"a bad argument":                     {400, code("InvalidArgument"), fault.Terminal},
		"an answer that breaks off":          {403, "<Error><Code>Acc", fault.Retryable},
		"a key that the service knows not":   {403, code("InvalidAccessKeyId"), fault.Retryable},
		"success with a body that is no XML": {201, "hello", fault.Unknown},
	}
	for name, a := range answers {
		bubble(t, name, func(t *testing.T) {
			b := newBench(t, func(http.RoundTripper) http.RoundTripper {
				return roundTripper(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
				})
			})
			require.Equal(t, a.kind, fault.Of(b.bus.Send(context.Background(), queues.Results, []byte("a"), 0)))
		})
	}
}

func code(c string) string {
	return `<?xml version="1.0"?><Error xmlns="http://mns.aliyuncs.com/doc/v1/"><Code>` + c + `</Code><Message>m</Message><RequestId>R</RequestId></Error>`
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
