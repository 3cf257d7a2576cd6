package policy

import "strings"

// A Caller is who makes a request, in the terms that principals are written in.
type Caller struct {
	// Account is the UID; "" for a service and for an anonymous caller.
	Account string
	// Root, User, Role and Service are exclusive. None of them set means anonymous.
	Root    bool
	User    string // user name
	UserID  string // the numeric id of the user
	Role    string // role name, of a session
	Session string // session name
	Service string // "oss.aliyuncs.com"
}

// CallerOf takes a name apart: acs:ram::<uid>:root, acs:ram::<uid>:user/<name>,
// acs:ram::<uid>:role/<name>, acs:ram::<uid>:assumed-role/<role>/<session>,
// arn:sts::<uid>:assumed-role/<role>/<session>, or the name of a service. Anything
// else is an anonymous caller.
func CallerOf(arn string) Caller {
	f := strings.SplitN(arn, ":", resourceFields)
	if len(f) != resourceFields {
		if strings.HasSuffix(arn, ".aliyuncs.com") {
			return Caller{Service: arn}
		}
		return Caller{}
	}
	ram := f[0] == "acs" && f[1] == "ram"
	if f[2] != "" || f[3] == "" || !ram && !(f[0] == "arn" && f[1] == "sts") {
		return Caller{}
	}
	c := Caller{Account: f[3]}
	kind, name, _ := strings.Cut(f[4], "/")
	switch {
	case kind == "assumed-role" && name != "":
		c.Role, c.Session, _ = strings.Cut(name, "/")
	case ram && kind == "root" && name == "":
		c.Root = true
	case ram && kind == "user" && name != "":
		c.User = name
	case ram && kind == "role" && name != "":
		c.Role = name
	default:
		return Caller{}
	}
	return c
}

// PrincipalForm says how a principal is written.
type PrincipalForm int

// The forms of a principal.
const (
	FormEverybody PrincipalForm = iota // "*" in a bucket policy: anonymous callers included
	FormAccount                        // trust: acs:ram::<uid>:root, every identity of that account
	FormUser                           // trust and key: acs:ram::<uid>:user/<name>
	FormRole                           // trust and key: acs:ram::<uid>:role/<name>
	FormService                        // trust: <name>.aliyuncs.com
	FormUID                            // bucket: the account itself, or the RAM user with that id
	FormSession                        // bucket: arn:sts::<uid>:assumed-role/<role>/<session>
	FormRoot                           // key: acs:ram::<uid>:* or :root, the account itself
)

// A Principal is one entry of a Principal or NotPrincipal element.
type Principal struct {
	Form PrincipalForm
	UID  string
	Name string // user, role or service; in a session "<role>/<session>", with wildcards
}

func (p Principal) matches(c Caller) bool {
	switch p.Form {
	case FormEverybody:
		return true
	case FormAccount:
		return c.Account == p.UID
	case FormUser:
		return c.Account == p.UID && c.User != "" && c.User == p.Name
	case FormRole:
		return c.Account == p.UID && c.Role != "" && strings.EqualFold(c.Role, p.Name)
	case FormService:
		return c.Service != "" && c.Service == p.Name
	case FormRoot:
		return c.Account == p.UID && c.Root
	case FormUID:
		return c.Root && c.Account == p.UID || c.UserID != "" && c.UserID == p.UID
	case FormSession:
		// OSS compares with the role's name in lower case, so a principal that was
		// written with capitals matches nobody.
		return c.Role != "" && c.Account == p.UID && Match(p.Name, strings.ToLower(c.Role)+"/"+c.Session)
	}
	return false
}

// parseTrustPrincipal reads one entry of {"RAM": [...]}.
func parseTrustPrincipal(s string) (Principal, bool) {
	f := strings.SplitN(s, ":", resourceFields)
	if len(f) != resourceFields || f[0] != "acs" || f[1] != "ram" || f[2] != "" || !isUID(f[3]) {
		return Principal{}, false
	}
	kind, name, named := strings.Cut(f[4], "/")
	switch {
	case kind == "root" && !named:
		return Principal{Form: FormAccount, UID: f[3]}, true
	case kind == "user" && isPrincipalName(name):
		return Principal{Form: FormUser, UID: f[3], Name: name}, true
	case kind == "role" && isPrincipalName(name):
		return Principal{Form: FormRole, UID: f[3], Name: name}, true
	}
	return Principal{}, false
}

// parseKeyPrincipal reads one entry of {"RAM": [...]} in a key policy. The whole
// account, which every sample has as its first entry, is taken for the account
// itself: users and roles still need a grant of their own, or else every user of
// an account could use every key of it.
func parseKeyPrincipal(s string) (Principal, bool) {
	if uid, whole := strings.CutSuffix(strings.TrimPrefix(s, "acs:ram::"), ":*"); whole {
		return Principal{Form: FormRoot, UID: uid}, strings.HasPrefix(s, "acs:ram::") && isUID(uid)
	}
	p, ok := parseTrustPrincipal(s)
	if p.Form == FormAccount {
		p.Form = FormRoot
	}
	return p, ok
}

// parseBucketPrincipal reads one entry of the list of a bucket policy.
func parseBucketPrincipal(s string) (Principal, bool) {
	if s == "*" {
		return Principal{Form: FormEverybody}, true
	}
	if isUID(s) {
		return Principal{Form: FormUID, UID: s}, true
	}
	f := strings.SplitN(s, ":", resourceFields)
	if len(f) != resourceFields || f[0] != "arn" || f[1] != "sts" || f[2] != "" || !isUID(f[3]) {
		return Principal{}, false
	}
	name, ok := strings.CutPrefix(f[4], "assumed-role/")
	role, session, parted := strings.Cut(name, "/")
	if !ok || !parted || role == "" || session == "" {
		return Principal{}, false
	}
	return Principal{Form: FormSession, UID: f[3], Name: name}, true
}

func isService(s string) bool {
	name, ok := strings.CutSuffix(s, ".aliyuncs.com")
	return ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

func isUID(s string) bool {
	return len(s) >= 5 && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// isPrincipalName accepts the characters of role and user names; a trust policy
// takes no wildcards.
func isPrincipalName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".-_@", r):
		default:
			return false
		}
	}
	return true
}
