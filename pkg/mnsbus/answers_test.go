package mnsbus

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	keyID  = "LTAI5tQ9x7Zb3kWmVn2R8s1F"
	secret = "zP4hWq8LrT2yXc6VbN0mKj5GfD3sA1"
	token  = "CAISuwJ1q6Ft5B2yfSjIr5bkGIOz31blR9oWmWBfCs3kDR"
)

// asked is one request as a server saw it.
type asked struct {
	host, path string
	header     http.Header
	query      map[string][]string
	body       string
}

// a service answers with a handler and remembers what it was asked.
type service struct {
	mu  sync.Mutex
	all []asked
}

func (s *service) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

func settings(rt http.RoundTripper) Config {
	return Config{
		Account: "1234567890123456", Region: "cn-hangzhou", Transport: rt, Source: "replidesk/test",
		Credentials: func() (string, string, string) { return keyID, secret, token },
		Queues:      Queues{WakeProvision: "d-wake-provision", WakeVerify: "d-wake-verify", Results: "d-results", Dead: "d-dead"},
	}
}

// serve returns a bus whose requests go to the handler.
func serve(handler http.HandlerFunc) (*Bus, *service) {
	s := &service{}
	return New(settings(emulator.HandlerTransport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.all = append(s.all, asked{r.Host, r.URL.Path, r.Header.Clone(), r.URL.Query(), string(body)})
		s.mu.Unlock()
		handler(w, r)
	})))), s
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml;charset=utf-8")
	w.Header().Set("x-mns-request-id", "5F9A5A2E3B2A4C0001A1B2C3")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, body); err != nil {
		panic(err)
	}
}

func sent(w http.ResponseWriter, _ *http.Request) {
	answer(w, 201, `<Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageId>m1</MessageId><MessageBodyMD5>x</MessageBodyMD5></Message>`)
}

// message is the body of a send as another program reads it.
func (a asked) message(t *testing.T) (stored, body string, delay, priority int) {
	t.Helper()
	var m struct {
		XMLName      xml.Name `xml:"Message"`
		MessageBody  string
		DelaySeconds int
		Priority     int
	}
	require.NoError(t, xml.Unmarshal([]byte(a.body), &m))
	b, err := base64.StdEncoding.DecodeString(m.MessageBody)
	require.NoError(t, err)
	return m.MessageBody, string(b), m.DelaySeconds, m.Priority
}

// calls are all calls of a bus, by their operation.
func calls(b *Bus) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"SendMessage":        func(ctx context.Context) error { return b.Send(ctx, "q", []byte("x"), 0) },
		"ReceiveMessage":     func(ctx context.Context) error { _, err := b.Receive(ctx, "q", 5, 0); return err },
		"DeleteMessage":      func(ctx context.Context) error { return b.Delete(ctx, "q", "h") },
		"GetQueueAttributes": func(ctx context.Context) error { _, err := b.Depth(ctx, "q"); return err },
	}
}

func TestEveryRowOfTheTable(t *testing.T) {
	left := maps.Clone(kinds)
	for code, want := range map[string]fault.Kind{
		"AccessDenied": fault.Denied, "SignatureDoesNotMatch": fault.Denied, "InvalidAccessKeyId": fault.Retryable,
		"MessageNotExist": fault.NotFound, "QueueNotExist": fault.NotFound, "QueueAlreadyExist": fault.Exists, "QpsLimitExceeded": fault.Throttled,
		"InternalError": fault.Unknown, "InternalServerError": fault.Unknown, "TimeExpired": fault.Retryable, "QueueDeletedRecently": fault.Retryable,
		"InvalidArgument": fault.Terminal, "InvalidAuthorizationHeader": fault.Terminal, "InvalidDateHeader": fault.Terminal, "InvalidDegist": fault.Terminal,
		"InvalidQueryString": fault.Terminal, "InvalidQueueName": fault.Terminal, "InvalidRequestURL": fault.Terminal, "MalformedXML": fault.Terminal,
		"MissingReceiptHandle": fault.Terminal, "MissingVisibilityTimeout": fault.Terminal, "QueueNameLengthError": fault.Terminal,
		"ReceiptHandleError": fault.Terminal,
	} {
		t.Run("code "+code, func(t *testing.T) {
			b, _ := serve(func(w http.ResponseWriter, _ *http.Request) {
				answer(w, 418, `<?xml version="1.0"?><Error xmlns="http://mns.aliyuncs.com/doc/v1/"><Code>`+code+`</Code><Message>No.</Message><RequestId>5F9A5A2E3B2A4C0001A1B2C3</RequestId></Error>`)
			})
			err := b.Send(t.Context(), "q", nil, 0)
			require.Equal(t, want, fault.Of(err), "%v", err)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, "SendMessage", f.Op)
			require.Equal(t, "q", f.Resource)
			require.Equal(t, code, f.Code)
			require.Equal(t, "5F9A5A2E3B2A4C0001A1B2C3", f.RequestID)
		})
		delete(left, code)
	}
	require.Empty(t, left, "rows of the table that nothing proves")
}

func TestEveryCallIsMadeOnceHoweverItIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    fault.Kind
	}{
		"with a page and status 502": {func(w http.ResponseWriter, _ *http.Request) { answer(w, 502, "<html>Bad Gateway</html>") }, fault.Unknown},
		"not at all":                 {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Unknown},
		"with half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(w, 200, "<Message>")
		}, fault.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			b, got := serve(c.handler)
			n := 0
			for op, call := range calls(b) {
				require.Equal(t, c.kind, fault.Of(call(t.Context())), op)
				n++
				require.Len(t, got.requests(), n, op)
			}
		})
	}
}

func TestAMessageIsSentInBase64WithALegalPriority(t *testing.T) {
	b, got := serve(sent)
	require.NoError(t, b.Send(t.Context(), "q-1", []byte("\x00 odd"), 1500*time.Millisecond))
	r := got.requests()[0]
	require.Equal(t, "1234567890123456.mns.cn-hangzhou.aliyuncs.com", r.host)
	require.Equal(t, "/queues/q-1/messages", r.path)
	require.Equal(t, token, r.header.Get("security-token"))
	_, body, delay, priority := r.message(t)
	require.Equal(t, "\x00 odd", body)
	require.Equal(t, 2, delay)
	require.Equal(t, 8, priority)
}

func TestDelaysAreWholeSecondsOfAtMostTwelveHours(t *testing.T) {
	for delay, want := range map[time.Duration]int{
		-time.Second: 0, 0: 0, time.Nanosecond: 1, time.Second: 1, time.Second + 1: 2, 12 * time.Hour: 43200, 12*time.Hour + 1: 43200, 720 * time.Hour: 43200,
	} {
		b, got := serve(sent)
		require.NoError(t, b.Wake(t.Context(), replication.OwnerVerify, "j", 1, delay))
		_, _, seconds, _ := got.requests()[0].message(t)
		require.Equal(t, want, seconds, delay.String())
	}
}

func TestAMessageThatIsTooLongIsNotSent(t *testing.T) {
	b, got := serve(sent)
	require.NoError(t, b.Send(t.Context(), "q", make([]byte, 48<<10), 0))
	require.Equal(t, fault.Terminal, fault.Of(b.Send(t.Context(), "q", make([]byte, 48<<10+1), 0)))
	require.Len(t, got.requests(), 1)
}

func TestAResultThatIsTooLongLosesItsDetail(t *testing.T) {
	for name, e := range map[string]replication.Event{
		"by its detail":   {ID: "a/1/0", Job: "a", Message: "short", Detail: json.RawMessage(`"` + strings.Repeat("d", 60<<10) + `"`)},
		"by its sentence": {ID: "a/1/0", Job: "a", Message: strings.Repeat("ü\x01", 40<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			b, got := serve(sent)
			require.NoError(t, b.Publish(t.Context(), e))
			stored, body, _, _ := got.requests()[0].message(t)
			require.LessOrEqual(t, len(stored), MaxBody)
			require.Contains(t, body, `"id":"a/1/0"`)
			require.Contains(t, body, "more than a message bears")
		})
	}
	b, got := serve(sent)
	require.Equal(t, fault.Terminal, fault.Of(b.Publish(t.Context(), replication.Event{Detail: json.RawMessage("{")})), "a detail that is no JSON")
	require.Empty(t, got.requests())
}

func TestABuriedMessageKeepsItsBytesAsLongAsTheyFit(t *testing.T) {
	worst := replication.Problem{Code: replication.ReasonMalformed, Message: strings.Repeat("\x02", 64<<10), Field: strings.Repeat("\x04", 64<<10), Remedy: "Send another."}
	for name, c := range map[string]struct {
		body   string
		reason replication.Problem
		whole  bool
	}{
		"a short one":                    {"\x00\xff no ticket", replication.Problem{Code: replication.ReasonMalformed}, true},
		"a long one that fits":           {strings.Repeat("x", 35<<10), replication.Problem{Code: replication.ReasonMalformed}, true},
		"one that does not fit":          {strings.Repeat("ticket ", 9<<10), replication.Problem{Code: replication.ReasonMalformed}, false},
		"one with an endless reason too": {strings.Repeat("ticket ", 9<<10), worst, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, got := serve(sent)
			require.NoError(t, b.Bury(t.Context(), []byte(c.body), c.reason))
			require.Equal(t, "/queues/d-dead/messages", got.requests()[0].path)
			stored, text, _, _ := got.requests()[0].message(t)
			require.LessOrEqual(t, len(stored), MaxBody)
			var lies struct {
				Reason struct{ Code string }
				Body   string
			}
			require.NoError(t, json.Unmarshal([]byte(text), &lies))
			require.Equal(t, string(replication.ReasonMalformed), lies.Reason.Code)
			kept, err := base64.StdEncoding.DecodeString(lies.Body)
			require.NoError(t, err)
			require.NotEmpty(t, kept)
			require.True(t, strings.HasPrefix(c.body, string(kept)))
			require.Equal(t, c.whole, c.body == string(kept))
		})
	}
}

func TestReceiveAsksForWhatTheServiceAllows(t *testing.T) {
	b, got := serve(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `<Messages xmlns="http://mns.aliyuncs.com/doc/v1/">
<Message><MessageId>m1</MessageId><ReceiptHandle>1-h/+=</ReceiptHandle><MessageBody>eyJpZCI6IkNIRy0xIn0=</MessageBody><DequeueCount>3</DequeueCount></Message>
<Message><MessageId>m2</MessageId><ReceiptHandle>h2</ReceiptHandle><MessageBody>{"id":"CHG-2"}</MessageBody><DequeueCount>1</DequeueCount></Message></Messages>`)
	})
	messages, err := b.Receive(t.Context(), "q", 20, 90*time.Second)
	require.NoError(t, err)
	require.Equal(t, []Message{
		{ID: "m1", Handle: "1-h/+=", Body: []byte(`{"id":"CHG-1"}`), Received: 3},
		{ID: "m2", Handle: "h2", Body: []byte(`{"id":"CHG-2"}`), Received: 1},
	}, messages)
	require.Equal(t, map[string][]string{"numOfMessages": {"16"}, "waitseconds": {"30"}}, got.requests()[0].query)
	_, err = b.Receive(t.Context(), "q", 0, 0)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"numOfMessages": {"1"}}, got.requests()[1].query)
}

func TestDepthCountsWhatLiesInAQueue(t *testing.T) {
	b, got := serve(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `<Queue xmlns="http://mns.aliyuncs.com/doc/v1/"><ActiveMessages>1</ActiveMessages><InactiveMessages>2</InactiveMessages><DelayMessages>3</DelayMessages></Queue>`)
	})
	d, err := b.Depth(t.Context(), "q")
	require.NoError(t, err)
	require.Equal(t, Depth{Active: 1, Hidden: 2, Delayed: 3}, d)
	require.Equal(t, "/queues/q", got.requests()[0].path)
}

func TestCallsThatCannotBeMadeAreErrorsAndNoPanics(t *testing.T) {
	keys := func(id, secret string) func(*Config) {
		return func(c *Config) { c.Credentials = func() (string, string, string) { return id, secret, token } }
	}
	for name, c := range map[string]struct {
		change func(*Config)
		queue  string
		kind   fault.Kind
	}{
		"no queue":                   {func(*Config) {}, "", fault.Terminal},
		"a queue with a path":        {func(*Config) {}, "q/messages?x", fault.Terminal},
		"a queue with a long name":   {func(*Config) {}, strings.Repeat("q", 257), fault.Terminal},
		"no source of keys":          {func(c *Config) { c.Credentials = nil }, "q", fault.Denied},
		"no key":                     {keys("", ""), "q", fault.Denied},
		"no secret":                  {keys(keyID, ""), "q", fault.Denied},
		"a region that breaks hosts": {func(c *Config) { c.Region = "cn.hangzhou" }, "q", fault.Terminal},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(transportFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("a request was sent") }))
			c.change(&cfg)
			for op, call := range map[string]func(*Bus) error{
				"Send":    func(b *Bus) error { return b.Send(t.Context(), c.queue, nil, 0) },
				"Receive": func(b *Bus) error { _, err := b.Receive(t.Context(), c.queue, 1, 0); return err },
				"Delete":  func(b *Bus) error { return b.Delete(t.Context(), c.queue, "h") },
				"Depth":   func(b *Bus) error { _, err := b.Depth(t.Context(), c.queue); return err },
			} {
				err := call(New(cfg))
				require.Equal(t, c.kind, fault.Of(err), "%s: %v", op, err)
				require.NotContains(t, err.Error(), "a request was sent")
			}
		})
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCallsRunSideBySide(t *testing.T) {
	b, got := serve(sent)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := b.Send(t.Context(), "q", []byte("x"), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, got.requests(), 20)
}

func TestNoErrorTextShowsASecret(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer that repeats what was signed": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 403, "<Error><Code>SignatureDoesNotMatch</Code><Message>Authorization: "+r.Header.Get("Authorization")+" security-token: "+token+"</Message></Error>")
		},
		"a page that repeats the request": func(w http.ResponseWriter, r *http.Request) { answer(w, 502, fmt.Sprint(r.Header)) },
		"a document that is none":         func(w http.ResponseWriter, r *http.Request) { answer(w, 200, fmt.Sprint(r.Header)) },
	} {
		t.Run(name, func(t *testing.T) {
			b, got := serve(handler)
			failed := 0
			for op, call := range calls(b) {
				err := call(t.Context())
				if err == nil {
					require.Equal(t, "DeleteMessage", op, "the only one whose answer has no body")
					continue
				}
				failed++
				var f *fault.Error
				require.ErrorAs(t, err, &f)
				signature := got.requests()[0].header.Get("Authorization")
				require.NotEmpty(t, signature)
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v", f.LogValue()), fmt.Sprintf("%#v", f)} {
					for _, s := range []string{keyID, secret, token, signature} {
						require.NotContains(t, text, s, op)
					}
				}
			}
			require.GreaterOrEqual(t, failed, 3)
		})
	}
}
