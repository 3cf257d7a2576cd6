package systemtest

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/config"
	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// Every desk looks for secrets at its end, see [desk.checkSecrets]. These are the
// runs in which the SDKs have most to say.
func TestNoSecretIsWrittenOrTold(t *testing.T) {
	bubble(t, "when every call fails in every way", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		for _, kind := range []world.FaultKind{world.FaultLoseReply, world.FaultHang, world.FaultThrottle, world.FaultSlow} {
			mend := d.world.Break(world.Fault{Service: "ram", Kind: kind, Delay: time.Minute})
			d.befall(badNetwork(1, 50, lost, lostReply, hangs))
			time.Sleep(20 * time.Minute)
			mend()
		}
		d.befall(nil)
		d.watched("CHG-1", 12*time.Hour)
		require.Greater(t, len(d.secrets), 100)
	})
	bubble(t, "when the keys do not fit", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
		d.spoil(true)
		time.Sleep(time.Hour)
		require.Contains(t, d.log.String(), "SignatureDoesNotMatch")
		d.spoil(false)
		d.watched("CHG-1", 12*time.Hour)
	})
	bubble(t, "when the keys have expired", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		for _, code := range []string{"InvalidSecurityToken", "SecurityTokenExpired", "InvalidAccessKeyId", "SignatureDoesNotMatch"} {
			for _, service := range []string{"oss", "ram", "mns"} {
				time.AfterFunc(10*time.Minute, d.world.Break(world.Fault{Service: service, Kind: world.FaultRefuse, Status: 403, Code: code, Times: 3}))
			}
		}
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", 12*time.Hour)
	})
}

func TestASecretWouldBeFound(t *testing.T) {
	const secret = "Qm9vR2x1ZVNlY3JldFdpdGhTb21lTGVuZ3Ro"
	known := map[string]bool{secret[:secretPart]: true}
	for name, text := range map[string]string{
		"alone":          secret,
		"in JSON":        `{"msg":"x","error":"` + secret + `"}`,
		"in a URL":       "https://ram.aliyuncs.com/?SecurityToken=" + url.QueryEscape(secret) + "&Action=GetRole",
		"in longer text": "the token is" + secret + "which nobody may see",
		"cut off":        "..." + secret[:secretPart+2] + "...",
	} {
		t.Run(name, func(t *testing.T) { require.True(t, leaks(text, known)) })
	}
	require.False(t, leaks("https://ram.aliyuncs.com/?SecurityToken=***&Action=GetRole&x="+secret[1:], known))
}

func TestWhatMayNeverBeWouldBeSeen(t *testing.T) {
	bubble(t, "call by call", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		d.watched("CHG-1", time.Hour)
		tickets := d.guard.tickets()
		role := replication.RoleName("CHG-1")
		for name, c := range map[string]struct {
			fine bool
			call world.Call
		}{
			"an entry":                          {true, world.Call{Service: "oss", Action: "PutObject", Resource: stateBucket + "/log/0000/job/x/999999999999"}},
			"an entry that is deleted":          {false, world.Call{Service: "oss", Action: "DeleteObject", Resource: stateBucket + "/log/0000/job/x/999999999999"}},
			"something else in the state":       {false, world.Call{Service: "oss", Action: "PutObject", Resource: stateBucket + "/tmp/x"}},
			"a canary":                          {true, world.Call{Service: "oss", Action: "PutObject", Resource: "src/image/.replidesk/CHG-1/canary"}},
			"a canary at the destination":       {false, world.Call{Service: "oss", Action: "PutObject", Resource: "dst/image/.replidesk/CHG-1/canary"}},
			"an object of somebody":             {false, world.Call{Service: "oss", Action: "DeleteObject", Resource: "src/image/1"}},
			"a rule of the owner":               {true, world.Call{Service: "oss", Action: "PutBucketReplication", Resource: "src"}},
			"a rule of a bucket without ticket": {false, world.Call{Service: "oss", Action: "PutBucketReplication", Resource: "foreign-src"}},
			"versioning":                        {false, world.Call{Service: "oss", Action: "PutBucketVersioning", Resource: "src"}},
			"the role of the ticket":            {true, world.Call{Service: "ram", Action: "CreateRole", Resource: role}},
			"a role of nobody":                  {false, world.Call{Service: "ram", Action: "CreateRole", Resource: "oss-replication-1"}},
			"a queue of ours":                   {true, world.Call{Service: "mns", Action: "SendMessage", Resource: "replidesk-results"}},
			"a queue of others":                 {false, world.Call{Service: "mns", Action: "SendMessage", Resource: "results"}},
			"a service that is not used":        {false, world.Call{Service: "kms", Action: "CreateKey"}},
		} {
			require.Equal(t, c.fine, d.guard.judge(c.call, tickets) == "", name)
		}
		require.False(t, tooWide([]byte(replication.RolePolicy(tickets["CHG-1"])), tickets["CHG-1"]))
		require.True(t, tooWide([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ReplicatePut"],"Resource":["acs:oss:*:*:src/*"]}]}`), tickets["CHG-1"]))
		_, e := d.world.CreatePolicyVersion(d.uid, replication.PolicyName("CHG-1"), readOnlyDoc, true, true)
		require.Nil(t, e)
		d.attach(role, "foreign")
		require.NotEmpty(t, d.guard.judge(world.Call{Service: "ram", Action: "CreateRole", Resource: role}, tickets), "a grant that is too wide")
		d.detach(role, "foreign")
	})
}

// checkSecrets looks for secrets in everything that stays or is told.
func (d *desk) checkSecrets() {
	d.t.Helper()
	d.mu.Lock()
	known := map[string]bool{}
	for _, s := range d.secrets {
		known[s[:secretPart]] = true
	}
	d.mu.Unlock()
	clean := func(where, text string) {
		require.False(d.t, leaks(text, known), "a secret is in %s", where)
	}
	clean("the log", d.log.String())
	for _, v := range d.listed(stateBucket, "", false) {
		clean(v.Key, string(v.Data))
	}
	for _, r := range d.results {
		clean("result "+r.ID, r.raw)
	}
	for _, b := range d.burials {
		clean("a buried ticket", b.Reason.Message+" "+string(b.Body))
	}
	for _, q := range config.Queues() {
		got, err := d.world.QueuePeek(home, d.uid, d.config.QueueName(q), 16)
		require.NoError(d.t, err)
		for _, m := range got {
			clean("queue "+string(q), m.Body)
		}
	}
}

// secretPart is how much of a secret is looked for: its beginning.
const secretPart = 16

// leaks reports whether text holds the beginning of a secret.
func leaks(text string, known map[string]bool) bool {
	run := 0 // how many letters and digits in a row end here
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
			run++
		} else {
			run = 0
		}
		if run >= secretPart && known[text[i+1-secretPart:i+1]] {
			return true
		}
	}
	return false
}
