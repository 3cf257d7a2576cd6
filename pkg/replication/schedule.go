package replication

import "time"

// Deadlines. They are facts of the product, not settings; the pace of a
// deployment does not change them.
const (
	// StartingLate is when a rule that is still starting is reported with causes.
	// OSS starts a rule within 3 to 5 minutes. [fact 8]
	StartingLate = 15 * time.Minute
	// StartingLost is when a rule that never started ends the job.
	StartingLost = 6 * time.Hour
	// CanaryLate is when an object that has not arrived is reported with causes.
	CanaryLate = 30 * time.Minute
	// CanaryLost is when an object that has not arrived ends the job.
	CanaryLost = 6 * time.Hour
	// BlockedLost is when a job that waits for a person ends.
	BlockedLost = 7 * 24 * time.Hour
	// PropagationLimit is how long OSS may refuse a new role before somebody is
	// asked to look at it. Seconds are usual; no figure is published. [fact 23]
	PropagationLimit = 5 * time.Minute
	// UnseenLimit is how long a rule that was accepted may be missing from the
	// list of rules before it is put again.
	UnseenLimit = 2 * time.Minute
	// ClosingLost is when a rule that does not go away ends the wait for it. 90 to
	// 180 seconds were seen; others poll for half an hour. [fact 9]
	ClosingLost = 2 * time.Hour
)

// Looks: how long to wait between them, at pace 1.
const (
	startFirstLook = 3 * time.Minute // no rule starts sooner
	startEvery     = 30 * time.Second
	closingEvery   = 15 * time.Second
	slowest        = 5 * time.Minute // the longest pause before a look for something on its way
	unseenEvery    = 5 * time.Second
	roleEvery      = 5 * time.Second
	blockedEvery   = 5 * time.Minute // at first; an eighth of the time waited later on
	canaryMin      = 5 * time.Second
	settle         = time.Minute // a deletion that must not arrive is given at least this
	noRuleHolds    = time.Minute // how long a look that showed no rule lets one be put
	longestHold    = time.Hour   // of what a throttling service may ask for
	// longestThrottled is the longest pause when a throttling service does not say.
	longestThrottled = time.Minute
)

// Budgets.
const (
	// MaxCrashes is how many intents in a row may stay without an outcome.
	MaxCrashes = 3
	// MaxFailures is how many passing failures in a row a job bears; with the
	// pauses of [retryAfter] they span about four hours.
	MaxFailures = 55
)

// retryAfter is the pause after the nth passing failure in a row: 2 s, 4 s, 8 s,
// ... and then five minutes each.
func retryAfter(n int) time.Duration {
	if n > 8 {
		return 5 * time.Minute
	}
	return time.Duration(1<<max(n, 1)) * time.Second
}
