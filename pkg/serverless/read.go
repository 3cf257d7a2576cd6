package serverless

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Problem is one thing that is wrong with a file.
type Problem struct {
	Line int    // in the file
	Path string // such as resources.verify.props.triggers[0].triggerName; "" is the whole file
	Text string
}

// Error gives place and text in one line.
func (p Problem) Error() string {
	if p.Path == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, p.Path, p.Text)
}

// Read reads a file and checks it. getenv answers for ${env('NAME')}; "" counts as
// not set, as it does for the tool. The error joins every [Problem] in the order of
// the lines.
func Read(b []byte, getenv func(name string) string) (*File, error) {
	r := newReader(getenv)
	root, err := document(b)
	if err != nil {
		return nil, err
	}
	r.place(root, "")
	var f File
	if len(r.problems) == 0 { // else two keys of one name would both be there
		r.resolve(root)
		r.fill(reflect.ValueOf(&f).Elem(), root)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &f, nil
}

// document returns the one document of a file.
func document(b []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, Problem{Line: 1, Text: "the file is empty"}
	case err != nil:
		return nil, noYAML(err)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, Problem{Line: more.Line, Text: "there is a second document"}
	case !errors.Is(err, io.EOF):
		return nil, noYAML(err)
	}
	return doc.Content[0], nil
}

var yamlError = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

// noYAML words the library's error as a problem.
func noYAML(err error) Problem {
	text, line := err.Error(), 1
	if m := yamlError.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	return Problem{Line: line, Text: text}
}

// A reader reads one file.
type reader struct {
	getenv   func(string) string
	paths    map[*yaml.Node]string // where a node stands in the file, also after it was merged elsewhere
	vars     map[string]string     // resolved
	used     map[string]bool       // of vars, and of templates with "template." before the name
	problems []Problem
	seen     map[Problem]bool // what a template says is read once for every resource that extends it
}

func newReader(getenv func(string) string) *reader {
	return &reader{getenv: getenv, paths: map[*yaml.Node]string{}, vars: map[string]string{}, used: map[string]bool{}, seen: map[Problem]bool{}}
}

func (r *reader) problem(n *yaml.Node, format string, args ...any) {
	p := Problem{Line: n.Line, Path: r.paths[n], Text: fmt.Sprintf(format, args...)}
	if !r.seen[p] {
		r.seen[p] = true
		r.problems = append(r.problems, p)
	}
}

func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	var errs []error
	for _, p := range r.problems {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// place notes where every node stands, and refuses what YAML has beyond plain
// objects, lists and scalars: not every reader of the file knows that.
func (r *reader) place(n *yaml.Node, at string) {
	r.paths[n] = at
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		r.problem(n, "anchors and aliases are not for every reader of YAML")
		return
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, c := range n.Content {
			r.place(c, fmt.Sprintf("%s[%d]", at, i))
		}
	case yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			path := strings.TrimPrefix(at+"."+k.Value, ".")
			r.paths[k] = path
			switch {
			case k.Kind != yaml.ScalarNode || k.Tag != "!!str":
				r.problem(k, "the key is not a plain text")
				continue
			case seen[k.Value]:
				r.problem(k, "the key is there twice")
			}
			seen[k.Value] = true
			r.place(v, path)
		}
	}
}

var nodeType = reflect.TypeFor[yaml.Node]()

// fill reads a node into a value of one of the types of this package.
func (r *reader) fill(v reflect.Value, n *yaml.Node) {
	before := len(r.problems)
	switch {
	case v.Type() == nodeType:
		return
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.fill(v.Elem(), n)
		return
	case v.Kind() == reflect.Struct:
		r.object(v, n)
	case v.Kind() == reflect.Map:
		r.names(v, n)
	case v.Kind() == reflect.Slice:
		r.list(v, n)
	default:
		r.scalar(v, n)
	}
	if l, ok := v.Addr().Interface().(limited); ok && len(r.problems) == before {
		if err := l.limits(); err != nil {
			for text := range strings.SplitSeq(err.Error(), "\n") {
				r.problem(n, "%s", text)
			}
		}
	}
}

// object reads an object of which every key is in the list.
func (r *reader) object(v reflect.Value, n *yaml.Node) {
	if !r.is(n, yaml.MappingNode, "!!map", "an object") {
		return
	}
	known := map[string]bool{}
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("yaml"), v.Field(i)
		known[key] = true
		child := child(n, key)
		switch {
		case child != nil && field.Kind() == reflect.Interface:
			if into := v.Addr().Interface().(*Trigger).choose(); into != nil {
				r.fill(reflect.ValueOf(into).Elem(), child)
				field.Set(reflect.ValueOf(into))
			}
		case child != nil:
			r.fill(field, child)
		case field.Kind() != reflect.Pointer:
			r.problem(n, "%s is missing", key)
		}
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i]; !known[k.Value] {
			r.problem(k, "there is no such key here")
		}
	}
}

// names reads an object whose keys are free.
func (r *reader) names(v reflect.Value, n *yaml.Node) {
	if !r.is(n, yaml.MappingNode, "!!map", "an object") {
		return
	}
	if len(n.Content) == 0 {
		r.problem(n, "it is empty")
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i < len(n.Content); i += 2 {
		value := reflect.New(v.Type().Elem()).Elem()
		r.fill(value, n.Content[i+1])
		v.SetMapIndex(reflect.ValueOf(n.Content[i].Value), value)
	}
}

func (r *reader) list(v reflect.Value, n *yaml.Node) {
	if !r.is(n, yaml.SequenceNode, "!!seq", "a list") {
		return
	}
	if len(n.Content) == 0 {
		r.problem(n, "it is empty")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		r.fill(v.Index(i), c)
	}
}

func (r *reader) scalar(v reflect.Value, n *yaml.Node) {
	switch v.Kind() {
	case reflect.String:
		if r.is(n, yaml.ScalarNode, "!!str", "text; a number or true as text stands in quotes") {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		if r.is(n, yaml.ScalarNode, "!!bool", "true or false") {
			v.SetBool(n.Value == "true")
		}
	case reflect.Int:
		if i, err := strconv.Atoi(n.Value); r.is(n, yaml.ScalarNode, "!!int", "a whole number without quotes") {
			if err != nil || strconv.Itoa(i) != n.Value {
				r.problem(n, "%s is not a whole number in plain digits", n.Value)
			}
			v.SetInt(int64(i))
		}
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || n.Tag != "!!int" && n.Tag != "!!float" {
			r.problem(n, "it is not a number without quotes")
		}
		v.SetFloat(f)
	}
}

// is reports whether a node is of a kind, and otherwise tells of a problem.
func (r *reader) is(n *yaml.Node, kind yaml.Kind, tag, what string) bool {
	if n.Kind == kind && n.Tag == tag {
		return true
	}
	r.problem(n, "it is not %s", what)
	return false
}

// child returns the value of a key of an object, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
