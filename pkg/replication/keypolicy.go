package replication

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A KeyPolicySeen is the policy of a key of KMS. [fact 73]
type KeyPolicySeen struct {
	Is       Existence // Foreign: it does not let us look
	Document string
}

// keyActions are what the role of a rule needs on a key of another account, in the
// policy of the key besides its own. [fact 73]
var keyActions = []string{"kms:Decrypt", "kms:GenerateDataKey"}

// lentKey reports whether copies come under a key of another account than the role's.
func (r Request) lentKey() bool { return r.Source.Account != r.Destination.Account && r.KMSKey() != "" }

// roleARN names the role of the rule as key policies do.
func roleARN(r Request) string {
	return fmt.Sprintf("acs:ram::%s:role/%s", r.Source.Account, r.RoleName())
}

// keyStatement is what a key policy says, as far as it matters here.
type keyStatement struct {
	Effect    string
	Principal struct{ RAM oneOrMore }
	Action    oneOrMore
	Condition json.RawMessage
}

// oneOrMore is a list of strings that may be written as one.
type oneOrMore []string

// UnmarshalJSON reads a string or a list of strings.
func (l *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// covers reports whether the list has the action, or all of them. The patterns in
// between are left out of account: who grants a right by one is asked to name it.
func (l oneOrMore) covers(action string) bool {
	return slices.ContainsFunc(l, func(a string) bool { return a == "*" || a == "kms:*" || strings.EqualFold(a, action) })
}

// keyPolicyFault returns what keeps the role from using the key, as far as the policy
// says, or "". An Allow under a condition is not counted on, a Deny is. [fact 73]
func keyPolicyFault(r Request, document string) (Reason, string) {
	var p struct{ Statement []keyStatement }
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return ReasonKMSKeyPolicy, fmt.Sprintf("the policy of key %s cannot be read; ", r.KMSKey()) + keySteps(r)
	}
	names := func(s keyStatement, all bool) bool {
		return slices.ContainsFunc(s.Principal.RAM, func(p string) bool {
			return strings.EqualFold(p, roleARN(r)) || all && (p == "*" || strings.HasPrefix(p, "acs:ram::"+r.Source.Account+":*"))
		})
	}
	var missing []string
	for _, action := range keyActions {
		allowed := slices.ContainsFunc(p.Statement, func(s keyStatement) bool {
			return s.Effect == "Allow" && len(s.Condition) == 0 && names(s, false) && s.Action.covers(action)
		})
		denied := slices.ContainsFunc(p.Statement, func(s keyStatement) bool { return s.Effect != "Allow" && names(s, true) && s.Action.covers(action) })
		switch {
		case denied:
			return ReasonKMSKeyDenied, fmt.Sprintf("the policy of key %s denies role %s the action %s", r.KMSKey(), roleARN(r), action)
		case !allowed:
			missing = append(missing, action)
		}
	}
	if len(missing) > 0 {
		return ReasonKMSKeyPolicy, fmt.Sprintf("the policy of key %s does not let role %s do %s; ", r.KMSKey(), r.RoleName(), strings.Join(missing, " and ")) + keySteps(r)
	}
	return "", ""
}

// keySteps says what the owner of the key does: first the way in the console, which
// keeps what stands in the policy.
func keySteps(r Request) string {
	id := r.KMSKey()[strings.LastIndexByte(r.KMSKey(), '/')+1:]
	statement := fmt.Sprintf(`{"Effect":"Allow","Principal":{"RAM":[%q]},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":["*"]}`, roleARN(r))
	return fmt.Sprintf("the owner of account %s does this: in the KMS console, region %s, Keys > %s > Key Policy > Configure, add %s as a cross-account user; "+
		"or add this statement to the policy with SetKeyPolicy, which replaces the whole of it, so keep all others: %s; "+
		"the KMS instance of the key needs an access management quantity of at least 2",
		r.Destination.Account, r.Destination.Region, id, roleARN(r), statement)
}

// decideKMSKey waits until the policy of a key in another account lets the role use
// it. This desk changes no key policy: its owner does.
func decideKMSKey(j *Job, v View) Step {
	if !v.Seen.Has(LookKeyPolicy) {
		return Step{Look: LookKeyPolicy}
	}
	seen := v.Seen.KeyPolicy
	if seen.Is == Foreign { // to look is to try
		j.risk("kms-key-policy-unread", "the policy of key %s could not be read; unless it does so already, %s", j.Request.KMSKey(), keySteps(j.Request))
		return next(j, j.following(PhaseKMSKey), v)
	}
	if reason, message := keyPolicyFault(j.Request, seen.Document); reason != "" {
		return block(j, reason, message, v)
	}
	return next(j, j.following(PhaseKMSKey), v)
}

// keyPolicyCause names the policy of a key in another account as the cause of copies
// that do not arrive, or "".
func keyPolicyCause(j *Job, s Seen) (Reason, string) {
	switch {
	case !j.Request.lentKey() || s.KeyPolicy == nil:
		return "", ""
	case s.KeyPolicy.Is == Foreign:
		return ReasonKMSKeyUnread, fmt.Sprintf("the policy of key %s cannot be read from here; if it does not name the role, ", j.Request.KMSKey()) + keySteps(j.Request)
	}
	return keyPolicyFault(j.Request, s.KeyPolicy.Document)
}

// lendingPolicy is a key policy with nothing but what the role of the rule needs.
func lendingPolicy(r Request) string {
	return document{Version: "1", Statement: []statement{{
		Effect: "Allow", Action: keyActions, Resource: []string{"*"}, Principal: map[string][]string{"RAM": {roleARN(r)}},
	}}}.String()
}
