package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A guard looks after every call of a function whether what was done is what may
// ever be done.
type guard struct {
	d       *desk
	mu      sync.Mutex
	next    int               // the first call that was not looked at
	foreign string            // what is not the desk's, at the beginning
	changed map[string]bool   // tickets whose role or policy the test itself changed
	puts    map[[2]string]int // rules made, by source and ticket
}

const foreignTrust = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`

// begin makes what belongs to others, which the desk has no business with.
func (g *guard) begin(d *desk) {
	g.d, g.changed, g.puts = d, map[string]bool{}, map[[2]string]int{}
	for _, name := range []string{"foreign", "oss-replication-foreign", "replidesk-foreign"} {
		_, e := d.world.CreateRole(d.uid, world.NewRole{Name: name, Trust: foreignTrust})
		require.Nil(d.t, e)
		_, e = d.world.CreatePolicy(d.uid, name, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`, "", nil)
		require.Nil(d.t, e)
		require.Nil(d.t, d.world.AttachPolicyToRole(d.uid, world.TypeCustom, name, name, world.View{}))
	}
	d.pair("foreign-src", "foreign-dst", true)
	require.Nil(d.t, d.world.PutBucketPolicy("foreign-dst", []byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Principal":["`+d.other+`"],"Resource":["acs:oss:*:*:foreign-dst/*"]}]}`)))
	g.foreign = g.others()
}

// others describes what is not the desk's. The role that all of an account share is
// looked at when it is changed, see judgeShared.
func (g *guard) others() string {
	var b strings.Builder
	w, uid := g.d.world, g.d.uid
	page, e := w.ListRoles(uid, "", 1000, world.View{})
	if e != nil {
		return e.Error()
	}
	for _, r := range page.Roles {
		if r.Name == replication.RoleAliyun || g.ours(r.Name) || r.Name == fn("provision") || r.Name == fn("verify") || r.Name == fn("progress") {
			continue
		}
		attached, _ := w.ListPoliciesForRole(uid, r.Name, world.View{})
		attached = slices.DeleteFunc(attached, func(a world.PolicyAttached) bool { return g.added(a.Policy.Name, r.Name) })
		fmt.Fprintln(&b, r.Name, string(r.Trust), r.Updated, len(attached))
		p, e := w.GetPolicy(uid, world.TypeCustom, r.Name, world.View{})
		if e == nil {
			fmt.Fprintln(&b, p.Default, len(p.Versions), string(p.Versions[0].Document), p.Updated)
		}
	}
	for _, name := range []string{"foreign-src", "foreign-dst"} {
		bucket, _ := w.Bucket(name)
		fmt.Fprintln(&b, name, string(bucket.Policy), bucket.Versioning, len(g.d.listed(name, "", true)))
	}
	return b.String()
}

// ours reports whether a role has the name that a ticket's job gives it.
func (g *guard) ours(role string) bool {
	for id := range g.tickets() {
		if role == replication.RoleName(id) {
			return true
		}
	}
	return false
}

// added reports whether a policy is one that a ticket may have added to a role that it
// names.
func (g *guard) added(policy, role string) bool {
	for id, r := range g.tickets() {
		if r.Role.AddMissing && r.Role.Name == role && policy == replication.PolicyName(id) {
			return true
		}
	}
	return false
}

func (g *guard) tickets() map[string]replication.Request {
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	all := make(map[string]replication.Request, len(g.d.tickets))
	for id, r := range g.d.tickets {
		all[id] = r
	}
	return all
}

// look looks at the calls since the last time.
func (g *guard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls, next := g.d.world.Calls(g.next)
	g.next = next
	var tickets map[string]replication.Request
	for _, c := range calls {
		if !byFunction(c) || !c.Write || c.Status >= 300 {
			continue
		}
		if tickets == nil {
			tickets = g.tickets()
		}
		if problem := g.judge(c, tickets); problem != "" {
			g.d.t.Errorf("%s: %s %s %s by %s", problem, c.Service, c.Action, c.Resource, c.Caller)
		}
	}
	if tickets == nil {
		return
	}
	for id, r := range tickets {
		if !r.Action.HasPair() {
			continue
		}
		if n := g.d.world.ReplicationStats(r.Source.Bucket, r.Destination.Bucket).OutOfScope; n > 0 {
			g.d.t.Errorf("%d objects were copied that ticket %s does not cover", n, id)
		}
	}
}

// judge says what is wrong with a call that took effect, or "".
func (g *guard) judge(c world.Call, tickets map[string]replication.Request) string {
	switch c.Service {
	case "mns":
		if !strings.HasPrefix(c.Resource, g.d.config.QueuePrefix+"-") {
			return "a queue of somebody else"
		}
		return ""
	case "ram":
		return g.judgeGrant(c, tickets)
	case "oss":
		return g.judgeOSS(c, tickets)
	}
	if c.Service == "kms" && c.Action == "SetKeyPolicy" {
		return g.judgeKeyPolicy(c, tickets)
	}
	return "a service that no function uses"
}

func (g *guard) judgeOSS(c world.Call, tickets map[string]replication.Request) string {
	bucket, key, _ := strings.Cut(c.Resource, "/")
	if bucket == stateBucket {
		set, _, _ := strings.Cut(key, "/")
		mayPut := slices.Contains([]string{"log", "open", "watch", "sweep", "sample"}, set)
		if c.Action == "PutObject" && mayPut || c.Action == "DeleteObject" && mayPut && set != "log" && set != "sample" {
			return ""
		}
		return "not what is done to the state"
	}
	for id, r := range tickets {
		if r.Destination.Bucket == bucket && r.Across() && (c.Action == "PutBucketPolicy" || c.Action == "DeleteBucketPolicy") {
			return g.judgeBucketPolicy(c, r)
		}
		if r.Source.Bucket != bucket {
			continue
		}
		switch c.Action {
		case "PutBucketReplication":
			if g.d.owner(bucket, r.Destination.Bucket) == id {
				g.puts[[2]string{bucket, id}]++
				return ""
			}
		case "DeleteBucketReplication", "PutBucketRTC":
			if g.d.owner(bucket, r.Destination.Bucket) == id {
				return ""
			}
		case "PutObject", "DeleteObject":
			if strings.Contains(key, ".replidesk/"+id+"/") {
				return ""
			}
		}
	}
	return "nothing that any ticket asks for"
}

// judgeGrant refuses whatever is not the role and the policy of a ticket, or grants
// more than the ticket needs.
func (g *guard) judgeGrant(c world.Call, tickets map[string]replication.Request) string {
	w, uid := g.d.world, g.d.uid
	if c.Resource == replication.RoleAliyun && (c.Action == "CreateRole" || c.Action == "AttachPolicyToRole") {
		return g.judgeShared(tickets)
	}
	for id, r := range tickets {
		if attaches := c.Action == "AttachPolicyToRole" || c.Action == "DetachPolicyFromRole"; attaches && r.Role.AddMissing && c.Resource == r.Role.Name {
			return "" // which policy, others looks at
		}
		role, policy := replication.RoleName(id), replication.PolicyName(id)
		if !strings.Contains(c.Resource, role) && !strings.Contains(c.Resource, policy) {
			continue
		}
		if g.changed[id] {
			return ""
		}
		p, e := w.GetPolicy(uid, world.TypeCustom, policy, world.View{})
		if e == nil && (!replication.SameDocument(string(p.Versions[0].Document), replication.RolePolicy(r)) || tooWide(p.Versions[0].Document, r)) {
			return "a policy that grants something else"
		}
		if made, e := w.GetRole(uid, role, world.View{}); e == nil && !replication.SameDocument(string(made.Trust), replication.TrustPolicy()) {
			return "a role that trusts somebody else"
		}
		attached, _ := w.ListPoliciesForRole(uid, role, world.View{})
		for _, a := range attached {
			forKeys := r.KMSKey() != "" && a.Policy.Name == replication.KMSPolicy && a.Policy.Type == world.TypeSystem
			if !forKeys && (a.Policy.Name != policy || a.Policy.Type != world.TypeCustom) {
				return "a role with another policy"
			}
		}
		return ""
	}
	return "a grant for nobody's ticket"
}

// judgeShared looks at the role that all of an account share: a ticket has to have
// consented to it, it trusts OSS, and it has no other policies than those of the cloud,
// the one for keys only with consent to these.
func (g *guard) judgeShared(tickets map[string]replication.Request) string {
	consented, toKeys := false, false
	for _, r := range tickets {
		shares := r.Role.Type == replication.RoleAliyun && slices.Contains(r.Role.Consent, "all buckets")
		consented = consented || shares
		toKeys = toKeys || shares && r.KMSKey() != "" && slices.Contains(r.Role.Consent, "all KMS keys")
	}
	made, e := g.d.world.GetRole(g.d.uid, replication.RoleAliyun, world.View{})
	attached, _ := g.d.world.ListPoliciesForRole(g.d.uid, replication.RoleAliyun, world.View{})
	switch {
	case !consented:
		return "a role that reaches everything, without consent"
	case e != nil || !replication.SameDocument(string(made.Trust), foreignTrust):
		return "a shared role that trusts somebody else"
	}
	for _, a := range attached {
		forKeys := toKeys && a.Policy.Name == "AliyunKMSCryptoUserAccess"
		if a.Policy.Type != world.TypeSystem || !forKeys && a.Policy.Name != "AliyunOSSFullAccess" {
			return "a shared role with another policy"
		}
	}
	return ""
}

// tooWide reports whether a policy grants more than the ticket needs, whatever the
// product thinks of it.
func tooWide(document []byte, r replication.Request) bool {
	var d struct {
		Statement []struct{ Action, Resource []string }
	}
	if json.Unmarshal(document, &d) != nil {
		return true
	}
	read := []string{"oss:ReplicateList", "oss:ReplicateGet"}
	grants := map[string][]string{
		"acs:oss:*:*:" + r.Source.Bucket:      read,
		"acs:oss:*:*:" + r.Destination.Bucket: append(read, "oss:ReplicatePut"),
	}
	if r.ReplicateDeletes {
		grants["acs:oss:*:*:"+r.Destination.Bucket] = append(read, "oss:ReplicatePut", "oss:ReplicateDelete")
	}
	if key := r.KMSKey(); key != "" && r.Role.Type == replication.RoleCustom {
		if !strings.HasPrefix(key, "acs:") {
			key = "acs:kms:" + r.Destination.Region + ":" + r.Destination.Account + ":key/" + key
		}
		grants[key] = []string{"kms:Decrypt", "kms:GenerateDataKey"}
		grants["acs:kms:"+r.Source.Region+":"+r.Source.Account+":key"] = []string{"kms:Decrypt"} // each of them
	}
	for _, s := range d.Statement {
		for _, resource := range s.Resource {
			for _, action := range s.Action {
				if !slices.Contains(grants[strings.TrimSuffix(resource, "/*")], action) {
					return true
				}
			}
		}
	}
	return false
}

// checkAll is looked at at the end of every test, whatever it was about.
func (d *desk) checkAll() {
	if d.t.Failed() {
		return
	}
	d.t.Cleanup(func() {
		if d.t.Failed() {
			d.t.Logf("the end of the log:\n%s", d.tail())
		}
	})
	d.guard.look()
	require.Equal(d.t, d.guard.foreign, d.guard.others(), "what belongs to others has to stay as it was")
	d.checkLogs()
	if d.maimed {
		return
	}
	d.collect()
	for id := range d.guard.tickets() {
		if j := d.job(id); j != nil {
			d.checkJob(j)
		}
	}
	d.checkSlots()
	d.checkResults()
	d.checkSecrets()
	require.NotContains(d.t, strings.ReplaceAll(d.log.String(), "panic: by order", ""), "panic: ", "no code may panic but by order")
}

// checkLogs verifies the chain of every log there is.
func (d *desk) checkLogs() {
	d.t.Helper()
	seen := map[journal.Log]bool{}
	for _, prefix := range []string{"log/", "sweep/"} {
		for _, v := range d.listed(stateBucket, prefix, false) {
			var e struct{ Log journal.Log }
			require.NoError(d.t, json.Unmarshal(v.Data, &e), v.Key)
			if seen[e.Log] {
				continue
			}
			seen[e.Log] = true
			found, err := d.journal.Verify(context.Background(), e.Log)
			require.NoError(d.t, err, e.Log)
			require.Empty(d.t, found.Problems, e.Log)
		}
	}
}

// checkJob holds the newest state of a job against the world.
func (d *desk) checkJob(j *replication.Job) {
	d.t.Helper()
	r := j.Request
	if r.Source.Bucket == "" { // a stop, or a job that was stopped before its ticket came
		require.Equal(d.t, replication.Made{}, j.Made)
		return
	}
	owner := d.owner(r.Source.Bucket, r.Destination.Bucket)
	if !j.Made.Pair.IsZero() {
		require.Equal(d.t, j.ID, owner, "a job that holds a pair owns it")
	}
	if !j.AtRest() {
		return
	}
	if j.Phase == replication.PhaseWatching {
		rules, e := d.world.Replication(r.Source.Bucket, false)
		if e == nil {
			i := slices.IndexFunc(rules, func(g world.Rule) bool { return g.Destination == r.Destination.Bucket })
			if i >= 0 {
				require.Equal(d.t, rules[i].ID, j.Rule.ID, "the rule that is watched is the one that stands")
			}
		}
	} else if j.Made.Rule.IsZero() {
		require.NotEqual(d.t, j.ID, owner, "a job that ended without a rule has given its pair back: %s", state(j))
	}
	snap, err := d.journal.Load(context.Background(), journal.Job(j.ID))
	require.NoError(d.t, err)
	if time.Since(snap.At) < 15*time.Minute {
		return
	}
	open := strings.Contains(strings.Join(d.marks("open"), " "), "/"+j.ID+"/")
	require.Equal(d.t, j.Outstanding(), open, "the mark of an open job stands when it is at rest if it has left something")
	watched := strings.Contains(strings.Join(d.marks("watch"), " "), "/"+j.ID+"/")
	require.Equal(d.t, j.Phase == replication.PhaseWatching, watched, "the mark of the watch stands while the pair is watched")
}

// checkResults holds what was told to people against what the journals say.
func (d *desk) checkResults() {
	d.t.Helper()
	first := map[string]result{}
	newest := map[string]string{} // place of the last new result of a job
	ends := map[string]int{}
	for _, r := range d.results {
		if before, again := first[r.ID]; again {
			if !strings.Contains(r.ID, "/refused/") && !strings.Contains(r.ID, "/planned/") { // its time is that of the answer
				require.Equal(d.t, before.raw, r.raw, "a result that is sent again is the same")
			}
			continue
		}
		first[r.ID] = r
		require.NotEmpty(d.t, r.Data.Message, r.ID)
		if strings.Contains(r.ID, "/alert/") || strings.Contains(r.ID, "/refused/") || strings.Contains(r.ID, "/planned/") {
			continue
		}
		place := r.Sequence + r.ID[strings.LastIndexByte(r.ID, '/'):]
		require.Less(d.t, newest[r.Data.Ticket], place, "the results of a job come in their order: %s", r.ID)
		newest[r.Data.Ticket] = place
		if r.Type != string(replication.EventBlocked) {
			ends[r.Data.Ticket+" "+r.Type]++
		}
	}
	for fact, n := range ends {
		id, _, _ := strings.Cut(fact, " ")
		if j := d.job(id); j != nil && len(j.Orders) > 0 { // what began again can end again
			continue
		}
		require.Equal(d.t, 1, n, "two results with different ids say the same: %s", fact)
	}
	for id := range d.guard.tickets() {
		if d.job(id) != nil {
			d.checkTold(id, first)
		}
	}
}

// checkTold looks whether every result that a job meant to send has come, and no other.
func (d *desk) checkTold(id string, came map[string]result) {
	d.t.Helper()
	all := d.history(id)
	meant := map[string]bool{}
	for _, j := range all {
		for _, e := range j.Outbox {
			meant[e.ID] = true
			if r, ok := came[e.ID]; ok {
				require.Equal(d.t, string(e.Reason), r.Data.Reason, e.ID)
			}
		}
	}
	if all[len(all)-1].AtRest() {
		for e := range meant {
			require.Contains(d.t, came, e, "a job is at rest when its results are sent")
		}
	}
	for e, r := range came {
		if r.Data.Ticket == id && !strings.Contains(e, "/alert/") && !strings.Contains(e, "/refused/") && !strings.Contains(e, "/planned/") {
			require.True(d.t, meant[e], "%s was sent and is in no entry", e)
		}
	}
}
