package systemtest

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestTheScopeIsWhatTheTicketSays(t *testing.T) {
	bubble(t, "the whole bucket", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "one")
		d.put("src", "other/2", "two")
		d.submit(d.ticket("CHG-1", "src", "dst", `"historical":{"replicate":true}`))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, "not checked: every key is in scope", j.Evidence.Outside)
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{".replidesk/CHG-1/canary", "image/1", "other/2"}, d.keys("dst"))
		require.Empty(t, d.ours("src"))
	})
	bubble(t, "ten prefixes", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		var prefixes, want []string
		for i := range 10 {
			prefixes = append(prefixes, fmt.Sprintf("p%d", i))
			want = append(want, fmt.Sprintf("p%d/object", i))
			d.put("src", fmt.Sprintf("p%d/object", i), "in scope")
			d.put("src", fmt.Sprintf("q%d/object", i), "out of scope")
		}
		d.submit(withPrefixes(d, prefixes...))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, "p.replidesk/CHG-1/outside did not arrive", j.Evidence.Outside)
		time.Sleep(10 * time.Minute)
		require.Subset(t, d.keys("dst"), want)
		require.Len(t, d.keys("dst"), 10+1)
	})
	bubble(t, "prefixes of other scripts, with spaces and signs", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		prefixes := []string{"图片/2026 年/", "a b+c&d/", "<xml>/"}
		for _, p := range prefixes {
			d.put("src", p+"1", "one")
		}
		d.submit(withPrefixes(d, prefixes...))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		require.Len(t, d.keys("dst"), 3)
	})
}

func TestDeletesAreReplicatedAsTheTicketAndVersioningSay(t *testing.T) {
	const key = "image/.replidesk/CHG-1/canary"
	cases := map[string]struct {
		deletes, versioned bool
		deletion           string   // in the evidence
		left               []string // named by it
		stays              int      // versions and markers of ours at the destination
		object             bool     // an object that is deleted at the source is still at the destination
	}{
		"off, without versioning": {false, false, "the deletion stayed at the source", []string{"dst/" + key}, 1, true},
		"off, with versioning":    {false, true, "the delete marker arrived and hides the copy", []string{"dst/" + key + " (its versions behind a delete marker)"}, 3, false},
		"on, without versioning":  {true, false, "the deletion removed the copy", nil, 0, false},
		"on, with versioning":     {true, true, "the delete marker arrived and hides the copy", nil, 0, false},
	}
	for name, c := range cases {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", c.versioned)
			d.put("src", "image/1", "one")
			d.submit(d.ticket("CHG-1", "src", "dst", scope+`,"replicateDeletes":`+strconv.FormatBool(c.deletes)))
			j := d.watched("CHG-1", time.Hour)
			require.Equal(t, c.deletion, j.Evidence.Deletion)
			require.Equal(t, c.left, j.Evidence.LeftBehind)
			require.Equal(t, "image.replidesk/CHG-1/outside did not arrive", j.Evidence.Outside)
			for _, left := range c.left {
				require.Contains(t, j.Message, left, "what is left behind is said to the one who reads the result")
			}
			time.Sleep(10 * time.Minute)
			require.Empty(t, d.ours("src"), "the source is clean")
			require.Len(t, d.ours("dst"), c.stays)
			require.NotNil(t, d.object("dst", "image/1"))
			_, e := d.world.DeleteObject("src", "image/1", "")
			require.Nil(t, e)
			time.Sleep(10 * time.Minute)
			require.Equal(t, c.object, d.object("dst", "image/1") != nil)
		})
	}
}

func TestExistingObjectsAreCopiedOnlyWhenTheTicketSaysSo(t *testing.T) {
	bubble(t, "on", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/old", "old")
		d.put("dst", "other/there", "out of scope, and so no obstacle")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.put("src", "image/meanwhile", "written before the rule")
		d.watched("CHG-1", time.Hour)
		d.put("src", "image/new", "new")
		time.Sleep(time.Hour)
		require.Subset(t, d.keys("dst"), []string{"image/old", "image/meanwhile", "image/new"})
	})
	bubble(t, "off: old objects never arrive", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		d.put("src", "image/old", "old")
		d.put("dst", "image/there", "in scope, and not in danger")
		d.submit(d.ticket("CHG-1", "src", "dst", `"historical":{"replicate":false},"objects":{"prefixes":["image/"]}`))
		d.watched("CHG-1", time.Hour)
		d.put("src", "image/new", "new")
		time.Sleep(24 * time.Hour)
		require.Equal(t, []string{"image/.replidesk/CHG-1/canary", "image/new", "image/there"}, d.keys("dst"))
	})
	bubble(t, "on, over what the destination has, when that is accepted", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "new")
		d.put("dst", "image/1", "old")
		d.submit(d.ticket("CHG-1", "src", "dst", `"historical":{"replicate":true,"acceptOverwrite":true},"objects":{"prefixes":["image/"]}`))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		require.Equal(t, "new", string(d.object("dst", "image/1").Data))
	})
	bubble(t, "on, over what the destination has, where versions keep the old", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		d.put("dst", "image/1", "old")
		d.put("src", "image/1", "new")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(10 * time.Minute)
		require.Equal(t, "new", string(d.object("dst", "image/1").Data))
		require.Len(t, d.listed("dst", "image/1", true), 2)
	})
}

func TestReplicationTimeControl(t *testing.T) {
	bubble(t, "is part of the rule where it is offered", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", scope+`,"rtc":true`))
		d.watched("CHG-1", time.Hour)
		time.Sleep(time.Hour)
		rules, e := d.world.Replication("src", false)
		require.Nil(t, e)
		require.Equal(t, world.RTCEnabled, rules[0].RTC)
	})
	bubble(t, "is refused where it is not", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("src", home, false)
		d.bucket("dst", "cn-chengdu", false)
		d.submit(d.ticketTo("CHG-1", "src", "dst", "cn-chengdu", scope+`,"rtc":true`))
		require.Equal(t, replication.ReasonRTCNotOffered, d.await("CHG-1", time.Minute).Reason)
		require.Empty(t, d.made())
	})
}

func TestTransferAcceleration(t *testing.T) {
	cases := map[string]struct {
		region string
		asked  bool
		reason replication.Reason
	}{
		"is needed out of the mainland":               {"us-west-1", false, replication.ReasonAccelerationNeeded},
		"is used out of the mainland":                 {"us-west-1", true, replication.ReasonVerified},
		"is refused within the mainland":              {"cn-shanghai", true, replication.ReasonAccelerationPointless},
		"cannot lead to where OSS does not replicate": {"cn-nowhere", true, replication.ReasonRegionNotAllowed},
	}
	for name, c := range cases {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.bucket("src", home, false)
			d.bucket("dst", c.region, false)
			d.submit(d.ticketTo("CHG-1", "src", "dst", c.region, scope+`,"transferAcceleration":`+strconv.FormatBool(c.asked)))
			j := d.await("CHG-1", time.Hour)
			require.Equal(t, c.reason, j.Reason, j.Message)
			if c.reason != replication.ReasonVerified {
				require.Empty(t, d.made())
				require.NotEmpty(t, d.events("CHG-1")[1].Data.Remedy)
				return
			}
			rules, e := d.world.Replication("src", false)
			require.Nil(t, e)
			require.Equal(t, "oss_acc", rules[0].TransferType)
		})
	}
}

func TestReplicationWithinOneRegion(t *testing.T) {
	for name, versioned := range map[string]bool{"with versions": true, "without versions": false} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.bucket("src", home, versioned)
			d.bucket("dst", home, versioned)
			d.put("src", "image/old", "old")
			d.submit(d.ticketTo("CHG-1", "src", "dst", home, scope+`,"replicateDeletes":true`))
			j := d.watched("CHG-1", time.Hour)
			require.Equal(t, replication.ReasonVerified, j.Reason)
			for _, r := range []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified} {
				require.Contains(t, string(d.awaitEvent("CHG-1", r, time.Minute).Data.Detail), `"topology":"SRR"`)
			}
			d.put("src", "image/new", "new")
			time.Sleep(20 * time.Minute)
			require.Equal(t, []string{"image/new", "image/old"}, d.keys("dst"))
			_, e := d.world.DeleteObject("src", "image/old", "")
			require.Nil(t, e)
			time.Sleep(10 * time.Minute)
			require.Equal(t, []string{"image/new"}, d.keys("dst"))
			rules, e := d.world.Replication("src", false)
			require.Nil(t, e)
			require.Equal(t, "oss-"+home, rules[0].Location)
			require.Zero(t, rules[0].RTC)
			require.Equal(t, "internal", rules[0].TransferType)
			require.Zero(t, d.calls("GetBucketReplicationLocation"), "nothing depends on where else the region leads")
		})
	}
	bubble(t, "is watched as between regions", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("src", home, false)
		d.bucket("dst", home, false)
		d.submit(d.ticketTo("CHG-1", "src", "dst", home, scope+`,"limits":{"maxLag":"10m"}`))
		d.watched("CHG-1", time.Hour)
		d.world.PausePair("src", "dst", true)
		d.put("src", "image/late", "late")
		d.awaitEvent("CHG-1", replication.ReasonLag, time.Hour)
		d.world.PausePair("src", "dst", false)
		d.awaitEvent("CHG-1", replication.ReasonRecovered, time.Hour)
		require.NotNil(t, d.object("dst", "image/late"))
	})
}

func TestTheCanaryCanBeDeclined(t *testing.T) {
	const declined = scope + `,"verify":{"canary":false}`
	bubble(t, "then the evidence is the watermark, and says so", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "one")
		d.submit(d.ticket("CHG-1", "src", "dst", declined))
		j := d.watched("CHG-1", time.Hour)
		require.Equal(t, replication.ReasonVerifiedNoCanary, j.Reason)
		require.Equal(t, "watermark", j.Evidence.By)
		require.True(t, j.Evidence.Watermark.After(j.Evidence.WatermarkBefore))
		time.Sleep(time.Hour)
		require.Equal(t, []string{"image/1"}, d.keys("dst"), "nothing of ours is anywhere")
		require.Equal(t, []string{"image/1"}, d.keys("src"))
		require.Zero(t, d.callsTo("PutObject", "src/"))
	})
	bubble(t, "where an idle bucket shows no watermark a person is asked to write something", func(t *testing.T) {
		d := newDesk(t, setup{world: world.Options{IdleWatermarkStands: true}})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", declined))
		d.awaitEvent("CHG-1", replication.ReasonWatermarkStands, 2*time.Hour)
		require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase)
		for i := range 5 {
			d.put("src", fmt.Sprintf("image/%d", i), "new")
			time.Sleep(20 * time.Minute)
		}
		require.Equal(t, replication.ReasonVerifiedNoCanary, d.watched("CHG-1", 3*time.Hour).Reason)
	})
	bubble(t, "and an idle bucket whose watermark stands is proven by a canary", func(t *testing.T) {
		d := newDesk(t, setup{world: world.Options{IdleWatermarkStands: true}})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.ReasonVerified, d.watched("CHG-1", time.Hour).Reason)
	})
}

// callsTo counts successful calls of an action by the functions to what begins so.
func (d *desk) callsTo(action, resource string) (n int) {
	for _, c := range d.made() {
		if c.Action == action && len(c.Resource) >= len(resource) && c.Resource[:len(resource)] == resource {
			n++
		}
	}
	return n
}

func TestMultipartObjectsAreCopied(t *testing.T) {
	bubble(t, "part by part, old ones and new ones", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		old := d.multipart("src", "image/old", 3)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		fresh := d.multipart("src", "image/new", 4)
		time.Sleep(20 * time.Minute)
		for _, v := range []*world.Version{old, fresh} {
			c := d.object("dst", v.Key)
			require.NotNil(t, c, v.Key)
			require.Equal(t, v.CRC64, c.CRC64)
			require.Equal(t, v.ETag, c.ETag)
			require.Equal(t, "Multipart", c.Type)
		}
		require.Equal(t, 4, d.world.ReplicationStats("src", "dst").Parts)
	})
}

func (d *desk) multipart(bucket, key string, parts int) *world.Version {
	d.t.Helper()
	u, e := d.world.StartUpload(bucket, world.Version{Key: key}, false)
	require.Nil(d.t, e)
	var refs []world.PartRef
	for n := 1; n <= parts; n++ {
		p, e := d.world.UploadPart(bucket, key, u.ID, n, bytes.Repeat([]byte{byte(n)}, 100<<10))
		require.Nil(d.t, e)
		refs = append(refs, world.PartRef{Number: n, ETag: p.ETag})
	}
	v, e := d.world.CompleteUpload(bucket, key, u.ID, refs, false, "")
	require.Nil(d.t, e)
	return v
}

func TestTheEvidenceIsInTheJournalAndInTheResult(t *testing.T) {
	bubble(t, "with a crc64 that both ends have", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.watched("CHG-1", time.Hour)
		var crcs []string
		for _, v := range d.listed("dst", j.Evidence.Key, true) {
			if !v.DeleteMarker {
				crcs = append(crcs, strconv.FormatUint(v.CRC64, 10))
			}
		}
		require.Len(t, crcs, 2, "as written and as overwritten")
		require.Contains(t, crcs, j.Evidence.CRC64)
		require.Equal(t, j.Evidence.CRC64, j.Verification.First.CRC64, "what OSS said when it stored the canary at the source")
		require.Positive(t, j.Evidence.Seconds)
		require.Positive(t, j.Evidence.OverwriteSeconds)
		e := d.awaitEvent("CHG-1", replication.ReasonVerified, time.Minute)
		require.Contains(t, string(e.Data.Detail), `"crc64":"`+j.Evidence.CRC64+`"`)
	})
}
