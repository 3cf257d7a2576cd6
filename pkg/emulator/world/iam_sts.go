package world

import (
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/policy"
)

// An AssumeRole is what the call of that name takes.
type AssumeRole struct {
	RoleArn, Session string
	Duration         time.Duration // 0 means an hour
	Policy           string        // session policy; "" means none
	ExternalID       string        // is refused: no trust policy here can ask for it
	Context          map[string]string
}

// maxSessionPolicy is the longest session policy, in bytes.
const maxSessionPolicy = 2048

// AssumeRole gives temporary keys of a role to a user or to the session of a role.
// The caller needs sts:AssumeRole on the role, and the role's trust policy must
// name the caller or its account; both count as far as they have spread. The
// account itself may not assume roles.
func (w *World) AssumeRole(p Principal, in AssumeRole) (AccessKey, *Error) {
	now := w.enter()
	defer w.mu.Unlock()
	uid, name, ok := splitRoleArn(in.RoleArn)
	if !ok {
		return AccessKey{}, refuse(400, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
	}
	doc, e := in.check()
	if e != nil {
		return AccessKey{}, e
	}
	if p.Kind == KindRoot {
		return AccessKey{}, refuse(403, "NoPermission", "Roles may not be assumed by root accounts.")
	}
	var r *Role
	if acc := w.accounts[uid]; acc != nil {
		r = acc.role(name)
	}
	if r != nil {
		name = r.Name
	}
	ask := Access{Action: "sts:AssumeRole", Resource: "acs:ram:*:" + uid + ":role/" + name, Owner: p.Account, Context: in.Context}
	if v := w.authorize(p, ask, now); v != Allow {
		return AccessKey{}, NoPermission(p, ask.Action, v, stsNotAuthorized)
	}
	if r == nil || now.Before(r.usableFrom) {
		return AccessKey{}, notExist("Role", "The specified Role not exists.")
	}
	if !r.trusts.letsAssume(callerOf(p), in.Context, now) {
		return AccessKey{}, NoPermission(p, ask.Action, ImplicitDeny, stsNotAuthorized)
	}
	d := in.Duration
	if d == 0 {
		d = time.Hour
	}
	if d < 15*time.Minute || d > r.MaxSession {
		return AccessKey{}, refuse(400, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr.")
	}
	return w.newSession(uid, r, in.Session, doc, now.Add(d).Truncate(time.Second)), nil
}

const stsNotAuthorized = "You are not authorized to do this action. You should be authorized by RAM."

// check checks what does not depend on the role.
func (in *AssumeRole) check() (doc []byte, e *Error) {
	if !isSessionName(in.Session) {
		return nil, refuse(400, "InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
	}
	if in.ExternalID != "" {
		return nil, refuse(400, "InvalidParameter.ExternalId", "The parameter ExternalId is not supported here.")
	}
	if in.Policy == "" {
		return nil, nil
	}
	if len(in.Policy) > maxSessionPolicy {
		return nil, refuse(400, "InvalidParameter.PolicySize", "The size of Policy must be smaller than 2048 bytes.")
	}
	if _, err := policy.Parse(policy.Identity, []byte(in.Policy)); err != nil {
		return nil, refuse(400, "InvalidParameter.PolicyGrammar", "The parameter Policy has not passed grammar check.")
	}
	return []byte(in.Policy), nil
}

func isSessionName(s string) bool {
	if len(s) < 2 || len(s) > 64 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".@_-", r):
		default:
			return false
		}
	}
	return true
}

func splitRoleArn(arn string) (uid, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "acs:ram::")
	uid, name, parted := strings.Cut(rest, ":role/")
	return uid, name, ok && parted && uid != "" && checkRoleName(name) == nil
}

// NoPermission is the refusal of the RPC services, with what AccessDeniedDetail
// says in its Fields.
func NoPermission(p Principal, action string, v Verdict, message string) *Error {
	e := refuse(403, "NoPermission", message)
	kind := map[PrincipalKind]string{KindUser: "SubUser", KindAssumedRole: "AssumedRoleUser", KindRoot: "Account"}[p.Kind]
	name := p.ID
	if p.Kind == KindAssumedRole {
		name = p.Name + ":" + p.Session
	}
	denied := "ImplicitDeny"
	if v == ExplicitDeny {
		denied = "ExplicitDeny"
	}
	e.Fields = map[string]string{
		"AuthAction": action, "AuthPrincipalType": kind, "AuthPrincipalDisplayName": name,
		"AuthPrincipalOwnerId": p.Account, "NoPermissionType": denied, "PolicyType": "AccountLevelIdentityBasedPolicy",
	}
	return e
}

// An Identity is what GetCallerIdentity answers.
type Identity struct {
	Type, AccountID, UserID, RoleID, PrincipalID, Arn string
}

// CallerIdentity says who a principal is. It needs no permission.
func (w *World) CallerIdentity(p Principal) Identity {
	id := Identity{Type: string(p.Kind), AccountID: p.Account, Arn: p.ARN()}
	switch p.Kind {
	case KindRoot:
		id.UserID, id.PrincipalID = p.Account, p.Account
	case KindUser:
		id.UserID, id.PrincipalID = p.ID, p.ID
	case KindAssumedRole:
		id.RoleID, id.PrincipalID = p.ID, p.ID+":"+p.Session
	}
	return id
}
