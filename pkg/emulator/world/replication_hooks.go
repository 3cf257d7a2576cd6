package world

import (
	"slices"
	"time"
)

// What clients do to a bucket is told to replication through these methods, with
// the lock held and after the bucket was changed. What replication itself writes
// is not told: copies are not copied on.

// wrote reports a new version or delete marker. replaced is the version of the
// same id that it took the place of, or nil.
func (w *World) wrote(b *Bucket, v, replaced *Version, now time.Time) {
	if v.Replica {
		return // a copy that got tags or another ACL
	}
	for _, r := range b.rules {
		if r.does("PUT") || v.DeleteMarker && r.does("DELETE") {
			w.copyVersion(r, v, nil, now)
		}
	}
}

// reclassified reports a copy of an object onto itself that changed its storage class
// and nothing else: a write that is not replicated. Only where the object itself still
// waits to be copied under that version id, the copy takes its place, or else it would
// never arrive. In a bucket with versions the new version stays at the source.
func (w *World) reclassified(b *Bucket, v *Version, now time.Time) {
	for _, r := range b.rules {
		if r.does("PUT") && r.awaits(v.Key, v.ID) {
			w.copyVersion(r, v, nil, now)
		}
	}
}

// awaits reports whether a version still has to be copied.
func (r *Rule) awaits(key, id string) bool {
	if slices.ContainsFunc(r.run.history, func(v *Version) bool { return v.Key == key && v.ID == id }) {
		return true
	}
	l := r.run.lanes[key]
	return l != nil && slices.ContainsFunc(l.tasks, func(t *task) bool { return t.kind == taskPut && t.versionID == id })
}

// removed reports that a version was taken away for good (a delete in a bucket
// without versioning, or a delete that named a version). The delete of a copy is a
// client's own deed and is copied.
func (w *World) removed(b *Bucket, v *Version, now time.Time) {
	for _, r := range b.rules {
		if r.does("DELETE") && r.covers(v.Key, v.Tags) {
			w.toCopy(r, &task{kind: taskRemove, key: v.Key, versionID: v.ID, written: now}, now)
		}
	}
}

// uploadStarted, partUploaded and uploadEnded report the life of a multipart
// upload; completed is nil when it was aborted.
func (w *World) uploadStarted(b *Bucket, u *Upload, now time.Time) {
	for _, r := range b.rules {
		if r.does("PUT") && r.covers(u.Key, u.Head.Tags) {
			w.toCopy(r, &task{kind: taskUpload, key: u.Key, upload: u, written: now}, now)
		}
	}
}

func (w *World) partUploaded(b *Bucket, u *Upload, p Part, now time.Time) {
	for _, r := range b.rules {
		if r.does("PUT") && r.covers(u.Key, u.Head.Tags) {
			w.toCopy(r, &task{kind: taskPart, key: u.Key, upload: u, part: p, size: len(p.Data), written: now}, now)
		}
	}
}

func (w *World) uploadEnded(b *Bucket, u *Upload, completed *Version, now time.Time) {
	for _, r := range b.rules {
		switch {
		case completed != nil:
			if r.does("PUT") {
				w.copyVersion(r, completed, u, now)
			}
		case r.does("ABORT") && r.covers(u.Key, u.Head.Tags):
			w.toCopy(r, &task{kind: taskAbort, key: u.Key, upload: u, written: now}, now)
		}
	}
}

// copyVersion adds the copy of a version, once: the end of an upload is told
// both as such and as a write.
func (w *World) copyVersion(r *Rule, v *Version, ended *Upload, now time.Time) {
	if !r.covers(v.Key, v.Tags) {
		return
	}
	if l := r.run.lanes[v.Key]; l != nil {
		if last := l.tasks[len(l.tasks)-1]; last.kind == taskPut && last.version == v {
			if ended != nil {
				last.upload, last.size = ended, 0
			}
			return
		}
	}
	t := &task{kind: taskPut, key: v.Key, versionID: v.ID, version: v, upload: ended, size: len(v.Data), written: now}
	if ended != nil {
		t.size = 0 // its parts were copied as they came
	}
	w.toCopy(r, t, now)
}

// toCopy adds new work to a rule.
func (w *World) toCopy(r *Rule, t *task, now time.Time) {
	if r.Status == RuleClosing {
		return
	}
	w.settle(r, now)
	r.run.written = append(r.run.written, t)
	r.run.add(t)
	w.pump(r, now)
}
