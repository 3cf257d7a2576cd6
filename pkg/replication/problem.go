package replication

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a ticket.
type Problem struct {
	Code    Reason `json:"code"`
	Field   string `json:"field"`   // path in the ticket, such as "objects.prefixes[1]"; "" means the whole
	Message string `json:"message"` // a sentence for a person
	Remedy  string `json:"remedy"`  // what to do
}

// Problems are all that is wrong, the most telling first. Empty means nothing is.
type Problems []Problem

func (p Problems) Error() string {
	s := make([]string, len(p))
	for i, q := range p {
		s[i] = string(q.Code) + ": " + q.Message
	}
	return strings.Join(s, "; ")
}

func (p *Problems) add(code Reason, field, message string) {
	*p = append(*p, Problem{Code: code, Field: field, Message: message, Remedy: code.Remedy()})
}

// IDReused is what is wrong with a ticket whose id another one has.
func IDReused(id string) Problems {
	var p Problems
	p.add(ReasonIDReused, "id", fmt.Sprintf("a ticket %s with other contents was accepted before; its job is not touched", id))
	return p
}

// Unreadable is what is wrong with a ticket whose journal cannot be read.
func Unreadable(id string) Problems {
	var p Problems
	p.add(ReasonUnreadable, "id", fmt.Sprintf("the journal of ticket %s cannot be read by this version", id))
	return p
}
