package replication_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// lentByRole asks for copies under a key of an account where the desk assumes a role.
func lentByRole(r *replication.Request) {
	withLentKey(r)
	withRole(r)
	r.KMS.KeyID = strings.Replace(lentARN, other, r.Destination.Account, 1)
}

// keyIs gives the key a policy.
func keyIs(document string) func(*job, *world) {
	return func(_ *job, w *world) {
		w.KeyPolicy = &replication.KeyPolicySeen{Is: replication.Exists, Document: document}
	}
}

var (
	unlent     = keyPolicyWith(`{"Effect":"Allow","Principal":{"RAM":["acs:ram::1:role/another"]},"Action":["kms:Decrypt"],"Resource":["*"]}`)
	deniesKey  = keyPolicyWith(`{"Effect":"Deny","Principal":{"RAM":["*"]},"Action":["kms:Dec*"],"Resource":["*"]}`)
	fullPolicy = keyPolicyWith(`{"Sid":"` + strings.Repeat("x", 32_500) + `","Effect":"Allow","Principal":{"RAM":["acs:ram::1:role/another"]},"Action":["kms:Decrypt"],"Resource":["*"]}`)
)

const (
	grantKey  = replication.EffectGrantKey
	revokeKey = replication.EffectRevokeKey
)

func TestTheRoleOfTheOtherAccountLendsTheKey(t *testing.T) {
	case_ := func(c decision) decision { c.ask = lentByRole; return c }
	granted := replication.Granting{Granted: true, Made: true}
	blocked := func(reason replication.Reason) []string {
		return []string{"replidesk.request.blocked " + string(reason)}
	}
	decideAll(t, replication.PhaseKMSKey, map[string]decision{
		"that it does not lend yet": case_(decision{given: keyIs(unlent), step: "effect grant-key", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, replication.KeyGrantFor(j.Request), *s.Effect.Grant)
			require.JSONEq(t, s.Effect.Grant.String(), s.Effect.Document, "a plan shows the statement")
			require.True(t, j.Made.KeyGrantAsked, "saved before it is made")
		}}),
		"also one that it lends already, so that the ledger says who relies on it": case_(decision{step: "effect grant-key"}),
		"and goes on then": case_(decision{outcome: granting(grantKey, granted), step: "next rule", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, noon, j.Made.KeyGrant)
			require.False(t, j.Made.KeyGrantAsked)
		}}),
		"again after an answer that was lost": case_(decision{outcome: lost(grantKey), step: "effect grant-key"}),
		"again after a worker died of it":     case_(decision{crash: grantKey, step: "effect grant-key"}),
		"when no other job changes it": case_(decision{outcome: granting(grantKey, replication.Granting{Busy: "CHG-7", Until: noon.Add(time.Minute)}), step: "wait 5s",
			reason: replication.ReasonPolicyBusy, says: []string{"job CHG-7 is changing the policy of key"}}),
		"but not against a Deny": case_(decision{given: keyIs(deniesKey), step: "next blocked", reason: replication.ReasonKMSKeyDenied,
			says: []string{"kms:Dec*"}, events: blocked(replication.ReasonKMSKeyDenied)}),
		"but not into a policy without room": case_(decision{given: keyIs(fullPolicy), step: "next blocked", reason: replication.ReasonKMSKeyFull,
			says: []string{"KMS takes 32768"}, events: blocked(replication.ReasonKMSKeyFull)}),
		"but not into one that cannot be taken apart": case_(decision{given: keyIs(`{"Statement":{}}`), step: "next blocked", reason: replication.ReasonKMSKeyPolicy,
			says: []string{"cannot be read"}, events: blocked(replication.ReasonKMSKeyPolicy)}),
		"but not one that is gone": case_(decision{given: func(_ *job, w *world) { w.KeyPolicy = &replication.KeyPolicySeen{Is: replication.Missing} },
			step: "next blocked", reason: replication.ReasonKMSKeyNotFound, events: blocked(replication.ReasonKMSKeyNotFound)}),
		"but not one whose policy it may not read": case_(decision{given: func(_ *job, w *world) { w.KeyPolicy = &replication.KeyPolicySeen{Is: replication.Foreign} },
			step: "next blocked", reason: replication.ReasonDenied, says: []string{"GetKeyPolicy"}, events: blocked(replication.ReasonDenied)}),
		"but not one that it may not change": case_(decision{outcome: refused(grantKey, replication.TroubleDenied, "Forbidden.NoPermission"), step: "next blocked",
			reason: replication.ReasonDenied, says: []string{"Forbidden.NoPermission; or the owner of account"}, events: blocked(replication.ReasonDenied)}),
		"but not when the instance lets no further account in": case_(decision{outcome: refused(grantKey, replication.TroubleQuota, "Rejected.LimitExceeded"), step: "next blocked",
			reason: replication.ReasonKMSKeyAccess, events: blocked(replication.ReasonKMSKeyAccess)}),
	})
}

func TestTheLoanOfAKeyIsTakenBack(t *testing.T) {
	theLoan := func(r replication.Request) string {
		return "the statement for role " + r.RoleName() + " in the policy of key " + r.KMSKey()
	}
	r := request()
	lentByRole(&r)
	both := func(j *job, w *world) { grantedThere(j, w); j.Made.KeyGrant = noon.Add(-time.Hour) }
	alone := with(both, func(j *job, _ *world) { j.Made.Grant = time.Time{} })
	const next = "effect detach-policy"
	decideAll(t, replication.PhaseStopping, map[string]decision{
		"after the statement of the bucket": {ask: lentByRole, given: both, step: "effect revoke-destination"},
		"and then it": {ask: lentByRole, given: both, outcome: granting(revoke, replication.Granting{Removed: true}), step: "effect revoke-key", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, replication.KeyGrantFor(j.Request), *s.Effect.Grant)
		}},
		"also one of which nothing is known": {ask: lentByRole, given: with(ruleless, func(j *job, _ *world) { j.Made.KeyGrantAsked = true }), step: "effect revoke-key"},
		"which is told":                      {ask: lentByRole, given: alone, outcome: granting(revokeKey, replication.Granting{Removed: true}), step: next, check: removed(theLoan(r))},
		"but for one that others rely on": {ask: lentByRole, given: alone, outcome: granting(revokeKey, replication.Granting{Left: "because other jobs rely on it"}), step: next,
			check: left(theLoan(r) + ", because other jobs rely on it")},
		"when the policy is free": {ask: lentByRole, given: alone, outcome: granting(revokeKey, replication.Granting{Busy: "CHG-7"}), step: "wait 5s", reason: replication.ReasonPolicyBusy,
			check: func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Made.KeyGrant.IsZero()) }},
		"by its owner, when the account lends us no role any more": {ask: func(r *replication.Request) { lentByRole(r); withLentKey(r) }, given: alone, step: next, check: func(t *testing.T, j *job, _ replication.Step) {
			require.Zero(t, j.Made.KeyGrant)
			require.Contains(t, strings.Join(j.Stop.Left, "; "), "in the policy of key "+lentARN+", which the owner of account "+other+" may remove now")
		}},
		"again after a worker died of it": {ask: lentByRole, given: alone, crash: revokeKey, step: "effect revoke-key"},
	})
	decideAll(t, replication.PhaseReleasing, map[string]decision{
		"also by a job that fails": {ask: lentByRole, given: func(j *job, _ *world) {
			j.Made.KeyGrant, j.Made.Pair = noon, noon
			j.Ending = &replication.Ending{Phase: replication.PhaseFailed, Reason: replication.ReasonRuleClosing, Message: "no"}
		}, step: "effect revoke-key"},
	})
	decideAll(t, replication.PhaseRetrying, map[string]decision{
		"and seen to again by one that begins again": {ask: lentByRole, given: func(j *job, _ *world) { j.Made.KeyGrant = noon }, step: "next preflight",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Zero(t, j.Made.KeyGrant)
				require.True(t, j.Made.KeyGrantAsked)
			}},
	})
	j := at(replication.PhaseStarting, r)
	j.Made.KeyGrant = noon
	require.Contains(t, replication.Explain(j, noon).Made, replication.Thing{What: "statement", Name: theLoan(r), At: noon})
}

func TestAStatementIsMergedIntoAKeyPolicyAndTheRestKeepsItsBytes(t *testing.T) {
	r := request()
	lentByRole(&r)
	g := replication.KeyGrantFor(r)
	require.Equal(t, `{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":["*"],"Principal":{"RAM":["`+roleOf(r)+`"]}}`, g.String())
	const odd = `{ "Later":[ 1.0 ],"Sid":"é", "Effect":"Allow","Principal":{"RAM":"acs:ram::1:user/a"},"Action":"kms:*","Resource":"*" }`
	before := "{\n\"New\" : null, \"Statement\": [ " + odd + "\n],\"Version\":\"1\"}\n"
	p := bucketPolicy(t, before)
	merged, changed := p.Merge(g)
	require.True(t, changed)
	require.Equal(t, "{\n\"New\" : null, \"Statement\": [ "+odd+","+g.String()+"\n],\"Version\":\"1\"}\n", merged)
	after := bucketPolicy(t, merged)
	_, changed = after.Merge(g)
	require.False(t, changed, "it stands already")
	rest, removed := after.Remove(g)
	require.True(t, removed)
	require.Equal(t, before, rest)
	less := bucketPolicy(t, keyPolicy(roleOf(r), `"kms:Decrypt"`))
	merged, _ = less.Merge(g)
	require.Equal(t, keyPolicyWith(g.String()), merged, "one of ours that allows less is given what is missing")
	bucket := replication.GrantFor(r)
	bucket.Principal = g.Principal
	require.False(t, after.Holds(bucket), "principals of buckets have another form")
}

func TestADenyInAKeyPolicyCounts(t *testing.T) {
	r := request()
	lentByRole(&r)
	g, account := replication.KeyGrantFor(r), r.Source.Account
	for statement, denies := range map[string]bool{
		`"Principal":{"RAM":["` + roleOf(r) + `"]},"Action":["kms:Decrypt"]`:                     true,
		`"Principal":{"RAM":"acs:ram::` + account + `:*"},"Action":"kms:*"`:                      true,
		`"Principal":{"RAM":["acs:ram::` + account + `:root"]},"Action":["KMS:generatedatakey"]`: true,
		`"NotPrincipal":{"RAM":["acs:ram::1:role/another"]},"Action":["kms:Decrypt"]`:            true,
		`"Principal":{"RAM":["*"]},"NotAction":["kms:Encrypt"]`:                                  true,
		`"Principal":{"Later":["*"]},"Action":["kms:Decrypt"]`:                                   true,
		`"Principal":{"RAM":["*"]},"Action":["kms:Decrypt"],"Condition":{"IpAddress":{}}`:        true,
		`"NotPrincipal":{"RAM":["` + roleOf(r) + `"]},"Action":["kms:Decrypt"]`:                  false,
		`"Principal":{"RAM":["acs:ram::` + account + `:role/another"]},"Action":["kms:Decrypt"]`: false,
		`"Principal":{"RAM":["*"]},"Action":["kms:ScheduleKeyDeletion","kms:Encrypt"]`:           false,
		`"Principal":{"RAM":["*"]},"NotAction":["kms:*"]`:                                        false,
	} {
		reason, _ := bucketPolicy(t, keyPolicyWith(`{"Effect":"Deny",`+statement+`,"Resource":["*"]}`)).Unfit(g)
		require.Equal(t, denies, reason == replication.ReasonKMSKeyDenied, statement)
	}
}

func TestAPlanShowsWhatBecomesOfTheKeyPolicy(t *testing.T) {
	r := request()
	lentByRole(&r)
	r.Requester = "ben"
	plan := func(document string) replication.PlanResult {
		w := healthy(r)
		w.Rules, w.BucketPolicy = &replication.RulesSeen{}, &replication.BucketPolicySeen{Is: replication.Missing}
		keyIs(document)(nil, &w)
		return replication.Plan(r, desk, replication.Survey{Seen: w}, noon)
	}
	p := plan(unlent)
	var step replication.PlanStep
	for _, s := range p.Steps {
		if s.Effect != nil && s.Effect.Kind == grantKey {
			step = s
		}
	}
	diff := strings.Join(step.Diff, "\n")
	require.Contains(t, diff, "+       \"Principal\": {\n+         \"RAM\": [\n+           \""+roleOf(r))
	require.NotContains(t, diff, "- ", "nothing is taken away: %s", diff)
	require.Contains(t, step.Calls, "SetKeyPolicy "+r.KMSKey()+" (not when the policy is as it has to be)")
	require.Equal(t, replication.PhaseWatching, p.Ending)
	require.Contains(t, codes(p.Risks), "key-policy-race")
	p = plan(deniesKey)
	require.NotEqual(t, replication.PhaseWatching, p.Ending)
	require.Equal(t, replication.ReasonKMSKeyDenied, p.Reasons[0].Code)
	require.Equal(t, "kms.keyId", p.Reasons[0].Field)

	r.Destination.Account, r.KMS.KeyID = other, lentARN
	p = plan(unlent)
	require.Equal(t, replication.PhaseWatching, p.Ending, "its owner is waited for")
	require.NotContains(t, codes(p.Risks), "key-policy-race")
}
