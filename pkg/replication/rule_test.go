package replication_test

import (
	"slices"
	"strings"
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
		"there is a tag filter":             {func(g *replication.RuleSeen) { g.Tags = filter("all", "k=v") }, `tag filter is "all" of ["k"="v"], asked for was none`},
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

// filter returns a tag filter of tags such as "key=value".
func filter(match string, tags ...string) *replication.TagFilter {
	f := &replication.TagFilter{Match: replication.TagMatch(match)}
	for _, t := range tags {
		k, v, _ := strings.Cut(t, "=")
		f.Set = append(f.Set, replication.Tag{Key: k, Value: v})
	}
	return f
}

func TestATagFilterIsComparedExactly(t *testing.T) {
	for name, c := range map[string]struct {
		asked, got *replication.TagFilter
		odd        int
		same       bool
	}{
		"as it was asked for":          {filter("all", "a=1", "b=2"), filter("all", "a=1", "b=2"), 0, true},
		"in another order":             {filter("any", "a=1", "b=2"), filter("any", "b=2", "a=1"), 0, true},
		"none, as was asked for":       {nil, nil, 0, true},
		"the filter is dropped":        {filter("all", "a=1"), nil, 0, false},
		"there is one":                 {nil, filter("all", "a=1"), 0, false},
		"there is an empty one":        {nil, &replication.TagFilter{}, 0, false},
		"the match is another":         {filter("all", "a=1", "b=2"), filter("any", "a=1", "b=2"), 0, false},
		"the match is not shown":       {filter("all", "a=1"), filter("", "a=1"), 0, false},
		"a tag is dropped":             {filter("any", "a=1", "b=2"), filter("any", "a=1"), 0, false},
		"there is a tag more":          {filter("any", "a=1"), filter("any", "a=1", "b=2"), 0, false},
		"a tag is there twice":         {filter("all", "a=1"), filter("all", "a=1", "a=1"), 0, false},
		"a key in other letters":       {filter("all", "a=1"), filter("all", "A=1"), 0, false},
		"a value in other letters":     {filter("all", "a=x"), filter("all", "a=X"), 0, false},
		"a value is dropped":           {filter("all", "a=1"), filter("all", "a="), 0, false},
		"two tags are joined":          {filter("all", "a=1", "b=2"), filter("all", `a=1" "b"="2`), 0, false},
		"an element of another form":   {filter("all", "a=1"), filter("all", "a=1"), 1, false},
		"an element, and none was put": {nil, nil, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			r.Objects.Tags = c.asked
			g := stands(r)
			g.Tags, g.OddTags = c.got, c.odd
			d := replication.RuleFor(r).Differences(g)
			require.Equal(t, c.same, len(d) == 0, "%q", d)
			if !c.same {
				require.Len(t, d, 1)
				require.Contains(t, d[0], "tag filter is ")
			}
		})
	}
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
	r.Objects.Tags = filter("any", "k=v")
	require.Equal(t, filter("any", "k=v"), replication.RuleFor(r).Tags)
	r.ReplicateDeletes, r.Objects = true, replication.Objects{}
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
