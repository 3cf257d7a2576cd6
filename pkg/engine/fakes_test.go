package engine_test

import (
	"context"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A fakeCloud has behaviour: it keeps what was made, starts rules and copies
// objects after a while, and fails the next call of a name when told.
type fakeCloud struct {
	mu       sync.Mutex
	buckets  map[string]replication.BucketSeen
	rules    []replication.RuleSeen
	made     time.Time
	roles    map[string]string
	policies map[string]string
	attached map[string]string
	rights   map[string][]string              // of roles, by people
	system   map[string]string                // system policies of our roles, one each
	users    []string                         // of every policy, besides our roles
	objects  map[string]map[string]fakeObject // bucket, key
	owners   map[string]string
	slots    map[string]bool // of jobs
	calls    map[string]int
	fail     map[string][]error // by call name: errors of the next calls; nil lets one pass
	lose     map[string]int     // by call name: so many calls take effect and lose their answer
	spoil    func(*replication.RuleSeen)
	noCopy   bool
	leak     bool
	unfit    bool // OSS cannot use the role
	wakes    []fakeWake
	events   []replication.Event
	buried   []string
	die      string // the worker dies when this call has taken effect: nothing it does afterwards arrives
	dead     bool
	pending  map[string]func() // by call name: what happens while the next call is under way

	key       replication.KeySeen
	sample    replication.SampleSeen
	encrypted map[string]replication.EncryptionSeen // by bucket
}

type fakeObject struct {
	seen    replication.ObjectSeen
	written time.Time
}

type fakeWake struct {
	to  replication.Owner
	job string
	rev uint64
	at  time.Time
}

func newFakeCloud() *fakeCloud {
	b := func(region string) replication.BucketSeen {
		return replication.BucketSeen{Is: replication.Exists, Owner: "1000000000000001", Region: region}
	}
	return &fakeCloud{
		buckets: map[string]replication.BucketSeen{"src-bucket": b("cn-hangzhou"), "dest-bucket": b("cn-shanghai")},
		roles:   map[string]string{}, policies: map[string]string{}, attached: map[string]string{},
		objects: map[string]map[string]fakeObject{"src-bucket": {}, "dest-bucket": {}},
		system:  map[string]string{}, owners: map[string]string{}, slots: map[string]bool{}, calls: map[string]int{}, fail: map[string][]error{}, lose: map[string]int{},
	}
}

// during has something happen while the next call of a name is under way.
func (f *fakeCloud) during(name string, do func()) { f.pending = map[string]func(){name: do} }

// do counts a call, fails it when told, and carries it out.
func (f *fakeCloud) do(ctx context.Context, name string, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	happens := f.pending[name]
	delete(f.pending, name)
	f.mu.Unlock()
	if happens != nil {
		happens()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return &fault.Error{Kind: fault.Unknown, Op: name}
	}
	f.calls[name]++
	if q := f.fail[name]; len(q) > 0 {
		f.fail[name] = q[1:]
		if q[0] != nil {
			return q[0]
		}
	}
	err := effect()
	if f.die == name {
		f.dead, f.die = true, ""
		return &fault.Error{Kind: fault.Unknown, Op: name}
	}
	if f.lose[name] > 0 {
		f.lose[name]--
		return &fault.Error{Kind: fault.Unknown, Op: name}
	}
	return err
}

func (f *fakeCloud) Bucket(ctx context.Context, e replication.End) (s replication.BucketSeen, err error) {
	err = f.do(ctx, "Bucket", func() error {
		s = f.buckets[e.Bucket]
		if s.Is == "" {
			s.Is = replication.Missing
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Locations(ctx context.Context, _ replication.End) (s replication.LocationsSeen, err error) {
	err = f.do(ctx, "Locations", func() error {
		s = replication.LocationsSeen{Regions: []string{"cn-shanghai"}, RTC: []string{"cn-shanghai"}}
		return nil
	})
	return s, err
}

func (f *fakeCloud) status() replication.RuleStatus {
	if time.Since(f.made) < 4*time.Minute {
		return replication.RuleStarting
	}
	return replication.RuleDoing
}

func (f *fakeCloud) Rules(ctx context.Context, _ replication.End) (s replication.RulesSeen, err error) {
	err = f.do(ctx, "Rules", func() error {
		for i := range f.rules {
			if f.rules[i].Status != replication.RuleClosing {
				f.rules[i].Status = f.status()
			}
		}
		s.Rules = slices.Clone(f.rules)
		f.rules = slices.DeleteFunc(f.rules, func(r replication.RuleSeen) bool { return r.Status == replication.RuleClosing })
		return nil
	})
	return s, err
}

func (f *fakeCloud) Progress(ctx context.Context, _ replication.End, id string) (s replication.ProgressSeen, err error) {
	err = f.do(ctx, "Progress", func() error {
		s.Is = replication.Missing
		for _, r := range f.rules {
			if r.ID == id {
				s = replication.ProgressSeen{Is: replication.Exists, Status: f.status()}
				if s.Status == replication.RuleDoing && !f.noCopy {
					s.Watermark = time.Now()
				}
			}
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) PutRule(ctx context.Context, r replication.RuleSpec) (id, request string, err error) {
	err = f.do(ctx, "PutRule", func() error {
		if f.unfit || f.attached[r.SyncRole] == "" && f.system[r.SyncRole] == "" {
			return &fault.Error{Kind: fault.Denied, Code: "NoPermission"}
		}
		if len(f.rules) > 0 {
			return fault.Exists
		}
		id = "rule-1"
		g := replication.RuleSeen{ID: id, Destination: r.Destination.Bucket, Location: r.Destination.Location(), Prefixes: r.Prefixes,
			Action: r.Action, Historical: r.Historical, SyncRole: r.SyncRole, Status: replication.RuleStarting}
		if r.KMSKey != "" {
			g.KMS, g.KMSKey = "Enabled", r.KMSKey
		}
		if f.spoil != nil {
			f.spoil(&g)
		}
		f.rules, f.made = append(f.rules, g), time.Now()
		return nil
	})
	return id, "req-1", err
}

func (f *fakeCloud) PutRTC(ctx context.Context, _ replication.End, id string, on bool) (string, error) {
	return "req-1", f.do(ctx, "PutRTC", func() error {
		for i := range f.rules {
			if f.rules[i].ID == id {
				f.rules[i].RTC = map[bool]string{true: "enabling"}[on]
				return nil
			}
		}
		return fault.NotFound
	})
}

func (f *fakeCloud) CloseRule(ctx context.Context, _ replication.End, id string) error {
	return f.do(ctx, "CloseRule", func() error {
		for i := range f.rules {
			if f.rules[i].ID == id {
				f.rules[i].Status = replication.RuleClosing
			}
		}
		return nil
	})
}

func (f *fakeCloud) Head(ctx context.Context, e replication.End, key string) (s replication.ObjectSeen, err error) {
	err = f.do(ctx, "Head", func() error {
		s.Is = replication.Missing
		inScope := strings.HasPrefix(key, "image/") || f.leak
		o, ok := f.objects["src-bucket"][key]
		old, had := f.objects["dest-bucket"][key]
		if ok && inScope && !f.noCopy && time.Since(o.written) > 3*time.Second {
			f.objects["dest-bucket"][key] = o
			s = o.seen
			f.encrypt(&s)
		} else if had {
			s = old.seen
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Put(ctx context.Context, e replication.End, c replication.Canary) (s replication.ObjectSeen, err error) {
	err = f.do(ctx, "Put", func() error {
		crc := crc64.Checksum([]byte(c.Content), crc64.MakeTable(crc64.ECMA))
		s = replication.ObjectSeen{Is: replication.Exists, Size: int64(len(c.Content)), CRC64: fmt.Sprint(crc), Meta: c.Meta}
		f.objects[e.Bucket][c.Key] = fakeObject{s, time.Now()}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Delete(ctx context.Context, e replication.End, key string) error {
	return f.do(ctx, "Delete", func() error { delete(f.objects[e.Bucket], key); return nil })
}

func (f *fakeCloud) Purge(ctx context.Context, e replication.End, keys []string) (left []string, err error) {
	err = f.do(ctx, "Purge", func() error {
		for _, k := range keys {
			delete(f.objects[e.Bucket], k)
		}
		return nil
	})
	return nil, err
}

// Gap compares everything at once, a page for each object.
func (f *fakeCloud) Gap(ctx context.Context, e, to replication.End, _ []string, g replication.Gap) (s replication.GapSeen, err error) {
	err = f.do(ctx, "Gap", func() error {
		keys := slices.Sorted(maps.Keys(f.objects[e.Bucket]))
		i := slices.IndexFunc(keys, func(k string) bool { return k > g.Cursor.After })
		s.Next = g.Cursor
		if s.Next.Pages++; i < 0 {
			s.Done = true
			return nil
		}
		s.Next.After = keys[i]
		o := f.objects[e.Bucket][keys[i]]
		s.Looked = 1
		if o.written.Before(g.From) || o.written.After(g.To) {
			return nil
		}
		s.Written = 1
		if c, ok := f.objects[to.Bucket][keys[i]]; g.Unlisted || !ok || c.seen.CRC64 != o.seen.CRC64 {
			s.Missing, s.Examples = 1, []string{keys[i]}
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Empty(ctx context.Context, e replication.End, _ []string) (empty bool, err error) {
	err = f.do(ctx, "Empty", func() error { empty = len(f.objects[e.Bucket]) == 0; return nil })
	return empty, err
}

func (f *fakeCloud) Lifecycle(ctx context.Context, e replication.End) (s replication.LifecycleSeen, err error) {
	err = f.do(ctx, "Lifecycle "+e.Bucket, func() error {
		s.Rules = []replication.LifecycleRule{{ID: "of " + e.Bucket, Enabled: true, Expires: "1 day after their last change"}}
		return nil
	})
	return s, err
}

func (f *fakeCloud) SameNames(ctx context.Context, source, destination replication.End, _ []string) (s replication.SameNamesSeen, err error) {
	err = f.do(ctx, "SameNames", func() error {
		s = replication.SameNamesSeen{Looked: len(f.objects[source.Bucket]), Complete: true, Same: len(f.objects[destination.Bucket])}
		return nil
	})
	return s, err
}

func existence(ok bool) replication.Existence {
	if ok {
		return replication.Exists
	}
	return replication.Missing
}

func (f *fakeCloud) Role(ctx context.Context, name string) (s replication.RoleSeen, err error) {
	err = f.do(ctx, "Role", func() error {
		t, ok := f.roles[name]
		s = replication.RoleSeen{Is: existence(ok), Trust: t}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Policy(ctx context.Context, name string) (s replication.PolicySeen, err error) {
	err = f.do(ctx, "Policy", func() error {
		d, ok := f.policies[name]
		s = replication.PolicySeen{Is: existence(ok), Document: d}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Attached(ctx context.Context, role, policy string) (s replication.AttachmentSeen, err error) {
	err = f.do(ctx, "Attached", func() error {
		s = replication.AttachmentSeen{Attached: f.attached[role] == policy, Others: slices.Clone(f.rights[role])}
		if p := f.system[role]; p != "" {
			s.Others, s.System = append(s.Others, p), []string{p}
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Rights(ctx context.Context, role string) (s replication.RightsSeen, err error) {
	err = f.do(ctx, "Rights", func() error {
		for _, name := range append(slices.Clone(f.rights[role]), f.attached[role]) {
			if d, ok := f.policies[name]; ok {
				s.Policies = append(s.Policies, replication.PolicyHeld{Name: name, Type: replication.PolicyCustom, Document: d})
			}
		}
		if p := f.system[role]; p != "" {
			s.Policies = append(s.Policies, replication.PolicyHeld{Name: p, Type: replication.PolicySystem,
				Document: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}`})
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) PolicyUse(ctx context.Context, name string) (s replication.PolicyUseSeen, err error) {
	err = f.do(ctx, "PolicyUse", func() error {
		if _, ok := f.policies[name]; !ok {
			return fault.NotFound
		}
		s = replication.PolicyUseSeen{Versions: 1, By: f.users}
		for role, policy := range f.attached {
			if policy == name {
				s.By = append(s.By, "role "+role)
			}
		}
		return nil
	})
	return s, err
}

func (f *fakeCloud) Detach(ctx context.Context, role string, t replication.PolicyType, _ string) (string, error) {
	if t == replication.PolicySystem {
		return "req", f.do(ctx, "DetachSystem", func() error { return takeAway(f.system, role) })
	}
	return "req", f.do(ctx, "Detach", func() error { return takeAway(f.attached, role) })
}

func (f *fakeCloud) DeletePolicy(ctx context.Context, name string) (string, error) {
	return "req", f.do(ctx, "DeletePolicy", func() error {
		for _, policy := range f.attached {
			if policy == name {
				return fault.Conflict
			}
		}
		return takeAway(f.policies, name)
	})
}

func (f *fakeCloud) DeleteRole(ctx context.Context, name string) (string, error) {
	return "req", f.do(ctx, "DeleteRole", func() error {
		if f.attached[name] != "" || f.system[name] != "" || len(f.rights[name]) > 0 {
			return fault.Conflict
		}
		return takeAway(f.roles, name)
	})
}

func takeAway(m map[string]string, name string) error {
	if _, ok := m[name]; !ok {
		return fault.NotFound
	}
	delete(m, name)
	return nil
}

func (f *fakeCloud) CreateRole(ctx context.Context, name, trust, _ string) (string, error) {
	return "req", f.do(ctx, "CreateRole", func() error { return makeOnce(f.roles, name, trust) })
}

func (f *fakeCloud) CreatePolicy(ctx context.Context, name, document, _ string) (string, error) {
	return "req", f.do(ctx, "CreatePolicy", func() error { return makeOnce(f.policies, name, document) })
}

func (f *fakeCloud) Attach(ctx context.Context, role string, t replication.PolicyType, policy string) (string, error) {
	if t == replication.PolicySystem {
		return "req", f.do(ctx, "AttachSystem", func() error { return makeOnce(f.system, role, policy) })
	}
	return "req", f.do(ctx, "Attach", func() error { return makeOnce(f.attached, role, policy) })
}

func makeOnce(m map[string]string, name, value string) error {
	if _, ok := m[name]; ok {
		return fault.Exists
	}
	m[name] = value
	return nil
}

func (f *fakeCloud) Claim(ctx context.Context, pair, job string) (owner string, err error) {
	err = f.do(ctx, "Claim", func() error {
		if f.owners[pair] == "" {
			f.owners[pair] = job
		}
		owner = f.owners[pair]
		return nil
	})
	return owner, err
}

func (f *fakeCloud) Release(ctx context.Context, pair, job string) error {
	return f.do(ctx, "Release", func() error {
		if f.owners[pair] == job {
			delete(f.owners, pair)
		}
		return nil
	})
}

func (f *fakeCloud) Owner(ctx context.Context, pair string) (owner string, err error) {
	err = f.do(ctx, "Owner", func() error { owner = f.owners[pair]; return nil })
	return owner, err
}

func (f *fakeCloud) Take(ctx context.Context, job string, s replication.Slot) (seen replication.SlotSeen, err error) {
	err = f.do(ctx, "Take", func() error {
		if !f.slots[job] && len(f.slots) >= s.Caps.RulesPerAccount {
			seen = replication.SlotSeen{PerAccount: true, Used: len(f.slots)}
			return nil
		}
		f.slots[job], seen.Taken = true, true
		return nil
	})
	return seen, err
}

func (f *fakeCloud) GiveBack(ctx context.Context, job string) error {
	return f.do(ctx, "GiveBack", func() error { delete(f.slots, job); return nil })
}

func (f *fakeCloud) Wake(ctx context.Context, to replication.Owner, job string, rev uint64, delay time.Duration) error {
	return f.do(ctx, "Wake", func() error {
		f.wakes = append(f.wakes, fakeWake{to, job, rev, time.Now().Add(delay)})
		return nil
	})
}

func (f *fakeCloud) Publish(ctx context.Context, e replication.Event) error {
	return f.do(ctx, "Publish", func() error { f.events = append(f.events, e); return nil })
}

func (f *fakeCloud) Bury(ctx context.Context, body []byte, _ replication.Problem) error {
	return f.do(ctx, "Bury", func() error { f.buried = append(f.buried, string(body)); return nil })
}

// due takes the wakes that are due by now.
func (f *fakeCloud) due() (now []fakeWake, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var later []fakeWake
	for _, w := range f.wakes {
		if w.at.After(time.Now()) {
			later = append(later, w)
			if next.IsZero() || w.at.Before(next) {
				next = w.at
			}
		} else {
			now = append(now, w)
		}
	}
	f.wakes = later
	return now, next
}
