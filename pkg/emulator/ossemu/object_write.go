package ossemu

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// writeHeaders say what an object is to be.
var writeHeaders = []string{
	"x-oss-forbid-overwrite", "x-oss-object-acl", "x-oss-storage-class", "x-oss-tagging", "x-oss-meta-*",
	"x-oss-server-side-encryption", "x-oss-server-side-encryption-key-id",
}

func writeRoutes() []route {
	return []route{
		{method: "PUT", level: onObject, headers: writeHeaders,
			action: "PutObject", perm: "oss:PutObject", write: true, handle: putObject},
		{method: "PUT", level: onObject, header: "x-oss-copy-source",
			headers: append(slices.Clone(writeHeaders), "x-oss-metadata-directive", "x-oss-tagging-directive", "x-oss-copy-source-if-*"),
			action:  "CopyObject", perm: "oss:PutObject", write: true, handle: copyObject},
		{method: "POST", level: onObject, sub: []string{"append"}, params: []string{"position"}, headers: writeHeaders,
			action: "AppendObject", perm: "oss:PutObject", write: true, handle: appendObject},
		{method: "DELETE", level: onObject, params: []string{"versionId"},
			action: "DeleteObject", perm: "oss:DeleteObject", versionPerm: "oss:DeleteObjectVersion", write: true, handle: deleteObject},
		{method: "POST", level: onBucket, sub: []string{"delete"}, params: []string{"encoding-type"},
			action: "DeleteMultipleObjects", write: true, handle: deleteObjects},
	}
}

var objectACLs = append([]string{"default"}, bucketACLs...)

// described reads what the headers say of an object that is to be made.
func (r *request) described() (v world.Version, forbid bool, e *world.Error) {
	v = world.Version{
		Key: r.key, ContentType: r.header("Content-Type"), CacheControl: r.header("Cache-Control"),
		ContentDisposition: r.header("Content-Disposition"), ContentEncoding: r.header("Content-Encoding"), Expires: r.header("Expires"),
		Meta: map[string]string{}, ACL: r.header("x-oss-object-acl"), StorageClass: r.header("x-oss-storage-class"),
		SSE: r.header("x-oss-server-side-encryption"), KMSKeyID: r.header("x-oss-server-side-encryption-key-id"),
	}
	size := 0
	for name, values := range r.Header {
		if meta, found := strings.CutPrefix(strings.ToLower(name), "x-oss-meta-"); found {
			v.Meta[meta] = strings.Join(values, ",")
			size += len(meta) + len(v.Meta[meta])
		}
	}
	if size > 8<<10 {
		return v, false, fail(http.StatusBadRequest, "MetadataTooLarge", "", "Your metadata headers exceed the maximum allowed metadata size.")
	}
	if e := oneOf("x-oss-object-acl", v.ACL, objectACLs); e != nil {
		return v, false, e
	}
	if e := oneOf("x-oss-storage-class", v.StorageClass, storageClasses); e != nil {
		return v, false, e
	}
	if e := checkSSE(v.SSE, v.KMSKeyID); e != nil {
		return v, false, e
	}
	if e := r.world.MayEncrypt(r.caller, r.bucket, v.SSE, v.KMSKeyID, r.conditions()); e != nil {
		return v, false, e
	}
	if v.Tags, e = r.taggingHeader(); e != nil {
		return v, false, e
	}
	forbid, e = r.forbidOverwrite()
	return v, forbid, e
}

func (r *request) forbidOverwrite() (bool, *world.Error) {
	switch value := r.header("x-oss-forbid-overwrite"); value {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, badArgument("x-oss-forbid-overwrite", value, "The value must be true or false.")
	}
}

// taggingHeader reads x-oss-tagging, which is a query string, and asks for the
// permission to tag.
func (r *request) taggingHeader() ([]world.Tag, *world.Error) {
	given := r.header("x-oss-tagging")
	if given == "" {
		return nil, nil
	}
	if e := r.authorize("oss:PutObjectTagging", r.bucket, r.key); e != nil {
		return nil, e
	}
	var tags []world.Tag
	for pair := range strings.SplitSeq(given, "&") {
		name, value, _ := strings.Cut(pair, "=")
		k, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, badArgument("x-oss-tagging", given, "The tagging header must be URL-encoded.")
		}
		tags = append(tags, world.Tag{Key: k, Value: v})
	}
	return tags, checkTags(tags, maxObjectTags)
}

// stored are the headers of the answer to a write.
func (r *request) stored(v *world.Version) []string {
	return []string{
		"ETag", quoted(v.ETag), "X-Oss-Hash-Crc64ecma", strconv.FormatUint(v.CRC64, 10),
		"X-Oss-Version-Id", r.versioned(v.ID),
		"X-Oss-Server-Side-Encryption", v.SSE, "X-Oss-Server-Side-Encryption-Key-Id", v.KMSKeyID,
	}
}

func putObject(r *request) (answer.Answer, *world.Error) {
	v, forbid, e := r.described()
	if e != nil {
		return answer.Answer{}, e
	}
	v.Data = r.body
	made, e := r.world.PutObject(r.bucket, v, forbid)
	if e != nil {
		return answer.Answer{}, e
	}
	return ok(append(r.stored(made), "Content-MD5", made.ContentMD5)...)
}

func appendObject(r *request) (answer.Answer, *world.Error) {
	position, err := strconv.ParseInt(r.query.Get("position"), 10, 64)
	if err != nil || position < 0 {
		return answer.Answer{}, badArgument("position", r.query.Get("position"), "The position must be a number that is not negative.")
	}
	v, forbid, e := r.described()
	if e != nil {
		return answer.Answer{}, e
	}
	if forbid && position > 0 {
		return answer.Answer{}, badArgument("x-oss-forbid-overwrite", "true", "An append at a position other than 0 overwrites nothing.")
	}
	v.Data = r.body
	grown, e := r.world.AppendObject(r.bucket, v, position)
	if e != nil {
		return answer.Answer{}, e
	}
	return ok(append(r.stored(grown), "X-Oss-Next-Append-Position", strconv.Itoa(len(grown.Data)))...)
}

// copySource reads x-oss-copy-source, "/bucket/key?versionId=id" with the key
// encoded, and asks for the permission to read it.
func (r *request) copySource() (*world.Version, *world.Error) {
	given := r.header("x-oss-copy-source")
	path, query, _ := strings.Cut(given, "?")
	bucket, encoded, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	key, err := url.PathUnescape(encoded)
	id, hasID := strings.CutPrefix(query, "versionId=")
	if err != nil || !found || key == "" || query != "" && !hasID {
		return nil, badArgument("x-oss-copy-source", given, "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.")
	}
	action := "oss:GetObject"
	if id != "" {
		action = "oss:GetObjectVersion"
	}
	if e := r.authorize(action, bucket, key); e != nil {
		return nil, e
	}
	from, e := r.world.Bucket(bucket)
	if e != nil {
		return nil, e
	}
	to, e := r.world.Bucket(r.bucket)
	if e != nil {
		return nil, e
	}
	if from.Region != to.Region {
		return nil, accessDenied("", "Target object does not reside in the same data center as source object.")
	}
	v, e := r.world.Object(bucket, key, id, r.call.StaleRead())
	if e != nil {
		return nil, e
	}
	if e := r.world.MayDecrypt(r.caller, bucket, v, r.conditions()); e != nil {
		return nil, e
	}
	if from.Versioning != "" {
		r.reply.Set("X-Oss-Copy-Source-Version-Id", v.ID)
	}
	return v, r.checkConditions(v, "X-Oss-Copy-Source-If-")
}

type copyResultXML struct {
	XMLName      xml.Name
	ETag         string
	LastModified string
}

func copyObject(r *request) (answer.Answer, *world.Error) {
	src, e := r.copySource()
	if e != nil {
		return answer.Answer{}, e
	}
	v, forbid, e := r.described()
	if e != nil {
		return answer.Answer{}, e
	}
	v.Data = src.Data
	meta, tags := r.header("x-oss-metadata-directive"), r.header("x-oss-tagging-directive")
	if e := oneOf("x-oss-metadata-directive", meta, []string{"COPY", "REPLACE"}); e != nil {
		return answer.Answer{}, e
	}
	if e := oneOf("x-oss-tagging-directive", tags, []string{"Copy", "Replace", "COPY", "REPLACE"}); e != nil {
		return answer.Answer{}, e
	}
	from, _, _ := strings.Cut(strings.TrimPrefix(r.header("x-oss-copy-source"), "/"), "/")
	itself := from == r.bucket && src.Key == r.key
	if meta != "REPLACE" && !itself { // a copy onto itself always takes the new headers
		v.ContentType, v.CacheControl, v.ContentDisposition = src.ContentType, src.CacheControl, src.ContentDisposition
		v.ContentEncoding, v.Expires, v.Meta = src.ContentEncoding, src.Expires, src.Meta
	}
	if !strings.EqualFold(tags, "Replace") {
		v.Tags = src.Tags
	}
	made, e := r.world.CopyObject(r.bucket, v, itself, forbid)
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(copyResultXML{
		XMLName: xml.Name{Local: "CopyObjectResult"}, ETag: quoted(made.ETag), LastModified: made.Modified.UTC().Format(isoTime),
	}, r.stored(made)...)
}
