package systemtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// dry is what makes a ticket ask for a plan only.
func dry(extra string) string { return `"dryRun":true,` + extra }

// planned waits for the answer to a ticket that asks for a plan only.
func (d *desk) planned(id string, reason replication.Reason) (replication.PlanResult, result) {
	d.t.Helper()
	e := d.awaitEvent(id, reason, 20*time.Minute)
	require.Equal(d.t, string(replication.EventPlanned), e.Type)
	var p replication.PlanResult
	require.NoError(d.t, json.Unmarshal(e.Data.Detail, &p))
	return p, e
}

// writes are the calls by which provision changed anything but its own answers.
func (d *desk) writes(from int) (list []world.Call) {
	calls, _ := d.world.Calls(from)
	for _, c := range calls {
		answer := c.Service == "mns" && c.Action == "SendMessage" && c.Resource == d.config.QueueName(config.QueueResults)
		if c.Write && !answer && strings.Contains(c.Caller, ":assumed-role/"+fn("provision")+"/") {
			list = append(list, c)
		}
	}
	return list
}

func TestATicketThatAsksForAPlanIsAnsweredAndChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		versioned bool
		region    string
		extra     string
	}{
		"of a pair":                      {false, away, scope},
		"of a pair with versions":        {true, away, scope + `,"replicateDeletes":true`},
		"over the accelerated link":      {false, "us-west-1", scope + `,"transferAcceleration":true`},
		"within one region":              {false, home, scope},
		"over objects, which it accepts": {false, away, `"historical":{"replicate":true,"acceptOverwrite":true}`},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.bucket("src", home, c.versioned)
			d.bucket("dst", c.region, c.versioned)
			if !c.versioned {
				d.put("src", "docs/1", "new")
				d.put("dst", "docs/1", "old")
			}
			d.ages("src", world.LifecycleRule{ID: "tidy", Expiration: &world.LifecycleTime{Days: 30}})
			_, from := d.world.Calls(0)
			d.submit(d.ticketTo("CHG-1", "src", "dst", c.region, dry(c.extra)))
			p, e := d.planned("CHG-1", replication.ReasonPlanned)
			require.True(t, p.Accepted)
			require.Equal(t, "CHG-1", p.Ticket)
			require.True(t, strings.HasPrefix(e.ID, "CHG-1/planned/"), e.ID)
			require.Equal(t, replication.ReasonPlanned.Remedy(), e.Data.Remedy)
			require.Contains(t, fmt.Sprint(p.Risks), `lifecycle rule "tidy" of src`)
			time.Sleep(10 * time.Minute)
			require.Empty(t, d.writes(from), "it only reads, and answers")
			require.Nil(t, d.job("CHG-1"))
			require.Empty(t, d.owner("src", "dst"))
			require.Empty(t, d.listed(stateBucket, "open/", false))
			require.Empty(t, d.listed(stateBucket, "log/", false))
			require.Empty(t, d.made())
			require.Zero(t, d.queued(config.QueueRequests))
			require.Zero(t, d.queued(config.QueueDead))

			d.submit(d.ticketTo("CHG-1", "src", "dst", c.region, c.extra))
			d.watched("CHG-1", 12*time.Hour)
			var did []replication.Effect
			for _, s := range p.Steps {
				if s.Effect != nil {
					did = append(did, *s.Effect)
				}
			}
			require.Equal(t, unmarked(d.effects("CHG-1")), unmarked(did), "the id was free, and what was planned is done")
		})
	}
}

func TestATicketThatAsksForAPlanTwiceIsAnsweredUnderOneEvent(t *testing.T) {
	bubble(t, "as it comes", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		body := d.ticket("CHG-1", "src", "dst", dry(scope))
		for range 2 {
			d.submit(body)
		}
		require.True(t, d.until(10*time.Minute, func() bool { d.collect(); return len(d.results) == 2 }))
		require.Equal(t, d.results[0].ID, d.results[1].ID)
		require.Equal(t, string(d.results[0].Data.Detail), string(d.results[1].Data.Detail))
	})
}

func TestATicketThatAsksForAPlanIsRefusedInTheAnswer(t *testing.T) {
	for name, c := range badTickets() {
		if strings.Contains(name, "not JSON") || strings.Contains(name, "is text") {
			continue // nobody can tell what it asks for
		}
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			c.prepare(d)
			_, from := d.world.Calls(0)
			d.submit(`{"dryRun":true,` + strings.TrimPrefix(c.ticket(d), "{"))
			p, e := d.planned(c.id, c.reason)
			require.False(t, p.Accepted)
			require.Equal(t, c.reason, p.Reasons[0].Code)
			require.Equal(t, c.reason.Remedy(), e.Data.Remedy)
			require.Zero(t, d.queued(config.QueueDead), "nobody has to look at it")
			require.Empty(t, d.writes(from))
		})
	}
}

func TestAPlanNamesTheRightThatIsMissing(t *testing.T) {
	whole, err := deploy.RolePolicy("provision", stateBucket, "replidesk")
	require.NoError(t, err)
	for action, c := range map[string]struct {
		reason replication.Reason
		says   string
	}{
		"oss:GetBucketReplicationLocation": {replication.ReasonDenied, "GetBucketReplicationLocation src answered AccessDenied"},
		"oss:GetBucketReplication":         {replication.ReasonDenied, "GetBucketReplication src answered AccessDenied"},
		"oss:ListObjects":                  {replication.ReasonDenied, "ListObjectsV2 log/"},
	} {
		bubble(t, action, func(t *testing.T) {
			without := strings.Replace(string(whole), `"`+action+`"`, `"oss:GetBucketTags"`, 1)
			require.NotEqual(t, string(whole), without)
			d := newDesk(t, setup{policies: map[string]string{"provision": without}})
			d.maimed = true
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", dry(scope)))
			p, e := d.planned("CHG-1", c.reason)
			require.Contains(t, e.Data.Message, c.says)
			require.False(t, p.Accepted)
		})
	}
	bubble(t, "and is of use without what no job needs", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		_, e := d.world.CreatePolicy(d.uid, "no-lifecycles", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:GetBucketLifecycle","Resource":["acs:oss:*:*:src","acs:oss:*:*:dst"]}]}`, "", nil)
		require.Nil(t, e)
		d.attach(fn("provision"), "no-lifecycles")
		time.Sleep(time.Minute)
		d.submit(d.ticket("CHG-1", "src", "dst", dry(scope)))
		p, _ := d.planned("CHG-1", replication.ReasonPlanned)
		require.True(t, p.Accepted)
		require.Contains(t, risk(p, "lifecycle-unknown"), "GetBucketLifecycle src answered AccessDenied; the right to that call is missing")
		require.Contains(t, risk(p, "destination-lifecycle-unknown"), "GetBucketLifecycle dst")
	})
}

func TestAPlanThatIsThrottledKeepsNobodyWaiting(t *testing.T) {
	for name, kind := range map[string]world.FaultKind{"by the service": world.FaultThrottle, "by a service that does not answer": world.FaultHang} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.pair("src2", "dst2", false)
			mend := d.world.Break(world.Fault{Service: "oss", Action: "GetBucketInfo", Resource: "src", Kind: kind})
			for i := range 6 { // all of them in one batch with the ticket in earnest
				d.submit(d.ticket(fmt.Sprintf("DRY-%d", i), "src", "dst", dry(scope)))
			}
			d.submit(d.ticket("CHG-2", "src2", "dst2", scope))
			began := time.Now()
			d.awaitEvent("CHG-2", replication.ReasonAccepted, time.Minute)
			require.Less(t, time.Since(began), 15*time.Second)
			d.watched("CHG-2", time.Hour)
			mend()
			if kind == world.FaultHang {
				for i := range 6 {
					p, _ := d.planned(fmt.Sprintf("DRY-%d", i), replication.ReasonUnavailable)
					require.Contains(t, p.Reasons[0].Message, "GetBucketInfo src")
				}
				return
			}
			for i := range 6 {
				d.planned(fmt.Sprintf("DRY-%d", i), replication.ReasonPlanned)
			}
		})
	}
}
