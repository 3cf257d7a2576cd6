package world

import (
	"strings"
	"time"
)

// ossAlias names the key that KMS makes for OSS in each account and region.
const ossAlias = serviceAlias + "oss"

// serviceKey returns the key that OSS encrypts with when none is named. KMS makes it
// when it is wanted for the first time.
func (w *World) serviceKey(uid, region string, now time.Time) *Key {
	name := aliasName(region, uid, ossAlias)
	if a := w.kms.aliases[name]; a != nil {
		return w.kms.keys[keyARN(region, uid, a.key)]
	}
	k := w.addKey(Key{
		Account: uid, Region: region, Spec: "Aliyun_AES_256", Usage: usageEncrypt, Origin: "Aliyun_KMS", Protection: "SOFTWARE",
		State: KeyEnabled, Service: "Oss", Description: "the default key of OSS",
	}, now)
	w.kms.aliases[name] = &alias{name: ossAlias, account: uid, region: region, key: k.ID, made: now}
	return k
}

// ossKey finds a key by id, alias or ARN as OSS does for the bucket of an account. A
// key of another account or region is none.
func (w *World) ossKey(uid, region, name string, now time.Time) (*Key, *Error) {
	id := name
	if name == ossAlias {
		return w.serviceKey(uid, region, now), nil
	} else if strings.HasPrefix(name, "alias/") {
		a := w.kms.aliases[aliasName(region, uid, name)]
		if a == nil {
			return nil, refuse(404, "AliasNotFound", "The specified Alias is not found")
		}
		id = a.key
	} else if itsRegion, owner, ofARN, isARN := splitKeyARN(name); isARN && itsRegion == region && owner == uid {
		id = ofARN
	}
	k := w.kms.keys[keyARN(region, uid, id)]
	switch {
	case k == nil:
		return nil, refuseEC(404, "KeyNotFound", "0005-00000208", "The specified parameter KMS keyId is not found")
	case !k.symmetric():
		return nil, badElement("KMSKeyId", name, "The key is not a symmetric one.")
	}
	return k, nil
}

// ossUsable refuses what only an enabled key does, in the words of OSS.
func (k *Key) ossUsable() *Error {
	if k.State == KeyEnabled {
		return nil
	}
	ec := map[string]string{KeyDisabled: "0005-00000214", KeyPendingDeletion: "0005-00000215"}[k.State]
	return refuseEC(409, "Key"+k.State, ec, "The request was rejected because the key state is "+k.State)
}

// keyFor finds the key that a write to a bucket is encrypted with. key is nil when
// that takes no key of the owner's.
func (w *World) keyFor(b *Bucket, sse, name string, now time.Time) (method string, key *Key, _ *Error) {
	if sse == "" && b.Encryption != nil {
		sse, name = b.Encryption.Algorithm, b.Encryption.KMSKeyID
	}
	if sse != "KMS" {
		return sse, nil, nil
	}
	if name == "" {
		name = ossAlias
	}
	k, e := w.ossKey(b.Owner, b.Region, name, now)
	switch {
	case e != nil:
		return "", nil, e
	case k.Service != "":
		return sse, nil, nil
	}
	return sse, k, k.ossUsable()
}

// encrypt says in v how it is encrypted: as v asks for or, when it asks for nothing,
// as the bucket does by default. The key is recorded by its id. It refuses with
// KeyNotFound, AliasNotFound, KeyDisabled, KeyPendingDeletion or KeyPendingImport.
func (w *World) encrypt(b *Bucket, v *Version, now time.Time) *Error {
	sse, k, e := w.keyFor(b, v.SSE, v.KMSKeyID, now)
	if e != nil {
		return e
	}
	v.SSE, v.KMSKeyID = sse, ""
	if k != nil {
		v.KMSKeyID = k.ID
	}
	return nil
}

// keyOf finds the key of its owner's that a stored version is encrypted with, for
// using it now; nil when there is none.
func (w *World) keyOf(b *Bucket, v *Version, now time.Time) (*Key, *Error) {
	if !usesOwnKey(v) {
		return nil, nil
	}
	k, e := w.ossKey(b.Owner, b.Region, v.KMSKeyID, now)
	if e != nil {
		return nil, e
	}
	return k, k.ossUsable()
}

// MayEncrypt refuses a write to a bucket for the sake of the key that it would be
// encrypted with: there has to be one that works, and the caller needs
// kms:GenerateDataKey on it. sse and key are what the caller asks for; "" is the
// default of the bucket. The key that KMS made for OSS takes no right.
func (w *World) MayEncrypt(p Principal, bucket, sse, key string, context map[string]string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return e
	}
	_, k, e := w.keyFor(b, sse, key, now)
	if e != nil || k == nil {
		return e
	}
	return w.ossPermit(p, "GenerateDataKey", k, context, now)
}

// MayDecrypt refuses to read what a version holds for the sake of its key, as
// [World.MayEncrypt] does; it takes kms:Decrypt.
func (w *World) MayDecrypt(p Principal, bucket string, v *Version, context map[string]string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return e
	}
	k, e := w.keyOf(b, v, now)
	if e != nil || k == nil {
		return e
	}
	return w.ossPermit(p, "Decrypt", k, context, now)
}

func (w *World) ossPermit(p Principal, action string, k *Key, context map[string]string, now time.Time) *Error {
	if w.permit(KMSCaller{Principal: p, Region: k.Region, Context: context}, action, k.ARN(), k, now) != nil {
		return refuse(403, "AccessDenied", "This request is forbidden by kms")
	}
	return nil
}
