package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Flaw is the class of what is wrong with a document; OSS answers each class of a
// bucket policy with an error number of its own.
type Flaw string

// The flaws.
const (
	FlawSyntax    Flaw = "syntax"    // not JSON, a wrong type, an unknown or missing element
	FlawVersion   Flaw = "version"   // Version is missing or is not the string "1"
	FlawWildcards Flaw = "wildcards" // a run of asterisks in a bucket policy
	FlawItemSize  Flaw = "item size" // an item of a bucket policy is longer than 4,095 bytes
)

// maxBucketItem is the longest single item of a bucket policy, in bytes.
const maxBucketItem = 4095

// A MalformedError says where a document is malformed and why.
type MalformedError struct {
	Path   string // such as "Statement[0].Condition"; "" for the document itself
	Flaw   Flaw
	Reason string
}

func (e *MalformedError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

func malformed(path, format string, args ...any) error {
	return &MalformedError{Path: path, Flaw: FlawSyntax, Reason: fmt.Sprintf(format, args...)}
}

// Parse reads a document of the given kind. The error is a *[MalformedError].
func Parse(kind Kind, text []byte) (*Document, error) {
	top, err := readObject(text)
	if err != nil {
		return nil, err
	}
	if err := onlyElements("", top, "Version", "Statement"); err != nil {
		return nil, err
	}
	if v, _ := top.get("Version"); v != "1" {
		return nil, &MalformedError{Path: "Version", Flaw: FlawVersion, Reason: `must be the string "1"`}
	}
	v, ok := top.get("Statement")
	if !ok {
		return nil, malformed("", "the element Statement is missing")
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, malformed("Statement", "must be a list with at least one statement")
	}
	d := &Document{Kind: kind}
	for i, item := range list {
		path := fmt.Sprintf("Statement[%d]", i)
		o, ok := item.(object)
		if !ok {
			return nil, malformed(path, "must be an object")
		}
		s, err := parseStatement(kind, path, o)
		if err != nil {
			return nil, err
		}
		d.Statements = append(d.Statements, s)
	}
	return d, nil
}

// AsMalformed returns the error of [Parse] with its details.
func AsMalformed(err error) (*MalformedError, bool) {
	return errors.AsType[*MalformedError](err)
}

func parseStatement(kind Kind, path string, o object) (Statement, error) {
	var s Statement
	if err := onlyElements(path, o, statementElements(kind)...); err != nil {
		return s, err
	}
	if sid, given := o.get("Sid"); given && !isSid(sid) {
		return s, malformed(path+".Sid", "must be a string of at most 128 letters, digits, blanks and _/+=.@-")
	}
	switch v, _ := o.get("Effect"); v {
	case "Allow":
		s.Effect = Allow
	case "Deny":
		s.Effect = Deny
	default:
		return s, malformed(path+".Effect", `must be "Allow" or "Deny"`)
	}
	var err error
	if s.Actions, s.NotAction, err = eitherList(kind, path, o, "Action"); err != nil {
		return s, err
	}
	for _, a := range s.Actions {
		if !isAction(kind, a) {
			return s, malformed(path+".Action", "%q is not an action of the form service:Name", a)
		}
	}
	if kind != Trust {
		if s.Resources, s.NotResource, err = eitherList(kind, path, o, "Resource"); err != nil {
			return s, err
		}
		for _, r := range s.Resources {
			if !isResource(kind, r) {
				return s, malformed(path+".Resource", "%q is not a resource of the form acs:service:region:account:name", r)
			}
		}
	}
	if kind != Identity {
		if s.Principals, s.NotPrincipal, err = parsePrincipals(kind, path, o); err != nil {
			return s, err
		}
	}
	s.Conditions, err = parseConditions(path, o)
	return s, err
}

// statementElements are the elements that a statement may have.
func statementElements(kind Kind) []string {
	switch kind {
	case Trust:
		return []string{"Effect", "Action", "NotAction", "Condition", "Principal"}
	case Bucket:
		return []string{"Effect", "Action", "NotAction", "Condition", "Resource", "NotResource", "Principal", "NotPrincipal"}
	case Key:
		return []string{"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
	}
	return []string{"Effect", "Action", "NotAction", "Condition", "Resource", "NotResource"}
}

// isSid accepts the identifier of a statement. The page lists the characters
// without the blank, which its own samples have.
func isSid(v any) bool {
	s, ok := v.(string)
	return ok && len(s) <= 128 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _/+=.@-") == ""
}

func onlyElements(path string, o object, allowed ...string) error {
	for _, m := range o {
		if !slices.Contains(allowed, m.name) {
			return malformed(path, "unknown element %q", m.name)
		}
	}
	return nil
}

// eitherList reads an element or its Not form; exactly one of them must be there.
func eitherList(kind Kind, path string, o object, name string) (list []string, not bool, err error) {
	v, plain := o.get(name)
	n, negated := o.get("Not" + name)
	switch {
	case plain && negated:
		return nil, false, malformed(path, "has both %s and Not%s", name, name)
	case !plain && !negated:
		return nil, false, malformed(path, "has neither %s nor Not%s", name, name)
	case negated:
		v, not, name = n, true, "Not"+name
	}
	list, err = stringList(kind, path+"."+name, v)
	return list, not, err
}

// stringList reads a string or a list of strings that is not empty.
func stringList(kind Kind, path string, v any) ([]string, error) {
	if s, ok := v.(string); ok {
		v = []any{s}
	}
	items, ok := v.([]any)
	if !ok || len(items) == 0 {
		return nil, malformed(path, "must be a string or a list of strings that is not empty")
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := item.(string)
		if !ok || s == "" {
			return nil, malformed(path, "must hold strings that are not empty")
		}
		if kind == Bucket && strings.Contains(s, "**") {
			return nil, &MalformedError{Path: path, Flaw: FlawWildcards, Reason: "has a run of asterisks"}
		}
		if kind == Bucket && len(s) > maxBucketItem {
			return nil, &MalformedError{Path: path, Flaw: FlawItemSize, Reason: "has an item longer than 4095 bytes"}
		}
		list = append(list, s)
	}
	return list, nil
}

func parsePrincipals(kind Kind, path string, o object) ([]Principal, bool, error) {
	if kind == Bucket {
		list, not, err := eitherList(kind, path, o, "Principal")
		if err != nil {
			return nil, false, err
		}
		var ps []Principal
		for _, s := range list {
			p, ok := parseBucketPrincipal(s)
			if !ok {
				return nil, false, malformed(path+".Principal", "%q is neither a UID nor arn:sts::UID:assumed-role/role/session nor *", s)
			}
			ps = append(ps, p)
		}
		return ps, not, nil
	}
	path += ".Principal"
	v, _ := o.get("Principal")
	byType, ok := v.(object)
	if !ok || len(byType) == 0 {
		return nil, false, malformed(path, `must be an object such as {"Service": ["oss.aliyuncs.com"]}`)
	}
	var ps []Principal
	for _, m := range byType {
		list, err := stringList(kind, path+"."+m.name, m.value)
		if err != nil {
			return nil, false, err
		}
		for _, s := range list {
			p, ok := Principal{Form: FormService, Name: s}, isService(s)
			switch {
			case m.name == "Service" && kind == Trust:
			case m.name == "RAM" && kind == Trust:
				p, ok = parseTrustPrincipal(s)
			case m.name == "RAM":
				p, ok = parseKeyPrincipal(s)
			default:
				return nil, false, malformed(path, "unknown kind of principal %q", m.name)
			}
			if !ok {
				return nil, false, malformed(path+"."+m.name, "%q is not a principal of this kind", s)
			}
			ps = append(ps, p)
		}
	}
	return ps, false, nil
}

func parseConditions(path string, o object) ([]Condition, error) {
	v, ok := o.get("Condition")
	if !ok {
		return nil, nil
	}
	path += ".Condition"
	operators, ok := v.(object)
	if !ok {
		return nil, malformed(path, "must be an object")
	}
	var cs []Condition
	for _, m := range operators {
		op, ok := operatorNamed(m.name)
		if !ok {
			return nil, malformed(path, "unknown condition operator %q", m.name)
		}
		keys, ok := m.value.(object)
		if !ok || len(keys) == 0 {
			return nil, malformed(path+"."+m.name, "must be an object with at least one condition key")
		}
		for _, k := range keys {
			typ, ok := conditionKeyNamed(k.name)
			if !ok {
				return nil, malformed(path+"."+m.name, "unknown condition key %q", k.name)
			}
			if typ != op.typ {
				return nil, malformed(path+"."+m.name, "the condition key %q is of type %s", k.name, typ)
			}
			values, err := conditionValues(path+"."+m.name+"."+k.name, typ, k.value)
			if err != nil {
				return nil, err
			}
			cs = append(cs, Condition{Operator: m.name, Key: k.name, Values: values, op: op})
		}
	}
	return cs, nil
}

// conditionValues reads one value or a list; numbers and Booleans may come bare.
func conditionValues(path string, typ valueType, v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	if len(items) == 0 {
		return nil, malformed(path, "must have at least one value")
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		var s string
		switch x := item.(type) {
		case string:
			s = x
		case bool:
			s = fmt.Sprint(x)
		case number:
			s = string(x)
		default:
			return nil, malformed(path, "must be a string, number or Boolean, or a list of them")
		}
		if !validValue(typ, s) {
			return nil, malformed(path, "%q is not of type %s", s, typ)
		}
		list = append(list, s)
	}
	return list, nil
}

func isAction(kind Kind, s string) bool {
	if s == "*" {
		return kind == Identity || kind == Bucket
	}
	service, name, ok := strings.Cut(s, ":")
	if !ok || service == "" || name == "" {
		return false
	}
	switch {
	case kind == Bucket && service != "oss", kind == Trust && service != "sts", kind == Key && service != "kms":
		return false
	}
	for _, r := range service + name {
		if r >= utf8.RuneSelf || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*?", r) {
			return false
		}
	}
	return true
}

func isResource(kind Kind, s string) bool {
	if s == "*" {
		return kind != Bucket
	}
	f := strings.SplitN(s, ":", resourceFields)
	if kind == Key || len(f) != resourceFields || f[0] != "acs" || f[1] == "" || f[4] == "" {
		return false
	}
	return kind != Bucket || f[1] == "oss"
}
