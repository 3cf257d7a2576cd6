package rpcemu_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const roleReader = "acs:ram::" + uidA + ":role/Reader"

func assume(c *cloud, k world.AccessKey, change func(*sts.AssumeRoleRequest)) (world.AccessKey, *sts.AssumeRoleResponse, error) {
	r := sts.CreateAssumeRoleRequest()
	r.RoleArn, r.RoleSessionName = roleReader, "session-1"
	if change != nil {
		change(r)
	}
	got, err := c.sts(k).AssumeRole(r)
	if err != nil {
		return world.AccessKey{}, got, err
	}
	return world.AccessKey{ID: got.Credentials.AccessKeyId, Secret: got.Credentials.AccessKeySecret, Token: got.Credentials.SecurityToken}, got, nil
}

// withReader makes the role Reader, which trusts its own account, and waits until
// it has spread.
func withReader(t *testing.T, c *cloud) {
	t.Helper()
	c.must(c.root, "CreateRole", "RoleName=Reader", "AssumeRolePolicyDocument="+trustA)
	c.must(c.root, "AttachPolicyToRole", "RoleName=Reader", "PolicyType=System", "PolicyName=AliyunRAMFullAccess")
	time.Sleep(5 * time.Second)
}

func TestAssumeRoleGivesKeysThatWorkUntilTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		eve := c.user("eve", anything)
		key, got, err := assume(c, eve, nil)
		require.NoError(t, err)
		require.Equal(t, "acs:ram::"+uidA+":assumed-role/Reader/session-1", got.AssumedRoleUser.Arn)
		require.Regexp(t, `^3\d{17}:session-1$`, got.AssumedRoleUser.AssumedRoleId)
		require.Equal(t, time.Now().Add(time.Hour).UTC().Format(time.RFC3339), got.Credentials.Expiration)
		require.Regexp(t, `^STS\.`, key.ID)

		c.must(key, "ListRoles")
		time.Sleep(time.Hour - time.Second)
		c.must(key, "ListRoles")
		time.Sleep(time.Second)
		_, err = c.call(key, "ListRoles")
		require.Equal(t, "InvalidSecurityToken.Expired", code(t, err))
	})
}

func TestARoleIsAssumedOnlyOnceItHasSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		c.must(c.root, "CreateRole", "RoleName=Reader", "AssumeRolePolicyDocument="+trustOSS)
		eve := c.user("eve", anything)
		_, _, err := assume(c, eve, nil)
		require.Equal(t, "EntityNotExist.Role", code(t, err))
		time.Sleep(5 * time.Second)
		_, _, err = assume(c, eve, nil)
		require.Equal(t, "NoPermission", code(t, err), "the role trusts OSS only")

		c.must(c.root, "UpdateRole", "RoleName=Reader", "NewAssumeRolePolicyDocument="+trustA)
		_, _, err = assume(c, eve, nil)
		require.Equal(t, "NoPermission", code(t, err), "the new trust has not spread")
		time.Sleep(5 * time.Second)
		_, _, err = assume(c, eve, nil)
		require.NoError(t, err)
	})
}

func TestAssumeRoleRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		admin := c.user("admin", anything)
		for _, tc := range []struct {
			name   string
			key    world.AccessKey
			change func(*sts.AssumeRoleRequest)
			want   string
			says   string
		}{
			{"the account itself", c.root, nil, "NoPermission", "Roles may not be assumed by root accounts."},
			{"a user without the grant", c.user("bob"), nil, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."},
			{
				"a user with a grant for another role",
				c.user("carl", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"acs:ram:*:`+uidA+`:role/Writer"}]}`),
				nil, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.",
			},
			{
				"a user of an account that the role does not trust", c.world.NewUserKey(uidB, "dora", []byte(anything)),
				nil, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.",
			},
			{"a role that is not there", admin, func(r *sts.AssumeRoleRequest) { r.RoleArn = "acs:ram::" + uidA + ":role/none" }, "EntityNotExist.Role", "The specified Role not exists."},
			{"a role of an account that is not there", admin, func(r *sts.AssumeRoleRequest) { r.RoleArn = "acs:ram::3:role/none" }, "EntityNotExist.Role", "The specified Role not exists."},
			{"a role name without its ARN", admin, func(r *sts.AssumeRoleRequest) { r.RoleArn = "Reader" }, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed."},
			{"a session name of one letter", admin, func(r *sts.AssumeRoleRequest) { r.RoleSessionName = "a" }, "InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed."},
			{"a session name with a slash", admin, func(r *sts.AssumeRoleRequest) { r.RoleSessionName = "a/b" }, "InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed."},
			{"no session name", admin, func(r *sts.AssumeRoleRequest) { r.RoleSessionName = "" }, "MissingRoleSessionName", "RoleSessionName is mandatory for this action."},
			{"a duration under 15 minutes", admin, func(r *sts.AssumeRoleRequest) { r.DurationSeconds = requests.NewInteger(899) }, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr."},
			{"a duration over the role's", admin, func(r *sts.AssumeRoleRequest) { r.DurationSeconds = requests.NewInteger(3601) }, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr."},
			{"a session policy that is malformed", admin, func(r *sts.AssumeRoleRequest) { r.Policy = "{}" }, "InvalidParameter.PolicyGrammar", "The parameter Policy has not passed grammar check."},
			{"an external id", admin, func(r *sts.AssumeRoleRequest) { r.ExternalId = "x" }, "InvalidParameter.ExternalId", "The parameter ExternalId is not supported here."},
		} {
			_, _, err := assume(c, tc.key, tc.change)
			require.Equal(t, tc.want, code(t, err), tc.name)
			require.Equal(t, tc.says, refusal(t, err).Message(), tc.name)
		}
	})
}

func TestRolesAreAssumedAcrossAccountsAndInChains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		rootB := c.world.NewRootKey(uidB)
		trustReader := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::` + uidA + `:role/reader"]}}]}`
		c.must(rootB, "CreateRole", "RoleName=guest", "AssumeRolePolicyDocument="+trustReader, "MaxSessionDuration=7200")
		toGuest := func(r *sts.AssumeRoleRequest) {
			r.RoleArn, r.DurationSeconds = "acs:ram::"+uidB+":role/guest", requests.NewInteger(7200)
		}
		c.must(c.root, "CreatePolicy", "PolicyName=to-guest", `PolicyDocument={"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"acs:ram::`+uidB+`:role/guest"}]}`)
		time.Sleep(5 * time.Second)
		eve := c.user("eve", anything)
		_, _, err := assume(c, eve, toGuest)
		require.Equal(t, "NoPermission", code(t, err), "the guest role trusts one role, not the users of its account")

		session, _, err := assume(c, eve, nil)
		require.NoError(t, err)
		_, _, err = assume(c, session, toGuest)
		require.Equal(t, "NoPermission", code(t, err), "the role may not assume others yet")
		c.must(c.root, "AttachPolicyToRole", "RoleName=Reader", "PolicyType=Custom", "PolicyName=to-guest")
		time.Sleep(5 * time.Second)
		guest, got, err := assume(c, session, toGuest)
		require.NoError(t, err)
		require.Equal(t, "acs:ram::"+uidB+":assumed-role/guest/session-1", got.AssumedRoleUser.Arn)

		id, err := c.sts(guest).GetCallerIdentity(sts.CreateGetCallerIdentityRequest())
		require.NoError(t, err)
		require.Equal(t, uidB, id.AccountId)
	})
}

func TestASessionPolicyCutsTheRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		key, _, err := assume(c, c.user("eve", anything), func(r *sts.AssumeRoleRequest) {
			r.Policy = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["ram:Get*","oss:*"],"Resource":"*"}]}`
		})
		require.NoError(t, err)
		c.must(key, "GetRole", "RoleName=Reader")
		_, err = c.call(key, "ListRoles")
		require.Equal(t, "NoPermission", code(t, err), "the role may, the session policy does not")
	})
}

func TestGetCallerIdentityTellsWhoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		withReader(t, c)
		eve := c.user("eve", anything)
		session, _, err := assume(c, eve, nil)
		require.NoError(t, err)
		who := func(k world.AccessKey) *sts.GetCallerIdentityResponse {
			id, err := c.sts(k).GetCallerIdentity(sts.CreateGetCallerIdentityRequest())
			require.NoError(t, err)
			require.Equal(t, uidA, id.AccountId)
			return id
		}

		root := who(c.root)
		require.Equal(t, "Account", root.IdentityType)
		require.Equal(t, "acs:ram::"+uidA+":root", root.Arn)
		require.Equal(t, uidA, root.UserId)

		user := who(c.user("nobody"))
		require.Equal(t, "RAMUser", user.IdentityType, "a user without any policy may ask too")
		require.Equal(t, "acs:ram::"+uidA+":user/nobody", user.Arn)
		require.NotEmpty(t, user.UserId)
		require.Equal(t, user.UserId, user.PrincipalId)

		role := who(session)
		require.Equal(t, "AssumedRoleUser", role.IdentityType)
		require.Equal(t, "acs:ram::"+uidA+":assumed-role/Reader/session-1", role.Arn)
		require.Equal(t, role.RoleId+":session-1", role.PrincipalId)
		require.Empty(t, role.UserId)
	})
}
