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

// replacingAcross returns an approved ticket that replaces another one into the other
// account.
func (d *desk) replacingAcross(id, target, extra string) string {
	d.t.Helper()
	ticket := strings.Replace(d.replacing(id, target, "src", "dst", extra+`,"requester":"ben"`), `"destination":{"account":"`+d.uid, `"destination":{"account":"`+d.other, 1)
	return d.approved(ticket)
}

func TestATicketIntoAnotherAccountIsReplaced(t *testing.T) {
	replaced := func(d *desk, want replication.Reason) *replication.Job {
		j := d.watched("CHG-2", 6*time.Hour)
		require.Equal(d.t, want, j.Reason, state(j))
		require.Equal(d.t, replication.PhaseStopped, d.job("CHG-1").Phase)
		require.Equal(d.t, "CHG-2", d.owner("src", "dst"))
		require.Equal(d.t, 1, d.rules("src"))
		return j
	}
	atTheGap := func(d *desk) {
		require.True(d.t, d.until(2*time.Hour, func() bool { return d.rules("src") == 0 }), "%s", state(d.job("CHG-2")))
		d.put("src", "image/lost", "written while no rule stood")
	}
	bubble(t, "through a role there, which lists what arrived", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		d.policyOf("dst", d.foreignTo("dst"))
		d.submit(d.across("CHG-1", "src", "dst", away, ""))
		one := d.watched("CHG-1", 2*time.Hour)
		require.Equal(t, policyText(d.foreignTo("dst"), replication.GrantFor(one.Request).String()), d.policyIn("dst"))
		time.Sleep(10 * time.Minute)
		d.submit(d.replacingAcross("CHG-2", "CHG-1", onlyNew))
		atTheGap(d)
		j := d.awaitReason("CHG-2", replication.ReasonGapMissing, 2*time.Hour)
		require.Contains(t, j.Message, "1 of 1 object")
		require.Contains(t, j.Message, "image/lost")
		require.Equal(t, policyText(d.foreignTo("dst"), replication.GrantFor(j.Request).String()), d.policyIn("dst"), "the old statement has gone, the new one stands")
		d.put("src", "image/lost", "written again")
		replaced(d, replication.ReasonGapClosed)
		require.NotNil(t, d.object("dst", "image/lost"))
		d.stopped("CHG-9", "CHG-2", "src", "dst")
		require.Equal(t, policyText(d.foreignTo("dst")), d.policyIn("dst"))
	})
	begun := func(t *testing.T, looks bool) *desk {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		ticket := d.across("CHG-1", "src", "dst", away, `"historical":{"replicate":false},"declared":{"versioning":"disabled"}`)
		statements := []string{d.foreignTo("dst"), replication.GrantFor(d.parsed(ticket)).String()}
		if looks {
			statements = append(statements, replication.LookStatement(d.parsed(ticket)))
		}
		d.policyOf("dst", statements...)
		d.submit(ticket)
		d.watched("CHG-1", 3*time.Hour)
		time.Sleep(10 * time.Minute)
		return d
	}
	const declared = `,"declared":{"versioning":"disabled"}`
	bubble(t, "by hand, and the old rule stands until its owner has made the grant", func(t *testing.T) {
		d := begun(t, true)
		ticket := d.replacingAcross("CHG-2", "CHG-1", acceptIt)
		d.submit(ticket)
		e := d.awaitEvent("CHG-2", replication.ReasonGrantMissing, 10*time.Minute)
		require.Contains(t, e.Data.Message, "Receive Objects to Replicate")
		time.Sleep(5 * time.Hour)
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
		require.Equal(t, 1, d.rules("src"))
		r := d.parsed(ticket)
		d.policyOf("dst", d.foreignTo("dst"), replication.LookStatement(r), replication.GrantFor(r).String())
		atTheGap(d)
		j := replaced(d, replication.ReasonGapAccepted)
		require.Contains(t, j.Message, "may have no copy in dst, which the desk cannot list, such as image/lost")
		require.Nil(t, d.object("dst", "image/lost"))
	})
	bubble(t, "by hand and blindly, with the historical copy", func(t *testing.T) {
		d := begun(t, false)
		ticket := d.replacingAcross("CHG-2", "CHG-1", alsoOld+declared)
		d.policyOf("dst", d.foreignTo("dst"), replication.GrantFor(d.parsed(ticket)).String())
		d.submit(ticket)
		atTheGap(d)
		j := replaced(d, replication.ReasonGapUncompared)
		require.Contains(t, j.Message, "which OSS says is complete")
		require.NotNil(t, d.object("dst", "image/lost"))
	})
	bubble(t, "by hand only if somebody answers for what is written meanwhile", func(t *testing.T) {
		d := begun(t, true)
		d.submit(d.replacingAcross("CHG-2", "CHG-1", onlyNew))
		e := d.awaitEvent("CHG-2", replication.ReasonGapUncheckable, 10*time.Minute)
		require.Contains(t, e.Data.Message, "the desk cannot list dst")
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
		require.Zero(t, d.calls("DeleteBucketReplication"))
	})
}

func TestATicketThatFailedIsRetriedWithWhatItMade(t *testing.T) {
	refusal := world.Fault{Service: "oss", Action: "PutBucketReplication", Kind: world.FaultRefuse, Status: 400, Code: "InvalidArgument"}
	for name, c := range map[string]struct {
		setup setup
		begin func(d *desk) string
		stood func(d *desk, is bool) // what the job made beside the pair
	}{
		"into another account": {setup{desk: byRole}, func(d *desk) string {
			d.bucket("src", home, false)
			d.theirBucket("dst", away, false)
			d.policyOf("dst", d.foreignTo("dst"))
			return d.across("CHG-1", "src", "dst", away, "")
		}, func(d *desk, is bool) {
			require.Equal(d.t, is, strings.Contains(d.policyIn("dst"), replication.RoleName("CHG-1")), d.policyIn("dst"))
			require.True(d.t, strings.HasPrefix(d.policyIn("dst"), `{"Version":"1","Statement":[`+d.foreignTo("dst")))
		}},
		"with a role of others that it adds to": {setup{}, func(d *desk) string {
			d.pair("src", "dst", false)
			d.roleOf(extended, foreignTrust, "")
			return d.usual(addingRole)
		}, func(d *desk, is bool) {
			require.Equal(d.t, is, len(d.attached(extended)) == 1, d.attached(extended))
			require.Zero(d.t, d.calls("CreateRole"))
		}},
		"with a role of others as it is": {setup{}, func(d *desk) string {
			d.pair("src", "dst", false)
			d.roleOf("TeamCopier", foreignTrust, narrow("src", "dst"))
			return d.usual(customRole)
		}, func(d *desk, _ bool) {
			require.Equal(d.t, []string{"TeamCopier"}, d.attached("TeamCopier"))
			require.Empty(d.t, d.writesToRAM())
		}},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, c.setup)
			mend := d.world.Break(refusal)
			ticket := c.begin(d)
			d.submit(ticket)
			j := d.await("CHG-1", 2*time.Hour)
			require.Equal(t, replication.PhaseFailed, j.Phase, state(j))
			require.Empty(t, d.owner("src", "dst"))
			for n := range 2 {
				if n == 1 {
					mend()
				}
				id := fmt.Sprintf("NOW-%d", n)
				d.submit(about(replication.ActionRetry, id, "CHG-1", ""))
				require.Equal(t, replication.PhaseCompleted, d.await(id, time.Hour).Phase)
				require.True(t, d.until(2*time.Hour, func() bool { return d.job("CHG-1").AtRest() }))
			}
			j = d.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, state(j))
			require.Equal(t, 1, d.rules("src"))
			c.stood(d, true)
			d.put("src", "image/later", "x")
			require.True(t, d.until(time.Hour, func() bool { return d.object("dst", "image/later") != nil }))
			d.stopped("CHG-9", "CHG-1", "src", "dst")
			c.stood(d, false)
		})
	}
}
