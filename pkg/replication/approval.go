package replication

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Approval says that somebody has read a ticket and lets it be carried out. Only
// a signature makes it count: what else the sender types is a comment.
type Approval struct {
	By string `json:"by"` // name of an approver of the desk
	// Signature is the approver's over the ticket, see [Approve], in standard base64;
	// "" makes the approval a comment.
	Signature string `json:"signature,omitempty"`
}

// An Approver is somebody whose signature counts at a desk.
type Approver struct {
	Name string
	Key  ed25519.PublicKey
}

// maxApprovals is how many approvals a ticket can have: each costs a verification
// before it is known who sent it.
const maxApprovals = 16

// approvedText is what an approver signs: the fingerprint of the ticket, which is
// that of everything in it but its approvals, behind words that no other use of the
// same key signs.
func (r Request) approvedText() []byte {
	r.DryRun = false // whoever approves a plan approves what it is a plan of
	return []byte("replidesk approval 1 " + r.Fingerprint())
}

// Approve signs a ticket.
func Approve(r Request, by string, key ed25519.PrivateKey) Approval {
	return Approval{By: by, Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, r.approvedText()))}
}

// NeedsApproval reports whether somebody other than the requester has to approve a
// ticket: one that lets data go to another account. Adopting does not: the rule
// stands already.
func (r Request) NeedsApproval() bool {
	return r.Action.HasPair() && !r.adopts() && r.Source.Account != r.Destination.Account
}

// SamePerson reports whether two names are the same but for case and spaces.
func SamePerson(a, b string) bool {
	plain := func(s string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsSpace(c) {
				return -1
			}
			return c
		}, s)
	}
	return strings.EqualFold(plain(a), plain(b))
}

// validateApprovals refuses signatures that do not hold, whether or not they are
// needed: who finds one wants to know. It comes last, for a ticket that has to be
// corrected has to be signed again.
func validateApprovals(p *Problems, r Request, d Desk) {
	if len(r.Approvals) > maxApprovals {
		p.add(ReasonInvalid, "approvals", fmt.Sprintf("there are %d approvals, a ticket has at most %d", len(r.Approvals), maxApprovals))
		return
	}
	approved := false
	for i, a := range r.Approvals {
		at := fmt.Sprintf("approvals[%d]", i)
		if a.By == "" || utf8.RuneCountInString(a.By) > 256 {
			p.add(ReasonInvalid, at+".by", "an approval has to say by whom, in at most 256 characters")
			continue
		}
		if a.Signature == "" {
			continue
		}
		if field, wrong := d.verify(r, a); wrong != "" {
			p.add(ReasonApprovalInvalid, at+field, wrong)
			continue
		}
		approved = approved || !SamePerson(a.By, r.Requester)
	}
	switch {
	case !r.NeedsApproval():
	case strings.TrimSpace(r.Requester) == "":
		p.add(ReasonRequesterMissing, "requester", fmt.Sprintf("the ticket lets data go from account %s to account %s and does not say who asks for it", r.Source.Account, r.Destination.Account))
	case !approved:
		p.add(ReasonApprovalMissing, "approvals", fmt.Sprintf("the ticket lets data go from account %s to account %s, and no approver other than %s has signed it", r.Source.Account, r.Destination.Account, r.Requester))
	}
}

// verify returns what is wrong with a signature, and in which member; "" is nothing.
func (d Desk) verify(r Request, a Approval) (field, wrong string) {
	sig, err := base64.StdEncoding.DecodeString(a.Signature)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return ".signature", "the signature is not 64 bytes in base64"
	}
	for _, x := range d.Approvers {
		if !SamePerson(x.Name, a.By) {
			continue
		}
		if len(x.Key) != ed25519.PublicKeySize || !ed25519.Verify(x.Key, r.approvedText(), sig) {
			return ".signature", fmt.Sprintf("this is not a signature of %s over this ticket as it is now, which has the fingerprint %s", x.Name, r.Fingerprint())
		}
		return "", ""
	}
	return ".by", fmt.Sprintf("this desk has no approver %q", a.By)
}

// Plannable reports whether there is a plan for a ticket with these problems: there
// are none, or only its approval is missing, for which an approver wants to see it.
func (p Problems) Plannable() bool {
	for _, q := range p {
		if q.Code != ReasonApprovalMissing {
			return false
		}
	}
	return true
}

// WithApproval returns the ticket in body with one more approval. Everything else in
// it stays byte for byte. The ticket has to be in order by its form, see [Parse].
func WithApproval(body []byte, a Approval) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	last := 0 // where the member before ends
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		last = int(d.InputOffset())
		if name != "approvals" {
			continue
		}
		var all []Approval
		if err := json.Unmarshal(value, &all); err != nil {
			return nil, err
		}
		return withApprovals(body, last-len(value), last, "", append(all, a))
	}
	if last == 0 {
		return nil, errors.New("the ticket is empty")
	}
	return withApprovals(body, last, last, ",\n  \"approvals\": ", []Approval{a})
}

// withApprovals puts approvals in the place of body[from:to].
func withApprovals(body []byte, from, to int, before string, all []Approval) ([]byte, error) {
	list, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Write(body[:from])
	out.WriteString(before)
	out.Write(list)
	out.Write(body[to:])
	return out.Bytes(), nil
}
