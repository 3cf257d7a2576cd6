package rpcemu_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func TestKMSAsksThePolicies(t *testing.T) {
	c := newCloud(t, world.Options{})
	root := c.kms(c.root, hangzhou)
	instance := c.world.NewKMSInstance(uidA, hangzhou, 1)
	k, other := root.made(inInstance(instance)), root.made(nil)
	require.NoError(t, root.setPolicy(k.KeyId, keyPolicy(`"kms:DescribeKey"`, "acs:ram::"+uidA+":user/named")))
	require.NoError(t, root.do("CreateAlias", other.KeyId, "AliasName=alias/other"))
	on := "acs:kms:cn-hangzhou:" + uidA + ":"
	for i, tc := range []struct {
		name   string
		user   string
		docs   []string
		action string
		key    string
		args   []string
		want   string
	}{
		{"a user without a policy may do nothing", "eve", nil, "DescribeKey", other.KeyId, nil, "Forbidden.NoPermission"},
		{"a grant on the key is enough", "eve", []string{allow(`"kms:DescribeKey"`, on+"key/"+other.KeyId)}, "DescribeKey", other.KeyId, nil, ""},
		{"an alias takes the right on its key", "eve", []string{allow(`"kms:DescribeKey"`, on+"key/"+other.KeyId)}, "DescribeKey", "alias/other", nil, ""},
		{"a grant is for that key", "eve", []string{allow(`"kms:*"`, on+"key/"+other.KeyId)}, "DescribeKey", k.KeyId, nil, "Forbidden.NoPermission"},
		{"a grant for describing is not for using", "eve", []string{allow(`"kms:DescribeKey"`, "*")}, "GenerateDataKey", other.KeyId, nil, "Forbidden.NoPermission"},
		{"who may not look is not told that there is no key", "eve", nil, "DescribeKey", "nothing", nil, "Forbidden.NoPermission"},
		{"who may not look is not told that there is no alias", "eve", nil, "DescribeKey", "alias/nothing", nil, "Forbidden.NoPermission"},
		{"a key policy that names the user is enough", "named", nil, "DescribeKey", k.KeyId, nil, ""},
		{"a key policy allows what it names", "named", nil, "DisableKey", k.KeyId, nil, "Forbidden.NoPermission"},
		{"a deny of the user's outweighs the key policy", "named", []string{`{"Version":"1","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}`}, "DescribeKey", k.KeyId, nil, "Forbidden.NoPermission"},
		{"making a key takes the right on keys", "eve", []string{allow(`"kms:CreateKey"`, on+"key")}, "CreateKey", "", nil, ""},
		{"a right on each key is none to make one", "eve", []string{allow(`"kms:CreateKey"`, on+"key/*")}, "CreateKey", "", nil, "Forbidden.NoPermission"},
		{"listing takes the right on keys", "eve", []string{allow(`"kms:List*"`, on+"key")}, "ListKeys", "", nil, ""},
		{"listing aliases takes the right on aliases", "eve", []string{allow(`"kms:List*"`, on+"key")}, "ListAliases", "", nil, "Forbidden.NoPermission"},
		{"an alias takes the right on itself and on the key", "eve", []string{allow(`"kms:CreateAlias"`, on+"key/*")}, "CreateAlias", other.KeyId, []string{"AliasName=alias/mine"}, "Forbidden.NoPermission"},
		{"an alias takes no more than that", "eve", []string{allow(`"kms:CreateAlias"`, on+"key/*"), allow(`"kms:CreateAlias"`, on+"alias/mine")}, "CreateAlias", other.KeyId, []string{"AliasName=alias/mine"}, ""},
		{"a crypto user may use keys", "eve", []string{allow(`"kms:Encrypt"`, "*")}, "Encrypt", other.KeyId, []string{"Plaintext=AAAA"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			user := tc.user + strings.Repeat("-", i)
			if tc.user == "named" {
				user = "named"
			}
			r := c.kms(c.user(user, tc.docs...), hangzhou)
			err := r.do(tc.action, tc.key, tc.args...)
			require.Equal(t, tc.want, code(t, err))
			if err != nil {
				require.Equal(t, 403, refusal(t, err).HttpStatus())
				require.Equal(t, "kms:"+tc.action, refusal(t, err).AccessDeniedDetail()["AuthAction"])
			}
		})
	}
}

func TestAKeyIsUsedAcrossAccountsByItsARNWhenBothSidesAgree(t *testing.T) {
	for _, tc := range []struct {
		name     string
		policy   string // of the key
		identity string // of the user of account B
		quantity int    // of the instance, afterwards
		byID     bool
		want     string
	}{
		{"both sides allow it", keyPolicy(`"kms:Decrypt","kms:GenerateDataKey"`, "acs:ram::"+uidB+":user/eve"), `"kms:*"`, 2, false, ""},
		{"the key policy names somebody else", keyPolicy(`"kms:*"`, "acs:ram::"+uidB+":user/adam"), `"kms:*"`, 2, false, "Forbidden.NoPermission"},
		{"the key policy does not name the action", keyPolicy(`"kms:Decrypt"`, "acs:ram::"+uidB+":user/eve"), `"kms:*"`, 2, false, "Forbidden.NoPermission"},
		{"the user's own account does not allow it", keyPolicy(`"kms:*"`, "acs:ram::"+uidB+":user/eve"), `"oss:*"`, 2, false, "Forbidden.NoPermission"},
		{"the account as such is not the user", keyPolicy(`"kms:*"`, "acs:ram::"+uidB+":*"), `"kms:*"`, 2, false, "Forbidden.NoPermission"},
		{"the instance is not for other accounts any more", keyPolicy(`"kms:*"`, "acs:ram::"+uidB+":user/eve"), `"kms:*"`, 1, false, "Forbidden.NoPermission"},
		{"by its id it is not found", keyPolicy(`"kms:*"`, "acs:ram::"+uidB+":user/eve"), `"kms:*"`, 2, true, "Forbidden.KeyNotFound"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, world.Options{})
			instance := c.world.NewKMSInstance(uidA, hangzhou, 2)
			owner := c.kms(c.root, hangzhou)
			k := owner.made(inInstance(instance))
			require.NoError(t, owner.setPolicy(k.KeyId, tc.policy))
			c.world.SetKMSAccessQuantity(instance, tc.quantity)
			eve := c.kms(c.world.NewUserKey(uidB, "eve", []byte(allow(tc.identity, "*"))), hangzhou)
			name := k.Arn
			if tc.byID {
				name = k.KeyId
			}
			data, err := eve.dataKey(name)
			require.Equal(t, tc.want, code(t, err))
			if err == nil {
				got, err := eve.open(data.CiphertextBlob, `{"bucket":"b","a":"1"}`)
				require.NoError(t, err)
				require.Equal(t, data.Plaintext, got)
				_, err = eve.describe(k.Arn)
				require.Equal(t, "Forbidden.NoPermission", code(t, err), "describing it is another right")
			}
		})
	}
	t.Run("that there is no key in another account is not told", func(t *testing.T) {
		c := newCloud(t, world.Options{})
		_, err := c.kms(c.root, hangzhou).describe("acs:kms:cn-hangzhou:" + uidB + ":key/nothing")
		require.Equal(t, "Forbidden.NoPermission", code(t, err))
	})
}

func TestFaultsOnOrderHitKMS(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault world.Fault
		check func(t *testing.T, c *cloud, r keyring, k kms.KeyMetadata)
	}{
		{"a refused call has no effect", world.Fault{Service: "kms", Action: "DisableKey", Kind: world.FaultRefuse, Status: 503, Code: "SerivceUnavailableTemporary"},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				require.Equal(t, "SerivceUnavailableTemporary", code(t, r.do("DisableKey", k.KeyId)))
				got, err := r.describe(k.KeyId)
				require.NoError(t, err)
				require.Equal(t, "Enabled", got.KeyState)
			}},
		{"a throttled call says so", world.Fault{Service: "kms", Kind: world.FaultThrottle, Times: 1},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				require.Equal(t, "Throttling", code(t, r.do("DisableKey", k.KeyId)))
			}},
		{"a call whose reply is lost has its effect", world.Fault{Action: "DisableKey", Kind: world.FaultLoseReply},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				require.True(t, isBroken(r.do("DisableKey", k.KeyId)))
				got, err := r.describe(k.KeyId)
				require.NoError(t, err)
				require.Equal(t, "Disabled", got.KeyState)
			}},
		{"a slow call takes its time", world.Fault{Action: "DescribeKey", Kind: world.FaultSlow, Delay: 7 * time.Second},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				start := time.Now()
				_, err := r.describe(k.KeyId)
				require.NoError(t, err)
				require.Equal(t, 7*time.Second, time.Since(start))
			}},
		{"a call that hangs ends with the client's patience", world.Fault{Action: "DescribeKey", Kind: world.FaultHang},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				_, err := r.describe(k.KeyId)
				require.True(t, isBroken(err))
			}},
		{"a stale read shows the key of before", world.Fault{Action: "DescribeKey", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				require.NoError(t, r.do("DisableKey", k.KeyId))
				got, err := r.describe(k.KeyId)
				require.NoError(t, err)
				require.Equal(t, "Enabled", got.KeyState)
				got, err = r.describe(k.KeyId)
				require.NoError(t, err)
				require.Equal(t, "Disabled", got.KeyState)
			}},
		{"a stale read does not show a new key", world.Fault{Action: "DescribeKey", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, _ *cloud, r keyring, k kms.KeyMetadata) {
				_, err := r.describe(k.KeyId)
				require.Equal(t, "Forbidden.KeyNotFound", code(t, err))
			}},
		{"a stale read shows the policy of before", world.Fault{Action: "GetKeyPolicy", Kind: world.FaultStaleRead, Times: 1},
			func(t *testing.T, c *cloud, r keyring, _ kms.KeyMetadata) {
				k := r.made(inInstance(c.world.NewKMSInstance(uidA, hangzhou, 1)))
				require.NoError(t, r.setPolicy(k.KeyId, keyPolicy(`"kms:Decrypt"`, "acs:ram::"+uidA+":*")))
				got, err := r.policy(k.KeyId, "default")
				require.NoError(t, err)
				require.Contains(t, got, "kms default key policy")
				got, err = r.policy(k.KeyId, "default")
				require.NoError(t, err)
				require.NotContains(t, got, "kms default key policy")
			}},
		{"a stale listing does not show what is younger", world.Fault{Kind: world.FaultStaleList, Delay: time.Minute, Times: 2},
			func(t *testing.T, c *cloud, r keyring, k kms.KeyMetadata) {
				require.Equal(t, "kms", lastCall(c).Service)
				got, err := r.ListKeys(kms.CreateListKeysRequest())
				require.NoError(t, err)
				require.Empty(t, got.Keys.Key)
				got, err = r.ListKeys(kms.CreateListKeysRequest())
				require.NoError(t, err)
				require.Empty(t, got.Keys.Key)
				got, err = r.ListKeys(kms.CreateListKeysRequest())
				require.NoError(t, err)
				require.Len(t, got.Keys.Key, 1)
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t, world.Options{})
				r := c.kms(c.root, hangzhou)
				k := r.made(nil)
				c.world.Break(tc.fault)
				tc.check(t, c, r, k)
			})
		})
	}
}

func lastCall(c *cloud) world.Call {
	calls, _ := c.world.Calls(0)
	return calls[len(calls)-1]
}

func TestTheCallsToKMSAreLogged(t *testing.T) {
	c := newCloud(t, world.Options{})
	r := c.kms(c.root, hangzhou)
	k := r.made(nil)
	require.Equal(t, []any{"kms", "CreateKey", "", true}, []any{lastCall(c).Service, lastCall(c).Action, lastCall(c).Resource, lastCall(c).Write})
	_, err := r.describe(k.Arn)
	require.NoError(t, err)
	call := lastCall(c)
	require.Equal(t, []any{"DescribeKey", k.KeyId, hangzhou, "acs:ram::" + uidA + ":root", 200, false},
		[]any{call.Action, call.Resource, call.Region, call.Caller, call.Status, call.Write})
	c.world.Break(world.Fault{Service: "kms", Resource: k.KeyId, Kind: world.FaultThrottle})
	_, err = r.describe(k.Arn)
	require.Equal(t, "Throttling", code(t, err), "a fault is ordered by the id of the key")
}

func TestARequestToKMSMustSayWhere(t *testing.T) {
	c := newCloud(t, world.Options{})
	ask := func(host string) (int, map[string]any) {
		q := httptest.NewRequest("POST", "/?Action=ListKeys&Version=2016-01-20&Format=JSON", nil)
		q.Host = host
		return do(t, c, q)
	}
	status, body := ask("127.0.0.1")
	require.Equal(t, 400, status)
	require.Equal(t, "MissingParameter", body["Code"])
	require.Contains(t, body["Message"], "RegionId")
	require.EqualValues(t, 400, body["HttpStatus"])
	_, body = ask("kms.cn-hangzhou.aliyuncs.com")
	require.Contains(t, body["Message"], "AccessKeyId", "the host says it")
	q := httptest.NewRequest("POST", "/?Action=GetRole&Version=2015-05-01&Format=JSON", nil)
	q.Host = "kms.cn-hangzhou.aliyuncs.com"
	_, body = do(t, c, q)
	require.Equal(t, "InvalidVersion", body["Code"], "no other service answers there")
}
