package replication_test

import (
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// A cloud is the smallest world in which a job can be walked: one pair of buckets,
// one role, a rule that really copies, and people who meddle. It behaves badly
// until calm.
type cloud struct {
	rng  *rand.Rand
	now  time.Time
	calm time.Time // from here on every call succeeds, every read is fresh, nobody meddles
	r    replication.Request
	versioned,
	hidesRole, namesRule, storesOther, idle, slowStart bool
	bad float64 // how likely a call goes wrong

	far                                    // a destination in another account
	older            older                 // the ticket that this one replaces
	owner            string                // of the pair
	other            replication.OwnerSeen // the owner, when it is another job
	role, policy     bool
	keys             bool      // the system policy for keys is on the role
	enough           bool      // the role was made beforehand, and has all the rights it needs
	attached, broken time.Time // zero: not; broken is until when a person keeps the grants broken
	rule             *ruleOfCloud
	lists            []list // what the list of rules showed, and since when
	rules            int
	disabled         bool // a person took our rule away

	guards guards

	source, target map[string]cell
	pending        []copying
	meddle         []meddling
}

type ruleOfCloud struct {
	shown         replication.RuleSeen
	ours          bool
	doing, closed time.Time // closed: when it has gone; zero: not closing
}

type list struct {
	since time.Time
	rules []replication.RuleSeen
}

// A cell is one key of a bucket.
type cell struct {
	object *replication.ObjectSeen // the newest version; nil: none
	marker bool                    // a delete marker is in front of it
}

// A copying is one change of the source on its way.
type copying struct {
	key      string
	at, due  time.Time
	now      cell
	versions bool // a removal of versions, not a plain delete
	deletes  bool
	tags     []replication.Tag
}

func newCloud(rng *rand.Rand, start time.Time) *cloud {
	c := &cloud{rng: rng, now: start, r: request(), source: map[string]cell{}, target: map[string]cell{}}
	c.calm = start.Add(time.Duration(rng.Int64N(int64(10 * time.Hour))))
	c.r.ReplicateDeletes, c.r.RTC, c.r.Verify.Canary = c.odds(0.5), c.odds(0.2), c.odds(0.85)
	c.versioned, c.hidesRole, c.namesRule, c.idle, c.slowStart = c.odds(0.5), c.odds(0.3), c.odds(0.8), c.odds(0.2), c.odds(0.1)
	c.storesOther = c.odds(0.1)
	if !c.r.ReplicateDeletes && c.odds(0.4) {
		c.r.Objects.Tags = filter([]string{"all", "any"}[rng.IntN(2)], "team=images", "kind=raw")
	}
	c.goAcross()
	if !c.r.RTC && c.odds(0.3) {
		c.r.Destination.Region = c.r.Source.Region
	}
	if c.odds(0.3) {
		c.r.KMS = &replication.KMS{Replicate: ptr(true), KeyID: keyID}
	}
	c.r.Objects.Prefixes = [][]string{nil, {"image/", "video"}, {"."}}[rng.IntN(3)]
	c.chooseRole()
	c.bad = []float64{0, 0.02, 0.1, 0.4}[rng.IntN(4)]
	c.meddleAt(0.1, func(c *cloud) { c.disabled = c.open(); c.closeRule() })
	c.meddleAt(0.3, func(c *cloud) { c.broken = c.now.Add(time.Duration(c.rng.Int64N(int64(c.calm.Sub(c.now)) + 1))) })
	c.meddleAt(0.1, func(c *cloud) {
		if c.rule == nil {
			c.newRule(replication.RuleSeen{SyncRole: "theirs"}, false)
		}
	})
	c.list()
	switch {
	case c.odds(0.06):
		c.ownedByAnother()
	case c.odds(0.15):
		c.toBeAdopted()
	case c.odds(0.25):
		c.toReplace()
	}
	c.guards = newGuards(c)
	return c
}

// toBeAdopted has the ticket adopt the rule of somebody else, if there is one that
// equals what it says.
func (c *cloud) toBeAdopted() {
	c.r.Action, c.r.Role = replication.ActionAdopt, replication.RoleChoice{}
	c.role, c.keys, c.enough, c.attached = false, false, false, time.Time{} // its role is not of this world
	if c.odds(0.1) {
		return
	}
	c.newRule(replication.RuleSeen{SyncRole: []string{"theirs", ""}[c.rng.IntN(2)]}, false)
	if g := &c.rule.shown; g.Action == "ALL" && c.odds(0.5) { // the same in other words
		g.Action = "PUT,DELETE,ABORT"
	}
	switch g := &c.rule.shown; c.rng.IntN(8) {
	case 0:
		g.RTC = map[string]string{"": "enabled", "enabled": ""}[g.RTC]
	case 1: // it has only just been made
	case 2:
		c.closeRule()
	default:
		g.Status, c.rule.doing = replication.RuleDoing, c.now
	}
	c.lists = []list{{c.now.Add(-time.Hour), []replication.RuleSeen{c.rule.shown}}} // it stands for long
}

// ownedByAnother has another ticket own the pair, with the same options or others. It
// may be taken down.
func (c *cloud) ownedByAnother() {
	r := c.r
	r.ID = "CHG-1"
	if c.odds(0.3) {
		r.ReplicateDeletes = !r.ReplicateDeletes
	}
	c.owner = r.ID
	c.other = replication.OwnerSeen{Job: r.ID, Request: &r, Phase: []replication.Phase{replication.PhaseWatching, replication.PhaseRule}[c.rng.IntN(2)]}
	c.other.Watched = c.other.Phase == replication.PhaseWatching
	if c.other.Phase == replication.PhaseWatching {
		c.other.Rule = c.newRule(replication.RuleSeen{SyncRole: "theirs"}, false)
		c.rule.doing = c.now
	}
	if c.odds(0.5) {
		c.other.Leaving = true
		c.meddleAt(1, func(c *cloud) {
			c.closeRule()
			c.owner = ""
		})
	}
}

// chooseRole has the ticket ask for a type of role; one that was made beforehand is
// there, and does what it should or not.
func (c *cloud) chooseRole() {
	switch c.rng.IntN(5) {
	case 0:
		if c.r.Across() { // it is for one account
			return
		}
		c.r.Role = shared().Role
		c.role = c.odds(0.5)
		if c.role && c.odds(0.5) {
			c.attached = c.now.Add(-time.Hour)
		}
		if c.r.KMSKey() != "" {
			c.r.Role.Consent = append(c.r.Role.Consent, replication.ConsentKeys)
			c.keys = c.role && c.odds(0.5)
		}
	case 1:
		c.r.Role = custom(false).Role
		c.role, c.enough = true, c.odds(0.5)
		c.r.Role.AddMissing = !c.enough || c.odds(0.5)
	}
}

// own reports whether the role is one that the job makes for itself.
func (c *cloud) own() bool {
	return c.r.Role.Type == replication.RoleNew || c.r.Action == replication.ActionAdopt
}

func (c *cloud) odds(p float64) bool { return c.rng.Float64() < p }

// wrong reports whether this call goes wrong.
func (c *cloud) wrong() bool { return c.now.Before(c.calm) && c.odds(c.bad) }

// to lets time pass: rules start and go, changes arrive, people meddle.
func (c *cloud) to(t time.Time) {
	c.now = t
	c.mend()
	c.ageOlder()
	for i := 0; i < len(c.meddle); i++ {
		if m := c.meddle[i]; !m.at.After(c.now) {
			c.meddle = append(c.meddle[:i:i], c.meddle[i+1:]...)
			if c.now.Before(c.calm) {
				m.do(c)
			}
			i--
		}
	}
	if g := c.rule; g != nil && !g.closed.IsZero() && !c.now.Before(g.closed) {
		c.rule = nil
		c.list()
	} else if g != nil && g.shown.Status == replication.RuleStarting && !c.now.Before(g.doing) {
		g.shown.Status = replication.RuleDoing
		c.list()
	}
	for len(c.pending) > 0 && !c.now.Before(c.pending[0].due) && c.copies() {
		c.arrive(c.pending[0])
		c.pending = c.pending[1:]
	}
}

func (c *cloud) fit() bool {
	if c.r.Action == replication.ActionAdopt { // others gave it its rights
		return !c.now.Before(c.broken)
	}
	granted := !c.attached.IsZero() && (c.policy || c.r.Role.Type == replication.RoleAliyun) && c.now.Sub(c.attached) > 8*time.Second
	keys := c.r.Role.Type == replication.RoleCustom || c.keys == (c.r.KMSKey() != "") // those of a custom role go with all its rights
	return c.role && (c.enough || granted) && keys && (!c.r.Across() || c.granted) && !c.now.Before(c.broken)
}

func (c *cloud) copies() bool {
	return c.rule != nil && c.rule.shown.Status == replication.RuleDoing && c.fit()
}

// arrive applies one change of the source to the destination, as the rule says that
// stands.
func (c *cloud) arrive(p copying) {
	prefixes, in := c.rule.shown.Prefixes, false
	for _, x := range prefixes {
		in = in || strings.HasPrefix(p.key, x)
	}
	everything := c.rule.shown.Action != "PUT"
	switch {
	case !in && len(prefixes) > 0, c.rule.shown.Tags != nil && len(p.tags) == 0:
	case p.versions && !everything, p.deletes && !c.versioned && !everything:
	default:
		c.target[p.key] = p.now.under(c.r.KMSKey())
	}
}

// list notes what the list of rules shows from now on.
func (c *cloud) list() {
	var rules []replication.RuleSeen
	if c.rule != nil {
		rules = append(rules, c.rule.shown)
	}
	c.lists = append(c.lists, list{c.now, rules})
}

// listed returns what a read shows, which may lie four seconds behind.
func (c *cloud) listed() []replication.RuleSeen {
	at := c.now
	if c.now.Before(c.calm) && c.bad > 0 {
		at = at.Add(-time.Duration(c.rng.Int64N(int64(4 * time.Second))))
	}
	for i := len(c.lists) - 1; i >= 0; i-- {
		if !c.lists[i].since.After(at) {
			return c.lists[i].rules
		}
	}
	return nil
}

func (c *cloud) newRule(g replication.RuleSeen, ours bool) string {
	c.rules++
	want := stands(c.r)
	want.SyncRole = g.SyncRole
	g = want
	g.ID, g.Status = fmt.Sprintf("rule-%d", c.rules), replication.RuleStarting
	start := 3*time.Minute + time.Duration(c.rng.Int64N(int64(2*time.Minute)))
	if c.slowStart {
		start = 20 * time.Minute
	}
	if ours && c.hidesRole {
		g.SyncRole = ""
	}
	if ours && c.storesOther {
		g.SyncRole = c.r.RoleName()
		g.Action = map[string]string{"ALL": "PUT", "PUT": "ALL"}[g.Action]
	}
	c.rule = &ruleOfCloud{shown: g, ours: ours, doing: c.now.Add(start)}
	c.list()
	return g.ID
}

func (c *cloud) closeRule() {
	if c.rule != nil && c.rule.closed.IsZero() {
		c.rule.shown.Status, c.rule.closed = replication.RuleClosing, c.now.Add(100*time.Second)
		c.list()
	}
}

// open reports whether a rule of ours is in force.
func (c *cloud) open() bool { return c.rule != nil && c.rule.ours && c.rule.closed.IsZero() }

func (c *cloud) change(key string, is cell, deletes, versions bool, tags ...replication.Tag) {
	c.source[key] = is
	due := c.now.Add(time.Second + time.Duration(c.rng.Int64N(int64(time.Minute))))
	c.pending = append(c.pending, copying{key: key, at: c.now, due: due, now: is, deletes: deletes, versions: versions, tags: tags})
}

func (c *cloud) watermark() time.Time {
	switch {
	case c.idle && c.r.Verify.Canary || !c.copies():
		return c.rule.doing
	case len(c.pending) > 0:
		return c.pending[0].at
	}
	return c.now.Add(-time.Second)
}

// seen returns the whole world as reads show it.
func (c *cloud) seen(j *job) world {
	w := healthy(c.r)
	if c.versioned {
		w.Source.Versioning, w.Destination.Versioning = "Enabled", "Enabled"
	}
	w.Rules = &replication.RulesSeen{Rules: c.listed()}
	*w.Progress = replication.ProgressSeen{Is: replication.Missing}
	if j.Rule != nil {
		if g, ok := w.Rules.Find(j.Rule.ID, c.r.Destination.Bucket); ok && c.rule != nil {
			*w.Progress = replication.ProgressSeen{Is: replication.Exists, Status: g.Status}
			if g.Status == replication.RuleDoing {
				w.Progress.Watermark = c.watermark()
			}
		}
	}
	switch c.owner {
	case "":
	case c.r.ID:
		w.Owner = &replication.OwnerSeen{Job: c.r.ID}
	default:
		w.Owner = &c.other
	}
	missing := func(is bool) replication.Existence {
		if is {
			return replication.Exists
		}
		return replication.Missing
	}
	w.Role.Is, w.Policy.Is = missing(c.role), missing(c.policy)
	w.Attachment.Others, w.Attachment.System = nil, nil
	if c.keys && !c.now.Before(c.broken) {
		w.Attachment.Others, w.Attachment.System = []string{replication.KMSPolicy}, []string{replication.KMSPolicy}
	}
	w.Attachment.Attached = !c.attached.IsZero() && !c.now.Before(c.broken)
	if !c.own() {
		c.showRights(&w)
	}
	c.seeAcross(&w)
	c.seeOlder(j, &w)
	if v := j.Verification; v != nil && !c.unseen {
		w.Canary, w.Outside, w.Untagged = c.target[v.Key].head(), c.target[v.OutsideKey].head(), c.target[v.UntaggedKey].head()
	}
	return w
}

// showRights shows a role that is not the job's own. What people break of it is its
// trust.
func (c *cloud) showRights(w *world) {
	w.Rights.Policies, w.Attachment = nil, &replication.AttachmentSeen{}
	if c.now.Before(c.broken) {
		w.Role.Trust = `{"Version":"1","Statement":[]}`
	}
	if c.enough {
		w.Rights.Policies = append(w.Rights.Policies, held("own", replication.RolePolicy(c.r)))
	}
	switch {
	case c.r.Role.Type == replication.RoleAliyun:
		if !c.attached.IsZero() {
			w.Attachment.System = append(w.Attachment.System, replication.PolicyOSSFull)
		}
		if c.keys {
			w.Attachment.System = append(w.Attachment.System, replication.KMSPolicy)
		}
	case !c.attached.IsZero():
		w.Rights.Policies = append(w.Rights.Policies, held(c.r.PolicyName(), replication.RolePolicy(c.r)))
	}
}

func (e cell) head() *replication.ObjectSeen {
	if e.object == nil || e.marker {
		return &replication.ObjectSeen{Is: replication.Missing, Hidden: e.marker}
	}
	return e.object
}

// carryOut applies an effect and answers as the service does.
func (c *cloud) carryOut(e replication.Effect) replication.Outcome {
	o := replication.Outcome{Effect: e.Kind, Result: replication.ResultDone}
	made := func(already bool) bool {
		if already {
			o.Result = replication.ResultExists
		}
		return true
	}
	switch e.Kind {
	case replication.EffectOrder:
		o.Target = c.orderDown()
	case replication.EffectClaimPair:
		if c.owner == "" {
			c.owner = c.r.ID
		}
		o.Owner = c.owner
	case replication.EffectReleasePair:
		c.guards.slot = c.guards.slot && !e.GiveBackSlot
		if c.owner == c.r.ID {
			c.owner = ""
		}
	case replication.EffectTakeSlot:
		o.Slot = c.guards.take(*e.Slot)
	case replication.EffectCreateRole:
		c.role = made(c.role)
	case replication.EffectCreatePol:
		c.policy = made(c.policy)
	case replication.EffectAttachSystem:
		if e.Policy == replication.KMSPolicy {
			c.keys = made(c.keys)
		} else if made(!c.attached.IsZero()) && c.attached.IsZero() {
			c.attached = c.now
		}
	case replication.EffectAttach:
		if made(!c.attached.IsZero()) && c.attached.IsZero() {
			c.attached = c.now
		}
	case replication.EffectDetachSystem:
		if !c.own() {
			panic("what others may need is taken off their role")
		}
		c.keys = false
	case replication.EffectDetach:
		c.attached = time.Time{}
	case replication.EffectDeletePol:
		if !c.attached.IsZero() {
			o.Result = replication.ResultUnknown
		}
		c.policy = !c.attached.IsZero() && c.policy
	case replication.EffectDeleteRole:
		if !c.attached.IsZero() || c.keys {
			o.Result = replication.ResultUnknown
		}
		c.role = (!c.attached.IsZero() || c.keys) && c.role
	case replication.EffectGrant, replication.EffectRevoke:
		c.changeGrant(e.Kind, &o)
	case replication.EffectGrantKey, replication.EffectRevokeKey:
		c.changeKeyGrant(e.Kind, &o)
	case replication.EffectPutRule:
		c.putRule(&o)
	case replication.EffectCloseRule:
		c.closeRule()
	case replication.EffectPutRTC:
		if !c.open() || c.rule.shown.ID != e.RuleID {
			o.Result = replication.ResultUnknown
			break
		}
		c.rule.shown.RTC = map[bool]string{true: "enabling"}[e.RTC]
		c.list()
	case replication.EffectPutCanary, replication.EffectOverwrite, replication.EffectPutOutside, replication.EffectPutUntagged:
		sum := crc64.Checksum([]byte(e.Object.Content), crc64.MakeTable(crc64.ECMA))
		o.Object = &replication.ObjectSeen{Is: replication.Exists, Size: int64(len(e.Object.Content)), CRC64: strconv.FormatUint(sum, 10), Meta: e.Object.Meta}
		c.change(e.Object.Key, cell{object: o.Object}, false, false, e.Object.Tags...)
	case replication.EffectDelete:
		is := cell{}
		if c.versioned {
			is = cell{object: c.source[e.Object.Key].object, marker: true}
		}
		c.change(e.Object.Key, is, true, false)
	case replication.EffectCleanUp:
		for _, k := range e.Keys {
			c.change(k, cell{}, true, true)
		}
	}
	return o
}

func (c *cloud) putRule(o *replication.Outcome) {
	switch {
	case c.rule != nil:
		o.Result = replication.ResultExists
	case !c.fit() && (c.checked || !c.r.Across() || c.granted):
		o.Result = replication.ResultRefused
		o.Trouble = &replication.Trouble{Kind: replication.TroubleRoleUnfit, Op: "PutBucketReplication", Code: "NoPermission"}
	default:
		id := c.newRule(replication.RuleSeen{SyncRole: c.r.RoleName()}, true)
		if c.namesRule {
			o.RuleID = id
		}
	}
}
