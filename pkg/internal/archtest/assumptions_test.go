package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

// TestEveryAssumptionIsNumberedAndUsed compares docs/assumptions.md with the
// citations in the code, both ways.
func TestEveryAssumptionIsNumberedAndUsed(t *testing.T) {
	ledger, err := os.ReadFile(filepath.Join(root, "docs/assumptions.md"))
	require.NoError(t, err)
	numbered := map[string]string{}
	row := regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \| ([a-z, ]+) \|$`)
	for i, m := range row.FindAllStringSubmatch(string(ledger), -1) {
		require.Equal(t, i+1, atoi(m[1]), "the numbers run on without a gap and none is used again")
		for _, s := range strings.Split(m[3], ", ") {
			require.Contains(t, []string{"doc", "sdk", "run", "seed", "field", "guess"}, s, "fact %s has an unknown source", m[1])
		}
		numbered[m[1]] = m[2]
	}
	require.NotEmpty(t, numbered)
	require.Equal(t, strings.Count(string(ledger), "\n| ")-2, len(numbered), "every row has the form of the table")

	cited := map[string]string{}
	citation := regexp.MustCompile(`\[fact (\d+)\]`)
	for _, dir := range []string{"pkg", "cmd", "functions", "deploy"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range citation.FindAllStringSubmatch(string(b), -1) {
				cited[m[1]] = path
			}
			return err
		}))
	}
	for n, where := range cited {
		require.Contains(t, numbered, n, "%s cites a fact that docs/assumptions.md does not have", where)
	}
	for n, fact := range numbered {
		require.Contains(t, cited, n, "nothing in the code rests on fact %s: %s", n, fact)
	}
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
