package fcemu

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones of the schedules below, on every machine

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestTimer(t *testing.T) {
	t.Run("a timer fires at its distance, not scaled, with its payload as text", func(t *testing.T) {
		inBubble(t, world.Options{Speed: 100}, Options{}, func(b *bench) {
			r := newRecorder(nil)
			b.deploy(Function{}, r.invoke)
			require.NoError(t, b.p.AddTimer("f", TimerTrigger{Name: "tick", Cron: "@every 5m", Payload: `{"job":"monitor"}`}))
			time.Sleep(16 * time.Minute)
			require.Equal(t, []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute}, r.times())
			require.JSONEq(t, `{"triggerTime":"2000-01-01T00:05:00Z","triggerName":"tick","payload":"{\"job\":\"monitor\"}"}`, string(r.seen()[0].in.Payload))
		})
	})
	t.Run("runs that take longer than the distance overlap", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(func(int, delivery) error { time.Sleep(150 * time.Second); return nil })
			b.deploy(Function{Timeout: 5 * time.Minute}, r.invoke)
			require.NoError(t, b.p.AddTimer("f", TimerTrigger{Name: "tick", Cron: "@every 1m"}))
			time.Sleep(10 * time.Minute)
			require.Equal(t, 3, b.p.Stats("f").MaxBusy)
			require.Zero(t, b.p.Stats("f").Throttled)
		})
	})
	t.Run("a run that fails is retried as an asynchronous invocation", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			r := newRecorder(always(errTest))
			b.deploy(Function{Async: &AsyncConfig{MaxRetries: 1}}, r.invoke)
			require.NoError(t, b.p.AddTimer("f", TimerTrigger{Name: "tick", Cron: "0 0 4 * * *"}))
			time.Sleep(24 * time.Hour)
			require.Equal(t, []time.Duration{4 * time.Hour, 4*time.Hour + time.Second}, r.times())
		})
	})
	t.Run("a timer needs a function, a name of its own and a schedule that fires", func(t *testing.T) {
		inBubble(t, world.Options{}, Options{}, func(b *bench) {
			b.deploy(Function{}, newRecorder(nil).invoke)
			require.NoError(t, b.p.AddTimer("f", TimerTrigger{Name: "tick", Cron: "@every 1m"}))
			require.Error(t, b.p.AddTimer("f", TimerTrigger{Name: "tick", Cron: "@every 1m"}))
			require.Error(t, b.p.AddTimer("f", TimerTrigger{Cron: "@every 1m"}))
			require.Error(t, b.p.AddTimer("nobody", TimerTrigger{Name: "t", Cron: "@every 1m"}))
			require.Error(t, b.p.AddTimer("f", TimerTrigger{Name: "t", Cron: "0 0 0 30 2 *"}))
			require.Error(t, b.p.AddTimer("f", TimerTrigger{Name: "t", Cron: "0 4 * * *"}))
		})
	})
}

func TestSchedules(t *testing.T) {
	from := time.Date(2026, 2, 27, 22, 58, 30, 500, time.UTC) // a Friday
	for expression, want := range map[string]string{
		"@every 90s":                            "2026-02-27T23:00:00Z",
		"@every 2h":                             "2026-02-28T00:58:30Z",
		"* * * * * *":                           "2026-02-27T22:58:31Z",
		"0 */5 * * * *":                         "2026-02-27T23:00:00Z",
		"15,45 58 22 * * *":                     "2026-02-27T22:58:45Z",
		"0 0 4 * * *":                           "2026-02-28T04:00:00Z",
		"0 0 0 1 * ?":                           "2026-03-01T00:00:00Z",
		"0 30 9 ? * MON-FRI":                    "2026-03-02T09:30:00Z",
		"0 0 12 15 * SUN":                       "2026-03-01T12:00:00Z",
		"0 0 0 29 FEB *":                        "2028-02-29T00:00:00Z",
		"0 0 20/2 * * *":                        "2026-02-28T20:00:00Z",
		"0 10-20/5 23 * * *":                    "2026-02-27T23:10:00Z",
		"CRON_TZ=Asia/Shanghai 0 0 9 * * *":     "2026-02-28T01:00:00Z",
		"CRON_TZ=Africa/Cairo 0 30 0 24 4 *":    "2027-04-23T22:30:00Z", // the clocks leave it out in 2026
		"CRON_TZ=America/New_York 0 30 2 8 3 ?": "2027-03-08T07:30:00Z", // likewise
	} {
		t.Run(expression, func(t *testing.T) {
			s, err := parseSchedule(expression)
			require.NoError(t, err)
			require.Equal(t, want, s.next(from).UTC().Truncate(time.Second).Format(time.RFC3339))
		})
	}
	for _, expression := range []string{
		"", "@every", "@every 0s", "@every 1500ms", "@every soon", "@daily", "0 4 * * *", "60 * * * * *", "* * 24 * * *",
		"* * * 0 * *", "* * * * 13 *", "* * * * * 7", "a * * * * *", "*/0 * * * * *", "5-1 * * * * *", "? * * * * *", "CRON_TZ=Nowhere 0 0 4 * * *",
	} {
		t.Run("refused: "+expression, func(t *testing.T) {
			_, err := parseSchedule(expression)
			require.Error(t, err)
		})
	}
}

func TestTimersThatStartAtMidnightOfADayWithoutOneGoOn(t *testing.T) {
	// In Beirut the clocks go from 24:00 straight to 01:00 on 29 March 2026.
	s, err := parseSchedule("CRON_TZ=Asia/Beirut 0 15 * 29 3 *")
	require.NoError(t, err)
	next := s.next(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	require.Equal(t, "2026-03-28T22:15:00Z", next.Format(time.RFC3339))
}
