package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

func notExist(what, message string) *Error {
	return refuse(404, "EntityNotExist."+what, message)
}

func noRole() *Error   { return notExist("Role", "The role does not exist.") }
func noPolicy() *Error { return notExist("Policy", "The policy does not exist.") }

func limitExceeded(what, message string) *Error {
	return refuse(409, "LimitExceeded."+what, message)
}

func invalidChars(parameter string) *Error {
	return refuse(400, "InvalidParameter."+parameter+".InvalidChars", fmt.Sprintf("The parameter - %q contains invalid chars.", parameter))
}

func invalidLength(parameter string) *Error {
	return refuse(400, "InvalidParameter."+parameter+".Length", fmt.Sprintf("The parameter - %q beyond the length limit.", parameter))
}

func malformedDocument(reason string) *Error {
	return refuse(400, "MalformedPolicyDocument", "The policy document is malformed: "+reason)
}

// checkName checks a role or policy name: letters, digits, hyphens and the
// characters of extra.
func checkName(parameter, name string, longest int, extra string) *Error {
	if name == "" || len(name) > longest {
		return invalidLength(parameter)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', strings.ContainsRune(extra, r):
		default:
			return invalidChars(parameter)
		}
	}
	return nil
}

// The documents disagree on underscores in role names; they are refused here.
func checkRoleName(name string) *Error { return checkName("RoleName", name, 64, ".") }

func checkPolicyName(name string) *Error { return checkName("PolicyName", name, 128, "") }

func checkDescription(parameter, text string) *Error {
	if utf8.RuneCountInString(text) > 1024 {
		return invalidLength(parameter)
	}
	return nil
}

// checkSession checks a role's MaxSessionDuration.
func checkSession(parameter string, d time.Duration) *Error {
	if d < time.Hour || d > 12*time.Hour {
		return refuse(400, "InvalidParameter."+parameter, fmt.Sprintf("The parameter - %q must be in the range of 3600 and 43200.", parameter))
	}
	return nil
}

func checkPolicyType(typ string) *Error {
	if typ != TypeSystem && typ != TypeCustom {
		return refuse(400, "InvalidParameter.PolicyType", `The parameter - "PolicyType" is incorrect.`)
	}
	return nil
}

// readDocument parses a document and gives it the form that RAM answers with.
func readDocument(kind policy.Kind, text []byte) (*policy.Document, []byte, *Error) {
	d, err := policy.Parse(kind, text)
	if err != nil {
		return nil, nil, malformedDocument(err.Error())
	}
	return d, reformat(text), nil
}

// reformat writes a sound document with its elements in alphabetical order and
// indented, or compact when it came like that. The meaning stays, the bytes do
// not: whether RAM keeps a document as it was put is not documented, so nobody may
// compare text.
func reformat(text []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return text
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if enc.Encode(v) != nil {
		return text
	}
	out := bytes.TrimSpace(buf.Bytes())
	if !bytes.Equal(out, text) {
		return out
	}
	var compact bytes.Buffer
	if json.Compact(&compact, out) != nil {
		return text
	}
	return compact.Bytes()
}
