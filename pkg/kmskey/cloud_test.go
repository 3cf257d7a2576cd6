package kmskey_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/kmskey"
	"github.com/replidesk/replidesk/pkg/replication"
)

func client(c *emulator.Cloud, k world.AccessKey) *kmskey.Client {
	return kmskey.New(kmskey.Config{Transport: c.Transport(), CredentialsIn: func(context.Context, string) (string, string, string, error) { return k.ID, k.Secret, k.Token, nil }})
}

func TestKeysOfTheCloudAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, as := emulator.Ready(world.Options{})
		c, w := client(cloud, as.A.User), cloud.World
		end := replication.End{Account: as.A.UID, Region: "cn-shanghai"}
		root := world.KMSCaller{Principal: as.A.Root.Principal, Region: end.Region}
		k, e := w.CreateKey(root, world.NewKey{Instance: w.NewKMSInstance(as.A.UID, end.Region, 2)})
		require.Nil(t, e)

		for _, name := range []string{k.ID, k.ARN()} {
			seen, err := c.Key(t.Context(), end, name)
			require.NoError(t, err)
			require.Equal(t, replication.KeySeen{Is: replication.Exists, ARN: k.ARN(), State: "Enabled", Usage: "ENCRYPT/DECRYPT", Spec: "Aliyun_AES_256",
				Creator: as.A.UID, Instance: k.Instance}, seen)
		}
		policy, err := c.KeyPolicy(t.Context(), end, k.ARN())
		require.NoError(t, err)
		require.Equal(t, replication.Exists, policy.Is)
		require.JSONEq(t, string(k.Policy), policy.Document)
		_, err = client(cloud, as.B.User).KeyPolicy(t.Context(), end, k.ARN())
		require.Equal(t, fault.Denied, fault.Of(err))
		changed := strings.Replace(policy.Document, "kms default key policy", "ours", 1)
		require.NoError(t, c.SetKeyPolicy(t.Context(), end, k.ARN(), changed))
		policy, err = c.KeyPolicy(t.Context(), end, k.ARN())
		require.NoError(t, err)
		require.Equal(t, changed, policy.Document)
		for kind, document := range map[fault.Kind]string{
			fault.Terminal: `{"Version":"1"}`,
			fault.Quota:    `{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["acs:ram::3000000000000003:role/r","acs:ram::4000000000000004:role/r"]},"Action":["kms:Decrypt"],"Resource":["*"]}]}`,
		} {
			require.Equal(t, kind, fault.Of(c.SetKeyPolicy(t.Context(), end, k.ARN(), document)), document)
		}
		require.Nil(t, w.ScheduleKeyDeletion(root, k.ID, 7))
		seen, err := c.Key(t.Context(), end, k.ID)
		require.NoError(t, err)
		require.Equal(t, "PendingDeletion", seen.State)
		require.False(t, seen.Deleted.IsZero())

		for _, elsewhere := range []replication.End{{Account: as.A.UID, Region: "cn-hangzhou"}} {
			seen, err = c.Key(t.Context(), elsewhere, k.ID)
			require.NoError(t, err)
			require.Equal(t, replication.KeySeen{Is: replication.Missing}, seen, "a key does not leave its region")
		}
		_, err = client(cloud, as.B.User).Key(t.Context(), end, k.ARN())
		require.Equal(t, fault.Denied, fault.Of(err), "nothing is said of another account's keys")
	})
}
