package ossemu_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func prefixes(ps ...string) func(*oss.ReplicationRule) {
	return func(r *oss.ReplicationRule) { r.PrefixSet = &oss.ReplicationPrefixSet{Prefixs: ps} }
}

func kms(status oss.StatusType, key *string) func(*oss.ReplicationRule) {
	return func(r *oss.ReplicationRule) {
		r.SourceSelectionCriteria = &oss.ReplicationSourceSelectionCriteria{SseKmsEncryptedObjects: &oss.SseKmsEncryptedObjects{Status: status}}
		if key != nil {
			r.EncryptionConfiguration = &oss.ReplicationEncryptionConfiguration{ReplicaKmsKeyID: key}
		}
	}
}

func rtc(status string) func(*oss.ReplicationRule) {
	return func(r *oss.ReplicationRule) { r.RTC = &oss.ReplicationTimeControl{Status: oss.Ptr(status)} }
}

func to(bucket, location string, t oss.TransferTypeType) func(*oss.ReplicationRule) {
	return func(r *oss.ReplicationRule) {
		r.Destination = &oss.ReplicationDestination{Bucket: oss.Ptr(bucket), Location: oss.Ptr(location), TransferType: t}
	}
}

func many(n int) []string {
	ps := make([]string, n)
	for i := range ps {
		ps[i] = fmt.Sprintf("%c/", 'a'+i)
	}
	return ps
}

func TestPutBucketReplicationRefusesAsDocumented(t *testing.T) {
	const internal, accelerated = oss.TransferTypeInternal, oss.TransferTypeOssAcc
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.bucket(accountA, inHangzhou, "near")
		c.bucket(accountA, inSilicon, "far")
		c.bucket(accountA, inVirginia, "east")
		c.bucket(accountA, inShanghai, "versioned")
		c.bucket(accountA, inShanghai, "suspended")
		c.bucket(accountA, "cn-zhongwei", "elsewhere")
		c.versioned("versioned", "suspended")
		require.Nil(c, c.w.PutBucketVersioning("suspended", "Suspended"))
		c.replicate("src", ruleTo("near", inHangzhou, func(r *oss.ReplicationRule) { r.ID = oss.Ptr("taken") }))
		rsa, e := c.w.CreateKey(c.root(accountA, inShanghai), world.NewKey{Spec: "RSA_2048"})
		require.Nil(c, e)

		for _, tc := range []struct {
			name     string
			src      string
			change   func(*oss.ReplicationRule)
			code, ec string
		}{
			{"a bucket to itself", "src", to("src", "oss-cn-hangzhou", internal), "InvalidTargetBucket", ""},
			{"a bucket that does not exist", "src", to("nobody", "oss-cn-shanghai", internal), "InvalidTargetBucket", ""},
			{"a name that no bucket can have", "src", to("dest_bucket", "oss-cn-shanghai", internal), "InvalidTargetBucket", "0031-00000101"},
			{"another region than the bucket's", "src", to("dst", "oss-cn-beijing", internal), "InvalidTargetLocation", ""},
			{"a region without oss-", "src", to("dst", "cn-shanghai", internal), "InvalidTargetLocation", ""},
			{"an invented region", "src", to("dst", "oss-cn-nowhere", internal), "InvalidTargetLocation", ""},
			{"a region that nothing is replicated to", "src", to("elsewhere", "oss-cn-zhongwei", internal), "BadReplicationLocation", ""},
			{"a region that nothing is replicated from", "elsewhere", nil, "NoReplicationLocation", ""},
			{"the internal link across the border", "src", to("far", "oss-us-west-1", internal), "InvalidArgument", ""},
			{"the accelerated link within the mainland", "src", to("dst", "oss-cn-shanghai", accelerated), "InvalidArgument", ""},
			{"the accelerated link outside the mainland", "far", to("east", "oss-us-east-1", accelerated), "InvalidArgument", ""},
			{"a link of another name", "src", to("dst", "oss-cn-shanghai", "fast"), "InvalidArgument", ""},
			{"an empty link", "src", to("dst", "oss-cn-shanghai", ""), "MissingArgument", ""},
			{"no destination", "src", func(r *oss.ReplicationRule) { r.Destination = nil }, "MalformedXML", ""},
			{"a pair that has a rule", "src", to("near", "oss-cn-hangzhou", internal), "BucketReplicationAlreadyExist", "0031-00000044"},
			{"only the destination versioned", "src", to("versioned", "oss-cn-shanghai", internal), "InvalidBucketStatus", ""},
			{"a suspended source", "suspended", to("src", "oss-cn-hangzhou", internal), "InvalidBucketStatus", ""},

			{"an id that is taken", "src", func(r *oss.ReplicationRule) { r.ID = oss.Ptr("taken") }, "InvalidArgument", ""},
			{"an id that is too long", "src", func(r *oss.ReplicationRule) { r.ID = oss.Ptr(strings.Repeat("i", 256)) }, "InvalidArgument", ""},
			{"an unknown action", "src", action("SET"), "InvalidArgument", "0031-00000023"},
			{"an action in lower case", "src", action("all"), "InvalidArgument", "0031-00000023"},
			{"an empty action", "src", action(""), "InvalidArgument", "0031-00000023"},
			{"an unknown value for history", "src", func(r *oss.ReplicationRule) { r.HistoricalObjectReplication = "open" }, "InvalidArgument", "0031-00000011"},
			{"an empty value for history", "src", func(r *oss.ReplicationRule) { r.HistoricalObjectReplication = "" }, "InvalidArgument", "0031-00000011"},
			{"no role", "src", func(r *oss.ReplicationRule) { r.SyncRole = nil }, "MissingArgument", ""},
			{"an ARN instead of the role's name", "src", func(r *oss.ReplicationRule) { r.SyncRole = oss.Ptr("acs:ram::" + accountA + ":role/" + syncRole) }, "InvalidArgument", ""},

			{"eleven prefixes", "src", prefixes(many(11)...), "TooManyPrefixes", ""},
			{"a prefix that begins another", "src", prefixes("source", "source/video"), "InvalidArgument", "0031-00000019"},
			{"the same prefix twice", "src", prefixes("a", "a"), "InvalidArgument", "0031-00000019"},
			{"a prefix of 1024 characters", "src", prefixes(strings.Repeat("é", 1024)), "InvalidArgument", ""},
			{"a prefix with an asterisk", "src", prefixes("image/*"), "InvalidArgument", ""},
			{"a prefix with the bucket's name", "src", prefixes("src/image"), "InvalidArgument", ""},
			{"an empty prefix", "src", prefixes(""), "InvalidArgument", ""},

			{"KMS without a key", "src", kms("Enabled", nil), "MissingArgument", ""},
			{"KMS of another status", "src", kms("enabled", oss.Ptr("k")), "InvalidArgument", ""},
			{"a key of the source's region", "src", kms("Enabled", oss.Ptr("acs:kms:cn-hangzhou:"+accountA+":key/k")), "InvalidArgument", ""},
			{"a key by an ARN that is none", "src", kms("Enabled", oss.Ptr("acs:kms:cn-shanghai:"+accountA+":alias/k")), "InvalidArgument", ""},
			{"a key of another account", "src", kms("Enabled", oss.Ptr("acs:kms:cn-shanghai:"+accountB+":key/k")), "InvalidArgument", ""},
			{"an asymmetric key", "src", kms("Enabled", oss.Ptr(rsa.ID)), "InvalidArgument", ""},
			{"RTC of another status", "src", rtc("on"), "InvalidArgument", ""},
			{"RTC within a region", "near", func(r *oss.ReplicationRule) { to("src", "oss-cn-hangzhou", internal)(r); rtc("enabled")(r) }, "ReplicationLocationNotSupportRtc", ""},
			{"RTC across the border", "src", func(r *oss.ReplicationRule) { to("far", "oss-us-west-1", accelerated)(r); rtc("enabled")(r) }, "ReplicationLocationNotSupportRtc", ""},
		} {
			_, err := c.tryPut(tc.src, toDst(tc.change))
			var e *oss.ServiceError
			require.ErrorAs(c, err, &e, tc.name)
			require.Equal(c, []any{400, tc.code, tc.ec}, []any{e.StatusCode, e.Code, e.EC}, "%s: %s", tc.name, e.Message)
		}
		require.Len(c, c.rules("src"), 1, "nothing of all that was kept")
	})
}

func TestPutBucketReplicationWantsOneRule(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		_, err := c.tryPut("src")
		c.refused(err, 400, "MalformedXML", "0031-00000001")
		_, err = c.tryPut("src", oss.ReplicationRule{HistoricalObjectReplication: "enabled"}, toDst(nil))
		e := c.refused(err, 400, "TooManyReplicationRules", "")
		require.Equal(c, "OSS only support one replication rule now.", e.Message)
		e = c.refused(c.post("src", `<ReplicationConfiguration><Rule></Rule></ReplicationConfiguration>`), 400, "NoReplicationRule", "")
		require.Equal(c, "No replication rule specified", e.Message)
		_, err = c.tryPut("nobody", toDst(nil))
		c.refused(err, 404, "NoSuchBucket", "0015-00000101")
	})
}

func TestPutBucketReplicationRefusesBodiesThatItDoesNotUnderstand(t *testing.T) {
	const rule = `<Destination><Bucket>dst</Bucket><Location>oss-cn-shanghai</Location><TransferType>internal</TransferType></Destination><SyncRole>replica-role</SyncRole>`
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		for _, tc := range []struct{ name, body, code, ec string }{
			{"no body", ``, "MalformedXML", "0031-00000001"},
			{"broken XML", `<ReplicationConfiguration><Rule>`, "MalformedXML", "0031-00000001"},
			{"no root", `<Rule>` + rule + `</Rule>`, "MalformedXML", "0031-00000001"},
			{"something behind the root", `<ReplicationConfiguration><Rule>` + rule + `</Rule></ReplicationConfiguration><Rule/>`, "MalformedXML", "0031-00000001"},
			{"an unknown element", `<ReplicationConfiguration><Rule>` + rule + `<Priority>1</Priority></Rule></ReplicationConfiguration>`, "MalformedXML", ""},
			{"an unknown element in the destination", `<ReplicationConfiguration><Rule><Destination><Account>1</Account></Destination></Rule></ReplicationConfiguration>`, "MalformedXML", ""},
			{"an element beside the rule", `<ReplicationConfiguration><Role>r</Role></ReplicationConfiguration>`, "MalformedXML", ""},
			{"an element twice", `<ReplicationConfiguration><Rule>` + rule + `<SyncRole>other</SyncRole></Rule></ReplicationConfiguration>`, "MalformedXML", ""},
			{"elements in a text", `<ReplicationConfiguration><Rule>` + rule + `<Action><PUT/></Action></Rule></ReplicationConfiguration>`, "MalformedXML", ""},
			{"text between elements", `<ReplicationConfiguration><Rule>PUT` + rule + `</Rule></ReplicationConfiguration>`, "MalformedXML", ""},
			{"a prefix in another encoding", "<ReplicationConfiguration><Rule>" + rule + "<PrefixSet><Prefix>\xe0\xe8</Prefix></PrefixSet></Rule></ReplicationConfiguration>", "InvalidArgument", "0031-00000018"},
			{"another element in another encoding", "<ReplicationConfiguration><Rule>" + rule + "<ID>\xe0\xe8</ID></Rule></ReplicationConfiguration>", "MalformedXML", ""},
			{"no transfer type", `<ReplicationConfiguration><Rule>` + strings.Replace(rule, "<TransferType>internal</TransferType>", "", 1) + `</Rule></ReplicationConfiguration>`, "MissingArgument", ""},
		} {
			err := c.post("src", tc.body)
			var e *oss.ServiceError
			require.ErrorAs(c, err, &e, tc.name)
			require.Equal(c, []any{400, tc.code, tc.ec}, []any{e.StatusCode, e.Code, e.EC}, "%s: %s", tc.name, e.Message)
		}
		require.NoError(c, c.post("src", "<?xml version=\"1.0\"?>\n<ReplicationConfiguration>\n <Rule>\n <Status>doing</Status>"+rule+"</Rule>\n</ReplicationConfiguration>"))
		r := c.rules("src")[0]
		require.Equal(c, "starting", *r.Status, "the status of a request is ignored")
		require.Equal(c, "ALL", *r.Action)
		require.EqualValues(c, "enabled", r.HistoricalObjectReplication)
	})
}

func TestALenientWorldTakesWhatLiveTestsLeaveOut(t *testing.T) {
	inLab(t, world.Options{Lenient: true}, func(c *lab) {
		c.bucket(accountA, inHangzhou, "src")
		c.bucket(accountA, inShanghai, "dst")
		id := c.replicating("src", oss.ReplicationRule{
			Destination: &oss.ReplicationDestination{Bucket: oss.Ptr("dst"), Location: oss.Ptr("oss-cn-shanghai")},
			Action:      oss.Ptr(""),
			PrefixSet:   &oss.ReplicationPrefixSet{Prefixs: []string{""}},
		})
		r := c.rules("src")[0]
		require.EqualValues(c, "enabled", r.HistoricalObjectReplication)
		require.Equal(c, "ALL", *r.Action)
		require.Nil(c, r.SyncRole)
		require.Nil(c, r.PrefixSet)
		c.put("src", "key", "1")
		time.Sleep(time.Minute)
		c.has("dst", "key", "1")
		all, e := c.w.ReplicationProgress("src", "", false)
		require.Nil(c, e)
		require.Equal(c, id, all[0].ID)
	})
}

func TestABucketHasAtMostAHundredRulesInEachDirection(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		// A hundred buckets of one account in one region are all there can be.
		name := func(i int) string { return fmt.Sprintf("end-%d", i) }
		for i := range 101 {
			region := []string{inHangzhou, inShanghai}[i%2]
			c.bucket(accountA, region, name(i))
			c.grant(accountA, syncRole+"-"+name(i), trustOSS, reads(name(i)))
		}
		c.spread()
		region := func(i int) string { return []string{inHangzhou, inShanghai}[i%2] }
		for i := range 100 {
			c.replicate("src", ruleTo(name(i), region(i), nil))
		}
		_, err := c.tryPut("src", ruleTo(name(100), region(100), nil))
		c.refused(err, 400, "TooManyOutgoingReplication", "")
		into := func(i int) error {
			_, err := c.tryPut(name(i), toDst(func(r *oss.ReplicationRule) { r.SyncRole = oss.Ptr(syncRole + "-" + name(i)) }))
			return err
		}
		for i := range 100 {
			require.NoError(c, into(i))
		}
		c.refused(into(100), 400, "TooManyIncomingReplication", "")
	})
}

func TestDeleteBucketReplicationRefusesAsDocumented(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		c.replicate("src", toDst(nil))
		remove := func(bucket string, ids ...string) error {
			_, err := c.at(bucket).DeleteBucketReplication(c.ctx, &oss.DeleteBucketReplicationRequest{
				Bucket: oss.Ptr(bucket), ReplicationRules: &oss.ReplicationRules{IDs: ids}})
			return err
		}
		c.refused(remove("src"), 400, "MalformedXML", "")
		c.refused(remove("src", ""), 400, "MalformedXML", "")
		c.refused(remove("src", "one", "two"), 400, "TooManyReplicationRules", "")
		e := c.refused(remove("src", "one"), 404, "NoSuchReplicationRule", "")
		require.Equal(c, "The BucketReplicationRule you specified does not exist", e.Message)
		c.refused(remove("nobody", "one"), 404, "NoSuchBucket", "0015-00000101")
		require.NoError(c, remove("dst", "one"), "a bucket without rules")
	})
}

func TestProgressIsRefusedForARuleThatIsNotThere(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		_, err := c.tryProgress("src", "id")
		e := c.refused(err, 404, "NoSuchReplicationRule", "")
		require.Equal(c, "The BucketReplicationRule you specified does not exist", e.Message)
		_, err = c.tryProgress("src", "")
		c.refused(err, 400, "InvalidArgument", "")
		_, err = c.tryProgress("nobody", "id")
		c.refused(err, 404, "NoSuchBucket", "0015-00000101")
		id := c.replicate("src", toDst(func(r *oss.ReplicationRule) { r.ID = oss.Ptr("my rule/1&2") }))
		require.Equal(c, "my rule/1&2", id)
		require.Equal(c, id, *c.progress("src", id).ID)
	})
}

func TestTheVersioningOfABucketInARuleCannotChange(t *testing.T) {
	inLab(t, world.Options{}, func(c *lab) {
		c.sameAccount()
		id := c.replicate("src", toDst(nil))
		for _, b := range []string{"src", "dst"} {
			_, err := c.at(b).PutBucketVersioning(c.ctx, &oss.PutBucketVersioningRequest{
				Bucket: oss.Ptr(b), VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersionEnabled}})
			c.refused(err, 400, "InvalidBucketStatus", "")
		}
		_, err := c.stop("src", id)
		require.NoError(c, err)
		time.Sleep(2 * time.Minute)
		c.versioned("src", "dst")
	})
}
