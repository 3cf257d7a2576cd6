package world

import "time"

// RAMLimits are the quotas of RAM and its rate.
type RAMLimits struct {
	RolesPerAccount       int
	PoliciesPerAccount    int // custom policies
	VersionsPerPolicy     int
	SystemPoliciesPerRole int
	CustomPoliciesPerRole int
	PolicyDocumentBytes   int // of a custom policy; the length of trust policies is not documented
	// CallsPerSecond is how many calls to RAM and STS an account may make within any
	// one second; 0 means as many as it likes.
	CallsPerSecond int
}

// DefaultRAMLimits returns the documented quotas and no limit to the rate.
func DefaultRAMLimits() RAMLimits {
	return RAMLimits{
		RolesPerAccount: 1000, PoliciesPerAccount: 1500, VersionsPerPolicy: 5,
		SystemPoliciesPerRole: 20, CustomPoliciesPerRole: 10, PolicyDocumentBytes: 6144,
	}
}

func (l RAMLimits) orDefault() RAMLimits {
	def := DefaultRAMLimits()
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set(&l.RolesPerAccount, def.RolesPerAccount)
	set(&l.PoliciesPerAccount, def.PoliciesPerAccount)
	set(&l.VersionsPerPolicy, def.VersionsPerPolicy)
	set(&l.SystemPoliciesPerRole, def.SystemPoliciesPerRole)
	set(&l.CustomPoliciesPerRole, def.CustomPoliciesPerRole)
	set(&l.PolicyDocumentBytes, def.PolicyDocumentBytes)
	return l
}

// CountRAMCall counts one call of the account to RAM or STS and reports whether it
// is within the rate. A refused call does not count.
func (w *World) CountRAMCall(uid string) bool {
	now := w.enter()
	defer w.mu.Unlock()
	limit := w.opt.RAM.CallsPerSecond
	if limit == 0 {
		return true
	}
	calls := w.ramCalls[uid]
	for len(calls) > 0 && now.Sub(calls[0]) >= time.Second {
		calls = calls[1:]
	}
	ok := len(calls) < limit
	if ok {
		calls = append(calls, now)
	}
	w.ramCalls[uid] = calls
	return ok
}
