package ossrepl

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Head reads an object: content by its size, ETag and CRC-64 [fact 12], user
// metadata, and Last-Modified, which a replica has from its source [fact 35].
func (c *Client) Head(ctx context.Context, e replication.End, key string) (replication.ObjectSeen, error) {
	res, err := c.at(e).HeadObject(ctx, &oss.HeadObjectRequest{Bucket: &e.Bucket, Key: &key})
	if se := serviceError(err); se != nil && ctx.Err() == nil && se.StatusCode == http.StatusNotFound {
		hidden := strings.EqualFold(se.Headers.Get("x-oss-delete-marker"), "true")
		// An answer to HEAD has no body, and its code in a header may be missing.
		if hidden || se.Code == "NoSuchKey" || se.Code == "BadErrorResponse" {
			return replication.ObjectSeen{Is: replication.Missing, Hidden: hidden}, nil
		}
	}
	if err != nil {
		return replication.ObjectSeen{}, fail(ctx, "HeadObject", e.Bucket+"/"+key, err)
	}
	s := replication.ObjectSeen{
		Is: replication.Exists, Size: res.ContentLength, ETag: unquote(oss.ToString(res.ETag)), CRC64: oss.ToString(res.HashCRC64),
		VersionID: oss.ToString(res.VersionId), Meta: res.Metadata,
		SSE: oss.ToString(res.ServerSideEncryption), KMSKey: oss.ToString(res.ServerSideEncryptionKeyId),
	}
	if res.LastModified != nil {
		s.LastModified = res.LastModified.UTC()
	}
	return s, nil
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }

// Put writes an object and returns it as the answer describes it; LastModified is
// not part of the answer. The SDK compares the CRC-64, and a difference is
// fault.Unknown: something was stored.
func (c *Client) Put(ctx context.Context, e replication.End, o replication.Canary) (replication.ObjectSeen, error) {
	meta := map[string]string{}
	for name, value := range o.Meta {
		meta[strings.ToLower(name)] = value
	}
	var tags *string
	if len(o.Tags) > 0 {
		tags = oss.Ptr(tagging(o.Tags))
	}
	var sse *string
	if o.SSE != "" {
		sse = &o.SSE
	}
	res, err := c.at(e).PutObject(ctx, &oss.PutObjectRequest{
		Tagging: tags, ServerSideEncryption: sse, Bucket: &e.Bucket, Key: &o.Key, Body: strings.NewReader(o.Content), Metadata: meta,
		ContentType: oss.Ptr("text/plain; charset=utf-8"),
	})
	if err != nil {
		return replication.ObjectSeen{}, fail(ctx, "PutObject", e.Bucket+"/"+o.Key, err)
	}
	return replication.ObjectSeen{
		Is: replication.Exists, Size: int64(len(o.Content)), ETag: unquote(oss.ToString(res.ETag)), CRC64: oss.ToString(res.HashCRC64),
		VersionID: oss.ToString(res.VersionId), Meta: meta,
	}, nil
}

// tagging writes tags as the header x-oss-tagging has them. A space becomes %20,
// which means a space to every decoder. It takes a right of its own. [fact 49]
func tagging(tags []replication.Tag) string {
	var s []string
	escape := func(t string) string { return strings.ReplaceAll(url.QueryEscape(t), "+", "%20") }
	for _, t := range tags {
		s = append(s, escape(t.Key)+"="+escape(t.Value))
	}
	return strings.Join(s, "&")
}

// Delete deletes an object without naming a version: in a versioned bucket that
// makes a delete marker. That there is no object is not an error.
func (c *Client) Delete(ctx context.Context, e replication.End, key string) error {
	_, err := c.at(e).DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: &e.Bucket, Key: &key})
	return fail(ctx, "DeleteObject", e.Bucket+"/"+key, err)
}

// Purge removes every version and delete marker of exactly these keys; the same
// call again removes what is left. A key that OSS refuses to remove (a right that
// we lack, a retention policy) is left, which is not an error. Any other failure
// ends the call: left then also holds the keys that were not dealt with.
func (c *Client) Purge(ctx context.Context, e replication.End, keys []string) (left []string, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	bucket, err := c.bucketInfo(ctx, e)
	if codeOf(err) == "NoSuchBucket" && ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return keys, fail(ctx, "GetBucketInfo", e.Bucket, err)
	}
	purge := c.Delete
	if bucket.Versioning != "" {
		purge = c.purgeVersions
	}
	for i, key := range keys {
		switch err := purge(ctx, e, key); fault.Of(err) {
		case fault.None:
		case fault.Denied, fault.Terminal, fault.Conflict:
			left = append(left, key)
		default:
			return append(left, keys[i:]...), err
		}
	}
	return left, nil
}

// purgeVersions removes all versions and delete markers of one key. Versions from
// before the bucket kept any have the id "null".
func (c *Client) purgeVersions(ctx context.Context, e replication.End, key string) error {
	resource := e.Bucket + "/" + key
	req := &oss.ListObjectVersionsRequest{Bucket: &e.Bucket, Prefix: &key, EncodingType: oss.Ptr("url"), MaxKeys: 1000}
	for {
		page, err := c.at(e).ListObjectVersions(ctx, req)
		if err != nil {
			return fail(ctx, "ListObjectVersions", resource, err)
		}
		for _, id := range versionsOf(page, key) {
			_, err := c.at(e).DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: &e.Bucket, Key: &key, VersionId: &id})
			if codeOf(err) != "NoSuchVersion" && err != nil {
				return fail(ctx, "DeleteObject", resource, err)
			}
		}
		next := oss.ToString(page.NextKeyMarker)
		if !page.IsTruncated || next != key { // the key itself comes before all that begin with it
			return nil
		}
		if next == oss.ToString(req.KeyMarker) && oss.ToString(page.NextVersionIdMarker) == oss.ToString(req.VersionIdMarker) {
			return fail(ctx, "ListObjectVersions", resource, &unreadable{err: errors.New("the listing does not advance")})
		}
		req.KeyMarker, req.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}

func versionsOf(page *oss.ListObjectVersionsResult, key string) []string {
	var ids []string
	add := func(k, id *string) {
		if oss.ToString(k) == key {
			ids = append(ids, cmp.Or(oss.ToString(id), "null"))
		}
	}
	for _, v := range page.ObjectVersions {
		add(v.Key, v.VersionId)
	}
	for _, v := range page.ObjectDeleteMarkers {
		add(v.Key, v.VersionId)
	}
	return ids
}

// ownFolder is part of the key of every object of our own.
const ownFolder = ".replidesk/"

// emptyPage is how many keys one look at a scope reads: more than a few objects of
// our own stand in none.
const emptyPage = 100

// Empty reports whether no key begins with any of the prefixes; no prefix means any
// key. An object behind a delete marker does not count: nothing can overwrite it.
//
// Objects of our own proofs, which earlier tickets left where their rules keep what
// was deleted, do not count: nobody minds when they are overwritten.
func (c *Client) Empty(ctx context.Context, e replication.End, prefixes []string) (bool, error) {
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	for _, p := range prefixes {
		req := &oss.ListObjectsV2Request{Bucket: &e.Bucket, MaxKeys: emptyPage}
		if p != "" {
			req.Prefix = &p
		}
		page, err := c.at(e).ListObjectsV2(ctx, req)
		if err != nil {
			return false, fail(ctx, "ListObjectsV2", e.Bucket, err)
		}
		if page.IsTruncated || slices.ContainsFunc(page.Contents, func(o oss.ObjectProperties) bool { return !strings.Contains(oss.ToString(o.Key), ownFolder) }) {
			return false, nil
		}
	}
	return true, nil
}
