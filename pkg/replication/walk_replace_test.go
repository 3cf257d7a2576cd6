package replication_test

import (
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

// older is the ticket that the one of a walk replaces, with its rule.
type older struct {
	is        bool
	begun     time.Time
	rule      string
	ordered   time.Time // when it got the order to be taken down
	down      time.Time // when it is at rest after that
	fails     bool      // it cannot be taken down
	lost      bool      // something was written between the two rules; people write it again when all is calm
	unhistory time.Time // until then the historical copy is not complete
}

// toReplace has the ticket replace the one that owns the pair.
func (c *cloud) toReplace() {
	r := &c.r
	r.Action, r.Target = replication.ActionReplace, "CHG-1"
	r.Historical = replication.Historical{Replicate: ptr(c.odds(0.4)), AcceptOverwrite: true}
	byHand := r.Destination.Account == otherAccount
	r.AcceptGap = !*r.Historical.Replicate && (r.Objects.Tags != nil || byHand || c.odds(0.3))
	c.older = older{is: true, begun: c.now.Add(-time.Hour), fails: c.odds(0.05), lost: c.odds(0.5), unhistory: c.now.Add(time.Duration(c.rng.Int64N(int64(6 * time.Hour))))}
	c.owner = r.Target
	was := *r
	was.ID, was.Action, was.Target = r.Target, replication.ActionReplicate, ""
	c.other = replication.OwnerSeen{Job: r.Target, Request: &was, Phase: replication.PhaseWatching, Watched: true}
	c.older.rule = c.newRule(replication.RuleSeen{SyncRole: "theirs"}, false)
	c.other.Rule = c.older.rule
	c.rule.shown.Status, c.rule.doing = replication.RuleDoing, c.older.begun
	c.lists = []list{{c.older.begun, []replication.RuleSeen{c.rule.shown}}}
}

// orderDown gives the older ticket its order, once.
func (c *cloud) orderDown() *replication.TargetSeen {
	if c.older.ordered.IsZero() {
		c.older.ordered = c.now
		c.older.down = c.now.Add(2*time.Minute + time.Duration(c.rng.Int64N(int64(20*time.Minute))))
		if !c.older.fails && c.rule != nil && c.rule.shown.ID == c.older.rule {
			c.closeRule()
		}
	}
	return c.older.seen(c.now)
}

// ageOlder takes the older ticket down when its time has come.
func (c *cloud) ageOlder() {
	o := &c.older
	if !o.is {
		return
	}
	o.lost = o.lost && c.now.Before(c.calm)
	if !o.ordered.IsZero() && !o.fails && !c.now.Before(o.down) && c.owner == c.r.Target {
		c.owner = ""
	}
}

func (o older) seen(now time.Time) *replication.TargetSeen {
	t := &replication.TargetSeen{Rev: 9, Phase: replication.PhaseWatching, AtRest: true, Holds: true, Rule: o.rule, Proven: o.begun, Message: "watched"}
	switch {
	case o.ordered.IsZero():
	case now.Before(o.down):
		*t = replication.TargetSeen{Rev: 10, Phase: replication.PhaseStopping, Ordered: true, Holds: true, Message: "going"}
	case o.fails:
		*t = replication.TargetSeen{Rev: 11, Phase: replication.PhaseFailed, AtRest: true, Holds: true, Message: "could not be taken down"}
	default:
		*t = replication.TargetSeen{Rev: 11, Phase: replication.PhaseStopped, AtRest: true, Message: "gone"}
	}
	return t
}

// seeOlder shows the older ticket, its rule until the job has one, and the gap.
func (c *cloud) seeOlder(j *job, w *world) {
	o := c.older
	if !o.is {
		return
	}
	w.Target = o.seen(c.now)
	if g, ok := w.Rules.Find(o.rule, c.r.Destination.Bucket); ok && j.Rule == nil && c.rule != nil {
		*w.Progress = replication.ProgressSeen{Is: replication.Exists, Status: g.Status, Watermark: c.now.Add(-time.Minute)}
	}
	if *c.r.Historical.Replicate && !c.now.Before(o.unhistory) {
		w.Progress.Historical = ptr(1.0)
	}
	if j.Gap == nil {
		return
	}
	pages := j.Gap.Cursor.Pages + 1
	w.Gap = &replication.GapSeen{GapFigures: replication.GapFigures{Looked: 400}, Next: replication.GapCursor{After: "k", Pages: pages}, Done: pages == 11}
	if o.lost {
		w.Gap.Written, w.Gap.Missing, w.Gap.Examples = 1, 1, []string{"lost"}
	}
}

// checkOrder sees that the older ticket is taken down for one that can go on.
func (w *walk) checkOrder(j *job, e replication.Effect) {
	c := w.c
	w.must(c.older.is && e.Order.Action == replication.ActionReplace && e.Order.Pair == c.r.Pair(), "an order of the wrong kind")
	w.must(j.Gap != nil && !j.Gap.From.After(c.now) && j.Made.Pair.IsZero() && j.Rule == nil, "an order without a gap, or after something was made")
	w.must(c.r.Destination.Account != otherAccount || c.granted || c.unseen, "the old rule is taken down before the owner has granted anything")
}

// checkReplaced sees that a replacement ended as the world says.
func (w *walk) checkReplaced(j *job) {
	if !w.c.older.is {
		return
	}
	standing := w.c.rule != nil && w.c.rule.shown.ID == w.c.older.rule && w.c.rule.closed.IsZero()
	w.must(!w.c.older.ordered.IsZero() || j.Phase != replication.PhaseWatching, "it is watched, and the older ticket knows of nothing")
	w.must(j.Phase != replication.PhaseWatching || !standing, "the older rule stands beside the new one")
	down := j.Gap != nil && !j.Gap.Ended.IsZero()
	w.must(!down || !w.c.older.fails && !w.c.now.Before(w.c.older.down), "it went on before the older ticket was down")
	if j.Phase != replication.PhaseWatching {
		return
	}
	w.must(down && !j.Gap.To.IsZero() || j.Reason == replication.ReasonGapOpen, "the gap has no end")
	w.must(j.Reason != replication.ReasonGapClosed || j.Gap.Last.Missing == 0 && !j.Gap.Checked.IsZero(), "a gap that nobody compared is said to be closed")
	w.must(j.Reason != replication.ReasonGapAccepted || j.Request.AcceptGap, "a gap is accepted for the ticket")
}
