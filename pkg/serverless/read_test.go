package serverless_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/serverless"
)

func file(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(b)
}

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

var hangzhou = environment(map[string]string{"REGION": "cn-hangzhou"})

func TestAFileIsReadWithItsVariablesAndTemplate(t *testing.T) {
	f, err := serverless.Read([]byte(file(t, "good.yaml")), hangzhou)
	require.NoError(t, err)
	one := f.Resources["one"].Props
	require.Equal(t, serverless.Region("cn-hangzhou"), one.Region)
	require.Equal(t, serverless.CPU(0.25), one.CPU)
	require.Equal(t, serverless.Timeout(240), one.Timeout)
	require.Equal(t, serverless.Environment{"NUMBER": "5", "MORE": "more"}, one.Environment, "objects of template and props are joined")
	require.Equal(t, serverless.Log{Project: "logs", Store: "store", RequestMetrics: true, BeginRule: "DefaultRegex"}, one.Log)
	require.Equal(t, "the-one", one.Role.Name())
	require.Equal(t, serverless.EventAge(60), one.Async.MaxAge)
	require.Len(t, one.Triggers, 2)
	require.Equal(t, &serverless.Timer{Cron: "@every 1m", Enable: true, Payload: "tick"}, one.Triggers[0].Config)
	queue := one.Triggers[1].Config.(*serverless.Queue)
	require.True(t, queue.Enable)
	require.Equal(t, serverless.SourceMNS{RegionID: "cn-hangzhou", QueueName: "requests", Base64Decode: true}, queue.Source.Parameters.MNS)
	require.Equal(t, serverless.Batch{Count: 10, Seconds: 1}, queue.Options.Batch)
	require.Equal(t, "make dist/one/main", string(f.Resources["one"].Actions.PreDeploy[0].Run))
}

func TestAFileIsResolvedAsTheToolDoesIt(t *testing.T) {
	got, err := serverless.Resolved([]byte(file(t, "semantics.yaml")), environment(map[string]string{"SET_TEXT": "text", "SET_NUMBER": "5", "SET_BOOL": "true"}))
	require.NoError(t, err)
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, file(t, "semantics.json"), string(b))
}

// changed is good.yaml with one text, which it has once, replaced.
func changed(t *testing.T, old, new string) string {
	t.Helper()
	good := file(t, "good.yaml")
	require.Equal(t, 1, strings.Count(good, old), "%q", old)
	return strings.Replace(good, old, new, 1)
}

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	const (
		props   = "resources.one.props"
		timer   = props + ".triggers[0]"
		queue   = props + ".triggers[1]"
		options = queue + ".triggerConfig.runOptions"
	)
	for _, c := range []struct{ old, new, path, text string }{
		{"edition: 3.0.0", "edition: 1.0.0", "edition", `"1.0.0" is not 3.0.0`},
		{"edition: 3.0.0\n", "", "", "edition is missing"},
		{"name: good", "name: ' '", "name", "it is empty"},
		{"access: default", "acces: default", "", "access is missing"},
		{"access: default", "acces: default", "acces", "there is no such key here"},
		{"  region: ${env('REGION')}", "  region: ${env('NOT_SET')}", "vars.region", "${env('NOT_SET')}: NOT_SET is not set, and there is no default"},
		{"  region: ${env('REGION')}", "  region: ${env('NOT_SET', 'mars')}", "template.function.region", `"mars" is not a region that the component knows`},
		{"  region: ${env('REGION')}", "  region: ${env('REGION')}\n  more: x", "vars.more", "nothing uses this variable"},
		{"project: ${env('PROJECT', 'logs')}", "project: ${vars.logs}", "template.function.logConfig.project", "${vars.logs}: there is no such variable before here"},
		{"project: ${env('PROJECT', 'logs')}", "project: ${file('./x')}", "template.function.logConfig.project", "${file('./x')} is neither ${env('NAME')}, ${env('NAME', 'default')} nor ${vars.name}"},
		{"project: ${env('PROJECT', 'logs')}", "project: ${env('PROJECT'", "template.function.logConfig.project", "${env('PROJECT' is neither ${env('NAME')}, ${env('NAME', 'default')} nor ${vars.name}"},
		{"resources:\n", "  spare:\n    timeout: 3\nresources:\n", "template.spare", "nothing uses this template"},
		{"name: function", "name: functoin", "resources.one.extend.name", `there is no template "functoin"`},
		{"component: fc3", "component: fc", "resources.one.component", `"fc" is not fc3`},
		{"runtime: go1", "runtime: custom", "template.function.runtime", `"custom" is not go1`},
		{"handler: main", "handler: ../main", "template.function.handler", `"../main" is not a plain relative path`},
		{"cpu: 0.25", "cpu: 0.26", "template.function.cpu", "0.26 is not a multiple of 0.05 from 0.05 to 16"},
		{"cpu: 0.25", "cpu: 0.1", props, "cpu 0.1 to memorySize 512: the vCPUs are to the memory in GB as 1:1 to 1:4"},
		{"cpu: 0.25", "cpu: 0.55", props, "cpu 0.55 to memorySize 512: the vCPUs are to the memory in GB as 1:1 to 1:4"},
		{"cpu: 0.25", "cpu: '0.25'", "template.function.cpu", "it is not a number without quotes"},
		{"memorySize: 512", "memorySize: 500", "template.function.memorySize", "500 is not a multiple of 64 from 128 to 32768"},
		{"diskSize: 512", "diskSize: 1024", "template.function.diskSize", "1024 is not 512 or 10240"},
		{"timeout: 240", "timeout: '240'", "template.function.timeout", "it is not a whole number without quotes"},
		{"timeout: 240", "timeout: 0", "template.function.timeout", "0 is not 1 to 86400 seconds"},
		{"timeout: 240", "timeout: 0x10", "template.function.timeout", "0x10 is not a whole number in plain digits"},
		{"timeout: 240", "timeout: 301", props, "timeout 301: trigger queue waits for at most 300 seconds"},
		{"    timeout: 240\n", "", props, "timeout is missing"},
		{"NUMBER: '5'", "NUMBER: 5", "template.function.environmentVariables.NUMBER", "it is not text; a number or true as text stands in quotes"},
		{"MORE: more", "FC_MORE: more", props + ".environmentVariables", "FC_MORE: names that begin with FC_ are the cloud's own"},
		{"MORE: more", "5MORE: more", props + ".environmentVariables", `"5MORE" is not a name: a letter, then letters, digits and _`},
		{"MORE: more", "MORE: " + strings.Repeat("x", 4096), props + ".environmentVariables", "4107 bytes are more than the 4096 that all names and values may have together"},
		{"MORE: more", "MORE: more\n        MORE: less", props + ".environmentVariables.MORE", "the key is there twice"},
		{"MORE: more", "7: more", props + ".environmentVariables.7", "the key is not a plain text"},
		{"enableRequestMetrics: true", "enableRequestMetrics: 'true'", "template.function.logConfig.enableRequestMetrics", "it is not true or false"},
		{"logBeginRule: DefaultRegex", "logBeginRule: Default", "template.function.logConfig.logBeginRule", `"Default" is not DefaultRegex or None`},
		{"code: ./dist/one", "code: dist/one", props + ".code", `"dist/one" is not a directory written as ./dir`},
		{"code: ./dist/one", "code: ./", props + ".code", `"" is not a plain relative path`},
		{"role/the-one", "role/The-One", props + ".role", `"acs:ram::1234567890123456:role/The-One" is not acs:ram::<account>:role/<name> with a name in small letters`},
		{"reservedConcurrency: 5", "reservedConcurrency: 0", props + ".concurrencyConfig.reservedConcurrency", "0 is not 1 to 1000 instances"},
		{"maxAsyncRetryAttempts: 0", "maxAsyncRetryAttempts: 9", props + ".asyncInvokeConfig.maxAsyncRetryAttempts", "9 is not 0 to 8 retries"},
		{"maxAsyncEventAgeInSeconds: 60", "maxAsyncEventAgeInSeconds: 0", props + ".asyncInvokeConfig.maxAsyncEventAgeInSeconds", "0 is not 1 to 2592000 seconds"},
		{"/queues/failed/messages", "/queues/failed", props + ".asyncInvokeConfig.destinationConfig.onFailure.destination", `"acs:mns:cn-hangzhou:1234567890123456:/queues/failed" is not acs:mns:<region>:<account>:/queues/<name>/messages`},
		{"      asyncInvokeConfig:\n        maxAsyncRetryAttempts: 0\n        maxAsyncEventAgeInSeconds: 60\n        destinationConfig:\n          onFailure:\n            destination: acs:mns:cn-hangzhou:1234567890123456:/queues/failed/messages\n", "",
			props, "asyncInvokeConfig is missing: it is called asynchronously, and the cloud's defaults would repeat a failed call three times within a day"},
		{"triggerName: tick", "triggerName: queue", props, "triggers: the name queue is there twice"},
		{"triggerName: tick", "triggerName: 1st", timer + ".triggerName", `"1st" is not a name: a letter or _, then up to 127 letters, digits, _ and -`},
		{"triggerType: timer", "triggerType: mns_topic", timer + ".triggerType", `"mns_topic" is not timer or eventbridge`},
		{"cronExpression: '@every 1m'", "cron: '@every 1m'", timer + ".triggerConfig", "cronExpression is missing"},
		{"cronExpression: '@every 1m'", "cron: '@every 1m'", timer + ".triggerConfig.cron", "there is no such key here"},
		{"payload: tick", "payload: 7", timer + ".triggerConfig.payload", "it is not text; a number or true as text stands in quotes"},
		{"eventRuleFilterPattern: '{}'", "eventRuleFilterPattern: {}", queue + ".triggerConfig.eventRuleFilterPattern", "it is not text; a number or true as text stands in quotes"},
		{"eventRuleFilterPattern: '{}'", "eventRuleFilterPattern: '{\"a\":1}'", queue + ".triggerConfig.eventRuleFilterPattern", `"{\"a\":1}" is not {}`},
		{"eventSourceType: MNS", "eventSourceType: RocketMQ", queue + ".triggerConfig.eventSourceConfig.eventSourceType", `"RocketMQ" is not MNS`},
		{"RegionId: ${vars.region}", "RegionId: cn-beijing", props, "triggers: queue takes from a queue in cn-beijing, which is not the function's region cn-hangzhou"},
		{"QueueName: requests", "QueuName: requests", queue + ".triggerConfig.eventSourceConfig.eventSourceParameters.sourceMNSParameters.QueuName", "there is no such key here"},
		{"QueueName: requests", "QueueName: re_quests", queue + ".triggerConfig.eventSourceConfig.eventSourceParameters.sourceMNSParameters.QueueName", `"re_quests" is not the name of a queue`},
		{"eventSchema: CloudEvents", "eventSchema: cloudEvents", queue + ".triggerConfig.eventSinkConfig.deliveryOption.eventSchema", `"cloudEvents" is not CloudEvents or RawData`},
		{"mode: event-streaming", "mode: event-driven", options + ".mode", `"event-driven" is not event-streaming`},
		{"errorsTolerance: ALL", "errorsTolerance: all", options + ".errorsTolerance", `"all" is not ALL or NONE`},
		{"EXPONENTIAL_DECAY_RETRY", "EXPONENTIAL_RETRY", options + ".retryStrategy.PushRetryStrategy", `"EXPONENTIAL_RETRY" is not BACKOFF_RETRY or EXPONENTIAL_DECAY_RETRY`},
		{"CountBasedWindow: 10", "CountBasedWindow: 10001", options + ".batchWindow.CountBasedWindow", "10001 is not 1 to 10000 messages"},
		{"TimeBasedWindow: 1", "TimeBasedWindow: 16", options + ".batchWindow.TimeBasedWindow", "16 is not 0 to 15 seconds"},
		{":/queues/undelivered", ":queues/undelivered", options + ".deadLetterQueue.Arn", `"acs:mns:cn-hangzhou:1234567890123456:queues/undelivered" is not acs:mns:<region>:<account>:/queues/<name>`},
		{"        - run: make dist/one/main\n          path: ./", "        []", "resources.one.actions.pre-deploy", "it is empty"},
		{"      name: function", "      name: &a function", "resources.one.extend.name", "anchors and aliases are not for every reader of YAML"},
	} {
		t.Run(c.path+" "+c.text, func(t *testing.T) {
			_, err := serverless.Read([]byte(changed(t, c.old, c.new)), hangzhou)
			require.Error(t, err)
			want := ": " + c.text
			if c.path != "" {
				want = ": " + c.path + want
			}
			require.Regexp(t, `(?m)^line [0-9]+`+regexp.QuoteMeta(want)+`$`, err.Error())
		})
	}
}

func TestEverythingThatIsWrongIsToldAtOnce(t *testing.T) {
	text := changed(t, "timeout: 240", "timeuot: 240")
	text = strings.Replace(text, "CountBasedWindow: 10", "CountBasedWindow: 0", 1)
	text = strings.Replace(text, "name: good", "name: 7", 1)
	_, err := serverless.Read([]byte(text), hangzhou)
	require.EqualError(t, err, strings.Join([]string{
		"line 2: name: it is not text; a number or true as text stands in quotes",
		"line 14: template.function.timeuot: there is no such key here",
		"line 33: resources.one.props: timeout is missing",
		"line 77: resources.one.props.triggers[1].triggerConfig.runOptions.batchWindow.CountBasedWindow: 0 is not 1 to 10000 messages",
	}, "\n"))
	var p serverless.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "name", p.Path)
}

func TestATimerStandsBeforeTheQueues(t *testing.T) {
	good := file(t, "good.yaml")
	i, j := strings.Index(good, "        - triggerName: tick"), strings.Index(good, "        - triggerName: queue")
	_, err := serverless.Read([]byte(good[:i]+good[j:]+good[i:j]), hangzhou)
	require.ErrorContains(t, err, "triggers: tick stands after an eventbridge trigger; while that one is unchanged, the component skips what comes after it")
}

func TestTwoResourcesMustNotMakeOneFunction(t *testing.T) {
	good := file(t, "good.yaml")
	i := strings.Index(good, "  one:")
	_, err := serverless.Read([]byte(good+strings.Replace(good[i:], "  one:", "  two:", 1)), hangzhou)
	require.EqualError(t, err, "line 1: the resources one and two both make the function the-one")
}

func TestWhatIsNoDeploymentIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "line 1: the file is empty",
		"just text":          "line 1: it is not an object",
		"a: b: c":            "line 1: mapping values are not allowed in this context",
		"# none":             "line 1: the file is empty",
		"a: b\n---\nc: d":    "line 2: there is a second document",
		"a: b\n---\nc: d: e": "line 3: mapping values",
		"vars: text":         "line 1: vars: it is not an object",
	} {
		_, err := serverless.Read([]byte(text), hangzhou)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestASchedule(t *testing.T) {
	for cron, ok := range map[string]bool{
		"@every 1m": true, "@every 1h30m": true, "@every 90s": true, "0 0 4 * * *": true, "0 */5 8-18 ? * 1,3,5": true, "0 0 0 31 12 0": true, "0 5/10 * * * *": true,
		"@every": false, "@every 500ms": false, "@every 0s": false, "@every minute": false, "@hourly": false, "every 1m": false,
		"0 4 * * *": false, "60 0 4 * * *": false, "0 0 24 * * *": false, "0 0 0 0 * *": false, "0 0 0 * 13 *": false, "0 0 0 * * 7": false,
		"? 0 4 * * *": false, "0 5-1 * * * *": false, "0 */0 * * * *": false, "0 */x * * * *": false, "0 0 4 * JAN *": false, "CRON_TZ=Asia/Shanghai 0 0 4 * * *": false,
	} {
		_, err := serverless.Read([]byte(changed(t, "'@every 1m'", "'"+cron+"'")), hangzhou)
		if ok {
			require.NoError(t, err, cron)
		} else {
			require.ErrorContains(t, err, "triggerConfig.cronExpression", cron)
		}
	}
}
