package replication_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// sharedWithKeys is a ticket that shares the role of the account, and copies objects
// under keys with it.
func sharedWithKeys() replication.Request {
	r := shared()
	r.Role.Consent = append(r.Role.Consent, replication.ConsentKeys)
	withKMS(&r)
	return r
}

// customWithKeys is a ticket that copies objects under keys with a role that somebody
// made.
func customWithKeys(add bool) replication.Request {
	r := custom(add)
	withKMS(&r)
	return r
}

func TestTheSharedRoleTakesConsentToKeysWithKMS(t *testing.T) {
	s := schemaOf(t)
	full := examples(t)[1]
	const role, kms = `{ "type": "new" }`, `"replicate": true, "keyId": "3542abdd-5821-4fb5-a425-90adca2c0d61"`
	require.Contains(t, full, role)
	require.Contains(t, full, kms)
	for name, c := range map[string]struct {
		consent, kms string
		good         bool
	}{
		"none of it":          {`["all buckets"]`, kms, false},
		"to keys only":        {`["all KMS keys"]`, kms, false},
		"to both":             {`["all buckets", "all KMS keys"]`, kms, true},
		"none without KMS":    {`["all buckets"]`, `"replicate": false`, true},
		"to both without KMS": {`["all buckets", "all KMS keys"]`, `"replicate": false`, true},
	} {
		t.Run(name, func(t *testing.T) {
			ticket := strings.Replace(strings.Replace(full, role, `{"type": "AliyunOSSRole", "consent": `+c.consent+`}`, 1), kms, c.kms, 1)
			problems := problemsOf(ticket)
			require.Equal(t, c.good, len(problems) == 0, "%v", problems)
			said := s.check(s, decoded(t, ticket))
			require.Equal(t, c.good, said == "", "the schema says %q", said)
			if !c.good {
				require.Equal(t, replication.ReasonRoleConsent, problems[0].Code)
				require.Equal(t, "role.consent", problems[0].Field)
			}
		})
	}
}

// allowing is a policy with one statement that allows.
func allowing(actions, resources string) string {
	return `{"Version":"1","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":[` + resources + `]}]}`
}

const (
	useKeys    = `"kms:Decrypt","kms:GenerateDataKey"`
	theirKeys  = "acs:kms:cn-hangzhou:" + account + ":key/*"
	keyOfCopy  = "acs:kms:cn-shanghai:" + account + ":key/" + keyID
	cryptoUser = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["kms:List*","kms:DescribeKey","kms:Encrypt","kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}]}`
	allOfKMS   = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
)

func TestACustomRoleIsJudgedForItsRightsToKeys(t *testing.T) {
	buckets := held("own", replication.RolePolicy(custom(false)))
	deny := `{"Version":"1","Statement":[{"Effect":"Deny","Action":"kms:GenerateDataKey","Resource":"*"}]}`
	for name, c := range map[string]struct {
		add   bool
		given func(*job, *world)
		want  replication.Reason // "" claims the pair
		says  []string
		found replication.RoleFound
	}{
		"the narrow system policy is enough":               {given: rights(buckets, system("AliyunKMSCryptoUserAccess", cryptoUser)), found: replication.RoleFound{Exists: true}},
		"so is the wide one, which is warned of":           {given: rights(buckets, system("AliyunKMSFullAccess", allOfKMS)), found: replication.RoleFound{Exists: true, WideKeys: []string{"AliyunKMSFullAccess"}}},
		"so are both rights on all keys":                   {given: rights(buckets, held("keys", allowing(useKeys, `"acs:kms:*:*:key/*"`))), found: replication.RoleFound{Exists: true}},
		"so are just the keys of the source and the copy":  {given: rights(buckets, held("reads", allowing(`"kms:Decrypt"`, `"`+theirKeys+`"`)), held("writes", allowing(useKeys, `"`+keyOfCopy+`"`))), found: replication.RoleFound{Exists: true}},
		"no right to any key":                              {given: rights(buckets), want: replication.ReasonRoleRights, says: []string{"kms:Decrypt on " + theirKeys, "kms:Decrypt, kms:GenerateDataKey on " + keyOfCopy, replication.RolePolicy(customWithKeys(false))}},
		"no right to make data keys":                       {given: rights(buckets, held("keys", allowing(`"kms:Decrypt"`, `"*"`))), want: replication.ReasonRoleRights, says: []string{"not surely allowed kms:GenerateDataKey on " + keyOfCopy}},
		"no right to decrypt":                              {given: rights(buckets, held("keys", allowing(`"kms:GenerateDataKey"`, `"*"`))), want: replication.ReasonRoleRights, says: []string{"kms:Decrypt on " + theirKeys}},
		"a right to one key of the source may not do":      {given: rights(buckets, held("keys", allowing(useKeys, `"acs:kms:cn-hangzhou:`+account+`:key/1","`+keyOfCopy+`"`))), want: replication.ReasonRoleRights, says: []string{"kms:Decrypt on " + theirKeys}},
		"a right to another key than that of the copy":     {given: rights(buckets, held("keys", allowing(useKeys, `"`+theirKeys+`"`))), want: replication.ReasonRoleRights, says: []string{keyOfCopy}},
		"it is denied keys, to which nothing can be added": {add: true, given: rights(buckets, system("AliyunKMSFullAccess", allOfKMS), held("never", deny)), want: replication.ReasonRoleDenied, says: []string{"policy never may deny kms:GenerateDataKey"}},
		"it lacks keys, and the ticket adds":               {add: true, given: rights(buckets), found: replication.RoleFound{Exists: true, Adds: true}},
		"it lacks buckets, and the ticket adds":            {add: true, given: rights(system("AliyunKMSCryptoUserAccess", cryptoUser)), found: replication.RoleFound{Exists: true, Adds: true}},
		"it lacks nothing, and the ticket would add":       {add: true, given: rights(buckets, system("AliyunKMSCryptoUserAccess", cryptoUser)), found: replication.RoleFound{Exists: true}},
	} {
		t.Run(name, func(t *testing.T) {
			j, s := decideIn(t, replication.PhasePreflight, customWithKeys(c.add), c.given, nil)
			if c.want == "" {
				require.NotNil(t, s.Effect, j.Message)
				require.Equal(t, replication.EffectClaimPair, s.Effect.Kind)
				require.Equal(t, c.found, *j.Role)
				return
			}
			require.Equal(t, replication.PhaseBlocked, j.Phase)
			require.Equal(t, c.want, j.Reason)
			for _, part := range c.says {
				require.Contains(t, j.Message, part)
			}
			require.Zero(t, j.Made, "nothing was made or claimed")
		})
	}
}

func TestWhatAJobAddsForKeysIsWhatTheRuleNeeds(t *testing.T) {
	mine := replication.RolePolicy(customWithKeys(true))
	require.Equal(t, allowing(`"kms:Decrypt"`, `"`+theirKeys+`"`), part(mine, 2))
	require.Equal(t, allowing(useKeys, `"`+keyOfCopy+`"`), part(mine, 3))
	for _, a := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
		j, _ := decideIn(t, replication.PhasePreflight, customWithKeys(false), rights(held("ours", strings.ReplaceAll(mine, a, "kms:Other"))), nil)
		require.Equal(t, replication.ReasonRoleRights, j.Reason, "without %s", a)
	}
	j, s := decideIn(t, replication.PhasePreflight, customWithKeys(false), rights(held("ours", mine)), nil)
	require.NotNil(t, s.Effect, "it is enough: %s", j.Message)

	far := customWithKeys(true)
	far.Destination.Account, far.KMS.KeyID = "2000000000000002", "acs:kms:cn-shanghai:2000000000000002:key/"+keyID
	require.Contains(t, replication.RolePolicy(far), `"acs:kms:cn-shanghai:2000000000000002:key/`+keyID+`"`, "the role's own policies count for a key of another account too")

	own := request()
	withKMS(&own)
	require.NotContains(t, replication.RolePolicy(own), "kms:", "a new role has the system policy")
	require.NotContains(t, replication.RolePolicy(custom(true)), "kms:", "without KMS nothing of keys is granted")
}

func TestTheSharedRoleMayUseKeysOnceAndForAll(t *testing.T) {
	lacks := func(j *job, w *world) {
		j.Role = &replication.RoleFound{Exists: true, Full: true}
		w.Attachment = &replication.AttachmentSeen{System: []string{replication.PolicyOSSFull}}
	}
	has := func(j *job, w *world) {
		lacks(j, w)
		w.Attachment.System = append(w.Attachment.System, replication.KMSPolicy)
	}
	found := func(j *job, _ *world) { j.Role = &replication.RoleFound{Exists: true, Full: true, Keys: true} }
	came := func(r replication.Result) *replication.Outcome {
		return &replication.Outcome{Effect: replication.EffectAttachSystem, Result: r, At: noon}
	}
	for name, c := range map[string]struct {
		given func(*job, *world)
		came  *replication.Outcome
		asks  bool
		made  bool
	}{
		"it may already":                   {given: found},
		"it may not":                       {given: lacks, asks: true},
		"somebody attached it meanwhile":   {given: has},
		"somebody attached it just before": {given: lacks, came: came(replication.ResultExists)},
		"the job attached it":              {given: lacks, came: came(replication.ResultDone), made: true},
		"nobody knows whether it did":      {given: lacks, came: came(replication.ResultUnknown), asks: true},
		"it is seen after no answer":       {given: has, came: came(replication.ResultUnknown)},
	} {
		t.Run(name, func(t *testing.T) {
			j, s := decideIn(t, replication.PhaseKMSGrant, sharedWithKeys(), func(j *job, w *world) {
				c.given(j, w)
				j.Made.KMSPolicyAsked = c.came != nil
			}, c.came)
			require.Equal(t, c.made, !j.Made.KMSPolicy.IsZero(), "what others did is not the job's")
			if c.asks {
				require.NotNil(t, s.Effect, j.Message)
				require.Equal(t, replication.Effect{Kind: replication.EffectAttachSystem, Role: "AliyunOSSRole", Policy: "AliyunKMSCryptoUserAccess"}, *s.Effect)
				require.True(t, j.Made.KMSPolicyAsked, "it is saved before it is done")
				return
			}
			require.Equal(t, replication.PhaseRule, s.Next, j.Message)
		})
	}
	_, s := decideIn(t, replication.PhaseKMSGrant, customWithKeys(true), func(j *job, _ *world) { j.Role = &replication.RoleFound{Exists: true, Adds: true} }, nil)
	require.Equal(t, replication.PhaseRule, s.Next, "what a custom role lacks is in the policy of the job's own")
}

func TestAPlanSaysWhatTheSharedRoleMayDoWithKeys(t *testing.T) {
	w := healthy(sharedWithKeys())
	w.Rules.Rules = nil
	w.Role.Is, w.Attachment = replication.Missing, &replication.AttachmentSeen{}
	plan := replication.Plan(sharedWithKeys(), desk, replication.Survey{Seen: w}, noon)
	require.True(t, plan.Accepted, "%v", plan.Reasons)
	require.Contains(t, fmt.Sprint(plan.Risks), "role AliyunOSSRole reaches all buckets of account 1000000000000001 (AliyunOSSFullAccess) and all KMS keys of account 1000000000000001 (AliyunKMSCryptoUserAccess): use it with caution")
	require.Contains(t, fmt.Sprint(plan.Final), "role AliyunOSSRole and the policies AliyunOSSFullAccess and AliyunKMSCryptoUserAccess stay, also when the ticket is stopped")
	require.Contains(t, callsOf(plan), "AttachPolicyToRole AliyunKMSCryptoUserAccess to AliyunOSSRole")
}

func TestAStopLeavesWhatOthersUseOfKeys(t *testing.T) {
	t.Run("the policy for keys on the role that all share", func(t *testing.T) {
		r := sharedWithKeys()
		j, w := stoppingOf(r), healthy(r)
		j.Role = &replication.RoleFound{Exists: true}
		j.Made.Role, j.Made.Policy, j.Made.Attachment = time.Time{}, time.Time{}, time.Time{}
		require.Contains(t, fmt.Sprint(replication.Explain(j, noon).Made), "AliyunKMSCryptoUserAccess to AliyunOSSRole")
		d := decide(t, j, w, noon)
		require.Equal(t, "effect release-pair", stepOf(d.step, noon))
		require.Equal(t, []string{"policy AliyunKMSCryptoUserAccess on role AliyunOSSRole, which all of the account share"}, d.job.Stop.Left)
		require.Zero(t, d.job.Made.KMSPolicy)

		j.Made.KMSPolicy, j.Made.KMSPolicyAsked = time.Time{}, true
		d = decide(t, j, w, noon)
		require.Equal(t, "effect release-pair", stepOf(d.step, noon))
		require.Empty(t, d.job.Stop.Left, "what it cannot be shown to have made is not its business")
	})
	own := held(replication.PolicyName("CHG-2041"), replication.RolePolicy(customWithKeys(true)))
	buckets := held("buckets", replication.RolePolicy(custom(true)))
	rule := func(role, kms, key string) func(*replication.RuleSeen) {
		return func(g *replication.RuleSeen) { g.SyncRole, g.KMS, g.KMSKey = role, kms, key }
	}
	reads := held("reads", allowing(`"kms:Decrypt"`, `"`+theirKeys+`"`))
	for name, c := range map[string]struct {
		theirs func(*replication.RuleSeen)
		more   []replication.PolicyHeld
		step   string
	}{
		"a rule without keys does not rest on it":                     {rule("Copier", "", ""), nil, "effect detach-policy"},
		"one with keys may":                                           {rule("Copier", "Enabled", otherKey), nil, "effect release-pair"},
		"not when it may read under keys otherwise":                   {rule("Copier", "Enabled", otherKey), []replication.PolicyHeld{reads}, "effect detach-policy"},
		"but when its copies come under the same key":                 {rule("Copier", "Enabled", keyARN), []replication.PolicyHeld{reads}, "effect release-pair"},
		"not when that is otherwise allowed":                          {rule("Copier", "Enabled", keyARN), []replication.PolicyHeld{system("AliyunKMSCryptoUserAccess", cryptoUser)}, "effect detach-policy"},
		"one that does not show its role may not show its key either": {rule("", "", ""), nil, "effect release-pair"},
		"one with another role does not":                              {rule("Somebody", "Enabled", keyID), nil, "effect detach-policy"},
	} {
		t.Run(name, func(t *testing.T) {
			j, w := stoppingOf(customWithKeys(true)), healthy(customWithKeys(true))
			j.Role = &replication.RoleFound{Exists: true, Adds: true}
			j.Made.Role, j.Made.KMSPolicy = time.Time{}, time.Time{}
			g := stands(request())
			g.ID, g.Destination = "theirs", "other-bucket"
			c.theirs(&g)
			w.Rules.Rules = []replication.RuleSeen{g}
			w.Rights.Policies = append([]replication.PolicyHeld{own, buckets}, c.more...)
			d := decide(t, j, w, noon)
			require.Equal(t, c.step, stepOf(d.step, noon), d.job.Message)
		})
	}
}

func TestTheCauseCanBeTheRightsToKeysOfAnyRole(t *testing.T) {
	buckets := held("own", replication.RolePolicy(custom(false)))
	for name, c := range map[string]struct {
		r     replication.Request
		given func(*job, *world)
		want  replication.Reason
		says  string
	}{
		"the shared role lost its policy for keys": {sharedWithKeys(), func(_ *job, w *world) { w.Attachment.System = []string{replication.PolicyOSSFull} }, replication.ReasonKMSPolicyMissing, "AliyunKMSCryptoUserAccess is not attached to role AliyunOSSRole"},
		"the shared role is gone":                  {sharedWithKeys(), func(_ *job, w *world) { w.Role.Is = replication.Missing }, replication.ReasonRoleMissing, "it had the policies AliyunOSSFullAccess and AliyunKMSCryptoUserAccess"},
		"a custom role lost its rights to keys":    {customWithKeys(false), func(_ *job, w *world) { w.Rights.Policies = []replication.PolicyHeld{buckets} }, replication.ReasonRoleRights, "kms:GenerateDataKey on " + keyOfCopy},
		"its key is disabled":                      {customWithKeys(false), func(_ *job, w *world) { w.Key.State = "Disabled" }, replication.ReasonKMSKeyDisabled, keyID},
		"so is that of the shared role":            {sharedWithKeys(), func(_ *job, w *world) { w.Key.State = "Disabled" }, replication.ReasonKMSKeyDisabled, keyID},
	} {
		t.Run(name, func(t *testing.T) {
			j, w := at(replication.PhaseVerifying, c.r), healthy(c.r)
			j.Role = &replication.RoleFound{Exists: true, Full: true, Keys: true}
			j.Verification = &replication.Verification{Step: replication.StepArrive, Key: "k", Begun: true, Written: noon, First: &replication.ObjectSeen{Is: replication.Exists}}
			w.Attachment.System = []string{replication.PolicyOSSFull, replication.KMSPolicy}
			c.given(j, &w)
			d := decide(t, j, w, noon.Add(time.Hour))
			require.Equal(t, c.want, d.job.Reason, d.job.Message)
			require.Contains(t, d.job.Message, c.says)
		})
	}
}

func TestAFailedJobNamesThePolicyForKeysThatItGaveTheSharedRole(t *testing.T) {
	j := at(replication.PhaseStarting, sharedWithKeys())
	j.Role = &replication.RoleFound{Exists: true, Full: true}
	w := healthy(j.Request)
	w.Progress.Status = replication.RuleStarting
	d := decide(t, j, w, noon.Add(100*24*time.Hour))
	require.Equal(t, replication.PhaseFailed, d.step.Next, d.job.Message)
	require.Contains(t, d.job.Message, "policy AliyunKMSCryptoUserAccess on role AliyunOSSRole")
}
