package replication_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// keyOf is the key of a person of these tests.
func keyOf(name string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte(name[:1]), ed25519.SeedSize))
}

// approvers are Ana and Ben.
func approvers() (list []replication.Approver) {
	for _, name := range []string{"Ana Li", "ben"} {
		list = append(list, replication.Approver{Name: name, Key: keyOf(name).Public().(ed25519.PublicKey)})
	}
	return list
}

// across is a ticket to another account, which has to be approved.
func across() replication.Request {
	r := request()
	r.Destination.Account = "2000000000000002"
	r.Requester = "ben"
	return r
}

// about returns what is said of a ticket as far as it is about approvals.
func about(r replication.Request) (list replication.Problems) {
	d := desk
	d.Approvers = approvers()
	d.Accounts = []replication.Account{{UID: "2000000000000002"}}
	for _, p := range replication.Validate(r, d) {
		if strings.HasPrefix(string(p.Code), "approval.") || strings.HasPrefix(p.Field, "approvals") {
			list = append(list, p)
		}
	}
	return list
}

func TestAPairOfTwoAccountsNeedsTheSignatureOfSomebodyElse(t *testing.T) {
	signed := func(names ...string) func(*replication.Request) {
		return func(r *replication.Request) {
			for _, n := range names {
				r.Approvals = append(r.Approvals, replication.Approve(*r, n, keyOf(n)))
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*replication.Request)
		code   replication.Reason
		field  string
	}{
		"signed by somebody else": {change: signed("Ana Li")},
		"signed by both":          {change: signed("ben", "Ana Li")},
		"signed by a name spelt otherwise": {change: func(r *replication.Request) {
			r.Approvals = []replication.Approval{replication.Approve(*r, " ana  LI", keyOf("Ana Li"))}
		}},
		"and another one's comment": {change: func(r *replication.Request) {
			signed("Ana Li")(r)
			r.Approvals = append(r.Approvals, replication.Approval{By: "the boss"})
		}},
		"not signed":              {func(*replication.Request) {}, replication.ReasonApprovalMissing, "approvals"},
		"signed by the requester": {signed("ben"), replication.ReasonApprovalMissing, "approvals"},
		"signed by the requester who is spelt otherwise": {func(r *replication.Request) { r.Requester = " B e N "; signed("ben")(r) }, replication.ReasonApprovalMissing, "approvals"},
		"approved by a typed name":                       {func(r *replication.Request) { r.Approvals = []replication.Approval{{By: "Ana Li"}} }, replication.ReasonApprovalMissing, "approvals"},
		"without a requester":                            {func(r *replication.Request) { r.Requester = " "; signed("Ana Li")(r) }, replication.ReasonRequesterMissing, "requester"},
		"signed by nobody of this desk":                  {signed("eve"), replication.ReasonApprovalInvalid, "approvals[0].by"},
		"signed with another key": {func(r *replication.Request) {
			r.Approvals = []replication.Approval{replication.Approve(*r, "Ana Li", keyOf("eve"))}
		}, replication.ReasonApprovalInvalid, "approvals[0].signature"},
		"changed after it was signed":   {func(r *replication.Request) { signed("Ana Li")(r); r.ReplicateDeletes = true }, replication.ReasonApprovalInvalid, "approvals[0].signature"},
		"another id with its signature": {func(r *replication.Request) { signed("Ana Li")(r); r.ID = "CHG-1" }, replication.ReasonApprovalInvalid, "approvals[0].signature"},
		"a requester put in afterwards": {func(r *replication.Request) { r.Requester = "eve"; signed("Ana Li")(r); r.Requester = "ben" }, replication.ReasonApprovalInvalid, "approvals[0].signature"},
		"a signature that is none":      {func(r *replication.Request) { r.Approvals = []replication.Approval{{By: "ben", Signature: "yes"}} }, replication.ReasonApprovalInvalid, "approvals[0].signature"},
		"a signature of the bare words": {func(r *replication.Request) {
			r.Approvals = []replication.Approval{{By: "Ana Li", Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(keyOf("Ana Li"), []byte(r.Fingerprint())))}}
		}, replication.ReasonApprovalInvalid, "approvals[0].signature"},
	} {
		t.Run(name, func(t *testing.T) {
			r := across()
			c.change(&r)
			p := about(r)
			if c.code == "" {
				require.Empty(t, p)
				return
			}
			require.NotEmpty(t, p)
			require.Equal(t, c.code, p[0].Code)
			require.Equal(t, c.field, p[0].Field)
			require.NotEmpty(t, p[0].Remedy)
		})
	}
}

func TestWithinAnAccountApprovalsAreNotNeededButHaveToHold(t *testing.T) {
	r := request()
	require.Empty(t, about(r))
	r.Approvals = []replication.Approval{replication.Approve(r, "ben", keyOf("ben")), {By: "the boss"}}
	require.Empty(t, about(r))
	r.RTC = !r.RTC
	p := about(r)
	require.Len(t, p, 1)
	require.Equal(t, replication.ReasonApprovalInvalid, p[0].Code)
	require.Contains(t, p[0].Message, r.Fingerprint(), "so that both sides can compare what they signed")
}

func TestAnAdoptionNeedsNoApproval(t *testing.T) {
	r := across()
	require.True(t, r.NeedsApproval())
	r.Action = replication.ActionAdopt
	require.False(t, r.NeedsApproval(), "data goes there already")
	require.False(t, replication.Request{Action: replication.ActionStop}.NeedsApproval())
}

func TestAnApprovalDoesNotMakeAnotherRequest(t *testing.T) {
	r := across()
	print := r.Fingerprint()
	r.Approvals = []replication.Approval{replication.Approve(r, "Ana Li", keyOf("Ana Li"))}
	require.Equal(t, print, r.Fingerprint())
	r.Approvals = append(r.Approvals, replication.Approve(r, "ben", keyOf("ben")))
	require.Equal(t, print, r.Fingerprint())
	r.DryRun = true
	require.Equal(t, replication.Approve(across(), "ben", keyOf("ben")), replication.Approve(r, "ben", keyOf("ben")), "who approves a plan approves what it is a plan of")
	r.DryRun = false
	require.Empty(t, about(r), "a later approver signs the same as the first")
}

func TestAnApprovalIsPutIntoATicketThatStaysAsItIs(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"without any":        {"{\n  \"id\": \"CHG-1\" ,\"rtc\":true\n}\n", "{\n  \"id\": \"CHG-1\" ,\"rtc\":true,\n  \"approvals\": [{\"by\":\"ana\",\"signature\":\"s\"}]\n}\n"},
		"with an empty list": {`{"approvals": [ ], "id":"CHG-1"}`, `{"approvals": [{"by":"ana","signature":"s"}], "id":"CHG-1"}`},
		"with another":       {`{"id":"x","approvals":[ {"by": "ben"} ]}`, `{"id":"x","approvals":[{"by":"ben"},{"by":"ana","signature":"s"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := replication.WithApproval([]byte(c.before), replication.Approval{By: "ana", Signature: "s"})
			require.NoError(t, err)
			require.Equal(t, c.after, string(out))
		})
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"id"`, `{"id":`, `{"approvals":"ana"}`} {
		_, err := replication.WithApproval([]byte(bad), replication.Approval{By: "ana"})
		require.Error(t, err, "%q", bad)
	}
}

func TestASignedTicketIsInOrder(t *testing.T) {
	r := across()
	body, err := json.Marshal(r)
	require.NoError(t, err)
	read, problems := replication.Parse(body)
	require.Empty(t, problems)
	body, err = replication.WithApproval(body, replication.Approve(read, "Ana Li", keyOf("Ana Li")))
	require.NoError(t, err)
	read, problems = replication.Parse(body)
	require.Empty(t, problems)
	require.Empty(t, about(read))
}

func TestAnApproverSeesThePlanBeforeTheyApprove(t *testing.T) {
	require.True(t, replication.Problems{}.Plannable())
	require.True(t, about(across()).Plannable())
	r := across()
	r.Approvals = []replication.Approval{{By: "ben", Signature: "yes"}}
	require.False(t, about(r).Plannable())
}
