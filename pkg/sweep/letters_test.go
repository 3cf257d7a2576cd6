package sweep_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/sweep"
)

// queue is a queue that hides what was received for half a minute.
type queue struct {
	bodies map[string][]byte
	hidden map[string]time.Time
	broken bool
}

func newQueue(bodies ...string) *queue {
	q := &queue{bodies: map[string][]byte{}, hidden: map[string]time.Time{}}
	for i, b := range bodies {
		q.bodies[fmt.Sprintf("receipt-%03d", i)] = []byte(b)
	}
	return q
}

func (q *queue) Receive(_ context.Context, n int) (map[string][]byte, error) {
	if q.broken {
		return nil, errBus
	}
	got := map[string][]byte{}
	for _, r := range slices.Sorted(maps.Keys(q.bodies)) {
		if len(got) < n && !time.Now().Before(q.hidden[r]) {
			got[r], q.hidden[r] = q.bodies[r], time.Now().Add(30*time.Second)
		}
	}
	return got, nil
}

func (q *queue) Delete(_ context.Context, receipt string) error {
	if q.broken {
		return errBus
	}
	delete(q.bodies, receipt)
	return nil
}

func TestWhatATriggerGaveUpOnIsBroughtBack(t *testing.T) {
	tick := func(t *testing.T, q *queue, intake sweep.Intake) sweep.Report {
		s := newBench(t).sweep("w")
		s.Letters, s.Intake = q, intake
		r, err := s.Tick(context.Background())
		require.NoError(t, err)
		return r
	}
	bubble(t, "and deleted once it is safe", func(t *testing.T) {
		q := newQueue(`{"id":"CHG-1"}`, `[{"data":{"messageBody":"{}"}}]`)
		var got []string
		r := tick(t, q, func(_ context.Context, body []byte) error { got = append(got, string(body)); return nil })
		slices.Sort(got)
		require.Equal(t, []string{`[{"data":{"messageBody":"{}"}}]`, `{"id":"CHG-1"}`}, got)
		require.Equal(t, 2, r.Letters)
		require.Empty(t, q.bodies)
	})
	bubble(t, "or stays in the queue", func(t *testing.T) {
		q := newQueue(`{"id":"CHG-1"}`, `{"id":"CHG-2"}`)
		r := tick(t, q, func(_ context.Context, body []byte) error {
			if strings.Contains(string(body), "CHG-1") {
				return errBus
			}
			return nil
		})
		require.Equal(t, 1, r.Letters)
		require.Equal(t, 1, r.Returned)
		require.Len(t, q.bodies, 1)
		time.Sleep(time.Minute)
		require.Equal(t, 1, tick(t, q, func(context.Context, []byte) error { return nil }).Letters)
	})
	bubble(t, "but not what our own intake has buried", func(t *testing.T) {
		buried := `{"reason":{"code":"request.malformed"},"body":"eA=="}`
		q := newQueue(buried, base64.StdEncoding.EncodeToString([]byte(buried)))
		r := tick(t, q, func(context.Context, []byte) error { t.Error("taken in"); return nil })
		require.Equal(t, 2, r.Returned)
		require.Len(t, q.bodies, 2)
	})
	bubble(t, "some at a time", func(t *testing.T) {
		q := newQueue(make([]string, 100)...)
		require.Equal(t, 64, tick(t, q, func(context.Context, []byte) error { return nil }).Letters)
		require.Len(t, q.bodies, 36)
	})
	bubble(t, "and a queue out of order troubles nothing else", func(t *testing.T) {
		q := newQueue("x")
		q.broken = true
		require.Equal(t, sweep.Report{Idle: 1}, tick(t, q, func(context.Context, []byte) error { return nil }))
	})
	bubble(t, "and an intake that breaks loses nothing", func(t *testing.T) {
		q := newQueue("x")
		s := newBench(t).sweep("w")
		s.Letters, s.Intake = q, func(context.Context, []byte) error { panic("broken") }
		_, err := s.Tick(context.Background())
		require.ErrorContains(t, err, "broken")
		require.Len(t, q.bodies, 1)
	})
}
