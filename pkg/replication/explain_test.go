package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// explained words the parts of an explanation that differ from case to case.
type explained struct {
	waits, who string
	remedy     bool
	next       time.Duration // since noon
	givenUp    time.Duration // since noon; 0: never by a date
	made       []string      // what, with "perhaps" before what is not certain
	ahead      []replication.Phase
}

func TestAnExplanationSaysWhereAJobIsAndWhoHasToAct(t *testing.T) {
	const pair, role, policy, attachment, rule = "claim of the pair", "role", "policy", "attachment", "rule"
	after := func(p replication.Phase) []replication.Phase {
		way := []replication.Phase{replication.PhasePreflight, replication.PhaseRole, replication.PhasePolicy, replication.PhaseAttachment,
			replication.PhaseRule, replication.PhaseStarting, replication.PhaseVerifying, replication.PhaseWatching}
		for i, q := range way {
			if q == p {
				return way[i+1:]
			}
		}
		return way
	}
	for name, c := range map[string]struct {
		phase replication.Phase
		given func(*job)
		want  explained
	}{
		"a stop that was just taken in": {replication.PhaseReceived, func(j *job) { j.Request = stopJob(replication.PhaseReceived).Request },
			explained{waits: "its job has begun", who: "nobody", ahead: []replication.Phase{replication.PhaseOrdering, replication.PhaseAwaiting, replication.PhaseCompleted}}},
		"ordered to stop": {replication.PhaseStarting, func(j *job) { j.Order(anOrder) },
			explained{waits: "its job has begun", who: "nobody", givenUp: 6 * time.Hour, made: []string{pair, role, policy, attachment, rule},
				ahead: []replication.Phase{replication.PhaseStopping, replication.PhaseStopped}}},
		"stopping, with a role that may be there": {replication.PhaseStopping, func(j *job) {
			j.Order(anOrder)
			j.Made.Pair, j.Made.RoleAsked = noon, true
		}, explained{waits: "its job has begun", who: "nobody", made: []string{pair, "perhaps " + role}, ahead: []replication.Phase{replication.PhaseStopped}}},
		"failed, with a retry": {replication.PhaseFailed, func(j *job) { j.Order(aRetry) },
			explained{waits: "the order of retry ticket CHG-9 to be dealt with", who: "whoever sent the ticket",
				ahead: append([]replication.Phase{replication.PhaseRetrying}, after("")...)}},
		"watched, with an order to turn replication time control on": {replication.PhaseWatching, func(j *job) {
			j.Order(replication.Order{Action: replication.ActionSetRTC, By: "CHG-9", At: noon, RTC: true})
		}, explained{waits: "the order of set-rtc ticket CHG-9 to be dealt with", who: "nobody", ahead: []replication.Phase{replication.PhaseAdjusting, replication.PhaseWatching}}},
		"a retry of a ticket of which nothing is known": {replication.PhaseOrdering, func(j *job) {
			j.Request = orderTicket(replication.PhaseOrdering, replication.ActionRetry, "").Request
			j.Received, j.Reason, j.Message = noon, replication.ReasonTargetUnknown, "nothing is known of ticket CHG-1 yet"
		}, explained{waits: "nothing is known of ticket CHG-1 yet", who: "nobody", givenUp: 10 * time.Minute, ahead: []replication.Phase{replication.PhaseAwaiting, replication.PhaseCompleted}}},
		"just taken in": {replication.PhaseReceived, nil,
			explained{waits: "its job has begun", who: "nobody", ahead: after("")}},
		"waiting for an older rule to go": {replication.PhasePreflight, func(j *job) {
			j.Reason, j.Message, j.Due = replication.ReasonRuleClosing, "rule r is being removed", noon.Add(15*time.Second)
		}, explained{waits: "rule r is being removed", who: "nobody", next: 15 * time.Second, givenUp: 2 * time.Hour, ahead: after(replication.PhasePreflight)}},
		"a claim that was begun and has no outcome": {replication.PhasePreflight, func(j *job) { j.Made.PairAsked = true },
			explained{waits: "its job has begun", who: "nobody", made: []string{"perhaps " + pair}, ahead: after(replication.PhasePreflight)}},
		"a worker is at it": {replication.PhaseRole, func(j *job) {
			j.Intent = &replication.Intent{Effect: replication.Effect{Kind: replication.EffectCreateRole}, Worker: "provision/1", Until: noon.Add(time.Hour)}
		}, explained{waits: "the outcome of create-role", who: "nobody", made: []string{pair}, ahead: after(replication.PhaseRole)}},
		"a worker died": {replication.PhaseRole, func(j *job) {
			j.Intent = &replication.Intent{Effect: replication.Effect{Kind: replication.EffectCreateRole}, Worker: "provision/1", Until: noon}
		}, explained{waits: "another worker to take over: provision/1 began create-role", who: "nobody", made: []string{pair}, ahead: after(replication.PhaseRole)}},
		"starting": {replication.PhaseStarting, func(j *job) {
			j.Reason, j.Message, j.Due = replication.ReasonStarting, "rule rule-1 is starting", noon.Add(3*time.Minute)
		}, explained{waits: "rule rule-1 is starting", who: "nobody", next: 3 * time.Minute, givenUp: 6 * time.Hour,
			made: []string{pair, role, policy, attachment, rule}, ahead: after(replication.PhaseStarting)}},
		"starting, and late": {replication.PhaseStarting, func(j *job) { j.Reason, j.Message = replication.ReasonStartingLate, "late" },
			explained{waits: "late", who: "whoever operates this desk", remedy: true, givenUp: 6 * time.Hour,
				made: []string{pair, role, policy, attachment, rule}, ahead: after(replication.PhaseStarting)}},
		"a put without an answer": {replication.PhaseRule, func(j *job) { j.Rule = &replication.Rule{Unsettled: true} },
			explained{waits: "its job has begun", who: "nobody", made: []string{pair, role, policy, attachment, "perhaps " + rule}, ahead: after(replication.PhaseRule)}},
		"blocked by a role that is missing": {replication.PhaseBlocked, func(j *job) {
			*j = *at(replication.PhaseVerifying, j.Request)
			j.Phase, j.Reason, j.Message = replication.PhaseBlocked, replication.ReasonRoleMissing, "no role"
			j.Block = &replication.Block{Resume: replication.PhaseVerifying, Since: noon, Next: noon.Add(5 * time.Minute)}
			j.Due = j.Block.Next
			j.Verification = &replication.Verification{Step: replication.StepArrive, Key: "image/k", OutsideKey: "o", Begun: true, Written: noon,
				First: &replication.ObjectSeen{Is: replication.Exists}}
		}, explained{waits: "no role", who: "whoever administers RAM in the source account", remedy: true, next: 5 * time.Minute, givenUp: 6 * time.Hour,
			made:  []string{pair, role, policy, attachment, rule, "object src-bucket/image/k", "object src-bucket/o"},
			ahead: []replication.Phase{replication.PhaseVerifying, replication.PhaseWatching}}},
		"proving a tag filter": {replication.PhaseVerifying, func(j *job) {
			*j = *at(replication.PhaseVerifying, j.Request)
			j.Reason, j.Message = replication.ReasonWorking, "proving"
			j.Verification = &replication.Verification{Step: replication.StepUntagged, Key: "image/k", OutsideKey: "o", UntaggedKey: "u", Begun: true, Written: noon,
				First: &replication.ObjectSeen{Is: replication.Exists}}
		}, explained{waits: "proving", who: "nobody", givenUp: 6 * time.Hour,
			made:  []string{pair, role, policy, attachment, rule, "object src-bucket/image/k", "object src-bucket/o", "perhaps object src-bucket/u"},
			ahead: after(replication.PhaseVerifying)}},
		"blocked by a right that the function lacks": {replication.PhaseBlocked, func(j *job) {
			j.Reason, j.Message = replication.ReasonDenied, "CreateRole answered NoPermission"
			j.Block = &replication.Block{Resume: replication.PhaseRole, Since: noon, Next: noon.Add(5 * time.Minute)}
		}, explained{waits: "CreateRole answered NoPermission", who: "whoever grants rights to the functions of this desk", remedy: true, givenUp: 7 * 24 * time.Hour,
			ahead: append([]replication.Phase{replication.PhaseRole}, after(replication.PhaseRole)...)}},
		"blocked by buckets that were changed": {replication.PhaseBlocked, func(j *job) {
			j.Reason, j.Message = replication.ReasonVersioningSuspended, "suspended"
			j.Block = &replication.Block{Resume: replication.PhaseVerifying, Since: noon}
		}, explained{waits: "suspended", who: "the owner of the buckets", remedy: true, givenUp: 7 * 24 * time.Hour,
			ahead: []replication.Phase{replication.PhaseVerifying, replication.PhaseWatching}}},
		"closing a wrong rule": {replication.PhaseUndoing, func(j *job) {
			*j = *at(replication.PhaseStarting, j.Request)
			j.Phase, j.Reason, j.Message = replication.PhaseUndoing, replication.ReasonRuleDiffers, "differs"
			j.Ending = &replication.Ending{Phase: replication.PhaseFailed, Reason: replication.ReasonRuleDiffers}
		}, explained{waits: "differs", who: "nobody", givenUp: 2 * time.Hour, made: []string{pair, role, policy, attachment, rule},
			ahead: []replication.Phase{replication.PhaseReleasing, replication.PhaseFailed}}},
		"refused": {replication.PhaseRejected, func(j *job) { j.Reason, j.Message = replication.ReasonSourceMissing, "no bucket" },
			explained{who: "whoever sent the ticket", remedy: true}},
		"given up because the cloud was away": {replication.PhaseFailed, func(j *job) { j.Reason = replication.ReasonUnavailable },
			explained{who: "whoever sent the ticket", remedy: true}},
		"watched, with a copy left behind": {replication.PhaseWatching, func(j *job) {
			*j = *at(replication.PhaseVerifying, j.Request)
			j.Phase, j.Reason, j.Evidence = replication.PhaseWatching, replication.ReasonVerified, &replication.Evidence{By: "canary", At: noon, LeftBehind: []string{"dest-bucket/k"}}
			j.Verification = &replication.Verification{Begun: true, Key: "k"}
		}, explained{who: "nobody", made: []string{pair, role, policy, attachment, rule, "object dest-bucket/k"}}},
	} {
		t.Run(name, func(t *testing.T) {
			j := at(c.phase, request())
			if c.given != nil {
				c.given(j)
			}
			e := replication.Explain(j, noon.Add(time.Second))
			require.Equal(t, replication.Row(j.Phase).Meaning, e.PhaseMeaning)
			require.Equal(t, j.Reason.Meaning(), e.ReasonMeaning)
			require.EqualValues(t, 1, e.Seconds)
			require.Equal(t, c.want.who, e.Who)
			require.Equal(t, c.want.remedy, e.Remedy != "", "there is something to do for whoever has to act: %q", e.Remedy)
			require.Equal(t, c.want.waits == "", e.AtRest)
			require.Equal(t, e.AtRest, e.Waiting == nil)
			if w := e.Waiting; w != nil {
				require.Contains(t, w.For, c.want.waits)
				require.Equal(t, c.want.next, sinceNoon(w.Next))
				require.Equal(t, c.want.givenUp, sinceNoon(w.GivenUp))
			}
			made := []string{}
			for _, m := range e.Made {
				text := m.What
				if m.What == "object" {
					text += " " + m.Name
				}
				if m.Unsure {
					text = "perhaps " + text
				}
				made = append(made, text)
			}
			require.Equal(t, append([]string{}, c.want.made...), made)
			ahead := []replication.Phase{}
			for _, a := range e.Ahead {
				require.NotEmpty(t, a.Meaning)
				ahead = append(ahead, a.Phase)
			}
			require.Equal(t, append([]replication.Phase{}, c.want.ahead...), ahead)
		})
	}
}

func sinceNoon(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return t.Sub(noon)
}

func TestAnExplanationSaysWhetherTheLastResultHasLeft(t *testing.T) {
	j := replication.NewJob(request(), noon)
	require.Nil(t, replication.Explain(j, noon).Told, "nothing is stamped yet")
	j.Stamp(1)
	require.Equal(t, &replication.Told{ID: "CHG-2041/1/0", Type: replication.EventAccepted, Reason: replication.ReasonAccepted, At: noon},
		replication.Explain(j, noon).Told, "it is in the outbox")
	j.Outbox = nil
	require.True(t, replication.Explain(j, noon).Told.Sent)
}

func TestAnExplanationNamesAJobThatNobodyCameFor(t *testing.T) {
	j := at(replication.PhaseRule, request())
	j.CheckBy = noon.Add(time.Minute)
	require.False(t, replication.Explain(j, noon.Add(time.Minute)).Waiting.Overdue)
	require.True(t, replication.Explain(j, noon.Add(2*time.Minute)).Waiting.Overdue)
	j.Phase, j.Outbox = replication.PhaseFailed, []replication.Event{{ID: "a"}, {ID: "b"}}
	require.Equal(t, "2 results to be sent", replication.Explain(j, noon).Waiting.For)
}

func TestWhoeverHasToActIsToldWhatToDo(t *testing.T) {
	for _, r := range replication.Reasons() {
		j := at(replication.PhaseBlocked, request())
		j.Block, j.Reason = &replication.Block{Resume: replication.PhaseRule, Since: noon}, r.Code
		e := replication.Explain(j, noon)
		require.NotEmpty(t, e.Who, r.Code)
		require.Equal(t, r.Remedy, e.Remedy, r.Code)
	}
}
