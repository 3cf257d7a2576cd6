package replication

import (
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/policy"
)

// Allows reports whether the document allows all of g for certain: what stands under
// a condition is not counted on, and what one statement leaves out another may have.
func (p ResourcePolicy) Allows(g ResourceGrant) bool {
	for _, action := range g.Actions {
		for _, resource := range g.Resources {
			if !slices.ContainsFunc(p.statements, func(s policyStatement) bool { return s.allowsOne(g, action, resource) }) {
				return false
			}
		}
	}
	return true
}

func (s policyStatement) allowsOne(g ResourceGrant, action, resource string) bool {
	if g.Key != "" {
		return s.lends(g, action)
	}
	if !s.plain() || !s.allows() {
		return false
	}
	principal := g.Principal
	principals, ok1 := s.list("Principal")
	actions, ok2 := s.list("Action")
	resources, ok3 := s.list("Resource")
	return ok1 && ok2 && ok3 && policy.Covers(principals, principal) && policy.Covers(actions, action) && policy.CoversName(resources, resource)
}

// denies returns the first statement that denies any part of g, or may do so, under a
// condition or without one. What has an effect or a form that is not known counts as
// a Deny that may apply.
func (p ResourcePolicy) denies(g ResourceGrant, conditional bool) (int, bool) {
	i := slices.IndexFunc(p.statements, func(s policyStatement) bool {
		_, has := s.members["Condition"]
		return has == conditional && !s.allows() && s.mayDeny(g)
	})
	return i, i >= 0
}

// mayDeny reports whether principal, actions and resources of a statement can meet
// those of g. A bare UID is the account, whose roles may be meant with it.
func (s policyStatement) mayDeny(g ResourceGrant) bool {
	if g.Key != "" {
		return s.mayDenyKey(g)
	}
	account, _, _ := strings.Cut(strings.TrimPrefix(g.Principal, "arn:sts::"), ":")
	principals, ok := s.list("Principal")
	whole := ok && slices.Contains(principals, account)
	return (whole || concerns(s.list, "Principal", []string{g.Principal}, policy.Touches, policy.Covers)) &&
		concerns(s.list, "Action", g.Actions, policy.Touches, policy.Covers) &&
		concerns(s.list, "Resource", g.Resources, policy.TouchesName, policy.CoversName)
}

// concerns reports whether an element of a statement, or its Not form, can be about
// any of the values; list reads the element. A Not form spares only what it covers for certain.
func concerns(list func(element string) ([]string, bool), element string, values []string, touches, covers func([]string, string) bool) bool {
	is, okIs := list(element)
	not, okNot := list("Not" + element)
	return slices.ContainsFunc(values, func(v string) bool {
		switch {
		case !okIs || !okNot, is == nil && not == nil: // of a form that is not known, or for everything
			return true
		case is != nil:
			return touches(is, v)
		}
		return !covers(not, v)
	})
}
