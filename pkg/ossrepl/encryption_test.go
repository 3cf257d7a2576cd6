package ossrepl

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestTheDefaultEncryptionOfABucketIsRead(t *testing.T) {
	rule := func(inner string) http.HandlerFunc {
		return always(200, `<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>`+inner+`</ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>`)
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    replication.EncryptionSeen
		kind    fault.Kind
	}{
		"none":              {handler: func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchServerSideEncryptionRule") }},
		"by OSS":            {handler: rule(`<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID></KMSMasterKeyID>`), want: replication.EncryptionSeen{Algorithm: "AES256"}},
		"by the key of OSS": {handler: rule(`<SSEAlgorithm>KMS</SSEAlgorithm>`), want: replication.EncryptionSeen{Algorithm: "KMS"}},
		"by a key":          {handler: rule(`<SSEAlgorithm>KMS</SSEAlgorithm><KMSMasterKeyID>key-1</KMSMasterKeyID>`), want: replication.EncryptionSeen{Algorithm: "KMS", Key: "key-1"}},
		"not ours to read":  {handler: func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") }, kind: fault.Denied},
		"another document":  {handler: always(200, `<BucketInfo/>`), kind: fault.Retryable},
	} {
		t.Run(name, func(t *testing.T) {
			cl, asked := serve(t, c.handler)
			s, err := cl.Encryption(t.Context(), dst)
			require.Equal(t, c.kind, fault.Of(err), "%v", err)
			require.Equal(t, c.want, s)
			require.Contains(t, asked.requests()[0].query, "encryption")
		})
	}
}

func TestAWriteAsksForItsEncryption(t *testing.T) {
	c, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
	for i, sse := range []string{"KMS", "AES256", ""} {
		_, err := c.Put(t.Context(), src, replication.Canary{Key: "k", Content: "hello", SSE: sse})
		require.NoError(t, err)
		require.Equal(t, sse, asked.requests()[i].header.Get("x-oss-server-side-encryption"))
		require.Empty(t, asked.requests()[i].header.Get("x-oss-server-side-encryption-key-id"), "its key takes no right")
	}
}

// A keyspace is a bucket of many keys, which answers lists and heads.
type keyspace struct {
	keys  []string
	keyed func(key string) bool                                                // it is under a key of KMS
	head  func(w http.ResponseWriter, r *http.Request, key string) (done bool) // nil: all are there
	lists int
	heads []string
}

func (k *keyspace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		key := strings.TrimPrefix(r.URL.Path, "/")
		k.heads = append(k.heads, key)
		if k.head != nil && k.head(w, r, key) {
			return
		}
		w.Header().Set("x-oss-server-side-encryption", "AES256")
		if k.keyed(key) {
			w.Header().Set("x-oss-server-side-encryption", "KMS")
			w.Header().Set("x-oss-server-side-encryption-key-id", "key-1")
		}
		return
	}
	k.lists++
	q := r.URL.Query()
	var b strings.Builder
	n := 0
	for _, key := range k.keys {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("start-after") {
			continue
		}
		if n++; n > samplePage {
			break
		}
		fmt.Fprintf(&b, "<Contents><Key>%s</Key></Contents>", key)
	}
	answer(w, 200, fmt.Sprintf("<ListBucketResult><IsTruncated>%t</IsTruncated>%s</ListBucketResult>", n > samplePage, b.String()))
}

func manyKeys(folders string, each int) (keys []string) {
	for _, f := range folders {
		for i := range each {
			keys = append(keys, fmt.Sprintf("%c/%06d", f, i))
		}
	}
	slices.Sort(keys)
	return keys
}

func sampleOf(t *testing.T, k *keyspace, prefixes ...string) replication.SampleSeen {
	t.Helper()
	if k.keyed == nil {
		k.keyed = func(string) bool { return false }
	}
	c, _ := serve(t, k.ServeHTTP)
	s, err := c.Sample(t.Context(), src, prefixes)
	require.NoError(t, err)
	return s
}

func TestASampleIsSmallAndSpread(t *testing.T) {
	t.Run("of an empty bucket", func(t *testing.T) {
		k := &keyspace{}
		require.Equal(t, replication.SampleSeen{}, sampleOf(t, k))
		require.Equal(t, 1, k.lists)
	})
	t.Run("of a few objects it is all", func(t *testing.T) {
		k := &keyspace{keys: manyKeys("a", 3), keyed: func(key string) bool { return key == "a/000001" }}
		require.Equal(t, replication.SampleSeen{Looked: 3, Keyed: 1, Example: "a/000001", Under: "key-1"}, sampleOf(t, k))
	})
	t.Run("of a large bucket it comes by many folders", func(t *testing.T) {
		k := &keyspace{keys: manyKeys("abcdefgh", 500), keyed: func(key string) bool { return key >= "d" }}
		s := sampleOf(t, k)
		require.Equal(t, sampleObjects, s.Looked)
		require.Equal(t, samplePages, k.lists)
		require.Positive(t, s.Keyed)
		require.Less(t, s.Keyed, s.Looked)
	})
	t.Run("of many prefixes it takes some of each part", func(t *testing.T) {
		k := &keyspace{keys: manyKeys("abcdefghij", 500)}
		s := sampleOf(t, k, "a/", "b/", "c/", "d/", "e/", "f/", "g/", "h/", "i/", "j/")
		require.Equal(t, sampleObjects, s.Looked)
		require.Equal(t, samplePages, k.lists)
		require.Contains(t, k.heads[0], "a/")
		require.Contains(t, k.heads[len(k.heads)-1], "i/")
	})
	t.Run("what a poor prefix does not need goes to the next", func(t *testing.T) {
		k := &keyspace{keys: append(manyKeys("a", 1), manyKeys("b", 50)...)}
		require.Equal(t, sampleObjects, sampleOf(t, k, "a/", "b/").Looked)
	})
}

func TestASampleSaysWhatItDidNotSee(t *testing.T) {
	t.Run("because keys may not be listed", func(t *testing.T) {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") })
		s, err := c.Sample(t.Context(), src, nil)
		require.NoError(t, err)
		require.Contains(t, s.Unread, "ListObjectsV2")
		require.Contains(t, s.Unread, "AccessDenied")
	})
	t.Run("because one object may not be read", func(t *testing.T) {
		k := &keyspace{keys: manyKeys("a", 3), head: func(w http.ResponseWriter, _ *http.Request, key string) bool {
			if key != "a/000001" {
				return false
			}
			headError(w, "AccessDenied")
			return true
		}}
		s := sampleOf(t, k)
		require.Equal(t, 2, s.Looked)
		require.Contains(t, s.Unread, "AccessDenied")
	})
	t.Run("but an object that was deleted meanwhile is nothing", func(t *testing.T) {
		k := &keyspace{keys: manyKeys("a", 3), head: func(w http.ResponseWriter, _ *http.Request, key string) bool {
			if key != "a/000001" {
				return false
			}
			headError(w, "NoSuchKey")
			return true
		}}
		require.Equal(t, replication.SampleSeen{Looked: 2}, sampleOf(t, k))
	})
	t.Run("and what passes is an error, so that it is looked at again", func(t *testing.T) {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, "TotalQpsLimitExceeded") })
		_, err := c.Sample(t.Context(), src, nil)
		require.Equal(t, fault.Throttled, fault.Of(err))
	})
}

func TestASampleEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keyspace{keys: manyKeys("a", 50), keyed: func(string) bool { return true }, head: func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			select {
			case <-time.After(1100 * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		}}
		c, _ := serve(t, k.ServeHTTP)
		began := time.Now()
		s, err := c.Sample(t.Context(), src, nil)
		require.NoError(t, err)
		require.Equal(t, sampleTime, time.Since(began))
		require.Equal(t, 3, s.Looked)
		require.Contains(t, s.Unread, "there was time for no more within 4s")
		time.Sleep(time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Sample(ctx, src, nil)
		require.Equal(t, fault.Unknown, fault.Of(err), "the caller had no more time: that is no sample")
		time.Sleep(2 * time.Minute)
	})
}
