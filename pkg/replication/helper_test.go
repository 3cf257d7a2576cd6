package replication_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

type (
	job   = replication.Job
	world = replication.Seen
)

const (
	ruleID  = "rule-1"
	account = "1000000000000001"
)

// noon is when the job of a test entered its phase.
var noon = time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func request() replication.Request {
	r, p := replication.Parse([]byte(`{"specVersion":"1","id":"CHG-2041","action":"replicate",
	 "source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"},
	 "destination":{"account":"1000000000000001","region":"cn-shanghai","bucket":"dest-bucket"},
	 "objects":{"prefixes":["image/","video"]},"historical":{"replicate":false}}`))
	if len(p) > 0 {
		panic(p)
	}
	return r
}

// stands returns the rule of a request as OSS shows it.
func stands(r replication.Request) replication.RuleSeen {
	s := replication.RuleFor(r)
	g := replication.RuleSeen{ID: ruleID, Destination: s.Destination.Bucket, Location: s.Destination.Location(), Prefixes: s.Prefixes, Tags: s.Tags,
		Action: s.Action, Historical: s.Historical, SyncRole: s.SyncRole, Status: replication.RuleDoing}
	if s.Transfer == replication.TransferAcceleration {
		g.TransferType = s.Transfer
	}
	if s.RTC {
		g.RTC = "enabled"
	}
	if s.KMSKey != "" {
		g.KMS, g.KMSKey = "Enabled", s.KMSKey
	}
	return g
}

// healthy returns a world in which everything of the job is there and as it should be.
func healthy(r replication.Request) world {
	bucket := func(e replication.End) *replication.BucketSeen {
		return &replication.BucketSeen{Is: replication.Exists, Owner: e.Account, Region: e.Region}
	}
	w := world{
		Source: bucket(r.Source), Destination: bucket(r.Destination),
		Locations:  &replication.LocationsSeen{Regions: []string{"cn-beijing", "cn-shanghai"}, RTC: []string{"cn-beijing", "cn-shanghai"}},
		Rules:      &replication.RulesSeen{Rules: []replication.RuleSeen{stands(r)}},
		Progress:   &replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Watermark: noon},
		Role:       &replication.RoleSeen{Is: replication.Exists, Trust: replication.TrustPolicy()},
		Policy:     &replication.PolicySeen{Is: replication.Exists, Document: replication.RolePolicy(r)},
		Attachment: &replication.AttachmentSeen{Attached: true},
		Canary:     &replication.ObjectSeen{Is: replication.Missing}, Outside: &replication.ObjectSeen{Is: replication.Missing},
		Untagged: &replication.ObjectSeen{Is: replication.Missing}, DestinationEmpty: ptr(true),
		BucketPolicy: &replication.BucketPolicySeen{Is: replication.Exists, Document: policyOf(replication.GrantFor(r).String())},
		PolicyUse:    &replication.PolicyUseSeen{Versions: 1}, Target: &replication.TargetSeen{},
		Owner:            &replication.OwnerSeen{},
		SourceEncryption: &replication.EncryptionSeen{}, DestinationEncryption: &replication.EncryptionSeen{},
		Sample: &replication.SampleSeen{Looked: 3}, Key: keyFor(r), KeyPolicy: lent(r),
		Rights: &replication.RightsSeen{Policies: []replication.PolicyHeld{held("own", replication.RolePolicy(r))}},
	}
	if r.KMSKey() != "" {
		w.Attachment.Others, w.Attachment.System = []string{replication.KMSPolicy}, []string{replication.KMSPolicy}
	}
	return w
}

// at returns a job that entered the phase at noon after everything before went well.
func at(p replication.Phase, r replication.Request) *job {
	begun := noon.Add(-10 * time.Second)
	j := replication.NewJob(r, begun)
	j.Stamp(1)
	j.Outbox = nil
	j.Phase, j.Since = p, noon
	order := []replication.Phase{replication.PhasePreflight, replication.PhaseRole, replication.PhasePolicy, replication.PhaseAttachment,
		replication.PhaseKMSGrant, replication.PhaseDestination, replication.PhaseRule, replication.PhaseStarting, replication.PhaseVerifying}
	past := func(q replication.Phase) bool { return slices.Index(order, p) > slices.Index(order, q) }
	if past(replication.PhasePreflight) {
		j.Made.NoRule, j.Made.Pair = begun, begun
	}
	if past(replication.PhaseRole) {
		j.Made.Role = begun
	}
	if past(replication.PhasePolicy) {
		j.Made.Policy = begun
	}
	if past(replication.PhaseAttachment) {
		j.Made.Attachment = noon
	}
	if past(replication.PhaseKMSGrant) && r.KMSKey() != "" {
		j.Made.KMSPolicy, j.OwnSSE = noon, "KMS"
	}
	if past(replication.PhaseDestination) && r.Across() {
		j.Access = &replication.Access{Owner: desk.Handshake(r), Seen: noon}
		if !j.Access.Owner {
			j.Made.Grant = noon
		}
	}
	if past(replication.PhaseRule) {
		j.Made.Rule, j.Rule = noon, &replication.Rule{ID: ruleID, Accepted: noon, Confirmed: noon}
	}
	if past(replication.PhaseStarting) {
		j.Rule.Live = noon
	}
	return j
}

// A decision is one case: what is different from a job at noon in a healthy world,
// what happens, and what is decided.
type decision struct {
	ask     func(*replication.Request) // changes what the ticket asks for
	given   func(*job, *world)         // changes the job and the world
	after   time.Duration              // since noon
	outcome *replication.Outcome       // of the effect that was under way; nil: none was
	crash   replication.EffectKind     // the effect that a worker died of; "": none did
	trouble *replication.Trouble       // of a look; nil: all looks succeed

	step   string // such as "effect put-rule", "wait 5s", "next rule"
	reason replication.Reason
	says   []string // parts of the message
	events []string // such as "replidesk.request.blocked role.missing"
	check  func(*testing.T, *job, replication.Step)
}

// decided is what came of a case.
type decided struct {
	job   *job
	step  replication.Step
	looks replication.Look
}

// decide does for one decision what the engine does: it looks at what the decision
// asks for, drops what a decision that looks has changed, and goes on while the job
// stays in its phase.
func decide(t *testing.T, j *job, w world, now time.Time) decided {
	t.Helper()
	d := decided{job: j}
	for range 8 {
		phase := d.job.Phase
		d = through(t, d.job, w, now, replication.Decide)
		if d.step.Next == "" || d.step.Next != phase {
			return d
		}
	}
	t.Fatal("the job goes round in its phase")
	return d
}

func through(t *testing.T, j *job, w world, now time.Time, f func(*job, replication.View) replication.Step) decided {
	t.Helper()
	v := replication.View{Now: now, Desk: desk}
	for range 8 {
		c := j.Clone()
		s := f(c, v)
		requireOne(t, s)
		if s.Look == 0 {
			return decided{job: c, step: s, looks: seenLooks(v.Seen)}
		}
		require.NotZero(t, v.Seen.Missing(s.Look), "a look that was had is asked for again")
		reveal(&v.Seen, w, s.Look)
	}
	t.Fatal("the decision looks and looks")
	return decided{}
}

func requireOne(t *testing.T, s replication.Step) {
	t.Helper()
	n := 0
	for _, is := range []bool{s.Look != 0, s.Effect != nil, !s.Wait.IsZero(), s.Next != ""} {
		if is {
			n++
		}
	}
	require.LessOrEqual(t, n, 1, "a step is one thing: %+v", s)
}

// reveal adds to seen what the looks show of the world.
func reveal(seen *world, w world, l replication.Look) {
	show(seen, w, l, replication.LookSource, func() { seen.Source = w.Source })
	show(seen, w, l, replication.LookDestination, func() { seen.Destination = w.Destination })
	show(seen, w, l, replication.LookLocations, func() { seen.Locations = w.Locations })
	show(seen, w, l, replication.LookRules, func() { seen.Rules = w.Rules })
	show(seen, w, l, replication.LookProgress, func() { seen.Progress = w.Progress })
	show(seen, w, l, replication.LookRole, func() { seen.Role = w.Role })
	show(seen, w, l, replication.LookPolicy, func() { seen.Policy = w.Policy })
	show(seen, w, l, replication.LookAttachment, func() { seen.Attachment = w.Attachment })
	show(seen, w, l, replication.LookCanary, func() { seen.Canary = w.Canary })
	show(seen, w, l, replication.LookOutside, func() { seen.Outside = w.Outside })
	show(seen, w, l, replication.LookUntagged, func() { seen.Untagged = w.Untagged })
	show(seen, w, l, replication.LookDestinationEmpty, func() { seen.DestinationEmpty = w.DestinationEmpty })
	show(seen, w, l, replication.LookPolicyUse, func() { seen.PolicyUse = w.PolicyUse })
	show(seen, w, l, replication.LookBucketPolicy, func() { seen.BucketPolicy = w.BucketPolicy })
	show(seen, w, l, replication.LookRights, func() { seen.Rights = w.Rights })
	show(seen, w, l, replication.LookTarget, func() { seen.Target = w.Target })
	show(seen, w, l, replication.LookGap, func() { seen.Gap = w.Gap })
	show(seen, w, l, replication.LookOwner, func() { seen.Owner = w.Owner })
	show(seen, w, l, replication.LookSourceEncryption, func() { seen.SourceEncryption = w.SourceEncryption })
	show(seen, w, l, replication.LookDestinationEncryption, func() { seen.DestinationEncryption = w.DestinationEncryption })
	show(seen, w, l, replication.LookSample, func() { seen.Sample = w.Sample })
	show(seen, w, l, replication.LookKey, func() { seen.Key = w.Key })
	show(seen, w, l, replication.LookKeyPolicy, func() { seen.KeyPolicy = w.KeyPolicy })
}

func show(seen *world, w world, asked, one replication.Look, take func()) {
	if asked.Has(one) {
		if !w.Has(one) {
			panic(fmt.Sprintf("the world of the test does not show look %b", one))
		}
		take()
	}
}

func seenLooks(s world) replication.Look {
	const every = ^replication.Look(0)
	return every &^ s.Missing(every)
}

// stepOf words a step as the cases do.
func stepOf(s replication.Step, now time.Time) string {
	switch {
	case s.Effect != nil:
		return "effect " + string(s.Effect.Kind)
	case !s.Wait.IsZero():
		return "wait " + s.Wait.Sub(now).String()
	case s.Next != "":
		return "next " + string(s.Next)
	}
	return ""
}

func eventsOf(j *job) []string {
	var s []string
	for _, e := range j.Outbox {
		s = append(s, string(e.Type)+" "+string(e.Reason))
	}
	return s
}

// decideAll runs the cases of one phase.
func decideAll(t *testing.T, p replication.Phase, cases map[string]decision) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { c.run(t, p) })
	}
}

func (c decision) run(t *testing.T, p replication.Phase) {
	r := request()
	if c.ask != nil {
		c.ask(&r)
	}
	j, w := at(p, r), healthy(r)
	if c.given != nil {
		c.given(j, &w)
	}
	now := noon.Add(c.after)
	d := decided{job: j}
	switch {
	case c.outcome != nil:
		c.outcome.At = now
		j.Intent = &replication.Intent{Effect: replication.Effect{Kind: c.outcome.Effect}}
		d = through(t, j, w, now, func(j *job, v replication.View) replication.Step { return replication.Settle(j, *c.outcome, v) })
		require.Nil(t, d.job.Intent, "the effect is over")
	case c.crash != "":
		j.Intent = &replication.Intent{Effect: replication.Effect{Kind: c.crash}}
		d = through(t, j, w, now, replication.AfterCrash)
		require.Nil(t, d.job.Intent, "the dead worker has no claim any more")
		require.True(t, d.job.TakenOver)
	case c.trouble != nil:
		d = through(t, j, w, now, func(j *job, v replication.View) replication.Step { return replication.AfterTrouble(j, *c.trouble, v) })
		require.Zero(t, d.looks, "trouble is not followed by a look")
	}
	if (d.step == replication.Step{} || d.step.Next == p) {
		d = decide(t, d.job, w, now)
	}
	require.Equal(t, c.step, stepOf(d.step, now), d.job.Message)
	if c.reason != "" {
		require.Equal(t, c.reason, d.job.Reason, d.job.Message)
	}
	for _, part := range c.says {
		require.Contains(t, d.job.Message, part)
	}
	require.Equal(t, c.events, eventsOf(d.job))
	if c.check != nil {
		c.check(t, d.job, d.step)
	}
}

func done(k replication.EffectKind) *replication.Outcome {
	return &replication.Outcome{Effect: k, Result: replication.ResultDone}
}

func lost(k replication.EffectKind) *replication.Outcome {
	return &replication.Outcome{Effect: k, Result: replication.ResultUnknown, Trouble: &replication.Trouble{Kind: replication.TroublePassing, Op: string(k), Message: "no answer"}}
}

func exists(k replication.EffectKind) *replication.Outcome {
	return &replication.Outcome{Effect: k, Result: replication.ResultExists}
}

func refused(k replication.EffectKind, kind replication.TroubleKind, code string) *replication.Outcome {
	return &replication.Outcome{Effect: k, Result: replication.ResultRefused, Trouble: &replication.Trouble{Kind: kind, Op: string(k), Code: code, RequestID: "R-1"}}
}
