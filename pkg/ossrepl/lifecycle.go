package ossrepl

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/replidesk/replidesk/pkg/replication"
)

type lifecycleXML struct {
	XMLName xml.Name           `xml:"LifecycleConfiguration"`
	Rule    []lifecycleRuleXML `xml:"Rule"`
}

type lifecycleRuleXML struct {
	ID, Prefix, Status string
	Tag                []replication.Tag
	Except             []struct {
		Prefix string
		Tag    *replication.Tag
	} `xml:"Filter>Not"`
	Expiration            *lifecycleTimeXML
	Transition            []lifecycleTimeXML
	AbortMultipartUpload  *lifecycleTimeXML
	NoncurrentExpiration  *lifecycleTimeXML  `xml:"NoncurrentVersionExpiration"`
	NoncurrentTransitions []lifecycleTimeXML `xml:"NoncurrentVersionTransition"`
}

type lifecycleTimeXML struct {
	Days, NoncurrentDays      int
	CreatedBeforeDate, Date   string
	ExpiredObjectDeleteMarker bool
	StorageClass              string
	IsAccessTime              bool
}

// Lifecycle reads the lifecycle rules of a bucket. A bucket without any answers 404
// NoSuchLifecycle. [fact 52]
func (c *Client) Lifecycle(ctx context.Context, e replication.End) (replication.LifecycleSeen, error) {
	const op = "GetBucketLifecycle"
	var x lifecycleXML
	err := c.read(ctx, op, e, map[string]string{"lifecycle": ""}, &x)
	if codeOf(err) == "NoSuchLifecycle" && ctx.Err() == nil {
		return replication.LifecycleSeen{}, nil
	}
	if err != nil {
		return replication.LifecycleSeen{}, fail(ctx, op, e.Bucket, err)
	}
	var seen replication.LifecycleSeen
	for _, r := range x.Rule {
		seen.Rules = append(seen.Rules, r.rule())
	}
	return seen, nil
}

func (x lifecycleRuleXML) rule() replication.LifecycleRule {
	r := replication.LifecycleRule{ID: x.ID, Enabled: x.Status == "Enabled", Prefix: x.Prefix, Tags: x.Tag}
	for _, n := range x.Except {
		r.Except = append(r.Except, replication.LifecycleExcept{Prefix: n.Prefix, Tag: n.Tag})
	}
	if e := x.Expiration; e != nil {
		r.Expires, r.ExpiresMarkers = e.when("their last change"), e.ExpiredObjectDeleteMarker
	}
	if n := x.NoncurrentExpiration; n != nil {
		r.Noncurrent = n.when("")
	}
	if a := x.AbortMultipartUpload; a != nil {
		r.Aborts = a.when("they began")
	}
	for _, t := range append(x.Transition, x.NoncurrentTransitions...) {
		since := "their last change"
		if t.IsAccessTime {
			since, r.ByAccess = "their last access", true
		}
		r.Classes = append(r.Classes, strings.TrimSpace(fmt.Sprintf("to %s %s", t.StorageClass, t.when(since))))
	}
	return r
}

// when words a time; "" when there is none.
func (x lifecycleTimeXML) when(since string) string {
	switch {
	case x.Days > 0:
		return days(x.Days) + " after " + since
	case x.NoncurrentDays > 0:
		return days(x.NoncurrentDays) + " after they were replaced or deleted"
	case x.CreatedBeforeDate != "":
		return "that were last changed before " + x.CreatedBeforeDate
	case x.Date != "":
		return "from " + x.Date + " on"
	}
	return ""
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
