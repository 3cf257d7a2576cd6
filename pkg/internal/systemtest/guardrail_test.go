package systemtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
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
