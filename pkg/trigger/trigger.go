// Package trigger turns what Function Compute delivers into messages. It accepts
// every documented shape of an MNS queue trigger, and what it cannot read it hands
// on as it is, so that somebody can say why it is refused. [fact 29]
package trigger

import (
	"bytes"
	"encoding/json"
	"errors"
)

// A Message is one message of a queue as far as its delivery tells.
type Message struct {
	ID   string // of the message in its queue; "" when the delivery does not tell
	Body []byte // as it was sent, perhaps in base64
}

// element is one delivered message: a CloudEvent with the message in data, or (in
// the schema RawData) the content of data alone.
type element struct {
	Data        *content `json:"data"`
	MessageID   string   `json:"messageId"`
	MessageBody *string  `json:"messageBody"`
}

type content struct {
	MessageID   string  `json:"messageId"`
	MessageBody *string `json:"messageBody"`
}

// Messages returns the messages of one event: an array of elements
// (event-streaming) or a single one (event-driven), each an object or an object
// written as a JSON string. An empty event is an error; anything else gives at
// least one message, an empty array excepted.
func Messages(event []byte) ([]Message, error) {
	event = bytes.TrimSpace(event)
	if len(event) == 0 {
		return nil, errors.New("the event is empty")
	}
	var list []json.RawMessage
	if event[0] != '[' || json.Unmarshal(event, &list) != nil {
		list = []json.RawMessage{event}
	}
	messages := make([]Message, len(list))
	for i, e := range list {
		messages[i] = message(e)
	}
	return messages, nil
}

func message(raw json.RawMessage) Message {
	inner := []byte(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		inner = []byte(s)
	}
	var e element
	if json.Unmarshal(inner, &e) == nil {
		switch {
		case e.Data != nil && e.Data.MessageBody != nil:
			return Message{ID: e.Data.MessageID, Body: []byte(*e.Data.MessageBody)}
		case e.MessageBody != nil:
			return Message{ID: e.MessageID, Body: []byte(*e.MessageBody)}
		}
	}
	return Message{Body: inner}
}
