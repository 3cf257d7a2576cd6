package systemtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A bad ticket, and what a person corrects in it.
type bad struct {
	prepare func(d *desk)
	ticket  func(d *desk) string
	reason  replication.Reason
	id      string // under which it is answered
	looked  bool   // it was refused after a look at the cloud, so its id is used up
}

// withPrefixes is a ticket for the usual pair with these prefixes.
func withPrefixes(d *desk, prefixes ...string) string {
	list, err := json.Marshal(prefixes)
	require.NoError(d.t, err)
	return d.ticket("CHG-1", "src", "dst", `"historical":{"replicate":true},"objects":{"prefixes":`+string(list)+`}`)
}

func badTickets() map[string]bad {
	usual := func(d *desk) { d.pair("src", "dst", false) }
	return map[string]bad{
		"one that is not JSON": {usual, func(*desk) string { return `{"specVersion":"1","id":"CHG-1",` },
			replication.ReasonMalformed, "unknown", false},
		"one that is text": {usual, func(*desk) string { return "please replicate src to dst" },
			replication.ReasonMalformed, "unknown", false},
		"one with an unknown field": {usual, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", scope+`,"priority":"high"`) },
			replication.ReasonUnknownField, "CHG-1", false},
		"one with a field in other letters": {usual, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", scope+`,"RTC":true`) },
			replication.ReasonUnknownField, "CHG-1", false},
		"one with two overlapping prefixes": {usual, func(d *desk) string { return withPrefixes(d, "image/", "image/2026/") },
			replication.ReasonPrefixOverlap, "CHG-1", false},
		"one with eleven prefixes": {usual, func(d *desk) string {
			return withPrefixes(d, "a/", "b/", "c/", "d/", "e/", "f/", "g/", "h/", "i/", "j/", "k/")
		}, replication.ReasonPrefixCount, "CHG-1", false},
		"one that does not say what becomes of existing objects": {usual, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", `"rtc":false`) },
			replication.ReasonHistoricalMissing, "CHG-1", false},
		"one that names the state bucket as its source": {usual, func(d *desk) string { return d.ticket("CHG-1", stateBucket, "dst", "") },
			replication.ReasonReserved, "CHG-1", false},
		"one that names the state bucket as its destination": {usual, func(d *desk) string { return d.ticket("CHG-1", "src", stateBucket, "") },
			replication.ReasonReserved, "CHG-1", false},
		"one for a source that does not exist": {func(d *desk) { d.bucket("dst", away, false) }, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", "") },
			replication.ReasonSourceMissing, "CHG-1", true},
		"one for a destination that does not exist": {func(d *desk) { d.bucket("src", home, false) }, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", "") },
			replication.ReasonDestinationMissing, "CHG-1", true},
		"one for versioning that differs": {func(d *desk) { d.bucket("src", home, true); d.bucket("dst", away, false) },
			func(d *desk) string { return d.ticket("CHG-1", "src", "dst", "") }, replication.ReasonVersioningDiffers, "CHG-1", true},
		"one that would overwrite what the destination has": {func(d *desk) { usual(d); d.put("dst", "image/1", "precious") },
			func(d *desk) string { return d.ticket("CHG-1", "src", "dst", "") }, replication.ReasonOverwrite, "CHG-1", true},
		"one for the bucket of another account": {func(d *desk) {
			d.bucket("src", home, false)
			require.Nil(d.t, d.world.PutBucket(world.NewBucket{Name: "dst", Owner: d.other, Region: away}))
		}, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", "") }, replication.ReasonDestinationNotOurs, "CHG-1", true},
		"one for the accelerated link within a region": {func(d *desk) { d.bucket("src", home, false); d.bucket("dst", home, false) },
			func(d *desk) string {
				return d.ticketTo("CHG-1", "src", "dst", home, scope+`,"transferAcceleration":true`)
			}, replication.ReasonAccelerationWithinRegion, "CHG-1", false},
		"one for replication time control within a region": {func(d *desk) { d.bucket("src", home, false); d.bucket("dst", home, false) },
			func(d *desk) string { return d.ticketTo("CHG-1", "src", "dst", home, scope+`,"rtc":true`) }, replication.ReasonRTCWithinRegion, "CHG-1", false},
		"one with tags and deletes": {usual, func(d *desk) string { return d.ticket("CHG-1", "src", "dst", byTags("all")+`,"replicateDeletes":true`) },
			replication.ReasonTagsWithDeletes, "CHG-1", false},
		"one with tags for a region without": {usual, func(d *desk) string { return d.ticketTo("CHG-1", "src", "dst", "cn-zhangjiakou", byTags("all")) },
			replication.ReasonTagsRegion, "CHG-1", false},
		"one for a destination in another region": {func(d *desk) { d.bucket("src", home, false); d.bucket("dst", "us-west-1", false) },
			func(d *desk) string { return d.ticket("CHG-1", "src", "dst", "") }, replication.ReasonDestinationRegion, "CHG-1", true},
	}
}

func TestABadTicketIsAnsweredAtOnceAndNothingIsMade(t *testing.T) {
	for name, c := range badTickets() {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			c.prepare(d)
			d.submit(c.ticket(d))
			sent := time.Now()
			e := d.awaitEvent(c.id, c.reason, 30*time.Second)
			require.Less(t, time.Since(sent), 20*time.Second, "at once")
			require.Equal(t, string(replication.EventRejected), e.Type)
			require.Equal(t, c.reason.Remedy(), e.Data.Remedy)
			require.NotEmpty(t, e.Data.Remedy)
			time.Sleep(2 * time.Hour)
			d.isOver(c)
			d.corrected(c)
		})
	}
}

// isOver looks that a bad ticket has made nothing and is not tried again.
func (d *desk) isOver(c bad) {
	d.t.Helper()
	require.Empty(d.t, d.made(), "nothing was made")
	last := d.reasons(c.id)
	require.Equal(d.t, c.reason, last[len(last)-1], "nothing more was said")
	s := d.platform.QueueTriggerStats(fn("provision"), "requests")
	require.Equal(d.t, 1, s.Deliveries, "the message came once")
	require.Equal(d.t, 1, s.Delivered)
	for _, q := range []config.Queue{config.QueueRequests, config.QueueWakeProvision, config.QueueWakeVerify, config.QueueUndelivered} {
		require.Zero(d.t, d.queued(q), "queue %s", q)
	}
	require.Empty(d.t, d.marks("open"))
	if c.looked {
		require.Equal(d.t, replication.PhaseRejected, d.job("CHG-1").Phase)
		require.Empty(d.t, d.burials, "its job keeps what became of it")
		require.Empty(d.t, d.owner("src", "dst"))
		return
	}
	require.Nil(d.t, d.job("CHG-1"), "no entry was written")
	require.Len(d.t, d.burials, 1)
	require.Equal(d.t, c.reason, d.burials[0].Reason.Code)
	require.Equal(d.t, c.reason.Remedy(), d.burials[0].Reason.Remedy)
	require.Equal(d.t, c.ticket(d), string(d.burials[0].Body))
}

// corrected sends what a person makes of a bad ticket: under the same id when that
// was not used up, else under a new one.
func (d *desk) corrected(c bad) {
	d.t.Helper()
	d.pair("src2", "dst2", false)
	id := "CHG-1"
	if c.looked {
		d.submit(d.ticket(id, "src2", "dst2", ""))
		d.awaitEvent(id, replication.ReasonIDReused, time.Minute)
		id = "CHG-2"
	}
	d.submit(d.ticket(id, "src2", "dst2", ""))
	d.watched(id, time.Hour)
}

func TestAnIDIsUsedForOneTicket(t *testing.T) {
	reuse := map[string]func(t *testing.T, d *desk){
		"while its job is under way": func(*testing.T, *desk) { time.Sleep(time.Minute) },
		"after its job has ended":    func(_ *testing.T, d *desk) { d.watched("CHG-1", time.Hour); time.Sleep(time.Hour) },
	}
	for name, between := range reuse {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.pair("src2", "dst2", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			between(t, d)
			d.submit(d.ticket("CHG-1", "src2", "dst2", ""))
			e := d.awaitEvent("CHG-1", replication.ReasonIDReused, time.Minute)
			require.NotEmpty(t, e.Data.Remedy)
			j := d.watched("CHG-1", time.Hour)
			time.Sleep(time.Hour)
			d.collect()
			require.Len(t, d.burials, 1)
			rules := d.rules("src") + d.rules("src2")
			require.Equal(t, 1, rules, "the running job is not touched, the other is none")
			require.Equal(t, d.tickets["CHG-1"].Source, j.Request.Source)
			require.Equal(t, 1, d.calls("PutBucketReplication"))
		})
	}
}

func TestTwoTicketsUnderOneID(t *testing.T) {
	bubble(t, "at the same moment: one of them counts, the other is refused", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", scope+`,"limits":{"maxLag":"1h1m"}`))
		d.submit(d.ticket("CHG-1", "src", "dst", scope+`,"limits":{"maxLag":"2h2m"}`))
		d.awaitEvent("CHG-1", replication.ReasonIDReused, time.Minute)
		d.watched("CHG-1", time.Hour)
		d.collect()
		require.Len(t, d.burials, 1)
		d.onceMade(1)
	})
}

// rules counts the rules of a bucket that are not closing.
func (d *desk) rules(bucket string) (n int) {
	all, e := d.world.Replication(bucket, false)
	if e != nil {
		return 0
	}
	for _, r := range all {
		if r.Status != world.RuleClosing {
			n++
		}
	}
	return n
}

func TestATicketMayComeInAnyFormThatTheQueueCanCarry(t *testing.T) {
	forms := map[string]func(body string) string{
		"plain":     func(b string) string { return b },
		"in base64": func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) },
		"in base64 twice, as some send": func(b string) string {
			return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(b))))
		},
		"with space around it": func(b string) string { return "\n  " + b + "\n" },
	}
	for name, form := range forms {
		for delivery, eventDriven := range map[string]bool{"in an array": false, "as an object": true} {
			bubble(t, name+" and delivered "+delivery, func(t *testing.T) {
				d := newDesk(t, setup{eventDriven: eventDriven})
				d.pair("src", "dst", false)
				body := d.ticket("CHG-1", "src", "dst", "")
				d.know(body)
				d.send(config.QueueRequests, form(body))
				d.watched("CHG-1", time.Hour)
				d.send(config.QueueRequests, form(`{"id":"CHG-2"}`))
				d.awaitEvent("CHG-2", replication.ReasonInvalid, time.Minute)
			})
		}
	}
}

func TestTheMessagesOfABatchDoNotTouchEachOther(t *testing.T) {
	// marker is the request that takes a ticket in, work one of its job.
	marker := func(c call) bool {
		return c.request.Method == http.MethodPut && strings.Contains(c.request.URL.Path, "/open/0/CHG-PANIC/")
	}
	work := func(c call) bool { return strings.HasPrefix(c.request.URL.Host, "src-panic.") }
	for name, where := range map[string]func(call) bool{"when it is taken in": marker, "when its job runs": work} {
		bubble(t, "one that is bad and one that panics "+name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.pair("src2", "dst2", false)
			d.pair("src-panic", "dst-panic", false)
			panicked := 0
			d.befall(func(c call) mishap {
				if where(c) && panicked < 3 {
					panicked++
					return panics
				}
				return goesWell
			})
			for _, body := range []string{d.ticket("CHG-1", "src", "dst", ""), `{"id":"CHG-BAD"}`, d.ticket("CHG-PANIC", "src-panic", "dst-panic", ""), d.ticket("CHG-2", "src2", "dst2", "")} {
				d.submit(body)
			}
			for _, id := range []string{"CHG-1", "CHG-2", "CHG-PANIC"} {
				d.watched(id, time.Hour)
			}
			require.GreaterOrEqual(t, panicked, 3)
			require.Len(t, d.events("CHG-BAD"), 1)
			for _, once := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
				require.Equal(t, 3, d.calls(once), once)
			}
		})
	}
	bubble(t, "twenty good ones and twenty bad ones at once", func(t *testing.T) {
		d := newDesk(t, setup{})
		for i := range 20 {
			src, dst := fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i)
			d.pair(src, dst, i%2 == 0)
			d.submit(d.ticket(fmt.Sprintf("CHG-%d", i), src, dst, ""))
			d.submit(d.ticket(fmt.Sprintf("BAD-%d", i), src, src, ""))
		}
		for i := range 20 {
			d.watched(fmt.Sprintf("CHG-%d", i), 2*time.Hour)
			require.Equal(t, []replication.Reason{replication.ReasonSameBucket}, d.reasons(fmt.Sprintf("BAD-%d", i)))
		}
		require.Len(t, d.burials, 20)
	})
}

func TestAMessageThatCannotBeTakenInIsDeliveredAgain(t *testing.T) {
	bubble(t, "while the state bucket refuses every write", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "PutObject", Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(20 * time.Minute)
		require.Nil(t, d.job("CHG-1"))
		require.Empty(t, d.made(), "nothing is done that cannot be written down")
		require.Equal(t, 1, d.queued(config.QueueRequests), "the message is not lost")
		mend()
		d.watched("CHG-1", time.Hour)
	})
	bubble(t, "until the trigger gives up, and then comes back by way of the undelivered ones", func(t *testing.T) {
		d := newDesk(t, setup{retry: "BACKOFF_RETRY"})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "oss", Action: "PutObject", Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.submit(`{"id":"CHG-BAD"}`)
		require.True(t, d.until(30*time.Minute, func() bool {
			return d.platform.QueueTriggerStats(fn("provision"), "requests").DeadLettered == 2
		}))
		time.Sleep(30 * time.Minute)
		require.Equal(t, 1, d.queued(config.QueueUndelivered), "it waits there, and the bad one was answered")
		mend()
		d.watched("CHG-1", time.Hour)
		require.Zero(t, d.queued(config.QueueUndelivered))
		require.Equal(t, []replication.Reason{replication.ReasonInvalid}, d.reasons("CHG-BAD")[:1])
	})
	bubble(t, "because an account cannot pay, for an hour", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "oss", Resource: stateBucket, Kind: world.FaultRefuse, Status: 403, Code: "InDebt"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(time.Hour)
		mend()
		d.watched("CHG-1", time.Hour)
	})
}
