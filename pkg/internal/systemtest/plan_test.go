package systemtest

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/wiring"
)

// onlyReads is all that a person needs who plans.
const onlyReads = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:Get*","oss:List*"],"Resource":"acs:oss:*:*:*"},
 {"Effect":"Allow","Action":["ram:GetRole","ram:ListPoliciesForRole","ram:GetPolicy"],"Resource":"acs:ram:*:*:*"},
 {"Effect":"Allow","Action":"kms:DescribeKey","Resource":"acs:kms:*:*:key/*"}]}`

// plan asks what the desk would do for a ticket, with the keys of a person who can
// only read, and looks that nothing was written.
func (d *desk) plan(body string) replication.PlanResult {
	d.t.Helper()
	name := "planner-" + time.Now().Format("150405.000")
	k := d.world.NewUserKey(d.uid, name, []byte(onlyReads))
	d.mu.Lock()
	d.secrets = append(d.secrets, k.Secret)
	d.mu.Unlock()
	creds := &wiring.Credentials{}
	creds.Set(k.ID, k.Secret, "")
	person := wiring.New(d.config, creds, d.cloud.Transport(), slog.New(slog.NewTextHandler(d.log, nil)))
	_, from := d.world.Calls(0)
	r, problems := replication.Parse([]byte(body))
	p, trouble := person.Plan(context.Background(), r, problems)
	require.Nil(d.t, trouble)
	calls, _ := d.world.Calls(from)
	theirs := byCaller(calls, name)
	for _, c := range theirs {
		require.False(d.t, c.Write, "a plan only reads: %+v", c)
	}
	require.Equal(d.t, p.Ending != "" || len(p.Reasons) > 0 && p.Reasons[0].Code == replication.ReasonIDReused, len(theirs) > 0, "it looks when the ticket is in order")
	return p
}

func byCaller(calls []world.Call, name string) (list []world.Call) {
	for _, c := range calls {
		if strings.HasSuffix(c.Caller, "/"+name) {
			list = append(list, c)
		}
	}
	return list
}

// effects returns what a job saved before it did it, a repeated one once.
func (d *desk) effects(id string) (list []replication.Effect) {
	d.t.Helper()
	for _, j := range d.history(id) {
		if j.Intent == nil {
			continue
		}
		if n := len(list); n == 0 || list[n-1].Kind != j.Intent.Effect.Kind {
			list = append(list, j.Intent.Effect)
		}
	}
	return list
}

func TestAPlanIsWhatIsThenDone(t *testing.T) {
	for name, c := range map[string]struct {
		versioned bool
		region    string
		extra     string
	}{
		"of two prefixes":               {false, away, `"historical":{"replicate":true},"objects":{"prefixes":["image/","video"]}`},
		"of the whole bucket":           {false, away, `"historical":{"replicate":false}`},
		"with versions":                 {true, away, scope},
		"with deletes and versions":     {true, away, scope + `,"replicateDeletes":true`},
		"with deletes, without them":    {false, away, scope + `,"replicateDeletes":true`},
		"with time control":             {false, away, scope + `,"rtc":true`},
		"over the accelerated link":     {false, "us-west-1", scope + `,"transferAcceleration":true`},
		"within one region":             {false, home, scope},
		"without objects of the desk's": {false, away, `"historical":{"replicate":true},"verify":{"canary":false}`},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.bucket("src", home, c.versioned)
			d.bucket("dst", c.region, c.versioned)
			d.put("src", "image/1", "historical")
			body := d.ticketTo("CHG-1", "src", "dst", c.region, c.extra)
			p := d.plan(body)
			require.True(t, p.Accepted, "%v", p.Reasons)
			require.Nil(t, d.job("CHG-1"))
			require.Empty(t, d.marks("open"))
			require.Empty(t, d.made())
			d.submit(body)
			if strings.Contains(c.extra, `"canary":false`) { // the evidence needs somebody who writes
				time.Sleep(10 * time.Minute)
				d.put("src", "image/2", "new")
			}
			j := d.watched("CHG-1", 12*time.Hour)
			require.Equal(t, j.Phase, p.Ending)
			var planned []replication.Effect
			for _, s := range p.Steps {
				if s.Effect != nil {
					planned = append(planned, *s.Effect)
				}
			}
			require.Equal(t, unmarked(d.effects("CHG-1")), unmarked(planned))
		})
	}
}

func TestAPlanRefusesWhatTheDeskRefuses(t *testing.T) {
	for name, c := range badTickets() {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			c.prepare(d)
			p := d.plan(c.ticket(d))
			require.False(t, p.Accepted)
			require.Equal(t, c.reason, p.Reasons[0].Code)
			require.Equal(t, c.reason.Remedy(), p.Reasons[0].Remedy)
			d.submit(c.ticket(d))
			e := d.awaitEvent(c.id, p.Reasons[0].Code, time.Minute)
			require.Equal(t, p.Reasons[0].Message, e.Data.Message, "in the same words")
		})
	}
	bubble(t, "a second ticket for a pair, and another under the same id", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.pair("src2", "dst2", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		for id, ticket := range map[string]string{"CHG-2": d.ticket("CHG-2", "src", "dst", ""), "CHG-1": d.ticket("CHG-1", "src2", "dst2", "")} {
			p := d.plan(ticket)
			require.False(t, p.Accepted, id)
			d.submit(ticket)
			d.awaitEvent(id, p.Reasons[0].Code, time.Minute)
		}
		p := d.plan(d.ticket("CHG-1", "src", "dst", ""))
		require.True(t, p.Accepted, "the same ticket again")
		require.Empty(t, p.Steps)
	})
	bubble(t, "a pair that a job owns which has no rule yet", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "ram", Action: "CreateRole", Kind: world.FaultRefuse, Status: 409, Code: "LimitExceeded.Role"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.awaitReason("CHG-1", replication.ReasonQuota, time.Hour)
		second := d.ticket("CHG-2", "src", "dst", "")
		p := d.plan(second)
		require.Equal(t, replication.ReasonDuplicate, p.Reasons[0].Code)
		d.submit(second)
		d.awaitEvent("CHG-2", replication.ReasonDuplicate, time.Minute)
		mend()
		d.watched("CHG-1", time.Hour)
	})
}

// unmarked takes out of the objects of our own what tells this proof from any
// other: it follows from when the ticket was taken in, which no plan knows.
func unmarked(effects []replication.Effect) []replication.Effect {
	for i, e := range effects {
		if e.Object == nil {
			continue
		}
		o := *e.Object
		o.Content = strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789abcdef", r) {
				return -1
			}
			return r
		}, o.Content)
		o.Meta = maps.Clone(o.Meta)
		delete(o.Meta, "replidesk-proof")
		effects[i].Object = &o
	}
	return effects
}
