package mnsemu_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ali_mns "github.com/aliyun/aliyun-mns-go-sdk"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/mnsemu"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const (
	uid    = "1234567890123456"
	region = "cn-hangzhou"
	host   = uid + ".mns." + region + ".aliyuncs.com"
)

// cloud is a world with one account and MNS in front of it.
type cloud struct {
	t     *testing.T
	world *world.World
	key   world.AccessKey
	mns   http.Handler
}

func newCloud(t *testing.T) *cloud {
	w := world.New(world.Options{Delays: world.Delays{Propagation: time.Nanosecond}})
	w.AddAccount("A", uid)
	return &cloud{t: t, world: w, key: w.NewRootKey(uid), mns: mnsemu.New(w)}
}

const allowAll = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// sessionKey returns temporary keys of a role with that policy.
func (c *cloud) sessionKey(d time.Duration, policy string) world.AccessKey {
	trust := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["fc.aliyuncs.com"]}}]}`
	_, e := c.world.CreateRole(uid, world.NewRole{Name: "worker", Trust: trust})
	require.Nil(c.t, e)
	_, e = c.world.CreatePolicy(uid, "queues", policy, "", nil)
	require.Nil(c.t, e)
	require.Nil(c.t, c.world.AttachPolicyToRole(uid, "Custom", "queues", "worker", world.View{}))
	time.Sleep(time.Microsecond)
	key, e := c.world.AssumeService(uid, "worker", "fc.aliyuncs.com", d, "invocation")
	require.Nil(c.t, e)
	return key
}

// bridge hands the requests of the SDK's fasthttp to a RoundTripper of net/http.
type bridge struct {
	ctx context.Context
	rt  http.RoundTripper
}

func (b bridge) RoundTrip(_ *fasthttp.HostClient, req *fasthttp.Request, resp *fasthttp.Response) (retry bool, err error) {
	url := "http://" + string(req.Host()) + string(req.URI().RequestURI())
	r, err := http.NewRequestWithContext(b.ctx, string(req.Header.Method()), url, bytes.NewReader(req.Body()))
	if err != nil {
		return false, err
	}
	req.Header.VisitAll(func(k, v []byte) { r.Header.Add(string(k), string(v)) })
	got, err := b.rt.RoundTrip(r)
	if err != nil {
		return false, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return false, err
	}
	resp.SetStatusCode(got.StatusCode)
	for k, vs := range got.Header {
		for _, v := range vs {
			resp.Header.Add(k, v)
		}
	}
	resp.SetBody(body)
	return false, nil
}

func (c *cloud) client(ctx context.Context, key world.AccessKey) ali_mns.MNSClient {
	cli := ali_mns.NewAliMNSClientWithConfig(ali_mns.AliMNSClientConfig{
		EndPoint: "http://" + host, AccessKeyId: key.ID, AccessKeySecret: key.Secret, Token: key.Token,
	})
	cli.SetTransport(bridge{ctx, emulator.HandlerTransport(c.mns)})
	return cli
}

func (c *cloud) manager() ali_mns.AliQueueManager {
	return ali_mns.NewMNSQueueManager(c.client(context.Background(), c.key))
}

// queue makes a queue and returns it as the SDK sees it.
func (c *cloud) queue(name string, opts ...ali_mns.QueueOption) queue {
	require.NoError(c.t, c.manager().CreateQueueWithOptions(name, opts...))
	return queue{ali_mns.NewMNSQueue(name, c.client(context.Background(), c.key))}
}

// queue makes calls of the SDK's channels.
type queue struct{ ali_mns.AliMNSQueue }

func (q queue) send(t *testing.T, body string) ali_mns.MessageSendResponse {
	t.Helper()
	resp, err := q.SendMessage(ali_mns.MessageSendRequest{MessageBody: body, Priority: 8})
	require.NoError(t, err)
	return resp
}

func (q queue) receive(wait ...int64) (ali_mns.MessageReceiveResponse, error) {
	got, errs := make(chan ali_mns.MessageReceiveResponse, 1), make(chan error, 1)
	q.ReceiveMessage(got, errs, wait...)
	return either(got, errs)
}

func (q queue) receiveBatch(n int32, wait ...int64) (ali_mns.BatchMessageReceiveResponse, error) {
	got, errs := make(chan ali_mns.BatchMessageReceiveResponse, 1), make(chan error, 1)
	q.BatchReceiveMessage(got, errs, n, wait...)
	return either(got, errs)
}

func (q queue) peek() (ali_mns.MessageReceiveResponse, error) {
	got, errs := make(chan ali_mns.MessageReceiveResponse, 1), make(chan error, 1)
	q.PeekMessage(got, errs)
	return either(got, errs)
}

func (q queue) peekBatch(n int32) (ali_mns.BatchMessageReceiveResponse, error) {
	got, errs := make(chan ali_mns.BatchMessageReceiveResponse, 1), make(chan error, 1)
	q.BatchPeekMessage(got, errs, n)
	return either(got, errs)
}

func either[T any](got chan T, errs chan error) (v T, err error) {
	select {
	case v = <-got:
	case err = <-errs:
	}
	return v, err
}

// noMessage asserts the answer of an empty queue, which is an error to the SDK.
func noMessage(t *testing.T, err error) {
	t.Helper()
	require.True(t, ali_mns.ERR_MNS_MESSAGE_NOT_EXIST.IsEqual(err), "want MessageNotExist, got %v", err)
}

func TestTheSDKManagesQueues(t *testing.T) {
	c := newCloud(t)
	m := c.manager()

	require.NoError(t, m.CreateSimpleQueue("tickets"))
	err := m.CreateSimpleQueue("tickets")
	require.True(t, ali_mns.ERR_MNS_QUEUE_ALREADY_EXIST_AND_HAVE_SAME_ATTR.IsEqual(err), "the same attributes: %v", err)
	err = m.CreateQueue("tickets", 5, 65536, 345600, 30, 0, 2)
	require.True(t, ali_mns.ERR_MNS_QUEUE_ALREADY_EXIST.IsEqual(err), "other attributes: %v", err)

	require.NoError(t, m.SetQueueAttributesWithOptions("tickets", ali_mns.WithVisibilityTimeout(77), ali_mns.WithPollingWaitSeconds(9), ali_mns.WithLoggingEnabled(true)))
	attr, err := m.GetQueueAttributes("tickets")
	require.NoError(t, err)
	require.Equal(t, "tickets", attr.QueueName)
	require.EqualValues(t, 77, attr.VisibilityTimeout)
	require.EqualValues(t, 9, attr.PollingWaitSeconds)
	require.EqualValues(t, 345600, attr.MessageRetentionPeriod, "what was not given stays")
	require.True(t, attr.LoggingEnabled)
	require.NotZero(t, attr.CreateTime)

	require.NoError(t, m.DeleteQueue("tickets"))
	_, err = m.GetQueueAttributes("tickets")
	require.True(t, ali_mns.ERR_MNS_QUEUE_NOT_EXIST.IsEqual(err), "%v", err)
	require.True(t, ali_mns.ERR_MNS_QUEUE_NOT_EXIST.IsEqual(m.DeleteQueue("tickets")))
}

func TestTheSDKListsQueuesInPages(t *testing.T) {
	c := newCloud(t)
	m := c.manager()
	for _, name := range []string{"jobs-b", "jobs-a", "other", "jobs-c"} {
		require.NoError(t, m.CreateSimpleQueue(name))
	}

	page, err := m.ListQueue("", 2, "jobs-")
	require.NoError(t, err)
	require.Len(t, page.Queues, 2)
	require.Equal(t, "http://"+host+"/queues/jobs-a", page.Queues[0].QueueURL)
	require.NotEmpty(t, page.NextMarker)

	rest, err := m.ListQueueDetail(page.NextMarker, 2, "jobs-")
	require.NoError(t, err)
	require.Len(t, rest.Attrs, 1)
	require.Equal(t, "jobs-c", rest.Attrs[0].QueueName)
	require.EqualValues(t, 30, rest.Attrs[0].VisibilityTimeout)
	require.Empty(t, rest.NextMarker)
}

func TestTheSDKSendsReceivesAndDeletes(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets")

	body := `{"ticket":"A-1","note":"<&> \"quoted\" 漢字"}`
	sent := q.send(t, body)
	require.NotEmpty(t, sent.RequestId)
	require.Empty(t, sent.ReceiptHandle, "only delayed messages have a handle when they are sent")

	peeked, err := q.peek()
	require.NoError(t, err)
	require.Equal(t, sent.MessageId, peeked.MessageId)
	require.Empty(t, peeked.ReceiptHandle)
	require.Zero(t, peeked.DequeueCount)
	require.Zero(t, peeked.NextVisibleTime)

	got, err := q.receive()
	require.NoError(t, err)
	require.Equal(t, body, got.MessageBody)
	require.Equal(t, sent.MessageBodyMD5, got.MessageBodyMD5)
	require.Equal(t, strings.ToUpper(got.MessageBodyMD5), got.MessageBodyMD5)
	require.EqualValues(t, 1, got.DequeueCount)
	require.EqualValues(t, 8, got.Priority)
	require.Equal(t, got.FirstDequeueTime+30_000, got.NextVisibleTime)

	_, err = q.receive()
	noMessage(t, err)
	attr, err := c.manager().GetQueueAttributes("tickets")
	require.NoError(t, err)
	require.EqualValues(t, 1, attr.InactiveMessages)
	require.Zero(t, attr.ActiveMessages)

	require.NoError(t, q.DeleteMessage(got.ReceiptHandle))
	noMessage(t, q.DeleteMessage(got.ReceiptHandle))
	require.True(t, ali_mns.ERR_MNS_RECEIPT_HANDLE_ERROR.IsEqual(q.DeleteMessage("not a handle")))
}

func TestAReceiptHandleIsGoodForOneChangeOfVisibility(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets")
	q.send(t, "one")
	got, err := q.receive()
	require.NoError(t, err)

	changed, err := q.ChangeMessageVisibility(got.ReceiptHandle, 600)
	require.NoError(t, err)
	require.NotEqual(t, got.ReceiptHandle, changed.ReceiptHandle)
	require.Greater(t, changed.NextVisibleTime, got.NextVisibleTime)

	_, err = q.ChangeMessageVisibility(got.ReceiptHandle, 600)
	noMessage(t, err)
	noMessage(t, q.DeleteMessage(got.ReceiptHandle))
	require.NoError(t, q.DeleteMessage(changed.ReceiptHandle))
}

func TestTheSDKWorksInBatches(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets")
	var batch []ali_mns.MessageSendRequest
	for _, body := range []string{"a", "b", "c"} {
		batch = append(batch, ali_mns.MessageSendRequest{MessageBody: body, Priority: 8})
	}
	sent, err := q.BatchSendMessage(batch...)
	require.NoError(t, err)
	require.Len(t, sent.Messages, 3)

	peeked, err := q.peekBatch(16)
	require.NoError(t, err)
	require.Len(t, peeked.Messages, 3)

	got, err := q.receiveBatch(16)
	require.NoError(t, err)
	require.Len(t, got.Messages, 3)
	require.Equal(t, "a", got.Messages[0].MessageBody)

	require.NoError(t, q.DeleteMessage(got.Messages[1].ReceiptHandle))
	left, err := q.BatchDeleteMessage(got.Messages[0].ReceiptHandle, got.Messages[1].ReceiptHandle, got.Messages[2].ReceiptHandle)
	require.True(t, ali_mns.ERR_MNS_BATCH_OP_FAIL.IsEqual(err), "one of them was gone: %v", err)
	require.Len(t, left.FailedMessages, 1)
	require.Equal(t, "MessageNotExist", left.FailedMessages[0].ErrorCode)
	require.Equal(t, got.Messages[1].ReceiptHandle, left.FailedMessages[0].ReceiptHandle)
	_, err = q.receiveBatch(16)
	noMessage(t, err)
}

func TestABatchIsStoredInPartWhenOneMessageIsWrong(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets", ali_mns.WithMaxMessageSize(1024))
	sent, err := q.BatchSendMessage(
		ali_mns.MessageSendRequest{MessageBody: "good", Priority: 8},
		ali_mns.MessageSendRequest{MessageBody: strings.Repeat("x", 1025), Priority: 8},
		ali_mns.MessageSendRequest{MessageBody: "late", Priority: 8, DelaySeconds: 604801},
		ali_mns.MessageSendRequest{MessageBody: "odd", Priority: 17},
	)
	require.True(t, ali_mns.ERR_MNS_BATCH_OP_FAIL.IsEqual(err), "%v", err)
	require.Len(t, sent.Messages, 4)
	require.NotEmpty(t, sent.Messages[0].MessageId)
	for _, m := range sent.Messages[1:] {
		require.Equal(t, "InvalidArgument", m.ErrorCode)
		require.Empty(t, m.MessageId)
	}
	got, err := q.receiveBatch(16)
	require.NoError(t, err)
	require.Len(t, got.Messages, 1)
}

func TestABatchHasLimits(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets")
	many := make([]ali_mns.MessageSendRequest, 17)
	for i := range many {
		many[i] = ali_mns.MessageSendRequest{MessageBody: "x", Priority: 8}
	}
	large := []ali_mns.MessageSendRequest{
		{MessageBody: strings.Repeat("x", 40_000), Priority: 8}, {MessageBody: strings.Repeat("y", 40_000), Priority: 8},
	}
	for name, batch := range map[string][]ali_mns.MessageSendRequest{"17 messages": many, "more than 64 KB together": large} {
		_, err := q.BatchSendMessage(batch...)
		require.True(t, ali_mns.ERR_MNS_INVALID_ARGUMENT.IsEqual(err), "%s: %v", name, err)
	}
	_, err := q.receiveBatch(17)
	require.True(t, ali_mns.ERR_MNS_INVALID_ARGUMENT.IsEqual(err), "%v", err)
	_, err = q.receive()
	noMessage(t, err)
}

func TestAPriorityGoesFirst(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets")
	for _, m := range []ali_mns.MessageSendRequest{
		{MessageBody: "last", Priority: 16}, {MessageBody: "default", Priority: 0}, {MessageBody: "first", Priority: 1}, {MessageBody: "second", Priority: 7},
	} {
		_, err := q.SendMessage(m)
		require.NoError(t, err)
	}
	got, err := q.receiveBatch(16)
	require.NoError(t, err)
	var order []string
	for _, m := range got.Messages {
		order = append(order, m.MessageBody)
	}
	require.Equal(t, []string{"first", "second", "default", "last"}, order)
	require.EqualValues(t, 8, got.Messages[2].Priority)
}

func TestTheSDKReachesTheQueuesOverLoopback(t *testing.T) {
	c := newCloud(t)
	srv := httptest.NewServer(c.mns)
	defer srv.Close()
	cli := ali_mns.NewAliMNSClientWithConfig(ali_mns.AliMNSClientConfig{
		EndPoint: srv.URL + "/" + uid + ".us-west-1", AccessKeyId: c.key.ID, AccessKeySecret: c.key.Secret,
	})
	m := ali_mns.NewMNSQueueManager(cli)
	require.NoError(t, m.CreateSimpleQueue("tickets"))
	q := queue{ali_mns.NewMNSQueue("tickets", cli)}
	q.send(t, "over a socket")
	got, err := q.receive(1)
	require.NoError(t, err)
	require.Equal(t, "over a socket", got.MessageBody)
	require.NoError(t, q.DeleteMessage(got.ReceiptHandle))

	info, err := c.world.QueueStats("us-west-1", uid, "tickets")
	require.NoError(t, err, "the queue is in the account and region of the path")
	require.Zero(t, info.Active+info.Inactive)
}
