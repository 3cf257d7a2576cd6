package journal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// noon is a moment of the local clock; the store's is an hour ahead in these tests.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(hour, min, sec int) time.Time { return time.Date(2026, 11, 21, hour, min, sec, 0, time.UTC) }

func TestTheTimeLiesBetweenWhatASlowReplyAllows(t *testing.T) {
	// The reply took 10 s; somewhere in between the store's clock showed 13:00:05.
	c := clock{}.read(driver.Stamp{Now: at(13, 0, 5)}, time.Time{}, noon, noon.Add(10*time.Second))
	local := noon.Add(10 * time.Second)
	require.Equal(t, at(13, 0, 5), c.earliest(local))
	require.Equal(t, at(13, 0, 16), c.latest(local))
	require.Equal(t, at(13, 1, 5), c.earliest(local.Add(time.Minute)))
	require.Equal(t, at(13, 1, 16), c.latest(local.Add(time.Minute)))
}

func TestTheTimeIsNeverBeforeTheEntry(t *testing.T) {
	// The entry was created on a machine whose clock is 3 s ahead of the one that answered.
	c := clock{}.read(driver.Stamp{Now: at(13, 0, 0)}, at(13, 0, 3), noon, noon)
	require.Equal(t, at(13, 0, 3), c.earliest(noon))
	require.Equal(t, at(13, 0, 3), c.earliest(noon.Add(2*time.Second)))
	require.Equal(t, at(13, 0, 4), c.earliest(noon.Add(4*time.Second)))
	require.False(t, c.latest(noon).Before(c.earliest(noon)))
}

func TestTheTimeDoesNotRunBackwardsWhenAMachineOfTheStoreIsBehind(t *testing.T) {
	first := clock{}.read(driver.Stamp{Now: at(13, 0, 10)}, time.Time{}, noon, noon)
	local := noon.Add(5 * time.Second)
	second := first.read(driver.Stamp{Now: at(13, 0, 12)}, time.Time{}, local, local)
	require.Equal(t, at(13, 0, 15), second.earliest(local))
	require.Equal(t, at(13, 0, 22), second.earliest(local.Add(10*time.Second)), "but it goes by the newer reply again")
}

func TestTheTimeDoesNotRunBackwardsWithTheLocalClock(t *testing.T) {
	c := clock{}.read(driver.Stamp{Now: at(13, 0, 0)}, time.Time{}, noon, noon)
	require.Equal(t, at(13, 0, 0), c.earliest(noon.Add(-time.Hour)))
	require.False(t, c.latest(noon.Add(-time.Hour)).Before(at(13, 0, 0)))
}

func TestAReplyWithoutATimeLeavesTheClockAsItWas(t *testing.T) {
	before := clock{}.read(driver.Stamp{Now: at(13, 0, 0)}, time.Time{}, noon, noon)
	local := noon.Add(time.Minute)
	c := before.read(driver.Stamp{}, time.Time{}, local, local)
	require.Equal(t, at(13, 1, 0), c.earliest(local))
	require.Equal(t, at(13, 1, 1), c.latest(local))
}

func TestAStoreThatNeverTellsTheTimeHasNone(t *testing.T) {
	c := clock{}.read(driver.Stamp{}, time.Time{}, noon, noon)
	require.True(t, c.earliest(noon.Add(time.Hour)).IsZero())
	require.Equal(t, time.Hour, c.age(noon.Add(time.Hour)))

	c = clock{}.read(driver.Stamp{}, at(13, 0, 0), noon, noon)
	require.Equal(t, at(13, 0, 0), c.earliest(noon.Add(time.Hour)))
	require.Equal(t, at(14, 0, 0), c.latest(noon.Add(time.Hour)))
}

// A frozen machine's monotonic clock stands still, its wall clock does not.
func TestAFreezeCountsAgainstOnesOwnClaims(t *testing.T) {
	sent := time.Now() // with a monotonic reading
	c := clock{}.read(driver.Stamp{Now: sent}, time.Time{}, sent, sent)
	thawed := sent.Round(0).Add(time.Hour) // no monotonic reading: an hour by the wall clock
	require.Equal(t, time.Hour+dateStep, c.latest(thawed).Sub(sent.Round(0)))
	require.Equal(t, time.Hour, c.age(thawed))
}
