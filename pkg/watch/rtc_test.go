package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestReplicationTimeControlThatIsTurnedOnLaterCountsFromThen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*replication.Request)
		counts time.Duration // after it was turned on
	}{
		"without a backfill after a quarter of an hour":  {nil, 15 * minute},
		"with a backfill that is complete after an hour": {backfill(time.Time{}), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			was := tell(t, pair(t, c.change), poll{minute, with(mark(minute), 1), ""}, poll{10 * minute, with(mark(10*minute), 1), ""})
			turned := was
			turned.RTC, turned.Since, turned.Rev = true, At(noon.Add(5*time.Hour)), 40
			now := was.Renew(turned)
			require.Equal(t, was.Watermark, now.Watermark)
			require.Equal(t, time.Hour, now.MaxLag(noon.Add(5*time.Hour+c.counts-minute)), "it is not held to what is not promised yet")
			require.Equal(t, 10*minute, now.MaxLag(noon.Add(5*time.Hour+c.counts)))
			off := now
			off.RTC, off.Since = false, At(noon.Add(9*time.Hour))
			require.Equal(t, time.Hour, now.Renew(off).MaxLag(noon.Add(9*time.Hour)), "turned off the limit is the ticket's at once")
		})
	}
	require.True(t, (&replication.Job{Phase: replication.PhaseAdjusting}).Watched(), "while it is being turned on the pair is watched")
}
