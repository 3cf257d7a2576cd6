package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// bare is the world before the job: nothing of it is there.
func bare(_ *job, w *world) { w.Rules = &replication.RulesSeen{} }

// with makes several changes one.
func with(changes ...func(*job, *world)) func(*job, *world) {
	return func(j *job, w *world) {
		for _, c := range changes {
			c(j, w)
		}
	}
}

func TestATicketThatWasTakenInGoesToPreflight(t *testing.T) {
	decideAll(t, replication.PhaseReceived, map[string]decision{
		"nothing is looked at yet": {step: "next preflight", reason: replication.ReasonWorking},
	})
	j := replication.NewJob(request(), noon)
	require.Equal(t, []string{"replidesk.request.accepted job.accepted"}, eventsOf(j))
	require.Equal(t, replication.ReasonAccepted, j.Reason)
	require.Equal(t, replication.OwnerProvision, j.Owner())
	require.False(t, j.AtRest())
}

func TestPreflightClaimsAPairThatIsFit(t *testing.T) {
	versioned := func(_ *job, w *world) { w.Source.Versioning, w.Destination.Versioning = "Enabled", "Enabled" }
	historical := func(r *replication.Request) { r.Historical.Replicate = ptr(true) }
	full := func(_ *job, w *world) { w.DestinationEmpty = ptr(false) }
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"two buckets without versions": {given: bare, step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) {
			require.False(t, j.Versioned)
			require.Equal(t, noon, j.Made.NoRule, "that there was no rule is saved with the claim")
			require.True(t, j.Made.PairAsked, "from here on the pair may be ours")
			require.Zero(t, j.Made.Pair)
		}},
		"two buckets with versions": {given: with(bare, versioned), step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) {
			require.True(t, j.Versioned)
		}},
		"a rule of the source for another destination": {given: func(_ *job, w *world) { w.Rules.Rules[0].Destination = "elsewhere" }, step: "effect claim-pair"},
		"history into an empty destination":            {ask: historical, given: bare, step: "effect claim-pair"},
		"history over objects that are versioned":      {ask: historical, given: with(bare, versioned, full), step: "effect claim-pair"},
		"history over objects, which the ticket accepts": {
			ask:   func(r *replication.Request) { historical(r); r.Historical.AcceptOverwrite = true },
			given: with(bare, full), step: "effect claim-pair",
		},
		"no history over objects": {given: with(bare, full), step: "effect claim-pair"},
		"the accelerated link where it is offered": {
			ask: func(r *replication.Request) { r.TransferAcceleration = true },
			given: with(bare, func(_ *job, w *world) {
				w.Locations.TransferOnly = map[string][]string{"cn-shanghai": {"oss_acc"}}
			}), step: "effect claim-pair",
		},
		"RTC where it is offered": {ask: func(r *replication.Request) { r.RTC = true }, given: bare, step: "effect claim-pair"},
	})
}

func TestPreflightAsksOnlyForWhatItNeeds(t *testing.T) {
	r := request()
	w := healthy(r)
	w.Rules = &replication.RulesSeen{}
	d := decide(t, at(replication.PhasePreflight, r), w, noon)
	require.Equal(t, replication.LookSource|replication.LookDestination|replication.LookLocations|replication.LookRules|encryptions, d.looks)

	w.Source.Is = replication.Missing
	d = decide(t, at(replication.PhasePreflight, r), w, noon)
	require.Equal(t, replication.LookSource|replication.LookDestination, d.looks, "an unfit bucket ends it before the rest is read")
}

func TestPreflightOfAPairWithinOneRegionAsksForNoOther(t *testing.T) {
	within := func(r *replication.Request) { r.Destination.Region = r.Source.Region }
	r := request()
	within(&r)
	w := healthy(r)
	w.Rules = &replication.RulesSeen{}
	d := decide(t, at(replication.PhasePreflight, r), w, noon)
	require.Equal(t, replication.LookSource|replication.LookDestination|replication.LookRules|encryptions, d.looks)
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"a list of regions without its own does not matter": {ask: within, given: with(bare, func(_ *job, w *world) { w.Locations.Regions = nil }), step: "effect claim-pair"},
		"a destination that lies elsewhere is refused": {ask: within, given: with(bare, func(_ *job, w *world) { w.Destination.Region = "cn-shanghai" }),
			step: "next rejected", reason: replication.ReasonDestinationRegion, says: []string{"lies in cn-shanghai, not in cn-hangzhou"},
			events: []string{"replidesk.request.rejected destination.region-differs"}},
		"history over objects is refused as between regions": {ask: func(r *replication.Request) { within(r); r.Historical.Replicate = ptr(true) },
			given: with(bare, func(_ *job, w *world) { w.DestinationEmpty = ptr(false) }), step: "next rejected", reason: replication.ReasonOverwrite,
			events: []string{"replidesk.request.rejected historical.would-overwrite"}},
	})
}

func TestPreflightRejects(t *testing.T) {
	rejected := func(reason replication.Reason, given func(*job, *world), says ...string) decision {
		return decision{given: with(bare, given), step: "next rejected", reason: reason, says: says, events: []string{"replidesk.request.rejected " + string(reason)},
			check: func(t *testing.T, j *job, _ replication.Step) {
				require.Zero(t, j.Made.Pair)
				require.NotContains(t, j.Message, "left in place")
				require.NotEmpty(t, j.Outbox[0].Remedy, "the result says what to do")
			}}
	}
	asking := func(d decision, ask func(*replication.Request)) decision { d.ask = ask; return d }
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"a source that does not exist":                       rejected(replication.ReasonSourceMissing, func(_ *job, w *world) { w.Source.Is = replication.Missing }, "src-bucket"),
		"a destination that does not exist":                  rejected(replication.ReasonDestinationMissing, func(_ *job, w *world) { w.Destination.Is = replication.Missing }, "dest-bucket"),
		"a source that we may not look at":                   rejected(replication.ReasonSourceNotOurs, func(_ *job, w *world) { *w.Source = replication.BucketSeen{Is: replication.Foreign} }, account),
		"a source of another owner":                          rejected(replication.ReasonSourceNotOurs, func(_ *job, w *world) { w.Source.Owner = "2000000000000002" }, "src-bucket"),
		"a destination that we may not look at":              rejected(replication.ReasonDestinationNotOurs, func(_ *job, w *world) { *w.Destination = replication.BucketSeen{Is: replication.Foreign} }, "dest-bucket"),
		"a destination of another owner":                     rejected(replication.ReasonDestinationNotOurs, func(_ *job, w *world) { w.Destination.Owner = "2000000000000002" }, account),
		"a source in another region":                         rejected(replication.ReasonSourceRegion, func(_ *job, w *world) { w.Source.Region = "cn-qingdao" }, "lies in cn-qingdao, not in cn-hangzhou"),
		"a destination in another region":                    rejected(replication.ReasonDestinationRegion, func(_ *job, w *world) { w.Destination.Region = "cn-qingdao" }, "not in cn-shanghai"),
		"a source whose versioning is suspended":             rejected(replication.ReasonVersioningSuspended, func(_ *job, w *world) { w.Source.Versioning = "Suspended" }, "src-bucket"),
		"a destination whose versioning is suspended":        rejected(replication.ReasonVersioningSuspended, func(_ *job, w *world) { w.Destination.Versioning = "Suspended" }, "dest-bucket"),
		"two buckets whose versioning is suspended":          rejected(replication.ReasonVersioningSuspended, func(_ *job, w *world) { w.Source.Versioning, w.Destination.Versioning = "Suspended", "Suspended" }),
		"versions at the source only":                        rejected(replication.ReasonVersioningDiffers, func(_ *job, w *world) { w.Source.Versioning = "Enabled" }, "src-bucket keeps versions, dest-bucket does not"),
		"versions at the destination only":                   rejected(replication.ReasonVersioningDiffers, func(_ *job, w *world) { w.Destination.Versioning = "Enabled" }, "dest-bucket keeps versions, src-bucket does not"),
		"a region that OSS does not replicate to":            rejected(replication.ReasonRegionNotAllowed, func(_ *job, w *world) { w.Locations.Regions = []string{"cn-beijing", "cn-qingdao"} }, "possible are cn-beijing, cn-qingdao"),
		"a region that only the accelerated link leads to":   rejected(replication.ReasonAccelerationNeeded, func(_ *job, w *world) { w.Locations.TransferOnly = map[string][]string{"cn-shanghai": {"oss_acc"}} }),
		"a rule for the pair that is in force":               rejected(replication.ReasonRuleExists, func(j *job, w *world) { w.Rules.Rules = []replication.RuleSeen{stands(j.Request)} }, "rule rule-1", "doing"),
		"a rule for the pair that is starting":               rejected(replication.ReasonRuleExists, func(j *job, w *world) { foreign(j, w, replication.RuleStarting) }, "starting"),
		"the accelerated link where it is not offered":       asking(rejected(replication.ReasonAccelerationPointless, func(*job, *world) {}), func(r *replication.Request) { r.TransferAcceleration = true }),
		"RTC where it is not offered":                        asking(rejected(replication.ReasonRTCNotOffered, func(_ *job, w *world) { w.Locations.RTC = []string{"cn-beijing"} }, "cn-beijing"), func(r *replication.Request) { r.RTC = true }),
		"history over objects in a bucket without versions":  asking(rejected(replication.ReasonOverwrite, func(_ *job, w *world) { w.DestinationEmpty = ptr(false) }, "dest-bucket"), func(r *replication.Request) { r.Historical.Replicate = ptr(true) }),
		"the first of two problems is the one that is named": rejected(replication.ReasonSourceMissing, func(_ *job, w *world) { w.Source.Is, w.Destination.Is = replication.Missing, replication.Missing }),
	})
}

// foreign puts a rule of somebody else for the pair into the world.
func foreign(j *job, w *world, s replication.RuleStatus) {
	g := stands(j.Request)
	g.ID, g.SyncRole, g.Status = "rule-of-somebody", "somebodys-role", s
	w.Rules = &replication.RulesSeen{Rules: []replication.RuleSeen{g}}
}

func TestPreflightWaitsForAnOlderRuleToClose(t *testing.T) {
	closing := func(j *job, w *world) { foreign(j, w, replication.RuleClosing) }
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"it has just begun to close": {given: closing, step: "wait 15s", reason: replication.ReasonRuleClosing, says: []string{"rule-of-somebody", "src-bucket"}},
		"it takes minutes":           {given: closing, after: 4 * time.Minute, step: "wait 1m0s", reason: replication.ReasonRuleClosing},
		"it takes long":              {given: closing, after: time.Hour, step: "wait 5m0s", reason: replication.ReasonRuleClosing},
		"a look is due at the limit": {given: closing, after: 2*time.Hour - time.Minute, step: "wait 1m0s", reason: replication.ReasonRuleClosing},
		"it is still there at the limit": {given: closing, after: 2 * time.Hour, step: "next rejected", reason: replication.ReasonRuleExists,
			says: []string{"still closing after 2 hours"}, events: []string{"replidesk.request.rejected pair.rule-exists"}},
		"it is gone": {given: bare, after: 3 * time.Minute, step: "effect claim-pair"},
	})
}

func TestTheClaimOfThePair(t *testing.T) {
	owned := func(by string) *replication.Outcome {
		o := done(replication.EffectClaimPair)
		o.Owner = by
		return o
	}
	asked := func(j *job, _ *world) { j.Made.NoRule, j.Made.PairAsked = noon, true }
	claimed := with(bare, asked)
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"it is ours": {given: claimed, outcome: owned("CHG-2041"), step: "next role", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, noon, j.Made.Pair)
			require.False(t, j.Made.PairAsked)
		}},
		"another job has it": {given: with(claimed, func(_ *job, w *world) { w.Owner.Job = "CHG-1" }), outcome: owned("CHG-1"), step: "next rejected", reason: replication.ReasonPairOwned, says: []string{"ticket CHG-1"},
			events: []string{"replidesk.request.rejected pair.owned"}, check: func(t *testing.T, j *job, _ replication.Step) {
				require.False(t, j.Made.PairAsked, "it is known not to be ours")
			}},
		"its answer is lost: the pair is looked at and claimed again": {given: claimed, outcome: lost(replication.EffectClaimPair), step: "effect claim-pair"},
		"its answer is lost twice": {given: with(claimed, func(j *job, _ *world) { j.Failures = 1 }), outcome: lost(replication.EffectClaimPair),
			step: "wait 4s", reason: replication.ReasonUnavailable, says: []string{"no answer"}},
		"its answer is lost, and somebody made a rule: the claim is taken back": {given: func(j *job, w *world) { asked(j, w); foreign(j, w, replication.RuleDoing) },
			outcome: lost(replication.EffectClaimPair), step: "next releasing", check: func(t *testing.T, j *job, _ replication.Step) {
				require.Equal(t, &replication.Ending{Phase: replication.PhaseRejected, Reason: replication.ReasonRuleExists, Message: j.Ending.Message}, j.Ending)
				require.Contains(t, j.Ending.Message, "rule-of-somebody")
			}},
		"a worker died of it": {given: claimed, crash: replication.EffectClaimPair, step: "effect claim-pair"},
		"it cannot be made for the moment": {given: claimed, outcome: refused(replication.EffectClaimPair, replication.TroublePassing, "InternalError"),
			step: "wait 2s", reason: replication.ReasonUnavailable},
	})
}
