package watch

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// A moment of a story: what is polled so long after noon, and what comes of it.
type poll struct {
	after time.Duration
	s     Sample
	want  string // the ids of the events without "CHG-2041/alert/", n as the minute after noon; "" for none
}

func mark(after time.Duration) Sample { return Sample{Watermark: noon.Add(after)} }

func with(s Sample, fraction float64) Sample {
	s.Backfill = &fraction
	return s
}

var (
	gone   = Sample{Gone: true}
	silent = Sample{}
	unread = Sample{Unread: replication.ReasonDenied, Trouble: "GetBucketReplicationProgress: denied: AccessDenied"}
)

const minute = time.Minute

func tell(t *testing.T, p Pair, polls ...poll) Pair {
	t.Helper()
	for _, s := range polls {
		var events []replication.Event
		was, err := json.Marshal(p)
		require.NoError(t, err)
		next, events := Judge(p, s.s, noon.Add(s.after))
		is, err := json.Marshal(p)
		require.NoError(t, err)
		require.Equal(t, string(was), string(is), "Judge changed what it was given")
		p = next
		got := ""
		for _, e := range events {
			require.Equal(t, p.Job, e.Job)
			require.NotEmpty(t, e.Message)
			require.True(t, json.Valid(e.Detail))
			require.Equal(t, noon.Add(s.after), e.At)
			require.Equal(t, uint64(e.At.Unix()), e.Rev)
			require.Equal(t, replication.PhaseWatching, e.Phase)
			var kind, end string
			var n int64
			_, err := fmt.Sscanf(e.ID, "CHG-2041/alert/%s", &kind)
			require.NoError(t, err)
			for _, k := range []string{"rule", "lag", "backfill"} {
				if c, _ := fmt.Sscanf(kind, k+"/%d/%s", &n, &end); c == 2 {
					kind = k
				}
			}
			if got != "" {
				got += " "
			}
			got += fmt.Sprintf("%s/%d/%s", kind, (n-noon.Unix())/60, end)
		}
		require.Equal(t, s.want, got, "at noon + %s", s.after)
	}
	return p
}

func TestAlertsFireAndAreResolvedAtTheSecondPollInARow(t *testing.T) {
	hour := time.Hour
	for name, c := range map[string]struct {
		change func(r *replication.Request)
		polls  []poll
	}{
		"a lag within the limit fires nothing": {nil, []poll{
			{hour, mark(0), ""}, {hour + minute, mark(minute), ""}, {hour + 2*minute, mark(2 * minute), ""}}},
		"a lag beyond the limit fires at the second poll and is resolved at the second good one": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, mark(0), "lag/62/firing"}, {63 * minute, mark(0), ""},
			{64 * minute, mark(60 * minute), ""}, {65 * minute, mark(64 * minute), "lag/62/resolved"}, {66 * minute, mark(65 * minute), ""}}},
		"one bad poll among good ones fires nothing": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, mark(30 * minute), ""}, {110 * minute, mark(30 * minute), ""}, {111 * minute, mark(110 * minute), ""}}},
		"one good poll among bad ones resolves nothing": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, mark(0), "lag/62/firing"}, {63 * minute, mark(19 * minute), ""},
			{66 * minute, mark(19 * minute), ""}, {67 * minute, mark(30 * minute), ""}, {68 * minute, mark(30 * minute), "lag/62/resolved"}}},
		"a lag that leaps back a little resolves nothing, three quarters of the limit do": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, mark(0), "lag/62/firing"}, {63 * minute, mark(10 * minute), ""}, {64 * minute, mark(10 * minute), ""},
			{65 * minute, mark(19 * minute), ""}, {66 * minute, mark(21 * minute), ""}, {67 * minute, mark(22 * minute), "lag/62/resolved"}}},
		"an alert that comes again has an id of its own": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, mark(0), "lag/62/firing"}, {64 * minute, mark(60 * minute), ""}, {65 * minute, mark(64 * minute), "lag/62/resolved"},
			{125 * minute, mark(64 * minute), ""}, {126 * minute, mark(64 * minute), "lag/126/firing"}}},
		"a watermark ahead of our clock is no lag": {nil, []poll{{minute, mark(9 * minute), ""}, {2 * minute, mark(9 * minute), ""}}},
		"a watermark that was read stale does not move it back": {nil, []poll{
			{50 * minute, mark(49 * minute), ""}, {70 * minute, mark(5 * minute), ""}, {71 * minute, mark(5 * minute), ""}}},
		"a watermark that is not reported stands still": {nil, []poll{
			{50 * minute, mark(40 * minute), ""}, {100 * minute, silent, ""}, {101 * minute, silent, ""}, {102 * minute, silent, "lag/102/firing"}}},
		"a watermark that was never reported counts from the beginning of the watch": {nil, []poll{
			{hour, silent, ""}, {61 * minute, silent, ""}, {62 * minute, silent, "lag/62/firing"}}},
		"a rule that cannot be read proves nothing within the limit and fires beyond it": {nil, []poll{
			{minute, mark(0), ""}, {2 * minute, unread, ""}, {3 * minute, unread, ""}, {61 * minute, unread, ""}, {62 * minute, unread, "lag/62/firing"},
			{63 * minute, mark(63 * minute), ""}, {64 * minute, mark(64 * minute), "lag/62/resolved"}}},
		"a rule that cannot be read between two bad polls does not begin the count anew": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, unread, "lag/62/firing"}}},
		"a rule that is gone fires of its own kind, and lag is not judged meanwhile": {nil, []poll{
			{minute, mark(0), ""}, {100 * minute, gone, ""}, {101 * minute, gone, "rule/101/firing"}, {200 * minute, gone, ""}, {201 * minute, gone, ""},
			{202 * minute, mark(201 * minute), ""}, {203 * minute, mark(202 * minute), "rule/101/resolved"}}},
		"a rule that was not shown once fires nothing": {nil, []poll{
			{minute, gone, ""}, {2 * minute, mark(minute), ""}, {3 * minute, gone, ""}, {4 * minute, mark(3 * minute), ""}}},
		"an unread poll says nothing of whether the rule is there": {nil, []poll{
			{minute, gone, ""}, {2 * minute, unread, ""}, {3 * minute, gone, "rule/3/firing"}}},
		"a lag alert goes on firing while the rule is gone": {nil, []poll{
			{61 * minute, mark(0), ""}, {62 * minute, mark(0), "lag/62/firing"}, {63 * minute, gone, ""}, {64 * minute, gone, "rule/64/firing"},
			{65 * minute, mark(65 * minute), ""}, {66 * minute, mark(66 * minute), "rule/64/resolved lag/62/resolved"}}},
		"with RTC ten minutes count from a quarter of an hour on": {func(r *replication.Request) { r.RTC = true }, []poll{
			{12 * minute, mark(0), ""}, {13 * minute, mark(0), ""}, {14 * minute, mark(0), ""}, {15 * minute, mark(0), ""}, {16 * minute, mark(0), "lag/16/firing"}}},
		"with RTC a shorter limit of the ticket counts": {func(r *replication.Request) { r.RTC = true; r.Limits.MaxLag = replication.Duration(2 * minute) }, []poll{
			{14 * minute, mark(0), ""}, {20 * minute, mark(15 * minute), ""}, {21 * minute, mark(15 * minute), "lag/21/firing"}}},
		"with RTC and a backfill the limit of a pair without counts until an hour after its end": {
			func(r *replication.Request) { r.RTC = true; backfill(time.Time{})(r) }, []poll{
				{30 * minute, with(mark(0), 0.5), ""}, {31 * minute, with(mark(0), 0.5), ""}, {40 * minute, with(mark(30*minute), 1), ""},
				{98 * minute, with(mark(40*minute), 1), ""}, {99 * minute, with(mark(40*minute), 1), ""},
				{100 * minute, with(mark(40*minute), 1), ""}, {101 * minute, with(mark(40*minute), 1), "lag/101/firing"}}},
		"before RTC is in effect a lag beyond an hour fires all the same": {
			func(r *replication.Request) { r.RTC = true; backfill(time.Time{})(r) }, []poll{
				{61 * minute, with(mark(0), 0.5), ""}, {62 * minute, with(mark(0), 0.5), "lag/62/firing"}}},
		"new objects are watched while the backfill runs": {backfill(time.Time{}), []poll{
			{61 * minute, with(mark(0), 0.1), ""}, {62 * minute, with(mark(0), 0.2), "lag/62/firing"}}},
		"a fraction counts for nothing without a backfill": {nil, []poll{
			{7 * hour, with(mark(7*hour), 0.1), ""}, {14 * hour, with(mark(14*hour), 0.1), ""}, {21 * hour, with(mark(21*hour), 0.1), ""}}},
		"a backfill that stands still for six hours fires, and is resolved when it moves": {backfill(time.Time{}), []poll{
			{0, with(mark(0), 0.1), ""}, {6*hour - minute, with(mark(6*hour), 0.1), ""}, {6 * hour, with(mark(6*hour), 0.1), ""},
			{6*hour + minute, with(mark(6*hour), 0.1), "backfill/361/firing"}, {7 * hour, with(mark(7*hour), 0.1), ""},
			{8 * hour, with(mark(8*hour), 0.2), ""}, {8*hour + minute, with(mark(8*hour), 0.2), "backfill/361/resolved"}}},
		"a backfill of which nothing is ever reported fires too": {backfill(time.Time{}), []poll{
			{6 * hour, mark(6 * hour), ""}, {6*hour + minute, mark(6 * hour), "backfill/361/firing"}}},
		"a complete backfill never fires": {backfill(noon.Add(hour)), []poll{
			{minute, with(mark(0), 1), ""}, {9 * hour, with(mark(9*hour), 1), ""}, {10 * hour, with(mark(10*hour), 1), ""}}},
		"a backfill that could not be read meanwhile has not stood still": {backfill(time.Time{}), []poll{
			{0, with(mark(0), 0.1), ""}, {hour, unread, ""}, {59 * hour / 60, unread, ""},
			{6 * hour, with(mark(6*hour), 0.2), ""}, {6*hour + minute, with(mark(6*hour), 0.2), ""}}},
	} {
		t.Run(name, func(t *testing.T) { tell(t, pair(t, c.change), c.polls...) })
	}
}

// steady polls every ten minutes from one time to another, with a fraction that
// grows in a line and a watermark at the poll.
func steady(from, to time.Duration, at, perHour float64) (polls []poll) {
	for d := from; d <= to; d += 10 * minute {
		polls = append(polls, poll{after: d, s: with(mark(d), at+perHour*(d-from).Hours())})
	}
	return polls
}

func TestABackfillThatWillBeLateFiresOnceItsSpeedIsKnown(t *testing.T) {
	hour := time.Hour
	t.Run("and is resolved when it has caught up by a tenth of what remains", func(t *testing.T) {
		p := pair(t, backfill(noon.Add(10*hour)))
		slow := steady(0, 2*hour, 0, 0.05) // 20 hours in all
		slow[2].want = "backfill/20/firing"
		p = tell(t, p, slow...)
		require.Equal(t, []Kind{KindBackfill}, p.Figures(noon.Add(2*hour)).Firing)

		brink := steady(2*hour+10*minute, 3*hour, 0.1+0.115/6, 0.115) // would end a little before ten hours
		p = tell(t, p, brink...)
		at, _ := p.eta(noon.Add(3 * hour))
		require.True(t, at.Before(noon.Add(10*hour)))

		fast := steady(3*hour+10*minute, 4*hour, 0.215+0.24/6, 0.24)
		fast[1].want = "backfill/20/resolved"
		tell(t, p, fast...)
	})
	t.Run("and is not fired by one that will be in time", func(t *testing.T) {
		tell(t, pair(t, backfill(noon.Add(10*hour))), steady(0, 9*hour, 0, 0.105)...)
	})
	t.Run("and without a speed when the date is over", func(t *testing.T) {
		tell(t, pair(t, backfill(noon.Add(hour))), poll{0, with(mark(0), 0.1), ""}, poll{hour - minute, with(mark(hour), 0.1), ""},
			poll{hour, with(mark(hour), 0.1), ""}, poll{hour + minute, with(mark(hour), 0.1), "backfill/61/firing"},
			poll{hour + 2*minute, with(mark(hour), 1), ""}, poll{hour + 3*minute, with(mark(hour), 1), "backfill/61/resolved"})
	})
	t.Run("and is said to stand still when it does both", func(t *testing.T) {
		p := pair(t, backfill(noon.Add(7*hour)))
		p, _ = Judge(p, with(mark(0), 0.1), noon)
		p, _ = Judge(p, with(mark(8*hour), 0.1), noon.Add(8*hour))
		_, events := Judge(p, with(mark(8*hour), 0.1), noon.Add(8*hour+minute))
		require.Len(t, events, 1)
		require.Equal(t, replication.ReasonBackfillStalled, events[0].Reason)
	})
}

func TestAnAlertSaysWhatIsWrongInFiguresAndWhatToDo(t *testing.T) {
	fire := func(p Pair, s Sample, at time.Duration) replication.Event {
		p, _ = Judge(p, s, noon.Add(at-minute))
		_, events := Judge(p, s, noon.Add(at))
		require.Len(t, events, 1)
		return events[0]
	}
	for name, c := range map[string]struct {
		e       replication.Event
		reason  replication.Reason
		message string
		detail  string
	}{
		"a lag": {fire(pair(t, nil), mark(0), 75*minute), replication.ReasonLag,
			"bucket src-bucket lies up to 1h15m0s behind, the limit is 1h0m0s: all that was written before 2026-11-21T12:00:00Z is copied",
			`{"job":"CHG-2041","bucket":"src-bucket","rule":"rule-1","polled":"2026-11-21T13:15:00Z","lagSeconds":4500,"limitSeconds":3600,"watermark":"2026-11-21T12:00:00Z","firing":["lag"]}`},
		"a rule that cannot be read": {fire(pair(t, nil), unread, 75*minute), replication.ReasonDenied,
			"bucket src-bucket: whether the lag is within 1h0m0s cannot be told, because the rule cannot be read: GetBucketReplicationProgress: denied: AccessDenied; " +
				"as last seen, no watermark was reported since the watch began at 2026-11-21T12:00:00Z, which is 1h15m0s ago",
			`{"job":"CHG-2041","bucket":"src-bucket","rule":"rule-1","polled":"2026-11-21T13:15:00Z","lagSeconds":4500,"limitSeconds":3600,"firing":["lag"]}`},
		"a rule that is gone": {fire(pair(t, nil), gone, 5*minute), replication.ReasonRuleVanished,
			"rule rule-1 of bucket src-bucket is gone or being removed; nothing is copied any more",
			`{"job":"CHG-2041","bucket":"src-bucket","rule":"rule-1","polled":"2026-11-21T12:05:00Z","lagSeconds":300,"limitSeconds":3600,"firing":["rule"]}`},
		"a backfill that stands still": {fire(pair(t, backfill(time.Time{})), mark(7*time.Hour), 7*time.Hour), replication.ReasonBackfillStalled,
			"the backfill of bucket src-bucket has not reported any progress for 7h0m0s",
			`{"job":"CHG-2041","bucket":"src-bucket","rule":"rule-1","polled":"2026-11-21T19:00:00Z","lagSeconds":0,"limitSeconds":3600,"watermark":"2026-11-21T19:00:00Z","firing":["backfill"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, replication.EventFiring, c.e.Type)
			require.Equal(t, c.reason, c.e.Reason)
			require.Equal(t, c.message, c.e.Message)
			require.NotEmpty(t, c.e.Remedy)
			require.Equal(t, c.reason.Remedy(), c.e.Remedy)
			require.JSONEq(t, c.detail, string(c.e.Detail))
		})
	}

	t.Run("a late backfill", func(t *testing.T) {
		p := pair(t, backfill(noon.Add(4*time.Hour)))
		p, _ = Judge(p, with(mark(0), 0.1), noon)
		p, _ = Judge(p, with(mark(30*minute), 0.2), noon.Add(30*minute))
		p, events := Judge(p, with(mark(31*minute), 0.2), noon.Add(31*minute))
		require.Len(t, events, 1)
		require.Equal(t, replication.ReasonBackfillLate, events[0].Reason)
		require.Equal(t, "the backfill of bucket src-bucket is at 20.00 % and will be complete at about 2026-11-21T16:30:00Z "+
			"at its recent speed of 20.00 % an hour; it is due by 2026-11-21T16:00:00Z", events[0].Message)
		require.JSONEq(t, `{"job":"CHG-2041","bucket":"src-bucket","rule":"rule-1","polled":"2026-11-21T12:31:00Z","lagSeconds":0,"limitSeconds":3600,
			"watermark":"2026-11-21T12:31:00Z","backfill":0.2,"backfillPerHour":0.2,"backfillEta":"2026-11-21T16:30:00Z","backfillDueBy":"2026-11-21T16:00:00Z","firing":["backfill"]}`,
			string(events[0].Detail))

		p, _ = Judge(p, with(mark(60*minute), 1), noon.Add(60*minute))
		_, events = Judge(p, with(mark(61*minute), 1), noon.Add(61*minute))
		require.Len(t, events, 1)
		require.Equal(t, replication.EventResolved, events[0].Type)
		require.Equal(t, replication.ReasonRecovered, events[0].Reason)
		require.Equal(t, "the backfill of bucket src-bucket is complete; the alert had fired for 30m0s", events[0].Message)
		require.Empty(t, events[0].Remedy)
	})
}

func TestABackfillOfAnAdoptedRuleThatIsNotReportedIsNobodysFault(t *testing.T) {
	p := pair(t, func(r *replication.Request) {
		backfill(time.Time{})(r)
		r.Action = replication.ActionAdopt
	})
	require.True(t, p.Adopted)
	tell(t, p, poll{0, mark(0), ""}, poll{7 * time.Hour, mark(7 * time.Hour), ""}, poll{8 * time.Hour, mark(8 * time.Hour), ""})
	stands := func(after time.Duration) Sample { return with(mark(after), 0.5) }
	tell(t, p, poll{0, stands(0), ""}, poll{7 * time.Hour, stands(7 * time.Hour), ""}, poll{8 * time.Hour, stands(8 * time.Hour), "backfill/480/firing"})
}

func TestTheEndOfTheWatchResolvesWhatFires(t *testing.T) {
	p := pair(t, nil)
	require.Empty(t, End(p, noon))
	p.Alerts[atRule].Since, p.Alerts[atLag].Since = At(noon), At(noon.Add(minute))
	events := End(p, noon.Add(5*minute))
	require.Len(t, events, 2)
	require.Equal(t, fmt.Sprintf("CHG-2041/alert/rule/%d/resolved", noon.Unix()), events[0].ID)
	require.Equal(t, "the pair is not watched any more; the alert had fired for 5m0s", events[0].Message)
	require.Equal(t, fmt.Sprintf("CHG-2041/alert/lag/%d/resolved", noon.Add(minute).Unix()), events[1].ID)
}

func TestAnAnswerIsReadForWhatItSays(t *testing.T) {
	half := 0.5
	for name, c := range map[string]struct {
		g    replication.ProgressSeen
		want Sample
	}{
		"a rule in force":                         {replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Historical: &half, Watermark: noon}, Sample{Watermark: noon, Backfill: &half}},
		"a rule that starts again has no figures": {replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleStarting}, Sample{}},
		"a rule that is missing":                  {replication.ProgressSeen{Is: replication.Missing}, Sample{Gone: true}},
		"a rule that is being removed":            {replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleClosing}, Sample{Gone: true}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Seen(c.g)) })
	}
}
