package replication

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Schema is the version of the stored form of a job that this program writes;
// MinReader is the oldest program that may touch it.
const (
	Schema    = 1
	MinReader = 1
)

// Decode reads a job from the body of a journal entry.
func Decode(body []byte) (*Job, error) {
	j := &Job{}
	if err := json.Unmarshal(body, j); err != nil {
		return nil, fmt.Errorf("the entry does not hold a job: %w", err)
	}
	return j, nil
}

// Encode returns the body of the next entry. Members of the previous body that
// this program does not know are kept, at every depth, so that an older program
// loses nothing that a newer one wrote. They stay with what they were said of: an
// effect, an outcome or a result that is replaced takes its unknown members with
// it. previous may be nil.
func Encode(j *Job, previous []byte) ([]byte, error) {
	b, err := json.Marshal(j)
	if err != nil || previous == nil {
		return b, err
	}
	return keepUnknown(b, previous, reflect.TypeFor[Job]())
}

// Clone returns a deep copy.
func (j *Job) Clone() *Job {
	b, err := json.Marshal(j)
	c := &Job{}
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil { // the types of a job always survive the way through JSON
		panic("replication: a job cannot be copied: " + err.Error())
	}
	return c
}

// replaced holds the types of which a new value has nothing to do with the one
// that stood in its place.
var replaced = map[reflect.Type]bool{
	reflect.TypeFor[Intent](): true, reflect.TypeFor[Outcome](): true, reflect.TypeFor[Event](): true, reflect.TypeFor[Ending](): true,
	reflect.TypeFor[Held](): true,
}

// keepUnknown adds the members of old that t has no field for to now.
func keepUnknown(now, old []byte, t reflect.Type) ([]byte, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if unchanged(now, old, t) {
		return old, nil
	}
	switch {
	case t.Kind() == reflect.Slice:
		return keepInElements(now, old, t.Elem())
	case t.Kind() == reflect.Struct && !replaced[t]:
		return keepInMembers(now, old, t)
	}
	return now, nil
}

// unchanged reports whether old, read and written again by this program, is now.
func unchanged(now, old []byte, t reflect.Type) bool {
	v := reflect.New(t)
	if json.Unmarshal(old, v.Interface()) != nil {
		return false
	}
	again, err := json.Marshal(v.Interface())
	return err == nil && bytes.Equal(again, now)
}

// keepInElements keeps the elements that did not change; a list can grow and shrink
// at both ends, so they are found wherever they stood.
func keepInElements(now, old []byte, t reflect.Type) ([]byte, error) {
	var n, o []json.RawMessage
	if json.Unmarshal(now, &n) != nil || json.Unmarshal(old, &o) != nil || n == nil {
		return now, nil
	}
	for i, is := range n {
		for k, was := range o {
			if unchanged(is, was, t) {
				n[i], o = was, slices.Delete(slices.Clone(o), k, k+1)
				break
			}
		}
	}
	return json.Marshal(n)
}

func keepInMembers(now, old []byte, t reflect.Type) ([]byte, error) {
	var n, o map[string]json.RawMessage
	if json.Unmarshal(now, &n) != nil || json.Unmarshal(old, &o) != nil || n == nil || o == nil {
		return now, nil // not objects, such as a time stamp or null: nothing to keep
	}
	known := fieldsByName(t)
	for name, was := range o {
		f, ok := known[name]
		is, written := n[name]
		switch {
		case !ok:
			n[name] = was
		case written:
			kept, err := keepUnknown(is, was, f.Type)
			if err != nil {
				return nil, err
			}
			n[name] = kept
		}
	}
	return json.Marshal(n)
}

// fieldsByName returns the exported fields of a struct by their names in JSON.
func fieldsByName(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields[name] = f
		}
	}
	return fields
}
