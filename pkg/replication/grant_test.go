package replication_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// seedPolicy is the custom policy of the seed document, for src-bucket and dest-bucket.
const seedPolicy = `{
   "Version":"1",
   "Statement":[
      {
         "Effect":"Allow",
         "Action":[
            "oss:ReplicateList",
            "oss:ReplicateGet"
         ],
         "Resource":[
            "acs:oss:*:*:src-bucket",
            "acs:oss:*:*:src-bucket/*"
         ]
      },
      {
         "Effect":"Allow",
         "Action":[
            "oss:ReplicateList",
            "oss:ReplicateGet",
            "oss:ReplicatePut",
            "oss:ReplicateDelete"
         ],
         "Resource":[
            "acs:oss:*:*:dest-bucket",
            "acs:oss:*:*:dest-bucket/*"
         ]
      }
   ]
}`

func TestTheRolePolicyIsTheOneOfTheSeed(t *testing.T) {
	r := request()
	r.ReplicateDeletes = true
	require.JSONEq(t, seedPolicy, replication.RolePolicy(r))

	r.ReplicateDeletes = false
	without := strings.Replace(seedPolicy, `,
            "oss:ReplicateDelete"`, "", 1)
	require.NotContains(t, without, "ReplicateDelete")
	require.JSONEq(t, without, replication.RolePolicy(r), "without deletes the right to delete is not granted")
}

func TestOnlyOSSMayAssumeTheRole(t *testing.T) {
	require.JSONEq(t, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["oss.aliyuncs.com"]}}]}`, replication.TrustPolicy())
}

func TestNamesAreValidAndFollowFromTheJob(t *testing.T) {
	role := regexp.MustCompile(`^oss-replication-[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	policy := regexp.MustCompile(`^[A-Za-z0-9-]{1,128}$`)
	seen := map[string]string{}
	require.NoError(t, quick.Check(func(n uint64, tail string) bool {
		id := fmt.Sprintf("T%d-%s", n, tail)
		name := replication.RoleName(id)
		if other, taken := seen[name]; taken && other != id {
			return false
		}
		seen[name] = id
		return name == replication.RoleName(id) && len(name) <= 64 && role.MatchString(name) && policy.MatchString(replication.PolicyName(id)) &&
			strings.TrimPrefix(name, "oss-replication-") == strings.TrimPrefix(replication.PolicyName(id), "replidesk-")
	}, nil))
	require.Equal(t, strings.ToLower(replication.RoleName("CHG-2041")), replication.RoleName("CHG-2041"), "policies want the name in lower case")
}

func TestDocumentsAreComparedByMeaning(t *testing.T) {
	r := request()
	document := replication.RolePolicy(r)
	one := `{"Version":"1","Statement":[{"Effect":"Allow","Action":["a:B"],"Resource":["x"]}]}`
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"the same bytes":                                  {document, document, true},
		"other white space":                               {document, indented(document), true},
		"another order of all lists":                      {document, reversed(document), true},
		"a string for a list of one":                      {one, strings.Replace(one, `["a:B"]`, `"a:B"`, 1), true},
		"a trust policy whose action came back as a list": {replication.TrustPolicy(), strings.Replace(replication.TrustPolicy(), `"sts:AssumeRole"`, `["sts:AssumeRole"]`, 1), true},

		"one action more":             {document, strings.Replace(document, `"oss:ReplicatePut"`, `"oss:ReplicatePut","oss:ReplicateDelete"`, 1), false},
		"one action less":             {document, strings.Replace(document, `,"oss:ReplicatePut"`, ``, 1), false},
		"any action":                  {one, strings.Replace(one, "a:B", "a:*", 1), false},
		"any resource":                {one, strings.Replace(one, `["x"]`, `"*"`, 1), false},
		"one statement more":          {one, strings.Replace(one, `"Statement":[`, `"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},`, 1), false},
		"a statement taken away":      {document, strings.Replace(document, document[strings.LastIndex(document, `,{"Effect"`):], "]}", 1), false},
		"a condition":                 {one, strings.Replace(one, `"Effect"`, `"Condition":{"Bool":{"acs:SecureTransport":"true"}},"Effect"`, 1), false},
		"the opposite":                {one, strings.Replace(one, "Allow", "Deny", 1), false},
		"all but the action":          {one, strings.Replace(one, `"Action"`, `"NotAction"`, 1), false},
		"another version":             {one, strings.Replace(one, `"1"`, `"2"`, 1), false},
		"another principal":           {replication.TrustPolicy(), strings.Replace(replication.TrustPolicy(), "oss.aliyuncs.com", "ecs.aliyuncs.com", 1), false},
		"another kind of principal":   {replication.TrustPolicy(), strings.Replace(replication.TrustPolicy(), `"Service"`, `"RAM"`, 1), false},
		"a principal more":            {replication.TrustPolicy(), strings.Replace(replication.TrustPolicy(), `"oss.aliyuncs.com"`, `"oss.aliyuncs.com","fc.aliyuncs.com"`, 1), false},
		"the policy of another pair":  {document, strings.ReplaceAll(document, "dest-bucket", "dest-bucket2"), false},
		"no document":                 {document, "", false},
		"what is no JSON":             {document, document + "x", false},
		"two that are no JSON either": {"x", "x", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.same, replication.SameDocument(c.a, c.b), "%s\n%s", c.a, c.b)
			require.Equal(t, c.same, replication.SameDocument(c.b, c.a), "it does not matter which comes first")
		})
	}
}

func indented(doc string) string {
	var v any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		panic(err)
	}
	b, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// reversed turns the lists of the document round, at every depth.
func reversed(doc string) string {
	var v any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		panic(err)
	}
	var turn func(any)
	turn = func(v any) {
		switch t := v.(type) {
		case map[string]any:
			for _, e := range t {
				turn(e)
			}
		case []any:
			for i, k := 0, len(t)-1; i < k; i, k = i+1, k-1 {
				t[i], t[k] = t[k], t[i]
			}
			for _, e := range t {
				turn(e)
			}
		}
	}
	turn(v)
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
