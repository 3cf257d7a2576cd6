package replication

import "fmt"

// An EncryptionSeen is the default encryption of a bucket. [fact 65]
type EncryptionSeen struct {
	// Unread says why it could not be read; "" when it was.
	Unread    string
	Algorithm string // "AES256", "KMS", "SM4"; "" means none
	Key       string // of the owner's, with "KMS"; "" means the one that KMS has for OSS
}

// ownKey reports whether new objects come under a key of the bucket's owner.
func (e EncryptionSeen) ownKey() bool { return e.Algorithm == sseKMS && e.Key != "" }

// A SampleSeen is what a few objects in scope at the source show of their encryption.
type SampleSeen struct {
	// Unread says why objects could not be looked at, or not all of them; "" when they
	// could.
	Unread  string
	Looked  int    // objects that were looked at
	Keyed   int    // of these, under a key of KMS
	Example string // the key of one of those
	Under   string // and the key of KMS that it is encrypted under
}

// The methods of encryption that objects of our own ask for.
const (
	sseKMS = "KMS"
	sseOSS = "AES256"
)

// encryptionLooks are what preflight reads of encryption. Which objects are under
// keys matters when the ticket leaves them out, the key when it takes them in.
func encryptionLooks(r Request) Look {
	l := LookSourceEncryption | LookDestinationEncryption
	if r.KMSKey() == "" {
		return l | LookSample
	}
	return l | LookKey
}

// checkEncryption returns why the pair cannot be replicated as asked for the sake of
// encryption, or "". It notes the risks, and how objects of our own are written.
func checkEncryption(j *Job, s Seen) (Reason, string) {
	r, src, dst := j.Request, *s.SourceEncryption, *s.DestinationEncryption
	j.OwnSSE, j.Risks = "", nil
	if r.KMSKey() == "" {
		// Without an encryption of its own the canary would come under the default key
		// of the source, and be left out.
		if src.ownKey() {
			j.OwnSSE = sseOSS
		}
		j.risks(r, src, dst, *s.Sample)
		if dst.ownKey() {
			return ReasonKMSDefaultKey, fmt.Sprintf("%s encrypts by default under key %s", r.Destination.Bucket, dst.Key)
		}
		return "", ""
	}
	j.OwnSSE = sseKMS
	if u := s.Key.Unread; u != "" {
		j.risk("kms-key-unread", "key %s could not be read, so whether it is there and enabled is not known: %s", r.KMSKey(), u)
	}
	return unfitKey(r, *s.Key)
}

// risks notes what a rule without KMS leaves out, and what could not be looked at. [fact 61]
func (j *Job) risks(r Request, src, dst EncryptionSeen, sample SampleSeen) {
	if src.ownKey() {
		j.risk(riskSkipped, "%s encrypts new objects by default under key %s, and the ticket leaves such objects out: OSS skips them without a word; set kms to take them in", r.Source.Bucket, src.Key)
	}
	if sample.Keyed > 0 {
		j.risk(riskSkipped, "%d of the %d objects that were looked at are encrypted under keys of KMS, such as %q under %s, and the ticket leaves them out: OSS skips them without a word; set kms to take them in",
			sample.Keyed, sample.Looked, sample.Example, sample.Under)
	}
	if sample.Unread != "" {
		j.risk("kms-objects-unread", "whether objects of %s are encrypted under keys of KMS, which the ticket leaves out, was looked at for %d of them only: %s", r.Source.Bucket, sample.Looked, sample.Unread)
	}
	for _, e := range []struct {
		bucket string
		EncryptionSeen
	}{{r.Source.Bucket, src}, {r.Destination.Bucket, dst}} {
		if e.Unread != "" {
			j.risk("encryption-unread", "the default encryption of %s could not be read; if it is a key of KMS, objects are left out: %s", e.bucket, e.Unread)
		}
	}
}

const riskSkipped = "kms-objects-skipped"

func (j *Job) risk(code, format string, args ...any) {
	j.Risks = append(j.Risks, PlanNote{code, fmt.Sprintf(format, args...)})
}

// keyDiffers says how a copy of one of our objects is encrypted otherwise than the
// rule asks, or "". That OSS does not show a key is no difference: which one it shows
// for objects under its own is not documented. [fact 66]
func keyDiffers(r Request, replica ObjectSeen) string {
	key := r.KMSKey()
	switch {
	case key == "":
		return ""
	case replica.SSE != sseKMS:
		return fmt.Sprintf("it is encrypted with %s, asked for was KMS under key %s", shown(replica.SSE), key)
	case replica.KMSKey != "" && !sameKey(key, replica.KMSKey, r.Destination):
		return fmt.Sprintf("it is encrypted under key %s, asked for was %s", replica.KMSKey, key)
	}
	return ""
}

// encryptedAs words for the evidence how the copy of the canary was encrypted.
func encryptedAs(r Request, replica ObjectSeen) string {
	switch {
	case r.KMSKey() == "":
		return ""
	case replica.KMSKey == "":
		return "the copy is encrypted by KMS; OSS does not show under which key"
	}
	return "the copy is encrypted under key " + replica.KMSKey
}
