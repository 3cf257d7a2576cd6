package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestADeskReachesTheAccountsThatItKnows(t *testing.T) {
	arn := "acs:ram::2000000000000002:role/replidesk-destination"
	d := replication.Desk{Account: account, Accounts: []replication.Account{{UID: "2000000000000002", Role: arn}, {UID: "3000000000000003"}}}
	for uid, want := range map[string]replication.Reach{
		account: replication.ReachOwn, "2000000000000002": replication.ReachRole, "3000000000000003": replication.ReachHandshake,
		"4000000000000004": replication.ReachNone, "": replication.ReachNone,
	} {
		require.Equal(t, want, d.Reach(uid), "account %q", uid)
	}
	require.Equal(t, arn, d.RoleIn("2000000000000002"))
	require.Empty(t, d.RoleIn("3000000000000003"))
	require.Empty(t, d.RoleIn("4000000000000004"))
	require.Equal(t, replication.ReachNone, replication.Desk{}.Reach(""), "a desk without an account reaches none")
}
