package systemtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestEachThingThatAnotherAccountGrantsIsNeeded(t *testing.T) {
	const extra = `"historical":{"replicate":true},"replicateDeletes":true`
	const statement = `{"Version":"1","Statement":[`
	probe := replication.Request{ID: "CHG-1", ReplicateDeletes: true}
	probe.Source.Account, probe.Destination.Account = "1000000000000001", "2000000000000002"
	probe.Source.Bucket, probe.Destination.Bucket = "src", "dst"
	for i := range lesserGrants(t, statement+replication.GrantFor(probe).String()+`]}`, "destination") {
		bubble(t, lesserGrants(t, statement+replication.GrantFor(probe).String()+`]}`, "destination")[i].name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
			d.bucket("src", home, false)
			d.theirBucket("dst", away, false)
			d.put("src", "old", "older than the rule")
			d.submit(d.across("CHG-1", "src", "dst", away, extra))
			d.inPhase("CHG-1", replication.PhaseStarting, 20*time.Minute)
			whole := d.policyIn("dst")
			l := lesserGrants(t, whole, "destination")[i]
			require.Nil(t, d.world.PutBucketPolicy("dst", []byte(l.document)))
			d.awaitEvent("CHG-1", replication.ReasonGrantMissing, 3*time.Hour)
			v := d.job("CHG-1").Verification
			if l.effect == deletesStay {
				require.Equal(t, replication.StepDeleted, v.Step, "its deletion is waited for")
				require.ElementsMatch(t, []string{"old", v.Key}, d.keys("dst"), "what is written arrives")
			} else {
				require.Equal(t, replication.StepArrive, v.Step, "the canary is waited for")
				require.Empty(t, d.keys("dst"))
			}
			require.Nil(t, d.world.PutBucketPolicy("dst", []byte(whole)))
			require.Equal(t, "canary", d.watched("CHG-1", 2*time.Hour).Evidence.By, "with it everything goes on")
			time.Sleep(10 * time.Minute)
			require.Equal(t, []string{"old"}, d.keys("dst"))
		})
	}
}

// acrossTour takes the functions to every call that they ever make through the role in
// the account of a destination.
func (d *desk) acrossTour(step func() (enough bool)) {
	d.bucket("src-1", home, false)
	d.theirBucket("dst-1", away, false)
	d.policyOf("dst-1", d.foreignTo("dst-1"))
	d.submit(d.across("CHG-1", "src-1", "dst-1", away, `"historical":{"replicate":true}`))
	time.Sleep(time.Hour)
	if step() {
		return
	}
	d.bucket("src-2", home, true)
	d.theirBucket("dst-2", away, true)
	k := d.theirKey(away, "")
	d.submit(d.across("CHG-2", "src-2", "dst-2", away, withKMS(k.ARN())))
	d.bucket("src-3", home, false)
	d.submit(d.across("DRY-1", "src-3", "dst-1", away, scope+`,"dryRun":true`))
	time.Sleep(time.Hour)
	if step() {
		return
	}
	d.submit(stopTicket("STOP-1", "CHG-1"))
	d.submit(stopTicket("STOP-2", "CHG-2"))
	time.Sleep(2 * time.Hour)
	step()
}

// refusedThere are the calls through the role in the account of a destination that
// were refused for want of a right.
func (d *desk) refusedThere() (list []string) {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		if c.Status == 403 && strings.Contains(c.Caller, d.other+":assumed-role/"+deploy.DestinationRole+"/") {
			list = append(list, c.Service+":"+c.Action+" "+c.Resource)
		}
	}
	return list
}

func TestEachRightOfTheRoleInAnotherAccountIsNeededAndNoOther(t *testing.T) {
	document, err := deploy.DestinationPolicy("*")
	require.NoError(t, err)
	whole := parsedGrant(t, string(document))
	bubble(t, "with all of them nothing is refused", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		d.acrossTour(func() bool { return false })
		require.Empty(t, d.refusedThere())
		require.Equal(t, replication.PhaseStopped, d.job("CHG-1").Phase, state(d.job("CHG-1")))
		require.Equal(t, replication.PhaseStopped, d.job("CHG-2").Phase, state(d.job("CHG-2")))
	})
	for i, s := range whole.Statement {
		for k, a := range s.Action {
			bubble(t, "without "+a+" on "+strings.Join(s.Resource, ", "), func(t *testing.T) {
				d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
				d.maimed = true
				less := parsedGrant(t, string(document))
				if less.Statement[i].Action = slices.Delete(less.Statement[i].Action, k, k+1); len(s.Action) == 1 {
					less.Statement = slices.Delete(less.Statement, i, i+1)
				}
				_, e := d.world.CreatePolicyVersion(d.other, deploy.DestinationRole, less.String(), true, true)
				require.Nil(t, e)
				time.Sleep(time.Minute)
				missed := false
				d.acrossTour(func() bool { missed = len(d.refusedThere()) > 0; return missed })
				require.True(t, missed, "nothing needs it")
			})
		}
	}
}

func TestARoleInAnotherAccountThatMayNotBeAssumedIsNamed(t *testing.T) {
	bubble(t, "and the job goes on when it may", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		role, e := d.world.GetRole(d.other, deploy.DestinationRole, world.View{})
		require.Nil(t, e)
		trust := func(document string) {
			_, e := d.world.UpdateRole(d.other, deploy.DestinationRole, world.RoleChange{Trust: document})
			require.Nil(t, e)
			time.Sleep(time.Minute)
		}
		trust(otherTrust)
		d.bucket("src", home, false)
		d.theirBucket("dst", away, false)
		d.submit(d.across("CHG-1", "src", "dst", away, ""))
		event := d.awaitEvent("CHG-1", replication.ReasonDenied, time.Hour)
		require.Contains(t, event.Data.Message, "AssumeRole")
		require.Contains(t, event.Data.Message, deploy.DestinationRole)
		trust(string(role.Trust))
		d.watched("CHG-1", 3*time.Hour)
	})
}
