// Package ossjournal keeps logs and markers as objects in one OSS bucket, which must
// be private, encrypted with SSE-OSS, without lifecycle rules, and never versioned.
// [Store.Check] tells whether it is.
//
//	log/<4 hex of the hash>/<job|pair|bucket>/<name>/<countdown>   entries, kept for ever
//	sweep/<shard>/<countdown>                                      entries, pruned
//	open/<shard>/<id>/<rev>, watch/<shard>/<id>/<rev>, sample/...  markers
//
// An entry is put with x-oss-forbid-overwrite, which makes it at most once as long
// as the bucket was never versioned; OSS ignores the header otherwise [fact 25]. A
// versioned bucket gives itself away by x-oss-version-id in its replies: from the
// first such reply on a Store writes nothing more.
//
// The program that uses this package needs oss:GetObject, oss:PutObject and
// oss:ListObjects on the bucket, oss:DeleteObject outside log/ only, and for Check
// oss:GetBucketInfo and oss:GetBucketLifecycle.
package ossjournal

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// maxObject is the largest object that is read, in bytes. The largest that this
// program writes is the state of a shard of the watch, which is bounded far below;
// a larger one was put there by somebody else.
const maxObject = 32 << 20

// Client is what a Store calls. *oss.Client is one. Whether it retries by itself
// does not matter.
type Client interface {
	PutObject(context.Context, *oss.PutObjectRequest, ...func(*oss.Options)) (*oss.PutObjectResult, error)
	GetObject(context.Context, *oss.GetObjectRequest, ...func(*oss.Options)) (*oss.GetObjectResult, error)
	ListObjectsV2(context.Context, *oss.ListObjectsV2Request, ...func(*oss.Options)) (*oss.ListObjectsV2Result, error)
	DeleteObject(context.Context, *oss.DeleteObjectRequest, ...func(*oss.Options)) (*oss.DeleteObjectResult, error)
	GetBucketInfo(context.Context, *oss.GetBucketInfoRequest, ...func(*oss.Options)) (*oss.GetBucketInfoResult, error)
	GetBucketLifecycle(context.Context, *oss.GetBucketLifecycleRequest, ...func(*oss.Options)) (*oss.GetBucketLifecycleResult, error)
}

// A Store keeps logs and markers in one bucket. It is safe for concurrent use.
type Store struct {
	client    Client
	bucket    string
	versioned atomic.Bool // a reply has shown that the bucket is or was versioned
}

var _ driver.Store = (*Store)(nil)

// New makes a Store over a bucket. It calls nothing.
func New(client Client, bucket string) *Store { return &Store{client: client, bucket: bucket} }

// Head implements driver.Driver.
func (s *Store) Head(ctx context.Context, log driver.Log) (uint64, driver.Stamp, error) {
	entries, stamp, err := s.entries(ctx, log, 0, 1)
	if err != nil || len(entries) == 0 {
		return 0, stamp, err
	}
	stamp.Modified = entries[0].Modified
	return entries[0].Seq, stamp, nil
}

// Create implements driver.Driver. It makes one attempt: package journal sends the
// same bytes again, and wants to know of every attempt what became of it. The SDK
// does not send a body again that it cannot rewind, however it was set up.
func (s *Store) Create(ctx context.Context, log driver.Log, seq uint64, data []byte) (driver.Stamp, error) {
	key, err := EntryKey(log, seq)
	if err != nil {
		return driver.Stamp{}, err
	}
	return s.put(ctx, key, data, struct{ io.Reader }{bytes.NewReader(bytes.Clone(data))})
}

// Get implements driver.Driver.
func (s *Store) Get(ctx context.Context, log driver.Log, seq uint64) ([]byte, driver.Stamp, error) {
	key, err := EntryKey(log, seq)
	if err != nil {
		return nil, driver.Stamp{}, err
	}
	return s.get(ctx, key)
}

// List implements driver.Lister.
func (s *Store) List(ctx context.Context, log driver.Log, before uint64, limit int) ([]driver.Entry, error) {
	entries, _, err := s.entries(ctx, log, before, limit)
	return entries, err
}

// Delete implements driver.Pruner.
func (s *Store) Delete(ctx context.Context, log driver.Log, seq uint64) error {
	key, err := EntryKey(log, seq)
	if err != nil {
		return err
	}
	if !log.Prunable() {
		return &fault.Error{Kind: fault.Terminal, Op: "DeleteObject", Resource: key, Err: errors.New("entries of this log are kept for ever")}
	}
	return s.delete(ctx, key)
}

// put creates an object that does not exist yet. body gives the data.
func (s *Store) put(ctx context.Context, key string, data []byte, body io.Reader) (driver.Stamp, error) {
	if s.versioned.Load() {
		return driver.Stamp{}, s.refuseVersioned(key)
	}
	sum := md5.Sum(data) // OSS stores nothing that does not match it, so a damaged entry cannot come to be
	res, err := s.client.PutObject(ctx, &oss.PutObjectRequest{
		Bucket: oss.Ptr(s.bucket), Key: oss.Ptr(key), Body: body, ContentLength: oss.Ptr(int64(len(data))),
		ForbidOverwrite: oss.Ptr("true"), ContentMD5: oss.Ptr(base64.StdEncoding.EncodeToString(sum[:])),
		ContentType: oss.Ptr("application/json"),
	})
	if err != nil {
		return driver.Stamp{}, s.fail(ctx, "PutObject", key, err)
	}
	if s.sawVersion(res.Headers) {
		return driver.Stamp{}, s.refuseVersioned(key)
	}
	return driver.Stamp{Now: date(res.Headers)}, nil
}

func (s *Store) get(ctx context.Context, key string) ([]byte, driver.Stamp, error) {
	res, err := s.client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(s.bucket), Key: oss.Ptr(key)})
	if err != nil {
		stamp := driver.Stamp{}
		var se *oss.ServiceError
		if errors.As(err, &se) {
			stamp.Now = date(se.Headers)
		}
		return nil, stamp, s.fail(ctx, "GetObject", key, err)
	}
	defer res.Body.Close()
	s.sawVersion(res.Headers)
	data, err := io.ReadAll(io.LimitReader(res.Body, maxObject+1))
	if err != nil {
		return nil, driver.Stamp{}, s.fail(ctx, "GetObject", key, err)
	}
	if len(data) > maxObject {
		return nil, driver.Stamp{}, &fault.Error{Kind: fault.Terminal, Op: "GetObject", Resource: key, Err: fmt.Errorf("the object has more than %d bytes", maxObject)}
	}
	stamp := driver.Stamp{Now: date(res.Headers)}
	if res.LastModified != nil {
		stamp.Modified = res.LastModified.UTC()
	}
	if problem := damaged(res, data, stamp); problem != nil {
		return nil, driver.Stamp{}, &fault.Error{Kind: fault.Retryable, Op: "GetObject", Resource: key, RequestID: res.Headers.Get(oss.HeaderOssRequestID), Err: problem}
	}
	return data, stamp, nil
}

// damaged says what is wrong with a reply that was not refused.
func damaged(res *oss.GetObjectResult, data []byte, stamp driver.Stamp) error {
	if stamp.Now.IsZero() || stamp.Modified.IsZero() {
		return errors.New("the reply has no Date or no Last-Modified")
	}
	want := oss.ToString(res.HashCRC64)
	if got := strconv.FormatUint(crc64.Checksum(data, crc64.MakeTable(crc64.ECMA)), 10); want != "" && got != want {
		return fmt.Errorf("the object arrived with CRC-64 %s instead of %s", got, want)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string) error {
	res, err := s.client.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: oss.Ptr(s.bucket), Key: oss.Ptr(key)})
	if err != nil {
		return s.fail(ctx, "DeleteObject", key, err)
	}
	s.sawVersion(res.Headers)
	return nil
}

// entries lists a log, newest first. Objects in between that are no entries, such as
// the "folders" that the console makes, are passed over.
func (s *Store) entries(ctx context.Context, log driver.Log, before uint64, limit int) ([]driver.Entry, driver.Stamp, error) {
	prefix, err := logPrefix(log)
	if err != nil {
		return nil, driver.Stamp{}, err
	}
	after := ""
	if before > 0 && before <= driver.MaxSeq {
		after = prefix + countdown(before)
	}
	for size := limit; ; size = pageSize {
		res, err := s.list(ctx, prefix, after, size)
		if err != nil {
			return nil, driver.Stamp{}, err
		}
		var entries []driver.Entry
		for _, o := range res.Contents {
			after = oss.ToString(o.Key)
			if seq, ok := parseCountdown(strings.TrimPrefix(after, prefix)); ok && len(entries) < limit {
				entries = append(entries, driver.Entry{Seq: seq, Modified: utc(o.LastModified)})
			}
		}
		if len(entries) > 0 || !res.IsTruncated || len(res.Contents) == 0 {
			return entries, driver.Stamp{Now: date(res.Headers)}, nil
		}
	}
}

// pageSize is the most that OSS lists at once.
const pageSize = 1000

func (s *Store) list(ctx context.Context, prefix, after string, limit int) (*oss.ListObjectsV2Result, error) {
	req := &oss.ListObjectsV2Request{Bucket: oss.Ptr(s.bucket), Prefix: oss.Ptr(prefix), MaxKeys: int32(max(1, min(limit, pageSize)))}
	if after != "" {
		req.StartAfter = oss.Ptr(after)
	}
	res, err := s.client.ListObjectsV2(ctx, req)
	if err != nil {
		return nil, s.fail(ctx, "ListObjectsV2", prefix, err)
	}
	if date(res.Headers).IsZero() {
		return nil, &fault.Error{Kind: fault.Retryable, Op: "ListObjectsV2", Resource: prefix, Err: errors.New("the reply has no Date")}
	}
	return res, nil
}

// sawVersion notes a reply that only a versioned bucket gives, and reports it.
func (s *Store) sawVersion(h http.Header) bool {
	if len(h.Values("X-Oss-Version-Id")) == 0 {
		return false
	}
	s.versioned.Store(true)
	return true
}

func (s *Store) refuseVersioned(key string) error {
	return &fault.Error{Kind: fault.Terminal, Op: "PutObject", Resource: key, Err: fmt.Errorf("bucket %s: %w", s.bucket, driver.ErrVersioned)}
}

// fail classifies an error, and notes what its reply gave away.
func (s *Store) fail(ctx context.Context, op, resource string, err error) error {
	var se *oss.ServiceError
	if errors.As(err, &se) {
		s.sawVersion(se.Headers)
	}
	return classify(ctx, op, resource, err)
}

// date returns the time of a reply [fact 26], or the zero time when it does not tell.
func date(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
