package meter_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/meter"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func call(t *testing.T, ctx context.Context, rt http.RoundTripper) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://oss-cn-hangzhou.aliyuncs.com/", nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
}

func answer(*http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	return rec.Result(), nil
}

func TestRequestsAreCountedForTheirContext(t *testing.T) {
	rt := meter.Transport(roundTripper(answer))
	one, first := meter.With(t.Context())
	two, second := meter.With(t.Context())
	call(t, one, rt)
	call(t, one, rt)
	call(t, two, rt)
	call(t, t.Context(), rt)
	require.Equal(t, 2, first.N())
	require.Equal(t, 1, second.N())
}

func TestAnOuterCounterCountsAlong(t *testing.T) {
	rt := meter.Transport(roundTripper(answer))
	whole, all := meter.With(t.Context())
	job, part := meter.With(whole)
	call(t, whole, rt)
	call(t, job, rt)
	require.Equal(t, 2, all.N())
	require.Equal(t, 1, part.N())
}

func TestARequestWithoutAnswerCounts(t *testing.T) {
	rt := meter.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") }))
	ctx, c := meter.With(t.Context())
	call(t, ctx, rt)
	require.Equal(t, 1, c.N())
}

func TestRequestsAreCountedSideBySide(t *testing.T) {
	rt := meter.Transport(roundTripper(answer))
	ctx, c := meter.With(t.Context())
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { call(t, ctx, rt) })
	}
	wg.Wait()
	require.Equal(t, 50, c.N())
}

func TestANilCounterHasCountedNothing(t *testing.T) {
	var c *meter.Counter
	require.Zero(t, c.N())
}

func TestTheDefaultTransportIsUsedForNil(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer srv.Close()
	ctx, c := meter.With(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	resp, err := meter.Transport(nil).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, 1, c.N())
}
