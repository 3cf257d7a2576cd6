package world

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc64"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxKey is the longest object name in bytes.
const maxKey = 1023

// ecma is the polynomial of x-oss-hash-crc64ecma.
var ecma = crc64.MakeTable(crc64.ECMA)

// digest fills in what follows from the content.
func (v *Version) digest() {
	sum := md5.Sum(v.Data)
	v.ETag = strings.ToUpper(hex.EncodeToString(sum[:]))
	v.ContentMD5 = base64.StdEncoding.EncodeToString(sum[:])
	v.CRC64 = crc64.Checksum(v.Data, ecma)
}

// PutObject stores a new version of v.Key. The caller gives the key, the content
// and what the headers say; the rest is filled in from the content, the bucket and
// the clock. forbidOverwrite refuses with FileAlreadyExists when there is an object
// of that name; it is not looked at in a bucket whose versioning was ever enabled.
func (w *World) PutObject(bucket string, v Version, forbidOverwrite bool) (*Version, *Error) {
	return w.CopyObject(bucket, v, false, forbidOverwrite)
}

// CopyObject is [World.PutObject] of what another object holds, or the same one. A copy
// of an object onto itself (itself) that changes its storage class and nothing else is
// not replicated, as a transition by a lifecycle rule is not.
func (w *World) CopyObject(bucket string, v Version, itself, forbidOverwrite bool) (*Version, *Error) {
	v.Type = "Normal"
	v.digest()
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	if e := firstOf(checkKey(v.Key), b.mayOverwrite(v.Key, forbidOverwrite), w.encrypt(b, &v, now)); e != nil {
		return nil, e
	}
	old := b.latest(v.Key)
	stored, replaced := w.keepObject(b, v, now)
	if itself && old != nil && stored.isButForClass(old) {
		w.reclassified(b, stored, now)
	} else {
		w.wrote(b, stored, replaced, now)
	}
	w.broadcast()
	return stored, nil
}

// noType is the content type of an object for which none was given.
const noType = "application/octet-stream"

// isButForClass reports whether v is what another version of its key was, in another
// storage class. A multipart object that is copied becomes a normal one with another
// ETag, so the content decides.
func (v *Version) isButForClass(o *Version) bool {
	return !o.DeleteMarker && v.StorageClass != o.StorageClass && v.CRC64 == o.CRC64 && len(v.Data) == len(o.Data) &&
		or(v.ContentType, noType) == or(o.ContentType, noType) && v.CacheControl == o.CacheControl && v.ContentDisposition == o.ContentDisposition &&
		v.ContentEncoding == o.ContentEncoding && v.Expires == o.Expires && maps.Equal(v.Meta, o.Meta) &&
		slices.Equal(v.Tags, o.Tags) && v.ACL == o.ACL && v.SSE == o.SSE && v.KMSKeyID == o.KMSKeyID
}

// AppendObject adds to the end of an appendable object, or makes one. The position
// must be the present length. The version keeps its id.
func (w *World) AppendObject(bucket string, v Version, position int64) (*Version, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	if e := checkKey(v.Key); e != nil {
		return nil, e
	}
	old := b.latest(v.Key)
	length := int64(0)
	if old != nil {
		if old.Type != "Appendable" {
			return nil, refuse(409, "ObjectNotAppendable", "The object is not appendable")
		}
		length = int64(len(old.Data))
	}
	if position != length {
		return nil, refuseEC(409, "PositionNotEqualToLength", "0026-00000016", "Position is not equal to file length")
	}
	if old == nil {
		if e := w.encrypt(b, &v, now); e != nil {
			return nil, e
		}
		v.Type = "Appendable"
		v.digest()
		v.ContentMD5 = ""
		return w.storeObject(b, v, now), nil
	}
	if _, e := w.keyOf(b, old, now); e != nil {
		return nil, e
	}
	grown := *old
	grown.Data = slices.Concat(old.Data, v.Data)
	grown.digest()
	grown.ContentMD5 = ""
	grown.Replica = false // from now on it is this client's object
	grown.Modified, grown.Arrived = now.UTC().Truncate(time.Second), now
	replaced := b.insert(&grown)
	w.wrote(b, &grown, replaced, now)
	w.broadcast()
	return &grown, nil
}

// storeObject makes v, which knows how it is encrypted, the current version of its
// key and tells replication.
func (w *World) storeObject(b *Bucket, v Version, now time.Time) *Version {
	stored, replaced := w.keepObject(b, v, now)
	w.wrote(b, stored, replaced, now)
	w.broadcast()
	return stored
}

// keepObject is storeObject without telling anybody.
func (w *World) keepObject(b *Bucket, v Version, now time.Time) (stored, replaced *Version) {
	v.ID = w.nextVersionID(b, now)
	v.Modified = now.UTC().Truncate(time.Second)
	v.Arrived = now
	if !v.DeleteMarker {
		v.ACL = or(v.ACL, "default")
		v.StorageClass = or(v.StorageClass, b.StorageClass)
	}
	return &v, b.insert(&v)
}

func checkKey(key string) *Error {
	switch {
	case key == "":
		return refuse(400, "InvalidObjectName", "The Object name can not be empty.")
	case len(key) > maxKey:
		return refuse(400, "InvalidObjectName", "The Length of Object name must be less than 1024.").With("ObjectName", key[:64])
	case !utf8.ValidString(key) || key[0] == '/' || key[0] == '\\':
		return refuse(400, "InvalidObjectName", "The specified object is not valid.")
	}
	return nil
}

func (b *Bucket) mayOverwrite(key string, forbid bool) *Error {
	if forbid && b.Versioning == "" && b.latest(key) != nil {
		return refuseEC(409, "FileAlreadyExists", "0026-00000002", "The object you specified already exists and can not be overwritten.").With("Key", key)
	}
	return nil
}

// nextVersionID returns the id of a new version: the null version unless versioning
// is enabled. The ids of OSS hold their time, so they have an order of their own.
func (w *World) nextVersionID(b *Bucket, now time.Time) string {
	if b.Versioning != "Enabled" {
		return NullVersion
	}
	w.lastVersion = max(w.lastVersion+1, uint64(now.UnixNano()))
	id := binary.AppendUvarint([]byte{0x08, 0x01, 0x10, 0x33, 0x18}, w.lastVersion)
	id = append(id, 0x22, 0x20)
	return base64.URLEncoding.EncodeToString(append(id, w.hex(32)...))
}

// versionOrder returns the place in time of a version id; ok is false for the null version.
func versionOrder(id string) (order uint64, ok bool) {
	raw, err := base64.URLEncoding.DecodeString(id)
	if err != nil || len(raw) < 6 {
		return 0, false
	}
	order, n := binary.Uvarint(raw[5:])
	return order, n > 0
}

// Object returns a version of an object; versionID "" means the current one. It
// refuses with NoSuchKey or NoSuchVersion. When the version is a delete marker it
// is returned with the refusal. A stale answer is as if the key had not been
// changed the last time.
func (w *World) Object(bucket, key, versionID string, stale bool) (*Version, *Error) {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	versions := b.objects[key]
	if stale {
		versions = b.before[key]
	}
	return findVersion(versions, key, versionID)
}

func findVersion(versions []*Version, key, versionID string) (*Version, *Error) {
	if versionID == "" {
		if len(versions) == 0 {
			return nil, noSuchKey(key)
		}
		if v := versions[0]; v.DeleteMarker {
			return v, noSuchKey(key)
		}
		return versions[0], nil
	}
	for _, v := range versions {
		if v.ID != versionID {
			continue
		}
		if v.DeleteMarker {
			return v, refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.").With("Method", "GET").With("ResourceType", "DeleteMarker")
		}
		return v, nil
	}
	return nil, refuse(404, "NoSuchVersion", "The specified version does not exist.").With("Key", key).With("VersionId", versionID)
}

func noSuchKey(key string) *Error {
	return refuseEC(404, "NoSuchKey", "0026-00000001", "The specified key does not exist.").With("Key", key)
}

// ObjectACL returns the access control list of an object's version ("" for the
// current one), or "" when there is no such version.
func (w *World) ObjectACL(bucket, key, versionID string) string {
	v, e := w.Object(bucket, key, versionID, false)
	if e != nil {
		return ""
	}
	return v.ACL
}

// A Deletion is what a delete did. Both are nil when there was nothing to delete.
type Deletion struct {
	Removed *Version // taken away for good
	Marker  *Version // the delete marker that was made
}

// DeleteObject deletes a key or, with a version id, that version for good. In a
// bucket with versioning a delete without a version id makes a delete marker.
func (w *World) DeleteObject(bucket, key, versionID string) (Deletion, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return Deletion{}, e
	}
	if e := checkKey(key); e != nil {
		return Deletion{}, e
	}
	return w.deleteObject(b, key, versionID, now), nil
}

// deleteObject is a delete by a client or by a lifecycle rule.
func (w *World) deleteObject(b *Bucket, key, versionID string, now time.Time) Deletion {
	if versionID == "" && b.Versioning != "" {
		return Deletion{Marker: w.storeObject(b, Version{Key: key, DeleteMarker: true}, now)}
	}
	v := b.remove(key, or(versionID, NullVersion))
	if v != nil {
		w.removed(b, v, now)
		w.broadcast()
	}
	return Deletion{Removed: v}
}

// PutObjectTags replaces the tags of a version; nil takes them away. Replication
// is not told: no document says that it would be. So a tag filter goes by the tags
// that a new object is written with, and by those that an older one has when the rule
// is made; tags that come later bring nothing to the destination.
func (w *World) PutObjectTags(bucket, key, versionID string, tags []Tag) (*Version, *Error) {
	return w.alterObject(bucket, key, versionID, func(v *Version) { v.Tags = slices.Clone(tags) }, false)
}

// PutObjectACL sets "default", "private", "public-read" or "public-read-write".
// Replication copies the change.
func (w *World) PutObjectACL(bucket, key, versionID, acl string) (*Version, *Error) {
	return w.alterObject(bucket, key, versionID, func(v *Version) { v.ACL = acl }, true)
}

func (w *World) alterObject(bucket, key, versionID string, change func(v *Version), replicated bool) (*Version, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return nil, e
	}
	old, e := findVersion(b.objects[key], key, versionID)
	if e != nil {
		return nil, e
	}
	v := *old
	change(&v)
	b.alter(&v)
	if replicated {
		w.wrote(b, &v, old, now)
	}
	w.broadcast()
	return &v, nil
}
