package replication

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of a bucket policy, in bytes. [fact 70]
const (
	maxBucketPolicy    = 16 * 1024
	maxBucketStatement = 4095
)

// A ResourceGrant is the one statement that a rule needs in the policy of a resource
// in another account, such as the bucket policy of the destination.
type ResourceGrant struct {
	// Key is the ARN of the key whose policy it is in; "" means the bucket policy.
	Key       string   `json:"key,omitempty"`
	Principal string   `json:"principal"` // the sessions of the role that OSS assumes; of a key the role
	Actions   []string `json:"actions"`
	Resources []string `json:"resources"`
}

// GrantFor returns the statement that the role of r needs at the destination. The
// role's name is written in lower case there, the account in the principal is that of
// the source, the one in the resources that of the destination. [fact 69] The right to
// delete is left out unless deletes are replicated.
func GrantFor(r Request) ResourceGrant {
	bucket := fmt.Sprintf("acs:oss:*:%s:%s", r.Destination.Account, r.Destination.Bucket)
	g := ResourceGrant{
		Principal: fmt.Sprintf("arn:sts::%s:assumed-role/%s/*", r.Source.Account, strings.ToLower(r.RoleName())),
		Actions:   []string{"oss:ReplicateList", "oss:ReplicateGet", "oss:ReplicatePut"},
		Resources: []string{bucket, bucket + "/*"},
	}
	if r.ReplicateDeletes {
		g.Actions = append(g.Actions, "oss:ReplicateDelete")
	}
	return g
}

// String returns the statement as it stands in a policy.
func (g ResourceGrant) String() string {
	var principal any = []string{g.Principal}
	if g.Key != "" {
		principal = map[string][]string{"RAM": {g.Principal}}
	}
	b, err := json.Marshal(statement{Effect: "Allow", Action: g.Actions, Principal: principal, Resource: g.Resources})
	if err != nil { // strings and slices of strings always marshal
		return ""
	}
	return string(b)
}

// A ResourcePolicy is the policy of a bucket or a key, as it was read. Everything in it that is
// not ours is kept byte for byte: changes are cut out of the text and put into it.
type ResourcePolicy struct {
	text       string
	statements []policyStatement
	end        int // of the list of statements: where its "]" stands
}

// A policyStatement is one statement and where it stands in the text.
type policyStatement struct {
	from, to int
	members  map[string]json.RawMessage
}

// ParseResourcePolicy reads a policy; "" is the one of a bucket that has none. What it
// cannot take apart with certainty is an error: nothing is changed in such a document.
func ParseResourcePolicy(text string) (ResourcePolicy, error) {
	if text == "" {
		text = `{"Version":"1","Statement":[]}`
	}
	p := ResourcePolicy{text: text}
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return p, errors.New("it is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return p, fmt.Errorf("it is not JSON: %w", err)
		}
		member := fmt.Sprint(name)
		if seen[strings.ToLower(member)] {
			return p, fmt.Errorf("it has the member %s twice", member)
		}
		seen[strings.ToLower(member)] = true
		if member == "Statement" {
			err = p.readStatements(d)
		} else {
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return p, err
		}
	}
	if _, err := d.Token(); err != nil {
		return p, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("there is something after its end")
	}
	if !seen["statement"] || p.end == 0 {
		return p, errors.New("it has no list of statements")
	}
	return p, nil
}

func (p *ResourcePolicy) readStatements(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("its member Statement is not a list")
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("a statement is not JSON: %w", err)
		}
		members, err := membersOf(raw)
		if err != nil {
			return fmt.Errorf("statement %d: %w", len(p.statements)+1, err)
		}
		to := int(d.InputOffset())
		p.statements = append(p.statements, policyStatement{to - len(raw), to, members})
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the statements are not JSON: %w", err)
	}
	p.end = int(d.InputOffset()) - 1
	return nil
}

// membersOf reads the members of a statement and refuses doubled ones: which of the
// two counts is nowhere said.
func membersOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is not an object")
	}
	m := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		member := fmt.Sprint(name)
		if m[member] != nil {
			return nil, fmt.Errorf("it has the member %s twice", member)
		}
		m[member] = value
	}
	return m, nil
}

// list returns a member that is a string or a list of strings; ok is false when it is
// something else.
func (s policyStatement) list(member string) (values []string, ok bool) {
	raw, there := s.members[member]
	if !there {
		return nil, true
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, true
	}
	return values, json.Unmarshal(raw, &values) == nil
}

func (s policyStatement) allows() bool {
	effect, ok := s.list("Effect")
	return ok && len(effect) == 1 && effect[0] == "Allow"
}

// ownMembers are those of a statement of ours; one that has others is not ours.
var ownMembers = []string{"Effect", "Action", "Principal", "Resource"}

// plain reports whether a statement has no other members.
func (s policyStatement) plain() bool {
	for name := range s.members {
		if !slices.Contains(ownMembers, name) {
			return false
		}
	}
	return true
}

// ours reports whether a statement is the one that g stands for, whatever actions it
// allows: the same principal, the same resources, and no member besides.
func (s policyStatement) ours(g ResourceGrant) bool {
	principals, ok1 := s.principals("Principal", g)
	resources, ok2 := s.list("Resource")
	_, ok3 := s.list("Action")
	return s.plain() && s.allows() && ok1 && ok2 && ok3 && sameSet(principals, []string{g.Principal}) && sameSet(resources, g.Resources)
}

// asMade reports whether a statement is g, by meaning.
func (s policyStatement) asMade(g ResourceGrant) bool {
	actions, _ := s.list("Action")
	return s.ours(g) && sameSet(actions, g.Actions)
}

func sameSet(a, b []string) bool {
	x, y := slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b)))
	return slices.Equal(x, y)
}

// String returns the document.
func (p ResourcePolicy) String() string { return p.text }

// Merge returns the document with g in it. When the document allows all of g already
// it is returned as it is. A statement of ours that allows less is given what is
// missing; otherwise g is added at the end. Everything else keeps its bytes.
func (p ResourcePolicy) Merge(g ResourceGrant) (merged string, changed bool) {
	if p.Allows(g) {
		return p.text, false
	}
	for _, s := range p.statements {
		if s.ours(g) {
			actions, _ := s.list("Action")
			g.Actions = append(slices.Clone(g.Actions), lacking(g.Actions, actions)...)
			return p.text[:s.from] + g.String() + p.text[s.to:], true
		}
	}
	if len(p.statements) == 0 {
		return p.text[:p.end] + g.String() + p.text[p.end:], true
	}
	last := p.statements[len(p.statements)-1].to
	return p.text[:last] + "," + g.String() + p.text[last:], true
}

// lacking returns the elements of list that have does not have.
func lacking(have, list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(have, s) })
}

// Remove returns the document without the statement that is g by meaning, and whether
// there was one. When no statement is left the document is "": the bucket is to have
// no policy. What is ours but was changed is not touched.
func (p ResourcePolicy) Remove(g ResourceGrant) (rest string, removed bool) {
	for i, s := range p.statements {
		if !s.asMade(g) {
			continue
		}
		switch {
		case len(p.statements) == 1:
			return "", true
		case i+1 < len(p.statements):
			return p.text[:s.from] + p.text[p.statements[i+1].from:], true
		}
		return p.text[:p.statements[i-1].to] + p.text[s.to:], true
	}
	return p.text, false
}

// Holds reports whether a statement of ours stands in the document, changed or not.
func (p ResourcePolicy) Holds(g ResourceGrant) bool {
	return slices.ContainsFunc(p.statements, func(s policyStatement) bool { return s.ours(g) })
}

// Standing returns the statement of ours that stands in the document, with the actions
// that it has there.
func (p ResourcePolicy) Standing(g ResourceGrant) (stands ResourceGrant, ok bool) {
	i := slices.IndexFunc(p.statements, func(s policyStatement) bool { return s.ours(g) })
	if i < 0 {
		return g, false
	}
	g.Actions, _ = p.statements[i].list("Action")
	return g, true
}

// Exactly reports whether a statement of ours stands in the document and is g by meaning.
func (p ResourcePolicy) Exactly(g ResourceGrant) bool {
	return slices.ContainsFunc(p.statements, func(s policyStatement) bool { return s.asMade(g) })
}

// Unfit returns why g cannot be merged into the document, or "": a Deny that stands
// against it, or a limit of bucket policies.
func (p ResourcePolicy) Unfit(g ResourceGrant) (Reason, string) {
	if g.Key != "" {
		return p.unfitKeyPolicy(g)
	}
	if i, denied := p.denies(g, false); denied {
		return ReasonGrantDenied, fmt.Sprintf("statement %d of the bucket policy denies %s what it needs, and a Deny outweighs every Allow: %s", i+1, g.Principal, p.shown(i))
	}
	if n := len(g.String()); n > maxBucketStatement {
		return ReasonPolicyFull, fmt.Sprintf("the statement has %d bytes, OSS takes %d", n, maxBucketStatement)
	}
	if merged, _ := p.Merge(g); len(merged) > maxBucketPolicy {
		return ReasonPolicyFull, fmt.Sprintf("with the statement the bucket policy has %d bytes, OSS takes %d", len(merged), maxBucketPolicy)
	}
	return "", ""
}

// Notice tells of a Deny that stands against g under a condition, or "": whether the
// condition holds for OSS cannot be known.
func (p ResourcePolicy) Notice(g ResourceGrant) string {
	if i, denied := p.denies(g, true); denied {
		return fmt.Sprintf("statement %d of the bucket policy denies %s what it needs when its condition holds: %s", i+1, g.Principal, p.shown(i))
	}
	return ""
}

// shown returns a statement for people, shortened.
func (p ResourcePolicy) shown(i int) string {
	const most = 300
	s := strings.Join(strings.Fields(p.text[p.statements[i].from:p.statements[i].to]), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
