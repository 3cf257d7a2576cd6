package replication_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	detach     = replication.EffectDetach
	deletePol  = replication.EffectDeletePol
	deleteRole = replication.EffectDeleteRole
	release    = replication.EffectReleasePair
)

var anOrder = replication.Order{By: "CHG-9", At: noon}

// stopping is a watched job that is being taken down, with a rule and all grants.
func stopping(j *job, _ *world) {
	begun := noon.Add(-time.Hour)
	j.Made = replication.Made{NoRule: begun, Pair: begun, Role: begun, Policy: begun, Attachment: begun, Rule: begun}
	j.Rule = &replication.Rule{ID: ruleID, Accepted: begun, Confirmed: begun, Live: begun}
	j.Stop = &replication.Order{By: anOrder.By, At: anOrder.At}
}

// lacking takes something away from a job that is being taken down.
func lacking(take func(m *replication.Made)) func(*job, *world) {
	return func(j *job, w *world) {
		stopping(j, w)
		j.Rule.Ended, j.Made.Rule = noon, time.Time{}
		take(&j.Made)
	}
}

var (
	ruleless  = lacking(func(*replication.Made) {})
	detached  = lacking(func(m *replication.Made) { m.Attachment = time.Time{} })
	policyoff = lacking(func(m *replication.Made) { m.Attachment, m.Policy = time.Time{}, time.Time{} })
	grantless = lacking(func(m *replication.Made) { m.Attachment, m.Policy, m.Role = time.Time{}, time.Time{}, time.Time{} })
	nothing   = lacking(func(m *replication.Made) { *m = replication.Made{} })
)

func shut(ago time.Duration) func(*job, *world) {
	return func(j *job, w *world) {
		stopping(j, w)
		j.Last = done(closeRule)
		j.Last.At = noon.Add(-ago)
	}
}

func left(want ...string) func(*testing.T, *job, replication.Step) {
	return func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, want, j.Stop.Left) }
}

func removed(want ...string) func(*testing.T, *job, replication.Step) {
	return func(t *testing.T, j *job, _ replication.Step) { require.Equal(t, want, j.Stop.Removed) }
}

func TestAJobIsTakenDown(t *testing.T) {
	role, policy := replication.RoleName("CHG-2041"), replication.PolicyName("CHG-2041")
	decideAll(t, replication.PhaseStopping, map[string]decision{
		"its rule is closed, by its recorded id":                {given: stopping, step: "effect close-rule", check: func(t *testing.T, _ *job, s replication.Step) { require.Equal(t, ruleID, s.Effect.RuleID) }},
		"its rule is closing":                                   {given: with(shut(0), closes), step: "wait 15s", reason: replication.ReasonStopping},
		"its rule is still listed, for the list lies behind":    {given: shut(time.Minute), step: "wait 5s"},
		"its rule is still listed after two minutes: once more": {given: shut(2 * time.Minute), step: "effect close-rule"},
		"its rule is still closing after two hours: the pair is kept": {given: with(shut(0), closes), after: 2 * time.Hour, step: "next failed", reason: replication.ReasonRuleClosing,
			says: []string{"left in place: rule rule-1, role " + role}, events: []string{"replidesk.request.failed rule.closing"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.False(t, j.Made.Pair.IsZero())
				require.False(t, j.Ordered(), "the order is served, so that another can come")
			}},
		"the answer to the close was lost: again": {given: stopping, outcome: lost(closeRule), step: "effect close-rule"},
		"a worker died of the close: again":       {given: stopping, crash: closeRule, step: "effect close-rule"},
		"its rule is gone: the grants go":         {given: with(shut(time.Minute), bare), step: "effect detach-policy", check: removed("rule rule-1")},
		"somebody took its rule away before":      {given: with(stopping, bare), step: "effect detach-policy", check: removed("rule rule-1")},
		"somebody else's rule stands there now": {given: with(stopping, func(_ *job, w *world) { w.Rules.Rules[0].ID, w.Rules.Rules[0].SyncRole = "rule-2", "theirs" }),
			step: "effect detach-policy"},
		"its put has no known outcome and nothing is listed yet": {given: with(stopping, bare, func(j *job, _ *world) {
			j.Rule, j.Made.Rule, j.Last = &replication.Rule{Unsettled: true}, time.Time{}, lost(replication.EffectPutRule)
			j.Last.At = noon
		}), step: "wait 5s"},
		"its put had an effect that nobody heard of": {given: with(stopping, func(j *job, _ *world) { j.Rule, j.Made.Rule = &replication.Rule{Unsettled: true}, time.Time{} }),
			step: "effect close-rule", check: func(t *testing.T, j *job, s replication.Step) {
				require.Equal(t, ruleID, s.Effect.RuleID)
				require.Equal(t, ruleID, j.Rule.ID, "the id is recorded with the intent")
			}},
		"a person has put its role into another rule: the grants stay": {given: with(ruleless, func(_ *job, w *world) {
			w.Rules.Rules[0].ID, w.Rules.Rules[0].Destination, w.Rules.Rules[0].SyncRole = "rule-7", "elsewhere", role
		}), step: "effect release-pair", check: left("role " + role + " and policy " + policy + ", because rule rule-7 of src-bucket uses the role")},
		"detached: the policy goes":                    {given: with(ruleless, bare), outcome: done(detach), step: "effect delete-policy"},
		"the answer to the detaching was lost":         {given: with(ruleless, bare), outcome: lost(detach), step: "effect detach-policy"},
		"deleted: the role goes":                       {given: detached, outcome: done(deletePol), step: "effect delete-role", check: removed("policy " + policy)},
		"the deletion's answer was lost, it is gone":   {given: with(detached, func(_ *job, w *world) { w.Policy.Is = replication.Missing }), outcome: lost(deletePol), step: "effect delete-role", check: removed("policy " + policy)},
		"the policy is in use, for a read lies behind": {given: with(detached, func(j *job, _ *world) { j.Failures = 1 }), outcome: lost(deletePol), step: "wait 4s"},
		"the policy was changed":                       {given: with(detached, func(_ *job, w *world) { w.Policy.Document = `{"Version":"1","Statement":[]}` }), step: "effect delete-role", check: left("policy " + policy + ", because it was changed")},
		"the policy has more versions":                 {given: with(detached, func(_ *job, w *world) { w.PolicyUse.Versions = 2 }), step: "effect delete-role", check: left("policy " + policy + ", because it has 2 versions, of which the job made one")},
		"others use the policy": {given: with(detached, func(_ *job, w *world) { w.PolicyUse.By = []string{"role " + role, "user ops"} }), step: "effect delete-role",
			check: left("policy " + policy + ", because it is attached to user ops")},
		"only its own role uses the policy, still listed": {given: with(detached, func(_ *job, w *world) { w.PolicyUse.By = []string{"role " + role} }), step: "effect delete-policy"},
		"the role is gone":                   {given: with(policyoff, func(_ *job, w *world) { w.Role.Is = replication.Missing }), step: "effect release-pair", check: removed("role " + role)},
		"the role trusts somebody else now":  {given: with(policyoff, func(_ *job, w *world) { w.Role.Trust = `{}` }), step: "effect release-pair", check: left("role " + role + ", because its trust policy was changed")},
		"the role was given more rights":     {given: with(policyoff, func(_ *job, w *world) { w.Attachment.Others = []string{"more"} }), step: "effect release-pair", check: left("role " + role + ", because it has the policy more")},
		"a role whose making had no outcome": {given: with(grantless, func(j *job, _ *world) { j.Made.RoleAsked = true }), step: "effect delete-role"},
		"a role whose making had no outcome, and that is not there": {given: with(grantless, func(j *job, w *world) { j.Made.RoleAsked, w.Role.Is = true, replication.Missing }),
			step: "effect release-pair", check: removed()},
		"a role of that name that somebody else made": {given: with(grantless, func(j *job, w *world) { j.Made.RoleAsked, w.Role.Trust = true, `{}` }),
			step: "effect release-pair", check: left()},
		"the role is deleted: the pair is free": {given: policyoff, outcome: done(deleteRole), step: "effect release-pair"},
		"the pair is given back: that is all": {given: with(grantless, func(j *job, _ *world) { j.Stop.Removed = []string{"rule rule-1"} }), outcome: done(release), step: "next stopped", reason: replication.ReasonStopped,
			says: []string{"the data stays", "taken back: rule rule-1"}, events: []string{"replidesk.request.stopped job.stopped"},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.False(t, j.Ordered())
				require.False(t, j.Order(anOrder), "there is nothing left to stop")
			}},
		"it never made anything": {given: nothing, step: "next cancelled", reason: replication.ReasonCancelled, says: []string{"CHG-9"}, events: []string{"replidesk.request.stopped job.cancelled"}},
		"we may not delete the role": {given: policyoff, outcome: refused(deleteRole, replication.TroubleDenied, "NoPermission"), step: "next blocked", reason: replication.ReasonDenied,
			events: []string{"replidesk.request.blocked function.denied"}, check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, replication.OwnerProvision, j.Owner())
				require.True(t, j.Ordered(), "it goes on when the right is there")
			}},
	})
	decideAll(t, replication.PhaseClearing, map[string]decision{
		"what its proof left at the source is removed":  {given: clearing, step: "effect clean-up", check: func(t *testing.T, j *job, s replication.Step) { require.Equal(t, []string{"k", "o"}, s.Effect.Keys) }},
		"then its rule is closed":                       {given: clearing, outcome: done(replication.EffectCleanUp), step: "next stopping", check: left("perhaps the copy dest-bucket/k")},
		"what cannot be removed is named":               {given: clearing, outcome: &replication.Outcome{Effect: replication.EffectCleanUp, Result: replication.ResultDone, LeftOver: []string{"k"}}, step: "next stopping", check: left("object src-bucket/k", "perhaps the copy dest-bucket/k")},
		"the answer was lost: again":                    {given: clearing, outcome: lost(replication.EffectCleanUp), step: "effect clean-up"},
		"it cannot be done: the rule is more important": {given: clearing, outcome: refused(replication.EffectCleanUp, replication.TroubleFinal, "X"), step: "next stopping", check: left("object src-bucket/k", "object src-bucket/o", "perhaps the copy dest-bucket/k")},
	})
}

func clearing(j *job, w *world) {
	stopping(j, w)
	j.Verification = &replication.Verification{Step: replication.StepArrive, Key: "k", OutsideKey: "o", Begun: true, First: &replication.ObjectSeen{}}
}

func TestAnOrderGoesBeforeWhatThePhaseWouldDo(t *testing.T) {
	for _, r := range replication.Table() {
		switch r.Phase {
		case replication.PhaseClearing, replication.PhaseStopping, replication.PhaseOrdering, replication.PhaseAwaiting, replication.PhaseBlocked:
			continue
		}
		t.Run(string(r.Phase), func(t *testing.T) {
			j := at(r.Phase, request())
			j.Made.Role, j.Ending = noon, &replication.Ending{Phase: replication.PhaseFailed}
			before := j.Clone()
			require.True(t, j.Order(anOrder))
			require.True(t, replication.OnlyOrdered(before, j))
			require.False(t, j.AtRest())
			require.Equal(t, replication.OwnerProvision, j.Owner(), "whoever had it")
			require.False(t, j.Order(replication.Order{By: "CHG-8", At: noon}), "one order stands for all")
			s := replication.Decide(j, replication.View{Now: noon})
			require.Equal(t, replication.PhaseStopping, s.Next)
			require.Equal(t, replication.PhaseStopping, j.Phase)
			require.Nil(t, j.Ending)
		})
	}
	t.Run("a proof that is broken off is cleared first", func(t *testing.T) {
		j := at(replication.PhaseVerifying, request())
		clearing(j, nil)
		require.Equal(t, replication.PhaseClearing, replication.Decide(j, replication.View{Now: noon}).Next)
		require.Equal(t, replication.OwnerVerify, j.Owner(), "who has the rights")
	})
}

func TestAnOrderTouchesNothingOfAWorkerThatIsAtIt(t *testing.T) {
	j := at(replication.PhaseRole, request())
	j.Intent = &replication.Intent{Effect: replication.Effect{Kind: replication.EffectCreateRole}, Worker: "w", Until: noon.Add(time.Minute)}
	j.CheckBy = noon.Add(2 * time.Minute)
	before := j.Clone()
	require.True(t, j.Order(anOrder))
	require.Equal(t, before.Intent, j.Intent)
	require.Equal(t, before.CheckBy, j.CheckBy)
	require.True(t, replication.OnlyOrdered(before, j))
	require.True(t, j.Claimed(noon))

	for name, more := range map[string]func(*job){
		"another phase":   func(j *job) { j.Phase = replication.PhasePolicy },
		"no intent":       func(j *job) { j.Intent = nil },
		"a result more":   func(j *job) { j.Outbox = append(j.Outbox, replication.Event{ID: "x"}) },
		"a served order":  func(j *job) { j.Stop.Served = noon },
		"no order at all": func(j *job) { j.Stop = nil },
	} {
		c := j.Clone()
		more(c)
		require.False(t, replication.OnlyOrdered(before, c), "an entry with %s is somebody else's", name)
	}
}

func TestAnOrderForAJobThatHoldsNothingChangesNothing(t *testing.T) {
	for _, p := range []replication.Phase{replication.PhaseRejected, replication.PhaseFailed, replication.PhaseCancelled, replication.PhaseStopped} {
		j := at(p, request())
		require.False(t, j.Order(anOrder), p)
		require.Nil(t, j.Stop)
	}
	stop, problems := replication.Parse([]byte(`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1"}`))
	require.Empty(t, problems)
	require.False(t, replication.NewJob(stop, noon).Order(anOrder), "a stop is not stopped")
}

func TestAJobThatWasStoppedBeforeItsTicketCame(t *testing.T) {
	j := replication.Cancelled("CHG-1", anOrder)
	j.Stamp(1)
	require.True(t, j.CameTooLate())
	require.Equal(t, replication.PhaseCancelled, j.Phase)
	require.Equal(t, "CHG-1/1/0", j.LastEvent.ID)
	require.Equal(t, []string{"replidesk.request.stopped job.cancelled"}, eventsOf(j))
	require.False(t, j.Ordered())
	require.False(t, at(replication.PhaseRole, request()).CameTooLate())
}

// stopJob returns the job of a stop ticket.
func stopJob(p replication.Phase) *job {
	r, problems := replication.Parse([]byte(`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1"}`))
	if len(problems) > 0 {
		panic(problems)
	}
	j := replication.NewJob(r, noon)
	j.Phase, j.Outbox = p, nil
	return j
}

func TestAStopTicketOrdersAndWaits(t *testing.T) {
	at := func(p replication.Phase, s replication.TargetSeen, after time.Duration) (*job, replication.Step) {
		j := stopJob(p)
		d := through(t, j, world{Target: &s}, noon.Add(after), replication.Decide)
		return d.job, d.step
	}
	target := func(p replication.Phase, change func(*replication.TargetSeen)) replication.TargetSeen {
		s := replication.TargetSeen{Phase: p, AtRest: true, Message: "why"}
		if change != nil {
			change(&s)
		}
		return s
	}
	t.Run("first the order is written", func(t *testing.T) {
		_, s := at(replication.PhaseReceived, target("", nil), 0)
		require.Equal(t, replication.PhaseOrdering, s.Next)
		_, s = at(replication.PhaseOrdering, target("", nil), 0)
		require.Equal(t, &replication.Order{Action: replication.ActionStop, By: "CHG-9", At: noon}, s.Effect.Order)
		for _, o := range []*replication.Outcome{lost(replication.EffectOrder), done(replication.EffectOrder)} {
			j := stopJob(replication.PhaseOrdering)
			o.Target = &replication.TargetSeen{Rev: 1}
			require.Empty(t, stepOf(replication.Settle(j, *o, replication.View{Now: noon}), noon))
			s = replication.Decide(j, replication.View{Now: noon})
			want := map[replication.Result]string{replication.ResultDone: "next awaiting", replication.ResultUnknown: "effect order"}[o.Result]
			require.Equal(t, want, stepOf(s, noon))
		}
	})
	t.Run("a ticket that makes nothing cannot be stopped", func(t *testing.T) {
		j := stopJob(replication.PhaseOrdering)
		o := done(replication.EffectOrder)
		o.Target = &replication.TargetSeen{Rev: 1, Objection: &replication.Objection{Reason: replication.ReasonTargetUnfit, Message: "why"}}
		replication.Settle(j, *o, replication.View{Now: noon})
		require.Equal(t, "next rejected", stepOf(replication.Decide(j, replication.View{Now: noon}), noon))
		require.Equal(t, []string{"replidesk.request.rejected target.unfit"}, eventsOf(j))
	})
	for name, c := range map[string]struct {
		target replication.TargetSeen
		after  time.Duration
		step   string
		events []string
	}{
		"while the order is open it waits":      {target(replication.PhaseWatching, func(s *replication.TargetSeen) { s.Ordered = true }), 0, "wait 15s", nil},
		"while results are to be sent it waits": {target(replication.PhaseStopped, func(s *replication.TargetSeen) { s.AtRest = false }), 0, "wait 15s", nil},
		"after days it looks once an hour":      {target(replication.PhaseBlocked, func(s *replication.TargetSeen) { s.Ordered = true }), 48 * time.Hour, "wait 1h0m0s", nil},
		"the target is stopped":                 {target(replication.PhaseStopped, nil), 0, "next completed", []string{"replidesk.request.completed job.completed"}},
		"the target was refused long ago":       {target(replication.PhaseRejected, nil), 0, "next completed", []string{"replidesk.request.completed job.completed"}},
		"the target could not be taken back":    {target(replication.PhaseFailed, func(s *replication.TargetSeen) { s.Holds = true }), 0, "next failed", []string{"replidesk.request.failed target.stop-failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			j, s := at(replication.PhaseAwaiting, c.target, c.after)
			require.Equal(t, c.step, stepOf(s, noon.Add(c.after)))
			require.Equal(t, c.events, eventsOf(j))
			require.Contains(t, j.Message, fmt.Sprintf("ticket CHG-1 is %s: why", c.target.Phase))
		})
	}
}

func TestAStopTicketIsReadStrictly(t *testing.T) {
	good := `{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1","requester":"ana"}`
	r, problems := replication.Parse([]byte(good))
	require.Empty(t, problems)
	require.Empty(t, replication.Validate(r, replication.Desk{Account: account}))
	require.Equal(t, replication.Request{SpecVersion: "1", ID: "CHG-9", Action: replication.ActionStop, Target: "CHG-1", Requester: "ana"}, r, "no default of another action is in it")
	for name, c := range map[string]struct{ ticket, field string }{
		"no target":                   {`{"specVersion":"1","id":"CHG-9","action":"stop"}`, "target"},
		"a target that is no id":      {`{"specVersion":"1","id":"CHG-9","action":"stop","target":"../x"}`, "target"},
		"itself as target":            {`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-9"}`, "target"},
		"a source":                    {`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1","source":{"account":"12345","region":"cn-beijing","bucket":"abc"}}`, "source"},
		"a default of another action": {`{"specVersion":"1","id":"CHG-9","action":"stop","target":"CHG-1","rtc":false}`, "rtc"},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := replication.Parse([]byte(c.ticket))
			if len(p) == 0 {
				p = replication.Validate(r, replication.Desk{})
			}
			require.Len(t, p, 1)
			require.Equal(t, replication.ReasonInvalid, p[0].Code)
			require.Equal(t, c.field, p[0].Field)
		})
	}
}
