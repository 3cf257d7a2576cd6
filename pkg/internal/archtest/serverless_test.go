package archtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/replidesk/replidesk"
	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/serverless"
)

// The values that somebody who deploys has to fill in.
var filledIn = map[string]string{
	"REPLIDESK_ACCOUNT": "1234567890123456", "REPLIDESK_REGION": "cn-hangzhou", "REPLIDESK_STATE_BUCKET": "my-replidesk-state",
	"REPLIDESK_LOG_PROJECT": "my-project", "REPLIDESK_LOG_STORE": "replidesk",
}

// fits says everything that is wrong with a text as s.yaml of this project; nil is
// the error of a good one.
func fits(b []byte) error {
	file, err := serverless.Read(b, func(name string) string { return filledIn[name] })
	if err != nil {
		return err
	}
	bad := ours(b)
	check := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	names := []string{}
	for name, r := range file.Resources {
		names = append(names, name)
		bad = append(bad, built(name, r), environment(name, r.Props.Environment))
		check(r.Props.Timeout == 240, "%s: timeout %d", name, r.Props.Timeout)
	}
	slices.Sort(names)
	functions := deploy.Functions()
	slices.Sort(functions)
	check(slices.Equal(functions, names), "resources %v", names)
	bad = append(bad, queues(file), timer(file.Resources["progress"].Props))
	return errors.Join(bad...)
}

// ours finds what is of one company only.
func ours(b []byte) (bad []error) {
	for n, line := range strings.Split(string(b), "\n") {
		if m := regexp.MustCompile(`\b[0-9]{5,}\b|\b(cn|ap|eu|us|me)-[a-z]+(-[0-9])?\b`).FindString(line); m != "" {
			bad = append(bad, fmt.Errorf("line %d: %s is not for everybody", n+1, m))
		}
	}
	return bad
}

// built compares a resource with what the Makefile builds and package deploy grants.
func built(name string, r serverless.Resource) error {
	p := r.Props
	got := fmt.Sprint(p.FunctionName, " ", p.Role, " ", p.Code, " ", p.Handler, " ", r.Actions)
	dir := "dist/" + name
	want := fmt.Sprint("replidesk-"+name, " ", "acs:ram::"+filledIn["REPLIDESK_ACCOUNT"]+":role/replidesk-"+name, " ", "./"+dir, " ", "main", " ",
		serverless.Actions{PreDeploy: []serverless.Action{{Run: serverless.Text("make " + dir + "/main " + dir + "/" + p.Environment["REPLIDESK_DESK"]), Path: "./"}}})
	if got != want {
		return fmt.Errorf("%s: %s instead of %s", name, got, want)
	}
	return nil
}

// environment compares the variables of a function with those that it reads. A
// default is that of the program: it is the same thing to leave a variable out.
func environment(function string, env serverless.Environment) error {
	var bad []error
	names := map[string]bool{}
	for _, s := range config.Settings() {
		got, ok := env[s.Name]
		switch want := cmp.Or(filledIn[s.Name], s.Default); {
		case s.Name == "REPLIDESK_ENDPOINT": // it points at a local cloud
			continue
		case !ok:
			bad = append(bad, fmt.Errorf("%s: %s is missing", function, s.Name))
		case s.Name == "REPLIDESK_DESK" && filepath.Base(got) != got:
			bad = append(bad, fmt.Errorf("%s: %s is not beside the binary", function, got))
		case s.Name != "REPLIDESK_DESK" && got != want:
			bad = append(bad, fmt.Errorf("%s: %s is %q instead of %q", function, s.Name, got, want))
		}
		names[s.Name] = true
	}
	for name := range env {
		if !names[name] {
			bad = append(bad, fmt.Errorf("%s: nothing reads %s", function, name))
		}
	}
	return errors.Join(bad...)
}

// queues compares the queue triggers with the queues that there are.
func queues(file *serverless.File) error {
	var bad []error
	c := config.Config{QueuePrefix: "replidesk"}
	taken := map[string]string{}
	for name, r := range file.Resources {
		for _, t := range r.Props.Triggers {
			q, ok := t.Config.(*serverless.Queue)
			if !ok {
				continue
			}
			taken[string(q.Source.Parameters.MNS.QueueName)] += name
			o := q.Options
			got := fmt.Sprint(q.Enable, q.Async, q.Source.Parameters.MNS.Base64Decode, o.ErrorsTolerance, o.Retry.Strategy, o.DeadLetters.ARN)
			want := fmt.Sprint(true, false, true, "ALL", "EXPONENTIAL_DECAY_RETRY", queueARN(config.QueueUndelivered))
			if got != want {
				bad = append(bad, fmt.Errorf("%s of %s: %s instead of %s", t.Name, name, got, want))
			}
		}
	}
	want := map[string]string{
		c.QueueName(config.QueueRequests): "provision", c.QueueName(config.QueueWakeProvision): "provision", c.QueueName(config.QueueWakeVerify): "verify",
	}
	if fmt.Sprint(taken) != fmt.Sprint(want) {
		bad = append(bad, fmt.Errorf("queues %v instead of %v", taken, want))
	}
	return errors.Join(bad...)
}

func queueARN(q config.Queue) string {
	return "acs:mns:" + filledIn["REPLIDESK_REGION"] + ":" + filledIn["REPLIDESK_ACCOUNT"] + ":/queues/replidesk-" + string(q)
}

// timer checks what calls progress: every minute, one sweep at a time, and one that
// failed is not repeated but told.
func timer(progress serverless.Function) error {
	if len(progress.Triggers) != 1 || progress.Async == nil {
		return errors.New("progress has not exactly a timer with its async settings")
	}
	t, ok := progress.Triggers[0].Config.(*serverless.Timer)
	if !ok || !t.Enable || t.Cron != "@every 1m" || progress.Concurrency.Reserved != 1 {
		return errors.New("progress is not called every minute, one at a time")
	}
	got := fmt.Sprint(*progress.Async)
	if want := fmt.Sprint(serverless.Async{Retries: 0, MaxAge: 60, Destination: serverless.Destination{OnFailure: serverless.OnFailure{Destination: serverless.QueueMessagesARN(queueARN(config.QueueFailed) + "/messages")}}}); got != want {
		return fmt.Errorf("progress: asyncInvokeConfig %s instead of %s", got, want)
	}
	return nil
}

func TestTheDeploymentIsWhatTheProjectNeeds(t *testing.T) {
	require.NoError(t, fits(replidesk.Deployment))
	require.Equal(t, read(t, "s.yaml"), string(replidesk.Deployment))
	for _, f := range deploy.Functions() {
		require.FileExists(t, filepath.Join(root, "functions", f, "main.go"))
		_, err := deploy.RolePolicy(f, "desk-state", "desk")
		require.NoError(t, err, "the role of %s has a policy", f)
	}
	trust, err := deploy.TrustPolicy()
	require.NoError(t, err)
	require.Contains(t, string(trust), "fc.aliyuncs.com")
	makefile := read(t, "Makefile")
	require.Regexp(t, `(?m)^dist/%/main: .*\n\t.* GOOS=linux GOARCH=amd64 .* -o \$@ \./functions/\$\*$`, makefile, "what go1 runs, where s.yaml looks for it")
	require.Regexp(t, `(?m)^dist/%/desk\.json:`, makefile)
}

// TestEveryMutationOfTheDeploymentIsNoticed changes s.yaml in every way that a slip of
// the hand may. None is legal: every key is there because something depends on it.
func TestEveryMutationOfTheDeploymentIsNoticed(t *testing.T) {
	require.NoError(t, fits(mutation{way: []int{0}, change: func(*yaml.Node, int) {}}.text(t)), "the text that is made without a change is good")
	all := mutations(t)
	require.Greater(t, len(all), 1000)
	for _, m := range all {
		if fits(m.text(t)) == nil {
			t.Errorf("nobody notices that %s", m.name)
		}
	}
}

// A mutation changes one node of s.yaml, given by the indexes on the way to it.
type mutation struct {
	name   string
	way    []int
	change func(parent *yaml.Node, i int)
}

func (m mutation) text(t *testing.T) []byte {
	t.Helper()
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(replidesk.Deployment, &doc))
	n := &doc
	for _, i := range m.way[:len(m.way)-1] {
		n = n.Content[i]
	}
	m.change(n, m.way[len(m.way)-1])
	b, err := yaml.Marshal(&doc)
	require.NoError(t, err)
	return b
}

// mutations returns, for every key, its deletion, its misspelling, and its value
// as every wrong kind; and for every element of a list its deletion.
func mutations(t *testing.T) (all []mutation) {
	t.Helper()
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(replidesk.Deployment, &doc))
	var walk func(n *yaml.Node, at string, way []int)
	walk = func(n *yaml.Node, at string, way []int) {
		for i, c := range n.Content {
			to := append(slices.Clone(way), i)
			switch {
			case n.Kind == yaml.SequenceNode:
				path := fmt.Sprintf("%s[%d]", at, i)
				all = append(all, mutation{path + " is deleted", to, func(p *yaml.Node, i int) { p.Content = slices.Delete(p.Content, i, i+1) }})
				walk(c, path, to)
			case n.Kind == yaml.MappingNode && i%2 == 1:
				path := strings.TrimPrefix(at+"."+n.Content[i-1].Value, ".")
				all = append(all,
					mutation{path + " is deleted", to, func(p *yaml.Node, i int) { p.Content = slices.Delete(p.Content, i-1, i+1) }},
					mutation{path + " is misspelt", to, func(p *yaml.Node, i int) { p.Content[i-1].Value += "x" }},
					mutation{path + " has another case", to, func(p *yaml.Node, i int) { p.Content[i-1].Value = swapped(p.Content[i-1].Value) }},
				)
				for _, k := range kinds {
					if k.Tag == c.Tag || k.Kind == yaml.ScalarNode && k.Tag == "!!int" && c.Tag == "!!float" {
						continue
					}
					all = append(all, mutation{path + " is " + k.Value, to, func(p *yaml.Node, i int) {
						other := *k
						if other.Kind != yaml.ScalarNode {
							other.Value = ""
						}
						p.Content[i] = &other
					}})
				}
				walk(c, path, to)
			case n.Kind == yaml.DocumentNode:
				walk(c, at, to)
			}
		}
	}
	walk(&doc, "", nil)
	return all
}

// kinds has a value of every kind.
var kinds = []*yaml.Node{
	{Kind: yaml.ScalarNode, Tag: "!!str", Value: "text"},
	{Kind: yaml.ScalarNode, Tag: "!!int", Value: "7"},
	{Kind: yaml.ScalarNode, Tag: "!!float", Value: "7.5"},
	{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"},
	{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"},
	{Kind: yaml.MappingNode, Tag: "!!map", Value: "an empty object"},
	{Kind: yaml.SequenceNode, Tag: "!!seq", Value: "an empty list"},
}

// swapped is a key with its first letter in the other case, which is how one is
// misspelt most often: the API has both.
func swapped(key string) string {
	first := bytes.ToUpper([]byte(key[:1]))
	if string(first) == key[:1] {
		first = bytes.ToLower(first)
	}
	return string(first) + key[1:]
}

func TestTheDeploymentIsFilledInByFiveValues(t *testing.T) {
	_, err := serverless.Read(replidesk.Deployment, os.Getenv)
	require.Error(t, err)
	for _, name := range slices.Sorted(maps.Keys(filledIn)) {
		require.ErrorContains(t, err, name+" is not set, and there is no default")
		require.Contains(t, read(t, "README.md"), name+"=", "the README says how")
	}
}
