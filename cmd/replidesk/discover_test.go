package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/discover"
	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestADiscoveryShowsEachRuleAndWhatBecomesOfIt(t *testing.T) {
	rule := func(bucket, state, detail string) discoveredRule {
		return discoveredRule{Source: replication.End{Bucket: bucket}, Destination: replication.End{Bucket: bucket + "-copy"}, Rule: "rule-" + bucket, Status: replication.RuleDoing,
			Options: "the whole bucket", Ticket: "adopt-" + bucket, State: state, Detail: detail}
	}
	var out bytes.Buffer
	require.NoError(t, discoveryTable(&out, discover.Report{Buckets: 9, Managed: 3}, []discoveredRule{
		rule("a", sentNow, ""), rule("b", knownBefore, "failed, canary.lost: nothing arrived"), rule("c", cannotAdopt, "adopt.closing: it is being removed"), rule("d", sentNow, ""),
	}))
	require.Regexp(t, `(?m)^a +a-copy +rule-a +doing +the whole bucket +adopt-a +sent$`, out.String())
	require.Regexp(t, `(?m)^b .* known: failed, canary.lost: nothing arrived$`, out.String())
	require.Contains(t, out.String(), "9 buckets; of their rules 3 are managed, 4 are not\nof these: 2 sent, 1 known, 1 cannot be adopted\n")

	out.Reset()
	require.NoError(t, discoveryTable(&out, discover.Report{Buckets: 2}, nil))
	require.Equal(t, "2 buckets; of their rules 0 are managed, 0 are not\n", out.String())
}

func TestWhatARuleCopiesIsSaidInAFewWords(t *testing.T) {
	yes := true
	r := replication.Request{ReplicateDeletes: true, RTC: true, Historical: replication.Historical{Replicate: &yes}}
	require.Equal(t, "the whole bucket, deletes, history, RTC, KMS", optionsText(r, replication.RuleSeen{KMS: "Enabled"}))
	no := false
	r = replication.Request{Historical: replication.Historical{Replicate: &no}, TransferAcceleration: true,
		Objects: replication.Objects{Prefixes: []string{"a/", "b/"}, Tags: &replication.TagFilter{Match: replication.MatchAny, Set: []replication.Tag{{Key: "k", Value: "v"}}}}}
	require.Equal(t, `["a/" "b/"], tags `+r.Objects.Tags.String()+`, accelerated`, optionsText(r, replication.RuleSeen{}))
}

func TestBucketsThatCannotBeReadAreNamed(t *testing.T) {
	require.NoError(t, unreadBuckets(discover.Report{}))
	var r discover.Report
	for _, name := range strings.Split("abcdefg", "") {
		r.Unread = append(r.Unread, discover.Unread{Bucket: replication.End{Bucket: name}, Err: &fault.Error{Kind: fault.Denied, Op: "GetBucketReplication", Resource: name}})
	}
	require.ErrorContains(t, unreadBuckets(r), "the rules of a, b, c, d, e, 2 more cannot be read: GetBucketReplication a: denied")
	require.Len(t, unreadLines(r), 7)
}

func TestABarIsDrawnAndTakenAway(t *testing.T) {
	var out bytes.Buffer
	b := &bar{w: &out}
	b.show(1, 2, "buckets")
	require.Contains(t, out.String(), strings.Repeat("█", barWidth/2)+strings.Repeat("░", barWidth/2)+" 1 of 2 buckets")
	b.close()
	require.True(t, strings.HasSuffix(out.String(), "\r"+clearLine))

	out.Reset()
	b = newBar(&out, func(string) string { return "xterm" })
	b.show(1, 2, "buckets")
	b.close()
	require.Empty(t, out.String(), "what is no terminal gets no bar")
}
