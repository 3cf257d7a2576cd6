package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// adoptTicket adopts the rule that theirs makes.
var adoptTicket = strings.Replace(ticket, `"replicate",`, `"adopt",`, 1)

// theirs has others make the rule that the ticket describes.
func (b *bench) theirs() {
	b.cloud.rules = []replication.RuleSeen{{ID: "rule-7", Destination: "dest-bucket", Location: "oss-cn-shanghai", Prefixes: []string{"image/"},
		Action: "PUT", Historical: "enabled", SyncRole: "their-role"}}
	b.cloud.made = time.Now().Add(-time.Hour)
}

func (b *bench) adopted() {
	b.t.Helper()
	j, _ := b.job("CHG-1")
	require.Equal(b.t, replication.PhaseWatching, j.Phase, j.Message)
	require.Equal(b.t, "rule-7", j.Rule.ID)
	require.Equal(b.t, "CHG-1", b.cloud.owners["src-bucket~dest-bucket"])
	for _, never := range []string{"CreateRole", "CreatePolicy", "Attach", "PutRule", "CloseRule", "Role", "Policy", "Attached"} {
		require.Zero(b.t, b.cloud.calls[never], never)
	}
}

func TestAnAdoption(t *testing.T) {
	bubble(t, "takes the rule of others under watch with two looks at it", func(t *testing.T) {
		b := newBench(t)
		b.theirs()
		b.submit(adoptTicket)
		b.settle(time.Hour)
		b.adopted()
		require.Equal(t, 2, b.cloud.calls["Rules"])
		require.Equal(t, 1, b.cloud.calls["Claim"])
	})
	for _, call := range []string{"Claim", "Rules", "Put", "Purge"} {
		bubble(t, "whose answer to "+call+" is lost goes on", func(t *testing.T) {
			b := newBench(t)
			b.theirs()
			b.cloud.lose[call] = 1
			b.submit(adoptTicket)
			b.settle(2 * time.Hour)
			b.adopted()
		})
		bubble(t, "whose call of "+call+" fails tries again", func(t *testing.T) {
			b := newBench(t)
			b.theirs()
			b.cloud.fail[call] = []error{nil, fault.Retryable, fault.Throttled}
			b.submit(adoptTicket)
			b.settle(2 * time.Hour)
			b.adopted()
		})
	}
	bubble(t, "whose rule goes between the two looks gives the pair back", func(t *testing.T) {
		b := newBench(t)
		b.theirs()
		b.cloud.during("Claim", func() { b.cloud.rules = nil })
		b.submit(adoptTicket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseRejected, j.Phase)
		require.Equal(t, replication.ReasonAdoptMissing, j.Reason)
		require.Empty(t, b.cloud.owners)
	})
	bubble(t, "that failed is tried again on request", func(t *testing.T) {
		b := newBench(t)
		b.theirs()
		b.cloud.noCopy = true
		b.submit(adoptTicket)
		b.settle(24 * time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.ReasonCanaryLost, j.Reason)
		require.False(t, j.RuleStands())
		require.Empty(t, b.cloud.owners)
		require.Len(t, b.cloud.rules, 1)
		b.cloud.noCopy = false
		b.submit(`{"specVersion":"1","id":"CHG-8","action":"retry","target":"CHG-1"}`)
		b.settle(2 * time.Hour)
		b.adopted()
	})
	bubble(t, "is stopped although the stop was faster than the ticket", func(t *testing.T) {
		b := newBench(t)
		b.theirs()
		b.submit(stopTicket)
		b.submit(adoptTicket)
		b.settle(time.Hour)
		require.Contains(t, b.types(), "replidesk.request.stopped job.cancelled")
		require.Len(t, b.cloud.rules, 1)
		require.Zero(t, b.cloud.calls["CloseRule"])
	})
}
