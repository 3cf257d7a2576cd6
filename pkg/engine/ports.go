package engine

import (
	"context"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// What the engine needs from the world, in the words of the domain. Adapters
// implement these and do not know the engine; package wiring joins them.
//
// Every method returns errors of package fault. A read that finds nothing returns
// Existence Missing and no error. A write that was refused because the thing is
// there already returns fault.Exists; one of which nothing is known, because the
// answer was lost, returns fault.Unknown.

// Rules are the replication rules of source buckets, and the buckets themselves.
type Rules interface {
	Bucket(ctx context.Context, e replication.End) (replication.BucketSeen, error)
	// Encryption reads the default encryption of a bucket.
	Encryption(ctx context.Context, e replication.End) (replication.EncryptionSeen, error)
	Locations(ctx context.Context, source replication.End) (replication.LocationsSeen, error)
	Rules(ctx context.Context, source replication.End) (replication.RulesSeen, error)
	Progress(ctx context.Context, source replication.End, ruleID string) (replication.ProgressSeen, error)
	// PutRule returns the rule's id and the request id; the id is "" when the
	// answer did not name it. A role that OSS cannot use is fault.Denied with the
	// service's code NoPermission.
	PutRule(ctx context.Context, r replication.RuleSpec) (ruleID, requestID string, err error)
	// PutRTC turns replication time control of a rule on or off; to do so again changes nothing.
	PutRTC(ctx context.Context, source replication.End, ruleID string, on bool) (requestID string, err error)
	// CloseRule succeeds also when the rule is closing or gone.
	CloseRule(ctx context.Context, source replication.End, ruleID string) error
}

// Objects are the objects of our own.
type Objects interface {
	Head(ctx context.Context, e replication.End, key string) (replication.ObjectSeen, error)
	// Put returns the object as it was stored.
	Put(ctx context.Context, e replication.End, c replication.Canary) (replication.ObjectSeen, error)
	// Delete is a plain delete, without a version id.
	Delete(ctx context.Context, e replication.End, key string) error
	// Purge removes every version and delete marker of exactly these keys and
	// returns the keys of which something is left.
	Purge(ctx context.Context, e replication.End, keys []string) (left []string, err error)
	// Gap compares a page of what was written to source in a gap with the copies at
	// destination; it begins at the cursor of g. No prefix means any key. When g is
	// unlisted, the destination is not looked at and all of it counts as missing.
	Gap(ctx context.Context, source, destination replication.End, prefixes []string, g replication.Gap) (replication.GapSeen, error)
	// Empty reports whether no key begins with any of the prefixes; no prefix means any key.
	Empty(ctx context.Context, e replication.End, prefixes []string) (bool, error)
	// Sample looks at the encryption of a few objects whose keys begin with any of the
	// prefixes. It is bounded in time and number; what it may not read it says.
	Sample(ctx context.Context, e replication.End, prefixes []string) (replication.SampleSeen, error)
}

// Keys are the keys of KMS.
type Keys interface {
	// Key reads a key, by its id or ARN, in the account and region of an end.
	Key(ctx context.Context, e replication.End, key string) (replication.KeySeen, error)
	// KeyPolicy reads the policy of a key, which only one in a KMS instance has.
	KeyPolicy(ctx context.Context, e replication.End, key string) (replication.KeyPolicySeen, error)
}

// Grants are roles and policies of the source account.
type Grants interface {
	Role(ctx context.Context, name string) (replication.RoleSeen, error)
	Policy(ctx context.Context, name string) (replication.PolicySeen, error)
	// Rights reads all that is attached to a role, with the documents that count. A
	// role that does not exist has nothing.
	Rights(ctx context.Context, role string) (replication.RightsSeen, error)
	Attached(ctx context.Context, role, policy string) (replication.AttachmentSeen, error)
	CreateRole(ctx context.Context, name, trust, description string) (requestID string, err error)
	CreatePolicy(ctx context.Context, name, document, description string) (requestID string, err error)
	Attach(ctx context.Context, role string, t replication.PolicyType, policy string) (requestID string, err error)
	// PolicyUse reads the versions of a custom policy and what it is attached to.
	PolicyUse(ctx context.Context, name string) (replication.PolicyUseSeen, error)
	// Detach, DeletePolicy and DeleteRole return fault.NotFound when what they take
	// away is gone, and fault.Conflict when something else still uses it.
	Detach(ctx context.Context, role string, t replication.PolicyType, policy string) (requestID string, err error)
	DeletePolicy(ctx context.Context, name string) (requestID string, err error)
	DeleteRole(ctx context.Context, name string) (requestID string, err error)
}

// Destinations are the bucket policies of destinations in other accounts, and the
// policies of the keys that copies come under there.
type Destinations interface {
	// BucketPolicy reads a policy; Foreign is one that does not let us look.
	BucketPolicy(ctx context.Context, e replication.End) (replication.BucketPolicySeen, error)
	// Grant sees to it that the policy that g is a statement of allows it, and records that job relies on it.
	Grant(ctx context.Context, e replication.End, job string, g replication.ResourceGrant) (replication.Granting, error)
	// Revoke records that job does not rely on g any more, and takes the statement
	// away when nobody else does and it is as this desk made it.
	Revoke(ctx context.Context, e replication.End, job string, g replication.ResourceGrant) (replication.Granting, error)
}

// Pairs are the claims on pairs of buckets.
type Pairs interface {
	// Claim makes job the owner of the pair if nobody is, and returns the owner.
	Claim(ctx context.Context, pair, job string) (owner string, err error)
	// Release gives the pair back; it does nothing when job is not the owner.
	Release(ctx context.Context, pair, job string) error
	// Owner returns the owner of the pair, or "". It writes nothing.
	Owner(ctx context.Context, pair string) (string, error)
}

// Slots are the slots for new rules, where there are caps.
type Slots interface {
	// Take takes a slot for the rule of job, unless a cap allows none now. A job that
	// has one keeps it.
	Take(ctx context.Context, job string, s replication.Slot) (replication.SlotSeen, error)
	// GiveBack gives the slot of job back; it does nothing when there is none.
	GiveBack(ctx context.Context, job string) error
}

// Bus carries hints and results.
type Bus interface {
	// Wake sends a hint that job may be due, to be delivered at or after the given
	// delay. rev is the entry that it was sent for.
	Wake(ctx context.Context, to replication.Owner, job string, rev uint64, delay time.Duration) error
	// Publish sends a result.
	Publish(ctx context.Context, e replication.Event) error
	// Bury puts a message that cannot be worked on into the dead-letter queue, with
	// its reason.
	Bury(ctx context.Context, body []byte, reason replication.Problem) error
}
