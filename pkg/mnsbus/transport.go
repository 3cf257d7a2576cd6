package mnsbus

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"

	"github.com/valyala/fasthttp"
)

// maxAnswer is the longest answer that is read: a batch of 16 messages of 64 KB,
// with room for their envelopes. [fact 31]
const maxAnswer = 2 << 20

// A bridge hands the requests of the SDK to net/http, under the context of the
// call, once each. It keeps what the service said when it refused, which the SDK
// turns into a number.
type bridge struct {
	ctx     context.Context // of the call that the client is in use for
	base    http.RoundTripper
	refused *refusal // of the last answer; nil when it was none
	sent    bool     // the last request was handed over
}

// A refusal is an error as MNS words it.
type refusal struct {
	Status    int    `xml:"-"`
	Code      string `xml:"Code"`
	Message   string `xml:"Message"`
	RequestID string `xml:"RequestId"`
}

// RoundTrip implements fasthttp.RoundTripper.
func (b *bridge) RoundTrip(_ *fasthttp.HostClient, req *fasthttp.Request, resp *fasthttp.Response) (retry bool, err error) {
	b.refused, b.sent = nil, false
	url := fmt.Sprintf("%s://%s%s", req.URI().Scheme(), req.Host(), req.URI().RequestURI())
	r, err := http.NewRequestWithContext(b.ctx, string(req.Header.Method()), url, bytes.NewReader(bytes.Clone(req.Body())))
	if err != nil {
		return false, err
	}
	req.Header.VisitAll(func(k, v []byte) {
		if name := http.CanonicalHeaderKey(string(k)); name != "Host" && name != "Content-Length" {
			r.Header.Add(name, string(v))
		}
	})
	b.sent = true
	answer, err := b.base.RoundTrip(r)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return false, err
	}
	if answer.StatusCode >= 400 {
		b.refused = &refusal{Status: answer.StatusCode}
		if xml.Unmarshal(body, b.refused) != nil {
			b.refused = &refusal{Status: answer.StatusCode, Message: "the answer is not one of MNS"}
		}
	}
	resp.SetStatusCode(answer.StatusCode)
	for k, vs := range answer.Header {
		for _, v := range vs {
			resp.Header.Add(k, v)
		}
	}
	resp.SetBody(body)
	return false, nil
}
