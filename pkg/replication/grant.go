package replication

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// uuidOf derives a UUID from the id of a job, so that a repeated call names the
// same thing. It is a version 8 UUID: the first 16 bytes of a SHA-256.
func uuidOf(id string) string {
	h := sha256.Sum256([]byte("replidesk/1/" + id))
	u := h[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// RoleName returns the name of the role that is made for a job:
// oss-replication-<uuid>, the form that OSS itself uses. [fact 22]
func RoleName(id string) string { return rolePrefix + uuidOf(id) }

// PolicyName returns the name of the policy that is made for a job.
func PolicyName(id string) string { return policyPrefix + uuidOf(id) }

const (
	rolePrefix   = "oss-replication-"
	policyPrefix = "replidesk-"
)

// statement is one statement of a RAM policy.
type statement struct {
	Effect    string
	Action    any
	Resource  any `json:",omitempty"`
	Principal any `json:",omitempty"`
}

type document struct {
	Version   string
	Statement []statement
}

func (d document) String() string {
	b, err := json.Marshal(d)
	if err != nil { // strings and slices of strings always marshal
		return ""
	}
	return string(b)
}

// TrustPolicy returns the trust policy of a replication role: OSS may assume it,
// nobody else. [fact 19]
func TrustPolicy() string {
	return document{Version: "1", Statement: []statement{{
		Effect: "Allow", Action: "sts:AssumeRole",
		Principal: map[string][]string{"Service": {"oss.aliyuncs.com"}},
	}}}.String()
}

// RolePolicy returns the least-privilege policy of the role of a pair: list and get on
// the source; within one account also list, get and put on the destination, and delete
// there only when deletes are replicated. [fact 20] Bucket policies do not count then,
// so none is read or written. [fact 21] Across accounts the bucket policy of the
// destination gives these, see [GrantFor], and what the role has there counts for
// nothing. [fact 69] Of a role that was made beforehand it gives the rights to keys as
// well; a new one gets the system policy for these. [fact 63] [fact 78]
func RolePolicy(r Request) string {
	on := func(bucket string) []string { return []string{"acs:oss:*:*:" + bucket, "acs:oss:*:*:" + bucket + "/*"} }
	d := document{Version: "1", Statement: []statement{{Effect: "Allow", Action: replicateReads, Resource: on(r.Source.Bucket)}}}
	if !r.Across() {
		d.Statement = append(d.Statement, statement{Effect: "Allow", Action: replicateWrites(r), Resource: on(r.Destination.Bucket)})
	}
	if r.Role.Type == RoleCustom {
		d.Statement = append(d.Statement, keyStatements(r)...)
	}
	return d.String()
}

// replicateReads is what the role does at the source.
var replicateReads = []string{"oss:ReplicateList", "oss:ReplicateGet"}

// replicateWrites is what the role does at the destination.
func replicateWrites(r Request) []string {
	write := append(slices.Clone(replicateReads), "oss:ReplicatePut")
	if r.ReplicateDeletes {
		write = append(write, "oss:ReplicateDelete")
	}
	return write
}

// SameDocument reports whether two policy documents mean the same: RAM may return
// a document in another form than it was given. A string and a list with that one
// string are the same; the order of a list does not matter. [fact 22]
func SameDocument(a, b string) bool {
	x, errA := canonical(a)
	y, errB := canonical(b)
	return errA == nil && errB == nil && reflect.DeepEqual(x, y)
}

func canonical(doc string) (any, error) {
	var v any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return nil, err
	}
	return normal(v), nil
}

func normal(v any) any {
	switch t := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(t))
		for k, e := range t {
			n := normal(e)
			if _, one := e.(string); one && k != "Effect" && k != "Version" {
				n = []any{e}
			}
			m[k] = n
		}
		return m
	case []any:
		l := make([]any, len(t))
		for i, e := range t {
			l[i] = normal(e)
		}
		slices.SortFunc(l, func(a, b any) int {
			x, errA := json.Marshal(a)
			y, errB := json.Marshal(b)
			if errA != nil || errB != nil {
				return 0
			}
			return slices.Compare(x, y)
		})
		return l
	}
	return v
}
