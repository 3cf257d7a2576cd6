package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// withRole asks for a destination in an account where the desk assumes a role.
func withRole(r *replication.Request) { r.Destination.Account = "3000000000000003" }

const denyAll = `{"Effect":"Deny","Action":["oss:*"],"Principal":["*"],"Resource":["*"]}`

// policyIs gives the destination a policy.
func policyIs(document string) func(*job, *world) {
	return func(_ *job, w *world) {
		w.BucketPolicy = &replication.BucketPolicySeen{Is: replication.Exists, Document: document}
	}
}

func noPolicy(_ *job, w *world) {
	w.BucketPolicy = &replication.BucketPolicySeen{Is: replication.Missing}
}

// blind takes away every right to look at the destination.
func blind(_ *job, w *world) {
	w.Destination = &replication.BucketSeen{Is: replication.Foreign}
	w.BucketPolicy = &replication.BucketPolicySeen{Is: replication.Foreign}
	w.Canary = &replication.ObjectSeen{Is: replication.Foreign}
}

func granting(k replication.EffectKind, g replication.Granting) *replication.Outcome {
	o := done(k)
	o.Grant = &g
	return o
}

func TestTheGrantIsMadeByTheRoleInTheOtherAccount(t *testing.T) {
	k := replication.EffectGrant
	made := func(t *testing.T, j *job, _ replication.Step) {
		require.Equal(t, noon, j.Made.Grant)
		require.False(t, j.Made.GrantAsked)
	}
	same := decision{ask: withRole}
	case_ := func(c decision) decision { c.ask = same.ask; return c }
	decideAll(t, replication.PhaseDestination, map[string]decision{
		"without a policy": case_(decision{given: noPolicy, step: "effect grant-destination", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, replication.GrantFor(j.Request), *s.Effect.Grant)
			require.JSONEq(t, s.Effect.Grant.String(), s.Effect.Document, "a plan shows the statement")
			require.True(t, j.Made.GrantAsked, "saved before it is made")
		}}),
		"beside foreign statements":               case_(decision{given: policyIs(policyOf(foreignAllow)), step: "effect grant-destination"}),
		"that stands is recorded":                 case_(decision{step: "effect grant-destination"}),
		"was made":                                case_(decision{outcome: granting(k, replication.Granting{Granted: true, Made: true}), step: "next rule", check: made}),
		"stood before":                            case_(decision{outcome: granting(k, replication.Granting{Granted: true}), step: "next rule", check: made}),
		"had no answer: it is looked at and done": case_(decision{outcome: lost(k), step: "effect grant-destination"}),
		"a worker died of it":                     case_(decision{crash: k, step: "effect grant-destination"}),
		"had no answer twice":                     case_(decision{given: func(j *job, _ *world) { j.Failures = 1 }, outcome: lost(k), step: "wait 4s", reason: replication.ReasonUnavailable}),
		"another job is at it":                    case_(decision{outcome: granting(k, replication.Granting{Busy: "CHG-9", Until: noon.Add(time.Minute)}), step: "wait 5s", reason: replication.ReasonPolicyBusy, says: []string{"CHG-9", "dest-bucket"}}),
		"another job was at it": case_(decision{given: func(j *job, _ *world) {
			j.Last = granting(k, replication.Granting{Busy: "CHG-9"})
			j.Last.At = noon.Add(-6 * time.Second)
		}, step: "effect grant-destination"}),
		"became unfit meanwhile": case_(decision{outcome: granting(k, replication.Granting{Reason: replication.ReasonGrantDenied, Message: "no"}), step: "wait 5s", reason: replication.ReasonPolicyBusy}),
		"became unfit, which the next look shows": case_(decision{given: with(policyIs(policyOf(denyAll)), func(j *job, _ *world) {
			j.Last = granting(k, replication.Granting{Reason: replication.ReasonGrantDenied})
			j.Last.At = noon.Add(-6 * time.Second)
		}), step: "next blocked", reason: replication.ReasonGrantDenied, events: []string{"replidesk.request.blocked destination.policy-denies"}}),
		"is denied by somebody":                  case_(decision{given: policyIs(policyOf(denyAll)), step: "next blocked", reason: replication.ReasonGrantDenied, says: []string{denyAll}, events: []string{"replidesk.request.blocked destination.policy-denies"}}),
		"in a policy that cannot be taken apart": case_(decision{given: policyIs(`{}`), step: "next blocked", reason: replication.ReasonPolicyOdd, events: []string{"replidesk.request.blocked destination.policy-unreadable"}}),
		"the role may not look":                  case_(decision{given: blind, step: "next blocked", reason: replication.ReasonDenied, says: []string{"GetBucketPolicy"}, events: []string{"replidesk.request.blocked function.denied"}}),
		"the role may not write":                 case_(decision{outcome: refused(k, replication.TroubleDenied, "AccessDenied"), step: "next blocked", reason: replication.ReasonDenied, events: []string{"replidesk.request.blocked function.denied"}}),
		"is refused for good":                    case_(decision{outcome: refused(k, replication.TroubleFinal, "InvalidPolicyDocument"), step: "next releasing"}),
	})
}

func TestInAHandshakeTheOwnerIsToldWhatToDo(t *testing.T) {
	steps := []string{
		"in the console of account 2000000000000002: Buckets > dest-bucket > Permission Control > Bucket Policy > Add by GUI > Receive Objects to Replicate",
		"Source RAM Role ARN for Replication: acs:ram::1000000000000001:role/" + replication.RoleName("CHG-2041"),
		"Purpose: Cross-account replication; Generate Policy, Save. This keeps the policy that stands there",
		"a new policy replaces the old one as a whole", ourPrincipal, "oss:GetBucketPolicy", "arn:sts::1000000000000001:assumed-role/replidesk-verify/*",
	}
	unseen := append([]string{"whether the bucket policy of dest-bucket lets role"}, steps...)
	decideAll(t, replication.PhaseDestination, map[string]decision{
		"the grant stands": {ask: abroad, step: "next rule", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.Access{Owner: true, Seen: noon}, *j.Access)
			require.Zero(t, j.Made.Grant, "the desk made nothing")
		}},
		"it does not": {ask: abroad, given: noPolicy, step: "next blocked", reason: replication.ReasonGrantMissing, says: steps, events: []string{"replidesk.request.blocked destination.grant-missing"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, noon.Add(5*time.Minute), j.Block.Next, "it is looked at again")
				require.False(t, j.Made.GrantAsked)
			}},
		"it is denied": {ask: abroad, given: policyIs(policyOf(replication.GrantFor(crossRequest()).String(), denyAll)), step: "next blocked", reason: replication.ReasonGrantDenied, events: []string{"replidesk.request.blocked destination.policy-denies"}},
		"it cannot be read: to look is to try": {ask: abroad, given: blind, step: "next rule", events: []string{"replidesk.request.blocked destination.grant-unseen"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.True(t, j.Access.Tries)
				for _, part := range unseen {
					require.Contains(t, j.Outbox[0].Message, part)
				}
			}},
	})
	decideAll(t, replication.PhaseBlocked, map[string]decision{
		"nobody does it within the time of the ticket": {ask: func(r *replication.Request) { abroad(r); r.Limits.GrantWithin = replication.Duration(3 * time.Hour) }, after: 3 * time.Hour,
			given: with(noPolicy, func(j *job, _ *world) {
				j.Block = &replication.Block{Resume: replication.PhaseDestination, Reason: replication.ReasonGrantMissing, Since: noon, Next: noon.Add(3 * time.Hour),
					Reported: map[replication.Reason]time.Time{replication.ReasonGrantMissing: noon}}
				j.Made.Pair = noon
			}), step: "next destination"},
	})
}

func TestTheTimeForTheGrantIsThatOfTheTicket(t *testing.T) {
	r := crossRequest()
	r.Limits.GrantWithin = replication.Duration(3 * time.Hour)
	for _, c := range []struct {
		after time.Duration
		step  string
	}{{3*time.Hour - time.Second, "next blocked"}, {3 * time.Hour, "next releasing"}} {
		j := at(replication.PhaseDestination, r)
		j.Block = &replication.Block{Resume: replication.PhaseDestination, Reason: replication.ReasonGrantMissing, Since: noon, Reported: map[replication.Reason]time.Time{replication.ReasonGrantMissing: noon}}
		w := healthy(r)
		noPolicy(j, &w)
		d := decide(t, j, w, noon.Add(c.after))
		require.Equal(t, c.step, stepOf(d.step, noon.Add(c.after)))
		if c.step == "next blocked" {
			require.Equal(t, noon.Add(3*time.Hour), replication.Explain(d.job, noon).Waiting.GivenUp)
			require.Equal(t, "the owner of the destination's account", replication.Explain(d.job, noon).Who)
		} else {
			require.Contains(t, d.job.Ending.Message, "nothing was done about it for 3 hours")
		}
	}
}

func TestWithinOneAccountNoBucketPolicyIsLookedAt(t *testing.T) {
	decideAll(t, replication.PhaseAttachment, map[string]decision{
		"one account":  {outcome: done(replication.EffectAttach), step: "next rule"},
		"two accounts": {ask: abroad, outcome: done(replication.EffectAttach), step: "next destination"},
	})
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"a Deny is not blamed": {given: with(arriving, policyIs(policyOf(denyAll))), after: 30 * time.Minute, step: "wait 5m0s", reason: replication.ReasonCanaryLate,
			says: []string{"no check names a cause"}, events: []string{"replidesk.request.blocked canary.late"}},
	})
	require.NotContains(t, replication.RolePolicy(crossRequest()), "dest-bucket", "across accounts the role's own right there counts for nothing")
	require.Contains(t, replication.RolePolicy(request()), "dest-bucket")
}

func TestWhatCannotBeSeenOfTheDestinationIsAsTheTicketDeclares(t *testing.T) {
	declare := func(versioning string, empty bool) func(*replication.Request) {
		return func(r *replication.Request) {
			abroad(r)
			r.Declared = &replication.Declared{Versioning: versioning, Empty: empty}
		}
	}
	historical := func(ask func(*replication.Request)) func(*replication.Request) {
		return func(r *replication.Request) { ask(r); r.Historical.Replicate = ptr(true) }
	}
	free := func(_ *job, w *world) { w.Rules = &replication.RulesSeen{} }
	unversioned := with(blind, free)
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"it is believed": {ask: declare("disabled", false), given: unversioned, step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, []string{"versioning disabled"}, j.Access.Declared)
		}},
		"it has to fit the source": {ask: declare("enabled", false), given: unversioned, step: "next rejected", reason: replication.ReasonVersioningDiffers, events: []string{"replidesk.request.rejected pair.versioning-differs"}},
		"without it somebody has to let us look": {ask: abroad, given: unversioned, step: "next blocked", reason: replication.ReasonUndeclared,
			says: []string{"dest-bucket cannot be read", "oss:GetBucketInfo"}, events: []string{"replidesk.request.blocked destination.unseen"}},
		"what can be seen counts": {ask: declare("enabled", false), given: free, step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) { require.Nil(t, j.Access) }},
		"that it is empty lets existing objects be copied": {ask: historical(declare("disabled", true)), given: unversioned, step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, []string{"versioning disabled", "no object in the scope"}, j.Access.Declared)
		}},
		"that it is empty counts also where the bucket can be seen": {ask: historical(declare("disabled", true)), given: with(free, func(_ *job, w *world) { w.DestinationEmpty = nil }), step: "effect claim-pair"},
		"without that they are not":                                 {ask: historical(declare("disabled", false)), given: unversioned, step: "next rejected", reason: replication.ReasonOverwrite, events: []string{"replidesk.request.rejected historical.would-overwrite"}},
		"a bucket that is missing is missing":                       {ask: declare("disabled", false), given: with(free, func(_ *job, w *world) { w.Destination.Is = replication.Missing }), step: "next rejected", reason: replication.ReasonDestinationMissing, events: []string{"replidesk.request.rejected destination.bucket-missing"}},
		"a role there has to see it":                                {ask: withRole, given: unversioned, step: "next rejected", reason: replication.ReasonDestinationNotOurs, events: []string{"replidesk.request.rejected destination.not-ours"}},
	})
}

func TestARefusedRuleNamesTheGrant(t *testing.T) {
	r := crossRequest()
	for name, c := range map[string]struct {
		given  func(*job, *world)
		reason replication.Reason
	}{
		"that is not there":    {noPolicy, replication.ReasonGrantMissing},
		"that cannot be seen":  {blind, replication.ReasonGrantUnseen},
		"but not one in order": {func(*job, *world) {}, replication.ReasonRoleUnusable},
		"that somebody denies": {policyIs(policyOf(denyAll)), replication.ReasonGrantDenied},
	} {
		t.Run(name, func(t *testing.T) {
			j, w := at(replication.PhaseRule, r), healthy(r)
			c.given(j, &w)
			w.Rules = &replication.RulesSeen{}
			now := noon.Add(replication.PropagationLimit + time.Second)
			o := refused(replication.EffectPutRule, replication.TroubleRoleUnfit, "NoPermission")
			o.At = now
			j.Rule = &replication.Rule{Unsettled: true}
			j.Intent = &replication.Intent{Effect: replication.Effect{Kind: replication.EffectPutRule}}
			d := through(t, j, w, now, func(j *job, v replication.View) replication.Step { return replication.Settle(j, *o, v) })
			d = decide(t, d.job, w, now)
			require.Equal(t, "next blocked", stepOf(d.step, now), d.job.Message)
			require.Equal(t, c.reason, d.job.Reason, d.job.Message)
			require.Contains(t, d.job.Message, "NoPermission", "what OSS said comes first")
		})
	}
}

func TestCopiesThatDoNotArriveNameTheGrant(t *testing.T) {
	event := func(r replication.Reason) []string { return []string{"replidesk.request.blocked " + string(r)} }
	for _, ask := range []func(*replication.Request){abroad, withRole} {
		decideAll(t, replication.PhaseVerifying, map[string]decision{
			"it was taken away":    {ask: ask, given: with(arriving, noPolicy), after: 31 * time.Minute, step: "next blocked", reason: replication.ReasonGrantMissing, says: []string{"Receive Objects to Replicate"}, events: event(replication.ReasonGrantMissing)},
			"somebody denies it":   {ask: ask, given: with(arriving, policyIs(policyOf(denyAll))), after: 31 * time.Minute, step: "next blocked", reason: replication.ReasonGrantDenied, events: event(replication.ReasonGrantDenied)},
			"the role comes first": {ask: ask, given: with(arriving, noPolicy, func(_ *job, w *world) { w.Role.Is = replication.Missing }), after: 31 * time.Minute, step: "next blocked", reason: replication.ReasonRoleMissing, events: event(replication.ReasonRoleMissing)},
		})
	}
	long := func(r *replication.Request) { abroad(r); r.Limits.GrantWithin = replication.Duration(48 * time.Hour) }
	unseen := with(arriving, blind, func(_ *job, w *world) { w.Progress.Watermark = time.Time{} })
	declared := func(r *replication.Request) { long(r); r.Declared = &replication.Declared{Versioning: "disabled"} }
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"it cannot be seen":                {ask: declared, given: unseen, after: 31 * time.Minute, step: "next blocked", reason: replication.ReasonGrantUnseen, says: []string{"the destination does not let us see"}, events: event(replication.ReasonGrantUnseen)},
		"its owner has the time they have": {ask: declared, given: unseen, after: 7 * time.Hour, step: "next blocked", reason: replication.ReasonGrantUnseen, events: event(replication.ReasonGrantUnseen)},
		"and no longer":                    {ask: declared, given: unseen, after: 48 * time.Hour, step: "next failed", reason: replication.ReasonCanaryLost, events: []string{"replidesk.request.failed canary.lost"}},
		"other causes have no more time":   {ask: declared, given: with(unseen, func(_ *job, w *world) { w.Role.Is = replication.Missing }), after: 7 * time.Hour, step: "next failed", reason: replication.ReasonCanaryLost, events: []string{"replidesk.request.failed canary.lost"}},
	})
}

func TestWhereTheDestinationCannotBeSeenTheEvidenceIsTheWatermark(t *testing.T) {
	declared := func(r *replication.Request) {
		abroad(r)
		r.Declared = &replication.Declared{Versioning: "disabled"}
	}
	passed := with(arriving, blind, func(j *job, w *world) {
		j.Access.Declared = []string{"versioning disabled"}
		w.Progress.Watermark = noon.Add(time.Second)
	})
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"before it is waited for": {ask: declared, given: with(arriving, blind), after: 20 * time.Second, step: "wait 5s", reason: replication.ReasonCanaryUnderway, says: []string{"does not let us see"}},
		"past the canary":         {ask: declared, given: passed, after: 20 * time.Second, step: "effect clean-up"},
		"a right that was taken away meanwhile proves no deletion": {ask: declared, given: with(proving(replication.StepDeleted), blind), after: 5 * time.Minute, step: "wait 1m15s", reason: replication.ReasonCanaryUnderway},
	})
	r := request()
	declared(&r)
	j, w := at(replication.PhaseVerifying, r), healthy(r)
	passed(j, &w)
	d := decide(t, j, w, noon.Add(20*time.Second))
	o := cleaned()
	o.At = noon.Add(21 * time.Second)
	d = through(t, d.job, w, o.At, func(j *job, v replication.View) replication.Step { return replication.Settle(j, *o, v) })
	d = decide(t, d.job, w, o.At)
	require.Equal(t, "next watching", stepOf(d.step, noon))
	require.Equal(t, []string{"replidesk.request.verified job.verified-unseen"}, eventsOf(d.job))
	e := d.job.Evidence
	require.Equal(t, "watermark", e.By)
	require.True(t, e.Unseen)
	require.Equal(t, noon, e.WatermarkBefore, "when the canary was written")
	require.Equal(t, noon.Add(time.Second), e.Watermark)
	require.Equal(t, []string{"versioning disabled"}, e.Declared)
	require.Contains(t, d.job.Message, "declared by the ticket and seen by nobody: versioning disabled")
	require.Contains(t, e.LeftBehind, "perhaps the copy dest-bucket/"+canaryKey)
}
