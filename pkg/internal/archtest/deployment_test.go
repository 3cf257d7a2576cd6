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

// shared is what may be done to the role that all of an account share: it is made and
// given its policy, and nothing is taken from it.
var shared = map[string][]string{
	"ram:CreateRole":         {"acs:ram:*:*:role/AliyunOSSRole"},
	"ram:AttachPolicyToRole": {"acs:ram:*:*:role/AliyunOSSRole", "acs:ram:*:system:policy/AliyunOSSFullAccess"},
}

func TestADeploymentCanDoWithoutRightsToGrant(t *testing.T) {
	reads := regexp.MustCompile(`"ram:(Get|List)[A-Za-z]+"`)
	changes := regexp.MustCompile(`"ram:[A-Za-z*]+"`)
	for _, f := range deploy.Functions() {
		b, err := deploy.WithoutGrants(f, "desk-state", "desk")
		require.NoError(t, err)
		require.Empty(t, changes.FindAllString(reads.ReplaceAllString(string(b), ""), -1), "%s changes nothing in RAM", f)
		all, err := deploy.RolePolicy(f, "desk-state", "desk")
		require.NoError(t, err)
		require.Equal(t, f == "provision", changes.MatchString(reads.ReplaceAllString(string(all), "")), "%s makes roles and grants", f)
	}
	require.Contains(t, read(t, "README.md"), "deploy/policies/provision-grants.json")
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
					if strings.HasPrefix(a, "ram:") && !strings.HasPrefix(a, "ram:Get") && !strings.HasPrefix(a, "ram:List") {
						own := regexp.MustCompile(`^acs:ram:\*:\*:(role/oss-replication-\*|policy/replidesk-\*)$|^acs:ram:\*:system:policy/AliyunKMSCryptoUserAccess$`).MatchString(r)
						require.True(t, own || slices.Contains(shared[a], r), "%s: %s on %s", f, a, r)
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
