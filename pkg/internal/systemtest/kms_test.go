package systemtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// keeper is a person who may do everything with the keys of an account in a region.
func (d *desk) keeper(uid, region string) world.KMSCaller {
	return world.KMSCaller{Principal: d.world.NewRootKey(uid).Principal, Region: region}
}

// key makes a key of the desk's account.
func (d *desk) key(region string) world.Key {
	d.t.Helper()
	k, e := d.world.CreateKey(d.keeper(d.uid, region), world.NewKey{})
	require.Nil(d.t, e)
	return k
}

// putUnder writes an object under a key of KMS.
func (d *desk) putUnder(bucket, key, content, kms string) {
	d.t.Helper()
	_, e := d.world.PutObject(bucket, world.Version{Key: key, Data: []byte(content), SSE: "KMS", KMSKeyID: kms}, false)
	require.Nil(d.t, e)
}

// mayUseKeys reports whether the role of a ticket has the system policy for keys.
func (d *desk) mayUseKeys(id string) bool {
	d.t.Helper()
	attached, e := d.world.ListPoliciesForRole(d.uid, replication.RoleName(id), world.View{})
	require.Nil(d.t, e)
	return slices.ContainsFunc(attached, func(a world.PolicyAttached) bool {
		return a.Policy.Name == "AliyunKMSCryptoUserAccess" && a.Policy.Type == world.TypeSystem
	})
}

// byKey makes a bucket encrypt under a key by default.
func (d *desk) byKey(bucket string, k world.Key) {
	d.t.Helper()
	require.Nil(d.t, d.world.PutBucketEncryption(bucket, &world.Encryption{Algorithm: "KMS", KMSKeyID: k.ID}))
}

// withKMS is a scope with objects under keys of KMS.
func withKMS(key string) string { return scope + `,"kms":{"replicate":true,"keyId":"` + key + `"}` }

func TestObjectsUnderKeysAreReplicatedUnderTheKeyOfTheTicket(t *testing.T) {
	for name, arn := range map[string]bool{"named by its id": false, "named by its ARN": true} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			source, copies := d.key(home), d.key(away)
			d.putUnder("src", "image/old", "secret", source.ID)
			d.put("src", "image/plain", "open")
			asked := copies.ID
			if arn {
				asked = copies.ARN()
			}
			d.submit(d.ticket("CHG-1", "src", "dst", withKMS(asked)))
			j := d.watched("CHG-1", time.Hour)
			require.Equal(t, replication.ReasonVerified, j.Reason)
			require.Equal(t, "the copy is encrypted under key "+copies.ID, j.Evidence.Encryption)
			require.Contains(t, string(d.awaitEvent("CHG-1", replication.ReasonVerified, time.Minute).Data.Detail), `"encryption"`)
			d.putUnder("src", "image/new", "secret too", source.ID)
			time.Sleep(20 * time.Minute)
			for key, content := range map[string]string{"image/old": "secret", "image/new": "secret too"} {
				v := d.object("dst", key)
				require.NotNil(t, v, key)
				require.Equal(t, content, string(v.Data))
				require.Equal(t, [2]string{"KMS", copies.ID}, [2]string{v.SSE, v.KMSKeyID}, "it stays encrypted, under the key of the destination")
			}
			require.Empty(t, d.object("dst", "image/plain").SSE, "what was in the clear stays so")
			rules, e := d.world.Replication("src", false)
			require.Nil(t, e)
			require.Equal(t, asked, rules[0].KMSKeyID)
			require.True(t, d.mayUseKeys("CHG-1"), "by the narrow system policy")
		})
	}
}

func TestWithoutKMSItIsSaidWhatIsLeftOut(t *testing.T) {
	risky := func(d *desk, code string) (message string) {
		d.t.Helper()
		j := d.watched("CHG-1", time.Hour)
		i := slices.IndexFunc(j.Risks, func(n replication.PlanNote) bool { return n.Code == code })
		require.GreaterOrEqual(d.t, i, 0, "%v", j.Risks)
		event := d.awaitEvent("CHG-1", replication.ReasonVerified, time.Minute)
		require.Contains(d.t, event.Data.Message, "beware: "+j.Risks[i].Message)
		require.Contains(d.t, string(event.Data.Detail), `"`+code+`"`)
		return j.Risks[i].Message
	}
	bubble(t, "of a bucket with objects under keys", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		k := d.key(home)
		d.put("src", "image/1", "open")
		d.putUnder("src", "image/2", "secret", k.ID)
		d.putUnder("src", "other/3", "out of scope", k.ID)
		p := d.plan(d.ticket("CHG-1", "src", "dst", ""))
		require.True(t, p.Accepted)
		require.Equal(t, "kms-objects-skipped", p.Risks[0].Code)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		said := risky(d, "kms-objects-skipped")
		require.Contains(t, said, `1 of the 2 objects that were looked at`)
		require.Contains(t, said, `"image/2" under `+k.ID)
		time.Sleep(20 * time.Minute)
		require.NotNil(t, d.object("dst", "image/1"))
		require.Nil(t, d.object("dst", "image/2"), "as it was said")
	})
	bubble(t, "of a source that encrypts under a key, whose canary goes all the same", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.byKey("src", d.key(home))
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Contains(t, risky(d, "kms-objects-skipped"), "src encrypts new objects by default under key")
		require.Equal(t, "canary", d.job("CHG-1").Evidence.By)
	})
	bubble(t, "and what could not be looked at, when the right to read is taken away", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.put("src", "image/1", "open")
		_, e := d.world.CreatePolicy(d.uid, "blind", `{"Version":"1","Statement":[{"Effect":"Deny","Action":["oss:GetObject"],"Resource":"acs:oss:*:*:src/*"},{"Effect":"Deny","Action":"oss:GetBucketEncryption","Resource":"*"}]}`, "", nil)
		require.Nil(t, e)
		d.attach(fn("provision"), "blind")
		time.Sleep(time.Minute)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		require.Contains(t, risky(d, "kms-objects-unread"), "AccessDenied")
		require.Contains(t, risky(d, "encryption-unread"), "GetBucketEncryption")
	})
	bubble(t, "but a destination that encrypts under a key is refused", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		d.byKey("dst", d.key(away))
		p := d.plan(d.ticket("CHG-1", "src", "dst", ""))
		require.False(t, p.Accepted)
		require.Equal(t, replication.ReasonKMSDefaultKey, p.Reasons[0].Code)
		d.submit(d.ticket("CHG-1", "src", "dst", ""))
		j := d.await("CHG-1", time.Hour)
		require.Equal(t, replication.ReasonKMSDefaultKey, j.Reason)
		require.Zero(t, d.calls("CreateRole"))
	})
}

func TestBucketsThatEncryptUnderKeysAreReplicatedWithKMS(t *testing.T) {
	bubble(t, "whatever is written to them", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", true)
		source, copies, own := d.key(home), d.key(away), d.key(away)
		d.byKey("src", source)
		d.byKey("dst", own)
		d.put("src", "image/default", "secret")
		_, e := d.world.PutObject("src", world.Version{Key: "image/oss", Data: []byte("x"), SSE: "AES256"}, false)
		require.Nil(t, e)
		d.submit(d.ticket("CHG-1", "src", "dst", withKMS(copies.ID)))
		d.watched("CHG-1", time.Hour)
		time.Sleep(20 * time.Minute)
		require.Equal(t, copies.ID, d.object("dst", "image/default").KMSKeyID)
		require.Equal(t, "AES256", d.object("dst", "image/oss").SSE)
		require.Empty(t, d.ours("src"))
	})
}

func TestAKeyThatCannotServeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		reason replication.Reason
		key    func(d *desk) string
	}{
		"one of the source's region": {replication.ReasonKMSKeyNotFound, func(d *desk) string { return d.key(home).ID }},
		"one that there is not":      {replication.ReasonKMSKeyNotFound, func(*desk) string { return "3542abdd-5821-4fb5-a425-90adca2c0d61" }},
		"one that is disabled": {replication.ReasonKMSKeyDisabled, func(d *desk) string {
			k := d.key(away)
			require.Nil(d.t, d.world.DisableKey(d.keeper(d.uid, away), k.ID))
			return k.ID
		}},
		"one that is about to go": {replication.ReasonKMSKeyDeleted, func(d *desk) string {
			k := d.key(away)
			require.Nil(d.t, d.world.ScheduleKeyDeletion(d.keeper(d.uid, away), k.ID, 7))
			return k.ID
		}},
		"one without material": {replication.ReasonKMSKeyImport, func(d *desk) string {
			k, e := d.world.CreateKey(d.keeper(d.uid, away), world.NewKey{Origin: "EXTERNAL"})
			require.Nil(d.t, e)
			return k.ID
		}},
		"one for signatures": {replication.ReasonKMSKeyUnsuited, func(d *desk) string {
			k, e := d.world.CreateKey(d.keeper(d.uid, away), world.NewKey{Spec: "EC_P256"})
			require.Nil(d.t, e)
			return k.ID
		}},
		"the one of OSS": {replication.ReasonKMSKeyUnsuited, func(d *desk) string {
			d.putUnder("dst", "theirs", "x", "")
			k, e := d.world.DescribeKey(d.keeper(d.uid, away), "alias/acs/oss", world.View{})
			require.Nil(d.t, e)
			return k.ID
		}},
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			body := d.ticket("CHG-1", "src", "dst", withKMS(c.key(d)))
			p := d.plan(body)
			require.Equal(t, c.reason, p.Reasons[0].Code)
			require.Equal(t, "kms.keyId", p.Reasons[0].Field)
			d.submit(body)
			j := d.await("CHG-1", time.Hour)
			require.Equal(t, c.reason, j.Reason)
			require.NotEmpty(t, d.awaitEvent("CHG-1", c.reason, time.Minute).Data.Remedy)
			require.Zero(t, d.calls("CreateRole"), "nothing is made")
			require.Empty(t, d.owner("src", "dst"))
		})
	}
}

func TestARuleWithoutTheKeyOfTheTicketIsClosedAtOnce(t *testing.T) {
	for element, difference := range map[string]string{"SourceSelectionCriteria": "KMS replication is", "EncryptionConfiguration": "KMS key is absent"} {
		bubble(t, "because OSS lost its "+element, func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute})
			d.pair("src", "dst", false)
			restore := d.world.DropElement(element)
			defer restore()
			d.submit(d.ticket("CHG-1", "src", "dst", withKMS(d.key(away).ID)))
			j := d.await("CHG-1", time.Hour)
			require.Equal(t, replication.ReasonRuleDiffers, j.Reason)
			require.Contains(t, j.Message, difference)
			time.Sleep(time.Hour)
			require.Zero(t, d.rules("src"))
			require.Empty(t, d.owner("src", "dst"))
		})
	}
}

func TestAJobWhoseKeyStopsWorkingNamesItAndGoesOnByItself(t *testing.T) {
	for name, h := range map[string]struct {
		reason       replication.Reason
		hinder, mend func(d *desk, key string)
	}{
		"the key is disabled": {replication.ReasonKMSKeyDisabled,
			func(d *desk, key string) { require.Nil(d.t, d.world.DisableKey(d.keeper(d.uid, away), key)) },
			func(d *desk, key string) { require.Nil(d.t, d.world.EnableKey(d.keeper(d.uid, away), key)) }},
		"the key is about to go": {replication.ReasonKMSKeyDeleted,
			func(d *desk, key string) {
				require.Nil(d.t, d.world.ScheduleKeyDeletion(d.keeper(d.uid, away), key, 7))
			},
			func(d *desk, key string) { require.Nil(d.t, d.world.CancelKeyDeletion(d.keeper(d.uid, away), key)) }},
		"the policy for keys is detached": {replication.ReasonKMSPolicyMissing,
			func(d *desk, _ string) {
				require.Nil(d.t, d.world.DetachPolicyFromRole(d.uid, world.TypeSystem, replication.KMSPolicy, replication.RoleName("CHG-1")))
			},
			func(d *desk, _ string) {
				require.Nil(d.t, d.world.AttachPolicyToRole(d.uid, world.TypeSystem, replication.KMSPolicy, replication.RoleName("CHG-1"), world.View{}))
			}},
	} {
		bubble(t, "when "+name, func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute})
			d.pair("src", "dst", false)
			k := d.key(away)
			d.submit(d.ticket("CHG-1", "src", "dst", withKMS(k.ID)))
			d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
			d.guard.changed["CHG-1"] = true
			h.hinder(d, k.ID)
			e := d.awaitEvent("CHG-1", h.reason, 2*time.Hour)
			require.Equal(t, string(replication.EventBlocked), e.Type)
			require.Equal(t, h.reason.Remedy(), e.Data.Remedy)
			time.Sleep(time.Hour)
			require.Equal(t, replication.PhaseBlocked, d.job("CHG-1").Phase)
			h.mend(d, k.ID)
			j := d.watched("CHG-1", time.Hour)
			require.Contains(t, j.Evidence.Encryption, k.ID)
			require.Equal(t, []replication.Reason{replication.ReasonAccepted, h.reason, replication.ReasonVerified}, d.reasons("CHG-1"), "it is told once")
		})
	}
	bubble(t, "when the key is disabled before the rule is put", func(t *testing.T) {
		d := newDesk(t, setup{tick: 10 * time.Minute})
		d.pair("src", "dst", false)
		k := d.key(away)
		release := d.world.Break(world.Fault{Service: "ram", Action: "CreateRole", Kind: world.FaultThrottle})
		d.submit(d.ticket("CHG-1", "src", "dst", withKMS(k.ID)))
		d.inPhase("CHG-1", replication.PhaseRole, 10*time.Minute)
		require.Nil(t, d.world.DisableKey(d.keeper(d.uid, away), k.ID))
		release()
		e := d.awaitEvent("CHG-1", replication.ReasonKMSKeyUnusable, time.Hour)
		require.Contains(t, e.Data.Message, "KeyDisabled")
		require.Nil(t, d.world.EnableKey(d.keeper(d.uid, away), k.ID))
		d.watched("CHG-1", 2*time.Hour)
	})
}

func TestARoleThatMayNotUseKeysIsSeenAtThePutOrLater(t *testing.T) {
	for name, s := range map[string]world.Options{"at the put": {GrantCheckedAtPut: true, Delays: world.Delays{Propagation: 40 * time.Second}}, "only by what does not arrive": {}} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{world: s})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", withKMS(d.key(away).ID)))
			d.watched("CHG-1", 2*time.Hour)
			require.Equal(t, []replication.Reason{replication.ReasonAccepted, replication.ReasonVerified}, d.reasons("CHG-1"), "a grant that spreads is a wait and no trouble")
		})
	}
}

func TestAStopTakesTheGrantForKeysBack(t *testing.T) {
	bubble(t, "with the role", func(t *testing.T) {
		d := newDesk(t, setup{})
		d.pair("src", "dst", false)
		k := d.key(away)
		d.submit(d.ticket("CHG-1", "src", "dst", withKMS(k.ID)))
		d.watched("CHG-1", time.Hour)
		j := d.stopped("CHG-9", "CHG-1", "src", "dst")
		require.Equal(t, replication.PhaseStopped, j.Phase, state(j))
		require.Empty(t, j.Stop.Left)
		now, e := d.world.DescribeKey(d.keeper(d.uid, away), k.ID, world.View{})
		require.Nil(t, e)
		require.Equal(t, world.KeyEnabled, now.State, "the key is not ours")
	})
}

func TestMishapsDuringTheGrantForKeysAreADelay(t *testing.T) {
	attachesKeys := func(c call) bool {
		return strings.Contains(c.request.URL.RawQuery, "AttachPolicyToRole") && strings.Contains(c.request.URL.RawQuery, replication.KMSPolicy)
	}
	for name, m := range map[string]mishap{"the answer is lost": lostReply, "the request is lost": lost, "the worker dies before": crash, "the worker dies after": crashDone} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			done := false
			d.befall(func(c call) mishap {
				if attachesKeys(c) && !done {
					done = true
					return m
				}
				return goesWell
			})
			d.submit(d.ticket("CHG-1", "src", "dst", withKMS(d.key(away).ID)))
			d.watched("CHG-1", 2*time.Hour)
			require.True(t, done)
			require.True(t, d.mayUseKeys("CHG-1"))
			d.stopped("CHG-9", "CHG-1", "src", "dst")
		})
	}
}
