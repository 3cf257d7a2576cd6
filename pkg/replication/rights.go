package replication

import (
	"fmt"
	"slices"
	"strings"

	"github.com/replidesk/replidesk/pkg/policy"
)

// A RightsSeen is all that is attached to a role, with the documents that count.
type RightsSeen struct{ Policies []PolicyHeld }

// A PolicyHeld is one policy of a role.
type PolicyHeld struct {
	Name     string
	Type     PolicyType
	Document string
}

// lasting returns the policies that a job may count on: not those that jobs of this
// desk added, which go with them, but for its own, which is "" when it has none.
func (s *RightsSeen) lasting(own string) []policy.Policy {
	return s.of(func(p PolicyHeld) bool { return p.Name == own || !ofAJob(p.Name, policyPrefix) })
}

func (s *RightsSeen) of(counts func(PolicyHeld) bool) []policy.Policy {
	var list []policy.Policy
	for _, p := range s.Policies {
		if p.Type == PolicySystem || counts(p) {
			list = append(list, policy.Policy{Name: p.Name, Document: p.Document})
		}
	}
	return list
}

// holds reports whether a custom policy of that name is on the role.
func (s *RightsSeen) holds(name string) bool {
	return slices.ContainsFunc(s.Policies, func(p PolicyHeld) bool { return p.Name == name && p.Type == PolicyCustom })
}

// rightsFor returns what the role of a rule has to be allowed, as narrow as the rule
// is: on the buckets, and on the objects in its scope. The role's policy decides for
// the buckets of its own account only, and for keys of any. [fact 20] [fact 21] [fact 74]
func rightsFor(r Request) []policy.Right {
	rights := rightsOn(r.Source, r.Objects.Prefixes, replicateReads)
	if !r.Across() {
		rights = append(rights, rightsOn(r.Destination, r.Objects.Prefixes, replicateWrites(r))...)
	}
	return append(rights, keyRights(r)...)
}

// rightsOn returns the actions on a bucket and on its objects below the prefixes.
func rightsOn(e End, prefixes []string, actions []string) []policy.Right {
	bucket := "acs:oss:*:" + e.Account + ":" + e.Bucket
	resources := []string{bucket}
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	for _, p := range prefixes {
		resources = append(resources, bucket+"/"+p+"*")
	}
	var rights []policy.Right
	for _, resource := range resources {
		for _, a := range actions {
			rights = append(rights, policy.Right{Action: a, Resource: resource})
		}
	}
	return rights
}

// wide returns the names of the policies that reach every bucket of an account.
func wide(policies []policy.Policy, account string) []string {
	return allowing(policies, "oss:ReplicatePut", "acs:oss:*:"+account+":*")
}

// allowing returns the names of the policies that allow an action by themselves.
func allowing(policies []policy.Policy, action, resource string) []string {
	var names []string
	for _, p := range policies {
		if policy.Allows(action, resource, p.Document) {
			names = append(names, p.Name)
		}
	}
	return names
}

// denials returns the gaps that no further policy can close.
func denials(gaps []policy.Gap) []policy.Gap {
	var denied []policy.Gap
	for _, g := range gaps {
		if g.Denied != "" {
			denied = append(denied, g)
		}
	}
	return denied
}

// gapText words gaps: each resource once, with the actions that are missing there.
func gapText(gaps []policy.Gap) string {
	type place struct{ by, resource string }
	var places []place
	actions := map[place][]string{}
	for _, g := range gaps {
		at := place{g.Denied, g.Resource}
		if actions[at] == nil {
			places = append(places, at)
		}
		actions[at] = append(actions[at], g.Action)
	}
	slices.SortStableFunc(places, func(a, b place) int { return strings.Compare(a.by, b.by) })
	var said []string
	for _, at := range places {
		what := fmt.Sprintf("%s on %s", strings.Join(actions[at], ", "), at.resource)
		if at.by == "" {
			said = append(said, "it is not surely allowed "+what)
		} else {
			said = append(said, fmt.Sprintf("policy %s may deny %s", at.by, what))
		}
	}
	return strings.Join(said, "; ")
}

// relies reports whether another rule of the source, which names the role too, may
// rest on the policy of this job: what else is on the role does not surely let it read
// the source, or use the keys that our policy lets it use. Of buckets only that is
// judged, since our policy grants nothing on its destination.
func (j *Job) relies(g RuleSeen, s *RightsSeen) bool {
	held := s.of(func(p PolicyHeld) bool { return p.Name != j.Request.PolicyName() })
	rights := rightsOn(j.Request.Source, g.Prefixes, replicateReads)
	return len(policy.Gaps(held, append(rights, sharedKeyRights(j.Request, g)...))) > 0
}
