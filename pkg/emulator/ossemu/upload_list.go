package ossemu

import (
	"encoding/xml"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

type uploadXML struct {
	Key       string
	UploadId  string
	Initiated string
}

type listUploadsXML struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	EncodingType       string   `xml:",omitempty"`
	Bucket             string
	KeyMarker          string
	UploadIdMarker     string
	NextKeyMarker      string
	NextUploadIdMarker string
	Delimiter          string
	Prefix             string
	MaxUploads         int
	IsTruncated        bool
	Uploads            []uploadXML `xml:"Upload"`
	CommonPrefixes     []prefixXML
}

func listUploads(r *request) (answer.Answer, *world.Error) {
	enc, e := r.encoding()
	if e != nil {
		return answer.Answer{}, e
	}
	limit := 1000
	if r.query.Has("max-uploads") {
		if limit, e = r.pageSize("max-uploads"); e != nil {
			return answer.Answer{}, e
		}
	}
	uploads, e := r.world.Uploads(r.bucket, r.call.StaleList())
	if e != nil {
		return answer.Answer{}, e
	}
	prefix, delimiter := r.query.Get("prefix"), r.query.Get("delimiter")
	key, id := r.query.Get("key-marker"), r.query.Get("upload-id-marker")
	out := listUploadsXML{
		EncodingType: string(enc), Bucket: r.bucket, KeyMarker: enc.text(key), UploadIdMarker: id,
		Delimiter: enc.text(delimiter), Prefix: enc.text(prefix), MaxUploads: limit,
	}
	last := ""
	for _, u := range uploads {
		if !strings.HasPrefix(u.Key, prefix) || u.Key < key || u.Key == key && (id == "" || u.ID <= id) {
			continue
		}
		group := ""
		if i := strings.Index(u.Key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			group = u.Key[:len(prefix)+i+len(delimiter)]
		}
		if group != "" && (group == last || group == key) {
			continue
		}
		if len(out.Uploads)+len(out.CommonPrefixes) == limit {
			out.IsTruncated = true
			break
		}
		if group != "" {
			last = group
			out.CommonPrefixes = append(out.CommonPrefixes, prefixXML{enc.text(group)})
			out.NextKeyMarker, out.NextUploadIdMarker = enc.text(group), ""
			continue
		}
		out.Uploads = append(out.Uploads, uploadXML{enc.text(u.Key), u.ID, u.Initiated.UTC().Format(isoTime)})
		out.NextKeyMarker, out.NextUploadIdMarker = enc.text(u.Key), u.ID
	}
	return xmlAnswer(out)
}
