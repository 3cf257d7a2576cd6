package replication_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const (
	keyID    = "3542abdd-5821-4fb5-a425-90adca2c0d61"
	otherKey = "0b8b1a2c-1f0e-4f49-8f7c-1e2f3a4b5c6d"
	keyARN   = "acs:kms:cn-shanghai:" + account + ":key/" + keyID
)

// encryptions are the looks at encryption for a ticket without KMS.
const encryptions = replication.LookSourceEncryption | replication.LookDestinationEncryption | replication.LookSample

// keyFor returns the key of a request as KMS shows it when all is well.
func keyFor(r replication.Request) *replication.KeySeen {
	k := replication.KeySeen{Is: replication.Exists, State: "Enabled", Usage: "ENCRYPT/DECRYPT", Spec: "Aliyun_AES_256", Creator: r.Destination.Account,
		ARN: "acs:kms:" + r.Destination.Region + ":" + r.Destination.Account + ":key/" + keyID}
	if r.Across() {
		k.Instance = "kst-1"
	}
	return &k
}

// withKMS asks for objects under keys of KMS.
func withKMS(r *replication.Request) { r.KMS = &replication.KMS{Replicate: ptr(true), KeyID: keyID} }

func TestTheKeyOfATicketHasItsForm(t *testing.T) {
	for name, c := range map[string]struct {
		kms    replication.KMS
		reason replication.Reason
	}{
		"an id":                            {replication.KMS{Replicate: ptr(true), KeyID: keyID}, ""},
		"the id of a key in an instance":   {replication.KMS{Replicate: ptr(true), KeyID: "key-hzz65f3a68554hxkp8"}, ""},
		"an ARN":                           {replication.KMS{Replicate: ptr(true), KeyID: keyARN}, ""},
		"no":                               {replication.KMS{Replicate: ptr(false)}, ""},
		"no key":                           {replication.KMS{Replicate: ptr(true)}, replication.ReasonKMSKeyMissing},
		"a key for nothing":                {replication.KMS{Replicate: ptr(false), KeyID: keyID}, replication.ReasonKMSKeyPointless},
		"an alias":                         {replication.KMS{Replicate: ptr(true), KeyID: "alias/copies"}, replication.ReasonKMSKeyForm},
		"another kind of ARN":              {replication.KMS{Replicate: ptr(true), KeyID: "acs:kms:cn-shanghai:" + account + ":alias/copies"}, replication.ReasonKMSKeyForm},
		"an ARN in the source's region":    {replication.KMS{Replicate: ptr(true), KeyID: "acs:kms:cn-hangzhou:" + account + ":key/" + keyID}, replication.ReasonKMSKeyRegion},
		"an ARN of another account":        {replication.KMS{Replicate: ptr(true), KeyID: "acs:kms:cn-shanghai:2000000000000002:key/" + keyID}, replication.ReasonKMSKeyAccount},
		"something that no key is called":  {replication.KMS{Replicate: ptr(true), KeyID: "a key"}, replication.ReasonKMSKeyForm},
		"a name that is far from any form": {replication.KMS{Replicate: ptr(true), KeyID: "-"}, replication.ReasonKMSKeyForm},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			r.KMS = &c.kms
			p := replication.Validate(r, planDesk)
			if c.reason == "" {
				require.Empty(t, p)
				return
			}
			require.Len(t, p, 1)
			require.Equal(t, c.reason, p[0].Code)
			require.Equal(t, "kms.keyId", p[0].Field)
			require.NotEmpty(t, p[0].Remedy)
		})
	}
}

func TestATicketWithoutKMSIsTheOneItAlwaysWas(t *testing.T) {
	r := request()
	require.Equal(t, replication.RuleSpec{}.KMSKey, replication.RuleFor(r).KMSKey)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(b), "kms", "its fingerprint stays")
	before := r.Fingerprint()
	withKMS(&r)
	require.NotEqual(t, before, r.Fingerprint())
}

func TestTheKeyOfARuleIsComparedByMeaning(t *testing.T) {
	asked := func(key string) replication.RuleSpec {
		r := request()
		r.KMS = &replication.KMS{Replicate: ptr(true), KeyID: key}
		return replication.RuleFor(r)
	}
	for name, c := range map[string]struct {
		spec     replication.RuleSpec
		kms, key string
		want     []string
	}{
		"as it was put":                     {asked(keyID), "Enabled", keyID, nil},
		"the ARN of the id that was put":    {asked(keyID), "Enabled", keyARN, nil},
		"the id of the ARN that was put":    {asked(keyARN), "Enabled", keyID, nil},
		"another key":                       {asked(keyID), "Enabled", otherKey, []string{`KMS key is "` + otherKey + `", asked for was "` + keyID + `"`}},
		"the same id in another region":     {asked(keyID), "Enabled", "acs:kms:cn-hangzhou:" + account + ":key/" + keyID, []string{`KMS key is "acs:kms:cn-hangzhou:` + account + `:key/` + keyID + `", asked for was "` + keyID + `"`}},
		"no key":                            {asked(keyID), "Enabled", "", []string{`KMS key is absent, asked for was "` + keyID + `"`}},
		"KMS dropped":                       {asked(keyID), "Disabled", "", []string{`KMS replication is "off", asked for was "on"`, `KMS key is absent, asked for was "` + keyID + `"`}},
		"KMS that nobody asked for":         {replication.RuleFor(request()), "Enabled", keyID, []string{`KMS replication is "on", asked for was "off"`}},
		"a key that counts for nothing":     {replication.RuleFor(request()), "Disabled", keyID, nil},
		"no KMS, and nothing is said of it": {replication.RuleFor(request()), "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := stands(request())
			g.KMS, g.KMSKey = c.kms, c.key
			require.Equal(t, c.want, c.spec.Differences(g))
		})
	}
}

func TestPreflightRefusesAKeyThatCannotServe(t *testing.T) {
	given := func(change func(*replication.KeySeen)) func(*job, *world) {
		return with(bare, func(_ *job, w *world) { change(w.Key) })
	}
	refused := func(reason replication.Reason, change func(*replication.KeySeen), says ...string) decision {
		return decision{ask: withKMS, given: given(change), step: "next rejected", reason: reason, says: says, events: []string{"replidesk.request.rejected " + string(reason)}}
	}
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"a key that is enabled": {ask: withKMS, given: bare, step: "effect claim-pair", check: func(t *testing.T, j *job, _ replication.Step) {
			require.Equal(t, "KMS", j.OwnSSE, "objects of our own go through the key of the rule")
			require.Empty(t, j.Risks)
		}},
		"no key of that name": refused(replication.ReasonKMSKeyNotFound, func(k *replication.KeySeen) { *k = replication.KeySeen{Is: replication.Missing} }, "has no key "+keyID+" in cn-shanghai"),
		"another key":         refused(replication.ReasonKMSKeyNotFound, func(k *replication.KeySeen) { k.ARN = "acs:kms:cn-shanghai:" + account + ":key/" + otherKey }, otherKey),
		"a disabled key":      refused(replication.ReasonKMSKeyDisabled, func(k *replication.KeySeen) { k.State = "Disabled" }, keyID),
		"a key about to go": refused(replication.ReasonKMSKeyDeleted, func(k *replication.KeySeen) { k.State, k.Deleted = "PendingDeletion", noon.Add(7*24*time.Hour) },
			"2000-01-08T12:00:00Z"),
		"a key without material":  refused(replication.ReasonKMSKeyImport, func(k *replication.KeySeen) { k.State = "PendingImport" }),
		"a state from the future": refused(replication.ReasonKMSKeyUnsuited, func(k *replication.KeySeen) { k.State = "Asleep" }, `"Asleep"`),
		"a key for signatures":    refused(replication.ReasonKMSKeyUnsuited, func(k *replication.KeySeen) { k.Usage, k.Spec = "SIGN/VERIFY", "EC_P256" }),
		"an asymmetric key":       refused(replication.ReasonKMSKeyUnsuited, func(k *replication.KeySeen) { k.Spec = "RSA_2048" }),
		"the key of OSS":          refused(replication.ReasonKMSKeyUnsuited, func(k *replication.KeySeen) { k.Creator = "Oss" }, "for the service Oss"),
		"no KMS at all":           refused(replication.ReasonKMSNotOffered, func(k *replication.KeySeen) { *k = replication.KeySeen{Is: replication.Missing, NoService: true} }, "has no KMS in cn-shanghai"),
		"a key that may not be read": {ask: withKMS, given: given(func(k *replication.KeySeen) { *k = replication.KeySeen{Unread: "no right"} }), step: "effect claim-pair",
			check: func(t *testing.T, j *job, _ replication.Step) { requireRisks(t, j, "kms-key-unread") }},
	})
}

func requireRisks(t *testing.T, j *job, codes ...string) {
	t.Helper()
	var got []string
	for _, r := range j.Risks {
		got = append(got, r.Code)
	}
	require.Equal(t, codes, got)
}

func TestPreflightSaysWhatARuleWithoutKMSLeavesOut(t *testing.T) {
	sampled := func(s replication.SampleSeen) func(*job, *world) {
		return with(bare, func(_ *job, w *world) { w.Sample = &s })
	}
	encrypted := func(src, dst replication.EncryptionSeen) func(*job, *world) {
		return with(bare, func(_ *job, w *world) { w.SourceEncryption, w.DestinationEncryption = &src, &dst })
	}
	none, key := replication.EncryptionSeen{}, replication.EncryptionSeen{Algorithm: "KMS", Key: keyID}
	risks := func(own string, codes ...string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			t.Helper()
			requireRisks(t, j, codes...)
			require.Equal(t, own, j.OwnSSE)
		}
	}
	decideAll(t, replication.PhasePreflight, map[string]decision{
		"nothing under keys": {given: sampled(replication.SampleSeen{Looked: 10}), step: "effect claim-pair", check: risks("")},
		"objects under keys": {given: sampled(replication.SampleSeen{Looked: 10, Keyed: 4, Example: "image/1", Under: keyID}), step: "effect claim-pair",
			check: func(t *testing.T, j *job, s replication.Step) {
				risks("", "kms-objects-skipped")(t, j, s)
				require.Contains(t, j.Risks[0].Message, "4 of the 10 objects")
				require.Contains(t, j.Risks[0].Message, `such as "image/1" under `+keyID)
			}},
		"objects that may not be read": {given: sampled(replication.SampleSeen{Looked: 2, Unread: "HeadObject answered AccessDenied"}), step: "effect claim-pair",
			check: func(t *testing.T, j *job, s replication.Step) {
				risks("", "kms-objects-unread")(t, j, s)
				require.Contains(t, j.Risks[0].Message, "AccessDenied")
			}},
		"a source that encrypts under a key": {given: encrypted(key, none), step: "effect claim-pair", check: risks("AES256", "kms-objects-skipped")},
		"a source under the key of OSS":      {given: encrypted(replication.EncryptionSeen{Algorithm: "KMS"}, none), step: "effect claim-pair", check: risks("")},
		"buckets that OSS encrypts itself":   {given: encrypted(replication.EncryptionSeen{Algorithm: "AES256"}, replication.EncryptionSeen{Algorithm: "AES256"}), step: "effect claim-pair", check: risks("")},
		"a destination under the key of OSS": {given: encrypted(none, replication.EncryptionSeen{Algorithm: "KMS"}), step: "effect claim-pair", check: risks("")},
		"encryption that may not be read":    {given: encrypted(replication.EncryptionSeen{Unread: "no"}, replication.EncryptionSeen{Unread: "no"}), step: "effect claim-pair", check: risks("", "encryption-unread", "encryption-unread")},
		"a destination that encrypts under a key": {given: encrypted(none, key), step: "next rejected", reason: replication.ReasonKMSDefaultKey, says: []string{"dest-bucket", keyID},
			events: []string{"replidesk.request.rejected kms.destination-default-key"}},
		"the same with KMS": {ask: withKMS, given: encrypted(key, key), step: "effect claim-pair", check: risks("KMS")},
	})
}

func TestWithKMSTheRoleIsAllowedToUseKeys(t *testing.T) {
	attach := replication.EffectAttachSystem
	decideAll(t, replication.PhaseAttachment, map[string]decision{
		"when its policy is attached": {ask: withKMS, outcome: done(replication.EffectAttach), step: "next kms-grant"},
	})
	made := func(t *testing.T, j *job, _ replication.Step) { require.False(t, j.Made.KMSPolicy.IsZero()) }
	decideAll(t, replication.PhaseKMSGrant, map[string]decision{
		"by the narrow system policy": {ask: withKMS, step: "effect attach-system-policy", check: func(t *testing.T, j *job, s replication.Step) {
			require.Equal(t, "AliyunKMSCryptoUserAccess", s.Effect.Policy)
			require.Equal(t, replication.RoleName(j.ID), s.Effect.Role)
			require.True(t, j.Made.KMSPolicyAsked, "it is saved before it is done")
		}},
		"and then the rule is put":      {ask: withKMS, outcome: done(attach), step: "next rule", check: made},
		"which was attached already":    {ask: withKMS, outcome: exists(attach), step: "next rule", check: made},
		"whose answer was lost":         {ask: withKMS, outcome: lost(attach), step: "effect attach-system-policy"},
		"of which too many are there":   {ask: withKMS, outcome: refused(attach, replication.TroubleQuota, "LimitExceeded.Role.Policy"), step: "next blocked", reason: replication.ReasonQuota, events: []string{"replidesk.request.blocked cloud.quota"}},
		"which our function may not do": {ask: withKMS, outcome: refused(attach, replication.TroubleDenied, "NoPermission"), step: "next blocked", reason: replication.ReasonMayNotGrant, events: []string{"replidesk.request.blocked role.may-not-grant"}},
	})
}

func TestAKeyThatOSSCannotUseBlocksTheJob(t *testing.T) {
	decideAll(t, replication.PhaseRule, map[string]decision{
		"at the put": {ask: withKMS, given: with(bare, asked), outcome: refused(replication.EffectPutRule, replication.TroubleKey, "KeyDisabled"), step: "next blocked", reason: replication.ReasonKMSKeyUnusable,
			says: []string{"KeyDisabled"}, events: []string{"replidesk.request.blocked kms.key-unusable"}},
	})
}

// underKMS is a job whose canary with KMS is on its way.
func underKMS(copied func(*replication.ObjectSeen)) func(*job, *world) {
	return func(j *job, w *world) {
		o := replication.ObjectSeen{Is: replication.Exists, CRC64: "1", Size: 1, Meta: map[string]string{"replidesk-proof": "p"}}
		j.Verification = &replication.Verification{Step: replication.StepArrive, Since: noon, Written: noon, Begun: true, Key: "image/.replidesk/CHG-2041/canary", First: &o}
		c := o
		c.SSE, c.KMSKey = "KMS", keyID
		copied(&c)
		w.Canary = &c
	}
}

func TestTheCopyOfTheCanaryHasToBeUnderTheKey(t *testing.T) {
	says := func(part string) func(*testing.T, *job, replication.Step) {
		return func(t *testing.T, j *job, _ replication.Step) {
			t.Helper()
			require.Contains(t, j.Verification.Encryption, part)
		}
	}
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"which it is":                 {ask: withKMS, given: underKMS(func(*replication.ObjectSeen) {}), step: "effect overwrite-canary", check: says("under key " + keyID)},
		"which its ARN says":          {ask: withKMS, given: underKMS(func(o *replication.ObjectSeen) { o.KMSKey = keyARN }), step: "effect overwrite-canary", check: says("under key " + keyARN)},
		"which OSS does not show":     {ask: withKMS, given: underKMS(func(o *replication.ObjectSeen) { o.KMSKey = "" }), step: "effect overwrite-canary", check: says("does not show under which key")},
		"without KMS nobody looks":    {given: underKMS(func(o *replication.ObjectSeen) { o.KMSKey = otherKey }), step: "effect overwrite-canary", check: says("")},
		"and a copy under another is": {ask: withKMS, given: underKMS(func(o *replication.ObjectSeen) { o.KMSKey = otherKey }), step: "next undoing", says: nil},
		"so is one in the clear":      {ask: withKMS, given: underKMS(func(o *replication.ObjectSeen) { o.SSE, o.KMSKey = "", "" }), step: "next undoing"},
	})
}

func TestPreflightLooksAtTheKeyInsteadOfASample(t *testing.T) {
	r := request()
	withKMS(&r)
	w := healthy(r)
	w.Rules = &replication.RulesSeen{}
	d := decide(t, at(replication.PhasePreflight, r), w, noon)
	require.True(t, d.looks.Has(replication.LookKey))
	require.False(t, d.looks.Has(replication.LookSample), "what a sample shows is taken in anyway")
}

func TestTheCauseOfAStandstillCanBeTheKey(t *testing.T) {
	late := func(change func(*world)) func(*job, *world) {
		return func(j *job, w *world) {
			underKMS(func(*replication.ObjectSeen) {})(j, w)
			w.Canary = &replication.ObjectSeen{Is: replication.Missing}
			change(w)
		}
	}
	named := func(reason replication.Reason, change func(*world), says ...string) decision {
		return decision{ask: withKMS, given: late(change), after: 31 * time.Minute, step: "next blocked", reason: reason, says: says, events: []string{"replidesk.request.blocked " + string(reason)}}
	}
	decideAll(t, replication.PhaseVerifying, map[string]decision{
		"that is disabled":      named(replication.ReasonKMSKeyDisabled, func(w *world) { w.Key.State = "Disabled" }, keyID),
		"that is about to go":   named(replication.ReasonKMSKeyDeleted, func(w *world) { w.Key.State = "PendingDeletion" }, keyID),
		"that is gone":          named(replication.ReasonKMSKeyNotFound, func(w *world) { *w.Key = replication.KeySeen{Is: replication.Missing} }, keyID),
		"which the role lost":   named(replication.ReasonKMSPolicyMissing, func(w *world) { w.Attachment.System = nil }, replication.KMSPolicy, replication.RoleName("CHG-2041")),
		"but not when it works": {ask: withKMS, given: late(func(*world) {}), after: 31 * time.Minute, step: "wait 5m0s", reason: replication.ReasonCanaryLate, events: []string{"replidesk.request.blocked canary.late"}},
	})
}

func TestAStopTakesThePolicyForKeysBack(t *testing.T) {
	j := at(replication.PhaseWatching, request())
	require.Zero(t, j.Made.KMSPolicy, "only a job with KMS has it")
	r := request()
	withKMS(&r)
	j = at(replication.PhaseVerifying, r)
	require.True(t, j.Order(replication.Order{By: "CHG-9", At: noon}))
	j.Rule.Ended, j.Made.Rule = noon, time.Time{}
	j.Phase = replication.PhaseStopping
	j.Made.Attachment = time.Time{}
	d := decide(t, j, healthy(r), noon)
	require.Equal(t, "effect detach-system-policy", stepOf(d.step, noon))
	require.Equal(t, replication.KMSPolicy, d.step.Effect.Policy)
	d.job.Intent = &replication.Intent{Effect: *d.step.Effect}
	replication.Settle(d.job, *done(replication.EffectDetachSystem), replication.View{Now: noon})
	require.Zero(t, d.job.Made.KMSPolicy)
}

func TestARuleWithAKeyIsAdoptedWithIt(t *testing.T) {
	withKey := func(key string) func(*replication.RuleSeen) {
		return func(g *replication.RuleSeen) { g.KMS, g.KMSKey = "Enabled", key }
	}
	r, p := replication.AdoptionOf(request().Source, ofOthers(withKey(keyARN)), account, desk)
	require.Empty(t, p)
	require.Equal(t, keyARN, r.KMSKey())
	_, p = replication.AdoptionOf(request().Source, ofOthers(withKey("alias/copies")), account, desk)
	require.Contains(t, p.Error(), string(replication.ReasonKMSKeyForm), "an alias can be pointed elsewhere")

	w := healthy(r)
	w.Rules.Rules = []replication.RuleSeen{ofOthers(withKey(keyARN))}
	w.Key.State = "Disabled"
	d := decide(t, at(replication.PhasePreflight, r), w, noon)
	require.Equal(t, "effect claim-pair", stepOf(d.step, noon), "the rule stands all the same: %s", d.job.Message)
	requireRisks(t, d.job, "kms.key-disabled")
	require.Equal(t, "KMS", d.job.OwnSSE)
}
