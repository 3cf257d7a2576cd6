package ramgrant_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/meter"
	"github.com/replidesk/replidesk/pkg/policy"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestAllThatIsAttachedToARoleIsReadWithTheDocumentsThatCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c := client(cloud, as.A.User)
		ctx, counter := meter.With(t.Context())
		role, own := granted(t, c)
		_, err := c.Attach(ctx, role, replication.PolicySystem, "AliyunOSSFullAccess")
		require.NoError(t, err)
		// A policy of the account may have the name of one of the cloud's.
		const nothing = `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:*","Resource":"*"}]}`
		_, err = c.CreatePolicy(ctx, "AliyunOSSFullAccess", nothing, "")
		require.NoError(t, err)
		_, err = c.Attach(ctx, role, replication.PolicyCustom, "AliyunOSSFullAccess")
		require.NoError(t, err)
		const newer = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:ReplicateGet","Resource":"*"}]}`
		_, e := cloud.World.CreatePolicyVersion(as.A.UID, own, newer, true, false)
		require.Nil(t, e)
		time.Sleep(time.Minute)

		before := counter.N()
		seen, err := c.Rights(ctx, role)
		require.NoError(t, err)
		require.Equal(t, 4, counter.N()-before, "one call, and one for each policy")
		documents := map[string]string{}
		for _, p := range seen.Policies {
			documents[string(p.Type)+" "+p.Name] = p.Document
		}
		require.Len(t, documents, 3)
		require.True(t, replication.SameDocument(newer, documents["Custom "+own]), "the default version counts")
		require.True(t, replication.SameDocument(nothing, documents["Custom AliyunOSSFullAccess"]))
		require.True(t, policy.Allows("oss:ReplicatePut", "acs:oss:*:1:b/*", documents["System AliyunOSSFullAccess"]))

		seen, err = c.Rights(ctx, "nobody")
		require.NoError(t, err)
		require.Empty(t, seen.Policies)
	})
}

func TestARightThatCannotBeReadIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c := client(cloud, as.A.User)
		role, _ := granted(t, c)
		for _, action := range []string{"ListPoliciesForRole", "GetPolicy"} {
			mend := cloud.World.Break(world.Fault{Service: "ram", Action: action, Kind: world.FaultRefuse, Status: 403, Code: "NoPermission"})
			_, err := c.Rights(t.Context(), role)
			require.Equal(t, fault.Denied, fault.Of(err), "what is not read must not be taken for absent: %v", err)
			mend()
		}
		mend := cloud.World.Break(world.Fault{Service: "ram", Action: "GetPolicy", Kind: world.FaultRefuse, Status: 404, Code: "EntityNotExist.Policy"})
		seen, err := c.Rights(t.Context(), role)
		require.NoError(t, err, "a policy that was deleted meanwhile is not attached any more")
		require.Empty(t, seen.Policies)
		mend()
	})
}
