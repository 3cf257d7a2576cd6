package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// A Desk is the desk file: what a deployment sets and does not fit into single
// variables. Without a file it is zero.
type Desk struct {
	// Accounts are the other accounts that the desk may have to do with. Its own is
	// not among them.
	Accounts []Account `json:"accounts"`
}

// An Account is an account that the functions do not work in.
type Account struct {
	UID string `json:"uid"`
	// Role is the ARN of the role to assume there; "" means that the account's owner
	// applies by hand what has to be done there (handshake).
	Role string `json:"role,omitempty"`
}

// ParseDesk reads a desk file strictly: unknown, doubled and differently spelt
// fields are refused. It returns everything that is wrong in one error.
func ParseDesk(b []byte) (Desk, error) {
	var d Desk
	errs := strangers[Desk](b)
	if len(errs) == 0 {
		if err := json.Unmarshal(b, &d); err != nil {
			return Desk{}, describe(err)
		}
		errs = d.check()
	}
	if err := errors.Join(errs...); err != nil {
		return Desk{}, err
	}
	return d, nil
}

// describe words a decoding error without Go's type names.
func describe(err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return fmt.Errorf("%s is a JSON %s, which does not fit here", t.Field, t.Value)
	}
	return err
}

var roleForm = regexp.MustCompile(`^acs:ram::([0-9]{5,20}):role/[A-Za-z0-9.-]{1,64}$`)

func (d Desk) check() (errs []error) {
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	for i, a := range d.Accounts {
		at := fmt.Sprintf("accounts[%d]", i)
		if !uidForm.MatchString(a.UID) {
			add("%s.uid: %q is not the UID of an account", at, a.UID)
			continue
		}
		if seen[a.UID] {
			add("%s.uid: %s is there twice", at, a.UID)
		}
		seen[a.UID] = true
		if m := roleForm.FindStringSubmatch(a.Role); a.Role != "" && (m == nil || m[1] != a.UID) {
			add("%s.role: %q is not the ARN of a role of account %s, such as acs:ram::%s:role/replidesk-destination", at, a.Role, a.UID, a.UID)
		}
	}
	return errs
}

// own finds the account of the deployment among the other ones.
func (d Desk) own(account string) error {
	for i, a := range d.Accounts {
		if a.UID == account {
			return fmt.Errorf("accounts[%d]: %s is the account that the functions work in, and needs no entry", i, a.UID)
		}
	}
	return nil
}

// readDesk reads the desk file, which lies beside the executable unless its name is
// absolute: that is where a deployment package has it.
func readDesk(name string) (Desk, error) {
	if !filepath.IsAbs(name) {
		exe, err := os.Executable()
		if err != nil {
			return Desk{}, err
		}
		name = filepath.Join(filepath.Dir(exe), name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return Desk{}, err
	}
	d, err := ParseDesk(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	if err != nil {
		return Desk{}, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}
