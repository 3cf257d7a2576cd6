package world

import (
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// PrincipalKind says what stands behind a key.
type PrincipalKind string

// The kinds of principal.
const (
	KindRoot        PrincipalKind = "Account"         // the account itself: everything in its own account
	KindUser        PrincipalKind = "RAMUser"         // has attached policies
	KindAssumedRole PrincipalKind = "AssumedRoleUser" // a session of a role
	KindService     PrincipalKind = "Service"         // a service of the cloud, such as oss.aliyuncs.com
	KindAnonymous   PrincipalKind = "Anonymous"       // an unsigned request
)

// A Principal is who makes a call.
type Principal struct {
	Kind    PrincipalKind
	Account string // UID; "" for services and anonymous callers
	Name    string // user, role or service name
	ID      string // of the user or role; a session ends when its role is replaced by another of that name
	Session string // role session name
	Policy  []byte // session policy given to AssumeRole; nil means none
}

// ARN returns the principal's name as GetCallerIdentity gives it.
func (p Principal) ARN() string {
	switch p.Kind {
	case KindRoot:
		return "acs:ram::" + p.Account + ":root"
	case KindUser:
		return "acs:ram::" + p.Account + ":user/" + p.Name
	case KindAssumedRole:
		return "acs:ram::" + p.Account + ":assumed-role/" + p.Name + "/" + p.Session
	}
	return p.Name
}

// An AccessKey signs requests. Token is "" for a long-lived key.
type AccessKey struct {
	ID, Secret, Token string
	Principal         Principal
	Expires           time.Time // zero: never
}

// A User is a RAM user.
type User struct {
	Name, ID string

	attached []attachment
}

// A Role is a RAM role. Two names that differ only in case are one role.
type Role struct {
	Name, ID, Description string
	Trust                 []byte // AssumeRolePolicyDocument
	MaxSession            time.Duration
	Created, Updated      time.Time
	Tags                  []Tag

	attached   []attachment
	usableFrom time.Time // propagation: before that OSS and STS do not know the role
	trusts     effective // what OSS and STS honour
}

// A Policy is a custom or system policy. The fields of a copy are for reading.
type Policy struct {
	Name, Description string
	Type              string // "Custom" or "System"
	Versions          []PolicyVersion
	Default           string // version id
	Created, Updated  time.Time
	Tags              []Tag

	nextVersion int
	effective   effective // what OSS and STS honour
}

// A PolicyVersion is one document of a policy.
type PolicyVersion struct {
	ID       string // v1, v2, ...
	Document []byte
	Created  time.Time

	parsed *policy.Document
}

// An attachment joins a policy to a role or user. A detached one stays until its
// effect has ended: grants and their withdrawal both take time to spread. It
// points to the policy, so that one which is deleted meanwhile is honoured as long.
type attachment struct {
	policy         *Policy
	attached       time.Time
	effectiveFrom  time.Time
	effectiveUntil time.Time // zero while attached
}

// effective is a document over time, as the services honour it; in order of time.
type effective []effectiveDocument

type effectiveDocument struct {
	from     time.Time
	document *policy.Document
}

// An Access is one thing that somebody wants to do to one resource.
type Access struct {
	Action   string            // "oss:GetObject"
	Resource string            // "acs:oss:oss-cn-hangzhou:<uid>:bucket/key", without wildcards
	Owner    string            // UID of the account that the resource belongs to
	Context  map[string]string // condition keys and their values, such as acs:SourceIp
	// ResourcePolicy is the policy document on the resource (a bucket policy, or the
	// key policy of an acs:kms: resource); nil means there is none or it does not
	// count.
	ResourcePolicy []byte
}

// A Verdict is what the policies say of an Access.
type Verdict int

// The verdicts. The zero value refuses.
const (
	ImplicitDeny Verdict = iota // no statement allows it
	ExplicitDeny                // a statement denies it
	Allow
)

// Key returns the access key of that id, if it exists and has not expired.
func (w *World) Key(id string) (AccessKey, bool) {
	now := w.enter()
	defer w.mu.Unlock()
	k := w.keys[id]
	if k == nil || !k.Expires.IsZero() && !now.Before(k.Expires) {
		return AccessKey{}, false
	}
	return *k, true
}
