package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"

	"github.com/replidesk/replidesk/pkg/localcloud"
)

// call runs the command with an environment that is given in pairs.
func call(t *testing.T, args []string, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	vars := map[string]string{}
	for i := 0; i < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), args, func(name string) string { return vars[name] }, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestTheCommandSaysHowItIsUsed(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"status", "-h"}, {"watch", "CHG-1", "--help"}} {
		code, stdout, stderr := call(t, args)
		require.Equal(t, exitDone, code, args)
		require.Equal(t, usage, stdout)
		require.Empty(t, stderr)
	}
	for name := range commands {
		require.Contains(t, usage, "\n  replidesk "+name+" ", "the usage leaves %s out", name)
	}
}

func TestTheCommandTellsWrongUseFromFailure(t *testing.T) {
	permit, err := filepath.Abs(filepath.Join("testdata", "desk.json"))
	require.NoError(t, err)
	local := []string{"REPLIDESK_ACCOUNT", "1234567890123456", "REPLIDESK_REGION", "cn-hangzhou", "REPLIDESK_STATE_BUCKET", "state-bucket", "REPLIDESK_DESK", permit,
		"REPLIDESK_ENDPOINT", "http://127.0.0.1:1", "LOCAL_ACCOUNT_A_ACCESS_KEY_ID", "id", "LOCAL_ACCOUNT_A_ACCESS_KEY_SECRET", "secret"}
	for name, c := range map[string]struct {
		args []string
		env  []string
		code int
		says string
		hint string
	}{
		"no command":               {args: nil, code: exitUsage, says: "no command is given", hint: "replidesk help"},
		"an unknown command":       {args: []string{"destroy"}, code: exitUsage, says: `no command "destroy"`, hint: "replidesk help"},
		"an unknown flag":          {args: []string{"status", "--colour"}, code: exitUsage, says: "-colour", hint: "replidesk help"},
		"submit without a ticket":  {args: []string{"submit"}, code: exitUsage, says: "no ticket is named"},
		"stop without a ticket":    {args: []string{"stop"}, code: exitUsage, says: "exactly one ticket"},
		"stop of what is no id":    {args: []string{"stop", "../x"}, code: exitUsage, says: `"../x" cannot be the id of a ticket`},
		"a stop of itself":         {args: []string{"stop", "CHG-1", "--id", "CHG-1"}, code: exitUsage, says: "cannot be about itself"},
		"set-rtc without a word":   {args: []string{"set-rtc", "CHG-1"}, code: exitUsage, says: "and on or off"},
		"set-rtc to nothing":       {args: []string{"set-rtc", "CHG-1", "perhaps"}, code: exitUsage, says: "and on or off"},
		"retry of two tickets":     {args: []string{"retry", "CHG-1", "CHG-2"}, code: exitUsage, says: "exactly one ticket"},
		"plan of a stop":           {args: []string{"plan", "testdata/stop.json"}, env: local, code: exitFailed, says: "(stop) has no plan", hint: "replidesk explain CHG-1"},
		"plan without a ticket":    {args: []string{"plan"}, code: exitUsage, says: "exactly one ticket"},
		"plan of nobody's cloud":   {args: []string{"plan", examples + "/01-whole-bucket.json"}, env: append([]string{"LOCAL_ACCOUNT_A_UID", "1234567890123456"}, local...), code: exitFailed, says: "cannot be looked at", hint: "your own keys"},
		"watch without a ticket":   {args: []string{"watch"}, code: exitUsage, says: "no ticket is named"},
		"history of two tickets":   {args: []string{"history", "A", "B"}, code: exitUsage, says: "exactly one ticket"},
		"explain without a ticket": {args: []string{"explain"}, code: exitUsage, says: "exactly one ticket"},
		"an anchor that is none":   {args: []string{"history", "A", "--anchor", "x"}, code: exitUsage, says: "anchor"},
		"schema with an argument":  {args: []string{"schema", "x"}, code: exitUsage, says: "one argument too many"},
		"a speed of nothing":       {args: []string{"local", "--speed", "0"}, code: exitUsage, says: "--speed"},
		"a pace below one":         {args: []string{"run", "--pace", "0.5"}, code: exitUsage, says: "--pace"},
		"a tick of half a second":  {args: []string{"run", "--tick", "500ms"}, code: exitUsage, says: "--tick"},
		"an id that cannot be":     {args: []string{"status", "a/b"}, env: local, code: exitUsage, says: "cannot be the id"},
		"no desk at all":           {args: []string{"status"}, code: exitFailed, says: "REPLIDESK_ACCOUNT is not set", hint: "--env-file"},
		"no keys":                  {args: []string{"status"}, env: local[:6], code: exitFailed, says: "no access key", hint: "ALIBABA_CLOUD_ACCESS_KEY_ID"},
		"no env file":              {args: []string{"status", "--env-file", "no-such-file"}, code: exitFailed, says: "no-such-file", hint: "replidesk local"},
		"nobody at the endpoint":   {args: []string{"status"}, env: local, code: exitFailed, says: "connection refused", hint: "replidesk local"},
		"functions not built":      {args: []string{"local", "--functions", t.TempDir()}, code: exitFailed, says: "not built", hint: "run make build first"},
		"a ticket without a file":  {args: []string{"submit", "no-such-file"}, env: local, code: exitFailed, says: "no-such-file"},
		"an unknown reason":        {args: []string{"reasons", "no.such"}, code: exitFailed, says: "no.such", hint: "replidesk reasons"},
	} {
		t.Run(name, func(t *testing.T) {
			if len(c.args) > 0 && c.args[0] == "run" {
				c.args = append(c.args, "--out", t.TempDir())
			}
			if len(c.args) > 0 && c.args[0] == "local" { // it keeps its keys beside this file
				c.args = append(c.args, "--env-file", filepath.Join(t.TempDir(), "local.env"))
			}
			code, stdout, stderr := call(t, c.args, c.env...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			first, rest, _ := strings.Cut(stderr, "\n")
			require.True(t, strings.HasPrefix(first, "replidesk: "), stderr)
			require.Contains(t, first, c.says)
			require.NotContains(t, stderr, "secret")
			if c.hint != "" {
				require.True(t, strings.HasPrefix(rest, "hint: "), stderr)
				require.Contains(t, rest, c.hint)
			}
		})
	}
}

func TestTheFunctionsKeepUpWithTheCloud(t *testing.T) {
	for _, c := range []struct {
		given, want localcloud.Options
	}{
		{localcloud.Options{Speed: 1}, localcloud.Options{Speed: 1, Pace: 1}},
		{localcloud.Options{Speed: 0.5}, localcloud.Options{Speed: 0.5, Pace: 1}},
		{localcloud.Options{Speed: 7}, localcloud.Options{Speed: 7, Pace: 7}},
		{localcloud.Options{Speed: 60}, localcloud.Options{Speed: 60, Pace: 60}},
		{localcloud.Options{Speed: 5000}, localcloud.Options{Speed: 5000, Pace: 1000}},
		{localcloud.Options{Speed: 60, Pace: 1, Tick: 5 * time.Second}, localcloud.Options{Speed: 60, Pace: 1, Tick: 5 * time.Second}},
	} {
		require.NoError(t, settleCloud("local", &c.given))
		require.Equal(t, c.want, c.given)
	}
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	for _, args := range []string{"--json A B", "A --json B", "A B --json", "A B -json=true"} {
		f := newFlags("test")
		asJSON := f.Bool("json", false, "")
		rest, err := parse(f, strings.Fields(args))
		require.NoError(t, err)
		require.Equal(t, []string{"A", "B"}, rest, args)
		require.True(t, *asJSON, args)
	}
	f := newFlags("test")
	asJSON := f.Bool("json", false, "")
	rest, err := parse(f, []string{"A", "--", "--json", "-"})
	require.NoError(t, err)
	require.Equal(t, []string{"A", "--json", "-"}, rest)
	require.False(t, *asJSON)
}

func TestAnEnvFileIsCompleteAndPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "below", "local.env")
	vars := []localcloud.Variable{{Name: "LOCAL_ENDPOINT", Value: "http://127.0.0.1:1"}, {Name: "LOCAL_SECRET", Value: "a=b c"}}
	require.NoError(t, writeEnv(file, append(vars, vars...)))
	require.NoError(t, writeEnv(file, vars), "an old one is replaced")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing else is left there")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	got, err := parseEnv(append([]byte("# a comment\n\n"), b...))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"LOCAL_ENDPOINT": "http://127.0.0.1:1", "LOCAL_SECRET": "a=b c"}, got)
	_, err = parseEnv([]byte("A=1\nexport B=2"))
	require.ErrorContains(t, err, "line 2")
	require.Error(t, writeEnv(filepath.Join(file, "x"), vars), "a file is no directory")
}

func TestAnEnvFileTakesThePlaceOfTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "local.env")
	require.NoError(t, os.WriteFile(file, []byte("A=1\n"), 0o600))
	env := map[string]string{envFileVariable: file, "A": "2", "B": "2"}
	a := &app{getenv: func(name string) string { return env[name] }}
	get, err := a.environment("")
	require.NoError(t, err)
	require.Equal(t, []string{"1", ""}, []string{get("A"), get("B")})
	delete(env, envFileVariable)
	get, err = a.environment("")
	require.NoError(t, err)
	require.Equal(t, []string{"2", "2"}, []string{get("A"), get("B")})
}

func TestALocalCloudIsNeverShownARealKey(t *testing.T) {
	env := map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "real", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "real-secret", "ALIBABA_CLOUD_SECURITY_TOKEN": "token",
		"LOCAL_ACCOUNT_A_ACCESS_KEY_ID": "local", "LOCAL_ACCOUNT_A_ACCESS_KEY_SECRET": "local-secret",
	}
	get := func(name string) string { return env[name] }
	id, secret, token := keys(get)
	require.Equal(t, []string{"real", "real-secret", "token"}, []string{id, secret, token})
	env["REPLIDESK_ENDPOINT"] = "http://127.0.0.1:1"
	id, secret, token = keys(get)
	require.Equal(t, []string{"local", "local-secret", ""}, []string{id, secret, token})
}

func TestOnlyLocalPlaceholdersAreFilledIn(t *testing.T) {
	get := func(name string) string { return map[string]string{"LOCAL_A": "x", "HOME": "/home"}[name] }
	out, err := expand([]byte(`{"a":"${LOCAL_A}","b":"${HOME}","c":"$LOCAL_A"}`), get)
	require.NoError(t, err)
	require.Equal(t, `{"a":"x","b":"${HOME}","c":"$LOCAL_A"}`, string(out))
	_, err = expand([]byte(`${LOCAL_B} ${LOCAL_C} ${LOCAL_B}`), get)
	require.EqualError(t, err, "nothing is known for LOCAL_B, LOCAL_C")
	all := func(string) string { return "secret" }
	for _, name := range []string{"LOCAL_ACCOUNT_A_ACCESS_KEY_SECRET", "LOCAL_MANAGEMENT_TOKEN"} {
		_, err := expand([]byte("${"+name+"}"), all)
		require.ErrorContains(t, err, name, "a key has no place in a ticket")
	}
}

func TestErrorsAreOneLineWithoutSecrets(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	a.complain(hint(fmt.Errorf("first: %w", errors.Join(errors.New("Signature=abcdefghijklmnopqrstuvwxyz123456"), errors.New("second"))), "do this"))
	require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
	require.NotContains(t, out.String(), "abcdefghij")
	require.Contains(t, out.String(), " second\nhint: do this\n")
	require.NoError(t, hint(nil, "do this"))
}

func TestReasonsAndSchemaNeedNoDesk(t *testing.T) {
	code, stdout, _ := call(t, []string{"reasons", "objects.prefix-overlap"})
	require.Equal(t, exitDone, code)
	require.Equal(t, "objects.prefix-overlap\n  one prefix is the beginning of another\n  To do: keep only the shorter of the two.\n", stdout)
	code, stdout, _ = call(t, []string{"reasons", "--json"})
	require.Equal(t, exitDone, code)
	require.Contains(t, stdout, `"code": "pair.owned"`)
	code, stdout, _ = call(t, []string{"schema"})
	require.Equal(t, exitDone, code)
	require.Equal(t, string(replication.JSONSchema()), stdout)
}

func TestAnInterruptedWatchSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs bytes.Buffer
	env := map[string]string{"REPLIDESK_ACCOUNT": "1234567890123456", "REPLIDESK_REGION": "cn-hangzhou", "REPLIDESK_STATE_BUCKET": "state-bucket",
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}
	code := run(ctx, []string{"watch", "CHG-1"}, func(name string) string { return env[name] }, nil, &errs, &errs)
	require.Equal(t, exitFailed, code)
	require.Equal(t, "replidesk: interrupted\n", errs.String())
}

func TestOneDamagedJournalDoesNotHideTheOthers(t *testing.T) {
	require.NoError(t, damaged([]ticketState{{ID: "A"}}))
	hurt := ticketState{ID: "B", Damage: errors.New("read ticket B: broken")}
	require.True(t, hurt.known())
	require.ErrorContains(t, damaged([]ticketState{{ID: "A"}, hurt}), "read ticket B")
	var out bytes.Buffer
	require.NoError(t, statusTable(&out, []ticketState{{ID: "A", Open: true}, hurt}))
	require.Regexp(t, `(?m)^A +taken in `, out.String())
	require.Regexp(t, `(?m)^B +unreadable `, out.String())
	require.Equal(t, "read ticket B: broken", statusLines([]ticketState{hurt})[0].Error)
}
