package world

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"time"
)

// maxPlaintext is the most that a key encrypts directly, in bytes.
const maxPlaintext = 6 << 10

// versionLen is the length of the version id that a ciphertext begins with.
const versionLen = 36

// A Ciphertext is what KMS has encrypted.
type Ciphertext struct {
	KeyID, KeyVersion string
	Plaintext         []byte
	Blob              string // the version id and the ciphertext, in base64
}

// EncryptWith encrypts up to 6 KB. context is bound to the ciphertext; nil means none.
func (w *World) EncryptWith(c KMSCaller, key string, plaintext []byte, context map[string]string) (Ciphertext, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	if len(plaintext) == 0 || len(plaintext) > maxPlaintext {
		return Ciphertext{}, kmsParameter("Plaintext")
	}
	return w.encryptAs(c, "Encrypt", key, plaintext, context, now)
}

// GenerateDataKey makes up so many random bytes, 1 to 1024, and encrypts them. action
// is the right that it takes: GenerateDataKey or GenerateDataKeyWithoutPlaintext.
func (w *World) GenerateDataKey(c KMSCaller, action, key string, length int, context map[string]string) (Ciphertext, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	if length < 1 || length > 1024 {
		return Ciphertext{}, kmsParameter("NumberOfBytes")
	}
	return w.encryptAs(c, action, key, w.random(length), context, now)
}

// random returns n random bytes.
func (w *World) random(n int) []byte {
	var b []byte
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, w.rng.Uint64())
	}
	return b[:n]
}

func (w *World) encryptAs(c KMSCaller, action, key string, plaintext []byte, context map[string]string, now time.Time) (Ciphertext, *Error) {
	k, e := w.findKey(c, action, key, View{}, now)
	switch {
	case e != nil:
		return Ciphertext{}, e
	case !k.symmetric():
		return Ciphertext{}, unsupported("The key is not a symmetric one.")
	}
	if e := k.usable(); e != nil {
		return Ciphertext{}, e
	}
	seal, e := k.cipher()
	if e != nil {
		return Ciphertext{}, e
	}
	nonce := w.random(seal.NonceSize())
	blob := append([]byte(k.Version), nonce...)
	blob = seal.Seal(blob, nonce, plaintext, contextBytes(context))
	return Ciphertext{KeyID: k.ID, KeyVersion: k.Version, Plaintext: plaintext, Blob: base64.StdEncoding.EncodeToString(blob)}, nil
}

// Decrypt gives back what was encrypted with a key of this region. The ciphertext
// says which one; the context must be the one that it was encrypted with.
func (w *World) Decrypt(c KMSCaller, blob string, context map[string]string) (Ciphertext, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	invalid := kmsParameter("CiphertextBlob")
	raw, err := base64.StdEncoding.DecodeString(blob)
	if err != nil || len(raw) < versionLen {
		return Ciphertext{}, invalid
	}
	k := w.kms.versions[string(raw[:versionLen])]
	if k == nil || k.Region != c.Region {
		return Ciphertext{}, invalid
	}
	if e := w.permit(c, "Decrypt", k.ARN(), k, now); e != nil {
		return Ciphertext{}, e
	}
	if e := k.usable(); e != nil {
		return Ciphertext{}, e
	}
	open, e := k.cipher()
	if e != nil {
		return Ciphertext{}, e
	}
	sealed := raw[versionLen:]
	if len(sealed) < open.NonceSize() {
		return Ciphertext{}, invalid
	}
	plaintext, err := open.Open(nil, sealed[:open.NonceSize()], sealed[open.NonceSize():], contextBytes(context))
	if err != nil {
		return Ciphertext{}, invalid
	}
	return Ciphertext{KeyID: k.ID, KeyVersion: k.Version, Plaintext: plaintext, Blob: blob}, nil
}

func (k *Key) cipher() (cipher.AEAD, *Error) {
	block, err := aes.NewCipher(k.secret[:])
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCM(block); err == nil {
			return aead, nil
		}
	}
	return nil, refuse(500, "InternalFailure", "Internal Failure.")
}

// contextBytes is the one form of an encryption context: JSON, which sorts the names.
func contextBytes(context map[string]string) []byte {
	if len(context) == 0 {
		return nil
	}
	text, err := json.Marshal(context)
	if err != nil {
		return nil // a map of strings can always be written
	}
	return text
}
