package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// byRole has the desk assume a role in the other account.
func byRole(f *config.Desk) {
	f.Accounts[0].Role = "acs:ram::" + f.Accounts[0].UID + ":role/" + deploy.DestinationRole
}

// theirBucket makes a bucket in the other account.
func (d *desk) theirBucket(name, region string, versioned bool) {
	d.t.Helper()
	require.Nil(d.t, d.world.PutBucket(world.NewBucket{Name: name, Owner: d.other, Region: region}))
	if versioned {
		require.Nil(d.t, d.world.PutBucketVersioning(name, "Enabled"))
	}
}

// across returns an approved ticket to a bucket of the other account.
func (d *desk) across(id, src, dst, region, extra string) string {
	d.t.Helper()
	if extra == "" {
		extra = `"historical":{"replicate":false},"objects":{"prefixes":["image/"]}`
	}
	ticket := strings.Replace(d.ticketTo(id, src, dst, region, extra+`,"requester":"ben"`), `"destination":{"account":"`+d.uid, `"destination":{"account":"`+d.other, 1)
	return d.approved(ticket)
}

func (d *desk) parsed(ticket string) replication.Request {
	d.t.Helper()
	r, problems := replication.Parse([]byte(ticket))
	require.Empty(d.t, problems)
	return r
}

// policyOf gives a bucket a policy with these statements, as its owner does.
func (d *desk) policyOf(bucket string, statements ...string) {
	d.t.Helper()
	require.Nil(d.t, d.world.PutBucketPolicy(bucket, []byte(policyText(statements...))))
}

func policyText(statements ...string) string {
	return `{"Version":"1","Statement":[` + strings.Join(statements, ",") + `]}`
}

// policyIn returns the policy of a bucket.
func (d *desk) policyIn(bucket string) string {
	d.t.Helper()
	b, e := d.world.Bucket(bucket)
	require.Nil(d.t, e)
	return string(b.Policy)
}

// foreignTo is a statement that has nothing to do with us.
func (d *desk) foreignTo(bucket string) string {
	return `{ "Effect":"Allow","Action":["oss:GetObject"],  "Principal":["` + d.uid + `"],"Resource":["acs:oss:*:*:` + bucket + `/public/*"]}`
}

// judgeBucketPolicy refuses a change of a bucket policy that is not the statement of
// somebody's ticket, or that touches what is foreign.
func (g *guard) judgeBucketPolicy(c world.Call, r replication.Request) string {
	if !strings.Contains(c.Caller, g.d.other+":assumed-role/"+deploy.DestinationRole+"/") {
		return "a bucket policy changed by another than the role of its account"
	}
	snap, err := g.d.journal.Load(context.Background(), journal.Bucket(r.Destination.Bucket))
	if err != nil || !strings.Contains(string(snap.Body), `"before"`) {
		return "a bucket policy changed that was not saved before"
	}
	b, e := g.d.world.Bucket(r.Destination.Bucket)
	if e != nil || len(b.Policy) == 0 {
		return ""
	}
	var doc struct {
		Statement []struct{ Action, Principal []string }
	}
	if json.Unmarshal(b.Policy, &doc) != nil {
		return "a bucket policy that cannot be read"
	}
	for _, s := range doc.Statement {
		if len(s.Principal) != 1 || !strings.Contains(s.Principal[0], ":assumed-role/oss-replication-") {
			continue
		}
		for _, a := range s.Action {
			if !strings.HasPrefix(a, "oss:Replicate") {
				return "a statement that allows more than to replicate"
			}
		}
	}
	return ""
}

// befallOnce has something befall the nth call of an action from now on.
func (d *desk) befallOnce(action string, nth int, m mishap) {
	is := func(r *http.Request) bool {
		if strings.HasSuffix(action, "KeyPolicy") {
			return strings.HasPrefix(r.URL.Host, "kms.") && r.URL.Query().Get("Action") == action
		}
		if action == "AssumeRole" {
			return strings.HasPrefix(r.URL.Host, "sts.")
		}
		return r.URL.Query().Has("policy") && (r.Method == http.MethodGet) == (action == "GetBucketPolicy")
	}
	n := 0
	d.befall(func(c call) mishap {
		if !is(c.request) {
			return goesWell
		}
		if n++; n == nth {
			return m
		}
		return goesWell
	})
}

func TestReplicationToAnotherAccountThroughARoleThere(t *testing.T) {
	for name, c := range map[string]struct {
		region    string
		versioned bool
		extra     string
		deletes   bool
	}{
		"in another region":                  {region: away},
		"in the same region":                 {region: home},
		"with versions and deletes":          {away, true, `"historical":{"replicate":true},"replicateDeletes":true`, true},
		"with what was there, and no canary": {home, false, `"historical":{"replicate":true},"verify":{"canary":false}`, false},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{desk: byRole})
			d.bucket("src", home, c.versioned)
			d.theirBucket("dst", c.region, c.versioned)
			d.policyOf("dst", d.foreignTo("dst"))
			d.put("src", "image/1", "one")
			d.submit(d.across("CHG-1", "src", "dst", c.region, c.extra))
			j := d.watched("CHG-1", 2*time.Hour)
			require.Equal(t, map[string]replication.Topology{home: replication.TopologySRR, away: replication.TopologyCRR}[c.region], j.Request.Topology())
			grant := replication.GrantFor(j.Request).String()
			require.Equal(t, policyText(d.foreignTo("dst"), grant), d.policyIn("dst"), "the rest keeps its bytes")
			require.Equal(t, c.deletes, strings.Contains(grant, "oss:ReplicateDelete"))
			require.NotContains(t, replication.RolePolicy(j.Request), "dst", "the role has rights on the source only")
			d.put("src", "image/2", "two")
			time.Sleep(20 * time.Minute)
			require.NotNil(t, d.object("dst", "image/2"))
			require.Equal(t, 1, d.calls("PutBucketPolicy"))
			require.Equal(t, 1, d.calls("PutBucketReplication"))

			s := d.stopped("CHG-9", "CHG-1", "src", "dst")
			require.Contains(t, strings.Join(s.Stop.Removed, "; "), "the statement for role "+replication.RoleName("CHG-1")+" in the bucket policy of dst")
			require.Equal(t, policyText(d.foreignTo("dst")), d.policyIn("dst"), "exactly the statement is taken back")
		})
	}
	bubble(t, "whose bucket has no policy before and none after", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		d.submit(d.across("CHG-1", "src", "dst", home, ""))
		d.watched("CHG-1", time.Hour)
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Empty(t, d.policyIn("dst"))
	})
}

func TestWithinOneAccountNoBucketPolicyIsTouched(t *testing.T) {
	bubble(t, "nor blamed", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.pair("src", "dst", false)
		deny := `{"Effect":"Deny","Action":["oss:Replicate*"],"Principal":["*"],"Resource":["acs:oss:*:*:dst","acs:oss:*:*:dst/*"]}`
		d.policyOf("dst", deny)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		require.Zero(t, d.calls("GetBucketPolicy")+d.calls("PutBucketPolicy"), "a Deny there does not stop replication")
		d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, policyText(deny), d.policyIn("dst"))
	})
}

func TestTwoTicketsShareADestinationInAnotherAccount(t *testing.T) {
	bubble(t, "at once, and one of them is stopped", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.theirBucket("dst", away, false)
		d.policyOf("dst", d.foreignTo("dst"))
		ids := []string{"CHG-1", "CHG-2", "CHG-3"}
		for i, id := range ids {
			d.bucket(fmt.Sprint("src-", i), home, false)
			d.submit(d.across(id, fmt.Sprint("src-", i), "dst", away, fmt.Sprintf(`"historical":{"replicate":false},"objects":{"prefixes":["p%d/"]}`, i)))
		}
		for _, id := range ids {
			d.watched(id, 2*time.Hour)
			require.Contains(t, d.policyIn("dst"), replication.GrantFor(d.tickets[id]).String())
		}
		d.stopped("CHG-9", "CHG-2", "src-1", "dst")
		require.NotContains(t, d.policyIn("dst"), replication.RoleName("CHG-2"))
		for i, id := range []string{"CHG-1", "CHG-3"} {
			require.Contains(t, d.policyIn("dst"), replication.GrantFor(d.tickets[id]).String())
			key := fmt.Sprintf("p%d/still", 2*i)
			d.put(fmt.Sprint("src-", 2*i), key, "there")
			time.Sleep(10 * time.Minute)
			require.NotNil(t, d.object("dst", key))
		}
		require.True(t, strings.HasPrefix(d.policyIn("dst"), `{"Version":"1","Statement":[`+d.foreignTo("dst")))
	})
}

func TestTheGrantSurvivesWhateverHappensToItsCalls(t *testing.T) {
	for _, action := range []string{"GetBucketPolicy", "PutBucketPolicy", "AssumeRole"} {
		for what, m := range map[string]mishap{"the answer is lost": lostReply, "the request is lost": lost, "the worker dies before it": crash, "the worker dies after it": crashDone} {
			for nth := 1; nth <= 3; nth++ {
				if nth > 1 && action != "GetBucketPolicy" {
					continue
				}
				bubble(t, fmt.Sprintf("%s %d: %s", action, nth, what), func(t *testing.T) {
					d := newDesk(t, setup{desk: byRole})
					d.bucket("src", home, false)
					d.theirBucket("dst", home, false)
					d.policyOf("dst", d.foreignTo("dst"))
					d.befallOnce(action, nth, m)
					d.submit(d.across("CHG-1", "src", "dst", home, ""))
					j := d.watched("CHG-1", 3*time.Hour)
					require.Equal(t, policyText(d.foreignTo("dst"), replication.GrantFor(j.Request).String()), d.policyIn("dst"))
					d.befallOnce("PutBucketPolicy", 1, m)
					d.stopped("CHG-9", "CHG-1", "src", "dst")
					require.Equal(t, policyText(d.foreignTo("dst")), d.policyIn("dst"))
				})
			}
		}
	}
}

func TestADenyAtTheDestinationIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	bubble(t, "and the job goes on when it is narrowed", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		deny := `{"Effect":"Deny","Action":["oss:*"],"Principal":["*"],"Resource":["acs:oss:*:*:dst/image/*"]}`
		d.policyOf("dst", deny)
		ticket := d.across("CHG-1", "src", "dst", home, "")
		d.submit(ticket)
		e := d.awaitEvent("CHG-1", replication.ReasonGrantDenied, 10*time.Minute)
		require.Contains(t, e.Data.Message, deny)
		require.Equal(t, policyText(deny), d.policyIn("dst"))
		require.Zero(t, d.calls("PutBucketReplication"))
		d.policyOf("dst", strings.Replace(deny, "image", "secret", 1)+","+d.foreignTo("dst"))
		d.awaitReason("CHG-1", replication.ReasonGrantDenied, time.Minute)
		time.Sleep(30 * time.Minute)
		require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase, "another part of the bucket is denied")
		d.policyOf("dst", d.foreignTo("dst"))
		d.watched("CHG-1", 2*time.Hour)
	})
	bubble(t, "and so is a policy without room", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		var full []string
		for i := range 97 {
			full = append(full, strings.Replace(d.foreignTo("dst"), "public", fmt.Sprintf("public-%s-%02d", strings.Repeat("x", 40), i), 1))
		}
		d.policyOf("dst", full...)
		d.submit(d.across("CHG-1", "src", "dst", home, ""))
		e := d.awaitEvent("CHG-1", replication.ReasonPolicyFull, 10*time.Minute)
		require.Contains(t, e.Data.Message, "OSS takes 16384")
		require.Equal(t, policyText(full...), d.policyIn("dst"))
		d.policyOf("dst", full[:10]...)
		d.watched("CHG-1", 2*time.Hour)
		require.True(t, strings.HasPrefix(d.policyIn("dst"), strings.TrimSuffix(policyText(full[:10]...), "]}")))
	})
}

func TestAHandshakeTellsTheOwnerWhatToDoAndWaits(t *testing.T) {
	for _, checked := range []bool{false, true} {
		bubble(t, fmt.Sprintf("with the right to look, the grant checked at the put: %t", checked), func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute, world: world.Options{GrantCheckedAtPut: checked}})
			d.bucket("src", home, false)
			d.theirBucket("dst", home, false)
			ticket := d.across("CHG-1", "src", "dst", home, "")
			look := replication.LookStatement(d.parsed(ticket))
			d.policyOf("dst", d.foreignTo("dst"), look)
			d.submit(ticket)
			e := d.awaitEvent("CHG-1", replication.ReasonGrantMissing, 10*time.Minute)
			for _, part := range []string{"Buckets > dst > Permission Control > Bucket Policy > Add by GUI > Receive Objects to Replicate",
				"acs:ram::" + d.uid + ":role/" + replication.RoleName("CHG-1"), "Purpose: Cross-account replication; Generate Policy, Save", "replaces the old one as a whole",
				replication.GrantFor(d.parsed(ticket)).String(), look} {
				require.Contains(t, e.Data.Message, part)
			}
			time.Sleep(5 * time.Hour)
			require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase)
			require.Zero(t, d.calls("PutBucketReplication"))
			d.policyOf("dst", d.foreignTo("dst"), look, replication.GrantFor(d.parsed(ticket)).String())
			j := d.watched("CHG-1", 3*time.Hour)
			require.Equal(t, "canary", j.Evidence.By, "it may look, so it is proven with objects of our own")
			require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonGrantMissing, replication.ReasonVerified}, d.reasons("CHG-1"))
			before := d.policyIn("dst")
			s := d.stopped("CHG-9", "CHG-1", "src", "dst")
			require.Contains(t, s.Message, "which the owner of account "+d.other+" may remove now")
			require.Equal(t, before, d.policyIn("dst"), "we have no business there")
		})
		bubble(t, fmt.Sprintf("without it to look is to try, the grant checked at the put: %t", checked), func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute, world: world.Options{GrantCheckedAtPut: checked}})
			d.bucket("src", home, false)
			d.theirBucket("dst", home, false)
			ticket := d.across("CHG-1", "src", "dst", home, `"historical":{"replicate":true},"declared":{"versioning":"disabled","empty":true},"limits":{"grantWithin":"48h"}`)
			d.submit(ticket)
			e := d.awaitEvent("CHG-1", replication.ReasonGrantUnseen, 10*time.Minute)
			require.Contains(t, e.Data.Message, "Receive Objects to Replicate")
			d.inPhase("CHG-1", replication.PhaseBlocked, 3*time.Hour)
			require.Equal(t, checked, d.job("CHG-1").Block.Resume == replication.PhaseRule)
			time.Sleep(20 * time.Hour)
			require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase, "the owner has the time that the ticket gives")
			d.policyOf("dst", d.foreignTo("dst"), replication.GrantFor(d.parsed(ticket)).String())
			j := d.watched("CHG-1", 6*time.Hour)
			require.Equal(t, "watermark", j.Evidence.By)
			require.True(t, j.Evidence.Unseen)
			require.Equal(t, []string{"versioning disabled", "no object in the scope"}, j.Evidence.Declared)
			require.Contains(t, j.Message, "declared by the ticket and seen by nobody")
			require.Contains(t, d.reasons("CHG-1"), replication.ReasonVerifiedUnseen)
			d.stopped("CHG-9", "CHG-1", "src", "dst")
		})
	}
	bubble(t, "that was done beforehand, nobody has to do anything", func(t *testing.T) {
		d := newDesk(t, setup{world: world.Options{GrantCheckedAtPut: true}})
		d.bucket("src", home, true)
		d.theirBucket("dst", away, true)
		ticket := d.across("CHG-1", "src", "dst", away, "")
		d.policyOf("dst", replication.LookStatement(d.parsed(ticket)), replication.GrantFor(d.parsed(ticket)).String())
		d.submit(ticket)
		d.watched("CHG-1", time.Hour)
		require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified}, d.reasons("CHG-1"))
	})
	bubble(t, "that nobody does ends at the time of the ticket", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		ticket := d.across("CHG-1", "src", "dst", home, `"historical":{"replicate":false},"limits":{"grantWithin":"3h"}`)
		d.policyOf("dst", replication.LookStatement(d.parsed(ticket)))
		d.submit(ticket)
		j := d.await("CHG-1", 6*time.Hour)
		require.Equal(t, replication.PhaseFailed, j.Phase)
		require.Equal(t, replication.ReasonGrantMissing, j.Reason)
		require.Contains(t, j.Message, "nothing was done about it for 3 hours")
		require.Empty(t, d.owner("src", "dst"))
	})
	bubble(t, "of which nothing is known needs facts", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		ticket := d.across("CHG-1", "src", "dst", home, "")
		d.submit(ticket)
		e := d.awaitEvent("CHG-1", replication.ReasonUndeclared, 10*time.Minute)
		require.Contains(t, e.Data.Message, replication.LookStatement(d.parsed(ticket)))
		d.policyOf("dst", replication.LookStatement(d.parsed(ticket)), replication.GrantFor(d.parsed(ticket)).String())
		d.watched("CHG-1", 3*time.Hour)
	})
}

func TestAGrantThatIsTakenAwayIsNamedAsTheCause(t *testing.T) {
	bubble(t, "and the job goes on when it is back", func(t *testing.T) {
		d := newDesk(t, setup{desk: byRole, tick: 10 * time.Minute})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		d.submit(d.across("CHG-1", "src", "dst", home, ""))
		j := d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
		d.policyOf("dst", d.foreignTo("dst"))
		d.awaitEvent("CHG-1", replication.ReasonGrantMissing, 2*time.Hour)
		d.policyOf("dst", d.foreignTo("dst"), replication.GrantFor(j.Request).String())
		d.watched("CHG-1", 2*time.Hour)
	})
}

func TestAPlanToAnotherAccountShowsTheStatement(t *testing.T) {
	bubble(t, "and what the owner has to do", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.bucket("src", home, false)
		d.theirBucket("dst", home, false)
		ticket := d.across("CHG-1", "src", "dst", home, `"historical":{"replicate":false},"declared":{"versioning":"disabled"}`)
		p := d.plan(ticket)
		require.True(t, p.Accepted, "%v", p.Reasons)
		require.Equal(t, "cross", p.Accounts)
		codes := []string{}
		for _, n := range p.Risks {
			codes = append(codes, n.Code)
		}
		require.Contains(t, codes, "grant-unseen")
		require.Contains(t, codes, "destination-unseen")
		look := `{"Effect":"Allow","Action":["oss:GetBucketInfo","oss:GetBucketPolicy"],"Principal":["*"],"Resource":["acs:oss:*:*:dst"]}`
		d.policyOf("dst", look)
		p = d.plan(ticket)
		require.True(t, p.Accepted, "%v", p.Reasons)
		i := slices.IndexFunc(p.Steps, func(s replication.PlanStep) bool {
			return s.Kind == replication.StepWait && s.Phase == replication.PhaseBlocked
		})
		require.GreaterOrEqual(t, i, 0, "the owner is waited for")
		require.Contains(t, p.Steps[i].Text, "Receive Objects to Replicate")
		d.policyOf("dst", look, `{"Effect":"Deny","Action":["oss:Replicate*"],"Principal":["*"],"Resource":["acs:oss:*:*:dst/*"]}`)
		p = d.plan(ticket)
		require.False(t, p.Accepted)
		require.Equal(t, replication.ReasonGrantDenied, p.Reasons[0].Code)
	})
}
