package world

// ObjectACL returns the access control list of an object's version ("" for the
// current one), or "" when there is no such version.
func (w *World) ObjectACL(bucket, key, versionID string) string {
	w.enter()
	defer w.mu.Unlock()
	b := w.buckets[bucket]
	if b == nil {
		return ""
	}
	v := b.latest(key)
	if versionID != "" {
		v = b.version(key, versionID)
	}
	if v == nil {
		return ""
	}
	return v.ACL
}
