package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// strangers returns what package json would pass over in silence when it reads b
// into a T: names that do not exist or are spelt differently, names that are there
// twice, null, and whatever follows the object.
func strangers[T any](b []byte) []error {
	s := &strict{d: json.NewDecoder(bytes.NewReader(b))}
	if first := bytes.TrimSpace(b); len(first) == 0 || first[0] != '{' {
		return []error{errors.New("it has to be a JSON object")}
	}
	err := s.value(reflect.TypeFor[T](), "")
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return append(s.found, fmt.Errorf("not JSON: %w", err))
	}
	if _, err := s.d.Token(); !errors.Is(err, io.EOF) {
		s.add("there is something after its end")
	}
	return s.found
}

type strict struct {
	d     *json.Decoder
	found []error
}

func (s *strict) add(format string, args ...any) {
	s.found = append(s.found, fmt.Errorf(format, args...))
}

// value reads one value. t is nil below a name that does not exist.
func (s *strict) value(t reflect.Type, at string) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := s.d.Token()
	if err != nil {
		return err
	}
	switch token {
	case nil:
		s.add("%s is null; leave it out instead", at)
		return nil
	case json.Delim('{'):
		err = s.members(t, at)
	case json.Delim('['):
		err = s.elements(t, at)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.d.Token() // the closing bracket
	return err
}

func (s *strict) members(t reflect.Type, at string) error {
	known := map[string]reflect.Type{}
	if t != nil && t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			known[name] = f.Type
		}
	}
	seen := map[string]bool{}
	for s.d.More() {
		token, err := s.d.Token()
		if err != nil {
			return err
		}
		name := fmt.Sprint(token)
		path := strings.TrimPrefix(at+"."+name, ".")
		member, ok := known[name]
		switch {
		case t != nil && !ok:
			s.add("there is no field %s", path)
		case seen[name]:
			s.add("%s is there twice", path)
		}
		seen[name] = true
		if err := s.value(member, path); err != nil {
			return err
		}
	}
	return nil
}

func (s *strict) elements(t reflect.Type, at string) error {
	var element reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		element = t.Elem()
	}
	for i := 0; s.d.More(); i++ {
		if err := s.value(element, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	return nil
}
