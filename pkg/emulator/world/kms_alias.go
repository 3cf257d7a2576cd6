package world

import (
	"slices"
	"strings"
	"time"
)

// alias is a second name of a key.
type alias struct {
	name                 string // "alias/..."
	account, region, key string
	made                 time.Time
}

// aliasName is what an alias is found by.
func aliasName(region, uid, name string) string { return region + "/" + uid + "/" + name }

// serviceAlias begins the aliases of keys that KMS makes for services.
const serviceAlias = "alias/acs/"

// An Alias is a second name of a key, as ListAliases shows it.
type Alias struct {
	Name, ARN, KeyID string
}

func validAlias(name string) bool {
	stem, ok := strings.CutPrefix(name, "alias/")
	return ok && stem != "" && len(stem) <= 255 &&
		strings.Trim(stem, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/") == ""
}

// permitAlias asks for the right on an alias; that on its key is asked for apart.
func (w *World) permitAlias(c KMSCaller, action, name string, now time.Time) *Error {
	return w.permit(c, action, "acs:kms:"+c.Region+":"+c.Principal.Account+":"+name, nil, now)
}

// CreateAlias gives a key of the caller's account a second name, "alias/...", that is
// unique in account and region. It takes the right on the key and on the alias.
func (w *World) CreateAlias(c KMSCaller, name, key string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	if !validAlias(name) || strings.HasPrefix(name, serviceAlias) {
		return kmsParameter("AliasName")
	}
	if e := noAlias(key); e != nil {
		return e
	}
	if e := w.permitAlias(c, "CreateAlias", name, now); e != nil {
		return e
	}
	k, e := w.findKey(c, "CreateAlias", key, View{}, now)
	switch {
	case e != nil:
		return e
	case k.Account != c.Principal.Account:
		return kmsParameter("KeyId")
	case k.Service != "":
		return unsupported("The key of a service cannot be changed.")
	case k.State == KeyPendingDeletion:
		return stateModifiedFailed()
	}
	full := aliasName(c.Region, k.Account, name)
	if w.kms.aliases[full] != nil {
		return refuse(400, "AliasAlreadyExists", "AliasName Already Exists.")
	}
	w.kms.aliases[full] = &alias{name: name, account: k.Account, region: c.Region, key: k.ID, made: now}
	return nil
}

// DeleteAlias takes a second name away. It takes the right on the key and on the alias.
func (w *World) DeleteAlias(c KMSCaller, name string) *Error {
	now := w.enter()
	defer w.mu.Unlock()
	if !validAlias(name) || strings.HasPrefix(name, serviceAlias) {
		return kmsParameter("AliasName")
	}
	if e := w.permitAlias(c, "DeleteAlias", name, now); e != nil {
		return e
	}
	if _, e := w.findKey(c, "DeleteAlias", name, View{}, now); e != nil {
		return e
	}
	delete(w.kms.aliases, aliasName(c.Region, c.Principal.Account, name))
	return nil
}

// ListAliases returns the second names that the keys of the caller's account have in
// this region, in their order; those of the keys of services are among them.
func (w *World) ListAliases(c KMSCaller, v View) ([]Alias, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	uid := c.Principal.Account
	if e := w.permit(c, "ListAliases", "acs:kms:"+c.Region+":"+uid+":alias", nil, now); e != nil {
		return nil, e
	}
	return w.aliasesOf(c, "", v, now), nil
}

// ListAliasesByKeyID is [World.ListAliases] for one key.
func (w *World) ListAliasesByKeyID(c KMSCaller, key string, v View) ([]Alias, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	k, e := w.findKey(c, "ListAliasesByKeyId", key, View{}, now)
	if e != nil {
		return nil, e
	}
	return w.aliasesOf(c, k.ID, v, now), nil
}

// aliasesOf returns the aliases of a key, or of all when it is "".
func (w *World) aliasesOf(c KMSCaller, key string, v View, now time.Time) (found []Alias) {
	for _, a := range w.kms.aliases {
		if a.account == c.Principal.Account && a.region == c.Region && (key == "" || a.key == key) && !v.hides(a.made, now) {
			found = append(found, Alias{Name: a.name, ARN: "acs:kms:" + a.region + ":" + a.account + ":" + a.name, KeyID: a.key})
		}
	}
	slices.SortFunc(found, func(a, b Alias) int { return strings.Compare(a.Name, b.Name) })
	return found
}
