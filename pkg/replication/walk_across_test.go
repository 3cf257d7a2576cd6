package replication_test

import (
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// far is the part of a cloud that lies in another account.
type far struct {
	granted bool // the bucket policy lets our role write
	ours    bool // the desk wrote that
	removed bool // somebody took it away, until the calm
	unseen  bool // nobody lets us look there
	denied  bool // somebody denies it
	checked bool // a put without the grant is refused
	key     lentKey
}

// lentKey is the policy of the key that copies come under in another account.
type lentKey struct {
	lent    bool // it lets our role use the key
	ours    bool // the desk wrote that
	removed bool // somebody took it away, until the calm
}

// goAcross has some walks lead to another account, by its role or by its owner, who
// makes the grant at some time and may take it away for a while.
func (c *cloud) goAcross() {
	if !c.odds(0.4) {
		return
	}
	c.checked = c.odds(0.5)
	if c.odds(0.5) {
		withRole(&c.r)
		c.meddleAt(0.1, func(c *cloud) { c.removed, c.granted = c.granted, false })
		c.key.lent = c.odds(0.2)
		c.meddleAt(0.1, func(c *cloud) { c.key.removed, c.key.lent = c.key.lent, false })
	} else {
		abroad(&c.r)
		c.unseen = c.odds(0.5)
		declared := &replication.Declared{Versioning: "disabled"}
		if c.versioned {
			declared.Versioning = "enabled"
		}
		if c.unseen { // then the canary has to move the watermark
			c.r.Declared, c.idle = declared, false
		}
		c.granted, c.key.lent = c.odds(0.3), c.odds(0.5)
		if !c.granted {
			c.meddleAt(1, func(c *cloud) { c.granted, c.key.lent = true, true })
		} else if !c.key.lent {
			c.meddleAt(1, func(c *cloud) { c.key.lent = true })
		}
	}
	c.meddleAt(0.1, func(c *cloud) { c.denied = true })
	c.meddle = append(c.meddle, meddling{c.now.Add(6 * time.Hour), func(c *cloud) { c.denied = false }})
}

// mend makes good at the calm what people owe us.
func (c *cloud) mend() {
	if c.now.Before(c.calm) || !c.r.Across() {
		return
	}
	c.denied = false
	if c.removed || c.r.Destination.Account == otherAccount {
		c.granted, c.removed = true, false
	}
	if c.key.removed || c.r.Destination.Account == otherAccount {
		c.key.lent, c.key.removed = true, false
	}
}

// seeAcross shows the destination in another account.
func (c *cloud) seeAcross(w *world) {
	if !c.r.Across() {
		return
	}
	statements := []string{foreignAllow}
	if c.granted {
		statements = append(statements, replication.GrantFor(c.r).String())
	}
	if c.denied {
		statements = append(statements, denyAll)
	}
	w.BucketPolicy = &replication.BucketPolicySeen{Is: replication.Exists, Document: policyOf(statements...)}
	if !c.key.lent {
		w.KeyPolicy = &replication.KeyPolicySeen{Is: replication.Exists, Document: keyPolicy("acs:ram::"+account+":role/other", `"kms:*"`)}
	}
	if c.unseen {
		blind(nil, w)
	}
}

// changeGrant does what the ledger of the destination does.
func (c *cloud) changeGrant(k replication.EffectKind, o *replication.Outcome) {
	o.Grant = &replication.Granting{}
	switch {
	case c.now.Before(c.calm) && c.odds(0.1):
		o.Grant.Busy, o.Grant.Until = "CHG-9", c.now.Add(time.Minute)
	case k == replication.EffectRevoke:
		o.Grant.Removed = c.granted && c.ours
		c.granted, c.ours, c.removed = c.granted && !c.ours, false, false
	case c.denied:
		o.Grant.Reason, o.Grant.Message = replication.ReasonGrantDenied, "denied"
	default:
		c.granted, c.ours = true, c.ours || !c.granted
		o.Grant.Granted, o.Grant.Made = true, c.ours
	}
}

// changeKeyGrant does what the ledger of the key does.
func (c *cloud) changeKeyGrant(k replication.EffectKind, o *replication.Outcome) {
	o.Grant = &replication.Granting{}
	switch {
	case c.now.Before(c.calm) && c.odds(0.1):
		o.Grant.Busy, o.Grant.Until = "CHG-9", c.now.Add(time.Minute)
	case k == replication.EffectRevokeKey:
		o.Grant.Removed = c.key.lent && c.key.ours
		c.key.lent, c.key.ours, c.key.removed = c.key.lent && !c.key.ours, false, false
	default:
		c.key.ours = c.key.ours || !c.key.lent
		c.key.lent, o.Grant.Granted, o.Grant.Made = true, true, c.key.ours
	}
}
