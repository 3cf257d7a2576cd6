package replication_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// full asks for something in every element of a rule.
func full(r *replication.Request) {
	r.TransferAcceleration, r.RTC, r.Historical.Replicate = true, true, ptr(true)
}

// An elementCase is one element of the rule that OSS stored otherwise.
type elementCase struct {
	change func(*replication.RuleSeen)
	says   string
}

// elements has every element of a rule, dropped and changed. The rule that was
// asked for is that of full.
func elements() map[string]elementCase {
	return map[string]elementCase{
		"the prefixes are dropped":          {func(g *replication.RuleSeen) { g.Prefixes = nil }, `prefix set is absent, asked for was ["image/" "video"]`},
		"one prefix is dropped":             {func(g *replication.RuleSeen) { g.Prefixes = g.Prefixes[:1] }, `prefix set is ["image/"]`},
		"there is a prefix more":            {func(g *replication.RuleSeen) { g.Prefixes = append(slices.Clone(g.Prefixes), "x") }, "prefix set"},
		"a prefix is shorter":               {func(g *replication.RuleSeen) { g.Prefixes = []string{"image", "video"} }, "prefix set"},
		"two prefixes are joined":           {func(g *replication.RuleSeen) { g.Prefixes = []string{`image/" "video`} }, "prefix set"},
		"a prefix is there twice":           {func(g *replication.RuleSeen) { g.Prefixes = []string{"image/", "video", "video"} }, "prefix set"},
		"the action is dropped":             {func(g *replication.RuleSeen) { g.Action = "" }, `action is absent, asked for was "PUT"`},
		"deletes are replicated too":        {func(g *replication.RuleSeen) { g.Action = "ALL" }, `action is "ALL"`},
		"the list of actions is another":    {func(g *replication.RuleSeen) { g.Action = "PUT,DELETE" }, `action is "PUT,DELETE"`},
		"historical replication is dropped": {func(g *replication.RuleSeen) { g.Historical = "" }, "historical replication is absent"},
		"historical replication is off":     {func(g *replication.RuleSeen) { g.Historical = "disabled" }, `historical replication is "disabled"`},
		"the link is dropped":               {func(g *replication.RuleSeen) { g.TransferType = "" }, `transfer type is absent, asked for was "oss_acc"`},
		"the link is another":               {func(g *replication.RuleSeen) { g.TransferType = "internal" }, "transfer type"},
		"the role is another":               {func(g *replication.RuleSeen) { g.SyncRole = "AliyunOSSRole" }, `sync role is "AliyunOSSRole"`},
		"RTC is dropped":                    {func(g *replication.RuleSeen) { g.RTC = "" }, `RTC is "off", asked for was "on"`},
		"RTC is off":                        {func(g *replication.RuleSeen) { g.RTC = "disabled" }, "RTC"},
		"KMS objects are replicated too":    {func(g *replication.RuleSeen) { g.KMS = "Enabled" }, "KMS replication"},
		"there is a tag filter":             {func(g *replication.RuleSeen) { g.Tags = 1 }, "tag filter"},
		"the location is another":           {func(g *replication.RuleSeen) { g.Location = "oss-cn-beijing" }, "location"},
		"the location is dropped":           {func(g *replication.RuleSeen) { g.Location = "" }, "location is absent"},
	}
}

func TestARuleIsComparedElementByElement(t *testing.T) {
	r := request()
	full(&r)
	spec := replication.RuleFor(r)
	for name, c := range elements() {
		t.Run(name, func(t *testing.T) {
			g := stands(r)
			c.change(&g)
			d := spec.Differences(g)
			require.Len(t, d, 1, "%q", d)
			require.Contains(t, d[0], c.says)
		})
	}
	g := stands(r)
	g.Destination = "another-bucket"
	require.Len(t, spec.Differences(g), 1, "the destination")
}

func TestRulesThatMeanTheSame(t *testing.T) {
	asked := request()
	everything := request()
	full(&everything)
	for name, c := range map[string]struct {
		r      replication.Request
		change func(*replication.RuleSeen)
	}{
		"as it was asked for":              {asked, func(*replication.RuleSeen) {}},
		"all of it as it was asked for":    {everything, func(*replication.RuleSeen) {}},
		"the prefixes in another order":    {asked, func(g *replication.RuleSeen) { slices.Reverse(g.Prefixes) }},
		"the role is not shown":            {asked, func(g *replication.RuleSeen) { g.SyncRole = "" }},
		"the internal link is named":       {asked, func(g *replication.RuleSeen) { g.TransferType = "internal" }},
		"RTC is being enabled":             {everything, func(g *replication.RuleSeen) { g.RTC = "enabling" }},
		"RTC is shown as disabled":         {asked, func(g *replication.RuleSeen) { g.RTC = "disabled" }},
		"KMS is shown as disabled":         {asked, func(g *replication.RuleSeen) { g.KMS = "Disabled" }},
		"the state is no part of the rule": {asked, func(g *replication.RuleSeen) { g.Status = replication.RuleStarting }},
	} {
		t.Run(name, func(t *testing.T) {
			g := stands(c.r)
			c.change(&g)
			require.Empty(t, replication.RuleFor(c.r).Differences(g))
		})
	}
}

func TestEveryElementOfARuleIsSet(t *testing.T) {
	r := request()
	require.Equal(t, replication.RuleSpec{Source: r.Source, Destination: r.Destination, Transfer: "internal", Prefixes: []string{"image/", "video"},
		Action: "PUT", Historical: "disabled", SyncRole: replication.RoleName(r.ID)}, replication.RuleFor(r))

	full(&r)
	r.ReplicateDeletes, r.Objects.Prefixes = true, nil
	require.Equal(t, replication.RuleSpec{Source: r.Source, Destination: r.Destination, Transfer: "oss_acc",
		Action: "ALL", Historical: "enabled", SyncRole: replication.RoleName(r.ID), RTC: true}, replication.RuleFor(r))
	require.Equal(t, "oss-cn-shanghai", r.Destination.Location())
}

func TestARuleIsFoundByItsIDOrItsDestination(t *testing.T) {
	s := &replication.RulesSeen{Rules: []replication.RuleSeen{{ID: "a", Destination: "x"}, {ID: "b", Destination: "y"}}}
	for name, c := range map[string]struct{ id, destination, want string }{
		"by its destination":                   {"", "y", "b"},
		"by both":                              {"b", "y", "b"},
		"not by an id of another destination":  {"a", "y", ""},
		"not by an id that is not there":       {"c", "y", ""},
		"not for a destination without a rule": {"", "z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g, ok := s.Find(c.id, c.destination)
			require.Equal(t, c.want != "", ok)
			require.Equal(t, c.want, g.ID)
		})
	}
}
