package replication_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestAResultIsACloudEvent(t *testing.T) {
	e := replication.Event{ID: "CHG-2041/7/0", Rev: 7, Type: replication.EventBlocked, At: noon.In(time.FixedZone("", 8*3600)), Job: "CHG-2041", Phase: replication.PhaseBlocked,
		Reason: replication.ReasonRoleMissing, Message: "role x does not exist any more", Remedy: "make it", Detail: json.RawMessage(`{"a":1}`)}
	b, err := e.CloudEvent("replidesk/cn-hangzhou")
	require.NoError(t, err)
	require.JSONEq(t, `{"specversion":"1.0","id":"CHG-2041/7/0","source":"replidesk/cn-hangzhou","type":"replidesk.request.blocked","subject":"CHG-2041",
	 "time":"2000-01-01T12:00:00Z","datacontenttype":"application/json","sequence":"00000000000000000007",
	 "data":{"ticket":"CHG-2041","phase":"blocked","reason":"role.missing","message":"role x does not exist any more","remedy":"make it","detail":{"a":1}}}`, string(b))

	b, err = replication.Event{ID: "x", Type: replication.EventFiring, At: noon, Job: "x", Reason: replication.ReasonLag, Message: "m"}.CloudEvent("s")
	require.NoError(t, err)
	require.JSONEq(t, `{"specversion":"1.0","id":"x","source":"s","type":"replidesk.alert.firing","subject":"x","time":"2000-01-01T12:00:00Z","datacontenttype":"application/json",
	 "data":{"ticket":"x","reason":"watch.lag","message":"m"}}`, string(b), "what there is not is left out")
}

func TestResultsSayTheTopology(t *testing.T) {
	for region, want := range map[string]string{"cn-hangzhou": `{"topology":"SRR"}`, "cn-shanghai": `{"topology":"CRR"}`} {
		r := request()
		r.Destination.Region = region
		j := replication.NewJob(r, noon)
		require.JSONEq(t, want, string(j.Outbox[0].Detail), "the accepted ticket")
		j = at(replication.PhaseVerifying, r)
		j.Evidence = &replication.Evidence{By: "canary", At: noon, CRC64: "7"}
		d := decide(t, j, healthy(r), noon)
		require.Equal(t, replication.EventVerified, d.job.Outbox[0].Type)
		require.JSONEq(t, `{"topology":"`+string(r.Topology())+`","by":"canary","at":"2000-01-01T12:00:00Z","crc64":"7"}`, string(d.job.Outbox[0].Detail))
	}
}

func TestSequencesSortAsText(t *testing.T) {
	sequence := func(rev uint64) string {
		b, err := replication.Event{Rev: rev}.CloudEvent("s")
		require.NoError(t, err)
		var c struct{ Sequence string }
		require.NoError(t, json.Unmarshal(b, &c))
		return c.Sequence
	}
	require.Less(t, sequence(9), sequence(10))
	require.Less(t, sequence(99), sequence(1<<63))
}

func TestAResultHasOneIDForEver(t *testing.T) {
	ids := func(j *job) []string {
		var s []string
		for _, e := range j.Outbox {
			s = append(s, fmt.Sprintf("%s rev %d %s", e.ID, e.Rev, e.Reason))
		}
		return s
	}
	j := replication.NewJob(request(), noon)
	j.Stamp(1)
	require.Equal(t, []string{"CHG-2041/1/0 rev 1 job.accepted"}, ids(j))
	require.Equal(t, "CHG-2041/1/0", j.LastEvent.ID)

	w := healthy(j.Request)
	w.Source.Is = replication.Missing
	d := decide(t, decide(t, j, w, noon).job, w, noon)
	d.job.Stamp(2)
	want := []string{"CHG-2041/1/0 rev 1 job.accepted", "CHG-2041/2/1 rev 2 source.bucket-missing"}
	require.Equal(t, want, ids(d.job), "what was not sent yet keeps its id")
	require.Equal(t, d.job.Outbox[1], *d.job.LastEvent)
	require.False(t, d.job.AtRest())

	d.job.Stamp(3)
	require.Equal(t, want, ids(d.job))
	d.job.Outbox = d.job.Outbox[1:]
	d.job.Stamp(4)
	require.Equal(t, want[1:], ids(d.job))

	d.job.Outbox = nil
	d.job.Stamp(5)
	require.Equal(t, "CHG-2041/2/1", d.job.LastEvent.ID, "the same ticket is answered with it")
	require.True(t, d.job.AtRest())
}

func TestTwoResultsOfOneEntryHaveTwoIDs(t *testing.T) {
	j := replication.NewJob(request(), noon)
	j.Outbox = append(j.Outbox, j.Outbox[0])
	j.Stamp(1)
	require.Equal(t, "CHG-2041/1/0", j.Outbox[0].ID)
	require.Equal(t, "CHG-2041/1/1", j.Outbox[1].ID)
}

func TestARefusalHasTheSameIDHoweverOftenItComes(t *testing.T) {
	p := replication.Problems{
		{Code: replication.ReasonUnknownField, Field: "colour", Message: "there is no field colour", Remedy: "remove it"},
		{Code: replication.ReasonInvalid, Message: "and more"},
	}
	a, b := replication.Refusal("CHG-1", "abcd", p, noon), replication.Refusal("CHG-1", "abcd", p, noon.Add(time.Hour))
	require.Equal(t, "CHG-1/refused/abcd", a.ID)
	require.Equal(t, a.ID, b.ID)
	require.NotEqual(t, a.ID, replication.Refusal("CHG-1", "abce", p, noon).ID, "another message")
	require.Equal(t, replication.EventRejected, a.Type)
	require.Equal(t, replication.ReasonUnknownField, a.Reason)
	require.Equal(t, "there is no field colour", a.Message)
	require.Equal(t, "remove it", a.Remedy)
	require.JSONEq(t, `{"problems":[{"code":"request.unknown-field","field":"colour","message":"there is no field colour","remedy":"remove it"},
	 {"code":"request.invalid","field":"","message":"and more","remedy":""}]}`, string(a.Detail), "all problems are told")

	require.Equal(t, "unknown/refused/abcd", replication.Refusal("../x", "abcd", p, noon).ID, "an id that is none is not repeated")
	require.Equal(t, "unknown", replication.Refusal("", "abcd", p, noon).Job)
}

func TestAResultNeverOutgrowsAMessage(t *testing.T) {
	r := request()
	require.Less(t, len(replication.CanaryKey(r)), 1024)
	j := at(replication.PhaseVerifying, r)
	w := healthy(r)
	proving(replication.StepCleanUp)(j, &w)
	l := &life{t: t, job: j, w: w, now: noon}
	require.Equal(t, "next watching", l.settle(cleaned(canaryKey, outsideKey)))
	b, err := l.job.Outbox[0].CloudEvent("replidesk")
	require.NoError(t, err)
	require.Less(t, len(b), replication.MaxTicketBytes/2)
}
