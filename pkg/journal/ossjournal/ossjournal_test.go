package ossjournal_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/journal/driver"
	"github.com/replidesk/replidesk/pkg/journal/journaltest"
	"github.com/replidesk/replidesk/pkg/journal/ossjournal"
)

// inBubble runs a test in virtual time with a state bucket of its own.
func inBubble(t *testing.T, run func(t *testing.T, h *harness)) {
	synctest.Test(t, func(t *testing.T) { run(t, newHarness(t, plain)) })
}

func program(d driver.Driver) *journal.Journal { return journal.New(d, journal.Options{Schema: 1}) }

func appendTo(t *testing.T, j *journal.Journal, log journal.Log, n int) journal.Snapshot {
	s, err := j.Load(t.Context(), log)
	require.NoError(t, err)
	for range n {
		s, err = j.Append(t.Context(), s, []byte(`{}`), journal.Meta{Writer: "test"})
		require.NoError(t, err)
	}
	return s
}

func TestKeysFollowTheDesign(t *testing.T) {
	for want, e := range map[string]struct {
		log driver.Log
		seq uint64
	}{
		"log/89b4/job/CHG-2041/999999999992":          {journal.Job("CHG-2041"), 7},
		"log/97e6/job/CHG-2041%2F7/999999999998":      {journal.Job("CHG-2041/7"), 1},
		"log/b688/pair/src-bucket%7Edst/999999999899": {journal.Pair("src-bucket~dst"), 100},
		"log/7f0b/bucket/dest-bucket/000000000001":    {journal.Bucket("dest-bucket"), driver.MaxSeq},
		"sweep/3/999999999998":                        {journal.Sweep(3), 1},
		"log/8d8e/job/%2E.%2Flog/999999999998":        {journal.Job("../log"), 1},
	} {
		key, err := ossjournal.EntryKey(e.log, e.seq)
		require.NoError(t, err)
		require.Equal(t, want, key)
	}
}

func TestALoadCostsTwoRequestsAndAnAppendOne(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		j := program(h.Open())
		s := appendTo(t, j, journal.Job("x"), 3)
		for _, c := range []struct {
			run  func() error
			want []string
		}{
			{func() error { _, err := j.Load(t.Context(), s.Log); return err }, []string{"ListObjectsV2", "GetObject"}},
			{func() error { _, err := j.Load(t.Context(), journal.Job("none")); return err }, []string{"ListObjectsV2"}},
			{func() error { _, err := j.Append(t.Context(), s, []byte(`1`), journal.Meta{}); return err }, []string{"PutObject"}},
			{func() error { _, err := j.Append(t.Context(), s, []byte(`2`), journal.Meta{}); return onlyLost(err) }, []string{"PutObject", "GetObject"}},
		} {
			_, from := h.cloud.World.Calls(0)
			require.NoError(t, c.run())
			calls, _ := h.cloud.World.Calls(from)
			var actions []string
			for _, call := range calls {
				actions = append(actions, call.Action)
			}
			require.Equal(t, c.want, actions)
		}
	})
}

func onlyLost(err error) error {
	if fault.Of(err) == fault.Conflict {
		return nil
	}
	return fmt.Errorf("not a lost race: %w", err)
}

func TestEveryAttemptToCreateIsAnsweredFor(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		d := h.Open()
		h.Break(journaltest.Fault{Call: journaltest.Create, Kind: journaltest.LoseReply})
		_, from := h.cloud.World.Calls(0)
		_, err := d.Create(t.Context(), journal.Job("x"), 1, []byte("x"))
		require.Equal(t, fault.Unknown, fault.Of(err))
		calls, from := h.cloud.World.Calls(from)
		require.Len(t, calls, 1, "the SDK would try again, if it could")
		_, err = d.PutMarker(t.Context(), "open/1/x", []byte("x"))
		require.Equal(t, fault.Unknown, fault.Of(err))
		calls, _ = h.cloud.World.Calls(from)
		require.Len(t, calls, 3, "a marker may be put as often as the SDK likes")
	})
}

func TestAJournalWorksOverASocket(t *testing.T) {
	h := newHarness(t, plain)
	server := httptest.NewServer(h.cloud)
	defer server.Close()
	client := oss.NewClient(oss.LoadDefaultConfig().WithRegion(region).WithEndpoint(server.URL).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(h.key.ID, h.key.Secret, "")))
	d := ossjournal.New(client, bucket)
	newest := appendTo(t, program(d), journal.Pair("a~b"), 3)
	_, err := d.Create(t.Context(), newest.Log, 3, []byte("x"))
	require.Equal(t, fault.Exists, fault.Of(err))
	v, err := program(d).Verify(t.Context(), newest.Log, newest.Anchor())
	require.NoError(t, err)
	require.Empty(t, v.Problems)
	require.Equal(t, 3, v.Entries)
}

func TestForeignObjectsAmongTheEntriesHideNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		j := program(h.Open())
		newest := appendTo(t, j, journal.Job("x"), 3)
		prefix := strings.TrimSuffix(keyOf(t, newest.Log, 3), "999999999996")
		h.plant(prefix, nil) // the console's "folder"
		for i := range 1200 {
			h.plant(fmt.Sprintf("%s!%04d", prefix, i), nil)
		}
		for _, junk := range []string{"000000000000", "99999999999", "9999999999960", "999999999996/x", "99999999999a", "+99999999996", "999999999997.bak"} {
			h.plant(prefix+junk, []byte("junk"))
		}
		s, err := j.Load(t.Context(), newest.Log)
		require.NoError(t, err)
		require.Equal(t, newest.Anchor(), s.Anchor())
		v, err := j.Verify(t.Context(), newest.Log)
		require.NoError(t, err)
		require.Empty(t, v.Problems)
		require.Equal(t, 3, v.Entries)
	})
}

func keyOf(t *testing.T, log driver.Log, seq uint64) string {
	key, err := ossjournal.EntryKey(log, seq)
	require.NoError(t, err)
	return key
}

func TestALogOfSeveralPagesIsListedWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		newest := appendTo(t, program(h.Open()), journal.Sweep(1), 2100)
		v, err := program(h.Open()).Verify(t.Context(), newest.Log, newest.Anchor())
		require.NoError(t, err)
		require.Empty(t, v.Problems)
		require.Equal(t, 2100, v.Entries)
	})
}

func TestABucketWithSuspendedVersioningIsNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		d := h.Open()
		s := appendTo(t, program(d), journal.Job("x"), 2)
		h.version(oss.VersionEnabled)
		h.version(oss.VersionSuspended)
		_, err := program(d).Append(t.Context(), s, []byte(`{}`), journal.Meta{})
		require.ErrorIs(t, err, journal.ErrVersioned)
	})
}

func TestAReadFromAVersionedBucketStopsLaterWrites(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		h.version(oss.VersionEnabled)
		h.plant("open/1/x", []byte("put by somebody"))
		d := h.Open()
		_, err := d.GetMarker(t.Context(), "open/1/x")
		require.NoError(t, err)
		_, err = d.Create(t.Context(), journal.Job("x"), 1, []byte("x"))
		require.ErrorIs(t, err, journal.ErrVersioned)
		_, _, err = d.Get(t.Context(), journal.Job("x"), 1)
		require.Equal(t, fault.NotFound, fault.Of(err), "it must not even have tried")
	})
}

func TestTheDocumentedRightsAreEnoughAndNotMore(t *testing.T) {
	policy := `{"Version":"1","Statement":[
		{"Effect":"Allow","Action":["oss:GetObject","oss:PutObject"],"Resource":"acs:oss:*:*:` + bucket + `/*"},
		{"Effect":"Allow","Action":["oss:ListObjects","oss:GetBucketInfo","oss:GetBucketLifecycle"],"Resource":"acs:oss:*:*:` + bucket + `"},
		{"Effect":"Allow","Action":"oss:DeleteObject","Resource":["acs:oss:*:*:` + bucket + `/sweep/*","acs:oss:*:*:` + bucket + `/open/*","acs:oss:*:*:` + bucket + `/watch/*"]}]}`
	inBubble(t, func(t *testing.T, h *harness) {
		time.Sleep(time.Minute)
		client := h.client(h.cloud.World.NewUserKey(h.owner, "function", []byte(policy)))
		time.Sleep(time.Minute) // the grant spreads
		s := ossjournal.New(client, bucket)
		require.NoError(t, s.Check(t.Context()))

		j := program(s)
		newest := appendTo(t, j, journal.Job("x"), 3)
		_, err := j.Verify(t.Context(), newest.Log)
		require.NoError(t, err)
		appendTo(t, j, journal.Sweep(1), 12)
		time.Sleep(48 * time.Hour)
		swept, err := j.Load(t.Context(), journal.Sweep(1))
		require.NoError(t, err)
		n, err := j.Prune(t.Context(), swept, 10)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		m := journal.NewMarks(s)
		mark := journal.Mark{Set: journal.Open, Shard: 1, ID: "x", Rev: 1}
		_, err = m.Put(t.Context(), mark, nil)
		require.NoError(t, err)
		require.NoError(t, m.Clear(t.Context(), mark))

		_, err = client.DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(keyOf(t, newest.Log, 3))})
		require.ErrorContains(t, err, "AccessDenied")
	})
}

func TestARefusalByOSSSaysWhatAndWhere(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		nobody := h.client(h.cloud.World.NewUserKey(h.owner, "nobody"))
		_, err := ossjournal.New(nobody, bucket).Create(t.Context(), journal.Job("x"), 1, []byte("x"))
		var fe *fault.Error
		require.ErrorAs(t, err, &fe)
		require.Equal(t, fault.Denied, fe.Kind)
		require.Equal(t, "AccessDenied", fe.Code)
		require.Len(t, fe.RequestID, 24)
		require.Contains(t, err.Error(), "PutObject "+keyOf(t, journal.Job("x"), 1))
		require.NotContains(t, err.Error(), "\n")

		_, _, err = ossjournal.New(h.admin, "no-such-bucket").Get(t.Context(), journal.Job("x"), 1)
		require.Equal(t, fault.Terminal, fault.Of(err), "that the bucket is missing must not look like an empty log")
		_, _, err = ossjournal.New(h.admin, "no-such-bucket").Head(t.Context(), journal.Job("x"))
		require.Equal(t, fault.Terminal, fault.Of(err))
		_, _, err = ossjournal.New(h.admin, "Not A Bucket").Head(t.Context(), journal.Job("x"))
		require.Equal(t, fault.Terminal, fault.Of(err))
	})
}

// A proxy is a way to OSS that changes replies.
type proxy struct {
	next   http.RoundTripper
	change func(*http.Response)
}

func (p proxy) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(req)
	if err == nil {
		p.change(resp)
	}
	return resp, err
}

func TestDamagedRepliesAreNotBelieved(t *testing.T) {
	without := func(name string) func(*http.Response) {
		return func(r *http.Response) { r.Header.Del(name) }
	}
	for name, change := range map[string]func(*http.Response){
		"a reply without a date":               without("Date"),
		"a reply without a time of the object": without("Last-Modified"),
		"a reply with another checksum":        func(r *http.Response) { r.Header.Set("X-Oss-Hash-Crc64ecma", "1") },
		"a reply with an odd date":             func(r *http.Response) { r.Header.Set("Date", "yesterday") },
		"a reply that ends early": func(r *http.Response) {
			if strings.Contains(r.Request.URL.Path, "log/") {
				r.Body = http.MaxBytesReader(nil, r.Body, 5)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *harness) {
				appendTo(t, program(h.Open()), journal.Job("x"), 1)
				through := ossjournal.New(h.clientOver(proxy{h.cloud.Transport(), change}), bucket)
				_, _, err := through.Get(t.Context(), journal.Job("x"), 1)
				require.Contains(t, []fault.Kind{fault.Retryable, fault.Unknown}, fault.Of(err))
			})
		})
	}
}

func TestACreateWithoutADateIsStillASuccess(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		s, err := program(h.Open()).Load(t.Context(), journal.Job("x"))
		require.NoError(t, err)
		through := ossjournal.New(h.clientOver(proxy{h.cloud.Transport(), func(r *http.Response) { r.Header.Del("Date") }}), bucket)
		time.Sleep(10 * time.Second)
		s, err = program(through).Append(t.Context(), s, []byte(`{}`), journal.Meta{})
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), s.Now(time.Now()), time.Second)
		require.WithinDuration(t, time.Now(), s.At, time.Second)

		_, _, err = through.Head(t.Context(), journal.Job("x"))
		require.Equal(t, fault.Retryable, fault.Of(err))
	})
}

func TestAnEntryThatWasDamagedOnItsWayIsNotStored(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		through := ossjournal.New(h.clientOver(damaging{h.cloud.Transport()}), bucket)
		_, err := through.Create(t.Context(), journal.Job("x"), 1, []byte(`{"a":1}`))
		require.Equal(t, fault.Retryable, fault.Of(err))
		_, _, err = h.Open().Get(t.Context(), journal.Job("x"), 1)
		require.Equal(t, fault.NotFound, fault.Of(err))
	})
}

// damaging is a way to OSS that changes what is sent.
type damaging struct{ next http.RoundTripper }

func (d damaging) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	r.Body = http.NoBody
	if req.ContentLength > 0 {
		r.Body = nopCloser{bytes.NewReader(bytes.Repeat([]byte("x"), int(req.ContentLength)))}
	}
	return d.next.RoundTrip(r)
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

func TestAnObjectThatIsFarTooLargeIsNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		h.Replace(journal.Job("x"), 1, make([]byte, 33<<20))
		_, _, err := h.Open().Get(t.Context(), journal.Job("x"), 1)
		require.Equal(t, fault.Terminal, fault.Of(err))
	})
}

func TestTheEndOfTheContextIsSeenBehindTheErrorOfAnEarlierAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness) {
		h.throttle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _, err := h.Open().Head(ctx, journal.Job("x"))
		require.Equal(t, fault.Unknown, fault.Of(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
