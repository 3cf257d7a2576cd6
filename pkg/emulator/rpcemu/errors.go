package rpcemu

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// bad is a refusal with status 400.
func bad(code, message string) *world.Error {
	return &world.Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// missingParameter is the refusal for a common parameter; those of an action are
// refused as Missing<Name> by RAM and STS.
func missingParameter(name string) *world.Error {
	return bad("MissingParameter", "The input parameter \""+name+"\" that is mandatory for processing this request is not supplied.")
}

// missingKMS is the refusal of KMS for a missing parameter of an action.
func missingKMS(parameter string) *world.Error {
	return bad("MissingParameter", "The parameter \""+parameter+"\" is needed but not provided.")
}

// refuseFor returns what words the refusals of a service.
func refuseFor(service string) func(*world.Error, string, *answer.Call) answer.Answer {
	return func(e *world.Error, requestID string, c *answer.Call) answer.Answer {
		return refuse(service, e, requestID, c)
	}
}

// refuse words a refusal. The fields that clients read are strings: they fail on
// anything else. KMS adds the status as a number, which they overlook.
func refuse(service string, e *world.Error, requestID string, c *answer.Call) answer.Answer {
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	product := strings.ToUpper(service[:1]) + service[1:]
	body := map[string]any{
		"RequestId": requestID,
		"HostId":    c.Request.Host,
		"Code":      e.Code,
		"Message":   e.Message,
		"Recommend": "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(e.Code) + "&product=" + product + "&requestId=" + requestID,
	}
	if service == "kms" {
		body["HttpStatus"] = status
	}
	if len(e.Fields) > 0 {
		body["AccessDeniedDetail"] = e.Fields
	}
	a, err := answerJSON(status, requestID, body)
	if err != nil {
		return answer.Answer{Status: http.StatusInternalServerError}
	}
	return a
}

// success words an answer: the members of result, a struct or nil, and RequestId.
func success(requestID string, result any) (answer.Answer, *world.Error) {
	body := map[string]any{}
	if result != nil {
		text, err := json.Marshal(result)
		if err == nil {
			err = json.Unmarshal(text, &body)
		}
		if err != nil {
			return answer.Answer{}, &world.Error{Status: 500, Code: "InternalError", Message: err.Error()}
		}
	}
	body["RequestId"] = requestID
	a, err := answerJSON(http.StatusOK, requestID, body)
	if err != nil {
		return answer.Answer{}, &world.Error{Status: 500, Code: "InternalError", Message: err.Error()}
	}
	return a, nil
}

func answerJSON(status int, requestID string, body any) (answer.Answer, error) {
	text, err := json.Marshal(body)
	header := http.Header{}
	header.Set("Content-Type", "application/json;charset=utf-8")
	header.Set("X-Acs-Request-Id", requestID)
	return answer.Answer{Status: status, Header: header, Body: text}, err
}
