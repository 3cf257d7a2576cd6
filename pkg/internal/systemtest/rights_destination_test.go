package systemtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/replication"
)

// farTour makes use of every right of the role in the account of a destination: a pair
// with a key is planned and set up, what keeps its objects back is looked for when the
// key is not lent any more, and it is stopped. Without a right it may come to nothing.
func (d *desk) farTour() {
	d.bucket("src", home, false)
	d.theirBucket("dst", away, false)
	k := d.theirKey(away, d.ownersPolicy())
	extra := `"historical":{"replicate":true},"objects":{"prefixes":["image/"]},"kms":{"replicate":true,"keyId":"` + k.ARN() + `"}`
	d.submit(d.across("CHG-0", "src", "dst", away, extra+`,"dryRun":true`))
	time.Sleep(10 * time.Minute)
	d.submit(d.across("CHG-1", "src", "dst", away, extra))
	if d.comesTo("CHG-1", replication.PhaseStarting) {
		d.setKeyPolicy(k, d.ownersPolicy())
		time.Sleep(2 * time.Hour)
		d.setKeyPolicy(k, d.ownersPolicy(d.loanOf("CHG-1")))
	}
	time.Sleep(2 * time.Hour)
	d.submit(stopTicket("STOP-1", "CHG-1"))
	time.Sleep(time.Hour)
}

// farDenials are the calls of the role in the account of a destination that were
// refused for want of a right.
func (d *desk) farDenials() (list []string) {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		if c.Status == 403 && strings.Contains(c.Caller, ":assumed-role/"+deploy.DestinationRole+"/") {
			list = append(list, c.Service+":"+c.Action+" "+c.Resource)
		}
	}
	return list
}

func TestEachRightOfTheRoleInTheOtherAccountIsNeeded(t *testing.T) {
	b, err := deploy.DestinationPolicy("*")
	require.NoError(t, err)
	bubble(t, "and all of them are enough", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		d.farTour()
		require.Empty(t, d.farDenials())
		require.Equal(t, replication.PhaseStopped, d.job("CHG-1").Phase)
	})
	for i, s := range parsedGrant(t, string(b)).Statement {
		for k, action := range s.Action {
			bubble(t, "without "+action, func(t *testing.T) {
				d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
				d.maimed = true
				g := parsedGrant(t, string(b))
				if g.Statement[i].Action = slices.Delete(g.Statement[i].Action, k, k+1); len(s.Action) == 1 {
					g.Statement = slices.Delete(g.Statement, i, i+1)
				}
				_, e := d.world.CreatePolicyVersion(d.other, deploy.DestinationRole, g.String(), true, true)
				require.Nil(t, e)
				d.farTour()
				require.NotEmpty(t, d.farDenials(), "nothing on the tour needs it")
			})
		}
	}
}
