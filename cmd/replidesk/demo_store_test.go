package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// bench is a cloud without functions, in which a test copies by hand.
type bench struct {
	*testing.T
	*pair
}

func newBench(t *testing.T, p plan) *bench {
	t.Helper()
	cloud, accounts := emulator.Ready(world.Options{})
	server, err := cloud.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(server.Close)
	p.id, p.source, p.dest = "CHG-1", place{"cn-hangzhou", "test-source"}, place{"cn-shanghai", "test-copy"}
	c := &clients{url: server.URL, id: accounts.A.User.ID, secret: accounts.A.User.Secret, regions: map[string]*oss.Client{}}
	pr, err := seed(t.Context(), c, p)
	require.NoError(t, err)
	return &bench{t, pr}
}

// copyAll copies every object of an unversioned source.
func (b *bench) copyAll() {
	b.Helper()
	res, err := b.clients.at(b.source).ListObjectsV2(b.Context(), &oss.ListObjectsV2Request{Bucket: &b.source.bucket})
	require.NoError(b, err)
	for _, o := range res.Contents {
		got, err := b.clients.at(b.source).GetObject(b.Context(), &oss.GetObjectRequest{Bucket: &b.source.bucket, Key: o.Key})
		require.NoError(b, err)
		_, err = b.clients.at(b.dest).PutObject(b.Context(), &oss.PutObjectRequest{Bucket: &b.dest.bucket, Key: o.Key, Body: got.Body})
		require.NoError(b, err)
		require.NoError(b, got.Body.Close())
	}
}

func (b *bench) found() comparison {
	b.Helper()
	c, err := b.compare(b.Context())
	require.NoError(b, err)
	return c
}

func (b *bench) putAtDestination(key, body string) {
	b.Helper()
	_, err := b.clients.at(b.dest).PutObject(b.Context(), &oss.PutObjectRequest{Bucket: &b.dest.bucket, Key: &key, Body: strings.NewReader(body)})
	require.NoError(b, err)
}

func TestTheComparisonFindsWhatIsMissingChangedOrTooMuch(t *testing.T) {
	b := newBench(t, plan{historical: true, within: 3})
	require.Equal(t, comparison{inScope: 3}, strip(b.found()), "nothing is there")
	b.copyAll()
	require.Equal(t, comparison{inScope: 3, replicated: 3}, b.found())
	b.putAtDestination(".replidesk/CHG-1/canary", "what a proof leaves behind is no fault")
	require.Equal(t, comparison{inScope: 3, replicated: 3}, b.found())

	b.putAtDestination("old-0001.txt", "changed")
	c := b.found()
	require.Equal(t, comparison{inScope: 3, replicated: 2}, strip(c))
	require.Equal(t, []string{"CHG-1: old-0001.txt in test-copy is not as in test-source"}, c.problems)
	b.putAtDestination("stray.txt", "not of the source")
	require.Equal(t, 1, b.found().outOfScope)
}

// strip leaves the problems out.
func strip(c comparison) comparison {
	c.problems = nil
	return c
}

func TestTheComparisonKnowsTheScope(t *testing.T) {
	b := newBench(t, plan{historical: true, within: 4, aside: 2, prefixes: []string{"a/", "b"}})
	require.Len(t, b.want, 4)
	for n := range b.want {
		require.True(t, strings.HasPrefix(n.key, "a/") || strings.HasPrefix(n.key, "b"), n.key)
	}
	b.copyAll()
	c := b.found()
	require.Equal(t, comparison{inScope: 4, replicated: 4, outOfScope: 2}, strip(c), "what was aside must not be copied")
	b.putAtDestination(".replidesk/CHG-1/outside", "the probe outside the scope must not arrive either")
	require.Equal(t, 3, b.found().outOfScope)
	_, err := b.clients.at(b.dest).DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: &b.dest.bucket, Key: oss.Ptr("own/notes.txt")})
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(b.found().problems), "own/notes.txt has gone from test-copy")
}

func TestWithoutHistoryOnlyWhatIsNewIsWanted(t *testing.T) {
	b := newBench(t, plan{within: 2, deletes: true})
	require.Empty(t, b.want)
	b.live = true
	require.NoError(t, b.put(t.Context(), "old-0000.txt"))
	require.NoError(t, b.put(t.Context(), "new-0000.txt"))
	require.Len(t, b.want, 2)
	require.NoError(t, b.remove(t.Context(), "new-0000.txt"))
	require.Len(t, b.want, 1, "deletions are replicated")
	b.deletes = false
	require.NoError(t, b.remove(t.Context(), "old-0000.txt"))
	require.Len(t, b.want, 1, "deletions stay at the source")
}

func TestVersionsAndMarkersAreWantedOneByOne(t *testing.T) {
	b := newBench(t, plan{historical: true, within: 6, versioned: true, multipart: true})
	markers := 0
	for n, s := range b.want {
		require.NotEmpty(t, n.version)
		if s.marker {
			markers++
		}
	}
	require.Len(t, b.want, 6+2+1+1, "six objects, two of them twice, a marker, and one in parts")
	require.Equal(t, 1, markers)
}

func TestWhatHasArrivedIsSeen(t *testing.T) {
	b := newBench(t, plan{historical: true})
	require.NoError(t, b.put(t.Context(), "new.txt"))
	b.copyAll()
	require.NoError(t, b.arrived(t.Context(), "new.txt"))
}

func TestTheReportSaysEverythingThatIsWrong(t *testing.T) {
	job := func(p replication.Phase, r replication.Reason) ticketState {
		return ticketState{Job: &replication.Job{Phase: p, Reason: r}}
	}
	event := func(typ replication.EventType, id, ticket string) result {
		e := result{ID: id, Type: typ}
		e.Data.Ticket = ticket
		return e
	}
	good := func() *demo {
		d := &demo{results: &results{final: map[string]bool{}}, stats: []functionSummary{{name: "verify", Invocations: 1}}}
		d.tickets = []*demoTicket{
			{plan: plan{id: "A", phase: replication.PhaseWatching, reason: replication.ReasonVerified, slow: true}, state: job(replication.PhaseWatching, replication.ReasonVerified)},
			{plan: plan{id: "B", phase: replication.PhaseRejected, reason: replication.ReasonPrefixOverlap}, refusal: &result{}},
		}
		d.tickets[0].state.Job.Evidence = &replication.Evidence{By: "canary"}
		d.tickets[1].refusal.Data.Phase, d.tickets[1].refusal.Data.Reason = replication.PhaseRejected, replication.ReasonPrefixOverlap
		for _, kind := range []string{"lag", "backfill"} {
			d.results.keep(event(replication.EventFiring, "A/alert/"+kind+"/7/firing", "A"))
			d.results.keep(event(replication.EventResolved, "A/alert/"+kind+"/7/resolved", "A"))
		}
		for _, a := range d.results.alerts {
			a.fired.received, a.cleared.received = d.began.Add(1), d.began.Add(2)
		}
		return d
	}
	require.Empty(t, good().summary().Problems)

	for says, spoil := range map[string]func(d *demo){
		"A ended as failed (canary.lost) instead of watching (job.verified)": func(d *demo) {
			d.tickets[0].state.Job.Phase, d.tickets[0].state.Job.Reason = replication.PhaseFailed, replication.ReasonCanaryLost
		},
		"B ended as rejected (request.malformed) instead of rejected (objects.prefix-overlap)": func(d *demo) {
			d.tickets[1].refusal.Data.Reason = replication.ReasonMalformed
		},
		"A was proven with a canary: false; it should be true": func(d *demo) { d.tickets[0].state.Job.Evidence = nil },
		"an object is missing":                                 func(d *demo) { d.found.problems = []string{"an object is missing"} },
		"the alert lag of A did not fire and resolve":          func(d *demo) { d.results.alerts = d.results.alerts[1:] },
		"the alert backfill of A was not resolved":             func(d *demo) { d.results.alerts[1].cleared = result{} },
		"an alert of kind lag was resolved that never fired":   func(d *demo) { d.results.alerts[0].fired = result{} },
		"an alert of kind rule fired for B: ": func(d *demo) {
			d.results.keep(event(replication.EventFiring, "B/alert/rule/7/firing", "B"))
			d.results.alerts[2].fired.received = d.began.Add(1)
		},
		"the function verify failed 2 times":   func(d *demo) { d.stats[0].Errors = 2 },
		"the function verify was never called": func(d *demo) { d.stats[0].Invocations = 0 },
	} {
		d := good()
		spoil(d)
		require.Contains(t, d.summary().Problems, says)
	}
}

func TestTheDemonstrationKnowsWhatItWaitsFor(t *testing.T) {
	d := &demo{results: &results{final: map[string]bool{}}}
	slow := &demoTicket{plan: plan{id: "A", slow: true}}
	d.tickets = []*demoTicket{slow}
	require.Equal(t, "A is not at rest", d.awaited())
	slow.state.Job = &replication.Job{Phase: replication.PhaseWatching}
	require.Equal(t, "no final result of A has come", d.awaited())
	d.results.final["A"] = true
	d.writing = 1
	require.Equal(t, "new objects are being written", d.awaited())
	d.writing = 0
	require.Equal(t, "the alerts of A have not fired", d.awaited())
	d.lifted = true
	d.results.alerts = []*alert{{}}
	require.Equal(t, "the alerts have not been resolved", d.awaited())
	d.results.alerts[0].cleared.ID = "x"
	require.Equal(t, "", d.awaited())
	slow.state.Job.Phase = replication.PhaseFailed
	d.lifted = false
	require.Equal(t, "", d.awaited(), "without a watch no alert will ever come")
}
