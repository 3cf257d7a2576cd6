package replication_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/replication"
)

// to returns the good ticket with a destination in an account, and with more members.
func to(account, more string) string {
	t := strings.Replace(good, `"historical"`, more+`"historical"`, 1)
	i := strings.Index(t, `"destination"`)
	return t[:i] + strings.Replace(t[i:], "1000000000000001", account, 1)
}

func TestABadTicketToAnotherAccountHasItsOwnReason(t *testing.T) {
	for name, c := range map[string]struct {
		ticket string
		code   replication.Reason
		field  string
	}{
		"an account that the desk does not know":    {to("4000000000000004", ""), replication.ReasonAccountUnknown, "destination.account"},
		"facts of a bucket of our own":              {to("1000000000000001", `"declared":{"versioning":"enabled"},`), replication.ReasonInvalid, "declared"},
		"facts of a bucket that a role looks at":    {to("3000000000000003", `"declared":{"versioning":"enabled"},`), replication.ReasonInvalid, "declared"},
		"a fact that is none":                       {to("2000000000000002", `"declared":{"versioning":"on"},`), replication.ReasonInvalid, "declared.versioning"},
		"facts without the main one":                {to("2000000000000002", `"declared":{"empty":true},`), replication.ReasonInvalid, "declared.versioning"},
		"a time for the grant where none is needed": {to("1000000000000001", `"limits":{"grantWithin":"1h"},`), replication.ReasonInvalid, "limits.grantWithin"},
		"too short a time for the grant":            {to("2000000000000002", `"limits":{"grantWithin":"59s"},`), replication.ReasonInvalid, "limits.grantWithin"},
		"too long a time for the grant":             {to("2000000000000002", `"limits":{"grantWithin":"2161h"},`), replication.ReasonInvalid, "limits.grantWithin"},
	} {
		t.Run(name, func(t *testing.T) {
			p := problemsOf(c.ticket)
			require.NotEmpty(t, p)
			require.Equal(t, c.code, p[0].Code, p[0].Message)
			require.Equal(t, c.field, p[0].Field)
		})
	}
	for name, ticket := range map[string]string{
		"by a role":      to("3000000000000003", ""),
		"by a handshake": to("2000000000000002", `"declared":{"versioning":"disabled","empty":true},"limits":{"grantWithin":"72h"},`),
	} {
		t.Run(name, func(t *testing.T) {
			p := problemsOf(ticket)
			require.Len(t, p, 1)
			require.Equal(t, replication.ReasonApprovalMissing, p[0].Code, "all that is missing is an approval")
		})
	}
}
