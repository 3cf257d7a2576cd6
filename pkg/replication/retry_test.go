package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

var aRetry = replication.Order{Action: replication.ActionRetry, By: "CHG-9", At: noon}

// retried gives a job a retry.
func retried(more ...func(*job, *world)) func(*job, *world) {
	return func(j *job, w *world) {
		for _, f := range more {
			f(j, w)
		}
		if !j.Order(aRetry) {
			panic("the job does not take the retry")
		}
	}
}

func TestARetryTakesAnEndedJobUpAgain(t *testing.T) {
	answered := func(says string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			require.Len(t, j.Orders, 1)
			require.Equal(t, replication.ResultDone, j.Orders[0].Result)
			require.Contains(t, j.Orders[0].Message, says)
		}
	}
	for _, p := range []replication.Phase{replication.PhaseFailed, replication.PhaseRejected} {
		decideAll(t, p, map[string]decision{
			"from " + string(p): {given: retried(), step: "next retrying", reason: replication.ReasonRetried, says: []string{"retry ticket CHG-9 asked for it", string(p)},
				events: []string{"replidesk.request.accepted job.retried"}, check: answered("begins again")},
		})
	}
	grants := func(m *replication.Made) { m.Role, m.Policy, m.Attachment, m.KMSPolicy = noon, noon, noon, noon }
	decideAll(t, replication.PhaseRetrying, map[string]decision{
		"one that had made nothing goes through preflight": {step: "next preflight"},
		"what it made it keeps": {given: func(j *job, _ *world) { grants(&j.Made) }, after: time.Hour, step: "next preflight",
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, noon, j.Made.Role)
				require.Equal(t, noon, j.Made.Attachment)
				require.True(t, j.Made.KMSPolicyAsked, "attached once more, which changes nothing")
				require.Equal(t, noon.Add(time.Hour), j.Again)
			}},
		"what is not there any more is looked for before it is made": {given: func(j *job, w *world) {
			grants(&j.Made)
			w.Role.Is, w.Policy.Is, w.Attachment.Attached = replication.Missing, replication.Missing, false
		}, step: "next preflight", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Zero(t, j.Made.Role)
			require.True(t, j.Made.RoleAsked && j.Made.PolicyAsked && j.Made.AttachAsked)
		}},
		"a pair that it kept is claimed anew": {given: func(j *job, _ *world) {
			j.Made.Pair, j.Last = noon, done(replication.EffectClaimPair)
			j.Last.Owner = "CHG-7"
		}, step: "next preflight", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Zero(t, j.Made.Pair)
			require.True(t, j.Made.PairAsked, "so that it is given back if the pair is refused now")
			require.Nil(t, j.Last, "who owned the pair then says nothing of now")
		}},
		"a rule that was proven once and stands is proven anew": {given: func(j *job, _ *world) {
			stopping(j, nil)
			j.Stop = nil
			j.Verification = &replication.Verification{Step: replication.StepArrive, Key: "k", OutsideKey: "o", Begun: true, First: &replication.ObjectSeen{}, Written: noon.Add(-7 * time.Hour)}
		}, step: "next starting", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, replication.StepPut, j.Verification.Step)
			require.True(t, j.Verification.Begun, "what the old proof left at the source is known")
			require.Zero(t, j.Verification.Written)
		}},
		"a put without a known outcome is looked into": {given: func(j *job, _ *world) { j.Made.Pair, j.Rule = noon, &replication.Rule{Unsettled: true} }, step: "next rule"},
		"a look that fails for good ends it where it was": {trouble: &replication.Trouble{Kind: replication.TroubleFinal, Op: "GetRole"}, step: "next failed", reason: replication.ReasonRefused,
			events: []string{"replidesk.request.failed cloud.refused"}},
	})
}

func TestARetriedJobHasItsTimeAgain(t *testing.T) {
	decideAll(t, replication.PhaseStarting, map[string]decision{
		"a rule that never started is waited for again": {given: func(j *job, w *world) {
			j.Rule.Accepted, j.Again = noon.Add(-8*time.Hour), noon
			w.Progress.Status = replication.RuleStarting
		}, step: "wait 30s", reason: replication.ReasonStarting},
		"one that lives is proven at once": {given: func(j *job, _ *world) { j.Rule.Accepted, j.Again = noon.Add(-8*time.Hour), noon }, step: "next verifying"},
	})
	t.Run("and what it writes now is told from what it wrote then", func(t *testing.T) {
		before, after := at(replication.PhaseVerifying, request()), at(replication.PhaseVerifying, request())
		after.Again = noon
		write := func(j *job) replication.Canary {
			return *decide(t, j, healthy(request()), noon).step.Effect.Object
		}
		require.NotEqual(t, write(before), write(after))
		require.Equal(t, write(before).Key, write(after).Key)
		require.Equal(t, write(after), write(after))
	})
}

func TestARetryWakesABlockedJob(t *testing.T) {
	j := at(replication.PhaseRole, request())
	d := through(t, j, healthy(request()), noon, func(j *job, v replication.View) replication.Step {
		return replication.AfterTrouble(j, replication.Trouble{Kind: replication.TroubleDenied, Op: "CreateRole"}, v)
	})
	require.Equal(t, replication.PhaseBlocked, d.job.Phase)
	j = d.job.Clone()
	require.True(t, j.Order(aRetry))
	require.Equal(t, d.job.Owner(), j.Owner(), "its own function goes on")
	require.Equal(t, "wait 5m0s", stepOf(replication.Decide(d.job.Clone(), replication.View{Now: noon}), noon), "without it, it would wait")
	s := decide(t, j, healthy(request()), noon.Add(time.Second))
	require.Equal(t, "next role", stepOf(s.step, noon))
	require.Contains(t, s.job.Orders[0].Message, "blocked (function.denied)")
	require.True(t, decide(t, s.job, healthy(request()), noon).step.Effect.Kind == replication.EffectCreateRole)
}

func TestWhatARetryDoesNotHelpObjects(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*job)
		reason replication.Reason
	}{
		"a watched pair":      {func(j *job) { j.Phase = replication.PhaseWatching }, replication.ReasonTargetWatched},
		"a stopped one":       {func(j *job) { j.Phase = replication.PhaseStopped }, replication.ReasonTargetEnded},
		"a cancelled one":     {func(j *job) { j.Phase = replication.PhaseCancelled }, replication.ReasonTargetEnded},
		"one that is done":    {func(j *job) { j.Phase = replication.PhaseCompleted }, replication.ReasonTargetEnded},
		"a stop that failed":  {func(j *job) { j.Phase, j.Stop = replication.PhaseFailed, &replication.Order{Served: noon} }, replication.ReasonTargetEnded},
		"an order of its own": {func(j *job) { j.Request.Action = replication.ActionStop }, replication.ReasonTargetUnfit},
	} {
		t.Run(name, func(t *testing.T) {
			j := at(replication.PhaseVerifying, request())
			c.change(j)
			before := j.Clone()
			require.False(t, j.Order(aRetry))
			require.Equal(t, before, j)
			x := j.Objection(aRetry)
			require.Equal(t, c.reason, x.Reason)
			require.False(t, x.Later)
		})
	}
	t.Run("another retry that is open is waited for", func(t *testing.T) {
		j := at(replication.PhaseFailed, request())
		require.True(t, j.Order(aRetry))
		require.Nil(t, j.Objection(aRetry), "its own order is no obstacle")
		require.False(t, j.Order(aRetry))
		x := j.Objection(replication.Order{Action: replication.ActionRetry, By: "CHG-8"})
		require.Equal(t, replication.ReasonTargetBusy, x.Reason)
		require.True(t, x.Later)
	})
	t.Run("a pair that came to be watched meanwhile is left alone", func(t *testing.T) {
		j := at(replication.PhaseVerifying, request())
		require.True(t, j.Order(aRetry))
		j.Phase = replication.PhaseWatching
		require.Equal(t, replication.OwnerProvision, j.Owner())
		s := replication.Decide(j, replication.View{Now: noon})
		require.Equal(t, replication.PhaseWatching, s.Next)
		require.Equal(t, replication.ResultRefused, j.Orders[0].Result)
		require.Equal(t, replication.ReasonTargetWatched, j.Orders[0].Reason)
		require.Equal(t, replication.OwnerNone, j.Owner())
	})
	t.Run("a failed job that is being stopped is stopped", func(t *testing.T) {
		j := at(replication.PhaseFailed, request())
		j.Made.Role = noon
		require.True(t, j.Order(aRetry))
		require.True(t, j.Order(anOrder))
		require.Equal(t, replication.PhaseStopping, replication.Decide(j, replication.View{Now: noon}).Next)
	})
}

func TestAJobRemembersItsNewestOrders(t *testing.T) {
	j := at(replication.PhaseStarting, request())
	for n := range 40 {
		o := aRetry
		o.By = time.Duration(n).String()
		before := j.Clone()
		require.True(t, j.Order(o))
		require.True(t, replication.OnlyOrdered(before, j), n)
		require.Equal(t, replication.PhaseStarting, replication.Decide(j, replication.View{Now: noon}).Next)
	}
	require.Len(t, j.Orders, 16)
	require.Equal(t, "39ns", j.Orders[15].By)
}
