package ossemu_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"
)

// history lists the versions of a key, newest first: contents are told by size,
// markers by "marker", the current one by a star.
func history(t *testing.T, cl *oss.Client, bucket, key string) []string {
	res, err := cl.ListObjectVersions(ctx, &oss.ListObjectVersionsRequest{Bucket: oss.Ptr(bucket), Prefix: oss.Ptr(key), IsMix: true})
	require.NoError(t, err)
	out := []string{}
	for _, v := range res.ObjectVersionsDeleteMarkers {
		text := "marker"
		if !v.IsDeleteMarker() {
			text = content(t, cl, bucket, key, *v.VersionId)
		}
		if *v.VersionId == "null" {
			text += " null"
		}
		if v.IsLatest {
			text += " *"
		}
		out = append(out, text)
	}
	return out
}

func remove(t *testing.T, cl *oss.Client, bucket, key, version string) *oss.DeleteObjectResult {
	req := &oss.DeleteObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)}
	if version != "" {
		req.VersionId = oss.Ptr(version)
	}
	res, err := cl.DeleteObject(ctx, req)
	require.NoError(t, err)
	return res
}

func TestVersionsThroughTheLifeOfABucket(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	require.Nil(t, put(t, cl, "data", "k", "before").VersionId)
	setVersioning(t, cl, "data", "Enabled")
	one := *put(t, cl, "data", "k", "one").VersionId
	two := *put(t, cl, "data", "k", "two").VersionId
	require.Len(t, one, 64)
	require.NotEqual(t, one, two)
	require.Equal(t, []string{"two *", "one", "before null"}, history(t, cl, "data", "k"))

	marker := remove(t, cl, "data", "k", "")
	require.True(t, marker.DeleteMarker)
	require.Equal(t, []string{"marker *", "two", "one", "before null"}, history(t, cl, "data", "k"))
	_, err := cl.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k")})
	se := refused(t, err, "404 NoSuchKey")
	require.Equal(t, "true", se.Headers.Get("x-oss-delete-marker"))
	require.Equal(t, *marker.VersionId, se.Headers.Get("x-oss-version-id"))
	_, err = cl.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), VersionId: marker.VersionId})
	refused(t, err, "405 MethodNotAllowed")
	require.Equal(t, "one", content(t, cl, "data", "k", one))

	gone := remove(t, cl, "data", "k", *marker.VersionId)
	require.True(t, gone.DeleteMarker, "a delete marker was deleted")
	require.Equal(t, *marker.VersionId, *gone.VersionId)
	require.Equal(t, "two", content(t, cl, "data", "k", ""))
	gone = remove(t, cl, "data", "k", two)
	require.False(t, gone.DeleteMarker)
	require.Equal(t, two, *gone.VersionId)
	require.Equal(t, []string{"one *", "before null"}, history(t, cl, "data", "k"))

	setVersioning(t, cl, "data", "Suspended")
	require.Equal(t, "null", *put(t, cl, "data", "k", "now").VersionId)
	require.Equal(t, []string{"now null *", "one"}, history(t, cl, "data", "k"), "the null version takes the place of the old one")
	marker = remove(t, cl, "data", "k", "")
	require.Equal(t, "null", *marker.VersionId)
	require.Equal(t, []string{"marker null *", "one"}, history(t, cl, "data", "k"))
	remove(t, cl, "data", "k", "null")
	require.Equal(t, []string{"one *"}, history(t, cl, "data", "k"))
}

func TestDeletesByStateOfVersioning(t *testing.T) {
	for _, x := range []struct {
		state, version string
		marker         bool
		left           []string
	}{
		{"", "", false, []string{}},
		{"", "null", false, []string{}},
		{"", "CAEQunknown", false, []string{"x null *"}},
		{"Enabled", "", true, []string{"marker *", "x null"}},
		{"Enabled", "null", false, []string{}},
		{"Suspended", "", true, []string{"marker null *"}},
		{"Suspended", "null", false, []string{}},
	} {
		t.Run("versioning "+x.state+", version "+x.version, func(t *testing.T) {
			c := newCloud(t)
			cl := c.bucket("data")
			put(t, cl, "data", "k", "x")
			if x.state != "" {
				setVersioning(t, cl, "data", x.state)
			}
			require.Equal(t, x.marker, remove(t, cl, "data", "k", x.version).DeleteMarker)
			require.Equal(t, x.left, history(t, cl, "data", "k"))
		})
	}
}

func TestADeleteOfWhatIsNotThereMakesAMarkerOnlyWithVersioning(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	res := remove(t, cl, "data", "none", "")
	require.Equal(t, 204, res.StatusCode)
	require.Empty(t, history(t, cl, "data", "none"))
	setVersioning(t, cl, "data", "Enabled")
	require.True(t, remove(t, cl, "data", "none", "").DeleteMarker)
	require.Equal(t, []string{"marker *"}, history(t, cl, "data", "none"))
}

func TestTagsBelongToOneVersion(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("data")
	one := put(t, cl, "data", "k", "one").VersionId
	put(t, cl, "data", "k", "two")
	_, err := cl.PutObjectTagging(ctx, &oss.PutObjectTaggingRequest{
		Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), VersionId: one,
		Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: []oss.Tag{{Key: oss.Ptr("a"), Value: oss.Ptr("1")}}}},
	})
	require.NoError(t, err)
	count := func(version *string) int {
		res, err := cl.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), VersionId: version})
		require.NoError(t, err)
		return len(res.Tags)
	}
	require.Equal(t, 1, count(one))
	require.Equal(t, 0, count(nil))
	require.Equal(t, []string{"two *", "one"}, history(t, cl, "data", "k"))
}

func TestAnOldVersionIsRestoredByACopy(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("data")
	one := put(t, cl, "data", "k", "one").VersionId
	put(t, cl, "data", "k", "two")
	res, err := cl.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: oss.Ptr("data"), Key: oss.Ptr("k"), SourceKey: oss.Ptr("k"), SourceVersionId: one})
	require.NoError(t, err)
	require.Equal(t, *one, *res.SourceVersionId)
	require.NotEqual(t, *one, *res.VersionId)
	require.Equal(t, []string{"one *", "two", "one"}, history(t, cl, "data", "k"))
}

func TestDeleteMultipleObjects(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	odd := "a b/+%2F&<ü>"
	for _, k := range []string{odd, "k1", "k2", "k3"} {
		put(t, cl, "data", k, k)
	}
	res, err := cl.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr("data"), Delete: &oss.Delete{Objects: []oss.ObjectIdentifier{{Key: oss.Ptr(odd)}, {Key: oss.Ptr("k1")}, {Key: oss.Ptr("none")}}},
	})
	require.NoError(t, err)
	var got []string
	for _, d := range res.DeletedObjects {
		got = append(got, *d.Key)
	}
	require.Equal(t, []string{odd, "k1", "none"}, got)
	require.Empty(t, history(t, cl, "data", "k1"))

	setVersioning(t, cl, "data", "Enabled")
	res, err = cl.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr("data"), Delete: &oss.Delete{Objects: []oss.ObjectIdentifier{{Key: oss.Ptr("k2")}, {Key: oss.Ptr("k3"), VersionId: oss.Ptr("null")}}},
	})
	require.NoError(t, err)
	require.True(t, res.DeletedObjects[0].DeleteMarker)
	require.NotEmpty(t, *res.DeletedObjects[0].DeleteMarkerVersionId)
	require.False(t, res.DeletedObjects[1].DeleteMarker)
	require.Equal(t, []string{"marker *", "k2 null"}, history(t, cl, "data", "k2"))
	require.Empty(t, history(t, cl, "data", "k3"))

	quiet, err := cl.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr("data"), Delete: &oss.Delete{Quiet: true, Objects: []oss.ObjectIdentifier{{Key: oss.Ptr("k2"), VersionId: oss.Ptr("null")}}},
	})
	require.NoError(t, err)
	require.Empty(t, quiet.DeletedObjects)
	require.Equal(t, []string{"marker *"}, history(t, cl, "data", "k2"))
	marker := res.DeletedObjects[0].DeleteMarkerVersionId
	res, err = cl.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr("data"), Delete: &oss.Delete{Objects: []oss.ObjectIdentifier{{Key: oss.Ptr("k2"), VersionId: marker}}},
	})
	require.NoError(t, err)
	require.True(t, res.DeletedObjects[0].DeleteMarker)
	require.Equal(t, *marker, *res.DeletedObjects[0].DeleteMarkerVersionId)
	require.Empty(t, history(t, cl, "data", "k2"))
	_, err = cl.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr("data"), Delete: &oss.Delete{Objects: make([]oss.ObjectIdentifier, 1001)},
	})
	refused(t, err, "400 MalformedXML")
}

func TestVersionsMadeInOneInstantHaveAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cl := c.versioned("data")
		at := time.Now()
		seen := map[string]bool{}
		for range 20 {
			seen[*put(t, cl, "data", "k", "x").VersionId] = true
		}
		require.Equal(t, at, time.Now())
		require.Len(t, seen, 20)
	})
}
