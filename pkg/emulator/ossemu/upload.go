package ossemu

import (
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func uploadRoutes() []route {
	return []route{
		{method: "POST", level: onObject, sub: []string{"uploads"}, params: []string{"encoding-type"}, headers: writeHeaders,
			action: "InitiateMultipartUpload", perm: "oss:PutObject", write: true, handle: startUpload},
		{method: "PUT", level: onObject, sub: []string{"partNumber", "uploadId"},
			action: "UploadPart", perm: "oss:PutObject", write: true, handle: uploadPart},
		{method: "PUT", level: onObject, sub: []string{"partNumber", "uploadId"}, header: "x-oss-copy-source",
			headers: []string{"x-oss-copy-source-range", "x-oss-copy-source-if-*"},
			action:  "UploadPartCopy", perm: "oss:PutObject", write: true, handle: uploadPartCopy},
		{method: "POST", level: onObject, sub: []string{"uploadId"}, params: []string{"encoding-type"},
			headers: []string{"x-oss-forbid-overwrite", "x-oss-complete-all", "x-oss-object-acl"},
			action:  "CompleteMultipartUpload", perm: "oss:PutObject", write: true, handle: completeUpload},
		{method: "DELETE", level: onObject, sub: []string{"uploadId"},
			action: "AbortMultipartUpload", perm: "oss:AbortMultipartUpload", write: true, handle: abortUpload},
		{method: "GET", level: onObject, sub: []string{"uploadId"}, params: []string{"max-parts", "part-number-marker", "encoding-type"},
			action: "ListParts", perm: "oss:ListParts", handle: listParts},
		{method: "GET", level: onBucket, sub: []string{"uploads"},
			params: []string{"prefix", "delimiter", "max-uploads", "key-marker", "upload-id-marker", "encoding-type"},
			action: "ListMultipartUploads", perm: "oss:ListMultipartUploads", handle: listUploads},
	}
}

type startUploadXML struct {
	XMLName      xml.Name `xml:"InitiateMultipartUploadResult"`
	EncodingType string   `xml:",omitempty"`
	Bucket       string
	Key          string
	UploadId     string
}

func startUpload(r *request) (answer.Answer, *world.Error) {
	enc, e := r.encoding()
	if e != nil {
		return answer.Answer{}, e
	}
	v, forbid, e := r.described()
	if e != nil {
		return answer.Answer{}, e
	}
	u, e := r.world.StartUpload(r.bucket, v, forbid)
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(startUploadXML{EncodingType: string(enc), Bucket: r.bucket, Key: enc.text(r.key), UploadId: u.ID})
}

func (r *request) partNumber() (int, *world.Error) {
	n, err := strconv.Atoi(r.query.Get("partNumber"))
	if err != nil {
		return 0, badArgument("partNumber", r.query.Get("partNumber"), "Part number must be an integer between 1 and 10000.")
	}
	return n, nil
}

func uploadPart(r *request) (answer.Answer, *world.Error) {
	n, e := r.partNumber()
	if e != nil {
		return answer.Answer{}, e
	}
	p, e := r.world.UploadPart(r.bucket, r.key, r.query.Get("uploadId"), n, r.body)
	if e != nil {
		return answer.Answer{}, e
	}
	return ok("ETag", quoted(p.ETag), "Content-MD5", r.header("Content-MD5"), "X-Oss-Hash-Crc64ecma", strconv.FormatUint(p.CRC64, 10))
}

func uploadPartCopy(r *request) (answer.Answer, *world.Error) {
	n, e := r.partNumber()
	if e != nil {
		return answer.Answer{}, e
	}
	src, e := r.copySource()
	if e != nil {
		return answer.Answer{}, e
	}
	data := src.Data
	if given := r.header("x-oss-copy-source-range"); given != "" {
		rg, valid := parseRange(given, int64(len(data)))
		if valid && rg.last < int64(len(data)) { // like a download, a range outside of the source is overlooked
			data = data[rg.first : rg.last+1]
		}
	}
	p, e := r.world.UploadPart(r.bucket, r.key, r.query.Get("uploadId"), n, data)
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(copyResultXML{
		XMLName: xml.Name{Local: "CopyPartResult"}, ETag: quoted(p.ETag), LastModified: p.Modified.UTC().Format(isoTime),
	}, "X-Oss-Hash-Crc64ecma", strconv.FormatUint(p.CRC64, 10))
}

type completeXML struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []struct {
		PartNumber int
		ETag       string
	} `xml:"Part"`
}

type completedXML struct {
	XMLName      xml.Name `xml:"CompleteMultipartUploadResult"`
	EncodingType string   `xml:",omitempty"`
	Location     string
	Bucket       string
	Key          string
	ETag         string
}

func completeUpload(r *request) (answer.Answer, *world.Error) {
	enc, e := r.encoding()
	if e != nil {
		return answer.Answer{}, e
	}
	forbid, e := r.forbidOverwrite()
	if e != nil {
		return answer.Answer{}, e
	}
	acl := r.header("x-oss-object-acl")
	if e := oneOf("x-oss-object-acl", acl, objectACLs); e != nil {
		return answer.Answer{}, e
	}
	parts, e := r.listedParts()
	if e != nil {
		return answer.Answer{}, e
	}
	v, e := r.world.CompleteUpload(r.bucket, r.key, r.query.Get("uploadId"), parts, forbid, acl)
	if e != nil {
		return answer.Answer{}, e
	}
	out := completedXML{EncodingType: string(enc), Bucket: r.bucket, Key: enc.text(r.key), ETag: quoted(v.ETag)}
	out.Location = "http://" + r.bucket + ".oss-" + r.region + domain + "/" + escape(r.key, false)
	return xmlAnswer(out, r.stored(v)...)
}

// listedParts reads the parts that the caller names; nil means all, by header.
func (r *request) listedParts() ([]world.PartRef, *world.Error) {
	if all := r.header("x-oss-complete-all"); all != "" {
		if all != "yes" {
			return nil, badArgument("x-oss-complete-all", all, "The value must be yes.")
		}
		if len(r.body) > 0 {
			return nil, badArgument("x-oss-complete-all", all, "Should not speficy both complete all header and http body.")
		}
		return nil, nil
	}
	var x completeXML
	if e := r.decode(&x); e != nil {
		return nil, e
	}
	if len(x.Parts) == 0 {
		return nil, malformedXML("")
	}
	parts := []world.PartRef{}
	for _, p := range x.Parts {
		parts = append(parts, world.PartRef{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`)})
	}
	return parts, nil
}

func abortUpload(r *request) (answer.Answer, *world.Error) {
	return gone(r.world.AbortUpload(r.bucket, r.key, r.query.Get("uploadId")))
}

type partXML struct {
	PartNumber    int
	LastModified  string
	ETag          string
	HashCrc64ecma uint64
	Size          int
}

type listPartsXML struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	EncodingType         string   `xml:",omitempty"`
	Bucket               string
	Key                  string
	UploadId             string
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Parts                []partXML `xml:"Part"`
}

func listParts(r *request) (answer.Answer, *world.Error) {
	enc, e := r.encoding()
	if e != nil {
		return answer.Answer{}, e
	}
	limit, marker := 1000, 0
	if r.query.Has("max-parts") {
		if limit, e = r.pageSize("max-parts"); e != nil {
			return answer.Answer{}, e
		}
	}
	if given := r.query.Get("part-number-marker"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 0 {
			return answer.Answer{}, badArgument("part-number-marker", given, "The part number marker must be a number.")
		}
		marker = n
	}
	u, e := r.world.Upload(r.bucket, r.key, r.query.Get("uploadId"))
	if e != nil {
		return answer.Answer{}, e
	}
	out := listPartsXML{
		EncodingType: string(enc), Bucket: r.bucket, Key: enc.text(r.key), UploadId: u.ID,
		StorageClass: orDefault(u.Head.StorageClass, "Standard"), PartNumberMarker: marker, MaxParts: limit,
	}
	for _, n := range slices.Sorted(maps.Keys(u.Parts)) {
		if n <= marker {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = true
			break
		}
		p := u.Parts[n]
		out.Parts = append(out.Parts, partXML{n, p.Modified.UTC().Format(isoTime), quoted(p.ETag), p.CRC64, len(p.Data)})
		out.NextPartNumberMarker = n
	}
	return xmlAnswer(out)
}
