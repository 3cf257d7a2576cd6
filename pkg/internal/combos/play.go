package combos

import (
	"fmt"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// Prepare makes the buckets of a trial and what they hold before the ticket.
func (c Combo) Prepare(w *world.World, t Trial) error {
	from, to := c.Ends()
	for name, region := range map[string]string{t.Source: from, t.Destination: to} {
		if e := w.PutBucket(world.NewBucket{Name: name, Owner: t.Account, Region: region}); e != nil {
			return e
		}
		if c.Is(Versioning, "versioned") {
			if e := w.PutBucketVersioning(name, "Enabled"); e != nil {
				return e
			}
		}
	}
	if c.Is(Destination, "into objects") {
		for _, o := range c.Objects() {
			if o.Before {
				if err := put(w, t.Destination, o.Key, "theirs", nil); err != nil {
					return err
				}
			}
		}
	}
	return c.Write(w, t, true)
}

// Write puts the objects of a trial to the source: those from before the ticket, or
// those of the time when the pair is watched.
func (c Combo) Write(w *world.World, t Trial, before bool) error {
	for _, o := range c.Objects() {
		if o.Before == before {
			if err := put(w, t.Source, o.Key, "ours", o.Tags); err != nil {
				return err
			}
		}
	}
	return nil
}

func put(w *world.World, bucket, key, content string, tags map[string]string) error {
	v := world.Version{Key: key, Data: []byte(content)}
	for k, value := range tags {
		v.Tags = append(v.Tags, world.Tag{Key: k, Value: value})
	}
	if _, e := w.PutObject(bucket, v, false); e != nil {
		return e
	}
	return nil
}

// Wrong returns what is not at the destination as it has to be, once everything was
// written and copied.
func (c Combo) Wrong(w *world.World, t Trial) (complaints []string) {
	for _, o := range c.Objects() {
		want := ""
		if o.Before && c.Is(Destination, "into objects") {
			want = "theirs"
		}
		if o.Copied {
			want = "ours"
		}
		if have := read(w, t.Destination, o.Key); have != want {
			complaints = append(complaints, fmt.Sprintf("%s: %s holds %q, not %q", c, o.Key, have, want))
		}
	}
	return complaints
}

// read returns the contents of an object, or "".
func read(w *world.World, bucket, key string) string {
	v, e := w.Object(bucket, key, "", false)
	if e != nil {
		return ""
	}
	return string(v.Data)
}

// Delete deletes one object plainly that was copied, and returns its key.
func (c Combo) Delete(w *world.World, t Trial) (key string, err error) {
	for _, o := range c.Objects() {
		if o.Copied && !o.Before {
			if _, e := w.DeleteObject(t.Source, o.Key, ""); e != nil {
				return "", e
			}
			return o.Key, nil
		}
	}
	return "", fmt.Errorf("%s copies nothing", c)
}

// Deleted reports whether what [Combo.Delete] did has come to what it has to.
func (c Combo) Deleted(w *world.World, t Trial, key string) bool {
	return (read(w, t.Destination, key) == "") == c.DeletesArrive()
}

// OwnKey reports whether a key can be the one of an object that proves the rule: it
// lies in the scope.
func (c Combo) OwnKey(key string) bool {
	p := c.prefixes()
	if len(p) == 0 {
		return key != ""
	}
	for _, prefix := range p {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
