package setup_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/setup"
	"github.com/replidesk/replidesk/pkg/sweep"
)

// problems are the problems that a doctor finds, by code, with subject and text.
func problems(t *testing.T, findings []setup.Finding) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, f := range findings {
		if f.State == setup.Problem {
			require.NotEmpty(t, f.Remedy, "%s: %s", f.Check, f.Text)
			require.NotEmpty(t, f.Text, f.Check)
			all[f.Check] += f.About + ": " + f.Text + "\n"
		}
	}
	require.Equal(t, len(all) == 0, setup.Healthy(findings))
	return all
}

func TestADoctorFindsNothingInASetUpThatIsWell(t *testing.T) {
	within(t, func(b *bench) {
		b.prepared()
		before := b.calls()
		findings := b.setup().Doctor(b.t.Context())
		require.Empty(b.t, problems(b.t, findings))
		for _, w := range b.writes(before) {
			require.Contains(b.t, w, stateBucket+"/sample/doctor/", "nothing but an object of its own is written")
		}
		left, err := b.desk(b.a.User).Store.ListMarkers(b.t.Context(), "sample/doctor/", "", 10)
		require.NoError(b.t, err)
		require.Empty(b.t, left)
	})
}

const wide = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// A brokenSetUp is one thing that is wrong, and what a doctor says of it: exactly these
// codes, each with this in its text.
type brokenSetUp struct {
	name string
	file func(*config.Desk) // changes the desk file before anything is made
	hurt func(b *bench)
	want map[string]string
}

var brokenSetUps = []brokenSetUp{
	{"a desk file that allows nothing", func(f *config.Desk) { f.Pairs = nil }, nil,
		map[string]string{setup.DeskAllowsNothing: "every ticket is refused"}},
	{"keys of another account", nil, func(b *bench) { b.a.User = b.b.User },
		map[string]string{setup.CredentialsOther: "but the desk works in"}},
	{"a secret that is not the key's", nil, func(b *bench) { b.a.User.Secret = strings.Repeat("x", 30) },
		map[string]string{setup.CredentialsRefused: "SignatureDoesNotMatch"}},
	{"a key that does not exist", nil, func(b *bench) { b.a.User.ID = "LTAI5tNobodyHasThisKey00" },
		map[string]string{setup.CredentialsRefused: "InvalidAccessKeyId"}},
	{"a clock that is hours off", nil, func(b *bench) {
		b.world.Break(world.Fault{Service: "sts", Kind: world.FaultRefuse, Status: 400, Code: "InvalidTimeStamp.Expired"})
	}, map[string]string{setup.ClockSkewed: "InvalidTimeStamp.Expired"}},
	{"a clock that is minutes off", nil, func(b *bench) { b.transport = &late{b.cloud.Transport(), 5 * time.Minute} },
		map[string]string{setup.ClockSkewed: "5m0s off"}},
	{"no state bucket", nil, func(b *bench) { require.Nil(b.t, b.world.DeleteBucket(stateBucket)) },
		map[string]string{"bucket.missing": "zone-redundant"}},
	{"a state bucket of somebody else", nil, func(b *bench) {
		require.Nil(b.t, b.world.DeleteBucket(stateBucket))
		require.Nil(b.t, b.world.PutBucket(world.NewBucket{Name: stateBucket, Owner: b.b.UID, Region: region, Redundancy: "ZRS"}))
	}, map[string]string{"bucket.unreadable": "AccessDenied"}},
	{"a state bucket that anyone can read", nil, func(b *bench) { require.Nil(b.t, b.world.PutBucketACL(stateBucket, "public-read")) },
		map[string]string{"bucket.differs": `its ACL is "public-read"`}},
	{"a state bucket that is not encrypted", nil, func(b *bench) { require.Nil(b.t, b.world.PutBucketEncryption(stateBucket, nil)) },
		map[string]string{"bucket.differs": "its default encryption"}},
	{"a state bucket with a lifecycle rule", nil, func(b *bench) {
		require.Nil(b.t, b.world.PutBucketLifecycle(stateBucket, []world.LifecycleRule{{ID: "tidy", Enabled: true, Expiration: &world.LifecycleTime{Days: 7}}}, false))
	}, map[string]string{"bucket.differs": "1 lifecycle rules"}},
	{"a state bucket in one zone", nil, func(b *bench) {
		require.Nil(b.t, b.world.DeleteBucket(stateBucket))
		require.Nil(b.t, b.world.PutBucket(world.NewBucket{Name: stateBucket, Owner: b.a.UID, Region: region}))
		require.Nil(b.t, b.world.PutBucketEncryption(stateBucket, &world.Encryption{Algorithm: "AES256"}))
	}, map[string]string{"bucket.differs": "one zone (LRS)"}},
	{"a state bucket with versions", nil, func(b *bench) { require.Nil(b.t, b.world.PutBucketVersioning(stateBucket, "Enabled")) },
		map[string]string{"bucket.differs": "its versioning is Enabled", setup.JournalUnwritable: "versioned"}},
	{"something in between lets creates overwrite", nil, func(b *bench) { b.transport = &generous{b.cloud.Transport()} },
		map[string]string{setup.JournalRaced: "8 of 8 made the same object"}},
	{"a state bucket that may not be written", nil, func(b *bench) {
		b.world.Break(world.Fault{Service: "oss", Action: "PutObject", Kind: world.FaultRefuse, Status: 403, Code: "AccessDenied"})
	}, map[string]string{setup.JournalUnwritable: "AccessDenied"}},
	{"a queue that is missing", nil, func(b *bench) {
		require.NoError(b.t, b.world.DeleteQueue(region, b.a.UID, "replidesk-wake-verify"))
	}, map[string]string{"queue.missing": "replidesk-wake-verify"}},
	{"a queue that forgets after an hour", nil, func(b *bench) {
		hour := 3600
		require.NoError(b.t, b.world.SetQueueAttributes(region, b.a.UID, "replidesk-requests", world.QueueChange{MessageRetentionPeriod: &hour}))
	}, map[string]string{"queue.differs": "1h0m0s instead of 7 days"}},
	{"tickets that nobody takes", nil, func(b *bench) { b.send("replidesk-requests", "{}"); time.Sleep(time.Hour) },
		map[string]string{setup.QueueStuck: "replidesk-requests: a message has waited there for 1h"}},
	{"wakes that nobody takes", nil, func(b *bench) { b.send("replidesk-wake-verify", "{}"); time.Sleep(13 * time.Hour) },
		map[string]string{setup.QueueStuck: "replidesk-wake-verify"}},
	{"dead letters", nil, func(b *bench) { b.send("replidesk-dead", "{}"); time.Sleep(time.Minute) },
		map[string]string{setup.LettersDead: "replidesk-dead"}},
	{"sweeps that failed", nil, func(b *bench) { b.send("replidesk-failed", "{}"); time.Sleep(time.Minute) },
		map[string]string{setup.LettersFailed: "replidesk-failed"}},
	{"letters that the sweep does not bring back", nil, func(b *bench) { b.send("replidesk-undelivered", "{}"); time.Sleep(time.Hour) },
		map[string]string{setup.LettersUndelivered: "replidesk-undelivered"}},
	{"results that nobody reads", nil, func(b *bench) { b.send("replidesk-results", "{}"); time.Sleep(25 * time.Hour) },
		map[string]string{setup.ResultsUnread: "replidesk-results"}},
	{"a role that is missing", nil, func(b *bench) {
		require.Nil(b.t, b.world.DetachPolicyFromRole(b.a.UID, world.TypeCustom, "replidesk-verify", "replidesk-verify"))
		time.Sleep(time.Minute)
		require.Nil(b.t, b.world.DeleteRole(b.a.UID, "replidesk-verify", world.View{}))
	}, map[string]string{"role.missing": "replidesk-verify", "attachment.missing": "replidesk-verify"}},
	{"a role that others may take", nil, func(b *bench) {
		_, e := b.world.UpdateRole(b.a.UID, "replidesk-verify", world.RoleChange{Trust: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}]}`})
		require.Nil(b.t, e)
	}, map[string]string{"role.differs": "ecs.aliyuncs.com"}},
	{"a policy that grants more", nil, func(b *bench) {
		_, e := b.world.CreatePolicyVersion(b.a.UID, "replidesk-progress", wide, true, false)
		require.Nil(b.t, e)
	}, map[string]string{"policy.differs": "replidesk-progress"}},
	{"a policy that is not attached", nil, func(b *bench) {
		require.Nil(b.t, b.world.DetachPolicyFromRole(b.a.UID, world.TypeCustom, "replidesk-provision", "replidesk-provision"))
	}, map[string]string{"attachment.missing": "replidesk-provision"}},
	{"a second policy on a role", nil, func(b *bench) {
		require.Nil(b.t, b.world.AttachPolicyToRole(b.a.UID, world.TypeSystem, "AliyunOSSFullAccess", "replidesk-provision", world.View{}))
	}, map[string]string{"attachment.differs": "AliyunOSSFullAccess"}},
	{"roles that may not be read", nil, func(b *bench) {
		b.world.Break(world.Fault{Service: "ram", Action: "GetRole", Kind: world.FaultRefuse, Status: 403, Code: "NoPermission"})
	}, map[string]string{"role.unreadable": "NoPermission"}},
	{"a blocked ticket", nil, func(b *bench) {
		b.job("CHG-1", `{"id":"CHG-1","phase":"blocked","since":"2000-01-01T00:00:00Z","reason":"rule.quota","message":"no rule is left"}`)
	}, map[string]string{setup.JobBlocked: "CHG-1: it is blocked since 2000-01-01T00:00:00Z by rule.quota: no rule is left"}},
	{"a ticket whose time has passed", nil, func(b *bench) {
		b.job("CHG-1", `{"id":"CHG-1","phase":"starting","since":"1999-12-31T00:00:00Z","due":"1999-12-31T00:01:00Z"}`)
	}, map[string]string{setup.JobOverdue: "CHG-1: it is starting"}},
	{"a ticket that was taken in and forgotten", nil, func(b *bench) {
		b.object("open/0/CHG-1/000000000001", "{}")
		time.Sleep(time.Hour)
		b.swept(`{}`)
	}, map[string]string{setup.JobOverdue: "nothing was done since"}},
	{"a journal that cannot be read", nil, func(b *bench) {
		b.object("open/0/CHG-1/000000000001", "{}")
		key := b.job("CHG-1", `{"id":"CHG-1","phase":"starting","since":"2000-01-01T00:00:00Z"}`)
		_, e := b.world.DeleteObject(stateBucket, key, "")
		require.Nil(b.t, e)
		b.object(key, "no entry")
	}, map[string]string{setup.JobUnreadable: "CHG-1"}},
	{"a sweep that stands still", nil, func(b *bench) {
		b.job("CHG-1", `{"id":"CHG-1","phase":"watching","since":"2000-01-01T00:00:00Z"}`)
		b.swept(`{}`)
		time.Sleep(time.Hour)
	}, map[string]string{setup.SweepStalled: "the last sweep was at"}},
	{"a sweep that never came", nil, func(b *bench) {
		b.job("CHG-1", `{"id":"CHG-1","phase":"watching","since":"2000-01-01T00:00:00Z"}`)
		time.Sleep(time.Hour)
	}, map[string]string{setup.SweepStalled: "the last sweep was never"}},
}

func TestADoctorNamesWhatIsWrong(t *testing.T) {
	require.GreaterOrEqual(t, len(brokenSetUps), 20)
	for _, c := range brokenSetUps {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(b *bench) {
				if c.file != nil {
					c.file(&b.file)
				}
				b.prepared()
				if c.hurt != nil {
					c.hurt(b)
				}
				if _, slept := c.want[setup.SweepStalled]; !slept {
					time.Sleep(time.Minute) // what was changed spreads
				}
				got := problems(b.t, b.setup().Doctor(b.t.Context()))
				for code, text := range c.want {
					require.Contains(b.t, got[code], text, "%s among %v", code, got)
				}
				require.Len(b.t, got, len(c.want), "nothing else is said to be wrong: %v", got)
			})
		})
	}
}

func TestSettingsThatCannotBeReadAreFindings(t *testing.T) {
	_, err := config.Read(func(string) string { return "" })
	findings := setup.Settings(err)
	require.Len(t, findings, 3)
	require.Contains(t, problems(t, findings)[setup.SettingsInvalid], "REPLIDESK_STATE_BUCKET is not set")
	require.Len(t, setup.Settings(errors.New("one")), 1)
}

// job saves the only entry of a ticket's journal with a fresh sweep, and returns its key.
func (b *bench) job(id, body string) string {
	b.t.Helper()
	d := b.desk(b.a.User)
	_, err := d.Journal.Append(b.t.Context(), b.empty(d.Journal, journal.Job(id)), []byte(body), journal.Meta{Writer: "test"})
	require.NoError(b.t, err)
	b.object("open/0/"+id+"/000000000001", "{}")
	for _, c := range b.written() {
		if strings.Contains(c, "/job/"+id+"/") {
			return c
		}
	}
	require.Fail(b.t, "the entry was not found")
	return ""
}

func (b *bench) empty(j *journal.Journal, log journal.Log) journal.Snapshot {
	snap, err := j.Load(b.t.Context(), log)
	require.NoError(b.t, err)
	return snap
}

// swept saves an entry of the first shard of the watch.
func (b *bench) swept(state string) {
	b.t.Helper()
	own := journal.New(b.desk(b.a.User).Store, journal.Options{Schema: sweep.Schema, MinReader: sweep.MinReader})
	_, err := own.Append(b.t.Context(), b.empty(own, journal.Sweep(0)), []byte(state), journal.Meta{Writer: "test"})
	require.NoError(b.t, err)
}

// written are the keys of the objects that were put into the state bucket by calls.
func (b *bench) written() []string {
	var keys []string
	for _, w := range b.writes(0) {
		if key, ok := strings.CutPrefix(w, "PutObject "+stateBucket+"/"); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// late is a cloud whose answers carry another time.
type late struct {
	http.RoundTripper
	by time.Duration
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		if at, e := http.ParseTime(a.Header.Get("Date")); e == nil {
			a.Header.Set("Date", at.Add(-l.by).Format(http.TimeFormat))
		}
	}
	return a, err
}

// generous is a proxy that lets every put through, as one would that drops the header
// which forbids overwriting.
type generous struct{ http.RoundTripper }

func (g *generous) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := g.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPut && a.StatusCode == http.StatusConflict {
		a.StatusCode, a.Status = http.StatusOK, "200 OK"
	}
	return a, err
}
