package systemtest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/discover"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// discoverRights is what the README says that a person needs who discovers.
var discoverRights = []string{
	`{"Effect":"Allow","Action":["oss:ListBuckets"],"Resource":["acs:oss:*:*:*"]}`,
	`{"Effect":"Allow","Action":["oss:GetBucketReplication"],"Resource":["acs:oss:*:*:*"]}`,
	`{"Effect":"Allow","Action":["oss:ListObjects"],"Resource":["acs:oss:*:*:` + stateBucket + `"]}`,
	`{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["acs:oss:*:*:` + stateBucket + `/log/*"]}`,
}

// scan looks for rules that nobody manages with the keys of a person who has just these
// rights, and looks that nothing was written.
func (d *desk) scan(rights []string) (discover.Report, error) {
	d.t.Helper()
	name := "person-" + time.Now().Format("150405.000")
	k := d.world.NewUserKey(d.uid, name, []byte(`{"Version":"1","Statement":[`+strings.Join(rights, ",")+`]}`))
	d.mu.Lock()
	d.secrets = append(d.secrets, k.Secret)
	d.mu.Unlock()
	creds := &wiring.Credentials{}
	creds.Set(k.ID, k.Secret, "")
	person := wiring.New(d.config, creds, d.cloud.Transport(), slog.New(slog.NewTextHandler(d.log, nil)))
	_, from := d.world.Calls(0)
	r, err := person.Scan().Run(context.Background())
	calls, _ := d.world.Calls(from)
	for _, c := range byCaller(calls, name) {
		require.False(d.t, c.Write, "a scan only reads: %+v", c)
	}
	return r, err
}

// adoptAll sends the ticket of every rule that can be adopted, and returns their ids.
func (d *desk) adoptAll(r discover.Report) (ids []string) {
	d.t.Helper()
	for _, f := range r.Rules {
		if len(f.Problems) == 0 {
			d.submit(string(replication.TicketOf(f.Ticket)))
			ids = append(ids, f.Ticket.ID)
		}
	}
	return ids
}

// manyByHand makes so many pairs with rules of many forms.
func (d *desk) manyByHand(n int) {
	d.t.Helper()
	all, on, enabled := "ALL", "enabled", "enabled"
	for i := range n {
		d.ruleByHand(fmt.Sprintf("team-%02d", i), fmt.Sprintf("team-%02d-copy", i), func(r *world.RuleRequest) {
			switch i % 5 {
			case 1:
				r.Action = &all
			case 2:
				r.Historical = &on
			case 3:
				r.Prefixes = nil
			case 4:
				r.RTC = &enabled
			}
		})
	}
}

func TestDozensOfRulesAreDiscoveredAndAdopted(t *testing.T) {
	bubble(t, "although the cloud asks for fewer calls, and no ticket is made twice", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		const n = 40
		d.manyByHand(n)
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		partly := "PUT,DELETE"
		d.ruleByHand("odd", "odd-copy", func(r *world.RuleRequest) { r.Action = &partly })

		d.world.Break(world.Fault{Service: "oss", Action: "GetBucketReplication", Kind: world.FaultThrottle, Times: 15})
		r, err := d.scan(discoverRights)
		require.NoError(t, err)
		require.Empty(t, r.Unread)
		require.Equal(t, 1, r.Managed)
		require.Len(t, r.Rules, n+1)
		require.Equal(t, "odd", r.Rules[0].Source.Bucket)
		require.Equal(t, replication.ReasonAdoptUnknown, r.Rules[0].Problems[0].Code)

		ids := d.adoptAll(r)
		require.Len(t, ids, n)
		again, err := d.scan(discoverRights) // before anything is claimed, or in the middle of it
		require.NoError(t, err)
		d.adoptAll(again)
		for _, id := range ids {
			j := d.watched(id, 6*time.Hour)
			require.Contains(t, []replication.Reason{replication.ReasonAdopted, replication.ReasonVerifiedNoCanary}, j.Reason)
			require.Empty(t, d.ours(j.Request.Source.Bucket))
		}
		d.onceMade(1) // of CHG-1
		time.Sleep(3 * time.Hour)
		st, _ := d.shard()
		require.Len(t, st.Pairs, n+1)
		last, err := d.scan(discoverRights)
		require.NoError(t, err)
		require.Equal(t, n+1, last.Managed)
		require.Len(t, last.Rules, 1, "what cannot be adopted is listed on")
		for _, id := range ids {
			for _, e := range d.events(id) {
				require.NotContains(t, e.ID, "/alert/backfill/", "nobody is alarmed by what cannot be known")
			}
		}
	})
}

func TestEachRightOfADiscoveryIsNeeded(t *testing.T) {
	for i, right := range discoverRights {
		bubble(t, right, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.ruleByHand("team-a", "team-a-copy", nil)
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.watched("CHG-1", time.Hour)
			var rest []string
			for k, other := range discoverRights {
				if k != i {
					rest = append(rest, other)
				}
			}
			r, err := d.scan(rest)
			if err == nil {
				require.NotEmpty(t, r.Unread)
				err = r.Unread[0].Err
			}
			require.Equal(t, fault.Denied, fault.Of(err), "%v", err)
		})
	}
}
