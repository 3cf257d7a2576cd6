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
