package world

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// The limits of TagResources.
const (
	maxTaggedResources = 50
	maxTags            = 20
)

// A ResourceTag is one line of ListTagResources.
type ResourceTag struct {
	ResourceType, ResourceName string
	Tag                        Tag
}

// TagResources sets tags on roles or custom policies (typ "role" or "policy"); a
// key that is there already takes the new value. It changes all or nothing.
func (w *World) TagResources(uid, typ string, names []string, tags []Tag) *Error {
	w.enter()
	defer w.mu.Unlock()
	if len(tags) == 0 {
		return invalidLength("Tag")
	}
	if e := firstOf(checkTags(tags), checkResources(names, 1)); e != nil {
		return e
	}
	return w.changeTags(uid, typ, names, func(old []Tag) ([]Tag, *Error) {
		merged := mergeTags(old, tags)
		if len(merged) > maxTags {
			return nil, limitExceeded("Tag", "The count of tags beyond the current limits.")
		}
		return merged, nil
	})
}

// UntagResources takes tags away by their keys.
func (w *World) UntagResources(uid, typ string, names, keys []string) *Error {
	w.enter()
	defer w.mu.Unlock()
	if e := checkResources(names, 1); e != nil {
		return e
	}
	if len(keys) == 0 || len(keys) > maxTags {
		return invalidLength("TagKeys")
	}
	return w.changeTags(uid, typ, names, func(old []Tag) ([]Tag, *Error) {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(keys, t.Key) }), nil
	})
}

// ListTagResources returns the tags of the named roles or policies, or of all of
// that type, by the order of names and keys.
func (w *World) ListTagResources(uid, typ string, names []string, v View) ([]ResourceTag, *Error) {
	w.enter()
	defer w.mu.Unlock()
	acc := w.mustAccount(uid)
	if e := checkResources(names, 0); e != nil {
		return nil, e
	}
	if len(names) == 0 {
		switch typ {
		case "role":
			for _, r := range acc.roles {
				names = append(names, r.Name)
			}
		case "policy":
			for name := range acc.policies {
				names = append(names, name)
			}
		}
		slices.Sort(names)
	}
	var list []ResourceTag
	for _, name := range names {
		tags, e := w.tagsOf(acc, typ, name, v)
		if e != nil {
			return nil, e
		}
		for _, t := range tags {
			list = append(list, ResourceTag{typ, name, t})
		}
	}
	return list, checkResourceType(typ)
}

// checkResourceType refuses an unknown type of resource.
func checkResourceType(typ string) *Error {
	if typ != "role" && typ != "policy" {
		return refuse(400, "InvalidParameter.ResourceType", `The parameter - "ResourceType" is incorrect.`)
	}
	return nil
}

func (w *World) tagsOf(acc *Account, typ, name string, v View) ([]Tag, *Error) {
	if e := checkResourceType(typ); e != nil {
		return nil, e
	}
	if typ == "role" {
		if r := acc.roleIn(v, name); r != nil {
			return r.Tags, nil
		}
		return nil, noRole()
	}
	if p := w.policyIn(v, acc, TypeCustom, name); p != nil {
		return p.Tags, nil
	}
	return nil, noPolicy()
}

func (w *World) changeTags(uid, typ string, names []string, change func([]Tag) ([]Tag, *Error)) *Error {
	acc := w.mustAccount(uid)
	next := make([][]Tag, len(names))
	for i, name := range names {
		old, e := w.tagsOf(acc, typ, name, View{})
		if e != nil {
			return e
		}
		if next[i], e = change(old); e != nil {
			return e
		}
	}
	for i, name := range names {
		if typ == "role" {
			acc.keepRole(name)
			acc.role(name).Tags = next[i]
			continue
		}
		acc.keepPolicy(name)
		acc.policies[name].Tags = next[i]
	}
	return nil
}

// mergeTags returns old with tags set, sorted by key.
func mergeTags(old, tags []Tag) []Tag {
	merged := slices.Clone(old)
	for _, t := range tags {
		i, ok := slices.BinarySearchFunc(merged, t.Key, func(t Tag, key string) int {
			switch {
			case t.Key < key:
				return -1
			case t.Key > key:
				return 1
			}
			return 0
		})
		if ok {
			merged[i] = t
		} else {
			merged = slices.Insert(merged, i, t)
		}
	}
	return merged
}

func checkTags(tags []Tag) *Error {
	if len(tags) > maxTags {
		return invalidLength("Tag")
	}
	for i, t := range tags {
		if n := utf8.RuneCountInString(t.Key); n < 1 || n > 128 || utf8.RuneCountInString(t.Value) > 256 {
			return invalidLength(fmt.Sprintf("Tag.%d", i+1))
		}
	}
	return nil
}

func checkResources(names []string, least int) *Error {
	if len(names) < least || len(names) > maxTaggedResources {
		return invalidLength("ResourceNames")
	}
	return nil
}
