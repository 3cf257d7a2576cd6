package systemtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// tour takes the functions to every call that they ever make. A step does something
// and waits; whether it comes to anything is not its business, since it is also taken
// with rights missing. Who gives a function a right adds the step that needs it.
var tour = []struct {
	name string
	do   func(d *desk)
}{
	{"a versioned pair with tags is set up, proven and watched", func(d *desk) {
		d.pair("src", "dst", true)
		d.put("src", "image/1", "looked at for its encryption")
		d.submit(d.ticket("CHG-1", "src", "dst", byTags("all")))
		time.Sleep(30 * time.Minute)
	}},
	{"a plan is asked for", func(d *desk) {
		d.pair("plan-src", "plan-dst", true)
		d.put("plan-src", "image/1", "new")
		d.put("plan-dst", "image/1", "old")
		d.submit(d.ticket("DRY-1", "plan-src", "plan-dst", dry(scope)))
		time.Sleep(10 * time.Minute)
	}},
	{"what was lost is looked for", func(d *desk) {
		d.pair("lost-src", "lost-dst", false)
		for _, action := range []string{"CreateRole", "CreatePolicy", "AttachPolicyToRole", "PutBucketReplication"} {
			d.world.Break(world.Fault{Action: action, Kind: world.FaultLoseReply, Times: 1})
		}
		d.submit(d.ticket("CHG-2", "lost-src", "lost-dst", ""))
		time.Sleep(30 * time.Minute)
	}},
	{"a ticket shares the role that reaches everything", func(d *desk) {
		d.pair("shared-src", "shared-dst", false)
		d.submit(d.ticket("CHG-7", "shared-src", "shared-dst", scope+","+sharedRole))
		time.Sleep(5 * time.Minute)
	}},
	{"a ticket is refused, and one names a bucket of somebody else", func(d *desk) {
		d.submit(`{"specVersion":"1","id":"CHG-3"}`)
		require.Nil(d.t, d.world.PutBucket(world.NewBucket{Name: "theirs", Owner: d.other, Region: away}))
		d.submit(d.ticket("CHG-4", "src", "theirs", ""))
		time.Sleep(5 * time.Minute)
	}},
	{"a cause is looked for, while the rule starts and while the canary is under way", func(d *desk) {
		for i, p := range []replication.Phase{replication.PhaseStarting, replication.PhaseVerifying} {
			id, src, dst := fmt.Sprintf("CHG-1%d", i), fmt.Sprintf("late-src-%d", i), fmt.Sprintf("late-dst-%d", i)
			d.pair(src, dst, false)
			mend := func() {}
			if p == replication.PhaseStarting {
				mend = d.world.Break(world.Fault{Action: "GetBucketReplicationProgress", Resource: src, Kind: world.FaultStaleRead})
			}
			d.submit(d.ticket(id, src, dst, ""))
			if d.comesTo(id, replication.PhaseStarting) && p == replication.PhaseVerifying {
				d.guard.changed[id] = true
				d.detach(replication.RoleName(id), replication.PolicyName(id))
			}
			time.Sleep(time.Hour)
			mend()
		}
	}},
	{"letters that could not be delivered come back: a wake, a ticket, and one that was taken in", func(d *desk) {
		letter := func(body string) {
			d.send(config.QueueUndelivered, fmt.Sprintf(`{"data":{"messageBody":%q}}`, body))
		}
		known := d.ticket("CHG-6", "src", "none", "")
		d.put(stateBucket, "open/0/CHG-6/000000000001", known)
		letter(`{"wake":{"job":"CHG-1"}}`)
		letter(d.ticket("CHG-5", "src", "none", ""))
		letter(known)
		time.Sleep(30 * time.Minute)
	}},
	{"marks that a killed worker left are taken away, and a wake is for nothing", func(d *desk) {
		d.put(stateBucket, "open/0/CHG-1/000000000002", "{}")
		d.put(stateBucket, "watch/0/CHG-4/000000000002", "{}")
		d.send(config.QueueWakeVerify, `{"wake":{"job":"CHG-NONE"}}`)
		time.Sleep(30 * time.Minute)
	}},
	{"a rule and a bucket are lost while they are being proven", func(d *desk) {
		for i, lose := range []func(src, dst string){
			func(src, _ string) { d.disable(src) },
			func(_, dst string) {
				require.Nil(d.t, d.world.DeleteBucket(dst))
				require.Nil(d.t, d.world.PutBucket(world.NewBucket{Name: dst, Owner: d.other, Region: away}))
			},
		} {
			id, src, dst := fmt.Sprintf("CHG-2%d", i), fmt.Sprintf("gone-src-%d", i), fmt.Sprintf("gone-dst-%d", i)
			d.pair(src, dst, false)
			d.submit(d.ticket(id, src, dst, ""))
			if d.comesTo(id, replication.PhaseStarting) {
				d.guard.changed[id] = true
				d.detach(replication.RoleName(id), replication.PolicyName(id)) // so that it takes long
			}
			if d.comesTo(id, replication.PhaseVerifying) {
				lose(src, dst)
			}
			time.Sleep(time.Hour)
		}
	}},
	{"a pair of two accounts is set up and breaks, of which its owner lets us see", func(d *desk) {
		d.bucket("across-src", home, false)
		d.theirBucket("across-dst", home, false)
		d.policyOf("across-dst", replication.LookStatement(d.parsed(d.across("CHG-30", "across-src", "across-dst", home, ""))))
		d.submit(d.across("CHG-30", "across-src", "across-dst", home, ""))
		if d.comesTo("CHG-30", replication.PhaseBlocked) {
			d.policyOf("across-dst", replication.LookStatement(d.tickets["CHG-30"]), replication.GrantFor(d.tickets["CHG-30"]).String())
		}
		if d.comesTo("CHG-30", replication.PhaseStarting) {
			d.policyOf("across-dst", replication.LookStatement(d.tickets["CHG-30"]))
		}
		time.Sleep(2 * time.Hour)
	}},
	{"replication time control is turned on", func(d *desk) {
		d.submit(about(replication.ActionSetRTC, "RTC-1", "CHG-1", `,"rtc":true`))
		time.Sleep(time.Hour)
	}},
	{"a pair of two accounts is late, and its owner lets nobody look", func(d *desk) {
		d.bucket("blind-src", home, false)
		d.theirBucket("blind-dst", home, false)
		d.submit(d.across("CHG-31", "blind-src", "blind-dst", home, `"historical":{"replicate":false},"declared":{"versioning":"disabled"},"verify":{"canary":false}`))
		time.Sleep(2 * time.Hour)
	}},
	{"a pair with KMS is set up, and the cause is looked for when its key is disabled", func(d *desk) {
		d.pair("kms-src", "kms-dst", false)
		k, keeper := d.key(away), d.keeper(d.uid, away)
		d.submit(d.ticket("CHG-40", "kms-src", "kms-dst", withKMS(k.ID)))
		if d.comesTo("CHG-40", replication.PhaseStarting) {
			require.Nil(d.t, d.world.DisableKey(keeper, k.ID))
		}
		time.Sleep(time.Hour)
		require.Nil(d.t, d.world.EnableKey(keeper, k.ID))
		time.Sleep(time.Hour)
		d.submit(stopTicket("STOP-40", "CHG-40"))
		time.Sleep(time.Hour)
	}},
	{"a pair is stopped", func(d *desk) {
		d.submit(stopTicket("STOP-1", "CHG-1"))
		d.submit(stopTicket("STOP-11", "CHG-11"))
		time.Sleep(time.Hour)
	}},
	{"a day goes by", func(d *desk) { time.Sleep(26 * time.Hour) }},
}

// comesTo waits for a phase, and reports whether the job came to it.
func (d *desk) comesTo(id string, p replication.Phase) bool {
	return d.until(10*time.Minute, func() bool { j := d.job(id); return j != nil && j.Phase == p })
}

// denials are the calls of a function that were refused for want of a right of its
// own: what OSS says of the role of a rule has a code of its own.
func (d *desk) denials(f string) map[string]int {
	all, _ := d.world.Calls(0)
	denied := map[string]int{}
	for _, c := range all {
		if c.Status == 403 && !(c.Service == "oss" && c.Code == "NoPermission") && strings.Contains(c.Caller, ":assumed-role/"+fn(f)+"/") {
			denied[c.Service+":"+c.Action+" "+c.Resource]++
		}
	}
	return denied
}

// A functionRight is one thing that the role of a function is granted, and the
// policy without it.
type functionRight struct{ function, what, without string }

// functionRights returns the policy of each function once without each action, and
// once without each resource of statements that have several.
func functionRights(t *testing.T) (list []functionRight) {
	t.Helper()
	for _, f := range deploy.Functions() {
		b, err := deploy.RolePolicy(f, stateBucket, "replidesk")
		require.NoError(t, err)
		whole := parsedGrant(t, string(b))
		for i, s := range whole.Statement {
			for k, a := range s.Action {
				g := parsedGrant(t, string(b))
				if g.Statement[i].Action = slices.Delete(g.Statement[i].Action, k, k+1); len(s.Action) == 1 {
					g.Statement = slices.Delete(g.Statement, i, i+1)
				}
				if a == "oss:GetObject" {
					g.Statement = slices.DeleteFunc(g.Statement, everyObject)
				}
				list = append(list, functionRight{f, a + " on " + strings.Join(s.Resource, ", "), g.String()})
			}
			for k, r := range s.Resource {
				if len(s.Resource) > 1 {
					g := parsedGrant(t, string(b))
					g.Statement[i].Resource = slices.Delete(g.Statement[i].Resource, k, k+1)
					g.Statement = slices.DeleteFunc(g.Statement, everyObject)
					list = append(list, functionRight{f, strings.Join(s.Action, ", ") + " on " + r, g.String()})
				}
			}
		}
	}
	return list
}

// everyObject reports whether a statement is the right to look at all objects, for a
// sample of their encryption. A deployment can leave it out, so it stands for no other.
func everyObject(s grantStatement) bool { return slices.Equal(s.Resource, []string{"acs:oss:*:*:*/*"}) }

// refusedAnyway reports whether a call of the tour is refused although nothing is
// missing: its bucket is somebody else's.
func refusedAnyway(what string) bool {
	return strings.HasPrefix(what, "oss:") && (strings.HasSuffix(what, " theirs") || strings.Contains(what, " gone-dst-1") || strings.Contains(what, " blind-dst"))
}

func TestNothingIsNeededThatTheFunctionsAreNotGranted(t *testing.T) {
	bubble(t, "on the whole tour", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		for _, step := range tour {
			step.do(d)
		}
		for _, f := range deploy.Functions() {
			for what := range d.denials(f) {
				require.True(t, refusedAnyway(what), "%s is refused %s", f, what)
			}
		}
	})
}

func TestEachRightOfTheFunctionsIsNeeded(t *testing.T) {
	for _, right := range functionRights(t) {
		bubble(t, right.function+" without "+right.what, func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute, policies: map[string]string{right.function: right.without}})
			d.maimed = true
			for _, step := range tour {
				step.do(d)
				for what := range d.denials(right.function) {
					if !refusedAnyway(what) {
						return
					}
				}
			}
			t.Error("nothing on the tour needs it")
		})
	}
}
