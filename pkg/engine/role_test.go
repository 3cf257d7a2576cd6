package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// withRole is the usual ticket for a role of another type.
func withRole(role string) string {
	return strings.Replace(ticket, `"objects"`, `"role":`+role+`,"objects"`, 1)
}

const (
	customTicket = `{"type":"custom","name":"Copier","addMissing":true}`
	sharedTicket = `{"type":"AliyunOSSRole","consent":["all buckets"]}`
)

func TestRolesThatAreNotTheJobsOwn(t *testing.T) {
	bubble(t, "a custom role gets what it lacks, and loses it at stop", func(t *testing.T) {
		b := newBench(t)
		b.cloud.roles["Copier"] = replication.TrustPolicy()
		b.submit(withRole(customTicket))
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Equal(t, map[string]string{"Copier": replication.PolicyName("CHG-1")}, b.cloud.attached)
		require.Zero(t, b.cloud.calls["CreateRole"])
		b.submit(stopTicket)
		b.settle(time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
		require.Equal(t, map[string]string{"Copier": replication.TrustPolicy()}, b.cloud.roles, "the role stays")
		delete(b.cloud.roles, "Copier")
		b.nothing()
	})
	bubble(t, "answers about an added policy may be lost", func(t *testing.T) {
		b := newBench(t)
		b.cloud.roles["Copier"] = replication.TrustPolicy()
		b.cloud.lose = map[string]int{"CreatePolicy": 1, "Attach": 1, "Detach": 1, "DeletePolicy": 1}
		b.submit(withRole(customTicket))
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Len(t, b.cloud.policies, 1)
		b.submit(stopTicket)
		b.settle(time.Hour)
		delete(b.cloud.roles, "Copier")
		b.nothing()
	})
	bubble(t, "the shared role is made once, although every answer is lost, and stays", func(t *testing.T) {
		b := newBench(t)
		b.cloud.lose = map[string]int{"CreateRole": 1, "AttachSystem": 1}
		b.submit(withRole(sharedTicket))
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Contains(t, j.Message, "use it with caution")
		require.Equal(t, map[string]string{"AliyunOSSRole": replication.PolicyOSSFull}, b.cloud.system)
		b.submit(stopTicket)
		b.settle(time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
		require.Zero(t, b.cloud.calls["DetachSystem"]+b.cloud.calls["Detach"]+b.cloud.calls["DeleteRole"])
		require.Contains(t, b.cloud.roles, "AliyunOSSRole")
		require.Empty(t, b.cloud.owners)
	})
	bubble(t, "somebody else makes the shared role at the same moment", func(t *testing.T) {
		b := newBench(t)
		b.cloud.during("CreateRole", func() { b.cloud.roles["AliyunOSSRole"] = replication.TrustPolicy() })
		b.submit(withRole(sharedTicket))
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Zero(t, j.Made.Role, "it is not the job's")
	})
	bubble(t, "a role that cannot be read is not taken for a bad one", func(t *testing.T) {
		b := newBench(t)
		b.cloud.roles["Copier"] = replication.TrustPolicy()
		b.cloud.fail["Rights"] = []error{&fault.Error{Kind: fault.Denied, Op: "GetPolicy", Code: "NoPermission"}}
		b.submit(withRole(customTicket))
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.ReasonDenied, j.Reason)
		require.Contains(t, j.Message, "GetPolicy")
		b.settle(2 * time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
	})
}
