package ossrepl

import (
	"context"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

type encryptionXML struct {
	XMLName xml.Name                                      `xml:"ServerSideEncryptionRule"`
	Default struct{ SSEAlgorithm, KMSMasterKeyID string } `xml:"ApplyServerSideEncryptionByDefault"`
}

// Encryption reads the default encryption of a bucket. A bucket without one is
// answered 404 and has none. [fact 65]
func (c *Client) Encryption(ctx context.Context, e replication.End) (replication.EncryptionSeen, error) {
	const op = "GetBucketEncryption"
	var x encryptionXML
	err := c.read(ctx, op, e, map[string]string{"encryption": ""}, &x)
	if codeOf(err) == "NoSuchServerSideEncryptionRule" && ctx.Err() == nil {
		return replication.EncryptionSeen{}, nil
	}
	if err != nil {
		return replication.EncryptionSeen{}, fail(ctx, op, e.Bucket, err)
	}
	return replication.EncryptionSeen{Algorithm: x.Default.SSEAlgorithm, Key: x.Default.KMSMasterKeyID}, nil
}

// Bounds of a sample: a look at a bucket of any size takes no longer.
const (
	sampleObjects = 10 // that are looked at
	samplePages   = 5  // that are listed, spread over the prefixes
	samplePage    = 100
	sampleTime    = 4 * time.Second // then what was seen has to do
)

// Sample looks at the encryption of a few objects whose keys begin with any of the
// prefixes; no prefix means any key. What may not be read, and what there was no time
// for, is said in the sample and no error: it is for people, nothing rests on it.
func (c *Client) Sample(ctx context.Context, e replication.End, prefixes []string) (replication.SampleSeen, error) {
	within, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	s := sampler{c: c, end: e}
	err := s.run(within, spread(prefixes))
	switch kind := fault.Of(err); {
	case err == nil:
	case ctx.Err() == nil && within.Err() != nil:
		s.seen.Unread = fmt.Sprintf("there was time for no more within %s", sampleTime)
	case kind == fault.Denied:
		s.seen.Unread = fault.Line(err.Error())
	default:
		return replication.SampleSeen{}, err
	}
	return s.seen, nil
}

// spread chooses the prefixes to list, evenly over all of them.
func spread(prefixes []string) []string {
	if len(prefixes) == 0 {
		return []string{""}
	}
	n := min(len(prefixes), samplePages)
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = prefixes[i*len(prefixes)/n]
	}
	return chosen
}

// A sampler takes one sample.
type sampler struct {
	c    *Client
	end  replication.End
	seen replication.SampleSeen
}

func (s *sampler) run(ctx context.Context, prefixes []string) error {
	var keys []string
	for i, p := range prefixes {
		pages := samplePages / len(prefixes)
		page, err := s.list(ctx, p, pages)
		if err != nil {
			return err
		}
		share := (sampleObjects - len(keys)) / (len(prefixes) - i)
		keys = append(keys, evenly(page, share)...)
	}
	var refused error
	for _, k := range keys {
		switch err := s.head(ctx, k); fault.Of(err) {
		case fault.None, fault.NotFound: // deleted meanwhile
		case fault.Denied:
			refused = err
		default:
			return err
		}
	}
	return refused
}

// list returns keys with a prefix. The pages are not those that follow each other: each
// begins behind all keys that have the first character of the last one in common, so
// that a bucket of many folders is not judged by its first.
func (s *sampler) list(ctx context.Context, prefix string, pages int) (keys []string, err error) {
	req := &oss.ListObjectsV2Request{Bucket: &s.end.Bucket, MaxKeys: samplePage}
	if prefix != "" {
		req.Prefix = &prefix
	}
	for range pages {
		page, err := s.c.at(s.end).ListObjectsV2(ctx, req)
		if err != nil {
			return nil, fail(ctx, "ListObjectsV2", s.end.Bucket, err)
		}
		last := ""
		for _, o := range page.Contents {
			last = oss.ToString(o.Key)
			keys = append(keys, last)
		}
		if !page.IsTruncated || last == "" {
			break
		}
		after := prefix
		for _, r := range last[len(prefix):] {
			after += string(r)
			break
		}
		req.StartAfter = oss.Ptr(after + "\U0010FFFF")
	}
	return keys, nil
}

// evenly returns n of the keys, or all, at equal distances.
func evenly(keys []string, n int) []string {
	if len(keys) <= n {
		return keys
	}
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = keys[i*len(keys)/n]
	}
	return chosen
}

// head looks at one object. It takes no right on a key. [fact 65]
func (s *sampler) head(ctx context.Context, key string) error {
	o, err := s.c.Head(ctx, s.end, key)
	if err != nil {
		return err
	}
	if o.Is != replication.Exists {
		return nil
	}
	s.seen.Looked++
	if o.SSE == "KMS" && o.KMSKey != "" {
		if s.seen.Keyed++; s.seen.Keyed == 1 {
			s.seen.Example, s.seen.Under = key, o.KMSKey
		}
	}
	return nil
}
