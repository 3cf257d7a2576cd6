package world

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxLifecycleRules = 1000
	maxLifecycleID    = 255 // bytes
)

func badLifecycle(ec, message string) *Error { return refuseEC(400, "InvalidArgument", ec, message) }

// checkLifecycle refuses rules that cannot be carried out, alone or together, and
// makes up the ids that are missing.
func (w *World) checkLifecycle(rules []LifecycleRule, overlap bool) *Error {
	if len(rules) > maxLifecycleRules {
		return badLifecycle("0014-00000014", "The number of lifecycle rules exceeds 1000.")
	}
	for i := range rules {
		r := &rules[i]
		if r.ID == "" {
			r.ID = w.UUID()
		}
		if e := r.check(); e != nil {
			return e
		}
		for j := range rules[:i] {
			o := &rules[j]
			if o.ID == r.ID {
				return badLifecycle("0014-00000020", "Rule ID must be unique. Found same ID for more than one rule: "+r.ID)
			}
			if e := r.conflicts(o); e != nil && !overlap {
				return e
			}
		}
	}
	return nil
}

func (r *LifecycleRule) check() *Error {
	switch {
	case len(r.ID) > maxLifecycleID:
		return badLifecycle("", "ID length should not exceed allowed limit of 255.")
	case len(r.actions()) == 0:
		return badLifecycle("", "At least one action needs to be specified in a rule.")
	case r.ExpiredDeleteMarkers && r.Expiration != nil:
		return badLifecycle("", "ExpiredObjectDeleteMarker cannot be given with Days or CreatedBeforeDate.")
	}
	for _, t := range []*LifecycleTime{r.Expiration, r.AbortUploads} {
		if t == nil {
			continue
		}
		if e := t.check(); e != nil {
			return e
		}
	}
	for i, t := range r.Transitions {
		if e := r.checkTransition(t, r.Transitions[:i]); e != nil {
			return e
		}
	}
	return nil
}

// check refuses a time that is given twice, not at all, or not at midnight UTC.
func (l LifecycleTime) check() *Error {
	given := 0
	for _, is := range []bool{l.Days != 0, !l.CreatedBefore.IsZero(), !l.Date.IsZero()} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return badLifecycle("0014-00000060", "Exactly one of Days and CreatedBeforeDate has to be specified.")
	case l.Days < 0:
		return badLifecycle("", "Days must be a positive integer.")
	case !l.CreatedBefore.Equal(l.CreatedBefore.Truncate(day)), !l.Date.Equal(l.Date.Truncate(day)):
		return badLifecycle("", "The date must be at midnight UTC.")
	}
	return nil
}

// checkTransition refuses a class that there is none of, and ages that contradict those
// of the other transitions of the rule or its expiration.
func (r *LifecycleRule) checkTransition(t LifecycleTransition, others []LifecycleTransition) *Error {
	if e := t.check(); e != nil {
		return e
	}
	class := slices.Index(coldness, t.StorageClass)
	if class < 1 {
		return badLifecycle("", fmt.Sprintf("The storage class %q is not valid for a transition.", t.StorageClass))
	}
	for _, o := range others {
		its := slices.Index(coldness, o.StorageClass)
		if its == class || its < class && !t.later(o.LifecycleTime) || its > class && !o.later(t.LifecycleTime) {
			return badLifecycle("", "A transition to a colder storage class must come later than that to a warmer one.")
		}
	}
	if r.Expiration != nil && !r.Expiration.later(t.LifecycleTime) {
		return badLifecycle("", "The expiration must come later than the transition.")
	}
	return nil
}

// later reports whether objects reach l after o, as far as that can be compared: it is
// not documented which of two dates has to be the earlier one.
func (l LifecycleTime) later(o LifecycleTime) bool {
	return l.Days == 0 || o.Days == 0 || l.Days > o.Days
}

// actions names what a rule does, in the terms in which rules contradict each other.
func (r *LifecycleRule) actions() (names []string) {
	if r.Expiration != nil || r.ExpiredDeleteMarkers {
		names = append(names, "Expiration")
	}
	if r.NoncurrentDays > 0 {
		names = append(names, "NoncurrentVersionExpiration")
	}
	if r.AbortUploads != nil {
		names = append(names, "AbortMultipartUpload")
	}
	if len(r.Transitions) > 0 {
		names = append(names, "Transition")
	}
	return names
}

// conflicts reports whether two rules for objects with the same tags have the same
// prefix, or do the same to objects that both are for.
func (r *LifecycleRule) conflicts(o *LifecycleRule) *Error {
	if !slices.Equal(r.Tags, o.Tags) {
		return nil
	}
	if r.Prefix == o.Prefix {
		return badLifecycle("0014-00000085", "Found more than one rule with the same prefix.")
	}
	if !strings.HasPrefix(r.Prefix, o.Prefix) && !strings.HasPrefix(o.Prefix, r.Prefix) {
		return nil
	}
	for _, a := range r.actions() {
		if slices.Contains(o.actions(), a) {
			return badLifecycle("0014-00000084", "Overlap for same action type "+a+".")
		}
	}
	return nil
}
