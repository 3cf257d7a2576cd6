package ossemu

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// A node is one element of a body. The bodies of replication are read as trees, so
// that an element that OSS does not know is refused instead of overlooked.
type node struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

// readXML reads a body whose root has that name; ec is the number of the error for
// a body that has not.
func readXML(body []byte, root, ec string) (node, *world.Error) {
	var n node
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&n); err != nil || n.XMLName.Local != root {
		return node{}, malformedXML(ec)
	}
	if _, err := d.Token(); err != io.EOF {
		return node{}, malformedXML(ec)
	}
	return n, nil
}

// text is the content of an element without children.
func (n node) text() (string, *world.Error) {
	if len(n.Children) > 0 {
		return "", malformedXML("")
	}
	return strings.TrimSpace(n.Text), nil
}

// into returns a reader that stores an element's text.
func into(to **string) func(node) *world.Error {
	return func(n node) *world.Error {
		s, e := n.text()
		*to = &s
		return e
	}
}

// each hands every child to the reader of its name. A child without a reader, or
// text between the children, is malformed.
func (n node) each(readers map[string]func(node) *world.Error) *world.Error {
	if strings.TrimSpace(n.Text) != "" {
		return malformedXML("")
	}
	for _, child := range n.Children {
		read, known := readers[child.XMLName.Local]
		if !known {
			return malformedXML("")
		}
		if e := read(child); e != nil {
			return e
		}
	}
	return nil
}

// once is each for children that may come only once.
func (n node) once(readers map[string]func(node) *world.Error) *world.Error {
	return n.onceBut(readers)
}

// onceBut is once but for the children that may be repeated.
func (n node) onceBut(readers map[string]func(node) *world.Error, repeated ...string) *world.Error {
	seen := map[string]bool{}
	for _, child := range n.Children {
		if seen[child.XMLName.Local] && !slices.Contains(repeated, child.XMLName.Local) {
			return malformedXML("")
		}
		seen[child.XMLName.Local] = true
	}
	return n.each(readers)
}

// readReplication reads the body of PutBucketReplication.
func readReplication(body []byte) ([]world.RuleRequest, *world.Error) {
	const noRoot = "0031-00000001"
	encoded := utf8.Valid(body)
	if !encoded {
		body = bytes.ToValidUTF8(body, []byte(string(utf8.RuneError)))
	}
	root, e := readXML(body, "ReplicationConfiguration", noRoot)
	if e != nil {
		return nil, e
	}
	var rules []world.RuleRequest
	e = root.each(map[string]func(node) *world.Error{"Rule": func(n node) *world.Error {
		q, e := readRule(n)
		rules = append(rules, q)
		return e
	}})
	if e == nil && !encoded && !restorePrefix(rules) {
		e = malformedXML("")
	}
	return rules, e
}

// restorePrefix puts a byte that is no UTF-8 back into the first prefix that had
// one, and reports whether there was any: the refusal of such a prefix is one of
// its own.
func restorePrefix(rules []world.RuleRequest) bool {
	for _, q := range rules {
		for i, p := range q.Prefixes {
			if strings.ContainsRune(p, utf8.RuneError) {
				q.Prefixes[i] = strings.ReplaceAll(p, string(utf8.RuneError), "\xff")
				return true
			}
		}
	}
	return false
}

func readRule(n node) (world.RuleRequest, *world.Error) {
	var q world.RuleRequest
	in := func(name string, to **string) func(node) *world.Error {
		return func(n node) *world.Error { return n.once(readers{name: into(to)}) }
	}
	e := n.once(readers{
		"ID":                          into(&q.ID),
		"Action":                      into(&q.Action),
		"HistoricalObjectReplication": into(&q.Historical),
		"SyncRole":                    into(&q.SyncRole),
		"Status":                      func(n node) *world.Error { _, e := n.text(); return e }, // of answers; ignored
		"RTC":                         in("Status", &q.RTC),
		"EncryptionConfiguration":     in("ReplicaKmsKeyID", &q.KMSKeyID),
		"SourceSelectionCriteria": func(n node) *world.Error {
			return n.once(readers{"SseKmsEncryptedObjects": in("Status", &q.KMS)})
		},
		"Destination": func(n node) *world.Error {
			return n.once(readers{"Bucket": into(&q.Bucket), "Location": into(&q.Location), "TransferType": into(&q.TransferType)})
		},
		"PrefixSet": func(n node) *world.Error {
			return n.each(readers{"Prefix": func(n node) *world.Error {
				// Blanks are part of a prefix.
				q.Prefixes = append(q.Prefixes, n.Text)
				_, e := n.text()
				return e
			}})
		},
		"UserTaggings": func(n node) *world.Error { return readTagFilter(n, &q) },
	})
	return q, e
}

func readTagFilter(n node, q *world.RuleRequest) *world.Error {
	q.Tags = &world.TagFilter{}
	kinds := 0
	return n.each(map[string]func(node) *world.Error{
		"FilterType": func(n node) *world.Error {
			if kinds++; kinds > 1 {
				return malformedXML("")
			}
			s, e := n.text()
			q.Tags.Type = s
			return e
		},
		"UserTagging": func(n node) *world.Error {
			var key, value *string
			if e := n.once(map[string]func(node) *world.Error{"Key": into(&key), "Value": into(&value)}); e != nil {
				return e
			}
			if key == nil || value == nil {
				return malformedXML("")
			}
			q.Tags.Tags = append(q.Tags.Tags, world.Tag{Key: *key, Value: *value})
			return nil
		},
	})
}
