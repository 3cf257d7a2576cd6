package mnsemu

import (
	"net/http"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func (r *request) sendMessage() (answer.Answer, *world.Error) {
	var m messageRequest
	if e := r.decode(&m, func() bool { return len(m.Extra) > 0 }); e != nil {
		return answer.Answer{}, e
	}
	sent, err := r.world.QueueSendBatch(r.region, r.uid, r.queue, []world.Outgoing{m.outgoing()})
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	if e := sent[0].Refused; e != nil {
		return answer.Answer{}, e
	}
	out := stored(sent[0])
	out.XMLNS = namespace
	return encode(http.StatusCreated, out), nil
}

func (r *request) batchSendMessage() (answer.Answer, *world.Error) {
	var ms messagesRequest
	extra := func() bool {
		for _, m := range ms.Messages {
			if len(m.Extra) > 0 {
				return true
			}
		}
		return len(ms.Extra) > 0
	}
	if e := r.decode(&ms, extra); e != nil {
		return answer.Answer{}, e
	}
	var batch []world.Outgoing
	for _, m := range ms.Messages {
		batch = append(batch, m.outgoing())
	}
	sent, err := r.world.QueueSendBatch(r.region, r.uid, r.queue, batch)
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	status, out := http.StatusCreated, messagesAnswer{XMLNS: namespace}
	for _, s := range sent {
		if s.Refused != nil {
			status = http.StatusInternalServerError // some are stored and some are not
		}
		out.Messages = append(out.Messages, stored(s))
	}
	return encode(status, out), nil
}

func (m messageRequest) outgoing() world.Outgoing {
	o := world.Outgoing{Body: m.MessageBody, Priority: m.Priority}
	if m.DelaySeconds != nil {
		d := duration(*m.DelaySeconds)
		o.Delay = &d
	}
	return o
}

func stored(s world.Sent) messageAnswer {
	if s.Refused != nil {
		return messageAnswer{ErrorCode: s.Refused.Code, ErrorMessage: s.Refused.Message}
	}
	return messageAnswer{MessageID: s.Message.ID, MessageBodyMD5: s.Message.MD5, ReceiptHandle: s.Message.Handle}
}

func (r *request) receiveMessage() (answer.Answer, *world.Error) {
	most, e := number(r.query.Get("numOfMessages"), "numOfMessages", 1)
	if e != nil {
		return answer.Answer{}, e
	}
	wait := time.Duration(-1) // the queue's own
	if r.query.Has("waitseconds") {
		n, e := number(r.query.Get("waitseconds"), "waitseconds", -1)
		if e != nil {
			return answer.Answer{}, e
		}
		if n < 0 {
			return answer.Answer{}, refuse(400, "InvalidArgument", "The value of waitseconds should be between 0 and 30.")
		}
		wait = duration(n)
	}
	if r.call.StaleRead() { // what has come in is not seen yet
		if _, err := r.world.QueueStats(r.region, r.uid, r.queue); err != nil {
			return answer.Answer{}, refused(err)
		}
		return r.messages(nil, false)
	}
	got, err := r.world.QueueReceive(r.Context(), r.region, r.uid, r.queue, most, wait)
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	return r.messages(got, false)
}

func (r *request) peekMessage() (answer.Answer, *world.Error) {
	if r.query.Get("peekonly") != "true" {
		return answer.Answer{}, refuse(400, "InvalidQueryString", "The value of peekonly is true.")
	}
	most, e := number(r.query.Get("numOfMessages"), "numOfMessages", 1)
	if e != nil {
		return answer.Answer{}, e
	}
	got, err := r.world.QueuePeek(r.region, r.uid, r.queue, most)
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	if r.call.StaleRead() {
		got = nil
	}
	return r.messages(got, true)
}

// messages answers a receive or peek. None is MessageNotExist, not an empty list.
func (r *request) messages(got []world.Message, peek bool) (answer.Answer, *world.Error) {
	if len(got) == 0 {
		return answer.Answer{}, refuse(404, "MessageNotExist", "Message not exist.")
	}
	out := messagesAnswer{XMLNS: namespace}
	for _, m := range got {
		a := messageAnswer{
			MessageID: m.ID, MessageBodyMD5: m.MD5, MessageBody: m.Body, EnqueueTime: millis(m.Enqueued),
			FirstDequeueTime: millis(m.FirstDequeued), DequeueCount: &m.DequeueCount, Priority: &m.Priority,
		}
		if !peek {
			a.ReceiptHandle, a.NextVisibleTime = m.Handle, millis(m.NextVisible)
		}
		out.Messages = append(out.Messages, a)
	}
	if r.op.batch {
		return encode(http.StatusOK, out), nil
	}
	out.Messages[0].XMLNS = namespace
	return encode(http.StatusOK, out.Messages[0]), nil
}

func (r *request) deleteMessage() (answer.Answer, *world.Error) {
	handle := r.query.Get("ReceiptHandle")
	if handle == "" {
		return answer.Answer{}, refuse(400, "MissingReceiptHandle", "ReceiptHandle is required.")
	}
	if err := r.world.QueueDelete(r.region, r.uid, r.queue, handle); err != nil {
		return answer.Answer{}, refused(err)
	}
	return encode(http.StatusNoContent, nil), nil
}

// batchDeleteMessage deletes what it can and names the rest.
func (r *request) batchDeleteMessage() (answer.Answer, *world.Error) {
	var hs handlesRequest
	if e := r.decode(&hs, func() bool { return len(hs.Extra) > 0 }); e != nil {
		return answer.Answer{}, e
	}
	if len(hs.Handles) < 1 || len(hs.Handles) > 16 {
		return answer.Answer{}, refuse(400, "InvalidArgument", "A batch has 1 to 16 receipt handles.")
	}
	if _, err := r.world.QueueStats(r.region, r.uid, r.queue); err != nil {
		return answer.Answer{}, refused(err)
	}
	out := handleErrorsAnswer{XMLNS: namespace}
	for _, h := range hs.Handles {
		if err := r.world.QueueDelete(r.region, r.uid, r.queue, h); err != nil {
			e := refused(err)
			out.Errors = append(out.Errors, handleErrorAnswer{ErrorCode: e.Code, ErrorMessage: e.Message, ReceiptHandle: h})
		}
	}
	if len(out.Errors) > 0 {
		return encode(http.StatusNotFound, out), nil
	}
	return encode(http.StatusNoContent, nil), nil
}

func (r *request) changeVisibility() (answer.Answer, *world.Error) {
	handle := r.query.Get("ReceiptHandle")
	if handle == "" {
		return answer.Answer{}, refuse(400, "MissingReceiptHandle", "ReceiptHandle is required.")
	}
	if r.query.Get("VisibilityTimeout") == "" {
		return answer.Answer{}, refuse(400, "MissingVisibilityTimeout", "VisibilityTimeout is required.")
	}
	timeout, e := number(r.query.Get("VisibilityTimeout"), "VisibilityTimeout", 0)
	if e != nil {
		return answer.Answer{}, e
	}
	m, err := r.world.QueueExtend(r.region, r.uid, r.queue, handle, duration(timeout))
	if err != nil {
		return answer.Answer{}, refused(err)
	}
	return encode(http.StatusOK, visibilityAnswer{XMLNS: namespace, ReceiptHandle: m.Handle, NextVisibleTime: *millis(m.NextVisible)}), nil
}
