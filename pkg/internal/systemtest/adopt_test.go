package systemtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// handScope is what a ticket says of a rule made by byHand.
const handScope = `"historical":{"replicate":false},"objects":{"prefixes":["by-hand/"]}`

// adoption returns a ticket that adopts the rule of a pair.
func (d *desk) adoption(id, src, dst, extra string) string {
	return strings.Replace(d.ticket(id, src, dst, extra), `"replicate"`, `"adopt"`, 1)
}

// ruleByHand makes a pair with a rule, as a person does at the console, and returns the
// id of the rule, which is in force.
func (d *desk) ruleByHand(src, dst string, change func(*world.RuleRequest)) string {
	d.t.Helper()
	d.pair(src, dst, false)
	rules := byHand(dst)
	if change != nil {
		change(&rules[0])
	}
	id, e := d.world.PutReplication(src, rules)
	require.Nil(d.t, e)
	return id
}

func TestARuleOfOthersIsAdopted(t *testing.T) {
	bubble(t, "proven with objects of our own, watched, and nothing is made for it", func(t *testing.T) {
		d := newDesk(t, setup{})
		rule := d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		p := d.plan(d.adoption("CHG-1", "src", "dst", handScope))
		require.True(t, p.Accepted, "%v", p.Reasons)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, rule, j.Rule.ID)
		require.Equal(t, "foreign", j.Rule.Role)
		require.Equal(t, "canary", j.Evidence.By)
		require.Equal(t, "CHG-1", d.owner("src", "dst"))
		d.onceMade(0)
		stop := d.writing("src", 10*time.Minute)
		time.Sleep(3 * time.Hour)
		stop()
		st, _ := d.shard()
		require.Len(t, st.Pairs, 1)
		require.Len(t, d.events("CHG-1"), 2, "nobody is alarmed")
		d.disable("src")
		d.awaitEvent("CHG-1", replication.ReasonRuleVanished, time.Hour)
	})
	bubble(t, "without objects of our own, if that is asked for, and is found starting", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.ruleByHand("src", "dst", nil)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope+`,"verify":{"canary":false}`))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, replication.ReasonAdopted, j.Reason)
		require.Empty(t, d.ours("src"))
		require.Empty(t, d.made())
	})
	bubble(t, "and stopped: the rule is closed, its role stays and is named", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		d.watched("CHG-1", time.Hour)
		j := d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, replication.PhaseStopped, j.Phase)
		require.Contains(t, j.Message, "left in place: role foreign and its policies, which others made")
		for _, never := range []string{"DetachPolicyFromRole", "DeletePolicy", "DeleteRole"} {
			require.Zero(t, d.calls(never), never)
		}
		d.submit(d.ticket("CHG-2", "src", "dst", ""))
		d.watched("CHG-2", time.Hour)
	})
	bubble(t, "and is a pair like any other: replication time control is set, and a duplicate is told of it", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		d.watched("CHG-1", time.Hour)
		d.submit(`{"specVersion":"1","id":"CHG-9","action":"set-rtc","target":"CHG-1","rtc":true}`)
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", time.Hour).Phase)
		d.submit(d.adoption("CHG-2", "src", "dst", handScope))
		j := d.await("CHG-2", time.Hour)
		require.Equal(t, replication.PhaseRejected, j.Phase, state(j))
		d.submit(d.ticket("CHG-3", "src", "dst", handScope+`,"rtc":true`))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-3", time.Hour).Phase)
		d.submit(d.ticket("CHG-4", "src", "dst", handScope))
		j = d.await("CHG-4", time.Hour)
		require.Equal(t, "ticket CHG-1 replicates src to dst otherwise: rtc: true -> false", j.Message)
	})
	bubble(t, "that failed is tried again on request", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		rule := d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		d.world.PausePair("src", "dst", true)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		require.Equal(t, replication.PhaseFailed, d.await("CHG-1", 12*time.Hour).Phase)
		d.world.PausePair("src", "dst", false)
		d.submit(`{"specVersion":"1","id":"CHG-9","action":"retry","target":"CHG-1"}`)
		require.True(t, d.until(12*time.Hour, func() bool { j := d.job("CHG-1"); return j.AtRest() && j.Phase == replication.PhaseWatching }), state(d.job("CHG-1")))
		require.Equal(t, rule, d.job("CHG-1").Rule.ID)
		require.Equal(t, "CHG-1", d.owner("src", "dst"))
	})
	bubble(t, "by one of two tickets: the other is a duplicate", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		d.watched("CHG-1", time.Hour)
		d.submit(d.adoption("CHG-2", "src", "dst", handScope))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-2", time.Hour).Phase)
		d.submit(d.ticket("CHG-3", "src", "dst", handScope))
		j := d.await("CHG-3", time.Hour)
		require.Equal(t, replication.ReasonDuplicate, j.Reason, state(j))
		d.onceMade(0)
	})
}

func TestARuleThatIsNotTheOneDescribedIsNotAdopted(t *testing.T) {
	all := "ALL"
	for name, c := range map[string]struct {
		change func(*world.RuleRequest)
		before func(d *desk)
		extra  string
		reason replication.Reason
		says   string
	}{
		"because it also deletes":   {change: func(r *world.RuleRequest) { r.Action = &all }, reason: replication.ReasonAdoptDiffers, says: `action is "ALL", asked for was "PUT"`},
		"because of its scope":      {extra: `"historical":{"replicate":false}`, reason: replication.ReasonAdoptDiffers, says: `prefix set is ["by-hand/"], asked for was absent`},
		"because it is closing":     {before: func(d *desk) { _, _ = d.world.DeleteReplication("src", []string{first(d)}) }, reason: replication.ReasonAdoptClosing},
		"because it is gone":        {before: func(d *desk) { d.disable("src"); time.Sleep(10 * time.Minute) }, reason: replication.ReasonAdoptMissing},
		"because it has another id": {extra: handScope + `,"target":"another"`, reason: replication.ReasonAdoptMissing, says: "not another"},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.ruleByHand("src", "dst", c.change)
			time.Sleep(10 * time.Minute)
			if c.before != nil {
				c.before(d)
			}
			rules := d.rules("src")
			extra := c.extra
			if extra == "" {
				extra = handScope
			}
			d.submit(d.adoption("CHG-1", "src", "dst", extra))
			j := d.await("CHG-1", time.Hour)
			require.Equal(t, replication.PhaseRejected, j.Phase, state(j))
			require.Equal(t, c.reason, j.Reason, state(j))
			require.Contains(t, j.Message, c.says)
			require.Empty(t, d.owner("src", "dst"))
			require.Empty(t, d.made())
			require.Equal(t, rules, d.rules("src"))
		})
	}
}

func first(d *desk) string {
	rules, e := d.world.Replication("src", false)
	require.Nil(d.t, e)
	return rules[0].ID
}

func TestAnAdoptedRuleThatCannotBeProvenIsLeftAsItWas(t *testing.T) {
	bubble(t, "and its pair is free again", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		rule := d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		d.world.PausePair("src", "dst", true)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		j := d.await("CHG-1", 12*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase, state(j))
		require.Equal(t, replication.ReasonCanaryLost, j.Reason)
		require.Contains(t, j.Message, rule+" is left as it was found")
		require.Empty(t, d.owner("src", "dst"))
		require.Equal(t, 1, d.rules("src"))
		require.Zero(t, d.calls("GetRole"), "the role of others is not looked at")
		d.world.PausePair("src", "dst", false)
		time.Sleep(time.Hour)
		d.submit(d.adoption("CHG-2", "src", "dst", handScope))
		d.watched("CHG-2", time.Hour)
	})
	bubble(t, "and a stop of it takes nothing but its own objects", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.ruleByHand("src", "dst", nil)
		time.Sleep(10 * time.Minute)
		d.world.PausePair("src", "dst", true)
		d.submit(d.adoption("CHG-1", "src", "dst", handScope))
		require.Equal(t, replication.PhaseFailed, d.await("CHG-1", 12*time.Hour).Phase)
		require.NotEmpty(t, d.ours("src"))
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", time.Hour).Phase)
		require.Equal(t, 1, d.rules("src"))
		require.Empty(t, d.ours("src"))
	})
}

func TestWorkersThatDieDuringAnAdoptionLoseNothing(t *testing.T) {
	for seed := range uint64(3) {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			d := newDesk(t, setup{seed: seed})
			rule := d.ruleByHand("src", "dst", nil)
			time.Sleep(10 * time.Minute)
			stop := d.killer(seed, 400*time.Millisecond)
			d.submit(d.adoption("CHG-1", "src", "dst", handScope))
			time.Sleep(20 * time.Minute)
			require.NotZero(t, stop(), "some died")
			j := d.await("CHG-1", 12*time.Hour)
			if j.Phase == replication.PhaseWatching {
				require.Equal(t, rule, j.Rule.ID)
			} else {
				d.ended("CHG-1")
			}
			require.Equal(t, 1, d.rules("src"))
			d.onceMade(0)
		})
	}
}
