package replication_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func schemaOf(t *testing.T) schemaNode {
	t.Helper()
	var s schemaNode
	require.NoError(t, json.Unmarshal(replication.JSONSchema(), &s))
	return s
}

func examples(t *testing.T) []string {
	t.Helper()
	var s struct{ Examples []json.RawMessage }
	require.NoError(t, json.Unmarshal(replication.JSONSchema(), &s))
	require.Len(t, s.Examples, 4)
	var e []string
	for _, x := range s.Examples {
		e = append(e, string(x))
	}
	return e
}

func decoded(t *testing.T, ticket string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(ticket), &v))
	return v
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// amiss returns what is wrong with a ticket, but for an approval that it still needs.
func amiss(ticket string) []replication.Problem {
	return slices.DeleteFunc(problemsOf(ticket), func(p replication.Problem) bool { return p.Code == replication.ReasonApprovalMissing })
}

func TestTheExamplesOfTheSchemaAreGoodTickets(t *testing.T) {
	s := schemaOf(t)
	for _, e := range append(examples(t), good) {
		require.Empty(t, s.check(s, decoded(t, e)))
		require.Empty(t, amiss(e))
	}
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", s["$schema"])
	replication.JSONSchema()[0] = 'x'
	require.Equal(t, byte('{'), replication.JSONSchema()[0], "nobody can change it")
}

// properties calls f for every property of the schema, with its path and the path of the
// object that it is a property of.
func properties(root, s schemaNode, path []string, f func(path []string, s schemaNode, required bool)) {
	s = s.resolve(root)
	required, _ := s["required"].([]any)
	if len(path) == 0 { // and what the action of the full example requires
		required = append(slices.Clone(required), sub(sub(s["allOf"].([]any)[0])["then"])["required"].([]any)...)
	}
	members, _ := s["properties"].(map[string]any)
	for name, m := range members {
		at := append(slices.Clone(path), name)
		f(at, sub(m), slices.Contains(required, any(name)))
		properties(root, sub(m), at, f)
	}
}

func TestTheSchemaNamesWhatARequestHolds(t *testing.T) {
	s := schemaOf(t)
	var published, held []string
	properties(s, s, nil, func(path []string, p schemaNode, _ bool) {
		published = append(published, strings.Join(path, "."))
		require.NotEmpty(t, p["description"], "%s is described", path)
		if object := p.resolve(s); object["type"] == "object" {
			require.Equal(t, false, object["additionalProperties"], "%s takes nothing else", path)
		}
	})
	require.Equal(t, false, s["additionalProperties"])
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			held = append(held, path+name)
			t := f.Type
			if t.Kind() == reflect.Pointer {
				t = t.Elem()
			}
			if t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
				walk(t, path+name+".")
			}
		}
	}
	walk(reflect.TypeFor[replication.Request](), "")
	require.ElementsMatch(t, held, published)
}

// without returns the full example without the member at path, or with it set to v.
// What is for a destination in another account is in an example of its own.
func without(t *testing.T, path []string, v any) string {
	ticket := decoded(t, examples(t)[1])
	if path[0] == "declared" || path[len(path)-1] == "grantWithin" {
		ticket = decoded(t, examples(t)[3])
	}
	m := ticket
	for _, name := range path[:len(path)-1] {
		m = m[name].(map[string]any)
	}
	last := path[len(path)-1]
	require.Contains(t, m, last, "the full example has every member")
	if delete(m, last); v != nil {
		m[last] = v
	}
	return encoded(t, ticket)
}

func TestWhatTheSchemaRequiresIsRequiredAndItsDefaultsAreTrue(t *testing.T) {
	s := schemaOf(t)
	properties(s, s, nil, func(path []string, p schemaNode, required bool) {
		if path[0] == "target" || path[0] == "acceptGap" || path[0] == "role" && len(path) > 1 && path[1] != "type" { // of another action, or another role type
			return
		}
		t.Run(strings.Join(path, "."), func(t *testing.T) {
			ticket := without(t, path, nil)
			problem, problems := s.check(s, decoded(t, ticket)), amiss(ticket)
			if required || slices.Equal(path, []string{"kms", "keyId"}) { // a key is required of the full example, which has KMS
				require.NotEmpty(t, problem)
				require.NotEmpty(t, problems)
				require.Nil(t, p["default"], "what is required has no default")
				return
			}
			require.Empty(t, problem)
			require.Empty(t, problems)
			if slices.Contains([]string{"dueBy", "tags", "kms", "declared", "grantWithin"}, path[len(path)-1]) { // to have none is to have no date, no filter, or nothing declared
				require.Nil(t, p["default"])
				return
			}
			require.NotNil(t, p["default"], "the default is stated")
			spelt := without(t, path, p["default"])
			require.Empty(t, s.check(s, decoded(t, spelt)), "the default is allowed")
			left, _ := replication.Parse([]byte(ticket))
			set, _ := replication.Parse([]byte(spelt))
			if p["type"] == "array" { // none and an empty list are the same
				require.True(t, len(set.Approvals) == 0 || len(set.Objects.Prefixes) == 0)
				require.Len(t, left.Approvals, len(set.Approvals))
				require.Len(t, left.Objects.Prefixes, len(set.Objects.Prefixes))
				left.Objects, set.Objects = replication.Objects{}, replication.Objects{}
				left.Approvals, set.Approvals = nil, nil
			}
			require.Equal(t, set, left, "leaving it out is to set its default")
			require.Equal(t, set.Fingerprint(), left.Fingerprint())
		})
	})
}

func TestSchemaAndParserRefuseTheSame(t *testing.T) {
	s := schemaOf(t)
	full := examples(t)[1]
	for name, c := range map[string]struct{ old, new string }{
		"another version":                 {`"specVersion": "1"`, `"specVersion": "2"`},
		"a version that is a number":      {`"specVersion": "1"`, `"specVersion": 1`},
		"an id that is a path":            {"CHG-2042", "../x"},
		"an id of 65 letters":             {"CHG-2042", strings.Repeat("x", 65)},
		"an empty id":                     {"CHG-2042", ""},
		"another action":                  {`"action": "replicate"`, `"action": "stop"`},
		"a requester of 257 letters":      {"ana@example.com", strings.Repeat("é", 257)},
		"an approval by nobody":           {`"by": "ben@example.com"`, `"by": ""`},
		"an approval without a name":      {`{ "by": "ben@example.com" }`, `{}`},
		"an approval of 257 letters":      {"ben@example.com", strings.Repeat("é", 257)},
		"a signature that is too short":   {`"by": "ben@example.com"`, `"by": "ben@example.com", "signature": "c2lnbmF0dXJl"`},
		"a signature that is null":        {`"by": "ben@example.com"`, `"by": "ben@example.com", "signature": null`},
		"an approval with a date":         {`"by": "ben@example.com"`, `"by": "ben@example.com", "at": "today"`},
		"seventeen approvals":             {`{ "by": "ben@example.com" }`, strings.Repeat(`{ "by": "ben" },`, 16) + `{ "by": "ben" }`},
		"an account that is a name":       {`"account": "1000000000000001", "region": "cn-h`, `"account": "ana", "region": "cn-h`},
		"a region in its location form":   {`"cn-hangzhou"`, `"oss-cn-hangzhou"`},
		"a bucket name that cannot be":    {`"src-bucket"`, `"Src_Bucket"`},
		"a bucket name that ends so":      {`"src-bucket"`, `"src-"`},
		"another role":                    {`"type": "new"`, `"type": "shared"`},
		"an empty prefix":                 {`"image/"`, `""`},
		"a prefix with a star":            {`"image/"`, `"image/*"`},
		"a prefix with a slash":           {`"image/"`, `"/image/"`},
		"a prefix with a backslash":       {`"image/"`, `"\\image/"`},
		"a prefix of 1,024 characters":    {`"image/"`, `"` + strings.Repeat("é", 1024) + `"`},
		"a prefix that is there twice":    {`"image/"`, `"image/","image/"`},
		"prefixes that are no list":       {`["image/", "video", "a", "A"]`, `"image/"`},
		"a prefix that is a number":       {`"image/"`, `7`},
		"null":                            {`"rtc": true`, `"rtc": null`},
		"yes for true":                    {`"rtc": true`, `"rtc": "yes"`},
		"a due date that is none":         {"2026-12-01T00:00:00Z", "soon"},
		"a due date of another age":       {"2026-12-01T00:00:00Z", "1026-12-01T00:00:00Z"},
		"a due date without a zone":       {"2026-12-01T00:00:00Z", "2026-12-01T00:00:00"},
		"a due date without a backfill":   {`"replicate": true`, `"replicate": false`},
		"a lag limit in another form":     {`"10m"`, `"ten minutes"`},
		"a lag limit with a sign":         {`"10m"`, `"+10m"`},
		"a lag limit that is a number":    {`"10m"`, `600`},
		"an unknown field":                {`"rtc": true`, `"rtc": true, "colour": "red"`},
		"a field of the contract to come": {`"canary": true`, `"canary": true, "heartbeat": "1m"`},
		"an unknown field further in":     {`"canary": true`, `"canary": true, "heartbeat": "1m"`},
		"an unknown field of an end":      {`"bucket": "src-bucket"`, `"bucket": "src-bucket", "acl": "private"`},
		"tags without a match":            {`"match": "all", `, ``},
		"tags without a set":              {`"match": "all", "set": [{ "key": "team", "value": "images" }]`, `"match": "all"`},
		"an empty set of tags":            {`[{ "key": "team", "value": "images" }]`, `[]`},
		"another match":                   {`"match": "all"`, `"match": "none"`},
		"a tag without a key":             {`{ "key": "team", "value": "images" }`, `{ "value": "images" }`},
		"a tag with an empty key":         {`"team"`, `""`},
		"a tag key of 129 characters":     {`"team"`, `"` + strings.Repeat("k", 129) + `"`},
		"a tag value of 257 characters":   {`"images"`, `"` + strings.Repeat("v", 257) + `"`},
		"a tag value with an odd sign":    {`"images"`, `"a&b"`},
		"a tag that is there twice":       {`{ "key": "team", "value": "images" }`, `{"key":"a","value":"b"},{"key":"a","value":"b"}`},
		"eleven tags":                     {`{ "key": "team", "value": "images" }`, tags(11)},
		"a tag with another field":        {`"value": "images"`, `"value": "images", "scope": "x"`},
		"KMS that does not say which":     {`"kms": { "replicate": true, `, `"kms": { `},
		"KMS with nothing in it":          {`"kms": { "replicate": true, "keyId": "3542abdd-5821-4fb5-a425-90adca2c0d61" }`, `"kms": {}`},
		"KMS without a key":               {`, "keyId": "3542abdd-5821-4fb5-a425-90adca2c0d61"`, ``},
		"a key without KMS":               {`"kms": { "replicate": true`, `"kms": { "replicate": false`},
		"an alias of a key":               {`"3542abdd`, `"alias/3542abdd`},
		"a key in another service":        {`"3542abdd`, `"acs:oss:cn-shanghai:1000000000000001:key/3542abdd`},
		"tags with deletes":               {`"replicateDeletes": false`, `"replicateDeletes": true`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, full, c.old)
			ticket := strings.Replace(full, c.old, c.new, 1)
			require.NotEmpty(t, s.check(s, decoded(t, ticket)), "the schema lets it pass")
			require.NotEmpty(t, problemsOf(ticket), "the parser lets it pass")
		})
	}
}

// tags returns so many tags of a set.
func tags(n int) string {
	var s []string
	for i := range n {
		s = append(s, fmt.Sprintf(`{"key":"k%d","value":"v"}`, i))
	}
	return strings.Join(s, ",")
}

func TestSchemaAndParserTakeTheSameStops(t *testing.T) {
	s := schemaOf(t)
	stop := examples(t)[2]
	for name, c := range map[string]struct {
		old, new string
		good     bool
	}{
		"as it is":                {`"stop"`, `"stop"`, true},
		"without a requester":     {`"requester":"ana@example.com",`, ``, true},
		"without a target":        {`,"target":"CHG-2041"`, ``, false},
		"a target that is a path": {`CHG-2041`, `../x`, false},
		"an empty target":         {`"CHG-2041"`, `""`, false},
		"without an id":           {`"id":"CHG-2043",`, ``, false},
		"with a source":           {`"stop"`, `"stop","source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"}`, false},
		"with a default":          {`"stop"`, `"stop","rtc":false`, false},
		"with an unknown field":   {`"stop"`, `"stop","force":true`, false},
		"that is to replicate":    {`"stop"`, `"replicate"`, false},
		"that is to do both":      {`"stop"`, `"stop and replicate"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			plain := encoded(t, decoded(t, stop))
			require.Contains(t, plain, c.old)
			ticket := strings.Replace(plain, c.old, c.new, 1)
			require.Equal(t, c.good, s.check(s, decoded(t, ticket)) == "")
			require.Equal(t, c.good, len(problemsOf(ticket)) == 0)
		})
	}
}

func TestWhatTheParserTakesTheSchemaTakes(t *testing.T) {
	s := schemaOf(t)
	full := examples(t)[1]
	for name, c := range map[string]struct{ old, new string }{
		"an id of 64 characters":      {"CHG-2042", "0" + strings.Repeat("._-", 21)},
		"a requester of 256 letters":  {"ana@example.com", strings.Repeat("é", 256)},
		"a short bucket name":         {`"src-bucket"`, `"abc"`},
		"a region of three parts":     {`"cn-hangzhou"`, `"cn-hangzhou-west-1"`},
		"a prefix with a star inside": {`"image/"`, `"im*age/"`},
		"a prefix in another script":  {`"image/"`, `"图片/"`},
		"a due date with a zone":      {"2026-12-01T00:00:00Z", "2026-12-01T08:00:00.5+08:00"},
		"a lag limit of a second":     {`"10m"`, `"1s"`},
		"a lag limit in parts":        {`"10m"`, `"1h30m0.5s"`},
		"a lag limit of a month":      {`"10m"`, `"720h"`},
		"a backfill that has no date": {`, "dueBy": "2026-12-01T00:00:00Z"`, ``},
		"ten tags":                    {`{ "key": "team", "value": "images" }`, tags(10)},
		"a tag without a value":       {`, "value": "images"`, ``},
		"a tag of every sign":         {`"images"`, `"Az09 +-=._:/"`},
		"any of the tags":             {`"match": "all"`, `"match": "any"`},
		"no tags, but deletes": {`, "tags": { "match": "all", "set": [{ "key": "team", "value": "images" }] } },
      "replicateDeletes": false`, ` }, "replicateDeletes": true`},
		"the ARN of a key":                  {`"3542abdd`, `"acs:kms:cn-shanghai:1000000000000001:key/3542abdd`},
		"a key in an instance":              {`"3542abdd-5821-4fb5-a425-90adca2c0d61"`, `"key-hzz65f3a68554hxkp8"`},
		"KMS that is off":                   {`"kms": { "replicate": true, "keyId": "3542abdd-5821-4fb5-a425-90adca2c0d61" }`, `"kms": { "replicate": false }`},
		"no canary":                         {`"canary": true`, `"canary": false`},
		"empty objects for all the choices": {`{ "type": "new" }`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, full, c.old)
			ticket := strings.Replace(full, c.old, c.new, 1)
			require.Empty(t, problemsOf(ticket))
			require.Empty(t, s.check(s, decoded(t, ticket)))
		})
	}
}
