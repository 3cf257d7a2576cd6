package ossemu

import (
	"encoding/xml"
	"net/http"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func deleteObject(r *request) (answer.Answer, *world.Error) {
	id := r.query.Get("versionId")
	d, e := r.world.DeleteObject(r.bucket, r.key, id)
	if e != nil {
		return answer.Answer{}, e
	}
	switch {
	case d.Marker != nil:
		return noContent("X-Oss-Delete-Marker", "true", "X-Oss-Version-Id", d.Marker.ID)
	case d.Removed != nil && d.Removed.DeleteMarker:
		return noContent("X-Oss-Delete-Marker", "true", "X-Oss-Version-Id", id)
	}
	return noContent("X-Oss-Version-Id", id)
}

// maxDelete is how many objects one call may delete.
const maxDelete = 1000

type deleteXML struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Objects []struct {
		Key       string
		VersionId string
	} `xml:"Object"`
}

type deletedXML struct {
	Key                   string
	VersionId             string `xml:",omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionId string `xml:",omitempty"`
}

type deleteResultXML struct {
	XMLName      xml.Name     `xml:"DeleteResult"`
	EncodingType string       `xml:",omitempty"`
	Deleted      []deletedXML `xml:"Deleted"`
}

// deleteObjects deletes many. Without the right to any one of them it deletes none.
func deleteObjects(r *request) (answer.Answer, *world.Error) {
	if r.caller.Kind == world.KindAnonymous {
		return answer.Answer{}, accessDenied("0003-00000905", "Anonymous user has no right to access this bucket.")
	}
	if r.header("Content-MD5") == "" {
		return answer.Answer{}, fail(http.StatusBadRequest, "MissingArgument", "", "Missing Some Required Arguments.").With("ArgumentName", "Content-MD5")
	}
	enc, e := r.encoding()
	if e != nil {
		return answer.Answer{}, e
	}
	var x deleteXML
	if e := r.decode(&x); e != nil {
		return answer.Answer{}, e
	}
	if len(x.Objects) == 0 || len(x.Objects) > maxDelete {
		return answer.Answer{}, malformedXML("")
	}
	for _, o := range x.Objects {
		action := "oss:DeleteObject"
		if o.VersionId != "" {
			action = "oss:DeleteObjectVersion"
		}
		if e := r.authorize(action, r.bucket, o.Key); e != nil {
			return answer.Answer{}, e
		}
	}
	out := deleteResultXML{EncodingType: string(enc)}
	for _, o := range x.Objects {
		d, e := r.world.DeleteObject(r.bucket, o.Key, o.VersionId)
		if e != nil {
			return answer.Answer{}, e
		}
		line := deletedXML{Key: enc.text(o.Key), VersionId: o.VersionId}
		switch {
		case d.Marker != nil:
			line.DeleteMarker, line.DeleteMarkerVersionId = true, d.Marker.ID
		case d.Removed != nil && d.Removed.DeleteMarker:
			line.DeleteMarker, line.DeleteMarkerVersionId = true, d.Removed.ID
		}
		out.Deleted = append(out.Deleted, line)
	}
	if x.Quiet {
		return ok()
	}
	return xmlAnswer(out)
}
