package replication_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// ordered ends a run as the engine does that finds an order where it wanted to save.
type ordered struct{}

// order writes an order as the next entry, if the job takes one.
func (w *walk) order() bool {
	w.stopAt = 0
	return w.give(replication.Order{By: "CHG-9", At: w.c.now})
}

// give writes an order as the next entry, if the job takes it.
func (w *walk) give(o replication.Order) bool {
	before, err := replication.Decode(w.saved)
	require.NoError(w.t, err)
	after := before.Clone()
	if !after.Order(o) {
		return false
	}
	w.must(replication.OnlyOrdered(before, after), "an order that says more")
	w.note("%s in %s", o, before.Phase)
	w.before, w.quiet = before, 0
	w.saved, err = replication.Encode(after, nil)
	require.NoError(w.t, err)
	w.rev++
	return true
}

// behind saves what a worker had to save when the order came before it: an effect that
// it was about to begin is not begun.
func (w *walk) behind(j *job) {
	now, err := replication.Decode(w.saved)
	require.NoError(w.t, err)
	j.TakeOrder(w.before, now)
	j.Intent = nil
	w.save(j)
	panic(ordered{})
}

// untilStopped wakes the job until it is at rest, stopped at the latest after that; a
// stop that fails is asked for again.
func (w *walk) untilStopped() *job {
	for range 6 {
		j := w.toTheEnd()
		if !w.order() {
			return j
		}
	}
	w.must(false, "the job cannot be stopped")
	return nil
}

func TestAnyWalkCanBeStoppedAtAnyMoment(t *testing.T) {
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
					w.stopAt = 2 + seed*7%60
					j := w.untilStopped()
					w.checkStopped(j)
					mu.Lock()
					ends[string(j.Phase)+" "+string(j.Reason)]++
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d walks: %v", walks, ends)
	for _, want := range []string{"stopped job.stopped", "cancelled job.cancelled"} {
		require.NotZero(t, ends[want], "no walk ended %s", want)
	}
}

// checkStopped sees that nothing stands that is not named.
func (w *walk) checkStopped(j *job) {
	for id := range w.told {
		w.must(w.sent[id] == w.told[id], "result %s was never sent", id)
	}
	w.must(j.Intent == nil && j.Block == nil && j.Ending == nil && !j.Ordered(), "an end with something under way")
	w.must(w.c.owner != w.c.r.ID, "the pair is kept")
	w.checkSlot(false)
	w.pass(10 * time.Minute)
	w.must(w.c.rule == nil || !w.c.rule.ours || w.strange(), "the rule stands")
	took := j.Stop != nil && strings.Contains(strings.Join(j.Stop.Removed, " "), "rule ")
	w.must(w.c.r.Action != replication.ActionAdopt || !took || w.c.rule == nil || w.c.rule.shown.ID != j.Rule.ID, "the adopted rule stands although it is said to be closed")
	added := !w.c.attached.IsZero() && w.c.r.Role.Type != replication.RoleAliyun
	w.must(w.strange() || !(w.c.own() && w.c.role) && !w.c.policy && !(w.c.own() && w.c.keys) && !added, "grants stand: role %t, policy %t", w.c.role, w.c.policy)
	w.must(!w.c.ours || w.strange(), "a statement stands at the destination")
	if j.Verification == nil || j.Phase != replication.PhaseStopped {
		return
	}
	named := j.Message
	if j.Evidence != nil {
		named = strings.Join(j.Evidence.LeftBehind, " ")
	}
	for k, e := range w.c.source {
		w.must(e.object == nil || strings.Contains(named, w.c.r.Source.Bucket+"/"+k), "object %s is left and not named in %q", k, named)
	}
}
