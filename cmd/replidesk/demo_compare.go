package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// A comparison is what was found in the destination of one or several pairs.
type comparison struct {
	inScope    int // versions and delete markers that have to be there
	replicated int // of those, how many are there and equal
	outOfScope int // what was copied although the ticket does not ask for it
	problems   []string
}

func (c *comparison) add(o comparison) {
	c.inScope += o.inScope
	c.replicated += o.replicated
	c.outOfScope += o.outOfScope
	c.problems = append(c.problems, o.problems...)
}

// canaryFolder marks objects that Replidesk writes to prove a rule.
const canaryFolder = ".replidesk/"

// compare looks at everything in the destination.
func (p *pair) compare(ctx context.Context) (comparison, error) {
	there, err := p.list(ctx)
	if err != nil {
		return comparison{}, fmt.Errorf("list %s: %w", p.dest.bucket, err)
	}
	if err := p.sums(ctx, there); err != nil {
		return comparison{}, fmt.Errorf("look at %s: %w", p.dest.bucket, err)
	}
	c := comparison{inScope: len(p.want)}
	for n, want := range p.want {
		got, ok := there[n]
		switch {
		case !ok:
			c.problems = append(c.problems, fmt.Sprintf("%s: %s is missing in %s", p.id, n, p.dest.bucket))
		case got != want:
			c.problems = append(c.problems, fmt.Sprintf("%s: %s in %s is not as in %s", p.id, n, p.dest.bucket, p.source.bucket))
		default:
			c.replicated++
		}
	}
	for n := range there {
		_, wanted := p.want[n]
		canary := strings.Contains(n.key, canaryFolder) && p.covers(n.key)
		if !wanted && !canary && !p.foreign[n] {
			c.outOfScope++
			c.problems = append(c.problems, fmt.Sprintf("%s: %s was copied to %s although the ticket does not ask for it", p.id, n, p.dest.bucket))
		}
	}
	for n := range p.foreign {
		if _, ok := there[n]; !ok {
			c.problems = append(c.problems, fmt.Sprintf("%s: %s has gone from %s", p.id, n, p.dest.bucket))
		}
	}
	slices.Sort(c.problems)
	return c, nil
}

func (n name) String() string {
	if n.version == "" {
		return n.key
	}
	return n.key + " (version " + n.version + ")"
}

// list returns everything in the destination, without checksums.
func (p *pair) list(ctx context.Context) (map[name]stored, error) {
	there, c := map[name]stored{}, p.there()
	if !p.versioned {
		for pages := c.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: &p.dest.bucket}); pages.HasNext(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, o := range page.Contents {
				there[name{key: oss.ToString(o.Key)}] = stored{etag: oss.ToString(o.ETag), size: o.Size}
			}
		}
		return there, nil
	}
	for pages := c.NewListObjectVersionsPaginator(&oss.ListObjectVersionsRequest{Bucket: &p.dest.bucket}); pages.HasNext(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range page.ObjectVersions {
			there[name{oss.ToString(v.Key), oss.ToString(v.VersionId)}] = stored{etag: oss.ToString(v.ETag), size: v.Size}
		}
		for _, m := range page.ObjectDeleteMarkers {
			there[name{oss.ToString(m.Key), oss.ToString(m.VersionId)}] = stored{marker: true}
		}
	}
	return there, nil
}

// sums adds the checksums, which only a look at each object gives.
func (p *pair) sums(ctx context.Context, there map[name]stored) error {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		failed error
	)
	names := make(chan name)
	for range 8 {
		wg.Go(func() {
			for n := range names {
				req := &oss.HeadObjectRequest{Bucket: &p.dest.bucket, Key: &n.key}
				if n.version != "" {
					req.VersionId = &n.version
				}
				head, err := p.there().HeadObject(ctx, req)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					s := there[n]
					s.crc, s.key = oss.ToString(head.HashCRC64), oss.ToString(head.ServerSideEncryptionKeyId)
					there[n] = s
				}
				mu.Unlock()
			}
		})
	}
	mu.Lock()
	var all []name
	for n, s := range there {
		if !s.marker {
			all = append(all, n)
		}
	}
	mu.Unlock()
	for _, n := range all {
		names <- n
	}
	close(names)
	wg.Wait()
	return failed
}
