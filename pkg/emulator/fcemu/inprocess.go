package fcemu

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"time"
)

// inProcess runs a Go function as the code of an instance.
type inProcess struct {
	inst *instance
	ctx  context.Context // ends with the instance
	end  context.CancelFunc
}

func newInProcess() *inProcess {
	r := &inProcess{}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

func (r *inProcess) start(inst *instance, _ Credentials) error {
	r.inst = inst
	sleep(r.ctx, inst.p.opt.ColdStart) // a killed instance is found out by offer
	return nil
}

func (r *inProcess) offer(in Invocation) (<-chan answer, error) {
	if r.ctx.Err() != nil {
		return nil, errGone
	}
	in.Deadline = time.Now().Add(in.Timeout)
	in.Payload = bytes.Clone(in.Payload) // a retry gets the same bytes, whatever the function does to them
	ctx, cancel := context.WithDeadline(r.ctx, in.Deadline)
	ch := make(chan answer, 1)
	ok := r.inst.p.spawn(func() {
		var a answer
		returned := false
		defer func() {
			cancel()
			if !returned {
				v := recover()
				if v == nil { // runtime.Goexit: the code has ended itself
					r.inst.exited("exit")
					return
				}
				a = answer{failed: true, payload: panicDocument(v)}
			}
			if r.ctx.Err() == nil { // what a killed instance returns is lost
				ch <- a
			}
		}()
		out, err := r.inst.cfg.Invoke(ctx, in)
		if a = (answer{payload: out}); err != nil {
			a = answer{failed: true, payload: functionError(err.Error(), err, nil)}
		}
		returned = true
	})
	if !ok {
		cancel()
		return nil, errGone
	}
	return ch, nil
}

func (r *inProcess) kill() { r.end() }

// A stackFrame is one line of the stack of a panic, as the Go runtime reports it.
type stackFrame struct {
	Path  string `json:"path"`
	Line  int    `json:"line"`
	Label string `json:"label"`
}

func functionError(message string, value any, stack []stackFrame) []byte {
	t := reflect.TypeOf(value)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	b, _ := json.Marshal(struct { // strings and numbers always encode
		Message string       `json:"errorMessage"`
		Type    string       `json:"errorType"`
		Stack   []stackFrame `json:"stackTrace,omitempty"`
	}{message, t.Name(), stack})
	return b
}

func panicDocument(v any) []byte {
	var stack []stackFrame
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		stack = append(stack, stackFrame{Path: f.File, Line: f.Line, Label: f.Function})
		if !more {
			break
		}
	}
	return functionError(fmt.Sprint(v), v, stack)
}
