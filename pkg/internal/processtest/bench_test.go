package processtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/replication"
)

// fewest is how often each call has to be made at least for a proven pair of
// unversioned buckets with one prefix. Nothing can be left out of it: both buckets,
// the regions and the existing rules have to be looked at; role, policy, attachment
// and rule to be made; the rule to be read back; "doing" to be seen once; the canary
// to be written, seen, overwritten, seen, deleted, and looked at once more together
// with the watermark; the object outside to be written and looked for; the source to
// be cleaned up, for which it has to be known how it keeps versions. That the destination
// is empty has to be seen because it keeps no versions.
var fewest = map[string]int{
	"GetBucketInfo": 3, "GetBucketReplicationLocation": 1, "GetBucketReplication": 2,
	"ListObjectsV2": 1, "CreateRole": 1, "CreatePolicy": 1, "AttachPolicyToRole": 1, "PutBucketReplication": 1,
	"GetBucketReplicationProgress": 2, "PutObject": 3, "HeadObject": 4, "DeleteObject": 3,
}

// polls are the calls that are made again while the cloud is waited for.
var polls = []string{"GetBucketReplicationProgress", "HeadObject"}

func BenchmarkOneJob(b *testing.B) {
	d := newDesk(b)
	var calls, least, waiting, writes, jobs float64
	for i := 0; b.Loop(); i++ {
		id, src, dst := fmt.Sprintf("BENCH-%d", i), fmt.Sprintf("bench-src-%d", i), fmt.Sprintf("bench-dst-%d", i)
		d.pair(src, dst)
		_, from := d.cloud.World().Calls(1 << 30)
		d.submit(id, src, dst)
		j := d.await(id, time.Minute)
		require.Equal(b, replication.PhaseWatching, j.Phase, j.Message)
		_, entries := d.job(id)
		made := map[string]int{}
		all, _ := d.cloud.World().Calls(from)
		for _, c := range all {
			ours := strings.Contains(c.Caller, "/replidesk-provision/") || strings.Contains(c.Caller, "/replidesk-verify/")
			if ours && (c.Service == "ram" || c.Service == "oss" && !strings.HasPrefix(c.Resource, d.who.Config.StateBucket)) {
				made[c.Action]++
				if c.Action == "PutBucketReplication" && c.Status == http.StatusForbidden {
					made[c.Action]-- // the new role had not spread yet: a wait like the polls
					calls, waiting = calls+1, waiting+1
				}
			}
		}
		for action, n := range made {
			calls += float64(n)
			if slices.Contains(polls, action) {
				waiting += float64(n - fewest[action])
			} else {
				require.Equal(b, fewest[action], n, "%s is made as often as it has to be", action)
			}
		}
		for _, n := range fewest {
			least += float64(n)
		}
		require.InDelta(b, calls, least+waiting, 0.5, "every call is one of the fewest or a poll: %v", made)
		writes += float64(entries)
		jobs++
	}
	b.ReportMetric(calls/jobs, "cloud-calls/job")
	b.ReportMetric(least/jobs, "fewest-calls/job")
	b.ReportMetric(waiting/jobs, "polls-beyond/job")
	b.ReportMetric(writes/jobs, "journal-entries/job")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkColdStart(b *testing.B) {
	for _, f := range deploy.Functions() {
		b.Run(f, func(b *testing.B) {
			d := newDesk(b)
			info, err := os.Stat(d.cloud.Function(f).Binary)
			require.NoError(b, err)
			for b.Loop() {
				d.cloud.KillFunction(f)
				_, err := d.cloud.Platform().Invoke(context.Background(), d.cloud.Function(f).Name, []byte(`[]`))
				require.NoError(b, err)
			}
			var ready, answer []time.Duration
			for _, c := range d.cloud.Stats(f).ColdStarts {
				ready, answer = append(ready, c.Ready), append(answer, c.Answer)
			}
			b.ReportMetric(median(ready), "ms-to-first-poll")
			b.ReportMetric(median(answer), "ms-to-first-answer")
			b.ReportMetric(float64(info.Size()), "bytes")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}
