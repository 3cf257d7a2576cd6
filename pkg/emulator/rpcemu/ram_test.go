package rpcemu_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ram"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestARoleLivesFromCreationToDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		client := c.ram(c.root)

		create := ram.CreateCreateRoleRequest()
		create.RoleName, create.AssumeRolePolicyDocument, create.Description = "Oss-Copier.1", trustOSS, "复制 a*b~c d&e"
		created, err := client.CreateRole(create)
		require.NoError(t, err)
		require.Len(t, created.RequestId, 36)
		r := created.Role
		require.Equal(t, "acs:ram::"+uidA+":role/Oss-Copier.1", r.Arn)
		require.Equal(t, "复制 a*b~c d&e", r.Description)
		require.EqualValues(t, 3600, r.MaxSessionDuration)
		require.Equal(t, time.Now().UTC().Format(time.RFC3339), r.CreateDate)
		require.NotEqual(t, trustOSS, r.AssumeRolePolicyDocument)
		require.JSONEq(t, trustOSS, r.AssumeRolePolicyDocument)

		_, err = client.CreateRole(create)
		require.Equal(t, "EntityAlreadyExists.Role", code(t, err))
		require.Equal(t, 409, refusal(t, err).HttpStatus())

		get := ram.CreateGetRoleRequest()
		get.RoleName = "oss-copier.1"
		got, err := client.GetRole(get)
		require.NoError(t, err, "two names that differ in case are one role")
		require.Equal(t, r.RoleId, got.Role.RoleId)

		time.Sleep(time.Hour)
		update := ram.CreateUpdateRoleRequest()
		update.RoleName, update.NewAssumeRolePolicyDocument = "Oss-Copier.1", trustA
		_, err = client.UpdateRole(update)
		require.NoError(t, err)
		c.must(c.root, "UpdateRole", "RoleName=Oss-Copier.1", "NewMaxSessionDuration=7200", "NewDescription=other")
		got, err = client.GetRole(get)
		require.NoError(t, err)
		require.JSONEq(t, trustA, got.Role.AssumeRolePolicyDocument)
		require.EqualValues(t, 7200, got.Role.MaxSessionDuration)
		require.Equal(t, "other", got.Role.Description)
		require.NotEqual(t, got.Role.CreateDate, got.Role.UpdateDate)

		del := ram.CreateDeleteRoleRequest()
		del.RoleName = "Oss-Copier.1"
		_, err = client.DeleteRole(del)
		require.NoError(t, err)
		_, err = client.GetRole(get)
		require.Equal(t, "EntityNotExist.Role", code(t, err))
		require.Equal(t, 404, refusal(t, err).HttpStatus())
		require.Equal(t, "The role does not exist.", refusal(t, err).Message())
	})
}

func TestRolesAreListedInPages(t *testing.T) {
	c := newCloud(t, world.Options{})
	for i := range 5 {
		c.must(c.root, "CreateRole", fmt.Sprintf("RoleName=Role%d", 4-i), "AssumeRolePolicyDocument="+trustOSS)
	}
	var names []string
	list := ram.CreateListRolesRequest()
	list.MaxItems = requests.NewInteger(2)
	for pages := 1; ; pages++ {
		page, err := c.ram(c.root).ListRoles(list)
		require.NoError(t, err)
		for _, r := range page.Roles.Role {
			names = append(names, r.RoleName)
		}
		if !page.IsTruncated {
			require.Empty(t, page.Marker)
			require.Equal(t, 3, pages)
			break
		}
		list = ram.CreateListRolesRequest()
		list.MaxItems, list.Marker = requests.NewInteger(2), page.Marker
	}
	require.Equal(t, []string{"Role0", "Role1", "Role2", "Role3", "Role4"}, names)
}

func TestPolicyVersionsRotateAndChange(t *testing.T) {
	c := newCloud(t, world.Options{})
	client := c.ram(c.root)
	versions := func() (ids []string, def string) {
		list := ram.CreateListPolicyVersionsRequest()
		list.PolicyType, list.PolicyName = "Custom", "p"
		got, err := client.ListPolicyVersions(list)
		require.NoError(t, err)
		for _, v := range got.PolicyVersions.PolicyVersion {
			ids = append(ids, v.VersionId)
			if v.IsDefaultVersion {
				def = v.VersionId
			}
		}
		return ids, def
	}
	create := ram.CreateCreatePolicyRequest()
	create.PolicyName, create.PolicyDocument, create.Description = "p", document, "d"
	made, err := client.CreatePolicy(create)
	require.NoError(t, err)
	require.Equal(t, "v1", made.Policy.DefaultVersion)
	require.Equal(t, "Custom", made.Policy.PolicyType)
	_, err = client.CreatePolicy(create)
	require.Equal(t, "EntityAlreadyExists.Policy", code(t, err))

	for range 4 {
		c.must(c.root, "CreatePolicyVersion", "PolicyName=p", "PolicyDocument="+document)
	}
	ids, def := versions()
	require.Equal(t, []string{"v1", "v2", "v3", "v4", "v5"}, ids)
	require.Equal(t, "v1", def)

	_, err = c.call(c.root, "CreatePolicyVersion", "PolicyName=p", "PolicyDocument="+anything, "RotateStrategy=None")
	require.Equal(t, "LimitExceeded.Policy.Version", code(t, err))
	add := ram.CreateCreatePolicyVersionRequest()
	add.PolicyName, add.PolicyDocument = "p", anything
	add.SetAsDefault, add.RotateStrategy = requests.NewBoolean(true), "DeleteOldestNonDefaultVersionWhenLimitExceeded"
	added, err := client.CreatePolicyVersion(add)
	require.NoError(t, err)
	require.Equal(t, "v6", added.PolicyVersion.VersionId)
	require.True(t, added.PolicyVersion.IsDefaultVersion)
	ids, def = versions()
	require.Equal(t, []string{"v1", "v3", "v4", "v5", "v6"}, ids)
	require.Equal(t, "v6", def)

	get := ram.CreateGetPolicyRequest()
	get.PolicyType, get.PolicyName = "Custom", "p"
	got, err := client.GetPolicy(get)
	require.NoError(t, err)
	require.Equal(t, "v6", got.Policy.DefaultVersion)
	require.JSONEq(t, anything, got.DefaultPolicyVersion.PolicyDocument)
	version := ram.CreateGetPolicyVersionRequest()
	version.PolicyType, version.PolicyName, version.VersionId = "Custom", "p", "v3"
	one, err := client.GetPolicyVersion(version)
	require.NoError(t, err)
	require.JSONEq(t, document, one.PolicyVersion.PolicyDocument)

	c.must(c.root, "SetDefaultPolicyVersion", "PolicyName=p", "VersionId=v3")
	_, err = c.call(c.root, "DeletePolicyVersion", "PolicyName=p", "VersionId=v3")
	require.Equal(t, "DeleteConflict.Policy.Version.Default", code(t, err))
	_, err = c.call(c.root, "DeletePolicy", "PolicyName=p")
	require.Equal(t, "DeleteConflict.Policy.Version", code(t, err))
	for _, id := range []string{"v1", "v4", "v5", "v6"} {
		c.must(c.root, "DeletePolicyVersion", "PolicyName=p", "VersionId="+id)
	}
	c.must(c.root, "DeletePolicy", "PolicyName=p")
	_, err = client.GetPolicy(get)
	require.Equal(t, "EntityNotExist.Policy", code(t, err))
}

func TestPoliciesAreAttachedAndDetached(t *testing.T) {
	c := newCloud(t, world.Options{})
	client := c.ram(c.root)
	c.must(c.root, "CreateRole", "RoleName=copier", "AssumeRolePolicyDocument="+trustOSS)
	c.must(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+document)
	attach := ram.CreateAttachPolicyToRoleRequest()
	attach.PolicyType, attach.PolicyName, attach.RoleName = "Custom", "p", "copier"
	_, err := client.AttachPolicyToRole(attach)
	require.NoError(t, err)
	_, err = client.AttachPolicyToRole(attach)
	require.Equal(t, "EntityAlreadyExists.Role.Policy", code(t, err))
	require.Equal(t, "The role has already been attached this policy.", refusal(t, err).Message())
	c.must(c.root, "AttachPolicyToRole", "PolicyType=System", "PolicyName=AliyunKMSCryptoUserAccess", "RoleName=copier")

	list := ram.CreateListPoliciesForRoleRequest()
	list.RoleName = "copier"
	policies, err := client.ListPoliciesForRole(list)
	require.NoError(t, err)
	require.Len(t, policies.Policies.Policy, 2)
	require.Equal(t, "p", policies.Policies.Policy[0].PolicyName)
	require.NotEmpty(t, policies.Policies.Policy[0].AttachDate)
	require.Equal(t, "System", policies.Policies.Policy[1].PolicyType)

	entities := ram.CreateListEntitiesForPolicyRequest()
	entities.PolicyType, entities.PolicyName = "System", "AliyunKMSCryptoUserAccess"
	who, err := client.ListEntitiesForPolicy(entities)
	require.NoError(t, err)
	require.Len(t, who.Roles.Role, 1)
	require.Equal(t, "copier", who.Roles.Role[0].RoleName)
	require.Empty(t, who.Users.User)

	get := ram.CreateGetPolicyRequest()
	get.PolicyType, get.PolicyName = "Custom", "p"
	got, err := client.GetPolicy(get)
	require.NoError(t, err)
	require.Equal(t, 1, got.Policy.AttachmentCount)

	_, err = c.call(c.root, "DeletePolicy", "PolicyName=p")
	require.Equal(t, "DeleteConflict.Policy.Role", code(t, err))
	_, err = c.call(c.root, "DeleteRole", "RoleName=copier")
	require.Equal(t, "DeleteConflict.Role.Policy", code(t, err))
	c.must(c.root, "DetachPolicyFromRole", "PolicyType=Custom", "PolicyName=p", "RoleName=copier")
	_, err = c.call(c.root, "DetachPolicyFromRole", "PolicyType=Custom", "PolicyName=p", "RoleName=copier")
	require.Equal(t, "EntityNotExist.Role.Policy", code(t, err))
	c.must(c.root, "DetachPolicyFromRole", "PolicyType=System", "PolicyName=AliyunKMSCryptoUserAccess", "RoleName=copier")
	c.must(c.root, "DeletePolicy", "PolicyName=p")
	c.must(c.root, "DeleteRole", "RoleName=copier")
}

func TestTagsAreSetListedAndTakenAway(t *testing.T) {
	c := newCloud(t, world.Options{})
	c.must(c.root, "CreateRole", "RoleName=copier", "AssumeRolePolicyDocument="+trustOSS, `Tag=[{"Key":"made-by","Value":"desk"}]`)
	c.must(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+document)
	tags := func(typ string, more ...string) string {
		r, err := c.call(c.root, "ListTagResources", append(more, "ResourceType="+typ)...)
		require.NoError(t, err)
		var got struct {
			TagResources []struct{ ResourceType, ResourceName, TagKey, TagValue string }
		}
		require.NoError(t, json.Unmarshal(r.GetHttpContentBytes(), &got))
		return strings.TrimSpace(fmt.Sprint(got.TagResources))
	}
	c.must(c.root, "TagResources", "ResourceType=role", `ResourceNames=["copier"]`, `Tag=[{"Key":"job","Value":"1"},{"Key":"made-by","Value":"me"}]`)
	c.must(c.root, "TagResources", "ResourceType=policy", `ResourceNames=["p"]`, `Tag=[{"Key":"job","Value":"2"}]`)
	require.Equal(t, "[{role copier job 1} {role copier made-by me}]", tags("role", `ResourceNames=["copier"]`))
	require.Equal(t, "[{policy p job 2}]", tags("policy"))
	c.must(c.root, "UntagResources", "ResourceType=role", `ResourceNames=["copier"]`, `TagKeys=["job","none"]`)
	require.Equal(t, "[{role copier made-by me}]", tags("role"))
}

func TestRAMRefusesWithTheDocumentedCodes(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, tc := range []struct {
		name, action string
		args         []string
		want         string
	}{
		{"a role name with an underscore", "CreateRole", []string{"RoleName=a_b", "AssumeRolePolicyDocument=" + trustOSS}, "InvalidParameter.RoleName.InvalidChars"},
		{"a role name that is too long", "CreateRole", []string{"RoleName=" + long(65), "AssumeRolePolicyDocument=" + trustOSS}, "InvalidParameter.RoleName.Length"},
		{"a role name that is missing", "CreateRole", []string{"AssumeRolePolicyDocument=" + trustOSS}, "MissingRoleName"},
		{"a description that is too long", "CreateRole", []string{"RoleName=new", "AssumeRolePolicyDocument=" + trustOSS, "Description=" + long(1025)}, "InvalidParameter.Description.Length"},
		{"a trust policy that is malformed", "CreateRole", []string{"RoleName=new", "AssumeRolePolicyDocument=" + document}, "MalformedPolicyDocument"},
		{"a session that is too short", "CreateRole", []string{"RoleName=new", "AssumeRolePolicyDocument=" + trustOSS, "MaxSessionDuration=3599"}, "InvalidParameter.MaxSessionDuration"},
		{"a session that is no number", "CreateRole", []string{"RoleName=new", "AssumeRolePolicyDocument=" + trustOSS, "MaxSessionDuration=1h"}, "InvalidParameter.MaxSessionDuration"},
		{"a tag that is malformed", "CreateRole", []string{"RoleName=new", "AssumeRolePolicyDocument=" + trustOSS, `Tag=[{"K":"v"}]`}, "InvalidParameter.Tag"},
		{"an update of a role that is not there", "UpdateRole", []string{"RoleName=none", "NewAssumeRolePolicyDocument=" + trustOSS}, "EntityNotExist.Role"},
		{"an update with a malformed trust policy", "UpdateRole", []string{"RoleName=role", "NewAssumeRolePolicyDocument={}"}, "MalformedPolicyDocument"},
		{"an update with a long session", "UpdateRole", []string{"RoleName=role", "NewMaxSessionDuration=43201"}, "InvalidParameter.NewMaxSessionDuration"},
		{"a page that is too large", "ListRoles", []string{"MaxItems=1001"}, "InvalidParameter.MaxItems"},
		{"a marker that is no name", "ListRoles", []string{"Marker=a/b"}, "InvalidParameter.Marker"},
		{"a role to delete that is not there", "DeleteRole", []string{"RoleName=none"}, "EntityNotExist.Role"},
		{"the policies of a role that is not there", "ListPoliciesForRole", []string{"RoleName=none"}, "EntityNotExist.Role"},
		{"a policy name with a dot", "CreatePolicy", []string{"PolicyName=a.b", "PolicyDocument=" + document}, "InvalidParameter.PolicyName.InvalidChars"},
		{"a policy name that is too long", "CreatePolicy", []string{"PolicyName=" + long(129), "PolicyDocument=" + document}, "InvalidParameter.PolicyName.Length"},
		{"a document that is malformed", "CreatePolicy", []string{"PolicyName=new", "PolicyDocument={}"}, "MalformedPolicyDocument"},
		{"a document that is too long", "CreatePolicy", []string{"PolicyName=new", "PolicyDocument=" + document + strings.Repeat(" ", 6144)}, "InvalidParameter.PolicyDocument.Length"},
		{"a policy type that is none", "GetPolicy", []string{"PolicyType=Mine", "PolicyName=p"}, "InvalidParameter.PolicyType"},
		{"a policy that is not there", "GetPolicy", []string{"PolicyType=Custom", "PolicyName=none"}, "EntityNotExist.Policy"},
		{"a custom policy under the type of the cloud's", "GetPolicy", []string{"PolicyType=System", "PolicyName=p"}, "EntityNotExist.Policy"},
		{"a version of a policy that is not there", "CreatePolicyVersion", []string{"PolicyName=none", "PolicyDocument=" + document}, "EntityNotExist.Policy"},
		{"a default that is no Boolean", "CreatePolicyVersion", []string{"PolicyName=p", "PolicyDocument=" + document, "SetAsDefault=yes"}, "InvalidParameter.SetAsDefault"},
		{"a rotation that is unknown", "CreatePolicyVersion", []string{"PolicyName=p", "PolicyDocument=" + document, "RotateStrategy=Oldest"}, "InvalidParameter.RotateStrategy"},
		{"a version id that is none", "GetPolicyVersion", []string{"PolicyType=Custom", "PolicyName=p", "VersionId=1"}, "InvalidParameter.VersionId.Format"},
		{"a version that is not there", "GetPolicyVersion", []string{"PolicyType=Custom", "PolicyName=p", "VersionId=v9"}, "EntityNotExist.Policy.Version"},
		{"a default version that is not there", "SetDefaultPolicyVersion", []string{"PolicyName=p", "VersionId=v9"}, "EntityNotExist.Policy.Version"},
		{"a version to delete that is not there", "DeletePolicyVersion", []string{"PolicyName=p", "VersionId=v9"}, "EntityNotExist.Policy.Version"},
		{"a policy of the cloud to delete", "DeletePolicy", []string{"PolicyName=AliyunOSSFullAccess"}, "EntityNotExist.Policy"},
		{"a role to attach to that is not there", "AttachPolicyToRole", []string{"PolicyType=Custom", "PolicyName=p", "RoleName=none"}, "EntityNotExist.Role"},
		{"a policy to attach that is not there", "AttachPolicyToRole", []string{"PolicyType=System", "PolicyName=p", "RoleName=role"}, "EntityNotExist.Policy"},
		{"a policy to detach that is not attached", "DetachPolicyFromRole", []string{"PolicyType=Custom", "PolicyName=p", "RoleName=role"}, "EntityNotExist.Role.Policy"},
		{"the entities of a policy that is not there", "ListEntitiesForPolicy", []string{"PolicyType=Custom", "PolicyName=none"}, "EntityNotExist.Policy"},
		{"a resource to tag of an unknown type", "TagResources", []string{"ResourceType=user", `ResourceNames=["x"]`, `Tag=[{"Key":"a","Value":"b"}]`}, "InvalidParameter.ResourceType"},
		{"a role to tag that is not there", "TagResources", []string{"ResourceType=role", `ResourceNames=["role","none"]`, `Tag=[{"Key":"a","Value":"b"}]`}, "EntityNotExist.Role"},
		{"a policy to tag that is not there", "TagResources", []string{"ResourceType=policy", `ResourceNames=["none"]`, `Tag=[{"Key":"a","Value":"b"}]`}, "EntityNotExist.Policy"},
		{"no name to tag", "TagResources", []string{"ResourceType=role", "ResourceNames=[]", `Tag=[{"Key":"a","Value":"b"}]`}, "InvalidParameter.ResourceNames.Length"},
		{"no tag", "TagResources", []string{"ResourceType=role", `ResourceNames=["role"]`, "Tag=[]"}, "InvalidParameter.Tag.Length"},
		{"a tag key that is too long", "TagResources", []string{"ResourceType=role", `ResourceNames=["role"]`, `Tag=[{"Key":"` + long(129) + `","Value":"b"}]`}, "InvalidParameter.Tag.1.Length"},
		{"no tag key to take away", "UntagResources", []string{"ResourceType=role", `ResourceNames=["role"]`, "TagKeys=[]"}, "InvalidParameter.TagKeys.Length"},
		{"tag keys that are no list", "UntagResources", []string{"ResourceType=role", `ResourceNames=["role"]`, "TagKeys=a"}, "InvalidParameter.TagKeys"},
		{"the tags of a role that is not there", "ListTagResources", []string{"ResourceType=role", `ResourceNames=["none"]`}, "EntityNotExist.Role"},
		{"the tags of an unknown type", "ListTagResources", []string{"ResourceType=user"}, "InvalidParameter.ResourceType"},
		{"names that are no list", "TagResources", []string{"ResourceType=role", "ResourceNames=role", `Tag=[{"Key":"a","Value":"b"}]`}, "InvalidParameter.ResourceNames"},
		{"a parameter that the action does not have", "GetRole", []string{"RoleName=role", "Language=en"}, "InvalidParameter"},
		{"an action that does not exist", "ListUsers", nil, "InvalidAction.NotFound"},
	} {
		t.Run(tc.name+" is refused", func(t *testing.T) {
			c := newCloud(t, world.Options{})
			c.must(c.root, "CreateRole", "RoleName=role", "AssumeRolePolicyDocument="+trustOSS)
			c.must(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+document)
			_, err := c.call(c.root, tc.action, tc.args...)
			require.Equal(t, tc.want, code(t, err))
			calls, _ := c.world.Calls(2)
			require.Len(t, calls, 1)
			require.Equal(t, tc.want, calls[0].Code)
			require.Equal(t, tc.action, calls[0].Action)
		})
	}
}

func TestTheComplaintNamesTheUnknownConditionKey(t *testing.T) {
	c := newCloud(t, world.Options{})
	doc := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"acs:Moon":"full"}}}]}`
	_, err := c.call(c.root, "CreatePolicy", "PolicyName=p", "PolicyDocument="+doc)
	require.Equal(t, "MalformedPolicyDocument", code(t, err))
	require.Contains(t, refusal(t, err).Message(), `unknown condition key "acs:Moon"`)
}

func TestQuotasAreKept(t *testing.T) {
	limits := world.RAMLimits{RolesPerAccount: 1, PoliciesPerAccount: 2, SystemPoliciesPerRole: 1, CustomPoliciesPerRole: 1}
	c := newCloud(t, world.Options{RAM: limits})
	c.must(c.root, "CreateRole", "RoleName=one", "AssumeRolePolicyDocument="+trustOSS)
	c.must(c.root, "CreatePolicy", "PolicyName=p1", "PolicyDocument="+document)
	c.must(c.root, "CreatePolicy", "PolicyName=p2", "PolicyDocument="+document)
	c.must(c.root, "AttachPolicyToRole", "RoleName=one", "PolicyType=Custom", "PolicyName=p1")
	c.must(c.root, "AttachPolicyToRole", "RoleName=one", "PolicyType=System", "PolicyName=AliyunOSSFullAccess")
	for _, tc := range []struct {
		name, action, want string
		args               []string
	}{
		{"roles", "CreateRole", "LimitExceeded.Role", []string{"RoleName=two", "AssumeRolePolicyDocument=" + trustOSS}},
		{"policies", "CreatePolicy", "LimitExceeded.Policy", []string{"PolicyName=p3", "PolicyDocument=" + document}},
		{"custom policies of a role", "AttachPolicyToRole", "LimitExceeded.Role.Policy", []string{"RoleName=one", "PolicyType=Custom", "PolicyName=p2"}},
		{"system policies of a role", "AttachPolicyToRole", "LimitExceeded.Role.Policy", []string{"RoleName=one", "PolicyType=System", "PolicyName=AdministratorAccess"}},
	} {
		t.Run("the number of "+tc.name+" is limited", func(t *testing.T) {
			_, err := c.call(c.root, tc.action, tc.args...)
			require.Equal(t, tc.want, code(t, err))
			require.Equal(t, 409, refusal(t, err).HttpStatus())
		})
	}
}

func TestARateIsKeptByThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{RAM: world.RAMLimits{CallsPerSecond: 2}})
		codes := func(n int) (list []string) {
			for range n {
				_, err := c.call(c.root, "ListRoles")
				list = append(list, code(t, err))
			}
			return list
		}
		require.Equal(t, []string{"", "", "Throttling.User", "Throttling.User"}, codes(4))
		time.Sleep(time.Second)
		require.Equal(t, []string{"", "", "Throttling.User"}, codes(3))
	})
}

func TestTheSDKReachesItOverLoopback(t *testing.T) {
	c := newCloud(t, world.Options{})
	server := httptest.NewServer(c.handler)
	defer server.Close()
	client, err := ram.NewClientWithOptions("cn-hangzhou", sdk.NewConfig().WithScheme("HTTP"), credential(c.root))
	require.NoError(t, err)
	client.Domain = strings.TrimPrefix(server.URL, "http://")
	r := ram.CreateCreateRoleRequest()
	r.RoleName, r.AssumeRolePolicyDocument = "copier", trustOSS
	got, err := client.CreateRole(r)
	require.NoError(t, err)
	require.Equal(t, "copier", got.Role.RoleName)
}
