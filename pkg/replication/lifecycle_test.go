package replication_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// aged is the plan of a pair whose buckets have a lifecycle rule each; nil has none.
func aged(t *testing.T, change func(*replication.Request), versioned bool, source, destination *replication.LifecycleRule) map[string]string {
	t.Helper()
	r := request()
	if change != nil {
		change(&r)
	}
	s := free(r)
	if versioned {
		s.Seen.Source.Versioning, s.Seen.Destination.Versioning = "Enabled", "Enabled"
	}
	seen := func(l *replication.LifecycleRule) *replication.LifecycleSeen {
		if l == nil {
			return &replication.LifecycleSeen{}
		}
		l.Enabled = true
		return &replication.LifecycleSeen{Rules: []replication.LifecycleRule{*l}}
	}
	s.More = replication.More{SourceLifecycle: seen(source), DestinationLifecycle: seen(destination)}
	p := replication.Plan(r, planDesk, s, noon)
	require.True(t, p.Accepted, "%v", p.Reasons)
	told := map[string]string{}
	for _, n := range p.Risks {
		if strings.Contains(n.Code, "lifecycle") {
			require.NotContains(t, told, n.Code)
			told[n.Code] = n.Message
		}
	}
	return told
}

func TestAPlanSaysWhichDeletionsByALifecycleRuleReachTheCopy(t *testing.T) {
	deletes := func(r *replication.Request) { r.ReplicateDeletes = true }
	tags := func(r *replication.Request) { r.Objects.Tags = filter("all", "k=v") }
	const month = "30 days after their last change"
	expires := replication.LifecycleRule{ID: "old", Expires: month}
	versions := replication.LifecycleRule{ID: "old", Noncurrent: "7 days after they were replaced or deleted"}
	markers := replication.LifecycleRule{ID: "old", ExpiresMarkers: true}
	uploads := replication.LifecycleRule{ID: "old", Aborts: "3 days after they began"}
	classes := replication.LifecycleRule{ID: "old", Classes: []string{"to IA " + month}}
	access := replication.LifecycleRule{ID: "old", Classes: []string{"to IA 30 days after their last access"}, ByAccess: true}
	const final = "cannot be recovered"
	for name, c := range map[string]struct {
		ask       func(*replication.Request)
		versioned bool
		rule      replication.LifecycleRule
		code      string
		says      string
		never     string
	}{
		"it expires objects; deletes stay":                      {nil, false, expires, "lifecycle-keeps-copies", month + ": their copies in dest-bucket stay", final},
		"it expires objects; deletes go":                        {deletes, false, expires, "lifecycle-deletes-copies", "deleted too and " + final, "stay"},
		"it expires objects; deletes stay, with versions":       {nil, true, expires, "lifecycle-hides-copies", "hides the copies in dest-bucket, which stay behind it as versions", final},
		"it expires objects; deletes go, with versions":         {deletes, true, expires, "lifecycle-hides-copies", "as versions", final},
		"it expires objects; tags, with versions":               {tags, true, expires, "lifecycle-may-hide-copies", "should stay there", final},
		"it deletes old versions; deletes stay":                 {nil, true, versions, "lifecycle-keeps-versions", "7 days after they were replaced or deleted: those in dest-bucket stay", final},
		"it deletes old versions; deletes go":                   {deletes, true, versions, "lifecycle-deletes-versions", "deleted too and " + final, "stay"},
		"it deletes old versions, of which there are none":      {deletes, false, versions, "", "", ""},
		"it takes delete markers away; deletes stay":            {nil, true, markers, "lifecycle-keeps-markers", "go on hiding", final},
		"it takes delete markers away; deletes go":              {deletes, true, markers, "lifecycle-deletes-markers", "go too", "stay"},
		"it takes delete markers away, of which there are none": {deletes, false, markers, "", "", ""},
		"it gives uploads up; deletes stay":                     {nil, false, uploads, "lifecycle-keeps-parts", "parts of them that were copied stay in dest-bucket", final},
		"it gives uploads up; deletes go":                       {deletes, false, uploads, "", "", ""},
		"it changes the storage class":                          {deletes, true, classes, "lifecycle-class-stays", "to IA " + month + ": the copies keep theirs", final},
	} {
		t.Run(name, func(t *testing.T) {
			told := aged(t, c.ask, c.versioned, &c.rule, nil)
			if c.code == "" {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			require.Contains(t, told[c.code], `lifecycle rule "old" of src-bucket (every key) `)
			require.Contains(t, told[c.code], c.says)
			if c.never != "" {
				require.NotContains(t, told[c.code], c.never)
			}
		})
	}
	told := aged(t, nil, false, &access, &access)
	require.Len(t, told, 3)
	require.Contains(t, told["lifecycle-class-stays"], "the copies keep theirs")
	require.Contains(t, told["lifecycle-by-access"], "who reads a copy does not access the object")
	require.Contains(t, told["destination-lifecycle-by-access"], "does not access its copy")
}

func TestAPlanSaysWhatALifecycleRuleOfTheDestinationTakesAway(t *testing.T) {
	rule := replication.LifecycleRule{ID: "tidy", Prefix: "image/2", Expires: "9 days after their last change", Noncurrent: "3 days after they were replaced or deleted"}
	told := aged(t, nil, false, nil, &rule)
	require.Len(t, told, 1)
	require.Contains(t, told["destination-lifecycle-deletes"], `lifecycle rule "tidy" of dest-bucket (keys that begin with "image/2") deletes copies 9 days after their last change, beyond recovery there`)
	require.Contains(t, told["destination-lifecycle-deletes"], "as old as its original")
	told = aged(t, nil, true, nil, &rule)
	require.Len(t, told, 2)
	require.Contains(t, told["destination-lifecycle-hides"], "stay behind it as versions")
	require.Contains(t, told["destination-lifecycle-deletes-versions"], "cannot be recovered from the copy after that")
}

func TestOnlyLifecycleRulesInTheScopeAreNamed(t *testing.T) {
	tag := func(k, v string) replication.Tag { return replication.Tag{Key: k, Value: v} }
	except := func(prefix string, tags ...replication.Tag) []replication.LifecycleExcept {
		e := replication.LifecycleExcept{Prefix: prefix}
		for _, t := range tags {
			e.Tag = &t
		}
		return []replication.LifecycleExcept{e}
	}
	for name, c := range map[string]struct {
		prefixes []string
		tags     *replication.TagFilter
		rule     replication.LifecycleRule
		touches  bool
	}{
		"the whole bucket, of every key":            {nil, nil, replication.LifecycleRule{}, true},
		"the whole bucket, of a prefix":             {nil, nil, replication.LifecycleRule{Prefix: "tmp/"}, true},
		"a prefix, of every key":                    {[]string{"image/"}, nil, replication.LifecycleRule{}, true},
		"a prefix, of a longer one":                 {[]string{"image/", "video"}, nil, replication.LifecycleRule{Prefix: "video/old"}, true},
		"a prefix, of a shorter one":                {[]string{"image/"}, nil, replication.LifecycleRule{Prefix: "im"}, true},
		"a prefix, of another":                      {[]string{"image/"}, nil, replication.LifecycleRule{Prefix: "Image/"}, false},
		"but for the whole scope":                   {[]string{"image/"}, nil, replication.LifecycleRule{Except: except("image/")}, false},
		"but for a part of the scope":               {[]string{"image/"}, nil, replication.LifecycleRule{Except: except("image/x")}, true},
		"but for those with a tag":                  {[]string{"image/"}, nil, replication.LifecycleRule{Except: except("image/", tag("keep", "1"))}, true},
		"all tags, of another tag":                  {nil, filter("all", "k=v"), replication.LifecycleRule{Tags: []replication.Tag{tag("x", "y")}}, true},
		"all tags, of another value":                {nil, filter("all", "k=v", "l=w"), replication.LifecycleRule{Tags: []replication.Tag{tag("l", "x")}}, false},
		"any tag, of another value of one":          {nil, filter("any", "k=v", "l=w"), replication.LifecycleRule{Tags: []replication.Tag{tag("l", "x")}}, true},
		"any tag, of another value of each of them": {nil, filter("any", "k=v", "l=w"), replication.LifecycleRule{Tags: []replication.Tag{tag("l", "x"), tag("k", "x")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.ID, c.rule.Expires = "r", "1 day after their last change"
			told := aged(t, func(r *replication.Request) { r.Objects = replication.Objects{Prefixes: c.prefixes, Tags: c.tags} }, false, &c.rule, nil)
			require.Equal(t, c.touches, len(told) > 0, "%v", told)
		})
	}
	r := request()
	s := free(r)
	s.More.SourceLifecycle = &replication.LifecycleSeen{Rules: []replication.LifecycleRule{{ID: "off", Expires: "1 day after their last change"}}}
	require.NotContains(t, fmt.Sprint(replication.Plan(r, planDesk, s, noon).Risks), "off", "one that is disabled does nothing")
}

func TestAPlanSaysWhenLifecycleRulesAreNotKnown(t *testing.T) {
	r := request()
	s := free(r)
	s.More = replication.More{SourceLifecycle: &replication.LifecycleSeen{Unread: "no right"}, DestinationLifecycle: &replication.LifecycleSeen{Unread: "no right"}}
	p := replication.Plan(r, planDesk, s, noon)
	require.Subset(t, codes(p.Risks), []string{"lifecycle-unknown", "destination-lifecycle-unknown"})
	require.Contains(t, fmt.Sprint(p.Risks), "whether a lifecycle rule of src-bucket deletes objects in the scope is not known: no right")
}

func TestAPlanDoesNotDrownInLifecycleRules(t *testing.T) {
	r := request()
	s := free(r)
	s.More.SourceLifecycle = &replication.LifecycleSeen{}
	for i := range 73 {
		s.More.SourceLifecycle.Rules = append(s.More.SourceLifecycle.Rules, replication.LifecycleRule{ID: fmt.Sprint(i), Enabled: true, Expires: "1 day after their last change"})
	}
	p := replication.Plan(r, planDesk, s, noon)
	require.Contains(t, fmt.Sprint(p.Risks), "23 more lifecycle rules of src-bucket are in the scope")
	require.NotContains(t, fmt.Sprint(p.Risks), `rule "50"`)
}
