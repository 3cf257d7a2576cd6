package world

import "slices"

// Bucket returns a copy of a bucket's settings, without its objects.
// It refuses with NoSuchBucket.
func (w *World) Bucket(name string) (Bucket, *Error) {
	w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(name)
	if e != nil {
		return Bucket{}, e
	}
	return b.settings(), nil
}

// bucket finds a bucket for callers that hold the lock.
func (w *World) bucket(name string) (*Bucket, *Error) {
	if b := w.buckets[name]; b != nil {
		return b, nil
	}
	return nil, refuseEC(404, "NoSuchBucket", "0015-00000101", "The specified bucket does not exist.").With("BucketName", name)
}

// settings returns a copy that shares nothing that changes.
func (b *Bucket) settings() Bucket {
	c := *b
	c.objects, c.uploads, c.rules = nil, nil, nil
	c.Tags = slices.Clone(b.Tags)
	if b.Encryption != nil {
		e := *b.Encryption
		c.Encryption = &e
	}
	return c
}
