package systemtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestATicketBecomesAProvenWatchedPair(t *testing.T) {
	bubble(t, "through the functions, with exactly the rights of their roles", func(t *testing.T) {
		d := newDesk(t, world.Options{})
		d.pair("src-bucket", "dest-bucket", false)
		for i := range 20 {
			d.put("src-bucket", home, fmt.Sprintf("image/%03d", i), "historical")
			d.put("src-bucket", home, fmt.Sprintf("other/%03d", i), "out of scope")
		}
		d.submit(d.ticket("CHG-1", "src-bucket", "dest-bucket", `"historical":{"replicate":true,"acceptOverwrite":true},"objects":{"prefixes":["image/"]}`))
		j := d.await("CHG-1", time.Hour)
		require.Equal(t, replication.PhaseWatching, j.Phase, "%s; log:\n%s", j.Message, d.log)
		require.Len(t, d.events("CHG-1"), 2)
		require.Equal(t, "canary", j.Evidence.By)
		time.Sleep(time.Hour)
		require.Len(t, d.keys("dest-bucket", "cn-shanghai"), 20+1, "the objects in scope, and the canary that the rule keeps")
		require.Equal(t, 0, d.world.ReplicationStats("src-bucket", "dest-bucket").OutOfScope)
		for _, once := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
			require.Equal(t, 1, d.calls(once), once)
		}
		t.Logf("entries %d, cloud calls %d, evidence %+v", j.Writes+1, j.Calls, *j.Evidence)
	})
}
