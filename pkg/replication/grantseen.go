package replication

import "time"

// A BucketPolicySeen is the policy of a bucket as GetBucketPolicy shows it. Missing
// means that the bucket has none, Foreign that it does not let us look.
type BucketPolicySeen struct {
	Is       Existence
	Document string
}

// A Granting is what came of making or taking back the statement of a job in the
// bucket policy of a destination.
type Granting struct {
	// Granted: the policy allows what the rule needs, and the ledger of the bucket says
	// that the job relies on it.
	Granted bool `json:"granted,omitempty"`
	// Made: the statement was written by this desk.
	Made bool `json:"made,omitempty"`
	// Reason and Message say why nothing was written; "" when nothing stood against it.
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Busy is the job that is changing the policy, until the given time at the latest.
	Busy  string    `json:"busy,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Left says why the statement was not taken back; "" when it is gone or was not ours.
	Left string `json:"left,omitempty"`
	// Removed: the statement was taken back.
	Removed bool `json:"removed,omitempty"`
}
