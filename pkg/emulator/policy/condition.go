package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Condition is one operator applied to one key. It holds when the value of the
// request compares with at least one of its values; a negated one when it compares
// with none of them.
type Condition struct {
	Operator string
	Key      string
	Values   []string

	op operator
}

func (c Condition) holds(context map[string]string) bool {
	got, ok := context[c.Key]
	if !ok {
		return c.op.negated
	}
	for _, want := range c.Values {
		if c.op.compare(got, want) {
			return !c.op.negated
		}
	}
	return c.op.negated
}

// valueType is the type of a condition key and of the operators that fit it.
type valueType string

const (
	typeString  valueType = "String"
	typeNumeric valueType = "Numeric"
	typeDate    valueType = "Date"
	typeBool    valueType = "Bool"
	typeIP      valueType = "IpAddress"
)

type operator struct {
	typ     valueType
	negated bool
	compare func(got, want string) bool
}

// operatorNamed returns a condition operator of RAM. Operators of other clouds
// (ArnLike, Null, ForAllValues and the IfExists suffix) do not exist.
func operatorNamed(name string) (operator, bool) {
	switch name {
	case "StringEquals":
		return operator{typeString, false, func(got, want string) bool { return got == want }}, true
	case "StringNotEquals":
		return operator{typeString, true, func(got, want string) bool { return got == want }}, true
	case "StringEqualsIgnoreCase":
		return operator{typeString, false, strings.EqualFold}, true
	case "StringNotEqualsIgnoreCase":
		return operator{typeString, true, strings.EqualFold}, true
	case "StringLike":
		return operator{typeString, false, func(got, want string) bool { return Match(want, got) }}, true
	case "StringNotLike":
		return operator{typeString, true, func(got, want string) bool { return Match(want, got) }}, true
	case "Bool":
		return operator{typeBool, false, func(got, want string) bool { return got == want }}, true
	case "IpAddress":
		return operator{typeIP, false, inRange}, true
	case "NotIpAddress":
		return operator{typeIP, true, inRange}, true
	}
	if rest, ok := strings.CutPrefix(name, "Numeric"); ok {
		return ordered(typeNumeric, rest, compareNumbers)
	}
	if rest, ok := strings.CutPrefix(name, "Date"); ok {
		return ordered(typeDate, rest, compareDates)
	}
	return operator{}, false
}

// ordered builds the six operators of a type whose values have an order. compare
// gives the sign of got against want, and false when got is not of the type.
func ordered(typ valueType, rest string, compare func(got, want string) (int, bool)) (operator, bool) {
	by := func(holds func(sign int) bool) func(got, want string) bool {
		return func(got, want string) bool {
			sign, ok := compare(got, want)
			return ok && holds(sign)
		}
	}
	switch rest {
	case "Equals":
		return operator{typ, false, by(func(s int) bool { return s == 0 })}, true
	case "NotEquals":
		return operator{typ, true, by(func(s int) bool { return s == 0 })}, true
	case "LessThan":
		return operator{typ, false, by(func(s int) bool { return s < 0 })}, true
	case "LessThanEquals":
		return operator{typ, false, by(func(s int) bool { return s <= 0 })}, true
	case "GreaterThan":
		return operator{typ, false, by(func(s int) bool { return s > 0 })}, true
	case "GreaterThanEquals":
		return operator{typ, false, by(func(s int) bool { return s >= 0 })}, true
	}
	return operator{}, false
}

// conditionKeys are the keys that can be evaluated here, with their types.
var conditionKeys = [...]struct {
	name string
	typ  valueType
}{
	{"acs:SourceIp", typeIP},
	{"acs:SourceVpc", typeString},
	{"acs:SecureTransport", typeBool},
	{"acs:TLSVersion", typeNumeric}, // 1.2; not known of a call without TLS
	{"acs:CurrentTime", typeDate},
	{"acs:MFAPresent", typeBool},
	{"acs:Service", typeString}, // of ram:PassRole
	{"oss:Prefix", typeString},
	{"oss:Delimiter", typeString},
	{"oss:x-oss-acl", typeString},
	{"oss:x-oss-object-acl", typeString},
	{"oss:x-oss-forbid-overwrite", typeString},
	{"oss:x-oss-server-side-encryption", typeString},
	{"oss:x-oss-storage-class", typeString},
	{"oss:x-oss-tagging", typeString},
}

func conditionKeyNamed(name string) (valueType, bool) {
	for _, k := range conditionKeys {
		if k.name == name {
			return k.typ, true
		}
	}
	return "", false
}

// validValue reports whether a value can be compared as the type.
func validValue(typ valueType, v string) bool {
	switch typ {
	case typeNumeric:
		_, err := strconv.ParseFloat(v, 64)
		return err == nil
	case typeDate:
		_, err := time.Parse(time.RFC3339, v)
		return err == nil
	case typeBool:
		return v == "true" || v == "false"
	case typeIP:
		_, ok := parseRange(v)
		return ok
	}
	return true
}

func compareNumbers(got, want string) (int, bool) {
	g, err := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	switch {
	case err != nil || err2 != nil:
		return 0, false
	case g < w:
		return -1, true
	case g > w:
		return 1, true
	}
	return 0, g == w // NaN compares with nothing
}

func compareDates(got, want string) (int, bool) {
	g, err := time.Parse(time.RFC3339, got)
	w, err2 := time.Parse(time.RFC3339, want)
	if err != nil || err2 != nil {
		return 0, false
	}
	return g.Compare(w), true
}

func inRange(got, want string) bool {
	addr, err := netip.ParseAddr(got)
	r, ok := parseRange(want)
	return err == nil && ok && r.Contains(addr.Unmap())
}

func parseRange(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}
