package fault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
)

func TestOf(t *testing.T) {
	throttled := &fault.Error{Kind: fault.Throttled, After: 3 * time.Second}
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"no error has no kind":                                     {nil, fault.None},
		"an unknown error is worth another attempt":                {errors.New("odd"), fault.Retryable},
		"an Error has its own kind":                                {throttled, fault.Throttled},
		"wrapping does not change the kind":                        {fmt.Errorf("while saving: %w", throttled), fault.Throttled},
		"the outermost kind counts":                                {&fault.Error{Kind: fault.Terminal, Err: throttled}, fault.Terminal},
		"an Error without a kind defers to its cause":              {&fault.Error{Err: throttled}, fault.Throttled},
		"an Error without kind and cause is retryable":             {&fault.Error{Op: "PutObject"}, fault.Retryable},
		"a joined error has the kind of its first classified part": {errors.Join(io.EOF, throttled), fault.Throttled},
		"a bare kind is an error of that kind":                     {fault.Denied, fault.Denied},
		"a deadline makes the outcome unknown":                     {context.DeadlineExceeded, fault.Unknown},
		"a deadline behind a classified error is seen first":       {&fault.Error{Kind: fault.Terminal, Err: context.DeadlineExceeded}, fault.Unknown},
		"a cancelled context makes the outcome unknown":            {fmt.Errorf("put: %w", context.Canceled), fault.Unknown},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, fault.Of(c.err)) })
	}
}

func TestKindsAreAClosedSetWithNames(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range fault.Kinds() {
		require.NotEmpty(t, k.String())
		require.False(t, seen[k.String()], "two kinds are called %s", k)
		seen[k.String()] = true

		text, err := k.MarshalText()
		require.NoError(t, err)
		var back fault.Kind
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, k, back)
		require.ErrorIs(t, &fault.Error{Kind: k}, k)
		require.Equal(t, k, fault.Of(&fault.Error{Kind: k}))
	}
	require.Len(t, seen, 9)

	var k fault.Kind
	require.Error(t, k.UnmarshalText([]byte("nonsense")))
	_, err := fault.Kind(200).MarshalText()
	require.Error(t, err)
	require.Equal(t, "kind(200)", fault.Kind(200).String())
}

func TestOnlyUnansweredAttemptsMayHaveHappened(t *testing.T) {
	for _, k := range fault.Kinds() {
		want := k == fault.Unknown || k == fault.Retryable
		require.Equal(t, want, k.MayHaveHappened(), k.String())
	}
}

func TestErrorTextIsOneLineThatSaysEverything(t *testing.T) {
	e := &fault.Error{
		Kind: fault.Throttled, Op: "PutObject", Resource: "state/log/x", Code: "TotalQpsLimitExceeded",
		RequestID: "5C3D9175B6FC201293AD4890", Err: errors.New("Error returned by Service.\nHttp Status Code: 503."),
	}
	require.Equal(t, "PutObject state/log/x: throttled: TotalQpsLimitExceeded: "+
		"Error returned by Service. Http Status Code: 503. (request 5C3D9175B6FC201293AD4890)", e.Error())
	require.Equal(t, "terminal", (&fault.Error{Kind: fault.Terminal}).Error())
	require.Equal(t, "Sweep: conflict", (&fault.Error{Kind: fault.Conflict, Op: "Sweep", Err: fault.Conflict}).Error())
}

func TestLongTextsAreShortenedBetweenCharacters(t *testing.T) {
	line := fault.Line(strings.Repeat("ü", 2000))
	require.LessOrEqual(t, len(line), 1000)
	require.True(t, strings.HasSuffix(line, "ü…"))
}

func TestAfterIsFoundInTheChain(t *testing.T) {
	inner := &fault.Error{Kind: fault.Throttled, After: 7 * time.Second}
	require.Equal(t, 7*time.Second, fault.After(fmt.Errorf("x: %w", inner)))
	require.Equal(t, 7*time.Second, fault.After(&fault.Error{Kind: fault.Throttled, Err: inner}))
	require.Zero(t, fault.After(io.EOF))
	require.Zero(t, fault.After(nil))
}

func TestCausesAreReachable(t *testing.T) {
	e := fmt.Errorf("x: %w", &fault.Error{Kind: fault.NotFound, Err: io.EOF})
	require.ErrorIs(t, e, io.EOF)
	require.ErrorIs(t, e, fault.NotFound)
	require.NotErrorIs(t, e, fault.Exists)
	var fe *fault.Error
	require.ErrorAs(t, e, &fe)
	require.Equal(t, fault.NotFound, fe.Kind)
}

func TestNoWayOfPrintingAnErrorShowsASecret(t *testing.T) {
	const token = "CAISuwJ1q6Ft5B2yfSjIr5bkKNXAtOpo9S2e7eGiQmq6"
	e := &fault.Error{
		Kind: fault.Retryable, Op: "AssumeRole", RequestID: "AccessKeySecret=abcdef0123456789",
		Err: &url.Error{Op: "Post", URL: "https://sts.aliyuncs.com/?Action=AssumeRole&AccessKeyId=LTAI5tAbCdEfGhIj&SecurityToken=" + token, Err: io.EOF},
	}
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	log.Error("failed", "err", e, "wrapped", fmt.Errorf("no: %w", e))
	asJSON, err := json.Marshal(map[string]any{"err": e})
	require.NoError(t, err)

	for way, text := range map[string]string{
		"Error": e.Error(), "%v": fmt.Sprintf("%v", e), "%+v": fmt.Sprintf("%+v", e), "%#v": fmt.Sprintf("%#v", e),
		"%s": fmt.Sprintf("%s", e), "%q": fmt.Sprintf("%q", e), "slog": logged.String(), "JSON": string(asJSON),
		"wrapped": fmt.Errorf("x: %w", e).Error(),
	} {
		require.NotContains(t, text, token, way)
		require.NotContains(t, text, "LTAI5t", way)
		require.NotContains(t, text, "abcdef0123456789", way)
		require.Contains(t, text, "AssumeRole", way)
	}
}

func TestLogValueHasOneAttributeAPart(t *testing.T) {
	e := &fault.Error{Kind: fault.Quota, Op: "CreateRole", Resource: "r", Code: "LimitExceeded.Role", RequestID: "id", After: time.Second, Err: io.EOF}
	got := map[string]string{}
	for _, a := range e.LogValue().Group() {
		got[a.Key] = a.Value.String()
	}
	require.Equal(t, map[string]string{
		"kind": "quota", "op": "CreateRole", "resource": "r", "code": "LimitExceeded.Role",
		"request_id": "id", "after": "1s", "cause": "EOF",
	}, got)
}
