package replication

import (
	"fmt"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/policy"
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

// maxKeyPolicy is the longest policy of a key, in bytes. [fact 73]
const maxKeyPolicy = 32768

// KeyGrantFor returns the statement that the role of r needs in the policy of the key
// that copies come under. The resources of a key policy are always the key. [fact 73]
func KeyGrantFor(r Request) ResourceGrant {
	return ResourceGrant{Key: keyARN(r.KMSKey(), r.Destination), Principal: roleARN(r), Actions: slices.Clone(keyActions), Resources: []string{"*"}}
}

// principals reads who a statement is about. In the policy of a key that is an object
// whose one member is RAM.
func (s policyStatement) principals(element string, g ResourceGrant) (values []string, ok bool) {
	raw, there := s.members[element]
	if g.Key == "" || !there {
		return s.list(element)
	}
	of, err := membersOf(raw)
	if err != nil || len(of) != 1 || of["RAM"] == nil {
		return nil, false
	}
	return policyStatement{members: of}.list("RAM")
}

// lends reports whether a statement of a key policy allows the role an action for
// certain. Who allows it to a whole account is asked to name the role, as the console
// does; the case of a name does not count. [fact 73]
func (s policyStatement) lends(g ResourceGrant, action string) bool {
	for name := range s.members {
		if name != "Sid" && !slices.Contains(ownMembers, name) {
			return false
		}
	}
	principals, ok1 := s.principals("Principal", g)
	actions, ok2 := s.list("Action")
	named := slices.ContainsFunc(principals, func(p string) bool { return strings.EqualFold(p, g.Principal) })
	return s.allows() && ok1 && ok2 && named && policy.Covers(lower(actions), strings.ToLower(action))
}

// mayDenyKey reports whether a statement of a key policy can be about the role and any
// of the actions of g. The resource is always the key.
func (s policyStatement) mayDenyKey(g ResourceGrant) bool {
	account, _, _ := strings.Cut(g.Principal, ":role/")
	folded := func(read func(string) ([]string, bool)) func(string) ([]string, bool) {
		return func(element string) ([]string, bool) { values, ok := read(element); return lower(values), ok }
	}
	who := folded(func(element string) ([]string, bool) { return s.principals(element, g) })
	named, _ := s.principals("Principal", g)
	whole := slices.Contains(named, account+":root") // whose roles may be meant with it
	return (whole || concerns(who, "Principal", lower([]string{g.Principal}), policy.Touches, policy.Covers)) &&
		concerns(folded(s.list), "Action", lower(g.Actions), policy.Touches, policy.Covers)
}

func lower(list []string) []string {
	if list == nil { // which says more than an empty list does
		return nil
	}
	l := make([]string, len(list))
	for i, s := range list {
		l[i] = strings.ToLower(s)
	}
	return l
}

// unfitKeyPolicy is Unfit for the policy of a key, where a Deny under a condition
// counts too: whether it holds for OSS cannot be known.
func (p ResourcePolicy) unfitKeyPolicy(g ResourceGrant) (Reason, string) {
	for _, conditional := range []bool{false, true} {
		if i, denied := p.denies(g, conditional); denied {
			return ReasonKMSKeyDenied, fmt.Sprintf("statement %d of the key policy denies role %s what it needs, and a Deny outweighs every Allow: %s", i+1, g.Principal, p.shown(i))
		}
	}
	if merged, changed := p.Merge(g); changed && len(merged) > maxKeyPolicy {
		return ReasonKMSKeyFull, fmt.Sprintf("with the statement the key policy has %d bytes, KMS takes %d", len(merged), maxKeyPolicy)
	}
	return "", ""
}

// keyPolicyFault returns what keeps the role from using the key, as far as the policy
// says, or "". odd: the policy cannot be taken apart, so nothing is written into it.
func keyPolicyFault(r Request, seen KeyPolicySeen) (reason Reason, message string, odd bool) {
	if seen.Is == Missing {
		return ReasonKMSKeyNotFound, fmt.Sprintf("account %s has no key %s in %s any more", r.Destination.Account, r.KMSKey(), r.Destination.Region), true
	}
	g := KeyGrantFor(r)
	p, err := ParseResourcePolicy(seen.Document)
	if err != nil {
		return ReasonKMSKeyPolicy, fmt.Sprintf("the policy of key %s cannot be read (%s); ", r.KMSKey(), err) + keySteps(r), true
	}
	if reason, message := p.Unfit(g); reason != "" {
		return reason, fmt.Sprintf("key %s: %s", r.KMSKey(), message), false
	}
	var missing []string
	for _, action := range g.Actions {
		if !p.Allows(g.only(action)) {
			missing = append(missing, action)
		}
	}
	if len(missing) > 0 {
		return ReasonKMSKeyPolicy, fmt.Sprintf("the policy of key %s does not let role %s do %s; ", r.KMSKey(), r.RoleName(), strings.Join(missing, " and ")) + keySteps(r), false
	}
	return "", "", false
}

// only returns the grant with one action.
func (g ResourceGrant) only(action string) ResourceGrant {
	g.Actions = []string{action}
	return g
}

// keySteps says what the owner of the key does: first the way in the console, which
// keeps what stands in the policy.
func keySteps(r Request) string {
	id := r.KMSKey()[strings.LastIndexByte(r.KMSKey(), '/')+1:]
	return fmt.Sprintf("the owner of account %s does this: in the KMS console, region %s, Keys > %s > Key Policy > Configure, add %s as a cross-account user; "+
		"or add this statement to the policy with SetKeyPolicy, which replaces the whole of it, so keep all others: %s; "+
		"the KMS instance of the key needs an access management quantity of at least 2",
		r.Destination.Account, r.Destination.Region, id, roleARN(r), KeyGrantFor(r))
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
	reason, message, _ := keyPolicyFault(j.Request, *s.KeyPolicy)
	return reason, message
}

// lendingPolicy is a key policy with nothing but what the role of the rule needs.
func lendingPolicy(r Request) string {
	return `{"Version":"1","Statement":[` + KeyGrantFor(r).String() + `]}`
}

// lentWith returns the policy of the key with the statement in it.
func lentWith(r Request, seen *KeyPolicySeen) *KeyPolicySeen {
	if seen == nil {
		return nil
	}
	p, err := ParseResourcePolicy(seen.Document)
	if err != nil {
		return seen
	}
	document, _ := p.Merge(KeyGrantFor(r))
	return &KeyPolicySeen{Is: Exists, Document: document}
}
