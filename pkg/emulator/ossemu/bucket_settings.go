package ossemu

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func settingRoutes() []route {
	return []route{
		{method: "GET", level: onBucket, sub: []string{"acl"}, action: "GetBucketAcl", perm: "oss:GetBucketAcl", handle: getBucketACL},
		{method: "PUT", level: onBucket, sub: []string{"acl"}, headers: []string{"x-oss-acl"},
			action: "PutBucketAcl", perm: "oss:PutBucketAcl", write: true, handle: putBucketACL},
		{method: "GET", level: onBucket, sub: []string{"versioning"},
			action: "GetBucketVersioning", perm: "oss:GetBucketVersioning", handle: getVersioning},
		{method: "PUT", level: onBucket, sub: []string{"versioning"},
			action: "PutBucketVersioning", perm: "oss:PutBucketVersioning", write: true, handle: putVersioning},
		{method: "GET", level: onBucket, sub: []string{"encryption"},
			action: "GetBucketEncryption", perm: "oss:GetBucketEncryption", handle: getEncryption},
		{method: "PUT", level: onBucket, sub: []string{"encryption"},
			action: "PutBucketEncryption", perm: "oss:PutBucketEncryption", write: true, handle: putEncryption},
		{method: "DELETE", level: onBucket, sub: []string{"encryption"},
			action: "DeleteBucketEncryption", perm: "oss:DeleteBucketEncryption", write: true, handle: deleteEncryption},
		{method: "GET", level: onBucket, sub: []string{"tagging"}, action: "GetBucketTags", perm: "oss:GetBucketTagging", handle: getBucketTags},
		{method: "PUT", level: onBucket, sub: []string{"tagging"},
			action: "PutBucketTags", perm: "oss:PutBucketTagging", write: true, handle: putBucketTags},
		{method: "DELETE", level: onBucket, sub: []string{"tagging"},
			action: "DeleteBucketTags", perm: "oss:DeleteBucketTagging", write: true, handle: deleteBucketTags},
	}
}

// aclXML answers for buckets and objects alike.
type aclXML struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Owner   ownerXML
	Grant   string `xml:"AccessControlList>Grant"`
}

func getBucketACL(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "acl", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(aclXML{Owner: owner(b.Owner), Grant: b.ACL})
}

func putBucketACL(r *request) (answer.Answer, *world.Error) {
	acl := r.header("x-oss-acl")
	if !slices.Contains(bucketACLs, acl) {
		return answer.Answer{}, badArgument("x-oss-acl", acl, "no such bucket access control exists")
	}
	return done(r.world.PutBucketACL(r.bucket, acl))
}

// done is a 200 without a body, or the refusal.
func done(e *world.Error) (answer.Answer, *world.Error) {
	if e != nil {
		return answer.Answer{}, e
	}
	return ok()
}

// gone is a 204, or the refusal.
func gone(e *world.Error) (answer.Answer, *world.Error) {
	if e != nil {
		return answer.Answer{}, e
	}
	return noContent()
}

type versioningXML struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Status  string   `xml:",omitempty"`
}

func getVersioning(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "versioning", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(versioningXML{Status: b.Versioning})
}

func putVersioning(r *request) (answer.Answer, *world.Error) {
	var v versioningXML
	if e := r.decode(&v); e != nil {
		return answer.Answer{}, e
	}
	if v.Status != "Enabled" && v.Status != "Suspended" {
		return answer.Answer{}, badStatus("Status", v.Status)
	}
	return done(r.world.PutBucketVersioning(r.bucket, v.Status))
}

type encryptionXML struct {
	XMLName xml.Name   `xml:"ServerSideEncryptionRule"`
	Default sseRuleXML `xml:"ApplyServerSideEncryptionByDefault"`
}

func getEncryption(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "encryption", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	if b.Encryption == nil {
		return answer.Answer{}, fail(http.StatusNotFound, "NoSuchServerSideEncryptionRule", "", "The server side encryption configuration is not found.").With("BucketName", r.bucket)
	}
	return xmlAnswer(encryptionXML{Default: sseRuleXML{b.Encryption.Algorithm, b.Encryption.KMSKeyID, b.Encryption.DataEncryption}})
}

func putEncryption(r *request) (answer.Answer, *world.Error) {
	var x encryptionXML
	if e := r.decode(&x); e != nil {
		return answer.Answer{}, e
	}
	if e := checkSSE(x.Default.SSEAlgorithm, x.Default.KMSMasterKeyID); e != nil || x.Default.SSEAlgorithm == "" {
		return answer.Answer{}, badStatus("SSEAlgorithm", x.Default.SSEAlgorithm)
	}
	if d := x.Default.KMSDataEncryption; d != "" && (d != "SM4" || x.Default.SSEAlgorithm != "KMS") {
		return answer.Answer{}, badStatus("KMSDataEncryption", d)
	}
	return done(r.world.PutBucketEncryption(r.bucket, &world.Encryption{
		Algorithm: x.Default.SSEAlgorithm, KMSKeyID: x.Default.KMSMasterKeyID, DataEncryption: x.Default.KMSDataEncryption,
	}))
}

// checkSSE refuses an unknown method of encryption, and a key without KMS.
func checkSSE(algorithm, keyID string) *world.Error {
	if !slices.Contains([]string{"", "AES256", "KMS", "SM4"}, algorithm) {
		return fail(http.StatusBadRequest, "InvalidEncryptionAlgorithmError", "", "The Encryption request you specified is not valid. Supported value: AES256/SM4/KMS.")
	}
	if keyID != "" && algorithm != "KMS" {
		return badArgument("x-oss-server-side-encryption-key-id", keyID, "A KMS key is only valid with the encryption method KMS.")
	}
	return nil
}

func deleteEncryption(r *request) (answer.Answer, *world.Error) {
	return gone(r.world.PutBucketEncryption(r.bucket, nil))
}

type tagXML struct{ Key, Value string }

type taggingXML struct {
	XMLName xml.Name `xml:"Tagging"`
	Set     *tagSet  `xml:"TagSet"`
}

type tagSet struct {
	Tags []tagXML `xml:"Tag"`
}

func newTagging(tags []world.Tag) taggingXML {
	x := taggingXML{Set: &tagSet{}}
	for _, t := range tags {
		x.Set.Tags = append(x.Set.Tags, tagXML(t))
	}
	return x
}

// decodeTags reads a Tagging body with at most limit tags.
func (r *request) decodeTags(limit int) ([]world.Tag, *world.Error) {
	var x taggingXML
	if e := r.decode(&x); e != nil {
		return nil, e
	}
	if x.Set == nil {
		return nil, malformedXML("")
	}
	tags := []world.Tag{}
	for _, t := range x.Set.Tags {
		tags = append(tags, world.Tag(t))
	}
	return tags, checkTags(tags, limit)
}

// checkTags holds the limits of tags: the number, 128 characters a key and 256 a
// value, no key twice.
func checkTags(tags []world.Tag, limit int) *world.Error {
	if len(tags) > limit {
		return fail(http.StatusBadRequest, "InvalidTag", "", "The number of tags is greater than what is allowed.")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || utf8.RuneCountInString(t.Value) > 256 || seen[t.Key] {
			return fail(http.StatusBadRequest, "InvalidTag", "", "The tag key or value is not valid, or a tag key is given twice.").With("TagKey", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

const (
	maxBucketTags = 20
	maxObjectTags = 10
)

func getBucketTags(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "tagging", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(newTagging(b.Tags))
}

func putBucketTags(r *request) (answer.Answer, *world.Error) {
	tags, e := r.decodeTags(maxBucketTags)
	if e != nil {
		return answer.Answer{}, e
	}
	return done(r.world.PutBucketTags(r.bucket, tags))
}

// deleteBucketTags takes all tags away, or those that the parameter lists.
func deleteBucketTags(r *request) (answer.Answer, *world.Error) {
	var left []world.Tag
	if list := r.query.Get("tagging"); list != "" {
		b, e := r.world.Bucket(r.bucket)
		if e != nil {
			return answer.Answer{}, e
		}
		names := strings.Split(list, ",")
		left = slices.DeleteFunc(b.Tags, func(t world.Tag) bool { return slices.Contains(names, t.Key) })
	}
	return gone(r.world.PutBucketTags(r.bucket, left))
}
