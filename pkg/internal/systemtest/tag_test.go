package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// byTags is a scope of objects with tags, below a prefix.
func byTags(match string) string {
	return `"historical":{"replicate":true},"objects":{"prefixes":["image/"],"tags":{"match":"` + match + `","set":[{"key":"team","value":"a b"},{"key":"Kind","value":"raw"}]}}`
}

// putTagged writes an object with tags, given as keys and values in turn.
func (d *desk) putTagged(bucket, key string, tags ...string) {
	d.t.Helper()
	v := world.Version{Key: key, Data: []byte(key)}
	for i := 0; i < len(tags); i += 2 {
		v.Tags = append(v.Tags, world.Tag{Key: tags[i], Value: tags[i+1]})
	}
	_, e := d.world.PutObject(bucket, v, false)
	require.Nil(d.t, e)
}

// putEachWay writes objects that have all of the tags, some, others, or none.
func (d *desk) putEachWay(bucket, name string) {
	d.t.Helper()
	d.putTagged(bucket, "image/all-"+name, "Kind", "raw", "team", "a b", "more", "x")
	d.putTagged(bucket, "image/one-"+name, "Kind", "raw")
	d.putTagged(bucket, "image/letters-"+name, "kind", "raw", "Team", "a b", "team", "A B")
	d.putTagged(bucket, "image/none-"+name)
	d.putTagged(bucket, "other/all-"+name, "Kind", "raw", "team", "a b")
}

func TestATagFilterChoosesWhatIsReplicated(t *testing.T) {
	const ours = "image/.replidesk/CHG-1/"
	for name, c := range map[string]struct {
		match     string
		versioned bool
		region    string
		want      []string
	}{
		"all of the tags":                {"all", false, away, []string{"image/all-new", "image/all-old"}},
		"any of the tags":                {"any", false, away, []string{"image/all-new", "image/all-old", "image/one-new", "image/one-old"}},
		"all of the tags, with versions": {"all", true, away, []string{"image/all-new", "image/all-old"}},
		"any of the tags, in one region": {"any", true, home, []string{"image/all-new", "image/all-old", "image/one-new", "image/one-old"}},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.bucket("src", home, c.versioned)
			d.bucket("dst", c.region, c.versioned)
			d.putEachWay("src", "old")
			d.submit(d.ticketTo("CHG-1", "src", "dst", c.region, byTags(c.match)))
			j := d.watched("CHG-1", time.Hour)
			require.Equal(t, replication.ReasonVerified, j.Reason)
			require.Equal(t, ours+"untagged did not arrive", j.Evidence.Untagged)
			require.Equal(t, "image.replidesk/CHG-1/outside did not arrive", j.Evidence.Outside)
			require.Equal(t, "the deletion stayed at the source", j.Evidence.Deletion)
			require.Contains(t, string(d.awaitEvent("CHG-1", replication.ReasonVerified, time.Minute).Data.Detail), `"untagged"`)
			require.Contains(t, j.Evidence.LeftBehind[0], "dst/"+ours+"canary")
			d.putEachWay("src", "new")
			time.Sleep(20 * time.Minute)
			require.Equal(t, append([]string{ours + "canary"}, c.want...), d.keys("dst"))
			require.Empty(t, d.ours("src"), "the source is clean")
			rules, e := d.world.Replication("src", false)
			require.Nil(t, e)
			require.Equal(t, map[string]string{"all": "AND", "any": "OR"}[c.match], rules[0].Tags.Type)
			require.Equal(t, []world.Tag{{Key: "team", Value: "a b"}, {Key: "Kind", Value: "raw"}}, rules[0].Tags.Tags)
		})
	}
	bubble(t, "in the whole bucket", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.putEachWay("src", "old")
		d.submit(d.ticket("CHG-1", "src", "dst", `"historical":{"replicate":true},"objects":{"tags":{"match":"all","set":[{"key":"Kind","value":"raw"}]}}`))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, "not checked: every key is in scope", j.Evidence.Outside)
		require.Equal(t, ".replidesk/CHG-1/untagged did not arrive", j.Evidence.Untagged)
		time.Sleep(20 * time.Minute)
		require.Equal(t, []string{".replidesk/CHG-1/canary", "image/all-old", "image/one-old", "other/all-old"}, d.keys("dst"))
	})
}

func TestARuleWithoutTheTagsOfTheTicketIsClosedAtOnce(t *testing.T) {
	bubble(t, "because OSS lost its UserTaggings", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		d.putEachWay("src", "old")
		restore := d.world.DropElement("UserTaggings")
		d.submit(d.ticket("CHG-1", "src", "dst", byTags("all")))
		require.True(t, d.until(10*time.Minute, func() bool { return d.calls("DeleteBucketReplication") > 0 }))
		require.Less(t, d.calledAt("DeleteBucketReplication").Sub(d.calledAt("PutBucketReplication")), 5*time.Second, "at once")
		j := d.await("CHG-1", time.Hour)
		require.Equal(t, replication.ReasonRuleDiffers, j.Reason)
		require.Contains(t, j.Message, "tag filter is none, asked for was")
		time.Sleep(24 * time.Hour)
		require.Empty(t, d.keys("dst"), "nothing was copied by such a rule")
		require.Empty(t, d.owner("src", "dst"), "the pair is free")
		restore()
		d.submit(d.ticket("CHG-2", "src", "dst", byTags("all")))
		d.watched("CHG-2", time.Hour)
	})
}

func TestAnObjectWithoutTheTagsThatArrives(t *testing.T) {
	bubble(t, "closes the rule", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", byTags("all")))
		d.inPhase("CHG-1", replication.PhaseVerifying, time.Hour)
		d.put("dst", "image/.replidesk/CHG-1/untagged", "as if the rule had copied it")
		j := d.await("CHG-1", time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonOutOfScope, j.Reason)
		require.Contains(t, j.Message, "image/.replidesk/CHG-1/untagged arrived although it has none of the tags of the rule")
		require.Equal(t, 1, d.calls("DeleteBucketReplication"))
		require.Empty(t, d.owner("src", "dst"), "the pair is free")
		time.Sleep(time.Hour)
		require.Zero(t, d.rules("src"))
	})
}

func TestTheRightToTagIsNeededForTagFiltersOnly(t *testing.T) {
	bubble(t, "a job that lacks it is blocked and goes on when it is granted", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.pair("plain-src", "plain-dst", false)
		_, e := d.world.CreatePolicy(d.uid, "no-tags", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:PutObjectTagging","Resource":"*"}]}`, "", nil)
		require.Nil(t, e)
		d.attach(fn("verify"), "no-tags")
		time.Sleep(time.Minute)
		d.submit(d.ticket("CHG-1", "src", "dst", byTags("all")))
		d.submit(d.ticket("CHG-2", "plain-src", "plain-dst", ""))
		event := d.awaitEvent("CHG-1", replication.ReasonDenied, time.Hour)
		require.Contains(t, event.Data.Message, "PutObject src/image/.replidesk/CHG-1/canary")
		d.watched("CHG-2", time.Hour)
		d.detach(fn("verify"), "no-tags")
		d.watched("CHG-1", 2*time.Hour)
	})
}
