package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
	"github.com/replidesk/replidesk/pkg/watch"
)

// explanation is what explain prints of a state, at noon.
func explanation(t ticketState) string {
	var out bytes.Buffer
	explain(&out, replication.Explain(t.Job, time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)), t)
	return out.String()
}

func TestAnExplanationTellsAPersonAtNightWhatToDo(t *testing.T) {
	noon := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	blocked := jobIn(replication.PhaseBlocked, replication.ReasonQuota, "CreateRole answered LimitExceeded.Role")
	blocked.Job.Since, blocked.Job.Due, blocked.Job.CheckBy = noon.Add(-time.Minute), noon.Add(time.Minute), noon.Add(2*time.Minute)
	blocked.Job.Block = &replication.Block{Resume: replication.PhaseRole, Since: noon}
	blocked.Job.Made.PairAsked = true
	text := explanation(blocked)
	for _, line := range []string{
		"  where        blocked since 2000-01-01T11:59:00Z (1m0s): ",
		"  why          cloud.quota: ",
		"               CreateRole answered LimitExceeded.Role\n",
		"  waits for    CreateRole answered LimitExceeded.Role\n",
		"  looks again  2000-01-01T12:01:00Z\n",
		"               if nobody comes by 2000-01-01T12:02:00Z, the sweep wakes the job\n",
		"  gives up     2000-01-08T12:00:00Z\n",
		"  who acts     the owner of the account whose quota is used up\n",
		"  what to do   " + replication.ReasonQuota.Remedy() + "\n",
		"  has made     perhaps claim of the pair ~; only a look can tell\n",
		"  comes next   role: ",
		"  more         replidesk history CHG-1 --verify\n",
		"               replidesk watch CHG-1\n",
	} {
		require.Contains(t, text, line)
	}

	overdue := jobIn(replication.PhaseRole, replication.ReasonWorking, "working")
	overdue.Job.Intent = &replication.Intent{Worker: "provision/1", Until: noon.Add(time.Minute)}
	overdue.Job.CheckBy = noon.Add(-time.Minute)
	require.Contains(t, explanation(overdue), "  worker       provision/1 is at it\n")
	require.Contains(t, explanation(overdue), "nobody came by 2000-01-01T11:59:00Z; the sweep wakes the job\n")
}

func TestAnExplanationOfAWatchedPairNamesTheAlertThatFires(t *testing.T) {
	quiet := jobIn(replication.PhaseWatching, replication.ReasonVerified, "proven")
	require.Contains(t, explanation(quiet), "  who acts     nobody\n")
	for _, k := range []watch.Kind{watch.KindRule, watch.KindLag, watch.KindBackfill} {
		loud := quiet
		loud.Figures = &watch.Figures{Firing: []watch.Kind{k}}
		text := explanation(loud)
		require.Contains(t, text, "  who acts     whoever operates this desk: an alert is firing\n")
		require.Contains(t, text, "  alerts       "+string(k)+"\n               "+alertRemedies[k].Remedy()+"\n")
		require.NotEmpty(t, alertRemedies[k].Remedy(), k)
	}
}
