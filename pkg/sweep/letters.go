package sweep

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
)

const (
	// letterBatch is how many messages are received at once, the most that MNS gives.
	letterBatch = 16
	// letterLimit is how many letters a tick handles.
	letterLimit = 64
)

// drain hands what the triggers gave up on to the intake. What the intake does not
// take stays in the queue and comes again.
func (t *tick) drain(ctx context.Context) Report {
	var r Report
	if t.Letters == nil || t.Intake == nil {
		return r
	}
	ctx, cancel := t.work(ctx)
	defer cancel()
	for r.Letters+r.Returned < letterLimit && ctx.Err() == nil {
		letters, err := t.receive(ctx)
		if err != nil {
			t.logger().Warn("the dead letters could not be received", "error", err)
			return r
		}
		took := 0
		for receipt, body := range letters {
			if t.letter(ctx, receipt, body) {
				took++
			}
		}
		r.Letters += took
		r.Returned += len(letters) - took
		if took == 0 {
			return r // an empty queue, or one of which nothing can be taken now
		}
	}
	return r
}

func (t *tick) receive(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return t.Letters.Receive(ctx, letterBatch)
}

// letter takes in one letter and reports whether it is off the queue.
func (t *tick) letter(ctx context.Context, receipt string, body []byte) bool {
	if ctx.Err() != nil {
		return false
	}
	if buried(body) {
		t.logger().Error("a message that was buried for people lies among the dead letters; it is left there")
		return false
	}
	if err := t.Intake(ctx, body); err != nil {
		t.logger().Warn("a dead letter could not be taken in; it comes again", "error", err)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if err := t.Letters.Delete(ctx, receipt); err != nil {
		t.logger().Warn("a dead letter was taken in and could not be deleted; it comes again", "error", err)
		return false
	}
	return true
}

// buried reports whether our own intake has put this message aside, with its reason.
// Those lie in a queue of their own; if the two queues were ever made one, taking a
// buried message in would bury it again, for ever.
func buried(body []byte) bool {
	body = bytes.TrimSpace(body)
	if plain, err := base64.StdEncoding.DecodeString(string(body)); err == nil {
		body = plain
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return false
	}
	return m["reason"] != nil && m["body"] != nil
}
