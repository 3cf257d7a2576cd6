package systemtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

var (
	simSeeds = flag.Int("sim.seeds", 10, "how many seeds TestFaultSimulation runs")
	simFirst = flag.Uint64("sim.first", 1, "the first of them")
)

// TestFaultSimulation throws everything that can go wrong at a few tickets, all at
// once and at random, and then lets it be calm. What may never be is looked at after
// every call of a function; what has to be in the end, at the end. Order and moment
// of calls that are made side by side are not part of a seed, so a seed that fails
// may need a few runs to fail again.
func TestFaultSimulation(t *testing.T) {
	for i := range uint64(*simSeeds) {
		seed := *simFirst + i
		bubble(t, fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("run it again with: go test ./pkg/internal/systemtest -run TestFaultSimulation -sim.first=%d -sim.seeds=1", seed)
				}
			})
			newSimulation(t, seed).run()
		})
	}
}

// A simulation is one run under one seed.
type simulation struct {
	*desk
	rng   *rand.Rand
	pairs []simPair
	sent  []string // tickets, as they were sent
	ids   []string // of the good ones
	calm  []func() // take back what was done to the cloud

	dropped, disabled map[string]bool // by source: an element of a rule was lost; a rule was disabled
	told              []string        // what was done, for the reader of a failure
}

type simPair struct {
	src, dst string
	prefix   bool // the tickets for it have prefixes
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 5))
	s := &simulation{rng: rng, dropped: map[string]bool{}, disabled: map[string]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(s.told, "\n"))
		}
	})
	s.desk = newDesk(t, setup{seed: seed, desk: simCaps(seed), world: world.Options{
		IdleWatermarkStands: s.chance(3), RoleUncheckedAtPut: s.chance(3), GrantCheckedAtPut: s.chance(3),
		Delays: world.Delays{Propagation: time.Duration(5+rng.IntN(120)) * time.Second},
	}})
	for i := range 3 + rng.IntN(3) {
		p := simPair{src: fmt.Sprintf("src-%d", i), dst: fmt.Sprintf("dst-%d", i), prefix: !s.chance(4)}
		s.pair(p.src, p.dst, s.chance(2))
		for _, b := range []string{p.src, p.dst} {
			require.Nil(t, s.world.PutBucketTags(b, []world.Tag{{Key: "team", Value: "images"}}))
		}
		for n := range rng.IntN(20) {
			s.put(p.src, fmt.Sprintf("image/old-%d", n), "old")
			s.put(p.src, fmt.Sprintf("other/old-%d", n), "old")
		}
		s.pairs = append(s.pairs, p)
	}
	return s
}

// simCaps gives every other desk caps: so that tickets have to wait for slots.
func simCaps(seed uint64) func(*config.Desk) {
	if seed%2 == 0 {
		return nil
	}
	return func(f *config.Desk) { f.Caps = config.Caps{RulesPerHour: ptr(2), RulesPerAccount: ptr(20)} }
}

// chance is true once in so many times.
func (s *simulation) chance(in int) bool { return s.rng.IntN(in) == 0 }

func (s *simulation) span(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)))
}

func (s *simulation) tell(format string, args ...any) {
	s.told = append(s.told, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (s *simulation) run() {
	for i := range s.pairs {
		s.order(i)
	}
	for end := time.Now().Add(s.span(40*time.Minute, 2*time.Hour)); time.Now().Before(end); {
		s.trouble()
		time.Sleep(s.span(time.Second, 2*time.Minute))
	}
	s.tell("calm")
	s.befall(nil)
	s.onInvoke(nil)
	for _, undo := range s.calm {
		undo()
	}
	n := 0
	stop := s.every(4*time.Minute, func() { // the watermark of an idle bucket may stand still
		n++
		for _, p := range s.pairs {
			s.putTagged(p.src, fmt.Sprintf("image/calm-%d", n), "team", "images")
		}
	})
	for _, id := range s.ids {
		s.ends(s.await(id, 24*time.Hour))
	}
	stop()
	time.Sleep(30 * time.Minute)
	for _, id := range s.ids {
		s.replicated(s.job(id))
	}
}

// order sends a ticket for a pair.
func (s *simulation) order(i int) {
	p := s.pairs[i]
	id := fmt.Sprintf("CHG-%d", len(s.ids))
	deletes := s.chance(2)
	extra := fmt.Sprintf(`"historical":{"replicate":%t,"acceptOverwrite":true},"replicateDeletes":%t,"rtc":%t,"verify":{"canary":%t}`,
		!s.chance(4), deletes, s.chance(4), !s.chance(5))
	var scope []string
	if p.prefix {
		scope = append(scope, `"prefixes":["image/","video"]`)
	}
	if !deletes && s.chance(3) {
		scope = append(scope, `"tags":{"match":"any","set":[{"key":"team","value":"images"},{"key":"state","value":"approved"}]}`)
	}
	if len(scope) > 0 {
		extra += `,"objects":{` + strings.Join(scope, ",") + `}`
	}
	body := s.ticket(id, p.src, p.dst, extra)
	s.tell("ticket %s for %s: %s", id, p.src, extra)
	s.ids, s.sent = append(s.ids, id), append(s.sent, body)
	s.submit(body)
}

// trouble does one thing that can go wrong.
func (s *simulation) trouble() {
	i := s.rng.IntN(len(s.pairs))
	p := s.pairs[i]
	troubles := []func(){
		s.breakService, s.breakService, s.breakService, s.breakNetwork, s.breakNetwork, s.killSome, s.killSome,
		func() { s.doubleOrHold() },
		func() { s.loseWakes() },
		func() { s.slowDown(p) },
		func() { s.hinderSome() },
		func() { s.loseElement(p) },
		func() { s.disableSome(p) },
		func() { s.order(i) },
		func() { s.submit(s.sent[s.rng.IntN(len(s.sent))]) },
		func() { s.submit(`{"id":"` + strings.Repeat("x", s.rng.IntN(70)) + `"}`) },
		func() { s.writeSome(p) }, func() { s.writeSome(p) },
	}
	troubles[s.rng.IntN(len(troubles))]()
}

// forAWhile takes something back after a random time, or when it gets calm.
func (s *simulation) forAWhile(most time.Duration, undo func()) {
	done := false
	once := func() {
		s.mu.Lock()
		was := done
		done = true
		s.mu.Unlock()
		if !was {
			undo()
		}
	}
	time.AfterFunc(s.span(time.Second, most), once)
	s.calm = append(s.calm, once)
}

func (s *simulation) breakService() {
	kinds := []world.FaultKind{world.FaultThrottle, world.FaultLoseReply, world.FaultSlow, world.FaultStaleRead, world.FaultStaleList, world.FaultHang, world.FaultRefuse}
	actions := map[string][]string{
		"oss": {"", "PutObject", "GetObject", "ListObjectsV2", "PutBucketReplication", "GetBucketReplication", "GetBucketReplicationProgress", "DeleteBucketReplication", "HeadObject", "DeleteObject", "GetBucketInfo"},
		"ram": {"", "CreateRole", "CreatePolicy", "AttachPolicyToRole", "GetRole", "GetPolicy", "ListPoliciesForRole"},
		"mns": {"", "SendMessage"},
		"fc":  {"InvokeFunction"},
	}
	service := []string{"oss", "oss", "ram", "mns", "fc"}[s.rng.IntN(5)]
	f := world.Fault{
		Service: service, Action: actions[service][s.rng.IntN(len(actions[service]))], Kind: kinds[s.rng.IntN(len(kinds))],
		Skip: s.rng.IntN(4), Delay: s.span(time.Second, time.Minute), Status: 503, Code: "ServiceUnavailable",
	}
	if s.chance(2) {
		f.Times = 1 + s.rng.IntN(5)
	}
	if service == "fc" && f.Kind != world.FaultLoseReply { // the others would only stand in the way of everything
		f.Kind, f.Times = world.FaultThrottle, 3
	}
	s.tell("break %s %s: %s, %d times after %d", f.Service, f.Action, f.Kind, f.Times, f.Skip)
	s.forAWhile(15*time.Minute, s.world.Break(f))
}

func (s *simulation) breakNetwork() {
	percent, kinds := 5+s.rng.IntN(25), []mishap{lost, lostReply, hangs}
	if s.chance(2) {
		kinds = append(kinds, crash, crashDone)
	}
	s.tell("of the calls %d in a hundred go wrong", percent)
	s.befall(badNetwork(s.rng.Uint64(), percent, kinds...))
	s.forAWhile(10*time.Minute, func() { s.befall(nil) })
}

func (s *simulation) killSome() {
	s.tell("kill")
	stop := s.killer(s.rng.Uint64(), s.span(300*time.Millisecond, 5*time.Second))
	s.forAWhile(10*time.Minute, func() { stop() })
}

func (s *simulation) doubleOrHold() {
	f, name := fn("provision"), []string{"requests", "wake"}[s.rng.IntN(2)]
	if s.chance(2) {
		f, name = fn("verify"), "wake"
	}
	var err error
	if s.chance(2) {
		err = s.platform.DuplicateNext(f, name, 1+s.rng.IntN(5))
	} else {
		err = s.platform.HoldNext(f, name, s.span(time.Second, 20*time.Minute))
	}
	s.tell("double or hold a message to %s", f)
	require.NoError(s.t, err)
}

func (s *simulation) loseWakes() {
	q := []config.Queue{config.QueueWakeProvision, config.QueueWakeVerify}[s.rng.IntN(2)]
	s.tell("lose %d messages of %s", s.empty(q), q)
}

func (s *simulation) slowDown(p simPair) {
	if s.chance(2) {
		s.tell("pause %s", p.src)
		s.world.PausePair(p.src, p.dst, true)
		s.forAWhile(90*time.Minute, func() { s.world.PausePair(p.src, p.dst, false) })
		return
	}
	s.tell("throttle %s", p.src)
	s.world.ThrottlePair(p.src, p.dst, s.span(time.Second, 5*time.Minute))
	s.forAWhile(90*time.Minute, func() { s.world.ThrottlePair(p.src, p.dst, 0) })
}

// hinderSome takes the policy from the role of a job, for a while.
func (s *simulation) hinderSome() {
	id := s.ids[s.rng.IntN(len(s.ids))]
	role, policy := replication.RoleName(id), replication.PolicyName(id)
	if e := s.world.DetachPolicyFromRole(s.uid, world.TypeCustom, policy, role); e != nil {
		return
	}
	s.tell("detach the policy of %s", id)
	s.forAWhile(time.Hour, func() {
		if e := s.world.AttachPolicyToRole(s.uid, world.TypeCustom, policy, role, world.View{}); e != nil {
			s.tell("it is attached already")
		}
	})
}

func (s *simulation) loseElement(p simPair) {
	if !s.chance(3) {
		return
	}
	element := []string{"PrefixSet", "Action", "HistoricalObjectReplication", "RTC", "SyncRole", "UserTaggings"}[s.rng.IntN(6)]
	s.tell("rules lose %s", element)
	for _, p := range s.pairs {
		s.dropped[p.src] = true
	}
	s.forAWhile(20*time.Minute, s.world.DropElement(element))
}

func (s *simulation) disableSome(p simPair) {
	rules, e := s.world.Replication(p.src, false)
	if e != nil || !s.chance(2) {
		return
	}
	s.tell("disable the rule of %s", p.src)
	s.disabled[p.src] = true
	_, e = s.world.DeleteReplication(p.src, []string{rules[0].ID})
	require.Nil(s.t, e)
}

func (s *simulation) writeSome(p simPair) {
	for range 1 + s.rng.IntN(10) {
		s.put(p.src, fmt.Sprintf("%s%d", []string{"image/", "video", "other/", "image"}[s.rng.IntN(4)], s.rng.IntN(1000)), "new")
	}
}

// ends looks whether a job may have ended so.
func (s *simulation) ends(j *replication.Job) {
	s.t.Helper()
	var also []replication.Reason
	if s.disabled[j.Request.Source.Bucket] {
		also = append(also, replication.ReasonRuleVanished)
	}
	if s.dropped[j.Request.Source.Bucket] {
		also = append(also, replication.ReasonRuleDiffers)
	}
	s.ended(j.ID, also...)
}

// replicated looks whether a pair that is watched replicates.
func (s *simulation) replicated(j *replication.Job) {
	s.t.Helper()
	r := j.Request
	if j.Phase != replication.PhaseWatching || s.disabled[r.Source.Bucket] || !*r.Historical.Replicate {
		return
	}
	for _, v := range s.listed(r.Source.Bucket, "", false) {
		if r.Objects.Tags != nil && !strings.HasPrefix(v.Key, "image/calm-") {
			continue // it has no tags
		}
		if len(r.Objects.Prefixes) == 0 || strings.HasPrefix(v.Key, "image/") || strings.HasPrefix(v.Key, "video") {
			c := s.object(r.Destination.Bucket, v.Key)
			require.NotNil(s.t, c, "%s of %s did not arrive", v.Key, j.ID)
			require.Equal(s.t, v.CRC64, c.CRC64, v.Key)
		}
	}
	require.Zero(s.t, s.world.ReplicationStats(r.Source.Bucket, r.Destination.Bucket).Pending)
}
