package replication

import (
	"encoding/json"
	"fmt"
	"reflect"
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
// loses nothing that a newer one wrote. previous may be nil.
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

// keepUnknown adds the members of old that t has no field for to now.
func keepUnknown(now, old []byte, t reflect.Type) ([]byte, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return now, nil
	}
	var n, o map[string]json.RawMessage
	if json.Unmarshal(now, &n) != nil || json.Unmarshal(old, &o) != nil || n == nil || o == nil {
		return now, nil // not objects, such as a time stamp or null: nothing to keep
	}
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			known[name] = f.Type
		}
	}
	for name, was := range o {
		ft, ok := known[name]
		is, written := n[name]
		switch {
		case !ok:
			n[name] = was
		case written:
			kept, err := keepUnknown(is, was, ft)
			if err != nil {
				return nil, err
			}
			n[name] = kept
		}
	}
	return json.Marshal(n)
}
