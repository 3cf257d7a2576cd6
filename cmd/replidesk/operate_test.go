package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/replication"
)

const guide = "../../docs/operate.md"

var (
	guideCode    = regexp.MustCompile("(?s)(?:<!-- (file|policy): ([^ ]+) -->\n)?```(sh|json)\n(.*?)```")
	guideHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// An operator follows the guide at a local cloud.
type operator struct {
	t       *testing.T
	cloud   *localcloud.Cloud
	env     map[string]string
	heading string // where in the guide
}

// TestEveryCommandOfTheGuideWorks runs the commands of docs/operate.md in their order.
func TestEveryCommandOfTheGuideWorks(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	examplesDir, err := filepath.Abs("../../examples")
	require.NoError(t, err)
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	c, err := localcloud.Start(t.Context(), localcloud.Options{FunctionsDir: os.Getenv(functionsDir), Speed: 1000, Pace: 1000, Tick: time.Second})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	o := &operator{t: t, cloud: c, env: map[string]string{}}
	for _, v := range c.Environment() {
		o.env[v.Name] = v.Value
	}
	o.seed()
	t.Chdir(t.TempDir())
	require.NoError(t, os.Symlink(examplesDir, "examples"))

	guided := strings.NewReplacer("1000000000000001", c.A.UID, "2000000000000002", c.B.UID, "desk-state", c.Config.StateBucket).Replace(string(text))
	ran := 0
	for _, at := range guideCode.FindAllStringSubmatchIndex(guided, -1) {
		headings := guideHeading.FindAllStringSubmatch(guided[:at[0]], -1)
		o.come(headings[len(headings)-1][1])
		part := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return guided[at[2*n]:at[2*n+1]]
		}
		switch {
		case part(3) == "json" && part(1) == "file":
			require.NoError(t, os.WriteFile(part(2), []byte(part(4)), 0o600))
		case part(3) == "json":
			require.Equal(t, "policy", part(1), "a document is a file or a policy, both of which are tested")
		default:
			for line := range strings.Lines(part(4)) {
				words := strings.Fields(line)
				switch words[0] {
				case "replidesk":
					o.run(words[1:]...)
					ran++
				case "make":
					for _, target := range words[1:] {
						require.Contains(t, string(makefile), "\n"+target+":", "%s has no such target", line)
					}
				default:
					require.Contains(t, []string{"s deploy", "s remove"}, strings.TrimSpace(line), "nobody tries this command")
				}
			}
		}
	}
	require.Greater(t, ran, 25)
	_, gone := c.World().Bucket(c.Config.StateBucket)
	require.NotNil(t, gone, "at the end nothing is left")
}

// run runs a command, which has to succeed.
func (o *operator) run(args ...string) string {
	o.t.Helper()
	var out, complaints bytes.Buffer
	code := run(o.t.Context(), args, func(name string) string { return o.env[name] }, strings.NewReader(""), &out, &complaints)
	for name, value := range o.env {
		if strings.HasSuffix(name, "_SECRET") {
			require.NotContains(o.t, out.String()+complaints.String(), value, "replidesk %s prints %s", args[0], name)
		}
	}
	require.Equal(o.t, exitDone, code, "%s: replidesk %s\n%s%s", o.heading, strings.Join(args, " "), out.String(), complaints.String())
	return out.String()
}

// seed makes the buckets of the example that the guide uses.
func (o *operator) seed() {
	w := o.cloud.World()
	for name, region := range map[string]string{"photo-archive": "cn-hangzhou", "photo-archive-copy": "cn-shanghai"} {
		require.Nil(o.t, w.PutBucket(world.NewBucket{Name: name, Owner: o.cloud.A.UID, Region: region}))
	}
	_, e := w.PutObject("photo-archive", world.Version{Key: "2025/a.jpg", Data: []byte("a photo")}, false)
	require.Nil(o.t, e)
}

// come does what happens between the lines of the guide.
func (o *operator) come(heading string) {
	if heading == o.heading {
		return
	}
	o.heading = heading
	w := o.cloud.World()
	switch heading {
	case "The state bucket is lost":
		desk, err := openDesk(func(name string) string { return o.env[name] })
		require.NoError(o.t, err)
		require.Eventually(o.t, func() bool { // the functions go on writing
			return desk.StateBucket().Delete(o.t.Context()) == nil
		}, time.Minute, 50*time.Millisecond)
	case "Taking it down":
		var adopted []string
		require.Eventually(o.t, func() bool {
			adopted = o.open()
			return len(adopted) == 1 && strings.HasPrefix(adopted[0], "adopt-photo-archive-copy-") &&
				strings.Contains(o.run("status", adopted[0]), "job.adopted")
		}, time.Minute, 100*time.Millisecond, "the rule is watched again")
		o.run("stop", adopted[0])
		require.Eventually(o.t, func() bool { return len(o.open()) == 0 }, time.Minute, 100*time.Millisecond)
		require.Eventually(o.t, func() bool {
			q, err := w.QueueStats(localcloud.Region, o.cloud.A.UID, o.cloud.Config.QueueName(config.QueueUndelivered))
			return err == nil && q.Active+q.Inactive+q.Delayed == 0
		}, time.Minute, 100*time.Millisecond, "the sweep brings back what was not delivered meanwhile")
	}
}

// open are the tickets that are open or watched.
func (o *operator) open() []string {
	var status struct{ Tickets []struct{ ID string } }
	require.NoError(o.t, json.Unmarshal([]byte(o.run("status", "--json")), &status))
	var ids []string
	for _, t := range status.Tickets {
		ids = append(ids, t.ID)
	}
	return ids
}

// TestTheGuideKnowsEveryCode compares the tables of docs/operate.md with the codes of
// the doctor and with the reasons.
func TestTheGuideKnowsEveryCode(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	source, err := os.ReadFile("../../pkg/setup/finding.go")
	require.NoError(t, err)
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`= "([a-z]+\.[a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		known[m[1]] = true
	}
	require.Greater(t, len(known), 15)
	for _, kind := range []string{"bucket", "queue", "role", "policy", "attachment"} {
		for _, end := range []string{".missing", ".differs", ".unreadable"} {
			known[kind+end] = true
		}
	}
	for code := range known {
		require.Contains(t, string(text), "`"+code+"`", "the doctor's code is not explained")
	}
	var families []string
	for _, r := range replication.Reasons() {
		known[string(r.Code)] = true
		family, _, _ := strings.Cut(string(r.Code), ".")
		families = append(families, family)
	}
	for _, f := range slices.Compact(families) {
		require.Contains(t, string(text), "`"+f+"`", "nobody is said to act on these reasons")
	}
	for _, r := range []replication.Reason{replication.ReasonLag, replication.ReasonBackfillLate, replication.ReasonBackfillStalled, replication.ReasonRuleVanished} {
		require.Contains(t, string(text), "| `"+string(r)+"` |", "the alert is not explained")
	}
	for _, m := range regexp.MustCompile("`([a-z]+\\.[a-z-]+)`").FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains([]string{"s.yaml", "desk.json", "trust.json"}, m[1]) {
			require.True(t, known[m[1]], "there is no code %s", m[1])
		}
	}
}
