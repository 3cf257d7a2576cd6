package fcemu

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"time"
)

// The runtime API of the Go runtime. An instance of the go1 runtime serves one
// event at a time, but its SDK polls for the next event before it has answered;
// so a poll is held until there is an event, and there is none before the answer.
const apiRoot = "/2020-11-11/runtime/invocation/"

func (r *process) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiRoot+"next", r.next)
	mux.HandleFunc("POST "+apiRoot+"{id}/response", func(rw http.ResponseWriter, q *http.Request) { r.answered(rw, q, false) })
	mux.HandleFunc("POST "+apiRoot+"{id}/error", func(rw http.ResponseWriter, q *http.Request) { r.answered(rw, q, true) })
	return mux
}

func (r *process) next(rw http.ResponseWriter, q *http.Request) {
	var e *event
	select {
	case e = <-r.events:
	case <-q.Context().Done():
		return
	case <-r.inst.dead:
		http.Error(rw, "the instance is being ended", http.StatusServiceUnavailable)
		return
	}
	in := e.in
	in.Deadline = time.Now().Add(in.Timeout)
	r.mu.Lock()
	r.current = e
	r.mu.Unlock()

	h := rw.Header()
	set := func(name, value string) { h.Set("x-fc-"+name, value) }
	set("request-id", in.RequestID)
	set("function-deadline", strconv.FormatInt(in.Deadline.UnixMilli(), 10))
	set("function-timeout", strconv.Itoa(int(in.Timeout/time.Second)))
	set("function-name", in.Function)
	set("function-handler", filepath.Base(r.inst.cfg.Binary))
	set("function-memory", strconv.Itoa(in.MemoryMB))
	set("region", in.Region)
	set("account-id", in.AccountID)
	set("qualifier", "LATEST")
	set("version-id", "LATEST")
	set("retry-count", strconv.Itoa(in.RetryCount))
	set("access-key-id", in.Credentials.AccessKeyID)
	set("access-key-secret", in.Credentials.AccessKeySecret)
	set("security-token", in.Credentials.SecurityToken)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(in.Payload)))
	_, _ = rw.Write(in.Payload) // a process that is gone is noticed by its exit
}

func (r *process) answered(rw http.ResponseWriter, q *http.Request, failed bool) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, q.Body, maxSyncBody))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		http.Error(rw, "the answer exceeds the limit", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(rw, "the answer could not be read", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	e := r.current
	if e != nil && e.in.RequestID == q.PathValue("id") {
		r.current = nil
	} else {
		e = nil
	}
	r.mu.Unlock()
	if e == nil {
		http.Error(rw, "no such invocation is waiting for an answer", http.StatusBadRequest)
		return
	}
	e.answer <- answer{payload: body, failed: failed}
}
