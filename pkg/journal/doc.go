// Package journal keeps append-only logs in a store that can do one thing: create
// an object at most once. It knows bytes and revisions, and nothing of what they mean.
//
// # Compare and swap
//
// A log is a row of entries with the numbers 1, 2, 3 ... Whoever wants to change
// the state that a log holds loads the newest entry, decides, and appends the entry
// that follows it:
//
//	snap, err := j.Load(ctx, journal.Job("CHG-2041"))
//	next, err := j.Append(ctx, snap, body, journal.Meta{Writer: "provision/5f3a"})
//
// The creation of the entry is the swap: of two writers with the same snapshot one
// gets the next [Snapshot], the other a [*LostError] with the entry that won. So a
// successful Append proves two things: that the loaded state was the newest, and
// that everybody else will see this one. Nobody may act on the world before that.
//
// Finding the newest entry rests on a listing, which may lag behind. That costs
// time, never safety, because the number of a stale snapshot is taken. [Journal.Reload]
// goes on from an entry that is known and trusts no listing.
//
// # Lost replies
//
// When the reply to a create is lost, nobody knows whether the entry exists.
// Append settles this by sending the very same bytes again: "exists" and the same
// bytes (each save has a nonce of its own) is success, "exists" and other bytes is a
// lost race. Only when the tries or the time run out does it return an error of kind
// fault.Unknown. The caller must then load again and must not assume either way.
//
// # What an entry proves
//
// An entry contains the SHA-256 of the raw bytes of the entry before it. Whoever
// changes an entry in the middle breaks the chain, which Reload notices in passing
// and [Journal.Verify] on a walk over the whole log. A tail that was cut off leaves
// the chain whole: that is found by an [Anchor] (number and hash) kept elsewhere.
//
// # Time
//
// [Snapshot.Now] and [Snapshot.Latest] tell the store's time, taken from the Date of
// its replies, so that all writers go by one clock. HTTP carries whole seconds and
// replies travel, so the store's time is known as an interval: Now is its early end,
// and never before the newest entry; Latest its late end. Ask Now whether somebody
// else's claim has ended, and Latest whether one's own is still good: then two
// writers cannot both think that a claim is theirs.
//
// # Versions of the program
//
// Meta and [Options] carry the schema of a body and the oldest schema that may read
// it. Both never fall along a log. A program older than that gets a [*TooNewError]
// and no Snapshot, so it cannot write after an entry that it does not understand.
//
// # What it does not do
//
// It does not cache, lock or wait for others, and it does not retry reads. It never
// changes or deletes an entry, but for [Journal.Prune] in logs of the kind "sweep".
package journal
