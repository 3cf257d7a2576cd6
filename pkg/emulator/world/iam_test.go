package world

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	uidA = "1111111111111111"
	uidB = "2222222222222222"

	trustOSS  = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`
	trustFC   = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["fc.aliyuncs.com"]}}]}`
	mayGet    = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`
	mayPut    = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:PutObject","Resource":"*"}]}`
	mayNotGet = `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:Get*","Resource":"*"}]}`
)

func twoAccounts(t *testing.T) *World {
	t.Helper()
	w := New(Options{Seed: 1})
	w.AddAccount("A", uidA)
	w.AddAccount("B", uidB)
	return w
}

func bucketPolicy(effect, principal, action string) []byte {
	return []byte(`{"Version":"1","Statement":[{"Effect":"` + effect + `","Action":["` + action + `"],"Principal":["` + principal + `"],"Resource":["acs:oss:*:*:photos/*"]}]}`)
}

func TestAuthorizeWeighsIdentityAndResource(t *testing.T) {
	root := Principal{Kind: KindRoot, Account: uidA}
	user := func(docs ...string) func(*World) Principal {
		return func(w *World) Principal {
			var texts [][]byte
			for _, d := range docs {
				texts = append(texts, []byte(d))
			}
			return w.NewUserKey(uidA, "eve", texts...).Principal
		}
	}
	be := func(p Principal) func(*World) Principal { return func(*World) Principal { return p } }
	everybody := bucketPolicy("Allow", "*", "oss:GetObject")
	nobody := bucketPolicy("Deny", "*", "oss:GetObject")
	for _, c := range []struct {
		name   string
		who    func(*World) Principal
		owner  string
		policy []byte
		want   Verdict
	}{
		{"the account may do all in its own account", be(root), uidA, nil, Allow},
		{"a bucket policy can deny the account itself", be(root), uidA, nobody, ExplicitDeny},
		{"a user without a policy may do nothing", user(), uidA, nil, ImplicitDeny},
		{"a user's policy allows in the same account", user(mayGet), uidA, nil, Allow},
		{"a policy for another action does not allow", user(mayPut), uidA, nil, ImplicitDeny},
		{"a bucket policy alone allows in the same account", user(), uidA, everybody, Allow},
		{"a user's deny outweighs the bucket policy", user(mayNotGet), uidA, everybody, ExplicitDeny},
		{"a user's deny outweighs the user's allow", user(mayGet, mayNotGet), uidA, nil, ExplicitDeny},
		{"the bucket policy's deny outweighs the user's allow", user(mayGet), uidA, nobody, ExplicitDeny},
		{"across accounts a user's policy alone is not enough", user(mayGet), uidB, nil, ImplicitDeny},
		{"across accounts a bucket policy alone is not enough", user(), uidB, everybody, ImplicitDeny},
		{"across accounts both together allow", user(mayGet), uidB, everybody, Allow},
		{"across accounts the root's own side always allows", be(root), uidB, everybody, Allow},
		{"across accounts the root needs the bucket policy", be(root), uidB, nil, ImplicitDeny},
		{"a bucket policy that names the account lets its root in", be(root), uidB, bucketPolicy("Allow", uidA, "oss:GetObject"), Allow},
		{"an anonymous caller may do what the bucket policy gives everybody", be(Principal{Kind: KindAnonymous}), uidA, everybody, Allow},
		{"an anonymous caller may do nothing else", be(Principal{Kind: KindAnonymous}), uidA, nil, ImplicitDeny},
		{"a bucket policy that cannot be read allows nothing", be(Principal{Kind: KindAnonymous}), uidA, []byte(`{}`), ImplicitDeny},
		{"a caller of an unknown account may do nothing", be(Principal{Kind: KindUser, Account: "3333333333333333", Name: "eve"}), uidA, everybody, ImplicitDeny},
		{"a service by itself may do nothing", be(Principal{Kind: KindService, Name: "oss.aliyuncs.com"}), uidA, everybody, ImplicitDeny},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := twoAccounts(t)
			a := Access{Action: "oss:GetObject", Resource: "acs:oss:oss-cn-hangzhou:" + c.owner + ":photos/a.jpg", Owner: c.owner, ResourcePolicy: c.policy}
			require.Equal(t, c.want, w.Authorize(c.who(w), a))
		})
	}
}

func TestSessionPoliciesIntersect(t *testing.T) {
	for _, c := range []struct {
		name, session string
		bucket        []byte
		want          Verdict
	}{
		{"what both allow is allowed", mayGet, nil, Allow},
		{"what the session policy does not allow is not", mayPut, nil, ImplicitDeny},
		{"what the session policy denies is denied", mayNotGet, nil, ExplicitDeny},
		{"a bucket policy does not reach past the session policy", mayPut, bucketPolicy("Allow", "*", "oss:*"), ImplicitDeny},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := twoAccounts(t)
			p := w.NewUserKey(uidA, "eve", []byte(mayGet)).Principal
			p.Policy = []byte(c.session)
			a := Access{Action: "oss:GetObject", Resource: "acs:oss:oss-cn-hangzhou:" + uidA + ":photos/a.jpg", Owner: uidA, ResourcePolicy: c.bucket}
			require.Equal(t, c.want, w.Authorize(p, a))
		})
	}
}

func TestConditionsSeeTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoAccounts(t)
		until := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
		p := w.NewUserKey(uidA, "eve", []byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThan":{"acs:CurrentTime":"`+until+`"}}}]}`)).Principal
		a := Access{Action: "oss:GetObject", Resource: "acs:oss:oss-cn-hangzhou:" + uidA + ":photos/a.jpg", Owner: uidA}
		require.Equal(t, Allow, w.Authorize(p, a))
		time.Sleep(2 * time.Minute)
		require.Equal(t, ImplicitDeny, w.Authorize(p, a))
	})
}

// replicates asks as replication does: with the lock held, by the role's policies only.
func replicates(w *World, action string) Verdict {
	now := w.enter()
	defer w.mu.Unlock()
	r, ok := w.serviceRole(uidA, "copier", "oss.aliyuncs.com", now)
	if !ok {
		return ImplicitDeny
	}
	return w.roleAllows(uidA, r, Access{Action: action, Resource: "acs:oss:oss-cn-hangzhou:" + uidA + ":photos/a.jpg", Owner: uidA}, now)
}

func TestGrantsTakeTimeToSpread(t *testing.T) {
	const spread = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		w := twoAccounts(t)
		never := func(e *Error) { t.Helper(); require.Nil(t, e) }
		role := func(trust string) {
			_, e := w.UpdateRole(uidA, "copier", RoleChange{Trust: trust})
			never(e)
		}
		_, e := w.CreateRole(uidA, NewRole{Name: "copier", Trust: trustOSS})
		never(e)
		_, e = w.CreatePolicy(uidA, "copying", mayGet, "", nil)
		never(e)
		time.Sleep(spread)
		require.Equal(t, ImplicitDeny, replicates(w, "oss:GetObject"), "nothing is attached")

		never(w.AttachPolicyToRole(uidA, TypeCustom, "copying", "copier", View{}))
		require.Equal(t, ImplicitDeny, replicates(w, "oss:GetObject"), "the grant has not spread")
		time.Sleep(spread)
		require.Equal(t, Allow, replicates(w, "oss:GetObject"))

		_, e = w.CreatePolicyVersion(uidA, "copying", mayPut, true, false)
		never(e)
		require.Equal(t, Allow, replicates(w, "oss:GetObject"), "the old version still counts")
		require.Equal(t, ImplicitDeny, replicates(w, "oss:PutObject"))
		time.Sleep(spread)
		require.Equal(t, ImplicitDeny, replicates(w, "oss:GetObject"))
		require.Equal(t, Allow, replicates(w, "oss:PutObject"))

		never(w.SetDefaultPolicyVersion(uidA, "copying", "v1"))
		time.Sleep(spread)
		require.Equal(t, Allow, replicates(w, "oss:GetObject"))

		role(trustFC)
		require.Equal(t, Allow, replicates(w, "oss:GetObject"), "the old trust still counts")
		time.Sleep(spread)
		require.Equal(t, ImplicitDeny, replicates(w, "oss:GetObject"), "OSS may no longer assume the role")
		role(trustOSS)
		time.Sleep(spread)
		require.Equal(t, Allow, replicates(w, "oss:GetObject"))

		never(w.DetachPolicyFromRole(uidA, TypeCustom, "copying", "copier"))
		never(w.DeletePolicyVersion(uidA, "copying", "v2"))
		never(w.DeletePolicy(uidA, "copying", View{}))
		require.Equal(t, Allow, replicates(w, "oss:GetObject"), "the withdrawal has not spread")
		time.Sleep(spread)
		require.Equal(t, ImplicitDeny, replicates(w, "oss:GetObject"))
	})
}

func TestANewRoleIsUnknownToServicesAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{Seed: 1, Speed: 10, Delays: Delays{Propagation: 30 * time.Second}})
		w.AddAccount("A", uidA)
		_, e := w.CreateRole(uidA, NewRole{Name: "FnRole", Trust: trustFC})
		require.Nil(t, e)
		_, e = w.AssumeService(uidA, "FnRole", "fc.aliyuncs.com", time.Hour, "fn")
		require.NotNil(t, e)
		require.Equal(t, "NoPermission", e.Code)

		time.Sleep(3 * time.Second)
		key, e := w.AssumeService(uidA, "fnrole", "fc.aliyuncs.com", 36*time.Hour, "fn")
		require.Nil(t, e, "the delay is shortened by the speed, and the name is taken in lower case")
		require.Regexp(t, `^STS\.\w+$`, key.ID)
		require.NotEmpty(t, key.Token)
		require.Equal(t, "acs:ram::"+uidA+":assumed-role/FnRole/fn", key.Principal.ARN())

		_, e = w.AssumeService(uidA, "FnRole", "oss.aliyuncs.com", time.Hour, "fn")
		require.NotNil(t, e, "the trust policy names another service")

		time.Sleep(36*time.Hour - time.Second)
		_, ok := w.Key(key.ID)
		require.True(t, ok)
		time.Sleep(time.Second)
		_, ok = w.Key(key.ID)
		require.False(t, ok, "the key has expired")
		_, ok = w.AnyKey(key.ID)
		require.True(t, ok, "it is remembered as expired")
		time.Sleep(time.Hour)
		_, ok = w.AnyKey(key.ID)
		require.False(t, ok)
	})
}

func TestSessionsOfADeletedRoleAreWorthNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoAccounts(t)
		make := func() {
			_, e := w.CreateRole(uidA, NewRole{Name: "fn", Trust: trustFC})
			require.Nil(t, e)
			require.Nil(t, w.AttachPolicyToRole(uidA, TypeSystem, "AliyunOSSReadOnlyAccess", "fn", View{}))
			time.Sleep(5 * time.Second)
		}
		make()
		key, e := w.AssumeService(uidA, "fn", "fc.aliyuncs.com", time.Hour, "one")
		require.Nil(t, e)
		a := Access{Action: "oss:GetObject", Resource: "acs:oss:oss-cn-hangzhou:" + uidA + ":photos/a.jpg", Owner: uidA}
		require.Equal(t, Allow, w.Authorize(key.Principal, a))

		require.Nil(t, w.DetachPolicyFromRole(uidA, TypeSystem, "AliyunOSSReadOnlyAccess", "fn"))
		require.Nil(t, w.DeleteRole(uidA, "fn", View{}))
		require.Equal(t, ImplicitDeny, w.Authorize(key.Principal, a))
		make()
		require.Equal(t, ImplicitDeny, w.Authorize(key.Principal, a), "the new role of that name is another role")
	})
}

func TestResourceAllowsTheRoleInLowerCase(t *testing.T) {
	doc := []byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ReplicatePut"],"Principal":["arn:sts::` + uidA + `:assumed-role/aliyunossdrsrole/*"],"Resource":["acs:oss:*:` + uidB + `:photos/*"]}]}`)
	put := Access{Action: "oss:ReplicatePut", Resource: "acs:oss:oss-cn-shanghai:" + uidB + ":photos/a.jpg", Owner: uidB}
	for _, c := range []struct {
		name, principal string
		doc             []byte
		want            Verdict
	}{
		{"the role with capitals matches the policy in lower case", "acs:ram::" + uidA + ":assumed-role/AliyunOssDrsRole/oss", doc, Allow},
		{"the form with arn:sts is understood too", "arn:sts::" + uidA + ":assumed-role/aliyunossdrsrole/oss", doc, Allow},
		{"another role does not match", "acs:ram::" + uidA + ":assumed-role/other/oss", doc, ImplicitDeny},
		{"the role of another account does not match", "acs:ram::" + uidB + ":assumed-role/AliyunOssDrsRole/oss", doc, ImplicitDeny},
		{"no policy allows nothing", "acs:ram::" + uidA + ":assumed-role/AliyunOssDrsRole/oss", nil, ImplicitDeny},
		{"a policy that cannot be read allows nothing", "acs:ram::" + uidA + ":assumed-role/AliyunOssDrsRole/oss", []byte("x"), ImplicitDeny},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, resourceAllows(c.doc, c.principal, put))
		})
	}
}

func TestDecideTellsTheSidesApart(t *testing.T) {
	w := twoAccounts(t)
	p := w.NewUserKey(uidA, "eve", []byte(mayGet)).Principal
	a := Access{Action: "oss:GetObject", Resource: "acs:oss:oss-cn-hangzhou:" + uidA + ":photos/a.jpg", Owner: uidA, ResourcePolicy: bucketPolicy("Deny", "*", "oss:*")}
	require.Equal(t, Decision{Verdict: ExplicitDeny, Identity: Allow, Resource: ExplicitDeny}, w.Decide(p, a))
	a.ResourcePolicy = nil
	require.Equal(t, Decision{Verdict: Allow, Identity: Allow}, w.Decide(p, a))
}

func TestUserKeysArePreparedOnlyWithSoundPolicies(t *testing.T) {
	w := twoAccounts(t)
	require.PanicsWithValue(t, "world: policy of user eve: Version: must be the string \"1\"", func() { w.NewUserKey(uidA, "eve", []byte(`{}`)) })
	w = twoAccounts(t)
	require.PanicsWithValue(t, "world: no account 3", func() { w.NewRootKey("3") })
}

func TestSystemPoliciesAreThere(t *testing.T) {
	w := twoAccounts(t)
	for _, name := range []string{
		"AdministratorAccess", "AliyunOSSFullAccess", "AliyunOSSReadOnlyAccess", "AliyunKMSFullAccess", "AliyunKMSCryptoUserAccess",
		"AliyunMNSFullAccess", "AliyunRAMFullAccess", "AliyunFCDefaultRolePolicy", "AliyunSTSAssumeRoleAccess",
	} {
		p, e := w.GetPolicy(uidA, TypeSystem, name, View{})
		require.Nil(t, e, name)
		require.NotEmpty(t, p.DefaultDocument().Document)
	}
}

func TestReformatChangesTheBytesAndNotTheMeaning(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"compact text", mayGet},
		{"text in the form that comes back", string(reformat([]byte(mayGet)))},
		{"text with signs that HTML would escape", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"acs:oss:*:*:b/<&>"}]}`},
	} {
		t.Run(c.name+" comes back otherwise and means the same", func(t *testing.T) {
			got := string(reformat([]byte(c.text)))
			require.NotEqual(t, c.text, got)
			require.JSONEq(t, c.text, got)
		})
	}
}
