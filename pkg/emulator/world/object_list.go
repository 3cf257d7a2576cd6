package world

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// A ListQuery says which part of a bucket is listed.
type ListQuery struct {
	Prefix    string
	Delimiter string // keys with the same text up to it are one common prefix; "" groups nothing
	// After is the key or common prefix that the listing goes on after.
	After string
	// AfterVersion, with Versions, goes on within the key After, behind that version.
	AfterVersion string
	Max          int  // entries and common prefixes together
	Versions     bool // all versions and delete markers instead of the current objects
	// Behind leaves out what was made within that time; where an object was
	// overwritten, the one before is listed.
	Behind time.Duration
}

// A Listing is one page.
type Listing struct {
	Versions  []Listed
	Prefixes  []string
	Truncated bool
	// NextKey and NextVersion are where the next page begins; "" when there is none.
	NextKey, NextVersion string
}

// Listed is one version in a listing.
type Listed struct {
	*Version
	Latest bool
}

// ListObjects lists a bucket in the order of the keys, versions newest first.
func (w *World) ListObjects(bucket string, q ListQuery) (Listing, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	b, e := w.bucket(bucket)
	if e != nil {
		return Listing{}, e
	}
	p := page{q: q}
	keys := b.keys()
	if q.Behind > 0 {
		p.until = now.Add(-q.Behind)
	}
	start, _ := slices.BinarySearch(keys, max(q.Prefix, q.After))
	for _, key := range keys[start:] {
		if !strings.HasPrefix(key, q.Prefix) {
			break
		}
		if !p.add(key, b.visible(key, p.until)) {
			break
		}
	}
	return p.Listing, nil
}

// keys returns the keys in order.
func (b *Bucket) keys() []string {
	if b.sorted == nil {
		b.sorted = slices.Sorted(maps.Keys(b.objects))
	}
	return b.sorted
}

// visible returns the versions of a key as a listing that ends at until shows them;
// the zero time shows all.
func (b *Bucket) visible(key string, until time.Time) []*Version {
	versions := b.objects[key]
	if until.IsZero() || len(versions) == 0 || !versions[0].Arrived.After(until) {
		return versions
	}
	older := versions[1:]
	if len(older) == 0 {
		older = b.before[key]
	}
	return slices.DeleteFunc(slices.Clone(older), func(v *Version) bool { return v.Arrived.After(until) })
}

// A page collects entries until it is full.
type page struct {
	Listing
	q     ListQuery
	until time.Time
}

// add takes the versions of the next key in; false ends the page.
func (p *page) add(key string, versions []*Version) bool {
	if !p.q.Versions {
		if len(versions) > 0 && versions[0].DeleteMarker {
			return true
		}
		versions = versions[:min(1, len(versions))]
	}
	if len(versions) == 0 {
		return true
	}
	if i := strings.Index(key[len(p.q.Prefix):], p.q.Delimiter); p.q.Delimiter != "" && i >= 0 {
		return p.addPrefix(key[:len(p.q.Prefix)+i+len(p.q.Delimiter)], key)
	}
	latest := versions[0]
	switch c := strings.Compare(key, p.q.After); {
	case c == 0 && p.q.AfterVersion != "":
		versions = behind(versions, p.q.AfterVersion)
	case c <= 0:
		return true
	}
	for _, v := range versions {
		if p.full() {
			return false
		}
		p.Versions = append(p.Versions, Listed{v, v == latest})
		p.NextKey, p.NextVersion = key, v.ID
	}
	return true
}

func (p *page) addPrefix(prefix, key string) bool {
	if prefix == p.q.After || key <= p.q.After || len(p.Prefixes) > 0 && p.Prefixes[len(p.Prefixes)-1] == prefix {
		return true
	}
	if p.full() {
		return false
	}
	p.Prefixes = append(p.Prefixes, prefix)
	p.NextKey, p.NextVersion = prefix, ""
	return true
}

// full tells whether the page is full, and that there is more.
func (p *page) full() bool {
	p.Truncated = len(p.Versions)+len(p.Prefixes) >= p.q.Max
	return p.Truncated
}

// behind returns the versions after that of the given id. When it was removed
// since the last page, its id still tells its place in time.
func behind(versions []*Version, id string) []*Version {
	if i := slices.IndexFunc(versions, func(v *Version) bool { return v.ID == id }); i >= 0 {
		return versions[i+1:]
	}
	mark, ok := versionOrder(id)
	if !ok {
		return versions
	}
	return slices.DeleteFunc(slices.Clone(versions), func(v *Version) bool {
		order, ok := versionOrder(v.ID)
		return ok && cmp.Compare(order, mark) >= 0
	})
}
