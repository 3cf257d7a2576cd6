package systemtest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
)

func TestASweepThatFailsIsToldToPeopleAndTheNextOneGoesOn(t *testing.T) {
	bubble(t, "for three minutes in which its process dies", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		require.Zero(t, d.queued(config.QueueFailed))

		d.befall(func(c call) mishap {
			if c.function == "progress" {
				return crash
			}
			return goesWell
		})
		time.Sleep(3 * time.Minute)
		d.befall(nil)
		require.Equal(t, 3, d.queued(config.QueueFailed), "each is told once and not repeated")
		_, before := d.shard()
		time.Sleep(10 * time.Minute)
		_, after := d.shard()
		require.Greater(t, after, before, "the sweep goes on by itself")
		require.Equal(t, 3, d.queued(config.QueueFailed), "and does not take the messages for letters")
	})
}

// told is what the platform says of a call that it gave up.
type told struct {
	RequestContext struct{ FunctionArn string }
	RequestPayload string
}

func TestWhatIsToldOfASweepNamesTheFunctionAndItsTimer(t *testing.T) {
	bubble(t, "that died", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.befall(func(c call) mishap { return crash })
		require.True(t, d.until(5*time.Minute, func() bool { return d.queued(config.QueueFailed) > 0 }))
		got, err := d.world.QueueReceive(t.Context(), home, d.uid, d.config.QueueName(config.QueueFailed), 1, 0)
		require.NoError(t, err)
		require.Len(t, got, 1)
		var m told
		require.NoError(t, json.Unmarshal([]byte(got[0].Body), &m))
		require.Equal(t, "acs:fc:"+home+":"+d.uid+":functions/replidesk-progress", m.RequestContext.FunctionArn)
		var event struct{ TriggerName, Payload string }
		require.NoError(t, json.Unmarshal([]byte(m.RequestPayload), &event))
		require.Equal(t, "tick", event.TriggerName)
		require.JSONEq(t, `{"tick":true}`, event.Payload)
	})
}
