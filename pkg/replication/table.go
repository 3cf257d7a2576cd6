package replication

import (
	"slices"
	"time"
)

// A View is everything that a decision may know besides the job.
type View struct {
	Now  time.Time // time of the journal's store
	Pace float64   // divides the pauses between looks; 0 means 1. Deadlines are not paced.
	Desk Desk
	Seen Seen
}

// after returns when a pause of d from now ends, at the deployment's pace. It is
// never less than a second: wakes are counted in seconds.
func (v View) after(d time.Duration) time.Time { return v.Now.Add(v.paced(d)) }

func (v View) paced(d time.Duration) time.Duration {
	if v.Pace > 0 {
		d = time.Duration(float64(d) / v.Pace)
	}
	return max(d, time.Second)
}

// growing returns when to look again for something that began at since: after a
// quarter of the time waited so far, but at least and at most so long at the
// deployment's pace, and not past a deadline that lies ahead.
func (v View) growing(since time.Time, least, most time.Duration, deadlines ...time.Time) time.Time {
	pause := min(max(v.Now.Sub(since)/4, v.paced(least)), v.paced(most))
	return v.by(v.Now.Add(pause), deadlines...)
}

// by returns until, or the first deadline that comes sooner and lies ahead.
func (v View) by(until time.Time, deadlines ...time.Time) time.Time {
	for _, d := range deadlines {
		if d.After(v.Now) && d.Before(until) {
			until = d
		}
	}
	if soonest := v.Now.Add(time.Second); until.Before(soonest) {
		return soonest
	}
	return until
}

// A Step is what a decision asks for: exactly one of a look, an effect, a wait or
// another phase. None of them means that the job is at rest.
type Step struct {
	Look   Look      // read this and decide again
	Effect *Effect   // carry this out
	Wait   time.Time // look again then
	Next   Phase     // go on there
}

// A PhaseRow is one row of the table.
type PhaseRow struct {
	Phase   Phase
	Owner   Owner
	Meaning string
	// Decide looks at the job as saved and at what was seen and says what to do.
	// It may change the job it is given, which is a copy: what it changes is saved
	// with the next entry. nil: the phase is at rest.
	Decide func(j *Job, v View) Step
	// Settle takes the outcome of an effect of this phase into the job. nil: the
	// phase has no effects.
	Settle func(j *Job, o Outcome, v View)
	// Deadline is when the phase is given up, from its beginning; 0 for phases at
	// rest and for those that only ever wait for calls of our own, which the
	// budgets of tries end.
	Deadline time.Duration
	// To are the phases that can follow, besides blocked and failed. When all goes
	// well the first of them follows that the job has.
	To []Phase
	// Has reports whether a job for the request has the phase; nil: every job has.
	Has func(Request) bool
}

// Table has a row for each phase, in the order in which a job meets them.
func Table() []PhaseRow { return table }

// Row returns the row of a phase. An unknown phase gets a row at rest: an older
// program leaves a job of a newer one alone.
func Row(p Phase) PhaseRow {
	for _, r := range table {
		if r.Phase == p {
			return r
		}
	}
	return PhaseRow{Phase: p, Meaning: "unknown to this version"}
}

// following returns the phase that follows p when all goes well, or "".
func (j *Job) following(p Phase) Phase {
	for _, to := range Row(p).To {
		if has := Row(to).Has; has == nil || has(j.Request) {
			return to
		}
	}
	return ""
}

// IsPhase reports whether this version knows the phase.
func IsPhase(p Phase) bool {
	return slices.ContainsFunc(table, func(r PhaseRow) bool { return r.Phase == p })
}

var table []PhaseRow

// The table refers to functions that read the table (through Row), so it is
// filled in here rather than where it is declared.
func init() {
	table = []PhaseRow{
		{Phase: PhaseReceived, Owner: OwnerProvision, Meaning: "the ticket is in order and was taken in; nothing was looked at yet",
			Decide: decideReceived, To: []Phase{PhasePreflight, PhaseOrdering}},
		{Phase: PhasePreflight, Owner: OwnerProvision, Meaning: "both buckets, the regions and the existing rules are looked at; then the pair is claimed",
			Decide: decidePreflight, Settle: settlePreflight, Deadline: ClosingLost, To: []Phase{PhaseRole, PhaseReleasing, PhaseRejected, PhaseCompleted, PhaseAdopting}},
		{Phase: PhaseRole, Owner: OwnerProvision, Meaning: "the RAM role that OSS assumes is made",
			Decide: decideRole, Settle: settleRole, To: []Phase{PhasePolicy, PhaseReleasing}},
		{Phase: PhasePolicy, Owner: OwnerProvision, Meaning: "the least-privilege policy of the role is made",
			Decide: decidePolicy, Settle: settlePolicy, To: []Phase{PhaseAttachment, PhaseReleasing}},
		{Phase: PhaseAttachment, Owner: OwnerProvision, Meaning: "the policy is attached to the role",
			Decide: decideAttachment, Settle: settleAttachment, To: []Phase{PhaseKMSGrant, PhaseDestination, PhaseRule, PhaseReleasing}},
		{Phase: PhaseKMSGrant, Owner: OwnerProvision, Meaning: "with KMS: the role is allowed to use keys",
			Has:    func(r Request) bool { return r.KMSKey() != "" },
			Decide: decideKMSGrant, Settle: settleKMSGrant, To: []Phase{PhaseDestination, PhaseRule, PhaseReleasing}},
		{Phase: PhaseDestination, Owner: OwnerProvision, Meaning: "the bucket policy of a destination in another account lets the role write there",
			Has:    Request.Across,
			Decide: decideDestination, Settle: settleDestination, To: []Phase{PhaseKMSKey, PhaseRule, PhaseReleasing}},
		{Phase: PhaseKMSKey, Owner: OwnerProvision, Meaning: "with KMS in another account: the policy of the key lets the role use it",
			Has:    Request.lentKey,
			Decide: decideKMSKey, Settle: settleKMSKey, To: []Phase{PhaseRule, PhaseReleasing}},
		{Phase: PhaseRule, Owner: OwnerProvision, Meaning: "the rule is put, read back and compared element by element",
			Decide: decideRule, Settle: settleRule, Deadline: ClosingLost, To: []Phase{PhaseStarting, PhaseUndoing, PhaseReleasing}},
		{Phase: PhaseAdopting, Owner: OwnerProvision, Meaning: "of an adoption: the rule that others made is looked at once more, compared element by element and recorded",
			Decide: decideAdopting, To: []Phase{PhaseVerifying, PhaseStarting, PhaseReleasing}},
		{Phase: PhaseStarting, Owner: OwnerProvision, Meaning: "OSS starts the rule, within 3 to 5 minutes",
			Decide: decideStarting, Deadline: StartingLost, To: []Phase{PhaseVerifying, PhaseReleasing}},
		{Phase: PhaseVerifying, Owner: OwnerVerify, Meaning: "objects of our own prove that the rule copies what it should and nothing else",
			Decide: decideVerifying, Settle: settleVerifying, Deadline: CanaryLost, To: []Phase{PhaseBridging, PhaseWatching, PhaseUndoing, PhaseReleasing}},
		{Phase: PhaseWatching, Meaning: "proven; the watch has the pair from here on"},
		{Phase: PhaseBlocked, Owner: OwnerProvision, Meaning: "somebody has to do the one thing that the reason names; the job looks again by itself",
			Decide: decideBlocked, Deadline: BlockedLost, To: []Phase{PhasePreflight, PhaseRole, PhasePolicy, PhaseAttachment, PhaseKMSGrant, PhaseDestination, PhaseKMSKey, PhaseRule, PhaseAdopting, PhaseStarting, PhaseVerifying, PhaseUndoing, PhaseReleasing, PhaseClearing, PhaseStopping, PhaseOrdering, PhaseAwaiting, PhaseAdjusting, PhaseRetrying, PhaseBridging}},
		{Phase: PhaseUndoing, Owner: OwnerProvision, Meaning: "a rule that is not the one that was asked for is closed",
			Decide: decideUndoing, Deadline: ClosingLost, To: []Phase{PhaseReleasing}},
		{Phase: PhaseReleasing, Owner: OwnerProvision, Meaning: "no rule stands, which is looked at when it is not certain; the pair is given back",
			Decide: decideReleasing, Settle: settleReleasing, To: []Phase{PhaseUndoing, PhaseRejected, PhaseCompleted}},
		{Phase: PhaseRejected, Meaning: "refused; nothing was made"},
		{Phase: PhaseFailed, Meaning: "ended without success; the reason says why, the message what is left"},
		{Phase: PhaseCancelled, Meaning: "stopped before it had made anything"},
		{Phase: PhaseClearing, Owner: OwnerVerify, Meaning: "on order: the objects of our own that a broken-off proof left at the source are removed",
			Decide: decideClearing, Settle: settleClearing, To: []Phase{PhaseStopping}},
		{Phase: PhaseStopping, Owner: OwnerProvision, Meaning: "on order: the rule is closed, then policy, role and pair are taken back",
			Decide: decideStopping, Settle: settleStopping, Deadline: ClosingLost, To: []Phase{PhaseStopped, PhaseCancelled}},
		{Phase: PhaseStopped, Meaning: "taken back on order; the message says what was left, and the data stays"},
		{Phase: PhaseBridging, Owner: OwnerProvision, Meaning: "of a replacement: copies of what was written between the two rules are looked for; the pair is proven and watched",
			Has:    Request.replaces,
			Decide: decideBridging, Settle: settleBridging, To: []Phase{PhaseWatching}},
		{Phase: PhaseRetrying, Owner: OwnerProvision, Meaning: "on order: what is left of an ended job is looked at; then it begins again",
			Decide: decideRetrying, To: []Phase{PhaseOrdering, PhasePreflight, PhaseRule, PhaseStarting}},
		{Phase: PhaseAdjusting, Owner: OwnerProvision, Meaning: "on order: replication time control of the rule is turned on or off and read back; the pair is watched all the while",
			Decide: decideAdjusting, Settle: settleAdjusting, To: []Phase{PhaseWatching}},
		{Phase: PhaseOrdering, Owner: OwnerProvision, Meaning: "of a ticket about another one: the order is written into the log of its target",
			Decide: decideOrdering, Settle: settleOrdering, To: []Phase{PhaseAwaiting, PhaseRejected, PhaseReleasing}},
		{Phase: PhaseAwaiting, Owner: OwnerProvision, Meaning: "of a ticket about another one: until its target is taken down, or has dealt with the order",
			Decide: decideAwaiting, To: []Phase{PhaseCompleted, PhaseRejected, PhasePreflight, PhaseReleasing}},
		{Phase: PhaseCompleted, Meaning: "what the ticket asked for is done: its target has dealt with the order, or another ticket watches the same pair"},
	}
}
