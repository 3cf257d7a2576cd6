package processtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// sampleProgram builds the sample of the help page with nothing changed but the
// endpoint and the name of the destination bucket.
func sampleProgram(t *testing.T, endpoint, target string) string {
	t.Helper()
	source, err := os.ReadFile("testdata/sample.go.txt")
	require.NoError(t, err)
	text := string(source)
	for old, changed := range map[string]string{
		"WithRegion(region)":   `WithRegion(region).WithEndpoint("` + endpoint + `")`,
		`"target bucket name"`: `"` + target + `"`,
	} {
		require.Equal(t, 1, strings.Count(text, old), "the sample has %s once", old)
		text = strings.Replace(text, old, changed, 1)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	program := filepath.Join(dir, "sample")
	out, err := exec.Command("go", "build", "-o", program, file).CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// A sampleCloud has a source in Hangzhou with one object, and the target of the
// sample in Beijing.
func sampleCloud(t *testing.T, o world.Options) (w *world.World, run func() (string, error)) {
	t.Helper()
	o.Speed, o.Seed = 1000, 1
	cloud, accounts := emulator.Ready(o)
	server, err := cloud.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(server.Close)
	w = cloud.World
	for name, region := range map[string]string{"sample-source": "cn-hangzhou", "sample-target": "cn-beijing"} {
		require.Nil(t, w.PutBucket(world.NewBucket{Name: name, Owner: accounts.A.UID, Region: region}))
	}
	_, refused := w.PutObject("sample-source", world.Version{Key: "old", Data: []byte("older than the rule")}, false)
	require.Nil(t, refused)
	program := sampleProgram(t, server.URL, "sample-target")
	return w, func() (string, error) {
		cmd := exec.Command(program, "-region", "cn-hangzhou", "-bucket", "sample-source")
		cmd.Env = []string{"OSS_ACCESS_KEY_ID=" + accounts.A.User.ID, "OSS_ACCESS_KEY_SECRET=" + accounts.A.User.Secret}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

func TestTheSampleOfTheHelpPageRunsAgainstALenientCloud(t *testing.T) {
	w, run := sampleCloud(t, world.Options{Lenient: true})
	out, err := run()
	require.NoError(t, err, out)
	require.Contains(t, out, "put bucket replication result:")

	rules, refused := w.Replication("sample-source", false)
	require.Nil(t, refused)
	require.Len(t, rules, 1)
	r := rules[0]
	require.Equal(t, "sample-target", r.Destination)
	require.Equal(t, "oss-cn-beijing", r.Location)
	require.Equal(t, "oss_acc", r.TransferType)
	require.True(t, r.Historical)
	require.NotEmpty(t, r.RTC, "the lower-case status turned replication time control on")
	require.Empty(t, r.SyncRole, "the sample names no role")
	require.Eventually(t, func() bool {
		v, refused := w.Object("sample-target", "old", "", false)
		return refused == nil && string(v.Data) == "older than the rule"
	}, 20*time.Second, 50*time.Millisecond, "what existed is copied")
}

func TestTheSampleOfTheHelpPageIsRefusedByAStrictCloud(t *testing.T) {
	w, run := sampleCloud(t, world.Options{})
	out, err := run()
	require.Error(t, err, "the reference page demands a role")
	require.Contains(t, out, "failed to put bucket replication")
	_, refused := w.Replication("sample-source", false)
	require.Equal(t, "NoSuchReplicationConfiguration", refused.Code)
}
