package replication_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const good = `{"specVersion":"1","id":"CHG-2041","action":"replicate","requester":"ana",
 "source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"},
 "destination":{"account":"1000000000000001","region":"cn-shanghai","bucket":"dest-bucket"},
 "objects":{"prefixes":["image/","video","a","A"]},"historical":{"replicate":true}}`

var desk = replication.Desk{Account: "1000000000000001", Reserved: []string{"desk-state"}, Pairs: anyPairs, Accounts: []replication.Account{
	{UID: "2000000000000002"}, {UID: "3000000000000003", Role: "acs:ram::3000000000000003:role/replidesk-destination"},
}}

// anyPairs is an allow-list that allows everything.
var anyPairs = []replication.PairPattern{{Source: replication.EndPattern{Account: "*", Region: "*", Bucket: "*"}, Destination: replication.EndPattern{Account: "*", Region: "*", Bucket: "*"}}}

func problemsOf(ticket string) []replication.Problem {
	r, p := replication.Parse([]byte(ticket))
	if len(p) == 0 {
		p = replication.Validate(r, desk)
	}
	return p
}

func TestATicketInOrderIsAccepted(t *testing.T) {
	require.Empty(t, problemsOf(good), "the prefixes of the seed are case-sensitive and need no slash")
	r, _ := replication.Parse([]byte(good))
	require.Equal(t, "new", r.Role.Type)
	require.True(t, r.Verify.Canary, "the canary is written unless it is declined")
	require.Equal(t, replication.DefaultMaxLag, r.MaxLag())
	require.False(t, r.ReplicateDeletes)
}

func TestBadTicketsHaveTheirOwnReason(t *testing.T) {
	with := func(old, new string) string {
		s := strings.Replace(good, old, new, 1)
		if s == good {
			panic("nothing replaced: " + old)
		}
		return s
	}
	tagged := func(match, set string) string {
		return with(`"objects":{`, `"objects":{"tags":{"match":"`+match+`","set":[`+set+`]},`)
	}
	many := func(n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf(`{"key":"k%d","value":"v"}`, i))
		}
		return strings.Join(s, ",")
	}
	near := func(option string) string {
		return strings.Replace(strings.Replace(good, "cn-shanghai", "cn-hangzhou", 1), `"historical"`, option+`,"historical"`, 1)
	}
	prefixes := func(n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf("%q", fmt.Sprintf("p%02d/", i)))
		}
		return strings.Join(s, ",")
	}
	seed := `"image/","video","a","A"`
	for name, c := range map[string]struct {
		ticket string
		code   replication.Reason
		field  string
	}{
		"what is no JSON":                          {"hello", replication.ReasonMalformed, ""},
		"an array":                                 {"[" + good + "]", replication.ReasonMalformed, ""},
		"an empty message":                         {"", replication.ReasonMalformed, ""},
		"a ticket that breaks off":                 {good[:len(good)-1], replication.ReasonMalformed, ""},
		"two tickets in one message":               {good + good, replication.ReasonMalformed, ""},
		"a field that is there twice":              {with(`"id":`, `"id":"x","id":`), replication.ReasonMalformed, "id"},
		"a value of another type":                  {with(`"CHG-2041"`, `7`), replication.ReasonMalformed, "id"},
		"an unknown field":                         {with(`"requester"`, `"colour"`), replication.ReasonUnknownField, "colour"},
		"a field in other case":                    {with(`"requester"`, `"Requester"`), replication.ReasonUnknownField, "Requester"},
		"an unknown field further in":              {with(`"bucket":"src-bucket"`, `"bucket":"src-bucket","acl":"x"`), replication.ReasonUnknownField, "source.acl"},
		"a part of the contract that comes later":  {with(`"historical"`, `"verify":{"heartbeat":"1m"},"historical"`), replication.ReasonNotSupported, "verify.heartbeat"},
		"KMS without a key":                        {with(`"historical"`, `"kms":{"replicate":true},"historical"`), replication.ReasonKMSKeyMissing, "kms.keyId"},
		"a target of nothing":                      {with(`"replicate","requester"`, `"replicate","target":"CHG-1","requester"`), replication.ReasonInvalid, "target"},
		"an action that is none":                   {with(`"replicate","requester"`, `"explode","requester"`), replication.ReasonInvalid, "action"},
		"another version of the contract":          {with(`"specVersion":"1"`, `"specVersion":"2"`), replication.ReasonInvalid, "specVersion"},
		"no id":                                    {with(`"id":"CHG-2041",`, ``), replication.ReasonInvalidID, "id"},
		"an id that is a path":                     {with(`CHG-2041`, `../x`), replication.ReasonInvalidID, "id"},
		"no word on historical data":               {with(`"historical":{"replicate":true}`, `"historical":{}`), replication.ReasonHistoricalMissing, "historical.replicate"},
		"eleven prefixes":                          {with(seed, prefixes(11)), replication.ReasonPrefixCount, "objects.prefixes"},
		"overlapping prefixes":                     {with(seed, `"source","source/video"`), replication.ReasonPrefixOverlap, "objects.prefixes[0]"},
		"the same prefix twice":                    {with(seed, `"a/","a/"`), replication.ReasonPrefixOverlap, "objects.prefixes[0]"},
		"an empty prefix":                          {with(seed, `""`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix with a control character":        {with(seed, `"a\u0001/"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix with a line break":               {with(seed, `"a\n/"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix with what is no character":       {with(seed, `"a\uffff/"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix with a star":                     {with(seed, `"logs/*"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix that is not UTF-8":               {with(seed, "\"a\xff\""), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix with the bucket's name":          {with(seed, `"src-bucket/x"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix of 1,024 characters":             {with(seed, `"`+strings.Repeat("é", 1024)+`"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"one bucket as both ends":                  {with("dest-bucket", "src-bucket"), replication.ReasonSameBucket, "destination.bucket"},
		"the bucket that keeps the state":          {with("dest-bucket", "desk-state"), replication.ReasonReserved, "destination.bucket"},
		"a region in its location form":            {with(`"cn-hangzhou"`, `"oss-cn-hangzhou"`), replication.ReasonInvalid, "source.region"},
		"a bucket name that cannot be":             {with("src-bucket", "Src_Bucket"), replication.ReasonInvalid, "source.bucket"},
		"an account that the desk does not serve":  {strings.ReplaceAll(good, "1000000000000001", "2000000000000002"), replication.ReasonAccountUnknown, "source.account"},
		"a tag filter without a tag":               {tagged("all", ``), replication.ReasonTagInvalid, "objects.tags.set"},
		"a tag filter that matches somehow":        {tagged("some", `{"key":"k","value":"v"}`), replication.ReasonInvalid, "objects.tags.match"},
		"a tag filter in capitals":                 {tagged("ALL", `{"key":"k","value":"v"}`), replication.ReasonInvalid, "objects.tags.match"},
		"eleven tags":                              {tagged("any", many(11)), replication.ReasonTagCount, "objects.tags.set"},
		"a tag without a key":                      {tagged("all", `{"value":"v"}`), replication.ReasonTagInvalid, "objects.tags.set[0]"},
		"a tag key of 129 characters":              {tagged("all", `{"key":"`+strings.Repeat("k", 129)+`"}`), replication.ReasonTagInvalid, "objects.tags.set[0]"},
		"a tag value of 257 characters":            {tagged("all", `{"key":"k","value":"`+strings.Repeat("v", 257)+`"}`), replication.ReasonTagInvalid, "objects.tags.set[0]"},
		"a tag key with an odd sign":               {tagged("all", `{"key":"a","value":"b"},{"key":"k&l","value":"v"}`), replication.ReasonTagInvalid, "objects.tags.set[1]"},
		"a tag value with an odd sign":             {tagged("all", `{"key":"k","value":"ü"}`), replication.ReasonTagInvalid, "objects.tags.set[0]"},
		"a tag value over two lines":               {tagged("all", `{"key":"k","value":"v\n"}`), replication.ReasonTagInvalid, "objects.tags.set[0]"},
		"a tag key that is there twice":            {tagged("any", `{"key":"k","value":"v"},{"key":"k","value":"w"}`), replication.ReasonTagTwice, "objects.tags.set[1]"},
		"tags with deletes":                        {strings.Replace(tagged("any", many(1)), `"historical"`, `"replicateDeletes":true,"historical"`, 1), replication.ReasonTagsWithDeletes, "replicateDeletes"},
		"tags out of Zhangjiakou":                  {strings.Replace(tagged("any", many(1)), "cn-hangzhou", "cn-zhangjiakou", 1), replication.ReasonTagsRegion, "source.region"},
		"tags to Zhongwei":                         {strings.Replace(tagged("any", many(1)), "cn-shanghai", "cn-zhongwei", 1), replication.ReasonTagsRegion, "destination.region"},
		"tags to Mexico":                           {strings.Replace(tagged("any", many(1)), "cn-shanghai", "na-south-1", 1), replication.ReasonTagsRegion, "destination.region"},
		"tags in the finance cloud":                {strings.Replace(tagged("any", many(1)), "cn-shanghai", "cn-shanghai-finance-1", 1), replication.ReasonTagsRegion, "destination.region"},
		"tags that are a list":                     {with(`"objects":{`, `"objects":{"tags":[],`), replication.ReasonMalformed, "objects.tags"},
		"tags that are null":                       {with(`"objects":{`, `"objects":{"tags":null,`), replication.ReasonMalformed, "objects.tags"},
		"a field of a tag that does not exist":     {tagged("all", `{"Key":"k","value":"v"}`), replication.ReasonUnknownField, "objects.tags.set[0].Key"},
		"acceleration within one region":           {near(`"transferAcceleration":true`), replication.ReasonAccelerationWithinRegion, "transferAcceleration"},
		"time control within one region":           {near(`"rtc":true`), replication.ReasonRTCWithinRegion, "rtc"},
		"a due date without a backfill":            {with(`"replicate":true`, `"replicate":false,"dueBy":"2030-01-01T00:00:00Z"`), replication.ReasonInvalid, "historical.dueBy"},
		"a due date that is no date":               {with(`"replicate":true`, `"replicate":true,"dueBy":"soon"`), replication.ReasonMalformed, ""},
		"a lag limit of nothing":                   {with(`"historical"`, `"limits":{"maxLag":"0s"},"historical"`), replication.ReasonInvalid, "limits.maxLag"},
		"a custom role without its name":           {with(`"objects"`, `"role":{"type":"custom"},"objects"`), replication.ReasonRoleName, "role.name"},
		"null for a field":                         {with(`"requester":"ana"`, `"requester":null`), replication.ReasonMalformed, "requester"},
		"null for an object":                       {with(`"historical":{"replicate":true}`, `"historical":{"replicate":true},"verify":null`), replication.ReasonMalformed, "verify"},
		"null for a choice that has to be made":    {with(`"replicate":true`, `"replicate":null`), replication.ReasonMalformed, "historical.replicate"},
		"null among the prefixes":                  {with(`"video"`, `null`), replication.ReasonMalformed, "objects.prefixes[1]"},
		"a lag limit in seconds":                   {with(`"historical"`, `"limits":{"maxLag":600},"historical"`), replication.ReasonMalformed, "limits.maxLag"},
		"a lag limit with a sign":                  {with(`"historical"`, `"limits":{"maxLag":"+10m"},"historical"`), replication.ReasonMalformed, ""},
		"a lag limit without a unit":               {with(`"historical"`, `"limits":{"maxLag":"10"},"historical"`), replication.ReasonMalformed, ""},
		"a lag limit of a month and more":          {with(`"historical"`, `"limits":{"maxLag":"721h"},"historical"`), replication.ReasonInvalid, "limits.maxLag"},
		"a prefix with a slash in front":           {with(seed, `"/a"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a prefix with a backslash in front":       {with(seed, `"\\a"`), replication.ReasonPrefixInvalid, "objects.prefixes[0]"},
		"a ticket that is longer than any message": {good + strings.Repeat(" ", replication.MaxTicketBytes), replication.ReasonMalformed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := problemsOf(c.ticket)
			require.NotEmpty(t, p)
			require.Equal(t, c.code, p[0].Code, p[0].Message)
			require.Equal(t, c.field, p[0].Field)
			require.NotEmpty(t, p[0].Message)
			require.NotEmpty(t, p[0].Remedy)
		})
	}
}

func TestATagFilterInOrderIsAccepted(t *testing.T) {
	full := `{"key":"` + strings.Repeat("k", 128) + `","value":"` + strings.Repeat("v", 256) + `"},{"key":"K","value":"a b+c-d=e.f_g:h/i"},{"key":"k","value":"x"},{"key":"empty"}`
	ticket := strings.Replace(good, `"objects":{`, `"objects":{"tags":{"match":"all","set":[`+full+`]},`, 1)
	require.Empty(t, problemsOf(ticket), "keys differ by their letters, a value may be empty")
	r, _ := replication.Parse([]byte(ticket))
	require.Len(t, r.Objects.Tags.Set, 4)
	plain, _ := replication.Parse([]byte(good))
	require.NotEqual(t, plain.Fingerprint(), r.Fingerprint())
	require.Nil(t, plain.Objects.Tags)
	other, _ := replication.Parse([]byte(strings.Replace(ticket, `"all"`, `"any"`, 1)))
	require.NotEqual(t, other.Fingerprint(), r.Fingerprint())
}

func TestTheRegionsDecideTheTopology(t *testing.T) {
	r, _ := replication.Parse([]byte(good))
	require.Equal(t, replication.TopologyCRR, r.Topology())
	within := strings.Replace(good, "cn-shanghai", "cn-hangzhou", 1)
	require.Empty(t, problemsOf(within), "a pair within one region is as good")
	r, _ = replication.Parse([]byte(within))
	require.Equal(t, replication.TopologySRR, r.Topology())
	require.Equal(t, "oss-cn-hangzhou", replication.RuleFor(r).Destination.Location())
	require.Equal(t, "internal", replication.RuleFor(r).Transfer)
	p := problemsOf(strings.Replace(within, `"historical"`, `"rtc":true,"transferAcceleration":true,"historical"`, 1))
	require.Len(t, p, 2, "both options that lead to other regions are named")
}

func TestAllProblemsOfMeaningAreNamedAtOnce(t *testing.T) {
	p := problemsOf(strings.NewReplacer("CHG-2041", "", "cn-shanghai", "nowhere!", `"replicate":true`, `"acceptOverwrite":true`).Replace(good))
	require.Len(t, p, 3)
}

func TestTheFingerprintIsOfTheMeaning(t *testing.T) {
	a, _ := replication.Parse([]byte(good))
	b, _ := replication.Parse([]byte(strings.ReplaceAll(strings.ReplaceAll(good, "\n", "\t"), `"requester":"ana",`, `"requester":"ana","rtc":false,`)))
	require.Equal(t, a.Fingerprint(), b.Fingerprint(), "white space and spelt-out defaults do not matter")
	c, _ := replication.Parse([]byte(strings.Replace(good, "video", "videos", 1)))
	require.NotEqual(t, a.Fingerprint(), c.Fingerprint())
}

func TestTheLagLimitOfRTCCounts(t *testing.T) {
	for ticket, want := range map[string]time.Duration{
		`"rtc":true`:                           10 * time.Minute,
		`"rtc":true,"limits":{"maxLag":"2h"}`:  10 * time.Minute,
		`"rtc":true,"limits":{"maxLag":"3m"}`:  3 * time.Minute,
		`"rtc":false,"limits":{"maxLag":"2h"}`: 2 * time.Hour,
	} {
		r, p := replication.Parse([]byte(strings.Replace(good, `"historical"`, ticket+`,"historical"`, 1)))
		require.Empty(t, p)
		require.Equal(t, want, r.MaxLag(), ticket)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"id":1,"id":2,"source":[],"objects":{"prefixes":[{}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, p := replication.Parse(b)
		if len(p) == 0 && len(replication.Validate(r, desk)) == 0 {
			require.True(t, replication.ValidID(r.ID))
			require.NotNil(t, r.Historical.Replicate)
		}
	})
}

func TestADeskWhoseLimitWasRaisedTakesAHundredPrefixes(t *testing.T) {
	r := request()
	raised := replication.Desk{Account: account, MaxPrefixes: 100, Pairs: anyPairs}
	r.Objects.Prefixes = nil
	for n := range 101 {
		r.Objects.Prefixes = append(r.Objects.Prefixes, fmt.Sprintf("p%03d/", n))
	}
	p := replication.Validate(r, raised)
	require.Len(t, p, 1)
	require.Equal(t, replication.ReasonPrefixCount, p[0].Code)
	r.Objects.Prefixes = r.Objects.Prefixes[:100]
	require.Empty(t, replication.Validate(r, raised))
	require.Len(t, replication.Validate(r, planDesk), 1, "not where it was not")
}
