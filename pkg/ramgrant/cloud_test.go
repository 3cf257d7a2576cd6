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
	"github.com/replidesk/replidesk/pkg/ramgrant"
	"github.com/replidesk/replidesk/pkg/replication"
)

func client(c *emulator.Cloud, k world.AccessKey) *ramgrant.Client {
	return ramgrant.New(ramgrant.Config{
		Credentials: func() (string, string, string) { return k.ID, k.Secret, k.Token },
		Transport:   meter.Transport(c.Transport()),
	})
}

var request = replication.Request{
	ID:          "CHG-2041",
	Source:      replication.End{Bucket: "src-bucket"},
	Destination: replication.End{Bucket: "dest-bucket"},
}

func TestAGrantIsMadeOnceAndReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c := client(cloud, as.A.User)
		ctx, counter := meter.With(t.Context())
		role, policy := replication.RoleName(request.ID), replication.PolicyName(request.ID)

		r, err := c.Role(ctx, role)
		require.NoError(t, err)
		require.Equal(t, replication.RoleSeen{Is: replication.Missing}, r)
		p, err := c.Policy(ctx, policy)
		require.NoError(t, err)
		require.Equal(t, replication.PolicySeen{Is: replication.Missing}, p)
		a, err := c.Attached(ctx, role, policy)
		require.NoError(t, err)
		require.False(t, a.Attached)
		_, err = c.Attach(ctx, role, replication.PolicyCustom, policy)
		require.Equal(t, fault.NotFound, fault.Of(err))
		require.Equal(t, 4, counter.N())

		for name, create := range map[string]func() (string, error){
			"role": func() (string, error) {
				return c.CreateRole(ctx, role, replication.TrustPolicy(), "OSS assumes this role (ticket CHG-2041)")
			},
			"policy": func() (string, error) {
				return c.CreatePolicy(ctx, policy, replication.RolePolicy(request), "Least privilege")
			},
		} {
			createTwice(t, name, create)
		}
		createTwice(t, "attachment", func() (string, error) { return c.Attach(ctx, role, replication.PolicyCustom, policy) })
		require.Equal(t, 10, counter.N())

		time.Sleep(time.Minute)
		r, err = c.Role(ctx, role)
		require.NoError(t, err)
		require.Equal(t, replication.Exists, r.Is)
		require.True(t, replication.SameDocument(replication.TrustPolicy(), r.Trust), r.Trust)
		p, err = c.Policy(ctx, policy)
		require.NoError(t, err)
		require.Equal(t, replication.Exists, p.Is)
		require.True(t, replication.SameDocument(replication.RolePolicy(request), p.Document), p.Document)
		a, err = c.Attached(ctx, role, policy)
		require.NoError(t, err)
		require.True(t, a.Attached)
		a, err = c.Attached(ctx, role, "another-policy")
		require.NoError(t, err)
		require.False(t, a.Attached)
	})
}

// granted makes role, policy and attachment as the desk does.
func granted(t *testing.T, c *ramgrant.Client) (role, policy string) {
	t.Helper()
	role, policy = replication.RoleName(request.ID), replication.PolicyName(request.ID)
	_, err := c.CreateRole(t.Context(), role, replication.TrustPolicy(), "")
	require.NoError(t, err)
	_, err = c.CreatePolicy(t.Context(), policy, replication.RolePolicy(request), "")
	require.NoError(t, err)
	_, err = c.Attach(t.Context(), role, replication.PolicyCustom, policy)
	require.NoError(t, err)
	time.Sleep(time.Minute)
	return role, policy
}

func TestAGrantIsTakenBackOnceInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c, ctx := client(cloud, as.A.User), t.Context()
		role, policy := granted(t, c)

		use, err := c.PolicyUse(ctx, policy)
		require.NoError(t, err)
		require.Equal(t, replication.PolicyUseSeen{Versions: 1, By: []string{"role " + role}}, use)
		_, err = c.DeletePolicy(ctx, policy)
		require.Equal(t, fault.Conflict, fault.Of(err), "it is attached: %v", err)
		_, err = c.DeleteRole(ctx, role)
		require.Equal(t, fault.Conflict, fault.Of(err), "it has a policy: %v", err)

		for _, call := range []func() (string, error){
			func() (string, error) { return c.Detach(ctx, role, replication.PolicyCustom, policy) },
			func() (string, error) { return c.DeletePolicy(ctx, policy) },
			func() (string, error) { return c.DeleteRole(ctx, role) },
		} {
			id, err := call()
			require.NoError(t, err)
			require.Len(t, id, 36)
			time.Sleep(time.Minute)
			_, err = call()
			require.Equal(t, fault.NotFound, fault.Of(err), "gone already: %v", err)
		}
		_, err = c.PolicyUse(ctx, policy)
		require.Equal(t, fault.NotFound, fault.Of(err))
		r, err := c.Role(ctx, role)
		require.NoError(t, err)
		require.Equal(t, replication.Missing, r.Is)
	})
}

func TestWhatOthersDidWithAGrantIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c, ctx := client(cloud, as.A.User), t.Context()
		role, policy := granted(t, c)
		_, err := c.CreateRole(ctx, "theirs", replication.TrustPolicy(), "")
		require.NoError(t, err)
		_, err = c.Attach(ctx, "theirs", replication.PolicyCustom, policy)
		require.NoError(t, err)
		_, err = c.CreatePolicy(ctx, "more", replication.RolePolicy(request), "")
		require.NoError(t, err)
		_, err = c.Attach(ctx, role, replication.PolicyCustom, "more")
		require.NoError(t, err)
		_, e := cloud.World.CreatePolicyVersion(as.A.UID, policy, replication.RolePolicy(request), false, false)
		require.Nil(t, e)
		time.Sleep(time.Minute)

		use, err := c.PolicyUse(ctx, policy)
		require.NoError(t, err)
		require.Equal(t, 2, use.Versions)
		require.ElementsMatch(t, []string{"role " + role, "role theirs"}, use.By)
		a, err := c.Attached(ctx, role, policy)
		require.NoError(t, err)
		require.Equal(t, replication.AttachmentSeen{Attached: true, Others: []string{"more"}}, a)

		const system = "AliyunKMSCryptoUserAccess"
		_, err = c.Attach(ctx, role, replication.PolicyCustom, system)
		require.Equal(t, fault.NotFound, fault.Of(err), "no policy of ours has that name: %v", err)
		_, err = c.Attach(ctx, role, replication.PolicySystem, system)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		a, err = c.Attached(ctx, role, policy)
		require.NoError(t, err)
		require.Equal(t, replication.AttachmentSeen{Attached: true, Others: []string{"more", system}, System: []string{system}}, a)
		_, err = c.Detach(ctx, role, replication.PolicySystem, system)
		require.NoError(t, err)
	})
}

// createTwice makes something, which takes effect once.
func createTwice(t *testing.T, name string, create func() (requestID string, err error)) {
	t.Helper()
	id, err := create()
	require.NoError(t, err, name)
	require.Len(t, id, 36, name)
	_, err = create()
	require.Equal(t, fault.Exists, fault.Of(err), name)
}

func TestACreationWhoseAnswerWasLostIsUnknownAndFoundAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c := client(cloud, as.A.User)
		cloud.World.Break(world.Fault{Action: "CreateRole", Kind: world.FaultLoseReply, Times: 1})
		_, err := c.CreateRole(t.Context(), "r", replication.TrustPolicy(), "")
		require.Equal(t, fault.Unknown, fault.Of(err))
		_, err = c.CreateRole(t.Context(), "r", replication.TrustPolicy(), "")
		require.Equal(t, fault.Exists, fault.Of(err))
	})
}

func TestRefusalsOfTheCloudHaveTheirKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c := client(cloud, as.A.User)
		_, err := c.CreateRole(t.Context(), "no blanks please", replication.TrustPolicy(), "")
		require.Equal(t, fault.Terminal, fault.Of(err), "%v", err)
		_, err = c.CreatePolicy(t.Context(), "p", "not a document", "")
		require.Equal(t, fault.Terminal, fault.Of(err), "%v", err)

		narrow := client(cloud, cloud.World.NewUserKey(as.A.UID, "narrow", []byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"ram:GetRole","Resource":"*"}]}`)))
		_, err = narrow.CreateRole(t.Context(), "r", replication.TrustPolicy(), "")
		require.Equal(t, fault.Denied, fault.Of(err), "%v", err)

		release := cloud.World.Break(world.Fault{Action: "GetRole", Kind: world.FaultThrottle})
		_, err = c.Role(t.Context(), "r")
		require.Equal(t, fault.Throttled, fault.Of(err), "%v", err)

		release()
		stranger := as.A.User
		stranger.Secret = "not the secret"
		_, err = client(cloud, stranger).Role(t.Context(), "r")
		require.Equal(t, fault.Denied, fault.Of(err), "%v", err)
		require.NotContains(t, err.Error(), stranger.ID)
	})
}

func TestTheAccountOfAKeyIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		for _, a := range []emulator.Account{as.A, as.B} {
			for _, k := range []world.AccessKey{a.Root, a.User} {
				uid, err := client(cloud, k).CallerAccount(t.Context())
				require.NoError(t, err)
				require.Equal(t, a.UID, uid)
			}
		}
	})
}
