// Package policy reads access policies written in the language of RAM and says
// what they certainly allow.
//
// It answers for somebody who is about to rely on a right, so every doubt counts
// against the right: an Allow counts only when it surely applies to all that is
// asked for, a Deny as soon as it could apply to any of it. A Condition is a doubt
// either way, and so is an element that is not known here. [fact 51]
//
// It is pure: documents go in, answers come out.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A Right is an action on a resource, such as oss:ReplicateGet on
// acs:oss:*:1000000000000001:src-bucket/*. A "*" in the resource means whatever
// stands there: the right is there only when it is there for all of it.
type Right struct {
	Action   string `json:"action"`
	Resource string `json:"resource"`
}

// A Policy is one policy of a set that counts together.
type Policy struct {
	Name     string
	Document string // in JSON
}

// A Gap is a right that the policies of a set do not surely give.
type Gap struct {
	Right
	// Denied names the policy that may deny the right, which no further policy can
	// give then; "" when nothing denies and nothing allows it.
	Denied string
}

// Gaps returns those of the rights that the policies together do not surely give,
// in the order of the rights. A policy that cannot be read may deny everything.
func Gaps(policies []Policy, rights []Right) []Gap {
	docs := make([]document, len(policies))
	for i, p := range policies {
		d, err := parse(p.Document)
		if err != nil {
			d = document{{effect: deny, doubtful: true}}
		}
		docs[i] = d
	}
	var gaps []Gap
	for _, r := range rights {
		g, allowed := Gap{Right: r}, false
		for i, d := range docs {
			allowed = allowed || slices.ContainsFunc(d, func(s statement) bool { return s.surelyAllows(r) })
			if g.Denied == "" && slices.ContainsFunc(d, func(s statement) bool { return s.mayDeny(r) }) {
				g.Denied = policies[i].Name
			}
		}
		if !allowed || g.Denied != "" {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// Allows reports whether the documents together surely give the right to an action
// on a resource.
func Allows(action, resource string, documents ...string) bool {
	policies := make([]Policy, len(documents))
	for i, d := range documents {
		policies[i] = Policy{Name: fmt.Sprintf("document %d", i+1), Document: d}
	}
	return len(Gaps(policies, []Right{{Action: action, Resource: resource}})) == 0
}

// Trusts reports whether a trust policy surely lets a service, such as
// oss.aliyuncs.com, assume the role. [fact 19]
func Trusts(trust, service string) bool {
	const assume = "sts:AssumeRole"
	d, err := parse(trust)
	if err != nil {
		return false
	}
	allowed := false
	for _, s := range d {
		switch {
		case s.effect == allow && !s.doubtful && s.hasPrincipal && s.resource == nil && s.notResource == nil &&
			slices.Contains(s.services, service) && s.coversAction(assume):
			allowed = true
		case s.effect != allow && s.touchesService(service) && s.touchesAction(assume):
			return false
		}
	}
	return allowed
}

// The effects. Any other one is taken for a Deny.
const (
	allow = "Allow"
	deny  = "Deny"
)

type document []statement

// A statement holds nil where an element is absent.
type statement struct {
	effect                string
	action, notAction     []string
	resource, notResource []string

	hasPrincipal bool
	services     []string // of the principal
	anybody      bool     // the principal is not one that names whom it means by their kind
	doubtful     bool     // it has a condition, or an element that is not known here
}

// errMore is what stands after the end of a document.
var errMore = errors.New("there is something after the end of the document")

func parse(text string) (document, error) {
	var top map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&top); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errMore
	}
	var list []map[string]json.RawMessage // names are case-sensitive, so no struct
	if err := json.Unmarshal(top["Statement"], &list); err != nil {
		var one map[string]json.RawMessage
		if json.Unmarshal(top["Statement"], &one) != nil {
			return nil, fmt.Errorf("the statements: %w", err)
		}
		list = append(list[:0], one)
	}
	doc := make(document, len(list))
	for i, elements := range list {
		s, err := readStatement(elements)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		doc[i] = s
	}
	return doc, nil
}

func readStatement(elements map[string]json.RawMessage) (statement, error) {
	var s statement
	for name, raw := range elements {
		var err error
		switch name {
		case "Sid": // a name, which says nothing
		case "Effect":
			err = json.Unmarshal(raw, &s.effect)
		case "Action":
			s.action, err = stringsOf(raw)
		case "NotAction":
			s.notAction, err = stringsOf(raw)
		case "Resource":
			s.resource, err = stringsOf(raw)
		case "NotResource":
			s.notResource, err = stringsOf(raw)
		case "Principal":
			s.hasPrincipal = true
			s.readPrincipal(raw)
		case "Condition":
			var keys map[string]json.RawMessage
			s.doubtful = s.doubtful || json.Unmarshal(raw, &keys) != nil || len(keys) > 0
		default:
			s.doubtful = true
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

// readPrincipal reads whom a trust policy means: an object with a list for each
// kind of principal. Anything else could mean anybody.
func (s *statement) readPrincipal(raw json.RawMessage) {
	var kinds map[string]json.RawMessage
	if json.Unmarshal(raw, &kinds) != nil {
		s.anybody = true
		return
	}
	for kind, names := range kinds {
		list, err := stringsOf(names)
		switch {
		case err != nil:
			s.anybody = true
		case kind == "Service":
			s.services = list
		case kind != "RAM" && kind != "Federated":
			s.anybody = true
		}
	}
}

// stringsOf reads a list of strings, or one string, which means the same. It never
// returns nil without an error. [fact 51]
func stringsOf(raw json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil && !bytes.Equal(raw, []byte("null")) {
		return []string{one}, nil
	}
	list := []string{}
	err := json.Unmarshal(raw, &list)
	if err == nil && list == nil {
		err = errors.New("it is null")
	}
	return list, err
}
