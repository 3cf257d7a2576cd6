package replication_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// adoption makes the ticket of a case one that adopts.
func adoption(r *replication.Request) {
	r.Action, r.Role = replication.ActionAdopt, replication.RoleChoice{}
}

// theirs has the rule of the ticket be one that others made.
func theirs(_ *job, w *world) { w.Rules.Rules[0].SyncRole = "their-role" }

func seen(change func(g *replication.RuleSeen)) func(*job, *world) {
	return with(theirs, func(_ *job, w *world) { change(&w.Rules.Rules[0]) })
}

func TestAnAdoptionTakesTheSameTicketButForTheRole(t *testing.T) {
	adopt := strings.Replace(good, `"replicate","requester"`, `"adopt","requester"`, 1)
	require.Empty(t, problemsOf(adopt))
	s := schemaOf(t)
	require.Empty(t, s.check(s, decoded(t, adopt)))
	named := strings.Replace(adopt, `"adopt"`, `"adopt","target":"test_replication_1"`, 1)
	require.Empty(t, problemsOf(named))
	require.Empty(t, s.check(s, decoded(t, named)))
	r, _ := replication.Parse([]byte(named))
	require.Equal(t, replication.RoleChoice{}, r.Role)
	require.Empty(t, replication.RuleFor(r).SyncRole)
	for field, bad := range map[string]string{
		"role":                 strings.Replace(adopt, `"adopt"`, `"adopt","role":{"type":"new"}`, 1),
		"target":               strings.Replace(adopt, `"adopt"`, `"adopt","target":"a b"`, 1),
		"historical.replicate": strings.Replace(adopt, `,"historical":{"replicate":true}`, ``, 1),
	} {
		p := problemsOf(bad)
		require.NotEmpty(t, p, field)
		require.Equal(t, field, p[0].Field)
		require.NotEmpty(t, s.check(s, decoded(t, bad)), field)
	}
}

func TestPreflightOfAnAdoption(t *testing.T) {
	rejected := func(reason replication.Reason, given func(*job, *world), says ...string) decision {
		return decision{ask: adoption, given: given, step: "next rejected", reason: reason, says: says, events: []string{"replidesk.request.rejected " + string(reason)}}
	}
	claims := func(given func(*job, *world)) decision {
		return decision{ask: adoption, given: given, step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) { require.True(t, j.Made.PairAsked) }}
	}
	targeted := claims(theirs)
	targeted.ask = func(r *replication.Request) { adoption(r); r.Target = ruleID }
	otherwise := rejected(replication.ReasonAdoptMissing, theirs, "the rule from src-bucket to dest-bucket is rule-1, not rule-2")
	otherwise.ask = func(r *replication.Request) { adoption(r); r.Target = "rule-2" }
	all := claims(seen(func(g *replication.RuleSeen) { g.Action = "PUT, ABORT,DELETE" }))
	all.ask = func(r *replication.Request) { adoption(r); r.ReplicateDeletes = true }
	unsaid := claims(seen(func(g *replication.RuleSeen) { g.Action, g.Historical, g.SyncRole = "", "", "" }))
	unsaid.ask = func(r *replication.Request) {
		adoption(r)
		r.ReplicateDeletes, r.Historical.Replicate = true, ptr(true)
	}
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"of the rule that the ticket describes claims the pair": claims(theirs),
		"of a rule that is starting":                            claims(seen(func(g *replication.RuleSeen) { g.Status = replication.RuleStarting })),
		"of a rule that does not show its role":                 claims(seen(func(g *replication.RuleSeen) { g.SyncRole = "" })),
		"of a rule that names the internal link":                claims(seen(func(g *replication.RuleSeen) { g.TransferType = replication.TransferInternal })),
		"of the rule that the ticket names":                     targeted,
		"of another rule than the ticket names":                 otherwise,
		"of a rule whose actions are all there are":             all,
		"of a rule that leaves to OSS what is the default":      unsaid,
		"without a rule":                                               rejected(replication.ReasonAdoptMissing, bare, "src-bucket has no rule to dest-bucket"),
		"of a rule to another destination":                             rejected(replication.ReasonAdoptMissing, seen(func(g *replication.RuleSeen) { g.Destination = "elsewhere" })),
		"of a rule that is being removed":                              rejected(replication.ReasonAdoptClosing, with(theirs, closes)),
		"of a rule with other options names each":                      rejected(replication.ReasonAdoptDiffers, seen(func(g *replication.RuleSeen) { g.RTC, g.Action = "enabled", "ALL" }), `action is "ALL", asked for was "PUT"; RTC is "on"`),
		"of a rule with an element that is not known":                  rejected(replication.ReasonAdoptDiffers, seen(func(g *replication.RuleSeen) { g.Unknown = []string{"Mood"} }), "it has the element Mood"),
		"of a rule with odd tags":                                      rejected(replication.ReasonAdoptDiffers, seen(func(g *replication.RuleSeen) { g.OddTags = 1 }), "1 elements of another form"),
		"of a rule with some of the actions":                           rejected(replication.ReasonAdoptDiffers, seen(func(g *replication.RuleSeen) { g.Action = "PUT,DELETE" }), `"PUT,DELETE"`),
		"of a bucket that does not exist":                              rejected(replication.ReasonSourceMissing, with(theirs, func(_ *job, w *world) { w.Source.Is = replication.Missing })),
		"asks nothing of objects that exist and of regions in between": claims(with(theirs, func(_ *job, w *world) { w.DestinationEmpty, w.Locations = nil, nil })),
		"of a pair that another ticket watches": {ask: adoption, given: with(theirs, ownedBy(replication.PhaseWatching, nil), func(j *job, _ *world) {
			j.Last = done(replication.EffectClaimPair)
			j.Last.Owner = "CHG-1"
		}), step: "next completed", reason: replication.ReasonDuplicate, events: []string{"replidesk.request.completed pair.duplicate-of"}},
		"whose pair is claimed": {ask: adoption, given: func(j *job, _ *world) { j.Made.Pair = noon }, step: "next adopting"},
	})
}

// adopting is the job of an adoption that has the pair.
func adopting(j *job, w *world) {
	theirs(j, w)
	j.Made, j.Rule = replication.Made{Pair: noon}, nil
}

// adopted is one that has the rule.
func adopted(j *job, w *world) {
	adopting(j, w)
	j.Made.Rule, j.Rule = noon, &replication.Rule{ID: ruleID, Role: "their-role", Accepted: noon, Confirmed: noon, Live: noon}
}

func TestAnAdoptedRuleIsRecordedAsItStands(t *testing.T) {
	decideAll(t, replication.PhaseAdopting, map[string]decision{
		"with its id and role, and is proven": {ask: adoption, given: adopting, step: "next verifying", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, &replication.Rule{ID: ruleID, Role: "their-role", Accepted: noon, Confirmed: noon, Live: noon}, j.Rule)
			require.Equal(t, replication.Made{Pair: noon, Rule: noon}, j.Made, "nothing else is the job's")
		}},
		"when it is still starting that is waited for": {ask: adoption, given: with(adopting, func(_ *job, w *world) { w.Rules.Rules[0].Status = replication.RuleStarting }), step: "next starting"},
		"not when it has gone meanwhile: the pair is given back": {ask: adoption, given: with(adopting, bare), step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonAdoptMissing, j.Ending.Reason)
			require.Equal(t, replication.PhaseRejected, j.Ending.Phase)
		}},
	})
}

func TestAnAdoptedRuleIsProven(t *testing.T) {
	declined := func(r *replication.Request) { adoption(r); r.Verify.Canary = false }
	released := func(reason replication.Reason, says ...string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, reason, j.Ending.Reason)
			for _, part := range append(says, "rule rule-1 is left as it was found") {
				require.Contains(t, j.Ending.Message, part)
			}
			require.False(t, j.RuleStands(), "the job has nothing to do with it any more")
		}
	}
	late := func(j *job, _ *world) {
		j.Verification = &replication.Verification{Step: replication.StepArrive, Written: noon, Begun: true, Key: replication.CanaryKey(j.Request), First: &replication.ObjectSeen{Is: replication.Exists}}
	}
	noGrants := func(_ *job, w *world) { w.Role, w.Policy, w.Attachment = nil, nil, nil }
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"by the canary as any other":                            {ask: adoption, given: adopted, step: "effect put-canary"},
		"by a watermark within the limit, if that is asked for": {ask: declined, given: adopted, after: 59 * time.Minute, step: "next watching", reason: replication.ReasonAdopted, events: []string{"replidesk.request.verified job.adopted"}},
		"by a watermark that moves, when it lay behind":         {ask: declined, given: adopted, after: 2 * time.Hour, step: "wait 5s"},
		"although nothing arrives: its role is not looked at": {ask: adoption, given: with(adopted, late, noGrants), after: 40 * time.Minute, step: "wait 5m0s", reason: replication.ReasonCanaryLate,
			says: []string{"no check names a cause", "role their-role and its policies, which others made"}, events: []string{"replidesk.request.blocked canary.late"}},
		"not: it is left as it was found, and the pair is given back": {ask: adoption, given: with(adopted, late, noGrants), after: 6 * time.Hour, step: "next releasing", check: released(replication.ReasonCanaryLost)},
		"not: what it lets out of its scope does not close it": {ask: adoption, given: with(adopted, func(j *job, w *world) {
			j.Verification = &replication.Verification{Step: replication.StepScope, Written: noon, Strays: noon, OutsideKey: replication.OutsideKey(j.Request)}
			w.Outside = &replication.ObjectSeen{Is: replication.Exists}
		}), after: 2 * time.Minute, step: "next releasing", check: released(replication.ReasonAdoptLeaks)},
	})
}

func TestAnAdoptedRuleIsComparedByMeaningAfterATakeOverToo(t *testing.T) {
	proven := func(j *job, w *world) {
		adopted(j, w)
		j.TakenOver, j.Evidence = true, &replication.Evidence{By: "watermark", Watermark: noon}
		j.Verification = &replication.Verification{Step: replication.StepWatermark}
		w.Rules.Rules[0].Action, w.Rules.Rules[0].Historical = "", ""
	}
	asIs := func(r *replication.Request) {
		adoption(r)
		r.ReplicateDeletes, r.Historical.Replicate = true, ptr(true)
	}
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"it is the same": {ask: asIs, given: proven, step: "next watching", events: []string{"replidesk.request.verified job.adopted"}},
		"it is another": {ask: adoption, given: proven, step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.ReasonAdoptDiffers, j.Ending.Reason)
		}},
	})
}

func TestAnAdoptedRuleIsStoppedAndItsRoleStays(t *testing.T) {
	taken := with(adopted, func(j *job, _ *world) { j.Stop = &replication.Order{By: anOrder.By, At: anOrder.At} })
	decideAll(t, replication.PhaseStopping, map[string]decision{
		"the rule is closed": {ask: adoption, given: taken, step: "effect close-rule"},
		"but not by a cancel, which leaves it as it was found": {ask: adoption, given: with(taken, func(j *job, _ *world) { j.Stop.Action = replication.ActionCancel }), step: "effect release-pair",
			check: left("rule rule-1, as it was found")},
		"the role is named": {ask: adoption, given: with(taken, bare), after: time.Hour, step: "effect release-pair", check: left("role their-role and its policies, which others made")},
		"also one that the rule did not show": {ask: adoption, given: with(taken, bare, func(j *job, _ *world) { j.Rule.Role = "" }), after: time.Hour, step: "effect release-pair",
			check: left("the role of the rule, which the rule does not show, and its policies: others made them")},
	})
}

func TestAnExplanationOfAnAdoptionSaysWhoseRuleItIs(t *testing.T) {
	r := request()
	adoption(&r)
	j := at(replication.PhaseVerifying, r)
	w := healthy(r)
	adopted(j, &w)
	e := replication.Explain(j, noon)
	require.Contains(t, e.Made, replication.Thing{What: "adopted rule", Name: "rule-1 with role their-role and its policies, which others made", At: noon})
	first := replication.Explain(replication.NewJob(r, noon), noon)
	require.Equal(t, replication.PhaseAdopting, first.Ahead[1].Phase)
	require.Equal(t, replication.PhaseWatching, first.Ahead[len(first.Ahead)-1].Phase)
}

func TestAPlanOfAnAdoptionMakesNothing(t *testing.T) {
	r := request()
	adoption(&r)
	w := healthy(r)
	w.Rules.Rules[0].SyncRole = "their-role"
	p := replication.Plan(r, desk, replication.Survey{Seen: w}, noon)
	require.True(t, p.Accepted, "%v", p.Reasons)
	require.Equal(t, replication.PhaseWatching, p.Ending)
	for _, s := range p.Steps {
		if s.Kind == replication.StepEffect {
			require.NotContains(t, []replication.EffectKind{replication.EffectCreateRole, replication.EffectCreatePol, replication.EffectAttach, replication.EffectPutRule}, s.Effect.Kind)
		}
	}
	w.Rules.Rules[0].RTC = "enabled"
	p = replication.Plan(r, desk, replication.Survey{Seen: w}, noon)
	require.Equal(t, replication.ReasonAdoptDiffers, p.Reasons[0].Code)
}
