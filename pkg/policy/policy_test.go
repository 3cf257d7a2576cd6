package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/policy"
)

const (
	get    = "oss:ReplicateGet"
	bucket = "acs:oss:*:1000000000000001:src-bucket"
	keys   = bucket + "/*"
	images = bucket + "/image/*"
)

// doc is a policy with these statements, each in JSON without its braces.
func doc(statements ...string) string {
	return `{"Version":"1","Statement":[{` + strings.Join(statements, "},{") + `}]}`
}

const full = `"Effect":"Allow","Action":"oss:*","Resource":"*"`

func TestARightIsThereWhenAStatementSurelyAllowsAllOfIt(t *testing.T) {
	for name, c := range map[string]struct{ document, resource string }{
		"the system policy of OSS":                      {doc(full), keys},
		"everything":                                    {doc(`"Effect":"Allow","Action":"*","Resource":"*"`), keys},
		"lists":                                         {doc(`"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet"],"Resource":["acs:oss:*:*:src-bucket","acs:oss:*:*:src-bucket/*"]`), keys},
		"single strings":                                {doc(`"Effect":"Allow","Action":"oss:ReplicateGet","Resource":"acs:oss:*:*:src-bucket/*"`), keys},
		"the account by its number":                     {doc(`"Effect":"Allow","Action":"oss:Replicate*","Resource":"acs:oss:*:1000000000000001:src-bucket/*"`), keys},
		"all buckets":                                   {doc(`"Effect":"Allow","Action":"oss:Replicate*","Resource":"acs:oss:*:*:*"`), keys},
		"a pattern in the middle":                       {doc(`"Effect":"Allow","Action":"oss:*Get","Resource":"acs:oss:*:*:src-*/*"`), keys},
		"one character that may be any":                 {doc(`"Effect":"Allow","Action":"oss:ReplicateGe?","Resource":"acs:oss:*:*:src?bucket/*"`), keys},
		"the very prefix":                               {doc(`"Effect":"Allow","Action":"oss:ReplicateGet","Resource":"acs:oss:*:*:src-bucket/image/*"`), images},
		"more than the prefix":                          {doc(`"Effect":"Allow","Action":"oss:ReplicateGet","Resource":"acs:oss:*:*:src-bucket/ima*"`), images},
		"all actions but others":                        {doc(`"Effect":"Allow","NotAction":"ram:*","Resource":"*"`), keys},
		"all resources but others":                      {doc(`"Effect":"Allow","Action":"oss:*","NotResource":"acs:oss:*:*:other/*"`), keys},
		"a condition without a key":                     {doc(full + `,"Condition":{}`), keys},
		"a statement with a name":                       {doc(full + `,"Sid":"all"`), keys},
		"a denial of another action":                    {doc(full, `"Effect":"Deny","Action":"oss:ReplicateDelete","Resource":"*"`), keys},
		"a denial of another bucket":                    {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*:*:other/*"`), keys},
		"a denial of another prefix":                    {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/secret/*"`), images},
		"a denial of all actions but a group with it":   {doc(full, `"Effect":"Deny","NotAction":"oss:*","Resource":"*"`), keys},
		"a denial of all resources but one group":       {doc(full, `"Effect":"Deny","Action":"*","NotResource":"acs:oss:*:*:src-bucket/*"`), keys},
		"one statement that is not in a list":           {`{"Version":"1","Statement":{` + full + `}}`, keys},
		"an allowance beside one that does not count":   {doc(`"Effect":"Allow","Action":"ecs:*","Resource":"*"`, full), keys},
		"letters outside ASCII":                         {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/?/*"`), bucket + "/图/*"},
		"a prefix that begins with what is asked about": {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:*ab*ab"`), "acs:oss:*:1:aabab"},
	} {
		t.Run(name, func(t *testing.T) {
			require.True(t, policy.Allows(get, c.resource, c.document))
		})
	}
}

func TestWhatIsInDoubtIsNoRight(t *testing.T) {
	for name, c := range map[string]struct{ document, resource string }{
		"no statement":                               {`{"Version":"1","Statement":[]}`, keys},
		"another action":                             {doc(`"Effect":"Allow","Action":"oss:ReplicateList","Resource":"*"`), keys},
		"another action, spelt differently":          {doc(`"Effect":"Allow","Action":"oss:replicateget","Resource":"*"`), keys},
		"another bucket":                             {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:dest-bucket/*"`), keys},
		"another account":                            {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:2000000000000002:src-bucket/*"`), keys},
		"one region":                                 {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:oss-cn-hangzhou:*:src-bucket/*"`), keys},
		"the bucket but not what is in it":           {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket"`), keys},
		"a part of the keys":                         {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/image/*"`), keys},
		"a part of the prefix":                       {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/image/a*"`), images},
		"a star that would reach beyond its part":    {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:src-bucket/*"`), keys},
		"one character is not any number of them":    {doc(`"Effect":"Allow","Action":"oss:ReplicateG?","Resource":"*"`), keys},
		"one character is not whatever stands there": {doc(`"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/?"`), keys},
		"a condition":                                {doc(full + `,"Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}`), keys},
		"a condition that cannot be read":            {doc(full + `,"Condition":"x"`), keys},
		"an element that is not known":               {doc(full + `,"NotPrincipal":{"RAM":"*"}`), keys},
		"an element in lower case":                   {doc(`"Effect":"Allow","action":"oss:*","Resource":"*"`), keys},
		"a principal, which no policy of a role has": {doc(full + `,"Principal":{"Service":["oss.aliyuncs.com"]}`), keys},
		"no action":                                  {doc(`"Effect":"Allow","Resource":"*"`), keys},
		"no resource":                                {doc(`"Effect":"Allow","Action":"oss:*"`), keys},
		"an action beside what it is not":            {doc(`"Effect":"Allow","Action":"oss:*","NotAction":"ram:*","Resource":"*"`), keys},
		"a resource beside what it is not":           {doc(`"Effect":"Allow","Action":"oss:*","Resource":"*","NotResource":"x"`), keys},
		"all actions but a group with it":            {doc(`"Effect":"Allow","NotAction":"OSS:replicate*","Resource":"*"`), keys},
		"all resources but a part of it":             {doc(`"Effect":"Allow","Action":"oss:*","NotResource":"acs:oss:*:*:src-bucket/secret/*"`), keys},
		"a denial":                                   {doc(full, `"Effect":"Deny","Action":"oss:ReplicateGet","Resource":"acs:oss:*:*:src-bucket/*"`), keys},
		"a denial before the allowance":              {doc(`"Effect":"Deny","Action":"*","Resource":"*"`, full), keys},
		"a denial spelt differently":                 {doc(full, `"Effect":"Deny","Action":"OSS:REPLICATEGET","Resource":"*"`), keys},
		"a denial of a part of it":                   {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/secret/*"`), keys},
		"a denial of one region":                     {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:oss-cn-hangzhou:*:src-bucket/*"`), keys},
		"a denial of all of OSS in few words":        {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*"`), keys},
		"a denial of one key":                        {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"acs:oss:*:*:src-bucket/a?c"`), keys},
		"a denial on a condition":                    {doc(full, `"Effect":"Deny","Action":"oss:*","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":"false"}}`), keys},
		"a denial of all actions but others":         {doc(full, `"Effect":"Deny","NotAction":"oss:ReplicateList","Resource":"*"`), keys},
		"a denial of all but, spelt differently":     {doc(full, `"Effect":"Deny","NotAction":"oss:replicateget","Resource":"*"`), keys},
		"a denial of all resources but a part of it": {doc(full, `"Effect":"Deny","Action":"*","NotResource":"acs:oss:*:*:src-bucket/image/*"`), keys},
		"a denial without an action":                 {doc(full, `"Effect":"Deny","Resource":"*"`), keys},
		"a denial without a resource":                {doc(full, `"Effect":"Deny","Action":"*"`), keys},
		"an effect that is not known":                {doc(full, `"Effect":"allow","Action":"*","Resource":"*"`), keys},
		"no JSON":                                    {"Allow", keys},
		"nothing":                                    {"", keys},
		"two documents in one":                       {doc(full) + doc(full), keys},
		"statements that are none":                   {`{"Version":"1","Statement":"x"}`, keys},
		"an action that is a number":                 {doc(`"Effect":"Allow","Action":1,"Resource":"*"`), keys},
		"an action that is null":                     {doc(`"Effect":"Allow","Action":null,"Resource":"*"`), keys},
	} {
		t.Run(name, func(t *testing.T) {
			require.False(t, policy.Allows(get, c.resource, c.document))
		})
	}
}

func TestPoliciesCountTogetherAndADenialSaysWhose(t *testing.T) {
	list := policy.Policy{Name: "list", Document: doc(`"Effect":"Allow","Action":"oss:ReplicateList","Resource":"acs:oss:*:*:src-bucket"`)}
	read := policy.Policy{Name: "read", Document: doc(`"Effect":"Allow","Action":"oss:ReplicateGet","Resource":"acs:oss:*:*:src-bucket/*"`)}
	never := policy.Policy{Name: "never", Document: doc(`"Effect":"Deny","Action":"oss:ReplicateGet","Resource":"*"`)}
	broken := policy.Policy{Name: "broken", Document: `{"Statement":`}
	rights := []policy.Right{{Action: "oss:ReplicateList", Resource: bucket}, {Action: get, Resource: keys}, {Action: "oss:ReplicatePut", Resource: keys}}

	require.Equal(t, []policy.Gap{{Right: rights[2]}}, policy.Gaps([]policy.Policy{list, read}, rights))
	require.Equal(t, []policy.Gap{{Right: rights[1], Denied: "never"}, {Right: rights[2]}}, policy.Gaps([]policy.Policy{list, never, read}, rights))
	require.Equal(t, []policy.Gap{{Right: rights[0], Denied: "broken"}, {Right: rights[1], Denied: "never"}, {Right: rights[2], Denied: "broken"}},
		policy.Gaps([]policy.Policy{never, list, read, broken}, rights), "what cannot be read may deny anything")
	require.Equal(t, []policy.Gap{{Right: rights[0]}}, policy.Gaps(nil, rights[:1]))
	require.Empty(t, policy.Gaps(nil, nil))
}

func TestATrustPolicyHasToLetTheServiceAssumeTheRole(t *testing.T) {
	const oss = `"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}`
	for name, c := range map[string]struct {
		trust string
		want  bool
	}{
		"OSS alone":                         {doc(oss), true},
		"OSS as a string":                   {doc(`"Effect":"Allow","Action":["sts:AssumeRole"],"Principal":{"Service":"oss.aliyuncs.com"}`), true},
		"OSS among others":                  {doc(`"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::1:root"],"Service":["fc.aliyuncs.com","oss.aliyuncs.com"]}`), true},
		"all actions of STS":                {doc(`"Effect":"Allow","Action":"sts:*","Principal":{"Service":["oss.aliyuncs.com"]}`), true},
		"people denied":                     {doc(oss, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"RAM":["acs:ram::1:root"]}`), true},
		"another service denied":            {doc(oss, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"Service":["fc.aliyuncs.com"]}`), true},
		"another action denied":             {doc(oss, `"Effect":"Deny","Action":"sts:TagSession","Principal":{"Service":["*"]}`), true},
		"another service":                   {doc(`"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["fc.aliyuncs.com"]}`), false},
		"any service":                       {doc(`"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["*"]}`), false},
		"anybody":                           {doc(`"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"`), false},
		"a person by the name":              {doc(`"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"RAM":["oss.aliyuncs.com"]}`), false},
		"nobody":                            {doc(`"Effect":"Allow","Action":"sts:AssumeRole"`), false},
		"another action":                    {doc(`"Effect":"Allow","Action":"sts:TagSession","Principal":{"Service":["oss.aliyuncs.com"]}`), false},
		"a condition":                       {doc(oss + `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), false},
		"a resource, which is out of place": {doc(oss + `,"Resource":"acs:oss:*:*:*"`), false},
		"denied":                            {doc(oss, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"Service":["OSS.aliyuncs.com"]}`), false},
		"every service denied":              {doc(oss, `"Effect":"Deny","Action":"sts:*","Principal":{"Service":["*"]}`), false},
		"everybody denied":                  {doc(oss, `"Effect":"Deny","Action":"sts:*","Principal":"*"`), false},
		"an unknown kind denied":            {doc(oss, `"Effect":"Deny","Action":"sts:*","Principal":{"Anything":"x"}`), false},
		"a broken list denied":              {doc(oss, `"Effect":"Deny","Action":"sts:*","Principal":{"RAM":7}`), false},
		"all but somebody denied":           {doc(oss, `"Effect":"Deny","Action":"sts:*","NotPrincipal":{"RAM":"acs:ram::1:root"}`), false},
		"not readable":                      {`{`, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, policy.Trusts(c.trust, "oss.aliyuncs.com"))
		})
	}
}

// TestPatternsAreJudgedAsTheirExpansionsAre tries every pattern of a small alphabet
// against every other by spelling out what they stand for.
func TestPatternsAreJudgedAsTheirExpansionsAre(t *testing.T) {
	words := func(alphabet string, upTo int) []string {
		all := []string{""}
		for from := 0; upTo > 0; upTo-- {
			for n := len(all); from < n; from++ {
				for _, c := range alphabet {
					all = append(all, all[from]+string(c))
				}
			}
		}
		return all
	}
	texts, patterns := words("ab", 6), words("a*?", 3)
	fits := func(pattern, text string) bool { // by recursion, as it is said
		var at func(p, s string) bool
		at = func(p, s string) bool {
			switch {
			case p == "":
				return s == ""
			case p[0] == '*':
				return at(p[1:], s) || s != "" && at(p, s[1:])
			}
			return s != "" && (p[0] == '?' || p[0] == s[0]) && at(p[1:], s[1:])
		}
		return at(pattern, text)
	}
	allow := func(p string) string { return doc(fmt.Sprintf(`"Effect":"Allow","Action":"x","Resource":"p:%s"`, p)) }
	denied := func(p string) string {
		return doc(`"Effect":"Allow","Action":"x","Resource":"*"`, fmt.Sprintf(`"Effect":"Deny","Action":"x","Resource":"p:%s"`, p))
	}
	for _, p := range patterns {
		for _, q := range patterns {
			common, all := false, true
			for _, s := range texts {
				common = common || fits(p, s) && fits(q, s)
				all = all && (!fits(q, s) || fits(p, s))
			}
			if strings.ContainsAny(q, "?") {
				continue // a right is asked for with stars only
			}
			if policy.Allows("x", "p:"+q, allow(p)) {
				require.True(t, all, "%s is said to take in all of %s", p, q)
			}
			require.Equal(t, common, !policy.Allows("x", "p:"+q, denied(p)), "whether %s and %s have anything in common", p, q)
		}
	}
}
