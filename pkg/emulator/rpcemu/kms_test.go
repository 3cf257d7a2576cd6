package rpcemu_test

import (
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const hangzhou = "cn-hangzhou"

// A keyring is the SDK of KMS with one access key in one region.
type keyring struct {
	*kms.Client
	t *testing.T
}

func (c *cloud) kms(k world.AccessKey, region string) keyring {
	c.t.Helper()
	client, err := kms.NewClientWithOptions(region, c.config(nil), credential(k))
	require.NoError(c.t, err)
	return keyring{client, c.t}
}

// create makes a key; change may be nil.
func (r keyring) create(change func(*kms.CreateKeyRequest)) (kms.KeyMetadata, error) {
	q := kms.CreateCreateKeyRequest()
	if change != nil {
		change(q)
	}
	got, err := r.CreateKey(q)
	if err != nil {
		return kms.KeyMetadata{}, err
	}
	return got.KeyMetadata, nil
}

func (r keyring) made(change func(*kms.CreateKeyRequest)) kms.KeyMetadata {
	r.t.Helper()
	k, err := r.create(change)
	require.NoError(r.t, err)
	return k
}

func (r keyring) describe(key string) (kms.KeyMetadata, error) {
	q := kms.CreateDescribeKeyRequest()
	q.KeyId = key
	got, err := r.DescribeKey(q)
	if err != nil {
		return kms.KeyMetadata{}, err
	}
	return got.KeyMetadata, nil
}

// do makes a call that needs a key and perhaps one more argument, Name=value.
func (r keyring) do(action, key string, args ...string) error {
	q := request("Kms", "2016-01-20", action, args...)
	q.Domain = "kms." + hangzhou + ".aliyuncs.com"
	if key != "" {
		q.QueryParams["KeyId"] = key
	}
	_, err := r.ProcessCommonRequest(q)
	return err
}

func (r keyring) policy(key, name string) (string, error) {
	q := kms.CreateGetKeyPolicyRequest()
	q.KeyId, q.PolicyName = key, name
	got, err := r.GetKeyPolicy(q)
	if err != nil {
		return "", err
	}
	return got.Policy, nil
}

func (r keyring) setPolicy(key, text string) error {
	q := kms.CreateSetKeyPolicyRequest()
	q.KeyId, q.PolicyName, q.Policy = key, "default", text
	_, err := r.SetKeyPolicy(q)
	return err
}

func (r keyring) dataKey(key string) (*kms.GenerateDataKeyResponse, error) {
	q := kms.CreateGenerateDataKeyRequest()
	q.KeyId, q.EncryptionContext = key, `{"bucket":"b","a":"1"}`
	return r.GenerateDataKey(q)
}

// open decrypts with an encryption context, a JSON object.
func (r keyring) open(blob, context string) (string, error) {
	q := kms.CreateDecryptRequest()
	q.CiphertextBlob, q.EncryptionContext = blob, context
	got, err := r.Decrypt(q)
	if err != nil {
		return "", err
	}
	return got.Plaintext, nil
}

func inInstance(id string) func(*kms.CreateKeyRequest) {
	return func(q *kms.CreateKeyRequest) { q.DKMSInstanceId = id }
}

// keyPolicy lets principals do something with a key.
func keyPolicy(actions string, principals ...string) string {
	list := ""
	for i, p := range principals {
		if i > 0 {
			list += ","
		}
		list += `"` + p + `"`
	}
	return `{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":[` + list + `]},"Action":[` + actions + `],"Resource":["*"]}]}`
}

func TestAKeyIsMadeAndDescribedByIdAliasAndARN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		r := c.kms(c.root, hangzhou)
		k := r.made(func(q *kms.CreateKeyRequest) { q.Description = "for replicas" })
		now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
		require.Regexp(t, `^[0-9a-f-]{36}$`, k.KeyId)
		require.Regexp(t, `^[0-9a-f-]{36}$`, k.PrimaryKeyVersion)
		require.Equal(t, kms.KeyMetadata{
			KeyId: k.KeyId, Arn: "acs:kms:cn-hangzhou:" + uidA + ":key/" + k.KeyId, Creator: uidA, CreationDate: now, LastRotationDate: now,
			KeyState: "Enabled", KeySpec: "Aliyun_AES_256", KeyUsage: "ENCRYPT/DECRYPT", Origin: "Aliyun_KMS", ProtectionLevel: "SOFTWARE",
			Description: "for replicas", PrimaryKeyVersion: k.PrimaryKeyVersion, AutomaticRotation: "Disabled", DeletionProtection: "Disabled",
		}, k)
		require.NoError(t, r.do("CreateAlias", k.KeyId, "AliasName=alias/replicas"))
		for _, name := range []string{k.KeyId, k.Arn, "alias/replicas"} {
			got, err := r.describe(name)
			require.NoError(t, err, name)
			require.Equal(t, k, got)
		}
		_, err := c.kms(c.root, "cn-shanghai").describe(k.KeyId)
		require.Equal(t, "Forbidden.KeyNotFound", code(t, err), "a key is in one region")
		require.Equal(t, 404, refusal(t, err).HttpStatus())
		_, err = c.kms(c.root, "cn-shanghai").describe(k.Arn)
		require.Equal(t, "Forbidden.KeyNotFound", code(t, err), "an ARN does not reach into another region")
		_, err = r.describe("alias/nobody")
		require.Equal(t, "Forbidden.AliasNotFound", code(t, err))
		_, err = r.describe("acs:oss:x")
		require.Equal(t, "InvalidParameter", code(t, err))
	})
}

func TestCreateKeyRefusesWhatKMSHasNot(t *testing.T) {
	c := newCloud(t, world.Options{})
	elsewhere := c.world.NewKMSInstance(uidA, "cn-shanghai", 2)
	theirs := c.world.NewKMSInstance(uidB, hangzhou, 2)
	r := c.kms(c.root, hangzhou)
	for _, tc := range []struct {
		name   string
		change func(*kms.CreateKeyRequest)
		want   string
	}{
		{"an unknown spec", func(q *kms.CreateKeyRequest) { q.KeySpec = "AES_256" }, "InvalidParameter"},
		{"a usage that the spec has not", func(q *kms.CreateKeyRequest) { q.KeyUsage = "SIGN/VERIFY" }, "InvalidParameter"},
		{"an unknown protection level", func(q *kms.CreateKeyRequest) { q.ProtectionLevel = "hsm" }, "InvalidParameter"},
		{"an unknown origin", func(q *kms.CreateKeyRequest) { q.Origin = "Mine" }, "InvalidParameter"},
		{"imported material of an asymmetric key", func(q *kms.CreateKeyRequest) { q.Origin, q.KeySpec = "EXTERNAL", "RSA_2048" }, "InvalidParameter"},
		{"rotation", func(q *kms.CreateKeyRequest) { q.EnableAutomaticRotation = requests.NewBoolean(true) }, "InvalidParameter"},
		{"an instance that does not exist", inInstance("kst-x"), "InvalidParameter"},
		{"an instance of another region", inInstance(elsewhere), "InvalidParameter"},
		{"an instance of another account", inInstance(theirs), "InvalidParameter"},
		{"a policy without an instance", func(q *kms.CreateKeyRequest) { q.Policy = keyPolicy(`"kms:*"`, "acs:ram::"+uidA+":*") }, "InvalidParameter"},
		{"tags", func(q *kms.CreateKeyRequest) { q.Tags = `[{"TagKey":"a","TagValue":"b"}]` }, "InvalidParameter"},
	} {
		t.Run(tc.name+" is refused", func(t *testing.T) {
			_, err := r.create(tc.change)
			require.Equal(t, tc.want, code(t, err))
			require.Equal(t, 400, refusal(t, err).HttpStatus())
		})
	}
	require.Equal(t, "MissingParameter", code(t, r.do("DescribeKey", "")))
	require.Equal(t, "InvalidAction.NotFound", code(t, r.do("RotateKey", "x")))
}

func TestKeysAndAliasesAreListedInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{})
		r := c.kms(c.root, hangzhou)
		var ids []string
		for range 12 {
			ids = append(ids, r.made(nil).KeyId)
			time.Sleep(time.Second)
		}
		c.kms(c.root, "cn-shanghai").made(nil)
		list := func(change func(*kms.ListKeysRequest)) (got []string, total int) {
			q := kms.CreateListKeysRequest()
			change(q)
			page, err := r.ListKeys(q)
			require.NoError(t, err)
			for _, k := range page.Keys.Key {
				got = append(got, k.KeyId)
				require.Equal(t, "acs:kms:cn-hangzhou:"+uidA+":key/"+k.KeyId, k.KeyArn)
			}
			return got, page.TotalCount
		}
		got, total := list(func(*kms.ListKeysRequest) {})
		require.Equal(t, ids[:10], got)
		require.Equal(t, 12, total)
		got, _ = list(func(q *kms.ListKeysRequest) { q.PageNumber, q.PageSize = "3", "5" })
		require.Equal(t, ids[10:], got)
		got, _ = list(func(q *kms.ListKeysRequest) { q.PageNumber = "9" })
		require.Empty(t, got)
		require.NoError(t, r.do("DisableKey", ids[3]))
		got, total = list(func(q *kms.ListKeysRequest) {
			q.Filters = `[{"Key":"KeyState","Values":["Disabled","PendingDeletion"]},{"Key":"CreatorType","Values":["User"]}]`
		})
		require.Equal(t, ids[3:4], got)
		require.Equal(t, 1, total)
		require.Equal(t, "InvalidParameter", code(t, r.do("ListKeys", "", "PageSize=101")))
		require.Equal(t, "InvalidParameter", code(t, r.do("ListKeys", "", `Filters=[{"Key":"Colour","Values":["red"]}]`)))

		require.NoError(t, r.do("CreateAlias", ids[0], "AliasName=alias/b/1"))
		require.NoError(t, r.do("CreateAlias", ids[0], "AliasName=alias/a_1"))
		require.Equal(t, "AliasAlreadyExists", code(t, r.do("CreateAlias", ids[1], "AliasName=alias/a_1")))
		require.NoError(t, c.kms(c.world.NewRootKey(uidB), hangzhou).do("ListAliases", ""))
		for _, bad := range []string{"mine", "alias/", "alias/acs/oss", "alias/blank here"} {
			require.Equal(t, "InvalidParameter", code(t, r.do("CreateAlias", ids[0], "AliasName="+bad)), bad)
		}
		require.Equal(t, "Unsupported.Alias", code(t, r.do("CreateAlias", "alias/a_1", "AliasName=alias/c")))
		aliases, err := r.ListAliases(kms.CreateListAliasesRequest())
		require.NoError(t, err)
		require.Equal(t, []kms.Alias{
			{AliasName: "alias/a_1", KeyId: ids[0], AliasArn: "acs:kms:cn-hangzhou:" + uidA + ":alias/a_1"},
			{AliasName: "alias/b/1", KeyId: ids[0], AliasArn: "acs:kms:cn-hangzhou:" + uidA + ":alias/b/1"},
		}, aliases.Aliases.Alias)
		byKey := kms.CreateListAliasesByKeyIdRequest()
		byKey.KeyId = ids[1]
		none, err := r.ListAliasesByKeyId(byKey)
		require.NoError(t, err)
		require.Empty(t, none.Aliases.Alias)
		require.NoError(t, r.do("DeleteAlias", "", "AliasName=alias/a_1"))
		require.Equal(t, "Forbidden.AliasNotFound", code(t, r.do("DeleteAlias", "", "AliasName=alias/a_1")))
	})
}

func TestTheStateOfAKeyDecidesWhatIsPossible(t *testing.T) {
	actions := []string{"DescribeKey", "EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "CreateAlias", "GenerateDataKey", "Encrypt"}
	extra := map[string][]string{
		"ScheduleKeyDeletion": {"PendingWindowInDays=7"}, "CreateAlias": {"AliasName=alias/x"}, "Encrypt": {"Plaintext=AAAA"},
	}
	const failed = "Rejected.StateModifiedFailed"
	for _, tc := range []struct {
		state string
		bring []string // to that state
		want  []string // by action
	}{
		{"Enabled", nil, []string{"", "", "", "", failed, "", "", ""}},
		{"Disabled", []string{"DisableKey"}, []string{"", "", "", "", failed, "", "Rejected.Disabled", "Rejected.Disabled"}},
		{"PendingDeletion", []string{"ScheduleKeyDeletion"}, []string{"", failed, failed, failed, "", failed, "Rejected.PendingDeletion", "Rejected.PendingDeletion"}},
		{"PendingImport", nil, []string{"", failed, failed, "", failed, "", "Rejected.PendingImport", "Rejected.PendingImport"}},
	} {
		for i, action := range actions {
			t.Run(action+" of a key that is "+tc.state, func(t *testing.T) {
				c := newCloud(t, world.Options{})
				r := c.kms(c.root, hangzhou)
				k := r.made(func(q *kms.CreateKeyRequest) {
					if tc.state == "PendingImport" {
						q.Origin = "EXTERNAL"
					}
				})
				for _, b := range tc.bring {
					require.NoError(t, r.do(b, k.KeyId, extra[b]...))
				}
				got, err := r.describe(k.KeyId)
				require.NoError(t, err)
				require.Equal(t, tc.state, got.KeyState)
				err = r.do(action, k.KeyId, extra[action]...)
				require.Equal(t, tc.want[i], code(t, err))
				if err != nil {
					require.Equal(t, 409, refusal(t, err).HttpStatus())
				}
			})
		}
	}
}

func TestAKeyGoesForGoodAfterItsDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, world.Options{Speed: 1000})
		r := c.kms(c.root, hangzhou)
		k := r.made(nil)
		require.NoError(t, r.do("CreateAlias", k.KeyId, "AliasName=alias/x"))
		data, err := r.dataKey(k.KeyId)
		require.NoError(t, err)
		for _, days := range []string{"6", "367", "soon"} {
			require.Equal(t, "InvalidParameter", code(t, r.do("ScheduleKeyDeletion", k.KeyId, "PendingWindowInDays="+days)), days)
		}
		require.NoError(t, r.do("ScheduleKeyDeletion", k.KeyId, "PendingWindowInDays=7"))
		got, err := r.describe(k.KeyId)
		require.NoError(t, err)
		require.Equal(t, time.Now().Add(7*24*time.Hour).UTC().Format("2006-01-02T15:04:05Z"), got.DeleteDate)

		time.Sleep(6 * 24 * time.Hour)
		require.NoError(t, r.do("CancelKeyDeletion", k.KeyId))
		time.Sleep(30 * 24 * time.Hour)
		got, err = r.describe(k.KeyId)
		require.NoError(t, err, "a deletion that was called off does not come")
		require.Equal(t, "Enabled", got.KeyState)
		require.Empty(t, got.DeleteDate)

		require.NoError(t, r.do("ScheduleKeyDeletion", k.KeyId, "PendingWindowInDays=7"))
		time.Sleep(7*24*time.Hour - time.Second)
		_, err = r.describe("alias/x")
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = r.describe(k.KeyId)
		require.Equal(t, "Forbidden.KeyNotFound", code(t, err))
		_, err = r.describe("alias/x")
		require.Equal(t, "Forbidden.AliasNotFound", code(t, err))
		_, err = r.open(data.CiphertextBlob, `{"bucket":"b","a":"1"}`)
		require.Equal(t, "InvalidParameter", code(t, err), "what it encrypted is lost")
	})
}

func TestOnlyKeysInAnInstanceHaveAPolicy(t *testing.T) {
	c := newCloud(t, world.Options{})
	r := c.kms(c.root, hangzhou)
	outside := r.made(nil)
	_, err := r.policy(outside.KeyId, "default")
	require.Equal(t, "Rejected.UnsupportedOperation", code(t, err))
	own := keyPolicy(`"kms:*"`, "acs:ram::"+uidA+":*")
	require.Equal(t, "Rejected.UnsupportedOperation", code(t, r.setPolicy(outside.KeyId, own)))

	instance := c.world.NewKMSInstance(uidA, hangzhou, 2)
	k := r.made(inInstance(instance))
	require.Equal(t, instance, k.DKMSInstanceId)
	require.Regexp(t, `^key-`, k.KeyId)
	got, err := r.policy(k.KeyId, "default")
	require.NoError(t, err)
	require.JSONEq(t, `{"Statement":[{"Action":["kms:*"],"Effect":"Allow","Principal":{"RAM":["acs:ram::`+uidA+
		`:*"]},"Resource":["*"],"Sid":"kms default key policy"}],"Version":"1"}`, got)
	for _, name := range []string{"", "mine"} {
		_, err = r.policy(k.KeyId, name)
		require.Equal(t, "NotFound", code(t, err), "the name of the policy has to be given and right")
	}
	require.Equal(t, "InvalidParameter", code(t, r.do("SetKeyPolicy", k.KeyId, "PolicyName=mine", "Policy="+own)))
	require.NoError(t, r.setPolicy(k.Arn, own))
	got, err = r.policy(k.Arn, "default")
	require.NoError(t, err)
	require.Equal(t, own, got, "the whole document is replaced")

	var blanks [32769]byte
	for i := range blanks {
		blanks[i] = ' '
	}
	q := kms.CreateSetKeyPolicyRequest()
	for name, text := range map[string]string{
		"no JSON": "{", "no version": `{"Statement":[]}`, "a service": keyPolicy(`"oss:*"`, "acs:ram::"+uidA+":*"), "too long": own + string(blanks[len(own):]) + " ",
	} {
		q.KeyId, q.PolicyName, q.Policy = k.KeyId, "default", text
		_, err = r.SetKeyPolicy(q)
		require.Equal(t, "InvalidParameter", code(t, err), name)
		q = kms.CreateSetKeyPolicyRequest()
	}
	withPolicy := r.made(func(q *kms.CreateKeyRequest) { q.DKMSInstanceId, q.Policy = instance, own })
	got, err = r.policy(withPolicy.KeyId, "default")
	require.NoError(t, err)
	require.Equal(t, own, got)
}

func TestAPolicyMayLetInAsManyAccountsAsWereBought(t *testing.T) {
	c := newCloud(t, world.Options{})
	r := c.kms(c.root, hangzhou)
	role := func(uid string) string { return keyPolicy(`"kms:Decrypt"`, "acs:ram::"+uid+":role/copier") }
	const uidC = "3333333333333333"
	one := c.world.NewKMSInstance(uidA, hangzhou, 1)
	alone := r.made(inInstance(one))
	require.Equal(t, "Rejected.LimitExceeded", code(t, r.setPolicy(alone.KeyId, role(uidB))))
	require.NoError(t, r.setPolicy(alone.KeyId, role(uidA)))

	two := c.world.NewKMSInstance(uidA, hangzhou, 2)
	first, second := r.made(inInstance(two)), r.made(inInstance(two))
	require.NoError(t, r.setPolicy(first.KeyId, role(uidB)))
	require.NoError(t, r.setPolicy(second.KeyId, role(uidB)), "the same account counts once")
	require.Equal(t, "Rejected.LimitExceeded", code(t, r.setPolicy(second.KeyId, role(uidC))))
	require.NoError(t, r.setPolicy(first.KeyId, role(uidA)))
	require.NoError(t, r.setPolicy(second.KeyId, role(uidC)), "what was withdrawn is free again")
	_, err := r.create(func(q *kms.CreateKeyRequest) { q.DKMSInstanceId, q.Policy = two, role(uidB) })
	require.Equal(t, "Rejected.LimitExceeded", code(t, err))
}

func TestDataKeysAreEncryptedAndComeBack(t *testing.T) {
	c := newCloud(t, world.Options{})
	r := c.kms(c.root, hangzhou)
	k := r.made(nil)
	data, err := r.dataKey(k.KeyId)
	require.NoError(t, err)
	require.Equal(t, k.KeyId, data.KeyId)
	require.Equal(t, k.PrimaryKeyVersion, data.KeyVersionId)
	plain, err := base64.StdEncoding.DecodeString(data.Plaintext)
	require.NoError(t, err)
	require.Len(t, plain, 32)
	again, err := r.dataKey(k.KeyId)
	require.NoError(t, err)
	require.NotEqual(t, data.Plaintext, again.Plaintext)

	got, err := r.open(data.CiphertextBlob, `{"a":"1","bucket":"b"}`)
	require.NoError(t, err)
	require.Equal(t, data.Plaintext, got)
	for name, context := range map[string]string{"another context": `{"a":"2","bucket":"b"}`, "no context": ""} {
		_, err = r.open(data.CiphertextBlob, context)
		require.Equal(t, "InvalidParameter", code(t, err), name)
	}
	raw, err := base64.StdEncoding.DecodeString(data.CiphertextBlob)
	require.NoError(t, err)
	raw[len(raw)-1] ^= 1
	for name, blob := range map[string]string{"a changed text": base64.StdEncoding.EncodeToString(raw), "no base64": "?", "a short text": "AAAA",
		"no more than the version": base64.StdEncoding.EncodeToString([]byte(k.PrimaryKeyVersion))} {
		_, err = r.open(blob, `{"a":"1","bucket":"b"}`)
		require.Equal(t, "InvalidParameter", code(t, err), name)
	}
	_, err = c.kms(c.root, "cn-shanghai").open(data.CiphertextBlob, `{"a":"1","bucket":"b"}`)
	require.Equal(t, "InvalidParameter", code(t, err), "a key works in its own region")

	q := kms.CreateEncryptRequest()
	q.KeyId, q.Plaintext = k.Arn, base64.StdEncoding.EncodeToString([]byte("secret"))
	sealed, err := r.Encrypt(q)
	require.NoError(t, err)
	got, err = r.open(sealed.CiphertextBlob, "")
	require.NoError(t, err)
	require.Equal(t, q.Plaintext, got)

	for _, tc := range []struct {
		name, action string
		args         []string
		want         string
	}{
		{"a length in bytes outweighs the spec", "GenerateDataKey", []string{"KeySpec=AES_128", "NumberOfBytes=1024"}, ""},
		{"a length over 1024", "GenerateDataKey", []string{"NumberOfBytes=1025"}, "InvalidParameter"},
		{"an unknown spec", "GenerateDataKey", []string{"KeySpec=AES_512"}, "InvalidParameter"},
		{"a data key without its plaintext", "GenerateDataKeyWithoutPlaintext", nil, ""},
		{"a context that is no JSON", "GenerateDataKey", []string{"EncryptionContext=a"}, "InvalidParameter"},
		{"text that is no base64", "Encrypt", []string{"Plaintext=?"}, "InvalidParameter"},
		{"more than 6 KB", "Encrypt", []string{"Plaintext=" + base64.StdEncoding.EncodeToString(make([]byte, 6<<10+1))}, "InvalidParameter"},
		{"6 KB", "Encrypt", []string{"Plaintext=" + base64.StdEncoding.EncodeToString(make([]byte, 6<<10))}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, code(t, r.do(tc.action, k.KeyId, tc.args...))) })
	}
	sign := r.made(func(q *kms.CreateKeyRequest) { q.KeySpec = "EC_P256" })
	require.Equal(t, "SIGN/VERIFY", sign.KeyUsage)
	_, err = r.dataKey(sign.KeyId)
	require.Equal(t, "Rejected.UnsupportedOperation", code(t, err))
}
