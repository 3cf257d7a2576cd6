package world

import "time"

// What clients do to a bucket is told to replication through these methods, with
// the lock held and after the bucket was changed. What replication itself writes
// is not told: copies are not copied on.

// wrote reports a new version or delete marker. replaced is the version of the
// same id that it took the place of, or nil.
func (w *World) wrote(b *Bucket, v, replaced *Version, now time.Time) {}

// removed reports that a version was taken away for good (a delete in a bucket
// without versioning, or a delete that named a version).
func (w *World) removed(b *Bucket, v *Version, now time.Time) {}

// uploadStarted, partUploaded and uploadEnded report the life of a multipart
// upload; completed is nil when it was aborted.
func (w *World) uploadStarted(b *Bucket, u *Upload, now time.Time)                   {}
func (w *World) partUploaded(b *Bucket, u *Upload, p Part, now time.Time)            {}
func (w *World) uploadEnded(b *Bucket, u *Upload, completed *Version, now time.Time) {}

// refusesVersioning is asked before the versioning of a bucket becomes status
// ("Enabled" or "Suspended"): one that is in a rule has to stay as its partner is.
func (w *World) refusesVersioning(b *Bucket, status string) *Error { return nil }

// bucketDeleted reports that an empty bucket was deleted, with the rules it was in.
func (w *World) bucketDeleted(b *Bucket, now time.Time) {}

// A Rule is a replication rule.
type Rule struct {
	ID string
}
