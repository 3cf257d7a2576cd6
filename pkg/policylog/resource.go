package policylog

import (
	"context"

	"github.com/replidesk/replidesk/pkg/journal"
	"github.com/replidesk/replidesk/pkg/replication"
)

// A resource is something that has a policy.
type resource struct {
	log     journal.Log // its lease and ledger
	name    string      // of its policy, for people
	account string      // whose it is
	readOp  string      // the call that reads the policy
	kept    bool        // it always has a policy
	read    func(context.Context) (replication.Existence, string, error)
	write   func(context.Context, string) error
}

// resource returns what has the policy that g is a statement of.
func (l Log) resource(e replication.End, g replication.ResourceGrant) resource {
	if g.Key != "" {
		return resource{
			account: e.Account,
			log:     journal.Key(g.Key), name: "the policy of key " + g.Key, readOp: "GetKeyPolicy", kept: true,
			read: func(ctx context.Context) (replication.Existence, string, error) {
				s, err := l.Keys.KeyPolicy(ctx, e, g.Key)
				return s.Is, s.Document, err
			},
			write: func(ctx context.Context, document string) error { return l.Keys.SetKeyPolicy(ctx, e, g.Key, document) },
		}
	}
	return resource{
		account: e.Account,
		log:     journal.Bucket(e.Bucket), name: "the bucket policy of " + e.Bucket, readOp: "GetBucketPolicy",
		read: func(ctx context.Context) (replication.Existence, string, error) {
			s, err := l.Policies.BucketPolicy(ctx, e)
			return s.Is, s.Document, err
		},
		write: func(ctx context.Context, document string) error { return l.Policies.PutBucketPolicy(ctx, e, document) },
	}
}
