package wiring

import "sync/atomic"

// Credentials are the access key that all clients of a process sign with. A
// function sets them anew with every invocation: the ones in its environment grow
// old. [fact 30] The zero value holds none.
type Credentials struct{ p atomic.Pointer[key] }

type key struct{ id, secret, token string }

// Set makes these the credentials from now on. token is "" for a long-lived key.
func (c *Credentials) Set(id, secret, token string) { c.p.Store(&key{id, secret, token}) }

// Get returns the newest credentials; all are "" before the first Set.
func (c *Credentials) Get() (id, secret, token string) {
	if k := c.p.Load(); k != nil {
		return k.id, k.secret, k.token
	}
	return "", "", ""
}

// String keeps the secret out of logs.
func (c *Credentials) String() string { return "[credentials]" }

// GoString keeps the secret out of %#v.
func (c *Credentials) GoString() string { return "[credentials]" }
