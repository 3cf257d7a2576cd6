package world

import (
	"slices"
	"strings"
	"time"
)

// A LifecycleRule says what OSS does to objects as they grow old. Ages are days of the
// clock, counted from the last change of an object; the world's speed does not shorten
// them. There is no last-access time here, so no rule can go by it, and nothing about
// it is ever replicated.
type LifecycleRule struct {
	ID      string // unique in the bucket; made up when it is ""
	Prefix  string // of the names that the rule is for; "" is all
	Tags    []Tag  // that an object must have, all of them
	Enabled bool

	Expiration           *LifecycleTime // the current version is deleted as a client would delete it
	ExpiredDeleteMarkers bool           // delete markers that hide nothing any more are taken away
	NoncurrentDays       int            // older versions go so many days after they became that; 0: never
	AbortUploads         *LifecycleTime // multipart uploads are aborted, by the time they began
	Transitions          []LifecycleTransition
}

// A LifecycleTime says when something is old enough; one of the fields is set.
type LifecycleTime struct {
	Days          int
	CreatedBefore time.Time // what was changed before is
	Date          time.Time // everything is, from then on
}

// A LifecycleTransition is a change to a colder storage class. It is not replicated.
type LifecycleTransition struct {
	LifecycleTime
	StorageClass string
}

const day = 24 * time.Hour

// reached reports whether what was changed at that time is old enough.
func (l LifecycleTime) reached(changed, now time.Time) bool {
	switch {
	case l.Days > 0:
		return !now.Before(changed.Add(time.Duration(l.Days) * day))
	case !l.CreatedBefore.IsZero():
		return changed.Before(l.CreatedBefore)
	}
	return !now.Before(l.Date)
}

// coldness ranks the storage classes; objects only get colder.
var coldness = []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}

func (r *LifecycleRule) covers(key string, tags []Tag) bool {
	return r.Enabled && strings.HasPrefix(key, r.Prefix) &&
		!slices.ContainsFunc(r.Tags, func(t Tag) bool { return !slices.Contains(tags, t) })
}

// PutBucketLifecycle replaces all lifecycle rules of a bucket; nil takes them away.
// They are carried out every day at midnight UTC, for the first time at the next one.
// overlap lets rules do the same thing to the same objects.
func (w *World) PutBucketLifecycle(bucket string, rules []LifecycleRule, overlap bool) *Error {
	rules = slices.Clone(rules)
	if e := w.checkLifecycle(rules, overlap); e != nil {
		return e
	}
	return w.set(bucket, "lifecycle", func(b *Bucket) *Error {
		b.Lifecycle = rules
		b.lifecycleTurn++
		if len(rules) > 0 {
			w.lifecycleAt(time.Now().UTC().Truncate(day).Add(day), b, b.lifecycleTurn)
		}
		return nil
	})
}

// lifecycleAt arranges the next run for a bucket, unless its rules are replaced before.
func (w *World) lifecycleAt(at time.Time, b *Bucket, turn int) {
	w.at(at, func(now time.Time) {
		if w.buckets[b.Name] != b || b.lifecycleTurn != turn {
			return
		}
		for i := range b.Lifecycle {
			w.age(b, &b.Lifecycle[i], now)
		}
		w.lifecycleAt(now.Add(day), b, turn)
	})
}

// age carries out one rule at this moment.
func (w *World) age(b *Bucket, r *LifecycleRule, now time.Time) {
	for _, key := range slices.Clone(b.keys()) {
		w.ageVersions(b, r, key, now)
	}
	if r.AbortUploads == nil {
		return
	}
	for _, u := range b.uploadsByKey() {
		if r.covers(u.Key, u.Head.Tags) && r.AbortUploads.reached(u.Initiated, now) {
			w.dropUpload(b, u, now)
		}
	}
}

// ageVersions carries out one rule on one key.
func (w *World) ageVersions(b *Bucket, r *LifecycleRule, key string, now time.Time) {
	v := b.latest(key)
	switch {
	case !r.covers(key, v.Tags):
	case v.DeleteMarker:
		if r.ExpiredDeleteMarkers && len(b.objects[key]) == 1 {
			w.deleteObject(b, key, v.ID, now)
		}
	case r.Expiration != nil && r.Expiration.reached(v.Modified, now):
		w.deleteObject(b, key, "", now)
	default:
		b.cool(r, v, now)
	}
	if r.NoncurrentDays == 0 {
		return
	}
	versions := b.objects[key]
	for i := 1; i < len(versions); i++ {
		since := LifecycleTime{Days: r.NoncurrentDays}
		if r.covers(key, versions[i].Tags) && since.reached(versions[i-1].Arrived, now) {
			w.deleteObject(b, key, versions[i].ID, now)
		}
	}
}

// cool gives a version the coldest storage class that it is old enough for. Nobody is
// told: such changes are not replicated.
func (b *Bucket) cool(r *LifecycleRule, v *Version, now time.Time) {
	class := slices.Index(coldness, v.StorageClass)
	for _, t := range r.Transitions {
		if t.reached(v.Modified, now) {
			class = max(class, slices.Index(coldness, t.StorageClass))
		}
	}
	if class < 0 || coldness[class] == v.StorageClass {
		return
	}
	c := *v
	c.StorageClass = coldness[class]
	b.alter(&c)
}
