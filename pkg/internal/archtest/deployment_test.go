package archtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

func TestTheSettingsAreTheSameInTheProgramTheDeploymentAndTheReadme(t *testing.T) {
	var all, deployed []string
	for _, s := range config.Settings() {
		row := "| `" + s.Name + "` | "
		if s.Default != "" {
			row += "`" + s.Default + "` "
		}
		require.Contains(t, read(t, "README.md"), row+"| "+s.Meaning+" |")
		all = append(all, s.Name)
		if s.Name != "REPLIDESK_ENDPOINT" { // it points at a local cloud
			deployed = append(deployed, s.Name)
		}
	}
	var inReadme, inDeployment []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(REPLIDESK_[A-Z_]+)` \\|").FindAllStringSubmatch(read(t, "README.md"), -1) {
		inReadme = append(inReadme, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^      (REPLIDESK_[A-Z_]+): `).FindAllStringSubmatch(read(t, "s.yaml"), -1) {
		inDeployment = append(inDeployment, m[1])
	}
	require.Equal(t, all, inReadme)
	require.Equal(t, deployed, inDeployment)
}

func TestTheDeploymentNamesWhatExists(t *testing.T) {
	s := read(t, "s.yaml")
	for _, f := range deploy.Functions() {
		require.Contains(t, s, "functionName: replidesk-"+f)
		require.Contains(t, s, "code: ./dist/"+f)
		require.Contains(t, s, "run: make dist/"+f+"/main dist/"+f+"/desk.json\n")
		require.Contains(t, s, "role: acs:ram::${vars.account}:role/replidesk-"+f)
		require.FileExists(t, filepath.Join(root, "functions", f, "main.go"))
	}
	for _, q := range config.Queues() {
		if q == config.QueueResults || q == config.QueueDead {
			continue // nobody of ours reads these
		}
		require.Regexp(t, `\$\{vars\.prefix\}-`+string(q)+`\b`, s)
	}
	require.NotContains(t, s, "\t")
	require.NotContains(t, s, "<<:", "merge keys are not for every reader of YAML")
}

func TestThePoliciesGrantNoMoreThanTheirNamesSay(t *testing.T) {
	for _, f := range deploy.Functions() {
		b, err := deploy.RolePolicy(f, "desk-state", "desk")
		require.NoError(t, err)
		require.NotContains(t, string(b), "${", "every placeholder is filled in")
		var doc struct {
			Version   string
			Statement []struct {
				Effect           string
				Action, Resource []string
			}
		}
		require.NoError(t, json.Unmarshal(b, &doc))
		require.Equal(t, "1", doc.Version)
		for _, s := range doc.Statement {
			require.Equal(t, "Allow", s.Effect)
			for _, a := range s.Action {
				require.NotContains(t, a, "*", "%s: no wildcard in an action", f)
				for _, r := range s.Resource {
					if strings.HasPrefix(a, "ram:") {
						require.Regexp(t, `^acs:ram:\*:\*:(role/oss-replication-|policy/replidesk-)\*$`, r, "%s: %s", f, a)
					}
					if a == "oss:DeleteObject" {
						require.NotContains(t, r, "/log/", "%s deletes nothing from the log", f)
						require.True(t, strings.Contains(r, "desk-state/") || strings.HasSuffix(r, "/*.replidesk/*"), "%s: %s on %s", f, a, r)
					}
				}
			}
		}
	}
	require.Equal(t, []string{"provision", "verify", "progress"}, slices.Clone(deploy.Functions()))
}
