package world

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// The usages of a key.
const (
	usageEncrypt = "ENCRYPT/DECRYPT"
	usageSign    = "SIGN/VERIFY"
)

// keySpecs are the kinds of key and what each may be used for, the usual first.
// Keys of every symmetric kind work with AES-256 here; asymmetric ones do not work.
var keySpecs = map[string][]string{
	"Aliyun_AES_256": {usageEncrypt},
	"Aliyun_SM4":     {usageEncrypt},
	"RSA_2048":       {usageEncrypt, usageSign},
	"RSA_3072":       {usageEncrypt, usageSign},
	"EC_P256":        {usageSign},
	"EC_P256K":       {usageSign},
	"EC_SM2":         {usageEncrypt, usageSign},
}

// A NewKey is what CreateKey takes. Empty fields take the defaults of KMS.
type NewKey struct {
	Spec, Usage, Origin, Protection string
	Description                     string
	Instance                        string // id of a KMS instance
	Policy                          string // only with an instance
}

// CreateKey makes a key. It is enabled, unless its material is to come from outside.
// It refuses with InvalidParameter, and with Rejected.LimitExceeded when the policy
// lets more accounts in than were bought.
func (w *World) CreateKey(c KMSCaller, in NewKey) (Key, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	uid := c.Principal.Account
	if e := w.permit(c, "CreateKey", "acs:kms:"+c.Region+":"+uid+":key", nil, now); e != nil {
		return Key{}, e
	}
	k, e := in.check()
	if e != nil {
		return Key{}, e
	}
	k.Account, k.Region = uid, c.Region
	if k.Instance != "" {
		i := w.kms.instances[k.Instance]
		if i == nil || i.account != uid || i.region != c.Region {
			return Key{}, kmsParameter("DKMSInstanceId")
		}
		k.Policy = []byte(`{"Statement":[{"Action":["kms:*"],"Effect":"Allow","Principal":{"RAM":["acs:ram::` + uid +
			`:*"]},"Resource":["*"],"Sid":"kms default key policy"}],"Version":"1"}`)
	}
	if in.Policy != "" {
		if k.Policy == nil {
			return Key{}, kmsParameter("Policy")
		}
		if e := w.checkKeyPolicy(&k, in.Policy); e != nil {
			return Key{}, e
		}
		k.Policy = []byte(in.Policy)
	}
	return *w.addKey(k, now), nil
}

// check reads what the client said, with the defaults filled in.
func (in NewKey) check() (Key, *Error) {
	k := Key{
		Spec: or(in.Spec, "Aliyun_AES_256"), Origin: or(in.Origin, "Aliyun_KMS"), Protection: or(in.Protection, "SOFTWARE"),
		Description: in.Description, Instance: in.Instance, State: KeyEnabled,
	}
	usages := keySpecs[k.Spec]
	if usages == nil {
		return k, kmsParameter("KeySpec")
	}
	k.Usage = or(in.Usage, usages[0])
	switch {
	case !slices.Contains(usages, k.Usage):
		return k, kmsParameter("KeyUsage")
	case k.Protection != "SOFTWARE" && k.Protection != "HSM":
		return k, kmsParameter("ProtectionLevel")
	case k.Origin != "Aliyun_KMS" && (k.Origin != "EXTERNAL" || !k.symmetric()):
		return k, kmsParameter("Origin")
	case utf8.RuneCountInString(k.Description) > 8192:
		return k, kmsParameter("Description")
	}
	if k.Origin == "EXTERNAL" {
		k.State = KeyPendingImport
	}
	return k, nil
}

// addKey gives a key its ids and its secret and stores it.
func (w *World) addKey(k Key, now time.Time) *Key {
	k.ID, k.Created, k.secret = w.uuid(), now.UTC(), &[32]byte{}
	if k.Instance != "" {
		k.ID = "key-" + w.hex(20)
	}
	for i := 0; i < len(k.secret); i += 8 {
		binary.LittleEndian.PutUint64(k.secret[i:], w.rng.Uint64())
	}
	w.keepKey(k.ARN())
	w.kms.keys[k.ARN()] = &k
	if k.symmetric() {
		k.Version = w.uuid()
		w.kms.versions[k.Version] = &k
	}
	w.broadcast()
	return &k
}

// DescribeKey returns a key by id, alias or ARN.
func (w *World) DescribeKey(c KMSCaller, name string, v View) (Key, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	k, e := w.findKey(c, "DescribeKey", name, v, now)
	if e != nil {
		return Key{}, e
	}
	return *k, nil
}

// ListKeys returns the keys of the caller's account in this region, the oldest first.
func (w *World) ListKeys(c KMSCaller, v View) ([]Key, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	if e := w.permit(c, "ListKeys", "acs:kms:"+c.Region+":"+c.Principal.Account+":key", nil, now); e != nil {
		return nil, e
	}
	var keys []Key
	for _, k := range w.kms.keys {
		if k.Account == c.Principal.Account && k.Region == c.Region && !v.hides(k.Created, now) {
			keys = append(keys, *k)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if d := a.Created.Compare(b.Created); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return keys, nil
}

func stateModifiedFailed() *Error {
	return refuse(409, "Rejected.StateModifiedFailed", "Keystate modified failed.")
}

// modify changes the state of a user's own key in this region, when it is one of those
// given. Aliases are not taken for it.
func (w *World) modify(c KMSCaller, action, name string, from []string, change func(k *Key, now time.Time)) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	if e := noAlias(name); e != nil {
		return e
	}
	k, e := w.findKey(c, action, name, View{}, now)
	switch {
	case e != nil:
		return e
	case k.Service != "":
		return unsupported("The key of a service cannot be changed.")
	case !slices.Contains(from, k.State):
		return stateModifiedFailed()
	}
	w.changeKey(k, func(k *Key) { change(k, now) })
	return nil
}

// noAlias refuses an alias where only an id or ARN will do.
func noAlias(key string) *Error {
	if strings.HasPrefix(key, "alias/") {
		return refuse(400, "Unsupported.Alias", "Alias is not valid for this api.")
	}
	return nil
}

// EnableKey lets a disabled key be used again. An enabled one stays so.
func (w *World) EnableKey(c KMSCaller, name string) *Error {
	return w.modify(c, "EnableKey", name, []string{KeyEnabled, KeyDisabled}, func(k *Key, _ time.Time) { k.State = KeyEnabled })
}

// DisableKey keeps a key from being used, at once and by everybody.
func (w *World) DisableKey(c KMSCaller, name string) *Error {
	return w.modify(c, "DisableKey", name, []string{KeyEnabled, KeyDisabled}, func(k *Key, _ time.Time) { k.State = KeyDisabled })
}

// ScheduleKeyDeletion takes a key out of use at once and away for good after so many
// days, 7 to 366, of the clock.
func (w *World) ScheduleKeyDeletion(c KMSCaller, name string, days int) *Error {
	if days < 7 || days > 366 {
		return kmsParameter("PendingWindowInDays")
	}
	return w.modify(c, "ScheduleKeyDeletion", name, []string{KeyEnabled, KeyDisabled, KeyPendingImport}, func(k *Key, now time.Time) {
		at := now.UTC().Add(time.Duration(days) * 24 * time.Hour)
		k.State, k.Deletes = KeyPendingDeletion, at
		w.at(at, func(time.Time) {
			if k.State == KeyPendingDeletion && k.Deletes.Equal(at) {
				w.forgetKey(k)
			}
		})
	})
}

// CancelKeyDeletion keeps a key that was about to go: it is enabled again or, when it
// never had material, waits for it.
func (w *World) CancelKeyDeletion(c KMSCaller, name string) *Error {
	return w.modify(c, "CancelKeyDeletion", name, []string{KeyPendingDeletion}, func(k *Key, _ time.Time) {
		k.State, k.Deletes = KeyEnabled, time.Time{}
		if k.Origin == "EXTERNAL" {
			k.State = KeyPendingImport
		}
	})
}

func (w *World) forgetKey(k *Key) {
	w.keepKey(k.ARN())
	delete(w.kms.keys, k.ARN())
	delete(w.kms.versions, k.Version)
	for name, a := range w.kms.aliases {
		if a.account == k.Account && a.region == k.Region && a.key == k.ID {
			delete(w.kms.aliases, name)
		}
	}
	w.broadcast()
}

// maxKeyPolicy is the longest key policy in bytes.
const maxKeyPolicy = 32768

// checkKeyPolicy refuses a policy that is malformed or that lets more accounts use
// the keys of the instance than were bought.
func (w *World) checkKeyPolicy(k *Key, text string) *Error {
	if len(text) > maxKeyPolicy {
		return kmsParameter("Policy")
	}
	d, err := policy.Parse(policy.Key, []byte(text))
	if err != nil {
		e := kmsParameter("Policy")
		e.Message += " " + err.Error()
		return e
	}
	guests := map[string]bool{}
	for _, uid := range strangers(k.Account, d) {
		guests[uid] = true
	}
	if len(guests) == 0 {
		return nil
	}
	for _, o := range w.kms.keys {
		if o.Instance != k.Instance || o.ARN() == k.ARN() {
			continue
		}
		if other, err := policy.Parse(policy.Key, o.Policy); err == nil {
			for _, uid := range strangers(o.Account, other) {
				guests[uid] = true
			}
		}
	}
	if 1+len(guests) > w.kms.instances[k.Instance].access {
		return refuse(400, "Rejected.LimitExceeded", "The request was rejected because user create resource limit was exceeded.")
	}
	return nil
}

// KeyPolicy returns the policy of a key in an instance. Its name can only be
// "default" and has to be given.
func (w *World) KeyPolicy(c KMSCaller, name, policyName string, v View) ([]byte, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	if e := noAlias(name); e != nil {
		return nil, e
	}
	k, e := w.findKey(c, "GetKeyPolicy", name, v, now)
	switch {
	case e != nil:
		return nil, e
	case k.Instance == "":
		return nil, unsupported("Only a key in a KMS instance has a policy.")
	case policyName != "default":
		return nil, refuse(404, "NotFound", "Not Found")
	}
	return slices.Clone(k.Policy), nil
}

// SetKeyPolicy replaces the whole policy of a key in an instance. There is no
// condition: a policy that somebody else has set meanwhile is lost. It counts at
// once; no page speaks of a delay.
func (w *World) SetKeyPolicy(c KMSCaller, name, policyName, text string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	if e := noAlias(name); e != nil {
		return e
	}
	k, e := w.findKey(c, "SetKeyPolicy", name, View{}, now)
	switch {
	case e != nil:
		return e
	case k.Instance == "":
		return unsupported("Only a key in a KMS instance has a policy.")
	case policyName != "" && policyName != "default":
		return kmsParameter("PolicyName")
	}
	if e := w.checkKeyPolicy(k, text); e != nil {
		return e
	}
	w.changeKey(k, func(k *Key) { k.Policy = []byte(text) })
	return nil
}
