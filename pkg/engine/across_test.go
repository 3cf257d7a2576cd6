package engine_test

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

const farTicket = `{"specVersion":"1","id":"CHG-1","action":"replicate","requester":"ben",
 "source":{"account":"1000000000000001","region":"cn-hangzhou","bucket":"src-bucket"},
 "destination":{"account":"2000000000000002","region":"cn-shanghai","bucket":"dest-bucket"},
 "objects":{"prefixes":["image/"]},"historical":{"replicate":false}`

// destinations keep bucket policies as the ledger does.
type destinations struct {
	*fakeCloud
	document string
	key      string // the policy of the key
	closed   bool   // nobody lets us look
	busy     int    // so many changes find another job at work
}

func (d *destinations) BucketPolicy(ctx context.Context, _ replication.End) (s replication.BucketPolicySeen, err error) {
	err = d.do(ctx, "BucketPolicy", func() error {
		s = replication.BucketPolicySeen{Is: replication.Exists, Document: d.document}
		if d.closed {
			s = replication.BucketPolicySeen{Is: replication.Foreign}
		}
		return nil
	})
	return s, err
}

func (d *destinations) change(ctx context.Context, name string, g replication.ResourceGrant, to func(replication.ResourcePolicy) string) (got replication.Granting, err error) {
	err = d.do(ctx, name, func() error {
		if d.busy--; d.busy >= 0 {
			got = replication.Granting{Busy: "CHG-7", Until: time.Now().Add(time.Minute)}
			return nil
		}
		policy := &d.document
		if g.Key != "" {
			policy = &d.key
		}
		p, err := replication.ParseResourcePolicy(*policy)
		if *policy != "" || name == "Grant" { // from none nothing can be taken
			*policy = to(p)
		}
		got = replication.Granting{Granted: name == "Grant", Removed: name == "Revoke"}
		return err
	})
	return got, err
}

func (d *destinations) Grant(ctx context.Context, _ replication.End, _ string, g replication.ResourceGrant) (replication.Granting, error) {
	return d.change(ctx, "Grant", g, func(p replication.ResourcePolicy) string { s, _ := p.Merge(g); return s })
}

func (d *destinations) Revoke(ctx context.Context, _ replication.End, _ string, g replication.ResourceGrant) (replication.Granting, error) {
	return d.change(ctx, "Revoke", g, func(p replication.ResourcePolicy) string {
		if s, gone := p.Remove(g); gone {
			return s
		}
		return p.String()
	})
}

// far makes the destination one of another account, and returns the ticket for it.
func (b *bench) far(role, extra string) (*destinations, string) {
	b.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(b.t, err)
	d := &destinations{fakeCloud: b.cloud}
	for _, e := range b.engines {
		e.Destinations, e.Keys = d, keys{b.cloud, d}
		e.Desk.Accounts = []replication.Account{{UID: "2000000000000002", Role: role}}
		e.Desk.Approvers = []replication.Approver{{Name: "ana", Key: public}}
	}
	theirs := b.cloud.buckets["dest-bucket"]
	theirs.Owner = "2000000000000002"
	b.cloud.buckets["dest-bucket"] = theirs
	body := []byte(farTicket + extra + "}")
	r, problems := replication.Parse(body)
	require.Empty(b.t, problems)
	body, err = replication.WithApproval(body, replication.Approve(r, "ana", private))
	require.NoError(b.t, err)
	return d, string(body)
}

const farRole = "acs:ram::2000000000000002:role/replidesk-destination"

func TestADestinationInAnotherAccount(t *testing.T) {
	bubble(t, "is granted with one call and given back with one", func(t *testing.T) {
		b := newBench(t)
		d, ticket := b.far(farRole, "")
		b.submit(ticket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.Contains(t, d.document, replication.GrantFor(j.Request).String())
		require.Equal(t, 1, b.cloud.calls["Grant"])
		b.submit(stopTicket)
		b.settle(time.Hour)
		j, _ = b.job("CHG-1")
		require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
		require.Empty(t, d.document)
		require.Equal(t, 1, b.cloud.calls["Revoke"])
	})
	for name, trouble := range map[string]func(*bench, *destinations){
		"whose answers are lost":    func(b *bench, _ *destinations) { b.cloud.lose["Grant"], b.cloud.lose["Revoke"] = 2, 2 },
		"that another job works on": func(_ *bench, d *destinations) { d.busy = 2 },
		"that cannot be read at first": func(b *bench, _ *destinations) {
			b.cloud.fail["BucketPolicy"] = []error{fault.Retryable, fault.Throttled}
		},
	} {
		bubble(t, name+" is only a delay", func(t *testing.T) {
			b := newBench(t)
			d, ticket := b.far(farRole, "")
			trouble(b, d)
			b.submit(ticket)
			b.settle(2 * time.Hour)
			j, _ := b.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			b.submit(stopTicket)
			b.settle(2 * time.Hour)
			require.Empty(t, d.document)
		})
	}
	bubble(t, "that does not let us look is proven by the watermark", func(t *testing.T) {
		b := newBench(t)
		d, ticket := b.far("", `,"declared":{"versioning":"disabled"}`)
		d.closed = true
		b.cloud.buckets["dest-bucket"] = replication.BucketSeen{Is: replication.Foreign}
		b.cloud.fail["Head"] = []error{fault.Denied, fault.Denied, fault.Denied, fault.Denied}
		b.submit(ticket)
		b.settle(time.Hour)
		j, _ := b.job("CHG-1")
		require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
		require.True(t, j.Evidence.Unseen)
		require.Contains(t, b.types(), "replidesk.request.blocked destination.grant-unseen")
		require.Contains(t, b.types(), "replidesk.request.verified job.verified-unseen")
		require.Zero(t, b.cloud.calls["Grant"])
	})
}

// keys shows the policy of the key of a far destination.
type keys struct {
	*fakeCloud
	of *destinations
}

func (k keys) KeyPolicy(ctx context.Context, _ replication.End, _ string) (s replication.KeyPolicySeen, err error) {
	err = k.do(ctx, "KeyPolicy", func() error {
		s = replication.KeyPolicySeen{Is: replication.Exists, Document: k.of.key}
		return nil
	})
	return s, err
}

const farKey = `,"kms":{"replicate":true,"keyId":"acs:kms:cn-shanghai:2000000000000002:key/key-1"}`

func TestAKeyInAnotherAccount(t *testing.T) {
	const owners = `{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["acs:ram::2000000000000002:*"]},"Action":["kms:*"],"Resource":["*"]}]}`
	for name, trouble := range map[string]func(*bench, *destinations){
		"is lent with one call and given back with one": func(*bench, *destinations) {},
		"whose answers are lost is only a delay":        func(b *bench, _ *destinations) { b.cloud.lose["Grant"], b.cloud.lose["Revoke"] = 3, 3 },
		"that another job works on is only a delay":     func(_ *bench, d *destinations) { d.busy = 2 },
		"that cannot be read at first is only a delay":  func(b *bench, _ *destinations) { b.cloud.fail["KeyPolicy"] = []error{fault.Retryable, fault.Throttled} },
	} {
		bubble(t, name, func(t *testing.T) {
			b := newBench(t)
			b.cloud.key = replication.KeySeen{Is: replication.Exists, ARN: "acs:kms:cn-shanghai:2000000000000002:key/key-1", State: "Enabled", Usage: "ENCRYPT/DECRYPT",
				Spec: "Aliyun_AES_256", Creator: "2000000000000002", Instance: "kst-1"}
			d, ticket := b.far(farRole, farKey)
			d.key = owners
			trouble(b, d)
			b.submit(ticket)
			b.settle(2 * time.Hour)
			j, _ := b.job("CHG-1")
			require.Equal(t, replication.PhaseWatching, j.Phase, j.Message)
			lent := replication.KeyGrantFor(j.Request).String()
			require.Equal(t, owners[:len(owners)-2]+","+lent+"]}", d.key)
			b.submit(stopTicket)
			b.settle(2 * time.Hour)
			j, _ = b.job("CHG-1")
			require.Equal(t, replication.PhaseStopped, j.Phase, j.Message)
			require.Equal(t, owners, d.key)
			require.Empty(t, d.document)
		})
	}
}
