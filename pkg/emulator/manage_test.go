package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const token = "the token of this run"

type managed struct {
	t     *testing.T
	cloud *Cloud
	acc   Accounts
}

func manage(t *testing.T) managed {
	c, acc := Ready(world.Options{})
	c.Manage(token)
	return managed{t, c, acc}
}

// call returns the status and what the JSON answer holds.
func (m managed) call(method, path, body string) (int, map[string]any) {
	m.t.Helper()
	return m.callWith("Bearer "+token, method, path, body)
}

func (m managed) callWith(auth, method, path, body string) (int, map[string]any) {
	m.t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	require.NoError(m.t, err)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	resp, err := m.cloud.Transport().RoundTrip(r)
	require.NoError(m.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	out := map[string]any{}
	_ = json.Unmarshal(text, &out) // the answers of the services are XML
	return resp.StatusCode, out
}

func TestTheManagementAsksForItsToken(t *testing.T) {
	m := manage(t)
	for _, auth := range []string{"", "Bearer ", "Bearer wrong", token} {
		status, _ := m.callWith(auth, "GET", "/_cloud/calls", "")
		require.Equal(t, 403, status, auth)
	}
	status, _ := m.call("GET", "/_cloud/calls", "")
	require.Equal(t, 200, status)

	off, _ := Ready(world.Options{})
	off.Manage("")
	m.cloud = off
	status, out := m.call("GET", "/_cloud/calls", "")
	require.GreaterOrEqual(t, status, 400, "without a token there is no management")
	require.Empty(t, out, "the path is one of OSS")
}

func TestFaultsAreOrderedAndTakenBack(t *testing.T) {
	m := manage(t)
	buckets := func() int {
		status, _ := m.callWith("", "GET", "/", "")
		return status
	}
	usual := buckets()
	status, out := m.call("POST", "/_cloud/faults", `{"service":"oss","kind":"refuse","status":503,"code":"ServiceUnavailable"}`)
	require.Equal(t, 201, status)
	require.EqualValues(t, 1, out["id"])
	require.Equal(t, 503, buckets())

	_, out = m.call("GET", "/_cloud/faults", "")
	require.Equal(t, map[string]any{"1": map[string]any{"service": "oss", "kind": "refuse", "status": 503.0, "code": "ServiceUnavailable"}}, out["faults"])

	status, _ = m.call("DELETE", "/_cloud/faults/1", "")
	require.Equal(t, 200, status)
	require.Equal(t, usual, buckets())
	status, _ = m.call("DELETE", "/_cloud/faults/1", "")
	require.Equal(t, 404, status)

	_, out = m.call("GET", "/_cloud/calls?from=1", "")
	require.EqualValues(t, 3, out["next"])
	lines := out["calls"].([]any)
	require.Len(t, lines, 2)
	require.Equal(t, "refuse", lines[0].(map[string]any)["fault"])
	require.Equal(t, "ServiceUnavailable", lines[0].(map[string]any)["code"])
}

func TestAFaultThatCannotBeMeantIsRefused(t *testing.T) {
	m := manage(t)
	for name, order := range map[string]string{
		"an unknown kind":         `{"kind":"explode"}`,
		"a refusal without code":  `{"kind":"refuse","status":500}`,
		"a refusal that succeeds": `{"kind":"refuse","status":200,"code":"OK"}`,
		"slow without a delay":    `{"kind":"slow"}`,
		"a delay without a unit":  `{"kind":"slow","delay":"5"}`,
		"a broken pattern":        `{"kind":"hang","resource":"[a"}`,
		"a field it has not":      `{"kind":"hang","bucket":"a"}`,
		"a negative count":        `{"kind":"hang","times":-1}`,
		"no JSON":                 `hang`,
	} {
		status, out := m.call("POST", "/_cloud/faults", order)
		require.Equal(t, 400, status, name)
		require.NotEmpty(t, out["error"], name)
	}
	_, out := m.call("GET", "/_cloud/faults", "")
	require.Empty(t, out["faults"])
}

func TestTheManagementShowsQueuesAndSetsTheirDeadLetters(t *testing.T) {
	m := manage(t)
	uid := m.acc.A.UID
	for _, name := range []string{"tickets", "dead"} {
		_, err := m.cloud.World.CreateQueue("cn-hangzhou", uid, name, world.QueueChange{})
		require.NoError(t, err)
	}
	_, err := m.cloud.World.QueueSend("cn-hangzhou", uid, "tickets", "x", 0)
	require.NoError(t, err)
	at := "/_cloud/queues/cn-hangzhou/" + uid
	status, _ := m.call("PUT", at+"/tickets/dead-letter", `{"enabled":true,"target":"dead","maxReceiveCount":3}`)
	require.Equal(t, 200, status)
	status, _ = m.call("PUT", at+"/none/dead-letter", `{"enabled":true,"target":"dead","maxReceiveCount":3}`)
	require.Equal(t, 404, status)

	_, out := m.call("GET", "/_cloud/queues", "")
	require.Equal(t, []any{
		map[string]any{"region": "cn-hangzhou", "uid": uid, "name": "dead", "active": 0.0, "inactive": 0.0, "delayed": 0.0},
		map[string]any{"region": "cn-hangzhou", "uid": uid, "name": "tickets", "active": 1.0, "inactive": 0.0, "delayed": 0.0, "deadLetter": "dead"},
	}, out["queues"])
}

func TestTheManagementHindersAPair(t *testing.T) {
	m := manage(t)
	status, _ := m.call("PUT", "/_cloud/pairs/source/destination", `{"paused":true,"delay":"5s"}`)
	require.Equal(t, 200, status)
	status, _ = m.call("PUT", "/_cloud/pairs/source/destination", `{"delay":"soon"}`)
	require.Equal(t, 400, status)
	status, out := m.call("GET", "/_cloud/pairs/source/destination", "")
	require.Equal(t, 200, status)
	require.Equal(t, 0.0, out["pending"])
}
