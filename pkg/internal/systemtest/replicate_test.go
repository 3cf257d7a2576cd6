package systemtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestATicketBecomesAProvenWatchedPair(t *testing.T) {
	bubble(t, "through the functions, with exactly the rights of their roles", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src-bucket", "dest-bucket", false)
		for i := range 20 {
			d.put("src-bucket", fmt.Sprintf("image/%03d", i), "historical")
			d.put("src-bucket", fmt.Sprintf("other/%03d", i), "out of scope")
		}
		d.submit(d.ticket("CHG-1", "src-bucket", "dest-bucket", ""))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified}, d.reasons("CHG-1"))
		require.Equal(t, "canary", j.Evidence.By)
		time.Sleep(time.Hour)
		require.Len(t, d.keys("dest-bucket"), 20+1, "the objects in scope, and the canary that the rule keeps")
		for _, once := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
			require.Equal(t, 1, d.calls(once), once)
		}
		t.Logf("entries %d, cloud calls %d, evidence %+v", j.Writes+1, j.Calls, *j.Evidence)
	})
}
