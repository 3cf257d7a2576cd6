package emulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func client(h http.HandlerFunc) *http.Client { return &http.Client{Transport: HandlerTransport(h)} }

func TestAHandlerSeesTheSameRequestAsOverASocket(t *testing.T) {
	type seen struct {
		method, uri, path, query, host, body, proto string
		length                                      int64
		header                                      http.Header
	}
	var got seen
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), 500)
			return
		}
		got = seen{r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, string(body), r.Proto, r.ContentLength, r.Header.Clone()}
		got.header.Del("Accept-Encoding") // the socket's client asks for gzip
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	base, err := url.Parse(srv.URL)
	require.NoError(t, err)

	none := func() io.Reader { return nil }
	for name, tc := range map[string]struct {
		method, target string
		body           func() io.Reader
	}{
		"nothing but a path":         {"", "/bucket/", none},
		"an escaped path":            {"GET", "/bucket/a%2Fb%20c/%E6%BC%A2?versionId=x&acl&prefix=a%2Bb+c", none},
		"a body of known length":     {"PUT", "/bucket/key", func() io.Reader { return strings.NewReader("hello") }},
		"a body of unknown length":   {"PUT", "/bucket/key", func() io.Reader { return io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo")) }},
		"an empty POST":              {"POST", "/?Action=GetRole", none},
		"an empty DELETE":            {"DELETE", "/bucket/key", none},
		"a body that says NoBody":    {"POST", "/", func() io.Reader { return http.NoBody }},
		"a HEAD":                     {"HEAD", "/bucket/key", none},
		"a path that is only a host": {"GET", "", none},
	} {
		t.Run(name, func(t *testing.T) {
			send := func(rt http.RoundTripper, body io.Reader) seen {
				r, err := http.NewRequest(tc.method, srv.URL+tc.target, body)
				require.NoError(t, err)
				r.Header.Set("X-Oss-Meta", "a")
				resp, err := rt.RoundTrip(r)
				require.NoError(t, err)
				defer resp.Body.Close()
				require.Equal(t, 200, resp.StatusCode)
				return got
			}
			require.Equal(t, send(http.DefaultTransport, tc.body()), send(HandlerTransport(h), tc.body()))
			require.Equal(t, base.Host, got.host)
		})
	}
}

func TestAnAnswerComesBackAsOverASocket(t *testing.T) {
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Oss-Request-Id", "1")
		switch r.URL.Path {
		case "/missing":
			http.Error(rw, "no such thing", 404)
		case "/nothing":
			rw.WriteHeader(204)
		case "/head":
			rw.Header().Set("Content-Length", "1000")
		default:
			_, _ = io.WriteString(rw, "hello")
			rw.Header().Set("Too-Late", "1")
		}
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	for _, call := range [][2]string{{"GET", "/"}, {"GET", "/missing"}, {"DELETE", "/nothing"}, {"HEAD", "/head"}} {
		send := func(rt http.RoundTripper) (*http.Response, string) {
			r, err := http.NewRequest(call[0], srv.URL+call[1], nil)
			require.NoError(t, err)
			resp, err := rt.RoundTrip(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NotEmpty(t, resp.Header.Get("Date"))
			resp.Header.Del("Date")
			return resp, string(body)
		}
		want, wantBody := send(&http.Transport{DisableCompression: true})
		got, body := send(HandlerTransport(h))
		require.Equal(t, wantBody, body, call)
		require.Equal(t, want.Status, got.Status, call)
		require.Equal(t, want.ContentLength, got.ContentLength, call)
		got.Header.Set("Content-Type", want.Header.Get("Content-Type")) // the services set their own; a server guesses
		if want.Header.Get("Content-Type") == "" {
			got.Header.Del("Content-Type")
		}
		require.Equal(t, want.Header, got.Header, call)
	}
}

func TestAHangingCallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, acc := Ready(world.Options{})
		c.World.Break(world.Fault{Kind: world.FaultHang})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		r, err := http.NewRequestWithContext(ctx, "PUT", "https://new-bucket.oss-cn-hangzhou.aliyuncs.com/", nil)
		require.NoError(t, err)
		began := time.Now()
		_, err = c.Transport().RoundTrip(r)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 3*time.Second, time.Since(began))

		_, err = c.Transport().RoundTrip(r)
		require.ErrorIs(t, err, context.Canceled, "a context that has ended before the call")
		calls, _ := c.World.Calls(0)
		require.Len(t, calls, 1, "the second did not reach the cloud")
		require.NotEmpty(t, acc.A.UID)
	})
}

func TestAClientsTimeOutEndsAHangingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := Ready(world.Options{})
		c.World.Break(world.Fault{Kind: world.FaultHang})
		cli := &http.Client{Transport: c.Transport(), Timeout: 5 * time.Second}
		began := time.Now()
		_, err := cli.Get("https://oss-cn-hangzhou.aliyuncs.com/")
		var timedOut interface{ Timeout() bool }
		require.True(t, errors.As(err, &timedOut) && timedOut.Timeout(), "%v", err)
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestALostReplyIsABrokenConnectionAfterTheEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := Ready(world.Options{})
		c.World.Break(world.Fault{Kind: world.FaultLoseReply})
		_, err := (&http.Client{Transport: c.Transport()}).Get("https://oss-cn-hangzhou.aliyuncs.com/")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		calls, _ := c.World.Calls(0)
		require.Len(t, calls, 1)
		require.Equal(t, world.FaultLoseReply, calls[0].Fault)
	})
}

func TestAnAnswerThatBreaksOffEndsUnexpectedly(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"the handler breaks the connection": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "hal")
			panic(http.ErrAbortHandler)
		},
		"the handler promised more": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "6")
			_, _ = io.WriteString(rw, "hal")
		},
	} {
		resp, err := client(h).Get("http://cloud.test/")
		require.NoError(t, err, name)
		body, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
		require.Equal(t, "hal", string(body), name)
	}
}

func TestADefectOfAHandlerIsNotHidden(t *testing.T) {
	require.PanicsWithValue(t, "a defect", func() {
		_, _ = client(func(http.ResponseWriter, *http.Request) { panic("a defect") }).Get("http://cloud.test/")
	})
}

func TestAnAnswerCannotBeReadOnceTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://cloud.test/", nil)
	require.NoError(t, err)
	resp, err := client(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") }).Do(r)
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAHandlerThatWaitsForTheBodyEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body, feed := io.Pipe()
		defer feed.Close()
		r, err := http.NewRequestWithContext(ctx, "PUT", "http://cloud.test/", body)
		require.NoError(t, err)
		_, err = client(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }).Do(r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestHTTPSIsSeenAsSuch(t *testing.T) {
	var secure bool
	cli := client(func(_ http.ResponseWriter, r *http.Request) { secure = r.TLS != nil })
	for _, scheme := range []string{"https", "http"} {
		resp, err := cli.Get(scheme + "://cloud.test/")
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, scheme == "https", secure)
	}
}
