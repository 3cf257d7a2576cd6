package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/replidesk/replidesk/pkg/localcloud"
)

// clients are OSS clients of the user of an account, one a region: the demonstration uses
// the buckets as their owner would.
type clients struct {
	url, id, secret string
	keys            exampleKeys

	mu      sync.Mutex
	regions map[string]*oss.Client
	other   *clients // of account B; nil in its own
}

func newClients(c *localcloud.Cloud, k exampleKeys) *clients {
	other := &clients{url: c.URL, id: c.B.User.ID, secret: c.B.User.Secret, regions: map[string]*oss.Client{}}
	return &clients{keys: k, url: c.URL, id: c.A.User.ID, secret: c.A.User.Secret, regions: map[string]*oss.Client{}, other: other}
}

func (c *clients) at(p place) *oss.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.regions[p.region] == nil {
		c.regions[p.region] = oss.NewClient(oss.LoadDefaultConfig().
			WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.id, c.secret)).
			WithRegion(p.region).WithEndpoint(c.url).WithUsePathStyle(true).
			WithHttpClient(&http.Client{Timeout: 30 * time.Second}),
			func(o *oss.Options) { o.FeatureFlags &^= oss.FeatureCorrectClockSkew }) // it is written without a lock
	}
	return c.regions[p.region]
}

// seedExamples makes the buckets of the example tickets, with objects in them.
func seedExamples(ctx context.Context, c *clients) error {
	for _, p := range plans {
		if _, err := seed(ctx, c, p); err != nil {
			return fmt.Errorf("%s: %w", p.id, err)
		}
	}
	return nil
}

// A name is one version of one object; version is "" in a bucket without versions.
type name struct{ key, version string }

// A stored is what an object looks like.
type stored struct {
	etag, crc string
	size      int64
	marker    bool   // a delete marker
	key       string // of KMS, that it is encrypted under
}

// A pair is what the demonstration did to the buckets of one ticket, and what
// must therefore be at the destination. It is for one goroutine at a time.
type pair struct {
	plan
	clients *clients
	live    bool // the rule is in force: what is written now is new
	rng     *rand.Rand
	want    map[name]stored // at the destination
	foreign map[name]bool   // what the destination had before
}

// there is a client for the destination.
func (p *pair) there() *oss.Client {
	if p.across {
		return p.clients.other.at(p.dest)
	}
	return p.clients.at(p.dest)
}

// seed makes the buckets of a ticket and the objects that exist before it. A ticket
// without buckets gives a nil pair.
func seed(ctx context.Context, c *clients, p plan) (*pair, error) {
	if p.source.bucket == "" {
		return nil, nil
	}
	pr := &pair{plan: p, clients: c, rng: rand.New(rand.NewPCG(1, 2)), want: map[name]stored{}, foreign: map[name]bool{}}
	for _, at := range []place{p.source, p.dest} {
		c := c
		if at == p.dest && p.across {
			c = c.other
		}
		if _, err := c.at(at).PutBucket(ctx, &oss.PutBucketRequest{Bucket: &at.bucket}); err != nil {
			return nil, err
		}
		if p.versioned {
			_, err := c.at(at).PutBucketVersioning(ctx, &oss.PutBucketVersioningRequest{
				Bucket: &at.bucket, VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersionEnabled},
			})
			if err != nil {
				return nil, err
			}
		}
	}
	if err := pr.before(ctx); err != nil || !p.byHand {
		return pr, err
	}
	return pr, pr.ruleByHand(ctx)
}

// before writes what exists when the ticket comes.
func (p *pair) before(ctx context.Context) error {
	for i := range p.aside {
		if err := p.put(ctx, fmt.Sprintf(drafts+"%04d.txt", i)); err != nil {
			return err
		}
	}
	for i := range p.within {
		if err := p.put(ctx, p.key("old", i)); err != nil {
			return err
		}
		if p.versioned && i%5 == 0 {
			if err := p.put(ctx, p.key("old", i)); err != nil {
				return err
			}
		}
	}
	if p.versioned {
		if err := p.remove(ctx, p.key("old", 1)); err != nil {
			return err
		}
	}
	if p.multipart {
		if err := p.upload(ctx, p.key("scan", 0)); err != nil {
			return err
		}
	}
	if len(p.prefixes) == 0 {
		return nil
	}
	// The destination has something of its own outside the scope: it must stay.
	res, err := p.there().PutObject(ctx, &oss.PutObjectRequest{Bucket: &p.dest.bucket, Key: oss.Ptr("own/notes.txt"), Body: bytes.NewReader(p.content())})
	if err == nil {
		p.foreign[name{"own/notes.txt", oss.ToString(res.VersionId)}] = true
	}
	return err
}

// after writes while the rule is live: first what must not be copied, then what
// must, and at last it overwrites one object and deletes another that has arrived.
func (p *pair) after(ctx context.Context) error {
	p.live = true
	if len(p.prefixes) > 0 || p.tags != "" {
		for i := range 3 {
			if err := p.put(ctx, fmt.Sprintf(drafts+"new-%04d.txt", i)); err != nil {
				return err
			}
		}
	}
	for i := range p.fresh {
		if err := p.put(ctx, p.key("new", i)); err != nil {
			return err
		}
	}
	if p.slow { // nothing arrives soon
		return nil
	}
	if err := p.put(ctx, p.key("new", 0)); err != nil {
		return err
	}
	gone := p.key("new", 1)
	if err := p.arrived(ctx, gone); err != nil {
		return err
	}
	return p.remove(ctx, gone)
}

// key returns a key in the scope, spread over the prefixes.
func (p *pair) key(kind string, i int) string {
	prefix := ""
	if n := len(p.prefixes); n > 0 {
		prefix = p.prefixes[i%n]
	}
	return fmt.Sprintf("%s%s-%04d.txt", prefix, kind, i)
}

// content returns up to 4 KB that are never the same.
func (p *pair) content() []byte {
	b := make([]byte, 100+p.rng.IntN(4000))
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz \n"[p.rng.IntN(28)]
	}
	return b
}

// wanted reports whether what is written under this key now has to be copied.
func (p *pair) wanted(key string) bool { return p.covers(key) && (p.historical || p.live) }

func (p *pair) put(ctx context.Context, key string) error {
	body := p.content()
	req := &oss.PutObjectRequest{Bucket: &p.source.bucket, Key: &key, Body: bytes.NewReader(body)}
	if p.tags != "" && p.covers(key) {
		req.Tagging = &p.tags
	}
	want := stored{size: int64(len(body))}
	if p.kms { // comes under the source's key, and its copy under that of the ticket
		req.ServerSideEncryption, req.ServerSideEncryptionKeyId = oss.Ptr("KMS"), &p.clients.keys.source
		want.key = p.clients.keys.copies
	}
	res, err := p.clients.at(p.source).PutObject(ctx, req)
	if err == nil && p.wanted(key) {
		want.etag, want.crc = oss.ToString(res.ETag), oss.ToString(res.HashCRC64)
		p.want[name{key, oss.ToString(res.VersionId)}] = want
	}
	return err
}

// upload writes an object in two parts.
func (p *pair) upload(ctx context.Context, key string) error {
	c := p.clients.at(p.source)
	begun, err := c.InitiateMultipartUpload(ctx, &oss.InitiateMultipartUploadRequest{Bucket: &p.source.bucket, Key: &key})
	if err != nil {
		return err
	}
	var parts []oss.UploadPart
	size := 0
	for n, length := range []int{100 << 10, 50 << 10} {
		body := bytes.Repeat(p.content(), 1+length/100)[:length]
		size += length
		part, err := c.UploadPart(ctx, &oss.UploadPartRequest{
			Bucket: &p.source.bucket, Key: &key, UploadId: begun.UploadId, PartNumber: int32(n + 1), Body: bytes.NewReader(body),
		})
		if err != nil {
			return err
		}
		parts = append(parts, oss.UploadPart{PartNumber: int32(n + 1), ETag: part.ETag})
	}
	res, err := c.CompleteMultipartUpload(ctx, &oss.CompleteMultipartUploadRequest{
		Bucket: &p.source.bucket, Key: &key, UploadId: begun.UploadId, CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts},
	})
	if err == nil && p.wanted(key) {
		p.want[name{key, oss.ToString(res.VersionId)}] = stored{etag: oss.ToString(res.ETag), crc: oss.ToString(res.HashCRC64), size: int64(size)}
	}
	return err
}

// remove deletes an object plainly.
func (p *pair) remove(ctx context.Context, key string) error {
	res, err := p.clients.at(p.source).DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: &p.source.bucket, Key: &key})
	switch {
	case err != nil:
		return err
	case p.versioned && p.wanted(key):
		p.want[name{key, oss.ToString(res.VersionId)}] = stored{marker: true}
	case p.deletes:
		delete(p.want, name{key: key})
	}
	return nil
}

// arrived waits until the newest version of an object is at the destination.
func (p *pair) arrived(ctx context.Context, key string) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		head, err := p.there().HeadObject(ctx, &oss.HeadObjectRequest{Bucket: &p.dest.bucket, Key: &key})
		if err == nil {
			w, ok := p.want[name{key, oss.ToString(head.VersionId)}]
			if ok && w.etag == oss.ToString(head.ETag) {
				return nil
			}
		} else if !notFound(err) {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has not arrived in %s: %w", key, p.dest.bucket, ctx.Err())
		}
	}
}

func notFound(err error) bool {
	var e *oss.ServiceError
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound
}
