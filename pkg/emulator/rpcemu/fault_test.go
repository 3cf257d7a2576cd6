package rpcemu_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestFaultsOnOrder(t *testing.T) {
	makeRole := []string{"RoleName=copier", "AssumeRolePolicyDocument=" + trustOSS}
	exists := func(c *cloud) bool {
		_, e := c.world.GetRole(uidA, "copier", world.View{})
		return e == nil
	}
	for _, tc := range []struct {
		name  string
		fault world.Fault
		check func(t *testing.T, c *cloud)
	}{
		{
			"a refused call has no effect", world.Fault{Action: "CreateRole", Kind: world.FaultRefuse, Status: 500, Code: "InternalError", Times: 1},
			func(t *testing.T, c *cloud) {
				_, err := c.call(c.root, "CreateRole", makeRole...)
				require.Equal(t, "InternalError", code(t, err))
				require.Equal(t, 500, refusal(t, err).HttpStatus())
				require.False(t, exists(c))
				c.must(c.root, "CreateRole", makeRole...)
			},
		},
		{
			"a throttled call has no effect", world.Fault{Service: "ram", Resource: "copier", Kind: world.FaultThrottle, Times: 1},
			func(t *testing.T, c *cloud) {
				_, err := c.call(c.root, "CreateRole", makeRole...)
				require.Equal(t, "Throttling.User", code(t, err))
				require.False(t, exists(c))
			},
		},
		{
			"a call whose reply is lost has its effect", world.Fault{Action: "CreateRole", Kind: world.FaultLoseReply, Times: 1},
			func(t *testing.T, c *cloud) {
				_, err := c.call(c.root, "CreateRole", makeRole...)
				require.True(t, isBroken(err))
				require.True(t, exists(c))
				_, err = c.call(c.root, "CreateRole", makeRole...)
				require.Equal(t, "EntityAlreadyExists.Role", code(t, err))
			},
		},
		{
			"a slow call takes its time", world.Fault{Action: "CreateRole", Kind: world.FaultSlow, Delay: 7 * time.Second},
			func(t *testing.T, c *cloud) {
				start := time.Now()
				c.must(c.root, "CreateRole", makeRole...)
				require.Equal(t, 7*time.Second, time.Since(start))
			},
		},
		{
			"a call that hangs ends with the client's patience", world.Fault{Action: "CreateRole", Kind: world.FaultHang},
			func(t *testing.T, c *cloud) {
				start := time.Now()
				_, err := c.call(c.root, "CreateRole", makeRole...)
				require.True(t, isBroken(err))
				require.Equal(t, 10*time.Second, time.Since(start))
				require.False(t, exists(c))
			},
		},
		{
			"a stale read does not show a new role", world.Fault{Action: "GetRole", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				_, err := c.call(c.root, "GetRole", "RoleName=copier")
				require.Equal(t, "EntityNotExist.Role", code(t, err))
				c.must(c.root, "GetRole", "RoleName=copier")
			},
		},
		{
			"a stale read shows a deleted role", world.Fault{Action: "GetRole", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				c.must(c.root, "DeleteRole", "RoleName=copier")
				c.must(c.root, "GetRole", "RoleName=copier")
				_, err := c.call(c.root, "GetRole", "RoleName=copier")
				require.Equal(t, "EntityNotExist.Role", code(t, err))
			},
		},
		{
			"a stale read shows the attachments of before", world.Fault{Action: "ListPoliciesForRole", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				c.must(c.root, "AttachPolicyToRole", "RoleName=copier", "PolicyType=System", "PolicyName=AliyunOSSFullAccess")
				attached := func() int {
					r := ram.CreateListPoliciesForRoleRequest()
					r.RoleName = "copier"
					got, err := c.ram(c.root).ListPoliciesForRole(r)
					require.NoError(t, err)
					return len(got.Policies.Policy)
				}
				require.Equal(t, 0, attached())
				require.Equal(t, 1, attached())
			},
		},
		{
			"a stale read shows the policy of before", world.Fault{Service: "ram", Action: "GetPolicy", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+document)
				c.must(c.root, "CreatePolicyVersion", "PolicyName=p", "PolicyDocument="+anything, "SetAsDefault=true")
				def := func() string {
					r := ram.CreateGetPolicyRequest()
					r.PolicyType, r.PolicyName = "Custom", "p"
					got, err := c.ram(c.root).GetPolicy(r)
					require.NoError(t, err)
					return got.DefaultPolicyVersion.VersionId
				}
				require.Equal(t, "v1", def())
				require.Equal(t, "v2", def())
			},
		},
		{
			"a role just made cannot be attached to by order", world.Fault{Action: "AttachPolicyToRole", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				args := []string{"RoleName=copier", "PolicyType=System", "PolicyName=AliyunOSSFullAccess"}
				_, err := c.call(c.root, "AttachPolicyToRole", args...)
				require.Equal(t, "EntityNotExist.Role", code(t, err))
				c.must(c.root, "AttachPolicyToRole", args...)
			},
		},
		{
			"a role cannot be deleted before the detachment has spread by order", world.Fault{Action: "DeleteRole", Kind: world.FaultStaleRead},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				args := []string{"RoleName=copier", "PolicyType=System", "PolicyName=AliyunOSSFullAccess"}
				c.must(c.root, "AttachPolicyToRole", args...)
				c.must(c.root, "DetachPolicyFromRole", args...)
				_, err := c.call(c.root, "DeleteRole", "RoleName=copier")
				require.Equal(t, "DeleteConflict.Role.Policy", code(t, err))
				time.Sleep(5 * time.Second)
				c.must(c.root, "DeleteRole", "RoleName=copier")
			},
		},
		{
			"a policy is still attached after the last detachment by order", world.Fault{Action: "DeletePolicy", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				c.must(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+document)
				c.must(c.root, "AttachPolicyToRole", "RoleName=copier", "PolicyType=Custom", "PolicyName=p")
				c.must(c.root, "DetachPolicyFromRole", "RoleName=copier", "PolicyType=Custom", "PolicyName=p")
				_, err := c.call(c.root, "DeletePolicy", "PolicyName=p")
				require.Equal(t, "DeleteConflict.Policy.Role", code(t, err))
				c.must(c.root, "DeletePolicy", "PolicyName=p")
			},
		},
		{
			"a stale listing does not show what is younger", world.Fault{Action: "ListRoles", Kind: world.FaultStaleList, Delay: time.Minute},
			func(t *testing.T, c *cloud) {
				c.must(c.root, "CreateRole", makeRole...)
				time.Sleep(30 * time.Second)
				c.must(c.root, "CreateRole", "RoleName=second", "AssumeRolePolicyDocument="+trustOSS)
				listed := func() int {
					got, err := c.ram(c.root).ListRoles(ram.CreateListRolesRequest())
					require.NoError(t, err)
					return len(got.Roles.Role)
				}
				require.Equal(t, 0, listed())
				time.Sleep(30 * time.Second)
				require.Equal(t, 1, listed())
				time.Sleep(30 * time.Second)
				require.Equal(t, 2, listed())
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t, world.Options{})
				c.world.Break(tc.fault)
				tc.check(t, c)
			})
		})
	}
}

func TestAHangEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		c.world.Break(world.Fault{Service: "sts", Kind: world.FaultHang})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://sts.aliyuncs.com/", nil)
		require.NoError(t, err)
		resp, err := emulator.HandlerTransport(c.handler).RoundTrip(r)
		if resp != nil {
			resp.Body.Close()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
