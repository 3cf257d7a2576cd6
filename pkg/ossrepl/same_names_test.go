package ossrepl_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/meter"
	"github.com/replidesk/replidesk/pkg/replication"
)

func (d *desk) fill(bucket string, n int, key func(int) string, content string) {
	d.t.Helper()
	for i := range n {
		_, e := d.cloud.World.PutObject(bucket, world.Version{Key: key(i), Data: []byte(content)}, false)
		require.Nil(d.t, e)
	}
}

func numbered(prefix string) func(int) string {
	return func(i int) string { return fmt.Sprintf("%s%05d", prefix, i) }
}

func one(key string) func(int) string { return func(int) string { return key } }

// sameNames compares the two buckets and returns how many calls that took.
func (d *desk) sameNames(prefixes ...string) (replication.SameNamesSeen, int) {
	d.t.Helper()
	ctx, counter := meter.With(d.t.Context())
	seen, err := d.client.SameNames(ctx, d.request.Source, d.request.Destination, prefixes)
	require.NoError(d.t, err)
	return seen, counter.N()
}

func TestObjectsThatBothBucketsHoldAreFoundInTheirListings(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.A.UID, "")
		for _, bucket := range []string{"src-bucket", "dest-bucket"} {
			d.fill(bucket, 1, one("image/same & Ü"), "same")
			d.fill(bucket, 1, one("image/other"), "of "+bucket)
			d.fill(bucket, 1, one("video/outside"), "same")
			d.fill(bucket, 1, one("image/.replidesk/CHG-1/canary"), "our own")
			d.fill(bucket, 1, one("image/only in "+bucket), "x")
		}
		seen, calls := d.sameNames("image/")
		require.Equal(d.t, replication.SameNamesSeen{Looked: 3, Complete: true, Same: 1, Other: 1, Examples: []replication.SameName{
			{Key: "image/other", Source: 13, Destination: 14}, {Key: "image/same & Ü", Same: true, Source: 4, Destination: 4},
		}}, seen)
		require.Equal(d.t, 2, calls)
		seen, _ = d.sameNames("image/s", "video/")
		require.Equal(d.t, 2, seen.Same)
		seen, _ = d.sameNames()
		require.Equal(d.t, 3, seen.Same+seen.Other)
		seen, calls = d.sameNames("none/")
		require.Equal(d.t, replication.SameNamesSeen{Complete: true}, seen)
		require.Equal(d.t, 1, calls, "nothing at the source can overwrite anything")
	})
}

func TestAComparisonEndsWhereEitherListingEnds(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.A.UID, "")
		d.fill("src-bucket", 3500, numbered("k"), "a")
		d.fill("dest-bucket", 1, one("k00007"), "b")
		seen, calls := d.sameNames()
		require.True(d.t, seen.Complete)
		require.Equal(d.t, 1, seen.Other)
		require.Equal(d.t, 2, calls)
		d.fill("dest-bucket", 1, one("k02000"), "b")
		seen, calls = d.sameNames()
		require.True(d.t, seen.Complete)
		require.Equal(d.t, 2, seen.Other)
		require.Equal(d.t, 4, calls)
	})
}

func TestAComparisonOfLargeBucketsSaysHowFarItCame(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.A.UID, "")
		d.fill("src-bucket", 4500, numbered("k"), "a")
		d.fill("dest-bucket", 4500, numbered("k"), "b")
		seen, calls := d.sameNames()
		require.False(d.t, seen.Complete)
		require.Equal(d.t, 8, calls)
		require.Equal(d.t, 4000, seen.Looked)
		require.Equal(d.t, 4000, seen.Other)
		require.Len(d.t, seen.Examples, 5)
	})
}

func TestAComparisonThatIsRefusedIsAnError(t *testing.T) {
	inCloud(t, func(d *desk) {
		d.bucket(d.request.Source, d.as.A.UID, "")
		d.bucket(d.request.Destination, d.as.B.UID, "")
		d.fill("src-bucket", 1, one("k"), "a")
		_, err := d.client.SameNames(d.t.Context(), d.request.Source, d.request.Destination, nil)
		require.Equal(d.t, fault.Denied, fault.Of(err))
		require.Contains(d.t, err.Error(), "dest-bucket")
	})
}
