package replication_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

var walks = flag.Uint64("walks", 500, "how many walks are taken through the phase table")

// A walk carries one job through a cloud as the engine would.
type walk struct {
	t     *testing.T
	seed  uint64
	c     *cloud
	rev   uint64
	saved []byte            // the newest entry
	told  map[string]string // every result in an entry, by its id
	sent  map[string]string
	phase replication.Phase
	calls int // decisions
	quiet int // decisions since the world is calm
	trace []string
	// stopAt is the number of the entry that an order to stop takes; 0: none does.
	stopAt uint64
	before *job  // the newest entry before the last order
	asks   []ask // orders besides that, in the order of their entries
}

// dead ends a run as a killed worker does: what was not saved is lost.
type dead struct{}

func TestAnyWalkThroughTheTableEndsWell(t *testing.T) {
	walks := *walks
	if testing.Short() {
		walks = min(walks, 300)
	}
	const parts = 4
	var mu sync.Mutex
	ends := map[string]int{}
	t.Run("walks", func(t *testing.T) {
		for part := range uint64(parts) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < walks; seed += parts {
					w := newWalk(t, seed)
					j := w.toTheEnd()
					w.checkEnd(j)
					mu.Lock()
					ends[string(j.Phase)+" "+string(j.Reason)]++
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d walks: %v", walks, ends)
	if walks < 2000 {
		return // too few to come by every end
	}
	for _, want := range []string{"watching job.verified", "watching job.verified-by-watermark", "rejected pair.rule-exists", "failed rule.differs", "failed rule.vanished",
		"failed pair.rule-exists", "failed worker.crash", "completed pair.duplicate-of", "watching job.adopted", "rejected adopt.rule-differs", "rejected adopt.no-rule", "rejected adopt.closing", "rejected pair.duplicate-of", "rejected pair.options-differ", "failed cloud.refused",
		"watching gap.closed", "watching gap.accepted", "watching gap.uncompared", "failed target.stop-failed"} {
		require.NotZero(t, ends[want], "no walk ended %s: the cloud of this test is too kind", want)
	}
}

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{t: t, seed: seed, c: newCloud(rand.New(rand.NewPCG(seed, 1)), noon), told: map[string]string{}, sent: map[string]string{}}
	j := replication.NewJob(w.c.r, noon)
	w.phase = j.Phase
	w.save(j)
	return w
}

func (w *walk) must(ok bool, format string, args ...any) {
	w.t.Helper()
	if !ok {
		w.t.Fatalf("seed %d: %s\n%s", w.seed, fmt.Sprintf(format, args...), strings.Join(w.trace, "\n"))
	}
}

func (w *walk) note(format string, args ...any) {
	w.trace = append(w.trace, w.c.now.Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// toTheEnd wakes the job again and again until it is at rest.
func (w *walk) toTheEnd() *job {
	for {
		j, err := replication.Decode(w.saved)
		require.NoError(w.t, err)
		if j.AtRest() {
			return j
		}
		w.must(w.c.now.Before(noon.Add(40*24*time.Hour)), "the job does not end")
		w.live(j)
	}
}

// live is one worker's run, which can be its last.
func (w *walk) live(j *job) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(ordered); ok {
				return
			}
			if _, ok := p.(dead); !ok {
				panic(p)
			}
			w.note("the worker dies")
			w.pass(80 * time.Second)
		}
	}()
	if j.Intent != nil {
		var s replication.Step
		j, s = w.decide(j, replication.AfterCrash)
		if w.waited(j, s) {
			return
		}
	}
	for round := 0; ; round++ {
		w.must(round < 60, "%d decisions without a pause", round)
		if j.Owner() == replication.OwnerNone {
			w.save(j)
			if len(j.Outbox) > 0 {
				w.pass(time.Minute)
				return
			}
			w.save(j)
			return
		}
		var s replication.Step
		j, s = w.decide(j, replication.Decide)
		w.must(s != (replication.Step{}), "%s decides nothing", j.Phase)
		if s.Effect != nil {
			j, s = w.act(j, *s.Effect)
		}
		if w.waited(j, s) {
			return
		}
	}
}

func (w *walk) waited(j *job, s replication.Step) bool {
	if s.Wait.IsZero() {
		return false
	}
	pause := s.Wait.Sub(w.c.now)
	w.must(pause >= time.Second, "a wait of %s in %s", pause, j.Phase)
	w.must(pause <= time.Hour, "a wait of %s in %s", pause, j.Phase)
	w.save(j)
	if w.c.odds(0.05) { // a hint comes before its time
		pause = time.Duration(w.c.rng.Int64N(int64(pause)))
	}
	w.pass(pause)
	return true
}

func (w *walk) pass(d time.Duration) { w.c.to(w.c.now.Add(d)) }

// decide does what session.decide of the engine does.
func (w *walk) decide(j *job, f func(*job, replication.View) replication.Step) (*job, replication.Step) {
	w.pass(time.Duration(w.c.rng.Int64N(int64(200 * time.Millisecond))))
	v := replication.View{Now: w.c.now, Desk: w.c.desk()}
	for range 8 {
		c := j.Clone()
		s := f(c, v)
		requireOne(w.t, s)
		if s.Look == 0 {
			return w.adopt(j, c, s)
		}
		if w.c.wrong() {
			trouble := w.trouble("look")
			c := j.Clone()
			s := replication.AfterTrouble(c, trouble, v)
			w.must(s.Look == 0, "trouble is followed by a look")
			w.note("trouble %s", trouble.Kind)
			return w.adopt(j, c, s)
		}
		reveal(&v.Seen, w.c.seen(j), v.Seen.Missing(s.Look))
	}
	w.must(false, "%s looks and looks", j.Phase)
	return nil, replication.Step{}
}

func (w *walk) adopt(before, after *job, s replication.Step) (*job, replication.Step) {
	w.note("%s: %s (%s: %s)", before.Phase, stepOf(s, w.c.now), after.Reason, after.Message)
	if w.calls++; !w.c.now.Before(w.c.calm) {
		w.quiet++
		w.must(w.quiet < 400, "the job does not end although the world is calm")
	}
	old := before.Outbox
	w.must(len(after.Outbox) >= len(old), "a result was lost")
	for i, e := range old {
		w.must(after.Outbox[i].ID == e.ID, "a result was changed")
	}
	if s.Next != "" {
		w.must(s.Next == after.Phase, "the step goes to %s, the job to %s", s.Next, after.Phase)
		w.must(leads(before, s.Next), "%s does not lead to %s", before.Phase, s.Next)
	}
	return after, s
}

// leads reports whether the table has the way from one phase to the next.
func leads(from *job, to replication.Phase) bool {
	switch to {
	case from.Phase, replication.PhaseFailed, replication.PhaseBlocked:
		return true
	case replication.PhaseStopping, replication.PhaseClearing:
		if from.Ordered() {
			return true
		}
	case replication.PhaseRetrying:
		if (from.Phase == replication.PhaseFailed || from.Phase == replication.PhaseRejected) && hasOpen(from, replication.ActionRetry) {
			return true
		}
	case replication.PhaseAdjusting:
		if from.Phase == replication.PhaseWatching && hasOpen(from, replication.ActionSetRTC) {
			return true
		}
	case replication.PhaseWatching: // nothing ends a watch but a stop
		if from.Phase == replication.PhaseBlocked && from.Block.Resume == replication.PhaseAdjusting {
			return true
		}
	}
	for _, p := range replication.Row(from.Phase).To {
		if p == to {
			return from.Phase != replication.PhaseBlocked || from.Block.Resume == to
		}
	}
	return false
}

// act saves the intent, carries the effect out or not, and settles what came of it.
func (w *walk) act(j *job, e replication.Effect) (*job, replication.Step) {
	w.checkEffect(j, e)
	w.checkGuards(j, e)
	j.Intent = &replication.Intent{Effect: e, Worker: "w", Until: w.c.now.Add(75 * time.Second)}
	w.save(j)
	o := replication.Outcome{Effect: e.Kind, Result: replication.ResultUnknown}
	switch fate := w.c.rng.IntN(10); {
	case !w.c.wrong():
		o = w.c.carryOut(e)
	case fate < 3:
		w.c.carryOut(e) // and the answer is lost
	case fate < 5: // nothing was done, and nobody says so
	case fate < 7:
		o.Result, o.Trouble = replication.ResultRefused, ptr(w.trouble(string(e.Kind)))
	case fate < 9:
		w.c.carryOut(e)
		panic(dead{})
	default:
		panic(dead{})
	}
	w.pass(time.Duration(w.c.rng.Int64N(int64(300 * time.Millisecond))))
	o.At = w.c.now
	w.note("%s: %s", e.Kind, o.Result)
	return w.decide(j, func(j *job, v replication.View) replication.Step { return replication.Settle(j, o, v) })
}

func (w *walk) trouble(op string) replication.Trouble {
	t := replication.Trouble{Kind: replication.TroublePassing, Op: op}
	switch n := w.c.rng.IntN(300); {
	case n == 0:
		t.Kind = replication.TroubleFinal
	case n < 40:
		t.Kind = replication.TroubleThrottled
	case n < 50:
		t.Kind = replication.TroubleDenied
	case n < 55:
		t.Kind = replication.TroubleQuota
	}
	return t
}

// save writes the next entry and sends what is in its outbox, as far as that goes.
func (w *walk) save(j *job) {
	if w.stopAt > 0 && w.rev+1 >= w.stopAt && w.rev > 0 && w.order() || w.ask() {
		w.behind(j)
	}
	w.rev++
	j.Stamp(w.rev)
	previous := w.saved
	if w.rev%16 != 0 { // to keep what is unknown takes time, and there is nothing
		previous = nil
	}
	body, err := replication.Encode(j, previous)
	require.NoError(w.t, err)
	w.saved = body
	for _, e := range j.Outbox {
		b, err := json.Marshal(e)
		require.NoError(w.t, err)
		was, known := w.told[e.ID]
		w.must(e.ID != "" && (!known || was == string(b)), "result %q means two things:\n%s\n%s", e.ID, was, b)
		w.told[e.ID] = string(b)
	}
	for len(j.Outbox) > 0 && !w.c.wrong() {
		w.sent[j.Outbox[0].ID] = w.told[j.Outbox[0].ID]
		j.Outbox = j.Outbox[1:]
	}
	if len(j.Outbox) == 0 {
		j.Outbox = nil
	}
	if w.rev > 1 && j.Intent == nil && w.c.now.Before(w.c.calm) && w.c.odds(w.c.bad/20) {
		panic(dead{})
	}
}

// checkEffect holds an effect against what the world holds and the journal records.
func (w *walk) checkEffect(j *job, e replication.Effect) {
	switch e.Kind {
	case replication.EffectOrder:
		w.checkOrder(j, e)
	case replication.EffectPutRule:
		w.must(j.Request.Action != replication.ActionAdopt, "an adoption puts a rule")
		w.must(!w.c.open(), "a rule is put while one of ours stands")
		w.must(!j.Made.Pair.IsZero(), "a rule is put without the pair")
	case replication.EffectCloseRule:
		w.must(!j.Made.Rule.IsZero() && e.RuleID != "" && e.RuleID == j.Rule.ID, "a rule is closed that is not recorded as made")
		adopted := j.Request.Action == replication.ActionAdopt && j.Ordered()
		w.must(w.c.rule == nil || w.c.rule.shown.ID != e.RuleID || w.c.rule.ours || adopted, "a rule of somebody else is closed")
		w.must(j.Request.Action != replication.ActionAdopt || adopted, "an adopted rule is closed without an order")
	case replication.EffectCreateRole, replication.EffectCreatePol, replication.EffectAttach, replication.EffectDetach, replication.EffectDeletePol, replication.EffectDeleteRole:
		w.must(j.Request.Action != replication.ActionAdopt, "an adoption touches grants")
		ofRole := e.Kind == replication.EffectCreateRole || e.Kind == replication.EffectDeleteRole
		made := e.Kind == replication.EffectCreateRole && w.c.r.Role.Type == replication.RoleAliyun
		w.must(w.c.own() || made || !ofRole && w.c.r.Role.AddMissing, "%s for a role of others", e.Kind)
	case replication.EffectDelete:
		w.must(j.Verification.First != nil && e.Object.Key == j.Verification.Key, "an object is deleted that is not recorded as written")
	case replication.EffectCleanUp:
		for _, k := range e.Keys {
			w.must(j.Verification.Begun && slices.Contains([]string{j.Verification.Key, j.Verification.OutsideKey, j.Verification.UntaggedKey}, k) && strings.Contains(k, ".replidesk/"), "object %s is removed", k)
		}
	case replication.EffectPutRTC:
		w.must(j.Watched() && e.RuleID == j.Rule.ID && j.Rule.ID != "", "replication time control of another rule is set")
	case replication.EffectDetachSystem:
		w.must(w.c.own(), "a policy is taken off a role that others share")
	case replication.EffectGrant, replication.EffectGrantKey:
		w.must(w.c.r.Destination.Account == "3000000000000003", "a policy is changed that its owner keeps")
	case replication.EffectRevoke, replication.EffectRevokeKey:
		w.must(!w.c.open() || w.strange(), "the grant is taken back while a rule of ours stands")
	case replication.EffectReleasePair:
		if w.strange() {
			break
		}
		w.must(!w.c.ours && !w.c.key.ours, "the pair is given back while a statement of ours stands")
		w.must(!w.c.open(), "the pair is given back while a rule of ours stands")
	}
}

// strange reports whether a rule stands that the job put, but cannot be known to have
// put: it is another than was asked for, and names a role that is not the job's alone.
func (w *walk) strange() bool { return w.c.open() && w.c.storesOther && !w.c.own() }

// checkEnd holds the end of a job against the world.
func (w *walk) checkEnd(j *job) {
	for id := range w.told {
		w.must(w.sent[id] == w.told[id], "result %s was never sent", id)
	}
	w.must(j.Intent == nil && j.Block == nil && j.Ending == nil && j.Held == nil, "an end with something under way")
	owned := w.c.owner == w.c.r.ID
	w.checkSlot(owned)
	w.checkReplaced(j)
	if w.c.r.Action == replication.ActionAdopt && j.Phase != replication.PhaseCompleted {
		w.checkAdopted(j, owned)
		return
	}
	w.must(!w.c.ours || j.Phase == replication.PhaseWatching || strings.Contains(j.Message, "the statement for role"), "a statement is left and not named in %q", j.Message)
	if j.Phase == replication.PhaseWatching {
		w.must(owned, "a watched pair is not owned")
		w.checkObjects(strings.Join(j.Evidence.LeftBehind, " "))
		if w.c.disabled { // in the last moment: the watch will find it
			return
		}
		w.must(w.c.open(), "a watched pair has no rule")
		w.must(j.Evidence != nil && j.Rule.ID == w.c.rule.shown.ID && w.c.rule.ours, "the watched rule is the proven one")
		w.must(gaveUp(j) || len(replication.RuleFor(j.Request).Differences(w.c.rule.shown)) == 0, "the watched rule is the one that was asked for")
		return
	}
	if j.Phase == replication.PhaseCompleted {
		w.must(!owned && !j.Made.PairAsked && j.Made.Role.IsZero() && j.Rule == nil, "a duplicate that made something")
		return
	}
	w.must(j.Phase == replication.PhaseFailed || j.Phase == replication.PhaseRejected, "the end is %s", j.Phase)
	unknown := w.strange() && (strings.Contains(j.Message, "left as it is") || j.Reason == replication.ReasonRuleExists) || strings.Contains(j.Message, "the claim of the pair") || strings.Contains(j.Message, "perhaps a rule")
	w.must(owned == w.c.open() || unknown || !w.c.open() && j.RuleStands(), "the pair is owned: %t, a rule of ours stands: %t", owned, w.c.open())
	w.must(!w.c.open() || j.RuleStands() && strings.Contains(j.Message, "left in place: rule") || unknown, "a rule stands that the result does not name: %s", j.Message)
	w.must(!owned || w.c.open() || j.RuleStands() || unknown, "the pair is kept for nothing")
	w.must(!w.c.own() || !w.c.role || strings.Contains(j.Message, replication.RoleName(j.ID)) || j.Made.Role.IsZero(), "a role is left and not named")
	if j.Verification != nil && j.Evidence == nil {
		w.checkObjects(j.Message)
	}
}

// checkAdopted sees that an adopted rule is watched, or left as it was found.
func (w *walk) checkAdopted(j *job, owned bool) {
	unknown := strings.Contains(j.Message, "the claim of the pair")
	w.must(owned == (j.Phase == replication.PhaseWatching) || unknown, "the pair is owned: %t, in %s", owned, j.Phase)
	if j.Phase == replication.PhaseWatching && w.c.rule != nil {
		w.must(j.Rule.ID == w.c.rule.shown.ID, "the watched rule is the adopted one")
		w.checkObjects(strings.Join(j.Evidence.LeftBehind, " "))
	}
	w.must(j.Phase == replication.PhaseWatching || !j.RuleStands(), "the rule is left to those who made it")
	if j.Verification != nil && j.Evidence == nil {
		w.checkObjects(j.Message)
	}
}

// checkObjects sees that the objects that are left at the source are named.
func (w *walk) checkObjects(named string) {
	for k, e := range w.c.source {
		w.must(e.object == nil || strings.Contains(named, w.c.r.Source.Bucket+"/"+k), "object %s is left and not named in %q", k, named)
	}
	if w.c.r.ReplicateDeletes {
		return
	}
	for k, e := range w.c.target {
		inSource := strings.Contains(named, w.c.r.Source.Bucket+"/"+k)
		w.must(e.object == nil || inSource || strings.Contains(named, w.c.r.Destination.Bucket+"/"+k), "copy %s is left and not named in %q", k, named)
	}
}
