package mnsemu

import (
	"net/http"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// operation is one call of the API. A batch has an action of its own in faults
// and in the log of calls; policies know only the single form.
type operation struct {
	action, permission string
	write, batch       bool
	query, headers     []string // the parameters that it knows
	run                func(*request) (answer.Answer, *world.Error)
}

var (
	listQueue = &operation{
		action: "ListQueue", permission: "ListQueue", run: (*request).listQueue,
		headers: []string{"x-mns-marker", "x-mns-ret-number", "x-mns-prefix", "x-mns-with-meta"},
	}
	createQueue        = &operation{action: "CreateQueue", permission: "CreateQueue", write: true, query: []string{"metaoverride"}, run: (*request).createQueue}
	setQueueAttributes = &operation{action: "SetQueueAttributes", permission: "SetQueueAttributes", write: true, query: []string{"metaoverride"}, run: (*request).setQueueAttributes}
	getQueueAttributes = &operation{action: "GetQueueAttributes", permission: "GetQueueAttributes", run: (*request).getQueueAttributes}
	deleteQueue        = &operation{action: "DeleteQueue", permission: "DeleteQueue", write: true, run: (*request).deleteQueue}

	sendMessage         = &operation{action: "SendMessage", permission: "SendMessage", write: true, run: (*request).sendMessage}
	batchSendMessage    = &operation{action: "BatchSendMessage", permission: "SendMessage", batch: true, write: true, run: (*request).batchSendMessage}
	receiveMessage      = &operation{action: "ReceiveMessage", permission: "ReceiveMessage", write: true, query: []string{"waitseconds"}, run: (*request).receiveMessage}
	batchReceiveMessage = &operation{action: "BatchReceiveMessage", permission: "ReceiveMessage", batch: true, write: true, query: []string{"numOfMessages", "waitseconds"}, run: (*request).receiveMessage}
	peekMessage         = &operation{action: "PeekMessage", permission: "PeekMessage", query: []string{"peekonly"}, run: (*request).peekMessage}
	batchPeekMessage    = &operation{action: "BatchPeekMessage", permission: "PeekMessage", batch: true, query: []string{"numOfMessages", "peekonly"}, run: (*request).peekMessage}
	deleteMessage       = &operation{action: "DeleteMessage", permission: "DeleteMessage", write: true, query: []string{"ReceiptHandle"}, run: (*request).deleteMessage}
	batchDeleteMessage  = &operation{action: "BatchDeleteMessage", permission: "DeleteMessage", batch: true, write: true, run: (*request).batchDeleteMessage}
	changeVisibility    = &operation{action: "ChangeMessageVisibility", permission: "ChangeMessageVisibility", write: true, query: []string{"ReceiptHandle", "VisibilityTimeout"}, run: (*request).changeVisibility}

	anyTopic = &operation{action: "Topic"} // never run; a name for faults and for the log
)

// match finds the operation by path, method, query and the body's root element.
func (r *request) match() (*operation, *world.Error) {
	parts := strings.Split(strings.TrimPrefix(r.path, "/"), "/")
	switch parts[0] {
	case "queues":
	case "topics":
		return anyTopic, refuse(404, "TopicNotExist", "The topic name you provided does not exist.")
	default:
		return nil, refuse(400, "InvalidRequestURL", "The request url is invalid.")
	}
	if len(parts) > 1 {
		r.queue = parts[1]
	}
	var op *operation
	switch {
	case len(parts) == 1 && r.Method == http.MethodGet:
		op = listQueue
	case len(parts) == 2 && parts[1] != "":
		op = r.matchQueue()
	case len(parts) == 3 && parts[1] != "" && parts[2] == "messages":
		op = r.matchMessages()
	}
	if op == nil {
		return nil, refuse(400, "InvalidRequestURL", "The request url is invalid.")
	}
	return op, nil
}

func (r *request) matchQueue() *operation {
	switch r.Method {
	case http.MethodGet:
		return getQueueAttributes
	case http.MethodDelete:
		return deleteQueue
	case http.MethodPut:
		if r.query.Get("metaoverride") == "true" {
			return setQueueAttributes
		}
		return createQueue
	}
	return nil
}

func (r *request) matchMessages() *operation {
	batch := r.query.Has("numOfMessages")
	switch r.Method {
	case http.MethodPost:
		if r.root() == "Messages" {
			return batchSendMessage
		}
		return sendMessage
	case http.MethodGet:
		switch peek := r.query.Has("peekonly"); {
		case peek && batch:
			return batchPeekMessage
		case peek:
			return peekMessage
		case batch:
			return batchReceiveMessage
		}
		return receiveMessage
	case http.MethodDelete:
		if r.root() == "ReceiptHandles" && !r.query.Has("ReceiptHandle") {
			return batchDeleteMessage
		}
		return deleteMessage
	case http.MethodPut:
		return changeVisibility
	}
	return nil
}
