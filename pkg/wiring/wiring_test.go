package wiring_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/wiring"
)

func TestAFunctionNamesEverythingThatIsMissingFromItsSettings(t *testing.T) {
	_, err := wiring.NewFunction(wiring.Provision, func(string) string { return "" }, io.Discard, nil)
	require.ErrorContains(t, err, "REPLIDESK_ACCOUNT")
	require.ErrorContains(t, err, "REPLIDESK_STATE_BUCKET")
}

func TestCredentialsAreNeverPrinted(t *testing.T) {
	c := &wiring.Credentials{}
	id, secret, token := c.Get()
	require.Empty(t, id+secret+token)
	c.Set("an-id", "a-secret", "a-token")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, c), "a-secret")
		require.NotContains(t, fmt.Sprintf(verb, c), "a-token")
	}
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a transport that panics") }

func TestAnInvocationOutsideTheRuntimeIsAnErrorAndNoPanic(t *testing.T) {
	env := map[string]string{"REPLIDESK_ACCOUNT": "1000000000000001", "REPLIDESK_REGION": "cn-hangzhou", "REPLIDESK_STATE_BUCKET": "desk-state"}
	var out bytes.Buffer
	f, err := wiring.NewFunction(wiring.Verify, func(k string) string { return env[k] }, &out, panicking{})
	require.NoError(t, err)
	require.ErrorContains(t, f.Invoke(context.Background(), []byte("[]")), "no context of Function Compute")
	require.ErrorContains(t, f.InvokeWith(context.Background(), []byte("[]"), "an-id", "a-secret", ""), "panic: a transport that panics")
	require.NotContains(t, out.String(), "a-secret")
}
