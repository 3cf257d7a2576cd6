package emulator

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Transport returns a RoundTripper that reaches the cloud without a socket, for
// http and https URLs alike. The handler runs in the calling goroutine, so the
// virtual time of testing/synctest works. A handler that hangs ends with the
// request's context; a connection that it breaks is an error that wraps
// io.ErrUnexpectedEOF.
func (c *Cloud) Transport() http.RoundTripper { return HandlerTransport(c) }

// HandlerTransport is the RoundTripper of [Cloud.Transport] for any handler.
func HandlerTransport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &requestBody{ReadCloser: req.Body}
	defer body.Close()
	if req.URL == nil || req.URL.Host == "" {
		return nil, errors.New("emulator: no host in the request's URL")
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(req.Context()) // a server ends the context with the handler
	defer cancel()
	stop := context.AfterFunc(req.Context(), func() { body.Close() })
	defer stop()
	r, err := serverRequest(ctx, req, body)
	if err != nil {
		return nil, err
	}
	w := &recorder{header: http.Header{}}
	broken := w.serve(t.handler, r)
	if err := req.Context().Err(); err != nil {
		return nil, err // the caller had gone away before the answer came
	}
	if broken && !w.wrote {
		return nil, fmt.Errorf("emulator: the connection broke before an answer: %w", io.ErrUnexpectedEOF)
	}
	return w.response(req, broken), nil
}

// serverRequest is what a server would have read of the request.
func serverRequest(ctx context.Context, req *http.Request, body *requestBody) (*http.Request, error) {
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	r.URL = u
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.RemoteAddr = "127.0.0.1:1"
	r.Close, r.GetBody, r.Response = false, nil, nil
	if req.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: req.URL.Hostname()}
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header.Set("User-Agent", "Go-http-client/1.1")
	}
	r.Body = body
	if req.Body == nil || req.Body == http.NoBody {
		r.Body, r.ContentLength = http.NoBody, 0
	} else if r.ContentLength == 0 {
		r.ContentLength = -1 // a body of unknown length goes out in chunks
	}
	r.Header.Del("Content-Length")
	if r.ContentLength > 0 || r.ContentLength == 0 && (r.Method == http.MethodPost || r.Method == http.MethodPut) {
		r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return r, nil
}

// requestBody closes the client's body once, also when it may be nil and when the
// context ends while the handler reads.
type requestBody struct {
	io.ReadCloser
	once sync.Once
}

func (b *requestBody) Close() (err error) {
	b.once.Do(func() {
		if b.ReadCloser != nil {
			err = b.ReadCloser.Close()
		}
	})
	return err
}

// recorder keeps an answer. A handler runs in one goroutine, so it needs no lock.
type recorder struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	wrote  bool
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.wrote || status < 200 { // informational answers are not handed on
		return
	}
	w.wrote, w.status, w.sent = true, status, w.header.Clone()
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush is there for handlers that ask for it; nothing is held back from a
// client that gets the whole answer at once.
func (w *recorder) Flush() { w.WriteHeader(http.StatusOK) }

// serve runs the handler and reports whether it broke the connection.
func (w *recorder) serve(h http.Handler, r *http.Request) (broken bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p) // a defect of a handler: as loud as possible
			}
			broken = true
		}
	}()
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return false
}

func (w *recorder) response(req *http.Request, broken bool) *http.Response {
	resp := &http.Response{
		Status:     strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  w.sent,
		Request: req,
	}
	if resp.Header.Get("Date") == "" {
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	data := w.body.Bytes()
	switch {
	case req.Method == http.MethodHead:
		data = nil
		resp.ContentLength = headLength(resp.Header)
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified:
		data = nil
	default:
		if resp.Header.Get("Content-Length") == "" {
			resp.Header.Set("Content-Length", strconv.Itoa(len(data)))
		}
		resp.ContentLength = headLength(resp.Header)
	}
	cut := broken || resp.ContentLength > int64(len(data)) && data != nil
	resp.Body = &responseBody{data: bytes.NewReader(data), ctx: req.Context(), cut: cut}
	return resp
}

func headLength(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// responseBody ends with the request's context, as a body from a socket does, and
// with an unexpected end when the handler broke off in the middle.
type responseBody struct {
	data *bytes.Reader
	ctx  context.Context
	cut  bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.data.Read(p)
	if err == io.EOF && b.cut {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *responseBody) Close() error { return nil }
