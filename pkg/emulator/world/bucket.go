package world

import (
	"slices"
	"time"
)

// A Bucket is an OSS bucket. Its fields are read and changed only with the
// world's lock held; handlers get copies.
type Bucket struct {
	Name, Owner      string // Owner is the UID
	Region           string // "cn-hangzhou"; the location is "oss-" + Region
	Created          time.Time
	Versioning       string // "", "Enabled" or "Suspended"
	ACL              string // "private", "public-read", "public-read-write"
	StorageClass     string
	Redundancy       string // "LRS" or "ZRS"
	Encryption       *Encryption
	Tags             []Tag
	Policy           []byte // the document as it was put; nil means none
	Comment          string
	AccelerateStatus bool
	AccelerateSet    bool // transfer acceleration was ever turned on or off
	Lifecycle        []LifecycleRule

	objects map[string][]*Version // by key; newest first; never an empty slice
	uploads map[string]*Upload    // by upload id
	rules   []*Rule               // rules with this bucket as source

	lifecycleTurn int // counts the changes of Lifecycle; only the newest is carried out

	// What a stale read shows: the versions of a key before its last change, and
	// the settings before the last change of one of them ("policy", "tagging", ...;
	// "" is a change of any).
	before map[string][]*Version
	prior  map[string]Bucket
	sorted []string // the keys in order; nil when they have to be sorted anew
}

// Encryption is a bucket's default encryption.
type Encryption struct {
	Algorithm string // "AES256", "KMS" or "SM4"
	KMSKeyID  string // as it was put: id, alias or ARN, not looked up before it is used; "" means the key of OSS
	// DataEncryption is "SM4" when KMS encrypts with it, "" for AES-256.
	DataEncryption string
}

// A Tag is one key and value.
type Tag struct{ Key, Value string }

// NullVersion is the version id of an object in a bucket without versioning.
const NullVersion = "null"

// A Version is one version of one object, or a delete marker. It does not change
// once it is stored: new Tags or another ACL come with a changed copy in its place,
// so key and ID are what identifies it.
type Version struct {
	Key          string
	ID           string // NullVersion in a bucket without versioning
	DeleteMarker bool
	Modified     time.Time // a replica keeps the source's

	Data               []byte
	ETag               string // without quotes, upper-case hexadecimal
	CRC64              uint64
	ContentMD5         string // base64; "" for multipart objects
	Type               string // "Normal", "Multipart", "Appendable"
	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string
	Expires            string
	Meta               map[string]string // x-oss-meta-*, lower-case names without the prefix
	Tags               []Tag
	ACL                string // "default" unless set
	StorageClass       string
	SSE                string // "", "AES256", "KMS"
	KMSKeyID           string // id of a key of the bucket's owner; "" with "KMS" is the key of OSS

	PartSizes []int // of a multipart object, in order
	Replica   bool  // arrived by replication: is never copied on
	Arrived   time.Time
}

// An Upload is a multipart upload that was neither completed nor aborted.
type Upload struct {
	ID, Key   string
	Initiated time.Time
	Head      Version // headers given at the start; Data is nil
	Parts     map[int]Part
	Replica   bool
}

// A Part is one uploaded part.
type Part struct {
	Number   int
	Data     []byte
	ETag     string
	CRC64    uint64
	Modified time.Time
}

// Location returns the bucket's region in its OSS form, such as oss-cn-hangzhou.
func (b *Bucket) Location() string { return "oss-" + b.Region }

// latest returns the current version of a key, which may be a delete marker, or nil.
func (b *Bucket) latest(key string) *Version {
	if vs := b.objects[key]; len(vs) > 0 {
		return vs[0]
	}
	return nil
}

// version returns one version of a key, or nil.
func (b *Bucket) version(key, id string) *Version {
	for _, v := range b.objects[key] {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// insert stores v as the current version and replaces a version of the same id.
// It returns the version that was replaced, or nil. It tells nobody: a client's
// write goes through [World.wrote] as well, a replica does not.
func (b *Bucket) insert(v *Version) (replaced *Version) {
	old := b.objects[v.Key]
	b.remember(v.Key)
	vs := make([]*Version, 0, len(old)+1)
	vs = append(vs, v)
	for _, o := range old {
		if o.ID == v.ID {
			replaced = o
			continue
		}
		vs = append(vs, o)
	}
	b.objects[v.Key] = vs
	return replaced
}

// remove takes one version away for good and returns it, or nil.
func (b *Bucket) remove(key, id string) *Version {
	old := b.objects[key]
	for i, o := range old {
		if o.ID != id {
			continue
		}
		b.remember(key)
		vs := append(append([]*Version{}, old[:i]...), old[i+1:]...)
		if len(vs) == 0 {
			delete(b.objects, key)
			b.sorted = nil
		} else {
			b.objects[key] = vs
		}
		return o
	}
	return nil
}

// alter puts a changed copy in the place of a version: what is stored is never
// changed where it stands, because handlers read it without the lock.
func (b *Bucket) alter(v *Version) {
	b.remember(v.Key)
	vs := slices.Clone(b.objects[v.Key])
	for i, o := range vs {
		if o.ID == v.ID {
			vs[i] = v
		}
	}
	b.objects[v.Key] = vs
}

// remember keeps what a key is before it changes.
func (b *Bucket) remember(key string) {
	old := b.objects[key]
	b.before[key] = old
	if old == nil {
		b.sorted = nil
	}
}
