package ossemu

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// A request is one call, as far as it is understood. See [route] for what a
// handler finds in it.
type request struct {
	*http.Request
	world *world.World
	call  *answer.Call
	route *route

	region      string // of the endpoint or, for an IP host, of the signature; "" when neither tells
	bucket, key string
	query       url.Values // without the parameters of the signature
	body        []byte
	caller      world.Principal
	reply       http.Header // sent with the answer and with a refusal alike
}

func (r *request) level() level {
	switch {
	case r.bucket == "":
		return onService
	case r.key == "":
		return onBucket
	}
	return onObject
}

// resource is what faults are matched against: "bucket" or "bucket/key".
func (r *request) resource() string {
	if r.key == "" {
		return r.bucket
	}
	return r.bucket + "/" + r.key
}

// readBody takes in the whole body and checks it against Content-MD5.
func (r *request) readBody() *world.Error {
	if r.Body == nil {
		return nil
	}
	b, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength > int64(len(b)) {
		return fail(http.StatusBadRequest, "IncompleteBody", "", "The request body is shorter than its Content-Length.")
	}
	r.body = b
	want := r.Header.Get("Content-MD5")
	if want == "" {
		return nil
	}
	sum := md5.Sum(b)
	given, err := base64.StdEncoding.DecodeString(want)
	if err != nil || !bytes.Equal(given, sum[:]) {
		return fail(http.StatusBadRequest, "InvalidDigest", "", "The Content-MD5 you specified did not match what we received.")
	}
	return nil
}

// decode reads the body as XML into v. An empty or broken body is MalformedXML.
func (r *request) decode(v any) *world.Error {
	if len(bytes.TrimSpace(r.body)) == 0 {
		return malformedXML("")
	}
	if err := xml.Unmarshal(r.body, v); err != nil {
		return malformedXML("")
	}
	return nil
}

// header returns the value of a request header without surrounding blanks.
func (r *request) header(name string) string { return strings.TrimSpace(r.Header.Get(name)) }

// ok is a 200 without a body; header fields are given as name, value, name, value.
func ok(nameValue ...string) (answer.Answer, *world.Error) {
	return answer.Answer{Status: http.StatusOK, Header: headers(nameValue...)}, nil
}

// noContent is a 204.
func noContent(nameValue ...string) (answer.Answer, *world.Error) {
	return answer.Answer{Status: http.StatusNoContent, Header: headers(nameValue...)}, nil
}

// xmlAnswer is a 200 with v as XML.
func xmlAnswer(v any, nameValue ...string) (answer.Answer, *world.Error) {
	b, err := xml.Marshal(v)
	if err != nil {
		return answer.Answer{}, fail(http.StatusInternalServerError, "InternalError", "", "The answer cannot be written as XML.")
	}
	h := headers(nameValue...)
	h.Set("Content-Type", "application/xml")
	return answer.Answer{Status: http.StatusOK, Header: h, Body: append([]byte(xml.Header), b...)}, nil
}

// headers makes a header of names and values in turn; empty values are left out.
func headers(nameValue ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(nameValue); i += 2 {
		if nameValue[i+1] != "" {
			h.Set(nameValue[i], nameValue[i+1])
		}
	}
	return h
}
