package ossemu

import (
	"encoding/xml"
	"net/http"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// replicationRoutes are the operations on replication rules.
func replicationRoutes() []route {
	return []route{
		{method: http.MethodPost, level: onBucket, sub: []string{"replication", "comp=add"}, write: true,
			action: "PutBucketReplication", perm: "oss:PutBucketReplication", handle: putBucketReplication},
		{method: http.MethodPost, level: onBucket, sub: []string{"replication", "comp=delete"}, write: true,
			action: "DeleteBucketReplication", perm: "oss:DeleteBucketReplication", handle: deleteBucketReplication},
		{method: http.MethodGet, level: onBucket, sub: []string{"replication"},
			action: "GetBucketReplication", perm: "oss:GetBucketReplication", handle: getBucketReplication},
		{method: http.MethodGet, level: onBucket, sub: []string{"replicationProgress"}, params: []string{"rule-id"},
			action: "GetBucketReplicationProgress", perm: "oss:GetBucketReplicationProgress", handle: getBucketReplicationProgress},
		{method: http.MethodGet, level: onBucket, sub: []string{"replicationLocation"},
			action: "GetBucketReplicationLocation", perm: "oss:GetBucketReplicationLocation", handle: getBucketReplicationLocation},
		{method: http.MethodPut, level: onBucket, sub: []string{"rtc"}, write: true,
			action: "PutBucketRTC", perm: "oss:PutBucketRTC", handle: putBucketRTC},
	}
}

// ruleIDHeader carries the id of a new rule. It is not in the reference pages.
const ruleIDHeader = "X-Oss-Replication-Rule-Id"

// putBucketReplication makes a rule. To name a role in it, or a bucket of another
// account, takes oss:ReplicateGet as well.
func putBucketReplication(r *request) (answer.Answer, *world.Error) {
	rules, e := readReplication(r.body)
	if e != nil {
		return answer.Answer{}, e
	}
	if len(rules) == 1 && r.lendsRights(rules[0]) {
		if e := r.authorize("oss:ReplicateGet", r.bucket, ""); e != nil {
			return answer.Answer{}, e
		}
	}
	id, e := r.world.PutReplication(r.bucket, rules)
	if e != nil {
		return answer.Answer{}, e
	}
	return ok(ruleIDHeader, id)
}

// lendsRights reports whether a rule names a role or crosses accounts.
func (r *request) lendsRights(q world.RuleRequest) bool {
	if q.SyncRole != nil && *q.SyncRole != "" {
		return true
	}
	if q.Bucket == nil {
		return false
	}
	src, e1 := r.world.Bucket(r.bucket)
	dst, e2 := r.world.Bucket(*q.Bucket)
	return e1 == nil && e2 == nil && src.Owner != dst.Owner
}

// deleteBucketReplication closes a rule: 200, or 204 when it is closing already.
func deleteBucketReplication(r *request) (answer.Answer, *world.Error) {
	root, e := readXML(r.body, "ReplicationRules", "")
	if e != nil {
		return answer.Answer{}, e
	}
	var ids []string
	if e := root.each(map[string]func(node) *world.Error{"ID": func(n node) *world.Error {
		id, e := n.text()
		ids = append(ids, id)
		return e
	}}); e != nil {
		return answer.Answer{}, e
	}
	already, e := r.world.DeleteReplication(r.bucket, ids)
	switch {
	case e != nil:
		return answer.Answer{}, e
	case already:
		return noContent()
	}
	return ok()
}

func putBucketRTC(r *request) (answer.Answer, *world.Error) {
	root, e := readXML(r.body, "ReplicationRule", "")
	if e != nil {
		return answer.Answer{}, e
	}
	var status, id *string
	if e := root.once(map[string]func(node) *world.Error{
		"RTC": func(n node) *world.Error { return n.once(map[string]func(node) *world.Error{"Status": into(&status)}) },
		"ID":  into(&id),
	}); e != nil {
		return answer.Answer{}, e
	}
	switch {
	case status == nil || *status == "":
		return answer.Answer{}, malformedXML("0031-00000013")
	case id == nil || *id == "":
		return answer.Answer{}, malformedXML("0031-00000015")
	}
	if e := r.world.PutRTC(r.bucket, *id, *status); e != nil {
		return answer.Answer{}, e
	}
	return ok()
}

// ruleXML is a rule in an answer. Get and Progress show different parts of it.
type ruleXML struct {
	ID          string
	PrefixSet   *prefixSetXML
	Action      string
	Destination destinationXML
	Status      string
	Historical  string `xml:"HistoricalObjectReplication"`
	SyncRole    string `xml:",omitempty"`
	RTC         *statusXML
	KMS         *statusXML `xml:"SourceSelectionCriteria>SseKmsEncryptedObjects"`
	KMSKeyID    *string    `xml:"EncryptionConfiguration>ReplicaKmsKeyID"`
	Tags        *taggingsXML
	Progress    *progressXML
}

type (
	prefixSetXML struct {
		Prefix []string
	}
	destinationXML struct {
		Bucket, Location string
		TransferType     string `xml:",omitempty"`
	}
	statusXML struct {
		Status string
	}
	taggingsXML struct {
		XMLName     xml.Name `xml:"UserTaggings"`
		FilterType  string
		UserTagging []world.Tag
	}
	progressXML struct {
		HistoricalObject string `xml:",omitempty"`
		NewObject        string `xml:",omitempty"`
	}
)

// baseXML is what Get and Progress both show. The transfer type is shown only when
// it is oss_acc.
func baseXML(r world.Rule) ruleXML {
	x := ruleXML{
		ID: r.ID, Action: r.Action, Status: r.Status, Historical: "disabled",
		Destination: destinationXML{Bucket: r.Destination, Location: r.Location},
	}
	if r.Historical {
		x.Historical = "enabled"
	}
	if r.TransferType == "oss_acc" {
		x.Destination.TransferType = r.TransferType
	}
	if len(r.Prefixes) > 0 {
		x.PrefixSet = &prefixSetXML{r.Prefixes}
	}
	return x
}

// getBucketReplication shows the rules. The page says that SyncRole comes only with
// SSE-KMS replication; a live test reads it back without, and so it is here.
func getBucketReplication(r *request) (answer.Answer, *world.Error) {
	rules, e := r.world.Replication(r.bucket, r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	var x struct {
		XMLName xml.Name  `xml:"ReplicationConfiguration"`
		Rules   []ruleXML `xml:"Rule"`
	}
	for _, rule := range rules {
		y := baseXML(rule)
		y.SyncRole = rule.SyncRole
		if rule.RTC != "" {
			y.RTC = &statusXML{rule.RTC}
		}
		if rule.KMS != "" {
			y.KMS = &statusXML{rule.KMS}
		}
		if rule.KMSKeyID != "" {
			y.KMSKeyID = &rule.KMSKeyID
		}
		if rule.Tags != nil {
			y.Tags = &taggingsXML{FilterType: rule.Tags.Type, UserTagging: rule.Tags.Tags}
		}
		x.Rules = append(x.Rules, y)
	}
	return xmlAnswer(x)
}

// watermarkFormat is how NewObject is written: as in every sample and the one live
// capture, not as the text of the page says.
const watermarkFormat = "2006-01-02T15:04:05.000Z"

func getBucketReplicationProgress(r *request) (answer.Answer, *world.Error) {
	rules, e := r.world.ReplicationProgress(r.bucket, r.query.Get("rule-id"), r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	var x struct {
		XMLName xml.Name  `xml:"ReplicationProgress"`
		Rules   []ruleXML `xml:"Rule"`
	}
	for _, rule := range rules {
		y := baseXML(rule.Rule)
		if p := rule.Progress; p != nil {
			y.Progress = &progressXML{HistoricalObject: p.Historical, NewObject: watermark(p.NewObject)}
		}
		x.Rules = append(x.Rules, y)
	}
	return xmlAnswer(x)
}

func watermark(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(watermarkFormat)
}

func getBucketReplicationLocation(r *request) (answer.Answer, *world.Error) {
	l, e := r.world.ReplicationLocations(r.bucket)
	if e != nil {
		return answer.Answer{}, e
	}
	type constraint struct {
		Location string
		Types    []string `xml:"TransferTypes>Type"`
	}
	type constraints struct {
		LocationTransferType []constraint
	}
	type locations struct {
		Location []string
	}
	var x struct {
		XMLName                        xml.Name `xml:"ReplicationLocation"`
		Location                       []string
		LocationTransferTypeConstraint *constraints
		LocationRTCConstraint          *locations
	}
	x.Location = l.Locations
	if len(l.AcceleratedOnly) > 0 {
		x.LocationTransferTypeConstraint = &constraints{}
		for _, location := range l.AcceleratedOnly {
			of := &x.LocationTransferTypeConstraint.LocationTransferType
			*of = append(*of, constraint{location, []string{"oss_acc"}})
		}
	}
	if len(l.RTC) > 0 {
		x.LocationRTCConstraint = &locations{l.RTC}
	}
	return xmlAnswer(x)
}
