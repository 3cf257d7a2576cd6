package ossemu_test

import (
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// roleARN is how a key policy names the role of a rule.
const roleARN = "acs:ram::" + accountA + ":role/" + syncRole

// lentTo is a key policy that lets principals do something with the key.
func lentTo(principal, actions string) string {
	return `{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["acs:ram::` + accountB + `:*"]},"Action":["kms:*"],"Resource":["*"]},` +
		`{"Effect":"Allow","Principal":{"RAM":["` + principal + `"]},"Action":[` + actions + `],"Resource":["*"]}]}`
}

// lend makes a key of account B in an instance that was bought for two accounts.
func (c *lab) lend(region, document string) (k world.Key, instance string) {
	c.Helper()
	instance = c.w.NewKMSInstance(accountB, region, 2)
	k, e := c.w.CreateKey(c.root(accountB, region), world.NewKey{Instance: instance, Policy: document})
	require.Nil(c, e)
	return k, instance
}

// crossKMS is a pair of two accounts in one region, with every grant but those on keys.
func (c *lab) crossKMS(granted ...string) (source world.Key) {
	c.Helper()
	c.crossAccount(syncRole)
	c.receive("arn:sts::" + accountA + ":assumed-role/" + syncRole + "/*")
	c.grant(accountA, syncRole, trustOSS, granted...)
	c.spread()
	return c.key(accountA, inHangzhou)
}

func TestAcrossAccountsTheKeyPolicyAndTheRoleBothDecide(t *testing.T) {
	const both, crypto = `"kms:Decrypt","kms:GenerateDataKey"`, "AliyunKMSCryptoUserAccess"
	for _, tc := range []struct {
		name    string
		policy  string // of the replica's key
		role    string // system policy of the role
		arrives bool
	}{
		{"the key names the role and the role may use keys", lentTo(roleARN, both), crypto, true},
		{"the case of the role's name does not matter in a key policy", lentTo("acs:ram::"+accountA+":role/REPLICA-role", both), crypto, true},
		{"the key does not name the role", "", crypto, false},
		{"the key names another role", lentTo("acs:ram::"+accountA+":role/other", both), crypto, false},
		{"the key names a role of that name in its own account", lentTo("acs:ram::"+accountB+":role/"+syncRole, both), crypto, false},
		{"the key names the account, not the role", lentTo("acs:ram::"+accountA+":*", both), crypto, false},
		{"the key lends no right to decrypt", lentTo(roleARN, `"kms:GenerateDataKey"`), crypto, false},
		{"the key lends no right to make data keys", lentTo(roleARN, `"kms:Decrypt"`), crypto, false},
		{"the role may not use keys at all", lentTo(roleARN, both), "AliyunOSSReadOnlyAccess", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				source := c.crossKMS(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"acs:kms:cn-hangzhou:` + accountA + `:key/*"}`)
				require.Nil(c, c.w.AttachPolicyToRole(accountA, "System", tc.role, syncRole, world.View{}))
				k, _ := c.lend(inHangzhou, tc.policy)
				id := c.replicating("src", ruleTo("dst", inHangzhou, kms("Enabled", oss.Ptr(k.ARN()))))
				c.put("src", "plain", "open")
				c.put("src", "key", "secret", under(source.ID))
				time.Sleep(time.Minute)
				c.has("dst", "plain", "open")
				if tc.arrives {
					c.has("dst", "key", "secret")
					require.Equal(c, [2]string{"KMS", k.ID}, c.encrypted("dst", "key"))
					return
				}
				c.standsStill("src", id, "dst", "key")
				require.Nil(c, c.w.SetKeyPolicy(c.root(accountB, inHangzhou), k.ID, "default", lentTo(roleARN, both)))
				if tc.role != crypto {
					require.Nil(c, c.w.AttachPolicyToRole(accountA, "System", crypto, syncRole, world.View{}))
				}
				c.catchesUp("src", id, "dst", "key", "secret")
			})
		})
	}
}

func TestAcrossAccountsAKeyThatIsNotLentHoldsItsCopiesUp(t *testing.T) {
	const both = `"kms:Decrypt","kms:GenerateDataKey"`
	for _, tc := range []struct {
		name string
		key  func(c *lab) string
	}{
		{"a default key", func(c *lab) string { k := c.key(accountB, inHangzhou); return k.ARN() }},
		{"the key of OSS", func(c *lab) string {
			c.put("dst", "theirs", "x", under(""))
			k, e := c.w.DescribeKey(c.root(accountB, inHangzhou), "alias/acs/oss", world.View{})
			require.Nil(c, e)
			return k.ARN()
		}},
		{"a key in an instance for one account", func(c *lab) string {
			k, instance := c.lend(inHangzhou, lentTo(roleARN, both))
			c.w.SetKMSAccessQuantity(instance, 1)
			return k.ARN()
		}},
		{"a key that there is not", func(*lab) string { return "acs:kms:cn-hangzhou:" + accountB + ":key/nothing" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLab(t, world.Options{}, func(c *lab) {
				source := c.crossKMS(uses("kms:*"))
				id := c.replicating("src", ruleTo("dst", inHangzhou, kms("Enabled", oss.Ptr(tc.key(c)))))
				c.put("src", "key", "secret", under(source.ID))
				time.Sleep(time.Minute)
				c.standsStill("src", id, "dst", "key")
			})
		})
	}
}

func TestAcrossAccountsTheKeyIsNamedByItsARN(t *testing.T) {
	const both = `"kms:Decrypt","kms:GenerateDataKey"`
	inLab(t, world.Options{}, func(c *lab) {
		c.crossKMS(uses("kms:*"))
		k, _ := c.lend(inHangzhou, lentTo(roleARN, both))
		far, _ := c.lend(inShanghai, lentTo(roleARN, both))
		own := c.key(accountA, inHangzhou)
		for _, name := range []string{k.ID, own.ID, own.ARN(), far.ARN(), "alias/acs/oss"} {
			_, err := c.tryPut("src", ruleTo("dst", inHangzhou, kms("Enabled", oss.Ptr(name))))
			c.refused(err, 400, "InvalidArgument", "")
		}
		require.Nil(c, c.w.DisableKey(c.root(accountB, inHangzhou), k.ID))
		_, err := c.tryPut("src", ruleTo("dst", inHangzhou, kms("Enabled", oss.Ptr(k.ARN()))))
		c.refused(err, 409, "KeyDisabled", "0005-00000214")
		require.Nil(c, c.w.SetKeyPolicy(c.root(accountB, inHangzhou), k.ID, "default", lentTo("acs:ram::"+accountA+":role/other", both)))
		_, err = c.tryPut("src", ruleTo("dst", inHangzhou, kms("Enabled", oss.Ptr(k.ARN()))))
		require.NoError(c, err, "the state of a key is seen only by those who may use it")
	})
}

func TestAcrossAccountsAMissingRightOnTheKeyIsSeenAtThePutByOrder(t *testing.T) {
	inLab(t, world.Options{GrantCheckedAtPut: true}, func(c *lab) {
		c.crossKMS(uses("kms:*"))
		k, _ := c.lend(inHangzhou, "")
		rule := ruleTo("dst", inHangzhou, kms("Enabled", oss.Ptr(k.ARN())))
		_, err := c.tryPut("src", rule)
		c.refused(err, 403, "NoPermission", "")
		require.Nil(c, c.w.SetKeyPolicy(c.root(accountB, inHangzhou), k.ID, "default", lentTo(roleARN, `"kms:Decrypt","kms:GenerateDataKey"`)))
		c.replicate("src", rule)
	})
}

func TestAcrossAccountsTheKeysOfOSSAreEachAccountsOwn(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.crossKMS()
		id := c.replicating("src", ruleTo("dst", inHangzhou, nil))
		c.put("src", "key", "secret", under(""))
		c.catchesUp("src", id, "dst", "key", "secret")
		require.Equal(c, [2]string{"KMS", ""}, c.encrypted("dst", "key"))
	})
}
