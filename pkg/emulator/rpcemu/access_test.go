package rpcemu_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func allow(actions, resource string) string {
	return `{"Version":"1","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":["` + resource + `"]}]}`
}

func TestRAMAsksThePolicies(t *testing.T) {
	role, custom := "acs:ram:*:"+uidA+":role/copier", "acs:ram:*:"+uidA+":policy/p"
	system := "acs:ram:*:system:policy/AliyunOSSFullAccess"
	for _, tc := range []struct {
		name   string
		docs   []string
		action string
		args   []string
		want   string
	}{
		{"a user without a policy may do nothing", nil, "GetRole", []string{"RoleName=copier"}, "NoPermission"},
		{"a grant on the role is enough to read it", []string{allow(`"ram:GetRole"`, role)}, "GetRole", []string{"RoleName=copier"}, ""},
		{"a grant on the role is for that role", []string{allow(`"ram:*"`, role)}, "GetRole", []string{"RoleName=other"}, "NoPermission"},
		{"a grant for reading is not for deleting", []string{allow(`"ram:Get*"`, "*")}, "DeleteRole", []string{"RoleName=other"}, "NoPermission"},
		{"a prefix of names can be granted", []string{allow(`"ram:CreateRole"`, "acs:ram:*:"+uidA+":role/oss-replication-*")}, "CreateRole", []string{"RoleName=oss-replication-1", "AssumeRolePolicyDocument=" + trustOSS}, ""},
		{"a name outside the prefix is refused", []string{allow(`"ram:CreateRole"`, "acs:ram:*:"+uidA+":role/oss-replication-*")}, "CreateRole", []string{"RoleName=mine", "AssumeRolePolicyDocument=" + trustOSS}, "NoPermission"},
		{"listing needs the grant on all roles", []string{allow(`"ram:ListRoles"`, role)}, "ListRoles", nil, "NoPermission"},
		{"a grant on all roles lists them", []string{allow(`"ram:ListRoles"`, "acs:ram:*:"+uidA+":role/*")}, "ListRoles", nil, ""},
		{"attaching needs the policy too", []string{allow(`"ram:AttachPolicyToRole"`, role)}, "AttachPolicyToRole", []string{"RoleName=copier", "PolicyType=Custom", "PolicyName=p"}, "NoPermission"},
		{"attaching needs the role too", []string{allow(`"ram:AttachPolicyToRole"`, custom)}, "AttachPolicyToRole", []string{"RoleName=copier", "PolicyType=Custom", "PolicyName=p"}, "NoPermission"},
		{"role and policy together attach", []string{allow(`"ram:AttachPolicyToRole"`, role), allow(`"ram:AttachPolicyToRole"`, custom)}, "AttachPolicyToRole", []string{"RoleName=copier", "PolicyType=Custom", "PolicyName=p"}, ""},
		{"policies of the cloud are granted apart", []string{allow(`"ram:*"`, "acs:ram:*:"+uidA+":*")}, "AttachPolicyToRole", []string{"RoleName=copier", "PolicyType=System", "PolicyName=AliyunOSSFullAccess"}, "NoPermission"},
		{"a policy of the cloud may be granted by name", []string{allow(`"ram:AttachPolicyToRole"`, role), allow(`"ram:AttachPolicyToRole"`, system)}, "AttachPolicyToRole", []string{"RoleName=copier", "PolicyType=System", "PolicyName=AliyunOSSFullAccess"}, ""},
		{"tagging needs the grant on all resources", []string{allow(`"ram:TagResources"`, role)}, "TagResources", []string{"ResourceType=role", `ResourceNames=["copier"]`, `Tag=[{"Key":"a","Value":"b"}]`}, "NoPermission"},
		{"a grant on all resources tags", []string{allow(`"ram:TagResources"`, "*")}, "TagResources", []string{"ResourceType=role", `ResourceNames=["copier"]`, `Tag=[{"Key":"a","Value":"b"}]`}, ""},
		{"a condition on TLS is seen", []string{`{"Version":"1","Statement":[{"Effect":"Allow","Action":"ram:*","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":"true"},"NumericGreaterThanEquals":{"acs:TLSVersion":1.2}}}]}`}, "GetRole", []string{"RoleName=copier"}, ""},
		{"a condition on the address is seen", []string{`{"Version":"1","Statement":[{"Effect":"Allow","Action":"ram:*","Resource":"*","Condition":{"NotIpAddress":{"acs:SourceIp":"127.0.0.0/8"}}}]}`}, "GetRole", []string{"RoleName=copier"}, "NoPermission"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, world.Options{})
			c.must(c.root, "CreateRole", "RoleName=copier", "AssumeRolePolicyDocument="+trustOSS)
			c.must(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+document)
			_, err := c.call(c.user("eve", tc.docs...), tc.action, tc.args...)
			require.Equal(t, tc.want, code(t, err))
		})
	}
}

func TestARefusalSaysWhatWasMissing(t *testing.T) {
	for _, tc := range []struct {
		name, doc, want string
	}{
		{"nothing allows it", allow(`"oss:*"`, "*"), "ImplicitDeny"},
		{"something denies it", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"ram:Get*","Resource":"*"}]}`, "ExplicitDeny"},
	} {
		t.Run("the detail tells that "+tc.name, func(t *testing.T) {
			c := newCloud(t, world.Options{})
			eve := c.user("eve", tc.doc)
			_, err := c.call(eve, "GetRole", "RoleName=copier")
			e := refusal(t, err)
			require.Equal(t, "NoPermission", e.ErrorCode())
			require.Equal(t, 403, e.HttpStatus())
			require.Equal(t, "You are not authorized to do this action.", e.Message())
			require.Equal(t, map[string]any{
				"AuthAction": "ram:GetRole", "AuthPrincipalType": "SubUser", "AuthPrincipalDisplayName": eve.Principal.ID,
				"AuthPrincipalOwnerId": uidA, "NoPermissionType": tc.want, "PolicyType": "AccountLevelIdentityBasedPolicy",
			}, e.AccessDeniedDetail())
		})
	}
}
