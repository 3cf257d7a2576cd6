package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const revoke = replication.EffectRevoke

// grantedThere is a job without a rule that is being taken down, and whose statement
// stands at the destination.
func grantedThere(j *job, w *world) {
	ruleless(j, w)
	j.Made.Grant = noon.Add(-time.Hour)
}

var theStatement = "the statement for role " + replication.RoleName("CHG-2041") + " in the bucket policy of dest-bucket"

func TestTheGrantIsTakenBackOnOrder(t *testing.T) {
	const next = "effect detach-policy"
	kept := func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Made.Grant.IsZero()) }
	decideAll(t, replication.PhaseStopping, map[string]decision{
		"when the rule is gone": {ask: withRole, given: grantedThere, step: "effect revoke-destination", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, replication.GrantFor(j.Request), *s.Effect.Grant)
		}},
		"and not before":                     {ask: withRole, given: with(stopping, func(j *job, _ *world) { j.Made.Grant = noon }), step: "effect close-rule", check: kept},
		"also one of which nothing is known": {ask: withRole, given: with(ruleless, func(j *job, _ *world) { j.Made.GrantAsked = true }), step: "effect revoke-destination"},
		"which is told":                      {ask: withRole, given: grantedThere, outcome: granting(revoke, replication.Granting{Removed: true}), step: next, check: removed(theStatement)},
		"but for one that was changed":       {ask: withRole, given: grantedThere, outcome: granting(revoke, replication.Granting{Left: "because it was changed"}), step: next, check: left(theStatement + ", because it was changed")},
		"not one that others made":           {ask: withRole, given: grantedThere, outcome: granting(revoke, replication.Granting{}), step: next, check: removed()},
		"nothing, when the bucket is gone":   {ask: withRole, given: grantedThere, outcome: done(revoke), step: next, check: removed()},
		"when the policy is free": {ask: withRole, given: grantedThere, outcome: granting(revoke, replication.Granting{Busy: "CHG-7", Until: noon.Add(time.Minute)}), step: "wait 5s",
			reason: replication.ReasonPolicyBusy, check: kept},
		"again after an answer that was lost": {ask: withRole, given: grantedThere, outcome: lost(revoke), step: "effect revoke-destination"},
		"again after a worker died of it":     {ask: withRole, given: grantedThere, crash: revoke, step: "effect revoke-destination"},
		"by somebody who may": {ask: withRole, given: grantedThere, outcome: refused(revoke, replication.TroubleDenied, "AccessDenied"), step: "next blocked", reason: replication.ReasonDenied,
			events: []string{"replidesk.request.blocked function.denied"}, check: kept},
		"not by a desk that the account lends no role any more": {ask: abroad, given: grantedThere, step: next,
			check: left(theStatement + ", which the owner of account 2000000000000002 may remove now, if it stands there")},
		"by its owner, who is told once": {ask: abroad, given: with(ruleless, func(j *job, _ *world) { j.Access = &replication.Access{Owner: true, Seen: noon} }), step: next,
			check: left(theStatement + ", which the owner of account 2000000000000002 may remove now, if it stands there")},
	})
}

func TestAJobThatFailsTakesItsGrantBack(t *testing.T) {
	failing := func(j *job, _ *world) {
		j.Made.Grant = noon
		j.Made.Pair = noon
		j.Ending = &replication.Ending{Phase: replication.PhaseFailed, Reason: replication.ReasonRuleClosing, Message: "no"}
	}
	decideAll(t, replication.PhaseReleasing, map[string]decision{
		"before the pair": {ask: withRole, given: failing, step: "effect revoke-destination"},
		"and then the pair goes": {ask: withRole, given: failing, outcome: granting(revoke, replication.Granting{Removed: true}), step: "effect release-pair",
			check: func(t *testing.T, j *job, _ replication.Step) { require.Zero(t, j.Made.Grant) }},
		"and names what stays": {ask: withRole, given: failing, outcome: granting(revoke, replication.Granting{Left: "because it was changed"}), step: "effect release-pair",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Contains(t, j.Ending.Message, "left in place: "+theStatement+", because it was changed")
			}},
		"or leaves it to its owner": {ask: abroad, given: failing, step: "effect release-pair",
			check: func(t *testing.T, j *job, _ replication.Step) { require.Zero(t, j.Made.Grant) }},
		"when the policy is free": {ask: withRole, given: failing, outcome: granting(revoke, replication.Granting{Busy: "CHG-7"}), step: "wait 5s", reason: replication.ReasonPolicyBusy},
	})
	r := crossRequest()
	j := at(replication.PhaseStarting, r)
	j.Made.Grant = noon
	require.Contains(t, replication.Explain(j, noon).Made, replication.Thing{What: "statement", Name: theStatement, At: noon})
}

func TestAJobThatBeginsAgainSeesToItsGrantAgain(t *testing.T) {
	decideAll(t, replication.PhaseRetrying, map[string]decision{
		"by a role": {ask: withRole, given: func(j *job, _ *world) { j.Made.Grant, j.Access = noon, &replication.Access{Seen: noon} }, step: "next preflight",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Zero(t, j.Made.Grant)
				require.True(t, j.Made.GrantAsked)
			}},
		"by its owner": {ask: abroad, given: func(j *job, _ *world) { j.Access = &replication.Access{Owner: true, Tries: true} }, step: "next preflight",
			check: func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Access.Tries) }},
	})
}
