package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

func ticketInProof(t *testing.T, received time.Time) (*replication.Job, replication.View) {
	t.Helper()
	r, p := replication.Parse([]byte(good))
	require.Empty(t, p)
	j := replication.NewJob(r, received)
	j.Phase, j.Rule = replication.PhaseVerifying, &replication.Rule{ID: "rule-1", Accepted: received, Confirmed: received, Live: received}
	j.Made.Rule, j.Made.Pair = received, received
	return j, replication.View{Now: received.Add(time.Hour)}
}

// storedCanary carries the proof through the put of the canary and returns what OSS stored.
func storedCanary(t *testing.T, j *replication.Job, v replication.View) replication.ObjectSeen {
	t.Helper()
	step := replication.Row(j.Phase).Decide(j, v)
	require.Equal(t, replication.EffectPutCanary, step.Effect.Kind)
	replication.Settle(j, replication.Outcome{Effect: step.Effect.Kind, Result: replication.ResultDone, At: v.Now, Object: &replication.ObjectSeen{Is: replication.Exists}}, v)
	return *j.Verification.First
}

func TestWhatStoodUnderTheKeyOfTheCanaryBeforeProvesNothing(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	older, v := ticketInProof(t, at)
	left := storedCanary(t, older, v)
	j, v := ticketInProof(t, at.Add(24*time.Hour))
	ours := storedCanary(t, j, v)
	require.NotEqual(t, left.CRC64, ours.CRC64, "the same ticket writes other bytes after its journal was lost")

	j.Verification.Step = replication.StepArrive
	for name, there := range map[string]replication.ObjectSeen{
		"an object of somebody else":            {Is: replication.Exists, CRC64: "7", Size: 3},
		"the canary of an earlier job, left on": left,
	} {
		c, v := j.Clone(), v
		v.Seen.Canary = &there
		step := replication.Row(c.Phase).Decide(c, v)
		require.NotZero(t, step.Wait, "%s is waited past", name)
		require.Contains(t, c.Message, "another object stands under its key")
	}
	damaged := ours
	damaged.Size++
	v.Seen.Canary = &damaged
	replication.Row(j.Phase).Decide(j, v)
	require.Equal(t, replication.ReasonCanaryDiffers, j.Reason, "our own copy, damaged, is a finding")
}

func TestThatNothingStrayedIsNotBelievedAtOnce(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	j, v := ticketInProof(t, at)
	storedCanary(t, j, v)
	p := j.Verification
	p.Step, p.OutsideKey, p.Strays, p.Written = replication.StepScope, "imag.replidesk/x", v.Now, v.Now
	look := func(watermark time.Time, later time.Duration) replication.Step {
		c, v := j.Clone(), v
		v.Now = v.Now.Add(later)
		v.Seen = replication.Seen{Outside: &replication.ObjectSeen{Is: replication.Missing}, Progress: &replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Watermark: watermark}}
		return replication.Row(c.Phase).Decide(c, v)
	}
	require.NotZero(t, look(v.Now, time.Second).Wait, "it may still be on its way")
	require.Equal(t, replication.PhaseVerifying, look(v.Now.Add(time.Second), time.Second).Next, "the watermark has passed it")
	require.Equal(t, replication.PhaseVerifying, look(time.Time{}, 2*time.Minute).Next, "on an idle bucket time has")
}

func TestABucketThatWasDeletedIsNamedAndNotTriedForHours(t *testing.T) {
	j, v := ticketInProof(t, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	step := replication.AfterTrouble(j, replication.Trouble{Kind: replication.TroubleGone, Op: "HeadObject dest-bucket", Code: "NoSuchBucket"}, v)
	require.Equal(t, replication.PhaseBlocked, step.Next)
	require.Equal(t, replication.ReasonBucketGone, j.Reason)
	require.Contains(t, j.Message, "dest-bucket")
}

func TestAPhaseThatThisVersionDoesNotKnowIsNotAtRest(t *testing.T) {
	j := &replication.Job{Phase: "from-the-future"}
	require.False(t, j.AtRest(), "its mark is not ours to take away")
}
