package watch

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A report is a fraction that is reported from some time on, minutes after noon.
type report struct {
	minute   int
	fraction float64
}

// run takes a poll every minute from noon to end, with the newest report.
func run(p Pair, end int, reports ...report) (Pair, time.Time) {
	now := noon
	for m := 0; m <= end; m++ {
		now = noon.Add(time.Duration(m) * time.Minute)
		for len(reports) > 1 && reports[1].minute <= m {
			reports = reports[1:]
		}
		p.Window = advance(p.Window, reports[0].fraction, now)
	}
	return p, now
}

func TestTheWindowKeepsTheRecentWayOfTheBackfill(t *testing.T) {
	minute := func(m int) Moment { return At(noon.Add(time.Duration(m) * time.Minute)) }
	for name, c := range map[string]struct {
		end     int
		reports []report
		want    []Mark
	}{
		"a standing figure is one mark, at the time it was first seen": {
			90, []report{{0, 0.2}}, []Mark{{minute(0), 2000}}},
		"the last mark is always the newest value": {
			3, []report{{0, 0}, {1, 0.01}, {3, 0.02}}, []Mark{{minute(0), 0}, {minute(3), 200}}},
		"marks are at least ten minutes apart but for the last": {
			25, []report{{0, 0}, {5, 0.01}, {12, 0.02}, {22, 0.03}, {25, 0.04}},
			[]Mark{{minute(0), 0}, {minute(12), 200}, {minute(22), 300}, {minute(25), 400}}},
		"the oldest mark goes when there are more than five": {
			60, []report{{0, 0}, {10, 0.1}, {20, 0.2}, {30, 0.3}, {40, 0.4}, {50, 0.5}},
			[]Mark{{minute(10), 1000}, {minute(20), 2000}, {minute(30), 3000}, {minute(40), 4000}, {minute(50), 5000}}},
		"a figure that falls begins the window anew": {
			20, []report{{0, 0.5}, {10, 0.6}, {20, 0.1}}, []Mark{{minute(20), 1000}}},
		"what is less than the whole is never rounded up to it": {
			0, []report{{0, 0.99999999}}, []Mark{{minute(0), 9999}}},
		"fractions that binary numbers miss keep their last digit": {
			0, []report{{0, 0.29}}, []Mark{{minute(0), 2900}}},
		"more than the whole is the whole":   {0, []report{{0, 1.5}}, []Mark{{minute(0), 10000}}},
		"a negative fraction is none at all": {0, []report{{0, -1}}, []Mark{{minute(0), 0}}},
		"what is no number is not taken in":  {0, []report{{0, math.NaN()}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := run(Pair{}, c.end, c.reports...)
			require.Equal(t, c.want, p.Window)
		})
	}
}

func TestTheEndOfTheBackfillFollowsFromItsRecentSpeed(t *testing.T) {
	for name, c := range map[string]struct {
		end     int
		reports []report
		eta     time.Duration // after noon; 0: not known
	}{
		"nothing is known of a figure that never moved": {120, []report{{0, 0.2}}, 0},
		"nothing is known before it was seen to move for ten minutes": {
			8, []report{{0, 0.1}, {8, 0.2}}, 0},
		"a steady backfill ends when its speed says": { // a tenth every 30 minutes
			90, []report{{0, 0.1}, {30, 0.2}, {60, 0.3}, {90, 0.4}}, 270 * time.Minute},
		"between two steps the expected end does not move": {
			115, []report{{0, 0.1}, {30, 0.2}, {60, 0.3}, {90, 0.4}}, 270 * time.Minute},
		"a step that fails to come moves the end away": { // 0.4 in 180 minutes at most
			180, []report{{0, 0.1}, {30, 0.2}, {60, 0.3}, {90, 0.4}}, 90*time.Minute + 270*time.Minute},
		"only the recent speed counts": { // a tenth every 10 minutes, then one every 100
			510, []report{{0, 0}, {10, 0.1}, {110, 0.2}, {210, 0.3}, {310, 0.4}, {410, 0.5}, {510, 0.6}}, 910 * time.Minute},
		"a complete backfill ended when that was first seen": {
			60, []report{{0, 0.5}, {30, 1}}, 30 * time.Minute},
		"an end that should be over is now": { // the step of a hundredth is slower than the others
			60, []report{{0, 0}, {20, 0.5}, {40, 0.99}}, 60 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			p, now := run(Pair{}, c.end, c.reports...)
			at, ok := p.eta(now)
			require.Equal(t, c.eta != 0, ok)
			if ok {
				require.WithinDuration(t, noon.Add(c.eta), at, time.Second)
			}
		})
	}
}

func TestAnEndInAgesIsCutOff(t *testing.T) {
	p := Pair{Window: []Mark{{At(noon), 0}, {At(noon.Add(40 * 365 * 24 * time.Hour)), 1}}}
	at, ok := p.eta(noon.Add(40 * 365 * 24 * time.Hour))
	require.True(t, ok)
	require.WithinDuration(t, noon.Add(40*365*24*time.Hour+farthest), at, time.Second)
}

func TestABackfillMayStandStillForSixHoursOrThreeOfItsSteps(t *testing.T) {
	p := pair(t, backfill(time.Time{}))
	since, allowed := p.still(noon)
	require.Equal(t, p.Since, since, "before any figure the watch's beginning counts")
	require.Equal(t, StallAfter, allowed)

	p.Window = []Mark{{At(noon), 0}, {At(noon.Add(time.Hour)), 100}, {At(noon.Add(2 * time.Hour)), 200}}
	since, allowed = p.still(noon)
	require.Equal(t, At(noon.Add(2*time.Hour)), since)
	require.Equal(t, StallAfter, allowed)

	p.Window = []Mark{{At(noon), 0}, {At(noon.Add(5 * time.Hour)), 100}, {At(noon.Add(14 * time.Hour)), 200}}
	_, allowed = p.still(noon)
	require.Equal(t, 21*time.Hour, allowed)
}
