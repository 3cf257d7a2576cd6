package journal

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// The sets of marks.
const (
	Open  = driver.SetOpen  // stands while a job is not at rest, or has failed and left something; contains the ticket
	Watch = driver.SetWatch // stands while a pair is watched
)

// A Mark stands while something is true of a log, so that a sweep finds all such
// logs with one listing. It is created before the entry that makes it true, with
// the number of that entry, and taken away after the entry that ends it.
type Mark struct {
	Set   string // Open or Watch
	Shard int
	ID    string
	Rev   uint64 // the number of the entry that it was created for
}

// A Standing is a mark that a listing shows.
type Standing struct {
	Mark
	Size    int64     // of its content, in bytes
	Created time.Time // by the store's clock
}

// Marks keeps marks in a store.
type Marks struct{ d driver.Markers }

// NewMarks keeps marks in the store of d.
func NewMarks(d driver.Markers) *Marks { return &Marks{d} }

// Put creates a mark. One that stands already stays as it is, whatever it contains;
// created is then false. It may be false as well when an earlier try of this call
// created the mark and its reply was lost.
func (m *Marks) Put(ctx context.Context, mark Mark, data []byte) (created bool, err error) {
	key, err := mark.key()
	if err != nil {
		return false, err
	}
	return m.d.PutMarker(ctx, key, data)
}

// Get returns what a mark contains, or an error of kind fault.NotFound.
func (m *Marks) Get(ctx context.Context, mark Mark) ([]byte, error) {
	key, err := mark.key()
	if err != nil {
		return nil, err
	}
	return m.d.GetMarker(ctx, key)
}

// List returns up to limit marks of one shard that come after the mark after (nil
// begins at the first). Their order is that of the keys: always the same, with the
// revisions of one id together and ascending. Fewer than limit is the end. Objects that are no marks are passed over, and counted in others.
func (m *Marks) List(ctx context.Context, set string, shard int, after *Mark, limit int) (marks []Standing, others int, err error) {
	prefix, err := shardPrefix(set, shard)
	if err != nil {
		return nil, 0, err
	}
	start := ""
	if after != nil {
		if start, err = after.key(); err != nil {
			return nil, 0, err
		}
	}
	for len(marks) < limit {
		page, err := m.d.ListMarkers(ctx, prefix, start, limit-len(marks))
		if err != nil {
			return nil, others, err
		}
		for _, o := range page {
			mark, ok := parseMark(o.Key)
			if !ok {
				others++
				continue
			}
			marks = append(marks, Standing{Mark: mark, Size: o.Size, Created: o.Modified})
		}
		if len(page) == 0 {
			break
		}
		start = page[len(page)-1].Key
	}
	return marks, others, nil
}

// Clear takes away the marks of one id with revisions up to end.Rev. A mark with a
// later revision belongs to what began after that end, and stays.
func (m *Marks) Clear(ctx context.Context, end Mark) error {
	prefix, err := shardPrefix(end.Set, end.Shard)
	if err != nil {
		return err
	}
	if _, err := end.key(); err != nil {
		return err
	}
	prefix += driver.Escape(end.ID) + "/"
	for after := ""; ; {
		page, err := m.d.ListMarkers(ctx, prefix, after, listPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, o := range page {
			if mark, ok := parseMark(o.Key); ok && mark.Rev <= end.Rev {
				if err := m.d.DeleteMarker(ctx, o.Key); err != nil {
					return err
				}
			}
		}
		after = page[len(page)-1].Key
	}
}

// key returns "open/3/CHG-2041/000000000007": the revisions of one id are listed in
// their order.
func (m Mark) key() (string, error) {
	if _, err := shardPrefix(m.Set, m.Shard); err != nil {
		return "", err
	}
	if err := driver.CheckSeq(m.Rev); err != nil {
		return "", err
	}
	return driver.Key(m.Set, strconv.Itoa(m.Shard), m.ID, fmt.Sprintf("%012d", m.Rev))
}

func shardPrefix(set string, shard int) (string, error) {
	if set != Open && set != Watch || shard < 0 {
		return "", terminal("Marks", set, fmt.Errorf("there is no such set of marks with a shard %d", shard))
	}
	return set + "/" + strconv.Itoa(shard) + "/", nil
}

// parseMark undoes key. ok is false for anything else.
func parseMark(key string) (m Mark, ok bool) {
	parts, err := driver.SplitKey(key)
	if err != nil || len(parts) != 4 {
		return Mark{}, false
	}
	shard, err1 := strconv.Atoi(parts[1])
	rev, err2 := strconv.ParseUint(parts[3], 10, 64)
	m = Mark{Set: parts[0], Shard: shard, ID: parts[2], Rev: rev}
	again, err3 := m.key()
	return m, err1 == nil && err2 == nil && err3 == nil && again == key
}
