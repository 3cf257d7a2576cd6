package world

import (
	"slices"
	"time"
)

// replication is what the world keeps for all rules together.
type replication struct {
	rules   []*Rule                    // those that are not gone
	before  map[*Bucket][]RuleProgress // what a stale read shows
	pairs   map[pairName]*pair
	dropped map[string]bool // elements of a rule that are lost when it is stored

	settleAt           time.Time // when figures have to be renewed next; zero: never
	lastCall, thisCall time.Time
}

func newReplication() replication {
	return replication{before: map[*Bucket][]RuleProgress{}, pairs: map[pairName]*pair{}, dropped: map[string]bool{}}
}

// ruleRun is the work of a rule.
//
// Everything that has to be done at the destination is a task. The tasks of one
// key form a lane and are done one after the other, so the destination goes through
// the same states as the source; lanes run side by side, up to a number of slots.
// History has slots of its own, so that it does not hold back new objects.
type ruleRun struct {
	source *Bucket
	asked  Rule // as the client sent it, before an element was dropped

	lanes   map[string]*lane
	ready   [2][]*lane // by slotKind; not running, in the order they became ready
	running [2][]*lane
	refused []*lane // their first task waits for the next try

	retrying     bool    // a retry is due
	written      []*task // new work in the order of writing; what is done is cut off at the head
	history      []*Version
	historyTotal int
	historyDone  int
	rtcFrom      time.Time // RTC is not enabled earlier

	figures    Progress // as of the last renewal
	renewAt    time.Time
	lastCopied time.Time // write time of the newest task up to which all are done
}

type slotKind int

const (
	slotNew slotKind = iota
	slotHistory
)

// copySlots is how many lanes of each kind a rule works on at a time. A pair that
// is throttled has one.
const copySlots = 32

type taskKind int

const (
	taskPut    taskKind = iota // a version or delete marker
	taskRemove                 // a version is gone for good
	taskUpload                 // a multipart upload was started
	taskPart
	taskAbort
)

// A task is one thing to do at the destination of a rule.
type task struct {
	kind       taskKind
	key        string
	versionID  string
	version    *Version // taskPut: as it was written
	upload     *Upload  // taskUpload, taskPart, taskAbort; taskPut: the upload that it ends, or nil
	part       Part
	size       int
	written    time.Time // at the source
	historical bool
	done       bool
}

func (t *task) slot() slotKind {
	if t.historical {
		return slotHistory
	}
	return slotNew
}

// A lane is the tasks of one key, never none.
type lane struct {
	tasks   []*task
	started time.Time // of the first task, while it runs
	turn    int       // counts the due events of the lane; only the newest counts
}

// begin sets a new rule to work: it starts after a while, and knows what stands in
// the source by now.
func (w *World) begin(r *Rule, b *Bucket, asked Rule, now time.Time) {
	r.run = &ruleRun{source: b, asked: asked, lanes: map[string]*lane{}}
	w.repl.rules = append(w.repl.rules, r)
	if r.Historical && r.does("PUT") {
		r.run.history = b.inScope(r)
	}
	if r.RTC != "" {
		w.enableRTC(r, now)
	}
	wait := w.opt.Delays.RuleStartMin
	if d := w.opt.Delays.RuleStartMax - wait; d > 0 {
		wait += time.Duration(w.rng.Int64N(int64(d)))
	}
	w.at(now.Add(w.scale(wait)), func(now time.Time) { w.start(r, now) })
}

// inScope returns the versions of a bucket that a rule covers, by key and the
// oldest first. Copies are not among them: they are not copied on.
func (b *Bucket) inScope(r *Rule) (found []*Version) {
	for _, key := range b.keys() {
		for _, v := range slices.Backward(b.objects[key]) {
			if !v.Replica && r.covers(key, v.Tags) {
				found = append(found, v)
			}
		}
	}
	return found
}

// start makes a rule work: first the history of each key, then what was written
// since the rule was made.
func (w *World) start(r *Rule, now time.Time) {
	if r.Status != RuleStarting || !w.stands(r) {
		return
	}
	w.keepRules(r.run.source)
	r.Status = RuleDoing
	run := r.run
	run.lanes, run.ready = map[string]*lane{}, [2][]*lane{}
	for _, v := range run.history {
		if run.source.version(v.Key, v.ID) == nil {
			continue
		}
		run.historyTotal++
		run.add(&task{kind: taskPut, key: v.Key, versionID: v.ID, version: v, size: len(v.Data), historical: true})
	}
	run.history = nil
	for _, t := range run.written {
		run.add(t)
	}
	run.figures = Progress{Historical: r.historicalShare()}
	run.renewAt = now.Add(w.refresh())
	if w.repl.settleAt.IsZero() || run.renewAt.Before(w.repl.settleAt) {
		w.repl.settleAt = run.renewAt
	}
	w.checkRTC(r, now)
	w.pump(r, now)
	w.broadcast()
}

// close begins the end of a rule: it copies no more, and is gone after a while.
func (w *World) close(r *Rule, b *Bucket, now time.Time) {
	w.keepRules(b)
	r.Status = RuleClosing
	w.at(now.Add(w.scale(w.opt.Delays.RuleClosing)), func(time.Time) {
		w.keepRules(b)
		b.rules = slices.DeleteFunc(slices.Clone(b.rules), func(o *Rule) bool { return o == r })
		w.forget(r)
		w.broadcast()
	})
}

func (w *World) forget(r *Rule) {
	w.repl.rules = slices.DeleteFunc(w.repl.rules, func(o *Rule) bool { return o == r })
}

// bucketDeleted reports that an empty bucket was deleted, with the rules it was
// the source of. Rules that lead to it stay, and cannot copy.
func (w *World) bucketDeleted(b *Bucket, now time.Time) {
	for _, r := range b.rules {
		w.forget(r)
	}
	delete(w.repl.before, b)
}

// stands reports whether the source of a rule is still there.
func (w *World) stands(r *Rule) bool { return w.buckets[r.Source] == r.run.source }

// enableRTC asks for replication time control.
func (w *World) enableRTC(r *Rule, now time.Time) {
	r.RTC = RTCEnabling
	r.run.rtcFrom = now.Add(w.scale(w.opt.Delays.RTCEnabling))
	w.at(r.run.rtcFrom, func(now time.Time) { w.checkRTC(r, now) })
}

// checkRTC turns "enabling" into "enabled" once its time has come, the rule is in
// force and all history is copied.
func (w *World) checkRTC(r *Rule, now time.Time) {
	if r.RTC != RTCEnabling || r.Status != RuleDoing || now.Before(r.run.rtcFrom) || r.run.historyDone < r.run.historyTotal {
		return
	}
	w.keepRules(r.run.source)
	r.RTC = RTCEnabled
}

// add puts a task at the end of its key's lane and makes a new lane ready. The
// lane's own order is what keeps the destination right.
func (run *ruleRun) add(t *task) {
	l := run.lanes[t.key]
	if l == nil {
		l = &lane{}
		run.lanes[t.key] = l
		run.ready[t.slot()] = append(run.ready[t.slot()], l)
	}
	l.tasks = append(l.tasks, t)
}

// pump starts as many lanes as there are free slots.
func (w *World) pump(r *Rule, now time.Time) {
	p, run := w.pairOf(r), r.run
	if r.Status != RuleDoing || p.paused {
		return
	}
	slots := copySlots
	if p.delay > 0 {
		slots = 1
	}
	for kind := range run.ready {
		for len(run.running[kind]) < slots && len(run.ready[kind]) > 0 {
			l := run.ready[kind][0]
			run.ready[kind] = run.ready[kind][1:]
			run.running[kind] = append(run.running[kind], l)
			l.started = now
			w.timeLane(r, l, now)
		}
	}
}

// timeLane sets when the first task of a running lane is done. It may be called
// again, when the pair has become slower or faster.
func (w *World) timeLane(r *Rule, l *lane, now time.Time) {
	l.turn++
	turn := l.turn
	const mib = 1 << 20
	d := w.opt.Delays
	took := w.scale(d.Copy+time.Duration(float64(d.CopyPerMiB)*float64(l.tasks[0].size)/mib)) + w.pairOf(r).delay
	due := l.started.Add(took)
	if due.Before(now) {
		due = now
	}
	w.at(due, func(now time.Time) {
		if l.turn == turn && r.Status == RuleDoing && w.stands(r) {
			w.finish(r, l, now)
		}
	})
}

// finish carries out the first task of a running lane, if the cloud lets it at
// this moment.
func (w *World) finish(r *Rule, l *lane, now time.Time) {
	w.settle(r, now)
	t, run, p := l.tasks[0], r.run, w.pairOf(r)
	run.running[t.slot()] = slices.DeleteFunc(run.running[t.slot()], func(o *lane) bool { return o == l })
	if p.paused {
		run.ready[t.slot()] = slices.Insert(run.ready[t.slot()], 0, l)
		return
	}
	switch w.judge(r, t, now) {
	case copyRefused:
		p.stats.Refused++
		run.refused = append(run.refused, l)
		w.retryLater(r, now)
	case copySkipped:
		p.stats.Skipped++
		w.leaveOut(r, t)
		w.completed(r, l, now)
	case copyAllowed:
		w.carryOut(r, t, now)
		w.completed(r, l, now)
	}
	w.broadcast()
	w.pump(r, now)
}

// completed moves a lane on to its next task.
func (w *World) completed(r *Rule, l *lane, now time.Time) {
	run, t := r.run, l.tasks[0]
	t.done = true
	l.tasks = l.tasks[1:]
	if len(l.tasks) == 0 {
		delete(run.lanes, t.key)
	} else {
		next := l.tasks[0].slot()
		run.ready[next] = append(run.ready[next], l)
	}
	if t.historical {
		run.historyDone++
		w.checkRTC(r, now)
	}
	for len(run.written) > 0 && run.written[0].done {
		run.lastCopied = run.written[0].written
		run.written[0] = nil
		run.written = run.written[1:]
	}
}
