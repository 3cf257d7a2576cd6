package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestAWatchThatCannotBeMarkedIsWaitedFor(t *testing.T) {
	marker := stateBucket + "/watch/*/*/*"
	bubble(t, "for an hour, without a word", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		time.AfterFunc(time.Hour, d.world.Break(world.Fault{Service: "oss", Action: "PutObject", Resource: marker, Kind: world.FaultRefuse, Status: 503, Code: "ServiceUnavailable"}))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(30 * time.Minute)
		require.Equal(t, replication.PhaseVerifying, d.job("CHG-1").Phase, "it is not watched before the sweep can find it")
		require.NotNil(t, d.job("CHG-1").Evidence)
		d.watched("CHG-1", time.Hour)
		require.Len(t, d.events("CHG-1"), 2)
		d.onceMade(1)
	})
	bubble(t, "until the right to it is granted, which is asked for", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		time.AfterFunc(time.Hour, d.world.Break(world.Fault{Service: "oss", Action: "PutObject", Resource: marker, Kind: world.FaultRefuse, Status: 403, Code: "AccessDenied"}))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		e := d.awaitEvent("CHG-1", replication.ReasonDenied, time.Hour)
		require.Contains(t, e.Data.Message, "watch/0/CHG-1/")
		d.watched("CHG-1", 2*time.Hour)
	})
}

func TestAMarkOfAWatchThatNeverBeganIsTakenAway(t *testing.T) {
	bubble(t, "by the sweep, which has the right to it", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("dst", away, false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.ReasonSourceMissing, d.await("CHG-1", 10*time.Minute).Reason)
		d.put(stateBucket, "watch/0/CHG-1/000000000002", "{}") // as by a worker that died before the entry
		require.True(t, d.until(5*time.Minute, func() bool { return len(d.marks("watch")) == 0 }))
	})
}
