package replication_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

const otherAccount = "2000000000000002"

// abroad makes a request one to another account.
func abroad(r *replication.Request) { r.Destination.Account = otherAccount }

func crossRequest() replication.Request {
	r := request()
	abroad(&r)
	return r
}

var ourPrincipal = "arn:sts::" + account + ":assumed-role/" + replication.RoleName("CHG-2041") + "/*"

const (
	foreignAllow = `{ "Sid":"x", "Effect":"Allow","Action":"oss:GetObject", "Principal":["3000000000000003"],"Resource":["acs:oss:*:*:dest-bucket/*"],"Later":{"a":1.0,"a b":[ ]}}`
	usualTop     = `{"Version":"1","Statement":[%s]}`
)

func bucketPolicy(t *testing.T, text string) replication.ResourcePolicy {
	t.Helper()
	p, err := replication.ParseResourcePolicy(text)
	require.NoError(t, err, text)
	return p
}

func policyOf(statements ...string) string {
	return fmt.Sprintf(usualTop, strings.Join(statements, ","))
}

func TestTheStatementNamesTheSessionsOfTheRoleAndBothAccounts(t *testing.T) {
	g := replication.GrantFor(crossRequest())
	require.JSONEq(t, `{"Effect":"Allow","Action":["oss:ReplicateList","oss:ReplicateGet","oss:ReplicatePut"],"Principal":["`+ourPrincipal+`"],
	 "Resource":["acs:oss:*:2000000000000002:dest-bucket","acs:oss:*:2000000000000002:dest-bucket/*"]}`, g.String())
	r := crossRequest()
	r.ReplicateDeletes = true
	require.Contains(t, replication.GrantFor(r).Actions, "oss:ReplicateDelete", "only when deletes are replicated")
	require.Equal(t, strings.ToLower(ourPrincipal), ourPrincipal)
}

func TestAStatementIsAddedAtTheEndAndTheRestKeepsItsBytes(t *testing.T) {
	g := replication.GrantFor(crossRequest())
	for name, c := range map[string]struct{ before, after string }{
		"no policy":             {"", policyOf(g.String())},
		"no statements":         {`{"Version":"1","Statement":[ ]}`, `{"Version":"1","Statement":[ ` + g.String() + `]}`},
		"a foreign one":         {policyOf(foreignAllow), policyOf(foreignAllow, g.String())},
		"members of later":      {"{\n \"Id\": \"é\", \"Statement\" : [\t" + foreignAllow + "\n ], \"Version\":\"1\", \"New\": null }\n", "{\n \"Id\": \"é\", \"Statement\" : [\t" + foreignAllow + "," + g.String() + "\n ], \"Version\":\"1\", \"New\": null }\n"},
		"a narrower one of our": {policyOf(foreignAllow, strings.Replace(g.String(), `"oss:ReplicateGet",`, "", 1), foreignAllow), policyOf(foreignAllow, g.String(), foreignAllow)},
	} {
		t.Run(name, func(t *testing.T) {
			p := bucketPolicy(t, c.before)
			require.False(t, p.Allows(g))
			after, changed := p.Merge(g)
			require.True(t, changed)
			require.Equal(t, c.after, after)
			require.True(t, json.Valid([]byte(after)))
			again, changed := bucketPolicy(t, after).Merge(g)
			require.False(t, changed, "it is merged once")
			require.Equal(t, after, again)
		})
	}
	t.Run("a right that somebody added to ours stays", func(t *testing.T) {
		more := strings.Replace(g.String(), `"oss:ReplicateGet"`, `"oss:GetObject"`, 1)
		after, _ := bucketPolicy(t, policyOf(more)).Merge(g)
		require.Contains(t, after, `"oss:GetObject"`)
		require.True(t, bucketPolicy(t, after).Allows(g))
	})
}

func TestWhatStandsThereByMeaningIsNotWrittenAgain(t *testing.T) {
	g := replication.GrantFor(crossRequest())
	all := `"Action":["oss:Replicate*"],"Resource":["acs:oss:*:2000000000000002:dest-bucket","acs:oss:*:2000000000000002:dest-bucket/*"]`
	for name, doc := range map[string]string{
		"the same":                       policyOf(g.String()),
		"in another order":               policyOf(`{"Resource":["acs:oss:*:2000000000000002:dest-bucket/*","acs:oss:*:2000000000000002:dest-bucket"],"Action":["oss:ReplicatePut","oss:ReplicateList","oss:ReplicateGet"],"Principal":"` + ourPrincipal + `","Effect":"Allow"}`),
		"with all rights of replication": policyOf(`{"Effect":"Allow","Principal":["` + ourPrincipal + `"],` + all + `}`),
		"for two roles":                  policyOf(`{"Effect":"Allow","Principal":["arn:sts::1000000000000001:assumed-role/x/*","` + ourPrincipal + `"],` + all + `}`),
		"in two statements": policyOf(`{"Effect":"Allow","Principal":["`+ourPrincipal+`"],"Action":["oss:*"],"Resource":["acs:oss:*:2000000000000002:dest-bucket"]}`,
			`{"Effect":"Allow","Principal":["`+ourPrincipal+`"],"Action":["oss:*"],"Resource":["acs:oss:*:*:dest-bucket/*"]}`),
	} {
		t.Run(name, func(t *testing.T) {
			after, changed := bucketPolicy(t, doc).Merge(g)
			require.False(t, changed)
			require.Equal(t, doc, after)
		})
	}
	for name, doc := range map[string]string{
		"under a condition":        policyOf(strings.Replace(g.String(), "{", `{"Condition":{"IpAddress":{"acs:SourceIp":["10.0.0.0/8"]}},`, 1)),
		"for another role":         policyOf(strings.Replace(g.String(), "assumed-role/", "assumed-role/x", 1)),
		"for another account":      policyOf(strings.Replace(g.String(), account, "1000000000000009", 1)),
		"for the bucket only":      policyOf(strings.Replace(g.String(), `,"acs:oss:*:2000000000000002:dest-bucket/*"`, "", 1)),
		"for some keys only":       policyOf(strings.Replace(g.String(), "/*\"]}", "/image/*\"]}", 1)),
		"for one session":          policyOf(strings.Replace(g.String(), "/*\"]", "/s\"]", 1)),
		"without the right to put": policyOf(strings.Replace(g.String(), `,"oss:ReplicatePut"`, "", 1)),
		"as a Deny":                policyOf(strings.Replace(g.String(), "Allow", "Deny", 1)),
	} {
		t.Run("not "+name, func(t *testing.T) { require.False(t, bucketPolicy(t, doc).Allows(g)) })
	}
}

func TestExactlyOurStatementIsTakenAway(t *testing.T) {
	g := replication.GrantFor(crossRequest())
	for name, c := range map[string]struct {
		before, after string
		gone          bool
	}{
		"the only one":              {policyOf(g.String()), "", true},
		"the first":                 {policyOf(g.String(), foreignAllow), policyOf(foreignAllow), true},
		"the last":                  {policyOf(foreignAllow, g.String()), policyOf(foreignAllow), true},
		"between others":            {"{\"Statement\":[ " + foreignAllow + " ,\n" + g.String() + " , " + foreignAllow + "]}", "{\"Statement\":[ " + foreignAllow + " ,\n" + foreignAllow + "]}", true},
		"none":                      {policyOf(foreignAllow), policyOf(foreignAllow), false},
		"one that was changed":      {policyOf(strings.Replace(g.String(), "oss:ReplicatePut", "oss:*", 1)), policyOf(strings.Replace(g.String(), "oss:ReplicatePut", "oss:*", 1)), false},
		"one that says more":        {policyOf(strings.Replace(g.String(), "{", `{"Sid":"y",`, 1)), policyOf(strings.Replace(g.String(), "{", `{"Sid":"y",`, 1)), false},
		"one in another order":      {policyOf(foreignAllow, `{"Resource":["acs:oss:*:2000000000000002:dest-bucket/*","acs:oss:*:2000000000000002:dest-bucket"],"Principal":"`+ourPrincipal+`","Action":["oss:ReplicatePut","oss:ReplicateGet","oss:ReplicateList"],"Effect":"Allow"}`), policyOf(foreignAllow), true},
		"from a bucket without one": {"", `{"Version":"1","Statement":[]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			after, gone := bucketPolicy(t, c.before).Remove(g)
			require.Equal(t, c.gone, gone)
			require.Equal(t, c.after, after)
		})
	}
}

func TestADenyThatStandsAgainstTheRoleIsRefusedAndShown(t *testing.T) {
	g := replication.GrantFor(crossRequest())
	deny := func(members string) string { return `{"Effect":"Deny",` + members + `}` }
	const onAll = `"Action":["oss:*"],"Resource":["acs:oss:*:*:dest-bucket/*"]`
	for name, s := range map[string]string{
		"everybody":             deny(`"Principal":["*"],` + onAll),
		"a string":              deny(`"Principal":"*","Action":"oss:*","Resource":"*"`),
		"the role":              deny(`"Principal":["` + ourPrincipal + `"],` + onAll),
		"one session of it":     deny(`"Principal":["` + strings.TrimSuffix(ourPrincipal, "*") + `s"],` + onAll),
		"every role":            deny(`"Principal":["arn:sts::1000000000000001:assumed-role/*"],` + onAll),
		"the account":           deny(`"Principal":["1000000000000001"],` + onAll),
		"all but others":        deny(`"NotPrincipal":["3000000000000003"],` + onAll),
		"everybody, unsaid":     deny(onAll),
		"one action":            deny(`"Principal":["*"],"Action":["oss:replicateput"],"Resource":["*"]`),
		"a question mark":       deny(`"Principal":["*"],"Action":["oss:Replicate?ut"],"Resource":["*"]`),
		"all but some actions":  deny(`"Principal":["*"],"NotAction":["oss:GetObject"],"Resource":["*"]`),
		"some keys":             deny(`"Principal":["*"],"Action":["*"],"Resource":["acs:oss:*:2000000000000002:dest-bucket/secret/*"]`),
		"all but other buckets": deny(`"Principal":["*"],"Action":["*"],"NotResource":["acs:oss:*:*:other","acs:oss:*:*:other/*"]`),
		"an unknown form":       deny(`"Principal":{"RAM":["*"]},` + onAll),
		"an unknown effect":     `{"Effect":"Refuse","Principal":["*"],` + onAll + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			reason, message := bucketPolicy(t, policyOf(foreignAllow, s)).Unfit(g)
			require.Equal(t, replication.ReasonGrantDenied, reason)
			require.Contains(t, message, "statement 2 of the bucket policy denies "+ourPrincipal)
			require.Contains(t, message, s, "it is shown")
		})
	}
	for name, s := range map[string]string{
		"another role":          deny(`"Principal":["arn:sts::1000000000000001:assumed-role/x/*"],` + onAll),
		"another account":       deny(`"Principal":["3000000000000003","arn:sts::3000000000000003:assumed-role/*"],` + onAll),
		"all but the role":      deny(`"NotPrincipal":["` + ourPrincipal + `"],` + onAll),
		"another action":        deny(`"Principal":["*"],"Action":["oss:PutObject","oss:ReplicateDelete"],"Resource":["*"]`),
		"all but replicating":   deny(`"Principal":["*"],"NotAction":["oss:Replicate*"],"Resource":["*"]`),
		"another bucket":        deny(`"Principal":["*"],"Action":["*"],"Resource":["acs:oss:*:*:dest-bucket2","acs:oss:*:*:dest-bucket2/*"]`),
		"all but this bucket":   deny(`"Principal":["*"],"Action":["*"],"NotResource":["acs:oss:*:*:dest-bucket","acs:oss:*:*:dest-bucket/*"]`),
		"an Allow for somebody": foreignAllow,
	} {
		t.Run("not "+name, func(t *testing.T) {
			p := bucketPolicy(t, policyOf(s))
			reason, message := p.Unfit(g)
			require.Empty(t, reason, message)
			require.Empty(t, p.Notice(g))
		})
	}
	t.Run("a right to delete is needed only with deletes", func(t *testing.T) {
		r := crossRequest()
		r.ReplicateDeletes = true
		reason, _ := bucketPolicy(t, policyOf(deny(`"Principal":["*"],"Action":["oss:ReplicateDelete"],"Resource":["*"]`))).Unfit(replication.GrantFor(r))
		require.Equal(t, replication.ReasonGrantDenied, reason)
	})
	t.Run("under a condition it is only told", func(t *testing.T) {
		p := bucketPolicy(t, policyOf(deny(`"Principal":["*"],`+onAll+`,"Condition":{"Bool":{"acs:SecureTransport":["false"]}}`)))
		reason, _ := p.Unfit(g)
		require.Empty(t, reason)
		require.Contains(t, p.Notice(g), "when its condition holds")
	})
}

func TestTheLimitsOfBucketPoliciesAreHeld(t *testing.T) {
	g := replication.GrantFor(crossRequest())
	room := 16*1024 - len(policyOf("", g.String()))
	filler := func(n int) string {
		return `{"Sid":"` + strings.Repeat("x", n-len(`{"Sid":"","Effect":"Allow"}`)) + `","Effect":"Allow"}`
	}
	reason, _ := bucketPolicy(t, policyOf(filler(room))).Unfit(g)
	require.Empty(t, reason, "to the last byte")
	reason, message := bucketPolicy(t, policyOf(filler(room+1))).Unfit(g)
	require.Equal(t, replication.ReasonPolicyFull, reason)
	require.Contains(t, message, "16385 bytes, OSS takes 16384")
	g.Principal = strings.Repeat("x", 4096)
	reason, message = bucketPolicy(t, "").Unfit(g)
	require.Equal(t, replication.ReasonPolicyFull, reason)
	require.Contains(t, message, "OSS takes 4095")
}

func TestADocumentThatCannotBeTakenApartIsNotTouched(t *testing.T) {
	for name, doc := range map[string]string{
		"no JSON":                    `Version 1`,
		"cut off":                    `{"Version":"1","Statement":[`,
		"a list":                     `[]`,
		"no statements":              `{"Version":"1"}`,
		"one statement as an object": `{"Version":"1","Statement":` + foreignAllow + `}`,
		"a statement that is none":   `{"Version":"1","Statement":["x"]}`,
		"statements twice":           `{"Statement":[],"Statement":[` + foreignAllow + `]}`,
		"statements in two cases":    `{"Statement":[],"statement":[` + foreignAllow + `]}`,
		"only in another case":       `{"statement":[]}`,
		"a member twice":             policyOf(`{"Effect":"Allow","Effect":"Deny"}`),
		"more after the end":         policyOf("") + " {}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := replication.ParseResourcePolicy(doc)
			require.Error(t, err)
		})
	}
}

// foreignIn returns the statements of a document, but for those that are ours.
func foreignIn(t require.TestingT, doc string) (list []string) {
	var d struct{ Statement []json.RawMessage }
	if doc != "" {
		require.NoError(t, json.Unmarshal([]byte(doc), &d))
	}
	for _, s := range d.Statement {
		if !strings.Contains(string(s), ourPrincipal) {
			list = append(list, string(s))
		}
	}
	return list
}

func TestForeignStatementsComeThroughAnyNumberOfChanges(t *testing.T) {
	ask := func(deletes bool) replication.ResourceGrant {
		r := crossRequest()
		r.ReplicateDeletes = deletes
		return replication.GrantFor(r)
	}
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var statements []string
		for range rng.IntN(5) {
			statements = append(statements, []string{foreignAllow, `{"Effect" : "Deny"}`, "{}", `{"é\u0041":[1e400, "]"]}`}[rng.IntN(4)])
		}
		doc := []string{"", " ", "\n\t"}[rng.IntN(3)] + policyOf(statements...)
		for range 10 {
			p, g := bucketPolicy(t, doc), ask(rng.IntN(2) == 0)
			if rng.IntN(2) == 0 {
				merged, changed := p.Merge(g)
				require.Equal(t, !p.Allows(g), changed)
				require.True(t, bucketPolicy(t, merged).Allows(g))
				if back, gone := bucketPolicy(t, merged).Remove(g); changed && !p.Holds(g) {
					require.True(t, gone)
					require.Equal(t, foreignIn(t, doc), foreignIn(t, back), "what was added can be taken away")
				}
				doc = merged
			} else {
				doc, _ = p.Remove(g)
			}
			require.Equal(t, statements, foreignIn(t, doc), "seed %d: in their order and byte for byte", seed)
		}
	}
}

func FuzzAChangeOfABucketPolicyTouchesNothingForeign(f *testing.F) {
	g := replication.GrantFor(crossRequest())
	for _, s := range []string{"", policyOf(), policyOf(foreignAllow), policyOf(foreignAllow, g.String()), policyOf(g.String(), foreignAllow, "{}")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := replication.ParseResourcePolicy(doc)
		if err != nil {
			return
		}
		merged, changed := p.Merge(g)
		after, err := replication.ParseResourcePolicy(merged)
		require.NoError(t, err, "what comes out can be read")
		require.True(t, after.Allows(g))
		if changed {
			require.Equal(t, foreignIn(t, doc), foreignIn(t, merged))
		}
		back, _ := after.Remove(g)
		require.Equal(t, foreignIn(t, doc), foreignIn(t, back))
		if back != "" {
			_, err = replication.ParseResourcePolicy(back)
			require.NoError(t, err)
		}
	})
}
