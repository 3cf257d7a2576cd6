package world

import "time"

// usesOwnKey reports whether an object is encrypted with a key of its owner's.
func usesOwnKey(v *Version) bool { return v.SSE == "KMS" && v.KMSKeyID != "" }

// replicaEncryption returns how the copy of v is encrypted; ok is false when the
// rule leaves v out: an object under the owner's own key, or one that would come
// under the destination's own default key, needs a rule with KMS and a key. The key
// is named as the rule or the bucket names it; "" with "KMS" is the key of OSS.
func (r *Rule) replicaEncryption(v *Version, dst *Bucket) (sse, key string, ok bool) {
	kms := r.KMS == "Enabled" && r.KMSKeyID != ""
	switch {
	case v.DeleteMarker:
		return "", "", true
	case usesOwnKey(v):
		return v.SSE, r.KMSKeyID, kms
	case v.SSE == "KMS" && kms:
		return v.SSE, r.KMSKeyID, true
	case v.SSE != "":
		return v.SSE, "", true
	case dst.Encryption == nil:
		return "", "", true
	case dst.Encryption.Algorithm == "KMS" && dst.Encryption.KMSKeyID != "":
		return "KMS", dst.Encryption.KMSKeyID, kms
	}
	return dst.Encryption.Algorithm, "", true
}

// keysAllow reports whether OSS can, at this moment and through the role of the rule,
// read v with its key and write the copy with the key that it gets. Keys that are
// disabled or gone hold a copy up as a missing right does. The key of OSS takes none.
func (w *World) keysAllow(r *Rule, v *Version, dst *Bucket, now time.Time) bool {
	src := r.run.source
	if usesOwnKey(v) {
		k := w.kms.keys[keyARN(src.Region, src.Owner, v.KMSKeyID)]
		if k == nil || k.State != KeyEnabled || !w.roleMayUse(r, src, k, "Decrypt", now) {
			return false
		}
	}
	_, name, _ := r.replicaEncryption(v, dst)
	if name == "" {
		return true
	}
	k := w.replicaKey(r, dst, name, now)
	return k != nil && k.State == KeyEnabled && w.roleMayEncrypt(r, src, k, now)
}

// replicaKey finds the key of a copy by the name that [Rule.replicaEncryption] gives
// it, among those of the destination's owner in the destination's region; nil when
// there is none, or when a rule of another account does not name it by its ARN.
func (w *World) replicaKey(r *Rule, dst *Bucket, name string, now time.Time) *Key {
	if _, _, _, isARN := splitKeyARN(name); name == r.KMSKeyID && !isARN && dst.Owner != r.run.source.Owner {
		return nil
	}
	k, e := w.ossKey(dst.Owner, dst.Region, name, now)
	if e != nil {
		return nil
	}
	return k
}

// replicaKeyID is what a copy records of the key with that name, which was found to
// serve: its id, or "" for the key of OSS.
func (w *World) replicaKeyID(r *Rule, dst *Bucket, name string, now time.Time) string {
	if k := w.replicaKey(r, dst, or(name, ossAlias), now); k != nil && k.Service == "" {
		return k.ID
	}
	return ""
}

// roleMayEncrypt asks for what it takes to write a copy under a key: in another
// account decrypting is part of it.
func (w *World) roleMayEncrypt(r *Rule, src *Bucket, k *Key, now time.Time) bool {
	return w.roleMayUse(r, src, k, "GenerateDataKey", now) && (k.Account == src.Owner || w.roleMayUse(r, src, k, "Decrypt", now))
}

// roleMayUse reports whether the role of a rule with source src may do something with
// a key: by its own policies or the key's in its own account, by both in another.
func (w *World) roleMayUse(r *Rule, src *Bucket, k *Key, action string, now time.Time) bool {
	role, ok := w.serviceRole(src.Owner, r.SyncRole, replicator, now)
	if !ok {
		return false
	}
	session := Principal{Kind: KindAssumedRole, Account: src.Owner, Name: role.Name, ID: role.ID, Session: "oss-replication"}
	return w.permit(KMSCaller{Principal: session, Region: k.Region}, action, k.ARN(), k, now) == nil
}

// checkReplicaKey refuses a rule whose key cannot serve, as far as OSS can tell when
// the rule is put. A key of another account is seen only through the rights of the
// role: without them the rule is taken, and its copies wait.
func (w *World) checkReplicaKey(b *Bucket, r *Rule, now time.Time) *Error {
	if r.KMS != "Enabled" {
		return nil
	}
	dst := w.buckets[r.Destination]
	_, uid, _, isARN := splitKeyARN(r.KMSKeyID)
	foreign := dst.Owner != b.Owner
	switch {
	case foreign && !isARN:
		return badElement("ReplicaKmsKeyID", r.KMSKeyID, "A key of another account must be named by its ARN.")
	case isARN && uid != dst.Owner:
		return badElement("ReplicaKmsKeyID", r.KMSKeyID, "The key does not belong to the owner of the destination bucket.")
	}
	k, e := w.ossKey(dst.Owner, dst.Region, r.KMSKeyID, now)
	if foreign && (e != nil || !w.roleMayEncrypt(r, b, k, now)) {
		if w.opt.GrantCheckedAtPut {
			return refuse(403, "NoPermission", "The role "+r.SyncRole+" has no right to use the key "+r.KMSKeyID+".")
		}
		return nil
	}
	if e != nil {
		return e
	}
	if w.opt.GrantCheckedAtPut && !w.roleMayEncrypt(r, b, k, now) {
		return refuse(403, "NoPermission", "The role "+r.SyncRole+" has no right to use the key "+r.KMSKeyID+".")
	}
	return k.ossUsable()
}
