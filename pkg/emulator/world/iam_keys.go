package world

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// NewRootKey makes an access key of the account itself. The account must exist.
func (w *World) NewRootKey(uid string) AccessKey {
	w.enter()
	defer w.mu.Unlock()
	w.mustAccount(uid)
	return w.newKey(Principal{Kind: KindRoot, Account: uid})
}

// NewUserKey makes an access key of a RAM user. The user is made when there is
// none of that name; the documents become inline policies of the user and count at
// once. It is for preparing a world: it panics when the account does not exist or a
// document is malformed.
func (w *World) NewUserKey(uid, user string, policyDocs ...[]byte) AccessKey {
	now := w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	u := acc.users[user]
	if u == nil {
		u = &User{Name: user, ID: "2" + w.digits(17)}
		acc.users[user] = u
	}
	for _, text := range policyDocs {
		d, err := policy.Parse(policy.Identity, text)
		if err != nil {
			panic(fmt.Sprintf("world: policy of user %s: %v", user, err))
		}
		name := fmt.Sprintf("%s-inline-%d", user, len(u.attached)+1)
		u.attached = append(u.attached, attachment{
			policy:   &Policy{Name: name, Type: "Custom", effective: effective{}.then(now, now, d)},
			attached: now, effectiveFrom: now,
		})
	}
	return w.newKey(Principal{Kind: KindUser, Account: uid, Name: user, ID: u.ID})
}

// AssumeService gives a service of the cloud, such as fc.aliyuncs.com, temporary
// keys of a role whose trust policy names the service. The role's
// MaxSessionDuration does not bind services: Function Compute hands out keys for
// 36 hours.
func (w *World) AssumeService(uid, roleName, service string, d time.Duration, session string) (AccessKey, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	r, ok := w.serviceRole(uid, roleName, service, now)
	if !ok {
		return AccessKey{}, refuse(403, "NoPermission", "The service "+service+" may not assume the role "+roleName+".")
	}
	return w.newSession(uid, r, session, nil, now.Add(d)), nil
}

func (w *World) mustAccount(uid string) *Account {
	acc := w.accounts[uid]
	if acc == nil {
		panic("world: no account " + uid)
	}
	return acc
}

func (w *World) newKey(p Principal) AccessKey {
	k := AccessKey{ID: "LTAI5t" + w.letters(18), Secret: w.letters(30), Principal: p}
	w.keys[k.ID] = &k
	return k
}

// expiredKeyKept is how long an expired key is remembered, so that it is refused as
// expired and not as unknown.
const expiredKeyKept = time.Hour

func (w *World) newSession(uid string, r *Role, session string, policyDoc []byte, expires time.Time) AccessKey {
	k := AccessKey{
		ID: "STS.N" + w.letters(24), Secret: w.letters(44),
		Token:     base64.StdEncoding.EncodeToString([]byte(w.letters(300))),
		Principal: Principal{Kind: KindAssumedRole, Account: uid, Name: r.Name, ID: r.ID, Session: session, Policy: policyDoc},
		Expires:   expires,
	}
	w.keys[k.ID] = &k
	w.at(expires.Add(expiredKeyKept), func(time.Time) { delete(w.keys, k.ID) })
	return k
}

// AnyKey returns the access key of that id even when it has expired; the caller
// compares Expires. An expired key is forgotten after an hour.
func (w *World) AnyKey(id string) (AccessKey, bool) {
	w.enter()
	defer w.mu.Unlock()
	if k := w.keys[id]; k != nil {
		return *k, true
	}
	return AccessKey{}, false
}

func (w *World) letters(n int) string {
	return w.draw(n, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
}

func (w *World) digits(n int) string { return w.draw(n, "0123456789") }

// draw returns n random characters of the alphabet.
func (w *World) draw(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[w.rng.IntN(len(alphabet))]
	}
	return string(b)
}
