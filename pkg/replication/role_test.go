package replication_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/policy"
	"github.com/replidesk/replidesk/pkg/replication"
)

const consent = `"type": "AliyunOSSRole", "consent": ["all buckets"]`

func TestARoleTypeTakesWhatBelongsToIt(t *testing.T) {
	s := schemaOf(t)
	full := examples(t)[1]
	const old = `{ "type": "new" }`
	require.Contains(t, full, old)
	another := replication.RoleName("CHG-1")
	for name, c := range map[string]struct {
		role string
		want replication.Reason // "" is good
	}{
		"new, with nothing else":                       {`"type": "new"`, ""},
		"new, with everything at its default":          {`"type": "new", "name": "", "consent": [], "addMissing": false`, ""},
		"new by default":                               {``, ""},
		"new with a name":                              {`"type": "new", "name": "copier"`, replication.ReasonInvalid},
		"a name without a type":                        {`"name": "copier"`, replication.ReasonInvalid},
		"new with consent":                             {`"type": "new", "consent": ["all buckets"]`, replication.ReasonInvalid},
		"new with more rights":                         {`"type": "new", "addMissing": true`, replication.ReasonInvalid},
		"AliyunOSSRole":                                {consent, ""},
		"AliyunOSSRole with consent to keys":           {`"type": "AliyunOSSRole", "consent": ["all KMS keys", "all buckets"]`, ""},
		"AliyunOSSRole without consent":                {`"type": "AliyunOSSRole"`, replication.ReasonRoleConsent},
		"AliyunOSSRole with none":                      {`"type": "AliyunOSSRole", "consent": []`, replication.ReasonRoleConsent},
		"AliyunOSSRole with consent to other things":   {`"type": "AliyunOSSRole", "consent": ["all KMS keys"]`, replication.ReasonRoleConsent},
		"AliyunOSSRole with consent in other words":    {`"type": "AliyunOSSRole", "consent": ["all buckets", "yes"]`, replication.ReasonInvalid},
		"AliyunOSSRole with consent given twice":       {`"type": "AliyunOSSRole", "consent": ["all buckets", "all buckets"]`, replication.ReasonInvalid},
		"AliyunOSSRole with consent that is no list":   {`"type": "AliyunOSSRole", "consent": "all buckets"`, replication.ReasonMalformed},
		"AliyunOSSRole with a name":                    {consent + `, "name": "AliyunOSSRole"`, replication.ReasonInvalid},
		"AliyunOSSRole with more rights":               {consent + `, "addMissing": true`, replication.ReasonInvalid},
		"custom":                                       {`"type": "custom", "name": "Team_A.copier-1"`, ""},
		"custom with more rights":                      {`"type": "custom", "name": "copier", "addMissing": true`, ""},
		"custom like one of the console's":             {`"type": "custom", "name": "oss-replication-0d9b6f7e-52ac-4a0e-9a0e-6f3a2b1c0d9e"`, ""},
		"custom without a name":                        {`"type": "custom"`, replication.ReasonRoleName},
		"custom with an empty name":                    {`"type": "custom", "name": ""`, replication.ReasonRoleName},
		"custom with an ARN":                           {`"type": "custom", "name": "acs:ram::1000000000000001:role/copier"`, replication.ReasonRoleName},
		"custom with a name of 65 letters":             {fmt.Sprintf(`"type": "custom", "name": %q`, strings.Repeat("x", 65)), replication.ReasonRoleName},
		"custom to get around the consent":             {`"type": "custom", "name": "aliyunossrole"`, replication.ReasonRoleName},
		"custom with the role of another ticket's job": {fmt.Sprintf(`"type": "custom", "name": %q`, another), replication.ReasonRoleName},
		"custom with consent":                          {`"type": "custom", "name": "copier", "consent": ["all buckets"]`, replication.ReasonInvalid},
		"a type in other letters":                      {`"type": "Custom", "name": "copier"`, replication.ReasonInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			all := decoded(t, strings.Replace(full, old, "{"+c.role+"}", 1))
			delete(all, "kms") // for which the shared role takes more consent
			ticket := encoded(t, all)
			problems := problemsOf(ticket)
			require.Equal(t, c.want == "", len(problems) == 0, "%v", problems)
			require.Equal(t, c.want == "", s.check(s, decoded(t, ticket)) == "", "the schema says %q", s.check(s, decoded(t, ticket)))
			if c.want != "" {
				require.Equal(t, c.want, problems[0].Code, problems[0].Message)
			}
		})
	}
}

func TestTheSharedRoleIsForOneAccount(t *testing.T) {
	r := request()
	r.Role = replication.RoleChoice{Type: replication.RoleAliyun, Consent: []string{replication.ConsentBuckets}}
	require.Empty(t, replication.Validate(r, desk))
	r.Destination.Account = "2000000000000002"
	var codes []replication.Reason
	for _, p := range replication.Validate(r, desk) {
		codes = append(codes, p.Code)
	}
	require.Contains(t, codes, replication.ReasonRoleAcross)
}

func TestTheFingerprintOfATicketWithoutARoleTypeStays(t *testing.T) {
	require.JSONEq(t, `{"type":"new"}`, encoded(t, request().Role), "what other types take is not in it")
}

func TestTheRoleOfTheRuleFollowsFromItsType(t *testing.T) {
	r := request()
	require.Equal(t, replication.RoleName(r.ID), replication.RuleFor(r).SyncRole)
	require.Equal(t, "AliyunOSSRole", replication.RuleFor(shared()).SyncRole)
	require.Equal(t, "Copier", replication.RuleFor(custom(false)).SyncRole)
}

func shared() replication.Request {
	r := request()
	r.Role = replication.RoleChoice{Type: replication.RoleAliyun, Consent: []string{replication.ConsentBuckets}}
	return r
}

func custom(add bool) replication.Request {
	r := request()
	r.Role = replication.RoleChoice{Type: replication.RoleCustom, Name: "Copier", AddMissing: add}
	return r
}

const everything = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`

func held(name, document string) replication.PolicyHeld {
	return replication.PolicyHeld{Name: name, Type: replication.PolicyCustom, Document: document}
}

func system(name, document string) replication.PolicyHeld {
	return replication.PolicyHeld{Name: name, Type: replication.PolicySystem, Document: document}
}

// decideIn decides once in a phase, after an outcome if one came.
func decideIn(t *testing.T, p replication.Phase, r replication.Request, given func(*job, *world), came *replication.Outcome) (*job, replication.Step) {
	t.Helper()
	j, w := at(p, r), healthy(r)
	if r.Role.Type != replication.RoleNew && j.Made.Role.After(noon.Add(-time.Hour)) { // what only jobs with their own role have made
		j.Made.Role, j.Made.Policy, j.Made.Attachment = time.Time{}, time.Time{}, time.Time{}
	}
	given(j, &w)
	if came != nil {
		require.Zero(t, replication.Settle(j, *came, replication.View{Now: noon}))
	}
	d := decide(t, j, w, noon.Add(time.Minute))
	return d.job, d.step
}

// rights puts policies on the role of a world.
func rights(policies ...replication.PolicyHeld) func(*job, *world) {
	return func(_ *job, w *world) {
		w.Rules.Rules, w.Rights = nil, &replication.RightsSeen{Policies: policies}
	}
}

// TestWhatARuleNeedsOfItsRoleIsWhatOurOwnPolicyGives keeps the two from drifting apart.
func TestWhatARuleNeedsOfItsRoleIsWhatOurOwnPolicyGives(t *testing.T) {
	for name, change := range map[string]func(*replication.Request){
		"prefixes":         func(*replication.Request) {},
		"the whole bucket": func(r *replication.Request) { r.Objects.Prefixes = nil },
		"deletes":          func(r *replication.Request) { r.ReplicateDeletes = true },
		"odd characters":   func(r *replication.Request) { r.Objects.Prefixes = []string{"a*b", "图?"} },
	} {
		t.Run(name, func(t *testing.T) {
			r := custom(false)
			change(&r)
			j, s := decideIn(t, replication.PhasePreflight, r, rights(held("ours", replication.RolePolicy(r))), nil)
			require.Equal(t, replication.EffectClaimPair, s.Effect.Kind, j.Message)
			require.Equal(t, &replication.RoleFound{Exists: true}, j.Role)
			less := replication.RolePolicy(r)
			for _, a := range []string{`"oss:ReplicateList"`, `"oss:ReplicateGet"`, `"oss:ReplicatePut"`, `"oss:ReplicateDelete"`} {
				if !strings.Contains(less, a) {
					continue
				}
				j, _ := decideIn(t, replication.PhasePreflight, r, rights(held("ours", strings.ReplaceAll(less, a, `"oss:Other"`))), nil)
				require.Equal(t, replication.ReasonRoleRights, j.Reason, "without %s", a)
				require.Contains(t, j.Message, strings.Trim(a, `"`))
			}
		})
	}
}

func TestACustomRoleIsJudgedBeforeAnythingIsMade(t *testing.T) {
	mine, other := replication.PolicyName("CHG-2041"), replication.PolicyName("CHG-1")
	narrow := replication.RolePolicy(request())
	deny := `{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:ReplicatePut","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":"false"}}}]}`
	for name, c := range map[string]struct {
		add   bool
		given func(*job, *world)
		want  replication.Reason // "" claims the pair
		says  string
		found replication.RoleFound
	}{
		"it does what the rule needs":                        {given: rights(held("own", narrow)), found: replication.RoleFound{Exists: true}},
		"so it does in two policies":                         {given: rights(held("src", part(narrow, 0)), held("dst", part(narrow, 1))), found: replication.RoleFound{Exists: true}},
		"and when something could be added":                  {add: true, given: rights(held("own", narrow)), found: replication.RoleFound{Exists: true}},
		"the system policy is enough, and wide":              {given: rights(system("AliyunOSSFullAccess", everything)), found: replication.RoleFound{Exists: true, Wide: []string{"AliyunOSSFullAccess"}}},
		"so is another policy that is as wide":               {given: rights(held("own", narrow), held("everything", everything)), found: replication.RoleFound{Exists: true, Wide: []string{"everything"}}},
		"it lacks rights, and the ticket adds":               {add: true, given: rights(held("src", part(narrow, 0))), found: replication.RoleFound{Exists: true, Adds: true}},
		"it has none, and the ticket adds":                   {add: true, given: rights(), found: replication.RoleFound{Exists: true, Adds: true}},
		"it lacks rights":                                    {given: rights(held("src", part(narrow, 0))), want: replication.ReasonRoleRights, says: "not surely allowed oss:ReplicateList, oss:ReplicateGet, oss:ReplicatePut on acs:oss:*:1000000000000001:dest-bucket; it is not surely allowed oss:ReplicateList, oss:ReplicateGet, oss:ReplicatePut on acs:oss:*:1000000000000001:dest-bucket/image/*"},
		"the message has the policy to add":                  {given: rights(), want: replication.ReasonRoleRights, says: narrow},
		"what another ticket added does not count":           {given: rights(held(other, narrow)), want: replication.ReasonRoleRights, says: "not surely allowed"},
		"nor does what this one added before":                {given: rights(held(mine, narrow)), want: replication.ReasonRoleRights, says: "not surely allowed"},
		"a policy denies":                                    {given: rights(held("own", narrow), held("never", deny)), want: replication.ReasonRoleDenied, says: "policy never may deny oss:ReplicatePut on acs:oss:*:1000000000000001:dest-bucket"},
		"nothing can be added to a denial":                   {add: true, given: rights(held("never", deny)), want: replication.ReasonRoleDenied, says: "policy never"},
		"a denial by another ticket's policy does not count": {given: rights(held("own", narrow), held(other, deny)), found: replication.RoleFound{Exists: true}},
		"it is not there":                                    {given: func(_ *job, w *world) { rights()(nil, w); w.Role.Is = replication.Missing }, want: replication.ReasonRoleNotFound, says: "there is no role Copier in account 1000000000000001"},
		"it is not there, and is never made":                 {add: true, given: func(_ *job, w *world) { rights()(nil, w); w.Role.Is = replication.Missing }, want: replication.ReasonRoleNotFound, says: narrow},
		"it trusts somebody else":                            {add: true, given: func(_ *job, w *world) { rights(held("own", narrow))(nil, w); w.Role.Trust = `{"Statement":[]}` }, want: replication.ReasonTrustBroken, says: replication.TrustPolicy()},
		"it trusts others too":                               {given: func(_ *job, w *world) { rights(held("own", narrow))(nil, w); w.Role.Trust = trustOthersToo }, found: replication.RoleFound{Exists: true}},
	} {
		t.Run(name, func(t *testing.T) {
			j, s := decideIn(t, replication.PhasePreflight, custom(c.add), c.given, nil)
			if c.want == "" {
				require.NotNil(t, s.Effect, j.Message)
				require.Equal(t, replication.EffectClaimPair, s.Effect.Kind)
				require.Equal(t, c.found, *j.Role)
				return
			}
			require.Equal(t, replication.PhaseBlocked, j.Phase)
			require.Equal(t, replication.PhasePreflight, j.Block.Resume, "the job looks again")
			require.Equal(t, c.want, j.Reason)
			require.Contains(t, j.Message, c.says)
			require.NotEmpty(t, j.Reason.Remedy())
			require.Zero(t, j.Made, "nothing was made or claimed")
			who := replication.Explain(j, noon).Who
			require.Contains(t, who, "RAM in the source account")
		})
	}
}

const trustOthersToo = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole"],"Principal":{"Service":["fc.aliyuncs.com","oss.aliyuncs.com"]}}]}`

// part returns a policy with one statement of another.
func part(document string, n int) string {
	const begin = `{"Version":"1","Statement":[`
	statements := strings.Split(strings.TrimSuffix(strings.TrimPrefix(document, begin), "]}"), "},{")
	return begin + "{" + strings.Trim(statements[n], "{}") + "}]}"
}

func TestPartsOfAPolicyAreWhatTheyAreTakenFor(t *testing.T) {
	narrow := replication.RolePolicy(request())
	require.True(t, policy.Allows("oss:ReplicateGet", "acs:oss:*:1:src-bucket", part(narrow, 0)))
	require.False(t, policy.Allows("oss:ReplicatePut", "acs:oss:*:1:dest-bucket", part(narrow, 0)))
	require.True(t, policy.Allows("oss:ReplicatePut", "acs:oss:*:1:dest-bucket", part(narrow, 1)))
}

func TestACustomRoleIsNeverMadeAndOnlyAsMuchIsAddedAsTheTicketSays(t *testing.T) {
	for name, c := range map[string]struct {
		adds bool
		want []string
	}{
		"it is enough":       {false, []string{"claim-pair", "put-rule"}},
		"something is added": {true, []string{"claim-pair", "create-policy Copier", "attach-policy Copier", "put-rule"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := custom(true)
			w := healthy(r)
			w.Rules.Rules = nil
			w.Rights = &replication.RightsSeen{}
			if !c.adds {
				w.Rights.Policies = []replication.PolicyHeld{held("own", replication.RolePolicy(r))}
			}
			plan := replication.Plan(r, desk, replication.Survey{Seen: w}, noon)
			require.True(t, plan.Accepted, "%v", plan.Reasons)
			var done []string
			for _, s := range plan.Steps {
				if s.Effect == nil || s.Effect.Object != nil || s.Effect.Keys != nil {
					continue
				}
				what := string(s.Effect.Kind)
				switch s.Effect.Kind {
				case replication.EffectCreatePol:
					require.Equal(t, replication.PolicyName(r.ID), s.Effect.Policy)
					require.Equal(t, replication.RolePolicy(r), s.Effect.Document, "no more than the rule needs")
					what += " Copier"
				case replication.EffectAttach:
					require.Equal(t, "Copier", s.Effect.Role)
					what += " Copier"
				}
				done = append(done, what)
			}
			require.Equal(t, c.want, done)
		})
	}
}

func TestAPlanSaysWhatARoleOfAnotherTypeMeans(t *testing.T) {
	has := func(notes []replication.PlanNote, code, says string) {
		t.Helper()
		for _, n := range notes {
			if n.Code == code {
				require.Contains(t, n.Message, says)
				return
			}
		}
		t.Fatalf("no note %s in %v", code, notes)
	}
	w := healthy(shared())
	w.Rules.Rules = nil
	w.Role.Is, w.Attachment = replication.Missing, &replication.AttachmentSeen{}
	plan := replication.Plan(shared(), desk, replication.Survey{Seen: w}, noon)
	require.True(t, plan.Accepted, "%v", plan.Reasons)
	has(plan.Risks, "role-reaches-too-far", "role AliyunOSSRole reaches all buckets of account 1000000000000001 (AliyunOSSFullAccess): use it with caution")
	has(plan.Final, "shared-role-stays", "also when the ticket is stopped")
	require.Contains(t, callsOf(plan), "CreateRole AliyunOSSRole")
	require.Contains(t, callsOf(plan), "AttachPolicyToRole AliyunOSSFullAccess to AliyunOSSRole")

	w = healthy(custom(true))
	w.Rules.Rules, w.Rights = nil, &replication.RightsSeen{}
	plan = replication.Plan(custom(true), desk, replication.Survey{Seen: w}, noon)
	has(plan.Final, "policy-stays", "stays on role Copier")
	plan = replication.Plan(custom(false), desk, replication.Survey{Seen: w}, noon)
	require.False(t, plan.Accepted)
	require.Equal(t, replication.PhaseBlocked, plan.Ending)
	require.Equal(t, replication.ReasonRoleRights, plan.Reasons[0].Code)
	require.Equal(t, "role", plan.Reasons[0].Field)
	require.Contains(t, callsOf(plan), "GetPolicy of each policy of Copier")
}

func callsOf(p replication.PlanResult) []string {
	var calls []string
	for _, s := range p.Steps {
		calls = append(calls, s.Calls...)
	}
	return calls
}

func TestTheSharedRoleIsMadeByWhoeverComesFirst(t *testing.T) {
	none := func(j *job, w *world) {
		j.Role = &replication.RoleFound{}
		w.Role.Is, w.Attachment = replication.Missing, &replication.AttachmentSeen{}
	}
	exists := func(j *job, w *world) { none(j, w); w.Role.Is = replication.Exists }
	has := func(j *job, w *world) { exists(j, w); w.Attachment.System = []string{replication.PolicyOSSFull} }
	both := func(j *job, _ *world) { j.Role = &replication.RoleFound{Exists: true, Full: true} }
	existed := replication.Outcome{Effect: replication.EffectAttachSystem, Result: replication.ResultExists, At: noon}
	for name, c := range map[string]struct {
		phase  replication.Phase
		given  func(*job, *world)
		came   *replication.Outcome
		effect replication.EffectKind
		next   replication.Phase
		reason replication.Reason
	}{
		"it is there already":              {phase: replication.PhaseRole, given: both, next: replication.PhasePolicy},
		"it is not there":                  {phase: replication.PhaseRole, given: none, effect: replication.EffectCreateRole},
		"somebody made it meanwhile":       {phase: replication.PhaseRole, given: exists, next: replication.PhasePolicy},
		"one that trusts others was made":  {phase: replication.PhaseRole, given: func(j *job, w *world) { exists(j, w); w.Role.Trust = `{}` }, next: replication.PhaseBlocked, reason: replication.ReasonTrustBroken},
		"it needs no policy of our own":    {phase: replication.PhasePolicy, given: both, next: replication.PhaseAttachment},
		"it has its policy":                {phase: replication.PhaseAttachment, given: both, next: replication.PhaseRule},
		"it has no policy":                 {phase: replication.PhaseAttachment, given: exists, effect: replication.EffectAttachSystem},
		"somebody attached it":             {phase: replication.PhaseAttachment, given: has, next: replication.PhaseRule},
		"somebody attached it just before": {phase: replication.PhaseAttachment, given: exists, came: &existed, next: replication.PhaseRule},
	} {
		t.Run(name, func(t *testing.T) {
			j, s := decideIn(t, c.phase, shared(), c.given, c.came)
			if c.effect != "" {
				require.NotNil(t, s.Effect, j.Message)
				require.Equal(t, c.effect, s.Effect.Kind)
				require.Equal(t, "AliyunOSSRole", s.Effect.Role)
				require.Contains(t, []string{"", replication.PolicyOSSFull}, s.Effect.Policy)
				return
			}
			require.Equal(t, c.next, s.Next, j.Message)
			if c.reason != "" {
				require.Equal(t, c.reason, j.Reason)
			}
			require.Zero(t, j.Made.Attachment, "what others did is not the job's")
		})
	}
}

func TestARuleThatNamesARoleOfOthersIsNotTakenForOurs(t *testing.T) {
	unknown := func(change func(*replication.RuleSeen)) func(*job, *world) {
		return func(j *job, w *world) {
			j.Rule = &replication.Rule{Unsettled: true}
			j.Role = &replication.RoleFound{Exists: true}
			change(&w.Rules.Rules[0])
		}
	}
	other := func(g *replication.RuleSeen) { g.Action = "ALL" }
	for name, c := range map[string]struct {
		r      replication.Request
		change func(*replication.RuleSeen)
		next   replication.Phase
		says   string
	}{
		"an equal one is ours":                    {custom(false), func(*replication.RuleSeen) {}, replication.PhaseStarting, ""},
		"one of our own role is ours, and undone": {request(), other, replication.PhaseUndoing, "is not the one that was asked for"},
		"another of the custom role is left":      {custom(false), other, replication.PhaseReleasing, "names role Copier, which is not this job's alone"},
		"another of the shared role is left":      {shared(), other, replication.PhaseReleasing, "names role AliyunOSSRole, which is not this job's alone"},
	} {
		t.Run(name, func(t *testing.T) {
			j, s := decideIn(t, replication.PhaseRule, c.r, unknown(c.change), nil)
			require.Equal(t, c.next, s.Next, j.Message)
			if c.says != "" {
				require.Contains(t, j.Ending.Message, c.says)
			}
		})
	}
}
