package systemtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestAStatementOfOthersForTheSameRoleOutlivesTheTicket(t *testing.T) {
	bubble(t, "with what it had before", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, true)
		d.theirBucket("dst", home, true)
		d.roleOf("TeamCopier", foreignTrust, strings.ReplaceAll(narrow("src", "src"), "oss:ReplicatePut", "oss:ReplicateGet"))
		time.Sleep(time.Minute)
		theirs := d.parsed(d.across("CHG-0", "src", "dst", home, `"historical":{"replicate":false},`+customRole))
		d.policyOf("dst", replication.GrantFor(theirs).String(), d.foreignTo("dst"))
		ticket := d.across("CHG-1", "src", "dst", home, `"historical":{"replicate":false},"replicateDeletes":true,`+customRole)
		d.submit(`{"dryRun":true,` + strings.TrimPrefix(ticket, "{"))
		p, _ := d.planned("CHG-1", replication.ReasonPlanned)
		diff := ""
		for _, s := range p.Steps {
			if s.Effect != nil && s.Effect.Kind == replication.EffectGrant {
				diff = strings.Join(s.Diff, "\n")
			}
		}
		require.Equal(t, 1, strings.Count(diff, `"oss:ReplicateDelete"`), diff)
		require.NotContains(t, diff, `+         "oss:ReplicateList"`, "only what is added is shown as added")
		d.submit(ticket)
		d.watched("CHG-1", time.Hour)
		require.Contains(t, d.policyIn("dst"), replication.GrantFor(d.tickets["CHG-1"]).String())
		j := d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Contains(t, j.Message, "the statement for role TeamCopier in the bucket policy of dst, because it stood there before; it allows what it did then")
		require.Equal(t, policyText(d.foreignTo("dst"), replication.GrantFor(theirs).String()), d.policyIn("dst"))
	})
}

func TestAStopWithoutARoleInTheOtherAccountLeavesTheStatementToItsOwner(t *testing.T) {
	for name, change := range map[string]func(*config.Desk){
		"which is off the desk file":  func(f *config.Desk) { f.Accounts = nil },
		"which lends no role anymore": func(f *config.Desk) { f.Accounts[0].Role = "" },
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole})
			d.bucket("src", home, false)
			d.theirBucket("dst", home, false)
			d.submit(d.across("CHG-1", "src", "dst", home, ""))
			d.watched("CHG-1", time.Hour)
			before := d.policyIn("dst")
			d.redeploy(change)
			j := d.stopped("CHG-9", "CHG-1", "src", "dst")
			require.Equal(t, replication.PhaseStopped, j.Phase, state(j))
			require.Contains(t, j.Message, "which the owner of account "+d.other+" may remove now")
			require.NotContains(t, d.reasons("CHG-1"), replication.ReasonDenied, "nobody is called for a right that nobody is to have")
			require.Equal(t, before, d.policyIn("dst"))
		})
	}
}

func TestADenyUnderAConditionIsNamedWhenNothingArrives(t *testing.T) {
	bubble(t, "and the job goes on when it is gone", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		deny := `{"Effect":"Deny","Action":["oss:Replicate*"],"Principal":["*"],"Resource":["acs:oss:*:*:dst/*"],"Condition":{"NotIpAddress":{"acs:SourceIp":["10.0.0.0/8"]}}}`
		d.policyOf("dst", deny)
		d.submit(d.across("CHG-1", "src", "dst", home, ""))
		e := d.awaitEvent("CHG-1", replication.ReasonGrantDenied, 2*time.Hour)
		require.Contains(t, e.Data.Message, "when its condition holds: "+deny)
		time.Sleep(2 * time.Hour)
		require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase)
		d.policyOf("dst", replication.GrantFor(d.tickets["CHG-1"]).String())
		d.watched("CHG-1", 3*time.Hour)
	})
}
