package systemtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestARuleThatIsNotTheOneAskedForIsClosedAtOnce(t *testing.T) {
	const old = `"historical":{"replicate":false},"objects":{"prefixes":["image/"]}`
	cases := map[string]struct {
		region, extra, named string
	}{
		"PrefixSet":                   {away, "", "prefix set"},
		"Action":                      {away, "", "action"},
		"HistoricalObjectReplication": {away, old, "historical replication"},
		"RTC":                         {away, scope + `,"rtc":true`, "RTC"},
		"TransferType":                {"us-west-1", scope + `,"transferAcceleration":true`, "transfer type"},
	}
	for element, c := range cases {
		bubble(t, "because OSS lost its "+element, func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute})
			d.bucket("src", home, false)
			d.bucket("dst", c.region, false)
			for _, key := range []string{"image/1", "other/1"} {
				d.put("src", key, "before")
			}
			restore := d.world.DropElement(element)
			d.submit(d.ticketTo("CHG-1", "src", "dst", c.region, c.extra))
			require.True(t, d.until(10*time.Minute, func() bool { return d.calls("DeleteBucketReplication") > 0 }))
			require.Less(t, d.calledAt("DeleteBucketReplication").Sub(d.calledAt("PutBucketReplication")), 5*time.Second, "at once")
			d.put("src", "image/2", "while it closes")
			j := d.await("CHG-1", time.Hour)
			require.Equal(t, replication.PhaseFailed, j.Phase)
			require.Equal(t, replication.ReasonRuleDiffers, j.Reason)
			require.Contains(t, j.Message, c.named)
			time.Sleep(24 * time.Hour)
			require.Empty(t, d.keys("dst"), "nothing was copied by such a rule")
			require.Zero(t, d.rules("src"))
			require.Empty(t, d.owner("src", "dst"), "the pair is free")
			restore()
			d.submit(d.ticketTo("CHG-2", "src", "dst", c.region, c.extra))
			d.watched("CHG-2", time.Hour)
			require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonRuleDiffers}, d.reasons("CHG-1"))
		})
	}
	bubble(t, "but one that only does not show its role is proven by what it does", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		restore := d.world.DropElement("SyncRole")
		defer restore()
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
	})
}

// calledAt returns when a function first called an action successfully.
func (d *desk) calledAt(action string) time.Time {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		if c.Action == action && c.Status < 300 && byFunction(c) {
			return c.At
		}
	}
	return time.Time{}
}

// disable takes away the rule of a bucket, as somebody at the console.
func (d *desk) disable(bucket string) {
	d.t.Helper()
	rules, e := d.world.Replication(bucket, false)
	require.Nil(d.t, e)
	_, e = d.world.DeleteReplication(bucket, []string{rules[0].ID})
	require.Nil(d.t, e)
}

func TestARuleThatSomebodyDisables(t *testing.T) {
	for _, phase := range []replication.Phase{replication.PhaseStarting, replication.PhaseVerifying} {
		bubble(t, fmt.Sprintf("while the job is %s ends the job, and the pair is free", phase), func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.inPhase("CHG-1", phase, 10*time.Minute)
			d.disable("src")
			j := d.await("CHG-1", 2*time.Hour)
			require.Equal(t, replication.PhaseFailed, j.Phase)
			require.Equal(t, replication.ReasonRuleVanished, j.Reason)
			require.Empty(t, d.owner("src", "dst"))
			d.submit(d.ticket("CHG-2", "src", "dst", ""))
			d.watched("CHG-2", time.Hour)
			require.Len(t, d.events("CHG-1"), 2)
		})
	}
	bubble(t, "while it is watched raises an alert", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(time.Hour)
		d.disable("src")
		e := d.awaitEvent("CHG-1", replication.ReasonRuleVanished, 10*time.Minute)
		require.Equal(t, string(replication.EventFiring), e.Type)
		time.Sleep(6 * time.Hour)
		require.Len(t, d.events("CHG-1"), 3, "accepted, verified, and this")
	})
	bubble(t, "just before its pair is asked for is waited for until it is gone", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("dst", "other/1", "there")
		_, e := d.world.PutReplication("src", byHand("dst"))
		require.Nil(t, e)
		d.disable("src")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.awaitReason("CHG-1", replication.ReasonRuleClosing, time.Minute)
		d.watched("CHG-1", 2*time.Hour)
	})
	bubble(t, "is needed before a rule that nobody's ticket made can be replaced", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		_, e := d.world.PutReplication("src", byHand("dst"))
		require.Nil(t, e)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.await("CHG-1", time.Minute)
		require.Equal(t, replication.ReasonRuleExists, j.Reason)
		require.Empty(t, d.made())
		require.Equal(t, 1, d.rules("src"), "it is left as it is")
		d.disable("src")
		d.submit(d.ticket("CHG-2", "src", "dst", ""))
		d.watched("CHG-2", time.Hour)
	})
}

func TestARuleThatDoesNotStartIsReportedOnceWithItsCause(t *testing.T) {
	bubble(t, "after a quarter of an hour, and waited for", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute, world: world.Options{Delays: world.Delays{RuleStartMin: 3 * time.Hour, RuleStartMax: 3 * time.Hour}}})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		began := time.Now()
		e := d.awaitEvent("CHG-1", replication.ReasonStartingLate, time.Hour)
		require.InDelta(t, 15*time.Minute, time.Since(began), float64(time.Minute))
		require.Contains(t, e.Data.Message, "no check names a cause")
		d.watched("CHG-1", 6*time.Hour)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonStartingLate, replication.ReasonVerified}, d.reasons("CHG-1"))
	})
	bubble(t, "and the cause is named when there is one", func(t *testing.T) {
		d := newDesk(t, setup{world: world.Options{Delays: world.Delays{RuleStartMin: time.Hour, RuleStartMax: time.Hour}}})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
		d.guard.changed["CHG-1"] = true
		d.detach(replication.RoleName("CHG-1"), replication.PolicyName("CHG-1"))
		e := d.awaitEvent("CHG-1", replication.ReasonStartingLate, time.Hour)
		require.Contains(t, e.Data.Message, "is not attached to role")
	})
	bubble(t, "and given up after six hours", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute, world: world.Options{Delays: world.Delays{RuleStartMin: 48 * time.Hour, RuleStartMax: 48 * time.Hour}}})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.await("CHG-1", 8*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonStartingLate, j.Reason)
		require.Contains(t, j.Message, "left in place: rule "+j.Rule.ID)
		require.InDelta(t, 6*time.Hour, time.Since(j.Received), float64(10*time.Minute))
	})
}

func TestACanaryThatDoesNotArrive(t *testing.T) {
	bubble(t, "is reported after half an hour and lost after six", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		d.world.PausePair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		e := d.awaitEvent("CHG-1", replication.ReasonCanaryLate, 2*time.Hour)
		require.Contains(t, e.Data.Message, "no check names a cause")
		j := d.await("CHG-1", 8*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonCanaryLost, j.Reason)
		require.InDelta(t, 6*time.Hour, time.Since(j.Verification.Written), float64(10*time.Minute))
		require.Contains(t, j.Message, "left in place: rule "+j.Rule.ID)
		require.Contains(t, j.Message, "object src/image/.replidesk/CHG-1/canary")
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonCanaryLate, replication.ReasonCanaryLost}, d.reasons("CHG-1"))
	})
	bubble(t, "is waited for", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", true)
		d.world.PausePair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(4 * time.Hour)
		d.world.PausePair("src", "dst", false)
		j := d.watched("CHG-1", time.Hour)
		require.Greater(t, j.Evidence.Seconds, 3*time.Hour.Seconds())
	})
}

func TestARoleThatSpreadsSlowlyIsWaitedFor(t *testing.T) {
	spreads := func(d time.Duration) setup { return setup{world: world.Options{Delays: world.Delays{Propagation: d}}} }
	bubble(t, "for two minutes without a word", func(t *testing.T) {
		d := newDesk(t, spreads(2*time.Minute))
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.awaitReason("CHG-1", replication.ReasonRolePropagating, 5*time.Minute)
		d.watched("CHG-1", time.Hour)
		require.Len(t, d.events("CHG-1"), 2)
	})
	bubble(t, "and longer than any role should take with one", func(t *testing.T) {
		d := newDesk(t, spreads(12*time.Minute))
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.awaitEvent("CHG-1", replication.ReasonRoleUnusable, 20*time.Minute)
		d.watched("CHG-1", time.Hour)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonRoleUnusable, replication.ReasonVerified}, d.reasons("CHG-1"))
	})
	bubble(t, "also when OSS notices only at the copies", func(t *testing.T) {
		s := spreads(10 * time.Minute)
		s.world.RoleUncheckedAtPut = true
		d := newDesk(t, s)
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		require.Len(t, d.events("CHG-1"), 2)
	})
}

// byHand is a rule as a person makes it at the console.
func byHand(destination string) []world.RuleRequest {
	location, transfer, action, historical, role := "oss-"+away, "internal", "PUT", "disabled", "foreign"
	return []world.RuleRequest{{Bucket: &destination, Location: &location, TransferType: &transfer, Action: &action,
		Historical: &historical, SyncRole: &role, Prefixes: []string{"by-hand/"}}}
}
