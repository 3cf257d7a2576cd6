package fcemu

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// How the platform retries asynchronous invocations, at speed 1. The pause between
// retries of a function error is not documented: it doubles from one second here.
const (
	asyncErrorPause    = time.Second
	asyncThrottlePause = 500 * time.Millisecond // then 1 s, 2 s, 4 s, ...
	asyncThrottleLimit = 5 * time.Hour
)

// InvokeAsync accepts an event for the function and returns its request id at once.
// The error is a *world.Error when the event was not accepted. What fails later is
// retried and then told to the function's failure destination.
func (p *Platform) InvokeAsync(name string, payload []byte) (requestID string, err error) {
	return p.invokeAsync(request{function: name, payload: payload})
}

func (p *Platform) invokeAsync(r request) (string, error) {
	if _, _, err := p.lookup(r.function); err != nil {
		return "", err
	}
	if len(r.payload) > maxAsyncBody {
		return "", tooLarge(maxAsyncBody)
	}
	if r.requestID == "" {
		r.requestID = p.world.UUID()
	}
	if r.caller == "" {
		r.caller = "fc.aliyuncs.com"
	}
	e := &asyncEvent{p: p, r: r, accepted: time.Now()}
	if !p.spawn(e.run) {
		return "", errStopped
	}
	return r.requestID, nil
}

// An asyncEvent is one accepted event until it succeeded or was given up.
type asyncEvent struct {
	p        *Platform
	r        request
	accepted time.Time

	tries     int // invocations so far, throttled ones left out
	throttles int // in a row
	since     time.Time
}

func (e *asyncEvent) run() {
	for {
		e.r.retry = e.tries
		res, err := e.p.invoke(e.p.ctx, e.r)
		f, cfg, gone := e.p.lookup(e.r.function)
		if gone != nil || err == nil && !res.Failed() {
			return
		}
		pause, again := e.next(cfg, err)
		if !again || time.Since(e.accepted)+pause > cfg.Async.MaxAge {
			e.giveUp(f, cfg, res, err)
			return
		}
		if !sleep(e.p.ctx, pause) {
			return
		}
	}
}

// next says whether and when the event is tried again. System errors are not
// retried; throttling is, for five hours; function errors, and replies that were
// lost, as often as the function's configuration says.
func (e *asyncEvent) next(cfg Function, err error) (pause time.Duration, again bool) {
	var refusal *world.Error
	switch {
	case errors.As(err, &refusal) && refusal.Status == 429:
		if e.throttles == 0 {
			e.since = time.Now()
		}
		pause = e.p.world.Scale(asyncThrottlePause << e.throttles)
		e.throttles++
		return pause, time.Since(e.since)+pause <= e.p.world.Scale(asyncThrottleLimit)
	case errors.As(err, &refusal):
		e.tries++
		return 0, false
	}
	e.throttles = 0
	e.tries++
	return e.p.world.Scale(asyncErrorPause << (e.tries - 1)), e.tries <= cfg.Async.MaxRetries
}

// giveUp tells the failure destination, if there is one.
func (e *asyncEvent) giveUp(f *function, cfg Function, res Result, err error) {
	p := e.p
	status, code := status(res, err)
	p.opt.Logger.Warn("asynchronous invocation given up", "function", cfg.Name, "request", e.r.requestID, "code", code)
	p.mu.Lock()
	f.stats.AsyncGivenUp++
	p.mu.Unlock()
	if cfg.Async.OnFailure == "" {
		return
	}
	type requestContext struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"`
		Count       int    `json:"approximateInvokeCount"`
	}
	type responseContext struct {
		StatusCode    int    `json:"statusCode"`
		FunctionError string `json:"functionError"`
	}
	body, encodeErr := json.Marshal(struct {
		Timestamp       int64           `json:"timestamp"`
		RequestContext  requestContext  `json:"requestContext"`
		RequestPayload  string          `json:"requestPayload"`
		ResponseContext responseContext `json:"responseContext"`
		ResponsePayload string          `json:"responsePayload"`
	}{
		Timestamp:       time.Now().UnixMilli(),
		RequestContext:  requestContext{e.r.requestID, cfg.ARN(), code, e.tries},
		RequestPayload:  string(e.r.payload),
		ResponseContext: responseContext{status, res.ErrorType},
		ResponsePayload: string(res.Payload),
	})
	if encodeErr == nil {
		encodeErr = p.sendAsRole(cfg, cfg.Async.OnFailure, string(body))
	}
	if encodeErr != nil {
		p.opt.Logger.Error("failure destination not reached", "function", cfg.Name, "request", e.r.requestID, "error", encodeErr)
	}
}

// sendAsRole sends to a destination queue with the rights of the function's role.
func (p *Platform) sendAsRole(cfg Function, arn, body string) error {
	q, err := parseQueueARN(arn, "/messages")
	if err != nil {
		return err
	}
	if cfg.Role == "" {
		return errors.New("the function has no role")
	}
	k, refused := p.world.AssumeService(cfg.Account, cfg.Role, "fc.aliyuncs.com", keysValid, "destination")
	if refused != nil {
		return refused
	}
	verdict := p.world.Authorize(k.Principal, world.Access{Action: "mns:SendMessage", Resource: arn, Owner: q.account})
	if verdict != world.Allow {
		return &world.Error{Status: 403, Code: "AccessDenied", Message: "the role may not mns:SendMessage on " + arn}
	}
	_, err = p.world.QueueSend(q.region, q.account, q.name, body, -1)
	return err
}
