package mnsemu_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	ali_mns "github.com/aliyun/aliyun-mns-go-sdk"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// order is one request; before changes it before it is
// signed, after behind the signature's back.
type order struct {
	method, path, body string
	key                *world.AccessKey
	before, after      func(*http.Request)
}

type answered struct {
	status              int
	header              http.Header
	body                string
	code                string
	xmlns, requestInXML string
}

func (c *cloud) do(o order) answered {
	c.t.Helper()
	a, err := c.try(o)
	require.NoError(c.t, err)
	return a
}

func (c *cloud) try(o order) (answered, error) {
	c.t.Helper()
	if o.key == nil {
		o.key = &c.key
	}
	r, err := http.NewRequestWithContext(c.t.Context(), o.method, "http://"+host+o.path, strings.NewReader(o.body))
	require.NoError(c.t, err)
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("x-mns-version", "2015-06-06")
	r.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%x", md5.Sum([]byte(o.body)))))
	if o.key.Token != "" {
		r.Header.Set("security-token", o.key.Token)
	}
	if o.before != nil {
		o.before(r)
	}
	r.Header.Set("Authorization", "MNS "+o.key.ID+":"+sign(r, o.key.Secret))
	if o.after != nil {
		o.after(r)
	}
	resp, err := emulator.HandlerTransport(c.mns).RoundTrip(r)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	a := answered{status: resp.StatusCode, header: resp.Header, body: string(body)}
	require.Len(c.t, resp.Header.Get("x-mns-request-id"), 24, "every answer has a request id")
	if resp.StatusCode >= 400 {
		var e struct {
			XMLName                          xml.Name
			Code, Message, RequestId, HostId string
		}
		require.NoError(c.t, xml.Unmarshal(body, &e))
		a.code, a.xmlns, a.requestInXML = e.Code, e.XMLName.Space, e.RequestId
	}
	return a, nil
}

// sign is the rule of the service's documents, written a second time.
func sign(r *http.Request, secret string) string {
	lines := []string{r.Method, r.Header.Get("Content-MD5"), r.Header.Get("Content-Type"), r.Header.Get("Date")}
	var own []string
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-mns-") {
			own = append(own, n+":"+r.Header.Get(name))
		}
	}
	slices.Sort(own)
	lines = append(append(lines, own...), r.URL.RequestURI())
	h := hmac.New(sha1.New, []byte(secret))
	io.WriteString(h, strings.Join(lines, "\n"))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func remove(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(name) }
}

const message = `<Message><MessageBody>x</MessageBody></Message>`

func TestWhatIsWrongWithARequestIsSaidAsTheServiceSaysIt(t *testing.T) {
	c := newCloud(t)
	c.queue("tickets")
	other := world.AccessKey{ID: "LTAI-nobody", Secret: "s"}
	wrong := world.AccessKey{ID: c.key.ID, Secret: "not the secret"}
	forged := c.sessionKey(time.Hour, allowAll)
	forged.Token = "forged"
	get := order{method: "GET", path: "/queues/tickets"}
	send := order{method: "POST", path: "/queues/tickets/messages", body: message}
	with := func(o order, change func(*order)) order { change(&o); return o }

	for name, tc := range map[string]struct {
		order  order
		status int
		code   string
	}{
		"no signature at all":         {with(get, func(o *order) { o.after = remove("Authorization") }), 403, "AccessDenied"},
		"another scheme of signature": {with(get, func(o *order) { o.after = set("Authorization", "OSS a:b") }), 400, "InvalidAuthorizationHeader"},
		"no date":                     {with(get, func(o *order) { o.before = remove("Date") }), 400, "InvalidDateHeader"},
		"a date in another form":      {with(get, func(o *order) { o.before = set("Date", "2026-01-01T00:00:00Z") }), 400, "InvalidDateHeader"},
		"a clock 16 minutes behind":   {with(get, func(o *order) { o.before = set("Date", time.Now().Add(-16*time.Minute).UTC().Format(http.TimeFormat)) }), 408, "TimeExpired"},
		"a clock 16 minutes ahead":    {with(get, func(o *order) { o.before = set("Date", time.Now().Add(16*time.Minute).UTC().Format(http.TimeFormat)) }), 408, "TimeExpired"},
		"no version":                  {with(get, func(o *order) { o.before = remove("x-mns-version") }), 400, "InvalidArgument"},
		"an unknown key":              {with(get, func(o *order) { o.key = &other }), 403, "InvalidAccessKeyId"},
		"a wrong secret":              {with(get, func(o *order) { o.key = &wrong }), 403, "SignatureDoesNotMatch"},
		"a header changed on the way": {with(get, func(o *order) { o.after = set("x-mns-marker", "a") }), 403, "SignatureDoesNotMatch"},
		"a forged security token":     {with(get, func(o *order) { o.key = &forged }), 403, "AccessDenied"},
		"a body changed on the way": {with(send, func(o *order) {
			o.before = set("Content-MD5", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("0", 32))))
		}), 400, "InvalidDegist"},
		"a digest of the bytes": {with(send, func(o *order) {
			s := md5.Sum([]byte(message))
			o.before = set("Content-MD5", base64.StdEncoding.EncodeToString(s[:]))
		}), 400, "InvalidDegist"},
		"a path with nothing of MNS":   {order{method: "GET", path: "/elsewhere"}, 400, "InvalidRequestURL"},
		"a method that does nothing":   {order{method: "POST", path: "/queues/tickets"}, 400, "InvalidRequestURL"},
		"a topic":                      {order{method: "POST", path: "/topics/news/messages", body: message}, 404, "TopicNotExist"},
		"a queue that is not there":    {order{method: "POST", path: "/queues/none/messages", body: message}, 404, "QueueNotExist"},
		"an unknown query parameter":   {order{method: "GET", path: "/queues/tickets/messages?waitSeconds=1"}, 400, "InvalidQueryString"},
		"a parameter given twice":      {order{method: "GET", path: "/queues/tickets/messages?waitseconds=1&waitseconds=2"}, 400, "InvalidQueryString"},
		"a wait of 31 seconds":         {order{method: "GET", path: "/queues/tickets/messages?waitseconds=31"}, 400, "InvalidArgument"},
		"a wait that is no number":     {order{method: "GET", path: "/queues/tickets/messages?waitseconds=x"}, 400, "InvalidArgument"},
		"an unknown header":            {with(get, func(o *order) { o.before = set("x-mns-magic", "1") }), 400, "InvalidArgument"},
		"a page of 1001 queues":        {with(order{method: "GET", path: "/queues"}, func(o *order) { o.before = set("x-mns-ret-number", "1001") }), 400, "InvalidArgument"},
		"a body that is not XML":       {with(send, func(o *order) { o.body = "ticket" }), 400, "MalformedXML"},
		"XML with something behind it": {with(send, func(o *order) { o.body = message + "<Message/>" }), 400, "MalformedXML"},
		"an unknown element":           {with(send, func(o *order) { o.body = `<Message><MessageBody>x</MessageBody><Tag>a</Tag></Message>` }), 400, "InvalidArgument"},
		"a message without a body":     {with(send, func(o *order) { o.body = `<Message></Message>` }), 400, "InvalidArgument"},
		"a body of more than 64 KB": {with(send, func(o *order) {
			o.body = `<Message><MessageBody>` + strings.Repeat("x", 65537) + `</MessageBody></Message>`
		}), 400, "InvalidArgument"},
		"priority 17": {with(send, func(o *order) { o.body = `<Message><MessageBody>x</MessageBody><Priority>17</Priority></Message>` }), 400, "InvalidArgument"},
		"a delay beyond all numbers": {with(send, func(o *order) {
			o.body = `<Message><MessageBody>x</MessageBody><DelaySeconds>18446744074</DelaySeconds></Message>`
		}), 400, "InvalidArgument"},
		"a delete without a handle":     {order{method: "DELETE", path: "/queues/tickets/messages"}, 400, "MissingReceiptHandle"},
		"a handle that is none":         {order{method: "DELETE", path: "/queues/tickets/messages?ReceiptHandle=abc"}, 400, "ReceiptHandleError"},
		"a change without a time-out":   {order{method: "PUT", path: "/queues/tickets/messages?ReceiptHandle=abc"}, 400, "MissingVisibilityTimeout"},
		"a change to nothing":           {order{method: "PUT", path: "/queues/tickets/messages?ReceiptHandle=abc&VisibilityTimeout=0"}, 400, "InvalidArgument"},
		"a queue name with a dot":       {order{method: "PUT", path: "/queues/a.b", body: `<Queue/>`}, 400, "InvalidQueueName"},
		"a queue name of 257 letters":   {order{method: "PUT", path: "/queues/" + strings.Repeat("q", 257), body: `<Queue/>`}, 400, "QueueNameLengthError"},
		"a retention of 59 seconds":     {order{method: "PUT", path: "/queues/new", body: `<Queue><MessageRetentionPeriod>59</MessageRetentionPeriod></Queue>`}, 400, "InvalidArgument"},
		"an unknown attribute":          {order{method: "PUT", path: "/queues/new", body: `<Queue><Colour>red</Colour></Queue>`}, 400, "InvalidArgument"},
		"an empty queue":                {order{method: "GET", path: "/queues/tickets/messages"}, 404, "MessageNotExist"},
		"an unknown value of an option": {order{method: "PUT", path: "/queues/new?metaoverride=perhaps", body: `<Queue/>`}, 400, "InvalidQueryString"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.do(tc.order)
			require.Equal(t, tc.status, got.status, got.body)
			require.Equal(t, tc.code, got.code, got.body)
			require.Equal(t, "http://mns.aliyuncs.com/doc/v1/", got.xmlns)
			require.Equal(t, got.header.Get("x-mns-request-id"), got.requestInXML)
		})
	}
	info, err := c.world.QueueStats(region, uid, "tickets")
	require.NoError(t, err)
	require.Zero(t, info.Active, "none of them stored a message")
}

func TestAQueueIsMadeOnce(t *testing.T) {
	c := newCloud(t)
	make := order{method: "PUT", path: "/queues/tickets", body: `<Queue xmlns="http://mns.aliyuncs.com/doc/v1/"><VisibilityTimeout>60</VisibilityTimeout></Queue>`}
	got := c.do(make)
	require.Equal(t, 201, got.status)
	require.Equal(t, "http://"+host+"/queues/tickets", got.header.Get("Location"))
	require.Equal(t, 204, c.do(make).status)
	make.body = `<Queue/>`
	require.Equal(t, "QueueAlreadyExist", c.do(make).code)

	change := order{method: "PUT", path: "/queues/tickets?metaoverride=true", body: `<Queue><VisibilityTimeout>61</VisibilityTimeout></Queue>`}
	require.Equal(t, 204, c.do(change).status)
	require.Equal(t, "QueueNotExist", c.do(order{method: "PUT", path: "/queues/none?metaoverride=true", body: `<Queue/>`}).code)
	got = c.do(order{method: "GET", path: "/queues/tickets"})
	require.Contains(t, got.body, `<Queue xmlns="http://mns.aliyuncs.com/doc/v1/">`)
	require.Contains(t, got.body, `<VisibilityTimeout>61</VisibilityTimeout>`)
	require.Contains(t, got.body, `<ActiveMessages>0</ActiveMessages>`)
	require.NotContains(t, got.body, `DlqPolicy`)

	c.queue("dead")
	require.NoError(t, c.world.SetDeadLetterPolicy(region, uid, "tickets", world.DeadLetterPolicy{Enabled: true, Target: "dead", MaxReceiveCount: 16}))
	got = c.do(order{method: "GET", path: "/queues/tickets"})
	require.Contains(t, got.body, `<DlqPolicy><Enabled>true</Enabled><DeadLetterTargetQueue>dead</DeadLetterTargetQueue><MaxReceiveCount>16</MaxReceiveCount></DlqPolicy>`)
}

func TestPoliciesDecideEveryCall(t *testing.T) {
	c := newCloud(t)
	q := c.queue("tickets")
	c.queue("wakeups")
	q.send(t, "x")
	stranger := "9999999999999999"
	c.world.AddAccount("B", stranger)

	resource := "acs:mns:" + region + ":" + uid + ":/queues/tickets/messages"
	producer := c.world.NewUserKey(uid, "producer", []byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"mns:SendMessage","Resource":"`+resource+`"}]}`))
	consumer := c.sessionKey(time.Hour, `{"Version":"1","Statement":[{"Effect":"Allow","Action":["mns:ReceiveMessage","mns:PeekMessage"],"Resource":"`+resource+`"},{"Effect":"Deny","Action":"mns:DeleteMessage","Resource":"*"}]}`)
	foreign := c.world.NewRootKey(stranger)

	send := func(k world.AccessKey, queue, body string) answered {
		return c.do(order{method: "POST", path: "/queues/" + queue + "/messages", body: body, key: &k})
	}
	require.Equal(t, 201, send(producer, "tickets", message).status)
	require.Equal(t, 201, send(producer, "tickets", `<Messages>`+message+`</Messages>`).status, "a batch needs the same right")
	require.Equal(t, "AccessDenied", send(producer, "wakeups", message).code, "another queue")
	require.Equal(t, "AccessDenied", send(consumer, "tickets", message).code)
	require.Equal(t, "AccessDenied", send(foreign, "tickets", message).code, "another account")
	require.Equal(t, "AccessDenied", send(foreign, "none", message).code, "a stranger does not learn which queues there are")

	require.Equal(t, 200, c.do(order{method: "GET", path: "/queues/tickets/messages", key: &consumer}).status)
	require.Equal(t, "AccessDenied", c.do(order{method: "GET", path: "/queues/tickets/messages", key: &producer}).code)
	require.Equal(t, "AccessDenied", c.do(order{method: "DELETE", path: "/queues/tickets/messages?ReceiptHandle=a", key: &consumer}).code)
	require.Equal(t, "AccessDenied", c.do(order{method: "GET", path: "/queues/tickets", key: &consumer}).code)
	require.Equal(t, "AccessDenied", c.do(order{method: "GET", path: "/queues", key: &consumer}).code)

	calls, _ := c.world.Calls(0)
	last := calls[len(calls)-1]
	require.Equal(t, "ListQueue", last.Action)
	require.Equal(t, consumer.Principal.ARN(), last.Caller)
	require.Equal(t, "AccessDenied", last.Code)
}

func TestEveryFaultOnOrderHitsTheQueues(t *testing.T) {
	send := order{method: "POST", path: "/queues/tickets/messages", body: message}
	receive := order{method: "GET", path: "/queues/tickets/messages"}
	attributes := order{method: "GET", path: "/queues/tickets"}
	begin := func(t *testing.T, f world.Fault) (*cloud, func() world.QueueInfo) {
		c := newCloud(t)
		c.queue("tickets")
		f.Service, f.Times = "mns", 1
		c.world.Break(f)
		return c, func() world.QueueInfo {
			info, err := c.world.QueueStats(region, uid, "tickets")
			require.NoError(t, err)
			return info
		}
	}
	run := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { bubble(t, f) })
	}
	run("refused", func(t *testing.T) {
		c, info := begin(t, world.Fault{Action: "SendMessage", Resource: "tickets", Kind: world.FaultRefuse, Status: 500, Code: "InternalServerError"})
		require.Equal(t, "InternalServerError", c.do(send).code)
		require.Zero(t, info().Active)
		require.Equal(t, 201, c.do(send).status)
	})
	run("throttled", func(t *testing.T) {
		c, info := begin(t, world.Fault{Action: "SendMessage", Kind: world.FaultThrottle})
		got := c.do(send)
		require.Equal(t, 403, got.status)
		require.Equal(t, "QpsLimitExceeded", got.code)
		require.Zero(t, info().Active)
	})
	run("reply lost after the effect", func(t *testing.T) {
		c, info := begin(t, world.Fault{Action: "SendMessage", Kind: world.FaultLoseReply})
		_, err := c.try(send)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, 1, info().Active)
	})
	run("slow", func(t *testing.T) {
		c, _ := begin(t, world.Fault{Action: "SendMessage", Kind: world.FaultSlow, Delay: 5 * time.Second})
		began := time.Now()
		require.Equal(t, 201, c.do(send).status)
		require.Equal(t, 5*time.Second, time.Since(began))
	})
	run("hanging", func(t *testing.T) {
		c, info := begin(t, world.Fault{Action: "BatchSendMessage", Kind: world.FaultHang})
		cli := &http.Client{Transport: emulator.HandlerTransport(c.mns), Timeout: 4 * time.Second}
		began := time.Now()
		_, err := cli.Post("http://"+host+send.path, "text/xml", strings.NewReader(`<Messages>`+message+`</Messages>`))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 4*time.Second, time.Since(began))
		require.Zero(t, info().Active)
	})
	run("stale read of the attributes", func(t *testing.T) {
		c, _ := begin(t, world.Fault{Action: "GetQueueAttributes", Kind: world.FaultStaleRead})
		require.NoError(t, c.manager().SetQueueAttributesWithOptions("tickets", ali_mns.WithVisibilityTimeout(99)))
		require.Contains(t, c.do(attributes).body, "<VisibilityTimeout>30</VisibilityTimeout>")
		require.Contains(t, c.do(attributes).body, "<VisibilityTimeout>99</VisibilityTimeout>")
	})
	run("stale read of a queue just made", func(t *testing.T) {
		c, _ := begin(t, world.Fault{Action: "GetQueueAttributes", Kind: world.FaultStaleRead})
		require.Equal(t, "QueueNotExist", c.do(attributes).code)
		require.Equal(t, 200, c.do(attributes).status)
	})
	run("stale receive", func(t *testing.T) {
		c, _ := begin(t, world.Fault{Action: "ReceiveMessage", Kind: world.FaultStaleRead})
		require.Equal(t, 201, c.do(send).status)
		require.Equal(t, "MessageNotExist", c.do(receive).code)
		require.Equal(t, 200, c.do(receive).status)
	})
	run("stale list", func(t *testing.T) {
		c, _ := begin(t, world.Fault{Action: "ListQueue", Kind: world.FaultStaleList, Delay: time.Minute})
		time.Sleep(50 * time.Second)
		c.queue("younger")
		time.Sleep(20 * time.Second)
		list := order{method: "GET", path: "/queues"}
		got := c.do(list).body
		require.Contains(t, got, "/queues/tickets")
		require.NotContains(t, got, "younger")
		require.Contains(t, c.do(list).body, "younger")
	})
}
