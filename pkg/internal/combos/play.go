package combos

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// Prepare makes the buckets of a trial, what they hold before the ticket, and the
// keys and the role that people make beforehand.
func (c Combo) Prepare(w *world.World, t *Trial) error {
	from, to := c.Ends()
	for _, b := range []world.NewBucket{{Name: t.Source, Owner: t.Account, Region: from}, {Name: t.Destination, Owner: c.owner(*t), Region: to}} {
		if e := w.PutBucket(b); e != nil {
			return e
		}
		if c.Is(Versioning, "versioned") {
			if e := w.PutBucketVersioning(b.Name, "Enabled"); e != nil {
				return e
			}
		}
	}
	if err := c.makeKeys(w, t); err != nil {
		return err
	}
	if err := c.makeRole(w, *t); err != nil {
		return err
	}
	if c.Is(Destination, "into objects") {
		for _, o := range c.Objects() {
			if o.Before {
				if err := put(w, t.Destination, Object{Key: o.Key}, "theirs", ""); err != nil {
					return err
				}
			}
		}
	}
	return c.Write(w, *t, true)
}

// keeper is a person who may do everything with the keys of an account in a region.
func keeper(w *world.World, uid, region string) world.KMSCaller {
	return world.KMSCaller{Principal: w.NewRootKey(uid).Principal, Region: region}
}

// makeKeys makes a key for objects at the source and one for their copies. Across
// accounts the second lies in an instance that was bought for two. (B11, B12, B14)
func (c Combo) makeKeys(w *world.World, t *Trial) error {
	if c.Is(Encryption, "not encrypted") {
		return nil
	}
	from, to := c.Ends()
	k, e := w.CreateKey(keeper(w, t.Account, from), world.NewKey{})
	if e != nil {
		return e
	}
	t.SourceKey = k.ID
	if !c.Is(Encryption, "keys copied") {
		return nil
	}
	n := world.NewKey{}
	if !c.Is(Accounts, "one account") {
		n.Instance = w.NewKMSInstance(t.Other, to, 2)
	}
	if k, e = w.CreateKey(keeper(w, c.owner(*t), to), n); e != nil {
		return e
	}
	if t.Key = k.ID; n.Instance != "" {
		t.Key = k.ARN() // B15
	}
	return nil
}

// makeRole makes the custom role of a trial, as the source documents say: it trusts
// OSS, may read the source, within one account also write to the destination, and use
// keys of KMS. (A14, A18, A19, B3, B6)
func (c Combo) makeRole(w *world.World, t Trial) error {
	if !c.Is(Role, "custom role") {
		return nil
	}
	on := func(actions, bucket string) string {
		return `{"Effect":"Allow","Action":[` + actions + `],"Resource":["acs:oss:*:*:` + bucket + `","acs:oss:*:*:` + bucket + `/*"]}`
	}
	statements := []string{on(`"oss:ReplicateList","oss:ReplicateGet"`, t.Source)}
	if c.Is(Accounts, "one account") {
		statements = append(statements, on(allActions, t.Destination))
	}
	if _, e := w.CreateRole(t.Account, world.NewRole{Name: t.roleName(), Trust: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`}); e != nil {
		return e
	}
	if _, e := w.CreatePolicy(t.Account, t.roleName(), `{"Version":"1","Statement":[`+strings.Join(statements, ",")+`]}`, "", nil); e != nil {
		return e
	}
	if e := w.AttachPolicyToRole(t.Account, world.TypeCustom, t.roleName(), t.roleName(), world.View{}); e != nil {
		return e
	}
	if c.Is(Encryption, "keys copied") {
		if e := w.AttachPolicyToRole(t.Account, world.TypeSystem, "AliyunKMSCryptoUserAccess", t.roleName(), world.View{}); e != nil {
			return e
		}
	}
	return nil
}

const allActions = `"oss:ReplicateList","oss:ReplicateGet","oss:ReplicatePut","oss:ReplicateDelete"`

var roleARN = regexp.MustCompile(`acs:ram::([0-9]+):role/([A-Za-z0-9.-]+)`)

// Answer is what the owner of the other account does when a job is blocked with a
// message that asks for something: the grant of the seed's sample, and the use of the
// key. It reports whether there was anything to do.
func (c Combo) Answer(w *world.World, t Trial, message string) (bool, error) {
	m := roleARN.FindStringSubmatch(message)
	if m == nil || c.Is(Accounts, "one account") {
		return false, nil
	}
	if c.Is(Accounts, "two owners") { // B34 to B36
		doc := fmt.Sprintf(`{"Version":"1","Statement":[{"Effect":"Allow","Action":[%s],"Principal":["arn:sts::%s:assumed-role/%s/*"],"Resource":["acs:oss:*:%s:%s","acs:oss:*:%s:%s/*"]}]}`,
			allActions, m[1], strings.ToLower(m[2]), t.Other, t.Destination, t.Other, t.Destination)
		if e := w.PutBucketPolicy(t.Destination, []byte(doc)); e != nil {
			return false, e
		}
	}
	if c.Is(Encryption, "keys copied") { // B16, B17
		_, to := c.Ends()
		doc := fmt.Sprintf(`{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["acs:ram::%s:*"]},"Action":["kms:*"],"Resource":["*"]},{"Effect":"Allow","Principal":{"RAM":[%q]},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":["*"]}]}`, t.Other, m[0])
		if e := w.SetKeyPolicy(keeper(w, t.Other, to), t.Key, "default", doc); e != nil {
			return false, e
		}
	}
	return true, nil
}

// Write puts the objects of a trial to the source: those from before the ticket, or
// those of the time when the pair is watched.
func (c Combo) Write(w *world.World, t Trial, before bool) error {
	for _, o := range c.Objects() {
		if o.Before == before {
			if err := put(w, t.Source, o, "ours", t.SourceKey); err != nil {
				return err
			}
		}
	}
	return nil
}

func put(w *world.World, bucket string, o Object, content, sourceKey string) error {
	v := world.Version{Key: o.Key, Data: []byte(content)}
	for k, value := range o.Tags {
		v.Tags = append(v.Tags, world.Tag{Key: k, Value: value})
	}
	if o.Keyed {
		v.SSE, v.KMSKeyID = "KMS", sourceKey
	}
	if _, e := w.PutObject(bucket, v, false); e != nil {
		return e
	}
	return nil
}

// Wrong returns what is not at the destination as it has to be, once everything was
// written and copied.
func (c Combo) Wrong(w *world.World, t Trial) (complaints []string) {
	for _, o := range c.Objects() {
		want := ""
		if o.Before && c.Is(Destination, "into objects") {
			want = "theirs"
		}
		if o.Copied {
			want = "ours"
		}
		have, key := read(w, t.Destination, o.Key)
		if have != want {
			complaints = append(complaints, fmt.Sprintf("%s: %s holds %q, not %q", c, o.Key, have, want))
		}
		if o.Copied && o.Keyed && (key == "" || !strings.HasSuffix(t.Key, key)) { // B27
			complaints = append(complaints, fmt.Sprintf("%s: %s is encrypted under %q, not under %q", c, o.Key, key, t.Key))
		}
	}
	return complaints
}

// read returns the contents of an object, or "", and the key that it is under.
func read(w *world.World, bucket, name string) (content, key string) {
	v, e := w.Object(bucket, name, "", false)
	if e != nil {
		return "", ""
	}
	return string(v.Data), v.KMSKeyID
}

// Delete deletes one object plainly that was copied, and returns its key.
func (c Combo) Delete(w *world.World, t Trial) (key string, err error) {
	for _, o := range c.Objects() {
		if o.Copied && !o.Before {
			if _, e := w.DeleteObject(t.Source, o.Key, ""); e != nil {
				return "", e
			}
			return o.Key, nil
		}
	}
	return "", fmt.Errorf("%s copies nothing", c)
}

// Deleted reports whether what [Combo.Delete] did has come to what it has to.
func (c Combo) Deleted(w *world.World, t Trial, key string) bool {
	content, _ := read(w, t.Destination, key)
	return (content == "") == c.DeletesArrive()
}

// OwnKey reports whether a key can be the one of an object that proves the rule: it
// lies in the scope.
func (c Combo) OwnKey(key string) bool {
	p := c.prefixes()
	if len(p) == 0 {
		return key != ""
	}
	for _, prefix := range p {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
