package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// The statements of the two source documents.
const (
	statementsOfA = 80
	statementsOfB = 36
)

var (
	coverageRow = regexp.MustCompile(`(?m)^\| ([AB]\d+) \| (.+) \| (.+) \|$`)
	namedTest   = regexp.MustCompile("`([a-z]+)\\.(Test[A-Za-z0-9]+)(?:/([^`]+))?`")
	refusedAt   = regexp.MustCompile("\\*\\*not yet\\*\\*: `([a-z.-]+)` at `([A-Za-z.]+)`")
)

// asking are tickets that ask for what is refused by name, as members that take the
// place of those of a good ticket.
var asking = map[string]string{
	"verify.heartbeat": `"verify":{"heartbeat":"1m"}`,
}

// TestEveryStatementIsCoveredByATestThatExists compares docs/coverage.md with the
// tests, and with what the desk refuses.
func TestEveryStatementIsCoveredByATestThatExists(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs/coverage.md"))
	require.NoError(t, err)
	rows := coverageRow.FindAllStringSubmatch(string(b), -1)
	require.Equal(t, strings.Count(string(b), "\n| ")-2, len(rows), "every row has the form of the table")
	var ids, want []string
	for _, r := range rows {
		ids = append(ids, r[1])
	}
	for n := range statementsOfA {
		want = append(want, fmt.Sprintf("A%d", n+1))
	}
	for n := range statementsOfB {
		want = append(want, fmt.Sprintf("B%d", n+1))
	}
	require.Equal(t, want, ids, "each statement once, in order")

	tests := testsOf(t)
	for _, r := range rows {
		id, shown := r[1], r[3]
		named, refused := namedTest.FindAllStringSubmatch(shown, -1), refusedAt.FindAllStringSubmatch(shown, -1)
		explained := strings.HasPrefix(shown, "no API element: ") || strings.HasPrefix(shown, "console only: ")
		require.True(t, len(named)+len(refused) > 0 || explained, "%s is not covered", id)
		require.Equal(t, strings.Count(shown, "**not yet**"), len(refused), "%s says what is refused, and where", id)
		require.Equal(t, strings.Count(shown, ".Test"), len(named), "%s names tests in the form of the table", id)
		for _, n := range named {
			source, ok := tests[n[1]+"."+n[2]]
			require.True(t, ok, "%s: there is no test %s in package %s", id, n[2], n[1])
			require.True(t, n[3] == "" || strings.Contains(source, `"`+n[3]+`"`), "%s: %s.%s has no case %q", id, n[1], n[2], n[3])
		}
		for _, n := range refused {
			requireRefused(t, id, replication.Reason(n[1]), n[2])
		}
	}
}

// requireRefused looks that what is said to be refused is: when it is carried out,
// the statement wants a test.
func requireRefused(t *testing.T, id string, code replication.Reason, field string) {
	t.Helper()
	member, ok := asking[field]
	require.True(t, ok, "%s: nobody knows how a ticket asks for %s", id, field)
	members := map[string]string{
		"specVersion": `"specVersion":"1"`, "id": `"id":"CHG-1"`, "action": `"action":"replicate"`,
		"source":      `"source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"}`,
		"destination": `"destination":{"account":"1000000000000001","region":"cn-shanghai","bucket":"dest-bucket"}`,
		"historical":  `"historical":{"replicate":false}`,
	}
	name, _, _ := strings.Cut(field, ".")
	members[name] = member
	var list []string
	for _, m := range members {
		list = append(list, m)
	}
	r, p := replication.Parse([]byte("{" + strings.Join(list, ",") + "}"))
	if len(p) == 0 {
		p = replication.Validate(r, replication.Desk{Account: "1000000000000001"})
	}
	require.True(t, slices.ContainsFunc(p, func(q replication.Problem) bool { return q.Code == code && q.Field == field }),
		"%s says that %s is refused as %s, but a ticket with it is answered with %v: name the test that shows it", id, field, code, p)
}

// testsOf returns the text of the tests of each package, by package and test. Cases
// may stand in a table of their own, so the text is that of the whole package.
func testsOf(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{} // by directory
	for _, dir := range []string{"pkg", "cmd"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			texts[filepath.Dir(path)] += string(b)
			return err
		}))
	}
	tests := map[string]string{}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(t \*testing\.T\)`)
	for dir, text := range texts {
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			tests[filepath.Base(dir)+"."+m[1]] = text
		}
	}
	return tests
}

func TestWhatIsNotRefusedWouldBeNoticed(t *testing.T) {
	for _, text := range []string{"`systemtest.TestA/b c`", "**not yet**: `request.not-supported` at `kms`"} {
		require.Len(t, append(namedTest.FindAllString(text, -1), refusedAt.FindAllString(text, -1)...), 1, text)
	}
	for field := range asking {
		requireRefused(t, "a statement", replication.ReasonNotSupported, field)
	}
}
