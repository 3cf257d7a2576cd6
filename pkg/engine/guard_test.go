package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// deploy gives both functions another desk.
func (b *bench) deploy(change func(*replication.Desk)) {
	for _, e := range b.engines {
		change(&e.Desk)
	}
}

func TestADeskThatOnlyObserves(t *testing.T) {
	bubble(t, "looks, says so once, and changes nothing until it may", func(t *testing.T) {
		b := newBench(t)
		b.deploy(func(d *replication.Desk) { d.ObserveOnly = true })
		b.submit(ticket)
		b.settle(24 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhasePreflight, j.Phase)
		require.Equal(t, replication.ReasonObserveOnly, j.Reason)
		require.Equal(t, []string{"replidesk.request.accepted job.accepted", "replidesk.request.blocked desk.observe-only"}, b.types())
		for _, c := range []string{"Claim", "CreateRole", "CreatePolicy", "Attach", "PutRule", "Put"} {
			require.Zero(t, b.cloud.calls[c], c)
		}
		b.deploy(func(d *replication.Desk) { d.ObserveOnly = false })
		b.settle(2 * time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
	})
}

func TestCaps(t *testing.T) {
	capped := func(t *testing.T) *bench {
		b := newBench(t)
		b.deploy(func(d *replication.Desk) { d.Caps.RulesPerAccount = 1 })
		return b
	}
	bubble(t, "hold a rule until another ticket gives its slot back", func(t *testing.T) {
		b := capped(t)
		b.cloud.slots["CHG-0"] = true
		b.submit(ticket)
		b.settle(12 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.ReasonCapAccount, j.Reason)
		require.Zero(t, b.cloud.calls["PutRule"])
		delete(b.cloud.slots, "CHG-0")
		b.settle(3 * time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
		require.Equal(t, map[string]bool{"CHG-1": true}, b.cloud.slots)
	})
	bubble(t, "give a slot once although an answer is lost", func(t *testing.T) {
		b := capped(t)
		b.cloud.lose["Take"] = 1
		b.submit(ticket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
		require.Equal(t, 2, b.cloud.calls["Take"])
		require.Equal(t, 1, b.cloud.calls["PutRule"])
	})
	bubble(t, "lose no slot to a worker that dies", func(t *testing.T) {
		b := capped(t)
		b.dies, b.cloud.die = true, "Take"
		b.submit(ticket)
		b.cloud.dead, b.dies = false, false
		time.Sleep(2 * time.Minute)
		b.wakeAll("CHG-1")
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase)
		require.Len(t, b.cloud.slots, 1)
	})
	bubble(t, "get their slot back from a rule that did not stand", func(t *testing.T) {
		b := capped(t)
		b.cloud.spoil = func(g *replication.RuleSeen) { g.Prefixes = nil }
		b.submit(ticket)
		b.settle(3 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Empty(t, b.cloud.slots)
		require.Empty(t, b.cloud.owners)
	})
	bubble(t, "get their slot back from a ticket that is stopped, although the desk has no caps any more", func(t *testing.T) {
		b := capped(t)
		b.submit(ticket)
		b.settle(time.Hour)
		require.Len(t, b.cloud.slots, 1)
		b.deploy(func(d *replication.Desk) { d.Caps = replication.Caps{} })
		b.cloud.lose["GiveBack"] = 1
		b.submit(`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1"}`)
		b.settle(3 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase)
		require.Empty(t, b.cloud.slots)
		require.Equal(t, 2, b.cloud.calls["GiveBack"])
	})
}

func TestAStopOfAJobThatTheDeskHolds(t *testing.T) {
	bubble(t, "waits with it, and is carried out when it may be", func(t *testing.T) {
		b := newBench(t)
		b.deploy(func(d *replication.Desk) { d.Caps.RulesPerAccount = 1 })
		b.cloud.slots["CHG-0"] = true
		b.submit(ticket)
		b.settle(time.Hour)
		b.deploy(func(d *replication.Desk) { d.ObserveOnly = true })
		b.submit(`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1"}`)
		b.settle(3 * time.Hour)
		j, _ := b.job("CHG-9")
		require.Equal(t, replication.ReasonObserveOnly, j.Reason)
		b.deploy(func(d *replication.Desk) { d.ObserveOnly = false })
		b.settle(3 * time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase)
		require.NotContains(t, strings.Join(b.types(), " "), string(replication.EventFailed))
		require.Equal(t, map[string]bool{"CHG-0": true}, b.cloud.slots, "the slot of another stays")
	})
}
