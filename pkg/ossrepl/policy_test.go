package ossrepl_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/ossrepl"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestABucketPolicyIsReplacedAndReadBackByteForByte(t *testing.T) {
	inCloud(t, func(d *desk) {
		e := d.request.Destination
		_, err := d.client.BucketPolicy(d.t.Context(), e)
		require.Equal(d.t, fault.NotFound, fault.Of(err), "no bucket is not the same as no policy")
		d.bucket(e, d.as.A.UID, "")
		p, err := d.client.BucketPolicy(d.t.Context(), e)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.BucketPolicySeen{Is: replication.Missing}, p)

		document := `{"Version":"1",  "Statement":[ {"Effect":"Allow","Action":["oss:GetObject"],"Principal":["` + d.as.B.UID + `"],"Resource":["acs:oss:*:*:dest-bucket/*"]}]}`
		require.NoError(d.t, d.client.PutBucketPolicy(d.t.Context(), e, document))
		p, err = d.client.BucketPolicy(d.t.Context(), e)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.BucketPolicySeen{Is: replication.Exists, Document: document}, p)

		require.Equal(d.t, fault.Terminal, fault.Of(d.client.PutBucketPolicy(d.t.Context(), e, `{"Version":"2","Statement":[]}`)))
		for range 2 {
			require.NoError(d.t, d.client.PutBucketPolicy(d.t.Context(), e, ""), "without a policy there is nothing to delete")
		}
		p, err = d.client.BucketPolicy(d.t.Context(), e)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Missing, p.Is)
	})
}

func TestEachAccountIsReachedWithItsOwnKeys(t *testing.T) {
	inCloud(t, func(d *desk) {
		mine, theirs := d.request.Source, d.request.Destination
		theirs.Account = d.as.B.UID
		d.bucket(mine, d.as.A.UID, "")
		d.bucket(theirs, d.as.B.UID, "Enabled")
		closed := &fault.Error{Kind: fault.Denied, Op: "AssumeRole", Resource: "acs:ram::1:role/x", Code: "NoPermission"}
		var refuse error
		c := ossrepl.New(ossrepl.Config{Transport: d.cloud.Transport(), CredentialsIn: func(_ context.Context, account string) (string, string, string, error) {
			k := map[string]world.AccessKey{d.as.A.UID: d.as.A.User, d.as.B.UID: d.as.B.User}[account]
			if account == d.as.B.UID && refuse != nil {
				return "", "", "", refuse
			}
			return k.ID, k.Secret, k.Token, nil
		}})
		for _, e := range []replication.End{mine, theirs} {
			b, err := c.Bucket(d.t.Context(), e)
			require.NoError(d.t, err)
			require.Equal(d.t, e.Account, b.Owner)
		}
		b, err := d.client.Bucket(d.t.Context(), theirs)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Foreign, b.Is, "our own keys do not reach it")
		p, err := d.client.BucketPolicy(d.t.Context(), theirs)
		require.NoError(d.t, err)
		require.Equal(d.t, replication.Foreign, p.Is)

		refuse = closed
		for what, call := range map[string]func() error{
			"bucket": func() error { _, err := c.Bucket(d.t.Context(), theirs); return err },
			"policy": func() error { _, err := c.BucketPolicy(d.t.Context(), theirs); return err },
			"object": func() error { _, err := c.Head(d.t.Context(), theirs, "key"); return err },
			"put":    func() error { return c.PutBucketPolicy(d.t.Context(), theirs, "") },
		} {
			var f *fault.Error
			require.ErrorAs(d.t, call(), &f, what)
			require.Equal(d.t, "AssumeRole", f.Op, "%s: what was refused is named", what)
			require.Equal(d.t, fault.Denied, f.Kind)
		}
	})
}
