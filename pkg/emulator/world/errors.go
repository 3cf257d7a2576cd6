package world

import "fmt"

// An Error is a refusal as the service words it. The service packages write it
// in their own wire format; Status, Code and EC come from the reference pages.
type Error struct {
	Status  int
	Code    string
	Message string
	EC      string            // OSS only: the error's number, such as 0031-00000044
	Fields  map[string]string // further elements of the answer, such as BucketName
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// With returns a copy with one more element in the answer.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Fields = map[string]string{}
	for k, v := range e.Fields {
		c.Fields[k] = v
	}
	c.Fields[name] = value
	return &c
}

func refuse(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

func refuseEC(status int, code, ec, message string) *Error {
	return &Error{Status: status, Code: code, Message: message, EC: ec}
}
