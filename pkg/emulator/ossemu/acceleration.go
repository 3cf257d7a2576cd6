package ossemu

import (
	"encoding/xml"
	"net/http"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// accelerationRoutes switch transfer acceleration of a bucket. The switch is all there
// is of it: the endpoint that it opens on OSS, within half an hour, does not exist here.
func accelerationRoutes() []route {
	return []route{
		{method: "GET", level: onBucket, sub: []string{"transferAcceleration"},
			action: "GetBucketTransferAcceleration", perm: "oss:GetBucketTransferAcceleration", handle: getAcceleration},
		{method: "PUT", level: onBucket, sub: []string{"transferAcceleration"},
			action: "PutBucketTransferAcceleration", perm: "oss:PutBucketTransferAcceleration", write: true, handle: putAcceleration},
	}
}

type accelerationXML struct {
	XMLName xml.Name `xml:"TransferAccelerationConfiguration"`
	Enabled bool
}

func getAcceleration(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "acceleration", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	if !b.AccelerateSet {
		return answer.Answer{}, fail(http.StatusNotFound, "NoSuchTransferAccelerationConfiguration", "",
			"The bucket you specified does not have transfer acceleration configuration.").With("BucketName", r.bucket)
	}
	return xmlAnswer(accelerationXML{Enabled: b.AccelerateStatus})
}

func putAcceleration(r *request) (answer.Answer, *world.Error) {
	root, e := readXML(r.body, "TransferAccelerationConfiguration", "")
	if e != nil {
		return answer.Answer{}, e
	}
	on, given := false, false
	if e := root.once(readers{"Enabled": func(n node) (e *world.Error) {
		given = true
		on, e = n.boolean()
		return e
	}}); e != nil {
		return answer.Answer{}, e
	}
	if !given {
		return answer.Answer{}, malformedXML("")
	}
	return done(r.world.PutBucketAcceleration(r.bucket, on))
}
