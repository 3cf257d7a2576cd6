package replication

import (
	"fmt"

	"github.com/replidesk/replidesk/pkg/policy"
)

// sourceKeys are all keys that objects at the source can be under: nobody knows which
// ones they will be.
func sourceKeys(r Request) string {
	return fmt.Sprintf("acs:kms:%s:%s:key/*", r.Source.Region, r.Source.Account)
}

// keyStatements are what the role of a rule has to be allowed with keys by its own
// policies: to read objects under the keys of the source's owner, and to write copies
// under the key of the ticket. Across accounts the policy of that key has to allow it
// as well. There is none without KMS. [fact 78]
func keyStatements(r Request) []statement {
	key := r.KMSKey()
	if key == "" {
		return nil
	}
	return []statement{
		{Effect: "Allow", Action: []string{"kms:Decrypt"}, Resource: []string{sourceKeys(r)}},
		{Effect: "Allow", Action: keyActions, Resource: []string{keyARN(key, r.Destination)}},
	}
}

// keyRights are the rights that the statements give.
func keyRights(r Request) []policy.Right {
	key := r.KMSKey()
	if key == "" {
		return nil
	}
	rights := []policy.Right{{Action: "kms:Decrypt", Resource: sourceKeys(r)}}
	for _, a := range keyActions {
		rights = append(rights, policy.Right{Action: a, Resource: keyARN(key, r.Destination)})
	}
	return rights
}

// sharedKeyRights are those of the rights to keys of r that another rule of its source
// needs too. A rule that does not show its role may not show its key either. [fact 62]
func sharedKeyRights(r Request, g RuleSeen) []policy.Right {
	rights := keyRights(r)
	switch {
	case len(rights) == 0, g.SyncRole == "":
		return rights
	case g.KMSKey == "":
		return nil
	case !sameKey(g.KMSKey, r.KMSKey(), r.Destination):
		return rights[:1]
	}
	return rights
}

// wideKeys returns the names of the policies that reach every key of an account and do
// more than use it, when the rule has to do with keys.
func wideKeys(policies []policy.Policy, r Request) []string {
	if r.KMSKey() == "" {
		return nil
	}
	return allowing(policies, "kms:ScheduleKeyDeletion", "acs:kms:*:"+r.Source.Account+":key/*")
}

// sharedPolicies names what the role has that all of an account can share. [fact 63]
func (r Request) sharedPolicies() string {
	if r.KMSKey() != "" {
		return "the policies " + PolicyOSSFull + " and " + KMSPolicy
	}
	return "the policy " + PolicyOSSFull
}
