package world

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// minPart is the least size in bytes of every part but the last.
	minPart = 100 << 10
	maxPart = 10000 // part numbers
)

// StartUpload begins a multipart upload; head has the key and what the headers say.
// How the object is encrypted is settled here.
func (w *World) StartUpload(bucket string, head Version, forbidOverwrite bool) (Upload, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return Upload{}, e
	}
	if e := checkKey(head.Key); e != nil {
		return Upload{}, e
	}
	if e := firstOf(b.mayOverwrite(head.Key, forbidOverwrite), w.encrypt(b, &head, now)); e != nil {
		return Upload{}, e
	}
	u := &Upload{ID: strings.ToUpper(w.hex(32)), Key: head.Key, Initiated: now.UTC(), Head: head, Parts: map[int]Part{}}
	b.uploads[u.ID] = u
	w.uploadStarted(b, u, now)
	return u.copy(), nil
}

func (u *Upload) copy() Upload {
	c := *u
	c.Parts = maps.Clone(u.Parts)
	return c
}

// upload finds a running upload for callers that hold the lock.
func (w *World) upload(bucket, key, id string) (*Bucket, *Upload, *Error) {
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, nil, e
	}
	if u := b.uploads[id]; u != nil && u.Key == key {
		return b, u, nil
	}
	return nil, nil, refuseEC(404, "NoSuchUpload", "0042-00000002", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").With("UploadId", id)
}

// UploadPart stores one part; a part of the same number is replaced.
func (w *World) UploadPart(bucket, key, uploadID string, number int, data []byte) (Part, *Error) {
	sum := md5.Sum(data)
	p := Part{Number: number, Data: data, ETag: strings.ToUpper(hex.EncodeToString(sum[:])), CRC64: crc64.Checksum(data, ecma)}
	now := w.enter()
	defer w.mu.Unlock()
	b, u, e := w.upload(bucket, key, uploadID)
	if e != nil {
		return Part{}, e
	}
	if number < 1 || number > maxPart {
		return Part{}, refuse(400, "InvalidArgument", "Part number must be an integer between 1 and 10000.").
			With("ArgumentName", "partNumber").With("ArgumentValue", fmt.Sprint(number))
	}
	p.Modified = now.UTC().Truncate(time.Second)
	u.Parts[number] = p
	w.partUploaded(b, u, p, now)
	return p, nil
}

// A PartRef names a part in the call that completes an upload.
type PartRef struct {
	Number int
	ETag   string // without quotes
}

// CompleteUpload joins the parts, which must be in ascending order, into the
// object. nil parts take all that were uploaded. acl, unless "", replaces the one
// given at the start. It refuses with InvalidPart, InvalidPartOrder,
// EntityTooSmall, FileAlreadyExists or NoSuchUpload.
func (w *World) CompleteUpload(bucket, key, uploadID string, parts []PartRef, forbidOverwrite bool, acl string) (*Version, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, u, e := w.upload(bucket, key, uploadID)
	if e != nil {
		return nil, e
	}
	if parts == nil {
		for _, n := range slices.Sorted(maps.Keys(u.Parts)) {
			parts = append(parts, PartRef{n, u.Parts[n].ETag})
		}
	}
	v := u.Head
	if e := v.join(u, parts); e != nil {
		return nil, e
	}
	if e := b.mayOverwrite(key, forbidOverwrite); e != nil {
		return nil, e
	}
	v.Type = "Multipart"
	v.ACL = or(acl, v.ACL)
	delete(b.uploads, uploadID)
	stored := w.storeObject(b, v, now)
	w.uploadEnded(b, u, stored, now)
	return stored, nil
}

// join puts the parts together into v.
func (v *Version) join(u *Upload, parts []PartRef) *Error {
	if e := u.check(parts); e != nil {
		return e
	}
	sums := md5.New()
	for _, ref := range parts {
		p := u.Parts[ref.Number]
		sum := md5.Sum(p.Data)
		sums.Write(sum[:])
		v.PartSizes = append(v.PartSizes, len(p.Data))
		v.Data = append(v.Data, p.Data...)
	}
	v.CRC64 = crc64.Checksum(v.Data, ecma)
	v.ETag = fmt.Sprintf("%s-%d", strings.ToUpper(hex.EncodeToString(sums.Sum(nil))), len(parts))
	return nil
}

// check refuses a list of parts that cannot be joined: first for what it says of
// the parts, then for their sizes.
func (u *Upload) check(parts []PartRef) *Error {
	if len(parts) == 0 {
		return refuse(400, "InvalidPart", "One or more of the specified parts could not be found.")
	}
	for i, ref := range parts {
		p, found := u.Parts[ref.Number]
		switch {
		case i > 0 && ref.Number <= parts[i-1].Number:
			return refuse(400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts list must specified in order by part number.")
		case !found || !strings.EqualFold(ref.ETag, p.ETag):
			return refuse(400, "InvalidPart", "One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag.").
				With("PartNumber", fmt.Sprint(ref.Number)).With("UploadId", u.ID)
		}
	}
	for _, ref := range parts[:len(parts)-1] {
		if size := len(u.Parts[ref.Number].Data); size < minPart {
			return refuse(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.").
				With("MinSizeAllowed", fmt.Sprint(minPart)).With("PartNumber", fmt.Sprint(ref.Number)).With("ProposedSize", fmt.Sprint(size))
		}
	}
	return nil
}

// AbortUpload drops an upload and its parts.
func (w *World) AbortUpload(bucket, key, uploadID string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	b, u, e := w.upload(bucket, key, uploadID)
	if e != nil {
		return e
	}
	w.dropUpload(b, u, now)
	return nil
}

// dropUpload aborts an upload for a client or for a lifecycle rule.
func (w *World) dropUpload(b *Bucket, u *Upload, now time.Time) {
	delete(b.uploads, u.ID)
	w.uploadEnded(b, u, nil, now)
}

// uploadsByKey returns the running uploads by key and then by upload id.
func (b *Bucket) uploadsByKey() []*Upload {
	return slices.SortedFunc(maps.Values(b.uploads), func(a, b *Upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID))
	})
}

// Upload returns a running upload with its parts.
func (w *World) Upload(bucket, key, uploadID string) (Upload, *Error) {
	w.enter()
	defer w.mu.Unlock()
	_, u, e := w.upload(bucket, key, uploadID)
	if e != nil {
		return Upload{}, e
	}
	return u.copy(), nil
}

// Uploads returns the running uploads of a bucket, by key and then by upload id,
// without those begun within behind.
func (w *World) Uploads(bucket string, behind time.Duration) ([]Upload, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	var found []Upload
	for _, u := range b.uploadsByKey() {
		if behind == 0 || now.Sub(u.Initiated) > behind {
			found = append(found, u.copy())
		}
	}
	return found, nil
}
