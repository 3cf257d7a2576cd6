package engine

import (
	"context"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/replication"
)

// encryption returns how the default encryption of a bucket is read. A right that is
// missing hinders nobody: the job goes on and says what it does not know.
func (s *session) encryption(e replication.End) func(context.Context) (replication.EncryptionSeen, error) {
	return func(ctx context.Context) (replication.EncryptionSeen, error) {
		v, err := s.e.Rules.Encryption(ctx, e)
		if fault.Of(err) == fault.Denied {
			return replication.EncryptionSeen{Unread: fault.Line(err.Error())}, nil
		}
		return v, err
	}
}

// sample looks at the encryption of a few objects in scope.
func (s *session) sample(ctx context.Context) (replication.SampleSeen, error) {
	return s.e.Objects.Sample(ctx, s.job.Request.Source, s.job.Request.Objects.Prefixes)
}

// key reads the key of copies. One in another account does not have to let us look.
func (s *session) key(ctx context.Context) (replication.KeySeen, error) {
	r := s.job.Request
	k, err := s.e.Keys.Key(ctx, r.Destination, r.KMSKey())
	if fault.Of(err) == fault.Denied && r.Source.Account != r.Destination.Account {
		return replication.KeySeen{Unread: fault.Line(err.Error())}, nil
	}
	return k, err
}

// keyPolicy reads the policy of that key.
func (s *session) keyPolicy(ctx context.Context) (replication.KeyPolicySeen, error) {
	r := s.job.Request
	p, err := s.e.Keys.KeyPolicy(ctx, r.Destination, r.KMSKey())
	if fault.Of(err) == fault.Denied {
		return replication.KeyPolicySeen{Is: replication.Foreign}, nil
	}
	return p, err
}
