package ossemu

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func lifecycleRoutes() []route {
	return []route{
		{method: "GET", level: onBucket, sub: []string{"lifecycle"},
			action: "GetBucketLifecycle", perm: "oss:GetBucketLifecycle", handle: getLifecycle},
		{method: "PUT", level: onBucket, sub: []string{"lifecycle"}, headers: []string{"x-oss-allow-same-action-overlap"},
			action: "PutBucketLifecycle", perm: "oss:PutBucketLifecycle", write: true, handle: putLifecycle},
		{method: "DELETE", level: onBucket, sub: []string{"lifecycle"},
			action: "DeleteBucketLifecycle", perm: "oss:DeleteBucketLifecycle", write: true, handle: deleteLifecycle},
	}
}

// lifecycleDate is how dates of lifecycle rules are written.
const lifecycleDate = "2006-01-02T15:04:05.000Z"

type lifecycleTimeXML struct {
	Days                      int    `xml:",omitempty"`
	CreatedBeforeDate         string `xml:",omitempty"`
	Date                      string `xml:",omitempty"`
	ExpiredObjectDeleteMarker string `xml:",omitempty"`
	StorageClass              string `xml:",omitempty"`
}

type noncurrentXML struct{ NoncurrentDays int }

type lifecycleRuleXML struct {
	ID                          string
	Prefix                      string
	Tag                         []tagXML
	Status                      string
	Expiration                  *lifecycleTimeXML
	Transition                  []lifecycleTimeXML
	AbortMultipartUpload        *lifecycleTimeXML
	NoncurrentVersionExpiration *noncurrentXML
}

func newLifecycleTime(l *world.LifecycleTime) *lifecycleTimeXML {
	if l == nil {
		return nil
	}
	x := lifecycleTimeXML{Days: l.Days}
	if !l.CreatedBefore.IsZero() {
		x.CreatedBeforeDate = l.CreatedBefore.Format(lifecycleDate)
	}
	if !l.Date.IsZero() {
		x.Date = l.Date.Format(lifecycleDate)
	}
	return &x
}

func getLifecycle(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "lifecycle", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	if len(b.Lifecycle) == 0 {
		return answer.Answer{}, fail(http.StatusNotFound, "NoSuchLifecycle", "", "No Row found in Lifecycle Table.").With("BucketName", r.bucket)
	}
	var x struct {
		XMLName xml.Name           `xml:"LifecycleConfiguration"`
		Rules   []lifecycleRuleXML `xml:"Rule"`
	}
	for _, rule := range b.Lifecycle {
		y := lifecycleRuleXML{
			ID: rule.ID, Prefix: rule.Prefix, Status: enabled(rule.Enabled),
			Expiration: newLifecycleTime(rule.Expiration), AbortMultipartUpload: newLifecycleTime(rule.AbortUploads),
		}
		for _, t := range rule.Tags {
			y.Tag = append(y.Tag, tagXML(t))
		}
		if rule.ExpiredDeleteMarkers {
			y.Expiration = &lifecycleTimeXML{ExpiredObjectDeleteMarker: "true"}
		}
		if rule.NoncurrentDays > 0 {
			y.NoncurrentVersionExpiration = &noncurrentXML{rule.NoncurrentDays}
		}
		for _, t := range rule.Transitions {
			z := newLifecycleTime(&t.LifecycleTime)
			z.StorageClass = t.StorageClass
			y.Transition = append(y.Transition, *z)
		}
		x.Rules = append(x.Rules, y)
	}
	return xmlAnswer(x)
}

func deleteLifecycle(r *request) (answer.Answer, *world.Error) {
	return gone(r.world.PutBucketLifecycle(r.bucket, nil, false))
}

func putLifecycle(r *request) (answer.Answer, *world.Error) {
	overlap := r.header("x-oss-allow-same-action-overlap")
	if e := oneOf("x-oss-allow-same-action-overlap", overlap, []string{"true", "false"}); e != nil {
		return answer.Answer{}, e
	}
	root, e := readXML(r.body, "LifecycleConfiguration", "")
	if e != nil {
		return answer.Answer{}, e
	}
	var rules []world.LifecycleRule
	if e := root.each(readers{"Rule": func(n node) *world.Error {
		rule, e := readLifecycleRule(n)
		rules = append(rules, rule)
		return e
	}}); e != nil {
		return answer.Answer{}, e
	}
	if len(rules) == 0 {
		return answer.Answer{}, malformedXML("")
	}
	return done(r.world.PutBucketLifecycle(r.bucket, rules, overlap == "true"))
}

type readers = map[string]func(node) *world.Error

// notHere refuses an element of lifecycle rules that OSS has and this one has not.
func notHere(n node) *world.Error { return notImplemented("element", n.XMLName.Local) }

func readLifecycleRule(n node) (world.LifecycleRule, *world.Error) {
	var rule world.LifecycleRule
	var id, status *string
	e := n.onceBut(readers{
		"ID":         into(&id),
		"Status":     into(&status),
		"Prefix":     func(n node) *world.Error { rule.Prefix = n.Text; _, e := n.text(); return e },
		"Expiration": func(n node) *world.Error { return readExpiration(n, &rule) },
		"AbortMultipartUpload": func(n node) *world.Error {
			rule.AbortUploads = &world.LifecycleTime{}
			return readLifecycleTime(n, rule.AbortUploads, nil)
		},
		"Transition": func(n node) *world.Error { return readTransition(n, &rule) },
		"NoncurrentVersionExpiration": func(n node) *world.Error {
			return n.once(readers{"NoncurrentDays": func(n node) (e *world.Error) { rule.NoncurrentDays, e = n.days(); return e }})
		},
		"Tag":                         func(n node) *world.Error { return readLifecycleTag(n, &rule) },
		"NoncurrentVersionTransition": notHere, "Filter": notHere, "AtimeBase": notHere,
	}, "Transition", "Tag", "NoncurrentVersionTransition")
	switch {
	case e != nil:
		return rule, e
	case status == nil:
		return rule, malformedXML("0014-00000025")
	case *status != "Enabled" && *status != "Disabled":
		return rule, malformedXML("0014-00000024")
	}
	rule.Enabled = *status == "Enabled"
	if id != nil {
		rule.ID = *id
	}
	return rule, nil
}

func readExpiration(n node, rule *world.LifecycleRule) *world.Error {
	rule.Expiration = &world.LifecycleTime{}
	e := readLifecycleTime(n, rule.Expiration, readers{"ExpiredObjectDeleteMarker": func(n node) (e *world.Error) {
		rule.ExpiredDeleteMarkers, e = n.boolean()
		return e
	}})
	if rule.ExpiredDeleteMarkers && *rule.Expiration == (world.LifecycleTime{}) {
		rule.Expiration = nil // it is about delete markers alone
	}
	return e
}

func readTransition(n node, rule *world.LifecycleRule) *world.Error {
	var t world.LifecycleTransition
	var class *string
	e := readLifecycleTime(n, &t.LifecycleTime, readers{
		"StorageClass": into(&class), "IsAccessTime": notHere, "ReturnToStdWhenVisit": notHere, "AllowSmallFile": notHere,
	})
	if class != nil {
		t.StorageClass = *class
	}
	rule.Transitions = append(rule.Transitions, t)
	return e
}

func readLifecycleTag(n node, rule *world.LifecycleRule) *world.Error {
	var key, value *string
	if e := n.once(readers{"Key": into(&key), "Value": into(&value)}); e != nil {
		return e
	}
	if key == nil || value == nil || *key == "" {
		return malformedXML("")
	}
	rule.Tags = append(rule.Tags, world.Tag{Key: *key, Value: *value})
	return nil
}

// readLifecycleTime reads when something is old enough, and what else is in the element.
func readLifecycleTime(n node, t *world.LifecycleTime, more readers) *world.Error {
	date := func(to *time.Time) func(node) *world.Error {
		return func(n node) *world.Error {
			s, e := n.text()
			if e != nil {
				return e
			}
			at, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return badArgument(n.XMLName.Local, s, "The date is not in ISO 8601.")
			}
			*to = at.UTC()
			return nil
		}
	}
	all := readers{
		"Days":              func(n node) (e *world.Error) { t.Days, e = n.days(); return e },
		"CreatedBeforeDate": date(&t.CreatedBefore),
		"Date":              date(&t.Date),
	}
	for name, read := range more {
		all[name] = read
	}
	return n.once(all)
}

// days reads a positive number.
func (n node) days() (int, *world.Error) {
	s, e := n.text()
	if e != nil {
		return 0, e
	}
	d, err := strconv.ParseInt(s, 10, 32)
	if err != nil || d <= 0 {
		return 0, badArgument(n.XMLName.Local, s, "The value must be a positive integer.")
	}
	return int(d), nil
}

func (n node) boolean() (bool, *world.Error) {
	s, e := n.text()
	if e == nil && s != "true" && s != "false" {
		e = malformedXML("")
	}
	return s == "true", e
}
