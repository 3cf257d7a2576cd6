package replication

// A Phase is where a job is. The phases and their order are in [Table].
type Phase string

// The phases of a job.
const (
	PhaseReceived    Phase = "received"    // the ticket is in order; nothing was looked at
	PhasePreflight   Phase = "preflight"   // the pair is looked at and claimed
	PhaseRole        Phase = "role"        // the role that OSS assumes is made
	PhasePolicy      Phase = "policy"      // its least-privilege policy is made
	PhaseAttachment  Phase = "attachment"  // the policy is attached to the role
	PhaseKMSGrant    Phase = "kms-grant"   // with KMS: the role is allowed to use keys
	PhaseDestination Phase = "destination" // the bucket policy in the other account lets the role write
	PhaseKMSKey      Phase = "kms-key"     // with KMS in another account: the policy of the key lets the role use it
	PhaseRule        Phase = "rule"        // the rule is put, read back and compared
	PhaseAdopting    Phase = "adopting"    // of an adoption: the rule of others is taken under watch
	PhaseStarting    Phase = "starting"    // OSS starts the rule
	PhaseVerifying   Phase = "verifying"   // the live rule is proven with objects of our own
	PhaseWatching    Phase = "watching"    // proven; the watch has it
	PhaseUndoing     Phase = "undoing"     // a rule that is not the one asked for is closed
	PhaseReleasing   Phase = "releasing"   // the pair is given back before the job ends
	PhaseBlocked     Phase = "blocked"     // somebody has to do one thing; the job looks again by itself
	PhaseRejected    Phase = "rejected"    // refused before anything was made
	PhaseFailed      Phase = "failed"      // ended; the reason says why and what is left
	PhaseCancelled   Phase = "cancelled"   // ended before it made anything
	PhaseClearing    Phase = "clearing"    // on order: objects of our own that a broken-off proof left are removed
	PhaseStopping    Phase = "stopping"    // on order: rule, grants and pair are taken back
	PhaseStopped     Phase = "stopped"     // taken back; the result says what was left
	PhaseOrdering    Phase = "ordering"    // of a stop ticket: the order is written into the log of its target
	PhaseAwaiting    Phase = "awaiting"    // of a stop ticket: the end of its target is waited for
	PhaseBridging    Phase = "bridging"    // of a replacement: copies of what was written between the two rules are looked for
	PhaseRetrying    Phase = "retrying"    // on order: an ended job is taken up again
	PhaseAdjusting   Phase = "adjusting"   // on order: replication time control of a watched pair is turned on or off
	PhaseCompleted   Phase = "completed"   // done: the target of a stop has ended, or another ticket watches the same pair
)

// An Owner is the function that moves a job on.
type Owner string

// The owners. A phase without one is at rest.
const (
	OwnerProvision Owner = "provision"
	OwnerVerify    Owner = "verify"
	OwnerNone      Owner = ""
)
