package fcemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// keysValid is how long the keys that a function gets are good for.
const keysValid = 36 * time.Hour

// The types of a function error, as the header X-Fc-Error-Type names them.
const (
	// UnhandledInvocationError: the function returned an error, panicked, exited or ran out of time.
	UnhandledInvocationError = "UnhandledInvocationError"
	// FunctionNotStarted: the code could not be started, or never asked for an event.
	FunctionNotStarted = "FunctionNotStarted"
)

// A Result is what a caller gets: HTTP 200 also when the function failed.
type Result struct {
	RequestID string
	ErrorType string // "" when the function succeeded
	Payload   []byte // what the function returned, or the error document
}

// Failed reports whether the function failed.
func (r Result) Failed() bool { return r.ErrorType != "" }

// A request is one invocation that somebody asks for.
type request struct {
	function  string
	payload   []byte
	requestID string // "" takes a new one
	retry     int    // asynchronous: how many tries came before
	caller    string // for the log of calls
}

// errReplyLost is what the caller of an invocation gets whose reply was lost by order.
var errReplyLost = errors.New("function compute: the connection broke before the reply")

// Invoke invokes the function and waits for its end. The error is a *world.Error
// when the platform refused (429 when all instances are busy), or that of ctx; an
// invocation goes on when its caller has gone. A function that fails is a Result.
func (p *Platform) Invoke(ctx context.Context, name string, payload []byte) (Result, error) {
	return p.invoke(ctx, request{function: name, payload: payload})
}

// invoke is one call of the InvokeFunction action.
func (p *Platform) invoke(ctx context.Context, r request) (Result, error) {
	f, cfg, err := p.lookup(r.function)
	if err != nil {
		return Result{}, err
	}
	if len(r.payload) > maxSyncBody {
		return Result{}, tooLarge(maxSyncBody)
	}
	if r.requestID == "" {
		r.requestID = p.world.UUID()
	}
	line := world.Call{
		Service: "fc", Action: "InvokeFunction", Resource: cfg.Name, Region: cfg.Region,
		Caller: r.caller, RequestID: r.requestID, Write: true,
	}
	type outcome struct {
		res Result
		err error
	}
	out := make(chan outcome, 1)
	ok := p.spawn(func() {
		fault := p.world.TakeFault("fc", "InvokeFunction", cfg.Name)
		if fault != nil {
			line.Fault = fault.Kind
		}
		res, err := p.underFault(ctx, fault, func() (Result, error) { return p.serve(f, r) })
		line.Status, line.Code = status(res, err)
		p.world.Record(line)
		out <- outcome{res, err}
	})
	if !ok {
		return Result{}, errStopped
	}
	select {
	case o := <-out:
		return o.res, o.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// underFault does what the ordered fault says to one call. ctx is the caller's.
func (p *Platform) underFault(ctx context.Context, fault *world.Fault, do func() (Result, error)) (Result, error) {
	if fault == nil {
		return do()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	switch fault.Kind {
	case world.FaultRefuse:
		return Result{}, &world.Error{Status: fault.Status, Code: fault.Code, Message: "refused by order"}
	case world.FaultThrottle:
		return Result{}, throttled()
	case world.FaultHang:
		<-ctx.Done()
		return Result{}, ctx.Err()
	case world.FaultSlow:
		if !sleep(ctx, fault.Delay) {
			return Result{}, ctx.Err()
		}
	case world.FaultLoseReply:
		if _, err := do(); err != nil {
			return Result{}, err
		}
		return Result{}, errReplyLost
	}
	return do()
}

// status is how the log of calls names an outcome.
func status(res Result, err error) (int, string) {
	var refusal *world.Error
	switch {
	case errors.As(err, &refusal):
		return refusal.Status, refusal.Code
	case err != nil:
		return 0, ""
	}
	return 200, res.ErrorType
}

func tooLarge(limit int) error {
	return &world.Error{
		Status: 400, Code: "EntityTooLarge",
		Message: fmt.Sprintf("payload size exceeds maximum allowed size (%d bytes)", limit),
	}
}

// serve finds an instance for the event and lets it work.
func (p *Platform) serve(f *function, r request) (Result, error) {
	for {
		inst, fresh, err := p.acquire(f)
		if err != nil {
			return Result{}, err
		}
		keys, err := p.keys(inst.cfg)
		if err != nil {
			if fresh {
				inst.kill()
			}
			p.release(inst)
			return Result{}, err
		}
		res, err := p.serveOn(inst, fresh, keys, r)
		p.release(inst)
		if p.ctx.Err() != nil {
			return Result{}, errStopped
		}
		if errors.Is(err, errGone) && !fresh {
			continue // it went away before it had taken the event
		}
		return res, nil
	}
}

// keys returns fresh keys of the function's role.
func (p *Platform) keys(cfg Function) (Credentials, error) {
	if cfg.Role == "" {
		return Credentials{}, nil
	}
	session := cfg.Name[:min(len(cfg.Name), 64)]
	k, e := p.world.AssumeService(cfg.Account, cfg.Role, "fc.aliyuncs.com", keysValid, session)
	if e != nil {
		return Credentials{}, &world.Error{Status: 403, Code: "AccessDenied", Message: e.Message}
	}
	return Credentials{AccessKeyID: k.ID, AccessKeySecret: k.Secret, SecurityToken: k.Token}, nil
}

// serveOn lets one instance serve the event. The error is errGone when the event was not taken.
func (p *Platform) serveOn(inst *instance, fresh bool, keys Credentials, r request) (Result, error) {
	cfg := inst.cfg
	notStarted := func(err error) (Result, error) {
		inst.kill()
		p.opt.Logger.Warn("function instance did not start", "function", cfg.Name, "instance", inst.id, "error", err)
		return p.ended(inst, r, FunctionNotStarted, errorDocument("Function failed to start: "+err.Error())), err
	}
	if fresh {
		if err := inst.run.start(inst, keys); err != nil {
			return notStarted(err)
		}
	}
	ch, err := inst.run.offer(Invocation{
		RequestID: r.requestID, Payload: r.payload, Timeout: cfg.Timeout, RetryCount: r.retry,
		Credentials: keys, Function: cfg.Name, Region: cfg.Region, AccountID: cfg.Account,
		InstanceID: inst.id, MemoryMB: cfg.Memory,
	})
	switch {
	case errors.Is(err, errGone) && fresh:
		return p.ended(inst, r, UnhandledInvocationError, exitDocument(time.Since(inst.started))), err
	case errors.Is(err, errGone):
		return Result{}, err
	case err != nil:
		return notStarted(err)
	}
	taken := time.Now()
	p.tookEvent(inst, fresh, taken)

	limit := time.NewTimer(cfg.Timeout + p.opt.Grace)
	defer limit.Stop()
	var a answer
	select {
	case a = <-ch:
	case <-inst.dead:
		select {
		case a = <-ch: // it answered and then went
		default:
			return p.ended(inst, r, UnhandledInvocationError, exitDocument(time.Since(taken))), nil
		}
	case <-limit.C:
		inst.kill()
		p.count(inst, func(s *Stats) { s.TimedOut++ })
		text := fmt.Sprintf("Function timed out after %d seconds (maxMemoryUsage: 0MB)", int(cfg.Timeout/time.Second))
		return p.ended(inst, r, UnhandledInvocationError, errorDocument(text)), nil
	}
	if fresh {
		p.count(inst, func(s *Stats) { s.ColdStarts[inst.cold].Answer = time.Since(inst.started) })
	}
	if a.failed {
		return p.ended(inst, r, UnhandledInvocationError, a.payload), nil
	}
	return p.ended(inst, r, "", a.payload), nil
}

// tookEvent counts an event that an instance has taken.
func (p *Platform) tookEvent(inst *instance, fresh bool, now time.Time) {
	p.count(inst, func(s *Stats) {
		s.Invocations++
		inst.served++
		if fresh {
			inst.cold = len(s.ColdStarts)
			s.ColdStarts = append(s.ColdStarts, ColdStart{Ready: now.Sub(inst.started)})
		}
	})
}

// ended makes the result of an invocation, and counts it.
func (p *Platform) ended(inst *instance, r request, errorType string, payload []byte) Result {
	if errorType != "" {
		p.count(inst, func(s *Stats) { s.Errors++ })
	}
	return Result{RequestID: r.requestID, ErrorType: errorType, Payload: payload}
}

func (p *Platform) count(inst *instance, change func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&inst.f.stats)
}

// errorDocument is the platform's own error document: it has no errorType.
func errorDocument(message string) []byte {
	b, _ := json.Marshal(struct { // a struct of one string always encodes
		Message string `json:"errorMessage"`
	}{message})
	return b
}

func exitDocument(after time.Duration) []byte {
	return errorDocument(fmt.Sprintf(
		"Process exited unexpectedly before completing request (duration: %dms, maxMemoryUsage: 0MB)", after.Milliseconds()))
}
