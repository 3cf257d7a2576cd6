package ossemu_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"
)

// oddKeys are in the order of their bytes.
var oddKeys = []string{
	"\t tab", " leading blank", "%2F", "%zz", "+plus", "a", "a b", "a&b=c", "a+b", "a/", "a/1", "a/b/2", "a/b/3", "a/ü", "b//x",
	"b<x>", "question?x=1", "ünïcödé/日本", "日本", "\U0001F600",
}

func oddBucket(t *testing.T) *oss.Client {
	c := newCloud(t)
	cl := c.bucket("data")
	for _, k := range oddKeys {
		put(t, cl, "data", k, k)
	}
	return cl
}

func TestEveryPageSizeListsAllOddKeysOnce(t *testing.T) {
	cl := oddBucket(t)
	require.True(t, slices.IsSorted(oddKeys))
	for max := int32(1); max <= 21; max++ {
		var v1, v2, versions []string
		p1 := cl.NewListObjectsPaginator(&oss.ListObjectsRequest{Bucket: oss.Ptr("data"), MaxKeys: max})
		for p1.HasNext() {
			page, err := p1.NextPage(ctx)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Contents), int(max))
			v1 = append(v1, names(page.Contents, nil)...)
		}
		p2 := cl.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: oss.Ptr("data"), MaxKeys: max})
		for p2.HasNext() {
			page, err := p2.NextPage(ctx)
			require.NoError(t, err)
			require.Equal(t, len(page.Contents), page.KeyCount)
			v2 = append(v2, names(page.Contents, nil)...)
		}
		p3 := cl.NewListObjectVersionsPaginator(&oss.ListObjectVersionsRequest{Bucket: oss.Ptr("data"), MaxKeys: max})
		for p3.HasNext() {
			page, err := p3.NextPage(ctx)
			require.NoError(t, err)
			for _, v := range page.ObjectVersions {
				versions = append(versions, *v.Key)
			}
		}
		require.Equal(t, oddKeys, v1, "ListObjects by %d", max)
		require.Equal(t, oddKeys, v2, "ListObjectsV2 by %d", max)
		require.Equal(t, oddKeys, versions, "ListObjectVersions by %d", max)
	}
}

func TestADelimiterGroupsEachPrefixOnceOverAllPages(t *testing.T) {
	cl := oddBucket(t)
	for max := int32(1); max <= 21; max++ {
		var keys, prefixes []string
		p := cl.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: oss.Ptr("data"), MaxKeys: max, Delimiter: oss.Ptr("/")})
		for p.HasNext() {
			page, err := p.NextPage(ctx)
			require.NoError(t, err)
			keys = append(keys, names(page.Contents, nil)...)
			prefixes = append(prefixes, names(nil, page.CommonPrefixes)...)
		}
		require.Equal(t, []string{
			"\t tab", " leading blank", "%2F", "%zz", "+plus", "a", "a b", "a&b=c", "a+b", "b<x>", "question?x=1", "日本", "\U0001F600",
		}, keys, "by %d", max)
		require.Equal(t, []string{"+a/", "+b/", "+ünïcödé/"}, prefixes, "by %d", max)
	}
}

func TestAListingIsCutByItsParameters(t *testing.T) {
	cl := oddBucket(t)
	for name, x := range map[string]struct {
		prefix, delimiter, after string
		want                     []string
	}{
		"a prefix":                             {"a/", "", "", []string{"a/", "a/1", "a/b/2", "a/b/3", "a/ü"}},
		"a prefix and a delimiter":             {"a/", "/", "", []string{"a/", "a/1", "a/ü", "+a/b/"}},
		"after a key that is not there":        {"", "", "question?x=0", []string{"question?x=1", "ünïcödé/日本", "日本", "\U0001F600"}},
		"after a key of the prefix":            {"a/", "", "a/b/2", []string{"a/b/3", "a/ü"}},
		"a marker before the prefix":           {"b", "", "a", []string{"b//x", "b<x>"}},
		"a prefix that fits nothing":           {"zz", "", "", []string{}},
		"a delimiter of several characters":    {"", "//", "a/ü", []string{"b<x>", "question?x=1", "ünïcödé/日本", "日本", "\U0001F600", "+b//"}},
		"a prefix with signs that are escaped": {"a b", "", "", []string{"a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			v1, err := cl.ListObjects(ctx, &oss.ListObjectsRequest{
				Bucket: oss.Ptr("data"), Prefix: oss.Ptr(x.prefix), Delimiter: oss.Ptr(x.delimiter), Marker: oss.Ptr(x.after),
			})
			require.NoError(t, err)
			require.Equal(t, x.want, names(v1.Contents, v1.CommonPrefixes))
			require.Equal(t, x.prefix, oss.ToString(v1.Prefix))
			v2, err := cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{
				Bucket: oss.Ptr("data"), Prefix: oss.Ptr(x.prefix), Delimiter: oss.Ptr(x.delimiter), StartAfter: oss.Ptr(x.after), FetchOwner: true,
			})
			require.NoError(t, err)
			require.Equal(t, x.want, names(v2.Contents, v2.CommonPrefixes))
			for _, o := range v2.Contents {
				require.Equal(t, uidA, *o.Owner.ID)
			}
		})
	}
}

func TestAPageHasAHundredKeysUnlessAskedForMore(t *testing.T) {
	c := newCloud(t)
	cl := c.bucket("data")
	for n := range 101 {
		put(t, cl, "data", fmt.Sprintf("k%03d", n), "")
	}
	res, err := cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	require.Len(t, res.Contents, 100)
	require.True(t, res.IsTruncated)
	res, err = cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: oss.Ptr("data"), MaxKeys: 1000})
	require.NoError(t, err)
	require.Len(t, res.Contents, 101)
	require.False(t, res.IsTruncated)
	_, err = cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: oss.Ptr("data"), MaxKeys: 1001})
	refused(t, err, "400 InvalidArgument")
	_, err = cl.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: oss.Ptr("data"), ContinuationToken: oss.Ptr("no token")})
	refused(t, err, "400 InvalidArgument")
}

func TestAListingShowsCurrentObjectsAndAListingOfVersionsAll(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("data")
	for range 3 {
		put(t, cl, "data", "a", "x")
	}
	put(t, cl, "data", "b", "x")
	remove(t, cl, "data", "b", "")
	put(t, cl, "data", "c", "xyz")
	res, err := cl.ListObjects(ctx, &oss.ListObjectsRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, names(res.Contents, nil))
	require.Equal(t, int64(3), res.Contents[1].Size)
	require.Equal(t, "Normal", *res.Contents[1].Type)
	require.Equal(t, `"`+md5Hex("xyz")+`"`, *res.Contents[1].ETag)

	for max := int32(1); max <= 7; max++ {
		var got []string
		latest := 0
		p := cl.NewListObjectVersionsPaginator(&oss.ListObjectVersionsRequest{Bucket: oss.Ptr("data"), MaxKeys: max, IsMix: true})
		for p.HasNext() {
			page, err := p.NextPage(ctx)
			require.NoError(t, err)
			for _, v := range page.ObjectVersionsDeleteMarkers {
				got = append(got, fmt.Sprint(*v.Key, v.IsDeleteMarker()))
				if v.IsLatest {
					latest++
				}
			}
		}
		require.Equal(t, []string{"afalse", "afalse", "afalse", "btrue", "bfalse", "cfalse"}, got)
		require.Equal(t, 3, latest)
	}
}

func TestABucketIsEmptiedPageByPageAlthoughTheMarkersVanish(t *testing.T) {
	c := newCloud(t)
	cl := c.versioned("data")
	for range 7 {
		put(t, cl, "data", "a", "x")
		put(t, cl, "data", "b", "x")
	}
	p := cl.NewListObjectVersionsPaginator(&oss.ListObjectVersionsRequest{Bucket: oss.Ptr("data"), MaxKeys: 3})
	for p.HasNext() {
		page, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, v := range page.ObjectVersions {
			remove(t, cl, "data", *v.Key, *v.VersionId)
		}
	}
	_, err := cl.DeleteBucket(ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr("data")})
	require.NoError(t, err)
}
