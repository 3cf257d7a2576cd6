package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// orderTicket returns the job of a ticket about CHG-1.
func orderTicket(p replication.Phase, a replication.Action, more string) *job {
	r, problems := replication.Parse([]byte(`{"specVersion":"1","id":"CHG-9","action":"` + string(a) + `","target":"CHG-1"` + more + `}`))
	if len(problems) == 0 {
		problems = replication.Validate(r, replication.Desk{})
	}
	if len(problems) > 0 {
		panic(problems)
	}
	j := replication.NewJob(r, noon)
	j.Phase, j.Outbox = p, nil
	return j
}

func TestACancelIsAStopOfWhatIsNotWatchedYet(t *testing.T) {
	cancel := replication.Order{Action: replication.ActionCancel, By: "CHG-9", At: noon}
	for _, p := range []replication.Phase{replication.PhaseReceived, replication.PhasePreflight, replication.PhaseRule, replication.PhaseVerifying, replication.PhaseFailed} {
		j := at(p, request())
		j.Made.Role = noon
		require.Nil(t, j.Objection(cancel), p)
		require.True(t, j.Order(cancel), p)
		require.True(t, j.Ordered())
	}
	t.Run("of a watched pair it is refused", func(t *testing.T) {
		j := at(replication.PhaseVerifying, request())
		j.Phase = replication.PhaseWatching
		before := j.Clone()
		require.False(t, j.Order(cancel))
		require.Equal(t, before, j)
		require.Equal(t, replication.ReasonTargetWatched, j.Objection(cancel).Reason)
		require.Contains(t, j.Objection(cancel).Message, "is watched since 2000-01-01T12:00:00Z")
		require.True(t, j.Order(anOrder), "a stop is not")
		require.Nil(t, j.Objection(cancel), "and what is being stopped need not be cancelled")
		require.False(t, j.Order(cancel))
	})
	t.Run("the ticket is rejected with the objection", func(t *testing.T) {
		j := orderTicket(replication.PhaseOrdering, replication.ActionCancel, "")
		o := done(replication.EffectOrder)
		o.Target = &replication.TargetSeen{Rev: 1, Objection: &replication.Objection{Reason: replication.ReasonTargetWatched, Message: "ticket CHG-1 is watched"}}
		replication.Settle(j, *o, replication.View{Now: noon})
		require.Equal(t, "next rejected", stepOf(replication.Decide(j, replication.View{Now: noon}), noon))
		require.Equal(t, []string{"replidesk.request.rejected target.watched"}, eventsOf(j))
		require.Contains(t, replication.ReasonTargetWatched.Remedy(), "replidesk stop")
	})
	t.Run("one that is faster than its target ends it", func(t *testing.T) {
		j := replication.Cancelled("CHG-1", cancel)
		require.Equal(t, "cancel ticket CHG-9 came before ticket CHG-1", j.Message)
	})
}

func TestAStopOfAJobThatIsAboutToBeginAgainIsTaken(t *testing.T) {
	j := at(replication.PhaseRejected, request())
	require.False(t, j.Clone().Order(anOrder), "one at rest that holds nothing needs not be taken down")
	require.True(t, j.Order(replication.Order{Action: replication.ActionRetry, By: "NOW-1", At: noon}))
	require.True(t, j.Order(anOrder), "with a retry that nobody has dealt with it would begin again")
	var steps []string
	for j.Phase != replication.PhaseCancelled {
		steps = append(steps, stepOf(replication.Decide(j, replication.View{Now: noon}), noon))
		require.Less(t, len(steps), 5, steps)
	}
	require.Equal(t, "next stopping", steps[0])
	require.Contains(t, j.Orders[0].Message, "stopping", "the retry is told what it found")
	require.Equal(t, replication.OwnerNone, j.Owner())
}
