package world

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A judgement is what becomes of a task at one moment.
type judgement int

const (
	copyAllowed judgement = iota
	copySkipped           // the rule leaves it out for good, or there is nothing left to do
	copyRefused           // not now: a right is missing or the destination does not fit
)

// judge decides a task at this moment. Nothing of a refusal can be seen from
// outside but that the watermark stands still.
func (w *World) judge(r *Rule, t *task, now time.Time) judgement {
	src, dst := r.run.source, w.destination(r)
	if dst == nil {
		return copyRefused
	}
	switch t.kind {
	case taskPut:
		return w.judgePut(r, t, dst, now)
	case taskRemove:
		if !w.roleMay(r, src, dst, "oss:ReplicateDelete", t.key, now) {
			return copyRefused
		}
	case taskUpload, taskPart:
		if !r.wants(&t.upload.Head, dst) {
			return copySkipped
		}
		if !w.maySource(r, src, t.key, false, now) || !w.mayWrite(r, src, dst, t.key, now) ||
			!w.keysAllow(r, &t.upload.Head, dst, now) {
			return copyRefused
		}
	case taskAbort:
		if !w.mayWrite(r, src, dst, t.key, now) {
			return copyRefused
		}
	}
	return copyAllowed
}

func (w *World) judgePut(r *Rule, t *task, dst *Bucket, now time.Time) judgement {
	src := r.run.source
	v := src.version(t.key, t.versionID)
	switch {
	case v == nil, !v.Modified.Equal(t.version.Modified), v.ETag != t.version.ETag:
		return copySkipped // deleted meanwhile, or overwritten by what has a task of its own
	case !r.wants(v, dst):
		return copySkipped
	case !w.maySource(r, src, t.key, t.historical, now), !w.mayWrite(r, src, dst, t.key, now),
		!w.keysAllow(r, v, dst, now):
		return copyRefused
	}
	return copyAllowed
}

// destination returns the rule's destination, or nil when it is gone or does not
// fit any more.
func (w *World) destination(r *Rule) *Bucket {
	dst := w.buckets[r.Destination]
	if dst == nil || dst.Location() != r.Location || dst.Versioning != r.run.source.Versioning || dst.Versioning == "Suspended" {
		return nil
	}
	return dst
}

// wants reports whether the rule copies such an object at all. What it leaves out
// it leaves out silently.
func (r *Rule) wants(v *Version, dst *Bucket) bool {
	if v.StorageClass == "ColdArchive" || v.StorageClass == "DeepColdArchive" {
		return false
	}
	_, _, ok := r.replicaEncryption(v, dst)
	return ok
}

// leaveOut ends the copy of an upload whose object is not copied.
func (w *World) leaveOut(r *Rule, t *task) {
	if dst := w.destination(r); dst != nil && t.kind == taskPut && t.upload != nil {
		delete(dst.uploads, t.upload.ID)
	}
}

// carryOut does a task that was allowed at this moment.
func (w *World) carryOut(r *Rule, t *task, now time.Time) {
	stats, dst := &w.pairOf(r).stats, w.destination(r)
	switch t.kind {
	case taskPut:
		v := r.run.source.version(t.key, t.versionID)
		dst.place(w.replica(r, v, dst, now))
		if t.upload != nil {
			delete(dst.uploads, t.upload.ID)
		}
		stats.Copied++
		stats.Bytes += int64(len(v.Data))
		if !r.run.asked.covers(t.key, v.Tags) {
			stats.OutOfScope++
		}
	case taskRemove:
		dst.remove(t.key, t.versionID)
		stats.Removed++
	case taskUpload:
		dst.replicaUpload(t.upload)
	case taskPart:
		dst.replicaUpload(t.upload).Parts[t.part.Number] = t.part
		stats.Parts++
	case taskAbort:
		delete(dst.uploads, t.upload.ID)
	}
}

// replica returns the copy of a version as the destination keeps it: key, version
// id, time, content, metadata, tags, ACL and storage class are the source's.
func (w *World) replica(r *Rule, v *Version, dst *Bucket, now time.Time) *Version {
	c := *v
	c.SSE, c.KMSKeyID, _ = r.replicaEncryption(v, dst)
	if c.SSE == "KMS" {
		c.KMSKeyID = w.replicaKeyID(r, dst, c.KMSKeyID, now)
	}
	c.Replica, c.Arrived = true, now
	c.Tags, c.Meta = slices.Clone(v.Tags), maps.Clone(v.Meta)
	return &c
}

// place stores a replica instead of the version of its id, and among the versions
// of its key by its time, so that two buckets that copy to each other come to the
// same order.
func (b *Bucket) place(v *Version) {
	b.insert(v)
	slices.SortStableFunc(b.objects[v.Key], func(x, y *Version) int {
		if c := y.Modified.Compare(x.Modified); c != 0 {
			return c
		}
		before, _ := versionOrder(x.ID)
		after, _ := versionOrder(y.ID)
		return cmp.Compare(after, before)
	})
}

// replicaUpload returns the copy of a multipart upload and makes it when there is
// none: the upload may be older than the rule.
func (b *Bucket) replicaUpload(u *Upload) *Upload {
	c := b.uploads[u.ID]
	if c == nil {
		c = &Upload{ID: u.ID, Key: u.Key, Initiated: u.Initiated, Head: u.Head, Parts: map[int]Part{}, Replica: true}
		b.uploads[u.ID] = c
	}
	return c
}

// retryBatch is how many refused lanes of a rule are tried at a time.
const retryBatch = 64

// retryLater arranges the next try of what was refused.
func (w *World) retryLater(r *Rule, now time.Time) {
	if r.run.retrying {
		return
	}
	r.run.retrying = true
	every := max(w.scale(w.opt.Delays.CopyRetry), 1)
	next := now.Add(every)
	// Between two calls into the world nothing changes but what still spreads from
	// the call before. After that, tries up to the call that is waiting would all
	// end alike: only the last of them is made.
	settled := w.repl.lastCall.Add(2*w.scale(w.opt.Delays.Propagation) + every)
	if next.After(settled) && next.Before(w.repl.thisCall) {
		next = next.Add(w.repl.thisCall.Sub(next) / every * every)
	}
	w.at(next, func(now time.Time) { w.retry(r, now) })
}

// retry tries refused lanes in turn: what is allowed by now gets ready.
func (w *World) retry(r *Rule, now time.Time) {
	run := r.run
	run.retrying = false
	if r.Status != RuleDoing || !w.stands(r) {
		return
	}
	w.settle(r, now)
	for again := true; again && len(run.refused) > 0; {
		batch := run.refused[:min(retryBatch, len(run.refused))]
		rest := slices.Clone(run.refused[len(batch):])
		again = false
		for _, l := range batch {
			if t := l.tasks[0]; w.judge(r, t, now) == copyRefused {
				rest = append(rest, l)
			} else {
				run.ready[t.slot()] = append(run.ready[t.slot()], l)
				again = true
			}
		}
		run.refused = rest
	}
	if len(run.refused) > 0 {
		w.pairOf(r).stats.Refused++
		w.retryLater(r, now)
	}
	w.pump(r, now)
}
