package ossemu

import (
	"slices"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func objectSettingRoutes() []route {
	on := func(method, sub, action, perm, versionPerm string, write bool, h func(*request) (answer.Answer, *world.Error)) route {
		return route{method: method, level: onObject, sub: []string{sub}, params: []string{"versionId"},
			action: action, perm: "oss:" + perm, versionPerm: "oss:" + versionPerm, write: write, handle: h}
	}
	putACL := on("PUT", "acl", "PutObjectAcl", "PutObjectAcl", "PutObjectVersionAcl", true, putObjectACL)
	putACL.headers = []string{"x-oss-object-acl"}
	return []route{
		on("GET", "tagging", "GetObjectTagging", "GetObjectTagging", "GetObjectVersionTagging", false, getObjectTags),
		on("PUT", "tagging", "PutObjectTagging", "PutObjectTagging", "PutObjectVersionTagging", true, putObjectTags),
		on("DELETE", "tagging", "DeleteObjectTagging", "DeleteObjectTagging", "DeleteObjectVersionTagging", true, deleteObjectTags),
		on("GET", "acl", "GetObjectAcl", "GetObjectAcl", "GetObjectVersionAcl", false, getObjectACL),
		putACL,
	}
}

func getObjectTags(r *request) (answer.Answer, *world.Error) {
	v, e := r.object()
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(newTagging(v.Tags), "X-Oss-Version-Id", r.versioned(v.ID))
}

func putObjectTags(r *request) (answer.Answer, *world.Error) {
	tags, e := r.decodeTags(maxObjectTags)
	if e != nil {
		return answer.Answer{}, e
	}
	v, e := r.world.PutObjectTags(r.bucket, r.key, r.query.Get("versionId"), tags)
	if e != nil {
		return answer.Answer{}, e
	}
	return ok("X-Oss-Version-Id", r.versioned(v.ID))
}

func deleteObjectTags(r *request) (answer.Answer, *world.Error) {
	v, e := r.world.PutObjectTags(r.bucket, r.key, r.query.Get("versionId"), nil)
	if e != nil {
		return answer.Answer{}, e
	}
	return noContent("X-Oss-Version-Id", r.versioned(v.ID))
}

func getObjectACL(r *request) (answer.Answer, *world.Error) {
	v, e := r.object()
	if e != nil {
		return answer.Answer{}, e
	}
	b, e := r.world.Bucket(r.bucket)
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(aclXML{Owner: owner(b.Owner), Grant: v.ACL}, "X-Oss-Version-Id", r.versioned(v.ID))
}

func putObjectACL(r *request) (answer.Answer, *world.Error) {
	acl := r.header("x-oss-object-acl")
	if !slices.Contains(objectACLs, acl) {
		return answer.Answer{}, badArgument("x-oss-object-acl", acl, "no such object access control exists")
	}
	v, e := r.world.PutObjectACL(r.bucket, r.key, r.query.Get("versionId"), acl)
	if e != nil {
		return answer.Answer{}, e
	}
	return ok("X-Oss-Version-Id", r.versioned(v.ID))
}
