package ossemu

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"slices"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func fail(status int, code, ec, message string) *world.Error {
	return &world.Error{Status: status, Code: code, EC: ec, Message: message}
}

// malformedXML refuses a body; ec may be "".
func malformedXML(ec string) *world.Error {
	return fail(http.StatusBadRequest, "MalformedXML", ec, "The XML you provided was not well-formed or did not validate against our published schema.")
}

// badArgument refuses the value of a parameter, header or element.
func badArgument(name, value, message string) *world.Error {
	return fail(http.StatusBadRequest, "InvalidArgument", "", message).With("ArgumentName", name).With("ArgumentValue", value)
}

func notImplemented(kind, name string) *world.Error {
	return fail(http.StatusNotImplemented, "NotImplemented", "", "The "+kind+" "+name+" implies functionality that is not implemented.")
}

func accessDenied(ec, message string) *world.Error {
	return fail(http.StatusForbidden, "AccessDenied", ec, message)
}

// throttled is the refusal of a call over the rate limit: bucket and service
// operations count as management calls.
func throttled(management bool) *world.Error {
	if management {
		return fail(http.StatusServiceUnavailable, "MetaOperationQpsLimitExceeded", "", "Qps limit for the meta operation is exceeded.")
	}
	return fail(http.StatusServiceUnavailable, "TotalQpsLimitExceeded", "", "Total qps limit is exceeded.")
}

// errorXML writes the body of an error answer.
func errorXML(e *world.Error, requestID, host string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	b.WriteString("<Error>")
	element := func(name, value string) {
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(&b, []byte(value)) // a bytes.Buffer does not fail
		b.WriteString("</" + name + ">")
	}
	element("Code", e.Code)
	element("Message", e.Message)
	element("RequestId", requestID)
	element("HostId", host)
	names := make([]string, 0, len(e.Fields))
	for name := range e.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		element(name, e.Fields[name])
	}
	if e.EC != "" {
		element("EC", e.EC)
		element("RecommendDoc", "https://api.alibabacloud.com/troubleshoot?q="+e.EC)
	}
	b.WriteString("</Error>")
	return b.Bytes()
}
