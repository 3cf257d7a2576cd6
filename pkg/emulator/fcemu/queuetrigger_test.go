package fcemu

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

var errTest = errors.New("not today")

func always(err error) func(int, delivery) error {
	return func(int, delivery) error { return err }
}

func TestBatches(t *testing.T) {
	t.Run("a batch waits for the end of its window", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.trigger(QueueTrigger{BatchWindow: 5 * time.Second})
			time.Sleep(time.Second)
			b.send("a")
			time.Sleep(2 * time.Second)
			b.send("b", "c")
			time.Sleep(4 * time.Second)
			b.send("d")
			time.Sleep(time.Minute)
			require.Equal(t, [][]string{{"a", "b", "c"}, {"d"}}, r.bodies())
			require.Equal(t, []time.Duration{6 * time.Second, 12 * time.Second}, r.times())
			require.Zero(t, b.left("in"), "delivered messages are deleted")
		})
	})
	t.Run("a batch that is full does not wait", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.send("a", "b", "c", "d", "e")
			b.trigger(QueueTrigger{BatchCount: 2, BatchWindow: 5 * time.Second, Concurrency: 1})
			time.Sleep(time.Minute)
			require.Equal(t, [][]string{{"a", "b"}, {"c", "d"}, {"e"}}, r.bodies())
			require.Equal(t, []time.Duration{0, 0, 5 * time.Second}, r.times())
		})
	})
	t.Run("without a window a batch is what the queue has", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			var bodies []string
			for range 40 {
				bodies = append(bodies, "x")
			}
			b.send(bodies...)
			b.trigger(QueueTrigger{BatchCount: 100})
			time.Sleep(time.Second)
			b.send("y")
			time.Sleep(time.Second)
			require.Equal(t, [][]string{bodies, {"y"}}, r.bodies())
			require.Equal(t, []time.Duration{0, time.Second}, r.times())
		})
	})
	t.Run("an asynchronous batch stays below 128 KB", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			big := string(slices.Repeat([]byte("z"), 60<<10))
			b.send(big, big, big)
			b.trigger(QueueTrigger{Async: true, Concurrency: 1})
			time.Sleep(time.Minute)
			var sizes []int
			for _, call := range r.bodies() {
				sizes = append(sizes, len(call))
			}
			slices.Sort(sizes)
			require.Equal(t, []int{1, 2}, sizes)
		})
	})
}

func TestWindowIsNotScaledAndRetriesAre(t *testing.T) {
	inBubble(t, world.Options{Speed: 10}, Options{}, func(b *bench) {
		r := newRecorder(always(errTest))
		b.deploy(Function{}, r.invoke)
		b.trigger(QueueTrigger{BatchWindow: 5 * time.Second, ErrorsTolerance: TolerateAll})
		b.send("a")
		time.Sleep(time.Minute)
		at := r.times()
		require.Len(t, at, 4)
		require.Equal(t, 5*time.Second, at[0])
		for i := 1; i < 4; i++ {
			require.GreaterOrEqual(t, at[i]-at[i-1], time.Second)
			require.LessOrEqual(t, at[i]-at[i-1], 2*time.Second)
		}
	})
}

func TestRetries(t *testing.T) {
	dlq := "acs:mns:" + region + ":" + account + ":/queues/dead"
	t.Run("a whole batch is redelivered three times, 10 to 20 seconds apart, and then buried", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(always(errTest))
			b.deploy(Function{}, r.invoke)
			b.send("a", "b")
			b.trigger(QueueTrigger{ErrorsTolerance: TolerateAll, DeadLetterQueue: dlq})
			time.Sleep(2 * time.Minute)
			require.Equal(t, [][]string{{"a", "b"}, {"a", "b"}, {"a", "b"}, {"a", "b"}}, r.bodies())
			at := r.times()
			for i := 1; i < len(at); i++ {
				require.GreaterOrEqual(t, at[i]-at[i-1], 10*time.Second)
				require.LessOrEqual(t, at[i]-at[i-1], 20*time.Second)
			}
			require.Zero(t, b.left("in"))
			dead, err := b.w.QueueReceive(context.Background(), region, account, "dead", 16, 0)
			require.NoError(t, err)
			require.Len(t, dead, 2)
			var e cloudEvent
			require.NoError(t, json.Unmarshal([]byte(dead[0].Body), &e))
			require.Equal(t, "a", e.Data.MessageBody)
			s := b.p.QueueTriggerStats("f", "q")
			require.Equal(t, 2, s.DeadLettered)
			require.Contains(t, s.LastError, "not today")
			require.True(t, s.Running)
		})
	})
	t.Run("the exponential strategy tries 176 times within a day", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(always(errTest))
			b.deploy(Function{}, r.invoke)
			b.send("a")
			b.trigger(QueueTrigger{Retry: ExponentialDecayRetry, ErrorsTolerance: TolerateAll, DeadLetterQueue: dlq})
			time.Sleep(25 * time.Hour)
			at := r.times()
			require.Len(t, at, 177)
			var pauses []time.Duration
			for i := 1; i < 13; i++ {
				pauses = append(pauses, (at[i]-at[i-1])/time.Second)
			}
			require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 512}, pauses)
			require.Equal(t, 86015*time.Second, at[176])
			require.Equal(t, 1, b.left("dead"))
			require.Zero(t, b.left("in"))
		})
	})
	t.Run("a delivery that succeeds at last deletes the batch", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(n int, _ delivery) error {
				if n < 2 {
					return errTest
				}
				return nil
			})
			b.deploy(Function{}, r.invoke)
			b.send("a")
			b.trigger(QueueTrigger{})
			time.Sleep(time.Hour)
			require.Len(t, r.seen(), 3)
			require.Zero(t, b.left("in"))
			require.Equal(t, 1, b.p.QueueTriggerStats("f", "q").Delivered)
		})
	})
	t.Run("with tolerance ALL and no dead-letter queue a message is dropped and the flow goes on", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(_ int, d delivery) error {
				if d.bodies[0] == "bad" {
					return errTest
				}
				return nil
			})
			b.deploy(Function{}, r.invoke)
			b.send("bad")
			b.trigger(QueueTrigger{ErrorsTolerance: TolerateAll})
			time.Sleep(time.Hour)
			b.send("good")
			time.Sleep(time.Minute)
			s := b.p.QueueTriggerStats("f", "q")
			require.Equal(t, 1, s.Dropped)
			require.Equal(t, 1, s.Delivered)
			require.Zero(t, b.left("in"))
		})
	})
	t.Run("with tolerance NONE the stream stops until it is restarted", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			fail := true
			r := newRecorder(func(int, delivery) error {
				if fail {
					return errTest
				}
				return nil
			})
			b.deploy(Function{}, r.invoke)
			b.send("a")
			b.trigger(QueueTrigger{Concurrency: 1})
			time.Sleep(time.Hour)
			b.send("b")
			time.Sleep(time.Hour)
			require.Len(t, r.seen(), 4)
			require.False(t, b.p.QueueTriggerStats("f", "q").Running)
			require.Equal(t, 2, b.left("in"), "nothing was lost")
			fail = false
			require.NoError(t, b.p.RestartQueueTrigger("f", "q"))
			time.Sleep(time.Minute)
			require.True(t, b.p.QueueTriggerStats("f", "q").Running)
			require.Zero(t, b.left("in"))
		})
	})
	t.Run("a dead-letter queue that does not exist loses the message", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{}, newRecorder(always(errTest)).invoke)
			b.send("a")
			b.trigger(QueueTrigger{ErrorsTolerance: TolerateAll, DeadLetterQueue: "acs:mns:" + region + ":" + account + ":/queues/nowhere"})
			time.Sleep(time.Hour)
			require.Equal(t, 1, b.p.QueueTriggerStats("f", "q").Dropped)
		})
	})
}

func TestDeliveryFailures(t *testing.T) {
	for name, fault := range map[string]world.Fault{
		"a reply that is lost has the batch redelivered":          {Kind: world.FaultLoseReply},
		"a call that is refused is retried":                       {Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"},
		"a call that is throttled is retried":                     {Kind: world.FaultThrottle},
		"a call that hangs is given up after five minutes":        {Kind: world.FaultHang},
		"a call that takes more than five minutes is redelivered": {Kind: world.FaultSlow, Delay: 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, world.Options{}, Options{}, func(b *bench) {
				r := newRecorder(nil)
				b.deploy(Function{}, r.invoke)
				fault.Service, fault.Action, fault.Times = "fc", "InvokeFunction", 1
				b.w.Break(fault)
				b.send("a")
				b.trigger(QueueTrigger{})
				time.Sleep(time.Hour)
				s := b.p.QueueTriggerStats("f", "q")
				require.Equal(t, 2, s.Deliveries)
				require.Equal(t, 1, s.Delivered)
				calls, _ := b.w.Calls(0)
				require.Equal(t, fault.Kind, calls[0].Fault)
				require.Equal(t, 200, calls[1].Status)
				ran := 1
				if fault.Kind == world.FaultLoseReply {
					ran = 2
				}
				require.Len(t, r.seen(), ran)
				if fault.Kind == world.FaultHang || fault.Kind == world.FaultSlow {
					require.Greater(t, r.times()[0], 5*time.Minute)
				}
			})
		})
	}
	t.Run("a crash and a time-out are failures", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(n int, _ delivery) error {
				if n == 1 {
					time.Sleep(time.Minute)
				}
				return nil
			})
			b.deploy(Function{Timeout: 30 * time.Second}, func(ctx context.Context, in Invocation) ([]byte, error) {
				if len(r.seen()) == 0 {
					b.p.Kill("f")
				}
				return r.invoke(ctx, in)
			})
			b.send("a")
			b.trigger(QueueTrigger{})
			time.Sleep(time.Hour)
			require.Len(t, r.seen(), 3)
			s := b.p.Stats("f")
			require.Equal(t, []int{3, 2, 1, 1}, []int{s.Invocations, s.Errors, s.Crashes, s.TimedOut})
			require.Zero(t, b.left("in"))
		})
	})
	t.Run("a message that takes longer than the visibility of its queue is not taken twice", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(int, delivery) error { time.Sleep(4 * time.Minute); return nil })
			b.deploy(Function{Timeout: 5 * time.Minute}, r.invoke)
			b.send("a")
			b.trigger(QueueTrigger{})
			time.Sleep(time.Hour)
			require.Len(t, r.seen(), 1)
			require.Zero(t, b.left("in"))
		})
	})
	t.Run("stopping the platform gives messages back to the queue", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{Timeout: time.Minute}, func(ctx context.Context, _ Invocation) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			b.send("in flight")
			b.trigger(QueueTrigger{Concurrency: 2, BatchWindow: 5 * time.Second})
			time.Sleep(10 * time.Second)
			b.send("in the window")
			time.Sleep(time.Second)
			b.p.Stop()
			got, err := b.w.QueueReceive(context.Background(), region, account, "in", 16, 0)
			require.NoError(t, err)
			require.Empty(t, got)
			time.Sleep(time.Second)
			got, err = b.w.QueueReceive(context.Background(), region, account, "in", 16, 0)
			require.NoError(t, err)
			require.Len(t, got, 2)
		})
	})
}

func TestDisturbances(t *testing.T) {
	t.Run("a message is delivered again as often as ordered, in later batches", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.trigger(QueueTrigger{Concurrency: 1, BatchWindow: time.Second})
			require.NoError(t, b.p.DuplicateNext("f", "q", 2)) // before the trigger has anything to receive
			b.send("a", "b")
			time.Sleep(time.Minute)
			require.Equal(t, [][]string{{"a", "b"}, {"a"}, {"a"}}, r.bodies())
		})
	})
	t.Run("every third message is doubled", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.send("a", "b", "c", "d", "e", "f")
			b.trigger(QueueTrigger{Concurrency: 1, DuplicateEvery: 3})
			time.Sleep(time.Minute)
			require.Equal(t, [][]string{{"a", "b", "c", "d", "e", "f"}, {"c", "f"}}, r.bodies())
		})
	})
	t.Run("a held message comes late and out of order", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.trigger(QueueTrigger{Concurrency: 1})
			require.NoError(t, b.p.HoldNext("f", "q", 90*time.Second))
			b.send("a", "b")
			time.Sleep(5 * time.Minute)
			require.Equal(t, [][]string{{"b"}, {"a"}}, r.bodies())
			require.Equal(t, []time.Duration{0, 90 * time.Second}, r.times())
			require.Zero(t, b.left("in"))
		})
	})
}

func TestParallelBatches(t *testing.T) {
	t.Run("as many batches are under way as the function has instances", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(int, delivery) error { time.Sleep(10 * time.Second); return nil })
			b.deploy(Function{MaxInstances: 2, Timeout: time.Minute}, r.invoke)
			b.send("a", "b", "c", "d", "e")
			b.trigger(QueueTrigger{BatchCount: 1})
			time.Sleep(time.Minute)
			require.Equal(t, []time.Duration{0, 0, 10 * time.Second, 10 * time.Second, 20 * time.Second}, r.times())
			s := b.p.Stats("f")
			require.Equal(t, 2, s.MaxBusy)
			require.Equal(t, 2, s.Instances)
			require.Zero(t, s.Throttled)
		})
	})
	t.Run("a trigger with more batches than instances is throttled and tries again", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(int, delivery) error { time.Sleep(2 * time.Second); return nil })
			b.deploy(Function{MaxInstances: 1}, r.invoke)
			b.send("a", "b", "c")
			b.trigger(QueueTrigger{BatchCount: 1, Concurrency: 3, Retry: ExponentialDecayRetry})
			time.Sleep(time.Hour)
			require.Len(t, r.seen(), 3)
			require.Positive(t, b.p.Stats("f").Throttled)
			require.Equal(t, 1, b.p.Stats("f").MaxBusy)
		})
	})
}

func TestEventForms(t *testing.T) {
	plain := `{"id":"CHG-2041"}`
	coded := base64.StdEncoding.EncodeToString([]byte(plain))
	one := func(t *testing.T, body string, trigger QueueTrigger) (got delivery) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			b.send(body)
			b.trigger(trigger)
			synctest.Wait()
			require.Len(t, r.seen(), 1)
			got = r.seen()[0]
		})
		return got
	}
	t.Run("a stream delivers an array of CloudEvents, also of one", func(t *testing.T) {
		got := one(t, coded, QueueTrigger{Base64Decode: true})
		var events []map[string]any
		require.NoError(t, json.Unmarshal(got.in.Payload, &events))
		require.Len(t, events, 1)
		e := events[0]
		data := e["data"].(map[string]any)
		require.Equal(t, e["id"], data["messageId"])
		require.NotEmpty(t, data["requestId"])
		require.Equal(t, plain, data["messageBody"])
		for _, at := range []string{"time", "aliyunpublishtime"} {
			_, err := time.Parse(time.RFC3339, e[at].(string))
			require.NoError(t, err)
			delete(e, at)
		}
		delete(e, "data")
		delete(e, "id")
		require.Equal(t, map[string]any{
			"source": "MNS-f-q", "specversion": "1.0", "type": "mns:Queue:SendMessage",
			"datacontenttype": "application/json; charset=utf-8",
			"subject":         "acs:mns:" + region + ":" + account + ":queues/in",
			"aliyunaccountid": account, "aliyunoriginalaccountid": account,
			"aliyuneventbusname": "MNS-f-q", "aliyunregionid": region, "aliyunpublishaddr": "127.0.0.1",
		}, e)
	})
	t.Run("a body is left as it is when it is not to be decoded, or is not base64", func(t *testing.T) {
		require.Equal(t, []string{coded}, one(t, coded, QueueTrigger{}).bodies)
		require.Equal(t, []string{plain}, one(t, plain, QueueTrigger{Base64Decode: true}).bodies)
	})
	t.Run("event mode delivers one object under its own id", func(t *testing.T) {
		got := one(t, plain, QueueTrigger{Mode: EventDriven})
		var e cloudEvent
		require.NoError(t, json.Unmarshal(got.in.Payload, &e))
		require.Equal(t, e.ID, got.in.RequestID)
		require.Equal(t, plain, e.Data.MessageBody)
	})
	t.Run("raw data is the content of data alone", func(t *testing.T) {
		got := one(t, plain, QueueTrigger{Schema: RawData})
		var data []messageData
		require.NoError(t, json.Unmarshal(got.in.Payload, &data))
		require.Equal(t, plain, data[0].MessageBody)
	})
	t.Run("elements can be strings that hold the events", func(t *testing.T) {
		got := one(t, plain, QueueTrigger{StringElements: true})
		var texts []string
		require.NoError(t, json.Unmarshal(got.in.Payload, &texts))
		var e cloudEvent
		require.NoError(t, json.Unmarshal([]byte(texts[0]), &e))
		require.Equal(t, plain, e.Data.MessageBody)
	})
}

func TestQueueTriggerIsChecked(t *testing.T) {
	good := QueueTrigger{Name: "q", Region: region, Queue: "in", Mode: EventStreaming, BatchCount: 1}
	for name, change := range map[string]func(*QueueTrigger){
		"another region":              func(q *QueueTrigger) { q.Region = "cn-shanghai" },
		"a queue that does not exist": func(q *QueueTrigger) { q.Queue = "nowhere" },
		"no name":                     func(q *QueueTrigger) { q.Name = "" },
		"a name that is taken":        func(q *QueueTrigger) { q.Name = "taken" },
		"an unknown mode":             func(q *QueueTrigger) { q.Mode = "stream" },
		"an unknown schema":           func(q *QueueTrigger) { q.Schema = "Raw" },
		"an unknown retry strategy":   func(q *QueueTrigger) { q.Retry = "BACKOFF" },
		"an unknown tolerance":        func(q *QueueTrigger) { q.ErrorsTolerance = "SOME" },
		"no batch count":              func(q *QueueTrigger) { q.BatchCount = 0 },
		"too large a batch count":     func(q *QueueTrigger) { q.BatchCount = 10001 },
		"too long a window":           func(q *QueueTrigger) { q.BatchWindow = 16 * time.Second },
		"a destination ARN for a DLQ": func(q *QueueTrigger) { q.DeadLetterQueue = "acs:mns:r:1:/queues/dead/messages" },
		"run options in event mode":   func(q *QueueTrigger) { q.Mode = EventDriven },
		"negative concurrency":        func(q *QueueTrigger) { q.Concurrency = -1 },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			inBubble(t, world.Options{}, Options{}, func(b *bench) {
				b.deploy(Function{}, newRecorder(nil).invoke)
				require.NoError(t, b.p.AddTimer("f", TimerTrigger{Name: "taken", Cron: "@every 1h"}))
				q := good
				change(&q)
				require.Error(t, b.p.AddQueueTrigger("f", q))
				require.NoError(t, b.p.AddQueueTrigger("f", good))
				require.Error(t, b.p.AddQueueTrigger("nobody", good))
			})
		})
	}
}
