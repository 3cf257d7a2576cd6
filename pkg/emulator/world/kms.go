package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// The states of a key.
const (
	KeyEnabled         = "Enabled"
	KeyDisabled        = "Disabled"
	KeyPendingDeletion = "PendingDeletion"
	KeyPendingImport   = "PendingImport" // its material was never brought; there is no call here that brings it
)

// A Key is a key of KMS. What the world hands out is a copy.
type Key struct {
	ID, Account, Region string // Account is the UID
	Spec                string // "Aliyun_AES_256", ...
	Usage               string // "ENCRYPT/DECRYPT" or "SIGN/VERIFY"
	Origin              string // "Aliyun_KMS" or "EXTERNAL"
	Protection          string // "SOFTWARE" or "HSM"
	Description         string
	State               string
	Instance            string // id of its KMS instance; "" for a default key
	Service             string // the service that it was made for, such as "Oss"; "" for a user's own
	Version             string // id of its one version; "" for an asymmetric key
	Created             time.Time
	Deletes             time.Time // when it goes for good; zero unless its deletion is pending
	Policy              []byte    // key policy as it was set; nil outside of an instance

	secret *[32]byte // behind a pointer, so that no print of a key shows it
}

// ARN returns the key's full name, such as acs:kms:cn-hangzhou:<uid>:key/<id>.
func (k *Key) ARN() string { return keyARN(k.Region, k.Account, k.ID) }

func keyARN(region, uid, id string) string { return "acs:kms:" + region + ":" + uid + ":key/" + id }

// symmetric reports whether the key encrypts data and data keys.
func (k *Key) symmetric() bool { return strings.HasPrefix(k.Spec, "Aliyun_") }

// splitKeyARN takes acs:kms:<region>:<uid>:key/<id> apart.
func splitKeyARN(arn string) (region, uid, id string, ok bool) {
	f := strings.Split(arn, ":")
	if len(f) != 5 || f[0] != "acs" || f[1] != "kms" {
		return "", "", "", false
	}
	id, ok = strings.CutPrefix(f[4], "key/")
	return f[2], f[3], id, ok && id != ""
}

// kms is what the world keeps of KMS. Keys are found by ARN, aliases by
// region/uid/name.
type kms struct {
	keys      map[string]*Key
	versions  map[string]*Key // by version id
	aliases   map[string]*alias
	instances map[string]*kmsInstance
	before    map[string]*Key // a key as it was before its last change; nil: it did not exist
}

func newKMS() kms {
	return kms{
		keys: map[string]*Key{}, versions: map[string]*Key{}, aliases: map[string]*alias{},
		instances: map[string]*kmsInstance{}, before: map[string]*Key{},
	}
}

// kmsInstance is a bought instance of KMS.
type kmsInstance struct {
	account, region string
	access          int // access management quantity: accounts that may use its keys, the own one included
}

// NewKMSInstance buys an instance of KMS. Keys in it have a policy of their own and,
// from an access quantity of 2 on, may be used by other accounts: the quantity is
// how many accounts there may be, the own one included. It panics when the account
// does not exist.
func (w *World) NewKMSInstance(uid, region string, accessQuantity int) (id string) {
	w.enter()
	defer w.mu.Unlock()
	w.mustAccount(uid)
	id = "kst-" + w.hex(20)
	w.kms.instances[id] = &kmsInstance{account: uid, region: region, access: accessQuantity}
	return id
}

// SetKMSAccessQuantity changes what was bought. It panics when there is no such instance.
func (w *World) SetKMSAccessQuantity(instance string, accessQuantity int) {
	w.enter()
	defer w.mu.Unlock()
	i := w.kms.instances[instance]
	if i == nil {
		panic("world: no KMS instance " + instance)
	}
	i.access = accessQuantity
}

// A KMSCaller is who calls KMS, and where.
type KMSCaller struct {
	Principal Principal
	Region    string
	Context   map[string]string // condition keys and their values
}

func keyNotFound() *Error {
	return refuse(404, "Forbidden.KeyNotFound", "The specified Key is not found.")
}

func kmsParameter(name string) *Error {
	return refuse(400, "InvalidParameter", fmt.Sprintf("The specified parameter %q is not valid.", name))
}

func unsupported(message string) *Error {
	return refuse(400, "Rejected.UnsupportedOperation", message)
}

// permit asks the policies about one action. k may be nil: then the resource is in
// the caller's own account and has no policy of its own.
func (w *World) permit(c KMSCaller, action, resource string, k *Key, now time.Time) *Error {
	a := Access{Action: "kms:" + action, Resource: resource, Owner: c.Principal.Account, Context: c.Context}
	if k != nil {
		a.Owner, a.ResourcePolicy = k.Account, k.Policy
	}
	v := w.authorize(c.Principal, a, now)
	if v == Allow && (k == nil || w.lends(k, c.Principal.Account)) {
		return nil
	}
	e := NoPermission(c.Principal, a.Action, v, "This operation is forbidden by permission system.")
	e.Code = "Forbidden.NoPermission"
	return e
}

// lends reports whether a key may be used from an account at all: from another than
// its own only when it is in an instance that was bought for more than one.
func (w *World) lends(k *Key, uid string) bool {
	if k.Account == uid {
		return true
	}
	i := w.kms.instances[k.Instance]
	return i != nil && i.access >= 2
}

// findKey resolves the id, alias or ARN of a key and asks whether the caller may do
// this to it. A key of another account is found by its ARN only. The right is asked
// for before it is said that a key does not exist.
func (w *World) findKey(c KMSCaller, action, name string, v View, now time.Time) (*Key, *Error) {
	region, uid, id := c.Region, c.Principal.Account, name
	if strings.HasPrefix(name, "alias/") {
		a := w.kms.aliases[aliasName(c.Region, uid, name)]
		if a == nil {
			if e := w.permit(c, action, keyARN(region, uid, name), nil, now); e != nil {
				return nil, e
			}
			return nil, refuse(404, "Forbidden.AliasNotFound", "The specified Alias is not found.")
		}
		id = a.key
	} else if strings.HasPrefix(name, "acs:") {
		var ok bool
		if region, uid, id, ok = splitKeyARN(name); !ok {
			return nil, kmsParameter("KeyId")
		}
	}
	arn := keyARN(region, uid, id)
	k := w.keyIn(v, arn)
	if k == nil && uid != c.Principal.Account {
		k = &Key{Account: uid} // nothing is said about what another account has
	}
	if e := w.permit(c, action, arn, k, now); e != nil {
		return nil, e
	}
	if k == nil || region != c.Region {
		return nil, keyNotFound()
	}
	return k, nil
}

func (w *World) keyIn(v View, arn string) *Key {
	if v.Stale {
		if was, changed := w.kms.before[arn]; changed {
			return was
		}
	}
	return w.kms.keys[arn]
}

// keepKey remembers a key as it is, before a change.
func (w *World) keepKey(arn string) {
	var was *Key
	if k := w.kms.keys[arn]; k != nil {
		c := *k
		was = &c
	}
	w.kms.before[arn] = was
}

// changeKey alters a key that stays.
func (w *World) changeKey(k *Key, change func(k *Key)) {
	w.keepKey(k.ARN())
	change(w.kms.keys[k.ARN()])
	w.broadcast()
}

// usable refuses what only an enabled key does.
func (k *Key) usable() *Error {
	if k.State == KeyEnabled {
		return nil
	}
	return refuse(409, "Rejected."+k.State, "The request was rejected because the key state is "+k.State+".")
}

// strangers are the other accounts that a key policy speaks of.
func strangers(owner string, d *policy.Document) (uids []string) {
	for _, s := range d.Statements {
		for _, p := range s.Principals {
			if p.UID != owner && !slices.Contains(uids, p.UID) {
				uids = append(uids, p.UID)
			}
		}
	}
	return uids
}
