package replication

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// MaxTicketBytes is the largest body that a message queue carries. [fact 31]
const MaxTicketBytes = 64 * 1024

// later names the parts of the published contract that this version does not
// carry out. They are refused by name, so that nobody believes they took effect.
var later = map[string]string{
	"verify.heartbeat": "heartbeat objects",
}

// Parse reads a ticket strictly: unknown, doubled and differently spelt fields are
// refused, defaults are filled in. It returns the problems of form; [Validate]
// finds those of meaning. With problems the request holds what could be read, the
// id above all, so that a refusal can name its ticket.
func Parse(body []byte) (Request, Problems) {
	r := defaults()
	var p Problems
	if len(body) > MaxTicketBytes {
		p.add(ReasonMalformed, "", fmt.Sprintf("the ticket has %d bytes, the limit is %d", len(body), MaxTicketBytes))
		return r, p
	}
	fields, err := fieldsOf(body)
	if err != nil {
		p.add(ReasonMalformed, "", "the ticket is not a JSON object: "+err.Error())
		return r, p
	}
	checkFields(&p, fields, reflect.TypeFor[Request](), "")
	if err := json.Unmarshal(body, &r); err != nil {
		field, what := describe(err)
		p.add(ReasonMalformed, field, what)
	}
	if r.Action.aboutAnother() {
		r = Request{SpecVersion: r.SpecVersion, ID: r.ID, Action: r.Action, Requester: r.Requester, Target: r.Target,
			RTC: r.RTC && r.Action == ActionSetRTC}
	}
	if r.Action == ActionAdopt {
		r.Role = RoleChoice{}
	}
	checkAction(&p, fields, r.Action)
	return r, p
}

// forOrders are the members of a ticket that is about another one.
var forOrders = []string{"specVersion", "id", "action", "target", "requester"}

// checkAction refuses members that exist, but not for this action.
func checkAction(p *Problems, n node, a Action) {
	if a == ActionSetRTC && !slices.Contains(n.names, "rtc") {
		p.add(ReasonInvalid, "rtc", "set-rtc has to say whether rtc is to be true or false")
	}
	for _, name := range n.names {
		_, exists := fieldsByName(reflect.TypeFor[Request]())[name]
		if exists && (a.aboutAnother() && !slices.Contains(forOrders, name) && !(a == ActionSetRTC && name == "rtc") || a == ActionReplicate && name == "target" || a != ActionReplace && name == "acceptGap" || a == ActionAdopt && name == "role") {
			p.add(ReasonInvalid, name, fmt.Sprintf("the action %s takes no %s", a, name))
		}
	}
}

// describe words a decoding error without Go's type names.
func describe(err error) (field, what string) {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return t.Field, fmt.Sprintf("%s is a JSON %s, which does not fit here", t.Field, t.Value)
	}
	return "", "a value cannot be read: " + err.Error()
}

// A node is a JSON value as far as names matter: members of an object in their
// order, or elements of an array.
type node struct {
	names    []string // of an object
	members  []node
	object   bool
	null     bool
	elements []node // of an array
}

// fieldsOf reads the names in body, doubled ones included.
func fieldsOf(body []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		return n, err
	}
	if !n.object {
		return n, errors.New("it has to begin with {")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return n, errors.New("there is something after its end")
	}
	return n, nil
}

func readNode(d *json.Decoder) (node, error) {
	t, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return node{}, err
	}
	var n node
	switch t {
	case json.Delim('{'):
		n.object = true
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return n, err
			}
			m, err := readNode(d)
			if err != nil {
				return n, err
			}
			n.names = append(n.names, fmt.Sprint(name))
			n.members = append(n.members, m)
		}
	case json.Delim('['):
		for d.More() {
			m, err := readNode(d)
			if err != nil {
				return n, err
			}
			n.elements = append(n.elements, m)
		}
	default:
		n.null = t == nil
		return n, nil
	}
	_, err = d.Token() // the closing bracket
	return n, err
}

// checkFields compares the names of an object with those of a struct.
func checkFields(p *Problems, n node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice {
		for i, e := range n.elements {
			if e.null {
				p.add(ReasonMalformed, fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%s[%d] is null", path, i))
			}
			checkFields(p, e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
		return
	}
	if t.Kind() != reflect.Struct || !n.object {
		return
	}
	known := fieldsByName(t)
	seen := map[string]bool{}
	for i, name := range n.names {
		at := strings.TrimPrefix(path+"."+name, ".")
		f, ok := known[name]
		switch what, isLater := later[at]; {
		case seen[name]:
			p.add(ReasonMalformed, at, fmt.Sprintf("%s is there twice", at))
		case isLater:
			p.add(ReasonNotSupported, at, fmt.Sprintf("%s (%s) is not supported yet", at, what))
		case !ok:
			p.add(ReasonUnknownField, at, fmt.Sprintf("there is no field %s", at))
		case n.members[i].null:
			p.add(ReasonMalformed, at, fmt.Sprintf("%s is null; leave it out instead", at))
		default:
			checkFields(p, n.members[i], f.Type, at)
		}
		seen[name] = true
	}
}
