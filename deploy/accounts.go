package deploy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// DestinationRole is the usual name of the role in the account of a destination.
const DestinationRole = "replidesk-destination"

// Assuming returns the policy of a function's role with the right to assume exactly
// these roles, given by their ARNs. Without any it is the policy itself.
func Assuming(policy []byte, roles ...string) ([]byte, error) {
	if len(roles) == 0 {
		return policy, nil
	}
	var doc struct {
		Version   string
		Statement []any
	}
	if err := json.Unmarshal(policy, &doc); err != nil {
		return nil, fmt.Errorf("the policy of a function: %w", err)
	}
	doc.Statement = append(doc.Statement, struct{ Effect, Action, Resource any }{"Allow", []string{"sts:AssumeRole"}, roles})
	return json.MarshalIndent(doc, "", "  ")
}

// Assumes reports whether a function works in other accounts by way of their roles.
func Assumes(function string) bool { return function == "provision" || function == "verify" }

// DestinationTrust returns the trust policy of the role in the account of a
// destination: exactly these may assume it, given by their ARNs, which are the roles of
// the functions in the desk's account and whoever is to make plans.
func DestinationTrust(trusted ...string) ([]byte, error) {
	type statement struct {
		Effect, Action string
		Principal      map[string][]string
	}
	return json.MarshalIndent(struct {
		Version   string
		Statement []statement
	}{"1", []statement{{"Allow", "sts:AssumeRole", map[string][]string{"RAM": trusted}}}}, "", "  ")
}

// DestinationPolicy returns the policy of that role, for the buckets whose names match
// a pattern: it looks at them and at keys, changes the policies of both, and reads
// objects of our own. It writes no object and deletes none.
func DestinationPolicy(buckets string) ([]byte, error) {
	b, err := policies.ReadFile("policies/destination.json")
	if err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(string(b), "${destination_bucket}", buckets)), nil
}
