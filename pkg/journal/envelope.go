package journal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// envelopeForm is the form of the envelope itself. Readers refuse any other.
const envelopeForm = 1

// An envelope is what is stored for one entry. Its fields are written in this order
// and without white space. Readers ignore fields that they do not know.
type envelope struct {
	Form      int             `json:"journal"`
	Schema    int             `json:"schema"`
	MinReader int             `json:"minReader"`
	Log       Log             `json:"log"`
	Seq       uint64          `json:"seq"`
	Prev      string          `json:"prev"` // "" for the first entry
	Nonce     string          `json:"nonce"`
	Writer    string          `json:"writer"`
	Body      json.RawMessage `json:"body"`
}

// encode returns the raw bytes of an entry. The body must be compact JSON.
func (e envelope) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it would change the body
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode reads the raw bytes of the entry seq of log, and refuses what this package
// cannot have written there.
func decode(log Log, seq uint64, raw []byte) (envelope, error) {
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&e); err != nil {
		return e, broken(log, seq, "the entry is not JSON: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return e, broken(log, seq, "something follows the entry")
	}
	switch {
	case e.Form > envelopeForm:
		return e, &TooNewError{Log: log, Seq: seq, What: "envelope", Needs: e.Form, Has: envelopeForm}
	case e.Form != envelopeForm:
		return e, broken(log, seq, "the entry is not one of a journal")
	case e.Log != log || e.Seq != seq:
		return e, broken(log, seq, "the entry belongs to %.100s/%d", e.Log, e.Seq)
	case seq == 1 && e.Prev != "" || seq > 1 && !isHash(e.Prev):
		return e, broken(log, seq, "the entry does not name the one before")
	case e.Schema < 1 || e.MinReader < 1 || e.MinReader > e.Schema || e.Nonce == "" || len(e.Body) == 0:
		return e, broken(log, seq, "the entry is incomplete")
	}
	return e, nil
}

// snapshot returns what is known about an entry, but for the time.
func (e envelope) snapshot(raw []byte) Snapshot {
	return Snapshot{
		Log: e.Log, Seq: e.Seq, Body: e.Body, Hash: hash(raw), Prev: e.Prev, Nonce: e.Nonce,
		Writer: e.Writer, Schema: e.Schema, MinReader: e.MinReader,
	}
}

// compact returns body without white space, or an error when it is not JSON.
func compact(body []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func hash(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// isHash reports whether s can have come from hash.
func isHash(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// newNonce returns 128 random bits, so that two saves never have the same bytes.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	return hex.EncodeToString(b[:])
}

func broken(log Log, seq uint64, format string, args ...any) error {
	return &BrokenError{Log: log, Seq: seq, Problem: fmt.Sprintf(format, args...)}
}

// follows checks that next is the entry after prev.
func follows(prev, next Snapshot) error {
	if next.Prev != prev.Hash {
		return broken(next.Log, next.Seq, "the entry does not follow entry %d as that was read: one of the two was changed", prev.Seq)
	}
	return nil
}
