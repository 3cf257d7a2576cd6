package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// touched returns the calls of the functions that are about a bucket, successful or not.
func (d *desk) touched(bucket string) (list []string) {
	all, _ := d.world.Calls(0)
	for _, c := range all {
		if name, _, _ := strings.Cut(c.Resource, "/"); name == bucket && byFunction(c) {
			list = append(list, c.Action)
		}
	}
	return list
}

func TestWhatTheDeskFileDoesNotPermitIsNotTouched(t *testing.T) {
	end := func(bucket string) config.End { return config.End{Account: "*", Region: "*", Bucket: bucket} }
	for name, c := range map[string]struct {
		desk   func(*config.Desk)
		reason replication.Reason
		permit func(*config.Desk)
	}{
		"a desk without an allow-list": {
			func(f *config.Desk) { f.Pairs = nil }, replication.ReasonPairNotAllowed,
			func(f *config.Desk) { f.Pairs = []config.Pair{anyPair} }},
		"a pair that is not on the list": {
			func(f *config.Desk) { f.Pairs = []config.Pair{{Source: end("logs-*"), Destination: end("*")}} }, replication.ReasonPairNotAllowed,
			func(f *config.Desk) {
				f.Pairs = append(f.Pairs, config.Pair{Source: end("src"), Destination: end("d*")})
			}},
		"data that may not leave its region": {
			func(f *config.Desk) {
				f.Residency = []config.Residency{{Account: "*", Bucket: "s*", Regions: []string{home}}}
			}, replication.ReasonResidency,
			func(f *config.Desk) { f.Residency[0].Regions = []string{"cn-*"} }},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: c.desk})
			d.pair("src", "dst", false)
			ticket := d.ticket("CHG-1", "src", "dst", "")
			d.submit(ticket)
			e := d.awaitEvent("CHG-1", c.reason, 30*time.Second)
			require.Equal(t, string(replication.EventRejected), e.Type)
			require.True(t, strings.HasPrefix(e.Data.Remedy, c.reason.Remedy()) && e.Data.Remedy != "", e.Data.Remedy)
			time.Sleep(time.Hour)
			require.Nil(t, d.job("CHG-1"), "no entry was written")
			require.Empty(t, d.touched("src"), "not even looked at")
			require.Empty(t, d.touched("dst"))
			require.Empty(t, d.made())
			d.redeploy(c.permit)
			d.submit(ticket)
			d.watched("CHG-1", time.Hour)
		})
	}
}

func TestASignatureThatDoesNotHoldIsRefused(t *testing.T) {
	bubble(t, "and the ticket can be sent again as it was signed", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		ticket := d.approved(d.ticket("CHG-1", "src", "dst", scope+`,"requester":"ben"`))
		d.submit(strings.Replace(ticket, `"requester":"ben"`, `"requester":"eve"`, 1))
		e := d.awaitEvent("CHG-1", replication.ReasonApprovalInvalid, 30*time.Second)
		require.Equal(t, string(replication.EventRejected), e.Type)
		require.Nil(t, d.job("CHG-1"))
		require.Empty(t, d.touched("src"))
		d.submit(ticket)
		d.watched("CHG-1", time.Hour)
		d.submit(d.ticket("CHG-1", "src", "dst", scope+`,"requester":"ben"`))
		time.Sleep(time.Minute)
		require.NotContains(t, d.reasons("CHG-1"), replication.ReasonIDReused, "with or without its approval it is the same ticket")
	})
}

func TestAPairOfTwoAccountsNeedsAnApproval(t *testing.T) {
	bubble(t, "without which nothing is touched", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("src", home, false)
		require.Nil(t, d.world.PutBucket(world.NewBucket{Name: "dst", Owner: d.other, Region: away}))
		ticket := strings.Replace(d.ticket("CHG-1", "src", "dst", scope+`,"requester":"ben"`),
			`"destination":{"account":"`+d.uid, `"destination":{"account":"`+d.other, 1)
		d.submit(ticket)
		require.True(t, d.until(time.Minute, func() bool { return len(d.events("CHG-1")) > 0 }))
		e := d.events("CHG-1")[0]
		require.Equal(t, string(replication.EventRejected), e.Type)
		require.Contains(t, string(e.Data.Detail), `"approval.missing"`)
		require.Empty(t, d.touched("src"))
		require.Empty(t, d.touched("dst"))
		d.submit(d.approved(ticket))
		require.True(t, d.until(time.Minute, func() bool { return len(d.events("CHG-1")) > 1 }))
		require.NotContains(t, string(d.events("CHG-1")[1].Data.Detail), "approval.")
	})
}

func ptr[T any](v T) *T { return &v }

// slots returns the jobs that have a slot for a new rule.
func (d *desk) slots() (jobs []string) {
	d.t.Helper()
	snap, err := d.journal.Load(context.Background(), journal.Cap("rules"))
	require.NoError(d.t, err)
	if !snap.Exists() {
		return nil
	}
	var e struct {
		Slots []struct {
			Job  string
			Back bool
		}
	}
	require.NoError(d.t, json.Unmarshal(snap.Body, &e))
	for _, s := range e.Slots {
		if !s.Back {
			jobs = append(jobs, s.Job)
		}
	}
	return jobs
}

// checkSlots sees that no slot is lost: who has one knows of it.
func (d *desk) checkSlots() {
	d.t.Helper()
	for _, id := range d.slots() {
		j := d.job(id)
		require.NotNil(d.t, j, "a slot of %s, which never began", id)
		require.True(d.t, !j.AtRest() || !j.Made.Slot.IsZero(), "%s has a slot and does not know of it: %s", id, state(j))
		before := j.Request.Action == replication.ActionReplace && !j.AtRest() // it takes its slot first
		require.False(d.t, j.Made.Pair.IsZero() && !j.Made.PairAsked && !before, "%s has a slot and no pair: %s", id, state(j))
	}
}

func TestADeskThatOnlyObservesChangesNothing(t *testing.T) {
	observe := func(on bool) func(*config.Desk) { return func(f *config.Desk) { f.ObserveOnly = on } }
	bubble(t, "of a new ticket, until it may", func(t *testing.T) {
		d := newDesk(t, setup{desk: observe(true)})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		e := d.awaitEvent("CHG-1", replication.ReasonObserveOnly, time.Minute)
		require.Equal(t, string(replication.EventBlocked), e.Type)
		require.Contains(t, e.Data.Message, "claim the pair")
		time.Sleep(6 * time.Hour)
		require.Empty(t, d.made())
		require.Empty(t, d.owner("src", "dst"))
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonObserveOnly}, d.reasons("CHG-1"), "it is said once")
		d.submit(d.ticket("CHG-2", "nowhere", "dst", ""))
		require.Equal(t, replication.ReasonSourceMissing, d.await("CHG-2", time.Hour).Reason, "what it sees it says")
		d.redeploy(observe(false))
		d.watched("CHG-1", 2*time.Hour)
	})
	bubble(t, "of a watched pair that is to be stopped, but watches it on", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		d.redeploy(observe(true))
		made := len(d.made())
		d.submit(stopTicket("CHG-9", "CHG-1"))
		d.awaitEvent("CHG-9", replication.ReasonObserveOnly, time.Minute)
		time.Sleep(6 * time.Hour)
		require.Len(t, d.made(), made)
		require.Equal(t, 1, d.rules("src"))
		require.Equal(t, replication.PhaseWatching, d.job("CHG-1").Phase)
		d.redeploy(observe(false))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", 12*time.Hour).Phase)
		d.gone("CHG-1", "src", "dst")
	})
	bubble(t, "from the middle of a ticket on, which then goes on where it was", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, time.Hour)
		d.redeploy(observe(true))
		d.awaitReason("CHG-1", replication.ReasonObserveOnly, time.Hour)
		require.Equal(t, replication.PhaseVerifying, d.job("CHG-1").Phase, "it looks on until something is to be changed")
		require.Empty(t, d.ours("src"))
		time.Sleep(24 * time.Hour)
		d.redeploy(observe(false))
		d.watched("CHG-1", 2*time.Hour)
		d.onceMade(1)
	})
}

func TestAPairThatIsTakenOffTheAllowList(t *testing.T) {
	bubble(t, "is not worked on before it is back", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, time.Hour)
		d.redeploy(func(f *config.Desk) { f.Pairs[0].Source.Bucket = "logs-*" })
		e := d.awaitEvent("CHG-1", replication.ReasonPairNotAllowed, time.Hour)
		require.Equal(t, string(replication.EventBlocked), e.Type)
		time.Sleep(time.Hour)
		require.Empty(t, d.ours("src"))
		d.redeploy(func(f *config.Desk) { f.Pairs[0] = anyPair })
		d.watched("CHG-1", 2*time.Hour)
		d.onceMade(1)
	})
}

func TestCapsOnNewRules(t *testing.T) {
	caps := func(perHour, perAccount *int) func(*config.Desk) {
		return func(f *config.Desk) { f.Caps = config.Caps{RulesPerHour: perHour, RulesPerAccount: perAccount} }
	}
	bubble(t, "spread them over the hours, also when workers are killed and answers lost", func(t *testing.T) {
		d := newDesk(t, setup{desk: caps(ptr(2), nil), seed: 3})
		asked := 0
		d.befall(func(c call) mishap {
			if c.request.Method != http.MethodPut || !strings.Contains(c.request.URL.Path, "/cap/") {
				return goesWell
			}
			asked++
			return []mishap{crashDone, lostReply, goesWell}[asked%3]
		})
		for i := range 6 {
			src, dst := fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i)
			d.pair(src, dst, false)
			d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), src, dst, ""))
		}
		time.Sleep(30 * time.Minute)
		require.Equal(t, 2, d.calls("PutBucketReplication"))
		require.Len(t, d.slots(), 2)
		for i := range 6 {
			d.watched(fmt.Sprintf("CHG-%d", i), 6*time.Hour)
			require.NotContains(t, d.reasons(fmt.Sprintf("CHG-%d", i)), replication.ReasonCapHour, "time is nobody's task")
		}
		d.befall(nil)
		require.Greater(t, asked, 6)
		var puts []time.Time
		all, _ := d.world.Calls(0)
		for _, c := range all {
			if c.Action == "PutBucketReplication" && c.Status < 300 {
				puts = append(puts, c.At)
			}
		}
		require.Len(t, puts, 6)
		for i := 2; i < len(puts); i++ {
			require.GreaterOrEqual(t, puts[i].Sub(puts[i-2]), 50*time.Minute, "a slot counts from when it is taken; a worker that dies then puts late")
		}
		require.Len(t, d.slots(), 6)
	})
	bubble(t, "of an account are waited for until another ticket is stopped", func(t *testing.T) {
		d := newDesk(t, setup{desk: caps(nil, ptr(1))})
		d.pair("src", "dst", false)
		d.pair("src2", "dst2", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		d.submit(d.ticket("CHG-2", "src2", "dst2", ""))
		e := d.awaitEvent("CHG-2", replication.ReasonCapAccount, time.Minute)
		require.Contains(t, e.Data.Message, d.uid)
		time.Sleep(24 * time.Hour)
		require.Zero(t, d.rules("src2"))
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		d.watched("CHG-2", 4*time.Hour)
		require.Equal(t, []string{"CHG-2"}, d.slots())
	})
}
