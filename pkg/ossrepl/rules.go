package ossrepl

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/replication"
)

type locationsXML struct {
	XMLName  xml.Name `xml:"ReplicationLocation"`
	Location []string
	Transfer []struct {
		Location string
		Type     []string `xml:"TransferTypes>Type"`
	} `xml:"LocationTransferTypeConstraint>LocationTransferType"`
	RTC []string `xml:"LocationRTCConstraint>Location"`
}

// Locations reads where the objects of a bucket may be replicated to. [fact 15] [fact 16]
func (c *Client) Locations(ctx context.Context, source replication.End) (replication.LocationsSeen, error) {
	const op = "GetBucketReplicationLocation"
	var x locationsXML
	if err := c.read(ctx, op, source, map[string]string{"replicationLocation": ""}, &x); err != nil {
		return replication.LocationsSeen{}, fail(ctx, op, source.Bucket, err)
	}
	s := replication.LocationsSeen{Regions: plainRegions(x.Location), RTC: plainRegions(x.RTC), TransferOnly: map[string][]string{}}
	for _, t := range x.Transfer { // beyond the border of mainland China only oss_acc is listed [fact 14]
		s.TransferOnly[plainRegion(t.Location)] = t.Type
	}
	return s, nil
}

func plainRegions(locations []string) []string {
	var rs []string
	for _, l := range locations {
		rs = append(rs, plainRegion(l))
	}
	return rs
}

type rulesXML struct {
	XMLName xml.Name  `xml:"ReplicationConfiguration"`
	Rule    []ruleXML `xml:"Rule"`
}

type ruleXML struct {
	ID                          string
	Prefix                      []string `xml:"PrefixSet>Prefix"`
	Action                      string
	Destination                 struct{ Bucket, Location, TransferType string }
	Status                      string
	HistoricalObjectReplication string
	SyncRole                    string
	RTC                         string `xml:"RTC>Status"`
	KMS                         string `xml:"SourceSelectionCriteria>SseKmsEncryptedObjects>Status"`
	Key                         string `xml:"EncryptionConfiguration>ReplicaKmsKeyID"`
	UserTaggings                []taggingsXML
	Others                      []elementXML `xml:",any"`
}

// elementXML is an element of any kind.
type elementXML struct{ XMLName xml.Name }

// taggingsXML is the tag filter of a rule. No page documents it; the form is known
// from two other clients. [fact 48]
type taggingsXML struct {
	FilterType  string
	UserTagging []struct{ Key, Value string }
	Others      []elementXML `xml:",any"`
}

// filterTypes are the matches of a tag filter as rules have them.
var filterTypes = map[replication.TagMatch]string{replication.MatchAll: "AND", replication.MatchAny: "OR"}

// tags returns the tag filter of a rule, and how many elements speak of tags in
// another form: whatever they say, the rule is not one that was asked for.
func (r ruleXML) tags() (f *replication.TagFilter, odd int) {
	for i, t := range r.UserTaggings {
		if odd += len(t.Others); i > 0 {
			odd++
			continue
		}
		f = &replication.TagFilter{Match: replication.TagMatch(t.FilterType)}
		for match, name := range filterTypes {
			if name == t.FilterType {
				f.Match = match
			}
		}
		for _, tag := range t.UserTagging {
			f.Set = append(f.Set, replication.Tag{Key: tag.Key, Value: tag.Value})
		}
	}
	for _, e := range r.Others {
		if strings.Contains(strings.ToLower(e.XMLName.Local), "tag") {
			odd++
		}
	}
	return f, odd
}

// unknown returns the names of the elements that are not read, in order.
func (r ruleXML) unknown() (names []string) {
	for _, e := range r.Others {
		names = append(names, e.XMLName.Local)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Rules reads the rules of a bucket. A bucket that never had one is answered 404
// and has an empty list. [fact 6]
func (c *Client) Rules(ctx context.Context, source replication.End) (replication.RulesSeen, error) {
	const op = "GetBucketReplication"
	var x rulesXML
	err := c.read(ctx, op, source, map[string]string{"replication": ""}, &x)
	if codeOf(err) == "NoSuchReplicationConfiguration" && ctx.Err() == nil {
		return replication.RulesSeen{}, nil
	}
	if err != nil {
		return replication.RulesSeen{}, fail(ctx, op, source.Bucket, err)
	}
	var s replication.RulesSeen
	for _, r := range x.Rule {
		tags, odd := r.tags()
		s.Rules = append(s.Rules, replication.RuleSeen{
			ID: r.ID, Destination: r.Destination.Bucket, Location: r.Destination.Location, TransferType: r.Destination.TransferType,
			Prefixes: r.Prefix, Action: r.Action, Historical: strings.ToLower(r.HistoricalObjectReplication), SyncRole: r.SyncRole,
			RTC: strings.ToLower(r.RTC), KMS: r.KMS, KMSKey: r.Key, Tags: tags, OddTags: odd, Unknown: r.unknown(), Status: replication.RuleStatus(r.Status),
		})
	}
	return s, nil
}

type progressXML struct {
	XMLName xml.Name `xml:"ReplicationProgress"`
	Rule    []struct {
		ID         string
		Status     string
		Historical string `xml:"Progress>HistoricalObject"`
		NewObject  string `xml:"Progress>NewObject"`
	} `xml:"Rule"`
}

// Progress reads how far a rule has come. [fact 10] [fact 11]
func (c *Client) Progress(ctx context.Context, source replication.End, ruleID string) (replication.ProgressSeen, error) {
	const op = "GetBucketReplicationProgress"
	var none replication.ProgressSeen
	resource := source.Bucket + " rule " + ruleID
	if ruleID == "" {
		return none, fail(ctx, op, resource, errNoRuleID)
	}
	var x progressXML
	err := c.read(ctx, op, source, map[string]string{"replicationProgress": "", "rule-id": ruleID}, &x)
	if code := codeOf(err); ctx.Err() == nil && (code == "NoSuchReplicationRule" || code == "NoSuchReplicationConfiguration") {
		return replication.ProgressSeen{Is: replication.Missing}, nil
	}
	if err != nil {
		return none, fail(ctx, op, resource, err)
	}
	for _, r := range x.Rule {
		if r.ID != ruleID {
			continue
		}
		s := replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleStatus(r.Status)}
		if s.Historical, err = fraction(r.Historical); err == nil {
			s.Watermark, err = moment(r.NewObject)
		}
		if err != nil {
			return none, fail(ctx, op, resource, &unreadable{err: err})
		}
		return s, nil
	}
	return none, fail(ctx, op, resource, &unreadable{err: errors.New("the answer does not show the rule that was asked for")})
}

// fraction reads HistoricalObject; absent is nil.
func fraction(s string) (*float64, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return nil, fmt.Errorf("HistoricalObject is %q and not a fraction", s)
	}
	return &f, nil
}

// moment reads NewObject, which comes in two formats; absent is the zero time.
func moment(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("NewObject is %q and not a time", s)
	}
	return t.UTC(), nil
}
