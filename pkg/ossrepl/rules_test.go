package ossrepl

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

func TestRulesAreReadWithEveryElement(t *testing.T) {
	c, asked := serve(t, always(200, `<?xml version="1.0" encoding="UTF-8"?>
<ReplicationConfiguration>
  <Rule>
    <ID>r1</ID><PrefixSet><Prefix>a/</Prefix><Prefix>b/</Prefix></PrefixSet><Action>PUT,DELETE</Action>
    <Destination><Bucket>dst-bucket</Bucket><Location>oss-us-west-1</Location><TransferType>oss_acc</TransferType></Destination>
    <Status>doing</Status><HistoricalObjectReplication>enabled</HistoricalObjectReplication><SyncRole>role-name</SyncRole>
    <RTC><Status>enabling</Status></RTC>
    <SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>
    <EncryptionConfiguration><ReplicaKmsKeyID>key</ReplicaKmsKeyID></EncryptionConfiguration>
    <UserTaggings><FilterType>AND</FilterType><UserTagging><Key>k</Key><Value>v</Value></UserTagging><UserTagging><Key>l</Key><Value>w</Value></UserTagging></UserTaggings>
  </Rule>
  <Rule><ID>r2</ID><Action>ALL</Action><Destination><Bucket>other</Bucket><Location>oss-cn-shanghai</Location></Destination>
    <Status>closing</Status><HistoricalObjectReplication>disabled</HistoricalObjectReplication></Rule>
</ReplicationConfiguration>`))
	s, err := c.Rules(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, []replication.RuleSeen{
		{ID: "r1", Destination: "dst-bucket", Location: "oss-us-west-1", TransferType: "oss_acc", Prefixes: []string{"a/", "b/"}, Action: "PUT,DELETE",
			Historical: "enabled", SyncRole: "role-name", RTC: "enabling", KMS: "Enabled", KMSKey: "key", Tags: &replication.TagFilter{Match: replication.MatchAll, Set: []replication.Tag{{Key: "k", Value: "v"}, {Key: "l", Value: "w"}}}, Status: replication.RuleDoing},
		{ID: "r2", Destination: "other", Location: "oss-cn-shanghai", Action: "ALL", Historical: "disabled", Status: replication.RuleClosing},
	}, s.Rules)
	require.Equal(t, "src-bucket.oss-cn-hangzhou.aliyuncs.com", asked.requests()[0].host)
	require.Contains(t, asked.requests()[0].query, "replication")
}

func TestTagFiltersOfAnyFormAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		elements string
		want     *replication.TagFilter
		odd      int
	}{
		"none":                               {``, nil, 0},
		"an element that is not about tags":  {`<Priority>3</Priority>`, nil, 0},
		"one filter":                         {`<UserTaggings><FilterType>OR</FilterType><UserTagging><Key>k</Key></UserTagging></UserTaggings>`, filter("any", "k", ""), 0},
		"all the tags":                       {`<UserTaggings><FilterType>AND</FilterType><UserTagging><Key>K &amp; l</Key><Value>v</Value></UserTagging></UserTaggings>`, filter("all", "K & l", "v"), 0},
		"another type of filter":             {`<UserTaggings><FilterType>NOT</FilterType><UserTagging><Key>k</Key></UserTagging></UserTaggings>`, filter("NOT", "k", ""), 0},
		"a list of filters without a parent": {`<Tag><Key>k</Key></Tag><Tag><Key>l</Key></Tag>`, nil, 2},
		"an element without filters":         {`<UserTaggings/>`, &replication.TagFilter{}, 0},
		"another spelling":                   {`<ObjectTagFilter><TagSet/></ObjectTagFilter>`, nil, 1},
		"another spelling inside":            {`<UserTaggings><FilterType>AND</FilterType><Tag><Key>k</Key></Tag></UserTaggings>`, &replication.TagFilter{Match: "all"}, 1},
		"two filters":                        {`<UserTaggings><FilterType>AND</FilterType></UserTaggings><UserTaggings/>`, &replication.TagFilter{Match: "all"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := serve(t, always(200, `<ReplicationConfiguration><Rule><ID>r</ID>`+c.elements+`</Rule></ReplicationConfiguration>`))
			s, err := cl.Rules(t.Context(), src)
			require.NoError(t, err)
			require.Equal(t, c.want, s.Rules[0].Tags)
			require.Equal(t, c.odd, s.Rules[0].OddTags)
		})
	}
}

func TestElementsThatAreNotReadAreNamed(t *testing.T) {
	cl, _ := serve(t, always(200, `<ReplicationConfiguration><Rule><ID>r</ID><Priority>3</Priority><Mood>calm</Mood><Priority>4</Priority><RTC><Status>enabled</Status></RTC></Rule><Rule><ID>s</ID></Rule></ReplicationConfiguration>`))
	s, err := cl.Rules(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, []string{"Mood", "Priority"}, s.Rules[0].Unknown)
	require.Empty(t, s.Rules[1].Unknown)
}

func filter(match replication.TagMatch, key, value string) *replication.TagFilter {
	return &replication.TagFilter{Match: match, Set: []replication.Tag{{Key: key, Value: value}}}
}

func TestNoConfigurationIsAnEmptyOne(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchReplicationConfiguration") })
	s, err := c.Rules(t.Context(), src)
	require.NoError(t, err)
	require.Empty(t, s.Rules)

	c, _ = serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchBucket") })
	_, err = c.Rules(t.Context(), src)
	require.Equal(t, fault.NotFound, fault.Of(err), "a bucket that is gone is something else")
}

func TestAnAnswerOfAnotherFormIsNotTakenForAnEmptyOne(t *testing.T) {
	for name, body := range map[string]string{
		"an empty body":                   "",
		"a page":                          "<html><body>Welcome to the proxy</body></html>",
		"the document of another call":    "<ReplicationProgress></ReplicationProgress><BucketInfo/>",
		"a text":                          "OK",
		"a document that is not complete": "<ReplicationConfiguration><Rule>",
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, always(200, body))
			_, err := c.Rules(t.Context(), src)
			require.Equal(t, fault.Retryable, fault.Of(err))
			_, err = c.Locations(t.Context(), src)
			require.Equal(t, fault.Retryable, fault.Of(err))
			_, err = c.Bucket(t.Context(), src)
			require.Equal(t, fault.Retryable, fault.Of(err))
		})
	}
}

func TestLocationsAreRegions(t *testing.T) {
	c, _ := serve(t, always(200, `<ReplicationLocation><Location>oss-cn-beijing</Location><Location>oss-us-west-1</Location>
<LocationTransferTypeConstraint><LocationTransferType><Location>oss-us-west-1</Location><TransferTypes><Type>oss_acc</Type></TransferTypes></LocationTransferType></LocationTransferTypeConstraint>
<LocationRTCConstraint><Location>oss-cn-beijing</Location></LocationRTCConstraint></ReplicationLocation>`))
	s, err := c.Locations(t.Context(), src)
	require.NoError(t, err)
	require.Equal(t, replication.LocationsSeen{
		Regions: []string{"cn-beijing", "us-west-1"}, TransferOnly: map[string][]string{"us-west-1": {"oss_acc"}}, RTC: []string{"cn-beijing"},
	}, s)
}

func progressAnswer(inside string) string {
	return `<?xml version="1.0"?><ReplicationProgress><Rule><ID>r1</ID><Status>doing</Status>` + inside + `</Rule></ReplicationProgress>`
}

func TestProgressIsReadInEveryForm(t *testing.T) {
	at := time.Date(2015, 9, 24, 15, 28, 14, 0, time.UTC)
	part, done, none := 0.85, 1.0, 0.0
	for name, c := range map[string]struct {
		inside     string
		historical *float64
		watermark  time.Time
	}{
		"ISO 8601 with milliseconds":       {`<Progress><HistoricalObject>0.85</HistoricalObject><NewObject>2015-09-24T15:28:14.000Z</NewObject></Progress>`, &part, at},
		"with a trailing blank":            {`<Progress><HistoricalObject>1 </HistoricalObject><NewObject>2015-09-24T15:28:14.000Z </NewObject></Progress>`, &done, at},
		"ISO 8601 without milliseconds":    {`<Progress><NewObject>2015-09-24T15:28:14Z</NewObject></Progress>`, nil, at},
		"ISO 8601 of another zone":         {`<Progress><NewObject>2015-09-24T23:28:14+08:00</NewObject></Progress>`, nil, at},
		"an HTTP date":                     {`<Progress><NewObject>Thu, 24 Sep 2015 15:28:14 GMT</NewObject></Progress>`, nil, at},
		"nothing copied yet":               {`<Progress><HistoricalObject>0</HistoricalObject></Progress>`, &none, time.Time{}},
		"without history":                  {`<Progress><HistoricalObject/><NewObject/></Progress>`, nil, time.Time{}},
		"without Progress, as in starting": {``, nil, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, asked := serve(t, always(200, progressAnswer(c.inside)))
			s, err := cl.Progress(t.Context(), src, "r1")
			require.NoError(t, err)
			require.Equal(t, replication.ProgressSeen{Is: replication.Exists, Status: replication.RuleDoing, Historical: c.historical, Watermark: c.watermark}, s)
			require.Equal(t, []string{"r1"}, asked.requests()[0].query["rule-id"])
		})
	}
}

func TestProgressThatCannotBeReadIsSaid(t *testing.T) {
	for name, body := range map[string]string{
		"a percentage":          progressAnswer(`<Progress><HistoricalObject>85</HistoricalObject></Progress>`),
		"not a number":          progressAnswer(`<Progress><HistoricalObject>NaN</HistoricalObject></Progress>`),
		"a time of other form":  progressAnswer(`<Progress><NewObject>1443108494</NewObject></Progress>`),
		"the rule is not shown": `<ReplicationProgress><Rule><ID>r2</ID></Rule></ReplicationProgress>`,
		"no rule is shown":      `<ReplicationProgress></ReplicationProgress>`,
		"an empty answer":       ``,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, always(200, body))
			_, err := c.Progress(t.Context(), src, "r1")
			require.Equal(t, fault.Retryable, fault.Of(err))
			require.ErrorContains(t, err, "src-bucket rule r1")
		})
	}
}

func TestARuleThatIsGoneHasNoProgress(t *testing.T) {
	for _, code := range []string{"NoSuchReplicationRule", "NoSuchReplicationConfiguration"} {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, code) })
		s, err := c.Progress(t.Context(), src, "r1")
		require.NoError(t, err)
		require.Equal(t, replication.ProgressSeen{Is: replication.Missing}, s)
	}
}

// sent is the body of a put as another program reads it.
type sent struct {
	XMLName xml.Name `xml:"ReplicationConfiguration"`
	Rule    []struct {
		Elements []struct {
			XMLName xml.Name
			Inner   string `xml:",innerxml"`
		} `xml:",any"`
	}
}

func TestARuleIsPutWithEveryElement(t *testing.T) {
	for name, c := range map[string]struct {
		spec replication.RuleSpec
		want map[string]string
	}{
		"between regions": {
			replication.RuleSpec{Source: src, Destination: dst, Transfer: "internal", Prefixes: []string{"a&b/", "c/"}, Action: "PUT", Historical: "disabled", SyncRole: "role", RTC: true},
			map[string]string{
				"Destination": "<Bucket>dst-bucket</Bucket><Location>oss-cn-shanghai</Location><TransferType>internal</TransferType>",
				"PrefixSet":   "<Prefix>a&amp;b/</Prefix><Prefix>c/</Prefix>", "Action": "PUT", "HistoricalObjectReplication": "disabled", "SyncRole": "role",
				"RTC": "<Status>enabled</Status>", "SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Disabled</Status></SseKmsEncryptedObjects>",
			},
		},
		"without RTC and prefixes": {
			replication.RuleSpec{Source: src, Destination: dst, Transfer: "oss_acc", Action: "ALL", Historical: "enabled", SyncRole: "role"},
			map[string]string{
				"Destination": "<Bucket>dst-bucket</Bucket><Location>oss-cn-shanghai</Location><TransferType>oss_acc</TransferType>",
				"Action":      "ALL", "HistoricalObjectReplication": "enabled", "SyncRole": "role",
				"RTC": "<Status>disabled</Status>", "SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Disabled</Status></SseKmsEncryptedObjects>",
			},
		},
		"with a tag filter": {
			replication.RuleSpec{Source: src, Destination: dst, Transfer: "internal", Prefixes: []string{"a/"}, Action: "PUT", Historical: "enabled", SyncRole: "role",
				Tags: &replication.TagFilter{Match: replication.MatchAll, Set: []replication.Tag{{Key: "K", Value: "a<b"}, {Key: "k", Value: ""}}}},
			map[string]string{
				"Destination": "<Bucket>dst-bucket</Bucket><Location>oss-cn-shanghai</Location><TransferType>internal</TransferType>",
				"PrefixSet":   "<Prefix>a/</Prefix>", "Action": "PUT", "HistoricalObjectReplication": "enabled", "SyncRole": "role",
				"RTC": "<Status>disabled</Status>", "SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Disabled</Status></SseKmsEncryptedObjects>",
				"UserTaggings": "<FilterType>AND</FilterType><UserTagging><Key>K</Key><Value>a&lt;b</Value></UserTagging><UserTagging><Key>k</Key><Value></Value></UserTagging>",
			},
		},
		"with a filter for any tag, within a region": {
			replication.RuleSpec{Source: src, Destination: replication.End{Region: src.Region, Bucket: "near"}, Transfer: "internal", Action: "PUT", Historical: "disabled", SyncRole: "role",
				Tags: filter(replication.MatchAny, "k", "v")},
			map[string]string{
				"Destination": "<Bucket>near</Bucket><Location>oss-cn-hangzhou</Location><TransferType>internal</TransferType>",
				"Action":      "PUT", "HistoricalObjectReplication": "disabled", "SyncRole": "role",
				"SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Disabled</Status></SseKmsEncryptedObjects>",
				"UserTaggings":            "<FilterType>OR</FilterType><UserTagging><Key>k</Key><Value>v</Value></UserTagging>",
			},
		},
		"with a key of KMS": {
			replication.RuleSpec{Source: src, Destination: dst, Transfer: "internal", Action: "PUT", Historical: "disabled", SyncRole: "role", KMSKey: "key-1"},
			map[string]string{
				"Destination": "<Bucket>dst-bucket</Bucket><Location>oss-cn-shanghai</Location><TransferType>internal</TransferType>",
				"Action":      "PUT", "HistoricalObjectReplication": "disabled", "SyncRole": "role", "RTC": "<Status>disabled</Status>",
				"SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects>",
				"EncryptionConfiguration": "<ReplicaKmsKeyID>key-1</ReplicaKmsKeyID>",
			},
		},
		"with a key of KMS and a tag filter": {
			replication.RuleSpec{Source: src, Destination: replication.End{Region: src.Region, Bucket: "near"}, Transfer: "internal", Action: "PUT", Historical: "disabled", SyncRole: "role",
				Tags: filter(replication.MatchAny, "k", "v"), KMSKey: "key-1"},
			map[string]string{
				"Destination": "<Bucket>near</Bucket><Location>oss-cn-hangzhou</Location><TransferType>internal</TransferType>",
				"Action":      "PUT", "HistoricalObjectReplication": "disabled", "SyncRole": "role",
				"SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects>",
				"EncryptionConfiguration": "<ReplicaKmsKeyID>key-1</ReplicaKmsKeyID>",
				"UserTaggings":            "<FilterType>OR</FilterType><UserTagging><Key>k</Key><Value>v</Value></UserTagging>",
			},
		},
		"within a region, where there is no RTC": {
			replication.RuleSpec{Source: src, Destination: replication.End{Region: src.Region, Bucket: "near"}, Transfer: "internal", Action: "ALL", Historical: "enabled", SyncRole: "role"},
			map[string]string{
				"Destination": "<Bucket>near</Bucket><Location>oss-cn-hangzhou</Location><TransferType>internal</TransferType>",
				"Action":      "ALL", "HistoricalObjectReplication": "enabled", "SyncRole": "role",
				"SourceSelectionCriteria": "<SseKmsEncryptedObjects><Status>Disabled</Status></SseKmsEncryptedObjects>",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("x-oss-replication-rule-id", "new-rule")
				answer(w, 200, "")
			})
			id, request, err := cl.PutRule(t.Context(), c.spec)
			require.NoError(t, err)
			require.Equal(t, "new-rule", id)
			require.Equal(t, "5C3D9175B6FC201293AD4890", request)
			require.Len(t, asked.requests(), 1)
			r := asked.requests()[0]
			require.Equal(t, http.MethodPost, r.method)
			require.Equal(t, []string{"add"}, r.query["comp"])
			require.Contains(t, r.query, "replication")
			require.Equal(t, "application/xml", r.header.Get("Content-Type"))
			sum := md5.Sum([]byte(r.body))
			require.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), r.header.Get("Content-MD5"))

			var body sent
			require.NoError(t, xml.Unmarshal([]byte(r.body), &body))
			require.Len(t, body.Rule, 1)
			got := map[string]string{}
			for _, e := range body.Rule[0].Elements {
				got[e.XMLName.Local] = e.Inner
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestTheBodyOfARuleWithTags(t *testing.T) {
	cl, asked := serve(t, always(200, ""))
	_, _, err := cl.PutRule(t.Context(), replication.RuleSpec{Source: src, Destination: dst, Transfer: "internal", Prefixes: []string{"a/"}, Action: "PUT", Historical: "disabled",
		SyncRole: "role", Tags: filter(replication.MatchAny, "k", "v")})
	require.NoError(t, err)
	require.Equal(t, "<ReplicationConfiguration><Rule>"+
		"<Destination><Bucket>dst-bucket</Bucket><Location>oss-cn-shanghai</Location><TransferType>internal</TransferType></Destination>"+
		"<SyncRole>role</SyncRole><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Disabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>"+
		"<HistoricalObjectReplication>disabled</HistoricalObjectReplication><RTC><Status>disabled</Status></RTC><PrefixSet><Prefix>a/</Prefix></PrefixSet><Action>PUT</Action>"+
		"<UserTaggings><FilterType>OR</FilterType><UserTagging><Key>k</Key><Value>v</Value></UserTagging></UserTaggings>"+
		"</Rule></ReplicationConfiguration>", asked.requests()[0].body)

	for code, kind := range map[string]fault.Kind{"BucketReplicationAlreadyExist": fault.Exists, "TooManyFilterObjectTags": fault.Terminal, "NoPermission": fault.Denied} {
		cl, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, code) })
		_, _, err := cl.PutRule(t.Context(), replication.RuleSpec{Source: src, Destination: dst, Tags: filter(replication.MatchAny, "k", "v")})
		require.Equal(t, kind, fault.Of(err), code)
	}
}

func TestAPutWhoseAnswerNamesNoRuleIsDone(t *testing.T) {
	c, _ := serve(t, always(200, ""))
	id, request, err := c.PutRule(t.Context(), replication.RuleSpec{Source: src, Destination: dst})
	require.NoError(t, err)
	require.Empty(t, id)
	require.NotEmpty(t, request)
}

func TestClosingARuleIsDoneWhenItIsGone(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"closed":                   always(200, ""),
		"closing already":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"no such rule":             func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchReplicationRule") },
		"the bucket has no rules":  func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchReplicationConfiguration") },
		"the bucket is gone, even": func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchBucket") },
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := serve(t, handler)
			require.NoError(t, c.CloseRule(t.Context(), src, "r&1"))
			r := asked.requests()[0]
			require.Equal(t, []string{"delete"}, r.query["comp"])
			require.Equal(t, "<ReplicationRules><ID>r&amp;1</ID></ReplicationRules>", r.body)
		})
	}
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") })
	require.Equal(t, fault.Denied, fault.Of(c.CloseRule(t.Context(), src, "r1")))
}
