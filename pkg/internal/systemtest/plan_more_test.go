package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// risk returns what a plan says under a code; "" when it says nothing.
func risk(p replication.PlanResult, code string) string {
	for _, n := range p.Risks {
		if n.Code == code {
			return n.Message
		}
	}
	return ""
}

// ages gives a bucket one lifecycle rule.
func (d *desk) ages(bucket string, r world.LifecycleRule) {
	d.t.Helper()
	r.Enabled = true
	require.Nil(d.t, d.world.PutBucketLifecycle(bucket, []world.LifecycleRule{r}, false))
}

func TestWhatAPlanSaysOfALifecycleRuleOfTheSourceComesTrue(t *testing.T) {
	expires := world.LifecycleRule{ID: "tidy", Prefix: "image/old", Expiration: &world.LifecycleTime{Days: 2}}
	for name, c := range map[string]struct {
		versioned, deletes bool
		rule               world.LifecycleRule
		code               string
		stays, kept        bool // the copy is seen afterwards; its contents are there, seen or not
		class              string
	}{
		"deletes stay":                {false, false, expires, "lifecycle-keeps-copies", true, true, ""},
		"deletes go":                  {false, true, expires, "lifecycle-deletes-copies", false, false, ""},
		"deletes stay, with versions": {true, false, expires, "lifecycle-hides-copies", false, true, ""},
		"deletes go, with versions":   {true, true, expires, "lifecycle-hides-copies", false, true, ""},
		"versions are deleted, deletes go": {true, true, world.LifecycleRule{ID: "tidy", Prefix: "image/old",
			Expiration: &world.LifecycleTime{Days: 2}, NoncurrentDays: 1}, "lifecycle-deletes-versions", false, false, ""},
		"versions are deleted, deletes stay": {true, false, world.LifecycleRule{ID: "tidy", Prefix: "image/old",
			Expiration: &world.LifecycleTime{Days: 2}, NoncurrentDays: 1}, "lifecycle-keeps-versions", false, true, ""},
		"the storage class changes": {false, true, world.LifecycleRule{ID: "tidy",
			Transitions: []world.LifecycleTransition{{LifecycleTime: world.LifecycleTime{Days: 2}, StorageClass: "IA"}}}, "lifecycle-class-stays", true, true, "IA"},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{tick: time.Hour})
			d.bucket("src", home, c.versioned)
			d.bucket("dst", away, c.versioned)
			d.ages("src", c.rule)
			extra := scope
			if c.deletes {
				extra += `,"replicateDeletes":true`
			}
			body := d.ticket("CHG-1", "src", "dst", extra)
			p := d.plan(body)
			require.True(t, p.Accepted, "%v", p.Reasons)
			require.Contains(t, risk(p, c.code), `lifecycle rule "tidy" of src`)
			require.NotEmpty(t, risk(p, "class-and-access-stay"))
			d.submit(body)
			d.watched("CHG-1", 12*time.Hour)
			d.put("src", "image/old", "of yesterday")
			time.Sleep(5 * time.Hour)
			require.NotNil(t, d.object("dst", "image/old"))
			time.Sleep(6 * 24 * time.Hour)
			if original := d.object("src", "image/old"); c.class == "" {
				require.Nil(t, original)
			} else {
				require.Equal(t, c.class, original.StorageClass)
				require.NotEqual(t, c.class, d.object("dst", "image/old").StorageClass)
			}
			require.Equal(t, c.stays, d.object("dst", "image/old") != nil)
			contents := false
			for _, v := range d.listed("dst", "image/old", true) {
				contents = contents || !v.DeleteMarker
			}
			require.Equal(t, c.kept, contents)
		})
	}
}

func TestWhatAPlanSaysOfALifecycleRuleOfTheDestinationComesTrue(t *testing.T) {
	bubble(t, "copies are as old as their originals", func(t *testing.T) {
		d := newDesk(t, setup{tick: time.Hour})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "of last week")
		time.Sleep(7 * 24 * time.Hour)
		d.ages("dst", world.LifecycleRule{ID: "tidy", Expiration: &world.LifecycleTime{Days: 3}})
		body := d.ticket("CHG-1", "src", "dst", "")
		p := d.plan(body)
		require.Contains(t, risk(p, "destination-lifecycle-deletes"), "3 days after their last change")
		require.Contains(t, risk(p, "destination-lifecycle-deletes"), "as old as its original")
		d.submit(body)
		d.watched("CHG-1", 12*time.Hour)
		require.NotNil(t, d.object("dst", "image/1"))
		time.Sleep(24 * time.Hour)
		require.Nil(t, d.object("dst", "image/1"))
		require.NotNil(t, d.object("src", "image/1"))
	})
}

func TestWhatAPlanShowsIsWhatTheHistoricalCopyOverwrites(t *testing.T) {
	for name, c := range map[string]struct {
		versioned bool
		extra     string
		code      string
	}{
		"without versions": {false, `"historical":{"replicate":true,"acceptOverwrite":true},"objects":{"prefixes":["image/"]}`, "historical-overwrites"},
		"with versions":    {true, scope, "same-name-objects"},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", c.versioned)
			for key, content := range map[string]string{"image/1": "old text", "image/2": "alike", "image/4": "old", "text/1": "old"} {
				d.put("dst", key, content)
			}
			time.Sleep(time.Minute) // what is written later is the newer version
			for key, content := range map[string]string{"image/1": "new", "image/2": "alike", "image/3": "new", "text/1": "new"} {
				d.put("src", key, content)
			}
			body := d.ticket("CHG-1", "src", "dst", c.extra)
			p := d.plan(body)
			require.True(t, p.Accepted, "%v", p.Reasons)
			require.Equal(t, &replication.SameNamesSeen{Looked: 3, Complete: true, Same: 1, Other: 1, Examples: []replication.SameName{
				{Key: "image/1", Source: 3, Destination: 8}, {Key: "image/2", Same: true, Source: 5, Destination: 5},
			}}, p.SameNames)
			require.Contains(t, risk(p, c.code), "image/1 (3 bytes over 8)")
			d.submit(body)
			d.watched("CHG-1", 12*time.Hour)
			time.Sleep(time.Hour)
			require.Equal(t, "new", string(d.object("dst", "image/1").Data))
			require.Equal(t, "old", string(d.object("dst", "image/4").Data))
			require.Equal(t, "old", string(d.object("dst", "text/1").Data))
			versions := d.listed("dst", "image/1", true)
			require.Equal(t, c.versioned, len(versions) == 2, "the old contents stay as a version, or are lost")
		})
	}
	bubble(t, "and a ticket that is refused for them shows them too", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "new")
		d.put("dst", "image/1", "old text")
		p := d.plan(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.ReasonOverwrite, p.Reasons[0].Code)
		require.Contains(t, risk(p, "historical-overwrites"), "image/1 (3 bytes over 8)")
	})
}
