package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// A node is a JSON Schema as far as ours goes. An unknown keyword fails the test.
type node struct {
	Schema               string          `json:"$schema"`
	Title                string          `json:"title"`
	Description          string          `json:"description"`
	Ref                  string          `json:"$ref"`
	Defs                 map[string]node `json:"$defs"`
	Type                 string          `json:"type"`
	Const                any             `json:"const"`
	Enum                 []any           `json:"enum"`
	Default              any             `json:"default"`
	Pattern              string          `json:"pattern"`
	Format               string          `json:"format"`
	MaxLength            int             `json:"maxLength"`
	MaxItems             int             `json:"maxItems"`
	UniqueItems          bool            `json:"uniqueItems"`
	Items                *node           `json:"items"`
	Required             []string        `json:"required"`
	Properties           map[string]node `json:"properties"`
	AdditionalProperties *bool           `json:"additionalProperties"`
}

func ticketSchema(t *testing.T) node {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(schema)))
	d.DisallowUnknownFields()
	var n node
	require.NoError(t, d.Decode(&n))
	return n
}

// check returns what the schema has against a value.
func (n node) check(root node, v any, at string) error {
	if n.Ref != "" {
		return root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")].check(root, v, at)
	}
	kinds := map[string]reflect.Kind{"object": reflect.Map, "array": reflect.Slice, "string": reflect.String, "boolean": reflect.Bool}
	switch {
	case n.Type != "" && (v == nil || reflect.TypeOf(v).Kind() != kinds[n.Type]):
		return fmt.Errorf("%s is not of type %s", at, n.Type)
	case n.Const != nil && v != n.Const:
		return fmt.Errorf("%s is not %v", at, n.Const)
	case n.Enum != nil && !slices.Contains(n.Enum, v):
		return fmt.Errorf("%s is not one of %v", at, n.Enum)
	}
	switch v := v.(type) {
	case string:
		_, bad := time.Parse(time.RFC3339, v)
		if n.Pattern != "" && !regexp.MustCompile(n.Pattern).MatchString(v) || n.MaxLength > 0 && utf8.RuneCountInString(v) > n.MaxLength ||
			n.Format == "date-time" && bad != nil {
			return fmt.Errorf("%s has the wrong form: %.40q", at, v)
		}
	case []any:
		for i, e := range v {
			if err := n.Items.check(root, e, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
			if n.UniqueItems && slices.Contains(v[:i], e) {
				return fmt.Errorf("%s holds %v twice", at, e)
			}
		}
		if len(v) > n.MaxItems {
			return fmt.Errorf("%s is too long", at)
		}
	case map[string]any:
		for _, name := range n.Required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s.%s is missing", at, name)
			}
		}
		for name, e := range v {
			p, ok := n.Properties[name]
			if !ok {
				return fmt.Errorf("%s.%s is unknown", at, name)
			}
			if err := p.check(root, e, at+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// full has every field that a ticket can have.
const full = `{
	"specVersion": "1", "id": "CHG-1", "action": "replicate", "requester": "somebody",
	"source": {"account": "1234567890123456", "region": "cn-hangzhou", "bucket": "source-bucket"},
	"destination": {"account": "1234567890123456", "region": "cn-shanghai", "bucket": "destination-bucket"},
	"role": {"type": "new"}, "objects": {"prefixes": ["a/", "b/"]}, "replicateDeletes": true,
	"historical": {"replicate": true, "acceptOverwrite": true, "dueBy": "2030-01-02T03:04:05Z"},
	"transferAcceleration": true, "rtc": true, "limits": {"maxLag": "1h30m"}, "verify": {"canary": false}
}`

// desk refuses a ticket as the functions would, without asking the cloud.
func desk(body []byte) error {
	r, problems := replication.Parse(body)
	if len(problems) == 0 {
		problems = replication.Validate(r, replication.Desk{MaxPrefixes: 100})
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// with returns the full ticket with the value at a path replaced; nil removes it.
func with(t *testing.T, path string, value any) []byte {
	t.Helper()
	var ticket map[string]any
	require.NoError(t, json.Unmarshal([]byte(full), &ticket))
	at := ticket
	parts := strings.Split(path, ".")
	for _, p := range parts[:len(parts)-1] {
		at = at[p].(map[string]any)
	}
	last := parts[len(parts)-1]
	if value == nil {
		delete(at, last)
	} else {
		at[last] = value
	}
	b, err := json.Marshal(ticket)
	require.NoError(t, err)
	return b
}

func TestTheSchemaSaysWhatTheDeskSays(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("p%03d/", i)
	}
	root := ticketSchema(t)
	cases := map[string][]byte{"with every field": []byte(full)}
	for path := range paths(reflect.TypeFor[replication.Request](), "") {
		cases["without "+path] = with(t, path, nil)
		cases["with a number as "+path] = with(t, path, 7)
	}
	for path, values := range map[string][]any{
		"specVersion":           {"2", ""},
		"id":                    {"", "a b", "-a", strings.Repeat("x", 64), strings.Repeat("x", 65)},
		"action":                {"", "destroy", "stop"},
		"requester":             {"", strings.Repeat("é", 256), strings.Repeat("é", 257)},
		"source.account":        {"", "me", "1234", "123456789012345678901"},
		"source.region":         {"", "oss-cn-hangzhou", "CN-HANGZHOU", "eu-west-1"},
		"destination.bucket":    {"", "ab", "abc", "A-bucket", "-ab", strings.Repeat("b", 64)},
		"role.type":             {"custom", ""},
		"role.more":             {"x"},
		"objects.prefixes":      {[]string{}, []string{""}, []string{"*"}, []string{"a*"}, []string{"/a"}, []string{"a", "a"}, []string{"a"}, []string{strings.Repeat("é", 1023)}, []string{strings.Repeat("é", 1024)}, many, many[:100], []int{1}},
		"historical.dueBy":      {"tomorrow", "2030-01-02", "2030-01-02T03:04:05+08:00"},
		"limits.maxLag":         {"", "10", "1.5h", "10m", "-1m", "1d", 5},
		"replicateDeletes":      {"yes", false},
		"verify.heartbeat":      {"1m"},
		"unknown":               {1},
		"Id":                    {"CHG-2"},
		"historical.overwrites": {true},
	} {
		for _, v := range values {
			cases[fmt.Sprintf("with %.60v as %s", v, path)] = with(t, path, v)
		}
	}
	for name, body := range cases {
		var v any
		require.NoError(t, json.Unmarshal(body, &v))
		byDesk, bySchema := desk(body), root.check(root, v, "ticket")
		require.Equal(t, byDesk == nil, bySchema == nil, "a ticket %s: the desk says %v, the schema %v", name, byDesk, bySchema)
	}
}

// paths returns the paths of all fields below a type.
func paths(typ reflect.Type, base string) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[base+name] = f.Type
		if f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == typ.PkgPath() {
			for path, t := range paths(f.Type, base+name+".") {
				all[path] = t
			}
		}
	}
	return all
}

func TestTheSchemaHasEveryFieldAndItsDefault(t *testing.T) {
	root := ticketSchema(t)
	given, problems := replication.Parse([]byte(`{}`))
	require.Empty(t, problems)
	defaults, err := json.Marshal(given)
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, json.Unmarshal(defaults, &values))

	find := func(path string) node {
		n := root
		for name := range strings.SplitSeq(path, ".") {
			if n.Ref != "" {
				n = root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
			}
			require.NotNil(t, n.AdditionalProperties, "%s allows unknown fields", path)
			require.False(t, *n.AdditionalProperties)
			p, ok := n.Properties[name]
			require.True(t, ok, "the schema has no %s", path)
			n = p
		}
		return n
	}
	for path, typ := range paths(reflect.TypeFor[replication.Request](), "") {
		n := find(path)
		if typ.Kind() == reflect.Struct && n.Ref == "" && n.Type == "object" || n.Ref != "" || n.Default == nil {
			continue
		}
		v := any(values)
		for name := range strings.SplitSeq(path, ".") {
			v = v.(map[string]any)[name]
		}
		require.Equal(t, v, n.Default, "the default of %s", path)
	}
	require.True(t, given.Verify.Canary)
	require.Equal(t, true, find("verify.canary").Default)
	require.Equal(t, "1h0m0s", find("limits.maxLag").Default)
}
