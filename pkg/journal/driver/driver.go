// Package driver is what a store has to do to carry journals: create an entry at
// most once, read an entry, and point at the newest one. Programs use package
// journal; only stores and their tests need this one.
//
// Every error is classified: fault.Of of it is one of fault.Kinds. An
// implementation asks the context first and reports its end as fault.Unknown.
package driver

import (
	"context"
	"errors"
	"time"
)

// ErrVersioned means that the store keeps versions of its objects, or once did.
// Such a store ignores the wish not to overwrite, so nothing can be created at most
// once in it. A store that has seen this refuses every further Create and PutMarker.
// Its kind is fault.Terminal.
var ErrVersioned = errors.New("the bucket is or was versioned, so writes to it cannot exclude each other")

// A Stamp is what the store's clock said in one reply. HTTP carries whole seconds,
// so both times are cut off to the second.
type Stamp struct {
	// Modified is when the entry was created. Zero when the reply does not say so:
	// the reply to a create does not.
	Modified time.Time
	// Now is the store's time when it answered. Zero when the reply did not say so,
	// or when there was none.
	Now time.Time
}

// A Driver carries logs. It is safe for concurrent use, and several drivers in
// several processes may share one store.
type Driver interface {
	// Head returns the sequence number of the newest entry that the store's listing
	// shows, or 0 when it shows none. It is a hint: a listing may lag behind.
	Head(ctx context.Context, log Log) (seq uint64, stamp Stamp, err error)

	// Create stores an entry if there is none with this number, and never changes
	// one that exists. Its errors are of kind
	//   - fault.Exists when there is an entry, which may be the caller's own, made by
	//     an attempt whose reply was lost;
	//   - fault.Unknown or fault.Retryable when the entry may have been made;
	//   - fault.Terminal with ErrVersioned when the store overwrites after all. The
	//     entry may have been made, and may have taken the place of another;
	//   - any other when it was refused.
	// The data may be used again when Create returns.
	Create(ctx context.Context, log Log, seq uint64, data []byte) (Stamp, error)

	// Get returns an entry, or an error of kind fault.NotFound; the stamp then holds
	// the time of the reply, if there was one. The caller may keep the data.
	Get(ctx context.Context, log Log, seq uint64) ([]byte, Stamp, error)
}

// An Entry is an entry as a listing shows it.
type Entry struct {
	Seq      uint64
	Modified time.Time
}

// A Lister is a store that can enumerate the entries of a log.
type Lister interface {
	// List returns up to limit entries with numbers below before, newest first.
	// before == 0 begins at the newest. A store may return fewer than it has; an empty
	// result is the end.
	List(ctx context.Context, log Log, before uint64, limit int) ([]Entry, error)
}

// A Pruner is a store from which the old entries of some logs can be taken away.
type Pruner interface {
	Lister

	// Delete takes one entry away; that there is none is not an error. It refuses
	// every log that is not Prunable, with fault.Terminal.
	Delete(ctx context.Context, log Log, seq uint64) error
}

// A Marker is a small object that stands beside the logs, as a listing shows it.
type Marker struct {
	Key      string
	Size     int64
	Modified time.Time
}

// Markers keeps small objects that are created once, listed in the order of their
// keys, and taken away. Keys are made by [Key].
type Markers interface {
	// PutMarker creates a marker. One that exists stays as it is, whatever it contains,
	// and is not an error: created tells which it was. created may be false although
	// this call did it, when an earlier attempt's reply was lost.
	PutMarker(ctx context.Context, key string, data []byte) (created bool, err error)

	// GetMarker returns a marker's content, or an error of kind fault.NotFound.
	GetMarker(ctx context.Context, key string) ([]byte, error)

	// ListMarkers returns up to limit markers whose keys begin with prefix and come
	// after the key after ("" begins at the first), in the order of their keys. A
	// store may return fewer than it has; an empty result is the end.
	ListMarkers(ctx context.Context, prefix, after string, limit int) ([]Marker, error)

	// DeleteMarker takes a marker away; that there is none is not an error.
	DeleteMarker(ctx context.Context, key string) error
}

// A Store is everything at once. Both stores of this project are one.
type Store interface {
	Driver
	Pruner
	Markers
}
