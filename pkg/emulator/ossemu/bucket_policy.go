package ossemu

import (
	"encoding/xml"
	"net/http"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/policy"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// maxBucketPolicy is the largest bucket policy in bytes.
const maxBucketPolicy = 16 << 10

func policyRoutes() []route {
	return []route{
		{method: "GET", level: onBucket, sub: []string{"policy"}, action: "GetBucketPolicy", perm: "oss:GetBucketPolicy", handle: getPolicy},
		{method: "PUT", level: onBucket, sub: []string{"policy"},
			action: "PutBucketPolicy", perm: "oss:PutBucketPolicy", write: true, handle: putPolicy},
		{method: "DELETE", level: onBucket, sub: []string{"policy"},
			action: "DeleteBucketPolicy", perm: "oss:DeleteBucketPolicy", write: true, handle: deletePolicy},
		{method: "GET", level: onBucket, sub: []string{"policyStatus"},
			action: "GetBucketPolicyStatus", perm: "oss:GetBucketPolicyStatus", handle: getPolicyStatus},
	}
}

func noSuchPolicy(bucket string) *world.Error {
	return fail(http.StatusNotFound, "NoSuchBucketPolicy", "", "The specified bucket policy does not exist").With("BucketName", bucket)
}

func getPolicy(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "policy", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	if b.Policy == nil {
		return answer.Answer{}, noSuchPolicy(r.bucket)
	}
	return answer.Answer{Status: http.StatusOK, Header: headers("Content-Type", "application/json"), Body: b.Policy}, nil
}

// putPolicy replaces the whole document. OSS numbers its complaints about it.
func putPolicy(r *request) (answer.Answer, *world.Error) {
	if len(r.body) > maxBucketPolicy {
		return answer.Answer{}, malformedPolicy("0030-00000001", "The policy document is larger than 16 KB.")
	}
	if _, err := policy.Parse(policy.Bucket, r.body); err != nil {
		ec := ""
		if m, ok := policy.AsMalformed(err); ok {
			ec = map[policy.Flaw]string{
				policy.FlawVersion: "0030-00000002", policy.FlawItemSize: "0030-00000003", policy.FlawWildcards: "0030-00000007",
			}[m.Flaw]
		}
		return answer.Answer{}, malformedPolicy(ec, "Policy is malformed: "+err.Error())
	}
	return done(r.world.PutBucketPolicy(r.bucket, r.body))
}

func malformedPolicy(ec, message string) *world.Error {
	return fail(http.StatusBadRequest, "InvalidPolicyDocument", ec, message)
}

func deletePolicy(r *request) (answer.Answer, *world.Error) {
	return gone(r.world.PutBucketPolicy(r.bucket, nil))
}

type policyStatusXML struct {
	XMLName  xml.Name `xml:"PolicyStatus"`
	IsPublic bool
}

func getPolicyStatus(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "policy", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	if b.Policy == nil {
		return answer.Answer{}, noSuchPolicy(r.bucket)
	}
	return xmlAnswer(policyStatusXML{IsPublic: public(b.Policy)})
}

// public tells whether a policy allows something to everybody.
func public(document []byte) bool {
	d, err := policy.Parse(policy.Bucket, document)
	if err != nil {
		return false
	}
	for _, s := range d.Statements {
		for _, p := range s.Principals {
			if s.Effect == policy.Allow && p.Form == policy.FormEverybody {
				return true
			}
		}
	}
	return false
}
