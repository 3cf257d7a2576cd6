package replication_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func TestAPatternMatchesWithStars(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no []string }{
		"logs":      {yes: []string{"logs"}, no: []string{"", "log", "logs-a", "my-logs"}},
		"*":         {yes: []string{"", "a", "logs-a"}},
		"logs-*":    {yes: []string{"logs-", "logs-a"}, no: []string{"logs", "a-logs-a"}},
		"*-copy":    {yes: []string{"-copy", "a-copy"}, no: []string{"copy", "a-copy-1"}},
		"a*a":       {yes: []string{"aa", "aba"}, no: []string{"a", "ab"}},
		"a*b*c":     {yes: []string{"abc", "a-b-b-c"}, no: []string{"acb", "ac", "abcd"}},
		"a*bc*bc":   {yes: []string{"abcbc", "axbcybc"}, no: []string{"abc"}},
		"**":        {yes: []string{"", "a"}},
		"cn-[a-z]*": {no: []string{"cn-hangzhou"}},
		"cn.*":      {no: []string{"cn-hangzhou"}},
	} {
		p := replication.EndPattern{Account: "*", Region: "*", Bucket: pattern}
		for _, s := range c.yes {
			require.True(t, p.Matches(replication.End{Bucket: s}), "%q matches %q", pattern, s)
		}
		for _, s := range c.no {
			require.False(t, p.Matches(replication.End{Bucket: s}), "%q does not match %q", pattern, s)
		}
	}
}

// permits returns what a desk with this allow-list and residency says of the usual
// ticket.
func permits(pairs []replication.PairPattern, residency ...replication.Residency) replication.Problems {
	d := desk
	d.Pairs, d.Residency = pairs, residency
	return replication.Validate(request(), d)
}

func TestAPairThatIsNotOnTheAllowListIsRefused(t *testing.T) {
	r := request()
	star := replication.EndPattern{Account: "*", Region: "*", Bucket: "*"}
	source, destination := replication.EndPattern(r.Source), replication.EndPattern(r.Destination)
	require.Empty(t, permits([]replication.PairPattern{{Source: source, Destination: destination}}), "listed exactly")
	require.Empty(t, permits([]replication.PairPattern{{Source: destination, Destination: source}, {Source: star, Destination: star}}), "one entry is enough")
	other := func(change func(*replication.EndPattern)) replication.EndPattern {
		e := star
		change(&e)
		return e
	}
	for name, pairs := range map[string][]replication.PairPattern{
		"a desk without a list":   nil,
		"an empty list":           {},
		"the pair backwards":      {{Source: destination, Destination: source}},
		"half of each of two":     {{Source: source, Destination: source}, {Source: destination, Destination: destination}},
		"another source account":  {{Source: other(func(e *replication.EndPattern) { e.Account = "9*" }), Destination: star}},
		"another source region":   {{Source: other(func(e *replication.EndPattern) { e.Region = "us-*" }), Destination: star}},
		"another source bucket":   {{Source: other(func(e *replication.EndPattern) { e.Bucket = "src" }), Destination: star}},
		"another destination":     {{Source: star, Destination: other(func(e *replication.EndPattern) { e.Bucket = "*-nowhere" })}},
		"a destination elsewhere": {{Source: star, Destination: other(func(e *replication.EndPattern) { e.Region = "us-*" })}},
		"an entry of nothing":     {{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := permits(pairs)
			require.Len(t, p, 1)
			require.Equal(t, replication.ReasonPairNotAllowed, p[0].Code)
			require.Equal(t, "destination", p[0].Field)
			require.Contains(t, p[0].Message, r.Source.Bucket)
			_, line, ok := strings.Cut(p[0].Remedy, ": ")
			require.True(t, ok, p[0].Remedy)
			var entry replication.PairPattern
			require.NoError(t, json.Unmarshal([]byte(line), &entry), "the remedy ends with the line to add")
			require.Empty(t, permits([]replication.PairPattern{entry}), "with that line the ticket is in order")
		})
	}
}

func TestDataDoesNotLeaveTheRegionsOfItsResidency(t *testing.T) {
	r := request()
	within := func(bucket string, regions ...string) replication.Residency {
		return replication.Residency{Account: "*", Bucket: bucket, Regions: regions}
	}
	require.Empty(t, permits(anyPairs, within("*", "us-*", "cn-*")), "one of the regions is enough")
	require.Empty(t, permits(anyPairs, within("other-*", "us-*")), "it is about other buckets")
	require.Empty(t, permits(anyPairs, replication.Residency{Account: "9*", Bucket: "*", Regions: []string{"us-*"}}), "it is about another account")
	for name, rules := range map[string][]replication.Residency{
		"outside":                   {within("*", "us-*")},
		"the source region alone":   {within("src-*", r.Source.Region)},
		"outside one of two":        {within("*", "*"), within("src-*", "eu-central-1")},
		"a residency of no regions": {within("*")},
	} {
		t.Run(name, func(t *testing.T) {
			p := permits(anyPairs, rules...)
			require.Len(t, p, 1)
			require.Equal(t, replication.ReasonResidency, p[0].Code)
			require.Equal(t, "destination.region", p[0].Field)
			require.NotEmpty(t, p[0].Remedy)
		})
	}
}

func TestAStopNeedsNoPermission(t *testing.T) {
	r := replication.Request{SpecVersion: "1", ID: "CHG-2", Action: replication.ActionStop, Target: "CHG-1"}
	require.Empty(t, replication.Validate(r, replication.Desk{}), "what was made can be taken back")
}

func TestAnEndThatIsWrongByItselfIsRefusedAsThat(t *testing.T) {
	r := request()
	r.Destination.Bucket = "A_b"
	p := replication.Validate(r, replication.Desk{Account: account})
	require.Len(t, p, 1)
	require.Equal(t, replication.ReasonInvalid, p[0].Code)
}
