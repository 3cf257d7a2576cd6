package replication_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// ofOthers is a rule that people made.
func ofOthers(change func(g *replication.RuleSeen)) replication.RuleSeen {
	g := replication.RuleSeen{ID: "test_replication_1", Destination: "dest-bucket", Location: "oss-cn-shanghai", Prefixes: []string{"b/", "a/"},
		Action: "ALL", Historical: "enabled", SyncRole: "theirs", RTC: "enabled", Status: replication.RuleDoing}
	if change != nil {
		change(&g)
	}
	return g
}

func TestTheTicketThatAdoptsARuleSaysWhatTheRuleDoes(t *testing.T) {
	source := request().Source
	for name, c := range map[string]struct {
		change func(g *replication.RuleSeen)
		check  func(t *testing.T, r replication.Request)
	}{
		"as it is": {nil, func(t *testing.T, r replication.Request) {
			require.Equal(t, "test_replication_1", r.Target)
			require.Equal(t, replication.End{Account: account, Region: "cn-shanghai", Bucket: "dest-bucket"}, r.Destination)
			require.True(t, r.ReplicateDeletes)
			require.True(t, *r.Historical.Replicate)
			require.True(t, r.RTC)
			require.False(t, r.Verify.Canary)
			require.Equal(t, replication.RoleChoice{}, r.Role)
		}},
		"without RTC, role and history": {func(g *replication.RuleSeen) { g.RTC, g.SyncRole, g.Historical = "", "", "disabled" }, func(t *testing.T, r replication.Request) {
			require.False(t, r.RTC)
			require.False(t, *r.Historical.Replicate)
		}},
		"with all actions one by one":   {func(g *replication.RuleSeen) { g.Action = "PUT,DELETE,ABORT" }, func(t *testing.T, r replication.Request) { require.True(t, r.ReplicateDeletes) }},
		"with what OSS does by default": {func(g *replication.RuleSeen) { g.Action, g.Historical = "", "" }, func(t *testing.T, r replication.Request) { require.True(t, *r.Historical.Replicate) }},
		"with tags": {func(g *replication.RuleSeen) { g.Action, g.Tags = "PUT", filter("any", "a=b", "c=d") }, func(t *testing.T, r replication.Request) {
			require.Equal(t, filter("any", "a=b", "c=d"), r.Objects.Tags)
		}},
		"with an id that no ticket has": {func(g *replication.RuleSeen) { g.ID = "a rule, by hand" }, func(t *testing.T, r replication.Request) { require.Empty(t, r.Target) }},
		"over the accelerated link": {func(g *replication.RuleSeen) { g.TransferType, g.RTC = "oss_acc", "" }, func(t *testing.T, r replication.Request) {
			require.True(t, r.TransferAcceleration)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := ofOthers(c.change)
			r, p := replication.AdoptionOf(source, g, account, desk)
			require.Empty(t, p)
			c.check(t, r)
			require.True(t, strings.HasPrefix(r.ID, "adopt-src-bucket-"), r.ID)
			read, problems := replication.Parse([]byte(encoded(t, ticketOf(t, r))))
			require.Empty(t, problems, "the ticket can be sent")
			require.Equal(t, r.Fingerprint(), read.Fingerprint())
			w := healthy(r)
			w.Rules.Rules = []replication.RuleSeen{g}
			d := decide(t, at(replication.PhasePreflight, r), w, noon)
			require.Equal(t, "effect claim-pair", stepOf(d.step, noon), "and is not refused: %s", d.job.Message)
		})
	}
}

// ticketOf returns the ticket of a request as its members.
func ticketOf(t *testing.T, r replication.Request) map[string]any {
	t.Helper()
	return decoded(t, string(replication.TicketOf(r)))
}

func TestTheIdOfAnAdoptionFollowsFromTheRule(t *testing.T) {
	id := func(change func(g *replication.RuleSeen)) string {
		r, _ := replication.AdoptionOf(request().Source, ofOthers(change), account, desk)
		require.True(t, replication.ValidID(r.ID), r.ID)
		return r.ID
	}
	require.Equal(t, id(nil), id(nil))
	require.Equal(t, id(nil), id(func(g *replication.RuleSeen) { g.Status, g.RTC = replication.RuleStarting, "enabling" }), "its state is none of its options")
	require.NotEqual(t, id(nil), id(func(g *replication.RuleSeen) { g.ID = "another" }))
	require.NotEqual(t, id(nil), id(func(g *replication.RuleSeen) { g.RTC = "" }))
	long := request().Source
	long.Bucket = strings.Repeat("b", 63)
	r, _ := replication.AdoptionOf(long, ofOthers(nil), account, desk)
	require.True(t, replication.ValidID(r.ID), r.ID)
}

func TestARuleThatNoTicketCanDescribeIsNotAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(g *replication.RuleSeen)
		to     string
		reason replication.Reason
		says   string
	}{
		"of some of the actions":      {func(g *replication.RuleSeen) { g.Action = "PUT,DELETE" }, account, replication.ReasonAdoptUnknown, `"PUT,DELETE"`},
		"with odd tags":               {func(g *replication.RuleSeen) { g.OddTags = 2 }, account, replication.ReasonAdoptUnknown, "2 elements of another form"},
		"with an unknown match":       {func(g *replication.RuleSeen) { g.Action, g.Tags = "PUT", filter("NOT", "a=b") }, account, replication.ReasonInvalid, ""},
		"with an unknown element":     {func(g *replication.RuleSeen) { g.Unknown = []string{"Mood"} }, account, replication.ReasonAdoptUnknown, "Mood"},
		"over another link":           {func(g *replication.RuleSeen) { g.TransferType = "pigeon" }, account, replication.ReasonAdoptUnknown, "pigeon"},
		"that is being removed":       {func(g *replication.RuleSeen) { g.Status = replication.RuleClosing }, account, replication.ReasonAdoptClosing, ""},
		"to a bucket of nobody knows": {nil, "", replication.ReasonAdoptAccount, "dest-bucket"},
		"with too many prefixes":      {func(g *replication.RuleSeen) { g.Prefixes = strings.Split("a b c d e f g h i j k", " ") }, account, replication.ReasonPrefixCount, ""},
		"to a bucket of the desk":     {func(g *replication.RuleSeen) { g.Destination = "desk-state" }, account, replication.ReasonReserved, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := replication.AdoptionOf(request().Source, ofOthers(c.change), c.to, desk)
			require.NotEmpty(t, p)
			codes := []replication.Reason{}
			for _, x := range p {
				codes = append(codes, x.Code)
			}
			require.Contains(t, codes, c.reason)
			require.Contains(t, p[0].Message, c.says)
			require.NotEmpty(t, p[0].Remedy)
		})
	}
}
