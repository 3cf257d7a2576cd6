package systemtest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A grantDoc is a policy of the role, taken apart.
type grantDoc struct {
	Version   string
	Statement []grantStatement
}

type grantStatement struct {
	Effect           string
	Action, Resource []string
	Principal        []string `json:",omitempty"` // of a bucket policy
}

func (g grantDoc) String() string {
	b, _ := json.Marshal(g)
	return string(b)
}

func parsedGrant(t *testing.T, document string) (g grantDoc) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(document), &g))
	return g
}

// A lesser is the policy of the role without one of the things that it grants.
type lesser struct {
	name, document string
	effect         lack
}

// A lack is what the documents let expect when a right is missing.
type lack string

const (
	nothingArrives lack = "nothing arrives"
	historyStays   lack = "what exists already is not copied"
	deletesStay    lack = "what is deleted stays"
)

// lacks says what each right is for: reading the source, and listing it for what
// exists already; writing to the destination, for which three rights are called the
// minimum; deleting there.
var lacks = map[string]lack{
	"source oss:ReplicateList": historyStays, "source the bucket": historyStays,
	"source oss:ReplicateGet": nothingArrives, "source its objects": nothingArrives,
	"destination oss:ReplicateList": nothingArrives, "destination the bucket": nothingArrives,
	"destination oss:ReplicateGet": nothingArrives, "destination oss:ReplicatePut": nothingArrives, "destination its objects": nothingArrives,
	"destination oss:ReplicateDelete": deletesStay,
}

// lesserGrants returns a policy, with one statement for each of the ends, once without
// each action and once without each resource that it grants.
func lesserGrants(t *testing.T, document string, ends ...string) (list []lesser) {
	t.Helper()
	resources := []string{"the bucket", "its objects"}
	whole := parsedGrant(t, document)
	require.Len(t, whole.Statement, len(ends))
	for i, s := range whole.Statement {
		for k, a := range s.Action {
			g := parsedGrant(t, document)
			g.Statement[i].Action = slices.Delete(g.Statement[i].Action, k, k+1)
			list = append(list, lesser{name: ends[i] + " " + a, document: g.String()})
		}
		require.Len(t, s.Resource, len(resources))
		for k := range s.Resource {
			g := parsedGrant(t, document)
			g.Statement[i].Resource = slices.Delete(g.Statement[i].Resource, k, k+1)
			list = append(list, lesser{name: ends[i] + " " + resources[k], document: g.String()})
		}
	}
	for i, l := range list {
		require.Contains(t, lacks, l.name, "nothing says what happens without it")
		list[i].effect = lacks[l.name]
	}
	return list
}

func TestEachThingThatTheRoleIsGrantedIsNeeded(t *testing.T) {
	const extra = `"historical":{"replicate":true},"replicateDeletes":true`
	r := replication.Request{ID: "CHG-1", ReplicateDeletes: true}
	r.Source.Bucket, r.Destination.Bucket = "src", "dst"
	list := lesserGrants(t, replication.RolePolicy(r), "source", "destination")
	require.Len(t, list, len(lacks))
	for _, l := range list {
		bubble(t, "without "+l.name+" "+string(l.effect), func(t *testing.T) {
			d := newDesk(t, setup{tick: 10 * time.Minute})
			d.pair("src", "dst", false)
			d.put("src", "old", "older than the rule")
			d.submit(d.ticket("CHG-1", "src", "dst", extra))
			d.inPhase("CHG-1", replication.PhaseStarting, 10*time.Minute)
			d.guard.changed["CHG-1"] = true
			d.document(replication.PolicyName("CHG-1"), l.document)
			d.inPhase("CHG-1", replication.PhaseVerifying, time.Hour)
			switch l.effect {
			case nothingArrives:
				d.awaitEvent("CHG-1", replication.ReasonPolicyDiffers, 2*time.Hour)
				require.Equal(t, replication.StepArrive, d.job("CHG-1").Verification.Step, "the canary is waited for")
				require.Empty(t, d.keys("dst"))
			case deletesStay:
				d.awaitEvent("CHG-1", replication.ReasonPolicyDiffers, 2*time.Hour)
				v := d.job("CHG-1").Verification
				require.Equal(t, replication.StepDeleted, v.Step, "its deletion is waited for")
				require.ElementsMatch(t, []string{"old", v.Key}, d.keys("dst"), "what is written arrives")
			case historyStays:
				d.watched("CHG-1", time.Hour)
				d.awaitEvent("CHG-1", replication.ReasonLag, 3*time.Hour)
				require.Empty(t, d.keys("dst"))
			}
			d.document(replication.PolicyName("CHG-1"), replication.RolePolicy(d.tickets["CHG-1"]))
			require.Equal(t, "canary", d.watched("CHG-1", 2*time.Hour).Evidence.By, "with it everything goes on")
			time.Sleep(10 * time.Minute)
			require.Equal(t, []string{"old"}, d.keys("dst"))
		})
	}
}

func TestNothingThatTheRoleIsNotGrantedIsNeeded(t *testing.T) {
	for name, extra := range map[string]string{
		"without deletes":             `"historical":{"replicate":true}`,
		"with deletes":                `"historical":{"replicate":true},"replicateDeletes":true`,
		"without what exists already": `"historical":{"replicate":false}`,
	} {
		bubble(t, name, func(t *testing.T) {
			d := newDesk(t, setup{})
			d.pair("src", "dst", false)
			d.submit(d.ticket("CHG-1", "src", "dst", extra))
			d.watched("CHG-1", time.Hour)
			attached, e := d.world.ListPoliciesForRole(d.uid, replication.RoleName("CHG-1"), world.View{})
			require.Nil(t, e)
			require.Len(t, attached, 1, "this one policy was enough")
			require.Equal(t, replication.PolicyName("CHG-1"), attached[0].Policy.Name)
		})
	}
}
