package replication_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const dryTicket = `{"specVersion":"1","id":"CHG-1","action":"replicate","dryRun":true,
 "source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"},
 "destination":{"account":"1000000000000001","region":"cn-shanghai","bucket":"dest-bucket"},"historical":{"replicate":false}}`

func TestATicketThatAsksForAPlanIsAnotherOneThanThatInEarnest(t *testing.T) {
	dry, problems := replication.Parse([]byte(dryTicket))
	require.Empty(t, problems)
	require.True(t, dry.DryRun)
	earnest, problems := replication.Parse([]byte(strings.Replace(dryTicket, `"dryRun":true,`, "", 1)))
	require.Empty(t, problems)
	require.NotEqual(t, earnest.Fingerprint(), dry.Fingerprint())
	spelt, problems := replication.Parse([]byte(strings.Replace(dryTicket, `"dryRun":true,`, `"dryRun":false,`, 1)))
	require.Empty(t, problems)
	require.Equal(t, earnest.Fingerprint(), spelt.Fingerprint())
	known := replication.Survey{Taken: replication.NewJob(earnest, noon)}
	require.Equal(t, []string{"ticket-known"}, codes(replication.Plan(dry, planDesk, known, noon).Risks), "a plan is about the ticket in earnest")
}

func TestAStopHasNoPlan(t *testing.T) {
	r, problems := replication.Parse([]byte(`{"specVersion":"1","id":"STOP-1","action":"stop","target":"CHG-1","dryRun":true}`))
	require.False(t, r.DryRun)
	require.Equal(t, "dryRun", problems[0].Field, "a stop that is only to be planned is not carried out")
}

func TestThePlanOfATicketIsAResult(t *testing.T) {
	r := request()
	p := replication.Plan(r, planDesk, free(r), noon)
	e := replication.Planned(p, "abcd", noon)
	require.Equal(t, replication.EventPlanned, e.Type)
	require.Equal(t, r.ID+"/planned/abcd", e.ID)
	require.Equal(t, e.ID, replication.Planned(p, "abcd", noon.Add(time.Hour)).ID)
	require.Equal(t, replication.ReasonPlanned, e.Reason)
	require.Equal(t, replication.ReasonPlanned.Remedy(), e.Remedy)
	whole, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, string(whole), string(e.Detail))
	var back replication.PlanResult
	require.NoError(t, json.Unmarshal(e.Detail, &back))
	require.Nil(t, back.Omitted)

	e = replication.Planned(replication.PlanRefused(replication.Parse([]byte(`{"id":"../x","dryRun":true,"colour":"red"}`))), "abcd", noon)
	require.Equal(t, "unknown/planned/abcd", e.ID)
	require.Equal(t, replication.ReasonUnknownField, e.Reason)
	require.Equal(t, "the ticket would be refused: there is no field colour", e.Message)
	require.Equal(t, replication.ReasonUnknownField.Remedy(), e.Remedy)
}

func TestAPlanThatCouldNotBeMadeSaysWhy(t *testing.T) {
	for kind, reason := range map[replication.TroubleKind]replication.Reason{
		replication.TroubleDenied: replication.ReasonDenied, replication.TroubleThrottled: replication.ReasonThrottled,
		replication.TroubleQuota: replication.ReasonQuota, replication.TroubleGone: replication.ReasonBucketGone,
		replication.TroubleUnread: replication.ReasonUnreadable, replication.TroubleFinal: replication.ReasonRefused,
		replication.TroublePassing: replication.ReasonUnavailable,
	} {
		p := replication.PlanUnseen(request(), replication.Trouble{Kind: kind, Op: "GetBucketInfo src-bucket", Code: "No", Message: "because"})
		require.False(t, p.Accepted)
		require.Equal(t, replication.TopologyCRR, p.Topology)
		require.Equal(t, reason, p.Reasons[0].Code)
		require.Equal(t, "the pair could not be looked at: GetBucketInfo src-bucket answered No: because", p.Reasons[0].Message)
	}
}

// longPlan is a plan with much of everything that tickets and buckets can make long.
func longPlan() replication.PlanResult {
	r := request()
	r.Objects.Prefixes = nil
	for i := range 100 {
		r.Objects.Prefixes = append(r.Objects.Prefixes, fmt.Sprintf("%d%s/", i+100, strings.Repeat("<", 900)))
	}
	desk := planDesk
	desk.MaxPrefixes = 100
	s := free(r)
	s.More.SourceLifecycle = &replication.LifecycleSeen{}
	for i := range 200 {
		s.More.SourceLifecycle.Rules = append(s.More.SourceLifecycle.Rules, replication.LifecycleRule{ID: fmt.Sprint(i), Enabled: true,
			Prefix: fmt.Sprintf("%d%s/%s", i%100+100, strings.Repeat("<", 900), strings.Repeat("x", 90)), Expires: "1 day after their last change", Classes: []string{"to IA at once"}})
	}
	return replication.Plan(r, desk, s, noon)
}

func TestAPlanThatIsTooLongForAMessageSaysWhatWasLeftOut(t *testing.T) {
	p := longPlan()
	require.True(t, p.Accepted, "%v", p.Reasons)
	whole, err := json.Marshal(p)
	require.NoError(t, err)
	require.Greater(t, len(whole), 1<<20)
	steps, risks := len(p.Steps), len(p.Risks)
	for most, omitted := range map[int][]string{
		2 << 20:   nil,
		500 << 10: {"the effects of the steps; their documents are in the diffs", "the diffs of the steps"},
		40 << 10: {"the effects of the steps; their documents are in the diffs", "the diffs of the steps", "what is longer than 400 bytes in a sentence",
			fmt.Sprintf("%d of the %d risks", risks-40, risks), "20 of the 40 risks"},
	} {
		fit := p.Fit(most)
		b, err := json.Marshal(fit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), most)
		require.Subset(t, fit.Omitted, omitted)
		require.Equal(t, len(omitted) == 0, len(fit.Omitted) == 0)
	}
	again, err := json.Marshal(p)
	require.NoError(t, err)
	require.Equal(t, string(whole), string(again), "the plan itself stays as it was")
	require.Len(t, p.Steps, steps)
}

func TestEveryPlanFitsIntoAMessage(t *testing.T) {
	huge := strings.Repeat("\x00<\u2028", 10000)
	for name, p := range map[string]replication.PlanResult{
		"one with many prefixes and rules": longPlan(),
		"one of a ticket of wrong names": replication.PlanRefused(replication.Request{ID: huge, Source: replication.End{Bucket: huge}, Destination: replication.End{Region: huge}},
			replication.Problems{{Code: replication.ReasonInvalid, Field: huge, Message: huge}}),
		"one of a ticket with a thousand wrong members": func() replication.PlanResult {
			body := `{"id":"CHG-1","dryRun":true`
			for i := range 3000 {
				body += fmt.Sprintf(`,"x%d":1`, i)
			}
			r, problems := replication.Parse([]byte(body + "}"))
			require.True(t, r.DryRun)
			return replication.PlanRefused(r, problems)
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			e := replication.Planned(p, "abcd", noon)
			b, err := e.CloudEvent("replidesk/1234567890123456/cn-hangzhou")
			require.NoError(t, err)
			require.LessOrEqual(t, len(b), 48<<10, "so much is 64 KB in base64")
			require.NotContains(t, string(b), `"omitted":"`)
			require.Contains(t, string(b), `"omitted":[`)
		})
	}
}
