package replication

// An Account is another account that a desk may have to do with.
type Account struct {
	UID string
	// Role is the ARN of the role to assume there; "" means that the owner of the
	// account does by hand what has to be done there.
	Role string
}

// Reach is how a desk acts in an account.
type Reach string

// The reaches.
const (
	ReachNone      Reach = ""          // the account is not known: nothing is done there
	ReachOwn       Reach = "own"       // the functions work in it
	ReachRole      Reach = "role"      // a role there is assumed
	ReachHandshake Reach = "handshake" // its owner does what has to be done, on request
)

// Reach returns how the desk acts in the account with this UID.
func (d Desk) Reach(uid string) Reach {
	switch a, ok := d.account(uid); {
	case uid == d.Account && uid != "":
		return ReachOwn
	case !ok:
		return ReachNone
	case a.Role == "":
		return ReachHandshake
	}
	return ReachRole
}

// RoleIn returns the ARN of the role to assume in an account; "" when there is none.
func (d Desk) RoleIn(uid string) string {
	a, _ := d.account(uid)
	return a.Role
}

func (d Desk) account(uid string) (Account, bool) {
	for _, a := range d.Accounts {
		if a.UID == uid {
			return a, true
		}
	}
	return Account{}, false
}
