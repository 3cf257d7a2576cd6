package replication_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	other   = "2000000000000002"
	lentARN = "acs:kms:cn-shanghai:" + other + ":key/" + keyID
)

// lent returns the policy of a key that lets the role of a request use it.
func lent(r replication.Request) *replication.KeyPolicySeen {
	return &replication.KeyPolicySeen{Is: replication.Exists, Document: keyPolicy(roleOf(r), `"kms:Decrypt","kms:GenerateDataKey"`)}
}

func roleOf(r replication.Request) string {
	return fmt.Sprintf("acs:ram::%s:role/%s", r.Source.Account, r.RoleName())
}

// keyPolicy is a policy with what KMS puts into it for the owner, and one statement more.
func keyPolicy(principal, actions string) string {
	return keyPolicyWith(`{"Effect":"Allow","Principal":{"RAM":["` + principal + `"]},"Action":[` + actions + `],"Resource":["*"]}`)
}

func keyPolicyWith(statement string) string {
	return `{"Version":"1","Statement":[{"Sid":"owner","Effect":"Allow","Principal":{"RAM":["acs:ram::` + other + `:*"]},"Action":["kms:*"],"Resource":["*"]},` + statement + `]}`
}

// withLentKey asks for copies under a key of another account.
func withLentKey(r *replication.Request) {
	yes := true
	r.Destination.Account = other
	r.KMS = &replication.KMS{Replicate: &yes, KeyID: lentARN}
}

func TestAKeyOfAnotherAccountIsNamedByItsARN(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		key    string
		reason replication.Reason
	}{
		"its ARN":                      {lentARN, ""},
		"its id":                       {keyID, replication.ReasonKMSKeyARN},
		"an alias":                     {"alias/copies", replication.ReasonKMSKeyForm},
		"a key of the source":          {"acs:kms:cn-shanghai:" + account + ":key/" + keyID, replication.ReasonKMSKeyAccount},
		"a key in the source's region": {"acs:kms:cn-hangzhou:" + other + ":key/" + keyID, replication.ReasonKMSKeyRegion},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			r.Destination.Account = other
			r.KMS = &replication.KMS{Replicate: &yes, KeyID: c.key}
			var codes []replication.Reason
			for _, p := range replication.Validate(r, planDesk) {
				if p.Field == "kms.keyId" {
					codes = append(codes, p.Code)
				}
			}
			if c.reason == "" {
				require.Empty(t, codes)
				return
			}
			require.Equal(t, []replication.Reason{c.reason}, codes)
		})
	}
}

func TestTheKeyOfAnotherAccountHasToNameTheRole(t *testing.T) {
	r := request()
	role := roleOf(r)
	document := func(d string) func(*job, *world) {
		return func(_ *job, w *world) { w.KeyPolicy = &replication.KeyPolicySeen{Is: replication.Exists, Document: d} }
	}
	good := decision{ask: withLentKey, step: "next rule"}
	fits := func(d string) decision { c := good; c.given = document(d); return c }
	blocked := func(reason replication.Reason, d string, says ...string) decision {
		return decision{ask: withLentKey, given: document(d), step: "next blocked", reason: reason, says: says, events: []string{"replidesk.request.blocked " + string(reason)}}
	}
	const both = `"kms:Decrypt","kms:GenerateDataKey"`
	missing := replication.ReasonKMSKeyPolicy
	decideAll(t, replication.PhaseKMSKey, map[string]decision{
		"with both actions":            good,
		"in other letters":             fits(keyPolicy("acs:ram::"+account+":role/OSS-replication-"+role[len("acs:ram::"+account+":role/oss-replication-"):], both)),
		"with all actions":             fits(keyPolicy(role, `"kms:*"`)),
		"as a string and not a list":   fits(keyPolicyWith(`{"Effect":"Allow","Principal":{"RAM":"` + role + `"},"Action":"*","Resource":"*"}`)),
		"in two statements":            fits(keyPolicyWith(`{"Effect":"Allow","Principal":{"RAM":["` + role + `"]},"Action":"kms:Decrypt"},{"Effect":"Allow","Principal":{"RAM":["` + role + `"]},"Action":"kms:GenerateDataKey"}`)),
		"without the one to decrypt":   blocked(missing, keyPolicy(role, `"kms:GenerateDataKey"`), "do kms:Decrypt;"),
		"without the one for new data": blocked(missing, keyPolicy(role, `"kms:Decrypt"`), "do kms:GenerateDataKey;"),
		"under a condition":            blocked(missing, keyPolicyWith(`{"Effect":"Allow","Principal":{"RAM":["`+role+`"]},"Action":[`+both+`],"Condition":{"IpAddress":{}}}`), "kms:Decrypt and kms:GenerateDataKey"),
		"and not only its account":     blocked(missing, keyPolicy("acs:ram::"+account+":*", both), "does not let role"),
		"and no other role":            blocked(missing, keyPolicy("acs:ram::"+account+":role/other", both), "does not let role"),
		"and no role of that name elsewhere": blocked(missing, keyPolicy("acs:ram::"+other+":role/"+replication.RoleName(r.ID), both),
			"the owner of account "+other, "region cn-shanghai, Keys > "+keyID+" > Key Policy", "add "+role+" as a cross-account user", "replaces the whole", "quantity of at least 2"),
		"and may not be denied": blocked(replication.ReasonKMSKeyDenied,
			keyPolicyWith(`{"Effect":"Allow","Principal":{"RAM":["`+role+`"]},"Action":["kms:*"]},{"Effect":"Deny","Principal":{"RAM":["*"]},"Action":["kms:Decrypt"],"Condition":{"x":{}}}`), "denies role", "kms:Decrypt"),
		"in a document of a known form": blocked(missing, `[]`, "cannot be read"),
		"or it is tried, when the policy does not let us look": {ask: withLentKey, given: func(_ *job, w *world) { w.KeyPolicy = &replication.KeyPolicySeen{Is: replication.Foreign} }, step: "next rule",
			check: func(t *testing.T, j *job, _ replication.Step) { requireRisks(t, j, "kms-key-policy-unread") }},
	})
}

func TestTheWayToAKeyOfAnotherAccount(t *testing.T) {
	decideAll(t, replication.PhaseDestination, map[string]decision{
		"leads by its policy": {ask: withLentKey, given: func(j *job, _ *world) { j.Made.Grant = noon }, step: "next kms-key"},
	})
	decideAll(t, replication.PhaseKMSGrant, map[string]decision{
		"and not for one of our own": {ask: withKMS, outcome: done(replication.EffectAttachSystem), step: "next rule"},
	})
}

func TestADefaultKeyIsLentToNobody(t *testing.T) {
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"so it is refused": {ask: withLentKey, given: with(bare, func(_ *job, w *world) { w.Key.Instance = "" }), step: "next rejected", reason: replication.ReasonKMSKeyDefault, says: []string{keyID, "no KMS instance"},
			events: []string{"replidesk.request.rejected kms.key-default"}},
		"one in an instance is not":          {ask: withLentKey, given: bare, step: "effect claim-pair"},
		"and within one account any will do": {ask: withKMS, given: bare, step: "effect claim-pair"},
		"one that does not let us look is tried": {ask: withLentKey, given: with(bare, func(_ *job, w *world) { w.Key = &replication.KeySeen{Unread: "Forbidden.NoPermission"} }), step: "effect claim-pair",
			check: func(t *testing.T, j *job, _ replication.Step) { requireRisks(t, j, "kms-key-unread") }},
	})
}

func TestTheCauseOfAStandstillCanBeThePolicyOfTheKey(t *testing.T) {
	late := func(p replication.KeyPolicySeen) func(*job, *world) {
		return func(j *job, w *world) {
			underKMS(func(*replication.ObjectSeen) {})(j, w)
			w.Canary = &replication.ObjectSeen{Is: replication.Missing}
			w.KeyPolicy = &p
		}
	}
	named := func(reason replication.Reason, p replication.KeyPolicySeen) decision {
		return decision{ask: withLentKey, given: late(p), after: 31 * time.Minute, step: "next blocked", reason: reason,
			says: []string{lentARN}, events: []string{"replidesk.request.blocked " + string(reason)}}
	}
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"that was lost":       named(replication.ReasonKMSKeyPolicy, replication.KeyPolicySeen{Is: replication.Exists, Document: keyPolicy("acs:ram::"+account+":role/other", `"kms:*"`)}),
		"that cannot be read": named(replication.ReasonKMSKeyUnread, replication.KeyPolicySeen{Is: replication.Foreign}),
	})
}
