package ossemu

import (
	"encoding/base64"
	"encoding/xml"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func listRoutes() []route {
	common := []string{"prefix", "delimiter", "max-keys", "encoding-type"}
	with := func(more ...string) []string { return append(more, common...) }
	return []route{
		{method: "GET", level: onBucket, params: with("marker"), action: "ListObjects", perm: "oss:ListObjects", handle: listObjects},
		{method: "GET", level: onBucket, sub: []string{"list-type=2"}, params: with("continuation-token", "start-after", "fetch-owner"),
			action: "ListObjectsV2", perm: "oss:ListObjects", handle: listObjectsV2},
		{method: "GET", level: onBucket, sub: []string{"versions"}, params: with("key-marker", "version-id-marker"),
			action: "ListObjectVersions", perm: "oss:ListObjectVersions", handle: listVersions},
	}
}

// An encoding is how names are written in an answer: "" as they are, or "url".
type encoding string

func (c encoding) text(s string) string {
	if c == "url" {
		return escape(s, true)
	}
	return s
}

func (r *request) encoding() (encoding, *world.Error) {
	v := r.query.Get("encoding-type")
	return encoding(v), oneOf("encoding-type", v, []string{"url"})
}

// listQuery reads what the listings have in common.
func (r *request) listQuery() (q world.ListQuery, enc encoding, e *world.Error) {
	if enc, e = r.encoding(); e != nil {
		return q, enc, e
	}
	q.Prefix, q.Delimiter, q.Behind = r.query.Get("prefix"), r.query.Get("delimiter"), r.call.StaleList()
	q.Max, e = r.pageSize("max-keys")
	return q, enc, e
}

type objectXML struct {
	Key          string
	LastModified string
	ETag         string
	Type         string
	Size         int
	StorageClass string
	Owner        *ownerXML
}

type prefixXML struct{ Prefix string }

// listXML is the part of an answer that the two listings of objects share.
type listXML struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Name           string
	Prefix         string
	MaxKeys        int
	Delimiter      string
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	Contents       []objectXML
	CommonPrefixes []prefixXML
}

func (r *request) newList(q world.ListQuery, enc encoding, l world.Listing, withOwner bool) listXML {
	x := listXML{
		Name: r.bucket, Prefix: enc.text(q.Prefix), MaxKeys: q.Max, Delimiter: enc.text(q.Delimiter),
		EncodingType: string(enc), IsTruncated: l.Truncated, CommonPrefixes: prefixes(enc, l),
	}
	var own *ownerXML
	if b, e := r.world.Bucket(r.bucket); e == nil && withOwner {
		o := owner(b.Owner)
		own = &o
	}
	for _, v := range l.Versions {
		x.Contents = append(x.Contents, objectXML{
			Key: enc.text(v.Key), LastModified: v.Modified.UTC().Format(isoTime), ETag: quoted(v.ETag),
			Type: v.Type, Size: len(v.Data), StorageClass: v.StorageClass, Owner: own,
		})
	}
	return x
}

func prefixes(enc encoding, l world.Listing) []prefixXML {
	var x []prefixXML
	for _, p := range l.Prefixes {
		x = append(x, prefixXML{enc.text(p)})
	}
	return x
}

func listObjects(r *request) (answer.Answer, *world.Error) {
	q, enc, e := r.listQuery()
	if e != nil {
		return answer.Answer{}, e
	}
	q.After = r.query.Get("marker")
	l, e := r.world.ListObjects(r.bucket, q)
	if e != nil {
		return answer.Answer{}, e
	}
	out := struct {
		listXML
		Marker     string
		NextMarker string `xml:",omitempty"`
	}{listXML: r.newList(q, enc, l, true), Marker: enc.text(q.After)}
	if l.Truncated {
		out.NextMarker = enc.text(l.NextKey)
	}
	return xmlAnswer(out)
}

func listObjectsV2(r *request) (answer.Answer, *world.Error) {
	q, enc, e := r.listQuery()
	if e != nil {
		return answer.Answer{}, e
	}
	token, start := r.query.Get("continuation-token"), r.query.Get("start-after")
	q.After = start
	if token != "" {
		after, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return answer.Answer{}, badArgument("continuation-token", token, "The continuation token provided is incorrect.")
		}
		q.After = string(after)
	}
	withOwner := r.query.Get("fetch-owner")
	if e := oneOf("fetch-owner", withOwner, []string{"true", "false"}); e != nil {
		return answer.Answer{}, e
	}
	l, e := r.world.ListObjects(r.bucket, q)
	if e != nil {
		return answer.Answer{}, e
	}
	out := struct {
		listXML
		StartAfter            string `xml:",omitempty"`
		ContinuationToken     string `xml:",omitempty"`
		NextContinuationToken string `xml:",omitempty"`
		KeyCount              int
	}{
		listXML: r.newList(q, enc, l, withOwner == "true"), StartAfter: enc.text(start), ContinuationToken: token,
		KeyCount: len(l.Versions) + len(l.Prefixes),
	}
	if l.Truncated {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(l.NextKey))
	}
	return xmlAnswer(out)
}

// versionXML is a Version or a DeleteMarker, as XMLName says; they come in one order.
type versionXML struct {
	XMLName      xml.Name
	Key          string
	VersionId    string
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Type         string `xml:",omitempty"`
	Size         *int
	StorageClass string `xml:",omitempty"`
	Owner        ownerXML
}

type listVersionsXML struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	Name                string
	Prefix              string
	KeyMarker           string
	VersionIdMarker     string
	MaxKeys             int
	Delimiter           string
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIdMarker string `xml:",omitempty"`
	Entries             []versionXML
	CommonPrefixes      []prefixXML
}

func listVersions(r *request) (answer.Answer, *world.Error) {
	q, enc, e := r.listQuery()
	if e != nil {
		return answer.Answer{}, e
	}
	q.Versions, q.After, q.AfterVersion = true, r.query.Get("key-marker"), r.query.Get("version-id-marker")
	if q.AfterVersion != "" && q.After == "" {
		return answer.Answer{}, badArgument("version-id-marker", q.AfterVersion, "A version-id marker cannot be specified without a key marker.")
	}
	b, e := r.world.Bucket(r.bucket)
	if e != nil {
		return answer.Answer{}, e
	}
	l, e := r.world.ListObjects(r.bucket, q)
	if e != nil {
		return answer.Answer{}, e
	}
	out := listVersionsXML{
		Name: r.bucket, Prefix: enc.text(q.Prefix), KeyMarker: enc.text(q.After), VersionIdMarker: q.AfterVersion, MaxKeys: q.Max,
		Delimiter: enc.text(q.Delimiter), EncodingType: string(enc), IsTruncated: l.Truncated, CommonPrefixes: prefixes(enc, l),
	}
	if l.Truncated {
		out.NextKeyMarker, out.NextVersionIdMarker = enc.text(l.NextKey), l.NextVersion
	}
	for _, v := range l.Versions {
		x := versionXML{
			XMLName: xml.Name{Local: "DeleteMarker"}, Key: enc.text(v.Key), VersionId: v.ID, IsLatest: v.Latest,
			LastModified: v.Modified.UTC().Format(isoTime), Owner: owner(b.Owner),
		}
		if !v.DeleteMarker {
			size := len(v.Data)
			x.XMLName.Local, x.ETag, x.Type, x.Size, x.StorageClass = "Version", quoted(v.ETag), v.Type, &size, v.StorageClass
		}
		out.Entries = append(out.Entries, x)
	}
	return xmlAnswer(out)
}
