package ossemu_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// under asks for SSE-KMS with a key; "" is the one of OSS.
func under(key string) func(*oss.PutObjectRequest) {
	return func(q *oss.PutObjectRequest) {
		q.ServerSideEncryption = oss.Ptr("KMS")
		if key != "" {
			q.ServerSideEncryptionKeyId = oss.Ptr(key)
		}
	}
}

// encrypted returns the method and the key that HeadObject shows.
func (c *lab) encrypted(bucket, key string) [2]string {
	c.Helper()
	res, err := c.at(bucket).HeadObject(c.ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	require.NoError(c, err)
	return [2]string{oss.ToString(res.ServerSideEncryption), oss.ToString(res.ServerSideEncryptionKeyId)}
}

// tryWrite puts an object with one key.
func (c *lab) tryWrite(cl *oss.Client, bucket, key string, change func(*oss.PutObjectRequest)) error {
	q := &oss.PutObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), Body: strings.NewReader("x")}
	change(q)
	_, err := cl.PutObject(c.ctx, q)
	return err
}

func TestAnObjectRecordsTheKeyItIsEncryptedWith(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		k, other := c.key(accountA, inHangzhou), c.key(accountA, inHangzhou)
		require.Nil(c, c.w.CreateAlias(c.root(accountA, inHangzhou), "alias/mine", k.ID))
		c.put("data", "by-id", "x", under(k.ID))
		c.put("data", "by-alias", "x", under("alias/mine"))
		c.put("data", "by-arn", "x", under(k.ARN()))
		for _, key := range []string{"by-id", "by-alias", "by-arn"} {
			require.Equal(c, [2]string{"KMS", k.ID}, c.encrypted("data", key))
		}
		c.put("data", "of-oss", "x", under(""))
		c.put("data", "of-oss-by-name", "x", under("alias/acs/oss"))
		require.Equal(c, [2]string{"KMS", ""}, c.encrypted("data", "of-oss"))
		require.Equal(c, [2]string{"KMS", ""}, c.encrypted("data", "of-oss-by-name"))
		c.put("data", "plain", "x")
		require.Equal(c, [2]string{"", ""}, c.encrypted("data", "plain"))

		require.Nil(c, c.w.PutBucketEncryption("data", &world.Encryption{Algorithm: "KMS", KMSKeyID: other.ID}))
		c.put("data", "by-default", "x")
		c.put("data", "against-default", "x", under(k.ID))
		require.Equal(c, [2]string{"KMS", other.ID}, c.encrypted("data", "by-default"))
		require.Equal(c, [2]string{"KMS", k.ID}, c.encrypted("data", "against-default"))
		began, err := c.at("data").InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("film")})
		require.NoError(c, err)
		require.Nil(c, c.w.PutBucketEncryption("data", &world.Encryption{Algorithm: "KMS"}))
		part, e := c.w.UploadPart("data", "film", *began.UploadId, 1, []byte("x"))
		require.Nil(c, e)
		_, e = c.w.CompleteUpload("data", "film", *began.UploadId, []world.PartRef{{Number: 1, ETag: part.ETag}}, false, "")
		require.Nil(c, e)
		require.Equal(c, [2]string{"KMS", other.ID}, c.encrypted("data", "film"), "an upload is encrypted as its bucket was when it began")
		c.put("data", "by-default-of-oss", "x")
		require.Equal(c, [2]string{"KMS", ""}, c.encrypted("data", "by-default-of-oss"))
	})
}

func TestKMSMakesOneKeyForOSSInEachAccountAndRegion(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "near")
		c.bucket(accountA, inShanghai, "far")
		c.bucket(accountB, inHangzhou, "theirs")
		made := func(uid, region string) (ids []string) {
			list, e := c.w.ListAliases(c.root(uid, region), world.View{})
			require.Nil(c, e)
			for _, a := range list {
				require.Equal(c, "alias/acs/oss", a.Name)
				ids = append(ids, a.KeyID)
			}
			return ids
		}
		require.Empty(c, made(accountA, inHangzhou))
		seen := map[string]bool{}
		for bucket, at := range map[string][2]string{"near": {accountA, inHangzhou}, "far": {accountA, inShanghai}, "theirs": {accountB, inHangzhou}} {
			c.put(bucket, "1", "x", under(""))
			c.put(bucket, "2", "x", under(""))
			ids := made(at[0], at[1])
			require.Len(c, ids, 1)
			seen[ids[0]] = true
			k, e := c.w.DescribeKey(c.root(at[0], at[1]), "alias/acs/oss", world.View{})
			require.Nil(c, e)
			require.Equal(c, "Oss", k.Service)
			require.Equal(c, "Rejected.UnsupportedOperation", c.w.DisableKey(c.root(at[0], at[1]), k.ID).Code, "nobody changes it")
			require.Equal(c, "InvalidParameter", c.w.DeleteAlias(c.root(at[0], at[1]), "alias/acs/oss").Code)
		}
		require.Len(c, seen, 3)
	})
}

func TestAWriteIsRefusedForItsKey(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		root := c.root(accountA, inHangzhou)
		disabled, going := c.key(accountA, inHangzhou), c.key(accountA, inHangzhou)
		require.Nil(c, c.w.DisableKey(root, disabled.ID))
		require.Nil(c, c.w.ScheduleKeyDeletion(root, going.ID, 7))
		waiting, e := c.w.CreateKey(root, world.NewKey{Origin: "EXTERNAL"})
		require.Nil(c, e)
		sign, e := c.w.CreateKey(root, world.NewKey{Spec: "EC_P256"})
		require.Nil(c, e)
		elsewhere, theirs := c.key(accountA, inShanghai), c.key(accountB, inHangzhou)
		for _, tc := range []struct {
			name, key string
			status    int
			code, ec  string
		}{
			{"a key that there is not", "nothing", 404, "KeyNotFound", "0005-00000208"},
			{"an alias that there is not", "alias/nothing", 404, "AliasNotFound", ""},
			{"a key of another region", elsewhere.ID, 404, "KeyNotFound", "0005-00000208"},
			{"a key of another region by its ARN", elsewhere.ARN(), 404, "KeyNotFound", "0005-00000208"},
			{"a key of another account", theirs.ID, 404, "KeyNotFound", "0005-00000208"},
			{"a key of another account by its ARN", theirs.ARN(), 404, "KeyNotFound", "0005-00000208"},
			{"a disabled key", disabled.ID, 409, "KeyDisabled", "0005-00000214"},
			{"a key that is about to go", going.ID, 409, "KeyPendingDeletion", "0005-00000215"},
			{"a key without material", waiting.ID, 409, "KeyPendingImport", ""},
			{"an asymmetric key", sign.ID, 400, "InvalidArgument", ""},
		} {
			c.Log(tc.name) // shown when one of the refusals is another
			c.refused(c.tryWrite(c.at("data"), "data", "k", under(tc.key)), tc.status, tc.code, tc.ec)
			_, err := c.at("data").InitiateMultipartUpload(c.ctx, &oss.InitiateMultipartUploadRequest{
				Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), ServerSideEncryption: oss.Ptr("KMS"), ServerSideEncryptionKeyId: oss.Ptr(tc.key)})
			c.refused(err, tc.status, tc.code, tc.ec)
			_, e := c.w.PutObject("data", world.Version{Key: "k", SSE: "KMS", KMSKeyID: tc.key}, false)
			require.Equal(c, tc.code, e.Code, tc.name)
			require.Nil(c, c.w.PutBucketEncryption("data", &world.Encryption{Algorithm: "KMS", KMSKeyID: tc.key}))
			c.refused(c.tryWrite(c.at("data"), "data", "k", func(*oss.PutObjectRequest) {}), tc.status, tc.code, tc.ec)
			require.Nil(c, c.w.PutBucketEncryption("data", nil))
		}
		c.lacks("data", "k")
	})
}

func TestWhatAKeyEncryptedIsReadOnlyWhileItWorks(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		k, root := c.key(accountA, inHangzhou), c.root(accountA, inHangzhou)
		c.put("data", "k", "secret", under(k.ID))
		_, err := c.at("data").AppendObject(c.ctx, &oss.AppendObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("log"), Position: oss.Ptr(int64(0)),
			Body: strings.NewReader("a"), ServerSideEncryption: oss.Ptr("KMS"), ServerSideEncryptionKeyId: oss.Ptr(k.ID)})
		require.NoError(c, err)
		get := func() error {
			_, err := c.at("data").GetObject(c.ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
			return err
		}
		copied := func() error {
			_, err := c.at("data").CopyObject(c.ctx, &oss.CopyObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("copy"), SourceKey: oss.Ptr("k")})
			return err
		}
		c.has("data", "k", "secret")
		require.NoError(c, copied())
		require.Nil(c, c.w.DisableKey(root, k.ID))
		c.refused(get(), 409, "KeyDisabled", "0005-00000214")
		c.refused(copied(), 409, "KeyDisabled", "0005-00000214")
		_, err = c.at("data").AppendObject(c.ctx, &oss.AppendObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("log"), Position: oss.Ptr(int64(1)), Body: strings.NewReader("b")})
		c.refused(err, 409, "KeyDisabled", "0005-00000214")
		require.Equal(c, [2]string{"KMS", k.ID}, c.encrypted("data", "k"), "what the headers tell needs no key")
		require.Nil(c, c.w.EnableKey(root, k.ID))
		c.has("data", "k", "secret")
		require.Nil(c, c.w.ScheduleKeyDeletion(root, k.ID, 7))
		c.refused(get(), 409, "KeyPendingDeletion", "0005-00000215")
		time.Sleep(7 * 24 * time.Hour)
		c.refused(get(), 404, "KeyNotFound", "0005-00000208")
	})
}

func TestUsingAKeyTakesARightOnIt(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "data")
		k := c.key(accountA, inHangzhou)
		c.put("data", "k", "secret", under(k.ID))
		user := func(name, kms string) *oss.Client {
			doc := `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:*"` + kms + `],"Resource":"*"}]}`
			return c.as(c.w.NewUserKey(accountA, name, []byte(doc)), inHangzhou)
		}
		read := func(cl *oss.Client) error {
			res, err := cl.GetObject(c.ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
			}
			return err
		}
		none, reader, writer := user("none", ""), user("reader", `,"kms:Decrypt"`), user("writer", `,"kms:GenerateDataKey"`)
		forbidden := func(err error) {
			c.Helper()
			require.Equal(c, "This request is forbidden by kms", c.refused(err, 403, "AccessDenied", "").Message)
		}
		forbidden(read(none))
		forbidden(read(writer))
		require.NoError(c, read(reader))
		forbidden(c.tryWrite(none, "data", "new", under(k.ID)))
		forbidden(c.tryWrite(reader, "data", "new", under(k.ID)))
		require.NoError(c, c.tryWrite(writer, "data", "new", under(k.ID)))
		require.NoError(c, c.tryWrite(none, "data", "of-oss", under("")), "the key of OSS takes no right")
		require.Nil(c, c.w.PutBucketEncryption("data", &world.Encryption{Algorithm: "KMS", KMSKeyID: k.ID}))
		forbidden(c.tryWrite(none, "data", "by-default", func(*oss.PutObjectRequest) {}))
		require.NoError(c, c.tryWrite(none, "data", "plain", func(q *oss.PutObjectRequest) { q.ServerSideEncryption = oss.Ptr("AES256") }))
	})
}
