package ossrepl

import (
	"context"
	"errors"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/replication"
)

// Limits of one comparison: so many calls, of so many names each.
const (
	comparedPages = 8
	comparedKeys  = 1000
)

// errEnough says that a comparison has made all calls that it may.
var errEnough = errors.New("enough was compared")

// SameNames compares the current objects of two buckets under the prefixes, from
// their listings in key order: two calls for a thousand names of each, where asking
// for every single object would take a call for each and the right to read it. It
// ends where either listing ends, or after a fixed number of calls, or with ctx; the
// answer then says how far it came.
func (c *Client) SameNames(ctx context.Context, source, destination replication.End, prefixes []string) (replication.SameNamesSeen, error) {
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	var seen replication.SameNamesSeen
	calls := comparedPages
	for _, p := range prefixes {
		err := compare(ctx, &seen, &pages{c: c, end: source, prefix: p, calls: &calls}, &pages{c: c, end: destination, prefix: p, calls: &calls})
		if errors.Is(err, errEnough) || err != nil && ctx.Err() != nil && seen.Looked > 0 {
			return seen, nil
		}
		if err != nil {
			return replication.SameNamesSeen{}, err
		}
	}
	seen.Complete = true
	return seen, nil
}

// compare walks through two listings in key order until one of them ends: what the
// other still has is nowhere else.
func compare(ctx context.Context, seen *replication.SameNamesSeen, source, destination *pages) error {
	for {
		a, err := source.first(ctx)
		if err != nil || a == nil {
			return err
		}
		b, err := destination.first(ctx)
		if err != nil || b == nil {
			return err
		}
		x, y := oss.ToString(a.Key), oss.ToString(b.Key)
		switch {
		case strings.Contains(x, ownFolder):
			source.drop()
		case x < y:
			seen.Looked++
			source.drop()
		case x > y:
			destination.drop()
		default:
			seen.Looked++
			seen.Compare(x, a.Size, b.Size, unquote(oss.ToString(a.ETag)), unquote(oss.ToString(b.ETag)))
			source.drop()
			destination.drop()
		}
	}
}

// pages are a listing that is read page by page.
type pages struct {
	c      *Client
	end    replication.End
	prefix string
	calls  *int // how many may still be made, by all listings of the comparison
	page   []oss.ObjectProperties
	token  *string
	last   bool // there are no more pages
}

// first returns the first object that was not dropped, or nil at the end.
func (l *pages) first(ctx context.Context) (*oss.ObjectProperties, error) {
	for len(l.page) == 0 && !l.last {
		if *l.calls == 0 {
			return nil, errEnough
		}
		*l.calls--
		req := &oss.ListObjectsV2Request{Bucket: &l.end.Bucket, MaxKeys: comparedKeys, ContinuationToken: l.token}
		if l.prefix != "" {
			req.Prefix = &l.prefix
		}
		page, err := l.c.at(l.end).ListObjectsV2(ctx, req)
		if err != nil {
			return nil, fail(ctx, "ListObjectsV2", l.end.Bucket, err)
		}
		l.page, l.token, l.last = page.Contents, page.NextContinuationToken, !page.IsTruncated
	}
	if len(l.page) == 0 {
		return nil, nil
	}
	return &l.page[0], nil
}

func (l *pages) drop() { l.page = l.page[1:] }
