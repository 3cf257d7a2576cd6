package ossrepl

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	keyID  = "LTAI5tQ9x7Zb3kWmVn2R8s1F"
	secret = "zP4hWq8LrT2yXc6VbN0mKj5GfD3sA1"
	token  = "CAISuwJ1q6Ft5B2yfSjIr5bkGIOz31blR9oWmWBfCs3kDR"
)

var (
	src = replication.End{Account: "1111222233334444", Region: "cn-hangzhou", Bucket: "src-bucket"}
	dst = replication.End{Account: "1111222233334444", Region: "cn-shanghai", Bucket: "dst-bucket"}
)

// an exchange is one request as a server saw it.
type exchange struct {
	method, host, path, body string
	query                    map[string][]string
	header                   http.Header
}

// a service answers with a handler and remembers what it was asked.
type service struct {
	mu    sync.Mutex
	asked []exchange
}

// serve returns a client whose requests go to the handler.
func serve(t *testing.T, handler http.HandlerFunc) (*Client, *service) {
	t.Helper()
	s := &service{}
	rt := emulator.HandlerTransport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, exchange{r.Method, r.Host, r.URL.Path, string(body), r.URL.Query(), r.Header.Clone()})
		s.mu.Unlock()
		handler(w, r)
	}))
	return New(Config{Transport: rt, Credentials: func() (string, string, string) { return keyID, secret, token }}), s
}

func (s *service) requests() []exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// answer writes an XML body.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("x-oss-request-id", "5C3D9175B6FC201293AD4890")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, body); err != nil {
		panic(err)
	}
}

// refuse writes a refusal as OSS words it; more are further elements.
func refuse(w http.ResponseWriter, status int, code string, more ...string) {
	answer(w, status, fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>No, because of %s.</Message>`+
		`<RequestId>5C3D9175B6FC201293AD4890</RequestId><HostId>oss</HostId>%s</Error>`, code, code, strings.Join(more, "")))
}

// always answers every request with the same body.
func always(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) }
}

func secretless(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{keyID, secret, token, "Signature=", "OSS4-HMAC-SHA256 Credential"} {
		require.NotContains(t, text, s)
	}
}
