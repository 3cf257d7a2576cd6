package systemtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

func stopTicket(id, target string) string {
	return fmt.Sprintf(`{"specVersion":"1","id":%q,"action":"stop","target":%q}`, id, target)
}

// gone looks that nothing stands of what the job of a ticket made.
func (d *desk) gone(id, src, dst string) {
	d.t.Helper()
	require.Zero(d.t, d.rules(src))
	_, e := d.world.GetRole(d.uid, replication.RoleName(id), world.View{})
	require.NotNil(d.t, e, "the role is there")
	_, e = d.world.GetPolicy(d.uid, world.TypeCustom, replication.PolicyName(id), world.View{})
	require.NotNil(d.t, e, "the policy is there")
	require.Empty(d.t, d.owner(src, dst), "the pair is owned")
	require.Empty(d.t, d.ours(src), "objects of our own are at the source")
	for _, set := range []string{"open", "watch"} {
		require.NotContains(d.t, strings.Join(d.marks(set), " "), "/"+id+"/", "a mark stands")
	}
}

// stopped sends a stop and looks that it takes the job of a ticket back.
func (d *desk) stopped(stop, id, src, dst string) *replication.Job {
	d.t.Helper()
	d.submit(stopTicket(stop, id))
	return d.taken(stop, id, src, dst)
}

func (d *desk) taken(stop, id, src, dst string) *replication.Job {
	d.t.Helper()
	s := d.await(stop, 12*time.Hour)
	require.Equal(d.t, replication.PhaseCompleted, s.Phase, "%s", state(s))
	j := d.job(id)
	require.True(d.t, j.AtRest(), state(j))
	time.Sleep(2 * time.Minute)
	d.gone(id, src, dst)
	require.Equal(d.t, []replication.Reason{replication.ReasonAccepted, replication.ReasonCompleted}, d.reasons(stop))
	return j
}

func TestAWatchedPairIsStopped(t *testing.T) {
	bubble(t, "and nothing stands but the data, so that a new ticket can have the pair", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "one")
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		time.Sleep(20 * time.Minute)
		require.NotNil(t, d.object("dst", "image/1"))
		j := d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, replication.PhaseStopped, j.Phase, state(j))
		require.Len(t, j.Stop.Removed, 3, "rule, policy and role: %v", j.Stop.Removed)
		require.Empty(t, j.Stop.Left)
		require.NotNil(t, d.object("dst", "image/1"), "the data stays")
		require.Equal(t, string(replication.EventStopped), d.events("CHG-1")[2].Type)
		time.Sleep(time.Hour)
		st, _ := d.shard()
		require.Empty(t, st.Pairs, "the watch has ended")
		require.Len(t, d.events("CHG-1"), 3, "nobody is alarmed because the rule is gone")

		d.submit(d.ticket("CHG-2", "src", "dst", `"historical":{"replicate":false}`))
		d.watched("CHG-2", time.Hour)
		require.Equal(t, "CHG-2", d.owner("src", "dst"))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		time.Sleep(10 * time.Minute)
		require.Equal(t, "CHG-2", d.owner("src", "dst"), "the old ticket is only answered again")
	})
	bubble(t, "once, however often and by however many tickets that is asked for", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		for range 3 {
			d.submit(stopTicket("CHG-9", "CHG-1"))
			d.submit(stopTicket("CHG-8", "CHG-1"))
		}
		d.taken("CHG-9", "CHG-1", "src", "dst")
		d.taken("CHG-8", "CHG-1", "src", "dst")
		require.Equal(t, 1, d.calls("DeleteBucketReplication"))
		require.Equal(t, 1, d.calls("DeleteRole"))
		d.stopped("CHG-7", "CHG-1", "src", "dst")
		require.Contains(t, d.job("CHG-7").Message, "CHG-1 is stopped")
	})
	bubble(t, "although its rule, its role or its buckets are gone already", func(t *testing.T) {
		d := newDesk(t, setup{})
		for i, take := range []func(id, src string){
			func(_, src string) {
				rules, _ := d.world.Replication(src, false)
				_, e := d.world.DeleteReplication(src, []string{rules[0].ID})
				require.Nil(t, e)
				time.Sleep(10 * time.Minute)
			},
			func(id, _ string) {
				d.guard.changed[id] = true
				d.detach(replication.RoleName(id), replication.PolicyName(id))
				require.Nil(t, d.world.DeleteRole(d.uid, replication.RoleName(id), world.View{}))
			},
		} {
			id, src, dst := fmt.Sprintf("CHG-%d", i), fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i)
			d.pair(src, dst, false)
			d.submit(d.ticket(id, src, dst, ""))
			d.watched(id, time.Hour)
			take(id, src)
			d.stopped("STOP-"+id, id, src, dst)
		}
	})
	bubble(t, "but what others use of it stays and is named", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		role, policy := replication.RoleName("CHG-1"), replication.PolicyName("CHG-1")
		d.guard.changed["CHG-1"] = true
		_, e := d.world.CreateRole(d.uid, world.NewRole{Name: "theirs", Trust: foreignTrust})
		require.Nil(t, e)
		require.Nil(t, d.world.AttachPolicyToRole(d.uid, world.TypeCustom, policy, "theirs", world.View{}))
		_, e = d.world.CreatePolicy(d.uid, "more", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`, "", nil)
		require.Nil(t, e)
		require.Nil(t, d.world.AttachPolicyToRole(d.uid, world.TypeCustom, "more", role, world.View{}))
		d.guard.foreign = d.guard.others()
		time.Sleep(time.Minute)
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", time.Hour).Phase)
		j := d.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase)
		require.Contains(t, j.Message, "left in place: policy "+policy+", because it is attached to role theirs, role "+role+", because it has the policy more")
		require.Zero(t, d.rules("src"))
		require.Empty(t, d.owner("src", "dst"))
	})
}

// stages are where a job can be held up, and by what.
var stages = map[replication.Phase]world.Fault{
	replication.PhasePreflight:  {Service: "oss", Action: "GetBucketReplicationLocation", Kind: world.FaultThrottle},
	replication.PhaseRole:       {Service: "ram", Action: "CreateRole", Kind: world.FaultThrottle},
	replication.PhasePolicy:     {Service: "ram", Action: "CreatePolicy", Kind: world.FaultThrottle},
	replication.PhaseAttachment: {Service: "ram", Action: "AttachPolicyToRole", Kind: world.FaultThrottle},
	replication.PhaseRule:       {Service: "oss", Action: "PutBucketReplication", Kind: world.FaultThrottle},
	replication.PhaseBlocked:    {Service: "ram", Action: "CreatePolicy", Kind: world.FaultRefuse, Status: 403, Code: "NoPermission"},
	replication.PhaseStarting:   {Service: "oss", Action: "none"},
	replication.PhaseVerifying:  {Service: "oss", Action: "none"},
}

func TestAJobIsStoppedInEveryPhase(t *testing.T) {
	for phase, hold := range stages {
		for _, mended := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, mended %t", phase, mended), func(t *testing.T) {
				d := newDesk(t, setup{})
				d.pair("src", "dst", mended)
				mend := d.world.Break(hold)
				if phase == replication.PhaseVerifying {
					d.world.PausePair("src", "dst", true)
				}
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
				require.True(t, d.until(time.Hour, func() bool { j := d.job("CHG-1"); return j != nil && j.Phase == phase && j.Intent == nil }), state(d.job("CHG-1")))
				if mended {
					mend()
				}
				j := d.stopped("CHG-9", "CHG-1", "src", "dst")
				mend()
				if phase == replication.PhasePreflight || phase == replication.PhaseRole {
					require.Equal(t, replication.PhaseCancelled, j.Phase, state(j))
				} else {
					require.Equal(t, replication.PhaseStopped, j.Phase, state(j))
				}
				d.world.PausePair("src", "dst", false)
				d.submit(d.ticket("CHG-2", "src", "dst", ""))
				d.watched("CHG-2", 2*time.Hour)
			})
		}
	}
	bubble(t, "failed, whose rule stands", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		d.world.PausePair("src", "dst", true)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.await("CHG-1", 12*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase, state(j))
		require.Equal(t, "CHG-1", d.owner("src", "dst"))
		j = d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, replication.PhaseStopped, j.Phase)
	})
	bubble(t, "rejected: there is nothing to stop", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("src", home, false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Equal(t, replication.PhaseRejected, d.await("CHG-1", time.Hour).Phase)
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", time.Hour).Phase)
		require.Equal(t, replication.PhaseRejected, d.job("CHG-1").Phase)
	})
	bubble(t, "a stop cannot be stopped", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.submit(stopTicket("CHG-9", "CHG-1"))
		d.await("CHG-9", time.Hour)
		d.submit(stopTicket("CHG-10", "CHG-9"))
		j := d.await("CHG-10", time.Hour)
		require.Equal(t, replication.PhaseRejected, j.Phase)
		require.Equal(t, replication.ReasonTargetUnfit, j.Reason)
	})
}

func TestAStopThatOvertakesItsTarget(t *testing.T) {
	bubble(t, "cancels it, and its ticket is answered with that", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(stopTicket("CHG-9", "CHG-1"))
		require.Equal(t, replication.PhaseCompleted, d.await("CHG-9", time.Hour).Phase)
		for range 2 {
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			time.Sleep(10 * time.Minute)
		}
		j := d.job("CHG-1")
		require.Equal(t, replication.PhaseCancelled, j.Phase)
		require.True(t, j.AtRest())
		require.Equal(t, []replication.Reason{replication.ReasonCancelled}, slices.Compact(d.reasons("CHG-1")))
		require.Empty(t, d.marks("open"))
		require.Zero(t, d.calls("CreateRole"))
	})
	for i := range 12 {
		bubble(t, fmt.Sprintf("by %d ms or not at all, ends with one truth", 10*i-40), func(t *testing.T) {
			d := newDesk(t, setup{eventDriven: true, seed: uint64(i)})
			d.pair("src", "dst", false)
			if lead := time.Duration(10*i-40) * time.Millisecond; lead < 0 {
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
				time.Sleep(-lead)
				d.submit(stopTicket("CHG-9", "CHG-1"))
			} else {
				d.submit(stopTicket("CHG-9", "CHG-1"))
				time.Sleep(lead)
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
			}
			d.taken("CHG-9", "CHG-1", "src", "dst")
			require.Contains(t, d.reasons("CHG-1")[len(d.reasons("CHG-1"))-1], "job.")
		})
	}
}

// takesBack are the calls with which a stop changes something.
var takesBack = []world.Fault{
	{Service: "oss", Action: "DeleteBucketReplication"}, {Service: "ram", Action: "DetachPolicyFromRole"},
	{Service: "ram", Action: "DeletePolicy"}, {Service: "ram", Action: "DeleteRole"},
}

func TestAStopGetsOverLostRepliesAndRefusals(t *testing.T) {
	for _, f := range takesBack {
		bubble(t, "a lost reply of "+f.Action, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.watched("CHG-1", time.Hour)
			f.Kind, f.Times = world.FaultLoseReply, 1
			d.world.Break(f)
			require.Equal(t, replication.PhaseStopped, d.stopped("CHG-9", "CHG-1", "src", "dst").Phase)
		})
		bubble(t, "a missing right to "+f.Action+" blocks it until it is given", func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", ""))
			d.watched("CHG-1", time.Hour)
			f.Kind, f.Status, f.Code = world.FaultRefuse, 403, map[string]string{"oss": "AccessDenied", "ram": "NoPermission"}[f.Service]
			mend := d.world.Break(f)
			d.submit(stopTicket("CHG-9", "CHG-1"))
			j := d.awaitReason("CHG-1", replication.ReasonDenied, time.Hour)
			require.Equal(t, replication.PhaseBlocked, j.Phase)
			mend()
			d.taken("CHG-9", "CHG-1", "src", "dst")
		})
	}
}

func TestAStopSurvivesTheDeathOfItsWorkers(t *testing.T) {
	const every = 23 // and no third time, which could end the job
	for name, dies := range map[string]mishap{"before": crash, "after": crashDone} {
		for k := range every {
			bubble(t, fmt.Sprintf("when they die %s calls %d and %d", name, k, k+every), func(t *testing.T) {
				d := newDesk(t, setup{})
				d.pair("src", "dst", k%2 == 0)
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
				d.watched("CHG-1", time.Hour)
				n := 0
				d.befall(func(c call) mishap {
					if c.function == "progress" {
						return goesWell
					}
					if n++; n == k+1 || n == k+1+every {
						return dies
					}
					return goesWell
				})
				j := d.stopped("CHG-9", "CHG-1", "src", "dst")
				require.Equal(t, replication.PhaseStopped, j.Phase)
				require.Len(t, j.Stop.Removed, 3, "%v", j.Stop.Removed)
			})
		}
	}
	for seed := range uint64(6) {
		bubble(t, fmt.Sprintf("and stops at any moment of jobs whose workers die, seed %d", seed), func(t *testing.T) {
			d := newDesk(t, setup{seed: seed})
			rng := rand.New(rand.NewPCG(seed, 5))
			stop := d.killer(seed, 800*time.Millisecond)
			const pairs = 8
			for i := range pairs {
				src, dst, id := fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i), fmt.Sprintf("CHG-%d", i)
				d.pair(src, dst, i%2 == 1)
				d.submit(d.ticket(id, src, dst, ""))
				time.AfterFunc(time.Duration(rng.Int64N(int64([]time.Duration{3 * time.Second, 8 * time.Minute}[i%2]))), func() { d.submit(stopTicket("STOP-"+id, id)) })
			}
			time.Sleep(15 * time.Minute)
			require.Greater(t, stop(), 10)
			for i := range pairs {
				id := fmt.Sprintf("CHG-%d", i)
				s := d.await("STOP-"+id, 12*time.Hour)
				if s.Phase != replication.PhaseCompleted { // three deaths in a row: asked for again it goes on
					d.ended("STOP-"+id, replication.ReasonTargetFailed)
					d.submit(stopTicket("AGAIN-"+id, id))
					require.Equal(t, replication.PhaseCompleted, d.await("AGAIN-"+id, 12*time.Hour).Phase)
				}
				time.Sleep(2 * time.Minute)
				d.gone(id, fmt.Sprintf("src-%d", i), fmt.Sprintf("dst-%d", i))
			}
		})
	}
}

func TestAStopThatComesInTheMiddleOfACallLosesNothing(t *testing.T) {
	for _, action := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
		for name, what := range map[string]mishap{"that is done": lostReply, "that is not done": hangs, "whose worker dies": crashDone} {
			bubble(t, action+" "+name, func(t *testing.T) {
				d := newDesk(t, setup{eventDriven: true})
				d.pair("src", "dst", false)
				sent := false
				d.befall(func(c call) mishap {
					q := c.request.URL.Query()
					if sent || !(acts(c, action) || action == "PutBucketReplication" && q.Has("replication") && q.Get("comp") == "add") {
						return goesWell
					}
					sent = true
					time.AfterFunc(time.Millisecond, func() { d.submit(stopTicket("CHG-9", "CHG-1")) })
					return what
				})
				d.submit(d.ticket("CHG-1", "src", "dst", ""))
				require.True(t, d.until(time.Hour, func() bool { return d.job("CHG-9") != nil }))
				d.taken("CHG-9", "CHG-1", "src", "dst")
				require.True(t, sent)
			})
		}
	}
}
