// Package archtest holds the tests of the project's shape: which package may
// import which, that no function contains the local cloud, and that every
// assumption about the cloud is written down.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/replidesk/replidesk"

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// list returns the project's packages, without their tests.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Standard,Imports,Deps", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	all := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all[strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")] = p
	}
}

// A rule says what the packages below a path may import besides the standard library.
type rule struct {
	from string
	may  []string // project packages ("" is the root, a trailing /... takes in everything below) or module paths outside
	why  string
}

const (
	ossSDK = "github.com/aliyun/alibabacloud-oss-go-sdk-v2/..."
	ramSDK = "github.com/aliyun/alibaba-cloud-sdk-go/..."
)

var rules = []rule{
	{"pkg/fault", nil, "error kinds stand below everything"},
	{"pkg/meter", nil, "counting knows nothing of what is counted"},
	{"pkg/trigger", nil, "events are bytes to it"},
	{"pkg/config", nil, "settings know nothing of what they set"},
	{"pkg/policy", nil, "reading policies is pure, and knows nothing of who asks"},
	{"pkg/replication", []string{"pkg/fault", "pkg/policy"}, "the domain is pure"},
	{"pkg/watch", []string{"pkg/fault", "pkg/replication"}, "the domain of watching is pure"},
	{"pkg/journal", []string{"pkg/fault", "pkg/journal/driver"}, "the journal knows bytes and revisions, not the domain"},
	{"pkg/journal/driver", []string{"pkg/fault"}, "a store's contract"},
	{"pkg/journal/memjournal", []string{"pkg/fault", "pkg/journal/driver"}, "a store"},
	{"pkg/journal/ossjournal", []string{"pkg/fault", "pkg/journal/driver", ossSDK}, "a store"},
	{"pkg/journal/journaltest", []string{"pkg/fault", "pkg/journal", "pkg/journal/driver", "github.com/stretchr/testify/..."}, "the suite of all stores"},
	{"pkg/engine", []string{"pkg/fault", "pkg/journal", "pkg/replication"}, "the engine knows ports, not adapters"},
	{"pkg/sweep", []string{"pkg/fault", "pkg/journal", "pkg/journal/driver", "pkg/replication", "pkg/watch"}, "the sweep knows ports, not adapters"},
	{"pkg/discover", []string{"pkg/fault", "pkg/replication"}, "it knows ports, not adapters"},
	{"pkg/ossrepl", []string{"pkg/fault", "pkg/replication", ossSDK}, "an adapter"},
	{"pkg/ramgrant", []string{"pkg/fault", "pkg/replication", ramSDK}, "an adapter"},
	{"pkg/kmskey", []string{"pkg/fault", "pkg/replication", ramSDK}, "an adapter"},
	{"pkg/mnsbus", []string{"pkg/fault", "pkg/replication", "github.com/aliyun/aliyun-mns-go-sdk", "github.com/gogap/errors", "github.com/valyala/fasthttp"}, "an adapter"},
	{"pkg/pairlog", []string{"pkg/fault", "pkg/journal"}, "an adapter"},
	{"", nil, "the root holds the deployment file and nothing else"},
	{"pkg/slotlog", []string{"pkg/fault", "pkg/journal", "pkg/replication"}, "an adapter"},
	{"pkg/policylog", []string{"pkg/fault", "pkg/journal", "pkg/replication"}, "an adapter"},
	{"deploy", nil, "documents only"},
	{"pkg/serverless", []string{"go.yaml.in/yaml/v3"}, "a file format knows nothing of what is deployed"},
	{"pkg/internal/combos", []string{"pkg/emulator/world"}, "what combinations have to do is written from the source documents, never from the product"},
	{"cmd/package", []string{"", "pkg/config", "pkg/serverless"}, "it packs what was built"},
	{"pkg/setup", []string{"", "deploy", "pkg/config", "pkg/fault", "pkg/journal", "pkg/journal/driver", "pkg/journal/ossjournal", "pkg/mnsbus", "pkg/replication", "pkg/serverless", "pkg/sweep", "pkg/wiring"},
		"it stands above the desk, for people: no function contains it"},
	{"functions", []string{"pkg/wiring"}, "mains are thin"},
	{"pkg/emulator", []string{"pkg/emulator/..."}, "the local cloud is a second opinion: it shares neither code nor SDK with the product"},
	{"pkg/localcloud", []string{"", "pkg/emulator/...", "pkg/config", "pkg/serverless", "deploy"}, "joins the local cloud with the functions to run on it"},
}

// exempt are packages that no rule binds: they join everything, or are fixtures.
var exempt = []string{"pkg/wiring", "cmd/replidesk", "pkg/internal/archtest", "pkg/emulator/fcemu/internal/testfn", "pkg/internal/systemtest", "pkg/internal/processtest"}

func allowed(path string, may []string) bool {
	return slices.ContainsFunc(may, func(m string) bool {
		if first, _, _ := strings.Cut(m, "/"); !strings.Contains(first, ".") {
			m = strings.TrimSuffix(module+"/"+m, "/")
		}
		base, deep := strings.CutSuffix(m, "/...")
		return path == base || deep && strings.HasPrefix(path, base+"/")
	})
}

func TestImportsGoDownwards(t *testing.T) {
	all := list(t)
	used := map[string]bool{}
	for name, p := range all {
		if slices.Contains(exempt, name) {
			continue
		}
		i := longest(name)
		if !(i >= 0) {
			t.Errorf("no rule says what %s may import; add one", name)
			continue
		}
		r := rules[i]
		used[r.from] = true
		for _, imp := range p.Imports {
			first, _, _ := strings.Cut(imp, "/")
			if !strings.Contains(first, ".") || allowed(imp, r.may) {
				continue
			}
			t.Errorf("%s imports %s, but %s", name, imp, r.why)
		}
	}
	for _, r := range rules {
		if !used[r.from] {
			t.Errorf("the rule for %s binds no package", r.from)
		}
	}
}

// longest returns the rule with the longest path that takes in the package, or -1.
func longest(name string) int {
	best := -1
	for i, r := range rules {
		if name != r.from && !(strings.HasPrefix(name, r.from+"/") && (r.from == "functions" || r.from == "pkg/emulator")) {
			continue
		}
		if best < 0 || len(r.from) > len(rules[best].from) {
			best = i
		}
	}
	return best
}

func TestNoFunctionContainsTheLocalCloud(t *testing.T) {
	all := list(t)
	for _, f := range []string{"functions/provision", "functions/verify", "functions/progress"} {
		p, ok := all[f]
		require.True(t, ok, f)
		for _, d := range p.Deps {
			require.NotContains(t, d, "/emulator", "%s contains %s", f, d)
			require.NotContains(t, d, "/localcloud", "%s contains %s", f, d)
			require.NotContains(t, d, "stretchr/testify", "%s contains %s", f, d)
		}
	}
}

func TestOnlyTheCommandContainsTheLocalCloud(t *testing.T) {
	for name, p := range list(t) {
		if name == "cmd/replidesk" || name == "pkg/localcloud" || strings.HasPrefix(name, "pkg/emulator") {
			continue
		}
		for _, d := range p.Imports {
			if name == "pkg/internal/combos" && d == module+"/pkg/emulator/world" { // which only tests import
				continue
			}
			require.False(t, strings.HasPrefix(d, module+"/pkg/emulator"), "%s imports %s outside its tests", name, d)
			require.NotEqual(t, module+"/pkg/internal/combos", d, "%s is for tests", d)
		}
	}
}
