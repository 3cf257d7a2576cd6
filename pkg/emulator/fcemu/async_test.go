package fcemu

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const destination = "acs:mns:" + region + ":" + account + ":/queues/dead/messages"

const maySend = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"mns:SendMessage","Resource":"` + destination + `"}]}`

func TestAsyncInvocation(t *testing.T) {
	t.Run("a function error is retried three times, and the function is told which try it is", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(always(errTest))
			b.deploy(Function{}, r.invoke)
			id, err := b.p.InvokeAsync("f", []byte("x"))
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.Equal(t, []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}, r.times())
			for i, d := range r.seen() {
				require.Equal(t, i, d.in.RetryCount)
				require.Equal(t, id, d.in.RequestID)
			}
			require.Equal(t, 1, b.p.Stats("f").AsyncGivenUp)
		})
	})
	t.Run("retries are scaled", func(t *testing.T) {
		inBubble(t, world.Options{Speed: 10}, Options{}, func(b *bench) {
			r := newRecorder(always(errTest))
			b.deploy(Function{Async: &AsyncConfig{MaxRetries: 1}}, r.invoke)
			_, err := b.p.InvokeAsync("f", nil)
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.Equal(t, []time.Duration{0, 100 * time.Millisecond}, r.times())
		})
	})
	t.Run("an event that is given up is told to the failure destination", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.role("fn", maySend)
			time.Sleep(time.Minute) // the grant spreads
			b.deploy(Function{Role: "fn", Async: &AsyncConfig{MaxRetries: 2, OnFailure: destination}}, newRecorder(always(errTest)).invoke)
			id, err := b.p.InvokeAsync("f", []byte(`{"job":"monitor"}`))
			require.NoError(t, err)
			time.Sleep(time.Hour)
			got, err := b.w.QueueReceive(context.Background(), region, account, "dead", 16, 0)
			require.NoError(t, err)
			require.Len(t, got, 1)
			var doc map[string]any
			require.NoError(t, json.Unmarshal([]byte(got[0].Body), &doc))
			require.NotZero(t, doc["timestamp"])
			delete(doc, "timestamp")
			require.Equal(t, map[string]any{
				"requestContext": map[string]any{
					"requestId": id, "functionArn": "acs:fc:" + region + ":" + account + ":functions/f",
					"condition": UnhandledInvocationError, "approximateInvokeCount": 3.0,
				},
				"requestPayload":  `{"job":"monitor"}`,
				"responseContext": map[string]any{"statusCode": 200.0, "functionError": UnhandledInvocationError},
				"responsePayload": `{"errorMessage":"not today","errorType":"errorString"}`,
			}, doc)
		})
	})
	t.Run("a role that may not send loses the event", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.role("fn", "")
			time.Sleep(time.Minute)
			b.deploy(Function{Role: "fn", Async: &AsyncConfig{OnFailure: destination}}, newRecorder(always(errTest)).invoke)
			_, err := b.p.InvokeAsync("f", nil)
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.Equal(t, 1, b.p.Stats("f").AsyncGivenUp)
			require.Zero(t, b.left("dead"))
		})
	})
	t.Run("throttling is waited out with growing pauses", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(int, delivery) error { time.Sleep(10 * time.Second); return nil })
			b.deploy(Function{MaxInstances: 1, Timeout: time.Minute}, r.invoke)
			for range 2 {
				_, err := b.p.InvokeAsync("f", nil)
				require.NoError(t, err)
			}
			time.Sleep(time.Hour)
			// refused at 0, 0.5, 1.5, 3.5 and 7.5 s
			require.Equal(t, []time.Duration{0, 15500 * time.Millisecond}, r.times())
			require.Equal(t, 5, b.p.Stats("f").Throttled)
			require.Zero(t, r.seen()[1].in.RetryCount)
		})
	})
	t.Run("throttling is given up after five hours", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.w.Break(world.Fault{Service: "fc", Kind: world.FaultThrottle})
			_, err := b.p.InvokeAsync("f", nil)
			require.NoError(t, err)
			time.Sleep(4 * time.Hour)
			require.Zero(t, b.p.Stats("f").AsyncGivenUp)
			time.Sleep(2 * time.Hour)
			require.Equal(t, 1, b.p.Stats("f").AsyncGivenUp)
			require.Empty(t, r.seen())
		})
	})
	t.Run("an event that is too old is given up", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(always(errTest))
			b.deploy(Function{Async: &AsyncConfig{MaxRetries: 8, MaxAge: 5 * time.Second}}, r.invoke)
			_, err := b.p.InvokeAsync("f", nil)
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, r.times())
		})
	})
	t.Run("a system error is not retried", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.w.Break(world.Fault{Service: "fc", Kind: world.FaultRefuse, Status: 500, Code: "InternalServerError", Times: 1})
			_, err := b.p.InvokeAsync("f", nil)
			require.NoError(t, err)
			time.Sleep(time.Hour)
			require.Empty(t, r.seen())
			require.Equal(t, 1, b.p.Stats("f").AsyncGivenUp)
		})
	})
}
