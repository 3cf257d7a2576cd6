package watch

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// noon is when the watch of the pairs in these tests began.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func job(change func(r *replication.Request)) *replication.Job {
	r := replication.Request{
		ID: "CHG-2041", Source: replication.End{Account: "1234567890123456", Region: "cn-hangzhou", Bucket: "src-bucket"},
		Historical: replication.Historical{Replicate: new(false)},
		Limits:     replication.Limits{MaxLag: replication.Duration(time.Hour)},
	}
	if change != nil {
		change(&r)
	}
	return &replication.Job{ID: r.ID, Request: r, Phase: replication.PhaseWatching, Since: noon, Rule: &replication.Rule{ID: "rule-1"}}
}

func pair(t *testing.T, change func(r *replication.Request)) Pair {
	t.Helper()
	p, err := NewPair(job(change), 21)
	require.NoError(t, err)
	return p
}

func backfill(due time.Time) func(r *replication.Request) {
	return func(r *replication.Request) {
		r.Historical.Replicate = new(true)
		if !due.IsZero() {
			r.Historical.DueBy = &due
		}
	}
}

func TestAPairIsMadeOfItsJob(t *testing.T) {
	due := noon.Add(72 * time.Hour)
	p := pair(t, func(r *replication.Request) {
		backfill(due)(r)
		r.RTC = true
	})
	require.Equal(t, Pair{
		Job: "CHG-2041", Rev: 21, Account: "1234567890123456", Region: "cn-hangzhou", Bucket: "src-bucket", Rule: "rule-1",
		Limit: 3600, RTC: true, Historical: true, Due: At(due), Since: At(noon),
	}, p)
	require.Equal(t, job(nil).Request.Source, p.Source())
}

func TestAJobWithoutARuleCannotBeWatched(t *testing.T) {
	j := job(nil)
	j.Rule = nil
	_, err := NewPair(j, 21)
	require.ErrorContains(t, err, "no rule")
}

func TestAPairComesThroughTheSnapshotUnchangedAndTakesUpAtMost512Bytes(t *testing.T) {
	late := At(time.Date(9998, 12, 31, 23, 59, 59, 0, time.UTC))
	p := Pair{
		Job: strings.Repeat("C", 64), Rev: 99_999, Account: strings.Repeat("9", 16), Region: "cn-shanghai-finance-1",
		Bucket: strings.Repeat("b", 63), Rule: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", Limit: 30 * 24 * 3600,
		RTC: true, Historical: true, Due: late, Since: At(noon), Polled: At(noon), Watermark: At(noon), Worst: 30 * 24 * 3600,
	}
	at := noon
	for f := 0.9990; len(p.Window) < windowMarks; f += 0.0001 {
		p.Window = advance(p.Window, f, at)
		at = at.Add(markEvery)
	}
	for i := range p.Alerts {
		p.Alerts[i] = Alert{Since: At(noon), Count: Polls - 1}
	}
	b, err := json.Marshal(p)
	require.NoError(t, err)
	require.LessOrEqual(t, len(b), MaxPairBytes, string(b))

	var again Pair
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, p, again)
}

func TestAPairIsPolledAgainAQuarterOfTheIntervalEarlyAtTheEarliest(t *testing.T) {
	for name, c := range map[string]struct {
		polled time.Time
		pace   float64
		want   time.Time
	}{
		"a pair that was never polled is due at once":     {time.Time{}, 1, time.Time{}},
		"a pair is due three quarters of a minute later":  {noon, 1, noon.Add(45 * time.Second)},
		"no pace is a pace of one":                        {noon, 0, noon.Add(45 * time.Second)},
		"a pace of ten divides the interval":              {noon, 10, noon.Add(4500 * time.Millisecond)},
		"no pace makes the interval less than one second": {noon, 1000, noon.Add(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, Pair{Polled: At(c.polled)}.NextPoll(c.pace))
		})
	}
}

func TestRenewingKeepsTheAlertsAndWhatWasSeenOfTheSameRule(t *testing.T) {
	was := pair(t, backfill(time.Time{}))
	was.Polled, was.Watermark, was.Worst = At(noon), At(noon), 7
	was.Window = []Mark{{At(noon), 100}}
	was.Alerts[atLag].Since = At(noon)

	same := pair(t, backfill(time.Time{}))
	same.Rev, same.Limit = 30, 60
	got := was.Renew(same)
	want := was
	want.Rev, want.Limit = 30, 60
	require.Equal(t, want, got)

	other := same
	other.Rule = "rule-2"
	got = was.Renew(other)
	other.Alerts = was.Alerts
	require.Equal(t, other, got, "figures of another rule say nothing")
}

func TestARecordHoldsTheWorstLagSinceTheLastOne(t *testing.T) {
	p := pair(t, backfill(time.Time{}))
	p, _ = Judge(p, Sample{Watermark: noon, Backfill: new(0.29)}, noon.Add(20*time.Minute))
	p, _ = Judge(p, Sample{Watermark: noon.Add(20 * time.Minute), Backfill: new(0.29)}, noon.Add(21*time.Minute))
	r, p := p.Record()
	require.Equal(t, Record{Job: "CHG-2041", At: At(noon.Add(21 * time.Minute)), LagSeconds: 60, Worst: 1200, Backfill: new(0.29)}, r)
	r, _ = p.Record()
	require.Zero(t, r.Worst)
}
