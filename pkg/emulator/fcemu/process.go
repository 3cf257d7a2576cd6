package fcemu

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// process runs an executable as the code of an instance, and serves it the runtime
// API on a listener of its own.
type process struct {
	inst   *instance
	events chan *event // unbuffered: taken by a waiting poll

	mu      sync.Mutex
	current *event // taken and not yet answered
	proc    *os.Process
	killed  bool
}

// An event is one invocation on its way through the runtime API.
type event struct {
	in     Invocation
	answer chan answer // buffered: the first answer counts
}

func newProcess(inst *instance) *process {
	return &process{inst: inst, events: make(chan *event)}
}

func (r *process) start(inst *instance, keys Credentials) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: r.routes(), ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(inst.p.opt.Logger.Handler(), slog.LevelWarn),
	}
	if !inst.p.spawn(func() { _ = srv.Serve(l) }) { // it ends with srv.Close, below
		_ = l.Close()
		return errStopped
	}
	stdout, stderr := r.log(false), r.log(true)
	cmd := exec.Command(inst.cfg.Binary)
	cmd.Dir = filepath.Dir(inst.cfg.Binary)
	cmd.Env = r.environment(keys, l.Addr().String())
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // for output that a child of the process holds open
	cmd.SysProcAttr = processAttr()

	up := make(chan error, 1)
	run := func() {
		// The process is to die with this one; the kernel ties it to the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = srv.Close() }()
		err := r.launch(cmd)
		up <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in ProcessState
		stdout.flush()
		stderr.flush()
		inst.exited(cmd.ProcessState.String())
	}
	if !inst.p.spawn(run) {
		_ = srv.Close()
		return errStopped
	}
	return <-up
}

// launch starts the process, unless the instance was killed before.
func (r *process) launch(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return errGone
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.proc = cmd.Process
	return nil
}

func (r *process) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	if r.proc != nil {
		_ = r.proc.Kill() // an error means that it has ended by itself
	}
}

func (r *process) offer(in Invocation) (<-chan answer, error) {
	e := &event{in: in, answer: make(chan answer, 1)}
	limit := time.NewTimer(initLimit)
	defer limit.Stop()
	select {
	case r.events <- e:
		return e.answer, nil
	case <-r.inst.dead:
		return nil, errGone
	case <-limit.C:
		return nil, errTooSlow
	}
}

// log returns a writer that passes lines on to the platform's log.
func (r *process) log(stderr bool) *lineWriter {
	return &lineWriter{emit: func(text string) {
		r.inst.p.log(LogLine{Function: r.inst.cfg.Name, Instance: r.inst.id, Stderr: stderr, Text: text})
	}}
}

// environment is all that the process finds in its environment.
func (r *process) environment(keys Credentials, api string) []string {
	cfg := r.inst.cfg
	env := []string{
		"FC_RUNTIME_API=" + api,
		"FC_ACCOUNT_ID=" + cfg.Account,
		"FC_REGION=" + cfg.Region,
		"FC_FUNCTION_NAME=" + cfg.Name,
		"FC_FUNCTION_HANDLER=" + filepath.Base(cfg.Binary),
		"FC_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(cfg.Memory),
		"FC_INSTANCE_ID=" + r.inst.id,
		"FC_QUALIFIER=LATEST",
		"FC_FUNC_CODE_PATH=" + filepath.Dir(cfg.Binary),
		"FC_VER_ID=LATEST",
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + keys.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + keys.AccessKeySecret,
		"ALIBABA_CLOUD_SECURITY_TOKEN=" + keys.SecurityToken,
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for k, v := range cfg.Env { // last: the function's own value wins
		env = append(env, fmt.Sprintf("%s=%s", k, v))
	}
	return env
}
