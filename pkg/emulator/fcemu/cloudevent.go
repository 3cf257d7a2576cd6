package fcemu

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// A cloudEvent is a queue message as EventBridge wraps it.
type cloudEvent struct {
	ID              string      `json:"id"`
	Source          string      `json:"source"`
	SpecVersion     string      `json:"specversion"`
	Type            string      `json:"type"`
	DataContentType string      `json:"datacontenttype"`
	Subject         string      `json:"subject"`
	Time            string      `json:"time"`
	AccountID       string      `json:"aliyunaccountid"`
	PublishTime     string      `json:"aliyunpublishtime"`
	OriginalAccount string      `json:"aliyunoriginalaccountid"`
	EventBusName    string      `json:"aliyuneventbusname"`
	RegionID        string      `json:"aliyunregionid"`
	PublishAddr     string      `json:"aliyunpublishaddr"`
	Data            messageData `json:"data"`
}

type messageData struct {
	RequestID   string `json:"requestId"`
	MessageID   string `json:"messageId"`
	MessageBody string `json:"messageBody"`
}

// event returns the documents of one message: what the function gets, and the
// whole envelope, which a dead-letter queue gets.
func (t *queueTrigger) event(m world.Message, now time.Time) (element, envelope []byte, err error) {
	const millis = "2006-01-02T15:04:05.000Z"
	bus := "MNS-" + t.fn + "-" + t.cfg.Name
	e := cloudEvent{
		ID: m.ID, Source: bus, SpecVersion: "1.0", Type: "mns:Queue:SendMessage",
		DataContentType: "application/json; charset=utf-8",
		Subject:         "acs:mns:" + t.cfg.Region + ":" + t.account + ":queues/" + t.cfg.Queue,
		Time:            now.UTC().Format(millis), PublishTime: now.UTC().Format(millis),
		AccountID: t.account, OriginalAccount: t.account,
		EventBusName: bus, RegionID: t.cfg.Region, PublishAddr: "127.0.0.1",
		Data: messageData{RequestID: t.p.world.RequestID(), MessageID: m.ID, MessageBody: t.body(m.Body)},
	}
	if envelope, err = json.Marshal(e); err != nil {
		return nil, nil, err
	}
	element = envelope
	if t.cfg.Schema == RawData {
		element, err = json.Marshal(e.Data)
	}
	if err == nil && t.cfg.StringElements {
		element, err = json.Marshal(string(element))
	}
	return element, envelope, err
}

// body decodes base64 when the trigger is told to and the body is base64.
func (t *queueTrigger) body(text string) string {
	if t.cfg.Base64Decode {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			return string(raw)
		}
	}
	return text
}

// payload is the body of the call for a batch.
func (t *queueTrigger) payload(batch []*item) []byte {
	if t.cfg.Mode == EventDriven {
		return batch[0].element
	}
	elements := make([][]byte, len(batch))
	for i, it := range batch {
		elements[i] = it.element
	}
	return append(append([]byte("["), bytes.Join(elements, []byte(","))...), ']')
}
