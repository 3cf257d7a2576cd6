package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// object is a JSON object whose members keep their order and the case of their
// names. encoding/json would take "effect" for "Effect" and the last of two equal
// names; a policy with either is malformed.
type object []member

type member struct {
	name  string
	value any // object, []any, string, number, bool or nil
}

type number string

func (o object) get(name string) (any, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// maxDepth is how deep a document may nest; a sound one nests six levels.
const maxDepth = 16

func readObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, malformed("", "is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, asMalformed(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("", "has something after the document")
	}
	o, ok := v.(object)
	if !ok {
		return nil, malformed("", "is not a JSON object")
	}
	return o, nil
}

func asMalformed(err error) error {
	if m, ok := AsMalformed(err); ok {
		return m
	}
	return malformed("", "is not JSON: %v", err)
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, malformed("", "nests too deep")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return number(t), nil
	case json.Delim:
		if t == '[' {
			return readList(dec, depth)
		}
		return readMembers(dec, depth)
	}
	return t, nil
}

func readList(dec *json.Decoder, depth int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token() // the closing bracket
	return list, err
}

func readMembers(dec *json.Decoder, depth int) (any, error) {
	o := object{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, malformed("", "is not JSON")
		}
		if _, ok := o.get(name); ok {
			return nil, malformed("", "has the element %q twice", name)
		}
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, member{name, v})
	}
	_, err := dec.Token() // the closing brace
	return o, err
}
