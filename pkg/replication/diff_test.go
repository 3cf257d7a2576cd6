package replication_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestADiffOfDocumentsShowsWhatIsAddedToWhat(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"a new document":               {"", `{"a":[1]}`, "+ {\n+   \"a\": [\n+     1\n+   ]\n+ }"},
		"a document that goes":         {`{"a":1}`, "", "- {\n-   \"a\": 1\n- }"},
		"the same in another form":     {`{"a": 1}`, `{"a":1}`, "  ... 3 lines that stay"},
		"nothing":                      {"", "", ""},
		"a changed line":               {`{"a":1,"b":2}`, `{"a":1,"b":3}`, "  {\n    \"a\": 1,\n-   \"b\": 2\n+   \"b\": 3\n  }"},
		"an element put between":       {`["x","z"]`, `["x","y","z"]`, "  [\n    \"x\",\n+   \"y\",\n    \"z\"\n  ]"},
		"an element at either end":     {`["b","c"]`, `["a","b","c","d"]`, "  [\n+   \"a\",\n    \"b\",\n-   \"c\"\n+   \"c\",\n+   \"d\"\n  ]"},
		"what is no JSON":              {"one\ntwo", "one\n2", "  one\n- two\n+ 2"},
		"only what is near a change":   {`[1,2,3,4,5,6,7,8,9]`, `[1,2,3,4,5,6,7,8,0]`, "  ... 6 lines that stay\n    6,\n    7,\n    8,\n-   9\n+   0\n  ]"},
		"and one line rather than its": {`[1,2,3,4]`, `[1,2,3,0]`, "  [\n    1,\n    2,\n    3,\n-   4\n+   0\n  ]"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, strings.Join(replication.DocumentDiff(c.before, c.after), "\n"))
		})
	}
}

func TestADiffAddsUpToBothDocuments(t *testing.T) {
	before := strings.Split("a b c d e f g h", " ")
	for n := range 1 << len(before) {
		var after []string
		for i, l := range before {
			if n>>i&1 == 0 {
				after = append(after, l)
			} else {
				after = append(after, strings.ToUpper(l), l+l)
			}
		}
		var old, renewed []string
		for _, l := range replication.DocumentDiff(strings.Join(before, "\n"), strings.Join(after, "\n")) {
			if strings.Contains(l, "lines that stay") {
				old, renewed = nil, nil
				break
			}
			if l[0] != '+' {
				old = append(old, l[2:])
			}
			if l[0] != '-' {
				renewed = append(renewed, l[2:])
			}
		}
		if old != nil {
			require.Equal(t, before, old, "%b", n)
			require.Equal(t, after, renewed, "%b", n)
		}
	}
}

func TestTheStepsOfAPlanShowTheirDocumentsAsDiffs(t *testing.T) {
	r := request()
	shown := map[replication.EffectKind]string{}
	for _, s := range replication.Plan(r, planDesk, free(r), noon).Steps {
		if s.Effect != nil && len(s.Diff) > 0 {
			shown[s.Effect.Kind] = strings.Join(s.Diff, "\n")
		}
	}
	require.Len(t, shown, 3)
	require.Contains(t, shown[replication.EffectCreateRole], `+           "oss.aliyuncs.com"`)
	require.Contains(t, shown[replication.EffectCreatePol], `+         "oss:ReplicatePut"`)
	require.Contains(t, shown[replication.EffectPutRule], `+   "historical": "disabled"`)
	for _, diff := range shown {
		for _, l := range strings.Split(diff, "\n") {
			require.True(t, strings.HasPrefix(l, "+ "), "all of it is new: %s", l)
		}
	}
}

func TestADiffOfLongDocumentsThatShareNothingIsShort(t *testing.T) {
	long := func(s string) string { return strings.TrimSuffix(strings.Repeat(s+"\n", 5000), "\n") }
	diff := replication.DocumentDiff(long("a"), long("b"))
	require.Len(t, diff, 10000)
	require.Equal(t, "- a", diff[0])
	require.Equal(t, "+ b", diff[9999])
}
