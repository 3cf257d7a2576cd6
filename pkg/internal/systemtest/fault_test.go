package systemtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// onceMade looks that a job made each of its things once.
func (d *desk) onceMade(n int) {
	d.t.Helper()
	for _, once := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
		require.Equal(d.t, n, d.calls(once), once)
	}
}

// simply runs one ticket from beginning to end, with whatever prepare does to the
// cloud, and looks that it is delayed and nothing else.
func simply(t *testing.T, name string, s setup, limit time.Duration, prepare func(d *desk)) {
	bubble(t, name, func(t *testing.T) {
		d := newDesk(t, s)
		d.pair("src", "dst", false)
		prepare(d)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", limit)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified}, d.reasons("CHG-1"))
		d.onceMade(1)
		d.befall(nil)
		time.Sleep(20 * time.Minute)
		require.Empty(t, d.ours("src"))
		require.Len(t, d.ours("dst"), 1)
	})
}

func TestThrottlingIsAWait(t *testing.T) {
	for _, service := range []string{"oss", "ram", "mns", ""} {
		name := "of " + service
		if service == "" {
			name = "of everything"
		}
		for when, after := range map[string]time.Duration{"from the beginning": 0, "while the rule starts": 2 * time.Minute} {
			simply(t, name+" for ten minutes, "+when, setup{}, 2*time.Hour, func(d *desk) {
				time.AfterFunc(after, func() {
					f := world.Fault{Service: service, Kind: world.FaultThrottle}
					if service == "" {
						for _, s := range []string{"oss", "ram", "mns"} {
							f.Service = s
							time.AfterFunc(10*time.Minute, d.world.Break(f))
						}
						return
					}
					time.AfterFunc(10*time.Minute, d.world.Break(f))
				})
			})
		}
	}
	bubble(t, "that uses up no try, however often it comes", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "ram", Kind: world.FaultThrottle})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(time.Hour)
		j := d.job("CHG-1")
		require.Equal(t, replication.ReasonThrottled, j.Reason)
		require.Zero(t, j.Failures)
		require.Less(t, j.Writes, 250, "and not an entry every few seconds")
		mend()
		d.watched("CHG-1", 2*time.Hour)
	})
}

// writes are the calls with which the functions change something, and how often a
// job makes each at most.
var writes = []struct {
	service, action string
	times           int
}{
	{"oss", "PutBucketReplication", 1},
	{"oss", "PutObject", 30},
	{"oss", "DeleteObject", 5},
	{"ram", "CreateRole", 1},
	{"ram", "CreatePolicy", 1},
	{"ram", "AttachPolicyToRole", 1},
	{"mns", "SendMessage", 8},
}

func TestALostReplyIsSettled(t *testing.T) {
	for _, w := range writes {
		for skip := range w.times {
			simply(t, fmt.Sprintf("of %s number %d", w.action, skip+1), setup{}, 2*time.Hour, func(d *desk) {
				d.world.Break(world.Fault{Service: w.service, Action: w.action, Kind: world.FaultLoseReply, Skip: skip, Times: 1})
			})
		}
	}
	for _, w := range writes {
		simply(t, fmt.Sprintf("of every third %s", w.action), setup{}, 6*time.Hour, func(d *desk) {
			time.AfterFunc(0, func() {
				for skip := range 100 {
					d.world.Break(world.Fault{Service: w.service, Action: w.action, Kind: world.FaultLoseReply, Skip: 2 * skip, Times: 1})
				}
			})
		})
	}
	bubble(t, "of the close of a rule that is not the one asked for", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.world.Break(world.Fault{Service: "oss", Action: "DeleteBucketReplication", Kind: world.FaultLoseReply, Times: 1})
		restore := d.world.DropElement("PrefixSet")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.ReasonRuleDiffers, d.await("CHG-1", time.Hour).Reason)
		restore()
		require.Zero(t, d.rules("src"))
		require.Empty(t, d.owner("src", "dst"))
	})
}

// badNetwork is a network on which so many of a hundred calls go wrong.
func badNetwork(seed uint64, percent int, kinds ...mishap) func(call) mishap {
	rng := rand.New(rand.NewPCG(seed, 7))
	return func(call) mishap {
		if rng.IntN(100) >= percent {
			return goesWell
		}
		return kinds[rng.IntN(len(kinds))]
	}
}

func TestABadNetworkIsADelay(t *testing.T) {
	for seed := range uint64(5) {
		for name, kinds := range map[string][]mishap{
			"loses a fifth of all replies":                        {lostReply},
			"loses a fifth of all calls":                          {lost},
			"loses calls and replies, and hangs, a fifth of them": {lost, lostReply, hangs},
		} {
			simply(t, fmt.Sprintf("that %s (seed %d)", name, seed), setup{seed: seed}, 12*time.Hour, func(d *desk) {
				d.befall(badNetwork(seed, 20, kinds...))
			})
		}
	}
}

func TestServicesThatAreNotWellAreADelay(t *testing.T) {
	type order = world.Fault
	cases := map[string][]order{
		"OSS answers 503": {{Service: "oss", Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"}},
		"OSS answers 500": {{Service: "oss", Kind: world.FaultRefuse, Status: 500, Code: "InternalError"}},
		"RAM answers 503": {{Service: "ram", Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"}},
		"RAM answers 500": {{Service: "ram", Kind: world.FaultRefuse, Status: 500, Code: "InternalError"}},
		"MNS answers 500": {{Service: "mns", Kind: world.FaultRefuse, Status: 500, Code: "InternalError"}},
		"OSS hangs":       {{Service: "oss", Kind: world.FaultHang}},
		"RAM hangs":       {{Service: "ram", Kind: world.FaultHang}},
		"MNS hangs":       {{Service: "mns", Kind: world.FaultHang}},
		"OSS answers with something that nobody has seen": {{Service: "oss", Kind: world.FaultRefuse, Status: 418, Code: "Teapot"}},
		"all is slow":                             {{Service: "oss", Kind: world.FaultSlow, Delay: 4 * time.Second}, {Service: "ram", Kind: world.FaultSlow, Delay: 4 * time.Second}, {Service: "mns", Kind: world.FaultSlow, Delay: 4 * time.Second}},
		"OSS is slower than anybody waits":        {{Service: "oss", Kind: world.FaultSlow, Delay: time.Minute}},
		"RAM does what it is asked, and says 500": {{Service: "ram", Kind: world.FaultLoseReply}},
	}
	for name, faults := range cases {
		for when, after := range map[string]time.Duration{"from the beginning": 0, "while the rule starts": 2 * time.Minute, "while the canary is on its way": 4 * time.Minute} {
			simply(t, name+" for twenty minutes, "+when, setup{}, 4*time.Hour, func(d *desk) {
				time.AfterFunc(after, func() {
					for _, f := range faults {
						time.AfterFunc(20*time.Minute, d.world.Break(f))
					}
				})
			})
		}
	}
}

func TestStaleAnswersDoNotMislead(t *testing.T) {
	cases := map[string]world.Fault{
		"reads of rules":             {Service: "oss", Action: "GetBucketReplication", Kind: world.FaultStaleRead},
		"reads of progress":          {Service: "oss", Action: "GetBucketReplicationProgress", Kind: world.FaultStaleRead},
		"reads of objects":           {Service: "oss", Action: "HeadObject", Kind: world.FaultStaleRead},
		"reads of buckets":           {Service: "oss", Action: "GetBucketInfo", Kind: world.FaultStaleRead},
		"reads of roles":             {Service: "ram", Action: "GetRole", Kind: world.FaultStaleRead},
		"reads of policies":          {Service: "ram", Action: "GetPolicy", Kind: world.FaultStaleRead},
		"lists of attachments":       {Service: "ram", Action: "ListPoliciesForRole", Kind: world.FaultStaleRead},
		"attachments of what is new": {Service: "ram", Action: "AttachPolicyToRole", Kind: world.FaultStaleRead, Times: 2},
		"lists of journals":          {Service: "oss", Action: "ListObjectsV2", Kind: world.FaultStaleList, Delay: 3 * time.Minute},
		"everything of the source":   {Service: "oss", Kind: world.FaultStaleRead, Resource: "src"},
	}
	for name, f := range cases {
		for how, loses := range map[string]bool{"": false, ", and replies of writes are lost": true} {
			simply(t, name+" that lie behind for ten minutes"+how, setup{}, 4*time.Hour, func(d *desk) {
				for _, b := range []string{"src", "dst"} { // so that what lies behind is not their making
					require.Nil(d.t, d.world.PutBucketTags(b, []world.Tag{{Key: "team", Value: "images"}}))
				}
				time.AfterFunc(10*time.Minute, d.world.Break(f))
				if loses {
					for _, w := range writes {
						d.world.Break(world.Fault{Service: w.service, Action: w.action, Resource: notState(w.action), Kind: world.FaultLoseReply, Times: 1})
					}
				}
			})
		}
	}
}

// notState keeps a fault of PutObject and DeleteObject away from the journal.
func notState(action string) string {
	if strings.HasSuffix(action, "Object") {
		return "src/*/*/*/*"
	}
	return ""
}

func TestResultsThatCannotBeSentAreKept(t *testing.T) {
	results := func(d *desk) string { return d.config.QueueName(config.QueueResults) }
	bubble(t, "in order and under their ids, however long it takes", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		mend := d.world.Break(world.Fault{Service: "mns", Action: "SendMessage", Resource: results(d), Kind: world.FaultRefuse, Status: 500, Code: "InternalError"})
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseWatching, time.Hour)
		time.Sleep(time.Hour)
		j := d.job("CHG-1")
		require.False(t, j.AtRest(), "a job is not at rest before its results are sent")
		require.Len(t, j.Outbox, 2)
		ids := []string{j.Outbox[0].ID, j.Outbox[1].ID}
		require.Empty(t, d.events("CHG-1"))
		st, _ := d.shard()
		require.Len(t, st.Pairs, 1, "the watch has begun all the same")
		mend()
		d.await("CHG-1", 2*time.Hour)
		var came []string
		for _, r := range d.events("CHG-1") {
			came = append(came, r.ID)
		}
		require.Equal(t, ids, came)
	})
	bubble(t, "and sent again under their ids when the replies are lost", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		time.AfterFunc(30*time.Minute, d.world.Break(world.Fault{Service: "mns", Action: "SendMessage", Resource: results(d), Kind: world.FaultLoseReply}))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", 3*time.Hour)
		require.Len(t, d.events("CHG-1"), 2)
		require.Greater(t, len(d.results), 2)
	})
	bubble(t, "also those of alerts", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		mend := d.world.Break(world.Fault{Service: "mns", Action: "SendMessage", Resource: results(d), Kind: world.FaultRefuse, Status: 500, Code: "InternalError"})
		d.disable("src")
		time.Sleep(time.Hour)
		require.Len(t, d.events("CHG-1"), 2)
		mend()
		d.awaitEvent("CHG-1", replication.ReasonRuleVanished, 5*time.Minute)
	})
}
