package setup_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/deploy"
	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/localcloud"
	"github.com/replidesk/replidesk/pkg/setup"
	"github.com/replidesk/replidesk/pkg/wiring"
)

const (
	region      = "cn-hangzhou"
	stateBucket = "desk-state"
)

// A bench is a local cloud with a person who sets a desk up there.
type bench struct {
	t     *testing.T
	cloud *emulator.Cloud
	world *world.World
	a, b  emulator.Account
	env   map[string]string
	file  config.Desk
	// transport carries the requests; nil is that of the cloud.
	transport http.RoundTripper
}

// within runs f in virtual time.
func within(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * time.Minute) }) // the MNS SDK's HTTP client tidies up for a while
		cloud, accounts := emulator.Ready(world.Options{Seed: 5})
		b := &bench{t: t, cloud: cloud, world: cloud.World, a: accounts.A, b: accounts.B}
		b.env = map[string]string{"REPLIDESK_ACCOUNT": b.a.UID, "REPLIDESK_REGION": region, "REPLIDESK_STATE_BUCKET": stateBucket}
		any := config.End{Account: "*", Region: "*", Bucket: "*"}
		b.file = config.Desk{Accounts: []config.Account{{UID: b.b.UID, Role: "acs:ram::" + b.b.UID + ":role/" + deploy.DestinationRole}},
			Pairs: []config.Pair{{Source: any, Destination: any}}}
		time.Sleep(time.Minute) // the keys spread
		f(b)
	})
}

func (b *bench) config() config.Config {
	b.t.Helper()
	c, err := config.Read(func(name string) string { return b.env[name] })
	require.NoError(b.t, err)
	c.Desk = b.file
	return c
}

// desk is the desk of whoever has the key.
func (b *bench) desk(k world.AccessKey) *wiring.Desk {
	b.t.Helper()
	creds := &wiring.Credentials{}
	creds.Set(k.ID, k.Secret, "")
	rt := b.transport
	if rt == nil {
		rt = b.cloud.Transport()
	}
	return wiring.New(b.config(), creds, rt, slog.New(slog.DiscardHandler))
}

func (b *bench) setup() *setup.Setup {
	b.t.Helper()
	s, err := setup.New(b.desk(b.a.User))
	require.NoError(b.t, err)
	return s
}

// prepared makes what the local cloud makes of deploy/ and s.yaml by itself.
func (b *bench) prepared() {
	b.t.Helper()
	functions, err := localcloud.Functions(b.env)
	require.NoError(b.t, err)
	require.NoError(b.t, localcloud.Prepare(b.world, b.config(), functions))
	time.Sleep(time.Minute)
}

// writes are the calls that could change something, from index from on.
func (b *bench) writes(from int) []string {
	calls, _ := b.world.Calls(from)
	var names []string
	for _, c := range calls {
		if c.Write {
			names = append(names, c.Action+" "+c.Resource)
		}
	}
	return names
}

func (b *bench) calls() int { _, n := b.world.Calls(0); return n }

// states are what lines say, by kind and name.
func states(lines []setup.Line) map[string]string {
	all := map[string]string{}
	for _, l := range lines {
		all[l.Kind+" "+l.Name] = strings.TrimSpace(l.State + " " + l.Error)
	}
	return all
}

// requireAll looks that every line has one state.
func requireAll(t *testing.T, state string, lines []setup.Line) {
	t.Helper()
	require.NotEmpty(t, lines)
	for _, l := range lines {
		require.Equal(t, state, l.State, "%s %s: %s %v", l.Kind, l.Name, l.Error, l.Differences)
	}
}

var everything = setup.Options{Make: true, Repair: true}

func TestBootstrapShowsFirstThenMakesThenHasNothingToDo(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		lines := b.setup().Bootstrap(ctx, setup.Options{})
		requireAll(b.t, setup.StateMissing, lines)
		require.Len(b.t, lines, 1+len(config.Queues())+3*len(deploy.Functions()))
		require.Empty(b.t, b.writes(0), "a plan changes nothing")

		requireAll(b.t, setup.StateMade, b.setup().Bootstrap(ctx, setup.Options{Make: true}))
		require.NotEmpty(b.t, b.writes(0))

		time.Sleep(time.Minute)
		before := b.calls()
		requireAll(b.t, setup.StateRight, b.setup().Bootstrap(ctx, everything))
		require.Empty(b.t, b.writes(before), "the second time nothing is changed")
	})
}

func TestWhatBootstrapMakesIsWhatTheLocalCloudRunsOn(t *testing.T) {
	within(t, func(b *bench) {
		b.prepared()
		before := b.calls()
		requireAll(b.t, setup.StateRight, b.setup().Bootstrap(b.t.Context(), everything))
		require.Empty(b.t, b.writes(before))
	})
}

func TestWhatDiffersIsNamedAndOnlyChangedWhenAskedTo(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.prepared()
		keep, small, log := 3600, 1024, true
		require.NoError(b.t, b.world.SetQueueAttributes(region, b.a.UID, "replidesk-requests", world.QueueChange{MessageRetentionPeriod: &keep, MaximumMessageSize: &small, LoggingEnabled: &log}))
		require.Nil(b.t, b.world.PutBucketACL(stateBucket, "public-read"))
		require.Nil(b.t, b.world.PutBucketEncryption(stateBucket, nil))
		const wide = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		_, e := b.world.CreatePolicyVersion(b.a.UID, "replidesk-verify", wide, true, false)
		require.Nil(b.t, e)
		const trust = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}]}`
		_, e = b.world.UpdateRole(b.a.UID, "replidesk-progress", world.RoleChange{Trust: trust})
		require.Nil(b.t, e)
		time.Sleep(time.Minute)

		wrong := []string{"queue replidesk-requests", "bucket " + stateBucket, "policy replidesk-verify", "role replidesk-progress"}
		before := b.calls()
		is := states(b.setup().Bootstrap(ctx, setup.Options{Make: true}))
		for _, w := range wrong {
			require.Equal(b.t, setup.StateDiffers, is[w], w)
		}
		require.Empty(b.t, b.writes(before))

		is = states(b.setup().Bootstrap(ctx, everything))
		for _, w := range wrong {
			require.Equal(b.t, setup.StateRepaired, is[w], w)
		}
		time.Sleep(time.Minute)
		requireAll(b.t, setup.StateRight, b.setup().Bootstrap(ctx, setup.Options{}))
		q, err := b.world.QueueStats(region, b.a.UID, "replidesk-requests")
		require.NoError(b.t, err)
		require.True(b.t, q.Attributes.LoggingEnabled, "what is not ours to say stays")
	})
}

func TestWhatCannotBeRepairedIsNamed(t *testing.T) {
	within(t, func(b *bench) {
		b.prepared()
		require.Nil(b.t, b.world.PutBucketVersioning(stateBucket, "Enabled"))
		require.Nil(b.t, b.world.AttachPolicyToRole(b.a.UID, world.TypeSystem, "AliyunOSSFullAccess", "replidesk-verify", world.View{}))
		time.Sleep(time.Minute)
		for _, l := range b.setup().Bootstrap(b.t.Context(), everything) {
			switch l.Kind + " " + l.Name {
			case "bucket " + stateBucket:
				require.Equal(b.t, setup.StateDiffers, l.State)
				require.Contains(b.t, l.Differences[0].Remedy, "make a new bucket")
			case "attachment replidesk-verify":
				require.Equal(b.t, setup.StateDiffers, l.State)
				require.Contains(b.t, l.Differences[0].Text, "AliyunOSSFullAccess")
			default:
				require.Equal(b.t, setup.StateRight, l.State, "%s %s", l.Kind, l.Name)
			}
		}
	})
}

func TestAPolicyThatIsNotOursIsNotAttached(t *testing.T) {
	within(t, func(b *bench) {
		const wide = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		_, e := b.world.CreatePolicy(b.a.UID, "replidesk-verify", wide, "somebody's", nil)
		require.Nil(b.t, e)
		time.Sleep(time.Minute)
		is := states(b.setup().Bootstrap(b.t.Context(), setup.Options{Make: true}))
		require.Equal(b.t, setup.StateDiffers, is["policy replidesk-verify"])
		require.Equal(b.t, setup.StateHeld, is["attachment replidesk-verify"])
		require.Equal(b.t, setup.StateMade, is["attachment replidesk-progress"])
	})
}

func TestBootstrapGoesOnWhereItWasBrokenOff(t *testing.T) {
	for _, action := range []string{"PutBucket", "PutBucketEncryption", "CreateQueue", "CreateRole", "CreatePolicy", "AttachPolicyToRole"} {
		within(t, func(b *bench) {
			b.world.Break(world.Fault{Action: action, Kind: world.FaultLoseReply, Times: 1})
			b.setup().Bootstrap(b.t.Context(), setup.Options{Make: true})
			time.Sleep(time.Minute)
			for _, l := range b.setup().Bootstrap(b.t.Context(), everything) {
				require.True(b.t, l.Right(), "%s: %s %s is %s %s", action, l.Kind, l.Name, l.State, l.Error)
			}
		})
	}
}

func TestTheRoleOfADestinationIsMadeWithKeysOfItsAccount(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		s, err := setup.New(b.desk(b.b.User))
		require.NoError(b.t, err)
		_, err = s.Destination("9000000000000009", "*")
		require.ErrorContains(b.t, err, "names no role in this account")
		d, err := s.Destination(b.b.UID, "copies-*", "acs:ram::"+b.a.UID+":user/admin")
		require.NoError(b.t, err)
		require.Contains(b.t, string(d.Policy), `acs:oss:*:*:copies-*/*.replidesk/*`)
		requireAll(b.t, setup.StateMissing, d.Bootstrap(ctx, setup.Options{}))
		requireAll(b.t, setup.StateMade, d.Bootstrap(ctx, setup.Options{Make: true}))
		time.Sleep(time.Minute)
		before := b.calls()
		requireAll(b.t, setup.StateRight, d.Bootstrap(ctx, everything))
		require.Empty(b.t, b.writes(before))

		key, e := b.world.AssumeRole(b.a.User.Principal, world.AssumeRole{RoleArn: b.file.Accounts[0].Role, Session: "plan"})
		require.Nil(b.t, e, "the planner may assume it")
		require.NotEmpty(b.t, key.Token)
	})
}

func TestTeardownTakesAwayWhatBootstrapMadeAndNothingElse(t *testing.T) {
	within(t, func(b *bench) {
		ctx := b.t.Context()
		b.prepared()
		_, err := b.world.CreateQueue(region, b.a.UID, "somebodys", world.QueueChange{})
		require.NoError(b.t, err)
		b.object("log/0000/job/CHG-1/999999999999", "{}")
		require.Nil(b.t, b.world.AttachPolicyToRole(b.a.UID, world.TypeSystem, "AliyunOSSFullAccess", "replidesk-verify", world.View{}))
		_, e := b.world.CreatePolicyVersion(b.a.UID, "replidesk-progress", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`, false, false)
		require.Nil(b.t, e)
		time.Sleep(time.Minute)

		before := b.calls()
		lines, err := b.setup().Teardown(ctx, setup.Removal{})
		require.NoError(b.t, err)
		require.Empty(b.t, b.writes(before), "without --yes nothing is changed")
		require.Equal(b.t, setup.StateKept, states(lines)["role replidesk-verify"])

		lines, err = b.setup().Teardown(ctx, setup.Removal{Remove: true})
		require.NoError(b.t, err)
		for _, l := range lines {
			want := setup.StateRemoved
			if l.Kind == setup.KindBucket || l.Name == "replidesk-verify" {
				want = setup.StateKept
			}
			require.Equal(b.t, want, l.State, "%s %s: %s", l.Kind, l.Name, l.Error)
		}
		_, err = b.world.QueueStats(region, b.a.UID, "somebodys")
		require.NoError(b.t, err)

		_, err = b.setup().Teardown(ctx, setup.Removal{Remove: true, Journal: "another"})
		require.ErrorContains(b.t, err, "the state bucket is "+stateBucket)
		_, e = b.world.Bucket(stateBucket)
		require.Nil(b.t, e)
		lines, err = b.setup().Teardown(ctx, setup.Removal{Remove: true, Journal: stateBucket})
		require.NoError(b.t, err)
		require.Equal(b.t, setup.StateRemoved, states(lines)["bucket "+stateBucket])
		_, e = b.world.Bucket(stateBucket)
		require.NotNil(b.t, e)

		before = b.calls()
		lines, err = b.setup().Teardown(ctx, setup.Removal{Remove: true, Journal: stateBucket})
		require.NoError(b.t, err)
		require.Equal(b.t, setup.StateGone, states(lines)["queue replidesk-requests"])
		require.Empty(b.t, b.writes(before))
	})
}

func TestNothingIsTakenFromADeskInUse(t *testing.T) {
	for name, use := range map[string]func(b *bench){
		"CHG-1":                                 func(b *bench) { b.object("open/0/CHG-1/000000000001", "{}") },
		"CHG-2":                                 func(b *bench) { b.object("watch/0/CHG-2/000000000002", "{}") },
		"1 messages wait in replidesk-requests": func(b *bench) { b.send("replidesk-requests", "{}") },
		"1 messages wait in replidesk-undelivered": func(b *bench) { b.send("replidesk-undelivered", "{}") },
	} {
		within(t, func(b *bench) {
			b.prepared()
			use(b)
			before := b.calls()
			_, err := b.setup().Teardown(b.t.Context(), setup.Removal{Remove: true, Journal: stateBucket})
			require.ErrorContains(b.t, err, "the desk is in use")
			require.ErrorContains(b.t, err, name)
			require.Empty(b.t, b.writes(before))
		})
	}
}

// object puts an object into the state bucket.
func (b *bench) object(key, body string) {
	b.t.Helper()
	_, e := b.world.PutObject(stateBucket, world.Version{Key: key, Data: []byte(body)}, false)
	require.Nil(b.t, e)
}

func (b *bench) send(queue, body string) {
	b.t.Helper()
	_, err := b.world.QueueSend(region, b.a.UID, queue, body, -1)
	require.NoError(b.t, err)
}

func TestADeskMayDoWithoutTheRightToChangeRAM(t *testing.T) {
	within(t, func(b *bench) {
		narrow, err := setup.NewWithoutGrants(b.desk(b.a.User))
		require.NoError(b.t, err)
		requireAll(b.t, setup.StateMade, narrow.Bootstrap(b.t.Context(), setup.Options{Make: true}))
		time.Sleep(time.Minute)
		is, ok, e := b.world.GetPolicyVersion(b.a.UID, "Custom", "replidesk-provision", "v1", world.View{})
		require.Nil(b.t, e)
		require.True(b.t, ok)
		require.NotContains(b.t, string(is.Document), "ram:Create")
		before := b.calls()
		requireAll(b.t, setup.StateRight, b.setup().Bootstrap(b.t.Context(), everything))
		require.Empty(b.t, b.writes(before), "nobody is given rights that were left out on purpose")
	})
}

func TestTheRightToChangeRAMIsTakenAwayWhenAskedTo(t *testing.T) {
	within(t, func(b *bench) {
		b.prepared()
		narrow, err := setup.NewWithoutGrants(b.desk(b.a.User))
		require.NoError(b.t, err)
		is := states(narrow.Bootstrap(b.t.Context(), setup.Options{Make: true}))
		require.Equal(b.t, setup.StateDiffers, is["policy replidesk-provision"])
		is = states(narrow.Bootstrap(b.t.Context(), everything))
		require.Equal(b.t, setup.StateRepaired, is["policy replidesk-provision"])
		time.Sleep(time.Minute)
		requireAll(b.t, setup.StateRight, narrow.Bootstrap(b.t.Context(), everything))
	})
}
