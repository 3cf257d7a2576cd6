package ossrepl

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestAnObjectIsSeenAsItIsStored(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Length", "344606")
		h.Set("ETag", `"FBA9DEDE5F27731C9771645A3986"`)
		h.Set("x-oss-hash-crc64ecma", "18446744073709551615")
		h.Set("x-oss-version-id", "CAEQ")
		h.Set("x-oss-meta-replidesk-ticket", "CHG-1")
		h.Set("Last-Modified", "Fri, 24 Feb 2012 06:07:48 GMT")
		w.WriteHeader(200)
	})
	o, err := c.Head(t.Context(), dst, "a/k")
	require.NoError(t, err)
	require.Equal(t, replication.ObjectSeen{
		Is: replication.Exists, Size: 344606, ETag: "FBA9DEDE5F27731C9771645A3986", CRC64: "18446744073709551615", VersionID: "CAEQ",
		Meta: map[string]string{"replidesk-ticket": "CHG-1"}, LastModified: time.Date(2012, 2, 24, 6, 7, 48, 0, time.UTC),
	}, o)
}

// headError is the header in which an answer to HEAD carries its error.
func headError(w http.ResponseWriter, code string) {
	body := "<Error><Code>" + code + "</Code><Message>no</Message></Error>"
	w.Header().Set("x-oss-err", base64.StdEncoding.EncodeToString([]byte(body)))
	w.WriteHeader(404)
}

func TestAnObjectThatIsNotThereIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		hidden  bool
	}{
		"no such key":              {func(w http.ResponseWriter, _ *http.Request) { headError(w, "NoSuchKey") }, false},
		"an answer without a code": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, false},
		"behind a delete marker": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-oss-delete-marker", "true")
			headError(w, "NoSuchKey")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := serve(t, c.handler)
			o, err := cl.Head(t.Context(), dst, "k")
			require.NoError(t, err)
			require.Equal(t, replication.ObjectSeen{Is: replication.Missing, Hidden: c.hidden}, o)
		})
	}
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { headError(w, "NoSuchBucket") })
	_, err := c.Head(t.Context(), dst, "k")
	require.Equal(t, fault.NotFound, fault.Of(err))
}

func TestAWriteReturnsWhatWasStored(t *testing.T) {
	c, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"D41D"`)
		w.Header().Set("x-oss-version-id", "V1")
		w.WriteHeader(200)
	})
	o, err := c.Put(t.Context(), src, replication.Canary{Key: ".replidesk/CHG 1/ü", Content: "hello", Meta: map[string]string{"Replidesk-Turn": "1"}})
	require.NoError(t, err)
	require.Equal(t, replication.ObjectSeen{Is: replication.Exists, Size: 5, ETag: "D41D", VersionID: "V1", Meta: map[string]string{"replidesk-turn": "1"}}, o)
	r := asked.requests()[0]
	require.Equal(t, "hello", r.body)
	require.Equal(t, "1", r.header.Get("x-oss-meta-replidesk-turn"))
	require.Equal(t, "/.replidesk/CHG 1/ü", r.path)
}

func TestAWriteCarriesItsTags(t *testing.T) {
	c, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
	_, err := c.Put(t.Context(), src, replication.Canary{Key: "k", Content: "hello", Tags: []replication.Tag{{Key: "a b", Value: "c+d=e/f"}, {Key: "empty"}}})
	require.NoError(t, err)
	require.Equal(t, "a%20b=c%2Bd%3De%2Ff&empty=", asked.requests()[0].header.Get("x-oss-tagging"))
	_, err = c.Put(t.Context(), src, replication.Canary{Key: "k", Content: "hello"})
	require.NoError(t, err)
	require.NotContains(t, asked.requests()[1].header, "X-Oss-Tagging")
}

func TestAWriteWithAnotherChecksumLeavesTheOutcomeUnknown(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-oss-hash-crc64ecma", "1")
		w.WriteHeader(200)
	})
	_, err := c.Put(t.Context(), src, replication.Canary{Key: "k", Content: "hello"})
	require.Equal(t, fault.Unknown, fault.Of(err))
}

// versions is a bucket whose versions are listed two at a time.
type versions struct {
	all  []string // key/version, in the order of a listing
	deny string   // a key that may not be removed
}

func (v *versions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case q.Has("bucketInfo"):
		answer(w, 200, bucketInfo("cn-hangzhou", "<Versioning>Enabled</Versioning>"))
	case r.Method == http.MethodDelete:
		v.remove(w, strings.TrimPrefix(r.URL.Path, "/"), q.Get("versionId"))
	default:
		v.list(w, q.Get("prefix"), q.Get("key-marker"), q.Get("version-id-marker"))
	}
}

func (v *versions) remove(w http.ResponseWriter, key, id string) {
	if key == v.deny {
		refuse(w, 403, "AccessDenied")
		return
	}
	for i, e := range v.all {
		if e == key+"/"+id {
			v.all = append(v.all[:i:i], v.all[i+1:]...)
		}
	}
	w.WriteHeader(204)
}

func (v *versions) list(w http.ResponseWriter, prefix, keyMarker, idMarker string) {
	body, n, next := "", 0, ""
	for _, e := range v.all {
		key, id, _ := strings.Cut(e, "/")
		if !strings.HasPrefix(key, prefix) || key < keyMarker || key == keyMarker && id <= idMarker {
			continue
		}
		if n++; n > 2 {
			next = "<IsTruncated>true</IsTruncated>" + next
			break
		}
		kind := "Version"
		if strings.HasPrefix(id, "m") {
			kind = "DeleteMarker"
		}
		body += fmt.Sprintf("<%s><Key>%s</Key><VersionId>%s</VersionId></%s>", kind, key, id, kind)
		next = fmt.Sprintf("<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>", key, id)
	}
	answer(w, 200, "<ListVersionsResult><EncodingType>url</EncodingType>"+body+next+"</ListVersionsResult>")
}

func TestPurgeRemovesEveryVersionOfExactlyTheKeys(t *testing.T) {
	v := &versions{all: []string{"a/m1", "a/v1", "a/v2", "a/v3", "a/v4", "a2/v1", "b/null", "c/v1"}}
	c, _ := serve(t, v.ServeHTTP)
	left, err := c.Purge(t.Context(), src, []string{"a", "b", "nothing"})
	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, []string{"a2/v1", "c/v1"}, v.all)

	left, err = c.Purge(t.Context(), src, []string{"a", "b", "nothing"})
	require.NoError(t, err)
	require.Empty(t, left, "once more does no harm")
}

func TestPurgeTellsWhatMayNotBeRemoved(t *testing.T) {
	v := &versions{all: []string{"a/v1", "b/v1", "c/v1"}, deny: "b"}
	c, _ := serve(t, v.ServeHTTP)
	left, err := c.Purge(t.Context(), src, []string{"a", "b", "c"})
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, left)
	require.Equal(t, []string{"b/v1"}, v.all)
}

func TestPurgeEndsWithAFailureAndNamesTheRest(t *testing.T) {
	v := &versions{all: []string{"a/v1", "b/v1", "c/v1"}}
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b" {
			refuse(w, 503, "TotalQpsLimitExceeded")
			return
		}
		v.ServeHTTP(w, r)
	})
	left, err := c.Purge(t.Context(), src, []string{"a", "b", "c"})
	require.Equal(t, fault.Throttled, fault.Of(err))
	require.Equal(t, []string{"b", "c"}, left)
}

func TestPurgeOfABucketWithoutVersionsDeletesPlainly(t *testing.T) {
	c, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("bucketInfo") {
			answer(w, 200, bucketInfo("cn-hangzhou", ""))
			return
		}
		w.WriteHeader(204)
	})
	left, err := c.Purge(t.Context(), src, []string{"a", "b"})
	require.NoError(t, err)
	require.Empty(t, left)
	for _, r := range asked.requests()[1:] {
		require.Equal(t, http.MethodDelete, r.method)
		require.NotContains(t, r.query, "versionId")
	}
	require.Len(t, asked.requests(), 3)
}

func TestPurgeOfABucketThatIsGoneLeavesNothing(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchBucket") })
	left, err := c.Purge(t.Context(), src, []string{"a"})
	require.NoError(t, err)
	require.Empty(t, left)

	c, asked := serve(t, always(500, ""))
	left, err = c.Purge(t.Context(), src, nil)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Empty(t, asked.requests(), "no keys, no calls")
}

func TestAListingThatDoesNotAdvanceIsGivenUp(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("bucketInfo"):
			answer(w, 200, bucketInfo("cn-hangzhou", "<Versioning>Enabled</Versioning>"))
		case r.Method == http.MethodDelete:
			w.WriteHeader(204)
		default:
			answer(w, 200, "<ListVersionsResult><Version><Key>a</Key><VersionId>v</VersionId></Version><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>")
		}
	})
	left, err := c.Purge(t.Context(), src, []string{"a"})
	require.Equal(t, fault.Retryable, fault.Of(err))
	require.Equal(t, []string{"a"}, left)
}

func TestAScopeIsEmptyWhenNoPrefixHasAKey(t *testing.T) {
	held := "b/1"
	c, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := ""
		if strings.HasPrefix(held, r.URL.Query().Get("prefix")) {
			body = "<KeyCount>1</KeyCount><Contents><Key>" + held + "</Key></Contents>"
		}
		answer(w, 200, "<ListBucketResult>"+body+"</ListBucketResult>")
	})
	for name, e := range map[string]struct {
		prefixes []string
		want     bool
	}{
		"a key under the second prefix": {[]string{"a/", "b/"}, false},
		"no key under any prefix":       {[]string{"a/", "c/"}, true},
		"any key counts":                {nil, false},
	} {
		got, err := c.Empty(t.Context(), dst, e.prefixes)
		require.NoError(t, err, name)
		require.Equal(t, e.want, got, name)
	}
	for _, r := range asked.requests() {
		require.Equal(t, []string{"100"}, r.query["max-keys"])
	}
	c, _ = serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") })
	empty, err := c.Empty(t.Context(), dst, nil)
	require.Equal(t, fault.Denied, fault.Of(err))
	require.False(t, empty)
}
