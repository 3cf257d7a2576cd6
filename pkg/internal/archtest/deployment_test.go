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

func TestTheSettingsAreTheSameInTheProgramAndTheReadme(t *testing.T) {
	var all []string
	for _, s := range config.Settings() {
		row := "| `" + s.Name + "` | "
		if s.Default != "" {
			row += "`" + s.Default + "` "
		}
		require.Contains(t, read(t, "README.md"), row+"| "+s.Meaning+" |")
		all = append(all, s.Name)
	}
	var inReadme []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(REPLIDESK_[A-Z_]+)` \\|").FindAllStringSubmatch(read(t, "README.md"), -1) {
		inReadme = append(inReadme, m[1])
	}
	require.Equal(t, all, inReadme)
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
						require.Regexp(t, `^acs:ram:\*:\*:(role/oss-replication-\*|policy/replidesk-\*)$|^acs:ram:\*:system:policy/AliyunKMSCryptoUserAccess$`, r, "%s: %s", f, a)
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
