package ossrepl

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/replication"
)

// gapKeys is how many objects of the source one page of a comparison has. Each of them
// that was written in the gap takes a call for its copy, so many side by side.
const (
	gapKeys     = 400
	gapParallel = 8
)

// Gap compares one page of the source's objects in a scope with their copies, as far
// as they were written between from and to, by listings alone: that takes no right to
// read an object. A copy is equal when it has the size and the ETag of the original
// or, where an upload in parts may have another ETag, its Last-Modified, which copies
// have from their originals. [fact 12] [fact 35] Objects of our own do not count. Where
// the destination cannot be listed, all that was written counts as missing.
func (c *Client) Gap(ctx context.Context, source, destination replication.End, prefixes []string, g replication.Gap) (replication.GapSeen, error) {
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	s := replication.GapSeen{Next: g.Cursor}
	s.Next.Pages++
	if s.Next.Prefix >= len(prefixes) {
		s.Done = true
		return s, nil
	}
	objects, last, err := c.listAfter(ctx, source, prefixes[s.Next.Prefix], s.Next.After, gapKeys)
	if err != nil {
		return replication.GapSeen{}, err
	}
	var written []oss.ObjectProperties
	for _, o := range objects {
		s.Next.After = oss.ToString(o.Key)
		if strings.Contains(s.Next.After, ownFolder) {
			continue
		}
		s.Looked++
		// Last-Modified is cut off to the second.
		if m := oss.ToTime(o.LastModified); o.LastModified != nil && !m.Before(g.From.Truncate(time.Second)) && !m.After(g.To) {
			written = append(written, o)
		}
	}
	if g.Unlisted {
		s.Written, s.Missing = len(written), len(written)
		for _, o := range written {
			s.Examples = append(s.Examples, oss.ToString(o.Key))
		}
	} else if err := c.copies(ctx, destination, written, &s.GapFigures); err != nil {
		return replication.GapSeen{}, err
	}
	if last {
		s.Next.Prefix, s.Next.After = s.Next.Prefix+1, ""
		s.Done = s.Next.Prefix >= len(prefixes)
	}
	return s, nil
}

// listAfter lists objects that come after a key. last says that there are no more.
func (c *Client) listAfter(ctx context.Context, e replication.End, prefix, after string, n int32) (objects []oss.ObjectProperties, last bool, err error) {
	req := &oss.ListObjectsV2Request{Bucket: &e.Bucket, MaxKeys: n}
	if prefix != "" {
		req.Prefix = &prefix
	}
	if after != "" {
		req.StartAfter = &after
	}
	page, err := c.at(e).ListObjectsV2(ctx, req)
	if err != nil {
		return nil, false, fail(ctx, "ListObjectsV2", e.Bucket, err)
	}
	if page.IsTruncated && len(page.Contents) == 0 {
		return nil, false, fail(ctx, "ListObjectsV2", e.Bucket, &unreadable{err: errors.New("the listing does not advance")})
	}
	return page.Contents, !page.IsTruncated, nil
}

// copies counts which of the objects have an equal copy.
func (c *Client) copies(ctx context.Context, e replication.End, written []oss.ObjectProperties, f *replication.GapFigures) error {
	f.Written = len(written)
	equal, errs := make([]bool, len(written)), make([]error, len(written))
	turns := make(chan struct{}, gapParallel)
	var wg sync.WaitGroup
	for i, o := range written {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			equal[i], errs[i] = c.hasCopy(ctx, e, o)
		})
	}
	wg.Wait()
	for i, o := range written {
		if errs[i] != nil {
			return errs[i]
		}
		if !equal[i] {
			f.Missing++
			f.Examples = append(f.Examples, oss.ToString(o.Key))
		}
	}
	return nil
}

// hasCopy reports whether an object of this key stands at the destination that equals
// the original. The key itself is the first that begins with it.
func (c *Client) hasCopy(ctx context.Context, e replication.End, original oss.ObjectProperties) (bool, error) {
	objects, _, err := c.listAfter(ctx, e, oss.ToString(original.Key), "", 1)
	if err != nil || len(objects) == 0 || oss.ToString(objects[0].Key) != oss.ToString(original.Key) {
		return false, err
	}
	o := objects[0]
	sameTag := unquote(oss.ToString(o.ETag)) == unquote(oss.ToString(original.ETag))
	sameTime := o.LastModified != nil && original.LastModified != nil && o.LastModified.Equal(*original.LastModified)
	return o.Size == original.Size && (sameTag || sameTime), nil
}
