// Package memjournal keeps logs and markers in memory. It does what OSS does, whole
// seconds in its time stamps included, and can be told to misbehave as OSS can. It
// is for tests and for trying things out; nothing survives the process.
package memjournal

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// A Store is one store. Make it with [New]; it is safe for concurrent use.
type Store struct {
	mu        sync.Mutex
	now       func() time.Time
	logs      map[driver.Log]map[uint64]object
	markers   map[string]object
	versioned bool
	noticed   bool // a reply has shown that the bucket is versioned
	faults    []*Fault
}

type object struct {
	data     []byte
	modified time.Time
}

var _ driver.Store = (*Store)(nil)

// New makes an empty store with the given clock; nil means time.Now.
func New(clock func() time.Time) *Store {
	if clock == nil {
		clock = time.Now
	}
	return &Store{now: clock, logs: map[driver.Log]map[uint64]object{}, markers: map[string]object{}}
}

// Head implements driver.Driver.
func (s *Store) Head(ctx context.Context, log driver.Log) (uint64, driver.Stamp, error) {
	if err := log.Check(); err != nil {
		return 0, driver.Stamp{}, err
	}
	c, err := s.begin(ctx, Head, string(log))
	if err != nil {
		return 0, driver.Stamp{}, err
	}
	defer s.mu.Unlock()
	stamp := driver.Stamp{Now: second(s.now())}
	var newest uint64
	for _, seq := range s.shown(log, c) {
		newest = max(newest, seq)
	}
	if newest > 0 {
		stamp.Modified = second(s.logs[log][newest].modified)
	}
	return newest, stamp, c.lost()
}

// Create implements driver.Driver.
func (s *Store) Create(ctx context.Context, log driver.Log, seq uint64, data []byte) (driver.Stamp, error) {
	if err := errors.Join(log.Check(), driver.CheckSeq(seq)); err != nil {
		return driver.Stamp{}, err
	}
	c, err := s.begin(ctx, Create, string(log))
	if err != nil {
		return driver.Stamp{}, err
	}
	defer s.mu.Unlock()
	if s.noticed {
		return driver.Stamp{}, c.versioned()
	}
	entries := s.logs[log]
	if entries == nil {
		entries = map[uint64]object{}
		s.logs[log] = entries
	}
	stamp := driver.Stamp{Now: second(s.now())}
	if _, ok := entries[seq]; ok && !s.versioned {
		return stamp, c.or(fault.Exists)
	}
	entries[seq] = object{bytes.Clone(data), s.now()}
	if err := c.lost(); err != nil {
		return driver.Stamp{}, err
	}
	if s.versioned { // the reply says so, after the effect
		s.noticed = true
		return driver.Stamp{}, c.versioned()
	}
	return stamp, nil
}

// Get implements driver.Driver.
func (s *Store) Get(ctx context.Context, log driver.Log, seq uint64) ([]byte, driver.Stamp, error) {
	if err := errors.Join(log.Check(), driver.CheckSeq(seq)); err != nil {
		return nil, driver.Stamp{}, err
	}
	c, err := s.begin(ctx, Get, string(log))
	if err != nil {
		return nil, driver.Stamp{}, err
	}
	defer s.mu.Unlock()
	if err := c.lost(); err != nil {
		return nil, driver.Stamp{}, err
	}
	o, ok := s.logs[log][seq]
	stamp := driver.Stamp{Now: second(s.now())}
	if !ok || c.fault != nil && c.fault.Kind == StaleRead {
		return nil, stamp, c.refuse(fault.NotFound)
	}
	stamp.Modified = second(o.modified)
	return bytes.Clone(o.data), stamp, nil
}

// List implements driver.Lister.
func (s *Store) List(ctx context.Context, log driver.Log, before uint64, limit int) ([]driver.Entry, error) {
	if err := log.Check(); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, List, string(log))
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var entries []driver.Entry
	for _, seq := range s.shown(log, c) {
		if before == 0 || seq < before {
			entries = append(entries, driver.Entry{Seq: seq, Modified: second(s.logs[log][seq].modified)})
		}
	}
	slices.SortFunc(entries, func(a, b driver.Entry) int {
		if a.Seq > b.Seq {
			return -1
		}
		return 1
	})
	return entries[:min(len(entries), limit)], c.lost()
}

// Delete implements driver.Pruner.
func (s *Store) Delete(ctx context.Context, log driver.Log, seq uint64) error {
	if err := errors.Join(log.Check(), driver.CheckSeq(seq)); err != nil {
		return err
	}
	c, err := s.begin(ctx, Delete, string(log))
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !log.Prunable() {
		return c.refuse(fault.Terminal)
	}
	delete(s.logs[log], seq)
	return c.lost()
}

// PutMarker implements driver.Markers.
func (s *Store) PutMarker(ctx context.Context, key string, data []byte) (bool, error) {
	if err := driver.CheckKey(key); err != nil {
		return false, err
	}
	c, err := s.begin(ctx, PutMarker, key)
	if err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if s.noticed {
		return false, c.versioned()
	}
	if _, ok := s.markers[key]; ok && !s.versioned {
		return false, c.lost()
	}
	s.markers[key] = object{bytes.Clone(data), s.now()}
	if err := c.lost(); err != nil {
		return false, err
	}
	if s.versioned {
		s.noticed = true
		return false, c.versioned()
	}
	return true, nil
}

// GetMarker implements driver.Markers.
func (s *Store) GetMarker(ctx context.Context, key string) ([]byte, error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, GetMarker, key)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if err := c.lost(); err != nil {
		return nil, err
	}
	o, ok := s.markers[key]
	if !ok {
		return nil, c.refuse(fault.NotFound)
	}
	return bytes.Clone(o.data), nil
}

// ListMarkers implements driver.Markers.
func (s *Store) ListMarkers(ctx context.Context, prefix, after string, limit int) ([]driver.Marker, error) {
	c, err := s.begin(ctx, ListMarkers, prefix)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var markers []driver.Marker
	for key, o := range s.markers {
		if strings.HasPrefix(key, prefix) && key > after {
			markers = append(markers, driver.Marker{Key: key, Size: int64(len(o.data)), Modified: second(o.modified)})
		}
	}
	slices.SortFunc(markers, func(a, b driver.Marker) int { return strings.Compare(a.Key, b.Key) })
	return markers[:min(len(markers), limit)], c.lost()
}

// DeleteMarker implements driver.Markers.
func (s *Store) DeleteMarker(ctx context.Context, key string) error {
	if err := driver.CheckKey(key); err != nil {
		return err
	}
	c, err := s.begin(ctx, DeleteMarker, key)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.markers, key)
	return c.lost()
}

// shown returns the numbers of the entries that a listing shows, in any order.
func (s *Store) shown(log driver.Log, c call) []uint64 {
	var seqs []uint64
	for seq, o := range s.logs[log] {
		if c.fault == nil || c.fault.Kind != StaleList || s.now().Sub(o.modified) >= c.fault.Delay {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// second cuts a time off as an HTTP header does.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
