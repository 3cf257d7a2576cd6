package ossemu

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func readRoutes() []route {
	overrides := []string{
		"response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires",
	}
	return []route{
		{method: "GET", level: onObject, params: append(overrides, "versionId"), headers: []string{"x-oss-range-behavior"},
			action: "GetObject", perm: "oss:GetObject", versionPerm: "oss:GetObjectVersion", handle: getObject},
		{method: "HEAD", level: onObject, params: []string{"versionId"}, headers: []string{"x-oss-range-behavior"},
			action: "HeadObject", perm: "oss:GetObject", versionPerm: "oss:GetObjectVersion", handle: headObject},
		{method: "HEAD", level: onObject, sub: []string{"objectMeta"}, params: []string{"versionId"},
			action: "GetObjectMeta", perm: "oss:GetObject", versionPerm: "oss:GetObjectVersion", handle: getObjectMeta},
	}
}

// object finds the version that a read is about. For a delete marker it says so
// in the header of the refusal.
func (r *request) object() (*world.Version, *world.Error) {
	v, e := r.world.Object(r.bucket, r.key, r.query.Get("versionId"), r.call.StaleRead())
	if e != nil && v != nil {
		r.reply.Set("X-Oss-Delete-Marker", "true")
		r.reply.Set("X-Oss-Version-Id", v.ID)
	}
	return v, e
}

// versioned returns the version id as an answer shows it: not at all in a bucket
// that never had versioning.
func (r *request) versioned(id string) string {
	b, e := r.world.Bucket(r.bucket)
	if e != nil || b.Versioning == "" {
		return ""
	}
	return id
}

func quoted(etag string) string { return `"` + etag + `"` }

// metaHeaders are the headers that tell all of an object but its content.
func (r *request) metaHeaders(v *world.Version) http.Header {
	h := headers(
		"Content-Type", orDefault(v.ContentType, "application/octet-stream"),
		"Cache-Control", v.CacheControl, "Content-Disposition", v.ContentDisposition,
		"Content-Encoding", v.ContentEncoding, "Expires", v.Expires,
		"Content-MD5", v.ContentMD5, "ETag", quoted(v.ETag), "Accept-Ranges", "bytes",
		"Last-Modified", v.Modified.UTC().Format(http.TimeFormat),
		"X-Oss-Hash-Crc64ecma", strconv.FormatUint(v.CRC64, 10),
		"X-Oss-Object-Type", v.Type, "X-Oss-Storage-Class", v.StorageClass,
		"X-Oss-Server-Side-Encryption", v.SSE, "X-Oss-Server-Side-Encryption-Key-Id", v.KMSKeyID,
		"X-Oss-Version-Id", r.versioned(v.ID),
	)
	if len(v.Tags) > 0 {
		h.Set("X-Oss-Tagging-Count", strconv.Itoa(len(v.Tags)))
	}
	if v.Type == "Appendable" {
		h.Set("X-Oss-Next-Append-Position", strconv.Itoa(len(v.Data)))
	}
	for name, value := range v.Meta {
		h.Set("X-Oss-Meta-"+name, value)
	}
	return h
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func getObject(r *request) (answer.Answer, *world.Error) {
	v, e := r.object()
	if e != nil {
		return answer.Answer{}, e
	}
	if e := r.checkConditions(v, "If-"); e != nil {
		return answer.Answer{}, e
	}
	if e := r.world.MayDecrypt(r.caller, r.bucket, v, r.conditions()); e != nil {
		return answer.Answer{}, e
	}
	a := answer.Answer{Status: http.StatusOK, Header: r.metaHeaders(v), Body: v.Data}
	if e := r.cut(v, &a); e != nil {
		return answer.Answer{}, e
	}
	for param, field := range map[string]string{
		"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition",
		"response-content-encoding": "Content-Encoding", "response-content-language": "Content-Language",
		"response-content-type": "Content-Type", "response-expires": "Expires",
	} {
		if r.query.Has(param) {
			a.Header.Set(field, r.query.Get(param))
		}
	}
	return a, nil
}

// cut applies the Range header. As on OSS a range that does not lie within the
// object is overlooked, unless x-oss-range-behavior is "standard".
func (r *request) cut(v *world.Version, a *answer.Answer) *world.Error {
	given := r.header("Range")
	if given == "" {
		return nil
	}
	size := int64(len(v.Data))
	standard := r.header("x-oss-range-behavior") == "standard"
	if b := r.header("x-oss-range-behavior"); b != "" && !standard {
		return badArgument("x-oss-range-behavior", b, "The range behavior is not valid.")
	}
	rg, valid := parseRange(given, size)
	if !valid {
		return nil
	}
	if rg.first >= size || rg.last >= size {
		switch {
		case !standard:
			return nil
		case rg.first >= size:
			return fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "", "The requested range cannot be satisfied.").
				With("ActualObjectSize", strconv.FormatInt(size, 10)).With("RangeRequested", given)
		}
		rg.last = size - 1
	}
	a.Status, a.Body = http.StatusPartialContent, v.Data[rg.first:rg.last+1]
	a.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", rg.first, rg.last, size))
	a.Header.Del("Content-MD5")
	return nil
}

func headObject(r *request) (answer.Answer, *world.Error) {
	v, e := r.object()
	if e != nil {
		return answer.Answer{}, e
	}
	if e := r.checkConditions(v, "If-"); e != nil {
		return answer.Answer{}, e
	}
	a := answer.Answer{Status: http.StatusOK, Header: r.metaHeaders(v), Body: v.Data}
	if e := r.cut(v, &a); e != nil {
		return answer.Answer{}, e
	}
	a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	return a, nil
}

func getObjectMeta(r *request) (answer.Answer, *world.Error) {
	v, e := r.object()
	if e != nil {
		return answer.Answer{}, e
	}
	return ok("ETag", quoted(v.ETag), "Content-Length", strconv.Itoa(len(v.Data)),
		"Last-Modified", v.Modified.UTC().Format(http.TimeFormat),
		"X-Oss-Hash-Crc64ecma", strconv.FormatUint(v.CRC64, 10), "X-Oss-Version-Id", r.versioned(v.ID))
}
