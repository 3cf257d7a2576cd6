package setup_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/setup"
)

type document struct {
	Version   string
	Statement []struct {
		Effect           string
		Action, Resource []string
	}
}

// guidePolicy returns a policy that docs/operate.md gives to people.
func guidePolicy(t *testing.T, name string) document {
	t.Helper()
	text, err := os.ReadFile("../../docs/operate.md")
	require.NoError(t, err)
	m := regexp.MustCompile("(?s)<!-- policy: " + name + " -->\n```json\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, m, "the guide has no policy %s", name)
	var d document
	require.NoError(t, json.Unmarshal(m[1], &d))
	return d
}

// without returns the policy with one action of one statement taken out.
func (d document) without(t *testing.T, statement int, action string) []byte {
	t.Helper()
	d.Statement = slices.Clone(d.Statement)
	if statement >= 0 {
		s := &d.Statement[statement]
		s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return a == action })
		if len(s.Action) == 0 {
			d.Statement = slices.Delete(d.Statement, statement, statement+1)
		}
	}
	b, err := json.Marshal(d)
	require.NoError(t, err)
	return b
}

// A job of a person, which says what it could not do.
var peoplesJobs = map[string]func(b *bench, k world.AccessKey) []string{
	"bootstrap": func(b *bench, k world.AccessKey) (failed []string) {
		s, err := setup.New(b.desk(k))
		require.NoError(b.t, err)
		look := func(lines []setup.Line) {
			for _, l := range lines {
				if !l.Right() {
					failed = append(failed, l.Kind+": "+l.State+" "+l.Error)
				}
			}
			time.Sleep(time.Minute)
		}
		look(s.Bootstrap(b.t.Context(), setup.Options{Make: true}))
		if len(failed) > 0 {
			return failed
		}
		b.spoil()
		look(s.Bootstrap(b.t.Context(), everything))
		look(s.Bootstrap(b.t.Context(), setup.Options{}))
		return failed
	},
	"doctor": func(b *bench, k world.AccessKey) (failed []string) {
		b.prepared()
		b.job("CHG-1", `{"id":"CHG-1","phase":"watching","since":"2000-01-01T00:00:00Z"}`)
		s, err := setup.New(b.desk(k))
		require.NoError(b.t, err)
		for _, f := range s.Doctor(b.t.Context()) {
			if f.State == setup.Problem {
				failed = append(failed, f.Check+": "+f.Text)
			}
		}
		return failed
	},
}

// spoil makes everything differ that bootstrap can put right.
func (b *bench) spoil() {
	b.t.Helper()
	hour := 3600
	require.NoError(b.t, b.world.SetQueueAttributes(region, b.a.UID, "replidesk-dead", world.QueueChange{MessageRetentionPeriod: &hour}))
	require.Nil(b.t, b.world.PutBucketACL(stateBucket, "public-read"))
	require.Nil(b.t, b.world.PutBucketEncryption(stateBucket, nil))
	require.Nil(b.t, b.world.PutBucketLifecycle(stateBucket, []world.LifecycleRule{{ID: "tidy", Enabled: true, Expiration: &world.LifecycleTime{Days: 7}}}, false))
	_, e := b.world.CreatePolicyVersion(b.a.UID, "replidesk-verify", wide, true, false)
	require.Nil(b.t, e)
	_, e = b.world.UpdateRole(b.a.UID, "replidesk-progress", world.RoleChange{Trust: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}]}`})
	require.Nil(b.t, e)
	time.Sleep(time.Minute)
}

func TestPeopleNeedExactlyTheRightsThatTheGuideNames(t *testing.T) {
	for name, work := range peoplesJobs {
		d := guidePolicy(t, name)
		with := func(policy []byte) (failed []string) {
			within(t, func(b *bench) {
				k := b.world.NewUserKey(b.a.UID, "operator", policy)
				time.Sleep(time.Minute)
				failed = work(b, k)
			})
			return failed
		}
		require.Empty(t, with(d.without(t, -1, "")), "%s: these rights are enough", name)
		for i, s := range d.Statement {
			for _, a := range s.Action {
				require.NotEmpty(t, with(d.without(t, i, a)), "%s: nothing needs %s on %s", name, a, strings.Join(s.Resource, ", "))
			}
		}
	}
}
