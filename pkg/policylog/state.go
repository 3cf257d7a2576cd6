package policylog

import (
	"slices"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// state is what an entry holds.
type state struct {
	Lease     *lease     `json:"lease,omitempty"` // nil: nobody is changing the policy
	Reliances []reliance `json:"reliances,omitempty"`
	// Before is the policy before the write that this entry precedes; nil: none does.
	Before *string `json:"before,omitempty"`
}

type lease struct {
	Job    string    `json:"job"`
	Worker string    `json:"worker"`
	Until  time.Time `json:"until"`
}

// A reliance says that a job relies on a statement.
type reliance struct {
	// Job is "" for what stood in the statement before this desk added to it: whoever
	// wrote that keeps it.
	Job   string                    `json:"job"`
	Grant replication.ResourceGrant `json:"grant"`
	// Made: a write of the statement was begun, so it is this desk's if it stands.
	Made bool `json:"made,omitempty"`
}

// of reports whether a reliance is on the statement that g stands for.
func (r reliance) of(g replication.ResourceGrant) bool {
	return r.Grant.Principal == g.Principal && slices.Equal(r.Grant.Resources, g.Resources)
}

// begin records that job is about to write g into p. What a statement allows there that
// this desk did not make is kept when all jobs are gone; what is not there any more is
// nobody's.
func (s *state) begin(job string, p replication.ResourcePolicy, g replication.ResourceGrant) {
	stands, there := p.Standing(g)
	switch {
	case !there:
		s.drop("", g)
	case !s.made(g):
		s.put("", stands, false)
	}
	s.put(job, g, true)
}

// rely records that job relies on g, which stands.
func (s *state) rely(job string, g replication.ResourceGrant) { s.put(job, g, s.made(g)) }

func (s *state) put(job string, g replication.ResourceGrant, made bool) {
	i := slices.IndexFunc(s.Reliances, func(r reliance) bool { return r.Job == job && r.of(g) })
	if i < 0 {
		i = len(s.Reliances)
		s.Reliances = append(s.Reliances, reliance{})
	}
	s.Reliances[i] = reliance{Job: job, Grant: g, Made: made}
}

func (s *state) relies(job string, g replication.ResourceGrant) bool {
	return slices.ContainsFunc(s.Reliances, func(r reliance) bool { return r.Job == job && r.of(g) })
}

// made reports whether the statement is this desk's.
func (s *state) made(g replication.ResourceGrant) bool {
	return slices.ContainsFunc(s.Reliances, func(r reliance) bool { return r.of(g) && r.Made })
}

// drop records that job does not rely on g any more. What this desk made stays its
// own as long as a job relies on it.
func (s *state) drop(job string, g replication.ResourceGrant) {
	made := s.made(g)
	s.Reliances = slices.DeleteFunc(s.Reliances, func(r reliance) bool { return r.Job == job && r.of(g) })
	relied := false
	for i, r := range s.Reliances {
		if r.of(g) && r.Job != "" {
			s.Reliances[i].Made, relied = made, true
		}
	}
	if !relied { // what stands now is as if we had never been there
		s.Reliances = slices.DeleteFunc(s.Reliances, func(r reliance) bool { return r.of(g) })
	}
}

// all returns the statement with what stood in it before and what all jobs need that
// rely on it.
func (s *state) all(g replication.ResourceGrant) replication.ResourceGrant {
	return s.union(g, func(reliance) bool { return true })
}

// onlyBefore reports whether nothing but what stood in the statement before this desk
// added to it keeps it when job is gone.
func (s *state) onlyBefore(job string, g replication.ResourceGrant) bool {
	return !slices.ContainsFunc(s.Reliances, func(r reliance) bool { return r.of(g) && r.Job != job && r.Job != "" })
}

// others returns the statement with what the other jobs need and what stood in it before,
// or nil when no other job relies on it and nothing did.
func (s *state) others(job string, g replication.ResourceGrant) *replication.ResourceGrant {
	u := s.union(g, func(r reliance) bool { return r.Job != job })
	if len(u.Actions) == 0 {
		return nil
	}
	return &u
}

func (s *state) union(g replication.ResourceGrant, counts func(reliance) bool) replication.ResourceGrant {
	u := replication.ResourceGrant{Key: g.Key, Principal: g.Principal, Resources: g.Resources}
	for _, r := range s.Reliances {
		if !r.of(g) || !counts(r) {
			continue
		}
		for _, a := range r.Grant.Actions {
			if !slices.Contains(u.Actions, a) {
				u.Actions = append(u.Actions, a)
			}
		}
	}
	return u
}
