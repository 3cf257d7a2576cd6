package fcemu

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// found is what testfn reports.
type found struct {
	Count, MostAtOnce         int64
	PID                       int
	Function, Region, Account string
	Memory, RequestID         string
	Retry                     int
	Left                      time.Duration
	KeyID, Secret, Token      string
	Env                       []string
	WorkingDirectory          string
}

// A logKeeper keeps the log lines of functions.
type logKeeper struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logKeeper) take(line LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	LogTo(&l.buf)(line)
}

// await waits for text: what a process writes arrives a little later than its answer.
func (l *logKeeper) await(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return strings.Contains(l.buf.String(), text)
	}, 5*time.Second, time.Millisecond, text)
}

// The function is built once; each test below has a platform of its own.
func TestProcesses(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "main")
	build := exec.Command("go", "build", "-o", binary, "./internal/testfn")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	ctx := context.Background()
	start := func(t *testing.T, f Function) (*bench, *logKeeper) {
		logs := &logKeeper{}
		b := newBench(t, world.Options{Speed: 1000}, Options{Log: logs.take})
		t.Cleanup(b.p.Stop)
		f.Name, f.Region, f.Account, f.Binary = "f", region, account, binary
		require.NoError(t, b.p.Deploy(f))
		return b, logs
	}
	invoke := func(t *testing.T, b *bench, event string) (Result, found) {
		t.Helper()
		res, err := b.p.Invoke(ctx, "f", []byte(event))
		require.NoError(t, err)
		var rep found
		if !res.Failed() {
			require.NoError(t, json.Unmarshal(res.Payload, &rep))
		}
		return res, rep
	}

	t.Run("an unmodified binary is told everything, and used again", func(t *testing.T) {
		t.Setenv("SECRET_OF_THE_PLATFORM", "x")
		b, _ := start(t, Function{Memory: 256, Timeout: 20 * time.Second, Role: "fn", Env: map[string]string{"QUEUE": "in"}})
		b.role("fn", "")
		time.Sleep(10 * time.Millisecond) // 5 s at this speed: the role spreads
		res, one := invoke(t, b, `{"Do":"report"}`)
		require.Equal(t, []any{int64(1), "f", region, account, "256", res.RequestID, 0},
			[]any{one.Count, one.Function, one.Region, one.Account, one.Memory, one.RequestID, one.Retry})
		require.InDelta(t, 20, one.Left.Seconds(), 1)
		require.Equal(t, filepath.Dir(binary), one.WorkingDirectory)
		key, ok := b.w.Key(one.KeyID)
		require.True(t, ok)
		require.Equal(t, []string{"fn", one.Secret, one.Token}, []string{key.Principal.Name, key.Secret, key.Token})

		names := map[string]string{}
		for _, e := range one.Env {
			k, v, _ := strings.Cut(e, "=")
			names[k] = v
		}
		require.NotContains(t, names, "SECRET_OF_THE_PLATFORM")
		require.Equal(t, "in", names["QUEUE"])
		require.Equal(t, []string{region, account, "f", "main", "256"}, []string{
			names["FC_REGION"], names["FC_ACCOUNT_ID"], names["FC_FUNCTION_NAME"], names["FC_FUNCTION_HANDLER"], names["FC_FUNCTION_MEMORY_SIZE"]})
		_, ok = b.w.Key(names["ALIBABA_CLOUD_ACCESS_KEY_ID"])
		require.True(t, ok)

		_, two := invoke(t, b, `{}`)
		require.Equal(t, one.PID, two.PID)
		require.Equal(t, int64(2), two.Count)
		require.NotEqual(t, one.KeyID, two.KeyID)
		cold := b.p.Stats("f").ColdStarts
		require.Len(t, cold, 1)
		require.Positive(t, cold[0].Ready)
		require.GreaterOrEqual(t, cold[0].Answer, cold[0].Ready)
	})

	t.Run("errors and panics leave the process up, exits and kills do not", func(t *testing.T) {
		b, logs := start(t, Function{Timeout: 20 * time.Second})
		_, first := invoke(t, b, `{"Do":"report"}`)
		res, _ := invoke(t, b, `{"Do":"fail"}`)
		require.Equal(t, UnhandledInvocationError, res.ErrorType)
		require.JSONEq(t, `{"errorMessage":"told to fail","errorType":"errorString"}`, string(res.Payload))
		res, _ = invoke(t, b, `{"Do":"panic"}`)
		require.Contains(t, string(res.Payload), `"stackTrace"`)
		res, _ = invoke(t, b, `not JSON`)
		require.True(t, res.Failed())
		_, again := invoke(t, b, `{"Do":"report"}`)
		require.Equal(t, first.PID, again.PID)

		for i, last := range []string{"exit", "panic elsewhere"} {
			res, _ = invoke(t, b, fmt.Sprintf(`{"Do":%q}`, last))
			require.Equal(t, UnhandledInvocationError, res.ErrorType)
			require.Contains(t, string(res.Payload), "Process exited unexpectedly before completing request")
			_, next := invoke(t, b, `{"Do":"report"}`)
			require.NotEqual(t, again.PID, next.PID)
			require.Equal(t, int64(1), next.Count)
			require.Equal(t, i+1, b.p.Stats("f").Crashes)
			again = next
		}

		killed := time.AfterFunc(50*time.Millisecond, func() { b.p.Kill("f") })
		defer killed.Stop()
		res, _ = invoke(t, b, `{"Do":"sleep","Sleep":10000000000}`)
		require.Contains(t, string(res.Payload), "Process exited unexpectedly")
		_, next := invoke(t, b, `{"Do":"report"}`)
		require.NotEqual(t, again.PID, next.PID)
		require.Eventually(t, func() bool { return syscall.Kill(again.PID, 0) != nil }, 5*time.Second, time.Millisecond)

		for _, line := range []string{"f | out: report\n", "f | err: report\n", "f | last words without a line end\n", "f | FC Invoke Start RequestId: "} {
			logs.await(t, line)
		}
	})

	t.Run("an instance that overruns its deadline is killed", func(t *testing.T) {
		b, _ := start(t, Function{Timeout: time.Second})
		began := time.Now()
		res, _ := invoke(t, b, `{"Do":"ignore the deadline"}`)
		require.JSONEq(t, `{"errorMessage":"Function timed out after 1 seconds (maxMemoryUsage: 0MB)"}`, string(res.Payload))
		require.Less(t, time.Since(began), 3*time.Second)
		require.Zero(t, b.p.Stats("f").Instances)
		require.Equal(t, []int{1, 0}, []int{b.p.Stats("f").TimedOut, b.p.Stats("f").Crashes})
	})

	t.Run("each process has one invocation at a time, and there are no more than allowed", func(t *testing.T) {
		b, _ := start(t, Function{Timeout: 20 * time.Second, MaxInstances: 2})
		var wg sync.WaitGroup
		var mu sync.Mutex
		pids := map[int]bool{}
		for range 8 {
			wg.Go(func() {
				for {
					res, err := b.p.Invoke(ctx, "f", []byte(`{"Do":"sleep","Sleep":5000000}`))
					if err != nil { // throttled
						time.Sleep(time.Millisecond)
						continue
					}
					var rep found
					if json.Unmarshal(res.Payload, &rep) == nil {
						mu.Lock()
						pids[rep.PID] = true
						if rep.MostAtOnce != 1 {
							t.Errorf("%d invocations at once in one process", rep.MostAtOnce)
						}
						mu.Unlock()
					}
					return
				}
			})
		}
		wg.Wait()
		require.NotEmpty(t, pids)
		require.LessOrEqual(t, len(pids), 2)
	})

	t.Run("code that ends before it asks for an event fails the invocation", func(t *testing.T) {
		b, _ := start(t, Function{Env: map[string]string{"TESTFN_EXIT": "1"}})
		res, _ := invoke(t, b, `{}`)
		require.Contains(t, string(res.Payload), "Process exited unexpectedly")
		require.Equal(t, 1, b.p.Stats("f").Crashes)
	})

	t.Run("code that cannot be started fails the invocation", func(t *testing.T) {
		b, _ := start(t, Function{})
		text := filepath.Join(t.TempDir(), "main")
		require.NoError(t, os.WriteFile(text, []byte("no program"), 0o755))
		require.NoError(t, b.p.Deploy(Function{Name: "g", Region: region, Account: account, Binary: text}))
		res, err := b.p.Invoke(ctx, "g", nil)
		require.NoError(t, err)
		require.Equal(t, FunctionNotStarted, res.ErrorType)
	})

	t.Run("a queue trigger reaches the binary and retries what it refuses", func(t *testing.T) {
		b, logs := start(t, Function{Timeout: 20 * time.Second})
		b.send("a")
		b.trigger(QueueTrigger{ErrorsTolerance: TolerateAll}) // an array is no order: testfn fails
		require.Eventually(t, func() bool { return b.p.QueueTriggerStats("f", "q").Dropped == 1 }, 5*time.Second, time.Millisecond)
		require.Equal(t, 4, b.p.Stats("f").Errors)
		logs.await(t, "cannot unmarshal array")
	})
}

func TestRuntimeAPIRefusesWhatItDoesNotKnow(t *testing.T) {
	b := newBench(t, world.Options{}, Options{})
	defer b.p.Stop()
	inst := &instance{id: "c-1", p: b.p, dead: make(chan struct{}), cfg: Function{Name: "f", Binary: "/x/main"}}
	r := newProcess(inst)
	do := func(method, path string) int {
		w := &answerWriter{header: http.Header{}}
		q, err := http.NewRequest(method, path, strings.NewReader("{}"))
		require.NoError(t, err)
		r.routes().ServeHTTP(w, q)
		return w.status
	}
	require.Equal(t, 404, do("GET", "/2018-06-01/runtime/invocation/next"))
	require.Equal(t, 405, do("POST", apiRoot+"next"))
	require.Equal(t, 405, do("GET", apiRoot+"1/response"))
	require.Equal(t, 400, do("POST", apiRoot+"1/response"), "nothing is waiting")
	close(inst.dead)
	require.Equal(t, 503, do("GET", apiRoot+"next"))
}

type answerWriter struct {
	header http.Header
	status int
}

func (w *answerWriter) Header() http.Header         { return w.header }
func (w *answerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *answerWriter) WriteHeader(status int)      { w.status = status }

func TestLogLines(t *testing.T) {
	var got []string
	w := &lineWriter{emit: func(s string) { got = append(got, s) }}
	for _, part := range []string{"a\nb", "c\r\n\n", strings.Repeat("x", maxLogLine+10)} {
		n, err := w.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	w.flush()
	w.flush()
	require.Equal(t, []string{"a", "bc", "", strings.Repeat("x", maxLogLine), strings.Repeat("x", 10)}, got)
}
