package mnsbus

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	ali_mns "github.com/aliyun/aliyun-mns-go-sdk"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	// DefaultTimeout is how long one call may take when the Config does not say.
	DefaultTimeout = 10 * time.Second
	// MaxDelay is the longest delay that Wake asks for; a longer one is cut to it,
	// and whoever is woken too early waits again. MNS allows 7 days. [fact 28]
	MaxDelay = 12 * time.Hour
	// MaxBody is the longest body of a message as it is stored, in bytes of base64. [fact 31]
	MaxBody = 64 << 10
	// MaxBatch is how many messages one receive can return.
	MaxBatch = 16
	// priority is the one that the service gives by itself; the SDK would send 0. [fact 33]
	priority = 8
)

// Queues are the names of the queues that a Bus sends to by itself.
type Queues struct {
	WakeProvision, WakeVerify string
	Results                   string // CloudEvents
	Dead                      string // bad tickets with their reason
}

// Config says how to reach MNS.
type Config struct {
	Account, Region string
	Internal        bool   // use the endpoint inside the cloud
	Scheme          string // "http" for a local cloud; "" is https
	// Credentials returns the access key to sign with; it is asked before every call. [fact 30]
	Credentials func() (id, secret, token string)
	Transport   http.RoundTripper // nil is http.DefaultTransport
	Timeout     time.Duration     // of one call besides a long poll; 0 is DefaultTimeout
	Queues      Queues
	Source      string // names the deployment in the results
}

// queueName is the form of a queue's name. The SDK puts a name into the path as it
// is, and panics when there is none.
var queueName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,255}$`)

var errNoKey = errors.New("there is no access key to sign with")

// A Bus sends and receives messages. It is safe for concurrent use.
type Bus struct {
	config Config

	mu   sync.Mutex
	idle []*client // not in use
}

// New returns a bus. It makes no request.
func New(c Config) *Bus {
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Scheme == "" {
		c.Scheme = "https"
	}
	return &Bus{config: c}
}

// A Message is a message as it was received.
type Message struct {
	ID       string
	Body     []byte // with base64 undone where there was any
	Handle   string // to delete it with; good until it becomes visible again
	Received int64  // how often it was received, this time included
}

// Wake sends the hint that job may be due, to be delivered after the delay, in
// whole seconds rounded up.
func (b *Bus) Wake(ctx context.Context, to replication.Owner, job string, rev uint64, delay time.Duration) error {
	queue := b.config.Queues.WakeProvision
	if to == replication.OwnerVerify {
		queue = b.config.Queues.WakeVerify
	}
	body, err := json.Marshal(map[string]any{"wake": map[string]any{"job": job, "rev": rev}})
	if err != nil {
		return err
	}
	return b.Send(ctx, queue, body, delay)
}

// Publish sends a result as a CloudEvent. One that is longer than a message may be
// loses its detail and the end of its sentence: it has to arrive, or its job never
// comes to rest.
func (b *Bus) Publish(ctx context.Context, e replication.Event) error {
	body, err := e.CloudEvent(b.config.Source)
	if err == nil && !fits(body) {
		e.Detail = json.RawMessage(fmt.Sprintf(`{"omitted":"the detail has %d bytes, more than a message bears"}`, len(e.Detail)))
		e.Message = shortened(e.Message)
		body, err = e.CloudEvent(b.config.Source)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Terminal, Op: "Publish", Resource: e.ID, Err: err}
	}
	return b.Send(ctx, b.config.Queues.Results, body, 0)
}

func fits(body []byte) bool { return base64.StdEncoding.EncodedLen(len(body)) <= MaxBody }

// shortened keeps what a person needs of a sentence, in whole characters. JSON may
// write each byte of it in six.
func shortened(s string) string {
	const most = 2048
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// A Burial is a message that cannot be worked on, as it lies in the dead-letter queue.
type Burial struct {
	Reason replication.Problem `json:"reason"`
	Body   []byte              `json:"body"` // as it was received; base64 in JSON
}

// Bury puts a message into the dead-letter queue, with its reason. The body is cut
// when it would not fit beside it: the whole is still in the ticket system.
func (b *Bus) Bury(ctx context.Context, body []byte, reason replication.Problem) error {
	// In base64 within JSON the beginning takes up 22 KB, the reason 25 KB at most;
	// in base64 once more that is below 64 KB. [fact 31]
	const beginning = 16 << 10
	reason.Message, reason.Field = shortened(reason.Message), shortened(reason.Field)
	out, err := json.Marshal(Burial{Reason: reason, Body: body})
	if err == nil && !fits(out) {
		out, err = json.Marshal(Burial{Reason: reason, Body: body[:min(len(body), beginning)]})
	}
	if err != nil {
		return &fault.Error{Kind: fault.Terminal, Op: "Bury", Resource: b.config.Queues.Dead, Err: err}
	}
	return b.Send(ctx, b.config.Queues.Dead, out, 0)
}

// Send puts one message into a queue, visible after the delay.
func (b *Bus) Send(ctx context.Context, queue string, body []byte, delay time.Duration) error {
	const op = "SendMessage"
	if !fits(body) {
		return &fault.Error{Kind: fault.Terminal, Op: op, Resource: queue, Err: fmt.Errorf("a message of %d bytes is longer than %d in base64", len(body), MaxBody)}
	}
	seconds := int64((max(min(delay, MaxDelay), 0) + time.Second - 1) / time.Second)
	return b.call(ctx, op, queue, b.config.Timeout, func(c ali_mns.MNSClient) error {
		_, err := ali_mns.NewMNSQueue(queue, c).SendMessage(ali_mns.MessageSendRequest{
			MessageBody: base64.StdEncoding.EncodeToString(body), DelaySeconds: seconds, Priority: priority,
		})
		return err
	})
}

// Receive returns up to most messages (at most [MaxBatch]), waiting up to wait for
// the first; whole seconds, at most 30. None is not an error. [fact 28]
func (b *Bus) Receive(ctx context.Context, queue string, most int, wait time.Duration) ([]Message, error) {
	var got ali_mns.BatchMessageReceiveResponse
	err := b.call(ctx, "ReceiveMessage", queue, b.config.Timeout+wait, func(c ali_mns.MNSClient) error {
		answers, errs := make(chan ali_mns.BatchMessageReceiveResponse, 1), make(chan error, 1)
		var waits []int64
		if s := int64(wait / time.Second); s > 0 {
			waits = []int64{min(s, 30)}
		}
		ali_mns.NewMNSQueue(queue, c).BatchReceiveMessage(answers, errs, int32(max(1, min(most, MaxBatch))), waits...)
		select {
		case got = <-answers:
			return nil
		case err := <-errs:
			return err
		}
	})
	if fault.Of(err) == fault.NotFound && codeOf(err) == "MessageNotExist" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	messages := make([]Message, len(got.Messages))
	for i, m := range got.Messages {
		messages[i] = Message{ID: m.MessageId, Body: plain(m.MessageBody), Handle: m.ReceiptHandle, Received: m.DequeueCount}
	}
	return messages, nil
}

// Delete takes a received message away. One that is gone, or whose handle has
// ended, is not an error: whoever receives it next finds nothing to do.
func (b *Bus) Delete(ctx context.Context, queue, handle string) error {
	err := b.call(ctx, "DeleteMessage", queue, b.config.Timeout, func(c ali_mns.MNSClient) error {
		return ali_mns.NewMNSQueue(queue, c).DeleteMessage(handle)
	})
	if fault.Of(err) == fault.NotFound && codeOf(err) == "MessageNotExist" {
		return nil
	}
	return err
}

// A Depth says how many messages lie in a queue. MNS counts them roughly.
type Depth struct {
	Active  int64 // can be received
	Hidden  int64 // were received and are not deleted
	Delayed int64 // are not due yet
}

// Depth counts the messages of a queue.
func (b *Bus) Depth(ctx context.Context, queue string) (Depth, error) {
	var a ali_mns.QueueAttribute
	err := b.call(ctx, "GetQueueAttributes", queue, b.config.Timeout, func(c ali_mns.MNSClient) (err error) {
		a, err = ali_mns.NewMNSQueueManager(c).GetQueueAttributes(queue)
		return err
	})
	if err != nil {
		return Depth{}, err
	}
	return Depth{Active: a.ActiveMessages, Hidden: a.InactiveMessages, Delayed: a.DelayMessages}, nil
}

// plain undoes base64 where there is any.
func plain(body string) []byte {
	if b, err := base64.StdEncoding.DecodeString(body); err == nil {
		return b
	}
	return []byte(body)
}

// A client is one of the SDK's, with the key that it signs with.
type client struct {
	key    [3]string
	sdk    ali_mns.MNSClient
	bridge *bridge
}

// call makes one call with a client that nobody else uses meanwhile: the SDK's
// queues and clients are not safe to share, and the context is the bridge's.
func (b *Bus) call(ctx context.Context, op, queue string, timeout time.Duration, f func(ali_mns.MNSClient) error) (err error) {
	if !queueName.MatchString(queue) {
		return &fault.Error{Kind: fault.Terminal, Op: op, Err: fmt.Errorf("%.100q is not the name of a queue", queue)}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := b.take()
	if err != nil {
		kind := fault.Terminal
		if errors.Is(err, errNoKey) {
			kind = fault.Denied
		}
		return &fault.Error{Kind: kind, Op: op, Resource: queue, Err: err}
	}
	c.bridge.ctx, c.bridge.refused, c.bridge.sent = ctx, nil, false
	err = guarded(func() error { return f(c.sdk) })
	err = classify(ctx, op, queue, c.bridge, err)
	c.bridge.ctx = nil
	b.mu.Lock()
	b.idle = append(b.idle, c)
	b.mu.Unlock()
	return err
}

// take returns an idle client that signs with the present key, or makes one.
func (b *Bus) take() (*client, error) {
	var key [3]string
	if b.config.Credentials != nil {
		key[0], key[1], key[2] = b.config.Credentials()
	}
	if key[0] == "" || key[1] == "" {
		return nil, errNoKey
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.idle) > 0 {
		c := b.idle[len(b.idle)-1]
		b.idle = b.idle[:len(b.idle)-1]
		if c.key == key {
			return c, nil
		}
	}
	c := &client{key: key, bridge: &bridge{base: b.config.Transport}}
	err := guarded(func() error {
		c.sdk = ali_mns.NewAliMNSClientWithConfig(ali_mns.AliMNSClientConfig{
			EndPoint: b.endpoint(), AccessKeyId: key[0], AccessKeySecret: key[1], Token: key[2],
			TimeoutSecond: 120, // never reached: the bridge keeps the context's time
		})
		c.sdk.SetTransport(c.bridge)
		return nil
	})
	return c, err
}

// endpoint is the account's in its region; the SDK wants exactly five parts.
func (b *Bus) endpoint() string {
	region := b.config.Region
	if b.config.Internal {
		region += "-internal"
	}
	return fmt.Sprintf("%s://%s.mns.%s.aliyuncs.com", b.config.Scheme, b.config.Account, region)
}

// guarded turns a panic of the SDK into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the SDK panicked: %v", p)
		}
	}()
	return f()
}
