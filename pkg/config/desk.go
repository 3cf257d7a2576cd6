package config

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A Desk is the desk file: what a deployment sets and does not fit into single
// variables. Without a file it is zero.
type Desk struct {
	// Accounts are the other accounts that the desk may have to do with. Its own is
	// not among them.
	Accounts []Account `json:"accounts,omitempty"`
	// Pairs is the allow-list. What no entry matches is refused, so without entries
	// nothing is replicated.
	Pairs []Pair `json:"pairs,omitempty"`
	// Residency says where the data of some sources has to stay.
	Residency []Residency `json:"residency,omitempty"`
	// Approvers are those whose signatures under tickets count.
	Approvers []Approver `json:"approvers,omitempty"`
	Caps      Caps       `json:"caps,omitzero"`
	// ObserveOnly keeps the desk from changing anything.
	ObserveOnly bool `json:"observeOnly,omitempty"`
}

// Caps limit how many rules the desk makes; nil is no limit.
type Caps struct {
	RulesPerHour    *int `json:"rulesPerHour,omitempty"`
	RulesPerAccount *int `json:"rulesPerAccount,omitempty"`
}

// An Approver is somebody whose signature counts.
type Approver struct {
	Name string `json:"name"`
	Key  string `json:"key"` // Ed25519 public key, 32 bytes in base64
}

// PublicKey returns the key. A desk file that was read has no others than good ones.
func (a Approver) PublicKey() (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%q is not an Ed25519 public key: 32 bytes in base64", a.Key)
	}
	return b, nil
}

// A Pair is an entry of the allow-list: patterns in which "*" stands for any characters.
type Pair struct {
	Source      End `json:"source"`
	Destination End `json:"destination"`
}

// An End is the pattern of one end of a pair.
type End struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Bucket  string `json:"bucket"`
}

// Residency says for the sources that match Account and Bucket in which regions
// their data may be. All are patterns.
type Residency struct {
	Account string   `json:"account"`
	Bucket  string   `json:"bucket"`
	Regions []string `json:"regions"`
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
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // as some editors begin a file
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

// maxCap is the largest cap: the slots of all rules under it are one small object.
const maxCap = 5000

// A finding adds a problem to those that were found.
type finding func(format string, args ...any)

func (d Desk) check() (errs []error) {
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	d.checkAccounts(add)
	d.checkApprovers(add)
	for at, n := range map[string]*int{"caps.rulesPerHour": d.Caps.RulesPerHour, "caps.rulesPerAccount": d.Caps.RulesPerAccount} {
		if n != nil && (*n < 1 || *n > maxCap) {
			add("%s: %d is not a number from 1 to %d; left out there is no cap, and observeOnly allows none", at, *n, maxCap)
		}
	}
	for i, p := range d.Pairs {
		p.Source.check(add, fmt.Sprintf("pairs[%d].source", i))
		p.Destination.check(add, fmt.Sprintf("pairs[%d].destination", i))
	}
	for i, r := range d.Residency {
		at := fmt.Sprintf("residency[%d]", i)
		accountPattern.check(add, at+".account", r.Account)
		bucketPattern.check(add, at+".bucket", r.Bucket)
		if len(r.Regions) == 0 {
			add("%s.regions: there is no region, so nothing could be replicated; take it off the allow-list instead", at)
		}
		for k, region := range r.Regions {
			regionPattern.check(add, fmt.Sprintf("%s.regions[%d]", at, k), region)
		}
	}
	return errs
}

func (d Desk) checkApprovers(add finding) {
	names, keys := map[string]bool{}, map[string]bool{}
	for i, a := range d.Approvers {
		at := fmt.Sprintf("approvers[%d]", i)
		name := strings.ToLower(strings.Join(strings.Fields(a.Name), ""))
		if name == "" || len(a.Name) > 256 {
			add("%s.name: a name has 1 to 256 bytes", at)
		}
		if names[name] {
			add("%s.name: %s is there twice; case and spaces make no difference", at, a.Name)
		}
		key, err := a.PublicKey()
		if err != nil {
			add("%s.key: %w", at, err)
		}
		if err == nil && keys[string(key)] { // base64 can write one key in several ways
			add("%s.key: the key is there twice, and one person is not two", at)
		}
		names[name], keys[string(key)] = true, true
	}
}

// A pattern says what may stand in a pattern for one sort of names.
type pattern struct {
	form *regexp.Regexp
	what string
}

var (
	accountPattern = pattern{regexp.MustCompile(`^[0-9*]{1,20}$`), "the UID of an account"}
	regionPattern  = pattern{regexp.MustCompile(`^[a-z0-9*-]{1,64}$`), "a region"}
	bucketPattern  = pattern{regexp.MustCompile(`^[a-z0-9*-]{1,63}$`), "a bucket"}
)

func (p pattern) check(add finding, at, v string) {
	if !p.form.MatchString(v) {
		add("%s: %q does not match %s; \"*\" alone matches any", at, v, p.what)
	}
}

func (e End) check(add finding, at string) {
	accountPattern.check(add, at+".account", e.Account)
	regionPattern.check(add, at+".region", e.Region)
	bucketPattern.check(add, at+".bucket", e.Bucket)
}

func (d Desk) checkAccounts(add finding) {
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
	d, err := ParseDesk(b)
	if err != nil {
		return Desk{}, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}
