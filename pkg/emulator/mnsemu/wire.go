package mnsemu

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

const namespace = "http://mns.aliyuncs.com/doc/v1/"

// What clients send. Extra catches the elements that the service does not know.

type queueRequest struct {
	XMLName                xml.Name  `xml:"Queue"`
	DelaySeconds           *int      `xml:"DelaySeconds"`
	MaximumMessageSize     *int      `xml:"MaximumMessageSize"`
	MessageRetentionPeriod *int      `xml:"MessageRetentionPeriod"`
	VisibilityTimeout      *int      `xml:"VisibilityTimeout"`
	PollingWaitSeconds     *int      `xml:"PollingWaitSeconds"`
	LoggingEnabled         *bool     `xml:"LoggingEnabled"`
	Extra                  []element `xml:",any"`
}

type messageRequest struct {
	XMLName      xml.Name  `xml:"Message"`
	MessageBody  string    `xml:"MessageBody"`
	DelaySeconds *int      `xml:"DelaySeconds"`
	Priority     int       `xml:"Priority"`
	Extra        []element `xml:",any"`
}

type messagesRequest struct {
	XMLName  xml.Name         `xml:"Messages"`
	Messages []messageRequest `xml:"Message"`
	Extra    []element        `xml:",any"`
}

type handlesRequest struct {
	XMLName xml.Name  `xml:"ReceiptHandles"`
	Handles []string  `xml:"ReceiptHandle"`
	Extra   []element `xml:",any"`
}

type element struct{ XMLName xml.Name }

// What the service answers.

type errorAnswer struct {
	XMLName   xml.Name `xml:"Error"`
	XMLNS     string   `xml:"xmlns,attr"`
	Code      string   `xml:"Code"`
	Message   string   `xml:"Message"`
	RequestID string   `xml:"RequestId"`
	HostID    string   `xml:"HostId"`
}

type messageAnswer struct {
	XMLName          xml.Name `xml:"Message"`
	XMLNS            string   `xml:"xmlns,attr,omitempty"`
	ErrorCode        string   `xml:"ErrorCode,omitempty"`
	ErrorMessage     string   `xml:"ErrorMessage,omitempty"`
	MessageID        string   `xml:"MessageId,omitempty"`
	ReceiptHandle    string   `xml:"ReceiptHandle,omitempty"`
	MessageBodyMD5   string   `xml:"MessageBodyMD5,omitempty"`
	MessageBody      string   `xml:"MessageBody,omitempty"`
	EnqueueTime      *int64   `xml:"EnqueueTime"`
	NextVisibleTime  *int64   `xml:"NextVisibleTime"`
	FirstDequeueTime *int64   `xml:"FirstDequeueTime"`
	DequeueCount     *int     `xml:"DequeueCount"`
	Priority         *int     `xml:"Priority"`
}

type messagesAnswer struct {
	XMLName  xml.Name        `xml:"Messages"`
	XMLNS    string          `xml:"xmlns,attr"`
	Messages []messageAnswer `xml:"Message"`
}

type visibilityAnswer struct {
	XMLName         xml.Name `xml:"ChangeVisibility"`
	XMLNS           string   `xml:"xmlns,attr"`
	ReceiptHandle   string   `xml:"ReceiptHandle"`
	NextVisibleTime int64    `xml:"NextVisibleTime"`
}

type handleErrorsAnswer struct {
	XMLName xml.Name            `xml:"Errors"`
	XMLNS   string              `xml:"xmlns,attr"`
	Errors  []handleErrorAnswer `xml:"Error"`
}

type handleErrorAnswer struct {
	ErrorCode     string `xml:"ErrorCode"`
	ErrorMessage  string `xml:"ErrorMessage"`
	ReceiptHandle string `xml:"ReceiptHandle"`
}

type queueAnswer struct {
	XMLName                xml.Name          `xml:"Queue"`
	XMLNS                  string            `xml:"xmlns,attr,omitempty"`
	QueueURL               string            `xml:"QueueURL,omitempty"`
	QueueName              string            `xml:"QueueName,omitempty"`
	CreateTime             *int64            `xml:"CreateTime"`
	LastModifyTime         *int64            `xml:"LastModifyTime"`
	DelaySeconds           *int              `xml:"DelaySeconds"`
	MaximumMessageSize     *int              `xml:"MaximumMessageSize"`
	MessageRetentionPeriod *int              `xml:"MessageRetentionPeriod"`
	VisibilityTimeout      *int              `xml:"VisibilityTimeout"`
	PollingWaitSeconds     *int              `xml:"PollingWaitSeconds"`
	ActiveMessages         *int              `xml:"ActiveMessages"`
	InactiveMessages       *int              `xml:"InactiveMessages"`
	DelayMessages          *int              `xml:"DelayMessages"`
	LoggingEnabled         string            `xml:"LoggingEnabled,omitempty"` // "True" or "False"
	DeadLetter             *deadLetterAnswer `xml:"DlqPolicy"`
}

type deadLetterAnswer struct {
	Enabled               bool   `xml:"Enabled"`
	DeadLetterTargetQueue string `xml:"DeadLetterTargetQueue"`
	MaxReceiveCount       int    `xml:"MaxReceiveCount"`
}

type queuesAnswer struct {
	XMLName    xml.Name      `xml:"Queues"`
	XMLNS      string        `xml:"xmlns,attr"`
	Queues     []queueAnswer `xml:"Queue"`
	NextMarker string        `xml:"NextMarker,omitempty"`
}

// decode reads the whole body into v. extra tells whether v caught an element
// that the service does not know.
func (r *request) decode(v any, extra func() bool) *world.Error {
	d := xml.NewDecoder(bytes.NewReader(r.body))
	if err := d.Decode(v); err != nil {
		return refuse(400, "MalformedXML", "The XML you provided was not well-formed.")
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse(400, "MalformedXML", "There is something after the end of the XML.")
	}
	if extra() {
		return refuse(400, "InvalidArgument", "The XML has an element that is unknown here.")
	}
	return nil
}

// encode makes an answer of v; nil makes one without a body.
func encode(status int, v any) answer.Answer {
	a := answer.Answer{Status: status, Header: http.Header{}}
	if v == nil {
		return a
	}
	text, err := xml.Marshal(v)
	if err != nil {
		panic("mnsemu: " + err.Error()) // the answer types always encode
	}
	a.Header.Set("Content-Type", "text/xml;charset=utf-8")
	a.Body = append([]byte(xml.Header), text...)
	return a
}

func refusal(e *world.Error, requestID string, c *answer.Call) answer.Answer {
	return encode(e.Status, errorAnswer{
		XMLNS: namespace, Code: e.Code, Message: e.Message, RequestID: requestID, HostID: "http://" + c.Request.Host,
	})
}

func millis(t time.Time) *int64 {
	var n int64
	if !t.IsZero() {
		n = t.UnixMilli()
	}
	return &n
}

func seconds(t time.Time) *int64 {
	n := t.Unix()
	return &n
}

// number reads a query parameter or header; absent gives fallback.
func number(text, name string, fallback int) (int, *world.Error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, refuse(400, "InvalidArgument", "The value of "+name+" is not a number.")
	}
	return n, nil
}

// duration is n seconds; what no limit of the service lets through stays so, and
// does not wrap round.
func duration(n int) time.Duration {
	return time.Duration(min(max(n, -1), 1<<30)) * time.Second
}
