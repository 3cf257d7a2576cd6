package replication_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

var planDesk = replication.Desk{Account: account, Reserved: []string{"state-bucket"}, Pairs: anyPairs}

// free is a survey of a healthy pair without a rule.
func free(r replication.Request) replication.Survey {
	w := healthy(r)
	w.Rules = &replication.RulesSeen{}
	return replication.Survey{Seen: w}
}

func codes(notes []replication.PlanNote) (list []string) {
	for _, n := range notes {
		list = append(list, n.Code)
	}
	return list
}

func steps(p replication.PlanResult) (list []string) {
	for _, s := range p.Steps {
		text := s.Kind
		if s.Effect != nil {
			text = string(s.Effect.Kind)
		}
		list = append(list, fmt.Sprintf("%s %s", s.Phase, text))
	}
	return list
}

func TestAPlanIsTheWayOfAJobThroughTheTable(t *testing.T) {
	r := request()
	p := replication.Plan(r, planDesk, free(r), noon)
	require.True(t, p.Accepted)
	require.Equal(t, replication.PhaseWatching, p.Ending)
	require.Equal(t, replication.TopologyCRR, p.Topology)
	require.Equal(t, "same", p.Accounts)
	require.Empty(t, p.Reasons)
	require.Equal(t, []string{
		"preflight look", "preflight look", "preflight claim-pair", "role create-role", "policy create-policy", "attachment attach-policy",
		"rule put-rule", "rule look", "starting wait", "starting look",
		"verifying put-canary", "verifying put-outside", "verifying look", "verifying overwrite-canary", "verifying look", "verifying delete-canary",
		"verifying look", "verifying look", "verifying clean-up",
	}, steps(p))
	require.Equal(t, []string{"GetBucketInfo src-bucket", "GetBucketInfo dest-bucket"}, p.Steps[0].Calls)
	require.Equal(t, replication.TrustPolicy(), p.Steps[3].Effect.Document)
	require.Equal(t, replication.RolePolicy(r), p.Steps[4].Effect.Document)
	spec := replication.RuleFor(r)
	require.Equal(t, &spec, p.Steps[6].Effect.Rule)
	for _, s := range p.Steps {
		require.NotEmpty(t, s.Text, "%+v", s)
		require.Equal(t, s.Kind == replication.StepWait, len(s.Calls) == 0, "%+v", s)
	}
}

func TestEveryAcceptedCombinationOfOptionsIsPlannedToItsEnd(t *testing.T) {
	for n := range 1 << 8 {
		on := func(bit int) bool { return n>>bit&1 == 1 }
		r := request()
		r.ReplicateDeletes, r.RTC, r.Verify.Canary = on(0), on(1), on(2)
		r.Historical.Replicate, r.Historical.AcceptOverwrite = ptr(on(3)), true
		if on(4) {
			r.Objects.Prefixes = nil
		}
		if on(6) && !r.RTC {
			r.Destination.Region = r.Source.Region
		}
		if on(7) && !r.ReplicateDeletes {
			r.Objects.Tags = filter("any", "team=images", "kind=raw")
		}
		s := free(r)
		if on(5) {
			s.Seen.Source.Versioning, s.Seen.Destination.Versioning = "Enabled", "Enabled"
		}
		p := replication.Plan(r, planDesk, s, noon)
		require.True(t, p.Accepted, "%b: %v", n, p.Reasons)
		require.Equal(t, replication.PhaseWatching, p.Ending)
		require.NotContains(t, fmt.Sprint(p), "depends on what is seen")
	}
}

func TestAPlanLooksAtWhatPreflightLooksAt(t *testing.T) {
	r := request()
	w := free(r).Seen
	var seen world
	var asked []replication.Look
	for {
		l := replication.SurveyLooks(r, planDesk, seen, noon)
		if l == 0 {
			break
		}
		asked = append(asked, l)
		require.Less(t, len(asked), 10)
		reveal(&seen, w, l)
	}
	require.Equal(t, []replication.Look{replication.LookSource | replication.LookDestination, replication.LookLocations | replication.LookRules | encryptions, replication.LookDestinationEmpty | replication.LookOwner}, asked)
	w.Source.Is = replication.Missing
	require.Zero(t, replication.SurveyLooks(r, planDesk, world{Source: w.Source, Destination: w.Destination}, noon), "a refused pair is not looked at any further")
}

func TestAPlanOfATagFilterShowsItsProof(t *testing.T) {
	r := request()
	r.Objects.Tags = filter("all", "team=images")
	p := replication.Plan(r, planDesk, free(r), noon)
	require.True(t, p.Accepted, "%v", p.Reasons)
	require.Equal(t, r.Objects.Tags, p.Steps[6].Effect.Rule.Tags)
	require.Equal(t, []string{"verifying put-canary", "verifying put-outside", "verifying put-untagged", "verifying look"}, steps(p)[10:14])
	require.Equal(t, []string{"PutObject src-bucket/image/.replidesk/CHG-2041/untagged"}, p.Steps[12].Calls)
	require.Contains(t, fmt.Sprint(p.Steps), "HeadObject dest-bucket/image/.replidesk/CHG-2041/untagged")
	require.Contains(t, fmt.Sprint(p.Final), "dest-bucket/image/.replidesk/CHG-2041/canary stays")
}

func TestAPlanRefusesWhatPreflightRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		ask    func(*replication.Request)
		given  func(*replication.Survey)
		reason replication.Reason
		field  string
	}{
		"a ticket that is wrong by itself": {ask: func(r *replication.Request) { r.Objects.Prefixes = []string{"a", "ab"} }, reason: replication.ReasonPrefixOverlap, field: "objects.prefixes[0]"},
		"a bucket that does not exist":     {given: func(s *replication.Survey) { s.Seen.Source.Is = replication.Missing }, reason: replication.ReasonSourceMissing, field: "source.bucket"},
		"a region out of reach":            {given: func(s *replication.Survey) { s.Seen.Locations.Regions = nil }, reason: replication.ReasonRegionNotAllowed, field: "destination.region"},
		"a pair that another job owns":     {given: func(s *replication.Survey) { s.Seen.Owner = &replication.OwnerSeen{Job: "CHG-1"} }, reason: replication.ReasonPairOwned, field: "destination.bucket"},
		"a pair with other options": {given: func(s *replication.Survey) {
			other := request()
			other.ID, other.RTC = "CHG-1", true
			s.Seen.Owner = ptr(replication.OwnerOf(replication.NewJob(other, noon)))
		}, reason: replication.ReasonPairDiffers, field: "destination.bucket"},
		"a rule that stands": {given: func(s *replication.Survey) {
			s.Seen.Rules.Rules = []replication.RuleSeen{{ID: "r", Destination: "dest-bucket", Status: replication.RuleDoing}}
		}, reason: replication.ReasonRuleExists, field: "destination.bucket"},
		"objects that would be overwritten": {ask: func(r *replication.Request) { r.Historical.Replicate = ptr(true) },
			given: func(s *replication.Survey) { s.Seen.DestinationEmpty = ptr(false) }, reason: replication.ReasonOverwrite, field: "historical.acceptOverwrite"},
		"an id that another ticket has": {given: func(s *replication.Survey) {
			other := request()
			other.RTC = true
			s.Taken = replication.NewJob(other, noon)
		}, reason: replication.ReasonIDReused, field: "id"},
		"a ticket that was refused before": {given: func(s *replication.Survey) {
			s.Taken = replication.NewJob(request(), noon)
			s.Taken.Phase, s.Taken.Reason = replication.PhaseRejected, replication.ReasonSourceRegion
		}, reason: replication.ReasonSourceRegion},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			if c.ask != nil {
				c.ask(&r)
			}
			s := free(r)
			if c.given != nil {
				c.given(&s)
			}
			p := replication.Plan(r, planDesk, s, noon)
			require.False(t, p.Accepted)
			require.Equal(t, c.reason, p.Reasons[0].Code)
			require.Equal(t, c.field, p.Reasons[0].Field)
			require.Equal(t, c.reason.Remedy(), p.Reasons[0].Remedy)
			require.NotEmpty(t, p.Reasons[0].Message)
			for _, s := range steps(p) {
				require.True(t, strings.HasPrefix(s, "preflight "), "nothing is made: %s", s)
			}
		})
	}
}

func TestAPlanWaitsForAnOlderRuleToGo(t *testing.T) {
	r := request()
	s := free(r)
	s.Seen.Rules.Rules = []replication.RuleSeen{{ID: "r", Destination: "dest-bucket", Status: replication.RuleClosing}}
	p := replication.Plan(r, planDesk, s, noon)
	require.True(t, p.Accepted)
	require.Equal(t, []string{"preflight look", "preflight look", "preflight wait"}, steps(p)[:3])
	require.Contains(t, p.Steps[2].Text, "rule r of src-bucket is being removed")
}

func TestAPlanOfATicketThatWasTakenInSaysSo(t *testing.T) {
	s := replication.Survey{Taken: at(replication.PhaseStarting, request())}
	p := replication.Plan(request(), planDesk, s, noon)
	require.True(t, p.Accepted)
	require.Empty(t, p.Steps)
	require.Equal(t, []string{"ticket-known"}, codes(p.Risks))
	require.Equal(t, replication.PhaseStarting, p.Ending)
}

func TestAPlanNamesTheRisks(t *testing.T) {
	versioned := func(_ *replication.Request, s *replication.Survey) {
		s.Seen.Source.Versioning, s.Seen.Destination.Versioning = "Enabled", "Enabled"
	}
	deletes := func(r *replication.Request, _ *replication.Survey) { r.ReplicateDeletes = true }
	history := func(r *replication.Request, _ *replication.Survey) {
		r.Historical.Replicate, r.Historical.AcceptOverwrite = ptr(true), true
	}
	full := func(_ *replication.Request, s *replication.Survey) { s.Seen.DestinationEmpty = ptr(false) }
	tags := func(r *replication.Request, _ *replication.Survey) { r.Objects.Tags = filter("all", "k=v") }
	type change = func(*replication.Request, *replication.Survey)
	for name, c := range map[string]struct {
		given []change
		want  []string
	}{
		"of the plainest ticket":                       {nil, []string{"existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of versions":                                  {[]change{versioned}, []string{"delete-hides-copy", "existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of deletes without versions":                  {[]change{deletes}, []string{"delete-is-final", "existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of deletes with versions":                     {[]change{deletes, versioned}, []string{"delete-hides-copy", "version-delete-is-final", "existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of a historical copy":                         {[]change{history}, []string{"cold-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of a historical copy over objects":            {[]change{history, full}, []string{"historical-overwrites", "cold-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of a historical copy over objects, versioned": {[]change{history, full, versioned}, []string{"delete-hides-copy", "same-name-objects", "cold-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of objects at the destination":                {[]change{full}, []string{"same-name-objects", "existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of a tag filter":                              {[]change{tags}, []string{"tags-later", "existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of a tag filter with versions":                {[]change{tags, versioned}, []string{"tags-later", "delete-may-hide-copy", "existing-objects-stay", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of a declined canary":                         {[]change{func(r *replication.Request, _ *replication.Survey) { r.Verify.Canary = false }}, []string{"existing-objects-stay", "watermark-idle", "no-promise", "silent-standstill", "class-and-access-stay"}},
		"of time control":                              {[]change{func(r *replication.Request, _ *replication.Survey) { r.RTC = true }}, []string{"existing-objects-stay", "silent-standstill", "class-and-access-stay"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			s := free(r)
			for _, g := range c.given {
				g(&r, &s)
			}
			p := replication.Plan(r, planDesk, s, noon)
			require.True(t, p.Accepted, "%v", p.Reasons)
			require.Equal(t, c.want, codes(p.Risks))
		})
	}
}

func TestAPlanNamesTimesCostsAndWhatIsFinal(t *testing.T) {
	due := noon.Add(24 * time.Hour)
	type lists struct{ final, times, costs []string }
	for name, c := range map[string]struct {
		ask   func(*replication.Request)
		given func(*replication.Survey)
		want  lists
		says  string
	}{
		"of the plainest ticket": {nil, nil, lists{
			[]string{"rule-immutable", "copies-stay", "versioning-bound", "grants-stay", "canary-left"},
			[]string{"grants", "start", "new-objects", "proof"},
			[]string{"traffic", "requests", "storage"}}, "dest-bucket/image/.replidesk/CHG-2041/canary stays"},
		"of time control": {func(r *replication.Request) { r.RTC, r.ReplicateDeletes, r.Verify.Canary = true, true, false }, nil, lists{
			[]string{"rule-immutable", "copies-stay", "deletes-stay", "versioning-bound", "grants-stay"},
			[]string{"grants", "start", "rtc-start", "new-objects"},
			[]string{"traffic", "rtc", "requests", "storage"}}, "RTC is in effect within 15 minutes"},
		"of time control with history": {func(r *replication.Request) { r.RTC, r.Historical.Replicate = true, ptr(true) }, nil, lists{
			[]string{"rule-immutable", "copies-stay", "versioning-bound", "grants-stay", "canary-left"},
			[]string{"grants", "start", "rtc-start", "new-objects", "historical", "proof"},
			[]string{"traffic", "rtc", "requests", "storage"}}, "about an hour after the historical copy is complete"},
		"of the accelerated link": {func(r *replication.Request) { r.TransferAcceleration = true }, func(s *replication.Survey) {
			s.Seen.Locations.TransferOnly = map[string][]string{"cn-shanghai": {replication.TransferAcceleration}}
		}, lists{
			[]string{"rule-immutable", "copies-stay", "versioning-bound", "acceleration-bound", "grants-stay", "canary-left"},
			[]string{"grants", "start", "new-objects", "proof"},
			[]string{"traffic", "acceleration", "requests", "storage"}}, "over the accelerated link sooner"},
		"of one region": {func(r *replication.Request) { r.Destination.Region = r.Source.Region }, nil, lists{
			[]string{"rule-immutable", "copies-stay", "versioning-bound", "grants-stay", "canary-left"},
			[]string{"grants", "start", "new-objects", "proof"},
			[]string{"no-traffic", "requests", "storage"}}, "what befalls the region befalls the copy"},
		"of a historical copy over objects": {func(r *replication.Request) {
			r.Historical = replication.Historical{Replicate: ptr(true), AcceptOverwrite: true, DueBy: &due}
		}, func(s *replication.Survey) { s.Seen.DestinationEmpty = ptr(false) }, lists{
			[]string{"rule-immutable", "copies-stay", "overwrites-stay", "versioning-bound", "grants-stay", "canary-left"},
			[]string{"grants", "start", "new-objects", "historical", "historical-due", "proof"},
			[]string{"traffic", "requests", "storage"}}, "will not be complete by " + due.Format(time.RFC3339)},
		"of versions": {nil, func(s *replication.Survey) {
			s.Seen.Source.Versioning, s.Seen.Destination.Versioning = "Enabled", "Enabled"
		}, lists{
			[]string{"rule-immutable", "copies-stay", "versioning-bound", "grants-stay", "canary-left"},
			[]string{"grants", "start", "new-objects", "proof"},
			[]string{"traffic", "requests", "storage"}}, "versioning of neither bucket can be suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			if c.ask != nil {
				c.ask(&r)
			}
			s := free(r)
			if c.given != nil {
				c.given(&s)
			}
			p := replication.Plan(r, planDesk, s, noon)
			require.True(t, p.Accepted, "%v", p.Reasons)
			require.Equal(t, c.want, lists{codes(p.Final), codes(p.Times), codes(p.Costs)})
			require.Contains(t, fmt.Sprint(p.Risks, p.Final, p.Times, p.Costs), c.says)
			for _, n := range p.Costs {
				require.Equal(t, n.Code != "no-traffic", strings.Contains(n.Message, "account "+account), "who pays: %s", n.Message)
			}
		})
	}
}

func TestARefusedPlanSaysOnlyWhatTheTicketSays(t *testing.T) {
	r, problems := replication.Parse([]byte(`{"id":"CHG-1","colour":"red"}`))
	p := replication.PlanRefused(r, problems)
	require.False(t, p.Accepted)
	require.Empty(t, p.Topology)
	require.Empty(t, p.Accounts)
	require.Equal(t, replication.ReasonUnknownField, p.Reasons[0].Code)
	r = request()
	r.Destination.Account = "2000000000000002"
	p = replication.Plan(r, planDesk, replication.Survey{}, noon.Add(time.Second))
	require.Equal(t, "cross", p.Accounts)
	require.Equal(t, replication.ReasonAccountUnknown, p.Reasons[0].Code)
}
