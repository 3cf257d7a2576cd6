package replication

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// KMS says what becomes of objects that are encrypted under keys of KMS (SSE-KMS with
// a key of the owner's). OSS leaves them out without a word unless the rule asks for
// them. [fact 61]
type KMS struct {
	Replicate *bool `json:"replicate"` // has no default: who speaks of KMS says which
	// KeyID is the key of the destination's owner, in the destination's region, that
	// copies are encrypted under: its id or its ARN. "" without Replicate. [fact 62]
	KeyID string `json:"keyId,omitempty"`
}

// KMSKey returns the key that copies are encrypted under as the ticket names it, or ""
// when objects under keys of KMS are not replicated.
func (r Request) KMSKey() string {
	if r.KMS == nil || r.KMS.Replicate == nil || !*r.KMS.Replicate {
		return ""
	}
	return r.KMS.KeyID
}

// KMSPolicy is the narrow one of the two system policies with which a role may use
// keys: the cloud gives it to a new role when objects under KMS are replicated. [fact 63]
const KMSPolicy = "AliyunKMSCryptoUserAccess"

var (
	keyForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,127}$`)
	keyARNForm = regexp.MustCompile(`^acs:kms:([a-z0-9-]+):([0-9]+):key/([A-Za-z0-9][A-Za-z0-9-]{0,127})$`)
)

// keyARN returns the ARN of a key that is named by its id or its ARN in the account
// and region of an end. [fact 62]
func keyARN(key string, e End) string {
	if strings.HasPrefix(key, "acs:") {
		return key
	}
	return fmt.Sprintf("acs:kms:%s:%s:key/%s", e.Region, e.Account, key)
}

// sameKey reports whether two names, ids or ARNs, mean the same key of an end.
func sameKey(a, b string, e End) bool { return keyARN(a, e) == keyARN(b, e) }

// validateKMS refuses what names no key that copies could be encrypted under.
func validateKMS(p *Problems, r Request) {
	const at = "kms.keyId"
	if r.KMS == nil {
		return
	}
	if r.KMS.Replicate == nil {
		p.add(ReasonInvalid, "kms.replicate", "the ticket does not say whether objects under keys of KMS are to be replicated")
		return
	}
	key, dst := r.KMS.KeyID, r.Destination
	arn := keyARNForm.FindStringSubmatch(key)
	switch {
	case !*r.KMS.Replicate && key != "":
		p.add(ReasonKMSKeyPointless, at, "a key is named, but kms.replicate is false")
	case !*r.KMS.Replicate:
	case key == "":
		p.add(ReasonKMSKeyMissing, at, "kms.replicate is true, but no key is named")
	case arn == nil && !keyForm.MatchString(key):
		p.add(ReasonKMSKeyForm, at, fmt.Sprintf("%q is neither the id nor the ARN of a key", key))
	case arn == nil && r.lentKey():
		p.add(ReasonKMSKeyARN, at, fmt.Sprintf("the key belongs to another account than the source, so its ARN is needed: acs:kms:%s:%s:key/<id>", dst.Region, dst.Account))
	case arn != nil && arn[1] != dst.Region:
		p.add(ReasonKMSKeyRegion, at, fmt.Sprintf("the key lies in %s, the destination in %s", arn[1], dst.Region))
	case arn != nil && arn[2] != dst.Account:
		p.add(ReasonKMSKeyAccount, at, fmt.Sprintf("the key belongs to account %s, the destination to %s", arn[2], dst.Account))
	}
}

// A KeySeen is a key of KMS as DescribeKey shows it. [fact 64]
type KeySeen struct {
	Is Existence // Missing: there is none of that name in the region
	// Unread says why the key could not be read; "" when it was. Nothing else is
	// known then.
	Unread string
	// NoService: KMS is not switched on for the account in the region, or not offered there.
	NoService bool
	ARN       string
	State     string    // "Enabled", "Disabled", "PendingDeletion" or "PendingImport"
	Deleted   time.Time // when it goes for good; zero unless that is planned
	Usage     string    // "ENCRYPT/DECRYPT" or another
	Spec      string    // such as "Aliyun_AES_256"
	Creator   string    // UID of an account, or the service that the key was made for
	Instance  string    // the KMS instance that holds it; "" for a default key
}

// unfitKey returns why copies cannot be encrypted under the key of r, or "". What
// could not be read is not held against it.
func unfitKey(r Request, k KeySeen) (Reason, string) {
	name, dst := r.KMSKey(), r.Destination
	switch {
	case k.Unread != "":
		return "", ""
	case k.NoService:
		return ReasonKMSNotOffered, fmt.Sprintf("account %s has no KMS in %s", dst.Account, dst.Region)
	case k.Is == Missing:
		return ReasonKMSKeyNotFound, fmt.Sprintf("account %s has no key %s in %s", dst.Account, name, dst.Region)
	case !sameKey(k.ARN, name, dst):
		return ReasonKMSKeyNotFound, fmt.Sprintf("asked for key %s in %s, KMS shows %s", name, dst.Region, k.ARN)
	case !uidForm.MatchString(k.Creator):
		return ReasonKMSKeyUnsuited, fmt.Sprintf("key %s was made by KMS for the service %s", name, k.Creator)
	case k.Usage != "ENCRYPT/DECRYPT" || !strings.HasPrefix(k.Spec, "Aliyun_"):
		return ReasonKMSKeyUnsuited, fmt.Sprintf("key %s is of the kind %s for %s, not a symmetric one that encrypts", name, k.Spec, k.Usage)
	}
	if r.lentKey() && k.Instance == "" {
		return ReasonKMSKeyDefault, fmt.Sprintf("key %s is a default key: it lies in no KMS instance, so its policy can let no other account use it", name)
	}
	return unusableKey(name, k)
}

// unusableKey returns why a key that is there does nothing at present, or "". [fact 64]
func unusableKey(name string, k KeySeen) (Reason, string) {
	switch k.State {
	case "Enabled":
		return "", ""
	case "Disabled":
		return ReasonKMSKeyDisabled, fmt.Sprintf("key %s is disabled", name)
	case "PendingDeletion":
		when := ""
		if !k.Deleted.IsZero() {
			when = " on " + k.Deleted.UTC().Format(time.RFC3339)
		}
		return ReasonKMSKeyDeleted, fmt.Sprintf("key %s is to be deleted for good%s", name, when)
	case "PendingImport":
		return ReasonKMSKeyImport, fmt.Sprintf("key %s waits for its material to be imported", name)
	}
	return ReasonKMSKeyUnsuited, fmt.Sprintf("key %s is in the state %q", name, k.State)
}

// decideKMSGrant lets the role use keys. Attaching what is attached is answered with
// "exists", which is as good as done: the role is the job's own. The rights of a custom
// role were judged with all others, and what it lacked is in the policy of our own.
func decideKMSGrant(j *Job, v View) Step {
	switch {
	case !j.Made.KMSPolicy.IsZero(), j.Request.Role.Type == RoleCustom:
		return next(j, j.following(PhaseKMSGrant), v)
	case j.Request.Role.Type == RoleAliyun:
		return attachShared(j, PhaseKMSGrant, v)
	}
	j.Made.KMSPolicyAsked = true
	return Step{Effect: &Effect{Kind: EffectAttachSystem, Role: j.Request.RoleName(), Policy: KMSPolicy}}
}

func settleKMSGrant(j *Job, o Outcome, v View) {
	switch {
	case o.Result == ResultExists && !j.ownRole(): // somebody else was faster
		j.found().Keys, j.Made.KMSPolicyAsked, j.Unsure = true, false, false
	case o.Result == ResultDone, o.Result == ResultExists:
		j.Made.KMSPolicy, j.Made.KMSPolicyAsked = v.Now, false
		j.Unsure = false
	}
}

// stopKMSGrant takes the policy for keys off the role again. A rule of somebody else
// that uses the role was looked for before: see stopAttachment.
func stopKMSGrant(j *Job, _ View) (Step, bool) {
	if j.Made.KMSPolicy.IsZero() && !j.Made.KMSPolicyAsked {
		return Step{}, false
	}
	if !j.ownRole() { // whoever else uses the role needs the policy
		j.leave(!j.Made.KMSPolicy.IsZero(), fmt.Sprintf("policy %s on role %s, which all of the account share", KMSPolicy, j.Request.RoleName()))
		j.Made.dropKMSPolicy()
		return Step{}, false
	}
	return Step{Effect: &Effect{Kind: EffectDetachSystem, Role: j.Request.RoleName(), Policy: KMSPolicy}}, true
}

func (m *Made) dropKMSPolicy() { m.KMSPolicy, m.KMSPolicyAsked = time.Time{}, false }
