package ossrepl

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/replication"
)

// PutRule puts a rule and returns its id, which is "" when the answer does not name
// it [fact 1]. A pair that has a rule already is fault.Exists, also while that rule
// closes [fact 2]; a role that OSS cannot use is fault.Denied with NoPermission [fact 24].
func (c *Client) PutRule(ctx context.Context, r replication.RuleSpec) (ruleID, requestID string, err error) {
	const op = "PutBucketReplication"
	if r.Tags != nil {
		return c.putTagged(ctx, r)
	}
	res, err := c.at(r.Source).PutBucketReplication(ctx, &oss.PutBucketReplicationRequest{
		Bucket:                   oss.Ptr(r.Source.Bucket),
		ReplicationConfiguration: &oss.ReplicationConfiguration{Rules: []oss.ReplicationRule{ruleOf(r)}},
	})
	if err != nil {
		return "", "", fail(ctx, op, r.Source.Bucket+" to "+r.Destination.Bucket, err)
	}
	return oss.ToString(res.ReplicationRuleId), res.Headers.Get(oss.HeaderOssRequestID), nil
}

// taggedRule is a rule with a tag filter, for which the SDK's type has no field.
type taggedRule struct {
	oss.ReplicationRule
	FilterType string       `xml:"UserTaggings>FilterType"`
	Tags       []ruleTagXML `xml:"UserTaggings>UserTagging"`
}

type ruleTagXML struct{ Key, Value string }

// putTagged puts a rule with a tag filter through the SDK's generic call.
func (c *Client) putTagged(ctx context.Context, r replication.RuleSpec) (ruleID, requestID string, err error) {
	const op = "PutBucketReplication"
	resource := r.Source.Bucket + " to " + r.Destination.Bucket
	rule := taggedRule{ReplicationRule: ruleOf(r), FilterType: filterTypes[r.Tags.Match]}
	for _, t := range r.Tags.Set {
		rule.Tags = append(rule.Tags, ruleTagXML{t.Key, t.Value})
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"ReplicationConfiguration"`
		Rule    taggedRule
	}{Rule: rule})
	if err != nil {
		return "", "", fail(ctx, op, resource, err)
	}
	in := &oss.OperationInput{
		OpName: op, Method: http.MethodPost, Bucket: &r.Source.Bucket, Parameters: map[string]string{"replication": "", "comp": "add"},
		Headers: map[string]string{oss.HTTPHeaderContentType: "application/xml"}, Body: bytes.NewReader(body),
	}
	if err := oss.MarshalUpdateContentMd5(nil, in); err != nil {
		return "", "", fail(ctx, op, resource, err)
	}
	out, err := c.at(r.Source).InvokeOperation(ctx, in)
	if err != nil {
		return "", "", fail(ctx, op, resource, err)
	}
	if out.Body != nil {
		defer out.Body.Close()
	}
	return out.Headers.Get("x-oss-replication-rule-id"), out.Headers.Get(oss.HeaderOssRequestID), nil
}

// ruleOf writes every element out, so that no default of OSS or of the SDK decides
// anything. [fact 3] [fact 4] [fact 5]
func ruleOf(r replication.RuleSpec) oss.ReplicationRule {
	rule := oss.ReplicationRule{
		Destination: &oss.ReplicationDestination{
			Bucket: oss.Ptr(r.Destination.Bucket), Location: oss.Ptr(r.Destination.Location()),
			TransferType: oss.TransferTypeType(r.Transfer),
		},
		Action:                      oss.Ptr(r.Action),
		HistoricalObjectReplication: oss.HistoricalObjectReplicationType(r.Historical),
		SyncRole:                    oss.Ptr(r.SyncRole),
		SourceSelectionCriteria: &oss.ReplicationSourceSelectionCriteria{
			SseKmsEncryptedObjects: &oss.SseKmsEncryptedObjects{Status: oss.StatusDisabled},
		},
	}
	if r.KMSKey != "" { // Disabled and Enabled are written like this, unlike all else [fact 62]
		rule.SourceSelectionCriteria.SseKmsEncryptedObjects.Status = oss.StatusEnabled
		rule.EncryptionConfiguration = &oss.ReplicationEncryptionConfiguration{ReplicaKmsKeyID: oss.Ptr(r.KMSKey)}
	}
	if len(r.Prefixes) > 0 {
		rule.PrefixSet = &oss.ReplicationPrefixSet{Prefixs: r.Prefixes}
	}
	if r.Source.Region != r.Destination.Region { // within a region there is no RTC to speak of
		status := "disabled"
		if r.RTC {
			status = "enabled"
		}
		rule.RTC = &oss.ReplicationTimeControl{Status: &status}
	}
	return rule
}

// PutRTC turns replication time control of a rule on or off and returns the id of the
// request. The rule shows it as enabling, later as enabled, and not at all when it is
// off. [fact 60]
func (c *Client) PutRTC(ctx context.Context, source replication.End, ruleID string, on bool) (requestID string, err error) {
	const op = "PutBucketRTC"
	resource := source.Bucket + " rule " + ruleID
	if ruleID == "" {
		return "", fail(ctx, op, resource, errNoRuleID)
	}
	status := "disabled"
	if on {
		status = "enabled"
	}
	res, err := c.at(source).PutBucketRtc(ctx, &oss.PutBucketRtcRequest{
		Bucket:           oss.Ptr(source.Bucket),
		RtcConfiguration: &oss.RtcConfiguration{RTC: &oss.ReplicationTimeControl{Status: &status}, ID: &ruleID},
	})
	if err != nil {
		return "", fail(ctx, op, resource, err)
	}
	return res.Headers.Get(oss.HeaderOssRequestID), nil
}

// CloseRule closes a rule. That it is closing (204), or gone with or without its
// bucket, is as good. What was copied stays. [fact 9]
func (c *Client) CloseRule(ctx context.Context, source replication.End, ruleID string) error {
	const op = "DeleteBucketReplication"
	resource := source.Bucket + " rule " + ruleID
	if ruleID == "" {
		return fail(ctx, op, resource, errNoRuleID)
	}
	_, err := c.at(source).DeleteBucketReplication(ctx, &oss.DeleteBucketReplicationRequest{
		Bucket: oss.Ptr(source.Bucket), ReplicationRules: &oss.ReplicationRules{IDs: []string{ruleID}},
	})
	if ctx.Err() == nil {
		switch codeOf(err) {
		case "NoSuchReplicationRule", "NoSuchReplicationConfiguration", "NoSuchBucket":
			return nil
		}
	}
	return fail(ctx, op, resource, err)
}
