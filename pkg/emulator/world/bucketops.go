package world

import (
	"slices"
	"strings"
	"time"
)

// maxBuckets is how many buckets an account may have in one region.
const maxBuckets = 100

// NewBucket is what a client says of the bucket that it makes. Empty fields take
// the defaults "private", "Standard" and "LRS".
type NewBucket struct {
	Name, Owner, Region string // Owner is the UID
	ACL                 string
	StorageClass        string
	Redundancy          string
}

// PutBucket makes a bucket. For a bucket that its owner already has it changes the
// access control list, when one is given. It refuses with InvalidBucketName,
// BucketAlreadyExists or TooManyBuckets.
func (w *World) PutBucket(n NewBucket) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	if e := CheckBucketName(n.Name); e != nil {
		return e
	}
	if b := w.buckets[n.Name]; b != nil {
		if b.Owner != n.Owner || b.Region != n.Region {
			return refuseEC(409, "BucketAlreadyExists", "0015-00000104",
				"The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").With("BucketName", n.Name)
		}
		if n.ACL != "" {
			b.keep("acl", b.settings())
			b.ACL = n.ACL
		}
		return nil
	}
	if w.countBuckets(n.Owner, n.Region) >= maxBuckets {
		return refuse(400, "TooManyBuckets", "You have attempted to create more buckets than allowed.")
	}
	w.buckets[n.Name] = &Bucket{
		Name: n.Name, Owner: n.Owner, Region: n.Region, Created: now.UTC(),
		ACL: or(n.ACL, "private"), StorageClass: or(n.StorageClass, "Standard"), Redundancy: or(n.Redundancy, "LRS"),
		objects: map[string][]*Version{}, uploads: map[string]*Upload{},
		before: map[string][]*Version{}, prior: map[string]Bucket{},
	}
	w.broadcast()
	return nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// CheckBucketName refuses a name that no bucket can have.
func CheckBucketName(name string) *Error {
	if validBucketName(name) {
		return nil
	}
	return refuseEC(400, "InvalidBucketName", "0015-00000001", "The specified bucket is not valid.").With("BucketName", name)
}

// validBucketName holds the naming rules of OSS: 3 to 63 lower-case letters, digits
// and hyphens, a letter or digit at both ends.
func validBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (w *World) countBuckets(owner, region string) (n int) {
	for _, b := range w.buckets {
		if b.Owner == owner && b.Region == region {
			n++
		}
	}
	return n
}

// DeleteBucket takes an empty bucket away. It refuses with NoSuchBucket or
// BucketNotEmpty: versions, delete markers and parts of an upload count.
func (w *World) DeleteBucket(name string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(name)
	if e != nil {
		return e
	}
	if len(b.objects) > 0 || len(b.uploads) > 0 {
		return refuseEC(409, "BucketNotEmpty", "0015-00000301", "The bucket has objects. Please delete them first.").With("BucketName", name)
	}
	delete(w.buckets, name)
	w.bucketDeleted(b, now)
	w.broadcast()
	return nil
}

// Bucket returns a copy of a bucket's settings, without its objects.
// It refuses with NoSuchBucket.
func (w *World) Bucket(name string) (Bucket, *Error) {
	return w.BucketSetting(name, "", false)
}

// BucketSetting is [World.Bucket] for reading one setting ("versioning", "policy",
// "encryption", "tagging", "acl", "lifecycle", "acceleration", or "" for all). A stale answer is as if that
// setting had not been changed the last time; for "" and a bucket that was only
// just made, as if there were no bucket.
func (w *World) BucketSetting(name, setting string, stale bool) (Bucket, *Error) {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(name)
	if e != nil {
		return Bucket{}, e
	}
	if !stale {
		return b.settings(), nil
	}
	old, changed := b.prior[setting]
	switch {
	case changed:
		return old, nil
	case setting == "":
		return Bucket{}, noSuchBucket(name)
	}
	return b.settings(), nil
}

// Replicates reports whether a bucket is the source of a replication rule.
func (w *World) Replicates(bucket string) bool {
	w.enter()
	defer w.mu.Unlock()
	b := w.buckets[bucket]
	return b != nil && len(b.rules) > 0
}

// Buckets returns copies of an account's buckets in the order of their names,
// without those made within behind.
func (w *World) Buckets(owner string, behind time.Duration) []Bucket {
	now := w.enter()
	defer w.mu.Unlock()
	var found []Bucket
	for _, b := range w.buckets {
		if b.Owner == owner && (behind == 0 || now.Sub(b.Created) > behind) {
			found = append(found, b.settings())
		}
	}
	slices.SortFunc(found, func(a, b Bucket) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// bucket finds a bucket for callers that hold the lock.
func (w *World) bucket(name string) (*Bucket, *Error) {
	if b := w.buckets[name]; b != nil {
		return b, nil
	}
	return nil, noSuchBucket(name)
}

func noSuchBucket(name string) *Error {
	return refuseEC(404, "NoSuchBucket", "0015-00000101", "The specified bucket does not exist.").With("BucketName", name)
}

// settings returns a copy that shares nothing that changes.
func (b *Bucket) settings() Bucket {
	c := *b
	c.objects, c.uploads, c.rules, c.before, c.prior, c.sorted = nil, nil, nil, nil, nil, nil
	c.Tags, c.Lifecycle = slices.Clone(b.Tags), slices.Clone(b.Lifecycle)
	if b.Encryption != nil {
		e := *b.Encryption
		c.Encryption = &e
	}
	return c
}

// set changes one setting of a bucket.
func (w *World) set(bucket, setting string, change func(b *Bucket) *Error) *Error {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return e
	}
	was := b.settings()
	if e := change(b); e != nil {
		return e
	}
	b.keep(setting, was)
	w.broadcast()
	return nil
}

// keep remembers the settings as they were before one of them changed.
func (b *Bucket) keep(setting string, was Bucket) {
	b.prior[setting], b.prior[""] = was, was
}

// PutBucketVersioning sets "Enabled" or "Suspended". A bucket in a replication rule
// is refused any change.
func (w *World) PutBucketVersioning(bucket, status string) *Error {
	return w.set(bucket, "versioning", func(b *Bucket) *Error {
		if b.Versioning != status {
			if e := w.refusesVersioning(b, status); e != nil {
				return e
			}
		}
		b.Versioning = status
		return nil
	})
}

// PutBucketACL sets "private", "public-read" or "public-read-write".
func (w *World) PutBucketACL(bucket, acl string) *Error {
	return w.set(bucket, "acl", func(b *Bucket) *Error {
		b.ACL = acl
		return nil
	})
}

// PutBucketEncryption sets the default encryption; nil takes it away.
func (w *World) PutBucketEncryption(bucket string, enc *Encryption) *Error {
	return w.set(bucket, "encryption", func(b *Bucket) *Error {
		b.Encryption = enc
		return nil
	})
}

// PutBucketTags replaces the tags; nil takes them away.
func (w *World) PutBucketTags(bucket string, tags []Tag) *Error {
	return w.set(bucket, "tagging", func(b *Bucket) *Error {
		b.Tags = slices.Clone(tags)
		return nil
	})
}

// PutBucketPolicy replaces the whole bucket policy with a document that was found
// well-formed; nil takes it away.
func (w *World) PutBucketPolicy(bucket string, document []byte) *Error {
	return w.set(bucket, "policy", func(b *Bucket) *Error {
		b.Policy = slices.Clone(document)
		return nil
	})
}

// PutBucketAcceleration turns transfer acceleration on or off. It refuses to turn it
// off with TransferAccAlreadyInUse while a replication rule from or to the bucket, a
// closing one included, uses the accelerated link.
func (w *World) PutBucketAcceleration(bucket string, on bool) *Error {
	return w.set(bucket, "acceleration", func(b *Bucket) *Error {
		if r := w.acceleratedRule(b); r != nil && !on {
			return refuseEC(409, "TransferAccAlreadyInUse", "0028-00000003", "The transfer acceleration is in use by bucket replication.").
				With("SourceBucket", r.Source).With("DestinationBucket", r.Destination)
		}
		b.AccelerateStatus, b.AccelerateSet = on, true
		return nil
	})
}

// acceleratedRule returns a rule from or to a bucket that uses the accelerated link, or nil.
func (w *World) acceleratedRule(b *Bucket) *Rule {
	for _, r := range w.repl.rules {
		if r.TransferType == "oss_acc" && w.stands(r) && (r.Source == b.Name || r.Destination == b.Name) {
			return r
		}
	}
	return nil
}
