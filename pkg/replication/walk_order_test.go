package replication_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// An ask is an order that takes an entry, or the first one after it that it can.
type ask struct {
	at uint64
	o  replication.Order
}

// ask gives the next order when its time has come, or when the job is at rest.
func (w *walk) ask() bool {
	if len(w.asks) == 0 || w.rev == 0 || w.rev+1 < w.asks[0].at {
		return false
	}
	o := w.asks[0].o
	o.At = w.c.now
	if !w.give(o) {
		return false
	}
	w.asks = w.asks[1:]
	return true
}

func hasOpen(j *job, a replication.Action) bool {
	for _, o := range j.Orders {
		if o.Action == a && o.Served.IsZero() {
			return true
		}
	}
	return false
}

// gaveUp reports whether an order was given up, after which nobody knows how the rule is.
func gaveUp(j *job) bool {
	return slices.ContainsFunc(j.Orders, func(o replication.Order) bool { return o.Result == replication.ResultUnknown })
}

// askedToTheEnd wakes the job until it is at rest and has been given every order that
// it takes.
func (w *walk) askedToTheEnd() *job {
	for {
		j := w.toTheEnd()
		if len(w.asks) == 0 {
			return j
		}
		if w.asks[0].at = 0; !w.ask() {
			w.asks = w.asks[1:]
		}
	}
}

// TestAnyWalkBearsOrdersAtAnyMoment gives jobs of the bad world retries and set-rtcs
// at random entries, and then a stop.
func TestAnyWalkBearsOrdersAtAnyMoment(t *testing.T) {
	walks := min(*walks, 300) // each is as long as several
	if testing.Short() {
		walks = min(walks, 150)
	}
	const parts = 4
	var mu sync.Mutex
	ends, served := map[string]int{}, map[string]int{}
	t.Run("walks", func(t *testing.T) {
		for part := range uint64(parts) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < walks; seed += parts {
					w := newWalk(t, seed)
					rng := rand.New(rand.NewPCG(seed, 3))
					at := uint64(2)
					for n := range 1 + rng.IntN(5) {
						at += uint64(rng.IntN(25))
						o := replication.Order{Action: replication.ActionRetry, By: fmt.Sprintf("R-%d", n)}
						if rng.IntN(2) == 0 {
							o.Action, o.RTC = replication.ActionSetRTC, rng.IntN(2) == 0
						}
						w.asks = append(w.asks, ask{at, o})
					}
					j := w.askedToTheEnd()
					w.checkEnd(j)
					for _, o := range j.Orders {
						w.must(!o.Served.IsZero() && o.Result != "", "%s was not dealt with", o)
					}
					w.checkRTC(j)
					mu.Lock()
					ends[string(j.Phase)+" "+string(j.Reason)]++
					for _, o := range j.Orders {
						served[fmt.Sprintf("%s %s %s", o.Action, o.Result, o.Reason)]++
					}
					mu.Unlock()
					if seed%2 == 0 && w.order() {
						w.checkStopped(w.untilStopped())
					}
				}
			})
		}
	})
	t.Logf("%d walks: %v; %v", walks, ends, served)
	for _, want := range []string{"retry done ", "set-rtc done "} {
		require.NotZero(t, served[want], "no order ended %s", want)
	}
}

// checkRTC sees that the newest set-rtc that was carried out is what the job and the
// rule have.
func (w *walk) checkRTC(j *job) {
	if j.Phase != replication.PhaseWatching || w.c.disabled || w.c.rule == nil || gaveUp(j) {
		return
	}
	on := w.c.rule.shown.RTC != ""
	w.must(on == j.Request.RTC, "the rule has replication time control %t, the job thinks %t", on, j.Request.RTC)
	for _, o := range j.Orders {
		if o.Action == replication.ActionSetRTC && o.Result == replication.ResultDone {
			on = o.RTC
		}
	}
	w.must(on == j.Request.RTC, "the newest order wanted %t", on)
}
